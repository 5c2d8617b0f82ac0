//! Which bot a webhook or an answer is for, and whose Hub a sender reaches: D1 behind a short-lived cache in this
//! isolate, so that a known sender's message reads no row. When D1 does not answer, what was known still holds.

use std::cell::RefCell;
use std::rc::Rc;

use protocol::api::{Groups, Policy};
use protocol::{AccountId, ConversationId, Timestamp, UserId, json};
use relay::auth::seal::{Place, is_sealed};
use relay::map::Map;
use relay::platform::Account;

use crate::clock::now;
use crate::config::Config;
use crate::db;
use crate::error::Error;
use crate::outbound::Way;
use crate::runtime::{console_log, within};

/// A bot account, and who may talk to it.
pub struct Bot {
    /// With its settings.
    pub account: Account,
    /// Who may talk to it.
    pub policy: Policy,
    /// In which groups it answers.
    pub groups: Groups,
    /// How the calls of its API leave.
    pub way: Way,
}

/// Who someone is that talks to a bot.
pub enum Speaker {
    /// Nobody that the bot answers, and why.
    Ignored(&'static str),
    /// Nobody yet: to be told how to say who they are.
    Stranger,
    /// Whoever's agents answer them.
    User(UserId),
}

/// The bot with this name. A miss is not kept, so that a new one works at once.
pub async fn bot(config: &Config, id: &str) -> Result<Option<Rc<Bot>>, Error> {
    if let Some(bot) = BOTS.with_borrow(|cache| cache.fresh(id)) {
        return Ok(Some(bot));
    }
    match in_time(read_bot(config, id)).await {
        Ok(Some(bot)) => {
            let bot = Rc::new(bot);
            BOTS.with_borrow_mut(|cache| cache.put(id.to_owned(), bot.clone()));
            Ok(Some(bot))
        }
        Ok(None) => Ok(None),
        Err(error) => BOTS.with_borrow_mut(|cache| cache.make_do(id)).map(Some).ok_or(error),
    }
}

/// Who a sender is, in a group or alone with the bot: by the group's rule, by whom they are bound to, by the bot's policy.
pub async fn speaker(config: &Config, bot: &Bot, sender: &str, group: Option<&str>) -> Result<Speaker, Error> {
    if group.is_some() && bot.groups == Groups::None {
        return Ok(Speaker::Ignored("in a group"));
    }
    let key = format!("{}\n{sender}\n{}", bot.account.id, group.unwrap_or_default());
    if let Some(user) = SPEAKERS.with_borrow(|cache| cache.fresh(&key)) {
        return Ok(Speaker::User(user));
    }
    let asked = async { db::standing(&config.db()?, &bot.account.id, sender, group.unwrap_or_default()).await };
    let standing = match in_time(asked).await {
        Ok(standing) => standing,
        Err(error) => {
            let known = SPEAKERS.with_borrow_mut(|cache| cache.make_do(&key));
            return known.map(Speaker::User).ok_or(error);
        }
    };
    let person = Known { name: standing.name.clone(), asked: standing.asked };
    PEOPLE.with_borrow_mut(|cache| cache.put(person_key(&bot.account.id, sender), person));
    let speaker = judge(bot, standing, group.is_some());
    if let Speaker::User(user) = &speaker {
        SPEAKERS.with_borrow_mut(|cache| cache.put(key, user.clone()));
    }
    Ok(speaker)
}

/// What a sender is called, if their platform was asked.
pub fn name_of(account: &AccountId, sender: &str) -> Option<String> {
    PEOPLE.with_borrow(|cache| cache.stale(&person_key(account, sender)))?.name
}

/// Whether it is time to ask a platform who a sender is: D1 says so, and not this isolate's ignorance. True once; if it
/// comes to nothing, again when D1 has been asked again.
pub fn begins_to_ask(account: &AccountId, sender: &str) -> bool {
    let Some(known) = PEOPLE.with_borrow(|cache| cache.stale(&person_key(account, sender))) else { return false };
    let is_time = known.asked.is_none_or(|asked| asked.plus_ms(ASKED_MS) < now());
    if is_time {
        know(account, sender, known.name, now());
    }
    is_time
}

/// A platform was asked.
pub fn know(account: &AccountId, sender: &str, name: Option<String>, at: Timestamp) {
    let known = Known { name, asked: Some(at) };
    PEOPLE.with_borrow_mut(|cache| cache.put(person_key(account, sender), known));
}

fn judge(bot: &Bot, standing: db::Standing, in_group: bool) -> Speaker {
    if in_group && bot.groups == Groups::Listed && !standing.in_listed_group {
        return Speaker::Ignored("in a group that is not listed");
    }
    // One agent for all of a group, else the speaker's own.
    if let Some(user) = standing.group_user.or(standing.bound_to) {
        return Speaker::User(user);
    }
    let by_default = || match &bot.account.default_user {
        Some(user) => Speaker::User(user.clone()),
        None => Speaker::Ignored("bound to nobody, and the bot has no default user"),
    };
    match bot.policy {
        Policy::Closed => Speaker::Ignored("bound to nobody"),
        Policy::Listed if standing.is_listed => by_default(),
        Policy::Listed => Speaker::Ignored("not on the list"),
        Policy::Open => by_default(),
        Policy::Pairing => Speaker::Stranger,
    }
}

/// Whether it is noted that a user has messages in a chat.
pub fn has_chat(conversation: &ConversationId, user: &UserId) -> bool {
    CHATS.with_borrow(|cache| cache.stale(&chat_key(conversation, user))).is_some()
}

/// Notes that a user has messages in a chat, once a day per isolate: a recall says which chat, and not whose.
pub async fn note_chat(config: &Config, conversation: &ConversationId, user: &UserId) {
    let noted = async { db::put_chat(&config.db()?, conversation, user).await };
    match in_time(noted).await {
        Ok(()) => CHATS.with_borrow_mut(|cache| cache.put(chat_key(conversation, user), ())),
        // The next message notes it.
        Err(error) => console_log!("chat {conversation} of {user}: {}", error.detail()),
    }
}

/// Whether a user's agent was given what began a topic, within the day and by this isolate.
pub fn has_quoted(topic: &str, user: &UserId) -> bool {
    TOPICS.with_borrow(|cache| cache.stale(&topic_key(topic, user))).is_some()
}

/// It was.
pub fn note_quoted(topic: &str, user: &UserId) {
    TOPICS.with_borrow_mut(|cache| cache.put(topic_key(topic, user), ()));
}

fn topic_key(topic: &str, user: &UserId) -> String {
    [topic, " ", user.as_str()].concat()
}

/// Whether it was noted within the hour that a bot's platform calls its webhook.
pub fn has_call(account: &AccountId) -> bool {
    CALLS.with_borrow(|cache| cache.within(account.as_str(), CALL_MS)).is_some()
}

/// Notes that it does, once an hour per isolate.
pub async fn note_call(config: &Config, account: &AccountId) {
    CALLS.with_borrow_mut(|cache| cache.put(account.to_string(), ()));
    let noted = async { db::put_call(&config.db()?, account, now()).await };
    if let Err(error) = in_time(noted).await {
        // The next hour notes it.
        console_log!("account {account} was called: {}", error.detail());
    }
}

/// The users who have messages in a chat.
pub async fn chat_users(config: &Config, conversation: &ConversationId) -> Result<Vec<UserId>, Error> {
    in_time(async { db::chat_users(&config.db()?, conversation).await }).await
}

/// Forgets what this isolate knows; others forget within [`FRESH_MS`].
pub fn forget() {
    BOTS.with_borrow_mut(|cache| cache.entries.clear());
    SPEAKERS.with_borrow_mut(|cache| cache.entries.clear());
    CHATS.with_borrow_mut(|cache| cache.entries.clear());
    PEOPLE.with_borrow_mut(|cache| cache.entries.clear());
    CALLS.with_borrow_mut(|cache| cache.entries.clear());
}

/// Where an account's settings are sealed.
pub fn place(account: &str) -> Place<'_> {
    Place { table: "accounts", row: account, column: "settings" }
}

/// D1's answer, if it comes within [`D1_MS_MAX`]: platforms wait for theirs.
async fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = || Err(Error::unavailable("the database does not answer", "late"));
    within(D1_MS_MAX, answer).await.unwrap_or_else(late)
}

async fn read_bot(config: &Config, id: &str) -> Result<Option<Bot>, Error> {
    let Some(row) = db::account(&config.db()?, id).await? else { return Ok(None) };
    let settings = if is_sealed(&row.settings) {
        let opened = config.seals()?.open(place(row.id.as_str()), &row.settings);
        opened.map_err(|error| Error::internal("settings of an account", error))?
    } else {
        // From before there was sealing: POST /v1/admin/secrets/rotate seals it.
        row.settings
    };
    let platform = json::read(&settings).map_err(|error| Error::internal("settings of an account", error))?;
    let account = Account { id: row.id, default_user: row.default_user, platform };
    let way = match (row.egress, row.egress_user) {
        (Some(agent), Some(user)) => Way::Agent { user, agent },
        _ => Way::Direct,
    };
    Ok(Some(Bot { account, policy: row.policy, groups: row.groups, way }))
}

fn person_key(account: &AccountId, sender: &str) -> String {
    format!("{account}\n{sender}")
}

/// What is known of a sender.
#[derive(Clone)]
struct Known {
    name: Option<String>,
    asked: Option<Timestamp>,
}

fn chat_key(conversation: &ConversationId, user: &UserId) -> String {
    format!("{conversation}\n{user}")
}

struct Cache<T> {
    entries: Map<String, Entry<T>>,
}

struct Entry<T> {
    /// When D1 answered.
    read: Timestamp,
    /// When it was last asked.
    asked: Timestamp,
    value: T,
}

impl<T: Clone> Cache<T> {
    fn new() -> Cache<T> {
        Cache { entries: Map::new() }
    }

    fn fresh(&self, key: &str) -> Option<T> {
        let entry = self.entries.get(key)?;
        (now() < entry.asked.plus_ms(FRESH_MS)).then(|| entry.value.clone())
    }

    /// D1 did not answer: what it said before, if that is not too old, so that only one message a minute waits for it.
    fn make_do(&mut self, key: &str) -> Option<T> {
        let value = self.stale(key)?;
        self.entries.get_mut(key)?.asked = now();
        Some(value)
    }

    fn stale(&self, key: &str) -> Option<T> {
        self.within(key, STALE_MS_MAX)
    }

    fn within(&self, key: &str, ms: u64) -> Option<T> {
        let entry = self.entries.get(key)?;
        (now() < entry.read.plus_ms(ms)).then(|| entry.value.clone())
    }

    fn put(&mut self, key: String, value: T) {
        // Rare, and cheap to make again: no order of use to keep.
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.clear();
        }
        let at = now();
        self.entries.insert(key, Entry { read: at, asked: at, value });
    }
}

thread_local! {
    static BOTS: RefCell<Cache<Rc<Bot>>> = RefCell::new(Cache::new());
    static SPEAKERS: RefCell<Cache<UserId>> = RefCell::new(Cache::new());
    static CHATS: RefCell<Cache<()>> = RefCell::new(Cache::new());
    static CALLS: RefCell<Cache<()>> = RefCell::new(Cache::new());
    static PEOPLE: RefCell<Cache<Known>> = RefCell::new(Cache::new());
    static TOPICS: RefCell<Cache<()>> = RefCell::new(Cache::new());
}

/// Feishu waits 3 s for the whole of a webhook, which asks twice at most.
const D1_MS_MAX: u64 = 1_000;
/// How long an entry is used without asking D1 again.
const FRESH_MS: u64 = 60_000;
/// How long an entry is used while D1 does not answer.
const STALE_MS_MAX: u64 = 24 * 60 * 60 * 1000;
const CALL_MS: u64 = 60 * 60 * 1000;
/// People change what they are called, and their pictures: a week.
const ASKED_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Entries of each kind.
const ENTRIES_MAX: usize = 2_000;
