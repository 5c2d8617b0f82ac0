-- When a bot's platform last called its webhook and could prove itself, within an hour; null: never.
alter table accounts add column called_ms integer;
