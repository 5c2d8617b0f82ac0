//! A form with a file in it. The first byte says in what pieces it comes, the rest is its body; the boundary is `X`.
//!
//! Holds: no panic; the same file whatever pieces it comes in; what is held meanwhile is bounded; a file is never longer than
//! its form.
#![no_main]

use claw_relay_fuzz::memory;
use relay::form::{Form, Head, PASSED_BYTES_MAX};

libfuzzer_sys::fuzz_target!(|data: &[u8]| memory::within(16, || run(data)));

fn run(data: &[u8]) {
    let Some((piece, body)) = data.split_first() else { return };
    let whole = take(body, body.len().max(1));
    let pieces = take(body, usize::from(*piece).max(1));
    if body.len() <= PASSED_BYTES_MAX {
        assert_eq!(whole, pieces);
    }
    if let Some((head, Some(file))) = whole {
        assert!(head.name.len() + file.len() <= 3 * body.len());
    }
}

/// What is said of the file, and its bytes if all came; none: there is none.
fn take(body: &[u8], piece: usize) -> Option<(Head, Option<Vec<u8>>)> {
    let mut form = Form::of("multipart/form-data; boundary=X").expect("a form");
    let (mut head, mut file) = (None, Vec::new());
    for bytes in body.chunks(piece) {
        match &head {
            None => head = form.begin(bytes).ok()?,
            Some(_) => file.extend(form.next(bytes)),
        }
    }
    Some((head?, form.end().map(|rest| [file, rest].concat())))
}
