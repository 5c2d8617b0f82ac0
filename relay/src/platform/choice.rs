//! Which button of which message was pressed: platforms give a button too little room for what it says (Telegram 64 bytes, of
//! which 500 may be needed), and a message is answered so once, by whoever it was said to.

use protocol::{Button, ConversationId, Envelope, Seq, from_json};
use serde::Serialize;

use super::Outbound;
use crate::auth::hash;
use crate::store::Origin;

/// A button under a message. It proves nothing: whoever may press it may also make one up, and then says what another
/// button of that conversation says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Its message's place in a user's timeline.
    pub seq: Seq,
    /// Which of its message's buttons.
    pub index: u32,
    /// The beginning of a hash of all that: in a group, another user's timeline may have another message at this place.
    pub mark: String,
}

from_json! { struct Choice { seq, index, mark } }

/// Someone pressed a button under a message: what they say is in their timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Press {
    /// Which button.
    pub choice: Choice,
    /// The thread of talk.
    pub conversation: ConversationId,
    /// The platform.
    pub via: String,
    /// Who, by their id on the platform.
    pub sender: String,
    /// What they are called there.
    pub name: Option<String>,
    /// Whether others are in the chat, too; none: the platform does not say.
    pub group: Option<bool>,
    /// Where the answer to what they say goes.
    pub origin: Origin,
}

from_json! { struct Press { choice, conversation, via, sender, name, group, origin } }

/// What became of a press.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// There is no such button, or not for them.
    Gone,
    /// Its message was answered by another button.
    Late,
    /// It counts. Also when it comes again.
    Taken {
        /// What stands on it.
        label: String,
        /// What its message says.
        text: String,
    },
}

impl Pressed {
    /// For whoever pressed: at most 200 characters, which Telegram shows.
    pub(super) fn words(&self) -> &'static str {
        match self {
            Pressed::Gone => "这个按钮对你无效，或已失效 · not for you, or too old",
            Pressed::Late => "已经选过别的了 · already answered otherwise",
            Pressed::Taken { .. } => "收到 · got it",
        }
    }
}

impl Choice {
    /// A button of a message on its way out.
    pub(super) fn of(outbound: &Outbound, index: usize, button: &Button) -> Choice {
        let Outbound { conversation, seq, text, .. } = outbound;
        Choice { seq: *seq, index: index as u32, mark: mark(conversation, *seq, text, button) }
    }

    /// As a platform gives it back: at most 36 bytes of letters, digits, `-`, `_` and two dots.
    pub(super) fn word(&self) -> String {
        let Choice { seq, index, mark } = self;
        format!("{seq}.{index}.{mark}")
    }

    /// Reads what [`Choice::word`] wrote; nothing, if it is none.
    pub(super) fn read(word: &str) -> Option<Choice> {
        let mut parts = word.splitn(3, '.');
        let (seq, index) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let mark = parts.next().filter(|mark| mark.len() == MARK_BYTES)?.to_owned();
        Some(Choice { seq: Seq(seq), index, mark })
    }

    /// The button, if it stands under this message.
    pub(crate) fn among<'a>(&self, message: &'a Envelope) -> Option<&'a Button> {
        let button = message.buttons.get(self.index as usize)?;
        let Envelope { conversation, seq, text, .. } = message;
        (mark(conversation, *seq, text, button) == self.mark).then_some(button)
    }
}

fn mark(conversation: &ConversationId, seq: Seq, text: &str, button: &Button) -> String {
    let Button { label, text: says, .. } = button;
    let mut mark = hash(&format!("{conversation}\n{seq}\n{label}\n{says}\n{text}"));
    mark.truncate(MARK_BYTES);
    mark
}

/// 48 bits.
const MARK_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use protocol::json;

    use super::*;

    #[test]
    fn a_word_names_one_button_of_one_message() {
        let message = |text: &str, says: &str| -> Envelope {
            let buttons = format!(r#"[{{"label":"No","text":"no"}},{{"label":"Yes","text":"{says}"}}]"#);
            json::read(&format!(
                r#"{{"seq":9007199254740991,"id":"reply:1","conversation":"telegram:main:5","from":{{"kind":"relay"}},
                     "at_ms":1,"text":"{text}","buttons":{buttons}}}"#
            ))
            .unwrap()
        };
        let asked = message("Sure?", "yes");
        let mark = mark(&asked.conversation, asked.seq, &asked.text, &asked.buttons[1]);
        let word = Choice { seq: asked.seq, index: 1, mark }.word();
        assert!(word.starts_with("9007199254740991.1.") && word.len() <= 36, "{word}");
        let choice = Choice::read(&word).unwrap();
        assert_eq!(choice.among(&asked).map(|button| button.text.as_str()), Some("yes"));
        for other in [message("Sure!", "yes"), message("Sure?", "rm -rf /")] {
            assert_eq!(choice.among(&other), None);
        }
        for index in [0, 2, u32::MAX] {
            assert_eq!(Choice { index, ..choice.clone() }.among(&asked), None);
        }
        for wrong in
            ["", "1", "1.2", "1.2.x", "x.2.12345678", "-1.2.12345678", "1.2.123456789", "1.4294967296.12345678"]
        {
            assert_eq!(Choice::read(wrong), None, "{wrong}");
        }
    }
}
