//! DingTalk (钉钉): robots of internal apps, messages by callback, answers by the robot API.
//!
//! Deadlines: none is documented. Limits: signatures are good for 1 h; 20 calls a second. Source: open.dingtalk.com,
//! "接收消息", "人与机器人会话中机器人发送消息", "机器人发送群聊消息".
//!
//! The signature does not cover the body: who saw one request can write others for an hour. So the account's name, which
//! is a part of the address, should not be one that can be guessed, and a body must name the robot. There is no idempotency
//! key: when the answer to a call is lost, the next try may show a part twice.

mod media;

use std::fmt;

use base64ct::{Base64, Encoding};
use hmac::{Hmac, Mac};
use protocol::json::{self, FromJson, Json, Object};
use protocol::{AccountId, Timestamp, from_json, object};
use serde::Serialize;
use sha2::Sha256;

use super::encoding::same;
use super::markdown;
use super::webhook::{Words, at, required, text_at};
use super::{
    Attached, Auth, Call, HttpRequest, HttpResponse, Inbound, Malformed, Method, NoToken, Outbound, Quota, Quoted,
    Rate, Raw, Rejected, Reply, Scope, Sent, Token, Unsupported, Verdict, check_base,
};

pub(super) use media::{FILE_HOSTS, attach, download, located, upload};

/// What the operator copies from the app's page in the developer console.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// `ding…`
    pub app_key: String,
    /// Secret; signs callbacks, too.
    pub app_secret: String,
    /// Most often the same as `app_key`.
    pub robot_code: String,
    /// `https://api.dingtalk.com`
    pub api_base: String,
}

impl FromJson for Settings {
    fn from_json(json: Json) -> Result<Settings, json::Wrong> {
        let mut object = Object::from_json(json)?;
        let app_key: String = object.take("app_key")?;
        Ok(Settings {
            robot_code: object.take_or("robot_code", || app_key.clone())?,
            app_key,
            app_secret: object.take("app_secret")?,
            api_base: object.take_or("api_base", || "https://api.dingtalk.com".to_owned())?,
        })
    }
}

from_json! { type Settings }

impl fmt::Debug for Settings {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("app_key", &self.app_key).finish_non_exhaustive()
    }
}

/// What is wrong with the settings, naming the field.
pub fn check(settings: &Settings) -> Result<(), &'static str> {
    if settings.app_key.is_empty() || settings.app_secret.is_empty() {
        return Err("app_key, app_secret: copy both from the app's page \"Credentials\"");
    }
    if settings.robot_code.is_empty() {
        return Err("robot_code: copy it from the app's page \"Robot\"");
    }
    check_base(&settings.api_base)
}

/// A body that was checked. Only [`verify`] makes one.
pub struct Verified(Json);

/// Checks the signature, its age, and that the body is for this robot.
pub fn verify(settings: &Settings, raw: &Raw<'_>, now: Timestamp) -> Result<Verified, Rejected> {
    check_headers(settings, raw, now)?;
    let body = raw.text().and_then(|text| json::parse(text).ok()).ok_or(Rejected::BodyNotJson)?;
    if !body.text("robotCode").is_some_and(|code| same(code, &settings.robot_code)) {
        return Err(Rejected::ReceiverMismatch);
    }
    Ok(Verified(body))
}

/// Checks the signature in the headers, and its age.
pub fn check_headers(settings: &Settings, raw: &Raw<'_>, now: Timestamp) -> Result<(), Rejected> {
    let given = raw.header(SIGN_HEADER).ok_or(Rejected::SignatureMissing)?;
    let timestamp = raw.header(TIMESTAMP_HEADER).ok_or(Rejected::TimestampMissing)?;
    if !same(&sign(&settings.app_secret, timestamp), given) {
        return Err(Rejected::SignatureMismatch);
    }
    let sent_ms: u64 = timestamp.parse().map_err(|_| Rejected::SignatureMismatch)?;
    if sent_ms.abs_diff(now.0) > SIGNATURE_AGE_MS_MAX { Err(Rejected::Stale) } else { Ok(()) }
}

/// base64(HMAC-SHA-256(secret, timestamp ‖ newline ‖ secret)): of callbacks, and of a custom robot's own address.
pub fn sign(secret: &str, timestamp: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update([timestamp, "\n", secret].concat().as_bytes());
    Base64::encode_string(&mac.finalize().into_bytes())
}

/// A message to the robot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `msgId`
    pub id: String,
    /// `conversationId`
    pub conversation: String,
    /// In a group, which mentions the robot.
    pub is_group: bool,
    /// A member's id; others have one that nothing can be sent to.
    pub from: String,
    /// `senderNick`
    pub name: Option<String>,
    /// The writer belongs to the company.
    pub is_member: bool,
    /// What it says, if it can be said in words.
    pub text: Option<String>,
    /// What comes with it.
    pub attached: Vec<Attached>,
    /// What it replies to.
    pub quoted: Option<Quoted>,
}

/// Reads a checked body.
pub fn parse(verified: Verified) -> Result<Event, Malformed> {
    let body = verified.0;
    let kind = required(&body, "msgtype")?;
    let text = match kind.as_str() {
        "text" => Some(at(&body, "text.content").and_then(Json::as_str).ok_or(Malformed::BadContent)?.to_owned()),
        kind => words(kind, &body),
    };
    let quoted = at(&body, "text.repliedMsg").map(|replied| {
        let kind = replied.text("msgType").unwrap_or_default();
        let (text, attached) = (words(kind, replied).unwrap_or_default(), media::attached(kind, replied));
        Quoted { text, attached, is_own: is_own(replied, &body) }
    });
    let staff = text_at(&body, "senderStaffId");
    Ok(Event {
        id: required(&body, "msgId")?,
        conversation: required(&body, "conversationId")?,
        is_group: required(&body, "conversationType")? == "2",
        is_member: staff.is_some(),
        from: staff.map_or_else(|| required(&body, "senderId"), Ok)?,
        name: text_at(&body, "senderNick"),
        text,
        attached: media::attached(&kind, &body),
        quoted,
    })
}

/// What the content of a message of this kind says.
fn words(kind: &str, message: &Json) -> Option<String> {
    match kind {
        "text" => text_at(message, "content.text"),
        "audio" => text_at(message, "content.recognition"),
        "richText" => {
            let pieces = at(message, "content.richText").and_then(Json::as_list).unwrap_or_default();
            Some(pieces.iter().filter_map(|piece| piece.text("text").or(piece.text("content"))).collect())
                .filter(|text: &String| !text.is_empty())
        }
        _ => None,
    }
}

/// Whether what is replied to was said by the robot.
fn is_own(replied: &Json, body: &Json) -> bool {
    replied.text("senderId").is_some_and(|sender| body.text("chatbotUserId") == Some(sender))
}

/// What an event means to the relay: words are a question. In groups a robot hears only what mentions it.
pub fn normalise(account: &AccountId, _settings: &Settings, event: Event) -> Inbound {
    if event.text.is_none() && event.attached.is_empty() {
        return Inbound::Ignored("message type");
    }
    let address = match event.is_group {
        true => format!("group {}", event.conversation),
        false if event.is_member => format!("user {}", event.from),
        false => return Inbound::Ignored("an outsider, to whom robots cannot write"),
    };
    let group = event.is_group.then(|| event.conversation.clone());
    let (text, attached) = (event.text.unwrap_or_default(), event.attached);
    Words {
        id: event.id,
        chat: event.conversation,
        group,
        sender: event.from,
        name: event.name,
        address,
        text,
        attached,
        quoted: event.quoted,
    }
    .ask(NAME, account)
}

/// Nothing in particular is expected.
pub fn ack(_inbound: &Inbound) -> Reply {
    Reply::json(object! {})
}

/// Sends a part of an answer to a group (`groupMessages/send`) or a member (`oToMessages/batchSend`).
pub fn send(settings: &Settings, outbound: &Outbound) -> Result<Call, Unsupported> {
    let fits = |part: &str| part.len() <= TEXT_BYTES_MAX;
    let (text, is_last) = markdown::part(&outbound.text, outbound.text_part(), PARTS_MAX, &markdown::FULL, &fits)?;
    // In the list of chats; the message itself shows only the text.
    let title: String = markdown::render(&text, &markdown::PLAIN).chars().take(TITLE_CHARS_MAX).collect();
    let param = object! { "title": title.replace('\n', " "), "text": text };
    let request = message(settings, outbound, "sampleMarkdown", &param);
    let no_address = || Unsupported("the question has no address".into());
    Ok(Call { request: request.ok_or_else(no_address)?, is_last })
}

fn message(settings: &Settings, outbound: &Outbound, key: &str, param: &str) -> Option<HttpRequest> {
    let (kind, to) = outbound.origin.message.split_once(' ')?;
    let robot = &settings.robot_code;
    let (path, body) = match kind {
        "group" => (
            "groupMessages/send",
            object! { "robotCode": robot, "openConversationId": to, "msgKey": key, "msgParam": param },
        ),
        _ => {
            ("oToMessages/batchSend", object! { "robotCode": robot, "userIds": [to], "msgKey": key, "msgParam": param })
        }
    };
    let url = format!("{}/v1.0/robot/{path}", settings.api_base);
    Some(HttpRequest::post(url, body, Auth::Dingtalk))
}

/// What the response to [`send`] means.
pub fn verdict(response: &HttpResponse) -> Verdict {
    let mut answer = match read_answer(response) {
        Ok(answer) => answer,
        Err(why) => return Verdict::later(response, why),
    };
    if answer.code.contains("InvalidAuthentication") || matches!(answer.code.as_str(), "40014" | "42001") {
        return Verdict::TokenExpired;
    }
    // Too often, by one app or by all of them together, comes with 403.
    let is_too_often = answer.code.contains("Throttling") || answer.code.contains("QpsLimit");
    if response.status >= 500 || response.status == 429 || is_too_often {
        return Verdict::later(response, answer.why);
    }
    if response.status >= 400 || !answer.code.is_empty() {
        return Verdict::refused(answer.why);
    }
    let mut listed = |field: &str| answer.fields.take_or(field, Vec::<String>::new).is_ok_and(|ids| !ids.is_empty());
    if listed("flowControlledStaffIdList") {
        return Verdict::later(response, "DingTalk: 发送过于频繁 · too many messages".into());
    }
    if listed("invalidStaffIdList") {
        return Verdict::refused("DingTalk: 成员不存在或不可见 · the member does not exist or cannot be seen".into());
    }
    Verdict::Sent(Sent::Taken)
}

/// Fetches an access token.
pub fn token_request(settings: &Settings) -> HttpRequest {
    let body = object! { "appKey": settings.app_key, "appSecret": settings.app_secret };
    HttpRequest::post(format!("{}/v1.0/oauth2/accessToken", settings.api_base), body, Auth::None)
}

/// The token in the response.
pub fn token(response: &HttpResponse) -> Result<Token, NoToken> {
    let mut answer = read_answer(response).map_err(NoToken::Later)?;
    let (value, life_s) = (answer.fields.take("accessToken"), answer.fields.take::<u64>("expireIn"));
    match value.ok().zip(life_s.ok()) {
        Some((value, life_s)) => Ok(Token { value, life_ms: life_s.saturating_mul(1000) }),
        None if response.status >= 500 || response.status == 429 || answer.code.is_empty() => {
            Err(NoToken::Later(answer.why))
        }
        None => Err(NoToken::Refused(answer.why)),
    }
}

/// The access token itself proves the credentials: there is nothing else to ask about a robot.
pub fn bot_request(settings: &Settings) -> HttpRequest {
    token_request(settings)
}

/// Takes note that the credentials are right. There is nothing to keep: mentions are left out by the platform.
pub fn introduce(_settings: &mut Settings, response: &HttpResponse) -> Result<(), String> {
    token(response).map(drop).map_err(|error| match error {
        NoToken::Later(why) | NoToken::Refused(why) => why,
    })
}

struct Answer {
    /// Nothing: it worked.
    code: String,
    why: String,
    fields: Object,
}

fn read_answer(response: &HttpResponse) -> Result<Answer, String> {
    let fields = json::parse(&response.body).ok().and_then(|json| Object::from_json(json).ok());
    let Some(mut fields) = fields else {
        return Err(format!("DingTalk answered HTTP {} without JSON", response.status));
    };
    let mut text = |field: &str| fields.take_or(field, String::new).unwrap_or_default();
    let (code, words) = (text("code"), text("message"));
    Ok(Answer { why: format!("DingTalk {} {code}: {words}", response.status), code, fields })
}

pub(super) const NAME: &str = "dingtalk";
pub(super) const CREDENTIALS: &str = "app_key, app_secret";
/// What it calls its bodies is not documented.
pub(super) const IS_JSON: bool = false;
pub(super) const METHODS: &[Method] = &[Method::Post];
/// What callbacks are signed with.
pub(super) const HEADERS: &[&str] = &[SIGN_HEADER, TIMESTAMP_HEADER];
const SIGN_HEADER: &str = "sign";
const TIMESTAMP_HEADER: &str = "timestamp";
pub(super) const RATES: &[Rate] = &[Rate { scope: Scope::Account, count: 20, per_ms: 1_000 }];
pub(super) const QUOTAS: &[Quota] = &[];
pub(super) const SOURCE: &str = "open.dingtalk.com, “机器人发送群聊消息”";
/// Of a message: not documented for robots of apps; custom robots take 20,000.
const TEXT_BYTES_MAX: usize = 18_000;
const TITLE_CHARS_MAX: usize = 20;
/// Of one answer: more than the longest answer needs.
const PARTS_MAX: usize = 50;
/// 1 h, as the platform asks.
const SIGNATURE_AGE_MS_MAX: u64 = 60 * 60 * 1000;
