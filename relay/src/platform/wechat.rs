//! WeChat official accounts (公众号): messages by callback, answers in its response or as customer-service messages.
//!
//! Deadlines: a callback must be answered within 5 s, or it comes again, 3 times in all within 15 s; then the reader sees
//! "该公众号提供的服务出现故障". Limits: a text of 2,048 bytes; for each message of the reader 5 customer-service messages
//! within 48 h (45047, 45015), which accounts without verification may not send at all (48001). Tokens are given only to
//! addresses on the account's list "IP 白名单" (40164). Source: developers.weixin.qq.com, "接收普通消息", "被动回复用户消息",
//! "客服消息", "全局返回码".
//!
//! Customer-service messages have no idempotency key: when the platform's answer to one is lost, the next try may show a
//! part twice.

use std::fmt;

use protocol::api::{Metered, Period, QuotaScope};
use protocol::json::{Object, Writer, Wrong};
use protocol::{AccountId, File, Timestamp, from_json, object};
use serde::Serialize;

use super::encoding::{conversation_id, is_plain};
use super::markdown::{self, Style};
use super::webhook::Words;
use super::wx::{self, Checked, Event, Fields, Key};
use super::{
    Auth, Call, Fresh, Held, HttpRequest, HttpResponse, Inbound, Malformed, Method, NoToken, Outbound, Quota, Rate,
    Raw, Rejected, Reply, Sent, Token, Told, Unsupported, Upload, Verdict, check_base,
};
use crate::store::Origin;

/// What the operator copies from the account's page in the admin console.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// `wx…`
    pub app_id: String,
    /// Secret.
    pub app_secret: String,
    /// Secret; signs callbacks.
    pub token: String,
    /// Secret; 43 characters. Bodies are encrypted when it is set (safe or compatible mode); without it anyone who saw one
    /// callback's address can write others for 5 min.
    pub encoding_aes_key: String,
    /// Whether the account may send customer-service messages: verified accounts may.
    pub customer_service: bool,
    /// Whether answers go in the response to the callback when they are there in time; otherwise by a call of their own.
    pub passive: bool,
    /// `https://api.weixin.qq.com`
    pub api_base: String,
}

from_json! {
    struct Settings {
        app_id,
        app_secret,
        token,
        encoding_aes_key or String::new(),
        customer_service or true,
        passive or true,
        api_base or "https://api.weixin.qq.com".to_owned(),
    }
}

impl fmt::Debug for Settings {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("app_id", &self.app_id).finish_non_exhaustive()
    }
}

/// What is wrong with the settings, naming the field.
pub fn check(settings: &Settings) -> Result<(), &'static str> {
    if settings.app_id.is_empty() || settings.app_secret.is_empty() {
        return Err("app_id, app_secret: copy both from the account's page \"Basic configuration\"");
    }
    if settings.token.is_empty() {
        return Err("token: copy it from the account's page \"Server configuration\", or anyone could send events");
    }
    if !settings.encoding_aes_key.is_empty() && Key::read(&settings.encoding_aes_key).is_none() {
        return Err("encoding_aes_key: 43 letters and digits, or nothing for plain mode");
    }
    check_base(&settings.api_base)
}

/// A body, or what an address check wants to hear. Only [`verify`] makes one.
pub struct Verified(Checked);

/// Checks the signature and, if the account has a key, encryption and whom it was meant for.
pub fn verify(settings: &Settings, raw: &Raw<'_>, now: Timestamp) -> Result<Verified, Rejected> {
    let token = &settings.token;
    if raw.method == Method::Get {
        // Never encrypted, and the echo is not signed: it must not be anything that a browser could take for a page.
        let echo = raw.param("echostr").filter(|echo| is_plain(echo)).ok_or(Rejected::ChallengeRefused)?;
        wx::check_signature(raw, "signature", token, &[], now, PLAIN_AGE_S_MAX)?;
        return Ok(Verified(Checked::Challenge(echo)));
    }
    let outer = raw.text().and_then(Fields::read).ok_or(Rejected::BodyNotXml)?;
    if settings.encoding_aes_key.is_empty() {
        wx::check_signature(raw, "signature", token, &[], now, PLAIN_AGE_S_MAX)?;
        return Ok(Verified(Checked::Event(outer)));
    }
    // Its signature does not cover a plain body. In compatible mode there are both, and only the encrypted one counts.
    let encrypt = outer.get("Encrypt").ok_or(Rejected::PlaintextRefused)?;
    wx::check_signature(raw, "msg_signature", token, &[encrypt], now, SEALED_AGE_S_MAX)?;
    let key = Key::read(&settings.encoding_aes_key).ok_or(Rejected::BadKey)?;
    let text = key.open(encrypt, &settings.app_id)?;
    Fields::read(&text).map(|fields| Verified(Checked::Event(fields))).ok_or(Rejected::BodyNotXml)
}

/// Reads a checked body.
pub fn parse(verified: Verified) -> Result<Event, Malformed> {
    wx::read_event(verified.0)
}

/// What an event means to the relay: words are a question. Whoever writes to an account does so alone.
pub fn normalise(account: &AccountId, _settings: &Settings, event: Event) -> Inbound {
    match event {
        Event::Challenge(challenge) => Inbound::Challenge(challenge),
        Event::Followed { from, to } if is_plain(&from) && is_plain(&to) => {
            let origin = Origin { account: account.clone(), message: format!("{from}/{to}") };
            match conversation_id(NAME, account, &from) {
                Some(conversation) => Inbound::Entered { sender: from, group: None, conversation, origin },
                None => Inbound::Ignored("ids of another form"),
            }
        }
        Event::Followed { .. } => Inbound::Ignored("ids of another form"),
        Event::Other(event) => Inbound::Ignored(match event.as_str() {
            "unsubscribe" => "event: someone follows no more",
            _ => "event type",
        }),
        // Of WeCom's apps alone.
        Event::Pressed { .. } => Inbound::Ignored("event type"),
        Event::Message { text: None, file: None, .. } => Inbound::Ignored("message type"),
        Event::Message { from, to, .. } if !is_plain(&from) || !is_plain(&to) => {
            Inbound::Ignored("ids of another form")
        }
        Event::Message { id, from, to, text, file } => {
            let (address, text) = (format!("{from}/{to}"), text.unwrap_or_default());
            let attached = file.into_iter().collect();
            Words {
                id,
                chat: from.clone(),
                group: None,
                sender: from,
                name: None,
                address,
                text,
                attached,
                quoted: None,
            }
            .ask(NAME, account)
        }
    }
}

/// What the platform expects: the bare echo of an address check, else `success`, in safe mode, too.
pub fn ack(inbound: &Inbound) -> Reply {
    match inbound {
        Inbound::Challenge(challenge) => Reply::text(challenge),
        _ => Reply::text("success"),
    }
}

/// How long a webhook may wait for its answer, in milliseconds from its arrival: of the 5 s, with room for the way. The
/// platform asks again twice, and joins the wait.
pub const HOLD_MS: u64 = 4_500;

/// How long after a wait the next attempt may take to come: it comes 5 s after the one before.
pub const AGAIN_MS: u64 = 2_500;

/// An attempt that ends later than this after the question was the third, and last: they begin at 0, 5 and 10 s.
pub const LAST_ATTEMPT_MS: u64 = 12_000;

/// Whether the account has no other way than its callbacks' responses. Then it needs no API, and no listed address.
pub fn keeps(settings: &Settings) -> bool {
    settings.passive && !settings.customer_service
}

/// A part of the answer in the callback's own response, encrypted if the account has a key.
pub fn passive(settings: &Settings, outbound: &Outbound, fresh: &Fresh) -> Option<Held> {
    let (to, from) = outbound.origin.message.split_once('/')?;
    // Where the others wait for the reader, they may be many, and the reader is told how to go on.
    let (content, is_last) = if keeps(settings) {
        let fits = |part: &str| part.len() + GO_ON.len() <= TEXT_BYTES_MAX;
        let text = without_links(&outbound.text);
        let (content, is_last) = markdown::part(&text, outbound.text_part(), KEPT_PARTS_MAX, &STYLE, &fits).ok()?;
        (if is_last && outbound.files_after().is_empty() { content } else { content + GO_ON }, is_last)
    } else {
        part(outbound).ok()?
    };
    let text = wx::text_message(to, from, &content, fresh);
    if settings.encoding_aes_key.is_empty() {
        return Some(Held { reply: Reply::xml(text), is_last });
    }
    let key = Key::read(&settings.encoding_aes_key)?;
    let sealed = wx::sealed(&key, &settings.token, &settings.app_id, &text, fresh);
    Some(Held { reply: sealed.xml(), is_last })
}

/// Sends a part of an answer as a customer-service message (`POST /cgi-bin/message/custom/send`).
pub fn send(settings: &Settings, outbound: &Outbound) -> Result<Call, Unsupported> {
    if !settings.customer_service {
        let why =
            "此公众号不能发客服消息，只能在 5 秒内直接回复 · this account may answer only within 5 s of a message";
        return Err(Unsupported(why.into()));
    }
    let (content, is_last) = part(outbound)?;
    Ok(Call { request: message(settings, outbound, "text", &object! { "content": content }), is_last })
}

fn message(settings: &Settings, outbound: &Outbound, kind: &str, content: &str) -> HttpRequest {
    let mut body = Writer::default();
    body.field("\"touser\":", outbound.origin.message.split('/').next().unwrap_or_default());
    body.field("\"msgtype\":", kind);
    body.raw(&["\"", kind, "\":"].concat(), content);
    HttpRequest::post(format!("{}{SEND}", settings.api_base), body.end(), Auth::Query)
}

/// Pictures are uploaded, where they can be sent by themselves.
pub(super) fn upload(settings: &Settings, file: &File) -> Option<Upload> {
    let is_taken = wx::is_of(file, &["image/png", "image/jpeg", "image/gif"], IMAGE_BYTES_MAX);
    (is_taken && settings.customer_service).then(|| wx::upload(&settings.api_base, "image"))
}

/// Sends a picture.
pub(super) fn attach(settings: &Settings, outbound: &Outbound, media_id: &str) -> HttpRequest {
    message(settings, outbound, "image", &object! { "media_id": media_id })
}

fn part(outbound: &Outbound) -> Result<(String, bool), Unsupported> {
    let text = without_links(&outbound.text);
    markdown::part(&text, outbound.text_part(), PARTS_MAX, &STYLE, &|part| part.len() <= TEXT_BYTES_MAX)
}

/// A text without `<a …>` of its own, which may be a command to the app, whoever made the model say it.
fn without_links(text: &str) -> String {
    let mut parts = text.split('<');
    let mut safe = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = part.strip_prefix(['a', 'A']);
        let is_link =
            name.is_some_and(|rest| rest.is_empty() || rest.starts_with(|next: char| !next.is_ascii_alphanumeric()));
        safe.push(if is_link { '＜' } else { '<' });
        safe.push_str(part);
    }
    safe
}

/// What the response to [`send`] means: the codes of "全局返回码". An upload that worked has none.
pub fn verdict(response: &HttpResponse) -> Verdict {
    let answer = match wx::read_found(LABEL, response, "media_id") {
        Ok(answer) => answer,
        Err(why) => return Verdict::later(response, why),
    };
    let why = explain(answer.code, answer.why);
    match answer.code {
        0 => Verdict::Sent(Sent::Taken),
        40001 | 40014 | 42001 => Verdict::TokenExpired,
        code if is_busy(code) || response.status >= 500 => Verdict::later(response, why),
        _ => Verdict::refused(why),
    }
}

/// Fetches an `access_token` that several may hold at once ("获取稳定版接口调用凭据").
pub fn token_request(settings: &Settings) -> HttpRequest {
    let Settings { app_id, app_secret, api_base, .. } = settings;
    let body = object! { "grant_type": "client_credential", "appid": app_id, "secret": app_secret };
    HttpRequest::post(format!("{api_base}/cgi-bin/stable_token"), body, Auth::None)
}

/// The token in the response.
pub fn token(response: &HttpResponse) -> Result<Token, NoToken> {
    let answer = wx::read_found(LABEL, response, "access_token").map_err(NoToken::Later)?;
    let is_busy = is_busy(answer.code) || response.status >= 500;
    wx::expiring_token(wx::Answer { why: explain(answer.code, answer.why), ..answer }, is_busy)
}

/// Asks for the platform's own addresses: proves that the token works and that this address may call.
pub fn bot_request(settings: &Settings) -> HttpRequest {
    HttpRequest::get(format!("{}/cgi-bin/getcallbackip", settings.api_base), Auth::Query)
}

/// Takes note that the account answers. There is nothing to keep: it is never mentioned.
pub fn introduce(_settings: &mut Settings, response: &HttpResponse) -> Result<(), String> {
    let answer = wx::read_found(LABEL, response, "ip_list")?;
    if answer.code == 0 { Ok(()) } else { Err(explain(answer.code, answer.why)) }
}

/// Asks how many messages may be sent today (`POST /cgi-bin/openapi/quota/get`).
pub(super) fn quota_request(settings: &Settings) -> HttpRequest {
    let url = format!("{}/cgi-bin/openapi/quota/get", settings.api_base);
    HttpRequest::post(url, object! { "cgi_path": SEND }, Auth::Query)
}

/// How many may be sent today, and how many were.
pub(super) fn quota_told(response: &HttpResponse) -> Result<Told, String> {
    let mut answer = wx::read(LABEL, response)?;
    if answer.code != 0 {
        return Err(explain(answer.code, answer.why));
    }
    let wrong = |wrong: Wrong| format!("WeChat's answer about its quota: {wrong}");
    let mut quota: Object = answer.fields.take("quota").map_err(wrong)?;
    let told = Told { limit: quota.take("daily_limit").map_err(wrong)?, used: quota.take("used").map_err(wrong)? };
    if told.limit == 0 { Err("WeChat names no number".into()) } else { Ok(told) }
}

/// Busy, or over a minute's or a day's number of calls.
fn is_busy(code: i64) -> bool {
    matches!(code, -1 | 45009 | 45011)
}

/// The platform's words, and what to do about the codes that an operator meets.
fn explain(code: i64, why: String) -> String {
    let hint = match code {
        40013 | 40125 => "请检查 app_id 和 app_secret · check app_id and app_secret",
        40164 | 61004 => {
            "请把出口 IP 加入公众号的“IP 白名单”，或换一种出口 · add this address to the account's IP whitelist, or choose another egress"
        }
        40003 | 43004 | 43019 => "对方没有关注 · the reader does not follow the account",
        45015 => "对方 48 小时内没有发过消息 · the reader has not written within 48 h",
        45047 => "对方每发一条消息最多回 5 条 · 5 answers at most for each message of the reader",
        48001 => {
            "公众号没有客服消息权限，请把 customer_service 设为 false · the account may not send customer-service messages: set customer_service to false"
        }
        _ => return why,
    };
    format!("{why} ({hint})")
}

/// Text with links.
const STYLE: Style = Style {
    link: |text, url| if text == url { url.to_owned() } else { format!("<a href=\"{url}\">{text}</a>") },
    ..markdown::PLAIN
};

pub(super) const NAME: &str = "wechat";
pub(super) const CREDENTIALS: &str = "app_id, app_secret";
pub(super) const IS_JSON: bool = false;
pub(super) const METHODS: &[Method] = &[Method::Get, Method::Post];
pub(super) const HEADERS: &[&str] = &[];
/// None but the count for each message of the reader.
pub(super) const RATES: &[Rate] = &[];
/// Each call of the API has its own number a day, which [`quota_request`] asks for; anew at midnight in China.
pub(super) const QUOTAS: &[Quota] = &[Quota {
    name: Metered::Calls,
    scope: QuotaScope::Account,
    period: Period::Day,
    limit: None,
    path: SEND,
    code: Some(45009),
    source: "developers.weixin.qq.com, “查询API调用额度”, “全局返回码” 45009",
}];
pub(super) const SOURCE: &str = "developers.weixin.qq.com, “客服消息”";
/// The call that sends a message.
const SEND: &str = "/cgi-bin/message/custom/send";
/// In what people read.
const LABEL: &str = "WeChat";
/// Customer-service messages: 48 h, and how many in that time.
pub const OPEN_MS: u64 = 48 * 60 * 60_000;
pub(super) const OPEN_MESSAGES: u64 = 5;
/// The text of a message.
const TEXT_BYTES_MAX: usize = 2_048;
const IMAGE_BYTES_MAX: u64 = 10_000_000;
/// Of one answer: one of the 5 messages is left for a word of the relay.
const PARTS_MAX: usize = OPEN_MESSAGES as usize - 1;
/// Of one answer, where each takes a message of the reader.
const KEPT_PARTS_MAX: usize = 20;
/// What a part ends with that is not the last.
const GO_ON: &str = "\n\n（发送“继续”看下文 · send 继续 for more）";
/// How old the signature of a body that it covers may be; tries follow each other within seconds.
const SEALED_AGE_S_MAX: u64 = 3_600;
/// How old a signature may be that covers no body.
const PLAIN_AGE_S_MAX: u64 = 300;
