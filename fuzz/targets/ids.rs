//! A line that may be an id, a cursor or a number.
//!
//! Holds: no panic; an id keeps to its letters and length, is the same text again, and JSON reads what `parse` reads; a
//! cursor is below 2^53 and the same again, also as text, but for leading zeros.
#![no_main]

use claw_relay_fuzz::{expand, memory, text};
use protocol::limit::ID_BYTES_MAX;
use protocol::{AccountId, AgentId, ConversationId, Cursor, MessageId, Seq, Timestamp, UserId};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::{Debug, Display};
use std::str::FromStr;

libfuzzer_sys::fuzz_target!(|data: &[u8]| memory::within(8, || run(&expand(&text(data), 4096))));

fn run(text: &str) {
    id::<AccountId>(text, AccountId::as_str);
    id::<AgentId>(text, AgentId::as_str);
    id::<ConversationId>(text, ConversationId::as_str);
    id::<MessageId>(text, MessageId::as_str);
    id::<UserId>(text, UserId::as_str);
    if let Some(cursor) = same_in_json::<Cursor>(text) {
        assert!(cursor.epoch < 1 << 53 && cursor.seq.0 < 1 << 53, "{cursor}");
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        let plain = |part: &str| part == "0" || !part.starts_with('0');
        assert_eq!(cursor.to_string() == text, text.split('.').all(plain), "{text}");
    }
    if let Ok(seq) = serde_json::from_str::<Seq>(text) {
        assert_eq!(serde_json::from_str(&serde_json::to_string(&seq).unwrap()).ok(), Some(seq));
        assert!(seq.0 < 1 << 53, "{seq}");
        assert!(Timestamp(seq.0).plus_ms(u64::MAX) >= Timestamp(seq.0));
    }
}

fn id<T: FromStr + Display + Serialize + DeserializeOwned + PartialEq + Debug>(text: &str, as_str: fn(&T) -> &str)
where
    T::Err: Display,
{
    let Some(id) = same_in_json::<T>(text) else { return };
    assert!((1..=ID_BYTES_MAX).contains(&text.len()));
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte)), "{text}");
    assert!(as_str(&id) == text && id.to_string() == text);
}

/// What `parse` makes of a text, which must be what JSON makes of it.
fn same_in_json<T: FromStr + Serialize + DeserializeOwned + PartialEq + Debug>(text: &str) -> Option<T>
where
    T::Err: Display,
{
    let json = serde_json::to_string(text).unwrap();
    let read = serde_json::from_str::<T>(&json);
    match text.parse::<T>() {
        Ok(value) => {
            assert_eq!(read.ok().as_ref(), Some(&value), "{text}");
            assert_eq!(serde_json::from_str::<T>(&serde_json::to_string(&value).unwrap()).ok().as_ref(), Some(&value));
            Some(value)
        }
        Err(error) => {
            assert!(read.is_err() && !error.to_string().is_empty(), "{text}");
            None
        }
    }
}
