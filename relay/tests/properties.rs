//! Whatever happens, in whatever order: accepted means delivered once, in order, answered once.
//! A failing case is shrunk and printed by proptest, and replayed from `properties.proptest-regressions`.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::World;
use proptest::prelude::*;
use protocol::{Seq, ServerFrame};
use relay::hub::PeerId;
use relay::limit::DELIVERY_MS_MAX;
use relay::platform::Sent;

/// What can happen, as often and in whatever order proptest likes.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The agent stores what it was sent, and acknowledges it.
    AgentAcks,
    AgentComes,
    AgentGoes,
    /// The agent answers the oldest question it has, this many times.
    AgentReplies(u8),
    /// The device stores what it was sent, and acknowledges it.
    DeviceAcks,
    DeviceComes,
    DeviceGoes,
    /// Memory is lost.
    Hibernates,
    /// Memory and sockets are lost.
    Crashes,
    /// A question from Feishu, perhaps one that came before.
    Posts(u8),
    /// The alarm rings, and the platform takes, or refuses to for now.
    Rings(bool),
}

/// A peer that keeps its cursor, as docs/protocol.md asks of it.
#[derive(Default)]
struct Client {
    peer: Option<PeerId>,
    /// How many of the frames that it was sent it has read.
    read: usize,
    cursor: Option<u64>,
    /// Every message that it was sent and had not before, in order.
    stored: Vec<(Seq, String)>,
}

impl Client {
    /// Reads what came since; answers the last message's place, to acknowledge.
    fn store(&mut self, world: &World) -> Option<u64> {
        let frames = &world.heard[&self.peer?];
        for frame in &frames[self.read..] {
            if let ServerFrame::Message(envelope) = frame
                && self.cursor.is_none_or(|cursor| envelope.seq.0 > cursor)
            {
                self.cursor = Some(envelope.seq.0);
                self.stored.push((envelope.seq, envelope.id.to_string()));
            }
        }
        self.read = frames.len();
        self.cursor
    }

    fn goes(&mut self, world: &mut World) {
        if let Some(peer) = self.peer.take() {
            world.drop(peer);
        }
    }
}

/// A world, its two clients, and what is expected of it.
struct Run {
    world: World,
    agent: Client,
    device: Client,
    /// Ids of accepted questions, in order.
    accepted: Vec<String>,
    answered: BTreeSet<u64>,
    /// Platform message → answers that it took.
    taken: BTreeMap<String, Vec<String>>,
}

impl Run {
    fn new() -> Run {
        let (agent, device) = (Client::default(), Client::default());
        let (accepted, answered, taken) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        Run { world: World::new(), agent, device, accepted, answered, taken }
    }

    fn step(&mut self, step: Step) {
        let Run { world, agent, device, .. } = self;
        world.advance_ms(1);
        match step {
            Step::AgentAcks => acks(world, agent),
            Step::AgentComes => {
                agent.goes(world);
                agent.peer = Some(world.agent(agent.cursor.map(|seq| world.cursor(seq))));
                agent.read = 0;
            }
            Step::AgentGoes => agent.goes(world),
            Step::AgentReplies(times) => self.reply(times),
            Step::DeviceAcks => acks(world, device),
            Step::DeviceComes => {
                device.goes(world);
                // From the very beginning, not only the newest.
                device.peer = Some(world.device(Some(world.cursor(device.cursor.unwrap_or(0)))));
                device.read = 0;
            }
            Step::DeviceGoes => device.goes(world),
            Step::Hibernates => world.hibernate(),
            Step::Crashes => {
                world.crash();
                agent.peer = None;
                device.peer = None;
            }
            Step::Posts(number) => {
                let posted = world.post(&format!("om_{number}"), &number.to_string()).unwrap();
                let id = format!("feishu:main:om_{number}");
                assert_eq!(posted.new, !self.accepted.contains(&id), "stored once");
                if posted.new {
                    self.accepted.push(id);
                }
            }
            Step::Rings(takes) => self.ring(takes),
        }
    }

    fn reply(&mut self, times: u8) {
        let Some(peer) = self.agent.peer else { return };
        // Only what it has stored: it may have been sent more.
        let Some(&(seq, _)) = self.agent.stored.iter().find(|(seq, _)| !self.answered.contains(&seq.0)) else { return };
        for _ in 0..times {
            self.world.replies(peer, seq.0, &format!("answer {seq}"));
        }
        if times > 0 {
            self.answered.insert(seq.0);
        }
    }

    fn ring(&mut self, takes: bool) {
        let Some(at) = self.world.alarm else { return };
        // Not for what expires in a day.
        if at > self.world.now.plus_ms(DELIVERY_MS_MAX) {
            return;
        }
        self.world.now = self.world.now.max(at);
        let taken = &mut self.taken;
        self.world.ring(|delivery| {
            if takes {
                taken.entry(delivery.origin.message.clone()).or_default().push(delivery.text.clone());
                Sent::Taken
            } else {
                Sent::Later { after_ms: None, why: "busy".into() }
            }
        });
    }

    /// The faults stop: everyone connects and does their part.
    fn heal(&mut self) {
        self.step(Step::AgentComes);
        self.step(Step::DeviceComes);
        for _ in 0..self.accepted.len() + 1 {
            self.step(Step::AgentAcks);
            self.step(Step::AgentReplies(1));
            self.step(Step::Rings(true));
            self.step(Step::DeviceAcks);
        }
    }

    fn check(&mut self) {
        assert!(self.world.ring(|_| Sent::Taken).is_empty(), "nothing is left to do");
        assert_eq!(self.world.alarm, None);
        let delivered: Vec<&String> = self.agent.stored.iter().map(|(_, id)| id).collect();
        assert_eq!(delivered, self.accepted.iter().collect::<Vec<_>>(), "each to the agent, once, in order");
        for id in &self.accepted {
            let message = id.trim_start_matches("feishu:main:");
            assert_eq!(self.taken.get(message).map(Vec::len), Some(1), "{message}: one answer at the platform");
        }
        // The device has the whole timeline, without a hole.
        let places: Vec<u64> = self.device.stored.iter().map(|(seq, _)| seq.0).collect();
        assert_eq!(places, (1..=2 * self.accepted.len() as u64).collect::<Vec<_>>());
    }
}

fn acks(world: &mut World, client: &mut Client) {
    if let (Some(seq), Some(peer)) = (client.store(world), client.peer) {
        world.acks(peer, seq);
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<u8>().prop_map(Step::Posts),
        3 => Just(Step::AgentAcks),
        3 => (0..3u8).prop_map(Step::AgentReplies),
        2 => Just(Step::AgentComes),
        2 => Just(Step::DeviceComes),
        2 => Just(Step::DeviceAcks),
        2 => any::<bool>().prop_map(Step::Rings),
        1 => Just(Step::AgentGoes),
        1 => Just(Step::DeviceGoes),
        1 => Just(Step::Hibernates),
        1 => Just(Step::Crashes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn accepted_is_delivered_once_in_order_and_answered_once(steps in prop::collection::vec(step(), 0..120)) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        run.heal();
        run.check();
    }
}
