//! The event log: what happened to each message, in order, as far as the operator wants it.

use crate::support::{Sqlite, World, feishu};
use relay::hub::{Before, Input, Log, Options};
use relay::limit::DELIVERED_PROMPTLY_MS;
use relay::platform::Sent;

/// The newest lines, newest first: what happened, and to which message.
fn lines(world: &World, limit: u64) -> Vec<String> {
    let events = world.hub().events(None, limit).unwrap().events;
    let line = |event: &relay::store::Event| format!("{} {}", event.kind, event.seq.map_or(0, |seq| seq.0));
    events.iter().map(line).collect()
}

#[test]
fn the_event_log_tells_one_message_from_end_to_end() {
    let mut world = World::with(Sqlite::new(), Options { log: Log::Bodies, ..Options::default() });
    let agent = world.agent(None);
    world.post("om_1", "hi").unwrap();
    // Stored by its agent at once: nobody needs to read that.
    world.acks(agent, 1);
    world.post("om_2", "/help").unwrap();
    world.replies(agent, 1, "hello");
    world.post("om_3", "later").unwrap();
    world.advance_ms(DELIVERED_PROMPTLY_MS + 1);
    world.acks(agent, 5);
    let mut tries = 0;
    for _ in 0..2 {
        world.ring(|_| {
            tries += 1;
            if tries == 1 { Sent::Later { after_ms: None, why: "busy".into() } } else { Sent::Taken }
        });
        world.advance_ms(1_000);
    }
    let mut events = world.hub().events(None, 50).unwrap().events;
    events.reverse();
    let lines: Vec<String> = events
        .iter()
        .map(|event| {
            let detail = event.detail.as_deref().unwrap_or("");
            // The help is long.
            let detail = detail.split_once("/help ·").map_or(detail.to_owned(), |(before, _)| format!("{before}…"));
            format!("{} {:?} {detail}", event.kind, event.seq.map(|seq| seq.0))
        })
        .collect();
    assert_eq!(
        lines,
        [
            "connected None agt_1 at 0 of 0",
            "accepted Some(1) feishu:main:om_1 for agt_1: hi",
            "accepted Some(2) feishu:main:om_2 for nobody: /help",
            "told Some(2) notice 3: …",
            "answered Some(1) answer 4: hello",
            "accepted Some(5) feishu:main:om_3 for agt_1: later",
            "delivered Some(5) agt_1",
            "retry Some(2) answer 3: busy",
            "delivery Some(2) answer 3 at main",
            "delivery Some(1) answer 4 at main",
        ]
    );
}

/// Of what happened within one millisecond what follows from a message comes after it.
#[test]
fn what_happened_at_once_is_told_in_order() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.advance_ms(1_000);
    world.post("om_1", "x").unwrap();
    world.input(Input::Recalled(feishu("om_1", "").id));
    assert_eq!(lines(&world, 4), ["recalled 1", "stopped 1", "accepted 1", "connected 0"]);
    world.advance_ms(1_000);
    world.post("om_2", "x").unwrap();
    world.replies(agent, 2, "y");
    world.ring(|_| Sent::Taken);
    assert_eq!(lines(&world, 3), ["delivery 2", "answered 2", "accepted 2"]);
    world.advance_ms(1_000);
    world.drop(agent);
    assert_eq!(lines(&world, 2), ["left 0", "delivery 2"], "a line more recent than any message");
}

#[test]
fn an_end_is_told_as_what_it_was() {
    let mut world = World::new();
    let device = world.device(None);
    world.sends(device, "m1", "x");
    world.says(device, r#"{"type":"stop","reply_to":1}"#);
    assert_eq!(lines(&world, 1), ["stopped 1"]);
    world.sends(device, "m2", "x");
    world.advance_ms(relay::limit::QUESTION_TTL_MS + 1);
    world.ring(|_| Sent::Taken);
    assert!(lines(&world, 2).contains(&"expired 2".to_owned()));
}

#[test]
fn a_page_of_the_log_has_a_place() {
    let mut world = World::new();
    for n in 1..=4 {
        world.post(&format!("om_{n}"), "x").unwrap();
    }
    let first = world.hub().events(None, 2).unwrap();
    assert_eq!(first.events.len(), 2);
    let rest = world.hub().events(first.next, 10).unwrap();
    assert_eq!((rest.events.len(), rest.next), (2, None));
    let read = |text: &str| text.parse::<Before>();
    assert_eq!(read("3.9007199254740991"), Ok(Before { seq: 3, n: 9_007_199_254_740_991 }));
    for wrong in ["3.9007199254740992", "9007199254740992.3", "3", "3.", ".3", "a.b", "-1.3"] {
        assert_eq!(read(wrong), Err(()), "{wrong}");
    }
}

/// Only of what waited for its agent is it said that it was delivered.
#[test]
fn what_was_delivered_promptly_is_not_told() {
    for (wait, line) in [(DELIVERED_PROMPTLY_MS, "accepted 1"), (DELIVERED_PROMPTLY_MS + 1, "delivered 1")] {
        let mut world = World::new();
        let agent = world.agent(None);
        world.post("om_1", "x").unwrap();
        world.advance_ms(wait);
        world.acks(agent, 1);
        assert_eq!(lines(&world, 1), [line], "after {wait} ms");
    }
}
