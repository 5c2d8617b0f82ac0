//! Which person a sender on a platform is, and the codes by which they say so.

use protocol::api::Identity;
use protocol::{AccountId, ConversationId, Timestamp, UserId, from_json};
use relay::limit::PAIRING_MS;
use relay::platform::Person;

use super::*;

/// How a sender stands with a bot.
pub struct Standing {
    /// The user that they are bound to.
    pub bound_to: Option<UserId>,
    /// Whether they are on the bot's list.
    pub is_listed: bool,
    /// Whether the group is on the bot's list.
    pub in_listed_group: bool,
    /// Whose agents answer everyone in that group.
    pub group_user: Option<UserId>,
    /// What the platform calls them, when it was asked.
    pub name: Option<String>,
    /// When that was, if it was.
    pub asked: Option<Timestamp>,
}

impl FromJson for Standing {
    fn from_json(json: Json) -> Result<Standing, json::Wrong> {
        let mut row = json::Object::from_json(json)?;
        let (Flag(is_listed), Flag(in_listed_group)) = (row.take("is_listed")?, row.take("in_listed_group")?);
        let (bound_to, group_user) = (row.take("bound_to")?, row.take("group_user")?);
        let (name, asked) = (row.take("name")?, row.take("asked_ms")?);
        Ok(Standing { bound_to, is_listed, in_listed_group, group_user, name, asked })
    }
}

/// How a sender stands with a bot, in a group (or, empty, in none).
pub async fn standing(db: &D1Database, account: &AccountId, sender: &str, group: &str) -> Result<Standing, Error> {
    let row = first(db, STANDING, &[text(account), text(sender), text(group)]).await?;
    row.ok_or_else(|| Error::internal("how a sender stands", "no row"))
}

/// Keeps what a platform says of someone, and forgets what it said of others long ago.
pub fn put_person(db: &D1Database, account: &AccountId, sender: &str, person: &Person, now: Timestamp) -> Asked<()> {
    let (name, avatar) = (optional(person.name.as_deref()), optional(person.avatar_url.as_deref()));
    let put = run(db, PUT_PERSON, &[text(account), text(sender), name, avatar, time(now)]);
    let forget = run(db, FORGET_PEOPLE, &[time(Timestamp(now.0.saturating_sub(PERSON_KEPT_MS)))]);
    Box::pin(async move {
        put.await?;
        forget.await
    })
}

/// A sender, and whom they are to be.
pub struct Bond<'a> {
    /// A new id, unless they are somebody already.
    pub id: &'a str,
    /// By which bot they are known.
    pub account: &'a AccountId,
    /// Their id on the platform.
    pub sender: &'a str,
    /// Whom.
    pub user: &'a UserId,
    /// The chat between the two alone, if it is known.
    pub conversation: Option<&'a str>,
}

/// Binds a sender to a user, in place of any other.
pub fn put_identity(db: &D1Database, bond: Bond<'_>, now: Timestamp, deed: Deed) -> Asked<Option<Identity>> {
    let Bond { id, account, sender, user, conversation } = bond;
    let values = [text(id), text(account), text(sender), text(user), optional(conversation), time(now)];
    let whose = [text(account), text(sender)];
    let rows = done(db, deed, &[(PUT_IDENTITY, &values), (IDENTITY_OF, &whose)]);
    Box::pin(async move {
        let identity = rows.await?.last().map_or(Ok(Vec::new()), |rows| read::<Row>(rows))?;
        Ok(identity.into_iter().next().map(Identity::from))
    })
}

/// A user's identities, oldest first.
pub fn identities(db: &D1Database, user: &UserId) -> Asked<Vec<Identity>> {
    all_by::<Row, _>(db, IDENTITIES, &[text(user)])
}

/// How many identities a user has.
pub fn identities_count(db: &D1Database, user: &UserId) -> Asked<Option<u64>> {
    value(db, IDENTITIES_COUNT, &[text(user)])
}

/// Changes whether what agents say unasked may go there: none when it is another's.
pub fn change_identity(db: &D1Database, user: &UserId, id: &str, push: bool) -> Asked<Option<Identity>> {
    let is_theirs = changed(db, CHANGE_IDENTITY, &[flag(push), text(id), text(user)]);
    let changed = first_by::<Row, _>(db, IDENTITY_BY_ID, &[text(id), text(user)]);
    Box::pin(async move { if is_theirs.await? { changed.await } else { Ok(None) } })
}

/// Unbinds an identity. False when it is another's.
pub fn delete_identity(db: &D1Database, user: &UserId, id: &str, deed: Deed) -> Asked<bool> {
    did(db, deed, DELETE_IDENTITY, &[text(id), text(user)])
}

/// A chat of a user's, and whether what agents say unasked may go there.
pub struct PushChat {
    /// The chat between the bot and the user alone.
    pub conversation: ConversationId,
    /// Whether it may.
    pub push: bool,
}

impl FromJson for PushChat {
    fn from_json(json: Json) -> Result<PushChat, json::Wrong> {
        let mut row = json::Object::from_json(json)?;
        let (conversation, Flag(push)) = (row.take("conversation")?, row.take("push")?);
        Ok(PushChat { conversation, push })
    }
}

/// The chats of a user's identities, newest first.
pub fn push_chats(db: &D1Database, user: &UserId) -> Asked<Vec<PushChat>> {
    all(db, PUSH_CHATS, &[text(user)])
}

/// Whether what is said unasked may go to a chat of a bot account: to someone bound there, or whose agents answer there.
pub fn may_push(db: &D1Database, user: &UserId, account: &str, chat: &str) -> Asked<bool> {
    changed(db, MAY_PUSH, &[text(user), text(account), text(chat)])
}

/// Notes a stranger's code, unless they have one that is good. False then.
pub fn insert_pairing(
    db: &D1Database,
    account: &AccountId,
    sender: &str,
    hash: &str,
    conversation: &ConversationId,
    now: Timestamp,
) -> Asked<bool> {
    let expires = time(now.plus_ms(PAIRING_MS));
    let values = [text(account), text(sender), text(hash), text(conversation), expires, time(now)];
    changed(db, INSERT_PAIRING, &values)
}

/// Forgets the code of a sender, who asks for another.
pub fn delete_pairing_of(db: &D1Database, account: &AccountId, sender: &str) -> Asked<()> {
    run(db, DELETE_PAIRING_OF, &[text(account), text(sender)])
}

/// Forgets a stranger's code.
pub fn delete_pairing(db: &D1Database, hash: &str) -> Asked<()> {
    run(db, DELETE_PAIRING, &[text(hash)])
}

/// Who was told a code.
pub struct Stranger {
    /// By which bot.
    pub account_id: AccountId,
    /// Their id on the platform.
    pub sender: String,
    /// Where.
    pub conversation: String,
}

from_json! { struct Stranger { account_id, sender, conversation } }

/// Uses up a code: who was told it.
pub fn use_pairing(db: &D1Database, hash: &str, now: Timestamp) -> Asked<Option<Stranger>> {
    first(db, USE_PAIRING, &[text(hash), time(now)])
}

/// Of whom nothing was heard for so long, nothing is kept: 30 days.
const PERSON_KEPT_MS: u64 = 30 * 24 * 60 * 60 * 1000;

struct Row(Identity);

impl From<Row> for Identity {
    fn from(Row(row): Row) -> Identity {
        row
    }
}

impl FromJson for Row {
    fn from_json(json: Json) -> Result<Row, json::Wrong> {
        let mut row = json::Object::from_json(json)?;
        let Flag(push) = row.take("push")?;
        Ok(Row(Identity {
            id: row.take("id")?,
            account: row.take("account")?,
            platform: row.take("platform")?,
            sender: row.take("sender")?,
            name: row.take("name")?,
            avatar_url: row.take("avatar_url")?,
            push,
            created_ms: row.take("created_ms")?,
        }))
    }
}

macro_rules! select_identities {
    ($rest:literal) => {
        concat!(
            "select i.id, i.account_id as account, a.platform, i.sender, p.name, p.avatar_url, i.push, i.created_ms ",
            "from identities i join accounts a on a.id = i.account_id ",
            "left join people p on p.account_id = i.account_id and p.sender = i.sender where ",
            $rest
        )
    };
}

statements! {
    STANDING = "select
        (select i.user_id from identities i join users u on u.id = i.user_id
            where i.account_id = ?1 and i.sender = ?2 and u.is_disabled = 0) as bound_to,
        exists (select 1 from account_senders where account_id = ?1 and sender = ?2) as is_listed,
        exists (select 1 from account_groups where account_id = ?1 and chat = ?3) as in_listed_group,
        (select g.user_id from account_groups g join users u on u.id = g.user_id
            where g.account_id = ?1 and g.chat = ?3 and u.is_disabled = 0) as group_user,
        (select name from people where account_id = ?1 and sender = ?2) as name,
        (select asked_ms from people where account_id = ?1 and sender = ?2) as asked_ms";
    PUT_PERSON = "insert into people (account_id, sender, name, avatar_url, asked_ms) values (?, ?, ?, ?, ?)
        on conflict (account_id, sender) do update set name = excluded.name, avatar_url = excluded.avatar_url,
        asked_ms = excluded.asked_ms";
    FORGET_PEOPLE = "delete from people where asked_ms < ?";
    PUT_IDENTITY = "insert into identities (id, account_id, sender, user_id, conversation, created_ms)
        values (?, ?, ?, ?, ?, ?) on conflict (account_id, sender) do update set user_id = excluded.user_id,
        conversation = coalesce(excluded.conversation, conversation), push = 1, created_ms = excluded.created_ms";
    IDENTITY_OF = select_identities!("i.account_id = ? and i.sender = ?");
    IDENTITIES = select_identities!("i.user_id = ? order by i.created_ms, i.id");
    IDENTITIES_COUNT = "select count(*) as count from identities where user_id = ?";
    CHANGE_IDENTITY = "update identities set push = ? where id = ? and user_id = ? returning id";
    IDENTITY_BY_ID = select_identities!("i.id = ? and i.user_id = ?");
    DELETE_IDENTITY = "delete from identities where id = ? and user_id = ? returning id";
    PUSH_CHATS = "select conversation, push from identities where user_id = ? and conversation is not null
        order by created_ms desc, id limit 100";
    MAY_PUSH = "select 1 as may where exists (select 1 from identities where account_id = ?2 and user_id = ?1)
        or exists (select 1 from accounts where id = ?2 and default_user = ?1)
        or exists (select 1 from account_groups where account_id = ?2 and chat = ?3 and user_id = ?1)";
    INSERT_PAIRING = "insert into pairings (account_id, sender, hash, conversation, expires_ms)
        values (?1, ?2, ?3, ?4, ?5) on conflict (account_id, sender) do update set hash = excluded.hash,
        conversation = excluded.conversation, expires_ms = excluded.expires_ms where expires_ms <= ?6 returning hash";
    DELETE_PAIRING_OF = "delete from pairings where account_id = ? and sender = ?";
    DELETE_PAIRING = "delete from pairings where hash = ?";
    USE_PAIRING = "delete from pairings where hash = ? and expires_ms > ? returning account_id, sender, conversation";
}
