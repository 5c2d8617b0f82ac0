//! The right to sign up.

use protocol::Timestamp;
use protocol::api::{Invitation, Role};

use super::*;

/// Adds an invitation, and deletes those that ended.
pub fn insert_invitation(
    db: &D1Database,
    invitation: &Invitation,
    hash: &str,
    now: Timestamp,
    deed: Deed,
) -> Asked<Vec<String>> {
    let Invitation { id, role, uses, expires_ms } = invitation;
    let values = [text(id), text(hash), text(role.as_str()), number(*uses), number(*expires_ms)];
    done(db, deed, &[(INSERT_INVITATION, &values), (DELETE_ENDED, &[time(now)])])
}

/// A page of those that can still be used, the one that ends first first.
pub fn invitations(db: &D1Database, now: Timestamp, after: Option<Moment>, limit: u64) -> Asked<Vec<Invitation>> {
    let [ms, id] = after.unwrap_or(Moment::FIRST).values();
    all(db, INVITATIONS, &[time(now), ms, id, number(limit)])
}

/// Uses an invitation once: as what its bearer comes.
pub fn use_invitation(db: &D1Database, hash: &str, now: Timestamp) -> Asked<Option<Role>> {
    value(db, USE_INVITATION, &[text(hash), time(now)])
}

/// Gives a use back: the sign-up that it was for failed.
pub fn return_invitation(db: &D1Database, hash: &str) -> Asked<()> {
    run(db, RETURN_INVITATION, &[text(hash)])
}

/// Withdraws an invitation. False when there is none.
pub fn delete_invitation(db: &D1Database, id: &str, deed: Deed) -> Asked<bool> {
    did(db, deed, DELETE_INVITATION, &[text(id)])
}

statements! {
    INSERT_INVITATION = "insert into invitations (id, hash, role, uses, expires_ms) values (?, ?, ?, ?, ?)";
    DELETE_ENDED = "delete from invitations where expires_ms <= ? or uses <= 0";
    INVITATIONS = "select id, role, uses, expires_ms from invitations where expires_ms > ? and uses > 0
        and (expires_ms, id) > (?, ?) order by expires_ms, id limit ?";
    USE_INVITATION = "update invitations set uses = uses - 1 where hash = ? and uses > 0 and expires_ms > ? returning role";
    RETURN_INVITATION = "update invitations set uses = uses + 1 where hash = ?";
    DELETE_INVITATION = "delete from invitations where id = ? returning id";
}
