//! From a request to its handler, and what holds for all of them: limits, origins, keys that make a POST repeatable.

use protocol::Code;
use relay::file;

use crate::call::{Awaited, Call};
use crate::config::Config;
use crate::error::{self, Error};
use crate::route::{Found, Op, find};
use crate::runtime::{Context, Request, Response};
use crate::{admin, api, idempotency, limit, origin, webhook};

/// Answers a request.
pub async fn route(request: Request, env: crate::runtime::Env, context: Context) -> Result<Response, Error> {
    let config = Config::from_env(env);
    let (method, path) = (request.inner().method(), request.path());
    // Webhooks come most often, and have nothing to do with what follows.
    // Where older WeCom gateways had their callback: the account named `default`.
    let path = if path == "/wecom" { "/webhook/wecom/default".to_owned() } else { path };
    if let Some(rest) = path.strip_prefix("/webhook/") {
        let parts: Vec<&str> = rest.split('/').collect();
        // Which methods it takes, its platform says.
        return match parts.as_slice() {
            [platform, account] => webhook::receive(request, config, &context, platform, account).await,
            _ => Err(nowhere()),
        };
    }
    let shared = origin::headers(&request, &config)?;
    if method == "OPTIONS" && !shared.is_empty() {
        return origin::preflight(&shared);
    }
    let answered = match find(&method, &path) {
        Found::Here(op, params) => match Call::new(request, config, context, &params) {
            Ok(call) => answer(op, call).await,
            Err(error) => Err(error),
        },
        Found::Otherwise(methods) => Err(method_not_allowed(&methods)),
        Found::Nowhere => Err(nowhere()),
    };
    let response = answered.or_else(|error| error::respond(error).map_err(Error::from))?;
    let mut headers = shared;
    headers.extend(limit::policy(&path));
    if path.starts_with("/v1/") || path.starts_with("/ocms/") {
        headers.extend([("Cache-Control", "no-store".to_owned()), ("X-Content-Type-Options", "nosniff".to_owned())]);
    }
    // A handshake has no headers to add to, and a file has its own.
    let is_file = path.starts_with(file::PATH) && response.status_code() < 400;
    if response.status_code() == 101 || headers.is_empty() || is_file {
        Ok(response)
    } else {
        Ok(response.with_headers(&headers)?)
    }
}

async fn answer(op: Op, call: Call) -> Result<Response, Error> {
    if op == Op::Health {
        return api::health(&call);
    }
    call.config.check()?;
    limit::address(&call, op).await?;
    idempotency::once(op, &call, handle(op, &call)).await
}

/// What a request leads to. Each in a box of its own, so that they are not all parts of one.
fn handle(op: Op, call: &Call) -> Awaited<'_, Response> {
    match op {
        Op::Health => Box::pin(async { api::health(call) }),
        Op::AuthMethods => Box::pin(api::auth::methods(call)),
        Op::AuthOperator => Box::pin(api::auth::operator(call)),
        Op::AuthRegister => Box::pin(api::auth::register(call)),
        Op::AuthLogin => Box::pin(api::auth::login(call)),
        Op::AuthRefresh => Box::pin(api::auth::refresh(call)),
        Op::AuthVerify => Box::pin(api::auth::verify(call)),
        Op::AuthLink => Box::pin(api::auth::link(call)),
        Op::AuthLogout => Box::pin(api::auth::logout(call)),
        Op::AuthWechat => Box::pin(api::oauth::wechat(call)),
        Op::AuthOauthStart => Box::pin(api::oauth::start(call)),
        Op::AuthOauthFinish => Box::pin(api::oauth::finish(call)),
        Op::Me => Box::pin(api::me::me(call)),
        Op::MeRename => Box::pin(api::me::rename(call)),
        Op::MeDelete => Box::pin(api::me::delete(call)),
        Op::MePassword => Box::pin(api::me::password(call)),
        Op::MeSessions => Box::pin(api::me::sessions(call)),
        Op::MeSessionsEnd => Box::pin(api::me::end_other_sessions(call)),
        Op::MeSessionEnd => Box::pin(api::me::end_session(call)),
        Op::MeLink => Box::pin(api::me::link(call)),
        Op::MeExport => Box::pin(api::export::export(call)),
        Op::Agents => Box::pin(api::agents::list(call)),
        Op::AgentCreate => Box::pin(api::agents::create(call)),
        Op::AgentRename => Box::pin(api::agents::rename(call)),
        Op::AgentDelete => Box::pin(api::agents::delete(call)),
        Op::AgentKeys => Box::pin(api::agents::keys(call)),
        Op::AgentKeyCreate => Box::pin(api::agents::create_key(call)),
        Op::AgentKeyRotate => Box::pin(api::agents::rotate_key(call)),
        Op::AgentKeyRevoke => Box::pin(api::agents::revoke_key(call)),
        Op::Identities => Box::pin(api::identities::list(call)),
        Op::IdentityChange => Box::pin(api::identities::change(call)),
        Op::IdentityDelete => Box::pin(api::identities::delete(call)),
        Op::PairingUse => Box::pin(api::identities::pair(call)),
        Op::Conversations => Box::pin(api::timeline::conversations(call)),
        Op::Messages => Box::pin(api::timeline::messages(call)),
        Op::MessagePush => Box::pin(api::timeline::push(call)),
        Op::FileUpload => Box::pin(api::files::upload(call)),
        Op::FileRead => Box::pin(api::files::read(call)),
        Op::FilePut => Box::pin(api::files::put(call)),
        Op::DeadLetters => Box::pin(api::timeline::dead_letters(call)),
        Op::DeadLetterReplay => Box::pin(api::timeline::replay(call)),
        Op::Events => Box::pin(api::timeline::events(call)),
        Op::Config => Box::pin(api::config::get(call)),
        Op::ConfigPut => Box::pin(api::config::put(call)),
        Op::Ticket => Box::pin(api::websocket::ticket(call)),
        Op::WebSocket => Box::pin(api::websocket::open(call)),
        Op::ManServerStream => Box::pin(api::manserver::stream(call)),
        Op::ManServerToken => Box::pin(api::manserver::token(call)),
        Op::ManServerRefresh => Box::pin(api::manserver::refresh(call)),
        Op::ManServerRobots => Box::pin(api::manserver::robots(call)),
        Op::ManServerConversations => Box::pin(api::manserver::conversations(call)),
        Op::ManServerConversationCreate => Box::pin(async { api::manserver::begin(call) }),
        Op::ManServerHistory => Box::pin(api::manserver::history(call)),
        Op::ManServerUpload => Box::pin(api::manserver::upload(call)),
        Op::ManServerDownload => Box::pin(api::manserver::download(call)),
        Op::Plugin => Box::pin(api::plugin::open(call)),
        Op::Accounts => Box::pin(admin::accounts::list(call)),
        Op::AccountCreate => Box::pin(admin::accounts::create(call)),
        Op::AccountChange => Box::pin(admin::accounts::change(call)),
        Op::AccountCheck => Box::pin(admin::accounts::check(call)),
        Op::AccountCredentials => Box::pin(admin::accounts::put_credentials(call)),
        Op::AccountDelete => Box::pin(admin::accounts::delete(call)),
        Op::AccountQuota => Box::pin(admin::accounts::quota(call)),
        Op::Senders => Box::pin(admin::accounts::senders(call)),
        Op::SenderPut => Box::pin(admin::accounts::put_sender(call)),
        Op::SenderDelete => Box::pin(admin::accounts::delete_sender(call)),
        Op::Groups => Box::pin(admin::accounts::groups(call)),
        Op::GroupPut => Box::pin(admin::accounts::put_group(call)),
        Op::GroupDelete => Box::pin(admin::accounts::delete_group(call)),
        Op::Bind => Box::pin(admin::accounts::bind(call)),
        Op::Users => Box::pin(admin::users::list(call)),
        Op::UserCreate => Box::pin(admin::users::create(call)),
        Op::User => Box::pin(admin::users::get(call)),
        Op::UserChange => Box::pin(admin::users::change(call)),
        Op::UserDelete => Box::pin(admin::users::delete(call)),
        Op::UserDeadLetters => Box::pin(admin::users::dead_letters(call)),
        Op::UserDeadLetterReplay => Box::pin(admin::users::replay(call)),
        Op::UserEvents => Box::pin(admin::users::events(call)),
        Op::Invitations => Box::pin(admin::users::invitations(call)),
        Op::InvitationCreate => Box::pin(admin::users::invite(call)),
        Op::InvitationDelete => Box::pin(admin::users::withdraw(call)),
        Op::Providers => Box::pin(admin::secrets::providers(call)),
        Op::ProviderCreate => Box::pin(admin::secrets::create_provider(call)),
        Op::ProviderDelete => Box::pin(admin::secrets::delete_provider(call)),
        Op::Audit => Box::pin(admin::secrets::audit(call)),
        Op::SecretsRotate => Box::pin(admin::secrets::rotate(call)),
    }
}

fn nowhere() -> Error {
    Error::new(Code::NotFound, "no such route; /openapi.json lists them")
}

fn method_not_allowed(allowed: &[&str]) -> Error {
    let allow = allowed.join(", ");
    let detail = format!("this route takes {allow}");
    Error::new(Code::MethodNotAllowed, detail).with_header("Allow", allow)
}
