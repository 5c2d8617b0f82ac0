//! Every statement of a Hub's SQLite: one function per question, named for what it answers.
//!
//! The statements run in the Durable Object on workerd and, unchanged, under `rusqlite` in `cargo test`: whoever has a
//! database implements [`Sql`].

mod row;
mod schema;

use protocol::{AgentId, Author, ConversationId, Envelope, MessageId, Seq, State, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use self::row::{Columns, delivery, first, integer, message, optional, text};
use self::schema::{CREATE_META, MIGRATIONS};
use crate::limit::{CONVERSATIONS_MAX, TRIM_ROWS_MAX};

/// A database that runs one statement at a time.
pub trait Sql {
    /// Why a statement failed: a full disk, a broken schema.
    type Error: std::fmt::Display + From<Corrupt>;
    /// Runs a statement with its positional parameters and answers its rows.
    fn run(&self, statement: &'static str, parameters: Vec<Value>) -> Result<Vec<Row>, Self::Error>;
}

/// A parameter or a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
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

/// A question about to be stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its idempotency key.
    pub id: MessageId,
    /// The thread of talk.
    pub conversation: ConversationId,
    /// Where it was written: `web`, `feishu`.
    pub via: String,
    /// The writer's id there.
    pub sender: Option<String>,
    /// What it says.
    pub text: String,
    /// Where its answer goes, beside the timeline.
    pub origin: Option<Origin>,
}

/// The message on a chat platform that an answer replies to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The bot account that received it.
    pub account: protocol::AccountId,
    /// The platform's id of the message.
    pub message: String,
}

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It, or the delivery of its answer, failed.
    Failed,
    /// Its answer is in the timeline.
    Replied,
}

impl Outcome {
    /// The state that peers see.
    pub fn state(self) -> State {
        match self {
            Outcome::Failed => State::Failed,
            Outcome::Replied => State::Replied,
        }
    }
}

/// A question as the core needs it to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its thread.
    pub conversation: ConversationId,
    /// The agent it is meant for; none until the user's first agent connects.
    pub agent: Option<AgentId>,
    /// How it ended, if it did.
    pub outcome: Option<Outcome>,
    /// Whether its answer goes to a platform.
    pub has_origin: bool,
}

/// How far a question has come, as far as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The question.
    pub seq: Seq,
    /// The agent it is meant for.
    pub agent: Option<AgentId>,
    /// How it ended, if it did.
    pub outcome: Option<Outcome>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// An agent that connected at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Which one.
    pub id: AgentId,
    /// As its owner named it.
    pub name: String,
    /// It has stored every question of its own up to here.
    pub acked: Seq,
}

/// An answer on its way to a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The answer's place in the timeline.
    pub seq: Seq,
    /// The question that it answers.
    pub question: Seq,
    /// Where it goes.
    pub origin: Origin,
    /// The answer.
    pub text: String,
    /// Tries that failed.
    pub attempts: u32,
    /// When it was first tried, if it was.
    pub tried: Option<Timestamp>,
}

/// A thread of talk in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conversation {
    /// Which one.
    pub id: ConversationId,
    /// Its newest message.
    pub last_seq: Seq,
    /// When that was accepted.
    pub last_at_ms: Timestamp,
}

/// The statements of one Hub.
pub struct Store<S> {
    sql: S,
}

impl<S: Sql> Store<S> {
    /// Brings the schema up to date, keeping what is there.
    pub fn open(sql: S, now: Timestamp) -> Result<Store<S>, S::Error> {
        let store = Store { sql };
        store.run(CREATE_META, vec![])?;
        let mut version = store.meta_integer("schema")?.unwrap_or(0);
        for migration in MIGRATIONS.iter().skip(version as usize) {
            for statement in *migration {
                store.run(statement, vec![])?;
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

    /// The last message that was trimmed: everything up to here is gone, except questions still open.
    pub fn trimmed(&self) -> Result<Seq, S::Error> {
        Ok(Seq(self.meta_integer("trimmed")?.unwrap_or(0) as u64))
    }

    /// The newest message, 0 when there is none.
    pub fn head(&self) -> Result<Seq, S::Error> {
        let rows = self.run("select coalesce(max(seq), 0) from messages", vec![])?;
        first(rows).ok_or(Corrupt("head"))?.seq().map_err(S::Error::from)
    }

    /// The agent that questions go to.
    pub fn default_agent(&self) -> Result<Option<AgentId>, S::Error> {
        match self.meta("default_agent")? {
            Some(mut row) => Ok(Some(row.id()?)),
            None => Ok(None),
        }
    }

    /// Makes an agent the one that questions go to, and gives it those that wait for any.
    pub fn set_default_agent(&self, agent: &AgentId) -> Result<(), S::Error> {
        self.set_meta("default_agent", text(agent))?;
        self.run(ADOPT_QUESTIONS, vec![text(agent)]).map(drop)
    }

    /// Stores a question.
    pub fn insert_question(
        &self,
        seq: Seq,
        now: Timestamp,
        question: &Question,
        agent: Option<&AgentId>,
    ) -> Result<(), S::Error> {
        let origin = question.origin.as_ref();
        let parameters = vec![
            integer(seq),
            text(&question.id),
            text(&question.conversation),
            text("user"),
            optional(question.sender.as_ref()),
            text(&question.via),
            optional(agent),
            Value::Null,
            Value::Integer(now.0 as i64),
            text(&question.text),
            optional(origin.map(|origin| &origin.account)),
            optional(origin.map(|origin| &origin.message)),
        ];
        self.run(INSERT_MESSAGE, parameters).map(drop)
    }

    /// Stores an answer or a notice.
    pub fn insert_answer(&self, envelope: &Envelope) -> Result<(), S::Error> {
        let (author, author_id) = match &envelope.from {
            Author::Agent { id } => ("agent", text(id)),
            Author::Relay | Author::User { .. } => ("relay", Value::Null),
        };
        let parameters = vec![
            integer(envelope.seq),
            text(&envelope.id),
            text(&envelope.conversation),
            text(author),
            author_id,
            Value::Null,
            Value::Null,
            envelope.reply_to.map_or(Value::Null, integer),
            Value::Integer(envelope.at_ms.0 as i64),
            text(&envelope.text),
            Value::Null,
            Value::Null,
        ];
        self.run(INSERT_MESSAGE, parameters).map(drop)
    }

    /// Where a message with this id stands, and what it says.
    pub fn message_by_id(&self, id: &MessageId) -> Result<Option<(Seq, String)>, S::Error> {
        let rows = self.run("select seq, text from messages where id = ?", vec![text(id)])?;
        let Some(mut row) = first(rows) else { return Ok(None) };
        Ok(Some((row.seq()?, row.text()?)))
    }

    /// A question, by its place.
    pub fn question(&self, seq: Seq) -> Result<Option<Asked>, S::Error> {
        let Some(mut row) = first(self.run(SELECT_QUESTION, vec![integer(seq)])?) else { return Ok(None) };
        Ok(Some(Asked {
            conversation: row.id()?,
            agent: row.optional_id()?,
            outcome: row.outcome()?,
            has_origin: row.integer()? == 1,
        }))
    }

    /// Ends a question.
    pub fn finish(&self, seq: Seq, outcome: Outcome, reason: Option<&str>) -> Result<(), S::Error> {
        let outcome = match outcome {
            Outcome::Failed => "failed",
            Outcome::Replied => "replied",
        };
        let parameters = vec![text(outcome), optional(reason), integer(seq)];
        self.run("update messages set outcome = ?, reason = ? where seq = ?", parameters).map(drop)
    }

    /// The messages after `after`, oldest first.
    pub fn messages_after(&self, after: Seq, limit: u64) -> Result<Vec<Message>, S::Error> {
        self.messages(SELECT_AFTER, vec![integer(after), Value::Integer(limit as i64)])
    }

    /// An agent's open questions after `after`, oldest first.
    pub fn open_questions_after(&self, agent: &AgentId, after: Seq, limit: u64) -> Result<Vec<Message>, S::Error> {
        self.messages(SELECT_OPEN_AFTER, vec![integer(after), text(agent), Value::Integer(limit as i64)])
    }

    /// How many questions have no answer. Reads every row: asked once per wake, and only when a question comes.
    pub fn open_questions_count(&self) -> Result<u64, S::Error> {
        let rows = self.run(COUNT_OPEN, vec![])?;
        Ok(first(rows).ok_or(Corrupt("count"))?.integer()? as u64)
    }

    /// How far the questions among the messages `from..=to` have come.
    pub fn progress_between(&self, from: Seq, to: Seq) -> Result<Vec<Progress>, S::Error> {
        let rows = self.run(SELECT_PROGRESS_BETWEEN, vec![integer(from), integer(to)])?;
        rows.into_iter()
            .map(|row| {
                let mut row = Columns::from(row);
                let (seq, agent) = (row.seq()?, row.optional_id()?);
                Ok(Progress { seq, agent, outcome: row.outcome()?, reason: row.optional_text()? })
            })
            .collect()
    }

    /// The newest `limit` messages of a conversation before `before`, newest first.
    pub fn page(&self, conversation: &ConversationId, before: Seq, limit: u64) -> Result<Vec<Message>, S::Error> {
        self.messages(SELECT_PAGE, vec![text(conversation), integer(before), Value::Integer(limit as i64)])
    }

    /// The conversations, the one with the newest message first.
    pub fn conversations(&self) -> Result<Vec<Conversation>, S::Error> {
        let rows = self.run(SELECT_CONVERSATIONS, vec![Value::Integer(CONVERSATIONS_MAX as i64)])?;
        rows.into_iter()
            .map(|row| {
                let mut row = Columns::from(row);
                Ok(Conversation { id: row.id()?, last_seq: row.seq()?, last_at_ms: Timestamp(row.integer()? as u64) })
            })
            .collect()
    }

    /// The agents that ever connected, oldest first.
    pub fn agents(&self) -> Result<Vec<Agent>, S::Error> {
        let rows = self.run("select id, name, acked from agents order by rowid", vec![])?;
        rows.into_iter()
            .map(|row| {
                let mut row = Columns::from(row);
                Ok(Agent { id: row.id()?, name: row.text()?, acked: row.seq()? })
            })
            .collect()
    }

    /// Keeps an agent's name and how far it has stored its questions.
    pub fn put_agent(&self, agent: &Agent) -> Result<(), S::Error> {
        self.run(PUT_AGENT, vec![text(&agent.id), text(&agent.name), integer(agent.acked)]).map(drop)
    }

    /// Puts an answer on its way to a platform.
    pub fn insert_delivery(&self, seq: Seq, conversation: &ConversationId, now: Timestamp) -> Result<(), S::Error> {
        self.run(INSERT_DELIVERY, vec![integer(seq), text(conversation), Value::Integer(now.0 as i64)]).map(drop)
    }

    /// An answer is about to be tried for the first time.
    pub fn mark_tried(&self, seq: Seq, now: Timestamp) -> Result<(), S::Error> {
        let statement = "update deliveries set tried_ms = ? where seq = ?";
        self.run(statement, vec![Value::Integer(now.0 as i64), integer(seq)]).map(drop)
    }

    /// The answers that are due, at most one of each conversation (its oldest), so that order is kept.
    pub fn due_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<Delivery>, S::Error> {
        let rows = self.run(SELECT_DUE, vec![Value::Integer(now.0 as i64), Value::Integer(limit as i64)])?;
        rows.into_iter().map(|row| delivery(row.into()).map_err(S::Error::from)).collect()
    }

    /// An answer on its way, by its place.
    pub fn delivery(&self, seq: Seq) -> Result<Option<Delivery>, S::Error> {
        let Some(row) = first(self.run(SELECT_DELIVERY, vec![integer(seq)])?) else { return Ok(None) };
        delivery(row).map(Some).map_err(S::Error::from)
    }

    /// When the next answer is due.
    pub fn next_delivery(&self) -> Result<Option<Timestamp>, S::Error> {
        let rows = self.run(SELECT_NEXT_DUE, vec![])?;
        match first(rows).map(|mut row| row.optional_integer()).transpose()?.flatten() {
            Some(due) => Ok(Some(Timestamp(due as u64))),
            None => Ok(None),
        }
    }

    /// An answer was taken, or given up.
    pub fn delete_delivery(&self, seq: Seq) -> Result<(), S::Error> {
        self.run("delete from deliveries where seq = ?", vec![integer(seq)]).map(drop)
    }

    /// An answer is tried again later.
    pub fn postpone_delivery(&self, seq: Seq, due: Timestamp) -> Result<(), S::Error> {
        let statement = "update deliveries set attempts = attempts + 1, due_ms = ? where seq = ?";
        self.run(statement, vec![Value::Integer(due.0 as i64), integer(seq)]).map(drop)
    }

    /// Uses up a ticket. False when it was used before.
    pub fn spend_ticket(&self, id: &str, now: Timestamp, expires: Timestamp) -> Result<bool, S::Error> {
        self.run("delete from tickets where expires_ms < ?", vec![Value::Integer(now.0 as i64)])?;
        let rows = self.run(SPEND_TICKET, vec![text(id), Value::Integer(expires.0 as i64)])?;
        Ok(!rows.is_empty())
    }

    /// Deletes at most [`TRIM_ROWS_MAX`] finished messages among those up to `upto` that are older than `before`.
    /// Open questions stay. Answers how far everything else is gone.
    pub fn trim(&self, from: Seq, upto: Seq, before: Timestamp) -> Result<Seq, S::Error> {
        let upto = Seq(upto.0.min(from.0 + TRIM_ROWS_MAX));
        let old = vec![integer(from), integer(upto), Value::Integer(before.0 as i64)];
        let Some(mut row) = first(self.run(SELECT_LAST_OLD, old)?) else { return Ok(from) };
        let Some(last) = row.optional_integer()? else { return Ok(from) };
        let last = Seq(last as u64);
        self.run(DELETE_FINISHED, vec![integer(last)])?;
        self.set_meta("trimmed", integer(last))?;
        Ok(last)
    }

    fn messages(&self, statement: &'static str, parameters: Vec<Value>) -> Result<Vec<Message>, S::Error> {
        let rows = self.run(statement, parameters)?;
        rows.into_iter().map(|row| message(row.into()).map_err(S::Error::from)).collect()
    }

    fn meta(&self, key: &'static str) -> Result<Option<Columns>, S::Error> {
        Ok(first(self.run("select value from meta where key = ?", vec![text(key)])?))
    }

    fn meta_integer(&self, key: &'static str) -> Result<Option<i64>, S::Error> {
        Ok(self.meta(key)?.map(|mut row| row.integer()).transpose()?)
    }

    fn set_meta(&self, key: &'static str, value: Value) -> Result<(), S::Error> {
        self.run("insert or replace into meta (key, value) values (?, ?)", vec![text(key), value]).map(drop)
    }

    fn run(&self, statement: &'static str, parameters: Vec<Value>) -> Result<Vec<Row>, S::Error> {
        self.sql.run(statement, parameters)
    }
}

/// A stored message: its envelope, in which a question without an outcome is `queued`, and whom a question is meant for.
/// Whether it is delivered or being answered the core knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What peers see.
    pub envelope: Envelope,
    /// The agent that a question is meant for.
    pub agent: Option<AgentId>,
}

const ADOPT_QUESTIONS: &str =
    "update messages set agent = ? where agent is null and author = 'user' and outcome is null";

const INSERT_MESSAGE: &str = "insert into messages
    (seq, id, conversation, author, author_id, via, agent, reply_to, at_ms, text, origin_account, origin_message)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const SELECT_QUESTION: &str = "select conversation, agent, outcome, origin_account is not null
    from messages where seq = ? and author = 'user'";

macro_rules! select_messages {
    ($rest:literal) => {
        concat!(
            "select seq, id, conversation, author, author_id, via, agent, reply_to, at_ms, text, outcome, reason ",
            "from messages where ",
            $rest
        )
    };
}

const SELECT_AFTER: &str = select_messages!("seq > ? order by seq limit ?");

const SELECT_OPEN_AFTER: &str =
    select_messages!("seq > ? and agent = ? and author = 'user' and outcome is null order by seq limit ?");

const SELECT_PROGRESS_BETWEEN: &str =
    "select seq, agent, outcome, reason from messages where seq between ? and ? and author = 'user' order by seq";

const SELECT_PAGE: &str = select_messages!("conversation = ? and seq < ? order by seq desc limit ?");

const COUNT_OPEN: &str = "select count(*) from messages where author = 'user' and outcome is null";

const SELECT_CONVERSATIONS: &str =
    "select conversation, max(seq), at_ms from messages group by conversation order by 2 desc limit ?";

const PUT_AGENT: &str = "insert into agents (id, name, acked) values (?, ?, ?)
    on conflict (id) do update set name = excluded.name, acked = excluded.acked";

const INSERT_DELIVERY: &str = "insert into deliveries (seq, conversation, attempts, due_ms) values (?, ?, 0, ?)";

macro_rules! select_deliveries {
    ($rest:literal) => {
        concat!(
            "select d.seq, a.reply_to, q.origin_account, q.origin_message, a.text, d.attempts, d.tried_ms ",
            "from deliveries d join messages a on a.seq = d.seq join messages q on q.seq = a.reply_to where ",
            $rest
        )
    };
}

const SELECT_DUE: &str = select_deliveries!(
    "d.due_ms <= ? and not exists
        (select 1 from deliveries e where e.conversation = d.conversation and e.seq < d.seq)
    order by d.seq limit ?"
);

const SELECT_DELIVERY: &str = select_deliveries!("d.seq = ?");

/// Only the oldest of each conversation counts: the others wait for it.
const SELECT_NEXT_DUE: &str = "select min(d.due_ms) from deliveries d where not exists
    (select 1 from deliveries e where e.conversation = d.conversation and e.seq < d.seq)";

const SPEND_TICKET: &str = "insert or ignore into tickets (id, expires_ms) values (?, ?) returning id";

const SELECT_LAST_OLD: &str = "select max(seq) from messages where seq > ? and seq <= ? and at_ms < ?";

/// An answer on its way to a platform must stay too, with its question: the delivery reads both.
const DELETE_FINISHED: &str = "delete from messages where seq <= ? and (author <> 'user' or outcome is not null)
    and seq not in (select seq from deliveries)
    and seq not in (select a.reply_to from deliveries d join messages a on a.seq = d.seq)";
