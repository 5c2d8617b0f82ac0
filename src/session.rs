//! Sessions: begun, refreshed, ended.

use protocol::UserId;
use protocol::api::Session;
use relay::auth::{Access, Refresh};
use relay::limit::{ACCESS_TOKEN_MS, REFRESH_FORGIVEN_MS, SESSION_MS};

use crate::api::new_id;
use crate::ask::{self, Ask};
use crate::call::{Awaited, Call};
use crate::clock::now;
use crate::config::Config;
use crate::db::{self, Deed, Known};
use crate::error::Error;

/// Signs a user in on a device.
pub fn begin<'a>(call: &'a Call, known: &'a Known, how: &'a str) -> Awaited<'a, Session> {
    Box::pin(try_begin(call, known, how))
}

async fn try_begin(call: &Call, known: &Known, how: &str) -> Result<Session, Error> {
    let (db, id) = (call.config.db()?, new_id::<UserId>("ses")?.to_string());
    let user = &known.user.id;
    let client = call.header("User-Agent")?.unwrap_or_default();
    let client: String = client.chars().filter(|letter| !letter.is_control()).take(CLIENT_CHARACTERS_MAX).collect();
    let deed = Deed::new(&known.audit_id, "session.begin", now()).with(how);
    db::insert_session(&db, &id, user, &client, now(), deed).await?;
    tokens(&call.config, known, id, 1)
}

/// Uses up a refresh token for the next one.
pub async fn refresh(call: &Call, token: &str) -> Result<Session, Error> {
    let ended = || Error::unauthorized("refresh_token: sign in again");
    let (db, now) = (call.config.db()?, now());
    let Refresh { user, session, generation } = call.config.keys()?.verify(token, now).map_err(|_| ended())?;
    let known = db::session_user(&db, &session, now).await?.filter(|known| known.user.id == user);
    let known = known.ok_or_else(ended)?;
    if db::rotate(&db, &session, generation, now).await? {
        return tokens(&call.config, &known, session, generation + 1);
    }
    let rotation = db::rotation(&db, &session, now).await?.ok_or_else(ended)?;
    let is_last = rotation.generation == generation + 1 && now.0 < rotation.rotated_ms + REFRESH_FORGIVEN_MS;
    if is_last && db::forgive(&db, &session, rotation.generation).await? {
        // The answer that had the next one was lost, or another tab was faster: the same one once more.
        return tokens(&call.config, &known, session, rotation.generation);
    }
    // Two have it, and one of them stole it.
    revoke(&call.config, &user, vec![session.clone()]).await?;
    let deed = Deed::new(&known.audit_id, "session.revoke", now).with("a refresh token was used again");
    db::delete_session(&db, &user, &session, deed).await?;
    Err(ended())
}

/// Lets the user's Hub close what these sessions or keys opened, and refuse them from now on.
pub fn revoke<'a>(config: &'a Config, user: &'a UserId, ids: Vec<String>) -> Awaited<'a, ()> {
    Box::pin(async move {
        if ids.is_empty() {
            return Ok(());
        }
        ask::tell(config, user, &Ask::Revoke { ids }).await
    })
}

/// Ends a user's sessions but one (or none), and the links that would sign someone in. In the Hub first: what fails may be
/// asked for again.
pub fn end_others<'a>(config: &'a Config, user: &'a UserId, but: &'a str, deed: Deed) -> Awaited<'a, ()> {
    Box::pin(async move {
        let db = config.db()?;
        let ids = db::session_ids(&db, user).await?.into_iter().filter(|id| id != but).collect();
        revoke(config, user, ids).await?;
        let ended = db::delete_sessions(&db, user, but, deed).await?;
        // Those that began meanwhile.
        revoke(config, user, ended).await
    })
}

fn tokens(config: &Config, known: &Known, session: String, generation: u64) -> Result<Session, Error> {
    let (keys, now) = (config.keys()?, now());
    let (expires, refresh_expires) = (now.plus_ms(ACCESS_TOKEN_MS), now.plus_ms(SESSION_MS));
    let user = known.user.id.clone();
    let access = Access { user: user.clone(), role: known.user.role, session: session.clone() };
    let refresh = Refresh { user, session: session.clone(), generation };
    Ok(Session {
        user: known.user.clone(),
        session,
        access_token: keys.sign(&access, now, Some(expires)),
        expires_at_ms: expires,
        refresh_token: keys.sign(&refresh, now, Some(refresh_expires)),
        refresh_expires_at_ms: refresh_expires,
    })
}

const CLIENT_CHARACTERS_MAX: usize = 200;
