//! Files beside messages: what proves one, what it is by its first bytes, and how it is named where it cannot be shown.

use protocol::limit::{FILE_NAME_BYTES_MAX, FILES_MAX};
use protocol::{AccountId, File, FileId, FileKind, Timestamp, UserId, from_json};
use serde::Serialize;

use crate::auth::{Keys, Token};

/// What the URL of a file proves: everything about it, so that nothing else need be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Whose.
    #[serde(rename = "sub")]
    pub user: UserId,
    /// Which.
    #[serde(rename = "jti")]
    pub id: FileId,
    /// What its sender calls it.
    pub name: String,
    /// What it is, roughly.
    pub kind: FileKind,
    /// Its media type, if it is known.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Its length, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Where it is fetched from when it is not here yet.
    #[serde(rename = "src", skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

/// A file that a platform has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The bot account that it was sent to.
    pub account: AccountId,
    /// The platform's words for it, which its module alone reads.
    pub key: String,
}

/// The right to put the bytes of a file that a platform has, for an agent that fetches it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Whose.
    #[serde(rename = "sub")]
    pub user: UserId,
    /// Which.
    #[serde(rename = "jti")]
    pub id: FileId,
}

from_json! { struct Place { user as "sub", id as "jti" } }

impl Token for Place {
    const KIND: &'static str = "place";
}

from_json! { struct Link { user as "sub", id as "jti", name, kind, media_type as "type", bytes, source as "src" } }

from_json! { struct Source { account, key } }

impl Token for Link {
    const KIND: &'static str = "file";
}

impl Link {
    /// The file, as messages tell of it. `origin`: the relay's own address.
    pub fn file(&self, keys: &Keys, origin: &str, now: Timestamp, until: Timestamp) -> File {
        let Link { id, name, kind, media_type, bytes, .. } = self.clone();
        let url = format!("{origin}{PATH}{}", keys.sign(self, now, Some(until)));
        File { id, name, kind, media_type, bytes, url }
    }
}

/// Reads the files that a client names: each must be one of this user's. What else the client says of them does not
/// count.
pub fn check(keys: &Keys, user: &UserId, files: Vec<File>, now: Timestamp) -> Result<Vec<File>, String> {
    if files.len() > FILES_MAX {
        return Err(format!("files: at most {FILES_MAX}"));
    }
    let check = |(at, file): (usize, File)| {
        let token = file.url.rsplit_once(PATH).map_or("", |(_, token)| token);
        let link = keys.verify::<Link>(token, now).ok().filter(|link| link.user == *user);
        let Some(Link { id, name, kind, media_type, bytes, .. }) = link else {
            let why = "not a file of this user: give the whole object that POST /v1/files answered";
            return Err(format!("files[{at}].url: {why}"));
        };
        Ok(File { id, name, kind, media_type, bytes, url: file.url })
    };
    files.into_iter().enumerate().map(check).collect()
}

/// A name that any system and any header takes: the last part of a path, without what cannot be seen, not too long.
/// `fallback`: what it is called otherwise.
pub fn name(given: &str, fallback: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !c.is_control() && !INVISIBLE.contains(c)).collect();
    let plain = plain.trim_matches(['.', ' ']);
    let (stem, ending) = match plain.rsplit_once('.') {
        Some((stem, ending)) if ending.len() <= ENDING_BYTES_MAX => (stem, plain.get(stem.len()..).unwrap_or_default()),
        _ => (plain, ""),
    };
    let stem = stem.get(..stem.floor_char_boundary(FILE_NAME_BYTES_MAX - ENDING_BYTES_MAX - 1)).unwrap_or_default();
    if stem.is_empty() { fallback.to_owned() } else { format!("{stem}{ending}") }
}

/// The media type that a file's first bytes show, for those that chats hold most. Nothing that a browser would run is
/// among them.
pub fn sniff(head: &[u8]) -> Option<&'static str> {
    let is_iso = head.get(4..8) == Some(b"ftyp");
    let brand = head.get(8..12).unwrap_or_default();
    Some(match head {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => "audio/wav",
        [b'B', b'M', ..] if head.get(6..10) == Some(&[0; 4]) => "image/bmp",
        [b'%', b'P', b'D', b'F', b'-', ..] => "application/pdf",
        [b'I', b'D', b'3', ..] | [0xff, 0xfb | 0xf3 | 0xf2, ..] => "audio/mpeg",
        [b'O', b'g', b'g', b'S', ..] => "audio/ogg",
        [b'#', b'!', b'A', b'M', b'R', ..] => "audio/amr",
        [b'#', b'!', b'S', b'I', b'L', b'K', ..] | [2, b'#', b'!', b'S', b'I', b'L', b'K', ..] => "audio/silk",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "video/webm",
        [b'P', b'K', 3, 4, ..] => "application/zip",
        _ if is_iso && matches!(brand, b"heic" | b"heix" | b"mif1") => "image/heic",
        _ if is_iso && brand == b"avif" => "image/avif",
        _ if is_iso && brand == b"M4A " => "audio/mp4",
        _ if is_iso => "video/mp4",
        _ => return None,
    })
}

/// The media type of a file: what its first bytes show; else what its sender says, if that is one and they could not
/// show another.
pub fn media_type(head: &[u8], said: Option<&str>) -> String {
    let sniffed = sniff(head);
    let said = said.map(|said| said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let is_plain = |word: &str| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
        !word.is_empty() && word.len() <= 100 && word.bytes().all(is_known)
    };
    let said = said.filter(|said| said.split_once('/').is_some_and(|(left, right)| is_plain(left) && is_plain(right)));
    match (sniffed, said) {
        // What is inside a zip file its sender knows better.
        (Some("application/zip"), Some(said)) if said.starts_with("application/") => said,
        (Some(sniffed), _) => sniffed.to_owned(),
        (None, Some(said)) if !SNIFFED.iter().any(|kind| said.starts_with(kind)) => said,
        (None, _) => "application/octet-stream".to_owned(),
    }
}

/// Whether a browser may show a file of this type in place, rather than only save it.
pub fn is_shown(media_type: &str) -> bool {
    SNIFFED.iter().any(|kind| media_type.starts_with(kind)) && !media_type.contains("svg")
}

/// A file in words, where its platform takes none.
pub fn in_words(file: &File) -> String {
    format!("📎 [{}]({})", file.name.replace(['[', ']'], " "), file.url)
}

/// Where files are read.
pub const PATH: &str = "/v1/files/";
/// Kinds whose first bytes are always known, as far as a browser shows them.
const SNIFFED: [&str; 3] = ["image/", "audio/", "video/"];
const ENDING_BYTES_MAX: usize = 16;
/// What hides in a name and shows it as another: direction marks and the like.
const INVISIBLE: [char; 12] = [
    '\u{200b}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}',
    '\u{2067}', '\u{2068}', '\u{2069}',
];

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn keys() -> Keys {
        Keys::derive("a-secret-of-at-least-thirty-two-bytes").unwrap()
    }

    fn link(user: &str) -> Link {
        Link {
            user: user.parse().unwrap(),
            id: "fil_1".parse().unwrap(),
            name: "a.png".into(),
            kind: FileKind::Image,
            media_type: Some("image/png".into()),
            bytes: Some(3),
            source: None,
        }
    }

    #[test]
    fn a_file_is_what_its_url_proves() {
        let (keys, user) = (keys(), "usr_1".parse().unwrap());
        let file = link("usr_1").file(&keys, "https://r.example", NOW, NOW.plus_ms(1000));
        assert!(file.url.starts_with("https://r.example/v1/files/ey"));
        let checked = |files: Vec<File>, now| check(&keys, &user, files, now);
        assert_eq!(checked(vec![file.clone()], NOW), Ok(vec![file.clone()]));
        // What the client says of it does not count, nor by which address it knows the relay.
        let url = file.url.replace("https://r.example", "http://127.0.0.1:8787");
        let told =
            File { name: "b.exe".into(), kind: FileKind::File, bytes: Some(9), url: url.clone(), ..file.clone() };
        assert_eq!(checked(vec![told], NOW), Ok(vec![File { url, ..file.clone() }]));
        let wrong = |files: Vec<File>, now, expected: &str| {
            let why = checked(files, now).unwrap_err();
            assert!(why.starts_with(expected), "{why}");
        };
        wrong(
            vec![file.clone(), File { url: "https://x.example/a.png".into(), ..file.clone() }],
            NOW,
            "files[1].url: ",
        );
        wrong(vec![File { url: format!("{}x", file.url), ..file.clone() }], NOW, "files[0].url: ");
        wrong(vec![file.clone()], NOW.plus_ms(1000), "files[0].url: ");
        let other = link("usr_2").file(&keys, "", NOW, NOW.plus_ms(1000));
        wrong(vec![other], NOW, "files[0].url: ");
        wrong(vec![file.clone(); FILES_MAX + 1], NOW, "files: at most 10");
        assert_eq!(checked(vec![file.clone(); FILES_MAX], NOW), Ok(vec![file; FILES_MAX]));
    }

    #[test]
    fn names_are_plain() {
        let check = |given: &str, expected: &str| assert_eq!(name(given, "file"), expected, "{given:?}");
        check("a.png", "a.png");
        check("图 1.png", "图 1.png");
        check("../../etc/passwd", "passwd");
        check(r"C:\x\y.doc", "y.doc");
        check("a\r\nb\0.txt", "ab.txt");
        check("evil\u{202e}gnp.exe", "evilgnp.exe");
        check("", "file");
        check("..", "file");
        check(" . ", "file");
        check(".env", "env");
        let long = name(&format!("{}.tar", "图".repeat(200)), "file");
        assert!(long.len() <= FILE_NAME_BYTES_MAX && long.ends_with("图.tar"), "{long}");
        // The longest name has the longest ending; what is longer is none, and is cut with the rest.
        let stem = "x".repeat(FILE_NAME_BYTES_MAX - ENDING_BYTES_MAX - 1);
        let ending = ".".to_owned() + &"y".repeat(ENDING_BYTES_MAX);
        check(&format!("{stem}xx{ending}"), &format!("{stem}{ending}"));
        check(&format!("a{ending}y"), &format!("a{ending}y"));
        check(&format!("{stem}{ending}y"), &stem);
        assert!(name(&format!("a.{}", "y".repeat(300)), "file").len() <= FILE_NAME_BYTES_MAX);
    }

    #[test]
    fn types_are_seen() {
        let check = |head: &[u8], said: Option<&str>, expected: &str| {
            assert_eq!(media_type(head, said), expected, "{head:?} {said:?}");
        };
        check(b"\x89PNG\r\n\x1a\n", Some("text/html"), "image/png");
        check(b"\xff\xd8\xff\xe0", None, "image/jpeg");
        check(b"%PDF-1.7", None, "application/pdf");
        check(b"GIF87a", None, "image/gif");
        check(b"GIF89a", None, "image/gif");
        check(b"RIFF\x24\0\0\0WEBPVP8 ", None, "image/webp");
        check(b"RIFF\x24\0\0\0WAVEfmt ", None, "audio/wav");
        check(b"RIFF\x24\0\0\0AVI LIST", None, "application/octet-stream");
        check(b"BM\x36\x10\0\0\0\0\0\0\x36\0", None, "image/bmp");
        check(b"BMI is a number", Some("text/plain"), "text/plain");
        check(b"ID3\x04", None, "audio/mpeg");
        for second in [0xfb, 0xf3, 0xf2] {
            check(&[0xff, second, 0x90], None, "audio/mpeg");
        }
        check(b"OggS\0", None, "audio/ogg");
        check(b"#!AMR\n", None, "audio/amr");
        check(b"#!SILK_V3", None, "audio/silk");
        // As WeChat and QQ have it.
        check(b"\x02#!SILK_V3", None, "audio/silk");
        check(b"#!/bin/sh\n", Some("text/plain"), "text/plain");
        check(b"\x1a\x45\xdf\xa3", None, "video/webm");
        for brand in [b"heic", b"heix", b"mif1"] {
            check(&[b"\0\0\0\x18ftyp".as_slice(), brand].concat(), None, "image/heic");
        }
        check(b"\0\0\0\x1cftypavif", None, "image/avif");
        // A brand alone is none.
        check(b"\0\0\0\x18moovheic", None, "application/octet-stream");
        check(b"\0\0\0\x18ftypmp42", None, "video/mp4");
        check(b"\0\0\0\x18ftypM4A ", None, "audio/mp4");
        check(
            b"PK\x03\x04",
            Some("application/vnd.oasis.opendocument.text"),
            "application/vnd.oasis.opendocument.text",
        );
        check(b"PK\x03\x04", Some("image/png"), "application/zip");
        check(b"hello", Some("text/plain; charset=utf-8"), "text/plain");
        // What claims to be a picture and is none is none, and neither is what claims nothing sensible.
        check(b"<svg", Some("image/svg+xml"), "application/octet-stream");
        check(b"<html>", Some("image/png"), "application/octet-stream");
        check(b"hello", Some("a/b\r\nX: y"), "application/octet-stream");
        check(b"hello", Some("text"), "application/octet-stream");
        check(b"", None, "application/octet-stream");
        assert!(
            is_shown("image/png")
                && !is_shown("text/html")
                && !is_shown("image/svg+xml")
                && !is_shown("application/pdf")
        );
    }
}
