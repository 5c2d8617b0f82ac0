//! People.

use protocol::api::{Role, User, UserRow};
use protocol::{Timestamp, UserId, from_json};

use super::*;

/// A user, and what stands for them in the audit log.
pub struct Known {
    /// The user.
    pub user: User,
    /// `who_…`
    pub audit_id: String,
}

impl FromJson for Known {
    fn from_json(json: Json) -> Result<Known, json::Wrong> {
        let mut row = json::Object::from_json(json)?;
        let user = User { id: row.take("id")?, name: row.take("name")?, role: row.take("role")? };
        Ok(Known { user, audit_id: row.take("audit_id")? })
    }
}

/// Whether anyone has ever signed in.
pub fn has_operator(db: &D1Database) -> Asked<bool> {
    changed(db, FIRST_OPERATOR, &[])
}

/// The first operator, if there is one.
pub fn first_operator(db: &D1Database) -> Asked<Option<Known>> {
    first(db, FIRST_OPERATOR, &[])
}

/// A user who is not disabled.
pub fn user(db: &D1Database, user: &UserId) -> Asked<Option<Known>> {
    first(db, USER, &[text(user)])
}

/// Whether there is this user, disabled or not.
pub fn has_user(db: &D1Database, user: &UserId) -> Asked<bool> {
    changed(db, HAS_USER, &[text(user)])
}

/// Adds an operator, unless there is one.
pub fn insert_first_operator(db: &D1Database, known: &Known, now: Timestamp) -> Asked<()> {
    let Known { user, audit_id } = known;
    run(db, INSERT_FIRST_OPERATOR, &[text(&user.id), text(&user.name), text(audit_id), time(now)])
}

/// Adds a user.
pub fn insert_user(db: &D1Database, known: &Known, now: Timestamp, deed: Deed) -> Asked<bool> {
    let Known { user, audit_id } = known;
    let role = text(user.role.as_str());
    did(db, deed, INSERT_USER, &[text(&user.id), text(&user.name), role, text(audit_id), time(now)])
}

/// Changes a user's name.
pub fn rename_user(db: &D1Database, user: &UserId, name: &str) -> Asked<()> {
    run(db, RENAME_USER, &[text(name), text(user)])
}

/// A page of users by id, for operators.
pub fn users(db: &D1Database, after: &str, limit: u64) -> Asked<Vec<UserRow>> {
    all_by::<Row, _>(db, USERS, &[text(after), number(limit)])
}

/// A user, for operators.
pub fn user_row(db: &D1Database, user: &UserId) -> Asked<Option<UserRow>> {
    first_by::<Row, _>(db, USER_ROW, &[text(user)])
}

/// Whether no other operator could sign in without this one.
pub fn is_last_operator(db: &D1Database, user: &UserId) -> Asked<bool> {
    changed(db, IS_LAST_OPERATOR, &[text(user)])
}

/// Deletes a user and everything of theirs. False when they are the last operator.
pub fn delete_user(db: &D1Database, user: &UserId, deed: Deed) -> Asked<bool> {
    did(db, deed, DELETE_USER, &[text(user)])
}

struct Row(UserRow);

impl From<Row> for UserRow {
    fn from(Row(row): Row) -> UserRow {
        row
    }
}

impl FromJson for Row {
    fn from_json(json: Json) -> Result<Row, json::Wrong> {
        struct Columns {
            id: UserId,
            name: String,
            role: Role,
            created_ms: u64,
            is_disabled: Flag,
            audit_id: String,
        }
        from_json! { struct Columns { id, name, role, created_ms, is_disabled, audit_id } }
        let Columns { id, name, role, created_ms, is_disabled: Flag(is_disabled), audit_id } =
            Columns::from_json(json)?;
        Ok(Row(UserRow { id, name, role, created_ms, is_disabled, audit_id }))
    }
}

statements! {
    FIRST_OPERATOR = "select id, name, role, audit_id from users where role = 'operator'
        and is_disabled = 0 order by created_ms, id limit 1";
    USER = "select id, name, role, audit_id from users where id = ? and is_disabled = 0";
    HAS_USER = "select 1 as there from users where id = ?";
    INSERT_FIRST_OPERATOR = "insert into users (id, name, role, audit_id, created_ms)
        select ?, ?, 'operator', ?, ? where not exists (select 1 from users where role = 'operator')";
    INSERT_USER = "insert into users (id, name, role, audit_id, created_ms) values (?, ?, ?, ?, ?)
        returning id";
    RENAME_USER = "update users set name = ? where id = ?";
    USERS = "select id, name, role, created_ms, is_disabled, audit_id from users where id > ? order by id limit ?";
    USER_ROW = "select id, name, role, created_ms, is_disabled, audit_id from users where id = ?";
    IS_LAST_OPERATOR = "select 1 as is_last from users where id = ?1 and role = 'operator' and not exists
        (select 1 from users where role = 'operator' and is_disabled = 0 and id <> ?1)";
    DELETE_USER = "delete from users where id = ?1 and (role <> 'operator' or exists
        (select 1 from users where role = 'operator' and is_disabled = 0 and id <> ?1)) returning id";
}
