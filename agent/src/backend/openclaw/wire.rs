//! One WebSocket to a gateway, shared by all conversations: requests and their answers, and who waits for which run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::{Connector, connect_async_tls_with_config};

use super::device::Challenge;
use super::frame::{Frame, Problem, request};
use super::hello::{Hello, NO_GATEWAY, Refusal, Room, Welcome, refusal};
use super::progress::{ChatEvent, Progress};
use crate::backend::Fault;
use crate::link::Socket;

/// An open connection, as a question sees it.
#[derive(Clone)]
pub struct Peer {
    orders: mpsc::Sender<Order>,
    /// What the gateway takes beside a question.
    pub room: Room,
}

enum Order {
    Call { method: &'static str, params: Value, answer: oneshot::Sender<Result<Value, Problem>> },
    Watch { run: String, progress: watch::Sender<Progress> },
}

impl Peer {
    /// Makes a request and waits for its answer, at most [`REQUEST_TIMEOUT`]. What it did may have been done even when
    /// the answer is lost, so only requests that may be repeated are made like this.
    pub async fn call(&self, method: &'static str, params: Value) -> Result<Value, Fault> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Call { method, params, answer }).await?;
        match timeout(REQUEST_TIMEOUT, answered).await {
            Err(_) => Err(Fault::passing("the OpenClaw gateway did not answer in time")),
            Ok(Err(_)) => Err(lost()),
            Ok(Ok(Err(problem))) => Err(problem.into_fault()),
            Ok(Ok(Ok(payload))) => Ok(payload),
        }
    }

    /// What is said of a run from now on. It ends with the connection. Whoever watched the same run before is forgotten.
    pub async fn watch(&self, run: &str) -> Result<watch::Receiver<Progress>, Fault> {
        let (sender, receiver) = watch::channel(Progress::default());
        self.order(Order::Watch { run: run.to_owned(), progress: sender }).await?;
        Ok(receiver)
    }

    async fn order(&self, order: Order) -> Result<(), Fault> {
        self.orders.send(order).await.map_err(|_| lost())
    }
}

/// An open connection, as whoever keeps it up sees it.
pub struct Wire {
    socket: Socket,
    orders: mpsc::Receiver<Order>,
    calls: HashMap<String, oneshot::Sender<Result<Value, Problem>>>,
    watched: HashMap<String, watch::Sender<Progress>>,
    requests: u64,
    /// When anything was last received.
    heard: Instant,
    /// How long a living gateway is silent at most.
    tick: Duration,
}

/// Connects and says hello, within [`HELLO_TIMEOUT`].
pub async fn open(url: &str, tls: &Arc<rustls::ClientConfig>, hello: &Hello) -> Result<(Peer, Wire, Welcome), Refusal> {
    let later = |why: String| Refusal::Later(why, None);
    let in_time = timeout(HELLO_TIMEOUT, async {
        let limits =
            WebSocketConfig::default().max_message_size(Some(FRAME_BYTES_MAX)).max_frame_size(Some(FRAME_BYTES_MAX));
        let connector = Connector::Rustls(Arc::clone(tls));
        let mut socket = match connect_async_tls_with_config(url, Some(limits), true, Some(connector)).await {
            Ok((socket, _)) => socket,
            Err(WsError::Http(response)) => {
                // A gateway that comes to its end says 503.
                let status = response.status();
                let what = if status.is_server_error() { "the OpenClaw gateway is not ready" } else { NO_GATEWAY };
                return Err(later(format!("{what} (HTTP {})", status.as_u16())));
            }
            Err(WsError::Io(error)) => return Err(later(format!("the OpenClaw gateway cannot be reached ({error})"))),
            Err(error) => return Err(later(format!("the OpenClaw gateway cannot be reached: {error}"))),
        };
        let challenge = loop {
            match receive(&mut socket).await.map_err(later)? {
                Some(Frame::Event { event, payload }) if event == "connect.challenge" => {
                    let challenge = serde_json::from_value::<Challenge>(payload);
                    break challenge
                        .map_err(|_| later("the OpenClaw gateway sent a challenge without its time".into()))?;
                }
                _ => {}
            }
        };
        send(&mut socket, request(CONNECT, "connect", &hello.params(&challenge))).await.map_err(later)?;
        loop {
            match receive(&mut socket).await.map_err(later)? {
                Some(Frame::Res { id, ok: true, payload, .. }) if id == CONNECT => {
                    return Ok((socket, Welcome::read(payload)?));
                }
                Some(Frame::Res { id, error, .. }) if id == CONNECT => return Err(refusal(error.unwrap_or_default())),
                _ => {}
            }
        }
    });
    let said_nothing = |_| later(format!("the OpenClaw gateway said no hello within {} s", HELLO_TIMEOUT.as_secs()));
    let (socket, welcome) = in_time.await.map_err(said_nothing)??;
    let (sender, orders) = mpsc::channel(ORDERS_MAX);
    let wire = Wire {
        socket,
        orders,
        calls: HashMap::new(),
        watched: HashMap::new(),
        requests: 0,
        heard: Instant::now(),
        tick: welcome.tick(),
    };
    Ok((Peer { orders: sender, room: welcome.room() }, wire, welcome))
}

impl Wire {
    /// Serves questions until the connection is over, and answers why. `aborts` are parameters of `chat.abort`.
    pub async fn serve(mut self, aborts: &mut mpsc::Receiver<Value>) -> String {
        loop {
            let silent = self.heard + 2 * self.tick;
            let done = tokio::select! {
                biased;
                frame = receive(&mut self.socket) => frame.map(|frame| self.hear(frame)),
                () = sleep_until(silent) => Err(format!("nothing was heard for {} s", (2 * self.tick).as_secs())),
                Some(params) = aborts.recv() => self.request("chat.abort", &params).await.map(drop),
                // The line holds a peer as long as it serves this.
                Some(order) = self.orders.recv() => self.perform(order).await,
            };
            if let Err(why) = done {
                return why;
            }
        }
    }

    fn hear(&mut self, frame: Option<Frame>) {
        self.heard = Instant::now();
        match frame {
            Some(Frame::Res { id, ok, payload, error }) => {
                if let Some(answer) = self.calls.remove(&id) {
                    // Whoever gave up waiting needs no answer.
                    let _ = answer.send(if ok { Ok(payload) } else { Err(error.unwrap_or_default()) });
                }
            }
            Some(Frame::Event { event, payload }) if event == "chat" => {
                // What cannot be read is made good by the next look at the transcript.
                let Ok(chat) = serde_json::from_value::<ChatEvent>(payload) else { return };
                if let Some(progress) = self.watched.get(&chat.run_id) {
                    progress.send_modify(|progress| progress.apply(chat));
                }
            }
            Some(Frame::Event { .. } | Frame::Unknown) | None => {}
        }
    }

    async fn perform(&mut self, order: Order) -> Result<(), String> {
        match order {
            Order::Call { method, params, answer } => {
                // Nobody waits for it any more: sent now, it would come after the stop that ended the waiting.
                if answer.is_closed() {
                    return Ok(());
                }
                self.calls.retain(|_, answer| !answer.is_closed());
                let id = self.request(method, &params).await?;
                self.calls.insert(id, answer);
            }
            Order::Watch { run, progress } => {
                self.watched.retain(|_, progress| !progress.is_closed());
                self.watched.insert(run, progress);
            }
        }
        Ok(())
    }

    async fn request(&mut self, method: &str, params: &Value) -> Result<String, String> {
        self.requests += 1;
        let id = self.requests.to_string();
        send(&mut self.socket, request(&id, method, params)).await?;
        Ok(id)
    }
}

/// The next frame, or nothing for what only shows that the gateway lives. Safe to drop half-way.
async fn receive(socket: &mut Socket) -> Result<Option<Frame>, String> {
    match socket.next().await {
        // Without the parser's words: they may quote a message.
        Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
            Ok(frame) => Ok(Some(frame)),
            Err(_) => Err("the OpenClaw gateway sent what cannot be read".to_owned()),
        },
        Some(Ok(Message::Close(frame))) => {
            let (code, reason) =
                frame.map_or((1005, String::new()), |frame| (frame.code.into(), frame.reason.to_string()));
            Err(format!("the OpenClaw gateway closed the connection ({code} {reason})"))
        }
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(format!("the connection to the OpenClaw gateway broke: {error}")),
        None => Err("the connection to the OpenClaw gateway ended".to_owned()),
    }
}

async fn send(socket: &mut Socket, text: String) -> Result<(), String> {
    match timeout(SEND_TIMEOUT, socket.send(Message::text(text))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("the connection to the OpenClaw gateway broke: {error}")),
        Err(_) => Err(format!("the OpenClaw gateway took nothing for {} s", SEND_TIMEOUT.as_secs())),
    }
}

fn lost() -> Fault {
    Fault::passing("the connection to the OpenClaw gateway broke")
}

/// The id of the first request; the others count from 1.
const CONNECT: &str = "connect";
/// One frame: what a gateway itself takes at most (`MAX_PAYLOAD_BYTES`).
const FRAME_BYTES_MAX: usize = 25 * 1024 * 1024;
/// From dialling to `hello-ok`; a gateway waits as long for the `connect` request.
const HELLO_TIMEOUT: Duration = Duration::from_secs(15);
/// Requests that wait to be sent; beyond it questions wait.
const ORDERS_MAX: usize = 64;
/// As OpenClaw's own client has it (docs/gateway/protocol/versioning.md).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
