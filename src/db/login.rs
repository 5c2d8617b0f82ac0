//! What people sign in with, and what can be used once.

use protocol::api::LoginName;
use protocol::{Timestamp, UserId, from_json};

use super::*;

/// Who signs in with something.
pub struct Login {
    /// The user.
    pub user_id: UserId,
    /// For `password`: Argon2id's text.
    pub secret: Option<String>,
}

from_json! { struct Login { user_id, secret } }

/// Who signs in with this, if they are not disabled.
pub fn login(db: &D1Database, kind: &str, subject: &str) -> Asked<Option<Login>> {
    first(db, LOGIN, &[text(kind), text(subject)])
}

/// What a user signs in with.
pub fn logins(db: &D1Database, user: &UserId) -> Asked<Vec<LoginName>> {
    all(db, LOGINS, &[text(user)])
}

/// A user's password, as it is kept.
pub fn password(db: &D1Database, user: &UserId) -> Asked<Option<String>> {
    value(db, PASSWORD, &[text(user)])
}

/// Adds a user who signs in with this. False when somebody does already: then nothing is added.
pub async fn insert_user_with_login(
    db: &D1Database,
    known: &Known,
    kind: &str,
    subject: &str,
    secret: Option<&str>,
    now: Timestamp,
) -> Result<bool, Error> {
    insert_user(db, known, now).await?;
    let user = &known.user.id;
    let values = [text(kind), text(subject), text(user), optional(secret), time(now)];
    if changed(db, INSERT_LOGIN, &values).await? {
        return Ok(true);
    }
    delete_user(db, user).await?;
    Ok(false)
}

/// Whether somebody else signs in with this and a password.
pub fn is_taken(db: &D1Database, login: &str, by_other_than: &UserId) -> Asked<bool> {
    changed(db, IS_TAKEN, &[text(login), text(by_other_than)])
}

/// Gives a user a password, in place of any before. False when the login is somebody else's.
pub async fn put_password(
    db: &D1Database,
    user: &UserId,
    login: &str,
    secret: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let values = [text("password"), text(login), text(user), text(secret), time(now)];
    if !changed(db, PUT_LOGIN, &values).await? {
        return Ok(false);
    }
    run(db, DELETE_OTHER_PASSWORDS, &[text(user), text(login)]).await?;
    Ok(true)
}

/// Uses up a one-time token, known by its hash. False when it was used before.
pub fn spend_token(db: &D1Database, hash: &str, now: Timestamp) -> Asked<bool> {
    changed(db, SPEND_TOKEN, &[text(hash), time(now)])
}

statements! {
    LOGIN = "select l.user_id, l.secret from logins l join users u on u.id = l.user_id
        where l.kind = ? and l.subject = ? and u.is_disabled = 0";
    LOGINS = "select kind, subject from logins where user_id = ? order by kind, subject";
    PASSWORD = "select secret from logins where user_id = ? and kind = 'password'";
    IS_TAKEN = "select 1 as is_taken from logins where kind = 'password' and subject = ? and user_id <> ?";
    INSERT_LOGIN = "insert into logins (kind, subject, user_id, secret, created_ms) values (?, ?, ?, ?, ?)
        on conflict do nothing returning kind";
    PUT_LOGIN = "insert into logins (kind, subject, user_id, secret, created_ms) values (?, ?, ?, ?, ?)
        on conflict do update set secret = excluded.secret where user_id = excluded.user_id returning kind";
    DELETE_OTHER_PASSWORDS = "delete from logins where user_id = ? and kind = 'password' and subject <> ?";
    SPEND_TOKEN = "insert into spent_tokens (hash, spent_ms) values (?, ?) on conflict do nothing returning hash";
}
