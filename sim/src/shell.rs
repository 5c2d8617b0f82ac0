//! What src/hub.rs is on workerd, for the simulation: each input in one transaction, its outputs performed one by one;
//! and all that can go wrong there.

use std::collections::BTreeMap;
use std::rc::Rc;

use protocol::limit::FRAME_BYTES_MAX;
use protocol::{ServerFrame, Timestamp, decode};
use relay::hub::{Hub, Input, Log, Options, Output, Peer, PeerId, Posted, Refusal};
use relay::limit::{CONVERSATION_QUESTIONS_MAX, REPLAY_BYTES_MAX, SOCKETS_MAX};
use relay::store::Delivery;

use crate::draft::{Drafts, Piece};
use crate::network::{Down, Said};
use crate::sqlite::{Sqlite, SqliteError};
use crate::world::World;

/// The Durable Object: what it holds in memory, and what outlives that.
pub struct Shell {
    /// Its database.
    pub sql: Sqlite,
    /// The core, while it is in memory.
    pub core: Option<Hub<Sqlite>>,
    /// Open sockets, and their attachments once they have one.
    pub sockets: BTreeMap<PeerId, Option<String>>,
    /// The same attachments, read.
    pub peers: BTreeMap<PeerId, Peer>,
    /// The alarm.
    pub alarm: Option<Timestamp>,
    /// Sockets that were closed because the store failed, until the next restore hears of it.
    pub failed: Vec<PeerId>,
    /// How often it was restored.
    pub life: u64,
    /// Someone waits to show what is held back.
    pub flushes: bool,
    options: Options,
    /// An alarm was dropped since the core was restored: nobody knows of it.
    pub alarm_lost: bool,
}

/// What became of an input.
pub enum Handled {
    /// The process died.
    Crashed,
    /// All of it was done.
    Done(Done),
    /// Nothing was done.
    Failed,
}

/// What is left of an input's outputs once the sockets have theirs.
#[derive(Default)]
pub struct Done {
    /// Answers to hand to platforms.
    pub deliveries: Vec<Delivery>,
    /// Whether what was found may be in a response.
    pub passed: bool,
    /// What became of a question from a webhook.
    pub posted: Option<Result<Posted, Refusal>>,
}

/// What goes wrong with one transaction.
enum Mishap {
    CrashBeforeCommit,
    /// After so many outputs.
    CrashBetween(usize),
    None,
    /// After so many statements.
    StoreFails(u32),
    /// All statements succeed, and the commit fails.
    CommitFails,
}

impl Shell {
    /// A new object.
    pub fn new(ttl_ms: u64, log: Log) -> Shell {
        Shell {
            failed: Vec::new(),
            life: 0,
            flushes: false,
            options: Options { ttl_ms, log, ..Options::default() },
            sql: Sqlite::new(),
            core: None,
            sockets: BTreeMap::new(),
            peers: BTreeMap::new(),
            alarm: None,
            alarm_lost: false,
        }
    }

    /// The sockets that a restored core takes over, as their attachments say.
    pub fn attachments(&self) -> Vec<(PeerId, Peer)> {
        let peer = |text: &String| serde_json::from_str(text).unwrap();
        self.sockets.iter().filter_map(|(&id, text)| Some((id, text.as_ref().map(peer)?))).collect()
    }

    /// A core made of what outlives memory.
    pub fn restored(&self, now: Timestamp) -> Result<Hub<Sqlite>, SqliteError> {
        Hub::restore(Some("usr_1".parse().unwrap()), self.sql.clone(), self.options, now, self.attachments())
    }

    /// The socket is gone.
    pub fn forget(&mut self, peer: PeerId) {
        self.sockets.remove(&peer);
        self.peers.remove(&peer);
    }
}

impl World {
    /// Handles an input in one transaction, and performs what follows from it.
    pub fn handle(&mut self, input: Input) -> Handled {
        self.handle_said(input, None)
    }

    /// The same, for what a client said.
    pub fn handle_said(&mut self, input: Input, said: Option<(PeerId, &Said)>) -> Handled {
        match self.wake() {
            Handled::Done(_) => {}
            not => return not,
        }
        self.trace.note(|| format!("  ⇒ {input:?}"));
        // Unless its alarm could not be set.
        let Some(mut core) = self.shell.core.take() else { return Handled::Failed };
        let now = self.clock.now();
        let frames = said.map_or(1, |(_, said)| said.frames.max(1));
        let pieces = Drafts::pieces(&input);
        let result = self.transact(|_| core.handle(now, input));
        match result {
            Ok((outputs, crash_after)) => {
                self.shell.core = Some(core);
                if let Some((peer, said)) = said {
                    self.check.said(peer, said);
                }
                let (count, most) = (outputs.len(), OUTPUTS_MAX + OUTPUTS_PER_FRAME_MAX * frames);
                self.check.demand(count <= most, "the outputs of one input are bounded", || format!("{count}"));
                let drawn: Vec<&Piece> = pieces.iter().filter(|piece| self.hear_piece(piece)).collect();
                let handled = self.perform(outputs, crash_after);
                if let Handled::Done(_) = &handled {
                    drawn.into_iter().for_each(|piece| self.check_drawn(piece.question));
                }
                handled
            }
            Err(not) => not,
        }
    }

    /// Restores the core if it is not in memory.
    pub fn wake(&mut self) -> Handled {
        if self.shell.core.is_some() {
            return Handled::Done(Done::default());
        }
        self.figures.count("restores");
        let now = self.clock.now();
        let mut woken = None;
        let alarm = self.shell.alarm;
        self.shell.flushes = false;
        self.shell.life += 1;
        let result = self.transact(|shell| {
            let mut core = shell.restored(now)?;
            let mut outputs = core.handle(now, Input::Woken(alarm))?;
            for &peer in &shell.failed {
                outputs.extend(core.handle(now, Input::Closed(peer))?);
            }
            woken = Some(core);
            Ok(outputs)
        });
        match result {
            Ok((outputs, crash_after)) => {
                self.trace.note(|| format!("  restored with {} sockets", self.shell.sockets.len()));
                self.shell.core = woken;
                self.shell.alarm_lost = false;
                self.drafts.forget();
                for peer in std::mem::take(&mut self.shell.failed) {
                    self.shell.forget(peer);
                }
                self.perform(outputs, crash_after)
            }
            Err(not) => not,
        }
    }

    /// Everything in memory is lost, and every socket. What is on the way to clients may arrive in part.
    pub fn crash(&mut self) {
        self.figures.count("crashes");
        self.trace.note(|| "  ✗ the process dies".to_owned());
        self.shell.core = None;
        self.shell.sockets.clear();
        self.shell.peers.clear();
        self.shell.failed.clear();
        self.check.crashed();
        for peer in self.network.which(|connection| connection.relay) {
            let Some(connection) = self.network.connections.get_mut(&peer) else { continue };
            connection.relay = false;
            connection.up.clear();
            let arrives = self.random.between(0, connection.down.len() as u64) as usize;
            connection.down.truncate(arrives);
            self.network.down(peer, Down::Close(1006));
        }
        self.crash_deliveries();
        self.crash_holds();
    }

    /// Runs `work` in a transaction: its outputs, and after how many of them the process dies.
    fn transact(
        &mut self,
        work: impl FnOnce(&Shell) -> Result<Vec<Output>, SqliteError>,
    ) -> Result<(Vec<Output>, Option<usize>), Handled> {
        let mishap = self.mishap();
        let budget = if let Mishap::StoreFails(statements) = mishap { Some(statements) } else { None };
        self.shell.sql.begin(budget);
        let result = work(&self.shell);
        if matches!(mishap, Mishap::CrashBeforeCommit) {
            self.shell.sql.roll_back();
            self.figures.count("crashes before the commit");
            self.crash();
            return Err(Handled::Crashed);
        }
        match result {
            Ok(outputs) if !matches!(mishap, Mishap::CommitFails) => {
                let touched = self.shell.sql.commit();
                let synced = self.check.truth.sync(&self.shell.sql, self.clock.now().0, &touched);
                self.check.hold(synced);
                self.check_answers();
                let crash_after = if let Mishap::CrashBetween(outputs) = mishap { Some(outputs) } else { None };
                Ok((outputs, crash_after))
            }
            _ => {
                self.shell.sql.roll_back();
                self.shell.core = None;
                self.figures.count("store failures");
                self.trace.note(|| "  ✗ the store fails".to_owned());
                Err(Handled::Failed)
            }
        }
    }

    fn mishap(&mut self) -> Mishap {
        if self.calm {
            return Mishap::None;
        }
        if self.random.chance(self.profile.store_fails) {
            return match self.random.below(8) {
                0 => Mishap::CommitFails,
                _ => Mishap::StoreFails(self.random.skewed(24) as u32),
            };
        }
        if self.random.chance(self.profile.crashes_before_commit) {
            return Mishap::CrashBeforeCommit;
        }
        if self.random.chance(self.profile.crashes_between) {
            return Mishap::CrashBetween(self.random.skewed(12) as usize);
        }
        Mishap::None
    }

    fn perform(&mut self, outputs: Vec<Output>, crash_after: Option<usize>) -> Handled {
        let mut done = Done::default();
        let (mut wake_at, mut replayed) = (None, BTreeMap::new());
        for output in &outputs {
            if let Output::Deliver(delivery) = output {
                self.check.first_handed.entry(delivery.seq.0).or_insert(self.clock.true_ms);
            }
        }
        for (index, output) in outputs.into_iter().enumerate() {
            if crash_after == Some(index) {
                self.figures.count("crashes between outputs");
                self.crash();
                return Handled::Crashed;
            }
            self.trace.note(|| format!("    {output:?}"));
            match output {
                Output::Attach(id, peer) => {
                    if let Some(attachment) = self.shell.sockets.get_mut(&id) {
                        let text = serde_json::to_string(&peer).unwrap();
                        self.check.attached(&peer, text.len());
                        *attachment = Some(text);
                        self.shell.peers.insert(id, peer);
                    }
                }
                Output::Close(id, code, _) => self.close(id, code),
                Output::Deliver(delivery) => done.deliveries.push(delivery),
                Output::Draft(question) => self.asked_to_draw(question),
                // Of no one here.
                Output::Fetched(_) => {}
                Output::FlushIn(_) => self.shell.flushes = true,
                // Nothing depends on it.
                Output::Over(_) => {}
                Output::Passed(passed) => done.passed = passed,
                Output::Posted(posted) => done.posted = Some(posted),
                // Nobody presses here what a platform only names.
                Output::Pressed(_) => {}
                Output::Send(ids, text) => self.send(&ids, &text, &mut replayed),
                Output::WakeAt(at) => wake_at = Some(at),
            }
        }
        self.check.said_all();
        self.check.demand(self.shell.sockets.len() <= SOCKETS_MAX, "at most 64 sockets", || "more".to_owned());
        self.check.handed(self.clock.true_ms, &done.deliveries);
        self.check_held(&done.deliveries);
        if let Some(at) = wake_at {
            if !self.calm && self.random.chance(self.profile.alarm_unset) {
                self.figures.count("alarms not set");
                // As the shell does: the next event restores the core, which sets the alarm again.
                self.shell.core = None;
            } else {
                self.shell.alarm = Some(at);
            }
        }
        self.check_alarm();
        Handled::Done(done)
    }

    fn send(&mut self, ids: &[PeerId], text: &str, replayed: &mut BTreeMap<PeerId, usize>) {
        let frames = match decode::<ServerFrame>(text) {
            Ok(frames) => Rc::new(frames),
            Err(error) => {
                return self.check.demand(false, "what the relay sends can be read", || format!("{error}: {text}"));
            }
        };
        self.figures.frames += (frames.len() * ids.len()) as u64;
        for &id in ids {
            // A socket that is closing refuses; its peer resumes from its cursor.
            if self.shell.sockets.contains_key(&id) {
                self.check.sent(id, text, &frames);
                // What it is behind by, and what this very input brought.
                if frames.iter().any(|frame| matches!(frame, ServerFrame::Message(_))) {
                    *replayed.entry(id).or_default() += text.len();
                    let bytes = replayed[&id];
                    let few = bytes <= REPLAY_BYTES_MAX + FRAME_BYTES_MAX + ENVELOPES_BYTES_MAX;
                    self.check.demand(few, "1 MiB is sent to a peer that is behind", || format!("{bytes} bytes"));
                }
                self.network.down(id, Down::Frames(Rc::clone(&frames)));
            }
        }
    }

    /// The store failed at what this peer said: its socket closes, and the others hear so once the relay wakes.
    pub fn fails_at(&mut self, peer: PeerId) {
        if self.shell.sockets.contains_key(&peer) {
            self.shell.failed.push(peer);
            self.hang_up(peer, 1011);
        }
    }

    /// The relay closes a socket. Its end is told later, by [`Input::Closed`], which must have no effect.
    pub fn close(&mut self, peer: PeerId, code: u16) {
        self.trace.note(|| format!("  the relay closes {peer:?}: {code}"));
        self.shell.forget(peer);
        self.hang_up(peer, code);
    }

    fn hang_up(&mut self, peer: PeerId, code: u16) {
        self.check.closed(peer);
        self.drafts.left(peer);
        self.network.down(peer, Down::Close(code));
        if let Some(connection) = self.network.connections.get_mut(&peer) {
            connection.relay = false;
            connection.up.clear();
            self.closing.push(peer);
        }
    }

    /// As long as answers wait and nobody delivers them, an alarm is set in time.
    fn check_alarm(&mut self) {
        let shell = &self.shell;
        if shell.core.is_none() || shell.alarm_lost || self.platform.run.is_some() {
            return;
        }
        if self.check.truth.deliveries.is_empty() {
            return;
        }
        let (due, alarm) = (self.check.truth.next_due(), shell.alarm.map(|at| at.0));
        // A handler that failed goes on after 30 s.
        let soon = self.clock.now().0 + 30_000;
        let in_time = due.is_none_or(|due| alarm.is_some_and(|alarm| alarm <= due.max(soon)));
        self.check.demand(in_time, "an alarm is set as long as answers wait", || format!("due {due:?}, set {alarm:?}"));
    }
}

/// What a batch of messages has beside their texts.
const ENVELOPES_BYTES_MAX: usize = 64 * 1024;
/// Outputs of one input, whatever it is: two for each question that `/stop` ends, a batch for every 32 of a window's
/// messages, states, streams, attachments.
const OUTPUTS_MAX: usize = 2 * CONVERSATION_QUESTIONS_MAX + 256;
/// … and for each frame in it.
const OUTPUTS_PER_FRAME_MAX: usize = 16;
