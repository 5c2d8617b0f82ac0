//! Calls of platforms' APIs.

use protocol::{AgentId, Fetch, FetchForm, Fetched, Header, UserId};
use relay::platform::{HttpRequest, HttpResponse};

use crate::ask::{self, Ask};
use crate::clock::random;
use crate::config::Config;
use crate::runtime::{Headers, RequestInit, Response, Result, fetch};

/// How calls leave: some platforms take them from listed addresses only, and Cloudflare's are not fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Made by an agent, from its own address.
    Agent {
        /// Whose.
        user: UserId,
        /// Which.
        agent: AgentId,
    },
    /// From the relay.
    Direct,
}

/// Performs a call, with the access token if there is one. An answer of any status is an answer; `Err` means that none
/// came whole within [`CALL_MS_MAX`].
pub async fn perform(
    config: &Config,
    way: &Way,
    call: &HttpRequest,
    token: Option<&str>,
) -> std::result::Result<HttpResponse, String> {
    if let Way::Agent { user, agent } = way {
        return carry(config, user, agent, call, token).await;
    }
    attempt(call, token).await.map_err(|error| without_url(&error.to_string()))
}

/// An address may hold a secret.
fn without_url(error: &str) -> String {
    if error.contains("://") { NO_ANSWER.to_owned() } else { format!("{NO_ANSWER}: {error}") }
}

/// Makes a call from here whose answer, or whose body, goes through in pieces; `body`: with its media type.
pub async fn open(
    call: &HttpRequest,
    token: Option<&str>,
    body: Option<(&str, &web_sys::ReadableStream)>,
    ms_max: u32,
) -> std::result::Result<Response, String> {
    let opened = async {
        let headers = Headers::new();
        if let Some((name, value)) = call.token_header(token) {
            headers.set(name, &value)?;
        }
        if let Some((kind, _)) = body {
            headers.set("Content-Type", kind)?;
        }
        let mut init = RequestInit::new(&call.method).headers(&headers).without_redirects().timeout(ms_max);
        if let Some((_, stream)) = body {
            init = init.stream(stream);
        }
        fetch(&call.url(token), &init).await
    };
    opened.await.map_err(|error| without_url(&error.to_string()))
}

async fn attempt(call: &HttpRequest, token: Option<&str>) -> Result<HttpResponse> {
    let headers = Headers::new();
    for Header { name, value } in headers_of(call, token) {
        headers.set(&name, &value)?;
    }
    let mut init = RequestInit::new(&call.method).headers(&headers).without_redirects().timeout(CALL_MS_MAX);
    if let Some(body) = &call.body {
        init = init.body(body);
    }
    answered(&fetch(&call.url(token), &init).await?).await
}

/// An answer, read whole.
pub async fn answered(response: &Response) -> Result<HttpResponse> {
    let headers = response.headers();
    let wait = |name: &str| headers.get(name).ok().flatten().and_then(|text| text.parse().ok());
    let retry_after_s = wait("x-ogw-ratelimit-reset").or_else(|| wait("Retry-After"));
    Ok(HttpResponse { status: response.status_code(), retry_after_s, body: response.text().await? })
}

/// Has the call made by an agent.
async fn carry(
    config: &Config,
    user: &UserId,
    agent: &AgentId,
    call: &HttpRequest,
    token: Option<&str>,
) -> std::result::Result<HttpResponse, String> {
    carry_file(config, user, agent, call, token, None, None).await
}

/// The same with a file: `form` is sent with one, or what is answered is saved at the relay's path `save`.
pub async fn carry_file(
    config: &Config,
    user: &UserId,
    agent: &AgentId,
    call: &HttpRequest,
    token: Option<&str>,
    form: Option<FetchForm>,
    save: Option<String>,
) -> std::result::Result<HttpResponse, String> {
    let failed = |error: crate::error::Error| format!("{NO_ANSWER}: {}", error.detail());
    let mut headers = headers_of(call, token);
    if form.is_some() || save.is_some() {
        headers.retain(|header| header.name == "Authorization");
    }
    let (id, method, url) = (random::<12>().map_err(failed)?, call.method.clone(), call.url(token));
    let fetch = Fetch { id, method, url, headers, body: call.body.clone(), form, save };
    let response = ask::ask(config, user, "", &Ask::Fetch { agent: agent.clone(), fetch }).await.map_err(failed)?;
    let Fetched { answer, error, .. } = response.read().await.map_err(|error| format!("{NO_ANSWER}: {error}"))?;
    let why = || format!("{NO_ANSWER}: {}", error.unwrap_or_else(|| "the agent says nothing".into()));
    let answer = answer.ok_or_else(why)?;
    Ok(HttpResponse { status: answer.status, retry_after_s: answer.retry_after_s, body: answer.body })
}

fn headers_of(call: &HttpRequest, token: Option<&str>) -> Vec<Header> {
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
    let mut headers =
        vec![header("Accept", "application/json"), header("Content-Type", "application/json; charset=utf-8")];
    headers.extend(call.token_header(token).map(|(name, value)| header(name, &value)));
    headers
}

/// How a word about a call begins that had no answer at all.
pub const NO_ANSWER: &str = "no answer";
/// A whole call, from connecting to the last byte of its answer.
const CALL_MS_MAX: u32 = 10_000;
