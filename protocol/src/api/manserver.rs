//! What clients of ManServer ask and are answered (`/ocms/…`), in their words. The Worker makes most of these answers of
//! our own: these are what they look like.

use serde::Serialize;

use crate::{AgentId, ConversationId, MessageId, Timestamp, UserId};

/// `POST /ocms/auth/weapp/token`
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct WeappToken {
    /// `weapp_code`
    pub grant_type: String,
    /// From `wx.login`, good once.
    pub code: String,
}

/// A session.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ManServerToken {
    /// For `Authorization: Bearer`, and for the stream.
    pub access_token: String,
    /// For `POST /ocms/auth/refresh`, once.
    pub refresh_token: String,
    /// `bearer`
    pub token_type: String,
    /// Of the access token, in seconds.
    pub expires_in: u64,
    /// `profile robots`
    pub scope: String,
}

/// An agent.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ManServerRobot {
    /// The agent's id.
    pub robot_id: AgentId,
    /// As its owner named it.
    pub name: String,
    /// When it was created.
    pub created_at: u64,
}

/// A conversation.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ManServerConversation {
    /// Which one.
    pub conversation_id: ConversationId,
    /// When its newest message was accepted; absent when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// `POST /ocms/upload/file`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ManServerFile {
    /// `true`
    pub success: bool,
    /// What leads to it: a message's `filePath` or `mediaUrl`, and the name to download it by.
    pub file_name: String,
    /// The same.
    pub file_path: String,
    /// Its length, in bytes.
    pub file_size: u64,
    /// Its media type, as its first bytes show, or its sender says.
    pub content_type: String,
    /// For people to read.
    pub message: String,
}

/// `GET /ocms/chat/history/{user}`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ManServerHistory {
    /// Whose.
    pub user_id: UserId,
    /// Of those that can be shown: the newest 200, or as many as have 1 MiB.
    pub total: u64,
    /// How many were asked for.
    pub limit: u64,
    /// How many of the newest were passed over.
    pub offset: u64,
    /// Oldest first.
    pub messages: Vec<ManServerMessage>,
}

/// A message of the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ManServerMessage {
    /// Its id.
    pub id: MessageId,
    /// When it was accepted.
    pub timestamp: Timestamp,
    /// `user` or `robot`; notices of the relay are a robot's.
    pub sender: String,
    /// What it says.
    pub text: String,
    /// The file beside it.
    #[serde(rename = "mediaUrl")]
    pub media_url: Option<String>,
    /// Who answers, or answered.
    pub robot_id: Option<AgentId>,
    /// Where.
    pub conversation_id: ConversationId,
}
