//! What a message replies to: events name it by its id alone ("Get the content of a message", `im/v1/messages/:id`).

use protocol::json::{Json, parse};

use super::{Content, Received, Settings, event, media};
use crate::platform::webhook::text_at;
use crate::platform::{Auth, HttpRequest, HttpResponse, Quoted};

/// Asks what a message says. The bot must be in its chat, and may read messages (`im:message:readonly`).
pub fn quote_request(settings: &Settings, message: &str) -> HttpRequest {
    HttpRequest::get(format!("{}/open-apis/im/v1/messages/{message}", settings.api_base), Auth::Bearer)
}

/// What it says; none: it is gone, or cannot be said in words. Of the bot's own cards, no word.
pub fn quoted(settings: &Settings, response: &HttpResponse) -> Option<Quoted> {
    let answer = parse(&response.body).ok()?;
    let item = answer.get("data")?.get("items")?.as_list()?.first()?;
    if item.get("deleted") == Some(&Json::Bool(true)) {
        return None;
    }
    let is_own = text_at(item, "sender.id").as_ref() == Some(&settings.app_id);
    let received: Received = event::read_item(item).ok()?;
    let text = match &received.content {
        Content::Text(text) => received.readable(text, &settings.bot_open_id),
        Content::Unsupported if !is_own => return None,
        Content::Resource(_) | Content::Unsupported => String::new(),
    };
    Some(Quoted { text, attached: media::attached(&received), is_own })
}
