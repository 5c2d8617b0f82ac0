//! `claw-agent` dials out from behind NAT to claw-relay and answers the questions it is sent, with a model server
//! or another backend. `docs/protocol.md` has the wire; `docs/design.md` §7 the place of this program.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::config::{Cli, Command};
use crate::error::Stop;

// In the order in which to read them; the blank lines keep rustfmt from sorting.
mod config;
mod error;

mod run;

mod link;

mod desk;

mod stream;

mod store;

mod history;

mod files;

mod backend;

mod detect;

mod egress;

mod backoff;
mod http;
mod tcp;
mod tls;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();

    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Stop::Failed(format!("cannot start the runtime: {error}")).report(),
    };
    let ended = runtime.block_on(async {
        match cli.command {
            Command::Detect => detect::command().await,
            Command::Run(args) => run::command(*args).await,
        }
    });
    // A name look-up or a model call may still be under way on a helper thread: nobody waits for its result.
    runtime.shutdown_timeout(SHUTDOWN_GRACE);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(),
    }
}

const SHUTDOWN_GRACE: Duration = Duration::from_millis(200);
