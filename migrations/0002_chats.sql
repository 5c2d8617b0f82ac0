-- Which users' Hubs hold messages of a chat: a platform that says "this message was taken back" does not say whose it
-- was. Written once per chat and user, after the first message was answered; never on its path.
create table chats (
  conversation text not null,
  user_id text not null references users (id) on delete cascade,
  primary key (conversation, user_id)
) strict, without rowid;
