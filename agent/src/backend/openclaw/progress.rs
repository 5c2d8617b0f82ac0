//! How far a run of OpenClaw's has come, put together from its `chat` events. Pure.
//!
//! Each piece brings the whole text so far, so whoever is slow may skip some, and what was missed is made good by the
//! next. Schemas `ChatDeltaEvent`, `ChatFinalEvent`, `ChatAbortedEvent` and `ChatErrorEvent` of the gateway.

use serde::Deserialize;
use serde_json::Value;

use super::frame::{Said, text_of};

/// The latest that is known of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// It has said nothing yet.
    #[default]
    Silent,
    /// The answer so far.
    Text(String),
    /// It is over.
    Over(End),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was stopped, by this program or by others; and why, in a word of the gateway's.
    Aborted(String),
    /// In the gateway's words, which may quote what was asked.
    Failed(String),
    /// The answer, or nothing: the run had none, or what it was asked waits behind another run.
    Final(Option<Said>),
}

/// The payload of a `chat` event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatEvent {
    /// Whose.
    pub run_id: String,
    #[serde(flatten)]
    kind: Kind,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum Kind {
    Aborted {
        #[serde(default)]
        stop_reason: String,
    },
    Delta {
        #[serde(default)]
        delta_text: String,
        #[serde(default)]
        replace: bool,
        message: Option<Message>,
    },
    Error {
        #[serde(default)]
        error_message: String,
    },
    Final {
        message: Option<Message>,
    },
    /// What it does before its first word, and what later versions tell.
    #[serde(other)]
    Status,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    content: Value,
}

impl Progress {
    /// Takes the next event. After the end nothing changes any more.
    pub fn apply(&mut self, event: ChatEvent) {
        let text = match self {
            Progress::Over(_) => return,
            Progress::Silent => "",
            Progress::Text(text) => text,
        };
        *self = match event.kind {
            Kind::Aborted { stop_reason } => Progress::Over(End::Aborted(stop_reason)),
            Kind::Delta { message: Some(message), .. } => Progress::Text(text_of(&message.content)),
            Kind::Delta { delta_text, replace: true, .. } => Progress::Text(delta_text),
            Kind::Delta { delta_text, .. } => Progress::Text(format!("{text}{delta_text}")),
            Kind::Error { error_message } => Progress::Over(End::Failed(error_message)),
            Kind::Final { message } => {
                Progress::Over(End::Final(message.and_then(|message| Said::of(&message.content))))
            }
            Kind::Status => return,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known after these events, each without its `runId`.
    fn after(events: &[&str]) -> Progress {
        let mut progress = Progress::default();
        for event in events {
            let text = format!(r#"{{"runId":"r","sessionKey":"k","seq":1,{event}}}"#);
            let event: ChatEvent = serde_json::from_str(&text).unwrap();
            assert_eq!(event.run_id, "r");
            progress.apply(event);
        }
        progress
    }

    const HEL: &str =
        r#""state":"delta","deltaText":"l","message":{"role":"assistant","content":[{"type":"text","text":"Hel"}]}"#;

    #[test]
    fn the_text_so_far_makes_good_what_was_missed() {
        let text = |text: &str| Progress::Text(text.to_owned());
        assert_eq!(after(&[r#""state":"status","phase":"starting_model""#]), Progress::Silent);
        assert_eq!(after(&[HEL]), text("Hel"));
        assert_eq!(after(&[HEL, r#""state":"delta","deltaText":"lo""#]), text("Hello"));
        assert_eq!(after(&[HEL, r#""state":"delta","deltaText":"Anew","replace":true"#]), text("Anew"));
        assert_eq!(after(&[HEL, r#""state":"from_the_future","message":1"#]), text("Hel"));
    }

    #[test]
    fn the_first_end_counts() {
        let over = |end| Progress::Over(end);
        let hello = Some(Said { text: "Hello.".into(), artifacts: Vec::new() });
        let last = r#""state":"final","stopReason":"stop","message":{"content":[{"type":"text","text":"Hello."}]}"#;
        assert_eq!(after(&[HEL, last]), over(End::Final(hello.clone())));
        assert_eq!(after(&[last, HEL, r#""state":"error""#]), over(End::Final(hello)));
        assert_eq!(after(&[HEL, r#""state":"final""#]), over(End::Final(None)));
        assert_eq!(after(&[r#""state":"aborted","stopReason":"rpc""#]), over(End::Aborted("rpc".into())));
        let failed = r#""state":"error","errorMessage":"no model","errorKind":"rate_limit""#;
        assert_eq!(after(&[failed]), over(End::Failed("no model".into())));
    }
}
