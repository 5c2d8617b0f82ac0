//! Feishu's side of a webhook: message events, encrypted and signed as the platform does it.

use aes::Aes256;
use base64ct::{Base64, Encoding};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockEncryptMut, KeyIvInit};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::failure::{Result, during};
use crate::payload::Mark;

/// What the app and the relay share.
#[derive(Clone)]
pub struct App {
    /// Encrypts and signs.
    pub encrypt_key: String,
    /// Named in every event.
    pub verification_token: String,
}

/// A signed request.
#[derive(Debug)]
pub struct Signed {
    /// JSON: `{"encrypt":…}`.
    pub body: String,
    /// `X-Lark-Request-Timestamp`, in seconds.
    pub timestamp: String,
    /// `X-Lark-Request-Nonce`.
    pub nonce: String,
    /// `X-Lark-Signature`.
    pub signature: String,
}

impl App {
    /// A direct message to the bot (`im.message.receive_v1`, schema 2.0) from `ou_bench_{object}`.
    pub fn message(&self, mark: Mark, text: &str, now_ms: u64) -> Result<Signed> {
        let (object, number) = (mark.object, mark.number);
        let at = now_ms.to_string();
        let event = json!({
            "schema": "2.0",
            "header": {
                "event_id": format!("ev_bench_{mark}"),
                "event_type": "im.message.receive_v1",
                "create_time": at,
                "token": self.verification_token,
                "app_id": "cli_bench",
                "tenant_key": "2ca1d211f64f6438",
            },
            "event": {
                "sender": {
                    "sender_id": {
                        "union_id": format!("on_bench_{object}"),
                        "user_id": null,
                        "open_id": format!("ou_bench_{object}"),
                    },
                    "sender_type": "user",
                    "tenant_key": "2ca1d211f64f6438",
                },
                "message": {
                    "message_id": format!("om_bench_{object}_{number}"),
                    "create_time": at,
                    "update_time": at,
                    // Questions without an answer are limited per conversation.
                    "chat_id": format!("oc_bench_{object}_{}", number / CHAT_MESSAGES),
                    "chat_type": "p2p",
                    "message_type": "text",
                    "content": json!({ "text": text }).to_string(),
                },
            },
        });
        self.sign(&event.to_string(), &mark.to_string(), now_ms)
    }

    /// `seed` stands in for chance: it makes nonce and IV, which need only differ from request to request here.
    fn sign(&self, event: &str, seed: &str, now_ms: u64) -> Result<Signed> {
        let seed = Sha256::digest(seed);
        let (iv, rest) = seed.split_at(IV_BYTES);
        let key = Sha256::digest(&self.encrypt_key);
        let cipher = cbc::Encryptor::<Aes256>::new_from_slices(&key, iv).map_err(during("encrypting"))?;
        let encrypted = [iv, &cipher.encrypt_padded_vec_mut::<Pkcs7>(event.as_bytes())].concat();
        let body = json!({ "encrypt": Base64::encode_string(&encrypted) }).to_string();
        let timestamp = (now_ms / 1000).to_string();
        let nonce = hex(rest);
        let digest = Sha256::new().chain_update(&timestamp).chain_update(&nonce).chain_update(&self.encrypt_key);
        let signature = hex(&digest.chain_update(&body).finalize());
        Ok(Signed { body, timestamp, nonce, signature })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Messages of one chat: below the relay's limit of open questions per conversation.
const CHAT_MESSAGES: u64 = relay::limit::CONVERSATION_QUESTIONS_MAX as u64;
const IV_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use protocol::Timestamp;
    use relay::platform::{Inbound, Raw, feishu};

    use super::*;
    use crate::payload::Payload;

    #[test]
    fn the_relay_takes_it_for_feishus() {
        let app = App { encrypt_key: "an encrypt key".into(), verification_token: "v-token".into() };
        let (mark, now) = (Mark::posted(3, 401), Timestamp(1_800_000_000_000));
        let text = Payload::new(200).unwrap().text(mark);
        let signed = app.message(mark, &text, now.0).unwrap();
        let settings = feishu::Settings {
            streaming: false,
            app_id: "cli_bench".into(),
            app_secret: "s".into(),
            encrypt_key: app.encrypt_key,
            verification_token: app.verification_token,
            bot_open_id: "ou_bot".into(),
            api_base: "https://open.feishu.cn".into(),
        };
        let headers = [
            ("x-lark-request-timestamp".to_owned(), signed.timestamp),
            ("x-lark-request-nonce".to_owned(), signed.nonce),
            ("x-lark-signature".to_owned(), signed.signature),
        ];
        let raw = Raw::post(&headers, signed.body.as_bytes());
        let event = feishu::parse(feishu::verify(&settings, &raw, now).unwrap()).unwrap();
        let inbound = feishu::normalise(&"bench".parse().unwrap(), &settings, event);
        let Inbound::Message { sender, question, .. } = inbound else { panic!("{inbound:?}") };
        assert_eq!(sender, "ou_bench_3");
        assert_eq!(question.text, text);
        assert_eq!(question.id.as_str(), "feishu:bench:om_bench_3_401");
        assert_eq!(question.conversation.as_str(), "feishu:bench:oc_bench_3_1");
    }
}
