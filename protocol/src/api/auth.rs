//! Signing in, and what proves it.

use serde::Serialize;

use crate::{AgentId, Timestamp, UserId, from_json};

use super::{Role, User};

/// What an agent key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Calls of platforms leave through this agent.
    Egress,
    /// `POST /v1/messages`: saying something unasked.
    Push,
    /// Connecting, and getting questions.
    Receive,
    /// Answering them.
    Send,
}

/// `GET /v1/auth/methods`: how people can sign in here.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Methods {
    /// Who may sign up.
    pub sign_up: SignUp,
    /// Nobody has signed in yet: the operator token is what works.
    pub is_new: bool,
    /// Where people may sign in with an account that they have.
    pub providers: Vec<ProviderName>,
}

/// Who may sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SignUp {
    /// Whoever has an invitation.
    Closed,
    /// Anyone.
    Open,
    /// Whoever signs in at a provider and belongs to one of its organisations; others with an invitation.
    Organisation,
}

/// A provider, without its secrets.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ProviderName {
    /// As the operator named it.
    pub id: String,
    /// Which platform.
    pub kind: ProviderKind,
}

/// Which platform signs people in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// A Feishu or Lark app.
    Feishu,
    /// A WeChat mini program.
    Wechat,
    /// A WeCom app.
    Wecom,
}

/// A session: what signing in answers.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Session {
    /// Who is signed in.
    pub user: User,
    /// `ses_…`
    pub session: String,
    /// For `Authorization: Bearer`, until `expires_at_ms`.
    pub access_token: String,
    /// When the access token ends.
    pub expires_at_ms: Timestamp,
    /// For `POST /v1/auth/refresh`, once.
    pub refresh_token: String,
    /// When the session ends, unless it is refreshed before.
    pub refresh_expires_at_ms: Timestamp,
}

/// `POST /v1/auth/register`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Register {
    /// An e-mail address or a phone number.
    pub login: String,
    /// 12 to 128 characters.
    pub password: String,
    /// As shown: 1 to 100 bytes.
    pub name: String,
    /// The right to sign up, where that needs one.
    pub invitation: Option<String>,
}

/// `POST /v1/auth/login`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Login {
    /// An e-mail address or a phone number.
    pub login: String,
    /// The password.
    pub password: String,
}

/// `POST /v1/auth/refresh`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RefreshBody {
    /// The newest one of the session.
    pub refresh_token: String,
}

/// `POST /v1/auth/link`, `POST /v1/pairings`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct CodeBody {
    /// What the link or the bot says.
    pub code: String,
}

/// `POST /v1/auth/wechat`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct WechatLogin {
    /// Which mini program; absent: the first one.
    pub provider: Option<String>,
    /// From `wx.login`, good once.
    pub code: String,
    /// The right to sign up, where that needs one.
    pub invitation: Option<String>,
}

/// `POST /v1/auth/oauth/{provider}/start`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct OauthStart {
    /// base64url(SHA-256(verifier)) of a random verifier that only this page knows (RFC 7636 §4.2).
    pub challenge: String,
    /// This relay's own address and `/`: where the provider sends the person back.
    pub redirect_uri: String,
    /// The right to sign up, where that needs one.
    pub invitation: Option<String>,
}

/// The answer to [`OauthStart`].
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct OauthUrl {
    /// Where to send the person.
    pub url: String,
}

/// `POST /v1/auth/oauth/{provider}/finish`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct OauthFinish {
    /// From the address that the provider sent the person to.
    pub code: String,
    /// From the same address.
    pub state: String,
    /// What `challenge` was made of: 43 to 128 characters.
    pub verifier: String,
}

/// `POST /v1/auth/verify`: what a token is good for.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Verified {
    /// Always true: a token that is not good is answered with 401.
    pub active: bool,
    /// What it is.
    pub kind: TokenKind,
    /// Whose.
    pub user: UserId,
    /// Which agent, when it is an agent key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// What an agent key allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Scope>>,
    /// As what a person is signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// What a token is.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// An access token.
    Access,
    /// An agent key.
    Agent,
}

/// `POST /v1/tickets`: the right to open one WebSocket.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct TicketAnswer {
    /// For `GET /v1/ws?ticket=`.
    pub ticket: String,
    /// 30 s from now.
    pub expires_at_ms: Timestamp,
}

from_json! { words Scope { "egress" => Egress, "push" => Push, "receive" => Receive, "send" => Send } }

from_json! { words ProviderKind { "feishu" => Feishu, "wechat" => Wechat, "wecom" => Wecom } }

from_json! { struct ProviderName { id, kind } }

from_json! { struct Register { login, password, name, invitation } }

from_json! { struct Login { login, password } }

from_json! { struct RefreshBody { refresh_token } }

from_json! { struct CodeBody { code } }

from_json! { struct WechatLogin { provider, code, invitation } }

from_json! { struct OauthStart { challenge, redirect_uri, invitation } }

from_json! { struct OauthFinish { code, state, verifier } }
