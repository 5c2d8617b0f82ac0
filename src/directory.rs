//! Which account a webhook or an answer is for, and whose Hub a sender reaches: D1 behind a short-lived cache in this
//! isolate, so that a known sender's message reads no row. When D1 does not answer, what was known still holds.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use protocol::{ConversationId, Timestamp, UserId};
use relay::map::Map;
use relay::platform::Account;

use crate::clock::now;
use crate::config::Config;
use crate::db;
use crate::error::Error;
use crate::runtime::{Delay, console_log};

/// The account with this name. A miss is not kept, so that a new account works at once.
pub async fn account(config: &Config, id: &str) -> Result<Option<Rc<Account>>, Error> {
    if let Some(account) = ACCOUNTS.with_borrow(|cache| cache.fresh(id)) {
        return Ok(Some(account));
    }
    match in_time(read_account(config, id)).await {
        Ok(Some(account)) => {
            let account = Rc::new(account);
            ACCOUNTS.with_borrow_mut(|cache| cache.put(id.to_owned(), account.clone()));
            Ok(Some(account))
        }
        Ok(None) => Ok(None),
        Err(error) => ACCOUNTS.with_borrow_mut(|cache| cache.make_do(id)).map(Some).ok_or(error),
    }
}

/// Whose Hub a sender reaches: the user they are bound to, else the account's default.
pub async fn user(config: &Config, account: &Account, sender: &str) -> Result<Option<UserId>, Error> {
    let key = format!("{}\n{sender}", account.id);
    if let Some(user) = SENDERS.with_borrow(|cache| cache.fresh(&key)) {
        return Ok(Some(user));
    }
    match in_time(read_identity(config, account, sender)).await {
        Ok(bound) => {
            let user = bound.or_else(|| account.default_user.clone());
            if let Some(user) = &user {
                SENDERS.with_borrow_mut(|cache| cache.put(key, user.clone()));
            }
            Ok(user)
        }
        Err(error) => SENDERS.with_borrow_mut(|cache| cache.make_do(&key)).map(Some).ok_or(error),
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
        Err(error) => console_log!("chat {conversation} of {user}: {}", error.detail),
    }
}

/// The users who have messages in a chat.
pub async fn chat_users(config: &Config, conversation: &ConversationId) -> Result<Vec<UserId>, Error> {
    in_time(async { db::chat_users(&config.db()?, conversation).await }).await
}

/// Forgets what this isolate knows; others forget within [`FRESH_MS`].
pub fn forget() {
    ACCOUNTS.with_borrow_mut(|cache| cache.entries.clear());
    SENDERS.with_borrow_mut(|cache| cache.entries.clear());
}

/// D1's answer, if it comes within [`D1_MS_MAX`]: platforms wait for theirs.
async fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let (answer, late) = (pin!(answer), pin!(Delay::from(Duration::from_millis(D1_MS_MAX))));
    match select(answer, late).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => Err(Error::unavailable("the database does not answer", "late")),
    }
}

async fn read_account(config: &Config, id: &str) -> Result<Option<Account>, Error> {
    db::account(&config.db()?, id).await
}

async fn read_identity(config: &Config, account: &Account, sender: &str) -> Result<Option<UserId>, Error> {
    db::identity(&config.db()?, &account.id, sender).await
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
        let entry = self.entries.get(key)?;
        (now() < entry.read.plus_ms(STALE_MS_MAX)).then(|| entry.value.clone())
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
    static ACCOUNTS: RefCell<Cache<Rc<Account>>> = RefCell::new(Cache::new());
    static SENDERS: RefCell<Cache<UserId>> = RefCell::new(Cache::new());
    static CHATS: RefCell<Cache<()>> = RefCell::new(Cache::new());
}

/// Feishu waits 3 s for the whole of a webhook, which asks twice at most.
const D1_MS_MAX: u64 = 1_000;
/// How long an entry is used without asking D1 again.
const FRESH_MS: u64 = 60_000;
/// How long an entry is used while D1 does not answer.
const STALE_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// Entries of each kind.
const ENTRIES_MAX: usize = 2_000;
