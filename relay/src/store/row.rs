//! Rows into types. A value that this version does not write is [`Corrupt`], never guessed at.

use protocol::{Author, Envelope, Seq, State, Timestamp};

use super::{Corrupt, Delivery, Message, Origin, Outcome, Row, Value};

pub(super) fn message(mut row: Columns) -> Result<Message, Corrupt> {
    let (seq, id, conversation) = (row.seq()?, row.id()?, row.id()?);
    let author = row.text()?;
    let (author_id, via, agent) = (row.optional_text()?, row.optional_text()?, row.optional_id()?);
    let from = match author.as_str() {
        "agent" => {
            let id = author_id.and_then(|id| id.parse().ok()).ok_or(Corrupt("author_id"))?;
            Author::Agent { id }
        }
        "relay" => Author::Relay,
        "user" => Author::User { via: via.ok_or(Corrupt("via"))?, sender: author_id },
        _ => return Err(Corrupt("author")),
    };
    let reply_to = row.optional_integer()?.map(|seq| Seq(seq as u64));
    let at_ms = Timestamp(row.integer()? as u64);
    let text = row.text()?;
    let outcome = row.outcome()?;
    let state = match from {
        Author::Agent { .. } | Author::Relay => None,
        Author::User { .. } => Some(outcome.map_or(State::Queued, Outcome::state)),
    };
    let reason = row.optional_text()?;
    Ok(Message { envelope: Envelope { seq, id, conversation, from, reply_to, at_ms, text, state, reason }, agent })
}

pub(super) fn delivery(mut row: Columns) -> Result<Delivery, Corrupt> {
    Ok(Delivery {
        seq: row.seq()?,
        question: row.seq()?,
        origin: Origin { account: row.id()?, message: row.text()? },
        text: row.text()?,
        attempts: row.integer()? as u32,
        tried: row.optional_integer()?.map(|ms| Timestamp(ms as u64)),
    })
}

/// A row, read from left to right.
pub(super) struct Columns(std::vec::IntoIter<Value>);

impl From<Row> for Columns {
    fn from(row: Row) -> Columns {
        Columns(row.into_iter())
    }
}

impl Columns {
    pub(super) fn optional_integer(&mut self) -> Result<Option<i64>, Corrupt> {
        match self.0.next() {
            Some(Value::Integer(integer)) => Ok(Some(integer)),
            Some(Value::Null) => Ok(None),
            _ => Err(Corrupt("integer column")),
        }
    }

    pub(super) fn optional_text(&mut self) -> Result<Option<String>, Corrupt> {
        match self.0.next() {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            _ => Err(Corrupt("text column")),
        }
    }

    pub(super) fn optional_id<T: std::str::FromStr>(&mut self) -> Result<Option<T>, Corrupt> {
        self.optional_text()?.map(|text| text.parse().map_err(|_| Corrupt("id column"))).transpose()
    }

    pub(super) fn integer(&mut self) -> Result<i64, Corrupt> {
        self.optional_integer()?.ok_or(Corrupt("integer column"))
    }

    pub(super) fn text(&mut self) -> Result<String, Corrupt> {
        self.optional_text()?.ok_or(Corrupt("text column"))
    }

    pub(super) fn id<T: std::str::FromStr>(&mut self) -> Result<T, Corrupt> {
        self.optional_id()?.ok_or(Corrupt("id column"))
    }

    pub(super) fn seq(&mut self) -> Result<Seq, Corrupt> {
        Ok(Seq(self.integer()? as u64))
    }

    pub(super) fn outcome(&mut self) -> Result<Option<Outcome>, Corrupt> {
        match self.optional_text()?.as_deref() {
            None => Ok(None),
            Some("failed") => Ok(Some(Outcome::Failed)),
            Some("replied") => Ok(Some(Outcome::Replied)),
            Some(_) => Err(Corrupt("outcome")),
        }
    }
}

pub(super) fn first(rows: Vec<Row>) -> Option<Columns> {
    rows.into_iter().next().map(Columns::from)
}

pub(super) fn text(value: impl ToString) -> Value {
    Value::Text(value.to_string())
}

pub(super) fn optional(value: Option<impl ToString>) -> Value {
    value.map_or(Value::Null, text)
}

pub(super) fn integer(seq: Seq) -> Value {
    Value::Integer(seq.0 as i64)
}
