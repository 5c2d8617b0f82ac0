//! WeCom: apps and AI bots.

use protocol::{Button, ButtonStyle, File, FileKind, Timestamp};
use relay::platform::wecom::{self, Settings};
use relay::platform::wx::{Key, signature};
use relay::platform::{
    self, Account, Auth, Download, FILE_PART, Fresh, HttpResponse, Inbound, Method, NoEvent, Outbound, Platform,
    Pressed, Raw, Rejected, Sent, Upload, Verdict, wecom_bot,
};
use serde_json::{Value, json};

use super::{each, hex, name, text, unhex};

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
                assert_eq!((question.name, question.group), (None, false), "{id}");
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
    assert_eq!((&question.name, question.group), (&None, is_group), "{id}");
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
            attached: Vec::new(),
            quoted: None,
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

#[test]
fn bot_files() {
    let input = json!({ "encoding_aes_key": "A".repeat(43) });
    let host = "https://ww-aibot-img-1258476243.cos.ap-guangzhou.myqcloud.com";
    let url = |name: &str| format!("{host}/{name}?sign=q%3D1%26b");
    let check = |fields: Value, text: &str, expected: &[(FileKind, &str)]| {
        let mut event = json!({ "msgid": "m1", "from": { "userid": "u" }, "chattype": "single" });
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let Inbound::Message { question, attached, .. } = bot_received(&event) else { panic!("{fields}") };
        let expected: Vec<_> = expected.iter().map(|&(kind, name)| (kind, url(name))).collect();
        let attached: Vec<_> = attached.into_iter().map(|file| (file.kind, file.key)).collect();
        assert_eq!((question.text.as_str(), attached), (text, expected), "{fields}");
    };
    let image = json!({ "msgtype": "image", "image": { "url": url("i") } });
    check(image.clone(), "", &[(FileKind::Image, "i")]);
    check(json!({ "msgtype": "file", "file": { "url": url("f") } }), "", &[(FileKind::File, "f")]);
    check(json!({ "msgtype": "video", "video": { "url": url("v") } }), "", &[(FileKind::Video, "v")]);
    let items = json!([{ "msgtype": "text", "text": { "content": "看" } }, image]);
    check(json!({ "msgtype": "mixed", "mixed": { "msg_item": items } }), "看", &[(FileKind::Image, "i")]);
    // The platform has written down what was said.
    check(json!({ "msgtype": "voice", "voice": { "content": "你好" } }), "你好", &[]);
    let quoting = json!({ "msgtype": "text", "text": { "content": "what" }, "quote": image });
    check(quoting, "what", &[(FileKind::Image, "i")]);
    // What is said to the relay itself, also in a group, where the bot is mentioned first.
    let stop = json!({ "msgtype": "text", "text": { "content": "@Bot /stop" }, "quote": image, "chatid": "c" });
    check(stop, "/stop", &[]);

    let account = bot(&input);
    let Some(Download::Sealed(request, _)) = platform::download(&account, &url("i")) else { panic!() };
    assert_eq!((request.url.clone(), request.auth), (url("i"), Auth::None));
    assert!(platform::may_fetch(&account, &request.url));
    assert!(!platform::may_fetch(&account, "https://ww-aibot-img-1.cos.ap-guangzhou.myqcloud.com/a"));
}

/// A bot says hello to one person, and only when they come.
#[test]
fn bot_events() {
    let received = |event: &str, fields: Value| {
        let mut message = json!({ "msgid": "m1", "from": { "userid": "u" }, "msgtype": "event" });
        message["event"] = json!({ "eventtype": event });
        message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        bot_received(&message)
    };
    let entered = received("enter_chat", json!({ "chattype": "single" }));
    let Inbound::Entered { sender, group: None, conversation, origin } = entered else { panic!("{entered:?}") };
    assert_eq!((sender.as_str(), conversation.as_str(), origin.message.as_str()), ("u", "wecom-bot:main:u", ""));
    let none = Inbound::Ignored("event type");
    assert_eq!(received("enter_chat", json!({ "chattype": "group", "chatid": "g" })), none);
    assert_eq!(received("feedback_event", json!({ "chattype": "single" })), none);
}

/// As WeCom's own files: the same, however the bytes come in pieces.
#[test]
fn files_are_decrypted_as_they_come() {
    let key = Key::read(&"A".repeat(43)).unwrap();
    for length in [0, 1, 11, 12, 13, 31, 32, 33, 100, 1_000] {
        let text: String = "0123456789".chars().cycle().take(length).collect();
        let sealed = key.seal(b"0123456789abcdef", &text, "x");
        let sealed = <base64ct::Base64 as base64ct::Encoding>::decode_vec(&sealed).unwrap();
        let whole = key.decrypt(&sealed).unwrap();
        for size in [1, 7, 16, 33, 64, 4_096] {
            let mut opening = key.opening();
            let mut plain: Vec<u8> = sealed.chunks(size).flat_map(|piece| opening.next(piece)).collect();
            plain.extend(opening.end().unwrap());
            assert_eq!(plain, whole, "{length} in {size}");
        }
        let mut cut = key.opening();
        cut.next(sealed.split_last().unwrap().1);
        assert_eq!(cut.end(), Err(Rejected::BadLength));
    }
    assert_eq!(key.opening().end(), Err(Rejected::BadLength));
}

/// There is one message for an answer: it holds the links.
#[test]
fn bot_answers_hold_links() {
    let account = bot(&json!({ "encoding_aes_key": "A".repeat(43) }));
    let url = "https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=a";
    let files = vec![file("a.png", "image/png", 9), file("b.pdf", "application/pdf", 9)];
    let mut outbound = Outbound { files, ..to(&format!("m1 {url}"), "hi") };
    let said = |outbound: &Outbound| {
        let body: Value =
            serde_json::from_str(&platform::send(&account, outbound).unwrap().request.body.unwrap()).unwrap();
        body["markdown"]["content"].as_str().unwrap().to_owned()
    };
    let links = "📎 [a.png](https://r.example/v1/files/a.png)\n📎 [b.pdf](https://r.example/v1/files/b.pdf)";
    assert_eq!(said(&outbound), format!("hi\n{links}"));
    assert!(!platform::is_said(&account, &outbound));
    outbound.part = FILE_PART;
    assert!(platform::is_said(&account, &outbound));
    outbound.text = String::new();
    assert!(!platform::is_said(&account, &outbound));
    assert_eq!(said(&outbound), links);
    outbound.part += 1;
    assert!(platform::is_said(&account, &outbound));
    (outbound.part, outbound.text) = (0, "字".repeat(20_000));
    assert!(said(&outbound).len() <= 20_480 && said(&outbound).ends_with(links));
    assert_eq!(platform::upload(&account, &outbound, &outbound.files[0]), None);
    outbound.files = Vec::new();
    assert!((20_470..=20_480).contains(&said(&outbound).len()), "{}", said(&outbound).len());
    // Lines of links take 12,000 bytes at most, and what is over is left out.
    let line = |bytes: usize| {
        let around = "\n📎 [a]()".len();
        File { url: "x".repeat(bytes - around), ..file("a", "image/png", 9) }
    };
    for (lines, kept) in [(&[12_000][..], 1), (&[12_001], 0), (&[200; 61], 60), (&[11_990, 11], 1), (&[11_990, 100], 1)]
    {
        let files = lines.iter().map(|&bytes| line(bytes)).collect();
        let said = said(&Outbound { text: "hi".into(), files, ..outbound.clone() });
        assert_eq!(said.matches("📎").count(), kept, "{lines:?}");
    }
}

/// Nothing yet is an empty stream, and nothing at all is said in words.
#[test]
fn bot_answers_without_words() {
    let input = json!({ "encoding_aes_key": "A".repeat(43) });
    let fresh = Fresh { now: super::NOW, nonce: "n".into(), random: [7; 16] };
    let content = |reply: &platform::Reply| -> Value {
        let sealed: Value = serde_json::from_str(&reply.body).unwrap();
        let text = key(&input).open(sealed["encrypt"].as_str().unwrap(), "").unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["stream"]["content"].clone()
    };
    for (text, so_far, whole) in
        [("", "", "（空的回答 · an empty answer）"), (" \n", "", "（空的回答 · an empty answer）"), ("hi", "hi", "hi")]
    {
        let outbound = to("m1 ", text);
        let progress = platform::progress(&bot(&input), &outbound, &fresh).unwrap();
        let held = platform::passive(&bot(&input), &outbound, &fresh).unwrap();
        assert_eq!((content(&progress), content(&held.reply)), (json!(so_far), json!(whole)), "{text:?}");
    }
}

#[test]
fn app_files() {
    let account = account(&json!({ "encoding_aes_key": "A".repeat(43) }));
    let mut outbound = Outbound { part: FILE_PART, ..to("alice", "") };
    let check = |file: File, kind: &str| {
        let Some(Upload::Form { request, fields, field }) = platform::upload(&account, &outbound, &file) else {
            panic!("{kind}")
        };
        let url = format!("https://qyapi.weixin.qq.com/cgi-bin/media/upload?type={kind}");
        assert_eq!((request.url, request.auth, fields, field), (url, Auth::Query, vec![], "media"));
        let body = platform::attach(&account, &outbound, &file, "m1").unwrap().request.body.unwrap();
        let expected = format!(r#"{{"touser":"alice","msgtype":"{kind}","agentid":218,"{kind}":{{"media_id":"m1"}},"#);
        assert!(body.starts_with(&expected), "{body}");
    };
    check(file("a", "image/png", 10_000_000), "image");
    check(file("a", "image/png", 10_000_001), "file");
    check(file("a", "image/webp", 9), "file");
    check(file("a", "audio/amr", 2_000_000), "voice");
    check(file("a", "audio/mpeg", 9), "file");
    check(file("a", "video/mp4", 10_000_000), "video");
    check(file("a", "video/mp4", 10_000_001), "file");
    check(file("a", "video/quicktime", 9), "file");
    check(file("a", "text/csv", 20_000_000), "file");
    for bytes in [5, 20_000_001] {
        assert_eq!(platform::upload(&account, &outbound, &file("a", "text/csv", bytes)), None);
    }
    let uploaded = HttpResponse {
        status: 200,
        retry_after_s: None,
        body: r#"{"errcode":0,"errmsg":"ok","type":"file","media_id":"m1","created_at":"1"}"#.into(),
    };
    assert_eq!(platform::verdict(&account, &uploaded), Verdict::Sent(Sent::Taken));
    assert_eq!(platform::uploaded(&account, &uploaded).as_deref(), Some("m1"));
    // By a call, and not as words in the response to a callback.
    outbound.files = vec![file("a", "image/png", 9)];
    let fresh = Fresh { now: super::NOW, nonce: "n".into(), random: [0; 16] };
    assert_eq!(platform::passive(&account, &outbound, &fresh), None);
}

#[test]
fn app_buttons() {
    let input = json!({ "encoding_aes_key": "A".repeat(43) });
    let account = account(&input);
    let button = |text: &str| Button { label: format!("✓ {text}"), text: text.into(), style: ButtonStyle::Default };
    let asked = Outbound { buttons: vec![button("yes"), button("no")], ..to("alice", "Sure?") };
    let sent = |part: u32, outbound: &Outbound| {
        let call = platform::send(&account, &Outbound { part, ..outbound.clone() }).unwrap();
        (serde_json::from_str::<Value>(&call.request.body.unwrap()).unwrap(), call.is_last)
    };
    let (words, is_last) = sent(0, &asked);
    assert_eq!((words["msgtype"].as_str(), is_last), (Some("markdown"), false));
    let (card, is_last) = sent(1, &asked);
    assert!(is_last && card["enable_duplicate_check"] == 1, "{card}");
    // Chats hold cards for as long as they exist: what comes back with one must still be read.
    let list = json!([
        { "text": "✓ yes", "key": "2.0.yQ6fkHm_" },
        { "text": "✓ no", "key": "2.1.DoJ4zu1_" },
    ]);
    let expected = json!({
        "card_type": "button_interaction", "main_title": { "title": "请选择 · Choose one" }, "task_id": "2-yQ6fkHm_",
        "button_list": list,
    });
    assert_eq!(card["template_card"], expected);
    assert!(platform::send(&account, &Outbound { part: 2, ..asked.clone() }).is_err());
    // After all parts of a long text, and not twice the same task for two members.
    let long = Outbound { text: "字".repeat(1_000), ..asked.clone() };
    assert_eq!([0, 1, 2].map(|part| sent(part, &long).1), [false, false, true]);
    let other = Outbound { conversation: "wecom:main:bob".parse().unwrap(), ..asked.clone() };
    assert_ne!(sent(1, &other).0["template_card"]["task_id"], card["template_card"]["task_id"]);
    // Refused, or more than it takes: words.
    let refused = HttpResponse { status: 200, retry_after_s: None, body: r#"{"errcode":40058,"errmsg":"x"}"#.into() };
    let instead = |part: u32| platform::instead(&account, &Outbound { part, ..asked.clone() }, &refused);
    assert!(instead(1).unwrap().request.body.unwrap().contains("✓ yes: `yes`"));
    assert_eq!(instead(0), None);
    let (many, is_last) = sent(0, &Outbound { buttons: vec![button("yes"); 7], ..asked.clone() });
    assert!(is_last && many["markdown"]["content"].as_str().unwrap().contains("`yes`"), "{many}");

    // In the callback's response there is room for words, and the card follows.
    let fresh = Fresh { now: super::NOW, nonce: "n".into(), random: [7; 16] };
    assert!(!platform::passive(&account, &asked, &fresh).unwrap().is_last);
    assert_eq!(platform::passive(&account, &long, &fresh), None, "its card would be another part");

    let received = |from: &str, key_of_button: &str| {
        let event = format!(
            "<xml><ToUserName>ww1</ToUserName><FromUserName><![CDATA[{from}]]></FromUserName><CreateTime>1</CreateTime>\
             <MsgType>event</MsgType><Event>template_card_event</Event><EventKey><![CDATA[{key_of_button}]]></EventKey>\
             <TaskId>2-yQ6fkHm_</TaskId><CardType>button_interaction</CardType><ResponseCode>c</ResponseCode>\
             <AgentID>218</AgentID></xml>"
        );
        let encrypt = key(&input).seal(&[1; 16], &event, "ww1");
        let seconds = (super::NOW.0 / 1000).to_string();
        let query =
            format!("msg_signature={}&timestamp={seconds}&nonce=n", signature(&["token", &seconds, "n", &encrypt]));
        let body = format!("<xml><Encrypt>{encrypt}</Encrypt></xml>");
        let raw = Raw { query: &query, ..Raw::post(&[], body.as_bytes()) };
        platform::receive(&account, &raw, super::NOW).unwrap()
    };
    let Inbound::Chosen { group: None, press, receipt } = received("alice", "2.1.DoJ4zu1_") else { panic!() };
    let expected = json!({
        "choice": { "seq": 2, "index": 1, "mark": "DoJ4zu1_" }, "conversation": "wecom:main:alice", "via": "wecom",
        "sender": "alice", "name": null, "group": false, "origin": { "account": "main", "message": "alice" },
    });
    assert_eq!(serde_json::to_value(&press).unwrap(), expected);
    assert_eq!(received("alice", "like"), Inbound::Ignored("a button of another program's"));
    assert_eq!(received("@all", "2.1.DoJ4zu1_"), Inbound::Ignored("ids of another form"));
    let said = |pressed: &Pressed| {
        let reply = platform::pressed(&account, &receipt, pressed, &fresh).unwrap().body;
        let encrypt = reply.split("[CDATA[").nth(1).unwrap().split(']').next().unwrap();
        key(&input).open(encrypt, "ww1").unwrap()
    };
    let seconds = super::NOW.0 / 1000;
    assert_eq!(
        said(&Pressed::Taken { label: "no".into(), text: "Sure?".into() }),
        format!(
            "<xml><ToUserName><![CDATA[alice]]></ToUserName><FromUserName><![CDATA[ww1]]></FromUserName>\
             <CreateTime>{seconds}</CreateTime><MsgType><![CDATA[update_button]]></MsgType>\
             <Button><ReplaceName><![CDATA[✓ no]]></ReplaceName></Button></xml>"
        )
    );
    assert!(said(&Pressed::Late).contains("already answered") && said(&Pressed::Gone).contains("not for you"));
    assert_eq!(platform::settle(&account, &receipt, "no"), None);
}

#[test]
fn bot_buttons() {
    let input = json!({ "encoding_aes_key": "A".repeat(43) });
    let account = bot(&input);
    let url = "https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=a";
    let button = |text: &str| Button { label: format!("✓ {text}"), text: text.into(), style: ButtonStyle::Default };
    let asked = Outbound {
        buttons: vec![button("yes"), button("no")],
        conversation: "wecom-bot:main:alice".parse().unwrap(),
        ..to(&format!("m1 {url}"), "Sure about **`rm`**?")
    };
    let fresh = Fresh { now: super::NOW, nonce: "n".into(), random: [7; 16] };
    let opened = |reply: &platform::Reply| -> Value {
        let sealed: Value = serde_json::from_str(&reply.body).unwrap();
        serde_json::from_str(&key(&input).open(sealed["encrypt"].as_str().unwrap(), "").unwrap()).unwrap()
    };

    // A stream ends with its card, and has none before.
    let held = platform::passive(&account, &asked, &fresh).unwrap();
    assert!(held.is_last);
    let expected = json!({
        "msgtype": "stream_with_template_card",
        "stream": { "id": "m1", "finish": true, "content": "Sure about **`rm`**?" },
        // Chats hold cards for as long as they exist: what comes back with one must still be read.
        "template_card": {
            "card_type": "button_interaction", "main_title": { "title": "请选择 · Choose one" }, "task_id": "2-JQ9oFI48",
            "button_list": [{ "text": "✓ yes", "key": "2.0.JQ9oFI48" }, { "text": "✓ no", "key": "2.1.3svygKW-" }],
        },
    });
    assert_eq!(opened(&held.reply), expected);
    let expected = json!({ "id": "m1", "finish": false, "content": "Sure about **`rm`**?" });
    let shown = opened(&platform::progress(&account, &asked, &fresh).unwrap());
    assert_eq!(shown, json!({ "msgtype": "stream", "stream": expected }));
    let many = Outbound { buttons: vec![button("yes"); 7], ..asked.clone() };
    let words = opened(&platform::passive(&account, &many, &fresh).unwrap().reply);
    assert!(words["stream"]["content"].as_str().unwrap().ends_with("- ✓ yes: `yes`"), "{words}");

    // An address takes one message: the whole answer on its card, or all of it in words.
    let sent = |outbound: &Outbound| -> Value {
        let call = platform::send(&account, outbound).unwrap();
        assert!(call.is_last && call.request.url == url && call.request.auth == Auth::None);
        serde_json::from_str(&call.request.body.unwrap()).unwrap()
    };
    let card = sent(&asked);
    let expected = json!({
        "card_type": "button_interaction", "main_title": { "title": "请选择 · Choose one" },
        "sub_title_text": "Sure about rm?", "task_id": "2-JQ9oFI48",
        "button_list": [
            { "text": "✓ yes", "key": "2.0.JQ9oFI48 Sure about rm?" },
            { "text": "✓ no", "key": "2.1.3svygKW- Sure about rm?" },
        ],
    });
    assert_eq!(card, json!({ "msgtype": "template_card", "template_card": expected }));
    let in_words = |outbound: &Outbound| {
        let body = sent(outbound);
        assert_eq!(body["msgtype"], "markdown", "{body}");
        assert!(body["markdown"]["content"].as_str().unwrap().contains("- ✓ yes: `yes`"), "{body}");
    };
    // Keys hold at most 1,024 bytes.
    let longest = sent(&Outbound { text: "𠀀".repeat(112), ..asked.clone() });
    assert!(longest["template_card"]["button_list"][1]["key"].as_str().unwrap().len() < 500, "{longest}");
    in_words(&Outbound { text: "字".repeat(113), ..asked.clone() });
    in_words(&Outbound { text: String::new(), ..asked.clone() });
    in_words(&Outbound { files: vec![file("a.png", "image/png", 9)], ..asked.clone() });
    in_words(&many);
    for group in ["wecom-bot:main:group-g1", "wecom-bot:main:@hash", "web"] {
        in_words(&Outbound { conversation: group.parse().unwrap(), ..asked.clone() });
    }
    let calling = sent(&Outbound { text: "<@all>?".into(), ..asked.clone() });
    assert_eq!(calling["template_card"]["sub_title_text"], "＜@all>?");
    let refused = HttpResponse { status: 200, retry_after_s: None, body: r#"{"errcode":42045,"errmsg":"x"}"#.into() };
    let instead = platform::instead(&account, &asked, &refused).unwrap();
    let expected =
        r#"{"msgtype":"markdown","markdown":{"content":"Sure about **`rm`**?\n\n- ✓ yes: `yes`\n- ✓ no: `no`"}}"#;
    assert_eq!((instead.request.url.as_str(), instead.request.body.as_deref()), (url, Some(expected)));
    assert_eq!(platform::instead(&account, &many, &refused), None);

    // As "接收事件" has it.
    let received = |group: Option<&str>, key_of_button: &str, url: &str| {
        let mut event = json!({
            "msgid": "e1", "create_time": 1_700_000_000, "aibotid": "AIBOTID", "from": { "userid": "alice" },
            "chattype": "single", "response_url": url, "msgtype": "event",
            "event": {
                "eventtype": "template_card_event",
                "template_card_event": {
                    "card_type": "button_interaction", "event_key": key_of_button, "task_id": "2-JQ9oFI48",
                },
            },
        });
        if let Some(group) = group {
            (event["chatid"], event["chattype"]) = (json!(group), json!("group"));
        }
        let encrypt = key(&input).seal(&[1; 16], &event.to_string(), "");
        let seconds = (super::NOW.0 / 1000).to_string();
        let signed = signature(&["token", &seconds, "n", &encrypt]);
        let query = format!("msg_signature={signed}&timestamp={seconds}&nonce=n");
        let body = json!({ "encrypt": encrypt }).to_string();
        let raw = Raw { query: &query, ..Raw::post(&[], body.as_bytes()) };
        platform::receive(&account, &raw, super::NOW).unwrap()
    };
    let Inbound::Chosen { group: None, press, receipt } = received(None, "2.1.3svygKW- Sure about rm?", url) else {
        panic!()
    };
    let expected = json!({
        "choice": { "seq": 2, "index": 1, "mark": "3svygKW-" }, "conversation": "wecom-bot:main:alice",
        "via": "wecom-bot", "sender": "alice", "name": null, "group": false,
        "origin": { "account": "main", "message": format!(" {url}") },
    });
    assert_eq!(serde_json::to_value(&press).unwrap(), expected);
    // Its answer goes to that address, and in no response.
    let answer = Outbound { origin: press.origin, ..to("", "Done.") };
    assert_eq!(sent(&answer), json!({ "msgtype": "markdown", "markdown": { "content": "Done." } }));
    assert_eq!(platform::passive(&account, &answer, &fresh), None);
    assert_eq!(received(None, "like", url), Inbound::Ignored("a button of another program's"));
    let long = format!("{url}{}", "a".repeat(1_000));
    assert_eq!(received(None, "2.1.3svygKW-", &long), Inbound::Ignored("ids of another form"));
    let Inbound::Chosen { press, .. } = received(None, "2.1.3svygKW-", "https://evil.example/") else { panic!() };
    assert_eq!(press.origin.message, " ");

    // The card is replaced whole, so that what stood on it comes along.
    let update =
        |receipt: &str, pressed: &Pressed| opened(&platform::pressed(&account, receipt, pressed, &fresh).unwrap());
    let card = |label: &str| {
        json!({
            "card_type": "button_interaction", "main_title": { "title": "请选择 · Choose one" },
            "sub_title_text": "Sure about rm?", "task_id": "2-JQ9oFI48",
            "button_list": [{ "text": label, "style": 4, "key": "2.1.3svygKW- Sure about rm?" }],
        })
    };
    let (taken, late) = (Pressed::Taken { label: "no".into(), text: "Sure?".into() }, "已选过别的 · already answered");
    let to_all = |label: &str| json!({ "response_type": "update_template_card", "template_card": card(label) });
    assert_eq!(update(&receipt, &taken), to_all("✓ no"));
    assert_eq!(update(&receipt, &Pressed::Late), to_all(late));
    assert_eq!(update(&receipt, &Pressed::Gone), to_all("无效 · not for you, or too old"));
    // In a group all see a choice, and one alone that it is not theirs.
    let Inbound::Chosen { group, press, receipt } = received(Some("g1"), "2.1.3svygKW- Sure about rm?", url) else {
        panic!()
    };
    assert_eq!(
        (group.as_deref(), press.group, press.conversation.as_str()),
        (Some("g1"), Some(true), "wecom-bot:main:group-g1")
    );
    assert_eq!(update(&receipt, &taken), to_all("✓ no"));
    let mut to_one = to_all(late);
    to_one["userids"] = json!(["alice"]);
    assert_eq!(update(&receipt, &Pressed::Late), to_one);
    assert_eq!(platform::settle(&account, &receipt, "no"), None);
}

/// What a bot takes this message for, encrypted as the platform does it.
fn bot_received(message: &Value) -> Inbound {
    let input = json!({ "encoding_aes_key": "A".repeat(43) });
    let encrypt = key(&input).seal(b"0123456789abcdef", &message.to_string(), "");
    let signed = signature(&["token", "1732233600", "n", &encrypt]);
    let query = format!("msg_signature={signed}&timestamp=1732233600&nonce=n");
    let body = json!({ "encrypt": encrypt }).to_string();
    let raw = Raw { query: &query, ..Raw::post(&[], body.as_bytes()) };
    platform::receive(&bot(&input), &raw, super::NOW).unwrap()
}

fn file(name: &str, media_type: &str, bytes: u64) -> File {
    File {
        id: "fil_1".parse().unwrap(),
        name: name.into(),
        kind: FileKind::of(media_type),
        media_type: Some(media_type.into()),
        bytes: Some(bytes),
        url: format!("https://r.example/v1/files/{name}"),
    }
}

fn to(address: &str, text: &str) -> Outbound {
    super::outbound(address, "wecom:main:mycreate", 2, text)
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
