//! Feishu and Lark: custom apps with a bot, events by webhook, answers by the reply API.
//!
//! Deadlines: a webhook must be answered within 3 s (address checks within 1 s), or it comes again after 15 s, 5 min,
//! 1 h and 6 h. Limits: a text message of 150 KB as sent; 5 messages a second to one chat, 50 a second and 1,000 a
//! minute for the app; an idempotency key (`uuid`, at most 50 characters) holds for 1 h. Source: open.feishu.cn, "Event subscription" and "Message" guides.

mod card;
mod crypto;
mod event;
pub mod long_connection;
mod media;
mod quote;
mod reaction;
mod scope;

use std::fmt;

use protocol::api::{Metered, Period, QuotaScope};
use protocol::json::{self, FromJson, Json, Object, Writer, Wrong};
use protocol::limit::ID_BYTES_MAX;
use protocol::{AccountId, ConversationId, MessageId, Timestamp};
use protocol::{from_json, object};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::encoding::percent;
use super::markdown::{self, Heading, Style};
use super::split::split;
use super::webhook::{fit, text_at};
use super::{
    Auth, Call, HttpRequest, HttpResponse, Inbound, Malformed, Method, NoToken, Outbound, Person, Press, Pressed,
    Quota, Rate, Raw, Rejected, RepliesTo, Reply, Scope, Sent, Token, Unsupported, Verdict, check_base,
};
use crate::auth::same_secret;
use crate::hub::is_command;
use crate::store::{Origin, Question};

pub use card::{begin_draft, drafted, end_draft, place_draft, placed, update_draft, withdraw_draft};
pub use crypto::{check_card_v1_signature, decrypt};
pub use event::{
    Action, CardAction, CardContext, Content, Entered, Event, Mention, Operator, Recalled, Received, Resource,
};
pub use media::{attach, download, upload, uploaded};
pub(super) use quote::{quote_request, quoted};
pub(super) use reaction::{find_mark, found_mark, mark, marked, unmark};
pub(super) use scope::{scopes_request, scopes_told};

/// What the operator copies from the app's page in the developer console.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// `cli_…`
    pub app_id: String,
    /// Secret.
    pub app_secret: String,
    /// Secret; bodies are encrypted and signed when it is set.
    pub encrypt_key: String,
    /// Secret; named in every event.
    pub verification_token: String,
    /// The bot's own id, `ou_…`: asked of the platform when the account is created.
    pub bot_open_id: String,
    /// Show answers while they are made, as cards: needs the scope `cardkit:card:write`, and is a call a second.
    pub streaming: bool,
    /// `https://open.feishu.cn`, or `https://open.larksuite.com` for Lark.
    pub api_base: String,
}

from_json! {
    struct Settings {
        app_id,
        app_secret,
        encrypt_key or String::new(),
        verification_token or String::new(),
        bot_open_id or String::new(),
        streaming or true,
        api_base or "https://open.feishu.cn".to_owned(),
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
        return Err("app_id, app_secret: copy both from the app's page \"Credentials\"");
    }
    if settings.encrypt_key.is_empty() && settings.verification_token.is_empty() {
        return Err("encrypt_key or verification_token: at least one, or anyone could send events");
    }
    check_base(&settings.api_base)
}

/// A body that was checked. Only [`verify`] makes one.
pub struct Verified(Json);

/// Checks signature, encryption and verification token.
pub fn verify(settings: &Settings, raw: &Raw<'_>, now: Timestamp) -> Result<Verified, Rejected> {
    let outer = raw.text().and_then(|text| json::parse(text).ok()).ok_or(Rejected::BodyNotJson)?;
    let (value, signed) = if settings.encrypt_key.is_empty() {
        (outer, true)
    } else {
        let signed = match check_headers(settings, raw, now) {
            Ok(()) => true,
            Err(Rejected::SignatureMissing) => false,
            // A wrong one is refused even where none would do.
            Err(rejected) => return Err(rejected),
        };
        let encrypt = outer.text("encrypt").ok_or(Rejected::MissingEncrypt)?;
        let text = String::from_utf8(decrypt(&settings.encrypt_key, encrypt)?).map_err(|_| Rejected::NotUtf8)?;
        (json::parse(&text).map_err(|_| Rejected::NotJson)?, signed)
    };
    // Address checks may come without a signature; nothing else may.
    if !signed && value.text("type") != Some("url_verification") {
        return Err(Rejected::SignatureMissing);
    }
    if !settings.verification_token.is_empty() {
        let token = value.get("header").and_then(|header| header.text("token")).or_else(|| value.text("token"));
        if !token.is_some_and(|token| same_secret(token, &settings.verification_token)) {
            return Err(Rejected::TokenMismatch);
        }
    }
    Ok(Verified(value))
}

/// Checks the signature in the headers, and its age.
pub fn check_headers(settings: &Settings, raw: &Raw<'_>, now: Timestamp) -> Result<(), Rejected> {
    let signature = raw.header(SIGNATURE_HEADER).ok_or(Rejected::SignatureMissing)?;
    let timestamp = raw.header(TIMESTAMP_HEADER).ok_or(Rejected::SignatureMissing)?;
    let nonce = raw.header(NONCE_HEADER).ok_or(Rejected::SignatureMissing)?;
    crypto::check_signature(timestamp, nonce, &settings.encrypt_key, raw.body, signature)?;
    let sent_s: u64 = timestamp.parse().map_err(|_| Rejected::SignatureMismatch)?;
    if sent_s.saturating_add(SIGNATURE_AGE_S_MAX) < now.0 / 1000 {
        return Err(Rejected::Stale);
    }
    Ok(())
}

/// Reads a checked body.
pub fn parse(verified: Verified) -> Result<Event, Malformed> {
    event::read(verified.0)
}

/// What an event means to the relay: a text or post, sent directly or mentioning the bot, is a question.
pub fn normalise(account: &AccountId, settings: &Settings, event: Event) -> Inbound {
    let received = match event {
        Event::Challenge(challenge) => return Inbound::Challenge(challenge),
        Event::Message(received) => received,
        Event::Recalled(Recalled { message_id, chat_id }) => {
            let (id, conversation) = (question_id(account, &message_id), conversation_id(account, &chat_id));
            let (Some(id), Some(conversation)) = (id, conversation) else {
                return Inbound::Ignored("ids of another form");
            };
            return Inbound::Recall { conversation, id };
        }
        Event::CardAction(used) => {
            let Some(message) = card::stopped_by(&used.action.value) else { return chosen(account, used) };
            let conversation = conversation_id(account, &used.context.open_chat_id);
            let (Some(id), Some(conversation)) = (question_id(account, message), conversation) else {
                return Inbound::Ignored("ids of another form");
            };
            return Inbound::Halt { conversation, id, sender: used.operator.open_id };
        }
        // It comes at every opening: hello is said once.
        Event::Entered(event::Entered { is_known: true, .. }) => return Inbound::Ignored("event: chat opened again"),
        Event::Entered(event::Entered { chat_id, operator, is_direct, .. }) => {
            let Some(conversation) = conversation_id(account, &chat_id).filter(|_| is_chat(&chat_id)) else {
                return Inbound::Ignored("ids of another form");
            };
            let origin = Origin { account: account.clone(), message: chat_id.clone() };
            let group = (!is_direct).then_some(chat_id);
            return Inbound::Entered { sender: operator, group, conversation, origin };
        }
        Event::Other { .. } => return Inbound::Ignored("event type"),
    };
    if received.sender_is_bot {
        return Inbound::Ignored("sent by a bot");
    }
    if !received.is_direct && !received.mentions(&settings.bot_open_id) {
        return Inbound::Ignored("the bot is not mentioned");
    }
    let text = match &received.content {
        Content::Text(text) => received.readable(text, &settings.bot_open_id),
        Content::Resource(_) => String::new(),
        Content::Unsupported => return Inbound::Ignored("message type"),
    };
    let mut attached = media::attached(&received);
    let text = fit(text, &mut attached);
    let is_id = |id: &String| has_plain_letters(id) && (1..=ID_BYTES_MAX).contains(&id.len());
    let is_topic = received.thread_id.is_some() && received.parent_id == received.root_id;
    let replies_to = received.parent_id.filter(|id| is_id(id) && !is_command(&text));
    let replies_to = replies_to.map(|message| RepliesTo { message, is_topic });
    if text.is_empty() && attached.is_empty() && replies_to.is_none() {
        return Inbound::Ignored("empty");
    }
    let id = question_id(account, &received.dedupe_key);
    let conversation = conversation_id(account, &received.chat_id);
    let is_fit = may_be_kept(&received.message_id, &received.sender_open_id);
    let (Some(id), Some(conversation), true) = (id, conversation, is_fit) else {
        return Inbound::Ignored("ids of another form");
    };
    let group = (!received.is_direct).then_some(received.chat_id);
    let origin = Origin { account: account.clone(), message: received.message_id };
    let sender = received.sender_open_id;
    let question = Question {
        id,
        conversation,
        via: "feishu".into(),
        sender: Some(sender.clone()),
        // Events name whom they mention, and not who wrote.
        name: None,
        group: group.is_some(),
        text,
        files: Vec::new(),
        origin: Some(origin),
    };
    Inbound::Message { sender, group, question, attached, replies_to }
}

/// Whether a message's id, which becomes a part of paths, and its writer's, which are both stored, are as Feishu makes them.
fn may_be_kept(message: &str, sender: &str) -> bool {
    has_plain_letters(message) && message.len() <= ID_BYTES_MAX && sender.len() <= ID_BYTES_MAX
}

/// Whether there is nothing in an id but what Feishu's are made of.
fn has_plain_letters(id: &str) -> bool {
    id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// A press does not say whether others are in the chat.
fn chosen(account: &AccountId, used: event::CardAction) -> Inbound {
    let Some(choice) = card::choice(&used.action.value) else { return Inbound::Ignored("card action") };
    let (message, chat, sender) = (used.context.open_message_id, used.context.open_chat_id, used.operator.open_id);
    let conversation = conversation_id(account, &chat).filter(|_| may_be_kept(&message, &sender));
    let Some(conversation) = conversation else {
        return Inbound::Ignored("ids of another form");
    };
    let origin = Origin { account: account.clone(), message };
    let press = Press { choice, conversation, via: NAME.into(), sender, name: None, group: None, origin };
    Inbound::Chosen { group: Some(chat), press, receipt: String::new() }
}

/// Says what became of a press, and shows the card without buttons once it has its answer. Within 3 s.
pub(super) fn pressed(pressed: &Pressed) -> Reply {
    let kind = if matches!(pressed, Pressed::Taken { .. }) { "success" } else { "warning" };
    let mut body = Writer::default();
    body.raw("\"toast\":", &object! { "type": kind, "content": pressed.words() });
    if let Pressed::Taken { label, text } = pressed {
        body.raw("\"card\":", &format!(r#"{{"type":"raw","data":{}}}"#, card::settled(text, label)));
    }
    Reply::json(body.end())
}

/// The body that the platform expects.
pub fn ack(inbound: &Inbound) -> Reply {
    let body = match inbound {
        Inbound::Challenge(challenge) => object! { "challenge": challenge },
        Inbound::Halt { .. } => format!(r#"{{"toast":{}}}"#, object! { "type": "info", "content": STOPPING }),
        _ => object! {},
    };
    Reply::json(body)
}

/// Replies to a message (`POST /im/v1/messages/:message_id/reply`) with a part of an answer: as a rich text, whose `md`
/// shows Markdown, or as a bare text if there is none in it.
pub fn send(settings: &Settings, outbound: &Outbound) -> Result<Call, Unsupported> {
    if !outbound.buttons.is_empty() {
        return match card::whole(outbound) {
            Some(card) => Ok(reply(settings, outbound, "interactive", &card, true)),
            None => send(settings, &outbound.words(false)),
        };
    }
    let text = card::without_mentions(&outbound.text);
    if markdown::render(&text, &POST) != markdown::render(&text, &markdown::PLAIN) {
        return post(settings, outbound, &text, true);
    }
    let around = reply_body(outbound, "text", &object! { "text": "" }).len();
    let parts = split(&text, |part| around + sent_bytes(part) <= TEXT_BYTES_MAX);
    let index = outbound.text_part() as usize;
    let Some(part) = parts.get(index) else {
        return Err(Unsupported(format!("part {index} of {}", parts.len())));
    };
    let is_last = index + 1 == parts.len();
    Ok(reply(settings, outbound, "text", &object! { "text": part }, is_last))
}

/// The same words as a bare text, when the platform refuses the rich one.
pub fn instead(settings: &Settings, outbound: &Outbound, response: &HttpResponse) -> Option<Call> {
    if !outbound.buttons.is_empty() {
        return is_refused_card(response).then(|| send(settings, &outbound.words(false)).ok()).flatten();
    }
    let is_form = read_answer(response).is_ok_and(|answer| matches!(answer.code, 230001 | 230054 | 230099));
    let text = card::without_mentions(&outbound.text);
    is_form.then(|| post(settings, outbound, &text, false).ok()).flatten()
}

/// Whether a card was refused for what it is.
fn is_refused_card(response: &HttpResponse) -> bool {
    read_answer(response).is_ok_and(|answer| matches!(answer.code, 230001 | 230025 | 230054 | 230055 | 230099))
}

/// A part as a rich text, or, cut in the same places, as a bare one.
fn post(settings: &Settings, outbound: &Outbound, text: &str, is_rich: bool) -> Result<Call, Unsupported> {
    let shown = if is_rich { &POST } else { &markdown::PLAIN };
    let fits = |part: &str| sent_bytes(part) <= POST_BYTES_MAX;
    let (part, is_last) = markdown::part_as(text, outbound.text_part(), POSTS_MAX, &POST, shown, &fits)?;
    if !is_rich {
        return Ok(reply(settings, outbound, "text", &object! { "text": part }, is_last));
    }
    let node = object! { "tag": "md", "text": part };
    let content = format!(r#"{{"zh_cn":{{"content":[[{node}]]}}}}"#);
    Ok(reply(settings, outbound, "post", &content, is_last))
}

fn reply(settings: &Settings, outbound: &Outbound, kind: &str, content: &str, is_last: bool) -> Call {
    let (base, to) = (&settings.api_base, &outbound.origin.message);
    let body = reply_body(outbound, kind, content);
    let request = if is_chat(to) {
        // To a chat, and not to a message in it: `POST /im/v1/messages`.
        let with_chat = body.replacen('{', &format!(r#"{{"receive_id":"{to}","#), 1);
        HttpRequest::post(format!("{base}/open-apis/im/v1/messages?receive_id_type=chat_id"), with_chat, Auth::Bearer)
    } else {
        HttpRequest::post(format!("{base}/open-apis/im/v1/messages/{to}/reply"), body, Auth::Bearer)
    };
    Call { request, is_last }
}

/// Whether an id is a chat's, made of nothing but what those are.
fn is_chat(id: &str) -> bool {
    id.strip_prefix("oc_").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

fn reply_body(outbound: &Outbound, kind: &str, content: &str) -> String {
    object! { "content": content, "msg_type": kind, "uuid": uuid(outbound) }
}

/// What the response to [`send`] means: the codes of "Reply to a message" and "Server error codes".
pub fn verdict(response: &HttpResponse) -> Verdict {
    let answer = match read_answer(response) {
        Ok(answer) => answer,
        Err(why) => return Verdict::later(response, why),
    };
    let why = answer.why();
    match answer.code {
        0 => Verdict::Sent(Sent::Taken),
        99991663 | 99991664 | 99991677 => Verdict::TokenExpired,
        230020 | 230049 | 99991400 => Verdict::later(response, why),
        _ if response.status >= 500 || response.status == 429 => Verdict::later(response, why),
        _ => Verdict::refused(why),
    }
}

/// Fetches a `tenant_access_token` of a custom app.
pub fn token_request(settings: &Settings) -> HttpRequest {
    let url = format!("{}/open-apis/auth/v3/tenant_access_token/internal", settings.api_base);
    let body = object! { "app_id": settings.app_id, "app_secret": settings.app_secret };
    HttpRequest::post(url, body, Auth::None)
}

/// The token in the response: at the top level, not in `data`.
pub fn token(response: &HttpResponse) -> Result<Token, NoToken> {
    let answer = read_answer(response).map_err(NoToken::Later)?;
    if answer.code != 0 {
        let why = answer.why();
        let busy = response.status >= 500 || response.status == 429 || answer.code == 99991400;
        return Err(if busy { NoToken::Later(why) } else { NoToken::Refused(why) });
    }
    let wrong = |wrong: Wrong| NoToken::Later(format!("Feishu's token answer: {wrong}"));
    let mut fields = answer.fields;
    let value = fields.take("tenant_access_token").map_err(wrong)?;
    let expire: u64 = fields.take("expire").map_err(wrong)?;
    Ok(Token { value, life_ms: expire.saturating_mul(1000) })
}

/// Asks who the bot is.
pub fn bot_request(settings: &Settings) -> HttpRequest {
    let url = format!("{}/open-apis/bot/v3/info", settings.api_base);
    HttpRequest::get(url, Auth::Bearer)
}

/// Asks who a member is: scope `contact:user.base:readonly` ("Get user information").
pub fn person_request(settings: &Settings, sender: &str) -> HttpRequest {
    let (base, sender) = (&settings.api_base, percent(sender));
    HttpRequest::get(format!("{base}/open-apis/contact/v3/users/{sender}?user_id_type=open_id"), Auth::Bearer)
}

/// What it says of them.
pub fn person(response: &HttpResponse) -> Person {
    let user = json::parse(&response.body).unwrap_or(Json::Null);
    let text = |path: &str| text_at(&user, path);
    Person::new(text("data.user.name"), text("data.user.avatar.avatar_240"))
}

/// Keeps the bot's `open_id`.
pub fn introduce(settings: &mut Settings, response: &HttpResponse) -> Result<(), String> {
    let mut answer = read_answer(response)?;
    if answer.code != 0 {
        return Err(answer.why());
    }
    let bot = answer.fields.take("bot").and_then(|mut bot: Object| bot.take("open_id"));
    settings.bot_open_id = bot.map_err(|wrong| format!("Feishu's bot answer: {wrong}"))?;
    Ok(())
}

/// How long a text is within the body: a JSON string inside a JSON string. Counted, since splitting asks often.
fn sent_bytes(text: &str) -> usize {
    let bytes = |character: char| match character {
        '"' | '\\' => 4,
        '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 3,
        '\0'..='\u{1f}' => 7,
        _ => character.len_utf8(),
    };
    text.chars().map(bytes).sum()
}

fn question_id(account: &AccountId, message: &str) -> Option<MessageId> {
    format!("feishu:{account}:{message}").parse().ok()
}

fn conversation_id(account: &AccountId, chat: &str) -> Option<ConversationId> {
    format!("feishu:{account}:{chat}").parse().ok()
}

/// The idempotency key: the same for every try at sending the same part, and 43 characters.
fn uuid(outbound: &Outbound) -> String {
    let Outbound { origin: Origin { account, message }, seq, part, .. } = outbound;
    text_uuid(&format!("{account}:{message}:{seq}:{part}"))
}

fn text_uuid(text: &str) -> String {
    crate::auth::encode(&Sha256::digest(text.as_bytes()))
}

struct Answer {
    code: i64,
    msg: String,
    /// The others.
    fields: Object,
}

impl Answer {
    /// For people: the platform's own code and words.
    fn why(&self) -> String {
        format!("Feishu {}: {}", self.code, self.msg)
    }
}

fn read_answer(response: &HttpResponse) -> Result<Answer, String> {
    let answer = json::parse(&response.body).ok().and_then(|json| {
        let mut fields = Object::from_json(json).ok()?;
        Some(Answer { code: fields.take("code").ok()?, msg: fields.take_or("msg", String::new).ok()?, fields })
    });
    answer.ok_or_else(|| format!("Feishu answered HTTP {} without a code", response.status))
}

pub(super) const NAME: &str = "feishu";
pub(super) const CREDENTIALS: &str = "app_id, app_secret";
pub(super) const IS_JSON: bool = true;
pub(super) const METHODS: &[Method] = &[Method::Post];
/// What events are signed with.
pub(super) const HEADERS: &[&str] = &[SIGNATURE_HEADER, TIMESTAMP_HEADER, NONCE_HEADER];
const STOPPING: &str = "正在停止 · stopping";
const SIGNATURE_HEADER: &str = "x-lark-signature";
const TIMESTAMP_HEADER: &str = "x-lark-request-timestamp";
const NONCE_HEADER: &str = "x-lark-request-nonce";
/// "Common limits" of the message API: one chat counts all bots in it, so less may get through.
pub(super) const RATES: &[Rate] = &[
    Rate { scope: Scope::Chat, count: 5, per_ms: 1_000 },
    Rate { scope: Scope::Account, count: 50, per_ms: 1_000 },
    Rate { scope: Scope::Account, count: 1_000, per_ms: 60_000 },
];
/// By the organisation's plan, which changes ("Custom app API call limit"): for all of its own apps together, anew on the
/// first of each month. Some calls are not counted there; here all are.
pub(super) const QUOTAS: &[Quota] = &[Quota {
    name: Metered::Calls,
    scope: QuotaScope::Organisation,
    period: Period::Month,
    limit: None,
    path: "",
    code: Some(99991403),
    source: "open.feishu.cn, “通用错误码” 99991403",
}];
pub(super) const SOURCE: &str = "open.feishu.cn, “频控策略”";
/// A text message as sent, in bytes: 150 KB, "Send a message".
const TEXT_BYTES_MAX: usize = 150_000;
/// A rich text as sent, in bytes, with room for what stands around it: 30 KB, "Send a message".
const POST_BYTES_MAX: usize = 28_000;
/// More than the longest answer has.
const POSTS_MAX: usize = 64;
/// What `md` shows in a rich text: no headings, no tables.
const POST: Style = Style { heading: Heading::Bold, ..markdown::FULL };
/// 24 h. The platform documents no limit; its last repetition comes about 7 h after the first try, and whether that
/// carries a new timestamp is not documented either. Dedupe (72 h) does not depend on it.
const SIGNATURE_AGE_S_MAX: u64 = 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bytes_are_counted_as_json_writes_them() {
        let every: String = (0..0x3000).filter_map(char::from_u32).chain("🚀 你好 \" \\ \n".chars()).collect();
        for text in ["", "plain", &every] {
            let content = json!({ "text": text }).to_string();
            let empty = json!({ "text": "" }).to_string();
            let outer = |content: &str| json!({ "content": content }).to_string().len();
            assert_eq!(sent_bytes(text), outer(&content) - outer(&empty));
        }
    }
}
