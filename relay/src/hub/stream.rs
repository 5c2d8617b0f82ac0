//! An answer while it is being made. In memory only: the final answer carries the whole text.

use protocol::AgentId;
use protocol::limit::TEXT_BYTES_MAX;

/// The text so far, and who makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The agent that answers.
    pub agent: AgentId,
    text: String,
    /// The length of `text` in UTF-16 code units, the unit of offsets.
    units: u64,
    /// It went over the limit: nothing follows until it begins anew.
    is_full: bool,
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
        Stream { agent, text: String::new(), units: 0, is_full: false }
    }

    /// Adds a piece. Offset 0 begins anew.
    pub fn push(&mut self, offset: u64, piece: &str) -> Pushed {
        if offset == 0 {
            self.text.clear();
            self.units = 0;
            self.is_full = false;
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

    /// The text so far.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_count_utf16_units() {
        let mut stream = Stream::new("agt_1".parse().unwrap());
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
        assert_eq!(stream.push(0, "short"), Pushed::Appended);
    }
}
