//! Asks an OpenClaw through its gateway's WebSocket protocol, version 4, as any client of its own does: for hosts whose
//! plugins broke, or who want nothing installed. OpenClaw keeps the talk so far; <https://docs.openclaw.ai/gateway/protocol>
//! describes the protocol.
//!
//! In the order in which to read them: `turn` one question · `attachments` its files · `transcript` what OpenClaw knows of it · `progress` what a
//! run says · `session` which talk · `line` the connection, kept up · `wire` one connection · `hello` its first words ·
//! `device` who says them · `frame` the words.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use reqwest::Url;
use serde_json::{Map, json};
use tokio::time::{Instant, sleep};
use tracing::warn;

use self::device::Device;
use self::hello::Hello;
use self::line::{Gateway, Line, PATIENCE};
use self::turn::Turn;
use crate::backend::{Failure, Fault, Pieces, Question};
use crate::backoff::Backoff;
use crate::error::Stop;
use crate::files::Files;
use crate::tls;

mod attachments;
mod device;
mod frame;
mod hello;
mod line;
mod progress;
mod session;
mod transcript;
mod turn;
mod wire;

/// One gateway, and one agent of it.
pub struct OpenClaw {
    line: Line,
    /// This program, to the gateway.
    device: String,
    /// The agent asked for, or the gateway's default.
    agent: Option<String>,
    url: String,
    /// The same, for the files that it keeps.
    http: Url,
    files: Files,
}

impl OpenClaw {
    /// Begins to connect, and waits a little to hear whether the gateway takes this program: if it refuses, the program
    /// ends with its reason. A gateway that is down may be up when a question comes.
    pub async fn open(
        url: &Url,
        token: Option<String>,
        agent: Option<String>,
        state_dir: &Path,
        files: Files,
    ) -> Result<OpenClaw, Stop> {
        let device = Device::open(state_dir)?;
        let id = device.id().to_owned();
        let tls = Arc::new(tls::client_config()?);
        let mut http = url.clone();
        // Between "special" schemes, which these are, a change is always allowed.
        let _ = http.set_scheme(if url.scheme() == "wss" { "https" } else { "http" });
        let url = url.as_str().trim_end_matches('/').to_owned();
        let line = Line::open(Gateway { url: url.clone(), tls, hello: Hello { device, token } });
        line.first().await.map_err(Stop::Failed)?;
        Ok(OpenClaw { line, device: id, agent, url, http, files })
    }

    /// Tries until there is an answer, the fault is final, or the gateway was away for [`PATIENCE`].
    pub async fn answer(&self, question: Question, pieces: &Pieces) -> Result<(), Failure> {
        let mut session = Map::new();
        let key = session::key(&self.device, &question.conversation, question.session);
        session.insert("sessionKey".to_owned(), json!(key));
        if let Some(agent) = &self.agent {
            session.insert("agentId".to_owned(), json!(agent));
        }
        let mut turn = Turn::new(&question, &self.files, &self.http, session, pieces, self.line.aborts());
        let mut backoff = Backoff::new(line::RECONNECT_BASE, line::RECONNECT_MAX);
        let mut deadline = Instant::now() + PATIENCE;
        loop {
            let peer = self.line.peer(deadline).await?;
            let (failure, after) = match turn.attempt(&peer).await {
                Ok(()) => return Ok(()),
                Err(Fault::Final(failure) | Fault::Unfit(failure)) => return Err(failure),
                Err(Fault::Passing { failure, after }) => (failure, after),
            };
            // A turn may take hours: only the time without a word of it counts.
            if turn.take_heard() {
                backoff.reset();
                deadline = Instant::now() + PATIENCE;
            }
            let delay = backoff.next(fastrand::f64()).max(after.unwrap_or_default());
            if Instant::now() + delay > deadline {
                return Err(failure.given_up(PATIENCE, None));
            }
            warn!("{}; next attempt in {} ms", failure.reason, delay.as_millis());
            sleep(delay).await;
        }
    }
}

impl fmt::Display for OpenClaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.agent {
            Some(agent) => write!(f, "OpenClaw's agent {agent} at {}", self.url),
            None => write!(f, "OpenClaw at {}", self.url),
        }
    }
}
