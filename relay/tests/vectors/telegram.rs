//! Telegram.

use hmac::{Hmac, Mac};
use protocol::{Button, ButtonStyle, File, FileKind};
use relay::platform::telegram::{self, Settings};
use relay::platform::{
    self, Account, Attached, Auth, Download, FILE_PART, Fresh, HttpRequest, HttpResponse, Inbound, NoEvent, Outbound,
    Platform, Pressed, Raw, Sent, Upload, Verdict,
};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{NOW, each, headers, hex, name, outbound, text};

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
fn what_is_replied_to_comes_too() {
    let check = |message: Value, text: &str, files: &[&str]| {
        let mut message = message;
        message["chat"] = json!({ "id": -100, "type": "supergroup" });
        let Inbound::Message { question, attached, .. } = received(&message) else { panic!("{message}") };
        let keys: Vec<&str> = attached.iter().map(|file| file.key.as_str()).collect();
        assert_eq!((question.text.as_str(), keys.as_slice()), (text, files), "{message}");
    };
    let said = |text: &str| json!({ "from": { "id": 7, "username": "ada" }, "text": text });
    check(json!({ "text": "@the_bot why?", "reply_to_message": said("a\nb") }), "why?\n\n> a\n> b", &[]);
    check(json!({ "text": "@the_bot", "reply_to_message": said("look") }), "> look", &[]);
    // A part of it, as its writer chose.
    let part = json!({ "text": "b", "position": 2 });
    check(json!({ "text": "@the_bot why?", "reply_to_message": said("a b"), "quote": part }), "why?\n\n> b", &[]);
    let photo = json!({ "from": { "id": 7 }, "caption": "my cat", "photo": [{ "file_id": "cat" }] });
    check(json!({ "text": "@the_bot who is it?", "reply_to_message": photo }), "who is it?\n\n> my cat", &["cat"]);
    // Its own words are known to its agent: so many as show which.
    let own = json!({ "from": { "id": 9, "is_bot": true, "username": "the_bot" }, "text": "x".repeat(500) });
    let beginning = format!("go on\n\n> {}…", "x".repeat(100));
    check(json!({ "text": "go on", "reply_to_message": own }), &beginning, &[]);
    check(json!({ "text": "/stop@the_bot", "reply_to_message": said("a") }), "/stop", &[]);
    let own = json!({ "from": { "id": 9, "is_bot": true, "username": "the_bot" }, "text": "x".repeat(500) });
    let (part, whole) = (json!({ "text": "x".repeat(200) }), format!("why?\n\n> {}", "x".repeat(200)));
    check(json!({ "text": "why?", "reply_to_message": own, "quote": part }), &whole, &[]);
    // A message of its own makes a question, and not only what it replies to.
    let photo = json!({ "from": { "id": 7 }, "photo": [{ "file_id": "cat" }] });
    let message = json!({ "location": {}, "chat": { "id": 5, "type": "private" }, "reply_to_message": photo });
    assert_eq!(received(&message), Inbound::Ignored("message type"));
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
    let outbound = Outbound { part: FILE_PART, ..outbound("-100/7/3", "telegram:main:-100.7", 2, "") };
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
    let outbound = outbound("-100/7/3", "telegram:main:-100.7", 2, "**4** < 5");
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
fn buttons() {
    let button =
        |label: &str, text: &str| Button { label: label.into(), text: text.into(), style: ButtonStyle::Danger };
    let mut outbound = Outbound {
        origin: serde_json::from_value(json!({ "account": "main", "message": "-100/7/3" })).unwrap(),
        conversation: "telegram:main:-100.7".parse().unwrap(),
        seq: protocol::Seq(2),
        text: "**Sure?**".into(),
        files: Vec::new(),
        buttons: vec![button("是 · Yes", "yes"), button("No", "no")],
        part: 0,
        question: None,
    };
    let account = account("s");
    let call = platform::send(&account, &outbound).unwrap();
    let body: Value = serde_json::from_str(call.request.body.as_deref().unwrap()).unwrap();
    // Chats hold buttons for as long as they exist: what comes back with one must still be read.
    let keys = json!([
        [{ "text": "是 · Yes", "callback_data": "7/2.0.Xy99sQZZ" }],
        [{ "text": "No", "callback_data": "7/2.1.jSAYXsVx" }],
    ]);
    assert_eq!(body["reply_markup"], json!({ "inline_keyboard": keys }));
    // Under the last part alone.
    let long = Outbound { text: "字".repeat(5_000), ..outbound.clone() };
    let has_keys = |outbound: &Outbound| {
        let call = platform::send(&account, outbound).unwrap();
        (call.is_last, call.request.body.unwrap().contains("reply_markup"))
    };
    assert_eq!(has_keys(&long), (false, false));
    assert_eq!(has_keys(&Outbound { part: 1, ..long }), (true, true));
    // At most 64 bytes, however far away.
    outbound.seq = protocol::Seq((1 << 53) - 1);
    outbound.origin.message = format!("-100/{}/3", i64::MAX);
    outbound.buttons = vec![button("x", "x"); 8];
    let body: Value =
        serde_json::from_str(&platform::send(&account, &outbound).unwrap().request.body.unwrap()).unwrap();
    for row in body["reply_markup"]["inline_keyboard"].as_array().unwrap() {
        assert!(row[0]["callback_data"].as_str().unwrap().len() <= 64, "{row}");
    }
    // What is refused is said in words.
    let refused = |why: &str| response(400, &json!({ "ok": false, "error_code": 400, "description": why }).to_string());
    let body = |why: &str| platform::instead(&account, &outbound, &refused(why)).map(|call| call.request.body.unwrap());
    let words = body("Bad Request: BUTTON_DATA_INVALID").unwrap();
    assert!(words.contains("<code>x</code>") && !words.contains("reply_markup"), "{words}");
    assert!(body("Bad Request: can't parse entities: x").unwrap().contains("reply_markup"));
    assert_eq!(body("Bad Request: chat not found"), None);
}

#[test]
fn presses() {
    let received = |query: Value| {
        let update = json!({ "update_id": 1, "callback_query": query });
        let headers = [("x-telegram-bot-api-secret-token".to_owned(), "s".to_owned())];
        platform::receive(&account("s"), &Raw::post(&headers, update.to_string().as_bytes()), NOW)
    };
    // In a group without topics Telegram names the thread of a reply: it is not asked.
    let chat = json!({ "id": -100, "type": "supergroup" });
    let message = json!({ "message_id": 8, "message_thread_id": 3, "chat": chat, "text": "Sure?", "date": 1 });
    let query = json!({ "id": "4382bfdwdsb323b2d9", "from": { "id": 5, "first_name": "Ada" }, "message": message, "data": "0/2.1.pn8R0j0T" });
    let Ok(Inbound::Chosen { group, press, receipt }) = received(query.clone()) else { panic!() };
    assert_eq!(group.as_deref(), Some("-100"));
    let expected = json!({
        "choice": { "seq": 2, "index": 1, "mark": "pn8R0j0T" }, "conversation": "telegram:main:-100", "via": "telegram",
        "sender": "5", "name": "Ada", "group": true, "origin": { "account": "main", "message": "-100/0/8" },
    });
    assert_eq!(serde_json::to_value(&press).unwrap(), expected);

    let account = account("s");
    let fresh = Fresh { now: NOW, nonce: String::new(), random: [0; 16] };
    let says = |pressed: &Pressed| platform::pressed(&account, &receipt, pressed, &fresh).unwrap().body;
    let taken = r#"{"method":"answerCallbackQuery","callback_query_id":"4382bfdwdsb323b2d9","text":"收到 · got it"}"#;
    assert_eq!(says(&Pressed::Taken { label: "No".into(), text: "Sure?".into() }), taken);
    assert!(says(&Pressed::Late).contains("already answered"));
    assert!(says(&Pressed::Gone).contains("not for you"));
    let settled = platform::settle(&account, &receipt, "No").unwrap();
    let key = r#"{"text":"✓ No","callback_data":"0/2.1.pn8R0j0T"}"#;
    let body = format!(r#"{{"chat_id":-100,"message_id":8,"reply_markup":{{"inline_keyboard":[[{key}]]}}}}"#);
    let url = "https://api.telegram.org/bot1:a/editMessageReplyMarkup".to_owned();
    assert_eq!(settled, HttpRequest::post(url, body, Auth::None));

    let with = |change: &dyn Fn(&mut Value)| {
        let mut query = query.clone();
        change(&mut query);
        received(query)
    };
    // A message that is deleted, or too old, has a place and nothing else.
    let old = with(&|query| query["message"] = json!({ "message_id": 8, "chat": chat, "date": 0 }));
    assert!(matches!(old, Ok(Inbound::Chosen { press: same, .. }) if same == press));
    for data in ["", "like", "0/", "x/2.1.pn8R0j0T", "2.1.pn8R0j0T", "0/2.1.pn8R0j0Tx"] {
        let other = with(&|query| query["data"] = data.into());
        assert_eq!(other, Ok(Inbound::Ignored("a button of another bot's")), "{data}");
    }
    assert_eq!(with(&|query| query["id"] = "a/b".into()), Ok(Inbound::Ignored("ids of another form")));
    let inline = with(&|query| query["message"] = Value::Null);
    assert_eq!(inline, Ok(Inbound::Ignored("event type")));
    for field in ["id", "from"] {
        let missing = with(&|query| query[field] = Value::Null);
        assert!(matches!(&missing, Err(NoEvent::Malformed(why)) if why.to_string().contains(field)), "{missing:?}");
    }
}

#[test]
fn greetings() {
    let check = |inbound: Inbound, by: &str, in_group: Option<&str>, thread: &str, address: &str| {
        let Inbound::Entered { sender, group, conversation, origin } = inbound else {
            panic!("{address}: {inbound:?}")
        };
        assert_eq!((sender.as_str(), group.as_deref(), origin.message.as_str()), (by, in_group, address));
        assert_eq!(conversation.as_str(), format!("telegram:main:{thread}"));
    };
    let (me, group) = (json!({ "id": 5, "type": "private" }), json!({ "id": -100, "type": "supergroup" }));
    check(received(&json!({ "text": "/start", "chat": me })), "5", None, "5", "5/0/3");
    check(received(&json!({ "text": "/start a-link-with_this", "chat": me })), "5", None, "5", "5/0/3");
    let in_topic = json!({ "text": "/start@the_bot", "chat": group, "message_thread_id": 7 });
    check(received(&in_topic), "5", Some("-100"), "-100.7", "-100/7/3");
    for text in ["/starting", "start", "please /start"] {
        assert!(matches!(received(&json!({ "text": text, "chat": me })), Inbound::Message { .. }), "{text}");
    }
    let unmeant = received(&json!({ "text": "/start", "chat": group }));
    assert_eq!(unmeant, Inbound::Ignored("the bot is not mentioned"));

    let changed = |chat: &Value, old: &str, new: &str| {
        let (old, new) = (json!({ "status": old }), json!({ "status": new }));
        let changed = json!({ "chat": chat, "from": { "id": 5 }, "old_chat_member": old, "new_chat_member": new });
        let update = json!({ "update_id": 1, "my_chat_member": changed }).to_string();
        let headers = [("x-telegram-bot-api-secret-token".to_owned(), "s".to_owned())];
        platform::receive(&account("s"), &Raw::post(&headers, update.as_bytes()), NOW).unwrap()
    };
    for (old, new) in [("left", "member"), ("kicked", "administrator")] {
        check(changed(&group, old, new), "5", Some("-100"), "-100", "-100/0/0");
    }
    let none = Inbound::Ignored("event type");
    for (old, new) in [("member", "administrator"), ("restricted", "member"), ("member", "left"), ("left", "kicked")] {
        assert_eq!(changed(&group, old, new), none, "{old} {new}");
    }
    // They press "Start" then, which says so.
    assert_eq!(changed(&me, "kicked", "member"), none);
    assert_eq!(changed(&json!({ "id": -200, "type": "channel" }), "left", "administrator"), none);

    // There is no message to reply to.
    let outbound = outbound("-100/0/0", "telegram:main:-100", 0, "Hello");
    let body = platform::send(&account("s"), &outbound).unwrap().request.body.unwrap();
    let expected = r#"{"chat_id":-100,"text":"Hello","parse_mode":"HTML","link_preview_options":{"is_disabled":true}}"#;
    assert_eq!(body, expected);
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
