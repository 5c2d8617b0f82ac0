//! Tokens as JWTs (RFC 7519) with HMAC-SHA256.
//!
//! The algorithm is pinned; each kind of token has a key, a `typ` and an `aud` of its own and typed claims, so that none
//! is taken for another; every claim that is read may be there once (RFC 8725 §3.1, §3.8, §3.9, §3.11, §3.12).

use std::fmt;

use hmac::Mac;
use protocol::Timestamp;
use protocol::json::{FromJson, Json, Object, parse};
use serde::Serialize;

use super::{Secret, WeakSecret, decode, encode, keyed};

/// A kind of token: what it is called, and whether it ends.
pub trait Token: Serialize + FromJson {
    /// In the header's `typ` (`{KIND}+jwt`) and in `aud`; part of what its key is derived from.
    const KIND: &'static str;
    /// Whether it ends: one of a kind that does is refused without an `exp`, and the other way round.
    const ENDS: bool = true;
}

/// Why a token was refused. For logs; a client only hears `unauthorized`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its time is over.
    Expired,
    /// Not a token, another algorithm or kind, claims missing or twice, or signed with another key.
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

/// The signing keys of this deployment, newest first.
#[derive(Clone, Default)]
pub struct Keys(Vec<Secret>);

impl Keys {
    /// From the secrets of the setting `SIGNING_KEY`: see [`Secret::list`].
    pub fn derive(setting: &str) -> Result<Keys, WeakSecret> {
        Secret::list(setting).map(Keys)
    }

    /// A token that says this, from `now` until `expires`. RFC 7515 §3.1, compact: header, claims and signature as
    /// base64url, joined by dots.
    pub fn sign<T: Token>(&self, claims: &T, now: Timestamp, expires: Option<Timestamp>) -> String {
        let secret = self.0.first().expect("Secret::list refuses none");
        let claims = serde_json::to_string(claims).expect("claims are strings and numbers");
        let exp = expires.map(|at| format!("\"exp\":{},", seconds(at))).unwrap_or_default();
        // Ours before those of the kind, in the same object.
        let claims = format!(
            "{{\"iss\":\"{ISSUER}\",\"aud\":\"{}\",\"iat\":{},{exp}{}",
            T::KIND,
            seconds(now),
            claims.get(1..).unwrap_or_default()
        );
        let header = format!("{{\"alg\":\"HS256\",\"kid\":\"{}\",\"typ\":\"{}+jwt\"}}", secret.id(), T::KIND);
        let mut token = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let signature = keyed(&secret.derive(T::KIND)).chain_update(&token).finalize().into_bytes();
        token.push('.');
        token.push_str(&encode(&signature));
        token
    }

    /// What a token of this kind says, if it is one of ours and good now.
    pub fn verify<T: Token>(&self, token: &str, now: Timestamp) -> Result<T, Refused> {
        let mut claims = self.verified::<T>(token).ok_or(Refused::Forged)?;
        let forged = |_| Refused::Forged;
        let issuer: String = claims.take("iss").map_err(forged)?;
        let audience: String = claims.take("aud").map_err(forged)?;
        let issued: i64 = claims.take("iat").map_err(forged)?;
        let not_before: Option<i64> = claims.take("nbf").map_err(forged)?;
        let expires: Option<i64> = claims.take("exp").map_err(forged)?;
        let now_s = seconds(now) as i64;
        // A clock that differs a little between two places of the network.
        let is_early = not_before.unwrap_or(issued).max(issued) > now_s.saturating_add(CLOCK_SKEW_S);
        if issuer != ISSUER || audience != T::KIND || expires.is_some() != T::ENDS || is_early {
            return Err(Refused::Forged);
        }
        if expires.is_some_and(|at| now_s >= at) {
            return Err(Refused::Expired);
        }
        T::from_json(Json::Object(claims)).map_err(forged)
    }

    /// The claims of a token that was signed for this kind, by the one algorithm that there is.
    fn verified<T: Token>(&self, token: &str) -> Option<Object> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let object = |part: &str| Object::from_json(parse(std::str::from_utf8(&decode(part)?).ok()?).ok()?).ok();
        let mut header = object(header)?;
        let mut word = |name: &str| header.take::<String>(name).ok();
        let (algorithm, kid, kind) = (word("alg")?, word("kid")?, word("typ")?);
        // A header that must be understood and is not (RFC 7515 §4.1.11) is refused.
        if algorithm != "HS256" || kind.strip_suffix("+jwt") != Some(T::KIND) || header.get("crit").is_some() {
            return None;
        }
        let secret = self.0.iter().find(|secret| secret.id() == kid)?;
        keyed(&secret.derive(T::KIND)).chain_update(signed).verify_slice(&decode(signature)?).ok()?;
        object(claims)
    }
}

fn seconds(Timestamp(ms): Timestamp) -> u64 {
    ms / 1000
}

const ISSUER: &str = "claw-relay";
const CLOCK_SKEW_S: i64 = 60;
/// Our own tokens are far shorter; anything longer is not worth a signature check.
const TOKEN_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::super::{Access, AgentKey, Refresh, Role, Scope, Ticket};
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";

    fn keys() -> Keys {
        Keys::derive(SECRET).unwrap()
    }

    fn access() -> Access {
        Access { user: "usr_1".parse().unwrap(), role: Role::Operator, session: "ses_1".into() }
    }

    fn agent() -> AgentKey {
        AgentKey {
            agent: "agt_1".parse().unwrap(),
            user: "usr_1".parse().unwrap(),
            key: "key_1".into(),
            name: "lap\"töp".into(),
            scopes: vec![Scope::Receive, Scope::Send],
        }
    }

    /// A token with any header and claims, signed with the key for `purpose`, or not at all.
    fn forge(header: &str, claims: &str, purpose: Option<&str>) -> String {
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let signature = purpose.map(|purpose| {
            let key = Secret::list(SECRET).unwrap()[0].derive(purpose);
            keyed(&key).chain_update(&signed).finalize().into_bytes().to_vec()
        });
        format!("{signed}.{}", encode(&signature.unwrap_or_default()))
    }

    #[test]
    fn tokens_round_trip_until_they_expire() {
        let keys = keys();
        let token = keys.sign(&access(), NOW, Some(NOW.plus_ms(1000)));
        assert_eq!(keys.verify::<Access>(&token, NOW), Ok(access()));
        assert_eq!(keys.verify::<Access>(&token, NOW.plus_ms(999)), Ok(access()));
        assert_eq!(keys.verify::<Access>(&token, NOW.plus_ms(1000)), Err(Refused::Expired));
        let token = keys.sign(&agent(), NOW, None);
        assert_eq!(keys.verify::<AgentKey>(&token, NOW.plus_ms(u64::MAX / 2)), Ok(agent()));
    }

    #[test]
    fn one_kind_is_never_taken_for_another() {
        let keys = keys();
        let agent = keys.sign(&agent(), NOW, None);
        let access = keys.sign(&access(), NOW, Some(NOW.plus_ms(60_000)));
        let refresh = Refresh { user: "usr_1".parse().unwrap(), session: "ses_1".into(), generation: 1 };
        let refresh = keys.sign(&refresh, NOW, Some(NOW.plus_ms(60_000)));
        for other in [&agent, &refresh] {
            assert_eq!(keys.verify::<Access>(other, NOW), Err(Refused::Forged));
        }
        for other in [&agent, &access] {
            assert_eq!(keys.verify::<Refresh>(other, NOW), Err(Refused::Forged));
            assert_eq!(keys.verify::<Ticket>(other, NOW), Err(Refused::Forged));
        }
        assert_eq!(keys.verify::<AgentKey>(&access, NOW), Err(Refused::Forged));
        // An agent key with an end, an access token without one.
        let ending = keys.sign(&self::agent(), NOW, Some(NOW.plus_ms(60_000)));
        assert_eq!(keys.verify::<AgentKey>(&ending, NOW), Err(Refused::Forged));
        let endless = keys.sign(&self::access(), NOW, None);
        assert_eq!(keys.verify::<Access>(&endless, NOW), Err(Refused::Forged));
    }

    #[test]
    fn keys_rotate_without_signing_anyone_out() {
        let old = keys().sign(&access(), NOW, Some(NOW.plus_ms(60_000)));
        let newer = Keys::derive(&format!("another-secret-of-thirty-two-bytes! {SECRET}")).unwrap();
        assert_eq!(newer.verify::<Access>(&old, NOW), Ok(access()));
        let new = newer.sign(&access(), NOW, Some(NOW.plus_ms(60_000)));
        assert_eq!(keys().verify::<Access>(&new, NOW), Err(Refused::Forged), "signed with the newest");
        let without = Keys::derive("another-secret-of-thirty-two-bytes!").unwrap();
        assert_eq!(without.verify::<Access>(&old, NOW), Err(Refused::Forged), "the old one was taken away");
        assert_eq!(without.verify::<Access>(&new, NOW), Ok(access()));
    }

    /// RFC 8725, case by case.
    #[test]
    fn forgeries_are_refused() {
        let keys = keys();
        let kid = Secret::list(SECRET).unwrap()[0].id();
        let head = |alg: &str, typ: &str| format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"{typ}"}}"#);
        let claims =
            |more: &str| format!(r#"{{"iss":"claw-relay","aud":"access","sub":"usr_1","sid":"ses_1",{more}}}"#);
        let times = r#""role":"operator","iat":1800000000,"exp":1900000000"#;
        let good = head("HS256", "access+jwt");
        let check = |token: &str, expected: Result<Access, Refused>| {
            assert_eq!(keys.verify::<Access>(token, NOW), expected, "{token}");
        };
        let forged = |header: &str, claims: &str| check(&forge(header, claims, Some("access")), Err(Refused::Forged));
        check(&forge(&good, &claims(times), Some("access")), Ok(access()));
        // The algorithm: none, in any case, and others; another key.
        for alg in ["none", "None", "NONE", "", "HS512", "RS256", "hs256"] {
            check(&forge(&head(alg, "access+jwt"), &claims(times), None), Err(Refused::Forged));
            forged(&head(alg, "access+jwt"), &claims(times));
        }
        check(&forge(&good, &claims(times), None), Err(Refused::Forged));
        check(&forge(&good, &claims(times), Some("agent")), Err(Refused::Forged));
        // The header: another or no typ, no or an unknown kid, crit, twice.
        for header in [
            head("HS256", "agent+jwt"),
            head("HS256", "JWT"),
            format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#),
            r#"{"alg":"HS256","typ":"access+jwt"}"#.to_owned(),
            r#"{"alg":"HS256","kid":"unknown","typ":"access+jwt"}"#.to_owned(),
            format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"access+jwt","crit":["x"]}}"#),
            format!(r#"{{"alg":"none","alg":"HS256","kid":"{kid}","typ":"access+jwt"}}"#),
            format!(r#"{{"alg":"HS256","alg":"HS256","kid":"{kid}","typ":"access+jwt"}}"#),
        ] {
            forged(&header, &claims(times));
        }
        // The claims: issuer, audience, times, role; missing, of another type, or twice.
        for wrong in [
            r#"{"iss":"other","aud":"access","sub":"usr_1","sid":"s","role":"user","iat":1800000000,"exp":1900000000}"#,
            r#"{"iss":"claw-relay","aud":"agent","sub":"usr_1","sid":"s","role":"user","iat":1800000000,"exp":1900000000}"#,
            r#"{"aud":"access","sub":"usr_1","sid":"s","role":"user","iat":1800000000,"exp":1900000000}"#,
            r#"{"iss":"claw-relay","sub":"usr_1","sid":"s","role":"user","iat":1800000000,"exp":1900000000}"#,
            &claims(r#""role":"operator","iat":1800000000"#),
            &claims(r#""role":"operator","exp":1900000000"#),
            &claims(r#""role":"root","iat":1800000000,"exp":1900000000"#),
            &claims(r#""role":"operator","iat":1800000000,"exp":"1900000000""#),
            &claims(r#""role":"operator","iat":1800000000,"exp":1900000000,"exp":1900000001"#),
            &claims(r#""role":"user","role":"operator","iat":1800000000,"exp":1900000000"#),
            &claims(r#""role":"operator","iat":1800000000,"exp":1900000000,"sub":"usr_2""#),
            // Not yet.
            &claims(r#""role":"operator","iat":1800000061,"exp":1900000000"#),
            &claims(r#""role":"operator","iat":1800000000,"nbf":1800000061,"exp":1900000000"#),
            "[]",
            "{}",
        ] {
            forged(&good, wrong);
        }
        // As far ahead as clocks may differ.
        let early = claims(r#""role":"operator","iat":1800000060,"nbf":1800000060,"exp":1900000000"#);
        check(&forge(&good, &early, Some("access")), Ok(access()));
        let ended = claims(r#""role":"operator","iat":1700000000,"exp":1800000000"#);
        check(&forge(&good, &ended, Some("access")), Err(Refused::Expired));
        for text in ["", "a.b", "a.b.c.d", "ä.ö.ü", &"x".repeat(10_000)] {
            check(text, Err(Refused::Forged));
        }
        check(&keys.sign(&access(), NOW, Some(NOW.plus_ms(1000))).replace('.', "A."), Err(Refused::Forged));
    }

    #[test]
    fn tokens_have_a_longest_length() {
        let named = |letters: usize| AgentKey { name: "x".repeat(letters), ..agent() };
        let signed = |letters: usize| keys().sign(&named(letters), NOW, None);
        let letters = (2_000..).find(|&letters| signed(letters).len() >= TOKEN_BYTES_MAX).unwrap();
        assert_eq!(signed(letters).len(), TOKEN_BYTES_MAX);
        assert_eq!(keys().verify::<AgentKey>(&signed(letters), NOW), Ok(named(letters)));
        assert_eq!(keys().verify::<AgentKey>(&signed(letters + 1), NOW), Err(Refused::Forged));
    }

    /// As earlier versions signed them: agent keys have no end of life.
    #[test]
    fn tokens_stay_what_they_were() {
        let key = keys().sign(&agent(), NOW, None);
        assert_eq!(key, PINNED);
        assert_eq!(keys().verify::<AgentKey>(PINNED, NOW), Ok(agent()));
    }

    const PINNED: &str = concat!(
        "eyJhbGciOiJIUzI1NiIsImtpZCI6Ik9PeTJtYzMtIiwidHlwIjoiYWdlbnQrand0In0.",
        "eyJpc3MiOiJjbGF3LXJlbGF5IiwiYXVkIjoiYWdlbnQiLCJpYXQiOjE4MDAwMDAwMDAsInN1YiI6ImFndF8xIiwidXNlciI6InVz",
        "cl8xIiwianRpIjoia2V5XzEiLCJuYW1lIjoibGFwXCJ0w7ZwIiwic2NvcGVzIjpbInJlY2VpdmUiLCJzZW5kIl19.",
        "HC-KuclCi5ObWdPTURj2sQD4MsWFixwMBOgpaPj6sTM"
    );
}
