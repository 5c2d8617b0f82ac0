//! Agents, and what each conversation was told about them.

use protocol::{AgentId, ConversationId, Seq};

use super::row::{all, first, integer, optional, text};
use super::{Sql, Store, Value};

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

/// What holds for a conversation until it is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The agent that its questions go to; none: the user's default.
    pub agent: Option<AgentId>,
    /// How often it was begun anew.
    pub session: u64,
    /// Its writer was told of a failure, and has had no answer since.
    pub is_warned: bool,
}

impl<S: Sql> Store<S> {
    /// Makes an agent the one that questions go to, and gives it those that wait for any.
    pub fn set_default_agent(&self, agent: &AgentId) -> Result<(), S::Error> {
        self.set_meta("default_agent", text(agent))?;
        self.write(ADOPT_QUESTIONS, vec![text(agent)])
    }

    /// The agents that ever connected, oldest first.
    pub fn agents(&self) -> Result<Vec<Agent>, S::Error> {
        let rows = self.run("select id, name, acked from agents order by rowid", vec![])?;
        all(rows, |row| Ok(Agent { id: row.id()?, name: row.text()?, acked: row.seq()? }))
    }

    /// Keeps an agent's name and how far it has stored its questions.
    pub fn put_agent(&self, agent: &Agent) -> Result<(), S::Error> {
        self.write(PUT_AGENT, vec![text(&agent.id), text(&agent.name), integer(agent.acked)])
    }

    /// Forgets an agent, and lets the conversations that had chosen it have the default again.
    pub fn delete_agent(&self, agent: &AgentId) -> Result<(), S::Error> {
        self.write("delete from agents where id = ?", vec![text(agent)])?;
        self.write("update conversations set agent = null where agent = ?", vec![text(agent)])
    }

    /// No agent is the one that questions go to.
    pub fn clear_default_agent(&self) -> Result<(), S::Error> {
        self.write("delete from meta where key = 'default_agent'", vec![])
    }

    /// What holds for a conversation.
    pub fn settings(&self, conversation: &ConversationId) -> Result<Settings, S::Error> {
        let rows = self.run(SELECT_SETTINGS, vec![text(conversation)])?;
        let Some(mut row) = first(rows) else { return Ok(Settings::default()) };
        let (agent, session) = (row.optional_id()?, row.integer()? as u64);
        Ok(Settings { agent, session, is_warned: row.integer()? == 1 })
    }

    /// Changes what holds for a conversation.
    pub fn put_settings(&self, conversation: &ConversationId, settings: &Settings) -> Result<(), S::Error> {
        let parameters = vec![
            text(conversation),
            optional(settings.agent.as_ref()),
            Value::Integer(settings.session as i64),
            Value::Integer(i64::from(settings.is_warned)),
        ];
        self.write(PUT_SETTINGS, parameters)
    }
}

const ADOPT_QUESTIONS: &str =
    "update messages set agent = ? where agent is null and author = 'user' and outcome is null";

const PUT_AGENT: &str = "insert into agents (id, name, acked) values (?, ?, ?)
    on conflict (id) do update set name = excluded.name, acked = excluded.acked";

const SELECT_SETTINGS: &str = "select agent, session, is_warned from conversations where id = ?";

const PUT_SETTINGS: &str = "insert or replace into conversations (id, agent, session, is_warned) values (?, ?, ?, ?)";
