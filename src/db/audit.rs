//! What was done. Each entry is written in one transaction with the deed that it tells of: neither is there without the
//! other.

use std::time::Duration;

use protocol::api::AuditEntry;
use protocol::from_json;
use relay::auth::audit::{BEGINNING, Entry, hash};

use super::*;
use crate::clock::random_bytes;
use crate::runtime::Delay;

/// What someone does, as the audit log will tell it.
#[derive(Clone, Debug)]
pub struct Deed {
    by: String,
    action: &'static str,
    subject: Option<String>,
    detail: Option<String>,
    at: Timestamp,
}

impl Deed {
    /// `by`: an `audit_id`. `action`: `noun.verb`.
    pub fn new(by: &str, action: &'static str, at: Timestamp) -> Deed {
        Deed { by: by.to_owned(), action, subject: None, detail: None, at }
    }

    /// To what.
    pub fn to(mut self, subject: &str) -> Deed {
        self.subject = Some(subject.to_owned());
        self
    }

    /// In which way.
    pub fn with(mut self, detail: &str) -> Deed {
        self.detail = Some(detail.to_owned());
        self
    }
}

/// Statements that are one deed.
pub(super) type Statements<'a> = &'a [(&'a str, &'a [JsValue])];

/// Does a deed: runs statements in one transaction, with an entry in the log if the first of them changes anything.
/// What follows the first must itself change nothing when that one does not. Answers the rows of each.
pub(super) fn done(db: &D1Database, deed: Deed, statements: Statements<'_>) -> Asked<Vec<String>> {
    let (db, bound) = (db.clone(), bind_all(db, statements));
    Box::pin(async move {
        let bound = bound?;
        let (deciding, following) = bound.split_at(bound.len().min(1));
        try_done(&db, &deed, deciding, following).await
    })
}

/// Does a deed that is told whatever it changes.
pub(super) fn done_anyway(db: &D1Database, deed: Deed, statements: Statements<'_>) -> Asked<Vec<String>> {
    let (db, bound) = (db.clone(), bind_all(db, statements));
    Box::pin(async move { try_done(&db, &deed, &[], &bound?).await })
}

/// Does a deed whose first statement ends with `returning`: whether that changed anything.
pub(super) fn did_all(db: &D1Database, deed: Deed, statements: Statements<'_>) -> Asked<bool> {
    let done = done(db, deed, statements);
    Box::pin(async move { has_rows(done.await?.first()) })
}

/// The same, of one statement.
pub(super) fn did(db: &D1Database, deed: Deed, statement: &str, values: &[JsValue]) -> Asked<bool> {
    did_all(db, deed, &[(statement, values)])
}

/// Whether a statement that ends with `returning` changed anything.
pub(super) fn has_rows(rows: Option<&String>) -> Result<bool, Error> {
    Ok(!read::<Json>(rows.map_or("[]", String::as_str))?.is_empty())
}

/// Tells of something that changes nothing in D1.
pub fn tell_audit(db: &D1Database, deed: Deed) -> Asked<()> {
    let done = done_anyway(db, deed, &[]);
    Box::pin(async move { done.await.map(drop) })
}

fn bind_all(db: &D1Database, statements: Statements<'_>) -> Result<Vec<D1PreparedStatement>, Error> {
    statements.iter().map(|(text, values)| bind(db, text, values)).collect()
}

async fn try_done(
    db: &D1Database,
    deed: &Deed,
    deciding: &[D1PreparedStatement],
    following: &[D1PreparedStatement],
) -> Result<Vec<String>, Error> {
    struct Last {
        seq: u64,
        hash: String,
    }
    from_json! { struct Last { seq, hash } }
    let append = if deciding.is_empty() { APPEND } else { APPEND_IF_CHANGED };
    // Whoever comes first takes the place in the chain; the others look again, and nothing of theirs is done until then.
    for _ in 0..TRIES_MAX {
        let last = first::<Last>(db, LAST, &[]).await?;
        let (seq, previous) = last.map_or((1, BEGINNING.to_owned()), |last| (last.seq + 1, last.hash));
        let Deed { by, action, subject, detail, at } = deed;
        let (subject, detail) = (subject.as_deref(), detail.as_deref());
        let entry = Entry { seq, at: *at, actor: by, action, subject, detail };
        let values = [
            number(seq),
            time(*at),
            text(by),
            text(action),
            optional(subject),
            optional(detail),
            text(hash(&previous, &entry)),
        ];
        match db.batch(&[deciding, &[bind(db, append, &values)?], following].concat()).await {
            Ok(mut rows) => {
                rows.remove(deciding.len());
                return Ok(rows);
            }
            // SQLite's words for: another entry has this number.
            Err(error) if error.to_string().contains("UNIQUE constraint failed: audit.seq") => {}
            Err(error) => return Err(unavailable(error)),
        }
        let [random] = random_bytes::<1>()?;
        Delay::from(Duration::from_millis(u64::from(random) / 8)).await;
    }
    Err(Error::unavailable("the audit log is busy", "too many at once"))
}

/// A page of the log, oldest first, after this entry.
pub fn audit_after(db: &D1Database, after: u64, limit: u64) -> Asked<Vec<AuditEntry>> {
    all(db, AUDIT_AFTER, &[number(after), number(limit)])
}

/// A page of the log, newest first, before this entry.
pub fn audit_before(db: &D1Database, before: u64, limit: u64) -> Asked<Vec<AuditEntry>> {
    all(db, AUDIT_BEFORE, &[number(before), number(limit)])
}

statements! {
    LAST = "select seq, hash from audit order by seq desc limit 1";
    APPEND = "insert into audit (seq, at_ms, actor, action, subject, detail, hash) values (?, ?, ?, ?, ?, ?, ?)";
    APPEND_IF_CHANGED = "insert into audit (seq, at_ms, actor, action, subject, detail, hash)
        select ?, ?, ?, ?, ?, ?, ? where changes() > 0";
    AUDIT_AFTER = "select seq, at_ms, actor, action, subject, detail, hash from audit where seq > ?
        order by seq limit ?";
    AUDIT_BEFORE = "select seq, at_ms, actor, action, subject, detail, hash from audit where seq < ?
        order by seq desc limit ?";
}

/// So many at once: one gets its place in each round.
const TRIES_MAX: u32 = 300;
