//! The tables of a Hub, version by version.

/// The schema version, the epoch, whose Hub it is: one row each.
pub(super) const CREATE_META: &str =
    "create table if not exists meta (key text primary key, value any not null) strict, without rowid";

/// One entry per schema version, never edited once released. `PRAGMA user_version` is refused in a Durable Object, so
/// the version is a row of `meta`.
pub(super) const MIGRATIONS: &[&[&str]] = &[&[
    // `agent`: whom a question is meant for. `outcome` is null while a question is open; how far an open one has come
    // follows from `agents.acked` and from the streams in memory, so that progress costs no write.
    "create table messages (
        seq integer primary key,
        id text not null unique,
        conversation text not null,
        author text not null check (author in ('agent', 'relay', 'user')),
        author_id text,
        via text,
        agent text,
        reply_to integer,
        at_ms integer not null,
        text text not null,
        origin_account text,
        origin_message text,
        outcome text check (outcome in ('failed', 'replied')),
        reason text
    ) strict",
    "create table agents (id text not null unique, name text not null, acked integer not null) strict",
    "create table deliveries (
        seq integer primary key,
        conversation text not null,
        attempts integer not null,
        due_ms integer not null,
        tried_ms integer
    ) strict",
    "create table tickets (id text primary key, expires_ms integer not null) strict, without rowid",
]];
