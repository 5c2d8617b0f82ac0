//! Handlers of `/v1`, a few lines each, in a file per noun; and of those who ask in other words.

pub mod agents;
pub mod auth;
pub mod config;
pub mod export;
pub mod files;
pub mod identities;
pub mod manserver;
pub mod me;
pub mod oauth;
pub mod plugin;
pub mod timeline;
pub mod websocket;

use protocol::Code;
use protocol::api::{Health, Role, User};

use crate::call::{Call, answer};
use crate::clock::random;
use crate::db::Known;
use crate::error::Error;
use crate::runtime::Response;

/// `GET /healthz`: whether it was deployed whole; what is missing or weak is named.
pub fn health(call: &Call) -> Result<Response, Error> {
    call.config.check()?;
    answer(&Health { status: "ok".into(), version: env!("CARGO_PKG_VERSION").into() })
}

/// A new id: a prefix, and 96 random bits.
pub fn new_id<T: std::str::FromStr<Err = protocol::InvalidId>>(prefix: &str) -> Result<T, Error> {
    format!("{prefix}_{}", random::<12>()?).parse().map_err(|error| Error::internal("a new id", error))
}

/// A new user, not stored yet.
pub fn new_user(name: &str, role: Role) -> Result<Known, Error> {
    let user = User { id: new_id("usr")?, name: checked_name(name)?, role };
    Ok(Known { user, audit_id: format!("who_{}", random::<12>()?) })
}

/// A name as it is shown.
pub fn checked_name(name: &str) -> Result<String, Error> {
    let name = name.trim();
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(Error::new(
            Code::BadRequest,
            format!("name: 1 to {NAME_BYTES_MAX} bytes, without control characters"),
        ));
    }
    Ok(name.to_owned())
}

/// A whole number within a range, or its default.
pub fn within(
    what: &str,
    number: Option<u64>,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<u64, Error> {
    let number = number.unwrap_or(default);
    if range.contains(&number) {
        return Ok(number);
    }
    Err(Error::new(Code::BadRequest, format!("{what}: {} to {}", range.start(), range.end())))
}

const NAME_BYTES_MAX: usize = 100;
