//! The timeline: questions, answers and notices.

use protocol::from_json;
use protocol::{AgentId, Author, ConversationId, Envelope, File, MessageId, Seq, State, Timestamp};
use serde::Serialize;

use super::row::{Columns, all, first, integer, json_list, optional, text};
use super::{Corrupt, Sql, Store, Value};
use crate::limit::{INSERT_BYTES_MAX, TRIM_ROWS_MAX};

/// A question about to be stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Question {
    /// Its idempotency key.
    pub id: MessageId,
    /// The thread of talk.
    pub conversation: ConversationId,
    /// Where it was written: `web`, `feishu`.
    pub via: String,
    /// The writer's id there.
    pub sender: Option<String>,
    /// The writer's name there.
    pub name: Option<String>,
    /// Whether others are in the chat, too.
    pub group: bool,
    /// What it says. May be empty beside files.
    pub text: String,
    /// What comes with it.
    pub files: Vec<File>,
    /// Where its answer goes, beside the timeline.
    pub origin: Option<Origin>,
}

/// The message on a chat platform that an answer replies to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The bot account that received it.
    pub account: protocol::AccountId,
    /// The platform's id of the message.
    pub message: String,
}

from_json! { struct Question { id, conversation, via, sender, name, group or false, text, files or Vec::new(), origin } }

from_json! { struct Origin { account, message } }

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It waited longer than its time to live.
    Expired,
    /// It, or the delivery of its answer, failed.
    Failed,
    /// Its answer is in the timeline.
    Replied,
    /// Its agent is done with it, and said nothing.
    Silent,
    /// Its writer took it back.
    Stopped,
}

impl Outcome {
    const ALL: [(Outcome, &str); 5] = [
        (Outcome::Expired, "expired"),
        (Outcome::Failed, "failed"),
        (Outcome::Replied, "replied"),
        (Outcome::Silent, "silent"),
        (Outcome::Stopped, "stopped"),
    ];

    /// The state that peers see.
    pub fn state(self) -> State {
        match self {
            Outcome::Expired => State::Expired,
            Outcome::Failed | Outcome::Stopped => State::Failed,
            Outcome::Replied | Outcome::Silent => State::Replied,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        Outcome::ALL.into_iter().find(|&(known, _)| known == self).map_or("", |(_, word)| word)
    }

    pub(super) fn from_str(word: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|&(_, known)| known == word).map(|(outcome, _)| outcome)
    }
}

/// An open question, as it is when the Hub wakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its thread.
    pub conversation: ConversationId,
    /// How often that was begun anew before.
    pub session: u64,
    /// The agent it is meant for; none until the user's first agent connects.
    pub agent: Option<AgentId>,
    /// When it was accepted.
    pub at: Timestamp,
    /// Of its text.
    pub bytes: u64,
    /// Whether its answer goes to a platform.
    pub has_origin: bool,
}

/// A question that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The question.
    pub question: Question,
    /// The agent it was meant for.
    pub agent: Option<AgentId>,
    /// How it ended; none: it did not.
    pub outcome: Option<Outcome>,
}

/// Which row a message is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Everything up to here is gone from the timeline by then, except what is not finished with.
    pub trimmed: Seq,
    /// The row of this old message, if there is one: an update is one row written, a deletion and an insertion are two.
    pub over: Option<Seq>,
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

/// A thread of talk in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Conversation {
    /// Which one.
    pub id: ConversationId,
    /// Its newest message.
    pub last_seq: Seq,
    /// When that was accepted.
    pub last_at_ms: Timestamp,
}

impl<S: Sql> Store<S> {
    /// The newest message, and how far the timeline was trimmed when it was stored; 0 when there is none.
    pub(super) fn newest(&self) -> Result<(Seq, Seq), S::Error> {
        let rows = self.run("select seq, trimmed from messages order by seq desc limit 1", vec![])?;
        let Some(mut row) = first(rows) else { return Ok((Seq(0), Seq(0))) };
        Ok((row.seq()?, row.seq()?))
    }

    /// Stores a message. `origin` is where answers to a question go, `outcome` how a question ended already.
    pub fn insert(
        &self,
        message: &Envelope,
        origin: Option<&Origin>,
        outcome: Option<Outcome>,
        place: Place,
    ) -> Result<(), S::Error> {
        let (author, author_id, via, author_name, in_group) = match &message.from {
            Author::Agent { id } => ("agent", text(id), Value::Null, Value::Null, false),
            Author::Relay => ("relay", Value::Null, Value::Null, Value::Null, false),
            Author::User { via, sender, name, group } => {
                ("user", optional(sender.as_ref()), text(via), optional(name.as_ref()), *group)
            }
        };
        let mut parameters = vec![
            integer(message.seq),
            text(&message.id),
            text(&message.conversation),
            Value::Integer(message.session as i64),
            text(author),
            author_id,
            via,
            optional(message.agent.as_ref()),
            message.reply_to.map_or(Value::Null, integer),
            Value::Integer(message.at_ms.0 as i64),
            text(&message.text),
            integer(place.trimmed),
            optional(origin.map(|origin| &origin.account)),
            optional(origin.map(|origin| &origin.message)),
            optional(outcome.map(Outcome::as_str)),
            optional(message.reason.as_ref()),
            json_list(&message.files),
            json_list(&message.buttons),
            author_name,
            Value::Integer(in_group.into()),
        ];
        match place.over {
            None => self.hold(parameters),
            Some(over) => {
                parameters.push(integer(over));
                self.write(OVERWRITE_MESSAGE, parameters)
            }
        }
    }

    /// Keeps a new message's columns until the next statement, or [`Store::flush`]: what one input brings is inserted by one
    /// statement, as far as nothing else is asked or written in between.
    fn hold(&self, columns: Vec<Value>) -> Result<(), S::Error> {
        let bytes = |columns: &Vec<Value>| columns.iter().map(Value::bytes).sum::<usize>();
        let held = self.held.borrow().iter().map(bytes).sum::<usize>();
        if held + bytes(&columns) > INSERT_BYTES_MAX {
            self.flush()?;
        }
        self.held.borrow_mut().push(columns);
        Ok(())
    }

    /// Inserts the messages that are held.
    pub fn flush(&self) -> Result<(), S::Error> {
        let mut rows = self.held.take();
        let is_plain = rows.iter().all(|row| is_plain(row));
        if is_plain {
            rows.iter_mut().for_each(|row| row.truncate(PLAIN_COLUMNS));
        }
        match (rows.len(), is_plain) {
            (0, _) => Ok(()),
            (1, true) => self.sql.write(INSERT_PLAIN, rows.pop().unwrap_or_default()),
            (1, false) => self.sql.write(INSERT_MESSAGE, rows.pop().unwrap_or_default()),
            (_, true) => self.sql.write(INSERT_PLAINS, vec![json(&rows)]),
            (_, false) => self.sql.write(INSERT_MESSAGES, vec![json(&rows)]),
        }
    }

    /// What the message at a place says, if it has this id.
    pub fn text_of(&self, seq: Seq, id: &MessageId) -> Result<Option<String>, S::Error> {
        let rows = self.run("select text from messages where seq = ? and id = ?", vec![integer(seq), text(id)])?;
        Ok(first(rows).map(|mut row| row.text()).transpose()?)
    }

    /// The ids of the messages from `from` on.
    pub fn ids_from(&self, from: Seq) -> Result<Vec<(Seq, MessageId)>, S::Error> {
        let rows = self.run("select seq, id from messages where seq >= ? order by seq", vec![integer(from)])?;
        all(rows, |row| Ok((row.seq()?, row.id()?)))
    }

    /// The hashes of ids that are written down, by page, from page `first` on.
    pub fn known(&self, first: u64) -> Result<Vec<(u64, Vec<u8>)>, S::Error> {
        let statement = "select page, hashes from known_ids where page >= ? order by page";
        let rows = self.run(statement, vec![Value::Integer(first as i64)])?;
        all(rows, |row| Ok((row.integer()? as u64, row.blob()?)))
    }

    /// Writes a page of hashes down.
    pub fn put_known(&self, page: u64, hashes: Vec<u8>) -> Result<(), S::Error> {
        let statement = "insert or replace into known_ids (page, hashes) values (?, ?)";
        self.write(statement, vec![Value::Integer(page as i64), Value::Blob(hashes)])
    }

    /// Forgets the pages before `first`.
    pub fn delete_known(&self, first: u64) -> Result<(), S::Error> {
        self.write("delete from known_ids where page < ?", vec![Value::Integer(first as i64)])
    }

    /// The agent's answer to a question, if there is one. Reads the whole timeline: for what a person asks for, now and then.
    pub fn answer(&self, question: Seq) -> Result<Option<Seq>, S::Error> {
        let statement = "select seq from messages where reply_to = ? and author = 'agent' limit 1";
        let rows = self.run(statement, vec![integer(question)])?;
        Ok(first(rows).map(|mut row| row.seq()).transpose()?)
    }

    /// The newest question of a conversation that came from a platform. Reads the whole timeline: for what is said unasked,
    /// now and then.
    pub fn newest_origin(&self, conversation: &ConversationId) -> Result<Option<Seq>, S::Error> {
        let statement = "select max(seq) from messages where conversation = ? and origin_account is not null";
        let rows = self.run(statement, vec![text(conversation)])?;
        Ok(first(rows).map(|mut row| row.optional_seq()).transpose()?.flatten())
    }

    /// A question, as it was asked, and how it ended as far as that is written down.
    pub fn question(&self, seq: Seq) -> Result<Option<Ended>, S::Error> {
        let Some(mut row) = first(self.run(SELECT_QUESTION, vec![integer(seq)])?) else { return Ok(None) };
        let (id, conversation, via, sender) = (row.id()?, row.id()?, row.text()?, row.optional_text()?);
        let (name, group) = (row.optional_text()?, row.integer()? == 1);
        let (text, files, account, message) =
            (row.text()?, row.list("files")?, row.optional_id()?, row.optional_text()?);
        let origin = account.zip(message).map(|(account, message)| Origin { account, message });
        let question = Question { id, conversation, via, sender, name, group, text, files, origin };
        Ok(Some(Ended { question, agent: row.optional_id()?, outcome: row.outcome()? }))
    }

    /// Ends a question; or ends it otherwise, when its answer was refused by the platform later.
    pub fn finish(&self, seq: Seq, outcome: Outcome, reason: Option<&str>) -> Result<(), S::Error> {
        let parameters = vec![text(outcome.as_str()), optional(reason), integer(seq)];
        self.write("update messages set outcome = ?, reason = ? where seq = ?", parameters)
    }

    /// Forgets what a question says: its writer took it back.
    pub fn clear_text(&self, seq: Seq) -> Result<(), S::Error> {
        self.write("update messages set text = '', files = null where seq = ?", vec![integer(seq)])
    }

    /// The messages after `after`, oldest first.
    pub fn messages_after(&self, after: Seq, limit: u64) -> Result<Vec<Envelope>, S::Error> {
        self.messages(SELECT_AFTER, vec![integer(after), Value::Integer(limit as i64)])
    }

    /// The messages at these places, oldest first.
    pub fn messages_at(&self, places: &[Seq]) -> Result<Vec<Envelope>, S::Error> {
        self.messages(SELECT_AT, vec![list(places)])
    }

    /// Every open question after `settled`.
    pub fn open_questions(&self, settled: Seq) -> Result<Vec<(Seq, Opened)>, S::Error> {
        let rows = self.run(SELECT_OPEN, vec![integer(settled)])?;
        all(rows, |row| {
            let (seq, conversation, session) = (row.seq()?, row.id()?, row.integer()? as u64);
            let (agent, at) = (row.optional_id()?, Timestamp(row.integer()? as u64));
            let (bytes, has_origin) = (row.integer()? as u64, row.integer()? == 1);
            Ok((seq, Opened { conversation, session, agent, at, bytes, has_origin }))
        })
    }

    /// How far the questions among the messages `from..=to` have come.
    pub fn progress_between(&self, from: Seq, to: Seq) -> Result<Vec<Progress>, S::Error> {
        let rows = self.run(SELECT_PROGRESS_BETWEEN, vec![integer(from), integer(to)])?;
        all(rows, |row| {
            let (seq, agent) = (row.seq()?, row.optional_id()?);
            Ok(Progress { seq, agent, outcome: row.outcome()?, reason: row.optional_text()? })
        })
    }

    /// The newest `limit` messages of a conversation before `before`, newest first.
    pub fn page(&self, conversation: &ConversationId, before: Seq, limit: u64) -> Result<Vec<Envelope>, S::Error> {
        self.messages(SELECT_PAGE, vec![text(conversation), integer(before), Value::Integer(limit as i64)])
    }

    /// The conversations whose newest message is before `before`, the one with the newest first.
    pub fn conversations(&self, before: Seq, limit: u64) -> Result<Vec<Conversation>, S::Error> {
        let rows = self.run(SELECT_CONVERSATIONS, vec![integer(before), Value::Integer(limit as i64)])?;
        all(rows, |row| {
            Ok(Conversation { id: row.id()?, last_seq: row.seq()?, last_at_ms: Timestamp(row.integer()? as u64) })
        })
    }

    /// The oldest message after `after`: its place, when it was accepted, and whether something else still needs it.
    pub fn oldest(&self, after: Seq) -> Result<Option<(Seq, Timestamp, bool)>, S::Error> {
        let Some(mut row) = first(self.run(SELECT_OLDEST, vec![integer(after)])?) else { return Ok(None) };
        Ok(Some((row.seq()?, Timestamp(row.integer()? as u64), row.integer()? == 1)))
    }

    /// Writes down how far the timeline was trimmed.
    pub fn set_trimmed(&self, seq: Seq) -> Result<(), S::Error> {
        self.set_meta("trimmed", integer(seq))
    }

    /// Deletes what is finished with up to a place, and what was set for conversations that have no message any more.
    pub fn delete_finished(&self, upto: Seq, open: &[Seq]) -> Result<(), S::Error> {
        self.write(DELETE_FINISHED, vec![integer(upto), list(open)])?;
        self.write(DELETE_SETTINGS, vec![])
    }

    /// Deletes at most [`TRIM_ROWS_MAX`] messages among those up to `upto` that are older than `before`. What is not
    /// finished with stays: `open` questions, dead letters, answers on their way. Answers how far everything else is gone.
    pub fn trim(&self, from: Seq, upto: Seq, before: Timestamp, open: &[Seq]) -> Result<Seq, S::Error> {
        let upto = Seq(upto.0.min(from.0 + TRIM_ROWS_MAX));
        let old = vec![integer(from), integer(upto), Value::Integer(before.0 as i64)];
        let Some(mut row) = first(self.run(SELECT_LAST_OLD, old)?) else { return Ok(from) };
        let Some(last) = row.optional_seq()? else { return Ok(from) };
        self.delete_finished(last, open)?;
        self.set_trimmed(last)?;
        Ok(last)
    }

    fn messages(&self, statement: &'static str, parameters: Vec<Value>) -> Result<Vec<Envelope>, S::Error> {
        let rows = self.run(statement, parameters)?;
        all(rows, envelope)
    }
}

/// Whether a message has nothing in its last columns, as most have. In a batch SQLite looks each column up anew: those are
/// a tenth of what it costs.
fn is_plain(row: &[Value]) -> bool {
    let rest = row.get(PLAIN_COLUMNS..).unwrap_or_default();
    rest.iter().all(|value| matches!(value, Value::Null | Value::Integer(0)))
}

/// Rows as JSON, an array of arrays.
fn json(rows: &[super::Row]) -> Value {
    let mut json = Vec::with_capacity(rows.iter().flatten().map(|value| value.bytes() + 8).sum());
    for (n, row) in rows.iter().enumerate() {
        json.extend_from_slice(if n == 0 { b"[[" } else { b",[" });
        for (m, value) in row.iter().enumerate() {
            if m > 0 {
                json.push(b',');
            }
            match value {
                Value::Integer(integer) => json.extend_from_slice(integer.to_string().as_bytes()),
                Value::Text(text) => serde_json::to_writer(&mut json, text).expect("a string is JSON"),
                Value::Blob(_) | Value::Null => json.extend_from_slice(b"null"),
            }
        }
        json.push(b']');
    }
    json.push(b']');
    Value::Text(String::from_utf8(json).expect("JSON is UTF-8"))
}

/// Places as a JSON array, for `json_each`.
fn list(places: &[Seq]) -> Value {
    let places: Vec<String> = places.iter().map(Seq::to_string).collect();
    Value::Text(format!("[{}]", places.join(",")))
}

/// A stored message. A question without an outcome is `queued`: whether it is delivered, being answered, or answered
/// the core knows.
fn envelope(row: &mut Columns) -> Result<Envelope, Corrupt> {
    let (seq, id, conversation, session) = (row.seq()?, row.id()?, row.id()?, row.integer()? as u64);
    let author = row.text()?;
    let (author_id, via, name) = (row.optional_text()?, row.optional_text()?, row.optional_text()?);
    let (group, agent) = (row.integer()? == 1, row.optional_id()?);
    let from = match author.as_str() {
        "agent" => {
            let id = author_id.and_then(|id| id.parse().ok()).ok_or(Corrupt("author_id"))?;
            Author::Agent { id }
        }
        "relay" => Author::Relay,
        "user" => Author::User { via: via.ok_or(Corrupt("via"))?, sender: author_id, name, group },
        _ => return Err(Corrupt("author")),
    };
    let reply_to = row.optional_seq()?;
    let at_ms = Timestamp(row.integer()? as u64);
    let (text, files, buttons) = (row.text()?, row.list("files")?, row.list("buttons")?);
    let outcome = row.outcome()?;
    let state = match from {
        Author::Agent { .. } | Author::Relay => None,
        Author::User { .. } => Some(outcome.map_or(State::Queued, Outcome::state)),
    };
    let reason = row.optional_text()?;
    Ok(Envelope { seq, id, conversation, session, from, agent, reply_to, at_ms, text, files, buttons, state, reason })
}

/// Those that most messages have something in, in the order of [`Store::insert`].
const PLAIN_COLUMNS: usize = 12;

macro_rules! plain_columns {
    () => {
        "insert into messages (seq, id, conversation, session, author, author_id, via, agent, reply_to, at_ms, text, trimmed"
    };
}

macro_rules! columns {
    () => {
        concat!(
            plain_columns!(),
            ", origin_account, origin_message, outcome, reason, files, buttons, author_name, in_group"
        )
    };
}

macro_rules! plain_values {
    () => {
        ") select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9, value ->> 10, value ->> 11"
    };
}

const INSERT_PLAIN: &str = concat!(plain_columns!(), ") values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

const INSERT_PLAINS: &str = concat!(plain_columns!(), plain_values!(), " from json_each(?)");

const INSERT_MESSAGE: &str =
    concat!(columns!(), ") values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

const INSERT_MESSAGES: &str = concat!(
    columns!(),
    plain_values!(),
    ", value ->> 12, value ->> 13, value ->> 14, value ->> 15, value ->> 16, value ->> 17, value ->> 18, value ->> 19
    from json_each(?)"
);

const OVERWRITE_MESSAGE: &str = "update messages set seq = ?, id = ?, conversation = ?, session = ?, author = ?,
    author_id = ?, via = ?, agent = ?, reply_to = ?, at_ms = ?, text = ?, trimmed = ?, origin_account = ?,
    origin_message = ?, outcome = ?, reason = ?, files = ?, buttons = ?, author_name = ?, in_group = ? where seq = ?";

const SELECT_QUESTION: &str =
    "select id, conversation, via, author_id, author_name, in_group, text, files, origin_account, origin_message,
    agent, outcome from messages where seq = ? and author = 'user'";

macro_rules! select_messages {
    ($rest:literal) => {
        concat!(
            "select seq, id, conversation, session, author, author_id, via, author_name, in_group, agent, reply_to, at_ms, ",
            "text, files, buttons, outcome, reason from messages where ",
            $rest
        )
    };
}

const SELECT_AFTER: &str = select_messages!("seq > ? order by seq limit ?");

const SELECT_AT: &str = select_messages!("seq in (select value from json_each(?)) order by seq");

/// An answer follows its question, and says that it is not open any more.
const SELECT_OPEN: &str = "select seq, conversation, session, agent, at_ms, octet_length(text),
    origin_account is not null from messages where seq > ?1 and author = 'user' and outcome is null and seq not in
    (select reply_to from messages where seq > ?1 and author = 'agent' and reply_to is not null) order by seq";

const SELECT_PROGRESS_BETWEEN: &str =
    "select seq, agent, outcome, reason from messages where seq between ? and ? and author = 'user' order by seq";

const SELECT_PAGE: &str = select_messages!("conversation = ? and seq < ? order by seq desc limit ?");

const SELECT_CONVERSATIONS: &str = "select conversation, max(seq), at_ms from messages group by conversation having max(seq) < ? order by 2 desc limit ?";

const SELECT_LAST_OLD: &str = "select max(seq) from messages where seq > ? and seq <= ? and at_ms < ?";

/// What is still needed, beside open questions: an answer on its way to a platform, with its question, since the
/// delivery reads both; a dead letter, with its answer.
macro_rules! is_needed {
    () => {
        "(seq in (select seq from deliveries)
        or seq in (select coalesce(d.beside, a.reply_to) from deliveries d left join messages a on a.seq = d.seq)
        or seq in (select seq from dead_letters)
        or coalesce(reply_to in (select seq from dead_letters), 0))"
    };
}

const SELECT_OLDEST: &str =
    concat!("select seq, at_ms, ", is_needed!(), " from messages where seq > ? order by seq limit 1");

const DELETE_FINISHED: &str = concat!(
    "delete from messages where seq <= ? and seq not in (select value from json_each(?)) and not ",
    is_needed!()
);

/// A conversation without messages is forgotten whole.
const DELETE_SETTINGS: &str = "delete from conversations
    where not exists (select 1 from messages m where m.conversation = conversations.id)";
