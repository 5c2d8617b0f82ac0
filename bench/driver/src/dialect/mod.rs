//! What is said on a socket, in the two languages of the systems under test. Both are pure: text in, text out.

mod plain;
mod relay;

use crate::failure::{Result, fail};
use crate::payload::Mark;

pub use plain::Plain;
pub use relay::{Relay, Role};

/// One peer's side of a conversation.
pub enum Dialect {
    /// `bench/peers`; by MQTT too.
    Plain(Plain),
    /// docs/protocol.md.
    Relay(Relay),
}

/// What a peer hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A text of this peer is committed, at this place.
    Accepted {
        /// Which text.
        mark: Mark,
        /// Its place among all texts of the object.
        seq: u64,
    },
    /// A piece of an answer that is being made.
    Delta(Delta),
    /// Nothing more is stored (plain peers, when they are drained).
    End,
    /// A text.
    Message {
        /// Which one.
        mark: Mark,
        /// Its place, where the system tells: 0 in the plain dialect.
        seq: u64,
    },
    /// The answer to `ping`.
    Pong,
}

/// A piece of an answer. ASCII: bytes, characters and UTF-16 code units are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Relay: the question's place. Plain: the question's number.
    pub stream: u64,
    /// Where it begins, where the system tells.
    pub offset: Option<usize>,
    /// The piece.
    pub piece: String,
}

/// A question that an agent has heard.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Which one.
    pub mark: Mark,
    /// Its place (relay).
    pub seq: u64,
}

impl Asked {
    /// The mark of its answer.
    pub fn reply(self) -> Mark {
        Mark::reply(self.mark.object, self.mark.number)
    }

    /// How deltas name it.
    pub fn stream(self, dialect: &Dialect) -> u64 {
        match dialect {
            Dialect::Plain(_) => self.mark.number,
            Dialect::Relay(_) => self.seq,
        }
    }
}

impl Dialect {
    /// Reads a WebSocket message.
    pub fn hear(&mut self, text: &str) -> Result<Vec<Heard>> {
        match self {
            Dialect::Plain(plain) => plain.hear(text),
            Dialect::Relay(relay) => relay.hear(text),
        }
    }

    /// The broker has taken charge of the next text (MQTT).
    pub fn acknowledged(&mut self) -> Result<Vec<Heard>> {
        match self {
            Dialect::Plain(plain) => plain.acknowledged().map(|heard| vec![heard]),
            Dialect::Relay(_) => fail("the relay does not acknowledge so"),
        }
    }

    /// The WebSocket messages of a device that sends these texts: `per_frame` in one, where the system has batches.
    pub fn ask(&mut self, marks: &[Mark], per_frame: usize) -> Result<Vec<String>> {
        match self {
            Dialect::Plain(plain) => Ok(plain.say(marks.iter().copied())),
            Dialect::Relay(relay) => relay.ask(marks, per_frame),
        }
    }

    /// The WebSocket messages of an agent that answers these questions.
    pub fn answer(&mut self, questions: &[Asked], per_frame: usize) -> Vec<String> {
        match self {
            Dialect::Plain(plain) => plain.say(questions.iter().map(|asked| asked.reply())),
            Dialect::Relay(relay) => relay.answer(questions, per_frame),
        }
    }

    /// Texts that were said and are not accepted.
    pub fn unaccepted(&self) -> usize {
        match self {
            Dialect::Plain(plain) => plain.unaccepted(),
            Dialect::Relay(relay) => relay.unaccepted(),
        }
    }

    /// An agent's piece of an answer, at this offset.
    pub fn delta(&self, question: Asked, offset: usize, piece: &str) -> String {
        match self {
            Dialect::Plain(_) => Plain::delta(question.mark, piece),
            Dialect::Relay(_) => Relay::delta(question.seq, offset, piece),
        }
    }
}
