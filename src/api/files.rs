//! `/v1/files`: files come in, and are read by whoever has their URL.

use js_sys::encode_uri_component;
use protocol::api::Scope;
use protocol::limit::{FILE_BYTES_MAX, FILE_MS};
use protocol::{Code, File, FileId, FileKind, UserId};
use relay::auth::{AgentKey, Refused};
use relay::file::{self as core, Link, Place};

use super::new_id;
use crate::call::{Awaited, Call, created, done};
use crate::clock::now;
use crate::error::Error;
use crate::file::{self, Incoming, Kept};
use crate::runtime::{Bucket, Response, ResponseBuilder, Stored};
use crate::{db, limit, media, origin, request};

/// `POST /v1/files?name={name}`: a file of whoever sends it, to be named in a message. What no message names goes like
/// any other after [`FILE_MS`].
pub async fn upload(call: &Call) -> Result<Response, Error> {
    let user = sender(call, &request::bearer(&call.request)?).await?;
    let upload = Upload {
        user,
        field: "body",
        length: declared(call, "body", 0)?,
        name: call.query("name")?.unwrap_or_default(),
        said: call.header("Content-Type")?,
    };
    let body = call.request.body().ok_or(file::Fault::Empty)?;
    created(&keep(call, upload, &Incoming::new(body, None)).await?)
}

/// What is known of a file before its bytes.
pub(super) struct Upload {
    /// Whose it will be.
    pub user: UserId,
    /// Where it stands in the request.
    pub field: &'static str,
    /// How long it is, if that is declared.
    pub length: Option<u64>,
    /// What its sender calls it.
    pub name: String,
    /// Its media type, as its sender says.
    pub said: Option<String>,
}

/// Keeps a file, and answers it as messages tell of it.
pub(super) fn keep<'a>(call: &'a Call, upload: Upload, body: &'a Incoming) -> Awaited<'a, File> {
    Box::pin(async move {
        let Upload { user, field, length, name, said } = upload;
        let (bucket, id) = (bucket(call)?, new_id::<FileId>("fil")?);
        let Kept { media_type, bytes } = file::keep(&bucket, &file::key(&user, &id), body, length, said.as_deref())
            .await
            .map_err(|fault| fault.of(field))?;
        let (kind, name) = (FileKind::of(&media_type), core::name(&name, "file"));
        let link = Link { user, id, name, kind, media_type: Some(media_type), bytes: Some(bytes), source: None };
        let now = now();
        Ok(link.file(&call.config.keys()?, &origin::own(&call.request), now, now.plus_ms(FILE_MS)))
    })
}

/// Whose file it will be: of whoever is signed in, or of an agent's owner. `token` says which.
pub(super) async fn sender(call: &Call, token: &str) -> Result<UserId, Error> {
    let (user, key) = owner(call, token).await?;
    match key.is_none_or(|key| key.may(Scope::Send) || key.may(Scope::Push)) {
        true => Ok(user),
        false => Err(Error::new(Code::Forbidden, "this agent key lacks the scope send, or push")),
    }
}

/// Whose access token this is, or whose agent's key.
pub(super) fn owner<'a>(call: &'a Call, token: &'a str) -> Awaited<'a, (UserId, Option<AgentKey>)> {
    Box::pin(async move {
        let Ok(key) = call.agent_key_of(token) else {
            return Ok((call.caller_by(call.access_of(token)?).await?.user().clone(), None));
        };
        if !db::has_agent_key(&call.config.db()?, &key.key).await? {
            return Err(Error::unauthorized("Authorization: this key was revoked"));
        }
        limit::credential(call, &key.key).await?;
        Ok((key.user.clone(), Some(key)))
    })
}

/// `PUT /v1/files/{file}`: an agent that carries a bot's calls fetched it.
pub async fn put(call: &Call) -> Result<Response, Error> {
    let place = call.config.keys()?.verify::<Place>(call.param(0), now());
    let Place { user, id } = place.map_err(|_| Error::new(Code::NotFound, "no such place"))?;
    let (bucket, length) = (bucket(call)?, declared(call, "body", 0)?);
    let body = call.request.body().ok_or(file::Fault::Empty)?;
    let said = call.header("Content-Type")?;
    file::keep(&bucket, &file::key(&user, &id), &Incoming::new(body, None), length, said.as_deref()).await?;
    done()
}

/// How long its body is, as it declares; at most `beside` bytes of it are no file's. `field`: where that stands.
pub(super) fn declared(call: &Call, field: &str, beside: u64) -> Result<Option<u64>, Error> {
    let length = call.header("Content-Length")?.and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| length > FILE_BYTES_MAX + beside) {
        return Err(file::Fault::TooLarge.of(field));
    }
    Ok(length)
}

/// `GET /v1/files/{file}`: by the signed URL alone, whole or a range of it. One that its platform still has is fetched
/// first.
pub async fn read(call: &Call) -> Result<Response, Error> {
    send(call, &link(call, call.param(0))?).await
}

/// What the last part of a file's URL proves.
pub(super) fn link(call: &Call, token: &str) -> Result<Link, Error> {
    call.config.keys()?.verify::<Link>(token, now()).map_err(|refused| match refused {
        Refused::Expired => Error::new(Code::NotFound, "this file was kept for 7 days and is gone"),
        Refused::Forged => Error::new(Code::NotFound, "no such file"),
    })
}

/// Answers a file.
pub(super) fn send<'a>(call: &'a Call, link: &'a Link) -> Awaited<'a, Response> {
    Box::pin(try_send(call, link))
}

async fn try_send(call: &Call, link: &Link) -> Result<Response, Error> {
    let (bucket, key) = (bucket(call)?, file::key(&link.user, &link.id));
    let found = |stored: Result<Option<Stored>, _>| {
        stored.map_err(|error| Error::unavailable("the files' bucket does not answer", error))
    };
    let mut stored = found(bucket.get(&key, Some(&call.request.headers())).await)?;
    if stored.is_none() && link.source.is_some() {
        media::fetch(&call.config, link).await?;
        stored = found(bucket.get(&key, Some(&call.request.headers())).await)?;
    }
    let stored = stored.ok_or_else(|| Error::new(Code::NotFound, "this file was deleted"))?;
    answer(link, &stored)
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
