//! One connection to the relay: dial, `hello`, frames in and out, heartbeat (docs/protocol.md §2 to §6).
//! What outlives a connection is in the store and at the desk.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use protocol::limit::{BATCH_FRAMES_MAX, FRAME_BYTES_MAX, PING, PING_INTERVAL_MS, PONG};
use protocol::{
    ClientFrame, Code, Cursor, Envelope, Fetch, Fetched, MessageId, Resumed, SUBPROTOCOL, Seq, ServerFrame, decode,
    encode,
};
use reqwest::Url;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Utf8Bytes};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use tracing::{debug, info, warn};

use crate::backend::Failure;
use crate::desk::{Desk, Link, fail};
use crate::egress::Egress;
use crate::error::Stop;
use crate::store::{Store, StoreError, Welcomed};
use crate::tcp;

/// An open connection.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens connections to one relay.
pub struct Dialer {
    request: Request,
    tls: Arc<rustls::ClientConfig>,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum DialError {
    /// Try again later.
    Failed(String),
    /// The key does not count (HTTP 401 or 403): do not try again.
    Refused(String),
}

/// Why a connection is over.
#[derive(Debug)]
pub enum Ended {
    /// It broke, fell silent or was closed.
    Lost(String),
    /// The relay sent what cannot be read. Dropping the message would lose questions, so the connection is dropped.
    Malformed(String),
    /// The relay has no place for another agent of this user: do not reconnect.
    Forbidden,
    /// A newer connection of the same agent took over: do not reconnect.
    Replaced,
    /// The disk does not go on, so nothing may be acknowledged.
    Store(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Ended {
        Ended::Store(error)
    }
}

impl Dialer {
    /// `relay` is the WebSocket's URL, `key` visible ASCII.
    pub fn new(relay: &Url, key: &str, tls: rustls::ClientConfig) -> Result<Dialer, Stop> {
        let wrong = |what: &str| Stop::Config(format!("{what} cannot be used in an HTTP request: check it"));
        let mut request = relay.as_str().into_client_request().map_err(|_| wrong("relay"))?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| wrong("key"))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        Ok(Dialer { request, tls: Arc::new(tls) })
    }

    /// Connects, within [`DIAL_TIMEOUT`].
    pub async fn dial(&self) -> Result<Socket, DialError> {
        let limits =
            WebSocketConfig::default().max_message_size(Some(FRAME_BYTES_MAX)).max_frame_size(Some(FRAME_BYTES_MAX));
        let connector = Connector::Rustls(Arc::clone(&self.tls));
        let connect = async {
            let uri = self.request.uri();
            let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("wss") { 443 } else { 80 });
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
            let stream = tcp::connect(host, port).await.map_err(WsError::Io)?;
            client_async_tls_with_config(self.request.clone(), stream, Some(limits), Some(connector)).await
        };
        match timeout(DIAL_TIMEOUT, connect).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(WsError::Http(response))) => {
                let status = response.status();
                let why = format!("HTTP {}", status.as_u16());
                if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                    return Err(DialError::Refused(why));
                }
                Err(DialError::Failed(format!("the relay answered {why}")))
            }
            Ok(Err(error)) => Err(DialError::Failed(format!("cannot connect: {error}"))),
            Err(_) => Err(DialError::Failed(format!("no answer within {} s", DIAL_TIMEOUT.as_secs()))),
        }
    }
}

/// Talks until the connection is over. Sets the desk's link up at `welcome`; the caller sets it down again.
/// May be dropped at any point: what was received is stored or not acknowledged.
pub async fn talk(socket: &mut Socket, store: &Store, desk: &mut Desk, egress: Option<Arc<Egress>>) -> Ended {
    let now = Instant::now();
    let interval = Duration::from_millis(PING_INTERVAL_MS);
    let (made, answers) = mpsc::channel(CALLS_WAITING_MAX);
    let calls = Calls { egress, made, answers };
    let mut session = Session {
        socket,
        store,
        desk,
        calls,
        heard: now,
        interval,
        tick: now + WELCOME_TIMEOUT,
        ack: None,
        resend: None,
    };
    match session.run().await {
        Ok(never) => match never {},
        Err(ended) => ended,
    }
}

/// Says goodbye (1000), for at most a second.
pub async fn close(socket: &mut Socket) {
    let frame = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::from_static("agent stopped") };
    let _ = timeout(CLOSE_TIMEOUT, socket.close(Some(frame))).await;
}

struct Session<'a> {
    socket: &'a mut Socket,
    store: &'a Store,
    desk: &'a mut Desk,
    calls: Calls,
    /// When anything was last received.
    heard: Instant,
    /// Between two pings.
    interval: Duration,
    /// When to look at the clock again: for the `welcome` at first, then for the next ping.
    tick: Instant,
    /// Stored but not acknowledged.
    ack: Option<Seq>,
    /// When to send the outbox again, because the relay could not take an answer for the moment.
    resend: Option<Instant>,
}

/// Calls that are made for the relay.
struct Calls {
    egress: Option<Arc<Egress>>,
    made: mpsc::Sender<Fetched>,
    answers: mpsc::Receiver<Fetched>,
}

impl Calls {
    /// Makes one beside everything else. One whose connection ends meanwhile is of no use to anyone.
    fn make(&self, fetch: Fetch) {
        let (egress, made) = (self.egress.clone(), self.made.clone());
        tokio::spawn(async move {
            let fetched = match egress {
                Some(egress) => egress.fetch(fetch).await,
                None => {
                    let error = "this agent makes no calls: start it with --egress".to_owned();
                    Fetched { id: fetch.id, answer: None, error: Some(error) }
                }
            };
            let _ = made.send(fetched).await;
        });
    }
}

enum Never {}

impl Session<'_> {
    async fn run(&mut self) -> Result<Never, Ended> {
        let client = Some(concat!("claw-agent/", env!("CARGO_PKG_VERSION")).to_owned());
        let (cursor, open) = (self.store.cursor()?, self.store.held()?);
        let hello = ClientFrame::Hello { cursor, last: None, capabilities: Vec::new(), open, client };
        self.send(&[hello]).await?;
        loop {
            // In this order: whoever was busy sending listens before it calls the relay silent, and a chatty model
            // does not hold up the heartbeat.
            tokio::select! {
                biased;
                message = self.socket.next() => self.hear(message).await?,
                () = sleep_until(self.tick) => self.tick().await?,
                Some(fetched) = self.calls.answers.recv() => self.send(&[ClientFrame::Fetched(fetched)]).await?,
                () = sleep_until(self.resend.unwrap_or(self.tick)), if self.resend.is_some() => {
                    self.send_outbox().await?;
                }
                frames = self.desk.next() => {
                    self.send(&frames?).await?;
                    self.acknowledge().await?;
                }
            }
        }
    }

    async fn tick(&mut self) -> Result<(), Ended> {
        if self.desk.link() == Link::Down {
            return Err(Ended::Lost(format!("no welcome within {} s", WELCOME_TIMEOUT.as_secs())));
        }
        if self.heard.elapsed() >= 2 * self.interval {
            return Err(Ended::Lost(format!("nothing was heard for {} ms", self.heard.elapsed().as_millis())));
        }
        self.tick = Instant::now() + self.interval;
        self.send_text(PING.to_owned()).await
    }

    async fn hear(&mut self, message: Option<Result<Message, WsError>>) -> Result<(), Ended> {
        let message = match message {
            None => return Err(Ended::Lost("the connection ended".to_owned())),
            Some(Err(error)) => return Err(Ended::Lost(format!("the connection broke: {error}"))),
            Some(Ok(message)) => message,
        };
        self.heard = Instant::now();
        match message {
            Message::Close(frame) => Err(self.closed(frame)?),
            Message::Text(text) if text.as_str() == PONG => Ok(()),
            Message::Text(text) => {
                // Without the parser's words: they may quote a message.
                let frames = decode(&text).map_err(|error| Ended::Malformed(error.code().to_string()))?;
                self.handle(frames).await
            }
            Message::Binary(_) | Message::Frame(_) | Message::Ping(_) | Message::Pong(_) => Ok(()),
        }
    }

    fn closed(&self, frame: Option<CloseFrame>) -> Result<Ended, StoreError> {
        let code = frame.as_ref().map_or(1005, |frame| u16::from(frame.code));
        let reason = frame.map(|frame| frame.reason).unwrap_or_default();
        match code {
            CLOSE_FORBIDDEN => return Ok(Ended::Forbidden),
            CLOSE_REPLACED => return Ok(Ended::Replaced),
            CLOSE_BAD_HELLO => block_in_place(|| self.store.forget_cursor())?,
            _ => {}
        }
        Ok(Ended::Lost(format!("the relay closed the connection ({code} {reason})")))
    }

    async fn handle(&mut self, frames: Vec<ServerFrame>) -> Result<(), Ended> {
        let (mut questions, mut stopped, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        for frame in frames {
            match frame {
                ServerFrame::Accepted { id, .. } => settled.extend(answered(&id)),
                ServerFrame::Error { code, id, .. } => self.refused(code, id, &mut settled).await?,
                ServerFrame::Fetch(fetch) => self.calls.make(fetch),
                ServerFrame::Message(question) => questions.push(question),
                ServerFrame::Restream { reply_to } => self.desk.restream(reply_to),
                ServerFrame::Stop { reply_to } => stopped.push(reply_to),
                ServerFrame::Welcome { user, cursor, resumed, ping_ms, .. } => {
                    info!("connected as {user}");
                    self.interval = Duration::from_millis(ping_ms.clamp(PING_MS_MIN, PING_MS_MAX));
                    self.welcome(cursor, resumed).await?;
                }
                ServerFrame::Delta { .. }
                | ServerFrame::Presence { .. }
                | ServerFrame::State { .. }
                | ServerFrame::Unknown => {}
            }
        }
        // Questions first: one that comes again is known by its answer in the outbox, which may be settled just now.
        if !questions.is_empty() {
            self.receive(questions).await?;
        }
        // One of these questions may be meant. A stop may even come before `welcome`: should this turn out to be another
        // timeline, the question is dropped all the same.
        if !stopped.is_empty() {
            self.desk.stop(&stopped)?;
            self.acknowledge().await?;
        }
        if !settled.is_empty() {
            block_in_place(|| self.store.settle(&settled))?;
        }
        Ok(())
    }

    async fn welcome(&mut self, cursor: Cursor, resumed: Resumed) -> Result<(), Ended> {
        let welcomed = block_in_place(|| self.store.welcome(cursor, &resumed))?;
        match welcomed {
            Welcomed::Cleared => {
                warn!("this is another timeline than before: what was stored of the old one is dropped");
                self.desk.forget_from(Seq(0))?;
            }
            Welcomed::DroppedFrom(first) => {
                warn!("the relay was restored from an older copy: questions from {first} on are dropped");
                self.desk.forget_from(first)?;
            }
            Welcomed::Kept => {}
        }
        match resumed {
            Resumed::Continued { after } | Resumed::Started { after } => info!("questions after {after} follow"),
            Resumed::Gap { from, to, reason } => warn!("questions {from} to {to} will not come ({reason:?})"),
        }
        self.send_outbox().await?;
        self.tick = Instant::now() + self.interval;
        self.desk.set_link(Link::Up);
        Ok(())
    }

    async fn receive(&mut self, questions: Vec<Envelope>) -> Result<(), Ended> {
        if self.desk.link() == Link::Down {
            return Err(Ended::Malformed("a message came before welcome".to_owned()));
        }
        let received = block_in_place(|| self.store.receive(questions))?;
        received.fresh.iter().for_each(|question| info!("question {} received", question.seq));
        self.desk.admit(received.fresh.into_iter().map(|question| (question.seq, question.conversation)))?;
        self.ack = Some(received.up_to);
        self.acknowledge().await
    }

    /// Acknowledges what is stored, unless so much is open that the relay should hold back the rest (§6).
    async fn acknowledge(&mut self) -> Result<(), Ended> {
        if self.desk.len() >= OPEN_MAX {
            return Ok(());
        }
        match self.ack.take() {
            Some(seq) => self.send(&[ClientFrame::Ack { seq }]).await,
            None => Ok(()),
        }
    }

    /// An `error` frame. Its `detail` is not logged: it may quote what was sent.
    async fn refused(&mut self, code: Code, id: Option<MessageId>, settled: &mut Vec<Seq>) -> Result<(), Ended> {
        match code {
            Code::BadCursor => {
                block_in_place(|| self.store.forget_cursor())?;
                return Err(Ended::Lost("the relay does not know the cursor".to_owned()));
            }
            Code::Replaced => return Err(Ended::Replaced),
            _ => {}
        }
        let Some(seq) = id.as_ref().and_then(answered) else {
            warn!("the relay refused a frame: {code}");
            return Ok(());
        };
        match code {
            Code::AlreadyReplied | Code::NotFound => {
                warn!("the relay has no use for the answer to {seq}: {code}");
                settled.push(seq);
            }
            Code::Internal | Code::QueueFull | Code::Unavailable => {
                warn!("the answer to {seq} could not be taken for now: {code}");
                self.resend = Some(Instant::now() + RESEND_DELAY);
            }
            // Refused for good: whoever asked should hear of it. If even that is refused, there is no more to do.
            _ => {
                let fail = fail(seq, Failure::new(format!("the relay refused the answer: {}", code.title())));
                if block_in_place(|| self.store.replace(seq, &fail))? {
                    self.send(&[fail]).await?;
                } else {
                    settled.push(seq);
                }
            }
        }
        Ok(())
    }

    /// Sends every answer that was not accepted, in order.
    async fn send_outbox(&mut self) -> Result<(), Ended> {
        self.resend = None;
        let mut last = None;
        loop {
            let batch = self.store.outbox_after(last)?;
            let Some((seq, _)) = batch.last() else { return Ok(()) };
            last = Some(*seq);
            debug!("{} answers are sent again", batch.len());
            self.send(&batch.into_iter().map(|(_, frame)| frame).collect::<Vec<_>>()).await?;
        }
    }

    async fn send(&mut self, frames: &[ClientFrame]) -> Result<(), Ended> {
        for text in batches(frames) {
            self.send_text(text).await?;
        }
        Ok(())
    }

    async fn send_text(&mut self, text: String) -> Result<(), Ended> {
        match timeout(SEND_TIMEOUT, self.socket.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                // The relay's reason may have arrived before: after 4409 a new attempt would throw out the other agent.
                while let Ok(Some(Ok(message))) = timeout(CLOSE_TIMEOUT, self.socket.next()).await {
                    if let Message::Close(frame) = message {
                        return Err(self.closed(frame)?);
                    }
                }
                Err(Ended::Lost(format!("cannot send: {error}")))
            }
            Err(_) => Err(Ended::Lost(format!("cannot send: stuck for {} s", SEND_TIMEOUT.as_secs()))),
        }
    }
}

/// The question that `reply:{seq}` answers.
fn answered(id: &MessageId) -> Option<Seq> {
    id.as_str().strip_prefix("reply:")?.parse().ok().map(Seq)
}

/// Packs frames, in order, into WebSocket messages of at most [`BATCH_FRAMES_MAX`] frames and [`FRAME_BYTES_MAX`]
/// bytes. Each frame fits on its own, which the desk sees to.
fn batches(frames: &[ClientFrame]) -> Vec<String> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    let mut bytes = 0;
    for frame in frames {
        let text = encode(frame);
        // Two brackets, and a comma for each frame.
        bytes += text.len() + 1;
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_FRAMES_MAX && bytes + 2 <= FRAME_BYTES_MAX => batch.push(text),
            _ => {
                bytes = text.len() + 1;
                batches.push(vec![text]);
            }
        }
    }
    let join = |batch: Vec<String>| if batch.len() == 1 { batch.concat() } else { format!("[{}]", batch.join(",")) };
    batches.into_iter().map(join).collect()
}

/// Answers of calls that wait for the connection.
const CALLS_WAITING_MAX: usize = 16;
const CLOSE_BAD_HELLO: u16 = 4400;
const CLOSE_FORBIDDEN: u16 = 4403;
const CLOSE_REPLACED: u16 = 4409;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
const DIAL_TIMEOUT: Duration = Duration::from_secs(15);
/// Open questions from which on nothing is acknowledged, so that the relay stops sending (its window is 256) and
/// the store stays below its size: the rest waits at the relay, whose own limit is 1,000.
const OPEN_MAX: usize = 1_000;
const PING_MS_MAX: u64 = 300_000;
const PING_MS_MIN: u64 = 50;
/// Pause before an answer is sent again that the relay could not take for the moment.
const RESEND_DELAY: Duration = Duration::from_secs(5);
/// One WebSocket message; 1 MiB takes this long at 140 kbit/s.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
const WELCOME_TIMEOUT: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_order_and_limits() {
        let frame = |seq, text: &str| ClientFrame::Reply {
            reply_to: Seq(seq),
            text: text.into(),
            files: Vec::new(),
            buttons: Vec::new(),
        };
        assert_eq!(batches(&[frame(1, "a")]), [r#"{"type":"reply","reply_to":1,"text":"a"}"#]);
        let frames: Vec<_> = (0..130).map(|seq| frame(seq, "a")).chain([]).collect();
        let texts = batches(&frames);
        assert_eq!(texts.len(), 3);
        let long = "x".repeat(FRAME_BYTES_MAX / 3);
        let frames: Vec<_> = (0..7).map(|seq| frame(seq, &long)).collect();
        let texts = batches(&frames);
        assert!(texts.iter().all(|text| text.len() <= FRAME_BYTES_MAX));
        let decoded: Vec<ClientFrame> = texts.iter().flat_map(|text| decode(text).unwrap()).collect();
        assert_eq!(decoded, frames);
    }

    #[test]
    fn ids_of_answers() {
        assert_eq!(answered(&"reply:41".parse().unwrap()), Some(Seq(41)));
        assert_eq!(answered(&"m-41".parse().unwrap()), None);
        assert_eq!(answered(&"reply:x".parse().unwrap()), None);
    }
}
