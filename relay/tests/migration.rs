//! A Hub that the version before this one wrote wakes, and loses nothing; its sockets stay open.

use crate::support::{Sqlite, World, feishu};
use protocol::{Author, Seq};
use relay::hub::{Hub, Input, Options, Output, Peer, PeerId};
use relay::platform::Sent;
use relay::store::Question;

/// As schema version 1 left it: a question answered and on its way to Feishu, one delivered, one queued.
const VERSION_1: &str = include_str!("../../tests/vectors/hub-v1.sql");
/// As that version wrote a device's attachment.
const DEVICE: &str =
    r#"{"role":{"kind":"device"},"opened":1799999990000,"greeted":true,"deltas":true,"sent":4,"last":4,"acked":4}"#;
/// And an agent's, in the middle of an answer.
const AGENT: &str = r#"{"role":{"kind":"agent","id":"agt_1","name":"laptop"},"opened":1799999990000,"greeted":true,"deltas":false,"sent":4,"last":3,"acked":3,"streaming":[3]}"#;

#[test]
fn a_hub_of_version_1_goes_on() {
    let sql = Sqlite::new();
    sql.execute(VERSION_1);
    let mut world = World::with(sql, Options::default());
    let device = world.device(None);
    let texts = ["first", "answer", "second", "third"];
    assert_eq!(world.messages(device), texts);
    // That version did not know who wrote, nor whether in a group.
    let from: Vec<Author> = world.envelopes(device).into_iter().map(|message| message.from).collect();
    assert!(
        from.iter().all(|from| !matches!(from, Author::User { name: Some(_), .. } | Author::User { group: true, .. }))
    );
    // The webhook comes again: it is known.
    assert!(!world.post("om_1", "first").unwrap().new);
    // The answer that was on its way arrives, and the open questions are answered.
    assert_eq!(world.ring(|_| Sent::Taken)[0].text, "answer");
    let agent = world.agent(Some(world.cursor(3)));
    assert_eq!(world.messages(agent), ["third"]);
    world.replies(agent, 3, "second answer");
    world.replies(agent, 4, "third answer");
    assert_eq!(world.ring(|_| Sent::Taken).len(), 2);
    // What is new in this version works on it.
    world.input(Input::Posted(feishu("om_stop", "/new")));
    world.post("om_4", "fourth").unwrap();
    assert_eq!(world.envelopes(agent).last().unwrap().session, 1);
    let ada = Question { name: Some("Ada".into()), group: true, ..feishu("om_5", "fifth") };
    world.input(Input::Posted(ada)).unwrap().unwrap();
    world.crash();
    let device = world.device(Some(world.cursor(0)));
    let last = world.envelopes(device).pop().unwrap();
    let ada = |from: &Author| matches!(from, Author::User { name: Some(name), group: true, .. } if name == "Ada");
    assert!(ada(&last.from), "{last:?}");
}

#[test]
fn sockets_that_slept_through_the_upgrade_stay() {
    let sql = Sqlite::new();
    sql.execute(VERSION_1);
    let peers: Vec<(PeerId, Peer)> =
        [(1, DEVICE), (2, AGENT)].map(|(id, peer)| (PeerId(id), serde_json::from_str(peer).unwrap())).into();
    let now = protocol::Timestamp(1_800_000_000_000);
    let mut hub = Hub::restore(None, sql, Options::default(), now, peers).unwrap();
    hub.handle(now, Input::Woken(None)).unwrap();
    let outputs = hub.handle(now, Input::Posted(feishu("om_9", "after"))).unwrap();
    let to: Vec<&Vec<PeerId>> =
        outputs.iter().filter_map(|output| if let Output::Send(to, _) = output { Some(to) } else { None }).collect();
    assert_eq!(to, [&vec![PeerId(1), PeerId(2)]]);
    let reply = r#"{"type":"reply","reply_to":3,"text":"done"}"#;
    let outputs = hub.handle(now, Input::received(PeerId(2), reply)).unwrap();
    assert!(format!("{outputs:?}").contains("accepted"));
    assert_eq!(hub.page(&feishu("", "").conversation, None, 1).unwrap().unwrap().messages[0].seq, Seq(6));
}

#[test]
fn a_hub_of_a_newer_version_is_left_alone() {
    let sql = Sqlite::new();
    World::with(sql.clone(), Options::default());
    sql.execute("update meta set value = 99 where key = 'schema'");
    let before = sql.dump();
    let now = protocol::Timestamp(1_800_000_000_000);
    assert!(Hub::restore(None, sql.clone(), Options::default(), now, []).is_err());
    assert_eq!(sql.dump(), before);
}
