//! `/v1/me`: what is mine.

use protocol::api::{LinkAnswer, LinkBody, Me, NameBody, PasswordBody, SessionRow, Sessions, User, UserAnswer};
use protocol::{Code, UserId};
use relay::auth::{hash, password};

use super::auth::{check_password, checked_login};
use super::{checked_name, within};
use crate::ask;
use crate::call::{Call, Caller, answer, created, cut_page, done};
use crate::clock::{now, random, random_bytes};
use crate::config::Config;
use crate::error::Error;
use crate::runtime::Response;
use crate::{db, directory, file, limit, session};

/// `GET /v1/me`
pub async fn me(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    let logins = db::logins(&call.config.db()?, caller.user()).await?;
    answer(&Me { user: caller.known.user, logins })
}

/// `PATCH /v1/me`
pub async fn rename(call: &Call) -> Result<Response, Error> {
    let (caller, body) = (call.caller().await?, call.json().await?.read::<NameBody>()?);
    let name = checked_name(&body.name)?;
    db::rename_user(&call.config.db()?, caller.user(), &name).await?;
    answer(&UserAnswer { user: User { name, ..caller.known.user } })
}

/// `PUT /v1/me/password`: whoever knows the old one may choose another, and every other device must sign in again.
pub async fn password(call: &Call) -> Result<Response, Error> {
    let (caller, body) = (call.caller().await?, call.json().await?.read::<PasswordBody>()?);
    let login = checked_login(&body.login)?;
    check_password(&body.password)?;
    let db = call.config.db()?;
    if let Some(kept) = db::password(&db, caller.user()).await? {
        limit::guess(call, &format!("password {}", caller.user())).await?;
        if !password::verify(&body.current.unwrap_or_default(), Some(&kept)) {
            return Err(Error::new(Code::Forbidden, "current: not the password until now"));
        }
    }
    let secret = password::hash(&body.password, &random_bytes()?);
    if !db::put_password(&db, caller.user(), &login, &secret, now(), caller.deed("user.password")).await? {
        return Err(Error::new(Code::Conflict, "login: somebody signs in with this already"));
    }
    let deed = caller.deed("session.revoke").with("all others");
    session::end_others(&call.config, caller.user(), &caller.session, deed).await?;
    done()
}

/// `GET /v1/me/sessions?cursor={next}&limit={n}`
pub async fn sessions(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    let (before, limit) = call.page_by_time()?;
    let mut rows = db::sessions(&call.config.db()?, caller.user(), now(), before, limit + 1).await?;
    let next = cut_page(&mut rows, limit, |last| db::Moment::new(last.created_ms, &last.id));
    let row = |row: db::SessionColumns| SessionRow {
        is_current: row.id == caller.session,
        id: row.id,
        client: row.client,
        created_ms: row.created_ms,
        used_ms: row.rotated_ms,
        expires_ms: row.expires_ms,
    };
    answer(&Sessions { sessions: rows.into_iter().map(row).collect(), next })
}

/// `DELETE /v1/me/sessions/{session}`
pub async fn end_session(call: &Call) -> Result<Response, Error> {
    let (caller, id) = (call.caller().await?, call.param(0));
    let db = call.config.db()?;
    if !db::session_ids(&db, caller.user()).await?.iter().any(|known| known == id) {
        return Err(Error::new(Code::NotFound, "no such session of yours"));
    }
    // In the Hub first: what fails may be asked for again.
    session::revoke(&call.config, caller.user(), vec![id.to_owned()]).await?;
    db::delete_session(&db, caller.user(), id, caller.deed("session.revoke")).await?;
    done()
}

/// `DELETE /v1/me/sessions`: all but this one.
pub async fn end_other_sessions(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    let deed = caller.deed("session.revoke").with("all others");
    session::end_others(&call.config, caller.user(), &caller.session, deed).await?;
    done()
}

/// `POST /v1/me/links`
pub async fn link(call: &Call) -> Result<Response, Error> {
    let (caller, body) = (call.caller().await?, call.json_or_none().await?.read::<LinkBody>()?);
    let uses = within("uses", body.uses, 1, 1..=20)?;
    let minutes = within("minutes", body.minutes, 10, 1..=24 * 60)?;
    let (code, expires_at_ms) = (random::<24>()?, now().plus_ms(minutes * 60 * 1000));
    let deed = caller.deed("link.create");
    db::insert_link(&call.config.db()?, &hash(&code), caller.user(), uses, now(), expires_at_ms, deed).await?;
    created(&LinkAnswer { code, expires_at_ms })
}

/// `DELETE /v1/me?confirm={user}`
pub async fn delete(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    if call.query("confirm")?.as_deref() != Some(caller.user().as_str()) {
        return Err(Error::new(Code::BadRequest, "confirm: your own id, as GET /v1/me says it"));
    }
    erase(&call.config, &caller, caller.user(), &caller.known.audit_id).await?;
    done()
}

/// Deletes a user and everything of theirs: the Hub with its messages, and every row of D1. The audit log goes on, and
/// has no word that leads to them.
pub async fn erase(config: &Config, by: &Caller, user: &UserId, audit_id: &str) -> Result<(), Error> {
    let db = config.db()?;
    let is_last = || Error::new(Code::Conflict, "the last operator cannot be deleted: make another one first");
    if db::is_last_operator(&db, user).await? {
        return Err(is_last());
    }
    // The messages first: if something fails then, it may be asked for again.
    ask::erase(config, user).await?;
    if !db::delete_user(&db, user, by.deed("user.delete").to(audit_id)).await? {
        return Err(is_last());
    }
    directory::forget();
    file::delete_all(config, user).await?;
    // Whatever came in between. From now on their tokens lead nowhere: an empty Hub is not begun for a user who is gone.
    ask::erase(config, user).await
}
