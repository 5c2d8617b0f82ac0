//! `/v1/identities`, `/v1/pairings`: which senders on platforms are me.

use protocol::Code;
use protocol::api::{CodeBody, Identities, IdentityAnswer, IdentityChanges};
use relay::auth::{code, hash};

use super::new_id;
use crate::call::{Call, answer, created, done};
use crate::clock::now;
use crate::error::Error;
use crate::runtime::Response;
use crate::{db, directory, limit};

/// `GET /v1/identities`
pub async fn list(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    answer(&Identities { identities: db::identities(&call.config.db()?, caller.user()).await? })
}

/// `PATCH /v1/identities/{identity}`
pub async fn change(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    let IdentityChanges { push } = call.json().await?.read()?;
    let identity = db::change_identity(&call.config.db()?, caller.user(), call.param(0), push).await?;
    answer(&IdentityAnswer { identity: identity.ok_or_else(unknown)? })
}

/// `DELETE /v1/identities/{identity}`: the sender is a stranger again, at most a minute later everywhere.
pub async fn delete(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    let deed = caller.deed("identity.unbind");
    if !db::delete_identity(&call.config.db()?, caller.user(), call.param(0), deed).await? {
        return Err(unknown());
    }
    directory::forget();
    done()
}

/// `POST /v1/pairings`: whoever was told the code by a bot is the caller from now on.
pub async fn pair(call: &Call) -> Result<Response, Error> {
    let (caller, body) = (call.caller().await?, call.json().await?.read::<CodeBody>()?);
    limit::guess(call, &format!("pairing {}", caller.user())).await?;
    let unknown = || Error::new(Code::NotFound, "code: unknown, used or expired; write to the bot for another");
    let code = code::read(&body.code).ok_or_else(unknown)?;
    let db = call.config.db()?;
    if db::identities_count(&db, caller.user()).await?.unwrap_or_default() >= IDENTITIES_MAX {
        return Err(Error::new(Code::Conflict, format!("at most {IDENTITIES_MAX} identities: unbind one first")));
    }
    let stranger = db::use_pairing(&db, &hash(&code), now()).await?.ok_or_else(unknown)?;
    let (id, account) = (new_id::<protocol::UserId>("idt")?.to_string(), &stranger.account_id);
    let conversation = Some(stranger.conversation.as_str());
    let bond = db::Bond { id: &id, account, sender: &stranger.sender, user: caller.user(), conversation };
    let deed = caller.deed("identity.bind").to(account.as_str());
    let identity = db::put_identity(&db, bond, now(), deed).await?;
    directory::forget();
    created(&IdentityAnswer { identity: identity.ok_or_else(unknown)? })
}

fn unknown() -> Error {
    Error::new(Code::NotFound, "no such identity of yours")
}

/// Identities of one user.
const IDENTITIES_MAX: u64 = 100;
