//! WeCom (企业微信): AI bots (智能机器人), messages by callback, answers in its response, shown as they come, or once by the
//! address that came with the question.
//!
//! Deadlines: a callback must be answered within 5 s; a stream ends 6 min after its question; `response_url` works once,
//! within 1 h. Limits: an answer of 20,480 bytes; 30 messages a minute and 1,000 an hour in one chat; 3 questions of one
//! person at a time. No access token and no list of addresses. Source: developer.work.weixin.qq.com, "智能机器人":
//! "接收消息", "接收事件", "被动回复消息", "模板卡片类型", "主动回复消息".
//!
//! Buttons stand on a card: with the end of a stream, of which each may have one; or, since an address takes one message,
//! on one that holds the whole answer, if that is short and its chat is of two. Else they are words. A press comes once, and
//! not again; its response within 5 s puts another card in the place of the pressed one, and can do nothing else: what the
//! press asks is answered at the address that comes with it.
//!
//! The address works once, which makes it its own idempotency key: a try after one whose outcome is not known is refused
//! if that one arrived, and the answer is then called undelivered although it is there.

use std::fmt;

use protocol::json::{self, Json};
use protocol::{AccountId, FileKind, Timestamp, from_json, object};
use serde::Serialize;

use super::encoding::{conversation_id, key};
use super::markdown::{self, Style, Table};
use super::media::from_url;
use super::webhook::{Words, at, required, text_at};
use super::wx::{self, Key, Tap};
use super::{
    Attached, Auth, Call, Download, FILE_PART, Fresh, Held, HttpRequest, HttpResponse, Inbound, Malformed, Method,
    NoToken, Outbound, Pressed, Quota, Quoted, Rate, Raw, Rejected, Reply, Scope, Sent, Token, Unsupported, Verdict,
    check_base,
};
use crate::file::in_words;
use crate::store::Origin;

/// What the operator copies from the bot's page in the admin console.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Secret; signs callbacks.
    pub token: String,
    /// Secret; 43 characters.
    pub encoding_aes_key: String,
    /// As people mention it in groups; without it, the first word is taken for the mention.
    pub name: String,
    /// Whether answers go in the response to the callback when they are there in time; otherwise by a call of their own.
    pub passive: bool,
    /// `https://qyapi.weixin.qq.com`
    pub api_base: String,
}

from_json! {
    struct Settings {
        token,
        encoding_aes_key,
        name or String::new(),
        passive or true,
        api_base or "https://qyapi.weixin.qq.com".to_owned(),
    }
}

impl fmt::Debug for Settings {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is wrong with the settings, naming the field.
pub fn check(settings: &Settings) -> Result<(), &'static str> {
    if settings.token.is_empty() {
        return Err("token: copy it from the bot's page, or anyone could send events");
    }
    if Key::read(&settings.encoding_aes_key).is_none() {
        return Err("encoding_aes_key: 43 letters and digits, from the bot's page");
    }
    check_base(&settings.api_base)
}

/// A body, or what an address check wants to hear. Only [`verify`] makes one.
pub struct Verified(Checked);

enum Checked {
    Challenge(String),
    Event(Json),
}

/// Checks signature, encryption, and that it was meant for a bot: those have no id to be encrypted for.
pub fn verify(settings: &Settings, raw: &Raw<'_>, now: Timestamp) -> Result<Verified, Rejected> {
    let open = |encrypt: &str| {
        wx::check_signature(raw, "msg_signature", &settings.token, &[encrypt], now, SIGNATURE_AGE_S_MAX)?;
        Key::read(&settings.encoding_aes_key).ok_or(Rejected::BadKey)?.open(encrypt, "")
    };
    if raw.method == Method::Get {
        let echo = raw.param("echostr").ok_or(Rejected::MissingEncrypt)?;
        return Ok(Verified(Checked::Challenge(open(&echo)?)));
    }
    let outer = raw.text().and_then(|text| json::parse(text).ok()).ok_or(Rejected::BodyNotJson)?;
    let text = open(outer.text("encrypt").ok_or(Rejected::MissingEncrypt)?)?;
    json::parse(&text).map(|json| Verified(Checked::Event(json))).map_err(|_| Rejected::NotJson)
}

/// What a request to the webhook holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The platform checks the address.
    Challenge(String),
    /// Somebody opens the chat with the bot, for the first time of the day.
    Entered {
        /// Who.
        from: String,
    },
    /// A message to the bot.
    Message(Received),
    /// Something that is no message, by its kind: `enter_chat`, `feedback_event` …
    Other(String),
    /// A button on a card was pressed.
    Pressed {
        /// `event_key`
        key: String,
        /// `task_id`, by which the card is known.
        task: String,
        /// Who pressed it.
        from: String,
        /// In which group, if in one.
        group: Option<String>,
        /// Where the answer to it may go, once.
        response_url: Option<String>,
    },
    /// The platform asks how far the answer has come.
    Refresh {
        /// Of which question: [`Received::stream_id`].
        stream_id: String,
        /// Who asked.
        from: String,
        /// In which group, if in one.
        group: Option<String>,
    },
}

/// A message to the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// `msgid`
    pub id: String,
    /// The group that it is in; one to one otherwise.
    pub group: Option<String>,
    /// A member's id.
    pub from: String,
    /// What it says, if it can be said in words.
    pub text: Option<String>,
    /// What comes with it.
    pub attached: Vec<Attached>,
    /// What it quotes.
    pub quoted: Option<Quoted>,
    /// Where its answer may go, once.
    pub response_url: Option<String>,
}

impl Received {
    /// Our name for its answer while it is shown as it comes.
    fn stream_id(&self) -> String {
        key(&self.id)
    }
}

/// Reads a checked body.
pub fn parse(verified: Verified) -> Result<Event, Malformed> {
    let event = match verified.0 {
        Checked::Challenge(challenge) => return Ok(Event::Challenge(challenge)),
        Checked::Event(event) => event,
    };
    let (from, group) = (required(&event, "from.userid")?, text_at(&event, "chatid"));
    let content = |path: &str| at(&event, path).and_then(Json::as_str).map(str::to_owned);
    let kind = required(&event, "msgtype")?;
    let text = match kind.as_str() {
        "event" => {
            return Ok(match text_at(&event, "event.eventtype").unwrap_or_default() {
                // The first time of a day, alone with the bot.
                name if name == "enter_chat" && group.is_none() => Event::Entered { from },
                name if name == "template_card_event" => Event::Pressed {
                    key: required(&event, "event.template_card_event.event_key")?,
                    task: required(&event, "event.template_card_event.task_id")?,
                    from,
                    group,
                    response_url: text_at(&event, "response_url"),
                },
                name => Event::Other(name),
            });
        }
        "stream" => return Ok(Event::Refresh { stream_id: required(&event, "stream.id")?, from, group }),
        "text" => Some(content("text.content").ok_or(Malformed::BadContent)?),
        "voice" => Some(content("voice.content").ok_or(Malformed::BadContent)?),
        "mixed" => {
            let items = at(&event, "mixed.msg_item").and_then(Json::as_list).ok_or(Malformed::BadContent)?;
            let texts: Vec<&str> = items.iter().filter_map(|item| at(item, "text.content")?.as_str()).collect();
            Some(texts.join("\n")).filter(|text| !text.is_empty())
        }
        _ => None,
    };
    let quoted = content("quote.text.content").or_else(|| content("quote.voice.content"));
    Ok(Event::Message(Received {
        id: required(&event, "msgid")?,
        group,
        from,
        text,
        attached: attached(&event, &kind),
        quoted: event.get("quote").map(|quote| Quoted {
            text: quoted.unwrap_or_default(),
            attached: attached(quote, quote.text("msgtype").unwrap_or_default()),
            is_own: false,
        }),
        response_url: text_at(&event, "response_url"),
    }))
}

/// The files of a message of this kind, or of what one quotes.
fn attached(message: &Json, kind: &str) -> Vec<Attached> {
    let file = |message: &Json, kind: &str| {
        let of = match kind {
            "file" => FileKind::File,
            "image" => FileKind::Image,
            "video" => FileKind::Video,
            _ => return None,
        };
        from_url(of, message.get(kind)?.text("url")?)
    };
    let items = at(message, "mixed.msg_item").and_then(Json::as_list).unwrap_or_default();
    let inside = items.iter().filter_map(|item| file(item, item.text("msgtype").unwrap_or_default()));
    file(message, kind).into_iter().chain(inside).collect()
}

/// By its own URL, for 5 min; encrypted as callbacks are.
pub(super) fn download(settings: &Settings, key: &str) -> Option<Download> {
    Some(Download::Sealed(HttpRequest::get(key.to_owned(), Auth::None), Key::read(&settings.encoding_aes_key)?))
}

/// What an event means to the relay: words are a question. In groups a bot hears only what mentions it.
pub fn normalise(account: &AccountId, settings: &Settings, event: Event) -> Inbound {
    let received = match event {
        Event::Challenge(challenge) => return Inbound::Challenge(challenge),
        Event::Message(received) => received,
        Event::Entered { from } => {
            let conversation = conversation_id(NAME, account, &from);
            let origin = Origin { account: account.clone(), message: String::new() };
            return match conversation {
                Some(conversation) => Inbound::Entered { sender: from, group: None, conversation, origin },
                None => Inbound::Ignored("ids of another form"),
            };
        }
        Event::Other(_) => return Inbound::Ignored("event type"),
        Event::Pressed { key, task, from: sender, group, response_url } => {
            // Only in a group does it matter whose card is changed.
            let whose = group.as_ref().map_or("", |_| &sender);
            let receipt = format!("{task} {whose} {key}");
            let (chat, address) = (chat(group.as_deref(), &sender), address(settings, "", response_url.as_deref()));
            return Tap { key, chat, group, sender, address, receipt }.choose(NAME, account);
        }
        Event::Refresh { stream_id, from, group } => {
            // As `question_id` made it.
            return match format!("{NAME}:{account}:{stream_id}").parse() {
                Ok(id) => Inbound::Refresh { sender: from, group, id },
                Err(_) => Inbound::Ignored("ids of another form"),
            };
        }
    };
    if received.text.is_none() && received.attached.is_empty() {
        return Inbound::Ignored("message type");
    }
    let text = received.text.as_deref().unwrap_or_default();
    let text = if received.group.is_some() { without_mention(text, &settings.name) } else { text.to_owned() };
    let address = address(settings, &received.stream_id(), received.response_url.as_deref());
    let chat = chat(received.group.as_deref(), &received.from);
    let Received { id, group, from: sender, attached, quoted, .. } = received;
    Words { id, chat, group, sender, name: None, address, text, attached, quoted }.ask(NAME, account)
}

/// Where an answer goes: our name for its stream, empty if there can be none; then its URL, empty if there is none.
fn address(settings: &Settings, stream: &str, url: Option<&str>) -> String {
    // Answers go nowhere but to the platform.
    let url = url.filter(|url| is_response_url(settings, url)).unwrap_or_default();
    [stream, " ", url].concat()
}

fn chat(group: Option<&str>, from: &str) -> String {
    group.map_or_else(|| from.to_owned(), |group| [GROUP, group].concat())
}

/// A text without the mention of the bot, of which the platform says only that it is there.
fn without_mention(text: &str, name: &str) -> String {
    if !name.is_empty() {
        return text.replacen(&format!("@{name}"), "", 1);
    }
    let text = text.trim_start();
    match text.strip_prefix('@').map(|rest| rest.split_once(char::is_whitespace)) {
        Some(Some((_, rest))) => rest.to_owned(),
        Some(None) => String::new(),
        None => text.to_owned(),
    }
}

fn is_response_url(settings: &Settings, url: &str) -> bool {
    url.strip_prefix(&settings.api_base).is_some_and(|path| path.starts_with("/cgi-bin/aibot/response?"))
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What the platform expects: the bare text of an address check; else nothing, which begins no stream: the answer then
/// goes by its `response_url`. A held webhook is answered by [`progress`] or [`passive`] instead.
pub fn ack(inbound: &Inbound) -> Reply {
    match inbound {
        Inbound::Challenge(challenge) => Reply::text(challenge),
        _ => Reply::text(""),
    }
}

/// How long a webhook may wait for its answer, or for more of it, in milliseconds from its arrival: people see nothing
/// meanwhile, and the platform asks again at once.
pub const HOLD_MS: u64 = 1_000;

/// How long the platform may take to ask for more: it does about every second. Until then the answer goes no other way.
pub const AGAIN_MS: u64 = 10_000;

/// How long an answer may be shown as it comes, in milliseconds from the question: of the 6 min, with room for the way.
/// What is not there by then must end the stream with a word of the relay, and goes by `response_url`.
pub const STREAM_MS: u64 = 5 * 60_000 + 30_000;
/// A `response_url`: 1 h, once.
pub const OPEN_MS: u64 = 60 * 60_000;

/// The answer as far as it has come, in the response to the question or to a refresh. It takes the place of what was
/// shown before.
pub fn progress(settings: &Settings, outbound: &Outbound, fresh: &Fresh) -> Option<Reply> {
    stream(settings, outbound, fresh, false)
}

/// The whole answer, which ends the stream, and the card with its buttons, which a stream may have once: who asks again
/// after its end did not get it, and gets the same.
pub fn passive(settings: &Settings, outbound: &Outbound, fresh: &Fresh) -> Option<Held> {
    Some(Held { reply: stream(settings, outbound, fresh, true)?, is_last: true })
}

/// The response to `enter_chat`, as bare text.
pub fn greet(settings: &Settings, outbound: &Outbound, fresh: &Fresh) -> Option<Reply> {
    sealed(settings, &message("text", &object! { "content": content(outbound) }), fresh)
}

/// Puts in the place of a card one that says what became of the press, in the response to that. In a group all see what
/// was chosen; that one may not choose, or is too late, is for them alone.
pub(super) fn pressed(settings: &Settings, receipt: &str, pressed: &Pressed, fresh: &Fresh) -> Option<Reply> {
    let mut parts = receipt.splitn(3, ' ');
    let (task, whose, key) = (parts.next()?, parts.next()?, parts.next()?);
    let mut update = json::Writer::default();
    update.field("\"response_type\":", "update_template_card");
    if !whose.is_empty() && !matches!(pressed, Pressed::Taken { .. }) {
        update.field("\"userids\":", &[whose]);
    }
    update.raw("\"template_card\":", &wx::settled(task, key, pressed));
    sealed(settings, &update.end(), fresh)
}

fn stream(settings: &Settings, outbound: &Outbound, fresh: &Fresh, finish: bool) -> Option<Reply> {
    let (id, _) = outbound.origin.message.split_once(' ').filter(|(id, _)| !id.is_empty())?;
    let content = if outbound.text.trim().is_empty() && !finish { String::new() } else { content(outbound) };
    let stream = object! { "id": id, "finish": finish, "content": content };
    if outbound.buttons.is_empty() || !finish {
        return sealed(settings, &message("stream", &stream), fresh);
    }
    let mut both = json::Writer::default();
    both.field("\"msgtype\":", "stream_with_template_card");
    both.raw("\"stream\":", &stream);
    both.raw("\"template_card\":", &wx::card(outbound, ""));
    sealed(settings, &both.end(), fresh)
}

fn sealed(settings: &Settings, text: &str, fresh: &Fresh) -> Option<Reply> {
    let key = Key::read(&settings.encoding_aes_key)?;
    Some(wx::sealed(&key, &settings.token, "", text, fresh).json())
}

/// Sends an answer to the address that came with its question, as plain JSON: on a card, if that holds all of it.
pub fn send(_settings: &Settings, outbound: &Outbound) -> Result<Call, Unsupported> {
    let url = outbound.origin.message.split_once(' ').map(|(_, url)| url).filter(|url| !url.is_empty());
    let Some(url) = url else {
        return Err(Unsupported(
            "这条消息没有带来回复地址 · the message came without an address for its answer".into(),
        ));
    };
    let body = match card_text(outbound) {
        Some(text) => message("template_card", &wx::card(outbound, &text)),
        None => message("markdown", &object! { "content": content(&outbound.words(false)) }),
    };
    Ok(Call { request: HttpRequest::post(url.to_owned(), body, Auth::None), is_last: true })
}

/// The same in words, when the platform refuses its card.
pub(super) fn instead(settings: &Settings, outbound: &Outbound) -> Option<Call> {
    card_text(outbound)?;
    send(settings, &outbound.words(false)).ok()
}

/// An answer with buttons as it stands above them on a card of its own, if all of it can: in words alone, without files,
/// and in a chat of two ("主动回复消息": 当且仅当回调的会话类型为单聊).
fn card_text(outbound: &Outbound) -> Option<String> {
    let chat = outbound.conversation.as_str().splitn(3, ':').nth(2)?;
    // Of an id that is hashed nobody knows whose it was.
    if outbound.buttons.is_empty() || !outbound.files.is_empty() || chat.starts_with(GROUP) || chat.starts_with('@') {
        return None;
    }
    let text = markdown::render(&without_calls(&outbound.text), &markdown::PLAIN);
    Some(text).filter(|text| (1..=CARD_TEXT_CHARS_MAX).contains(&text.chars().count()))
}

/// A message of a kind, which is JSON.
fn message(kind: &str, content: &str) -> String {
    [r#"{"msgtype":""#, kind, r#"",""#, kind, r#"":"#, content, "}"].concat()
}

/// An answer as far as the platform takes it: there is no second message for the rest, nor for its files.
fn content(outbound: &Outbound) -> String {
    let mut links = String::new();
    for link in outbound.files_after().iter().map(in_words) {
        if links.len() + link.len() < LINKS_BYTES_MAX {
            links.extend(["\n", &link]);
        }
    }
    let fits = |part: &str| part.len() + links.len() <= CONTENT_BYTES_MAX;
    markdown::part(&without_calls(&outbound.text), 0, 1, &STYLE, &fits).map(|(part, _)| part).unwrap_or_default()
        + &links
}

/// In a group `<@userid>` would call people, whoever made the model say it.
fn without_calls(text: &str) -> String {
    text.replace("<@", "＜@")
}

/// Whether this part was said with the first: a file, by its link.
pub(super) fn is_said(outbound: &Outbound) -> bool {
    outbound.part > FILE_PART || outbound.part == FILE_PART && !outbound.text.is_empty()
}

/// What the response to [`send`] means.
pub fn verdict(response: &HttpResponse) -> Verdict {
    match wx::read(LABEL, response) {
        Err(why) => Verdict::later(response, why),
        Ok(answer) => match answer.code {
            0 => Verdict::Sent(Sent::Taken),
            -1 | 45009 | 45033 => Verdict::later(response, answer.why),
            _ if response.status >= 500 => Verdict::later(response, answer.why),
            _ => Verdict::refused(answer.why),
        },
    }
}

/// Asks for nothing in particular: bots have no credentials of their own to prove, only that the platform can be reached.
pub fn bot_request(settings: &Settings) -> HttpRequest {
    HttpRequest::get(format!("{}/cgi-bin/getcallbackip", settings.api_base), Auth::None)
}

/// Takes note that the platform answers, be it that a token is missing.
pub fn introduce(_settings: &mut Settings, response: &HttpResponse) -> Result<(), String> {
    wx::read(LABEL, response).map(drop)
}

/// Never sent: no call of a bot takes a token.
pub fn token_request(settings: &Settings) -> HttpRequest {
    bot_request(settings)
}

/// None.
pub fn token(_response: &HttpResponse) -> Result<Token, NoToken> {
    Err(NoToken::Refused("AI bots have no access token".into()))
}

/// All of Markdown.
const STYLE: Style = Style { table: Table::Kept, ..markdown::FULL };

pub(super) const NAME: &str = "wecom-bot";
/// No secret of a bot is ever sent: only that the platform can be reached is known.
pub(super) const CREDENTIALS: &str = "api_base";
pub(super) const IS_JSON: bool = false;
pub(super) const METHODS: &[Method] = &[Method::Get, Method::Post];
pub(super) const HEADERS: &[&str] = &[];
pub(super) const RATES: &[Rate] = &[
    Rate { scope: Scope::Chat, count: 30, per_ms: 60_000 },
    Rate { scope: Scope::Chat, count: 1_000, per_ms: 3_600_000 },
];
pub(super) const QUOTAS: &[Quota] = &[];
pub(super) const SOURCE: &str = "developer.work.weixin.qq.com, “智能机器人”";
/// Before a group's id, which tells its conversation from a member's.
const GROUP: &str = "group-";
/// In what people read.
const LABEL: &str = "WeCom";
/// A stream's content, and a Markdown message's.
const CONTENT_BYTES_MAX: usize = 20_480;
/// Of those, for links to files.
const LINKS_BYTES_MAX: usize = 12_000;
/// "模板卡片类型", `sub_title_text`: more of it is not sure to be seen.
const CARD_TEXT_CHARS_MAX: usize = 112;
/// Where files are, as the platform's page has it.
pub(super) const FILE_HOSTS: &[&str] = &["ww-aibot-img-1258476243.cos.ap-guangzhou.myqcloud.com", ".qq.com"];
/// How old a signature may be: tries follow each other within seconds, and what is known is known for 72 h.
const SIGNATURE_AGE_S_MAX: u64 = 3_600;
