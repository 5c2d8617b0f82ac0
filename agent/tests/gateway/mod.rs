//! A fake OpenClaw gateway: speaks the protocol as version 2026.9.6 does, checks what it is sent, and does what the test
//! says.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

pub const TOKEN: &str = "gat3way-s3cret";
const NONCE: &str = "0a1b-nonce";
/// Not now: whoever signs its own clock's time is refused.
const CHALLENGE_MS: u64 = 1_795_312_480_674;
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Gateway {
    listener: TcpListener,
    pub url: String,
}

impl Gateway {
    pub async fn start() -> Gateway {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        Gateway { listener, url }
    }

    /// The next connection, with its hello checked and answered.
    pub async fn accept(&self) -> Client {
        self.welcome(json!({})).await
    }

    /// The same, with this policy.
    pub async fn welcome(&self, policy: Value) -> Client {
        let mut client = self.connect().await;
        let hello = json!({
            "type": "hello-ok",
            "protocol": 4,
            "server": { "version": "2026.9.6", "connId": "c-1" },
            "features": { "methods": ["chat.send"], "events": ["chat"] },
            "snapshot": {},
            "auth": { "role": "operator", "scopes": ["operator.read", "operator.write"] },
            "policy": policy,
        });
        client.ok(hello).await;
        client
    }

    /// Answers the next request for a file.
    pub async fn hand_over(&self, path: &str, text: &str) {
        let (mut stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("nobody asks").unwrap();
        let mut head = [0; 4096];
        let length = stream.read(&mut head).await.unwrap();
        let head = String::from_utf8_lossy(&head[..length]).into_owned();
        assert!(head.starts_with(&format!("GET {path} ")), "{head}");
        let length = text.len();
        let answer = format!("HTTP/1.1 200 X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    /// Answers the next hello with this error, and closes.
    pub async fn refuse(&self, error: Value) {
        let mut client = self.connect().await;
        client.refuse(error).await;
        client.socket.close(None).await.unwrap();
    }

    async fn connect(&self) -> Client {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("nobody dials").unwrap();
        let socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let mut client = Client { socket, request: String::new(), device: String::new(), seq: 0 };
        let challenge = json!({ "nonce": NONCE, "ts": CHALLENGE_MS });
        client.send(json!({ "type": "event", "event": "connect.challenge", "payload": challenge })).await;
        let params = client.next("connect").await;
        client.device = check_hello(&params);
        client
    }
}

/// As `connect` is checked by a gateway: message-handler of version 2026.9.6. Answers the device's id.
fn check_hello(params: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert_eq!((&params["minProtocol"], &params["maxProtocol"]), (&json!(3), &json!(4)));
    assert_eq!((&params["client"]["id"], &params["client"]["mode"]), (&json!("gateway-client"), &json!("backend")));
    assert_eq!((&params["role"], &params["scopes"]), (&json!("operator"), &json!(["operator.read", "operator.write"])));
    assert_eq!(params["auth"], json!({ "token": TOKEN }));
    let device = &params["device"];
    assert_eq!((&device["nonce"], &device["signedAt"]), (&json!(NONCE), &json!(CHALLENGE_MS)));
    let key = Base64UrlUnpadded::decode_vec(device["publicKey"].as_str().unwrap()).unwrap();
    let id = Sha256::digest(&key).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(device["id"], json!(id), "the id is the fingerprint of the public key");
    let signed = [
        "v3",
        &id,
        "gateway-client",
        "backend",
        "operator",
        "operator.read,operator.write",
        &CHALLENGE_MS.to_string(),
        TOKEN,
        NONCE,
        &text(&params["client"]["platform"]),
        "",
    ];
    let signature = Base64UrlUnpadded::decode_vec(device["signature"].as_str().unwrap()).unwrap();
    let key = VerifyingKey::from_bytes(key.as_slice().try_into().unwrap()).unwrap();
    key.verify(signed.join("|").as_bytes(), &Signature::from_slice(&signature).unwrap())
        .expect("not signed by this key");
    id
}

pub struct Client {
    socket: WebSocketStream<TcpStream>,
    /// The latest request's id.
    request: String,
    /// The id of the device that said hello.
    pub device: String,
    seq: u64,
}

impl Client {
    /// The parameters of the next request, which must be this one.
    pub async fn next(&mut self, method: &str) -> Value {
        let (asked, params) = self.any().await;
        assert_eq!(asked, method, "{params}");
        params
    }

    /// The next request: its method and its parameters.
    pub async fn any(&mut self) -> (String, Value) {
        let frame = self.frame().await;
        assert_eq!(frame["type"], json!("req"), "{frame}");
        self.request = frame["id"].as_str().unwrap().to_owned();
        (frame["method"].as_str().unwrap().to_owned(), frame["params"].clone())
    }

    async fn frame(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("silence") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("expected a request, got {other:?}"),
            }
        }
    }

    /// Does what was asked latest.
    pub async fn ok(&mut self, payload: Value) {
        self.send(json!({ "type": "res", "id": self.request, "ok": true, "payload": payload })).await;
    }

    /// Does not do it.
    pub async fn refuse(&mut self, error: Value) {
        self.send(json!({ "type": "res", "id": self.request, "ok": false, "error": error })).await;
    }

    /// Answers the next look at a transcript, and checks whose.
    pub async fn show(&mut self, session: &str, transcript: Value) {
        let params = self.next("chat.history").await;
        assert_eq!(params["sessionKey"], json!(self.session(session)));
        self.ok(transcript).await;
    }

    /// The next question, which must have this key, is taken: its text, and which session it is for.
    pub async fn take(&mut self, key: &str, status: &str) -> (String, String) {
        let params = self.next("chat.send").await;
        assert_eq!((&params["idempotencyKey"], &params["queueMode"]), (&json!(key), &json!("followup")));
        self.ok(json!({ "runId": key, "status": status })).await;
        (params["message"].as_str().unwrap().to_owned(), params["sessionKey"].as_str().unwrap().to_owned())
    }

    /// A whole turn of a question that is new here.
    pub async fn answer(&mut self, session: &str, key: &str, text: &str) {
        self.show(session, json!({ "messages": [] })).await;
        self.take(key, "started").await;
        self.last(key, text).await;
    }

    pub async fn delta(&mut self, run: &str, text: &str) {
        self.chat(run, json!({ "state": "delta", "deltaText": "", "message": message(text) })).await;
    }

    /// The end of a run, and the look for files with its answer: there are none.
    pub async fn last(&mut self, run: &str, text: &str) {
        self.end(run, text, answered(text)).await;
    }

    /// The end of a run, and the look for files with its answer, which is this row of the transcript.
    pub async fn end(&mut self, run: &str, text: &str, row: Value) {
        self.chat(run, json!({ "state": "final", "stopReason": "stop", "message": message(text) })).await;
        self.next("chat.history").await;
        let info = json!({ "hasActiveRun": false, "status": "done", "lastRunId": run });
        self.ok(json!({ "messages": [asked(run), row], "sessionInfo": info })).await;
    }

    /// A `chat` event, among others that are for others.
    pub async fn chat(&mut self, run: &str, event: Value) {
        self.seq += 1;
        let mut payload = json!({ "runId": run, "sessionKey": "agent:main:x", "agentId": "main", "seq": self.seq });
        payload.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
        self.send(json!({ "type": "event", "event": "agent", "payload": { "runId": run, "stream": "assistant" } }))
            .await;
        self.send(json!({ "type": "event", "event": "chat", "payload": payload, "seq": self.seq })).await;
    }

    pub async fn send(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// Waits until the other side is gone.
    pub async fn gone(&mut self) {
        while let Some(Ok(_)) = timeout(PATIENCE, self.socket.next()).await.expect("still connected") {}
    }

    /// The key of this device's session with a conversation and a number, such as `web:0`.
    pub fn session(&self, session: &str) -> String {
        format!("claw-relay:{}:{session}", &self.device[..8])
    }
}

pub fn message(text: &str) -> Value {
    json!({ "role": "assistant", "content": [{ "type": "text", "text": text }], "timestamp": 1 })
}

/// Rows of a transcript: a question, and an answer.
pub fn asked(key: &str) -> Value {
    json!({ "role": "user", "content": "q", "idempotencyKey": format!("{key}:user"), "__openclaw": { "seq": 1 } })
}

pub fn answered(text: &str) -> Value {
    json!({ "role": "assistant", "content": [{ "type": "text", "text": text }], "stopReason": "stop" })
}
