//! What an agent says whose words name no question: the answer to the oldest one that it was sent and that is open, or
//! something unasked.

use protocol::{Code, ConversationId, File, MessageId, Seq, Timestamp};

use super::answer::Answer;
use super::{Hub, PeerId, Push, Refusal};
use crate::platform;
use crate::store::Sql;

/// Something that an agent says without saying to which question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its idempotency key, should it be something unasked.
    pub id: MessageId,
    /// Where it belongs; none: to whatever question comes first, or else to `web`.
    pub conversation: Option<ConversationId>,
    /// What it says. Over the limit it is cut, and says so: whoever waits has no other answer.
    pub text: String,
    /// What comes with it.
    pub files: Vec<File>,
}

impl<S: Sql> Hub<S> {
    /// The last message that a peer was sent, if it has not acknowledged that.
    pub fn unread(&self, peer: PeerId) -> Option<Seq> {
        self.peers.get(&peer).filter(|peer| peer.acked < peer.last).map(|peer| peer.last)
    }

    /// Finds the question; without one it goes to the devices, and to no platform: whether its owner wants that there is
    /// not known here (`POST /v1/messages` asks).
    pub(super) fn told(&mut self, now: Timestamp, id: PeerId, bytes: usize, told: Told) -> Result<(), S::Error> {
        if !self.may_say(now, id, 1, bytes)? {
            return Ok(());
        }
        let Some(peer) = self.peers.get(&id).filter(|peer| peer.greeted) else { return Ok(()) };
        let (sent, may_send, may_push) = (peer.sent, peer.pass.may_send, peer.pass.may_push);
        let Some(agent) = peer.agent().cloned() else { return Ok(()) };
        let text = platform::cut(told.text);
        if let Some(question) = self.queue.oldest_of(&agent, sent, told.conversation.as_ref()) {
            if !may_send {
                self.error(id, Code::Forbidden, "this agent key lacks the scope send".into(), None);
                return Ok(());
            }
            return self.answer(now, id, agent, question, Answer::Text(text, told.files, Vec::new()));
        }
        if !may_push {
            let detail = "no question waits for this, and this agent key lacks the scope push";
            self.error(id, Code::Forbidden, detail.into(), None);
            return Ok(());
        }
        let files = match self.check_files(now, told.files) {
            Ok(files) => files,
            Err(Refusal { code, detail }) => {
                self.error(id, code, detail, None);
                return Ok(());
            }
        };
        if let Err(Refusal { code, detail }) = self.check_unasked(now, &text, &files)? {
            self.error(id, code, detail, None);
            return Ok(());
        }
        let conversation = told.conversation.unwrap_or_else(|| "web".parse().expect("a fixed id"));
        let push = Push { id: told.id, agent: Some(agent), to: Vec::new(), text, files, buttons: Vec::new() };
        self.say_unasked(now, push, conversation, None).map(drop)
    }
}
