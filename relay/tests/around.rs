//! The calls around a question and its answer: marks, drafts, names, quotes, files. What each asks, and what is read of the
//! response; where the platform has no such thing there is no call.

use crate::support::accounts::{self, account};
use crate::support::feishu;
use protocol::{File, FileKind, Seq, Timestamp};
use relay::platform::{self, Account, Beginning, Download, Draft, HttpRequest, HttpResponse, Outbound, Upload};
use relay::store::Origin;
use serde_json::{Value, json};

/// The names of the platforms for which there is something.
fn having<T>(mut something: impl FnMut(&Account) -> Option<T>) -> Vec<&'static str> {
    let platforms = ["dingtalk", "feishu", "qq", "telegram", "wechat", "wecom", "wecom-bot"];
    platforms.into_iter().filter(|name| something(&account(name)).is_some()).collect()
}

fn origin(message: &str) -> Origin {
    Origin { account: "main".parse().unwrap(), message: message.into() }
}

/// What there is of the answer to question 7.
fn outbound(message: &str, text: &str) -> Outbound {
    Outbound { seq: Seq(7), question: Some(Seq(7)), ..accounts::outbound(message, text) }
}

fn says(body: Value) -> HttpResponse {
    accounts::response(&body)
}

/// `METHOD path`, without the host.
fn asks(request: &HttpRequest) -> String {
    let path = request.url.splitn(4, '/').nth(3).unwrap();
    format!("{} /{path}", request.method)
}

fn body(request: &HttpRequest) -> Value {
    serde_json::from_str(request.body.as_deref().unwrap()).unwrap()
}

#[test]
fn a_question_is_marked_where_that_can_be_seen() {
    assert_eq!(having(|account| platform::mark(account, &origin("5/0/3"))), ["feishu", "telegram"]);
    let typing = platform::mark(&account("telegram"), &origin("5/0/3")).unwrap();
    assert_eq!(
        (asks(&typing).as_str(), body(&typing)["action"].as_str()),
        ("POST /bot1:a/sendChatAction", Some("typing"))
    );
    // A mark that stays is found by its id, or among the bot's own, and taken off.
    let feishu = account("feishu");
    assert_eq!(
        asks(&platform::mark(&feishu, &origin("om_1")).unwrap()),
        "POST /open-apis/im/v1/messages/om_1/reactions"
    );
    let made = says(json!({ "code": 0, "data": { "reaction_id": "r1" } }));
    assert_eq!(platform::marked(&feishu, &made).as_deref(), Some("r1"));
    assert_eq!(having(|account| platform::marked(account, &made)), ["feishu"]);
    let find = platform::find_mark(&feishu, &origin("om_1")).unwrap();
    assert_eq!(asks(&find), "GET /open-apis/im/v1/messages/om_1/reactions?reaction_type=Typing&page_size=50");
    assert_eq!(having(|account| platform::find_mark(account, &origin("om_1"))), ["feishu"]);
    let own = json!({ "reaction_id": "r2", "operator": { "operator_id": "cli_1", "operator_type": "app" } });
    let found = says(json!({ "code": 0, "data": { "items": [own] } }));
    assert_eq!(platform::found_mark(&feishu, &found).as_deref(), Some("r2"));
    assert_eq!(having(|account| platform::found_mark(account, &found)), ["feishu"]);
    let gone = platform::unmark(&feishu, &origin("om_1"), "r2").unwrap();
    assert_eq!(asks(&gone), "DELETE /open-apis/im/v1/messages/om_1/reactions/r2");
    assert_eq!(having(|account| platform::unmark(account, &origin("om_1"), "r2")), ["feishu"]);
    let keeps = |conversation: &str| platform::keeps_marks(&conversation.parse().unwrap());
    assert_eq!(["feishu:main:oc_1", "telegram:main:5", "default"].map(keeps), [true, false, false]);
}

#[test]
fn a_card_grows_with_the_answer_and_becomes_it() {
    let (feishu, asked, now) = (account("feishu"), outbound("om_1", "so **far**"), Timestamp(1_000));
    let Beginning::Call(begin) = platform::begin_draft(&feishu, &asked) else { panic!() };
    assert_eq!(asks(&begin), "POST /open-apis/cardkit/v1/cards");
    let made = says(json!({ "code": 0, "data": { "card_id": "c1" } }));
    let mut draft = platform::drafted(&feishu, &asked, &made, now).unwrap();
    assert_eq!(draft, Draft { handle: "c1".into(), begun: now, ..draft.clone() });
    // Without a message there is nothing to take away.
    assert_eq!(platform::withdraw_draft(&feishu, &asked, &draft), None);
    let place = platform::place_draft(&feishu, &asked, &draft).unwrap();
    assert_eq!(asks(&place), "POST /open-apis/im/v1/messages/om_1/reply");
    assert_eq!(body(&place)["content"], r#"{"type":"card","data":{"card_id":"c1"}}"#);
    let placed = says(json!({ "code": 0, "data": { "message_id": "om_2" } }));
    assert_eq!(platform::placed(&feishu, &placed).as_deref(), Some("om_2"));
    assert_eq!(having(|account| platform::placed(account, &placed)), ["feishu"]);
    draft.message = "om_2".into();
    draft.next();
    let update = platform::update_draft(&feishu, &asked, &mut draft).unwrap();
    assert!(asks(&update).starts_with("PUT /open-apis/cardkit/v1/cards/c1/elements/"), "{}", asks(&update));
    assert_eq!(body(&update)["sequence"], 1);
    let end = platform::end_draft(&feishu, &asked, &draft).unwrap();
    assert_eq!((asks(&end.request).as_str(), end.is_last), ("PUT /open-apis/cardkit/v1/cards/c1", true));
    let gone = platform::withdraw_draft(&feishu, &asked, &draft).unwrap();
    assert_eq!(asks(&gone), "DELETE /open-apis/im/v1/messages/om_2");
    // It ends by itself; and a refusal is about the bot.
    assert_eq!(platform::leave_draft(&feishu, &asked, &draft), None);
    let ended = says(json!({ "code": 40_007, "message": "ended" }));
    assert!(platform::forbids_drafts(&feishu, &ended) && !platform::has_ended(&feishu, &ended));
}

#[test]
fn a_message_grows_with_the_answer_and_becomes_it() {
    let (qq, now) = (account("qq"), Timestamp(1_000));
    let asked = |text| outbound("c2c/U/m", text);
    assert_eq!(platform::begin_draft(&qq, &asked("")), Beginning::Later);
    let Beginning::Call(begin) = platform::begin_draft(&qq, &asked("so far.\n\nAnd")) else { panic!() };
    assert_eq!(asks(&begin), "POST /v2/users/U/stream_messages");
    let mut draft = platform::drafted(&qq, &asked("so"), &says(json!({ "id": "m1" })), now).unwrap();
    assert_eq!((draft.handle.as_str(), draft.message.as_str()), ("m1", "m1"));
    assert_eq!(platform::place_draft(&qq, &asked("so"), &draft), None, "it is there already");
    draft.next();
    let update = platform::update_draft(&qq, &asked("so far.\n\nAnd on"), &mut draft).unwrap();
    assert_eq!((body(&update)["index"].as_u64(), body(&update)["stream_msg_id"].as_str()), (Some(1), Some("m1")));
    let state = |request: &HttpRequest| body(request)["input_state"].as_u64();
    let end = platform::end_draft(&qq, &asked("so far.\n\nAnd on."), &draft).unwrap();
    assert_eq!((state(&update), state(&end.request), end.is_last), (Some(1), Some(10), true));
    let gone = platform::withdraw_draft(&qq, &asked("so"), &draft).unwrap();
    assert_eq!(asks(&gone), "DELETE /v2/users/U/messages/m1");
    assert_eq!(platform::leave_draft(&qq, &asked("so"), &draft).as_ref().and_then(state), Some(10));
    // Of one that is the answer already, and of one that may not be said; any other says that the bot may show none.
    let refused = |code: u32| HttpResponse { status: 400, ..says(json!({ "code": code, "message": "no" })) };
    let about = |code| (platform::has_ended(&qq, &refused(code)), platform::forbids_drafts(&qq, &refused(code)));
    assert_eq!([40_007, 304_027, 11_255].map(about), [(true, true), (false, false), (false, true)]);
}

#[test]
fn where_there_are_drafts() {
    let (asked, now) = (outbound("c2c/U/m", "so far"), Timestamp(0));
    let begins = |account: &Account| matches!(platform::begin_draft(account, &asked), Beginning::Call(_)).then_some(());
    assert_eq!(having(begins), ["feishu", "qq"]);
    let made = says(json!({ "code": 0, "id": "m1", "data": { "card_id": "c1" } }));
    assert_eq!(having(|account| platform::drafted(account, &asked, &made, now)), ["feishu", "qq"]);
    let draft = Draft { handle: "c1".into(), message: "m1".into(), begun: now, sequence: 0, shown: String::new() };
    assert_eq!(having(|account| platform::place_draft(account, &asked, &draft)), ["feishu"]);
    assert_eq!(having(|account| platform::update_draft(account, &asked, &mut draft.clone())), ["feishu", "qq"]);
    assert_eq!(having(|account| platform::end_draft(account, &asked, &draft)), ["feishu", "qq"]);
    assert_eq!(having(|account| platform::withdraw_draft(account, &asked, &draft)), ["feishu", "qq"]);
    assert_eq!(having(|account| platform::leave_draft(account, &asked, &draft)), ["qq"]);
    // Beside the messages of a chat with one person, and not of a group.
    let private = outbound("5/0/3", "so *far*");
    assert_eq!(having(|account| platform::preview(account, &private)), ["telegram"]);
    let preview = platform::preview(&account("telegram"), &private).unwrap();
    assert_eq!(asks(&preview), "POST /bot1:a/sendMessageDraft");
    let preview = body(&preview);
    assert_eq!(
        (preview["chat_id"].as_i64(), preview["draft_id"].as_u64(), preview["text"].as_str()),
        (Some(5), Some(7), Some("so <i>far</i>"))
    );
    assert_eq!(platform::preview(&account("telegram"), &outbound("-5/0/3", "so far")), None);
    // Nor where answers come whole.
    let mut whole = account("telegram");
    let platform::Platform::Telegram(settings) = &mut whole.platform else { panic!() };
    settings.streaming = false;
    assert_eq!(platform::preview(&whole, &private), None);
    assert_eq!(platform::mark(&whole, &private.origin), None);
    // Often at first, then every three seconds.
    assert_eq!([0, 1, 24, 25, 26, u32::MAX].map(platform::redraw_ms), [500, 600, 2_900, 3_000, 3_000, 3_000]);
}

#[test]
fn who_somebody_is_is_asked_where_webhooks_do_not_say_it() {
    assert_eq!(having(|account| platform::person_request(account, "ou_1")), ["feishu", "wecom"]);
    let asked = |name: &str| asks(&platform::person_request(&account(name), "a b").unwrap());
    assert_eq!(asked("feishu"), "GET /open-apis/contact/v3/users/a%20b?user_id_type=open_id");
    assert_eq!(asked("wecom"), "GET /cgi-bin/user/get?userid=a%20b");
    let picture = "https://a.b/c.png";
    let told = says(json!({
        "code": 0, "data": { "user": { "name": "Ada", "avatar": { "avatar_240": picture } } },
        "errcode": 0, "name": "Bo", "thumb_avatar": picture,
    }));
    let person = |name: &str| {
        let person = platform::person(&account(name), &told);
        (person.name.unwrap_or_default(), person.avatar_url.unwrap_or_default())
    };
    assert_eq!(person("feishu"), ("Ada".into(), picture.into()));
    assert_eq!(person("wecom"), ("Bo".into(), picture.into()));
    assert_eq!(person("qq"), Default::default());
}

#[test]
fn what_a_message_replies_to_is_asked_where_webhooks_do_not_say_it() {
    let feishu_bot = account("feishu");
    assert_eq!(having(|account| platform::quote_request(account, "om_1")), ["feishu"]);
    assert_eq!(asks(&platform::quote_request(&feishu_bot, "om_1").unwrap()), "GET /open-apis/im/v1/messages/om_1");
    let item = |changes: Value| {
        let mut item = json!({
            "message_id": "om_1", "msg_type": "text", "deleted": false, "sender": { "id": "ou_1" },
            "body": { "content": r#"{"text":"@_user_1 tea?"}"# },
            "mentions": [{ "key": "@_user_1", "id": "ou_2", "name": "Bo" }],
        });
        for (key, value) in changes.as_object().unwrap() {
            item[key] = value.clone();
        }
        says(json!({ "code": 0, "data": { "items": [item] } }))
    };
    let read = |response: &HttpResponse| {
        platform::quoted(&feishu_bot, response).map(|quoted| (quoted.text, quoted.attached.len(), quoted.is_own))
    };
    assert_eq!(having(|account| platform::quoted(account, &item(json!({})))), ["feishu"]);
    assert_eq!(read(&item(json!({}))), Some(("@Bo tea?".into(), 0, false)));
    assert_eq!(read(&item(json!({ "deleted": true }))), None);
    let own = json!({ "id": "cli_1" });
    assert_eq!(read(&item(json!({ "sender": own }))), Some(("@Bo tea?".into(), 0, true)));
    let picture = json!({ "msg_type": "image", "body": { "content": r#"{"image_key":"img_1"}"# } });
    assert_eq!(read(&item(picture)), Some((String::new(), 1, false)));
    // What cannot be said in words is unread of others, and known of the bot.
    let card = |sender: Value| json!({ "msg_type": "share_chat", "body": { "content": "{}" }, "sender": sender });
    assert_eq!(read(&item(card(json!({ "id": "ou_1" })))), None);
    assert_eq!(read(&item(card(own.clone()))), Some((String::new(), 0, true)));
    assert_eq!(read(&says(json!({ "code": 0, "data": { "items": [] } }))), None);
    // Behind the question; or a word in its place.
    let quote = |text: &str, quoted| {
        let (mut question, mut attached) = (feishu("om_2", text), Vec::new());
        platform::quote(&mut question, &mut attached, quoted);
        (question.text, attached.len())
    };
    let unread = "> [引用的消息无法读取 · the quoted message could not be read]";
    let quoted = platform::quoted(&feishu_bot, &item(json!({})));
    assert_eq!(quote("yes", quoted), ("yes\n\n> @Bo tea?".into(), 0));
    assert_eq!(quote("yes", None), (format!("yes\n\n{unread}"), 0));
    // Of a question that would say nothing at all.
    assert_eq!(quote("", platform::quoted(&feishu_bot, &item(card(own)))), (unread.into(), 0));
}

#[test]
fn files_of_a_message_are_known_by_what_they_are() {
    let bot = account("feishu");
    let file = |kind: &str, content: Value| {
        let item = json!({ "message_id": "om_1", "msg_type": kind, "body": { "content": content.to_string() } });
        let mut attached = platform::quoted(&bot, &says(json!({ "data": { "items": [item] } }))).unwrap().attached;
        attached.pop().map(|file| (file.kind, file.name, file.key))
    };
    let key = |key: &str| format!("om_1/{key}");
    assert_eq!(file("image", json!({ "image_key": "i" })), Some((FileKind::Image, None, key("i/image"))));
    assert_eq!(file("audio", json!({ "file_key": "a" })), Some((FileKind::Audio, None, key("a/file"))));
    let named = json!({ "file_key": "v", "file_name": "a.mp4", "image_key": "i" });
    assert_eq!(file("media", named), Some((FileKind::Video, Some("a.mp4".into()), key("v/file"))));
    let named = json!({ "file_key": "f", "file_name": "a.pdf" });
    assert_eq!(file("file", named), Some((FileKind::File, Some("a.pdf".into()), key("f/file"))));
    // Keys become parts of a path.
    let longest = "k".repeat(500 - key("/file").len());
    assert_eq!(
        file("audio", json!({ "file_key": longest })),
        Some((FileKind::Audio, None, key(&format!("{longest}/file"))))
    );
    for odd in ["../x", "a?b", &format!("{longest}k")] {
        assert_eq!(file("audio", json!({ "file_key": odd })), None, "{odd}");
    }
    let Some(Download::Get(request)) = platform::download(&bot, "om_1/a/file") else { panic!() };
    assert_eq!(asks(&request), "GET /open-apis/im/v1/messages/om_1/resources/a?type=file");
    assert!(platform::download(&bot, "om_1/a").is_none());
}

#[test]
fn feishu_takes_pictures_and_files_each_by_its_own_call() {
    let bot = account("feishu");
    let file = |name: &str, media_type: &str, bytes: Option<u64>| File {
        kind: FileKind::File,
        name: name.into(),
        media_type: Some(media_type.into()),
        bytes,
        ..serde_json::from_value(json!({ "id": "f", "kind": "file", "name": "x", "url": "https://a.b/c" })).unwrap()
    };
    let uploaded = |file: &File| {
        let Some(Upload::Form { request, fields, field }) = platform::upload(&bot, &outbound("om_1", ""), file) else {
            panic!()
        };
        (asks(&request), fields.into_iter().map(|(_, value)| value).collect::<Vec<_>>().join(" "), field)
    };
    let image = ("POST /open-apis/im/v1/images".to_owned(), "message".to_owned(), "image");
    for media_type in ["image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"] {
        assert_eq!(uploaded(&file("a", media_type, Some(10_000_000))), image);
    }
    let whole = |name: &str, kind: &str| ("POST /open-apis/im/v1/files".to_owned(), format!("{kind} {name}"), "file");
    // Too large for a picture, of a length that nobody knows, or none.
    assert_eq!(uploaded(&file("a.png", "image/png", Some(10_000_001))), whole("a.png", "stream"));
    assert_eq!(uploaded(&file("a.png", "image/png", None)), whole("a.png", "stream"));
    assert_eq!(uploaded(&file("a.svg", "image/svg+xml", Some(1))), whole("a.svg", "stream"));
    for (name, kind) in [
        ("a.opus", "opus"),
        ("a.mp4", "mp4"),
        ("a.pdf", "pdf"),
        ("a.doc", "doc"),
        ("A.DOCX", "doc"),
        ("a.xls", "xls"),
        ("a.xlsx", "xls"),
        ("a.ppt", "ppt"),
        ("a.pptx", "ppt"),
        ("a.zip", "stream"),
        ("a", "stream"),
    ] {
        assert_eq!(uploaded(&file(name, "application/octet-stream", Some(1))), whole(name, kind));
    }
    let key = |body: Value| platform::uploaded(&bot, &says(body));
    assert_eq!(key(json!({ "code": 0, "data": { "image_key": "img_1" } })).as_deref(), Some("img_1"));
    assert_eq!(key(json!({ "code": 0, "data": { "file_key": "file_1" } })).as_deref(), Some("file_1"));
    assert_eq!(key(json!({ "code": 234006, "msg": "too large" })), None);
    let sent = |file: &File| {
        let call = platform::attach(&bot, &outbound("om_1", ""), file, "k").unwrap();
        (body(&call.request)["msg_type"].as_str().unwrap().to_owned(), body(&call.request)["content"].clone())
    };
    assert_eq!(sent(&file("a.png", "image/png", Some(1))), ("image".into(), json!(r#"{"image_key":"k"}"#)));
    assert_eq!(sent(&file("a.opus", "audio/ogg", Some(1))), ("audio".into(), json!(r#"{"file_key":"k"}"#)));
    assert_eq!(sent(&file("a.png", "image/png", None)), ("file".into(), json!(r#"{"file_key":"k"}"#)));
}
