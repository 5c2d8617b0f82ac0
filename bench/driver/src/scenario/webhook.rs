//! HTTP in, until the text is at the agent's socket; and until the HTTP answer.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::{try_join, try_join_all};
use futures_util::stream::FuturesUnordered;

use crate::dialect::Heard;
use crate::failure::{Failure, Result, fail};
use crate::http::{Connection, Post};
use crate::line::{QUIET, share};
use crate::options::Webhook;
use crate::payload::{Kind, Mark, Payload};
use crate::peer::Peer;
use crate::process::Meter;
use crate::report::{Report, round};
use crate::samples::Samples;
use crate::schedule::Schedule;
use crate::system::System;
use crate::timer::Timer;
use crate::wait::{STALL, stalled};

/// Runs it.
pub async fn run(options: &Webhook) -> Result<Report> {
    let Webhook { common, objects, rate, count, warmup, bytes } = options;
    let (objects, count, warmup) = (*objects, *count, *warmup);
    let per_object = (count + warmup).div_ceil(objects as u64);
    if per_object > OPEN_MAX {
        return fail(format!("{per_object} unanswered texts per object, at most {OPEN_MAX}: raise --objects"));
    }
    let (system, payload) = (System::new(common)?, Arc::new(Payload::new(*bytes)?));
    let agents = try_join_all((0..objects).map(|object| system.agent(object, &payload))).await?;
    let mut agents: Vec<Listener> = agents.into_iter().enumerate().map(Listener::new).collect();
    let connections = try_join_all((0..CONNECTIONS_MAX).map(|_| Connection::open(&system.authority))).await?;
    let mut pool: VecDeque<Connection> = connections.into();
    // Everything is made before the clock starts.
    let posts = (0..warmup + count).map(|n| {
        let mark = Mark::posted((n % objects as u64) as usize, n / objects as u64);
        system.post(mark, &payload)
    });
    let mut posts: VecDeque<Post> = posts.collect::<Result<_>>()?;
    let rest = posts.split_off(warmup as usize);

    let warm = if *rate > 0.0 { *rate } else { WARMUP_RATE };
    phase(&mut agents, &mut pool, posts, 0, Some(Schedule::per_second(warm, objects))).await?;
    let meter = Meter::start(&system.process)?;
    let schedule = (*rate > 0.0).then(|| Schedule::per_second(*rate, objects));
    let sent = phase(&mut agents, &mut pool, rest, warmup, schedule).await?;
    let cost = meter.stop().await?;
    let until = Instant::now() + QUIET;
    try_join_all(agents.iter_mut().map(|agent| agent.peer.rest(until))).await?;

    let (mut arrivals, mut answers, mut late) = (Samples::default(), Samples::default(), Samples::default());
    let (mut first, mut last): (Option<Instant>, Option<Instant>) = (None, None);
    for (n, Sent { intended, sent, answered }) in (warmup..).zip(sent) {
        let (object, number) = ((n % objects as u64) as usize, (n / objects as u64) as usize);
        let arrived = agents.get(object).and_then(|agent| agent.arrived.get(number).copied().flatten());
        let Some(arrived) = arrived else { return fail(format!("text {number} of object {object} never arrived")) };
        arrivals.push(arrived.saturating_duration_since(intended));
        answers.push(answered.saturating_duration_since(intended));
        late.push(sent.saturating_duration_since(intended));
        first = Some(first.map_or(sent, |first| first.min(sent)));
        last = Some(last.map_or(arrived, |last| last.max(arrived)));
    }
    let mut report = Report::new("webhook", common).cost(count, cost);
    if *rate <= 0.0 {
        let seconds = first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first).as_secs_f64();
        report = report.with("per_second", round(count as f64 / seconds));
    }
    Ok(report.latency("", arrivals).latency("answer_", answers).latency("late_", late))
}

/// One request.
#[derive(Clone, Copy)]
struct Sent {
    /// When it was meant to be sent; in a closed loop, when it was.
    intended: Instant,
    sent: Instant,
    answered: Instant,
}

/// Sends these requests, the first of which is number `first`, and waits until every text has arrived.
/// With a schedule they go out by it, else as soon as one of [`IN_FLIGHT`] is answered.
async fn phase(
    agents: &mut [Listener],
    pool: &mut VecDeque<Connection>,
    posts: VecDeque<Post>,
    first: u64,
    schedule: Option<Schedule>,
) -> Result<Vec<Sent>> {
    let (objects, count) = (agents.len(), posts.len() as u64);
    let heard_at = Cell::new(Instant::now());
    // Numbers go on where the phase before ended, object by object.
    let upto = |object| share(first + count, objects, object) as usize;
    let listening = try_join_all(agents.iter_mut().map(|agent| {
        let upto = upto(agent.object);
        agent.listen(upto, &heard_at)
    }));
    let (sent, _) = try_join(send(pool, posts, schedule, &heard_at), listening).await?;
    Ok(sent)
}

async fn send(
    pool: &mut VecDeque<Connection>,
    mut posts: VecDeque<Post>,
    schedule: Option<Schedule>,
    heard_at: &Cell<Instant>,
) -> Result<Vec<Sent>> {
    let (mut timer, mut flying) = (Timer::new()?, FuturesUnordered::new());
    let mut sent: Vec<Option<Sent>> = vec![None; posts.len()];
    let (mut n, in_flight_max) = (0, if schedule.is_some() { pool.len() } else { IN_FLIGHT });
    while !posts.is_empty() || !flying.is_empty() {
        let due = schedule.map_or_else(Instant::now, |schedule| schedule.at(n as u64));
        tokio::select! {
            biased;
            due = async { timer.until(due).await.map(|()| due) }, if !posts.is_empty() && flying.len() < in_flight_max => {
                let due: Instant = due?;
                let (Some(post), Some(mut connection)) = (posts.pop_front(), pool.pop_front()) else {
                    return fail("more requests under way than connections");
                };
                let (index, at) = (n, Instant::now());
                let intended = if schedule.is_some() { due } else { at };
                flying.push(async move {
                    let posted = connection.post(post).await;
                    (index, Sent { intended, sent: at, answered: Instant::now() }, connection, posted)
                });
                n += 1;
            }
            Some((index, one, connection, posted)) = flying.next() => {
                posted?;
                heard_at.set(Instant::now());
                pool.push_back(connection);
                if let Some(place) = sent.get_mut(index) {
                    *place = Some(one);
                }
            }
        }
    }
    sent.into_iter().collect::<Option<Vec<Sent>>>().ok_or_else(|| Failure("a request was not answered".into()))
}

/// An agent that hears what was posted and never answers.
struct Listener {
    object: usize,
    peer: Peer,
    /// When each text arrived, by its number. Requests overtake each other on their connections.
    arrived: Vec<Option<Instant>>,
    count: usize,
}

impl Listener {
    fn new((object, peer): (usize, Peer)) -> Listener {
        Listener { object, peer, arrived: Vec::new(), count: 0 }
    }

    /// Listens until so many texts are there in all.
    async fn listen(&mut self, upto: usize, heard_at: &Cell<Instant>) -> Result<()> {
        self.arrived.resize(upto, None);
        while self.count < upto {
            let event = tokio::select! {
                biased;
                event = self.peer.next() => event?,
                () = stalled(heard_at.get()) => {
                    if heard_at.get().elapsed() < STALL {
                        continue;
                    }
                    let (object, missing) = (self.object, upto - self.count);
                    return fail(format!("object {object}: {missing} texts never reached the agent"));
                }
            };
            let now = Instant::now();
            heard_at.set(now);
            for heard in self.peer.take(event).await? {
                let Heard::Message { mark: mark @ Mark { kind: Kind::Posted, object, number }, .. } = heard else {
                    return fail(format!("the agent of object {} heard {heard:?}", self.object));
                };
                match self.arrived.get_mut(number as usize) {
                    Some(place @ None) if object == self.object => *place = Some(now),
                    _ => return fail(format!("{mark} came twice, or to the wrong agent, or was never sent")),
                }
                self.count += 1;
            }
        }
        Ok(())
    }
}

/// Keep-alive connections of an open loop. When all are busy, requests wait, and their latency says so.
const CONNECTIONS_MAX: usize = 64;
/// Requests at a time in a closed loop.
const IN_FLIGHT: usize = 16;
/// The relay's limit of open questions per agent.
const OPEN_MAX: u64 = relay::limit::AGENT_QUESTIONS_MAX as u64;
/// Requests a second before a closed loop.
const WARMUP_RATE: f64 = 400.0;
