//! What is said unasked: by an agent or a script, which repeats it until it hears that it is committed, and sometimes after.

use protocol::{ConversationId, MessageId};
use relay::hub::{Input, Push};
use relay::limit::{DEDUPE_MS_MIN, DELIVERY_DELAY_MS_MAX, DELIVERY_MS_MAX, KEPT_MS_MAX};

use crate::clock::SKEW_MS_MAX;
use crate::shell::Handled;
use crate::truth::Row;
use crate::world::World;

/// Everything that was said unasked.
#[derive(Default)]
pub struct Pushes(Vec<Unasked>);

/// One of them.
struct Unasked {
    push: Push,
    /// Whoever says it heard that it is committed.
    is_accepted: bool,
}

impl World {
    /// Something is said unasked: something new, what was not heard to be committed, or anything once more.
    pub fn pushes(&mut self) {
        let unheard = self.pushes_unheard();
        let known = self.pushes.0.len();
        let index = match self.random.below(4) {
            0 if known > 0 => Some(self.random.below(known)),
            1 => self.random.pick(&unheard).copied(),
            _ if unheard.len() > UNHEARD_MAX => self.random.pick(&unheard).copied(),
            _ => None,
        };
        let index = index.unwrap_or_else(|| self.new_push());
        self.push(index);
    }

    fn new_push(&mut self) -> usize {
        let number = self.pushes.0.len();
        let agent = if self.random.chance(700) { Some(self.agents[0].id.clone()) } else { None };
        let to = (0..self.random.between(1, 3)).map(|_| self.somewhere().into()).collect();
        let id: MessageId = format!("push:{number}").parse().unwrap();
        let text = self.text(&format!("said unasked: {number}"));
        self.pushes.0.push(Unasked {
            push: Push { id, agent, to, text, files: Vec::new(), buttons: Vec::new() },
            is_accepted: false,
        });
        number
    }

    /// A chat, mostly; one where nobody ever wrote, or a page.
    fn somewhere(&mut self) -> ConversationId {
        let number = self.random.below(self.profile.conversations as usize);
        let conversation = match self.random.below(6) {
            0 => "feishu:main:oc_nobody".to_owned(),
            1 => format!("web-{number}"),
            _ => format!("feishu:main:oc_{number}"),
        };
        conversation.parse().unwrap()
    }

    /// Those that were not heard to be committed.
    pub fn pushes_unheard(&self) -> Vec<usize> {
        (0..self.pushes.0.len()).filter(|&index| !self.pushes.0[index].is_accepted).collect()
    }

    /// One request, and its answer.
    pub fn push(&mut self, index: usize) {
        let push = self.pushes.0[index].push.clone();
        let there = |world: &World| world.check.truth.places.get(push.id.as_str()).copied();
        let known = there(self);
        if known
            .is_some_and(|seq| self.clock.true_ms > self.check.truth.rows[&seq].at_ms + DEDUPE_MS_MIN - 3 * SKEW_MS_MAX)
        {
            self.pushes.0[index].is_accepted = true;
            return;
        }
        let open = self.check.truth.open.clone();
        let handled = self.handle(Input::Pushed(push.clone()));
        let truth = &self.check.truth;
        let opened = truth.open.difference(&open).next().copied();
        // By what is committed: the process may have died before it could say so.
        let new = there(self).filter(|_| known.is_none());
        if let Some(seq) = new {
            self.figures.count("said unasked");
            let detail = self.misplaced(&push, seq);
            self.check.demand(detail.is_none(), "what is said unasked goes to the first chat there is", || {
                detail.unwrap_or_default()
            });
        }
        self.check.demand(opened.is_none(), "what is said unasked opens no question", || format!("{opened:?}"));
        let Handled::Done(done) = handled else { return };
        match done.posted {
            Some(Ok(posted)) => {
                self.pushes.0[index].is_accepted = true;
                let right = there(self) == Some(posted.seq.0) && posted.new == new.is_some();
                self.check.demand(right, "what is said unasked once more is the same message", || {
                    format!("{index}: {posted:?}, known {known:?}")
                });
            }
            Some(Err(refusal)) => {
                self.figures.refused += 1;
                let full = refusal.code == protocol::Code::QueueFull;
                self.check.demand(full, "what is said unasked is taken, unless the timeline is full", || {
                    format!("{refusal:?}")
                });
            }
            None => self.check.demand(false, "what is said unasked is answered", || format!("{index}")),
        }
    }

    /// What is wrong with how something said unasked is stored: it is in the first conversation that has a question from a
    /// platform, and on its way there beside the newest one; or in the first that was named.
    fn misplaced(&self, push: &Push, seq: u64) -> Option<String> {
        let truth = &self.check.truth;
        let is_there = |row: &Row| row.origin.is_some() && row.seq < seq && !truth.trimmed.contains(&row.seq);
        let newest = |to: &ConversationId| {
            let mut rows = truth.rows.values().rev();
            rows.find(|row| row.conversation == to.as_str() && is_there(row)).map(|row| row.seq)
        };
        let mut to = push.to.iter().map(|target| &target.conversation);
        let found = to.clone().find_map(|to| Some((to, newest(to)?)));
        let (conversation, beside) = found.map_or((to.next().unwrap(), None), |(to, beside)| (to, Some(beside)));
        let row = &truth.rows[&seq];
        let author = if push.agent.is_some() { "agent" } else { "relay" };
        let expected = (conversation.as_str(), author, push.text.as_str(), None, beside, beside.is_some());
        let (beside, is_on_its_way) = (truth.beside.get(&seq).copied(), truth.deliveries.contains_key(&seq));
        let stored =
            (row.conversation.as_str(), row.author.as_str(), row.text.as_str(), row.reply_to, beside, is_on_its_way);
        (stored != expected).then(|| format!("{stored:?}, expected {expected:?}"))
    }

    /// What was said unasked to a chat is there once, unless the platform refused it or was tried for as long as it is.
    pub fn check_pushes(&mut self) {
        let truth = &self.check.truth;
        let lost = truth.beside.iter().find(|&(seq, beside)| {
            let origin = truth.rows[beside].origin.as_deref().unwrap_or_default();
            let first = self.check.first_handed.get(seq);
            let long = DELIVERY_MS_MAX - DELIVERY_DELAY_MS_MAX - 3 * SKEW_MS_MAX;
            let is_given_up = first.zip(truth.left.get(seq)).is_some_and(|(first, left)| first + long < *left);
            let kept_until = truth.rows[seq].at_ms + KEPT_MS_MAX - 3 * SKEW_MS_MAX;
            let is_kept = self.keeps(&truth.rows[seq].conversation);
            let is_given_up = is_given_up || is_kept && truth.left.get(seq).is_some_and(|left| kept_until < *left);
            let is_given_up = is_given_up || self.holds.unheard.contains(seq);
            self.platform.copies_of(*seq) != 1 && !self.platform.has_refused(origin) && !is_given_up
        });
        let lost = lost.map(|(seq, beside)| format!("{seq} beside {beside}"));
        self.check.demand(lost.is_none(), "what is said unasked is at its platform once", || lost.unwrap_or_default());
    }
}

/// Beyond so many that are not heard to be committed, nobody says more.
const UNHEARD_MAX: usize = 10;
