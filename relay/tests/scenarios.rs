//! The promises of docs/protocol.md §1, one scenario each, on real SQLite.

use crate::support::{World, feishu};
use protocol::limit::{TEXT_BYTES_MAX, WINDOW_MESSAGES};
use protocol::{Cursor, Seq, ServerFrame, State};
use relay::hub::{Input, Pass, Posted, Role};
use relay::limit::*;
use relay::platform::Sent;
use relay::store::Question;

#[test]
fn a_question_is_answered_live_and_once() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    world.hears(device);
    world.sends(device, "m-1", "hi");
    assert_eq!(
        world.hears(device),
        [
            r#"{"type":"message","seq":1,"id":"m-1","conversation":"web","from":{"kind":"user","via":"web"},"agent":"agt_1","at_ms":1800000000000,"text":"hi","state":"queued"}"#,
            r#"{"type":"accepted","id":"m-1","seq":1}"#,
        ]
    );
    assert_eq!(world.messages(agent), ["hi"]);
    world.acks(agent, 1);
    assert_eq!(world.hears(device), [r#"{"type":"state","seq":1,"state":"delivered"}"#]);
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":0,"text":"Hel"}"#);
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":3,"text":"l"}"#);
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":4,"text":"o"}"#);
    // The first piece at once, the others together.
    assert_eq!(
        world.hears(device),
        [r#"{"type":"state","seq":1,"state":"replying"}"#, r#"{"type":"delta","reply_to":1,"offset":0,"text":"Hel"}"#,]
    );
    assert_eq!(std::mem::take(&mut world.flushes_in), [DELTA_INTERVAL_MS]);
    world.input(Input::Flush);
    assert_eq!(world.hears(device), [r#"{"type":"delta","reply_to":1,"offset":3,"text":"lo"}"#]);
    // Held back again, it is asked for again.
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":5,"text":"!"}"#);
    assert_eq!(world.flushes_in, [DELTA_INTERVAL_MS]);
    world.hears(agent);
    for _ in 0..3 {
        world.replies(agent, 1, "Hello.");
    }
    assert_eq!(world.hears(agent), [r#"{"type":"accepted","id":"reply:1","seq":2}"#; 3]);
    assert_eq!(
        world.hears(device),
        [
            r#"{"type":"message","seq":2,"id":"reply:1","conversation":"web","from":{"kind":"agent","id":"agt_1"},"reply_to":1,"at_ms":1800000000000,"text":"Hello."}"#,
            r#"{"type":"state","seq":1,"state":"replied"}"#,
        ]
    );
    world.replies(agent, 1, "Something else.");
    assert!(world.hears(agent)[0].contains("already_replied"));
    assert_eq!(world.hears(device), [""; 0]);
}

#[test]
fn who_wrote_is_told_to_everyone_and_kept() {
    let mut world = World::new();
    let (agent, device) = (world.agent(None), world.device(None));
    world.hears(device);
    let ada = Question { name: Some("Ada".into()), group: true, ..feishu("om_1", "hi") };
    world.input(Input::Posted(ada)).unwrap().unwrap();
    world.post("om_2", "from nobody known").unwrap();
    let from = r#""from":{"kind":"user","via":"feishu","sender":"ou_1","name":"Ada","group":true}"#;
    assert!(world.hears(device)[0].contains(from));
    assert_eq!(world.messages(agent), ["hi", "from nobody known"]);
    // As it is stored, and sent again after a crash; and in the history.
    world.crash();
    let (agent, device) = (world.agent(None), world.device(Some(world.cursor(0))));
    let page = world.hub().page(&feishu("", "").conversation, None, 9).unwrap().unwrap().messages;
    for messages in [world.envelopes(agent), world.envelopes(device), page] {
        let json: Vec<String> = messages.iter().map(|message| serde_json::to_string(message).unwrap()).collect();
        assert!(json[0].contains(from), "{json:?}");
        assert!(json[1].contains(r#""from":{"kind":"user","via":"feishu","sender":"ou_1"}"#), "{json:?}");
    }
    // Asked once more, it is still theirs.
    world.says(agent, r#"{"type":"fail","reply_to":1,"reason":"no"}"#);
    world.input(Input::Replayed(Seq(1))).unwrap().unwrap();
    let again = world.envelopes(agent).pop().unwrap();
    assert_eq!((again.id.as_str(), again.text.as_str()), ("again:1", "hi"));
    assert!(serde_json::to_string(&again).unwrap().contains(from));
}

#[test]
fn the_same_message_is_stored_once_for_72_hours_and_more() {
    let mut world = World::new();
    assert_eq!(world.post("om_1", "hi"), Ok(Posted { seq: Seq(1), new: true }));
    assert_eq!(world.post("om_1", "hi"), Ok(Posted { seq: Seq(1), new: false }));
    world.crash();
    world.advance_ms(DEDUPE_MS_MIN);
    assert_eq!(world.post("om_1", "hi"), Ok(Posted { seq: Seq(1), new: false }));
    let agent = world.agent(None);
    assert_eq!(world.messages(agent), ["hi"]);
}

#[test]
fn what_waits_for_an_agent_arrives_in_order() {
    let mut world = World::new();
    for n in 1..=390 {
        world.post(&format!("om_{n}"), &n.to_string()).unwrap();
    }
    let agent = world.agent(None);
    // No more than the window, until the agent says that it has them.
    assert_eq!(world.messages(agent).len() as u64, WINDOW_MESSAGES);
    world.acks(agent, 100);
    assert_eq!(world.messages(agent).len() as u64, 100 + WINDOW_MESSAGES);
    world.acks(agent, 356);
    world.acks(agent, 390);
    let expected: Vec<String> = (1..=390).map(|n| n.to_string()).collect();
    assert_eq!(world.messages(agent), expected);
    // Up to date: new ones come at once.
    world.post("om_391", "391").unwrap();
    assert_eq!(world.messages(agent).last().unwrap(), "391");
}

#[test]
fn devices_hear_when_an_agent_has_more_or_less_than_before() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    for n in 1..=3 {
        world.post(&format!("om_{n}"), "x").unwrap();
    }
    world.acks(agent, 2);
    let mut states = |cursor: Option<u64>| {
        world.drop(agent);
        world.hears(device);
        let cursor = cursor.map(|seq| world.cursor(seq));
        world.agent(cursor);
        let heard = world.hears(device);
        heard.into_iter().filter(|frame| frame.contains(r#""type":"state""#)).collect::<Vec<_>>()
    };
    // It has stored the third too, and its ack was lost.
    assert_eq!(states(Some(3)), [r#"{"type":"state","seq":3,"state":"delivered"}"#]);
    // It lost everything.
    let queued = |seq: u64| format!(r#"{{"type":"state","seq":{seq},"state":"queued"}}"#);
    assert_eq!(states(None), [queued(1), queued(2), queued(3)]);
}

#[test]
fn an_agent_resumes_from_its_cursor() {
    let mut world = World::new();
    let agent = world.agent(None);
    for n in 1..=5 {
        world.post(&format!("om_{n}"), &n.to_string()).unwrap();
    }
    world.acks(agent, 3);
    world.drop(agent);
    world.crash();
    let again = world.agent(Some(world.cursor(3)));
    assert_eq!(world.messages(again), ["4", "5"]);
    assert!(world.hears(again)[0].contains(r#""resumed":{"outcome":"continued","after":3}"#));
    // One that lost its store gets every open question, and none that is answered.
    world.replies(again, 2, "two");
    let new = world.agent(None);
    assert_eq!(world.messages(new), ["1", "3", "4", "5"]);
}

#[test]
fn the_newest_connection_of_an_agent_wins() {
    let mut world = World::new();
    let old = world.agent(None);
    let new = world.agent(None);
    assert_eq!(world.closed.get(&old), Some(&4409));
    world.post("om_1", "hi").unwrap();
    assert_eq!((world.messages(old).len(), world.messages(new).len()), (0, 1));
}

#[test]
fn devices_resume_continue_and_learn_of_gaps() {
    let mut world = World::new();
    let agent = world.agent(None);
    for n in 1..=3 {
        world.post(&format!("om_{n}"), &n.to_string()).unwrap();
    }
    let device = world.device(Some(world.cursor(1)));
    assert_eq!(world.messages(device), ["2", "3"]);
    assert!(world.hears(device)[0].contains(r#"{"outcome":"continued","after":1}"#));
    // What happened meanwhile to questions that it has.
    world.drop(device);
    world.acks(agent, 3);
    world.replies(agent, 1, "one");
    let device = world.device(Some(world.cursor(3)));
    let heard = world.hears(device);
    assert!(heard.contains(&r#"{"type":"state","seq":1,"state":"replied"}"#.into()), "{heard:?}");
    assert!(heard.contains(&r#"{"type":"state","seq":2,"state":"delivered"}"#.into()), "{heard:?}");
    // A cursor ahead of the timeline, and one of another timeline.
    let device = world.device(Some(world.cursor(99)));
    assert!(world.hears(device)[0].contains(r#"{"outcome":"gap","from":5,"to":99,"reason":"ahead"}"#));
    let device = world.device(Some(Cursor { epoch: 1, seq: Seq(2) }));
    let heard = world.hears(device);
    assert!(heard[0].contains(r#"{"outcome":"gap","from":0,"to":0,"reason":"epoch"}"#), "{heard:?}");
    // A new device gets as many as it asks for.
    let device = world.open(Role::Device);
    world.says(device, r#"{"type":"hello","last":2}"#);
    assert_eq!(world.messages(device), ["3", "one"]);
}

#[test]
fn a_stream_is_shown_to_a_device_that_comes_back() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    world.sends(device, "m-1", "hi");
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":0,"text":"a🚀"}"#);
    world.drop(device);
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":3,"text":"b"}"#);
    let device = world.device(Some(world.cursor(1)));
    let heard = world.hears(device);
    assert_eq!(heard.last().unwrap(), r#"{"type":"delta","reply_to":1,"offset":0,"text":"a🚀b"}"#);
    assert!(heard.contains(&r#"{"type":"state","seq":1,"state":"replying"}"#.into()), "{heard:?}");
    // Hibernation loses the text so far: the agent is asked for all of it.
    world.hibernate();
    world.hears(agent);
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":4,"text":"c"}"#);
    assert_eq!(world.hears(agent), [r#"{"type":"restream","reply_to":1}"#]);
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":0,"text":"a🚀bc"}"#);
    assert_eq!(world.hears(device).last().unwrap(), r#"{"type":"delta","reply_to":1,"offset":0,"text":"a🚀bc"}"#);
    // An agent that leaves in the middle: the question waits for it again.
    world.drop(agent);
    assert_eq!(
        world.hears(device),
        [
            r#"{"type":"state","seq":1,"state":"queued"}"#,
            r#"{"type":"presence","agents":[{"id":"agt_1","name":"laptop","online":false}]}"#,
        ]
    );
}

#[test]
fn a_device_that_does_not_acknowledge_hears_no_more_and_harms_nobody() {
    let mut world = World::new();
    let (silent, device) = (world.device(None), world.device(None));
    for n in 1..=WINDOW_MESSAGES + 10 {
        world.sends(device, &format!("m-{n}"), "x");
        world.acks(device, n);
    }
    assert_eq!(world.messages(silent).len() as u64, WINDOW_MESSAGES);
    assert_eq!(world.messages(device).len() as u64, WINDOW_MESSAGES + 10);
    world.acks(silent, 10);
    assert_eq!(world.messages(silent).len() as u64, WINDOW_MESSAGES + 10);
    world.acks(silent, 9_999);
    assert!(world.hears(silent).last().unwrap().contains("bad_ack"));
}

#[test]
fn hibernation_changes_nothing_for_those_connected() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    for n in 1..=20 {
        world.sends(device, &format!("m-{n}"), &n.to_string());
        world.hibernate();
        world.acks(agent, n);
    }
    let expected: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
    assert_eq!(world.messages(device), expected);
    assert_eq!(world.messages(agent), expected);
}

/// What an agent was sent and did not acknowledge counts, be it answered; also when the memory is lost.
#[test]
fn a_full_window_stays_full_over_hibernation() {
    let mut world = World::new();
    let agent = world.agent(None);
    let post = |world: &mut World, n: u64| {
        world.post_in(&format!("feishu:main:oc_{}", n % 8), &format!("om_{n}"), &n.to_string()).unwrap()
    };
    for n in 0..WINDOW_MESSAGES {
        post(&mut world, n);
    }
    for seq in 1..=100 {
        world.replies(agent, seq, "y");
    }
    // The last one too: then its place stands in the attachment alone.
    world.replies(agent, WINDOW_MESSAGES, "y");
    world.hibernate();
    for n in 0..50 {
        post(&mut world, WINDOW_MESSAGES + n);
    }
    assert_eq!(world.messages(agent).len() as u64, WINDOW_MESSAGES);
    world.acks(agent, 10);
    assert_eq!(world.messages(agent).len() as u64, WINDOW_MESSAGES + 10);
}

/// What an agent has acknowledged stands with its socket until it leaves; nobody else's does.
#[test]
fn how_far_a_question_has_come_is_known_after_hibernation() {
    let mut world = World::new();
    let agent = world.agent(None);
    let other = world.other_agent("agt_2", "office", &[]);
    let device = world.device(None);
    for (n, text) in ["mine", "@office yours", "mine too"].into_iter().enumerate() {
        world.sends(device, &format!("m-{n}"), text);
    }
    world.acks(agent, 1);
    world.hibernate();
    let late = world.device(None);
    let states: Vec<_> = world.envelopes(late).into_iter().map(|message| message.state).collect();
    assert_eq!(states, [Some(State::Delivered), Some(State::Queued), Some(State::Queued)]);
    world.acks(other, 2);
    world.hibernate();
    let later = world.device(None);
    let states: Vec<_> = world.envelopes(later).into_iter().map(|message| message.state).collect();
    assert_eq!(states, [Some(State::Delivered), Some(State::Delivered), Some(State::Queued)]);
}

#[test]
fn an_answer_is_delivered_to_its_platform_once_and_in_order() {
    let mut world = World::new();
    let agent = world.agent(None);
    for n in 1..=3 {
        world.post(&format!("om_{n}"), &n.to_string()).unwrap();
    }
    for n in 1..=3 {
        world.replies(agent, n, &format!("answer {n}"));
        world.replies(agent, n, &format!("answer {n}"));
    }
    assert_eq!(world.alarm, Some(world.now));
    let delivered = world.ring(|_| Sent::Taken);
    let delivered: Vec<(&str, &str)> = delivered.iter().map(|d| (d.origin.message.as_str(), d.text.as_str())).collect();
    assert_eq!(delivered, [("om_1", "answer 1"), ("om_2", "answer 2"), ("om_3", "answer 3")]);
    assert_eq!(world.ring(|_| Sent::Taken), []);
    assert_eq!(world.alarm, None);
}

#[test]
fn a_delivery_is_tried_again_and_holds_its_conversation_back() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    world.post("om_1", "1").unwrap();
    world.post("om_2", "2").unwrap();
    world.replies(agent, 1, "one");
    world.replies(agent, 2, "two");
    let busy = || Sent::Later { after_ms: Some(7_000), why: "busy".into() };
    assert_eq!(world.ring(|_| busy()).len(), 1);
    // Not before the platform's own wish, also when everything in memory was lost.
    world.crash();
    assert_eq!(world.alarm, Some(world.now.plus_ms(7_000)));
    assert_eq!(world.ring(|_| Sent::Taken), []);
    world.advance_ms(7_000);
    let texts: Vec<String> = world.ring(|_| Sent::Taken).into_iter().map(|delivery| delivery.text).collect();
    assert_eq!(texts, ["one", "two"]);
    // Given up: the question says why, to every device and to those that come later.
    world.post("om_3", "3").unwrap();
    let agent = world.agent(Some(world.cursor(5)));
    world.replies(agent, 5, "three");
    world.hears(device);
    let mut tries = 0;
    for _ in 0..100 {
        let Some(at) = world.alarm else { break };
        world.now = at;
        let delivered = world.ring(|_| Sent::Later { after_ms: None, why: "Feishu 230020: busy".into() });
        tries += delivered.iter().filter(|delivery| delivery.is_answer).count();
    }
    assert!((10..30).contains(&tries), "{tries} tries in 50 minutes");
    let device = world.device(None);
    let failed = world.envelopes(device).into_iter().find(|envelope| envelope.seq == Seq(5)).unwrap();
    assert_eq!(failed.state, Some(State::Failed));
    assert_eq!(failed.reason.unwrap(), "the answer was not delivered: Feishu 230020: busy");
}

#[test]
fn a_refused_delivery_fails_the_question_at_once() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    world.post("om_1", "1").unwrap();
    world.replies(agent, 1, "one");
    world.hears(device);
    world.ring(|_| Sent::Refused("Feishu 230002: bot not in group".into()));
    assert_eq!(
        world.hears(device),
        [
            r#"{"type":"state","seq":1,"state":"failed","reason":"the answer was not delivered: Feishu 230002: bot not in group"}"#,
            r#"{"type":"message","seq":3,"id":"notice:3","conversation":"feishu:main:oc_1","from":{"kind":"relay"},"reply_to":1,"at_ms":1800000000000,"text":"⚠️ 回答未能送达：Feishu 230002: bot not in group\nThe answer could not be delivered here: Feishu 230002: bot not in group"}"#,
        ]
    );
    // The words about it are tried too, and refused too: there are none about those.
    assert_eq!(world.ring(|_| Sent::Taken), []);
    assert_eq!(world.hears(device), [""; 0]);
}

#[test]
fn an_agent_that_gives_up_is_heard_where_the_question_came_from() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    world.post("om_1", "1").unwrap();
    world.hears(device);
    world.says(agent, r#"{"type":"fail","reply_to":1,"reason":"model server unreachable"}"#);
    let heard = world.hears(device);
    assert!(heard[0].contains(r#""from":{"kind":"relay"},"reply_to":1"#), "{heard:?}");
    assert_eq!(heard[1], r#"{"type":"state","seq":1,"state":"failed","reason":"model server unreachable"}"#);
    let delivered = world.ring(|_| Sent::Taken);
    assert!(delivered[0].text.contains("model server unreachable"));
}

#[test]
fn an_agent_may_be_done_without_a_word() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    world.post("om_1", "1").unwrap();
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":0,"text":"well"}"#);
    world.hears(device);
    world.hears(agent);
    let accepted = r#"{"type":"accepted","id":"reply:1","seq":1}"#;
    for again in [false, true] {
        world.says(agent, r#"{"type":"done","reply_to":1}"#);
        assert_eq!(world.hears(agent), [accepted], "again: {again}");
    }
    assert_eq!(world.hears(device), [r#"{"type":"state","seq":1,"state":"replied"}"#]);
    // Nothing goes to the chat, nobody is told of a failure, and there is nothing to replay.
    assert_eq!(world.ring(|_| Sent::Taken), []);
    world.says(agent, r#"{"type":"reply","reply_to":1,"text":"after all"}"#);
    assert!(world.hears(agent)[0].contains(r#""code":"already_replied""#));
    // It stays so when the Hub wakes anew, and whoever comes back hears the same.
    world.crash();
    let agent = world.agent(None);
    assert_eq!(world.messages(agent), [""; 0]);
    world.says(agent, r#"{"type":"done","reply_to":1}"#);
    assert_eq!(world.hears(agent).last().map(String::as_str), Some(accepted));
    let log = world.hub().events(None, 50).unwrap().events;
    assert_eq!(log.iter().filter(|event| event.kind == "silent").count(), 1);
}

#[test]
fn questions_wait_for_the_first_agent_ever() {
    let mut world = World::new();
    let device = world.device(None);
    world.sends(device, "m-1", "hi");
    world.crash();
    let agent = world.agent(None);
    assert_eq!(world.messages(agent), ["hi"]);
}

#[test]
fn limits_refuse_visibly() {
    let mut world = World::new();
    let device = world.device(None);
    let most = CONVERSATION_QUESTIONS_MAX as u64;
    for n in 1..=most {
        world.sends(device, &format!("m-{n}"), "x");
        world.acks(device, n);
    }
    world.hears(device);
    world.sends(device, "m-more", "x");
    assert!(world.hears(device)[0].contains(r#""code":"queue_full""#));
    // What was accepted before is still accepted.
    world.sends(device, "m-1", "x");
    assert_eq!(world.hears(device), [r#"{"type":"accepted","id":"m-1","seq":1}"#]);
    // Also when an agent has them all and does not answer, and when memory was lost; one answer makes room for one.
    let agent = world.agent(None);
    for n in (100..=most).step_by(100) {
        world.acks(agent, n);
    }
    world.hibernate();
    world.hears(device);
    world.sends(device, "m-more", "x");
    assert!(world.hears(device)[0].contains(r#""code":"queue_full""#));
    world.replies(agent, 1, "y");
    world.hears(device);
    world.sends(device, "m-more", "x");
    assert!(world.hears(device)[1].contains(r#""accepted""#));
    world.sends(device, "m-still-more", "x");
    assert!(world.hears(device)[0].contains(r#""code":"queue_full""#));

    world.replies(agent, 2, "y");
    world.hears(device);
    world.sends(device, "m-long", &"x".repeat(TEXT_BYTES_MAX + 1));
    assert!(world.hears(device)[0].contains(r#""code":"text_too_long""#));
    for _ in 0..SOCKETS_MAX - 2 {
        assert!(world.hub().has_room());
        world.device(None);
    }
    assert!(!world.hub().has_room());
}

#[test]
fn the_dead_make_room_for_the_living() {
    let mut world = World::new();
    let agent = world.agent(None);
    let phones: Vec<_> = (1..SOCKETS_MAX).map(|_| world.device(None)).collect();
    world.advance_ms(SILENCE_MS_MAX);
    let now = world.now;
    assert_eq!(world.hub().silent(now, |_| None), []);
    world.advance_ms(1);
    // One phone went on with its heartbeats.
    let heard = |peer| (peer == phones[0]).then_some(now);
    let silent = world.hub().silent(world.now, heard);
    assert_eq!(silent.len(), SOCKETS_MAX - 1);
    world.hears(phones[0]);
    world.input(Input::Silent(silent));
    assert_eq!(world.closed.get(&agent), Some(&4408));
    assert!(world.closed.contains_key(&phones[1]) && !world.closed.contains_key(&phones[0]));
    assert!(world.hears(phones[0]).last().unwrap().contains(r#""online":false"#));
    assert!(world.hub().has_room());
}

#[test]
fn one_agent_too_many_is_told_so_for_good() {
    let mut world = World::new();
    let mut connect = |n: usize| {
        let peer = world.open(Role::Agent { id: format!("agt_{n}").parse().unwrap(), name: n.to_string() });
        world.says(peer, r#"{"type":"hello"}"#);
        let closed = world.closed.get(&peer).copied();
        world.drop(peer);
        closed
    };
    for n in 0..AGENTS_MAX {
        assert_eq!(connect(n), None);
    }
    assert_eq!(connect(AGENTS_MAX), Some(4403));
    assert_eq!(connect(0), None);
}

#[test]
fn more_answers_at_once_than_are_shown_still_arrive() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    for n in 1..=STREAMS_MAX as u64 + 1 {
        if n == 20 {
            // What is remembered of them in the sockets' attachments counts as well.
            world.hibernate();
        }
        world.post(&format!("om_{n}"), "x").unwrap();
        world.says(agent, &format!(r#"{{"type":"delta","reply_to":{n},"offset":0,"text":"a"}}"#));
    }
    let deltas = world.hears(device).iter().filter(|frame| frame.contains(r#""type":"delta""#)).count();
    assert_eq!(deltas, STREAMS_MAX);
    world.replies(agent, STREAMS_MAX as u64 + 1, "whole");
    assert!(world.hears(device)[0].contains("whole"));
}

#[test]
fn a_reconnect_is_sent_a_bounded_number_of_bytes_at_a_time() {
    let mut world = World::new();
    let text = "x".repeat(TEXT_BYTES_MAX);
    for n in 1..=60 {
        world.post(&format!("om_{n}"), &text).unwrap();
    }
    let agent = world.agent(None);
    let mut acked = 0;
    while acked < 60 {
        let sent = world.messages(agent).len() as u64 - acked;
        let bytes = (sent as usize) * TEXT_BYTES_MAX;
        assert!(bytes > 0 && bytes <= REPLAY_BYTES_MAX, "{sent} messages");
        acked += sent;
        world.acks(agent, acked);
    }
    // However many acks come at once.
    let again = world.agent(None);
    let acks: Vec<String> = (1..=60).map(|seq| format!(r#"{{"type":"ack","seq":{seq}}}"#)).collect();
    world.says(again, &format!("[{}]", acks.get(..8).unwrap().join(",")));
    assert_eq!(world.messages(again).len(), 2 * REPLAY_BYTES_MAX / TEXT_BYTES_MAX);
    // A page of history is bounded too, and says where the next one begins.
    let conversation = feishu("om", "x").conversation;
    let page = world.hub().page(&conversation, None, 200).unwrap().unwrap();
    assert!(page.messages.len() * TEXT_BYTES_MAX <= PAGE_BYTES_MAX);
    assert_eq!(page.next, Some(world.cursor(page.messages[0].seq.0)));
}

#[test]
fn a_store_that_fails_leaves_everything_as_it_was() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    world.post("om_1", "1").unwrap();
    world.post("om_dead", "1").unwrap();
    world.says(agent, r#"{"type":"fail","reply_to":2,"reason":"no"}"#);
    world.ring(|_| Sent::Taken);
    world.acks(agent, 2);
    let received = |peer, text: &str| Input::received(peer, text);
    let inputs = [
        Input::Posted(feishu("om_2", "2")),
        received(device, r#"{"type":"send","id":"m-1","text":"x"}"#),
        received(agent, r#"{"type":"reply","reply_to":1,"text":"one"}"#),
        received(agent, r#"{"type":"fail","reply_to":1,"reason":"no"}"#),
        received(agent, r#"{"type":"done","reply_to":1}"#),
        received(device, r#"{"type":"stop","reply_to":1}"#),
        Input::Posted(feishu("om_stop", "/stop")),
        Input::Posted(feishu("om_new", "/new")),
        Input::Recalled(feishu("om_1", "").id),
        Input::Replayed(Seq(2)),
    ];
    for input in inputs {
        let before = world.sql.dump();
        let mut statements = 0;
        while world.fails(input.clone(), statements) {
            assert_eq!(world.sql.dump(), before);
            statements += 1;
        }
        assert!(statements >= 3, "{input:?} has {statements} statements");
    }
    // The peers stayed, and go on as if nothing had been.
    world.hears(device);
    world.replies(agent, 1, "one");
    assert_eq!(world.hears(device).len(), 2);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 1);
}

#[test]
fn an_answer_tried_too_long_ago_is_not_sent_again() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "1").unwrap();
    world.replies(agent, 1, "one");
    // Handed to the platform; what became of it was never heard.
    world.input(Input::Tick);
    assert_eq!(std::mem::take(&mut world.deliveries).len(), 1);
    world.crash();
    // Within the hour the idempotency key protects, and it is sent again; after it the question says what is known.
    world.advance_ms(DELIVERY_MS_MAX);
    world.input(Input::Tick);
    assert_eq!(std::mem::take(&mut world.deliveries).len(), 1);
    world.crash();
    world.advance_ms(1);
    let device = world.device(None);
    world.hears(device);
    assert_eq!(world.ring(|_| Sent::Taken), []);
    assert!(world.hears(device)[0].contains("it may be there or not"));
    // One that was never tried is not too late.
    let agent = world.agent(Some(world.cursor(2)));
    world.post("om_2", "2").unwrap();
    world.replies(agent, 3, "two");
    world.crash();
    world.advance_ms(10 * DELIVERY_MS_MAX);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 1);
}

#[test]
fn an_agent_that_leaves_after_hibernation_takes_its_answer_along() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    world.sends(device, "m-1", "hi");
    world.acks(agent, 1);
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":0,"text":"Hel"}"#);
    world.hibernate();
    let other = world.device(None);
    assert_eq!(world.envelopes(other)[0].state, Some(State::Replying));
    world.hears(device);
    world.drop(agent);
    assert_eq!(world.hears(device)[0], r#"{"type":"state","seq":1,"state":"delivered"}"#);
}

#[test]
fn a_device_whose_window_was_full_is_shown_the_stream_again() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    for n in 1..=WINDOW_MESSAGES {
        world.post(&format!("om_{n}"), "x").unwrap();
    }
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":0,"text":"Hel"}"#);
    world.hears(device);
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":3,"text":"lo"}"#);
    assert_eq!(world.hears(device), [""; 0]);
    world.acks(device, WINDOW_MESSAGES);
    assert_eq!(world.hears(device), [r#"{"type":"delta","reply_to":1,"offset":0,"text":"Hello"}"#]);
}

#[test]
fn bad_frames_are_answered_and_harm_nothing() {
    let mut world = World::new();
    let device = world.device(None);
    world.hears(device);
    let mut check = |frame: &str, expected: &str| {
        world.says(device, frame);
        let heard = world.hears(device);
        assert!(heard.len() == 1 && heard[0].contains(expected), "{frame}: {heard:?}");
    };
    check("not json", r#""code":"bad_frame""#);
    check("{}", "missing field `type`");
    check(r#"{"type":"send","text":"x"}"#, "missing field `id`");
    check(r#"{"type":"send","id":"m-1","text":""}"#, "text: must not be empty");
    check(r#"{"type":"send","id":"a:b","text":"x"}"#, "colon");
    check(r#"{"type":"ack","seq":-1}"#, "bad_frame");
    check(r#"{"type":"ack","seq":7}"#, "bad_ack");
    check(r#"{"type":"reply","reply_to":1,"text":"x"}"#, "agent");
    check(r#"{"type":"hello"}"#, "said already");
    check(&format!("[{}]", vec![r#"{"type":"x"}"#; 65].join(",")), "at most 64");
    world.says(device, r#"{"type":"from_the_future","x":1}"#);
    world.says(device, r#"[{"type":"from_the_future"},{"type":"send","id":"m-1","text":"x","new_field":1}]"#);
    assert_eq!(world.hears(device).len(), 2);

    let agent = world.agent(None);
    world.hears(agent);
    world.says(agent, r#"{"type":"reply","reply_to":99,"text":"x"}"#);
    assert!(world.hears(agent)[0].contains(r#""code":"not_found""#));
    world.says(agent, r#"{"type":"delta","reply_to":99,"offset":0,"text":"x"}"#);
    assert_eq!(world.hears(agent), [r#"{"type":"stop","reply_to":99}"#]);
}

#[test]
fn bad_beginnings_close_the_connection() {
    let check = |input: fn(relay::hub::PeerId) -> Input, code: u16| {
        let mut world = World::new();
        let peer = world.open(Role::Device);
        world.input(input(peer));
        assert_eq!(world.closed.get(&peer), Some(&code));
        assert!(matches!(world.heard[&peer].as_slice(), [ServerFrame::Error { .. }]));
        // Nothing that it says after that is heard.
        world.input(Input::received(peer, r#"{"type":"hello"}"#));
        assert_eq!(world.heard[&peer].len(), 1);
    };
    check(Input::Binary, 1003);
    check(|peer| Input::received(peer, &" ".repeat(2_000_000)), 1009);
    check(|peer| Input::received(peer, r#"{"type":"ack","seq":1}"#), 4400);
    check(|peer| Input::received(peer, r#"{"type":"hello","cursor":"x"}"#), 4400);
}

#[test]
fn a_ticket_is_good_once() {
    let world = World::new();
    assert!(world.hub().spend_ticket(world.now, "t1").unwrap());
    assert!(!world.hub().spend_ticket(world.now, "t1").unwrap());
    assert!(world.hub().spend_ticket(world.now, "t2").unwrap());
}

/// Deltas are for who wants them and has room for them; each is shown once.
#[test]
fn deltas_are_shown_to_whom_they_are_of_use() {
    let mut world = World::new();
    let agent = world.agent(None);
    let (shown, plain) = (world.device(None), world.open(Role::Device));
    world.says(plain, r#"{"type":"hello"}"#);
    let full = world.open_with(Role::Device, Pass { window: 1, ..Pass::default() });
    world.says(full, r#"{"type":"hello","capabilities":["deltas"]}"#);
    world.sends(shown, "m1", "x");
    let deltas = |world: &mut World, peer| {
        let heard = world.hears(peer);
        heard.into_iter().filter(|frame| frame.contains(r#""type":"delta""#)).collect::<Vec<_>>()
    };
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":0,"text":"a"}"#);
    let delta = r#"{"type":"delta","reply_to":1,"offset":0,"text":"a"}"#.to_owned();
    assert_eq!([shown, plain, full].map(|peer| deltas(&mut world, peer)), [vec![delta.clone()], vec![], vec![]]);
    // One that had room all the while has seen it; one that had none has not; and one that wants none is shown none.
    for peer in [shown, plain, full] {
        world.acks(peer, 1);
    }
    assert_eq!([shown, plain, full].map(|peer| deltas(&mut world, peer)), [vec![], vec![], vec![delta]]);
    let plain = world.open_with(Role::Device, Pass { window: 1, ..Pass::default() });
    world.says(plain, r#"{"type":"hello","last":1}"#);
    world.acks(plain, 1);
    assert_eq!(deltas(&mut world, plain), [""; 0]);
}

/// An agent is called what its key says now, also after everything in memory was lost; the same name is written once.
#[test]
fn an_agent_may_have_another_name() {
    let mut world = World::new();
    let connect = |world: &mut World, name: &str| {
        let before = world.sql.changes();
        world.open(Role::Agent { id: "agt_1".parse().unwrap(), name: name.into() });
        let peer = *world.heard.keys().last().unwrap();
        world.says(peer, r#"{"type":"hello"}"#);
        world.sql.changes() - before
    };
    connect(&mut world, "laptop");
    let same = connect(&mut world, "laptop");
    assert_eq!(connect(&mut world, "desk"), same + 1);
    world.crash();
    world.post("om_1", "/agents").unwrap();
    assert!(world.ring(|_| Sent::Taken)[0].text.contains("desk"));
}

/// So many of the questions before its cursor, and not one more.
#[test]
fn a_device_hears_how_far_what_it_has_came_meanwhile() {
    let mut world = World::new();
    world.history(RESUME_STATES + 5);
    let device = world.device(Some(world.cursor(RESUME_STATES + 5)));
    let states =
        world.hears(device).into_iter().filter(|frame| frame.contains(r#""type":"state""#)).collect::<Vec<_>>();
    assert_eq!(states.len() as u64, RESUME_STATES);
    assert!(states[0].contains(r#""seq":6"#), "{}", states[0]);
}

#[test]
fn what_a_peer_has_not_acknowledged_is_unread() {
    let mut world = World::new();
    let agent = world.agent(None);
    assert_eq!(world.hub().unread(agent), None);
    world.post("om_1", "x").unwrap();
    assert_eq!(world.hub().unread(agent), Some(Seq(1)));
    world.acks(agent, 1);
    assert_eq!(world.hub().unread(agent), None);
}
