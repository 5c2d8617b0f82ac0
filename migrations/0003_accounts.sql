-- How people sign in, what they hold, and what was done: sessions, invitations, links, providers, pairings, audit.
-- Whatever proves something is here as a hash, or sealed (relay/src/auth/seal.rs), or not at all: a refresh token and an
-- agent key are signed, and only the number of the former and the id of the latter are written down.

-- `audit_id` stands for a user in the audit log, which outlives them: with this row goes the only link between the two.
alter table users add column audit_id text;
update users set audit_id = 'who_' || lower(hex(randomblob(12)));
alter table users add column is_disabled integer not null default 0;

-- What a user signs in with: `kind` is `password` (subject: e-mail or phone, secret: Argon2id) or a provider's.
create table logins (
  kind text not null,
  subject text not null,
  user_id text not null references users (id) on delete cascade,
  secret text,
  created_ms integer not null,
  primary key (kind, subject)
) strict, without rowid;

create index logins_by_user on logins (user_id);

-- A device that is signed in. `generation` is the number of the one refresh token that is good.
create table sessions (
  id text primary key,
  user_id text not null references users (id) on delete cascade,
  client text not null,
  generation integer not null,
  rotated_ms integer not null,
  is_forgiven integer not null,
  created_ms integer not null,
  expires_ms integer not null
) strict, without rowid;

create index sessions_by_user on sessions (user_id);

alter table agent_keys add column name text not null default '';
alter table agent_keys add column scopes text not null default 'receive send';
alter table agent_keys add column used_ms integer;

-- Links that sign a user in on another device, as SHA-256.
create table links (
  hash text primary key,
  user_id text not null references users (id) on delete cascade,
  uses integer not null,
  expires_ms integer not null
) strict, without rowid;

-- The right to sign up, as SHA-256.
create table invitations (
  id text primary key,
  hash text not null unique,
  role text not null check (role in ('operator', 'user')),
  uses integer not null,
  expires_ms integer not null
) strict, without rowid;

-- Where people may sign in with an account that they have: a Feishu app, a WeCom app, a mini program. `settings` is sealed.
create table providers (
  id text primary key,
  kind text not null check (kind in ('feishu', 'wechat', 'wecom')),
  settings text not null,
  created_ms integer not null
) strict, without rowid;

-- Who may talk to a bot: `open` (anyone, to its default user's agents), `pairing` (strangers get a code), `listed`
-- (those in account_senders, and whoever is bound), `closed` (whoever is bound). Groups: `any`, `listed`, `none`.
alter table accounts add column policy text not null default 'open';
alter table accounts add column groups text not null default 'any';

create table account_senders (
  account_id text not null references accounts (id) on delete cascade,
  sender text not null,
  created_ms integer not null,
  primary key (account_id, sender)
) strict, without rowid;

-- `user_id`: whose agents answer everyone in this group; null: each speaker's own.
create table account_groups (
  account_id text not null references accounts (id) on delete cascade,
  chat text not null,
  user_id text references users (id) on delete cascade,
  created_ms integer not null,
  primary key (account_id, chat)
) strict, without rowid;

-- `push`: whether what agents say unasked may go there.
alter table identities add column id text;
alter table identities add column push integer not null default 1;
alter table identities add column conversation text;
update identities set id = 'idt_' || lower(hex(randomblob(12)));
create unique index identities_by_id on identities (id);
create index identities_by_user on identities (user_id);

-- A stranger's code, as SHA-256: one at a time for each.
create table pairings (
  account_id text not null references accounts (id) on delete cascade,
  sender text not null,
  hash text not null unique,
  conversation text not null,
  expires_ms integer not null,
  primary key (account_id, sender)
) strict, without rowid;

-- What agents are told to be: a JSON object, sealed, since it names model servers and their keys.
create table configs (
  user_id text primary key references users (id) on delete cascade,
  sealed text not null
) strict, without rowid;

-- What was answered to a POST with an Idempotency-Key: kept for 24 h. `answer` is sealed, and null while it is made.
create table idempotency (
  key text primary key,
  user_id text not null references users (id) on delete cascade,
  body_hash text not null,
  status integer,
  answer text,
  created_ms integer not null
) strict, without rowid;

-- What was done, by whom, to what. Each row's hash covers the row and the hash before it.
create table audit (
  seq integer primary key,
  at_ms integer not null,
  actor text not null,
  action text not null,
  subject text,
  detail text,
  hash text not null
) strict;

create trigger audit_is_append_only before update on audit begin select raise(abort, 'the audit log is append-only'); end;
create trigger audit_is_kept before delete on audit begin select raise(abort, 'the audit log is append-only'); end;
