//! The Worker: requests become the core's inputs, its outputs become effects.
//!
//! Read in this order: [`router`] (every route), [`webhook`] and [`api`] (what a route does), [`hub`] and [`account`]
//! (the Durable Objects), [`db`] (D1).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod account;
mod admin;
mod api;
mod ask;
mod clock;
mod config;
pub mod db;
mod directory;
mod error;
mod hub;
mod outbound;
mod request;
mod router;
mod socket;
mod sqlite;
mod webhook;

use worker::{Context, Env, Request, Response, event};

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    router::route(request, env, &context).await.or_else(error::respond)
}
