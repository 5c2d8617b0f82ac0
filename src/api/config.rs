//! `/v1/config`: what a user's agents are told to be. Sealed, since it names model servers and their keys.

use protocol::api::{ConfigBody, Scope};
use protocol::json::{self, Object};
use protocol::{Code, UserId};
use relay::auth::seal::Place;

use crate::call::{Call, answer};
use crate::clock::random_bytes;
use crate::db;
use crate::error::Error;
use crate::runtime::Response;

/// `GET /v1/config`: for the user, and for their agents.
pub async fn get(call: &Call) -> Result<Response, Error> {
    let db = call.config.db()?;
    let user = match call.agent_key() {
        Ok(key) if !key.may(Scope::Receive) => {
            return Err(Error::new(Code::Forbidden, "this agent key lacks the scope receive"));
        }
        Ok(key) if db::has_agent_key(&db, &key.key).await? => key.user,
        Ok(_) => return Err(Error::unauthorized("Authorization: this key was revoked")),
        Err(_) => call.caller().await?.known.user.id,
    };
    answer(&ConfigBody { config: of(call, &user).await? })
}

/// What a user's agents are told to be.
pub async fn of(call: &Call, user: &UserId) -> Result<Object, Error> {
    let Some(sealed) = db::config(&call.config.db()?, user).await? else { return Ok(Object::default()) };
    let config = call.config.seals()?.open(place(user.as_str()), &sealed);
    let config = config.map_err(|error| Error::internal("a configuration", error))?;
    json::read(&config).map_err(|error| Error::internal("a configuration", error))
}

/// `PUT /v1/config`
pub async fn put(call: &Call) -> Result<Response, Error> {
    let (caller, body) = (call.caller().await?, call.json().await?.read::<ConfigBody>()?);
    let config = serde_json::to_string(&body.config).map_err(|error| Error::internal("a configuration", error))?;
    if config.len() > CONFIG_BYTES_MAX {
        return Err(Error::new(Code::BodyTooLarge, format!("config: at most {CONFIG_BYTES_MAX} bytes")));
    }
    let sealed = call.config.seals()?.seal(place(caller.user().as_str()), &config, &random_bytes()?);
    db::put_config(&call.config.db()?, caller.user(), &sealed, caller.deed("config.put")).await?;
    answer(&body)
}

/// Where a user's configuration is sealed.
pub fn place(user: &str) -> Place<'_> {
    Place { table: "configs", row: user, column: "sealed" }
}

const CONFIG_BYTES_MAX: usize = 16 * 1024;
