-- What was answered to a POST with an Idempotency-Key, until it ends: also where nobody is signed in (`user_id` is null
-- until somebody is). `answer` is sealed, and null while it is made.
create table idempotency_2 (
  key text primary key,
  user_id text references users (id) on delete cascade,
  body_hash text not null,
  status integer,
  answer text,
  created_ms integer not null,
  expires_ms integer not null
) strict;

insert into idempotency_2 select key, user_id, body_hash, status, answer, created_ms, created_ms + 86400000 from idempotency;
drop table idempotency;
alter table idempotency_2 rename to idempotency;
create index idempotency_by_end on idempotency (expires_ms);
create index idempotency_by_user on idempotency (user_id);
