-- Which agent makes the calls of a bot's API, since its platform knows that machine's address; null: they leave directly.
alter table accounts add column egress text references agents (id) on delete set null;
