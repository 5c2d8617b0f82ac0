//! Conversations, messages, and what became of them.

use serde::Serialize;

use crate::{Button, ConversationId, File, Seq, from_json};

/// `POST /v1/messages`: something said unasked.
#[derive(Debug)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Push {
    /// Plain text or Markdown.
    pub text: String,
    /// Where; absent: the newest conversation of a chat bound to the user, else the web page.
    pub conversation: Option<ConversationId>,
    /// What comes with it, as `POST /v1/files` answered.
    pub files: Vec<File>,
    /// What one may answer to it at a press.
    pub buttons: Vec<Button>,
}

/// The answer to [`Push`].
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Pushed {
    /// Its place in the timeline.
    pub seq: Seq,
    /// Where it went.
    pub conversation: ConversationId,
    /// False when the same `Idempotency-Key` was there before: nothing else happened then.
    pub new: bool,
}

/// `POST /v1/dead-letters/{seq}/replay`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Replayed {
    /// The place of the question that was asked anew, or of the answer that was handed over anew.
    pub seq: Seq,
    /// False when that was done before.
    pub new: bool,
}

/// `GET /healthz`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Health {
    /// `ok`
    pub status: String,
    /// Of the relay.
    pub version: String,
}

from_json! { struct Push { text, conversation, files or Vec::new(), buttons or Vec::new() } }

from_json! { struct Pushed { seq, conversation, new } }
