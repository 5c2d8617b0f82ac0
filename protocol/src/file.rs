//! Files beside messages: what is said of them. Their bytes are uploaded to `POST /v1/files` and read at their URL; no frame
//! holds them.

use serde::Serialize;

use crate::id::FileId;

/// A file beside a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct File {
    /// Which one.
    pub id: FileId,
    /// What its sender calls it, at most [`crate::limit::FILE_NAME_BYTES_MAX`] bytes, without `/`.
    pub name: String,
    /// What it is, roughly.
    pub kind: FileKind,
    /// Its media type, as its first bytes or its sender say; absent until it was fetched from its platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Its length; absent until it was fetched from its platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Where to read it, by whoever has this: it is signed, and good until the file is deleted
    /// ([`crate::limit::FILE_MS`]). It proves everything else here: whoever names a file gives the whole object back.
    pub url: String,
}

/// What a file is, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A voice message, music.
    Audio,
    /// Anything else, or of a newer relay.
    File,
    /// A picture.
    Image,
    /// A film.
    Video,
}

impl FileKind {
    /// By its media type.
    pub fn of(media_type: &str) -> FileKind {
        match media_type.split('/').next().unwrap_or_default() {
            "audio" => FileKind::Audio,
            "image" => FileKind::Image,
            "video" => FileKind::Video,
            _ => FileKind::File,
        }
    }
}

crate::from_json! { struct File { id, name, kind, media_type, bytes, url } }

crate::from_json! { words FileKind { "audio" => Audio, "image" => Image, "video" => Video } else File }
