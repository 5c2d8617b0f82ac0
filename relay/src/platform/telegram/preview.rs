//! An answer that grows while it is made, in private chats: `sendMessageDraft`.
//!
//! Facts: a preview is shown for 30 s and not stored; the message takes its place. 1 to 4,096 characters without their
//! markup; drafts with the same id, not 0, are one that changes. Source: core.telegram.org/bots/api#sendmessagedraft.

use super::{PARTS_MAX, STYLE, Settings, address, body_to, fits, method};
use crate::platform::{Auth, HttpRequest, Outbound, markdown};

/// The call that shows an answer as far as it has come, of a long one the part that is being made; none: not here.
pub fn preview(settings: &Settings, outbound: &Outbound) -> Option<HttpRequest> {
    let (chat, topic, _) = address(outbound).filter(|(chat, ..)| *chat > 0 && settings.streaming)?;
    let parts = (0..).map_while(|part| markdown::part(&outbound.text, part, PARTS_MAX, &STYLE, &fits).ok());
    let (text, _) = parts.last()?;
    let mut body = body_to(chat, topic);
    body.field("\"draft_id\":", &outbound.seq.0);
    body.field("\"text\":", &text);
    body.field("\"parse_mode\":", "HTML");
    Some(HttpRequest::post(method(settings, "sendMessageDraft"), body.end(), Auth::None))
}
