//! People: what is theirs, and who may come.

use serde::Serialize;

use crate::{Timestamp, UserId, from_json};

/// What a person may do on this deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the deployment: bot accounts, users.
    Operator,
    /// Their own agents and conversations.
    User,
}

impl Role {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Operator => "operator",
            Role::User => "user",
        }
    }
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct User {
    /// `usr_…`
    pub id: UserId,
    /// As shown.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// `GET /v1/me`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Me {
    /// Who is signed in.
    pub user: User,
    /// What they can sign in with.
    pub logins: Vec<LoginName>,
}

/// What a person can sign in with.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct LoginName {
    /// `password`, or a provider's kind.
    pub kind: String,
    /// The e-mail address or phone number, or the id at the provider.
    pub subject: String,
}

/// A user alone.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct UserAnswer {
    /// The user.
    pub user: User,
}

/// `PATCH /v1/me`, `PATCH /v1/agents/{agent}`, `POST /v1/agents`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct NameBody {
    /// As shown: 1 to 100 bytes.
    pub name: String,
}

/// `PUT /v1/me/password`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct PasswordBody {
    /// An e-mail address or a phone number, in place of any before.
    pub login: String,
    /// 12 to 128 characters.
    pub password: String,
    /// The password until now, if there was one.
    pub current: Option<String>,
}

/// `GET /v1/me/sessions`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Sessions {
    /// Newest first.
    pub sessions: Vec<SessionRow>,
    /// For `cursor`, when there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A device that is signed in.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct SessionRow {
    /// `ses_…`
    pub id: String,
    /// What its `User-Agent` said, cut.
    pub client: String,
    /// When it signed in.
    pub created_ms: u64,
    /// When it was last refreshed.
    pub used_ms: u64,
    /// When it ends, unless it is refreshed before.
    pub expires_ms: u64,
    /// Whether it is this one.
    pub is_current: bool,
}

/// `POST /v1/me/links`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct LinkBody {
    /// How often it may be used: 1 (the default) to 20 times.
    pub uses: Option<u64>,
    /// How long: 1 to 1440 minutes, 10 by default.
    pub minutes: Option<u64>,
}

/// The answer to [`LinkBody`]: for `/#link={code}`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct LinkAnswer {
    /// For `POST /v1/auth/link`.
    pub code: String,
    /// When it ends.
    pub expires_at_ms: Timestamp,
}

/// `GET /v1/admin/users`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Users {
    /// By id.
    pub users: Vec<UserRow>,
    /// For `cursor`, when there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A user, for operators.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct UserRow {
    /// `usr_…`
    pub id: UserId,
    /// As shown.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// When they came.
    pub created_ms: u64,
    /// Whether they are kept from signing in.
    pub is_disabled: bool,
    /// What stands for them in the audit log.
    pub audit_id: String,
}

/// `POST /v1/admin/users`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct NewUser {
    /// As shown: 1 to 100 bytes.
    pub name: String,
    /// `user` by default.
    pub role: Option<Role>,
    /// An e-mail address or a phone number, with `password`.
    pub login: Option<String>,
    /// 12 to 128 characters, with `login`.
    pub password: Option<String>,
}

/// `PATCH /v1/admin/users/{user}`: what is absent stays.
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct UserChanges {
    /// What they may do.
    pub role: Option<Role>,
    /// Whether they are kept from signing in. True ends their sessions.
    pub is_disabled: Option<bool>,
    /// A new password, with `login`; ends their sessions.
    pub password: Option<String>,
    /// With `password`.
    pub login: Option<String>,
}

/// `POST /v1/admin/invitations`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct NewInvitation {
    /// `user` by default.
    pub role: Option<Role>,
    /// How long: 1 to 30 days, 7 by default.
    pub days: Option<u64>,
    /// For how many people: 1 (the default) to 100.
    pub uses: Option<u64>,
}

/// An invitation, without its code.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Invitation {
    /// `inv_…`
    pub id: String,
    /// As what people come.
    pub role: Role,
    /// For how many it still is.
    pub uses: u64,
    /// When it ends.
    pub expires_ms: u64,
}

/// The answer to [`NewInvitation`].
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct InvitationAnswer {
    /// The invitation.
    pub invitation: Invitation,
    /// For `POST /v1/auth/register`: shown once.
    pub code: String,
}

/// `GET /v1/admin/invitations`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Invitations {
    /// Those that can still be used.
    pub invitations: Vec<Invitation>,
    /// For `cursor`, when there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `GET /v1/admin/audit`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Audit {
    /// In the order that was asked for.
    pub entries: Vec<AuditEntry>,
    /// For `cursor`, when there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What was done. `hash` covers the entry and the hash before it (relay/src/auth/audit.rs).
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AuditEntry {
    /// Its place, from 1.
    pub seq: u64,
    /// When.
    pub at_ms: u64,
    /// By whom: a user's `audit_id`, or `relay`.
    pub actor: String,
    /// What, `noun.verb`.
    pub action: String,
    /// To what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// In which way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// SHA-256, base64url.
    pub hash: String,
}

from_json! { words Role { "operator" => Operator, "user" => User } }

from_json! { struct User { id, name, role } }

from_json! { struct LoginName { kind, subject } }

from_json! { struct NameBody { name } }

from_json! { struct PasswordBody { login, password, current } }

from_json! { struct LinkBody { uses, minutes } }

from_json! { struct NewUser { name, role, login, password } }

from_json! { struct UserChanges { role, is_disabled, password, login } }

from_json! { struct NewInvitation { role, days, uses } }

from_json! { struct Invitation { id, role, uses, expires_ms } }

from_json! { struct AuditEntry { seq, at_ms, actor, action, subject, detail, hash } }
