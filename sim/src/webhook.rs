//! Webhooks: a platform repeats a message until it hears that it was committed, and sometimes long after.

use std::collections::BTreeSet;

use protocol::AccountId;
use protocol::Seq;
use relay::hub::Input;
use relay::limit::DEDUPE_MS_MIN;
use relay::store::{Origin, Question};

use crate::clock::SKEW_MS_MAX;
use crate::device::is_said;
use crate::shell::Handled;
use crate::truth::Row;
use crate::world::World;

/// What platforms post.
#[derive(Default)]
pub struct Webhooks {
    /// Every message so far.
    pub calls: Vec<Call>,
}

/// One message on a platform.
pub struct Call {
    /// As it is posted.
    pub question: Question,
    /// When the platform first heard that it is committed.
    pub accepted: Option<u64>,
    /// The earliest that it may have been committed.
    first: Option<u64>,
}

impl World {
    /// A person writes on the platform.
    pub fn webhook_posts(&mut self) {
        if self.webhooks_unheard().len() > UNHEARD_MAX {
            return self.webhook_repeats();
        }
        let number = self.webhooks.calls.len() + 1;
        let chat = self.random.below(self.profile.conversations as usize);
        let message = message(number);
        let account: AccountId = "main".parse().unwrap();
        let question = Question {
            id: format!("feishu:{account}:{message}").parse().unwrap(),
            conversation: format!("feishu:{account}:oc_{chat}").parse().unwrap(),
            via: "feishu".into(),
            sender: Some("ou_1".into()),
            // Not all platforms tell.
            name: (!number.is_multiple_of(3)).then(|| format!("name {number}")),
            group: chat % 2 == 1,
            text: self.words(&format!("from the platform: {message}")),
            files: Vec::new(),
            origin: Some(Origin { account, message }),
        };
        self.webhooks.calls.push(Call { question, accepted: None, first: None });
        // Several at once, sometimes.
        let times = if self.random.chance(100) { self.random.between(2, 8) } else { 1 };
        for _ in 0..times {
            self.webhook_calls(number - 1);
        }
    }

    /// The platform repeats a message: one that it did not hear to be committed, or any, within 72 h.
    pub fn webhook_repeats(&mut self) {
        let now = self.clock.true_ms;
        let waiting: Vec<usize> = self.webhooks_unheard();
        if let Some(&index) = self.random.pick(&waiting) {
            return self.webhook_calls(index);
        }
        if self.webhooks.calls.is_empty() {
            return;
        }
        let index = self.random.below(self.webhooks.calls.len());
        let known = self.webhooks.calls[index].first.is_some_and(|at| now + 3 * SKEW_MS_MAX < at + DEDUPE_MS_MIN);
        if known {
            self.figures.count("webhooks repeated");
            self.webhook_calls(index);
        }
    }

    /// A message is taken back on the platform: it, or one that the relay never saw.
    pub fn webhook_recalls(&mut self) {
        let number = self.random.between(1, self.webhooks.calls.len() as u64 + 1);
        let id = format!("feishu:main:{}", message(number as usize)).parse().unwrap();
        if let Handled::Done(_) = self.handle(Input::Recalled(id)) {
            self.figures.count("recalls");
        }
    }

    /// Someone asks once more for a question that ended without an answer; or for any.
    pub fn replays(&mut self) {
        let truth = &self.check.truth;
        let is_dead = |row: &&Row| matches!(row.outcome.as_deref(), Some("expired" | "failed" | "stopped"));
        let dead: Vec<u64> = truth.rows.values().filter(is_dead).map(|row| row.seq).collect();
        let any = self.random.between(1, truth.head() + 1);
        let seq = if self.random.chance(800) { self.random.pick(&dead).copied().unwrap_or(any) } else { any };
        let at_platform = self.platform.copies_of(seq);
        let before = self.check.truth.rows.get(&seq).cloned();
        let on_their_way: BTreeSet<u64> = self.check.truth.deliveries.keys().copied().collect();
        let handled = self.handle(Input::Replayed(Seq(seq)));
        // By what was committed: the process may have died before it could say so.
        let truth = &self.check.truth;
        let is_its = |answer: &&u64| truth.rows.get(answer).is_some_and(|row| row.reply_to == Some(seq));
        let begun: Vec<u64> = truth.deliveries.keys().filter(is_its).copied().collect();
        for answer in begun.into_iter().filter(|answer| !on_their_way.contains(answer)) {
            self.platform.replayed.insert(answer);
            self.check.first_tries.retain(|&(tried, _), _| tried != answer);
        }
        let Handled::Done(done) = handled else { return };
        match done.posted {
            Some(Ok(posted)) => {
                self.figures.count("replays");
                let right = before.is_some_and(|row| row.is_question() && row.outcome.is_some() && !row.is_recalled());
                self.check.demand(right, "only what ended is replayed", || format!("{seq}: {posted:?} {at_platform}"));
            }
            Some(Err(_)) => {}
            None => self.check.demand(false, "a replay is answered", || format!("{seq}")),
        }
    }

    /// Messages that the platform did not hear to be committed.
    pub fn webhooks_unheard(&self) -> Vec<usize> {
        let calls = &self.webhooks.calls;
        (0..calls.len()).filter(|&index| calls[index].accepted.is_none()).collect()
    }

    /// One webhook request, and its answer.
    pub fn webhook_calls(&mut self, index: usize) {
        let question = self.webhooks.calls[index].question.clone();
        let known = self.check.truth.places.get(question.id.as_str()).copied();
        let known = known.filter(|seq| !self.check.truth.trimmed.contains(seq));
        let is_heard = self.webhooks.calls[index].accepted.is_some();
        let waits = !self.calm && !is_heard && self.random.chance(self.profile.holds) && self.begin_hold(&question.id);
        let handled = self.handle(Input::Posted(question));
        let call = &mut self.webhooks.calls[index];
        let at = self.check.truth.places.get(call.question.id.as_str()).map(|seq| self.check.truth.rows[seq].at_ms);
        call.first = call.first.or(at);
        let Handled::Done(done) = handled else { return };
        let id = call.question.id.as_str();
        match done.posted {
            Some(Ok(posted)) => {
                let row = self.check.truth.rows.get(&posted.seq.0);
                let there =
                    row.is_some_and(|row| row.id == id && (is_said(&call.question.text, row) || row.is_recalled()));
                if !waits {
                    call.accepted.get_or_insert(self.clock.true_ms);
                }
                let who = row.map(|row| (row.name.clone(), row.in_group));
                let is_theirs = who == Some((call.question.name.clone(), call.question.group));
                self.check.demand(is_theirs, "a question is stored with who wrote it", || format!("{index}: {who:?}"));
                self.check.demand(there, "accepted means committed", || format!("{index}: {posted:?}"));
                let (new, was_known) = (posted.new, known.is_some());
                self.check.demand(new != was_known, "a repeated id has no second effect", || {
                    format!("call {index}: {posted:?}, known {known:?}")
                });
                if waits {
                    self.wait(index, posted.seq.0, new);
                }
            }
            Some(Err(refusal)) => {
                self.figures.refused += 1;
                let full = refusal.code == protocol::Code::QueueFull;
                self.check
                    .demand(full, "a good question is taken, unless the queue is full", || format!("{refusal:?}"));
            }
            None => self.check.demand(false, "a webhook is answered", || format!("call {index}")),
        }
    }
}

/// How the platform calls its message of this number. Two of each world have ids that share a hash (relay/src/hub/known.rs
/// says which), as a few of a million have by chance.
fn message(number: usize) -> String {
    let number = match number {
        7 => 4_604,
        13 => 79_121,
        number => number,
    };
    format!("om_{number}")
}

/// Beyond so many messages that wait to be committed, people write no more.
const UNHEARD_MAX: usize = 40;
