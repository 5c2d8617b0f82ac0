//! QQ's official bots: messages by webhook, answers as replies to them. Buttons are words: QQ lets only bots have keyboards of
//! their own that it invites ("消息按钮").
//!
//! Deadlines: a webhook is answered at once (an older page says within 3 s), or comes again at times that are not
//! documented; a reply is possible for 60 min in a private chat, and for 5 min in groups and guilds. Limits: 4 replies to
//! a private message, 5 elsewhere; 100 calls a second, 5 messages a second in a guild's channel; about 5,000 characters,
//! which is not documented. The API is open only to addresses on the bot's list (11298). Source: bot.q.qq.com,
//! "事件订阅与通知", "发送消息", "错误码".
//!
//! `msg_seq` is the idempotency key of private and group messages: unique for the message that is replied to, and refused
//! when it comes again. Guilds have none: when the answer to a call is lost, the next try may show a part twice.

mod crypto;
mod event;
mod media;
mod stream;

use std::fmt;

use protocol::api::{Metered, Period, QuotaScope};
use protocol::json::{self, FromJson, Json, Object};
use protocol::limit::ID_BYTES_MAX;
use protocol::{AccountId, Seq, Timestamp, from_json, object};
use serde::Serialize;

use super::encoding::{conversation_id, is_plain};
use super::markdown::{self, Escape, Style};
use super::webhook::Words;
use super::{
    Auth, Call, FILE_PART, HttpRequest, HttpResponse, Inbound, Malformed, Method, NoToken, Outbound, Quota, Rate, Raw,
    Rejected, Reply, Scope, Sent, Token, Unsupported, Verdict, check_base,
};
use crate::store::Origin;

pub use crypto::public_key;
pub use event::{Event, Place, Received};
pub(super) use media::{FILE_HOSTS, attach, download, upload, uploaded};
pub(super) use stream::{
    begin_draft, drafted, end_draft, has_ended, is_about_message, leave_draft, update_draft, withdraw_draft,
};

/// What the operator copies from the bot's page in the developer console.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// `1020…`
    pub app_id: String,
    /// Secret; signs events, too.
    pub app_secret: String,
    /// The bot's own id, by which mentions in guilds are known: asked of the platform when the account is created.
    pub bot_id: String,
    /// Whether answers go as Markdown in private chats and groups.
    pub markdown: bool,
    /// Whether an answer that is too late to be a reply goes as a message of its own, which few bots may send.
    pub proactive: bool,
    /// Whether answers in private chats grow while they are made. As Markdown alone: plain text would change as it goes on.
    pub streaming: bool,
    /// `https://api.bot.qq.com`; `https://api.sgroup.qq.com` until 2026.
    pub api_base: String,
    /// Where tokens are given; `https://bots.qq.com` until 2026.
    pub token_base: String,
}

from_json! {
    struct Settings {
        app_id,
        app_secret,
        bot_id or String::new(),
        markdown or true,
        proactive or false,
        streaming or true,
        api_base or "https://api.bot.qq.com".to_owned(),
        token_base or "https://api.bot.qq.com".to_owned(),
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
        return Err("app_id, app_secret: copy both from the bot's page \"Development settings\"");
    }
    check_base(&settings.token_base).map_err(|_| "token_base: https:// and a host, without a slash at the end")?;
    check_base(&settings.api_base)
}

/// A body that was checked. Only [`verify`] makes one.
pub struct Verified(Json);

/// Checks the signature. A check of the address may come without one; what it asks to sign must not look like an event,
/// since the same key proves those.
pub fn verify(settings: &Settings, raw: &Raw<'_>, now: Timestamp) -> Result<Verified, Rejected> {
    let is_signed = match (raw.header(SIGNATURE_HEADER), raw.header(TIMESTAMP_HEADER)) {
        (None, None) => false,
        _ => check_headers(settings, raw, now).map(|()| true)?,
    };
    let body = raw.text().and_then(|text| json::parse(text).ok()).ok_or(Rejected::BodyNotJson)?;
    if body.get("op") == Some(&Json::Integer(event::OP_CHALLENGE)) {
        event::challenge(&body).ok_or(Rejected::ChallengeRefused)?;
    } else if !is_signed {
        return Err(Rejected::SignatureMissing);
    }
    Ok(Verified(body))
}

/// Checks the signature in the headers, and its age.
pub fn check_headers(settings: &Settings, raw: &Raw<'_>, now: Timestamp) -> Result<(), Rejected> {
    let signature = raw.header(SIGNATURE_HEADER).ok_or(Rejected::SignatureMissing)?;
    let timestamp = raw.header(TIMESTAMP_HEADER).ok_or(Rejected::TimestampMissing)?;
    crypto::check_signature(&settings.app_secret, timestamp, raw.body, signature)?;
    let sent_s: u64 = timestamp.parse().map_err(|_| Rejected::SignatureMalformed)?;
    if sent_s.abs_diff(now.0 / 1000) > SIGNATURE_AGE_S_MAX {
        return Err(Rejected::Stale);
    }
    Ok(())
}

/// Reads a checked body.
pub fn parse(verified: Verified) -> Result<Event, Malformed> {
    event::read(verified.0)
}

/// What an event means to the relay: words, written privately or mentioning the bot, are a question.
pub fn normalise(account: &AccountId, settings: &Settings, event: Event) -> Inbound {
    let received = match event {
        Event::Challenge { plain_token, event_ts } => {
            let signature = crypto::sign(&settings.app_secret, &[event_ts, plain_token.clone()].concat());
            return Inbound::Challenge(object! { "plain_token": plain_token, "signature": signature });
        }
        Event::Message(received) => received,
        Event::Added { id, place, by } => return added(account, id, &place, by),
        Event::Other(_) => return Inbound::Ignored("event type"),
    };
    if received.is_bot {
        return Inbound::Ignored("sent by a bot");
    }
    let Some(text) = received.readable(&settings.bot_id) else { return Inbound::Ignored("the bot is not mentioned") };
    if text.is_empty() && received.has_files && received.attached.is_empty() {
        return Inbound::Ignored("message type");
    }
    let (kind, place) = received.place.parts();
    if !is_plain(place) {
        return Inbound::Ignored("ids of another form");
    }
    let (chat, address) = (format!("{kind}-{place}"), format!("{kind}/{place}/{}", received.id));
    let group = matches!(received.place, Place::Channel(_) | Place::Group(_)).then(|| place.to_owned());
    let Received { id, author: sender, name, attached, quoted, .. } = received;
    Words { id, chat, group, sender, name, address, text, attached, quoted }.ask(NAME, account)
}

/// A chat that the bot came into: it may say something there once, as a reply to the event.
fn added(account: &AccountId, id: String, place: &Place, by: String) -> Inbound {
    let (kind, place) = place.parts();
    let conversation = conversation_id(NAME, account, &format!("{kind}-{place}"));
    let Some(conversation) = conversation.filter(|_| is_plain(place) && by.len() <= ID_BYTES_MAX) else {
        return Inbound::Ignored("ids of another form");
    };
    let origin = Origin { account: account.clone(), message: format!("{kind}/{place}/{EVENT}{id}") };
    let group = (kind == "group").then(|| place.to_owned());
    Inbound::Entered { sender: by, group, conversation, origin }
}

/// The body that the platform expects.
pub fn ack(inbound: &Inbound) -> Reply {
    match inbound {
        Inbound::Challenge(signed) => Reply::json(signed.clone()),
        _ => Reply::json(object! { "op": 12, "d": 0 }),
    }
}

/// Replies to a message with a part of an answer.
pub fn send(settings: &Settings, outbound: &Outbound) -> Result<Call, Unsupported> {
    message(settings, outbound, Way { is_markdown: settings.markdown, has_links: true, is_reply: true })
}

/// The call to make instead, when the platform refuses what [`send`] said in a way that another would not be.
pub fn instead(settings: &Settings, outbound: &Outbound, response: &HttpResponse) -> Option<Call> {
    let usual = Way { is_markdown: settings.markdown, has_links: true, is_reply: true };
    let way = match read_answer(response).ok()?.code {
        code if NO_MARKDOWN.contains(&code) && settings.markdown => Way { is_markdown: false, ..usual },
        code if is_about_links(code) => Way { is_markdown: false, has_links: false, ..usual },
        code if is_too_late(code) && settings.proactive => Way { is_reply: false, ..usual },
        _ => return None,
    };
    message(settings, outbound, way).ok()
}

/// How long a chat may be replied to: 60 min in private, 5 min elsewhere ("被动消息").
pub(super) fn open_ms(chat: &str) -> u64 {
    if chat.starts_with(PRIVATE) { 60 * 60_000 } else { 5 * 60_000 }
}

/// How a message is written.
#[derive(Clone, Copy)]
struct Way {
    is_markdown: bool,
    has_links: bool,
    is_reply: bool,
}

fn message(settings: &Settings, outbound: &Outbound, way: Way) -> Result<Call, Unsupported> {
    let Some(address) = address(outbound) else {
        return Err(Unsupported("the question has no address".into()));
    };
    if outbound.part >= FILE_PART + FILES_MAX {
        return Err(Unsupported("QQ 一次最多回复 4 个文件 · an answer has 4 files at most".into()));
    }
    let is_guild = address.is_guild;
    let text = without_mentions(&outbound.text);
    let shown = match way.is_markdown {
        _ if is_guild => &GUILD,
        true => &markdown::FULL,
        false => &markdown::PLAIN,
    };
    // The parts are the same in whatever way they are written, or something would be left out between two.
    let split = if is_guild { &GUILD } else { &markdown::FULL };
    let (mut content, is_last) =
        markdown::part_as(&text, outbound.text_part(), address.parts_max, split, shown, &fits)?;
    if !way.has_links {
        content = content.replace("https://", "").replace("http://", "");
    }
    let mut body = json::Writer::default();
    if is_guild {
        body.field("\"content\":", &content);
    } else if way.is_markdown {
        body.field("\"msg_type\":", &2);
        body.raw("\"markdown\":", &object! { "content": content });
    } else {
        body.field("\"msg_type\":", &0);
        body.field("\"content\":", &content);
    }
    Ok(Call { request: reply(settings, outbound, &address, body, way.is_reply), is_last })
}

/// Mentions call people, whoever made the model say them. Guilds have everything escaped.
fn without_mentions(text: &str) -> String {
    text.replace("<@", "＜@").replace("<qqbot", "＜qqbot")
}

/// Whether it can be one message.
fn fits(part: &str) -> bool {
    part.chars().count() <= MESSAGE_CHARS_MAX
}

/// Where an answer goes.
struct Address<'a> {
    path: String,
    is_c2c: bool,
    is_guild: bool,
    /// The message that it replies to; or, after [`EVENT`], the event.
    message: &'a str,
    parts_max: usize,
}

fn address(outbound: &Outbound) -> Option<Address<'_>> {
    let mut words = outbound.origin.message.splitn(3, '/');
    let (kind, place, message) = (words.next()?, words.next()?, words.next()?);
    let (path, parts_max) = match kind {
        "c2c" => (format!("v2/users/{place}"), C2C_PARTS_MAX),
        "group" => (format!("v2/groups/{place}"), PARTS_MAX),
        "channel" => (format!("channels/{place}"), PARTS_MAX),
        _ => (format!("dms/{place}"), PARTS_MAX),
    };
    let is_c2c = kind == "c2c";
    Some(Address { path, is_c2c, is_guild: !is_c2c && kind != "group", message, parts_max })
}

/// What `body` begins, as a reply or as a message of its own.
fn reply(
    settings: &Settings,
    outbound: &Outbound,
    address: &Address<'_>,
    mut body: json::Writer,
    is_reply: bool,
) -> HttpRequest {
    if is_reply {
        match address.message.strip_prefix(EVENT) {
            Some(event) => body.field("\"event_id\":", event),
            None => body.field("\"msg_id\":", address.message),
        };
        if !address.is_guild {
            body.field("\"msg_seq\":", &msg_seq(outbound.seq, outbound.part));
        }
    }
    HttpRequest::post(format!("{}/{}/messages", settings.api_base, address.path), body.end(), Auth::Qq)
}

/// Unique among the answers to one message, the same for every try, and small as in the platform's SDKs.
fn msg_seq(seq: Seq, part: u32) -> u64 {
    seq.0 % 8_000 * 8 + u64::from(part % 8) + 1
}

/// What the response to [`send`] means: the codes of "错误码".
pub fn verdict(response: &HttpResponse) -> Verdict {
    let answer = match read_answer(response) {
        Ok(answer) => answer,
        Err(_) if response.status == 401 => return Verdict::TokenExpired,
        Err(why) => return Verdict::later(response, why),
    };
    let why = explain(answer.code, format!("QQ {}: {}", answer.code, answer.message));
    match answer.code {
        // Taken already, or waiting for the platform's censors.
        40054005 | 304023 | 304024 => Verdict::Sent(Sent::Taken),
        11241..=11243 => Verdict::TokenExpired,
        22009 | 50001 | 50002 | 304010 | 304017 | 304021 | 40034004 | 40034100 | 40054006 | 50055001 | 50055002
        | 50055006 => Verdict::later(response, why),
        _ if response.status >= 500 || response.status == 429 => Verdict::later(response, why),
        0 if response.status < 300 => Verdict::Sent(Sent::Taken),
        _ if response.status == 401 => Verdict::TokenExpired,
        _ => Verdict::refused(why),
    }
}

/// Fetches an access token.
pub fn token_request(settings: &Settings) -> HttpRequest {
    let body = object! { "appId": settings.app_id, "clientSecret": settings.app_secret };
    HttpRequest::post(format!("{}/app/getAppAccessToken", settings.token_base), body, Auth::None)
}

/// The token in the response. Failures come with HTTP 200, too; the life is a string.
pub fn token(response: &HttpResponse) -> Result<Token, NoToken> {
    let mut answer = read_answer(response).map_err(NoToken::Later)?;
    let life = answer.fields.take_or("expires_in", || Json::Null).unwrap_or(Json::Null);
    let life_s = life.as_str().and_then(|text| text.parse().ok()).or_else(|| u64::from_json(life).ok());
    match answer.fields.take("access_token").ok().zip(life_s) {
        Some((value, life_s)) => Ok(Token { value, life_ms: life_s.saturating_mul(1000).saturating_add(EARLY_MS) }),
        None => {
            let why = explain(answer.code, format!("QQ {}: {}", answer.code, answer.message));
            let is_busy = response.status >= 500 || response.status == 429 || matches!(answer.code, 0 | 100001);
            Err(if is_busy { NoToken::Later(why) } else { NoToken::Refused(why) })
        }
    }
}

/// Asks who the bot is.
pub fn bot_request(settings: &Settings) -> HttpRequest {
    HttpRequest::get(format!("{}/users/@me", settings.api_base), Auth::Qq)
}

/// Keeps the bot's id.
pub fn introduce(settings: &mut Settings, response: &HttpResponse) -> Result<(), String> {
    let mut answer = read_answer(response)?;
    let id = answer.fields.take("id").ok().filter(|_| answer.code == 0);
    settings.bot_id = id.ok_or_else(|| explain(answer.code, format!("QQ {}: {}", answer.code, answer.message)))?;
    Ok(())
}

struct Answer {
    /// 0: it worked.
    code: i64,
    message: String,
    fields: Object,
}

fn read_answer(response: &HttpResponse) -> Result<Answer, String> {
    let answer = json::parse(&response.body).ok().and_then(|json| {
        let mut fields = Object::from_json(json).ok()?;
        // Older hosts call it `code`.
        let code: Option<i64> = fields.take("err_code").ok()?;
        let code = code.or(fields.take("code").ok()?).unwrap_or(0);
        Some(Answer { code, message: fields.take_or("message", String::new).unwrap_or_default(), fields })
    });
    answer.ok_or_else(|| format!("QQ answered HTTP {} without JSON", response.status))
}

/// The message cannot be replied to any more: its time is over, or its replies are used up.
fn is_too_late(code: i64) -> bool {
    matches!(code, 304103 | 304026..=304028 | 40034005 | 40034024..=40034027 | 40034128)
}

/// The message holds addresses that were not registered for the bot.
fn is_about_links(code: i64) -> bool {
    matches!(code, 304003 | 40054010)
}

/// The platform's censors.
fn is_censored(code: i64) -> bool {
    matches!(code, 22006 | 40034006 | 40054013)
}

/// The bot cannot write there.
fn is_not_there(code: i64) -> bool {
    matches!(code, 40054002..=40054004 | 40034101 | 40034105)
}

/// The platform's words, and what to do about the codes that people meet.
fn explain(code: i64, why: String) -> String {
    let hint = match code {
        100007 | 100016 | 10004 => "请检查 app_id 和 app_secret · check app_id and app_secret",
        11298 => {
            "请把出口 IP 加入机器人的 IP 白名单，或换一种出口 · add this address to the bot's IP whitelist, or choose another egress"
        }
        code if is_censored(code) => "内容未通过平台审核 · the platform does not allow the content",
        code if is_not_there(code) => "机器人被禁言或不在那里 · the bot is muted or not there",
        code if is_too_late(code) => {
            "超过了平台允许回复的时间或次数 · the platform's time or number of replies is over"
        }
        _ => return why,
    };
    format!("{why} ({hint})")
}

/// Text in guilds, where `<` begins what calls people.
const GUILD: Style = Style { escape: Escape::Html, ..markdown::PLAIN };

/// Before an event's id, in the place of a message's.
const EVENT: &str = "event/";
pub(super) const NAME: &str = "qq";
pub(super) const CREDENTIALS: &str = "app_id, app_secret";
/// What it calls its bodies is not documented.
pub(super) const IS_JSON: bool = false;
pub(super) const METHODS: &[Method] = &[Method::Post];
/// What events are signed with.
pub(super) const HEADERS: &[&str] = &[SIGNATURE_HEADER, TIMESTAMP_HEADER];
const SIGNATURE_HEADER: &str = "x-signature-ed25519";
const TIMESTAMP_HEADER: &str = "x-signature-timestamp";
pub(super) const RATES: &[Rate] =
    &[Rate { scope: Scope::Chat, count: 5, per_ms: 1_000 }, Rate { scope: Scope::Account, count: 100, per_ms: 1_000 }];
/// What nobody asked for ("发送消息", "主动消息"), and files, of which the number is not documented.
pub(super) const QUOTAS: &[Quota] = &[
    Quota {
        name: Metered::Proactive,
        scope: QuotaScope::Chat,
        period: Period::Day,
        limit: Some(1_000),
        path: "",
        code: None,
        source: SOURCE,
    },
    Quota {
        name: Metered::Proactive,
        scope: QuotaScope::Chat,
        period: Period::Minute,
        limit: Some(20),
        path: "",
        code: None,
        source: SOURCE,
    },
    Quota {
        name: Metered::Uploads,
        scope: QuotaScope::Account,
        period: Period::Day,
        limit: None,
        path: "/files",
        code: Some(40093002),
        source: "bot.q.qq.com, “错误码” 40093002",
    },
];
pub(super) const SOURCE: &str = "bot.q.qq.com, “发送消息”";
/// No permission for a message of this kind: for Markdown, which not every bot may send.
const NO_MARKDOWN: [i64; 2] = [304036, 40034127];
/// Of one message: below what is known to work.
const MESSAGE_CHARS_MAX: usize = 4_000;
/// How a private chat's name begins.
pub(super) const PRIVATE: &str = "c2c-";
/// Replies to one message: in private, and elsewhere.
pub(super) const C2C_MESSAGES: u64 = 4;
pub(super) const MESSAGES: u64 = 5;
/// Of one answer: one of the 4 replies is left for a word of the relay.
const C2C_PARTS_MAX: usize = C2C_MESSAGES as usize - 1;
/// Of one answer: one of the 5 replies is left for a word of the relay.
const PARTS_MAX: usize = MESSAGES as usize - 1;
/// Of one answer: more would share their `msg_seq`, and 5 replies are all there are.
const FILES_MAX: u32 = 4;
/// As the platform's own Python SDK; a repetition is signed anew.
const SIGNATURE_AGE_S_MAX: u64 = 300;
/// The platform gives the same token until its last 60 s, and `src/account.rs` asks for another 5 min before the end: this
/// much later it gets one.
const EARLY_MS: u64 = 4 * 60_000 + 10_000;
