//! What was done.

use std::time::Duration;

use protocol::api::AuditEntry;
use protocol::from_json;
use relay::auth::audit::{BEGINNING, Entry, hash};

use super::*;
use crate::clock::random_bytes;
use crate::runtime::Delay;

/// Adds an entry to the chain.
pub async fn append_audit(
    db: &D1Database,
    actor: &str,
    action: &str,
    subject: Option<&str>,
    detail: Option<&str>,
    now: Timestamp,
) -> Result<(), Error> {
    struct Last {
        seq: u64,
        hash: String,
    }
    from_json! { struct Last { seq, hash } }
    // Whoever comes first takes the place; the others look again.
    for _ in 0..TRIES_MAX {
        let last = first::<Last>(db, LAST, &[]).await?;
        let (seq, previous) = last.map_or((1, BEGINNING.to_owned()), |last| (last.seq + 1, last.hash));
        let entry = Entry { seq, at: now, actor, action, subject, detail };
        let values = [
            number(seq),
            time(now),
            text(actor),
            text(action),
            optional(subject),
            optional(detail),
            text(hash(&previous, &entry)),
        ];
        if changed(db, APPEND, &values).await? {
            return Ok(());
        }
        let [random] = random_bytes::<1>()?;
        Delay::from(Duration::from_millis(u64::from(random) / 8)).await;
    }
    Err(Error::unavailable("the audit log is busy", "too many at once"))
}

/// A page of the log, oldest first.
pub fn audit(db: &D1Database, after: u64, limit: u64) -> Asked<Vec<AuditEntry>> {
    all(db, AUDIT, &[number(after), number(limit)])
}

statements! {
    LAST = "select seq, hash from audit order by seq desc limit 1";
    APPEND = "insert into audit (seq, at_ms, actor, action, subject, detail, hash) values (?, ?, ?, ?, ?, ?, ?)
        on conflict do nothing returning seq";
    AUDIT = "select seq, at_ms, actor, action, subject, detail, hash from audit where seq > ? order by seq limit ?";
}

/// So many at once: one gets its place in each round.
const TRIES_MAX: u32 = 300;
