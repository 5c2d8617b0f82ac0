//! What a user's agents are told to be.

use protocol::UserId;

use super::*;

/// A user's sealed configuration.
pub fn config(db: &D1Database, user: &UserId) -> Asked<Option<String>> {
    value(db, CONFIG, &[text(user)])
}

/// Keeps a user's sealed configuration.
pub fn put_config(db: &D1Database, user: &UserId, sealed: &str, deed: Deed) -> Asked<bool> {
    did(db, deed, PUT_CONFIG, &[text(user), text(sealed)])
}

statements! {
    CONFIG = "select sealed from configs where user_id = ?";
    PUT_CONFIG = "insert into configs (user_id, sealed) values (?, ?) on conflict do update set sealed = excluded.sealed
        returning user_id";
}
