//! The relay's protocol (docs/protocol.md) as its agents and devices speak it, with its promises checked: every message
//! once, in order, without holes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::{ClientFrame, Cursor, MessageId, Seq, encode};
use serde::Deserialize;

use super::{Asked, Delta, Heard};
use crate::failure::{Failure, Result, during, fail};
use crate::payload::{Mark, Payload, shorten};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Acknowledges every WebSocket message that holds questions, as claw-agent does.
    Agent,
    /// Acknowledges after [`ACK_MESSAGES`] or [`ACK_AFTER`], as the page does.
    Device,
}

/// One peer.
pub struct Relay {
    role: Role,
    payload: Arc<Payload>,
    /// The timeline's epoch, once welcome.
    epoch: Option<u64>,
    /// The last message heard: everything up to here is known.
    last: u64,
    acked: u64,
    /// When the first message arrived that is not acknowledged, and how many there are.
    unacked_since: Option<Instant>,
    unacked: u64,
    /// A device's texts that are not accepted.
    asked: BTreeSet<Mark>,
    /// An agent's answers that are not accepted, by their question's place.
    answered: BTreeMap<u64, Mark>,
}

/// A frame from the relay: what the driver reads of it. `protocol::ServerFrame` says the same with every field, at four
/// times the cost, and the driver shares the machine with the server. Nothing that is read here is ever escaped.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    code: Option<&'a str>,
    cursor: Option<&'a str>,
    detail: Option<String>,
    id: Option<&'a str>,
    offset: Option<usize>,
    reason: Option<String>,
    reply_to: Option<u64>,
    #[serde(borrow)]
    resumed: Option<Resumed<'a>>,
    seq: Option<u64>,
    state: Option<&'a str>,
    text: Option<&'a str>,
}

/// Where the stream of messages begins.
#[derive(Deserialize)]
struct Resumed<'a> {
    outcome: &'a str,
    after: Option<u64>,
    reason: Option<&'a str>,
}

impl Relay {
    /// A peer that has not said `hello`.
    pub fn new(role: Role, payload: Arc<Payload>) -> Relay {
        Relay {
            role,
            payload,
            epoch: None,
            last: 0,
            acked: 0,
            unacked_since: None,
            unacked: 0,
            asked: BTreeSet::new(),
            answered: BTreeMap::new(),
        }
    }

    /// The first frame.
    pub fn hello(cursor: Option<Cursor>, deltas: bool) -> String {
        let capabilities = if deltas { vec!["deltas".to_owned()] } else { Vec::new() };
        let client = Some(concat!("claw-bench/", env!("CARGO_PKG_VERSION")).to_owned());
        encode(&ClientFrame::Hello { cursor, last: None, capabilities, open: Vec::new(), client })
    }

    /// The timeline's epoch, once the relay has said `welcome`.
    pub fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    /// When [`Relay::acknowledge`] is due, unless more arrives before.
    pub fn ack_due(&self) -> Option<Instant> {
        self.unacked_since.map(|since| since + ACK_AFTER)
    }

    /// Whether so much was heard that an acknowledgement is due at once.
    pub fn must_acknowledge(&self) -> bool {
        match self.role {
            Role::Agent => self.unacked > 0,
            Role::Device => self.unacked >= ACK_MESSAGES,
        }
    }

    /// The frame that acknowledges everything heard, if there is anything new.
    pub fn acknowledge(&mut self) -> Option<String> {
        (self.unacked, self.unacked_since) = (0, None);
        if self.acked == self.last {
            return None;
        }
        self.acked = self.last;
        Some(encode(&ClientFrame::Ack { seq: Seq(self.last) }))
    }

    pub(super) fn hear(&mut self, text: &str) -> Result<Vec<Heard>> {
        let unreadable = |error| Failure(format!("a frame that cannot be read: {error}: {}", shorten(text)));
        let frames: Vec<Frame<'_>> = if text.starts_with('[') {
            serde_json::from_str(text).map_err(unreadable)?
        } else {
            vec![serde_json::from_str(text).map_err(unreadable)?]
        };
        let mut heard = Vec::with_capacity(frames.len());
        for frame in frames {
            heard.extend(
                self.understand(frame).map_err(|Failure(why)| Failure(format!("{why}, in {}", shorten(text))))?,
            );
        }
        Ok(heard)
    }

    pub(super) fn ask(&mut self, marks: &[Mark], per_frame: usize) -> Result<Vec<String>> {
        let mut frames = Vec::with_capacity(marks.len());
        for &mark in marks {
            let id: MessageId = mark.to_string().parse().map_err(during("a mark as an id"))?;
            frames.push(encode(&ClientFrame::Send {
                id,
                conversation: None,
                text: self.payload.text(mark),
                files: Vec::new(),
            }));
            self.asked.insert(mark);
        }
        Ok(batches(&frames, per_frame))
    }

    pub(super) fn answer(&mut self, questions: &[Asked], per_frame: usize) -> Vec<String> {
        let mut frames = Vec::with_capacity(questions.len());
        for question in questions {
            let mark = question.reply();
            let (reply_to, text) = (Seq(question.seq), self.payload.text(mark));
            frames.push(encode(&ClientFrame::Reply { reply_to, text, files: Vec::new(), buttons: Vec::new() }));
            self.answered.insert(question.seq, mark);
        }
        batches(&frames, per_frame)
    }

    pub(super) fn unaccepted(&self) -> usize {
        self.asked.len() + self.answered.len()
    }

    pub(super) fn delta(question: u64, offset: usize, piece: &str) -> String {
        encode(&ClientFrame::Delta { reply_to: Seq(question), offset: offset as u64, text: piece.to_owned() })
    }

    fn understand(&mut self, frame: Frame<'_>) -> Result<Option<Heard>> {
        match frame.kind {
            "accepted" => {
                let (Some(id), Some(seq)) = (frame.id, frame.seq) else {
                    return fail("an `accepted` without id or seq");
                };
                let mark = match id.strip_prefix("reply:") {
                    Some(question) => question.parse().ok().and_then(|question: u64| self.answered.remove(&question)),
                    None => id.parse().ok().filter(|mark| self.asked.remove(mark)),
                };
                let Some(mark) = mark else { return fail(format!("{id} was never sent, or accepted twice")) };
                Ok(Some(Heard::Accepted { mark, seq }))
            }
            "message" => {
                let (Some(seq), Some(text)) = (frame.seq, frame.text) else {
                    return fail("a `message` without seq or text");
                };
                let in_order = match self.role {
                    Role::Agent => seq > self.last,
                    Role::Device => seq == self.last + 1,
                };
                if !in_order {
                    return fail(format!("lost, doubled or out of order: message {seq} after {}", self.last));
                }
                self.last = seq;
                self.unacked += 1;
                self.unacked_since.get_or_insert_with(Instant::now);
                Ok(Some(Heard::Message { mark: self.payload.read(text)?, seq }))
            }
            "delta" => {
                let (Some(stream), Some(text)) = (frame.reply_to, frame.text) else {
                    return fail("a `delta` without reply_to or text");
                };
                Ok(Some(Heard::Delta(Delta { stream, offset: frame.offset, piece: text.to_owned() })))
            }
            "state" if matches!(frame.state, Some("failed" | "expired")) => {
                let reason = frame.reason.unwrap_or_default();
                fail(format!("question {} has no answer: {reason}", frame.seq.unwrap_or_default()))
            }
            "welcome" => self.welcome(frame).map(|()| None),
            "error" => {
                let (code, detail) = (frame.code.unwrap_or_default(), frame.detail.unwrap_or_default());
                fail(format!("the relay refused {}: {code}: {detail}", frame.id.unwrap_or("a frame")))
            }
            "restream" | "stop" => fail(format!("`{}` though nothing was lost or stopped", frame.kind)),
            // Presence, states on their way, and what a newer relay says.
            _ => Ok(None),
        }
    }

    fn welcome(&mut self, frame: Frame<'_>) -> Result<()> {
        let cursor: Option<Cursor> = frame.cursor.and_then(|cursor| cursor.parse().ok());
        let (Some(cursor), Some(resumed)) = (cursor, frame.resumed) else {
            return fail("a `welcome` without cursor or resumed");
        };
        let Some(after) = resumed.after else {
            let reason = resumed.reason.unwrap_or("no reason");
            return fail(format!("the stream begins with {}: {reason}", resumed.outcome));
        };
        self.epoch = Some(cursor.epoch);
        (self.last, self.acked) = (after, after);
        Ok(())
    }
}

/// Frames in order, `per_frame` to a WebSocket message; one by one they are not in an array.
fn batches(frames: &[String], per_frame: usize) -> Vec<String> {
    let batch = |chunk: &[String]| match chunk {
        [one] => one.clone(),
        many => format!("[{}]", many.join(",")),
    };
    frames.chunks(per_frame.max(1)).map(batch).collect()
}

/// A device acknowledges at the latest after so many messages …
const ACK_MESSAGES: u64 = 32;
/// … or so long after the first of them.
const ACK_AFTER: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use protocol::decode;

    use super::*;

    const WELCOME: &str = r#"{"type":"welcome","user":"usr_bench_0","cursor":"17.4","resumed":{"outcome":"started","after":4},"window":256,"ping_ms":30000}"#;

    fn peer(role: Role) -> Relay {
        let mut relay = Relay::new(role, Arc::new(Payload::new(60).unwrap()));
        assert_eq!(relay.hear(WELCOME).unwrap(), []);
        relay
    }

    fn message(seq: u64, mark: Mark) -> String {
        let text = Payload::new(60).unwrap().text(mark);
        format!(
            r#"{{"type":"message","seq":{seq},"id":"x","conversation":"web","from":{{"kind":"user","via":"web"}},"agent":"agt_bench_0","at_ms":1,"text":"{text}","state":"queued"}}"#
        )
    }

    #[test]
    fn a_device_hears_everything_once_in_order() {
        let mut device = peer(Role::Device);
        let mark = Mark::reply(0, 0);
        assert_eq!(device.epoch(), Some(17));
        assert_eq!(device.hear(&message(5, mark)).unwrap(), [Heard::Message { mark, seq: 5 }]);
        assert!(device.hear(&message(5, mark)).is_err());
        assert!(device.hear(&message(7, mark)).is_err());
        let batch = format!("[{},{}]", message(6, mark), r#"{"type":"state","seq":5,"state":"delivered"}"#);
        assert_eq!(device.hear(&batch).unwrap().len(), 1);
        assert!(device.ack_due().is_some() && !device.must_acknowledge());
        (7..37).for_each(|seq| assert_eq!(device.hear(&message(seq, mark)).unwrap().len(), 1));
        assert!(device.must_acknowledge());
        assert_eq!(device.acknowledge().unwrap(), r#"{"type":"ack","seq":36}"#);
        assert_eq!(device.acknowledge(), None);
        let gap = WELCOME.replace(r#""started","after":4"#, r#""gap","from":1,"to":4,"reason":"trimmed""#);
        assert!(device.hear(&gap).is_err());
        assert!(device.hear(r#"{"type":"state","seq":5,"state":"expired","reason":"late"}"#).is_err());
        assert!(device.hear(r#"{"type":"error","code":"queue_full","detail":"\"full\"","id":"q0.1"}"#).is_err());
    }

    #[test]
    fn an_agent_acknowledges_at_once_and_answers_in_batches() {
        let mut agent = peer(Role::Agent);
        let (one, two) = (Mark::question(0, 0), Mark::question(0, 1));
        agent.hear(&message(9, one)).unwrap();
        assert!(agent.must_acknowledge());
        assert_eq!(agent.acknowledge().unwrap(), r#"{"type":"ack","seq":9}"#);
        assert!(agent.hear(&message(9, one)).is_err());
        let asked = [Asked { mark: one, seq: 9 }, Asked { mark: two, seq: 12 }];
        let texts = agent.answer(&asked, 16);
        let frames: Vec<ClientFrame> = decode(&texts[0]).unwrap();
        assert!(matches!(frames[1], ClientFrame::Reply { reply_to: Seq(12), .. }));
        let accepted = r#"{"type":"accepted","id":"reply:12","seq":14}"#;
        assert_eq!(agent.hear(accepted).unwrap(), [Heard::Accepted { mark: Mark::reply(0, 1), seq: 14 }]);
        assert!(agent.hear(accepted).is_err());
        assert!(agent.hear(r#"{"type":"restream","reply_to":9}"#).is_err());
    }

    #[test]
    fn questions_go_one_by_one_or_in_batches() {
        let mut device = peer(Role::Device);
        let marks: Vec<Mark> = (0..5).map(|number| Mark::question(3, number)).collect();
        let texts = device.ask(&marks, 2).unwrap();
        let lens: Vec<usize> = texts.iter().map(|text| decode::<ClientFrame>(text).unwrap().len()).collect();
        assert_eq!(lens, [2, 2, 1]);
        assert!(texts[2].starts_with(r#"{"type":"send","id":"q3.4","text":"q3.4 "#));
        let accepted = r#"{"type":"accepted","id":"q3.4","seq":5}"#;
        assert_eq!(device.hear(accepted).unwrap(), [Heard::Accepted { mark: marks[4], seq: 5 }]);
        assert!(device.hear(accepted).is_err());
    }
}
