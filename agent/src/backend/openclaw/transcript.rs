//! What a session's transcript says of one question: the answer to `chat.history`, read. Pure.
//!
//! A gateway knows a message again by its idempotency key only until it restarts. After that, a message whose key the
//! transcript has already is not run but fails; and OpenClaw itself goes on with turns that a restart interrupted, under
//! a run id of its own (docs/gateway/restart-recovery.md). So this program looks here before it sends anything, and sends
//! a question that nobody goes on with under its next key, which is its next *go*.

use serde::Deserialize;
use serde_json::Value;

use super::frame::{Said, text_of};
use crate::backend::{Failure, shorten};

/// `chat.history`, as far as it is used.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Transcript {
    /// Oldest first.
    messages: Vec<Row>,
    /// A run that is going on, and has an answer in the making.
    in_flight_run: Option<InFlight>,
    /// Accepted, but not in the transcript yet.
    pending_inputs: Pending,
    session_info: Info,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Row {
    role: String,
    content: Value,
    /// Of answers: `stop`, `toolUse`, `error`, … Missing on what was said on the way.
    stop_reason: Option<String>,
    /// Of what a client sent: its key and `:user`.
    idempotency_key: Option<String>,
    /// Of what OpenClaw itself asks.
    provenance: Option<Value>,
    /// Of an answer that was stopped half-way.
    openclaw_abort: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct InFlight {
    run_id: String,
    text: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pending {
    items: Vec<Input>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Input {
    run_id: Option<String>,
    /// `queued`, or `cancelled` and `interrupted`, of which nothing comes.
    state: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Info {
    has_active_run: bool,
    active_run_ids: Option<Vec<String>>,
    /// Of the latest run: `running`, `done`, `failed`, `killed`, `timeout`; missing before the first.
    status: Option<String>,
    /// The latest run that ended.
    last_run_id: Option<String>,
}

/// How a question stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// The answer.
    Answered(Said),
    /// Something goes on for it that has no answer in the making yet.
    Busy,
    /// Its turn is over, and there is no answer.
    Ended(Failure),
    /// Nothing goes on, and nothing came of its latest go.
    Interrupted {
        /// Which go, from 1.
        go: u32,
        /// OpenClaw still has the turn for running: it is about to go on with it, or was never told to.
        running: bool,
    },
    /// This run makes its answer.
    Running {
        /// Which one: the question's own, or one by which OpenClaw goes on with it.
        run: String,
        /// The answer so far.
        text: String,
    },
    /// Its turn is over: the agent chose to say nothing, or a hook took its answer away.
    Silent,
    /// The gateway has never heard of it, or has forgotten it.
    Unknown,
}

/// The idempotency key of a question's go, from 1. The first is the message's id, as the relay has it; no id holds a tilde.
pub fn key(id: &str, go: u32) -> String {
    if go <= 1 { id.to_owned() } else { format!("{id}~{go}") }
}

impl Transcript {
    /// How the question with this id stands, that may have had `goes_max` goes.
    pub fn find(&self, id: &str, goes_max: u32) -> Standing {
        let keys: Vec<_> = (1..=goes_max).map(|go| (go, key(id, go))).collect();
        let waits = |input: &Input| {
            let run = input.run_id.as_deref();
            input.state == "queued" && keys.iter().any(|(_, key)| run == Some(key.as_str()))
        };
        if self.pending_inputs.items.iter().any(waits) {
            return Standing::Busy;
        }
        let goes_on = keys.iter().find(|(_, key)| self.is_active(key));
        if let Some((_, key)) = goes_on {
            return self.running(key);
        }
        let go_of = |row: &Row| {
            let asked = row.idempotency_key.as_deref()?.strip_suffix(":user")?;
            keys.iter().find(|(_, key)| key == asked).map(|(go, _)| *go)
        };
        let latest = self.messages.iter().enumerate().rev().find_map(|(at, row)| Some((at, go_of(row)?)));
        let Some((at, go)) = latest else { return Standing::Unknown };

        // Up to the next question of another's.
        let rows = self.messages.iter().skip(at + 1);
        let rows: Vec<_> = rows.take_while(|row| row.role != "user" || row.provenance.is_some()).collect();
        if let Some(said) = rows.iter().rev().find_map(|row| row.answer()) {
            return Standing::Answered(said);
        }
        if self.session_info.has_active_run {
            return self.in_flight_run.as_ref().map_or(Standing::Busy, |run| self.running(&run.run_id));
        }
        if let Some(said) = rows.iter().rev().find_map(|row| row.error()) {
            return Standing::Ended(Failure { reason: ERROR.to_owned(), said: shorten(&said) });
        }
        let ours = self.session_info.last_run_id.as_deref() == Some(key(id, go).as_str());
        match self.session_info.status.as_deref() {
            Some("done") if ours => Standing::Silent,
            Some("failed") if ours => Standing::Ended(Failure::new(ERROR.to_owned())),
            Some("killed") if ours => Standing::Ended(Failure::new(STOPPED.to_owned())),
            Some("timeout") if ours => Standing::Ended(Failure::new(TOO_LONG.to_owned())),
            status => Standing::Interrupted { go, running: status == Some("running") },
        }
    }

    fn running(&self, run: &str) -> Standing {
        let latest = self.in_flight_run.as_ref().filter(|latest| latest.run_id == run);
        Standing::Running { run: run.to_owned(), text: latest.map(|latest| latest.text.clone()).unwrap_or_default() }
    }

    fn is_active(&self, key: &str) -> bool {
        let listed = self.session_info.active_run_ids.iter().flatten().any(|run| run == key);
        listed || self.in_flight_run.as_ref().is_some_and(|run| run.run_id == key)
    }
}

impl Row {
    /// What it says, if this is the last word of a turn.
    fn answer(&self) -> Option<Said> {
        let whole = self.stop_reason.as_deref().is_some_and(|why| !matches!(why, "aborted" | "error" | "toolUse"));
        if self.role != "assistant" || !whole || self.openclaw_abort.is_some() {
            return None;
        }
        Said::of(&self.content)
    }

    /// What it says, if this is how a turn failed.
    fn error(&self) -> Option<String> {
        (self.role == "assistant" && self.stop_reason.as_deref() == Some("error")).then(|| text_of(&self.content))
    }
}

/// Its transcript was begun anew before anyone read its answer.
pub const NO_ANSWER: &str = "OpenClaw ended its turn without an answer";
/// A model or a tool failed for good.
pub const ERROR: &str = "OpenClaw reported an error";
/// By someone else than the person who asked.
pub const STOPPED: &str = "the turn was stopped in OpenClaw";
/// `agents.defaults.timeoutSeconds` of OpenClaw's config.
pub const TOO_LONG: &str = "the turn took longer than OpenClaw allows";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Rows as a gateway of version 2026.9.6 gives them, without what is not used.
    fn user(key: &str) -> Value {
        json!({ "role": "user", "content": "q", "idempotencyKey": format!("{key}:user"), "__openclaw": { "seq": 1 } })
    }

    fn answer(text: &str) -> Value {
        json!({ "role": "assistant", "content": [{ "type": "text", "text": text }], "stopReason": "stop" })
    }

    fn goes_on() -> Value {
        json!({ "role": "user", "content": "[System] Your previous turn was interrupted by a gateway restart",
            "idempotencyKey": "2b68:user", "provenance": { "kind": "internal_system" } })
    }

    fn find(messages: &[Value], more: Value) -> Standing {
        let mut payload = json!({ "sessionKey": "k", "messages": messages });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value::<Transcript>(payload).unwrap().find("m", 3)
    }

    fn active(run: &str) -> Value {
        json!({ "sessionInfo": { "hasActiveRun": true, "activeRunIds": [run], "status": "running" },
            "inFlightRun": { "runId": run, "text": "Hel" } })
    }

    fn idle(status: &str, last: &str) -> Value {
        json!({ "sessionInfo": { "hasActiveRun": false, "activeRunIds": [], "status": status, "lastRunId": last } })
    }

    fn running(run: &str) -> Standing {
        Standing::Running { run: run.to_owned(), text: "Hel".to_owned() }
    }

    fn answered(text: &str) -> Standing {
        Standing::Answered(Said { text: text.to_owned(), artifacts: Vec::new() })
    }

    fn ended(reason: &str, said: &str) -> Standing {
        Standing::Ended(Failure { reason: reason.to_owned(), said: said.to_owned() })
    }

    #[test]
    fn a_question_that_the_gateway_does_not_have() {
        assert_eq!(find(&[], json!({})), Standing::Unknown);
        assert_eq!(find(&[user("other"), answer("a")], active("other")), Standing::Unknown);
        let pending =
            |state: &str| json!({ "pendingInputs": { "items": [{ "runId": "m", "state": state }], "total": 1 } });
        assert_eq!(find(&[], pending("queued")), Standing::Busy);
        assert_eq!(find(&[], pending("interrupted")), Standing::Unknown);
    }

    #[test]
    fn its_own_answer_and_no_others() {
        assert_eq!(find(&[user("m"), answer("a")], idle("done", "m")), answered("a"));
        let others = [user("l"), answer("not this"), user("m"), answer("a"), user("n"), answer("nor this")];
        assert_eq!(find(&others, idle("done", "n")), answered("a"));
        // It waited behind another run, and ran under that one's id.
        assert_eq!(find(&[user("m"), answer("a")], idle("done", "71af")), answered("a"));
        // While it runs, nothing that it said is its last word.
        assert_eq!(find(&[user("m"), answer("a")], active("m")), running("m"));
        assert_eq!(find(&[user("m"), answer("a")], active("other")), answered("a"));
    }

    #[test]
    fn what_is_said_on_the_way_is_no_answer() {
        let on_the_way = json!({ "role": "assistant", "content": [{ "type": "text", "text": "Let me see." }] });
        let tool = json!({ "role": "assistant", "content": [{ "type": "toolCall" }], "stopReason": "toolUse" });
        let aborted = json!({ "role": "assistant", "content": "half", "stopReason": "stop", "openclawAbort": { "aborted": true } });
        let interrupted = |running| Standing::Interrupted { go: 1, running };
        assert_eq!(find(&[user("m"), on_the_way, tool], idle("running", "l")), interrupted(true));
        assert_eq!(find(&[user("m"), aborted], idle("killed", "m")), ended(STOPPED, ""));
        assert_eq!(find(&[user("m")], json!({})), interrupted(false));
        assert_eq!(find(&[user("m")], idle("done", "l")), interrupted(false));
        assert_eq!(find(&[user("m")], idle("done", "m")), Standing::Silent);
        assert_eq!(find(&[user("m")], idle("timeout", "m")), ended(TOO_LONG, ""));
        let failed = json!({ "role": "assistant", "content": "No model.", "stopReason": "error" });
        assert_eq!(find(&[user("m"), failed.clone()], idle("failed", "x")), ended(ERROR, "No model."));
        assert_eq!(find(&[user("m"), answer("a"), failed], idle("failed", "x")), answered("a"));
    }

    #[test]
    fn what_openclaw_goes_on_with_after_a_restart() {
        let busy = json!({ "sessionInfo": { "hasActiveRun": true, "status": "running" } });
        assert_eq!(find(&[user("m"), goes_on()], busy), Standing::Busy);
        assert_eq!(find(&[user("m"), goes_on()], active("2b68")), running("2b68"));
        assert_eq!(find(&[user("m"), goes_on(), answer("a")], idle("done", "2b68")), answered("a"));
    }

    #[test]
    fn the_latest_go_counts() {
        assert_eq!((key("m", 1), key("m", 2)), ("m".to_owned(), "m~2".to_owned()));
        assert_eq!(find(&[user("m"), user("m~2")], idle("done", "m")), Standing::Interrupted { go: 2, running: false });
        assert_eq!(find(&[user("m"), user("m~2")], active("m~2")), running("m~2"));
        assert_eq!(find(&[user("m"), user("m~2"), answer("a")], idle("done", "m~2")), answered("a"));
    }
}
