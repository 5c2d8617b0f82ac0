//! What must be true whenever nothing is on its way.

use std::collections::BTreeMap;

use protocol::{ConversationId, ServerFrame, State, decode, encode};
use relay::hub::{Hub, Input, Output, Pass, PeerId, Role};
use relay::limit::PAGE_CONVERSATIONS_MAX;

use crate::network::Owner;
use crate::shell::Handled;
use crate::sqlite::Sqlite;
use crate::world::World;

impl World {
    /// Devices hear all that is on its way; then what they show is compared with what the relay would tell anyone new.
    pub fn settle(&mut self) {
        let was_calm = std::mem::replace(&mut self.calm, true);
        let awake = matches!(self.wake(), Handled::Done(_));
        for peer in self.network.which(|connection| matches!(connection.owner, Owner::Device(_))) {
            while self.network.connections.get(&peer).is_some_and(|it| it.client && !it.down.is_empty()) {
                self.hear(peer, None);
            }
        }
        if awake && self.shell.core.is_some() {
            self.compare_devices();
        }
        self.calm = was_calm;
    }

    pub fn compare_devices(&mut self) {
        let states = self.states();
        let online = self.online();
        for index in 0..self.devices.len() {
            let device = &self.devices[index];
            let Some(peer) = device.peer.filter(|_| device.welcomed) else { continue };
            let connection = &self.network.connections[&peer];
            if !connection.intact || !connection.relay {
                continue;
            }
            let sure = device.states.range(device.sure_from..);
            let differs: Vec<_> = sure
                .filter_map(|(&seq, &state)| Some((seq, state, *states.get(&seq)?)))
                .filter(|it| it.1 != it.2)
                .collect();
            let presence = device.presence.clone();
            self.check.demand(differs.is_empty(), "devices show states as they are", || {
                format!("device {index}: question, shown, known: {differs:?}")
            });
            let same = presence.as_ref() == Some(&online);
            self.check.demand(same, "devices know which agents are there", || {
                format!("device {index}: {presence:?}, not {online:?}")
            });
        }
        let all_short = self.profile.bulky == 0;
        let mut behind = self.shell.peers.iter().filter(|(_, peer)| peer.greeted && peer.has_room());
        let behind = behind.find_map(|(&peer, _)| Some((peer, self.check.missing(peer, all_short)?)));
        self.check.demand(behind.is_none(), "whoever has room is sent everything", || format!("{behind:?}"));
    }

    /// The state of every question, as history tells it.
    pub fn states(&self) -> BTreeMap<u64, State> {
        let Some(core) = &self.shell.core else { return BTreeMap::new() };
        let mut states = BTreeMap::new();
        for conversation in core.conversations(None, PAGE_CONVERSATIONS_MAX).unwrap().unwrap().conversations {
            let mut before = None;
            loop {
                let page = core.page(&conversation.id, before, 200).unwrap().unwrap();
                states.extend(page.messages.iter().filter_map(|message| Some((message.seq.0, message.state?))));
                before = page.next;
                // States further back are not told to anyone.
                if before.is_none() || states.len() > 2_000 {
                    break;
                }
            }
        }
        states
    }

    pub fn online(&self) -> BTreeMap<String, bool> {
        let is_there = |id: &String| {
            let mut peers = self.shell.peers.values().filter(|peer| peer.greeted);
            peers.any(|peer| peer.agent().is_some_and(|agent| agent.as_str() == id))
        };
        self.check.truth.acked.keys().map(|id| (id.clone(), is_there(id))).collect()
    }

    /// A core that never slept and one that is restored now do the same.
    pub fn compare_with_restored(&mut self) {
        let (Some(mut live), now) = (self.shell.core.take(), self.clock.now()) else { return };
        let sql = self.shell.sql.clone();
        let probes = self.probes();
        sql.begin(None);
        let mut fresh = self.shell.restored(now).unwrap();
        fresh.handle(now, Input::Woken(None)).unwrap();
        let from_fresh = probe(&mut fresh, now, &probes);
        sql.roll_back();
        sql.begin(None);
        let from_live = probe(&mut live, now, &probes);
        sql.roll_back();
        let differs = from_fresh.iter().zip(&from_live).find(|(a, b)| a != b);
        self.check.demand(differs.is_none(), "a restored core does what one that never slept does", || {
            format!("restored, not: {differs:?}")
        });
        self.shell.core = Some(live);
    }

    fn probes(&mut self) -> Vec<Input> {
        let (device, agent) = (PeerId(1), PeerId(2));
        let epoch = self.check.truth.epoch;
        let seq = self.random.between(0, self.check.truth.head());
        let mut probes = vec![
            Input::Opened(device, Role::Device, Pass::default()),
            Input::received(device, &format!(r#"{{"type":"hello","cursor":"{epoch}.{seq}"}}"#)),
            Input::received(device, r#"{"type":"send","id":"probe","text":"probe"}"#),
        ];
        let peers: Vec<(PeerId, u64)> = self.shell.peers.iter().map(|(&id, peer)| (id, peer.last.0)).collect();
        if let Some(&(peer, last)) = self.random.pick(&peers) {
            probes.push(Input::received(peer, &format!(r#"{{"type":"ack","seq":{last}}}"#)));
            probes.push(Input::Closed(peer));
        }
        let role = Role::Agent { id: "agt_0".parse().unwrap(), name: "name of agt_0".into() };
        probes.push(Input::Opened(agent, role, Pass::default()));
        probes.push(Input::received(agent, r#"{"type":"hello"}"#));
        probes.push(Input::Tick);
        probes
    }
}

/// What a core answers to these inputs, frame by frame, without what only memory knows: alarms and deltas, which may
/// stand in a batch with other frames.
fn probe(core: &mut Hub<Sqlite>, now: protocol::Timestamp, probes: &[Input]) -> Vec<Vec<Output>> {
    let kept = |output: Output| match output {
        Output::FlushIn(_) | Output::WakeAt(_) => vec![],
        Output::Send(to, text) => {
            let frames = decode::<ServerFrame>(&text).unwrap().into_iter();
            let lasting = frames.filter(|frame| !matches!(frame, ServerFrame::Delta { .. }));
            lasting.map(|frame| Output::Send(to.clone(), encode(&frame))).collect()
        }
        output => vec![output],
    };
    let conversation: ConversationId = "web-0".parse().unwrap();
    let outputs = probes.iter().map(|input| {
        let outputs = core.handle(now, input.clone()).unwrap();
        let page = core.page(&conversation, None, 200).unwrap().unwrap();
        let text = serde_json::to_string(&page).unwrap();
        outputs.into_iter().flat_map(kept).chain([Output::Send(vec![], text)]).collect()
    });
    outputs.collect()
}
