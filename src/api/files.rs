//! `/v1/files`: files come in, and are read by whoever has their URL.

use js_sys::encode_uri_component;
use protocol::api::Scope;
use protocol::limit::{FILE_BYTES_MAX, FILE_MS};
use protocol::{Code, FileId, FileKind, UserId};
use relay::auth::Refused;
use relay::file::{self as core, Link, Place};

use super::new_id;
use crate::call::{Call, created, done};
use crate::clock::now;
use crate::error::Error;
use crate::file::{self, Kept};
use crate::runtime::{Bucket, Response, ResponseBuilder, Stored};
use crate::{db, limit, media, origin};

/// `POST /v1/files?name={name}`: a file of whoever sends it, to be named in a message. What no message names goes like
/// any other after [`FILE_MS`].
pub async fn upload(call: &Call) -> Result<Response, Error> {
    let user = sender(call).await?;
    let bucket = bucket(call)?;
    let length = declared(call)?;
    let said = call.header("Content-Type")?;
    let id: FileId = new_id("fil")?;
    let body = call.request.body().ok_or(file::Fault::Empty)?;
    let Kept { media_type, bytes } =
        file::keep(&bucket, &file::key(&user, &id), &body, length, said.as_deref()).await?;
    let kind = FileKind::of(&media_type);
    let name = core::name(&call.query("name")?.unwrap_or_default(), "file");
    let link = Link { user, id, name, kind, media_type: Some(media_type), bytes: Some(bytes), source: None };
    let now = now();
    created(&link.file(&call.config.keys()?, &origin::own(&call.request), now, now.plus_ms(FILE_MS)))
}

/// Whose file it will be: of whoever is signed in, or of an agent's owner.
async fn sender(call: &Call) -> Result<UserId, Error> {
    let Ok(key) = call.agent_key() else {
        return Ok(call.caller().await?.user().clone());
    };
    if !key.may(Scope::Send) && !key.may(Scope::Push) {
        return Err(Error::new(Code::Forbidden, "this agent key lacks the scope send, or push"));
    }
    if !db::has_agent_key(&call.config.db()?, &key.key).await? {
        return Err(Error::unauthorized("Authorization: this key was revoked"));
    }
    limit::credential(call, &key.key).await?;
    Ok(key.user)
}

/// `PUT /v1/files/{file}`: an agent that carries a bot's calls fetched it.
pub async fn put(call: &Call) -> Result<Response, Error> {
    let place = call.config.keys()?.verify::<Place>(call.param(0), now());
    let Place { user, id } = place.map_err(|_| Error::new(Code::NotFound, "no such place"))?;
    let (bucket, length) = (bucket(call)?, declared(call)?);
    let body = call.request.body().ok_or(file::Fault::Empty)?;
    let said = call.header("Content-Type")?;
    file::keep(&bucket, &file::key(&user, &id), &body, length, said.as_deref()).await?;
    done()
}

/// How long its body is, as it declares.
fn declared(call: &Call) -> Result<Option<u64>, Error> {
    let length = call.header("Content-Length")?.and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| length > FILE_BYTES_MAX) {
        return Err(file::Fault::TooLarge.into());
    }
    Ok(length)
}

/// `GET /v1/files/{file}`: by the signed URL alone, whole or a range of it. One that its platform still has is fetched
/// first.
pub async fn read(call: &Call) -> Result<Response, Error> {
    let link = call.config.keys()?.verify::<Link>(call.param(0), now()).map_err(|refused| match refused {
        Refused::Expired => Error::new(Code::NotFound, "this file was kept for 7 days and is gone"),
        Refused::Forged => Error::new(Code::NotFound, "no such file"),
    })?;
    let (bucket, key) = (bucket(call)?, file::key(&link.user, &link.id));
    let found = |stored: Result<Option<Stored>, _>| {
        stored.map_err(|error| Error::unavailable("the files' bucket does not answer", error))
    };
    let mut stored = found(bucket.get(&key, Some(&call.request.headers())).await)?;
    if stored.is_none() && link.source.is_some() {
        media::fetch(&call.config, &link).await?;
        stored = found(bucket.get(&key, Some(&call.request.headers())).await)?;
    }
    let stored = stored.ok_or_else(|| Error::new(Code::NotFound, "this file was deleted"))?;
    answer(&link, &stored)
}

fn answer(link: &Link, stored: &Stored) -> Result<Response, Error> {
    let media_type = stored.media_type().or_else(|| link.media_type.clone());
    let media_type = media_type.as_deref().unwrap_or("application/octet-stream");
    // What others made is shown only if no browser runs it, and never with the rights of our own pages.
    let place = if core::is_shown(media_type) { "inline" } else { "attachment" };
    let name = String::from(encode_uri_component(&link.name)).replace('\'', "%27").replace(['(', ')'], "_");
    let mut response = ResponseBuilder::new()
        .with_header("Content-Type", media_type)?
        .with_header("Content-Disposition", &format!("{place}; filename*=UTF-8''{name}"))?
        .with_header("Content-Security-Policy", "sandbox; default-src 'none'")?
        .with_header("X-Content-Type-Options", "nosniff")?
        .with_header("Cross-Origin-Resource-Policy", "cross-origin")?
        .with_header("Referrer-Policy", "no-referrer")?
        .with_header("Cache-Control", "private, max-age=86400, immutable")?
        .with_header("Accept-Ranges", "bytes")?;
    if let Some((from, length)) = stored.part() {
        let range = format!("bytes {from}-{}/{}", from + length.max(1) - 1, stored.bytes());
        response = response.with_status(206).with_header("Content-Range", &range)?;
    }
    let body = stored.stream().ok_or_else(|| Error::internal("a file", "without a body"))?;
    Ok(response.stream(&body)?)
}

fn bucket(call: &Call) -> Result<Bucket, Error> {
    let none =
        || Error::new(Code::Unavailable, "this relay keeps no files: it was deployed without R2 (npm run deploy)");
    call.config.files().ok_or_else(none)
}
