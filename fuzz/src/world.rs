//! A Hub on SQLite in memory, with sockets that check what they are sent as strictly as any client may.

#[path = "../../relay/tests/support/rows.rs"]
mod rows;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use protocol::limit::{BATCH_FRAMES_MAX, FRAME_BYTES_MAX, OPEN_QUESTIONS_MAX, TEXT_BYTES_MAX, WINDOW_MESSAGES};
use protocol::{Envelope, GapReason, MessageId, Resumed, Seq, ServerFrame, Timestamp, decode, encode};
use relay::hub::{Hub, Input, Options, Output, Page, Pass, Peer, PeerId, Posted, Refusal, Role};
use relay::limit::*;
use relay::platform::Sent;
use relay::store::{Corrupt, Delivery, Row, Sql, Value};
use rusqlite::Connection;

/// SQLite under `rusqlite`, kept for the whole process: each run is rolled back, which is faster than a new database.
#[derive(Clone)]
pub struct Sqlite {
    connection: Rc<Connection>,
    /// How many more statements succeed; none: all.
    budget: Rc<Cell<Option<u32>>>,
}

impl Sqlite {
    /// A database with an empty Hub, created at [`START`].
    pub fn new() -> Sqlite {
        let connection = Connection::open_in_memory().unwrap();
        connection.set_prepared_statement_cache_capacity(200);
        let sql = Sqlite { connection: Rc::new(connection), budget: Rc::default() };
        Hub::restore(Some("usr_1".parse().unwrap()), sql.clone(), Options::default(), START, []).unwrap();
        sql
    }

    /// Runs a statement of ours.
    pub fn execute(&self, statement: &str) {
        self.connection.execute_batch(statement).unwrap();
    }

    /// A number; NULL is 0.
    pub fn number(&self, query: &str) -> u64 {
        let number = self.connection.prepare_cached(query).unwrap().query_row([], |row| row.get::<_, Option<i64>>(0));
        number.unwrap().unwrap_or(0) as u64
    }

    fn seq_of(&self, id: &MessageId) -> Option<Seq> {
        let mut statement = self.connection.prepare_cached("select seq from messages where id = ?").unwrap();
        statement.query_row([id.as_str()], |row| row.get::<_, i64>(0)).ok().map(|seq| Seq(seq as u64))
    }
}

#[derive(Debug)]
pub struct SqliteError(String);

impl std::fmt::Display for SqliteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Corrupt> for SqliteError {
    fn from(Corrupt(what): Corrupt) -> SqliteError {
        SqliteError(what.to_owned())
    }
}

impl From<rusqlite::Error> for SqliteError {
    fn from(error: rusqlite::Error) -> SqliteError {
        SqliteError(error.to_string())
    }
}

impl Sql for Sqlite {
    type Error = SqliteError;

    fn run(&self, statement: &'static str, parameters: Vec<Value>) -> Result<Vec<Row>, SqliteError> {
        match self.budget.get() {
            Some(0) => return Err(SqliteError("the disk is full".into())),
            Some(left) => self.budget.set(Some(left - 1)),
            None => {}
        }
        for value in &parameters {
            if let Value::Integer(integer) = *value {
                let exact = integer.unsigned_abs() <= 1 << 53 || integer == i64::MAX;
                assert!(exact, "{integer} is not the same number in JavaScript");
            }
        }
        Ok(rows::rows(&self.connection, statement, parameters)?)
    }
}

/// One user's Hub and everyone around it.
pub struct World {
    sql: Sqlite,
    hub: Hub<Sqlite>,
    options: Options,
    /// The clock, which may step back.
    pub now: Timestamp,
    /// When the alarm rings, if it is set.
    pub alarm: Option<Timestamp>,
    /// Open sockets and their attachments.
    pub sockets: BTreeMap<PeerId, Socket>,
    /// Answers handed to platforms whose fate is not known yet.
    pub deliveries: Vec<Delivery>,
    /// Every message that was accepted, and its place.
    accepted: BTreeMap<MessageId, Seq>,
    next_peer: u64,
}

/// A client that counts what it is sent.
pub struct Socket {
    attachment: Option<Peer>,
    role: Role,
    /// The last message of its stream; none before `welcome`.
    last: Option<Seq>,
    /// The messages that it was sent and has not acknowledged.
    unacked: BTreeSet<Seq>,
}

impl World {
    /// Everything as it was when the database was made.
    pub fn new(sql: Sqlite, options: Options) -> World {
        sql.execute("savepoint run");
        let hub = Hub::restore(None, sql.clone(), options, START, []).unwrap();
        let (sockets, accepted) = (BTreeMap::new(), BTreeMap::new());
        let (now, alarm, deliveries) = (START, None, Vec::new());
        let mut world = World { sql, hub, options, now, alarm, sockets, deliveries, accepted, next_peer: 1 };
        world.input(Input::Woken(None));
        world
    }

    /// A socket is accepted, if there is room.
    pub fn open(&mut self, role: Role) {
        if !self.hub.has_room() {
            return;
        }
        let peer = PeerId(self.next_peer);
        self.next_peer += 1;
        self.sockets
            .insert(peer, Socket { attachment: None, role: role.clone(), last: None, unacked: BTreeSet::new() });
        self.input(Input::Opened(peer, role, Pass::default()));
    }

    /// Memory is lost; sockets and their attachments stay. What people can read is the same as before.
    pub fn hibernate(&mut self) {
        let before = self.readable();
        self.restore();
        assert_eq!(self.readable(), before, "hibernation changed what people see");
        let alarm = self.alarm;
        self.input(Input::Woken(alarm));
    }

    /// Memory and sockets are lost.
    pub fn crash(&mut self) {
        self.sockets.clear();
        self.deliveries.clear();
        self.restore();
        let alarm = self.alarm;
        self.input(Input::Woken(alarm));
    }

    /// The peers that sent no heartbeat for too long.
    pub fn silent(&self) -> Vec<PeerId> {
        self.hub.silent(self.now, |_| None)
    }

    /// A ticket is good once.
    pub fn spend_ticket(&self, id: &str) {
        self.hub.spend_ticket(self.now, id).unwrap();
        assert!(!self.hub.spend_ticket(self.now, id).unwrap(), "a ticket is good once");
    }

    /// The input meets a store that fails after so many statements: rolled back and restored, as the shell does it,
    /// nothing has happened.
    pub fn fails(&mut self, input: Input, statements: u32) {
        let before = self.readable();
        self.sql.execute("savepoint input");
        self.sql.budget.set(Some(statements));
        let _ = self.hub.handle(self.now, input);
        self.sql.budget.set(None);
        self.sql.execute("rollback to input; release input");
        self.restore();
        assert_eq!(self.readable(), before, "a failed input left something behind");
        let alarm = self.alarm;
        self.input(Input::Woken(alarm));
    }

    /// Something happens, and everything that follows is checked.
    pub fn input(&mut self, input: Input) {
        let posted = match &input {
            Input::Posted(question) => Some(question.id.clone()),
            _ => None,
        };
        let is_tick = matches!(input, Input::Tick);
        let is_wake = matches!(input, Input::Woken(_));
        if is_tick {
            self.alarm = None;
        }
        match &input {
            Input::Closed(peer) => drop(self.sockets.remove(peer)),
            Input::Delivered(seq, ..) => self.deliveries.retain(|delivery| delivery.seq != *seq),
            _ => {}
        }
        let outputs = self.hub.handle(self.now, input).expect("the store works");
        assert!(outputs.len() <= OUTPUTS_MAX, "{} outputs", outputs.len());
        let (mut bytes, mut handed) = (BTreeMap::<PeerId, usize>::new(), Vec::new());
        for output in outputs {
            match output {
                Output::Attach(id, peer) => {
                    let socket = self.sockets.get_mut(&id).expect("only open sockets have attachments");
                    let stored = serde_json::to_string(&(id, &peer)).unwrap();
                    assert!(stored.len() < ATTACHMENT_BYTES_MAX, "an attachment of {} bytes", stored.len());
                    assert_eq!(serde_json::from_str::<(PeerId, Peer)>(&stored).unwrap(), (id, peer.clone()));
                    assert!(peer.acked <= peer.last && peer.last <= peer.sent, "{peer:?}");
                    socket.unacked.retain(|&seq| seq > peer.acked);
                    assert!(socket.unacked.len() as u64 <= WINDOW_MESSAGES, "over its window: {peer:?}");
                    assert!(peer.streaming.len() <= STREAMS_MAX, "{peer:?}");
                    socket.attachment = Some(peer);
                }
                Output::Close(id, code, _) => {
                    assert!(code == 1003 || code == 1009 || (4400..4500).contains(&code), "{code}");
                    self.sockets.remove(&id);
                }
                Output::Deliver(delivery) => {
                    assert!(is_tick && !delivery.text.is_empty() && delivery.text.len() <= TEXT_BYTES_MAX);
                    handed.push(delivery.conversation.clone());
                    self.deliveries.retain(|known| known.seq != delivery.seq);
                    self.deliveries.push(delivery);
                }
                Output::Draft(question) => assert!(self.hub.draft(question).is_ok()),
                Output::Fetched(_) => {}
                Output::FlushIn(ms) => assert!(ms <= DELTA_INTERVAL_MS, "{ms} ms"),
                Output::Over(question) => assert!(self.hub.origin(question).is_ok()),
                // Nobody says that here.
                Output::Passed(_) => {}
                Output::Posted(result) => {
                    let Ok(Posted { seq, new }) = result else { continue };
                    if let Some(id) = &posted {
                        assert_eq!(new, !self.accepted.contains_key(id), "{id}: stored once");
                        self.accepted(id.clone(), seq);
                    }
                }
                // Nor presses anything that a platform only names.
                Output::Pressed(_) => {}
                Output::Send(ids, text) => {
                    assert!(!ids.is_empty());
                    for id in ids {
                        *bytes.entry(id).or_default() += text.len();
                        self.hears(id, &text);
                    }
                }
                Output::WakeAt(at) => {
                    assert!(at.0 < 1 << 53);
                    self.alarm = Some(at);
                }
            }
        }
        let most = bytes.values().max().copied().unwrap_or(0);
        assert!(most <= SENT_BYTES_MAX, "one input sent a peer {most} bytes");
        assert!(handed.len() <= DELIVERIES_MAX, "{} deliveries at once", handed.len());
        let conversations: BTreeSet<_> = handed.iter().collect();
        assert_eq!(conversations.len(), handed.len(), "two answers of one conversation at once");
        if is_wake {
            self.check_alarm();
        }
    }

    /// Whatever waits, an alarm is set for it.
    fn check_alarm(&self) {
        let waits =
            self.sql.number("select count(*) from deliveries") + self.sql.number(&format!("select count(*) {OPEN}"));
        assert!(waits == 0 || self.alarm.is_some(), "{waits} wait, and nobody will wake");
    }

    /// A text that was sent is valid, and follows what this socket was sent before.
    fn hears(&mut self, id: PeerId, text: &str) {
        assert!(text.len() <= FRAME_BYTES_MAX, "a frame of {} bytes", text.len());
        let frames = decode::<ServerFrame>(text).expect("the relay writes what it reads");
        assert!((1..=BATCH_FRAMES_MAX).contains(&frames.len()));
        for frame in frames {
            // A socket that closed hears nothing; the Hub may still talk to it.
            let Some(socket) = self.sockets.get_mut(&id) else { continue };
            match frame {
                ServerFrame::Message(envelope) => {
                    check_message(&envelope);
                    let last = socket.last.expect("messages follow `welcome`");
                    match &socket.role {
                        Role::Agent { id, .. } => {
                            assert_eq!(envelope.agent.as_ref(), Some(id), "another agent's question");
                            assert!(envelope.seq > last, "{} after {last}", envelope.seq);
                        }
                        Role::Device | Role::Egress { .. } => {
                            assert_eq!(envelope.seq.0, last.0 + 1, "a hole in a device's timeline")
                        }
                    }
                    socket.last = Some(envelope.seq);
                    socket.unacked.insert(envelope.seq);
                }
                ServerFrame::Welcome { cursor, resumed, .. } => {
                    assert!(socket.last.is_none(), "welcome twice");
                    let after = match resumed {
                        Resumed::Continued { after } | Resumed::Started { after } => after,
                        Resumed::Gap { from, reason: GapReason::Ahead, .. } => Seq(from.0 - 1),
                        Resumed::Gap { to, .. } => to,
                    };
                    assert!(after <= cursor.seq, "begins after the end");
                    socket.last = Some(after);
                }
                ServerFrame::Accepted { id, seq } if socket.role == Role::Device => self.accepted(id, seq),
                ServerFrame::Delta { ref text, .. } => assert!(text.len() <= TEXT_BYTES_MAX),
                ServerFrame::Unknown => panic!("the relay knows its own frames: {text}"),
                // A detail may be as long as what it quotes, but not as a frame.
                ref frame => assert!(encode(frame).len() <= FRAME_BYTES_MAX),
            }
        }
    }

    fn accepted(&mut self, id: MessageId, seq: Seq) {
        assert_eq!(self.sql.seq_of(&id), Some(seq), "{id} was accepted and is not stored");
        let known = *self.accepted.entry(id).or_insert(seq);
        assert_eq!(known, seq, "accepted at two places");
    }

    /// The faults stop: everything that waits ends, everything that was accepted is there.
    pub fn finish(mut self) {
        let messages = self.sql.number("select count(*) from messages");
        assert_eq!(messages, self.sql.number("select max(seq) from messages"), "a hole in the timeline");
        assert!(self.sql.number(&format!("select count(*) {OPEN}")) <= OPEN_QUESTIONS_MAX as u64);
        for (column, most) in [("conversation", CONVERSATION_QUESTIONS_MAX), ("agent", AGENT_QUESTIONS_MAX)] {
            let counts = format!("select count(*) as n {OPEN} group by {column}");
            assert!(self.sql.number(&format!("select max(n) from ({counts})")) <= most as u64, "open per {column}");
        }
        self.hibernate();
        self.deliveries.clear();
        for _ in 0..ROUNDS_MAX {
            let Some(at) = self.alarm else { break };
            self.now = self.now.max(at);
            self.input(Input::Tick);
            // Without deliveries the Tick itself set the next alarm, as the shell trusts it to.
            while !self.deliveries.is_empty() {
                for delivery in self.deliveries.clone() {
                    self.input(Input::Delivered(delivery.seq, delivery.part, Sent::Taken));
                }
                self.input(Input::Tick);
            }
        }
        assert_eq!(self.alarm, None, "something waits for ever");
        assert_eq!(self.sql.number(&format!("select count(*) {OPEN}")), 0, "a question waits for ever");
        assert_eq!(self.sql.number("select count(*) from deliveries"), 0, "an answer waits for ever");
        let pages = self.readable();
        if self.sql.number("select count(distinct conversation) from messages") < PAGE_CONVERSATIONS_MAX {
            let found: BTreeMap<_, _> =
                pages.iter().flat_map(|page| &page.messages).map(|message| (&message.id, message.seq)).collect();
            assert_eq!(found.len() as u64, self.sql.number("select count(*) from messages"));
            for (id, seq) in &self.accepted {
                assert_eq!(found.get(id), Some(seq), "{id} was accepted and cannot be read");
            }
        }
    }

    /// Everything that the API shows of messages: every conversation, page by page.
    fn readable(&self) -> Vec<Page> {
        let mut pages = Vec::new();
        let listed = self.hub.conversations(None, PAGE_CONVERSATIONS_MAX).unwrap();
        for conversation in listed.unwrap_or_else(|Refusal { detail, .. }| panic!("{detail}")).conversations {
            let mut before = None;
            loop {
                let page = self.hub.page(&conversation.id, before, 50).unwrap();
                let page = page.unwrap_or_else(|Refusal { detail, .. }| panic!("{detail}"));
                page.messages.iter().for_each(check_message);
                before = page.next;
                pages.push(page);
                if before.is_none() {
                    break;
                }
            }
        }
        assert!(self.sql.number("select count(*) from dead_letters") <= DEAD_LETTERS_MAX);
        assert!(self.hub.dead_letters(None, PAGE_DEAD_LETTERS_MAX).unwrap().is_ok());
        assert!(self.hub.events(None, PAGE_EVENTS_MAX).unwrap().events.len() as u64 <= PAGE_EVENTS_MAX);
        pages
    }

    fn restore(&mut self) {
        let attached = |(&id, socket): (&PeerId, &Socket)| socket.attachment.clone().map(|peer| (id, peer));
        let peers: Vec<_> = self.sockets.iter().filter_map(attached).collect();
        self.hub = Hub::restore(None, self.sql.clone(), self.options, self.now, peers).unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.sql.execute("rollback to run; release run");
    }
}

fn check_message(envelope: &Envelope) {
    assert!(envelope.text.len() <= TEXT_BYTES_MAX, "{}: {} bytes of text", envelope.seq, envelope.text.len());
    assert!(envelope.reason.as_ref().is_none_or(|reason| reason.len() <= REASON_BYTES_MAX + 100));
}

/// When every world begins.
pub const START: Timestamp = Timestamp(1_800_000_000_000);
/// The questions that are open: neither ended, nor answered by a row that follows.
const OPEN: &str = "from messages where author = 'user' and outcome is null
    and seq not in (select reply_to from messages where author = 'agent')";
/// Less than Cloudflare's 16 KiB.
const ATTACHMENT_BYTES_MAX: usize = 16 * 1024;
/// A batch of 64 frames, of which one may end 1,000 questions with three sends each, to 64 sockets.
const OUTPUTS_MAX: usize = 8_000;
/// What one input may bring one peer: 1 MiB of replay and the frame that goes over it, and as much of live messages.
const SENT_BYTES_MAX: usize = 4 * FRAME_BYTES_MAX;
/// Alarms until everything has ended: 1,000 questions of as many conversations, expired and each writer told.
const ROUNDS_MAX: usize = 5_000;
