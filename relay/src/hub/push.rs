//! What is said unasked: by an agent, a script, a clock.

use protocol::{AgentId, Author, Button, Code, ConversationId, Envelope, File, MessageId, Seq, Timestamp, from_json};
use serde::Serialize;

use super::{Hub, Posted, Refusal, check_buttons, check_length, first_part, refusal};
use crate::limit::TIMELINE_MESSAGES_MAX;
use crate::store::Sql;

/// Something said unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Push {
    /// Its idempotency key.
    pub id: MessageId,
    /// Who says it; none: a script of the user's own.
    pub agent: Option<AgentId>,
    /// Where it may go, best first: the first of these that has come from a platform, else the first.
    pub to: Vec<Target>,
    /// What it says.
    pub text: String,
    /// What comes with it.
    pub files: Vec<File>,
    /// What one may answer to it at a press.
    pub buttons: Vec<Button>,
}

from_json! { struct Push { id, agent, to, text, files or Vec::new(), buttons or Vec::new() } }

/// A conversation in which something may be said unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Which one.
    pub conversation: ConversationId,
    /// How long after its newest message its platform may be written to, in milliseconds; none: without end.
    pub open_ms: Option<u64>,
    /// Why its platform takes nothing now, whoever wrote there last; none: it does.
    pub used_up: Option<String>,
}

from_json! { struct Target { conversation, open_ms, used_up } }

impl From<ConversationId> for Target {
    /// One that takes everything.
    fn from(conversation: ConversationId) -> Target {
        Target { conversation, open_ms: None, used_up: None }
    }
}

impl<S: Sql> Hub<S> {
    /// Stores what is said unasked, once, and puts it on its way to the platform of its conversation, if that has one.
    pub(super) fn push(&mut self, now: Timestamp, mut push: Push) -> Result<Result<Posted, Refusal>, S::Error> {
        if let Some((seq, _)) = self.find(&push.id)? {
            return Ok(Ok(Posted { seq, new: false }));
        }
        push.files = match self.check_files(now, push.files) {
            Ok(files) => files,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Err(refusal) = check_buttons(&push.buttons) {
            return Ok(Err(refusal));
        }
        if let Err(refusal) = self.check_unasked(now, &push.text, &push.files)? {
            return Ok(Err(refusal));
        }
        let (mut place, mut closed) = (None, None);
        for target in &push.to {
            let Some(beside) = self.store.newest_origin(&target.conversation)? else { continue };
            let Some(why) = self.closed(now, target, beside)? else {
                place = Some((target.conversation.clone(), Some(beside)));
                break;
            };
            closed.get_or_insert(why);
        }
        if let (None, Some(why), 1) = (&place, &closed, push.to.len()) {
            return Ok(Err(refusal(Code::Conflict, &format!("conversation: {why}"))));
        }
        // What is closed is no place to say it, except on the page.
        let otherwise = if closed.is_some() { push.to.last() } else { push.to.first() };
        let otherwise = otherwise.map(|target| (target.conversation.clone(), None));
        let Some((conversation, beside)) = place.or(otherwise) else {
            return Ok(Err(refusal(Code::BadFrame, "conversation: none to say it in")));
        };
        self.say_unasked(now, push, conversation, beside).map(Ok)
    }

    /// Why a platform takes nothing more where `newest` came from it.
    fn closed(&self, now: Timestamp, target: &Target, newest: Seq) -> Result<Option<String>, S::Error> {
        if target.used_up.is_some() {
            return Ok(target.used_up.clone());
        }
        let Some(open_ms) = target.open_ms else { return Ok(None) };
        let newest = self.store.messages_at(&[newest])?.pop();
        let is_over = newest.is_some_and(|newest| newest.at_ms.plus_ms(open_ms) < now);
        let minutes = open_ms / 60_000;
        Ok(is_over.then(|| format!("the platform takes messages for {minutes} min after the last one from there")))
    }

    /// Whether this may be said unasked.
    pub(super) fn check_unasked(
        &mut self,
        now: Timestamp,
        text: &str,
        files: &[File],
    ) -> Result<Result<(), Refusal>, S::Error> {
        if text.is_empty() && files.is_empty() {
            return Ok(Err(refusal(Code::BadFrame, "text: must not be empty")));
        }
        if let Err(refusal) = check_length(text) {
            return Ok(Err(refusal));
        }
        if self.is_full() {
            self.trim(now)?;
        }
        if self.is_full() {
            return Ok(Err(refusal(Code::QueueFull, &format!("the timeline has {TIMELINE_MESSAGES_MAX} messages"))));
        }
        Ok(Ok(()))
    }

    /// Stores it in this conversation; `beside`: a message of its platform, which it goes to as well.
    pub(super) fn say_unasked(
        &mut self,
        now: Timestamp,
        push: Push,
        conversation: ConversationId,
        beside: Option<Seq>,
    ) -> Result<Posted, S::Error> {
        let session = self.settings(&conversation)?.session;
        let seq = self.next_seq();
        let envelope = Envelope {
            seq,
            id: push.id,
            conversation,
            session,
            from: push.agent.map_or(Author::Relay, |id| Author::Agent { id }),
            agent: None,
            reply_to: None,
            at_ms: now,
            text: push.text,
            files: push.files,
            buttons: push.buttons,
            state: None,
            reason: None,
        };
        if let Some(beside) = beside {
            // First: the new message must not take the row of the one that it goes beside.
            let part = first_part(&envelope);
            self.store.insert_push(seq, &envelope.conversation, beside, part, now)?;
        }
        self.insert(now, &envelope, None, None)?;
        self.publish(envelope);
        self.arm()?;
        self.trim(now)?;
        Ok(Posted { seq, new: true })
    }

    /// The conversation of a message in the timeline.
    pub fn conversation_of(&self, seq: Seq) -> Result<Option<ConversationId>, S::Error> {
        Ok(self.store.messages_at(&[seq])?.pop().map(|envelope| envelope.conversation))
    }
}
