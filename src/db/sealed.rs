//! What is sealed, wherever it is: to seal it anew under another key.

use protocol::from_json;

use super::*;

/// A sealed value.
pub struct Sealed {
    /// In which table.
    pub table: Table,
    /// Its row's key.
    pub row: String,
    /// As it is.
    pub sealed: String,
}

from_json! { struct Sealed { table, row, sealed } }

/// Tables with something sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Bots' credentials.
    Accounts,
    /// What agents are told to be.
    Configs,
    /// Providers' credentials.
    Providers,
}

from_json! { words Table { "accounts" => Accounts, "configs" => Configs, "providers" => Providers } }

/// Every sealed value.
pub fn sealed(db: &D1Database) -> Asked<Vec<Sealed>> {
    all(db, SEALED, &[])
}

/// Puts values sealed anew in place of what they were, unless one was changed meanwhile. How many were put.
pub async fn reseal(db: &D1Database, values: &[(Sealed, String)], deed: Deed) -> Result<u64, Error> {
    let statement = |table| match table {
        Table::Accounts => RESEAL_ACCOUNT,
        Table::Configs => RESEAL_CONFIG,
        Table::Providers => RESEAL_PROVIDER,
    };
    let bound: Vec<_> = values
        .iter()
        .map(|(before, after)| (statement(before.table), [text(after), text(&before.row), text(&before.sealed)]))
        .collect();
    let statements: Vec<(&str, &[JsValue])> = bound.iter().map(|(text, values)| (*text, values.as_slice())).collect();
    let mut count = 0;
    for rows in done_anyway(db, deed, &statements).await? {
        count += u64::from(has_rows(Some(&rows))?);
    }
    Ok(count)
}

statements! {
    SEALED = "select 'accounts' as \"table\", id as \"row\", settings as sealed from accounts
        union all select 'configs', user_id, sealed from configs
        union all select 'providers', id, settings from providers";
    RESEAL_ACCOUNT = "update accounts set settings = ? where id = ? and settings = ? returning id";
    RESEAL_CONFIG = "update configs set sealed = ? where user_id = ? and sealed = ? returning user_id";
    RESEAL_PROVIDER = "update providers set settings = ? where id = ? and settings = ? returning id";
}
