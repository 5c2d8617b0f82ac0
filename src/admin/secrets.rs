//! `/v1/admin/providers`, `/v1/admin/secrets`, `/v1/admin/audit`.

use protocol::Code;
use protocol::api::{Audit, Provider, ProviderName, Providers, Rotated};
use relay::auth::provider;
use relay::auth::seal::{Seals, is_sealed};

use crate::api::{config, oauth};
use crate::call::{Call, answer, created, cut_page, done};
use crate::clock::{now, random_bytes};
use crate::db::{Sealed, Table};
use crate::error::Error;
use crate::runtime::Response;
use crate::{db, directory};

/// `GET /v1/admin/providers`
pub async fn providers(call: &Call) -> Result<Response, Error> {
    call.operator().await?;
    answer(&Providers { providers: db::providers(&call.config.db()?).await? })
}

/// `POST /v1/admin/providers`
pub async fn create_provider(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let body: Provider = call.json().await?.read()?;
    provider::check(&body).map_err(|detail| Error::new(Code::BadRequest, detail))?;
    let settings = serde_json::to_string(&body).map_err(|error| Error::internal("a provider's settings", error))?;
    let id = body.id.as_str();
    let sealed = call.config.seals()?.seal(oauth::place(id), &settings, &random_bytes()?);
    if db::providers(&call.config.db()?).await?.len() >= PROVIDERS_MAX {
        return Err(Error::new(Code::Conflict, format!("at most {PROVIDERS_MAX} providers: remove one first")));
    }
    let deed = caller.deed("provider.create").to(id);
    if !db::insert_provider(&call.config.db()?, id, body.kind, &sealed, now(), deed).await? {
        return Err(Error::new(Code::Conflict, "id: there is a provider of this name"));
    }
    created(&ProviderName { id: id.to_owned(), kind: body.kind })
}

/// `DELETE /v1/admin/providers/{provider}`
pub async fn delete_provider(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let deed = caller.deed("provider.delete").to(call.param(0));
    if !db::delete_provider(&call.config.db()?, call.param(0), deed).await? {
        return Err(Error::new(Code::NotFound, "no such provider"));
    }
    done()
}

/// `GET /v1/admin/audit?order={oldest|newest}&cursor={next}&limit={n}`
pub async fn audit(call: &Call) -> Result<Response, Error> {
    call.operator().await?;
    let (cursor, limit) = call.page()?;
    let wrong = || Error::new(Code::BadRequest, "cursor: the `next` of another page");
    let read = |text: String| text.parse().ok().filter(|&seq| seq < SEQ_END).ok_or_else(wrong);
    let seq = Some(cursor).filter(|cursor| !cursor.is_empty()).map(read).transpose()?;
    let db = call.config.db()?;
    let entries = match call.query("order")?.as_deref() {
        None | Some("oldest") => db::audit_after(&db, seq.unwrap_or(0), limit + 1),
        Some("newest") => db::audit_before(&db, seq.unwrap_or(SEQ_END), limit + 1),
        Some(_) => return Err(Error::new(Code::BadRequest, "order: oldest or newest")),
    };
    let mut entries = entries.await?;
    let next = cut_page(&mut entries, limit, |last| last.seq);
    answer(&Audit { entries, next })
}

/// `POST /v1/admin/secrets/rotate`: everything sealed under an older key is sealed under the newest, and what is not
/// sealed yet is.
pub async fn rotate(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let (db, seals) = (call.config.db()?, call.config.seals()?);
    let mut renewed = Vec::new();
    for value in db::sealed(&db).await? {
        if let Some(after) = anew(&seals, &value)? {
            renewed.push((value, after));
        }
    }
    let mut sealed = 0;
    // In parts, so that however many there are, each is done in good time; what is left is done when it is asked again.
    for part in renewed.chunks(RESEALED_TOGETHER) {
        sealed += db::reseal(&db, part, caller.deed("secrets.rotate").with(&part.len().to_string())).await?;
    }
    directory::forget();
    answer(&Rotated { sealed })
}

fn anew(seals: &Seals, value: &Sealed) -> Result<Option<String>, Error> {
    let place = match value.table {
        Table::Accounts => directory::place(&value.row),
        Table::Configs => config::place(&value.row),
        Table::Providers => oauth::place(&value.row),
    };
    if !is_sealed(&value.sealed) {
        return Ok(Some(seals.seal(place, &value.sealed, &random_bytes()?)));
    }
    let broken = |error| Error::internal(&format!("{}, {}", place.table, place.row), error);
    seals.rewrap(place, &value.sealed, &random_bytes()?).map_err(broken)
}

/// Beyond what JavaScript holds exactly, no entry has a number.
const SEQ_END: u64 = 1 << 53;
/// They are listed whole, and each is a button of the sign-in page.
const PROVIDERS_MAX: usize = 20;
const RESEALED_TOGETHER: usize = 100;
