//! Handlers of `/v1/admin`: for operators.

use protocol::{AccountId, Code, UserId};
use protocol::{from_json, object};
use relay::platform::{self, Account};

use crate::ask::{self, Ask};
use crate::clock::now;
use crate::config::Config;
use crate::error::Error;
use crate::runtime::{Request, Response, ResponseBuilder};
use crate::{account, api, db, directory, request};

/// `GET /v1/admin/accounts`: without their settings, which hold secrets.
pub async fn accounts(request: Request, config: Config) -> Result<Response, Error> {
    request::operator(&request, &config)?;
    let accounts = db::accounts(&config.db()?).await?;
    Ok(Response::json(&object! { "accounts": accounts })?)
}

/// `POST /v1/admin/accounts`: the credentials are tried at the platform before they are kept.
pub async fn create_account(mut request: Request, config: Config) -> Result<Response, Error> {
    let access = request::operator(&request, &config)?;
    let mut account: Account = request::json(&mut request).await?;
    // It becomes part of message ids, which must have room for the platform's own.
    if account.id.as_str().contains(':') || account.id.as_str().len() > ACCOUNT_ID_BYTES_MAX {
        let detail = format!("id: at most {ACCOUNT_ID_BYTES_MAX} bytes, and no colon");
        return Err(Error::new(Code::BadRequest, detail));
    }
    platform::check(&account).map_err(|detail| Error::new(Code::BadRequest, detail))?;
    let db = config.db()?;
    if let Some(user) = &account.default_user {
        // "me" spares the operator from looking up an id.
        if user.as_str() == "me" {
            account.default_user = Some(access.user);
        } else if db::user(&db, user).await?.is_none() {
            return Err(Error::new(Code::BadRequest, "default_user: no such user; \"me\" is you"));
        }
    }
    introduce(&mut account).await?;
    if !db::insert_account(&db, &account, account.platform.name(), now()).await? {
        return Err(Error::new(Code::Conflict, "id: there is an account of this name"));
    }
    directory::forget();
    let webhook = format!("/webhook/{}/{}", account.platform.name(), account.id);
    let body = object! { "id": account.id, "default_user": account.default_user, "webhook": webhook };
    Ok(ResponseBuilder::new().with_status(201).json(&body)?)
}

/// `POST /v1/admin/identities` `{"account","sender","user"}`: from now on this sender reaches that user's agents.
pub async fn bind_identity(mut request: Request, config: Config) -> Result<Response, Error> {
    struct Body {
        account: AccountId,
        sender: String,
        user: UserId,
    }
    from_json! { struct Body { account, sender, user } }
    request::operator(&request, &config)?;
    let body: Body = request::json(&mut request).await?;
    let db = config.db()?;
    if db::account(&db, body.account.as_str()).await?.is_none() {
        return Err(Error::new(Code::BadRequest, "account: no such account"));
    }
    if db::user(&db, &body.user).await?.is_none() {
        return Err(Error::new(Code::BadRequest, "user: no such user"));
    }
    db::put_identity(&db, &body.account, &body.sender, &body.user, now()).await?;
    directory::forget();
    Ok(Response::json(&object! { "account": body.account, "sender": body.sender, "user": body.user })?)
}

/// `GET /v1/admin/users/{id}/dead-letters`
pub async fn dead_letters(request: &Request, config: &Config, user: &str) -> Result<Response, Error> {
    ask::ask(config, &user_of(request, config, user).await?, &Ask::DeadLetters).await
}

/// `POST /v1/admin/users/{id}/dead-letters/{seq}/replay`
pub async fn replay(request: &Request, config: &Config, user: &str, seq: &str) -> Result<Response, Error> {
    ask::ask(config, &user_of(request, config, user).await?, &Ask::Replay { seq: api::seq_of(seq)? }).await
}

/// `GET /v1/admin/users/{id}/events?before={next}&limit={n}`
pub async fn events(request: &Request, config: &Config, user: &str) -> Result<Response, Error> {
    ask::ask(config, &user_of(request, config, user).await?, &api::events_asked(request)?).await
}

/// A user whom an operator asks about.
async fn user_of(request: &Request, config: &Config, user: &str) -> Result<UserId, Error> {
    request::operator(request, config)?;
    let unknown = || Error::new(Code::NotFound, "no such user");
    let user: UserId = user.parse().map_err(|_| unknown())?;
    db::user(&config.db()?, &user).await?.map(|user| user.id).ok_or_else(unknown)
}

/// Asks the platform who the bot is: proves the credentials, and tells mentions of the bot from others.
async fn introduce(account: &mut Account) -> Result<(), Error> {
    let call = platform::bot_request(account);
    let answer = account::introduce(account, &call).await;
    answer
        .and_then(|response| platform::introduce(account, &response))
        .map_err(|why| Error::new(Code::PlatformRefused, format!("app_id, app_secret: {why}")))
}

const ACCOUNT_ID_BYTES_MAX: usize = 64;
