//! The words of the gateway's protocol: JSON objects in text frames. Read as far as this program uses them; what it
//! does not know it skips. OpenClaw's docs/gateway/protocol/transport.md.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::backend::{Failure, Fault, shorten};

/// What a gateway sends.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Frame {
    /// Something happened.
    Event {
        /// What, such as `chat`.
        event: String,
        /// Its particulars.
        #[serde(default)]
        payload: Value,
    },
    /// The answer to a request. Answers may come in another order than the requests.
    Res {
        /// The request's.
        id: String,
        /// Whether it was done.
        ok: bool,
        /// What came of it.
        #[serde(default)]
        payload: Value,
        /// Why it was not done.
        error: Option<Problem>,
    },
    /// A word of later versions.
    #[serde(other)]
    Unknown,
}

/// Why a gateway did not do what it was asked.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Problem {
    /// Such as `INVALID_REQUEST`.
    pub code: String,
    /// For people. It may quote what was asked.
    pub message: String,
    /// `code` and more, depending on the request.
    pub details: Value,
    /// Whether it makes sense to ask again.
    pub retryable: bool,
    /// How long to wait before that.
    pub retry_after_ms: Option<u64>,
}

impl Problem {
    /// The more exact code, such as `AUTH_TOKEN_MISMATCH`, or empty.
    pub fn detail(&self) -> &str {
        self.details.get("code").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it may pass by itself.
    pub fn may_pass(&self) -> bool {
        self.retryable || self.code == "UNAVAILABLE"
    }

    /// How long the gateway wants to be left alone.
    pub fn after(&self) -> Option<Duration> {
        self.retry_after_ms.map(|ms| Duration::from_millis(ms).min(RETRY_AFTER_MAX))
    }

    /// As the fault of a question.
    pub fn into_fault(self) -> Fault {
        if self.may_pass() {
            return Fault::Passing {
                failure: Failure::new(format!("the OpenClaw gateway is not ready ({})", self.code)),
                after: self.after(),
            };
        }
        let reason = "the OpenClaw gateway refused the question".to_owned();
        Fault::Final(Failure { reason, said: shorten(&self.message) })
    }
}

/// A request, as it is sent.
pub fn request(id: &str, method: &str, params: &Value) -> String {
    json!({ "type": "req", "id": id, "method": method, "params": params }).to_string()
}

/// The text in a message's `content`: a string, or parts of which those of type `text` count, in order.
pub fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter(|part| part.get("type").and_then(Value::as_str) == Some("text"));
            texts.filter_map(|part| part.get("text")?.as_str()).collect()
        }
        _ => String::new(),
    }
}

/// What was said at last: its text, and the files with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// May be empty beside files.
    pub text: String,
    /// Kept by the gateway.
    pub artifacts: Vec<Artifact>,
}

/// A file that a gateway keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// For `artifacts.download`; or what kept OpenClaw from keeping it.
    pub id: Result<String, String>,
    /// What it is called, or empty.
    pub name: String,
    /// What the gateway takes it for, or empty.
    pub media_type: String,
}

impl Said {
    /// From a message's `content`; nothing if there is neither.
    pub fn of(content: &Value) -> Option<Said> {
        let said = Said { text: text_of(content), artifacts: artifacts_of(content) };
        (!said.text.trim().is_empty() || !said.artifacts.is_empty()).then_some(said)
    }
}

/// Images, sounds and films are parts of their own; any other file is within a part of type `attachment`, and one that
/// OpenClaw could not read within one of type `attachment_error`.
fn artifacts_of(content: &Value) -> Vec<Artifact> {
    let parts = content.as_array().into_iter().flatten().map(|part| part.get("attachment").unwrap_or(part));
    let artifacts = parts.filter_map(|part| {
        let word = |name: &str| part.get(name).and_then(Value::as_str).map(str::to_owned);
        let lost = || word("code").filter(|_| word("label").is_some()).map(Err);
        Some(Artifact {
            id: word("artifactId").map(Ok).or_else(lost)?,
            name: word("fileName").or(word("label")).or(word("alt")).unwrap_or_default(),
            media_type: word("mimeType").unwrap_or_default(),
        })
    });
    artifacts.collect()
}

/// Whatever a gateway asks for, it is tried again within this time.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_other_versions_are_skipped() {
        let check = |text: &str, expected: &str| {
            let frame: Frame = serde_json::from_str(text).unwrap();
            assert!(format!("{frame:?}").starts_with(expected), "{frame:?}");
        };
        check(r#"{"type":"event","event":"tick","payload":{"ts":1},"seq":3}"#, r#"Event { event: "tick""#);
        check(r#"{"type":"res","id":"1","ok":true,"payload":{"a":1}}"#, r#"Res { id: "1", ok: true"#);
        check(r#"{"type":"from_the_future","id":[]}"#, "Unknown");
    }

    #[test]
    fn problems_pass_or_stay() {
        let check = |text: &str, expected: Fault| {
            assert_eq!(serde_json::from_str::<Problem>(text).unwrap().into_fault(), expected);
        };
        let passing = |code: &str, after| {
            let why = format!("the OpenClaw gateway is not ready ({code})");
            Fault::Passing { failure: Failure::new(why), after }
        };
        check(r#"{"code":"UNAVAILABLE","message":"x"}"#, passing("UNAVAILABLE", None));
        let soon = Some(Duration::from_millis(250));
        check(r#"{"code":"X","message":"x","retryable":true,"retryAfterMs":250}"#, passing("X", soon));
        check(
            r#"{"code":"X","message":"x","retryable":true,"retryAfterMs":9999999}"#,
            passing("X", Some(RETRY_AFTER_MAX)),
        );
        let reason = "the OpenClaw gateway refused the question".to_owned();
        let unknown = Failure { reason, said: "Unknown agent id \"nope\"".into() };
        check(r#"{"code":"INVALID_REQUEST","message":"Unknown agent id \"nope\""}"#, Fault::Final(unknown));
    }

    #[test]
    fn texts_of_messages() {
        let check = |content: Value, expected: &str| assert_eq!(text_of(&content), expected);
        check(json!("plain"), "plain");
        check(
            json!([{ "type": "text", "text": "a" }, { "type": "toolCall", "id": "x" }, { "type": "text", "text": "b" }]),
            "ab",
        );
        check(json!(null), "");
    }

    #[test]
    fn files_of_messages() {
        let image =
            json!({ "type": "image", "artifactId": "a-1", "url": "/x", "alt": "cat.png", "mimeType": "image/png" });
        let paper = json!({ "type": "attachment", "attachment": { "artifactId": "a-2", "label": "b.pdf", "mimeType": "application/pdf" } });
        let lost = json!({ "type": "attachment_error", "attachment": { "code": "delivery-failed", "label": "c.png" } });
        let said =
            Said::of(&json!([{ "type": "text", "text": "Here." }, image, paper, lost, { "type": "image" }])).unwrap();
        let artifact = |id: &str, name: &str, media_type: &str| Artifact {
            id: Ok(id.into()),
            name: name.into(),
            media_type: media_type.into(),
        };
        let lost = Artifact { id: Err("delivery-failed".into()), name: "c.png".into(), media_type: String::new() };
        let artifacts = [artifact("a-1", "cat.png", "image/png"), artifact("a-2", "b.pdf", "application/pdf"), lost];
        assert_eq!(said, Said { text: "Here.".into(), artifacts: artifacts.into() });
        assert_eq!(Said::of(&json!([{ "type": "text", "text": " " }])), None);
    }
}
