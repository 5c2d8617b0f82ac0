//! Devices that are signed in, and links that sign one in.

use protocol::{Timestamp, UserId, from_json};
use relay::limit::SESSION_MS;

use super::*;

/// A device that is signed in.
pub struct SessionColumns {
    /// `ses_…`
    pub id: String,
    /// What its `User-Agent` said, cut.
    pub client: String,
    /// When it signed in.
    pub created_ms: u64,
    /// When it was last refreshed.
    pub rotated_ms: u64,
    /// When it ends.
    pub expires_ms: u64,
}

from_json! { struct SessionColumns { id, client, created_ms, rotated_ms, expires_ms } }

/// Where a session's refresh tokens stand.
pub struct Rotation {
    /// The number of the one that is good.
    pub generation: u64,
    /// Since when.
    pub rotated_ms: u64,
}

from_json! { struct Rotation { generation, rotated_ms } }

/// Adds a session, whose first refresh token has the number 1, and deletes those of its user that ended by themselves.
pub fn insert_session(
    db: &D1Database,
    id: &str,
    user: &UserId,
    client: &str,
    now: Timestamp,
    deed: Deed,
) -> Asked<Vec<String>> {
    let expires = time(now.plus_ms(SESSION_MS));
    let values = [text(id), text(user), text(client), time(now), expires];
    done(db, deed, &[(INSERT_SESSION, &values), (DELETE_ENDED, &[text(user), time(now)])])
}

/// The user of a session that has not ended, if they are not disabled.
pub fn session_user(db: &D1Database, session: &str, now: Timestamp) -> Asked<Option<Known>> {
    first(db, SESSION_USER, &[text(session), time(now)])
}

/// Uses up the refresh token with this number. False when it is not the one that is good.
pub fn rotate(db: &D1Database, session: &str, generation: u64, now: Timestamp) -> Asked<bool> {
    let expires = time(now.plus_ms(SESSION_MS));
    changed(db, ROTATE, &[time(now), expires, text(session), number(generation)])
}

/// Where a session's refresh tokens stand, if it has not ended.
pub fn rotation(db: &D1Database, session: &str, now: Timestamp) -> Asked<Option<Rotation>> {
    first(db, ROTATION, &[text(session), time(now)])
}

/// Forgives that the token before the good one is used again. False when that was forgiven already.
pub fn forgive(db: &D1Database, session: &str, generation: u64) -> Asked<bool> {
    changed(db, FORGIVE, &[text(session), number(generation)])
}

/// A page of a user's sessions that have not ended, newest first.
pub fn sessions(
    db: &D1Database,
    user: &UserId,
    now: Timestamp,
    before: Option<Moment>,
    limit: u64,
) -> Asked<Vec<SessionColumns>> {
    let [ms, id] = before.unwrap_or(Moment::LAST).values();
    all(db, SESSIONS, &[text(user), time(now), ms, id, number(limit)])
}

/// What the `User-Agent` of each of a user's devices said.
pub fn session_clients(db: &D1Database, user: &UserId) -> Asked<Vec<String>> {
    column(db, SESSION_CLIENTS, &[text(user)])
}

/// The ids of a user's sessions.
pub fn session_ids(db: &D1Database, user: &UserId) -> Asked<Vec<String>> {
    column(db, SESSION_IDS, &[text(user)])
}

/// Ends a session of a user. False when there is none.
pub fn delete_session(db: &D1Database, user: &UserId, session: &str, deed: Deed) -> Asked<bool> {
    did(db, deed, DELETE_SESSION, &[text(session), text(user)])
}

/// Lets a user sign a session out.
pub fn sign_out(db: &D1Database, user: &UserId, session: &str) -> Asked<()> {
    run(db, DELETE_SESSION, &[text(session), text(user)])
}

/// Ends a user's sessions but one (or none), and the links that would sign someone in. The sessions' ids.
pub fn delete_sessions(db: &D1Database, user: &UserId, but: &str, deed: Deed) -> Asked<Vec<String>> {
    let rows = done_anyway(db, deed, &[(DELETE_SESSIONS, &[text(user), text(but)]), (DELETE_LINKS_OF, &[text(user)])]);
    Box::pin(async move {
        let ids = rows.await?.first().map_or(Ok(Vec::new()), |rows| read::<Column<String>>(rows))?;
        Ok(ids.into_iter().map(|Column(id)| id).collect())
    })
}

/// Adds a link, and deletes those that ended.
pub fn insert_link(
    db: &D1Database,
    hash: &str,
    user: &UserId,
    uses: u64,
    now: Timestamp,
    expires: Timestamp,
    deed: Deed,
) -> Asked<Vec<String>> {
    let values = [text(hash), text(user), number(uses), time(expires)];
    done(db, deed, &[(INSERT_LINK, &values), (DELETE_LINKS, &[time(now)])])
}

/// Uses a link once: whom it signs in.
pub fn use_link(db: &D1Database, hash: &str, now: Timestamp) -> Asked<Option<UserId>> {
    value(db, USE_LINK, &[text(hash), time(now)])
}

statements! {
    INSERT_SESSION = "insert into sessions
        (id, user_id, client, generation, rotated_ms, is_forgiven, created_ms, expires_ms)
        values (?1, ?2, ?3, 1, ?4, 0, ?4, ?5)";
    SESSION_USER = "select u.id, u.name, u.role, u.audit_id from sessions s join users u on u.id = s.user_id
        where s.id = ? and s.expires_ms > ? and u.is_disabled = 0";
    ROTATE = "update sessions set generation = generation + 1, rotated_ms = ?, expires_ms = ?, is_forgiven = 0
        where id = ? and generation = ? and expires_ms > rotated_ms returning id";
    ROTATION = "select generation, rotated_ms from sessions where id = ? and expires_ms > ?";
    FORGIVE = "update sessions set is_forgiven = 1 where id = ? and generation = ? and is_forgiven = 0 returning id";
    SESSIONS = "select id, client, created_ms, rotated_ms, expires_ms from sessions where user_id = ? and expires_ms > ?
        and (created_ms, id) < (?, ?) order by created_ms desc, id desc limit ?";
    SESSION_CLIENTS = "select client from sessions where user_id = ? order by created_ms desc, id desc";
    SESSION_IDS = "select id from sessions where user_id = ?";
    DELETE_SESSION = "delete from sessions where id = ? and user_id = ? returning id";
    DELETE_SESSIONS = "delete from sessions where user_id = ? and id <> ? returning id";
    DELETE_ENDED = "delete from sessions where user_id = ? and expires_ms <= ?";
    DELETE_LINKS = "delete from links where expires_ms <= ? or uses <= 0";
    DELETE_LINKS_OF = "delete from links where user_id = ?";
    INSERT_LINK = "insert into links (hash, user_id, uses, expires_ms) values (?, ?, ?, ?)";
    USE_LINK = "update links set uses = uses - 1 where hash = ? and uses > 0 and expires_ms > ? returning user_id";
}
