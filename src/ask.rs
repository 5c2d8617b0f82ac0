//! What the Worker asks of a user's Hub, which is another object and perhaps elsewhere.

use std::pin::Pin;

use protocol::{AgentId, Code, ConversationId, Cursor, Fetch, MessageId, Seq, UserId, from_json, json, object};
use relay::dialect::Words;
use relay::hub::{Before, Pass, Push, Refusal, Role};
use relay::platform::{Press, Pressed};
use relay::store::Question;
use serde::Serialize;

use crate::call::Awaited;
use crate::config::Config;
use crate::db;
use crate::error::Error;
use crate::runtime::{Headers, Request, RequestInit, Response, ResponseBuilder};

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
        /// What lets it in.
        pass: Pass,
        /// How it is spoken to, if not in our own words.
        words: Option<Words>,
    },
    /// One page of the conversations.
    Conversations {
        /// Before where.
        before: Option<Cursor>,
        /// How many.
        limit: u64,
    },
    /// Forget everything: its user is gone.
    Delete,
    /// One page of the questions that ended without an answer at their writer.
    DeadLetters {
        /// Before where.
        before: Option<Cursor>,
        /// How many.
        limit: u64,
    },
    /// One page of the event log.
    Events {
        /// Before where.
        before: Option<Before>,
        /// How many.
        limit: u64,
    },
    /// Have a call made by an agent.
    Fetch {
        /// Which agent.
        agent: AgentId,
        /// The call.
        fetch: Fetch,
    },
    /// The writer of a question wants no answer any more.
    Halt {
        /// Which question.
        id: MessageId,
        /// Who says so, by their id on the platform.
        sender: String,
    },
    /// A webhook that waits came again, or asks for more.
    Hold {
        /// Which question it brought.
        id: MessageId,
        /// How long it waits now, in milliseconds.
        ms: u64,
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
    /// Someone asks for what they have been waiting for.
    Collect {
        /// By which message.
        by: MessageId,
        /// Where.
        conversation: ConversationId,
        /// How long its webhook waits, and the answer goes no other way, in milliseconds.
        ms: u64,
    },
    /// Let nobody in, or let them in again.
    Bar {
        /// Which.
        is_barred: bool,
    },
    /// Say what has become of a webhook that waits, once there is something to say or the time is over.
    Await {
        /// Which question it brought.
        id: MessageId,
        /// How long, in milliseconds.
        ms: u64,
        /// Also when more of the answer is shown than so many bytes.
        shown: Option<u64>,
    },
    /// Commit a question.
    Post {
        /// The question.
        question: Question,
        /// How long its webhook waits, and its answer goes no other way, in milliseconds.
        hold_ms: u64,
    },
    /// Whether an answer, or a part of it, may be in the response to a webhook; and if so, it goes no other way.
    Pass {
        /// Which question the webhook brought.
        id: MessageId,
        /// Which answer.
        seq: Seq,
        /// Which part.
        part: u32,
        /// Whether no part follows.
        is_last: bool,
    },
    /// Commit what a button says that was pressed.
    Press(Press),
    /// Commit something said unasked.
    Push(Push),
    /// Its writer took this question back.
    Recall {
        /// Which one.
        id: MessageId,
    },
    /// The webhook that brought a question waits no more.
    Release {
        /// Which question.
        id: MessageId,
    },
    /// An agent is no more.
    RemoveAgent {
        /// Which one.
        agent: AgentId,
    },
    /// Ask a question that ended without an answer once more.
    Replay {
        /// Which one.
        seq: Seq,
    },
    /// These sessions and keys ended.
    Revoke {
        /// Which ones.
        ids: Vec<String>,
    },
    /// The messages after a place, of all conversations, oldest first.
    Timeline {
        /// After where.
        after: Seq,
    },
}

from_json! {
    enum Ask by "ask" {
        "await" => Await { id, ms, shown },
        "bar" => Bar { is_barred },
        "collect" => Collect { by, conversation, ms },
        "connect" => Connect { role, ticket, pass, words },
        "conversations" => Conversations { before, limit },
        "dead_letters" => DeadLetters { before, limit },
        "delete" => Delete,
        "events" => Events { before, limit },
        "fetch" => Fetch { agent, fetch },
        "halt" => Halt { id, sender },
        "hold" => Hold { id, ms },
        "messages" => Messages { conversation, before, limit },
        "pass" => Pass { id, seq, part, is_last },
        "post" => Post { question, hold_ms },
        "press" => Press(..),
        "push" => Push(..),
        "recall" => Recall { id },
        "release" => Release { id },
        "remove_agent" => RemoveAgent { agent },
        "replay" => Replay { seq },
        "revoke" => Revoke { ids },
        "timeline" => Timeline { after },
    }
}

/// Commits a question in a user's Hub, and says whether it is new and its agent has it. `hold_ms`: how long its webhook waits
/// for the answer.
pub async fn post(config: &Config, user: &UserId, question: Question, hold_ms: u64) -> Result<bool, Error> {
    let response = ask(config, user, "", &Ask::Post { question, hold_ms }).await?;
    match response.status_code() {
        200 => Ok(true),
        ONLY_ACCEPTED => Ok(false),
        _ => Err(refused(&response).await),
    }
}

/// What a Hub answers to [`Ask::Post`]: a status is read without waiting for a body.
pub fn posted(is_heard: bool) -> Result<Response, Error> {
    Ok(if is_heard { Response::empty()? } else { ResponseBuilder::new().with_status(ONLY_ACCEPTED).empty()? })
}

/// Commits what a button says that was pressed, if it is there.
pub async fn press(config: &Config, user: &UserId, press: Press) -> Result<Pressed, Error> {
    let response = ask(config, user, "", &Ask::Press(press)).await?;
    if response.status_code() != 200 {
        return Err(refused(&response).await);
    }
    let Outcome { pressed, label, text } = response.read().await?;
    Ok(match pressed.as_str() {
        "taken" => Pressed::Taken { label, text },
        "late" => Pressed::Late,
        _ => Pressed::Gone,
    })
}

/// What became of a press, as a Hub answers it.
pub fn pressed(pressed: &Pressed) -> String {
    let (word, label, text) = match pressed {
        Pressed::Gone => ("gone", "", ""),
        Pressed::Late => ("late", "", ""),
        Pressed::Taken { label, text } => ("taken", label.as_str(), text.as_str()),
    };
    object! { "pressed": word, "label": label, "text": text }
}

struct Outcome {
    pressed: String,
    label: String,
    text: String,
}

from_json! { struct Outcome { pressed, label, text } }

/// A Hub's refusal, as an error.
pub fn refused(response: &Response) -> Pin<Box<dyn Future<Output = Error> + '_>> {
    Box::pin(async {
        match response.read::<Problem>().await {
            Ok(refusal) => Refusal { code: refusal.code(), detail: refusal.detail }.into(),
            Err(error) => Error::unavailable("the hub's answer", error),
        }
    })
}

/// Tells a user's Hub something that it has no answer to.
pub fn tell<'a>(config: &'a Config, user: &'a UserId, told: &'a Ask) -> Awaited<'a, ()> {
    Box::pin(async move {
        match ask(config, user, "", told).await?.status_code() {
            200 => Ok(()),
            status => Err(Error::unavailable("the hub does not answer", status)),
        }
    })
}

/// Lets a user's Hub forget everything.
pub async fn erase(config: &Config, user: &UserId) -> Result<(), Error> {
    match send(config, user, "", &Ask::Delete, false).await?.status_code() {
        200 => Ok(()),
        status => Err(Error::unavailable("the hub does not answer", status)),
    }
}

/// Asks a user's Hub. Its answer is meant for the client as it is. `by`: the session or key that asks, which the Hub may
/// know to have ended; empty: the relay itself.
///
/// A Hub that was never begun is begun for a user whom D1 knows: so one that was deleted stays so, whatever token its user
/// still has, and nothing of them needs to be kept to know it.
pub fn ask<'a>(config: &'a Config, user: &'a UserId, by: &'a str, ask: &'a Ask) -> Awaited<'a, Response> {
    Box::pin(try_ask(config, user, by, ask))
}

async fn try_ask(config: &Config, user: &UserId, by: &str, ask: &Ask) -> Result<Response, Error> {
    let response = send(config, user, by, ask, false).await?;
    if response.status_code() != UNBORN {
        return Ok(response);
    }
    if !db::has_user(&config.db()?, user).await? {
        return Err(Error::unauthorized("Authorization: this user was deleted"));
    }
    send(config, user, by, ask, true).await
}

async fn send(config: &Config, user: &UserId, by: &str, ask: &Ask, begin: bool) -> Result<Response, Error> {
    let body = serde_json::to_string(&Asking { by, begin, ask });
    let body = body.map_err(|error| Error::internal("asking the hub", error))?;
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

#[derive(Serialize)]
struct Asking<'a> {
    by: &'a str,
    begin: bool,
    ask: &'a Ask,
}

/// What a Hub is asked.
pub struct Asked {
    /// The session or key that asks; empty: the relay itself.
    pub by: String,
    /// Whether a Hub that was never begun may be.
    pub begin: bool,
    /// What.
    pub ask: Ask,
}

from_json! { struct Asked { by, begin, ask } }

/// What a Hub answers that was never begun.
pub fn unborn() -> Result<Response, Error> {
    Ok(ResponseBuilder::new().with_status(UNBORN).empty()?)
}

/// What a Hub is asked.
pub async fn asked(request: &Request) -> Result<Asked, Error> {
    let asked = if request.inner().method() == "GET" {
        let header = request.headers().get(ASK_HEADER)?.unwrap_or_default();
        String::from_utf8(relay::auth::decode(&header).unwrap_or_default()).unwrap_or_default()
    } else {
        request.text().await?
    };
    json::read(&asked).map_err(|error| Error::internal("asked of the hub", error))
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
/// "Accepted": a question is stored, and nobody has it yet.
const ONLY_ACCEPTED: u16 = 202;
/// "Misdirected Request": nothing else that a Hub answers.
const UNBORN: u16 = 421;
