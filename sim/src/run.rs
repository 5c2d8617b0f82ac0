//! Runs seeds, each in a world of its own, on several threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::check::Broken;
use crate::options::Options;
use crate::report::{Figures, print_broken};
use crate::trace::Trace;
use crate::world::World;

/// Runs what is asked for. False when a rule was broken.
pub fn run(options: &Options) -> bool {
    // Panics are caught and told with their seed.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(number) = options.seed {
        let trace = if options.trace { Trace::printed() } else { Trace::kept() };
        let (broken, figures) = seed(number, trace.clone());
        let tail = if options.trace { Vec::new() } else { trace.tail(TAIL_LINES) };
        return finish(broken.map(|broken| (number, broken, tail)), &figures, 1, 0.0);
    }
    #[allow(clippy::disallowed_methods, reason = "how long it took, for people: nothing depends on it")]
    let began = Instant::now();
    let (next, committed) = (AtomicU64::new(options.from), AtomicU64::new(0));
    let stop = AtomicBool::new(false);
    let total = Mutex::new(Figures::default());
    let found = Mutex::new(None::<(u64, Broken)>);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let enough = committed.load(Ordering::Relaxed) >= options.messages;
                    if enough && number >= options.from + options.seeds {
                        break;
                    }
                    let (broken, figures) = seed(number, Trace::off());
                    committed.fetch_add(figures.messages, Ordering::Relaxed);
                    total.lock().unwrap().add(&figures);
                    if let Some(broken) = broken {
                        stop.store(true, Ordering::Relaxed);
                        // The lowest, so that a run is told alike each time, as far as can be.
                        let mut found = found.lock().unwrap();
                        if found.as_ref().is_none_or(|(other, _)| number < *other) {
                            *found = Some((number, broken));
                        }
                    }
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let found = found.into_inner().unwrap().map(|(number, broken)| {
        let trace = Trace::kept();
        let (again, _) = seed(number, trace.clone());
        let broken = if again.as_ref() == Some(&broken) {
            broken
        } else {
            Broken::new("a seed is the same world each time", format!("{broken:?}, then {again:?}"))
        };
        (number, broken, trace.tail(TAIL_LINES))
    });
    finish(found, &total.into_inner().unwrap(), options.jobs, seconds)
}

/// Runs one seed: the first rule that was broken, if any, and its figures.
pub fn seed(number: u64, trace: Trace) -> (Option<Broken>, Figures) {
    let mut figures = Figures::default();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(number, trace);
        let broken = world.run();
        figures = std::mem::take(&mut world.figures);
        broken
    }));
    figures.seeds = 1;
    let broken = result.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
        Some(Broken::new("nothing panics", words.unwrap_or_default()))
    });
    (broken, figures)
}

fn finish(found: Option<(u64, Broken, Vec<String>)>, figures: &Figures, jobs: usize, seconds: f64) -> bool {
    figures.print(seconds.max(0.001), jobs);
    match found {
        Some((seed, broken, tail)) => {
            print_broken(seed, &broken, &tail);
            false
        }
        None => true,
    }
}

const TAIL_LINES: usize = 60;
