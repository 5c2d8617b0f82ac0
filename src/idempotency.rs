//! A POST with an `Idempotency-Key` is done once: the same again gets the same answer, for 24 h
//! (draft-ietf-httpapi-idempotency-key-header).

use protocol::Code;
use relay::auth::hash;
use relay::auth::seal::Place;

use crate::call::{Awaited, Call};
use crate::clock::{now, random_bytes};
use crate::db;
use crate::error::{self, Error};
use crate::route::Op;
use crate::runtime::{Response, ResponseBuilder};

/// Does what `handle` does, once.
pub async fn once(op: Op, call: &Call, handle: Awaited<'_, Response>) -> Result<Response, Error> {
    let Some(given) = call.header("Idempotency-Key")?.filter(|_| applies(op, call)) else { return handle.await };
    let is_key = (1..=KEY_BYTES_MAX).contains(&given.len()) && given.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_key {
        let detail = format!("Idempotency-Key: 1 to {KEY_BYTES_MAX} visible ASCII characters");
        return Err(Error::new(Code::BadRequest, detail));
    }
    let caller = call.caller().await?;
    let (db, seals) = (call.config.db()?, call.config.seals()?);
    // One user's keys are not another's, nor is the same key for another path.
    let key = hash(&format!("{}\n{}\n{given}", caller.user(), call.request.path()));
    let body_hash = hash(&relay::auth::encode(&call.body().await?));
    let place = Place { table: "idempotency", row: &key, column: "answer" };
    let before = protocol::Timestamp(now().0.saturating_sub(KEPT_MS));
    if !db::begin_post(&db, &key, caller.user(), &body_hash, now(), before).await? {
        let known = db::answered(&db, &key).await?;
        let known = known.ok_or_else(|| Error::new(Code::Conflict, "Idempotency-Key: try again"))?;
        if known.body_hash != body_hash {
            return Err(Error::new(Code::Conflict, "Idempotency-Key: used before with another body"));
        }
        let Some((status, sealed)) = known.status.zip(known.answer) else {
            return Err(Error::new(Code::Conflict, "Idempotency-Key: the first one is not done yet")
                .with_header("Retry-After", "1"));
        };
        let body = seals.open(place, &sealed).map_err(|error| Error::internal("an answer kept", error))?;
        return rebuilt(status, &body, true);
    }
    let response = match handle.await {
        Ok(response) => response,
        Err(error) if error.code().status() >= 500 || error.code().status() == 429 => {
            db::forget_post(&db, &key).await?;
            return Err(error);
        }
        Err(error) => error::respond(error)?,
    };
    let (status, body) = (response.status_code(), response.text().await?);
    // The Hub's refusals come as answers.
    if status >= 500 || status == 429 {
        db::forget_post(&db, &key).await?;
        return rebuilt(status, &body, false);
    }
    let sealed = seals.seal(place, &body, &random_bytes()?);
    db::end_post(&db, &key, status, &sealed).await?;
    rebuilt(status, &body, false)
}

/// A push has its key checked by the Hub; what signs in answers whoever asks anew, and is harmless to repeat.
fn applies(op: Op, call: &Call) -> bool {
    let is_post = call.request.inner().method() == "POST";
    is_post && op != Op::MessagePush && op != Op::Ticket && !call.request.path().starts_with("/v1/auth/")
}

fn rebuilt(status: u16, body: &str, is_repeated: bool) -> Result<Response, Error> {
    let kind = if status >= 400 { "application/problem+json" } else { "application/json" };
    let mut response = ResponseBuilder::new().with_status(status).with_header("Cache-Control", "no-store")?;
    if is_repeated {
        response = response.with_header("Idempotent-Replayed", "true")?;
    }
    if body.is_empty() {
        return Ok(response.empty()?);
    }
    Ok(response.with_header("Content-Type", kind)?.text(body)?)
}

const KEY_BYTES_MAX: usize = 64;
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;
