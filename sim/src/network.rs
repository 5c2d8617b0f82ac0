//! Connections: two queues of WebSocket messages, which a drop empties.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use protocol::{Cursor, ServerFrame, Timestamp};
use relay::hub::PeerId;

/// Whose end of a connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The agent's program with this number.
    Agent(usize),
    /// The device with this number.
    Device(usize),
}

/// From the relay.
#[derive(Clone)]
pub enum Down {
    /// The socket is closed, with this code.
    Close(u16),
    /// A batch.
    Frames(Rc<Vec<ServerFrame>>),
}

/// To the relay.
pub enum Up {
    /// Bytes.
    Binary,
    /// The client closes.
    Close,
    /// Text, and what in it the checker needs to know.
    Text(String, Said),
}

/// What a client's text says, should the relay take it.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The greatest `ack` in it.
    pub ack: Option<u64>,
    /// The cursor and the `last` of its `hello`.
    pub hello: Option<(Option<Cursor>, Option<u64>)>,
    /// How many frames it has.
    pub frames: usize,
}

/// One WebSocket.
pub struct Connection {
    /// Whose.
    pub owner: Owner,
    /// On the way to the client.
    pub down: VecDeque<Down>,
    /// On the way to the relay.
    pub up: VecDeque<Up>,
    /// The client's end is open.
    pub client: bool,
    /// The relay's end is open.
    pub relay: bool,
    /// What is sent arrives.
    pub intact: bool,
    /// The client's last heartbeat, once there will be no more.
    pub last_heard: Option<Timestamp>,
}

/// All connections, by the number that the shell gave them.
#[derive(Default)]
pub struct Network {
    /// By number.
    pub connections: BTreeMap<PeerId, Connection>,
    last: u64,
}

impl Network {
    /// A new connection.
    pub fn open(&mut self, owner: Owner) -> PeerId {
        // Not in order: the core must not depend on it. Odd times odd, so that none comes twice.
        self.last += 1;
        let peer = PeerId((self.last * 2 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11);
        let (down, up) = (VecDeque::new(), VecDeque::new());
        let connection = Connection { owner, down, up, client: true, relay: true, intact: true, last_heard: None };
        self.connections.insert(peer, connection);
        peer
    }

    /// To a client. Lost if the way is.
    pub fn down(&mut self, peer: PeerId, what: Down) {
        if let Some(connection) = self.connections.get_mut(&peer)
            && connection.intact
            && connection.client
        {
            connection.down.push_back(what);
        }
    }

    /// To the relay. Lost if the way is.
    pub fn up(&mut self, peer: PeerId, what: Up) {
        if let Some(connection) = self.connections.get_mut(&peer)
            && connection.intact
            && connection.relay
        {
            connection.up.push_back(what);
        }
    }

    /// Nothing more arrives, not even what is on the way.
    pub fn cut(&mut self, peer: PeerId, now: Timestamp) {
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.intact = false;
            connection.last_heard.get_or_insert(now);
            connection.down.clear();
            connection.up.clear();
        }
    }

    /// Forgets connections that are closed at both ends.
    pub fn sweep(&mut self) {
        self.connections.retain(|_, connection| connection.client || connection.relay);
    }

    /// The connections that are so.
    pub fn which(&self, is: impl Fn(&Connection) -> bool) -> Vec<PeerId> {
        self.connections.iter().filter(|(_, connection)| is(connection)).map(|(&peer, _)| peer).collect()
    }
}
