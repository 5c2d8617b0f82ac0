//! Answers that a platform shows while they are made: how one begins there, grows, and becomes the answer itself. Nothing
//! of it is a promise; the answer's own way is [`send`](super::send).

use protocol::{ConversationId, Timestamp, from_json};
use serde::Serialize;

use super::{Account, Call, HttpRequest, HttpResponse, Outbound, Platform, feishu, qq, shown, telegram};

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
    /// What the platform shows of it, or more, where it may only be added to; as far as anyone remembers, which may be less.
    pub shown: String,
}

from_json! { struct Draft { handle, message, begun, sequence, shown or String::new() } }

impl Draft {
    /// One that has begun now.
    pub(super) fn new(handle: String, now: Timestamp) -> Draft {
        Draft { handle, message: String::new(), begun: now, sequence: 0, shown: String::new() }
    }

    /// Numbers the next operation.
    pub fn next(&mut self) {
        self.sequence = self.sequence.saturating_add(1);
    }

    /// Skips the numbers that may have been used since it was written down: by the clock, which is ahead of them, since
    /// operations follow each other by more than 10 ms.
    pub fn recall(&mut self, now: Timestamp) {
        let centiseconds = (now.0.saturating_sub(self.begun.0) / 10).min(SEQUENCE_MAX) as u32;
        self.sequence = centiseconds.max(self.sequence);
    }
}

/// How a draft begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// By this call.
    Call(HttpRequest),
    /// There is nothing to show yet.
    Later,
    /// Not at all: this account shows none.
    Never,
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
        (Some(qq::NAME), Some(chat)) => chat.starts_with(qq::PRIVATE),
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

/// The call that begins a draft.
pub fn begin_draft(account: &Account, outbound: &Outbound) -> Beginning {
    match &account.platform {
        Platform::Feishu(settings) => feishu::begin_draft(settings, outbound).map_or(Beginning::Never, Beginning::Call),
        Platform::Qq(settings) => qq::begin_draft(settings, outbound),
        _ => Beginning::Never,
    }
}

/// Whether a bot whose draft could not be begun may begin none at all, as far as the response says.
pub fn forbids_drafts(account: &Account, response: &HttpResponse) -> bool {
    !matches!(&account.platform, Platform::Qq(_) if qq::is_about_message(response))
}

/// The draft that [`begin_draft`] began. Without a message, it is yet to be put into its chat.
pub fn drafted(account: &Account, outbound: &Outbound, response: &HttpResponse, now: Timestamp) -> Option<Draft> {
    match &account.platform {
        Platform::Feishu(_) => feishu::drafted(response).map(|card| Draft::new(card, now)),
        Platform::Qq(_) => qq::drafted(outbound, response, now),
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

/// The call that shows the text so far; none: there is nothing to add to it yet.
pub fn update_draft(account: &Account, outbound: &Outbound, draft: &mut Draft) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Feishu(settings) => Some(feishu::update_draft(settings, outbound, draft)),
        Platform::Qq(settings) => qq::update_draft(settings, outbound, draft),
        _ => None,
    }
}

/// The call that makes a draft the answer, or its first part; none: it does not fit.
pub fn end_draft(account: &Account, outbound: &Outbound, draft: &Draft) -> Option<Call> {
    match &account.platform {
        Platform::Feishu(settings) => {
            feishu::end_draft(settings, outbound, draft).map(|request| Call { request, is_last: true })
        }
        Platform::Qq(settings) => qq::end_draft(settings, &shown(account, outbound), draft),
        _ => None,
    }
}

/// Whether the platform refuses to change a draft since it is the answer already.
pub fn has_ended(account: &Account, response: &HttpResponse) -> bool {
    matches!(&account.platform, Platform::Qq(_) if qq::has_ended(response))
}

/// The call that takes a draft out of its chat.
pub fn withdraw_draft(account: &Account, outbound: &Outbound, draft: &Draft) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Feishu(settings) if !draft.message.is_empty() => Some(feishu::withdraw_draft(settings, draft)),
        Platform::Qq(settings) => qq::withdraw_draft(settings, outbound, draft),
        _ => None,
    }
}

/// The call that leaves a draft as it is, since it cannot be taken away; none: it ends by itself.
pub fn leave_draft(account: &Account, outbound: &Outbound, draft: &Draft) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Qq(settings) => qq::leave_draft(settings, outbound, draft),
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
            ("qq:main:c2c-USER", true),
            ("qq:main:group-GROUP", false),
            ("qq:main:channel-1", false),
            ("qq:main:dm-1", false),
            ("wecom:main:c2c-1", false),
            ("default", false),
            ("telegram", false),
        ] {
            assert_eq!(shows_drafts(&conversation.parse().unwrap()), expected, "{conversation}");
        }
    }

    #[test]
    fn numbers_follow_each_other_and_never_come_again() {
        let begun = Draft::new("c".into(), Timestamp(1_000));
        let mut draft = begun.clone();
        let numbers: Vec<u32> = std::iter::repeat_with(|| {
            draft.next();
            draft.sequence
        })
        .take(3)
        .collect();
        assert_eq!(numbers, [1, 2, 3]);
        // What was written down is older: three operations last longer than so many hundredths of a second.
        let check = |now: u64, next: u32| {
            let mut recalled = begun.clone();
            recalled.recall(Timestamp(now));
            recalled.next();
            assert_eq!(recalled.sequence, next, "{now}");
        };
        check(2_500, 151);
        check(900, 1);
        check(u64::MAX, (1 << 30) + 1);
        draft.recall(Timestamp(1_010));
        assert_eq!(draft.sequence, 3);
    }
}
