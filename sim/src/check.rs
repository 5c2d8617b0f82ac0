//! The rules of what the relay says: each frame that leaves it is held against what is committed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::limit::{BATCH_FRAMES_MAX, FRAME_BYTES_MAX, WINDOW_MESSAGES};
use protocol::{Author, Cursor, Envelope, GapReason, Resumed, Seq, ServerFrame, State};
use relay::hub::{Peer, PeerId, Role};
use relay::limit::{DELIVERIES_MAX, DELIVERY_MS_MAX, LAST_MESSAGES_DEFAULT, LAST_MESSAGES_MAX, STREAMS_MAX};
use relay::store::Delivery;

use crate::clock::SKEW_MS_MAX;
use crate::network::Said;
use crate::truth::{Row, Truth};

/// A rule that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub rule: String,
    /// By what.
    pub detail: String,
}

impl Broken {
    /// This rule, by this.
    pub fn new(rule: &str, detail: String) -> Broken {
        Broken { rule: rule.to_owned(), detail }
    }
}

/// What was said on one connection.
struct Line {
    /// The session or key that opened it.
    by: String,
    /// The agent at its other end, if it is one.
    agent: Option<String>,
    greeted: bool,
    hello: Option<(Option<Cursor>, Option<u64>)>,
    /// The last message sent.
    sent: u64,
    /// Messages sent beyond the last `ack`.
    unacked: VecDeque<u64>,
}

/// Holds what the relay says against what it committed.
#[derive(Default)]
pub struct Checker {
    /// What is committed.
    pub truth: Truth,
    /// The first rule that was not kept.
    pub broken: Option<Broken>,
    lines: BTreeMap<PeerId, Line>,
    /// Whom the input being handled told to stop which question.
    stopped: BTreeSet<(PeerId, u64)>,
    /// When a part of an answer was first handed to its platform.
    pub first_tries: BTreeMap<(u64, u32), u64>,
    /// When something was first to be handed to its platform, also if the process died then.
    pub first_handed: BTreeMap<u64, u64>,
}

impl Checker {
    /// A rule, and by what it is broken if it is.
    pub fn demand(&mut self, kept: bool, rule: &str, detail: impl FnOnce() -> String) {
        if !kept && self.broken.is_none() {
            self.broken = Some(Broken::new(rule, detail()));
        }
    }

    /// Takes over the result of a rule.
    pub fn hold(&mut self, result: Result<(), Broken>) {
        if let Err(broken) = result {
            self.broken.get_or_insert(broken);
        }
    }

    /// A socket was opened.
    pub fn opened(&mut self, peer: PeerId, role: &Role, by: &str) {
        let agent = match role {
            Role::Agent { id, .. } => Some(id.to_string()),
            Role::Device | Role::Egress { .. } => None,
        };
        let line = Line { by: by.to_owned(), agent, greeted: false, hello: None, sent: 0, unacked: VecDeque::new() };
        self.lines.insert(peer, line);
    }

    /// The open sockets of which this holds: what let them in, and which agent they are.
    pub fn holders(&self, is: impl Fn(&str, Option<&str>) -> bool) -> Vec<PeerId> {
        let lines = self.lines.iter().filter(|(_, line)| is(&line.by, line.agent.as_deref()));
        lines.map(|(&peer, _)| peer).collect()
    }

    /// The agent that a socket is, once it said `hello`.
    pub fn agent_at(&self, peer: PeerId) -> Option<&str> {
        self.lines.get(&peer).filter(|line| line.greeted)?.agent.as_deref()
    }

    /// A socket is gone: nothing may be said there any more.
    pub fn closed(&mut self, peer: PeerId) {
        self.lines.remove(&peer);
    }

    /// All sockets are gone.
    pub fn crashed(&mut self) {
        self.lines.clear();
    }

    /// The relay has taken what a client said.
    pub fn said(&mut self, peer: PeerId, said: &Said) {
        let Some(line) = self.lines.get_mut(&peer) else { return };
        if let Some(ack) = said.ack.filter(|&ack| line.greeted && ack <= line.sent) {
            while line.unacked.front().is_some_and(|&seq| seq <= ack) {
                line.unacked.pop_front();
            }
        }
        if said.hello.is_some() && line.hello.is_none() {
            line.hello = said.hello;
        }
    }

    /// The relay sent this text to one peer.
    pub fn sent(&mut self, peer: PeerId, text: &str, frames: &[ServerFrame]) {
        self.demand(text.len() <= FRAME_BYTES_MAX, "a frame is at most 1 MiB", || format!("{} bytes", text.len()));
        self.demand(frames.len() <= BATCH_FRAMES_MAX, "a batch is at most 64 frames", || format!("{}", frames.len()));
        for frame in frames {
            let Some(line) = self.lines.get(&peer) else {
                self.demand(false, "nothing is said to a closed socket", || format!("{peer:?}: {text}"));
                return;
            };
            let others = |it: &Line, agent: &str| it.greeted && it.agent.as_deref() == Some(agent);
            if let (ServerFrame::Welcome { .. }, Some(agent)) = (frame, line.agent.clone()) {
                let older = self.lines.iter().find(|(id, it)| **id != peer && others(it, &agent)).map(|(id, _)| *id);
                self.demand(older.is_none(), "an agent has one connection", || format!("{agent}: {older:?}, {peer:?}"));
            }
            let Some(line) = self.lines.get_mut(&peer) else { return };
            let result = match frame {
                ServerFrame::Error { .. } => Ok(()),
                ServerFrame::Welcome { cursor, resumed, .. } => line.welcome(&self.truth, *cursor, resumed),
                _ if !line.greeted => Err(Broken::new("nothing is said before welcome", format!("{frame:?}"))),
                ServerFrame::Message(envelope) => line.message(&self.truth, envelope),
                ServerFrame::Accepted { id, seq } => accepted(&self.truth, id.as_str(), *seq),
                ServerFrame::State { seq, state, .. } => told(&self.truth, *seq, *state),
                ServerFrame::Stop { reply_to } => {
                    self.stopped.insert((peer, reply_to.0));
                    Ok(())
                }
                _ => Ok(()),
            };
            self.hold(result);
        }
    }

    /// All that an input brought was said: an agent that has a question which ended without it was told so.
    pub fn said_all(&mut self) {
        let stopped = std::mem::take(&mut self.stopped);
        let is_ended =
            |row: &&Row| matches!(row.outcome.as_deref(), Some("expired" | "stopped")) && row.agent.is_some();
        let ended = self.truth.ended.iter().map(|seq| &self.truth.rows[seq]).filter(is_ended);
        let untold = ended.into_iter().find_map(|row| {
            let has_it = |line: &Line| line.greeted && line.agent == row.agent && line.sent >= row.seq;
            let mut peers = self.lines.iter().filter(|(_, line)| has_it(line)).map(|(&peer, _)| peer);
            peers.find(|&peer| !stopped.contains(&(peer, row.seq))).map(|peer| (peer, row.seq))
        });
        self.demand(untold.is_none(), "an agent hears at once what has ended without it", || format!("{untold:?}"));
    }

    /// The relay keeps this with a socket.
    pub fn attached(&mut self, peer: &Peer, bytes: usize) {
        self.demand(bytes < ATTACHMENT_BYTES_MAX, "an attachment is less than 16 KiB", || format!("{bytes} bytes"));
        let streams = peer.streaming.len();
        self.demand(streams <= STREAMS_MAX, "a peer streams at most 32 answers", || format!("{streams}: {peer:?}"));
    }

    /// The relay hands these answers to platforms at once.
    pub fn handed(&mut self, now: u64, deliveries: &[Delivery]) {
        let count = deliveries.len();
        self.demand(count <= DELIVERIES_MAX, "at most 6 answers are handed over at once", || format!("{count}"));
        for delivery in deliveries {
            let result = self.handed_one(now, delivery);
            self.hold(result);
        }
    }

    fn handed_one(&mut self, now: u64, delivery: &Delivery) -> Result<(), Broken> {
        let seq = delivery.seq.0;
        let truth = &self.truth;
        let beside = truth.beside.get(&seq).copied();
        let row = truth.rows.get(&seq).filter(|row| row.reply_to.or(beside) == Some(delivery.question.0));
        let origin = truth.rows.get(&delivery.question.0).and_then(|row| row.origin.as_deref());
        let right = row.is_some_and(|row| row.text == delivery.text) && origin == Some(&delivery.origin.message);
        if !right {
            return Err(Broken::new("an answer goes where its question came from", format!("{delivery:?}")));
        }
        if delivery.is_answer != row.is_some_and(|row| row.author == "agent" && row.reply_to.is_some()) {
            return Err(Broken::new("only an answer is an answer", format!("{delivery:?}")));
        }
        if !truth.deliveries.contains_key(&seq) {
            return Err(Broken::new("what is finished is not handed over", format!("{delivery:?}")));
        }
        let conversation = truth.rows[&seq].conversation.as_str();
        let first = truth.first_deliveries().get(conversation).copied();
        if first != Some(seq) {
            let detail = format!("{seq} before {first:?} in {conversation}");
            return Err(Broken::new("answers of a conversation are handed over in order", detail));
        }
        let first = *self.first_tries.entry((seq, delivery.part)).or_insert(now);
        if now > first + DELIVERY_MS_MAX + 2 * SKEW_MS_MAX {
            let detail = format!("{seq} was first tried {} ms ago", now - first);
            return Err(Broken::new("an answer is tried for 50 minutes", detail));
        }
        Ok(())
    }

    /// What a peer with room has not been sent, although it should.
    pub fn missing(&self, peer: PeerId, all_short: bool) -> Option<u64> {
        // After 1 MiB the rest follows the next `ack`.
        let line = self.lines.get(&peer).filter(|line| line.greeted && (all_short || line.unacked.is_empty()))?;
        match &line.agent {
            Some(agent) => next_open(&self.truth, agent, line.sent),
            None => self.truth.next_row(line.sent).map(|row| row.seq),
        }
    }
}

impl Line {
    fn welcome(&mut self, truth: &Truth, cursor: Cursor, resumed: &Resumed) -> Result<(), Broken> {
        let wrong = |why: &str| Err(Broken::new("welcome is true", format!("{why}: {cursor} {resumed:?}")));
        if cursor.epoch != truth.epoch || cursor.seq.0 != truth.head() {
            return wrong("not the end of the timeline");
        }
        let Some((known, last)) = self.hello else { return wrong("nobody said hello") };
        let trimmed = truth.trimmed_upto;
        let newest = match self.agent {
            Some(_) => 0,
            None => {
                let last = last.unwrap_or(LAST_MESSAGES_DEFAULT).min(LAST_MESSAGES_MAX);
                truth.head().saturating_sub(last).max(trimmed)
            }
        };
        let (expected, after) = match known {
            None => (Resumed::Started { after: Seq(newest) }, newest),
            Some(known) if known.epoch != truth.epoch => {
                (Resumed::Gap { from: Seq(0), to: Seq(newest), reason: GapReason::Epoch }, newest)
            }
            Some(known) if known.seq.0 > truth.head() => {
                let from = Seq(truth.head() + 1);
                (Resumed::Gap { from, to: known.seq, reason: GapReason::Ahead }, truth.head())
            }
            Some(known) if self.agent.is_none() && known.seq.0 < trimmed => {
                let from = Seq(known.seq.0 + 1);
                (Resumed::Gap { from, to: Seq(trimmed), reason: GapReason::Trimmed }, trimmed)
            }
            Some(known) => (Resumed::Continued { after: known.seq }, known.seq.0),
        };
        if *resumed != expected {
            return wrong(&format!("expected {expected:?}"));
        }
        self.greeted = true;
        self.sent = after;
        self.unacked.clear();
        Ok(())
    }

    fn message(&mut self, truth: &Truth, envelope: &Envelope) -> Result<(), Broken> {
        let seq = envelope.seq.0;
        let expected = match &self.agent {
            None => truth.next_row(self.sent).map(|row| row.seq),
            Some(agent) => {
                // What this very input ended may have been sent before it did, or not.
                let open = next_open(truth, agent, self.sent);
                if truth.ended.contains(&seq) && seq > self.sent { Some(seq) } else { open }
            }
        };
        if expected != Some(seq) {
            let detail = format!("{seq} after {}, expected {expected:?} ({:?})", self.sent, self.agent);
            return Err(Broken::new("messages are sent in order, once, without a hole", detail));
        }
        self.sent = seq;
        self.unacked.push_back(seq);
        if self.unacked.len() as u64 > WINDOW_MESSAGES {
            let detail = format!("{} messages are not acknowledged", self.unacked.len());
            return Err(Broken::new("no more than a window is sent ahead", detail));
        }
        let row = &truth.rows[&seq];
        let same = (envelope.id.as_str(), envelope.conversation.as_str(), envelope.text.as_str(), envelope.at_ms.0)
            == (row.id.as_str(), row.conversation.as_str(), row.text.as_str(), row.at_ms)
            && envelope.reply_to.map(|seq| seq.0) == row.reply_to
            && speaker(&envelope.from) == (row.name.as_deref(), row.in_group);
        if !same {
            return Err(Broken::new("a message is sent as it is stored", format!("{envelope:?} is {row:?}")));
        }
        match envelope.state {
            Some(state) => told(truth, envelope.seq, state),
            None if row.is_question() => Err(Broken::new("a question has a state", format!("{envelope:?}"))),
            None => Ok(()),
        }
    }
}

/// A person's name, and whether they wrote in a group.
fn speaker(from: &Author) -> (Option<&str>, bool) {
    if let Author::User { name, group, .. } = from { (name.as_deref(), *group) } else { (None, false) }
}

/// An id that a peer is told to be there is there.
pub fn accepted(truth: &Truth, id: &str, seq: Seq) -> Result<(), Broken> {
    let there = |row: &Row| row.id == id;
    // A failure that needs no words of its own is at its question, and so is silence.
    let is_it = |row: &Row| matches!(row.outcome.as_deref(), Some("failed" | "silent"));
    let failed = |row: &Row| id == format!("reply:{seq}") && is_it(row);
    if truth.rows.get(&seq.0).is_some_and(|row| there(row) || failed(row)) {
        return Ok(());
    }
    Err(Broken::new("accepted means committed", format!("{id} is not at {seq}")))
}

/// A state that is told is not behind the truth.
fn told(truth: &Truth, seq: Seq, state: State) -> Result<(), Broken> {
    let Some(row) = truth.rows.get(&seq.0).filter(|row| row.is_question()) else {
        return Err(Broken::new("questions have states", format!("{seq} is {state:?}")));
    };
    let is_true = match state {
        State::Queued | State::Delivered | State::Replying => row.outcome.is_none() || truth.ended.contains(&seq.0),
        State::Replied => truth.answers.contains_key(&seq.0) || outcome_is(row, state),
        State::Failed | State::Expired => outcome_is(row, state),
        State::Unknown => false,
    };
    if is_true { Ok(()) } else { Err(Broken::new("a state that is told is true", format!("{state:?}: {row:?}"))) }
}

/// Whether a stored outcome reads as this state.
pub fn outcome_is(row: &Row, state: State) -> bool {
    match row.outcome.as_deref() {
        None => matches!(state, State::Queued | State::Delivered | State::Replying),
        Some("failed" | "stopped") => state == State::Failed,
        Some("replied" | "silent") => state == State::Replied,
        Some("expired") => state == State::Expired,
        Some(_) => false,
    }
}

fn next_open(truth: &Truth, agent: &str, after: u64) -> Option<u64> {
    let mut open = truth.open.range(after + 1..);
    open.find(|seq| truth.rows[seq].agent.as_deref() == Some(agent)).copied()
}

/// Cloudflare's limit.
const ATTACHMENT_BYTES_MAX: usize = 16 * 1024;
