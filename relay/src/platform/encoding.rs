//! Bytes and texts in the forms that platforms want.

use protocol::limit::ID_BYTES_MAX;
use protocol::{AccountId, ConversationId, MessageId};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::auth::encode;

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes of hex in either case.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| Some(digit.to_digit(16)? as u8)).collect();
    let pairs = digits?;
    if pairs.len() % 2 != 0 {
        return None;
    }
    Some(pairs.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

/// Compares in a time that depends on neither text's content.
pub(super) fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

/// A text for a URL: everything but letters, digits and `-._~` is `%XX` (RFC 3986 §2.1).
pub(crate) fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            encoded.push('%');
            encoded.push_str(&hex(&[byte]).to_ascii_uppercase());
        }
    }
    encoded
}

/// The text of [`percent`]. A `+` stays one.
pub(super) fn unpercent(text: &str) -> Option<String> {
    let (first, parts) = text.split_once('%').map_or((text, None), |(first, rest)| (first, Some(rest.split('%'))));
    let mut bytes = first.as_bytes().to_vec();
    for part in parts.into_iter().flatten() {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.extend(unhex(digits)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// Whether a platform's id may become a part of a path or of our own ids as it is.
pub(super) fn is_plain(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= ID_BYTES_MAX
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && !id.bytes().all(|byte| byte == b'.')
}

/// A platform's id as part of ours: as it is, or its hash after an `@` when it has other characters or is long.
pub(super) fn key(id: &str) -> String {
    if is_plain(id) && id.len() <= KEY_BYTES_MAX {
        return id.to_owned();
    }
    ["@", &encode(&Sha256::digest(id.as_bytes()))].concat()
}

/// A question's id, made of the platform's.
pub(super) fn question_id(platform: &str, account: &AccountId, message: &str) -> Option<MessageId> {
    format!("{platform}:{account}:{}", key(message)).parse().ok()
}

/// A conversation's id, made of the platform's for a chat.
pub(super) fn conversation_id(platform: &str, account: &AccountId, chat: &str) -> Option<ConversationId> {
    format!("{platform}:{account}:{}", key(chat)).parse().ok()
}

/// Bytes of a platform's id within ours, beside the names of a platform and an account (64 bytes at most).
const KEY_BYTES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_percent_are_read_as_written() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
        assert_eq!(unhex("000aFF"), Some(vec![0, 10, 255]));
        for wrong in ["0", "0g", "é0"] {
            assert_eq!(unhex(wrong), None, "{wrong}");
        }
        assert_eq!(percent("a-1 +/=你"), "a-1%20%2B%2F%3D%E4%BD%A0");
        assert_eq!(unpercent(&percent("a-1 +/=你%")).as_deref(), Some("a-1 +/=你%"));
    }

    #[test]
    fn ids_of_any_form_become_ours() {
        assert_eq!(key("om_5ce6"), "om_5ce6");
        for hashed in ["a/b=", "", "..", "a:b", "@x", &"x".repeat(101), "你"] {
            let key = key(hashed);
            assert_eq!((key.len(), key.get(..1)), (44, Some("@")), "{hashed}");
        }
        assert_ne!(key("a/b"), key("a=b"));
        let account = "a".repeat(64).parse().unwrap();
        assert!(question_id("wecom-bot", &account, &"x".repeat(1000)).is_some());
        assert!(conversation_id("wecom-bot", &account, &"x".repeat(100)).is_some());
    }
}
