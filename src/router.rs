//! Every HTTP route, in one `match`.

use protocol::Code;
use worker::{Context, Env, Method, Request, Response};

use crate::config::Config;
use crate::error::Error;
use crate::{admin, api, webhook};

/// Answers a request.
pub async fn route(request: Request, env: Env, context: &Context) -> Result<Response, Error> {
    let config = Config::from_env(env);
    let path = request.path();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    // A route's parts, the methods it takes, and what it does: `route!` makes the rest a 405 with `Allow`.
    macro_rules! route {
        ($($method:ident => $handler:expr),+) => {
            // As text: the worker crate takes a method that it does not know for GET.
            match request.inner().method().as_str() {
                $(method if method == Method::$method.as_ref() => $handler,)+
                _ => Err(method_not_allowed(&[$(Method::$method),+])),
            }
        };
    }
    match parts.as_slice() {
        ["healthz"] => route!(Get => api::health()),
        ["v1", "admin", "accounts"] => route!(
            Get => admin::accounts(request, config).await,
            Post => admin::create_account(request, config).await
        ),
        ["v1", "admin", "users", user, "dead-letters"] => {
            route!(Get => admin::dead_letters(&request, &config, user).await)
        }
        ["v1", "admin", "users", user, "dead-letters", seq, "replay"] => {
            route!(Post => admin::replay(&request, &config, user, seq).await)
        }
        ["v1", "admin", "users", user, "events"] => route!(Get => admin::events(&request, &config, user).await),
        ["v1", "admin", "identities"] => route!(Post => admin::bind_identity(request, config).await),
        ["v1", "agents"] => route!(
            Get => api::agents(request, config).await,
            Post => api::create_agent(request, config).await
        ),
        ["v1", "agents", agent, "keys"] => route!(Post => api::create_key(&request, &config, agent).await),
        ["v1", "auth", "operator"] => route!(Post => api::sign_in_operator(&request, &config).await),
        ["v1", "conversations"] => route!(Get => api::conversations(&request, &config).await),
        ["v1", "conversations", conversation, "messages"] => {
            route!(Get => api::messages(&request, &config, conversation).await)
        }
        ["v1", "dead-letters"] => route!(Get => api::dead_letters(&request, &config).await),
        ["v1", "dead-letters", seq, "replay"] => route!(Post => api::replay(&request, &config, seq).await),
        ["v1", "events"] => route!(Get => api::events(&request, &config).await),
        ["v1", "me"] => route!(Get => api::me(request, config).await),
        ["v1", "tickets"] => route!(Post => api::ticket(&request, &config)),
        ["v1", "ws"] => route!(Get => api::websocket(&request, &config).await),
        ["webhook", platform, account] => {
            route!(Post => webhook::receive(request, config, context, platform, account).await)
        }
        _ => Err(Error::new(Code::NotFound, "no such route; docs/protocol.md lists them")),
    }
}

fn method_not_allowed(allowed: &[Method]) -> Error {
    let allow = allowed.iter().map(Method::as_ref).collect::<Vec<_>>().join(", ");
    let detail = format!("this route takes {allow}");
    Error { header: Some(("Allow", allow)), ..Error::new(Code::MethodNotAllowed, detail) }
}
