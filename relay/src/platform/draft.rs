//! Answers that a platform shows while they are made: how one begins there, grows, and becomes the answer itself. Nothing
//! of it is a promise; the answer's own way is [`send`](super::send).

use protocol::{ConversationId, Timestamp, from_json};
use serde::Serialize;

use super::{Account, HttpRequest, HttpResponse, Outbound, Platform, feishu, telegram};

/// An answer that is shown at its platform while it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// What the platform calls it.
    pub handle: String,
    /// The message that holds it; empty while there is none, or nobody heard of it.
    pub message: String,
    /// When it began.
    pub begun: Timestamp,
    /// The number of the last operation on it.
    pub sequence: u32,
}

from_json! { struct Draft { handle, message, begun, sequence } }

impl Draft {
    /// Numbers the next operation. By the clock, so that it grows also for whoever does not remember the last one.
    pub fn next(&mut self, now: Timestamp) {
        let centiseconds = (now.0.saturating_sub(self.begun.0) / 10).min(SEQUENCE_MAX) as u32;
        self.sequence = centiseconds.max(self.sequence) + 1;
    }
}

/// Far below the largest that platforms take, 2^31 - 1.
const SEQUENCE_MAX: u64 = 1 << 30;

/// Whether the platform of this conversation may show answers while they are made.
pub fn shows_drafts(conversation: &ConversationId) -> bool {
    let mut parts = conversation.as_str().splitn(3, ':');
    match (parts.next(), parts.nth(1)) {
        (Some("feishu"), _) => true,
        // In private chats: groups are below 0.
        (Some("telegram"), Some(chat)) => !chat.starts_with('-'),
        _ => false,
    }
}

/// The call that shows the text so far beside the messages of a chat, where the platform has that: nothing begins or stays.
/// The next one may come after [`PREVIEW_MS`], and those to a chat have a budget of their own.
pub fn preview(account: &Account, outbound: &Outbound) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Telegram(settings) => telegram::preview(settings, outbound),
        _ => None,
    }
}

/// Between two previews, in milliseconds, at least.
pub const PREVIEW_MS: u64 = 1_000;

/// How long after the `n`-th update the next one may come, in milliseconds: often at first, then so that a long answer
/// takes no more calls than the platform's quota bears.
pub fn redraw_ms(n: u32) -> u64 {
    (500 + 100 * u64::from(n)).min(3_000)
}

/// The call that begins a draft; none: this account shows none.
pub fn begin_draft(account: &Account, outbound: &Outbound) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Feishu(settings) => feishu::begin_draft(settings, outbound),
        _ => None,
    }
}

/// What the platform calls the draft that [`begin_draft`] began.
pub fn drafted(account: &Account, response: &HttpResponse) -> Option<String> {
    match &account.platform {
        Platform::Feishu(_) => feishu::drafted(response),
        _ => None,
    }
}

/// The call that puts a draft into its chat: made again, it is there once.
pub fn place_draft(account: &Account, outbound: &Outbound, draft: &Draft) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Feishu(settings) => Some(feishu::place_draft(settings, outbound, &draft.handle)),
        _ => None,
    }
}

/// The message that [`place_draft`] made.
pub fn placed(account: &Account, response: &HttpResponse) -> Option<String> {
    match &account.platform {
        Platform::Feishu(_) => feishu::placed(response),
        _ => None,
    }
}

/// The call that shows the text so far.
pub fn update_draft(account: &Account, outbound: &Outbound, draft: &Draft) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Feishu(settings) => Some(feishu::update_draft(settings, outbound, draft)),
        _ => None,
    }
}

/// The call that makes a draft the answer; none: it does not fit.
pub fn end_draft(account: &Account, outbound: &Outbound, draft: &Draft) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Feishu(settings) => feishu::end_draft(settings, outbound, draft),
        _ => None,
    }
}

/// The call that takes a draft out of its chat.
pub fn withdraw_draft(account: &Account, draft: &Draft) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Feishu(settings) if !draft.message.is_empty() => Some(feishu::withdraw_draft(settings, draft)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_answers_are_shown_while_they_are_made() {
        for (conversation, expected) in [
            ("feishu:main:oc_1", true),
            ("telegram:main:1001", true),
            ("telegram:main:1001.7", true),
            ("telegram:main:-1001", false),
            ("qq:main:c2c_1", false),
            ("default", false),
            ("telegram", false),
        ] {
            assert_eq!(shows_drafts(&conversation.parse().unwrap()), expected, "{conversation}");
        }
    }

    #[test]
    fn numbers_grow_whatever_the_clock_says() {
        let mut draft = Draft { handle: "c".into(), message: String::new(), begun: Timestamp(1_000), sequence: 0 };
        let mut numbers = Vec::new();
        for now in [1_000, 1_000, 1_500, 900, 2_000, u64::MAX, u64::MAX] {
            draft.next(Timestamp(now));
            numbers.push(draft.sequence);
        }
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert!(numbers.iter().all(|&number| number <= i32::MAX as u32), "{numbers:?}");
    }
}
