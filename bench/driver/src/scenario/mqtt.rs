//! Roundtrip and durable against an MQTT broker (mosquitto): QoS 1, persistent sessions. "Stored" is what the broker
//! acknowledges; that it keeps it in memory and not on disk is its own affair.

use std::cell::Cell;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::roundtrip;
use crate::dialect::{Dialect, Plain};
use crate::failure::{Failure, Result, fail};
use crate::line::{Flow, Line, check_quiet};
use crate::mqtt::{Address, Mqtt, OUTSTANDING_MAX};
use crate::options::Mqtt as Options;
use crate::payload::Payload;
use crate::peer::Peer;
use crate::process::{Meter, Process};
use crate::report::{Report, round};
use crate::wire::Wire;

/// Runs it.
pub async fn run(options: &Options) -> Result<Report> {
    let Options { url, pid, trips, durable_count, outstanding } = options;
    if *outstanding > OUTSTANDING_MAX {
        return fail(format!("--outstanding {outstanding}: at most {OUTSTANDING_MAX}"));
    }
    let (host, port) = read_url(url)?;
    let (broker, payload) = (Process::new(*pid)?, Arc::new(Payload::new(trips.bytes)?));
    let mut lines = try_join_all((0..trips.objects).map(|object| open(host, port, object, &payload))).await?;
    let (waits, late, trip_cost) = roundtrip::measure(&mut lines, &broker, trips).await?;

    let Some(line) = lines.first_mut() else { return fail("--objects must be above 0") };
    let (flow, stored) = (Flow { per_frame: 1, outstanding: *outstanding }, Cell::new(0));
    line.run(durable_count / 20, flow, &Cell::new(0)).await?;
    let meter = Meter::start(&broker)?;
    line.run(durable_count / 2, flow, &stored).await?;
    let cost = meter.stop().await?;
    check_quiet(&mut lines).await?;
    let per_trip = trip_cost.cpu.as_secs_f64() * 1e6 / trips.count as f64;
    Ok(Report::named("mqtt", "mqtt")
        .with("durable_per_second", round(stored.get() as f64 / cost.seconds))
        .with("roundtrip_cpu_us_per_message", round(per_trip))
        .cost(stored.get(), cost)
        .latency("roundtrip_", waits)
        .latency("roundtrip_late_", late))
}

/// The agent of an object hears what its device says, and the other way round.
async fn open(host: &str, port: u16, object: usize, payload: &Arc<Payload>) -> Result<Line> {
    let (questions, answers) = (format!("bench/{object}/questions"), format!("bench/{object}/answers"));
    let client = async |role: &str, publishes_to: &String, subscribes_to: &String| {
        let (id, name) = (format!("bench-{role}-{object}"), format!("{role} of object {object}"));
        let (publishes_to, subscribes_to) = (publishes_to.clone(), subscribes_to.clone());
        let mqtt = Mqtt::open(Address { host, port, id, publishes_to, subscribes_to }).await;
        let mqtt = mqtt.map_err(|Failure(why)| Failure(format!("{name}: {why}")))?;
        Ok::<Peer, Failure>(Peer::new(name, Wire::Mqtt(mqtt), Dialect::Plain(Plain::new(Arc::clone(payload)))))
    };
    let agent = client("agent", &answers, &questions).await?;
    let device = client("device", &questions, &answers).await?;
    Ok(Line::new(object, agent, device))
}

fn read_url(url: &str) -> Result<(&str, u16)> {
    let parts = url.strip_prefix("mqtt://").and_then(|rest| rest.split_once(':'));
    let parts = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    parts.ok_or_else(|| Failure(format!("--url {url}: expected mqtt://127.0.0.1:PORT")))
}
