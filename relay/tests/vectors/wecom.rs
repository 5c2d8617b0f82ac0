//! WeCom: apps and AI bots.

use protocol::Timestamp;
use relay::platform::wecom::{self, Settings};
use relay::platform::wx::{Key, signature};
use relay::platform::{self, Account, Fresh, Inbound, Method, NoEvent, Outbound, Platform, Raw, Rejected, wecom_bot};
use serde_json::{Value, json};

use crate::{each, hex, name, text, unhex};

#[test]
fn app_crypto() {
    each("wecom-crypto.json", 36, |id, kind, input, expected, valid| {
        if kind == "config" {
            let settings =
                Settings { encoding_aes_key: text(input, "encoding_aes_key").into(), ..settings(&json!({})) };
            assert!(wecom::check(&settings).unwrap_err().starts_with("encoding_aes_key"), "{id}");
            assert!(!valid && Key::read(&settings.encoding_aes_key).is_none(), "{id}");
            return;
        }
        match (kind, valid) {
            ("verify_url", true) => {
                let Inbound::Challenge(challenge) = ask(input, text(input, "echostr")).unwrap() else { panic!("{id}") };
                assert_eq!(challenge, text(expected, "reply_body"), "{id}");
            }
            ("decrypt_xml_message", true) => {
                let account = account(input);
                let query = query(input);
                let raw = Raw { query: &query, ..Raw::post(&[], text(input, "body").as_bytes()) };
                let inbound = platform::receive(&account, &raw, now(input)).unwrap();
                let Inbound::Message { sender, question, .. } = inbound else { panic!("{id}: {inbound:?}") };
                let fields = &expected["fields"];
                assert_eq!(sender, text(fields, "FromUserName"));
                assert_eq!(question.text, text(fields, "Content"));
                assert_eq!(question.id.as_str(), format!("wecom:main:{}", text(fields, "MsgId")));
                assert_eq!(question.conversation.as_str(), "wecom:main:mycreate");
                let encrypt = text(input, "body").split("[CDATA[").nth(2).unwrap().split(']').next().unwrap();
                assert_eq!(
                    key(input).open(encrypt, text(input, "receive_id")).unwrap(),
                    text(expected, "plaintext_xml")
                );
            }
            ("decrypt_message", true) => {
                let opened = key(input).open(text(input, "encrypt"), text(input, "receive_id"));
                assert_eq!(opened.unwrap(), text(expected, "plaintext"), "{id}");
            }
            // Whatever is wrong with it is wrong with an address check, too, and nothing is said back.
            ("decrypt_message", false) => {
                let rejected = ask(input, text(input, "encrypt")).unwrap_err();
                assert_eq!(name(rejected), text(expected, "error"), "{id}");
            }
            ("encrypt_reply", true) => {
                let random = text(input, "random16_utf8").as_bytes().try_into().unwrap();
                let sealed = key(input).seal(&random, text(input, "plaintext"), text(input, "receive_id"));
                assert_eq!(sealed, text(expected, "encrypt"), "{id}");
                let parts = [text(input, "token"), text(input, "timestamp"), text(input, "nonce"), &sealed];
                assert_eq!(signature(&parts), text(expected, "msg_signature"), "{id}");
                assert_eq!(
                    key(input).open(&sealed, text(input, "receive_id")).unwrap(),
                    text(input, "plaintext"),
                    "{id}"
                );
            }
            other => panic!("{id}: {other:?}"),
        }
    });
}

/// A held callback is answered by what the platform would read: the vector's own fields, around our text.
#[test]
fn app_passive_reply() {
    each("wecom-crypto.json", 36, |id, _, input, expected, _| {
        if id != "enc-passive-reply-xml" {
            return;
        }
        let outbound = to("mycreate", "你好 & <world>");
        let fresh = Fresh {
            now: Timestamp(1_348_831_860_000),
            nonce: text(input, "nonce").into(),
            random: text(input, "random16_utf8").as_bytes().try_into().unwrap(),
        };
        let held = platform::passive(&account(input), &outbound, &fresh).unwrap();
        assert!(held.is_last && held.reply.content_type.starts_with("text/xml"));
        // The sample's message and envelope have different times: the cipher does not depend on the envelope's.
        let encrypt = text(expected, "encrypt");
        let signed = signature(&[text(input, "token"), "1348831860", text(input, "nonce"), encrypt]);
        assert_eq!(
            held.reply.body,
            format!(
                "<xml><Encrypt><![CDATA[{encrypt}]]></Encrypt><MsgSignature><![CDATA[{signed}]]></MsgSignature>\
                 <TimeStamp>1348831860</TimeStamp><Nonce><![CDATA[1372623149]]></Nonce></xml>"
            )
        );
        let long = Outbound { text: "好".repeat(683), ..outbound };
        assert_eq!(platform::passive(&account(input), &long, &fresh), None, "2,049 bytes");
    });
}

#[test]
fn bot_callbacks() {
    each("wecom-aibot.json", 21, |id, kind, input, expected, valid| match kind {
        "aibot_verify_url" => {
            let Inbound::Challenge(challenge) = ask_on(&bot(input), input, text(input, "echostr")).unwrap() else {
                panic!("{id}")
            };
            assert!(valid && challenge == text(expected, "reply_body"), "{id}");
        }
        "aibot_receive" => {
            let (query, body) = (query(input), input["body"].to_string());
            let raw = Raw { query: &query, ..Raw::post(&[], body.as_bytes()) };
            match platform::receive(&bot(input), &raw, now(input)) {
                Err(NoEvent::Rejected(rejected)) => {
                    assert_eq!((valid, name(rejected)), (false, text(expected, "error")), "{id}")
                }
                Err(other) => panic!("{id}: {other:?}"),
                Ok(inbound) => {
                    assert!(valid, "{id}");
                    check_bot_message(id, &expected["plaintext_json"], inbound);
                }
            }
        }
        "aibot_reply" => check_stream(id, input, expected),
        "aibot_media" => {
            let key = Key::read(text(input, "aeskey_base64").trim_end_matches('=')).unwrap();
            match key.decrypt(&unhex(&input["cipher_hex"])) {
                Ok(plain) => assert_eq!((valid, hex(&plain).as_str()), (true, text(expected, "plain_hex")), "{id}"),
                Err(rejected) => assert_eq!((valid, name(rejected)), (false, text(expected, "error")), "{id}"),
            }
        }
        other => panic!("{id}: {other}"),
    });
}

fn check_bot_message(id: &str, message: &Value, inbound: Inbound) {
    let said = match (text(message, "msgtype"), &inbound) {
        ("event", Inbound::Entered { sender, group: None, conversation, .. }) => {
            assert_eq!(message["event"]["eventtype"], "enter_chat", "{id}");
            assert_eq!(conversation.as_str(), format!("wecom-bot:main:{sender}"), "{id}");
            return assert_eq!(message["from"]["userid"], sender.as_str(), "{id}");
        }
        ("event", inbound) => return assert_eq!(*inbound, Inbound::Ignored("event type"), "{id}"),
        ("stream", inbound) => {
            let id = "wecom-bot:main:STREAMID".parse().unwrap();
            return assert_eq!(
                *inbound,
                Inbound::Refresh { sender: "zhangsan".into(), group: Some("CHATID".into()), id }
            );
        }
        ("text", _) => text(&message["text"], "content"),
        ("mixed", _) => text(&message["mixed"]["msg_item"][0]["text"], "content"),
        other => panic!("{id}: {other:?}"),
    };
    let Inbound::Message { sender, question, .. } = inbound else { panic!("{id}: {inbound:?}") };
    assert_eq!(sender, text(&message["from"], "userid"), "{id}");
    let is_group = text(message, "chattype") == "group";
    assert_eq!(question.text, if is_group { said.split_once(' ').unwrap().1 } else { said }, "{id}");
    let conversation = if is_group { "wecom-bot:main:group-CHATID" } else { "wecom-bot:main:zhangsan" };
    assert_eq!(question.conversation.as_str(), conversation, "{id}");
    // The stream's name leads back to the question.
    let (stream, url) = question.origin.as_ref().unwrap().message.split_once(' ').unwrap();
    assert_eq!(question.id.as_str(), format!("wecom-bot:main:{stream}"), "{id}");
    assert_eq!(url, message.get("response_url").and_then(Value::as_str).unwrap_or_default(), "{id}");
    let outbound = to(&question.origin.as_ref().unwrap().message, "**42**");
    let sent = platform::send(&bot(&json!({})), &outbound).map(|call| (call.request.url, call.request.body.unwrap()));
    match url {
        "" => assert!(sent.is_err(), "{id}"),
        _ => assert_eq!(
            sent,
            Ok((url.into(), r#"{"msgtype":"markdown","markdown":{"content":"**42**"}}"#.into())),
            "{id}"
        ),
    }
}

/// The whole response, byte for byte as the platform decrypts it.
fn check_stream(id: &str, input: &Value, expected: &Value) {
    let plaintext: Value = serde_json::from_str(text(input, "plaintext")).unwrap();
    let outbound = to("STREAMID ", text(&plaintext["stream"], "content"));
    let fresh = Fresh {
        now: now(input),
        nonce: text(input, "nonce").into(),
        random: text(input, "random16_utf8").as_bytes().try_into().unwrap(),
    };
    let reply = if plaintext["stream"]["finish"] == true {
        platform::passive(&bot(input), &outbound, &fresh).unwrap().reply
    } else {
        platform::progress(&bot(input), &outbound, &fresh).unwrap()
    };
    assert_eq!(serde_json::from_str::<Value>(&reply.body).unwrap(), expected["reply_json"], "{id}");
}

/// Only the platform's own address is one for answers.
#[test]
fn bot_answers_go_only_to_the_platform() {
    let check = |url: &str, expected: bool| {
        let event = wecom_bot::Event::Message(wecom_bot::Received {
            id: "m1".into(),
            group: None,
            from: "zhangsan".into(),
            text: Some("hi".into()),
            response_url: Some(url.into()),
        });
        let settings = bot_settings(&json!({}));
        let Inbound::Message { question, .. } = wecom_bot::normalise(&"main".parse().unwrap(), &settings, event) else {
            panic!("{url}")
        };
        assert_eq!(question.origin.unwrap().message, if expected { format!("m1 {url}") } else { "m1 ".into() });
    };
    check("https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=a", true);
    check("https://qyapi.weixin.qq.com.evil.com/cgi-bin/aibot/response?response_code=a", false);
    check("https://qyapi.weixin.qq.com@evil.com/cgi-bin/aibot/response?response_code=a", false);
    check("http://169.254.169.254/", false);
    check("https://qyapi.weixin.qq.com/cgi-bin/aibot/response?a b", false);
}

fn to(address: &str, text: &str) -> Outbound {
    Outbound {
        origin: serde_json::from_value(json!({ "account": "main", "message": address })).unwrap(),
        conversation: "wecom:main:mycreate".parse().unwrap(),
        seq: protocol::Seq(2),
        text: text.into(),
        files: Vec::new(),
        buttons: Vec::new(),
        part: 0,
        question: None,
    }
}

/// Asks as an address check does.
fn ask(input: &Value, echo: &str) -> Result<Inbound, Rejected> {
    ask_on(&account(input), input, echo)
}

fn ask_on(account: &Account, input: &Value, echo: &str) -> Result<Inbound, Rejected> {
    let query = format!("{}&echostr={}", query(input), echo.replace('/', "%2F").replace('=', "%3D"));
    let raw = Raw { method: Method::Get, query: &query, ..Raw::post(&[], b"") };
    match platform::receive(account, &raw, now(input)) {
        Err(NoEvent::Rejected(rejected)) => Err(rejected),
        received => Ok(received.unwrap()),
    }
}

fn query(input: &Value) -> String {
    let query = input.get("query").unwrap_or(input);
    let part = |name: &str| format!("{name}={}", text(query, name));
    [part("msg_signature"), part("timestamp"), part("nonce")].join("&")
}

/// The clock of a vector is its own.
fn now(input: &Value) -> Timestamp {
    let query = input.get("query").unwrap_or(input);
    Timestamp(text(query, "timestamp").parse::<u64>().unwrap() * 1000)
}

fn key(input: &Value) -> Key {
    Key::read(text(input, "encoding_aes_key")).unwrap()
}

fn account(input: &Value) -> Account {
    Account { id: "main".parse().unwrap(), default_user: None, platform: Platform::Wecom(settings(input)) }
}

fn bot(input: &Value) -> Account {
    let platform = Platform::WecomBot(bot_settings(input));
    Account { id: "main".parse().unwrap(), default_user: None, platform }
}

fn bot_settings(input: &Value) -> wecom_bot::Settings {
    let or = |key: &str, default: &str| input.get(key).and_then(Value::as_str).unwrap_or(default).to_owned();
    serde_json::from_value(json!({ "token": or("token", "token"), "encoding_aes_key": or("encoding_aes_key", "") }))
        .unwrap()
}

fn settings(input: &Value) -> Settings {
    let or = |key: &str, default: &str| input.get(key).and_then(Value::as_str).unwrap_or(default).to_owned();
    serde_json::from_value(json!({
        "corp_id": or("receive_id", "ww1"),
        "agent_id": 218,
        "secret": "secret",
        "token": or("token", "token"),
        "encoding_aes_key": or("encoding_aes_key", ""),
    }))
    .unwrap()
}
