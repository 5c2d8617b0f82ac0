//! WeCom: apps and AI bots.

use protocol::Timestamp;
use relay::platform::wecom::{self, Settings};
use relay::platform::wx::{Key, signature};
use relay::platform::{self, Account, Fresh, Inbound, Method, Outbound, Platform, Raw, Rejected};
use serde_json::{Value, json};

use crate::{each, name, text};

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
                let Inbound::Message { sender, question } = inbound else { panic!("{id}: {inbound:?}") };
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
        let outbound = Outbound {
            origin: serde_json::from_value(json!({ "account": "main", "message": "mycreate" })).unwrap(),
            conversation: "wecom:main:mycreate".parse().unwrap(),
            seq: protocol::Seq(2),
            text: "你好 & <world>".into(),
            part: 0,
        };
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

/// Asks as an address check does.
fn ask(input: &Value, echo: &str) -> Result<Inbound, Rejected> {
    let query = format!("{}&echostr={}", query(input), echo.replace('/', "%2F").replace('=', "%3D"));
    let raw = Raw { method: Method::Get, query: &query, ..Raw::post(&[], b"") };
    match platform::receive(&account(input), &raw, now(input)) {
        Err(platform::NoEvent::Rejected(rejected)) => Err(rejected),
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
