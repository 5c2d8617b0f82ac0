//! How a question ends other than by its answer: stopped, recalled, expired. None of it waits behind the work it ends.

use protocol::limit::TEXT_BYTES_MAX;
use protocol::{Author, Code, ConversationId, MessageId, Seq, ServerFrame, Timestamp};

use super::stream::Stream;
use super::{EventKind, Hub, Output, PeerId, Said, notice, reply_id};
use crate::limit::SETTLE_STEP;
use crate::map::Map;
use crate::platform::keeps_marks;
use crate::store::{Opened, Outcome, Sql};

impl<S: Sql> Hub<S> {
    /// A device ends a question. It hears the state in any case, also when the answer was faster.
    pub(super) fn stop(&mut self, now: Timestamp, peer: PeerId, seq: Seq) -> Result<(), S::Error> {
        if self.end(now, seq, Outcome::Stopped, notice::STOPPED)? {
            return Ok(());
        }
        match self.store.progress_between(seq, seq)?.pop() {
            None => self.error(peer, Code::NotFound, format!("reply_to: no question {seq}"), None),
            Some(progress) => {
                let state = self.state(seq, progress.agent.as_ref(), progress.outcome);
                self.send_to(&[peer], &ServerFrame::State { seq, state, reason: progress.reason });
            }
        }
        Ok(())
    }

    /// The writer of a question wants no answer any more: a button beside what there is of it. Nobody else's word counts.
    pub(super) fn halt(&mut self, now: Timestamp, id: &MessageId, sender: &str) -> Result<(), S::Error> {
        let Some((seq, _)) = self.find(id)? else { return Ok(()) };
        let asked = self.store.question(seq)?;
        if asked.is_some_and(|asked| asked.question.sender.as_deref() == Some(sender)) {
            self.end(now, seq, Outcome::Stopped, notice::STOPPED)?;
        }
        Ok(())
    }

    /// The writer took a question back on its platform. What has its answer stays.
    pub(super) fn recall(&mut self, now: Timestamp, id: &MessageId) -> Result<(), S::Error> {
        let Some((seq, _)) = self.find(id)? else { return Ok(()) };
        if self.queue.get(seq).is_some() {
            self.streams.remove(&seq);
            self.store.clear_text(seq)?;
            self.end(now, seq, Outcome::Stopped, notice::RECALLED)?;
            self.log(now, EventKind::Recalled, seq, None)?;
        }
        Ok(())
    }

    /// Ends the questions that waited longer than their time to live. Their writers are told once per conversation.
    pub(super) fn expire(&mut self, now: Timestamp) -> Result<(), S::Error> {
        let before = Timestamp(now.0.saturating_sub(self.options.ttl_ms));
        let reason = notice::Reason::expired(self.options.ttl_ms);
        // How many of each conversation, and the one to reply to: the last that came from a platform, or the last.
        let mut ended: Map<ConversationId, (usize, Seq, bool)> = Map::new();
        for seq in self.queue.accepted_by(before) {
            let Some(Opened { conversation, has_origin, .. }) = self.queue.get(seq).cloned() else { continue };
            self.end(now, seq, Outcome::Expired, &reason.both())?;
            self.store.insert_dead_letter(seq, now)?;
            let (count, mut last, mut is_theirs) = ended.remove(&conversation).unwrap_or((0, seq, has_origin));
            if has_origin || !is_theirs {
                (last, is_theirs) = (seq, has_origin);
            }
            ended.insert(conversation, (count + 1, last, is_theirs));
        }
        for (conversation, (count, last, has_origin)) in ended {
            self.warn(now, &conversation, last, has_origin, notice::given_up(count, &reason))?;
        }
        Ok(())
    }

    /// Ends an open question, and tells the agent that may have it at once. False when it was not open.
    pub(super) fn end(&mut self, now: Timestamp, seq: Seq, outcome: Outcome, reason: &str) -> Result<bool, S::Error> {
        let Some((opened, stream)) = self.close(seq, outcome, Some(reason))? else { return Ok(false) };
        if let Some(stream) = stream.filter(|stream| outcome == Outcome::Stopped && !stream.text().is_empty()) {
            self.keep_part(now, seq, &opened, &stream)?;
            // It is shown at its platform, and nobody is there to say that nothing follows.
            if stream.was_left && !stream.is_drafted {
                self.outputs.push(Output::Draft(seq));
            }
        }
        if let Some(agent) = &opened.agent {
            let has_it = |peer: &super::Peer| peer.greeted && peer.agent() == Some(agent) && peer.sent >= seq;
            let to: Vec<PeerId> = self.peers.iter().filter(|(_, peer)| has_it(peer)).map(|(&id, _)| id).collect();
            if !to.is_empty() {
                self.send_to(&to, &ServerFrame::Stop { reply_to: seq });
            }
        }
        let kind = if outcome == Outcome::Expired { EventKind::Expired } else { EventKind::Stopped };
        self.log(now, kind, seq, None)?;
        self.tell_state(seq, outcome.state(), Some(reason.to_owned()));
        Ok(true)
    }

    /// A question is not open any more. Answers what was known of it, and the answer that was being made.
    pub(super) fn close(
        &mut self,
        seq: Seq,
        outcome: Outcome,
        reason: Option<&str>,
    ) -> Result<Option<(Opened, Option<Stream>)>, S::Error> {
        let Some(opened) = self.queue.remove(seq) else { return Ok(None) };
        // An answer says itself that there is one.
        if outcome != Outcome::Replied {
            self.store.finish(seq, outcome, reason)?;
        }
        for (&id, peer) in self.peers.iter_mut() {
            // Unacknowledged, it counts in the window; a wake would look for it among the open ones.
            let counts = peer.acked < seq && peer.agent().is_some() && peer.agent() == opened.agent.as_ref();
            if peer.streaming.remove(&seq) || counts {
                self.touched.insert(id);
            }
        }
        if opened.has_origin && keeps_marks(&opened.conversation) {
            self.outputs.push(Output::Over(seq));
        }
        let settled = self.queue.first().map_or(self.head, |first| Seq(first.0 - 1));
        if settled.0 >= self.settled.0 + SETTLE_STEP {
            self.settled = settled;
            self.store.set_settled(settled)?;
        }
        Ok(Some((opened, self.streams.remove(&seq))))
    }

    /// What was shown of an answer when it was stopped stays in the timeline.
    fn keep_part(&mut self, now: Timestamp, seq: Seq, opened: &Opened, stream: &Stream) -> Result<(), S::Error> {
        let mut text = stream.text().to_owned();
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX - notice::CUT_SHORT.len()));
        let said = Said {
            id: reply_id(seq),
            from: Author::Agent { id: stream.agent.clone() },
            conversation: opened.conversation.clone(),
            session: opened.session,
            reply_to: seq,
            text: text + notice::CUT_SHORT,
            files: Vec::new(),
            buttons: Vec::new(),
            to_platform: false,
        };
        self.say(now, said).map(drop)
    }
}
