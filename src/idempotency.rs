//! A POST with an `Idempotency-Key` is done once: the same again gets the same answer, for a while
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! Whoever is signed in has keys of their own. Where nobody is, a key goes with everything that proves who asks: the body,
//! which holds the password or the code, and the token. So nobody is given another one's answer, nor kept from their own.

use protocol::{Code, UserId, from_json, json};
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
    let path = call.request.path();
    let is_sign_in = path.starts_with("/v1/auth/") || path.starts_with("/ocms/auth/");
    let body_hash = hash(&relay::auth::encode(&call.body().await?));
    let (user, whose) = if is_sign_in {
        let token = call.header("Authorization")?.unwrap_or_default();
        (None, format!("{body_hash}\n{token}"))
    } else {
        let user = call.caller().await?.known.user.id;
        let whose = user.to_string();
        (Some(user), whose)
    };
    let key = hash(&format!("{whose}\n{path}\n{given}"));
    let (db, seals) = (call.config.db()?, call.config.seals()?);
    let place = Place { table: "idempotency", row: &key, column: "answer" };
    let kept_ms = match op {
        Op::Ticket => TICKET_KEPT_MS,
        _ if is_sign_in => SIGN_IN_KEPT_MS,
        _ => KEPT_MS,
    };
    if !db::begin_post(&db, &key, user.as_ref(), &body_hash, now(), now().plus_ms(kept_ms)).await? {
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
    // Our own faults may be tried again, and so may a sign-in that was refused: there nothing is kept for strangers.
    let is_kept = |status: u16| status < 500 && status != 429 && (status < 400 || !is_sign_in);
    let response = match handle.await {
        Ok(response) => response,
        Err(error) if !is_kept(error.code().status()) => {
            db::forget_post(&db, &key).await?;
            return Err(error);
        }
        Err(error) => error::respond(error)?,
    };
    let (status, body) = (response.status_code(), response.text().await?);
    // The Hub's refusals come as answers.
    if !is_kept(status) {
        db::forget_post(&db, &key).await?;
        return rebuilt(status, &body, false);
    }
    let signed_in = json::read::<SignedIn>(&body).ok().filter(|_| is_sign_in).map(|answer| answer.user.id);
    let sealed = seals.seal(place, &body, &random_bytes()?);
    db::end_post(&db, &key, status, &sealed, signed_in.as_ref()).await?;
    rebuilt(status, &body, false)
}

/// A push has its key checked by the Hub; a file is no answer that could be kept: sent again, it is another.
fn applies(op: Op, call: &Call) -> bool {
    call.request.inner().method() == "POST" && !matches!(op, Op::MessagePush | Op::FileUpload | Op::ManServerUpload)
}

/// Whom an answer signed in: with them goes what was kept of it.
struct SignedIn {
    user: Person,
}

struct Person {
    id: UserId,
}

from_json! { struct SignedIn { user } }
from_json! { struct Person { id } }

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
/// 10 min: an answer that signs someone in is not kept for longer than its access token is good.
const SIGN_IN_KEPT_MS: u64 = 10 * 60 * 1000;
/// 30 s: no longer than a ticket is good.
const TICKET_KEPT_MS: u64 = 30 * 1000;
