//! An agent or a device: a connection, and what is said on it.

use std::time::Instant;

use protocol::Cursor;
use protocol::limit::{PING, PONG};
use tokio::time::sleep_until;

use crate::dialect::{Asked, Dialect, Heard, Relay};
use crate::failure::{Failure, Result, fail};
use crate::payload::Mark;
use crate::wait::{ANSWER_WAIT, within};
use crate::wire::{Received, Wire};

/// One end of an object.
pub struct Peer {
    name: String,
    wire: Wire,
    dialect: Dialect,
    /// What came together with `welcome`, before anybody asked.
    early: Vec<Heard>,
}

/// What [`Peer::next`] waited for.
pub enum Event {
    /// An acknowledgement is due.
    AckDue,
    /// What came before anybody asked.
    Early,
    /// Something came in.
    Received(Received),
}

impl Peer {
    /// `name` is for failures: "agent of object 3".
    pub fn new(name: String, wire: Wire, dialect: Dialect) -> Peer {
        Peer { name, wire, dialect, early: Vec::new() }
    }

    /// What it says.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Says `hello` to the relay and waits for `welcome`. What comes with it is heard later.
    pub async fn greet(&mut self, cursor: Option<Cursor>, deltas: bool) -> Result<()> {
        self.say([Relay::hello(cursor, deltas)]).await?;
        let heard = self.hear().await?;
        if !matches!(&self.dialect, Dialect::Relay(relay) if relay.epoch().is_some()) {
            return fail(format!("{}: expected `welcome` first, heard {heard:?}", self.name));
        }
        self.early = heard;
        Ok(())
    }

    /// Waits, without end. May be dropped: nothing is lost.
    pub async fn next(&mut self) -> Result<Event> {
        if !self.early.is_empty() {
            return Ok(Event::Early);
        }
        let due = match &self.dialect {
            Dialect::Plain(_) => None,
            Dialect::Relay(relay) => relay.ack_due(),
        };
        let received = match due {
            None => self.wire.next().await,
            Some(due) => tokio::select! {
                biased;
                received = self.wire.next() => received,
                () = sleep_until(due.into()) => return Ok(Event::AckDue),
            },
        };
        received.map(Event::Received).map_err(|error| self.named(error))
    }

    /// Takes in what came, and acknowledges it as this kind of peer does. To be awaited to its end.
    pub async fn take(&mut self, event: Event) -> Result<Vec<Heard>> {
        let heard = match &event {
            Event::AckDue => Ok(Vec::new()),
            Event::Early => Ok(std::mem::take(&mut self.early)),
            Event::Received(Received::Acknowledged) => self.dialect.acknowledged(),
            Event::Received(Received::Text(text)) if text.as_str() == PONG => Ok(vec![Heard::Pong]),
            Event::Received(Received::Text(text)) => self.dialect.hear(text),
        };
        let heard = heard.map_err(|error| self.named(error))?;
        if let Dialect::Relay(relay) = &mut self.dialect
            && (matches!(event, Event::AckDue) || relay.must_acknowledge())
            && let Some(ack) = relay.acknowledge()
        {
            self.say([ack]).await?;
        }
        Ok(heard)
    }

    /// Waits for the next text, within [`ANSWER_WAIT`], and takes it in.
    pub async fn hear(&mut self) -> Result<Vec<Heard>> {
        let name = self.name.clone();
        let event = within(ANSWER_WAIT, || format!("the {name} to hear anything"), self.next()).await?;
        self.take(event).await
    }

    /// Listens until then, for acknowledgements to go and come, and states. A text is one too many.
    pub async fn rest(&mut self, until: Instant) -> Result<()> {
        loop {
            let event = tokio::select! {
                biased;
                event = self.next() => event?,
                () = sleep_until(until.into()) => return Ok(()),
            };
            let heard = self.take(event).await?;
            if let Some(heard) = heard.iter().find(|heard| !matches!(heard, Heard::Accepted { .. })) {
                return fail(format!("{}: heard {heard:?} while all should be quiet", self.name));
            }
        }
    }

    /// A device sends these texts.
    pub async fn ask(&mut self, marks: &[Mark], per_frame: usize) -> Result<()> {
        let texts = self.dialect.ask(marks, per_frame)?;
        self.say(texts).await
    }

    /// An agent answers these questions.
    pub async fn answer(&mut self, questions: &[Asked], per_frame: usize) -> Result<()> {
        let texts = self.dialect.answer(questions, per_frame);
        self.say(texts).await
    }

    /// An agent shows a piece of an answer.
    pub async fn delta(&mut self, question: Asked, offset: usize, piece: &str) -> Result<()> {
        let text = self.dialect.delta(question, offset, piece);
        self.say([text]).await
    }

    /// The heartbeat.
    pub async fn ping(&mut self) -> Result<()> {
        self.say([PING.to_owned()]).await
    }

    /// Sends texts as they are.
    pub async fn say(&mut self, texts: impl IntoIterator<Item = String>) -> Result<()> {
        self.wire.send(texts).await.map_err(|error| self.named(error))
    }

    /// Fails unless everything that it said is committed.
    pub fn check_accepted(&self) -> Result<()> {
        match self.dialect.unaccepted() {
            0 => Ok(()),
            count => fail(format!("{}: {count} texts were not accepted", self.name)),
        }
    }

    /// Says goodbye and waits until the server has closed too.
    pub async fn close(self) -> Result<()> {
        let name = self.name;
        self.wire.close().await.map_err(|Failure(why)| Failure(format!("{name}: {why}")))
    }

    fn named(&self, Failure(why): Failure) -> Failure {
        Failure(format!("{}: {why}", self.name))
    }
}
