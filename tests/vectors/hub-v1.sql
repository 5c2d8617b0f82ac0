-- A Hub as schema version 1 left it (relay/src/store/schema.rs, V1), read by relay/tests/migration.rs and tests/e2e.
-- Never edited: it stands for databases that exist.
create table meta (key text primary key, value any not null) strict, without rowid;
create table messages (
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
) strict;
create table agents (id text not null unique, name text not null, acked integer not null) strict;
create table deliveries (
    seq integer primary key,
    conversation text not null,
    attempts integer not null,
    due_ms integer not null,
    tried_ms integer
) strict;
create table tickets (id text primary key, expires_ms integer not null) strict, without rowid;
insert into meta values ('schema', 1), ('epoch', 1800000000000), ('user', 'usr_1'), ('default_agent', 'agt_1');
insert into agents values ('agt_1', 'laptop', 3);
insert into messages values
    (1, 'feishu:main:om_1', 'feishu:main:oc_1', 'user', 'ou_1', 'feishu', 'agt_1', null, 1799999995000, 'first', 'main', 'om_1', 'replied', null),
    (2, 'reply:1', 'feishu:main:oc_1', 'agent', 'agt_1', null, null, 1, 1799999996000, 'answer', null, null, null, null),
    (3, 'feishu:main:om_2', 'feishu:main:oc_1', 'user', 'ou_1', 'feishu', 'agt_1', null, 1799999997000, 'second', 'main', 'om_2', null, null),
    (4, 'feishu:main:om_3', 'feishu:main:oc_1', 'user', 'ou_1', 'feishu', 'agt_1', null, 1799999998000, 'third', 'main', 'om_3', null, null);
insert into deliveries values (2, 'feishu:main:oc_1', 1, 1799999999000, 1799999996000);
