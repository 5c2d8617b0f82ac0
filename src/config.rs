//! Bindings, secrets and variables, read in one place. What is missing, weak or wrong is named.

use std::cell::Cell;

use protocol::Code;
use protocol::api::SignUp;
use relay::auth::seal::Seals;
use relay::auth::{Keys, SECRET_BYTES_MIN};
use relay::hub::{Log, Options};
use relay::limit::{FRAMES_PER_S_CEILING, SOCKETS_CEILING};

use crate::error::Error;
use crate::runtime::{Bucket, D1Database, Env, Limiter, ObjectNamespace};

/// What the Worker was deployed with.
#[derive(Clone)]
pub struct Config {
    env: Env,
}

thread_local! {
    static IS_SOUND: Cell<bool> = const { Cell::new(false) };
}

impl Config {
    /// Wraps the environment; every part is checked when it is asked for.
    pub fn from_env(env: Env) -> Config {
        Config { env }
    }

    /// Names what is missing, weak or wrong, before anything is done with it: once per isolate.
    pub fn check(&self) -> Result<(), Error> {
        if IS_SOUND.get() {
            return Ok(());
        }
        self.keys()?;
        self.seals()?;
        self.hub_options()?;
        self.sign_up()?;
        self.db()?;
        self.hubs()?;
        self.accounts()?;
        for binding in ["LIMIT_GUESSES", "LIMIT_REQUESTS", "LIMIT_SIGN_IN"] {
            self.limiter(binding)?;
        }
        IS_SOUND.set(true);
        Ok(())
    }

    /// The signing keys, from the secret `SIGNING_KEY`.
    pub fn keys(&self) -> Result<Keys, Error> {
        Keys::derive(&self.text("SIGNING_KEY")).map_err(|_| weak("SIGNING_KEY"))
    }

    /// The keys that secrets are sealed with, from the secret `SEALING_KEY`.
    pub fn seals(&self) -> Result<Seals, Error> {
        Seals::derive(&self.text("SEALING_KEY")).map_err(|_| weak("SEALING_KEY"))
    }

    /// The one-time token of whoever deployed this, from the secret `OPERATOR_TOKEN`.
    pub fn operator_token(&self) -> Result<String, Error> {
        let token = self.text("OPERATOR_TOKEN");
        if token.len() < SECRET_BYTES_MIN {
            let detail = format!("secret OPERATOR_TOKEN is not set or has fewer than {SECRET_BYTES_MIN} bytes");
            return Err(Error::new(Code::Unauthorized, detail));
        }
        Ok(token)
    }

    /// Who may sign up (`SIGN_UP`).
    pub fn sign_up(&self) -> Result<SignUp, Error> {
        match self.text("SIGN_UP").as_str() {
            "" | "closed" => Ok(SignUp::Closed),
            "open" => Ok(SignUp::Open),
            "organisation" => Ok(SignUp::Organisation),
            _ => Err(wrong("SIGN_UP: closed, open or organisation")),
        }
    }

    /// Pages of other addresses that may use this relay (`ALLOWED_ORIGINS`, apart by white space).
    pub fn allowed_origins(&self) -> Vec<String> {
        self.text("ALLOWED_ORIGINS").split_whitespace().map(str::to_owned).collect()
    }

    /// How long questions wait (`QUESTION_TTL_S`, 1 s to 30 days), what the event log holds (`EVENT_LOG`), how many
    /// sockets a user may have (`SOCKETS_MAX`), and how much one may say (`FRAMES_PER_S`).
    pub fn hub_options(&self) -> Result<Options, Error> {
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
        if let Some(frames) = self.env.text("FRAMES_PER_S") {
            let frames = frames.parse().ok().filter(|frames| (1..=FRAMES_PER_S_CEILING).contains(frames));
            options.frames_per_s =
                frames.ok_or_else(|| wrong(&format!("FRAMES_PER_S: 1 to {FRAMES_PER_S_CEILING}")))?;
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

    /// Where files are kept; none: this relay was deployed without R2.
    pub fn files(&self) -> Option<Bucket> {
        self.env.bucket("FILES").ok()
    }

    /// A rate limit; none when the operator turned them off (`RATE_LIMITS`).
    pub fn limiter(&self, name: &str) -> Result<Option<Limiter>, Error> {
        if !self.is_on("RATE_LIMITS", true)? {
            return Ok(None);
        }
        let what = format!("binding {name}, or RATE_LIMITS = \"off\"");
        self.env.limiter(name).map(Some).map_err(|error| Error::unavailable(&what, error))
    }

    /// Whether a line is logged each time that a user's object wakes (`LOG_WAKES`). It takes an eighth of the wake's time.
    pub fn logs_wakes(&self) -> Result<bool, Error> {
        self.is_on("LOG_WAKES", false)
    }

    fn is_on(&self, name: &str, unless_set: bool) -> Result<bool, Error> {
        match self.text(name).as_str() {
            "" => Ok(unless_set),
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(wrong(&format!("{name}: on or off"))),
        }
    }

    fn text(&self, name: &str) -> String {
        self.env.text(name).unwrap_or_default()
    }
}

/// Names the secret, in the answer too: it tells nobody more than that this relay does not work yet.
fn weak(secret: &str) -> Error {
    let why = format!("secret {secret} is missing or weak: at least {SECRET_BYTES_MIN} random bytes (npm run deploy)");
    Error::unavailable(&why, "configuration")
}

fn wrong(what: &str) -> Error {
    Error::unavailable(&format!("wrangler.toml, [vars]: {what}"), "configuration")
}

/// 30 days.
const TTL_S_MAX: u64 = 30 * 24 * 60 * 60;
