//! Every statement of a Hub's SQLite: one function per question, named for what it answers.
//!
//! The statements run in the Durable Object on workerd and, unchanged, under `rusqlite` in `cargo test`: whoever has a
//! database implements [`Sql`].

mod agent;
mod delivery;
mod event;
mod message;
mod revoked;
mod row;
mod schema;

use std::cell::RefCell;

use protocol::{AgentId, Seq, Timestamp, UserId};

use self::row::{Columns, integer, text};
use self::schema::{CREATE_META, MIGRATIONS};

pub use agent::{Agent, Settings};
pub use delivery::Delivery;
pub use event::{DeadLetter, Event, Logged};
pub use message::{Conversation, Ended, Opened, Origin, Outcome, Place, Progress, Question};

/// A database that runs one statement at a time.
pub trait Sql {
    /// Why a statement failed: a full disk, a broken schema.
    type Error: std::fmt::Display + From<Corrupt>;
    /// Runs a statement with its positional parameters and answers its rows.
    fn run(&self, statement: &'static str, parameters: Vec<Value>) -> Result<Vec<Row>, Self::Error>;
    /// Runs a statement whose rows, if it has any, nobody wants.
    fn write(&self, statement: &'static str, parameters: Vec<Value>) -> Result<(), Self::Error> {
        self.run(statement, parameters).map(drop)
    }
}

/// A parameter or a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Bytes.
    Blob(Vec<u8>),
    /// A whole number between -2^53 and 2^53.
    Integer(i64),
    /// NULL.
    Null,
    /// Text.
    Text(String),
}

impl Value {
    /// Of its text or bytes.
    fn bytes(&self) -> usize {
        match self {
            Value::Blob(bytes) => bytes.len(),
            Value::Integer(_) | Value::Null => 0,
            Value::Text(text) => text.len(),
        }
    }
}

/// The columns of one row, in the order of the statement.
pub type Row = Vec<Value>;

/// A stored value is not what this version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt(pub &'static str);

/// The statements of one Hub.
pub struct Store<S> {
    sql: S,
    /// New messages, by column, that the next statement or [`Store::flush`] inserts before anything else is done.
    held: RefCell<Vec<Row>>,
}

/// What holds for a timeline as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Whose it is, for ever.
    pub user: UserId,
    /// When it was created.
    pub epoch: u64,
    /// What ids are hashed with.
    pub salt: u64,
    /// Its newest message, 0 when there is none.
    pub head: Seq,
    /// Everything up to here is gone, except what is not finished with.
    pub trimmed: Seq,
    /// Every question up to here has ended.
    pub settled: Seq,
    /// The agent that questions go to, unless their conversation has another.
    pub default_agent: Option<AgentId>,
}

impl<S: Sql> Store<S> {
    /// Brings the schema up to date, keeping what is there, and reads what holds for the whole. `user` must be there the
    /// first time.
    pub fn open(sql: S, user: Option<UserId>, salt: u64, now: Timestamp) -> Result<(Store<S>, Timeline), S::Error> {
        let store = Store { sql, held: RefCell::default() };
        store.write(CREATE_META, vec![])?;
        let mut meta = store.meta()?;
        store.migrate(meta.integer("schema")?)?;
        if meta.value("epoch").is_none() {
            store.set_meta("epoch", Value::Integer(now.0 as i64))?;
            let user = user.ok_or(Corrupt("user"))?;
            store.set_meta("user", text(&user))?;
            meta = store.meta()?;
        }
        if meta.value("salt").is_none() {
            // Below 2^53, as every number that JavaScript passes on.
            store.set_meta("salt", Value::Integer((salt >> 11) as i64))?;
            meta = store.meta()?;
        }
        let (head, trimmed) = store.newest()?;
        let default_agent = meta.value("default_agent").map(|value| Columns::from(vec![value]).id());
        let timeline = Timeline {
            user: meta.value("user").map(|value| Columns::from(vec![value]).id()).ok_or(Corrupt("user"))??,
            epoch: meta.integer("epoch")?,
            salt: meta.integer("salt")?,
            head,
            trimmed: trimmed.max(Seq(meta.integer("trimmed")?)),
            settled: Seq(meta.integer("settled")?),
            default_agent: default_agent.transpose()?,
        };
        Ok((store, timeline))
    }

    fn migrate(&self, version: u64) -> Result<(), S::Error> {
        if version > MIGRATIONS.len() as u64 {
            return Err(Corrupt("schema: written by a newer relay").into());
        }
        for (migration, version) in MIGRATIONS.iter().zip(1..).skip(version as usize) {
            for statement in *migration {
                self.write(statement, vec![])?;
            }
            self.set_meta("schema", Value::Integer(version))?;
        }
        Ok(())
    }

    /// Every question up to `seq` has ended: the next wake need not look there.
    pub fn set_settled(&self, seq: Seq) -> Result<(), S::Error> {
        self.set_meta("settled", integer(seq))
    }

    /// Uses up a ticket. False when it was used before.
    pub fn spend_ticket(&self, id: &str, now: Timestamp, expires: Timestamp) -> Result<bool, S::Error> {
        self.write("delete from tickets where expires_ms < ?", vec![Value::Integer(now.0 as i64)])?;
        let rows = self.run(SPEND_TICKET, vec![text(id), Value::Integer(expires.0 as i64)])?;
        Ok(!rows.is_empty())
    }

    fn meta(&self) -> Result<Meta, S::Error> {
        self.run("select key, value from meta", vec![]).map(Meta)
    }

    fn set_meta(&self, key: &'static str, value: Value) -> Result<(), S::Error> {
        self.write("insert or replace into meta (key, value) values (?, ?)", vec![text(key), value])
    }

    fn run(&self, statement: &'static str, parameters: Vec<Value>) -> Result<Vec<Row>, S::Error> {
        self.flush()?;
        self.sql.run(statement, parameters)
    }

    fn write(&self, statement: &'static str, parameters: Vec<Value>) -> Result<(), S::Error> {
        self.flush()?;
        self.sql.write(statement, parameters)
    }
}

/// The rows of `meta`.
struct Meta(Vec<Row>);

impl Meta {
    fn value(&self, key: &str) -> Option<Value> {
        let row = self.0.iter().find(|row| matches!(row.first(), Some(Value::Text(known)) if known == key))?;
        row.get(1).cloned()
    }

    /// A number; 0 when there is none.
    fn integer(&self, key: &'static str) -> Result<u64, Corrupt> {
        match self.value(key) {
            None => Ok(0),
            Some(Value::Integer(number)) => Ok(number as u64),
            Some(_) => Err(Corrupt(key)),
        }
    }
}

const SPEND_TICKET: &str = "insert or ignore into tickets (id, expires_ms) values (?, ?) returning id";
