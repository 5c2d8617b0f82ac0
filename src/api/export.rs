//! `GET /v1/me/export`: everything of mine, as one JSON document that is made while it is sent.

use protocol::api::{AgentKeys, AgentRow};
use protocol::json::Json;
use protocol::{Envelope, Seq, UserId, from_json, object};
use relay::hub::Before;
use serde::Serialize;

use crate::ask::{self, Ask};
use crate::call::Call;
use crate::clock::now;
use crate::config::Config;
use crate::db;
use crate::error::Error;
use crate::runtime::{Pipe, Response, ResponseBuilder, console_error};

/// `GET /v1/me/export`
pub async fn export(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    let (db, user) = (call.config.db()?, caller.user().clone());
    let mut agents = Vec::new();
    for agent in db::agents(&db, &user).await? {
        let keys = db::agent_keys(&db, &agent.id).await?;
        agents.push(AgentWithKeys { agent, keys: AgentKeys { keys } });
    }
    let head = object! {
        "format": "claw-relay export 1",
        "exported_at_ms": now(),
        "user": caller.known.user,
        "logins": db::logins(&db, &user).await?,
        "sessions": db::session_clients(&db, &user).await?,
        "agents": agents,
        "identities": db::identities(&db, &user).await?,
        "config": super::config::of(call, &user).await?,
    };
    db::tell_audit(&db, caller.deed("user.export")).await?;
    let response = ResponseBuilder::new()
        .with_header("Content-Type", "application/json")?
        .with_header("Cache-Control", "no-store")?
        .with_header("Content-Disposition", "attachment; filename=\"claw-relay-export.json\"")?;
    let pipe = Pipe::new()?;
    let response = response.stream(&pipe.readable())?;
    let (config, session) = (call.config.clone(), caller.session.clone());
    call.context.wait_until(async move {
        if let Err(error) = write(&config, &user, &session, &pipe, head).await {
            // The reader sees that it ends early: a document without its last bracket is none.
            console_error!("export: {}", error.detail());
            pipe.abort();
        }
    });
    Ok(response)
}

async fn write(config: &Config, user: &UserId, session: &str, pipe: &Pipe, head: String) -> Result<(), Error> {
    let open = head.strip_suffix('}').unwrap_or_default();
    pipe.write_text(&format!("{open},\"messages\":[")).await?;
    let (mut after, mut between) = (Seq(0), "");
    loop {
        let response = ask::ask(config, user, session, &Ask::Timeline { after }).await?;
        let page: Page = response.read().await?;
        let Some(last) = page.messages.last() else { break };
        after = last.seq;
        for message in &page.messages {
            let text = serde_json::to_string(message).map_err(|error| Error::internal("a message", error))?;
            pipe.write_text(&format!("{between}{text}")).await?;
            between = ",\n";
        }
    }
    pipe.write_text("],\n\"events\":[").await?;
    let (mut before, mut between) = (None, "");
    loop {
        let asked = Ask::Events { before, limit: relay::limit::PAGE_EVENTS_MAX };
        let page: Events = ask::ask(config, user, session, &asked).await?.read().await?;
        for event in &page.events {
            let text = serde_json::to_string(event).map_err(|error| Error::internal("an event", error))?;
            pipe.write_text(&format!("{between}{text}")).await?;
            between = ",\n";
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    pipe.write_text("]}\n").await?;
    Ok(pipe.close().await?)
}

struct Page {
    messages: Vec<Envelope>,
}

/// As the Hub answers it: newest first.
struct Events {
    events: Vec<Json>,
    next: Option<Before>,
}

from_json! { struct Page { messages } }

from_json! { struct Events { events, next } }

#[derive(Serialize)]
struct AgentWithKeys {
    #[serde(flatten)]
    agent: AgentRow,
    #[serde(flatten)]
    keys: AgentKeys,
}
