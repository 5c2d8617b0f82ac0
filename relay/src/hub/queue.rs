//! The open questions, in memory: at most [`OPEN_QUESTIONS_MAX`], read from the store when the Hub wakes.

use std::collections::BTreeMap;

use protocol::limit::OPEN_QUESTIONS_MAX;
use protocol::{AgentId, ConversationId, Seq, Timestamp};

use crate::limit::*;
use crate::store::Opened;

/// Questions without an answer, waiting or being answered.
#[derive(Default)]
pub(super) struct Queue {
    open: BTreeMap<Seq, Opened>,
}

impl Queue {
    pub(super) fn new(open: impl IntoIterator<Item = (Seq, Opened)>) -> Queue {
        Queue { open: open.into_iter().collect() }
    }

    pub(super) fn get(&self, seq: Seq) -> Option<&Opened> {
        self.open.get(&seq)
    }

    pub(super) fn insert(&mut self, seq: Seq, opened: Opened) {
        self.open.insert(seq, opened);
    }

    pub(super) fn remove(&mut self, seq: Seq) -> Option<Opened> {
        self.open.remove(&seq)
    }

    /// An agent takes every question that waits for any.
    pub(super) fn adopt(&mut self, agent: &AgentId) {
        for opened in self.open.values_mut() {
            opened.agent.get_or_insert_with(|| agent.clone());
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The first one.
    pub(super) fn first(&self) -> Option<Seq> {
        self.open.keys().next().copied()
    }

    /// When the oldest one was accepted. Clocks may step back, so it need not be the first.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.open.values().map(|opened| opened.at).min()
    }

    /// Those accepted at `before` or earlier, at most [`EXPIRE_QUESTIONS`].
    pub(super) fn accepted_by(&self, before: Timestamp) -> Vec<Seq> {
        let old = self.open.iter().filter(|(_, opened)| opened.at <= before);
        old.map(|(&seq, _)| seq).take(EXPIRE_QUESTIONS).collect()
    }

    /// Those of a conversation.
    pub(super) fn of(&self, conversation: &ConversationId) -> Vec<Seq> {
        let ours = self.open.iter().filter(|(_, opened)| opened.conversation == *conversation);
        ours.map(|(&seq, _)| seq).collect()
    }

    /// An agent's, among the messages after `after` up to `to`.
    pub(super) fn between(&self, after: Seq, to: Seq, agent: &AgentId) -> Vec<Seq> {
        if after >= to {
            return Vec::new();
        }
        let ours = self.open.range(Seq(after.0 + 1)..=to).filter(|(_, opened)| opened.agent.as_ref() == Some(agent));
        ours.map(|(&seq, _)| seq).collect()
    }

    /// Whether another question of so many bytes has room; if not, why.
    pub(super) fn check(
        &self,
        conversation: &ConversationId,
        agent: Option<&AgentId>,
        bytes: usize,
    ) -> Result<(), String> {
        let of_conversation = |opened: &Opened| opened.conversation == *conversation;
        let of_agent = |opened: &Opened| opened.agent.as_ref() == agent;
        self.fits("here", bytes, CONVERSATION_QUESTIONS_MAX, CONVERSATION_QUEUE_BYTES_MAX, of_conversation)?;
        self.fits("for this agent", bytes, AGENT_QUESTIONS_MAX, AGENT_QUEUE_BYTES_MAX, of_agent)?;
        self.fits("for your agents", bytes, OPEN_QUESTIONS_MAX, QUEUE_BYTES_MAX, |_| true)
    }

    fn fits(
        &self,
        place: &str,
        bytes: usize,
        count_max: usize,
        bytes_max: u64,
        counts: impl Fn(&Opened) -> bool,
    ) -> Result<(), String> {
        let waiting = self.open.values().filter(|opened| counts(opened));
        let (count, held) = waiting.fold((0, 0), |(count, held), opened| (count + 1, held + opened.bytes));
        if count >= count_max {
            return Err(format!("{count} questions wait {place}"));
        }
        if held + bytes as u64 > bytes_max {
            return Err(format!("questions of {held} bytes wait {place}, at most {bytes_max}"));
        }
        Ok(())
    }
}
