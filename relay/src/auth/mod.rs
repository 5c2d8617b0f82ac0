//! Who someone is, and how that is proven: signed tokens, passwords, sealed secrets, codes.
//!
//! Read in this order: [`token`] (every kind of token and what it says), `jwt` (how one is signed and checked),
//! [`password`], [`seal`] (secrets at rest), [`code`] (what people type), [`audit`] (what was done).

pub mod audit;
pub mod code;
mod jwt;
pub mod password;
pub mod provider;
pub mod seal;
mod token;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use jwt::{Keys, Refused, Token};
pub use token::{Access, AgentKey, OauthState, Refresh, Role, Scope, Ticket};

/// A deployment's secret: at least [`SECRET_BYTES_MIN`] bytes that nobody guesses.
#[derive(Clone)]
pub struct Secret(String);

/// Why a secret cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeakSecret;

impl Secret {
    /// The secrets that a setting holds, newest first, apart by white space: the first one signs or seals, the others
    /// are still accepted, so that a secret is changed without anyone being signed out.
    pub fn list(setting: &str) -> Result<Vec<Secret>, WeakSecret> {
        let secrets: Vec<Secret> = setting.split_whitespace().map(|text| Secret(text.to_owned())).collect();
        if secrets.is_empty() || secrets.iter().any(Secret::is_weak) { Err(WeakSecret) } else { Ok(secrets) }
    }

    /// Too short, or the same few characters over and over: not drawn at random.
    fn is_weak(&self) -> bool {
        let mut bytes = self.0.as_bytes().to_vec();
        let is_short = bytes.len() < SECRET_BYTES_MIN;
        bytes.sort_unstable();
        bytes.dedup();
        is_short || bytes.len() < SECRET_CHARACTERS_MIN
    }

    /// Names it without telling it, for tokens and sealed values to say which one made them.
    pub(crate) fn id(&self) -> String {
        encode(self.derive("id").get(..KEY_ID_BYTES).unwrap_or_default())
    }

    /// A key for one purpose. HMAC as the expand step of HKDF (RFC 5869 §2.3) for one block: the secret is uniform.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        let mac = keyed(self.0.as_bytes()).chain_update("claw-relay ").chain_update(purpose).chain_update([1]);
        mac.finalize().into_bytes().into()
    }
}

pub(crate) fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// SHA-256, base64url without padding: how secrets that only need to be recognised are kept.
pub fn hash(secret: &str) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(secret.as_bytes()))
}

/// Compares two secrets in a time that depends on neither's content nor length.
pub fn same_secret(left: &str, right: &str) -> bool {
    Sha256::digest(left.as_bytes()).ct_eq(&Sha256::digest(right.as_bytes())).into()
}

/// Bytes as URL-safe text.
pub fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// The password of `Authorization: Basic …` (RFC 7617).
pub fn basic_password(header: &str) -> Option<String> {
    let pair = String::from_utf8(Base64::decode_vec(header.strip_prefix("Basic ")?).ok()?).ok()?;
    Some(pair.split_once(':')?.1.to_owned())
}

/// The bytes of [`encode`]'s text.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}

/// A secret shorter than this many bytes is refused.
pub const SECRET_BYTES_MIN: usize = 32;
/// A secret with fewer different characters is refused.
const SECRET_CHARACTERS_MIN: usize = 10;
const KEY_ID_BYTES: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_secrets_are_refused() {
        let good = "a secret that has at least thirty-two bytes".replace(' ', "-");
        assert!(Secret::list(&good).is_ok());
        assert_eq!(Secret::list(&format!("{good} \n{good}2")).map(|list| list.len()), Ok(2));
        for weak in ["", "  ", "too-short", &"ab".repeat(40), &format!("{good} short")] {
            assert_eq!(Secret::list(weak).map(|list| list.len()), Err(WeakSecret), "{weak}");
        }
        // As long and as mixed as it has to be, and not quite.
        assert!(Secret::list("0123456789-0123456789-0123456789").is_ok());
        assert!(Secret::list("0123456789-0123456789-012345678").is_err());
        assert!(Secret::list(&"0123456789".repeat(4)).is_ok());
        assert!(Secret::list(&"012345678".repeat(4)).is_err());
    }

    #[test]
    fn a_password_is_what_stands_behind_the_name() {
        let check =
            |header: &str, expected: Option<&str>| assert_eq!(basic_password(header).as_deref(), expected, "{header}");
        check("Basic cm9ib3Q6c2VjcmV0OjE=", Some("secret:1"));
        check("Basic cm9ib3Q6", Some(""));
        check("Basic cm9ib3Q=", None);
        check("Basic !", None);
        check("Bearer cm9ib3Q6c2VjcmV0", None);
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same_secret("abc", "abc"));
        assert!(!same_secret("abc", "abd"));
        assert!(!same_secret("abc", "abcd"));
    }
}
