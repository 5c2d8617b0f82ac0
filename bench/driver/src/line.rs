//! An object with one agent and one device, and questions and answers between them as fast as they go.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use protocol::limit::{BATCH_FRAMES_MAX, FRAME_BYTES_MAX};
use relay::limit::CONVERSATION_QUESTIONS_MAX;

use crate::dialect::{Asked, Heard};
use crate::failure::{Result, fail};
use crate::payload::{Kind, Mark, Payload};
use crate::peer::Peer;
use crate::system::{System, Wants};
use crate::wait::{STALL, stalled};

/// Both ends of an object.
pub struct Line {
    /// Which object.
    pub object: usize,
    /// Its agent.
    pub agent: Peer,
    /// Its device.
    pub device: Peer,
    /// How far everything has come: numbers of texts, counted from 0.
    pub told: Told,
    /// Where each text is stored, in order of being heard of, if anybody wants to know.
    pub places: Option<Vec<(u64, Mark)>>,
}

/// How far everything has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// Sent by the device.
    pub asked: u64,
    /// … and committed.
    pub questions_accepted: u64,
    /// … and heard by the agent.
    pub questions: u64,
    /// Answers committed.
    pub answers_accepted: u64,
    /// Answers heard by the device.
    pub answers: u64,
}

/// How questions and answers flow.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// Texts in one WebSocket message.
    pub per_frame: usize,
    /// Questions that wait for their answer.
    pub outstanding: usize,
}

impl Flow {
    /// Refuses what could never go on with texts of so many bytes.
    pub fn check(self, bytes: usize) -> Result<Flow> {
        let Flow { per_frame, outstanding } = self;
        if per_frame > BATCH_FRAMES_MAX {
            return fail(format!("--per-frame {per_frame}: at most {BATCH_FRAMES_MAX}"));
        }
        // What JSON adds to each text is less than this.
        if per_frame * (bytes + FRAME_HEAD_BYTES) > FRAME_BYTES_MAX {
            return fail(format!(
                "--per-frame {per_frame} of {bytes} bytes each: at most {FRAME_BYTES_MAX} bytes in all"
            ));
        }
        if outstanding < per_frame || outstanding > CONVERSATION_QUESTIONS_MAX {
            return fail(format!(
                "--outstanding {outstanding}: {per_frame} (--per-frame) to {CONVERSATION_QUESTIONS_MAX}"
            ));
        }
        Ok(self)
    }
}

impl Line {
    /// Connects both. The agent first: the relay's first agent is its user's.
    pub async fn open(system: &System, object: usize, payload: &Arc<Payload>, wants: Wants) -> Result<Line> {
        let agent = system.agent(object, payload).await?;
        let device = system.device(object, payload, wants).await?;
        Ok(Line::new(object, agent, device))
    }

    /// Between these two.
    pub fn new(object: usize, agent: Peer, device: Peer) -> Line {
        Line { object, agent, device, told: Told::default(), places: None }
    }

    /// Connects objects 0 to `objects - 1`.
    pub async fn open_all(system: &System, objects: usize, payload: &Arc<Payload>, wants: Wants) -> Result<Vec<Line>> {
        try_join_all((0..objects).map(|object| Line::open(system, object, payload, wants))).await
    }

    /// Asks `pairs` more questions, answers them, and waits until everything is committed and heard.
    /// `stored` grows with each message that is.
    pub async fn run(&mut self, pairs: u64, flow: Flow, stored: &Cell<u64>) -> Result<()> {
        let Flow { per_frame, outstanding } = flow;
        let end = self.told.asked + pairs;
        let (mut unanswered, mut heard_at): (Vec<Asked>, _) = (Vec::new(), Instant::now());
        loop {
            let in_flight = self.told.asked - self.told.answers;
            let room = (outstanding as u64).saturating_sub(in_flight).min(end - self.told.asked) as usize;
            let is_last = room as u64 == end - self.told.asked;
            let count = if is_last { room } else { room - room % per_frame };
            if count > 0 {
                let numbers = self.told.asked..self.told.asked + count as u64;
                let marks: Vec<Mark> = numbers.map(|number| Mark::question(self.object, number)).collect();
                self.told.asked += count as u64;
                self.device.ask(&marks, per_frame).await?;
            }
            if self.is_done(end) {
                return Ok(());
            }
            // The one that answers first, so that questions do not pile up.
            tokio::select! {
                biased;
                event = self.agent.next() => {
                    for heard in self.agent.take(event?).await? {
                        unanswered.extend(self.agent_heard(heard, stored)?);
                    }
                }
                event = self.device.next() => {
                    for heard in self.device.take(event?).await? {
                        self.device_heard(heard, stored)?;
                    }
                }
                () = stalled(heard_at) => return fail(self.stuck(end)),
            }
            heard_at = Instant::now();
            let whole = unanswered.len() - unanswered.len() % per_frame;
            let due = if self.told.questions == end { unanswered.len() } else { whole };
            if due > 0 {
                let rest = unanswered.split_off(due);
                self.agent.answer(&std::mem::replace(&mut unanswered, rest), per_frame).await?;
            }
        }
    }

    /// Counts what the agent heard, and gives the question if it was one. Numbers must come without holes.
    pub fn agent_heard(&mut self, heard: Heard, stored: &Cell<u64>) -> Result<Option<Asked>> {
        match heard {
            Heard::Accepted { mark, seq } => {
                self.note_place(mark, seq, stored);
                count(&mut self.told.answers_accepted, mark).map(|()| None)
            }
            Heard::Message { mark, seq } if mark.kind == Kind::Question && mark.object == self.object => {
                count(&mut self.told.questions, mark).map(|()| Some(Asked { mark, seq }))
            }
            other => fail(format!("the agent of object {} heard {other:?}", self.object)),
        }
    }

    /// Counts what the device heard, and gives the answer if it was one. Numbers must come without holes.
    pub fn device_heard(&mut self, heard: Heard, stored: &Cell<u64>) -> Result<Option<Mark>> {
        match heard {
            Heard::Accepted { mark, seq } => {
                self.note_place(mark, seq, stored);
                count(&mut self.told.questions_accepted, mark).map(|()| None)
            }
            Heard::Message { mark, .. } if mark.kind == Kind::Reply && mark.object == self.object => {
                count(&mut self.told.answers, mark).map(|()| Some(mark))
            }
            // The relay shows a device its own questions too: the dialect has checked their order.
            Heard::Message { mark, seq } if seq > 0 && mark.kind == Kind::Question && mark.object == self.object => {
                Ok(None)
            }
            other => fail(format!("the device of object {} heard {other:?}", self.object)),
        }
    }

    /// Waits until the agent hears something, counts it, and gives the questions.
    pub async fn hear_agent(&mut self, stored: &Cell<u64>) -> Result<Vec<Asked>> {
        let heard = self.agent.hear().await?;
        heard.into_iter().filter_map(|heard| self.agent_heard(heard, stored).transpose()).collect()
    }

    /// Waits until the device hears something, and counts it.
    pub async fn hear_device(&mut self, stored: &Cell<u64>) -> Result<()> {
        let heard = self.device.hear().await?;
        heard.into_iter().try_for_each(|heard| self.device_heard(heard, stored).map(drop))
    }

    fn note_place(&mut self, mark: Mark, seq: u64, stored: &Cell<u64>) {
        stored.set(stored.get() + 1);
        if let Some(places) = &mut self.places {
            places.push((seq, mark));
        }
    }

    fn is_done(&self, end: u64) -> bool {
        let Told { asked, questions_accepted, questions, answers_accepted, answers } = self.told;
        [asked, questions_accepted, questions, answers_accepted, answers].iter().all(|&count| count == end)
    }

    fn stuck(&self, end: u64) -> String {
        format!("object {}: nothing was heard for {} s, {:?} of {end}", self.object, STALL.as_secs(), self.told)
    }
}

fn count(counter: &mut u64, mark: Mark) -> Result<()> {
    if mark.number != *counter {
        return fail(format!("lost, doubled or out of order: {mark} where number {counter} was due"));
    }
    *counter += 1;
    Ok(())
}

/// Spreads `count` over objects: the first ones get one more.
pub fn share(count: u64, objects: usize, object: usize) -> u64 {
    let objects = objects as u64;
    count / objects + u64::from((object as u64) < count % objects)
}

/// Makes sure that nothing comes any more: nothing was doubled.
pub async fn check_quiet(lines: &mut [Line]) -> Result<()> {
    let until = Instant::now() + QUIET;
    let peers = lines.iter_mut().flat_map(|line| [line.agent.rest(until), line.device.rest(until)]);
    try_join_all(peers).await.map(drop)
}

/// Runs `pairs` in all over these lines.
pub async fn run_all(lines: &mut [Line], pairs: u64, flow: Flow, stored: &Cell<u64>) -> Result<()> {
    let objects = lines.len();
    try_join_all(lines.iter_mut().map(|line| {
        let pairs = share(pairs, objects, line.object);
        line.run(pairs, flow, stored)
    }))
    .await
    .map(drop)
}

/// `{"type":"send","id":…,"text":…},`
const FRAME_HEAD_BYTES: usize = 100;
/// What is still on its way after a run, if the server has doubled it, comes within this time.
pub const QUIET: Duration = Duration::from_millis(50);
