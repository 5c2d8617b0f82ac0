//! The core's tests, one program: what each file of it uses is compiled and linked once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod abilities;
mod around;
mod cost;
mod dialects;
mod draft;
mod files;
mod flood;
mod golden;
mod held;
mod history;
mod hold;
mod log;
mod migration;
mod outbox;
mod platforms;
mod press;
mod properties;
mod queue;
mod removed;
mod rights;
mod scenarios;
mod support;
mod vectors;
mod verdicts;
