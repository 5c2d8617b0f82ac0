//! Bindings and secrets, read in one place. What is missing or weak is named.

use crate::error::Error;
use crate::runtime::{D1Database, Env, ObjectNamespace};
use protocol::Code;
use relay::auth::{Keys, SECRET_BYTES_MIN};
use relay::hub::{Log, Options};
use relay::limit::SOCKETS_CEILING;

/// What the Worker was deployed with.
pub struct Config {
    env: Env,
}

impl Config {
    /// Wraps the environment; every part is checked when it is asked for.
    pub fn from_env(env: Env) -> Config {
        Config { env }
    }

    /// The signing keys, from the secret `SIGNING_KEY`.
    pub fn keys(&self) -> Result<Keys, Error> {
        let secret = self.env.text("SIGNING_KEY").unwrap_or_default();
        Keys::derive(&secret).map_err(|_| {
            let why =
                format!("secret SIGNING_KEY is missing or has fewer than {SECRET_BYTES_MIN} bytes: npm run deploy");
            Error::unavailable("configuration", why)
        })
    }

    /// The one-time token of whoever deployed this, from the secret `OPERATOR_TOKEN`.
    pub fn operator_token(&self) -> Result<String, Error> {
        let token = self.env.text("OPERATOR_TOKEN").unwrap_or_default();
        if token.len() < SECRET_BYTES_MIN {
            let detail = format!("secret OPERATOR_TOKEN is not set or has fewer than {SECRET_BYTES_MIN} bytes");
            return Err(Error::new(Code::Unauthorized, detail));
        }
        Ok(token)
    }

    /// How long questions wait (`QUESTION_TTL_S`, 1 s to 30 days), what the event log holds (`EVENT_LOG`), and how many
    /// sockets a user may have (`SOCKETS_MAX`).
    pub fn hub_options(&self) -> Result<Options, Error> {
        let wrong = |what: &str| Error::unavailable("configuration", format!("wrangler.toml, [vars]: {what}"));
        let mut options = Options::default();
        if let Some(seconds) = self.env.text("QUESTION_TTL_S") {
            let seconds: Option<u64> = seconds.parse().ok().filter(|seconds| (1..=TTL_S_MAX).contains(seconds));
            let seconds = seconds.ok_or_else(|| wrong(&format!("QUESTION_TTL_S: 1 to {TTL_S_MAX}")))?;
            options.ttl_ms = seconds * 1000;
        }
        options.log = match self.env.text("EVENT_LOG").as_deref() {
            None | Some("ids") => Log::Ids,
            Some("bodies") => Log::Bodies,
            Some("off") => Log::Off,
            Some(_) => return Err(wrong("EVENT_LOG: ids, bodies or off")),
        };
        if let Some(sockets) = self.env.text("SOCKETS_MAX") {
            let sockets = sockets.parse().ok().filter(|sockets| (1..=SOCKETS_CEILING).contains(sockets));
            options.sockets = sockets.ok_or_else(|| wrong(&format!("SOCKETS_MAX: 1 to {SOCKETS_CEILING}")))?;
        }
        Ok(options)
    }

    /// D1.
    pub fn db(&self) -> Result<D1Database, Error> {
        self.env.d1("DB").map_err(|error| Error::unavailable("binding DB", error))
    }

    /// One Hub per user, named by the user's id.
    pub fn hubs(&self) -> Result<ObjectNamespace, Error> {
        self.env.durable_object("HUB").map_err(|error| Error::unavailable("binding HUB", error))
    }

    /// One Account per bot account, named by the account's id.
    pub fn accounts(&self) -> Result<ObjectNamespace, Error> {
        self.env.durable_object("ACCOUNT").map_err(|error| Error::unavailable("binding ACCOUNT", error))
    }
}

/// 30 days.
const TTL_S_MAX: u64 = 30 * 24 * 60 * 60;
