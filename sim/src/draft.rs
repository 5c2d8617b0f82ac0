//! Answers shown at their platform while they are made, with a button that stops them.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{ClientFrame, MessageId, Seq};
use relay::hub::{Drafted, Input, PeerId};

use crate::shell::Handled;
use crate::world::World;

/// What agents have said of answers that are not final, as far as the core must remember it.
#[derive(Default)]
pub struct Drafts {
    /// Question → the connection that its answer comes by, and what there is of it.
    streams: BTreeMap<u64, (PeerId, String)>,
    /// Questions whose answers someone was asked to show, and does.
    drawn: BTreeSet<u64>,
    /// Those that someone ever was asked to show.
    pub ever: Vec<u64>,
}

/// A piece of an answer.
pub struct Piece {
    peer: PeerId,
    pub question: u64,
    offset: u64,
    text: String,
}

impl Drafts {
    /// The pieces of answers that an input brings.
    pub fn pieces(input: &Input) -> Vec<Piece> {
        let Input::Received(peer, _, Ok(frames)) = input else { return Vec::new() };
        let piece = |frame: &ClientFrame| match frame {
            ClientFrame::Delta { reply_to, offset, text } => {
                Some(Piece { peer: *peer, question: reply_to.0, offset: *offset, text: text.clone() })
            }
            _ => None,
        };
        frames.iter().filter_map(piece).collect()
    }

    /// A connection is gone, and what was being made there.
    pub fn left(&mut self, peer: PeerId) {
        let gone: Vec<u64> =
            self.streams.iter().filter(|(_, it)| it.0 == peer).map(|(&question, _)| question).collect();
        for question in gone {
            self.streams.remove(&question);
            self.drawn.remove(&question);
        }
    }

    /// Memory is lost.
    pub fn forget(&mut self) {
        self.streams.clear();
        self.drawn.clear();
    }
}

impl World {
    /// Agents make no more answers at once than are shown. Else it is not said which of them are.
    fn shows_all(&self) -> bool {
        self.profile.parallel <= PARALLEL_MAX
    }

    /// The core has taken a piece of an answer. True when that shows more of it at its platform.
    pub fn hear_piece(&mut self, piece: &Piece) -> bool {
        let Some(agent) = self.check.agent_at(piece.peer) else { return false };
        let truth = &self.check.truth;
        let Some(row) = truth.rows.get(&piece.question) else { return false };
        if !self.shows_all() || !truth.open.contains(&row.seq) || row.agent.as_deref() != Some(agent) {
            return false;
        }
        let (_, text) = self.drafts.streams.entry(row.seq).or_insert((piece.peer, String::new()));
        if piece.offset == 0 {
            text.clear();
        }
        if piece.offset != text.encode_utf16().count() as u64 {
            return false;
        }
        text.push_str(&piece.text);
        row.origin.is_some()
    }

    /// Whoever shows answers at their platform is asked to, once.
    pub fn asked_to_draw(&mut self, question: Seq) {
        let new = self.drafts.drawn.insert(question.0);
        let new = new || !self.shows_all();
        self.check.demand(new, "a draft is asked for once", || format!("{question}"));
        self.drafts.ever.push(question.0);
        self.figures.count("drafts begun");
    }

    /// After a piece came, someone was asked.
    pub fn check_drawn(&mut self, question: u64) {
        let is_drawn = self.drafts.drawn.contains(&question);
        self.check.demand(is_drawn, "an answer that is made is shown at its platform", || format!("{question}"));
    }

    /// Whoever shows an answer at its platform asks what there is of it; sometimes they go away then.
    pub fn draws(&mut self) {
        let open: Vec<u64> = self.drafts.drawn.iter().copied().collect();
        let from = if self.random.chance(600) { &open } else { &self.drafts.ever };
        let Some(&question) = self.random.pick(from) else { return };
        let goes = self.random.chance(100);
        let Some(core) = &mut self.shell.core else { return };
        let drafted = core.draft(Seq(question)).unwrap();
        if goes {
            core.leave_draft(Seq(question));
            self.drafts.drawn.remove(&question);
        }
        self.figures.count("drafts asked for");
        let right = self.is_drafted(question, &drafted);
        self.check.demand(right, "what is shown of an answer is what there is", || format!("{question}: {drafted:?}"));
    }

    fn is_drafted(&self, question: u64, drafted: &Drafted) -> bool {
        let truth = &self.check.truth;
        let row = &truth.rows[&question];
        let is_gone = *drafted == Drafted::Gone;
        match row.outcome.as_deref() {
            _ if truth.trimmed.contains(&question) => is_gone,
            Some("replied") => is_gone,
            Some(_) => matches!(drafted, Drafted::Over(_)),
            None => match (self.drafts.streams.get(&question), drafted) {
                (Some((_, text)), Drafted::Open(so_far)) => {
                    let there = (so_far.conversation.as_str(), Some(so_far.origin.message.as_str()), so_far.question);
                    let expected = (row.conversation.as_str(), row.origin.as_deref(), Some(Seq(question)));
                    there == expected && so_far.text == *text
                }
                (None, Drafted::Open(so_far)) => {
                    let is_said = |run: &String| run.starts_with(&so_far.text);
                    !self.shows_all() && self.runs.get(&question).is_some_and(|runs| runs.iter().any(is_said))
                }
                (stream, _) => stream.is_none() && is_gone,
            },
        }
    }

    /// Someone presses the button that stops an answer: who asked, or somebody else.
    pub fn halts(&mut self) {
        if self.webhooks.calls.is_empty() {
            return;
        }
        let truth = &self.check.truth;
        let is_open = |id: &MessageId| truth.places.get(id.as_str()).is_some_and(|seq| truth.open.contains(seq));
        let all: Vec<usize> = (0..self.webhooks.calls.len()).collect();
        let open: Vec<usize> =
            all.iter().copied().filter(|&at| is_open(&self.webhooks.calls[at].question.id)).collect();
        let from = if self.random.chance(800) && !open.is_empty() { open } else { all };
        let question = self.webhooks.calls[from[self.random.below(from.len())]].question.clone();
        let is_open = is_open(&question.id);
        let is_theirs = self.random.chance(500);
        let sender = if is_theirs { question.sender.clone().unwrap_or_default() } else { "ou_mallory".to_owned() };
        let handled = self.handle(Input::Halted(question.id.clone(), sender));
        if !is_open {
            return;
        }
        let truth = &self.check.truth;
        let outcome = truth.places.get(question.id.as_str()).and_then(|seq| truth.rows[seq].outcome.as_deref());
        let is_right = match outcome {
            None => !is_theirs || !matches!(handled, Handled::Done(_)),
            outcome => is_theirs && outcome == Some("stopped"),
        };
        let detail = format!("{}, theirs: {is_theirs}: {outcome:?}", question.id);
        self.check.demand(is_right, "whoever asked stops an answer, and nobody else", || detail);
    }
}

/// Worlds whose agents make no more answers at once have fewer than are shown.
const PARALLEL_MAX: usize = 6;
