//! Answers on their way to platforms: parts, rates, alarms that were lost.

use crate::support::{self, World};
use protocol::limit::TEXT_BYTES_MAX;
use protocol::{AccountId, ConversationId, Seq};
use relay::hub::Input;
use relay::limit::*;
use relay::platform::{self, Account, Outbound, Sent};
use relay::store::Origin;

fn account() -> Account {
    serde_json::from_str(
        r#"{"id":"main","platform":"feishu","app_id":"cli_1","app_secret":"s","encrypt_key":"k","api_base":"https://x.y"}"#,
    )
    .unwrap()
}

/// The parts that Feishu is sent of an answer, and their idempotency keys.
fn parts(text: &str) -> Vec<(String, String)> {
    let mut parts = Vec::new();
    for part in 0.. {
        let outbound = Outbound {
            part,
            ..Outbound::text(
                Origin { account: "main".parse::<AccountId>().unwrap(), message: "om_1".into() },
                "feishu:main:oc_1".parse::<ConversationId>().unwrap(),
                Seq(2),
                text.into(),
                None,
            )
        };
        let call = platform::send(&account(), &outbound).unwrap();
        let body = call.request.body.unwrap();
        assert!(body.len() <= 150_000, "{} bytes", body.len());
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let content: serde_json::Value = serde_json::from_str(body["content"].as_str().unwrap()).unwrap();
        parts.push((content["text"].as_str().unwrap().to_owned(), body["uuid"].as_str().unwrap().to_owned()));
        if call.is_last {
            let after = Outbound { part: part + 1, ..outbound };
            assert!(platform::send(&account(), &after).is_err());
            break;
        }
    }
    parts
}

#[test]
fn a_long_answer_goes_to_feishu_in_parts() {
    for text in ["short".to_owned(), "\"".repeat(TEXT_BYTES_MAX), "你好。\n\n".repeat(TEXT_BYTES_MAX / 11)] {
        let parts = parts(&text);
        assert_eq!(parts.iter().map(|(part, _)| part.as_str()).collect::<String>(), text);
        assert_eq!(parts.len() > 1, text.len() > 100);
        let keys: std::collections::BTreeSet<&String> = parts.iter().map(|(_, key)| key).collect();
        assert_eq!(keys.len(), parts.len(), "each part has a key of its own");
        assert!(keys.iter().all(|key| key.len() <= 50));
    }
}

#[test]
fn the_next_part_follows_when_the_last_was_taken() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "x").unwrap();
    world.post("om_2", "x").unwrap();
    world.replies(agent, 1, "one");
    world.replies(agent, 2, "two");
    let mut tries = 0;
    let sent = world.ring(|delivery| {
        tries += 1;
        match (delivery.seq.0, delivery.part, tries) {
            (3, 0, _) => Sent::Partly,
            (3, 1, 2) => Sent::Later { after_ms: None, why: "busy".into() },
            _ => Sent::Taken,
        }
    });
    assert_eq!(sent.iter().map(|delivery| (delivery.seq.0, delivery.part)).collect::<Vec<_>>(), [(3, 0), (3, 1)]);
    // The same part again, also when memory was lost; then the next answer.
    world.crash();
    world.advance_ms(1_000);
    let sent = world.ring(|_| Sent::Taken);
    let order: Vec<_> = sent.iter().map(|delivery| (delivery.seq.0, delivery.part, delivery.attempts)).collect();
    assert_eq!(order, [(3, 1, 1), (4, 0, 0)]);
}

/// Twice as long after each try, of which the upper half is by chance.
#[test]
fn each_try_waits_longer_and_not_all_wait_alike() {
    let mut waits = std::collections::BTreeSet::new();
    for n in 0..20 {
        let mut world = World::new();
        let agent = world.agent(None);
        for _ in 0..n {
            let device = world.device(None);
            world.sends(device, &format!("m-{n}"), "/help");
        }
        let seq = world.post("om_1", "x").unwrap().seq;
        world.replies(agent, seq.0, "y");
        for attempt in 0..10 {
            assert_eq!(world.ring(|_| Sent::Later { after_ms: None, why: "busy".into() }).len(), 1);
            let wait = world.alarm.unwrap().0 - world.now.0;
            let whole = (1_000 << attempt).min(DELIVERY_DELAY_MS_MAX);
            assert!((whole / 2..=whole).contains(&wait), "{wait} ms after {attempt} tries");
            waits.insert(wait * 1_000 / whole);
            world.advance_ms(wait);
        }
    }
    let spread = waits.last().unwrap() - waits.first().unwrap();
    assert!(waits.len() > 15 && spread > 250, "{waits:?}");
}

#[test]
fn waiting_for_its_turn_is_no_failed_try() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "x").unwrap();
    world.replies(agent, 1, "one");
    // Longer than any platform may refuse it.
    for _ in 0..(DELIVERY_MS_MAX / 60_000 + 5) {
        world.ring(|delivery| {
            assert_eq!(delivery.attempts, 0);
            Sent::Wait { ms: 60_000 }
        });
        assert_eq!(world.alarm, Some(world.now.plus_ms(60_000)));
        world.advance_ms(60_000);
    }
    assert_eq!(world.ring(|_| Sent::Taken).len(), 1);
    assert_eq!(world.dead_letters(), []);
}

#[test]
fn a_try_that_was_never_heard_of_counts_although_the_next_one_waits() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "x").unwrap();
    world.replies(agent, 1, "one");
    // The process dies with the call on its way: the platform may have taken it.
    world.input(Input::Tick);
    world.deliveries.clear();
    world.crash();
    world.advance_ms(1_000);
    assert_eq!(world.ring(|_| Sent::Wait { ms: DELIVERY_MS_MAX }).len(), 1);
    world.advance_ms(DELIVERY_MS_MAX);
    // Later than the platform remembers: it is not tried again.
    let sent = world.ring(|_| Sent::Taken);
    assert!(sent.iter().all(|delivery| !delivery.is_answer), "{sent:?}");
}

#[test]
fn an_alarm_that_never_rang_is_set_again() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "x").unwrap();
    world.replies(agent, 1, "one");
    let due = world.alarm.take();
    // Whatever happens next, at any time after: once it is late.
    world.advance_ms(ALARM_LATE_MS_MAX);
    world.post("om_2", "x").unwrap();
    assert_eq!(world.alarm, None);
    world.advance_ms(1);
    world.acks(agent, 1);
    assert_eq!(world.alarm, due);
    // A wake sets it again if the runtime has none, or one that is late, and leaves one that is early enough.
    for (known, expected) in [(None, due), (due, due), (due.map(|due| due.plus_ms(1)), due)] {
        world.alarm = known;
        world.hibernate();
        assert_eq!(world.alarm, expected);
    }
    let soon = world.now.plus_ms(5);
    assert_eq!(world.ring(|_| Sent::Later { after_ms: Some(60_000), why: "busy".into() }).len(), 1);
    world.alarm = Some(soon);
    world.hibernate();
    assert_eq!(world.alarm, Some(soon));
    world.input(Input::Tick);
    assert!(world.alarm.is_some_and(|at| at >= world.now.plus_ms(60_000)));
}

#[test]
fn order_is_kept_within_a_conversation_and_not_between_them() {
    let mut world = World::new();
    let agent = world.agent(None);
    for n in 1..=3u64 {
        world.post(&format!("om_{n}"), "x").unwrap();
    }
    let conversation = "feishu:main:oc_2".parse().unwrap();
    let other = relay::store::Question { conversation, ..support::feishu("om_4", "x") };
    world.input(Input::Posted(other));
    for n in [3, 4, 1, 2] {
        world.replies(agent, n, &n.to_string());
    }
    // The first of this conversation is refused for now: only the other conversation's goes.
    let sent = world.ring(|delivery| match delivery.text.as_str() {
        "3" => Sent::Later { after_ms: None, why: "busy".into() },
        _ => Sent::Taken,
    });
    assert_eq!(sent.iter().map(|delivery| delivery.text.as_str()).collect::<Vec<_>>(), ["3", "4"]);
    world.advance_ms(1_000);
    let sent = world.ring(|_| Sent::Taken);
    assert_eq!(sent.iter().map(|delivery| delivery.text.as_str()).collect::<Vec<_>>(), ["3", "1", "2"]);
}

#[test]
fn what_is_given_up_late_does_not_strand_what_waits_behind_it() {
    let mut world = World::new();
    let agent = world.agent(None);
    for n in 1..=2u64 {
        world.post(&format!("om_{n}"), "x").unwrap();
        world.replies(agent, 2 * n - 1, &n.to_string());
    }
    world.ring(|_| Sent::Later { after_ms: Some(DELIVERY_MS_MAX - 1_000), why: "busy".into() });
    world.advance_ms(2 * DELIVERY_MS_MAX);
    world.alarm = None;
    world.input(Input::Tick);
    assert!(world.alarm.is_some_and(|at| at <= world.now), "the next answer is due");
    let sent = world.ring(|_| Sent::Taken);
    assert_eq!(sent.first().map(|delivery| delivery.text.as_str()), Some("2"));
}

#[test]
fn no_alarm_is_paid_for_while_a_call_is_on_its_way() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "x").unwrap();
    world.replies(agent, 1, "one");
    world.alarm = None;
    world.input(Input::Tick);
    assert_eq!((world.deliveries.len(), world.alarm), (1, None));
    // Asked again, nothing is handed over twice; should nobody come back, it is in a minute.
    world.input(Input::Tick);
    assert_eq!((world.deliveries.len(), world.alarm), (1, Some(world.now.plus_ms(FLIGHT_MS_MAX))));
    world.advance_ms(FLIGHT_MS_MAX);
    world.input(Input::Tick);
    assert_eq!(world.deliveries.len(), 2);
}

/// As many as may be on their way at once, although some of them are already.
#[test]
fn what_is_on_its_way_hides_nothing_that_may_go_too() {
    let mut world = World::new();
    let agent = world.agent(None);
    let answer = |world: &mut World, chat: usize| {
        let seq = world.post_in(&format!("feishu:main:oc_{chat}"), &format!("om_{chat}"), "x").unwrap().seq;
        world.replies(agent, seq.0, "y");
    };
    (0..2).for_each(|chat| answer(&mut world, chat));
    world.input(Input::Tick);
    assert_eq!(world.deliveries.len(), 2);
    (2..2 * DELIVERIES_MAX).for_each(|chat| answer(&mut world, chat));
    world.input(Input::Tick);
    assert_eq!(world.deliveries.len(), DELIVERIES_MAX);
}

/// To the last moment at which its platform knows its idempotency key.
#[test]
fn an_answer_is_tried_until_its_time_is_over() {
    for (wait, is_tried) in [(DELIVERY_MS_MAX, true), (DELIVERY_MS_MAX + 1, false)] {
        let mut world = World::new();
        let agent = world.agent(None);
        world.post("om_1", "x").unwrap();
        world.replies(agent, 1, "y");
        assert_eq!(
            world.ring(|_| Sent::Later { after_ms: Some(wait), why: "busy".into() }).len(),
            if is_tried { 1 } else { 2 }
        );
        assert_eq!(world.sql.count("deliveries where seq = 2"), u64::from(is_tried), "{wait}");
    }
}
