//! Whatever Feishu, or something in between, answers to our calls: two characters for status and `Retry-After`, the body.
//!
//! Holds: no panic; a call counts as done only when the body says code 0; a token only comes from such a body; no wait
//! is over the end of time.
#![no_main]

use claw_relay_fuzz::{feishu, memory, text};
use relay::platform::{HttpResponse, NoToken, Sent, Verdict, check, introduce, token, verdict};
use serde_json::Value;

const STATUS: [u16; 8] = [200, 200, 400, 401, 404, 429, 500, 503];

libfuzzer_sys::fuzz_target!(|data: &[u8]| memory::within(16, || run(data)));

fn run(data: &[u8]) {
    let [status, wait, body @ ..] = data else { return };
    let retry_after_s = match wait & 3 {
        0 => None,
        1 => Some(u64::from(*wait)),
        _ => Some(u64::MAX >> (wait >> 2)),
    };
    let response = HttpResponse { status: STATUS[usize::from(status & 7)], retry_after_s, body: text(body) };
    let mut account = feishu::account("", feishu::TOKEN);
    let value: Value = serde_json::from_str(&response.body).unwrap_or_default();
    // An array is a struct in order, to serde.
    let is_zero = value["code"] == 0 || value[0] == 0;
    match verdict(&account, &response) {
        Verdict::Sent(Sent::Taken) => assert!(is_zero, "{value}"),
        Verdict::Sent(Sent::Later { after_ms, .. }) => assert_eq!(after_ms.is_some(), retry_after_s.is_some()),
        Verdict::Sent(Sent::Refused(why)) => assert!(!why.is_empty() && response.status < 500),
        Verdict::Sent(other) => panic!("{other:?} is not the platform's to say"),
        Verdict::TokenExpired => assert!(!is_zero),
    }
    match token(&account, &response) {
        Ok(token) => assert!(is_zero && token.value.len() <= response.body.len(), "{value}"),
        Err(NoToken::Later(why) | NoToken::Refused(why)) => assert!(!why.is_empty()),
    }
    if introduce(&mut account, &response).is_ok() {
        assert!(is_zero && check(&account).is_ok());
    }
}
