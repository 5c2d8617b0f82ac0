//! Devices, as docs/protocol.md asks of them: a cursor, the messages, and what was written but not accepted, on disk.

use std::collections::BTreeMap;

use protocol::{ClientFrame, Code, Cursor, GapReason, MessageId, Resumed, ServerFrame, State, encode};
use relay::hub::{PeerId, Role};
use relay::limit::RESUME_STATES;

use crate::check::accepted;
use crate::network::{Down, Owner, Said, Up};
use crate::truth::Row;
use crate::world::World;

/// One device.
#[derive(Default)]
pub struct Device {
    /// Its connection.
    pub peer: Option<PeerId>,
    /// That connection's `hello` was answered.
    pub welcomed: bool,
    /// It shows answers while they are made.
    pub deltas: bool,
    /// It sent what the protocol does not allow: errors are what it deserves.
    pub naughty: bool,
    /// The number of its session.
    pub pass: u64,
    /// What it has, on disk.
    pub disk: Disk,
    /// The states that it shows; after a restart those that were stored with the messages.
    pub states: BTreeMap<u64, State>,
    /// States of older questions may be out of date.
    pub sure_from: u64,
    /// Answers while they are made, by question.
    pub shown: BTreeMap<u64, String>,
    /// Which agents are connected, as it was last told.
    pub presence: Option<BTreeMap<String, bool>>,
    /// It acknowledges nothing before this time.
    pub stalled_until: u64,
    /// Stored and not acknowledged.
    pub to_ack: Option<u64>,
    drafts: u64,
}

/// What outlives a restart.
#[derive(Default)]
pub struct Disk {
    /// How far it knows the timeline.
    pub cursor: Option<Cursor>,
    /// Every message after this place was to come, except in `gaps`.
    pub floor: u64,
    /// Messages that it was told not to expect.
    pub gaps: Vec<(u64, u64)>,
    /// Messages, and the state that each came with.
    pub kept: BTreeMap<u64, Option<State>>,
    /// Written, and not accepted.
    pub unsent: Vec<(MessageId, String, String)>,
}

impl World {
    /// A device connects and says hello.
    pub fn device_dials(&mut self, index: usize) {
        let Some(peer) = self.dial(Owner::Device(index), Role::Device) else { return };
        let last = if self.random.chance(300) { Some(self.random.skewed(600)) } else { None };
        let device = &mut self.devices[index];
        (device.peer, device.welcomed, device.naughty) = (Some(peer), false, false);
        device.deltas = self.random.chance(700);
        let capabilities = if device.deltas { vec!["deltas".to_owned()] } else { Vec::new() };
        let cursor = device.disk.cursor;
        let hello = ClientFrame::Hello { cursor, last, capabilities, open: Vec::new(), client: None };
        let said = Said { hello: Some((cursor, last)), ..Said::default() };
        self.network.up(peer, Up::Text(encode(&hello), said));
    }

    /// A device writes.
    pub fn device_drafts(&mut self, index: usize) {
        let number = self.random.below(self.profile.conversations as usize);
        let conversation = match self.random.below(10) {
            0 => format!("feishu:main:oc_{number}"),
            _ => format!("web-{number}"),
        };
        let device = &mut self.devices[index];
        device.drafts += 1;
        let id = format!("m{index}-{}", device.drafts);
        let text = self.words(&format!("from device: {id}"));
        let device = &mut self.devices[index];
        device.disk.unsent.push((id.parse().unwrap(), conversation, text));
        if device.welcomed {
            self.device_sends(index, true);
        }
    }

    /// A device ends a question: one that is open, or any.
    pub fn device_stops(&mut self, index: usize) {
        let device = &mut self.devices[index];
        let Some(peer) = device.peer.filter(|_| device.welcomed) else { return };
        let known: Vec<u64> = device.states.keys().copied().collect();
        let open: Vec<u64> = self.check.truth.open.iter().copied().filter(|seq| known.contains(seq)).collect();
        let from = if self.random.chance(800) { &open } else { &known };
        let Some(&seq) = self.random.pick(from) else { return };
        self.figures.count("stops sent");
        let frame = ClientFrame::Stop { reply_to: protocol::Seq(seq) };
        self.network.up(peer, Up::Text(encode(&frame), Said::default()));
    }

    /// A device sends what was not accepted: all of it, or the newest.
    pub fn device_sends(&mut self, index: usize, newest: bool) {
        let device = &self.devices[index];
        let Some(peer) = device.peer.filter(|_| device.welcomed) else { return };
        let skip = if newest { device.disk.unsent.len().saturating_sub(1) } else { 0 };
        for (id, conversation, text) in &device.disk.unsent[skip..] {
            let (id, conversation) = (id.clone(), Some(conversation.parse().unwrap()));
            let frame = ClientFrame::Send { id, conversation, text: text.clone(), files: Vec::new() };
            self.network.up(peer, Up::Text(encode(&frame), Said::default()));
        }
    }

    /// A device acknowledges what it stored.
    pub fn device_acks(&mut self, index: usize) {
        let now = self.clock.true_ms;
        let device = &mut self.devices[index];
        if device.welcomed
            && device.stalled_until <= now
            && let (Some(peer), Some(seq)) = (device.peer, device.to_ack.take())
        {
            let frame = encode(&ClientFrame::Ack { seq: protocol::Seq(seq) });
            self.network.up(peer, Up::Text(frame, Said { ack: Some(seq), ..Said::default() }));
        }
    }

    /// A device's program ends, and its connection with it.
    pub fn device_crashes(&mut self, index: usize) {
        let device = &mut self.devices[index];
        device.states = device.disk.kept.iter().filter_map(|(&seq, state)| Some((seq, (*state)?))).collect();
        if let Some(peer) = self.device_leaves(index) {
            self.cut(peer);
        }
    }

    /// A device's disk is wiped.
    pub fn device_wiped(&mut self, index: usize) {
        self.device_crashes(index);
        self.devices[index].disk = Disk::default();
        self.devices[index].states.clear();
    }

    /// A device's disk is that of another timeline.
    pub fn device_foreign(&mut self, index: usize) {
        self.device_wiped(index);
        let (epoch, seq) = (self.random.between(1, 1_000), protocol::Seq(self.random.between(0, 500)));
        self.devices[index].disk.cursor = Some(Cursor { epoch, seq });
    }

    /// A device gives its connection up.
    pub fn device_leaves(&mut self, index: usize) -> Option<PeerId> {
        let device = &mut self.devices[index];
        let peer = device.peer.take()?;
        (device.welcomed, device.to_ack, device.presence) = (false, None, None);
        device.shown.clear();
        if let Some(connection) = self.network.connections.get_mut(&peer) {
            connection.client = false;
        }
        Some(peer)
    }

    /// A device hears something; it may die after so many frames of it.
    pub fn device_hears(&mut self, index: usize, down: Down, dies_after: Option<usize>) {
        let frames = match down {
            Down::Close(code) => {
                self.device_closed(index, code);
                return;
            }
            Down::Frames(frames) => frames,
        };
        for (at, frame) in frames.iter().enumerate() {
            if dies_after == Some(at) {
                self.figures.count("clients that died in a batch");
                self.device_crashes(index);
                return;
            }
            self.device_reads(index, frame);
        }
    }

    fn device_closed(&mut self, index: usize, code: u16) {
        let device = &self.devices[index];
        let is_out = code == 4401 && device.peer.is_some_and(|peer| self.rights.out.contains(&peer));
        let deserved = device.naughty || is_out || matches!(code, 1006 | 1011 | 4408);
        self.check.demand(deserved, "a device that behaves is not closed", || format!("device {index}: {code}"));
        if code == 4400 {
            self.devices[index].disk.cursor = None;
            self.device_wiped(index);
        }
        self.device_leaves(index);
        if code == 4401 {
            self.begin_anew(Owner::Device(index));
        }
    }

    fn device_reads(&mut self, index: usize, frame: &ServerFrame) {
        let device = &mut self.devices[index];
        match frame {
            ServerFrame::Welcome { cursor, resumed, .. } => {
                device.welcomed = true;
                self.device_welcomed(index, *cursor, resumed);
                self.device_sends(index, false);
            }
            ServerFrame::Message(envelope) => {
                let seq = envelope.seq.0;
                let cursor = device.disk.cursor.unwrap_or(Cursor { epoch: 0, seq: protocol::Seq(0) });
                let new = seq > cursor.seq.0 && device.disk.kept.insert(seq, envelope.state).is_none();
                self.check.demand(new, "a device hears each message once, in order", || {
                    format!("device {index} at {cursor} hears {seq}")
                });
                device.disk.cursor = Some(Cursor { epoch: cursor.epoch, seq: envelope.seq });
                device.to_ack = Some(seq);
                if let Some(state) = envelope.state {
                    device.states.insert(seq, state);
                }
                if let Some(question) = envelope.reply_to.filter(|_| envelope.id.as_str().starts_with("reply:")) {
                    device.shown.remove(&question.0);
                }
            }
            ServerFrame::Accepted { id, seq } => {
                let unsent = device.disk.unsent.iter().position(|(known, ..)| known == id);
                if let Some((_, _, text)) = unsent.map(|at| device.disk.unsent.remove(at)) {
                    let same = self.check.truth.rows.get(&seq.0).is_some_and(|row| is_said(&text, row));
                    self.check.demand(same, "what is accepted is what was written", || format!("{id} at {seq}"));
                }
                let result = accepted(&self.check.truth, id.as_str(), *seq);
                self.check.hold(result);
            }
            ServerFrame::State { seq, state, .. } => {
                if device.disk.kept.contains_key(&seq.0) {
                    device.states.insert(seq.0, *state);
                }
            }
            ServerFrame::Delta { reply_to, offset, text } => self.device_shows(index, reply_to.0, *offset, text),
            ServerFrame::Presence { agents } => {
                device.presence = Some(agents.iter().map(|agent| (agent.id.to_string(), agent.online)).collect());
            }
            ServerFrame::Error { code, id, .. } => {
                let passing = matches!(code, Code::QueueFull | Code::Internal | Code::Unavailable | Code::Silent);
                let is_out = device.peer.is_some_and(|peer| self.rights.out.contains(&peer));
                let deserved = device.naughty || is_out && *code == Code::Unauthorized;
                self.check.demand(passing || deserved, "a device that behaves is not refused", || {
                    format!("device {index}: {code} {id:?}")
                });
            }
            ServerFrame::Fetch(_) | ServerFrame::Restream { .. } | ServerFrame::Stop { .. } => {
                self.check.demand(false, "this frame is for agents", || format!("device {index}"));
            }
            ServerFrame::Unknown => {}
        }
    }

    fn device_welcomed(&mut self, index: usize, cursor: Cursor, resumed: &Resumed) {
        let device = &mut self.devices[index];
        let after = match *resumed {
            Resumed::Continued { after } => after.0,
            Resumed::Started { after } => {
                device.disk.floor = after.0;
                after.0
            }
            Resumed::Gap { from, to, reason: GapReason::Trimmed } => {
                device.disk.gaps.push((from.0, to.0));
                to.0
            }
            Resumed::Gap { to, reason: GapReason::Epoch, .. } => {
                device.disk.kept.clear();
                device.states.clear();
                device.disk.floor = to.0;
                to.0
            }
            Resumed::Gap { .. } => {
                self.check.demand(false, "this gap cannot be", || format!("device {index}: {resumed:?}"));
                return;
            }
        };
        let told = matches!(resumed, Resumed::Continued { .. });
        device.sure_from = if told { after.saturating_sub(RESUME_STATES) + 1 } else { after + 1 };
        device.disk.cursor = Some(Cursor { epoch: cursor.epoch, seq: protocol::Seq(after) });
    }

    /// What a device shows of an answer is always the beginning of what an agent really says.
    fn device_shows(&mut self, index: usize, question: u64, offset: u64, text: &str) {
        let device = &mut self.devices[index];
        let shown = device.shown.entry(question).or_default();
        let units: Vec<u16> = shown.encode_utf16().collect();
        if offset > units.len() as u64 {
            return;
        }
        *shown = String::from_utf16_lossy(&units[..offset as usize]) + text;
        let shown = shown.clone();
        let deltas = device.deltas;
        self.check.demand(deltas, "deltas are for those who ask for them", || format!("device {index}"));
        let said = self.runs.get(&question).is_some_and(|runs| runs.iter().any(|run| run.starts_with(&shown)));
        self.check.demand(said, "what is shown was said", || format!("device {index}, question {question}: {shown}"));
    }
}

/// Whether a question is stored as it was written: without the name of the agent at its beginning, to which it goes, and
/// without the first of two slashes.
pub fn is_said(written: &str, row: &Row) -> bool {
    if written == row.text {
        return true;
    }
    if let Some(named) = written.strip_prefix("@name of ") {
        let to = named.split(' ').next();
        // A question for which there was no room is nobody's.
        return written.ends_with(&row.text) && (row.agent.is_none() || row.agent.as_deref() == to);
    }
    written.starts_with("//") && written.ends_with(&row.text)
}
