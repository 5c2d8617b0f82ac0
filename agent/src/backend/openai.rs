//! Asks an OpenAI-compatible server: `POST {base}/chat/completions`, streamed as server-sent events.
//! LM Studio, Ollama, vLLM and others speak it; <https://platform.openai.com/docs/api-reference/chat> describes it.

use std::fmt;
use std::time::{Duration, Instant};

use eventsource_stream::{EventStreamError, Eventsource};
use futures_util::{StreamExt, TryStreamExt};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tracing::warn;

use crate::backend::shown::Shown;
use crate::backend::{Event, Failure, Fault, Pieces, Question, shorten};
use crate::backoff::Backoff;
use crate::error::Stop;
use crate::files::Files;
use crate::http;

/// One model on one server.
pub struct OpenAi {
    client: Client,
    /// Without trailing slash.
    base: String,
    key: Option<String>,
    /// The one asked for, or the first that the server lists, once known.
    model: OnceCell<String>,
    system: Option<String>,
    files: Files,
}

impl OpenAi {
    /// Does not connect yet.
    pub fn new(
        client: Client,
        base: String,
        key: Option<String>,
        model: Option<String>,
        system: Option<String>,
        files: Files,
    ) -> Self {
        OpenAi { client, base, key, model: OnceCell::new_with(model), system, files }
    }

    /// The model's name; asks the server the first time.
    pub async fn model(&self) -> Result<&str, Fault> {
        let ask = || first_model(&self.client, &self.base, self.key.as_deref());
        self.model.get_or_try_init(ask).await.map(String::as_str)
    }

    /// Tries until there is an answer, the fault is final, or [`RETRY_TOTAL`] is over.
    pub async fn answer(&self, mut question: Question, pieces: &Pieces) -> Result<(), Failure> {
        let mut shown = Shown::of(question.spoken(), &question.files, &self.files).await;
        let began = Instant::now();
        let mut backoff = Backoff::new(RETRY_BASE, RETRY_MAX);
        loop {
            let (failure, after) = match self.attempt(&question, &shown, pieces).await {
                Ok(()) => return Ok(()),
                Err(Fault::Unfit(failure)) if shown.has_images() => {
                    warn!("{}, asked with images: it is asked again without them", failure.reason);
                    shown.drop_images();
                    pieces.put(Event::Restart).await;
                    continue;
                }
                // Most likely the talk has become longer than the model's context: without this, no question of it would
                // be answered any more.
                Err(Fault::Unfit(failure)) if !question.turns.is_empty() => {
                    question.turns.drain(..question.turns.len().div_ceil(2));
                    warn!("{}: it is asked again with {} turns before it", failure.reason, question.turns.len());
                    pieces.put(Event::Restart).await;
                    continue;
                }
                Err(Fault::Final(failure) | Fault::Unfit(failure)) => return Err(failure),
                Err(Fault::Passing { failure, after }) => (failure, after),
            };
            let delay = backoff.next(fastrand::f64()).max(after.unwrap_or_default());
            if began.elapsed() + delay > RETRY_TOTAL {
                return Err(failure.given_up(began.elapsed(), after));
            }
            warn!("{}; next attempt in {} ms", failure.reason, delay.as_millis());
            pieces.put(Event::Restart).await;
            tokio::time::sleep(delay).await;
        }
    }

    async fn attempt(&self, question: &Question, shown: &Shown, pieces: &Pieces) -> Result<(), Fault> {
        let mut messages = Vec::new();
        messages.extend(self.system.iter().map(|system| json!({ "role": "system", "content": system })));
        for turn in &question.turns {
            messages.push(json!({ "role": "user", "content": turn.question }));
            messages.push(json!({ "role": "assistant", "content": turn.answer }));
        }
        messages.push(json!({ "role": "user", "content": shown.content() }));
        let body = json!({ "model": self.model().await?, "messages": messages, "stream": true });

        let request = self.client.post(format!("{}/chat/completions", self.base)).json(&body);
        let response = send(request, self.key.as_deref(), WORD_TIMEOUT).await?;
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if content_type.is_some_and(|value| value.starts_with("application/json")) {
            let value: Value = serde_json::from_slice(&read_body(response, BODY_BYTES_MAX).await?).unwrap_or_default();
            return Err(match value.get("error") {
                Some(error) => stream_fault(error),
                None => Fault::last("the model server does not stream its answers"),
            });
        }
        read_stream(response, pieces).await
    }
}

impl fmt::Display for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = self.model.get().map_or("its first model", String::as_str);
        write!(f, "{model} at {}", self.base)
    }
}

/// Hands over the answer's pieces. A stream that ends without `[DONE]` or a finish reason was cut off.
async fn read_stream(response: Response, pieces: &Pieces) -> Result<(), Fault> {
    let mut bytes = 0;
    let limited = response.bytes_stream().map_err(Broken::Transport).and_then(|chunk| {
        bytes += chunk.len();
        std::future::ready(if bytes > STREAM_BYTES_MAX { Err(Broken::TooLong) } else { Ok(chunk) })
    });
    let mut events = std::pin::pin!(limited.eventsource());
    let (mut finished, mut empty, mut limit, mut silence) = (false, true, None, WORD_TIMEOUT);
    loop {
        // Nothing of the answer follows a finish reason: a server that forgets `[DONE]` delays nobody.
        let patience = if finished { AFTER_FINISH } else { silence };
        let event = match timeout(patience, events.next()).await {
            Ok(Some(event)) => event,
            Err(_) if !finished => return Err(Fault::passing(LATE)),
            Ok(None) | Err(_) => break,
        };
        silence = READ_IDLE_TIMEOUT;
        let event = match event {
            Ok(event) => event,
            // Some servers drop the connection after the last chunk: nothing is missing then.
            Err(_) if finished => break,
            Err(EventStreamError::Transport(Broken::TooLong)) => {
                return Err(Fault::last("the model server's answer does not end"));
            }
            Err(EventStreamError::Transport(Broken::Transport(error))) => return Err(http_fault(&error)),
            Err(EventStreamError::Utf8(_) | EventStreamError::Parser(_)) => {
                return Err(Fault::passing("the model server sent something that is not an event stream"));
            }
        };
        if event.data.trim() == "[DONE]" {
            finished = true;
            break;
        }
        let Ok(chunk) = serde_json::from_str::<Chunk>(&event.data) else {
            return Err(Fault::passing("the model server sent a piece that cannot be read"));
        };
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(stream_fault(&error));
        }
        let Some(choice) = chunk.choices.unwrap_or_default().into_iter().next() else { continue };
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
            finished = true;
            limit = limit_of(&reason);
        }
        if let Some(text) = choice.delta.and_then(|delta| delta.content).filter(|text| !text.is_empty()) {
            empty &= text.trim().is_empty();
            pieces.put(Event::Piece(text)).await;
        }
    }
    match (finished, empty) {
        (false, _) => Err(Fault::passing("the model server broke off in the middle of an answer")),
        (true, true) => Err(Fault::last(limit.map_or("the model gave an empty answer", |limit| limit.before))),
        (true, false) => {
            if let Some(Limit { notice, .. }) = limit {
                pieces.put(Event::Piece(notice.to_owned())).await;
            }
            Ok(())
        }
    }
}

/// Why a server ended an answer that is not whole: what the person reads below it, or in place of it.
struct Limit {
    notice: &'static str,
    before: &'static str,
}

/// <https://platform.openai.com/docs/api-reference/chat/streaming>, `finish_reason`.
fn limit_of(reason: &str) -> Option<Limit> {
    match reason {
        "length" => Some(Limit {
            notice: "\n… [cut: the model's limit of tokens]",
            before: "the model reached its limit of tokens before it answered: give it a larger context, or begin anew \
                     with /new",
        }),
        "content_filter" => Some(Limit {
            notice: "\n… [cut: the model's content filter]",
            before: "the model's content filter took the answer away",
        }),
        _ => None,
    }
}

/// The first model that the server lists, passing over those that only make embeddings.
pub async fn first_model(client: &Client, base: &str, key: Option<&str>) -> Result<String, Fault> {
    let response = send(client.get(format!("{base}/models")), key, READ_IDLE_TIMEOUT).await?;
    let body = read_body(response, BODY_BYTES_MAX).await?;
    let Ok(list) = serde_json::from_slice::<ModelList>(&body) else {
        return Err(Fault::last("what answers at the model server's address does not list models"));
    };
    let mut ids = list.data.unwrap_or_default().into_iter().map(|model| model.id).collect::<Vec<_>>();
    ids.sort_by_key(|id| id.contains("embed"));
    ids.into_iter().next().ok_or_else(|| Fault::passing("the model server has no model loaded"))
}

/// The HTTP client for the model server at this base URL.
pub fn client(base: &str) -> Result<Client, Stop> {
    let failed = |error: &dyn fmt::Display| Stop::Failed(format!("cannot set up HTTP: {error}"));
    let base = Url::parse(base).map_err(|error| failed(&error))?;
    http::client(&base)?.connect_timeout(CONNECT_TIMEOUT).build().map_err(|error| failed(&error))
}

/// Sends, waits so long for an answer to begin, and sorts those that are no success.
async fn send(request: RequestBuilder, key: Option<&str>, patience: Duration) -> Result<Response, Fault> {
    let request = match key {
        Some(key) => request.bearer_auth(key),
        None => request,
    };
    let sent = timeout(patience, request.send()).await.map_err(|_| Fault::passing(LATE))?;
    let response = sent.map_err(|error| http_fault(&error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let why = format!("the model server answered {}", status.as_u16());
    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let body = read_body(response, ERROR_BYTES_MAX).await.unwrap_or_default();
    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
    let said = value.get("error").or(value.get("message")).map(error_text);
    let said = said.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
    let is_unfit = is_unfit(&said);
    let failure = Failure { reason: why, said: shorten(&said) };
    Err(match status.as_u16() {
        400 | 413 | 415 | 422 => Fault::Unfit(failure),
        404 | 500.. if is_unfit => Fault::Unfit(failure),
        408 | 429 | 500.. => Fault::Passing { failure, after: after.map(Duration::from_secs) },
        _ => Fault::Final(failure),
    })
}

/// What servers say, whatever the status, of pictures that their model does not see (llama.cpp: 500, OpenRouter: 404), and
/// of a talk that is longer than its context (llama.cpp: 400 or 500).
fn is_unfit(said: &str) -> bool {
    ["image input", "context size", "context length", "context window"].iter().any(|part| said.contains(part))
}

async fn read_body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    loop {
        let chunk = timeout(READ_IDLE_TIMEOUT, response.chunk()).await.map_err(|_| Fault::passing(LATE))?;
        let Some(chunk) = chunk.map_err(|error| http_fault(&error))? else { return Ok(body) };
        body.extend_from_slice(&chunk);
        if body.len() > bytes_max {
            return Err(Fault::last("the model server's answer is too long"));
        }
    }
}

fn http_fault(error: &reqwest::Error) -> Fault {
    if error.is_builder() || error.is_redirect() {
        return Fault::last("the model server's address does not work");
    }
    Fault::passing(match (error.is_timeout(), error.is_connect()) {
        (true, _) => LATE,
        (false, true) => "the model server cannot be reached",
        (false, false) => "the connection to the model server broke",
    })
}

/// An error object inside a stream: passing if it carries the code of a passing HTTP error.
fn stream_fault(error: &Value) -> Fault {
    let why = "the model server reported an error";
    let code = error.get("code").or(error.get("status")).and_then(Value::as_u64);
    let said = error_text(error);
    let is_unfit = code == Some(400) || is_unfit(&said);
    let failure = Failure { reason: why.to_owned(), said: shorten(&said) };
    match code {
        _ if is_unfit => Fault::Unfit(failure),
        Some(429 | 500..600) => Fault::Passing { failure, after: None },
        _ => Fault::Final(failure),
    }
}

fn error_text(error: &Value) -> String {
    let text = error.get("message").unwrap_or(error);
    text.as_str().map_or_else(|| text.to_string(), str::to_owned)
}

#[derive(Debug)]
enum Broken {
    TooLong,
    Transport(reqwest::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::TooLong => f.write_str("too long"),
            Broken::Transport(error) => error.fmt(f),
        }
    }
}

// Only what is used of a chunk. `reasoning_content` and tool calls are no part of the answer.
#[derive(Deserialize)]
struct Chunk {
    error: Option<Value>,
    choices: Option<Vec<Choice>>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

#[derive(Deserialize)]
struct ModelList {
    data: Option<Vec<Model>>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

const AFTER_FINISH: Duration = Duration::from_secs(1);
/// Body of a list of models, or of an answer that is no stream.
const BODY_BYTES_MAX: usize = 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ERROR_BYTES_MAX: usize = 64 * 1024;
const LATE: &str = "the model server did not answer in time";
/// Longest silence within an answer, and until anything else begins.
const READ_IDLE_TIMEOUT: Duration = Duration::from_secs(120);
const RETRY_BASE: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// No attempt begins later than this after the question's first.
const RETRY_TOTAL: Duration = Duration::from_secs(600);
/// One streamed answer, with its wrapping and reasoning; the text itself is limited by the desk.
const STREAM_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest silence before the first word of an answer. A server may have to load its model, to read a long question at
/// 50 tokens a second, and to answer others before that, and begins anew with all of it when its client leaves; `/stop` and
/// the question's time to live (24 h) end it sooner.
const WORD_TIMEOUT: Duration = Duration::from_secs(30 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_errors_are_sorted_by_code() {
        let check = |error: Value, expected: Option<&str>| match (stream_fault(&error), expected) {
            (Fault::Final(failure) | Fault::Unfit(failure), Some(said)) => assert_eq!(failure.said, said),
            (Fault::Passing { .. }, None) => {}
            (fault, expected) => panic!("{error}: {fault:?} is not {expected:?}"),
        };
        check(json!({ "message": "context too long", "code": 400 }), Some("context too long"));
        check(json!({ "message": "no code" }), Some("no code"));
        check(json!("plain"), Some("plain"));
        check(json!({ "message": "overloaded", "code": 503 }), None);
        check(json!({ "message": "slow down", "code": 429 }), None);
        check(json!("é".repeat(400)), Some(&"é".repeat(300)));
    }
}
