//! What is read of a timeline, and how its old end goes.

use protocol::{Code, ConversationId, Cursor, Envelope, Seq, Timestamp};

use super::{EventKind, Hub, Refusal, refusal};
use crate::limit::*;
use crate::store::{Conversation, DeadLetter, Sql};

/// One page of history.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Page {
    /// Oldest first.
    pub messages: Vec<Envelope>,
    /// Where the page before it begins; none at the start of history.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<String>"))]
    pub next: Option<Cursor>,
}

/// One page of the list of conversations.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ConversationPage {
    /// The one with the newest message first.
    pub conversations: Vec<Conversation>,
    /// Where the page after it begins; none at the end.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<String>"))]
    pub next: Option<Cursor>,
}

/// One page of the dead letters: the questions that ended without an answer at their writer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct DeadLetterPage {
    /// Newest first. [`DEAD_LETTERS_MAX`] are kept.
    pub dead_letters: Vec<DeadLetter>,
    /// Where the page after it begins; none at the end.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<String>"))]
    pub next: Option<Cursor>,
}

impl<S: Sql> Hub<S> {
    /// One page of a conversation, oldest first, and the cursor of the page before it.
    pub fn page(
        &self,
        conversation: &ConversationId,
        before: Option<Cursor>,
        limit: u64,
    ) -> Result<Result<Page, Refusal>, S::Error> {
        let before = match self.place(before) {
            Ok(before) => before,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let limit = limit.clamp(1, PAGE_MESSAGES_MAX);
        let (mut messages, mut bytes, mut before) = (Vec::new(), 0, before);
        // In parts, so that long messages are not all read only to be left out.
        let next = loop {
            let wanted = (limit - messages.len() as u64).min(REPLAY_MESSAGES);
            let part = self.store.page(conversation, before, wanted)?;
            let is_last = (part.len() as u64) < wanted;
            for message in part {
                bytes += message.text.len();
                if bytes > PAGE_BYTES_MAX && !messages.is_empty() {
                    break;
                }
                before = message.seq;
                messages.push(self.present(message));
            }
            if bytes > PAGE_BYTES_MAX || messages.len() as u64 == limit {
                break Some(self.cursor(before));
            }
            if is_last {
                break None;
            }
        };
        messages.reverse();
        Ok(Ok(Page { messages, next }))
    }

    /// The messages after a place, of all conversations, oldest first, at most [`PAGE_BYTES_MAX`] bytes of text, and at
    /// least one if there is one.
    pub fn timeline(&self, after: Seq) -> Result<Vec<Envelope>, S::Error> {
        let (mut messages, mut bytes) = (Vec::new(), 0);
        for message in self.store.messages_after(after, REPLAY_MESSAGES)? {
            bytes += message.text.len();
            if bytes > PAGE_BYTES_MAX && !messages.is_empty() {
                break;
            }
            messages.push(self.present(message));
        }
        Ok(messages)
    }

    /// One page of the conversations, at most [`PAGE_CONVERSATIONS_MAX`] of them.
    pub fn conversations(
        &self,
        before: Option<Cursor>,
        limit: u64,
    ) -> Result<Result<ConversationPage, Refusal>, S::Error> {
        let before = match self.place(before) {
            Ok(before) => before,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let limit = limit.clamp(1, PAGE_CONVERSATIONS_MAX);
        let mut conversations = self.store.conversations(before, limit + 1)?;
        let next = self.cut(&mut conversations, limit, |last| last.last_seq);
        Ok(Ok(ConversationPage { conversations, next }))
    }

    /// One page of the dead letters, at most [`PAGE_DEAD_LETTERS_MAX`] of them.
    pub fn dead_letters(
        &self,
        before: Option<Cursor>,
        limit: u64,
    ) -> Result<Result<DeadLetterPage, Refusal>, S::Error> {
        let before = match self.place(before) {
            Ok(before) => before,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let limit = limit.clamp(1, PAGE_DEAD_LETTERS_MAX);
        let mut dead_letters = self.store.dead_letters(before, limit + 1)?;
        let next = self.cut(&mut dead_letters, limit, |last| last.seq);
        Ok(Ok(DeadLetterPage { dead_letters, next }))
    }

    /// Before which message a page is to be.
    fn place(&self, before: Option<Cursor>) -> Result<Seq, Refusal> {
        match before {
            None => Ok(Seq(self.head.0 + 1)),
            Some(cursor) if cursor.epoch == self.epoch => Ok(cursor.seq),
            Some(_) => Err(refusal(Code::BadCursor, "before: this cursor is of another timeline")),
        }
    }

    /// Cuts what was read, one row more than the page holds, to the page: where the next one begins, if there is one.
    fn cut<T>(&self, rows: &mut Vec<T>, limit: u64, seq: impl Fn(&T) -> Seq) -> Option<Cursor> {
        let has_more = rows.len() as u64 > limit;
        rows.truncate(limit as usize);
        rows.last().filter(|_| has_more).map(|last| self.cursor(seq(last)))
    }

    /// Whether the timeline takes no more questions.
    pub(super) fn is_full(&self) -> bool {
        self.head.0 - self.trimmed.0 >= TIMELINE_MESSAGES_MAX
    }

    /// The old message whose row the next one may take, once the history is at its limit and has been for a while: then
    /// nothing needs to be deleted. Not that of `reply_to`, which is being answered.
    pub(super) fn spare(&mut self, now: Timestamp, reply_to: Option<Seq>) -> Result<Option<Seq>, S::Error> {
        for _ in 0..SPARE_TRIES {
            let upto = Seq(self.head.0.saturating_sub(HISTORY_MESSAGES_MAX));
            if upto <= self.trimmed {
                return Ok(None);
            }
            let Some((oldest, is_needed)) = self.oldest_if_old(now)?.filter(|&(oldest, _)| oldest <= upto) else {
                return Ok(None);
            };
            self.trimmed = oldest;
            if !is_needed && reply_to != Some(oldest) && self.queue.get(oldest).is_none() {
                if oldest.0.is_multiple_of(TRIM_ROWS_MAX) {
                    self.sweep(Seq(oldest.0 - 1))?;
                }
                return Ok(Some(oldest));
            }
        }
        Ok(None)
    }

    /// Now and then: what was passed over since something needed it, and is needed no more, goes.
    fn sweep(&mut self, upto: Seq) -> Result<(), S::Error> {
        self.store.delete_finished(upto, &self.queue.upto(upto))?;
        self.settings.clear();
        Ok(())
    }

    /// The oldest message that was not trimmed, and whether something still needs it; none while it is too young.
    fn oldest_if_old(&mut self, now: Timestamp) -> Result<Option<(Seq, bool)>, S::Error> {
        if now < self.young_until {
            return Ok(None);
        }
        let Some((oldest, at, is_needed)) = self.store.oldest(self.trimmed)? else { return Ok(None) };
        // So that a busy day, whose messages are all young, asks once.
        self.young_until = at.plus_ms(DEDUPE_MS_MIN + 1);
        Ok((self.young_until <= now).then_some((oldest, is_needed)))
    }

    /// Makes room once the history is over its limit.
    pub(super) fn trim(&mut self, now: Timestamp) -> Result<(), S::Error> {
        let Some(upto) = self.head.0.checked_sub(HISTORY_MESSAGES_MAX) else { return Ok(()) };
        // In steps, so that most messages cost no deletion.
        if upto < self.trimmed.0 + TRIM_ROWS_MAX || self.oldest_if_old(now)?.is_none() {
            return Ok(());
        }
        let before = Timestamp(now.0.saturating_sub(DEDUPE_MS_MIN));
        let trimmed = self.store.trim(self.trimmed, Seq(upto), before, &self.queue.upto(Seq(upto)))?;
        if trimmed > self.trimmed {
            self.trimmed = trimmed;
            self.settings.clear();
            self.log(now, EventKind::Trimmed, trimmed, None)?;
        }
        Ok(())
    }
}
