//! One answer to many devices of one object: from sending it until the last has it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{try_join, try_join_all};
use tokio::task::unconstrained;
use tokio::time::sleep;

use crate::dialect::{Asked, Heard};
use crate::failure::{Failure, Result, fail};
use crate::options::Fanout;
use crate::payload::{Mark, Payload};
use crate::peer::Peer;
use crate::process::{Cost, Meter};
use crate::report::Report;
use crate::samples::Samples;
use crate::system::System;

/// Runs it.
pub async fn run(options: &Fanout) -> Result<Report> {
    let Fanout { common, sockets, count, warmup, bytes } = options;
    let (system, payload) = (System::new(common)?, Arc::new(Payload::new(*bytes)?));
    let mut agent = system.agent(0, &payload).await?;
    let mut devices = system.devices((0..*sockets).map(|_| 0), &payload).await?;
    quiet(&mut agent, &mut devices).await?;

    let (mut samples, mut total): (Samples, Option<Cost>) = (Samples::default(), None);
    for round in 0..warmup + count {
        let reply = ask(&system, round, &mut agent, &mut devices).await?;
        let meter = Meter::start(&system.process)?;
        let last = answer(reply, &mut agent, &mut devices).await?;
        // What follows the answer is part of its price: acknowledgements, states.
        quiet(&mut agent, &mut devices).await?;
        agent.check_accepted()?;
        if round < *warmup {
            continue;
        }
        samples.push(last);
        let cost = meter.stop_now(last.as_secs_f64())?;
        total = Some(match total {
            None => cost,
            Some(total) => Cost {
                seconds: total.seconds + cost.seconds,
                cpu: total.cpu + cost.cpu,
                driver_cpu: total.driver_cpu + cost.driver_cpu,
                memory: cost.memory,
            },
        });
    }
    let total = total.ok_or_else(|| Failure("--count must be above 0".into()))?;
    Ok(Report::new("fanout", common)
        .with("sockets", *sockets)
        .with("rounds", *count)
        .cost(count * *sockets as u64, total)
        .latency("", samples))
}

/// Gives the agent something to answer. Only the relay needs a question for that: every device sees it.
async fn ask(system: &System, round: u64, agent: &mut Peer, devices: &mut [Peer]) -> Result<Asked> {
    let mark = Mark::question(0, round);
    if !system.is_relay() {
        return Ok(Asked { mark, seq: 0 });
    }
    let Some(first) = devices.first_mut() else { return fail("--sockets must be above 0") };
    first.ask(&[mark], 1).await?;
    let seq = hear(agent, mark).await?.0;
    all_hear(devices, mark).await?;
    quiet(agent, devices).await?;
    Ok(Asked { mark, seq })
}

/// Sends the answer; gives the time until the last device has it.
async fn answer(question: Asked, agent: &mut Peer, devices: &mut [Peer]) -> Result<Duration> {
    let sending = async {
        // The devices listen by then.
        sleep(BEFORE_SENDING).await;
        let at = Instant::now();
        agent.answer(&[question], 1).await?;
        Ok(at)
    };
    let (sent, last) = try_join(sending, all_hear(devices, question.reply())).await?;
    Ok(last.saturating_duration_since(sent))
}

/// Waits until each device has heard this; gives the time of the last.
async fn all_hear(devices: &mut [Peer], mark: Mark) -> Result<Instant> {
    // Outside the runtime's budget, which would poll each of a thousand sockets twice.
    let heard = unconstrained(try_join_all(devices.iter_mut().map(|device| hear(device, mark)))).await?;
    heard.into_iter().map(|(_, at)| at).max().ok_or_else(|| Failure("--sockets must be above 0".into()))
}

/// Waits until a peer has heard this; gives its place and the time.
async fn hear(peer: &mut Peer, expected: Mark) -> Result<(u64, Instant)> {
    loop {
        let heard = peer.hear().await?;
        let now = Instant::now();
        for heard in heard {
            match heard {
                Heard::Message { mark, seq } if mark == expected => return Ok((seq, now)),
                Heard::Accepted { .. } => {}
                other => return fail(format!("expected {expected}, heard {other:?}")),
            }
        }
    }
}

/// Lets acknowledgements and states pass: no text may come.
async fn quiet(agent: &mut Peer, devices: &mut [Peer]) -> Result<()> {
    let until = Instant::now() + QUIET;
    let devices = unconstrained(try_join_all(devices.iter_mut().map(|device| device.rest(until))));
    try_join(agent.rest(until), devices).await.map(drop)
}

/// Devices acknowledge within 200 ms.
const QUIET: Duration = Duration::from_millis(250);
const BEFORE_SENDING: Duration = Duration::from_millis(20);
