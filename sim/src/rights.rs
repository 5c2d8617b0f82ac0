//! Rights that end while their holders are connected: sessions and keys, a whole user's, an agent's. Whoever is out comes
//! back with a new session or key, or as another agent.

use std::collections::{BTreeMap, BTreeSet};

use protocol::AgentId;
use relay::hub::{Input, PeerId};

use crate::network::Owner;
use crate::shell::Handled;
use crate::truth::Row;
use crate::world::World;

/// Who may come in, as it was decided outside the relay.
#[derive(Default)]
pub struct Rights {
    /// Sessions and keys that ended.
    ended: BTreeSet<String>,
    /// The user is disabled.
    is_barred: bool,
    /// Agents that are no more, and those that their programs go on as.
    successors: BTreeMap<AgentId, AgentId>,
    /// What the relay was not heard to have done: told again.
    untold: Vec<Input>,
    /// Those of them that the relay has forgotten.
    gone: BTreeSet<AgentId>,
    /// Connections that were to be closed.
    pub out: BTreeSet<PeerId>,
}

impl World {
    /// What lets someone in; empty: nothing that ends.
    pub fn pass(&mut self, owner: Owner) -> String {
        if self.random.chance(150) {
            return String::new();
        }
        match owner {
            Owner::Agent(index) => format!("key_{index}_{}", self.agents[index].pass),
            Owner::Device(index) => format!("ses_{index}_{}", self.devices[index].pass),
        }
    }

    /// Whether someone with this may open a socket, as the shell asks: first elsewhere, then the relay.
    pub fn may_enter(&mut self, owner: Owner, by: &str) -> bool {
        let Some(core) = &self.shell.core else { return false };
        let is_revoked = core.is_revoked(by).unwrap();
        let expected = self.rights.is_barred || self.rights.ended.contains(by);
        if self.rights.untold.is_empty() {
            self.check.demand(is_revoked == expected, "what ended opens nothing", || {
                format!("{by:?}: {is_revoked}, expected {expected}")
            });
        }
        if self.rights.is_barred && self.random.chance(300) {
            self.bars();
        }
        let is_gone = |world: &World| match owner {
            Owner::Agent(index) => world.rights.successors.contains_key(&world.agents[index].id),
            Owner::Device(_) => false,
        };
        if is_revoked || expected || is_gone(self) {
            self.begin_anew(owner);
            return false;
        }
        true
    }

    /// Someone was told that what let them in is not good any more: they have something new.
    pub fn begin_anew(&mut self, owner: Owner) {
        match owner {
            Owner::Agent(index) => {
                self.agents[index].pass += 1;
                if let Some(successor) = self.rights.successors.get(&self.agents[index].id).cloned() {
                    self.agent_wiped(index);
                    self.agents[index].id = successor;
                }
            }
            Owner::Device(index) => self.devices[index].pass += 1,
        }
    }

    /// Sessions or keys end: one or two that someone has, or had, or one that nobody has.
    pub fn revokes(&mut self) {
        let mut ids = vec!["ses_of_nobody".to_owned()];
        for _ in 0..self.random.between(1, 2) {
            let (agent, device) = (self.random.below(self.agents.len()), self.random.below(self.devices.len()));
            let owner = if self.random.chance(500) { Owner::Agent(agent) } else { Owner::Device(device) };
            ids.push(self.pass(owner));
        }
        ids.retain(|id| !id.is_empty());
        self.tell_rights(Input::Revoked(ids));
    }

    /// The user is disabled, or is not any more.
    pub fn bars(&mut self) {
        self.rights.is_barred = !self.rights.is_barred;
        self.tell_rights(Input::Barred(self.rights.is_barred));
    }

    /// An agent is no more: its keys end before it does.
    pub fn removes(&mut self) {
        let index = self.random.below(self.agents.len());
        let id = self.agents[index].id.clone();
        if self.rights.successors.contains_key(&id) {
            return;
        }
        let successor = format!("agt_new_{}", self.rights.successors.len()).parse().unwrap();
        self.rights.successors.insert(id.clone(), successor);
        let programs = (0..self.agents.len()).filter(|&index| self.agents[index].id == id);
        let keys = programs.map(|index| format!("key_{index}_{}", self.agents[index].pass)).collect();
        self.tell_rights(Input::Revoked(keys));
        self.tell_rights(Input::Removed(id));
    }

    /// The relay is told again what it was not heard to have done, in order.
    pub fn repeat_rights(&mut self) {
        for input in std::mem::take(&mut self.rights.untold) {
            self.tell_rights(input);
        }
    }

    /// Nobody is kept from anything any more.
    pub fn free(&mut self) {
        if self.rights.is_barred {
            self.bars();
        }
        self.repeat_rights();
    }

    /// Whether an agent is no more, and the relay knows.
    pub fn is_agent_gone(&self, agent: &str) -> bool {
        self.rights.gone.iter().any(|gone| gone.as_str() == agent)
    }

    /// Everything that ended is told.
    pub fn are_rights_told(&self) -> bool {
        self.rights.untold.is_empty() && !self.rights.is_barred
    }

    fn tell_rights(&mut self, input: Input) {
        if !self.rights.untold.is_empty() {
            return self.rights.untold.push(input);
        }
        let is_out = |by: &str, agent: Option<&str>| match &input {
            Input::Barred(is_barred) => *is_barred,
            Input::Removed(id) => agent == Some(id.as_str()),
            Input::Revoked(ids) => ids.iter().any(|id| id == by),
            _ => false,
        };
        self.rights.out.extend(self.check.holders(is_out));
        let asked: Vec<Row> = match &input {
            Input::Removed(id) => self.check.truth.open_of(id.as_str()).cloned().collect(),
            _ => Vec::new(),
        };
        if let Input::Revoked(ids) = &input {
            self.rights.ended.extend(ids.iter().cloned());
        }
        let Handled::Done(_) = self.handle(input.clone()) else { return self.rights.untold.push(input) };
        let stays = self.check.holders(is_out);
        self.check
            .demand(stays.is_empty(), "whoever came in by what ended is out", || format!("{input:?}: {stays:?} stay"));
        if let Input::Removed(id) = &input {
            self.figures.count("agents removed");
            self.rights.gone.insert(id.clone());
            self.check_removed(id, &asked);
        }
    }

    /// The questions of an agent that is no more have ended, and whoever asked hears of it where they asked, unless they
    /// heard of something that failed before, and of no answer since.
    fn check_removed(&mut self, agent: &AgentId, asked: &[Row]) {
        let truth = &self.check.truth;
        let is_open = |row: &&Row| truth.rows[&row.seq].outcome.as_deref() != Some("failed");
        let open = asked.iter().find(is_open).map(|row| row.seq);
        let other = truth.open_of(agent.as_str()).next().map(|row| row.seq);
        let is_known = truth.acked.contains_key(agent.as_str());
        let untold = asked.iter().find(|row| {
            let told = truth.warned.get(&row.conversation);
            let is_there = |told: &u64| !truth.fresh.contains(told) || truth.deliveries.contains_key(told);
            !told.is_some_and(|told| row.origin.is_none() || is_there(told))
        });
        let untold = untold.map(|row| format!("{row:?}"));
        let ended = open.or(other).is_none() && !is_known;
        self.check.demand(ended, "the questions of an agent that is no more end", || {
            format!("{agent}: {open:?}, {other:?}, known: {is_known}")
        });
        let rule = "whoever asked an agent that is no more hears of it";
        self.check.demand(untold.is_none(), rule, || untold.unwrap_or_default());
    }
}
