//! One user's relay: every input that can reach it, and what is to be done about it.
//!
//! State that must survive is in [`Store`]; what is in memory (peers, streams) is either in the sockets' attachments
//! or made again by the peers. [`Hub::handle`] either succeeds whole or, when the store fails, must be taken as never
//! having happened: the shell rolls the transaction back and restores the Hub.

mod answer;
mod peer;
mod resume;
mod stream;

use std::collections::{BTreeMap, BTreeSet};

use protocol::limit::{FRAME_BYTES_MAX, PING_INTERVAL_MS, TEXT_BYTES_MAX, WINDOW_MESSAGES};
use protocol::{
    AgentId, AgentPresence, ClientFrame, Code, ConversationId, Cursor, Envelope, MessageId, Seq, ServerFrame, State,
    Timestamp, UserId, decode, encode,
};

use crate::limit::*;
use crate::platform::Sent;
use crate::store::{Agent, Conversation, Delivery, Message, Question, Sql, Store};
use stream::Stream;

pub use peer::{Peer, PeerId, Role};

/// Everything that can happen to one user's relay.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer sent bytes instead of text.
    Binary(PeerId),
    /// A peer's socket is gone.
    Closed(PeerId),
    /// What became of a [`Output::Deliver`]. Once all are in, another [`Input::Tick`] asks for more.
    Delivered(Seq, Sent),
    /// A socket was accepted; its token said what it is.
    Opened(PeerId, Role),
    /// A webhook brought a question.
    Posted(Question),
    /// A peer sent a text.
    Received(PeerId, String),
    /// These peers sent no heartbeat for [`SILENCE_MS_MAX`]: a phone that lost its network, a laptop that went to sleep.
    Silent(Vec<PeerId>),
    /// The alarm fired, or everything it was to deliver is done with.
    Tick,
    /// The Hub was restored: alarms may have been lost meanwhile.
    Woken,
}

/// Everything the shell may be asked to do, in the order returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Keep this in the socket's attachment.
    Attach(PeerId, Peer),
    /// Close the socket with this code and reason.
    Close(PeerId, u16, Code),
    /// Hand this answer to its platform, and come back with [`Input::Delivered`].
    Deliver(Delivery),
    /// What became of an [`Input::Posted`].
    Posted(Result<Posted, Refusal>),
    /// Send this text to these sockets.
    Send(Vec<PeerId>, String),
    /// Set the alarm, in place of any other.
    WakeAt(Timestamp),
}

/// A question that is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Its place.
    pub seq: Seq,
    /// False when the same id was there before: nothing else happened then.
    pub new: bool,
}

/// A question that was not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// In words.
    pub detail: String,
}

/// One user's relay.
pub struct Hub<S> {
    store: Store<S>,
    user: UserId,
    epoch: u64,
    head: Seq,
    trimmed: Seq,
    agents: Vec<Agent>,
    default_agent: Option<AgentId>,
    peers: BTreeMap<PeerId, Peer>,
    streams: BTreeMap<Seq, Stream>,
    /// Questions without an answer, once they were counted.
    open: Option<u64>,
    /// When the alarm is set to, as far as this instance knows.
    wake_at: Option<Timestamp>,
    /// Peers whose attachment is out of date.
    touched: BTreeSet<PeerId>,
    /// Outputs of the input being handled.
    outputs: Vec<Output>,
}

impl<S: Sql> Hub<S> {
    /// Wakes: reads what is stored, and takes over the sockets that outlived hibernation.
    /// `user` must be there the first time, and is remembered. [`Input::Woken`] must be the first input.
    pub fn restore(
        user: Option<UserId>,
        sql: S,
        now: Timestamp,
        peers: impl IntoIterator<Item = (PeerId, Peer)>,
    ) -> Result<Hub<S>, S::Error> {
        let store = Store::open(sql, now)?;
        Ok(Hub {
            user: store.owner(user)?,
            epoch: store.epoch()?,
            head: store.head()?,
            trimmed: store.trimmed()?,
            agents: store.agents()?,
            default_agent: store.default_agent()?,
            peers: peers.into_iter().collect(),
            streams: BTreeMap::new(),
            open: None,
            wake_at: None,
            touched: BTreeSet::new(),
            outputs: Vec::new(),
            store,
        })
    }

    /// Decides what follows from an input.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Output>, S::Error> {
        match input {
            Input::Binary(peer) => self.refuse(peer, 1003, Code::BinaryFrame, "frames are text, as JSON"),
            Input::Closed(peer) => self.forget(peer),
            Input::Delivered(seq, sent) => self.delivered(now, seq, sent)?,
            Input::Opened(peer, role) => {
                self.peers.insert(peer, Peer::new(role, now));
                self.touched.insert(peer);
            }
            Input::Posted(question) => {
                let posted = self.post(now, question)?;
                self.outputs.push(Output::Posted(posted));
            }
            Input::Received(peer, text) => self.received(now, peer, &text)?,
            Input::Silent(peers) => {
                for peer in peers {
                    self.refuse(peer, 4408, Code::Silent, "no heartbeat");
                }
            }
            Input::Tick => {
                self.wake_at = None;
                self.due(now)?;
            }
            Input::Woken => self.arm()?,
        }
        for id in std::mem::take(&mut self.touched) {
            if let Some(peer) = self.peers.get(&id) {
                self.outputs.push(Output::Attach(id, peer.clone()));
            }
        }
        Ok(std::mem::take(&mut self.outputs))
    }

    /// Uses up a ticket. False when it was used before.
    pub fn spend_ticket(&self, now: Timestamp, id: &str) -> Result<bool, S::Error> {
        self.store.spend_ticket(id, now, now.plus_ms(TICKET_MS))
    }

    /// Whether another socket may be accepted: at most [`SOCKETS_MAX`].
    pub fn has_room(&self) -> bool {
        self.peers.len() < SOCKETS_MAX
    }

    /// Peers that were heard of too long ago; `heard` is a peer's last heartbeat, if it sent any.
    pub fn silent(&self, now: Timestamp, heard: impl Fn(PeerId) -> Option<Timestamp>) -> Vec<PeerId> {
        let last = |id: PeerId, peer: &Peer| heard(id).unwrap_or(peer.opened).max(peer.opened);
        let silent = |(&id, peer): (&PeerId, &Peer)| (last(id, peer).plus_ms(SILENCE_MS_MAX) < now).then_some(id);
        self.peers.iter().filter_map(silent).collect()
    }

    /// One page of a conversation, oldest first, and the cursor of the page before it.
    pub fn page(
        &self,
        conversation: &ConversationId,
        before: Option<Cursor>,
        limit: u64,
    ) -> Result<Result<Page, Refusal>, S::Error> {
        let before = match before {
            None => Seq(self.head.0 + 1),
            Some(cursor) if cursor.epoch == self.epoch => cursor.seq,
            Some(_) => return Ok(Err(refusal(Code::BadCursor, "before: this cursor is of another timeline"))),
        };
        let limit = limit.clamp(1, PAGE_MESSAGES_MAX);
        let (mut messages, mut bytes, mut before) = (Vec::new(), 0, before);
        // In parts, so that long messages are not all read only to be left out.
        let next = loop {
            let wanted = (limit - messages.len() as u64).min(REPLAY_MESSAGES);
            let part = self.store.page(conversation, before, wanted)?;
            let is_last = (part.len() as u64) < wanted;
            for message in part {
                bytes += message.envelope.text.len();
                if bytes > PAGE_BYTES_MAX && !messages.is_empty() {
                    break;
                }
                before = message.envelope.seq;
                messages.push(self.present(message));
            }
            if bytes > PAGE_BYTES_MAX || messages.len() as u64 == limit {
                break Some(self.cursor(before));
            }
            if is_last {
                break None;
            }
        };
        messages.reverse();
        Ok(Ok(Page { messages, next }))
    }

    /// The conversations, the one with the newest message first, at most [`CONVERSATIONS_MAX`].
    pub fn conversations(&self) -> Result<Vec<Conversation>, S::Error> {
        self.store.conversations()
    }

    fn received(&mut self, now: Timestamp, id: PeerId, text: &str) -> Result<(), S::Error> {
        let frames = match decode::<ClientFrame>(text) {
            Ok(frames) => frames,
            Err(error) => {
                let (code, detail) = (error.code(), error.to_string());
                match self.peers.get(&id) {
                    Some(_) if code == Code::FrameTooLarge => self.refuse(id, 1009, code, &detail),
                    Some(peer) if !peer.greeted => self.refuse(id, 4400, code, &detail),
                    Some(_) => self.error(id, code, detail, None),
                    None => {}
                }
                return Ok(());
            }
        };
        for frame in frames {
            // A peer that was refused in the middle of a batch is gone.
            let Some(peer) = self.peers.get(&id) else { break };
            let agent = peer.agent().cloned();
            match (frame, agent) {
                (ClientFrame::Unknown, _) => {}
                (ClientFrame::Hello { cursor, last, capabilities, client: _ }, _) => {
                    self.hello(id, cursor, last, capabilities.iter().any(|c| c == "deltas"))?;
                }
                _ if !peer.greeted => self.refuse(id, 4400, Code::BadFrame, "the first frame must be hello"),
                (ClientFrame::Ack { seq }, _) => self.ack(id, seq)?,
                (ClientFrame::Delta { reply_to, offset, text }, Some(agent)) => {
                    self.delta(id, agent, reply_to, offset, text)?;
                }
                (ClientFrame::Fail { reply_to, reason }, Some(agent)) => {
                    self.answer(now, id, agent, reply_to, answer::Answer::Failure(reason))?;
                }
                (ClientFrame::Reply { reply_to, text }, Some(agent)) => {
                    self.answer(now, id, agent, reply_to, answer::Answer::Text(text))?;
                }
                (ClientFrame::Send { id: message, conversation, text }, None) => {
                    self.send(now, id, message, conversation, text)?;
                }
                (ClientFrame::Delta { .. } | ClientFrame::Fail { .. } | ClientFrame::Reply { .. }, None) => {
                    self.error(id, Code::BadFrame, "type: this frame is for agents, with an agent key".into(), None);
                }
                (ClientFrame::Send { id: message, .. }, Some(_)) => {
                    self.error(id, Code::BadFrame, "type: send is for devices".into(), Some(message));
                }
            }
        }
        Ok(())
    }

    /// A device's question.
    fn send(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        id: MessageId,
        conversation: Option<ConversationId>,
        text: String,
    ) -> Result<(), S::Error> {
        if id.as_str().contains(':') {
            self.error(peer, Code::BadFrame, "id: ids with a colon are the relay's own".into(), Some(id));
            return Ok(());
        }
        let conversation = conversation.unwrap_or_else(|| "web".parse().expect("a fixed id"));
        let question = Question { id: id.clone(), conversation, via: "web".into(), sender: None, text, origin: None };
        match self.post(now, question)? {
            Ok(Posted { seq, .. }) => self.send_to(&[peer], &ServerFrame::Accepted { id, seq }),
            Err(Refusal { code, detail }) => self.error(peer, code, detail, Some(id)),
        }
        Ok(())
    }

    /// Stores a question once, and sends it to everyone who follows the timeline.
    fn post(&mut self, now: Timestamp, question: Question) -> Result<Result<Posted, Refusal>, S::Error> {
        if let Some((seq, _)) = self.store.message_by_id(&question.id)? {
            return Ok(Ok(Posted { seq, new: false }));
        }
        if question.text.is_empty() {
            return Ok(Err(refusal(Code::BadFrame, "text: must not be empty")));
        }
        if let Err(refusal) = check_length(&question.text) {
            return Ok(Err(refusal));
        }
        let open = match self.open {
            Some(open) => open,
            None => self.store.open_questions_count()?,
        };
        if open >= QUEUE_MESSAGES_MAX {
            return Ok(Err(refusal(Code::QueueFull, &format!("{open} questions wait for an answer"))));
        }
        if self.head.0 - self.trimmed.0 >= TIMELINE_MESSAGES_MAX {
            return Ok(Err(refusal(Code::QueueFull, &format!("the timeline has {TIMELINE_MESSAGES_MAX} messages"))));
        }
        self.open = Some(open + 1);
        let agent = self.default_agent.clone();
        let seq = self.next_seq();
        self.store.insert_question(seq, now, &question, agent.as_ref())?;
        let from = protocol::Author::User { via: question.via, sender: question.sender };
        let (id, conversation, text) = (question.id, question.conversation, question.text);
        let (reply_to, state, reason) = (None, Some(State::Queued), None);
        let envelope = Envelope { seq, id, conversation, from, reply_to, at_ms: now, text, state, reason };
        self.publish(envelope, agent.as_ref());
        self.trim(now)?;
        Ok(Ok(Posted { seq, new: true }))
    }

    /// Sends a message that was just stored to every peer that it concerns and that has all before it.
    /// The others are behind, and get it when they acknowledge.
    fn publish(&mut self, envelope: Envelope, agent: Option<&AgentId>) {
        let seq = envelope.seq;
        let mut to = Vec::new();
        for (&id, peer) in &mut self.peers {
            if !peer.greeted || peer.sent.0 + 1 != seq.0 {
                continue;
            }
            let concerned = match &peer.role {
                Role::Agent { id, .. } => agent == Some(id),
                Role::Device => true,
            };
            if concerned && !peer.has_room() {
                continue;
            }
            peer.sent = seq;
            if concerned {
                peer.last = seq;
                to.push(id);
            }
            self.touched.insert(id);
        }
        if !to.is_empty() {
            let text = encode(&ServerFrame::Message(envelope));
            self.outputs.push(Output::Send(to, text));
        }
    }

    /// A stored message as peers see it now.
    fn present(&self, Message { mut envelope, agent }: Message) -> Envelope {
        if envelope.state == Some(State::Queued) {
            envelope.state = Some(self.open_state(envelope.seq, agent.as_ref()));
        }
        envelope
    }

    /// How far an open question has come.
    fn open_state(&self, seq: Seq, agent: Option<&AgentId>) -> State {
        if self.peers.values().any(|peer| peer.streaming.contains(&seq)) {
            State::Replying
        } else if agent.is_some_and(|agent| seq <= self.acked(agent)) {
            State::Delivered
        } else {
            State::Queued
        }
    }

    /// Makes room once the history is over its limit.
    fn trim(&mut self, now: Timestamp) -> Result<(), S::Error> {
        let Some(upto) = self.head.0.checked_sub(HISTORY_MESSAGES_MAX) else { return Ok(()) };
        // In steps, so that most messages cost no deletion.
        if upto >= self.trimmed.0 + TRIM_ROWS_MAX {
            let before = Timestamp(now.0.saturating_sub(DEDUPE_MS_MIN));
            self.trimmed = self.store.trim(self.trimmed, Seq(upto), before)?;
        }
        Ok(())
    }

    /// Sets the alarm for the next delivery, unless it is set early enough.
    fn arm(&mut self) -> Result<(), S::Error> {
        if let Some(due) = self.store.next_delivery()?
            && self.wake_at.is_none_or(|at| due < at)
        {
            self.wake_at = Some(due);
            self.outputs.push(Output::WakeAt(due));
        }
        Ok(())
    }

    /// Says why, closes, and forgets the peer.
    fn refuse(&mut self, peer: PeerId, close: u16, code: Code, detail: &str) {
        self.error(peer, code, detail.to_owned(), None);
        self.outputs.push(Output::Close(peer, close, code));
        self.forget(peer);
    }

    /// A connection ended. An agent's unfinished answers begin anew when it is back.
    fn forget(&mut self, id: PeerId) {
        let Some(peer) = self.peers.remove(&id) else { return };
        self.touched.remove(&id);
        let Role::Agent { id: agent, .. } = peer.role else { return };
        if !peer.greeted || self.is_online(&agent) {
            return;
        }
        for seq in peer.streaming {
            self.streams.remove(&seq);
            self.tell_state(seq, State::Delivered, None);
        }
        self.tell_presence();
    }

    fn tell_state(&mut self, seq: Seq, state: State, reason: Option<String>) {
        self.send_to_devices(&ServerFrame::State { seq, state, reason }, |_| true);
    }

    fn tell_presence(&mut self) {
        let presence = self.presence();
        self.send_to_devices(&presence, |_| true);
    }

    fn presence(&self) -> ServerFrame {
        let presence = |agent: &Agent| AgentPresence {
            id: agent.id.clone(),
            name: agent.name.clone(),
            online: self.is_online(&agent.id),
        };
        ServerFrame::Presence { agents: self.agents.iter().map(presence).collect() }
    }

    fn is_online(&self, agent: &AgentId) -> bool {
        self.peers.values().any(|peer| peer.greeted && peer.agent() == Some(agent))
    }

    fn acked(&self, agent: &AgentId) -> Seq {
        self.agents.iter().find(|known| known.id == *agent).map_or(Seq(0), |known| known.acked)
    }

    fn cursor(&self, seq: Seq) -> Cursor {
        Cursor { epoch: self.epoch, seq }
    }

    fn next_seq(&mut self) -> Seq {
        self.head = Seq(self.head.0 + 1);
        self.head
    }

    fn error(&mut self, peer: PeerId, code: Code, detail: String, id: Option<MessageId>) {
        self.send_to(&[peer], &ServerFrame::Error { code, detail, id });
    }

    fn send_to(&mut self, peers: &[PeerId], frame: &ServerFrame) {
        self.outputs.push(Output::Send(peers.to_vec(), encode(frame)));
    }

    /// Sends a frame to every device that is `meant`.
    fn send_to_devices(&mut self, frame: &ServerFrame, meant: impl Fn(&Peer) -> bool) {
        let device = |peer: &Peer| peer.greeted && peer.role == Role::Device && meant(peer);
        let to: Vec<PeerId> = self.peers.iter().filter(|(_, peer)| device(peer)).map(|(&id, _)| id).collect();
        if !to.is_empty() {
            self.send_to(&to, frame);
        }
    }
}

/// One page of history.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Page {
    /// Oldest first.
    pub messages: Vec<Envelope>,
    /// Where the page before it begins; none at the start of history.
    pub next: Option<Cursor>,
}

fn refusal(code: Code, detail: &str) -> Refusal {
    Refusal { code, detail: detail.to_owned() }
}

/// A question or an answer has at most [`TEXT_BYTES_MAX`] bytes.
fn check_length(text: &str) -> Result<(), Refusal> {
    if text.len() <= TEXT_BYTES_MAX {
        return Ok(());
    }
    Err(refusal(Code::TextTooLong, &format!("text: {} bytes, at most {TEXT_BYTES_MAX}", text.len())))
}

/// Cuts a text that people read to [`REASON_BYTES_MAX`] bytes, between characters.
fn shorten(mut text: String) -> String {
    if text.len() > REASON_BYTES_MAX {
        text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
        text.push('…');
    }
    text
}
