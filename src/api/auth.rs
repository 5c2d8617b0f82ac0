//! `/v1/auth`: signing in and out, without a platform.

use protocol::Code;
use protocol::api::{CodeBody, Login, Methods, RefreshBody, Register, Role, SignUp, TokenKind, Verified};
use relay::auth::{hash, password, same_secret};

use super::{checked_name, new_user};
use crate::call::{Call, answer, created, done};
use crate::clock::{now, random_bytes};
use crate::error::Error;
use crate::runtime::Response;
use crate::{db, limit, request, session};

/// `GET /v1/auth/methods`
pub async fn methods(call: &Call) -> Result<Response, Error> {
    let db = call.config.db()?;
    let is_new = !db::has_operator(&db).await?;
    answer(&Methods { sign_up: call.config.sign_up()?, is_new, providers: db::providers(&db).await? })
}

/// `POST /v1/auth/operator`: spends the operator token, which is good once. The first time it creates the first user;
/// later a new token signs that user in again.
pub async fn operator(call: &Call) -> Result<Response, Error> {
    let token = request::bearer(&call.request)?;
    if !same_secret(&token, &call.config.operator_token()?) {
        return Err(Error::unauthorized("Authorization: not the operator token"));
    }
    // Everything that can fail comes before the token is spent.
    let db = call.config.db()?;
    let known = match db::first_operator(&db).await? {
        Some(known) => known,
        None => {
            // Of two at once only one is kept.
            db::insert_first_operator(&db, &new_user("operator", Role::Operator)?, now()).await?;
            let kept = db::first_operator(&db).await?;
            kept.ok_or_else(|| Error::internal("the first operator", "not there"))?
        }
    };
    if !db::spend_token(&db, &hash(&token), now()).await? {
        return Err(Error::unauthorized("this operator token was used already; set a new OPERATOR_TOKEN"));
    }
    answer(&session::begin(call, &known, "operator token").await?)
}

/// `POST /v1/auth/register`
pub async fn register(call: &Call) -> Result<Response, Error> {
    let Register { login, password, name, invitation } = call.json().await?.read()?;
    let (login, _) = (checked_login(&login)?, checked_name(&name)?);
    check_password(&password)?;
    let db = call.config.db()?;
    if !db::has_operator(&db).await? {
        return Err(Error::new(Code::Forbidden, "nobody can sign up before the operator has signed in"));
    }
    let secret = password::hash(&password, &random_bytes()?);
    let role = admit(call, invitation.as_deref(), Admission::Anyone).await?;
    let known = new_user(&name, role)?;
    let login = db::NewLogin { kind: "password", subject: &login, secret: Some(&secret) };
    let deed = db::Deed::new(&known.audit_id, "user.register", now()).with(role.as_str());
    if !db::insert_user_with_login(&db, &known, login, now(), deed).await? {
        if let Some(invitation) = invitation {
            db::return_invitation(&db, &hash(&invitation)).await?;
        }
        return Err(Error::new(Code::Conflict, "login: somebody signs in with this already"));
    }
    created(&session::begin(call, &known, "password").await?)
}

/// Who wants to sign up.
pub enum Admission {
    /// Anyone.
    Anyone,
    /// A member of an organisation that a provider vouches for.
    Member,
}

/// As what someone may sign up: by their invitation, or by what this deployment allows.
pub async fn admit(call: &Call, invitation: Option<&str>, who: Admission) -> Result<Role, Error> {
    if let Some(invitation) = invitation {
        let role = db::use_invitation(&call.config.db()?, &hash(invitation), now()).await?;
        return role.ok_or_else(|| Error::new(Code::Forbidden, "invitation: unknown, used or expired"));
    }
    match (call.config.sign_up()?, who) {
        (SignUp::Open, _) | (SignUp::Organisation, Admission::Member) => Ok(Role::User),
        (SignUp::Closed, _) | (SignUp::Organisation, Admission::Anyone) => {
            Err(Error::new(Code::Forbidden, "invitation: this relay takes new users by invitation"))
        }
    }
}

/// `POST /v1/auth/login`
pub async fn login(call: &Call) -> Result<Response, Error> {
    let Login { login, password } = call.json().await?.read()?;
    let wrong = || Error::unauthorized("login or password: wrong");
    // What cannot be a login or a password is wrong like any other, and takes as long.
    let login = normal(&login).unwrap_or_default();
    limit::guess(call, &format!("login {login}")).await?;
    let db = call.config.db()?;
    let known = db::login(&db, "password", &login).await?;
    let kept = known.as_ref().and_then(|login| login.secret.as_deref());
    let is_short = password.chars().count() <= password::PASSWORD_CHARACTERS_MAX;
    let is_right = password::verify(if is_short { &password } else { "" }, kept);
    let Some(known) = known.filter(|_| is_right && is_short) else { return Err(wrong()) };
    let known = db::user(&db, &known.user_id).await?.ok_or_else(wrong)?;
    answer(&session::begin(call, &known, "password").await?)
}

/// `POST /v1/auth/refresh`
pub async fn refresh(call: &Call) -> Result<Response, Error> {
    let RefreshBody { refresh_token } = call.json().await?.read()?;
    answer(&session::refresh(call, &refresh_token).await?)
}

/// `POST /v1/auth/verify`
pub async fn verify(call: &Call) -> Result<Response, Error> {
    if let Ok(key) = call.agent_key() {
        if !db::has_agent_key(&call.config.db()?, &key.key).await? {
            return Err(Error::unauthorized("Authorization: this key was revoked"));
        }
        let (user, agent, scopes) = (key.user, Some(key.agent), Some(key.scopes));
        return answer(&Verified { active: true, kind: TokenKind::Agent, user, agent, scopes, role: None });
    }
    let caller = call.caller().await?;
    let (user, role) = (caller.known.user.id, Some(caller.known.user.role));
    answer(&Verified { active: true, kind: TokenKind::Access, user, agent: None, scopes: None, role })
}

/// `POST /v1/auth/link`
pub async fn link(call: &Call) -> Result<Response, Error> {
    let CodeBody { code } = call.json().await?.read()?;
    let db = call.config.db()?;
    let unknown = || Error::unauthorized("code: unknown, used or expired");
    let user = db::use_link(&db, &hash(&code), now()).await?.ok_or_else(unknown)?;
    let known = db::user(&db, &user).await?.ok_or_else(unknown)?;
    answer(&session::begin(call, &known, "link").await?)
}

/// `POST /v1/auth/logout`
pub async fn logout(call: &Call) -> Result<Response, Error> {
    let caller = call.caller().await?;
    session::revoke(&call.config, caller.user(), vec![caller.session.clone()]).await?;
    db::sign_out(&call.config.db()?, caller.user(), &caller.session).await?;
    done()
}

/// An e-mail address or a phone number as it is kept; nobody was asked whether it is theirs.
pub fn checked_login(login: &str) -> Result<String, Error> {
    let wrong = || Error::new(Code::BadRequest, "login: an e-mail address, or a phone number with its country code");
    normal(login).ok_or_else(wrong)
}

fn normal(login: &str) -> Option<String> {
    let login = login.trim().to_lowercase();
    if let Some((name, domain)) = login.split_once('@') {
        let is_mail = !name.is_empty()
            && domain.contains('.')
            && !domain.contains('@')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && login.len() <= LOGIN_BYTES_MAX
            && !login.chars().any(|letter| letter.is_whitespace() || letter.is_control());
        return is_mail.then_some(login);
    }
    let digits: String = login.chars().filter(|letter| !matches!(letter, ' ' | '-' | '(' | ')')).collect();
    let number = digits.strip_prefix('+')?;
    let is_phone = (7..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    is_phone.then_some(digits)
}

/// Refuses a password that is too short or too long.
pub fn check_password(password: &str) -> Result<(), Error> {
    if password::is_acceptable(password) {
        return Ok(());
    }
    let (min, max) = (password::PASSWORD_CHARACTERS_MIN, password::PASSWORD_CHARACTERS_MAX);
    Err(Error::new(Code::BadRequest, format!("password: {min} to {max} characters")))
}

/// RFC 5321 §4.5.3.1.3.
const LOGIN_BYTES_MAX: usize = 254;
