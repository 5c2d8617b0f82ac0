//! `/v1/tickets`, `/v1/ws`: opening a WebSocket. Who it is, is checked before the Hub is touched; whether their session or
//! key was ended the Hub itself knows.

use protocol::api::{Scope, TicketAnswer};
use protocol::limit::WINDOW_MESSAGES;
use protocol::{Code, SUBPROTOCOL, UserId};
use relay::auth::{AgentKey, Ticket};
use relay::dialect::Words;
use relay::hub::{Pass, Role};
use relay::limit::TICKET_MS;

use crate::ask::{self, Ask};
use crate::call::{Awaited, Call, answer};
use crate::clock::{now, random};
use crate::error::Error;
use crate::runtime::{Response, console_log};
use crate::{db, limit, origin, session};

/// `POST /v1/tickets`: the right to open one WebSocket, for browsers, which cannot send headers with it.
pub async fn ticket(call: &Call) -> Result<Response, Error> {
    let access = call.access()?;
    limit::credential(call, &access.session).await?;
    let expires_at_ms = now().plus_ms(TICKET_MS);
    let origin = origin::check(&call.request, &call.config)?;
    let ticket = Ticket { user: access.user, id: random::<16>()?, session: access.session, origin };
    answer(&TicketAnswer { ticket: call.config.keys()?.sign(&ticket, now(), Some(expires_at_ms)), expires_at_ms })
}

/// `GET /v1/ws`
pub async fn open(call: &Call) -> Result<Response, Error> {
    let protocols = call.header("Sec-WebSocket-Protocol")?.unwrap_or_default();
    let page = page(call, protocols.split(',').any(|protocol| protocol.trim() == SUBPROTOCOL))?;
    if let Some(ticket) = call.query("ticket")? {
        let refused = || Error::unauthorized("ticket: get another from POST /v1/tickets");
        let ticket: Ticket = call.config.keys()?.verify(&ticket, now()).map_err(|_| refused())?;
        if ticket.origin != page {
            return Err(refused());
        }
        let pass = Pass { by: ticket.session, ..Pass::default() };
        return connect(call, ticket.user, Role::Device, pass, Some(ticket.id), None).await;
    }
    if let Ok(key) = call.agent_key() {
        return connect_agent(call, key, None).await;
    }
    let access = call.access()?;
    let pass = Pass { by: access.session, ..Pass::default() };
    connect(call, access.user, Role::Device, pass, None, None).await
}

/// The web page that wants a socket, if one does and may. `speaks`: whether the client names the words that it speaks.
pub fn page(call: &Call, speaks: bool) -> Result<Option<String>, Error> {
    let upgrade = call.header("Upgrade")?.unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case("websocket") || !speaks {
        let detail = format!("expected Upgrade: websocket and Sec-WebSocket-Protocol: {SUBPROTOCOL}");
        return Err(Error::new(Code::UpgradeRequired, detail).with_header("Upgrade", "websocket"));
    }
    origin::check(&call.request, &call.config)
}

/// Opens a socket for an agent. `words`: what it speaks, if not ours.
pub fn connect_agent(call: &Call, key: AgentKey, words: Option<Words>) -> Awaited<'_, Response> {
    Box::pin(async move {
        let (may_receive, may_egress) = (key.may(Scope::Receive), words.is_none() && key.may(Scope::Egress));
        if !may_receive && !may_egress {
            return Err(Error::new(Code::Forbidden, "this agent key lacks the scope receive, or egress"));
        }
        note_use(call, &key);
        let window = if let Some(Words::Plugin { .. }) = words { 1 } else { WINDOW_MESSAGES };
        let (may_send, may_push) = (key.may(Scope::Send), key.may(Scope::Push));
        let pass = Pass { by: key.key, may_send, may_egress, may_push, to: None, window };
        let id = key.agent;
        let role = if may_receive { Role::Agent { id, name: key.name } } else { Role::Egress { id } };
        connect(call, key.user, role, pass, None, words).await
    })
}

/// Opens a socket.
pub fn connect(
    call: &Call,
    user: UserId,
    role: Role,
    pass: Pass,
    ticket: Option<String>,
    words: Option<Words>,
) -> Awaited<'_, Response> {
    Box::pin(async move {
        limit::credential(call, &pass.by).await?;
        let by = pass.by.clone();
        ask::ask(&call.config, &user, &by, &Ask::Connect { role, ticket, pass, words }).await
    })
}

/// After the answer: when the key was last used; and a key that D1 does not know, since the Hub remembers the newest
/// revocations only, is out again. While D1 is down keys that the Hub does not know to be revoked are good.
fn note_use(call: &Call, key: &AgentKey) {
    let (config, user, key) = (call.config.clone(), key.user.clone(), key.key.clone());
    call.context.wait_until(async move {
        let noted = async {
            let db = config.db()?;
            db::note_use(&db, &key, now()).await?;
            if !db::has_agent_key(&db, &key).await? {
                session::revoke(&config, &user, vec![key.clone()]).await?;
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = noted.await {
            console_log!("key {key}: its use was not noted: {}", error.detail());
        }
    });
}
