//! What WeCom and WeChat have in common: the cipher of callbacks ("WXBizMsgCrypt"), flat XML, and answers with an
//! `errcode`.

mod answer;
mod card;
mod crypto;
mod fields;
mod media;
mod message;

pub(super) use answer::{Answer, expiring_token, read, read_found};
pub(super) use card::{Tap, card, has_room, outcome, settled};
pub(super) use crypto::check_signature;
pub use crypto::{Key, Opening, signature};
pub(super) use fields::{Fields, cdata};
pub(super) use media::{FILE_HOSTS, download, is_of, located, upload, uploaded};
pub use message::Event;
pub(super) use message::{Checked, button_message, read_event, text_message};

use protocol::object;

use super::{Fresh, Reply};

/// An encrypted answer in a webhook's own response.
pub(super) fn sealed(key: &Key, token: &str, receiver: &str, text: &str, fresh: &Fresh) -> Sealed {
    let encrypt = key.seal(&fresh.random, text, receiver);
    let timestamp = fresh.now.0 / 1000;
    let signature = signature(&[token, &timestamp.to_string(), &fresh.nonce, &encrypt]);
    Sealed { encrypt, signature, timestamp, nonce: fresh.nonce.clone() }
}

/// An encrypted text, and what proves it.
pub(super) struct Sealed {
    encrypt: String,
    signature: String,
    /// Seconds.
    timestamp: u64,
    nonce: String,
}

impl Sealed {
    /// As apps and official accounts answer.
    pub(super) fn xml(&self) -> Reply {
        let Sealed { encrypt, signature, timestamp, nonce } = self;
        let (encrypt, signature, nonce) = (cdata(encrypt), cdata(signature), cdata(nonce));
        Reply::xml(format!(
            "<xml><Encrypt>{encrypt}</Encrypt><MsgSignature>{signature}</MsgSignature>\
             <TimeStamp>{timestamp}</TimeStamp><Nonce>{nonce}</Nonce></xml>"
        ))
    }

    /// As AI bots answer: mind `msgsignature`, and that the time is a number.
    pub(super) fn json(&self) -> Reply {
        let Sealed { encrypt, signature, timestamp, nonce } = self;
        Reply::json(object! {
            "encrypt": encrypt, "msgsignature": signature, "timestamp": timestamp, "nonce": nonce,
        })
    }
}
