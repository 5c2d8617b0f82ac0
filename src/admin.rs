//! Handlers of `/v1/admin`: for operators.

use protocol::{AccountId, Code, UserId};
use relay::platform::{Account, Platform, feishu};
use serde::Deserialize;
use serde_json::json;
use worker::{Request, Response, ResponseBuilder};

use crate::clock::now;
use crate::config::Config;
use crate::error::Error;
use crate::{account, db, directory, request};

/// `GET /v1/admin/accounts`: without their settings, which hold secrets.
pub async fn accounts(request: Request, config: Config) -> Result<Response, Error> {
    request::operator(&request, &config)?;
    let accounts = db::accounts(&config.db()?).await?;
    Ok(Response::from_json(&json!({ "accounts": accounts }))?)
}

/// `POST /v1/admin/accounts`: the credentials are tried at the platform before they are kept.
pub async fn create_account(mut request: Request, config: Config) -> Result<Response, Error> {
    let access = request::operator(&request, &config)?;
    let mut account: Account = request::json(&mut request).await?;
    check(&account)?;
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
    let body = json!({ "id": account.id, "default_user": account.default_user, "webhook": webhook });
    Ok(ResponseBuilder::new().with_status(201).from_json(&body)?)
}

/// `POST /v1/admin/identities` `{"account","sender","user"}`: from now on this sender reaches that user's agents.
pub async fn bind_identity(mut request: Request, config: Config) -> Result<Response, Error> {
    #[derive(Deserialize)]
    struct Body {
        account: AccountId,
        sender: String,
        user: UserId,
    }
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
    Ok(Response::from_json(&json!({ "account": body.account, "sender": body.sender, "user": body.user }))?)
}

fn check(account: &Account) -> Result<(), Error> {
    let bad = |detail: &str| Err(Error::new(Code::BadRequest, detail));
    if account.id.as_str().contains(':') {
        return bad("id: no colon");
    }
    let Platform::Feishu(settings) = &account.platform;
    if settings.app_id.is_empty() || settings.app_secret.is_empty() {
        return bad("app_id, app_secret: copy both from the app's page \"Credentials\"");
    }
    if settings.encrypt_key.is_empty() && settings.verification_token.is_empty() {
        return bad("encrypt_key or verification_token: at least one, or anyone could send events");
    }
    let local = ["http://127.0.0.1:", "http://localhost:"];
    let base = &settings.api_base;
    if base.ends_with('/') || !(base.starts_with("https://") || local.iter().any(|local| base.starts_with(local))) {
        return bad("api_base: https:// and a host, without a slash at the end");
    }
    Ok(())
}

/// Asks the platform who the bot is: proves the credentials, and tells mentions of the bot from others.
async fn introduce(account: &mut Account) -> Result<(), Error> {
    let Platform::Feishu(settings) = &account.platform;
    let call = feishu::bot_request(settings);
    let answer = account::introduce(account, &call).await;
    let bot = answer.and_then(|response| feishu::bot_open_id(&response));
    let Platform::Feishu(settings) = &mut account.platform;
    settings.bot_open_id = bot.map_err(|why| Error::new(Code::PlatformRefused, format!("app_id, app_secret: {why}")))?;
    Ok(())
}
