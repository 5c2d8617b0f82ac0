//! QQ's official bots.

use protocol::{File, FileKind, Timestamp};
use relay::platform::qq::{self, Settings};
use relay::platform::{
    self, Account, Attached, Auth, Download, FILE_PART, HttpRequest, HttpResponse, Inbound, NoEvent, Outbound,
    Platform, Raw, Rejected, Sent, Upload, Verdict,
};
use serde_json::{Value, json};

use super::{NOW, each, headers, hex, name, text};

#[test]
fn ed25519() {
    each("qq-ed25519.json", 28, |id, kind, input, expected, valid| match kind {
        "derive_key" => {
            assert!(valid);
            assert_eq!(hex(&qq::public_key(text(input, "secret"))), text(expected, "public_key_hex"), "{id}");
        }
        "validation_response" => {
            let account = account(text(input, "secret"));
            let received = platform::receive(&account, &Raw::post(&[], text(input, "body").as_bytes()), NOW);
            match received {
                Ok(inbound) => {
                    let reply: Value = serde_json::from_str(&platform::ack(&account, &inbound).body).unwrap();
                    assert!(valid, "{id}");
                    assert_eq!(reply, expected["reply_json"], "{id}");
                }
                Err(NoEvent::Rejected(rejected)) => {
                    assert_eq!((valid, name(rejected)), (false, text(expected, "error")), "{id}")
                }
                Err(other) => panic!("{id}: {other:?}"),
            }
        }
        "verify_request" | "verify_request_freshness" => {
            let headers = headers(input);
            let timestamp = headers.iter().find(|(name, _)| name == "x-signature-timestamp").map(|(_, value)| value);
            let at_once = timestamp.map_or(NOW.0 / 1000, |text| text.parse().unwrap());
            let now = Timestamp(input["now_unix"].as_u64().unwrap_or(at_once) * 1000);
            let raw = Raw::post(&headers, text(input, "body").as_bytes());
            let secret = text(input, "secret");
            match qq::check_headers(&settings(secret), &raw, now) {
                Ok(()) => {
                    assert!(valid, "{id}");
                    assert_eq!(hex(&qq::public_key(secret)), text(expected, "public_key_hex"), "{id}");
                }
                Err(rejected) => {
                    let name =
                        if rejected == Rejected::SignatureMismatch { "signature_invalid" } else { name(rejected) };
                    assert_eq!((valid, name), (false, text(expected, "error")), "{id}");
                    // Nor is it taken without the headers, or with one of them.
                    let received = platform::receive(&account(secret), &raw, now);
                    assert_eq!(received, Err(NoEvent::Rejected(rejected)), "{id}");
                }
            }
        }
        other => panic!("{id}: {other}"),
    });
}

#[test]
fn a_signature_is_good_for_five_minutes() {
    let (sent_s, body) = (NOW.0 / 1000, "{}");
    let signature = sign("s", &format!("{sent_s}{body}"));
    let headers =
        [("x-signature-ed25519".to_owned(), signature), ("x-signature-timestamp".to_owned(), sent_s.to_string())];
    let check =
        |now_s: u64| qq::check_headers(&settings("s"), &Raw::post(&headers, body.as_bytes()), Timestamp(now_s * 1000));
    for (seconds, expected) in [(300, Ok(())), (301, Err(Rejected::Stale))] {
        assert_eq!((check(sent_s + seconds), check(sent_s - seconds)), (expected, expected), "{seconds}");
    }
}

/// The very body of a vector, without any signature.
#[test]
fn an_event_needs_a_signature() {
    let body = event("C2C_MESSAGE_CREATE", json!({ "id": "m", "content": "hi", "author": { "user_openid": "U" } }));
    let received = platform::receive(&account("s"), &Raw::post(&[], body.to_string().as_bytes()), NOW);
    assert_eq!(received, Err(NoEvent::Rejected(Rejected::SignatureMissing)));
}

#[test]
fn where_messages_are_written_and_answered() {
    let check = |kind: &str, d: Value, chat: &str, sender: &str, path: &str, body: &str| {
        let Inbound::Message { sender: actual, question, .. } = received(kind, d) else { panic!("{kind}") };
        assert_eq!((actual.as_str(), question.text.as_str()), (sender, "你好"), "{kind}");
        assert_eq!(question.conversation.as_str(), format!("qq:main:{chat}"));
        let outbound = outbound(&question.origin.unwrap().message, "**4** < 5");
        let request = platform::send(&account("s"), &outbound).unwrap().request;
        assert_eq!(request.url, format!("https://api.bot.qq.com/{path}/messages"));
        assert_eq!(request.body.unwrap(), body);
    };
    let author = json!({ "id": "A", "user_openid": "U", "member_openid": "M" });
    check(
        "C2C_MESSAGE_CREATE",
        json!({ "id": "ROBOT1.0_a!", "content": "你好", "author": author }),
        "c2c-U",
        "U",
        "v2/users/U",
        r#"{"msg_type":2,"markdown":{"content":"**4** < 5"},"msg_id":"ROBOT1.0_a!","msg_seq":57}"#,
    );
    check(
        "GROUP_AT_MESSAGE_CREATE",
        json!({ "id": "m", "content": " 你好", "author": author, "group_openid": "G" }),
        "group-G",
        "M",
        "v2/groups/G",
        r#"{"msg_type":2,"markdown":{"content":"**4** < 5"},"msg_id":"m","msg_seq":57}"#,
    );
    check(
        "AT_MESSAGE_CREATE",
        json!({ "id": "m", "content": "<@!7> 你好", "author": author, "guild_id": "1", "channel_id": "2" }),
        "channel-2",
        "A",
        "channels/2",
        r#"{"content":"4 &lt; 5","msg_id":"m"}"#,
    );
    check(
        "DIRECT_MESSAGE_CREATE",
        json!({ "id": "m", "content": "你好", "author": author, "guild_id": "1" }),
        "dm-1",
        "A",
        "dms/1",
        r#"{"content":"4 &lt; 5","msg_id":"m"}"#,
    );
    check(
        "C2C_MESSAGE_CREATE",
        json!({ "id": "m", "content": "", "author": author, "attachments": [
            { "content_type": "voice", "url": "https://a", "asr_refer_text": "你好" }
        ] }),
        "c2c-U",
        "U",
        "v2/users/U",
        r#"{"msg_type":2,"markdown":{"content":"**4** < 5"},"msg_id":"m","msg_seq":57}"#,
    );
}

#[test]
fn who_writes_and_where() {
    let check = |kind: &str, d: Value, name: Option<&str>, group: bool| {
        let mut d = d;
        (d["id"], d["content"]) = (json!("m"), json!("你好"));
        let Inbound::Message { question, .. } = received(kind, d) else { panic!("{kind}") };
        assert_eq!((question.name.as_deref(), question.group), (name, group), "{kind}");
    };
    let author = json!({ "id": "A", "user_openid": "U", "member_openid": "M" });
    let known = json!({ "id": "A", "username": "qq name" });
    check("C2C_MESSAGE_CREATE", json!({ "author": author }), None, false);
    check("GROUP_AT_MESSAGE_CREATE", json!({ "author": author, "group_openid": "G" }), None, true);
    let channel = json!({ "author": known, "member": { "nick": "guild name" }, "channel_id": "2" });
    check("AT_MESSAGE_CREATE", channel, Some("guild name"), true);
    let channel = json!({ "author": known, "member": { "nick": "" }, "channel_id": "2" });
    check("AT_MESSAGE_CREATE", channel, Some("qq name"), true);
    check("DIRECT_MESSAGE_CREATE", json!({ "author": known, "guild_id": "1" }), Some("qq name"), false);
}

#[test]
fn greetings() {
    let check = |kind: &str, d: Value, by: &str, in_group: Option<&str>, chat: &str, path: &str| {
        let inbound = received(kind, d);
        let Inbound::Entered { sender, group, conversation, origin } = inbound else { panic!("{kind}: {inbound:?}") };
        assert_eq!((sender.as_str(), group.as_deref()), (by, in_group));
        assert_eq!(conversation.as_str(), format!("qq:main:{chat}"));
        let hello = outbound(&origin.message, "Hello");
        let request = platform::send(&account("s"), &hello).unwrap().request;
        assert_eq!(request.url, format!("https://api.bot.qq.com/{path}/messages"));
        let expected = r#"{"msg_type":2,"markdown":{"content":"Hello"},"event_id":"EVENT","msg_seq":57}"#;
        assert_eq!(request.body.unwrap().replace(&format!("{kind}:1"), "EVENT"), expected);
    };
    check("FRIEND_ADD", json!({ "openid": "U", "timestamp": 1 }), "U", None, "c2c-U", "v2/users/U");
    let added = json!({ "group_openid": "G", "op_member_openid": "M", "timestamp": 1 });
    check("GROUP_ADD_ROBOT", added, "M", Some("G"), "group-G", "v2/groups/G");
}

#[test]
fn what_is_no_question() {
    let check =
        |kind: &str, d: Value, why: &'static str| assert_eq!(received(kind, d), Inbound::Ignored(why), "{kind}");
    let author = json!({ "id": "A", "user_openid": "U" });
    check("FRIEND_DEL", json!({ "openid": "U", "timestamp": 1 }), "event type");
    check("GROUP_DEL_ROBOT", json!({ "group_openid": "G", "op_member_openid": "M" }), "event type");
    check("FRIEND_ADD", json!({ "openid": "../x" }), "ids of another form");
    check("GROUP_MESSAGE_CREATE", json!({ "id": "m" }), "event type");
    check("C2C_MESSAGE_CREATE", json!({ "id": "m", "content": " ", "author": author }), "empty");
    check(
        "C2C_MESSAGE_CREATE",
        json!({ "id": "m", "author": author, "attachments": [{ "filename": "without a URL" }] }),
        "message type",
    );
    check(
        "C2C_MESSAGE_CREATE",
        json!({ "id": "m", "content": "hi", "author": { "user_openid": "../x" } }),
        "ids of another form",
    );
    check(
        "MESSAGE_CREATE",
        json!({ "id": "m", "content": "hi", "author": author, "channel_id": "2" }),
        "the bot is not mentioned",
    );
    let bot = json!({ "id": "A", "user_openid": "U", "bot": true });
    check("C2C_MESSAGE_CREATE", json!({ "id": "m", "content": "hi", "author": bot }), "sent by a bot");
}

#[test]
fn what_is_quoted_comes_too() {
    let check = |kind: i64, elements: Value, text: &str, files: &[&str]| {
        let author = json!({ "id": "A", "user_openid": "U" });
        let d =
            json!({ "id": "m", "content": "why?", "author": author, "message_type": kind, "msg_elements": elements });
        let Inbound::Message { question, attached, .. } = received("C2C_MESSAGE_CREATE", d) else { panic!("{text}") };
        let keys: Vec<&str> = attached.iter().map(|file| file.key.as_str()).collect();
        assert_eq!((question.text.as_str(), keys.as_slice()), (text, files));
    };
    let url = "https://multimedia.nt.qq.com.cn/download?a=1";
    let face = "<faceType=1,faceId=\"13\",ext=\"eyJ0ZXh0IjoiW+WRsueJmV0ifQ==\">";
    let image = json!({ "content_type": "image/png", "url": url });
    check(
        103,
        json!([{ "msg_idx": "REFIDX_1", "content": format!("a{face}"), "attachments": [image] }]),
        "why?\n\n> a[呲牙]",
        &[url],
    );
    check(103, json!([]), "why?", &[]);
    check(103, json!([{ "content": "" }]), "why?", &[]);
    // Elements of what is no quote: what was forwarded, for one.
    check(102, json!([{ "content": "a" }]), "why?", &[]);
}

#[test]
fn files_of_messages() {
    let author = json!({ "id": "A", "user_openid": "U" });
    let check =
        |file: Value, kind: FileKind, name: Option<&str>, media_type: Option<&str>, bytes: Option<u64>, key: &str| {
            let d = json!({ "id": "m", "content": "", "author": author, "attachments": [file] });
            let Inbound::Message { question, attached, .. } = received("C2C_MESSAGE_CREATE", d) else {
                panic!("{key}")
            };
            assert_eq!(question.text, "");
            let expected = Attached {
                kind,
                name: name.map(Into::into),
                media_type: media_type.map(Into::into),
                bytes,
                key: key.into(),
            };
            assert_eq!(attached, [expected]);
            let Some(Download::Get(request)) = platform::download(&account("s"), key) else { panic!("{key}") };
            assert_eq!(request, HttpRequest::get(key.into(), Auth::None));
            assert!(platform::may_fetch(&account("s"), key), "{key}");
        };
    check(
        json!({ "content_type": "image/png", "filename": "a.png", "size": 12, "url": "multimedia.nt.qq.com.cn/download?a=1" }),
        FileKind::Image,
        Some("a.png"),
        Some("image/png"),
        Some(12),
        "https://multimedia.nt.qq.com.cn/download?a=1",
    );
    check(
        json!({ "content_type": "file", "filename": "表.xlsx", "url": "http://gchat.qpic.cn/a" }),
        FileKind::File,
        Some("表.xlsx"),
        None,
        None,
        "https://gchat.qpic.cn/a",
    );
    let wav = "https://grouptalk.c2c.qq.com/a.wav";
    check(
        json!({ "content_type": "voice", "filename": "a.amr", "size": 5, "url": "https://x.qq.com/a.amr", "voice_wav_url": wav }),
        FileKind::Audio,
        None,
        None,
        None,
        wav,
    );
    check(
        json!({ "content_type": "video/mp4", "url": "https://x.qq.com/v" }),
        FileKind::Video,
        None,
        Some("video/mp4"),
        None,
        "https://x.qq.com/v",
    );
    for elsewhere in
        ["https://qq.com.evil.example/a", "https://evilqq.com/a", "https://x.qq.com:8080/a", "http://x.qq.com/a"]
    {
        assert!(!platform::may_fetch(&account("s"), elsewhere), "{elsewhere}");
    }
}

#[test]
fn files_of_answers() {
    let file = |name: &str, media_type: &str| File {
        id: "fil_1".parse().unwrap(),
        name: name.into(),
        kind: FileKind::of(media_type),
        media_type: Some(media_type.into()),
        bytes: Some(9),
        url: format!("https://r.example/v1/files/{name}"),
    };
    let (account, image) = (account("s"), file("a.png", "image/png"));
    let mut outbound = Outbound { part: FILE_PART, files: vec![image.clone(); 5], ..outbound("group/G/m", "hi") };
    let Some(Upload::ByUrl(request)) = platform::upload(&account, &outbound, &file("b.csv", "text/csv")) else {
        panic!()
    };
    let body = r#"{"file_type":4,"url":"https://r.example/v1/files/b.csv","srv_send_msg":false,"file_name":"b.csv"}"#;
    assert_eq!(
        (request.url.as_str(), request.body.as_deref()),
        ("https://api.bot.qq.com/v2/groups/G/files", Some(body))
    );
    // "富媒体消息": 1 is a picture, 2 a video, 3 a recording, 4 anything else.
    for (media_type, kind) in [
        ("image/png", 1),
        ("image/jpeg", 1),
        ("video/mp4", 2),
        ("audio/silk", 3),
        ("audio/wav", 3),
        ("audio/mpeg", 3),
        ("image/webp", 4),
        ("video/quicktime", 4),
        ("audio/ogg", 4),
    ] {
        let Some(Upload::ByUrl(request)) = platform::upload(&account, &outbound, &file("a", media_type)) else {
            panic!("{media_type}")
        };
        let body: Value = serde_json::from_str(&request.body.unwrap()).unwrap();
        assert_eq!(body["file_type"], kind, "{media_type}");
    }
    let answer =
        HttpResponse { status: 200, retry_after_s: None, body: r#"{"file_uuid":"u","file_info":"i","ttl":60}"#.into() };
    assert_eq!(platform::verdict(&account, &answer), Verdict::Sent(Sent::Taken));
    let handle = platform::uploaded(&account, &answer).unwrap();
    let call = platform::attach(&account, &outbound, &image, &handle).unwrap();
    let body = r#"{"msg_type":7,"content":" ","media":{"file_info":"i"},"msg_id":"m","msg_seq":61}"#;
    assert_eq!(call.request.body.as_deref(), Some(body));
    // Of the 8 numbers that an answer has, text takes 4.
    outbound.part = FILE_PART + 3;
    assert!(platform::send(&account, &outbound).unwrap().request.body.unwrap().contains(r#""msg_seq":64}"#));
    outbound.part += 1;
    assert!(platform::send(&account, &outbound).is_err());
    outbound.origin.message = "channel/2/m".into();
    assert_eq!(platform::upload(&account, &outbound, &image), Some(Upload::Url));
    assert_eq!(platform::upload(&account, &outbound, &file("b.csv", "text/csv")), None);
    let call = platform::attach(&account, &outbound, &image, &image.url).unwrap();
    assert_eq!(call.request.body.as_deref(), Some(r#"{"image":"https://r.example/v1/files/a.png","msg_id":"m"}"#));
}

#[test]
fn what_responses_mean() {
    let check = |status: u16, body: &str, expected: &str| {
        let verdict =
            platform::verdict(&account("s"), &HttpResponse { status, retry_after_s: None, body: body.into() });
        let actual = match verdict {
            Verdict::Sent(Sent::Taken) => "taken",
            Verdict::Sent(Sent::Later { .. }) => "later",
            Verdict::Sent(Sent::Refused(_)) => "refused",
            Verdict::TokenExpired => "token",
            other => panic!("{other:?}"),
        };
        assert_eq!(actual, expected, "{status} {body}");
    };
    check(200, r#"{"id":"1","timestamp":"2026"}"#, "taken");
    check(202, r#"{"code":304023,"message":"push message is waiting for audit now"}"#, "taken");
    check(400, r#"{"err_code":40054005,"message":"消息被去重"}"#, "taken");
    check(400, r#"{"err_code":40034128,"message":"msg_id 已过期"}"#, "refused");
    check(400, r#"{"code":11243,"message":"token expired"}"#, "token");
    check(401, r#"{"message":"no"}"#, "token");
    check(429, r#"{"code":22009,"message":"limit"}"#, "later");
    check(500, r#"{"err_code":50055001,"message":"try again"}"#, "later");
    check(504, "<html>", "later");
    check(200, "<html>", "later");
    check(403, r#"{"code":11298,"message":"ip"}"#, "refused");
}

#[test]
fn tokens() {
    let token = |body: &str| {
        platform::token(&account("s"), &HttpResponse { status: 200, retry_after_s: None, body: body.into() })
    };
    for life in ["\"7200\"", "7200"] {
        let token = token(&format!(r#"{{"access_token":"t","expires_in":{life}}}"#)).unwrap();
        assert_eq!((token.value.as_str(), token.life_ms), ("t", 7_200_000 + 250_000));
    }
    let refused = token(r#"{"code":100016,"message":"invalid appid or secret"}"#).unwrap_err();
    assert!(matches!(refused, platform::NoToken::Refused(why) if why.contains("app_secret")));
    assert!(matches!(token(r#"{"code":100001,"message":"too many"}"#), Err(platform::NoToken::Later(_))));
    assert!(matches!(token("oops"), Err(platform::NoToken::Later(_))));
}

#[test]
fn another_way_of_saying_it() {
    let outbound = outbound("c2c/U/m", "**4** [a](https://b.c)");
    let instead = |account: &Account, code: i64| {
        let body = json!({ "err_code": code, "message": "no" }).to_string();
        let call = platform::instead(account, &outbound, &HttpResponse { status: 400, retry_after_s: None, body });
        call.map(|call| call.request.body.unwrap())
    };
    let usual = account("s");
    let text = r#"{"msg_type":0,"content":"4 a (https://b.c)","msg_id":"m","msg_seq":57}"#;
    for code in [304036, 40034127] {
        assert_eq!(instead(&usual, code).as_deref(), Some(text));
    }
    assert_eq!(instead(&usual, 304003), Some(text.replace("https://", "")));
    assert_eq!(instead(&usual, 40034128), None);
    let with = |settings: Settings| Account { platform: Platform::Qq(settings), ..usual.clone() };
    // Said without Markdown already.
    assert_eq!(instead(&with(Settings { markdown: false, ..settings("s") }), 304036), None);
    let proactive = with(Settings { proactive: true, ..settings("s") });
    let late = r#"{"msg_type":2,"markdown":{"content":"**4** [a](https://b.c)"}}"#;
    assert_eq!(instead(&proactive, 40034128).as_deref(), Some(late));
}

fn received(kind: &str, d: Value) -> Inbound {
    let settings = settings("s");
    // Signed as the platform does it: by the only signer there is, which takes no JSON over the wire.
    let body = event(kind, d).to_string();
    let timestamp = NOW.0 / 1000;
    let signature = sign("s", &format!("{timestamp}{body}"));
    let headers =
        [("x-signature-ed25519".to_owned(), signature), ("x-signature-timestamp".to_owned(), timestamp.to_string())];
    let verified = qq::verify(&settings, &Raw::post(&headers, body.as_bytes()), NOW).unwrap();
    qq::normalise(&"main".parse().unwrap(), &settings, qq::parse(verified).unwrap())
}

fn sign(secret: &str, text: &str) -> String {
    use ed25519_dalek::Signer;
    let seed: Vec<u8> = secret.bytes().cycle().take(32).collect();
    let key = ed25519_dalek::SigningKey::from_bytes(&seed.try_into().unwrap());
    hex(&key.sign(text.as_bytes()).to_bytes())
}

fn event(kind: &str, d: Value) -> Value {
    json!({ "op": 0, "id": format!("{kind}:1"), "t": kind, "d": d })
}

fn outbound(address: &str, text: &str) -> Outbound {
    super::outbound(address, "qq:main:c2c-U", 7, text)
}

fn account(secret: &str) -> Account {
    Account { id: "main".parse().unwrap(), default_user: None, platform: Platform::Qq(settings(secret)) }
}

fn settings(secret: &str) -> Settings {
    serde_json::from_value(json!({ "app_id": "1020", "app_secret": secret, "bot_id": "7" })).unwrap()
}
