//! Figures, and what is printed of a run.

use std::collections::BTreeMap;

use crate::check::Broken;
use crate::faults::Event;

/// What happened, in numbers.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Seeds that ran.
    pub seeds: u64,
    /// Messages that were committed: questions, answers and notices.
    pub messages: u64,
    /// Questions that were accepted.
    pub questions: u64,
    /// Questions that were not, since there was no room.
    pub refused: u64,
    /// Frames that the relay sent.
    pub frames: u64,
    /// Steps.
    pub steps: u64,
    /// The most rounds that a world needed to settle.
    pub rounds: u64,
    events: BTreeMap<Event, u64>,
    counts: BTreeMap<&'static str, u64>,
}

impl Figures {
    /// One more of these.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// So many more of these.
    pub fn add_count(&mut self, what: &'static str, count: u64) {
        *self.counts.entry(what).or_default() += count;
    }

    /// One more step of this kind.
    pub fn event(&mut self, event: Event) {
        *self.events.entry(event).or_default() += 1;
    }

    /// Adds another seed's.
    pub fn add(&mut self, other: &Figures) {
        self.seeds += other.seeds;
        self.messages += other.messages;
        self.questions += other.questions;
        self.refused += other.refused;
        self.frames += other.frames;
        self.steps += other.steps;
        self.rounds = self.rounds.max(other.rounds);
        other.events.iter().for_each(|(event, count)| *self.events.entry(*event).or_default() += count);
        other.counts.iter().for_each(|(what, count)| *self.counts.entry(what).or_default() += count);
    }

    /// As a table.
    pub fn print(&self, seconds: f64, jobs: usize) {
        println!("{:>12}  seeds", self.seeds);
        println!("{:>12}  messages committed", self.messages);
        println!("{:>12}  questions accepted", self.questions);
        println!("{:>12}  questions refused", self.refused);
        println!("{:>12}  frames sent to peers", self.frames);
        println!("{:>12}  steps", self.steps);
        println!("{:>12}  rounds to settle, at most", self.rounds);
        for (what, count) in &self.counts {
            println!("{count:>12}  {what}");
        }
        let events: Vec<String> = self.events.iter().map(|(event, count)| format!("{event:?} {count}")).collect();
        println!("events: {}", events.join(", "));
        println!(
            "{seconds:.1} s with {jobs} jobs, {:.0} messages/s, {:.0} µs per message and job",
            self.messages as f64 / seconds,
            seconds * jobs as f64 * 1e6 / self.messages.max(1) as f64
        );
    }
}

/// Says which rule a seed broke, and how to see it again.
pub fn print_broken(seed: u64, broken: &Broken, tail: &[String]) {
    println!("last events of seed {seed}:");
    tail.iter().for_each(|line| println!("  {line}"));
    println!("BROKEN: {}", broken.rule);
    println!("  {}", broken.detail);
    println!("  replay: npm run sim -- --seed {seed} --trace");
}
