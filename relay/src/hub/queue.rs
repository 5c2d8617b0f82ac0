//! The open questions, in memory: at most [`OPEN_QUESTIONS_MAX`], read from the store when the Hub wakes.

use protocol::limit::OPEN_QUESTIONS_MAX;
use protocol::{AgentId, ConversationId, Seq, Timestamp};

use crate::limit::*;
use crate::map::Map;
use crate::store::Opened;

/// Questions without an answer, waiting or being answered.
#[derive(Default)]
pub(super) struct Queue {
    open: Map<Seq, Opened>,
    /// The same, counted: of each conversation and of each agent that has any, and of all.
    by_conversation: Map<ConversationId, Load>,
    by_agent: Map<Option<AgentId>, Load>,
    all: Load,
}

/// How much waits.
#[derive(Clone, Copy, Default)]
struct Load {
    questions: usize,
    bytes: u64,
}

impl Queue {
    pub(super) fn new(open: impl IntoIterator<Item = (Seq, Opened)>) -> Queue {
        let mut queue = Queue::default();
        open.into_iter().for_each(|(seq, opened)| queue.insert(seq, opened));
        queue
    }

    pub(super) fn get(&self, seq: Seq) -> Option<&Opened> {
        self.open.get(&seq)
    }

    pub(super) fn insert(&mut self, seq: Seq, opened: Opened) {
        self.by_conversation.or_default(opened.conversation.clone()).add(opened.bytes);
        self.by_agent.or_default(opened.agent.clone()).add(opened.bytes);
        self.all.add(opened.bytes);
        self.open.insert(seq, opened);
    }

    pub(super) fn remove(&mut self, seq: Seq) -> Option<Opened> {
        let opened = self.open.remove(&seq)?;
        subtract(&mut self.by_conversation, &opened.conversation, opened.bytes);
        subtract(&mut self.by_agent, &opened.agent, opened.bytes);
        self.all.subtract(opened.bytes);
        Some(opened)
    }

    /// An agent takes every question that waits for any.
    pub(super) fn adopt(&mut self, agent: &AgentId) {
        for opened in self.open.values_mut() {
            opened.agent.get_or_insert_with(|| agent.clone());
        }
        if let Some(load) = self.by_agent.remove(&None) {
            let theirs = self.by_agent.or_default(Some(agent.clone()));
            theirs.questions += load.questions;
            theirs.bytes += load.bytes;
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

    /// Those of an agent.
    pub(super) fn of_agent(&self, agent: &AgentId) -> Vec<Seq> {
        let theirs = self.open.iter().filter(|(_, opened)| opened.agent.as_ref() == Some(agent));
        theirs.map(|(&seq, _)| seq).collect()
    }

    /// The first one of an agent up to `upto`, of one conversation or of any.
    pub(super) fn oldest_of(&self, agent: &AgentId, upto: Seq, conversation: Option<&ConversationId>) -> Option<Seq> {
        let asked = |opened: &Opened| {
            opened.agent.as_ref() == Some(agent) && conversation.is_none_or(|here| opened.conversation == *here)
        };
        let sent = self.open.iter().take_while(|&(&seq, _)| seq <= upto);
        sent.filter(|(_, opened)| asked(opened)).map(|(&seq, _)| seq).next()
    }

    /// The last one of an agent, 0 when it has none.
    pub(super) fn last(&self, agent: &AgentId) -> Seq {
        let ours = self.open.iter().rev().find(|(_, opened)| opened.agent.as_ref() == Some(agent));
        ours.map_or(Seq(0), |(&seq, _)| seq)
    }

    /// The first `limit` of an agent after `after`.
    pub(super) fn after(&self, after: Seq, agent: &AgentId, limit: usize) -> Vec<Seq> {
        let later = self.open.above(&after).filter(|(_, opened)| opened.agent.as_ref() == Some(agent));
        later.map(|(&seq, _)| seq).take(limit).collect()
    }

    /// Those up to `seq`.
    pub(super) fn upto(&self, seq: Seq) -> Vec<Seq> {
        self.open.keys().copied().take_while(|&open| open <= seq).collect()
    }

    /// An agent's, among the messages after `after` up to `to`.
    pub(super) fn between(&self, after: Seq, to: Seq, agent: &AgentId) -> Vec<Seq> {
        let here = self.open.above(&after).take_while(|&(&seq, _)| seq <= to);
        here.filter(|(_, opened)| opened.agent.as_ref() == Some(agent)).map(|(&seq, _)| seq).collect()
    }

    /// Whether another question of so many bytes has room; if not, why.
    pub(super) fn check(
        &self,
        conversation: &ConversationId,
        agent: Option<&AgentId>,
        bytes: usize,
    ) -> Result<(), String> {
        let here = self.by_conversation.get(conversation).copied().unwrap_or_default();
        let theirs = self.by_agent.get(&agent.cloned()).copied().unwrap_or_default();
        here.takes(bytes, "here", CONVERSATION_QUESTIONS_MAX, CONVERSATION_QUEUE_BYTES_MAX)?;
        theirs.takes(bytes, "for this agent", AGENT_QUESTIONS_MAX, AGENT_QUEUE_BYTES_MAX)?;
        self.all.takes(bytes, "for your agents", OPEN_QUESTIONS_MAX, QUEUE_BYTES_MAX)
    }
}

impl Load {
    fn add(&mut self, bytes: u64) {
        self.questions += 1;
        self.bytes += bytes;
    }

    fn subtract(&mut self, bytes: u64) {
        self.questions -= 1;
        self.bytes -= bytes;
    }

    fn takes(self, bytes: usize, place: &str, questions_max: usize, bytes_max: u64) -> Result<(), String> {
        let Load { questions, bytes: held } = self;
        if questions >= questions_max {
            return Err(format!("{questions} questions wait {place}"));
        }
        if held + bytes as u64 > bytes_max {
            return Err(format!("questions of {held} bytes wait {place}, at most {bytes_max}"));
        }
        Ok(())
    }
}

/// What has nothing left is not kept.
fn subtract<K: Ord>(loads: &mut Map<K, Load>, key: &K, bytes: u64) {
    if let Some(load) = loads.get_mut(key) {
        load.subtract(bytes);
        if load.questions == 0 {
            loads.remove(key);
        }
    }
}
