//! Accounts of every platform, and what is said to and by them.

use relay::platform::{Account, HttpResponse, Outbound};
use serde_json::{Value, json};

/// By their names in these tests: the platform's, and what makes it another kind of account.
pub const ACCOUNTS: [(&str, &str); 12] = [
    ("dingtalk", r#"{"app_key":"ding1","app_secret":"s"}"#),
    ("feishu", r#"{"app_id":"cli_1","app_secret":"s","verification_token":"t"}"#),
    ("qq", r#"{"app_id":"1020","app_secret":"s"}"#),
    ("qq, unasked", r#"{"app_id":"1020","app_secret":"s","proactive":true}"#),
    ("telegram", r#"{"bot_token":"1:a","secret_token":"s"}"#),
    ("wechat", r#"{"app_id":"wx1","app_secret":"s","token":"t"}"#),
    ("wechat, unverified", r#"{"app_id":"wx1","app_secret":"s","token":"t","customer_service":false}"#),
    ("wechat, by calls", r#"{"app_id":"wx1","app_secret":"s","token":"t","passive":false}"#),
    ("wecom", r#"{"corp_id":"ww1","agent_id":218,"secret":"s","token":"t","encoding_aes_key":"KEY"}"#),
    (
        "wecom, by calls",
        r#"{"corp_id":"ww1","agent_id":218,"secret":"s","token":"t","encoding_aes_key":"KEY","passive":false}"#,
    ),
    ("wecom-bot", r#"{"token":"t","encoding_aes_key":"KEY"}"#),
    ("wecom-bot, by calls", r#"{"token":"t","encoding_aes_key":"KEY","passive":false}"#),
];

/// The account of this name.
pub fn account(name: &str) -> Account {
    with(name, &json!({}))
}

/// The same with some settings changed.
pub fn with(name: &str, changes: &Value) -> Account {
    let (_, settings) = ACCOUNTS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name}"));
    let mut settings: Value = serde_json::from_str(&settings.replace("KEY", &"A".repeat(43))).unwrap();
    (settings["id"], settings["platform"]) = (json!("main"), json!(name.split(',').next()));
    for (field, value) in changes.as_object().unwrap() {
        settings[field] = value.clone();
    }
    serde_json::from_value(settings).unwrap()
}

/// A text on its way to this address of a platform.
pub fn outbound(to: &str, text: &str) -> Outbound {
    let origin = serde_json::from_value(json!({ "account": "main", "message": to })).unwrap();
    Outbound::text(origin, "c".parse().unwrap(), protocol::Seq(2), text.into(), None)
}

/// A platform's response, with status 200.
pub fn response(body: &Value) -> HttpResponse {
    HttpResponse { status: 200, retry_after_s: None, body: body.to_string() }
}
