//! Where a connection begins, and how it catches up.

use protocol::limit::{OPEN_QUESTIONS_MAX, WINDOW_MESSAGES};
use protocol::{AgentId, Code, Cursor, GapReason, Resumed, Seq, ServerFrame, State, Timestamp, encode};

use super::{
    AGENTS_MAX, Agent, EventKind, Hub, LAST_MESSAGES_DEFAULT, LAST_MESSAGES_MAX, PING_INTERVAL_MS, PeerId,
    REPLAY_MESSAGES, RESUME_STATES, Role,
};
use crate::limit::{DELIVERED_PROMPTLY_MS, REPLAY_BYTES_MAX};
use crate::store::{Outcome, Progress, Sql};

impl<S: Sql> Hub<S> {
    /// Answers `hello`: continued, started, or a gap and why. Then everything the peer has not seen follows. `open` are
    /// the questions that an agent holds.
    #[allow(clippy::too_many_arguments)] // The fields of the frame.
    pub(super) fn hello(
        &mut self,
        now: Timestamp,
        id: PeerId,
        cursor: Option<Cursor>,
        last: Option<u64>,
        deltas: bool,
        open: &[Seq],
    ) -> Result<(), S::Error> {
        let Some(peer) = self.peers.get(&id) else { return Ok(()) };
        if peer.greeted {
            self.error(id, Code::BadFrame, "hello: said already".into(), None);
            return Ok(());
        }
        if open.len() > OPEN_QUESTIONS_MAX {
            return self.refuse(now, id, 4400, Code::BadFrame, &format!("open: at most {OPEN_QUESTIONS_MAX}"));
        }
        let (role, window) = (peer.role.clone(), peer.pass.window);
        if let Role::Egress { id: agent } = &role {
            return self.hello_to_carrier(now, id, agent);
        }
        let before = peer.agent().map_or(Seq(0), |agent| self.acked(agent));
        if let Role::Agent { id: agent, name } = &role
            && !self.admit(now, id, agent, name)?
        {
            return Ok(());
        }
        let last = last.unwrap_or(LAST_MESSAGES_DEFAULT).min(LAST_MESSAGES_MAX);
        let (resumed, after) = self.resume(&role, cursor, last);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.start(after);
            peer.deltas = deltas;
            self.touched.insert(id);
        }
        let welcome = ServerFrame::Welcome {
            user: self.user.clone(),
            cursor: self.cursor(self.head),
            resumed: resumed.clone(),
            window,
            ping_ms: PING_INTERVAL_MS,
        };
        self.send_to(&[id], &welcome);
        match &role {
            Role::Agent { id: agent, .. } => {
                // The cursor is the agent's word for what it has stored, also when it lost some of it.
                if after != before {
                    self.set_acked(agent, after)?;
                }
                self.tell_moved(agent, before, after);
                let detail = format!("{agent} at {after} of {}", self.head);
                self.log(now, EventKind::Connected, None, detail)?;
                self.tell_ended(id, agent, open)?;
                self.pump(id)?;
                self.tell_presence();
            }
            Role::Device | Role::Egress { .. } => {
                let presence = self.presence();
                self.send_to(&[id], &presence);
                if let Resumed::Continued { after } = resumed {
                    self.tell_states(id, after)?;
                }
                self.pump(id)?;
                if deltas {
                    self.show_streams(id);
                }
            }
        }
        Ok(())
    }

    /// Whoever only carries calls follows nothing.
    fn hello_to_carrier(&mut self, now: Timestamp, id: PeerId, agent: &AgentId) -> Result<(), S::Error> {
        let head = self.head;
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.start(head);
            self.touched.insert(id);
        }
        let (cursor, resumed) = (self.cursor(head), Resumed::Started { after: head });
        let user = self.user.clone();
        let welcome =
            ServerFrame::Welcome { user, cursor, resumed, window: WINDOW_MESSAGES, ping_ms: PING_INTERVAL_MS };
        self.send_to(&[id], &welcome);
        self.log(now, EventKind::Connected, None, format!("{agent}, to carry calls"))
    }

    /// Everything up to `seq` is stored at the peer: more may follow.
    pub(super) fn ack(&mut self, now: Timestamp, id: PeerId, seq: Seq) -> Result<(), S::Error> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        if seq > peer.last {
            let detail = format!("seq: {seq} was never sent; the last was {}", peer.last);
            self.error(id, Code::BadAck, detail, None);
            return Ok(());
        }
        if seq <= peer.acked {
            return Ok(());
        }
        let was_full = !peer.has_room();
        peer.acked = seq;
        self.touched.insert(id);
        if let Some(agent) = peer.agent().cloned() {
            // Written down when it leaves: until then its attachment holds it.
            let before = self.acked(&agent);
            if let Some(known) = self.agents.iter_mut().find(|known| known.id == agent) {
                known.acked = seq;
            }
            let waited = |question| {
                self.queue.get(question).is_some_and(|opened| opened.at.plus_ms(DELIVERED_PROMPTLY_MS) < now)
            };
            if self.queue.between(before, seq, &agent).into_iter().any(waited) {
                self.log(now, EventKind::Delivered, seq, agent.to_string())?;
            }
            self.tell_moved(&agent, before, seq);
        }
        self.pump(id)?;
        // While its window was full it was shown no deltas.
        if was_full && self.peers.get(&id).is_some_and(|peer| peer.deltas && peer.has_room()) {
            self.show_streams(id);
        }
        Ok(())
    }

    /// Sends a peer what it has not seen, in order and in batches, until it is up to date, its window is full, or
    /// [`REPLAY_BYTES_MAX`] are sent: then its next `ack` brings more.
    fn pump(&mut self, id: PeerId) -> Result<(), S::Error> {
        while let Some(peer) = self.peers.get(&id) {
            if peer.sent >= self.head || !peer.has_room() || self.replayed >= REPLAY_BYTES_MAX {
                break;
            }
            let limit = peer.room().min(REPLAY_MESSAGES);
            let messages = match peer.agent() {
                Some(agent) => self.store.messages_at(&self.queue.after(peer.sent, agent, limit as usize))?,
                None => self.store.messages_after(peer.sent, limit)?,
            };
            let (count, mut sent, mut end) = (messages.len(), 0, None);
            for envelope in messages {
                if self.replayed >= REPLAY_BYTES_MAX {
                    break;
                }
                end = Some(envelope.seq);
                sent += 1;
                let frame = encode(&ServerFrame::Message(self.present(envelope)));
                self.replayed += frame.len();
                self.tell(vec![id], frame);
            }
            let all = (count as u64) < limit && sent == count;
            let head = self.head;
            let Some(peer) = self.peers.get_mut(&id) else { break };
            peer.last = end.unwrap_or(peer.last);
            peer.sent = if all { head } else { end.unwrap_or(head) };
            self.touched.insert(id);
        }
        let head = self.head;
        if let Some(peer) = self.peers.get_mut(&id)
            && peer.is_current != (peer.sent >= head)
        {
            peer.is_current = peer.sent >= head;
            self.touched.insert(id);
        }
        Ok(())
    }

    fn resume(&self, role: &Role, cursor: Option<Cursor>, last: u64) -> (Resumed, Seq) {
        let newest = match role {
            Role::Agent { .. } => Seq(0),
            Role::Device | Role::Egress { .. } => Seq(self.head.0.saturating_sub(last).max(self.trimmed.0)),
        };
        let Some(cursor) = cursor else { return (Resumed::Started { after: newest }, newest) };
        if cursor.epoch != self.epoch {
            return (Resumed::Gap { from: Seq(0), to: newest, reason: GapReason::Epoch }, newest);
        }
        if cursor.seq > self.head {
            let from = Seq(self.head.0 + 1);
            return (Resumed::Gap { from, to: cursor.seq, reason: GapReason::Ahead }, self.head);
        }
        // Open questions are never trimmed, so an agent misses none.
        if *role == Role::Device && cursor.seq < self.trimmed {
            let from = Seq(cursor.seq.0 + 1);
            return (Resumed::Gap { from, to: self.trimmed, reason: GapReason::Trimmed }, self.trimmed);
        }
        (Resumed::Continued { after: cursor.seq }, cursor.seq)
    }

    /// Makes an agent known, lets its newest connection win, and makes the first one ever the default.
    fn admit(&mut self, now: Timestamp, id: PeerId, agent: &AgentId, name: &str) -> Result<bool, S::Error> {
        if let Some(known) = self.agents.iter_mut().find(|known| known.id == *agent) {
            if known.name != name {
                known.name = name.to_owned();
                self.store.put_agent(known)?;
            }
        } else {
            if self.agents.len() >= AGENTS_MAX {
                self.refuse(now, id, 4403, Code::Forbidden, &format!("at most {AGENTS_MAX} agents"))?;
                return Ok(false);
            }
            let new = Agent { id: agent.clone(), name: name.to_owned(), acked: Seq(0) };
            self.store.put_agent(&new)?;
            self.agents.push(new);
        }
        if self.default_agent.is_none() {
            self.store.set_default_agent(agent)?;
            self.queue.adopt(agent);
            self.default_agent = Some(agent.clone());
        }
        let older: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|&(&other, peer)| other != id && peer.greeted && peer.agent() == Some(agent))
            .map(|(&other, _)| other)
            .collect();
        for other in older {
            self.refuse(now, other, 4409, Code::Replaced, "a newer connection of this agent took over")?;
        }
        Ok(true)
    }

    /// How far an agent has its questions, written down.
    pub(super) fn set_acked(&mut self, agent: &AgentId, acked: Seq) -> Result<(), S::Error> {
        if let Some(known) = self.agents.iter_mut().find(|known| known.id == *agent) {
            known.acked = acked;
            self.store.put_agent(known)?;
        }
        Ok(())
    }

    /// An agent has stored more than before, or less: devices hear which questions are concerned.
    fn tell_moved(&mut self, agent: &AgentId, before: Seq, after: Seq) {
        for question in self.queue.between(before.min(after), before.max(after), agent) {
            let state = self.state(question, Some(agent), None);
            if state != State::Replying {
                self.tell_state(question, state, None);
            }
        }
    }

    /// Of the questions that an agent holds, some may have ended while it was away. Not those that it ended itself: it
    /// hears so when it repeats its answer.
    fn tell_ended(&mut self, id: PeerId, agent: &AgentId, open: &[Seq]) -> Result<(), S::Error> {
        for &reply_to in open {
            if self.is_open_for(reply_to, agent) {
                continue;
            }
            let known = self.store.progress_between(reply_to, reply_to)?.pop();
            let ended = known.and_then(|known| self.ended(reply_to, known.outcome));
            if !matches!(ended, Some(Outcome::Replied | Outcome::Silent)) {
                self.send_to(&[id], &ServerFrame::Stop { reply_to });
            }
        }
        Ok(())
    }

    /// States may have changed while the device was away, of questions that it has already.
    fn tell_states(&mut self, id: PeerId, upto: Seq) -> Result<(), S::Error> {
        let from = Seq(upto.0.saturating_sub(RESUME_STATES) + 1);
        for Progress { seq, agent, outcome, reason } in self.store.progress_between(from, upto)? {
            let state = self.state(seq, agent.as_ref(), outcome);
            self.send_to(&[id], &ServerFrame::State { seq, state, reason });
        }
        Ok(())
    }

    /// Answers that are being made now, each from its beginning.
    fn show_streams(&mut self, id: PeerId) {
        let frames = self.streams.iter().map(|(&reply_to, stream)| {
            encode(&ServerFrame::Delta { reply_to, offset: 0, text: stream.text().to_owned() })
        });
        let frames: Vec<String> = frames.collect();
        frames.into_iter().for_each(|frame| self.tell(vec![id], frame));
    }
}
