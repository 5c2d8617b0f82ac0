//! Calls that this machine makes for the relay: some chat platforms take them from listed addresses only. Nothing but HTTPS,
//! to hosts on a list, at public addresses, without redirects; so that whoever has the relay cannot look around here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use protocol::{Fetch, FetchAnswer, FetchForm, Fetched, Header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::multipart::{Form, Part};
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Method, RequestBuilder, Response, Url};
use tokio::sync::Semaphore;
use tracing::info;

use crate::error::Stop;
use crate::http;

/// Makes calls.
pub struct Egress {
    client: Client,
    /// Where files come from and go to.
    relay: Url,
    /// For those: it may be on this machine.
    relay_client: Client,
    allowed: Vec<Allowed>,
    /// So many at once; others wait.
    places: Semaphore,
}

/// Where calls may go.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    /// This host, by HTTPS, at its usual port.
    Host(String),
    /// Exactly this scheme, host and port: for what runs on this machine.
    Origin(String),
}

impl Egress {
    /// `list`: hosts with commas between; `platforms` stands for those of every platform that the relay knows.
    pub fn new(list: &str, relay: &Url) -> Result<Egress, Stop> {
        let allowed = allowed(list).map_err(|wrong| {
            Stop::Config(format!(
                "egress: {wrong}: expected `platforms`, or hosts with commas between, without https://"
            ))
        })?;
        let builder = || {
            let builder = http::client(relay)?;
            Ok::<_, Stop>(builder.connect_timeout(CONNECT_TIMEOUT).redirect(Policy::none()))
        };
        let failed = |error| Stop::Failed(format!("cannot set up HTTP: {error}"));
        // A proxy would look names up by itself.
        let client = builder()?.dns_resolver(Arc::new(Public)).no_proxy().build().map_err(failed)?;
        let relay_client = builder()?.build().map_err(failed)?;
        let mut relay = relay.clone();
        let scheme = if relay.scheme() == "ws" { "http" } else { "https" };
        relay.set_scheme(scheme).map_err(|()| Stop::Failed("the relay's address is none".into()))?;
        Ok(Egress { client, relay, relay_client, allowed, places: Semaphore::new(CALLS_MAX) })
    }

    /// Makes a call.
    pub async fn fetch(&self, fetch: Fetch) -> Fetched {
        let id = fetch.id.clone();
        let _place = self.places.acquire().await;
        match self.attempt(fetch).await {
            Ok(answer) => Fetched { id, answer: Some(answer), error: None },
            Err(error) => Fetched { id, answer: None, error: Some(error) },
        }
    }

    async fn attempt(&self, fetch: Fetch) -> Result<FetchAnswer, String> {
        let url = Url::parse(&fetch.url).map_err(|_| "the call has no address".to_owned())?;
        let host = url.host_str().unwrap_or_default().to_owned();
        if !self.allowed.iter().any(|allowed| allowed.covers(&url)) {
            return Err(format!("{host} is not on this agent's egress list"));
        }
        let method = Method::from_str(&fetch.method).map_err(|_| "the call has no method".to_owned())?;
        info!("calling {host} for the relay");
        let has_file = fetch.form.is_some() || fetch.save.is_some();
        let mut request = self.client.request(method, url);
        request = request.timeout(if has_file { FILE_TIMEOUT } else { CALL_TIMEOUT });
        for Header { name, value } in &fetch.headers {
            request = request.header(name, value);
        }
        if let Some(body) = fetch.body {
            request = request.body(body);
        }
        if let Some(form) = fetch.form {
            request = self.with_form(request, form).await?;
        }
        // Its own words would quote the address, which holds secrets.
        let failed = |error: reqwest::Error| match error {
            error if error.is_timeout() => format!("{host} did not answer in time"),
            error if error.is_connect() => format!("cannot connect to {host}"),
            _ => format!("the call to {host} failed"),
        };
        let response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let wait = |name: &str| response.headers().get(name)?.to_str().ok()?.parse().ok();
        let retry_after_s = wait("x-ogw-ratelimit-reset").or_else(|| wait("retry-after"));
        if let Some(path) = fetch.save.filter(|_| response.status().is_success() && !is_json(&response)) {
            self.save(response, &path).await?;
            return Ok(FetchAnswer { status, retry_after_s, body: String::new() });
        }
        let body = read(response).await.map_err(|error| error.map_or(format!("{host} answered too much"), failed))?;
        Ok(FetchAnswer { status, retry_after_s, body })
    }
}

impl Egress {
    /// With a form whose file comes from the relay, as it comes.
    async fn with_form(&self, request: RequestBuilder, form: FetchForm) -> Result<RequestBuilder, String> {
        let read = self.relay_client.get(self.of_relay(&form.from)?).timeout(FILE_TIMEOUT).send().await;
        let file = read.map_err(|_| NO_FILE.to_owned())?;
        let length = file.content_length().filter(|_| file.status().is_success()).ok_or(NO_FILE)?;
        let part = Part::stream_with_length(file, length).file_name(form.name.replace('"', "%22"));
        let part = part.mime_str(&form.media_type).map_err(|_| "the file's media type is none".to_owned())?;
        // As browsers write it: platforms show it to people.
        let fields = Form::new().percent_encode_noop();
        let fields = form.fields.into_iter().fold(fields, |form, Header { name, value }| form.text(name, value));
        Ok(request.multipart(fields.part(form.field, part)))
    }

    /// Puts what was answered where the relay keeps it, as it comes.
    async fn save(&self, response: Response, path: &str) -> Result<(), String> {
        let mut request = self.relay_client.put(self.of_relay(path)?).timeout(FILE_TIMEOUT);
        for name in [CONTENT_TYPE, CONTENT_LENGTH] {
            if let Some(value) = response.headers().get(&name) {
                request = request.header(name, value);
            }
        }
        let kept = request.body(Body::wrap_stream(response.bytes_stream())).send().await;
        let kept = kept.map_err(|_| "the relay did not take the file".to_owned())?;
        if kept.status().is_success() {
            return Ok(());
        }
        let status = kept.status().as_u16();
        Err(format!("the relay did not take the file: {status}"))
    }

    /// A path of the relay that this agent is connected to, wherever that says it is.
    fn of_relay(&self, path: &str) -> Result<Url, String> {
        let url = self
            .relay
            .join(path)
            .ok()
            .filter(|url| path.starts_with("/v1/files/") && url.origin() == self.relay.origin());
        url.ok_or_else(|| "the relay names no file of its own".to_owned())
    }
}

fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json") || kind.starts_with("text/plain"))
        && !response.headers().contains_key("content-disposition")
}

/// The body as text; `Err(None)`: too long.
async fn read(mut response: Response) -> Result<String, Option<reqwest::Error>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Some)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

impl Allowed {
    fn covers(&self, url: &Url) -> bool {
        match self {
            Allowed::Host(host) => {
                url.scheme() == "https" && url.port().is_none() && url.host_str() == Some(host.as_str())
            }
            Allowed::Origin(origin) => url.origin().ascii_serialization() == *origin,
        }
    }
}

impl fmt::Display for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |allowed: &Allowed| match allowed {
            Allowed::Host(host) => host.clone(),
            Allowed::Origin(origin) => origin.clone(),
        };
        f.write_str(&self.allowed.iter().map(name).collect::<Vec<_>>().join(", "))
    }
}

fn allowed(list: &str) -> Result<Vec<Allowed>, String> {
    let mut all = Vec::new();
    for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        if entry == "platforms" {
            all.extend(PLATFORMS.iter().map(|&host| Allowed::Host(host.to_owned())));
            continue;
        }
        let wrong = || entry.to_owned();
        if entry.contains("://") {
            let url = Url::parse(entry).map_err(|_| wrong())?;
            // A name could lead anywhere tomorrow; this is for one machine.
            let is_address = url.host_str().is_some_and(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok());
            if !is_address || url.path() != "/" || url.query().is_some() {
                return Err(wrong());
            }
            all.push(Allowed::Origin(url.origin().ascii_serialization()));
            continue;
        }
        let url = Url::parse(&format!("https://{entry}/")).map_err(|_| wrong())?;
        let host = url.host_str().filter(|host| *host == entry.to_ascii_lowercase() && host.contains('.'));
        all.push(Allowed::Host(host.ok_or_else(wrong)?.to_owned()));
    }
    if all.is_empty() { Err("no hosts".to_owned()) } else { Ok(all) }
}

/// Names lead to public addresses or nowhere: the one that was looked at is the one that is called.
struct Public;

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("no public address".into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Not what the IANA's special-purpose registry keeps (RFC 6890).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_special = a == 0 || a >= 240 || (a == 192 && b == 0 && c == 0) || (a == 198 && (18..20).contains(&b));
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || is_shared
        || is_special)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(address) = address.to_ipv4_mapped() {
        return is_public_v4(address);
    }
    let [a, b, ..] = address.segments();
    // 2000::/3 is what is routed; documentation and the tunnels within it are not for us.
    a & 0xe000 == 0x2000 && a != 0x2002 && !(a == 0x2001 && (b == 0x0db8 || b < 0x0200))
}

/// Of every platform that the relay knows.
const PLATFORMS: [&str; 10] = [
    "api.bot.qq.com",
    "api.dingtalk.com",
    "api.sgroup.qq.com",
    "api.telegram.org",
    "api.weixin.qq.com",
    "bots.qq.com",
    "oapi.dingtalk.com",
    "open.feishu.cn",
    "open.larksuite.com",
    "qyapi.weixin.qq.com",
];
const NO_FILE: &str = "the relay does not have the file";
/// The relay waits for 75 s.
const FILE_TIMEOUT: Duration = Duration::from_secs(60);
/// The relay waits for 15 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALLS_MAX: usize = 16;
/// A frame must hold it, as JSON.
const ANSWER_BYTES_MAX: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(list: &str, url: &str) -> bool {
        allowed(list).unwrap().iter().any(|allowed| allowed.covers(&Url::parse(url).unwrap()))
    }

    #[test]
    fn only_what_is_listed_is_called() {
        assert!(covers("platforms", "https://qyapi.weixin.qq.com/cgi-bin/gettoken?x=1"));
        assert!(covers("a.example, API.example.com", "https://api.example.com/x"));
        for url in [
            "http://qyapi.weixin.qq.com/",
            "https://qyapi.weixin.qq.com:8443/",
            "https://qyapi.weixin.qq.com.evil.example/",
            "https://evil.example/qyapi.weixin.qq.com",
            "https://qyapi.weixin.qq.com@evil.example/",
            "https://127.0.0.1/",
        ] {
            assert!(!covers("platforms", url), "{url}");
        }
        assert!(covers("http://127.0.0.1:8080", "http://127.0.0.1:8080/x"));
        assert!(!covers("http://127.0.0.1:8080", "http://127.0.0.1:8081/x"));
        for wrong in ["", " , ", "https://api.example.com", "http://127.0.0.1/x", "a b", "localhost", "a.example/x"] {
            assert!(allowed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn private_addresses_are_not_called() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "2001:db8::1",
            "2002:7f00:1::",
            "64:ff9b::a00:1",
            "2001::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2001:4860:4860::8888", "::ffff:8.8.8.8"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_here_is_not_called() {
        let relay = Url::parse("ws://127.0.0.1:9/").unwrap();
        let egress = Egress::new("localhost.localdomain, x.invalid", &relay).unwrap();
        let call = |url: &str| {
            let headers = Vec::new();
            let (id, method, url) = ("1".into(), "GET".into(), url.into());
            egress.fetch(Fetch { id, method, url, headers, body: None, form: None, save: None })
        };
        let error = call("https://localhost.localdomain/?secret").await.error.unwrap();
        assert!(error.starts_with("cannot connect to localhost") && !error.contains("secret"), "{error}");
        let error = call("https://other.example/?secret").await.error.unwrap();
        assert_eq!(error, "other.example is not on this agent's egress list");
        assert_eq!(call("nowhere").await.error.unwrap(), "the call has no address");
    }
}
