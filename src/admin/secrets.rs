//! `/v1/admin/providers`, `/v1/admin/secrets`, `/v1/admin/audit`.

use protocol::Code;
use protocol::api::{Audit, Provider, ProviderName, Providers, Rotated};
use relay::auth::provider;
use relay::auth::seal::{Place, Seals, is_sealed};

use crate::api::oauth;
use crate::call::{Call, answer, created, cut_page, done};
use crate::clock::{now, random_bytes};
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
    if !db::insert_provider(&call.config.db()?, id, body.kind, &sealed, now()).await? {
        return Err(Error::new(Code::Conflict, "id: there is a provider of this name"));
    }
    caller.audit(&call.config, "provider.create", Some(id), None).await?;
    created(&ProviderName { id: id.to_owned(), kind: body.kind })
}

/// `DELETE /v1/admin/providers/{provider}`
pub async fn delete_provider(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    if !db::delete_provider(&call.config.db()?, call.param(0)).await? {
        return Err(Error::new(Code::NotFound, "no such provider"));
    }
    caller.audit(&call.config, "provider.delete", Some(call.param(0)), None).await?;
    done()
}

/// `GET /v1/admin/audit?cursor={next}&limit={n}`
pub async fn audit(call: &Call) -> Result<Response, Error> {
    call.operator().await?;
    let (after, limit) = call.page()?;
    let after = after.map_or(Ok(0), |text| text.parse::<u64>());
    let after = after.ok().filter(|&seq| seq < 1 << 53);
    let after = after.ok_or_else(|| Error::new(Code::BadRequest, "cursor: the `next` of another page"))?;
    let mut entries = db::audit(&call.config.db()?, after, limit + 1).await?;
    let next = cut_page(&mut entries, limit, |last| last.seq.to_string());
    answer(&Audit { entries, next })
}

/// `POST /v1/admin/secrets/rotate`: everything sealed under an older key is sealed under the newest, and what is not
/// sealed yet is.
pub async fn rotate(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let (db, seals) = (call.config.db()?, call.config.seals()?);
    let mut sealed = 0;
    for row in db::sealed_accounts(&db).await? {
        if let Some(after) = anew(&seals, directory::place(&row.id), &row.sealed)? {
            sealed += u64::from(db::reseal_account(&db, &row.id, &row.sealed, &after).await?);
        }
    }
    for row in db::sealed_providers(&db).await? {
        if let Some(after) = anew(&seals, oauth::place(&row.id), &row.sealed)? {
            sealed += u64::from(db::reseal_provider(&db, &row.id, &row.sealed, &after).await?);
        }
    }
    for row in db::sealed_configs(&db).await? {
        let place = Place { table: "configs", row: &row.id, column: "sealed" };
        if let Some(after) = anew(&seals, place, &row.sealed)? {
            sealed += u64::from(db::reseal_config(&db, &row.id, &row.sealed, &after).await?);
        }
    }
    directory::forget();
    caller.audit(&call.config, "secrets.rotate", None, Some(&sealed.to_string())).await?;
    answer(&Rotated { sealed })
}

fn anew(seals: &Seals, place: Place<'_>, before: &str) -> Result<Option<String>, Error> {
    if !is_sealed(before) {
        return Ok(Some(seals.seal(place, before, &random_bytes()?)));
    }
    let broken = |error| Error::internal(&format!("{}, {}", place.table, place.row), error);
    seals.rewrap(place, before, &random_bytes()?).map_err(broken)
}
