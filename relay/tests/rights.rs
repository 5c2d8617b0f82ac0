//! What is said unasked, and rights that end: sessions, keys, scopes, agents.

use crate::support::World;
use protocol::{AgentId, Code, ConversationId, Seq};
use relay::hub::{Input, Pass, PeerId, Posted, Push, Role};
use relay::limit::REVOKED_MAX;
use relay::platform::Sent;

fn push(id: &str, to: &[&str], text: &str) -> Input {
    Input::Pushed(Push {
        id: id.parse().unwrap(),
        agent: Some("agt_1".parse().unwrap()),
        to: to.iter().map(|conversation| conversation.parse::<ConversationId>().unwrap().into()).collect(),
        text: text.into(),
        files: Vec::new(),
        buttons: Vec::new(),
    })
}

fn open(world: &mut World, role: Role, by: &str, may_send: bool) -> PeerId {
    let peer = world.open_with(role, Pass { by: by.into(), may_send, ..Pass::default() });
    world.says(peer, r#"{"type":"hello"}"#);
    peer
}

fn laptop() -> Role {
    Role::Agent { id: "agt_1".parse().unwrap(), name: "laptop".into() }
}

#[test]
fn what_is_said_unasked_reaches_the_chat_and_every_device_once() {
    let mut world = World::new();
    let agent = world.agent(None);
    let device = world.device(None);
    world.post("om_1", "hello").unwrap();
    world.replies(agent, 1, "hi");
    world.ring(|_| Sent::Taken);
    let pushed = world.input(push("p1", &["feishu:main:oc_9", "feishu:main:oc_1"], "tea is ready"));
    assert_eq!(pushed, Some(Ok(Posted { seq: Seq(3), new: true })));
    assert_eq!(world.messages(device), ["hello", "hi", "tea is ready"]);
    let sent = world.ring(|_| Sent::Taken);
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].origin.message.as_str(), sent[0].text.as_str()), ("om_1", "tea is ready"));
    // The same once more, also after everything in memory was lost.
    world.hibernate();
    let again = world.input(push("p1", &["feishu:main:oc_1"], "tea is ready"));
    assert_eq!(again, Some(Ok(Posted { seq: Seq(3), new: false })));
    assert_eq!(world.ring(|_| Sent::Taken).len(), 0);
    // Questions are found open after it: it answers none.
    world.post("om_2", "more").unwrap();
    world.hibernate();
    world.replies(agent, 4, "more it is");
    assert_eq!(world.ring(|_| Sent::Taken).len(), 1);
}

/// What a platform would not take any more is said beforehand, or goes elsewhere.
#[test]
fn the_conversation_of_a_message_is_known() {
    let mut world = World::new();
    let seq = world.post("om_1", "x").unwrap().seq;
    assert_eq!(world.hub().conversation_of(seq).unwrap().unwrap().as_str(), "feishu:main:oc_1");
    assert_eq!(world.hub().conversation_of(protocol::Seq(9)).unwrap(), None);
}

#[test]
fn a_chat_is_open_for_as_long_as_its_platform_says() {
    let mut world = World::new();
    let device = world.device(None);
    world.post("om_1", "hi").unwrap();
    let push = |id: &str, to: &[&str], open_ms: &[u64]| {
        let Input::Pushed(mut push) = push(id, to, "tea") else { unreachable!() };
        for (target, &ms) in push.to.iter_mut().zip(open_ms) {
            target.open_ms = Some(ms).filter(|&ms| ms > 0);
        }
        Input::Pushed(push)
    };
    let chat = "feishu:main:oc_1";
    assert!(world.input(push("p1", &[chat], &[60_000])).unwrap().is_ok());
    world.advance_ms(60_000);
    assert!(world.input(push("p1b", &[chat], &[60_000])).unwrap().is_ok(), "to the last moment");
    world.advance_ms(1);
    let refused = world.input(push("p2", &[chat], &[60_000])).unwrap().unwrap_err();
    assert_eq!(refused.code, Code::Conflict);
    assert!(refused.detail.contains("for 1 min after the last one"), "{}", refused.detail);
    assert!(world.input(push("p3", &[chat], &[0])).unwrap().is_ok());
    let pushed = world.input(push("p4", &[chat, "web"], &[60_000, 0])).unwrap().unwrap();
    let shown = world.envelopes(device).into_iter().find(|message| message.seq == pushed.seq).unwrap();
    assert_eq!(shown.conversation.as_str(), "web");
}

/// A bot whose allowance is used up says so beforehand, too; what was said before stays said.
#[test]
fn a_bot_whose_allowance_is_used_up_takes_nothing_unasked() {
    let mut world = World::new();
    let device = world.device(None);
    world.post("om_1", "hi").unwrap();
    let push = |id: &str, to: &[&str], used_up: &[&str]| {
        let Input::Pushed(mut push) = push(id, to, "tea") else { unreachable!() };
        for (target, &why) in push.to.iter_mut().zip(used_up) {
            target.used_up = Some(why.to_owned()).filter(|why| !why.is_empty());
        }
        Input::Pushed(push)
    };
    let (chat, why) = ("feishu:main:oc_1", "feishu allows main no more calls of its API until tomorrow");
    let said = world.input(push("p1", &[chat], &[""])).unwrap().unwrap();
    let again = world.input(push("p1", &[chat], &[why])).unwrap().unwrap();
    assert_eq!((again.seq, again.new), (said.seq, false));
    let refused = world.input(push("p2", &[chat], &[why])).unwrap().unwrap_err();
    assert_eq!((refused.code, refused.detail), (Code::Conflict, format!("conversation: {why}")));
    let pushed = world.input(push("p3", &[chat, "web"], &[why, ""])).unwrap().unwrap();
    let shown = world.envelopes(device).into_iter().find(|message| message.seq == pushed.seq).unwrap();
    assert_eq!(shown.conversation.as_str(), "web");
    assert!(world.input(push("p4", &[chat], &[])).unwrap().is_ok());
}

#[test]
fn without_a_chat_it_is_shown_on_the_page() {
    let mut world = World::new();
    let device = world.device(None);
    let pushed = world.input(push("p1", &["feishu:main:oc_1", "web"], "nobody was there yet"));
    assert_eq!(pushed, Some(Ok(Posted { seq: Seq(1), new: true })));
    assert_eq!(world.envelopes(device)[0].conversation.as_str(), "feishu:main:oc_1");
    assert_eq!(world.ring(|_| Sent::Taken).len(), 0);
    let code = |posted: Option<Result<Posted, relay::hub::Refusal>>| posted.unwrap().unwrap_err().code;
    assert_eq!(code(world.input(push("p2", &[], "where"))), Code::BadFrame);
    assert_eq!(code(world.input(push("p3", &["web"], ""))), Code::BadFrame);
    assert_eq!(code(world.input(push("p4", &["web"], &"x".repeat(200_000)))), Code::TextTooLong);
}

#[test]
fn what_the_platform_refuses_leaves_the_question_answered() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "hello").unwrap();
    world.replies(agent, 1, "hi");
    world.ring(|_| Sent::Taken);
    world.input(push("p1", &["feishu:main:oc_1"], "tea"));
    world.advance_ms(1);
    world.ring(|_| Sent::Refused("the bot is not in the chat".into()));
    let page = world.hub().page(&"feishu:main:oc_1".parse().unwrap(), None, 10).unwrap().unwrap();
    assert_eq!(page.messages[0].state, Some(protocol::State::Replied));
    assert_eq!(world.dead_letters(), []);
    let kinds: Vec<String> = world.hub().events(None, 20).unwrap().events.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds[..2], ["failed", "pushed"], "{kinds:?}");
}

#[test]
fn whoever_came_in_by_what_ended_is_out() {
    let mut world = World::new();
    let agent = open(&mut world, laptop(), "key_1", true);
    let device = open(&mut world, Role::Device, "ses_1", true);
    let other = open(&mut world, Role::Device, "ses_2", true);
    world.hibernate();
    world.input(Input::Revoked(vec!["ses_1".into(), "key_1".into()]));
    assert_eq!(world.closed.get(&agent), Some(&4401));
    assert_eq!(world.closed.get(&device), Some(&4401));
    assert_eq!(world.closed.get(&other), None);
    world.hibernate();
    assert!(world.hub().is_revoked("key_1").unwrap());
    assert!(!world.hub().is_revoked("ses_2").unwrap());
    // Only the newest are remembered; D1 knows them all.
    for n in 0..REVOKED_MAX {
        world.advance_ms(1);
        world.input(Input::Revoked(vec![format!("more_{n}")]));
    }
    assert!(!world.hub().is_revoked("key_1").unwrap());
    assert!(world.hub().is_revoked("more_0").unwrap());
}

#[test]
fn nobody_comes_in_to_a_user_who_is_disabled() {
    let mut world = World::new();
    let agent = open(&mut world, laptop(), "key_1", true);
    world.input(Input::Barred(true));
    assert_eq!(world.closed.get(&agent), Some(&4401));
    for n in 0..=REVOKED_MAX {
        world.advance_ms(1);
        world.input(Input::Revoked(vec![format!("more_{n}")]));
    }
    world.hibernate();
    assert!(world.hub().is_revoked("key_1").unwrap() && world.hub().is_revoked("any_other").unwrap());
    world.input(Input::Barred(false));
    assert!(!world.hub().is_revoked("key_1").unwrap());
}

#[test]
fn a_key_without_the_scope_may_not_answer() {
    let mut world = World::new();
    let agent = open(&mut world, laptop(), "key_1", false);
    world.post("om_1", "hello").unwrap();
    assert_eq!(world.messages(agent), ["hello"]);
    world.hears(agent);
    world.replies(agent, 1, "hi");
    world.says(agent, r#"{"type":"delta","reply_to":1,"offset":0,"text":"h"}"#);
    world.says(agent, r#"{"type":"fail","reply_to":1,"reason":"no"}"#);
    let heard = world.hears(agent);
    assert_eq!(heard.len(), 3);
    assert!(heard.iter().all(|frame| frame.contains(r#""code":"forbidden""#)), "{heard:?}");
    assert_eq!(world.ring(|_| Sent::Taken).len(), 0);
}

#[test]
fn a_removed_agent_leaves_its_questions_to_be_asked_again() {
    let mut world = World::new();
    let home = world.other_agent("agt_home", "Home", &[]);
    let office = world.other_agent("agt_office", "Office", &[]);
    let device = world.device(None);
    world.post("om_1", "one").unwrap();
    world.post("om_2", "@office two").unwrap();
    world.input(Input::Removed("agt_home".parse().unwrap()));
    assert_eq!(world.closed.get(&home), Some(&4401));
    let dead: Vec<Seq> = world.dead_letters().into_iter().map(|letter| letter.seq).collect();
    assert_eq!(dead, [Seq(1)]);
    assert_eq!(world.ring(|_| Sent::Taken).len(), 1, "its writer is told");
    let presence = world.hears(device).into_iter().rfind(|frame| frame.contains("presence")).unwrap();
    assert!(!presence.contains("agt_home") && presence.contains("agt_office"), "{presence}");
    // The other one is the default now, also after a wake; and gets what is asked again.
    world.hibernate();
    world.input(Input::Replayed(Seq(1)));
    world.post("om_3", "three").unwrap();
    assert_eq!(world.messages(office), ["two", "one", "three"]);
    world.input(Input::Removed("agt_office".parse().unwrap()));
    world.hibernate();
    world.post("om_4", "four").unwrap();
    let next = world.other_agent("agt_next", "Next", &[]);
    assert_eq!(world.messages(next), ["four"], "waited for any agent");
}

/// Whoever asked on the page is told as well as whoever asked at a platform.
#[test]
fn everyone_hears_that_the_agent_they_asked_is_gone() {
    let mut world = World::new();
    let (device, agent) = (world.device(None), world.agent(None));
    world.sends(device, "m1", "x");
    world.input(Input::Removed("agt_1".parse().unwrap()));
    assert_eq!(world.closed.get(&agent), Some(&4401));
    let told = world.envelopes(device).pop().unwrap();
    assert_eq!((told.from, told.reply_to), (protocol::Author::Relay, Some(Seq(1))));
}

/// A machine that makes calls for the relay follows nothing, is nobody's agent, and hears what it is for.
#[test]
fn whoever_carries_calls_does_nothing_else() {
    let mut world = World::new();
    let pass = |may_egress| Pass { may_egress, ..Pass::default() };
    let id: AgentId = "agt_9".parse().unwrap();
    let carrier = world.open_with(Role::Egress { id: id.clone() }, pass(true));
    assert_eq!(world.hub().carrier(&id), None, "not before it says hello");
    world.says(carrier, r#"{"type":"hello"}"#);
    assert_eq!(world.hub().carrier(&id), Some(carrier));
    world.post("om_1", "for an agent").unwrap();
    let device = world.device(None);
    world.says(carrier, r#"{"type":"ack","seq":1}"#);
    for frame in [r#"{"type":"reply","reply_to":1,"text":"x"}"#, r#"{"type":"send","id":"m","text":"x"}"#] {
        world.says(carrier, frame);
    }
    let heard = world.hears(carrier);
    assert!(heard[0].contains(r#""type":"welcome""#), "{heard:?}");
    assert_eq!(heard.iter().filter(|frame| frame.contains(r#""code":"forbidden""#)).count(), 2, "{heard:?}");
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert_eq!(world.messages(device), ["for an agent"]);
    // Nor after sleep, whatever was said meanwhile.
    world.hibernate();
    world.post("om_2", "more").unwrap();
    assert_eq!((world.hears(carrier).len(), world.hub().carrier(&id)), (0, Some(carrier)));
    world.says(carrier, r#"{"type":"fetched","id":"1","answer":{"status":200,"body":"{}"}}"#);
    assert_eq!(world.fetched.len(), 1);
    // The newest one; an agent that answers may, too, if its key says so.
    world.advance_ms(1);
    let agent = world.open_with(Role::Agent { id: id.clone(), name: "both".into() }, pass(true));
    world.says(agent, r#"{"type":"hello"}"#);
    assert_eq!(world.hub().carrier(&id), Some(agent));
    let other = world.open_with(Role::Agent { id: "agt_8".parse().unwrap(), name: "no".into() }, pass(false));
    world.says(other, r#"{"type":"hello"}"#);
    world.says(other, r#"{"type":"fetched","id":"2"}"#);
    assert_eq!((world.fetched.len(), world.hub().carrier(&"agt_8".parse().unwrap())), (1, None));
}
