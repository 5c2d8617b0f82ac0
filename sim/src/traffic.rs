//! Connections come and go, and what is on them arrives: at either end, in any order between connections.

use relay::hub::{Input, Pass, PeerId, Role};
use relay::limit::TICKET_MS;

use crate::network::{Owner, Up};
use crate::shell::Handled;
use crate::world::World;

impl World {
    /// Opens a socket, as the shell does: all that can refuse it does so before.
    pub fn dial(&mut self, owner: Owner, role: Role) -> Option<PeerId> {
        let Handled::Done(_) = self.wake() else { return None };
        let by = self.pass(owner);
        if !self.may_enter(owner, &by) {
            return None;
        }
        let now = self.clock.now();
        self.check_ticket(&role);
        let heard = |peer: PeerId| {
            let connection = self.network.connections.get(&peer)?;
            Some(connection.last_heard.unwrap_or(protocol::Timestamp(now.0 - (peer.0 % 30_000))))
        };
        let silent = self.shell.core.as_ref()?.silent(now, heard);
        if !silent.is_empty() {
            self.figures.count("silent sockets closed");
            let Handled::Done(_) = self.handle(Input::Silent(silent)) else { return None };
        }
        if !self.shell.core.as_ref()?.has_room() {
            self.figures.count("connections refused");
            return None;
        }
        let peer = self.network.open(owner);
        self.shell.sockets.insert(peer, None);
        self.check.opened(peer, &role, &by);
        self.trace.note(|| format!("  {owner:?} opens {peer:?}"));
        match self.handle(Input::Opened(peer, role, Pass { by, ..Pass::default() })) {
            Handled::Done(_) => Some(peer),
            Handled::Crashed | Handled::Failed => {
                self.shell.forget(peer);
                self.check.closed(peer);
                self.network.connections.remove(&peer);
                None
            }
        }
    }

    /// A ticket is good once.
    pub fn check_ticket(&mut self, role: &Role) {
        if *role != Role::Device || !self.random.chance(200) {
            return;
        }
        let (now, at) = (self.clock.now(), self.clock.true_ms);
        let Some(core) = &self.shell.core else { return };
        if let Some((ticket, spent)) = &self.ticket
            && now.0 < spent + TICKET_MS
            && now.0 >= *spent
        {
            let again = core.spend_ticket(now, ticket).unwrap();
            self.check.demand(!again, "a ticket is good once", || ticket.clone());
            return;
        }
        let ticket = format!("tkt_{at}");
        let good = core.spend_ticket(now, &ticket).unwrap();
        self.check.demand(good, "a new ticket is good", || ticket.clone());
        self.ticket = Some((ticket, now.0));
    }

    /// The way between two ends is gone, and what was on it.
    pub fn cut(&mut self, peer: PeerId) {
        self.network.cut(peer, self.clock.now());
    }

    pub fn leave(&mut self, peer: PeerId) {
        let now = self.clock.now();
        let Some(connection) = self.network.connections.get_mut(&peer) else { return };
        connection.last_heard.get_or_insert(now);
        match connection.owner {
            Owner::Agent(index) => self.agent_leaves(index),
            Owner::Device(index) => self.device_leaves(index),
        };
    }

    pub fn some_connection(&mut self) -> Option<PeerId> {
        let open = self.network.which(|connection| connection.client && connection.intact);
        self.random.pick(&open).copied()
    }

    /// Someone without a connection connects.
    pub fn someone_dials(&mut self) {
        let agents = (0..self.agents.len()).filter(|&at| self.agents[at].peer.is_none() && !self.agents[at].retired);
        let devices = (0..self.devices.len()).filter(|&at| self.devices[at].peer.is_none());
        let idle: Vec<Owner> = agents.map(Owner::Agent).chain(devices.map(Owner::Device)).collect();
        match self.random.pick(&idle) {
            Some(&Owner::Agent(index)) => self.agent_dials(index),
            Some(&Owner::Device(index)) => self.device_dials(index),
            None => {}
        }
    }

    /// A client hears some of what is on its way.
    pub fn someone_hears(&mut self) {
        let waiting = self.network.which(|connection| connection.client && !connection.down.is_empty());
        let Some(&peer) = self.random.pick(&waiting) else { return };
        for _ in 0..self.random.between(1, 8) {
            let dies = self.random.chance(self.profile.dies_reading).then(|| self.random.below(4));
            self.hear(peer, dies);
        }
    }

    /// A client hears the next that is on its way.
    pub fn hear(&mut self, peer: PeerId, dies_after: Option<usize>) {
        let Some(connection) = self.network.connections.get_mut(&peer).filter(|connection| connection.client) else {
            return;
        };
        let Some(down) = connection.down.pop_front() else { return };
        match connection.owner {
            Owner::Agent(index) => self.agent_hears(index, down, dies_after),
            Owner::Device(index) => self.device_hears(index, down, dies_after),
        }
    }

    /// The relay hears some of what is on its way.
    pub fn someone_is_heard(&mut self) {
        let waiting = self.network.which(|connection| connection.relay && !connection.up.is_empty());
        let Some(&peer) = self.random.pick(&waiting) else { return };
        for _ in 0..self.random.between(1, 4) {
            self.be_heard(peer);
        }
    }

    /// The relay hears the next that is on its way.
    pub fn be_heard(&mut self, peer: PeerId) {
        let Some(connection) = self.network.connections.get_mut(&peer).filter(|connection| connection.relay) else {
            return;
        };
        let Some(up) = connection.up.pop_front() else { return };
        let handled = match up {
            Up::Binary => self.handle(Input::Binary(peer)),
            Up::Close => return self.closed(peer),
            Up::Text(text, said) => self.handle_said(Input::received(peer, &text), Some((peer, &said))),
        };
        if let Handled::Failed = handled {
            self.fails_at(peer);
        }
    }

    /// An end of a connection notices that the other is gone.
    pub fn someone_learns(&mut self) {
        if let Some(peer) = self.closing.pop() {
            self.handle(Input::Closed(peer));
        }
        let half_open = self.profile.half_open;
        let gone = self
            .network
            .which(|connection| !connection.intact && (connection.client || connection.relay && !half_open));
        let Some(&peer) = self.random.pick(&gone) else { return };
        self.learn(peer);
    }

    /// The ends of a broken connection notice.
    pub fn learn(&mut self, peer: PeerId) {
        let Some(connection) = self.network.connections.get(&peer) else { return };
        if connection.client {
            self.leave(peer);
        } else if connection.relay {
            self.closed(peer);
        }
    }

    /// The relay learns that a socket is gone. If that wakes it, the socket is among those that it wakes with.
    pub fn closed(&mut self, peer: PeerId) {
        self.trace.note(|| format!("  {peer:?} is gone"));
        let woken = self.wake();
        self.shell.forget(peer);
        self.check.closed(peer);
        self.drafts.left(peer);
        if let Some(connection) = self.network.connections.get_mut(&peer) {
            connection.relay = false;
            connection.up.clear();
        }
        let awake = matches!(woken, Handled::Done(_)) && self.shell.core.is_some();
        let told = awake && !matches!(self.handle(Input::Closed(peer)), Handled::Failed);
        if !told {
            // Whoever is left would not hear that it left: they come back, and do.
            let others: Vec<PeerId> = self.shell.sockets.keys().copied().collect();
            others.into_iter().for_each(|peer| self.close(peer, 1011));
            self.shell.core = None;
        }
    }

    /// The relay shows what it held back.
    pub fn flush(&mut self) {
        if self.shell.core.is_some() && std::mem::take(&mut self.shell.flushes) {
            self.handle(Input::Flush);
        }
    }
}
