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

/// Begins a POST: true when it is the first with this key, or the first one broke off a minute ago. Forgets those that
/// ended. `user`: who is signed in.
pub async fn begin_post(
    db: &D1Database,
    key: &str,
    user: Option<&UserId>,
    body_hash: &str,
    now: Timestamp,
    expires: Timestamp,
) -> Result<bool, Error> {
    run(db, FORGET_POSTS, &[time(now)]).await?;
    changed(db, BEGIN_POST, &[text(key), optional(user), text(body_hash), time(now), time(expires)]).await
}

/// What is known of a POST.
pub fn answered(db: &D1Database, key: &str) -> Asked<Option<Answered>> {
    first(db, ANSWERED, &[text(key)])
}

/// Keeps what a POST was answered. `user`: who was signed in by it.
pub fn end_post(db: &D1Database, key: &str, status: u16, sealed: &str, user: Option<&UserId>) -> Asked<()> {
    run(db, END_POST, &[number(u64::from(status)), text(sealed), optional(user), text(key)])
}

/// Forgets a POST that did nothing: it may be tried again.
pub fn forget_post(db: &D1Database, key: &str) -> Asked<()> {
    run(db, FORGET_POST, &[text(key)])
}

statements! {
    FORGET_POSTS = "delete from idempotency where expires_ms <= ?";
    BEGIN_POST = "insert into idempotency (key, user_id, body_hash, created_ms, expires_ms) values (?1, ?2, ?3, ?4, ?5)
        on conflict do update set created_ms = ?4 where status is null and body_hash = ?3 and created_ms < ?4 - 60000
        returning key";
    ANSWERED = "select body_hash, status, answer from idempotency where key = ?";
    END_POST = "update idempotency set status = ?, answer = ?, user_id = coalesce(user_id, ?) where key = ?";
    FORGET_POST = "delete from idempotency where key = ?";
}
