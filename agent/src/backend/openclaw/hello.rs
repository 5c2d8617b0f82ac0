//! The first words on a connection: the gateway's challenge, the `connect` request, and what comes back.
//! OpenClaw's docs/gateway/protocol/handshake.md and auth.md.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::device::{Challenge, Claim, Device};
use super::frame::Problem;

/// What a connection asks for, always the same.
pub struct Hello {
    /// Proves who asks.
    pub device: Device,
    /// The gateway's token or password. Either goes into the same field: the gateway's mode says which it is.
    pub token: Option<String>,
}

/// What of `hello-ok` is used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    protocol: u64,
    #[serde(default)]
    server: Server,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    auth: Granted,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Server {
    version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Policy {
    tick_interval_ms: Option<u64>,
    max_payload: Option<u64>,
    attachments: Attachments,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Attachments {
    max_bytes: Option<u64>,
    max_image_bytes: Option<u64>,
}

/// What a gateway takes beside a question, in bytes before they are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// One file.
    pub file: usize,
    /// One image.
    pub image: usize,
    /// All of them: one frame holds them, a third longer, and the text.
    pub all: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Granted {
    scopes: Option<Vec<String>>,
}

/// There is no connection, and why, in one sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It may pass, or somebody is about to see to it: try again, not before this time.
    Later(String, Option<Duration>),
    /// Nothing changes before somebody changes a setting or a program.
    Settled(String),
}

impl Hello {
    /// The parameters of `connect`.
    pub fn params(&self, challenge: &Challenge) -> Value {
        let token = self.token.as_deref().unwrap_or_default();
        let platform = std::env::consts::OS;
        let claim = Claim { client: CLIENT, mode: MODE, platform, role: ROLE, scopes: SCOPES, token };
        let mut params = json!({
            "minProtocol": PROTOCOL_MIN,
            "maxProtocol": PROTOCOL_MAX,
            "client": { "id": CLIENT, "mode": MODE, "version": env!("CARGO_PKG_VERSION"), "platform": platform },
            "role": ROLE,
            "scopes": SCOPES,
            "caps": [],
            "device": self.device.prove(&claim, challenge),
        });
        if let (Some(token), Some(params)) = (&self.token, params.as_object_mut()) {
            params.insert("auth".to_owned(), json!({ "token": token }));
        }
        params
    }
}

impl Welcome {
    /// Reads the payload of `hello-ok`, and looks whether this program can work with it.
    pub fn read(payload: Value) -> Result<Welcome, Refusal> {
        let Ok(welcome) = serde_json::from_value::<Welcome>(payload) else {
            return Err(Refusal::Settled(NO_GATEWAY.to_owned()));
        };
        if !(PROTOCOL_MIN..=PROTOCOL_MAX).contains(&welcome.protocol) {
            return Err(other_protocol(Some(welcome.protocol)));
        }
        let granted = |scope: &&str| {
            welcome.auth.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|granted| granted == scope))
        };
        if let Some(scope) = SCOPES.iter().find(|scope| !granted(scope)) {
            return Err(Refusal::Settled(format!(
                "the OpenClaw gateway does not grant {scope}: pass its own token or password as --openclaw-token"
            )));
        }
        Ok(welcome)
    }

    /// The gateway's version, for the log.
    pub fn version(&self) -> &str {
        &self.server.version
    }

    /// How long a living gateway is silent at most: it sends an event `tick` this often.
    pub fn tick(&self) -> Duration {
        let ms = self.policy.tick_interval_ms.unwrap_or(TICK_MS).clamp(TICK_MS_MIN, TICK_MS_MAX);
        Duration::from_millis(ms)
    }

    /// How much fits beside a question. Older gateways do not say.
    pub fn room(&self) -> Room {
        let Policy { attachments, max_payload, .. } = &self.policy;
        let bytes = |said: Option<u64>, usual: u64| usize::try_from(said.unwrap_or(usual)).unwrap_or(usize::MAX);
        let payload = bytes(*max_payload, PAYLOAD_BYTES).saturating_sub(TEXT_ROOM_BYTES);
        Room {
            file: bytes(attachments.max_bytes, FILE_BYTES),
            image: bytes(attachments.max_image_bytes, IMAGE_BYTES),
            all: (payload / 4 * 3).min(ALL_BYTES_MAX),
        }
    }
}

/// Sorts what a gateway says instead of `hello-ok`, by `details.code` (`connect-error-details.ts`).
pub fn refusal(problem: Problem) -> Refusal {
    let says = |name: &str| problem.details.get(name);
    match problem.detail() {
        "PROTOCOL_MISMATCH" => other_protocol(says("expectedProtocol").and_then(Value::as_u64)),
        "AUTH_REQUIRED" | "AUTH_TOKEN_MISSING" | "AUTH_PASSWORD_MISSING" => Refusal::Settled(
            "the OpenClaw gateway wants its token or password: pass it as --openclaw-token, or set CLAW_AGENT_OPENCLAW_TOKEN"
                .to_owned(),
        ),
        "AUTH_TOKEN_MISMATCH" | "AUTH_PASSWORD_MISMATCH" | "AUTH_UNAUTHORIZED" | "AUTH_DEVICE_TOKEN_MISMATCH" => {
            Refusal::Settled(
                "the OpenClaw gateway does not take this token: --openclaw-token must be gateway.auth.token (or \
                 gateway.auth.password) of OpenClaw's config"
                    .to_owned(),
            )
        }
        "AUTH_RATE_LIMITED" => Refusal::Later(
            "the OpenClaw gateway refuses this machine for a while, after too many wrong tokens".to_owned(),
            problem.after(),
        ),
        "PAIRING_REQUIRED" => {
            let request = says("requestId").and_then(Value::as_str).filter(|id| is_id(id));
            let command = request.map_or("list".to_owned(), |request| format!("approve {request}"));
            Refusal::Later(
                format!(
                    "the OpenClaw gateway does not know this device yet: on its machine run openclaw devices {command}"
                ),
                Some(APPROVAL_DELAY),
            )
        }
        _ if problem.may_pass() => {
            Refusal::Later(format!("the OpenClaw gateway is not ready ({})", problem.message), problem.after())
        }
        code => {
            let code = if code.is_empty() { &problem.code } else { code };
            Refusal::Settled(format!("the OpenClaw gateway refuses the connection: {} ({code})", problem.message))
        }
    }
}

fn other_protocol(theirs: Option<u64>) -> Refusal {
    let theirs = theirs.map_or_else(|| "another protocol".to_owned(), |theirs| format!("protocol {theirs}"));
    Refusal::Settled(format!(
        "the OpenClaw gateway speaks {theirs}, this claw-agent {PROTOCOL_MIN} to {PROTOCOL_MAX}: update the older of the two"
    ))
}

/// What may stand in a command line that a person copies.
fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'_');
    text.len() <= 128 && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.bytes().all(plain)
}

/// From the gateway's closed lists: a program without a person at it.
const CLIENT: &str = "gateway-client";
const MODE: &str = "backend";
const ROLE: &str = "operator";
/// `chat.history`, and `chat.send` with `chat.abort` (docs/gateway/operator-scopes.md).
const SCOPES: &[&str] = &["operator.read", "operator.write"];
/// Something else is there.
pub const NO_GATEWAY: &str = "what answers at --openclaw-url is no OpenClaw gateway";
const PROTOCOL_MIN: u64 = 3;
const PROTOCOL_MAX: u64 = 4;
/// Somebody has to be fetched for it: until then it is asked no more often.
const APPROVAL_DELAY: Duration = Duration::from_secs(3);
/// Without a word of the gateway's.
const TICK_MS: u64 = 30_000;
const TICK_MS_MAX: u64 = 300_000;
const TICK_MS_MIN: u64 = 50;
/// As gateways have it that do not say (docs/gateway/protocol/versioning.md).
const FILE_BYTES: u64 = 20 << 20;
const IMAGE_BYTES: u64 = 6 << 20;
const PAYLOAD_BYTES: u64 = 25 << 20;
/// Of a frame: a text of 128 KiB takes six times that when JSON escapes every byte.
const TEXT_ROOM_BYTES: usize = 1 << 20;
/// Whatever a gateway takes: it is held in memory, and other questions wait while it is sent.
const ALL_BYTES_MAX: usize = 16_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Refusal {
        refusal(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn refusals_say_what_to_do() {
        let settled = |details: &str, expected: &str| {
            let text = format!(r#"{{"code":"INVALID_REQUEST","message":"m","details":{details}}}"#);
            match problem(&text) {
                Refusal::Settled(line) => assert!(line.contains(expected) && !line.contains('\n'), "{line}"),
                other => panic!("{other:?}"),
            }
        };
        settled(
            r#"{"code":"PROTOCOL_MISMATCH","expectedProtocol":5}"#,
            "speaks protocol 5, this claw-agent 3 to 4: update",
        );
        settled(r#"{"code":"AUTH_TOKEN_MISSING"}"#, "pass it as --openclaw-token");
        settled(r#"{"code":"AUTH_TOKEN_MISMATCH"}"#, "does not take this token: --openclaw-token must be");
        settled(r#"{"code":"AUTH_PASSWORD_MISMATCH"}"#, "or gateway.auth.password");
        settled(
            r#"{"code":"DEVICE_AUTH_SIGNATURE_INVALID"}"#,
            "refuses the connection: m (DEVICE_AUTH_SIGNATURE_INVALID)",
        );
        settled("{}", "refuses the connection: m (INVALID_REQUEST)");
        let later = |text: &str, expected: &str, after_ms: Option<u64>| match problem(text) {
            Refusal::Later(line, after) => {
                assert!(line.contains(expected), "{line}");
                assert_eq!(after, after_ms.map(Duration::from_millis));
            }
            other => panic!("{other:?}"),
        };
        let pairing = r#"{"code":"NOT_PAIRED","message":"m","details":{"code":"PAIRING_REQUIRED","requestId":"6f-1"}}"#;
        later(pairing, "run openclaw devices approve 6f-1", Some(3_000));
        later(&pairing.replace("6f-1", "6f; rm"), "run openclaw devices list", Some(3_000));
        let starting = r#"{"code":"UNAVAILABLE","message":"gateway starting","retryable":true,"retryAfterMs":500}"#;
        later(starting, "is not ready (gateway starting)", Some(500));
    }

    #[test]
    fn welcomes_are_checked() {
        let read = |protocol: u64, more: Value| {
            let mut payload = json!({ "type": "hello-ok", "protocol": protocol });
            payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Welcome::read(payload)
        };
        let welcome =
            read(4, json!({ "server": { "version": "2026.9.6" }, "policy": { "tickIntervalMs": 15_000 } })).unwrap();
        assert_eq!((welcome.version(), welcome.tick()), ("2026.9.6", Duration::from_secs(15)));
        assert_eq!(read(3, json!({})).unwrap().tick(), Duration::from_secs(30));
        let room = read(3, json!({})).unwrap().room();
        assert_eq!(room, Room { file: 20 << 20, image: 6 << 20, all: 16_000_000 });
        let policy = json!({ "maxPayload": 4_000_000, "attachments": { "maxBytes": 9, "maxImageBytes": 8 } });
        let room = read(4, json!({ "policy": policy })).unwrap().room();
        assert_eq!(room, Room { file: 9, image: 8, all: 2_213_568 });
        let refused = |payload: Result<Welcome, Refusal>, expected: &str| match payload {
            Err(Refusal::Settled(line)) => assert!(line.contains(expected), "{line}"),
            other => panic!("{other:?}"),
        };
        refused(read(5, json!({})), "speaks protocol 5");
        refused(read(4, json!({ "auth": { "scopes": ["operator.read"] } })), "does not grant operator.write");
        refused(Welcome::read(json!("hi")), "is no OpenClaw gateway");
    }

    #[test]
    fn without_a_token_nothing_is_claimed() {
        let dir = tempfile::tempdir().unwrap();
        let device = Device::open(dir.path()).unwrap();
        let challenge = Challenge { nonce: "n".into(), ts: 1 };
        let mut hello = Hello { device, token: None };
        assert_eq!(hello.params(&challenge).get("auth"), None);
        hello.token = Some("t".into());
        let params = hello.params(&challenge);
        assert_eq!(params["auth"], json!({ "token": "t" }));
        assert_eq!((&params["minProtocol"], &params["maxProtocol"]), (&json!(3), &json!(4)));
        assert_eq!(params["device"]["id"], hello.device.id());
    }
}
