//! A Hub on real SQLite, with a clock and peers that remember what they were sent.
#![allow(clippy::missing_panics_doc)]

pub mod accounts;
mod rows;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::{Cursor, Envelope, Seq, ServerFrame, Timestamp, decode};
use relay::hub::{Hub, Input, Options, Output, Pass, Peer, PeerId, Posted, Refusal, Role};
use relay::platform::{Outbound, Press, Pressed, Sent};
use relay::store::{Corrupt, DeadLetter, Delivery, Origin, Question, Row, Sql, Value};
use rusqlite::Connection;

/// SQLite under `rusqlite`: the second implementation of [`Sql`].
#[derive(Clone)]
pub struct Sqlite {
    connection: Rc<Connection>,
    /// How many more statements succeed; none: all.
    budget: Rc<Cell<Option<u32>>>,
    steps: Arc<AtomicU64>,
    longest: Rc<Cell<usize>>,
}

impl Sqlite {
    pub fn new() -> Sqlite {
        let (mut connection, steps) = (Connection::open_in_memory().unwrap(), Arc::new(AtomicU64::new(0)));
        let counted = steps.clone();
        let count = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            false
        };
        connection.progress_handler(100, Some(count)).unwrap();
        Sqlite { connection: Rc::new(connection), budget: Rc::default(), steps, longest: Rc::default() }
    }

    pub fn execute(&self, statement: &str) {
        self.connection.execute_batch(statement).unwrap();
    }

    pub fn count(&self, table: &str) -> u64 {
        let count = self.connection.query_row(&format!("select count(*) from {table}"), [], |row| row.get::<_, i64>(0));
        count.unwrap() as u64
    }

    /// Rows inserted, changed or deleted so far: what a platform bills, indexes aside.
    pub fn changes(&self) -> u64 {
        self.connection.total_changes()
    }

    /// Hundreds of steps that SQLite has taken so far: what looking through rows costs, whatever the machine.
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Bytes of text of the longest statement so far.
    pub fn longest(&self) -> usize {
        self.longest.get()
    }

    /// Everything that is stored, to compare.
    pub fn dump(&self) -> Vec<String> {
        let all = |table: &str| {
            let mut statement = self.connection.prepare(&format!("select * from {table}")).unwrap();
            let columns = statement.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                Ok((0..columns).map(|n| format!("{:?}", row.get_ref_unwrap(n))).collect::<Vec<_>>().join("|"))
            };
            statement.query_map([], row).unwrap().map(Result::unwrap).collect::<Vec<_>>()
        };
        ["meta", "messages", "agents", "deliveries", "tickets", "conversations", "dead_letters", "events", "known_ids"]
            .into_iter()
            .flat_map(all)
            .collect()
    }
}

#[derive(Debug)]
pub struct SqliteError(pub String);

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
        let bytes = |value: &Value| if let Value::Text(text) = value { text.len() } else { 0 };
        self.longest.set(self.longest.get().max(parameters.iter().map(bytes).sum()));
        Ok(rows::rows(&self.connection, statement, parameters)?)
    }
}

/// One user's Hub and everyone around it.
pub struct World {
    pub sql: Sqlite,
    pub now: Timestamp,
    hub: Hub<Sqlite>,
    pub options: Options,
    /// As JSON, as sockets keep them.
    attachments: BTreeMap<PeerId, String>,
    /// How often one was written.
    pub attached: u64,
    /// What each peer was sent, open or closed.
    pub heard: BTreeMap<PeerId, Vec<ServerFrame>>,
    pub closed: BTreeMap<PeerId, u16>,
    pub alarm: Option<Timestamp>,
    /// How often it was set.
    pub alarms: u64,
    pub deliveries: Vec<Delivery>,
    pub drafts: Vec<Seq>,
    pub fetched: Vec<protocol::Fetched>,
    pub flushes_in: Vec<u64>,
    /// Questions that are open no more, whose mark goes.
    pub over: Vec<Seq>,
    passed: bool,
    pressed: Option<Result<Pressed, Refusal>>,
    next_peer: u64,
}

impl World {
    pub fn new() -> World {
        World::with(Sqlite::new(), Options::default())
    }

    /// On a database that may hold something already.
    pub fn with(sql: Sqlite, options: Options) -> World {
        let now = Timestamp(1_800_000_000_000);
        let hub = Hub::restore(Some(user()), sql.clone(), options, now, []).unwrap().with_keys(keys());
        let mut world = World {
            sql,
            now,
            hub,
            options,
            attachments: BTreeMap::new(),
            attached: 0,
            heard: BTreeMap::new(),
            closed: BTreeMap::new(),
            alarm: None,
            alarms: 0,
            deliveries: Vec::new(),
            drafts: Vec::new(),
            over: Vec::new(),
            fetched: Vec::new(),
            flushes_in: Vec::new(),
            passed: false,
            pressed: None,
            next_peer: 1,
        };
        world.input(Input::Woken(None));
        world
    }

    /// Everything in memory is lost; sockets and their attachments stay.
    pub fn hibernate(&mut self) {
        let read = |json: &String| serde_json::from_str::<Peer>(json).unwrap();
        let peers: Vec<(PeerId, Peer)> = self.attachments.iter().map(|(&id, json)| (id, read(json))).collect();
        self.hub = Hub::restore(None, self.sql.clone(), self.options, self.now, peers).unwrap().with_keys(keys());
        self.input(Input::Woken(self.alarm));
    }

    /// Memory and sockets are lost.
    pub fn crash(&mut self) {
        self.attachments.clear();
        self.hibernate();
    }

    /// Old messages after what there is, so many in all: each a question that has its answer, as the store holds them.
    pub fn history(&mut self, count: u64) {
        let first = self.sql.count("messages") + 1;
        self.sql.execute(&format!(
            "with recursive n(seq) as (select {first} union all select seq + 1 from n where seq < {count})
             insert into messages (seq, id, conversation, session, author, via, at_ms, text, outcome, trimmed)
             select seq, 'm-' || seq, 'web', 0, 'user', 'web', 1800000000000, 'x', 'replied', 0 from n"
        ));
        self.hibernate();
    }

    /// All of them, page by page.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let page = self.hub.dead_letters(before, 30).unwrap().unwrap();
            assert!(page.dead_letters.len() <= 30);
            all.extend(page.dead_letters);
            before = page.next;
            if before.is_none() {
                return all;
            }
        }
    }

    pub fn advance_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    /// The input meets a store that fails after so many statements. As the shell does: rolled back and restored.
    /// False when the statements were enough.
    pub fn fails(&mut self, input: Input, statements: u32) -> bool {
        self.sql.execute("savepoint input");
        self.sql.budget.set(Some(statements));
        let failed = self.hub.handle(self.now, input).is_err();
        self.sql.budget.set(None);
        // Also when it went through: the world is to be as it was.
        self.sql.execute("rollback to input; release input");
        self.hibernate();
        failed
    }

    pub fn input(&mut self, input: Input) -> Option<Result<Posted, Refusal>> {
        let (changes, at_once) = (self.sql.changes(), input.writes_once());
        let outputs = self.hub.handle(self.now, input).unwrap();
        assert!(!at_once || self.sql.changes() <= changes + 1, "what writes once needs no transaction");
        let mut result = None;
        for output in outputs {
            match output {
                Output::Attach(id, peer) => {
                    let json = serde_json::to_string(&peer).unwrap();
                    assert!(json.len() < 1_000, "attachments are small");
                    self.attachments.insert(id, json);
                    self.attached += 1;
                }
                Output::Close(id, code, _) => {
                    self.attachments.remove(&id);
                    self.closed.insert(id, code);
                }
                Output::Deliver(delivery) => self.deliveries.push(delivery),
                Output::Draft(question) => self.drafts.push(question),
                Output::Over(question) => self.over.push(question),
                Output::Fetched(fetched) => self.fetched.push(fetched),
                Output::FlushIn(ms) => self.flushes_in.push(ms),
                Output::Passed(passed) => self.passed = passed,
                Output::Posted(posted) => result = Some(posted),
                Output::Pressed(pressed) => self.pressed = Some(pressed),
                Output::Send(ids, text) => {
                    let frames = decode::<ServerFrame>(&text).unwrap();
                    for id in ids {
                        self.heard.entry(id).or_default().extend(frames.clone());
                    }
                }
                Output::WakeAt(at) => {
                    self.alarm = Some(at);
                    self.alarms += 1;
                }
            }
        }
        result
    }

    /// What the socket of a peer keeps.
    pub fn attachment(&self, peer: PeerId) -> &str {
        &self.attachments[&peer]
    }

    pub fn open(&mut self, role: Role) -> PeerId {
        self.open_with(role, Pass::default())
    }

    pub fn open_with(&mut self, role: Role, pass: Pass) -> PeerId {
        let peer = PeerId(self.next_peer);
        self.next_peer += 1;
        self.heard.insert(peer, Vec::new());
        self.input(Input::Opened(peer, role, pass));
        peer
    }

    /// An agent connects and says hello.
    pub fn agent(&mut self, cursor: Option<Cursor>) -> PeerId {
        let peer = self.open(Role::Agent { id: "agt_1".parse().unwrap(), name: "laptop".into() });
        self.hello(peer, cursor);
        peer
    }

    /// Another agent connects and says hello, with the questions that it holds.
    pub fn other_agent(&mut self, id: &str, name: &str, open: &[u64]) -> PeerId {
        let peer = self.open(Role::Agent { id: id.parse().unwrap(), name: name.into() });
        self.says(peer, &format!(r#"{{"type":"hello","open":{open:?}}}"#));
        peer
    }

    /// A device connects and says hello.
    pub fn device(&mut self, cursor: Option<Cursor>) -> PeerId {
        let peer = self.open(Role::Device);
        self.hello(peer, cursor);
        peer
    }

    fn hello(&mut self, peer: PeerId, cursor: Option<Cursor>) {
        let cursor = cursor.map_or(String::new(), |cursor| format!(r#""cursor":"{cursor}","#));
        self.says(peer, &format!(r#"{{"type":"hello",{cursor}"capabilities":["deltas"]}}"#));
    }

    pub fn says(&mut self, peer: PeerId, text: &str) {
        self.input(Input::received(peer, text));
    }

    pub fn sends(&mut self, device: PeerId, id: &str, text: &str) {
        self.says(device, &format!(r#"{{"type":"send","id":"{id}","text":"{text}"}}"#));
    }

    pub fn replies(&mut self, agent: PeerId, reply_to: u64, text: &str) {
        self.says(agent, &format!(r#"{{"type":"reply","reply_to":{reply_to},"text":"{text}"}}"#));
    }

    pub fn acks(&mut self, peer: PeerId, seq: u64) {
        self.says(peer, &format!(r#"{{"type":"ack","seq":{seq}}}"#));
    }

    pub fn drop(&mut self, peer: PeerId) {
        self.attachments.remove(&peer);
        self.input(Input::Closed(peer));
    }

    /// A webhook brings a question from Feishu.
    pub fn post(&mut self, message: &str, text: &str) -> Result<Posted, Refusal> {
        self.input(Input::Posted(feishu(message, text))).unwrap()
    }

    /// The same in another conversation.
    pub fn post_in(&mut self, conversation: &str, message: &str, text: &str) -> Result<Posted, Refusal> {
        let question = Question { conversation: conversation.parse().unwrap(), ..feishu(message, text) };
        self.input(Input::Posted(question)).unwrap()
    }

    /// Someone presses a button at a platform.
    pub fn press(&mut self, press: &Press) -> Result<Pressed, Refusal> {
        self.input(Input::Pressed(press.clone()));
        self.pressed.take().unwrap()
    }

    /// The webhook that brings a message waits.
    pub fn hold(&mut self, id: &protocol::MessageId, ms: u64) {
        let now = self.now;
        self.hub.hold(now, id, now.plus_ms(ms)).unwrap();
    }

    /// Someone asks, by a message, for what they have been waiting for: the question it is of, and since when they ask.
    pub fn collect(&mut self, by: &protocol::MessageId, ms: u64) -> Option<(protocol::MessageId, Timestamp)> {
        let (now, conversation) = (self.now, feishu("", "").conversation);
        self.hub.collect(now, by, &conversation, now.plus_ms(ms)).unwrap()
    }

    pub fn held(&mut self, id: &protocol::MessageId) -> relay::hub::Held {
        self.hub.held(id).unwrap()
    }

    /// What was found is about to be in the response to this webhook: whether it may be.
    pub fn pass(&mut self, id: &protocol::MessageId, found: &Outbound, is_last: bool) -> bool {
        self.input(Input::Passed(id.clone(), found.seq, found.part, is_last));
        self.passed
    }

    /// It finds its answer, and has it in its response.
    pub fn passes(&mut self, id: &protocol::MessageId) {
        let relay::hub::Held::Answer(found) = self.held(id) else { panic!("no answer to {id}") };
        assert!(self.pass(id, &found, true));
    }

    /// The alarm rings, and each delivery meets `sent`, until nothing is due.
    pub fn ring(&mut self, mut sent: impl FnMut(&Delivery) -> Sent) -> Vec<Delivery> {
        let mut all = Vec::new();
        self.alarm = None;
        loop {
            self.input(Input::Tick);
            let deliveries = std::mem::take(&mut self.deliveries);
            if deliveries.is_empty() {
                return all;
            }
            for delivery in deliveries {
                let sent = sent(&delivery);
                self.input(Input::Delivered(delivery.seq, delivery.part, sent));
                all.push(delivery);
            }
        }
    }

    /// The texts of the messages that a peer was sent, in order.
    pub fn messages(&self, peer: PeerId) -> Vec<String> {
        self.envelopes(peer).into_iter().map(|envelope| envelope.text).collect()
    }

    pub fn envelopes(&self, peer: PeerId) -> Vec<Envelope> {
        let message = |frame: &ServerFrame| match frame {
            ServerFrame::Message(envelope) => Some(envelope.clone()),
            _ => None,
        };
        self.heard[&peer].iter().filter_map(message).collect()
    }

    /// Everything else, as JSON, and forgets all that was heard.
    pub fn hears(&mut self, peer: PeerId) -> Vec<String> {
        let frames = std::mem::take(self.heard.get_mut(&peer).unwrap());
        frames.iter().map(|frame| serde_json::to_string(frame).unwrap()).collect()
    }

    pub fn cursor(&self, seq: u64) -> Cursor {
        Cursor { epoch: 1_800_000_000_000, seq: Seq(seq) }
    }

    pub fn hub_mut(&mut self) -> &mut Hub<Sqlite> {
        &mut self.hub
    }

    pub fn hub(&self) -> &Hub<Sqlite> {
        &self.hub
    }
}

/// What files are signed with.
pub fn keys() -> relay::auth::Keys {
    relay::auth::Keys::derive("a-secret-of-at-least-thirty-two-bytes").unwrap()
}

pub fn feishu(message: &str, text: &str) -> Question {
    Question {
        id: format!("feishu:main:{message}").parse().unwrap(),
        conversation: "feishu:main:oc_1".parse().unwrap(),
        via: "feishu".into(),
        sender: Some("ou_1".into()),
        name: None,
        group: false,
        text: text.into(),
        files: Vec::new(),
        origin: Some(Origin { account: "main".parse().unwrap(), message: message.into() }),
    }
}

pub fn user() -> protocol::UserId {
    "usr_1".parse().unwrap()
}
