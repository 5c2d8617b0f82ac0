//! The one message type: stored in the timeline, sent to agents and screens, answered by the history API.

use serde::Serialize;

use crate::button::Button;
use crate::file::File;
use crate::id::{AgentId, ConversationId, MessageId, Seq, Timestamp};

/// A message at its place in the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Envelope {
    /// Place in the user's timeline.
    pub seq: Seq,
    /// Idempotency key, unique within the user's timeline.
    pub id: MessageId,
    /// The thread of talk that it belongs to.
    pub conversation: ConversationId,
    /// How often this thread was begun anew (`/new`) before this message: an agent keeps nothing of earlier sessions in
    /// mind.
    #[serde(skip_serializing_if = "is_zero")]
    pub session: u64,
    /// Who wrote it.
    pub from: Author,
    /// The agent that a question is meant for; absent until the user has one, and on answers and notices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// The question that this message answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// When the relay accepted it.
    pub at_ms: Timestamp,
    /// Plain text or Markdown, at most [`crate::limit::TEXT_BYTES_MAX`] bytes. May be empty beside files.
    pub text: String,
    /// What comes with it, at most [`crate::limit::FILES_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// What one may answer to it at a press, at most [`crate::limit::BUTTONS_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
    /// How far a question has come; absent on answers and notices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Why the state is `failed` or `expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Who wrote a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Author {
    /// One of the user's agents.
    Agent {
        /// Which one.
        id: AgentId,
    },
    /// The relay itself: a notice that something failed or was dropped.
    Relay,
    /// A person.
    User {
        /// Where it was written: `web`, `feishu`.
        via: String,
        /// The writer's id on that platform, where the platform has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        sender: Option<String>,
        /// The writer's name as the platform shows it, where it says so: at most
        /// [`crate::limit::SENDER_NAME_BYTES_MAX`] bytes, in one line. Its bearer chose it, so it proves nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Written in a group, to the bot among others.
        #[serde(skip_serializing_if = "is_false")]
        group: bool,
    },
}

/// How far a question has come. In order of progress; `replied`, `failed` and `expired` are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Stored; no agent has it yet.
    Queued,
    /// An agent has stored it.
    Delivered,
    /// An agent is answering: deltas flow.
    Replying,
    /// The one final answer is in the timeline; or its agent is done with it, and chose to say nothing.
    Replied,
    /// It will not be answered, was stopped, or its answer could not be handed to the platform: see `reason`.
    Failed,
    /// It waited longer than its time to live.
    Expired,
    /// A state of a newer relay.
    Unknown,
}

crate::from_json! {
    struct Envelope { seq, id, conversation, session or 0, from, agent, reply_to, at_ms, text, files or Vec::new(), buttons or Vec::new(), state, reason }
}

crate::from_json! {
    enum Author by "kind" { "agent" => Agent { id }, "relay" => Relay, "user" => User { via, sender, name, group or false } }
}

crate::from_json! {
    words State {
        "queued" => Queued,
        "delivered" => Delivered,
        "replying" => Replying,
        "replied" => Replied,
        "failed" => Failed,
        "expired" => Expired,
    } else Unknown
}

fn is_false(is: &bool) -> bool {
    !is
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
