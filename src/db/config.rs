//! What a user's agents are told to be.

use protocol::UserId;

use super::*;

/// A user's sealed configuration.
pub fn config(db: &D1Database, user: &UserId) -> Asked<Option<Sealed>> {
    first(db, CONFIG, &[text(user)])
}

/// Keeps a user's sealed configuration.
pub fn put_config(db: &D1Database, user: &UserId, sealed: &str) -> Asked<()> {
    run(db, PUT_CONFIG, &[text(user), text(sealed)])
}

/// Every sealed configuration.
pub fn sealed_configs(db: &D1Database) -> Asked<Vec<Sealed>> {
    all(db, SEALED_CONFIGS, &[])
}

/// Puts a configuration sealed anew in place of what it was. False when it was changed meanwhile.
pub fn reseal_config(db: &D1Database, id: &str, before: &str, after: &str) -> Asked<bool> {
    changed(db, RESEAL_CONFIG, &[text(after), text(id), text(before)])
}

statements! {
    CONFIG = "select user_id as id, sealed from configs where user_id = ?";
    PUT_CONFIG = "insert into configs (user_id, sealed) values (?, ?) on conflict do update set sealed = excluded.sealed";
    SEALED_CONFIGS = "select user_id as id, sealed from configs";
    RESEAL_CONFIG = "update configs set sealed = ? where user_id = ? and sealed = ? returning user_id";
}
