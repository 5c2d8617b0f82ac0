//! `claw-agent run`: puts the parts together and keeps the connection up until a signal or a final refusal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tracing::{info, warn};

use crate::backend::echo::Echo;
use crate::backend::openai::{self, OpenAi};
use crate::backend::openclaw::OpenClaw;
use crate::backend::{Backend, Fault};
use crate::backoff::Backoff;
use crate::config::{BackendKind, Config, RunArgs, is_loopback};
use crate::desk::{Desk, Link};
use crate::egress::Egress;
use crate::error::Stop;
use crate::files::Files;
use crate::link::{self, DialError, Dialer, Ended};
use crate::store::Store;
use crate::{detect, tls};

/// Runs until SIGINT or SIGTERM (`Ok`) or until going on makes no sense.
pub async fn command(args: RunArgs) -> Result<(), Stop> {
    let config = Config::load(args)?;
    let mut signals = Signals::listen()?;
    let dialer = Dialer::new(&config.relay, &config.key, tls::client_config()?)?;
    let store = Arc::new(Store::open(&config.state_dir)?);
    let backend = tokio::select! {
        backend = choose_backend(&config) => backend?,
        () = signals.next() => return Ok(()),
    };
    info!("answering with {backend}; state is kept in {}", config.state_dir.display());
    if config.relay.scheme() == "ws" && !is_loopback(&config.relay) {
        warn!("the relay's URL is not encrypted: anyone on the way can read the key and the messages; use https://");
    }
    let egress = config.egress.as_deref().map(|list| Egress::new(list, &config.relay)).transpose()?.map(Arc::new);
    if let Some(egress) = &egress {
        info!("calls for the relay may go to {egress}");
    }
    let mut desk = Desk::open(Arc::clone(&store), backend, config.parallel, config.context_messages)?;
    let mut backoff = Backoff::new(RECONNECT_BASE, RECONNECT_MAX);
    let host = config.relay.host_str().unwrap_or_default();
    loop {
        info!("dialling {host}");
        let why = match offline(&mut desk, &mut signals, dialer.dial()).await? {
            None => return Ok(()),
            Some(Err(DialError::Refused(why))) => return Err(Stop::Refused(why)),
            Some(Err(DialError::Failed(why))) => why,
            Some(Ok(mut socket)) => {
                let connected = Instant::now();
                let ended = tokio::select! {
                    ended = link::talk(&mut socket, &store, &mut desk, egress.clone()) => ended,
                    () = signals.next() => {
                        link::close(&mut socket).await;
                        return Ok(());
                    }
                };
                // A relay that closes right after its welcome should not be asked at full speed.
                let lasted = desk.link() == Link::Up && connected.elapsed() >= LASTED;
                desk.set_link(Link::Down);
                match ended {
                    Ended::Lost(why) => {
                        if lasted {
                            backoff.reset();
                        }
                        why
                    }
                    // Not reset: the relay will say the same again, and should not be asked at full speed.
                    Ended::Malformed(why) => format!("the relay sent what cannot be read ({why})"),
                    Ended::Forbidden => return Err(Stop::Refused("this user has too many agents".into())),
                    Ended::Replaced => return Err(Stop::Replaced),
                    Ended::Store(error) => return Err(error.into()),
                }
            }
        };
        let delay = backoff.next(fastrand::f64());
        warn!("not connected to {host}: {why}; next attempt in {} ms", delay.as_millis());
        if offline(&mut desk, &mut signals, sleep(delay)).await?.is_none() {
            return Ok(());
        }
    }
}

/// Waits for `future` while the desk goes on answering without a connection. `None` when a signal came first.
async fn offline<T>(
    desk: &mut Desk,
    signals: &mut Signals,
    future: impl Future<Output = T>,
) -> Result<Option<T>, Stop> {
    let mut future = std::pin::pin!(future);
    loop {
        tokio::select! {
            value = &mut future => return Ok(Some(value)),
            frames = desk.next() => drop(frames?),
            () = signals.next() => return Ok(None),
        }
    }
}

async fn choose_backend(config: &Config) -> Result<Backend, Stop> {
    match config.backend {
        BackendKind::Auto | BackendKind::OpenAi => {}
        BackendKind::None => return Ok(Backend::None),
        BackendKind::Echo => return Ok(Backend::Echo(Echo { delay: config.echo_delay })),
        BackendKind::OpenClaw => {
            let (url, token) = (&config.openclaw_url, config.openclaw_token.clone());
            if url.scheme() == "ws" && !is_loopback(url) {
                warn!("the gateway's URL is not encrypted: anyone on the way can read its token and the messages");
            }
            let files = Files::new(&config.relay, &config.key)?;
            let agent = config.openclaw_agent.clone();
            let openclaw = OpenClaw::open(url, token, agent, &config.state_dir, files).await?;
            return Ok(Backend::OpenClaw(openclaw));
        }
    }
    let files = Files::new(&config.relay, &config.key)?;
    let client = openai::client(config.openai_url.as_deref().unwrap_or(detect::LM_STUDIO))?;
    let (base, model) = match &config.openai_url {
        Some(base) => (base.clone(), config.openai_model.clone()),
        None => {
            let found = detect::find(&client, detect::CANDIDATES).await;
            let (base, model) = found.ok_or_else(|| Stop::Failed(detect::NOT_FOUND.to_owned()))?;
            (base, Some(config.openai_model.clone().unwrap_or(model)))
        }
    };
    let openai = OpenAi::new(client, base, config.openai_key.clone(), model, config.system.clone(), files);
    // A model server that is down now may be up when a question comes: each question tries again.
    match openai.model().await {
        Ok(_) => {}
        Err(Fault::Final(failure) | Fault::Unfit(failure) | Fault::Passing { failure, .. }) => {
            warn!("cannot list models: {}", failure.reason);
        }
    }
    Ok(Backend::OpenAi(openai))
}

/// The signals that stop the program.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn listen() -> Result<Signals, Stop> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| Stop::Failed(format!("cannot listen for signals: {error}")));
        Ok(Signals { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        info!("stopping");
    }

    #[cfg(not(unix))]
    fn listen() -> Result<Signals, Stop> {
        Ok(Signals {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler the system's own way of stopping the program stays in force.
            std::future::pending::<()>().await;
        }
        info!("stopping");
    }
}

/// Delays between attempts: full jitter up to `min(30 s, 0.5 s · 2^attempt)` (docs/protocol.md §2).
const RECONNECT_BASE: Duration = Duration::from_millis(500);
const RECONNECT_MAX: Duration = Duration::from_secs(30);

/// A connection that was up for so long is not an attempt any more.
const LASTED: Duration = Duration::from_secs(10);
