//! Webhooks that wait: their answer is in their own response, or goes the late way; and chats where it can go no other way,
//! so that it is kept for the next message from there.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{ConversationId, MessageId};
use relay::hub::{Held, Hub, Input};
use relay::limit::{HELD_MS_REMEMBERED, HOLDS_MAX};
use relay::platform::Outbound;
use relay::store::Delivery;

use crate::shell::Handled;
use crate::sqlite::{Sqlite, SqliteError};
use crate::world::World;

/// Every webhook that waits, and what was said in the responses of others.
#[derive(Default)]
pub struct Holds {
    waiting: Vec<Waiting>,
    /// Messages whose webhook was answered: the platform shows no other answer to it.
    responded: BTreeSet<String>,
    /// Answers that were in a response which may not have arrived.
    pub unheard: BTreeSet<u64>,
    /// Question → what was said in the response to it, when, and in which era.
    passed: BTreeMap<String, ((u64, u32), u64, Era)>,
    /// Question → until when its answer goes no other way, by the relay's clock, and in which era.
    promised: BTreeMap<u64, (u64, Era)>,
    /// Question → the message that asked for its answer last.
    asked_by: BTreeMap<String, String>,
    /// When the last of all waits that began is over, by the relay's clock.
    over: u64,
    /// How many holds began, and in which life of the core.
    begun: (usize, u64),
    /// How often someone asked for what is kept.
    asked: u64,
}

/// What is remembered in memory alone is promised for one life of the core, while its clock goes on evenly.
type Era = (u64, i64);

/// A webhook that waits.
#[derive(Clone)]
struct Waiting {
    /// For the answer to this question.
    id: MessageId,
    /// The message that it brought.
    by: String,
    /// The message of a call on the platform, if it is one.
    call: Option<usize>,
    /// Until then.
    until: u64,
    /// The platform asked again since, and hears this one no more.
    is_hung_up: bool,
    /// An answer that was kept when it came.
    kept: Option<u64>,
    /// When it began.
    era: Era,
    /// What it is about to say, and since when.
    found: Option<(Outbound, u64)>,
}

impl World {
    /// Whether answers go in responses alone there.
    pub fn keeps(&self, conversation: &str) -> bool {
        self.profile.keeps && conversation.ends_with(['0', '2', '4', '6'])
    }

    fn era(&self) -> Era {
        (self.shell.life, self.clock.skew_ms())
    }

    /// Asks the core something that needs no input.
    fn ask<T>(&mut self, question: impl FnOnce(&mut Hub<Sqlite>) -> Result<T, SqliteError>) -> Option<T> {
        let Handled::Done(_) = self.wake() else { return None };
        let mut core = self.shell.core.take()?;
        self.shell.sql.begin(None);
        let answer = question(&mut core).unwrap();
        let touched = self.shell.sql.commit();
        let synced = self.check.truth.sync(&self.shell.sql, self.clock.now().0, &touched);
        self.check.hold(synced);
        self.shell.core = Some(core);
        Some(answer)
    }

    /// The webhook that is about to bring a question will wait.
    pub fn begin_hold(&mut self, id: &MessageId) -> bool {
        let (now, until) = (self.clock.now(), self.clock.now().plus_ms(self.profile.hold_ms));
        if self.ask(|core| core.hold(now, id, until)).is_none() {
            return false;
        }
        self.holds.over = until.0.max(self.holds.over);
        let life = self.shell.life;
        self.holds.begun = (if self.holds.begun.1 == life { self.holds.begun.0 + 1 } else { 1 }, life);
        let era = self.era();
        // Whoever joins makes it wait longer, unless the wait was over.
        if let Some(seq) = self.check.truth.places.get(id.as_str())
            && let Some((promised, in_era)) = self.holds.promised.get_mut(seq)
            && *in_era == era
            && now.0 < *promised
        {
            *promised = until.0.max(*promised);
        }
        true
    }

    /// It is committed, and waits.
    pub fn wait(&mut self, call: usize, seq: u64, new: bool) {
        let (now, era) = (self.clock.now().0, self.era());
        let question = &self.webhooks.calls[call].question;
        let (id, conversation) = (question.id.clone(), question.conversation.clone());
        let kept = if new { self.kept(conversation.as_str()) } else { None };
        let until = self.clock.true_ms + self.profile.hold_ms;
        if new {
            self.holds.promised.insert(seq, (now + self.profile.hold_ms, era));
        }
        let by = id.to_string();
        self.hang_up_on(&by);
        self.holds.waiting.push(Waiting { id, by, call: Some(call), until, is_hung_up: false, kept, era, found: None });
    }

    /// Whether the platform was asked to take this, and may have without our hearing so.
    fn may_be_there(&self, seq: u64) -> bool {
        let statement = "select 1 from deliveries where seq = ? and tried_ms is not null";
        !self.shell.sql.read(statement, [seq as i64], |_| Ok(())).is_empty()
    }

    /// The answer of a conversation that waits for a message from there: its oldest, if the platform kept it.
    fn kept(&self, conversation: &str) -> Option<u64> {
        let first = self.check.truth.first_deliveries().get(conversation).copied()?;
        let statement = "select 1 from deliveries where seq = ? and attempts > 0 and tried_ms is null";
        let is_kept = !self.shell.sql.read(statement, [first as i64], |_| Ok(())).is_empty();
        (is_kept && self.keeps(conversation)).then_some(first)
    }

    /// Someone asks for what is kept, or still being made; sometimes by the same message again.
    pub fn collects(&mut self) {
        let number = self.random.below(self.profile.conversations as usize);
        let conversation: ConversationId = format!("feishu:main:oc_{number}").parse().unwrap();
        if !self.keeps(conversation.as_str()) {
            return;
        }
        let last = format!("feishu:main:more_{}", self.holds.asked);
        // The platform repeats what it was not heard to have an answer for.
        if self.holds.responded.contains(&last) || self.random.chance(800) {
            self.holds.asked += 1;
        }
        let by: MessageId = format!("feishu:main:more_{}", self.holds.asked).parse().unwrap();
        let (now, until) = (self.clock.now(), self.clock.now().plus_ms(self.profile.hold_ms));
        let Some(found) = self.ask(|core| core.collect(now, &by, &conversation, until)) else { return };
        let Some((id, _)) = found else { return };
        self.figures.count("kept answers asked for");
        self.holds.over = until.0.max(self.holds.over);
        let until = self.clock.true_ms + self.profile.hold_ms;
        let (by, era) = (by.to_string(), self.era());
        // Another message is given what is there now.
        if self.holds.asked_by.insert(id.to_string(), by.clone()).is_none_or(|last| last != by) {
            self.holds.passed.remove(id.as_str());
        }
        self.hang_up_on(&by);
        self.holds.waiting.push(Waiting { id, by, call: None, until, is_hung_up: false, kept: None, era, found: None });
    }

    fn hang_up_on(&mut self, by: &str) {
        self.holds.waiting.iter_mut().filter(|other| other.by == by).for_each(|other| other.is_hung_up = true);
    }

    /// One that waits looks for its answer.
    pub fn someone_looks(&mut self) {
        if !self.holds.waiting.is_empty() {
            let at = self.random.below(self.holds.waiting.len());
            self.look(at);
        }
    }

    /// All that wait do.
    pub fn all_look(&mut self) {
        for at in (0..self.holds.waiting.len()).rev() {
            self.look(at);
        }
    }

    /// The core may know of someone who waits: a restored one does not.
    pub fn someone_may_wait(&self) -> bool {
        self.clock.now().0 < self.holds.over
    }

    /// Nobody waits.
    pub fn nobody_waits(&self) -> bool {
        self.holds.waiting.is_empty()
    }

    /// The process died: nobody who waited is answered.
    pub fn crash_holds(&mut self) {
        self.holds.waiting.clear();
    }

    fn look(&mut self, at: usize) {
        let waiting = self.holds.waiting.swap_remove(at);
        let id = waiting.id.clone();
        if let Some((found, since)) = waiting.found.clone() {
            // A request does not last longer.
            if self.clock.true_ms < since + PASS_MS_MAX {
                self.pass_on(waiting, found);
            }
            return;
        }
        let Some(held) = self.ask(|core| core.held(&id)) else { return };
        self.trace.note(|| format!("  {} waits for {id}: {held:?}", waiting.by));
        self.check_look(&waiting, &held);
        match held {
            Held::Answer(found) if self.calm || self.random.chance(500) => self.pass_on(waiting, found),
            Held::Answer(found) => {
                let found = Some((found, self.clock.true_ms));
                self.holds.waiting.push(Waiting { found, ..waiting });
            }
            Held::Nothing => self.acknowledge(&waiting),
            Held::Open(..) if self.clock.true_ms < waiting.until => self.holds.waiting.push(waiting),
            // Some say nothing at all, so that the platform asks again.
            Held::Open(..) if !self.calm && self.random.chance(500) => {}
            Held::Open(..) => {
                self.figures.count("webhooks that waited in vain");
                self.release(&waiting);
            }
        }
    }

    /// It waits no more: its answer goes the late way.
    fn release(&mut self, waiting: &Waiting) {
        self.forget_promise(&waiting.id);
        if let Handled::Done(_) = self.handle(Input::Released(waiting.id.clone())) {
            self.acknowledge(waiting);
        }
    }

    /// What one that waits is told is true.
    fn check_look(&mut self, waiting: &Waiting, held: &Held) {
        let truth = &self.check.truth;
        let Some(&question) = truth.places.get(waiting.id.as_str()) else { return };
        let is_young = self.clock.true_ms < waiting.until + HELD_MS_REMEMBERED;
        let is_lasting = self.era() == waiting.era && is_young && self.holds.begun.0 <= HOLDS_MAX;
        let passed = self.holds.passed.get(waiting.id.as_str());
        let (now, era) = (self.clock.now().0, self.era());
        let is_remembered = |at: u64| is_lasting && now < at + HELD_MS_REMEMBERED;
        let passed = passed.filter(|&&(_, at, in_era)| in_era == era && is_remembered(at));
        let is_tried = |seq: &u64| self.may_be_there(*seq);
        // An older answer that was replayed meanwhile goes first.
        let is_next = |seq: &u64| {
            truth.first_deliveries().get(truth.rows[seq].conversation.as_str()).is_some_and(|first| first == seq)
        };
        let kept = waiting.kept.filter(|seq| is_lasting && passed.is_none() && is_next(seq) && !is_tried(seq));
        let is_to_them = |found: &Outbound| truth.rows[&question].origin.as_ref() == Some(&found.origin.message);
        let is_right = match held {
            Held::Answer(found) if !is_to_them(found) => false,
            Held::Answer(found) if passed.is_some() => {
                passed.is_some_and(|(key, ..)| *key == (found.seq.0, found.part))
            }
            Held::Answer(found) => {
                let row = &truth.rows[&found.seq.0];
                let first = truth.first_deliveries().get(row.conversation.as_str()).copied();
                row.text == found.text
                    && row.conversation == truth.rows[&question].conversation
                    && (first == Some(found.seq.0) && !is_tried(&found.seq.0)
                        || self.holds.passed.contains_key(waiting.id.as_str()))
                    && kept.is_none_or(|kept| kept == found.seq.0)
            }
            Held::Nothing => kept.is_none() && passed.is_none(),
            Held::Open(so_far, _) => {
                let runs = self.runs.get(&question);
                let is_said = |run: &String| run.starts_with(&so_far.text);
                let said = so_far.text.is_empty() || runs.is_some_and(|runs| runs.iter().any(is_said));
                // What is said about it, or beside it, may be behind an older one, or just on its way.
                let is_its =
                    |seq: &u64| [truth.rows[seq].reply_to, truth.beside.get(seq).copied()].contains(&Some(question));
                let is_coming = truth.open.contains(&question) || truth.deliveries.keys().any(is_its);
                said && kept.is_none() && passed.is_none() && is_coming
            }
        };
        let detail = || format!("{} waits for {question}, kept {kept:?}, passed {passed:?}: {held:?}", waiting.by);
        let broken = (!is_right).then(detail);
        self.check.demand(broken.is_none(), "whoever waits is told the truth", || broken.unwrap_or_default());
    }

    /// The answer, or the first part of it, is in the response.
    fn pass_on(&mut self, waiting: Waiting, found: Outbound) {
        let (seq, part) = (found.seq.0, found.part);
        let is_last = part + 1 >= self.parts_of(seq);
        self.forget_promise(&waiting.id);
        match self.handle(Input::Passed(waiting.id.clone(), found.seq, part, is_last)) {
            Handled::Failed => return,
            Handled::Crashed => {
                self.holds.unheard.insert(seq);
                return;
            }
            Handled::Done(done) if done.passed => {}
            Handled::Done(_) => {
                self.figures.count("answers found that went another way");
                return self.release(&waiting);
            }
        }
        let (now, era) = (self.clock.now().0, self.era());
        self.holds.passed.entry(waiting.id.to_string()).or_insert(((seq, part), now, era));
        if waiting.is_hung_up || !self.calm && self.random.chance(self.profile.verdict_lost / 4) {
            self.figures.count("responses lost");
            self.holds.unheard.insert(seq);
            return;
        }
        self.acknowledge(&waiting);
        if self.holds.responded.insert(waiting.by) {
            self.figures.count("answers in responses");
            let conversation = found.conversation.to_string();
            // What was lost and is said again may come late.
            let is_late = self.holds.unheard.contains(&seq);
            let result = self.platform.take_in_response(waiting.id.as_str(), &conversation, (seq, part), is_late);
            self.check.hold(result);
        }
    }

    /// The platform hears that a message was taken.
    fn acknowledge(&mut self, waiting: &Waiting) {
        if let Some(call) = waiting.call.filter(|_| !waiting.is_hung_up) {
            self.webhooks.calls[call].accepted.get_or_insert(self.clock.true_ms);
        }
    }

    fn forget_promise(&mut self, id: &MessageId) {
        if let Some(seq) = self.check.truth.places.get(id.as_str()) {
            self.holds.promised.remove(seq);
        }
    }

    /// While a webhook waits for an answer, that goes no other way.
    pub fn check_held(&mut self, deliveries: &[Delivery]) {
        let (now, era) = (self.clock.now().0, self.era());
        if self.holds.begun.0 > HOLDS_MAX {
            return;
        }
        let is_early = |delivery: &&Delivery| {
            let promised = self.holds.promised.get(&delivery.question.0);
            let is_waited_for = promised.is_some_and(|&(until, in_era)| in_era == era && now < until);
            // What is said unasked answers nobody.
            let is_theirs = self.check.truth.rows[&delivery.seq.0].reply_to.is_some();
            is_theirs && is_waited_for && delivery.tried.is_none() && delivery.attempts == 0 && delivery.part == 0
        };
        let early = deliveries.iter().find(is_early).map(|delivery| format!("{delivery:?}"));
        self.check
            .demand(early.is_none(), "an answer that is waited for goes no other way", || early.unwrap_or_default());
    }
}

/// From the look that finds an answer to the response with it.
const PASS_MS_MAX: u64 = 10_000;
