//! What must survive a crash: the cursor, open questions, undelivered answers and the talk so far. One LMDB
//! environment; every method that writes is one commit, on disk when it returns.
//!
//! LMDB calls block: reads for microseconds, a commit for as long as the disk needs. The callers run commits inside
//! `tokio::task::block_in_place`: the next frame may not be handled before the commit anyway, and the runtime
//! moves everything else to its other threads meanwhile.

use std::fs::{DirBuilder, File, TryLockError};
use std::path::Path;
use std::{fmt, io};

use heed::byteorder::BE;
use heed::types::{DecodeIgnore, SerdeJson, Str, U64};
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, MdbError, RwTxn, WithoutTls};
use protocol::limit::{BATCH_FRAMES_MAX, FRAME_BYTES_MAX, OPEN_QUESTIONS_MAX};
use protocol::{Author, ClientFrame, ConversationId, Cursor, Envelope, GapReason, Resumed, Seq, encode};
use serde::{Deserialize, Serialize};

use crate::files;
use crate::history::{History, Turn};

/// The embedded store. One process per directory, which the lock file ensures.
pub struct Store {
    env: Env<WithoutTls>,
    /// `cursor` and `epoch`.
    meta: Database<'static, Str, SerdeJson<Meta>>,
    /// Questions without a final answer, by seq.
    inbox: Database<'static, U64<BE>, SerdeJson<Envelope>>,
    /// Final answers that the relay has not accepted, by the question's seq.
    outbox: Database<'static, U64<BE>, SerdeJson<ClientFrame>>,
    /// The latest turns of each conversation.
    turns: Database<'static, Str, SerdeJson<History>>,
    /// Held until the process ends, however it ends.
    _lock: File,
}

/// What a `welcome` did to the store.
#[derive(Debug, PartialEq, Eq)]
pub enum Welcomed {
    /// Another timeline: everything of the old one is gone.
    Cleared,
    /// Questions from this one on do not exist any more.
    DroppedFrom(Seq),
    /// Nothing was lost.
    Kept,
}

/// What a WebSocket message brought.
#[derive(Debug)]
pub struct Received {
    /// Questions that were not known, in order.
    pub fresh: Vec<Envelope>,
    /// Everything up to here is stored and may be acknowledged.
    pub up_to: Seq,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Meta {
    Cursor(Cursor),
    Epoch(u64),
}

impl Store {
    /// Opens the store, making the directory (readable by its owner alone) when it is missing.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        Store::open_sized(dir, MAP_BYTES_MAX)
    }

    fn open_sized(dir: &Path, map_bytes: usize) -> Result<Store, StoreError> {
        let cannot_use = |error: io::Error| StoreError::Directory(dir.display().to_string(), error);
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(dir).map_err(cannot_use)?;
        let lock = File::options().create(true).write(true).truncate(false).open(dir.join("agent.lock"));
        let lock = lock.map_err(cannot_use)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => cannot_use(error),
            TryLockError::WouldBlock => StoreError::InUse(dir.display().to_string()),
        })?;

        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(map_bytes).max_dbs(4);
        // SAFETY: the map is sound while nobody but LMDB changes its file. The lock above keeps other agents out,
        // and LMDB's own locking, which is left on, orders the threads of this one.
        #[allow(unsafe_code)]
        let env = unsafe { options.open(dir) }?;
        let wtxn = env.write_txn()?;
        let (meta, inbox, outbox, turns) = env
            .create_databases_and_commit(wtxn, |open, wtxn| {
                let databases = (
                    open.create_database(wtxn, Some("meta"))?,
                    open.create_database(wtxn, Some("inbox"))?,
                    open.create_database(wtxn, Some("outbox"))?,
                    open.create_database(wtxn, Some("turns"))?,
                );
                Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(databases))
            })?
            .unwrap_commit();
        Ok(Store { env, meta, inbox, outbox, turns, _lock: lock })
    }

    /// What to say in `hello`; `None` before the first `welcome`.
    pub fn cursor(&self) -> Result<Option<Cursor>, StoreError> {
        let rtxn = self.env.read_txn()?;
        Ok(match self.meta.get(&rtxn, CURSOR)? {
            Some(Meta::Cursor(cursor)) => Some(cursor),
            _ => None,
        })
    }

    /// The relay does not know the cursor: the next `hello` goes without one. The epoch is kept, so that a change
    /// of timeline is still noticed.
    pub fn forget_cursor(&self) -> Result<(), StoreError> {
        let mut wtxn = self.env.write_txn()?;
        self.meta.delete(&mut wtxn, CURSOR)?;
        Ok(wtxn.commit()?)
    }

    /// Takes over what the relay says about the timeline (docs/protocol.md §5).
    pub fn welcome(&self, relay: Cursor, resumed: &Resumed) -> Result<Welcomed, StoreError> {
        let mut wtxn = self.env.write_txn()?;
        let known_epoch = match self.meta.get(&wtxn, EPOCH)? {
            Some(Meta::Epoch(epoch)) => Some(epoch),
            _ => None,
        };
        let own = match self.meta.get(&wtxn, CURSOR)? {
            Some(Meta::Cursor(cursor)) if cursor.epoch == relay.epoch => Some(cursor.seq),
            _ => None,
        };
        let (seq, epoch_gap) = match *resumed {
            Resumed::Continued { after } => (own.unwrap_or(after), false),
            Resumed::Started { after } => (after, false),
            Resumed::Gap { from, reason: GapReason::Ahead, .. } => (Seq(from.0.saturating_sub(1)), false),
            Resumed::Gap { to, reason, .. } => (to, reason == GapReason::Epoch),
        };
        let welcomed = if epoch_gap || known_epoch.is_some_and(|epoch| epoch != relay.epoch) {
            self.inbox.clear(&mut wtxn)?;
            self.outbox.clear(&mut wtxn)?;
            self.turns.clear(&mut wtxn)?;
            Welcomed::Cleared
        } else if let Resumed::Gap { from, reason: GapReason::Ahead, .. } = *resumed {
            // The relay will give these numbers to other questions.
            self.inbox.delete_range(&mut wtxn, &(from.0..))?;
            self.outbox.delete_range(&mut wtxn, &(from.0..))?;
            Welcomed::DroppedFrom(from)
        } else {
            Welcomed::Kept
        };
        self.meta.put(&mut wtxn, EPOCH, &Meta::Epoch(relay.epoch))?;
        self.put_cursor(&mut wtxn, Cursor { epoch: relay.epoch, seq })?;
        wtxn.commit()?;
        Ok(welcomed)
    }

    /// Stores the questions of one WebSocket message and moves the cursor, in one commit. Known ones are skipped.
    pub fn receive(&self, messages: Vec<Envelope>) -> Result<Received, StoreError> {
        let mut wtxn = self.env.write_txn()?;
        let Some(Meta::Cursor(mut cursor)) = self.meta.get(&wtxn, CURSOR)? else {
            return Err(StoreError::NotWelcomed);
        };
        let mut fresh = Vec::new();
        for message in messages {
            let seq = message.seq;
            if seq <= cursor.seq {
                continue;
            }
            cursor.seq = seq;
            // After a `hello` without cursor the relay repeats every open question, also those already held here.
            let held = self.inbox.get(&wtxn, &seq.0)?.is_some() || self.outbox.get(&wtxn, &seq.0)?.is_some();
            if !held && matches!(message.from, Author::User { .. }) {
                self.inbox.put(&mut wtxn, &seq.0, &message)?;
                fresh.push(message);
            }
        }
        self.put_cursor(&mut wtxn, cursor)?;
        wtxn.commit()?;
        Ok(Received { fresh, up_to: cursor.seq })
    }

    /// Every question without a final answer, in order: its seq and its conversation.
    pub fn open_questions(&self) -> Result<Vec<(Seq, ConversationId)>, StoreError> {
        let rtxn = self.env.read_txn()?;
        self.inbox.iter(&rtxn)?.map(|row| Ok(row.map(|(seq, question)| (Seq(seq), question.conversation))?)).collect()
    }

    /// Questions whose answer was not accepted, answered or not: the oldest, as many as a `hello` may name.
    pub fn held(&self) -> Result<Vec<Seq>, StoreError> {
        let rtxn = self.env.read_txn()?;
        let inbox = self.inbox.remap_data_type::<DecodeIgnore>();
        let outbox = self.outbox.remap_data_type::<DecodeIgnore>();
        let rows = inbox.iter(&rtxn)?.chain(outbox.iter(&rtxn)?);
        let mut held = rows.map(|row| row.map(|(seq, ())| Seq(seq))).collect::<Result<Vec<_>, _>>()?;
        held.sort_unstable();
        held.truncate(OPEN_QUESTIONS_MAX);
        Ok(held)
    }

    /// An open question and at most `turns_max` turns of its conversation's session before it.
    pub fn question(&self, seq: Seq, turns_max: usize) -> Result<Option<(Envelope, Vec<Turn>)>, StoreError> {
        let rtxn = self.env.read_txn()?;
        let Some(question) = self.inbox.get(&rtxn, &seq.0)? else { return Ok(None) };
        let history = self.turns.get(&rtxn, question.conversation.as_str())?.unwrap_or_default();
        let turns = history.before(question.session, turns_max);
        Ok(Some((question, turns)))
    }

    /// The final answer is known: in one commit it enters the outbox, the question leaves the inbox, and a `reply`
    /// joins the conversation's turns. Failures do not: models expect questions and answers to alternate.
    pub fn finish(&self, seq: Seq, answer: &ClientFrame) -> Result<(), StoreError> {
        let mut wtxn = self.env.write_txn()?;
        if let (Some(question), ClientFrame::Reply { text, files, .. }) = (self.inbox.get(&wtxn, &seq.0)?, answer) {
            self.remember(&mut wtxn, question, files::text_with(text.clone(), files))?;
        }
        self.inbox.delete(&mut wtxn, &seq.0)?;
        self.outbox.put(&mut wtxn, &seq.0, answer)?;
        Ok(wtxn.commit()?)
    }

    /// These questions are over: whatever is held of them goes, question or answer. No turn of theirs is left either.
    pub fn stop(&self, questions: &[Seq]) -> Result<(), StoreError> {
        let mut wtxn = self.env.write_txn()?;
        let mut answered = Vec::new();
        for &seq in questions {
            self.inbox.delete(&mut wtxn, &seq.0)?;
            if self.outbox.delete(&mut wtxn, &seq.0)? {
                answered.push(seq);
            }
        }
        // An answer does not say its conversation. It is rarely stopped between its end and its `accepted`.
        if !answered.is_empty() {
            let mut changed = Vec::new();
            for row in self.turns.iter(&wtxn)? {
                let (conversation, mut history) = row?;
                if history.forget(&answered) {
                    changed.push((conversation.to_owned(), history));
                }
            }
            for (conversation, history) in changed {
                self.turns.put(&mut wtxn, &conversation, &history)?;
            }
        }
        Ok(wtxn.commit()?)
    }

    /// The relay has these answers, or will never take them.
    pub fn settle(&self, questions: &[Seq]) -> Result<(), StoreError> {
        let mut wtxn = self.env.write_txn()?;
        for seq in questions {
            self.outbox.delete(&mut wtxn, &seq.0)?;
        }
        Ok(wtxn.commit()?)
    }

    /// The relay will not take this `reply`: a `fail` takes its place. False if there is no `reply`.
    pub fn replace(&self, seq: Seq, fail: &ClientFrame) -> Result<bool, StoreError> {
        let mut wtxn = self.env.write_txn()?;
        if !matches!(self.outbox.get(&wtxn, &seq.0)?, Some(ClientFrame::Reply { .. })) {
            return Ok(false);
        }
        self.outbox.put(&mut wtxn, &seq.0, fail)?;
        wtxn.commit()?;
        Ok(true)
    }

    /// Undelivered answers after `seq`, in order: as many as fit one batch, at least one if there is one.
    pub fn outbox_after(&self, seq: Option<Seq>) -> Result<Vec<(Seq, ClientFrame)>, StoreError> {
        let rtxn = self.env.read_txn()?;
        let first = seq.map_or(0, |seq| seq.0.saturating_add(1));
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for row in self.outbox.range(&rtxn, &(first..))?.take(BATCH_FRAMES_MAX) {
            let (seq, frame) = row?;
            bytes += encode(&frame).len();
            if bytes > FRAME_BYTES_MAX && !batch.is_empty() {
                break;
            }
            batch.push((Seq(seq), frame));
        }
        Ok(batch)
    }

    fn put_cursor(&self, wtxn: &mut RwTxn<'_>, cursor: Cursor) -> Result<(), StoreError> {
        Ok(self.meta.put(wtxn, CURSOR, &Meta::Cursor(cursor))?)
    }

    fn remember(&self, wtxn: &mut RwTxn<'_>, question: Envelope, answer: String) -> Result<(), StoreError> {
        let conversation = question.conversation.clone();
        let known = self.turns.get(wtxn, conversation.as_str())?;
        if known.is_none() && self.turns.len(wtxn)? >= CONVERSATIONS_MAX {
            let rows = self.turns.iter(wtxn)?.map(|row| row.map(|(at, history)| (history.latest, at.to_owned())));
            if let Some((_, oldest)) = rows.collect::<Result<Vec<_>, _>>()?.into_iter().min() {
                self.turns.delete(wtxn, &oldest)?;
            }
        }
        let mut history = known.unwrap_or_default();
        history.push(question, answer);
        Ok(self.turns.put(wtxn, conversation.as_str(), &history)?)
    }
}

/// Why the store cannot go on. The program ends then: nothing may be acknowledged that is not stored.
#[derive(Debug)]
pub enum StoreError {
    /// The directory cannot be made, read or written.
    Directory(String, io::Error),
    /// [`MAP_BYTES_MAX`] is reached.
    Full,
    /// Another process holds the directory.
    InUse(String),
    /// LMDB's own words.
    Lmdb(heed::Error),
    /// A message came before the first `welcome`: the caller's mistake.
    NotWelcomed,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Directory(dir, error) => {
                write!(f, "cannot use the state directory {dir} ({error}): choose another with --state-dir")
            }
            StoreError::Full => write!(
                f,
                "the state directory is full ({} MiB): pass another --state-dir, or delete it (what waits in it is lost)",
                MAP_BYTES_MAX >> 20
            ),
            StoreError::InUse(dir) => write!(
                f,
                "another claw-agent is running on the state directory {dir}: stop it, or pass another --state-dir"
            ),
            StoreError::Lmdb(error) => write!(f, "cannot store on disk ({error}): check its space and permissions"),
            StoreError::NotWelcomed => f.write_str("a message was to be stored before the relay said welcome"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<heed::Error> for StoreError {
    fn from(error: heed::Error) -> StoreError {
        match error {
            heed::Error::Mdb(MdbError::MapFull) => StoreError::Full,
            other => StoreError::Lmdb(other),
        }
    }
}

/// Size of the map, and so of the file, which is sparse and grows as needed.
pub const MAP_BYTES_MAX: usize = 1 << 30;
/// Conversations whose turns are remembered; beyond it the one that was silent longest is forgotten.
const CONVERSATIONS_MAX: u64 = 1_000;
const CURSOR: &str = "cursor";
const EPOCH: &str = "epoch";

#[cfg(test)]
mod tests {
    use super::*;

    fn question(seq: u64, conversation: &str) -> Envelope {
        let text = format!(
            r#"{{"seq":{seq},"id":"m-{seq}","conversation":"{conversation}","from":{{"kind":"user","via":"web"}},"at_ms":1,"text":"q{seq}"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn reply(seq: u64, text: &str) -> ClientFrame {
        ClientFrame::Reply { reply_to: Seq(seq), text: text.into(), files: Vec::new(), buttons: Vec::new() }
    }

    fn cursor(text: &str) -> Cursor {
        text.parse().unwrap()
    }

    fn seqs(received: &Received) -> Vec<u64> {
        received.fresh.iter().map(|question| question.seq.0).collect()
    }

    const STARTED: Resumed = Resumed::Started { after: Seq(0) };

    #[test]
    fn everything_survives_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.cursor().unwrap(), None);
        assert!(matches!(store.receive(vec![question(1, "a")]), Err(StoreError::NotWelcomed)));
        assert_eq!(store.welcome(cursor("9.3"), &STARTED).unwrap(), Welcomed::Kept);
        assert_eq!(seqs(&store.receive(vec![question(1, "a"), question(3, "b")]).unwrap()), [1, 3]);
        store.finish(Seq(1), &reply(1, "r1")).unwrap();
        drop(store);

        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.cursor().unwrap(), Some(cursor("9.3")));
        assert_eq!(store.open_questions().unwrap(), [(Seq(3), "b".parse().unwrap())]);
        assert_eq!(store.outbox_after(None).unwrap(), [(Seq(1), reply(1, "r1"))]);
        let received = store.receive(vec![question(3, "b"), question(4, "a")]).unwrap();
        assert_eq!((seqs(&received), received.up_to), (vec![4], Seq(4)));
        let (_, turns) = store.question(Seq(4), 10).unwrap().unwrap();
        assert_eq!(turns, [Turn { seq: Seq(1), question: "q1".into(), answer: "r1".into() }]);
        assert!(store.question(Seq(4), 0).unwrap().unwrap().1.is_empty());
        store.settle(&[Seq(1)]).unwrap();
        assert!(store.outbox_after(None).unwrap().is_empty());
        assert!(!store.replace(Seq(1), &reply(1, "x")).unwrap());
    }

    #[test]
    fn a_second_process_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _store = Store::open(dir.path()).unwrap();
        assert!(matches!(Store::open(dir.path()), Err(StoreError::InUse(_))));
    }

    #[test]
    fn held_questions_are_not_run_again_without_a_cursor() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.welcome(cursor("9.0"), &STARTED).unwrap();
        store.receive(vec![question(1, "a"), question(2, "a")]).unwrap();
        store.finish(Seq(1), &reply(1, "r")).unwrap();
        store.forget_cursor().unwrap();
        assert_eq!(store.welcome(cursor("9.3"), &STARTED).unwrap(), Welcomed::Kept);
        let received = store.receive(vec![question(1, "a"), question(2, "a"), question(3, "a")]).unwrap();
        assert_eq!(seqs(&received), [3]);
    }

    #[test]
    fn a_stopped_question_is_gone_for_good_whatever_became_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.welcome(cursor("9.0"), &STARTED).unwrap();
        store.receive((1..=4).map(|seq| question(seq, "a")).collect()).unwrap();
        store.finish(Seq(1), &reply(1, "r1")).unwrap();
        store.finish(Seq(3), &reply(3, "r3")).unwrap();
        assert_eq!(store.held().unwrap(), [1, 2, 3, 4].map(Seq));
        store.stop(&[2, 3, 99].map(Seq)).unwrap();
        drop(store);

        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.held().unwrap(), [1, 4].map(Seq));
        assert_eq!(store.outbox_after(None).unwrap(), [(Seq(1), reply(1, "r1"))]);
        assert_eq!(store.open_questions().unwrap(), [(Seq(4), "a".parse().unwrap())]);
        assert!(store.receive(vec![question(2, "a")]).unwrap().fresh.is_empty());
        assert!(store.question(Seq(2), 9).unwrap().is_none());
        let (_, turns) = store.question(Seq(4), 9).unwrap().unwrap();
        assert_eq!(turns.iter().map(|turn| turn.seq).collect::<Vec<_>>(), [Seq(1)]);
    }

    #[test]
    fn a_hello_names_the_oldest_held() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.welcome(cursor("9.0"), &STARTED).unwrap();
        assert!(store.held().unwrap().is_empty());
        let last = OPEN_QUESTIONS_MAX as u64 + 9;
        store.receive((1..=last).map(|seq| question(seq, "a")).collect()).unwrap();
        store.finish(Seq(5), &reply(5, "r")).unwrap();
        store.finish(Seq(last), &reply(last, "r")).unwrap();
        let oldest: Vec<_> = (1..=OPEN_QUESTIONS_MAX as u64).map(Seq).collect();
        assert_eq!(store.held().unwrap(), oldest);
    }

    #[test]
    fn gaps() {
        let check = |relay: &str, resumed: Resumed, expected: Welcomed, expected_cursor: &str, open: usize| {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path()).unwrap();
            store.welcome(cursor("9.0"), &STARTED).unwrap();
            store.receive(vec![question(1, "a"), question(2, "a"), question(3, "a")]).unwrap();
            store.finish(Seq(2), &reply(2, "r")).unwrap();
            assert_eq!(store.welcome(cursor(relay), &resumed).unwrap(), expected);
            assert_eq!(store.cursor().unwrap(), Some(cursor(expected_cursor)));
            assert_eq!(store.open_questions().unwrap().len() + store.outbox_after(None).unwrap().len(), open);
        };
        let gap = |from, to, reason| Resumed::Gap { from: Seq(from), to: Seq(to), reason };
        check("9.7", Resumed::Continued { after: Seq(3) }, Welcomed::Kept, "9.3", 3);
        check("9.9", gap(4, 7, GapReason::Trimmed), Welcomed::Kept, "9.7", 3);
        check("9.1", gap(2, 3, GapReason::Ahead), Welcomed::DroppedFrom(Seq(2)), "9.1", 1);
        check("10.5", gap(1, 0, GapReason::Epoch), Welcomed::Cleared, "10.0", 0);
        check("10.5", Resumed::Started { after: Seq(4) }, Welcomed::Cleared, "10.4", 0);
    }

    #[test]
    fn batches_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.welcome(cursor("9.0"), &STARTED).unwrap();
        store.receive((1..=70).map(|seq| question(seq, "a")).collect()).unwrap();
        (1..=70).for_each(|seq| store.finish(Seq(seq), &reply(seq, "r")).unwrap());
        let batch = store.outbox_after(None).unwrap();
        assert_eq!(batch.len(), BATCH_FRAMES_MAX);
        let rest = store.outbox_after(batch.last().map(|(seq, _)| *seq)).unwrap();
        assert_eq!(rest.first().map(|(seq, _)| *seq), Some(Seq(65)));
    }

    #[test]
    fn a_full_store_says_so_and_keeps_what_it_had() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_sized(dir.path(), 1 << 20).unwrap();
        store.welcome(cursor("9.0"), &STARTED).unwrap();
        store.receive(vec![question(1, "a")]).unwrap();
        let big = Envelope { text: "x".repeat(2 << 20), ..question(2, "a") };
        assert!(matches!(store.receive(vec![big]), Err(StoreError::Full)));
        assert_eq!(store.cursor().unwrap(), Some(cursor("9.1")));
    }

    #[test]
    fn the_stored_form_is_pinned() {
        // Whoever changes this makes an agent forget what it held before the update.
        assert_eq!(serde_json::to_string(&Meta::Cursor(cursor("9.3"))).unwrap(), r#""9.3""#);
        assert_eq!(serde_json::to_string(&Meta::Epoch(9)).unwrap(), "9");
    }
}
