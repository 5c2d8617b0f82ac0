//! One seed's world: the relay, its peers, the network between them, and time.

use std::collections::BTreeMap;

use protocol::ClientFrame;
use relay::hub::PeerId;

use crate::agent::{Agent, says};
use crate::check::{Broken, Checker};
use crate::clock::Clock;
use crate::device::Device;
use crate::draft::Drafts;
use crate::faults::{Event, History, Profile};
use crate::hold::Holds;
use crate::network::{Network, Up};
use crate::platform::Platform;
use crate::push::Pushes;
use crate::random::Random;
use crate::report::Figures;
use crate::rights::Rights;
use crate::shell::Shell;
use crate::trace::Trace;
use crate::webhook::Webhooks;

/// Everything.
pub struct World {
    /// All chance.
    pub random: Random,
    /// What may happen.
    pub profile: Profile,
    /// No faults any more.
    pub calm: bool,
    /// Time.
    pub clock: Clock,
    /// The relay.
    pub shell: Shell,
    /// What lies between.
    pub network: Network,
    /// Sockets that the relay closed, and whose end it has not been told.
    pub closing: Vec<PeerId>,
    /// Peers that show everything.
    pub devices: Vec<Device>,
    /// Peers that answer.
    pub agents: Vec<Agent>,
    /// Where questions come from.
    pub webhooks: Webhooks,
    /// Answers shown at their platform while they are made.
    pub drafts: Drafts,
    /// Webhooks that wait.
    pub holds: Holds,
    /// Who may come in.
    pub rights: Rights,
    /// What is said unasked.
    pub pushes: Pushes,
    /// Where answers go.
    pub platform: Platform,
    /// The rules.
    pub check: Checker,
    /// Question → every text that an agent began to answer it with.
    pub runs: BTreeMap<u64, Vec<String>>,
    /// How many of them there are.
    pub runs_begun: u64,
    /// Question → every final answer that an agent gave.
    pub given: BTreeMap<u64, Vec<ClientFrame>>,
    /// The last ticket that was used, and when, by the relay's clock.
    pub ticket: Option<(String, u64)>,
    /// What happened, in numbers.
    pub figures: Figures,
    /// What happened, in words.
    pub trace: Trace,
}

impl World {
    /// The world of a seed.
    pub fn new(seed: u64, trace: Trace) -> World {
        let mut random = Random::new(seed);
        let profile = Profile::draw(&mut random);
        trace.note(|| format!("{profile:?}"));
        let agent = |number: usize| Agent::new(format!("agt_{number}").parse().unwrap(), false);
        let mut agents: Vec<Agent> = (0..profile.agents).map(agent).collect();
        agents.push(Agent::new("agt_0".parse().unwrap(), true));
        let mut world = World {
            random,
            calm: true,
            clock: Clock::new(),
            shell: Shell::new(profile.ttl_ms, profile.log),
            network: Network::default(),
            closing: Vec::new(),
            devices: (0..profile.devices).map(|_| Device::default()).collect(),
            agents,
            webhooks: Webhooks::default(),
            drafts: Drafts::default(),
            holds: Holds::default(),
            rights: Rights::default(),
            pushes: Pushes::default(),
            platform: Platform::default(),
            check: Checker::default(),
            runs: BTreeMap::new(),
            runs_begun: 0,
            given: BTreeMap::new(),
            ticket: None,
            figures: Figures::default(),
            trace,
            profile,
        };
        world.check.truth.ttl_ms = world.profile.ttl_ms;
        world.wake();
        world.begin_history();
        world.calm = false;
        world
    }

    /// Runs to the end: the first rule that is not kept, if any.
    pub fn run(&mut self) -> Option<Broken> {
        let wanted = u64::from(self.profile.questions);
        while self.check.broken.is_none()
            && self.figures.steps < STEPS_MAX
            && self.figures.questions < wanted
            && !self.is_full()
        {
            self.step();
        }
        if self.check.broken.is_none() {
            self.heal();
        }
        self.check.broken.clone()
    }

    /// The timeline has no room, and will have none before days have passed.
    fn is_full(&self) -> bool {
        self.profile.history == History::Full && self.figures.refused > 50
    }

    fn step(&mut self) {
        self.figures.steps += 1;
        let passes = self.random.between(0, self.profile.step_ms);
        self.advance(passes);
        if self.platform.is_overdue(self.clock.true_ms) {
            self.verdict();
        }
        let event = self.profile.next(&mut self.random);
        self.trace.note(|| format!("{:>9} ms {event:?}", self.clock.true_ms % 1_000_000_000));
        self.figures.event(event);
        self.repeat_rights();
        let (agent, device) = (self.random.below(self.agents.len()), self.random.below(self.devices.len()));
        match event {
            Event::AgentAcks => self.agent_acks(agent),
            Event::AgentCrashes => self.agent_crashes(agent),
            Event::AgentFinishes => self.agent_finishes(agent),
            Event::AgentForeign => self.agent_foreign(agent),
            Event::AgentStreams => self.agent_streams(agent),
            Event::AgentTwin => self.agent_twin(),
            Event::AgentWiped => self.agent_wiped(agent),
            Event::Alarm => self.alarm(),
            Event::Bars => self.bars(),
            Event::ClockJumps => self.clock.jump(&mut self.random),
            Event::Collects => self.collects(),
            Event::Crashes => self.crash(),
            Event::DeviceAcks => self.device_acks(device),
            Event::DeviceCrashes => self.device_crashes(device),
            Event::DeviceForeign => self.device_foreign(device),
            Event::DeviceStalls => {
                self.devices[device].stalled_until = self.clock.true_ms + self.random.skewed(600_000);
            }
            Event::DeviceWiped => self.device_wiped(device),
            Event::Dials => self.someone_dials(),
            Event::Down => self.someone_hears(),
            Event::Drafts => self.device_drafts(device),
            Event::Draws => self.draws(),
            Event::Drops => {
                if let Some(peer) = self.some_connection() {
                    self.cut(peer);
                }
            }
            Event::Flush => self.flush(),
            Event::Garbage => self.garbage(),
            Event::Halts => self.halts(),
            Event::HangsUp => {
                if let Some(peer) = self.some_connection() {
                    self.network.up(peer, Up::Close);
                    self.leave(peer);
                }
            }
            Event::Hibernates => self.hibernate(),
            Event::Learns => self.someone_learns(),
            Event::Looks => self.someone_looks(),
            Event::Outage => self.platform.is_down = !self.platform.is_down,
            Event::Posts => self.webhook_posts(),
            Event::Pushes => self.pushes(),
            Event::Recalls => self.webhook_recalls(),
            Event::Removes => self.removes(),
            Event::Replays => self.replays(),
            Event::Revokes => self.revokes(),
            Event::Stops => self.device_stops(device),
            Event::Repeats => {
                self.webhook_repeats();
                self.device_sends(device, false);
            }
            Event::Settles => self.settle(),
            Event::Sleeps => {
                // Not while requests are on their way: they do not last so long.
                let hours = self.random.skewed(80);
                if self.platform.run.is_none() {
                    self.advance(hours * 3_600_000);
                }
            }
            Event::Spurious => self.spurious_tick(),
            Event::Up => self.someone_is_heard(),
            Event::Verdict => self.verdict(),
        }
        self.network.sweep();
    }

    /// Time passes.
    pub fn advance(&mut self, ms: u64) {
        self.clock.true_ms += ms;
        self.land_ghosts();
    }

    /// Memory is lost, sockets stay. Not while an alarm is handled.
    fn hibernate(&mut self) {
        if self.platform.run.is_none() && self.shell.core.is_some() {
            self.figures.count("hibernations");
            if self.random.chance(250) && !self.someone_may_wait() {
                self.compare_with_restored();
            }
            self.shell.core = None;
        }
    }

    /// What a person writes: words, a command, or words to one agent.
    pub fn words(&mut self, words: &str) -> String {
        if self.calm || !self.random.chance(self.profile.commands) {
            return self.text(words);
        }
        let agent = self.random.below(self.agents.len());
        let agent = self.agents[agent].id.clone();
        match self.random.below(12) {
            0..=3 => format!("@name of {agent} {words}"),
            4 | 5 => format!("/use name of {agent}"),
            6 => "/stop".to_owned(),
            7 => "/新对话".to_owned(),
            8 => "/status".to_owned(),
            9 => "/agents".to_owned(),
            10 => format!("@nobody {words}"),
            _ => "//stop".to_owned(),
        }
    }

    /// Words to write: mostly a few, sometimes as many as are allowed.
    pub fn text(&mut self, words: &str) -> String {
        let mut text = words.to_owned();
        if !self.calm && self.random.chance(self.profile.bulky) {
            // Either plain, or such that JSON needs six bytes for each.
            let filler = if self.random.chance(500) { "x" } else { "\u{1}" };
            text.push_str(&filler.repeat(protocol::limit::TEXT_BYTES_MAX - words.len()));
        } else {
            text.push_str(&"…and more"[..self.random.between(0, 1) as usize * 11]);
        }
        text
    }

    /// Every stored answer was given by an agent, to that question.
    pub fn check_answers(&mut self) {
        let truth = &self.check.truth;
        let (mut wrong, mut nobody) = (None, None);
        for seq in &truth.fresh {
            let row = &truth.rows[seq];
            self.figures.messages += 1;
            self.figures.questions += u64::from(row.is_question());
            if row.agent.as_ref().is_some_and(|agent| self.is_agent_gone(agent)) {
                nobody = Some(format!("{row:?}"));
            }
            let Some(question) = row.reply_to.filter(|_| row.author == "agent") else { continue };
            let given = self.given.get(&question);
            let begun = self.runs.get(&question);
            // Or the beginning of one that was stopped.
            let part = row.text.strip_suffix(CUT_SHORT);
            let is_part = |part: &str| begun.is_some_and(|runs| runs.iter().any(|run| run.starts_with(part)));
            let is_given = given.is_some_and(|given| given.iter().any(|frame| says(frame, &row.text)));
            if !is_given && !part.is_some_and(is_part) {
                wrong = Some(format!("{row:?}"));
            }
        }
        self.check.demand(wrong.is_none(), "an answer is what an agent said", || wrong.unwrap_or_default());
        self.check
            .demand(nobody.is_none(), "no question goes to an agent that is no more", || nobody.unwrap_or_default());
    }
}

/// What the relay writes under the part of an answer that was there when it was stopped.
const CUT_SHORT: &str = "\n\n⏹ 已停止 · stopped";
/// Steps of one seed, after which faults stop whatever was accepted.
const STEPS_MAX: u64 = 12_000;
