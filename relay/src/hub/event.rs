//! The event log: what arrived, what was decided, what was sent, with ids and times.

use protocol::{Seq, Timestamp};

use super::{Hub, Log};
use crate::limit::EVENT_BODY_BYTES_MAX;
use crate::store::{Event, Sql};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A question was stored.
    Accepted,
    /// The final answer was stored.
    Answered,
    /// A peer connected.
    Connected,
    /// The agent has stored its questions up to here.
    Delivered,
    /// The platform took an answer.
    Delivery,
    /// A question expired.
    Expired,
    /// A question, or the delivery of its answer, failed for good.
    Failed,
    /// A peer is gone.
    Left,
    /// The writer took a question back on its platform.
    Recalled,
    /// Something was refused.
    Refused,
    /// A dead letter was replayed.
    Replayed,
    /// The platform did not take an answer: it is tried again.
    Retry,
    /// A question was stopped.
    Stopped,
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
            EventKind::Recalled => "recalled",
            EventKind::Refused => "refused",
            EventKind::Replayed => "replayed",
            EventKind::Retry => "retry",
            EventKind::Stopped => "stopped",
            EventKind::Trimmed => "trimmed",
        }
    }
}

impl<S: Sql> Hub<S> {
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
        self.last_event = Some(last + 1);
        let kind = kind.as_str().to_owned();
        self.store.put_event(&Event { n: last + 1, at_ms: now, kind, seq: seq.into(), detail: detail.into() })
    }

    /// A text for the log: nothing, unless the operator turned bodies on.
    pub(super) fn body(&self, text: &str) -> String {
        match self.options.log {
            Log::Bodies => format!(": {}", text.get(..text.floor_char_boundary(EVENT_BODY_BYTES_MAX)).unwrap_or(text)),
            Log::Ids | Log::Off => String::new(),
        }
    }
}
