//! What is read of a timeline, and how its old end goes.

use crate::support::{World, feishu};
use protocol::limit::TEXT_BYTES_MAX;
use protocol::{Code, Cursor, Seq};
use relay::hub::{PeerId, Refusal};
use relay::limit::*;
use relay::platform::Sent;

#[test]
fn a_full_timeline_takes_questions_again_when_it_is_old_enough() {
    let mut world = World::new();
    world.history(TIMELINE_MESSAGES_MAX);
    assert_eq!(world.post("om_1", "x").unwrap_err().code, Code::QueueFull);
    world.advance_ms(DEDUPE_MS_MIN + 1);
    for n in 1..=3 {
        assert!(world.post(&format!("om_{n}"), "x").unwrap().new);
    }
}

#[test]
fn history_is_trimmed_in_the_background_and_says_so() {
    let mut world = World::new();
    world.post("om_open", "never answered").unwrap();
    world.history(HISTORY_MESSAGES_MAX + 2 * TRIM_ROWS_MAX - 100);
    let agent = world.agent(None);
    for n in 0..50 {
        let seq = world.post(&format!("om_{n}"), "x").unwrap().seq.0;
        world.acks(agent, seq);
        world.replies(agent, seq, "y");
        world.ring(|_| Sent::Taken);
    }
    // Nothing is trimmed before it is 72 hours old.
    let device = world.device(Some(world.cursor(0)));
    assert!(world.hears(device)[0].contains(r#""outcome":"continued""#));
    world.drop(device);
    world.advance_ms(DEDUPE_MS_MIN + 1);
    for n in 0..4 {
        world.post(&format!("om_late_{n}"), "x").unwrap();
    }
    let device = world.device(Some(world.cursor(0)));
    let welcome = world.hears(device)[0].clone();
    assert!(welcome.contains(r#"{"outcome":"gap","from":1,"to":"#) && welcome.contains("trimmed"), "{welcome}");
    // A question without an answer is kept.
    let agent = world.agent(None);
    assert_eq!(world.messages(agent)[0], "never answered");
}

#[test]
fn history_is_paged_by_cursor() {
    let mut world = World::new();
    for n in 1..=5 {
        world.post(&format!("om_{n}"), &n.to_string()).unwrap();
    }
    let conversation = feishu("om", "x").conversation;
    let page = |before, limit| world.hub().page(&conversation, before, limit).unwrap();
    let newest = page(None, 2).unwrap();
    let texts: Vec<&str> = newest.messages.iter().map(|envelope| envelope.text.as_str()).collect();
    assert_eq!((texts, newest.next), (vec!["4", "5"], Some(world.cursor(4))));
    let oldest = page(newest.next, 10).unwrap();
    assert_eq!((oldest.messages.len(), oldest.next), (3, None));
    let other = Cursor { epoch: 1, seq: Seq(3) };
    assert_eq!(page(Some(other), 10).unwrap_err().code, Code::BadCursor);
    // More than are read from the store at once.
    for n in 6..=100 {
        world.post(&format!("om_{n}"), &n.to_string()).unwrap();
    }
    let page = |before, limit| world.hub().page(&conversation, before, limit).unwrap();
    let long = page(None, 90).unwrap();
    assert_eq!((long.messages.len(), long.next), (90, Some(world.cursor(11))));
    let rest = page(long.next, 90).unwrap();
    assert_eq!((rest.messages.len(), rest.next), (10, None));
    let listed = world.hub().conversations(None, 1).unwrap().unwrap();
    assert_eq!((listed.conversations[0].last_seq, listed.next), (Seq(100), None));
}

#[test]
fn conversations_come_in_pages() {
    let mut world = World::new();
    for (n, chat) in ["a", "b", "c", "a", "d"].into_iter().enumerate() {
        world.post_in(&format!("feishu:main:{chat}"), &format!("om_{n}"), "hello").unwrap();
    }
    let page = |before, limit| {
        let page = world.hub().conversations(before, limit).unwrap()?;
        let names: Vec<String> = page.conversations.iter().map(|row| row.id.to_string()).collect();
        Ok((names.join(" ").replace("feishu:main:", ""), page.next))
    };
    let (first, next) = page(None, 2).unwrap();
    assert_eq!((first.as_str(), next), ("d a", Some(world.cursor(4))));
    assert_eq!(page(next, 2), Ok(("c b".to_owned(), None)), "none is listed twice");
    assert_eq!(page(None, 4), Ok(("d a c b".to_owned(), None)));
    let other = Cursor { epoch: 1, seq: Seq(3) };
    let refused: Result<_, Refusal> = page(Some(other), 2);
    assert_eq!(refused.unwrap_err().code, Code::BadCursor);
}

/// A question of so many bytes, which its agent ends without a word.
fn said(world: &mut World, agent: PeerId, message: &str, bytes: usize) {
    let seq = world.post(message, &"x".repeat(bytes)).unwrap().seq;
    world.says(agent, &format!(r#"{{"type":"done","reply_to":{seq}}}"#));
}

#[test]
fn a_page_holds_a_bounded_number_of_bytes() {
    let mut world = World::new();
    let agent = world.agent(None);
    let whole = PAGE_BYTES_MAX / TEXT_BYTES_MAX;
    assert_eq!(whole * TEXT_BYTES_MAX, PAGE_BYTES_MAX);
    for n in 0..whole {
        said(&mut world, agent, &format!("om_{n}"), TEXT_BYTES_MAX);
    }
    let conversation = feishu("om", "x").conversation;
    let page = |world: &World| {
        let page = world.hub().page(&conversation, None, PAGE_MESSAGES_MAX).unwrap().unwrap();
        (page.messages.len(), page.next)
    };
    let timeline = |world: &World, after| world.hub().timeline(Seq(after)).unwrap().len();
    assert_eq!(page(&world), (whole, None), "exactly as many as there may be");
    assert_eq!(timeline(&world, 0), whole);
    said(&mut world, agent, "om_more", 1);
    assert_eq!(page(&world), (whole, Some(world.cursor(2))), "the oldest is left out");
    assert_eq!(timeline(&world, 0), whole, "the newest is left out");
    assert_eq!(timeline(&world, 1), whole);
}

#[test]
fn a_timeline_is_read_from_a_place_on() {
    let mut world = World::new();
    world.post("om_1", "one").unwrap();
    let device = world.device(None);
    world.sends(device, "m2", "two");
    world.post("om_3", "three").unwrap();
    let after = |seq| {
        let messages = world.hub().timeline(Seq(seq)).unwrap();
        messages.into_iter().map(|message| message.text).collect::<Vec<_>>().join(" ")
    };
    assert_eq!([after(0), after(1), after(3)], ["one two three", "two three", ""]);
    let first = world.hub().timeline(Seq(0)).unwrap().remove(0);
    assert_eq!(first.state, Some(protocol::State::Queued), "as it is now");
}

/// What has the age at which ids may be forgotten exactly is kept.
#[test]
fn nothing_goes_a_moment_too_early() {
    let mut world = World::new();
    world.history(HISTORY_MESSAGES_MAX + TRIM_ROWS_MAX);
    world.advance_ms(DEDUPE_MS_MIN);
    world.post("om_1", "x").unwrap();
    assert_eq!(world.sql.count("messages where seq = 1"), 1);
    world.advance_ms(1);
    world.post("om_2", "x").unwrap();
    assert_eq!(world.sql.count("messages where seq = 1"), 0);
}

/// Old messages go one by one, in the rows of new ones; what is over beside that goes in steps.
#[test]
fn what_is_over_goes_in_steps() {
    let over = |count: u64| {
        let mut world = World::new();
        world.history(HISTORY_MESSAGES_MAX + count);
        world.advance_ms(DEDUPE_MS_MIN + 1);
        world.post("om_1", "x").unwrap();
        let log = world.hub().events(None, 5).unwrap().events;
        // How far is known after a sleep too.
        world.crash();
        let device = world.device(Some(world.cursor(0)));
        let welcome = world.hears(device).remove(0);
        (world.sql.count("messages"), log.iter().any(|event| event.kind == "trimmed"), welcome)
    };
    let (left, is_logged, gap) = over(TRIM_ROWS_MAX - 1);
    assert_eq!((left, is_logged), (HISTORY_MESSAGES_MAX + TRIM_ROWS_MAX - 1, false));
    assert!(gap.contains(r#""from":1,"to":1"#), "{gap}");
    let (left, is_logged, gap) = over(TRIM_ROWS_MAX);
    assert_eq!((left, is_logged), (HISTORY_MESSAGES_MAX, true));
    assert!(gap.contains(&format!(r#""from":1,"to":{}"#, TRIM_ROWS_MAX + 1)), "{gap}");
}

/// A conversation whose messages are all gone is as one that never was, also for a Hub that had it in memory.
#[test]
fn what_was_set_goes_with_the_last_message() {
    let mut world = World::new();
    let home = world.other_agent("agt_home", "Home", &[]);
    let office = world.other_agent("agt_office", "Office", &[]);
    world.post("om_1", "/use office").unwrap();
    world.ring(|_| Sent::Taken);
    // Others, until it is over; the Hub never sleeps.
    let device = world.device(None);
    let full = HISTORY_MESSAGES_MAX / 2;
    for n in 0..full + TRIM_ROWS_MAX {
        if n == full {
            world.advance_ms(DEDUPE_MS_MIN + 1);
        }
        world.advance_ms(200);
        world.sends(device, &format!("m{n}"), "/help");
    }
    assert_eq!(world.sql.count("messages where id = 'feishu:main:om_1'"), 0);
    world.post("om_2", "x").unwrap();
    assert_eq!((world.messages(home).len(), world.messages(office).len()), (1, 0));
}
