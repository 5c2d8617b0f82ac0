//! A deterministic simulation of one user's relay: the real core and store, with peers, platforms, a network, time and
//! every fault simulated. One seed is one world; the same seed is the same world, event by event.
//!
//! Read in this order: [`world`], [`faults`], [`shell`], [`network`], [`traffic`], [`device`], [`agent`], [`webhook`], [`hold`], [`draft`], [`push`],
//! [`rights`], [`platform`], then the rules: [`truth`] (what is committed), [`check`] (what is said), [`settle`] (what is shown), [`heal`]
//! (what all end with).
// The simulator is a test: when it panics, that is a finding.
#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

mod agent;
mod check;
mod clock;
mod device;
mod draft;
mod faults;
mod garbage;
mod heal;
mod history;
mod hold;
mod network;
mod options;
mod platform;
mod push;
mod random;
mod report;
mod rights;
mod run;
mod settle;
mod shell;
mod sqlite;
mod trace;
mod traffic;
mod truth;
mod webhook;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let options = match options::Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    if run::run(&options) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A few dozen worlds: `npm run sim` runs thousands.
    #[test]
    fn every_rule_is_kept() {
        for seed in 0..24 {
            let (broken, _) = run::seed(seed, trace::Trace::off());
            assert_eq!(broken, None, "seed {seed}: npm run sim -- --seed {seed} --trace");
        }
    }

    #[test]
    fn a_seed_is_the_same_world_each_time() {
        for seed in 100..103 {
            let traces = [(); 2].map(|()| {
                let trace = trace::Trace::kept();
                run::seed(seed, trace.clone());
                trace.lines()
            });
            assert!(traces[0].len() > 1_000);
            assert_eq!(traces[0], traces[1], "seed {seed}");
        }
    }
}
