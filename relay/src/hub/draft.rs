//! An answer shown at its platform while it is made, where the platform can change what it shows. Not stored: the final
//! answer takes its place.

use protocol::Seq;

use super::{Hub, notice, reply_id};
use crate::platform::Outbound;
use crate::store::{Origin, Outcome, Sql};

/// What there is of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drafted {
    /// Its question has its answer, which is on its way, or was taken back; or its agent begins anew.
    Gone,
    /// So much.
    Open(Outbound),
    /// Its question ended without an answer: what is shown is all that comes, and says so with this at its end.
    Over(&'static str),
}

impl<S: Sql> Hub<S> {
    /// What there is of the answer to a question.
    pub fn draft(&self, question: Seq) -> Result<Drafted, S::Error> {
        let Some(asked) = self.store.question(question)? else { return Ok(Drafted::Gone) };
        let (conversation, origin) = (asked.question.conversation, asked.question.origin);
        if let (Some(stream), Some(origin)) = (self.streams.get(&question), origin) {
            let text = stream.text().to_owned();
            return Ok(Drafted::Open(Outbound::text(origin, conversation, question, text, Some(question))));
        }
        Ok(match self.ended(question, asked.outcome) {
            None | Some(Outcome::Replied) => Drafted::Gone,
            Some(_) => Drafted::Over(notice::CUT_SHORT),
        })
    }

    /// The message at its platform that a question came by, if it came from one.
    pub fn origin(&self, question: Seq) -> Result<Option<Origin>, S::Error> {
        Ok(self.store.question(question)?.and_then(|asked| asked.question.origin))
    }

    /// Whether a question is open, and its agent was sent it.
    pub fn is_heard(&self, question: Seq) -> bool {
        let Some(agent) = self.queue.get(question).and_then(|opened| opened.agent.as_ref()) else { return false };
        self.peers.values().any(|peer| peer.greeted && peer.agent() == Some(agent) && peer.sent >= question)
    }

    /// What is kept of the answer to a question that was stopped.
    pub fn kept(&mut self, question: Seq) -> Result<Option<Outbound>, S::Error> {
        let Some(asked) = self.store.question(question)? else { return Ok(None) };
        let (conversation, origin) = (asked.question.conversation, asked.question.origin);
        let kept = self.find(&reply_id(question))?;
        let whole = |(origin, (_, text))| Outbound::text(origin, conversation, question, text, Some(question));
        Ok(origin.zip(kept).map(whole))
    }

    /// Nobody shows it at its platform any more: what comes next says so again, or that it was stopped.
    pub fn leave_draft(&mut self, question: Seq) {
        if let Some(stream) = self.streams.get_mut(&question) {
            stream.is_drafted = false;
            stream.was_left = true;
        }
    }
}
