//! Telegram: bots, updates by webhook, answers by `sendMessage`, buttons as inline keyboards (`callback_query`).
//!
//! Deadlines: an update that is not answered with 2xx comes again for up to 24 h; how soon it must be answered is not
//! documented. Limits: a text of 4,096 characters without its markup; about a message a second in one chat, 20 a minute in
//! a group, 30 a second in all, or 429 with `retry_after`; 64 bytes that come back with a button. Source:
//! core.telegram.org/bots/api, /bots/faq, /bots/webhooks.
//!
//! The URL of every call holds the bot's token: it is never shown. There is no idempotency key: when the answer to a call is
//! lost, the next try may show a part twice.

mod keyboard;
mod media;
mod preview;

use std::fmt;

use protocol::api::{Metered, Period, QuotaScope};
use protocol::json::{self, FromJson, Json, Object};
use protocol::{AccountId, Timestamp, from_json, object};
use serde::Serialize;

use super::encoding::conversation_id;
use super::markdown::{self, Escape, Fence, Heading, Style};
use super::webhook::{Words, at, number, text_at};
use super::{
    Attached, Auth, Call, HttpRequest, HttpResponse, Inbound, Malformed, Method, NoToken, Outbound, Quota, Quoted,
    Rate, Raw, Rejected, Reply, Scope, Sent, Token, Unsupported, Verdict, check_base,
};
use crate::auth::same_secret;
use crate::store::Origin;

pub use keyboard::Query;
pub(super) use keyboard::{pressed, settle};
pub(super) use media::{download, located, upload};
pub(super) use preview::{mark, preview};

/// What the operator got from @BotFather and set by `setWebhook`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Secret; `123456:ABC…`
    pub bot_token: String,
    /// Secret; named in every update.
    pub secret_token: String,
    /// The bot's own name, without `@`, by which mentions are known: asked of the platform when the account is created.
    pub username: String,
    /// Shows answers while they are made, in private chats.
    pub streaming: bool,
    /// `https://api.telegram.org`
    pub api_base: String,
}

from_json! {
    struct Settings {
        bot_token,
        secret_token,
        username or String::new(),
        streaming or true,
        api_base or "https://api.telegram.org".to_owned(),
    }
}

impl fmt::Debug for Settings {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("username", &self.username).finish_non_exhaustive()
    }
}

/// What is wrong with the settings, naming the field.
pub fn check(settings: &Settings) -> Result<(), &'static str> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let token = settings.bot_token.split_once(':');
    if !token
        .is_some_and(|(id, secret)| id.parse::<u64>().is_ok() && !secret.is_empty() && secret.bytes().all(is_token))
    {
        return Err("bot_token: copy it from @BotFather: a number, a colon, letters and digits");
    }
    let secret = &settings.secret_token;
    if !(1..=256).contains(&secret.len()) || !secret.bytes().all(is_token) {
        return Err("secret_token: 1 to 256 letters, digits, _ and -, as set by setWebhook");
    }
    check_base(&settings.api_base)
}

/// A body that was checked. Only [`verify`] makes one.
pub struct Verified(Json);

/// Checks the secret in the header.
pub fn verify(settings: &Settings, raw: &Raw<'_>, _now: Timestamp) -> Result<Verified, Rejected> {
    let secret = raw.header(SECRET_HEADER).ok_or(Rejected::TokenMissing)?;
    if !same_secret(secret, &settings.secret_token) {
        return Err(Rejected::TokenMismatch);
    }
    raw.text().and_then(|text| json::parse(text).ok()).map(Verified).ok_or(Rejected::BodyNotJson)
}

/// What a request to the webhook holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody has added the bot to a group (`my_chat_member`).
    Added {
        /// Who.
        by: i64,
        /// Which one, below 0.
        chat: i64,
    },
    /// A message.
    Message(Box<Received>),
    /// An update that this version does not use: a message that was changed (`edited_message`), a poll …
    Other,
    /// A button under a message of the bot's was pressed (`callback_query`).
    Query(Query),
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What makes it the same when it comes again.
    pub update_id: i64,
    /// The chat, below 0 for groups.
    pub chat: i64,
    /// Within the chat.
    pub message: i64,
    /// The topic that it is in.
    pub topic: Option<i64>,
    /// One to one with the bot.
    pub is_private: bool,
    /// Who wrote it; channels write themselves.
    pub from: Option<i64>,
    /// What the writer is called: the first name, and the last if there is one.
    pub name: String,
    /// The writer is a bot.
    pub is_bot: bool,
    /// The name of whom it replies to.
    pub replies_to: Option<String>,
    /// What it replies to, or the part of that which its writer chose.
    pub quoted: Option<Quoted>,
    /// A part was chosen.
    pub is_part: bool,
    /// Text, or what stands under a picture or file.
    pub text: Option<String>,
    /// What comes with it.
    pub file: Option<Attached>,
}

/// Reads a checked body.
pub fn parse(verified: Verified) -> Result<Event, Malformed> {
    let update = verified.0;
    let update_id = number(&update, "update_id")?;
    if let Some(query) = update.get("callback_query") {
        return keyboard::read(query);
    }
    if let Some(changed) = update.get("my_chat_member") {
        return added(changed);
    }
    let Some(message) = update.get("message") else { return Ok(Event::Other) };
    let is_true = |path: &str| at(message, path) == Some(&Json::Bool(true));
    Ok(Event::Message(Box::new(Received {
        update_id,
        chat: number(message, "chat.id")?,
        message: number(message, "message_id")?,
        topic: number(message, "message_thread_id").ok(),
        is_private: text_at(message, "chat.type").as_deref() == Some("private"),
        is_bot: is_true("from.is_bot"),
        from: number(message, "from.id").ok(),
        name: writer_name(message),
        replies_to: text_at(message, "reply_to_message.from.username"),
        text: text_at(message, "text").or_else(|| text_at(message, "caption")),
        quoted: quoted(message),
        is_part: message.get("quote").is_some(),
        file: media::attached(message),
    })))
}

/// What a message replies to.
fn quoted(message: &Json) -> Option<Quoted> {
    let whole = message.get("reply_to_message")?;
    let part = text_at(message, "quote.text");
    let text = part.or_else(|| text_at(whole, "text")).or_else(|| text_at(whole, "caption")).unwrap_or_default();
    Some(Quoted { text, attached: media::attached(whole).into_iter().collect(), is_own: false })
}

/// What the writer of a message, or whoever pressed a button, is called.
fn writer_name(of: &Json) -> String {
    let names = ["from.first_name", "from.last_name"].iter().filter_map(|path| text_at(of, path));
    names.collect::<Vec<_>>().join(" ")
}

/// The bot's own standing in a chat was changed: whether it came into a group by that. People who begin with it alone
/// write `/start`.
fn added(changed: &Json) -> Result<Event, Malformed> {
    let status = |of: &str| text_at(changed, &format!("{of}.status")).unwrap_or_default();
    let is_group = matches!(text_at(changed, "chat.type").as_deref(), Some("group" | "supergroup"));
    let was_out = matches!(status("old_chat_member").as_str(), "left" | "kicked");
    let is_in = matches!(status("new_chat_member").as_str(), "administrator" | "member");
    if !is_group || !was_out || !is_in {
        return Ok(Event::Other);
    }
    Ok(Event::Added { by: number(changed, "from.id")?, chat: number(changed, "chat.id")? })
}

/// What an event means to the relay: words, written privately, mentioning the bot or replying to it, are a question.
pub fn normalise(account: &AccountId, settings: &Settings, event: Event) -> Inbound {
    let received = match event {
        Event::Added { by, chat } => return entered(account, by, chat, 0, 0),
        Event::Message(received) => *received,
        Event::Other => return Inbound::Ignored("event type"),
        Event::Query(query) => return keyboard::chosen(account, query),
    };
    if received.is_bot {
        return Inbound::Ignored("sent by a bot");
    }
    let has_words = received.text.is_some() || received.file.is_some();
    let Some(from) = received.from.filter(|_| has_words) else { return Inbound::Ignored("message type") };
    let text = received.text.unwrap_or_default();
    let name = &settings.username;
    let mentioned = without_mention(&text, name);
    let is_own = received.replies_to.is_some_and(|replied| !name.is_empty() && replied.eq_ignore_ascii_case(name));
    if !received.is_private && mentioned.is_none() && !is_own {
        return Inbound::Ignored("the bot is not mentioned");
    }
    let topic = received.topic.unwrap_or(0);
    if is_start(mentioned.as_deref().unwrap_or(&text)) && received.file.is_none() {
        return entered(account, from, received.chat, topic, received.message);
    }
    Words {
        id: received.update_id.to_string(),
        address: format!("{}/{topic}/{}", received.chat, received.message),
        group: (!received.is_private).then(|| received.chat.to_string()),
        chat: thread(received.chat, topic),
        sender: from.to_string(),
        name: Some(received.name),
        text: mentioned.unwrap_or(text),
        attached: received.file.into_iter().collect(),
        quoted: received.quoted.map(|quoted| Quoted { is_own: is_own && !received.is_part, ..quoted }),
    }
    .ask(NAME, account)
}

/// What Telegram says for whoever presses "Start", also by a link with a word of its own.
fn is_start(text: &str) -> bool {
    text.split_whitespace().next() == Some("/start")
}

/// Somebody begins with the bot. It comes again only while it was not acknowledged.
fn entered(account: &AccountId, by: i64, chat: i64, topic: i64, message: i64) -> Inbound {
    let Some(conversation) = conversation_id(NAME, account, &thread(chat, topic)) else {
        return Inbound::Ignored("ids of another form");
    };
    let origin = Origin { account: account.clone(), message: format!("{chat}/{topic}/{message}") };
    let group = (chat < 0).then(|| chat.to_string());
    Inbound::Entered { sender: by.to_string(), group, conversation, origin }
}

/// A chat, or a topic in it, as conversations are named by it.
fn thread(chat: i64, topic: i64) -> String {
    if topic == 0 { chat.to_string() } else { format!("{chat}.{topic}") }
}

/// A text without `@name`, and `/command@name` without it; nothing, if it is not there.
fn without_mention(text: &str, name: &str) -> Option<String> {
    let is_name = |at: usize| {
        let found = text.get(at + 1..at + 1 + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
        let after = text.get(at + 1 + name.len()..).and_then(|rest| rest.chars().next());
        found && !after.is_some_and(|after| after.is_ascii_alphanumeric() || after == '_')
    };
    let at = text.match_indices('@').map(|(at, _)| at).find(|&at| !name.is_empty() && is_name(at))?;
    Some([text.get(..at)?, text.get(at + 1 + name.len()..)?].concat())
}

/// Nothing in particular is expected.
pub fn ack(_inbound: &Inbound) -> Reply {
    Reply::json(object! {})
}

/// Replies to a message with a part of an answer.
pub fn send(settings: &Settings, outbound: &Outbound) -> Result<Call, Unsupported> {
    message(settings, outbound, &STYLE)
}

/// The same words without markup, when the platform cannot read ours; or buttons as words, when it refuses those.
pub fn instead(settings: &Settings, outbound: &Outbound, response: &HttpResponse) -> Option<Call> {
    let is_refused = |words: &str| response.status == 400 && response.body.contains(words);
    if !outbound.buttons.is_empty() && (is_refused("BUTTON_") || is_refused("reply markup")) {
        return message(settings, &outbound.words(false), &STYLE).ok();
    }
    is_refused("can't parse entities").then(|| message(settings, outbound, &markdown::PLAIN).ok()).flatten()
}

fn message(settings: &Settings, outbound: &Outbound, shown: &Style) -> Result<Call, Unsupported> {
    let Some((chat, topic, message)) = address(&outbound.origin) else {
        return Err(Unsupported("the question has no address".into()));
    };
    let (text, is_last) = markdown::part_as(&outbound.text, outbound.text_part(), PARTS_MAX, &STYLE, shown, &fits)?;
    let mut body = body_to(chat, topic);
    body.field("\"text\":", &text);
    if shown.escape == Escape::Html {
        body.field("\"parse_mode\":", "HTML");
    }
    if message != 0 {
        body.raw("\"reply_parameters\":", &reply_to(message));
    }
    body.raw("\"link_preview_options\":", r#"{"is_disabled":true}"#);
    if is_last && !outbound.buttons.is_empty() {
        body.raw("\"reply_markup\":", &keyboard::under(outbound, topic));
    }
    Ok(Call { request: HttpRequest::post(method(settings, "sendMessage"), body.end(), Auth::None), is_last })
}

/// Units of UTF-16 with the markup: never less than what the platform counts.
fn fits(part: &str) -> bool {
    part.encode_utf16().count() <= TEXT_UNITS_MAX
}

/// The beginning of what goes to a chat, in this topic or in none: 0.
fn body_to(chat: i64, topic: i64) -> json::Writer {
    let mut body = json::Writer::default();
    body.field("\"chat_id\":", &chat);
    if topic != 0 {
        body.field("\"message_thread_id\":", &topic);
    }
    body
}

/// The chat, the topic in it or 0, and the message that is replied to or 0.
fn address(origin: &Origin) -> Option<(i64, i64, i64)> {
    let mut numbers = origin.message.split('/').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?, numbers.next()?))
}

fn reply_to(message: i64) -> String {
    object! { "message_id": message, "allow_sending_without_reply": true }
}

fn method(settings: &Settings, name: &str) -> String {
    format!("{}/bot{}/{name}", settings.api_base, settings.bot_token)
}

/// What the response to [`send`] means.
pub fn verdict(response: &HttpResponse) -> Verdict {
    let answer = match read_answer(response) {
        Ok(_) => return Verdict::Sent(Sent::Taken),
        Err(answer) => answer,
    };
    let retry_after_s = answer.retry_after_s.or(response.retry_after_s);
    match answer.code {
        403 => Verdict::refused(format!("{} (机器人被对方停用或移出 · the bot was blocked or removed)", answer.why)),
        429 | 500.. | 0 => Verdict::later(&HttpResponse { retry_after_s, ..response.clone() }, answer.why),
        _ => Verdict::refused(answer.why),
    }
}

/// Asks who the bot is.
pub fn bot_request(settings: &Settings) -> HttpRequest {
    HttpRequest::get(method(settings, "getMe"), Auth::None)
}

/// Keeps the bot's name.
pub fn introduce(settings: &mut Settings, response: &HttpResponse) -> Result<(), String> {
    let mut answer = read_answer(response).map_err(|answer| answer.why)?;
    let name = answer.take("result").and_then(|mut bot: Object| bot.take("username"));
    settings.username = name.map_err(|wrong| format!("Telegram's bot answer: {wrong}"))?;
    Ok(())
}

/// Never sent: the URL is the secret.
pub fn token_request(settings: &Settings) -> HttpRequest {
    bot_request(settings)
}

/// None.
pub fn token(_response: &HttpResponse) -> Result<Token, NoToken> {
    Err(NoToken::Refused("Telegram has no access tokens".into()))
}

/// Why a call failed.
struct Failure {
    /// As HTTP's; 0: no answer of the platform's.
    code: i64,
    why: String,
    retry_after_s: Option<u64>,
}

fn read_answer(response: &HttpResponse) -> Result<Object, Failure> {
    let fields = json::parse(&response.body).ok().and_then(|json| Object::from_json(json).ok());
    let Some(mut fields) = fields else {
        let why = format!("Telegram answered HTTP {} without JSON", response.status);
        return Err(Failure { code: 0, why, retry_after_s: None });
    };
    if fields.get("ok") == Some(&Json::Bool(true)) {
        return Ok(fields);
    }
    let code = fields.take("error_code").unwrap_or(i64::from(response.status));
    let words = fields.take("description").unwrap_or_else(|_| String::new());
    let retry_after_s =
        fields.take("parameters").and_then(|mut parameters: Object| parameters.take("retry_after")).ok();
    Err(Failure { code, why: format!("Telegram {code}: {words}"), retry_after_s })
}

/// HTML as Telegram reads it.
const STYLE: Style = Style {
    bold: ("<b>", "</b>"),
    code: ("<code>", "</code>"),
    escape: Escape::Html,
    fence: Fence::Pre,
    heading: Heading::Bold,
    italic: ("<i>", "</i>"),
    link: |text, url| if text == url { url.to_owned() } else { format!("<a href=\"{url}\">{text}</a>") },
    strike: ("<s>", "</s>"),
    ..markdown::PLAIN
};

pub(super) const NAME: &str = "telegram";
pub(super) const CREDENTIALS: &str = "bot_token";
pub(super) const IS_JSON: bool = true;
pub(super) const METHODS: &[Method] = &[Method::Post];
pub(super) const HEADERS: &[&str] = &[SECRET_HEADER];
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";
/// The lower one holds for groups; private chats could have three times as many.
pub(super) const RATES: &[Rate] =
    &[Rate { scope: Scope::Chat, count: 20, per_ms: 60_000 }, Rate { scope: Scope::Account, count: 30, per_ms: 1_000 }];
/// Guidance, no promise.
pub(super) const QUOTAS: &[Quota] = &[Quota {
    name: Metered::Messages,
    scope: QuotaScope::Chat,
    period: Period::Second,
    limit: Some(1),
    path: "",
    code: None,
    source: SOURCE,
}];
pub(super) const SOURCE: &str = "core.telegram.org/bots/faq";
/// Characters of a text.
const TEXT_UNITS_MAX: usize = 4_096;
/// Of one answer: more than the longest answer needs.
const PARTS_MAX: usize = 400;
