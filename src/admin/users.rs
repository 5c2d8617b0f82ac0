//! `/v1/admin/users`, `/v1/admin/invitations`: who there is, and who may come.

use protocol::api::{
    Invitation, InvitationAnswer, Invitations, NewInvitation, NewUser, Role, User, UserAnswer, UserChanges, UserRow,
    Users,
};
use protocol::{Code, UserId};
use relay::auth::{hash, password};

use crate::api::auth::{check_password, checked_login};
use crate::api::timeline::{dead_letters_asked, events_asked, seq_of};
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
    let mut users = db::users(&call.config.db()?, &after, limit + 1).await?;
    let next = cut_page(&mut users, limit, |last| last.id.clone());
    answer(&Users { users, next })
}

/// `POST /v1/admin/users`
pub async fn create(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let NewUser { name, role, login, password } = call.json().await?.read()?;
    let known = new_user(&name, role.unwrap_or(Role::User))?;
    let db = call.config.db()?;
    let deed = caller.deed("user.create").to(&known.audit_id).with(known.user.role.as_str());
    match (login, password) {
        (Some(login), Some(password)) => {
            let login = checked_login(&login)?;
            check_password(&password)?;
            let secret = password::hash(&password, &random_bytes()?);
            let login = db::NewLogin { kind: "password", subject: &login, secret: Some(&secret) };
            if !db::insert_user_with_login(&db, &known, login, now(), deed).await? {
                return Err(Error::new(Code::Conflict, "login: somebody signs in with this already"));
            }
        }
        (None, None) => drop(db::insert_user(&db, &known, now(), deed).await?),
        _ => return Err(Error::new(Code::BadRequest, "login, password: both or neither")),
    }
    created(&UserAnswer { user: known.user })
}

/// `PATCH /v1/admin/users/{user}`
pub async fn change(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let mut row = row_of(call).await?;
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
    (row.role, row.is_disabled) = (role.unwrap_or(row.role), is_disabled.unwrap_or(row.is_disabled));
    let detail = if row.is_disabled { "disabled" } else { row.role.as_str() };
    let deed = caller.deed("user.change").to(&row.audit_id).with(detail);
    let named = secret.as_ref().map(|(login, secret)| (login.as_str(), secret.as_str()));
    if !db::change_user(&db, &row, named, now(), deed).await? {
        let is_taken = match named {
            Some((login, _)) => db::is_taken(&db, login, &row.id).await?,
            None => false,
        };
        let taken = "login: somebody signs in with this already";
        let last = "this is the last operator: make another one first";
        return Err(Error::new(Code::Conflict, if is_taken { taken } else { last }));
    }
    // Tokens say as what someone is signed in: whoever may be something else now signs in again. What the Hub is told may
    // fail, and be asked for again: so it goes by what was asked, not by what changed.
    if row.is_disabled || secret.is_some() || role.is_some() {
        let deed = caller.deed("session.revoke").to(&row.audit_id).with("all");
        session::end_others(&call.config, &row.id, "", deed).await?;
    }
    if is_disabled.is_some() {
        ask::tell(&call.config, &row.id, &Ask::Bar { is_barred: row.is_disabled }).await?;
    }
    directory::forget();
    answer(&UserAnswer { user: User { id: row.id, name: row.name, role: row.role } })
}

/// `DELETE /v1/admin/users/{user}`
pub async fn delete(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let row = row_of(call).await?;
    me::erase(&call.config, &caller, &row.id, &row.audit_id).await?;
    done()
}

/// `GET /v1/admin/users/{user}/dead-letters?before={next}&limit={n}`
pub async fn dead_letters(call: &Call) -> Result<Response, Error> {
    theirs(call, dead_letters_asked).await
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

/// `GET /v1/admin/invitations?cursor={next}&limit={n}`
pub async fn invitations(call: &Call) -> Result<Response, Error> {
    call.operator().await?;
    let (after, limit) = call.page_by_time()?;
    let mut invitations = db::invitations(&call.config.db()?, now(), after, limit + 1).await?;
    let next = cut_page(&mut invitations, limit, |last| db::Moment::new(last.expires_ms, &last.id));
    answer(&Invitations { invitations, next })
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
    let deed = caller.deed("invitation.create").to(&invitation.id).with(invitation.role.as_str());
    db::insert_invitation(&call.config.db()?, &invitation, &hash(&code), now(), deed).await?;
    created(&InvitationAnswer { invitation, code })
}

/// `DELETE /v1/admin/invitations/{invitation}`
pub async fn withdraw(call: &Call) -> Result<Response, Error> {
    let caller = call.operator().await?;
    let deed = caller.deed("invitation.delete").to(call.param(0));
    if !db::delete_invitation(&call.config.db()?, call.param(0), deed).await? {
        return Err(Error::new(Code::NotFound, "no such invitation"));
    }
    done()
}

async fn row_of(call: &Call) -> Result<UserRow, Error> {
    let user: UserId = call.id(0, "no such user")?;
    let row = db::user_row(&call.config.db()?, &user).await?;
    row.ok_or_else(|| Error::new(Code::NotFound, "no such user"))
}
