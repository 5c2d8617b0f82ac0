//! A button was pressed at a platform, which names it without what it says: the message that it stands under says so.

use protocol::{AgentId, Author, ConversationId, MessageId, Seq, Timestamp};

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
        let taken =
            Pressed::Taken { label: button.label, text: message.map(|message| message.text).unwrap_or_default() };
        let id = press_id(choice.seq);
        if let Some((_, said)) = self.find(&id)? {
            return Ok(Ok(if said == button.text { taken } else { Pressed::Late }));
        }
        let group = match group {
            Some(group) => group,
            None => self.is_group(&conversation)?,
        };
        let (sender, text, files, origin) = (Some(sender), button.text, Vec::new(), Some(origin));
        let question = Question { id, conversation, via, sender, name, group, text, files, origin };
        Ok(self.post(now, question, None)?.map(|_| taken))
    }

    /// Whether others are in a chat, by its newest question: a chat does not change that.
    fn is_group(&self, conversation: &ConversationId) -> Result<bool, S::Error> {
        let Some(newest) = self.store.newest_origin(conversation)? else { return Ok(false) };
        Ok(self.store.question(newest)?.is_some_and(|asked| asked.question.group))
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
