//! The real program against a fake relay and a fake OpenClaw gateway.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use protocol::ClientFrame;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::gateway::{Gateway, TOKEN, answered, asked, message};
use crate::support::{Agent, KEY, Peer, Relay, accepted, file, in_group, question, stop};

mod gateway;
// What the other tests use of it is not used here.
#[allow(dead_code)]
mod support;

fn run(relay: &Relay, gateway: &Gateway, state: &TempDir) -> Agent {
    Agent::run(&relay.url, state, &["--backend", "openclaw", "--openclaw-url", &gateway.url, "--openclaw-token", TOKEN])
}

/// After a reconnect of the agent's, which had `seq`.
async fn continued(peer: &mut Peer, seq: u64) {
    peer.welcome(&format!("1.{seq}"), json!({ "outcome": "continued", "after": seq })).await;
}

fn running(key: &str, text: &str) -> Value {
    json!({ "messages": [asked(key)], "inFlightRun": { "runId": key, "text": text },
        "sessionInfo": { "hasActiveRun": true, "activeRunIds": [key], "status": "running" } })
}

#[tokio::test]
async fn a_question_is_sent_once_and_its_answer_streamed() {
    let (relay, gateway, state) = (Relay::start().await, Gateway::start().await, tempdir().unwrap());
    let agent = run(&relay, &gateway, &state);
    let mut claw = gateway.accept().await;
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    peer.ask(1, "w0rds 中 😀").await;
    claw.show("web:0", json!({ "messages": [] })).await;
    assert_eq!(claw.take("m-1", "started").await, ("w0rds 中 😀".to_owned(), claw.session("web:0")));
    claw.delta("other", "not this").await;
    claw.delta("m-1", "Let me see.").await;
    assert_eq!(peer.first_delta(1).await, "Let me see.");
    // The text begins anew after a tool; some of it is missed, and made good by the last word.
    claw.delta("m-1", "Hel").await;
    assert_eq!(peer.first_delta(1).await, "Hel");
    claw.last("m-1", "Hello 😀.").await;
    assert_eq!(peer.answer(1).await.text, Ok("Hello 😀.".into()));

    // One connection for all conversations, which run side by side; a conversation's questions follow one another.
    peer.send(json!([question(2, "a", "two"), question(3, "b", "three"), question(4, "a", "four")])).await;
    let (mut looked, mut sent) = (Vec::new(), Vec::new());
    while sent.len() < 2 {
        let (method, params) = claw.any().await;
        if method == "chat.history" {
            looked.push(params["sessionKey"].as_str().unwrap().to_owned());
            claw.ok(json!({ "messages": [] })).await;
        } else {
            let key = params["idempotencyKey"].as_str().unwrap().to_owned();
            claw.ok(json!({ "runId": key, "status": "started" })).await;
            sent.push(key);
        }
    }
    looked.sort();
    sent.sort();
    assert_eq!((looked, sent), (vec![claw.session("a:0"), claw.session("b:0")], vec!["m-2".into(), "m-3".into()]));
    claw.last("m-3", "3").await;
    claw.last("m-2", "2").await;
    claw.answer("a:0", "m-4", "4").await;
    let mut heard = peer.heard_of(4).await;
    heard.sort_unstable();
    heard.dedup();
    assert_eq!(heard, [2, 3, 4]);

    agent.terminate();
    let (code, log) = agent.exit().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains(&format!("answering with OpenClaw at {}", gateway.url)), "{log}");
    assert!(log.contains("connected to OpenClaw 2026.9.6"), "{log}");
    assert!(!log.contains(TOKEN) && !log.contains(KEY) && !log.contains("w0rds"), "a secret or a message was logged");
}

#[tokio::test]
async fn a_stop_aborts_the_run_and_the_next_question_is_asked() {
    let (relay, gateway, state) = (Relay::start().await, Gateway::start().await, tempdir().unwrap());
    let _agent = run(&relay, &gateway, &state);
    let mut claw = gateway.accept().await;
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    peer.ask(1, "one").await;
    claw.show("web:0", json!({ "messages": [] })).await;
    claw.take("m-1", "started").await;
    claw.delta("m-1", "Hel").await;
    peer.first_delta(1).await;
    peer.send(stop(1)).await;
    let aborted = claw.next("chat.abort").await;
    assert_eq!(aborted, json!({ "sessionKey": claw.session("web:0"), "runId": "m-1" }));
    claw.ok(json!({ "ok": true, "aborted": true, "runIds": ["m-1"] })).await;
    peer.ask(2, "two").await;
    claw.answer("web:0", "m-2", "2").await;
    assert_eq!(peer.answer(2).await.text, Ok("2".into()));

    // Stopped while the gateway is away: it hears of it when it is back.
    peer.ask(3, "three").await;
    claw.show("web:0", json!({ "messages": [] })).await;
    claw.take("m-3", "started").await;
    claw.delta("m-3", "Hel").await;
    peer.first_delta(3).await;
    drop(claw);
    peer.send(stop(3)).await;
    let mut claw = gateway.accept().await;
    assert_eq!(claw.next("chat.abort").await["runId"], json!("m-3"));
}

#[tokio::test]
async fn an_answer_is_found_again_after_the_connection_broke() {
    let (relay, gateway, state) = (Relay::start().await, Gateway::start().await, tempdir().unwrap());
    let _agent = run(&relay, &gateway, &state);
    let mut claw = gateway.accept().await;
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    peer.ask(1, "one").await;
    claw.show("web:0", json!({ "messages": [] })).await;
    claw.take("m-1", "started").await;
    claw.delta("m-1", "Hel").await;
    assert_eq!(peer.first_delta(1).await, "Hel");
    drop(claw);

    // It runs still: nothing is sent again, and what was missed comes with the next piece.
    let mut claw = gateway.accept().await;
    claw.show("web:0", running("m-1", "Hel")).await;
    claw.show("web:0", running("m-1", "Hello")).await;
    while !matches!(peer.next().await, ClientFrame::Delta { offset: 3, ref text, .. } if text == "lo") {}
    claw.delta("m-1", "Hello, wor").await;
    while !matches!(peer.next().await, ClientFrame::Delta { offset: 5, ref text, .. } if text == ", wor") {}
    drop(claw);

    // It ended meanwhile.
    let mut claw = gateway.accept().await;
    let ended = json!({ "messages": [asked("m-0"), answered("not this"), asked("m-1"), answered("Hello, world.")],
        "sessionInfo": { "hasActiveRun": false, "status": "done", "lastRunId": "m-1" } });
    claw.show("web:0", ended).await;
    let reply = loop {
        if let ClientFrame::Reply { text, .. } = peer.next().await {
            break text;
        }
    };
    assert_eq!(reply, "Hello, world.");
    peer.send(accepted(1)).await;
    peer.ask(2, "two").await;
    claw.answer("web:0", "m-2", "2").await;
    assert_eq!(peer.answer(2).await.text, Ok("2".into()));
}

#[tokio::test]
async fn an_answer_is_found_again_by_the_next_process() {
    let (relay, gateway, state) = (Relay::start().await, Gateway::start().await, tempdir().unwrap());
    let agent = run(&relay, &gateway, &state);
    let mut claw = gateway.accept().await;
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    peer.ask(1, "one").await;
    claw.show("web:0", json!({ "messages": [] })).await;
    claw.take("m-1", "started").await;
    claw.delta("m-1", "Hel").await;
    peer.first_delta(1).await;
    // A process that ends in good order aborts nothing either.
    agent.terminate();
    agent.exit().await;
    claw.gone().await;
    let device = claw.device.clone();
    drop(peer);

    let agent = run(&relay, &gateway, &state);
    let mut claw = gateway.accept().await;
    assert_eq!(claw.device, device, "the gateway does not know it again");
    let (mut peer, _) = relay.accept().await;
    continued(&mut peer, 1).await;
    // The gateway has it, but not in the transcript yet.
    claw.show("web:0", json!({ "messages": [] })).await;
    claw.take("m-1", "in_flight").await;
    claw.delta("m-1", "Hello").await;
    peer.first_delta(1).await;
    agent.kill();
    drop(peer);

    let _agent = run(&relay, &gateway, &state);
    let mut claw = gateway.accept().await;
    let (mut peer, _) = relay.accept().await;
    continued(&mut peer, 1).await;
    claw.show("web:0", json!({ "messages": [asked("m-1"), answered("Hello.")] })).await;
    assert_eq!(peer.answer(1).await.text, Ok("Hello.".into()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(state.path().join("openclaw-device.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_turn_that_a_restart_interrupted_is_followed_or_asked_again() {
    let (relay, gateway, state) = (Relay::start().await, Gateway::start().await, tempdir().unwrap());
    let _agent = run(&relay, &gateway, &state);
    let mut claw = gateway.accept().await;
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    peer.ask(1, "one").await;
    claw.show("web:0", json!({ "messages": [] })).await;
    claw.take("m-1", "started").await;
    claw.delta("m-1", "Half an ans").await;
    peer.first_delta(1).await;
    drop(claw);

    // OpenClaw goes on by itself, after a while, and under another name.
    let mut claw = gateway.accept().await;
    let system = json!({ "role": "user", "content": "[System] Your previous turn was interrupted",
        "idempotencyKey": "2b68:user", "provenance": { "kind": "internal_system" } });
    claw.show("web:0", json!({ "messages": [asked("m-1")], "sessionInfo": { "status": "running" } })).await;
    let rows = json!([asked("m-1"), system]);
    let info = json!({ "hasActiveRun": true, "status": "running" });
    let goes_on = json!({ "messages": rows, "sessionInfo": info, "inFlightRun": { "runId": "2b68" } });
    claw.show("web:0", goes_on.clone()).await;
    claw.show("web:0", goes_on).await;
    claw.delta("2b68", "A whole").await;
    assert_eq!(peer.first_delta(1).await, "A whole");
    claw.chat("2b68", json!({ "state": "final", "message": message("A whole answer, and more.") })).await;
    let rows = json!([asked("m-1"), system, answered("A whole answer.")]);
    claw.show("web:0", json!({ "messages": rows, "sessionInfo": { "status": "done", "lastRunId": "2b68" } })).await;
    assert_eq!(peer.answer(1).await.text, Ok("A whole answer.".into()));

    // It does not go on: the same key would fail, so the question is sent under its next one.
    peer.ask(2, "two").await;
    claw.show("web:0", json!({ "messages": [] })).await;
    claw.take("m-2", "started").await;
    drop(claw);
    let mut claw = gateway.accept().await;
    let sent = loop {
        match claw.any().await {
            (method, _) if method == "chat.history" => claw.ok(json!({ "messages": [asked("m-2")] })).await,
            (_, params) => break params,
        }
    };
    assert_eq!((&sent["idempotencyKey"], &sent["message"]), (&json!("m-2~2"), &json!("two")));
    claw.ok(json!({ "runId": "m-2~2", "status": "started" })).await;
    claw.last("m-2~2", "2").await;
    assert_eq!(peer.answer(2).await.text, Ok("2".into()));
}

#[tokio::test]
async fn faults_that_pass_are_waited_for_and_others_told() {
    let (relay, gateway, state) = (Relay::start().await, Gateway::start().await, tempdir().unwrap());
    let _agent = run(&relay, &gateway, &state);
    let mut claw = gateway.accept().await;
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    let none = || json!({ "messages": [] });

    peer.ask(1, "one").await;
    claw.next("chat.history").await;
    claw.refuse(json!({ "code": "UNAVAILABLE", "message": "busy", "retryable": true, "retryAfterMs": 50 })).await;
    claw.answer("web:0", "m-1", "1").await;
    assert_eq!(peer.answer(1).await.text, Ok("1".into()));

    peer.ask(2, "two").await;
    claw.show("web:0", none()).await;
    claw.next("chat.send").await;
    claw.refuse(json!({ "code": "INVALID_REQUEST", "message": "Unknown agent id \"x\"" })).await;
    let why = "the OpenClaw gateway refused the question: Unknown agent id \"x\"";
    assert_eq!(peer.answer(2).await.text, Err(why.into()));

    peer.ask(3, "three").await;
    claw.show("web:0", none()).await;
    claw.take("m-3", "started").await;
    claw.chat("m-3", json!({ "state": "error", "errorMessage": "no model", "errorKind": "unknown" })).await;
    assert_eq!(peer.answer(3).await.text, Err("OpenClaw reported an error: no model".into()));

    peer.ask(4, "four").await;
    claw.show("web:0", none()).await;
    claw.take("m-4", "started").await;
    claw.chat("m-4", json!({ "state": "aborted", "stopReason": "rpc" })).await;
    assert_eq!(peer.answer(4).await.text, Err("the turn was stopped in OpenClaw".into()));

    // Its last word has no text, and neither has the transcript: it chose to say nothing.
    peer.ask(5, "five").await;
    claw.show("web:0", none()).await;
    claw.take("m-5", "started").await;
    claw.chat("m-5", json!({ "state": "final" })).await;
    let info = json!({ "hasActiveRun": false, "status": "done", "lastRunId": "m-5" });
    claw.show("web:0", json!({ "messages": [asked("m-5")], "sessionInfo": info })).await;
    assert_eq!(peer.answer(5).await.text, Ok("(done)".into()));

    peer.ask(6, "stop").await;
    claw.show("web:0", none()).await;
    claw.next("chat.send").await;
    claw.ok(json!({ "ok": true, "aborted": false, "runIds": [] })).await;
    let why = "OpenClaw took this for its word to stop, and nothing was running";
    assert_eq!(peer.answer(6).await.text, Err(why.into()));
}

#[tokio::test]
async fn another_session_and_another_agent_are_told_apart() {
    let (relay, gateway, state) = (Relay::start().await, Gateway::start().await, tempdir().unwrap());
    let more = ["--openclaw-url", &gateway.url, "--openclaw-token", TOKEN, "--openclaw-agent", "work"];
    let _agent = Agent::run(&relay.url, &state, &[&["--backend", "openclaw"], &more[..]].concat());
    let mut claw = gateway.accept().await;
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    for (seq, session) in [(1, 0), (2, 1)] {
        let mut message = question(seq, "qq:main:ABC", "q");
        message["session"] = json!(session);
        peer.send(message).await;
        // A gateway makes no difference between upper and lower case.
        let session = format!("qq:main:abc~5ac5e90c736655ec:{session}");
        claw.show(&session, json!({ "messages": [] })).await;
        let params = claw.next("chat.send").await;
        assert_eq!((&params["agentId"], &params["sessionKey"]), (&json!("work"), &json!(claw.session(&session))));
        let key = format!("m-{seq}");
        claw.ok(json!({ "runId": key, "status": "started" })).await;
        claw.last(&key, "a").await;
        assert_eq!(peer.answer(seq).await.text, Ok("a".into()));
    }
}

#[tokio::test]
async fn people_of_a_group_are_told_apart_and_commands_stay_commands() {
    let (relay, gateway, state) = (Relay::start().await, Gateway::start().await, tempdir().unwrap());
    let _agent = run(&relay, &gateway, &state);
    let mut claw = gateway.accept().await;
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    for (seq, text, told) in [(1, "hi", "Ada: hi"), (2, "/status", "/status")] {
        peer.send(in_group(seq, Some("Ada"), text)).await;
        let params = claw.next("chat.history").await;
        assert!(params["sessionKey"].as_str().unwrap().ends_with(":0"));
        claw.ok(json!({ "messages": [] })).await;
        let key = format!("m-{seq}");
        assert_eq!(claw.take(&key, "started").await.0, told);
        claw.last(&key, "a").await;
        peer.answer(seq).await;
    }
}

#[tokio::test]
async fn a_gateway_that_is_away_or_silent_is_dialled_again() {
    let (relay, gateway, state) = (Relay::start().await, Gateway::start().await, tempdir().unwrap());
    let agent = run(&relay, &gateway, &state);
    let starting = json!({ "code": "UNAVAILABLE", "message": "gateway starting", "retryable": true, "retryAfterMs": 10,
        "details": { "reason": "startup-sidecars" } });
    gateway.refuse(starting).await;
    // It wants somebody to approve this device: that may happen at any moment.
    let pairing = json!({ "code": "NOT_PAIRED", "message": "pairing required",
        "details": { "code": "PAIRING_REQUIRED", "requestId": "req-7", "reason": "not-paired" } });
    gateway.refuse(pairing).await;
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    for seq in 1..=3 {
        peer.ask(seq, "waits").await;
    }
    // Nothing is heard of this one, not even a tick.
    let mut claw = gateway.welcome(json!({ "tickIntervalMs": 300 })).await;
    claw.next("chat.history").await;
    claw.gone().await;
    let mut claw = gateway.accept().await;
    for seq in 1..=3 {
        claw.answer("web:0", &format!("m-{seq}"), "a").await;
        assert_eq!(peer.answer(seq).await.text, Ok("a".into()));
    }
    agent.terminate();
    let (_, log) = agent.exit().await;
    assert!(log.contains("on its machine run openclaw devices approve req-7"), "{log}");
    assert!(log.contains("is not ready (gateway starting)") && log.contains("nothing was heard for"), "{log}");
}

#[tokio::test]
async fn a_refusal_ends_the_start_with_one_sentence() {
    let refused = |code: &str, more: Value| {
        let mut details = json!({ "code": code });
        details.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "code": "INVALID_REQUEST", "message": "unauthorized", "details": details })
    };
    for (error, expected) in [
        (
            refused("AUTH_TOKEN_MISMATCH", json!({})),
            "the OpenClaw gateway does not take this token: --openclaw-token must",
        ),
        (refused("AUTH_TOKEN_MISSING", json!({})), "pass it as --openclaw-token, or set CLAW_AGENT_OPENCLAW_TOKEN"),
        (
            refused("PROTOCOL_MISMATCH", json!({ "expectedProtocol": 5 })),
            "speaks protocol 5, this claw-agent 3 to 4: update",
        ),
    ] {
        let (relay, gateway, state) = (Relay::start().await, Gateway::start().await, tempdir().unwrap());
        let agent = run(&relay, &gateway, &state);
        gateway.refuse(error).await;
        let (code, log) = agent.exit().await;
        assert_eq!(code, Some(1), "{log}");
        let last = log.lines().last().unwrap();
        assert!(last.starts_with("claw-agent: ") && last.contains(expected), "{log}");
    }
}

#[tokio::test]
async fn a_token_that_is_changed_later_fails_questions_with_the_reason() {
    let (relay, gateway, state) = (Relay::start().await, Gateway::start().await, tempdir().unwrap());
    let _agent = run(&relay, &gateway, &state);
    let claw = gateway.accept().await;
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    drop(claw);
    let details = json!({ "code": "AUTH_TOKEN_MISMATCH" });
    gateway.refuse(json!({ "code": "INVALID_REQUEST", "message": "unauthorized", "details": details })).await;
    peer.ask(1, "one").await;
    let why = peer.answer(1).await.text.unwrap_err();
    assert!(why.starts_with("the OpenClaw gateway does not take this token"), "{why}");
}

/// A question with files beside it.
fn with_files(seq: u64, text: &str, files: &[Value]) -> Value {
    let mut message = question(seq, "web", text);
    message["files"] = json!(files);
    message
}

#[tokio::test]
async fn files_go_along_as_far_as_the_gateway_takes_them() {
    let (relay, gateway, state) = (Relay::start().await, Gateway::start().await, tempdir().unwrap());
    let agent = run(&relay, &gateway, &state);
    let policy = json!({ "maxPayload": 26_214_400, "attachments": { "maxBytes": 1_000, "maxImageBytes": 100 } });
    let mut claw = gateway.welcome(policy).await;
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    let big = "https://other.example/v1/files/big";
    let files = [
        file("a.png", "image", Some("image/png"), Some(4), "https://other.example/v1/files/a"),
        file("b.pdf", "file", None, None, "https://other.example/v1/files/b"),
        file("big.png", "image", Some("image/png"), Some(101), big),
    ];
    relay.keep(vec![
        ("/v1/files/a", 200, "image/png", b"\x89PNG".to_vec()),
        ("/v1/files/b", 200, "application/pdf", vec![b'x'; 900]),
    ]);
    peer.send(with_files(1, "look", &files)).await;
    claw.show("web:0", json!({ "messages": [] })).await;
    let params = claw.next("chat.send").await;
    let beside = "look\n[file: big.png, image/png, 101 B — larger than 100 B: https://other.example/v1/files/big]";
    assert_eq!(params["message"], json!(beside));
    let image = json!({ "type": "image", "mimeType": "image/png", "fileName": "a.png", "content": "iVBORw==" });
    assert_eq!(params["attachments"][0], image);
    let paper = &params["attachments"][1];
    assert_eq!((&paper["type"], &paper["mimeType"]), (&json!("file"), &json!("application/pdf")));
    // It does not like one of them: all go by their address then, once.
    claw.refuse(json!({ "code": "INVALID_REQUEST", "message": "attachment b.pdf: unsupported" })).await;
    let (text, _) = claw.take("m-1", "started").await;
    assert!(text.starts_with("look\n[file: a.png, image/png, 4 B — not attached: https://other.example/v1/files/a]\n"));
    claw.last("m-1", "I see.").await;
    assert_eq!(peer.answer(1).await.text, Ok("I see.".into()));
    agent.terminate();
    let (_, log) = agent.exit().await;
    assert!(log.contains("it is asked again without them") && !log.contains("b.pdf: unsupported"), "{log}");
}

#[tokio::test]
async fn files_that_openclaw_made_go_with_the_answer() {
    let (relay, gateway, state) = (Relay::start().await, Gateway::start().await, tempdir().unwrap());
    let _agent = run(&relay, &gateway, &state);
    let mut claw = gateway.accept().await;
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    let mut uploads = relay.keep(Vec::new());
    peer.ask(1, "draw").await;
    claw.show("web:0", json!({ "messages": [] })).await;
    claw.take("m-1", "started").await;
    let content = json!([
        { "type": "text", "text": "Here." },
        { "type": "image", "artifactId": "a-1", "url": "/x", "alt": "plot 1.png", "mimeType": "image/png" },
        { "type": "attachment", "attachment": { "artifactId": "a-2", "label": "t.csv", "mimeType": "text/csv" } },
        { "type": "audio", "artifactId": "a-3", "fileName": "s.ogg", "mimeType": "audio/ogg" },
        { "type": "attachment_error", "attachment": { "code": "delivery-failed", "label": "c.png" } },
    ]);
    let row = json!({ "role": "assistant", "content": content, "stopReason": "stop" });
    claw.end("m-1", "Here.", row).await;
    let params = claw.next("artifacts.download").await;
    assert_eq!(params, json!({ "sessionKey": claw.session("web:0"), "artifactId": "a-1" }));
    claw.ok(json!({ "url": "/api/chat/media/x?ticket=1", "artifact": { "id": "a-1" } })).await;
    gateway.hand_over("/api/chat/media/x?ticket=1", "image bytes").await;
    let (head, body) = uploads.recv().await.unwrap();
    assert!(head.starts_with("POST /v1/files?name=plot+1.png HTTP"), "{head}");
    let head = head.to_lowercase();
    assert!(head.contains("content-type: image/png") && head.contains(&format!("bearer {KEY}")), "{head}");
    assert_eq!(body, "image bytes");
    claw.next("artifacts.download").await;
    claw.ok(json!({ "encoding": "base64", "data": "YSxiCg==" })).await;
    assert_eq!(uploads.recv().await.unwrap().1, "a,b\n");
    claw.next("artifacts.download").await;
    claw.ok(json!({ "url": "https://elsewhere.example/x" })).await;
    let answer = peer.answer(1).await;
    let expected = "Here.\n\n📎 s.ogg（未发送 · not sent: it is not at the gateway）\n\n\
        📎 c.png（未发送 · not sent: OpenClaw could not read it, delivery-failed）";
    assert_eq!(answer.text, Ok(expected.into()));
    assert_eq!(answer.files.iter().map(|file| file.id.as_str()).collect::<Vec<_>>(), ["fil_1", "fil_2"]);
}
