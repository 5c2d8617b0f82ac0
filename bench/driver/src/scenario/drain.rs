//! Reconnect and read everything that is stored, in order: from dialling to the last message.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use crate::dialect::{Dialect, Heard};
use crate::failure::{Failure, Result, fail};
use crate::line::{Flow, Line, QUIET};
use crate::options::{Drain as Options, DrainMode};
use crate::payload::{Mark, Payload};
use crate::process::Meter;
use crate::report::{Report, round};
use crate::system::{Drain, System, Wants};

/// Runs it.
pub async fn run(options: &Options) -> Result<Report> {
    let Options { common, count, bytes, mode } = options;
    if *count < 2 || *count > relay::limit::HISTORY_MESSAGES_MAX {
        return fail(format!("--count {count}: 2 to {}", relay::limit::HISTORY_MESSAGES_MAX));
    }
    let (system, payload) = (System::new(common)?, Arc::new(Payload::new(*bytes)?));
    let (stored, epoch) = fill(&system, &payload, *count).await?;
    let (drain, mode) = match (epoch, mode) {
        (Some(epoch), _) => (Drain::Epoch(epoch), "resume"),
        (None, DrainMode::Blast) => (Drain::Blast, "blast"),
        (None, DrainMode::Rows) => (Drain::Rows, "rows"),
    };
    let (meter, began) = (Meter::start(&system.process)?, Instant::now());
    let mut device = system.device(0, &payload, Wants { deltas: false, drain: Some(drain) }).await?;
    let (mut read, mut last, mut is_over) = (0, began, false);
    while !is_over {
        let heard = device.hear().await?;
        let now = Instant::now();
        for heard in heard {
            match heard {
                Heard::Message { mark, .. } if stored.get(read) == Some(&mark) => {
                    read += 1;
                    last = now;
                    is_over = read == stored.len() && matches!(drain, Drain::Epoch(_));
                    if matches!(drain, Drain::Rows) {
                        device.say(["k".to_owned()]).await?;
                    }
                }
                Heard::Message { mark, .. } => {
                    let due = stored.get(read).map_or("nothing".into(), Mark::to_string);
                    return fail(format!("lost, doubled or out of order: {mark} where {due} was due"));
                }
                Heard::End if read == stored.len() => is_over = true,
                other => return fail(format!("{read} of {} rows, then {other:?}", stored.len())),
            }
        }
    }
    let total = last - began;
    let cost = meter.stop().await?;
    device.rest(Instant::now() + QUIET).await?;
    Ok(Report::new("drain", common)
        .with("mode", mode)
        .with("total_ms", round(total.as_secs_f64() * 1000.0))
        .with("per_second", round(read as f64 / total.as_secs_f64()))
        .cost(read as u64, cost))
}

/// Stores `count` messages. Gives them in the order in which they are stored, and the relay's epoch.
async fn fill(system: &System, payload: &Arc<Payload>, count: u64) -> Result<(Vec<Mark>, Option<u64>)> {
    let mut line = Line::open(system, 0, payload, Wants::default()).await?;
    line.places = Some(Vec::new());
    let flow = Flow { per_frame: 16, outstanding: 64 };
    line.run(count / 2, flow, &Cell::new(0)).await?;
    let epoch = match line.device.dialect() {
        Dialect::Plain(_) => None,
        Dialect::Relay(relay) => Some(relay.epoch().ok_or_else(|| Failure("no epoch before `welcome`".into()))?),
    };
    let mut places = line.places.take().unwrap_or_default();
    places.sort_unstable();
    if places.windows(2).any(|pair| matches!(pair, [(one, _), (two, _)] if one == two)) {
        return fail("two messages have the same place");
    }
    line.agent.close().await?;
    line.device.close().await?;
    Ok((places.into_iter().map(|(_, mark)| mark).collect(), epoch))
}
