//! Bot accounts, and who may talk to them.

use protocol::api::{AccountRow, GroupRow, Groups, Policy, SenderRow};
use protocol::{AccountId, AgentId, ConversationId, Timestamp, UserId, from_json};

use super::*;

/// A bot account as it is stored: `settings` is sealed.
pub struct AccountColumns {
    /// The last part of its webhook's path.
    pub id: AccountId,
    /// Whose agents answer strangers.
    pub default_user: Option<UserId>,
    /// Who may talk to it.
    pub policy: Policy,
    /// In which groups it answers.
    pub groups: Groups,
    /// The agent that makes its calls, and whose it is.
    pub egress: Option<AgentId>,
    /// Whose that is.
    pub egress_user: Option<UserId>,
    /// The platform's settings.
    pub settings: String,
}

from_json! { struct AccountColumns { id, default_user, policy, groups, egress, egress_user, settings } }

/// A bot account with its settings.
pub fn account(db: &D1Database, account: &str) -> Asked<Option<AccountColumns>> {
    first(db, ACCOUNT, &[text(account)])
}

/// A page of the bot accounts, by name.
pub fn accounts(db: &D1Database, after: &str, limit: u64) -> Asked<Vec<AccountRow>> {
    all(db, ACCOUNTS, &[text(after), number(limit)])
}

/// A bot account, for operators.
pub fn account_row(db: &D1Database, account: &str) -> Asked<Option<AccountRow>> {
    first(db, ACCOUNT_ROW, &[text(account)])
}

/// The platform called a bot's webhook, and could prove itself.
pub fn put_call(db: &D1Database, account: &AccountId, now: Timestamp) -> Asked<()> {
    run(db, PUT_CALL, &[time(now), text(account)])
}

/// When it last did so, if it ever did.
pub fn last_call(db: &D1Database, account: &AccountId) -> Asked<Option<Option<Timestamp>>> {
    value(db, LAST_CALL, &[text(account)])
}

/// Adds a bot account. False when the name is taken.
pub fn insert_account(db: &D1Database, row: &AccountRow, settings: &str, deed: Deed) -> Asked<bool> {
    let values = [
        text(&row.id),
        text(&row.platform),
        optional(row.default_user.as_ref()),
        text(settings),
        text(row.policy.as_str()),
        text(row.groups.as_str()),
        optional(row.egress.as_ref()),
        number(row.created_ms),
    ];
    did(db, deed, INSERT_ACCOUNT, &values)
}

/// Puts other settings in place of a bot's. False when there is none.
pub fn put_settings(db: &D1Database, account: &AccountId, settings: &str, deed: Deed) -> Asked<bool> {
    did(db, deed, PUT_SETTINGS, &[text(settings), text(account)])
}

/// Changes who may talk to a bot. False when there is none.
pub fn change_account(db: &D1Database, row: &AccountRow, deed: Deed) -> Asked<bool> {
    let (default_user, egress) = (optional(row.default_user.as_ref()), optional(row.egress.as_ref()));
    let values = [text(row.policy.as_str()), text(row.groups.as_str()), default_user, egress, text(&row.id)];
    did(db, deed, CHANGE_ACCOUNT, &values)
}

/// Deletes a bot account, with whom it was bound to. False when there is none.
pub fn delete_account(db: &D1Database, account: &str, deed: Deed) -> Asked<bool> {
    did(db, deed, DELETE_ACCOUNT, &[text(account)])
}

/// A page of those who may talk to a bot beside whoever is bound, longest listed first.
pub fn senders(db: &D1Database, account: &AccountId, after: Option<Moment>, limit: u64) -> Asked<Vec<SenderRow>> {
    let [ms, id] = after.unwrap_or(Moment::FIRST).values();
    all(db, SENDERS, &[text(account), ms, id, number(limit)])
}

/// Puts a sender on the list. False when they were on it.
pub fn put_sender(db: &D1Database, account: &AccountId, sender: &str, now: Timestamp, deed: Deed) -> Asked<bool> {
    did(db, deed, PUT_SENDER, &[text(account), text(sender), time(now)])
}

/// Takes a sender off the list. False when they were not on it.
pub fn delete_sender(db: &D1Database, account: &AccountId, sender: &str, deed: Deed) -> Asked<bool> {
    did(db, deed, DELETE_SENDER, &[text(account), text(sender)])
}

/// A page of the groups where a bot answers, longest listed first.
pub fn groups(db: &D1Database, account: &AccountId, after: Option<Moment>, limit: u64) -> Asked<Vec<GroupRow>> {
    let [ms, id] = after.unwrap_or(Moment::FIRST).values();
    all(db, GROUPS, &[text(account), ms, id, number(limit)])
}

/// Puts a group on the list, and says whose agents answer there.
pub fn put_group(
    db: &D1Database,
    account: &AccountId,
    chat: &str,
    user: Option<&UserId>,
    now: Timestamp,
    deed: Deed,
) -> Asked<bool> {
    did(db, deed, PUT_GROUP, &[text(account), text(chat), optional(user), time(now)])
}

/// Takes a group off the list. False when it was not on it.
pub fn delete_group(db: &D1Database, account: &AccountId, chat: &str, deed: Deed) -> Asked<bool> {
    did(db, deed, DELETE_GROUP, &[text(account), text(chat)])
}

/// A user has messages in a chat from now on.
pub fn put_chat(db: &D1Database, conversation: &ConversationId, user: &UserId) -> Asked<()> {
    run(db, PUT_CHAT, &[text(conversation), text(user)])
}

/// The users who have messages in a chat, at most 100.
pub fn chat_users(db: &D1Database, conversation: &ConversationId) -> Asked<Vec<UserId>> {
    column(db, CHAT_USERS, &[text(conversation)])
}

statements! {
    ACCOUNT = "select id, default_user, policy, groups, egress,
        (select user_id from agents where id = accounts.egress) as egress_user, settings from accounts where id = ?";
    ACCOUNTS = "select id, platform, policy, groups, default_user, egress, created_ms from accounts
        where id > ? order by id limit ?";
    ACCOUNT_ROW = "select id, platform, policy, groups, default_user, egress, created_ms from accounts where id = ?";
    PUT_CALL = "update accounts set called_ms = ? where id = ?";
    LAST_CALL = "select called_ms from accounts where id = ?";
    INSERT_ACCOUNT = "insert into accounts (id, platform, default_user, settings, policy, groups, egress, created_ms)
        values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing returning id";
    PUT_SETTINGS = "update accounts set settings = ? where id = ? returning id";
    CHANGE_ACCOUNT = "update accounts set policy = ?, groups = ?, default_user = ?, egress = ? where id = ?
        returning id";
    DELETE_ACCOUNT = "delete from accounts where id = ? returning id";
    SENDERS = "select sender, created_ms from account_senders where account_id = ?
        and (created_ms, sender) > (?, ?) order by created_ms, sender limit ?";
    PUT_SENDER = "insert into account_senders (account_id, sender, created_ms) values (?, ?, ?) on conflict do nothing
        returning sender";
    DELETE_SENDER = "delete from account_senders where account_id = ? and sender = ? returning sender";
    GROUPS = "select chat, user_id as user, created_ms from account_groups where account_id = ?
        and (created_ms, chat) > (?, ?) order by created_ms, chat limit ?";
    PUT_GROUP = "insert into account_groups (account_id, chat, user_id, created_ms) values (?, ?, ?, ?)
        on conflict do update set user_id = excluded.user_id returning chat";
    DELETE_GROUP = "delete from account_groups where account_id = ? and chat = ? returning chat";
    PUT_CHAT = "insert into chats (conversation, user_id)
        select ?1, ?2 where exists (select 1 from users where id = ?2) on conflict do nothing";
    CHAT_USERS = "select user_id from chats where conversation = ? limit 100";
}
