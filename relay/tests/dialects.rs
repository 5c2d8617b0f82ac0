//! Clients of other words on a whole Hub: the recorded exchanges of `tests/vectors/*.jsonl`, which the end-to-end tests
//! replay on the real Worker as well; and what such clients gain.
//!
//! A line says who connects, says, hears or leaves; or uploads a file and downloads one, beside the stream: that the Worker
//! does, and here the file is only named. `$name` stands for what is not known before, and is the same wherever
//! it stands; `$*` is anything.
#![allow(clippy::panic)]

use std::collections::{BTreeMap, VecDeque};

use crate::support::{self, World};
use protocol::{ClientFrame, FileKind, encode};
use relay::dialect::{Dialect, Said, Words};
use relay::file::Link;
use relay::hub::{Input, Pass, PeerId, Role};
use relay::limit::SILENCE_MS_MAX;
use relay::platform::Sent;
use serde_json::{Value, json};

/// As in `src/hub.rs`.
const ACK_ROUNDS_MAX: usize = 2;

/// A Hub with clients, as the shell has them.
struct Room {
    world: World,
    clients: BTreeMap<&'static str, Client>,
    said: u32,
}

struct Client {
    peer: PeerId,
    dialect: Dialect,
    heard: VecDeque<String>,
}

impl Room {
    fn new() -> Room {
        Room { world: World::new(), clients: BTreeMap::new(), said: 0 }
    }

    fn connect(&mut self, name: &'static str, words: Words, role: Role, pass: Pass) {
        let dialect = Dialect { words, heard: None };
        let (peer, hello) = (self.world.open_with(role, pass), dialect.hello());
        self.clients.insert(name, Client { peer, dialect, heard: VecDeque::new() });
        self.world.input(Input::Received(peer, 0, Ok(vec![hello])));
        self.pass_on();
    }

    fn robot(&mut self) {
        self.connect("robot", Words::Robot { user: "usr_1".parse().unwrap() }, laptop(), pass());
    }

    fn person(&mut self, conversation: &str) {
        let (robot, conversation) = ("agt_1".parse().unwrap(), conversation.parse().unwrap());
        let pass = Pass { to: Some("agt_1".parse().unwrap()), ..Pass::default() };
        self.connect("person", Words::Person { robot, conversation }, Role::Device, pass);
    }

    fn plugin(&mut self) {
        self.connect(
            "plugin",
            Words::Plugin { user: "usr_1".parse().unwrap() },
            laptop(),
            Pass { window: 1, ..pass() },
        );
    }

    fn leave(&mut self, name: &str) {
        let client = self.clients.remove(name).unwrap();
        self.world.input(Input::Closed(client.peer));
        self.pass_on();
    }

    fn says(&mut self, name: &str, text: &str) {
        self.said += 1;
        let (now, fresh) = (self.world.now, self.said.to_string());
        let client = self.clients.get_mut(name).unwrap();
        let (peer, said) = (client.peer, client.dialect.hear(now, text, &fresh));
        if let Said::Ping(back) = said {
            client.heard.push_back(back.to_owned());
        }
        let has_read = client.dialect.words.has_read_what_it_was_handed();
        self.world.input(said.input(peer, text.len()));
        self.pass_on();
        if let Some(seq) = self.world.hub().unread(peer).filter(|_| has_read) {
            self.world.input(Input::Received(peer, 0, Ok(vec![ClientFrame::Ack { seq }])));
            self.pass_on();
        }
    }

    /// What the Hub sent becomes the clients', and counts as stored.
    fn pass_on(&mut self) {
        for round in 0.. {
            let mut acks = Vec::new();
            for client in self.clients.values_mut() {
                let mut ack = None;
                for frame in std::mem::take(self.world.heard.get_mut(&client.peer).unwrap()) {
                    let sent = client.dialect.tell(&encode(&frame));
                    client.heard.extend(sent.texts);
                    ack = sent.ack.or(ack);
                }
                acks.extend(ack.map(|seq| (client.peer, seq)));
                // Asleep and awake again between any two messages: nothing may depend on memory.
                let attached = serde_json::to_string(&client.dialect.words).unwrap();
                client.dialect.words = serde_json::from_str(&attached).unwrap();
            }
            if acks.is_empty() || round == ACK_ROUNDS_MAX {
                return;
            }
            for (peer, seq) in acks {
                self.world.input(Input::Received(peer, 0, Ok(vec![ClientFrame::Ack { seq }])));
            }
        }
    }

    fn hears(&mut self, name: &str) -> Value {
        let text = self.clients.get_mut(name).unwrap().heard.pop_front();
        text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
    }
}

fn laptop() -> Role {
    Role::Agent { id: "agt_1".parse().unwrap(), name: "laptop".into() }
}

fn pass() -> Pass {
    Pass { may_push: true, ..Pass::default() }
}

#[test]
fn manserver_as_recorded() {
    replay(include_str!("../../tests/vectors/manserver.jsonl"));
}

#[test]
fn the_relay_plugin_as_recorded() {
    replay(include_str!("../../tests/vectors/relay-plugin.jsonl"));
}

fn replay(recorded: &str) {
    let mut room = Room::new();
    let mut known = BTreeMap::from([("$user".to_owned(), json!("usr_1")), ("$robot".to_owned(), json!("agt_1"))]);
    let mut delivered = VecDeque::new();
    for (number, line) in recorded.lines().enumerate() {
        let line: Value = serde_json::from_str(line).unwrap();
        let who = line["who"].as_str().unwrap();
        let at = format!("line {}", number + 1);
        if line.get("connects").is_some() {
            match who {
                "robot" => room.robot(),
                "person" => room.person("room-1"),
                _ => {}
            }
        } else if line.get("leaves").is_some() {
            room.leave(who);
        } else if let Some(name) = line.get("uploads") {
            let path = uploaded(&room.world, name.as_str().unwrap());
            known.insert(line["gets"]["file_path"].as_str().unwrap().to_owned(), json!(path));
        } else if line.get("downloads").is_some() {
            assert!(known.contains_key(line["downloads"].as_str().unwrap()), "{at}");
        } else if let Some(said) = line.get("says") {
            let mut text = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
            for (name, value) in &known {
                text = text.replace(name, value.as_str().unwrap_or_default());
            }
            match who {
                "feishu" => {
                    room.world.post(line["id"].as_str().unwrap(), &text).unwrap();
                    room.pass_on();
                }
                "plugin" if said["type"] == "auth" => room.plugin(),
                _ => room.says(who, &text),
            }
            room.world.hibernate();
        } else if who == "feishu" {
            delivered.extend(room.world.ring(|_| Sent::Taken));
            let delivery = delivered.pop_front().expect(&at);
            let heard = json!({ "who": who, "hears": delivery.text, "id": delivery.origin.message });
            assert_eq!(heard, line, "{at}");
        } else {
            let heard = room.hears(who);
            assert!(matches(&line["hears"], &heard, &mut known), "{at}: {heard}");
        }
    }
    for (name, client) in room.clients {
        assert_eq!(client.heard, [""; 0], "{name} hears no more");
    }
    assert_eq!(room.world.ring(|_| Sent::Taken).len(), 0);
}

/// A picture of the user's, as a path.
fn uploaded(world: &World, name: &str) -> String {
    let (user, id) = (support::user(), "fil_1".parse().unwrap());
    let link = Link { user, id, name: name.into(), kind: FileKind::Image, media_type: None, bytes: None, source: None };
    link.file(&support::keys(), "https://relay.example", world.now, world.now.plus_ms(1_000_000)).url
}

fn matches(expected: &Value, heard: &Value, known: &mut BTreeMap<String, Value>) -> bool {
    match (expected, heard) {
        (Value::String(name), _) if name == "$*" => true,
        (Value::String(name), _) if name.starts_with('$') => {
            known.entry(name.clone()).or_insert_with(|| heard.clone()) == heard
        }
        (Value::Object(expected), Value::Object(heard)) => {
            expected.len() == heard.len()
                && expected.iter().all(|(key, value)| heard.get(key).is_some_and(|heard| matches(value, heard, known)))
        }
        (expected, heard) => expected == heard,
    }
}

#[test]
fn what_waited_for_a_robot_reaches_it_once_and_in_order_and_again_while_it_is_open() {
    let mut room = Room::new();
    room.person("room");
    for n in 0..600 {
        room.says("person", &format!(r#"{{"text":"q{n}","conversationId":"room-{}"}}"#, n % 2));
    }
    // Questions for a robot that never connected wait for it, though the Hub has not heard of it.
    room.robot();
    let texts = |room: &mut Room| {
        let heard = std::mem::take(&mut room.clients.get_mut("robot").unwrap().heard);
        let text = |text: &String| serde_json::from_str::<Value>(text).unwrap()["data"]["text"].clone();
        heard.iter().map(text).collect::<Vec<_>>()
    };
    let all = |from: usize| (from..600).map(|n| json!(format!("q{n}"))).collect::<Vec<_>>();
    assert_eq!(texts(&mut room), all(0));
    for n in 0..4 {
        let room_of = n % 2;
        let answer = json!({ "type": "message", "data": { "text": "a", "conversationId": format!("room-{room_of}") } });
        room.says("robot", &answer.to_string());
    }
    room.leave("robot");
    room.world.crash();
    room.clients.clear();
    room.robot();
    assert_eq!(texts(&mut room), all(4), "those that have their answer do not come again");
}

#[test]
fn a_robot_that_does_not_read_is_not_flooded() {
    let mut room = Room::new();
    room.person("room");
    let long = "x".repeat(100_000);
    for _ in 0..60 {
        room.says("person", &long);
    }
    room.robot();
    let heard = |room: &Room| room.clients["robot"].heard.len();
    let first = heard(&room);
    assert!((11..=35).contains(&first), "{first} of 60 messages of 100 kB");
    room.says("robot", r#"{"type":"ping"}"#);
    assert!(heard(&room) > first + 1, "whoever speaks has read");
    room.says("robot", r#"{"type":"ping"}"#);
    let messages = room.clients["robot"].heard.iter().filter(|text| text.contains("\"message\"")).count();
    assert_eq!(messages, 60);
}

#[test]
fn a_key_says_what_its_scopes_allow() {
    let mut room = Room::new();
    let check = |room: &mut Room, pass: Pass, expected: [Value; 2]| {
        room.connect("robot", Words::Robot { user: "usr_1".parse().unwrap() }, laptop(), pass);
        room.world.post("om_1", "hello").unwrap();
        room.pass_on();
        while !room.hears("robot").is_null() {}
        for expected in expected {
            room.says("robot", r#"{"type":"message","data":{"text":"hi","conversationId":"feishu:main:oc_1"}}"#);
            assert_eq!(room.hears("robot")["code"], expected);
        }
    };
    let forbidden = json!("forbidden");
    check(&mut room, Pass { may_send: false, ..pass() }, [forbidden.clone(), forbidden.clone()]);
    check(&mut room, Pass::default(), [Value::Null, forbidden]);
    check(&mut room, pass(), [Value::Null, Value::Null]);
    // What it said unasked went to no platform: its owner may not want that.
    let texts: Vec<_> = room.world.ring(|_| Sent::Taken).into_iter().map(|delivery| delivery.text).collect();
    assert_eq!(texts, ["hi"]);
}

#[test]
fn an_answer_that_is_too_long_is_cut_and_says_so() {
    let mut room = Room::new();
    room.robot();
    room.person("room");
    room.says("person", "tell me everything");
    let answer = json!({ "type": "message", "data": { "text": "你".repeat(60_000), "conversationId": "room" } });
    room.says("robot", &answer.to_string());
    let heard = room.hears("person");
    assert!(heard["text"].as_str().unwrap().ends_with("… [太长，已截断 · too long, cut]"));
}

#[test]
fn who_sends_heartbeats_is_missed_without_them() {
    let mut room = Room::new();
    room.robot();
    let heard = |room: &Room| room.clients["robot"].dialect.heard;
    assert_eq!(heard(&room), None);
    room.says("robot", r#"{"type":"message","data":{"text":"hi"}}"#);
    assert_eq!(heard(&room), None, "it may never send one");
    room.says("robot", r#"{"type":"ping"}"#);
    let since = room.world.now;
    room.world.advance_ms(SILENCE_MS_MAX + 1);
    assert_eq!(heard(&room), Some(since));
    let now = room.world.now;
    let silent = room.world.hub().silent(now, |_| heard(&room));
    assert_eq!(silent, [room.clients["robot"].peer]);
}
