//! The tables of a Hub, version by version.

/// The schema version, the epoch, whose Hub it is: one row each.
pub(super) const CREATE_META: &str =
    "create table if not exists meta (key text primary key, value any not null) strict, without rowid";

/// One entry per schema version, never edited once released. `PRAGMA user_version` is refused in a Durable Object, so
/// the version is a row of `meta`.
pub(super) const MIGRATIONS: &[&[&str]] = &[V1, V2, V3, V4, V5, V6];

const V1: &[&str] = &[
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
];

const V2: &[&str] = &[
    // Questions can expire and be stopped: SQLite cannot change a check, so the table is built anew. The check on
    // `outcome` is left out, since the next outcome should not cost that again; `Outcome` holds it.
    "create table messages_2 (
        seq integer primary key,
        id text not null unique,
        conversation text not null,
        session integer not null,
        author text not null check (author in ('agent', 'relay', 'user')),
        author_id text,
        via text,
        agent text,
        reply_to integer,
        at_ms integer not null,
        text text not null,
        origin_account text,
        origin_message text,
        outcome text,
        reason text
    ) strict",
    "insert into messages_2 select seq, id, conversation, 0, author, author_id, via, agent, reply_to, at_ms, text,
        origin_account, origin_message, outcome, reason from messages",
    "drop table messages",
    "alter table messages_2 rename to messages",
    // What was said about a conversation by `/use` and `/new`, and whether its writer was told of a failure. Most
    // have no row.
    "create table conversations (
        id text primary key,
        agent text,
        session integer not null,
        is_warned integer not null
    ) strict, without rowid",
    // Questions that ended without an answer at their writer.
    "create table dead_letters (seq integer primary key, at_ms integer not null) strict",
    // A ring: `n` counts up, and the row of `n - EVENTS_MAX` makes room.
    "create table events (
        slot integer primary key,
        n integer not null,
        at_ms integer not null,
        kind text not null,
        seq integer,
        detail text
    ) strict",
    // A long answer goes in parts: the next one to send.
    "alter table deliveries add column part integer not null default 0",
];

const V3: &[&str] = &[
    // Without the unique index on `id`, which cost every message a second row: `known_ids` and memory find an id
    // (hub/known.rs). A question that was answered has no outcome: its answer says it. `trimmed` is how far the
    // timeline was trimmed when the message was stored, since a row of `meta` would cost another write.
    "create table messages_3 (
        seq integer primary key,
        id text not null,
        conversation text not null,
        session integer not null,
        author text not null check (author in ('agent', 'relay', 'user')),
        author_id text,
        via text,
        agent text,
        reply_to integer,
        at_ms integer not null,
        text text not null,
        origin_account text,
        origin_message text,
        outcome text,
        reason text,
        trimmed integer not null
    ) strict",
    "insert into messages_3 select seq, id, conversation, session, author, author_id, via, agent, reply_to, at_ms,
        text, origin_account, origin_message, outcome, reason, 0 from messages",
    "drop table messages",
    "alter table messages_3 rename to messages",
    // The hashes of the ids of 256 messages, four bytes each, by place: row `n` is of the places from 256 n.
    "create table known_ids (page integer primary key, hashes blob not null) strict",
    // The log tells of these by the messages themselves.
    "delete from events where kind in ('accepted', 'answered')",
];

const V4: &[&str] = &[
    // Sessions and keys that ended, the newest ones.
    "create table revoked (id text primary key, at_ms integer not null) strict, without rowid",
    // What an agent says unasked replies to nothing, and goes to its platform beside this question.
    "alter table deliveries add column beside integer",
];

const V5: &[&str] = &[
    // What comes with a message, as JSON; null: nothing does.
    "alter table messages add column files text",
    // What one may answer to it at a press, likewise.
    "alter table messages add column buttons text",
];

const V6: &[&str] = &[
    // What a platform calls the writer, and whether they wrote in a group.
    "alter table messages add column author_name text",
    "alter table messages add column in_group integer not null default 0",
];
