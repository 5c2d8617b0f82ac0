//! What is committed: the checker's own copy of the tables, brought up to date after each transaction, and the rules
//! that every transaction must keep.

use std::collections::{BTreeMap, BTreeSet};

use protocol::limit::{OPEN_QUESTIONS_MAX, TEXT_BYTES_MAX};
use relay::limit::{CONVERSATION_QUESTIONS_MAX, DEDUPE_MS_MIN, HISTORY_MESSAGES_MAX};

use crate::check::Broken;
use crate::clock::SKEW_MS_MAX;
use crate::sqlite::{Sqlite, Touched};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select seq, id, conversation, author, author_name, in_group, agent, reply_to, at_ms, text, ",
            "origin_message, outcome, reason from messages ",
            $rest
        )
    };
}

/// A message as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place.
    pub seq: u64,
    /// Its idempotency key.
    pub id: String,
    /// Its thread.
    pub conversation: String,
    /// `user`, `agent` or `relay`.
    pub author: String,
    /// What a person is called.
    pub name: Option<String>,
    /// Whether they wrote in a group.
    pub in_group: bool,
    /// Whom a question is meant for.
    pub agent: Option<String>,
    /// The question that it answers.
    pub reply_to: Option<u64>,
    /// When it was accepted.
    pub at_ms: u64,
    /// What it says.
    pub text: String,
    /// The platform's message that it was.
    pub origin: Option<String>,
    /// How a question ended.
    pub outcome: Option<String>,
    /// Why it failed.
    pub reason: Option<String>,
}

impl Row {
    /// Written by a person.
    pub fn is_question(&self) -> bool {
        self.author == "user"
    }

    /// Taken back by its writer, and its text with it.
    pub fn is_recalled(&self) -> bool {
        self.outcome.as_deref() == Some("stopped") && self.text.is_empty()
    }

    /// The question that it answers, if it is not only a word about it.
    fn answers(&self) -> Option<u64> {
        self.reply_to.filter(|_| self.id.starts_with("reply:"))
    }
}

/// Everything committed so far, also what was trimmed since.
#[derive(Default)]
pub struct Truth {
    /// Every message ever, by place.
    pub rows: BTreeMap<u64, Row>,
    /// Places that were trimmed.
    pub trimmed: BTreeSet<u64>,
    /// Places by id.
    pub places: BTreeMap<String, u64>,
    /// Questions without an outcome.
    pub open: BTreeSet<u64>,
    /// Question → its final answer.
    pub answers: BTreeMap<u64, u64>,
    /// How long a question may wait.
    pub ttl_ms: u64,
    /// Conversation → the newest word about a failure, until there is an answer again.
    pub warned: BTreeMap<String, u64>,
    /// Answer → when it is due at its platform.
    pub deliveries: BTreeMap<u64, u64>,
    /// What was said unasked and is or was on its way to a chat → the question that it goes beside.
    pub beside: BTreeMap<u64, u64>,
    /// Answer → when it was not on its way any more, by the relay's clock.
    pub left: BTreeMap<u64, u64>,
    /// Agent → how far it has stored its questions.
    pub acked: BTreeMap<String, u64>,
    /// The timeline's epoch.
    pub epoch: u64,
    /// Everything up to here was trimmed, except what is not finished.
    pub trimmed_upto: u64,
    /// Questions that the last transaction ended.
    pub ended: BTreeSet<u64>,
    /// Messages that the last transaction stored.
    pub fresh: Vec<u64>,
}

impl Truth {
    /// The newest message.
    pub fn head(&self) -> u64 {
        self.rows.keys().next_back().copied().unwrap_or(0)
    }

    /// The open questions of an agent.
    pub fn open_of(&self, agent: &str) -> impl Iterator<Item = &Row> {
        self.open.iter().map(|seq| &self.rows[seq]).filter(move |row| row.agent.as_deref() == Some(agent))
    }

    /// Messages after `after` that are still there.
    pub fn next_row(&self, after: u64) -> Option<&Row> {
        self.rows.range(after + 1..).find(|(seq, _)| !self.trimmed.contains(seq)).map(|(_, row)| row)
    }

    /// The first message of each conversation that waits for its platform: only that one may be handed over.
    pub fn first_deliveries(&self) -> BTreeMap<&str, u64> {
        let mut first = BTreeMap::new();
        for &seq in self.deliveries.keys() {
            first.entry(self.rows[&seq].conversation.as_str()).or_insert(seq);
        }
        first
    }

    /// When the core's alarm must be set to, if at all.
    pub fn next_due(&self) -> Option<u64> {
        self.first_deliveries().values().map(|seq| self.deliveries[seq]).min()
    }

    /// Takes over what a transaction committed.
    pub fn sync(&mut self, sql: &Sqlite, now: u64, touched: &[Touched]) -> Result<(), Broken> {
        self.ended.clear();
        self.fresh.clear();
        if touched.is_empty() && self.epoch != 0 {
            return Ok(());
        }
        if self.epoch == 0 {
            let epoch = sql.read("select value from meta where key = 'epoch'", [], |row| row.get::<_, i64>(0));
            self.epoch = epoch[0] as u64;
        }
        let mut gone = Vec::new();
        if self.head() >= HISTORY_MESSAGES_MAX {
            let before = self.trimmed_upto;
            let upto = sql.read(TRIMMED, [], |row| row.get::<_, i64>(0));
            self.trimmed_upto = upto.first().map_or(0, |&upto| upto as u64);
            // A row that a new message took over: only the new one was touched.
            let passed = self.rows.range(before + 1..self.trimmed_upto.max(before) + 1).map(|(&seq, _)| seq);
            gone.extend(passed.filter(|seq| !self.trimmed.contains(seq) && read_row(sql, *seq).is_none()));
        }
        if touched.contains(&Touched::Agents) {
            let pair = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64));
            self.acked = sql.read("select id, acked from agents", [], pair).into_iter().collect();
        }
        for &touched in touched {
            if let Touched::Message(seq) = touched {
                match read_row(sql, seq as u64) {
                    Some(row) => self.store(now, self.with_answer(row))?,
                    None if gone.contains(&(seq as u64)) => {}
                    None => gone.push(seq as u64),
                }
            }
        }
        for &touched in touched {
            if let Touched::Delivery(seq) = touched {
                let pair = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?));
                let rows = sql.read("select due_ms, beside from deliveries where seq = ?", [seq], pair);
                match rows.first() {
                    Some(&(due, beside)) => {
                        self.deliveries.insert(seq as u64, due as u64);
                        self.beside.extend(beside.map(|beside| (seq as u64, beside as u64)));
                    }
                    None => {
                        self.deliveries.remove(&(seq as u64));
                        self.left.insert(seq as u64, now);
                    }
                };
            }
        }
        for seq in gone {
            let dead = sql.read("select 1 from dead_letters where seq = ?", [seq as i64], |_| Ok(()));
            self.remove(now, seq, !dead.is_empty())?;
        }
        self.check_ends()
    }

    /// That a question was answered is not written down with it: its answer says so.
    fn with_answer(&self, mut row: Row) -> Row {
        let answer = self.answers.get(&row.seq).and_then(|answer| self.rows.get(answer));
        if row.outcome.is_none() && answer.is_some_and(|answer| answer.author == "agent") {
            row.outcome = Some("replied".to_owned());
        }
        row
    }

    fn store(&mut self, now: u64, row: Row) -> Result<(), Broken> {
        let seq = row.seq;
        if let Some(before) = self.rows.get(&seq) {
            let same = (&before.id, &before.text, &before.conversation, before.reply_to, before.at_ms)
                == (&row.id, &row.text, &row.conversation, row.reply_to, row.at_ms)
                && (&before.name, before.in_group) == (&row.name, row.in_group);
            let recalled = before.outcome.is_none() && row.is_recalled();
            if !same && !recalled {
                return Err(Broken::new("a stored message never changes", format!("{before:?} became {row:?}")));
            }
            let ended = before.outcome.is_none() && row.outcome.is_some();
            // An answer that its platform did not take can be replayed.
            let replayed = row.origin.is_some() && self.answers.contains_key(&seq);
            let revived = before.outcome.is_some() && row.outcome.is_none()
                || before.outcome.as_deref() == Some("failed")
                    && row.outcome.as_deref() == Some("replied")
                    && !replayed;
            if revived {
                return Err(Broken::new("an outcome is final", format!("{before:?} became {row:?}")));
            }
            let is_early = row.outcome.as_deref() == Some("expired") && now + 2 * SKEW_MS_MAX < row.at_ms + self.ttl_ms;
            if ended && is_early {
                return Err(Broken::new("a question expires after its time to live", format!("{row:?} at {now}")));
            }
            if ended {
                self.open.remove(&seq);
                self.ended.insert(seq);
            }
            self.rows.insert(seq, row);
            return Ok(());
        }
        self.insert(row)
    }

    fn insert(&mut self, row: Row) -> Result<(), Broken> {
        let seq = row.seq;
        if seq != self.head() + 1 {
            return Err(Broken::new("places have no holes", format!("{seq} after {}", self.head())));
        }
        if row.text.len() > TEXT_BYTES_MAX {
            return Err(Broken::new("texts are bounded", format!("{seq} has {} bytes", row.text.len())));
        }
        if let Some(place) = self.places.get(&row.id)
            && !self.trimmed.contains(place)
        {
            return Err(Broken::new("an id is stored once", format!("{} is at {place} and {seq}", row.id)));
        }
        if let Some(question) = row.reply_to {
            if !self.rows.get(&question).is_some_and(Row::is_question) {
                return Err(Broken::new("an answer answers a question", format!("{row:?}")));
            }
            if row.answers().is_some()
                && let Some(other) = self.answers.insert(question, seq)
            {
                return Err(Broken::new("one answer per question", format!("{question}: {other} and {seq}")));
            }
            if row.id.starts_with("notice:")
                && let Some(other) = self.warned.insert(row.conversation.clone(), seq)
            {
                let detail = format!("{} in {}: {other} and {seq}", row.text, row.conversation);
                return Err(Broken::new("a failure is told once, until there is an answer", detail));
            }
            if row.author == "agent" && self.rows[&question].outcome.as_deref() != Some("stopped") {
                self.warned.remove(&row.conversation);
            }
            if row.author == "agent" && self.open.remove(&question) {
                self.ended.insert(question);
                if let Some(asked) = self.rows.get_mut(&question) {
                    asked.outcome = Some("replied".to_owned());
                }
            }
        }
        if row.is_question() {
            match row.outcome {
                None => self.open.insert(seq),
                Some(_) => self.ended.insert(seq),
            };
            let here =
                self.open.iter().filter(|seq| self.rows.get(seq).is_some_and(|it| it.conversation == row.conversation));
            let here = here.count();
            if self.open.len() > OPEN_QUESTIONS_MAX || here > CONVERSATION_QUESTIONS_MAX {
                return Err(Broken::new("open questions are bounded", format!("{}, {here} here", self.open.len())));
            }
        }
        self.places.insert(row.id.clone(), seq);
        self.fresh.push(seq);
        self.rows.insert(seq, row);
        Ok(())
    }

    fn remove(&mut self, now: u64, seq: u64, is_dead: bool) -> Result<(), Broken> {
        // Perhaps it was answered by this very transaction.
        if let Some(answer) = self.answers.get(&seq)
            && self.open.remove(&seq)
        {
            let outcome = if self.rows[answer].author == "agent" { "replied" } else { "failed" };
            self.ended.insert(seq);
            if let Some(row) = self.rows.get_mut(&seq) {
                row.outcome = Some(outcome.to_owned());
            }
        }
        let Some(row) = self.rows.get(&seq) else { return Ok(()) };
        let awaited = self.deliveries.contains_key(&seq)
            || self.deliveries.keys().any(|delivery| self.beside.get(delivery) == Some(&seq))
            || self.answers.get(&seq).is_some_and(|answer| self.deliveries.contains_key(answer));
        if self.open.contains(&seq) || awaited || is_dead {
            return Err(Broken::new("what is not finished is not trimmed", format!("{row:?}")));
        }
        if row.at_ms + DEDUPE_MS_MIN > now + 2 * SKEW_MS_MAX {
            return Err(Broken::new("nothing younger than 72 h is trimmed", format!("{row:?} at {now}")));
        }
        if seq + HISTORY_MESSAGES_MAX > self.head() {
            return Err(Broken::new("history keeps 20,000 messages", format!("{seq} of {}", self.head())));
        }
        self.trimmed.insert(seq);
        Ok(())
    }

    /// An outcome and an answer come together.
    fn check_ends(&self) -> Result<(), Broken> {
        for seq in &self.ended {
            let row = &self.rows[seq];
            if row.outcome.as_deref() == Some("replied") && !self.answers.contains_key(seq) {
                return Err(Broken::new("replied means that there is an answer", format!("{row:?}")));
            }
        }
        for seq in &self.fresh {
            let row = &self.rows[seq];
            if let Some(question) = row.reply_to.filter(|question| self.open.contains(question)) {
                return Err(Broken::new("an answer ends its question", format!("{question} is open beside {row:?}")));
            }
            let asked = row.reply_to.map(|question| &self.rows[&question]);
            let is_part = row.author == "agent" && asked.is_some_and(|it| it.outcome.as_deref() == Some("stopped"));
            let has_origin = asked.is_some_and(|question| question.origin.is_some()) && !is_part;
            if has_origin && !self.deliveries.contains_key(seq) {
                return Err(Broken::new("an answer to a platform is on its way", format!("{row:?}")));
            }
        }
        Ok(())
    }

    /// Reads everything: before the first event, when there is history.
    pub fn load(&mut self, sql: &Sqlite) {
        let epoch = sql.read("select value from meta where key = 'epoch'", [], |row| row.get::<_, i64>(0));
        self.epoch = epoch[0] as u64;
        for row in read_rows(sql) {
            if row.is_question() && row.outcome.is_none() {
                self.open.insert(row.seq);
            }
            if let Some(question) = row.answers() {
                self.answers.insert(question, row.seq);
                self.open.remove(&question);
            }
            self.places.insert(row.id.clone(), row.seq);
            self.rows.insert(row.seq, row);
        }
    }

    /// Whether the tables are what the transactions made of them.
    pub fn check_whole(&self, sql: &Sqlite) -> Result<(), Broken> {
        let stored: Vec<Row> = read_rows(sql).into_iter().map(|row| self.with_answer(row)).collect();
        let known: Vec<&Row> = self.rows.values().filter(|row| !self.trimmed.contains(&row.seq)).collect();
        if let Some((a, b)) = stored.iter().zip(&known).find(|(a, b)| a != *b) {
            return Err(Broken::new("committed stays committed", format!("{a:?} was {b:?}")));
        }
        if stored.len() != known.len() {
            return Err(Broken::new("committed stays committed", format!("{} of {}", stored.len(), known.len())));
        }
        Ok(())
    }
}

fn read_row(sql: &Sqlite, seq: u64) -> Option<Row> {
    sql.read(select!("where seq = ?"), [seq as i64], row).pop()
}

fn read_rows(sql: &Sqlite) -> Vec<Row> {
    sql.read(select!("order by seq"), [], row)
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        seq: row.get::<_, i64>(0)? as u64,
        id: row.get(1)?,
        conversation: row.get(2)?,
        author: row.get(3)?,
        name: row.get(4)?,
        in_group: row.get(5)?,
        agent: row.get(6)?,
        reply_to: row.get::<_, Option<i64>>(7)?.map(|seq| seq as u64),
        at_ms: row.get::<_, i64>(8)? as u64,
        text: row.get(9)?,
        origin: row.get(10)?,
        outcome: row.get(11)?,
        reason: row.get(12)?,
    })
}

/// How far the timeline is trimmed: as the newest message was told, unless it was trimmed since.
const TRIMMED: &str = "select max(coalesce((select value from meta where key = 'trimmed'), 0),
    coalesce((select trimmed from messages order by seq desc limit 1), 0))";
