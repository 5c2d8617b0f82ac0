//! The event log: what arrived, what was decided, what was sent, with ids and times.

use std::str::FromStr;

use protocol::json::{FromJson, Json, Wrong};
use protocol::{Seq, Timestamp};
use serde::{Serialize, Serializer};

use super::{Hub, Log};
use crate::limit::{EVENT_BODY_BYTES_MAX, PAGE_EVENTS_MAX};
use crate::store::{Event, Logged, Sql};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A question was stored.
    Accepted,
    /// The final answer was stored.
    Answered,
    /// A peer connected.
    Connected,
    /// The agent has stored its questions up to here, of which some had waited.
    Delivered,
    /// The platform took an answer.
    Delivery,
    /// A question expired.
    Expired,
    /// A question, or the delivery of its answer, failed for good.
    Failed,
    /// A peer is gone.
    Left,
    /// Something was said unasked.
    Pushed,
    /// The writer took a question back on its platform.
    Recalled,
    /// Something was refused.
    Refused,
    /// A dead letter was replayed.
    Replayed,
    /// The platform did not take an answer: it is tried again.
    Retry,
    /// The agent was done with a question, and said nothing.
    Silent,
    /// A question was stopped.
    Stopped,
    /// The relay itself said something to the writer of a question.
    Told,
    /// History was trimmed up to here.
    Trimmed,
}

impl EventKind {
    /// As it is written in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Accepted => "accepted",
            EventKind::Answered => "answered",
            EventKind::Connected => "connected",
            EventKind::Delivered => "delivered",
            EventKind::Delivery => "delivery",
            EventKind::Expired => "expired",
            EventKind::Failed => "failed",
            EventKind::Left => "left",
            EventKind::Pushed => "pushed",
            EventKind::Recalled => "recalled",
            EventKind::Refused => "refused",
            EventKind::Replayed => "replayed",
            EventKind::Retry => "retry",
            EventKind::Silent => "silent",
            EventKind::Stopped => "stopped",
            EventKind::Told => "told",
            EventKind::Trimmed => "trimmed",
        }
    }
}

/// Where a page of the log ends: before this message, and before the event with this number. Text form `seq.n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// Messages before this place.
    pub seq: u64,
    /// Events before this number.
    pub n: u64,
}

impl FromStr for Before {
    type Err = ();

    fn from_str(text: &str) -> Result<Before, ()> {
        let number = |text: &str| text.parse().ok().filter(|&number| number < 1 << 53).ok_or(());
        let (seq, n) = text.split_once('.').ok_or(())?;
        Ok(Before { seq: number(seq)?, n: number(n)? })
    }
}

impl FromJson for Before {
    fn from_json(json: Json) -> Result<Before, Wrong> {
        String::from_json(json)?.parse().map_err(|()| Wrong::expected("a place in the log"))
    }
}

impl Serialize for Before {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}.{}", self.seq, self.n))
    }
}

/// One page of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct EventPage {
    /// Newest first.
    pub events: Vec<Event>,
    /// Where the page before it ends; none at the beginning of the log.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<String>"))]
    pub next: Option<Before>,
}

impl<S: Sql> Hub<S> {
    /// The newest `limit` events before `before`, newest first. What was accepted, answered and told the timeline itself
    /// says; everything else was written down when it happened.
    pub fn events(&self, before: Option<Before>, limit: u64) -> Result<EventPage, S::Error> {
        let mut next = before.unwrap_or(Before { seq: MAX, n: MAX });
        if self.options.log == Log::Off {
            return Ok(EventPage { events: Vec::new(), next: None });
        }
        let limit = limit.clamp(1, PAGE_EVENTS_MAX);
        let characters = if self.options.log == Log::Bodies { EVENT_BODY_BYTES_MAX as u64 } else { 0 };
        let mut messages = self.store.logged(next.seq, limit, characters)?.into_iter().peekable();
        let mut others = self.store.events(next.n, limit)?.into_iter().peekable();
        let mut events = Vec::new();
        while (events.len() as u64) < limit {
            let is_message = match (messages.peek(), others.peek()) {
                (None, None) => return Ok(EventPage { events, next: None }),
                (Some(message), Some(other)) if message.at_ms == other.at_ms => {
                    // What is told about a message came after it.
                    other.seq.is_none_or(|about| about < message.seq && Some(about) != message.reply_to)
                }
                (Some(message), Some(other)) => message.at_ms > other.at_ms,
                (message, _) => message.is_some(),
            };
            if let Some(message) = messages.next_if(|_| is_message) {
                next.seq = message.seq.0;
                events.push(told_by(message));
            } else if let Some(other) = others.next() {
                next.n = other.n.unwrap_or(0);
                events.push(other);
            }
        }
        Ok(EventPage { events, next: Some(next) })
    }

    /// Writes a line of the log, unless the operator turned it off. `detail` holds ids, counts and reasons.
    pub(super) fn log(
        &mut self,
        now: Timestamp,
        kind: EventKind,
        seq: impl Into<Option<Seq>>,
        detail: impl Into<Option<String>>,
    ) -> Result<(), S::Error> {
        if self.options.log == Log::Off {
            return Ok(());
        }
        let last = match self.last_event {
            Some(last) => last,
            None => self.store.last_event()?,
        };
        let n = last + 1;
        self.last_event = Some(n);
        let kind = kind.as_str().to_owned();
        self.store.put_event(n, &Event { n: Some(n), at_ms: now, kind, seq: seq.into(), detail: detail.into() })
    }
}

/// What a message says about what happened.
fn told_by(message: Logged) -> Event {
    let Logged { seq, id, author, agent, reply_to, at_ms, text } = message;
    let (kind, about, mut detail) = match author.as_str() {
        "user" => (EventKind::Accepted, seq, format!("{id} for {}", agent.as_deref().unwrap_or("nobody"))),
        _ if reply_to.is_none() => (EventKind::Pushed, seq, id.to_string()),
        "agent" => (EventKind::Answered, reply_to.unwrap_or(seq), format!("answer {seq}")),
        _ => (EventKind::Told, reply_to.unwrap_or(seq), format!("notice {seq}")),
    };
    if !text.is_empty() {
        let cut = text.floor_char_boundary(EVENT_BODY_BYTES_MAX);
        detail = format!("{detail}: {}", text.get(..cut).unwrap_or_default());
    }
    Event { n: None, at_ms, kind: kind.as_str().to_owned(), seq: Some(about), detail: Some(detail) }
}

/// More than any place or number.
const MAX: u64 = (1 << 53) - 1;
