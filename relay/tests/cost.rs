//! What a message costs in rows, which is what the platform bills; and that saving rows loses nothing.

use crate::support::{Sqlite, World};
use protocol::Seq;
use relay::hub::{Input, Options, Pass, PeerId, Role};
use relay::limit::{DEDUPE_MS_MIN, HISTORY_MESSAGES_MAX, INSERT_BYTES_MAX, KNOWN_PAGE, SETTLE_STEP, TRIM_ROWS_MAX};

#[test]
fn a_question_and_its_answer_cost_a_row_each() {
    let mut world = World::new();
    let (agent, device) = (world.agent(None), world.device(None));
    world.sends(device, "first", "x");
    world.replies(agent, 1, "x");
    let (before, rounds) = (world.sql.changes(), 2 * KNOWN_PAGE);
    for n in 0..rounds {
        let seq = 2 * n + 3;
        world.sends(device, &format!("m-{n}"), "x");
        world.acks(agent, seq);
        world.acks(device, seq);
        world.replies(agent, seq, "x");
        world.acks(device, seq + 1);
    }
    // Beside them: a page of ids now and then, and the place up to which all have ended.
    let rows = world.sql.changes() - before;
    assert!((2 * rounds..2 * rounds + rounds / 20).contains(&rows), "{rows} rows for {rounds} rounds");
}

#[test]
fn a_full_history_costs_no_deletions() {
    let mut world = World::new();
    world.history(HISTORY_MESSAGES_MAX);
    let agent = world.agent(None);
    // The first message writes down the ids of all before it.
    world.post("om_first", "x").unwrap();
    world.advance_ms(DEDUPE_MS_MIN + 1);
    let (before, kept) = (world.sql.changes(), world.sql.count("messages"));
    let count = 2 * TRIM_ROWS_MAX;
    for n in 0..count {
        let seq = world.post(&format!("om_{n}"), "x").unwrap().seq;
        world.says(agent, &format!(r#"{{"type":"fail","reply_to":{seq},"reason":""}}"#));
    }
    assert_eq!(world.sql.count("messages"), kept);
    // A question, its outcome, its dead letter, and a line of the log; a word to the writer, once, with its delivery.
    let rows = world.sql.changes() - before;
    assert!(rows < 4 * count + count / 10, "{rows} rows for {count} questions");
    // A device that was away hears what is gone, also of a Hub that woke since.
    world.hibernate();
    let device = world.device(Some(world.cursor(3)));
    let gone = world.sql.count("messages where seq > 20001");
    let welcome = world.hears(device).remove(0);
    assert!(welcome.contains(&format!(r#""outcome":"gap","from":4,"to":{gone}"#)), "{welcome}");
}

/// While a platform does not take them, answers in many chats wait: one more looks at each of them once, and not at each
/// beside every other.
#[test]
fn a_long_outbox_is_looked_through_once() {
    let steps = |waiting: u64| {
        let mut world = World::new();
        let agent = world.agent(None);
        let one_more = |world: &mut World, n: u64| {
            let seq = world.post_in(&format!("feishu:main:oc_{n}"), &format!("om_{n}"), "x").unwrap().seq;
            world.replies(agent, seq.0, "x");
        };
        (0..waiting).for_each(|n| one_more(&mut world, n));
        let before = world.sql.steps();
        (waiting..waiting + 10).for_each(|n| one_more(&mut world, n));
        let after_ten = world.sql.steps();
        world.input(Input::Tick);
        (after_ten - before, world.sql.steps() - after_ten)
    };
    let (few, many) = (steps(50), steps(400));
    // Eight times as many: 64 times as much, when each is looked at beside every other.
    assert!(many.0 < 16 * few.0.max(1) && many.1 < 16 * few.1.max(1), "{few:?} and {many:?} hundred steps");
}

#[test]
fn what_is_not_finished_keeps_its_row() {
    let mut world = World::new();
    let agent = world.agent(None);
    // A question that stays open, a dead letter, and an answer that waits for its platform.
    world.options.ttl_ms = 30 * 24 * 60 * 60 * 1000;
    world.hibernate();
    world.post("om_open", "open").unwrap();
    world.post("om_dead", "dead").unwrap();
    world.says(agent, r#"{"type":"fail","reply_to":2,"reason":"no"}"#);
    world.post("om_slow", "slow").unwrap();
    let slow = world.sql.count("messages");
    world.replies(agent, slow, "slow answer");
    world.history(HISTORY_MESSAGES_MAX);
    world.advance_ms(DEDUPE_MS_MIN + 1);
    let device = world.device(None);
    for n in 0..100 {
        world.sends(device, &format!("n-{n}"), "/agents");
    }
    let old = "messages where seq < 100 and text in";
    assert_eq!(world.sql.count(&format!("{old} ('open', 'dead', 'slow', 'slow answer')")), 4);
    assert_eq!(world.sql.count(&format!("{old} ('x')")), 0);
    // The open one is answered at last, over rows that are taken: its own is not.
    world.replies(agent, 1, "late answer");
    let answers = world.ring(|_| relay::platform::Sent::Taken);
    assert!(answers.iter().any(|delivery| delivery.text == "late answer"));
    // What was passed over goes once nothing needs it.
    world.input(Input::Replayed(Seq(2)));
    for n in 0..2 * TRIM_ROWS_MAX {
        world.sends(device, &format!("o-{n}"), "/agents");
    }
    assert_eq!(world.sql.count("messages where seq < 100"), 0);
}

#[test]
fn an_id_is_known_after_any_number_of_messages_and_wakes() {
    let mut world = World::with(Sqlite::new(), Options { salt: 7 << 40, ..Options::default() });
    let agent = world.agent(None);
    let count = 2 * KNOWN_PAGE + 10;
    for n in 0..count {
        let seq = world.post(&format!("om_{n}"), "x").unwrap().seq;
        world.acks(agent, seq.0);
        world.replies(agent, seq.0, "x");
        world.ring(|_| relay::platform::Sent::Taken);
        if n % 100 == 0 {
            world.hibernate();
        }
    }
    for wakes in 0..2 {
        for n in 0..count {
            let again = world.post(&format!("om_{n}"), "x").unwrap();
            assert!(!again.new && again.seq == Seq(2 * n + 1), "om_{n} after {wakes} wakes: {again:?}");
        }
        world.crash();
    }
    // Of the pages, each was written once.
    assert_eq!(world.sql.count("known_ids"), 2 * count / KNOWN_PAGE);
}

/// Who does not know the salt cannot make ids that all look alike.
#[test]
fn ids_are_hashed_with_a_salt_of_their_own() {
    let pages = |salt: u64| {
        let mut world = World::with(Sqlite::new(), Options { salt, ..Options::default() });
        let device = world.device(None);
        for n in 0..KNOWN_PAGE {
            world.sends(device, &format!("m-{n}"), "/help");
        }
        world.sql.dump().into_iter().filter(|row| row.contains("Blob(")).collect::<Vec<_>>()
    };
    let (one, other) = (pages(1 << 40), pages(2 << 40));
    assert_eq!((one.len(), other.len()), (2, 2));
    assert!(one != other);
    assert_eq!(one, pages(1 << 40));
    // JavaScript, which passes it on, knows no larger number.
    let world = World::with(Sqlite::new(), Options { salt: u64::MAX, ..Options::default() });
    assert_eq!(world.sql.count("meta where key = 'salt' and value = 9007199254740991"), 1);
}

#[test]
fn ids_from_before_there_were_pages_are_known() {
    let mut world = World::new();
    // The last one ends a page.
    let count = 3 * KNOWN_PAGE - 1;
    world.history(count);
    let device = world.open(Role::Device);
    world.says(device, r#"{"type":"hello"}"#);
    for wakes in 0..2 {
        for n in [1, KNOWN_PAGE, 2 * KNOWN_PAGE + 1, count] {
            world.sends(device, &format!("m-{n}"), "x");
            let accepted = format!(r#"{{"type":"accepted","id":"m-{n}","seq":{n}}}"#);
            assert!(world.hears(device).contains(&accepted), "m-{n} after {wakes} wakes");
        }
        assert_eq!(world.sql.count("known_ids"), 3 + 2 * wakes);
        // Another page and a half, by an instance that does not sleep.
        for n in 0..KNOWN_PAGE {
            world.sends(device, &format!("n-{wakes}-{n}"), "/help");
            world.acks(device, count + 2 * n + 2 + 2 * wakes * KNOWN_PAGE);
        }
        world.hears(device);
        world.hibernate();
    }
    assert_eq!(world.post("om_1", "new").unwrap().seq, Seq(count + 4 * KNOWN_PAGE + 1));
}

/// Of what was trimmed there is no page, also when they are all written down at once.
#[test]
fn a_page_without_messages_is_not_written() {
    let mut world = World::new();
    world.history(3 * KNOWN_PAGE - 1);
    world.sql.execute("delete from messages where seq between 256 and 511");
    world.post("om_1", "x").unwrap();
    assert_eq!((world.sql.count("known_ids"), world.sql.count("known_ids where page = 1")), (2, 0));
}

#[test]
fn answered_is_answered_after_a_crash() {
    let mut world = World::new();
    let (agent, device) = (world.agent(None), world.device(None));
    world.sends(device, "a", "x");
    world.sends(device, "b", "x");
    world.replies(agent, 1, "done");
    world.crash();
    let agent = world.agent(None);
    // Of the two only the second is open.
    assert_eq!(world.envelopes(agent).iter().map(|it| it.seq).collect::<Vec<_>>(), [Seq(2)]);
    let device = world.device(Some(world.cursor(3)));
    let states = world.hears(device);
    assert!(states.contains(&r#"{"type":"state","seq":1,"state":"replied"}"#.to_owned()), "{states:?}");
    assert!(states.contains(&r#"{"type":"state","seq":2,"state":"queued"}"#.to_owned()), "{states:?}");
    // The same answer again counts, another one does not.
    world.hears(agent);
    world.replies(agent, 1, "done");
    world.replies(agent, 1, "other");
    let heard = world.hears(agent);
    assert!(heard[0].contains("accepted") && heard[1].contains("already_replied"), "{heard:?}");
}

#[test]
fn a_batch_is_stored_as_it_was_sent() {
    let mut world = World::new();
    let device = world.device(None);
    let every: String = (0..0x3000).filter_map(char::from_u32).chain("🚀 \" \\ '".chars()).collect();
    let texts = [every.as_str(), "null", "1", "[1]", "{\"a\":1}", "a\0b"];
    let frame = |(n, text): (usize, &&str)| format!(r#"{{"type":"send","id":"m-{n}","text":{}}}"#, json(text));
    let frames: Vec<String> = texts.iter().enumerate().map(frame).collect();
    world.says(device, &format!("[{}]", frames.join(",")));
    // What was sent to the device is not what is read for another one.
    let other = world.device(None);
    assert_eq!(world.messages(other), texts);
    // Each is known by its id, and stored once.
    world.says(device, &format!("[{}]", frames.join(",")));
    assert_eq!(world.sql.count("messages"), texts.len() as u64);
}

/// What one input brings is inserted by one statement, as far as that stays within what the platform takes.
#[test]
fn a_batch_of_long_texts_takes_several_statements() {
    let mut world = World::new();
    let device = world.device(None);
    let text = "x".repeat(INSERT_BYTES_MAX / 8);
    let frame = |n| format!(r#"{{"type":"send","id":"m-{n}","text":"{text}"}}"#);
    let before = world.sql.count("messages");
    world.says(device, &format!("[{}]", (0..20).map(frame).collect::<Vec<_>>().join(",")));
    assert_eq!(world.sql.count("messages") - before, 20);
    // Seven of them, with all that stands around them; and not one by one.
    let longest = world.sql.longest();
    assert!((INSERT_BYTES_MAX / 2..INSERT_BYTES_MAX + 10_000).contains(&longest), "{longest} bytes");
}

/// An answer changes the attachment of its agent when that had not acknowledged the question, or had shown some of the
/// answer, and nobody else's.
#[test]
fn an_answer_changes_few_attachments() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    world.other_agent("agt_2", "office", &[]);
    for n in 1..=4 {
        world.sends(device, &format!("m-{n}"), "x");
    }
    world.acks(agent, 3);
    world.says(agent, r#"{"type":"delta","reply_to":2,"offset":0,"text":"y"}"#);
    assert!(world.attachment(agent).contains(r#""streaming":[2]"#), "{}", world.attachment(agent));
    let mut changed = |reply_to| {
        let before = world.attached;
        world.replies(agent, reply_to, "y");
        world.attached - before
    };
    assert_eq!([1, 2, 3, 4].map(&mut changed), [0, 1, 0, 1]);
    assert!(!world.attachment(agent).contains("streaming"), "{}", world.attachment(agent));
}

#[test]
fn an_attachment_says_what_is_not_as_usual() {
    let mut world = World::new();
    let device = world.device(None);
    for usual in ["may_push", "window", "\"to\"", "streaming"] {
        assert!(!world.attachment(device).contains(usual), "{}", world.attachment(device));
    }
    let pass = Pass { window: 7, may_push: true, to: Some("agt_1".parse().unwrap()), ..Pass::default() };
    let other = world.open_with(Role::Device, pass);
    for unusual in [r#""may_push":true"#, r#""window":7"#, r#""to":"agt_1""#] {
        assert!(world.attachment(other).contains(unusual), "{}", world.attachment(other));
    }
}

/// A wake looks for open questions after the place up to which all have ended: that is written down in steps.
#[test]
fn where_open_questions_begin_is_written_down_now_and_then() {
    let mut world = World::new();
    let agent = world.agent(None);
    let settled =
        |world: &World, seq: u64| world.sql.count(&format!("meta where key = 'settled' and value = {seq}")) == 1;
    let round = |world: &mut World| {
        let seq = world.post(&format!("om_{}", world.sql.count("messages")), "x").unwrap().seq;
        world.replies(agent, seq.0, "y");
    };
    // Questions are the odd ones, and an answer's own place is not settled with it.
    (0..SETTLE_STEP / 2).for_each(|_| round(&mut world));
    assert_eq!(world.sql.count("meta where key = 'settled'"), 0);
    round(&mut world);
    assert!(settled(&world, SETTLE_STEP + 1));
    (1..SETTLE_STEP / 2).for_each(|_| round(&mut world));
    assert!(settled(&world, SETTLE_STEP + 1));
    round(&mut world);
    assert!(settled(&world, 2 * SETTLE_STEP + 1));
}

/// What was trimmed needs no ids, and no more than the messages since the last page are read at a wake.
#[test]
fn a_wake_reads_a_page_of_ids_and_not_the_history() {
    let mut world = World::new();
    world.history(HISTORY_MESSAGES_MAX + KNOWN_PAGE);
    world.post("om_first", "x").unwrap();
    world.advance_ms(DEDUPE_MS_MIN + 1);
    for n in 0..2 * KNOWN_PAGE + 60 {
        world.post(&format!("om_{n}"), "/help").unwrap();
        world.ring(|_| relay::platform::Sent::Taken);
    }
    let trimmed = world.sql.count("messages where trimmed > 512");
    assert!(trimmed > 0);
    assert!(world.sql.count("known_ids where page = 0") == 0 && world.sql.count("known_ids where page = 5") == 1);
    for _ in 0..2 {
        world.hibernate();
        let steps = world.sql.steps();
        let again = world.post("om_0", "/help").unwrap();
        assert_eq!((again.new, again.seq), (false, Seq(HISTORY_MESSAGES_MAX + KNOWN_PAGE + 2)));
        assert!(world.sql.steps() - steps < 100, "{}", world.sql.steps() - steps);
        assert!(world.post("om_new", "/help").unwrap().new);
        world.sql.execute("delete from messages where id = 'feishu:main:om_new' or id like 'reply:%' and seq > 21600");
    }
}

/// What writes once at most needs no transaction: pieces of answers and acknowledgements, of which there are the most.
#[test]
fn what_comes_often_needs_no_transaction() {
    let writes_once = |text: &str| Input::received(PeerId(1), text).writes_once();
    assert!(Input::Flush.writes_once() && !Input::Tick.writes_once());
    let ack = r#"{"type":"ack","seq":1}"#;
    let delta = r#"{"type":"delta","reply_to":1,"offset":0,"text":"a"}"#;
    let unknown = r#"{"type":"of_another_version"}"#;
    let send = r#"{"type":"send","id":"m1","text":"x"}"#;
    for (text, expected) in [
        (ack.to_owned(), true),
        (delta.to_owned(), true),
        (format!("[{delta},{delta},{unknown}]"), true),
        (format!("[{ack},{ack}]"), false),
        (format!("[{delta},{send}]"), false),
        (send.to_owned(), false),
    ] {
        assert_eq!(writes_once(&text), expected, "{text}");
    }
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}
