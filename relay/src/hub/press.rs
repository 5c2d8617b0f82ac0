//! A button was pressed at a platform that names it without what it says: the message that it stands under says so.

use protocol::{AgentId, Author, MessageId, Seq, Timestamp};

use super::{Hub, Refusal};
use crate::platform::{Press, Pressed};
use crate::store::{Question, Sql};

impl<S: Sql> Hub<S> {
    /// Takes in what a button says, once for each message: by the id that devices press with, too.
    pub(super) fn press(&mut self, now: Timestamp, press: Press) -> Result<Result<Pressed, Refusal>, S::Error> {
        let Press { choice, conversation, via, sender, name, group, origin } = press;
        let message = self.store.messages_at(&[choice.seq])?.pop();
        let message = message.filter(|message| message.conversation == conversation);
        let button = message.as_ref().and_then(|message| choice.among(message));
        let Some(button) = button.cloned() else { return Ok(Ok(Pressed::Gone)) };
        let id = press_id(choice.seq);
        if let Some((_, said)) = self.find(&id)? {
            return Ok(Ok(if said == button.text { Pressed::Taken(button.label) } else { Pressed::Late }));
        }
        let (sender, text, files, origin) = (Some(sender), button.text, Vec::new(), Some(origin));
        let question = Question { id, conversation, via, sender, name, group, text, files, origin };
        Ok(self.post(now, question, None)?.map(|_| Pressed::Taken(button.label)))
    }

    /// The agent whose message is answered, if this is what a button under it says: whoever asks back hears the answer.
    pub(super) fn asked_back(&self, question: &Question) -> Result<Option<AgentId>, S::Error> {
        let message = question.id.as_str().strip_prefix(PRESS).and_then(|seq| seq.parse().ok()).map(Seq);
        let Some(message) = message else { return Ok(None) };
        let message = self.store.messages_at(&[message])?.pop();
        Ok(match message.filter(|message| message.conversation == question.conversation).map(|message| message.from) {
            Some(Author::Agent { id }) => Some(id).filter(|id| self.agents.iter().any(|agent| agent.id == *id)),
            _ => None,
        })
    }
}

/// Before the place of a message, in the id of the press under it.
const PRESS: &str = "press-";

/// The id of the one press under a message.
fn press_id(message: Seq) -> MessageId {
    format!("{PRESS}{message}").parse().expect("letters, a hyphen and digits")
}
