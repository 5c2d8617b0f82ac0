//! Tokens: any text (`t`); one of ours with bytes changed (`m`, then pairs of place and new byte); any header and claims,
//! a line each, signed with the right key (`a` access, `g` agent, `k` ticket), as only a leaked secret could.
//!
//! Holds: no panic; nobody makes a token: what is accepted has header and claims of one of ours, to the byte, and is of
//! the same kind; what is signed is accepted only in its time, as HS256.
#![no_main]

use std::sync::OnceLock;

use base64ct::{Base64UrlUnpadded, Encoding};
use claw_relay_fuzz::{memory, text};
use hmac::{Hmac, Mac};
use protocol::Timestamp;
use relay::auth::{self, Access, AgentKey, Keys, Role, Scope, Ticket};
use sha2::Sha256;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";

libfuzzer_sys::fuzz_target!(|data: &[u8]| memory::within(16, || run(data)));

fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    match choice {
        b'm' => {
            let Some((which, changes)) = rest.split_first() else { return };
            let mut token = ours()[usize::from(*which) % 3].clone().into_bytes();
            for change in changes.chunks_exact(2) {
                let place = usize::from(change[0]) % token.len();
                token[place] = change[1];
            }
            unforged(&text(&token));
        }
        b'a' => signed("access", &text(rest)),
        b'g' => signed("agent", &text(rest)),
        b'k' => signed("ticket", &text(rest)),
        _ => unforged(&text(rest)),
    }
    let plain = text(rest);
    assert_eq!(auth::decode(&auth::encode(rest)).as_deref(), Some(rest));
    if let Some(bytes) = auth::decode(&plain) {
        assert_eq!(auth::encode(&bytes), plain, "one text for the same bytes");
    }
    assert!(auth::same_secret(&plain, &plain) && auth::hash(&plain).len() == 43);
}

/// Accepted is what we made, as what we made it.
fn unforged(token: &str) {
    let (keys, ours) = (keys(), ours());
    let accepted = [
        keys.verify::<Access>(token, NOW).map(|found| assert_eq!(found, access())).is_ok(),
        keys.verify::<AgentKey>(token, NOW).map(|found| assert_eq!(found, agent())).is_ok(),
        keys.verify::<Ticket>(token, NOW).map(|found| assert_eq!(found, ticket())).is_ok(),
    ];
    for (accepted, ours) in accepted.into_iter().zip(ours) {
        assert!(!accepted || token == ours, "forged: {token}");
    }
}

/// The claims' parser, behind the signature.
fn signed(purpose: &str, lines: &str) {
    let (header, claims) = lines.split_once('\n').unwrap_or((r#"{"alg":"HS256"}"#, lines));
    let mac = |key: &[u8], bytes: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(bytes);
        mac.finalize().into_bytes()
    };
    let key = mac(SECRET.as_bytes(), format!("claw-relay {purpose}\x01").as_bytes());
    let encode = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    let start = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let token = format!("{start}.{}", encode(&mac(&key, start.as_bytes())));
    let keys = keys();
    let accepted = [
        keys.verify::<Access>(&token, NOW).is_ok(),
        keys.verify::<AgentKey>(&token, NOW).is_ok(),
        keys.verify::<Ticket>(&token, NOW).is_ok(),
    ];
    let kinds = ["access", "agent", "ticket"];
    for (accepted, kind) in accepted.into_iter().zip(kinds) {
        assert!(!accepted || kind == purpose, "{purpose} taken for {kind}");
        assert!(!accepted || header.contains("HS256") || header.contains('\\'), "{header}");
    }
    // What has an end is over after it, and what must have one is not accepted without.
    let end = Timestamp(i64::MAX as u64);
    assert!(keys.verify::<Access>(&token, end).is_err() && keys.verify::<Ticket>(&token, end).is_err());
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys::derive(SECRET).ok().expect("long enough"))
}

fn ours() -> &'static [String; 3] {
    static OURS: OnceLock<[String; 3]> = OnceLock::new();
    OURS.get_or_init(|| {
        let (keys, end) = (keys(), NOW.plus_ms(1_000_000));
        [keys.sign(&access(), NOW, Some(end)), keys.sign(&agent(), NOW, None), keys.sign(&ticket(), NOW, Some(end))]
    })
}

fn access() -> Access {
    Access { user: "usr_1".parse().unwrap(), role: Role::Operator, session: "ses_1".into() }
}

fn agent() -> AgentKey {
    let user = "usr_1".parse().unwrap();
    AgentKey {
        agent: "agt_1".parse().unwrap(),
        user,
        key: "key_1".into(),
        name: "laptop".into(),
        scopes: vec![Scope::Send],
    }
}

fn ticket() -> Ticket {
    Ticket { user: "usr_1".parse().unwrap(), id: "t1".into(), session: "ses_1".into(), origin: None }
}
