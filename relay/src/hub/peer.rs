//! One connection: what it is, what it was sent, what it acknowledged.

use protocol::from_json;
use protocol::json::{FromJson, Json, Wrong};
use protocol::limit::WINDOW_MESSAGES;
use protocol::{AgentId, Seq, Timestamp};
use serde::Serialize;

use super::queue::Queue;
use crate::map::Set;

/// A connection's number, unique among the sockets of one Hub. Drawn by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PeerId(pub u64);

/// What a connection is, as its token said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Role {
    /// Answers the questions meant for it.
    Agent {
        /// Which agent.
        id: AgentId,
        /// As its key names it.
        name: String,
    },
    /// Shows the whole timeline.
    Device,
    /// Carries calls to platforms, and nothing else.
    Egress {
        /// As which agent.
        id: AgentId,
    },
}

/// What let a connection in, and how far it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pass {
    /// The session or key, by whose end the connection ends too; empty: nothing that ends.
    pub by: String,
    /// Agents: whether they may answer.
    pub may_send: bool,
    /// Agents: whether they may carry calls to platforms.
    pub may_egress: bool,
    /// Agents: whether they may say something unasked.
    #[serde(skip_serializing_if = "is_false")]
    pub may_push: bool,
    /// Devices: the agent that their questions are for, unless they name another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<AgentId>,
    /// Messages that are sent ahead of an `ack`.
    #[serde(skip_serializing_if = "is_usual")]
    pub window: u64,
}

impl Default for Pass {
    fn default() -> Pass {
        Pass {
            by: String::new(),
            may_send: true,
            may_egress: false,
            may_push: false,
            to: None,
            window: WINDOW_MESSAGES,
        }
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_usual(window: &u64) -> bool {
    *window == WINDOW_MESSAGES
}

/// A connection. Kept in the socket's attachment, so that it outlives hibernation (at most 16 KiB; this is far less).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// What it is.
    pub role: Role,
    /// What let it in.
    pub pass: Pass,
    /// When its socket was accepted.
    pub opened: Timestamp,
    /// It said `hello`: only then is it sent anything.
    pub greeted: bool,
    /// Devices: shows answers while they are made.
    pub deltas: bool,
    /// Everything up to here was sent, or is not for this peer.
    pub sent: Seq,
    /// It is sent every message as it comes: `sent` is the newest one, and `last` the newest one for it, whatever is
    /// attached, so that a message need not change the attachment of every peer.
    pub is_current: bool,
    /// The last message that was sent.
    pub last: Seq,
    /// Everything up to here is stored at the peer.
    pub acked: Seq,
    /// Agents: the questions whose answers it is making, at most [`crate::limit::STREAMS_MAX`].
    #[serde(skip_serializing_if = "Set::is_empty")]
    pub streaming: Set<Seq>,
}

impl FromJson for PeerId {
    fn from_json(json: Json) -> Result<PeerId, Wrong> {
        u64::from_json(json).map(PeerId)
    }
}

from_json! { type PeerId }

from_json! { enum Role by "kind" { "agent" => Agent { id, name }, "device" => Device, "egress" => Egress { id } } }

from_json! { struct Pass { by, may_send, may_egress or false, may_push or false, to, window or WINDOW_MESSAGES } }

from_json! {
    struct Peer {
        role,
        pass or Pass::default(),
        opened,
        greeted,
        deltas,
        sent,
        is_current or false,
        last,
        acked,
        streaming or Set::new(),
    }
}

impl Peer {
    /// A connection that has not said `hello` yet.
    pub fn new(role: Role, pass: Pass, opened: Timestamp) -> Peer {
        let zero = Seq(0);
        let streaming = Set::new();
        Peer {
            role,
            pass,
            opened,
            greeted: false,
            deltas: false,
            sent: zero,
            is_current: false,
            last: zero,
            acked: zero,
            streaming,
        }
    }

    /// Takes over from its attachment: whoever was sent every message as it came has them all.
    pub(super) fn wake(&mut self, head: Seq, queue: &Queue) {
        // Attachments from before `is_current` say where each peer stands.
        self.is_current |= self.greeted && self.sent == head;
        if !self.is_current || matches!(self.role, Role::Egress { .. }) {
            return;
        }
        self.sent = head;
        self.last = match self.agent() {
            // A question that ended before it was acknowledged changed the attachment.
            Some(agent) => self.last.max(self.acked).max(queue.last(agent)),
            None => head,
        };
    }

    /// Begins the stream of messages after `after`.
    pub fn start(&mut self, after: Seq) {
        self.greeted = true;
        self.sent = after;
        self.last = after;
        self.acked = after;
    }

    /// Whether it may be sent another message. A peer that acknowledged all it was sent always may, however many
    /// messages for others lie between.
    pub fn has_room(&self) -> bool {
        self.room() > 0
    }

    /// How many more it may be sent. Counted in places of the timeline, so that for an agent, whose questions are only
    /// some of the messages, it can be less than the window but never more.
    pub fn room(&self) -> u64 {
        self.pass.window.saturating_sub(self.last.0.saturating_sub(self.acked.0))
    }

    /// The agent, if it is one.
    pub fn agent(&self) -> Option<&AgentId> {
        match &self.role {
            Role::Agent { id, .. } => Some(id),
            Role::Device | Role::Egress { .. } => None,
        }
    }

    /// Whether it carries calls as this agent.
    pub fn carries(&self, agent: &AgentId) -> bool {
        let (Role::Agent { id, .. } | Role::Egress { id }) = &self.role else { return false };
        self.greeted && self.pass.may_egress && id == agent
    }
}
