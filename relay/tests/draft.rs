//! Answers that are shown at their platform while they are made.

use crate::support::{World, feishu};
use protocol::{MessageId, Seq, State};
use relay::hub::{Drafted, Input};
use relay::platform::Sent;

fn delta(world: &mut World, agent: relay::hub::PeerId, offset: u64, text: &str) {
    world.says(agent, &format!(r#"{{"type":"delta","reply_to":1,"offset":{offset},"text":"{text}"}}"#));
}

fn shown(world: &World) -> String {
    match world.hub().draft(Seq(1)).unwrap() {
        Drafted::Open(outbound) => {
            assert_eq!((outbound.seq, outbound.question, outbound.part), (Seq(1), Some(Seq(1)), 0));
            outbound.text
        }
        Drafted::Gone => "gone".into(),
        Drafted::Over(end) => end.trim().into(),
    }
}

#[test]
fn a_draft_is_asked_for_once_and_then_there_is_the_answer() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "hello").unwrap();
    assert_eq!(shown(&world), "gone");
    delta(&mut world, agent, 0, "a");
    delta(&mut world, agent, 1, "b");
    assert_eq!((std::mem::take(&mut world.drafts), shown(&world)), (vec![Seq(1)], "ab".into()));
    // Whoever shows it went away: the next word calls for another.
    world.hub_mut().leave_draft(Seq(1));
    delta(&mut world, agent, 2, "c");
    assert_eq!((std::mem::take(&mut world.drafts), shown(&world)), (vec![Seq(1)], "abc".into()));
    world.replies(agent, 1, "abcd");
    assert_eq!(shown(&world), "gone");
    // The answer says which question it is of; what is said beside it does not.
    let sent = world.ring(|_| Sent::Taken);
    assert_eq!(relay::hub::outbound(sent[0].clone()).question, Some(Seq(1)));
}

#[test]
fn only_where_there_is_a_platform_that_can() {
    let mut world = World::new();
    let agent = world.agent(None);
    let device = world.device(None);
    world.sends(device, "m1", "hello");
    delta(&mut world, agent, 0, "a");
    assert_eq!(world.drafts, []);
    // Nor is there a mark to take off where none can be set.
    let mut world = World::new();
    let agent = world.agent(None);
    world.post_in("dingtalk:main:cid", "om_1", "hello").unwrap();
    delta(&mut world, agent, 0, "a");
    world.replies(agent, 1, "ab");
    assert_eq!((world.drafts.as_slice(), world.over.as_slice()), ([].as_slice(), [].as_slice()));
    assert_eq!(world.ring(|_| Sent::Taken).len(), 1);
}

#[test]
fn whoever_asked_may_stop_it_and_nobody_else() {
    let mut world = World::new();
    let agent = world.agent(None);
    let question = feishu("om_1", "hello");
    let (id, sender) = (question.id.clone(), question.sender.clone().unwrap());
    world.post("om_1", "hello").unwrap();
    delta(&mut world, agent, 0, "begun");
    let halt = |world: &mut World, id: &MessageId, sender: &str| {
        world.input(Input::Halted(id.clone(), sender.to_owned()));
    };
    halt(&mut world, &id, "ou_mallory");
    halt(&mut world, &"feishu:main:om_2".parse().unwrap(), &sender);
    assert_eq!(shown(&world), "begun");
    halt(&mut world, &id, &sender);
    assert_eq!(shown(&world), "⏹ 已停止 · stopped");
    assert!(world.hears(agent).contains(&r#"{"type":"stop","reply_to":1}"#.to_owned()));
    halt(&mut world, &id, &sender);
    let page = world.hub().page(&question.conversation, None, 10).unwrap().unwrap();
    assert_eq!(page.messages[0].state, Some(State::Failed));
    assert_eq!(page.messages[1].text, "begun\n\n⏹ 已停止 · stopped");
    // What was shown of it is all there is: nothing goes to the platform.
    assert_eq!(world.ring(|_| Sent::Taken).len(), 0);
}

#[test]
fn one_that_was_left_is_ended_when_it_is_stopped() {
    let mut world = World::new();
    let agent = world.agent(None);
    let question = feishu("om_1", "hello");
    world.post("om_1", "hello").unwrap();
    delta(&mut world, agent, 0, "begun");
    world.hub_mut().leave_draft(Seq(1));
    assert_eq!(world.hub_mut().kept(Seq(1)).unwrap(), None);
    assert_eq!(world.drafts, [Seq(1)]);
    world.input(Input::Halted(question.id, question.sender.unwrap()));
    assert_eq!((world.drafts.as_slice(), shown(&world).as_str()), ([Seq(1), Seq(1)].as_slice(), "⏹ 已停止 · stopped"));
    let kept = world.hub_mut().kept(Seq(1)).unwrap().unwrap();
    assert_eq!((kept.text.as_str(), kept.question, kept.part), ("begun\n\n⏹ 已停止 · stopped", Some(Seq(1)), 0));
}

#[test]
fn an_agent_that_leaves_begins_it_anew() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "hello").unwrap();
    delta(&mut world, agent, 0, "begun");
    world.drop(agent);
    assert_eq!(shown(&world), "gone");
    let agent = world.agent(None);
    delta(&mut world, agent, 0, "anew");
    assert_eq!((world.drafts.as_slice(), shown(&world).as_str()), ([Seq(1), Seq(1)].as_slice(), "anew"));
}

/// However it ends, its mark goes: once, and only where there is one.
#[test]
fn a_question_that_is_over_is_marked_no_more() {
    type End = fn(&mut World);
    let ends: [(&str, End); 4] = [
        ("answered", |world| {
            let agent = world.agent(None);
            world.replies(agent, 1, "hi");
        }),
        ("done", |world| {
            let agent = world.agent(None);
            world.says(agent, r#"{"type":"done","reply_to":1}"#);
        }),
        ("recalled", |world| {
            world.input(Input::Recalled("feishu:main:om_1".parse().unwrap()));
        }),
        ("expired", |world| {
            world.advance_ms(relay::limit::QUESTION_TTL_MS + 1);
            world.ring(|_| Sent::Taken);
        }),
    ];
    for (how, end) in ends {
        let mut world = World::new();
        world.post("om_1", "hello").unwrap();
        assert_eq!(world.over, [], "{how}");
        end(&mut world);
        assert_eq!(world.over, [Seq(1)], "{how}");
        assert_eq!(world.hub().origin(Seq(1)).unwrap().unwrap().message, "om_1", "{how}");
    }
    let mut world = World::new();
    let (agent, device) = (world.agent(None), world.device(None));
    world.sends(device, "m1", "hello");
    world.replies(agent, 1, "hi");
    assert_eq!(world.over, []);
    assert_eq!(world.hub().origin(Seq(9)).unwrap(), None);
}

#[test]
fn a_question_is_heard_while_its_agent_has_it() {
    let mut world = World::new();
    world.post("om_1", "hello").unwrap();
    assert!(!world.hub().is_heard(Seq(1)), "nobody is connected");
    let agent = world.agent(None);
    assert!(world.hub().is_heard(Seq(1)));
    let other = world.other_agent("agt_2", "office", &[]);
    assert!(!world.hub().is_heard(Seq(2)));
    world.drop(agent);
    assert!(!world.hub().is_heard(Seq(1)), "the other one does not have it");
    world.drop(other);
    let agent = world.agent(None);
    world.replies(agent, 1, "hi");
    assert!(!world.hub().is_heard(Seq(1)));
}
