//! Webhooks that wait for their answer, since their platform takes it only, or best, in their own response (design.md §6b).
//!
//! While one waits its answer is not sent by the platform's API: it is due when the wait is over, as if nobody had waited.
//! All of this is in memory: after a crash the answer goes the late way.

use protocol::{ConversationId, MessageId, Seq, Timestamp};

use super::{EventKind, Hub};
use crate::limit::{HELD_MS_REMEMBERED, HOLDS_MAX};
use crate::platform::Outbound;
use crate::store::{Delivery, Sql};

/// A webhook that waits.
#[derive(Default)]
pub(super) struct Hold {
    /// Until then its answer goes no other way.
    until: Timestamp,
    /// Its answer, or what the relay says instead.
    answer: Option<Seq>,
    /// When it came.
    begun: Timestamp,
    /// Where, for a webhook that brought a question.
    conversation: Option<ConversationId>,
    /// An older answer of the same conversation, which waited for this message.
    kept: Option<Seq>,
    /// The message that asked for it, and when that came first: see [`Hub::collect`].
    collected_by: Option<(MessageId, Timestamp)>,
    /// What was handed over: the same again for whoever joins.
    passed: Option<Outbound>,
}

/// What became of a webhook that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Its answer; this part of it.
    Answer(Outbound),
    /// Nothing will come this way.
    Nothing,
    /// No answer yet: what is shown of it, and when it was asked.
    Open(Outbound, Timestamp),
}

impl<S: Sql> Hub<S> {
    /// The webhook that brings this question waits until then; or does so again, when it came again.
    pub fn hold(&mut self, now: Timestamp, id: &MessageId, until: Timestamp) -> Result<(), S::Error> {
        match self.find(id)? {
            None => self.holding = Some((id.clone(), until)),
            Some((question, _)) => {
                if let Some(hold) = self.holds.get(&question) {
                    let until = hold.until.max(until);
                    self.wait_until(question, until)?;
                }
            }
        }
        self.holds.retain(|_, hold| now < hold.until.plus_ms(HELD_MS_REMEMBERED));
        Ok(())
    }

    /// A question is stored: if its webhook waits, that begins.
    pub(super) fn begin_hold(
        &mut self,
        question: Seq,
        id: &MessageId,
        conversation: &ConversationId,
        now: Timestamp,
    ) -> Result<(), S::Error> {
        let Some((_, until)) = self.holding.take_if(|(held, _)| held == id) else { return Ok(()) };
        let oldest = self.holds.keys().next().copied();
        if let Some(oldest) = oldest.filter(|_| self.holds.len() >= HOLDS_MAX) {
            self.holds.remove(&oldest);
        }
        let kept = self.store.kept_delivery(conversation)?.map(|kept| kept.seq);
        let conversation = Some(conversation.clone());
        self.holds.insert(question, Hold { until, begun: now, kept, conversation, ..Hold::default() });
        Ok(())
    }

    /// An answer is kept from now on: a webhook of its conversation that waits just now is what it waited for.
    pub(super) fn offer_kept(&mut self, now: Timestamp, kept: &Delivery) {
        let waits = |hold: &&mut Hold| now < hold.until && hold.passed.is_none() && hold.kept.is_none();
        for hold in self.holds.values_mut().filter(waits) {
            if hold.conversation.as_ref() == Some(&kept.conversation) {
                hold.kept = Some(kept.seq);
            }
        }
    }

    /// When what is said about a question is due at its platform.
    pub(super) fn due_after_hold(&mut self, now: Timestamp, question: Seq, answer: Seq) -> Timestamp {
        match self.holds.get_mut(&question) {
            Some(hold) if now < hold.until => {
                hold.answer.get_or_insert(answer);
                hold.until
            }
            _ => now,
        }
    }

    /// What became of the webhook that brought a question.
    pub fn held(&mut self, id: &MessageId) -> Result<Held, S::Error> {
        let Some((question, _)) = self.find(id)? else { return Ok(Held::Nothing) };
        let Some(hold) = self.holds.get(&question) else { return Ok(Held::Nothing) };
        if let Some(passed) = &hold.passed {
            return self.in_response(question, passed.clone());
        }
        let (kept, own, begun) = (hold.kept, hold.answer, hold.begun);
        if let Some(kept) = kept.map(|kept| self.free(kept)).transpose()?.flatten() {
            return self.in_response(question, outbound(kept));
        }
        if let Some(answer) = own {
            if let Some(delivery) = self.free(answer)? {
                return self.in_response(question, outbound(delivery));
            }
            let delivery = self.store.delivery(answer)?;
            // There, or perhaps there: if it is said once more, then by its idempotency key.
            if delivery.is_none_or(|delivery| delivery.tried.is_some() && !self.flying.contains_key(&answer)) {
                return Ok(Held::Nothing);
            }
        }
        // It is on its way, or behind one that is: what becomes of that is known any moment.
        let is_behind = own.map(|_| begun);
        let Some(asked) = self.store.question(question)? else { return Ok(Held::Nothing) };
        let since = is_behind.or_else(|| self.queue.get(question).map(|opened| opened.at));
        let (Some(origin), Some(since)) = (asked.question.origin, since) else { return Ok(Held::Nothing) };
        let text = self.streams.get(&question).map_or("", |stream| stream.text()).to_owned();
        let conversation = asked.question.conversation;
        Ok(Held::Open(Outbound::text(origin, conversation, question, text, Some(question)), since))
    }

    /// An answer, in the response to whoever brought this question.
    fn in_response(&self, question: Seq, answer: Outbound) -> Result<Held, S::Error> {
        let origin = self.store.question(question)?.and_then(|asked| asked.question.origin);
        Ok(origin.map_or(Held::Nothing, |origin| Held::Answer(Outbound { origin, ..answer })))
    }

    /// An answer that can be in a response: its platform was not asked to take it, and has all that goes before it.
    fn free(&self, answer: Seq) -> Result<Option<Delivery>, S::Error> {
        match self.store.delivery(answer)?.filter(|delivery| delivery.tried.is_none()) {
            Some(delivery) if self.store.is_next_delivery(answer, &delivery.conversation)? => Ok(Some(delivery)),
            _ => Ok(None),
        }
    }

    /// Someone asks, by a message `by`, for what they have been waiting for: the question whose answer is kept, or is still
    /// being made, the oldest of this conversation; and since when they ask. Their webhook waits until then.
    pub fn collect(
        &mut self,
        now: Timestamp,
        by: &MessageId,
        conversation: &ConversationId,
        until: Timestamp,
    ) -> Result<Option<(MessageId, Timestamp)>, S::Error> {
        self.holds.retain(|_, hold| now < hold.until.plus_ms(HELD_MS_REMEMBERED));
        // The same message once more: what it was given is given again.
        let again = self.holds.iter_mut().find(|(_, hold)| hold.collected_by.as_ref().is_some_and(|(id, _)| id == by));
        if let Some((&question, hold)) = again {
            hold.until = hold.until.max(until);
            let since = hold.collected_by.as_ref().map_or(now, |&(_, since)| since);
            return Ok(self.store.question(question)?.map(|asked| (asked.question.id, since)));
        }
        // Of an account that keeps its answers: whatever is not there yet will be kept, too.
        let kept = self.store.first_delivery(conversation)?;
        let has_origin = |seq: &Seq| self.queue.get(*seq).is_some_and(|opened| opened.has_origin);
        let open = self.queue.of(conversation).into_iter().find(has_origin);
        let Some(question) = kept.as_ref().map(|kept| kept.question).or(open) else { return Ok(None) };
        let Some(asked) = self.store.question(question)? else { return Ok(None) };
        let answer = kept.map(|kept| kept.seq);
        self.holds.insert(
            question,
            Hold { until, begun: now, answer, collected_by: Some((by.clone(), now)), ..Hold::default() },
        );
        Ok(Some((asked.question.id, now)))
    }

    /// This part of an answer is about to be in the response to a webhook. False when it may not be: since it was found,
    /// it went another way, or nobody knows any more that this webhook waits.
    pub(super) fn pass(
        &mut self,
        now: Timestamp,
        id: &MessageId,
        answer: Seq,
        part: u32,
        is_last: bool,
    ) -> Result<bool, S::Error> {
        let Some((question, _)) = self.find(id)? else { return Ok(false) };
        let Some(hold) = self.holds.get(&question) else { return Ok(false) };
        if let Some(passed) = &hold.passed {
            return Ok((passed.seq, passed.part) == (answer, part));
        }
        let is_its = hold.answer == Some(answer);
        let Some(delivery) = self.free(answer)?.filter(|delivery| delivery.part == part) else { return Ok(false) };
        if !is_its {
            // Its own, if that came meanwhile, waits for nothing any more.
            self.wait_until(question, now)?;
        }
        let detail = format!("answer {answer} at {}, in the response", delivery.origin.account);
        match if is_last { delivery.part_after() } else { Some(part + 1) } {
            Some(part) => self.store.next_part(answer, part, now)?,
            None => self.store.delete_delivery(answer)?,
        }
        if let Some(hold) = self.holds.get_mut(&question) {
            (hold.until, hold.passed) = (now, Some(outbound(delivery)));
        }
        self.log(now, EventKind::Delivery, question, detail)?;
        self.arm()?;
        Ok(true)
    }

    /// Nobody waits any more: the answer goes the late way.
    pub(super) fn release(&mut self, now: Timestamp, id: &MessageId) -> Result<(), S::Error> {
        let Some((question, _)) = self.find(id)? else { return Ok(()) };
        self.wait_until(question, now)?;
        self.arm()
    }

    /// A webhook waits until then, and its answer is due then; unless that is kept, or its platform was asked to take it.
    /// One whose turn comes later goes on waiting for that, whoever waits for longer.
    fn wait_until(&mut self, question: Seq, until: Timestamp) -> Result<(), S::Error> {
        let Some(hold) = self.holds.get_mut(&question) else { return Ok(()) };
        let is_longer = until >= hold.until;
        hold.until = until;
        let Some(answer) = hold.answer.filter(|_| hold.passed.is_none()) else { return Ok(()) };
        match self.store.delivery(answer)? {
            Some(delivery) if delivery.is_untried() && !(is_longer && until < delivery.due) => {
                self.store.hold_delivery(answer, until, None)
            }
            _ => Ok(()),
        }
    }
}

/// An answer on its way, as its platform is to get it.
pub fn outbound(delivery: Delivery) -> Outbound {
    let Delivery { origin, conversation, seq, text, files, buttons, part, question, is_answer, .. } = delivery;
    Outbound { origin, conversation, seq, text, files, buttons, part, question: is_answer.then_some(question) }
}
