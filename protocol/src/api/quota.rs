//! What a platform allows a bot, and what is left of it.

use serde::Serialize;

use crate::from_json;

/// `GET /v1/admin/accounts/{account}/quota`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AccountQuota {
    /// What it may do in a period, the longest first.
    pub allowances: Vec<Allowance>,
    /// For how long its chats may be written to, where that ends.
    pub windows: Vec<Window>,
}

/// What a bot may do in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Allowance {
    /// What is counted.
    pub name: Metered,
    /// For whom it is counted together.
    pub scope: QuotaScope,
    /// In which period, by the calendar and the clock of China (UTC+8).
    pub period: Period,
    /// How many; `null`: the platform does not say.
    pub limit: Option<u64>,
    /// How many this relay has used in this period; `null`: not counted, since the relay waits rather than exceed it, or since it
    /// is each chat's own.
    pub used: Option<u64>,
    /// The platform says that nothing is left, or the count does.
    pub is_used_up: bool,
    /// When the next period begins, if this one is counted.
    pub resets_ms: Option<u64>,
    /// Where the platform says so.
    pub source: &'static str,
}

/// For how long a chat may be written to after its newest message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Window {
    /// Which chats.
    pub chats: Chats,
    /// How long, in milliseconds.
    pub open_ms: u64,
    /// How many messages in that time.
    pub messages: u64,
    /// Where the platform says so.
    pub source: &'static str,
}

/// What an allowance counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Metered {
    /// Calls of the API.
    Calls,
    /// Messages.
    Messages,
    /// Messages that nobody asked for.
    Proactive,
    /// Files.
    Uploads,
}

/// For whom an allowance is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum QuotaScope {
    /// The bot.
    Account,
    /// Each of its chats.
    Chat,
    /// The organisation that the bot belongs to, with all of its apps: others may use it up.
    Organisation,
}

/// How long an allowance lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Period {
    Second,
    Minute,
    Hour,
    Day,
    Month,
}

/// Which chats a window is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Chats {
    /// All.
    All,
    /// Those with one person.
    Private,
    /// Those with several.
    Shared,
}

// As counts are kept.
from_json! {
    words Metered { "calls" => Calls, "messages" => Messages, "proactive" => Proactive, "uploads" => Uploads }
}

from_json! {
    words Period { "second" => Second, "minute" => Minute, "hour" => Hour, "day" => Day, "month" => Month }
}
