//! Signed tokens: access tokens, agent keys and WebSocket tickets, as JWTs (RFC 7519) with HMAC-SHA256.
//!
//! The algorithm is pinned, each purpose has its own key derived from the deployment's one secret, and the claims are
//! typed, so that a token of one kind is never accepted as another (RFC 8725 §3.1, §3.12).

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use protocol::from_json;
use protocol::json::{FromJson, Json, Object, parse};
use protocol::{AgentId, Timestamp, UserId};
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What a person may do on this deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the deployment: bot accounts, identities.
    Operator,
    /// Their own agents and conversations.
    User,
}

/// A person who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    /// Who.
    #[serde(rename = "sub")]
    pub user: UserId,
    /// As what.
    pub role: Role,
}

/// The right to connect as an agent. Has no end of life. TODO(#5): revocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentKey {
    /// Which agent.
    #[serde(rename = "sub")]
    pub agent: AgentId,
    /// Whose.
    pub user: UserId,
    /// The key's own id, for listing and revoking.
    #[serde(rename = "jti")]
    pub key: String,
    /// The agent's name when the key was made.
    pub name: String,
}

/// The right to open one WebSocket as a device, within [`crate::limit::TICKET_MS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ticket {
    /// Who.
    #[serde(rename = "sub")]
    pub user: UserId,
    /// The ticket's own id: the Hub accepts it once.
    #[serde(rename = "jti")]
    pub id: String,
}

from_json! { words Role { "operator" => Operator, "user" => User } }

from_json! { struct Access { user as "sub", role } }

from_json! { struct AgentKey { agent as "sub", user, key as "jti", name } }

from_json! { struct Ticket { user as "sub", id as "jti" } }

/// Why a token was refused. For logs; a client only hears `unauthorized`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its time is over.
    Expired,
    /// Not a token, another algorithm, claims missing, or signed with another key.
    Forged,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Expired => "expired",
            Refused::Forged => "forged",
        })
    }
}

/// Why a signing secret cannot be used: it has fewer than [`SECRET_BYTES_MIN`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeakSecret;

/// The keys of this deployment, one per purpose.
pub struct Keys {
    access: Hmac<Sha256>,
    agent: Hmac<Sha256>,
    ticket: Hmac<Sha256>,
}

impl Keys {
    /// Derives the keys from the deployment's secret.
    pub fn derive(secret: &str) -> Result<Keys, WeakSecret> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(WeakSecret);
        }
        let key = |purpose: &str| {
            // HMAC as the expand step of HKDF (RFC 5869 §2.3) for one block: the secret is already uniform.
            let mut mac = keyed(secret.as_bytes());
            mac.update(purpose.as_bytes());
            mac.update(&[1]);
            keyed(&mac.finalize().into_bytes())
        };
        Ok(Keys { access: key("claw-relay access"), agent: key("claw-relay agent"), ticket: key("claw-relay ticket") })
    }

    /// An access token that is good until `expires`.
    pub fn sign_access(&self, access: &Access, expires: Timestamp) -> String {
        sign(&self.access, access, Some(expires))
    }

    /// Checks an access token.
    pub fn verify_access(&self, token: &str, now: Timestamp) -> Result<Access, Refused> {
        verify(&self.access, token, Life::Limited(now))
    }

    /// An agent key.
    pub fn sign_agent(&self, key: &AgentKey) -> String {
        sign(&self.agent, key, None)
    }

    /// Checks an agent key.
    pub fn verify_agent(&self, token: &str) -> Result<AgentKey, Refused> {
        verify(&self.agent, token, Life::Unlimited)
    }

    /// A ticket that is good until `expires`, once.
    pub fn sign_ticket(&self, ticket: &Ticket, expires: Timestamp) -> String {
        sign(&self.ticket, ticket, Some(expires))
    }

    /// Checks a ticket's signature and age. That it is used once only the Hub can tell.
    pub fn verify_ticket(&self, token: &str, now: Timestamp) -> Result<Ticket, Refused> {
        verify(&self.ticket, token, Life::Limited(now))
    }
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

/// The bytes of [`encode`]'s text.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}

enum Life {
    Limited(Timestamp),
    Unlimited,
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// RFC 7515 §3.1, compact: header, claims and signature as base64url, joined by dots.
fn sign<T: Serialize>(key: &Hmac<Sha256>, claims: &T, expires: Option<Timestamp>) -> String {
    let mut claims = serde_json::to_string(claims).expect("claims are strings");
    if let Some(Timestamp(ms)) = expires {
        // Before the claims of our own, in the same object.
        claims.insert_str(1, &format!("\"exp\":{},", ms / 1000));
    }
    let mut token = format!("{}.{}", encode(br#"{"alg":"HS256","typ":"JWT"}"#), encode(claims.as_bytes()));
    let signature = key.clone().chain_update(&token).finalize().into_bytes();
    token.push('.');
    token.push_str(&encode(&signature));
    token
}

fn verify<T: FromJson>(key: &Hmac<Sha256>, token: &str, life: Life) -> Result<T, Refused> {
    let claims = verified(key, token).ok_or(Refused::Forged)?;
    let expiration: Option<i64> = match claims.get("exp") {
        Some(seconds) => Some(i64::from_json(seconds.clone()).map_err(|_| Refused::Forged)?),
        None => None,
    };
    match (life, expiration) {
        (Life::Unlimited, None) => {}
        (Life::Limited(Timestamp(now)), Some(seconds)) if (now as i64) < seconds.saturating_mul(1000) => {}
        (Life::Limited(_), Some(_)) => return Err(Refused::Expired),
        _ => return Err(Refused::Forged),
    }
    T::from_json(claims).map_err(|_| Refused::Forged)
}

/// The claims of a token that was signed with this key, by the one algorithm that there is.
fn verified(key: &Hmac<Sha256>, token: &str) -> Option<Json> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    key.clone().chain_update(signed).verify_slice(&decode(signature)?).ok()?;
    let json = |part: &str| parse(std::str::from_utf8(&decode(part)?).ok()?).ok();
    let header: Object = Object::from_json(json(header)?).ok()?;
    // A header that asks for anything but this, or that must be understood and is not (RFC 7515 §4.1.11), is refused.
    if header.get("alg").and_then(Json::as_str) != Some("HS256") || header.get("crit").is_some() {
        return None;
    }
    json(claims)
}

/// A signing secret shorter than this many bytes is refused.
pub const SECRET_BYTES_MIN: usize = 32;
/// Our own tokens are far shorter; anything longer is not worth a signature check.
const TOKEN_BYTES_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn keys() -> Keys {
        Keys::derive("a secret of at least thirty-two bytes").unwrap()
    }

    fn access() -> Access {
        Access { user: "usr_1".parse().unwrap(), role: Role::Operator }
    }

    fn agent() -> AgentKey {
        let user = "usr_1".parse().unwrap();
        AgentKey { agent: "agt_1".parse().unwrap(), user, key: "key_1".into(), name: "laptop".into() }
    }

    /// A token with any header and claims, signed with the right key for access tokens unless told otherwise.
    fn forge(header: &str, claims: &str, key: Option<&[u8]>) -> String {
        let encode = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = match key {
            None => Vec::new(),
            Some(key) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
                mac.update(signed.as_bytes());
                mac.finalize().into_bytes().to_vec()
            }
        };
        format!("{signed}.{}", Base64UrlUnpadded::encode_string(&signature))
    }

    fn access_key() -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"a secret of at least thirty-two bytes").unwrap();
        mac.update(b"claw-relay access\x01");
        mac.finalize().into_bytes().to_vec()
    }

    #[test]
    fn tokens_round_trip_until_they_expire() {
        let keys = keys();
        let token = keys.sign_access(&access(), NOW.plus_ms(1000));
        assert_eq!(keys.verify_access(&token, NOW), Ok(access()));
        assert_eq!(keys.verify_access(&token, NOW.plus_ms(1000)), Err(Refused::Expired));
        assert_eq!(keys.verify_agent(&keys.sign_agent(&agent())), Ok(agent()));
        let ticket = Ticket { user: "usr_1".parse().unwrap(), id: "t1".into() };
        let token = keys.sign_ticket(&ticket, NOW.plus_ms(30_000));
        assert_eq!(keys.verify_ticket(&token, NOW.plus_ms(29_999)), Ok(ticket));
        assert_eq!(keys.verify_ticket(&token, NOW.plus_ms(30_000)), Err(Refused::Expired));
    }

    #[test]
    fn one_kind_is_never_taken_for_another() {
        let keys = keys();
        let agent = keys.sign_agent(&agent());
        let access = keys.sign_access(&access(), NOW.plus_ms(1000));
        assert_eq!(keys.verify_access(&agent, NOW), Err(Refused::Forged));
        assert_eq!(keys.verify_agent(&access), Err(Refused::Forged));
        assert_eq!(keys.verify_ticket(&access, NOW), Err(Refused::Forged));
        let others = Keys::derive("another secret of thirty-two bytes!").unwrap();
        assert_eq!(others.verify_access(&access, NOW), Err(Refused::Forged));
    }

    #[test]
    fn forgeries_are_refused() {
        let keys = keys();
        let claims = r#"{"sub":"usr_1","role":"operator","exp":1900000000}"#;
        let check = |token: &str, expected: Result<Access, Refused>| {
            assert_eq!(keys.verify_access(token, NOW), expected, "{token}");
        };
        check(&forge(r#"{"alg":"HS256"}"#, claims, Some(&access_key())), Ok(access()));
        check(&forge(r#"{"alg":"none"}"#, claims, None), Err(Refused::Forged));
        check(&forge(r#"{"alg":"None"}"#, claims, Some(&access_key())), Err(Refused::Forged));
        check(&forge(r#"{"alg":"HS512"}"#, claims, Some(&access_key())), Err(Refused::Forged));
        check(&forge(r#"{"alg":"HS256"}"#, claims, None), Err(Refused::Forged));
        check(
            &forge(r#"{"alg":"HS256"}"#, claims, Some(b"a secret of at least thirty-two bytes")),
            Err(Refused::Forged),
        );
        // Without an end of life, with a missing claim, or with a role that does not exist.
        let forge = |claims: &str| forge(r#"{"alg":"HS256"}"#, claims, Some(&access_key()));
        check(&forge(r#"{"sub":"usr_1","role":"operator"}"#), Err(Refused::Forged));
        check(&forge(r#"{"role":"operator","exp":1900000000}"#), Err(Refused::Forged));
        check(&forge(r#"{"sub":"usr_1","role":"root","exp":1900000000}"#), Err(Refused::Forged));
        check(&forge(r#"{"sub":"","role":"user","exp":1900000000}"#), Err(Refused::Forged));
        check("", Err(Refused::Forged));
        check("a.b", Err(Refused::Forged));
        check("ä.ö.ü", Err(Refused::Forged));
        check(&"x".repeat(10_000), Err(Refused::Forged));
        let tampered = keys.sign_access(&access(), NOW.plus_ms(1000)).replace('.', "A.");
        check(&tampered, Err(Refused::Forged));
    }

    /// As earlier versions signed them: agent keys have no end of life.
    #[test]
    fn tokens_stay_what_they_were() {
        let keys = keys();
        let (user, name): (UserId, _) = ("usr_1".parse().unwrap(), "lap\"töp".to_owned());
        let key = AgentKey { agent: "agt_1".parse().unwrap(), user: user.clone(), key: "key_1".into(), name };
        let ticket = Ticket { user, id: "t1".into() };
        let access = concat!(
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
            "eyJleHAiOjE4MDAwMDAwMDEsInN1YiI6InVzcl8xIiwicm9sZSI6Im9wZXJhdG9yIn0.",
            "X1ro18W5zM_ly4mV4AG82v0LUhepyWU6LhKbn9n8J54"
        );
        assert_eq!(keys.sign_access(&self::access(), Timestamp(1_800_000_001_234)), access);
        let agent = concat!(
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
            "eyJzdWIiOiJhZ3RfMSIsInVzZXIiOiJ1c3JfMSIsImp0aSI6ImtleV8xIiwibmFtZSI6ImxhcFwidMO2cCJ9.",
            "sfFKVt5qG2Mi4PM5MFSsHoqOcMKSX9OIuEhvRr9zYzM"
        );
        assert_eq!(keys.sign_agent(&key), agent);
        assert_eq!(keys.verify_agent(agent), Ok(key));
        let signed = concat!(
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
            "eyJleHAiOjE4MDAwMDAwMDEsInN1YiI6InVzcl8xIiwianRpIjoidDEifQ.",
            "wJW6rMozK-q3EN9TDC7RO4d9qsGz9_EN2-Gjq6xhiFc"
        );
        assert_eq!(keys.sign_ticket(&ticket, Timestamp(1_800_000_001_999)), signed);
    }

    #[test]
    fn secrets() {
        assert!(Keys::derive("too short").is_err());
        assert!(same_secret("abc", "abc"));
        assert!(!same_secret("abc", "abd"));
        assert!(!same_secret("abc", "abcd"));
    }
}
