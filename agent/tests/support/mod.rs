//! A fake relay, a fake model server, and the real program between them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use protocol::{ClientFrame, Cursor, File, decode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver as Receiver, unbounded_channel};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// Far beyond what anything takes, so that a loaded machine fails no test.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// What a person who stops an answer waits for it at most.
const SOON: Duration = Duration::from_secs(1);
pub const KEY: &str = "k3y-s3cret";

pub struct Relay {
    listener: TcpListener,
    pub url: String,
}

impl Relay {
    pub async fn start() -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Relay { listener, url }
    }

    /// The next connection, with key and subprotocol checked, and the cursor of its `hello`.
    pub async fn accept(&self) -> (Peer, Option<Cursor>) {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("nobody dials").unwrap();
        #[allow(clippy::result_large_err)]
        let check = |request: &Request, mut response: Response| {
            let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(request.uri().path(), "/v1/ws");
            assert_eq!(header("authorization"), Some(format!("Bearer {KEY}")));
            assert_eq!(header("sec-websocket-protocol").as_deref(), Some("claw-relay.v1"));
            response.headers_mut().insert("sec-websocket-protocol", "claw-relay.v1".parse().unwrap());
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, check).await.unwrap();
        let mut peer = Peer { socket, open: Vec::new(), unread: Vec::new() };
        match peer.next().await {
            ClientFrame::Hello { cursor, open, .. } => {
                peer.open = open.into_iter().map(|seq| seq.0).collect();
                (peer, cursor)
            }
            other => panic!("expected hello, got {other:?}"),
        }
    }

    /// From now on answers requests for files, each by its path, and takes files. They are answered as `fil_1` and so on,
    /// and told to whoever holds the receiver: the request's head and body.
    pub fn keep(self, files: Vec<(&'static str, u16, &'static str, Vec<u8>)>) -> Receiver<(String, String)> {
        let (told, uploads) = unbounded_channel();
        tokio::spawn(async move {
            let mut count = 0;
            while let Ok((mut stream, _)) = self.listener.accept().await {
                let Some((head, body)) = read_request(&mut stream).await else { continue };
                let path = head.split(' ').nth(1).unwrap();
                let (status, media_type, bytes) = if head.starts_with("POST /v1/files?name=") {
                    count += 1;
                    let file = json!({ "id": format!("fil_{count}"), "name": "n", "kind": "file", "url": format!("{}/v1/files/{count}", self.url) });
                    (201, "application/json", file.to_string().into_bytes())
                } else {
                    let known = files.iter().find(|(known, ..)| *known == path);
                    let (_, status, media_type, bytes) = known.unwrap_or_else(|| panic!("no such file: {head}"));
                    (*status, *media_type, bytes.clone())
                };
                let length = bytes.len();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                // Whoever reads only the beginning of a file hangs up.
                let _ = stream.write_all(&[answer.as_bytes(), &bytes].concat()).await;
                let _ = stream.shutdown().await;
                if status == 201 {
                    let _ = told.send((head, body));
                }
            }
        });
        uploads
    }

    /// Answers the next handshake with a plain HTTP status.
    pub async fn refuse(&self, status: u16) {
        let (mut stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("nobody dials").unwrap();
        let _ = read_request(&mut stream).await;
        let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

pub struct Peer {
    pub socket: WebSocketStream<TcpStream>,
    /// What the `hello` said to hold.
    pub open: Vec<u64>,
    unread: Vec<ClientFrame>,
}

impl Peer {
    /// The next frame. Pings are answered on the way.
    pub async fn next(&mut self) -> ClientFrame {
        timeout(PATIENCE, self.frame()).await.expect("silence")
    }

    async fn frame(&mut self) -> ClientFrame {
        loop {
            if !self.unread.is_empty() {
                return self.unread.remove(0);
            }
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) if text.as_str() == "ping" => self.text("pong").await,
                Some(Ok(Message::Text(text))) => self.unread = decode(&text).unwrap(),
                other => panic!("expected a frame, got {other:?}"),
            }
        }
    }

    /// The code with which the other side closes; frames before it are skipped.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("silence") {
                Some(Ok(Message::Close(frame))) => return frame.unwrap().code.into(),
                Some(Ok(_)) => {}
                other => panic!("expected a close frame, got {other:?}"),
            }
        }
    }

    /// Waits until the connection is gone, in whatever way.
    pub async fn gone(&mut self) {
        while let Some(Ok(_)) = timeout(PATIENCE, self.socket.next()).await.expect("still connected") {}
    }

    pub async fn text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub async fn send(&mut self, frame: Value) {
        self.text(&frame.to_string()).await;
    }

    pub async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        self.socket.close(Some(frame)).await.unwrap();
    }

    pub async fn welcome(&mut self, cursor: &str, resumed: Value) {
        self.send(welcome(cursor, resumed, 30_000)).await;
    }

    pub async fn started(&mut self) {
        self.welcome("1.0", json!({ "outcome": "started", "after": 0 })).await;
    }

    /// Sends a question and waits for its `ack`.
    pub async fn ask(&mut self, seq: u64, text: &str) {
        self.send(question(seq, "web", text)).await;
        assert_eq!(self.acked().await, seq);
    }

    /// The next `ack`; everything before it is skipped.
    pub async fn acked(&mut self) -> u64 {
        loop {
            if let ClientFrame::Ack { seq } = self.next().await {
                return seq.0;
            }
        }
    }

    /// Puts deltas together, as a device would, until the final answer, and accepts it.
    pub async fn answer(&mut self, seq: u64) -> Answer {
        let answer = self.unaccepted_answer(seq).await;
        self.send(accepted(seq)).await;
        answer
    }

    pub async fn unaccepted_answer(&mut self, seq: u64) -> Answer {
        let (mut shown, mut offsets): (Vec<u16>, Vec<u64>) = Default::default();
        loop {
            match self.next().await {
                ClientFrame::Delta { reply_to, offset, text } if reply_to.0 == seq => {
                    assert!(offset as usize <= shown.len(), "a hole before {offset}");
                    shown.truncate(offset as usize);
                    shown.extend(text.encode_utf16());
                    offsets.push(offset);
                }
                ClientFrame::Reply { reply_to, text, files, .. } if reply_to.0 == seq => {
                    return Answer { text: Ok(text), files, shown: String::from_utf16(&shown).unwrap(), offsets };
                }
                ClientFrame::Done { reply_to } if reply_to.0 == seq => {
                    let shown = String::from_utf16(&shown).unwrap();
                    return Answer { text: Ok("(done)".to_owned()), files: Vec::new(), shown, offsets };
                }
                ClientFrame::Fail { reply_to, reason } if reply_to.0 == seq => {
                    return Answer {
                        text: Err(reason),
                        files: Vec::new(),
                        shown: String::from_utf16(&shown).unwrap(),
                        offsets,
                    };
                }
                ClientFrame::Ack { .. } => {}
                other => panic!("expected the answer to {seq}, got {other:?}"),
            }
        }
    }

    /// The questions of which anything is said, in order, until the final answer to `last`, which is accepted.
    pub async fn heard_of(&mut self, last: u64) -> Vec<u64> {
        let mut heard = Vec::new();
        loop {
            let frame = self.next().await;
            match frame {
                ClientFrame::Ack { .. } => {}
                ClientFrame::Delta { reply_to, .. } | ClientFrame::Reply { reply_to, .. } => heard.push(reply_to.0),
                other => panic!("unexpected {other:?}"),
            }
            if matches!(frame, ClientFrame::Reply { reply_to, .. } if reply_to.0 == last) {
                self.send(accepted(last)).await;
                heard.dedup();
                return heard;
            }
        }
    }

    /// The first piece of the answer that is being made, from its beginning.
    pub async fn first_delta(&mut self, seq: u64) -> String {
        loop {
            if let ClientFrame::Delta { reply_to, offset: 0, text } = self.next().await {
                assert_eq!(reply_to.0, seq);
                return text;
            }
        }
    }
}

#[derive(Debug)]
pub struct Answer {
    /// The text, or why there is none.
    pub text: Result<String, String>,
    pub files: Vec<File>,
    /// What a device shows just before the final answer.
    pub shown: String,
    pub offsets: Vec<u64>,
}

pub fn welcome(cursor: &str, resumed: Value, ping_ms: u64) -> Value {
    json!({ "type": "welcome", "user": "usr_1", "cursor": cursor, "resumed": resumed, "window": 256, "ping_ms": ping_ms })
}

pub fn question(seq: u64, conversation: &str, text: &str) -> Value {
    json!({ "type": "message", "seq": seq, "id": format!("m-{seq}"), "conversation": conversation,
        "from": { "kind": "user", "via": "web" }, "at_ms": 1, "text": text, "state": "queued" })
}

/// A question of someone in a group, whose name the platform may tell.
pub fn in_group(seq: u64, name: Option<&str>, text: &str) -> Value {
    let mut message = question(seq, "telegram:main:-1", text);
    message["from"] = json!({ "kind": "user", "via": "telegram", "sender": "5", "group": true });
    name.iter().for_each(|name| message["from"]["name"] = json!(name));
    message
}

/// A file beside a question, at this path of the relay's; or anywhere.
pub fn file(name: &str, kind: &str, media_type: Option<&str>, bytes: Option<u64>, url: &str) -> Value {
    let mut file = json!({ "id": "fil_0", "name": name, "kind": kind, "url": url });
    media_type.iter().for_each(|media_type| file["media_type"] = json!(media_type));
    bytes.iter().for_each(|bytes| file["bytes"] = json!(bytes));
    file
}

pub fn stop(seq: u64) -> Value {
    json!({ "type": "stop", "reply_to": seq })
}

pub fn accepted(seq: u64) -> Value {
    json!({ "type": "accepted", "id": format!("reply:{seq}"), "seq": seq + 1_000 })
}

/// What the fake model server does with one `POST /chat/completions`.
pub enum Script {
    /// Streams the pieces, then breaks off.
    BreakOff(&'static [&'static str]),
    /// Streams the pieces, then says nothing more until the client hangs up. Without pieces not even a head.
    Hang(&'static [&'static str]),
    /// Answers 429 and asks for this many seconds of patience.
    Later(u64),
    /// Answers with these lines as an event stream.
    Raw(&'static str),
    /// Answers with an HTTP error and this body.
    Status(u16, &'static str),
    /// Streams the pieces and ends as it should.
    Stream(&'static [&'static str]),
}

pub struct Model {
    pub url: String,
    /// Bodies of the requests so far.
    pub asked: Arc<Mutex<Vec<Value>>>,
    /// One for each request so far, and for each [`Script::Hang`] that the client ended.
    requests: Receiver<()>,
    hung_up: Receiver<()>,
}

impl Model {
    pub async fn start(scripts: Vec<Script>) -> Model {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let (request, requests) = unbounded_channel();
        let (hang_up, hung_up) = unbounded_channel();
        tokio::spawn(async move {
            let mut scripts = scripts.into_iter();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let Some((head, body)) = read_request(&mut stream).await else { continue };
                let answer = if head.starts_with("GET /v1/models ") {
                    http(200, "application/json", r#"{"object":"list","data":[{"id":"fake-model"}]}"#)
                } else {
                    assert!(head.starts_with("POST /v1/chat/completions "), "{head}");
                    log.lock().unwrap().push(serde_json::from_str(&body).unwrap());
                    let _ = request.send(());
                    match scripts.next().expect("asked too often") {
                        Script::BreakOff(pieces) => {
                            event_stream(&pieces.iter().copied().map(chunk).collect::<String>())
                        }
                        Script::Hang(pieces) => {
                            let hang_up = hang_up.clone();
                            tokio::spawn(async move {
                                if !pieces.is_empty() {
                                    let answer = event_stream(&pieces.iter().copied().map(chunk).collect::<String>());
                                    stream.write_all(answer.as_bytes()).await.unwrap();
                                }
                                // Its end, or that it broke.
                                let _ = stream.read(&mut [0]).await;
                                let _ = hang_up.send(());
                            });
                            continue;
                        }
                        Script::Later(seconds) => format!(
                            "HTTP/1.1 429 X\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                        ),
                        Script::Raw(lines) => event_stream(lines),
                        Script::Status(status, body) => http(status, "application/json", body),
                        Script::Stream(pieces) => {
                            let chunks = pieces.iter().copied().map(chunk).collect::<String>();
                            let end = json!({ "choices": [{ "delta": { "content": null }, "finish_reason": "stop" }] });
                            event_stream(&format!("{chunks}data: {end}\n\ndata: [DONE]\n\n"))
                        }
                    }
                };
                stream.write_all(answer.as_bytes()).await.unwrap();
                let _ = stream.shutdown().await;
            }
        });
        Model { url, asked, requests, hung_up }
    }

    /// The next request is here.
    pub async fn requested(&mut self) {
        timeout(PATIENCE, self.requests.recv()).await.expect("the model is not asked").unwrap();
    }

    /// The client ends the request that hangs, soon.
    pub async fn hung_up(&mut self) {
        timeout(SOON, self.hung_up.recv()).await.expect("the model goes on for nobody").unwrap();
    }

    /// What the model was told in its request number `n`, counted from 0: questions and answers in turn.
    pub fn told(&self, n: usize) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let messages = asked[n]["messages"].as_array().unwrap();
        messages.iter().map(|message| message["content"].as_str().unwrap().to_owned()).collect()
    }
}

fn chunk(text: &str) -> String {
    let chunk = json!({ "choices": [{ "index": 0, "delta": { "content": text, "reasoning_content": "hm" }, "finish_reason": null }] });
    format!("data: {chunk}\n\n")
}

fn event_stream(lines: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{lines}")
}

fn http(status: u16, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// Head and body of an HTTP request; `None` if the client went away.
async fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&more[..read]),
            _ => return None,
        }
    }
}

/// The program. Killed when dropped.
pub struct Agent {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Agent {
    /// `claw-agent run`, with the test's key and a state directory.
    pub fn run(relay: &str, state: &tempfile::TempDir, more: &[&str]) -> Agent {
        let state = state.path().to_str().unwrap();
        Agent::start(&[&["run", "--relay", relay, "--key", KEY, "--state-dir", state], more].concat())
    }

    pub fn start(args: &[&str]) -> Agent {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claw-agent"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CLAW_AGENT_") {
                command.env_remove(name);
            }
        }
        // Neither the tester's own config file nor the tester's own log level.
        command.env("XDG_CONFIG_HOME", "/nonexistent").env("RUST_LOG", "trace");
        // A proxy that answers nobody, and that nothing on this machine needs.
        command.env("HTTP_PROXY", "http://127.0.0.1:9").env("ALL_PROXY", "http://127.0.0.1:9").env_remove("NO_PROXY");
        let mut child = command.args(args).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                eprintln!("{line}");
                kept.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Agent { child, log }
    }

    /// SIGKILL: no chance to tidy up.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end: exit code and everything that was logged.
    pub async fn exit(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // The log's last line may still be on its way through the pipe.
                tokio::time::sleep(Duration::from_millis(100)).await;
                return (status.code(), self.log.lock().unwrap().clone());
            }
            assert!(began.elapsed() < PATIENCE, "still running");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
