//! One user's relay: every input that can reach it, and what is to be done about it.
//!
//! State that must survive is in [`Store`]; what is in memory (peers, streams) is either in the sockets' attachments
//! or made again by the peers. [`Hub::handle`] either succeeds whole or, when the store fails, must be taken as never
//! having happened: the shell rolls the transaction back and restores the Hub.

mod answer;
mod ask;
mod batch;
mod command;
mod draft;
mod end;
mod event;
mod flood;
mod history;
mod hold;
mod known;
mod notice;
mod outbox;
mod peer;
mod press;
mod push;
mod queue;
mod receive;
mod resume;
mod revoke;
mod settings;
mod stream;
mod told;

use protocol::limit::{BUTTON_LABEL_BYTES_MAX, BUTTON_TEXT_BYTES_MAX, BUTTONS_MAX, PING_INTERVAL_MS, TEXT_BYTES_MAX};
use protocol::{
    AgentId, AgentPresence, Author, Button, ClientFrame, Code, ConversationId, Cursor, DecodeError, Envelope, Fetched,
    File, MessageId, Seq, ServerFrame, State, Timestamp, UserId, decode, encode,
};

use crate::auth::Keys;
use crate::file;
use crate::limit::*;
use crate::map::{Map, Set};
use crate::platform::{FILE_PART, Press, Pressed, Sent};
use crate::store::{Agent, Delivery, Origin, Outcome, Place, Question, Settings, Sql, Store, Timeline};
use flood::Allowance;
use hold::Hold;
use known::Known;
use queue::Queue;
use stream::Stream;

pub use command::is_command;
pub use draft::Drafted;
pub use event::{Before, EventKind, EventPage};
pub use history::{ConversationPage, DeadLetterPage, Page};
pub use hold::{Held, outbound};
pub use peer::{Pass, Peer, PeerId, Role};
pub use push::{Push, Target};
pub use told::Told;

/// Everything that can happen to one user's relay.
#[derive(Clone, Debug)]
pub enum Input {
    /// Nobody may come in, whatever they have; or, again, they may.
    Barred(bool),
    /// A peer sent bytes instead of text.
    Binary(PeerId),
    /// A peer's socket is gone.
    Closed(PeerId),
    /// What became of this part of a [`Output::Deliver`]. Another [`Input::Tick`] asks for more.
    Delivered(Seq, u32, Sent),
    /// The time that [`Output::FlushIn`] asked for is over.
    Flush,
    /// A socket was accepted; its token said what it is, and what let it in.
    Opened(PeerId, Role, Pass),
    /// A webhook brought a question.
    Posted(Question),
    /// Someone pressed a button under a message.
    Pressed(Press),
    /// The webhook of this question is about to have in its response this answer: this part of it, the last one or not.
    Passed(MessageId, Seq, u32, bool),
    /// Someone who is signed in, or an agent, says something unasked.
    Pushed(Push),
    /// The writer of this question took it back on its platform.
    Recalled(MessageId),
    /// The webhook that brought this question waits no more.
    Released(MessageId),
    /// An agent is no more.
    Removed(AgentId),
    /// A peer sent frames, or a text that holds none, of so many bytes: see [`Input::received`].
    Received(PeerId, usize, Result<Vec<ClientFrame>, DecodeError>),
    /// The writer of this question, by their id on the platform, wants no answer any more.
    Halted(MessageId, String),
    /// A person asks for a question that ended without an answer once more.
    Replayed(Seq),
    /// These sessions and keys ended.
    Revoked(Vec<String>),
    /// These peers sent no heartbeat for [`SILENCE_MS_MAX`]: a phone that lost its network, a laptop that went to sleep.
    Silent(Vec<PeerId>),
    /// This peer does not read: more than [`BUFFERED_BYTES_MAX`] wait for it.
    Stalled(PeerId),
    /// The alarm fired, or everything it was to deliver is done with.
    Tick,
    /// An agent said something without saying to which question, in so many bytes.
    Told(PeerId, usize, Told),
    /// The Hub was restored, or is not sure of its alarm, which is set to this time and may be lost.
    Woken(Option<Timestamp>),
}

impl Input {
    /// A peer sent a text.
    pub fn received(peer: PeerId, text: &str) -> Input {
        Input::Received(peer, text.len(), decode(text))
    }

    /// Whether it writes to the store once at most, so that it needs no transaction to happen whole or not at all.
    pub fn writes_once(&self) -> bool {
        let is_light = |frame: &ClientFrame| {
            matches!(frame, ClientFrame::Delta { .. } | ClientFrame::Fetched(_) | ClientFrame::Unknown)
        };
        match self {
            Input::Flush => true,
            Input::Received(_, _, Ok(frames)) => match frames.as_slice() {
                [ClientFrame::Ack { .. }] => true,
                frames => frames.iter().all(is_light),
            },
            _ => false,
        }
    }
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
    /// Show the answer to this question at its platform while it is made, or that it was stopped: [`Hub::draft`] says what there
    /// is.
    Draft(Seq),
    /// What became of a call that an agent carried.
    Fetched(Fetched),
    /// Come back with [`Input::Flush`] after so many milliseconds.
    FlushIn(u64),
    /// This question is open no more: a mark that it has at its platform goes.
    Over(Seq),
    /// Whether what an [`Input::Passed`] says may be in the response. If not, it goes another way, and the response without it.
    Passed(bool),
    /// What became of an [`Input::Posted`], [`Input::Pushed`] or [`Input::Replayed`].
    Posted(Result<Posted, Refusal>),
    /// What became of an [`Input::Pressed`].
    Pressed(Result<Pressed, Refusal>),
    /// Send this text to these sockets.
    Send(Vec<PeerId>, String),
    /// Set the alarm, in place of any other.
    WakeAt(Timestamp),
}

/// What the operator chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a question waits for its answer.
    pub ttl_ms: u64,
    /// What goes into the event log.
    pub log: Log,
    /// How many sockets a user may have.
    pub sockets: usize,
    /// How many frames a second one connection may send, for long.
    pub frames_per_s: u64,
    /// A random number that nobody else knows, drawn at each wake: the first one is kept, and ids are hashed with it.
    pub salt: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { ttl_ms: QUESTION_TTL_MS, log: Log::Ids, sockets: SOCKETS_MAX, frames_per_s: FRAMES_PER_S, salt: 0 }
    }
}

/// What goes into the event log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// Texts too.
    Bodies,
    /// Ids, counts, reasons and times.
    Ids,
    /// Nothing.
    Off,
}

/// A question, or what was said unasked, that is committed.
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
    options: Options,
    /// What the files are signed with that messages may name.
    keys: Keys,
    user: UserId,
    epoch: u64,
    head: Seq,
    trimmed: Seq,
    /// Their `acked` may be ahead of what is stored: it is in the attachment of the agent's socket while that is open.
    agents: Vec<Agent>,
    default_agent: Option<AgentId>,
    peers: Map<PeerId, Peer>,
    /// What each of them may still say, if it has said anything.
    allowances: Map<PeerId, Allowance>,
    streams: Map<Seq, Stream>,
    /// Webhooks that wait for the answer to their question, and the one whose question is about to come.
    holds: Map<Seq, Hold>,
    holding: Option<(MessageId, Timestamp)>,
    /// An [`Output::FlushIn`] is under way.
    is_flushing: bool,
    queue: Queue,
    /// The oldest message is too young to be trimmed until then, as far as that was looked at.
    young_until: Timestamp,
    /// Every question up to here has ended, as far as it is written down.
    settled: Seq,
    /// The ids in the timeline, once they were asked for, and what they are hashed with.
    known: Option<Known>,
    salt: u64,
    /// What is set for some conversations, as far as it was asked for.
    settings: Map<ConversationId, Settings>,
    /// The number of the newest event, once it was asked for.
    last_event: Option<u64>,
    /// Answers that were handed over and of which nothing was heard yet, and since when.
    flying: Map<Seq, Timestamp>,
    /// When the alarm is set to, as far as this instance knows.
    wake_at: Option<Timestamp>,
    /// Peers whose attachment is out of date.
    touched: Set<PeerId>,
    /// Outputs of the input being handled.
    outputs: Vec<Output>,
    /// Frames that it sends, and to whom.
    sends: Vec<(Vec<PeerId>, String)>,
    /// Bytes among them that a peer was behind by.
    replayed: usize,
}

impl<S: Sql> Hub<S> {
    /// Wakes: reads what is stored, and takes over the sockets that outlived hibernation.
    /// `user` must be there the first time, and is remembered. [`Input::Woken`] must be the first input.
    pub fn restore(
        user: Option<UserId>,
        sql: S,
        options: Options,
        now: Timestamp,
        peers: impl IntoIterator<Item = (PeerId, Peer)>,
    ) -> Result<Hub<S>, S::Error> {
        let (store, timeline) = Store::open(sql, user, options.salt, now)?;
        let Timeline { user, epoch, salt, head, trimmed, settled, default_agent } = timeline;
        let queue = Queue::new(store.open_questions(settled)?);
        let mut agents = store.agents()?;
        let mut peers: Map<PeerId, Peer> = peers.into_iter().collect();
        for peer in peers.values_mut() {
            peer.wake(head, &queue);
            if let Some(known) = agents.iter_mut().find(|known| peer.greeted && peer.agent() == Some(&known.id)) {
                known.acked = known.acked.max(peer.acked);
            }
        }
        Ok(Hub {
            options,
            keys: Keys::default(),
            user,
            epoch,
            head,
            trimmed,
            agents,
            default_agent,
            peers,
            allowances: Map::new(),
            streams: Map::new(),
            holds: Map::new(),
            holding: None,
            is_flushing: false,
            queue,
            young_until: Timestamp(0),
            settled,
            known: None,
            salt,
            settings: Map::new(),
            last_event: None,
            flying: Map::new(),
            wake_at: None,
            touched: Set::new(),
            outputs: Vec::new(),
            sends: Vec::new(),
            replayed: 0,
            store,
        })
    }

    /// With the keys that files are signed with. Without them no message may name one.
    pub fn with_keys(self, keys: Keys) -> Hub<S> {
        Hub { keys, ..self }
    }

    /// Decides what follows from an input.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Output>, S::Error> {
        self.replayed = 0;
        if self.wake_at.is_some_and(|at| at.plus_ms(ALARM_LATE_MS_MAX) < now) {
            self.wake_at = None;
            self.arm()?;
        }
        match input {
            Input::Barred(is_barred) => self.bar(now, is_barred)?,
            Input::Binary(peer) => self.refuse(now, peer, 1003, Code::BinaryFrame, "frames are text, as JSON")?,
            Input::Closed(peer) => self.forget(now, peer)?,
            Input::Delivered(seq, part, sent) => self.delivered(now, seq, part, sent)?,
            Input::Flush => self.flush(now),
            Input::Opened(peer, role, pass) => {
                self.peers.insert(peer, Peer::new(role, pass, now));
                self.touched.insert(peer);
            }
            Input::Posted(question) => {
                let posted = self.post(now, question, None)?;
                self.outputs.push(Output::Posted(posted));
            }
            Input::Pressed(press) => {
                let pressed = self.press(now, press)?;
                self.outputs.push(Output::Pressed(pressed));
            }
            Input::Passed(id, answer, part, is_last) => {
                let passed = self.pass(now, &id, answer, part, is_last)?;
                self.outputs.push(Output::Passed(passed));
            }
            Input::Pushed(push) => {
                let posted = self.push(now, push)?;
                self.outputs.push(Output::Posted(posted));
            }
            Input::Halted(id, sender) => self.halt(now, &id, &sender)?,
            Input::Recalled(id) => self.recall(now, &id)?,
            Input::Released(id) => self.release(now, &id)?,
            Input::Removed(agent) => self.remove_agent(now, &agent)?,
            Input::Received(peer, bytes, frames) => self.received(now, peer, bytes, frames)?,
            Input::Replayed(seq) => {
                let posted = self.replay(now, seq)?;
                self.outputs.push(Output::Posted(posted));
            }
            Input::Revoked(ids) => self.revoke(now, ids)?,
            Input::Silent(peers) => {
                for peer in peers {
                    self.refuse(now, peer, 4408, Code::Silent, "no heartbeat")?;
                }
            }
            Input::Stalled(peer) => {
                let detail = format!("more than {BUFFERED_BYTES_MAX} bytes were not read");
                self.refuse(now, peer, 4410, Code::Stalled, &detail)?;
            }
            Input::Tick => {
                self.wake_at = None;
                self.expire(now)?;
                self.due(now)?;
            }
            Input::Told(peer, bytes, told) => self.told(now, peer, bytes, told)?,
            Input::Woken(alarm) => {
                self.wake_at = alarm.filter(|at| now <= at.plus_ms(ALARM_LATE_MS_MAX));
                self.arm()?;
            }
        }
        self.store.flush()?;
        self.outputs.extend(batch::batches(std::mem::take(&mut self.sends)));
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

    /// Whether another socket may be accepted.
    pub fn has_room(&self) -> bool {
        self.peers.len() < self.options.sockets
    }

    /// The connection that carries calls as this agent: the newest.
    pub fn carrier(&self, agent: &AgentId) -> Option<PeerId> {
        let carries = self.peers.iter().filter(|(_, peer)| peer.carries(agent));
        carries.max_by_key(|(_, peer)| peer.opened).map(|(&id, _)| id)
    }

    /// Peers that were heard of too long ago; `heard` is a peer's last heartbeat, if it sent any.
    pub fn silent(&self, now: Timestamp, heard: impl Fn(PeerId) -> Option<Timestamp>) -> Vec<PeerId> {
        let last = |id: PeerId, peer: &Peer| heard(id).unwrap_or(peer.opened).max(peer.opened);
        let silent = |(&id, peer): (&PeerId, &Peer)| (last(id, peer).plus_ms(SILENCE_MS_MAX) < now).then_some(id);
        self.peers.iter().filter_map(silent).collect()
    }

    /// Stores what is said about a question, sends it to everyone who follows the timeline, and puts it on its way to the
    /// platform that the question came from, if it is meant to go there.
    fn say(&mut self, now: Timestamp, said: Said) -> Result<Seq, S::Error> {
        let Said { id, from, conversation, session, reply_to, text, files, buttons, to_platform } = said;
        let seq = self.next_seq();
        let envelope = Envelope {
            seq,
            id,
            conversation,
            session,
            from,
            agent: None,
            reply_to: Some(reply_to),
            at_ms: now,
            text,
            files,
            buttons,
            state: None,
            reason: None,
        };
        self.insert(now, &envelope, None, None)?;
        if to_platform {
            let due = self.due_after_hold(now, reply_to, seq);
            let part = first_part(&envelope);
            self.store.insert_delivery(seq, &envelope.conversation, part, due)?;
        }
        self.publish(envelope);
        if to_platform {
            self.arm()?;
        }
        Ok(seq)
    }

    /// Reads the files that a client names.
    fn check_files(&self, now: Timestamp, files: Vec<File>) -> Result<Vec<File>, Refusal> {
        file::check(&self.keys, &self.user, files, now).map_err(|why| refusal(Code::BadFrame, &why))
    }

    /// Stores the newest message, once.
    fn insert(
        &mut self,
        now: Timestamp,
        envelope: &Envelope,
        origin: Option<&Origin>,
        outcome: Option<Outcome>,
    ) -> Result<(), S::Error> {
        let over = self.spare(now, envelope.reply_to)?;
        self.store.insert(envelope, origin, outcome, Place { trimmed: self.trimmed, over })?;
        self.know(envelope.seq, &envelope.id)
    }

    /// Sends a message that was just stored to every peer that it concerns and that has all before it.
    /// The others are behind, and get it when they acknowledge.
    fn publish(&mut self, envelope: Envelope) {
        let seq = envelope.seq;
        let mut to = Vec::new();
        for (&id, peer) in self.peers.iter_mut() {
            if !peer.is_current {
                continue;
            }
            let concerned = match &peer.role {
                Role::Agent { id, .. } => envelope.agent.as_ref() == Some(id),
                Role::Device => true,
                Role::Egress { .. } => false,
            };
            if concerned && !peer.has_room() {
                peer.is_current = false;
                self.touched.insert(id);
                continue;
            }
            peer.sent = seq;
            if concerned {
                peer.last = seq;
                to.push(id);
            }
        }
        if !to.is_empty() {
            let text = encode(&ServerFrame::Message(envelope));
            self.tell(to, text);
        }
    }

    /// A stored message as peers see it now.
    fn present(&self, mut envelope: Envelope) -> Envelope {
        if envelope.state == Some(State::Queued) {
            envelope.state = Some(self.state(envelope.seq, envelope.agent.as_ref(), None));
        }
        envelope
    }

    /// How a question ended, if it did. That it was answered is not written down with it: its answer says so.
    fn ended(&self, seq: Seq, outcome: Option<Outcome>) -> Option<Outcome> {
        outcome.or_else(|| self.queue.get(seq).is_none().then_some(Outcome::Replied))
    }

    /// How far a question has come.
    fn state(&self, seq: Seq, agent: Option<&AgentId>, outcome: Option<Outcome>) -> State {
        if let Some(ended) = self.ended(seq, outcome) {
            ended.state()
        } else if self.peers.values().any(|peer| peer.streaming.contains(&seq)) {
            State::Replying
        } else if agent.is_some_and(|agent| seq <= self.acked(agent)) {
            State::Delivered
        } else {
            State::Queued
        }
    }

    /// Sets the alarm for the next delivery and the next question to expire, unless it is set early enough.
    fn arm(&mut self) -> Result<(), S::Error> {
        if let Some(due) = self.store.next_delivery()? {
            self.wake_by(due);
        }
        if let Some(oldest) = self.queue.oldest() {
            self.wake_by(oldest.plus_ms(self.options.ttl_ms));
        }
        Ok(())
    }

    fn wake_by(&mut self, due: Timestamp) {
        if self.wake_at.is_none_or(|at| due < at) {
            self.wake_at = Some(due);
            self.outputs.push(Output::WakeAt(due));
        }
    }

    /// Says why, closes, and forgets the peer.
    fn refuse(&mut self, now: Timestamp, peer: PeerId, close: u16, code: Code, detail: &str) -> Result<(), S::Error> {
        self.error(peer, code, detail.to_owned(), None);
        // What it was told so far goes out before it is closed.
        self.outputs.extend(batch::batches(std::mem::take(&mut self.sends)));
        self.outputs.push(Output::Close(peer, close, code));
        self.log(now, EventKind::Refused, None, format!("peer {}: {code}", peer.0))?;
        self.forget(now, peer)
    }

    /// A connection ended. An agent's unfinished answers begin anew when it is back.
    fn forget(&mut self, now: Timestamp, id: PeerId) -> Result<(), S::Error> {
        let Some(peer) = self.peers.remove(&id) else { return Ok(()) };
        self.touched.remove(&id);
        self.allowances.remove(&id);
        if !peer.greeted {
            return Ok(());
        }
        let Role::Agent { id: agent, .. } = peer.role else { return Ok(()) };
        self.log(now, EventKind::Left, None, agent.to_string())?;
        // It was in the attachment of its socket, which is gone.
        self.set_acked(&agent, peer.acked)?;
        if self.is_online(&agent) {
            return Ok(());
        }
        for seq in peer.streaming {
            self.streams.remove(&seq);
            // It may have begun before it said that it has the question.
            let state = self.state(seq, Some(&agent), None);
            self.tell_state(seq, state, None);
        }
        self.tell_presence();
        Ok(())
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
        self.tell(peers.to_vec(), encode(frame));
    }

    /// What one input says to a peer goes in as few messages as the limits allow, when all of it is known.
    fn tell(&mut self, peers: Vec<PeerId>, frame: String) {
        self.sends.push((peers, frame));
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

/// An answer or a notice about to be stored.
struct Said {
    id: MessageId,
    from: Author,
    conversation: ConversationId,
    session: u64,
    reply_to: Seq,
    text: String,
    files: Vec<File>,
    buttons: Vec<Button>,
    to_platform: bool,
}

impl Said {
    /// Words of the relay's own.
    fn by_relay(
        id: MessageId,
        conversation: ConversationId,
        session: u64,
        reply_to: Seq,
        text: String,
        to_platform: bool,
    ) -> Said {
        let (from, files, buttons) = (Author::Relay, Vec::new(), Vec::new());
        Said { id, from, conversation, session, reply_to, text, files, buttons, to_platform }
    }
}

/// The id of the one final answer to a question.
fn reply_id(question: Seq) -> MessageId {
    format!("reply:{question}").parse().expect("letters, a colon and digits")
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

/// Buttons must be few, and be read.
fn check_buttons(buttons: &[Button]) -> Result<(), Refusal> {
    let wrong = |what: &str| Err(refusal(Code::BadFrame, what));
    if buttons.len() > BUTTONS_MAX {
        return wrong(&format!("buttons: at most {BUTTONS_MAX}"));
    }
    let fits = |text: &str, max| (1..=max).contains(&text.trim().len()) && text.len() <= max;
    for Button { label, text, .. } in buttons {
        if !fits(label, BUTTON_LABEL_BYTES_MAX) {
            return wrong(&format!("buttons: a label has 1 to {BUTTON_LABEL_BYTES_MAX} bytes"));
        }
        if !fits(text, BUTTON_TEXT_BYTES_MAX) {
            return wrong(&format!("buttons: a text has 1 to {BUTTON_TEXT_BYTES_MAX} bytes"));
        }
    }
    Ok(())
}

/// The part with which a message begins at its platform.
fn first_part(said: &Envelope) -> u32 {
    if said.text.is_empty() && said.buttons.is_empty() && !said.files.is_empty() { FILE_PART } else { 0 }
}

/// Cuts a text that people read to [`REASON_BYTES_MAX`] bytes, between characters.
fn shorten(mut text: String) -> String {
    if text.len() > REASON_BYTES_MAX {
        text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
        text.push('…');
    }
    text
}
