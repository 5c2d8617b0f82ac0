//! Frames: what a WebSocket message holds. One JSON object, or an array of them (a batch, in order).

use std::fmt;

use serde::Serialize;

use crate::button::Button;
use crate::envelope::{Envelope, State};
use crate::error::Code;
use crate::file::File;
use crate::id::{AgentId, ConversationId, Cursor, MessageId, Seq, UserId};
use crate::json::{FromJson, Json, Wrong, parse};
use crate::limit::{BATCH_FRAMES_MAX, FRAME_BYTES_MAX};

/// From a device or an agent to the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame {
    /// Everything sent to me up to `seq` is stored on my side. Cumulative; opens the window again.
    Ack {
        /// The last message stored.
        seq: Seq,
    },
    /// Agents: the next piece of an answer that is being made. Never stored; the `reply` carries the whole text.
    Delta {
        /// The question being answered.
        reply_to: Seq,
        /// Where the piece begins, in UTF-16 code units from the start of the answer (what JavaScript counts).
        offset: u64,
        /// The piece.
        text: String,
    },
    /// Agents: the question is dealt with, and nothing is said about it.
    Done {
        /// The question.
        reply_to: Seq,
    },
    /// Agents: the question will not be answered.
    Fail {
        /// The question.
        reply_to: Seq,
        /// Why, in words that its writer may read.
        reason: String,
    },
    /// Agents that carry calls: what became of a `fetch`.
    Fetched(Fetched),
    /// The first frame of every connection.
    Hello {
        /// What the client knows already. Absent: agents get every open question, devices the last `last` messages.
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<Cursor>,
        /// Devices without a cursor: how many of the newest messages to send (default 100, at most 500).
        #[serde(skip_serializing_if = "Option::is_none")]
        last: Option<u64>,
        /// What the client can do. Defined so far: `deltas` (devices: show answers while they are made).
        #[serde(skip_serializing_if = "Vec::is_empty")]
        capabilities: Vec<String>,
        /// Agents: the questions that it holds without an accepted answer, at most
        /// [`OPEN_QUESTIONS_MAX`](crate::limit::OPEN_QUESTIONS_MAX). It is told to `stop` those that ended meanwhile.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        open: Vec<Seq>,
        /// Name and version of the program, for the operator's eyes.
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<String>,
    },
    /// Agents: the one final answer to a question. Repeat it until it is `accepted`.
    Reply {
        /// The question.
        reply_to: Seq,
        /// The whole answer.
        text: String,
        /// What comes with it: objects as `POST /v1/files` answered them, or as they came with a message.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        files: Vec<File>,
        /// What one may answer to it at a press.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        buttons: Vec<Button>,
    },
    /// Devices: a new question. Repeat it with the same id until it is `accepted`.
    Send {
        /// Made by the client, unique per message; letters, digits, `_`, `-`, `.`; no colon.
        id: MessageId,
        /// Where it belongs. Default `web`.
        #[serde(skip_serializing_if = "Option::is_none")]
        conversation: Option<ConversationId>,
        /// What it says. May be empty beside files.
        text: String,
        /// What comes with it, as `POST /v1/files` answered.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        files: Vec<File>,
    },
    /// Devices: end this question without an answer. The question's `state` follows, whatever it is by then.
    Stop {
        /// The question.
        reply_to: Seq,
    },
    /// A frame of a newer client: ignored.
    Unknown,
}

/// From the relay to a device or an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// A `send`, `reply`, `done` or `fail` is committed (now, or already when it was sent before).
    Accepted {
        /// Its id: the client's own for `send`, `reply:{reply_to}` for `reply`, `done` and `fail`.
        id: MessageId,
        /// Its place in the timeline.
        seq: Seq,
    },
    /// Devices: a piece of an answer that is being made.
    Delta {
        /// The question being answered.
        reply_to: Seq,
        /// Where the piece begins, in UTF-16 code units. 0 replaces whatever is shown for this question.
        offset: u64,
        /// The piece.
        text: String,
    },
    /// Something was refused. The connection stays open unless a close frame follows.
    Error {
        /// What went wrong.
        code: Code,
        /// In words, for whoever builds the client.
        detail: String,
        /// The id of the `send` or `reply` that was refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
    },
    /// Agents that carry calls: make this call from where you are, and say `fetched`.
    Fetch(Fetch),
    /// A message of the timeline, in order of `seq`. Devices get all; agents the questions meant for them.
    Message(Envelope),
    /// Devices: which agents are connected.
    Presence {
        /// All agents of this user that ever connected.
        agents: Vec<AgentPresence>,
    },
    /// Agents: send the answer being made to this question again from offset 0.
    Restream {
        /// The question.
        reply_to: Seq,
    },
    /// Devices: a question has come further.
    State {
        /// The question.
        seq: Seq,
        /// How far.
        state: State,
        /// Why, when `failed` or `expired`.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Agents: this question was stopped, recalled or expired, ahead of everything that waits: drop it, and send no
    /// answer.
    Stop {
        /// The question.
        reply_to: Seq,
    },
    /// The answer to `hello`.
    Welcome {
        /// Whose timeline this is.
        user: UserId,
        /// The end of the timeline at this moment.
        cursor: Cursor,
        /// Where the stream of messages begins.
        resumed: Resumed,
        /// Messages that may be on the way to the client before it must `ack`.
        window: u64,
        /// How often to send `ping`, in milliseconds.
        ping_ms: u64,
    },
    /// A frame of a newer relay: ignore it.
    Unknown,
}

/// An HTTPS call that an agent makes for the relay, since the platform knows the agent's address.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Fetch {
    /// Said back with the answer.
    pub id: String,
    /// GET, POST …
    pub method: String,
    /// Absolute. It may hold an access token: never logged.
    pub url: String,
    /// Its headers, which may hold an access token.
    pub headers: Vec<Header>,
    /// JSON, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// In place of a body: a form with a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<FetchForm>,
    /// A path of the relay: what is answered goes there by `PUT`, with its media type, and not into the answer; unless it
    /// is JSON, or its status is no 2xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save: Option<String>,
}

/// A form that ends with a file (RFC 7578).
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct FetchForm {
    /// The fields before the file.
    pub fields: Vec<Header>,
    /// The field that is the file.
    pub field: String,
    /// What the file is called.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// A path of the relay, where it is read by `GET`.
    pub from: String,
}

/// A header, or a field of a form.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// What it says.
    pub value: String,
}

impl fmt::Debug for Fetch {
    /// Only method and host: paths, headers and bodies hold secrets and what people wrote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.split('/').take(3).collect::<Vec<_>>().join("/");
        f.debug_struct("Fetch").field("method", &self.method).field("host", &host).finish_non_exhaustive()
    }
}

/// What became of a [`Fetch`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fetched {
    /// Of which.
    pub id: String,
    /// The answer, of any status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<FetchAnswer>,
    /// Why there is none, in words without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What was answered to a [`Fetch`].
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct FetchAnswer {
    /// HTTP status.
    pub status: u16,
    /// Seconds that the platform asks to wait, from its headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// As it came.
    pub body: String,
}

impl fmt::Debug for FetchAnswer {
    /// Without the body, which may hold an access token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

crate::from_json! { struct Fetch { id, method, url, headers or Vec::new(), body, form, save } }
crate::from_json! { struct FetchForm { fields or Vec::new(), field, name, media_type, from } }
crate::from_json! { struct Header { name, value } }
crate::from_json! { struct Fetched { id, answer, error } }
crate::from_json! { struct FetchAnswer { status, retry_after_s, body } }

/// How a `hello` was understood: messages follow from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Resumed {
    /// Nothing was missed: the next message is the first after `after`.
    Continued {
        /// The client's own cursor.
        after: Seq,
    },
    /// Messages `from..=to` will not come. The next message is the first after `to`; after `from - 1` when the cursor
    /// was ahead, since those numbers are given out anew.
    Gap {
        /// The first one missing.
        from: Seq,
        /// The last one missing.
        to: Seq,
        /// Why.
        reason: GapReason,
    },
    /// There was no cursor: the next message is the first after `after`.
    Started {
        /// The message before the first one sent.
        after: Seq,
    },
}

/// Why messages are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The cursor is ahead of the timeline, which was restored from an older copy.
    Ahead,
    /// The cursor is of another timeline (the old one was deleted): drop what you know.
    Epoch,
    /// They were older than the history limit.
    Trimmed,
    /// A reason of a newer relay.
    Unknown,
}

/// An agent and whether it is connected now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentPresence {
    /// Which one.
    pub id: AgentId,
    /// As its owner named it.
    pub name: String,
    /// Connected now.
    pub online: bool,
}

crate::from_json! {
    enum ClientFrame by "type" {
        "ack" => Ack { seq },
        "delta" => Delta { reply_to, offset, text },
        "done" => Done { reply_to },
        "fail" => Fail { reply_to, reason },
        "fetched" => Fetched(..),
        "hello" => Hello { cursor, last, capabilities or Vec::new(), open or Vec::new(), client },
        "reply" => Reply { reply_to, text, files or Vec::new(), buttons or Vec::new() },
        "send" => Send { id, conversation, text, files or Vec::new() },
        "stop" => Stop { reply_to },
    } else Unknown
}

crate::from_json! {
    enum ServerFrame by "type" {
        "accepted" => Accepted { id, seq },
        "delta" => Delta { reply_to, offset, text },
        "error" => Error { code, detail, id },
        "fetch" => Fetch(..),
        "message" => Message(..),
        "presence" => Presence { agents },
        "restream" => Restream { reply_to },
        "state" => State { seq, state, reason },
        "stop" => Stop { reply_to },
        "welcome" => Welcome { user, cursor, resumed, window, ping_ms },
    } else Unknown
}

crate::from_json! {
    enum Resumed by "outcome" {
        "continued" => Continued { after },
        "gap" => Gap { from, to, reason },
        "started" => Started { after },
    }
}

crate::from_json! { words GapReason { "ahead" => Ahead, "epoch" => Epoch, "trimmed" => Trimmed } else Unknown }

crate::from_json! { struct AgentPresence { id, name, online } }

/// Why a WebSocket message could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// An array of more than [`BATCH_FRAMES_MAX`] frames.
    BatchTooLong,
    /// Not JSON, or a field is missing or of the wrong type: the parser's words. They may quote a value, so they are
    /// for the sender alone and never logged.
    Malformed(String),
    /// More than [`FRAME_BYTES_MAX`] bytes.
    TooLarge,
}

impl DecodeError {
    /// The code for the `error` frame.
    pub fn code(&self) -> Code {
        match self {
            // As it is worded when that field is wrong.
            DecodeError::Malformed(why) if why.starts_with("cursor: ") => Code::BadCursor,
            DecodeError::BatchTooLong | DecodeError::Malformed(_) => Code::BadFrame,
            DecodeError::TooLarge => Code::FrameTooLarge,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::BatchTooLong => write!(f, "a batch holds at most {BATCH_FRAMES_MAX} frames"),
            DecodeError::Malformed(why) => write!(f, "{why}"),
            DecodeError::TooLarge => write!(f, "a frame holds at most {FRAME_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Reads a WebSocket message: one frame, or an array of frames.
pub fn decode<F: FromJson>(text: &str) -> Result<Vec<F>, DecodeError> {
    if text.len() > FRAME_BYTES_MAX {
        return Err(DecodeError::TooLarge);
    }
    let malformed = |wrong: Wrong| DecodeError::Malformed(wrong.to_string());
    match parse(text).map_err(malformed)? {
        Json::List(frames) if frames.len() > BATCH_FRAMES_MAX => Err(DecodeError::BatchTooLong),
        Json::List(frames) => frames.into_iter().map(F::from_json).collect::<Result<_, _>>().map_err(malformed),
        frame => F::from_json(frame).map(|frame| vec![frame]).map_err(malformed),
    }
}

/// Writes one frame as JSON.
pub fn encode<F: Serialize>(frame: &F) -> String {
    serde_json::to_string(frame).expect("frames hold strings, integers and lists of them, which JSON never refuses")
}
