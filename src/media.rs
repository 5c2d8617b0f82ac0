//! Files from and to platforms: fetched once and kept, or sent as the platform wants it. Both go through the [`Account`],
//! which has the access token.

use std::time::Duration;

use futures_util::future::join;
use js_sys::Uint8Array;
use protocol::json::{FromJson, Json};
use protocol::{AgentId, Code, FetchForm, File, Header, UserId, from_json};
use relay::file::{Link, Place};
use relay::platform::{self, Auth, Download, HttpRequest, HttpResponse, NoToken, Outbound, Sent, Upload, Verdict};
use serde::Serialize;

use crate::account::{self, Account};
use crate::clock::{now, random};
use crate::config::Config;
use crate::directory::{self, Bot};
use crate::error::Error;
use crate::file::{self, Cover, Incoming};
use crate::outbound::{self, Way};
use crate::runtime::{Delay, Pipe, Response, console_log};

/// What is asked of a bot's account about a file.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Ask<'a> {
    /// Fetch it from the platform, and keep it.
    Keep(&'a Link),
}

/// Why a file is not here.
struct Answer {
    error: Option<String>,
}

from_json! { struct Answer { error } }

/// Has a file fetched from its platform and kept, unless it is here.
pub async fn fetch(config: &Config, link: &Link) -> Result<(), Error> {
    let gone =
        |why: &str| Error::new(Code::NotFound, format!("the file could not be fetched from its platform: {why}"));
    let Some(source) = &link.source else { return Err(gone("it came from none")) };
    let body = serde_json::to_string(&Ask::Keep(link)).map_err(|error| Error::internal("a file", error))?;
    let response = account::post(config, &source.account, &body).await?;
    let Answer { error } = response.read().await.map_err(account::unavailable)?;
    error.map_or(Ok(()), |why| Err(gone(&why)))
}

/// What an account is asked, if it is about a file.
pub fn asked(body: &Json) -> Option<Link> {
    Link::from_json(body.get("keep")?.clone()).ok()
}

impl Account {
    /// Answers [`Ask`].
    pub async fn bring(&self, link: &Link) -> Result<Response, Error> {
        // Two may ask for it at once: whoever brings it and whoever reads it.
        for _ in 0..BUSY_LOOKS {
            if !self.bringing.borrow().contains(&link.id) {
                break;
            }
            Delay::from(BUSY_LOOK).await;
        }
        self.bringing.borrow_mut().insert(link.id.clone());
        let error = self.try_to_bring(link).await.err();
        self.bringing.borrow_mut().remove(&link.id);
        if let Some(why) = &error {
            console_log!("file {}: {why}", link.id);
        }
        Ok(Response::json(&protocol::object! { "error": error })?)
    }

    async fn try_to_bring(&self, link: &Link) -> Result<(), String> {
        let config = Config::from_env(self.env.clone());
        let told = |error: Error| error.detail().to_owned();
        let source = link.source.as_ref().ok_or("it came from no platform")?;
        let bot = directory::bot(&config, source.account.as_str()).await.map_err(told)?;
        let bot = bot.ok_or("the bot account was deleted")?;
        let bucket = config.files().ok_or("this relay keeps no files")?;
        let key = file::key(&link.user, &link.id);
        if bucket.get(&key, None).await.map_err(|error| error.to_string())?.is_some() {
            return Ok(());
        }
        let (mut request, sealed) =
            match platform::download(&bot.account, &source.key).ok_or("not a file of this platform")? {
                Download::Get(request) => (request, None),
                Download::Sealed(request, key) => (request, Some(key)),
                Download::Ask(request) => match self.call(&bot, &request).await {
                    (Sent::Taken, Some(response)) => {
                        let located = platform::located(&bot.account, &response);
                        (located.ok_or("the platform does not say where it is")?, None)
                    }
                    (sent, _) => return Err(why(sent)),
                },
            };
        if let Way::Agent { user, agent } = &bot.way
            && platform::is_api(&bot.account, &request.url)
            && sealed.is_none()
        {
            match self.have_it_brought(&bot, link, (user, agent), &request).await? {
                Some(located) => request = located,
                None => {
                    let kept = bucket.get(&key, None).await.map_err(|error| error.to_string())?;
                    return kept.map(drop).ok_or_else(|| "the agent did not bring it".to_owned());
                }
            }
        }
        let response = self.download(&bot, request).await?;
        let length = response.headers().get("Content-Length").ok().flatten().and_then(|text| text.parse().ok());
        // What was compressed on its way is longer than was said.
        let is_packed = response.headers().get("Content-Encoding").ok().flatten().is_some();
        let length = length.filter(|_| !is_packed && sealed.is_none());
        let said = link.media_type.clone().or_else(|| response.headers().get("Content-Type").ok().flatten());
        let body = response.body().ok_or("the platform sent nothing")?;
        let body = Incoming::new(body, sealed.map(|key| Cover::Sealed(Box::new(key.opening()))));
        let kept = file::keep(&bucket, &key, &body, length, said.as_deref()).await;
        kept.map(drop).map_err(|fault| Error::from(fault).detail().to_owned())
    }

    /// Has an agent fetch a file, and put it into its place; some: it is elsewhere, where anybody may fetch it.
    async fn have_it_brought(
        &self,
        bot: &Bot,
        link: &Link,
        (user, agent): (&UserId, &AgentId),
        request: &HttpRequest,
    ) -> Result<Option<HttpRequest>, String> {
        let config = Config::from_env(self.env.clone());
        let keys = config.keys().map_err(|error| error.detail().to_owned())?;
        let place = Place { user: link.user.clone(), id: link.id.clone() };
        let token = keys.sign(&place, now(), Some(now().plus_ms(PLACE_MS)));
        let save = format!("{}{token}", relay::file::PATH);
        let mut expired = None;
        for _ in 0..2 {
            let token = self.token_for(bot, request, expired.as_deref()).await.map_err(why_not)?;
            self.count(bot, request).await;
            let call = outbound::carry_file(&config, user, agent, request, token.as_deref(), None, Some(save.clone()));
            let response = call.await?;
            if response.body.is_empty() && (200..300).contains(&response.status) {
                return Ok(None);
            }
            if let Some(located) = platform::located(&bot.account, &response) {
                return Ok(Some(located));
            }
            match platform::verdict(&bot.account, &response) {
                Verdict::TokenExpired => expired = token,
                Verdict::Sent(sent) => return Err(why(sent)),
            }
        }
        Err("the platform refuses even a new access token".into())
    }

    /// The response that holds a file's bytes, from a host that may.
    async fn download(&self, bot: &Bot, request: HttpRequest) -> Result<Response, String> {
        let (mut request, mut expired) = (request, None);
        for _ in 0..HOPS_MAX {
            if !platform::may_fetch(&bot.account, &request.url) {
                let host = request.url.split('/').nth(2).unwrap_or_default();
                return Err(format!("the platform names a host that files do not come from: {host}"));
            }
            let token = self.token_for(bot, &request, expired.as_deref()).await.map_err(why_not)?;
            if platform::is_api(&bot.account, &request.url) {
                self.count(bot, &request).await;
            }
            let response = outbound::open(&request, token.as_deref(), None, DOWNLOAD_MS_MAX).await?;
            let header = |name: &str| response.headers().get(name).ok().flatten();
            match response.status_code() {
                300..=399 => {
                    let to = header("Location").ok_or("the platform leads nowhere")?;
                    // Whoever it leads to has no right to the token.
                    request = HttpRequest::get(to, Auth::None);
                }
                // Its own words, unless it is a file of words.
                200..=299
                    if request.auth == Auth::None
                        || header("Content-Disposition").is_some()
                        || !header("Content-Type")
                            .is_some_and(|kind| WORDS.iter().any(|words| kind.starts_with(words))) =>
                {
                    return Ok(response);
                }
                status => {
                    let body = response.text().await.unwrap_or_default();
                    let said = HttpResponse { status, retry_after_s: None, body };
                    if let Some(located) = platform::located(&bot.account, &said).filter(|_| status == 200) {
                        request = located;
                        continue;
                    }
                    match platform::verdict(&bot.account, &said) {
                        Verdict::TokenExpired if expired.is_none() => expired = token,
                        Verdict::TokenExpired => return Err("the platform refuses even a new access token".into()),
                        Verdict::Sent(sent) => return Err(why(sent)),
                    }
                }
            }
        }
        Err("the platform leads from one place to another".into())
    }

    /// Hands over a file of an answer: as the platform wants it, or else as a link.
    pub async fn hand_over_file(&self, bot: &Bot, outbound: &Outbound, file: &File) -> Result<Option<Sent>, Error> {
        let settings = &bot.account;
        let Some(upload) = platform::upload(settings, outbound, file) else { return Ok(None) };
        let handle = match upload {
            Upload::Url => file.url.clone(),
            Upload::ByUrl(request) => match self.call(bot, &request).await {
                (Sent::Taken, Some(response)) => match platform::uploaded(settings, &response) {
                    Some(handle) => handle,
                    None => return Ok(None),
                },
                (sent, _) => return Ok(unless_refused(settings, file, sent)),
            },
            Upload::Form { request, fields, field } => {
                let sent = self.send_form(bot, file, &request, &fields, field).await?;
                let handle = sent.and_then(|response| {
                    let handle = platform::uploaded(settings, &response);
                    handle.ok_or_else(|| Sent::Refused("the platform names no file".into()))
                });
                match handle {
                    Ok(handle) => handle,
                    Err(sent) => return Ok(unless_refused(settings, file, sent)),
                }
            }
            Upload::Whole { request, fields, field } => {
                let sent = self.send_form(bot, file, &request, &fields, field).await?.err();
                return Ok(unless_refused(settings, file, sent.unwrap_or(Sent::Taken)));
            }
        };
        let Some(call) = platform::attach(settings, outbound, file, &handle) else { return Ok(None) };
        let (sent, _) = self.call(bot, &call.request).await;
        Ok(unless_refused(settings, file, sent))
    }

    /// Sends a file that is kept as the last field of a form (RFC 7578).
    async fn send_form(
        &self,
        bot: &Bot,
        file: &File,
        request: &HttpRequest,
        fields: &[(&'static str, String)],
        field: &str,
    ) -> Result<Result<HttpResponse, Sent>, Error> {
        let config = Config::from_env(self.env.clone());
        let gone = || Ok(Err(Sent::Refused("it is not here any more".into())));
        let token = file.url.rsplit_once(relay::file::PATH).map_or("", |(_, token)| token);
        let Ok(link) = config.keys()?.verify::<Link>(token, now()) else { return gone() };
        let Some(bucket) = config.files() else { return gone() };
        let key = file::key(&link.user, &link.id);
        let later = |why: String| Ok(Err(Sent::Later { after_ms: None, why }));
        let mut expired = None;
        for _ in 0..2 {
            let stored = match bucket.get(&key, None).await {
                Ok(Some(stored)) => stored,
                Ok(None) => return gone(),
                Err(error) => return later(error.to_string()),
            };
            let token = match self.token_for(bot, request, expired.as_deref()).await {
                Ok(token) => token,
                Err(NoToken::Later(why)) => return later(why),
                Err(NoToken::Refused(why)) => return Ok(Err(Sent::Refused(why))),
            };
            self.count(bot, request).await;
            let answered = match &bot.way {
                Way::Agent { user, agent } => {
                    let form = Some(form_of(fields, field, file));
                    outbound::carry_file(&config, user, agent, request, token.as_deref(), form, None).await
                }
                Way::Direct => {
                    let boundary = format!("claw-relay-{}", random::<18>()?);
                    let (before, after) = form(&boundary, fields, field, file);
                    let Some(body) = stored.pieces() else { return gone() };
                    let body = Incoming::new(body, None);
                    post(request, token.as_deref(), &boundary, &before, stored.bytes(), &body, &after).await
                }
            };
            let response = match answered {
                Ok(response) => response,
                Err(why) => return later(why),
            };
            match platform::verdict(&bot.account, &response) {
                Verdict::TokenExpired => expired = token,
                Verdict::Sent(sent) => {
                    self.hear(bot, request, &sent, &response);
                    return Ok(if sent == Sent::Taken { Ok(response) } else { Err(sent) });
                }
            }
        }
        later("the platform refuses even a new access token".into())
    }
}

/// A form as an agent sends it.
fn form_of(fields: &[(&'static str, String)], field: &str, file: &File) -> FetchForm {
    let header = |(name, value): &(&str, String)| Header { name: (*name).to_owned(), value: value.clone() };
    let from = file.url.find(relay::file::PATH).and_then(|at| file.url.get(at..)).unwrap_or_default();
    FetchForm {
        fields: fields.iter().map(header).collect(),
        field: field.to_owned(),
        name: file.name.clone(),
        media_type: file.media_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned()),
        from: from.to_owned(),
    }
}

/// What stands before the file's bytes in a form, and after them.
fn form(boundary: &str, fields: &[(&'static str, String)], field: &str, file: &File) -> (String, String) {
    let mut before = String::new();
    for (name, value) in fields {
        before += &format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    // As browsers write it: quotes and line breaks percent-encoded.
    let name = file.name.replace('"', "%22");
    let kind = file.media_type.as_deref().unwrap_or("application/octet-stream");
    before += &format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n");
    before += &format!("Content-Type: {kind}\r\n\r\n");
    (before, format!("\r\n--{boundary}--\r\n"))
}

async fn post(
    request: &HttpRequest,
    token: Option<&str>,
    boundary: &str,
    before: &str,
    bytes: u64,
    body: &Incoming,
    after: &str,
) -> Result<HttpResponse, String> {
    let pipe = Pipe::of_length((before.len() + after.len()) as u64 + bytes).map_err(|error| error.to_string())?;
    let kind = format!("multipart/form-data; boundary={boundary}");
    let readable = pipe.readable();
    let sent = outbound::open(request, token, Some((&kind, &readable)), UPLOAD_MS_MAX);
    // One that answers before it has read everything has its reasons, and says them.
    let (response, _) = join(sent, file::pump(&pipe, &[Uint8Array::from(before.as_bytes())], body, after)).await;
    outbound::answered(&response?).await.map_err(|error| error.to_string())
}

/// What became of a file; none: it goes as a link, since it was refused.
fn unless_refused(settings: &platform::Account, file: &File, sent: Sent) -> Option<Sent> {
    match sent {
        Sent::Refused(why) => {
            console_log!("account {}: file {} goes as a link: {why}", settings.id, file.id);
            None
        }
        sent => Some(sent),
    }
}

fn why_not(no_token: NoToken) -> String {
    match no_token {
        NoToken::Later(why) | NoToken::Refused(why) => why,
    }
}

fn why(sent: Sent) -> String {
    match sent {
        Sent::Later { why, .. } | Sent::Refused(why) => why,
        Sent::Wait { .. } => "the bot may not ask so often".to_owned(),
        Sent::Kept | Sent::Partly | Sent::Taken => "the platform answers something else".to_owned(),
    }
}

/// How an API answers that has something to say.
const WORDS: [&str; 3] = ["application/json", "text/json", "text/plain"];
/// Longer than one is fetched.
const BUSY_LOOKS: usize = 1_400;
const BUSY_LOOK: Duration = Duration::from_millis(50);
/// 5 min: an agent that fetches it takes no longer.
const PLACE_MS: u64 = 5 * 60 * 1000;
/// The first call, an access token once more, and as many redirects as are left.
const HOPS_MAX: usize = 5;
/// 60 s: 30 MB at 4 Mbit/s.
const DOWNLOAD_MS_MAX: u32 = 60_000;
const UPLOAD_MS_MAX: u32 = 60_000;
