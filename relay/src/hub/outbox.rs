//! Answers on their way to platforms: in order per conversation, part by part, tried again, and given up in the end.

use std::hash::Hasher;

use protocol::{Seq, State, Timestamp};
use siphasher::sip::SipHasher13;

use super::{EventKind, Hub, Output, notice, shorten};
use crate::limit::{DELIVERIES_MAX, DELIVERY_DELAY_MS_MAX, DELIVERY_MS_MAX, FLIGHT_MS_MAX, KEPT_MS_MAX};
use crate::platform::Sent;
use crate::store::{Delivery, Outcome, Sql};

impl<S: Sql> Hub<S> {
    /// What became of a part of an answer at its platform: taken, not its turn, tried again, or given up.
    pub(super) fn delivered(&mut self, now: Timestamp, seq: Seq, part: u32, sent: Sent) -> Result<(), S::Error> {
        // Heard twice, of two calls with the same part, it counts once.
        let Some(delivery) = self.store.delivery(seq)?.filter(|delivery| delivery.part == part) else {
            return Ok(());
        };
        let handed = self.flying.remove(&seq);
        match sent {
            Sent::Kept => {
                // Since it was due first, be it behind others. Heard twice, of two calls, it is kept as long as before.
                let until = if delivery.attempts == 0 { delivery.due.plus_ms(KEPT_MS_MAX) } else { delivery.due };
                if until <= now {
                    return self.give_up(now, &delivery, "nobody asked for it within 48 h".to_owned());
                }
                self.offer_kept(now, &delivery);
                self.store.keep_delivery(seq, until)
            }
            Sent::Partly => self.store.next_part(seq, part + 1, now),
            Sent::Taken => {
                if let Some(next) = delivery.part_after() {
                    return self.store.next_part(seq, next, now);
                }
                let detail = format!("answer {seq} at {}", delivery.origin.account);
                self.log(now, EventKind::Delivery, delivery.question, detail)?;
                self.store.delete_delivery(seq)
            }
            Sent::Refused(why) => self.give_up(now, &delivery, why),
            Sent::Wait { ms } => {
                // Not tried this time; what a call before it did, of which nothing was heard, still counts.
                let tried = delivery.tried.filter(|&tried| Some(tried) != handed);
                self.store.hold_delivery(seq, now.plus_ms(ms), tried)
            }
            Sent::Later { after_ms, why } => {
                let due = now.plus_ms(after_ms.unwrap_or(0).max(self.delay_ms(seq, delivery.attempts)));
                if due > delivery.tried.unwrap_or(now).plus_ms(DELIVERY_MS_MAX) {
                    return self.give_up(now, &delivery, why);
                }
                self.log(now, EventKind::Retry, delivery.question, shorten(format!("answer {seq}: {why}")))?;
                self.store.postpone_delivery(seq, due)
            }
        }
    }

    /// The answers that are due, as far as not so many are on their way already. One whose first try is too long ago is given up: the platform may have taken it
    /// without our hearing so, and has forgotten its idempotency key since.
    pub(super) fn due(&mut self, now: Timestamp) -> Result<(), S::Error> {
        // Whoever was to hand these over would have come back by now.
        self.flying.retain(|_, since| now.0.abs_diff(since.0) < FLIGHT_MS_MAX);
        let mut is_idle = true;
        for delivery in self.store.due_deliveries(now, DELIVERIES_MAX + self.flying.len())? {
            if self.flying.contains_key(&delivery.seq) {
                continue;
            }
            if self.flying.len() >= DELIVERIES_MAX {
                break;
            }
            let is_late = delivery.tried.is_some_and(|tried| now > tried.plus_ms(DELIVERY_MS_MAX));
            is_idle &= is_late;
            match delivery.tried {
                Some(_) if is_late => {
                    let reason = "the platform did not confirm the answer in time: it may be there or not";
                    self.give_up(now, &delivery, reason.to_owned())?;
                }
                Some(_) => self.hand_over(now, delivery),
                None => {
                    self.store.mark_tried(delivery.seq, now)?;
                    self.hand_over(now, delivery);
                }
            }
        }
        match self.flying.values().min() {
            None => self.arm(),
            Some(&since) if is_idle => {
                self.wake_by(since.plus_ms(FLIGHT_MS_MAX));
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    fn hand_over(&mut self, now: Timestamp, delivery: Delivery) {
        self.flying.insert(delivery.seq, now);
        self.outputs.push(Output::Deliver(delivery));
    }

    fn give_up(&mut self, now: Timestamp, delivery: &Delivery, why: String) -> Result<(), S::Error> {
        let (seq, question) = (delivery.seq, delivery.question);
        let reason = shorten(format!("the answer was not delivered: {why}"));
        self.log(now, EventKind::Failed, question, shorten(format!("answer {seq}: {why}")))?;
        self.store.delete_delivery(seq)?;
        if !delivery.is_answer {
            // Words about words would have no end; and the question has its answer.
            return Ok(());
        }
        self.store.finish(question, Outcome::Failed, Some(&reason))?;
        self.store.insert_dead_letter(question, now)?;
        self.tell_state(question, State::Failed, Some(reason));
        let text = notice::not_handed_over(&shorten(why));
        self.warn(now, &delivery.conversation, question, true, text)
    }

    /// 1 s, 2 s, 4 s … at most [`DELIVERY_DELAY_MS_MAX`], of which the upper half is spread: by a hash, since the core
    /// draws no random numbers, of what differs between users, answers and tries.
    fn delay_ms(&self, seq: Seq, attempts: u32) -> u64 {
        let whole = 1000u64.checked_shl(attempts.min(20)).unwrap_or(u64::MAX).min(DELIVERY_DELAY_MS_MAX);
        let mut hasher = SipHasher13::new_with_keys(self.epoch, seq.0);
        hasher.write_u32(attempts);
        whole / 2 + hasher.finish() % (whole / 2)
    }
}
