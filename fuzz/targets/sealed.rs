//! What a Feishu event says: the bytes are its plaintext, in the short form of `long_text`, encrypted and signed here as the
//! platform does it. The first byte says which byte of the sealed body is damaged in a second try.
//!
//! Holds: no panic; the same as without encryption; nothing from a damaged body; texts and ids are within their limits.
#![no_main]

use claw_relay_fuzz::feishu::{ENCRYPT_KEY, NOW, TOKEN, account, check, seal};
use claw_relay_fuzz::{long_text, memory};
use protocol::limit::TEXT_BYTES_MAX;
use relay::platform::{NoEvent, Raw, Rejected, receive};

libfuzzer_sys::fuzz_target!(|data: &[u8]| memory::within(64, || run(data)));

fn run(data: &[u8]) {
    let Some((damage, plaintext)) = data.split_first() else { return };
    // Long enough for a text that is cut; longer ones only cost time, here mostly AES.
    let plaintext = long_text(plaintext, TEXT_BYTES_MAX + 32_768);
    let (headers, mut body) = seal(&plaintext);
    let sealed = account(ENCRYPT_KEY, TOKEN);
    let received = receive(&sealed, &Raw::post(&headers, &body), NOW);
    let open = account("", TOKEN);
    let plain = receive(&open, &Raw::post(&[], plaintext.as_bytes()), NOW);
    match (&received, &plain) {
        (Ok(inbound), _) => {
            check(&sealed, inbound);
            assert_eq!(received, plain);
        }
        // Without encryption the sender hears that the body is not JSON; with it, nothing.
        (Err(NoEvent::Rejected(Rejected::NotJson)), Err(NoEvent::Rejected(Rejected::BodyNotJson))) => {}
        _ => assert_eq!(received, plain),
    }
    let at = usize::from(*damage) * (body.len() - 1) / 255;
    body[at] ^= 1;
    let damaged = receive(&sealed, &Raw::post(&headers, &body), NOW);
    assert!(matches!(damaged, Err(NoEvent::Rejected(_))), "{damaged:?}");
}
