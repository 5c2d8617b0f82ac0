//! Webhooks that wait, and what the simulation found there: the seeds are those that it was found with.

use crate::support::World;
use protocol::{MessageId, Timestamp};
use relay::hub::{Held, Input};
use relay::limit::KEPT_MS_MAX;
use relay::platform::{Outbound, Sent};

fn id(message: &str) -> MessageId {
    format!("feishu:main:{message}").parse().unwrap()
}

/// A webhook that waits for 5 s brings a question.
fn asks(world: &mut World, message: &str) {
    world.hold(&id(message), 5_000);
    world.post(message, message).unwrap();
}

fn found(world: &mut World, message: &str) -> Outbound {
    let Held::Answer(found) = world.held(&id(message)) else { panic!("no answer to {message}") };
    found
}

fn is_there(held: &Held) -> bool {
    matches!(held, Held::Answer(_))
}

/// Seed 172. The webhook that comes again makes the kept answer due when its wait is over, and sets no alarm for it; the
/// next tick hands it over, and it is given up as if nobody had written for 48 h.
#[test]
fn a_kept_answer_stays_kept_when_its_webhook_comes_again() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.replies(agent, 1, "late");
    world.advance_ms(5_000);
    assert_eq!(world.ring(|_| Sent::Kept).len(), 1);
    let until = world.alarm;
    assert_eq!(until, Some(world.now.plus_ms(KEPT_MS_MAX)));
    // It comes again, and is cut off before it looks.
    asks(&mut world, "om_1");
    world.advance_ms(6_000);
    assert_eq!(world.ring(|_| Sent::Kept).len(), 0, "not before somebody writes, or 48 h are over");
    assert_eq!(world.dead_letters(), []);
}

/// Seed 218. The wait ends between the look that finds the answer and the word that it is in the response: it may not be
/// any more, since it was handed over.
#[test]
fn what_was_handed_over_meanwhile_is_not_said_in_a_response() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.replies(agent, 1, "just in time");
    world.advance_ms(4_990);
    let found = found(&mut world, "om_1");
    world.advance_ms(20);
    world.input(Input::Tick);
    assert_eq!(world.deliveries.len(), 1);
    assert!(!world.pass(&id("om_1"), &found, true), "it is on its way");
    world.input(Input::Delivered(found.seq, 0, Sent::Taken));
    assert!(!world.pass(&id("om_1"), &found, true), "it is there");
}

/// The core slept between the look and that word, and knows of no webhook any more.
#[test]
fn what_is_found_before_a_sleep_is_handed_over() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.replies(agent, 1, "just in time");
    let found = found(&mut world, "om_1");
    world.hibernate();
    assert!(!world.pass(&id("om_1"), &found, true));
    world.input(Input::Released(id("om_1")));
    world.advance_ms(5_000);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 1);
}

/// Seed 26. Handed over twice, since the core slept in between, it is kept once, and not given up by the second word.
#[test]
fn an_answer_that_is_kept_twice_is_kept() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "x").unwrap();
    world.replies(agent, 1, "late");
    let seq = protocol::Seq(2);
    world.input(Input::Tick);
    world.hibernate();
    world.input(Input::Tick);
    world.input(Input::Delivered(seq, 0, Sent::Kept));
    world.input(Input::Delivered(seq, 0, Sent::Kept));
    assert_eq!(world.dead_letters(), [], "48 h are not over");
}

/// Seed 1536. A call that timed out may have brought the answer: said in a response as well, it is there twice.
#[test]
fn what_may_be_there_already_is_not_said_in_a_response() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.replies(agent, 1, "late");
    world.advance_ms(5_000);
    assert_eq!(world.ring(|_| Sent::Later { after_ms: None, why: "timed out".into() }).len(), 1);
    asks(&mut world, "om_1");
    assert!(!is_there(&world.held(&id("om_1"))), "it may be there");
}

/// Two webhooks came while an older answer was kept: one got it, and what the other says of its own answer was taken for a
/// word about the older one.
#[test]
fn what_two_webhooks_could_have_is_passed_on_once() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "x").unwrap();
    world.replies(agent, 1, "late");
    assert_eq!(world.ring(|_| Sent::Kept).len(), 1);
    asks(&mut world, "om_2");
    asks(&mut world, "om_3");
    let older = found(&mut world, "om_3");
    world.passes(&id("om_2"));
    world.input(Input::Recalled(id("om_2")));
    world.replies(agent, 4, "its own");
    assert!(!world.pass(&id("om_3"), &older, true), "the other webhook has it");
    world.passes(&id("om_3"));
    assert!(!world.pass(&id("om_3"), &older, true), "nor may whoever joins say it");
    world.advance_ms(6_000);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 0, "it was in the response");
}

/// Someone asked for what is kept, and nobody waits any more: it stays kept.
#[test]
fn a_kept_answer_stays_kept_when_nobody_waits_any_more() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "x").unwrap();
    world.replies(agent, 1, "late");
    assert_eq!(world.ring(|_| Sent::Kept).len(), 1);
    let (asked, _) = world.collect(&id("om_2"), 5_000).unwrap();
    world.input(Input::Released(asked));
    assert_eq!(world.ring(|_| Sent::Kept).len(), 0);
    assert_eq!(world.dead_letters(), []);
}

/// The time of each began when it was made, not when those before it were given up.
#[test]
fn what_nobody_asks_for_is_kept_for_48_h_in_all() {
    let mut world = World::new();
    let agent = world.agent(None);
    for message in ["om_1", "om_2", "om_3"] {
        world.post(message, "x").unwrap();
    }
    for question in 1..=3 {
        world.replies(agent, question, "late");
        world.advance_ms(1_000);
    }
    assert_eq!(world.ring(|_| Sent::Kept).len(), 1);
    world.advance_ms(KEPT_MS_MAX - 4_000);
    assert_eq!(world.ring(|_| Sent::Kept).len(), 0);
    world.advance_ms(4_000);
    world.ring(|_| Sent::Kept);
    assert_eq!(world.dead_letters().len(), 3);
}

/// Seed 1666. The clock was set back; the webhook that comes again makes the answer due earlier than it was, and moves no
/// alarm, so that it is late.
#[test]
fn an_answer_that_is_waited_for_again_has_its_alarm() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.replies(agent, 1, "waited for");
    world.now = Timestamp(world.now.0 - 60_000);
    asks(&mut world, "om_1");
    let alarm = world.alarm;
    // A Hub that wakes looks for itself.
    world.hibernate();
    assert_eq!(world.alarm, alarm);
}

/// Seed 60007376. Its bot may not say more for a minute: who waits for it again does not make it due before, without an alarm.
#[test]
fn an_answer_that_waits_for_its_turn_goes_on_waiting() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.replies(agent, 1, "hello");
    world.advance_ms(5_000);
    assert_eq!(world.ring(|_| Sent::Wait { ms: 60_000 }).len(), 1);
    let alarm = world.alarm.unwrap();
    asks(&mut world, "om_1");
    // In the response it goes as soon as someone asks for it.
    assert!(is_there(&world.held(&id("om_1"))));
    // A Hub that wakes looks for itself.
    world.hibernate();
    assert_eq!(world.alarm, Some(alarm));
}
