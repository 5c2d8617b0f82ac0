//! The words that the relay, its agents and its screens say to each other.
//!
//! No behaviour lives here: only types, their JSON, and the limits both ends must know.
//! `docs/protocol.md` explains the same words to people; `tests/vectors/frames.json` pins their JSON
//! for Rust and for TypeScript.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

pub mod api;
mod button;
mod envelope;
mod error;
mod file;
mod frame;
mod id;
pub mod json;
pub mod limit;

pub use button::{Button, ButtonStyle};
pub use envelope::{Author, Envelope, State};
pub use error::Code;
pub use file::{File, FileKind};
pub use frame::{
    AgentPresence, ClientFrame, DecodeError, Fetch, FetchAnswer, FetchForm, Fetched, GapReason, Header, Resumed,
    ServerFrame, decode, encode,
};
pub use id::{AccountId, AgentId, ConversationId, Cursor, FileId, InvalidId, MessageId, Seq, Timestamp, UserId};

/// The WebSocket subprotocol that both sides name in the handshake.
pub const SUBPROTOCOL: &str = "claw-relay.v1";
