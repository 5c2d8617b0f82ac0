//! Settings: flag > environment > config file > default, each checked once and named when it is wrong.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use clap::{Args, Parser, Subcommand, ValueEnum};
use reqwest::Url;
use serde::Deserialize;

use crate::error::Stop;

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "claw-agent", version, about = ABOUT, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look for a model server on this machine and print its URL and first model
    Detect,
    /// Connect to the relay and answer questions until stopped
    #[command(after_help = EXAMPLES)]
    Run(Box<RunArgs>),
}

/// Flags and environment of `run`. A flag left out falls back to the config file, then to the default.
#[derive(Args, Clone, Debug, Default)]
pub struct RunArgs {
    /// Address of the relay, such as https://relay.example.com
    #[arg(long, value_name = "URL", env = "CLAW_AGENT_RELAY")]
    pub relay: Option<String>,
    /// Agent key, from POST /v1/agents/{id}/keys (better in the environment or the config file than here)
    #[arg(long, value_name = "KEY", env = "CLAW_AGENT_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// Who answers [default: auto]
    #[arg(long, value_name = "NAME", env = "CLAW_AGENT_BACKEND")]
    pub backend: Option<BackendKind>,
    /// Base URL of an OpenAI-compatible server, such as http://127.0.0.1:1234/v1
    #[arg(long, value_name = "URL", env = "CLAW_AGENT_OPENAI_URL")]
    pub openai_url: Option<String>,
    /// Model to ask [default: the first that the server lists]
    #[arg(long, value_name = "NAME", env = "CLAW_AGENT_OPENAI_MODEL")]
    pub openai_model: Option<String>,
    /// Key of the model server, if it wants one
    #[arg(long, value_name = "KEY", env = "CLAW_AGENT_OPENAI_KEY", hide_env_values = true)]
    pub openai_key: Option<String>,
    /// Address of an OpenClaw gateway [default: ws://127.0.0.1:18789]
    #[arg(long, value_name = "URL", env = "CLAW_AGENT_OPENCLAW_URL")]
    pub openclaw_url: Option<String>,
    /// The gateway's token or password: gateway.auth in OpenClaw's config (better in the environment than here)
    #[arg(long, value_name = "TOKEN", env = "CLAW_AGENT_OPENCLAW_TOKEN", hide_env_values = true)]
    pub openclaw_token: Option<String>,
    /// Id of the OpenClaw agent that answers [default: the gateway's default agent]
    #[arg(long, value_name = "ID", env = "CLAW_AGENT_OPENCLAW_AGENT")]
    pub openclaw_agent: Option<String>,
    /// Instructions that the model reads before every conversation (not with openclaw, which has its own)
    #[arg(long, value_name = "PROMPT", env = "CLAW_AGENT_SYSTEM")]
    pub system: Option<String>,
    /// Earlier messages of a conversation that the model sees, questions and answers counted each, 0 to 200 (not with
    /// openclaw, which keeps them itself) [default: 20]
    #[arg(long, value_name = "N", env = "CLAW_AGENT_CONTEXT_MESSAGES")]
    pub context_messages: Option<u64>,
    /// Conversations answered at the same time, 1 to 64 [default: 4]
    #[arg(long, value_name = "N", env = "CLAW_AGENT_PARALLEL")]
    pub parallel: Option<u64>,
    /// Where questions and answers are kept until delivered [default: ~/.local/state/claw-agent]
    #[arg(long, value_name = "DIR", env = "CLAW_AGENT_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
    /// Config file in TOML, with the long names above in snake_case [default: ~/.config/claw-agent/config.toml]
    #[arg(long, value_name = "FILE", env = "CLAW_AGENT_CONFIG")]
    pub config: Option<PathBuf>,
    /// Make calls to chat platforms for the relay, from this machine's address: `platforms`, or hosts with commas between.
    /// Needs a key with the scope egress
    #[arg(long, value_name = "HOSTS", env = "CLAW_AGENT_EGRESS")]
    pub egress: Option<String>,
    /// Pause between the words of the echo backend, in milliseconds, 0 to 60000 [default: 40]
    #[arg(long, value_name = "N", env = "CLAW_AGENT_ECHO_DELAY_MS")]
    pub echo_delay_ms: Option<u64>,
}

/// Which backend answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum BackendKind {
    /// The server at --openai-url if that is given, else the one found on this machine.
    #[default]
    Auto,
    /// Gives the question back, word by word: to try the connection without a model.
    Echo,
    /// Nobody: for a machine that only makes calls for the relay (--egress).
    None,
    /// The OpenAI-compatible server at --openai-url.
    #[value(name = "openai")]
    #[serde(rename = "openai")]
    OpenAi,
    /// The OpenClaw gateway at --openclaw-url.
    #[value(name = "openclaw")]
    #[serde(rename = "openclaw")]
    OpenClaw,
}

/// The settings of `run`, complete and checked.
#[derive(Debug)]
pub struct Config {
    /// The WebSocket's address: `wss://host/v1/ws`.
    pub relay: Url,
    /// Visible ASCII, so it fits a header.
    pub key: String,
    /// Which backend.
    pub backend: BackendKind,
    /// Base without trailing slash, such as `http://127.0.0.1:1234/v1`. Always set for [`BackendKind::OpenAi`].
    pub openai_url: Option<String>,
    /// The model, or the first that the server lists.
    pub openai_model: Option<String>,
    /// Visible ASCII, so it fits a header.
    pub openai_key: Option<String>,
    /// `ws://…` or `wss://…`.
    pub openclaw_url: Url,
    /// As it is: a password may hold any character.
    pub openclaw_token: Option<String>,
    /// The agent, or the gateway's default.
    pub openclaw_agent: Option<String>,
    /// The system prompt.
    pub system: Option<String>,
    /// 0 to 200.
    pub context_messages: usize,
    /// 1 to 64.
    pub parallel: usize,
    /// May not exist yet.
    pub state_dir: PathBuf,
    /// Where calls for the relay may go; none: it makes none.
    pub egress: Option<String>,
    /// At most a minute.
    pub echo_delay: Duration,
}

impl Config {
    /// Reads the config file, if there is one, and joins it with `args`, in which clap has put the environment.
    pub fn load(args: RunArgs) -> Result<Config, Stop> {
        let default_path = base_dir("XDG_CONFIG_HOME", ".config").map(|dir| dir.join("claw-agent/config.toml"));
        let file = match (&args.config, default_path) {
            (Some(path), _) => read_file(path)?,
            (None, Some(path)) if path.exists() => read_file(&path)?,
            _ => FileConfig::default(),
        };
        Config::join(args, file)
    }

    fn join(args: RunArgs, file: FileConfig) -> Result<Config, Stop> {
        let relay = required("relay", args.relay.or(file.relay))?;
        let key = header_value("key", required("key", args.key.or(file.key))?)?;
        let backend = args.backend.or(file.backend).unwrap_or_default();
        let openai_url = given(args.openai_url.or(file.openai_url));
        if backend == BackendKind::OpenAi && openai_url.is_none() {
            return Err(missing("openai_url", "or leave --backend at auto to look on this machine"));
        }
        let openai_key = given(args.openai_key.or(file.openai_key));
        let openclaw_url = given(args.openclaw_url.or(file.openclaw_url));
        let openclaw_url = openclaw_url.unwrap_or_else(|| OPENCLAW_URL.to_owned());
        let state_dir = args.state_dir.or(file.state_dir);
        let state_dir = state_dir
            .filter(|dir| !dir.as_os_str().is_empty())
            .or_else(|| base_dir("XDG_STATE_HOME", ".local/state").map(|dir| dir.join("claw-agent")))
            .ok_or_else(|| missing("state_dir", "because HOME is not set"))?;
        let context = args.context_messages.or(file.context_messages).unwrap_or(20);
        let parallel = args.parallel.or(file.parallel).unwrap_or(4);
        let echo_delay_ms = args.echo_delay_ms.or(file.echo_delay_ms).unwrap_or(40);
        Ok(Config {
            relay: relay_url(&relay)?,
            key,
            backend,
            openai_url: openai_url.map(|url| openai_base(&url)).transpose()?,
            openai_model: given(args.openai_model.or(file.openai_model)),
            openai_key: openai_key.map(|key| header_value("openai_key", key)).transpose()?,
            openclaw_url: websocket_url("openclaw_url", &openclaw_url)?,
            openclaw_token: given(args.openclaw_token.or(file.openclaw_token)),
            openclaw_agent: given(args.openclaw_agent.or(file.openclaw_agent)),
            system: given(args.system.or(file.system)),
            context_messages: in_range("context_messages", context, 0, CONTEXT_MESSAGES_MAX)? as usize,
            parallel: in_range("parallel", parallel, 1, PARALLEL_MAX)? as usize,
            state_dir,
            egress: given(args.egress.or(file.egress)),
            echo_delay: Duration::from_millis(in_range("echo_delay_ms", echo_delay_ms, 0, ECHO_DELAY_MS_MAX)?),
        })
    }
}

/// The config file: the names of the flags in snake_case.
#[derive(Debug, Default, Deserialize)]
struct FileConfig {
    relay: Option<String>,
    key: Option<String>,
    backend: Option<BackendKind>,
    openai_url: Option<String>,
    openai_model: Option<String>,
    openai_key: Option<String>,
    openclaw_url: Option<String>,
    openclaw_token: Option<String>,
    openclaw_agent: Option<String>,
    system: Option<String>,
    context_messages: Option<u64>,
    parallel: Option<u64>,
    state_dir: Option<PathBuf>,
    egress: Option<String>,
    echo_delay_ms: Option<u64>,
}

fn read_file(path: &Path) -> Result<FileConfig, Stop> {
    let wrong = |why: String| Stop::Config(format!("config file {}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    parse_file(&text).map_err(wrong)
}

/// The messages name keys and lines and never quote the file, which holds secrets.
fn parse_file(text: &str) -> Result<FileConfig, String> {
    let line_of = |error: &toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        text.bytes().take(start).filter(|&byte| byte == b'\n').count() + 1
    };
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| format!("line {} is not valid TOML", line_of(&error)))?;
    let unknown: Vec<&str> = table.keys().map(String::as_str).filter(|key| !FILE_KEYS.contains(key)).collect();
    if !unknown.is_empty() {
        return Err(format!("unknown keys: {}; the known ones are {}", unknown.join(", "), FILE_KEYS.join(", ")));
    }
    toml::from_str(text).map_err(|error| {
        format!("line {}: a value is of the wrong type (text in quotes, numbers without)", line_of(&error))
    })
}

/// An empty variable or flag counts as left out.
fn given(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.trim().is_empty())
}

fn required(name: &str, value: Option<String>) -> Result<String, Stop> {
    given(value).ok_or_else(|| missing(name, "or put it in the config file"))
}

fn missing(name: &str, more: &str) -> Stop {
    let flag = name.replace('_', "-");
    Stop::Config(format!("{name} is missing: pass --{flag}, set CLAW_AGENT_{}, {more}", name.to_uppercase()))
}

fn header_value(name: &str, value: String) -> Result<String, Stop> {
    let value = value.trim();
    if value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(value.to_owned());
    }
    Err(Stop::Config(format!("{name} holds blanks or characters outside ASCII: copy it again, whole, without quotes")))
}

fn in_range(name: &str, value: u64, min: u64, max: u64) -> Result<u64, Stop> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(Stop::Config(format!("{name} is {value}: choose a number from {min} to {max}")))
}

/// `https://host` becomes `wss://host/v1/ws`.
fn relay_url(text: &str) -> Result<Url, Stop> {
    let mut url = websocket_url("relay", text)?;
    let path = url.path().trim_end_matches('/').trim_end_matches("/v1/ws").to_owned();
    url.set_path(&format!("{path}/v1/ws"));
    Ok(url)
}

/// `http…` becomes `ws…`; what stands behind the path goes.
fn websocket_url(name: &str, text: &str) -> Result<Url, Stop> {
    let mut url = parse_url(name, text, &["https", "http", "wss", "ws"])?;
    let scheme = if matches!(url.scheme(), "https" | "wss") { "wss" } else { "ws" };
    // All four schemes are "special" in the URL standard, between which a change is always allowed.
    let _ = url.set_scheme(scheme);
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn openai_base(text: &str) -> Result<String, Stop> {
    let url = parse_url("openai_url", text, &["http", "https"])?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn parse_url(name: &str, text: &str, schemes: &[&str]) -> Result<Url, Stop> {
    let allowed = schemes.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(", ");
    let url = Url::parse(text.trim()).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host());
    let Some(url) = url else {
        return Err(Stop::Config(format!("{name} is not a URL that this program can use: write it with {allowed}")));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Stop::Config(format!("{name} holds a password: URLs reach logs, so pass the key on its own")));
    }
    Ok(url)
}

/// True for an address that never leaves this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// `$XDG_…`, or its default below the home directory.
fn base_dir(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable)
        .or_else(|| absolute("HOME").or_else(|| absolute("USERPROFILE")).map(|home| home.join(below_home)))
}

/// Where a gateway is unless it was told otherwise.
const OPENCLAW_URL: &str = "ws://127.0.0.1:18789";
const CONTEXT_MESSAGES_MAX: u64 = 200;
const ECHO_DELAY_MS_MAX: u64 = 60_000;
const PARALLEL_MAX: u64 = 64;

const FILE_KEYS: &[&str] = &[
    "relay",
    "key",
    "backend",
    "openai_url",
    "openai_model",
    "openai_key",
    "openclaw_url",
    "openclaw_token",
    "openclaw_agent",
    "system",
    "context_messages",
    "parallel",
    "state_dir",
    "echo_delay_ms",
    "egress",
];

const ABOUT: &str = "\
Answers the questions of your chat apps with an AI that runs on this machine.

It dials out to your claw-relay, so no port has to be opened, and asks LM Studio, Ollama, any other
OpenAI-compatible server, or OpenClaw. Stopped or cut off half-way, it goes on where it was.";

const EXAMPLES: &str = "\
Examples:
  # Is there a model server on this machine?
  claw-agent detect

  # Connect, with the model server that was found
  CLAW_AGENT_KEY=... claw-agent run --relay https://relay.example.com

  # Try the connection without any model
  claw-agent run --relay https://relay.example.com --key ... --backend echo

  # A model server elsewhere, and a fixed model
  claw-agent run --relay https://relay.example.com --key ... \\
      --openai-url http://10.0.0.5:8000/v1 --openai-model qwen3-8b

  # The OpenClaw on this machine, with nothing installed in it
  CLAW_AGENT_OPENCLAW_TOKEN=... claw-agent run --relay https://relay.example.com --key ... --backend openclaw

  # The first from ~/.config/claw-agent/config.toml
  relay = \"https://relay.example.com\"
  key = \"...\"
  system = \"Answer briefly.\"

Logs go to stderr; RUST_LOG=debug shows more. Exit codes: 0 stopped, 1 failed, 2 wrong setting,
3 key refused, 4 replaced by a newer connection of the same agent.";

#[cfg(test)]
mod tests {
    use super::*;

    fn args(relay: &str, key: &str) -> RunArgs {
        RunArgs { relay: Some(relay.into()), key: Some(key.into()), state_dir: Some("/x".into()), ..RunArgs::default() }
    }

    fn error(result: Result<Config, Stop>) -> String {
        match result {
            Err(Stop::Config(line)) => line,
            other => panic!("expected a config error, got {other:?}"),
        }
    }

    #[test]
    fn flag_beats_file_beats_default() {
        let file = || parse_file("relay = 'https://file'\nkey = 'fk'\nparallel = 2\nbackend = 'echo'").unwrap();
        let config = Config::join(RunArgs { parallel: Some(8), ..args("https://flag", "k") }, file()).unwrap();
        assert_eq!((config.relay.as_str(), config.key.as_str()), ("wss://flag/v1/ws", "k"));
        assert_eq!((config.parallel, config.backend, config.context_messages), (8, BackendKind::Echo, 20));
        let config = Config::join(RunArgs { state_dir: Some("/x".into()), ..RunArgs::default() }, file()).unwrap();
        assert_eq!((config.relay.as_str(), config.parallel), ("wss://file/v1/ws", 2));
    }

    #[test]
    fn relay_urls() {
        let check = |text: &str, expected: &str| assert_eq!(relay_url(text).unwrap().as_str(), expected, "{text}");
        check("https://h", "wss://h/v1/ws");
        check("https://h:8443/", "wss://h:8443/v1/ws");
        check("http://127.0.0.1:8787", "ws://127.0.0.1:8787/v1/ws");
        check("wss://h/v1/ws", "wss://h/v1/ws");
        check("https://h/relay/?x=1#y", "wss://h/relay/v1/ws");
    }

    #[test]
    fn gateways() {
        let check = |url: Option<&str>, expected: &str| {
            let args = RunArgs { openclaw_url: url.map(str::to_owned), ..args("https://h", "k") };
            assert_eq!(Config::join(args, FileConfig::default()).unwrap().openclaw_url.as_str(), expected);
        };
        check(None, "ws://127.0.0.1:18789/");
        check(Some(" "), "ws://127.0.0.1:18789/");
        check(Some("http://10.0.0.5:18789/"), "ws://10.0.0.5:18789/");
        check(Some("https://claw.example.com/gateway?x#y"), "wss://claw.example.com/gateway");
        let file = parse_file("backend = 'openclaw'\nopenclaw_token = 'a b'\nopenclaw_agent = 'work'").unwrap();
        let config = Config::join(args("https://h", "k"), file).unwrap();
        assert_eq!((config.backend, config.openclaw_token.as_deref()), (BackendKind::OpenClaw, Some("a b")));
        assert_eq!(config.openclaw_agent.as_deref(), Some("work"));
    }

    #[test]
    fn wrong_settings_are_named() {
        let check = |args: RunArgs, expected: &str| {
            let line = error(Config::join(args, FileConfig::default()));
            assert!(line.starts_with(expected) && !line.contains('\n'), "{line}");
        };
        check(RunArgs::default(), "relay is missing: pass --relay, set CLAW_AGENT_RELAY,");
        check(args("https://h", " "), "key is missing: pass --key, set CLAW_AGENT_KEY,");
        check(args("https://h", "a b"), "key holds blanks");
        check(args("ftp://h", "k"), "relay is not a URL");
        check(args("relay.example.com", "k"), "relay is not a URL");
        check(args("https://u:p@h", "k"), "relay holds a password");
        let gateway = |url: &str| RunArgs { openclaw_url: Some(url.into()), ..args("https://h", "k") };
        check(gateway("127.0.0.1:18789"), "openclaw_url is not a URL");
        check(gateway("ws://:p@h"), "openclaw_url holds a password");
        check(RunArgs { parallel: Some(0), ..args("https://h", "k") }, "parallel is 0: choose");
        check(
            RunArgs { backend: Some(BackendKind::OpenAi), ..args("https://h", "k") },
            "openai_url is missing: pass --openai-url",
        );
    }

    #[test]
    fn files_name_what_is_wrong_and_never_quote() {
        let check = |text: &str, expected: &str| {
            let line = parse_file(text).unwrap_err();
            assert!(line.starts_with(expected) && !line.contains("s3cret"), "{line}");
        };
        check("key = 's3cret'\nrelais = 1\nkeys = 2", "unknown keys: ");
        check("\nkey = s3cret", "line 2 is not valid TOML");
        check("key = 's3cret'\nparallel = 's3cret'", "line 2: a value is of the wrong type");
        let line = parse_file("relais = 1\nkeys = 2").unwrap_err();
        assert!(line.contains("relais") && line.contains("keys"), "{line}");
    }

    #[test]
    fn every_file_key_is_known() {
        let text = FILE_KEYS.iter().map(|key| format!("{key} = true\n")).collect::<String>();
        assert!(parse_file(&text).unwrap_err().contains("wrong type"));
        assert!(is_loopback(&Url::parse("ws://[::1]:1").unwrap()) && !is_loopback(&Url::parse("ws://h").unwrap()));
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
