//! Reading requests: capped bodies, JSON, bearer tokens, query parameters.

use protocol::Code;
use protocol::json::{self, FromJson, Wrong};

use crate::error::Error;
use crate::runtime::Request;

/// The body's bytes, at most `max` of them.
pub async fn body(request: &Request, max: usize) -> Result<Vec<u8>, Error> {
    if is_declared(request, max)? {
        return request.bytes().await.map_err(|_| ended_early());
    }
    pieces(request, max).await
}

/// The body as text, at most `max` bytes of it: in half the time. What is not UTF-8 becomes U+FFFD, over which no signature
/// holds.
pub async fn text(request: &Request, max: usize) -> Result<String, Error> {
    if is_declared(request, max)? {
        return request.text().await.map_err(|_| ended_early());
    }
    Ok(String::from_utf8_lossy(&pieces(request, max).await?).into_owned())
}

/// A body that does not say how long it is.
async fn pieces(request: &Request, max: usize) -> Result<Vec<u8>, Error> {
    let Some(stream) = request.body() else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| ended_early())?;
        if bytes.len() + chunk.len() > max {
            return Err(too_large(max));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Whether the body says how long it is, so that it can be read in one piece: it is no longer than that.
fn is_declared(request: &Request, max: usize) -> Result<bool, Error> {
    let declared = request.headers().get("Content-Length")?.and_then(|text| text.parse::<usize>().ok());
    if declared.is_some_and(|length| length > max) { Err(too_large(max)) } else { Ok(declared.is_some()) }
}

fn too_large(max: usize) -> Error {
    Error::new(Code::BodyTooLarge, format!("body: at most {max} bytes"))
}

fn ended_early() -> Error {
    Error::new(Code::BadRequest, "body: it ended early")
}

/// Refuses a body that does not say it is JSON.
pub fn require_json(request: &Request) -> Result<(), Error> {
    let content_type = request.headers().get("Content-Type")?.unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Error::new(Code::UnsupportedMediaType, "Content-Type: expected application/json"))
}

/// Reads JSON.
pub fn parse<T: FromJson>(bytes: &[u8]) -> Result<T, Wrong> {
    let text = std::str::from_utf8(bytes).map_err(|_| Wrong::expected("UTF-8"))?;
    json::read(text)
}

/// The token of `Authorization: Bearer …`.
pub fn bearer(request: &Request) -> Result<String, Error> {
    let header = request.headers().get("Authorization")?.unwrap_or_default();
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => Ok(token.trim().to_owned()),
        _ => Err(Error::unauthorized("Authorization: expected Bearer and a token")),
    }
}

/// A query parameter.
pub fn query(request: &Request, name: &str) -> Result<Option<String>, Error> {
    // The runtime's own URL parser costs no bytes of ours.
    let url = web_sys::Url::new(&request.inner().url()).map_err(|_| Error::new(Code::BadRequest, "URL"))?;
    Ok(url.search_params().get(name))
}
