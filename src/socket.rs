//! The open sockets of a Hub, by peer: what is sent to many becomes JavaScript's once, and a socket tells whose it is
//! without being asked for its tags.

use std::cell::RefCell;

use js_sys::JsString;
use protocol::json::{self, FromJson, Json};
use protocol::{Code, Timestamp};
use relay::hub::{Peer, PeerId};
use relay::limit::{BUFFER_CHECK_BYTES, BUFFERED_BYTES_MAX};
use relay::map::Map;

use crate::runtime::{self, State, WebSocket, console_log};

/// The open sockets of a Hub that is awake, by peer.
#[derive(Default)]
pub struct Sockets(RefCell<Map<PeerId, Open>>);

struct Open {
    socket: WebSocket,
    /// Bytes sent since it was last asked how much it holds.
    unchecked: u32,
}

impl Sockets {
    /// Takes a socket in.
    pub fn insert(&self, peer: PeerId, ws: &WebSocket) {
        ws.set_peer(peer.0 as f64);
        ws.set_instance(runtime::instance());
        self.0.borrow_mut().insert(peer, Open { socket: ws.clone(), unchecked: 0 });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// A socket is gone.
    pub fn remove(&self, peer: PeerId) {
        self.0.borrow_mut().remove(&peer);
    }

    /// All sockets are gone.
    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    /// Sends a text to these peers, and answers those that do not read: more than [`BUFFERED_BYTES_MAX`] wait for them.
    pub fn send(&self, peers: &[PeerId], text: &str) -> Vec<PeerId> {
        let mut held = self.0.borrow_mut();
        let (message, mut stalled) = (JsString::from(text), Vec::new());
        for peer in peers {
            let Some(open) = held.get_mut(peer) else { continue };
            // A socket that is closing refuses; its peer resumes from its cursor.
            if let Err(error) = open.socket.send(&message) {
                console_log!("send to peer {}: {error}", peer.0);
                continue;
            }
            open.unchecked = open.unchecked.saturating_add(text.len() as u32);
            if open.unchecked > BUFFER_CHECK_BYTES {
                open.unchecked = 0;
                if open.socket.buffered_amount() > BUFFERED_BYTES_MAX {
                    stalled.push(*peer);
                }
            }
        }
        stalled
    }

    /// Keeps with a socket what must outlive the Hub's memory.
    pub fn attach(&self, id: PeerId, peer: &Peer) {
        let text = serde_json::to_string(&(id, peer)).expect("a peer is numbers and strings");
        self.keep(id, Some(&text));
    }

    /// Closes a socket, whose place is given up: a Hub that wakes must not take it over while it closes.
    pub fn close(&self, id: PeerId, code: u16, reason: Code) {
        self.keep(id, None);
        if let Some(open) = self.0.borrow_mut().remove(&id)
            && let Err(error) = open.socket.close(Some(code), Some(reason.as_str()))
        {
            console_log!("close of peer {}: {error}", id.0);
        }
    }

    /// When the runtime last answered a peer's heartbeat.
    pub fn last_heartbeat(&self, state: &State, peer: PeerId) -> Option<Timestamp> {
        let held = self.0.borrow();
        Some(Timestamp(state.last_auto_response(&held.get(&peer)?.socket)? as u64))
    }

    fn keep(&self, id: PeerId, attachment: Option<&str>) {
        let held = self.0.borrow();
        // A socket that is closing may refuse; what follows concerns others.
        if let Some(Err(error)) = held.get(&id).map(|open| open.socket.set_attachment(attachment)) {
            console_log!("attachment of peer {}: {error}", id.0);
        }
    }
}

/// Whose socket it is: written on it while the Hub is awake, else told by its tag.
pub fn peer_of(state: &State, ws: &WebSocket) -> Option<PeerId> {
    let known = ws.peer().map(|id| PeerId(id as u64));
    known.or_else(|| state.get_tag(ws)?.parse().ok().map(PeerId))
}

/// What was attached to a socket.
pub fn attached(ws: &WebSocket) -> Option<(PeerId, Peer)> {
    let Json::List(parts) = json::parse(&ws.attachment()?).ok()? else { return None };
    let [id, peer] = <[Json; 2]>::try_from(parts).ok()?;
    Some((PeerId::from_json(id).ok()?, Peer::from_json(peer).ok()?))
}
