-- What a platform says of its people when it is asked, since its webhooks hold ids alone. Null: it says nothing, or does not
-- let this bot ask.
create table people (
  account_id text not null references accounts (id) on delete cascade,
  sender text not null,
  name text,
  avatar_url text,
  asked_ms integer not null,
  primary key (account_id, sender)
) strict, without rowid;

create index people_by_age on people (asked_ms);

-- Whoever is unbound, or deleted, is forgotten.
create trigger forget_person after delete on identities begin
  delete from people where account_id = old.account_id and sender = old.sender;
end;
