//! Files beside messages: the real program against a fake relay that keeps some, and a fake model server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{Agent, KEY, Model, Relay, Script, file, question};

// What the other tests use of it is not used here.
#[allow(dead_code)]
mod support;

fn with_files(seq: u64, text: &str, files: &[Value]) -> Value {
    let mut message = question(seq, "web", text);
    message["files"] = json!(files);
    message
}

/// As the relay names it: by whatever name of its own the message came.
fn at(path: &str) -> String {
    format!("https://a-name-of-the-relay.example/v1/files/{path}")
}

#[tokio::test]
async fn echo_names_files_and_sends_them_back() {
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let _agent = Agent::run(&relay.url, &state, &["--backend", "echo", "--echo-delay-ms", "1"]);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    let files = [
        file("图 1.png", "image", Some("image/png"), Some(12_345), &at("a")),
        file("b", "audio", None, None, &at("b")),
    ];
    peer.send(with_files(1, "", &files)).await;
    let answer = peer.answer(1).await;
    assert_eq!(answer.text, Ok("echo: \n📎 图 1.png, image/png, 13 KB\n📎 b, audio".into()));
    assert_eq!(json!(answer.files), json!(files));
    peer.ask(2, "none").await;
    assert!(peer.answer(2).await.files.is_empty());
}

#[tokio::test]
async fn a_model_sees_images_and_reads_text_files_and_hears_of_the_others() {
    let model = Model::start(vec![Script::Stream(&["a cat"]), Script::Stream(&["yes"])]).await;
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let agent = Agent::run(&relay.url, &state, &["--openai-url", &model.url]);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    let long = "long line\n".repeat(10_000);
    relay.keep(vec![
        ("/v1/files/cat?x=1", 200, "image/png", b"\x89PNG".to_vec()),
        ("/v1/files/md", 200, "text/markdown; charset=utf-8", "# 标题\n```\ncode\n```\n".as_bytes().to_vec()),
        ("/v1/files/zip", 200, "application/octet-stream", b"PK\x03\x04\0\0".to_vec()),
        ("/v1/files/gone", 404, "application/problem+json", br#"{"detail":"this file was deleted"}"#.to_vec()),
        ("/v1/files/long", 200, "text/plain", long.into_bytes()),
    ]);
    let files = [
        file("cat.png", "image", None, None, &at("cat?x=1")),
        file("a.md", "file", Some("text/markdown"), Some(30), &at("md")),
        file("b.zip", "file", None, Some(6), &at("zip")),
        file("gone.jpg", "image", Some("image/jpeg"), Some(9), &at("gone")),
        file("huge.png", "image", Some("image/png"), Some(10_000_001), &at("huge")),
        file("voice.ogg", "audio", Some("audio/ogg"), Some(2_000), &at("voice")),
        file("else.txt", "file", Some("text/plain"), Some(5), "http://127.0.0.1:1/etc/passwd"),
        file("long.txt", "file", Some("text/plain"), None, &at("long")),
        file("more.txt", "file", Some("text/plain"), None, &at("more")),
    ];
    peer.send(with_files(1, "What is it?", &files)).await;
    assert_eq!(peer.answer(1).await.text, Ok("a cat".into()));
    peer.ask(2, "Sure?").await;
    assert_eq!(peer.answer(2).await.text, Ok("yes".into()));

    let asked = model.asked.lock().unwrap().clone();
    let content = &asked[0]["messages"][0]["content"];
    assert_eq!(content[1], json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBORw==" } }));
    assert_eq!(content.as_array().unwrap().len(), 2);
    let text = content[0]["text"].as_str().unwrap();
    let (before, rest) = text.split_once("[file: long.txt, text/plain]\n```\n").unwrap();
    let expected = "What is it?\n\
        [file: a.md, text/markdown, 30 B]\n````\n# 标题\n```\ncode\n```\n````\n\
        [file: b.zip, 6 B — cannot be read by this backend]\n\
        [file: gone.jpg, image/jpeg, 9 B — cannot be shown: HTTP 404: this file was deleted]\n\
        [file: huge.png, image/png, 10.0 MB — cannot be shown: larger than 10.0 MB]\n\
        [file: voice.ogg, audio/ogg, 2 KB — cannot be read by this backend]\n\
        [file: else.txt, text/plain, 5 B — cannot be read: its address is none of the relay's]\n";
    assert_eq!(before, expected);
    assert!(rest.starts_with("long line\n") && rest.len() < 66_000, "{}", rest.len());
    let end =
        "\n```\n[only its first 66 KB]\n[file: more.txt, text/plain — too long to be read]\n[file: cat.png, image]";
    assert!(rest.ends_with(end), "{}", &rest[rest.len() - 200..]);

    // What was said before is remembered in words.
    let remembered = asked[1]["messages"][0]["content"].as_str().unwrap();
    assert!(remembered.starts_with("What is it?\n[file: cat.png, image]\n[file: a.md, text/markdown, 30 B]\n"));
    assert_eq!(remembered.lines().count(), 10);
    agent.terminate();
    let (_, log) = agent.exit().await;
    assert!(log.contains("file fil_0 is not read: its address is none of the relay's"), "{log}");
    assert!(!log.contains(KEY) && !log.contains("What is it") && !log.contains("标题"), "a message reached the log");
}

#[tokio::test]
async fn a_model_that_takes_no_images_is_asked_again_without_them_once() {
    let refusal = r#"{"error":{"message":"this model takes no pictures"}}"#;
    let model = Model::start(vec![
        Script::Status(400, refusal),
        Script::Stream(&["I see no picture."]),
        Script::Status(500, r#"{"error":{"message":"image input is not supported - hint: mmproj"}}"#),
        Script::Status(400, refusal),
        Script::Status(400, refusal),
        Script::Status(500, "boom"),
        Script::Stream(&["a cat"]),
    ])
    .await;
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let agent = Agent::run(&relay.url, &state, &["--openai-url", &model.url]);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    relay.keep(vec![("/v1/files/cat", 200, "image/png", b"\x89PNG".to_vec())]);
    let files = [file("cat.png", "image", Some("image/png"), Some(4), &at("cat"))];
    peer.send(with_files(1, "", &files)).await;
    assert_eq!(peer.answer(1).await.text, Ok("I see no picture.".into()));
    // It does not like the text either, nor without the talk before it.
    peer.send(with_files(2, "two", &files)).await;
    let failed = "the model server answered 400: this model takes no pictures";
    assert_eq!(peer.answer(2).await.text, Err(failed.into()));
    // A stumble is no refusal.
    peer.send(with_files(3, "three", &files)).await;
    assert_eq!(peer.answer(3).await.text, Ok("a cat".into()));

    let asked = model.asked.lock().unwrap().clone();
    let last = |n: usize| asked[n]["messages"].as_array().unwrap().last().unwrap()["content"].clone();
    assert_eq!(last(0)[0], json!({ "type": "text", "text": "[file: cat.png, image/png, 4 B]" }));
    assert_eq!(last(1), json!("[file: cat.png, image/png, 4 B — cannot be read by this backend]"));
    assert_eq!(last(3), json!("two\n[file: cat.png, image/png, 4 B — cannot be read by this backend]"));
    assert_eq!(last(4), last(3));
    assert_eq!(last(6), last(5));
    assert_eq!(last(6)[1]["type"], json!("image_url"));
    agent.terminate();
    let (_, log) = agent.exit().await;
    assert!(log.contains("the model server answered 400, asked with images: it is asked again without them"), "{log}");
}
