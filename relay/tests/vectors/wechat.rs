//! WeChat official accounts, and mini programs, whose messages are pushed alike.

use protocol::Timestamp;
use relay::platform::wechat::Settings;
use relay::platform::wx::{Key, signature};
use relay::platform::{self, Account, Fresh, Inbound, Method, NoEvent, Outbound, Platform, Raw};
use serde_json::{Value, json};

use crate::{each, name, text};

#[test]
fn message_push() {
    each("wechat-push.json", 11, |id, kind, input, expected, valid| {
        let received = match kind {
            "plain_signature" => receive(input, input),
            "decrypt_push" => receive(input, &input["query"]),
            "encrypt_push_reply" => return check_reply(id, input, expected),
            other => panic!("{id}: {other}"),
        };
        match received {
            Err(NoEvent::Rejected(rejected)) => {
                assert_eq!((valid, name(rejected)), (false, text(expected, "error")), "{id}")
            }
            Err(other) => panic!("{id}: {other:?}"),
            Ok(inbound) => {
                assert!(valid, "{id}");
                match expected.get("reply_body") {
                    Some(reply) => assert_eq!(platform::ack(&account(input), &inbound).body, *reply.as_str().unwrap()),
                    None => assert_eq!(inbound, Inbound::Ignored("event type"), "{id}: a `debug_demo`"),
                }
            }
        }
        if let Some(plaintext) = expected.get("plaintext") {
            let start = text(input, "body").find("Encrypt").unwrap();
            let quoted = text(input, "body")[start..].split(['"', '[', ']']).max_by_key(|part| part.len()).unwrap();
            assert_eq!(
                key(input).open(quoted, text(input, "receive_id")).unwrap(),
                *plaintext.as_str().unwrap(),
                "{id}"
            );
        }
    });
}

fn check_reply(id: &str, input: &Value, expected: &Value) {
    let random = text(input, "random16_utf8").as_bytes().try_into().unwrap();
    let sealed = key(input).seal(&random, text(input, "plaintext"), text(input, "receive_id"));
    let parts = [text(input, "token"), text(input, "timestamp"), text(input, "nonce"), &sealed];
    let fields = expected.get("reply_json").or(expected.get("reply_xml_fields")).unwrap();
    assert_eq!(sealed, text(fields, "Encrypt"), "{id}");
    assert_eq!(signature(&parts), text(fields, "MsgSignature"), "{id}");
}

/// In safe mode the reader's message comes encrypted, and so goes the answer; in plain mode neither.
#[test]
fn passive_replies() {
    let safe = json!({
        "token": "AAAAA", "receive_id": "wxba5fad812f8e6fb9", "encoding_aes_key": "A".repeat(43),
    });
    let (fresh, long) = (fresh(), "# 标题\n\n**粗** [链接](https://a.b/c?d=1&e=2) ]]> 🚀\n".repeat(100));
    for input in [safe, json!({ "token": "AAAAA" })] {
        let account = account(&input);
        let Inbound::Message { question, .. } = ask(&input, "text", "<Content><![CDATA[你好]]></Content>") else {
            panic!()
        };
        assert_eq!(question.conversation.as_str(), "wechat:main:o1");
        assert_eq!(question.id.as_str(), "wechat:main:7");
        let mut outbound = Outbound {
            origin: question.origin.unwrap(),
            conversation: question.conversation,
            seq: protocol::Seq(2),
            text: "你好 ]]> 🚀".into(),
            files: Vec::new(),
            buttons: Vec::new(),
            part: 0,
            question: None,
        };
        let held = platform::passive(&account, &outbound, &fresh).unwrap();
        let plain = "<xml><ToUserName><![CDATA[o1]]></ToUserName><FromUserName><![CDATA[gh_1]]></FromUserName>\
            <CreateTime>1732233600</CreateTime><MsgType><![CDATA[text]]></MsgType>\
            <Content><![CDATA[你好 ]]]]><![CDATA[> 🚀]]></Content></xml>";
        let body = match input.get("encoding_aes_key") {
            None => held.reply.body,
            Some(_) => {
                let encrypt = held.reply.body.split("[CDATA[").nth(1).unwrap().split(']').next().unwrap();
                let signed = signature(&["AAAAA", "1732233600", "n0nce", encrypt]);
                assert!(held.reply.body.contains(&format!("<MsgSignature><![CDATA[{signed}]]></MsgSignature>")));
                key(&input).open(encrypt, "wxba5fad812f8e6fb9").unwrap()
            }
        };
        assert_eq!(body, plain);
        // What does not fit goes as customer-service messages, from the next part on.
        outbound.text = long.clone();
        assert!(!platform::passive(&account, &outbound, &fresh).unwrap().is_last);
        outbound.part = 1;
        let next = platform::send(&account, &outbound).unwrap();
        assert!(next.request.url.ends_with("/cgi-bin/message/custom/send"));
    }
}

#[test]
fn kinds_of_messages() {
    let input = json!({ "token": "AAAAA" });
    let check =
        |kind: &str, fields: &str, expected: Result<&str, &'static str>| match (ask(&input, kind, fields), expected) {
            (Inbound::Message { question, .. }, Ok(text)) => assert_eq!(question.text, text, "{kind}"),
            (inbound, Err(why)) => assert_eq!(inbound, Inbound::Ignored(why), "{kind}"),
            other => panic!("{kind}: {other:?}"),
        };
    check("text", "<Content><![CDATA[ <b> & ]]></Content><bizmsgmenuid>1</bizmsgmenuid>", Ok("<b> &"));
    check("text", "<Content><![CDATA[ ]]></Content>", Err("empty"));
    check("voice", "<MediaId>1</MediaId><Recognition><![CDATA[你好。]]></Recognition>", Ok("你好。"));
    check("voice", "<MediaId>1</MediaId><Recognition><![CDATA[]]></Recognition>", Err("message type"));
    check("image", "<PicUrl>http://a</PicUrl><MediaId>1</MediaId>", Err("message type"));
    check("link", "<Title>A</Title><Url>https://a.b</Url>", Ok("[A](https://a.b)"));
    check("location", "<Location_X>1.5</Location_X><Location_Y>2</Location_Y><Label>家</Label>", Ok("📍 家 (1.5, 2)"));
    check("event", "<Event>CLICK</Event><EventKey>/new</EventKey>", Ok("/new"));
    check("event", "<Event>VIEW</Event><EventKey>https://a</EventKey>", Err("event type"));
    check("event", "<Event>unsubscribe</Event>", Err("event: someone follows no more"));
}

/// Sends a message of this kind as the platform would.
fn ask(input: &Value, kind: &str, fields: &str) -> Inbound {
    let message = format!(
        "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[o1]]></FromUserName>\
         <CreateTime>1732233600</CreateTime><MsgType><![CDATA[{kind}]]></MsgType>{fields}<MsgId>7</MsgId></xml>"
    );
    let (body, signed) = match input.get("encoding_aes_key") {
        None => (message, ("signature", signature(&["AAAAA", "1732233600", "n0nce"]))),
        Some(_) => {
            let encrypt = key(input).seal(b"0123456789abcdef", &message, text(input, "receive_id"));
            let signed = signature(&["AAAAA", "1732233600", "n0nce", &encrypt]);
            (
                format!("<xml><ToUserName>gh_1</ToUserName><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>"),
                ("msg_signature", signed),
            )
        }
    };
    let query = format!("{}={}&timestamp=1732233600&nonce=n0nce", signed.0, signed.1);
    let raw = Raw { query: &query, ..Raw::post(&[], body.as_bytes()) };
    platform::receive(&account(input), &raw, crate::NOW).unwrap()
}

fn receive(input: &Value, query: &Value) -> Result<Inbound, NoEvent> {
    let pairs = ["signature", "timestamp", "nonce", "echostr", "openid", "encrypt_type", "msg_signature"];
    let pair = |name: &&str| Some(format!("{name}={}", query.get(*name)?.as_str()?));
    let query_string: Vec<String> = pairs.iter().filter_map(pair).collect();
    let query_string = query_string.join("&");
    let body = input.get("body").and_then(Value::as_str).unwrap_or("<xml><MsgType>event</MsgType></xml>");
    let method = if input.get("echostr").is_some() { Method::Get } else { Method::Post };
    let raw = Raw { method, query: &query_string, ..Raw::post(&[], body.as_bytes()) };
    let now = Timestamp(text(query, "timestamp").parse::<u64>().unwrap() * 1000);
    platform::receive(&account(input), &raw, now)
}

fn fresh() -> Fresh {
    Fresh { now: crate::NOW, nonce: "n0nce".into(), random: *b"0123456789abcdef" }
}

fn key(input: &Value) -> Key {
    Key::read(text(input, "encoding_aes_key")).unwrap()
}

fn account(input: &Value) -> Account {
    let or = |key: &str, default: &str| input.get(key).and_then(Value::as_str).unwrap_or(default).to_owned();
    let settings: Settings = serde_json::from_value(json!({
        "app_id": or("receive_id", "wx1"),
        "app_secret": "secret",
        "token": or("token", ""),
        "encoding_aes_key": or("encoding_aes_key", ""),
    }))
    .unwrap();
    Account { id: "main".parse().unwrap(), default_user: None, platform: Platform::Wechat(settings) }
}
