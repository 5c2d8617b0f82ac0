//! The event log: a ring of rows, and the dead letters.

use protocol::{ConversationId, MessageId, Seq, Timestamp};
use serde::Serialize;

use super::row::{all, first, integer, optional, text};
use super::{Corrupt, Sql, Store, Value};
use crate::limit::{DEAD_LETTERS_MAX, EVENTS_MAX};

/// Something that happened, without message texts unless the operator turned them on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Event {
    /// Counts up; none: the timeline itself says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// When.
    pub at_ms: Timestamp,
    /// What: a word of [`crate::hub::EventKind`].
    pub kind: String,
    /// Which message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// Ids, counts and reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A message as the log tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its place.
    pub seq: Seq,
    /// Its id.
    pub id: MessageId,
    /// `agent`, `relay` or `user`.
    pub author: String,
    /// Whom a question is meant for.
    pub agent: Option<String>,
    /// The question that it answers.
    pub reply_to: Option<Seq>,
    /// When it was accepted.
    pub at_ms: Timestamp,
    /// How it begins; nothing, unless that was asked for.
    pub text: String,
}

/// A question that ended without an answer at its writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct DeadLetter {
    /// The question.
    pub seq: Seq,
    /// Its thread.
    pub conversation: ConversationId,
    /// When it was given up.
    pub at_ms: Timestamp,
    /// `expired` or `failed`.
    pub outcome: String,
    /// Why.
    pub reason: Option<String>,
}

impl<S: Sql> Store<S> {
    /// The number of the newest event, 0 when there is none.
    pub fn last_event(&self) -> Result<u64, S::Error> {
        let rows = self.run("select coalesce(max(n), 0) from events", vec![])?;
        Ok(first(rows).ok_or(Corrupt("events"))?.integer()? as u64)
    }

    /// Writes the event with number `n` over the one [`EVENTS_MAX`] before it.
    pub fn put_event(&self, n: u64, event: &Event) -> Result<(), S::Error> {
        let parameters = vec![
            Value::Integer((n % EVENTS_MAX) as i64),
            Value::Integer(n as i64),
            Value::Integer(event.at_ms.0 as i64),
            text(&event.kind),
            event.seq.map_or(Value::Null, integer),
            optional(event.detail.as_ref()),
        ];
        self.write(PUT_EVENT, parameters)
    }

    /// The events before `before`, newest first.
    pub fn events(&self, before: u64, limit: u64) -> Result<Vec<Event>, S::Error> {
        let rows = self.run(SELECT_EVENTS, vec![Value::Integer(before as i64), Value::Integer(limit as i64)])?;
        all(rows, |row| {
            Ok(Event {
                n: Some(row.integer()? as u64),
                at_ms: Timestamp(row.integer()? as u64),
                kind: row.text()?,
                seq: row.optional_seq()?,
                detail: row.optional_text()?,
            })
        })
    }

    /// The messages before `before`, newest first, with at most `characters` of their texts.
    pub fn logged(&self, before: u64, limit: u64, characters: u64) -> Result<Vec<Logged>, S::Error> {
        let parameters = [characters, before, limit].map(|number| Value::Integer(number as i64));
        let rows = self.run(SELECT_LOGGED, parameters.into())?;
        all(rows, |row| {
            Ok(Logged {
                seq: row.seq()?,
                id: row.id()?,
                author: row.text()?,
                agent: row.optional_text()?,
                reply_to: row.optional_seq()?,
                at_ms: Timestamp(row.integer()? as u64),
                text: row.text()?,
            })
        })
    }

    /// Keeps a question as a dead letter. Beyond [`DEAD_LETTERS_MAX`] the oldest one goes.
    pub fn insert_dead_letter(&self, seq: Seq, now: Timestamp) -> Result<(), S::Error> {
        self.write(INSERT_DEAD, vec![integer(seq), Value::Integer(now.0 as i64)])?;
        self.write(DELETE_OLDEST_DEAD, vec![Value::Integer(DEAD_LETTERS_MAX as i64)])
    }

    /// It was replayed.
    pub fn delete_dead_letter(&self, seq: Seq) -> Result<(), S::Error> {
        self.write("delete from dead_letters where seq = ?", vec![integer(seq)])
    }

    /// How many there are.
    pub fn dead_letters_count(&self) -> Result<u64, S::Error> {
        let rows = self.run("select count(*) from dead_letters", vec![])?;
        Ok(first(rows).ok_or(Corrupt("count"))?.integer()? as u64)
    }

    /// The dead letters before `before`, newest first.
    pub fn dead_letters(&self, before: Seq, limit: u64) -> Result<Vec<DeadLetter>, S::Error> {
        let rows = self.run(SELECT_DEAD, vec![integer(before), Value::Integer(limit as i64)])?;
        all(rows, |row| {
            Ok(DeadLetter {
                seq: row.seq()?,
                conversation: row.id()?,
                at_ms: Timestamp(row.integer()? as u64),
                outcome: row.text()?,
                reason: row.optional_text()?,
            })
        })
    }
}

const PUT_EVENT: &str = "insert or replace into events (slot, n, at_ms, kind, seq, detail) values (?, ?, ?, ?, ?, ?)";

const SELECT_EVENTS: &str = "select n, at_ms, kind, seq, detail from events where n < ? order by n desc limit ?";

const SELECT_LOGGED: &str = "select seq, id, author, agent, reply_to, at_ms, substr(text, 1, ?) from messages
    where seq < ? order by seq desc limit ?";

const INSERT_DEAD: &str = "insert or replace into dead_letters (seq, at_ms) values (?, ?)";

const DELETE_OLDEST_DEAD: &str = "delete from dead_letters where seq in
    (select seq from dead_letters order by seq desc limit -1 offset ?)";

const SELECT_DEAD: &str = "select d.seq, q.conversation, d.at_ms, q.outcome, q.reason
    from dead_letters d join messages q on q.seq = d.seq where d.seq < ? order by d.seq desc limit ?";
