//! `/v1/conversations`, `/v1/messages`, `/v1/dead-letters`, `/v1/events`: what the Hub holds. The Hub itself knows whether
//! the session was ended, so D1 is not asked.

use protocol::api::{Push as Body, Scope};
use protocol::{Code, ConversationId, Cursor, MessageId, Seq, UserId};
use relay::hub::{Push, Target};
use relay::limit::{PAGE_CONVERSATIONS_MAX, PAGE_DEAD_LETTERS_MAX, PAGE_EVENTS_MAX, PAGE_MESSAGES_MAX};
use relay::platform;

use super::new_id;
use crate::ask::{self, Ask};
use crate::call::Call;
use crate::error::Error;
use crate::runtime::Response;
use crate::{db, directory, limit, quota};

/// `GET /v1/conversations?before={next}&limit={n}`
pub async fn conversations(call: &Call) -> Result<Response, Error> {
    own(call, |call| {
        let (before, limit) = page_asked(call, PAGE_CONVERSATIONS_MAX)?;
        Ok(Ask::Conversations { before, limit })
    })
    .await
}

/// `GET /v1/conversations/{conversation}/messages?before={cursor}&limit={n}`
pub async fn messages(call: &Call) -> Result<Response, Error> {
    own(call, messages_asked).await
}

fn messages_asked(call: &Call) -> Result<Ask, Error> {
    let wrong = |error| Error::new(Code::BadRequest, format!("conversation: {error}"));
    let conversation: ConversationId = call.param(0).parse().map_err(wrong)?;
    let (before, limit) = page_asked(call, PAGE_MESSAGES_MAX)?;
    Ok(Ask::Messages { conversation, before, limit })
}

/// The page of a timeline that a request asks for: before what, and how many.
fn page_asked(call: &Call, max: u64) -> Result<(Option<Cursor>, u64), Error> {
    let before = call.query("before")?.map(|text| text.parse::<Cursor>());
    let before = before.transpose().map_err(|error| Error::new(Code::BadCursor, format!("before: {error}")))?;
    Ok((before, call.limit(max)?))
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
    let Body { text, conversation, files, buttons } = call.json().await?.read()?;
    let given = call.header("Idempotency-Key")?;
    let id = match given {
        // Of its own kind, so that it never meets an id that a device made.
        Some(key) => format!("push:{key}").parse::<MessageId>(),
        None => format!("push:{}", new_id::<MessageId>("once")?).parse(),
    };
    let id = id.map_err(|error| Error::new(Code::BadRequest, format!("Idempotency-Key: {error}")))?;
    let to = targets(call, places(call, &user, conversation).await?).await?;
    let push = Push { id, agent, to, text, files, buttons };
    ask::ask(&call.config, &user, &by, &Ask::Push(push)).await
}

/// The same places, with what their platforms allow.
async fn targets(call: &Call, places: Vec<ConversationId>) -> Result<Vec<Target>, Error> {
    let mut targets: Vec<Target> = Vec::new();
    for conversation in places {
        let account = account_of(&conversation);
        let bot = if account.is_empty() { None } else { directory::bot(&call.config, account).await? };
        let open_ms = bot.as_ref().and_then(|bot| platform::open_ms(&bot.account, &conversation));
        // It is asked once, however many of its chats there are.
        let known = targets.iter().find(|before| account_of(&before.conversation) == account);
        let used_up = match (known, bot.filter(|bot| platform::may_run_out(&bot.account))) {
            (Some(before), _) => before.used_up.clone(),
            (None, Some(bot)) => quota::closed(&call.config, &bot.account.id).await,
            (None, None) => None,
        };
        targets.push(Target { conversation, open_ms, used_up });
    }
    Ok(targets)
}

/// The account that a place is a chat of; empty: it is the page's.
fn account_of(place: &ConversationId) -> &str {
    place.as_str().split(':').nth(1).unwrap_or_default()
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

/// `GET /v1/dead-letters?before={next}&limit={n}`
pub async fn dead_letters(call: &Call) -> Result<Response, Error> {
    own(call, dead_letters_asked).await
}

/// The page of the dead letters that a request asks for.
pub fn dead_letters_asked(call: &Call) -> Result<Ask, Error> {
    let (before, limit) = page_asked(call, PAGE_DEAD_LETTERS_MAX)?;
    Ok(Ask::DeadLetters { before, limit })
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
    let before = call.query("before")?.map(|text| text.parse());
    let wrong = |()| Error::new(Code::BadRequest, "before: the `next` of another page");
    let before = before.transpose().map_err(wrong)?;
    Ok(Ask::Events { before, limit: call.limit(PAGE_EVENTS_MAX)? })
}

/// A message's place in a path.
pub fn seq_of(text: &str) -> Result<Seq, Error> {
    let seq = text.parse().ok().filter(|seq| (1..=SEQ_MAX).contains(seq)).map(Seq);
    seq.ok_or_else(|| Error::new(Code::BadRequest, "seq: the number of a question"))
}

/// The largest whole number that JavaScript holds exactly.
const SEQ_MAX: u64 = (1 << 53) - 1;
