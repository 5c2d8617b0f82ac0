//! Answers on their way to platforms.

use protocol::{Button, ConversationId, File, Seq, Timestamp};

use super::row::{Columns, all, first, integer, text};
use crate::platform::FILE_PART;

use super::{Corrupt, Origin, Sql, Store, Value};

/// An answer, or a notice, on its way to a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its place in the timeline.
    pub seq: Seq,
    /// The question that it answers, or beside which it was said.
    pub question: Seq,
    /// The thread of talk.
    pub conversation: ConversationId,
    /// Where it goes.
    pub origin: Origin,
    /// What it says, whole.
    pub text: String,
    /// What comes with it.
    pub files: Vec<File>,
    /// What one may answer to it at a press.
    pub buttons: Vec<Button>,
    /// The part of it to send next: of its text from 0, of its files from [`FILE_PART`](crate::platform::FILE_PART).
    pub part: u32,
    /// Tries of this part that failed.
    pub attempts: u32,
    /// When this part is tried next, if nothing comes between.
    pub due: Timestamp,
    /// When this part was first tried, if it was and the platform may have it.
    pub tried: Option<Timestamp>,
    /// Whether it is the answer to its question, rather than what the relay said about it or an agent unasked.
    pub is_answer: bool,
}

impl Delivery {
    /// Whether nobody was asked to take this part yet.
    pub fn is_untried(&self) -> bool {
        self.attempts == 0 && self.tried.is_none()
    }

    /// Whether this part waits for the next message from there: nothing else leaves a try without a time.
    pub fn is_kept(&self) -> bool {
        self.attempts > 0 && self.tried.is_none()
    }

    /// The part after the last one of its text, or after this file; none: that was all.
    pub fn part_after(&self) -> Option<u32> {
        let next = if self.part < FILE_PART { FILE_PART } else { self.part + 1 };
        ((next - FILE_PART) < self.files.len() as u32).then_some(next)
    }
}

impl<S: Sql> Store<S> {
    /// Puts an answer on its way to a platform, from this part on.
    pub fn insert_delivery(
        &self,
        seq: Seq,
        conversation: &ConversationId,
        part: u32,
        now: Timestamp,
    ) -> Result<(), S::Error> {
        let (part, now) = (Value::Integer(part.into()), Value::Integer(now.0 as i64));
        self.write(INSERT_DELIVERY, vec![integer(seq), text(conversation), part, now])
    }

    /// Puts what was said unasked on its way to the platform that a question came from.
    pub fn insert_push(
        &self,
        seq: Seq,
        conversation: &ConversationId,
        beside: Seq,
        part: u32,
        now: Timestamp,
    ) -> Result<(), S::Error> {
        let (part, now) = (Value::Integer(part.into()), Value::Integer(now.0 as i64));
        self.write(INSERT_PUSH, vec![integer(seq), text(conversation), part, now, integer(beside)])
    }

    /// A part of an answer is about to be tried for the first time.
    pub fn mark_tried(&self, seq: Seq, now: Timestamp) -> Result<(), S::Error> {
        let statement = "update deliveries set tried_ms = ? where seq = ?";
        self.write(statement, vec![Value::Integer(now.0 as i64), integer(seq)])
    }

    /// The answers that are due, at most one of each conversation (its oldest), so that order is kept.
    pub fn due_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<Delivery>, S::Error> {
        let rows = self.run(SELECT_DUE, vec![Value::Integer(now.0 as i64), Value::Integer(limit as i64)])?;
        all(rows, delivery)
    }

    /// An answer on its way, by its place.
    pub fn delivery(&self, seq: Seq) -> Result<Option<Delivery>, S::Error> {
        let Some(mut row) = first(self.run(SELECT_DELIVERY, vec![integer(seq)])?) else { return Ok(None) };
        delivery(&mut row).map(Some).map_err(S::Error::from)
    }

    /// Whether no answer of the same conversation is to go before this one.
    pub fn is_next_delivery(&self, seq: Seq, conversation: &ConversationId) -> Result<bool, S::Error> {
        let statement = "select 1 from deliveries where conversation = ? and seq < ? limit 1";
        Ok(self.run(statement, vec![text(conversation), integer(seq)])?.is_empty())
    }

    /// When the next answer is due.
    pub fn next_delivery(&self) -> Result<Option<Timestamp>, S::Error> {
        let rows = self.run(SELECT_NEXT_DUE, vec![])?;
        match first(rows).map(|mut row| row.optional_integer()).transpose()?.flatten() {
            Some(due) => Ok(Some(Timestamp(due as u64))),
            None => Ok(None),
        }
    }

    /// An answer was taken whole, or given up.
    pub fn delete_delivery(&self, seq: Seq) -> Result<(), S::Error> {
        self.write("delete from deliveries where seq = ?", vec![integer(seq)])
    }

    /// A part of an answer was taken: this one is due.
    pub fn next_part(&self, seq: Seq, part: u32, now: Timestamp) -> Result<(), S::Error> {
        let statement = "update deliveries set part = ?, attempts = 0, tried_ms = null, due_ms = ? where seq = ?";
        self.write(statement, vec![Value::Integer(part.into()), Value::Integer(now.0 as i64), integer(seq)])
    }

    /// A try failed: another follows.
    pub fn postpone_delivery(&self, seq: Seq, due: Timestamp) -> Result<(), S::Error> {
        let statement = "update deliveries set attempts = attempts + 1, due_ms = ? where seq = ?";
        self.write(statement, vec![Value::Integer(due.0 as i64), integer(seq)])
    }

    /// It waits for the next message from there.
    pub fn keep_delivery(&self, seq: Seq, until: Timestamp) -> Result<(), S::Error> {
        let statement = "update deliveries set attempts = attempts + 1, due_ms = ?, tried_ms = null where seq = ?";
        self.write(statement, vec![Value::Integer(until.0 as i64), integer(seq)])
    }

    /// The oldest one of a conversation.
    pub fn first_delivery(&self, conversation: &ConversationId) -> Result<Option<Delivery>, S::Error> {
        let Some(mut row) = first(self.run(SELECT_OLDEST, vec![text(conversation)])?) else { return Ok(None) };
        delivery(&mut row).map(Some).map_err(S::Error::from)
    }

    /// The same, if it is kept.
    pub fn kept_delivery(&self, conversation: &ConversationId) -> Result<Option<Delivery>, S::Error> {
        Ok(self.first_delivery(conversation)?.filter(Delivery::is_kept))
    }

    /// It was not its turn.
    pub fn hold_delivery(&self, seq: Seq, due: Timestamp, tried: Option<Timestamp>) -> Result<(), S::Error> {
        let tried = tried.map_or(Value::Null, |tried| Value::Integer(tried.0 as i64));
        let statement = "update deliveries set due_ms = ?, tried_ms = ? where seq = ?";
        self.write(statement, vec![Value::Integer(due.0 as i64), tried, integer(seq)])
    }
}

fn delivery(row: &mut Columns) -> Result<Delivery, Corrupt> {
    Ok(Delivery {
        seq: row.seq()?,
        question: row.seq()?,
        conversation: row.id()?,
        origin: Origin { account: row.id()?, message: row.text()? },
        text: row.text()?,
        files: row.list("files")?,
        buttons: row.list("buttons")?,
        part: row.integer()? as u32,
        attempts: row.integer()? as u32,
        due: Timestamp(row.integer()? as u64),
        tried: row.optional_integer()?.map(|ms| Timestamp(ms as u64)),
        is_answer: row.integer()? == 1,
    })
}

const INSERT_DELIVERY: &str =
    "insert into deliveries (seq, conversation, attempts, part, due_ms) values (?, ?, 0, ?, ?)";

const INSERT_PUSH: &str = "insert into deliveries (seq, conversation, attempts, part, due_ms, beside)
    values (?, ?, 0, ?, ?, ?)";

macro_rules! select_deliveries {
    ($rest:literal) => {
        concat!(
            "select d.seq, q.seq, d.conversation, q.origin_account, q.origin_message, a.text, a.files, a.buttons, d.part, ",
            "d.attempts, d.due_ms, d.tried_ms, a.author = 'agent' and d.beside is null from deliveries d ",
            "join messages a on a.seq = d.seq join messages q on q.seq = coalesce(d.beside, a.reply_to) where ",
            $rest
        )
    };
}

const SELECT_DUE: &str = select_deliveries!(
    "d.due_ms <= ? and d.seq in (select min(seq) from deliveries group by conversation) order by d.seq limit ?"
);

const SELECT_DELIVERY: &str = select_deliveries!("d.seq = ?");

const SELECT_OLDEST: &str = select_deliveries!("d.conversation = ? order by d.seq limit 1");

/// Only the oldest of each conversation counts: the others wait for it. Each row is read once, whatever waits.
const SELECT_NEXT_DUE: &str = "select min(due_ms) from (select due_ms, min(seq) from deliveries group by conversation)";
