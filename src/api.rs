//! Handlers of `/v1`, a few lines each.

use protocol::{AgentId, Code, ConversationId, Cursor, SUBPROTOCOL, Seq};
use protocol::{from_json, object};
use relay::auth::{Access, AgentKey, Role as UserRole, Ticket, hash, same_secret};
use relay::hub::Role;
use relay::limit::{ACCESS_TOKEN_MS, AGENTS_MAX, PAGE_EVENTS_MAX, PAGE_MESSAGES_MAX, TICKET_MS};

use crate::ask::{self, Ask};
use crate::clock::{now, random};
use crate::config::Config;
use crate::error::Error;
use crate::runtime::{Request, Response, ResponseBuilder};
use crate::{db, request};

/// `GET /healthz`
pub fn health() -> Result<Response, Error> {
    Ok(Response::json(&object! { "status": "ok", "version": env!("CARGO_PKG_VERSION") })?)
}

/// `POST /v1/auth/operator`: spends the operator token, which is good once. The first time it creates the first user;
/// later a new token signs that user in again.
pub async fn sign_in_operator(request: &Request, config: &Config) -> Result<Response, Error> {
    let token = request::bearer(request)?;
    if !same_secret(&token, &config.operator_token()?) {
        return Err(Error::unauthorized("Authorization: not the operator token"));
    }
    // Everything that can fail comes before the token is spent.
    let (db, keys, now) = (config.db()?, config.keys()?, now());
    let user = match db::first_operator(&db).await? {
        Some(user) => user,
        None => {
            let id = new_id("usr")?;
            let user = db::User { id, name: "operator".into(), role: UserRole::Operator };
            // Of two at once only one is kept.
            db::insert_first_operator(&db, &user, now).await?;
            let kept = db::first_operator(&db).await?;
            kept.ok_or_else(|| Error::internal("the first operator", "not there"))?
        }
    };
    if !db::spend_token(&db, &hash(&token), now).await? {
        return Err(Error::unauthorized("this operator token was used already; set a new OPERATOR_TOKEN"));
    }
    let expires = now.plus_ms(ACCESS_TOKEN_MS);
    let access_token = keys.sign_access(&Access { user: user.id.clone(), role: user.role }, expires);
    let body = object! { "user": user, "access_token": access_token, "expires_at_ms": expires };
    Ok(ResponseBuilder::new().with_header("Cache-Control", "no-store")?.json(&body)?)
}

/// `GET /v1/me`
pub async fn me(request: Request, config: Config) -> Result<Response, Error> {
    let access = request::signed_in(&request, &config)?;
    let user = db::user(&config.db()?, &access.user).await?;
    let user = user.ok_or_else(|| Error::unauthorized("this user was deleted"))?;
    Ok(Response::json(&object! { "user": user })?)
}

/// `POST /v1/tickets`: the right to open one WebSocket, for browsers, which cannot send headers with it.
pub fn ticket(request: &Request, config: &Config) -> Result<Response, Error> {
    let access = request::signed_in(request, config)?;
    let expires = now().plus_ms(TICKET_MS);
    let ticket = config.keys()?.sign_ticket(&Ticket { user: access.user, id: random::<16>()? }, expires);
    let body = object! { "ticket": ticket, "expires_at_ms": expires };
    Ok(ResponseBuilder::new().with_header("Cache-Control", "no-store")?.json(&body)?)
}

/// `GET /v1/ws`: checks who it is before the Hub is touched.
pub async fn websocket(request: &Request, config: &Config) -> Result<Response, Error> {
    let header = |name: &str| request.headers().get(name).map(Option::unwrap_or_default);
    let protocols = header("Sec-WebSocket-Protocol")?;
    let speaks = protocols.split(',').any(|protocol| protocol.trim() == SUBPROTOCOL);
    if !header("Upgrade")?.eq_ignore_ascii_case("websocket") || !speaks {
        let detail = format!("expected Upgrade: websocket and Sec-WebSocket-Protocol: {SUBPROTOCOL}");
        return Err(Error {
            header: Some(("Upgrade", "websocket".into())),
            ..Error::new(Code::UpgradeRequired, detail)
        });
    }
    let keys = config.keys()?;
    let (user, role, ticket) = match request::query(request, "ticket")? {
        Some(ticket) => {
            let ticket = keys.verify_ticket(&ticket, now());
            let ticket = ticket.map_err(|_| Error::unauthorized("ticket: get another from POST /v1/tickets"))?;
            (ticket.user, Role::Device, Some(ticket.id))
        }
        None => {
            let token = request::bearer(request)?;
            if let Ok(AgentKey { agent, user, name, key: _ }) = keys.verify_agent(&token) {
                (user, Role::Agent { id: agent, name }, None)
            } else {
                (request::signed_in(request, config)?.user, Role::Device, None)
            }
        }
    };
    ask::ask(config, &user, &Ask::Connect { role, ticket }).await
}

/// `GET /v1/agents`
pub async fn agents(request: Request, config: Config) -> Result<Response, Error> {
    let access = request::signed_in(&request, &config)?;
    let agents = db::agents(&config.db()?, &access.user).await?;
    Ok(Response::json(&object! { "agents": agents })?)
}

/// `POST /v1/agents` `{"name"}`
pub async fn create_agent(mut request: Request, config: Config) -> Result<Response, Error> {
    struct Body {
        name: String,
    }
    from_json! { struct Body { name } }
    let access = request::signed_in(&request, &config)?;
    let body: Body = request::json(&mut request).await?;
    let name = body.name.trim().to_owned();
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Error::new(Code::BadRequest, format!("name: 1 to {NAME_BYTES_MAX} bytes")));
    }
    let db = config.db()?;
    if db::agents(&db, &access.user).await?.len() >= AGENTS_MAX {
        return Err(Error::new(Code::Conflict, format!("at most {AGENTS_MAX} agents")));
    }
    let agent = db::Agent { id: new_id("agt")?, name, created_ms: now().0 };
    db::insert_agent(&db, &access.user, &agent).await?;
    Ok(ResponseBuilder::new().with_status(201).json(&object! { "agent": agent })?)
}

/// `POST /v1/agents/{id}/keys`
pub async fn create_key(request: &Request, config: &Config, agent: &str) -> Result<Response, Error> {
    let access = request::signed_in(request, config)?;
    let unknown = || Error::new(Code::NotFound, "no such agent of yours");
    let agent: AgentId = agent.parse().map_err(|_| unknown())?;
    let db = config.db()?;
    let agent = db::agent(&db, &access.user, &agent).await?.ok_or_else(unknown)?;
    if db::agent_keys_count(&db, &agent.id).await? >= AGENT_KEYS_MAX {
        return Err(Error::new(Code::Conflict, format!("at most {AGENT_KEYS_MAX} keys; make another agent")));
    }
    let id = random::<12>()?;
    db::insert_agent_key(&db, &id, &agent.id, now()).await?;
    let key = AgentKey { agent: agent.id, user: access.user, key: id.clone(), name: agent.name };
    let body = object! { "id": id, "key": config.keys()?.sign_agent(&key) };
    Ok(ResponseBuilder::new().with_status(201).with_header("Cache-Control", "no-store")?.json(&body)?)
}

/// `GET /v1/conversations`
pub async fn conversations(request: &Request, config: &Config) -> Result<Response, Error> {
    let access = request::signed_in(request, config)?;
    ask::ask(config, &access.user, &Ask::Conversations).await
}

/// `GET /v1/conversations/{id}/messages?before={cursor}&limit={n}`
pub async fn messages(request: &Request, config: &Config, conversation: &str) -> Result<Response, Error> {
    let access = request::signed_in(request, config)?;
    let decoded = js_sys::decode_uri_component(conversation).map(String::from).unwrap_or_default();
    let conversation: ConversationId =
        decoded.parse().map_err(|error| Error::new(Code::BadRequest, format!("conversation: {error}")))?;
    let before = request::query(request, "before")?.map(|text| text.parse::<Cursor>());
    let before = before.transpose().map_err(|error| Error::new(Code::BadCursor, format!("before: {error}")))?;
    let limit = request::query(request, "limit")?.map_or(Ok(PAGE_MESSAGES_DEFAULT), |text| text.parse());
    let limit = limit.ok().filter(|limit| (1..=PAGE_MESSAGES_MAX).contains(limit));
    let limit = limit.ok_or_else(|| Error::new(Code::BadRequest, format!("limit: 1 to {PAGE_MESSAGES_MAX}")))?;
    ask::ask(config, &access.user, &Ask::Messages { conversation, before, limit }).await
}

/// `GET /v1/dead-letters`
pub async fn dead_letters(request: &Request, config: &Config) -> Result<Response, Error> {
    let access = request::signed_in(request, config)?;
    ask::ask(config, &access.user, &Ask::DeadLetters).await
}

/// `POST /v1/dead-letters/{seq}/replay`
pub async fn replay(request: &Request, config: &Config, seq: &str) -> Result<Response, Error> {
    let access = request::signed_in(request, config)?;
    ask::ask(config, &access.user, &Ask::Replay { seq: seq_of(seq)? }).await
}

/// `GET /v1/events?before={next}&limit={n}`
pub async fn events(request: &Request, config: &Config) -> Result<Response, Error> {
    let access = request::signed_in(request, config)?;
    ask::ask(config, &access.user, &events_asked(request)?).await
}

/// The page of the event log that a request asks for.
pub fn events_asked(request: &Request) -> Result<Ask, Error> {
    let wrong = |what: String| Error::new(Code::BadRequest, what);
    let before = request::query(request, "before")?.map(|text| text.parse());
    let before = before.transpose().map_err(|()| wrong("before: the `next` of another page".to_owned()))?;
    let limit = request::query(request, "limit")?.map_or(Some(PAGE_EVENTS_DEFAULT), |text| text.parse().ok());
    let limit = limit.filter(|limit| (1..=PAGE_EVENTS_MAX).contains(limit));
    let limit = limit.ok_or_else(|| wrong(format!("limit: a whole number, 1 to {PAGE_EVENTS_MAX}")))?;
    Ok(Ask::Events { before, limit })
}

/// A message's place in a path.
pub fn seq_of(text: &str) -> Result<Seq, Error> {
    let seq = text.parse().ok().filter(|seq| (1..=SEQ_MAX).contains(seq)).map(Seq);
    seq.ok_or_else(|| Error::new(Code::BadRequest, "seq: the number of a question"))
}

/// A new id: a prefix, and 96 random bits.
pub fn new_id<T: std::str::FromStr<Err = protocol::InvalidId>>(prefix: &str) -> Result<T, Error> {
    format!("{prefix}_{}", random::<12>()?).parse().map_err(|error| Error::internal("a new id", error))
}

/// Keys of one agent.
const AGENT_KEYS_MAX: u64 = 100;
const NAME_BYTES_MAX: usize = 100;
const PAGE_EVENTS_DEFAULT: u64 = 50;
const PAGE_MESSAGES_DEFAULT: u64 = 50;
/// The largest whole number that JavaScript holds exactly.
const SEQ_MAX: u64 = (1 << 53) - 1;
