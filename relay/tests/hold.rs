//! Webhooks that wait for their answer: it comes in their response, or late, and once.

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

fn found(held: Held) -> Outbound {
    let Held::Answer(outbound) = held else { panic!("{held:?}") };
    outbound
}

fn answer(held: Held) -> (String, u32) {
    let outbound = found(held);
    (outbound.text, outbound.part)
}

#[test]
fn an_answer_in_time_is_in_the_response_and_nowhere_else() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    let Held::Open(so_far, asked) = world.held(&id("om_1")) else { panic!() };
    assert_eq!((so_far.text.as_str(), asked), ("", Timestamp(1_800_000_000_000)));
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":0,"text":"he"}"#);
    let Held::Open(so_far, _) = world.held(&id("om_1")) else { panic!() };
    assert_eq!((so_far.text.as_str(), so_far.origin.message.as_str()), ("he", "om_1"));
    world.replies(agent, 1, "hello");
    assert_eq!(world.ring(|_| Sent::Taken).len(), 0, "not by the API while it waits");
    assert_eq!(answer(world.held(&id("om_1"))), ("hello".into(), 0));
    world.passes(&id("om_1"));
    world.advance_ms(10_000);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 0);
    // The response was lost, and the platform asks again: the same once more, and handed over once.
    world.hold(&id("om_1"), 5_000);
    world.post("om_1", "om_1").unwrap();
    assert_eq!(answer(world.held(&id("om_1"))), ("hello".into(), 0));
    world.passes(&id("om_1"));
    let log = world.hub().events(None, 50).unwrap().events;
    assert_eq!(log.iter().filter(|event| event.kind == "delivery").count(), 1);
}

#[test]
fn nobody_waits_for_an_agent_that_says_nothing() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.says(agent, r#"{"type":"done","reply_to":1}"#);
    assert_eq!(world.held(&id("om_1")), Held::Nothing);
    world.advance_ms(10_000);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 0);
}

#[test]
fn an_answer_that_is_late_goes_by_the_api() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.input(Input::Released(id("om_1")));
    world.replies(agent, 1, "late");
    assert_eq!(world.ring(|_| Sent::Taken).len(), 1);
    assert_eq!(world.held(&id("om_1")), Held::Nothing);
    // Nobody comes back for it: when the wait is over it goes by itself.
    asks(&mut world, "om_2");
    world.replies(agent, 3, "waited for");
    assert_eq!(world.ring(|_| Sent::Taken).len(), 0);
    let alarm = world.alarm.unwrap();
    assert_eq!(alarm, world.now.plus_ms(5_000));
    world.advance_ms(5_000);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 1);
    assert_eq!(world.held(&id("om_2")), Held::Nothing, "it is there already");
    // Released while it was there already.
    asks(&mut world, "om_3");
    world.replies(agent, 5, "just missed");
    world.input(Input::Released(id("om_3")));
    assert_eq!(world.ring(|_| Sent::Taken).len(), 1);
}

#[test]
fn whoever_joins_makes_it_wait_longer() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.advance_ms(4_900);
    world.hold(&id("om_1"), 5_000);
    world.post("om_1", "om_1").unwrap();
    world.advance_ms(2_000);
    world.replies(agent, 1, "in the second attempt");
    assert_eq!(world.ring(|_| Sent::Taken).len(), 0);
    assert_eq!(answer(world.held(&id("om_1"))), ("in the second attempt".into(), 0));
    // Joined when it was there already.
    world.hold(&id("om_1"), 5_000);
    world.advance_ms(4_000);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 0);
    assert_eq!(answer(world.held(&id("om_1"))).0, "in the second attempt");
}

#[test]
fn order_is_kept_and_parts_follow() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "one").unwrap();
    world.replies(agent, 1, "first");
    asks(&mut world, "om_2");
    world.replies(agent, 3, "second");
    let Held::Open(_, since) = world.held(&id("om_2")) else { panic!("the first is not there yet") };
    assert_eq!(since, world.now);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 1);
    let found = found(world.held(&id("om_2")));
    assert_eq!((found.text.as_str(), found.part), ("second", 0));
    assert!(world.pass(&id("om_2"), &found, false));
    let rest = world.ring(|_| Sent::Taken);
    assert_eq!(rest.iter().map(|delivery| delivery.part).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_command_is_answered_in_the_response_too() {
    let mut world = World::new();
    world.agent(None);
    world.hold(&id("om_1"), 5_000);
    world.post("om_1", "/help").unwrap();
    assert!(answer(world.held(&id("om_1"))).0.starts_with("/help"));
}

#[test]
fn after_a_crash_the_answer_is_late_and_not_lost() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.replies(agent, 1, "hello");
    world.hibernate();
    assert_eq!(world.held(&id("om_1")), Held::Nothing);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 0);
    world.advance_ms(5_000);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 1);
}

/// A platform where answers go in responses alone.
fn keeps(world: &mut World) {
    assert!(!world.ring(|_| Sent::Kept).is_empty());
}

#[test]
fn what_can_go_only_in_a_response_waits_for_the_next_one() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.advance_ms(6_000);
    world.replies(agent, 1, "late");
    keeps(&mut world);
    // It is tried by nobody until its time is over, whatever else happens.
    assert_eq!(world.alarm, Some(world.now.plus_ms(KEPT_MS_MAX)));
    world.crash();
    let agent = world.agent(None);
    // The next message gets it, at once; its own answer waits in turn.
    asks(&mut world, "om_2");
    let late = found(world.held(&id("om_2")));
    assert_eq!((late.text.as_str(), late.origin.message.as_str()), ("late", "om_2"), "to whoever asks now");
    world.passes(&id("om_2"));
    assert_eq!(answer(world.held(&id("om_2"))).0, "late", "the same again for whoever asks again");
    let question = world.hub().conversations(None, 1).unwrap().unwrap().conversations[0].last_seq.0;
    world.replies(agent, question, "of the second");
    keeps(&mut world);
    let (found, since) = world.collect(&id("om_3"), 5_000).unwrap();
    assert_eq!(answer(world.held(&found)).0, "of the second");
    world.passes(&found);
    // The same message again hears the same; another one finds nothing.
    world.advance_ms(5_000);
    assert_eq!(world.collect(&id("om_3"), 5_000), Some((found.clone(), since)));
    assert_eq!(answer(world.held(&found)).0, "of the second");
    assert_eq!(world.collect(&id("om_4"), 5_000), None);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 0);
}

#[test]
fn whoever_asks_for_it_waits_while_it_is_made() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.advance_ms(20_000);
    let (found, _) = world.collect(&id("om_2"), 5_000).unwrap();
    assert!(matches!(world.held(&found), Held::Open(..)));
    world.replies(agent, 1, "made");
    assert_eq!(answer(world.held(&found)).0, "made");
}

#[test]
fn nobody_waits_for_ever() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "x").unwrap();
    world.replies(agent, 1, "late");
    keeps(&mut world);
    world.advance_ms(KEPT_MS_MAX + 1);
    keeps(&mut world);
    // The relay's word about it can go no other way either.
    let dead = world.dead_letters();
    assert_eq!(dead[0].reason.as_deref(), Some("the answer was not delivered: nobody asked for it within 48 h"));
}

#[test]
fn what_is_kept_while_the_next_one_waits_comes_with_that() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.advance_ms(6_000);
    asks(&mut world, "om_2");
    world.replies(agent, 1, "late");
    world.replies(agent, 2, "in time");
    keeps(&mut world);
    assert_eq!(answer(world.held(&id("om_2"))).0, "late");
    world.passes(&id("om_2"));
    // Its own waits for nothing any more, and comes with the next word, be it that it was not even tried.
    let (found, _) = world.collect(&id("om_3"), 5_000).unwrap();
    assert_eq!(answer(world.held(&found)).0, "in time");
    keeps(&mut world);
    asks(&mut world, "om_4");
    assert_eq!(answer(world.held(&id("om_4"))).0, "in time");
}

/// The wait ends with the millisecond that it was to end with: what comes then goes the late way.
#[test]
fn what_comes_when_the_wait_is_over_is_late() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.advance_ms(5_000);
    world.replies(agent, 1, "late");
    assert_eq!(world.held(&id("om_1")), Held::Nothing);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 1);
    // So does an older answer that is kept from then on.
    asks(&mut world, "om_3");
    world.advance_ms(1_000);
    asks(&mut world, "om_4");
    world.advance_ms(5_000);
    world.replies(agent, 3, "kept");
    keeps(&mut world);
    assert!(matches!(world.held(&id("om_4")), Held::Open(..)));
}

/// While the platform is asked to take it nobody knows; when it did not, the late way is the only one.
#[test]
fn what_is_on_its_way_is_waited_for() {
    let mut world = World::new();
    let agent = world.agent(None);
    asks(&mut world, "om_1");
    world.replies(agent, 1, "hello");
    world.advance_ms(5_000);
    world.input(Input::Tick);
    world.hold(&id("om_1"), 5_000);
    let Held::Open(_, since) = world.held(&id("om_1")) else { panic!() };
    assert_eq!(since, Timestamp(1_800_000_000_000), "since it was asked");
    let delivery = world.deliveries.remove(0);
    world.input(Input::Delivered(delivery.seq, 0, Sent::Later { after_ms: None, why: "busy".into() }));
    assert_eq!(world.held(&id("om_1")), Held::Nothing);
}

/// Who asks for an answer by another message waits for it since then.
#[test]
fn who_asks_for_it_waits_since_then() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "x").unwrap();
    world.post("om_2", "x").unwrap();
    world.replies(agent, 1, "first");
    world.replies(agent, 2, "second");
    world.input(Input::Tick);
    world.advance_ms(1_000);
    let (found, _) = world.collect(&id("om_3"), 5_000).unwrap();
    assert_eq!(found, id("om_1"));
    let Held::Open(_, since) = world.held(&found) else { panic!() };
    assert_eq!(since, world.now);
}
