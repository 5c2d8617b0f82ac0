//! Telegram.

use hmac::{Hmac, Mac};
use protocol::{File, FileKind};
use relay::platform::telegram::{self, Settings};
use relay::platform::{
    self, Account, Attached, Auth, Download, FILE_PART, HttpRequest, HttpResponse, Inbound, NoEvent, Outbound,
    Platform, Raw, Sent, Upload, Verdict,
};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{NOW, each, headers, hex, name, text};

#[test]
fn secrets() {
    each("telegram.json", 5, |id, kind, input, expected, valid| match kind {
        "telegram_secret_header" => {
            let account = account(text(input, "secret_token"));
            let headers = headers(input);
            match platform::receive(&account, &Raw::post(&headers, br#"{"update_id":1}"#), NOW) {
                Ok(inbound) => assert_eq!((valid, inbound), (true, Inbound::Ignored("event type")), "{id}"),
                Err(NoEvent::Rejected(rejected)) => {
                    let name = name(rejected).replace("token_mismatch", "secret_mismatch");
                    assert_eq!((valid, name.as_str()), (false, text(expected, "error")), "{id}");
                }
                Err(other) => panic!("{id}: {other:?}"),
            }
        }
        "telegram_config" => {
            let wrong = telegram::check(&settings(text(input, "secret_token"))).unwrap_err();
            assert!(!valid && wrong.starts_with("secret_token"), "{id}: {wrong}");
        }
        // Only of mini apps, which the relay has none of: what is signed, should there be one.
        "telegram_webapp_init_data" => {
            let mac = |key: &[u8], text: &str| {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
                mac.update(text.as_bytes());
                mac.finalize().into_bytes()
            };
            let key = mac(b"WebAppData", text(input, "bot_token"));
            assert_eq!(hex(&mac(&key, text(expected, "data_check_string"))), text(expected, "hash"), "{id}");
        }
        other => panic!("{id}: {other}"),
    });
}

#[test]
fn messages() {
    let check = |message: Value, expected: Result<(&str, &str), &'static str>| match (received(&message), expected) {
        (Inbound::Message { question, sender, .. }, Ok((text, chat))) => {
            assert_eq!((question.text.as_str(), sender.as_str()), (text, "5"), "{message}");
            assert_eq!(question.conversation.as_str(), format!("telegram:main:{chat}"), "{message}");
            assert_eq!(question.id.as_str(), "telegram:main:1", "{message}");
        }
        (inbound, Err(why)) => assert_eq!(inbound, Inbound::Ignored(why), "{message}"),
        other => panic!("{message}: {other:?}"),
    };
    let (me, group) = (json!({ "id": 5, "type": "private" }), json!({ "id": -100, "type": "supergroup" }));
    check(json!({ "text": "hi @all", "chat": me }), Ok(("hi @all", "5")));
    check(json!({ "caption": "what is it", "photo": [], "chat": me }), Ok(("what is it", "5")));
    check(json!({ "photo": [], "chat": me }), Err("message type"));
    check(json!({ "caption": "@the_bot look", "photo": [{ "file_id": "a" }], "chat": group }), Ok(("look", "-100")));
    check(json!({ "photo": [{ "file_id": "a" }], "chat": group }), Err("the bot is not mentioned"));
    check(json!({ "sticker": { "file_id": "a", "is_animated": true }, "chat": me }), Err("message type"));
    check(json!({ "text": "hi", "chat": group }), Err("the bot is not mentioned"));
    check(json!({ "text": "hi @the_boter", "chat": group }), Err("the bot is not mentioned"));
    check(json!({ "text": "@The_Bot hi", "chat": group }), Ok(("hi", "-100")));
    check(json!({ "text": "/new@the_bot", "chat": group, "message_thread_id": 7 }), Ok(("/new", "-100.7")));
    let reply = json!({ "from": { "id": 9, "is_bot": true, "username": "the_bot" } });
    check(json!({ "text": "and then?", "chat": group, "reply_to_message": reply }), Ok(("and then?", "-100")));
    check(json!({ "text": "hi", "chat": me, "from": { "id": 6, "is_bot": true } }), Err("sent by a bot"));
}

#[test]
fn who_writes_and_where() {
    let check = |from: Value, chat: Value, name: Option<&str>, group: bool| {
        let message = json!({ "text": "hi @the_bot", "from": from, "chat": chat });
        let Inbound::Message { question, .. } = received(&message) else { panic!("{message}") };
        assert_eq!((question.name.as_deref(), question.group), (name, group), "{message}");
    };
    let (me, group) = (json!({ "id": 5, "type": "private" }), json!({ "id": -100, "type": "supergroup" }));
    check(
        json!({ "id": 5, "first_name": "Ada", "last_name": "Lovelace", "username": "ada" }),
        group,
        Some("Ada Lovelace"),
        true,
    );
    check(json!({ "id": 5, "first_name": "李\n雷" }), json!({ "id": -1, "type": "group" }), Some("李 雷"), true);
    check(json!({ "id": 5, "first_name": "Ada", "last_name": "" }), me.clone(), Some("Ada"), false);
    check(json!({ "id": 5, "first_name": 7 }), me.clone(), None, false);
    // As long as Telegram lets a name be: 64 characters each.
    let (long, cut) = ("名".repeat(64), "名".repeat(21));
    check(json!({ "id": 5, "first_name": long, "last_name": long }), me, Some(&cut), false);
}

#[test]
fn files_of_messages() {
    let check = |message: Value,
                 kind: FileKind,
                 name: Option<&str>,
                 media_type: Option<&str>,
                 bytes: Option<u64>,
                 key: &str| {
        let mut message = message;
        message["chat"] = json!({ "id": 5, "type": "private" });
        let Inbound::Message { question, attached, .. } = received(&message) else { panic!("{message}") };
        assert_eq!(question.text, "");
        let expected = Attached {
            kind,
            name: name.map(Into::into),
            media_type: media_type.map(Into::into),
            bytes,
            key: key.into(),
        };
        assert_eq!(attached, [expected]);
    };
    let sizes = json!([{ "file_id": "small", "file_size": 1 }, { "file_id": "la-r_ge", "file_size": 90 }]);
    check(json!({ "photo": sizes }), FileKind::Image, None, None, Some(90), "la-r_ge");
    let document = json!({ "file_id": "d", "file_name": "表.pdf", "mime_type": "application/pdf", "file_size": 7 });
    check(json!({ "document": document }), FileKind::File, Some("表.pdf"), Some("application/pdf"), Some(7), "d");
    let scan = json!({ "file_id": "d", "file_name": "a.png", "mime_type": "image/png" });
    check(json!({ "document": scan }), FileKind::Image, Some("a.png"), Some("image/png"), None, "d");
    check(
        json!({ "voice": { "file_id": "v", "mime_type": "audio/ogg" } }),
        FileKind::Audio,
        None,
        Some("audio/ogg"),
        None,
        "v",
    );
    check(
        json!({ "audio": { "file_id": "v", "file_name": "a.mp3" } }),
        FileKind::Audio,
        Some("a.mp3"),
        None,
        None,
        "v",
    );
    check(json!({ "video": { "file_id": "v" } }), FileKind::Video, None, None, None, "v");
    check(json!({ "video_note": { "file_id": "v" } }), FileKind::Video, None, None, None, "v");
    check(
        json!({ "animation": { "file_id": "g" }, "document": { "file_id": "d" } }),
        FileKind::Video,
        None,
        None,
        None,
        "g",
    );
    check(json!({ "sticker": { "file_id": "s", "is_animated": false } }), FileKind::Image, None, None, None, "s");
    check(json!({ "sticker": { "file_id": "s", "is_video": true } }), FileKind::Video, None, None, None, "s");
    let path = json!({ "document": { "file_id": "../x" }, "chat": { "id": 5, "type": "private" } });
    assert_eq!(received(&path), Inbound::Ignored("message type"));

    let account = account("s");
    let Some(Download::Ask(request)) = platform::download(&account, "d") else { panic!() };
    let asked =
        HttpRequest::post("https://api.telegram.org/bot1:a/getFile".into(), r#"{"file_id":"d"}"#.into(), Auth::None);
    assert_eq!(request, asked);
    let located = |path: &str| {
        let body = format!(r#"{{"ok":true,"result":{{"file_id":"d","file_path":"{path}"}}}}"#);
        platform::located(&account, &response(200, &body)).map(|request| request.url)
    };
    let url = located("documents/file_3.pdf").unwrap();
    assert_eq!(url, "https://api.telegram.org/file/bot1:a/documents/file_3.pdf");
    assert!(platform::may_fetch(&account, &url));
    for wrong in ["/var/lib/file", "../bot1:a/getMe", "a?b"] {
        assert_eq!(located(wrong), None, "{wrong}");
    }
}

#[test]
fn files_of_answers() {
    let outbound = Outbound {
        origin: serde_json::from_value(json!({ "account": "main", "message": "-100/7/3" })).unwrap(),
        conversation: "telegram:main:-100.7".parse().unwrap(),
        seq: protocol::Seq(2),
        text: String::new(),
        files: Vec::new(),
        buttons: Vec::new(),
        part: FILE_PART,
        question: None,
    };
    let check = |media_type: &str, bytes: u64, method: &str, expected: &str| {
        let (media_type, kind) = (Some(media_type.to_owned()), FileKind::of(media_type));
        let (id, name, url) = ("fil_1".parse().unwrap(), "a".into(), "https://r.example/v1/files/x".into());
        let file = File { id, name, kind, media_type, bytes: Some(bytes), url };
        let Some(Upload::Whole { request, fields, field }) = platform::upload(&account("s"), &outbound, &file) else {
            panic!("{method}")
        };
        assert_eq!((request.url, field), (format!("https://api.telegram.org/bot1:a/{method}"), expected));
        let reply = r#"{"message_id":3,"allow_sending_without_reply":true}"#;
        let of = [("chat_id", "-100"), ("reply_parameters", reply), ("message_thread_id", "7")];
        assert_eq!(fields, of.map(|(name, value)| (name, value.to_owned())));
    };
    check("image/png", 10_000_000, "sendPhoto", "photo");
    check("image/png", 10_000_001, "sendDocument", "document");
    check("image/gif", 9, "sendAnimation", "animation");
    check("audio/mpeg", 9, "sendAudio", "audio");
    check("audio/ogg", 9, "sendVoice", "voice");
    check("video/mp4", 9, "sendVideo", "video");
    check("text/csv", 9, "sendDocument", "document");
}

#[test]
fn answers() {
    let outbound = Outbound {
        origin: serde_json::from_value(json!({ "account": "main", "message": "-100/7/3" })).unwrap(),
        conversation: "telegram:main:-100.7".parse().unwrap(),
        seq: protocol::Seq(2),
        text: "**4** < 5".into(),
        files: Vec::new(),
        buttons: Vec::new(),
        part: 0,
        question: None,
    };
    let account = account("s");
    let call = platform::send(&account, &outbound).unwrap();
    assert_eq!(call.request.url, "https://api.telegram.org/bot1:a/sendMessage");
    let rest = r#""reply_parameters":{"message_id":3,"allow_sending_without_reply":true},"link_preview_options":{"is_disabled":true}}"#;
    let html = format!(r#"{{"chat_id":-100,"message_thread_id":7,"text":"<b>4</b> &lt; 5","parse_mode":"HTML",{rest}"#);
    assert_eq!(call.request.body, Some(html));
    let refused =
        response(400, r#"{"ok":false,"error_code":400,"description":"Bad Request: can't parse entities: x"}"#);
    let plain = platform::instead(&account, &outbound, &refused).unwrap().request.body.unwrap();
    assert_eq!(plain, format!(r#"{{"chat_id":-100,"message_thread_id":7,"text":"4 < 5",{rest}"#));
    assert_eq!(platform::instead(&account, &outbound, &response(400, r#"{"ok":false}"#)), None);
}

#[test]
fn what_responses_mean() {
    let verdict = |status: u16, body: &str| platform::verdict(&account("s"), &response(status, body));
    assert_eq!(verdict(200, r#"{"ok":true,"result":{}}"#), Verdict::Sent(Sent::Taken));
    let busy = verdict(429, r#"{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":5}}"#);
    assert!(matches!(busy, Verdict::Sent(Sent::Later { after_ms: Some(5_000), .. })));
    assert!(matches!(verdict(502, "<html>"), Verdict::Sent(Sent::Later { .. })));
    let blocked =
        verdict(403, r#"{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}"#);
    assert!(matches!(blocked, Verdict::Sent(Sent::Refused(why)) if why.contains("停用")));
    let mut account = account("s");
    platform::introduce(&mut account, &response(200, r#"{"ok":true,"result":{"id":1,"username":"other"}}"#)).unwrap();
    assert!(matches!(account.platform, Platform::Telegram(settings) if settings.username == "other"));
}

fn response(status: u16, body: &str) -> HttpResponse {
    HttpResponse { status, retry_after_s: None, body: body.into() }
}

fn received(message: &Value) -> Inbound {
    let mut update = json!({ "update_id": 1, "message": { "message_id": 3, "from": { "id": 5, "is_bot": false } } });
    for (field, value) in message.as_object().unwrap() {
        update["message"][field] = value.clone();
    }
    let headers = [("x-telegram-bot-api-secret-token".to_owned(), "s".to_owned())];
    platform::receive(&account("s"), &Raw::post(&headers, update.to_string().as_bytes()), NOW).unwrap()
}

fn account(secret: &str) -> Account {
    Account { id: "main".parse().unwrap(), default_user: None, platform: Platform::Telegram(settings(secret)) }
}

fn settings(secret: &str) -> Settings {
    serde_json::from_value(json!({ "bot_token": "1:a", "secret_token": secret, "username": "the_bot" })).unwrap()
}
