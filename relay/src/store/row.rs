//! Rows into types. A value that this version does not write is [`Corrupt`], never guessed at.

use protocol::Seq;
use protocol::json::{self, FromJson};
use serde::Serialize;

use super::{Corrupt, Outcome, Row, Value};

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

    pub(super) fn blob(&mut self) -> Result<Vec<u8>, Corrupt> {
        match self.0.next() {
            Some(Value::Blob(bytes)) => Ok(bytes),
            _ => Err(Corrupt("blob column")),
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

    pub(super) fn optional_seq(&mut self) -> Result<Option<Seq>, Corrupt> {
        Ok(self.optional_integer()?.map(|seq| Seq(seq as u64)))
    }

    /// What comes with a message.
    pub(super) fn list<T: FromJson>(&mut self, column: &'static str) -> Result<Vec<T>, Corrupt> {
        let Some(text) = self.optional_text()? else { return Ok(Vec::new()) };
        json::read(&text).map_err(|_| Corrupt(column))
    }

    pub(super) fn outcome(&mut self) -> Result<Option<Outcome>, Corrupt> {
        let Some(word) = self.optional_text()? else { return Ok(None) };
        Outcome::from_str(&word).map(Some).ok_or(Corrupt("outcome"))
    }
}

/// Reads every row.
pub(super) fn all<T, E: From<Corrupt>>(
    rows: Vec<Row>,
    read: impl Fn(&mut Columns) -> Result<T, Corrupt>,
) -> Result<Vec<T>, E> {
    rows.into_iter().map(|row| read(&mut row.into()).map_err(E::from)).collect()
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

/// What comes with a message; most have nothing.
pub(super) fn json_list<T: Serialize>(list: &[T]) -> Value {
    let json = || serde_json::to_string(list).expect("they are strings and numbers");
    if list.is_empty() { Value::Null } else { Value::Text(json()) }
}

pub(super) fn integer(seq: Seq) -> Value {
    Value::Integer(seq.0 as i64)
}
