//! What each kind of account can do: one question at a time, to an account of every platform and variant.

use std::fmt::Debug;

use crate::support::accounts::{ACCOUNTS, account, outbound, response, with};
use protocol::Timestamp;
use protocol::api::Chats;
use relay::platform::wx::Key;
use relay::platform::{self, Account, Auth, Counts, Fresh, HttpRequest, HttpResponse, Inbound, Method, may_run_out};
use serde_json::{Value, json};

/// Asks every account. Those that are named answer as told, all others `otherwise`.
fn ask<T: Debug + PartialEq>(question: impl Fn(&Account) -> T, named: &[(&str, T)], otherwise: &T) {
    for (name, _) in named {
        account(name);
    }
    for (name, _) in ACCOUNTS {
        let expected = named.iter().find(|(known, _)| *known == name).map_or(otherwise, |(_, answer)| answer);
        assert_eq!(&question(&account(name)), expected, "{name}");
    }
}

#[test]
fn webhooks_come_as_each_platform_sends_them() {
    let feishu = ["x-lark-signature", "x-lark-request-timestamp", "x-lark-request-nonce"];
    let qq = ["x-signature-ed25519", "x-signature-timestamp"];
    ask(
        |account| platform::headers(account).to_vec(),
        &[
            ("dingtalk", vec!["sign", "timestamp"]),
            ("feishu", feishu.to_vec()),
            ("qq", qq.to_vec()),
            ("qq, unasked", qq.to_vec()),
            ("telegram", vec!["x-telegram-bot-api-secret-token"]),
        ],
        &vec![],
    );
    let posts = || vec!["POST"];
    ask(
        |account| platform::methods(account).iter().map(|method| Method::as_str(*method)).collect(),
        &[("dingtalk", posts()), ("feishu", posts()), ("qq", posts()), ("qq, unasked", posts()), ("telegram", posts())],
        // These check an address by GET.
        &vec!["GET", "POST"],
    );
    ask(platform::is_json, &[("feishu", true), ("telegram", true)], &false);
}

#[test]
fn webhooks_are_acknowledged_as_each_platform_wants_it() {
    const JSON: &str = "application/json; charset=utf-8";
    const TEXT: &str = "text/plain; charset=utf-8";
    let said = |inbound: Inbound| {
        move |account: &Account| {
            let reply = platform::ack(account, &inbound);
            (reply.content_type, reply.body)
        }
    };
    let json = |body: &str| (JSON, body.to_owned());
    let text = |body: &str| (TEXT, body.to_owned());
    // Of QQ's the signature is made before, and DingTalk and Telegram check no address.
    let echo = r#"{"echo":1}"#;
    ask(
        said(Inbound::Challenge(echo.into())),
        &[
            ("dingtalk", json("{}")),
            ("feishu", json(r#"{"challenge":"{\"echo\":1}"}"#)),
            ("qq", json(echo)),
            ("qq, unasked", json(echo)),
            ("telegram", json("{}")),
        ],
        &text(echo),
    );
    ask(
        said(Inbound::Ignored("event type")),
        &[
            ("dingtalk", json("{}")),
            ("feishu", json("{}")),
            ("qq", json(r#"{"op":12,"d":0}"#)),
            ("qq, unasked", json(r#"{"op":12,"d":0}"#)),
            ("telegram", json("{}")),
            ("wechat", text("success")),
            ("wechat, unverified", text("success")),
            ("wechat, by calls", text("success")),
        ],
        &text(""),
    );
}

/// Each platform waits 5 s, and a bot's asks again at once.
#[test]
fn a_webhook_waits_where_its_response_takes_an_answer() {
    ask(
        platform::hold_ms,
        &[
            ("wechat", Some(4_500)),
            ("wechat, unverified", Some(4_500)),
            ("wecom", Some(4_000)),
            ("wecom-bot", Some(1_000)),
        ],
        &None,
    );
    ask(
        platform::again_ms,
        &[
            ("wechat", 2_500),
            ("wechat, unverified", 2_500),
            ("wechat, by calls", 2_500),
            ("wecom-bot", 10_000),
            ("wecom-bot, by calls", 10_000),
        ],
        &500,
    );
    // The third attempt begins after 10 s, and is the last.
    for (age_ms, expected) in [(0, true), (11_999, true), (12_000, false)] {
        ask(
            |account| platform::asks_again(account, age_ms),
            &[("wechat", expected), ("wechat, unverified", expected), ("wechat, by calls", expected)],
            &false,
        );
    }
    ask(platform::keeps, &[("wechat, unverified", true)], &false);
    // Of the 6 min that a stream may take.
    ask(platform::progress_ms, &[("wecom-bot", Some(330_000)), ("wecom-bot, by calls", Some(330_000))], &None);
}

#[test]
fn a_bot_says_hello_in_the_response_where_that_shows_it() {
    let greeting = |account: &Account| {
        let outbound = outbound("o1/gh_1", "Hello");
        let fresh = Fresh { now: Timestamp(1_732_233_600_000), nonce: "n".into(), random: [7; 16] };
        let body = platform::greet(account, &outbound, &fresh)?.body;
        let Ok(sealed) = serde_json::from_str::<Value>(&body) else { return Some(body) };
        let key = Key::read(&"A".repeat(43)).unwrap();
        Some(key.open(sealed["encrypt"].as_str().unwrap(), "").unwrap())
    };
    let xml = "<xml><ToUserName><![CDATA[o1]]></ToUserName><FromUserName><![CDATA[gh_1]]></FromUserName>\
        <CreateTime>1732233600</CreateTime><MsgType><![CDATA[text]]></MsgType>\
        <Content><![CDATA[Hello]]></Content></xml>";
    let (xml, json) = (|| Some(xml.to_owned()), || Some(r#"{"msgtype":"text","text":{"content":"Hello"}}"#.to_owned()));
    ask(
        greeting,
        &[
            ("wechat", xml()),
            ("wechat, unverified", xml()),
            ("wechat, by calls", xml()),
            ("wecom-bot", json()),
            ("wecom-bot, by calls", json()),
        ],
        &None,
    );
}

#[test]
fn chats_are_open_for_as_long_as_the_platform_says() {
    const MINUTE_MS: u64 = 60_000;
    const HOUR_MS: u64 = 60 * MINUTE_MS;
    for (chat, of_qq) in [("c2c-U", 60 * MINUTE_MS), ("group-G", 5 * MINUTE_MS), ("channel-2", 5 * MINUTE_MS)] {
        let open = |account: &Account| {
            platform::open_ms(account, &format!("{}:main:{chat}", account.platform.name()).parse().unwrap())
        };
        let named = [
            ("qq", Some(of_qq)),
            ("wechat", Some(48 * HOUR_MS)),
            ("wechat, by calls", Some(48 * HOUR_MS)),
            ("wecom-bot", Some(HOUR_MS)),
            ("wecom-bot, by calls", Some(HOUR_MS)),
        ];
        ask(open, &named, &None);
    }
    // As operators are told it.
    let windows = |account: &Account| -> Vec<(Chats, u64, u64)> {
        let told = Counts::default().quota(Timestamp(0), account).windows;
        told.iter().map(|window| (window.chats, window.open_ms, window.messages)).collect()
    };
    let qq = || vec![(Chats::Private, HOUR_MS, 4), (Chats::Shared, 5 * MINUTE_MS, 5)];
    let wechat = || vec![(Chats::All, 48 * HOUR_MS, 5)];
    let bot = || vec![(Chats::All, HOUR_MS, 1)];
    ask(
        windows,
        &[
            ("qq", qq()),
            ("qq, unasked", qq()),
            ("wechat", wechat()),
            ("wechat, by calls", wechat()),
            ("wecom-bot", bot()),
            ("wecom-bot, by calls", bot()),
        ],
        &vec![],
    );
}

#[test]
fn quotas_are_counted_for_the_app_that_has_them() {
    // Kept by objects: another name would begin at nothing.
    let app = |account: &Account| {
        let mut counts = Counts::default();
        counts.quota(Timestamp(0), account);
        serde_json::to_value(&counts).unwrap()["app"].as_str().unwrap().to_owned()
    };
    ask(
        app,
        &[
            ("feishu", "cli_1".into()),
            ("qq", "1020".into()),
            ("qq, unasked", "1020".into()),
            ("wechat", "wx1".into()),
            ("wechat, by calls", "wx1".into()),
            ("wecom", "ww1 218".into()),
            ("wecom, by calls", "ww1 218".into()),
        ],
        &String::new(),
    );
    // Of a chat's own quota, and of one for files, messages do not run out.
    ask(
        may_run_out,
        &[("feishu", true), ("wechat", true), ("wechat, by calls", true), ("wecom", true), ("wecom, by calls", true)],
        &false,
    );
    let asked = || {
        let url = "https://api.weixin.qq.com/cgi-bin/openapi/quota/get".to_owned();
        let body = r#"{"cgi_path":"/cgi-bin/message/custom/send"}"#.to_owned();
        Some(HttpRequest::post(url, body, Auth::Query))
    };
    ask(platform::quota_request, &[("wechat", asked()), ("wechat, by calls", asked())], &None);
}

#[test]
fn only_feishu_says_what_a_bot_may_do() {
    let url = "https://open.feishu.cn/open-apis/application/v6/scopes".to_owned();
    ask(platform::scopes_request, &[("feishu", Some(HttpRequest::get(url, Auth::Bearer)))], &None);
    let scope = |name: &str| json!({ "scope_name": name, "grant_status": 1, "scope_type": "tenant" });
    let needed = ["im:message", "im:message.p2p_msg", "im:message.group_at_msg", "im:resource", "cardkit:card:write"];
    let names = "contact:user.base:readonly (what people are called)";
    let answers = "im:message:send_as_bot (answers)";
    for (granted, expected) in [
        ([&needed[..], &["contact:user.base:readonly"]].concat(), (true, "all that it uses are granted".to_owned())),
        (needed.to_vec(), (true, format!("missing: {names}"))),
        (vec!["im:message:readonly"], (false, format!("missing: {answers}"))),
    ] {
        let scopes: Vec<Value> = granted.into_iter().map(scope).collect();
        let answer = response(&json!({ "code": 0, "data": { "scopes": scopes } }));
        let told = |account: &Account| {
            let (is_enough, words) = platform::scopes_told(account, &answer)?;
            Ok((is_enough, words.split(", ").next().unwrap().to_owned()))
        };
        ask(told, &[("feishu", Ok(expected))], &Err("this platform is not asked".to_owned()));
    }
}

/// Empty credentials would let anyone in, and others go nowhere.
#[test]
fn settings_that_cannot_work_are_refused_by_their_names() {
    ask(platform::check, &[], &Ok(()));
    let too_long = "a".repeat(257);
    for (name, field, values) in [
        ("dingtalk", "app_key", &[""][..]),
        ("dingtalk", "app_secret", &[""]),
        ("dingtalk", "robot_code", &[""]),
        ("feishu", "app_id", &[""]),
        ("feishu", "app_secret", &[""]),
        ("feishu", "verification_token", &[""]),
        ("qq", "app_id", &[""]),
        ("qq", "app_secret", &[""]),
        ("qq", "token_base", &["http://a.b", "https://a.b/"]),
        ("telegram", "bot_token", &["", "1", "x:a", "1:", "1:a/b", ":a"]),
        ("telegram", "secret_token", &["", "a b", &too_long]),
        ("wechat", "app_id", &[""]),
        ("wechat", "app_secret", &[""]),
        ("wechat", "token", &[""]),
        ("wechat", "encoding_aes_key", &["short"]),
        ("wecom", "corp_id", &[""]),
        ("wecom", "secret", &[""]),
        ("wecom", "token", &[""]),
        ("wecom", "encoding_aes_key", &["", "short"]),
        ("wecom-bot", "token", &[""]),
        ("wecom-bot", "encoding_aes_key", &["", "short"]),
    ] {
        for value in values {
            let wrong = platform::check(&with(name, &json!({ field: value }))).expect_err(value);
            let fields = wrong.split(':').next().unwrap();
            assert!(fields.contains(field), "{name} {field}: {wrong}");
        }
    }
    for (name, _) in ACCOUNTS {
        for base in ["http://a.b", "https://a.b/", "ftp://a.b", ""] {
            let wrong = platform::check(&with(name, &json!({ "api_base": base })));
            assert!(wrong.is_err_and(|wrong| wrong.starts_with("api_base")), "{name} {base}");
        }
    }
}

/// Refused for the way in which it was said.
#[test]
fn an_answer_is_said_in_another_way_where_there_is_one() {
    let refused = [
        ("feishu", json!({ "code": 230001, "msg": "invalid" })),
        ("qq", json!({ "err_code": 304036, "message": "no markdown" })),
        ("telegram", json!({ "ok": false, "error_code": 400, "description": "can't parse entities" })),
    ];
    for (of, body) in refused {
        let another = |account: &Account| {
            let to = match of {
                "feishu" => "om_1",
                "qq" => "c2c/U/m",
                _ => "5/0/3",
            };
            let response = HttpResponse { status: 400, ..response(&body) };
            platform::instead(account, &outbound(to, "**4**"), &response).is_some()
        };
        let is_of = |name: &'static str| (name, name.split(',').next() == Some(of));
        ask(another, &[is_of("feishu"), is_of("qq"), is_of("qq, unasked"), is_of("telegram")], &false);
    }
}

/// Where replies are counted, the longest answer leaves one for a word of the relay.
#[test]
fn the_longest_answer_leaves_room_for_a_word() {
    let longest = "x".repeat(protocol::limit::TEXT_BYTES_MAX);
    for (name, address, expected) in [
        // 4 replies in private, 5 in a group; 5 customer-service messages.
        ("qq", "c2c/U/m", 3),
        ("qq", "group/G/m", 4),
        ("wechat", "o1/gh_1", 4),
    ] {
        let account = account(name);
        let mut outbound = outbound(address, &longest);
        while !platform::send(&account, &outbound).unwrap().is_last {
            outbound.part += 1;
        }
        assert_eq!(outbound.part + 1, expected, "{name} {address}");
    }
}
