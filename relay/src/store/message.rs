//! The timeline: questions, answers and notices.

use protocol::{AgentId, Author, ConversationId, Envelope, MessageId, Seq, State, Timestamp};
use serde::{Deserialize, Serialize};

use super::row::{Columns, first, integer, optional, text};
use super::{Corrupt, Sql, Store, Value};
use crate::limit::{CONVERSATIONS_MAX, TRIM_ROWS_MAX};

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
    /// It waited longer than its time to live.
    Expired,
    /// It, or the delivery of its answer, failed.
    Failed,
    /// Its answer is in the timeline.
    Replied,
    /// Its writer took it back.
    Stopped,
}

impl Outcome {
    const ALL: [(Outcome, &str); 4] = [
        (Outcome::Expired, "expired"),
        (Outcome::Failed, "failed"),
        (Outcome::Replied, "replied"),
        (Outcome::Stopped, "stopped"),
    ];

    /// The state that peers see.
    pub fn state(self) -> State {
        match self {
            Outcome::Expired => State::Expired,
            Outcome::Failed | Outcome::Stopped => State::Failed,
            Outcome::Replied => State::Replied,
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
pub struct Conversation {
    /// Which one.
    pub id: ConversationId,
    /// Its newest message.
    pub last_seq: Seq,
    /// When that was accepted.
    pub last_at_ms: Timestamp,
}

impl<S: Sql> Store<S> {
    /// The newest message, 0 when there is none.
    pub fn head(&self) -> Result<Seq, S::Error> {
        let rows = self.run("select coalesce(max(seq), 0) from messages", vec![])?;
        first(rows).ok_or(Corrupt("head"))?.seq().map_err(S::Error::from)
    }

    /// Stores a message. `origin` is where answers to a question go, `outcome` how a question ended already.
    pub fn insert(
        &self,
        message: &Envelope,
        origin: Option<&Origin>,
        outcome: Option<Outcome>,
    ) -> Result<(), S::Error> {
        let (author, author_id, via) = match &message.from {
            Author::Agent { id } => ("agent", text(id), Value::Null),
            Author::Relay => ("relay", Value::Null, Value::Null),
            Author::User { via, sender } => ("user", optional(sender.as_ref()), text(via)),
        };
        let parameters = vec![
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
            optional(origin.map(|origin| &origin.account)),
            optional(origin.map(|origin| &origin.message)),
            optional(outcome.map(Outcome::as_str)),
            optional(message.reason.as_ref()),
        ];
        self.run(INSERT_MESSAGE, parameters).map(drop)
    }

    /// Where a message with this id stands, and what it says.
    pub fn message_by_id(&self, id: &MessageId) -> Result<Option<(Seq, String)>, S::Error> {
        let rows = self.run("select seq, text from messages where id = ?", vec![text(id)])?;
        let Some(mut row) = first(rows) else { return Ok(None) };
        Ok(Some((row.seq()?, row.text()?)))
    }

    /// The agent's answer to a question, if there is one.
    pub fn answer(&self, question: Seq) -> Result<Option<Seq>, S::Error> {
        let id = format!("reply:{question}");
        let rows = self.run("select seq from messages where id = ? and author = 'agent'", vec![text(id)])?;
        Ok(first(rows).map(|mut row| row.seq()).transpose()?)
    }

    /// A question, as it was asked, and how it ended.
    pub fn question(&self, seq: Seq) -> Result<Option<Ended>, S::Error> {
        let Some(mut row) = first(self.run(SELECT_QUESTION, vec![integer(seq)])?) else { return Ok(None) };
        let (id, conversation, via, sender) = (row.id()?, row.id()?, row.text()?, row.optional_text()?);
        let (text, account, message) = (row.text()?, row.optional_id()?, row.optional_text()?);
        let origin = account.zip(message).map(|(account, message)| Origin { account, message });
        let question = Question { id, conversation, via, sender, text, origin };
        Ok(Some(Ended { question, agent: row.optional_id()?, outcome: row.outcome()? }))
    }

    /// Ends a question; or ends it otherwise, when its answer was refused by the platform later.
    pub fn finish(&self, seq: Seq, outcome: Outcome, reason: Option<&str>) -> Result<(), S::Error> {
        let parameters = vec![text(outcome.as_str()), optional(reason), integer(seq)];
        self.run("update messages set outcome = ?, reason = ? where seq = ?", parameters).map(drop)
    }

    /// Forgets what a question says: its writer took it back.
    pub fn clear_text(&self, seq: Seq) -> Result<(), S::Error> {
        self.run("update messages set text = '' where seq = ?", vec![integer(seq)]).map(drop)
    }

    /// The messages after `after`, oldest first.
    pub fn messages_after(&self, after: Seq, limit: u64) -> Result<Vec<Envelope>, S::Error> {
        self.messages(SELECT_AFTER, vec![integer(after), Value::Integer(limit as i64)])
    }

    /// An agent's open questions after `after`, oldest first.
    pub fn open_questions_after(&self, agent: &AgentId, after: Seq, limit: u64) -> Result<Vec<Envelope>, S::Error> {
        self.messages(SELECT_OPEN_AFTER, vec![integer(after), text(agent), Value::Integer(limit as i64)])
    }

    /// Every open question after `settled`.
    pub fn open_questions(&self, settled: Seq) -> Result<Vec<(Seq, Opened)>, S::Error> {
        let rows = self.run(SELECT_OPEN, vec![integer(settled)])?;
        rows.into_iter()
            .map(|row| {
                let mut row = Columns::from(row);
                let (seq, conversation, session) = (row.seq()?, row.id()?, row.integer()? as u64);
                let (agent, at) = (row.optional_id()?, Timestamp(row.integer()? as u64));
                let (bytes, has_origin) = (row.integer()? as u64, row.integer()? == 1);
                Ok((seq, Opened { conversation, session, agent, at, bytes, has_origin }))
            })
            .collect()
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
    pub fn page(&self, conversation: &ConversationId, before: Seq, limit: u64) -> Result<Vec<Envelope>, S::Error> {
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

    /// Deletes at most [`TRIM_ROWS_MAX`] messages among those up to `upto` that are older than `before`. What is not
    /// finished with stays: open questions, dead letters, answers on their way. Answers how far everything else is gone.
    pub fn trim(&self, from: Seq, upto: Seq, before: Timestamp) -> Result<Seq, S::Error> {
        let upto = Seq(upto.0.min(from.0 + TRIM_ROWS_MAX));
        let old = vec![integer(from), integer(upto), Value::Integer(before.0 as i64)];
        let Some(mut row) = first(self.run(SELECT_LAST_OLD, old)?) else { return Ok(from) };
        let Some(last) = row.optional_integer()? else { return Ok(from) };
        let last = Seq(last as u64);
        self.run(DELETE_FINISHED, vec![integer(last)])?;
        self.run(DELETE_SETTINGS, vec![])?;
        self.set_meta("trimmed", integer(last))?;
        Ok(last)
    }

    fn messages(&self, statement: &'static str, parameters: Vec<Value>) -> Result<Vec<Envelope>, S::Error> {
        let rows = self.run(statement, parameters)?;
        rows.into_iter().map(|row| envelope(row.into()).map_err(S::Error::from)).collect()
    }
}

/// A stored message. A question without an outcome is `queued`: whether it is delivered or being answered the core
/// knows.
fn envelope(mut row: Columns) -> Result<Envelope, Corrupt> {
    let (seq, id, conversation, session) = (row.seq()?, row.id()?, row.id()?, row.integer()? as u64);
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
    Ok(Envelope { seq, id, conversation, session, from, agent, reply_to, at_ms, text, state, reason })
}

const INSERT_MESSAGE: &str = "insert into messages (seq, id, conversation, session, author, author_id, via, agent,
    reply_to, at_ms, text, origin_account, origin_message, outcome, reason)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const SELECT_QUESTION: &str = "select id, conversation, via, author_id, text, origin_account, origin_message, agent,
    outcome from messages where seq = ? and author = 'user'";

macro_rules! select_messages {
    ($rest:literal) => {
        concat!(
            "select seq, id, conversation, session, author, author_id, via, agent, reply_to, at_ms, text, outcome, ",
            "reason from messages where ",
            $rest
        )
    };
}

const SELECT_AFTER: &str = select_messages!("seq > ? order by seq limit ?");

const SELECT_OPEN_AFTER: &str =
    select_messages!("seq > ? and agent = ? and author = 'user' and outcome is null order by seq limit ?");

const SELECT_OPEN: &str = "select seq, conversation, session, agent, at_ms, octet_length(text),
    origin_account is not null from messages where seq > ? and author = 'user' and outcome is null order by seq";

const SELECT_PROGRESS_BETWEEN: &str =
    "select seq, agent, outcome, reason from messages where seq between ? and ? and author = 'user' order by seq";

const SELECT_PAGE: &str = select_messages!("conversation = ? and seq < ? order by seq desc limit ?");

const SELECT_CONVERSATIONS: &str =
    "select conversation, max(seq), at_ms from messages group by conversation order by 2 desc limit ?";

const SELECT_LAST_OLD: &str = "select max(seq) from messages where seq > ? and seq <= ? and at_ms < ?";

/// An answer on its way to a platform must stay, with its question: the delivery reads both. So must a dead letter.
const DELETE_FINISHED: &str = "delete from messages where seq <= ? and (author <> 'user' or outcome is not null)
    and seq not in (select seq from deliveries)
    and seq not in (select a.reply_to from deliveries d join messages a on a.seq = d.seq)
    and seq not in (select seq from dead_letters)
    and (reply_to is null or reply_to not in (select seq from dead_letters))";

/// A conversation without messages is forgotten whole.
const DELETE_SETTINGS: &str = "delete from conversations
    where not exists (select 1 from messages m where m.conversation = conversations.id)";
