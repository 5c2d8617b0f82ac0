//! The desk: which question is answered when, and what of it is sent. Questions of one conversation are answered
//! one after another, in order; different conversations at the same time, up to a limit.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use protocol::limit::FRAME_BYTES_MAX;
use protocol::{ClientFrame, ConversationId, File, Seq, encode};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, block_in_place};
use tokio::time::sleep_until;
use tracing::{info, warn};

use crate::backend::{Backend, Event, Failure, Pieces, Question, Run};
use crate::history::speaker;
use crate::store::{Store, StoreError};
use crate::stream::{Pushed, Stream};

/// Runs backends and turns what they say into frames. Lives as long as the process, through every connection.
pub struct Desk {
    store: Arc<Store>,
    backend: Arc<Backend>,
    parallel: usize,
    turns_max: usize,
    /// Only the numbers: the questions' text stays in the store until their turn.
    waiting: BTreeMap<Seq, ConversationId>,
    running: BTreeMap<Seq, Running>,
    last_run: Run,
    sender: mpsc::Sender<(Run, Event)>,
    events: mpsc::Receiver<(Run, Event)>,
    link: Link,
}

/// Whether there is someone to send frames to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Pieces wait, final answers stay in the store.
    Down,
    /// Frames flow.
    Up,
}

struct Running {
    run: Run,
    conversation: ConversationId,
    stream: Stream,
    files: Vec<File>,
    /// To say nothing is an answer.
    may_be_silent: bool,
    task: AbortHandle,
    began: Instant,
}

impl Desk {
    /// Takes up every question that the store holds without an answer. `context_messages` counts questions and
    /// answers each; the desk shows whole turns only.
    pub fn open(
        store: Arc<Store>,
        backend: Backend,
        parallel: usize,
        context_messages: usize,
    ) -> Result<Desk, StoreError> {
        let waiting: BTreeMap<_, _> = store.open_questions()?.into_iter().collect();
        if !waiting.is_empty() {
            info!("{} questions were left open and are answered now", waiting.len());
        }
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let mut desk = Desk {
            store,
            backend: Arc::new(backend),
            parallel,
            turns_max: context_messages / 2,
            waiting,
            running: BTreeMap::new(),
            last_run: 0,
            sender,
            events,
            link: Link::Down,
        };
        desk.fill()?;
        Ok(desk)
    }

    /// Whether a connection is up.
    pub fn link(&self) -> Link {
        self.link
    }

    /// Questions that wait or run.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.running.len()
    }

    /// Takes questions that are in the store.
    pub fn admit(&mut self, questions: impl IntoIterator<Item = (Seq, ConversationId)>) -> Result<(), StoreError> {
        self.waiting.extend(questions);
        self.fill()
    }

    /// The connection came or went. After it came, answers in progress are sent again whole.
    pub fn set_link(&mut self, link: Link) {
        self.link = link;
        self.running.values_mut().for_each(|running| running.stream.resend());
    }

    /// The relay asks for an answer in progress from its beginning.
    pub fn restream(&mut self, seq: Seq) {
        if let Some(running) = self.running.get_mut(&seq) {
            running.stream.resend();
        }
    }

    /// These questions are over: nothing is sent for them any more, and those behind them get their turn.
    pub fn stop(&mut self, questions: &[Seq]) -> Result<(), StoreError> {
        for seq in questions {
            // Before the commit, which may take its time: meanwhile the model would compute for nobody.
            if let Some(running) = self.running.remove(seq) {
                running.task.abort();
            }
            self.waiting.remove(seq);
            info!("question {seq} was stopped");
        }
        block_in_place(|| self.store.stop(questions))?;
        self.fill()
    }

    /// Questions from `first` on exist no more.
    pub fn forget_from(&mut self, first: Seq) -> Result<(), StoreError> {
        self.waiting.split_off(&first);
        self.running.split_off(&first).values().for_each(|running| running.task.abort());
        self.fill()
    }

    /// Waits until there is something to send; while the link is down, for ever (answers go on meanwhile).
    /// Nothing is lost when the future is dropped: what it has done by then is in `self` and in the store.
    pub async fn next(&mut self) -> Result<Vec<ClientFrame>, StoreError> {
        loop {
            let now = Instant::now();
            let due = match self.link {
                Link::Down => None,
                Link::Up => self.running.values().filter_map(|running| running.stream.due(now)).min(),
            };
            let last = tokio::select! {
                Some((run, event)) = self.events.recv() => self.handle(run, event)?,
                () = sleep_until(due.unwrap_or(now).into()), if due.is_some() => None,
            };
            if self.link == Link::Down {
                continue;
            }
            let now = Instant::now();
            let pieces = self.running.iter_mut().filter_map(|(&seq, running)| running.stream.take(seq, now));
            let frames: Vec<_> = pieces.chain(last).collect();
            if !frames.is_empty() {
                return Ok(frames);
            }
        }
    }

    fn handle(&mut self, run: Run, event: Event) -> Result<Option<ClientFrame>, StoreError> {
        let Some((&seq, running)) = self.running.iter_mut().find(|(_, running)| running.run == run) else {
            return Ok(None);
        };
        match event {
            Event::Done(result) => self.finish(seq, result),
            Event::Files(files) => {
                running.files = files;
                Ok(None)
            }
            Event::Piece(piece) => match running.stream.push(&piece) {
                Pushed::Cut => {
                    running.task.abort();
                    self.finish(seq, Ok(()))
                }
                Pushed::Room => Ok(None),
            },
            Event::Restart => {
                running.stream.restart();
                running.files.clear();
                running.may_be_silent = false;
                Ok(None)
            }
            Event::Silence => {
                running.may_be_silent = true;
                Ok(None)
            }
        }
    }

    /// Stores the final answer, starts the next question, and gives the frame to send.
    fn finish(&mut self, seq: Seq, result: Result<(), Failure>) -> Result<Option<ClientFrame>, StoreError> {
        let Some(running) = self.running.remove(&seq) else { return Ok(None) };
        let elapsed_ms = running.began.elapsed().as_millis();
        let (text, files) = (running.stream.into_text(), running.files);
        let answer = match result {
            Ok(()) if text.trim().is_empty() && files.is_empty() && running.may_be_silent => {
                info!("question {seq} is done without a word after {elapsed_ms} ms");
                ClientFrame::Done { reply_to: seq }
            }
            Ok(()) if text.trim().is_empty() && files.is_empty() => {
                fail(seq, Failure::new("the model gave an empty answer".into()))
            }
            Ok(()) => {
                let bytes = text.len();
                let reply = ClientFrame::Reply { reply_to: seq, text, files, buttons: Vec::new() };
                if encode(&reply).len() <= FRAME_BYTES_MAX {
                    info!("question {seq} answered: {bytes} bytes in {elapsed_ms} ms");
                    reply
                } else {
                    fail(seq, Failure::new("the answer holds too many control characters to be sent".into()))
                }
            }
            Err(failure) => fail(seq, failure),
        };
        block_in_place(|| self.store.finish(seq, &answer))?;
        self.fill()?;
        Ok(Some(answer))
    }

    /// Starts questions while there is room: the lowest number whose conversation is not being answered.
    fn fill(&mut self) -> Result<(), StoreError> {
        while self.running.len() < self.parallel {
            let busy = |conversation: &ConversationId| {
                self.running.values().any(|running| running.conversation == *conversation)
            };
            let free = self.waiting.iter().find(|(_, conversation)| !busy(conversation));
            let Some(seq) = free.map(|(&seq, _)| seq) else { break };
            self.waiting.remove(&seq);
            let Some((question, turns)) = block_in_place(|| self.store.question(seq, self.turns_max))? else {
                continue;
            };
            self.last_run += 1;
            let (run, backend) = (self.last_run, Arc::clone(&self.backend));
            let pieces = Pieces { run, events: self.sender.clone() };
            let conversation = question.conversation.clone();
            let asked = Question {
                id: question.id,
                conversation: question.conversation,
                session: question.session,
                speaker: speaker(&question.from).map(str::to_owned),
                text: question.text,
                files: question.files,
                turns,
            };
            let task = tokio::spawn(async move {
                let answer = AssertUnwindSafe(backend.answer(asked, &pieces)).catch_unwind().await;
                let result = answer.unwrap_or_else(|_| Err(Failure::new("the agent has a fault: see its log".into())));
                pieces.put(Event::Done(result)).await;
            });
            let running = Running {
                run,
                conversation,
                stream: Stream::default(),
                files: Vec::new(),
                may_be_silent: false,
                task: task.abort_handle(),
                began: Instant::now(),
            };
            self.running.insert(seq, running);
        }
        Ok(())
    }
}

/// A `fail` frame, logged.
pub fn fail(reply_to: Seq, failure: Failure) -> ClientFrame {
    let Failure { reason, said } = failure;
    warn!("question {reply_to} failed: {reason}");
    ClientFrame::Fail { reply_to, reason: if said.is_empty() { reason } else { format!("{reason}: {said}") } }
}

/// Events of all backends that wait for the desk; beyond it backends wait.
const EVENTS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::{Cursor, Envelope, Resumed};

    use super::*;
    use crate::backend::echo::Echo;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn question(seq: u64, conversation: &str) -> Envelope {
        let text = format!(
            r#"{{"seq":{seq},"id":"m-{seq}","conversation":"{conversation}","from":{{"kind":"user","via":"web"}},"at_ms":1,"text":"q {seq}"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn desk(dir: &tempfile::TempDir, parallel: usize, delay: Duration, questions: Vec<Envelope>) -> Desk {
        let store = Arc::new(Store::open(dir.path()).unwrap());
        let cursor = Cursor { epoch: 1, seq: Seq(0) };
        store.welcome(cursor, &Resumed::Started { after: Seq(0) }).unwrap();
        store.receive(questions).unwrap();
        let mut desk = Desk::open(store, Backend::Echo(Echo { delay }), parallel, 20).unwrap();
        desk.set_link(Link::Up);
        desk
    }

    async fn replies(desk: &mut Desk, count: usize) -> Vec<u64> {
        let mut order = Vec::new();
        while order.len() < count {
            let frames = tokio::time::timeout(PATIENCE, desk.next()).await.expect("silence");
            for frame in frames.unwrap() {
                if let ClientFrame::Reply { reply_to, text, .. } = frame {
                    assert_eq!(text, format!("echo: q {reply_to}"));
                    order.push(reply_to.0);
                }
            }
        }
        order
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_conversation_is_answered_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let questions = (1..=6).map(|seq| question(seq, "a")).collect();
        let mut desk = desk(&dir, 4, Duration::from_millis(1), questions);
        assert_eq!((desk.len(), desk.running.len()), (6, 1));
        assert_eq!(replies(&mut desk, 6).await, [1, 2, 3, 4, 5, 6]);
        assert_eq!(desk.len(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn conversations_run_side_by_side_up_to_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let questions = [(1, "a"), (2, "a"), (3, "b"), (4, "c")].map(|(seq, at)| question(seq, at)).into();
        let mut desk = desk(&dir, 2, Duration::from_secs(3600), questions);
        assert_eq!(desk.running.keys().copied().collect::<Vec<_>>(), [Seq(1), Seq(3)]);
        desk.forget_from(Seq(2)).unwrap();
        assert_eq!((desk.len(), desk.running.len()), (1, 1));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stop_ends_the_run_and_lets_the_next_question_in() {
        let dir = tempfile::tempdir().unwrap();
        let questions = (1..=4).map(|seq| question(seq, "a")).collect();
        let mut desk = desk(&dir, 4, Duration::from_secs(3600), questions);
        let task = desk.running[&Seq(1)].task.clone();
        desk.stop(&[Seq(3), Seq(1), Seq(99)]).unwrap();
        assert_eq!(desk.running.keys().copied().collect::<Vec<_>>(), [Seq(2)]);
        assert_eq!(desk.waiting.keys().copied().collect::<Vec<_>>(), [Seq(4)]);
        assert_eq!(desk.store.held().unwrap(), [Seq(2), Seq(4)]);
        until_finished(&task).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_last_words_of_a_stopped_run_are_not_sent() {
        let dir = tempfile::tempdir().unwrap();
        let mut desk = desk(&dir, 4, Duration::ZERO, vec![question(1, "a"), question(2, "a")]);
        until_finished(&desk.running[&Seq(1)].task).await;
        desk.stop(&[Seq(1)]).unwrap();
        assert_eq!(replies(&mut desk, 1).await, [2]);
        assert_eq!(desk.store.held().unwrap(), [Seq(2)]);
    }

    async fn until_finished(task: &AbortHandle) {
        let finished = async {
            while !task.is_finished() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, finished).await.unwrap();
    }
}
