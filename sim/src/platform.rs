//! A chat platform that answers are delivered to: it takes, is busy, refuses, or is not heard; and it knows an
//! idempotency key for an hour, as Feishu does.

use std::collections::{BTreeMap, BTreeSet};

use relay::hub::Input;
use relay::limit::EXPIRE_QUESTIONS;
use relay::platform::Sent;
use relay::store::Delivery;

use crate::check::Broken;
use crate::shell::Handled;
use crate::world::World;

/// An alarm that is further ahead than this waits for questions to end, not for the next try of something.
pub const FAR_MS: u64 = 3_600_000;

/// The platform, and the alarm handler that delivers to it.
#[derive(Default)]
pub struct Platform {
    /// When each idempotency key, of an answer and a part of it, was first taken.
    keys: BTreeMap<(u64, u32), u64>,
    /// What people see there: the parts of each answer.
    copies: BTreeMap<u64, Vec<u32>>,
    /// The newest answer in each conversation, and its part.
    newest: BTreeMap<String, (u64, u32)>,
    /// Parts that were in the response to a webhook, and which question that waited for.
    in_responses: BTreeMap<(u64, u32), String>,
    /// Messages that it lets nobody reply to any more.
    refused: BTreeSet<String>,
    /// Answers that someone had handed over again: they may be there twice, and late.
    pub replayed: BTreeSet<u64>,
    /// Answers of several parts.
    pub parts: BTreeMap<u64, u32>,
    /// Nothing is taken.
    pub is_down: bool,
    /// The alarm handler, while it runs.
    pub run: Option<Run>,
    /// Requests of a process that died: they arrive all the same.
    ghosts: Vec<(u64, Delivery)>,
    /// What it takes now was given up before.
    is_late: bool,
}

/// One run of the alarm handler.
#[derive(Default)]
pub struct Run {
    flights: Vec<Delivery>,
    handed: usize,
    /// When the last of them left.
    began: u64,
}

impl Platform {
    /// Requests are on their way for longer than they last.
    pub fn is_overdue(&self, now: u64) -> bool {
        self.run.as_ref().is_some_and(|run| run.began + REQUEST_MS_MAX < now)
    }

    /// Takes an answer, unless it has it.
    fn take(&mut self, now: u64, conversation: &str, delivery: &Delivery) -> Result<(), Broken> {
        let seq = delivery.seq.0;
        let key = (seq, delivery.part);
        if self.keys.get(&key).is_some_and(|&at| now < at + KEY_MS) {
            return Ok(());
        }
        self.keys.insert(key, now);
        self.show(conversation, key)
    }

    /// Takes an answer in the response to a webhook. Whoever else waits for the same question is shown the same.
    pub fn take_in_response(
        &mut self,
        id: &str,
        conversation: &str,
        key: (u64, u32),
        is_late: bool,
    ) -> Result<(), Broken> {
        self.is_late = is_late;
        match self.in_responses.insert(key, id.to_owned()) {
            Some(other) if other == id || self.replayed.contains(&key.0) => Ok(()),
            Some(other) => Err(Broken::new("an answer is in one response", format!("{key:?} for {other} and {id}"))),
            None => self.show(conversation, key),
        }
    }

    /// People see a part of an answer.
    fn show(&mut self, conversation: &str, key: (u64, u32)) -> Result<(), Broken> {
        let (seq, part) = key;
        if self.replayed.contains(&seq) {
            return Ok(());
        }
        let copies = self.copies.entry(seq).or_default();
        copies.push(part);
        if copies.iter().filter(|copy| **copy == part).count() > 1 {
            let both = self.in_responses.contains_key(&key);
            let rule = if both { "an answer is in a response or handed over" } else { "one answer at the platform" };
            return Err(Broken::new(rule, format!("{seq}: {copies:?}")));
        }
        let newest = self.newest.entry(conversation.to_owned()).or_default();
        if key < *newest && self.is_late {
            return Ok(());
        }
        if key < *newest {
            let detail = format!("{key:?} after {newest:?} in {conversation}");
            return Err(Broken::new("answers of a conversation arrive in order", detail));
        }
        *newest = key;
        Ok(())
    }

    /// It lets nobody reply to this message any more.
    pub fn has_refused(&self, message: &str) -> bool {
        self.refused.contains(message)
    }

    /// How often people see an answer whole.
    pub fn copies_of(&self, seq: u64) -> usize {
        if self.replayed.contains(&seq) {
            return 1;
        }
        let parts = self.copies.get(&seq).map_or(0, Vec::len) as u32;
        usize::from(parts > 0 && parts == self.parts.get(&seq).copied().unwrap_or(1))
    }
}

impl World {
    /// The alarm rings; sometimes time passes until it is due.
    pub fn alarm(&mut self) {
        if self.platform.run.is_some() {
            return;
        }
        let Some(at) = self.shell.alarm else { return };
        if at > self.clock.now() {
            // Time goes on by steps. To jump a day ahead ends every open question, so it is rare.
            let is_far = at.0 - self.clock.now().0 > FAR_MS;
            if !self.calm && self.random.chance(if is_far { 999 } else { 500 }) {
                return;
            }
            let late = if self.calm { 0 } else { self.random.skewed(20_000) };
            let until = self.clock.true_at(at) + late;
            self.advance(until.saturating_sub(self.clock.true_ms));
        }
        self.shell.alarm = None;
        if !self.calm && self.random.chance(self.profile.alarm_lost) {
            self.figures.count("alarms lost");
            self.shell.alarm_lost = true;
            return;
        }
        self.platform.run = Some(Run::default());
        self.tick();
        if !self.calm && self.random.chance(50) && self.platform.run.is_none() {
            self.figures.count("alarms that rang twice");
            self.platform.run = Some(Run::default());
            self.tick();
        }
    }

    /// The core is told that it is time although no alarm rang.
    pub fn spurious_tick(&mut self) {
        if self.platform.run.is_none() {
            self.platform.run = Some(Run::default());
            self.tick();
        }
    }

    fn tick(&mut self) {
        match self.handle(Input::Tick) {
            Handled::Done(done) => {
                let (now, ttl_ms) = (self.clock.now().0, self.profile.ttl_ms);
                let truth = &self.check.truth;
                let overdue = truth.open.iter().find(|seq| truth.rows[seq].at_ms + ttl_ms <= now).copied();
                let in_time = overdue.is_none() || truth.ended.len() >= EXPIRE_QUESTIONS;
                self.check.demand(in_time, "a question expires when the alarm rings", || format!("{overdue:?}"));
                let Some(run) = &mut self.platform.run else { return };
                run.handed += done.deliveries.len();
                if !done.deliveries.is_empty() {
                    run.began = self.clock.true_ms;
                }
                run.flights.extend(done.deliveries);
                if run.flights.is_empty() {
                    self.platform.run = None;
                }
            }
            Handled::Failed => self.retry_alarm(),
            Handled::Crashed => {}
        }
    }

    /// The store failed: the handler sets the alarm anew.
    fn retry_alarm(&mut self) {
        self.platform.run = None;
        self.shell.core = None;
        self.shell.alarm = Some(self.clock.now().plus_ms(ALARM_RETRY_MS));
    }

    /// The process died: requests on their way may still arrive, and the runtime runs the handler again, or not.
    pub fn crash_deliveries(&mut self) {
        let Some(run) = self.platform.run.take() else { return };
        for delivery in run.flights {
            if !self.calm && self.random.chance(500) && !self.keeps(delivery.conversation.as_str()) {
                let at = self.clock.true_ms + self.random.skewed(REQUEST_MS_MAX);
                self.platform.ghosts.push((at, delivery));
            }
        }
        if !self.calm && self.random.chance(self.profile.alarm_lost) {
            self.figures.count("alarms lost");
            self.shell.alarm_lost = true;
        } else {
            let at = self.clock.now().plus_ms(2_000);
            self.shell.alarm = Some(self.shell.alarm.map_or(at, |set| set.min(at)));
        }
    }

    /// Requests of dead processes arrive by now.
    pub fn land_ghosts(&mut self) {
        let now = self.clock.true_ms;
        if self.platform.ghosts.iter().all(|(at, _)| *at > now) {
            return;
        }
        let (landed, flying): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.platform.ghosts).into_iter().partition(|(at, _)| *at <= now);
        self.platform.ghosts = flying;
        for (at, delivery) in landed {
            if !self.platform.refused.contains(&delivery.origin.message) {
                self.figures.count("answers that arrived after a crash");
                self.take(at, &delivery);
            }
        }
    }

    fn take(&mut self, at: u64, delivery: &Delivery) {
        let conversation = self.check.truth.rows[&delivery.seq.0].conversation.clone();
        // One that was given up meanwhile may be there or not, as its writer was told, and then late.
        let statement = "select seq from deliveries where seq = ?";
        self.platform.is_late = self.shell.sql.read(statement, [delivery.seq.0 as i64], |_| Ok(())).is_empty();
        let result = self.platform.take(at, &conversation, delivery);
        self.trace.note(|| format!("  the platform takes {} for {}", delivery.seq, delivery.origin.message));
        self.check.hold(result);
    }

    /// The platform answers one of the requests on their way; the core hears it, and is asked for more.
    pub fn verdict(&mut self) {
        let Some(run) = &self.platform.run else { return };
        if run.flights.is_empty() {
            return self.finish_run();
        }
        let at = self.random.below(run.flights.len());
        let delivery = run.flights[at].clone();
        let Some(sent) = self.judge(&delivery) else { return };
        self.trace.note(|| format!("  the platform on {}: {sent:?}", delivery.seq));
        let Some(run) = &mut self.platform.run else { return };
        run.flights.remove(at);
        let handed = run.handed;
        match self.handle(Input::Delivered(delivery.seq, delivery.part, sent)) {
            Handled::Done(_) if handed < HANDED_MAX => self.tick(),
            Handled::Done(_) => self.finish_run(),
            Handled::Failed => self.retry_alarm(),
            Handled::Crashed => {}
        }
    }

    /// Nothing is on its way any more: so many were handed over that the next alarm goes on.
    fn finish_run(&mut self) {
        let Some(run) = &self.platform.run else { return };
        if run.flights.is_empty() {
            self.platform.run = None;
            self.handle(Input::Woken(None));
        }
    }

    /// In how many parts the platform takes an answer.
    pub fn parts_of(&mut self, seq: u64) -> u32 {
        if let Some(&parts) = self.platform.parts.get(&seq) {
            return parts;
        }
        let parts = if self.random.chance(self.profile.parts) { self.random.between(2, 4) as u32 } else { 1 };
        self.platform.parts.insert(seq, parts);
        parts
    }

    /// What becomes of a request; none: the relay does not live to hear it.
    fn judge(&mut self, delivery: &Delivery) -> Option<Sent> {
        let (key, now) = ((delivery.seq.0, delivery.part), self.clock.true_ms);
        if self.keeps(delivery.conversation.as_str()) {
            self.figures.count("answers kept");
            self.check.first_tries.remove(&key);
            return Some(Sent::Kept);
        }
        let parts = self.parts_of(key.0);
        let taken = || Some(if delivery.part + 1 < parts { Sent::Partly } else { Sent::Taken });
        if !self.calm && self.random.chance(self.profile.waits) {
            self.figures.count("waits for a turn");
            if delivery.tried.is_none() {
                self.check.first_tries.remove(&key);
            }
            return Some(Sent::Wait { ms: self.random.between(1, 60_000) });
        }
        let profile = self.profile.clone();
        let later = |after_ms, why: &str| Some(Sent::Later { after_ms, why: why.to_owned() });
        if self.platform.keys.contains_key(&key) && !self.platform.is_down {
            self.take(now, delivery);
            return taken();
        }
        if self.platform.refused.contains(&delivery.origin.message) {
            return Some(Sent::Refused("the message was deleted".to_owned()));
        }
        if !self.calm {
            if self.random.chance(profile.crashes_delivering) {
                self.figures.count("crashes between send and verdict");
                if self.random.chance(500) {
                    self.take(now, delivery);
                }
                self.crash();
                return None;
            }
            if self.random.chance(profile.verdict_lost) {
                self.figures.count("verdicts lost");
                self.take(now, delivery);
                return later(None, "timed out");
            }
            if self.platform.is_down || self.random.chance(profile.busy) {
                self.figures.count("platform busy");
                let after = if self.random.chance(300) { Some(self.random.skewed(120_000)) } else { None };
                return later(after, "busy");
            }
            if self.random.chance(profile.refused) {
                self.figures.count("answers refused");
                self.platform.refused.insert(delivery.origin.message.clone());
                return Some(Sent::Refused("no such chat".to_owned()));
            }
        }
        self.take(now, delivery);
        taken()
    }
}

/// Feishu forgets an idempotency key after an hour.
const KEY_MS: u64 = 60 * 60 * 1000;
/// As in src/hub.rs.
const ALARM_RETRY_MS: u64 = 30_000;
/// A request arrives within this time, or never.
const REQUEST_MS_MAX: u64 = 30_000;
/// As in src/hub.rs, or less, so that it is met.
const HANDED_MAX: usize = 20;
