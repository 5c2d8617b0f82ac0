//! One answer as each platform gets it: `tests/golden/answer.md`, short, and repeated until it takes several parts. What was
//! meant to change is written anew by `BLESS=1 cargo test -p claw-relay-core golden`; read the difference.

use protocol::Seq;
use relay::platform::{self, Account, Outbound};
use serde_json::{Value, json};

#[test]
fn dingtalk() {
    check("dingtalk", json!({ "app_key": "k", "app_secret": "s" }), "user staff", &["msgParam"]);
}

#[test]
fn feishu() {
    check("feishu", json!({ "app_id": "cli_1", "app_secret": "s", "encrypt_key": "k" }), "om_1", &["content"]);
}

#[test]
fn qq_group() {
    check(
        "qq-group",
        json!({ "platform": "qq", "app_id": "1", "app_secret": "s" }),
        "group/G/m",
        &["markdown", "content"],
    );
}

#[test]
fn qq_text() {
    let settings = json!({ "platform": "qq", "app_id": "1", "app_secret": "s", "markdown": false });
    check("qq-text", settings, "c2c/U/m", &["content"]);
}

#[test]
fn qq_channel() {
    check("qq-channel", json!({ "platform": "qq", "app_id": "1", "app_secret": "s" }), "channel/1/m", &["content"]);
}

#[test]
fn telegram() {
    check("telegram", json!({ "bot_token": "1:a", "secret_token": "s" }), "5/0/3", &["text"]);
}

#[test]
fn wechat() {
    check("wechat", json!({ "app_id": "wx", "app_secret": "s", "token": "t" }), "o1/gh_1", &["text", "content"]);
}

#[test]
fn wecom() {
    check("wecom", wecom_settings(true), "zhangsan", &["markdown", "content"]);
}

#[test]
fn wecom_text() {
    check("wecom-text", wecom_settings(false), "zhangsan", &["text", "content"]);
}

#[test]
fn wecom_bot() {
    let settings = json!({ "token": "t", "encoding_aes_key": "A".repeat(43) });
    let url = "m https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=x";
    check("wecom-bot", settings, url, &["markdown", "content"]);
}

fn wecom_settings(markdown: bool) -> Value {
    json!({
        "platform": "wecom", "corp_id": "ww1", "agent_id": 1, "secret": "s", "token": "t",
        "encoding_aes_key": "A".repeat(43), "markdown": markdown,
    })
}

/// Compares what is sent with the file of this name: the text at `path` in each call's body.
fn check(name: &str, mut settings: Value, address: &str, path: &[&str]) {
    settings["id"] = json!("main");
    if settings.get("platform").is_none() {
        settings["platform"] = json!(name);
    }
    let account: Account = serde_json::from_value(settings).unwrap();
    platform::check(&account).unwrap();
    let answer = include_str!("golden/answer.md");
    let short = parts(&account, address, answer, path);
    assert_eq!(short.len(), 1, "{name}");
    let long = parts(&account, address, &answer.repeat(6), path);
    let actual = format!(
        "{}\n\n======== six times, in {} parts ========\n{}\n",
        short[0],
        long.len(),
        long.join("\n======== next part ========\n"),
    );
    let file = format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &actual).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(actual == expected, "{name}: not as in {file}:\n{actual}");
}

fn parts(account: &Account, address: &str, text: &str, path: &[&str]) -> Vec<String> {
    let mut parts = Vec::new();
    loop {
        let outbound = Outbound {
            part: parts.len() as u32,
            ..Outbound::text(
                serde_json::from_value(json!({ "account": "main", "message": address })).unwrap(),
                "c".parse().unwrap(),
                Seq(2),
                text.to_owned(),
                None,
            )
        };
        let call = platform::send(account, &outbound).unwrap();
        assert_eq!(platform::send(account, &outbound).unwrap(), call, "a retry is the same request");
        let body: Value = serde_json::from_str(call.request.body.as_deref().unwrap()).unwrap();
        let mut value = &body;
        for key in path {
            value = &value[key];
        }
        let text = value.as_str().unwrap();
        // DingTalk's parameters and Feishu's content are JSON in JSON.
        let inner = serde_json::from_str::<Value>(text).ok().and_then(|inner| {
            let post = &inner["zh_cn"]["content"][0][0]["text"];
            Some(inner["text"].as_str().or(post.as_str())?.to_owned())
        });
        // WeCom's mark, which nobody sees, would be lost in an editor.
        let shown = inner.unwrap_or_else(|| text.replace('\u{200b}', "0").replace('\u{200c}', "1"));
        parts.push(shown);
        if call.is_last {
            return parts;
        }
    }
}
