//! Backends make answers. Each takes a question and hands its answer over piece by piece.

use std::fmt;
use std::time::Duration;

use protocol::{ConversationId, File, MessageId};
use tokio::sync::mpsc;

use crate::history::{Turn, spoken};

pub mod echo;
pub mod openai;
pub mod openclaw;
mod shown;

/// Who answers.
pub enum Backend {
    /// Gives the question back.
    Echo(echo::Echo),
    /// Answers nothing.
    None,
    /// Asks an OpenAI-compatible server.
    OpenAi(openai::OpenAi),
    /// Asks an OpenClaw.
    OpenClaw(openclaw::OpenClaw),
}

/// What is asked.
#[derive(Debug)]
pub struct Question {
    /// The same whenever it is asked again, also by the next process.
    pub id: MessageId,
    /// Where it was asked.
    pub conversation: ConversationId,
    /// Which talk of the conversation: `/new` begins the next.
    pub session: u64,
    /// The name of whoever wrote it in a group.
    pub speaker: Option<String>,
    /// What the person wrote. May be empty beside files.
    pub text: String,
    /// What came with it.
    pub files: Vec<File>,
    /// The talk before it, oldest first.
    pub turns: Vec<Turn>,
}

impl Question {
    /// What the person wrote, after their name in a group.
    pub fn spoken(&self) -> String {
        spoken(self.speaker.as_deref(), &self.text)
    }
}

/// There will be no answer, and why, in words that the person who asked may read.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// In our words: logged and sent.
    pub reason: String,
    /// In the model server's words, or empty: sent but never logged, since servers like to quote what they were asked.
    pub said: String,
}

impl Failure {
    /// A failure in our words alone.
    pub fn new(reason: String) -> Failure {
        Failure { reason, said: String::new() }
    }

    /// After so long: the last of many, or the first if the other side wants to be left alone for longer than anyone
    /// would wait.
    pub fn given_up(self, elapsed: Duration, after: Option<Duration>) -> Failure {
        let tried = match elapsed.as_secs() / 60 {
            0 => String::new(),
            minutes => format!("; given up after {minutes} minutes"),
        };
        let wants = after.map(|after| format!("; it wants to be left alone for {} s", after.as_secs()));
        Failure { reason: self.reason + &tried + &wants.unwrap_or_default(), ..self }
    }
}

/// What went wrong with one attempt at an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another attempt would end the same.
    Final(Failure),
    /// It may pass: try again, not before `after` if the other side said so.
    Passing {
        /// What happened this time.
        failure: Failure,
        /// How long the other side wants to be left alone.
        after: Option<Duration>,
    },
    /// It was not taken as it was put: another attempt without its files, or with less of the talk before it, may end
    /// otherwise.
    Unfit(Failure),
}

impl Fault {
    /// A final fault in our words alone.
    pub fn last(reason: &str) -> Fault {
        Fault::Final(Failure::new(reason.to_owned()))
    }

    /// A passing fault, of which nobody knows for how long.
    pub fn passing(why: &str) -> Fault {
        Fault::Passing { failure: Failure::new(why.to_owned()), after: None }
    }
}

/// What is passed on of another program's own words.
pub fn shorten(said: &str) -> String {
    said.trim().chars().take(SAID_CHARS_MAX).collect()
}

impl Backend {
    /// Makes the answer. `Ok` means that it is complete; what was handed over before an `Err` is void.
    pub async fn answer(&self, question: Question, pieces: &Pieces) -> Result<(), Failure> {
        match self {
            Backend::Echo(echo) => echo.answer(question, pieces).await,
            Backend::None => Err(Failure::new("this agent answers no questions".to_owned())),
            Backend::OpenAi(openai) => openai.answer(question, pieces).await,
            Backend::OpenClaw(openclaw) => openclaw.answer(question, pieces).await,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Backend::Echo(_) => f.write_str("echo"),
            Backend::None => f.write_str("nothing"),
            Backend::OpenAi(openai) => openai.fmt(f),
            Backend::OpenClaw(openclaw) => openclaw.fmt(f),
        }
    }
}

/// What a backend tells the desk about one answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// It is complete, or there will be none.
    Done(Result<(), Failure>),
    /// What goes with it.
    Files(Vec<File>),
    /// Its next piece.
    Piece(String),
    /// It begins again: what was handed over is void.
    Restart,
    /// If nothing was said by its end, that is meant so.
    Silence,
}

/// Identifies one run of a question, so that the last words of a run that was given up are not taken for another's.
pub type Run = u64;

/// Where a backend puts its pieces. Waits while the desk is behind, which slows the model server down in turn.
pub struct Pieces {
    /// Which run the pieces belong to.
    pub run: Run,
    /// To the desk.
    pub events: mpsc::Sender<(Run, Event)>,
}

impl Pieces {
    /// Hands over. A desk that is gone takes this task with it, so nobody needs to know.
    pub async fn put(&self, event: Event) {
        let _ = self.events.send((self.run, event)).await;
    }
}

const SAID_CHARS_MAX: usize = 300;
