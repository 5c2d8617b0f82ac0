//! Answers shown while they are made. The measured window holds the deltas alone: the questions are stored before it,
//! and the whole answers after it, once the device shows all of each.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use protocol::limit::TEXT_BYTES_MAX;

use crate::dialect::{Asked, Delta, Heard};
use crate::failure::{Failure, Result, fail};
use crate::line::Line;
use crate::options::Stream;
use crate::payload::{Mark, Payload};
use crate::process::Meter;
use crate::report::{Report, round};
use crate::samples::Samples;
use crate::system::{System, Wants};
use crate::timer::Timer;
use crate::wait::{STALL, stalled};

/// Runs it.
pub async fn run(options: &Stream) -> Result<Report> {
    let Stream { common, objects, streams, tokens, warmup, token_rate, coalesce_ms, token_bytes } = options;
    if *streams > relay::limit::STREAMS_MAX {
        return fail(format!("--streams {streams}: at most {}", relay::limit::STREAMS_MAX));
    }
    let bytes = (*tokens as usize).saturating_mul(*token_bytes);
    if bytes > TEXT_BYTES_MAX {
        return fail(format!("answers of {bytes} bytes, at most {TEXT_BYTES_MAX}: lower --tokens or --token-bytes"));
    }
    let pace = |tokens| Pace {
        tokens,
        token_bytes: *token_bytes,
        interval: Duration::from_secs_f64(1.0 / token_rate),
        window: Duration::from_millis(*coalesce_ms),
    };
    let (system, payload) = (System::new(common)?, Arc::new(Payload::new(bytes)?));
    let mut lines = Line::open_all(&system, *objects, &payload, Wants { deltas: true, drain: None }).await?;
    // Of the same texts, only the beginning.
    let warm = pace((*warmup).min(*tokens));
    if warm.tokens > 0 {
        let mut answers = ask_all(&mut lines, *streams, &payload).await?;
        show_all(&mut lines, &mut answers, warm).await?;
        finish_all(&mut lines, &answers).await?;
    }
    let mut answers = ask_all(&mut lines, *streams, &payload).await?;
    let meter = Meter::start(&system.process)?;
    show_all(&mut lines, &mut answers, pace(*tokens)).await?;
    let cost = meter.stop().await?;
    finish_all(&mut lines, &answers).await?;

    let answers = || answers.iter().flatten();
    let mut first = Samples::default();
    for answer in answers() {
        let at = answer.first_shown.ok_or_else(|| Failure("nothing was shown".into()))?;
        first.push(at.saturating_duration_since(answer.began));
    }
    let tokens = *tokens * (*objects * *streams) as u64;
    Ok(Report::new("stream", common)
        .with("tokens", tokens)
        .with("frames_sent", answers().map(|answer| answer.sent_frames).sum::<u64>())
        .with("frames_received", answers().map(|answer| answer.shown_frames).sum::<u64>())
        .with("tokens_per_cpu_second", round(tokens as f64 / cost.cpu.as_secs_f64()))
        .cost(tokens, cost)
        .latency("first_", first))
}

/// Each device asks so many questions.
async fn ask_all(lines: &mut [Line], streams: usize, payload: &Payload) -> Result<Vec<Vec<Answer>>> {
    try_join_all(lines.iter_mut().map(|line| ask(line, streams, payload))).await
}

/// Makes all answers and shows them. Each begins at another moment, spread over one interval between frames.
async fn show_all(lines: &mut [Line], answers: &mut [Vec<Answer>], pace: Pace) -> Result<()> {
    let streams: usize = answers.iter().map(Vec::len).sum();
    let (start, step) = (Instant::now() + HEAD_START, pace.between_frames() / streams.max(1) as u32);
    for (n, answer) in answers.iter_mut().flatten().enumerate() {
        answer.began = start + step * n as u32;
    }
    let showing = lines.iter_mut().zip(answers).map(|(line, answers)| show(line, answers, pace));
    try_join_all(showing).await.map(drop)
}

/// Gives all answers whole.
async fn finish_all(lines: &mut [Line], answers: &[Vec<Answer>]) -> Result<()> {
    try_join_all(lines.iter_mut().zip(answers).map(|(line, answers)| finish(line, answers))).await.map(drop)
}

/// How tokens are made and sent.
#[derive(Clone, Copy)]
struct Pace {
    tokens: u64,
    token_bytes: usize,
    /// Between two tokens.
    interval: Duration,
    /// Tokens of this time travel together; zero: each one alone.
    window: Duration,
}

impl Pace {
    /// Time between two frames of an answer.
    fn between_frames(self) -> Duration {
        self.window.max(self.interval)
    }

    /// Tokens that are made by then. The first one is made at the beginning.
    fn made(self, began: Instant, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(began).as_nanos();
        ((elapsed / self.interval.as_nanos().max(1)) as u64 + 1).min(self.tokens)
    }
}

/// An answer that is being made, on both sides.
struct Answer {
    question: Asked,
    /// When the first token is made.
    began: Instant,
    /// What the device must end with.
    text: String,
    /// Tokens sent.
    sent: u64,
    sent_frames: u64,
    /// What the device shows.
    shown: String,
    shown_frames: u64,
    first_shown: Option<Instant>,
}

impl Answer {
    fn new(question: Asked, payload: &Payload) -> Answer {
        Answer {
            question,
            began: Instant::now(),
            text: payload.text(question.reply()),
            sent: 0,
            sent_frames: 0,
            shown: String::new(),
            shown_frames: 0,
            first_shown: None,
        }
    }

    /// When its next frame is to be sent, if there is one.
    fn due(&self, pace: Pace) -> Option<Instant> {
        let frames = u32::try_from(self.sent_frames).unwrap_or(u32::MAX);
        (self.sent < pace.tokens).then(|| self.began + pace.between_frames() * frames)
    }

    /// The tokens of the next frame, and its offset.
    fn take(&mut self, pace: Pace, now: Instant) -> (usize, String) {
        let upto = match pace.window {
            Duration::ZERO => self.sent + 1,
            _ => pace.made(self.began, now).max(self.sent + 1),
        };
        let (from, to) = (self.sent as usize * pace.token_bytes, upto as usize * pace.token_bytes);
        self.sent = upto;
        self.sent_frames += 1;
        (from, self.text.get(from..to).unwrap_or_default().to_owned())
    }

    /// The device shows a piece: nothing may be missing before it.
    fn show(&mut self, delta: &Delta, now: Instant) -> Result<()> {
        if delta.offset == Some(0) {
            self.shown.clear();
        }
        if delta.offset.is_some_and(|offset| offset != self.shown.len()) {
            let (mark, shown) = (self.question.mark, self.shown.len());
            return fail(format!("a delta to {mark} at {:?}, where {shown} is shown", delta.offset));
        }
        self.shown.push_str(&delta.piece);
        if !self.text.starts_with(&self.shown) {
            return fail(format!("the answer to {} is shown wrong", self.question.mark));
        }
        self.shown_frames += 1;
        self.first_shown.get_or_insert(now);
        Ok(())
    }

    /// Bytes that are not shown yet.
    fn missing(&self, pace: Pace) -> usize {
        pace.tokens as usize * pace.token_bytes - self.shown.len()
    }
}

/// The device asks; gives the answers that are to be made.
async fn ask(line: &mut Line, streams: usize, payload: &Payload) -> Result<Vec<Answer>> {
    let (stored, mut asked) = (Cell::new(0), Vec::new());
    let numbers = line.told.asked..line.told.asked + streams as u64;
    let marks: Vec<Mark> = numbers.map(|number| Mark::question(line.object, number)).collect();
    line.told.asked += streams as u64;
    line.device.ask(&marks, 1).await?;
    while asked.len() < streams {
        asked.extend(line.hear_agent(&stored).await?);
    }
    while line.told.questions_accepted < line.told.asked {
        line.hear_device(&stored).await?;
    }
    Ok(asked.into_iter().map(|question| Answer::new(question, payload)).collect())
}

/// Makes answers and shows them, until the device has all of each.
async fn show(line: &mut Line, answers: &mut [Answer], pace: Pace) -> Result<()> {
    let (mut timer, mut heard_at) = (Timer::new()?, Instant::now());
    while answers.iter().any(|answer| answer.missing(pace) > 0) {
        let next = answers.iter().enumerate().filter_map(|(n, answer)| Some((answer.due(pace)?, n))).min();
        let (due, n) = next.unwrap_or((heard_at, 0));
        tokio::select! {
            biased;
            event = line.device.next() => {
                let now = Instant::now();
                heard_at = now;
                for heard in line.device.take(event?).await? {
                    match heard {
                        Heard::Delta(delta) => {
                            let stream = |answer: &&mut Answer| answer.question.stream(line.device.dialect()) == delta.stream;
                            let Some(answer) = answers.iter_mut().find(stream) else {
                                return fail(format!("object {}: a delta to nothing: {delta:?}", line.object));
                            };
                            answer.show(&delta, now)?;
                        }
                        other => line.device_heard(other, &Cell::new(0)).map(drop)?,
                    }
                }
            }
            event = line.agent.next() => {
                for heard in line.agent.take(event?).await? {
                    line.agent_heard(heard, &Cell::new(0))?;
                }
            }
            waited = timer.until(due), if next.is_some() => {
                waited?;
                heard_at = Instant::now();
                if let Some(answer) = answers.get_mut(n) {
                    let (offset, piece) = answer.take(pace, heard_at);
                    line.agent.delta(answer.question, offset, &piece).await?;
                }
            }
            () = stalled(heard_at), if next.is_none() => {
                let missing: usize = answers.iter().map(|answer| answer.missing(pace)).sum();
                let (object, wait_s) = (line.object, STALL.as_secs());
                return fail(format!("object {object}: {missing} bytes were not shown within {wait_s} s"));
            }
        }
    }
    Ok(())
}

/// The agent gives the whole answers; the device must have them, the same as it shows.
async fn finish(line: &mut Line, answers: &[Answer]) -> Result<()> {
    let questions: Vec<Asked> = answers.iter().map(|answer| answer.question).collect();
    line.agent.answer(&questions, 1).await?;
    // The texts are checked to the last byte as they come in, and are what the deltas were cut from.
    while line.told.answers < line.told.asked {
        line.hear_device(&Cell::new(0)).await?;
    }
    while line.told.answers_accepted < line.told.asked {
        line.hear_agent(&Cell::new(0)).await?;
    }
    Ok(())
}

const HEAD_START: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_a_window_travel_together_the_first_at_once() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let pace = |window_ms| Pace {
            tokens: 25,
            token_bytes: 4,
            interval: Duration::from_millis(4),
            window: Duration::from_millis(window_ms),
        };
        let payload = Payload::new(100).unwrap();
        let answer = || Answer::new(Asked { mark: Mark::question(0, 0), seq: 1 }, &payload);
        let mut coalesced = answer();
        coalesced.began = began;
        let mut frames = Vec::new();
        while let Some(due) = coalesced.due(pace(40)) {
            let (offset, piece) = coalesced.take(pace(40), due);
            frames.push((due - began, offset, piece.len()));
        }
        let ms = Duration::from_millis;
        assert_eq!(frames, [(ms(0), 0, 4), (ms(40), 4, 40), (ms(80), 44, 40), (ms(120), 84, 16)]);
        let mut single = answer();
        single.began = began;
        // Late, it still sends every token alone.
        assert_eq!(single.take(pace(0), at(50)), (0, coalesced.text[..4].to_owned()));
        assert_eq!(single.due(pace(0)), Some(at(4)));
        assert_eq!(single.take(pace(0), at(50)).0, 4);
    }

    #[test]
    fn a_hole_is_noticed() {
        let payload = Payload::new(100).unwrap();
        let mut answer = Answer::new(Asked { mark: Mark::question(0, 0), seq: 1 }, &payload);
        let piece = |offset, from: usize, to: usize| Delta {
            stream: 1,
            offset,
            piece: payload.text(Mark::reply(0, 0))[from..to].to_owned(),
        };
        answer.show(&piece(Some(0), 0, 8), Instant::now()).unwrap();
        assert!(answer.show(&piece(Some(12), 12, 16), Instant::now()).is_err());
        assert!(answer.show(&piece(None, 12, 16), Instant::now()).is_err());
        let mut again = Answer::new(answer.question, &payload);
        again.show(&piece(Some(0), 0, 8), Instant::now()).unwrap();
        again.show(&piece(Some(8), 8, 100), Instant::now()).unwrap();
        assert_eq!(again.shown, payload.text(Mark::reply(0, 0)));
    }
}
