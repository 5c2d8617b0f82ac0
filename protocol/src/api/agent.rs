//! Agents and their keys.

use serde::Serialize;

use crate::json::Object;
use crate::{AgentId, from_json};

use super::Scope;

/// A user's agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AgentRow {
    /// `agt_…`
    pub id: AgentId,
    /// As its owner named it.
    pub name: String,
    /// When it was created.
    pub created_ms: u64,
}

/// `GET /v1/agents`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Agents {
    /// Oldest first.
    pub agents: Vec<AgentRow>,
}

/// An agent alone.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AgentAnswer {
    /// The agent.
    pub agent: AgentRow,
}

/// `GET /v1/agents/{agent}/keys`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AgentKeys {
    /// Oldest first.
    pub keys: Vec<AgentKeyRow>,
}

/// A key of an agent, without what is secret of it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AgentKeyRow {
    /// The key's own id.
    pub id: String,
    /// As its owner named it; may be empty.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_ms: u64,
    /// When an agent last connected with it, to the hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_ms: Option<u64>,
}

/// `POST /v1/agents/{agent}/keys`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct NewAgentKey {
    /// As its owner names it, at most 100 bytes.
    pub name: Option<String>,
    /// `receive`, `send` and `push` by default.
    pub scopes: Option<Vec<Scope>>,
}

/// The answer to [`NewAgentKey`].
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AgentKeyAnswer {
    /// The key's own id.
    pub id: String,
    /// Secret, and shown once.
    pub key: String,
    /// As its owner named it.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
}

/// `GET`, `PUT /v1/config`: what a user's agents are told to be.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ConfigBody {
    /// Any object, at most 16 KiB.
    #[cfg_attr(feature = "openapi", schemars(with = "std::collections::BTreeMap<String, serde_json::Value>"))]
    pub config: Object,
}

from_json! { struct AgentRow { id, name, created_ms } }

from_json! { struct NewAgentKey { name, scopes } }

from_json! { struct ConfigBody { config } }
