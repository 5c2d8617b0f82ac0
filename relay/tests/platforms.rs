//! Whatever comes from a platform or an agent: no platform's module panics, and what it makes keeps to its limits.

use crate::support::accounts::with;
use proptest::prelude::*;
use protocol::limit::TEXT_BYTES_MAX;
use protocol::{Seq, Timestamp};
use relay::platform::{
    self, Account, Download, Fresh, HttpResponse, Inbound, Method, NoToken, Outbound, Pressed, Raw, Sent, Verdict,
};
use relay::platform::{wx, wx::Key};
use serde_json::{Value, json};

/// One of each platform, and official accounts in both modes.
fn accounts() -> Vec<Account> {
    let none = json!({});
    [
        ("dingtalk", &none),
        ("feishu", &none),
        ("qq, unasked", &json!({ "bot_id": "7" })),
        ("telegram", &json!({ "username": "b" })),
        ("wechat", &none),
        ("wechat", &json!({ "encoding_aes_key": "A".repeat(43) })),
        ("wecom", &none),
        ("wecom-bot", &none),
    ]
    .map(|(name, changes)| with(name, changes))
    .to_vec()
}

/// Pieces of what platforms send, in any order.
fn words() -> impl Strategy<Value = String> {
    let pieces = [
        "<xml>",
        "</xml>",
        "<MsgType>",
        "</MsgType>",
        "text",
        "event",
        "<Content>",
        "</Content>",
        "<![CDATA[",
        "]]>",
        "&amp;",
        "<MsgId>7</MsgId>",
        "<FromUserName>o1</FromUserName>",
        "<MsgType>image</MsgType><MediaId>m</MediaId>",
        "<PicUrl>http://a.qpic.cn/?b</PicUrl>",
        "{\"update_id\":1,\"message\":{\"message_id\":1,\"from\":{\"id\":5},\"chat\":{\"id\":5,\"type\":\"private\"},\"photo\":[{\"file_id\":\"f\"}]}}",
        "{\"ok\":true,\"result\":{\"file_path\":\"a\"},\"downloadUrl\":\"b\",\"video_url\":\"c\",\"media_id\":\"d\"}",
        "<ToUserName>gh_1</ToUserName>",
        "<Encrypt>",
        "</Encrypt>",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\"op\":0",
        "\"op\":13",
        "\"d\":",
        "\"content\":\"hi\"",
        "\"errcode\":0",
        "0",
        "\"code\":",
        "\"ok\":true",
        "{\"msgtype\":\"event\",\"from\":{\"userid\":\"u\"},\"event\":{\"eventtype\":\"template_card_event\",\"template_card_event\":{\"event_key\":\"1.0.12345678 a\",\"task_id\":\"t\"}}}",
        "<MsgType>event</MsgType><Event>template_card_event</Event><EventKey>1.0.12345678</EventKey>",
        "\"result\":{}",
        "<faceType=",
        "ext=\"",
        "<@!7>",
        "你",
        "🚀",
        "\u{0}",
        "%",
        "@b",
        " ",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Nothing that is not signed means anything, and nothing signed is too much.
    #[test]
    fn requests(body in words(), query in words(), signed in any::<bool>(), is_get in any::<bool>()) {
        let now = Timestamp(1_732_233_600_000);
        let method = if is_get { Method::Get } else { Method::Post };
        for account in accounts() {
            // WeChat's plain mode, DingTalk, Telegram and Feishu without encryption prove no body: there it is read.
            let query = if signed {
                format!("signature={}&timestamp=1732233600&nonce=n&{query}", wx::signature(&["t", "1732233600", "n"]))
            } else {
                query.clone()
            };
            let headers = [
                ("sign".to_owned(), platform::dingtalk::sign("s", "1732233600000")),
                ("timestamp".to_owned(), "1732233600000".to_owned()),
                ("x-telegram-bot-api-secret-token".to_owned(), "s".to_owned()),
            ];
            let headers = if signed { &headers[..] } else { &[] };
            let raw = Raw { method, query: &query, headers, body: body.as_bytes() };
            let Ok(inbound) = platform::receive(&account, &raw, now) else { continue };
            platform::ack(&account, &inbound);
            let is_challenge = matches!(inbound, Inbound::Challenge(_));
            prop_assert!(signed || is_challenge || account.platform.name() == "feishu", "{inbound:?}");
            if let Inbound::Message { question, attached, .. } = inbound {
                prop_assert!(question.text.len() <= TEXT_BYTES_MAX);
                prop_assert!(!question.text.is_empty() || !attached.is_empty());
                for file in attached {
                    prop_assert!((1..=1_500).contains(&file.key.len()));
                    let download = platform::download(&account, &file.key);
                    let Some(Download::Ask(request) | Download::Get(request) | Download::Sealed(request, _)) = download else {
                        panic!("{}", file.key)
                    };
                    prop_assert!(request.url.bytes().all(|byte| byte.is_ascii_graphic()));
                }
            }
        }
    }

    /// A cipher of anything, for whom it is meant.
    #[test]
    fn sealed_requests(text in words(), random in any::<[u8; 16]>()) {
        let key = Key::read(&"A".repeat(43)).unwrap();
        for (account, receiver) in accounts().into_iter().zip(["", "", "", "", "", "wx1", "ww1", ""]).skip(5) {
            let encrypt = key.seal(&random, &text, receiver);
            prop_assert_eq!(key.open(&encrypt, receiver), Ok(text.clone()));
            let signature = wx::signature(&["t", "1732233600", "n", &encrypt]);
            let query = format!("msg_signature={signature}&timestamp=1732233600&nonce=n");
            let xml = format!("<xml><Encrypt>{encrypt}</Encrypt></xml>");
            let json = json!({ "encrypt": encrypt }).to_string();
            for body in [xml, json] {
                let raw = Raw { query: &query, ..Raw::post(&[], body.as_bytes()) };
                let received = platform::receive(&account, &raw, Timestamp(1_732_233_600_000));
                if let Ok(Inbound::Chosen { receipt, .. }) = received {
                    let fresh = Fresh { now: Timestamp(0), nonce: "n".into(), random };
                    prop_assert!(platform::pressed(&account, &receipt, &Pressed::Gone, &fresh).is_some());
                }
            }
        }
    }

    /// A call counts as done only when the platform says so, and no wait is over the end of time.
    #[test]
    fn responses(body in words(), status in 100u16..600, wait in any::<Option<u64>>()) {
        let response = HttpResponse { status, retry_after_s: wait, body };
        for mut account in accounts() {
            match platform::verdict(&account, &response) {
                Verdict::Sent(Sent::Taken) => prop_assert!(serde_json::from_str::<Value>(&response.body).is_ok()),
                Verdict::Sent(Sent::Later { why, .. } | Sent::Refused(why)) => prop_assert!(!why.is_empty()),
                Verdict::Sent(other) => prop_assert!(false, "{other:?} is not the platform's to say"),
                Verdict::TokenExpired => {}
            }
            if let Err(NoToken::Later(why) | NoToken::Refused(why)) = platform::token(&account, &response) {
                prop_assert!(!why.is_empty());
            }
            let _ = platform::introduce(&mut account, &response);
            if let Some(located) = platform::located(&account, &response) {
                prop_assert!(["http", "https"].contains(&located.url.split_once("://").unwrap().0));
            }
            let _ = platform::uploaded(&account, &response);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any answer to any address: JSON within the platform's limit, the same for every try, until the last part.
    #[test]
    fn answers(text in "\\PC{0,600}", address in words(), times in 1usize..8) {
        let kinds = ["user staff", "om_1", "c2c/U/m", "5/0/3", "o1/gh_1", "o1/gh_1", "zhangsan", "m https://a"];
        let limits = [20_000, 150_000, 4_000 * 4, 4_096 * 4, 2_048, 2_048, 2_048, 20_480];
        let fresh = Fresh { now: Timestamp(0), nonce: text.clone(), random: [7; 16] };
        for ((account, kind), limit) in accounts().iter().zip(kinds).zip(limits) {
            for address in [kind, &address] {
                let origin = serde_json::from_value(json!({ "account": "main", "message": address })).unwrap();
                let text = text.repeat(times);
                let mut outbound = Outbound { origin, conversation: "c".parse().unwrap(), seq: Seq(u64::MAX >> 11), text, files: Vec::new(), buttons: Vec::new(), part: 0, question: None };
                while let Ok(call) = platform::send(account, &outbound) {
                    prop_assert_eq!(platform::send(account, &outbound), Ok(call.clone()));
                    let body: Value = serde_json::from_str(call.request.body.as_deref().unwrap()).unwrap();
                    prop_assert!(longest(&body) <= limit, "{} {}", account.platform.name(), longest(&body));
                    outbound.part += 1;
                    if call.is_last {
                        break;
                    }
                }
                if outbound.part > 0 {
                    prop_assert!(platform::send(account, &outbound).is_err() || account.platform.name() == "wecom-bot");
                }
                platform::passive(account, &outbound, &fresh);
                platform::progress(account, &outbound, &fresh);
            }
        }
    }
}

/// Bytes of the longest text within.
fn longest(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.iter().map(longest).max().unwrap_or(0),
        Value::Object(fields) => fields.values().map(longest).max().unwrap_or(0),
        Value::String(text) => text.len(),
        _ => 0,
    }
}
