//! What can happen, and how often: each seed draws a profile of its own, in which some kinds of event never happen and
//! others happen a lot, so that rare combinations are met (swarm testing).

use relay::hub::Log;
use relay::limit::QUESTION_TTL_MS;

use crate::random::Random;

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident: $weight:literal $kind:ident,)*) => {
        /// One kind of step.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Event { $($(#[$doc])* $name,)* }

        /// Every kind, its weight, and whether a profile may leave it out.
        const EVENTS: &[(Event, u32, Kind)] = &[$((Event::$name, $weight, Kind::$kind),)*];
    };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Something goes wrong: only in some profiles.
    Fault,
    /// What peers do every day.
    Work,
}

events! {
    /// An agent acknowledges what it stored.
    AgentAcks: 30 Work,
    /// An agent's program dies: what it had not stored is lost.
    AgentCrashes: 3 Fault,
    /// An agent gives a final answer.
    AgentFinishes: 60 Work,
    /// An agent's state is that of another timeline.
    AgentForeign: 1 Fault,
    /// An agent sends a piece of an answer.
    AgentStreams: 60 Work,
    /// A second program with the same agent's key comes, or goes.
    AgentTwin: 3 Fault,
    /// An agent's disk is wiped.
    AgentWiped: 2 Fault,
    /// The alarm rings.
    Alarm: 60 Work,
    /// The user is disabled, or is not any more.
    Bars: 1 Fault,
    /// The relay's clock is set.
    ClockJumps: 4 Fault,
    /// The relay's process dies while it does nothing.
    Crashes: 3 Fault,
    /// Someone asks for an answer that is kept.
    Collects: 8 Work,
    /// A device acknowledges what it stored.
    DeviceAcks: 40 Work,
    /// A device's program dies.
    DeviceCrashes: 3 Fault,
    /// A device's state is that of another timeline.
    DeviceForeign: 2 Fault,
    /// A device acknowledges nothing for a while.
    DeviceStalls: 3 Fault,
    /// A device's state is wiped.
    DeviceWiped: 2 Fault,
    /// Someone without a connection connects.
    Dials: 40 Work,
    /// A device writes.
    Drafts: 20 Work,
    /// A connection breaks without a word.
    Drops: 6 Fault,
    /// Whoever shows an answer at its platform while it is made asks what there is.
    Draws: 40 Work,
    /// Clients hear what the relay sent.
    Down: 220 Work,
    /// The relay shows what it held back.
    Flush: 40 Work,
    /// A client sends what the protocol does not allow.
    Garbage: 4 Fault,
    /// Someone presses the button that stops an answer.
    Halts: 4 Fault,
    /// A client closes its connection.
    HangsUp: 6 Fault,
    /// The relay's memory is lost, its sockets stay.
    Hibernates: 12 Fault,
    /// A broken or closed connection is noticed, at either end.
    Learns: 25 Work,
    /// A webhook that waits looks for its answer.
    Looks: 60 Work,
    /// A platform's API goes down, or comes back.
    Outage: 2 Fault,
    /// A webhook brings a question.
    Posts: 36 Work,
    /// Someone says something unasked.
    Pushes: 8 Work,
    /// A message is taken back on its platform.
    Recalls: 2 Fault,
    /// A webhook repeats one.
    Repeats: 16 Work,
    /// An agent is no more.
    Removes: 1 Fault,
    /// Someone asks once more for what ended without an answer.
    Replays: 3 Fault,
    /// Sessions or keys end.
    Revokes: 3 Fault,
    /// Everyone waits, and what they know is compared.
    Settles: 4 Work,
    /// Hours pass.
    Sleeps: 1 Fault,
    /// The alarm rings though nothing was asked for.
    Spurious: 3 Fault,
    /// A device ends a question.
    Stops: 2 Fault,
    /// The relay hears what clients sent.
    Up: 200 Work,
    /// A platform answers.
    Verdict: 60 Work,
}

/// How one seed's world is.
#[derive(Clone, Debug)]
pub struct Profile {
    weights: Vec<(Event, u32)>,
    total: u32,
    /// Questions to be accepted before faults stop.
    pub questions: u32,
    /// How many devices there are.
    pub devices: usize,
    /// How many agents.
    pub agents: usize,
    /// Answers that an agent makes at once.
    pub parallel: usize,
    /// Conversations on the web and on the platform, each.
    pub conversations: u64,
    /// Milliseconds that a step takes, at most.
    pub step_ms: u64,
    /// Messages stored before it begins.
    pub history: History,
    /// In a thousand texts, so many are commands, or name an agent.
    pub commands: u32,
    /// What the relay writes into its event log.
    pub log: Log,
    /// How long a question may wait.
    pub ttl_ms: u64,
    /// In a thousand texts, so many are as long as can be.
    pub bulky: u32,
    /// In a thousand answers, so many are failures.
    pub fails: u32,
    /// In a thousand messages heard, so many kill the client in their middle.
    pub dies_reading: u32,
    /// In a thousand inputs, so many meet a store that fails.
    pub store_fails: u32,
    /// … so many are followed by a crash before the commit.
    pub crashes_before_commit: u32,
    /// … so many by a crash between two outputs.
    pub crashes_between: u32,
    /// In a thousand alarms set, so many cannot be.
    pub alarm_unset: u32,
    /// In a thousand alarms and crashes, so many alarms are dropped by the runtime.
    pub alarm_lost: u32,
    /// In a thousand webhooks, so many wait for their answer.
    pub holds: u32,
    /// For so long.
    pub hold_ms: u64,
    /// In some chats answers go in responses alone.
    pub keeps: bool,
    /// In a thousand tries, the platform takes so many and is not heard.
    pub verdict_lost: u32,
    /// … is busy for so many.
    pub busy: u32,
    /// … lets so many wait for their turn.
    pub waits: u32,
    /// … takes so many in several parts.
    pub parts: u32,
    /// … refuses so many.
    pub refused: u32,
    /// … so many end with a crash of the relay.
    pub crashes_delivering: u32,
    /// Connections that break are never noticed by the relay before another is opened.
    pub half_open: bool,
}

/// The timeline before the first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// Nothing.
    Empty,
    /// Almost as many messages, all of them young, as are allowed.
    Full,
    /// More messages than a window.
    Long,
    /// Almost as many open questions as are allowed.
    Queue,
    /// So many messages that the oldest are trimmed.
    Trims,
}

impl Profile {
    /// Draws one.
    pub fn draw(random: &mut Random) -> Profile {
        let mut weights = Vec::new();
        for &(event, weight, kind) in EVENTS {
            let factor = match kind {
                Kind::Fault if random.chance(500) => 0,
                Kind::Fault => random.between(2, 16) as u32,
                Kind::Work => random.between(3, 12) as u32,
            };
            weights.push((event, weight * factor));
        }
        let mut sometimes = |per_mille: u64| if random.chance(500) { random.skewed(per_mille) as u32 } else { 0 };
        let (store_fails, crashes_before_commit, crashes_between) = (sometimes(40), sometimes(8), sometimes(12));
        let (alarm_unset, alarm_lost, fails, dies_reading) =
            (sometimes(60), sometimes(400), sometimes(150), sometimes(20));
        let (verdict_lost, busy, refused, crashes_delivering) =
            (sometimes(400), sometimes(500), sometimes(120), sometimes(60));
        // Some agents answer all that they have at once: more than are shown.
        let parallel = if random.chance(100) { 40 } else { random.between(1, 6) as usize };
        let history = match random.below(100) {
            0 => History::Full,
            9 => History::Queue,
            10..40 if parallel == 40 => History::Queue,
            1..=4 => History::Long,
            5..=8 => History::Trims,
            _ => History::Empty,
        };
        Profile {
            total: weights.iter().map(|(_, weight)| weight).sum(),
            weights,
            questions: random.between(80, 125) as u32,
            devices: 1 + random.skewed(5) as usize,
            agents: 1 + random.skewed(3) as usize,
            parallel,
            conversations: 1 + random.skewed(7),
            step_ms: if random.chance(200) { 5_000 } else { random.between(1, 200) },
            history,
            bulky: if random.chance(25) { random.skewed(90) as u32 } else { 0 },
            commands: if random.chance(400) { random.skewed(250) as u32 } else { 0 },
            log: if random.chance(250) { Log::Bodies } else { Log::Off },
            ttl_ms: match history {
                // Longer than messages are kept: what is trimmed passes over questions that are open.
                History::Trims if random.chance(500) => 5 * QUESTION_TTL_MS,
                _ if random.chance(250) => random.between(20_000, 1_200_000),
                _ => QUESTION_TTL_MS,
            },
            waits: if random.chance(300) { random.skewed(300) as u32 } else { 0 },
            parts: if random.chance(300) { random.skewed(600) as u32 } else { 0 },
            holds: if random.chance(500) { random.between(100, 1_000) as u32 } else { 0 },
            hold_ms: random.between(1_000, 40_000),
            keeps: random.chance(250),
            fails,
            dies_reading,
            store_fails,
            crashes_before_commit,
            crashes_between,
            alarm_unset,
            alarm_lost,
            verdict_lost,
            busy,
            refused,
            crashes_delivering,
            half_open: random.chance(150),
        }
    }

    /// What happens next.
    pub fn next(&self, random: &mut Random) -> Event {
        let mut at = random.below(self.total as usize) as u32;
        for &(event, weight) in &self.weights {
            if at < weight {
                return event;
            }
            at -= weight;
        }
        Event::Up
    }
}
