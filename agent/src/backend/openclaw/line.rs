//! Keeps the connection to a gateway up for as long as the program runs, and tells questions how it stands.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use super::hello::{Hello, Refusal};
use super::wire::{self, Peer};
use crate::backend::Failure;
use crate::backoff::Backoff;

/// The line to one gateway.
pub struct Line {
    status: watch::Receiver<Status>,
    aborts: mpsc::Sender<Value>,
}

/// Where a gateway is, and what it is told first.
pub struct Gateway {
    /// `ws://` or `wss://`.
    pub url: String,
    /// For `wss://`.
    pub tls: Arc<rustls::ClientConfig>,
    /// The first words.
    pub hello: Hello,
}

enum Status {
    /// Not tried yet.
    Dialling,
    /// There is none, and why; it is tried again.
    Down(String),
    /// There will be none before somebody does something; it is tried again now and then.
    Refused(String),
    /// There is one.
    Up(Peer),
}

impl Line {
    /// Begins to connect. The line lasts until the program ends.
    pub fn open(gateway: Gateway) -> Line {
        let (status, told) = watch::channel(Status::Dialling);
        let (aborts, aborted) = mpsc::channel(ABORTS_MAX);
        tokio::spawn(keep(gateway, status, aborted));
        Line { status: told, aborts }
    }

    /// Waits until it is known whether the gateway takes this program, for a while. `Err` when it does not.
    pub async fn first(&self) -> Result<(), String> {
        let mut status = self.status.clone();
        let tried = status.wait_for(|status| !matches!(status, Status::Dialling));
        match timeout_at(Instant::now() + FIRST_TIMEOUT, tried).await.as_ref().map(Result::as_deref) {
            Ok(Ok(Status::Refused(why))) => Err(why.clone()),
            _ => Ok(()),
        }
    }

    /// The connection. Waits for it until `deadline`, but not when the gateway refuses this program.
    pub async fn peer(&self, deadline: Instant) -> Result<Peer, Failure> {
        let mut status = self.status.clone();
        let known = status.wait_for(|status| matches!(status, Status::Refused(_) | Status::Up(_)));
        match timeout_at(deadline, known).await.as_ref().map(Result::as_deref) {
            Ok(Ok(Status::Up(peer))) => return Ok(peer.clone()),
            Ok(Ok(Status::Refused(why))) => return Err(Failure::new(why.clone())),
            Ok(Err(_)) => return Err(Failure::new("the agent has a fault: see its log".to_owned())),
            _ => {}
        }
        let why = match &*self.status.borrow() {
            Status::Down(why) => why.clone(),
            _ => "the OpenClaw gateway cannot be reached".to_owned(),
        };
        Err(Failure::new(why).given_up(PATIENCE, None))
    }

    /// Where parameters of `chat.abort` go, also while the line is down.
    pub fn aborts(&self) -> mpsc::Sender<Value> {
        self.aborts.clone()
    }
}

async fn keep(gateway: Gateway, status: watch::Sender<Status>, mut aborts: mpsc::Receiver<Value>) {
    let Gateway { url, tls, hello } = gateway;
    let mut backoff = Backoff::new(RECONNECT_BASE, RECONNECT_MAX);
    loop {
        let delay = match wire::open(&url, &tls, &hello).await {
            Ok((peer, wire, welcome)) => {
                info!("connected to OpenClaw {}", welcome.version());
                let connected = Instant::now();
                status.send_replace(Status::Up(peer));
                let why = wire.serve(&mut aborts).await;
                // A gateway that closes right after its hello should not be asked at full speed.
                if connected.elapsed() >= LASTED {
                    backoff.reset();
                }
                let delay = backoff.next(fastrand::f64());
                warn!("{why}; next attempt in {} ms", delay.as_millis());
                status.send_replace(Status::Down(why));
                delay
            }
            Err(Refusal::Later(why, after)) => {
                let delay = backoff.next(fastrand::f64()).max(after.unwrap_or_default());
                warn!("{why}; next attempt in {} ms", delay.as_millis());
                status.send_replace(Status::Down(why));
                delay
            }
            Err(Refusal::Settled(why)) => {
                let delay = REFUSED_DELAY.mul_f64(0.5 + fastrand::f64() / 2.0);
                warn!("{why}; next attempt in {} s", delay.as_secs());
                status.send_replace(Status::Refused(why));
                delay
            }
        };
        sleep(delay).await;
    }
}

/// Stopped runs that wait for the connection; those beyond it go on in OpenClaw.
const ABORTS_MAX: usize = 64;
/// How long the start of the program waits for the gateway's first word.
const FIRST_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was up for so long is not an attempt any more.
const LASTED: Duration = Duration::from_secs(10);
/// How long a question waits for a gateway that is away.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// Full jitter up to `min(10 s, 0.5 s · 2^attempt)`: a gateway has few clients, and restarts in half a minute.
pub const RECONNECT_BASE: Duration = Duration::from_millis(500);
/// The longest of these delays.
pub const RECONNECT_MAX: Duration = Duration::from_secs(10);
/// Between attempts that fail until somebody changes something: gateways lock out whoever guesses tokens.
const REFUSED_DELAY: Duration = Duration::from_secs(60);
