//! Where people may sign in with an account that they have.

use protocol::Timestamp;
use protocol::api::{ProviderKind, ProviderName};

use super::*;

/// The providers, by name.
pub fn providers(db: &D1Database) -> Asked<Vec<ProviderName>> {
    all(db, PROVIDERS, &[])
}

/// A provider's sealed settings.
pub fn provider(db: &D1Database, id: &str) -> Asked<Option<Sealed>> {
    first(db, PROVIDER, &[text(id)])
}

/// Adds a provider. False when the name is taken.
pub fn insert_provider(db: &D1Database, id: &str, kind: ProviderKind, sealed: &str, now: Timestamp) -> Asked<bool> {
    let kind = match kind {
        ProviderKind::Feishu => "feishu",
        ProviderKind::Wechat => "wechat",
        ProviderKind::Wecom => "wecom",
    };
    changed(db, INSERT_PROVIDER, &[text(id), text(kind), text(sealed), time(now)])
}

/// Deletes a provider. False when there is none.
pub fn delete_provider(db: &D1Database, id: &str) -> Asked<bool> {
    changed(db, DELETE_PROVIDER, &[text(id)])
}

/// The sealed settings of every provider.
pub fn sealed_providers(db: &D1Database) -> Asked<Vec<Sealed>> {
    all(db, SEALED_PROVIDERS, &[])
}

/// Puts a provider's settings sealed anew in place of what they were. False when they were changed meanwhile.
pub fn reseal_provider(db: &D1Database, id: &str, before: &str, after: &str) -> Asked<bool> {
    changed(db, RESEAL_PROVIDER, &[text(after), text(id), text(before)])
}

statements! {
    PROVIDERS = "select id, kind from providers order by id limit 100";
    PROVIDER = "select id, settings as sealed from providers where id = ?";
    INSERT_PROVIDER = "insert into providers (id, kind, settings, created_ms) values (?, ?, ?, ?)
        on conflict do nothing returning id";
    DELETE_PROVIDER = "delete from providers where id = ? returning id";
    SEALED_PROVIDERS = "select id, settings as sealed from providers";
    RESEAL_PROVIDER = "update providers set settings = ? where id = ? and settings = ? returning id";
}
