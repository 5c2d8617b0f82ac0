//! Every HTTP route, in one `match`.

use protocol::Code;

use crate::config::Config;
use crate::error::Error;
use crate::runtime::{Context, Env, Request, Response};
use crate::{admin, api, webhook};

/// Answers a request.
pub async fn route(request: Request, env: Env, context: &Context) -> Result<Response, Error> {
    let config = Config::from_env(env);
    let path = request.path();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    // A route's parts, the methods it takes, and what it does: `route!` makes the rest a 405 with `Allow`.
    macro_rules! route {
        ($($method:literal => $handler:expr),+) => {
            match request.inner().method().as_str() {
                $($method => $handler,)+
                _ => Err(method_not_allowed(&[$($method),+])),
            }
        };
    }
    match parts.as_slice() {
        ["healthz"] => route!("GET" => api::health()),
        ["v1", "admin", "accounts"] => route!(
            "GET" => admin::accounts(request, config).await,
            "POST" => admin::create_account(request, config).await
        ),
        ["v1", "admin", "users", user, "dead-letters"] => {
            route!("GET" => admin::dead_letters(&request, &config, user).await)
        }
        ["v1", "admin", "users", user, "dead-letters", seq, "replay"] => {
            route!("POST" => admin::replay(&request, &config, user, seq).await)
        }
        ["v1", "admin", "users", user, "events"] => route!("GET" => admin::events(&request, &config, user).await),
        ["v1", "admin", "identities"] => route!("POST" => admin::bind_identity(request, config).await),
        ["v1", "agents"] => route!(
            "GET" => api::agents(request, config).await,
            "POST" => api::create_agent(request, config).await
        ),
        ["v1", "agents", agent, "keys"] => route!("POST" => api::create_key(&request, &config, agent).await),
        ["v1", "auth", "operator"] => route!("POST" => api::sign_in_operator(&request, &config).await),
        ["v1", "conversations"] => route!("GET" => api::conversations(&request, &config).await),
        ["v1", "conversations", conversation, "messages"] => {
            route!("GET" => api::messages(&request, &config, conversation).await)
        }
        ["v1", "dead-letters"] => route!("GET" => api::dead_letters(&request, &config).await),
        ["v1", "dead-letters", seq, "replay"] => route!("POST" => api::replay(&request, &config, seq).await),
        ["v1", "events"] => route!("GET" => api::events(&request, &config).await),
        ["v1", "me"] => route!("GET" => api::me(request, config).await),
        ["v1", "tickets"] => route!("POST" => api::ticket(&request, &config)),
        ["v1", "ws"] => route!("GET" => api::websocket(&request, &config).await),
        // Which methods it takes, its platform says.
        ["webhook", platform, account] => webhook::receive(request, config, context, platform, account).await,
        _ => Err(Error::new(Code::NotFound, "no such route; docs/protocol.md lists them")),
    }
}

fn method_not_allowed(allowed: &[&str]) -> Error {
    let allow = allowed.join(", ");
    let detail = format!("this route takes {allow}");
    Error { header: Some(("Allow", allow)), ..Error::new(Code::MethodNotAllowed, detail) }
}
