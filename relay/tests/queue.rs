//! Where questions wait, and how they end without an answer: routing, commands, stop, time to live, dead letters.

use crate::support::{Sqlite, World, feishu};
use protocol::{Code, Seq, State};
use relay::hub::{Input, Log, Options, PeerId, Posted, Role};
use relay::limit::*;
use relay::platform::Sent;
use relay::store::Question;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A user with two agents; the first is the default.
fn two_agents() -> (World, PeerId, PeerId) {
    let mut world = World::new();
    let home = world.other_agent("agt_home", "Home", &[]);
    let office = world.other_agent("agt_office", "办公室", &[]);
    (world, home, office)
}

fn says(world: &mut World, message: &str, text: &str) -> Seq {
    world.post(message, text).unwrap().seq
}

/// What the platform's writer hears.
fn told(world: &mut World) -> Vec<String> {
    world.ring(|_| Sent::Taken).into_iter().map(|delivery| delivery.text).collect()
}

#[test]
fn questions_go_to_the_agent_of_their_conversation() {
    let (mut world, home, office) = two_agents();
    says(&mut world, "om_1", "one");
    says(&mut world, "om_2", "@办公室 two");
    says(&mut world, "om_3", "three");
    assert_eq!(world.messages(home), ["one", "three"]);
    assert_eq!(world.messages(office), ["two"]);
    says(&mut world, "om_4", "/use 办公");
    assert_eq!(told(&mut world), ["以后这里由「办公室」回答。\n“办公室” answers here from now on."]);
    says(&mut world, "om_5", "four");
    // Only this conversation, also after everything in memory was lost.
    world.hibernate();
    says(&mut world, "om_6", "@home five");
    says(&mut world, "om_7", "six");
    world.post_in("feishu:main:oc_2", "om_8", "seven").unwrap();
    assert_eq!(world.messages(home), ["one", "three", "five", "seven"]);
    assert_eq!(world.messages(office), ["two", "four", "six"]);
    // An answer by the wrong agent is none.
    world.hears(home);
    world.replies(home, 2, "mine");
    assert!(world.hears(home)[0].contains(r#""code":"not_found""#));
}

#[test]
fn what_waits_for_one_agent_does_not_hold_up_another() {
    let (mut world, home, office) = two_agents();
    world.drop(home);
    for n in 1..=300 {
        says(&mut world, &format!("om_{n}"), if n % 3 == 0 { "@办公室 x" } else { "y" });
        if n % 150 == 0 {
            world.acks(office, n);
        }
    }
    assert_eq!(world.messages(office).len(), 100);
    let home = world.other_agent("agt_home", "Home", &[]);
    world.acks(home, 256);
    assert_eq!(world.messages(home).len(), 200);
}

#[test]
fn commands_are_answered_at_once_and_once() {
    let (mut world, home, office) = two_agents();
    world.drop(office);
    let device = world.device(None);
    let mut answers = |text: &str| {
        let id = format!("om_{text}");
        let id = id.replace(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_', "-");
        says(&mut world, &id, text);
        assert!(!world.post(&id, text).unwrap().new);
        let told = told(&mut world);
        assert_eq!(told.len(), 1, "{text}");
        told[0].clone()
    };
    assert!(answers("/help").contains("/停止"));
    let agents = answers("/agents");
    assert!(agents.contains("▶ Home (在线 · online)") && agents.contains("・ 办公室 (离线 · offline)"), "{agents}");
    assert!(answers("/use nobody").contains("/agents"));
    let status = answers("/status");
    assert!(status.contains("Home (在线 · online)") && status.contains("0 这里 · here, 0"), "{status}");
    assert!(answers("/stop").contains("Nothing"));
    assert!(answers("/new").contains("A new conversation"));
    // No agent saw any of it; devices did, as questions with an answer.
    assert_eq!(world.messages(home), [""; 0]);
    let envelopes = world.envelopes(device);
    assert_eq!(envelopes.len(), 12);
    assert!(envelopes.iter().step_by(2).all(|command| command.state == Some(State::Replied)));
    // What is no command of ours goes to the agent, and so does one that is written with two slashes.
    says(&mut world, "om_a", "/model gpt");
    says(&mut world, "om_b", "//status");
    assert_eq!(world.messages(home), ["/model gpt", "/status"]);
    // The agent is told that the conversation was begun anew.
    assert_eq!(world.envelopes(home)[0].session, 1);
}

#[test]
fn commands_work_when_the_queue_is_full_and_nobody_is_there() {
    let mut world = World::new();
    for n in 0..CONVERSATION_QUESTIONS_MAX {
        says(&mut world, &format!("om_{n}"), "x");
    }
    says(&mut world, "om_agents", "/agents");
    assert_eq!(told(&mut world), ["还没有智能体连接过。\nNo agent has connected yet."]);
    says(&mut world, "om_stop", "/停止");
    assert_eq!(
        told(&mut world),
        [format!("已停止 {CONVERSATION_QUESTIONS_MAX} 个问题。\nStopped: {CONVERSATION_QUESTIONS_MAX}.")]
    );
    assert!(world.post("om_more", "x").unwrap().new);
}

#[test]
fn stop_reaches_the_agent_ahead_of_what_waits() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    for n in 1..=300 {
        world.sends(device, &format!("m-{n}"), "x");
        world.acks(device, n);
    }
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":0,"text":"Well, "}"#);
    world.hears(agent);
    world.hears(device);
    // The agent's window is full: 44 questions wait for it.
    world.says(device, r#"{"type":"stop","reply_to":1}"#);
    assert_eq!(world.hears(agent), [r#"{"type":"stop","reply_to":1}"#]);
    let heard = world.hears(device);
    assert!(heard[0].contains("Well, \\n\\n⏹ 已停止 · stopped"), "what was shown stays: {heard:?}");
    assert_eq!(heard[1], r#"{"type":"state","seq":1,"state":"failed","reason":"已停止 · stopped"}"#);
    // Its answer comes too late, and so does a piece of it.
    world.replies(agent, 1, "late");
    assert!(world.hears(agent)[0].contains(r#""code":"already_replied""#));
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":6,"text":"I"}"#);
    assert_eq!(world.hears(agent), [r#"{"type":"stop","reply_to":1}"#]);
    // A question that the agent does not have yet never reaches it.
    world.says(device, r#"{"type":"stop","reply_to":280}"#);
    assert_eq!(world.hears(agent), [""; 0]);
    world.acks(agent, 256);
    let seqs: Vec<u64> = world.envelopes(agent).iter().map(|question| question.seq.0).collect();
    assert_eq!(seqs, (257..=300).filter(|&seq| seq != 280).collect::<Vec<_>>());
    // Stopped once more, or never asked: the device hears what is.
    world.hears(device);
    world.says(device, r#"{"type":"stop","reply_to":280}"#);
    assert_eq!(world.hears(device), [r#"{"type":"state","seq":280,"state":"failed","reason":"已停止 · stopped"}"#]);
    world.says(device, r#"{"type":"stop","reply_to":999}"#);
    assert!(world.hears(device)[0].contains(r#""code":"not_found""#));
    world.says(agent, r#"{"type":"stop","reply_to":2}"#);
    assert!(world.hears(agent).last().unwrap().contains(r#""code":"bad_frame""#));
}

#[test]
fn an_agent_that_was_away_learns_what_was_stopped() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    for n in 1..=3 {
        world.sends(device, &format!("m-{n}"), "x");
    }
    world.acks(agent, 3);
    world.replies(agent, 3, "answered");
    world.drop(agent);
    world.says(device, r#"{"type":"stop","reply_to":1}"#);
    world.crash();
    let agent = world.open(Role::Agent { id: "agt_1".parse().unwrap(), name: "laptop".into() });
    world.says(agent, &format!(r#"{{"type":"hello","cursor":"{}","open":[1,2,3,9]}}"#, world.cursor(3)));
    let heard = world.hears(agent);
    // Not of what it answered: it repeats that, and hears that it was accepted.
    assert_eq!(heard[1..], [r#"{"type":"stop","reply_to":1}"#, r#"{"type":"stop","reply_to":9}"#]);
    world.replies(agent, 3, "answered");
    assert_eq!(world.hears(agent), [r#"{"type":"accepted","id":"reply:3","seq":4}"#]);
    let open = vec![1u64; protocol::limit::OPEN_QUESTIONS_MAX + 1];
    let peer = world.open(Role::Agent { id: "agt_1".parse().unwrap(), name: "laptop".into() });
    world.says(peer, &format!(r#"{{"type":"hello","open":{open:?}}}"#));
    assert_eq!(world.closed[&peer], 4400);
}

#[test]
fn a_recalled_question_is_taken_back_while_it_is_open() {
    let mut world = World::new();
    let agent = world.agent(None);
    says(&mut world, "om_1", "secret");
    says(&mut world, "om_2", "other");
    world.replies(agent, 2, "done");
    world.hears(agent);
    for message in ["om_1", "om_2", "om_unknown", "om_1"] {
        world.input(Input::Recalled(feishu(message, "").id));
    }
    assert_eq!(world.hears(agent), [r#"{"type":"stop","reply_to":1}"#]);
    let page = world.hub().page(&feishu("", "").conversation, None, 10).unwrap().unwrap();
    let states: Vec<_> = page.messages.iter().filter_map(|message| message.state).collect();
    assert_eq!(states, [State::Failed, State::Replied]);
    assert_eq!(
        (page.messages[0].text.as_str(), page.messages[0].reason.as_deref()),
        ("", Some("已撤回 · recalled by its writer"))
    );
    // There is nothing to ask again.
    let replayed = world.input(Input::Replayed(Seq(1))).unwrap();
    assert_eq!(replayed.unwrap_err().code, Code::Conflict);
}

#[test]
fn questions_expire_and_their_writer_is_told_once() {
    let mut world = World::new();
    let agent = world.agent(None);
    let device = world.device(None);
    for n in 1..=3 {
        says(&mut world, &format!("om_{n}"), "x");
        world.advance_ms(1_000);
    }
    world.sends(device, "m-web", "y");
    world.acks(agent, 2);
    world.hears(device);
    assert_eq!(world.alarm, Some(relay_start().plus_ms(DAY_MS)));
    // Not a millisecond early, also when the memory was lost; then all that is due, together.
    world.hibernate();
    world.now = relay_start().plus_ms(DAY_MS - 1);
    assert_eq!(told(&mut world), [""; 0]);
    world.now = relay_start().plus_ms(DAY_MS + 1_500);
    let told_them = told(&mut world);
    assert_eq!(told_them.len(), 1);
    assert!(told_them[0].contains("2 条消息") && told_them[0].contains("24 小时"), "{told_them:?}");
    assert!(world.hears(agent).iter().filter(|frame| frame.contains(r#""type":"stop""#)).count() == 2);
    let states = world.hears(device);
    assert!(states[0].starts_with(r#"{"type":"state","seq":1,"state":"expired","reason":"24 小时"#), "{states:?}");
    // The third expires later, and nobody is told again. The device's own is told there.
    world.now = relay_start().plus_ms(2 * DAY_MS);
    assert_eq!(told(&mut world), [""; 0]);
    let dead: Vec<u64> = world.dead_letters().iter().map(|letter| letter.seq.0).collect();
    assert_eq!(dead, [4, 3, 2, 1]);
    // Once there is an answer, the next failure is told again.
    says(&mut world, "om_4", "z");
    let seq = world.hub().page(&feishu("", "").conversation, None, 1).unwrap().unwrap().messages[0].seq.0;
    world.replies(agent, seq, "here");
    assert_eq!(told(&mut world), ["here"]);
    says(&mut world, "om_5", "z");
    world.advance_ms(DAY_MS);
    assert_eq!(told(&mut world).len(), 1);
}

#[test]
fn the_last_one_from_a_platform_is_replied_to_when_several_expire() {
    let mut world = World::new();
    let device = world.device(None);
    says(&mut world, "om_1", "x");
    says(&mut world, "om_2", "x");
    world.says(device, r#"{"type":"send","id":"m-1","conversation":"feishu:main:oc_1","text":"x"}"#);
    world.advance_ms(DAY_MS);
    let notices: Vec<String> = world.ring(|_| Sent::Taken).into_iter().map(|it| it.origin.message).collect();
    assert_eq!(notices, ["om_2"]);
}

/// Up to which place all have ended is written down now and then; one that is open beyond it is found again.
#[test]
fn an_open_question_is_found_behind_many_that_ended() {
    let mut world = World::new();
    let agent = world.agent(None);
    for n in 0..SETTLE_STEP {
        let seq = says(&mut world, &format!("om_{n}"), "x");
        world.acks(agent, seq.0);
        world.replies(agent, seq.0, "y");
    }
    let open = says(&mut world, "om_open", "still here");
    // With its end it is written down how far all have ended.
    for n in 0..SETTLE_STEP {
        let seq = says(&mut world, &format!("om_after_{n}"), "x");
        world.acks(agent, seq.0);
        world.replies(agent, seq.0, "y");
    }
    world.crash();
    let agent = world.agent(None);
    let found: Vec<Seq> = world.envelopes(agent).into_iter().map(|message| message.seq).collect();
    assert_eq!(found, [open]);
}

#[test]
fn a_late_answer_to_an_expired_question_is_refused() {
    let mut world = World::with(Sqlite::new(), Options { ttl_ms: 5_000, log: Log::Off, ..Options::default() });
    let agent = world.agent(None);
    says(&mut world, "om_1", "x");
    world.advance_ms(5_000);
    assert!(told(&mut world)[0].contains("5 秒内没有回答"));
    world.hears(agent);
    world.replies(agent, 1, "late");
    assert!(world.hears(agent)[0].contains(r#""code":"already_replied""#));
    assert_eq!(world.hub().events(None, 10).unwrap().events, []);
}

#[test]
fn many_expire_in_steps() {
    let mut world = World::new();
    for n in 0..CONVERSATION_QUESTIONS_MAX {
        says(&mut world, &format!("om_{n}"), "x");
    }
    world.advance_ms(DAY_MS);
    world.alarm = None;
    world.input(Input::Tick);
    let notice = world.deliveries.pop().unwrap();
    world.input(Input::Delivered(notice.seq, notice.part, Sent::Taken));
    assert_eq!(world.dead_letters().len(), EXPIRE_QUESTIONS);
    // The rest is due at once.
    assert!(world.alarm.is_some_and(|at| at <= world.now));
    assert_eq!(told(&mut world), [""; 0]);
    assert_eq!(world.dead_letters().len(), CONVERSATION_QUESTIONS_MAX);
}

#[test]
fn a_full_queue_keeps_what_a_platform_brings_as_dead_letters() {
    let mut world = World::new();
    for n in 0..CONVERSATION_QUESTIONS_MAX {
        says(&mut world, &format!("om_{n}"), "x");
    }
    let seq = says(&mut world, "om_more", "more");
    says(&mut world, "om_still_more", "more");
    assert!(!world.post("om_more", "more").unwrap().new);
    let told_them = told(&mut world);
    assert!(told_them.len() == 1 && told_them[0].contains("排队已满"), "{told_them:?}");
    assert_eq!(world.dead_letters().len(), 2);
    says(&mut world, "om_status", "/status");
    let status = told(&mut world).pop().unwrap();
    assert!(status.contains("400 这里 · here, 400") && status.contains("dead letters: 2"), "{status}");
    // No agent gets it, until someone asks for it and there is room.
    let agent = world.agent(None);
    assert_eq!(world.input(Input::Replayed(seq)).unwrap().unwrap_err().code, Code::QueueFull);
    world.replies(agent, 1, "y");
    let again = world.input(Input::Replayed(seq)).unwrap().unwrap();
    assert!(again.new);
    assert_eq!(world.input(Input::Replayed(seq)).unwrap().unwrap(), Posted { new: false, ..again });
    assert_eq!(world.dead_letters().len(), 1);
    world.acks(agent, 256);
    assert_eq!(world.messages(agent).last().unwrap(), "more");
    world.replies(agent, again.seq.0, "at last");
    assert_eq!(told(&mut world).last().unwrap(), "at last");
}

#[test]
fn agents_and_bytes_have_limits_of_their_own() {
    let (mut world, ..) = two_agents();
    let mut ask = |conversation: usize, n: usize, text: &str| {
        let conversation = format!("c-{conversation}").parse().unwrap();
        let id = format!("web-{conversation}-{n}").parse().unwrap();
        let question = Question {
            id,
            conversation,
            via: "web".into(),
            sender: None,
            name: None,
            group: false,
            text: text.into(),
            files: Vec::new(),
            origin: None,
        };
        world.input(Input::Posted(question)).unwrap()
    };
    for n in 0..AGENT_QUESTIONS_MAX {
        ask(n % 3, n, "x").unwrap();
    }
    let refused = ask(9, 9_000, "x").unwrap_err();
    assert_eq!((refused.code, refused.detail), (Code::QueueFull, "800 questions wait for this agent".into()));
    for n in 0..200 {
        ask(n % 3 + 3, 1_000 + n, "@办公室 x").unwrap();
    }
    let refused = ask(9, 9_001, "@办公室 x").unwrap_err();
    assert_eq!(refused.detail, "1000 questions wait for your agents");

    let mut world = World::new();
    let text = "x".repeat(protocol::limit::TEXT_BYTES_MAX);
    for n in 0..CONVERSATION_QUEUE_BYTES_MAX as usize / text.len() {
        world.post(&format!("om_{n}"), &text).unwrap();
    }
    assert_eq!(world.dead_letters(), [], "as many bytes as there may be");
    let over = world.post("om_more", "x").unwrap().seq;
    let dead: Vec<_> = world.dead_letters().into_iter().map(|letter| (letter.seq, letter.outcome)).collect();
    assert_eq!(dead, [(over, "failed".to_owned())]);
}

#[test]
fn an_agent_that_fails_is_not_heard_fifty_times() {
    let mut world = World::new();
    let agent = world.agent(None);
    for n in 1..=50 {
        let seq = says(&mut world, &format!("om_{n}"), "x").0;
        world.hears(agent);
        let fail = format!(r#"{{"type":"fail","reply_to":{seq},"reason":"model server unreachable"}}"#);
        world.says(agent, &fail);
        world.says(agent, &fail);
        let heard = world.hears(agent);
        assert!(heard.len() == 2 && heard.iter().all(|frame| frame.contains(r#""type":"accepted""#)), "{heard:?}");
        if n == 25 {
            world.hibernate();
        }
    }
    let told_them = told(&mut world);
    assert!(told_them.len() == 1 && told_them[0].contains("model server unreachable"), "{told_them:?}");
    assert_eq!(world.dead_letters().len(), 50);
}

#[test]
fn a_dead_letter_is_replayed_as_it_was() {
    let mut world = World::new();
    let agent = world.agent(None);
    // It looks like a command, and is none.
    let seq = says(&mut world, "om_1", "//stop");
    world.says(agent, r#"{"type":"fail","reply_to":1,"reason":"no"}"#);
    told(&mut world);
    let again = world.input(Input::Replayed(seq)).unwrap().unwrap();
    assert_eq!(world.messages(agent), ["/stop", "/stop"]);
    world.replies(agent, again.seq.0, "done");
    assert_eq!(told(&mut world), ["done"]);
    for seq in [again.seq, Seq(99)] {
        let code = world.input(Input::Replayed(seq)).unwrap().unwrap_err().code;
        assert_eq!(code, if seq == Seq(99) { Code::NotFound } else { Code::Conflict });
    }
    // An answer that the platform refused is handed over once more, not made once more.
    let seq = says(&mut world, "om_2", "x");
    world.replies(agent, seq.0, "the answer");
    world.ring(|delivery| match !delivery.is_answer {
        true => Sent::Taken,
        false => Sent::Refused("bot not in group".into()),
    });
    assert_eq!(world.dead_letters().len(), 1);
    world.input(Input::Replayed(seq)).unwrap().unwrap();
    assert_eq!(told(&mut world), ["the answer"]);
    assert_eq!(world.dead_letters(), []);
    let page = world.hub().page(&feishu("", "").conversation, None, 50).unwrap().unwrap();
    let question = page.messages.iter().find(|message| message.seq == seq).unwrap();
    assert_eq!((question.state, question.reason.as_deref()), (Some(State::Replied), None));
}

#[test]
fn dead_letters_and_events_are_bounded() {
    let mut world = World::new();
    let agent = world.agent(None);
    for n in 0..DEAD_LETTERS_MAX + 10 {
        let seq = says(&mut world, &format!("om_{n}"), "a secret").0;
        world.says(agent, &format!(r#"{{"type":"fail","reply_to":{seq},"reason":"no"}}"#));
    }
    let dead = world.dead_letters();
    assert_eq!((dead.len() as u64, dead[0].seq), (DEAD_LETTERS_MAX, Seq(DEAD_LETTERS_MAX + 11)));
    world.hibernate();
    says(&mut world, "om_last", "a secret");
    let rows = world.sql.count("events");
    assert_eq!(rows, EVENTS_MAX);
    let mut before = None;
    let mut seen = Vec::new();
    loop {
        let page = world.hub().events(before, 100).unwrap();
        seen.extend(page.events);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let (written, told): (Vec<_>, Vec<_>) = seen.iter().partition(|event| event.n.is_some());
    assert_eq!(written.len() as u64, EVENTS_MAX);
    assert!(written.windows(2).all(|pair| pair[0].n.unwrap() == pair[1].n.unwrap() + 1));
    // Every message is told of by the timeline: the questions, and the one word about the failures.
    assert_eq!(told.len() as u64, world.sql.count("messages"));
    assert!(seen.windows(2).all(|pair| pair[0].at_ms >= pair[1].at_ms));
    assert!(!format!("{seen:?}").contains("a secret"));
}

/// A word too late is no answer, also where a failure or nothing would have been one.
#[test]
fn what_was_stopped_can_neither_fail_nor_be_done() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    world.sends(device, "m1", "x");
    world.says(device, r#"{"type":"stop","reply_to":1}"#);
    world.hears(agent);
    world.says(agent, r#"{"type":"fail","reply_to":1,"reason":"no"}"#);
    world.says(agent, r#"{"type":"done","reply_to":1}"#);
    let heard = world.hears(agent);
    assert!(heard.len() == 2 && heard.iter().all(|frame| frame.contains("already_replied")), "{heard:?}");
    world.sends(device, "m2", "x");
    world.hears(agent);
    world.says(agent, r#"{"type":"fail","reply_to":2,"reason":"no"}"#);
    world.says(agent, r#"{"type":"done","reply_to":2}"#);
    let heard = world.hears(agent);
    assert!(heard[0].contains("accepted") && heard[1].contains("already_replied"), "{heard:?}");
}

/// Only the one that may have it hears that a question was stopped, and what was shown of its answer stays whole.
#[test]
fn a_stop_is_heard_by_its_agent_alone() {
    let (mut world, home, office) = two_agents();
    let device = world.device(None);
    world.sends(device, "m1", "x");
    world.hears(home);
    world.hears(office);
    let text = "x".repeat(protocol::limit::TEXT_BYTES_MAX);
    world.says(home, &format!(r#"{{"type":"delta","reply_to":1,"offset":0,"text":"{text}"}}"#));
    world.says(device, r#"{"type":"stop","reply_to":1}"#);
    assert_eq!(world.hears(home), [r#"{"type":"stop","reply_to":1}"#]);
    assert_eq!(world.hears(office), [""; 0]);
    assert_eq!(world.drafts, [], "nobody shows it at a platform");
    let kept = world.messages(device).pop().unwrap();
    assert!(kept.len() == protocol::limit::TEXT_BYTES_MAX && kept.ends_with("stopped"), "{}", kept.len());
}

/// Only what somebody stopped keeps what was shown of it, and only if that is something.
#[test]
fn a_part_is_kept_when_there_is_one() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    for n in 1..=2 {
        world.sends(device, &format!("m{n}"), "x");
    }
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":0,"text":""}"#);
    world.says(agent, r#"{"type":"delta","reply_to":2,"offset":0,"text":"begun"}"#);
    world.says(device, r#"{"type":"stop","reply_to":1}"#);
    world.advance_ms(QUESTION_TTL_MS + 1);
    world.ring(|_| Sent::Taken);
    assert_eq!(world.envelopes(device).last().unwrap().from, protocol::Author::Relay, "that it expired");
    assert_eq!(world.sql.count("messages where author = 'agent'"), 0);
}

/// What was stopped is asked again, although a part of its answer was kept.
#[test]
fn a_stopped_question_is_asked_again() {
    let mut world = World::new();
    let agent = world.agent(None);
    let question = feishu("om_1", "x");
    world.post("om_1", "x").unwrap();
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":0,"text":"begun"}"#);
    world.input(Input::Halted(question.id, question.sender.unwrap()));
    assert_eq!(world.sql.count("messages where author = 'agent' and reply_to = 1"), 1);
    world.input(Input::Replayed(Seq(1))).unwrap().unwrap();
    assert_eq!(world.messages(agent), ["x", "x"]);
}

#[test]
fn only_what_failed_says_why() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    world.sends(device, "m1", "/help");
    world.sends(device, "m2", "x");
    let reasons = |world: &World| world.envelopes(device).into_iter().map(|said| said.reason).collect::<Vec<_>>();
    assert_eq!(reasons(&world), [None, None, None]);
    for n in 0..CONVERSATION_QUESTIONS_MAX + 1 {
        says(&mut world, &format!("om_{n}"), "x");
        world.acks(device, n as u64 + 4);
    }
    let reasons = reasons(&world);
    assert!(reasons.iter().flatten().any(|reason| reason.contains("400")), "{reasons:?}");
    // As long as it may be, and one byte longer.
    for (bytes, shown) in [
        (REASON_BYTES_MAX, REASON_BYTES_MAX),
        (REASON_BYTES_MAX + 1, REASON_BYTES_MAX + 3),
        (900, REASON_BYTES_MAX + 3),
    ] {
        world.sends(device, &format!("n{bytes}"), "x");
        let seq = world.sql.count("messages where seq > 0");
        world.says(agent, &format!(r#"{{"type":"fail","reply_to":{seq},"reason":"{}"}}"#, "y".repeat(bytes)));
        assert_eq!(
            world.sql.count(&format!("messages where seq = {seq} and octet_length(reason) = {shown}")),
            1,
            "{bytes}"
        );
    }
}

/// The bytes of what is answered are free again, beside what still waits.
#[test]
fn what_is_answered_takes_no_room() {
    let mut world = World::new();
    let agent = world.agent(None);
    let text = "x".repeat(protocol::limit::TEXT_BYTES_MAX);
    let fits = CONVERSATION_QUEUE_BYTES_MAX / text.len() as u64;
    says(&mut world, "om_first", "x");
    for n in 2..2 * fits {
        let seq = says(&mut world, &format!("om_{n}"), &text);
        world.acks(agent, seq.0);
        world.says(agent, &format!(r#"{{"type":"done","reply_to":{seq}}}"#));
    }
    assert_eq!(world.dead_letters().len(), 0);
    assert_eq!(world.sql.count("messages where outcome is null"), 1);
}

/// As many as an agent may hold; one more is too many.
#[test]
fn an_agent_says_what_it_holds() {
    let mut world = World::new();
    let most: Vec<u64> = (1..=protocol::limit::OPEN_QUESTIONS_MAX as u64).collect();
    let agent = world.other_agent("agt_1", "laptop", &most);
    assert_eq!(world.closed.get(&agent), None);
}

/// The alarm that lets the oldest question expire is set again, whatever rang in between, and once for what is as old.
#[test]
fn a_question_has_its_alarm_after_another_rang() {
    let mut world = World::new();
    let agent = world.agent(None);
    says(&mut world, "om_1", "x");
    says(&mut world, "om_2", "x");
    assert_eq!((world.alarm, world.alarms), (Some(relay_start().plus_ms(QUESTION_TTL_MS)), 1));
    world.advance_ms(1_000);
    says(&mut world, "om_3", "y");
    world.replies(agent, 3, "z");
    world.ring(|_| Sent::Taken);
    assert_eq!(world.alarm, Some(relay_start().plus_ms(QUESTION_TTL_MS)));
}

fn relay_start() -> protocol::Timestamp {
    protocol::Timestamp(1_800_000_000_000)
}
