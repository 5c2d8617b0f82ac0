//! Feishu's side: accounts as an operator configures them, and bodies encrypted and signed as the platform does it.

use aes::Aes256;
use base64ct::{Base64, Encoding};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockEncryptMut, KeyIvInit};
use protocol::Timestamp;
use protocol::limit::{FILES_MAX, ID_BYTES_MAX, TEXT_BYTES_MAX};
use relay::platform::{self, Account, Inbound, Platform, feishu::Settings};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The moment of every vector in `tests/vectors`.
pub const NOW: Timestamp = Timestamp(1_732_233_600_000);
/// As in the vectors.
pub const ENCRYPT_KEY: &str = "kudryavka";
/// As in the vectors.
pub const TOKEN: &str = "v-token-0001";
/// The bot of the vectors' mentions.
pub const BOT: &str = "ou_bot_0001";

/// An account; without a key, bodies come as they are, and without a token they name none.
pub fn account(encrypt_key: &str, verification_token: &str) -> Account {
    let settings = Settings {
        app_id: "cli_1".into(),
        app_secret: "secret".into(),
        encrypt_key: encrypt_key.into(),
        verification_token: verification_token.into(),
        bot_open_id: BOT.into(),
        streaming: true,
        api_base: "https://open.feishu.cn".into(),
    };
    Account { id: "main".parse().unwrap(), default_user: None, platform: Platform::Feishu(settings) }
}

/// A body as the platform sends it when there is an Encrypt Key, and its headers.
pub fn seal(plaintext: &str) -> (Vec<(String, String)>, Vec<u8>) {
    let key = Sha256::digest(ENCRYPT_KEY);
    let iv = [7; 16];
    let cipher = cbc::Encryptor::<Aes256>::new_from_slices(&key, &iv).unwrap();
    let mut bytes = iv.to_vec();
    bytes.extend(cipher.encrypt_padded_vec_mut::<Pkcs7>(plaintext.as_bytes()));
    let body = format!(r#"{{"encrypt":"{}"}}"#, Base64::encode_string(&bytes)).into_bytes();
    let timestamp = (NOW.0 / 1000).to_string();
    let headers = [
        ("x-lark-signature", signature(&timestamp, "nonce", &body)),
        ("x-lark-request-timestamp", timestamp),
        ("x-lark-request-nonce", "nonce".into()),
    ];
    (headers.map(|(name, value)| (name.to_owned(), value)).to_vec(), body)
}

/// hex(SHA-256(timestamp ‖ nonce ‖ key ‖ body)).
pub fn signature(timestamp: &str, nonce: &str, body: &[u8]) -> String {
    let digest = Sha256::new().chain_update(timestamp).chain_update(nonce).chain_update(ENCRYPT_KEY).chain_update(body);
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What holds for everything that a webhook can mean.
pub fn check(account: &Account, inbound: &Inbound) {
    let reply: Value = serde_json::from_str(&platform::ack(account, inbound).body).expect("an answer is JSON");
    match inbound {
        Inbound::Challenge(challenge) => assert_eq!(reply["challenge"], **challenge),
        Inbound::Ignored(why) => assert!(!why.is_empty()),
        Inbound::Message { sender, question, attached, .. } => {
            assert!(question.text.len() <= TEXT_BYTES_MAX, "{} bytes of text", question.text.len());
            assert!(!question.text.is_empty() || !attached.is_empty(), "a question of nothing");
            assert!(attached.len() <= FILES_MAX, "{} files", attached.len());
            assert_eq!(question.sender.as_ref(), Some(sender));
            assert!(question.id.as_str().starts_with("feishu:main:"));
            assert!(question.conversation.as_str().starts_with("feishu:main:"));
            let origin = question.origin.as_ref().expect("answers go back to the platform");
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            assert!(origin.message.bytes().all(plain), "part of a path: {}", origin.message);
            assert!(origin.message.len() <= ID_BYTES_MAX, "a message's id of {} bytes", origin.message.len());
            assert!(sender.len() <= ID_BYTES_MAX, "a sender's id of {} bytes", sender.len());
        }
        Inbound::Entered { sender, conversation, origin, .. } => {
            assert!(conversation.as_str().starts_with("feishu:main:"));
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            assert!(origin.message.bytes().all(plain), "part of an address: {}", origin.message);
            assert!(sender.len() <= ID_BYTES_MAX, "a sender's id of {} bytes", sender.len());
        }
        Inbound::Chosen { group, press, .. } => {
            assert!(press.conversation.as_str().starts_with("feishu:main:") && press.group.is_none() && group.is_some());
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            assert!(press.origin.message.bytes().all(plain), "part of a path: {}", press.origin.message);
            assert!(press.sender.len() <= ID_BYTES_MAX, "a sender's id of {} bytes", press.sender.len());
        }
        Inbound::Halt { conversation, id, .. } => {
            assert!(id.as_str().starts_with("feishu:main:") && conversation.as_str().starts_with("feishu:main:"));
        }
        Inbound::Refresh { .. } => panic!("Feishu asks for no answers"),
        Inbound::Recall { conversation, id } => {
            assert!(id.as_str().starts_with("feishu:main:") && conversation.as_str().starts_with("feishu:main:"));
        }
    }
}
