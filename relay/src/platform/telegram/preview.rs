//! What a chat shows while an answer is made: "typing…" (`sendChatAction`), and in private chats the answer as it grows
//! (`sendMessageDraft`).
//!
//! Facts: a preview is shown for 30 s and not stored; the message takes its place. 1 to 4,096 characters without their
//! markup; drafts with the same id, not 0, are one that changes. An action is shown for 5 s, or until a message comes.
//! Source: core.telegram.org/bots/api#sendmessagedraft, #sendchataction.

use super::{PARTS_MAX, STYLE, Settings, address, body_to, fits, method};
use crate::platform::{Auth, HttpRequest, Outbound, markdown};
use crate::store::Origin;

/// The call that shows an answer as far as it has come, of a long one the part that is being made; none: not here.
pub fn preview(settings: &Settings, outbound: &Outbound) -> Option<HttpRequest> {
    let (chat, topic, _) = address(&outbound.origin).filter(|(chat, ..)| *chat > 0 && settings.streaming)?;
    let parts = (0..).map_while(|part| markdown::part(&outbound.text, part, PARTS_MAX, &STYLE, &fits).ok());
    let (text, _) = parts.last()?;
    let mut body = body_to(chat, topic);
    body.field("\"draft_id\":", &outbound.seq.0);
    body.field("\"text\":", &text);
    body.field("\"parse_mode\":", "HTML");
    Some(HttpRequest::post(method(settings, "sendMessageDraft"), body.end(), Auth::None))
}

/// The call that shows that an answer is being made.
pub fn mark(settings: &Settings, origin: &Origin) -> Option<HttpRequest> {
    let (chat, topic, _) = address(origin).filter(|_| settings.streaming)?;
    let mut body = body_to(chat, topic);
    body.field("\"action\":", "typing");
    Some(HttpRequest::post(method(settings, "sendChatAction"), body.end(), Auth::None))
}
