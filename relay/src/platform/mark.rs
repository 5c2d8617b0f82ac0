//! A question that is being answered is marked at its platform until it is over, where the platform has such a thing. Nothing
//! of it is a promise.

use protocol::ConversationId;

use super::{Account, HttpRequest, HttpResponse, Platform, feishu, telegram};
use crate::store::Origin;

/// Whether questions of this conversation are marked until they are over: elsewhere a mark goes by itself.
pub fn keeps_marks(conversation: &ConversationId) -> bool {
    conversation.as_str().starts_with("feishu:")
}

/// The call that marks a question.
pub fn mark(account: &Account, origin: &Origin) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Feishu(settings) => feishu::mark(settings, origin),
        Platform::Telegram(settings) => telegram::mark(settings, origin),
        _ => None,
    }
}

/// What the platform calls the mark that [`mark`] made.
pub fn marked(account: &Account, response: &HttpResponse) -> Option<String> {
    match &account.platform {
        Platform::Feishu(_) => feishu::marked(response),
        _ => None,
    }
}

/// The call that finds a question's mark, for whoever did not keep what [`marked`] said.
pub fn find_mark(account: &Account, origin: &Origin) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Feishu(settings) => feishu::find_mark(settings, origin),
        _ => None,
    }
}

/// The mark in the response to [`find_mark`]; none: there is none.
pub fn found_mark(account: &Account, response: &HttpResponse) -> Option<String> {
    match &account.platform {
        Platform::Feishu(settings) => feishu::found_mark(settings, response),
        _ => None,
    }
}

/// The call that takes a mark away.
pub fn unmark(account: &Account, origin: &Origin, mark: &str) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Feishu(settings) => Some(feishu::unmark(settings, origin, mark)),
        _ => None,
    }
}
