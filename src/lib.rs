//! The Worker: requests become the core's inputs, its outputs become effects.
//!
//! Read in this order: [`router`] (every route), [`webhook`] and [`api`] (what a route does), [`hub`] and [`account`]
//! (the Durable Objects), [`db`] (D1).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod account;
mod admin;
mod api;
mod ask;
mod call;
mod clock;
mod config;
pub mod db;
mod directory;
mod draft;
mod error;
mod file;
mod hold;
mod hub;
mod idempotency;
mod limit;
mod mark;
mod media;
mod origin;
mod outbound;
mod person;
mod quota;
mod quote;
mod request;
pub mod route;
mod router;
mod runtime;
mod session;
mod socket;
mod sqlite;
mod webhook;

use runtime::{Context, Env};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// Called by the runtime: every request.
#[wasm_bindgen]
pub async fn fetch(request: web_sys::Request, env: Env, context: Context) -> Result<JsValue, JsValue> {
    error::answer(router::route(request.into(), env, context).await)
}
