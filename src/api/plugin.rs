//! `/openclaw`: the older relay's plugin. It says who it is in its first message, so it waits in the Worker for that, and
//! is passed on to its user's Hub afterwards.

use protocol::{Code, from_json, json, object};
use relay::dialect::Words;

use super::websocket::{connect_agent, page};
use crate::ask;
use crate::call::Call;
use crate::error::Error;
use crate::runtime::{Response, ResponseBuilder, WebSocket, WebSocketPair, console_log, first_words, pass_on};

/// The plugin's first message.
struct Auth {
    r#type: String,
    token: String,
}

from_json! { struct Auth { r#type as "type", token } }

/// `GET /openclaw`
pub async fn open(call: &Call) -> Result<Response, Error> {
    page(call, true)?;
    let WebSocketPair { client, server } = WebSocketPair::new();
    let call = call.again()?;
    let context = call.context.clone();
    context.wait_until(async move {
        match admit(&call, server.clone()).await {
            Ok(hub) => pass_on(&server, &hub),
            Err(error) => refuse(&server, &error),
        }
    });
    Ok(ResponseBuilder::new().with_status(101).with_websocket(&client).empty()?)
}

async fn admit(call: &Call, client: WebSocket) -> Result<WebSocket, Error> {
    let expected = || Error::unauthorized(r#"expected {"type":"auth","token"}, with an agent key"#);
    let said = first_words(client, AUTH_MS_MAX, AUTH_CHARACTERS_MAX).await.ok_or_else(expected)?;
    let auth: Auth = json::read(&said).map_err(|_| expected())?;
    if auth.r#type != "auth" {
        return Err(expected());
    }
    let key = call.agent_key_of(&auth.token)?;
    let user = key.user.clone();
    let response = connect_agent(call, key, Some(Words::Plugin { user })).await?;
    match response.websocket() {
        Some(hub) => Ok(hub),
        None => Err(ask::refused(&response).await),
    }
}

fn refuse(client: &WebSocket, error: &Error) {
    let (code, close) = match error.code() {
        code @ Code::Unauthorized => (code, 4401),
        code @ Code::Forbidden => (code, 4403),
        code => (code, 1011),
    };
    let text = object! { "type": "error", "code": code, "error": error.detail() };
    let told = client.send(&text.as_str().into()).and_then(|()| client.close(Some(close), Some(code.as_str())));
    if let Err(error) = told {
        console_log!("a plugin that was refused: {error}");
    }
}

/// How long it may take to say who it is: 10 s.
const AUTH_MS_MAX: u32 = 10_000;
/// How much it may say before it is passed on: its key has some 400 characters.
const AUTH_CHARACTERS_MAX: u32 = 64 * 1024;
