//! A WebSocket message, from either side, in the short form of `long_text`.
//!
//! Holds: no panic; what decodes, encodes, and decodes to the same; a batch has at most 64 frames; a message over the
//! limit is refused whatever it holds; what `seq` may be fits into a double; what clients of other words say and are told
//! is JSON, whatever it was made of.
#![no_main]

use claw_relay_fuzz::{long_text, memory};
use protocol::json::{self, FromJson};
use protocol::limit::{BATCH_FRAMES_MAX, FRAME_BYTES_MAX};
use protocol::{ClientFrame, DecodeError, ServerFrame, Timestamp, decode, encode};
use relay::dialect::{Dialect, Said, Words};
use serde::Serialize;

libfuzzer_sys::fuzz_target!(|data: &[u8]| memory::within(64, || {
    let text = long_text(data, FRAME_BYTES_MAX + 100);
    run::<ClientFrame>(&text);
    run::<ServerFrame>(&text);
    for words in [
        r#"{"as":"person","robot":"agt_1","conversation":"default"}"#,
        r#"{"as":"plugin","user":"usr_1"}"#,
        r#"{"as":"robot","user":"usr_1"}"#,
    ] {
        let words: Words = json::read(words).expect("ours");
        let mut dialect = Dialect { words, heard: None };
        let said = dialect.hear(Timestamp(1), &text, "1");
        assert_eq!(said == Said::Wrong(DecodeError::TooLarge), text.len() > FRAME_BYTES_MAX);
        for told in dialect.tell(&text).texts {
            assert!(json::parse(&told).is_ok(), "{told}");
        }
    }
}));

fn run<F: FromJson + Serialize + PartialEq + std::fmt::Debug>(text: &str) {
    let frames = match decode::<F>(text) {
        Ok(frames) => frames,
        Err(error) => {
            assert_eq!(error == DecodeError::TooLarge, text.len() > FRAME_BYTES_MAX);
            assert!(!error.to_string().is_empty() && error.code().status() >= 400);
            return;
        }
    };
    assert!(text.len() <= FRAME_BYTES_MAX && frames.len() <= BATCH_FRAMES_MAX);
    let encoded: Vec<String> = frames.iter().map(encode).collect();
    for (frame, encoded) in frames.iter().zip(&encoded) {
        let again = decode::<F>(encoded).expect("what we write, we read");
        assert_eq!(again.as_slice(), std::slice::from_ref(frame), "{encoded}");
        assert_eq!(&encode(frame), encoded);
    }
    // The same in a batch, as far as it fits: writing may escape what reading did not need to.
    let batch = format!("[{}]", encoded.join(","));
    if batch.len() <= FRAME_BYTES_MAX {
        assert_eq!(decode::<F>(&batch).as_ref(), Ok(&frames), "{batch}");
    }
}
