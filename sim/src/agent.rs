//! Agents, with the semantics of `agent/`: cursor, open questions and final answers that were not accepted are on disk;
//! answers being made are in memory.

use std::collections::BTreeMap;

use protocol::{AgentId, ClientFrame, Code, Cursor, Envelope, GapReason, MessageId, Resumed, Seq, ServerFrame, encode};
use relay::hub::{PeerId, Role};

use crate::check::accepted;
use crate::network::{Down, Owner, Said, Up};
use crate::world::World;

/// One program with an agent's key.
pub struct Agent {
    /// Which agent.
    pub id: AgentId,
    /// It is a second program with the key of the first.
    pub is_twin: bool,
    /// It does not connect: another took its place.
    pub retired: bool,
    /// Its connection.
    pub peer: Option<PeerId>,
    /// That connection's `hello` was answered.
    pub welcomed: bool,
    /// It sent what the protocol does not allow.
    pub naughty: bool,
    /// The number of its key.
    pub pass: u64,
    /// What it has, on disk.
    pub disk: Disk,
    /// Answers being made.
    pub running: BTreeMap<u64, Running>,
    /// Stored and not acknowledged.
    pub to_ack: Option<u64>,
}

/// What outlives a restart.
#[derive(Clone, Default)]
pub struct Disk {
    /// How far it knows the timeline.
    pub cursor: Option<Cursor>,
    /// Questions without a final answer: their conversation and id.
    pub inbox: BTreeMap<u64, (String, String)>,
    /// Final answers that were not accepted.
    pub outbox: BTreeMap<u64, ClientFrame>,
}

/// An answer being made.
pub struct Running {
    /// All that it will say.
    text: String,
    /// How many of its bytes were sent.
    sent: usize,
}

impl Agent {
    /// A program that never ran.
    pub fn new(id: AgentId, is_twin: bool) -> Agent {
        Agent {
            id,
            is_twin,
            retired: is_twin,
            peer: None,
            welcomed: false,
            naughty: false,
            pass: 0,
            disk: Disk::default(),
            running: BTreeMap::new(),
            to_ack: None,
        }
    }

    /// Nothing is left to do.
    pub fn is_idle(&self) -> bool {
        self.disk.inbox.is_empty() && self.disk.outbox.is_empty()
    }
}

impl World {
    /// An agent connects and says hello.
    pub fn agent_dials(&mut self, index: usize) {
        let id = self.agents[index].id.clone();
        let role = Role::Agent { name: format!("name of {id}"), id };
        let Some(peer) = self.dial(Owner::Agent(index), role) else { return };
        let agent = &mut self.agents[index];
        (agent.peer, agent.welcomed, agent.naughty) = (Some(peer), false, false);
        let cursor = agent.disk.cursor;
        let held = agent.disk.inbox.keys().chain(agent.disk.outbox.keys());
        let open = held.take(protocol::limit::OPEN_QUESTIONS_MAX).map(|&seq| Seq(seq)).collect();
        let hello = ClientFrame::Hello { cursor, last: None, capabilities: Vec::new(), open, client: None };
        let said = Said { hello: Some((cursor, None)), ..Said::default() };
        self.network.up(peer, Up::Text(encode(&hello), said));
    }

    /// An agent begins an answer, or sends a piece of one.
    pub fn agent_streams(&mut self, index: usize) {
        let agent = &self.agents[index];
        let running: Vec<u64> = agent.running.keys().copied().collect();
        let goes_on = if self.profile.parallel > 6 { 100 } else { 600 };
        if running.len() >= self.profile.parallel || (self.random.chance(goes_on) && !running.is_empty()) {
            if let Some(&seq) = self.random.pick(&running) {
                self.agent_says_piece(index, seq);
            }
            return;
        }
        let busy = |conversation: &str| running.iter().any(|seq| agent.disk.inbox[seq].0 == conversation);
        // In the order of the conversation, unless it answers many at once, as some do.
        let side_by_side = self.profile.parallel > 6;
        let free = |seq: &u64, conversation: &str| !running.contains(seq) && (side_by_side || !busy(conversation));
        let next = agent.disk.inbox.iter().find(|(seq, (conversation, _))| free(seq, conversation));
        let Some((seq, id)) = next.map(|(&seq, (_, id))| (seq, id.clone())) else { return };
        self.runs_begun += 1;
        let text = self.text(&format!("answer to <{id}> in run {}🚀 你好: ", self.runs_begun));
        self.runs.entry(seq).or_default().push(text.clone());
        self.agents[index].running.insert(seq, Running { text, sent: 0 });
        if side_by_side {
            self.agent_says_piece(index, seq);
        }
    }

    fn agent_says_piece(&mut self, index: usize, seq: u64) {
        let agent = &mut self.agents[index];
        let (Some(peer), Some(running)) = (agent.peer.filter(|_| agent.welcomed), agent.running.get_mut(&seq)) else {
            return;
        };
        let rest = &running.text[running.sent..];
        let end = rest.floor_char_boundary(1 + self.random.below(40));
        let piece = rest[..end].to_owned();
        if piece.is_empty() {
            return;
        }
        let offset = running.text[..running.sent].encode_utf16().count() as u64;
        running.sent += end;
        let frame = ClientFrame::Delta { reply_to: Seq(seq), offset, text: piece };
        self.network.up(peer, Up::Text(encode(&frame), Said::default()));
    }

    /// An agent gives a final answer to a question whose answer it is making.
    pub fn agent_finishes(&mut self, index: usize) {
        let running: Vec<u64> = self.agents[index].running.keys().copied().collect();
        // One that answers many at once begins them all before it ends any.
        if !self.calm && self.profile.parallel > 6 && running.len() < 36 && self.random.chance(950) {
            return;
        }
        let Some(&seq) = self.random.pick(&running) else {
            // Or it repeats those that were not accepted.
            self.agent_sends_outbox(index);
            return;
        };
        let fails = !self.calm && self.random.chance(self.profile.fails);
        let is_silent = fails && self.random.chance(500);
        let agent = &mut self.agents[index];
        let Some(running) = agent.running.remove(&seq) else { return };
        let Some((_, id)) = agent.disk.inbox.remove(&seq) else { return };
        let frame = if is_silent {
            self.figures.count("questions without a word");
            ClientFrame::Done { reply_to: Seq(seq) }
        } else if fails {
            ClientFrame::Fail { reply_to: Seq(seq), reason: format!("no answer to <{id}> in {}", self.runs_begun) }
        } else {
            ClientFrame::Reply { reply_to: Seq(seq), text: running.text, files: Vec::new(), buttons: Vec::new() }
        };
        self.agent_answers(index, seq, frame);
    }

    fn agent_answers(&mut self, index: usize, seq: u64, frame: ClientFrame) {
        self.given.entry(seq).or_default().push(frame.clone());
        let text = encode(&frame);
        let agent = &mut self.agents[index];
        agent.disk.outbox.insert(seq, frame);
        if let Some(peer) = agent.peer.filter(|_| agent.welcomed) {
            self.network.up(peer, Up::Text(text, Said::default()));
        }
    }

    fn agent_sends_outbox(&mut self, index: usize) {
        let agent = &self.agents[index];
        let Some(peer) = agent.peer.filter(|_| agent.welcomed) else { return };
        let texts: Vec<String> = agent.disk.outbox.values().map(encode).collect();
        for batch in texts.chunks(4) {
            let said = Said { frames: batch.len(), ..Said::default() };
            let text = format!("[{}]", batch.join(","));
            if text.len() <= protocol::limit::FRAME_BYTES_MAX {
                self.network.up(peer, Up::Text(text, said));
            } else {
                batch.iter().for_each(|text| self.network.up(peer, Up::Text(text.clone(), Said::default())));
            }
        }
    }

    /// An agent acknowledges what it stored.
    pub fn agent_acks(&mut self, index: usize) {
        let agent = &mut self.agents[index];
        if agent.welcomed
            && let (Some(peer), Some(seq)) = (agent.peer, agent.to_ack.take())
        {
            let frame = encode(&ClientFrame::Ack { seq: Seq(seq) });
            self.network.up(peer, Up::Text(frame, Said { ack: Some(seq), ..Said::default() }));
        }
    }

    /// An agent's program dies.
    pub fn agent_crashes(&mut self, index: usize) {
        self.agents[index].running.clear();
        if let Some(peer) = self.agent_leaves(index) {
            self.cut(peer);
        }
    }

    /// An agent's disk is wiped.
    pub fn agent_wiped(&mut self, index: usize) {
        self.agent_crashes(index);
        self.agents[index].disk = Disk::default();
    }

    /// An agent's disk is that of another timeline: its questions and answers there are nobody's here.
    pub fn agent_foreign(&mut self, index: usize) {
        self.agent_wiped(index);
        let head = self.check.truth.head();
        let (epoch, seq) = (self.random.between(1, 1_000), self.random.between(0, head + 10));
        let disk = &mut self.agents[index].disk;
        disk.cursor = Some(Cursor { epoch, seq: Seq(seq) });
        for seq in 1..=seq.min(5) {
            let reply_to = Seq(head.saturating_sub(seq));
            let text = "an answer of another timeline".to_owned();
            disk.outbox
                .insert(reply_to.0, ClientFrame::Reply { reply_to, text, files: Vec::new(), buttons: Vec::new() });
        }
    }

    /// The second program of an agent comes, or the first comes back.
    pub fn agent_twin(&mut self) {
        let twins: Vec<usize> = (0..self.agents.len()).filter(|&index| self.agents[index].retired).collect();
        if let Some(&index) = self.random.pick(&twins) {
            self.agents[index].retired = false;
        }
    }

    /// An agent gives its connection up.
    pub fn agent_leaves(&mut self, index: usize) -> Option<PeerId> {
        let agent = &mut self.agents[index];
        let peer = agent.peer.take()?;
        (agent.welcomed, agent.to_ack) = (false, None);
        agent.running.values_mut().for_each(|running| running.sent = 0);
        if let Some(connection) = self.network.connections.get_mut(&peer) {
            connection.client = false;
        }
        Some(peer)
    }

    /// An agent hears something; it may die after so many frames of it.
    pub fn agent_hears(&mut self, index: usize, down: Down, dies_after: Option<usize>) {
        let frames = match down {
            Down::Close(code) => {
                let agent = &self.agents[index];
                let is_out = code == 4401 && agent.peer.is_some_and(|peer| self.rights.out.contains(&peer));
                let deserved = agent.naughty || is_out || matches!(code, 1006 | 1011 | 4408 | 4409);
                self.check.demand(deserved, "an agent that behaves is not closed", || format!("agent {index}: {code}"));
                if code == 4400 {
                    self.agents[index].disk.cursor = None;
                }
                self.agents[index].retired |= code == 4409;
                self.agent_leaves(index);
                if code == 4401 {
                    self.begin_anew(Owner::Agent(index));
                }
                return;
            }
            Down::Frames(frames) => frames,
        };
        for (at, frame) in frames.iter().enumerate() {
            if dies_after == Some(at) {
                self.figures.count("clients that died in a batch");
                self.agent_crashes(index);
                return;
            }
            self.agent_reads(index, frame);
        }
    }

    fn agent_reads(&mut self, index: usize, frame: &ServerFrame) {
        match frame {
            ServerFrame::Welcome { cursor, resumed, .. } => {
                self.agent_welcomed(index, *cursor, resumed);
                self.agent_sends_outbox(index);
            }
            ServerFrame::Message(envelope) => self.agent_stores(index, envelope),
            ServerFrame::Accepted { id, seq } if answered(id) == Some(seq.0) => {
                let said = self.agents[index].disk.outbox.remove(&seq.0);
                let stored = match self.check.truth.rows[&seq.0].outcome.as_deref() {
                    Some("failed") => matches!(said, None | Some(ClientFrame::Fail { .. })),
                    Some("silent") => matches!(said, None | Some(ClientFrame::Done { .. })),
                    _ => false,
                };
                let what = "a failure, or silence, that is accepted is stored";
                self.check.demand(stored, what, || format!("agent {index}: {id}"));
            }
            ServerFrame::Stop { reply_to } => {
                let open = self.check.truth.open.contains(&reply_to.0)
                    && self.check.truth.rows[&reply_to.0].agent.as_deref() == Some(self.agents[index].id.as_str());
                self.check.demand(!open, "only what has ended is stopped", || format!("agent {index}: {reply_to}"));
                self.figures.count("stops heard by agents");
                let agent = &mut self.agents[index];
                agent.disk.inbox.remove(&reply_to.0);
                agent.disk.outbox.remove(&reply_to.0);
                agent.running.remove(&reply_to.0);
            }
            ServerFrame::Accepted { id, seq } => {
                let result = accepted(&self.check.truth, id.as_str(), *seq);
                self.check.hold(result);
                if let Some(frame) = answered(id).and_then(|question| self.agents[index].disk.outbox.remove(&question))
                {
                    let stored = &self.check.truth.rows[&seq.0].text;
                    let same = says(&frame, stored);
                    self.check.demand(same, "the answer that is accepted is the one that is stored", || {
                        format!("agent {index}: {frame:?}")
                    });
                }
            }
            ServerFrame::Restream { reply_to } => {
                if let Some(running) = self.agents[index].running.get_mut(&reply_to.0) {
                    running.sent = 0;
                }
            }
            ServerFrame::Error { code, id, .. } => self.agent_refused(index, *code, id.as_ref()),
            ServerFrame::Delta { .. }
            | ServerFrame::Fetch(_)
            | ServerFrame::Presence { .. }
            | ServerFrame::State { .. } => {
                self.check.demand(false, "this frame is for devices", || format!("agent {index}: {frame:?}"));
            }
            ServerFrame::Unknown => {}
        }
    }

    fn agent_welcomed(&mut self, index: usize, cursor: Cursor, resumed: &Resumed) {
        let agent = &mut self.agents[index];
        agent.welcomed = true;
        let after = match *resumed {
            Resumed::Continued { after } | Resumed::Started { after } => after,
            Resumed::Gap { to, reason: GapReason::Epoch, .. } => {
                agent.disk = Disk::default();
                agent.running.clear();
                to
            }
            Resumed::Gap { .. } => {
                self.check.demand(false, "this gap cannot be", || format!("agent {index}: {resumed:?}"));
                return;
            }
        };
        agent.disk.cursor = Some(Cursor { epoch: cursor.epoch, seq: after });
    }

    fn agent_stores(&mut self, index: usize, envelope: &Envelope) {
        let agent = &mut self.agents[index];
        let cursor = agent.disk.cursor.map_or(0, |cursor| cursor.seq.0);
        let seq = envelope.seq.0;
        self.check.demand(agent.welcomed && seq > cursor, "an agent hears each question once, in order", || {
            format!("agent {index} at {cursor} hears {seq}")
        });
        let meant = self.check.truth.rows[&seq].agent.as_deref() == Some(agent.id.as_str());
        self.check.demand(meant, "an agent hears its own questions", || format!("agent {index} hears {seq}"));
        agent.disk.cursor = agent.disk.cursor.map(|cursor| Cursor { seq: envelope.seq, ..cursor });
        agent.to_ack = Some(seq);
        // After a hello without cursor it may be one that it has.
        if !agent.disk.outbox.contains_key(&seq) {
            let question = (envelope.conversation.to_string(), envelope.id.to_string());
            agent.disk.inbox.insert(seq, question);
        }
    }

    fn agent_refused(&mut self, index: usize, code: Code, id: Option<&MessageId>) {
        let question = id.and_then(answered);
        let naughty = self.agents[index].naughty;
        let is_out = self.agents[index].peer.is_some_and(|peer| self.rights.out.contains(&peer));
        let Some(question) = question else {
            let is_out = is_out && code == Code::Unauthorized;
            let passing = naughty || is_out || matches!(code, Code::Replaced | Code::Silent);
            self.check.demand(passing, "an agent that behaves is not refused", || format!("agent {index}: {code}"));
            return;
        };
        match code {
            Code::AlreadyReplied => {
                let ended = !self.check.truth.open.contains(&question);
                self.check.demand(ended, "already_replied is true", || format!("agent {index}: {question}"));
                self.agents[index].disk.outbox.remove(&question);
            }
            Code::Internal | Code::QueueFull | Code::Unavailable => {}
            Code::NotFound if !naughty => {
                let there = self.check.truth.open.contains(&question);
                self.check.demand(!there, "not_found is true", || format!("agent {index}: {question}"));
                self.agents[index].disk.outbox.remove(&question);
            }
            _ => {
                let reason = format!("the relay refused the answer to {question}: {code}");
                if let Some(ClientFrame::Reply { .. }) = self.agents[index].disk.outbox.get(&question) {
                    self.agent_answers(index, question, ClientFrame::Fail { reply_to: Seq(question), reason });
                }
            }
        }
    }
}

/// The question that `reply:{seq}` answers.
fn answered(id: &MessageId) -> Option<u64> {
    id.as_str().strip_prefix("reply:")?.parse().ok()
}

/// Whether a stored text is what this frame says.
pub fn says(frame: &ClientFrame, stored: &str) -> bool {
    match frame {
        ClientFrame::Reply { text, .. } => stored == text,
        _ => false,
    }
}
