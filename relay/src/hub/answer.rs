//! From an agent's first delta to the answer's delivery at its platform.

use protocol::{AgentId, Author, Code, Envelope, MessageId, Seq, ServerFrame, State, Timestamp};

use super::stream::{Pushed, Stream};
use super::{Hub, Output, PeerId, Refusal, check_length, shorten};
use crate::limit::{DELIVERIES_MAX, DELIVERY_DELAY_MS_MAX, DELIVERY_MS_MAX, STREAMS_MAX};
use crate::platform::Sent;
use crate::store::{Delivery, Outcome, Sql};

/// How an agent ends a question.
pub(super) enum Answer {
    /// It could not.
    Failure(String),
    /// This is it.
    Text(String),
}

impl<S: Sql> Hub<S> {
    /// A piece of an answer: shown live, never stored.
    pub(super) fn delta(
        &mut self,
        peer: PeerId,
        agent: AgentId,
        reply_to: Seq,
        offset: u64,
        text: String,
    ) -> Result<(), S::Error> {
        if !self.streams.contains_key(&reply_to) {
            let open = self.store.question(reply_to)?.is_some_and(|asked| {
                asked.outcome.is_none() && asked.agent.as_ref().is_none_or(|meant| *meant == agent)
            });
            // A late piece of a finished answer, or one stream too many: the final answer says it all.
            if !open || self.streams.len() >= STREAMS_MAX {
                return Ok(());
            }
            self.streams.insert(reply_to, Stream::new(agent.clone()));
            if let Some(peer) = self.peers.get_mut(&peer) {
                // Remembered in the attachment: should the agent leave after hibernation, devices must be told.
                peer.streaming.insert(reply_to);
            }
            self.touched.insert(peer);
            self.tell_state(reply_to, State::Replying, None);
        }
        let Some(stream) = self.streams.get_mut(&reply_to).filter(|stream| stream.agent == agent) else {
            return Ok(());
        };
        match stream.push(offset, &text) {
            Pushed::Appended => self.show(&ServerFrame::Delta { reply_to, offset, text }),
            Pushed::Missing => self.send_to(&[peer], &ServerFrame::Restream { reply_to }),
            Pushed::TooLong => {}
        }
        Ok(())
    }

    /// The one final answer, or the word that there will be none. Repeated ones have no effect.
    pub(super) fn answer(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        agent: AgentId,
        reply_to: Seq,
        answer: Answer,
    ) -> Result<(), S::Error> {
        let id: MessageId = format!("reply:{reply_to}").parse().expect("letters, a colon and digits");
        let (from, text, outcome, reason) = match answer {
            Answer::Text(text) => (Author::Agent { id: agent.clone() }, text, Outcome::Replied, None),
            Answer::Failure(reason) => {
                let reason = shorten(reason);
                let notice = format!("⚠️ 智能体未能回答：{reason}\nThe agent could not answer: {reason}");
                (Author::Relay, notice, Outcome::Failed, Some(reason))
            }
        };
        if let Err(Refusal { code, detail }) = check_length(&text) {
            self.error(peer, code, detail, Some(id));
            return Ok(());
        }
        let asked = self.store.question(reply_to)?;
        let Some(asked) = asked.filter(|asked| asked.agent.as_ref().is_none_or(|meant| *meant == agent)) else {
            self.error(peer, Code::NotFound, format!("reply_to: no question {reply_to} is yours"), Some(id));
            return Ok(());
        };
        if let Some((seq, stored)) = self.store.message_by_id(&id)? {
            let frame = if stored == text {
                ServerFrame::Accepted { id, seq }
            } else {
                let detail = format!("reply_to: question {reply_to} has its final answer");
                ServerFrame::Error { code: Code::AlreadyReplied, detail, id: Some(id) }
            };
            self.send_to(&[peer], &frame);
            return Ok(());
        }
        let seq = self.next_seq();
        let conversation = asked.conversation;
        let envelope = Envelope {
            seq,
            id: id.clone(),
            conversation: conversation.clone(),
            from,
            reply_to: Some(reply_to),
            at_ms: now,
            text,
            state: None,
            reason: None,
        };
        self.store.insert_answer(&envelope)?;
        self.store.finish(reply_to, outcome, reason.as_deref())?;
        self.streams.remove(&reply_to);
        for (&id, peer) in &mut self.peers {
            if peer.streaming.remove(&reply_to) {
                self.touched.insert(id);
            }
        }
        self.open = self.open.map(|open| open.saturating_sub(1));
        if asked.has_origin {
            self.store.insert_delivery(seq, &conversation, now)?;
        }
        self.send_to(&[peer], &ServerFrame::Accepted { id, seq });
        self.publish(envelope, None);
        self.tell_state(reply_to, outcome.state(), reason);
        self.trim(now)?;
        self.arm()
    }

    /// What became of an answer at its platform: taken, tried again, or given up.
    pub(super) fn delivered(&mut self, now: Timestamp, seq: Seq, sent: Sent) -> Result<(), S::Error> {
        let Some(delivery) = self.store.delivery(seq)? else { return Ok(()) };
        let given_up = match sent {
            Sent::Taken => None,
            Sent::Refused(why) => Some(why),
            Sent::Later { after_ms, why } => {
                let due = now.plus_ms(after_ms.unwrap_or(0).max(self.delay_ms(seq, delivery.attempts)));
                if due <= delivery.tried.unwrap_or(now).plus_ms(DELIVERY_MS_MAX) {
                    return self.store.postpone_delivery(seq, due);
                }
                Some(why)
            }
        };
        match given_up {
            Some(why) => self.give_up(&delivery, format!("the answer was not delivered: {why}")),
            None => self.store.delete_delivery(seq),
        }
    }

    /// The answers that are due. One whose first try is too long ago is given up: the platform may have taken it
    /// without our hearing so, and has forgotten its idempotency key since.
    pub(super) fn due(&mut self, now: Timestamp) -> Result<(), S::Error> {
        let mut is_idle = true;
        for delivery in self.store.due_deliveries(now, DELIVERIES_MAX)? {
            is_idle = false;
            match delivery.tried {
                Some(tried) if now > tried.plus_ms(DELIVERY_MS_MAX) => {
                    let reason = "the platform did not confirm the answer in time: it may be there or not";
                    self.give_up(&delivery, reason.to_owned())?;
                }
                Some(_) => self.outputs.push(Output::Deliver(delivery)),
                None => {
                    self.store.mark_tried(delivery.seq, now)?;
                    self.outputs.push(Output::Deliver(delivery));
                }
            }
        }
        if is_idle { self.arm() } else { Ok(()) }
    }

    fn give_up(&mut self, delivery: &Delivery, reason: String) -> Result<(), S::Error> {
        let reason = shorten(reason);
        self.store.delete_delivery(delivery.seq)?;
        self.store.finish(delivery.question, Outcome::Failed, Some(&reason))?;
        self.tell_state(delivery.question, State::Failed, Some(reason));
        Ok(())
    }

    /// Shows a delta to every device that wants deltas and is not behind.
    fn show(&mut self, delta: &ServerFrame) {
        self.send_to_devices(delta, |peer| peer.deltas && peer.has_room());
    }

    /// 1 s, 2 s, 4 s … at most [`DELIVERY_DELAY_MS_MAX`], of which the upper half is spread: by a hash, since the core
    /// draws no random numbers, of what differs between users, answers and tries.
    fn delay_ms(&self, seq: Seq, attempts: u32) -> u64 {
        let whole = 1000u64.checked_shl(attempts.min(20)).unwrap_or(u64::MAX).min(DELIVERY_DELAY_MS_MAX);
        let mut hash = self.epoch ^ (seq.0 << 20) ^ u64::from(attempts);
        // The finaliser of SplitMix64.
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        whole / 2 + (hash ^ (hash >> 31)) % (whole / 2 + 1)
    }
}
