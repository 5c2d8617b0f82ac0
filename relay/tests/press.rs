//! Buttons at platforms that name them without what they say: who may press what, and how often.

use crate::support::World;
use protocol::limit::{BUTTON_LABEL_BYTES_MAX, BUTTON_TEXT_BYTES_MAX, BUTTONS_MAX};
use protocol::{ConversationId, Seq, Timestamp};
use relay::hub::{Input, outbound};
use relay::platform::{self, Account, Choice, Inbound, Press, Pressed, Raw, Sent};
use relay::store::{Origin, Question};
use serde_json::{Value, json};

const BUTTONS: &str = r#"[{"label":"Yes","text":"yes, do it"},{"label":"No","text":"no"}]"#;

fn account() -> Account {
    let account = json!({ "id": "main", "platform": "telegram", "bot_token": "1:a", "secret_token": "s" });
    serde_json::from_value(account).unwrap()
}

/// A world where the agent asked back, in a private chat and in its topic `topic`: the buttons that came to Telegram.
fn asked(world: &mut World, topic: i64) -> Vec<Press> {
    asked_in(world, topic, false)
}

fn asked_in(world: &mut World, topic: i64, group: bool) -> Vec<Press> {
    let agent = world.agent(None);
    let thread = if topic == 0 { "5".to_owned() } else { format!("5.{topic}") };
    let question = Question {
        id: format!("telegram:main:{topic}").parse().unwrap(),
        conversation: format!("telegram:main:{thread}").parse().unwrap(),
        via: "telegram".into(),
        sender: Some("5".into()),
        name: None,
        group,
        text: "delete it".into(),
        files: Vec::new(),
        origin: Some(Origin { account: "main".parse().unwrap(), message: format!("5/{topic}/3") }),
    };
    let seq = world.input(Input::Posted(question)).unwrap().unwrap().seq;
    let reply = format!(r#"{{"type":"reply","reply_to":{seq},"text":"**Sure?**","buttons":{BUTTONS}}}"#);
    world.says(agent, &reply);
    let mut sent = Vec::new();
    for delivery in world.ring(|_| Sent::Taken) {
        let call = platform::send(&account(), &outbound(delivery)).unwrap();
        let body: Value = serde_json::from_str(&call.request.body.unwrap()).unwrap();
        for row in body["reply_markup"]["inline_keyboard"].as_array().unwrap() {
            sent.push(pressed(row[0]["callback_data"].as_str().unwrap()));
        }
    }
    sent
}

fn taken(label: &str) -> Pressed {
    Pressed::Taken { label: label.into(), text: "**Sure?**".into() }
}

fn pressed(data: &str) -> Press {
    let chat = json!({ "id": 5, "type": "private" });
    let message = json!({ "message_id": 8, "chat": chat });
    let from = json!({ "id": 5, "first_name": "Ada" });
    let query = json!({ "id": "77", "from": from, "message": message, "data": data });
    let body = json!({ "update_id": 1, "callback_query": query }).to_string();
    let headers = [("x-telegram-bot-api-secret-token".to_owned(), "s".to_owned())];
    match platform::receive(&account(), &Raw::post(&headers, body.as_bytes()), Timestamp(0)).unwrap() {
        Inbound::Chosen { press, group: None, .. } => press,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_is_answered_by_one_button_once() {
    let mut world = World::new();
    let buttons = asked(&mut world, 7);
    assert_eq!(buttons[0].conversation.as_str(), "telegram:main:5.7");
    assert_eq!(world.press(&buttons[0]), Ok(taken("Yes")));
    // The platform says so again; somebody presses another one; the relay forgets what it had in mind.
    assert_eq!(world.press(&buttons[0]), Ok(taken("Yes")));
    world.crash();
    assert_eq!(world.press(&buttons[0]), Ok(taken("Yes")));
    assert_eq!(world.press(&buttons[1]), Ok(Pressed::Late));
    let agent = world.agent(None);
    assert_eq!(world.messages(agent).iter().filter(|text| *text == "yes, do it").count(), 1);
    assert!(!world.messages(agent).contains(&"no".to_owned()));
    let question = world.envelopes(agent).into_iter().find(|message| message.text == "yes, do it").unwrap();
    assert_eq!(question.id.as_str(), "press-2");
    assert_eq!(
        serde_json::to_value(&question.from).unwrap(),
        json!({ "kind": "user", "via": "telegram", "sender": "5", "name": "Ada" })
    );
    world.replies(agent, question.seq.0, "Done.");
    let answer = world.ring(|_| Sent::Taken).pop().unwrap();
    assert_eq!((answer.text.as_str(), answer.origin.message.as_str()), ("Done.", "5/7/8"), "under the buttons");
}

#[test]
fn buttons_are_few_and_can_be_read() {
    let mut world = World::new();
    let agent = world.agent(None);
    let mut check = |buttons: serde_json::Value, refusal: Option<&str>| {
        let seq = world.post(&format!("om_{}", world.sql.count("messages")), "x").unwrap().seq;
        world.acks(agent, seq.0);
        world.hears(agent);
        world.says(agent, &json!({ "type": "reply", "reply_to": seq.0, "text": "?", "buttons": buttons }).to_string());
        let heard = world.hears(agent).remove(0);
        match refusal {
            Some(why) => assert!(heard.contains(r#""code":"bad_frame""#) && heard.contains(why), "{heard}"),
            None => assert!(heard.contains(r#""type":"accepted""#), "{heard}"),
        }
    };
    let button = |label: &str, text: &str| json!({ "label": label, "text": text });
    let (label, text) = ("l".repeat(BUTTON_LABEL_BYTES_MAX), "t".repeat(BUTTON_TEXT_BYTES_MAX));
    check(json!(vec![button("a", "b"); BUTTONS_MAX]), None);
    check(json!(vec![button("a", "b"); BUTTONS_MAX + 1]), Some("at most 8"));
    check(json!([button(&label, &text)]), None);
    check(json!([button(&format!("{label}l"), "b")]), Some("a label has"));
    check(json!([button(" ", "b")]), Some("a label has"));
    check(json!([button("a", &format!("{text}t"))]), Some("bytes"));
    check(json!([button("a", "")]), Some("bytes"));
}

/// Feishu does not say what kind of chat a button is in: its newest question does.
#[test]
fn others_are_in_the_chat_if_they_were() {
    for in_group in [false, true] {
        let mut world = World::new();
        let press = asked_in(&mut world, 0, in_group).remove(0);
        assert_eq!(world.press(&Press { group: None, ..press }), Ok(taken("Yes")));
        let agent = world.agent(None);
        let said = world.envelopes(agent).into_iter().find(|message| message.text == "yes, do it").unwrap();
        assert!(matches!(said.from, protocol::Author::User { group, .. } if group == in_group), "{:?}", said.from);
    }
}

#[test]
fn a_press_on_the_page_counts_too() {
    let mut world = World::new();
    let buttons = asked(&mut world, 0);
    let device = world.device(None);
    world.says(device, r#"{"type":"send","id":"press-2","conversation":"telegram:main:5","text":"no"}"#);
    assert_eq!(world.press(&buttons[0]), Ok(Pressed::Late));
    assert_eq!(world.press(&buttons[1]), Ok(taken("No")));
}

#[test]
fn whoever_asks_back_hears_the_answer() {
    let mut world = World::new();
    let (home, office) = (world.agent(None), world.other_agent("agt_2", "office", &[]));
    let device = world.device(None);
    let send = |id: &str, conversation: &str, text: &str| {
        format!(r#"{{"type":"send","id":"{id}","conversation":"{conversation}","text":"{text}"}}"#)
    };
    world.says(device, &send("m-1", "web", "@office delete it"));
    world.says(office, &format!(r#"{{"type":"reply","reply_to":1,"text":"Sure?","buttons":{BUTTONS}}}"#));
    world.says(device, &send("press-2", "web", "yes, do it"));
    assert_eq!(world.messages(office), ["delete it", "yes, do it"]);
    // Nobody asked back here: neither in another conversation, nor by what is no agent's message or none at all.
    for (id, conversation) in [("press-1", "web"), ("press-2.", "other"), ("press-99", "web"), ("press-x", "web")] {
        world.says(device, &send(id, conversation, id));
    }
    assert_eq!(world.messages(home), ["press-1", "press-2.", "press-99", "press-x"]);
    // Nor by an agent that is gone.
    world.says(device, &send("m-2", "web", "@office again"));
    world.says(office, &format!(r#"{{"type":"reply","reply_to":8,"text":"Sure?","buttons":{BUTTONS}}}"#));
    world.input(Input::Removed("agt_2".parse().unwrap()));
    world.says(device, &send("press-9", "web", "no"));
    assert_eq!(world.messages(home).last().map(String::as_str), Some("no"));
}

#[test]
fn nothing_is_said_that_is_on_no_button_there() {
    let mut world = World::new();
    let press = asked(&mut world, 0).remove(0);
    let stored = world.sql.dump();
    let elsewhere: ConversationId = "telegram:main:6".parse().unwrap();
    let choice = |choice: Choice| Press { choice, ..press.clone() };
    for wrong in [
        Press { conversation: elsewhere, ..press.clone() },
        choice(Choice { index: 1, ..press.choice.clone() }),
        choice(Choice { index: 9, ..press.choice.clone() }),
        choice(Choice { seq: Seq(1), ..press.choice.clone() }),
        choice(Choice { seq: Seq(99), ..press.choice.clone() }),
        choice(Choice { mark: "AAAAAAAA".into(), ..press.choice.clone() }),
    ] {
        assert_eq!(world.press(&wrong), Ok(Pressed::Gone), "{wrong:?}");
    }
    assert_eq!(world.sql.dump(), stored);
    assert_eq!(world.press(&press), Ok(taken("Yes")));
}
