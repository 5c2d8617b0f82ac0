//! Memory over many messages.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join;
use serde_json::json;
use tokio::time::sleep;

use crate::failure::{Result, fail};
use crate::line::{Flow, Line, check_quiet, run_all};
use crate::options::Soak;
use crate::payload::Payload;
use crate::process::{Meter, Process};
use crate::report::{Report, round};
use crate::system::{System, Wants};

/// Runs it.
pub async fn run(options: &Soak) -> Result<Report> {
    let Soak { common, objects, count, per_frame, outstanding, bytes } = options;
    let flow = Flow { per_frame: *per_frame, outstanding: *outstanding }.check(*bytes)?;
    let per_object = count.div_ceil(*objects as u64);
    if !(2..=relay::limit::TIMELINE_MESSAGES_MAX).contains(&per_object) {
        let max = relay::limit::TIMELINE_MESSAGES_MAX;
        return fail(format!("{per_object} messages per object, 2 to {max}: change --objects or --count"));
    }
    let (system, payload) = (System::new(common)?, Arc::new(Payload::new(*bytes)?));
    let mut lines = Line::open_all(&system, *objects, &payload, Wants::default()).await?;
    let (meter, stored) = (Meter::start(&system.process)?, Cell::new(0));
    let watch = watch(&system.process, &stored, count / 2 * 2);
    let ((), samples) = try_join(run_all(&mut lines, count / 2, flow, &stored), watch).await?;
    let cost = meter.stop().await?;
    check_quiet(&mut lines).await?;
    let later = samples.get(samples.len() / 2..).unwrap_or_default();
    Ok(Report::new("soak", common)
        .with("per_second", round(stored.get() as f64 / cost.seconds))
        .with("slope_bytes_per_message", round(slope(later)))
        .with("samples", json!(samples))
        .cost(stored.get(), cost))
}

/// Reads the memory at the beginning and every twentieth of `count` messages: `(messages, RSS in bytes)`.
async fn watch(server: &Process, stored: &Cell<u64>, count: u64) -> Result<Vec<(u64, u64)>> {
    let mut samples = vec![(stored.get(), server.memory()?.rss)];
    for twentieth in 1..=20 {
        while stored.get() < count * twentieth / 20 {
            sleep(LOOK).await;
        }
        samples.push((stored.get(), server.memory()?.rss));
    }
    Ok(samples)
}

/// Of the straight line that fits best (least squares).
fn slope(samples: &[(u64, u64)]) -> f64 {
    let n = samples.len() as f64;
    let mean = |of: fn(&(u64, u64)) -> u64| samples.iter().map(|sample| of(sample) as f64).sum::<f64>() / n;
    let (x_mean, y_mean) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let (mut covariance, mut variance) = (0.0, 0.0);
    for &(x, y) in samples {
        covariance += (x as f64 - x_mean) * (y as f64 - y_mean);
        variance += (x as f64 - x_mean).powi(2);
    }
    if variance == 0.0 { 0.0 } else { covariance / variance }
}

/// How often the count is looked at.
const LOOK: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes() {
        assert_eq!(slope(&[(0, 5), (10, 5), (20, 5)]), 0.0);
        assert_eq!(slope(&[(0, 5), (10, 25), (20, 45)]), 2.0);
        assert_eq!(slope(&[(7, 5)]), 0.0);
        assert_eq!(slope(&[]), 0.0);
    }
}
