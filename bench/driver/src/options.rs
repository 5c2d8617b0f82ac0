//! The command line.

use std::ops::RangeInclusive;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The load of `npm run bench`. One JSON object on stdout; exit code 1 and one line on stderr when anything was lost,
/// doubled, out of order or refused. Latencies count from the intended send time.
#[derive(Debug, Parser)]
#[command(name = "claw-bench", version)]
pub struct Cli {
    /// What to measure.
    #[command(subcommand)]
    pub scenario: Scenario,
}

/// Which server, and what the relay needs.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// The language that the server speaks.
    #[arg(long, value_enum)]
    pub system: SystemName,
    /// http://127.0.0.1:PORT
    #[arg(long)]
    pub url: String,
    /// The server's process, whose CPU time and memory are measured.
    #[arg(long)]
    pub pid: u32,
    /// Relay: its SIGNING_KEY.
    #[arg(long)]
    pub signing_key: Option<String>,
    /// Relay: the bot account's encrypt key.
    #[arg(long)]
    pub encrypt_key: Option<String>,
    /// Relay: the bot account's verification token.
    #[arg(long)]
    pub verification_token: Option<String>,
    /// Relay: the bot account.
    #[arg(long, default_value = "bench")]
    pub account: String,
}

/// The language that the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SystemName {
    /// `bench/peers`.
    Plain,
    /// docs/protocol.md.
    Relay,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// Reconnect and read everything that is stored, in order.
    Drain(Drain),
    /// Stored messages per second: questions and answers as fast as they go.
    Durable(Durable),
    /// One answer to many devices of one object: until the last has it.
    Fanout(Fanout),
    /// Roundtrip and durable against an MQTT broker.
    Mqtt(Mqtt),
    /// A device asks, the agent answers at once: until the answer is at the device.
    Roundtrip(Roundtrip),
    /// As durable, for long: memory over messages.
    Soak(Soak),
    /// Memory per idle socket.
    Sockets(Sockets),
    /// Answers shown while they are made.
    Stream(Stream),
    /// From hibernation to the first acknowledgement.
    Wake(Wake),
    /// HTTP in, until the text is at the agent's socket.
    Webhook(Webhook),
}

/// See [`Scenario::Webhook`].
#[derive(Args, Debug)]
pub struct Webhook {
    #[command(flatten)]
    pub common: Common,
    /// Objects (relay: users).
    #[arg(long, default_value_t = 25, value_parser = at_least_one::<usize>)]
    pub objects: usize,
    /// Requests a second in all, at fixed intervals; 0: 16 at a time, as fast as they go.
    #[arg(long, default_value_t = 200.0, value_parser = a_rate_or_zero)]
    pub rate: f64,
    /// Requests that count.
    #[arg(long, default_value_t = 2_000, value_parser = at_least_one::<u64>)]
    pub count: u64,
    /// Requests before them.
    #[arg(long, default_value_t = 200)]
    pub warmup: u64,
    /// Of a text.
    #[arg(long, default_value_t = 200)]
    pub bytes: usize,
}

/// See [`Scenario::Roundtrip`].
#[derive(Args, Debug)]
pub struct Roundtrip {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub trips: Trips,
}

/// Questions at fixed intervals, each answered at once.
#[derive(Args, Debug)]
pub struct Trips {
    /// Objects (relay: users; a broker: pairs of clients), with one agent and one device each.
    #[arg(long, default_value_t = 10, value_parser = at_least_one::<usize>)]
    pub objects: usize,
    /// Roundtrip: questions a second in all, at fixed intervals.
    #[arg(long, default_value_t = 100.0, value_parser = a_rate)]
    pub rate: f64,
    /// Roundtrip: questions that count.
    #[arg(long, default_value_t = 1_000, value_parser = at_least_one::<u64>)]
    pub count: u64,
    /// Roundtrip: questions before them.
    #[arg(long, default_value_t = 100)]
    pub warmup: u64,
    /// Of a text.
    #[arg(long, default_value_t = 200)]
    pub bytes: usize,
}

/// See [`Scenario::Durable`].
#[derive(Args, Debug)]
pub struct Durable {
    #[command(flatten)]
    pub common: Common,
    /// Objects (relay: users), with one agent and one device each.
    #[arg(long, default_value_t = 1, value_parser = at_least_one::<usize>)]
    pub objects: usize,
    /// Texts in one WebSocket message, each way; plain peers always get one.
    #[arg(long, default_value_t = 1, value_parser = at_least_one::<usize>)]
    pub per_frame: usize,
    /// Questions of each object that wait for their answer.
    #[arg(long, default_value_t = 64, value_parser = at_least_one::<usize>)]
    pub outstanding: usize,
    /// Stored messages that count, over all objects: a question and its answer are two.
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one::<u64>)]
    pub count: u64,
    /// Stored messages before them.
    #[arg(long, default_value_t = 1_000)]
    pub warmup: u64,
    /// Of a text.
    #[arg(long, default_value_t = 200)]
    pub bytes: usize,
}

/// See [`Scenario::Fanout`].
#[derive(Args, Debug)]
pub struct Fanout {
    #[command(flatten)]
    pub common: Common,
    /// Devices of the object.
    #[arg(long, default_value_t = 1_000, value_parser = at_least_one::<usize>)]
    pub sockets: usize,
    /// Answers that count.
    #[arg(long, default_value_t = 30, value_parser = at_least_one::<u64>)]
    pub count: u64,
    /// Answers before them.
    #[arg(long, default_value_t = 3)]
    pub warmup: u64,
    /// Of a text.
    #[arg(long, default_value_t = 200)]
    pub bytes: usize,
}

/// See [`Scenario::Stream`].
#[derive(Args, Debug)]
pub struct Stream {
    #[command(flatten)]
    pub common: Common,
    /// Objects (relay: users), with one agent and one device each.
    #[arg(long, default_value_t = 8, value_parser = at_least_one::<usize>)]
    pub objects: usize,
    /// Answers made at once in each object.
    #[arg(long, default_value_t = 1, value_parser = at_least_one::<usize>)]
    pub streams: usize,
    /// Tokens of each answer.
    #[arg(long, default_value_t = 1_000, value_parser = at_least_one::<u64>)]
    pub tokens: u64,
    /// Tokens of an answer made before each of them, which does not count.
    #[arg(long, default_value_t = 50)]
    pub warmup: u64,
    /// Tokens a second of each answer.
    #[arg(long, default_value_t = 250.0, value_parser = a_rate)]
    pub token_rate: f64,
    /// Tokens made within this time travel together, the first one at once; 0: every token alone.
    #[arg(long, default_value_t = 40)]
    pub coalesce_ms: u64,
    /// Of a token.
    #[arg(long, default_value_t = 4, value_parser = at_least_one::<usize>)]
    pub token_bytes: usize,
}

/// See [`Scenario::Drain`].
#[derive(Args, Debug)]
pub struct Drain {
    #[command(flatten)]
    pub common: Common,
    /// Stored messages.
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one::<u64>)]
    pub count: u64,
    /// Of a text.
    #[arg(long, default_value_t = 200)]
    pub bytes: usize,
    /// How a plain peer sends its rows; the relay has its own way.
    #[arg(long, value_enum, default_value = "rows")]
    pub mode: DrainMode,
}

/// How a plain peer sends its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DrainMode {
    /// In one loop.
    Blast,
    /// One by one, each acknowledged.
    Rows,
}

/// See [`Scenario::Sockets`].
#[derive(Args, Debug)]
pub struct Sockets {
    #[command(flatten)]
    pub common: Common,
    /// Objects (relay: users).
    #[arg(long, default_value_t = 100, value_parser = at_least_one::<usize>)]
    pub objects: usize,
    /// Devices of each.
    #[arg(long, default_value_t = 50, value_parser = at_least_one::<usize>)]
    pub per_object: usize,
    /// Seconds until they are taken for hibernated.
    #[arg(long, default_value_t = 15)]
    pub idle_s: u64,
}

/// See [`Scenario::Wake`].
#[derive(Args, Debug)]
pub struct Wake {
    #[command(flatten)]
    pub common: Common,
    /// Objects (relay: users), with one agent and one device each.
    #[arg(long, default_value_t = 50, value_parser = at_least_one::<usize>)]
    pub objects: usize,
    /// Seconds until they are taken for hibernated.
    #[arg(long, default_value_t = 13)]
    pub idle_s: u64,
    /// Of a text.
    #[arg(long, default_value_t = 200)]
    pub bytes: usize,
}

/// See [`Scenario::Soak`].
#[derive(Args, Debug)]
pub struct Soak {
    #[command(flatten)]
    pub common: Common,
    /// Objects (relay: users), with one agent and one device each.
    #[arg(long, default_value_t = 200, value_parser = at_least_one::<usize>)]
    pub objects: usize,
    /// Stored messages over all objects: a question and its answer are two.
    #[arg(long, default_value_t = 1_000_000, value_parser = at_least_one::<u64>)]
    pub count: u64,
    /// Texts in one WebSocket message, each way; plain peers always get one.
    #[arg(long, default_value_t = 16, value_parser = at_least_one::<usize>)]
    pub per_frame: usize,
    /// Questions of each object that wait for their answer.
    #[arg(long, default_value_t = 16, value_parser = at_least_one::<usize>)]
    pub outstanding: usize,
    /// Of a text.
    #[arg(long, default_value_t = 200)]
    pub bytes: usize,
}

/// See [`Scenario::Mqtt`].
#[derive(Args, Debug)]
pub struct Mqtt {
    /// mqtt://127.0.0.1:PORT
    #[arg(long)]
    pub url: String,
    /// The broker's process, whose CPU time and memory are measured.
    #[arg(long)]
    pub pid: u32,
    #[command(flatten)]
    pub trips: Trips,
    /// Durable: messages of one pair of clients, as fast as they go.
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one::<u64>)]
    pub durable_count: u64,
    /// Durable: questions that wait for their answer.
    #[arg(long, default_value_t = 64, value_parser = at_least_one::<usize>)]
    pub outstanding: usize,
}

fn at_least_one<T: FromStr + PartialEq + From<u8>>(text: &str) -> Result<T, &'static str> {
    text.parse().ok().filter(|number| *number != T::from(0)).ok_or("expected a whole number above 0")
}

fn a_rate(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|number| RATES.contains(number)).ok_or("expected a number from 0.001 to 1000000")
}

fn a_rate_or_zero(text: &str) -> Result<f64, &'static str> {
    if text.parse() == Ok(0.0) { Ok(0.0) } else { a_rate(text) }
}

/// A second.
const RATES: RangeInclusive<f64> = 0.001..=1_000_000.0;
