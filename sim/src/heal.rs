//! The end: faults have stopped, everyone does their part, and then all must be as was promised.

use relay::limit::{DEAD_LETTERS_MAX, DEDUPE_MS_MIN, KEPT_MS_MAX, PAGE_DEAD_LETTERS_MAX};

use crate::check::outcome_is;
use crate::clock::SKEW_MS_MAX;
use crate::device::Device;
use crate::faults::History;
use crate::network::Connection;
use crate::platform::FAR_MS;
use crate::truth::Row;
use crate::world::World;

impl World {
    /// Faults stop; everyone connects and does their part, until nothing is left to do.
    pub fn heal(&mut self) {
        self.trace.note(|| "faults stop".to_owned());
        self.calm = true;
        self.platform.is_down = false;
        for index in 0..self.agents.len() {
            if self.agents[index].is_twin {
                self.agent_crashes(index);
            }
        }
        for round in 0..ROUNDS_MAX {
            if round == 5 && self.profile.history == History::Full {
                // Everything is answered that could be: room comes with time alone.
                self.advance(DEDUPE_MS_MIN + 3_600_000);
            }
            self.round(round);
            if self.check.broken.is_some() || self.is_settled() {
                self.figures.rounds = self.figures.rounds.max(round);
                break;
            }
        }
        if self.check.broken.is_none() {
            let settled = self.is_settled();
            let left = self.left();
            self.check.demand(settled, "nothing is stuck", || left);
        }
        if self.check.broken.is_none() {
            self.settle();
            self.check_end();
            self.compare_with_restored();
        }
    }

    fn round(&mut self, round: u64) {
        self.advance(1_000);
        if self.shell.alarm_lost && self.platform.run.is_none() {
            // It sleeps as soon as nobody speaks, and sets its alarm when it wakes.
            self.shell.core = None;
        }
        self.free();
        self.agents.iter_mut().for_each(|agent| agent.retired = agent.is_twin);
        for peer in self.network.which(|connection| !connection.intact) {
            self.learn(peer);
            self.learn(peer);
        }
        for _ in 0..self.agents.len() + self.devices.len() {
            self.someone_dials();
        }
        for index in self.webhooks_unheard() {
            self.webhook_calls(index);
        }
        for index in self.pushes_unheard() {
            self.push(index);
        }
        self.drain();
        for index in 0..self.agents.len() {
            for _ in 0..self.agents[index].disk.inbox.len() {
                self.agent_streams(index);
                self.agent_finishes(index);
            }
            self.agent_finishes(index);
            self.agent_acks(index);
        }
        for index in 0..self.devices.len() {
            self.devices[index].stalled_until = 0;
            self.device_acks(index);
            self.device_sends(index, false);
        }
        self.drain();
        self.flush();
        self.all_look();
        if round < ROUNDS_AWAITED && self.random.chance(300) {
            self.collects();
        }
        // Whoever has something to do does it first: an alarm far ahead is there to end what nobody answers.
        let is_far = self.shell.alarm.is_some_and(|at| at.0 > self.clock.now().0 + FAR_MS);
        if self.platform.run.is_none() && (!is_far || round >= ROUNDS_AWAITED) {
            self.alarm();
        }
        while self.platform.run.is_some() && self.check.broken.is_none() {
            self.verdict();
        }
        self.network.sweep();
    }

    fn drain(&mut self) {
        while self.check.broken.is_none() {
            let ready = |it: &Connection| it.client && !it.down.is_empty() || it.relay && !it.up.is_empty();
            let busy = self.network.which(ready);
            if busy.is_empty() {
                return;
            }
            for peer in busy {
                self.hear(peer, None);
                self.be_heard(peer);
            }
        }
    }

    fn is_settled(&self) -> bool {
        let truth = &self.check.truth;
        let agents = self.agents.iter().all(|agent| agent.is_twin || agent.is_idle() && agent.welcomed);
        let up_to_date = |device: &Device| {
            device.welcomed
                && device.disk.unsent.is_empty()
                && device.disk.cursor.is_some_and(|it| it.seq.0 == truth.head())
        };
        agents
            && self.devices.iter().all(up_to_date)
            && self.webhooks.calls.iter().all(|call| call.accepted.is_some())
            && self.pushes_unheard().is_empty()
            && self.are_rights_told()
            && self.nobody_waits()
            && truth.open.is_empty()
            && self.platform.run.is_none()
            && truth.deliveries.is_empty()
    }

    fn left(&self) -> String {
        let truth = &self.check.truth;
        let agents: Vec<_> = self
            .agents
            .iter()
            .map(|agent| (agent.welcomed, agent.disk.inbox.len(), agent.disk.outbox.keys().collect::<Vec<_>>()))
            .collect();
        let devices: Vec<_> = self
            .devices
            .iter()
            .map(|device| (device.welcomed, device.disk.unsent.len(), device.disk.cursor.map(|cursor| cursor.seq)))
            .collect();
        format!(
            "head {}, open {:?}, answers on their way {:?}, alarm {:?}, agents {agents:?}, devices {devices:?}, calls {:?}, pushes {:?}",
            truth.head(),
            truth.open,
            truth.deliveries,
            self.shell.alarm,
            self.webhooks_unheard(),
            self.pushes_unheard(),
        )
    }

    fn check_end(&mut self) {
        let whole = self.check.truth.check_whole(&self.shell.sql);
        self.check.hold(whole);
        self.check_devices_whole();
        self.check_platform();
        self.check_pushes();
        self.check_dead_letters();
    }

    /// What ended without an answer at its writer, and was not asked again, is kept.
    fn check_dead_letters(&mut self) {
        let truth = &self.check.truth;
        // Not what failed before the simulation began.
        let is_old = |row: &Row| row.id.starts_with("old-") && row.reason.is_none();
        let is_dead = |row: &&Row| {
            matches!(row.outcome.as_deref(), Some("expired" | "failed"))
                && !is_old(row)
                && !truth.places.contains_key(&format!("again:{}", row.seq))
        };
        let mut expected: Vec<u64> = truth.rows.values().filter(is_dead).map(|row| row.seq).collect();
        expected.reverse();
        expected.truncate(DEAD_LETTERS_MAX as usize);
        let Some(core) = &self.shell.core else { return };
        let (mut listed, mut before) = (Vec::new(), None);
        loop {
            let page = core.dead_letters(before, PAGE_DEAD_LETTERS_MAX).unwrap().unwrap();
            listed.extend(page.dead_letters.iter().map(|letter| letter.seq.0));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        self.figures.add_count("dead letters at the end", listed.len() as u64);
        self.check.demand(listed == expected, "what ends without an answer is kept", || {
            format!("listed {listed:?}, expected {expected:?}")
        });
    }

    /// A device that keeps its cursor has exactly the timeline, or was told what it misses.
    fn check_devices_whole(&mut self) {
        let states = self.states();
        for index in 0..self.devices.len() {
            let (disk, known) = (&self.devices[index].disk, &self.devices[index].states);
            let truth = &self.check.truth;
            let told = |seq: u64| disk.gaps.iter().any(|&(from, to)| (from..=to).contains(&seq));
            let mut lacks = truth.rows.range(disk.floor + 1..).map(|(&seq, _)| seq);
            let lacks = lacks.find(|&seq| !disk.kept.contains_key(&seq) && !told(seq));
            let extra = disk.kept.keys().copied().find(|seq| !truth.rows.contains_key(seq));
            let sure = known.iter().filter(|(seq, _)| **seq >= self.devices[index].sure_from);
            let untrue = sure.map(|(seq, state)| (*seq, *state)).find(|(seq, state)| {
                !outcome_is(&truth.rows[seq], *state) || states.get(seq).is_some_and(|s| s != state)
            });
            self.check.demand(lacks.is_none() && extra.is_none(), "a device has exactly the timeline", || {
                format!("device {index} lacks {lacks:?}, has {extra:?} beside it")
            });
            self.check.demand(untrue.is_none(), "all agree on how a question ended", || {
                format!("device {index}: {untrue:?}")
            });
        }
    }

    /// Each answer that was meant for the platform is there once, unless the relay says that it may not be.
    fn check_platform(&mut self) {
        let truth = &self.check.truth;
        let mut wrong = None;
        for (question, answer) in &truth.answers {
            let row = &truth.rows[question];
            let is_meant = row.origin.is_some() && truth.rows[answer].author == "agent";
            if !is_meant || row.outcome.as_deref() == Some("stopped") {
                continue;
            }
            let copies = self.platform.copies_of(*answer);
            let reason = row.reason.as_deref().unwrap_or_default();
            let given_up = reason.starts_with("the answer was not delivered")
                || reason.starts_with("the platform did not confirm");
            let kept_until = truth.rows[answer].at_ms + KEPT_MS_MAX - 3 * SKEW_MS_MAX;
            let is_early = reason.ends_with("nobody asked for it within 48 h")
                && truth.left.get(answer).is_some_and(|&left| left < kept_until);
            let given_up = given_up && !is_early && row.outcome.as_deref() == Some("failed");
            let right = copies == 1 || copies == 0 && (given_up || self.holds.unheard.contains(answer));
            if !right {
                wrong = Some(format!("{copies} copies of answer {answer} to {row:?}"));
            }
        }
        self.check
            .demand(wrong.is_none(), "an answer is at its platform, or said not to be", || wrong.unwrap_or_default());
    }
}

/// In each round everyone says all that they have to say.
const ROUNDS_MAX: u64 = 400;
/// So many rounds all that can be answered is; what is left has no agent that takes it.
const ROUNDS_AWAITED: u64 = 100;
