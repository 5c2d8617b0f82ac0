//! `/v1/conversations`, `/v1/messages`, `/v1/dead-letters`, `/v1/events`: what the Hub holds. The Hub itself knows whether
//! the session was ended, so D1 is not asked.

use protocol::api::{Push as Body, Scope};
use protocol::{Code, ConversationId, Cursor, MessageId, Seq, UserId};
use relay::hub::Push;
use relay::limit::{PAGE_EVENTS_MAX, PAGE_MESSAGES_MAX};

use super::new_id;
use crate::ask::{self, Ask};
use crate::call::Call;
use crate::error::Error;
use crate::runtime::Response;
use crate::{db, limit};

/// `GET /v1/conversations`
pub async fn conversations(call: &Call) -> Result<Response, Error> {
    own(call, |_| Ok(Ask::Conversations)).await
}

/// `GET /v1/conversations/{conversation}/messages?before={cursor}&limit={n}`
pub async fn messages(call: &Call) -> Result<Response, Error> {
    own(call, messages_asked).await
}

fn messages_asked(call: &Call) -> Result<Ask, Error> {
    let wrong = |error| Error::new(Code::BadRequest, format!("conversation: {error}"));
    let conversation: ConversationId = call.param(0).parse().map_err(wrong)?;
    let before = call.query("before")?.map(|text| text.parse::<Cursor>());
    let before = before.transpose().map_err(|error| Error::new(Code::BadCursor, format!("before: {error}")))?;
    let limit = call.query("limit")?.map_or(Ok(PAGE_MESSAGES_DEFAULT), |text| text.parse());
    let limit = limit.ok().filter(|limit| (1..=PAGE_MESSAGES_MAX).contains(limit));
    let limit = limit.ok_or_else(|| Error::new(Code::BadRequest, format!("limit: 1 to {PAGE_MESSAGES_MAX}")))?;
    Ok(Ask::Messages { conversation, before, limit })
}

/// `POST /v1/messages`: an agent, a script or a clock says something unasked.
pub async fn push(call: &Call) -> Result<Response, Error> {
    let (user, by, agent) = match call.agent_key() {
        // The Hub remembers the newest revocations; D1, which is asked here anyway, knows them all.
        Ok(key) if key.may(Scope::Push) => {
            if !db::has_agent_key(&call.config.db()?, &key.key).await? {
                return Err(Error::unauthorized("Authorization: this key was revoked"));
            }
            (key.user, key.key, Some(key.agent))
        }
        Ok(_) => return Err(Error::new(Code::Forbidden, "this agent key lacks the scope push")),
        Err(_) => {
            let access = call.access()?;
            (access.user, access.session, None)
        }
    };
    limit::credential(call, &by).await?;
    let Body { text, conversation } = call.json().await?.read()?;
    let given = call.header("Idempotency-Key")?;
    let id = match given {
        // Of its own kind, so that it never meets an id that a device made.
        Some(key) => format!("push:{key}").parse::<MessageId>(),
        None => format!("push:{}", new_id::<MessageId>("once")?).parse(),
    };
    let id = id.map_err(|error| Error::new(Code::BadRequest, format!("Idempotency-Key: {error}")))?;
    let to = places(call, &user, conversation).await?;
    ask::ask(&call.config, &user, &by, &Ask::Push(Push { id, agent, to, text })).await
}

/// Where something said unasked may go, best first.
async fn places(call: &Call, user: &UserId, named: Option<ConversationId>) -> Result<Vec<ConversationId>, Error> {
    let chats = db::push_chats(&call.config.db()?, user).await?;
    if let Some(named) = named {
        if chats.iter().any(|chat| chat.conversation == named && !chat.push) {
            return Err(Error::new(Code::Forbidden, "conversation: its owner turned messages unasked off there"));
        }
        // `platform:account:chat`; any other is a thread of the page.
        let parts: Vec<&str> = named.as_str().splitn(3, ':').collect();
        if let [_, account, chat] = parts.as_slice()
            && !db::may_push(&call.config.db()?, user, account, chat).await?
        {
            return Err(Error::new(Code::Forbidden, "conversation: nobody of yours is in that chat"));
        }
        return Ok(vec![named]);
    }
    let mut places: Vec<_> = chats.into_iter().filter(|chat| chat.push).map(|chat| chat.conversation).collect();
    places.push("web".parse().map_err(|error| Error::internal("a fixed id", error))?);
    Ok(places)
}

/// `GET /v1/dead-letters`
pub async fn dead_letters(call: &Call) -> Result<Response, Error> {
    own(call, |_| Ok(Ask::DeadLetters)).await
}

/// `POST /v1/dead-letters/{seq}/replay`
pub async fn replay(call: &Call) -> Result<Response, Error> {
    own(call, |call| Ok(Ask::Replay { seq: seq_of(call.param(0))? })).await
}

/// `GET /v1/events?before={next}&limit={n}`
pub async fn events(call: &Call) -> Result<Response, Error> {
    own(call, events_asked).await
}

/// Asks the caller's Hub; who asks is looked at before what is asked.
async fn own(call: &Call, asked: fn(&Call) -> Result<Ask, Error>) -> Result<Response, Error> {
    let access = call.access()?;
    limit::credential(call, &access.session).await?;
    ask::ask(&call.config, &access.user, &access.session, &asked(call)?).await
}

/// The page of the event log that a request asks for.
pub fn events_asked(call: &Call) -> Result<Ask, Error> {
    let wrong = |what: String| Error::new(Code::BadRequest, what);
    let before = call.query("before")?.map(|text| text.parse());
    let before = before.transpose().map_err(|()| wrong("before: the `next` of another page".to_owned()))?;
    let limit = call.query("limit")?.map_or(Some(PAGE_EVENTS_DEFAULT), |text| text.parse().ok());
    let limit = limit.filter(|limit| (1..=PAGE_EVENTS_MAX).contains(limit));
    let limit = limit.ok_or_else(|| wrong(format!("limit: a whole number, 1 to {PAGE_EVENTS_MAX}")))?;
    Ok(Ask::Events { before, limit })
}

/// A message's place in a path.
pub fn seq_of(text: &str) -> Result<Seq, Error> {
    let seq = text.parse().ok().filter(|seq| (1..=SEQ_MAX).contains(seq)).map(Seq);
    seq.ok_or_else(|| Error::new(Code::BadRequest, "seq: the number of a question"))
}

const PAGE_EVENTS_DEFAULT: u64 = 50;
const PAGE_MESSAGES_DEFAULT: u64 = 50;
/// The largest whole number that JavaScript holds exactly.
const SEQ_MAX: u64 = (1 << 53) - 1;
