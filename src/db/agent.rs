//! Agents and their keys.

use protocol::api::{AgentKeyRow, AgentRow, Scope};
use protocol::{AgentId, Timestamp, UserId, from_json};

use super::*;

/// A user's agents, oldest first.
pub fn agents(db: &D1Database, user: &UserId) -> Asked<Vec<AgentRow>> {
    all(db, AGENTS, &[text(user)])
}

/// A user's agent; none when it is another's.
pub fn agent(db: &D1Database, user: &UserId, agent: &AgentId) -> Asked<Option<AgentRow>> {
    first(db, AGENT, &[text(agent), text(user)])
}

/// Adds an agent.
pub fn insert_agent(db: &D1Database, user: &UserId, agent: &AgentRow, deed: Deed) -> Asked<bool> {
    did(db, deed, INSERT_AGENT, &[text(&agent.id), text(user), text(&agent.name), number(agent.created_ms)])
}

/// Changes an agent's name: none when it is another's.
pub fn rename_agent(db: &D1Database, user: &UserId, agent: &AgentId, name: &str) -> Asked<Option<AgentRow>> {
    first(db, RENAME_AGENT, &[text(name), text(agent), text(user)])
}

/// Deletes an agent with its keys. False when it is another's.
pub fn delete_agent(db: &D1Database, user: &UserId, agent: &AgentId, deed: Deed) -> Asked<bool> {
    did(db, deed, DELETE_AGENT, &[text(agent), text(user)])
}

/// The keys of an agent, oldest first.
pub fn agent_keys(db: &D1Database, agent: &AgentId) -> Asked<Vec<AgentKeyRow>> {
    all_by::<Row, _>(db, AGENT_KEYS, &[text(agent)])
}

/// Notes that a key was made.
pub fn insert_agent_key(db: &D1Database, agent: &AgentId, key: &AgentKeyRow, deed: Deed) -> Asked<bool> {
    let values = [text(&key.id), text(agent), text(&key.name), text(words(&key.scopes)), number(key.created_ms)];
    did(db, deed, INSERT_AGENT_KEY, &values)
}

/// Forgets a key. False when the agent has no such key.
pub fn delete_agent_key(db: &D1Database, agent: &AgentId, key: &str, deed: Deed) -> Asked<bool> {
    did(db, deed, DELETE_AGENT_KEY, &[text(key), text(agent)])
}

/// Whether there is this key, of a user who is not disabled.
pub fn has_agent_key(db: &D1Database, key: &str) -> Asked<bool> {
    changed(db, HAS_AGENT_KEY, &[text(key)])
}

/// Notes that a key was used, once an hour.
pub fn note_use(db: &D1Database, key: &str, now: Timestamp) -> Asked<()> {
    run(db, NOTE_USE, &[time(now), text(key)])
}

fn words(scopes: &[Scope]) -> String {
    let word = |scope: &Scope| match scope {
        Scope::Egress => "egress",
        Scope::Push => "push",
        Scope::Receive => "receive",
        Scope::Send => "send",
    };
    scopes.iter().map(word).collect::<Vec<_>>().join(" ")
}

struct Row(AgentKeyRow);

impl From<Row> for AgentKeyRow {
    fn from(Row(row): Row) -> AgentKeyRow {
        row
    }
}

impl FromJson for Row {
    fn from_json(json: Json) -> Result<Row, json::Wrong> {
        struct Columns {
            id: String,
            name: String,
            scopes: String,
            created_ms: u64,
            used_ms: Option<u64>,
        }
        from_json! { struct Columns { id, name, scopes, created_ms, used_ms } }
        let Columns { id, name, scopes, created_ms, used_ms } = Columns::from_json(json)?;
        let scopes =
            scopes.split(' ').map(|word| Scope::from_json(Json::Text(word.to_owned()))).collect::<Result<_, _>>();
        Ok(Row(AgentKeyRow { id, name, scopes: scopes?, created_ms, used_ms }))
    }
}

statements! {
    AGENTS = "select id, name, created_ms from agents where user_id = ? order by created_ms, id";
    AGENT = "select id, name, created_ms from agents where id = ? and user_id = ?";
    INSERT_AGENT = "insert into agents (id, user_id, name, created_ms) values (?, ?, ?, ?) returning id";
    RENAME_AGENT = "update agents set name = ? where id = ? and user_id = ? returning id, name, created_ms";
    DELETE_AGENT = "delete from agents where id = ? and user_id = ? returning id";
    AGENT_KEYS = "select id, name, scopes, created_ms, used_ms from agent_keys where agent_id = ? order by created_ms, id";
    INSERT_AGENT_KEY = "insert into agent_keys (id, agent_id, name, scopes, created_ms) values (?, ?, ?, ?, ?)
        returning id";
    DELETE_AGENT_KEY = "delete from agent_keys where id = ? and agent_id = ? returning id";
    HAS_AGENT_KEY = "select 1 as there from agent_keys k join agents a on a.id = k.agent_id
        join users u on u.id = a.user_id where k.id = ? and u.is_disabled = 0";
    NOTE_USE = "update agent_keys set used_ms = ?1 where id = ?2 and coalesce(used_ms, 0) < ?1 - 3600000";
}
