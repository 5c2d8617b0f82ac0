//! DingTalk.

use protocol::{File, FileKind, Timestamp};
use relay::platform::dingtalk::{self, Settings};
use relay::platform::wx::{Key, signature};
use relay::platform::{
    self, Account, Auth, Download, FILE_PART, HttpRequest, HttpResponse, Inbound, NoEvent, Outbound, Platform, Raw,
    Rejected, Sent, Upload, Verdict,
};
use serde_json::{Value, json};

use super::{NOW, each, headers, name, text};

#[test]
fn signatures() {
    each("dingtalk.json", 6, |id, kind, input, expected, valid| match kind {
        "dingtalk_robot_sign" => {
            let headers = headers(input);
            let now = Timestamp(input["now_ms"].as_u64().unwrap());
            match dingtalk::check_headers(&settings(text(input, "app_secret")), &Raw::post(&headers, b""), now) {
                Ok(()) => assert!(valid, "{id}"),
                Err(rejected) => assert_eq!((valid, name(rejected)), (false, text(expected, "error")), "{id}"),
            }
        }
        "dingtalk_webhook_sign" => {
            assert!(valid);
            assert_eq!(dingtalk::sign(text(input, "secret"), text(input, "timestamp")), text(expected, "sign"), "{id}");
        }
        // Of subscribed events, which the relay does not use; the cipher is WeCom's.
        "dingtalk_event_decrypt" => {
            let field = |name: &str| text(input, name);
            let signed = signature(&[field("token"), field("timestamp"), field("nonce"), field("encrypt")]);
            assert_eq!(signed, field("msg_signature"), "{id}");
            let key = Key::read(field("encoding_aes_key")).unwrap();
            assert_eq!(key.open(field("encrypt"), field("receive_id")).unwrap(), text(expected, "plaintext"), "{id}");
            assert_eq!(key.open(field("encrypt"), "other"), Err(Rejected::ReceiverMismatch), "{id}");
        }
        other => panic!("{id}: {other}"),
    });
}

#[test]
fn a_signature_is_good_for_an_hour() {
    const HOUR_MS: u64 = 3_600_000;
    let timestamp = NOW.0.to_string();
    let headers = [("sign".to_owned(), dingtalk::sign("s", &timestamp)), ("timestamp".to_owned(), timestamp)];
    let check = |now_ms: u64| dingtalk::check_headers(&settings("s"), &Raw::post(&headers, b""), Timestamp(now_ms));
    for (ms, expected) in [(HOUR_MS, Ok(())), (HOUR_MS + 1, Err(Rejected::Stale))] {
        assert_eq!((check(NOW.0 + ms), check(NOW.0 - ms)), (expected, expected), "{ms}");
    }
}

#[test]
fn messages_and_answers() {
    let check = |message: Value, path: &str, to: &str| {
        let Ok(Inbound::Message { question, .. }) = received(&message) else { panic!("{message}") };
        assert_eq!(question.text, "你好");
        let outbound = Outbound::text(
            question.origin.unwrap(),
            question.conversation,
            protocol::Seq(2),
            "# 好\n**4** < 5".into(),
            None,
        );
        let request = platform::send(&account(), &outbound).unwrap().request;
        assert_eq!(request.url, format!("https://api.dingtalk.com/v1.0/robot/{path}"));
        let param =
            r##""msgKey":"sampleMarkdown","msgParam":"{\"title\":\"【好】 4 < 5\",\"text\":\"# 好\\n**4** < 5\"}"}"##;
        assert_eq!(request.body.unwrap(), format!(r#"{{"robotCode":"ding1",{to},{param}"#));
    };
    let text = json!({ "content": " 你好" });
    check(json!({ "conversationType": "1", "text": text }), "oToMessages/batchSend", r#""userIds":["staff"]"#);
    check(
        json!({ "conversationType": "2", "senderStaffId": null, "text": text }),
        "groupMessages/send",
        r#""openConversationId":"cid/=""#,
    );
    let rich = json!({ "richText": [{ "text": "你" }, { "type": "picture", "downloadCode": "x" }, { "text": "好" }] });
    check(json!({ "msgtype": "richText", "content": rich }), "oToMessages/batchSend", r#""userIds":["staff"]"#);
    let audio = json!({ "recognition": "你好", "duration": 1 });
    check(json!({ "msgtype": "audio", "content": audio }), "oToMessages/batchSend", r#""userIds":["staff"]"#);
}

#[test]
fn who_writes_and_where() {
    let check = |message: Value, name: Option<&str>, group: bool| {
        let Ok(Inbound::Message { question, .. }) = received(&message) else { panic!("{message}") };
        assert_eq!((question.name.as_deref(), question.group), (name, group), "{message}");
    };
    let text = json!({ "content": "你好" });
    check(json!({ "conversationType": "2", "senderNick": "韩梅梅", "text": text }), Some("韩梅梅"), true);
    check(json!({ "conversationType": "1", "senderNick": "韩梅梅", "text": text }), Some("韩梅梅"), false);
    check(json!({ "conversationType": "2", "senderNick": " ", "text": text }), None, true);
    check(json!({ "conversationType": "2", "senderNick": null, "text": text }), None, true);
}

#[test]
fn what_is_replied_to_comes_too() {
    let check = |replied: Value, text: &str, files: &[&str]| {
        let said = json!({ "content": " 为什么？", "isReplyMsg": true, "repliedMsg": replied });
        let message = json!({ "conversationType": "2", "chatbotUserId": "$:robot", "text": said });
        let Ok(Inbound::Message { question, attached, .. }) = received(&message) else { panic!("{message}") };
        let keys: Vec<&str> = attached.iter().map(|file| file.key.as_str()).collect();
        assert_eq!((question.text.as_str(), keys.as_slice()), (text, files), "{message}");
    };
    let content = json!({ "text": "明天\n下雨" });
    check(json!({ "msgType": "text", "senderId": "$:ada", "content": content }), "为什么？\n\n> 明天\n> 下雨", &[]);
    let pieces = json!({ "richText": [{ "msgType": "text", "content": "看" }, { "downloadCode": "p" }] });
    check(json!({ "msgType": "richText", "content": pieces }), "为什么？\n\n> 看", &["p"]);
    check(json!({ "msgType": "picture", "content": { "downloadCode": "p" } }), "为什么？", &["p"]);
    let own = json!({ "msgType": "text", "senderId": "$:robot", "content": { "text": "x".repeat(500) } });
    check(own, &format!("为什么？\n\n> {}…", "x".repeat(100)), &[]);
    // A kind whose words do not come with it, and none at all.
    check(json!({ "msgType": "interactiveCard" }), "为什么？", &[]);
    check(json!({}), "为什么？", &[]);
}

#[test]
fn files_of_messages() {
    let check = |message: Value, text: &str, expected: &[(FileKind, Option<&str>, &str)]| {
        let Ok(Inbound::Message { question, attached, .. }) = received(&message) else { panic!("{message}") };
        let attached: Vec<_> =
            attached.iter().map(|file| (file.kind, file.name.as_deref(), file.key.as_str())).collect();
        assert_eq!((question.text.as_str(), attached.as_slice()), (text, expected), "{message}");
    };
    let content = json!({ "downloadCode": "a/+=", "fileName": "表.xlsx", "recognition": "你好" });
    check(
        json!({ "msgtype": "picture", "content": { "downloadCode": "a/+=" } }),
        "",
        &[(FileKind::Image, None, "a/+=")],
    );
    check(json!({ "msgtype": "file", "content": content }), "", &[(FileKind::File, Some("表.xlsx"), "a/+=")]);
    check(json!({ "msgtype": "audio", "content": content }), "你好", &[(FileKind::Audio, Some("表.xlsx"), "a/+=")]);
    check(json!({ "msgtype": "video", "content": { "downloadCode": "v" } }), "", &[(FileKind::Video, None, "v")]);
    let pictures = json!([{ "downloadCode": "1", "type": "picture" }, { "text": "看" }, { "downloadCode": "2", "type": "picture" }]);
    let both = [(FileKind::Image, None, "1"), (FileKind::Image, None, "2")];
    check(json!({ "msgtype": "richText", "content": { "richText": pictures } }), "看", &both);

    let account = account();
    let Some(Download::Ask(request)) = platform::download(&account, "a/+=") else { panic!() };
    let url = "https://api.dingtalk.com/v1.0/robot/messageFiles/download".into();
    let body = r#"{"downloadCode":"a/+=","robotCode":"ding1"}"#.into();
    assert_eq!(request, HttpRequest::post(url, body, Auth::Dingtalk));
    let oss = "wukong-file-im-zjk.oss-cn-zhangjiakou.aliyuncs.com/a.jpg?x-oss-signature=b%2B";
    let body = format!(r#"{{"downloadUrl":"http://{oss}"}}"#);
    let answer = HttpResponse { status: 200, retry_after_s: None, body };
    assert_eq!(platform::verdict(&account, &answer), Verdict::Sent(Sent::Taken));
    let located = platform::located(&account, &answer).unwrap();
    assert_eq!(located, HttpRequest::get(format!("https://{oss}"), Auth::None));
    assert!(platform::may_fetch(&account, &located.url));
    assert!(!platform::may_fetch(&account, "https://evil.oss-cn-zhangjiakou.aliyuncs.com/a"));
}

#[test]
fn pictures_of_answers() {
    let file = |media_type: &str| File {
        id: "fil_1".parse().unwrap(),
        name: "a".into(),
        kind: FileKind::of(media_type),
        media_type: Some(media_type.into()),
        bytes: Some(9),
        url: "https://r.example/v1/files/x".into(),
    };
    let outbound = Outbound {
        origin: serde_json::from_value(json!({ "account": "main", "message": "user staff" })).unwrap(),
        conversation: "dingtalk:main:x".parse().unwrap(),
        seq: protocol::Seq(2),
        text: String::new(),
        files: vec![file("image/png")],
        buttons: Vec::new(),
        part: FILE_PART,
        question: None,
    };
    assert_eq!(platform::upload(&account(), &outbound, &file("image/png")), Some(Upload::Url));
    assert_eq!(platform::upload(&account(), &outbound, &file("application/pdf")), None);
    let call = platform::attach(&account(), &outbound, &outbound.files[0], &outbound.files[0].url).unwrap();
    let body = r#"{"robotCode":"ding1","userIds":["staff"],"msgKey":"sampleImageMsg","msgParam":"{\"photoURL\":\"https://r.example/v1/files/x\"}"}"#;
    assert_eq!(call.request.body.as_deref(), Some(body));
}

#[test]
fn what_is_no_question() {
    let picture = json!({ "msgtype": "picture", "content": {} });
    assert_eq!(received(&picture), Ok(Inbound::Ignored("message type")));
    let outsider = json!({ "senderStaffId": null, "text": { "content": "hi" } });
    assert_eq!(received(&outsider), Ok(Inbound::Ignored("an outsider, to whom robots cannot write")));
    // Signed for this app, and written by somebody else.
    let other = json!({ "robotCode": "ding2", "text": { "content": "hi" } });
    assert_eq!(received(&other), Err(NoEvent::Rejected(Rejected::ReceiverMismatch)));
}

#[test]
fn what_responses_mean() {
    let verdict = |status: u16, body: &str| {
        platform::verdict(&account(), &HttpResponse { status, retry_after_s: None, body: body.into() })
    };
    assert_eq!(verdict(200, r#"{"processQueryKey":"x","invalidStaffIdList":[]}"#), Verdict::Sent(Sent::Taken));
    assert_eq!(verdict(401, r#"{"code":"InvalidAuthentication","message":"x"}"#), Verdict::TokenExpired);
    let is_later = |verdict| matches!(verdict, Verdict::Sent(Sent::Later { .. }));
    assert!(is_later(verdict(200, r#"{"flowControlledStaffIdList":["a"]}"#)));
    assert!(is_later(verdict(503, "<html>")));
    for code in ["QpsLimitForApi", "QpsLimitForAppkeyAndApi"] {
        let body = format!(r#"{{"code":"Forbidden.AccessDenied.{code}","message":"x"}}"#);
        assert!(is_later(verdict(403, &body)), "{code}");
    }
    let is_refused = |verdict| matches!(verdict, Verdict::Sent(Sent::Refused(_)));
    assert!(is_refused(verdict(200, r#"{"invalidStaffIdList":["a"]}"#)));
    assert!(is_refused(verdict(400, r#"{"code":"invalidParameter","message":"x"}"#)));
}

fn received(message: &Value) -> Result<Inbound, NoEvent> {
    let mut body = json!({
        "msgId": "msg+1=", "msgtype": "text", "conversationId": "cid/=", "conversationType": "1", "senderId": "$:x",
        "senderStaffId": "staff", "robotCode": "ding1",
    });
    for (field, value) in message.as_object().unwrap() {
        body[field] = value.clone();
    }
    let timestamp = NOW.0.to_string();
    let headers = [("sign".to_owned(), dingtalk::sign("secret", &timestamp)), ("timestamp".to_owned(), timestamp)];
    platform::receive(&account(), &Raw::post(&headers, body.to_string().as_bytes()), NOW)
}

fn account() -> Account {
    Account { id: "main".parse().unwrap(), default_user: None, platform: Platform::Dingtalk(settings("secret")) }
}

fn settings(secret: &str) -> Settings {
    serde_json::from_value(json!({ "app_key": "ding1", "app_secret": secret })).unwrap()
}
