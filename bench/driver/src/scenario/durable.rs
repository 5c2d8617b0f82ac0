//! Stored messages per second.

use std::cell::Cell;
use std::sync::Arc;

use crate::failure::{Result, fail};
use crate::line::{Flow, Line, check_quiet, run_all};
use crate::options::Durable;
use crate::payload::Payload;
use crate::process::Meter;
use crate::report::{Report, round};
use crate::system::{System, Wants};

/// Runs it.
pub async fn run(options: &Durable) -> Result<Report> {
    let Durable { common, objects, per_frame, outstanding, count, warmup, bytes } = options;
    let flow = Flow { per_frame: *per_frame, outstanding: *outstanding }.check(*bytes)?;
    if count / 2 < *objects as u64 {
        return fail(format!("--count {count}: at least two messages for each of {objects} objects"));
    }
    let (system, payload) = (System::new(common)?, Arc::new(Payload::new(*bytes)?));
    let mut lines = Line::open_all(&system, *objects, &payload, Wants::default()).await?;
    run_all(&mut lines, warmup / 2, flow, &Cell::new(0)).await?;
    let (meter, stored) = (Meter::start(&system.process)?, Cell::new(0));
    run_all(&mut lines, count / 2, flow, &stored).await?;
    let cost = meter.stop().await?;
    check_quiet(&mut lines).await?;
    if stored.get() != count / 2 * 2 {
        return fail(format!("{} of {count} messages were stored", stored.get()));
    }
    Ok(Report::new("durable", common)
        .with("per_second", round(stored.get() as f64 / cost.seconds))
        .cost(stored.get(), cost))
}
