//! Sessions and keys that ended.

use protocol::Timestamp;

use super::row::text;
use super::{Sql, Store, Value};
use crate::limit::REVOKED_MAX;

impl<S: Sql> Store<S> {
    /// Remembers that a session or key ended, among the [`REVOKED_MAX`] newest ones.
    pub fn insert_revoked(&self, id: &str, now: Timestamp) -> Result<(), S::Error> {
        self.write(INSERT_REVOKED, vec![text(id), Value::Integer(now.0 as i64)])?;
        self.write(DELETE_OLD, vec![Value::Integer(REVOKED_MAX as i64)])
    }

    /// Whether a session or key ended.
    pub fn is_revoked(&self, id: &str) -> Result<bool, S::Error> {
        Ok(!self.run("select 1 from revoked where id in (?, '*')", vec![text(id)])?.is_empty())
    }

    /// Remembers that every session and key is as if it had ended, or forgets that.
    pub fn set_barred(&self, is_barred: bool, now: Timestamp) -> Result<(), S::Error> {
        if is_barred {
            return self.write(INSERT_REVOKED, vec![text(ALL), Value::Integer(now.0 as i64)]);
        }
        self.write("delete from revoked where id = ?", vec![text(ALL)])
    }
}

/// Stands for every session and key.
const ALL: &str = "*";

const INSERT_REVOKED: &str = "insert or replace into revoked (id, at_ms) values (?, ?)";

const DELETE_OLD: &str = "delete from revoked where id in
    (select id from revoked where id <> '*' order by at_ms desc limit -1 offset ?)";
