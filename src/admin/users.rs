//! `/v1/admin/users`, `/v1/admin/invitations`: who there is, and who may come.

use protocol::api::{
    Invitation, InvitationAnswer, Invitations, NewInvitation, NewUser, Role, User, UserAnswer, UserChanges, UserRow,
    Users,
};
use protocol::{Code, UserId};
use relay::auth::{hash, password};

use crate::api::auth::{check_password, checked_login};
use crate::api::timeline::{events_asked, seq_of};
use crate::api::{me, new_id, new_user, within};
use crate::ask::{self, Ask};
use crate::call::{Call, answer, created, cut_page, done};
use crate::clock::{now, random, random_bytes};
use crate::error::Error;
use crate::runtime::Response;
use crate::{db, directory, session};

/// `GET /v1/admin/users?cursor={next}&limit={n}`
pub async fn list(call: &Call) -> Result<Response, Error> {
    call.operator().await?;
    let (after, limit) = call.page()?;
    let mut users = db::users(&call.config.db()?, after.as_deref().unwrap_or_default(), limit + 1).await?;
    let next = cut_page(&mut users, limit, |last| last.id.to_string());
    answer(&Users { users, next })
}

/// `POST /v1/admin/users`
pub async fn create(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let NewUser { name, role, login, password } = call.json().await?.read()?;
    let known = new_user(&name, role.unwrap_or(Role::User))?;
    let db = call.config.db()?;
    match (login, password) {
        (Some(login), Some(password)) => {
            let login = checked_login(&login)?;
            check_password(&password)?;
            let secret = password::hash(&password, &random_bytes()?);
            if !db::insert_user_with_login(&db, &known, "password", &login, Some(&secret), now()).await? {
                return Err(Error::new(Code::Conflict, "login: somebody signs in with this already"));
            }
        }
        (None, None) => db::insert_user(&db, &known, now()).await?,
        _ => return Err(Error::new(Code::BadRequest, "login, password: both or neither")),
    }
    caller.audit(&call.config, "user.create", Some(&known.audit_id), Some(known.user.role.as_str())).await?;
    created(&UserAnswer { user: known.user })
}

/// `PATCH /v1/admin/users/{user}`
pub async fn change(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let row = row_of(call).await?;
    let UserChanges { role, is_disabled, password, login } = call.json().await?.read()?;
    let db = call.config.db()?;
    let secret = match (login, password) {
        (Some(login), Some(password)) => {
            check_password(&password)?;
            Some((checked_login(&login)?, password::hash(&password, &random_bytes()?)))
        }
        (None, None) => None,
        _ => return Err(Error::new(Code::BadRequest, "login, password: both or neither")),
    };
    // What can be refused is asked before anything is changed.
    if let Some((login, _)) = &secret
        && db::is_taken(&db, login, &row.id).await?
    {
        return Err(Error::new(Code::Conflict, "login: somebody signs in with this already"));
    }
    let (role, is_disabled) = (role.unwrap_or(row.role), is_disabled.unwrap_or(row.is_disabled));
    if !db::change_user(&db, &row.id, role, is_disabled).await? {
        return Err(Error::new(Code::Conflict, "this is the last operator: make another one first"));
    }
    if let Some((login, secret)) = &secret
        && !db::put_password(&db, &row.id, login, secret, now()).await?
    {
        return Err(Error::new(Code::Conflict, "login: somebody signs in with this already"));
    }
    // Tokens say as what someone is signed in: whoever is something else now signs in again.
    if is_disabled || secret.is_some() || role != row.role {
        session::end_others(&call.config, &row.id, "").await?;
    }
    if is_disabled != row.is_disabled {
        ask::tell(&call.config, &row.id, &Ask::Bar { is_barred: is_disabled }).await?;
    }
    directory::forget();
    let detail = if is_disabled { "disabled" } else { role.as_str() };
    caller.audit(&call.config, "user.change", Some(&row.audit_id), Some(detail)).await?;
    answer(&UserAnswer { user: User { id: row.id, name: row.name, role } })
}

/// `DELETE /v1/admin/users/{user}`
pub async fn delete(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let row = row_of(call).await?;
    me::erase(&call.config, &caller, &row.id, &row.audit_id).await?;
    done()
}

/// `GET /v1/admin/users/{user}/dead-letters`
pub async fn dead_letters(call: &Call) -> Result<Response, Error> {
    theirs(call, |_| Ok(Ask::DeadLetters)).await
}

/// `POST /v1/admin/users/{user}/dead-letters/{seq}/replay`
pub async fn replay(call: &Call) -> Result<Response, Error> {
    theirs(call, |call| Ok(Ask::Replay { seq: seq_of(call.param(1))? })).await
}

/// `GET /v1/admin/users/{user}/events?before={next}&limit={n}`
pub async fn events(call: &Call) -> Result<Response, Error> {
    theirs(call, events_asked).await
}

/// Asks the Hub of a user whom an operator asks about.
async fn theirs(call: &Call, asked: fn(&Call) -> Result<Ask, Error>) -> Result<Response, Error> {
    call.operator().await?;
    let row = row_of(call).await?;
    ask::ask(&call.config, &row.id, "", &asked(call)?).await
}

/// `GET /v1/admin/users/{user}`
pub async fn get(call: &Call) -> Result<Response, Error> {
    call.operator().await?;
    answer(&row_of(call).await?)
}

/// `GET /v1/admin/invitations`
pub async fn invitations(call: &Call) -> Result<Response, Error> {
    call.operator().await?;
    answer(&Invitations { invitations: db::invitations(&call.config.db()?, now()).await? })
}

/// `POST /v1/admin/invitations`
pub async fn invite(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let NewInvitation { role, days, uses } = call.json_or_none().await?.read()?;
    let days = within("days", days, 7, 1..=30)?;
    let uses = within("uses", uses, 1, 1..=100)?;
    let (id, code) = (new_id::<UserId>("inv")?.to_string(), random::<24>()?);
    let expires_ms = now().plus_ms(days * 24 * 60 * 60 * 1000).0;
    let invitation = Invitation { id, role: role.unwrap_or(Role::User), uses, expires_ms };
    db::insert_invitation(&call.config.db()?, &invitation, &hash(&code), now()).await?;
    caller.audit(&call.config, "invitation.create", Some(&invitation.id), Some(invitation.role.as_str())).await?;
    created(&InvitationAnswer { invitation, code })
}

/// `DELETE /v1/admin/invitations/{invitation}`
pub async fn withdraw(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    if !db::delete_invitation(&call.config.db()?, call.param(0)).await? {
        return Err(Error::new(Code::NotFound, "no such invitation"));
    }
    caller.audit(&call.config, "invitation.delete", Some(call.param(0)), None).await?;
    done()
}

async fn row_of(call: &Call) -> Result<UserRow, Error> {
    let user: UserId = call.id(0, "no such user")?;
    let row = db::user_row(&call.config.db()?, &user).await?;
    row.ok_or_else(|| Error::new(Code::NotFound, "no such user"))
}
