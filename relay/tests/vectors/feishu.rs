//! Feishu.

use base64ct::{Base64, Encoding};
use protocol::Timestamp;
use relay::platform::feishu::long_connection::{Frame, FrameError, reassemble};
use relay::platform::feishu::{self, Content, Event, Received, Settings};
use relay::platform::{self, Account, Fresh, Inbound, Malformed, NoEvent, Platform, Pressed, Raw, Rejected};
use serde_json::{Value, json};

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

/// A message of schema 1.0 in a group, which mentions the bot.
fn old_message(message_id: &str, text: &str) -> Inbound {
    let event = json!({
        "uuid": "u1", "token": "", "type": "event_callback",
        "event": {
            "type": "message", "open_id": "ou_1", "open_chat_id": "oc_1", "open_message_id": message_id,
            "chat_type": "group", "msg_type": "text", "text_without_at_bot": text, "is_mention": true,
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
