//! Memory per idle socket.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::sleep;

use crate::dialect::Heard;
use crate::failure::{Result, fail};
use crate::options::Sockets;
use crate::payload::Payload;
use crate::peer::Peer;
use crate::process::Meter;
use crate::report::{Report, round};
use crate::system::System;

/// Runs it.
pub async fn run(options: &Sockets) -> Result<Report> {
    let Sockets { common, objects, per_object, idle_s } = options;
    let total = objects * per_object;
    let (system, payload) = (System::new(common)?, Arc::new(Payload::new(TEXT_BYTES)?));
    let before = system.process.memory()?;
    let meter = Meter::start(&system.process)?;
    let mut devices = system.devices((0..total).map(|n| n % objects), &payload).await?;
    sleep(Duration::from_secs(*idle_s)).await;
    let cost = meter.stop().await?;
    let pongs = try_join_all(devices.iter_mut().map(ping)).await?.len();
    let per_socket = |before: u64, after: u64| round((after as f64 - before as f64) / total as f64);
    let pss = before.pss.zip(cost.memory.pss).map(|(before, after)| per_socket(before, after));
    Ok(Report::new("sockets", common)
        .with("sockets", total)
        .with("pongs", pongs)
        .with("rss_before_bytes", before.rss)
        .with("rss_per_socket_bytes", per_socket(before.rss, cost.memory.rss))
        .with("pss_per_socket_bytes", pss)
        .cost(total as u64, cost))
}

/// The heartbeat, which must be answered and wakes nobody.
async fn ping(device: &mut Peer) -> Result<()> {
    device.ping().await?;
    loop {
        // What came while nobody listened: presence and such.
        match device.hear().await?.as_slice() {
            [] => {}
            [Heard::Pong] => return Ok(()),
            other => return fail(format!("expected a pong, heard {other:?}")),
        }
    }
}

/// No text is sent.
const TEXT_BYTES: usize = 200;
