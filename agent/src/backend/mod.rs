//! Backends make answers. Each takes a question and hands its answer over piece by piece.

use std::fmt;

use tokio::sync::mpsc;

use crate::history::Turn;

pub mod echo;
pub mod openai;

/// Who answers.
pub enum Backend {
    /// Gives the question back.
    Echo(echo::Echo),
    /// Answers nothing.
    None,
    /// Asks an OpenAI-compatible server.
    OpenAi(openai::OpenAi),
}

/// What is asked.
#[derive(Debug)]
pub struct Question {
    /// What the person wrote.
    pub text: String,
    /// The talk before it, oldest first.
    pub turns: Vec<Turn>,
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
}

impl Backend {
    /// Makes the answer. `Ok` means that it is complete; what was handed over before an `Err` is void.
    pub async fn answer(&self, question: Question, pieces: &Pieces) -> Result<(), Failure> {
        match self {
            Backend::Echo(echo) => echo.answer(question, pieces).await,
            Backend::None => Err(Failure::new("this agent answers no questions".to_owned())),
            Backend::OpenAi(openai) => openai.answer(question, pieces).await,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Backend::Echo(_) => f.write_str("echo"),
            Backend::None => f.write_str("nothing"),
            Backend::OpenAi(openai) => openai.fmt(f),
        }
    }
}

/// What a backend tells the desk about one answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// It is complete, or there will be none.
    Done(Result<(), Failure>),
    /// Its next piece.
    Piece(String),
    /// It begins again: what was handed over is void.
    Restart,
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
