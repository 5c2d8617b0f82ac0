//! Where people may sign in with an account that they have.

use protocol::Timestamp;
use protocol::api::{ProviderKind, ProviderName};

use super::*;

/// The providers, by name.
pub fn providers(db: &D1Database) -> Asked<Vec<ProviderName>> {
    all(db, PROVIDERS, &[])
}

/// A provider's sealed settings.
pub fn provider(db: &D1Database, id: &str) -> Asked<Option<String>> {
    value(db, PROVIDER, &[text(id)])
}

/// Adds a provider. False when the name is taken.
pub fn insert_provider(
    db: &D1Database,
    id: &str,
    kind: ProviderKind,
    sealed: &str,
    now: Timestamp,
    deed: Deed,
) -> Asked<bool> {
    let kind = match kind {
        ProviderKind::Feishu => "feishu",
        ProviderKind::Wechat => "wechat",
        ProviderKind::Wecom => "wecom",
    };
    did(db, deed, INSERT_PROVIDER, &[text(id), text(kind), text(sealed), time(now)])
}

/// Deletes a provider. False when there is none.
pub fn delete_provider(db: &D1Database, id: &str, deed: Deed) -> Asked<bool> {
    did(db, deed, DELETE_PROVIDER, &[text(id)])
}

statements! {
    PROVIDERS = "select id, kind from providers order by id";
    PROVIDER = "select settings from providers where id = ?";
    INSERT_PROVIDER = "insert into providers (id, kind, settings, created_ms) values (?, ?, ?, ?)
        on conflict do nothing returning id";
    DELETE_PROVIDER = "delete from providers where id = ? returning id";
}
