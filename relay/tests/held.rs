//! What the simulation found where webhooks wait, each failing until it is mended: see the seeds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod support;

use protocol::{MessageId, Timestamp};
use relay::hub::{Held, Input};
use relay::limit::KEPT_MS_MAX;
use relay::platform::Sent;
use support::World;

fn id(message: &str) -> MessageId {
    format!("feishu:main:{message}").parse().unwrap()
}

/// A webhook that waits for 5 s brings a question.
fn asks(world: &mut World, message: &str) {
    world.hold(&id(message), 5_000);
    world.post(message, message).unwrap();
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

/// Seed 218. The wait ends between the look that finds the answer and the word that it is in the response: it is both.
#[test]
fn what_is_about_to_be_said_in_a_response_is_not_handed_over() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.replies(agent, 1, "just in time");
    world.advance_ms(4_990);
    assert!(is_there(&world.held(&id("om_1"))));
    world.advance_ms(20);
    let handed = world.ring(|_| Sent::Taken).len();
    world.input(Input::Passed(id("om_1"), true));
    assert_eq!(handed, 0, "it is in the response");
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

/// Found by reading, beside those. Two webhooks came while an older answer was kept: one got it, and what the other says
/// of its own answer is taken for a word about the older one.
#[test]
fn what_two_webhooks_could_have_is_passed_on_once() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "x").unwrap();
    world.replies(agent, 1, "late");
    assert_eq!(world.ring(|_| Sent::Kept).len(), 1);
    asks(&mut world, "om_2");
    asks(&mut world, "om_3");
    assert!(is_there(&world.held(&id("om_2"))));
    world.input(Input::Passed(id("om_2"), true));
    world.input(Input::Recalled(id("om_2")));
    world.replies(agent, 4, "its own");
    assert!(is_there(&world.held(&id("om_3"))));
    world.input(Input::Passed(id("om_3"), true));
    world.advance_ms(6_000);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 0, "it was in the response");
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
