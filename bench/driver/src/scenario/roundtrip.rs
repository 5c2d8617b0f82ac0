//! A device asks, the agent answers at once: until the answer is at the device.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::try_join_all;

use crate::failure::{Result, fail};
use crate::line::{Line, check_quiet, share};
use crate::options::{Roundtrip, Trips};
use crate::payload::{Mark, Payload};
use crate::process::{Cost, Meter, Process};
use crate::report::Report;
use crate::samples::Samples;
use crate::schedule::Schedule;
use crate::system::{System, Wants};
use crate::timer::Timer;
use crate::wait::{STALL, stalled};

/// Runs it.
pub async fn run(options: &Roundtrip) -> Result<Report> {
    let Roundtrip { common, trips } = options;
    let (system, payload) = (System::new(common)?, Arc::new(Payload::new(trips.bytes)?));
    let mut lines = Line::open_all(&system, trips.objects, &payload, Wants::default()).await?;
    let (waits, late, cost) = measure(&mut lines, &system.process, trips).await?;
    check_quiet(&mut lines).await?;
    Ok(Report::new("roundtrip", common).cost(trips.count, cost).latency("", waits).latency("late_", late))
}

/// Gives the round trips, how late questions left, and what they cost the server, once it is warm.
pub(super) async fn measure(lines: &mut [Line], server: &Process, trips: &Trips) -> Result<(Samples, Samples, Cost)> {
    phase(lines, trips.rate, trips.warmup).await?;
    let meter = Meter::start(server)?;
    let (waits, late) = phase(lines, trips.rate, trips.count).await?;
    Ok((waits, late, meter.stop().await?))
}

/// Asks `count` questions over all lines. Gives the round trips, and how late questions left.
async fn phase(lines: &mut [Line], rate: f64, count: u64) -> Result<(Samples, Samples)> {
    let objects = lines.len();
    let schedule = Schedule::per_second(rate, objects);
    let trips = try_join_all(lines.iter_mut().map(|line| {
        let count = share(count, objects, line.object);
        trips(line, schedule, count)
    }));
    let merge = |(trips, late): (Samples, Samples), (more, later)| (trips.merge(more), late.merge(later));
    Ok(trips.await?.into_iter().fold((Samples::default(), Samples::default()), merge))
}

async fn trips(line: &mut Line, schedule: Schedule, count: u64) -> Result<(Samples, Samples)> {
    let (object, first, stored) = (line.object, line.told.asked, Cell::new(0));
    let (mut trips, mut late, mut timer) = (Samples::default(), Samples::default(), Timer::new()?);
    let mut heard_at = Instant::now();
    while stored.get() < 2 * count || line.told.answers < first + count {
        let asked = line.told.asked - first;
        let due = schedule.at_object(object, asked);
        tokio::select! {
            biased;
            event = line.device.next() => {
                let now = Instant::now();
                heard_at = now;
                for heard in line.device.take(event?).await? {
                    if let Some(answer) = line.device_heard(heard, &stored)? {
                        trips.push(now.saturating_duration_since(schedule.at_object(object, answer.number - first)));
                    }
                }
            }
            event = line.agent.next() => {
                heard_at = Instant::now();
                for heard in line.agent.take(event?).await? {
                    if let Some(question) = line.agent_heard(heard, &stored)? {
                        line.agent.answer(&[question], 1).await?;
                    }
                }
            }
            due = async { timer.until(due).await.map(|()| due) }, if asked < count => {
                let due: Instant = due?;
                late.push(due.elapsed());
                line.told.asked += 1;
                line.device.ask(&[Mark::question(object, first + asked)], 1).await?;
                heard_at = Instant::now();
            }
            () = stalled(heard_at), if asked == count => {
                return fail(format!("object {object}: nothing was heard for {} s, {:?}", STALL.as_secs(), line.told));
            }
        }
    }
    Ok((trips, late))
}
