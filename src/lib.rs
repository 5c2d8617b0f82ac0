//! The Worker: requests become the core's inputs, its outputs become effects.
//!
//! Read in this order: [`router`] (every route), [`webhook`] and [`api`] (what a route does), [`hub`] and [`account`]
//! (the Durable Objects), [`db`] (D1).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

pub mod account;
pub mod admin;
pub mod api;
pub mod clock;
pub mod config;
pub mod db;
pub mod directory;
pub mod error;
pub mod hub;
pub mod outbound;
pub mod request;
pub mod router;
pub mod sqlite;
pub mod webhook;

use worker::{Context, Env, Request, Response, event};

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    router::route(request, env).await.or_else(error::respond)
}
