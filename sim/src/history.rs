//! A timeline from before the first event. Not every message: limits count places, so a few hundred messages before
//! and after a hole are as good as twenty thousand.

use relay::limit::{AGENT_QUESTIONS_MAX, DEDUPE_MS_MIN, HISTORY_MESSAGES_MAX, TIMELINE_MESSAGES_MAX};

use crate::faults::History;
use crate::world::World;

impl World {
    /// Stores what the profile asks for.
    pub fn begin_history(&mut self) {
        let now = self.clock.now().0;
        match self.profile.history {
            History::Empty => return,
            History::Full => {
                self.store_history(1, 300, now - 3_600_000, 100);
                let head = TIMELINE_MESSAGES_MAX - self.random.between(5, 60);
                self.store_history(head - 20, head, now - 1_000_000, 30);
            }
            History::Long => {
                let count = self.random.between(200, 700);
                self.store_history(1, count, now - 1_000_000, 40);
            }
            History::Queue => {
                let open = AGENT_QUESTIONS_MAX as u64 - self.random.between(0, 100);
                self.store_history(1, open, now - 1_000_000, 1);
            }
            History::Trims => {
                let old = self.random.between(100, 500);
                self.store_history(1, old, now - DEDUPE_MS_MIN - 3_600_000, 30);
                self.store_history(old + 1, 600, now - DEDUPE_MS_MIN + 3_600_000, 30);
                let head = HISTORY_MESSAGES_MAX + self.random.between(100, 500);
                self.store_history(head - 20, head, now - 1_000_000, 30);
            }
        }
        self.check.truth.load(&self.shell.sql);
        self.shell.core = None;
    }

    /// Messages `from..=to`, of which every so many is an open question.
    fn store_history(&mut self, from: u64, to: u64, at_ms: u64, open_every: u64) {
        let sql = self.shell.sql.clone();
        sql.begin(None);
        for seq in from..=to {
            let outcome = if seq % open_every == 0 { None } else { Some("failed") };
            let parameters =
                (seq as i64, format!("old-{seq}"), format!("web-{}", seq % 3), (at_ms + seq) as i64, outcome);
            sql.write(INSERT, parameters);
        }
        sql.commit();
    }
}

const INSERT: &str = "insert into messages (seq, id, conversation, session, author, via, at_ms, text, outcome, trimmed)
    values (?, ?, ?, 0, 'user', 'web', ?, 'old', ?, 0)";
