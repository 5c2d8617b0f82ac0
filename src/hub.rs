//! The per-user Durable Object: a shell around [`relay::hub::Hub`]. Each event becomes one input, handled in one
//! transaction; its outputs are performed in order. The object sleeps between events while its sockets stay open.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::select_all;
use js_sys::Promise;
use protocol::limit::{PING, PONG};
use protocol::{
    AgentId, ClientFrame, Code, Fetch, Fetched, MessageId, SUBPROTOCOL, Seq, ServerFrame, Timestamp, UserId, encode,
    object,
};
use relay::dialect::{Dialect, Words};
use relay::hub::{Drafted, Held, Hub as Core, Input, Output, Pass, Peer, PeerId, Posted, Refusal, Role};
use relay::map::{Map, Set};
use relay::platform::{Outbound, Pressed, Sent};
use relay::store::Delivery;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::ask::{self, Ask, Asked};
use crate::clock::{now, random_bytes};
use crate::config::Config;
use crate::error::{self, Error};
use crate::mark::{self, Marked};
use crate::runtime::{
    Delay, Env, Request, Response, ResponseBuilder, State, WebSocket, WebSocketPair, console_error, console_log,
    promise,
};
use crate::socket::{Sockets, attached, peer_of};
use crate::sqlite::{Sqlite, SqliteError, transaction};
use crate::{account, draft, runtime};

/// One user's relay. What takes no time is done before the runtime's call returns; the rest is a promise.
#[wasm_bindgen]
pub struct Hub(Rc<Object>);

#[wasm_bindgen]
impl Hub {
    /// Called by the runtime.
    #[wasm_bindgen(constructor)]
    pub fn new(state: State, env: Env) -> Hub {
        // Heartbeats are answered by the runtime: they wake nothing and cost nothing.
        state.set_websocket_auto_response(PING, PONG);
        let (core, sockets, looked, fetches) = Default::default();
        Hub(Rc::new(Object { state, env, core, sockets, looked, fetches }))
    }

    /// Called by [`ask::ask`].
    pub async fn fetch(&self, request: web_sys::Request) -> Result<JsValue, JsValue> {
        error::answer(self.0.answer(request.into()).await)
    }

    /// Called by the runtime, when it is time.
    pub async fn alarm(&self) -> Result<(), JsValue> {
        let object = &self.0;
        if !object.is_awake() && !object.is_begun().unwrap_or(true) {
            return Ok(());
        }
        if let Err(error) = object.work().await {
            // Thrown, the alarm would be tried six times within two minutes and then be gone.
            console_error!("alarm: {}", error.detail());
            // It does not know of this alarm, and would set a later one in its place.
            *object.core.borrow_mut() = None;
            object.state.storage().set_alarm(now().plus_ms(ALARM_RETRY_MS).0 as i64).await?;
        }
        Ok(())
    }

    /// Called by the runtime.
    #[wasm_bindgen(js_name = webSocketMessage)]
    pub fn websocket_message(&self, ws: WebSocket, message: JsValue) -> Option<Promise> {
        let object = self.0.clone();
        let peer = peer_of(&object.state, &ws)?;
        let said = message.as_string();
        let rest = if object.is_awake() { object.hear(peer, said).map(Rest::Done) } else { Ok(Rest::Said(peer, said)) };
        match rest {
            // Most messages: nothing is left that would need a promise.
            Ok(Rest::Done(done)) if done.is_all() => None,
            Ok(rest) => Some(promise(async move {
                if object.finish(rest).await.is_err() {
                    close(&ws, 1011, Code::Internal);
                }
                Ok(JsValue::UNDEFINED)
            })),
            // Nothing was committed: the peer comes back and says again what was not accepted.
            Err(_) => {
                close(&ws, 1011, Code::Internal);
                None
            }
        }
    }

    /// Called by the runtime.
    #[wasm_bindgen(js_name = webSocketClose)]
    pub async fn websocket_close(&self, ws: WebSocket, code: u32) {
        // The other half of the handshake: the runtime does not answer it for hibernatable sockets (seen on workerd
        // 1.20261117), and the peer would wait 10 s. Answered without a code, since not every code may be echoed.
        if let Err(error) = ws.close(None, None) {
            console_log!("close: {error}");
        }
        self.0.closed(&ws, &code.to_string()).await;
    }

    /// Called by the runtime.
    #[wasm_bindgen(js_name = webSocketError)]
    pub async fn websocket_error(&self, ws: WebSocket, error: JsValue) {
        self.0.closed(&ws, &runtime::Error::from(error).to_string()).await;
    }
}

/// What a Hub is made of, shared with what goes on after a call returned.
struct Object {
    state: State,
    env: Env,
    core: RefCell<Option<Core<Sqlite>>>,
    /// Those that the core knows.
    sockets: Sockets,
    /// When dead sockets were last looked for.
    looked: Cell<Timestamp>,
    /// Calls that agents make, and what became of them.
    fetches: RefCell<Map<String, Option<Fetched>>>,
}

/// What is left of an input's outputs once the sockets have theirs.
#[derive(Default)]
struct Done {
    deliveries: Vec<Delivery>,
    /// Questions whose answer is to be shown at its platform while it is made.
    drafts: Vec<Seq>,
    flush_in: Option<u64>,
    /// What is about to be in a response may be.
    passed: bool,
    posted: Option<Result<Posted, Refusal>>,
    pressed: Option<Result<Pressed, Refusal>>,
    /// Peers that do not read.
    stalled: Set<PeerId>,
    wake_at: Option<Timestamp>,
    /// Peers that know no `ack`, and up to where theirs is.
    acks: Vec<(PeerId, Seq)>,
}

/// What is left to do for a peer's message when the runtime's call returns.
enum Rest {
    /// It was handled.
    Done(Done),
    /// The Hub sleeps: all of it. What a peer said, if that was text.
    Said(PeerId, Option<String>),
}

impl Done {
    /// And what is left of another input.
    fn add(&mut self, more: Done) {
        self.deliveries.extend(more.deliveries);
        self.drafts.extend(more.drafts);
        self.flush_in = self.flush_in.or(more.flush_in);
        self.passed |= more.passed;
        self.posted = self.posted.take().or(more.posted);
        for peer in more.stalled.iter() {
            self.stalled.insert(*peer);
        }
        self.wake_at = more.wake_at.or(self.wake_at);
        self.acks.extend(more.acks);
    }

    /// Whether nothing is left that takes time.
    fn is_all(&self) -> bool {
        self.deliveries.is_empty()
            && self.drafts.is_empty()
            && self.flush_in.is_none()
            && self.stalled.is_empty()
            && self.wake_at.is_none()
    }
}

impl Object {
    fn is_awake(&self) -> bool {
        self.core.borrow().is_some()
    }

    async fn answer(self: &Rc<Self>, request: Request) -> Result<Response, Error> {
        let Asked { by, begin, ask } = ask::asked(&request).await?;
        if let Ask::Delete = ask {
            return self.delete().await;
        }
        if !self.is_awake() {
            if !begin && !self.is_begun()? {
                return ask::unborn();
            }
            self.wake(ask::user_of(&request), None).await?;
        }
        if !by.is_empty() && self.read(|core| core.is_revoked(&by))? {
            return Err(Error::unauthorized("Authorization: this session or key was ended"));
        }
        match ask {
            Ask::Connect { role, ticket, pass, words } => self.open_socket(role, ticket, pass, words).await,
            Ask::Collect { by, conversation, ms } => {
                let found = self.ask_core(|core| core.collect(now(), &by, &conversation, now().plus_ms(ms)))?;
                let (id, since_ms) = found.unzip();
                Ok(Response::json(&object! { "id": id, "since_ms": since_ms })?)
            }
            Ask::Await { id, ms, shown } => self.wait(&id, ms, shown).await,
            Ask::Bar { is_barred } => {
                self.handle(Input::Barred(is_barred)).await?;
                Ok(Response::empty()?)
            }
            Ask::Conversations { before, limit } => {
                let page = self.read(|core| core.conversations(before, limit))??;
                Ok(Response::from_json(&page)?)
            }
            Ask::Delete => self.delete().await,
            Ask::DeadLetters { before, limit } => {
                let page = self.read(|core| core.dead_letters(before, limit))??;
                Ok(Response::from_json(&page)?)
            }
            Ask::Events { before, limit } => Ok(Response::from_json(&self.read(|core| core.events(before, limit))?)?),
            Ask::Fetch { agent, fetch } => Ok(Response::from_json(&self.fetch_by(&agent, fetch).await?)?),
            Ask::Halt { id, sender } => {
                self.handle(Input::Halted(id, sender)).await?;
                Ok(Response::empty()?)
            }
            Ask::Hold { id, ms } => {
                self.ask_core(|core| core.hold(now(), &id, now().plus_ms(ms)))?;
                Ok(Response::empty()?)
            }
            Ask::Messages { conversation, before, limit } => {
                let page = self.read(|core| core.page(&conversation, before, limit))??;
                Ok(Response::from_json(&page)?)
            }
            Ask::Pass { id, seq, part, is_last } => {
                let done = self.handle(Input::Passed(id, seq, part, is_last)).await?;
                Ok(Response::json(&object! { "is_passed": done.passed })?)
            }
            Ask::Post { question, hold_ms } => {
                if self.is_time_to_look() {
                    self.drop_silent().await?;
                }
                if hold_ms > 0 {
                    self.ask_core(|core| core.hold(now(), &question.id, now().plus_ms(hold_ms)))?;
                }
                let done = self.handle(Input::Posted(question)).await?;
                let Posted { seq, new } = done.posted.ok_or_else(no_output)??;
                let is_heard = new && self.read(|core| Ok(core.is_heard(seq)))?;
                ask::posted(is_heard)
            }
            Ask::Press(press) => {
                let done = self.handle(Input::Pressed(press)).await?;
                let pressed = done.pressed.ok_or_else(no_output)??;
                Ok(Response::json(&ask::pressed(&pressed))?)
            }
            Ask::Push(push) => {
                let done = self.handle(Input::Pushed(push)).await?;
                let Posted { seq, new } = done.posted.ok_or_else(no_output)??;
                let conversation = self.read(|core| core.conversation_of(seq))?;
                let body = object! { "seq": seq, "conversation": conversation, "new": new };
                Ok(ResponseBuilder::new().with_status(201).json(&body)?)
            }
            Ask::Recall { id } => {
                self.handle(Input::Recalled(id)).await?;
                Ok(Response::empty()?)
            }
            Ask::Release { id } => {
                self.handle(Input::Released(id)).await?;
                Ok(Response::empty()?)
            }
            Ask::RemoveAgent { agent } => {
                self.handle(Input::Removed(agent)).await?;
                Ok(Response::empty()?)
            }
            Ask::Replay { seq } => {
                let done = self.handle(Input::Replayed(seq)).await?;
                let Posted { seq, new } = done.posted.ok_or_else(no_output)??;
                Ok(Response::json(&object! { "seq": seq, "new": new })?)
            }
            Ask::Revoke { ids } => {
                self.handle(Input::Revoked(ids)).await?;
                Ok(Response::empty()?)
            }
            Ask::Timeline { after } => {
                let messages = self.read(|core| core.timeline(after))?;
                Ok(Response::json(&object! { "messages": messages })?)
            }
        }
    }

    /// What has become of a webhook that waits. Looked at again and again: it is a second or a few, and the object is awake
    /// anyway while an answer is made.
    async fn wait(self: &Rc<Self>, id: &MessageId, ms: u64, shown: Option<u64>) -> Result<Response, Error> {
        let until = now().plus_ms(ms);
        loop {
            self.wake(None, None).await?;
            let held = self.ask_core(|core| core.held(id))?;
            let (part, answer, asked) = match held {
                Held::Answer(part) => (Some(part), true, None),
                Held::Open(part, asked) => (Some(part), false, Some(asked)),
                Held::Nothing => (None, false, None),
            };
            let has_more = shown.is_some_and(|shown| part.as_ref().is_some_and(|part| part.text.len() as u64 > shown));
            if answer || part.is_none() || has_more || now() >= until {
                let body = object! { "part": part, "is_answer": answer, "asked_ms": asked };
                return Ok(Response::json(&body)?);
            }
            Delay::from(Duration::from_millis(HELD_LOOK_MS)).await;
        }
    }

    fn ask_core<T>(&self, question: impl FnOnce(&mut Core<Sqlite>) -> Result<T, SqliteError>) -> Result<T, Error> {
        let mut held = self.core.borrow_mut();
        let core = held.as_mut().ok_or_else(|| Error::internal("hub", "asleep"))?;
        question(core).map_err(store_failed)
    }

    /// Whether anything was ever stored here.
    fn is_begun(&self) -> Result<bool, Error> {
        Sqlite::new(&self.state.storage()).has_table("meta").map_err(store_failed)
    }

    /// Its user is gone: so are their sockets, and everything that is stored, the alarm too.
    async fn delete(&self) -> Result<Response, Error> {
        *self.core.borrow_mut() = None;
        self.sockets.clear();
        self.state.get_websockets().iter().for_each(|ws| close(ws, 4401, Code::Unauthorized));
        self.state.storage().delete_all().await?;
        // What came in meanwhile woke it once more.
        *self.core.borrow_mut() = None;
        Ok(Response::empty()?)
    }

    /// What takes time of a peer's message.
    async fn finish(self: Rc<Self>, rest: Rest) -> Result<(), Error> {
        let done = match rest {
            Rest::Done(done) => self.settle(done).await?,
            Rest::Said(peer, said) => {
                self.wake(None, None).await?;
                let done = self.hear(peer, said)?;
                self.settle(done).await?
            }
        };
        if let Some(ms) = done.flush_in {
            // An answer is being made: the object is awake in any case.
            Delay::from(Duration::from_millis(ms)).await;
            if let Err(error) = self.handle(Input::Flush).await {
                console_error!("flush: {}", error.detail());
            }
        }
        Ok(())
    }

    /// Has a call made by an agent that may carry calls.
    async fn fetch_by(&self, agent: &AgentId, fetch: Fetch) -> Result<Fetched, Error> {
        let gone = |why: &str| Fetched { id: String::new(), answer: None, error: Some(why.to_owned()) };
        let Some(peer) = self.read(|core| Ok(core.carrier(agent)))? else {
            return Ok(gone("the agent that carries this account's calls is not connected"));
        };
        if self.fetches.borrow().len() >= FETCHES_MAX {
            return Ok(gone("the agent carries as many calls as it can"));
        }
        let id = fetch.id.clone();
        let has_file = fetch.form.is_some() || fetch.save.is_some();
        self.fetches.borrow_mut().insert(id.clone(), None);
        self.sockets.send(&[peer], &encode(&ServerFrame::Fetch(fetch)));
        let until = now().plus_ms(if has_file { FETCH_FILE_MS_MAX } else { FETCH_MS_MAX });
        loop {
            Delay::from(Duration::from_millis(FETCH_LOOK_MS)).await;
            let mut fetches = self.fetches.borrow_mut();
            if now() >= until || fetches.get(&id).is_none_or(Option::is_some) {
                let fetched = fetches.remove(&id).flatten();
                return Ok(fetched.unwrap_or_else(|| gone("the agent did not make the call in time")));
            }
        }
    }

    /// Shows answers at their platform, each on its own: it lasts as long as one is made. What it comes to nobody waits for.
    fn draw_all(self: &Rc<Self>, questions: Vec<Seq>) {
        for question in questions {
            let object = self.clone();
            drop(promise(async move {
                if let Err(error) = object.draw(question).await {
                    console_log!("draft {question}: {}", error.detail());
                }
                Ok(JsValue::UNDEFINED)
            }));
        }
    }

    /// Shows an answer at its platform while it is made, as often as the account lets it.
    async fn draw(self: &Rc<Self>, question: Seq) -> Result<(), Error> {
        let config = Config::from_env(self.env.clone());
        let (mut shown, mut idle_ms): (Option<Outbound>, u64) = (None, 0);
        loop {
            self.wake(None, None).await?;
            let wait_ms = match self.read(|core| core.draft(question))? {
                Drafted::Open(outbound) if shown.as_ref().is_some_and(|shown| shown.text == outbound.text) => {
                    idle_ms += DRAFT_LOOK_MS;
                    DRAFT_LOOK_MS
                }
                Drafted::Open(outbound) => {
                    idle_ms = 0;
                    let Some(ms) = draft::ask(&config, &draft::Ask::Show(&outbound)).await? else { return Ok(()) };
                    shown = Some(outbound);
                    ms
                }
                Drafted::Gone => return Ok(()),
                Drafted::Over(end) => {
                    let shown = shown.map(|shown| Outbound { text: shown.text + end, ..shown });
                    let Some(last) = self.ask_core(|core| core.kept(question))?.or(shown) else { return Ok(()) };
                    return draft::ask(&config, &draft::Ask::End(&last)).await.map(drop);
                }
            };
            // Nobody is kept awake for an agent that says nothing: its next word begins this again.
            if idle_ms >= DRAFT_IDLE_MS {
                return self.ask_core(|core| {
                    core.leave_draft(question);
                    Ok(())
                });
            }
            Delay::from(Duration::from_millis(wait_ms)).await;
        }
    }

    /// Hands over what is due, until nothing is left or the next alarm goes on. A call that hangs holds up nothing but
    /// its own conversation.
    async fn work(self: &Rc<Self>) -> Result<(), Error> {
        let (mut flying, mut handed) = (Vec::new(), 0);
        loop {
            if handed < HANDED_MAX {
                let done = self.handle(Input::Tick).await?;
                handed += done.deliveries.len();
                flying.extend(done.deliveries.into_iter().map(|delivery| Box::pin(self.deliver(delivery))));
            }
            if flying.is_empty() {
                break;
            }
            let ((seq, part, sent), _, others) = select_all(flying).await;
            flying = others;
            self.handle(Input::Delivered(seq, part, sent)).await?;
        }
        if handed >= HANDED_MAX {
            self.handle(Input::Woken(None)).await?;
        }
        Ok(())
    }

    fn is_time_to_look(&self) -> bool {
        now().0.abs_diff(self.looked.get().0) >= LOOK_INTERVAL_MS
    }

    /// Someone comes: the moment to look for sockets that are dead. Nothing wakes the object for it alone.
    async fn drop_silent(self: &Rc<Self>) -> Result<(), Error> {
        self.looked.set(now());
        let silent = self.read(|core| Ok(core.silent(now(), |peer| self.sockets.last_heartbeat(&self.state, peer))))?;
        if !silent.is_empty() {
            self.handle(Input::Silent(silent)).await?;
        }
        Ok(())
    }

    async fn open_socket(
        self: &Rc<Self>,
        role: Role,
        ticket: Option<String>,
        pass: Pass,
        words: Option<Words>,
    ) -> Result<Response, Error> {
        if let Some(ticket) = ticket
            && !self.read(|core| core.spend_ticket(now(), &ticket))?
        {
            return Err(Error::unauthorized("ticket: used already; get another from POST /v1/tickets"));
        }
        self.drop_silent().await?;
        if !self.read(|core| Ok(core.has_room()))? {
            let detail = "as many connections as this relay allows a user: close one first".to_owned();
            return Err(Refusal { code: Code::TooManySockets, detail }.into());
        }
        let pair = WebSocketPair::new();
        // A number that no other socket of this Hub has, below 2^53.
        let peer = PeerId(u64::from_le_bytes(random_bytes()?) >> 11);
        self.state.accept_websocket_with_tag(&pair.server, &peer.0.to_string());
        let foreign = words.map(|words| (Dialect { words, heard: None }, Peer::new(role.clone(), pass.clone(), now())));
        let hello = foreign.as_ref().map(|(dialect, _)| dialect.hello());
        self.sockets.insert(peer, &pair.server, foreign);
        self.handle(Input::Opened(peer, role, pass)).await?;
        let mut response = ResponseBuilder::new().with_status(101);
        match hello {
            None => response = response.with_header("Sec-WebSocket-Protocol", SUBPROTOCOL)?,
            Some(hello) => {
                if let Err(error) = self.handle(Input::Received(peer, 0, Ok(vec![hello]))).await {
                    // Nobody will ever hear of this socket.
                    self.sockets.close(peer, 1011, Code::Internal);
                    return Err(error);
                }
            }
        }
        Ok(response.with_websocket(&pair.client).empty()?)
    }

    /// Handles an input in one transaction (unless it writes once at most), and performs what follows from it. On `Err`
    /// nothing that counts has happened.
    async fn handle(self: &Rc<Self>, input: Input) -> Result<Done, Error> {
        self.wake(None, None).await?;
        let done = self.handle_now(input)?;
        self.settle(done).await
    }

    /// What a peer said, in whatever words; nothing: it was no text.
    fn hear(&self, peer: PeerId, said: Option<String>) -> Result<Done, Error> {
        let (input, has_read) = said.map_or((Input::Binary(peer), false), |text| self.sockets.hear(peer, &text));
        let mut done = self.handle_now(input)?;
        // Whoever speaks has read: what was left unsaid may follow.
        if has_read && let Some(seq) = self.read(|core| Ok(core.unread(peer)))? {
            done.add(self.handle_now(acknowledged(peer, seq))?);
        }
        Ok(done)
    }

    /// The same as [`Object::handle`] for a Hub that is awake, except for what takes time: [`Object::settle`] does that.
    fn handle_now(&self, input: Input) -> Result<Done, Error> {
        let mut done = self.step(input)?;
        // What is handed to peers that know no `ack` counts as stored, and brings more; but not all of a long queue at
        // once, since they might not read.
        for _ in 0..ACK_ROUNDS_MAX {
            for (peer, seq) in std::mem::take(&mut done.acks) {
                match self.step(acknowledged(peer, seq)) {
                    Ok(more) => done.add(more),
                    // What was asked for is done. This peer alone comes back.
                    Err(error) => {
                        console_error!("ack of peer {}: {}", peer.0, error.detail());
                        self.sockets.close(peer, 1011, Code::Internal);
                        return Ok(done);
                    }
                }
            }
        }
        Ok(done)
    }

    fn step(&self, input: Input) -> Result<Done, Error> {
        let outputs = {
            let mut held = self.core.borrow_mut();
            let core = held.as_mut().ok_or_else(|| Error::internal("hub", "asleep"))?;
            let handled = match input.writes_once() {
                true => core.handle(now(), input),
                false => transaction(&self.state.storage(), || core.handle(now(), input)),
            };
            if handled.is_err() {
                // What it holds in memory may be ahead of what is stored.
                *held = None;
            }
            handled.map_err(store_failed)?
        };
        Ok(self.perform(outputs))
    }

    /// Restores the core if it is not in memory. `closing` is the socket whose end woke the object, if one did.
    async fn wake(self: &Rc<Self>, user: Option<UserId>, closing: Option<&WebSocket>) -> Result<(), Error> {
        if self.is_awake() {
            return Ok(());
        }
        let config = Config::from_env(self.env.clone());
        let (mut options, keys, logs_wakes) = (config.hub_options()?, config.keys()?, config.logs_wakes()?);
        options.salt = u64::from_le_bytes(random_bytes()?);
        let storage = self.state.storage();
        let alarm = storage.get_alarm().await?.map(|ms| Timestamp(ms.max(0) as u64));
        // Another event may have done it meanwhile.
        if self.is_awake() {
            return Ok(());
        }
        let mut sockets = self.state.get_websockets();
        sockets.extend(closing.cloned());
        let (mut peers, mut closed) = (Map::new(), Vec::new());
        self.sockets.clear();
        for ws in &sockets {
            let Some((id, peer, dialect)) = attached(ws) else { continue };
            // What was to be sent when an instance of this Worker ended by a fault may never have been: it comes back.
            if ws.ready_state() == OPEN && ws.is_of_another_instance() {
                close(ws, 1011, Code::Internal);
            }
            let foreign = dialect.map(|dialect| (dialect, peer.clone()));
            peers.insert(id, peer);
            // One that is closing was a peer until now: others must hear that it left.
            match ws.ready_state() {
                OPEN => self.sockets.insert(id, ws, foreign),
                _ => closed.push(id),
            }
        }
        if logs_wakes {
            console_log!("hub restored with {} sockets", self.sockets.len());
        }
        let outputs = {
            let (core, outputs) = transaction(&storage, || {
                let core = Core::restore(user, Sqlite::new(&storage), options, now(), peers)?;
                let mut core = core.with_keys(keys.clone());
                let mut outputs = core.handle(now(), Input::Woken(alarm))?;
                for id in closed {
                    outputs.extend(core.handle(now(), Input::Closed(id))?);
                }
                Ok((core, outputs))
            })
            .map_err(store_failed)?;
            *self.core.borrow_mut() = Some(core);
            outputs
        };
        self.settle(self.perform(outputs)).await.map(drop)
    }

    fn read<T>(&self, question: impl FnOnce(&Core<Sqlite>) -> Result<T, SqliteError>) -> Result<T, Error> {
        let held = self.core.borrow();
        let core = held.as_ref().ok_or_else(|| Error::internal("hub", "asleep"))?;
        question(core).map_err(store_failed)
    }

    fn perform(&self, outputs: Vec<Output>) -> Done {
        let mut done = Done::default();
        for output in outputs {
            match output {
                Output::Attach(id, peer) => self.sockets.attach(id, &peer),
                Output::Close(id, code, reason) => self.sockets.close(id, code, reason),
                Output::Deliver(delivery) => done.deliveries.push(delivery),
                Output::Draft(question) => done.drafts.push(question),
                Output::Fetched(fetched) => {
                    // Nobody waits for one that comes too late.
                    if let Some(slot) = self.fetches.borrow_mut().get_mut(&fetched.id) {
                        *slot = Some(fetched);
                    }
                }
                Output::FlushIn(ms) => done.flush_in = Some(ms),
                Output::Over(question) => self.unmark(question),
                Output::Passed(passed) => done.passed = passed,
                Output::Posted(posted) => done.posted = Some(posted),
                Output::Pressed(pressed) => done.pressed = Some(pressed),
                Output::Send(ids, text) => {
                    let told = self.sockets.send(&ids, &text);
                    for id in told.stalled {
                        done.stalled.insert(id);
                    }
                    // One for all that a step sends: each may bring more.
                    done.acks.retain(|(peer, _)| told.acks.iter().all(|(newer, _)| newer != peer));
                    done.acks.extend(told.acks);
                }
                Output::WakeAt(at) => done.wake_at = Some(at),
            }
        }
        done
    }

    /// A question that may be marked at its platform is over. Nobody waits for what comes of it.
    fn unmark(&self, question: Seq) {
        let (config, origin) = (Config::from_env(self.env.clone()), self.read(|core| core.origin(question)));
        let Ok(Some(origin)) = origin else { return };
        let marked = Marked { origin, is_over: true };
        drop(promise(async move {
            mark::tell(&config, &marked).await;
            Ok(JsValue::UNDEFINED)
        }));
    }

    /// Sets the alarm, shows answers at their platforms, and drops who does not read.
    async fn settle(self: &Rc<Self>, mut done: Done) -> Result<Done, Error> {
        if let Some(at) = done.wake_at.take() {
            let at_ms = at.0.max(now().0 + 1) as i64;
            if let Err(error) = self.state.storage().set_alarm(at_ms).await {
                // Everything else is done. The next event restores the core, which sets the alarm again.
                console_error!("alarm: {error}");
                *self.core.borrow_mut() = None;
            }
        }
        self.draw_all(std::mem::take(&mut done.drafts));
        for id in std::mem::take(&mut done.stalled) {
            // It sends at most one small frame more, and closes.
            Box::pin(self.handle(Input::Stalled(id))).await?;
        }
        Ok(done)
    }

    /// Hands an answer to the account, which knows the platform.
    async fn deliver(&self, delivery: Delivery) -> (Seq, u32, Sent) {
        let (seq, part) = (delivery.seq, delivery.part);
        let outbound = relay::hub::outbound(delivery);
        let config = Config::from_env(self.env.clone());
        let sent = account::send(&config, &outbound).await;
        console_log!("answer {seq} to account {}: {sent:?}", outbound.origin.account);
        (seq, part, sent)
    }

    async fn closed(self: &Rc<Self>, ws: &WebSocket, why: &str) {
        let Some(peer) = peer_of(&self.state, ws) else { return };
        // Of a user who is gone nothing is begun anew.
        if !self.is_awake() && !self.is_begun().unwrap_or(true) {
            return;
        }
        console_log!("peer {} closed: {why}", peer.0);
        self.sockets.remove(peer);
        let told = match self.wake(None, Some(ws)).await {
            // It could not set its alarm, and is gone again: the next one would not know this socket.
            Ok(()) if !self.is_awake() => Err(Error::internal("hub", "asleep")),
            Ok(()) => self.handle(Input::Closed(peer)).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            console_error!("peer {}: {}", peer.0, error.detail());
            // The others would not hear that it left: they come back, and do.
            self.state.get_websockets().iter().for_each(|ws| close(ws, 1011, Code::Internal));
        }
    }
}

/// Said for a peer that knows no `ack`.
fn acknowledged(peer: PeerId, seq: Seq) -> Input {
    Input::Received(peer, 0, Ok(vec![ClientFrame::Ack { seq }]))
}

fn no_output() -> Error {
    Error::internal("posting", "no output")
}

fn close(ws: &WebSocket, code: u16, reason: Code) {
    if let Err(error) = ws.close(Some(code), Some(reason.as_str())) {
        console_log!("close: {error}");
    }
}

fn store_failed(error: SqliteError) -> Error {
    Error::unavailable("the hub's store failed", error)
}

/// Calls that one user's agents make at once.
const FETCHES_MAX: usize = 64;
/// Longer than an agent lets a call last.
const FETCH_MS_MAX: u64 = 15_000;
/// The same with a file.
const FETCH_FILE_MS_MAX: u64 = 75_000;
const FETCH_LOOK_MS: u64 = 15;
/// How often an answer that does not grow is looked at.
const DRAFT_LOOK_MS: u64 = 250;
const DRAFT_IDLE_MS: u64 = 10_000;
/// How often a webhook that waits is looked at.
const HELD_LOOK_MS: u64 = 60;
/// How often what one input sends brings more: with 1 MiB each time, below what may wait for a peer that does not read.
const ACK_ROUNDS_MAX: usize = 2;
/// `WebSocket.OPEN`.
const OPEN: u16 = 1;
/// How often a webhook looks for sockets that are dead: 10 s.
const LOOK_INTERVAL_MS: u64 = 10_000;
/// Answers handed over in one alarm, which may last 15 min: at most 20 s for each, 6 at once.
const HANDED_MAX: usize = 120;
/// After an alarm in which the store or the runtime failed.
const ALARM_RETRY_MS: u64 = 30_000;
