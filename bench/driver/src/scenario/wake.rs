//! From hibernation to the first acknowledgement.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use crate::failure::Result;
use crate::line::{Line, check_quiet};
use crate::options::Wake;
use crate::payload::{Mark, Payload};
use crate::process::Meter;
use crate::report::Report;
use crate::samples::Samples;
use crate::schedule::Schedule;
use crate::system::{System, Wants};
use crate::timer::Timer;

/// Runs it.
pub async fn run(options: &Wake) -> Result<Report> {
    let Wake { common, objects, idle_s, bytes } = options;
    let (system, payload) = (System::new(common)?, Arc::new(Payload::new(*bytes)?));
    let mut lines = Line::open_all(&system, *objects, &payload, Wants::default()).await?;
    let until = Instant::now() + Duration::from_secs(*idle_s);
    try_join_all(lines.iter_mut().flat_map(|line| [line.agent.rest(until), line.device.rest(until)])).await?;
    let meter = Meter::start(&system.process)?;
    let schedule = Schedule::new(APART, *objects);
    let woken = try_join_all(lines.iter_mut().map(|line| wake(line, schedule))).await?;
    let cost = meter.stop().await?;
    check_quiet(&mut lines).await?;
    let mut samples = Samples::default();
    woken.into_iter().for_each(|sample| samples.push(sample));
    Ok(Report::new("wake", common).cost(*objects as u64, cost).latency("", samples))
}

/// Asks one question; gives the time until it is accepted. The agent must hear it too.
async fn wake(line: &mut Line, schedule: Schedule) -> Result<Duration> {
    let (due, stored) = (schedule.at_object(line.object, 0), Cell::new(0));
    Timer::new()?.until(due).await?;
    line.told.asked += 1;
    line.device.ask(&[Mark::question(line.object, 0)], 1).await?;
    let mut accepted = None;
    while accepted.is_none() {
        let heard = line.device.hear().await?;
        let now = Instant::now();
        for heard in heard {
            line.device_heard(heard, &stored)?;
        }
        accepted = (line.told.questions_accepted > 0).then_some(now);
    }
    while line.told.questions == 0 {
        line.hear_agent(&stored).await?;
    }
    Ok(accepted.unwrap_or(due).saturating_duration_since(due))
}

/// Between two questions: each finds the server quiet.
const APART: Duration = Duration::from_millis(40);
