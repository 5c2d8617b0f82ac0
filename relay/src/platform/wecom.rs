//! WeCom (企业微信): self-built apps, messages by callback, answers by `message/send`, buttons on a card after those.
//!
//! Deadlines: a callback must be answered within 5 s (address checks within 1 s), or it comes again, 3 times in all.
//! Limits: a text or Markdown message of 2,048 bytes, longer ones are cut; 30 messages a minute and 1,000 an hour to one
//! member, of which WeCom drops the rest without saying so; 10,000 calls a minute. The API is open only to addresses on
//! the app's list "企业可信IP" (60020). Source: developer.work.weixin.qq.com, "接收消息与事件", "发送应用消息", "全局错误码".
//!
//! There is no idempotency key. WeCom drops a message that is the same as one of the last minutes, which would also drop
//! a second "OK": each part ends with a mark that nobody sees and that differs from answer to answer ([`mark`]).

use std::fmt;

use protocol::api::{Metered, Period, QuotaScope};
use protocol::json;
use protocol::{AccountId, Button, File, FileKind, Timestamp, from_json, object};
use serde::Serialize;

use super::encoding::percent;
use super::markdown::{self, Fence, Heading, Style};
use super::webhook::{Words, text_at};
use super::wx::{self, Checked, Event, Fields, Key, Tap};
use super::{
    Auth, Call, Fresh, Held, HttpRequest, HttpResponse, Inbound, Malformed, Method, NoToken, Outbound, Person, Pressed,
    Quota, Rate, Raw, Rejected, Reply, Scope, Sent, Token, Unsupported, Upload, Verdict, check_base,
};

/// What the operator copies from the app's page in the admin console.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// `ww…`
    pub corp_id: String,
    /// The app's number.
    pub agent_id: u64,
    /// The app's secret.
    pub secret: String,
    /// Secret; signs callbacks.
    pub token: String,
    /// Secret; 43 characters.
    pub encoding_aes_key: String,
    /// Whether answers go as Markdown, which the WeChat plugin does not show.
    pub markdown: bool,
    /// Whether answers go in the response to the callback when they are there in time; otherwise by a call of their own.
    pub passive: bool,
    /// `https://qyapi.weixin.qq.com`
    pub api_base: String,
}

from_json! {
    struct Settings {
        corp_id,
        agent_id,
        secret,
        token,
        encoding_aes_key,
        markdown or true,
        passive or true,
        api_base or "https://qyapi.weixin.qq.com".to_owned(),
    }
}

impl fmt::Debug for Settings {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { corp_id, agent_id, .. } = self;
        f.debug_struct("Settings").field("corp_id", corp_id).field("agent_id", agent_id).finish_non_exhaustive()
    }
}

/// What is wrong with the settings, naming the field.
pub fn check(settings: &Settings) -> Result<(), &'static str> {
    if settings.corp_id.is_empty() || settings.secret.is_empty() {
        return Err("corp_id, secret: copy them from \"My Company\" and the app's page");
    }
    if settings.token.is_empty() {
        return Err("token: copy it from the app's page \"Receive messages\", or anyone could send events");
    }
    if Key::read(&settings.encoding_aes_key).is_none() {
        return Err("encoding_aes_key: 43 letters and digits, from the app's page \"Receive messages\"");
    }
    check_base(&settings.api_base)
}

/// A body, or what an address check wants to hear. Only [`verify`] makes one.
pub struct Verified(Checked);

/// Checks signature, encryption and whom it was meant for.
pub fn verify(settings: &Settings, raw: &Raw<'_>, now: Timestamp) -> Result<Verified, Rejected> {
    let open = |encrypt: &str| {
        wx::check_signature(raw, "msg_signature", &settings.token, &[encrypt], now, SIGNATURE_AGE_S_MAX)?;
        let key = Key::read(&settings.encoding_aes_key).ok_or(Rejected::BadKey)?;
        key.open(encrypt, &settings.corp_id)
    };
    if raw.method == Method::Get {
        let echo = raw.param("echostr").ok_or(Rejected::MissingEncrypt)?;
        return Ok(Verified(Checked::Challenge(open(&echo)?)));
    }
    let outer = raw.text().and_then(Fields::read).ok_or(Rejected::BodyNotXml)?;
    let text = open(outer.get("Encrypt").ok_or(Rejected::MissingEncrypt)?)?;
    Fields::read(&text).map(|fields| Verified(Checked::Event(fields))).ok_or(Rejected::BodyNotXml)
}

/// Reads a checked body.
pub fn parse(verified: Verified) -> Result<Event, Malformed> {
    wx::read_event(verified.0)
}

/// What an event means to the relay: words are a question. Whoever writes to an app does so alone.
pub fn normalise(account: &AccountId, _settings: &Settings, event: Event) -> Inbound {
    match event {
        Event::Challenge(challenge) => Inbound::Challenge(challenge),
        Event::Followed { .. } | Event::Other(_) => Inbound::Ignored("event type"),
        Event::Message { text: None, file: None, .. } => Inbound::Ignored("message type"),
        Event::Message { from, .. } | Event::Pressed { from, .. } if !is_member(&from) => {
            Inbound::Ignored("ids of another form")
        }
        // A card is in the chat of one member with the app.
        Event::Pressed { from, key } => {
            let (chat, sender, address) = (from.clone(), from.clone(), from.clone());
            Tap { key, chat, group: None, sender, address, receipt: from }.choose(NAME, account)
        }
        Event::Message { id, from, text, file, .. } => Words {
            id,
            chat: from.clone(),
            group: None,
            address: from.clone(),
            sender: from,
            name: None,
            text: text.unwrap_or_default(),
            attached: file.into_iter().collect(),
            quoted: None,
        }
        .ask(NAME, account),
    }
}

/// Writes on the button what became of its press, in the response to it. No other can be pressed then.
pub(super) fn pressed(settings: &Settings, member: &str, pressed: &Pressed, fresh: &Fresh) -> Option<Reply> {
    let key = Key::read(&settings.encoding_aes_key)?;
    let text = wx::button_message(member, &settings.corp_id, &wx::outcome(pressed), fresh);
    Some(wx::sealed(&key, &settings.token, &settings.corp_id, &text, fresh).xml())
}

/// A member's id: not `@all`, nor several, which would send to others.
fn is_member(id: &str) -> bool {
    !id.starts_with('@') && !id.contains('|')
}

/// What the platform expects: the bare text of an address check, else nothing, since answers come by themselves.
pub fn ack(inbound: &Inbound) -> Reply {
    match inbound {
        Inbound::Challenge(challenge) => Reply::text(challenge),
        _ => Reply::text(""),
    }
}

/// How long a webhook may wait for its answer, in milliseconds from its arrival: of the 5 s, with room for the way.
pub const HOLD_MS: u64 = 4_000;

/// The answer in the callback's own response: text only, and only if it fits whole. A card with its buttons follows.
pub fn passive(settings: &Settings, outbound: &Outbound, fresh: &Fresh) -> Option<Held> {
    let has_card = !outbound.buttons.is_empty();
    if has_card && !is_card(settings, &Outbound { part: 1, ..outbound.clone() }) {
        return None;
    }
    let content = markdown::render(&outbound.text, &markdown::PLAIN);
    let key = Key::read(&settings.encoding_aes_key).filter(|_| content.len() <= MESSAGE_BYTES_MAX)?;
    let text = wx::text_message(&outbound.origin.message, &settings.corp_id, &content, fresh);
    let sealed = wx::sealed(&key, &settings.token, &settings.corp_id, &text, fresh);
    Some(Held { reply: sealed.xml(), is_last: !has_card })
}

/// Sends a part of an answer to whoever asked (`POST /cgi-bin/message/send`): of its text, then a card with its buttons.
pub fn send(settings: &Settings, outbound: &Outbound) -> Result<Call, Unsupported> {
    if is_card(settings, outbound) {
        let request = message(settings, outbound, "template_card", &wx::card(outbound, ""));
        return Ok(Call { request, is_last: true });
    }
    let (part, is_last) = text_part(settings, outbound, outbound.text_part())?;
    let is_last = is_last && outbound.buttons.is_empty();
    Ok(Call { request: text_message(settings, outbound, part), is_last })
}

/// The buttons in words, when the platform refuses their card.
pub(super) fn instead(settings: &Settings, outbound: &Outbound) -> Option<Call> {
    if !is_card(settings, outbound) {
        return None;
    }
    let words = Outbound { text: outbound.choices(), ..outbound.clone() };
    let (part, _) = text_part(settings, &words, 0).ok()?;
    Some(Call { request: text_message(settings, outbound, part), is_last: true })
}

/// Whether these buttons can stand on a card. The WeChat plugin shows neither Markdown nor cards.
pub(super) fn has_room(settings: &Settings, buttons: &[Button]) -> bool {
    settings.markdown && wx::has_room(buttons)
}

/// Whether this part is the one after the last of the text.
fn is_card(settings: &Settings, outbound: &Outbound) -> bool {
    let before = outbound.text_part().checked_sub(1).filter(|_| !outbound.buttons.is_empty());
    before.is_some_and(|before| text_part(settings, outbound, before).is_ok_and(|(_, is_last)| is_last))
}

/// A part of the text, and whether it is the last one.
fn text_part(settings: &Settings, outbound: &Outbound, index: u32) -> Result<(String, bool), Unsupported> {
    let style = if settings.markdown { &STYLE } else { &markdown::PLAIN };
    let mark_bytes = mark(outbound).len();
    let fits = |part: &str| part.len() + mark_bytes <= MESSAGE_BYTES_MAX;
    markdown::part(&outbound.text, index, PARTS_MAX, style, &fits)
}

fn text_message(settings: &Settings, outbound: &Outbound, part: String) -> HttpRequest {
    let kind = if settings.markdown { "markdown" } else { "text" };
    message(settings, outbound, kind, &object! { "content": part + &mark(outbound) })
}

fn message(settings: &Settings, outbound: &Outbound, kind: &str, content: &str) -> HttpRequest {
    let mut body = json::Writer::default();
    body.field("\"touser\":", &outbound.origin.message);
    body.field("\"msgtype\":", kind);
    body.field("\"agentid\":", &settings.agent_id);
    body.raw(&["\"", kind, "\":"].concat(), content);
    body.field("\"enable_duplicate_check\":", &1);
    body.field("\"duplicate_check_interval\":", &DUPLICATE_S);
    HttpRequest::post(format!("{}/cgi-bin/message/send", settings.api_base), body.end(), Auth::Query)
}

/// Files are uploaded, as what they are if the platform shows that, else to be saved.
pub(super) fn upload(settings: &Settings, file: &File) -> Option<Upload> {
    let is_taken = file.bytes.is_some_and(|bytes| (FILE_BYTES_MIN..=FILE_BYTES_MAX).contains(&bytes));
    is_taken.then(|| wx::upload(&settings.api_base, media_kind(file)))
}

/// Sends a file.
pub(super) fn attach(settings: &Settings, outbound: &Outbound, file: &File, media_id: &str) -> HttpRequest {
    message(settings, outbound, media_kind(file), &object! { "media_id": media_id })
}

fn media_kind(file: &File) -> &'static str {
    match file.kind {
        FileKind::Image if wx::is_of(file, &["image/png", "image/jpeg"], MEDIA_BYTES_MAX) => "image",
        FileKind::Audio if wx::is_of(file, &["audio/amr"], VOICE_BYTES_MAX) => "voice",
        FileKind::Video if wx::is_of(file, &["video/mp4"], MEDIA_BYTES_MAX) => "video",
        _ => "file",
    }
}

/// Eight characters without width, of two kinds: the place of the answer and its part, modulo 256. Two messages to one
/// member are the same to WeCom only if they are tries of the same part.
fn mark(outbound: &Outbound) -> String {
    let number = outbound.seq.0.wrapping_mul(31).wrapping_add(outbound.part.into());
    (0..8).map(|bit| if number >> bit & 1 == 0 { '\u{200b}' } else { '\u{200c}' }).collect()
}

/// What the response to [`send`] means: the codes of "全局错误码".
pub fn verdict(response: &HttpResponse) -> Verdict {
    let answer = match wx::read(LABEL, response) {
        Ok(answer) => answer,
        Err(why) => return Verdict::later(response, why),
    };
    let why = explain(answer.code, answer.why);
    match answer.code {
        0 => match answer.fields.get("invaliduser").and_then(|users| users.as_str()) {
            Some(users) if !users.is_empty() => Verdict::refused(explain(81013, format!("{LABEL}: invaliduser"))),
            _ => Verdict::Sent(Sent::Taken),
        },
        40001 | 40014 | 42001 => Verdict::TokenExpired,
        code if is_busy(code) || response.status >= 500 => Verdict::later(response, why),
        _ => Verdict::refused(why),
    }
}

/// Asks who a member is ("读取成员"): within what the app may see.
pub fn person_request(settings: &Settings, sender: &str) -> HttpRequest {
    HttpRequest::get(format!("{}/cgi-bin/user/get?userid={}", settings.api_base, percent(sender)), Auth::Query)
}

/// What it says of them: newer apps are told no pictures.
pub fn person(response: &HttpResponse) -> Person {
    let user = json::parse(&response.body).unwrap_or(json::Json::Null);
    Person::new(text_at(&user, "name"), text_at(&user, "thumb_avatar"))
}

/// Fetches the app's `access_token`.
pub fn token_request(settings: &Settings) -> HttpRequest {
    let (base, corp, secret) = (&settings.api_base, percent(&settings.corp_id), percent(&settings.secret));
    HttpRequest::get(format!("{base}/cgi-bin/gettoken?corpid={corp}&corpsecret={secret}"), Auth::None)
}

/// The token in the response.
pub fn token(response: &HttpResponse) -> Result<Token, NoToken> {
    let answer = wx::read(LABEL, response).map_err(NoToken::Later)?;
    let is_busy = is_busy(answer.code) || response.status >= 500;
    wx::expiring_token(wx::Answer { why: explain(answer.code, answer.why), ..answer }, is_busy)
}

/// Asks for the app itself: proves the secret, the number, and that this address may call.
pub fn bot_request(settings: &Settings) -> HttpRequest {
    let Settings { api_base, agent_id, .. } = settings;
    HttpRequest::get(format!("{api_base}/cgi-bin/agent/get?agentid={agent_id}"), Auth::Query)
}

/// Takes note that the app exists. There is nothing to keep: it is never mentioned.
pub fn introduce(_settings: &mut Settings, response: &HttpResponse) -> Result<(), String> {
    let answer = wx::read(LABEL, response)?;
    if answer.code == 0 { Ok(()) } else { Err(explain(answer.code, answer.why)) }
}

/// Busy, too often, too many at once.
fn is_busy(code: i64) -> bool {
    matches!(code, -1 | 45009 | 45033)
}

/// The platform's words, and what to do about the codes that an operator meets.
fn explain(code: i64, why: String) -> String {
    let hint = match code {
        40001 | 40013 => "请检查 corp_id 和 secret · check corp_id and secret",
        48002 => "应用没有此接口的权限 · the app may not call this API",
        60011 | 81013 => "成员不在应用的可见范围内 · the member is outside the app's visible range",
        60020 => {
            "请把出口 IP 加入应用的“企业可信IP”，或换一种出口 · add this address to the app's trusted IPs, or choose another egress"
        }
        _ => return why,
    };
    format!("{why} ({hint})")
}

/// Markdown as WeCom shows it: headings, bold, links, inline code, quotes; no lists, tables, images or code blocks.
const STYLE: Style = Style {
    bold: ("**", "**"),
    code: ("`", "`"),
    fence: Fence::Quoted,
    heading: Heading::Marks,
    link: markdown::link,
    ..markdown::PLAIN
};

pub(super) const NAME: &str = "wecom";
pub(super) const CREDENTIALS: &str = "corp_id, agent_id, secret";
pub(super) const IS_JSON: bool = false;
pub(super) const METHODS: &[Method] = &[Method::Get, Method::Post];
pub(super) const HEADERS: &[&str] = &[];
pub(super) const RATES: &[Rate] = &[
    Rate { scope: Scope::Chat, count: 30, per_ms: 60_000 },
    Rate { scope: Scope::Chat, count: 1_000, per_ms: 3_600_000 },
    Rate { scope: Scope::Account, count: 10_000, per_ms: 60_000 },
];
/// "发送应用消息": 200 messages to one member for each account of the organisation, and what is over is dropped without a word;
/// "全局错误码": each call of the API.
pub(super) const QUOTAS: &[Quota] = &[
    Quota {
        name: Metered::Messages,
        scope: QuotaScope::Account,
        period: Period::Day,
        limit: None,
        path: "/cgi-bin/message/send",
        code: None,
        source: "developer.work.weixin.qq.com, “发送应用消息”: 200 × 企业账号数 · 200 × the organisation's accounts",
    },
    Quota {
        name: Metered::Calls,
        scope: QuotaScope::Organisation,
        period: Period::Hour,
        limit: Some(150_000),
        path: "/cgi-bin/message/send",
        code: None,
        source: SOURCE,
    },
];
pub(super) const SOURCE: &str = "developer.work.weixin.qq.com, “访问频率限制”";
/// In what people read.
const LABEL: &str = "WeCom";
/// A text or Markdown message.
const MESSAGE_BYTES_MAX: usize = 2_048;
/// "上传临时素材": more than 5 bytes, at most 20 MB; less as a picture or video, or as a recording.
const FILE_BYTES_MIN: u64 = 6;
const FILE_BYTES_MAX: u64 = 20_000_000;
const MEDIA_BYTES_MAX: u64 = 10_000_000;
const VOICE_BYTES_MAX: u64 = 2_000_000;
/// Of one answer: more than the longest answer needs.
const PARTS_MAX: usize = 400;
/// How long a message is not delivered again: the 50 min for which an answer is tried.
const DUPLICATE_S: u64 = 3_600;
/// How old a signature may be: tries follow each other within seconds, and what is known is known for 72 h.
const SIGNATURE_AGE_S_MAX: u64 = 3_600;
