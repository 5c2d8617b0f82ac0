-- What is asked across users: who there is, whose an agent is, which bot account leads to whom.
-- Messages are not here: each user's live in that user's Hub. Never edited once released; changes get a new file.
-- Times are milliseconds since 1970-01-01 UTC.

create table users (
  id text primary key,
  name text not null,
  role text not null check (role in ('operator', 'user')),
  created_ms integer not null
) strict;

create table agents (
  id text primary key,
  user_id text not null references users (id) on delete cascade,
  name text not null,
  created_ms integer not null
) strict;

create index agents_by_user on agents (user_id);

-- A key is a signed token; only its id is kept, for listing and revoking.
create table agent_keys (
  id text primary key,
  agent_id text not null references agents (id) on delete cascade,
  created_ms integer not null
) strict;

-- Bots on chat platforms. `settings` is the platform's JSON with its secrets, sealed.
create table accounts (
  id text primary key,
  platform text not null,
  default_user text references users (id) on delete set null,
  settings text not null,
  created_ms integer not null
) strict;

-- Which person a sender on a platform is.
create table identities (
  account_id text not null references accounts (id) on delete cascade,
  sender text not null,
  user_id text not null references users (id) on delete cascade,
  created_ms integer not null,
  primary key (account_id, sender)
) strict, without rowid;

-- Operator tokens that were used, as SHA-256: each is good once.
create table spent_tokens (
  hash text primary key,
  spent_ms integer not null
) strict, without rowid;
