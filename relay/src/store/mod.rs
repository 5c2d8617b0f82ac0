//! Every statement of a Hub's SQLite: one function per question, named for what it answers.
//!
//! The statements run in the Durable Object on workerd and, unchanged, under `rusqlite` in `cargo test`: whoever has a
//! database implements [`Sql`].

mod agent;
mod delivery;
mod event;
mod message;
mod row;
mod schema;

use protocol::{Seq, Timestamp, UserId};

use self::row::{Columns, first, integer, text};
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

/// The columns of one row, in the order of the statement.
pub type Row = Vec<Value>;

/// A stored value is not what this version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt(pub &'static str);

/// The statements of one Hub.
pub struct Store<S> {
    sql: S,
}

impl<S: Sql> Store<S> {
    /// Brings the schema up to date, keeping what is there.
    pub fn open(sql: S, now: Timestamp) -> Result<Store<S>, S::Error> {
        let store = Store { sql };
        store.write(CREATE_META, vec![])?;
        let mut version = store.meta_integer("schema")?.unwrap_or(0);
        if version > MIGRATIONS.len() as i64 {
            return Err(Corrupt("schema: written by a newer relay").into());
        }
        for migration in MIGRATIONS.iter().skip(version as usize) {
            for statement in *migration {
                store.write(statement, vec![])?;
            }
            version += 1;
            store.set_meta("schema", Value::Integer(version))?;
        }
        if store.meta_integer("epoch")?.is_none() {
            store.set_meta("epoch", Value::Integer(now.0 as i64))?;
        }
        Ok(store)
    }

    /// Whose timeline this is: `user` the first time, and for ever.
    pub fn owner(&self, user: Option<UserId>) -> Result<UserId, S::Error> {
        if let Some(mut row) = self.meta("user")? {
            return Ok(row.id()?);
        }
        let user = user.ok_or(Corrupt("user"))?;
        self.set_meta("user", text(&user))?;
        Ok(user)
    }

    /// When this timeline was created.
    pub fn epoch(&self) -> Result<u64, S::Error> {
        Ok(self.meta_integer("epoch")?.ok_or(Corrupt("epoch"))? as u64)
    }

    /// The last message that was trimmed: everything up to here is gone, except what is not finished with.
    pub fn trimmed(&self) -> Result<Seq, S::Error> {
        let noted = Seq(self.meta_integer("trimmed")?.unwrap_or(0) as u64);
        Ok(noted.max(self.trimmed_at_head()?))
    }

    /// Every question up to here has ended.
    pub fn settled(&self) -> Result<Seq, S::Error> {
        Ok(Seq(self.meta_integer("settled")?.unwrap_or(0) as u64))
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

    fn meta(&self, key: &'static str) -> Result<Option<Columns>, S::Error> {
        Ok(first(self.run("select value from meta where key = ?", vec![text(key)])?))
    }

    fn meta_integer(&self, key: &'static str) -> Result<Option<i64>, S::Error> {
        Ok(self.meta(key)?.map(|mut row| row.integer()).transpose()?)
    }

    fn set_meta(&self, key: &'static str, value: Value) -> Result<(), S::Error> {
        self.write("insert or replace into meta (key, value) values (?, ?)", vec![text(key), value])
    }

    fn run(&self, statement: &'static str, parameters: Vec<Value>) -> Result<Vec<Row>, S::Error> {
        self.sql.run(statement, parameters)
    }

    fn write(&self, statement: &'static str, parameters: Vec<Value>) -> Result<(), S::Error> {
        self.sql.write(statement, parameters)
    }
}

const SPEND_TICKET: &str = "insert or ignore into tickets (id, expires_ms) values (?, ?) returning id";
