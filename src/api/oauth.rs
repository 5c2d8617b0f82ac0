//! `/v1/auth/oauth`, `/v1/auth/wechat`: signing in with an account elsewhere.
//!
//! The page makes a random verifier and keeps it; its hash goes into the state, which is signed. So the one who comes
//! back with a code and the state, and has the verifier, is the one who began (RFC 7636, RFC 9700 §2.1).

use protocol::Code;
use protocol::api::{OauthFinish, OauthStart, OauthUrl, Provider, ProviderKind, ProviderName, WechatLogin};
use relay::auth::provider::{self, NoPerson, Person, Stage, Step};
use relay::auth::seal::Place;
use relay::auth::{OauthState, hash};

use super::auth::{Admission, admit};
use super::new_user;
use crate::call::{Call, answer};
use crate::clock::{now, random};
use crate::config::Config;
use crate::error::Error;
use crate::outbound::Way;
use crate::runtime::Response;
use crate::{db, origin, outbound, session};

/// `POST /v1/auth/oauth/{provider}/start`
pub async fn start(call: &Call) -> Result<Response, Error> {
    let OauthStart { challenge, redirect_uri, invitation } = call.json().await?.read()?;
    let provider = read(&call.config, call.param(0)).await?;
    let is_hash = relay::auth::decode(&challenge).is_some_and(|bytes| bytes.len() == 32);
    if !is_hash {
        return Err(Error::new(Code::BadRequest, "challenge: base64url of the SHA-256 of the verifier"));
    }
    if redirect_uri != format!("{}/", origin::own(&call.request)) {
        return Err(Error::new(Code::BadRequest, "redirect_uri: this relay's own address, and a slash"));
    }
    let state = OauthState {
        id: random::<16>()?,
        provider: provider.id.to_string(),
        challenge: challenge.clone(),
        redirect: redirect_uri.clone(),
        invitation,
    };
    let state = call.config.keys()?.sign(&state, now(), Some(now().plus_ms(STATE_MS)));
    let url = provider::page(&provider, &redirect_uri, &state, &challenge);
    answer(&OauthUrl { url: url.ok_or_else(|| Error::new(Code::NotFound, "no such provider with a page"))? })
}

/// `POST /v1/auth/oauth/{provider}/finish`
pub async fn finish(call: &Call) -> Result<Response, Error> {
    let OauthFinish { code, state, verifier } = call.json().await?.read()?;
    let refused = || Error::unauthorized("state or verifier: begin anew");
    let state: OauthState = call.config.keys()?.verify(&state, now()).map_err(|_| refused())?;
    let is_theirs = (43..=128).contains(&verifier.len()) && hash(&verifier) == state.challenge;
    if state.provider != call.param(0) || !is_theirs {
        return Err(refused());
    }
    let db = call.config.db()?;
    if !db::spend_token(&db, &hash(&state.id), now()).await? {
        return Err(refused());
    }
    let provider = read(&call.config, &state.provider).await?;
    let person = ask(call, &provider, &code, &state.redirect, &verifier).await?;
    sign_in(call, &provider, person, state.invitation.as_deref()).await
}

/// `POST /v1/auth/wechat`
pub async fn wechat(call: &Call) -> Result<Response, Error> {
    let WechatLogin { provider, code, invitation } = call.json().await?.read()?;
    let unknown = || Error::new(Code::NotFound, "no such mini program");
    let known = db::providers(&call.config.db()?).await?.into_iter().filter(|known| known.kind == ProviderKind::Wechat);
    let wanted = |known: &ProviderName| provider.as_ref().is_none_or(|wanted| *wanted == known.id);
    let provider = read(&call.config, &known.into_iter().find(wanted).ok_or_else(unknown)?.id).await?;
    let person = ask(call, &provider, &code, "", "").await?;
    sign_in(call, &provider, person, invitation.as_deref()).await
}

async fn sign_in(
    call: &Call,
    provider: &Provider,
    person: Person,
    invitation: Option<&str>,
) -> Result<Response, Error> {
    let kind = match provider.kind {
        ProviderKind::Feishu => "feishu",
        ProviderKind::Wechat => "wechat",
        ProviderKind::Wecom => "wecom",
    };
    let db = call.config.db()?;
    if let Some(login) = db::login(&db, kind, &person.subject).await? {
        let known = db::user(&db, &login.user_id).await?;
        let known = known.ok_or_else(|| Error::unauthorized("sign in again"))?;
        return answer(&session::begin(call, &known, kind).await?);
    }
    if !db::has_operator(&db).await? {
        return Err(Error::new(Code::Forbidden, "nobody can sign up before the operator has signed in"));
    }
    let who = if person.is_member { Admission::Member } else { Admission::Anyone };
    let role = admit(call, invitation, who).await?;
    let name = person.name.as_deref().map(|name| name.get(..name.floor_char_boundary(NAME_BYTES)).unwrap_or_default());
    let known = new_user(name.filter(|name| !name.trim().is_empty()).unwrap_or(kind), role)?;
    let login = db::NewLogin { kind, subject: &person.subject, secret: None };
    let deed = db::Deed::new(&known.audit_id, "user.register", now()).with(kind);
    if !db::insert_user_with_login(&db, &known, login, now(), deed).await? {
        return Err(Error::new(Code::Conflict, "the same person is being signed up: try again"));
    }
    answer(&session::begin(call, &known, kind).await?)
}

/// Asks the provider, call by call, for whom it vouches.
async fn ask(call: &Call, provider: &Provider, code: &str, redirect: &str, verifier: &str) -> Result<Person, Error> {
    let refused = |no: NoPerson| match no {
        NoPerson::Later(why) => Error::unavailable("the provider does not answer", why),
        NoPerson::Refused(why) => Error::new(Code::PlatformRefused, format!("code: {why}")),
    };
    let (mut request, mut token, mut stage) = (provider::begin(provider, code, redirect, verifier), None, Stage::Code);
    loop {
        let response = outbound::perform(&call.config, &Way::Direct, &request, token.as_deref()).await;
        let response = response.map_err(|why| Error::unavailable("the provider does not answer", why))?;
        match provider::next(provider, stage, code, &response).map_err(refused)? {
            Step::Call(next, with) => (request, token, stage) = (next, with, Stage::Person),
            Step::Done(person) => return Ok(person),
        }
    }
}

async fn read(config: &Config, id: &str) -> Result<Provider, Error> {
    let sealed =
        db::provider(&config.db()?, id).await?.ok_or_else(|| Error::new(Code::NotFound, "no such provider"))?;
    let opened = config.seals()?.open(place(id), &sealed);
    let opened = opened.map_err(|error| Error::internal("a provider's settings", error))?;
    protocol::json::read(&opened).map_err(|error| Error::internal("a provider's settings", error))
}

/// Where a provider's settings are sealed.
pub fn place(id: &str) -> Place<'_> {
    Place { table: "providers", row: id, column: "settings" }
}

/// 10 min: a person reads, perhaps signs in there first, and agrees.
const STATE_MS: u64 = 10 * 60 * 1000;
const NAME_BYTES: usize = 100;
