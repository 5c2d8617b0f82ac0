//! Every query of D1: one function per question, named for what it answers. `tests/sql.rs` prepares each of
//! [`STATEMENTS`] against `migrations/`.

use protocol::from_json;
use protocol::json::{self, FromJson, Json};
use protocol::{AccountId, AgentId, ConversationId, Timestamp, UserId};
use relay::auth::Role;
use relay::platform::Account;
use serde::Serialize;
use wasm_bindgen::JsValue;

use crate::error::Error;
use crate::runtime::{self, D1Database, D1PreparedStatement};

/// A person.
#[derive(Debug, Serialize)]
pub struct User {
    /// `usr_…`
    pub id: UserId,
    /// As shown.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// A user's agent.
#[derive(Debug, Serialize)]
pub struct Agent {
    /// `agt_…`
    pub id: AgentId,
    /// As its owner named it.
    pub name: String,
    /// When it was created.
    pub created_ms: u64,
}

/// A bot account, without its settings.
#[derive(Debug, Serialize)]
pub struct AccountSummary {
    /// The last part of its webhook's path.
    pub id: AccountId,
    /// `feishu` …
    pub platform: String,
    /// Whose agents answer senders who are bound to nobody.
    pub default_user: Option<UserId>,
    /// When it was created.
    pub created_ms: u64,
}

from_json! { struct User { id, name, role } }

from_json! { struct Agent { id, name, created_ms } }

from_json! { struct AccountSummary { id, platform, default_user, created_ms } }

/// The first operator, if there is one.
pub async fn first_operator(db: &D1Database) -> Result<Option<User>, Error> {
    first(bind(db, FIRST_OPERATOR, &[])?).await
}

/// A user.
pub async fn user(db: &D1Database, user: &UserId) -> Result<Option<User>, Error> {
    first(bind(db, USER, &[text(user)])?).await
}

/// Adds an operator, unless there is one.
pub async fn insert_first_operator(db: &D1Database, user: &User, now: Timestamp) -> Result<(), Error> {
    run(bind(db, INSERT_FIRST_OPERATOR, &[text(&user.id), text(&user.name), time(now)])?).await
}

/// Uses up an operator token, known by its hash. False when it was used before.
pub async fn spend_token(db: &D1Database, hash: &str, now: Timestamp) -> Result<bool, Error> {
    let spent: Option<Json> = first(bind(db, SPEND_TOKEN, &[text(hash), time(now)])?).await?;
    Ok(spent.is_some())
}

/// A user's agents, oldest first.
pub async fn agents(db: &D1Database, user: &UserId) -> Result<Vec<Agent>, Error> {
    all(bind(db, AGENTS, &[text(user)])?).await
}

/// A user's agent; none when it is another's.
pub async fn agent(db: &D1Database, user: &UserId, agent: &AgentId) -> Result<Option<Agent>, Error> {
    first(bind(db, AGENT, &[text(agent), text(user)])?).await
}

/// Adds an agent.
pub async fn insert_agent(db: &D1Database, user: &UserId, agent: &Agent) -> Result<(), Error> {
    let created = time(Timestamp(agent.created_ms));
    run(bind(db, INSERT_AGENT, &[text(&agent.id), text(user), text(&agent.name), created])?).await
}

/// How many keys an agent has.
pub async fn agent_keys_count(db: &D1Database, agent: &AgentId) -> Result<u64, Error> {
    struct Row {
        count: u64,
    }
    from_json! { struct Row { count } }
    let row: Option<Row> = first(bind(db, AGENT_KEYS_COUNT, &[text(agent)])?).await?;
    Ok(row.map_or(0, |row| row.count))
}

/// Notes that a key was made.
pub async fn insert_agent_key(db: &D1Database, key: &str, agent: &AgentId, now: Timestamp) -> Result<(), Error> {
    run(bind(db, INSERT_AGENT_KEY, &[text(key), text(agent), time(now)])?).await
}

/// A bot account with its settings.
pub async fn account(db: &D1Database, account: &str) -> Result<Option<Account>, Error> {
    struct Row {
        id: AccountId,
        default_user: Option<UserId>,
        settings: String,
    }
    from_json! { struct Row { id, default_user, settings } }
    let Some(row) = first::<Row>(bind(db, ACCOUNT, &[text(account)])?).await? else { return Ok(None) };
    let platform = json::read(&row.settings).map_err(|error| Error::internal("settings of an account", error))?;
    Ok(Some(Account { id: row.id, default_user: row.default_user, platform }))
}

/// The bot accounts, by name.
pub async fn accounts(db: &D1Database) -> Result<Vec<AccountSummary>, Error> {
    all(bind(db, ACCOUNTS, &[])?).await
}

/// Adds a bot account. False when the name is taken.
pub async fn insert_account(db: &D1Database, account: &Account, platform: &str, now: Timestamp) -> Result<bool, Error> {
    let settings =
        serde_json::to_string(&account.platform).map_err(|error| Error::internal("settings of an account", error))?;
    let default_user = account.default_user.as_ref().map_or(JsValue::NULL, text);
    let values = [text(&account.id), text(platform), default_user, text(settings), time(now)];
    let inserted: Option<Json> = first(bind(db, INSERT_ACCOUNT, &values)?).await?;
    Ok(inserted.is_some())
}

/// The user that a sender is bound to.
pub async fn identity(db: &D1Database, account: &AccountId, sender: &str) -> Result<Option<UserId>, Error> {
    struct Row {
        user_id: UserId,
    }
    from_json! { struct Row { user_id } }
    let row = first::<Row>(bind(db, IDENTITY, &[text(account), text(sender)])?).await?;
    Ok(row.map(|row| row.user_id))
}

/// Binds a sender to a user, in place of any other.
pub async fn put_identity(
    db: &D1Database,
    account: &AccountId,
    sender: &str,
    user: &UserId,
    now: Timestamp,
) -> Result<(), Error> {
    run(bind(db, PUT_IDENTITY, &[text(account), text(sender), text(user), time(now)])?).await
}

/// A user has messages in a chat from now on.
pub async fn put_chat(db: &D1Database, conversation: &ConversationId, user: &UserId) -> Result<(), Error> {
    run(bind(db, PUT_CHAT, &[text(conversation), text(user)])?).await
}

/// The users who have messages in a chat, at most 100.
pub async fn chat_users(db: &D1Database, conversation: &ConversationId) -> Result<Vec<UserId>, Error> {
    struct Row {
        user_id: UserId,
    }
    from_json! { struct Row { user_id } }
    let rows: Vec<Row> = all(bind(db, CHAT_USERS, &[text(conversation)])?).await?;
    Ok(rows.into_iter().map(|row| row.user_id).collect())
}

/// Every statement above.
pub const STATEMENTS: &[&str] = &[
    FIRST_OPERATOR,
    USER,
    INSERT_FIRST_OPERATOR,
    SPEND_TOKEN,
    AGENTS,
    AGENT,
    INSERT_AGENT,
    AGENT_KEYS_COUNT,
    INSERT_AGENT_KEY,
    ACCOUNT,
    ACCOUNTS,
    INSERT_ACCOUNT,
    IDENTITY,
    PUT_IDENTITY,
    PUT_CHAT,
    CHAT_USERS,
];

const FIRST_OPERATOR: &str = "select id, name, role from users where role = 'operator' order by created_ms, id limit 1";
const USER: &str = "select id, name, role from users where id = ?";
const INSERT_FIRST_OPERATOR: &str = "insert into users (id, name, role, created_ms)
    select ?, ?, 'operator', ? where not exists (select 1 from users where role = 'operator')";
const SPEND_TOKEN: &str =
    "insert into spent_tokens (hash, spent_ms) values (?, ?) on conflict do nothing returning hash";
const AGENTS: &str = "select id, name, created_ms from agents where user_id = ? order by created_ms, id";
const AGENT: &str = "select id, name, created_ms from agents where id = ? and user_id = ?";
const INSERT_AGENT: &str = "insert into agents (id, user_id, name, created_ms) values (?, ?, ?, ?)";
const AGENT_KEYS_COUNT: &str = "select count(*) as count from agent_keys where agent_id = ?";
const INSERT_AGENT_KEY: &str = "insert into agent_keys (id, agent_id, created_ms) values (?, ?, ?)";
const ACCOUNT: &str = "select id, default_user, settings from accounts where id = ?";
const ACCOUNTS: &str = "select id, platform, default_user, created_ms from accounts order by id";
const INSERT_ACCOUNT: &str = "insert into accounts (id, platform, default_user, settings, created_ms)
    values (?, ?, ?, ?, ?) on conflict do nothing returning id";
const IDENTITY: &str = "select user_id from identities where account_id = ? and sender = ?";
const PUT_IDENTITY: &str = "insert into identities (account_id, sender, user_id, created_ms) values (?, ?, ?, ?)
    on conflict do update set user_id = excluded.user_id, created_ms = excluded.created_ms";
const PUT_CHAT: &str = "insert into chats (conversation, user_id)
    select ?1, ?2 where exists (select 1 from users where id = ?2) on conflict do nothing";
const CHAT_USERS: &str = "select user_id from chats where conversation = ? limit 100";

fn bind(db: &D1Database, statement: &str, values: &[JsValue]) -> Result<D1PreparedStatement, Error> {
    db.bind(statement, values).map_err(|error| Error::internal("D1", error))
}

async fn first<T: FromJson>(statement: D1PreparedStatement) -> Result<Option<T>, Error> {
    Ok(all(statement).await?.into_iter().next())
}

async fn all<T: FromJson>(statement: D1PreparedStatement) -> Result<Vec<T>, Error> {
    let rows = statement.rows().await.map_err(unavailable)?;
    json::read(&rows).map_err(|error| Error::unavailable("the database does not answer", error))
}

async fn run(statement: D1PreparedStatement) -> Result<(), Error> {
    statement.rows().await.map(drop).map_err(unavailable)
}

fn unavailable(error: runtime::Error) -> Error {
    Error::unavailable("the database does not answer", error)
}

fn text(value: impl ToString) -> JsValue {
    JsValue::from(value.to_string())
}

/// As JavaScript's only kind of number.
fn time(Timestamp(ms): Timestamp) -> JsValue {
    JsValue::from(ms as f64)
}
