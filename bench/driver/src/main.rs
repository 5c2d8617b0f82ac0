//! `claw-bench` puts the same load on claw-relay and on what people would use instead, and says what it cost.
//! A run that loses, doubles or disorders a message is a failure and prints no figures.
//!
//! One thread: the driver shares the machine's cores with the server.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

// In the order in which to read them; the blank lines keep rustfmt from sorting.
mod options;

mod scenario;

mod line;

mod schedule;

mod system;

mod peer;

mod wire;

mod mqtt;

mod dialect;

mod payload;

mod feishu;
mod http;

mod process;

mod samples;

mod report;

mod failure;
mod timer;
mod wait;

use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::failure::{Result, during};
use crate::options::{Cli, Scenario};
use crate::report::Report;

fn main() -> ExitCode {
    match start(&Cli::parse()) {
        Ok(report) => {
            println!("{}", report.json());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("claw-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn start(cli: &Cli) -> Result<Report> {
    // Thousands of sockets need as many descriptors as the system allows.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).map_err(during("raising the limit of open files"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(during("starting the runtime"))?;
    runtime.block_on(async {
        match &cli.scenario {
            Scenario::Drain(options) => scenario::drain::run(options).await,
            Scenario::Durable(options) => scenario::durable::run(options).await,
            Scenario::Fanout(options) => scenario::fanout::run(options).await,
            Scenario::Mqtt(options) => scenario::mqtt::run(options).await,
            Scenario::Roundtrip(options) => scenario::roundtrip::run(options).await,
            Scenario::Soak(options) => scenario::soak::run(options).await,
            Scenario::Sockets(options) => scenario::sockets::run(options).await,
            Scenario::Stream(options) => scenario::stream::run(options).await,
            Scenario::Wake(options) => scenario::wake::run(options).await,
            Scenario::Webhook(options) => scenario::webhook::run(options).await,
        }
    })
}
