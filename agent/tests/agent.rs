//! The real program against a fake relay and a fake model server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use protocol::ClientFrame;
use serde_json::json;
use tempfile::tempdir;

use crate::support::{Agent, KEY, Model, Relay, Script, accepted, in_group, question, stop, welcome};

// What the other tests use of it is not used here.
#[allow(dead_code)]
mod support;

const ECHO: &[&str] = &["--backend", "echo", "--echo-delay-ms", "5"];
/// Slow enough that a test can always step in between.
const SLOW_ECHO: &[&str] = &["--backend", "echo", "--echo-delay-ms", "300"];

#[tokio::test]
async fn a_question_is_answered_piece_by_piece_and_once() {
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let agent = Agent::run(&relay.url, &state, ECHO);
    let (mut peer, cursor) = relay.accept().await;
    assert_eq!(cursor, None);
    peer.started().await;
    let text = "w0rds 中 😀 ".repeat(20);
    peer.ask(1, &text).await;
    let answer = peer.answer(1).await;
    assert_eq!(answer.text, Ok(format!("echo: {text}")));
    assert_eq!(answer.offsets[0], 0);
    assert!(answer.offsets.len() > 1, "{:?}", answer.offsets);
    assert!(format!("echo: {text}").starts_with(&answer.shown));
    // The same question again is acknowledged and not answered: the next answer is to the next question.
    peer.ask(1, &text).await;
    peer.ask(2, "next").await;
    assert_eq!(peer.answer(2).await.text, Ok("echo: next".into()));

    agent.terminate();
    assert_eq!(peer.closed().await, 1000);
    let (code, log) = agent.exit().await;
    assert_eq!(code, Some(0));
    assert!(log.contains("answering with echo") && log.contains("connected as usr_1"), "{log}");
    assert!(!log.contains(KEY) && !log.contains("w0rds"), "a secret or a message reached the log");
}

#[tokio::test]
async fn a_kill_in_the_middle_of_an_answer_loses_nothing() {
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let agent = Agent::run(&relay.url, &state, SLOW_ECHO);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    peer.ask(1, &"word ".repeat(100)).await;
    peer.first_delta(1).await;
    agent.kill();
    drop(peer);

    let agent = Agent::run(&relay.url, &state, ECHO);
    let (mut peer, cursor) = relay.accept().await;
    assert_eq!(cursor, Some("1.1".parse().unwrap()));
    peer.welcome("1.1", json!({ "outcome": "continued", "after": 1 })).await;
    assert_eq!(peer.answer(1).await.text, Ok(format!("echo: {}", "word ".repeat(100))));
    // Once `accepted` is stored, nothing of it is left: the ack of question 2 shows that it was handled.
    peer.ask(2, "two").await;
    peer.answer(2).await;
    peer.ask(3, "three").await;
    agent.kill();
    drop(peer);

    let _agent = Agent::run(&relay.url, &state, ECHO);
    let (mut peer, cursor) = relay.accept().await;
    assert_eq!(cursor, Some("1.3".parse().unwrap()));
    peer.welcome("1.3", json!({ "outcome": "continued", "after": 3 })).await;
    assert_eq!(peer.answer(3).await.text, Ok("echo: three".into()));
}

#[tokio::test]
async fn an_answer_that_was_not_accepted_is_sent_again() {
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let agent = Agent::run(&relay.url, &state, ECHO);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    peer.ask(1, "hello there").await;
    let first = peer.unaccepted_answer(1).await.text;
    drop(peer);

    // After a reconnect, and after a crash.
    let (mut peer, cursor) = relay.accept().await;
    assert_eq!(cursor, Some("1.1".parse().unwrap()));
    peer.welcome("1.1", json!({ "outcome": "continued", "after": 1 })).await;
    assert_eq!(peer.unaccepted_answer(1).await.text, first);
    agent.kill();
    let _agent = Agent::run(&relay.url, &state, ECHO);
    let (mut peer, _) = relay.accept().await;
    peer.welcome("1.1", json!({ "outcome": "continued", "after": 1 })).await;
    assert_eq!(peer.unaccepted_answer(1).await.text, first);

    // A refusal for good ends it as well; so does a text that is too long, after a `fail`.
    peer.send(json!({ "type": "error", "code": "already_replied", "detail": "", "id": "reply:1" })).await;
    peer.ask(2, "long").await;
    peer.unaccepted_answer(2).await.text.unwrap();
    peer.send(json!({ "type": "error", "code": "text_too_long", "detail": "", "id": "reply:2" })).await;
    assert_eq!(peer.answer(2).await.text, Err("the relay refused the answer: Text too long".into()));
    peer.ask(3, "three").await;
    peer.unaccepted_answer(3).await.text.unwrap();
    drop(peer);
    let (mut peer, _) = relay.accept().await;
    peer.welcome("1.3", json!({ "outcome": "continued", "after": 3 })).await;
    assert_eq!(peer.answer(3).await.text, Ok("echo: three".into()));
}

#[tokio::test]
async fn an_answer_in_progress_begins_again_for_whoever_missed_it() {
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let _agent = Agent::run(&relay.url, &state, SLOW_ECHO);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    peer.ask(1, &"word ".repeat(25)).await;
    assert_eq!(peer.first_delta(1).await, "echo: ");
    while !matches!(peer.next().await, ClientFrame::Delta { offset: 6.., .. }) {}
    peer.send(json!({ "type": "restream", "reply_to": 1 })).await;
    assert!(peer.first_delta(1).await.starts_with("echo: word "));
    drop(peer);
    let (mut peer, _) = relay.accept().await;
    peer.welcome("1.1", json!({ "outcome": "continued", "after": 1 })).await;
    let answer = peer.answer(1).await;
    assert_eq!(answer.text, Ok(format!("echo: {}", "word ".repeat(25))));
    assert!(answer.offsets.first().is_none_or(|&offset| offset == 0));
}

#[tokio::test]
async fn a_model_is_asked_with_the_talk_so_far_and_asked_again_when_it_stumbles() {
    let model = Model::start(vec![
        Script::Status(500, "boom"),
        Script::Stream(&["Hel", "lo ", "😀"]),
        Script::BreakOff(&["half an ans"]),
        Script::Stream(&["whole"]),
        Script::Status(404, r#"{"error":{"message":"model 'x' not found"}}"#),
        Script::Raw("data: {\"error\":{\"message\":\"context too long\",\"code\":400}}\n\n"),
        Script::Raw("data: {\"error\":{\"message\":\"context too long\",\"code\":400}}\n\n"),
        Script::Raw("data: {\"error\":{\"message\":\"context too long\",\"code\":400}}\n\n"),
        Script::Stream(&[]),
        Script::Later(2),
        Script::Stream(&["again"]),
    ])
    .await;
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let agent = Agent::run(&relay.url, &state, &["--openai-url", &model.url, "--system", "Be brief."]);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;

    let mut answers = Vec::new();
    for (seq, text) in [(1, "one"), (2, "two"), (3, "three"), (4, "four"), (5, "five")] {
        peer.ask(seq, text).await;
        answers.push(peer.answer(seq).await.text);
    }
    assert_eq!(answers[0], Ok("Hello 😀".into()));
    assert_eq!(answers[1], Ok("whole".into()));
    assert_eq!(answers[2], Err("the model server answered 404: model 'x' not found".into()));
    assert_eq!(answers[3], Err("the model server reported an error: context too long".into()));
    assert_eq!(answers[4], Err("the model gave an empty answer".into()));

    // The talk so far survives a restart; failures are no part of it.
    agent.kill();
    drop(peer);
    let agent = Agent::run(&relay.url, &state, &["--openai-url", &model.url]);
    let (mut peer, _) = relay.accept().await;
    peer.welcome("1.5", json!({ "outcome": "continued", "after": 5 })).await;
    peer.ask(6, "six").await;
    let began = Instant::now();
    assert_eq!(peer.answer(6).await.text, Ok("again".into()));
    assert!(began.elapsed() > Duration::from_millis(1_500), "Retry-After was not respected");
    let asked = model.asked.lock().unwrap().clone();
    let user = |content: &str| json!({ "role": "user", "content": content });
    let assistant = |content: &str| json!({ "role": "assistant", "content": content });
    let system = json!({ "role": "system", "content": "Be brief." });
    assert_eq!(asked[0], json!({ "model": "fake-model", "messages": [system, user("one")], "stream": true }));
    assert_eq!(asked[1], asked[0]);
    assert_eq!(
        asked[10]["messages"],
        json!([user("one"), assistant("Hello 😀"), user("two"), assistant("whole"), user("six")])
    );
    agent.terminate();
    let (_, log) = agent.exit().await;
    assert!(log.contains("answering with fake-model at http://127.0.0.1"), "{log}");
}

/// A talk grows past what a model reads: it goes on with less of it. What a model's limit cut says so.
#[tokio::test]
async fn a_talk_that_is_too_long_goes_on_with_less_of_it() {
    const OVER: &str =
        r#"{"error":{"message":"request (4390 tokens) exceeds the available context size (4096 tokens)"}}"#;
    const CUT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"half\"},\"finish_reason\":\"length\"}]}\n\n";
    const SPENT: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
    let model = Model::start(vec![
        Script::Stream(&["1"]),
        Script::Stream(&["2"]),
        Script::Stream(&["3"]),
        Script::Status(400, OVER),
        Script::Status(500, OVER),
        Script::Stream(&["4"]),
        Script::Raw(CUT),
        Script::Raw(SPENT),
    ])
    .await;
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let agent = Agent::run(&relay.url, &state, &["--openai-url", &model.url]);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    let mut answers = Vec::new();
    for (seq, text) in [(1, "one"), (2, "two"), (3, "three"), (4, "four"), (5, "five"), (6, "six")] {
        peer.ask(seq, text).await;
        answers.push(peer.answer(seq).await.text);
    }
    assert_eq!(answers[3], Ok("4".into()));
    assert_eq!(answers[4], Ok("half\n… [cut: the model's limit of tokens]".into()));
    assert!(answers[5].as_ref().is_err_and(|why| why.contains("give it a larger context")), "{:?}", answers[5]);
    let asked = model.asked.lock().unwrap().clone();
    let before = |at: usize| asked[at]["messages"].as_array().unwrap().len() / 2;
    assert_eq!([before(3), before(4), before(5)], [3, 1, 0]);
    drop(agent);
}

#[tokio::test]
async fn a_stop_frees_the_model_for_the_next_question() {
    // In the middle of an answer, and while the model still thinks about its first word.
    let scripts = [Script::Hang(&["Hel"]), Script::Stream(&["two"]), Script::Hang(&[]), Script::Stream(&["four"])];
    let (mut model, relay, state) = (Model::start(scripts.into()).await, Relay::start().await, tempdir().unwrap());
    let _agent = Agent::run(&relay.url, &state, &["--openai-url", &model.url]);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    peer.ask(1, "one").await;
    assert_eq!(peer.first_delta(1).await, "Hel");
    model.requested().await;
    peer.ask(2, "two").await;
    peer.send(stop(1)).await;
    model.hung_up().await;
    assert_eq!(peer.answer(2).await.text, Ok("two".into()));
    model.requested().await;

    peer.ask(3, "three").await;
    model.requested().await;
    peer.ask(4, "four").await;
    peer.send(stop(3)).await;
    model.hung_up().await;
    assert_eq!(peer.answer(4).await.text, Ok("four".into()));
    // No turn is left of what was stopped.
    assert_eq!(model.told(1), ["two"]);
    assert_eq!(model.told(3), ["two", "two", "four"]);
}

#[tokio::test]
async fn a_question_that_is_stopped_before_its_turn_is_not_answered() {
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let _agent = Agent::run(&relay.url, &state, SLOW_ECHO);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    peer.ask(1, "one, not too short").await;
    peer.ask(2, "two").await;
    // One that waits, one that was never sent, one that comes in the same message.
    peer.send(json!([stop(2), stop(99), question(3, "web", "three"), stop(3), question(4, "web", "four")])).await;
    assert_eq!(peer.acked().await, 4);
    assert_eq!(peer.heard_of(4).await, [1, 4]);
}

#[tokio::test]
async fn hello_names_what_is_held_and_hears_what_ended_meanwhile() {
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let _agent = Agent::run(&relay.url, &state, SLOW_ECHO);
    let (mut peer, _) = relay.accept().await;
    assert!(peer.open.is_empty());
    peer.started().await;
    peer.ask(1, "one").await;
    peer.unaccepted_answer(1).await.text.unwrap();
    peer.ask(2, &"two ".repeat(100)).await;
    peer.ask(3, "three").await;
    peer.ask(4, "four").await;
    drop(peer);

    // Answered, being answered, waiting.
    let (mut peer, _) = relay.accept().await;
    assert_eq!(peer.open, [1, 2, 3, 4]);
    peer.welcome("1.4", json!({ "outcome": "continued", "after": 4 })).await;
    peer.send(json!([stop(1), stop(2), stop(3)])).await;
    // The answer to 1 was sent at `welcome`, and a piece of 2 may have been: before the stop was heard.
    let heard = peer.heard_of(4).await;
    assert!(heard == [1, 4] || heard == [1, 2, 4], "{heard:?}");
    // Its `ack` shows that everything before it was handled.
    peer.ask(5, &"five ".repeat(100)).await;
    drop(peer);
    let (peer, _) = relay.accept().await;
    assert_eq!(peer.open, [5]);
}

#[tokio::test]
async fn a_stopped_question_does_not_come_back_after_a_kill() {
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let agent = Agent::run(&relay.url, &state, SLOW_ECHO);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    peer.ask(1, "one").await;
    peer.unaccepted_answer(1).await.text.unwrap();
    peer.ask(2, &"two ".repeat(100)).await;
    peer.ask(3, "three").await;
    peer.ask(4, &"four ".repeat(100)).await;
    peer.send(json!([stop(1), stop(2), stop(3)])).await;
    // The next question begins once the others are gone from the disk.
    while !matches!(peer.next().await, ClientFrame::Delta { reply_to, .. } if reply_to.0 == 4) {}
    agent.kill();
    drop(peer);

    let _agent = Agent::run(&relay.url, &state, ECHO);
    let (mut peer, _) = relay.accept().await;
    assert_eq!(peer.open, [4]);
    peer.welcome("1.4", json!({ "outcome": "continued", "after": 4 })).await;
    assert_eq!(peer.heard_of(4).await, [4]);
    peer.ask(5, "five").await;
    assert_eq!(peer.heard_of(5).await, [5]);
}

#[tokio::test]
async fn a_stop_makes_room_for_what_the_relay_holds_back() {
    let (model, relay, state) = (Model::start(vec![Script::Hang(&[])]).await, Relay::start().await, tempdir().unwrap());
    let _agent = Agent::run(&relay.url, &state, &["--openai-url", &model.url]);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    for first in (1..=1_000).step_by(50) {
        let batch: Vec<_> = (first..first + 50).map(|seq| question(seq, "web", "hi")).collect();
        peer.send(json!(batch)).await;
    }
    while peer.acked().await < 950 {}
    // Nothing else could send this `ack`: the model says nothing, and no question follows.
    peer.send(stop(1_000)).await;
    assert_eq!(peer.acked().await, 1_000);
}

#[tokio::test]
async fn a_new_session_begins_with_an_empty_context() {
    let answers = [&["a1"], &["a2"], &["a3"], &["a4"], &["a5"]].map(|pieces| Script::Stream(pieces));
    let (model, relay, state) = (Model::start(answers.into()).await, Relay::start().await, tempdir().unwrap());
    let agent = Agent::run(&relay.url, &state, &["--openai-url", &model.url]);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    let ask = |seq, conversation, session| {
        let mut message = question(seq, conversation, &format!("q{seq}"));
        message["session"] = json!(session);
        message
    };
    peer.send(ask(1, "web", 0)).await;
    peer.answer(1).await;
    peer.send(ask(2, "other", 0)).await;
    peer.answer(2).await;
    peer.send(ask(3, "web", 1)).await;
    peer.unaccepted_answer(3).await;

    // What belongs to which session survives a crash.
    agent.kill();
    let _agent = Agent::run(&relay.url, &state, &["--openai-url", &model.url]);
    let (mut peer, _) = relay.accept().await;
    peer.welcome("1.3", json!({ "outcome": "continued", "after": 3 })).await;
    peer.answer(3).await;
    peer.send(ask(4, "web", 1)).await;
    peer.answer(4).await;
    peer.send(ask(5, "other", 0)).await;
    peer.answer(5).await;
    assert_eq!(model.told(2), ["q3"]);
    assert_eq!(model.told(3), ["q3", "a3", "q4"]);
    assert_eq!(model.told(4), ["q2", "a2", "q5"]);
}

#[tokio::test]
async fn people_of_a_group_are_told_apart() {
    let answers = [&["a1"], &["a2"], &["a3"]].map(|pieces| Script::Stream(pieces));
    let (model, relay, state) = (Model::start(answers.into()).await, Relay::start().await, tempdir().unwrap());
    let _agent = Agent::run(&relay.url, &state, &["--openai-url", &model.url]);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    for (seq, name) in [(1, Some("Ada")), (2, Some("韩梅梅")), (3, None)] {
        peer.send(in_group(seq, name, &format!("q{seq}"))).await;
        peer.answer(seq).await;
    }
    assert_eq!(model.told(2), ["Ada: q1", "a1", "韩梅梅: q2", "a2", "q3"]);
}

#[tokio::test]
async fn another_timeline_drops_what_is_held_of_the_old_one() {
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let _agent = Agent::run(&relay.url, &state, SLOW_ECHO);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    peer.ask(1, "old").await;
    peer.unaccepted_answer(1).await.text.unwrap();
    peer.ask(2, &"old ".repeat(100)).await;
    drop(peer);

    let (mut peer, cursor) = relay.accept().await;
    assert_eq!(cursor, Some("1.2".parse().unwrap()));
    peer.welcome("2.0", json!({ "outcome": "gap", "from": 1, "to": 0, "reason": "epoch" })).await;
    // Neither the old answer nor the old question: the first frames belong to the new timeline's question 1.
    peer.send(question(1, "web", "new")).await;
    assert_eq!(peer.answer(1).await.text, Ok("echo: new".into()));
    drop(peer);
    let (_peer, cursor) = relay.accept().await;
    assert_eq!(cursor, Some("2.1".parse().unwrap()));
}

#[tokio::test]
async fn without_a_cursor_nothing_held_is_run_twice() {
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let _agent = Agent::run(&relay.url, &state, ECHO);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    peer.ask(1, "one").await;
    let first = peer.unaccepted_answer(1).await.text;
    peer.send(json!({ "type": "error", "code": "bad_cursor", "detail": "" })).await;
    peer.gone().await;

    let (mut peer, cursor) = relay.accept().await;
    assert_eq!(cursor, None);
    peer.started().await;
    assert_eq!(peer.unaccepted_answer(1).await.text, first);
    peer.send(json!([question(1, "web", "one"), question(2, "web", "two"), accepted(1)])).await;
    assert_eq!(peer.answer(2).await.text, Ok("echo: two".into()));
}

#[tokio::test]
async fn a_silent_relay_is_dropped_and_dialled_again() {
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let _agent = Agent::run(&relay.url, &state, ECHO);
    relay.refuse(503).await;
    let (mut peer, _) = relay.accept().await;
    peer.send(welcome("1.0", json!({ "outcome": "started", "after": 0 }), 200)).await;
    // Pings come and nobody answers them.
    peer.gone().await;
    let (mut peer, cursor) = relay.accept().await;
    assert_eq!(cursor, Some("1.0".parse().unwrap()));
    peer.send(
        json!([welcome("1.0", json!({ "outcome": "continued", "after": 0 }), 30_000), { "type": "from_the_future" }]),
    )
    .await;
    peer.ask(1, "still here").await;
    assert_eq!(peer.answer(1).await.text, Ok("echo: still here".into()));
}

#[tokio::test]
async fn final_refusals_end_the_program() {
    for (status, expected) in [(401, 3), (403, 3)] {
        let (relay, state) = (Relay::start().await, tempdir().unwrap());
        let agent = Agent::run(&relay.url, &state, ECHO);
        relay.refuse(status).await;
        let (code, log) = agent.exit().await;
        assert_eq!(code, Some(expected), "{log}");
        assert!(log.contains("refused the agent key"), "{log}");
    }
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let agent = Agent::run(&relay.url, &state, ECHO);
    let (mut peer, _) = relay.accept().await;
    peer.started().await;
    peer.close(4409).await;
    let (code, log) = agent.exit().await;
    assert_eq!(code, Some(4), "{log}");
    assert!(log.contains("a newer connection of the same agent took over"), "{log}");
}

#[tokio::test]
async fn a_second_process_on_the_same_state_is_refused() {
    let (relay, state) = (Relay::start().await, tempdir().unwrap());
    let _agent = Agent::run(&relay.url, &state, ECHO);
    let (_peer, _) = relay.accept().await;
    let (code, log) = Agent::run(&relay.url, &state, ECHO).exit().await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("another claw-agent is running on the state directory"), "{log}");
}

#[tokio::test]
async fn wrong_settings_are_one_line_and_exit_code_2() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, "relay = 'https://h'\nkey = 'k'\nrelais = 1\n").unwrap();
    let file = file.to_str().unwrap();
    for (args, expected) in [
        (&["run", "--key", "k"][..], "claw-agent: relay is missing: pass --relay"),
        (&["run", "--relay", "https://h"], "claw-agent: key is missing: pass --key"),
        (&["run", "--relay", "ftp://h", "--key", "k"], "claw-agent: relay is not a URL"),
        (&["run", "--config", "/nonexistent.toml"], "claw-agent: config file /nonexistent.toml: cannot be read"),
        (&["run", "--config", file], "unknown keys: relais;"),
    ] {
        let (code, log) = Agent::start(args).exit().await;
        assert_eq!(code, Some(2), "{log}");
        assert!(log.contains(expected) && log.lines().count() == 1, "{log}");
    }
}
