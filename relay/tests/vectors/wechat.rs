//! WeChat official accounts, and mini programs, whose messages are pushed alike.

use protocol::{File, FileKind, Timestamp};
use relay::platform::wechat::{self, Settings};
use relay::platform::wx::{Event, Key, signature};
use relay::platform::{
    self, Account, Attached, Auth, Download, FILE_PART, Fresh, HttpRequest, HttpResponse, Inbound, Method, NoEvent,
    Outbound, Platform, Raw, Rejected, Sent, Verdict,
};
use serde_json::{Value, json};

use super::{each, name, text};

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
        let mut outbound = Outbound::text(
            question.origin.unwrap(),
            question.conversation,
            protocol::Seq(2),
            "你好 ]]> 🚀".into(),
            None,
        );
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
            (Inbound::Message { question, .. }, Ok(text)) => {
                assert_eq!(question.text, text, "{kind}");
                assert_eq!((question.name, question.group), (None, false), "{kind}");
            }
            (inbound, Err(why)) => assert_eq!(inbound, Inbound::Ignored(why), "{kind}"),
            other => panic!("{kind}: {other:?}"),
        };
    check("text", "<Content><![CDATA[ <b> & ]]></Content><bizmsgmenuid>1</bizmsgmenuid>", Ok("<b> &"));
    check("text", "<Content><![CDATA[ ]]></Content>", Err("empty"));
    check("voice", "<MediaId>1</MediaId><Recognition><![CDATA[你好。]]></Recognition>", Ok("你好。"));
    check("image", "<MediaId>../1</MediaId>", Err("message type"));
    check("link", "<Title>A</Title><Url>https://a.b</Url>", Ok("[A](https://a.b)"));
    check("location", "<Location_X>1.5</Location_X><Location_Y>2</Location_Y><Label>家</Label>", Ok("📍 家 (1.5, 2)"));
    check("event", "<Event>CLICK</Event><EventKey>/new</EventKey>", Ok("/new"));
    check("event", "<Event>VIEW</Event><EventKey>https://a</EventKey>", Err("event type"));
    check("event", "<Event>unsubscribe</Event>", Err("event: someone follows no more"));
}

#[test]
fn files_of_messages() {
    let (input, account) = (json!({ "token": "AAAAA" }), account(&json!({ "token": "AAAAA" })));
    let check = |kind: &str, fields: &str, text: &str, of: FileKind, key: &str, expected: &str| {
        let Inbound::Message { question, attached, .. } = ask(&input, kind, fields) else { panic!("{kind}") };
        let [Attached { kind: found, key: known, .. }] = attached.as_slice() else { panic!("{attached:?}") };
        assert_eq!((question.text.as_str(), *found, known.as_str()), (text, of, key), "{kind}");
        let Some(Download::Get(request)) = platform::download(&account, known) else { panic!("{kind}") };
        assert_eq!(request.url(Some("t")), expected);
        assert!(platform::may_fetch(&account, &request.url), "{}", request.url);
    };
    let get = "https://api.weixin.qq.com/cgi-bin/media/get?media_id=a-B_1&access_token=t";
    let pic = "https://mmbiz.qpic.cn/x/0?a=1&b";
    check(
        "image",
        "<PicUrl>http://mmbiz.qpic.cn/x/0?a=1&amp;b</PicUrl><MediaId>1</MediaId>",
        "",
        FileKind::Image,
        pic,
        pic,
    );
    check("image", "<PicUrl></PicUrl><MediaId>a-B_1</MediaId>", "", FileKind::Image, "a-B_1", get);
    check("voice", "<MediaId>a-B_1</MediaId><Recognition>听</Recognition>", "听", FileKind::Audio, "a-B_1", get);
    check("video", "<MediaId>a-B_1</MediaId><ThumbMediaId>2</ThumbMediaId>", "", FileKind::Video, "a-B_1", get);
    check("shortvideo", "<MediaId>a-B_1</MediaId>", "", FileKind::Video, "a-B_1", get);
    let answer = |body: &str| HttpResponse { status: 200, retry_after_s: None, body: body.into() };
    let located = platform::located(&account, &answer(r#"{"video_url":"http://v.weixin.qq.com/a?k=1"}"#)).unwrap();
    assert_eq!(located, HttpRequest::get("https://v.weixin.qq.com/a?k=1".into(), Auth::None));
    assert_eq!(platform::located(&account, &answer(r#"{"errcode":40007}"#)), None);
    // An upload that worked has no code.
    let uploaded = answer(r#"{"type":"image","media_id":"m1","created_at":1}"#);
    assert_eq!(platform::verdict(&account, &uploaded), Verdict::Sent(Sent::Taken));
    assert_eq!(platform::uploaded(&account, &uploaded).as_deref(), Some("m1"));
}

/// Files follow a text: a reader whose account can send nothing by itself is told to ask for them.
#[test]
fn files_go_as_pictures_or_links() {
    let bare = json!({ "token": "AAAAA", "customer_service": false });
    let file = |name: &str, media_type: &str| File {
        id: "fil_1".parse().unwrap(),
        name: name.into(),
        kind: FileKind::of(media_type),
        media_type: Some(media_type.into()),
        bytes: Some(9),
        url: format!("https://r.example/v1/files/{name}"),
    };
    let files = vec![file("a.png", "image/png"), file("b.pdf", "application/pdf")];
    let mut outbound = Outbound {
        origin: relay::store::Origin { account: "main".parse().unwrap(), message: "o1/gh_1".into() },
        conversation: "wechat:main:o1".parse().unwrap(),
        seq: protocol::Seq(2),
        text: "你好".into(),
        files: files.clone(),
        buttons: Vec::new(),
        part: 0,
        question: None,
    };
    let said = |account: &Account, outbound: &Outbound| {
        platform::passive(account, outbound, &fresh()).map(|held| held.reply.body)
    };
    let (bare, full) = (account(&bare), account(&json!({ "token": "AAAAA" })));
    let first = said(&bare, &outbound).unwrap();
    assert!(first.contains("你好") && first.contains("继续"), "{first}");
    outbound.part = FILE_PART;
    let second = said(&bare, &outbound).unwrap();
    assert!(second.contains("📎 <a href=\"https://r.example/v1/files/a.png\">a.png</a>"), "{second}");
    assert!(second.contains("继续"), "{second}");
    assert_eq!(said(&full, &outbound), None, "by a call");
    outbound.part += 1;
    let third = said(&bare, &outbound).unwrap();
    assert!(third.contains("b.pdf</a>") && !third.contains("继续"), "{third}");
    assert!(platform::upload(&full, &outbound, &files[0]).is_some());
    for (account, file) in [(&bare, &files[0]), (&full, &files[1])] {
        assert!(platform::upload(account, &outbound, file).is_none());
    }
    let call = platform::attach(&full, &outbound, &files[0], "m1").unwrap();
    let body = r#"{"touser":"o1","msgtype":"image","image":{"media_id":"m1"}}"#;
    assert_eq!((call.request.body.as_deref(), call.request.auth, call.is_last), (Some(body), Auth::Query, true));
}

/// Without a key the body is not signed, and its signature is soon too old.
#[test]
fn a_signature_is_good_until_its_last_second() {
    let safe = json!({ "token": "AAAAA", "receive_id": "wx1", "encoding_aes_key": "A".repeat(43) });
    for (input, seconds) in [(json!({ "token": "AAAAA" }), 300), (safe, 3_600)] {
        let at = |now_ms: u64| ask_at(&input, "text", "<Content>hi</Content>", Timestamp(now_ms));
        let (last, over) = (seconds * 1_000, (seconds + 1) * 1_000);
        for now_ms in [super::NOW.0 + last, super::NOW.0 - last] {
            assert!(matches!(at(now_ms), Ok(Inbound::Message { .. })), "{now_ms}");
        }
        for now_ms in [super::NOW.0 + over, super::NOW.0 - over, super::NOW.0 + 2 * last] {
            assert_eq!(at(now_ms), Err(NoEvent::Rejected(Rejected::Stale)), "{now_ms}");
        }
    }
}

/// Both become the address of an answer, in which a `/` stands between them.
#[test]
fn readers_and_accounts_have_plain_ids() {
    let Platform::Wechat(settings) = account(&json!({ "token": "AAAAA" })).platform else { panic!() };
    for (from, to, is_plain) in [("o1", "gh_1", true), ("o/1", "gh_1", false), ("o1", "gh/1", false)] {
        let (from, to) = (from.to_owned(), to.to_owned());
        let message =
            Event::Message { id: "7".into(), from: from.clone(), to: to.clone(), text: Some("hi".into()), file: None };
        for event in [Event::Followed { from, to }, message] {
            match wechat::normalise(&"main".parse().unwrap(), &settings, event) {
                Inbound::Entered { sender, group, conversation, origin } => {
                    assert_eq!((sender.as_str(), group, conversation.as_str()), ("o1", None, "wechat:main:o1"));
                    assert!(is_plain && origin.message == "o1/gh_1");
                }
                Inbound::Message { question, .. } => assert!(is_plain && question.origin.unwrap().message == "o1/gh_1"),
                inbound => {
                    assert_eq!((inbound, is_plain), (Inbound::Ignored("ids of another form"), false));
                }
            }
        }
    }
}

/// Sends a message of this kind as the platform would.
fn ask(input: &Value, kind: &str, fields: &str) -> Inbound {
    ask_at(input, kind, fields, super::NOW).unwrap()
}

/// The same, which arrives at another time.
fn ask_at(input: &Value, kind: &str, fields: &str, now: Timestamp) -> Result<Inbound, NoEvent> {
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
    platform::receive(&account(input), &raw, now)
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
    Fresh { now: super::NOW, nonce: "n0nce".into(), random: *b"0123456789abcdef" }
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
        "customer_service": input.get("customer_service").and_then(Value::as_bool).unwrap_or(true),
    }))
    .unwrap();
    Account { id: "main".parse().unwrap(), default_user: None, platform: Platform::Wechat(settings) }
}
