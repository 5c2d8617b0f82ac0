//! What the platforms beside Feishu send: a character says which account, another whether it proves itself as that platform
//! does, the rest is the body, or what is sealed in it.
//!
//! Holds: no panic; nothing unsigned means anything; texts and ids are within their limits, and addresses of files are ones.
#![no_main]

use claw_relay_fuzz::{long_text, memory};
use ed25519_dalek::{Signer, SigningKey};
use protocol::limit::{FILES_MAX, ID_BYTES_MAX, TEXT_BYTES_MAX};
use protocol::{Timestamp, json};
use relay::platform::{Account, Download, Fresh, Inbound, Pressed, Raw, ack, dingtalk, download, pressed, receive, wx};

const NOW: Timestamp = Timestamp(1_732_233_600_000);
const AES_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const ACCOUNTS: [&str; 8] = [
    r#"{"id":"main","platform":"dingtalk","app_key":"k","app_secret":"s"}"#,
    r#"{"id":"main","platform":"qq","app_id":"1","app_secret":"s"}"#,
    r#"{"id":"main","platform":"telegram","bot_token":"1:a","secret_token":"s","username":"b"}"#,
    r#"{"id":"main","platform":"wechat","app_id":"wx1","app_secret":"s","token":"t"}"#,
    r#"{"id":"main","platform":"wechat","app_id":"wx1","app_secret":"s","token":"t","encoding_aes_key":"KEY"}"#,
    r#"{"id":"main","platform":"wecom","corp_id":"ww1","agent_id":1,"secret":"s","token":"t","encoding_aes_key":"KEY"}"#,
    r#"{"id":"main","platform":"wecom-bot","token":"t","encoding_aes_key":"KEY"}"#,
    r#"{"id":"main","platform":"qq","app_id":"1","app_secret":"s","markdown":false,"proactive":true}"#,
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| memory::within(64, || run(data)));

fn run(data: &[u8]) {
    let [which, signed, body @ ..] = data else { return };
    let (which, is_signed) = (usize::from(which & 7), signed & 3 != 0);
    let account: Account = json::read(&ACCOUNTS[which].replace("KEY", AES_KEY)).expect("settings");
    let text = long_text(body, TEXT_BYTES_MAX + 32_768);
    let (headers, query, body) = request(which, &text);
    let (headers, query) = if is_signed { (headers, query) } else { (Vec::new(), String::new()) };
    let raw = Raw { query: &query, ..Raw::post(&headers, body.as_bytes()) };
    let Ok(inbound) = receive(&account, &raw, NOW) else { return };
    assert!(is_signed, "unsigned, and it means something: {inbound:?}");
    let _ = ack(&account, &inbound);
    check(&account, inbound);
}

/// The request as the platform makes it: headers, query, body.
fn request(which: usize, text: &str) -> (Vec<(String, String)>, String, String) {
    let header = |name: &str, value: String| (name.to_owned(), value);
    let (seconds, ms) = ((NOW.0 / 1000).to_string(), NOW.0.to_string());
    match which {
        0 => (vec![header("sign", dingtalk::sign("s", &ms)), header("timestamp", ms)], String::new(), text.to_owned()),
        1 | 7 => {
            let signature = SigningKey::from_bytes(&[b's'; 32]).sign(format!("{seconds}{text}").as_bytes());
            let hex: String = signature.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            let headers = vec![header("x-signature-ed25519", hex), header("x-signature-timestamp", seconds)];
            (headers, String::new(), text.to_owned())
        }
        2 => (vec![header("x-telegram-bot-api-secret-token", "s".to_owned())], String::new(), text.to_owned()),
        3 => {
            let signature = wx::signature(&["t", &seconds, "n"]);
            (Vec::new(), format!("signature={signature}&timestamp={seconds}&nonce=n"), text.to_owned())
        }
        _ => {
            let receiver = ["wx1", "ww1", ""][which - 4];
            let encrypt = wx::Key::read(AES_KEY).expect("a key").seal(&[7; 16], text, receiver);
            let signature = wx::signature(&["t", &seconds, "n", &encrypt]);
            let body = match which {
                6 => format!(r#"{{"encrypt":"{encrypt}"}}"#),
                _ => format!("<xml><Encrypt>{encrypt}</Encrypt></xml>"),
            };
            (Vec::new(), format!("msg_signature={signature}&timestamp={seconds}&nonce=n"), body)
        }
    }
}

fn check(account: &Account, inbound: Inbound) {
    let prefix = format!("{}:main:", account.platform.name());
    match inbound {
        Inbound::Message { sender, question, attached, .. } => {
            assert!(question.text.len() <= TEXT_BYTES_MAX, "{} bytes of text", question.text.len());
            assert!(!question.text.is_empty() || !attached.is_empty(), "a question of nothing");
            assert!(attached.len() <= FILES_MAX && sender.len() <= ID_BYTES_MAX);
            assert!(question.id.as_str().starts_with(&prefix) && question.conversation.as_str().starts_with(&prefix));
            for file in attached {
                let request = match download(account, &file.key) {
                    Some(Download::Ask(request) | Download::Get(request) | Download::Sealed(request, _)) => request,
                    _ => panic!("a file that nobody can fetch: {}", file.key),
                };
                assert!(request.url.bytes().all(|byte| byte.is_ascii_graphic()), "{}", request.url);
            }
        }
        Inbound::Chosen { press, receipt, .. } => {
            assert!(press.conversation.as_str().starts_with(&prefix) && press.sender.len() <= ID_BYTES_MAX);
            let fresh = Fresh { now: NOW, nonce: "n".into(), random: [7; 16] };
            assert!(pressed(account, &receipt, &Pressed::Gone, &fresh).is_some(), "a press that nothing answers");
        }
        Inbound::Entered { conversation, .. } | Inbound::Recall { conversation, .. } => {
            assert!(conversation.as_str().starts_with(&prefix));
        }
        Inbound::Halt { .. } => panic!("only Feishu has a button that stops"),
        Inbound::Refresh { id, .. } => assert!(id.as_str().starts_with(&prefix)),
        Inbound::Challenge(_) => {}
        Inbound::Ignored(why) => assert!(!why.is_empty()),
    }
}
