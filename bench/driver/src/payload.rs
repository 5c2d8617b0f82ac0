//! The texts that travel. Each begins with a mark that says what it is, so that whoever receives it can tell a lost, a
//! doubled and a strange one. Peers under test never parse them.

use std::fmt;
use std::str::FromStr;

use protocol::limit::TEXT_BYTES_MAX;

use crate::failure::{Failure, Result, fail};

/// What a text is, and its number among those of its object: `q3.17`. Good as a message id of the relay too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Who wrote it.
    pub kind: Kind,
    /// Which object it went through.
    pub object: usize,
    /// Counted from 0 in each object.
    pub number: u64,
}

/// Who wrote a text. In the plain dialect a text that begins with `d` is a delta: none of these does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It came by HTTP.
    Posted,
    /// A device.
    Question,
    /// The agent.
    Reply,
}

impl Mark {
    /// A text by HTTP.
    pub fn posted(object: usize, number: u64) -> Mark {
        Mark { kind: Kind::Posted, object, number }
    }

    /// A device's text.
    pub fn question(object: usize, number: u64) -> Mark {
        Mark { kind: Kind::Question, object, number }
    }

    /// The agent's answer to the question of the same number.
    pub fn reply(object: usize, number: u64) -> Mark {
        Mark { kind: Kind::Reply, object, number }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Posted => 'm',
            Kind::Question => 'q',
            Kind::Reply => 'r',
        };
        write!(f, "{kind}{}.{}", self.object, self.number)
    }
}

impl FromStr for Mark {
    type Err = Failure;
    fn from_str(text: &str) -> Result<Mark> {
        let strange = || Failure(format!("not a mark of this driver: {}", shorten(text)));
        let (kind, rest) = text.split_at_checked(1).ok_or_else(strange)?;
        let kind = match kind {
            "m" => Kind::Posted,
            "q" => Kind::Question,
            "r" => Kind::Reply,
            _ => return Err(strange()),
        };
        let (object, number) = rest.split_once('.').ok_or_else(strange)?;
        let object = object.parse().map_err(|_| strange())?;
        Ok(Mark { kind, object, number: number.parse().map_err(|_| strange())? })
    }
}

/// Makes texts of one length, and checks them.
#[derive(Debug)]
pub struct Payload {
    bytes: usize,
    padding: String,
}

impl Payload {
    /// Texts of so many bytes: ASCII, nothing that JSON escapes, no space at the end.
    pub fn new(bytes: usize) -> Result<Payload> {
        if !(TEXT_BYTES_MIN..=TEXT_BYTES_MAX).contains(&bytes) {
            return fail(format!("texts of {bytes} bytes: choose {TEXT_BYTES_MIN} to {TEXT_BYTES_MAX}"));
        }
        let padding = "the-quick-brown-fox-jumps-over-the-lazy-dog-0123456789-".chars().cycle().take(bytes).collect();
        Ok(Payload { bytes, padding })
    }

    /// The text with this mark.
    pub fn text(&self, mark: Mark) -> String {
        let mut text = String::with_capacity(self.bytes);
        text.push_str(&format!("{mark} "));
        text.push_str(self.padding.get(..self.bytes - text.len()).unwrap_or_default());
        text
    }

    /// The mark of a text, every byte of which is checked.
    pub fn read(&self, text: &str) -> Result<Mark> {
        let strange = || Failure(format!("a text that nobody sent: {}", shorten(text)));
        let (head, rest) = text.split_once(' ').ok_or_else(strange)?;
        let mark = head.parse()?;
        if text.len() != self.bytes || self.padding.get(..rest.len()) != Some(rest) {
            return Err(strange());
        }
        Ok(mark)
    }
}

/// The beginning of a text, for people.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Room for a mark.
const TEXT_BYTES_MIN: usize = 40;
const SHOWN_CHARS: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_recognised_to_the_last_byte() {
        let payload = Payload::new(200).unwrap();
        for mark in [Mark::posted(0, 0), Mark::question(12, 345), Mark::reply(99_999, 1 << 40)] {
            let text = payload.text(mark);
            assert_eq!(text.len(), 200);
            assert_eq!(payload.read(&text).unwrap(), mark);
            assert!(payload.read(&text[..199]).is_err());
            assert!(payload.read(&text.replace("fox", "fix")).is_err());
        }
        assert!(payload.read("pong").is_err());
        assert!(payload.read("").is_err());
        assert!(Payload::new(10).is_err());
    }
}
