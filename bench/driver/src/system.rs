//! The two kinds of systems under test: how to reach an object as an agent, as a device, and by HTTP.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt, TryStreamExt, stream};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use protocol::limit::FRAME_BYTES_MAX;
use protocol::{Cursor, SUBPROTOCOL, Timestamp};
use relay::auth::{Access, AgentKey, Keys, Role as UserRole, Scope};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::dialect::{Dialect, Plain, Relay, Role};
use crate::failure::{Result, during, fail};
use crate::feishu::{App, Signed};
use crate::http::{Post, connect};
use crate::options::{Common, SystemName};
use crate::payload::{Mark, Payload};
use crate::peer::Peer;
use crate::process::Process;
use crate::wait::{ANSWER_WAIT, within};
use crate::wire::Wire;

/// The server under test.
pub struct System {
    /// `host:port`.
    pub authority: String,
    /// Its process.
    pub process: Process,
    kind: Kind,
}

enum Kind {
    Plain,
    Relay(Box<Deployment>),
}

/// What the driver shares with a relay.
struct Deployment {
    keys: Keys,
    app: App,
    /// The bot account that webhooks are for.
    account: String,
}

/// What a device asks for when it connects.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wants {
    /// Relay: answers while they are made. Plain peers always send them.
    pub deltas: bool,
    /// Everything that is stored, from the very beginning.
    pub drain: Option<Drain>,
}

/// How everything is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Drain {
    /// Plain: all rows at once.
    Blast,
    /// Relay: with the cursor `{epoch}.0`.
    Epoch(u64),
    /// Plain: row by row, each acknowledged.
    Rows,
}

impl System {
    /// From the command line.
    pub fn new(common: &Common) -> Result<System> {
        let Some(authority) = common.url.strip_prefix("http://").filter(|rest| !rest.contains('/')) else {
            return fail(format!("--url {}: expected http://127.0.0.1:PORT", common.url));
        };
        let kind = match common.system {
            SystemName::Plain => Kind::Plain,
            SystemName::Relay => {
                let need = |option: &Option<String>, name: &str| match option {
                    Some(value) => Ok(value.clone()),
                    None => fail(format!("--system relay needs {name}")),
                };
                let Ok(keys) = Keys::derive(&need(&common.signing_key, "--signing-key")?) else {
                    return fail("--signing-key: at least 32 bytes, the relay's SIGNING_KEY");
                };
                let encrypt_key = need(&common.encrypt_key, "--encrypt-key")?;
                let verification_token = need(&common.verification_token, "--verification-token")?;
                let app = App { encrypt_key, verification_token };
                Kind::Relay(Box::new(Deployment { keys, app, account: common.account.clone() }))
            }
        };
        Ok(System { authority: authority.to_owned(), process: Process::new(common.pid)?, kind })
    }

    /// Whether it is the relay.
    pub fn is_relay(&self) -> bool {
        matches!(self.kind, Kind::Relay(_))
    }

    /// Connects as the agent of an object.
    pub async fn agent(&self, object: usize, payload: &Arc<Payload>) -> Result<Peer> {
        let name = format!("agent of object {object}");
        match &self.kind {
            Kind::Plain => self.open(name, &format!("/o/o{object}/ws?role=agent"), None, plain(payload)).await,
            Kind::Relay(deployment) => {
                let key = deployment.agent_key(object)?;
                let dialect = Dialect::Relay(Relay::new(Role::Agent, Arc::clone(payload)));
                let mut peer = self.open(name, "/v1/ws", Some(key), dialect).await?;
                peer.greet(None, false).await?;
                Ok(peer)
            }
        }
    }

    /// Connects as a device of an object.
    pub async fn device(&self, object: usize, payload: &Arc<Payload>, wants: Wants) -> Result<Peer> {
        let name = format!("device of object {object}");
        match &self.kind {
            Kind::Plain => {
                let path = match wants.drain {
                    None => format!("/o/o{object}/ws?role=device"),
                    Some(Drain::Blast) => format!("/o/o{object}/ws?role=device&after=0&drain=blast"),
                    Some(Drain::Epoch(_) | Drain::Rows) => format!("/o/o{object}/ws?role=device&after=0&drain=rows"),
                };
                self.open(name, &path, None, plain(payload)).await
            }
            Kind::Relay(deployment) => {
                let token = deployment.access_token(object)?;
                let dialect = Dialect::Relay(Relay::new(Role::Device, Arc::clone(payload)));
                let mut peer = self.open(name, "/v1/ws", Some(token), dialect).await?;
                let cursor = match wants.drain {
                    Some(Drain::Epoch(epoch)) => Some(Cursor { epoch, seq: protocol::Seq(0) }),
                    _ => None,
                };
                peer.greet(cursor, wants.deltas).await?;
                Ok(peer)
            }
        }
    }

    /// Connects as a device of each of these objects.
    pub async fn devices(&self, objects: impl Iterator<Item = usize>, payload: &Arc<Payload>) -> Result<Vec<Peer>> {
        let open = objects.map(|object| self.device(object, payload, Wants::default()));
        stream::iter(open).buffered(OPENING_MAX).try_collect().await
    }

    /// The HTTP request that brings a text: from a program, or from Feishu.
    pub fn post(&self, mark: Mark, payload: &Payload) -> Result<Post> {
        let text = payload.text(mark);
        let request = Request::post(match &self.kind {
            Kind::Plain => format!("/o/o{}/messages", mark.object),
            Kind::Relay(deployment) => format!("/webhook/feishu/{}", deployment.account),
        });
        let request = request.header(HOST, &self.authority);
        match &self.kind {
            Kind::Plain => request.header(CONTENT_TYPE, "text/plain").body(Full::new(Bytes::from(text))),
            Kind::Relay(deployment) => {
                let Signed { body, timestamp, nonce, signature } = deployment.app.message(mark, &text, now_ms())?;
                request
                    .header(CONTENT_TYPE, "application/json; charset=utf-8")
                    .header("x-lark-request-timestamp", timestamp)
                    .header("x-lark-request-nonce", nonce)
                    .header("x-lark-signature", signature)
                    .body(Full::new(Bytes::from(body)))
            }
        }
        .map_err(during("building a request"))
    }

    async fn open(&self, name: String, path: &str, bearer: Option<String>, dialect: Dialect) -> Result<Peer> {
        let url = format!("ws://{}{path}", self.authority);
        let mut request = url.into_client_request().map_err(during(path))?;
        if let Some(bearer) = bearer {
            let value = HeaderValue::try_from(format!("Bearer {bearer}")).map_err(during(path))?;
            request.headers_mut().insert(AUTHORIZATION, value);
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        }
        let stream = connect(&self.authority).await?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        let upgrading = async {
            match client_async_with_config(request, stream, Some(config)).await {
                Ok((socket, _)) => Ok(Wire::WebSocket(Box::new(socket))),
                Err(WsError::Http(response)) => {
                    let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                    fail(format!("{name}: GET {path} was refused: HTTP {} {body}", response.status()))
                }
                Err(error) => fail(format!("{name}: GET {path}: {error}")),
            }
        };
        let wire = within(ANSWER_WAIT, || format!("the upgrade of {path}"), upgrading).await?;
        Ok(Peer::new(name, wire, dialect))
    }
}

impl Deployment {
    fn agent_key(&self, object: usize) -> Result<String> {
        let agent = format!("agt_bench_{object}").parse().map_err(during("an agent's id"))?;
        let user = user(object)?;
        let scopes = vec![Scope::Receive, Scope::Send];
        let key = AgentKey { agent, user, key: format!("key-agt_bench_{object}"), name: "bench".into(), scopes };
        Ok(self.keys.sign(&key, Timestamp(now_ms()), None))
    }

    fn access_token(&self, object: usize) -> Result<String> {
        let session = format!("ses_bench_{object}");
        let access = Access { user: user(object)?, role: UserRole::User, session };
        let now = Timestamp(now_ms());
        Ok(self.keys.sign(&access, now, Some(now.plus_ms(DAY_MS))))
    }
}

fn plain(payload: &Arc<Payload>) -> Dialect {
    Dialect::Plain(Plain::new(Arc::clone(payload)))
}

fn user(object: usize) -> Result<protocol::UserId> {
    format!("usr_bench_{object}").parse().map_err(during("a user's id"))
}

/// The time of day, for tokens and signatures.
fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64
}

/// Longer than any run.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Sockets being opened at once.
const OPENING_MAX: usize = 32;
/// Of each socket: there may be 5,000.
const READ_BUFFER_BYTES: usize = 16 * 1024;
