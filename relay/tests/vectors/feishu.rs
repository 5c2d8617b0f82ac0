//! Feishu.

use base64ct::{Base64, Encoding};
use protocol::limit::TEXT_BYTES_MAX;
use protocol::{Button, ButtonStyle, FileKind, Timestamp};
use relay::platform::feishu::long_connection::{Frame, FrameError, reassemble};
use relay::platform::feishu::{self, Content, Event, Received, Settings};
use relay::platform::{
    self, Account, Fresh, HttpResponse, Inbound, Malformed, NoEvent, Outbound, Platform, Pressed, Raw, Rejected,
    RepliesTo,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{NOW, each, headers, hex, name, text, unhex};

#[test]
fn event_crypto() {
    each("feishu-event-crypto.json", 19, |id, kind, input, expected, valid| {
        let decrypted = feishu::decrypt(text(input, "encrypt_key"), text(input, "encrypt"));
        match (kind, valid) {
            ("decrypt", true) => assert_eq!(decrypted.unwrap(), text(expected, "plaintext").as_bytes(), "{id}"),
            ("decrypt", false) => assert_eq!(name(decrypted.unwrap_err()), text(expected, "error"), "{id}"),
            // Damaged in the middle: the padding holds, so only the signature and the parser can tell.
            ("decrypt_json", false) => {
                assert!(serde_json::from_slice::<Value>(&decrypted.unwrap()).is_err(), "{id}");
                let body = json!({ "encrypt": text(input, "encrypt") }).to_string();
                let rejected = verify_rejection(&settings(input), &[], &body);
                assert!(matches!(rejected, Rejected::NotJson | Rejected::NotUtf8), "{id}: {rejected:?}");
            }
            other => panic!("{id}: {other:?}"),
        }
    });
}

#[test]
fn signatures() {
    each("feishu-signature.json", 18, |id, kind, input, expected, valid| {
        let headers = headers(input);
        let header = |name: &str| headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
        let (timestamp, nonce) = (header("x-lark-request-timestamp"), header("x-lark-request-nonce"));
        let (signature, body) = (header("x-lark-signature"), text(input, "body"));
        let checked = match kind {
            "card_v1_signature" => {
                let token = text(input, "verification_token");
                feishu::check_card_v1_signature(timestamp, nonce, token, body.as_bytes(), signature)
            }
            "header_signature" | "header_signature_freshness" => {
                let now = input["now_unix"].as_u64().map_or(NOW, |seconds| Timestamp(seconds * 1000));
                let raw = Raw::post(&headers, body.as_bytes());
                feishu::check_headers(&settings(input), &raw, now)
            }
            other => panic!("{id}: {other}"),
        };
        match checked {
            Ok(()) => assert!(valid, "{id}"),
            Err(rejected) => assert_eq!((valid, name(rejected)), (false, text(expected, "error")), "{id}"),
        }
    });
}

#[test]
fn a_signature_is_good_for_a_day() {
    let (sent_s, key) = (NOW.0 / 1000, "k");
    let signature = hex(&Sha256::digest(format!("{sent_s}n{key}{{}}")));
    let headers = [
        ("x-lark-signature".to_owned(), signature),
        ("x-lark-request-timestamp".to_owned(), sent_s.to_string()),
        ("x-lark-request-nonce".to_owned(), "n".to_owned()),
    ];
    for (age_s, expected) in [(86_400, Ok(())), (86_401, Err(Rejected::Stale))] {
        let now = NOW.plus_ms(age_s * 1000);
        let settings = settings(&json!({ "encrypt_key": key }));
        assert_eq!(feishu::check_headers(&settings, &Raw::post(&headers, b"{}"), now), expected, "{age_s}");
    }
}

#[test]
fn webhook_requests() {
    each("feishu-webhook-requests.json", 7, |id, _, input, expected, valid| {
        let account =
            Account { id: "main".parse().unwrap(), default_user: None, platform: Platform::Feishu(settings(input)) };
        let headers = headers(input);
        let raw = Raw::post(&headers, text(input, "body").as_bytes());
        let received = platform::receive(&account, &raw, NOW);
        assert_eq!((received.is_ok(), valid), (expected["http_ok"] == json!(true), received.is_ok()), "{id}");
        if let Ok(inbound) = received {
            let reply: Value = serde_json::from_str(&platform::ack(&account, &inbound).body).unwrap();
            assert_eq!(&reply, expected.get("body_json").unwrap_or(&json!({})), "{id}");
        }
    });
}

#[test]
fn events() {
    each("feishu-events.json", 23, |id, kind, input, expected, valid| {
        let event = parse(&input["event"]);
        if !valid {
            let name = match event.unwrap_err() {
                NoEvent::Malformed(Malformed::BadContent) => "bad_content",
                NoEvent::Malformed(Malformed::UnknownEnvelope) => "unknown_envelope",
                other => panic!("{id}: {other:?}"),
            };
            assert_eq!(name, text(expected, "error"), "{id}");
            return;
        }
        match (kind, event.unwrap()) {
            ("im_message_receive_v1", Event::Message(received)) => check_message(id, input, expected, &received),
            ("event_v1", Event::Message(received)) => {
                assert_eq!(received.dedupe_key, text(expected, "dedupe_key"), "{id}");
                assert_eq!(received.content, Content::Text("hello".into()), "{id}");
            }
            ("card_action_trigger", Event::CardAction(card)) => {
                let actual = json!({
                    "value": card.action.value,
                    "name": card.action.name,
                    "form_value": card.action.form_value,
                    "option": card.action.option,
                    "open_id": card.operator.open_id,
                    "message_id": card.context.open_message_id,
                    "chat_id": card.context.open_chat_id,
                    "token_prefix": &card.token[..2],
                });
                for (field, value) in expected.as_object().unwrap() {
                    assert_eq!(&actual[field], value, "{id}: {field}");
                }
            }
            other => panic!("{id}: {other:?}"),
        }
    });
}

#[test]
fn greetings() {
    let (opened, added) = ("im.chat.access_event.bot_p2p_chat_entered_v1", "im.chat.member.bot.added_v1");
    let check = |kind: &str, chat: &str, last: Option<&str>, expected: Result<Option<&str>, &'static str>| {
        let event = json!({ "chat_id": chat, "operator_id": { "open_id": "ou_1" }, "last_message_id": last });
        match (received(kind, event), expected) {
            (Inbound::Entered { sender, group, conversation, origin }, Ok(expected)) => {
                assert_eq!((sender.as_str(), group.as_deref()), ("ou_1", expected), "{kind} {chat}");
                assert_eq!((conversation.as_str(), origin.message.as_str()), (&*format!("feishu:main:{chat}"), chat));
            }
            (inbound, Err(why)) => assert_eq!(inbound, Inbound::Ignored(why), "{kind} {chat}"),
            other => panic!("{kind} {chat}: {other:?}"),
        }
    };
    check(opened, "oc_1", None, Ok(None));
    check(opened, "oc_1", Some(""), Ok(None));
    // It comes at every opening of the chat.
    check(opened, "oc_1", Some("om_1"), Err("event: chat opened again"));
    check(added, "oc_a_b", None, Ok(Some("oc_a_b")));
    for chat in ["ou_1", "oc_1-2", "oc_1.2", "oc_1/../2"] {
        check(added, chat, None, Err("ids of another form"));
    }
}

#[test]
fn what_is_taken_back_and_what_is_stopped() {
    let (conversation, id) = ("feishu:main:oc_1".parse().unwrap(), "feishu:main:om_1".parse().unwrap());
    let recalled =
        |message: &str| received("im.message.recalled_v1", json!({ "message_id": message, "chat_id": "oc_1" }));
    assert_eq!(recalled("om_1"), Inbound::Recall { conversation, id });
    assert_eq!(recalled("om 1"), Inbound::Ignored("ids of another form"));

    // By the button beside an answer that grows.
    let event = json!({
        "operator": { "open_id": "ou_1" }, "token": "c-1", "action": { "value": { "stop": "om_1" }, "tag": "button" },
        "context": { "open_message_id": "om_card", "open_chat_id": "oc_1" },
    });
    let stopped = received("card.action.trigger", event);
    let (conversation, id) = ("feishu:main:oc_1".parse().unwrap(), "feishu:main:om_1".parse().unwrap());
    assert_eq!(stopped, Inbound::Halt { conversation, id, sender: "ou_1".into() });
    let toast = r#"{"toast":{"type":"info","content":"正在停止 · stopping"}}"#;
    assert_eq!(platform::ack(&account(), &stopped).body, toast);
}

#[test]
fn what_is_replied_to() {
    let (longest, too_long) = (format!("om_{}", "a".repeat(197)), format!("om_{}", "a".repeat(198)));
    for (text, parent, root, thread, expected) in [
        ("hi", None, None, None, None),
        ("hi", Some("om_p"), Some("om_p"), None, Some(("om_p", false))),
        ("hi", Some("om_p"), Some("om_r"), None, Some(("om_p", false))),
        ("hi", Some("om_p"), Some("om_r"), Some("omt_1"), Some(("om_p", false))),
        // Every message of a topic replies to what began it.
        ("hi", Some("om_p"), Some("om_p"), Some("omt_1"), Some(("om_p", true))),
        ("", Some("om_p"), Some("om_r"), None, Some(("om_p", false))),
        ("hi", Some(&*longest), None, None, Some((&*longest, false))),
        // They become a part of a path.
        ("hi", Some(&*too_long), None, None, None),
        ("hi", Some("om_p/../x"), None, None, None),
        ("hi", Some(""), None, None, None),
        // To the relay itself.
        ("/stop", Some("om_p"), Some("om_r"), None, None),
    ] {
        let inbound = written(json!({
            "content": json!({ "text": text }).to_string(), "parent_id": parent, "root_id": root, "thread_id": thread,
        }));
        let Inbound::Message { question, replies_to, .. } = inbound else { panic!("{text} {parent:?}") };
        let expected = expected.map(|(message, is_topic)| RepliesTo { message: message.into(), is_topic });
        assert_eq!((question.text.as_str(), replies_to), (text, expected), "{parent:?} {root:?} {thread:?}");
    }
}

#[test]
fn rich_texts_are_markdown_and_files() {
    let content = json!({
        "title": "T",
        "content": [
            [{ "tag": "text", "text": "a " }, { "tag": "a", "text": "b", "href": "https://b.c" }],
            [{ "tag": "at", "user_id": "@_user_1", "user_name": "Ada" }, { "tag": "md", "text": " *c*" }],
            [{ "tag": "img", "image_key": "img_1" }],
            [{ "tag": "media", "file_key": "file_1", "image_key": "img_2" }],
            [{ "tag": "emotion", "emoji_type": "OK" }, { "tag": "unknown", "text": "d" }],
            [{ "tag": "hr" }],
            [{ "tag": "code_block", "language": "RUST", "text": "x\n" }],
        ],
    });
    let mentions = json!([{ "key": "@_user_1", "id": { "open_id": "ou_a" }, "name": "Ada" }]);
    let inbound = written(json!({ "message_type": "post", "content": content.to_string(), "mentions": mentions }));
    let Inbound::Message { question, attached, .. } = inbound else { panic!("{inbound:?}") };
    let text = "**T**\na [b](https://b.c)\n@Ada *c*\n[image img_1]\n[video file_1]\n:OK:\n---\n```rust\nx\n```";
    assert_eq!(question.text, text);
    let files: Vec<_> = attached.iter().map(|file| (file.kind, file.key.as_str())).collect();
    assert_eq!(files, [(FileKind::Image, "om_1/img_1/image"), (FileKind::Video, "om_1/file_1/file")]);
}

/// Of a message that says one name again and again as much is read as may be kept, and its writer hears of the rest.
#[test]
fn long_names_in_many_places() {
    let mentions = json!([{ "key": "@_user_1", "id": { "open_id": "ou_a" }, "name": "n".repeat(1_000) }]);
    let message = |text: &str| message(json!({ "content": json!({ "text": text }).to_string(), "mentions": mentions }));
    let text = "@_user_1".repeat(10_000);
    let Event::Message(long) = parse(&of("im.message.receive_v1", message(&text))).unwrap() else { panic!() };
    assert!((TEXT_BYTES_MAX..TEXT_BYTES_MAX + 1_002).contains(&long.readable(&text, "ou_bot").len()));
    for (after, is_cut) in [("", false), ("@_all", true), ("x", true)] {
        let text = format!("{}@_all{after}", "a".repeat(TEXT_BYTES_MAX - "@all".len()));
        let inbound = received("im.message.receive_v1", message(&text));
        let Inbound::Message { question, .. } = inbound else { panic!("{after}") };
        assert_eq!(question.text.ends_with("cut]"), is_cut, "{after}");
    }
}

#[test]
fn answers_are_cut_as_they_are_sent() {
    // Each is four bytes within a text within a text.
    let outbound = super::outbound("om_1", "feishu:main:oc_1", 2, &"\"".repeat(50_000));
    let part = |part: u32| platform::send(&account(), &Outbound { part, ..outbound.clone() });
    let (first, second) = (part(0).unwrap(), part(1).unwrap());
    assert_eq!((first.is_last, second.is_last, part(2).is_err()), (false, true, true));
    let bytes = first.request.body.unwrap().len();
    assert!((149_990..=150_000).contains(&bytes), "{bytes}");
}

#[test]
fn another_way_of_saying_it() {
    let button = |text: &str| Button { label: text.into(), text: text.into(), style: ButtonStyle::Default };
    let bare = super::outbound("om_1", "feishu:main:oc_1", 2, "**4**");
    let asked = Outbound { buttons: vec![button("yes"), button("no")], ..bare.clone() };
    let instead = |outbound: &Outbound, code: i64| {
        let body = json!({ "code": code, "msg": "no" }).to_string();
        let call = platform::instead(&account(), outbound, &HttpResponse { status: 400, retry_after_s: None, body })?;
        let body: Value = serde_json::from_str(&call.request.body.unwrap()).unwrap();
        Some((text(&body, "msg_type").to_owned(), text(&body, "content").to_owned()))
    };
    // A text as it is; a card in words, which are a rich text again.
    let plain = Some(("text".to_owned(), r#"{"text":"4"}"#.to_owned()));
    let content = r#"{"zh_cn":{"content":[[{"tag":"md","text":"**4**\n\n- yes: `yes`\n- no: `no`"}]]}}"#;
    let words = Some(("post".to_owned(), content.to_owned()));
    for (code, of_text, of_card) in [
        (230001, &plain, &words),
        (230054, &plain, &words),
        (230099, &plain, &words),
        // Too long, or a card that is none.
        (230025, &None, &words),
        (230055, &None, &words),
        (230002, &None, &None),
        (0, &None, &None),
    ] {
        assert_eq!((&instead(&bare, code), &instead(&asked, code)), (of_text, of_card), "{code}");
    }
}

/// Which button, in a chat that may be a group; its answer is said, and shown in place of the buttons.
#[test]
fn a_press() {
    let account = || {
        let settings = settings(&json!({ "verification_token": "v-token" }));
        Account { id: "main".parse().unwrap(), default_user: None, platform: Platform::Feishu(settings) }
    };
    let pressed = |value: Value, message: &str| {
        let event = json!({
            "operator": { "tenant_key": "t", "open_id": "ou_a", "union_id": "on_a" },
            "token": "c-1", "action": { "value": value, "tag": "button" }, "host": "im_message",
            "context": { "open_message_id": message, "open_chat_id": "oc_1" },
        });
        let header = json!({ "event_id": "e", "event_type": "card.action.trigger", "token": "v-token" });
        let body = json!({ "schema": "2.0", "header": header, "event": event }).to_string();
        platform::receive(&account(), &Raw::post(&[], body.as_bytes()), NOW).unwrap()
    };
    let Inbound::Chosen { group, press, receipt } = pressed(json!({ "choice": "2.1.pn8R0j0T" }), "om_card") else {
        panic!()
    };
    let expected = json!({
        "choice": { "seq": 2, "index": 1, "mark": "pn8R0j0T" }, "conversation": "feishu:main:oc_1", "via": "feishu",
        "sender": "ou_a", "name": null, "group": null, "origin": { "account": "main", "message": "om_card" },
    });
    assert_eq!((serde_json::to_value(&press).unwrap(), group.as_deref()), (expected, Some("oc_1")));
    for (value, message, why) in [
        (json!({ "choice": "2.1" }), "om_card", "card action"),
        (json!({ "say": "yes" }), "om_card", "card action"),
        (json!("2.1.pn8R0j0T"), "om_card", "card action"),
        (json!({ "choice": "2.1.pn8R0j0T" }), "om_card/../x", "ids of another form"),
    ] {
        assert_eq!(pressed(value.clone(), message), Inbound::Ignored(why), "{value} {message}");
    }

    let fresh = Fresh { now: NOW, nonce: String::new(), random: [0; 16] };
    let says = |pressed: &Pressed| platform::pressed(&account(), &receipt, pressed, &fresh).unwrap().body;
    let taken = Pressed::Taken { label: "Yes".into(), text: "**Sure?** <at id=all></at>".into() };
    let text = r#"{"tag":"markdown","element_id":"answer","content":"**Sure?** ＜at id=all>＜/at>"}"#;
    let chosen = r#"{"tag":"div","text":{"tag":"plain_text","content":"✓ Yes"}}"#;
    let config = r#"{"update_multi":true,"streaming_mode":false}"#;
    let card = format!(r#"{{"schema":"2.0","config":{config},"body":{{"elements":[{text},{chosen}]}}}}"#);
    let toast = r#"{"type":"success","content":"收到 · got it"}"#;
    assert_eq!(says(&taken), format!(r#"{{"toast":{toast},"card":{{"type":"raw","data":{card}}}}}"#));
    for (pressed, words) in [(Pressed::Late, "already answered"), (Pressed::Gone, "not for you")] {
        let said = says(&pressed);
        assert!(said.contains(words) && said.contains("warning") && !said.contains("card"), "{said}");
    }
}

/// Schema 1.0 says that the bot is mentioned without a placeholder: nothing is replaced by it, and reading ends.
#[test]
fn a_mention_without_a_placeholder() {
    let inbound = old_message("om_1", "hi @_all and @_user_1");
    let Inbound::Message { question, .. } = inbound else { panic!("{inbound:?}") };
    assert_eq!(question.text, "hi @all and @_user_1");
}

/// An id that would lead elsewhere as a part of a path.
#[test]
fn a_message_id_that_is_none() {
    assert_eq!(old_message("../../auth", "hi"), Inbound::Ignored("ids of another form"));
}

/// In schema 1.0, too, only groups need a mention.
#[test]
fn old_messages_from_chats_of_two() {
    let Inbound::Message { question, group, .. } = old_message_in("private", false, "om_1", "hi") else { panic!() };
    assert_eq!((question.text.as_str(), question.group, group), ("hi", false, None));
    let unmeant = old_message_in("group", false, "om_1", "hi");
    assert_eq!(unmeant, Inbound::Ignored("the bot is not mentioned"));
    let Inbound::Message { group, .. } = old_message("om_1", "hi") else { panic!() };
    assert_eq!(group.as_deref(), Some("oc_1"));
}

/// A message of schema 1.0 in a group, which mentions the bot.
fn old_message(message_id: &str, text: &str) -> Inbound {
    old_message_in("group", true, message_id, text)
}

fn old_message_in(chat_type: &str, is_mention: bool, message_id: &str, text: &str) -> Inbound {
    let event = json!({
        "uuid": "u1", "token": "", "type": "event_callback",
        "event": {
            "type": "message", "open_id": "ou_1", "open_chat_id": "oc_1", "open_message_id": message_id,
            "chat_type": chat_type, "msg_type": "text", "text_without_at_bot": text, "is_mention": is_mention,
        },
    });
    feishu::normalise(&"main".parse().unwrap(), &settings(&Value::Null), parse(&event).unwrap())
}

/// Longer than a question may be: cut between characters, and says so.
#[test]
fn a_text_that_is_too_long_is_cut() {
    let cut = platform::cut("好".repeat(100_000));
    assert!(cut.len() <= protocol::limit::TEXT_BYTES_MAX && cut.ends_with("cut]"));
    assert_eq!(platform::cut("short".into()), "short");
}

#[test]
fn long_connection_frames() {
    each("feishu-ws-frame.json", 19, |id, kind, input, expected, valid| {
        if kind == "reassemble" {
            let frames: Vec<Frame> =
                input["hex_frames"].as_array().unwrap().iter().map(|hex| Frame::decode(&unhex(hex)).unwrap()).collect();
            assert_eq!(reassemble(&frames).unwrap(), text(expected, "payload_utf8").as_bytes(), "{id}");
            assert_eq!(reassemble(&frames[..1]), None, "{id}");
            return;
        }
        let bytes = unhex(&input["hex"]);
        if !valid {
            let error = match Frame::decode(&bytes).unwrap_err() {
                // A cut frame and a length that points past the end are one thing to a reader.
                FrameError::Truncated => ["truncated", "length_exceeds_buffer"],
                FrameError::MissingRequiredField(4) => ["missing_required_field_4"; 2],
                FrameError::MissingRequiredFields => ["missing_required_fields"; 2],
                FrameError::MissingRequiredHeaderValue => ["missing_required_header_value"; 2],
                FrameError::VarintTooLong => ["varint_too_long"; 2],
                other => panic!("{id}: {other:?}"),
            };
            assert!(error.contains(&text(expected, "error")), "{id}: {error:?}");
            return;
        }
        let frame = Frame::decode(&bytes).unwrap();
        let fields = &expected["fields"];
        let payload = frame.payload.clone();
        let actual = json!({
            "SeqID": frame.seq_id.to_string(),
            "LogID": frame.log_id.to_string(),
            "service": frame.service,
            "method": frame.method,
            "headers": frame.headers,
            "payload_encoding": frame.payload_encoding,
            "payload_type": frame.payload_type,
            "LogIDNew": frame.log_id_new,
            "payload_hex": payload.as_ref().map(|bytes| hex(bytes)),
            "payload_utf8": payload.and_then(|bytes| String::from_utf8(bytes).ok()),
        });
        for (field, value) in fields.as_object().unwrap() {
            assert_eq!(&actual[field], value, "{id}: {field}");
        }
        if id != "unknown-fields-skipped" {
            assert_eq!(frame.encode(), bytes, "{id}");
        }
        if let Some(decoded) = expected.get("data_decoded") {
            let answer: Value = serde_json::from_slice(&frame.payload.unwrap()).unwrap();
            let data = Base64::decode_vec(text(&answer, "data")).unwrap();
            assert_eq!(&serde_json::from_slice::<Value>(&data).unwrap(), decoded, "{id}");
        }
    });
}

/// Fields of later versions, of either fixed length.
#[test]
fn frames_of_later_versions_are_read() {
    let headers = vec![("type".to_owned(), "event".to_owned())];
    let frame = Frame { seq_id: 1, service: 2, method: 1, headers, payload: Some(b"{}".to_vec()), ..Frame::default() };
    let mut bytes = frame.encode();
    bytes.extend([15 << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8, 15 << 3 | 5, 1, 2, 3, 4]);
    assert_eq!(Frame::decode(&bytes), Ok(frame));
    bytes.pop();
    assert_eq!(Frame::decode(&bytes), Err(FrameError::Truncated));
    assert_eq!(Frame::decode(&[15 << 3 | 3]), Err(FrameError::WireType));
}

fn check_message(id: &str, input: &Value, expected: &Value, received: &Received) {
    let bot = text(input, "bot_open_id");
    let body = match &received.content {
        Content::Text(body) => Some(received.readable(body, bot)),
        Content::Resource(_) | Content::Unsupported => None,
    };
    let resource = match &received.content {
        Content::Resource(resource) => {
            let mut json = json!({ "key": resource.key, "type": resource.kind });
            if let Some(name) = &resource.name {
                json["name"] = json!(name);
            }
            (json, resource.duration_ms)
        }
        Content::Text(_) | Content::Unsupported => (Value::Null, None),
    };
    let inbound = feishu::normalise(&"main".parse().unwrap(), &settings(input), parse(&input["event"]).unwrap());
    if let Inbound::Message { question, .. } = &inbound {
        assert_eq!((&question.name, question.group), (&None, !received.is_direct), "{id}");
    }
    for (field, value) in expected.as_object().unwrap() {
        let actual = match field.as_str() {
            "dedupe_key" => json!(received.dedupe_key),
            "chat_id" => json!(received.chat_id),
            "chat_type" => json!(if received.is_direct { "p2p" } else { "group" }),
            "sender_open_id" => json!(received.sender_open_id),
            "sender_type" => json!(if received.sender_is_bot { "bot" } else { "user" }),
            "message_type" => json!(received.message_type),
            "mentions_bot" => json!(received.mentions(bot)),
            "mentioned_open_ids" => json!(received.mentions.iter().map(|m| &m.open_id).collect::<Vec<_>>()),
            "root_id" => json!(received.root_id),
            "parent_id" => json!(received.parent_id),
            "thread_id" => json!(received.thread_id),
            "text" => json!(body),
            "resource" => resource.0.clone(),
            "duration_ms" => json!(resource.1),
            // Told by what becomes of it.
            "loop_guard" => json!(inbound == Inbound::Ignored("sent by a bot")),
            "supported" => json!(inbound != Inbound::Ignored("message type")),
            "content_is_json" => json!(received.content != Content::Unsupported),
            "title" => json!(body.as_ref().unwrap().lines().next().unwrap().trim_matches('*')),
            "image_keys" | "links" | "text_contains" => {
                for part in value.as_array().unwrap() {
                    assert!(body.as_ref().unwrap().contains(part.as_str().unwrap()), "{id}: {field}: {body:?}");
                }
                continue;
            }
            "mentions_all" => json!(body.as_ref().unwrap().contains("@all")),
            // Read from the text as sent, and from the header that the relay does not use.
            "text_raw" | "event_id" => continue,
            other => panic!("{id}: {other}"),
        };
        assert_eq!(&actual, value, "{id}: {field}");
    }
}

/// A message to the bot, of someone who writes to it alone.
fn written(fields: Value) -> Inbound {
    received("im.message.receive_v1", message(fields))
}

fn message(fields: Value) -> Value {
    let mut message = json!({ "message_id": "om_1", "chat_id": "oc_1", "chat_type": "p2p", "message_type": "text" });
    message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({ "sender": { "sender_id": { "open_id": "ou_1" }, "sender_type": "user" }, "message": message })
}

/// What an event of schema 2.0 means.
fn received(kind: &str, event: Value) -> Inbound {
    let settings = settings(&json!({ "bot_open_id": "ou_bot" }));
    feishu::normalise(&"main".parse().unwrap(), &settings, parse(&of(kind, event)).unwrap())
}

fn of(kind: &str, event: Value) -> Value {
    json!({ "schema": "2.0", "header": { "event_id": "e", "event_type": kind }, "event": event })
}

fn account() -> Account {
    Account { id: "main".parse().unwrap(), default_user: None, platform: Platform::Feishu(settings(&json!({}))) }
}

/// Reads a plain event through `verify`, as any other.
fn parse(event: &Value) -> Result<Event, NoEvent> {
    let settings = Settings { verification_token: String::new(), ..settings(&Value::Null) };
    let body = event.to_string();
    let raw = Raw::post(&[], body.as_bytes());
    let verified = feishu::verify(&settings, &raw, NOW).map_err(NoEvent::Rejected)?;
    feishu::parse(verified).map_err(NoEvent::Malformed)
}

fn verify_rejection(settings: &Settings, headers: &[(String, String)], body: &str) -> Rejected {
    feishu::verify(settings, &Raw::post(headers, body.as_bytes()), NOW).err().unwrap()
}

fn settings(input: &Value) -> Settings {
    let optional = |key: &str| input.get(key).and_then(Value::as_str).unwrap_or_default();
    serde_json::from_value(json!({
        "app_id": "cli_1",
        "app_secret": "secret",
        "encrypt_key": optional("encrypt_key"),
        "verification_token": optional("verification_token"),
        "bot_open_id": optional("bot_open_id"),
    }))
    .unwrap()
}
