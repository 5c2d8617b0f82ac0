//! Sessions and keys that ended.

use protocol::Timestamp;

use super::row::text;
use super::{Sql, Store, Value};
use crate::limit::REVOKED_MAX;

impl<S: Sql> Store<S> {
    /// Remembers that a session or key ended, among the [`REVOKED_MAX`] newest ones.
    pub fn insert_revoked(&self, id: &str, now: Timestamp) -> Result<(), S::Error> {
        let statement = "insert or replace into revoked (id, at_ms) values (?, ?)";
        self.write(statement, vec![text(id), Value::Integer(now.0 as i64)])?;
        self.write(DELETE_OLD, vec![Value::Integer(REVOKED_MAX as i64)])
    }

    /// Whether a session or key ended.
    pub fn is_revoked(&self, id: &str) -> Result<bool, S::Error> {
        Ok(!self.run("select 1 from revoked where id = ?", vec![text(id)])?.is_empty())
    }

    /// Forgets an agent, and lets the conversations that had chosen it have the default again.
    pub fn delete_agent(&self, agent: &protocol::AgentId) -> Result<(), S::Error> {
        self.write("delete from agents where id = ?", vec![text(agent)])?;
        self.write("update conversations set agent = null where agent = ?", vec![text(agent)])
    }

    /// No agent is the one that questions go to.
    pub fn clear_default_agent(&self) -> Result<(), S::Error> {
        self.write("delete from meta where key = 'default_agent'", vec![])
    }
}

const DELETE_OLD: &str =
    "delete from revoked where id in (select id from revoked order by at_ms desc limit -1 offset ?)";
