//! What the Worker asks of a user's Hub, which is another object and perhaps elsewhere.

use protocol::{Code, ConversationId, Cursor, MessageId, Seq, UserId, from_json, json};
use relay::hub::{Before, Refusal, Role};
use relay::store::Question;
use serde::Serialize;

use crate::config::Config;
use crate::error::Error;
use crate::runtime::{Headers, Request, RequestInit, Response};

/// A request to a Hub from the Worker, which has checked who asks.
#[derive(Serialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// Open a socket.
    Connect {
        /// What for.
        role: Role,
        /// The ticket to use up, when it is a browser.
        ticket: Option<String>,
    },
    /// List the conversations.
    Conversations,
    /// List the questions that ended without an answer at their writer.
    DeadLetters,
    /// One page of the event log.
    Events {
        /// Before where.
        before: Option<Before>,
        /// How many.
        limit: u64,
    },
    /// One page of history.
    Messages {
        /// Of which conversation.
        conversation: ConversationId,
        /// Before where.
        before: Option<Cursor>,
        /// How many.
        limit: u64,
    },
    /// Commit a question.
    Post(Question),
    /// Its writer took this question back.
    Recall {
        /// Which one.
        id: MessageId,
    },
    /// Ask a question that ended without an answer once more.
    Replay {
        /// Which one.
        seq: Seq,
    },
}

from_json! {
    enum Ask by "ask" {
        "connect" => Connect { role, ticket },
        "conversations" => Conversations,
        "dead_letters" => DeadLetters,
        "events" => Events { before, limit },
        "messages" => Messages { conversation, before, limit },
        "post" => Post(..),
        "recall" => Recall { id },
        "replay" => Replay { seq },
    }
}

/// Commits a question in a user's Hub.
pub async fn post(config: &Config, user: &UserId, question: Question) -> Result<(), Error> {
    let response = ask(config, user, &Ask::Post(question)).await?;
    if response.status_code() == 200 {
        return Ok(());
    }
    let refusal: Problem = response.read().await.map_err(|error| Error::unavailable("the hub's answer", error))?;
    Err(Refusal { code: refusal.code(), detail: refusal.detail }.into())
}

/// Tells a user's Hub that a question was taken back.
pub async fn recall(config: &Config, user: &UserId, id: &MessageId) -> Result<(), Error> {
    let response = ask(config, user, &Ask::Recall { id: id.clone() }).await?;
    match response.status_code() {
        200 => Ok(()),
        status => Err(Error::unavailable("the hub does not answer", status)),
    }
}

/// Asks a user's Hub. Its answer is meant for the client as it is.
pub async fn ask(config: &Config, user: &UserId, ask: &Ask) -> Result<Response, Error> {
    let body = serde_json::to_string(ask).map_err(|error| Error::internal("asking the hub", error))?;
    // A socket is opened by a GET, which has no body: that one is asked in a header. Nothing else is, since headers are
    // logged and what people write must not be.
    let init = if let Ask::Connect { .. } = ask {
        let headers = Headers::new();
        headers.set("Upgrade", "websocket")?;
        // Headers are Latin-1, and an agent's name may be anything.
        headers.set(ASK_HEADER, &relay::auth::encode(body.as_bytes()))?;
        RequestInit::new("GET").headers(&headers)
    } else {
        RequestInit::new("POST").body(&body)
    };
    let hub = config.hubs()?.get_by_name(user.as_str())?;
    let asked = hub.fetch(&format!("{HUB}{user}"), &init).await;
    asked.map_err(|error| Error::unavailable("the hub does not answer", error))
}

/// What a Hub is asked.
pub async fn asked(request: &Request) -> Result<Ask, Error> {
    let ask = match request.headers().get(ASK_HEADER)? {
        Some(header) => String::from_utf8(relay::auth::decode(&header).unwrap_or_default()).unwrap_or_default(),
        None => request.text().await?,
    };
    json::read(&ask).map_err(|error| Error::internal("asked of the hub", error))
}

/// Whose Hub is asked.
pub fn user_of(request: &Request) -> Option<UserId> {
    request.inner().url().strip_prefix(HUB)?.parse().ok()
}

/// A problem-details answer of a Hub.
struct Problem {
    r#type: String,
    detail: String,
}

from_json! { struct Problem { r#type as "type", detail } }

impl Problem {
    fn code(&self) -> Code {
        let code = self.r#type.trim_start_matches("/errors/");
        Code::ALL.iter().copied().find(|known| known.as_str() == code).unwrap_or(Code::Internal)
    }
}

/// No host: it only names whose Hub it is.
const HUB: &str = "https://hub/";
const ASK_HEADER: &str = "x-claw-ask";
