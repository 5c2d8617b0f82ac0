//! Rights that end while their holders are connected: sessions, keys, agents.

use protocol::{AgentId, Code, ConversationId, Seq, Timestamp};

use super::{Hub, PeerId, notice};
use crate::map::Map;
use crate::store::{Outcome, Sql};

impl<S: Sql> Hub<S> {
    /// Whether this session or key ended.
    pub fn is_revoked(&self, by: &str) -> Result<bool, S::Error> {
        self.store.is_revoked(by)
    }

    /// The user is kept from everything, or not any more. Their messages stay.
    pub(super) fn bar(&mut self, now: Timestamp, is_barred: bool) -> Result<(), S::Error> {
        self.store.set_barred(is_barred, now)?;
        if is_barred {
            for peer in self.peers.keys().copied().collect::<Vec<_>>() {
                self.refuse(now, peer, 4401, Code::Unauthorized, "this user was disabled")?;
            }
        }
        Ok(())
    }

    /// Sessions or keys ended: they open nothing any more, and whoever came in by them is out.
    pub(super) fn revoke(&mut self, now: Timestamp, ids: Vec<String>) -> Result<(), S::Error> {
        for id in &ids {
            self.store.insert_revoked(id, now)?;
        }
        let out = |peer: &super::Peer| ids.contains(&peer.pass.by);
        let out: Vec<PeerId> = self.peers.iter().filter(|(_, peer)| out(peer)).map(|(&id, _)| id).collect();
        for peer in out {
            self.refuse(now, peer, 4401, Code::Unauthorized, "this session or key was ended")?;
        }
        Ok(())
    }

    /// An agent is no more: its questions end, and later ones go to another.
    pub(super) fn remove_agent(&mut self, now: Timestamp, agent: &AgentId) -> Result<(), S::Error> {
        let theirs = |peer: &super::Peer| peer.agent() == Some(agent);
        let peers: Vec<PeerId> = self.peers.iter().filter(|(_, peer)| theirs(peer)).map(|(&id, _)| id).collect();
        for peer in peers {
            self.refuse(now, peer, 4401, Code::Unauthorized, "this agent was removed")?;
        }
        // The one to reply to in each conversation: the last that came from a platform, or the last.
        let mut ended: Map<ConversationId, (Seq, bool)> = Map::new();
        for seq in self.queue.of_agent(agent) {
            let Some(opened) = self.queue.get(seq).cloned() else { continue };
            self.end(now, seq, Outcome::Failed, notice::AGENT_REMOVED)?;
            self.store.insert_dead_letter(seq, now)?;
            let is_theirs = ended.get(&opened.conversation).is_some_and(|&(_, is_theirs)| is_theirs);
            if opened.has_origin || !is_theirs {
                ended.insert(opened.conversation, (seq, opened.has_origin));
            }
        }
        for (conversation, (last, has_origin)) in ended {
            self.warn(now, &conversation, last, has_origin, notice::not_answered(notice::AGENT_REMOVED))?;
        }
        self.agents.retain(|known| known.id != *agent);
        self.store.delete_agent(agent)?;
        self.settings.clear();
        if self.default_agent.as_ref() == Some(agent) {
            self.default_agent = self.agents.first().map(|next| next.id.clone());
            match &self.default_agent {
                Some(next) => self.store.set_default_agent(next)?,
                None => self.store.clear_default_agent()?,
            }
        }
        self.tell_presence();
        Ok(())
    }
}
