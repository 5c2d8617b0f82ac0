//! One question, from the first look at the transcript to its answer. It may be begun anew at any time, by this process
//! or the next: what was done for it is in OpenClaw's transcript, not here.

use std::time::Duration;

use base64ct::{Base64, Encoding};
use protocol::File;
use protocol::limit::{FILE_BYTES_MAX, FILES_MAX};
use reqwest::Url;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use super::attachments::Put;
use super::frame::{Artifact, Said};
use super::progress::{End, Progress};
use super::transcript::{ERROR, NO_ANSWER, STOPPED, Standing, TOO_LONG, Transcript, key};
use super::wire::Peer;
use crate::backend::{Event, Failure, Fault, Pieces, Question, shorten};
use crate::files::Files;

/// A question that is being answered. Dropped before its end, it stops what OpenClaw does for it.
pub struct Turn<'a> {
    id: &'a str,
    question: &'a Question,
    files: &'a Files,
    /// Where a gateway answers HTTP.
    gateway: &'a Url,
    pieces: &'a Pieces,
    session: Map<String, Value>,
    leash: Leash,
    /// The answer as far as it was handed over.
    shown: String,
    heard: bool,
}

/// Stops the run it holds when it is dropped. When the whole process ends, the run goes on, and is found again.
struct Leash {
    aborts: mpsc::Sender<Value>,
    held: Option<Value>,
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let Some(run) = self.held.take()
            && self.aborts.try_send(run).is_err()
        {
            warn!("too many stopped turns wait for OpenClaw: this one goes on there");
        }
    }
}

/// What is done next for a question, in the name of a run.
enum Next {
    /// It is sent, which begins the run.
    Ask,
    /// The run is listened to, and looked for again when it says nothing for so long.
    Listen(Duration),
}

/// What a gateway says to a question that it is sent.
enum Asked {
    /// It had done with it before.
    Done,
    /// The run is going on.
    Runs,
}

impl<'a> Turn<'a> {
    /// `session` holds `sessionKey`, and `agentId` unless it is the gateway's default agent. What is to be stopped goes
    /// into `aborts`, as parameters of `chat.abort`.
    pub fn new(
        question: &'a Question,
        files: &'a Files,
        gateway: &'a Url,
        session: Map<String, Value>,
        pieces: &'a Pieces,
        aborts: mpsc::Sender<Value>,
    ) -> Turn<'a> {
        let leash = Leash { aborts, held: None };
        let id = question.id.as_str();
        Turn { id, question, files, gateway, pieces, session, leash, shown: String::new(), heard: false }
    }

    /// Tries once, until the answer is handed over or the connection does not go on.
    pub async fn attempt(&mut self, peer: &Peer) -> Result<(), Fault> {
        let result = self.go_on(peer).await;
        if !matches!(result, Err(Fault::Passing { .. })) {
            self.leash.held = None;
        }
        result
    }

    /// Whether the gateway said that it works on the question, since this was last asked.
    pub fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }

    async fn go_on(&mut self, peer: &Peer) -> Result<(), Fault> {
        // All of it is of this connection: since when nobody goes on with the question; whether the gateway had done with
        // it before; and the run that is listened to.
        let (mut idle, mut done, mut watched) = (None, false, None);
        loop {
            let standing = self.look(peer).await?;
            if !matches!(standing, Standing::Interrupted { .. }) {
                idle = None;
            }
            let (run, next) = match standing {
                Standing::Answered(said) => return self.finish(peer, &said).await,
                Standing::Busy => (self.id.to_owned(), Next::Listen(POLL)),
                Standing::Ended(failure) => return Err(Fault::Final(failure)),
                Standing::Silent => {
                    self.pieces.put(Event::Silence).await;
                    return Ok(());
                }
                Standing::Interrupted { go, running } => {
                    let patience = if running { RESUME_TIMEOUT } else { SETTLE_TIME };
                    if idle.get_or_insert_with(Instant::now).elapsed() < patience {
                        self.heard = true;
                        sleep(POLL).await;
                        continue;
                    }
                    if go >= GOES_MAX {
                        return Err(Fault::last(INTERRUPTED));
                    }
                    warn!("OpenClaw does not go on with {}: it is asked again", self.id);
                    (key(self.id, go + 1), Next::Ask)
                }
                Standing::Running { run, text } => {
                    // Never backwards: the transcript may be behind what the run said since.
                    if !self.shown.starts_with(&text) {
                        self.show(&text).await;
                    }
                    (run, Next::Listen(LOOK_AGAIN))
                }
                // Its transcript was begun anew meanwhile: by a command, or by someone at the gateway.
                Standing::Unknown if done => return Err(Fault::last(NO_ANSWER)),
                Standing::Unknown => (key(self.id, 1), Next::Ask),
            };
            self.hold(&run);
            // Before it is sent: nothing that is said of it is missed. What a run that goes on already said between the
            // look and now is seen by another look.
            let listening = watched.take_if(|(watched, _)| *watched == run).map(|(_, progress)| progress);
            let (mut progress, unseen) = match listening {
                Some(progress) => (progress, false),
                None => (peer.watch(&run).await?, true),
            };
            let patience = match next {
                Next::Ask => match self.ask(peer, &run).await? {
                    Asked::Done => {
                        done = true;
                        continue;
                    }
                    Asked::Runs => LOOK_AGAIN,
                },
                Next::Listen(_) if unseen => Duration::ZERO,
                Next::Listen(patience) => patience,
            };
            self.heard = true;
            let end = self.listen(&mut progress, patience).await?;
            // A run that OpenClaw began by itself may say more than the answer: the transcript tells which part it is.
            let ours = (1..=GOES_MAX).any(|go| key(self.id, go) == run);
            watched = Some((run, progress));
            match end {
                Some(End::Aborted(reason)) => return Err(aborted(&reason)),
                Some(End::Failed(said)) if ours => return Err(failed(&said)),
                Some(End::Final(Some(said))) if ours => {
                    let whole = self.with_files(peer, said).await;
                    return self.finish(peer, &whole).await;
                }
                Some(End::Failed(_) | End::Final(_)) | None => {}
            }
        }
    }

    /// An answer as the transcript has it: of a run one is told text alone, and the files with it are there. They come a
    /// moment after the run has ended; until then the text there still has the place where they were named.
    async fn with_files(&self, peer: &Peer, said: Said) -> Said {
        let until = Instant::now() + WRITTEN_WITHIN;
        loop {
            match self.look(peer).await {
                Ok(Standing::Answered(whole)) if !whole.artifacts.is_empty() => return whole,
                Ok(Standing::Answered(whole)) if whole.text == said.text => return said,
                // Over or interrupted is what a run looks like whose last row is not written yet.
                Ok(
                    Standing::Answered(_)
                    | Standing::Busy
                    | Standing::Interrupted { .. }
                    | Standing::Running { .. }
                    | Standing::Silent,
                ) if Instant::now() < until => sleep(LOOK_SOON).await,
                _ => return said,
            }
        }
    }

    /// Reads the latest of the transcript.
    async fn look(&self, peer: &Peer) -> Result<Standing, Fault> {
        let mut params = self.session.clone();
        params.insert("limit".to_owned(), json!(ROWS_MAX));
        params.insert("maxChars".to_owned(), json!(ROW_CHARS_MAX));
        params.insert("maxBytes".to_owned(), json!(TRANSCRIPT_BYTES_MAX));
        let payload = peer.call("chat.history", Value::Object(params)).await?;
        let transcript = serde_json::from_value::<Transcript>(payload);
        let transcript =
            transcript.map_err(|_| Fault::last("OpenClaw's transcript cannot be read: update claw-agent"))?;
        Ok(transcript.find(self.id, GOES_MAX))
    }

    /// Sends the question. Sent again, it is not asked again: the key says so.
    async fn ask(&self, peer: &Peer, key: &str) -> Result<Asked, Fault> {
        let put = Put::of(self.question, self.files, peer.room).await;
        let payload = match self.send(peer, key, &put).await {
            // It says which one it does not like, in its own words only.
            Err(Fault::Final(failure)) if put.has_attachments() => {
                warn!("{}, with its files: it is asked again without them", failure.reason);
                self.send(peer, key, &put.without_attachments(self.question)).await?
            }
            sent => sent?,
        };
        let word = |name: &str| payload.get(name).and_then(Value::as_str).unwrap_or_default();
        match (word("status"), word("stopReason")) {
            ("started" | "in_flight", _) => Ok(Asked::Runs),
            ("ok", _) => Ok(Asked::Done),
            // "stop" and the like: OpenClaw did so, and makes no turn of it.
            ("", _) => Err(Fault::last(STOP_WORD)),
            (_, "") => Err(failed(word("summary"))),
            (_, reason) => Err(aborted(reason)),
        }
    }

    async fn send(&self, peer: &Peer, key: &str, put: &Put) -> Result<Value, Fault> {
        let mut params = self.session.clone();
        params.insert("message".to_owned(), json!(put.text));
        if put.has_attachments() {
            params.insert("attachments".to_owned(), json!(put.attachments));
        }
        params.insert("idempotencyKey".to_owned(), json!(key));
        // Behind whatever else runs in the session, not into it: its answer stays its own.
        params.insert("queueMode".to_owned(), json!("followup"));
        peer.call("chat.send", Value::Object(params)).await
    }

    /// Hands over what a run says until it ends; nothing if it is silent for so long.
    async fn listen(&mut self, run: &mut watch::Receiver<Progress>, patience: Duration) -> Result<Option<End>, Fault> {
        loop {
            match timeout(patience, run.changed()).await {
                Err(_) => return Ok(None),
                Ok(Err(_)) => return Err(Fault::passing("the connection to the OpenClaw gateway broke")),
                Ok(Ok(())) => {}
            }
            let progress = run.borrow_and_update().clone();
            match progress {
                Progress::Silent => {}
                Progress::Text(text) => self.show(&text).await,
                Progress::Over(end) => return Ok(Some(end)),
            }
        }
    }

    /// Hands over the answer, and the files that OpenClaw made.
    async fn finish(&mut self, peer: &Peer, said: &Said) -> Result<(), Fault> {
        self.show(&said.text).await;
        let (mut files, mut text) = (Vec::new(), said.text.clone());
        for artifact in &said.artifacts {
            let carried = match files.len() {
                0..FILES_MAX => self.carry(peer, artifact).await,
                _ => Err(format!("more than {FILES_MAX} files")),
            };
            match carried {
                Ok(file) => files.push(file),
                Err(why) => {
                    let gap = if text.is_empty() { "" } else { "\n\n" };
                    text.push_str(&format!("{gap}📎 {}（未发送 · not sent: {why}）", artifact.name));
                }
            }
        }
        self.show(&text).await;
        if !files.is_empty() {
            self.pieces.put(Event::Files(files)).await;
        }
        Ok(())
    }

    /// Takes a file from the gateway to the relay, or says why not.
    async fn carry(&self, peer: &Peer, artifact: &Artifact) -> Result<File, String> {
        let id = artifact.id.as_ref().map_err(|code| format!("OpenClaw could not read it, {code}"))?;
        let mut params = self.session.clone();
        params.insert("artifactId".to_owned(), json!(id));
        let payload = peer.call("artifacts.download", Value::Object(params)).await.map_err(|fault| match fault {
            Fault::Final(failure) | Fault::Unfit(failure) | Fault::Passing { failure, .. } => failure.reason,
        })?;
        let bytes = match (payload.get("data").and_then(Value::as_str), payload.get("url").and_then(Value::as_str)) {
            (Some(data), _) => Base64::decode_vec(data).map_err(|_| UNREADABLE.to_owned())?,
            (None, Some(url)) => {
                let url = self.gateway.join(url).ok().filter(|url| url.origin() == self.gateway.origin());
                self.files.read(&url.ok_or("it is not at the gateway")?, FILE_BYTES_MAX as usize).await?
            }
            (None, None) => return Err(UNREADABLE.to_owned()),
        };
        let name = if artifact.name.is_empty() { "file" } else { &artifact.name };
        self.files.upload(name, &artifact.media_type, bytes).await
    }

    /// Makes `text` what was handed over: adds to it what is new, or begins it again.
    async fn show(&mut self, text: &str) {
        let rest = match text.strip_prefix(self.shown.as_str()) {
            Some(rest) => rest,
            None => {
                self.pieces.put(Event::Restart).await;
                text
            }
        };
        if !rest.is_empty() {
            self.pieces.put(Event::Piece(rest.to_owned())).await;
        }
        self.shown = text.to_owned();
    }

    /// From now on this run is what is to be stopped.
    fn hold(&mut self, run: &str) {
        let mut params = self.session.clone();
        params.insert("runId".to_owned(), json!(run));
        self.leash.held = Some(Value::Object(params));
    }
}

fn failed(said: &str) -> Fault {
    Fault::Final(Failure { reason: ERROR.to_owned(), said: shorten(said) })
}

/// A run that ended before its time, by the gateway's `stopReason`.
fn aborted(reason: &str) -> Fault {
    match reason {
        "restart" => Fault::passing("OpenClaw is restarting"),
        "timeout" => Fault::last(TOO_LONG),
        _ => Fault::last(STOPPED),
    }
}

/// How often a question is asked whose turn was interrupted and not taken up again.
const GOES_MAX: u32 = 3;
const UNREADABLE: &str = "the gateway answered with what cannot be read";
const INTERRUPTED: &str = "OpenClaw was interrupted three times in this turn";
/// A run may work for minutes without a word. Its end may also have been missed, so the transcript is read then.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// Between looks at a question that waits in OpenClaw.
const POLL: Duration = Duration::from_secs(1);
/// A transcript is whole when its run ends, or soon after: 0.5 to 1.3 s with files, on a loaded machine.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);
const LOOK_SOON: Duration = Duration::from_millis(200);
/// How long OpenClaw has, after a restart, to go on with a turn that it has for running. It took 3 s on two slow cores.
const RESUME_TIMEOUT: Duration = Duration::from_secs(60);
/// The same for a turn that was interrupted before OpenClaw had noted that it runs: those it never takes up.
const SETTLE_TIME: Duration = Duration::from_secs(8);
const STOP_WORD: &str = "OpenClaw took this for its word to stop, and nothing was running";
/// Of one row; what the relay takes of an answer is no longer (`TEXT_BYTES_MAX`).
const ROW_CHARS_MAX: usize = 128 * 1024;
/// Of one look. Each call of a tool is two rows.
const ROWS_MAX: usize = 200;
/// Of one look.
const TRANSCRIPT_BYTES_MAX: usize = 2 * 1024 * 1024;
