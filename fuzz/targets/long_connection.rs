//! Any binary frame of Feishu's long connection; several are cut apart at the bytes `ff ff`.
//!
//! Holds: no panic; what decodes, encodes, and decodes to the same, and so again; a message is joined from its parts in
//! whatever order they come.
#![no_main]

use claw_relay_fuzz::memory;
use relay::platform::feishu::long_connection::{Frame, reassemble};

libfuzzer_sys::fuzz_target!(|data: &[u8]| memory::within(8, || run(data)));

fn run(data: &[u8]) {
    let mut parts = Vec::new();
    let mut rest = data;
    loop {
        let end = rest.windows(2).position(|two| two == [0xff, 0xff]);
        let part = &rest[..end.unwrap_or(rest.len())];
        if let Ok(frame) = Frame::decode(part) {
            let encoded = frame.encode();
            assert_eq!(Frame::decode(&encoded).as_ref(), Ok(&frame));
            for (key, _) in &frame.headers {
                assert!(frame.header(key).is_some());
            }
            parts.push(frame);
        }
        let Some(end) = end else { break };
        rest = &rest[end + 2..];
    }
    let joined = reassemble(&parts);
    let payloads: usize = parts.iter().filter_map(|part| part.payload.as_ref()).map(Vec::len).sum();
    assert!(joined.as_ref().is_none_or(|joined| joined.len() <= payloads), "no byte comes twice");
    // One message's parts in another order: sound as long as no two claim the same place or another sum.
    let number = |part: &Frame, key: &str| part.header(key).and_then(|text| text.parse::<usize>().ok());
    let mut places: Vec<_> = parts.iter().map(|part| number(part, "seq")).collect();
    places.sort_unstable();
    places.dedup();
    let same_sum = parts.windows(2).all(|two| number(&two[0], "sum") == number(&two[1], "sum"));
    if places.len() == parts.len() && same_sum {
        parts.reverse();
        assert_eq!(reassemble(&parts), joined);
    }
}
