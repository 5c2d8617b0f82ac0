//! The bodies of the HTTP API. `src/route.rs` says which route takes and answers which; `/openapi.json` is made of both.
//!
//! What is only read has no `Serialize`; what is only answered cannot be read. Times are milliseconds since 1970.

mod account;
mod agent;
mod auth;
mod manserver;
mod quota;
mod timeline;
mod user;

use serde::Serialize;

pub use account::*;
pub use agent::*;
pub use auth::*;
pub use manserver::*;
pub use quota::*;
pub use timeline::*;
pub use user::*;

/// A failure, as RFC 9457 problem details (`application/problem+json`).
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Problem {
    /// `/errors/{code}`: stable.
    pub r#type: String,
    /// The same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What to do about it, naming the field.
    pub detail: String,
}

crate::from_json! { struct Problem { r#type as "type", title, status, detail } }
