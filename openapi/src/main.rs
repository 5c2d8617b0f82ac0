//! Writes the description of the HTTP API, OpenAPI 3.1, to standard output: `scripts/lib/build.mjs` puts it beside the page
//! as `/openapi.json`.
//!
//! Routes come from [`claw_relay::route`], bodies from the types that the Worker reads and writes; what each route means
//! is in [`about`], which names every one of them.
#![allow(clippy::indexing_slicing)]

mod about;
mod document;

fn main() {
    let document = document::document();
    println!("{}", serde_json::to_string_pretty(&document).expect("it is made of strings and numbers"));
}
