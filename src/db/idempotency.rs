//! What was answered to a POST with an `Idempotency-Key`.

use protocol::{Timestamp, UserId, from_json};

use super::*;

/// What is known of a POST.
pub struct Answered {
    /// Of its body.
    pub body_hash: String,
    /// The answer's status; none while it is made.
    pub status: Option<u16>,
    /// The answer's body, sealed.
    pub answer: Option<String>,
}

from_json! { struct Answered { body_hash, status, answer } }

/// Begins a POST: true when it is the first with this key, or the first one broke off a minute ago. Forgets those of the user that are older than `before`.
pub async fn begin_post(
    db: &D1Database,
    key: &str,
    user: &UserId,
    body_hash: &str,
    now: Timestamp,
    before: Timestamp,
) -> Result<bool, Error> {
    run(db, FORGET_POSTS, &[text(user), time(before)]).await?;
    changed(db, BEGIN_POST, &[text(key), text(user), text(body_hash), time(now)]).await
}

/// What is known of a POST.
pub fn answered(db: &D1Database, key: &str) -> Asked<Option<Answered>> {
    first(db, ANSWERED, &[text(key)])
}

/// Keeps what a POST was answered.
pub fn end_post(db: &D1Database, key: &str, status: u16, sealed: &str) -> Asked<()> {
    run(db, END_POST, &[number(u64::from(status)), text(sealed), text(key)])
}

/// Forgets a POST that failed by a fault of ours: it may be tried again.
pub fn forget_post(db: &D1Database, key: &str) -> Asked<()> {
    run(db, FORGET_POST, &[text(key)])
}

statements! {
    FORGET_POSTS = "delete from idempotency where user_id = ? and created_ms < ?";
    BEGIN_POST = "insert into idempotency (key, user_id, body_hash, created_ms) values (?1, ?2, ?3, ?4)
        on conflict do update set created_ms = ?4 where status is null and body_hash = ?3 and created_ms < ?4 - 60000
        returning key";
    ANSWERED = "select body_hash, status, answer from idempotency where key = ?";
    END_POST = "update idempotency set status = ?, answer = ? where key = ?";
    FORGET_POST = "delete from idempotency where key = ?";
}
