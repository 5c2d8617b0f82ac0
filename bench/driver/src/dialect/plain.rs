//! The plain dialect, which every JavaScript peer of `bench/peers` speaks: texts go as they are, `{"a":seq}` comes back
//! for each, and what begins with `d` is a delta, which nobody stores or acknowledges.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Deserialize;

use super::{Delta, Heard};
use crate::failure::{Failure, Result, fail};
use crate::payload::{Mark, Payload, shorten};

/// One peer.
pub struct Plain {
    payload: Arc<Payload>,
    /// Said, and not acknowledged: acknowledgements come in the same order.
    pending: VecDeque<Mark>,
    /// The last acknowledgement.
    acked: u64,
}

/// What an object says of its own accord.
#[derive(Deserialize)]
struct Note {
    a: Option<u64>,
    #[serde(default)]
    end: bool,
}

impl Plain {
    /// A peer that has said nothing yet.
    pub fn new(payload: Arc<Payload>) -> Plain {
        Plain { payload, pending: VecDeque::new(), acked: 0 }
    }

    pub(super) fn hear(&mut self, text: &str) -> Result<Vec<Heard>> {
        if text.starts_with('{') {
            return Ok(vec![self.note(text)?]);
        }
        if let Some(delta) = text.strip_prefix('d') {
            return Ok(vec![Heard::Delta(read_delta(delta)?)]);
        }
        Ok(vec![Heard::Message { mark: self.payload.read(text)?, seq: 0 }])
    }

    pub(super) fn acknowledged(&mut self) -> Result<Heard> {
        self.accept(self.acked + 1)
    }

    pub(super) fn say(&mut self, marks: impl Iterator<Item = Mark>) -> Vec<String> {
        let mut texts = Vec::with_capacity(marks.size_hint().0);
        for mark in marks {
            texts.push(self.payload.text(mark));
            self.pending.push_back(mark);
        }
        texts
    }

    pub(super) fn unaccepted(&self) -> usize {
        self.pending.len()
    }

    /// `d{object}.{question} {piece}`
    pub(super) fn delta(question: Mark, piece: &str) -> String {
        format!("d{}.{} {piece}", question.object, question.number)
    }

    fn note(&mut self, text: &str) -> Result<Heard> {
        let strange = || Failure(format!("neither a text, {{\"a\":n}} nor {{\"end\":true}}: {}", shorten(text)));
        let note: Note = serde_json::from_str(text).map_err(|_| strange())?;
        let seq = match note.a {
            Some(seq) => seq,
            None if note.end => return Ok(Heard::End),
            None => return Err(strange()),
        };
        self.accept(seq)
    }

    fn accept(&mut self, seq: u64) -> Result<Heard> {
        let Some(mark) = self.pending.pop_front() else {
            return fail(format!("acknowledged more often than texts were sent: {seq}"));
        };
        if seq <= self.acked {
            return fail(format!("acknowledgements run backwards: {seq} after {}", self.acked));
        }
        self.acked = seq;
        Ok(Heard::Accepted { mark, seq })
    }
}

fn read_delta(delta: &str) -> Result<Delta> {
    let strange = || Failure(format!("not a delta of this driver: {}", shorten(delta)));
    let (head, piece) = delta.split_once(' ').ok_or_else(strange)?;
    let (_, stream) = head.split_once('.').ok_or_else(strange)?;
    let stream = stream.parse().map_err(|_| strange())?;
    Ok(Delta { stream, offset: None, piece: piece.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_acknowledgements_and_deltas() {
        let payload = Arc::new(Payload::new(60).unwrap());
        let mut plain = Plain::new(Arc::clone(&payload));
        let (one, two) = (Mark::question(1, 0), Mark::question(1, 1));
        assert_eq!(plain.say([one, two].into_iter()), [payload.text(one), payload.text(two)]);
        assert_eq!(plain.hear(r#"{"a":7}"#).unwrap(), [Heard::Accepted { mark: one, seq: 7 }]);
        assert!(plain.hear(r#"{"a":7}"#).is_err());
        assert!(plain.hear(r#"{"a":8}"#).is_err(), "nothing is pending");
        assert!(plain.hear(r#"{"error":"full"}"#).is_err());
        assert_eq!(plain.hear(r#"{"end":true}"#).unwrap(), [Heard::End]);
        assert_eq!(plain.hear(&payload.text(two)).unwrap(), [Heard::Message { mark: two, seq: 0 }]);
        let delta = Delta { stream: 1, offset: None, piece: "a b".into() };
        assert_eq!(plain.hear(&Plain::delta(two, "a b")).unwrap(), [Heard::Delta(delta)]);
        assert!(plain.hear("xyz").is_err());
    }
}
