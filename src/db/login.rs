//! What people sign in with, and what can be used once.

use protocol::api::{LoginName, Role, UserRow};
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

/// What someone signs in with from now on.
pub struct NewLogin<'a> {
    /// `password`, or a provider's kind.
    pub kind: &'a str,
    /// An e-mail address, a phone number, or whom a provider says it is.
    pub subject: &'a str,
    /// For `password`: Argon2id's text.
    pub secret: Option<&'a str>,
}

/// Adds a user who signs in with this. False when somebody does already: then nothing is added.
pub fn insert_user_with_login(
    db: &D1Database,
    known: &Known,
    login: NewLogin<'_>,
    now: Timestamp,
    deed: Deed,
) -> Asked<bool> {
    let (Known { user, audit_id }, NewLogin { kind, subject, secret }) = (known, login);
    let role = text(user.role.as_str());
    let person = [text(&user.id), text(&user.name), role, text(audit_id), time(now), text(kind), text(subject)];
    let login = [text(kind), text(subject), text(&user.id), optional(secret), time(now)];
    did_all(db, deed, &[(INSERT_USER_IF_FREE, &person), (INSERT_LOGIN, &login)])
}

/// Whether somebody else signs in with this and a password.
pub fn is_taken(db: &D1Database, login: &str, by_other_than: &UserId) -> Asked<bool> {
    changed(db, IS_TAKEN, &[text(login), text(by_other_than)])
}

/// Gives a user a password, in place of any before. False when the login is somebody else's.
pub fn put_password(
    db: &D1Database,
    user: &UserId,
    login: &str,
    secret: &str,
    now: Timestamp,
    deed: Deed,
) -> Asked<bool> {
    let values = [text(user), text(login), text(secret), time(now), JsValue::NULL, JsValue::NULL];
    let others = [text(user), text(login)];
    did_all(db, deed, &[(PUT_PASSWORD, &values), (DELETE_OTHER_PASSWORDS, &others)])
}

/// Changes what a user may do, and with which login (none: as it was) and password. False when that would leave no
/// operator who can sign in, or when the login is somebody else's: then nothing is changed.
pub fn change_user(
    db: &D1Database,
    row: &UserRow,
    login: Option<(&str, &str)>,
    now: Timestamp,
    deed: Deed,
) -> Asked<bool> {
    let (user, role, is_disabled) = (text(&row.id), text(row.role.as_str()), flag(row.is_disabled));
    let is_operator = flag(row.role == Role::Operator && !row.is_disabled);
    let subject = optional(login.map(|(login, _)| login));
    let change = [role.clone(), is_disabled.clone(), user.clone(), is_operator, subject];
    if let Some((login, secret)) = login {
        let put = [user.clone(), text(login), text(secret), time(now), role, is_disabled];
        let others = [user, text(login)];
        did_all(db, deed, &[(CHANGE_USER, &change), (PUT_PASSWORD, &put), (DELETE_OTHER_PASSWORDS, &others)])
    } else {
        did(db, deed, CHANGE_USER, &change)
    }
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
    INSERT_USER_IF_FREE = "insert into users (id, name, role, audit_id, created_ms) select ?1, ?2, ?3, ?4, ?5
        where not exists (select 1 from logins where kind = ?6 and subject = ?7) returning id";
    INSERT_LOGIN = "insert into logins (kind, subject, user_id, secret, created_ms)
        select ?1, ?2, id, ?4, ?5 from users where id = ?3";
    CHANGE_USER = "update users set role = ?1, is_disabled = ?2 where id = ?3
        and (?4 = 1 or exists (select 1 from users where role = 'operator' and is_disabled = 0 and id <> ?3))
        and not exists (select 1 from logins where kind = 'password' and subject = ?5 and user_id <> ?3) returning id";
    PUT_PASSWORD = "insert into logins (kind, subject, user_id, secret, created_ms)
        select 'password', ?2, id, ?3, ?4 from users
            where id = ?1 and (?5 is null or (role = ?5 and is_disabled = ?6))
        on conflict do update set secret = excluded.secret where user_id = excluded.user_id returning kind";
    DELETE_OTHER_PASSWORDS = "delete from logins where user_id = ?1 and kind = 'password' and subject <> ?2
        and exists (select 1 from logins where user_id = ?1 and kind = 'password' and subject = ?2)";
    SPEND_TOKEN = "insert into spent_tokens (hash, spent_ms) values (?, ?) on conflict do nothing returning hash";
}
