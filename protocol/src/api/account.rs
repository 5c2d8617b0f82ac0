//! Bot accounts, who may talk to them, and whom they belong to.

use serde::Serialize;

use crate::{AccountId, AgentId, UserId, from_json};

use super::ProviderKind;

/// Who may talk to a bot. Whoever is bound always may, but for `listed` groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Nobody else: strangers hear nothing.
    Closed,
    /// Those on the account's list too; they reach the default user's agents.
    Listed,
    /// Anyone: strangers reach the default user's agents.
    Open,
    /// Strangers get a code, with which they bind themselves to a user.
    Pairing,
}

/// In which groups a bot answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Groups {
    /// In all.
    Any,
    /// In those on the account's list.
    Listed,
    /// In none.
    None,
}

impl Policy {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Policy::Closed => "closed",
            Policy::Listed => "listed",
            Policy::Open => "open",
            Policy::Pairing => "pairing",
        }
    }
}

impl Groups {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Groups::Any => "any",
            Groups::Listed => "listed",
            Groups::None => "none",
        }
    }
}

/// A bot account, without its settings, which hold secrets.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AccountRow {
    /// The last part of its webhook's path.
    pub id: AccountId,
    /// `feishu` …
    pub platform: String,
    /// Who may talk to it.
    pub policy: Policy,
    /// In which groups it answers.
    pub groups: Groups,
    /// Whose agents answer strangers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_user: Option<UserId>,
    /// The agent that makes the calls of its API; absent: they leave from the relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress: Option<AgentId>,
    /// When it was created.
    pub created_ms: u64,
}

/// `GET /v1/admin/accounts`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Accounts {
    /// By name.
    pub accounts: Vec<AccountRow>,
    /// For `cursor`, when there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A bot account alone.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AccountAnswer {
    /// The account.
    pub account: AccountRow,
    /// The path that its platform is to call.
    pub webhook: String,
}

/// `POST /v1/admin/accounts`: the platform's own settings stand beside these.
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct NewAccount {
    /// Letters, digits and `. _ @ -`; at most 64 bytes.
    pub id: AccountId,
    /// `feishu` …
    pub platform: String,
    /// Whose agents answer strangers; `me` is whoever asks.
    pub default_user: Option<UserId>,
    /// `open` with a default user, else `pairing`.
    pub policy: Option<Policy>,
    /// `any` by default.
    pub groups: Option<Groups>,
    /// An agent of yours that makes the calls of its API, with a key that has the scope `egress`.
    pub egress: Option<AgentId>,
}

/// `PATCH /v1/admin/accounts/{account}`: what is absent stays.
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AccountChanges {
    /// Who may talk to it.
    pub policy: Option<Policy>,
    /// In which groups it answers.
    pub groups: Option<Groups>,
    /// Whose agents answer strangers; `null` or the empty text: nobody's.
    pub default_user: Option<String>,
    /// An agent of yours that makes the calls of its API; `null` or the empty text: none.
    pub egress: Option<String>,
}

/// `POST /v1/admin/accounts/{account}/check`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AccountChecks {
    /// In the order in which they were looked at. What the platform is asked ends with the first that fails.
    pub checks: Vec<AccountCheck>,
}

/// Whether one of a platform's conditions holds.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AccountCheck {
    /// `egress`: calls leave, and answers come back. `credentials`: the platform takes them, from this address. `scopes`: as the
    /// platform says, the bot may do what it cannot do without. `quota`: there is something left of it. `callback`: the platform
    /// called the bot's webhook, and could prove itself.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// What was seen, or what to do.
    pub detail: String,
}

/// `GET /v1/admin/accounts/{account}/senders`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Senders {
    /// Who may talk to the bot, beside whoever is bound.
    pub senders: Vec<SenderRow>,
    /// For `cursor`, when there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A sender on an account's list.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct SenderRow {
    /// The id on the platform.
    pub sender: String,
    /// Since when.
    pub created_ms: u64,
}

/// `GET /v1/admin/accounts/{account}/groups`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct GroupList {
    /// Where the bot answers.
    pub groups: Vec<GroupRow>,
    /// For `cursor`, when there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A group on an account's list.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct GroupRow {
    /// The chat's id on the platform.
    pub chat: String,
    /// Whose agents answer everyone there; absent: each speaker's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Since when.
    pub created_ms: u64,
}

/// `PUT /v1/admin/accounts/{account}/groups/{chat}`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct GroupBody {
    /// Whose agents answer everyone there; absent: each speaker's own.
    pub user: Option<UserId>,
}

/// Which person a sender on a platform is.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Identity {
    /// `idt_…`
    pub id: String,
    /// The bot account.
    pub account: AccountId,
    /// The account's platform.
    pub platform: String,
    /// The id on the platform.
    pub sender: String,
    /// What the platform calls them, if it says so.
    pub name: Option<String>,
    /// Their picture there, an `https:` address, if it has one.
    pub avatar_url: Option<String>,
    /// Whether what agents say unasked may go there.
    pub push: bool,
    /// When it was bound.
    pub created_ms: u64,
}

/// `GET /v1/identities`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Identities {
    /// Oldest first.
    pub identities: Vec<Identity>,
}

/// An identity alone.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct IdentityAnswer {
    /// The identity.
    pub identity: Identity,
}

/// `PATCH /v1/identities/{identity}`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct IdentityChanges {
    /// Whether what agents say unasked may go there.
    pub push: bool,
}

/// `POST /v1/admin/identities`, and its answer.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Binding {
    /// The bot account.
    pub account: AccountId,
    /// The id on the platform, at most 200 bytes.
    pub sender: String,
    /// Whom it is bound to.
    pub user: UserId,
}

/// `POST /v1/admin/providers`
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Provider {
    /// Letters, digits and `. _ @ -`.
    pub id: AccountId,
    /// Which platform.
    pub kind: ProviderKind,
    /// App ID; WeCom: corpid.
    pub app_id: String,
    /// App Secret; WeCom: the app's corpsecret. Secret.
    pub app_secret: String,
    /// WeCom: the app's agentid.
    pub agent_id: Option<String>,
    /// Feishu: tenant keys whose members may sign up where that takes an organisation. WeCom's and a mini program's own
    /// organisation needs no name.
    pub organisations: Option<Vec<String>>,
    /// Where its API is, when not at the platform's own address.
    pub api: Option<String>,
}

/// `GET /v1/admin/providers`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Providers {
    /// Without their secrets.
    pub providers: Vec<super::ProviderName>,
}

/// `POST /v1/admin/secrets/rotate`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Rotated {
    /// How many values were sealed anew under the newest key.
    pub sealed: u64,
}

from_json! { words Policy { "closed" => Closed, "listed" => Listed, "open" => Open, "pairing" => Pairing } }

from_json! { words Groups { "any" => Any, "listed" => Listed, "none" => None } }

from_json! { struct AccountRow { id, platform, policy, groups, default_user, egress, created_ms } }

from_json! { struct NewAccount { id, platform, default_user, policy, groups, egress } }

from_json! { struct AccountChanges { policy, groups, default_user, egress } }

from_json! { struct SenderRow { sender, created_ms } }

from_json! { struct GroupRow { chat, user, created_ms } }

from_json! { struct GroupBody { user } }

from_json! { struct IdentityChanges { push } }

from_json! { struct Binding { account, sender, user } }

from_json! { struct Provider { id, kind, app_id, app_secret, agent_id, organisations, api } }
