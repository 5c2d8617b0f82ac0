//! Feishu's events and callbacks as types, as in the platform's event list. Only the fields that the relay reads.

use protocol::from_json;
use protocol::json::{FromJson, Json, parse};
use protocol::limit::TEXT_BYTES_MAX;

use crate::platform::Malformed;
use crate::platform::webhook::text_at;

/// What a request to the webhook holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A button or form on a card was used.
    CardAction(CardAction),
    /// The platform checks the address.
    Challenge(String),
    /// Somebody opens the chat with the bot (`im.chat.access_event.bot_p2p_chat_entered_v1`), or has added it to a group
    /// (`im.chat.member.bot.added_v1`).
    Entered(Entered),
    /// A message to the bot, or in a group that it can read.
    Message(Received),
    /// An event that this version does not use.
    Other {
        /// The platform's id of the event.
        dedupe_key: String,
        /// As the platform names it.
        event_type: String,
    },
    /// A message was taken back, by its writer or by a group's owner (`im.message.recalled_v1`).
    Recalled(Recalled),
}

/// A chat that a bot came into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Which one.
    pub chat_id: String,
    /// Who opened it, or added the bot.
    pub operator: String,
    /// One to one with the bot.
    pub is_direct: bool,
    /// Something was said there before.
    pub is_known: bool,
}

/// A message that was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// Which one.
    pub message_id: String,
    /// The chat that it was in.
    pub chat_id: String,
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// What makes it the same message when it comes again: `message_id` in schema 2.0, `uuid` in 1.0.
    pub dedupe_key: String,
    /// The message to reply to.
    pub message_id: String,
    /// The chat that it is in.
    pub chat_id: String,
    /// One to one with the bot; anything else is a group.
    pub is_direct: bool,
    /// Who wrote it.
    pub sender_open_id: String,
    /// The writer is a bot.
    pub sender_is_bot: bool,
    /// As the platform names it: `text`, `post`, `image` …
    pub message_type: String,
    /// What it says.
    pub content: Content,
    /// Pictures and videos inside a rich text.
    pub inside: Vec<Resource>,
    /// The platform says that the bot is mentioned, without saying where (schema 1.0).
    pub mentions_bot: bool,
    /// Who is mentioned in it, and where (schema 2.0).
    pub mentions: Vec<Mention>,
    /// The first message of the thread, when it is a reply.
    pub root_id: Option<String>,
    /// The message that it replies to.
    pub parent_id: Option<String>,
    /// The topic that it is in.
    pub thread_id: Option<String>,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A picture, file, recording or video.
    Resource(Resource),
    /// Text with placeholders where people are mentioned.
    Text(String),
    /// A kind that has no text and cannot be fetched: a sticker, a forwarded bundle, or one of a newer platform.
    Unsupported,
}

/// A file on the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// For the resource API.
    pub key: String,
    /// The resource API's `type`: `image` or `file`.
    pub kind: &'static str,
    /// Its name, for files and videos.
    pub name: Option<String>,
    /// Recordings and videos.
    pub duration_ms: Option<u64>,
}

/// A person or bot mentioned in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The placeholder in the text: `@_user_1`.
    pub key: String,
    /// Whom it stands for.
    pub open_id: String,
    /// As shown.
    pub name: String,
}

/// A button, form or menu on a card was used (`card.action.trigger`).
#[derive(Clone, Debug, PartialEq)]
pub struct CardAction {
    /// What was used.
    pub action: Action,
    /// Where.
    pub context: CardContext,
    /// By whom.
    pub operator: Operator,
    /// For updating the card later: 30 min, two uses.
    pub token: String,
}

/// What was used on a card.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// As the card's maker set it: an object, or a string.
    pub value: Json,
    /// The element's name.
    pub name: Option<String>,
    /// The form's fields.
    pub form_value: Option<Json>,
    /// The chosen entry of a menu.
    pub option: Option<String>,
}

/// Where a card is.
#[derive(Clone, Debug, PartialEq)]
pub struct CardContext {
    /// The message that holds the card.
    pub open_message_id: String,
    /// The chat that it is in.
    pub open_chat_id: String,
}

/// Who used a card.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator {
    /// Their id.
    pub open_id: String,
}

from_json! { struct Recalled { message_id, chat_id } }
from_json! { struct CardAction { action, context, operator, token } }
from_json! { struct Action { value or Json::Null, name, form_value, option } }
from_json! { struct CardContext { open_message_id, open_chat_id } }
from_json! { struct Operator { open_id } }
from_json! { struct V2 { header, event } }
from_json! { struct Header { event_id, event_type } }
from_json! { struct V1 { uuid, event } }
from_json! { struct MessageEvent { sender, message } }
from_json! { struct Sender { sender_id, sender_type } }
from_json! { struct Ids { open_id } }
from_json! { struct RawEntered { chat_id, operator_id, last_message_id } }
from_json! { struct RawMention { key, id, name } }
from_json! {
    struct Message {
        message_id,
        chat_id,
        chat_type,
        message_type,
        content,
        mentions or Vec::new(),
        root_id,
        parent_id,
        thread_id,
    }
}
from_json! {
    struct MessageEventV1 {
        open_id,
        open_chat_id,
        open_message_id,
        chat_type,
        msg_type,
        text_without_at_bot or String::new(),
        is_mention or false,
    }
}

/// Reads an envelope of schema 2.0 (with `schema`) or 1.0 (with `uuid`), or a check of the address.
pub fn read(value: Json) -> Result<Event, Malformed> {
    let text = |key: &str| value.text(key);
    if text("type") == Some("url_verification") {
        let challenge = text("challenge").ok_or_else(|| Malformed::BadEvent("missing field `challenge`".into()))?;
        return Ok(Event::Challenge(challenge.to_owned()));
    }
    if value.get("schema").is_some() {
        let envelope: V2 = from_value(value)?;
        return match envelope.header.event_type.as_str() {
            "im.message.receive_v1" => read_message(from_value(envelope.event)?).map(Event::Message),
            "im.chat.access_event.bot_p2p_chat_entered_v1" => from_value(envelope.event).map(|raw| entered(raw, true)),
            "im.chat.member.bot.added_v1" => from_value(envelope.event).map(|raw| entered(raw, false)),
            "im.message.recalled_v1" => from_value(envelope.event).map(Event::Recalled),
            "card.action.trigger" => from_value(envelope.event).map(Event::CardAction),
            _ => Ok(Event::Other { dedupe_key: envelope.header.event_id, event_type: envelope.header.event_type }),
        };
    }
    if value.get("uuid").is_some() {
        let envelope: V1 = from_value(value)?;
        let event_type = envelope.event.text("type").unwrap_or_default().to_owned();
        return match event_type.as_str() {
            "message" => Ok(Event::Message(read_message_v1(envelope.uuid, from_value(envelope.event)?))),
            _ => Ok(Event::Other { dedupe_key: envelope.uuid, event_type }),
        };
    }
    Err(Malformed::UnknownEnvelope)
}

impl Received {
    /// Whether the bot itself is mentioned. `@_all` is not the bot.
    pub fn mentions(&self, bot_open_id: &str) -> bool {
        self.mentions_bot || self.mentions.iter().any(|mention| mention.open_id == bot_open_id)
    }

    /// A text with its placeholders replaced: the bot's own disappears, others become `@name`, everyone `@all`.
    pub fn readable(&self, text: &str, bot_open_id: &str) -> String {
        let mut readable = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("@_") {
            // A long name may stand in many places: nothing after this is kept anyhow.
            if readable.len() > TEXT_BYTES_MAX {
                return readable;
            }
            let (before, from) = rest.split_at(at);
            readable.push_str(before);
            // The longest key wins: `@_user_1` is also the beginning of `@_user_10`.
            // An empty one would match for ever without getting on.
            let mentioned = |m: &&Mention| !m.key.is_empty() && from.starts_with(&m.key);
            let mention = self.mentions.iter().filter(mentioned).max_by_key(|m| m.key.len());
            rest = match mention {
                Some(mention) if mention.open_id == bot_open_id => {
                    let after = from.get(mention.key.len()..).unwrap_or_default();
                    after.strip_prefix(' ').unwrap_or(after)
                }
                Some(mention) => {
                    readable.push('@');
                    readable.push_str(&mention.name);
                    from.get(mention.key.len()..).unwrap_or_default()
                }
                None if from.starts_with("@_all") => {
                    readable.push_str("@all");
                    from.get("@_all".len()..).unwrap_or_default()
                }
                None => {
                    readable.push_str("@_");
                    from.get("@_".len()..).unwrap_or_default()
                }
            };
        }
        readable.push_str(rest);
        readable.trim().to_owned()
    }
}

struct V2 {
    header: Header,
    event: Json,
}

struct Header {
    event_id: String,
    event_type: String,
}

struct RawEntered {
    chat_id: String,
    operator_id: Ids,
    last_message_id: Option<String>,
}

fn entered(raw: RawEntered, is_direct: bool) -> Event {
    let RawEntered { chat_id, operator_id, last_message_id } = raw;
    let is_known = last_message_id.is_some_and(|id| !id.is_empty());
    Event::Entered(Entered { chat_id, operator: operator_id.open_id, is_direct, is_known })
}

struct V1 {
    uuid: String,
    event: Json,
}

struct MessageEvent {
    sender: Sender,
    message: Message,
}

struct Sender {
    sender_id: Ids,
    sender_type: String,
}

struct Ids {
    open_id: String,
}

struct Message {
    message_id: String,
    chat_id: String,
    chat_type: String,
    message_type: String,
    content: String,
    mentions: Vec<RawMention>,
    root_id: Option<String>,
    parent_id: Option<String>,
    thread_id: Option<String>,
}

struct RawMention {
    key: String,
    id: Ids,
    name: String,
}

/// Schema 1.0: text only, the bot's mention removed by the platform.
struct MessageEventV1 {
    open_id: String,
    open_chat_id: String,
    open_message_id: String,
    chat_type: String,
    msg_type: String,
    text_without_at_bot: String,
    is_mention: bool,
}

fn read_message(event: MessageEvent) -> Result<Received, Malformed> {
    let message = event.message;
    let mentions = message
        .mentions
        .into_iter()
        .map(|mention| Mention { key: mention.key, open_id: mention.id.open_id, name: mention.name })
        .collect();
    Ok(Received {
        dedupe_key: message.message_id.clone(),
        content: read_content(&message.message_type, &message.content)?,
        inside: read_inside(&message.message_type, &message.content),
        message_id: message.message_id,
        chat_id: message.chat_id,
        is_direct: message.chat_type == "p2p",
        sender_open_id: event.sender.sender_id.open_id,
        sender_is_bot: event.sender.sender_type != "user",
        message_type: message.message_type,
        mentions_bot: false,
        mentions,
        root_id: message.root_id,
        parent_id: message.parent_id,
        thread_id: message.thread_id,
    })
}

/// A message as the platform says it when it is asked, which has no chat and no writer here.
pub(super) fn read_item(item: &Json) -> Result<Received, Malformed> {
    let field = |path: &str| text_at(item, path).unwrap_or_default();
    let (message_type, content) = (field("msg_type"), field("body.content"));
    let mentions = item.get("mentions").and_then(Json::as_list).unwrap_or_default().iter();
    let mention = |mention: &Json| {
        let text = |key: &str| mention.text(key).unwrap_or_default().to_owned();
        Mention { key: text("key"), open_id: text("id"), name: text("name") }
    };
    Ok(Received {
        content: read_content(&message_type, &content)?,
        inside: read_inside(&message_type, &content),
        message_id: field("message_id"),
        message_type,
        mentions: mentions.map(mention).collect(),
        dedupe_key: String::new(),
        chat_id: String::new(),
        is_direct: false,
        sender_open_id: String::new(),
        sender_is_bot: false,
        mentions_bot: false,
        root_id: None,
        parent_id: None,
        thread_id: None,
    })
}

fn read_message_v1(uuid: String, event: MessageEventV1) -> Received {
    let is_text = event.msg_type == "text";
    Received {
        dedupe_key: uuid,
        message_id: event.open_message_id,
        chat_id: event.open_chat_id,
        is_direct: event.chat_type == "private",
        sender_open_id: event.open_id,
        sender_is_bot: false,
        content: if is_text { Content::Text(event.text_without_at_bot) } else { Content::Unsupported },
        inside: Vec::new(),
        message_type: event.msg_type,
        mentions_bot: event.is_mention,
        mentions: Vec::new(),
        root_id: None,
        parent_id: None,
        thread_id: None,
    }
}

fn read_content(message_type: &str, content: &str) -> Result<Content, Malformed> {
    // A forwarded bundle's content is a fixed sentence, not JSON.
    if !matches!(message_type, "text" | "post" | "image" | "file" | "audio" | "media") {
        return Ok(Content::Unsupported);
    }
    let content = parse(content).map_err(|_| Malformed::BadContent)?;
    let field = |key: &str| content.text(key).map(str::to_owned);
    let required = |key: &str| field(key).ok_or(Malformed::BadContent);
    let resource = |key: String, kind| {
        let duration_ms = content.get("duration").cloned().and_then(|json| u64::from_json(json).ok());
        Content::Resource(Resource { key, kind, name: field("file_name"), duration_ms })
    };
    Ok(match message_type {
        "text" => Content::Text(required("text")?),
        "post" => Content::Text(post_text(&content)?),
        "image" => resource(required("image_key")?, "image"),
        _ => resource(required("file_key")?, "file"),
    })
}

/// The files in a rich text, which its words name in their places.
fn read_inside(message_type: &str, content: &str) -> Vec<Resource> {
    let Some(post) = parse(content).ok().filter(|_| message_type == "post") else { return Vec::new() };
    let paragraphs = post.get("content").and_then(Json::as_list).unwrap_or_default();
    let nodes = paragraphs.iter().filter_map(Json::as_list).flatten();
    let resource = |node: &Json| {
        let (field, kind) = match node.text("tag")? {
            "img" => ("image_key", "image"),
            "media" => ("file_key", "file"),
            _ => return None,
        };
        Some(Resource { key: node.text(field)?.to_owned(), kind, name: None, duration_ms: None })
    };
    nodes.filter_map(resource).collect()
}

/// A rich text as Markdown. A received post has no locale around it, unlike one that is sent.
fn post_text(post: &Json) -> Result<String, Malformed> {
    let mut lines = Vec::new();
    if let Some(title) = post.text("title").filter(|title| !title.is_empty()) {
        lines.push(format!("**{title}**"));
    }
    for paragraph in post.get("content").and_then(Json::as_list).ok_or(Malformed::BadContent)? {
        let nodes = paragraph.as_list().ok_or(Malformed::BadContent)?;
        lines.push(nodes.iter().map(node_text).collect());
    }
    Ok(lines.join("\n"))
}

fn node_text(node: &Json) -> String {
    let field = |key: &str| node.text(key).unwrap_or_default();
    match field("tag") {
        "text" | "md" => field("text").to_owned(),
        "a" => format!("[{}]({})", field("text"), field("href")),
        "at" => field("user_id").to_owned(),
        "img" => format!("[image {}]", field("image_key")),
        "media" => format!("[video {}]", field("file_key")),
        "emotion" => format!(":{}:", field("emoji_type")),
        "code_block" => {
            format!("```{}\n{}\n```", field("language").to_ascii_lowercase(), field("text").trim_end_matches('\n'))
        }
        "hr" => "---".to_owned(),
        _ => String::new(),
    }
}

fn from_value<T: FromJson>(value: Json) -> Result<T, Malformed> {
    T::from_json(value).map_err(|wrong| Malformed::BadEvent(wrong.to_string()))
}
