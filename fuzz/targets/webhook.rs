//! Any request to a Feishu webhook: a letter that chooses the account, lines `name: value`, an empty line, the body.
//!
//! Holds: no panic; nothing but an address check is taken from a body that is not signed; with a token in the settings,
//! nothing is taken from a body that does not name it; texts and ids are within their limits.
#![no_main]

use claw_relay_fuzz::feishu::{ENCRYPT_KEY, NOW, TOKEN, account, check, signature};
use claw_relay_fuzz::{memory, text};
use relay::platform::feishu::{check_card_v1_signature, decrypt};
use relay::platform::{Inbound, Raw, receive};
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|data: &[u8]| memory::within(64, || run(data)));

fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let end = rest.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((&rest[..0], rest), |end| (&rest[..end], &rest[end + 2..]));
    let head = text(head);
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let headers: Vec<_> = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let key = if choice & 1 == 0 { "" } else { ENCRYPT_KEY };
    let token = if choice & 2 == 0 { TOKEN } else { "" };

    let raw = Raw::post(&headers, body);
    let account = account(key, token);
    if let Ok(inbound) = receive(&account, &raw, NOW) {
        check(&account, &inbound);
        let header = |name: &str| raw.header(name).unwrap_or_default();
        let signed = signature(header("x-lark-request-timestamp"), header("x-lark-request-nonce"), body);
        let is_signed = header("x-lark-signature") == signed;
        assert!(key.is_empty() || is_signed || matches!(inbound, Inbound::Challenge(_)), "not signed: {inbound:?}");
        if key.is_empty() && !token.is_empty() {
            let value: Value = serde_json::from_slice(body).expect("it was read");
            assert!(value["token"] == *token || value["header"]["token"] == *token, "no token: {inbound:?}");
        }
    }
    // The parts that take whatever a stranger sends, without JSON around them.
    let body = text(body);
    let _ = decrypt(ENCRYPT_KEY, &body);
    assert!(check_card_v1_signature(&head, "", TOKEN, body.as_bytes(), &body).is_err());
}
