//! JSON that our own parts keep or hand to each other (accounts, attachments, deliveries' fates), and that an operator
//! sends: the first character says which type.
//!
//! Holds: no panic; what decodes, encodes, and decodes to the same: nothing is lost on the way through storage.
#![no_main]

use std::fmt::Debug;

use claw_relay_fuzz::{memory, text};
use relay::auth::{Access, AgentKey, Ticket};
use relay::hub::{Peer, Role};
use relay::platform::{Account, HttpRequest, HttpResponse, Outbound, Platform, Sent, check};
use relay::store::Question;
use serde::{Serialize, de::DeserializeOwned};

libfuzzer_sys::fuzz_target!(|data: &[u8]| memory::within(16, || run(data)));

fn run(data: &[u8]) {
    let Some((choice, json)) = data.split_first() else { return };
    let json = text(json);
    match choice {
        b'a' => {
            if let Some(account) = same::<Account>(&json) {
                let _ = check(&account);
                let mut other = account.clone();
                // Each platform's own secrets are in relay/src/platform/mod.rs.
                let Platform::Feishu(settings) = &mut other.platform else { return };
                for secret in [&mut settings.app_secret, &mut settings.encrypt_key, &mut settings.verification_token] {
                    *secret = "another".into();
                }
                assert_eq!(format!("{account:?}"), format!("{other:?}"), "a log must not tell secrets");
            }
        }
        b'h' => drop(same::<HttpRequest>(&json)),
        b'k' => drop((same::<Access>(&json), same::<AgentKey>(&json), same::<Ticket>(&json))),
        b'o' => drop(same::<Outbound>(&json)),
        b'p' => drop((same::<Peer>(&json), same::<Role>(&json))),
        b'q' => drop(same::<Question>(&json)),
        b'r' => drop(same::<HttpResponse>(&json)),
        b's' => drop(same::<Sent>(&json)),
        _ => {}
    }
}

fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(json: &str) -> Option<T> {
    let value: T = serde_json::from_str(json).ok()?;
    let stored = serde_json::to_string(&value).expect("our own types are JSON");
    assert_eq!(serde_json::from_str::<T>(&stored).ok().as_ref(), Some(&value), "{stored}");
    Some(value)
}
