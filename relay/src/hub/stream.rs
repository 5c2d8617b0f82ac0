//! An answer while it is being made. In memory only: the final answer carries the whole text.

use protocol::limit::TEXT_BYTES_MAX;
use protocol::{AgentId, Timestamp};

use crate::limit::DELTA_INTERVAL_MS;

/// The text so far, who makes it, and how much of it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The agent that answers.
    pub agent: AgentId,
    text: String,
    /// The length of `text` in UTF-16 code units, the unit of offsets.
    units: u64,
    /// It went over the limit: nothing follows until it begins anew.
    is_full: bool,
    /// Bytes of `text` that devices were sent, and their length in UTF-16 code units.
    shown: usize,
    shown_units: u64,
    /// When they were.
    shown_at: Option<Timestamp>,
    /// Someone shows it at its platform too.
    pub is_drafted: bool,
    /// Someone did, and went away while nothing came.
    pub was_left: bool,
}

/// What became of a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It follows what was there: show it.
    Appended,
    /// Something between is missing: ask for all of it.
    Missing,
    /// The answer is over the limit, which its `reply` will say: not shown.
    TooLong,
}

impl Stream {
    /// Nothing yet.
    pub fn new(agent: AgentId) -> Stream {
        let (text, shown_at) = (String::new(), None);
        let (is_drafted, was_left) = (false, false);
        Stream { agent, text, units: 0, is_full: false, shown: 0, shown_units: 0, shown_at, is_drafted, was_left }
    }

    /// Adds a piece. Offset 0 begins anew.
    pub fn push(&mut self, offset: u64, piece: &str) -> Pushed {
        if offset == 0 {
            self.text.clear();
            self.units = 0;
            self.is_full = false;
            self.shown = 0;
            self.shown_units = 0;
        }
        if self.is_full {
            return Pushed::TooLong;
        }
        if offset != self.units {
            return Pushed::Missing;
        }
        if self.text.len() + piece.len() > TEXT_BYTES_MAX {
            self.is_full = true;
            return Pushed::TooLong;
        }
        self.text.push_str(piece);
        self.units += piece.encode_utf16().count() as u64;
        Pushed::Appended
    }

    /// In how many milliseconds the next piece may be shown: the first one at once, the next ones so that they do not
    /// follow each other faster than every [`DELTA_INTERVAL_MS`].
    pub fn due_in(&self, now: Timestamp) -> u64 {
        self.shown_at.map_or(0, |at| DELTA_INTERVAL_MS.saturating_sub(now.0.abs_diff(at.0)))
    }

    /// What was not shown yet, and its offset.
    pub fn take(&mut self, now: Timestamp) -> Option<(u64, String)> {
        let piece = self.text.get(self.shown..).filter(|piece| !piece.is_empty())?.to_owned();
        let offset = self.shown_units;
        self.shown = self.text.len();
        self.shown_units = self.units;
        self.shown_at = Some(now);
        Some((offset, piece))
    }

    /// The text so far.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream::new("agt_1".parse().unwrap())
    }

    #[test]
    fn offsets_count_utf16_units() {
        let mut stream = stream();
        assert_eq!(stream.push(0, "a🚀"), Pushed::Appended);
        assert_eq!(stream.push(3, "你"), Pushed::Appended);
        assert_eq!(stream.text(), "a🚀你");
        assert_eq!(stream.push(5, "!"), Pushed::Missing);
        assert_eq!(stream.push(3, "!"), Pushed::Missing);
        assert_eq!(stream.push(0, "anew"), Pushed::Appended);
        assert_eq!(stream.text(), "anew");
        assert_eq!(stream.push(4, &"x".repeat(TEXT_BYTES_MAX)), Pushed::TooLong);
        // Not asked for again: it would only be too long again.
        assert_eq!(stream.push(4, "x"), Pushed::TooLong);
        assert_eq!(stream.push(9_999, "x"), Pushed::TooLong);
        assert_eq!(stream.text(), "anew");
        // As long as it may be, to the byte, in pieces.
        let half = "x".repeat(TEXT_BYTES_MAX / 2);
        assert_eq!(stream.push(0, &half), Pushed::Appended);
        assert_eq!(stream.push(half.len() as u64, &half), Pushed::Appended);
        assert_eq!(stream.push(TEXT_BYTES_MAX as u64, "x"), Pushed::TooLong);
    }

    #[test]
    fn pieces_are_shown_together() {
        let mut stream = stream();
        let at = |ms: u64| Timestamp(1_000 + ms);
        stream.push(0, "a🚀");
        assert_eq!(stream.due_in(at(0)), 0);
        assert_eq!(stream.take(at(0)), Some((0, "a🚀".into())));
        stream.push(3, "b");
        stream.push(4, "c");
        assert_eq!((stream.due_in(at(0)), stream.due_in(at(25)), stream.due_in(at(30))), (30, 5, 0));
        assert_eq!(stream.take(at(30)), Some((3, "bc".into())));
        assert_eq!(stream.take(at(90)), None);
        // A clock that steps back holds nothing up.
        assert_eq!(stream.due_in(Timestamp(0)), 0);
        stream.push(0, "anew");
        assert_eq!(stream.take(at(99)), Some((0, "anew".into())));
    }
}
