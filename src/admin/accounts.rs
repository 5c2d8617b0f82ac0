//! `/v1/admin/accounts`, `/v1/admin/identities`: bots on chat platforms, and who may talk to them.

use protocol::api::{
    AccountAnswer, AccountChanges, AccountCheck, AccountChecks, AccountRow, Accounts, Binding, GroupBody, GroupList,
    Groups, NewAccount, Policy, Senders,
};
use protocol::json::{FromJson, Json};
use protocol::{AccountId, AgentId, Code, UserId};
use relay::platform::{self, Account, Told};

use crate::api::new_id;
use crate::call::{Call, Caller, answer, created, cut_page, done};
use crate::clock::{self, now, random_bytes};
use crate::db::Moment;
use crate::directory::Bot;
use crate::error::Error;
use crate::outbound::Way;
use crate::runtime::Response;
use crate::{account, db, directory, origin, outbound, quota};

/// `GET /v1/admin/accounts?cursor={next}&limit={n}`: without their settings, which hold secrets.
pub async fn list(call: &Call) -> Result<Response, Error> {
    call.operator().await?;
    let (after, limit) = call.page()?;
    let mut accounts = db::accounts(&call.config.db()?, &after, limit + 1).await?;
    let next = cut_page(&mut accounts, limit, |last| last.id.clone());
    answer(&Accounts { accounts, next })
}

/// `POST /v1/admin/accounts`: the credentials are tried at the platform before they are kept.
pub async fn create(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let body = call.json().await?.0;
    let wrong = |error| Error::new(Code::BadRequest, format!("body: {error}"));
    let NewAccount { policy, groups, egress, .. } = NewAccount::from_json(body.clone()).map_err(wrong)?;
    let mut account = Account::from_json(body).map_err(wrong)?;
    // It becomes part of message ids, which must have room for the platform's own.
    if account.id.as_str().contains(':') || account.id.as_str().len() > ACCOUNT_ID_BYTES_MAX {
        let detail = format!("id: at most {ACCOUNT_ID_BYTES_MAX} bytes, and no colon");
        return Err(Error::new(Code::BadRequest, detail));
    }
    let db = call.config.db()?;
    if let Some(user) = &account.default_user {
        // "me" spares the operator from looking up an id.
        if user.as_str() == "me" {
            account.default_user = Some(caller.user().clone());
        } else if !db::has_user(&db, user).await? {
            return Err(Error::new(Code::BadRequest, "default_user: no such user; \"me\" is you"));
        }
    }
    let way = match &egress {
        Some(agent) => way_by(call, &caller, agent.as_str()).await?,
        None => Way::Direct,
    };
    let settings = tried(call, &mut account, &way).await?;
    let stranger = if account.default_user.is_some() { Policy::Open } else { Policy::Pairing };
    let row = AccountRow {
        id: account.id.clone(),
        platform: account.platform.name().to_owned(),
        policy: policy.unwrap_or(stranger),
        groups: groups.unwrap_or(Groups::Any),
        default_user: account.default_user.clone(),
        egress,
        created_ms: now().0,
    };
    let deed = caller.deed("account.create").to(account.id.as_str());
    if !db::insert_account(&db, &row, &settings, deed).await? {
        return Err(Error::new(Code::Conflict, "id: there is an account of this name"));
    }
    directory::forget();
    created(&with_webhook(row))
}

/// `PATCH /v1/admin/accounts/{account}`
pub async fn change(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let mut row = known(call).await?;
    let body = call.json().await?;
    let or_null = |name: &str| (body.0.get(name) == Some(&Json::Null)).then(String::new);
    let (no_user, no_egress) = (or_null("default_user"), or_null("egress"));
    let AccountChanges { policy, groups, default_user, egress } = body.read()?;
    let (default_user, egress) = (default_user.or(no_user), egress.or(no_egress));
    let db = call.config.db()?;
    row.policy = policy.unwrap_or(row.policy);
    row.groups = groups.unwrap_or(row.groups);
    match default_user.as_deref() {
        None => {}
        Some("") => row.default_user = None,
        Some("me") => row.default_user = Some(caller.user().clone()),
        Some(user) => row.default_user = Some(user_named(call, "default_user", user).await?),
    }
    match egress.as_deref() {
        None => {}
        Some("") => row.egress = None,
        Some(agent) => match way_by(call, &caller, agent).await? {
            Way::Agent { agent, .. } => row.egress = Some(agent),
            Way::Direct => {}
        },
    }
    let deed = caller.deed("account.change").to(row.id.as_str()).with(row.policy.as_str());
    if !db::change_account(&db, &row, deed).await? {
        return Err(unknown());
    }
    directory::forget();
    answer(&with_webhook(row))
}

/// `PUT /v1/admin/accounts/{account}/credentials`: what its platform gave it anew; the same bot, or another one of the
/// same platform. They are tried first, and whoever is bound stays so.
pub async fn put_credentials(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let row = known(call).await?;
    let wrong = |error| Error::new(Code::BadRequest, format!("body: {error}"));
    let mut account = Account::from_json(call.json().await?.0).map_err(wrong)?;
    if account.id != row.id || account.platform.name() != row.platform {
        return Err(Error::new(
            Code::BadRequest,
            "id, platform: those of the account; for others, add another account",
        ));
    }
    let db = call.config.db()?;
    let way = directory::bot(&call.config, row.id.as_str()).await?.map_or(Way::Direct, |bot| bot.way.clone());
    let settings = tried(call, &mut account, &way).await?;
    let deed = caller.deed("account.credentials").to(row.id.as_str());
    if !db::put_settings(&db, &row.id, &settings, deed).await? {
        return Err(unknown());
    }
    directory::forget();
    answer(&with_webhook(row))
}

/// `POST /v1/admin/accounts/{account}/check`
pub async fn check(call: &Call) -> Result<Response, Error> {
    call.operator().await?;
    let id = known(call).await?.id;
    // Another isolate may have changed it within the last minute.
    directory::forget();
    let bot = directory::bot(&call.config, id.as_str()).await?.ok_or_else(unknown)?;
    let way = match &bot.way {
        Way::Agent { agent, .. } => format!("through {agent}"),
        Way::Direct => "directly from the relay".to_owned(),
    };
    let mut account = bot.account.clone();
    let one = |name: &str, ok, detail| AccountCheck { name: name.to_owned(), ok, detail };
    let callback = check_callback(call, &bot).await?;
    if platform::keeps(&account) {
        let detail = "answers go in responses to callbacks alone".to_owned();
        return answer(&AccountChecks { checks: vec![one("egress", true, detail), callback] });
    }
    let request = platform::bot_request(&account);
    let introduced = account::introduce(&call.config, &bot.way, &account, &request).await;
    let known = introduced.and_then(|response| platform::introduce(&mut account, &response));
    let mut checks = Vec::new();
    match known {
        Ok(()) => {
            checks.extend([one("egress", true, way), one("credentials", true, "taken".to_owned())]);
            checks.extend(check_scopes(call, &bot).await);
            checks.extend(check_quota(call, &bot).await?);
        }
        Err(why) if why.starts_with(outbound::NO_ANSWER) => checks.push(one("egress", false, format!("{way}: {why}"))),
        Err(why) => checks.extend([one("egress", true, way), one("credentials", false, why)]),
    }
    checks.push(callback);
    answer(&AccountChecks { checks })
}

/// Whether the platform reaches the bot's webhook: only its calls can show that.
async fn check_callback(call: &Call, bot: &Bot) -> Result<AccountCheck, Error> {
    let Account { id, platform, .. } = &bot.account;
    let called = db::last_call(&call.config.db()?, id).await?.flatten();
    let detail = match called {
        Some(at) => format!("called at {}, or within the hour after", clock::show(at)),
        None => {
            format!("never called yet: enter {}/webhook/{}/{id} there", origin::own(&call.request), platform.name())
        }
    };
    Ok(AccountCheck { name: "callback".to_owned(), ok: called.is_some(), detail })
}

/// Asks the platform what the bot may do, if it can be asked.
async fn check_scopes(call: &Call, bot: &Bot) -> Option<AccountCheck> {
    let account = &bot.account;
    let request = platform::scopes_request(account)?;
    let answer = account::introduce(&call.config, &bot.way, account, &request).await;
    Some(told("scopes", answer.and_then(|response| platform::scopes_told(account, &response))))
}

/// What a platform says of a bot, or why it says nothing, which is no fault of the account's.
fn told(name: &str, said: Result<(bool, String), String>) -> AccountCheck {
    let (ok, detail) = said.unwrap_or_else(|why| (true, format!("the platform does not say: {why}")));
    AccountCheck { name: name.to_owned(), ok, detail }
}

/// Asks the platform what is left, if it can be asked; and lets go of what it said before that nothing is.
async fn check_quota(call: &Call, bot: &Bot) -> Result<Option<AccountCheck>, Error> {
    let (config, account) = (&call.config, &bot.account);
    let Some(request) = platform::quota_request(account) else {
        quota::correct(config, &account.id, None).await?;
        return Ok(None);
    };
    let answer = account::introduce(config, &bot.way, account, &request).await;
    let left = answer.and_then(|response| platform::quota_told(account, &response));
    let in_words = |Told { limit, used }: &Told| (used < limit, format!("{used} of {limit} messages were sent today"));
    let check = told("quota", left.as_ref().map(in_words).map_err(String::clone));
    quota::correct(config, &account.id, left.ok()).await?;
    Ok(Some(check))
}

/// `GET /v1/admin/accounts/{account}/quota`
pub async fn quota(call: &Call) -> Result<Response, Error> {
    call.operator().await?;
    quota::read(&call.config, &known(call).await?.id).await
}

/// `DELETE /v1/admin/accounts/{account}`
pub async fn delete(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let deed = caller.deed("account.delete").to(call.param(0));
    if !db::delete_account(&call.config.db()?, call.param(0), deed).await? {
        return Err(unknown());
    }
    directory::forget();
    done()
}

/// `GET /v1/admin/accounts/{account}/senders?cursor={next}&limit={n}`
pub async fn senders(call: &Call) -> Result<Response, Error> {
    call.operator().await?;
    let (account, (after, limit)) = (known(call).await?.id, call.page_by_time()?);
    let mut senders = db::senders(&call.config.db()?, &account, after, limit + 1).await?;
    let next = cut_page(&mut senders, limit, |last| Moment::new(last.created_ms, &last.sender));
    answer(&Senders { senders, next })
}

/// `PUT /v1/admin/accounts/{account}/senders/{sender}`
pub async fn put_sender(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let account = known(call).await?.id;
    let sender = platform_id(call.param(1), "sender")?;
    let deed = caller.deed("sender.list").to(account.as_str());
    db::put_sender(&call.config.db()?, &account, sender, now(), deed).await?;
    directory::forget();
    done()
}

/// `DELETE /v1/admin/accounts/{account}/senders/{sender}`
pub async fn delete_sender(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let account = known(call).await?.id;
    let deed = caller.deed("sender.unlist").to(account.as_str());
    if !db::delete_sender(&call.config.db()?, &account, call.param(1), deed).await? {
        return Err(Error::new(Code::NotFound, "no such sender on the list"));
    }
    directory::forget();
    done()
}

/// `GET /v1/admin/accounts/{account}/groups?cursor={next}&limit={n}`
pub async fn groups(call: &Call) -> Result<Response, Error> {
    call.operator().await?;
    let (account, (after, limit)) = (known(call).await?.id, call.page_by_time()?);
    let mut groups = db::groups(&call.config.db()?, &account, after, limit + 1).await?;
    let next = cut_page(&mut groups, limit, |last| Moment::new(last.created_ms, &last.chat));
    answer(&GroupList { groups, next })
}

/// `PUT /v1/admin/accounts/{account}/groups/{chat}`
pub async fn put_group(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let account = known(call).await?.id;
    let chat = platform_id(call.param(1), "chat")?;
    let GroupBody { user } = call.json_or_none().await?.read()?;
    let user = match &user {
        Some(user) => Some(user_named(call, "user", user.as_str()).await?),
        None => None,
    };
    let deed = caller.deed("group.list").to(account.as_str());
    db::put_group(&call.config.db()?, &account, chat, user.as_ref(), now(), deed).await?;
    directory::forget();
    done()
}

/// `DELETE /v1/admin/accounts/{account}/groups/{chat}`
pub async fn delete_group(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let account = known(call).await?.id;
    let deed = caller.deed("group.unlist").to(account.as_str());
    if !db::delete_group(&call.config.db()?, &account, call.param(1), deed).await? {
        return Err(Error::new(Code::NotFound, "no such group on the list"));
    }
    directory::forget();
    done()
}

/// `POST /v1/admin/identities`: from now on this sender reaches that user's agents.
pub async fn bind(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let body: Binding = call.json().await?.read()?;
    let db = call.config.db()?;
    if db::account_row(&db, body.account.as_str()).await?.is_none() {
        return Err(Error::new(Code::BadRequest, "account: no such account"));
    }
    user_named(call, "user", body.user.as_str()).await?;
    platform_id(&body.sender, "sender")?;
    let id = new_id::<UserId>("idt")?.to_string();
    let Binding { account, sender, user } = &body;
    let bond = db::Bond { id: &id, account, sender, user, conversation: None };
    let deed = caller.deed("identity.bind").to(account.as_str()).with("by an operator");
    db::put_identity(&db, bond, now(), deed).await?;
    directory::forget();
    answer(&body)
}

async fn known(call: &Call) -> Result<AccountRow, Error> {
    let account: AccountId = call.id(0, "no such account")?;
    db::account_row(&call.config.db()?, account.as_str()).await?.ok_or_else(unknown)
}

fn unknown() -> Error {
    Error::new(Code::NotFound, "no such account")
}

async fn user_named(call: &Call, field: &str, user: &str) -> Result<UserId, Error> {
    let wrong = || Error::new(Code::BadRequest, format!("{field}: no such user"));
    let user: UserId = user.parse().map_err(|_| wrong())?;
    if db::has_user(&call.config.db()?, &user).await? { Ok(user) } else { Err(wrong()) }
}

/// Calls leave by this agent, which must be the caller's own: what it carries are secrets of the bot.
async fn way_by(call: &Call, caller: &Caller, agent: &str) -> Result<Way, Error> {
    let wrong = || Error::new(Code::BadRequest, "egress: no such agent of yours");
    let agent: AgentId = agent.parse().map_err(|_| wrong())?;
    let own = db::agent(&call.config.db()?, caller.user(), &agent).await?;
    own.map(|own| Way::Agent { user: caller.user().clone(), agent: own.id }).ok_or_else(wrong)
}

/// An id of a platform's: ours to keep, theirs to make.
fn platform_id<'a>(id: &'a str, field: &str) -> Result<&'a str, Error> {
    if id.is_empty() || id.len() > PLATFORM_ID_BYTES_MAX || id.chars().any(char::is_control) {
        let detail = format!("{field}: 1 to {PLATFORM_ID_BYTES_MAX} bytes, without control characters");
        return Err(Error::new(Code::BadRequest, detail));
    }
    Ok(id)
}

fn with_webhook(account: AccountRow) -> AccountAnswer {
    AccountAnswer { webhook: format!("/webhook/{}/{}", account.platform, account.id), account }
}

/// An account's settings, sealed, once the platform has taken them.
async fn tried(call: &Call, account: &mut Account, way: &Way) -> Result<String, Error> {
    platform::check(account).map_err(|detail| Error::new(Code::BadRequest, detail))?;
    introduce(call, account, way).await?;
    let settings = serde_json::to_string(&account.platform);
    let settings = settings.map_err(|error| Error::internal("settings of an account", error))?;
    Ok(call.config.seals()?.seal(directory::place(account.id.as_str()), &settings, &random_bytes()?))
}

/// Asks the platform who the bot is: proves the credentials, and tells mentions of the bot from others.
async fn introduce(call: &Call, account: &mut Account, way: &Way) -> Result<(), Error> {
    // Nothing of its API will be called.
    if platform::keeps(account) {
        return Ok(());
    }
    let request = platform::bot_request(account);
    let answer = account::introduce(&call.config, way, account, &request).await;
    answer
        .and_then(|response| platform::introduce(account, &response))
        .map_err(|why| Error::new(Code::PlatformRefused, format!("{}: {why}", platform::credentials(account))))
}

const ACCOUNT_ID_BYTES_MAX: usize = 64;
const PLATFORM_ID_BYTES_MAX: usize = 200;
