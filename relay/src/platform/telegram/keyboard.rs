//! Buttons under messages: inline keyboards. A button gives back at most 64 bytes: where it is, and which one.

use protocol::json::{Json, Writer};
use protocol::{AccountId, object};

use super::{Event, NAME, Settings, method, thread, writer_name};
use crate::platform::encoding::conversation_id;
use crate::platform::webhook::{at, number, readable_name, required, text_at};
use crate::platform::{Auth, Choice, HttpRequest, Inbound, Malformed, Outbound, Press, Pressed, Reply};
use crate::store::Origin;

/// A button that was pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Answered within some seconds, or the button goes on turning.
    pub id: String,
    /// Who pressed it.
    pub from: i64,
    /// What they are called.
    pub name: String,
    /// The chat, below 0 for groups.
    pub chat: i64,
    /// The message that it stands under.
    pub message: i64,
    /// One to one with the bot.
    pub is_private: bool,
    /// What came back with it. A client may say anything here.
    pub data: String,
}

/// Reads a `callback_query`.
pub(super) fn read(query: &Json) -> Result<Event, Malformed> {
    // Of a message in a chat, and not of one that was written elsewhere "via" the bot.
    let Some(chat) = at(query, "message.chat") else { return Ok(Event::Other) };
    Ok(Event::Query(Query {
        id: required(query, "id")?,
        from: number(query, "from.id")?,
        name: writer_name(query),
        chat: number(chat, "id")?,
        message: number(query, "message.message_id")?,
        is_private: chat.text("type") == Some("private"),
        data: text_at(query, "data").unwrap_or_default(),
    }))
}

/// What a button says is not in it: only which one it is.
pub(super) fn chosen(account: &AccountId, query: Query) -> Inbound {
    let Query { id, from, name, chat, message, is_private, data } = query;
    let Some((topic, choice)) = read_data(&data) else { return Inbound::Ignored("a button of another bot's") };
    let conversation = conversation_id(NAME, account, &thread(chat, topic));
    let is_plain = id.len() <= QUERY_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let Some(conversation) = conversation.filter(|_| is_plain) else { return Inbound::Ignored("ids of another form") };
    let origin = Origin { account: account.clone(), message: format!("{chat}/{topic}/{message}") };
    let (via, sender, name) = (NAME.into(), from.to_string(), readable_name(&name));
    Inbound::Chosen {
        group: (!is_private).then(|| chat.to_string()),
        press: Press { choice, conversation, via, sender, name, group: Some(!is_private), origin },
        receipt: format!("{id}/{chat}/{message}/{data}"),
    }
}

/// The keyboard under a message in a topic, or in none: 0.
pub(super) fn under(outbound: &Outbound, topic: i64) -> String {
    let keys = outbound.buttons.iter().enumerate().map(|(index, button)| {
        let choice = Choice::of(outbound, index, button);
        key(&button.label, &data(topic, &choice))
    });
    keyboard(keys)
}

/// Ends the button's turning, and says what became of it: the response to an update may make one call itself.
pub fn pressed(receipt: &str, pressed: &Pressed) -> Option<Reply> {
    let (id, _) = receipt.split_once('/')?;
    let said = object! { "method": "answerCallbackQuery", "callback_query_id": id, "text": pressed.words() };
    Some(Reply::json(said))
}

/// Leaves the button that was chosen, alone.
pub fn settle(settings: &Settings, receipt: &str, label: &str) -> Option<HttpRequest> {
    let mut parts = receipt.splitn(4, '/').skip(1);
    let chat: i64 = parts.next()?.parse().ok()?;
    let message: i64 = parts.next()?.parse().ok()?;
    let mut body = Writer::default();
    body.field("\"chat_id\":", &chat);
    body.field("\"message_id\":", &message);
    body.raw("\"reply_markup\":", &keyboard([key(&format!("✓ {label}"), parts.next()?)]));
    Some(HttpRequest::post(method(settings, "editMessageReplyMarkup"), body.end(), Auth::None))
}

/// What comes back with a button: the topic, which an update names for other threads too, and which button.
fn data(topic: i64, choice: &Choice) -> String {
    format!("{topic}/{}", choice.word())
}

fn read_data(data: &str) -> Option<(i64, Choice)> {
    let (topic, choice) = data.split_once('/')?;
    Some((topic.parse().ok()?, Choice::read(choice)?))
}

/// Buttons under each other: what stands on them may be long.
fn keyboard(keys: impl IntoIterator<Item = String>) -> String {
    let rows: Vec<String> = keys.into_iter().map(|key| format!("[{key}]")).collect();
    format!(r#"{{"inline_keyboard":[{}]}}"#, rows.join(","))
}

fn key(label: &str, data: &str) -> String {
    object! { "text": label, "callback_data": data }
}

/// Of a `callback_query`'s id, which is a number of 20 digits.
const QUERY_BYTES_MAX: usize = 64;
