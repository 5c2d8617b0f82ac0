//! Every kind of token, and what it says.

use protocol::from_json;
use protocol::{AgentId, UserId};
use serde::Serialize;

use super::Token;

pub use protocol::api::{Role, Scope};

/// A person who is signed in, for [`crate::limit::ACCESS_TOKEN_MS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    /// Who.
    #[serde(rename = "sub")]
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// The session that it was made for, which can be ended.
    #[serde(rename = "sid")]
    pub session: String,
}

/// The right to another access token, once: the next one has the next number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refresh {
    /// Who.
    #[serde(rename = "sub")]
    pub user: UserId,
    /// Of which session.
    #[serde(rename = "sid")]
    pub session: String,
    /// How often the session was refreshed before.
    #[serde(rename = "gen")]
    pub generation: u64,
}

/// The right to act as an agent. It has no end, and can be revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentKey {
    /// Which agent.
    #[serde(rename = "sub")]
    pub agent: AgentId,
    /// Whose.
    pub user: UserId,
    /// The key's own id, for listing and revoking.
    #[serde(rename = "jti")]
    pub key: String,
    /// The agent's name when the key was made.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

/// The right to open one WebSocket as a device, within [`crate::limit::TICKET_MS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ticket {
    /// Who.
    #[serde(rename = "sub")]
    pub user: UserId,
    /// The ticket's own id: the Hub accepts it once.
    #[serde(rename = "jti")]
    pub id: String,
    /// Of which session.
    #[serde(rename = "sid")]
    pub session: String,
    /// The web page that asked for it, which alone may use it; none when it was no web page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// What a provider hands back with the person whom it signed in (OAuth `state`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OauthState {
    /// Its own id: accepted once.
    #[serde(rename = "jti")]
    pub id: String,
    /// Where the person signs in.
    pub provider: String,
    /// SHA-256 of what only the page knows that began it (RFC 7636 §4.2).
    pub challenge: String,
    /// Where the provider sends the person.
    pub redirect: String,
    /// The right to sign up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<String>,
}

from_json! { struct Access { user as "sub", role, session as "sid" } }

from_json! { struct Refresh { user as "sub", session as "sid", generation as "gen" } }

from_json! { struct AgentKey { agent as "sub", user, key as "jti", name, scopes } }

from_json! { struct Ticket { user as "sub", id as "jti", session as "sid", origin } }

from_json! { struct OauthState { id as "jti", provider, challenge, redirect, invitation } }

impl Token for Access {
    const KIND: &'static str = "access";
}

impl Token for Refresh {
    const KIND: &'static str = "refresh";
}

impl Token for AgentKey {
    const KIND: &'static str = "agent";
    const ENDS: bool = false;
}

impl Token for Ticket {
    const KIND: &'static str = "ticket";
}

impl Token for OauthState {
    const KIND: &'static str = "oauth";
}

impl AgentKey {
    /// Whether it may do this.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_may_do_what_its_key_says() {
        let key = AgentKey {
            agent: "agt_1".parse().unwrap(),
            user: "usr_1".parse().unwrap(),
            key: "key_1".into(),
            name: "laptop".into(),
            scopes: vec![Scope::Receive, Scope::Send],
        };
        let may = [Scope::Egress, Scope::Push, Scope::Receive, Scope::Send].map(|scope| key.may(scope));
        assert_eq!(may, [false, false, true, true]);
    }
}
