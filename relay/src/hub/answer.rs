//! From an agent's first delta to its final answer.

use protocol::{AgentId, Author, Button, Code, File, MessageId, Seq, ServerFrame, State, Timestamp};

use super::stream::{Pushed, Stream};
use super::{EventKind, Hub, Output, PeerId, Refusal, Said, check_buttons, check_length, notice, reply_id, shorten};
use crate::limit::STREAMS_MAX;
use crate::map::Set;
use crate::platform::shows_drafts;
use crate::store::{Opened, Outcome, Settings, Sql};

/// How an agent ends a question.
pub(super) enum Answer {
    /// It could not.
    Failure(String),
    /// It is done, and says nothing.
    Silence,
    /// This is it, with what comes with it.
    Text(String, Vec<File>, Vec<Button>),
}

impl<S: Sql> Hub<S> {
    /// A piece of an answer: shown live, never stored.
    pub(super) fn delta(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        agent: &AgentId,
        reply_to: Seq,
        offset: u64,
        text: &str,
    ) {
        if !self.is_open_for(reply_to, agent) {
            // It was stopped or expired, and the agent does not know: nobody waits for what it makes.
            self.send_to(&[peer], &ServerFrame::Stop { reply_to });
            return;
        }
        if !self.streams.contains_key(&reply_to) {
            // One stream too many is not shown: the final answer says it all. Those that hibernation took count too.
            let begun: Set<Seq> = self.peers.values().flat_map(|peer| peer.streaming.iter().copied()).collect();
            if begun.len() >= STREAMS_MAX && !begun.contains(&reply_to) {
                return;
            }
            self.streams.insert(reply_to, Stream::new(agent.clone()));
            if let Some(peer) = self.peers.get_mut(&peer) {
                // Remembered in the attachment: should the agent leave after hibernation, devices must be told.
                peer.streaming.insert(reply_to);
            }
            self.touched.insert(peer);
            self.tell_state(reply_to, State::Replying, None);
        }
        let Some(stream) = self.streams.get_mut(&reply_to) else { return };
        let pushed = stream.push(offset, text);
        if pushed == Pushed::Appended && !stream.is_drafted {
            let goes_there = |opened: &Opened| opened.has_origin && shows_drafts(&opened.conversation);
            if self.queue.get(reply_to).is_some_and(goes_there) {
                stream.is_drafted = true;
                self.outputs.push(Output::Draft(reply_to));
            }
        }
        match pushed {
            Pushed::Appended => match stream.due_in(now) {
                0 => self.show(now, reply_to),
                _ if self.is_flushing => {}
                // No longer: an agent that sends every 40 ms would be late from then on, and the object always awake.
                ms => {
                    self.is_flushing = true;
                    self.outputs.push(Output::FlushIn(ms));
                }
            },
            Pushed::Missing => self.send_to(&[peer], &ServerFrame::Restream { reply_to }),
            Pushed::TooLong => {}
        }
    }

    /// Shows what was held back.
    pub(super) fn flush(&mut self, now: Timestamp) {
        self.is_flushing = false;
        let all: Vec<Seq> = self.streams.keys().copied().collect();
        all.into_iter().for_each(|reply_to| self.show(now, reply_to));
    }

    /// The one final answer, or the word that there will be none. Repeated ones have no effect.
    pub(super) fn answer(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        agent: AgentId,
        reply_to: Seq,
        mut answer: Answer,
    ) -> Result<(), S::Error> {
        let id = reply_id(reply_to);
        if let Answer::Text(text, files, buttons) = &mut answer {
            let checked = check_length(text).and_then(|()| check_buttons(buttons));
            let checked = checked.and_then(|()| self.check_files(now, std::mem::take(files)));
            match checked {
                Ok(checked) => *files = checked,
                Err(Refusal { code, detail }) => {
                    self.error(peer, code, detail, Some(id));
                    return Ok(());
                }
            }
        }
        if !self.is_open_for(reply_to, &agent) {
            return self.answer_again(peer, &agent, reply_to, id, &answer);
        }
        let (outcome, reason) = match &answer {
            Answer::Text(..) => (Outcome::Replied, None),
            Answer::Failure(reason) => (Outcome::Failed, Some(shorten(reason.clone()))),
            Answer::Silence => (Outcome::Silent, None),
        };
        let Some((opened, _)) = self.close(reply_to, outcome, reason.as_deref())? else { return Ok(()) };
        let detail = reason.clone().unwrap_or_default();
        let place = match answer {
            Answer::Text(text, files, buttons) => {
                let said = Said {
                    id: id.clone(),
                    from: Author::Agent { id: agent },
                    conversation: opened.conversation.clone(),
                    session: opened.session,
                    reply_to,
                    text,
                    files,
                    buttons,
                    to_platform: opened.has_origin,
                };
                let seq = self.say(now, said)?;
                let settings = self.settings(&opened.conversation)?;
                if settings.is_warned {
                    self.put_settings(&opened.conversation, Settings { is_warned: false, ..settings })?;
                }
                seq
            }
            Answer::Failure(_) => {
                self.log(now, EventKind::Failed, reply_to, detail.clone())?;
                self.store.insert_dead_letter(reply_to, now)?;
                let text = notice::not_answered(&detail);
                self.warn(now, &opened.conversation, reply_to, opened.has_origin, text)?;
                reply_to
            }
            Answer::Silence => {
                self.log(now, EventKind::Silent, reply_to, None)?;
                reply_to
            }
        };
        self.send_to(&[peer], &ServerFrame::Accepted { id, seq: place });
        self.tell_state(reply_to, outcome.state(), reason);
        self.trim(now)
    }

    /// An answer to a question that is not open for this agent: one that was accepted already, or one too many.
    fn answer_again(
        &mut self,
        peer: PeerId,
        agent: &AgentId,
        reply_to: Seq,
        id: MessageId,
        answer: &Answer,
    ) -> Result<(), S::Error> {
        let asked = self.store.question(reply_to)?.filter(|asked| asked.agent.as_ref() == Some(agent));
        let Some(outcome) = asked.and_then(|asked| self.ended(reply_to, asked.outcome)) else {
            self.error(peer, Code::NotFound, format!("reply_to: no question {reply_to} is yours"), Some(id));
            return Ok(());
        };
        let stored = self.find(&id)?;
        let place = match (answer, stored) {
            (Answer::Text(text, ..), Some((seq, stored))) if stored == *text => Some(seq),
            (Answer::Failure(_), None) if outcome == Outcome::Failed => Some(reply_to),
            (Answer::Silence, None) if outcome == Outcome::Silent => Some(reply_to),
            _ => None,
        };
        let frame = match place {
            Some(seq) => ServerFrame::Accepted { id, seq },
            None => {
                let detail = format!("reply_to: question {reply_to} has ended");
                ServerFrame::Error { code: Code::AlreadyReplied, detail, id: Some(id) }
            }
        };
        self.send_to(&[peer], &frame);
        Ok(())
    }

    pub(super) fn is_open_for(&self, question: Seq, agent: &AgentId) -> bool {
        self.queue.get(question).is_some_and(|opened| opened.agent.as_ref() == Some(agent))
    }

    /// Shows what is new of an answer to every device that wants deltas and is not behind.
    fn show(&mut self, now: Timestamp, reply_to: Seq) {
        let Some((offset, text)) = self.streams.get_mut(&reply_to).and_then(|stream| stream.take(now)) else { return };
        let delta = ServerFrame::Delta { reply_to, offset, text };
        self.send_to_devices(&delta, |peer| peer.deltas && peer.has_room());
    }
}
