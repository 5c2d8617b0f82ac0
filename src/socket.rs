//! The open sockets of a Hub, by peer: what is sent to many becomes JavaScript's once, and a socket tells whose it is
//! without being asked for its tags.

use std::cell::RefCell;

use js_sys::JsString;
use protocol::json::{self, FromJson, Json};
use protocol::{Code, Seq, Timestamp};
use relay::dialect::{Dialect, Said, Words};
use relay::hub::{Input, Peer, PeerId};
use relay::limit::{BUFFER_CHECK_BYTES, BUFFERED_BYTES_MAX};
use relay::map::Map;

use crate::clock::{now, random};
use crate::runtime::{self, State, WebSocket, console_log};

/// The open sockets of a Hub that is awake, by peer.
#[derive(Default)]
pub struct Sockets(RefCell<Map<PeerId, Open>>);

struct Open {
    socket: WebSocket,
    /// Bytes sent since it was last asked how much it holds.
    unchecked: u32,
    /// How it is spoken to, if not in our own words; and its peer, to be attached with that.
    foreign: Option<(Dialect, Peer)>,
}

/// What became of a text that was sent to peers.
#[derive(Default)]
pub struct Told {
    /// Those that do not read: more than [`BUFFERED_BYTES_MAX`] wait for them.
    pub stalled: Vec<PeerId>,
    /// Those that know no `ack`, and up to where theirs is.
    pub acks: Vec<(PeerId, Seq)>,
}

impl Sockets {
    /// Takes a socket in. `foreign`: how it is spoken to, if not in our own words, and what its peer is.
    pub fn insert(&self, peer: PeerId, ws: &WebSocket, foreign: Option<(Dialect, Peer)>) {
        ws.set_peer(peer.0 as f64);
        ws.set_instance(runtime::instance());
        self.0.borrow_mut().insert(peer, Open { socket: ws.clone(), unchecked: 0, foreign });
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

    /// Sends a text to these peers, each in its own words.
    pub fn send(&self, peers: &[PeerId], text: &str) -> Told {
        let mut held = self.0.borrow_mut();
        let (message, mut told) = (JsString::from(text), Told::default());
        for peer in peers {
            let Some(open) = held.get_mut(peer) else { continue };
            let mut stalls = false;
            match &mut open.foreign {
                None => stalls = open.send(*peer, &message, text.len()),
                Some((dialect, _)) => {
                    let sent = dialect.tell(text);
                    told.acks.extend(sent.ack.map(|seq| (*peer, seq)));
                    for text in sent.texts {
                        stalls |= open.send(*peer, &JsString::from(text.as_str()), text.len());
                    }
                }
            }
            if stalls {
                told.stalled.push(*peer);
            }
        }
        told
    }

    /// Reads what a peer said, in its own words, and answers its heartbeats if the runtime does not. And whether it has
    /// read by now what it was handed.
    pub fn hear(&self, id: PeerId, text: &str) -> (Input, bool) {
        self.hear_foreign(id, text).unwrap_or_else(|| (Input::received(id, text), false))
    }

    fn hear_foreign(&self, id: PeerId, text: &str) -> Option<(Input, bool)> {
        let (said, kept, has_read) = {
            let mut held = self.0.borrow_mut();
            let open = held.get_mut(&id)?;
            let (dialect, peer) = open.foreign.as_mut()?;
            // Without randomness there is no id, and it is refused.
            let said = dialect.hear(now(), text, &random::<12>().unwrap_or_default());
            let has_read = dialect.words.has_read_what_it_was_handed();
            let kept = attachment(id, peer, Some(dialect));
            if let Said::Ping(back) = said {
                open.send(id, &JsString::from(back), back.len());
            }
            (said, kept, has_read)
        };
        self.keep(id, Some(&kept));
        Some((said.input(id, text.len()), has_read))
    }

    /// Keeps with a socket what must outlive the Hub's memory.
    pub fn attach(&self, id: PeerId, peer: &Peer) {
        let text = match self.0.borrow_mut().get_mut(&id).and_then(|open| open.foreign.as_mut()) {
            None => attachment(id, peer, None),
            Some((dialect, last)) => {
                *last = peer.clone();
                attachment(id, peer, Some(dialect))
            }
        };
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

    /// When the runtime last answered a peer's heartbeat. Whose heartbeats are others was heard when it last said
    /// something; one that sends none is there as long as its socket.
    pub fn last_heartbeat(&self, state: &State, peer: PeerId) -> Option<Timestamp> {
        let held = self.0.borrow();
        let open = held.get(&peer)?;
        match &open.foreign {
            None => Some(Timestamp(state.last_auto_response(&open.socket)? as u64)),
            Some((dialect, _)) => Some(dialect.heard.unwrap_or_else(now)),
        }
    }

    fn keep(&self, id: PeerId, attachment: Option<&str>) {
        let held = self.0.borrow();
        // A socket that is closing may refuse; what follows concerns others.
        if let Some(Err(error)) = held.get(&id).map(|open| open.socket.set_attachment(attachment)) {
            console_log!("attachment of peer {}: {error}", id.0);
        }
    }
}

impl Open {
    /// Whether it does not read.
    fn send(&mut self, id: PeerId, message: &JsString, bytes: usize) -> bool {
        // A socket that is closing refuses; its peer resumes from its cursor.
        if let Err(error) = self.socket.send(message) {
            console_log!("send to peer {}: {error}", id.0);
            return false;
        }
        self.unchecked = self.unchecked.saturating_add(bytes as u32);
        if self.unchecked <= BUFFER_CHECK_BYTES {
            return false;
        }
        self.unchecked = 0;
        self.socket.buffered_amount() > BUFFERED_BYTES_MAX
    }
}

/// Whose socket it is: written on it while the Hub is awake, else told by its tag.
pub fn peer_of(state: &State, ws: &WebSocket) -> Option<PeerId> {
    let known = ws.peer().map(|id| PeerId(id as u64));
    known.or_else(|| state.get_tag(ws)?.parse().ok().map(PeerId))
}

/// What was attached to a socket.
pub fn attached(ws: &WebSocket) -> Option<(PeerId, Peer, Option<Dialect>)> {
    let Json::List(parts) = json::parse(&ws.attachment()?).ok()? else { return None };
    let mut parts = parts.into_iter();
    let (id, peer) = (PeerId::from_json(parts.next()?).ok()?, Peer::from_json(parts.next()?).ok()?);
    let words = parts.next().map(Words::from_json).transpose().ok()?;
    let heard = parts.next().and_then(|heard| Timestamp::from_json(heard).ok());
    Some((id, peer, words.map(|words| Dialect { words, heard })))
}

fn attachment(id: PeerId, peer: &Peer, dialect: Option<&Dialect>) -> String {
    let text = match dialect {
        None => serde_json::to_string(&(id, peer)),
        Some(Dialect { words, heard }) => serde_json::to_string(&(id, peer, words, heard)),
    };
    text.expect("a peer is numbers and strings")
}
