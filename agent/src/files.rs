//! Files beside messages: read from the relay, uploaded to it, and said in words. No address leads anywhere but to the
//! relay, so that whoever has it cannot look around in this network.

use std::time::Duration;

use protocol::limit::FILE_BYTES_MAX;
use protocol::{File, FileKind};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Bytes;
use tracing::warn;

use crate::backend::shorten;
use crate::error::Stop;
use crate::http;

/// The files of one relay.
pub struct Files {
    client: Client,
    /// `https://host/`, and the path below which the relay answers.
    relay: Url,
    key: String,
}

/// What was read of a file.
#[derive(Debug)]
pub struct Body {
    /// All of it, or as much as was wanted.
    pub bytes: Vec<u8>,
    /// Without parameters, in lower case; empty when nobody says.
    pub media_type: String,
    /// Whether there is no more of it.
    pub is_whole: bool,
}

/// Why one attempt failed.
enum Trouble {
    Final(String),
    Passing(String),
}

impl Files {
    /// `relay` is the WebSocket's URL, `key` visible ASCII.
    pub fn new(relay: &Url, key: &str) -> Result<Files, Stop> {
        let client = http::client(relay)?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .redirect(Policy::none())
            .build()
            .map_err(|error| Stop::Failed(format!("cannot set up HTTP: {error}")))?;
        let mut base = relay.clone();
        // Between "special" schemes, which these are, a change is always allowed.
        let _ = base.set_scheme(if relay.scheme() == "wss" { "https" } else { "http" });
        base.set_path(&format!("{}/", relay.path().trim_end_matches("/v1/ws")));
        Ok(Files { client, relay: base, key: key.to_owned() })
    }

    /// The whole file, or why not, in words for whoever asked.
    pub async fn fetch(&self, file: &File, bytes_max: usize) -> Result<Body, String> {
        let too_large = || format!("larger than {}", size(bytes_max as u64));
        if file.bytes.is_some_and(|bytes| bytes > bytes_max as u64) {
            return Err(too_large());
        }
        let body = self.peek(file, bytes_max).await?;
        if body.is_whole { Ok(body) } else { Err(too_large()) }
    }

    /// The beginning of a file, at most so many bytes of it.
    pub async fn peek(&self, file: &File, bytes_max: usize) -> Result<Body, String> {
        let Some(url) = self.address(file) else {
            warn!("file {} is not read: its address is none of the relay's", file.id);
            return Err("its address is none of the relay's".to_owned());
        };
        let body = self.get(&url, bytes_max).await.inspect_err(|why| warn!("file {} is not read: {why}", file.id))?;
        let known = file.media_type.clone().unwrap_or_default();
        Ok(if body.media_type.is_empty() { Body { media_type: known, ..body } } else { body })
    }

    /// Where this relay has it. It may go by several names: the file's address has the one by which its message came, and
    /// this program takes the one by which it is connected.
    fn address(&self, file: &File) -> Option<Url> {
        let url = Url::parse(&file.url).ok()?;
        let path = url.path().strip_prefix('/').filter(|path| path.starts_with(PATH))?;
        let mut address = self.relay.join(path).ok()?;
        address.set_query(url.query());
        Some(address)
    }

    /// The whole of what is at an address that is known to be harmless.
    pub async fn read(&self, url: &Url, bytes_max: usize) -> Result<Vec<u8>, String> {
        let body = self.get(url, bytes_max).await?;
        if body.is_whole { Ok(body.bytes) } else { Err(format!("larger than {}", size(bytes_max as u64))) }
    }

    async fn get(&self, url: &Url, bytes_max: usize) -> Result<Body, String> {
        let body = self.patiently(|| async {
            let mut response = send(self.client.get(url.clone())).await?;
            let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default();
            let media_type = media_type.trim().to_ascii_lowercase();
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > bytes_max {
                    bytes.truncate(bytes_max);
                    return Ok(Body { bytes, media_type, is_whole: false });
                }
            }
            Ok(Body { bytes, media_type, is_whole: true })
        });
        body.await
    }

    /// Gives a file to the relay, for a reply.
    pub async fn upload(&self, name: &str, media_type: &str, bytes: Vec<u8>) -> Result<File, String> {
        if bytes.is_empty() {
            return Err("empty".to_owned());
        }
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(format!("larger than {}", size(FILE_BYTES_MAX)));
        }
        let mut url = self.relay.join("v1/files").map_err(|_| "the relay's address does not work".to_owned())?;
        url.query_pairs_mut().append_pair("name", name);
        let bytes = Bytes::from(bytes);
        let file = self.patiently(|| async {
            let request = self.client.post(url.clone()).bearer_auth(&self.key);
            let request = request.header(CONTENT_TYPE, media_type).header(CONTENT_LENGTH, bytes.len());
            let response = send(request.body(bytes.clone())).await?;
            let body = response.bytes().await.map_err(|error| broken(&error))?;
            serde_json::from_slice::<File>(&body)
                .map_err(|_| Trouble::Final("the relay answered with what cannot be read".to_owned()))
        });
        file.await.inspect_err(|why| warn!("a file for the relay is not uploaded: {why}"))
    }

    /// Tries a few times while it may pass.
    async fn patiently<T, F: Future<Output = Result<T, Trouble>>>(&self, attempt: impl Fn() -> F) -> Result<T, String> {
        let mut tries = 0;
        loop {
            tries += 1;
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(Trouble::Final(why)) => return Err(why),
                Err(Trouble::Passing(why)) if tries == TRIES_MAX => return Err(why),
                Err(Trouble::Passing(_)) => sleep(RETRY_BASE * tries * tries).await,
            }
        }
    }
}

/// Sends, and sorts the answers that are no success.
async fn send(request: RequestBuilder) -> Result<Response, Trouble> {
    let mut response = request.send().await.map_err(|error| broken(&error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await
        && body.len() <= PROBLEM_BYTES_MAX
    {
        body.extend_from_slice(&chunk);
    }
    let why = match serde_json::from_slice::<Problem>(&body).unwrap_or_default().detail {
        Some(detail) => format!("HTTP {}: {}", status.as_u16(), shorten(&detail)),
        None => format!("HTTP {}", status.as_u16()),
    };
    let may_pass = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    Err(if may_pass { Trouble::Passing(why) } else { Trouble::Final(why) })
}

/// What a relay says when it does not do something.
#[derive(Default, Deserialize)]
struct Problem {
    detail: Option<String>,
}

/// Without the error's own words: they quote the address, which is as good as the file.
fn broken(error: &reqwest::Error) -> Trouble {
    let why = if error.is_timeout() { "it did not come in time" } else { "the connection broke" };
    Trouble::Passing(why.to_owned())
}

/// A file in words, for a model that does not see it: `[file: a.png, image/png, 12 KB]`.
pub fn words(file: &File) -> String {
    format!("[file: {}]", facts(file))
}

/// The same, with why it does not see it.
pub fn words_why(file: &File, why: &str) -> String {
    format!("[file: {} — {why}]", facts(file))
}

/// A text with its files in words, as it is remembered.
pub fn text_with(text: String, files: &[File]) -> String {
    let words = files.iter().map(words);
    let parts = Some(text).into_iter().filter(|text| !text.is_empty()).chain(words);
    parts.collect::<Vec<_>>().join("\n")
}

/// Name, type and size, as far as they are known.
pub fn facts(file: &File) -> String {
    let kind = match file.kind {
        FileKind::Audio => Some("audio"),
        FileKind::File => None,
        FileKind::Image => Some("image"),
        FileKind::Video => Some("video"),
    };
    let name = file.name.replace(char::is_control, " ");
    let media_type = file.media_type.as_deref().or(kind).map(str::to_owned);
    [Some(name), media_type, file.bytes.map(size)].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Bytes in words.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        _ => format!("{:.1} MB", bytes as f64 / 1_000_000.0),
    }
}

/// One file in one direction. The first who reads a file of a chat platform waits until the relay has fetched it.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Of a file's address, below the relay's.
const PATH: &str = "v1/files/";
const PROBLEM_BYTES_MAX: usize = 16 * 1024;
const RETRY_BASE: Duration = Duration::from_millis(300);
const TRIES_MAX: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, media_type: Option<&str>, bytes: Option<u64>) -> File {
        File {
            id: "file-1".parse().unwrap(),
            name: name.to_owned(),
            kind: FileKind::of(media_type.unwrap_or("image/x")),
            media_type: media_type.map(str::to_owned),
            bytes,
            url: "https://relay.example/v1/files/1".to_owned(),
        }
    }

    #[test]
    fn files_in_words() {
        assert_eq!(words(&file("a.png", Some("image/png"), Some(12_345))), "[file: a.png, image/png, 13 KB]");
        assert_eq!(words(&file("a\n.png", None, None)), "[file: a .png, image]");
        let film = file("b.mp4", Some("video/mp4"), Some(22_000_000));
        assert_eq!(words_why(&film, "cannot be read"), "[file: b.mp4, video/mp4, 22.0 MB — cannot be read]");
        assert_eq!(text_with("see".into(), std::slice::from_ref(&film)), "see\n[file: b.mp4, video/mp4, 22.0 MB]");
        assert_eq!(text_with(String::new(), &[film]), "[file: b.mp4, video/mp4, 22.0 MB]");
        assert_eq!(text_with("see".into(), &[]), "see");
        assert_eq!([size(999), size(1_000), size(29_950_001)], ["999 B", "1 KB", "30.0 MB"]);
    }

    #[test]
    fn no_address_leads_elsewhere() {
        let check = |relay: &str, url: &str, expected: Option<&str>| {
            let files = Files::new(&Url::parse(relay).unwrap(), "k").unwrap();
            let file = File { url: url.to_owned(), ..file("a.png", None, None) };
            assert_eq!(files.address(&file).as_ref().map(Url::as_str), expected, "{url}");
        };
        let at = "https://relay.example/v1/files/x.y";
        check("wss://relay.example/v1/ws", at, Some(at));
        check("wss://relay.example/v1/ws", "https://relay.workers.example/v1/files/x.y", Some(at));
        check("wss://relay.example/v1/ws", "http://127.0.0.1:8080/v1/files/x.y?a=b", Some(&format!("{at}?a=b")));
        check("ws://127.0.0.1:1/sub/v1/ws", at, Some("http://127.0.0.1:1/sub/v1/files/x.y"));
        for elsewhere in ["https://relay.example/v1/agents", "https://relay.example//evil.example/v1/files/x", "x"] {
            check("wss://relay.example/v1/ws", elsewhere, None);
        }
    }
}
