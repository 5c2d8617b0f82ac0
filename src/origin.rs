//! Which web pages may use this relay: its own, and those of `ALLOWED_ORIGINS` (the Fetch standard's CORS).

use protocol::Code;

use crate::config::Config;
use crate::error::Error;
use crate::runtime::{Request, Response, ResponseBuilder};

/// Headers of an answer.
pub type Headers = Vec<(&'static str, String)>;

/// The address that a request was sent to, `https://host`.
pub fn own(request: &Request) -> String {
    let url = request.inner().url();
    let host_at = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(host_at..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| host_at + at);
    url.get(..end).unwrap_or_default().to_owned()
}

/// What lets another page that is allowed read the answer; nothing for the relay's own and for pages that are not.
pub fn headers(request: &Request, config: &Config) -> Result<Headers, Error> {
    let Some(origin) = request.headers().get("Origin")? else { return Ok(Vec::new()) };
    if origin == own(request) || !config.allowed_origins().contains(&origin) {
        return Ok(Vec::new());
    }
    Ok(vec![
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", "Retry-After, RateLimit, RateLimit-Policy, Idempotent-Replayed".to_owned()),
        ("Vary", "Origin".to_owned()),
    ])
}

/// The answer to a browser that asks before it sends.
pub fn preflight(shared: &Headers) -> Result<Response, Error> {
    let mut response = ResponseBuilder::new().with_status(204);
    for (name, value) in shared {
        response = response.with_header(name, value)?;
    }
    let response = response
        .with_header("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")?
        .with_header("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key")?
        .with_header("Access-Control-Max-Age", "86400")?;
    Ok(response.empty()?)
}

/// Refuses a WebSocket from a web page that is not allowed: browsers let any page open one (RFC 6455 §10.2).
pub fn check(request: &Request, config: &Config) -> Result<Option<String>, Error> {
    let Some(origin) = request.headers().get("Origin")? else { return Ok(None) };
    if origin == own(request) || config.allowed_origins().contains(&origin) {
        return Ok(Some(origin));
    }
    Err(Error::new(Code::Forbidden, "Origin: this page is not on the list ALLOWED_ORIGINS of the relay"))
}
