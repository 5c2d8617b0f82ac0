//! The store's database: SQLite in memory, which can be made to fail and tells which rows a transaction touched.

#[path = "../../relay/tests/support/rows.rs"]
mod rows;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use relay::store::{Corrupt, Row, Sql, Value};
use rusqlite::{Connection, OpenFlags};

/// A row that a transaction inserted, changed or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touched {
    /// Of `agents`: any row.
    Agents,
    /// Of `deliveries`.
    Delivery(i64),
    /// Of `messages`.
    Message(i64),
}

/// One Hub's database. Clones share it.
#[derive(Clone)]
pub struct Sqlite(Rc<Inner>);

struct Inner {
    connection: Connection,
    /// How many more statements succeed; none: all.
    budget: Cell<Option<u32>>,
    touched: Arc<Mutex<Vec<Touched>>>,
}

impl Sqlite {
    /// An empty database.
    pub fn new() -> Sqlite {
        // One thread per world: no locks.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(":memory:", flags).unwrap();
        connection.execute_batch("pragma journal_mode = memory; pragma synchronous = off").unwrap();
        connection.set_prepared_statement_cache_capacity(256);
        let touched = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&touched);
        let hook = move |_, _: &str, table: &str, row: i64| {
            let what = match table {
                "agents" => Touched::Agents,
                "deliveries" => Touched::Delivery(row),
                "messages" => Touched::Message(row),
                _ => return,
            };
            seen.lock().unwrap().push(what);
        };
        connection.update_hook(Some(hook)).unwrap();
        Sqlite(Rc::new(Inner { connection, budget: Cell::new(None), touched }))
    }

    /// Begins a transaction in which only so many statements succeed; none: all.
    pub fn begin(&self, budget: Option<u32>) {
        self.command("begin");
        self.0.budget.set(budget);
    }

    /// Keeps what the transaction did, and answers the rows that it touched.
    pub fn commit(&self) -> Vec<Touched> {
        self.0.budget.set(None);
        self.command("commit");
        let mut touched = std::mem::take(&mut *self.0.touched.lock().unwrap());
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// Forgets what the transaction did.
    pub fn roll_back(&self) {
        self.0.budget.set(None);
        self.command("rollback");
        self.0.touched.lock().unwrap().clear();
    }

    /// Asks for rows, outside of what the relay counts.
    pub fn read<T>(
        &self,
        statement: &str,
        parameters: impl rusqlite::Params,
        row: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Vec<T> {
        let mut statement = self.0.connection.prepare_cached(statement).unwrap();
        statement.query_map(parameters, row).unwrap().map(Result::unwrap).collect()
    }

    /// Writes what the relay did not: history from before the simulation.
    pub fn write(&self, statement: &str, parameters: impl rusqlite::Params) {
        self.0.connection.prepare_cached(statement).unwrap().execute(parameters).unwrap();
    }

    fn command(&self, statement: &str) {
        self.0.connection.prepare_cached(statement).unwrap().execute([]).unwrap();
    }
}

/// Why a statement failed.
#[derive(Debug)]
pub struct SqliteError(pub String);

impl std::fmt::Display for SqliteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Corrupt> for SqliteError {
    fn from(Corrupt(what): Corrupt) -> SqliteError {
        panic!("the store calls its own rows corrupt: {what}")
    }
}

impl Sql for Sqlite {
    type Error = SqliteError;

    fn run(&self, statement: &'static str, parameters: Vec<Value>) -> Result<Vec<Row>, SqliteError> {
        match self.0.budget.get() {
            Some(0) => return Err(SqliteError("the disk is full".into())),
            Some(left) => self.0.budget.set(Some(left - 1)),
            None => {}
        }
        // A statement that SQLite refuses is a fault of the relay's, not of the disk.
        Ok(rows::rows(&self.0.connection, statement, parameters).unwrap_or_else(|error| panic!("{statement}: {error}")))
    }
}
