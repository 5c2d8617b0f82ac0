//! `/v1/agents`: a user's agents and their keys.

use protocol::Code;
use protocol::api::{
    AgentAnswer, AgentKeyAnswer, AgentKeyRow, AgentKeys, AgentRow, Agents, NameBody, NewAgentKey, Scope,
};
use relay::auth::AgentKey;
use relay::limit::AGENTS_MAX;

use super::{checked_name, new_id};
use crate::ask::{self, Ask};
use crate::call::{Call, Caller, answer, created, done};
use crate::clock::{now, random};
use crate::error::Error;
use crate::runtime::Response;
use crate::{db, session};

/// `GET /v1/agents`
pub async fn list(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    answer(&Agents { agents: db::agents(&call.config.db()?, caller.user()).await? })
}

/// `POST /v1/agents`
pub async fn create(call: &Call) -> Result<Response, Error> {
    let (caller, body) = (call.caller().await?, call.json().await?.read::<NameBody>()?);
    let name = checked_name(&body.name)?;
    let db = call.config.db()?;
    if db::agents(&db, caller.user()).await?.len() >= AGENTS_MAX {
        return Err(Error::new(Code::Conflict, format!("at most {AGENTS_MAX} agents")));
    }
    let agent = AgentRow { id: new_id("agt")?, name, created_ms: now().0 };
    db::insert_agent(&db, caller.user(), &agent, caller.deed("agent.create")).await?;
    created(&AgentAnswer { agent })
}

/// `PATCH /v1/agents/{agent}`. Its keys name it as it was called when they were made.
pub async fn rename(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    let agent = call.own_agent(&caller).await?;
    let name = checked_name(&call.json().await?.read::<NameBody>()?.name)?;
    let renamed = db::rename_agent(&call.config.db()?, caller.user(), &agent.id, &name).await?;
    answer(&AgentAnswer { agent: renamed.ok_or_else(|| Error::new(Code::NotFound, "no such agent of yours"))? })
}

/// `DELETE /v1/agents/{agent}`
pub async fn delete(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    let agent = call.own_agent(&caller).await?;
    let db = call.config.db()?;
    let keys = db::agent_keys(&db, &agent.id).await?.into_iter().map(|key| key.id).collect();
    // In the Hub first: what fails may be asked for again.
    session::revoke(&call.config, caller.user(), keys).await?;
    ask::tell(&call.config, caller.user(), &Ask::RemoveAgent { agent: agent.id.clone() }).await?;
    db::delete_agent(&db, caller.user(), &agent.id, caller.deed("agent.delete")).await?;
    done()
}

/// `GET /v1/agents/{agent}/keys`
pub async fn keys(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    let agent = call.own_agent(&caller).await?;
    answer(&AgentKeys { keys: db::agent_keys(&call.config.db()?, &agent.id).await? })
}

/// `POST /v1/agents/{agent}/keys`
pub async fn create_key(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    let agent = call.own_agent(&caller).await?;
    let NewAgentKey { name, scopes } = call.json_or_none().await?.read()?;
    let name = name.as_deref().map_or(Ok(String::new()), checked_name)?;
    let mut scopes = scopes.unwrap_or_else(|| vec![Scope::Receive, Scope::Send, Scope::Push]);
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(Error::new(Code::BadRequest, "scopes: at least one of receive, send, push, egress"));
    }
    if db::agent_keys(&call.config.db()?, &agent.id).await?.len() >= AGENT_KEYS_MAX {
        let detail = format!("at most {AGENT_KEYS_MAX} keys of an agent: revoke one first");
        return Err(Error::new(Code::Conflict, detail));
    }
    make_key(call, &caller, agent, name, scopes).await
}

/// `POST /v1/agents/{agent}/keys/{key}/rotate`: another one of the same kind; the old one ends at once.
pub async fn rotate_key(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    let agent = call.own_agent(&caller).await?;
    let old = known_key(call, &agent).await?;
    let made = make_key(call, &caller, agent.clone(), old.name.clone(), old.scopes.clone()).await?;
    end_key(call, &caller, &agent, &old).await?;
    Ok(made)
}

/// `DELETE /v1/agents/{agent}/keys/{key}`
pub async fn revoke_key(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    let agent = call.own_agent(&caller).await?;
    let key = known_key(call, &agent).await?;
    end_key(call, &caller, &agent, &key).await?;
    done()
}

async fn make_key(
    call: &Call,
    caller: &Caller,
    agent: AgentRow,
    name: String,
    scopes: Vec<Scope>,
) -> Result<Response, Error> {
    let row = AgentKeyRow { id: random::<12>()?, name, scopes, created_ms: now().0, used_ms: None };
    db::insert_agent_key(&call.config.db()?, &agent.id, &row, caller.deed("key.create").to(&row.id)).await?;
    let AgentKeyRow { id, name, scopes, .. } = row;
    let user = caller.user().clone();
    let key = AgentKey { agent: agent.id, user, key: id.clone(), name: agent.name, scopes: scopes.clone() };
    let key = call.config.keys()?.sign(&key, now(), None);
    created(&AgentKeyAnswer { id, key, name, scopes })
}

async fn known_key(call: &Call, agent: &AgentRow) -> Result<AgentKeyRow, Error> {
    let keys = db::agent_keys(&call.config.db()?, &agent.id).await?;
    let key = keys.into_iter().find(|key| key.id == call.param(1));
    key.ok_or_else(|| Error::new(Code::NotFound, "no such key of this agent"))
}

/// In the Hub first: what fails may be asked for again.
async fn end_key(call: &Call, caller: &Caller, agent: &AgentRow, key: &AgentKeyRow) -> Result<(), Error> {
    session::revoke(&call.config, caller.user(), vec![key.id.clone()]).await?;
    db::delete_agent_key(&call.config.db()?, &agent.id, &key.id, caller.deed("key.revoke").to(&key.id)).await?;
    Ok(())
}

/// Keys of one agent.
const AGENT_KEYS_MAX: usize = 20;
