//! The bytes of files: kept in R2 under their user, for as long as [`FILE_MS`](protocol::limit::FILE_MS); they go through in pieces and are never
//! held whole.

use std::cell::RefCell;

use futures_util::future::join;
use js_sys::{Array, Uint8Array};
use protocol::limit::FILE_BYTES_MAX;
use protocol::{Code, FileId, FileKind, UserId};
use relay::auth::hash;
use relay::file::{self, Link, Source};
use relay::form::Form;
use relay::platform::Attached;
use relay::platform::wx::Opening;
use relay::store::Question;

use crate::config::Config;
use crate::error::Error;
use crate::runtime::{self, Body, Bucket, Pipe, console_log};

/// What was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// As its first bytes show, or its sender says.
    pub media_type: String,
    /// Its length.
    pub bytes: u64,
}

/// A body as it comes, or taken out of what it comes in.
pub struct Incoming {
    body: Body,
    cover: RefCell<Option<Cover>>,
}

/// What a body comes in.
pub enum Cover {
    /// A form, whose file has begun.
    Form(Form),
    /// Encrypted.
    Sealed(Box<Opening>),
}

impl Cover {
    fn next(&mut self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Cover::Form(form) => form.next(bytes),
            Cover::Sealed(opening) => opening.next(bytes),
        }
    }

    fn end(self) -> Result<Vec<u8>, Fault> {
        let rest = match self {
            Cover::Form(form) => form.end(),
            Cover::Sealed(opening) => opening.end().ok(),
        };
        rest.ok_or(Fault::Cut)
    }
}

impl Incoming {
    /// Of these.
    pub fn new(body: Body, cover: Option<Cover>) -> Incoming {
        Incoming { body, cover: RefCell::new(cover) }
    }

    async fn next(&self) -> Result<Option<Uint8Array>, Fault> {
        let piece = self.body.next_piece().await.transpose().map_err(|_| Fault::Cut)?;
        let Some(mut cover) = self.cover.take() else { return Ok(piece) };
        let Some(piece) = piece else { return Ok(Some(Uint8Array::from(cover.end()?.as_slice()))) };
        let taken = cover.next(&piece.to_vec());
        self.cover.replace(Some(cover));
        Ok(Some(Uint8Array::from(taken.as_slice())))
    }
}

/// Why nothing was.
#[derive(Debug)]
pub enum Fault {
    /// There was nothing.
    Empty,
    /// The other end gave up, or said another length than it had.
    Cut,
    /// R2 does not answer.
    Store(runtime::Error),
    /// More than [`FILE_BYTES_MAX`].
    TooLarge,
}

/// Where a file's bytes are in the bucket.
pub fn key(user: &UserId, id: &FileId) -> String {
    format!("{user}/{id}")
}

/// Keeps a body. `length`: as its sender declares it; `said`: its media type, likewise.
pub async fn keep(
    bucket: &Bucket,
    key: &str,
    body: &Incoming,
    length: Option<u64>,
    said: Option<&str>,
) -> Result<Kept, Fault> {
    if length.is_some_and(|length| length > FILE_BYTES_MAX) {
        return Err(Fault::TooLarge);
    }
    let (mut pieces, mut head, mut bytes) = (Vec::new(), Vec::new(), 0);
    while head.len() < HEAD_BYTES {
        let Some(piece) = body.next().await? else { break };
        let wanted = (HEAD_BYTES - head.len()).min(piece.length() as usize) as u32;
        head.extend(piece.subarray(0, wanted).to_vec());
        bytes += u64::from(piece.length());
        pieces.push(piece);
    }
    if bytes == 0 {
        return Err(Fault::Empty);
    }
    let media_type = file::media_type(&head, said);
    let bytes = match length {
        Some(length) => keep_known(bucket, key, pieces, body, length, &media_type).await?,
        None => keep_unknown(bucket, key, pieces, body, &media_type).await?,
    };
    Ok(Kept { media_type, bytes })
}

async fn keep_known(
    bucket: &Bucket,
    key: &str,
    pieces: Vec<Uint8Array>,
    body: &Incoming,
    length: u64,
    media_type: &str,
) -> Result<u64, Fault> {
    let pipe = Pipe::of_length(length).map_err(Fault::Store)?;
    let readable = pipe.readable();
    let (put, pumped) = join(bucket.put(key, &readable, media_type), pump(&pipe, &pieces, body, "")).await;
    pumped?;
    put.map_err(Fault::Store)?;
    Ok(length)
}

/// Writes pieces, a body, and what stands after it; then the pipe ends. If that fails it ends unfinished.
pub async fn pump(pipe: &Pipe, before: &[Uint8Array], body: &Incoming, after: &str) -> Result<(), Fault> {
    let outcome = write(pipe, before, body, after).await;
    if outcome.is_err() {
        pipe.abort();
    }
    outcome
}

async fn write(pipe: &Pipe, before: &[Uint8Array], body: &Incoming, after: &str) -> Result<(), Fault> {
    let cut = |_| Fault::Cut;
    for piece in before {
        pipe.write(piece).await.map_err(cut)?;
    }
    while let Some(piece) = body.next().await? {
        pipe.write(&piece).await.map_err(cut)?;
    }
    if !after.is_empty() {
        pipe.write_text(after).await.map_err(cut)?;
    }
    pipe.close().await.map_err(cut)
}

/// A body whose length nobody said: in parts, each collected first.
async fn keep_unknown(
    bucket: &Bucket,
    key: &str,
    pieces: Vec<Uint8Array>,
    body: &Incoming,
    media_type: &str,
) -> Result<u64, Fault> {
    let (mut collected, mut held, mut bytes, mut parts) = (Array::new(), 0, 0, None);
    let mut pieces = pieces.into_iter();
    loop {
        let piece = match pieces.next() {
            Some(piece) => Some(piece),
            None => body.next().await?,
        };
        let Some(mut piece) = piece else { break };
        bytes += u64::from(piece.length());
        if bytes > FILE_BYTES_MAX {
            if let Some(parts) = parts.take() {
                abort(parts).await;
            }
            return Err(Fault::TooLarge);
        }
        // All parts have one length, but the last.
        while held + piece.length() >= PART_BYTES {
            let cut = PART_BYTES - held;
            collected.push(&piece.subarray(0, cut));
            piece = piece.subarray(cut, piece.length());
            if parts.is_none() {
                parts = Some(bucket.put_parts(key, media_type).await.map_err(Fault::Store)?);
            }
            if let Some(parts) = &parts {
                parts.put(&collected).await.map_err(Fault::Store)?;
            }
            (collected, held) = (Array::new(), 0);
        }
        held += piece.length();
        collected.push(&piece);
    }
    match parts {
        None => bucket.put_pieces(key, &collected, media_type).await.map_err(Fault::Store)?,
        Some(parts) => {
            if held > 0 {
                parts.put(&collected).await.map_err(Fault::Store)?;
            }
            parts.finish().await.map_err(Fault::Store)?;
        }
    }
    Ok(bytes)
}

async fn abort(parts: runtime::Parts) {
    if let Err(error) = parts.abort().await {
        // R2 forgets parts that nobody completes after 7 days.
        console_log!("an upload in parts: {error}");
    }
}

/// The files that came with a question.
pub fn links(user: &UserId, question: &Question, attached: Vec<Attached>) -> Result<Vec<Link>, Error> {
    let Some(from) = &question.origin else { return Ok(Vec::new()) };
    let link = |(at, attached): (usize, Attached)| {
        let Attached { kind, name, media_type, bytes, key } = attached;
        // The same for a webhook that comes again.
        let digest = hash(&format!("{user}\n{}\n{at}", question.id));
        let id = format!("fil_{}", digest.get(..ID_CHARACTERS).unwrap_or_default());
        let id = id.parse().map_err(|error| Error::internal("a file's id", error))?;
        let fallback = match kind {
            FileKind::Audio => "audio",
            FileKind::File => "file",
            FileKind::Image => "image",
            FileKind::Video => "video",
        };
        let name = file::name(name.as_deref().unwrap_or_default(), fallback);
        let source = Some(Source { account: from.account.clone(), key });
        Ok(Link { user: user.clone(), id, name, kind, media_type, bytes, source })
    };
    attached.into_iter().enumerate().map(link).collect()
}

/// Deletes everything of a user who is gone.
pub async fn delete_all(config: &Config, user: &UserId) -> Result<(), Error> {
    let Some(bucket) = config.files() else { return Ok(()) };
    while !bucket.delete_all(&format!("{user}/")).await? {}
    Ok(())
}

impl Fault {
    /// As an answer that says where.
    pub fn of(self, field: &str) -> Error {
        match self {
            Fault::Empty => Error::new(Code::BadRequest, format!("{field}: the file is empty")),
            Fault::Cut => {
                let why = "it ended early, or is not as long as Content-Length says";
                Error::new(Code::BadRequest, format!("{field}: {why}"))
            }
            Fault::Store(error) => Error::unavailable("the files' bucket does not answer", error),
            Fault::TooLarge => Error::new(Code::BodyTooLarge, format!("{field}: at most {FILE_BYTES_MAX} bytes")),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        fault.of("body")
    }
}

/// So much of a file tells what it is.
const HEAD_BYTES: usize = 32;
/// 5 MiB: the least that R2 takes as a part that is not the last.
const PART_BYTES: u32 = 5 * 1024 * 1024;
/// 128 bits and more.
const ID_CHARACTERS: usize = 22;
