//! The talk so far of one conversation: what a backend is told before the next question. Pure.

use protocol::{Author, Envelope, Seq};
use serde::{Deserialize, Serialize};

use crate::files;

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The question's. Older agents did not store it.
    #[serde(default)]
    pub seq: Seq,
    /// What the person wrote, with files in words, and after their name in a group.
    pub question: String,
    /// What the backend answered, likewise.
    pub answer: String,
}

/// The latest turns of one session of a conversation, as they are stored.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct History {
    /// The newest question, which tells the oldest conversation.
    pub latest: Seq,
    /// Which one: `/new` begins the next. Older agents did not store it.
    #[serde(default)]
    session: u64,
    turns: Vec<Turn>,
}

impl History {
    /// At most `turns_max` turns to go before a question of this session: none of another's.
    pub fn before(mut self, session: u64, turns_max: usize) -> Vec<Turn> {
        if self.session != session {
            return Vec::new();
        }
        self.turns.drain(..self.turns.len().saturating_sub(turns_max));
        self.turns
    }

    /// Adds a turn. What is left of another session, and what is too much, is forgotten.
    pub fn push(&mut self, question: Envelope, answer: String) {
        // Not only of earlier sessions: a relay that was restored from an older copy counts some of them anew.
        if self.session != question.session {
            self.turns.clear();
        }
        (self.latest, self.session) = (question.seq, question.session);
        let text = files::text_with(spoken(speaker(&question.from), &question.text), &question.files);
        self.turns.push(Turn { seq: question.seq, question: text, answer });
        let mut bytes: usize = self.turns.iter().map(Turn::bytes).sum();
        let mut forget = self.turns.len().saturating_sub(TURNS_MAX);
        for turn in &self.turns {
            if bytes <= TURNS_BYTES_MAX {
                break;
            }
            bytes -= turn.bytes();
            forget += 1;
        }
        self.turns.drain(..forget.min(self.turns.len()));
    }

    /// Forgets the turns of these questions. False if there are none.
    pub fn forget(&mut self, questions: &[Seq]) -> bool {
        let known = self.turns.len();
        self.turns.retain(|turn| !questions.contains(&turn.seq));
        self.turns.len() < known
    }
}

impl Turn {
    fn bytes(&self) -> usize {
        self.question.len() + self.answer.len()
    }
}

/// The name of a person who is not alone with the agent.
pub fn speaker(from: &Author) -> Option<&str> {
    if let Author::User { name, group: true, .. } = from { name.as_deref() } else { None }
}

/// Words as a model is told them, which hears of no other difference between people: `Ada: hi`.
pub fn spoken(speaker: Option<&str>, text: &str) -> String {
    match speaker {
        None => text.to_owned(),
        Some(name) if text.is_empty() => format!("{name}:"),
        Some(name) => format!("{name}: {text}"),
    }
}

/// Text remembered of one conversation, in UTF-8 bytes; the oldest turns go first.
const TURNS_BYTES_MAX: usize = 128 * 1024;
/// Turns remembered of one conversation; the oldest go first.
const TURNS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn question(seq: u64, session: u64) -> Envelope {
        let text = format!(
            r#"{{"seq":{seq},"id":"m-{seq}","conversation":"a","session":{session},"from":{{"kind":"user","via":"web"}},"at_ms":1,"text":"q{seq}"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    /// The history is stored after each turn, so each reads what the one before wrote.
    fn push(stored: &str, seq: u64, session: u64, answer: &str) -> String {
        let mut history: History = serde_json::from_str(stored).unwrap();
        history.push(question(seq, session), answer.to_owned());
        serde_json::to_string(&history).unwrap()
    }

    fn before(stored: &str, session: u64, turns_max: usize) -> Vec<String> {
        let history: History = serde_json::from_str(stored).unwrap();
        history.before(session, turns_max).into_iter().map(|turn| turn.question).collect()
    }

    /// As agents stored it that knew no sessions.
    const OLD: &str = r#"{"latest":3,"turns":[{"question":"q3","answer":"a"}]}"#;

    #[test]
    fn a_session_begins_with_nothing_and_ends_the_others() {
        assert_eq!(before(OLD, 0, 9), ["q3"]);
        assert!(before(OLD, 1, 9).is_empty());
        let zero = push(OLD, 4, 0, "a");
        assert_eq!(before(&zero, 0, 9), ["q3", "q4"]);
        assert_eq!(before(&zero, 0, 1), ["q4"]);
        assert!(before(&zero, 0, 0).is_empty());
        // Whoever changes this form makes an agent forget what it held before the update.
        let one = push(&zero, 5, 1, "a");
        assert_eq!(one, r#"{"latest":5,"session":1,"turns":[{"seq":5,"question":"q5","answer":"a"}]}"#);
        assert_eq!(before(&push(&one, 6, 1, "a"), 1, 9), ["q5", "q6"]);
        assert_eq!(before(&push(&one, 6, 0, "a"), 0, 9), ["q6"]);
    }

    #[test]
    fn people_of_a_group_are_told_apart() {
        let check = |from: &str, text: &str, expected: &str| {
            let from = serde_json::from_str(from).unwrap();
            let mut history = History::default();
            history.push(Envelope { from, text: text.to_owned(), ..question(1, 0) }, "a".to_owned());
            assert_eq!(history.turns[0].question, expected);
        };
        check(r#"{"kind":"user","via":"telegram","sender":"1","name":"Ada","group":true}"#, "hi", "Ada: hi");
        check(r#"{"kind":"user","via":"telegram","sender":"1","name":"Ada","group":true}"#, "", "Ada:");
        check(r#"{"kind":"user","via":"feishu","sender":"ou_1","group":true}"#, "hi", "hi");
        check(r#"{"kind":"user","via":"telegram","sender":"1","name":"Ada"}"#, "hi", "hi");
    }

    #[test]
    fn turns_are_bounded_in_number_and_bytes() {
        let many = (4..=203).fold(OLD.to_owned(), |stored, seq| push(&stored, seq, 0, "a"));
        assert_eq!(before(&many, 0, usize::MAX).len(), TURNS_MAX);
        let long = "x".repeat(TURNS_BYTES_MAX / 4);
        let long = (4..=9).fold(OLD.to_owned(), |stored, seq| push(&stored, seq, 0, &long));
        assert_eq!(before(&long, 0, usize::MAX), ["q7", "q8", "q9"]);
        assert!(before(&push(OLD, 4, 0, &"x".repeat(TURNS_BYTES_MAX)), 0, 9).is_empty());
    }
}
