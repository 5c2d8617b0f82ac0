//! What the relay decides: events in, effects out.
//!
//! Nothing here performs I/O, reads a clock or draws a random number: the shells (the Worker, the tests) pass in
//! time, randomness and a [`store::Sql`], and perform the returned [`hub::Output`]s.
//! Read in this order: [`hub`], [`store`], [`platform`], [`dialect`], [`auth`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

pub mod greeting;
pub mod hub;
pub mod store;

pub mod platform;

pub mod auth;

pub mod dialect;
pub mod file;
pub mod form;
pub mod limit;

pub mod map;
pub mod pairing;
