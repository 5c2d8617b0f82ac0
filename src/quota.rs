//! What a bot has used of what its platform allows, as its [`Account`] counts it, and what others may ask about that.
//!
//! Counts are in memory and kept as one row, which is written when the last answer or file under way is done, and before every
//! [`UNWRITTEN_MAX`]th call. So an account at rest has lost nothing; one that crashes forgets fewer than [`UNWRITTEN_MAX`] calls
//! that it made, among them those that showed an answer which never ended. Nothing is written for platforms that have no such
//! allowance, or for what comes in.

use protocol::json::{FromJson, Json};
use protocol::{AccountId, from_json};
use relay::platform::{self, Counts, HttpRequest, HttpResponse, Sent, Told};
use serde::Serialize;

use crate::account::{self, Account};
use crate::clock::now;
use crate::config::Config;
use crate::directory::{self, Bot};
use crate::error::Error;
use crate::runtime::{Response, console_log};

/// What is asked of a bot's account about its quota.
#[derive(Serialize)]
struct Ask {
    quota: AccountId,
    what: What,
    /// With [`What::Told`].
    told: Option<Told>,
}

from_json! { struct Ask { quota, what, told } }

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// Why does the platform take no message now?
    Closed,
    /// What is allowed, and what is left?
    Read,
    /// The platform is well: forget that it said that nothing is left.
    Retry,
    /// The platform says so.
    Told,
}

from_json! { words What { "closed" => Closed, "read" => Read, "retry" => Retry, "told" => Told } }

/// What is allowed, and what is left of it, as an `AccountQuota`.
pub async fn read(config: &Config, account: &AccountId) -> Result<Response, Error> {
    ask(config, account, What::Read, None).await
}

/// Why the platform takes no message of this bot now; nothing: it does, as far as is known.
pub async fn closed(config: &Config, account: &AccountId) -> Option<String> {
    let response = ask(config, account, What::Closed, None).await.ok()?;
    // Nothing is held up by a meter that does not answer.
    response.read::<Option<String>>().await.ok().flatten()
}

/// The platform was asked and is well: what it tells of its quota goes before what was counted.
pub async fn correct(config: &Config, account: &AccountId, told: Option<Told>) -> Result<(), Error> {
    let what = if told.is_some() { What::Told } else { What::Retry };
    ask(config, account, what, told).await.map(drop)
}

async fn ask(config: &Config, account: &AccountId, what: What, told: Option<Told>) -> Result<Response, Error> {
    let body = serde_json::to_string(&Ask { quota: account.clone(), what, told });
    let body = body.map_err(|error| Error::internal("a quota", error))?;
    account::post(config, account, &body).await
}

/// The counts of an account, between writes.
#[derive(Default)]
pub struct Meter {
    /// None: not read yet.
    counts: Option<Counts>,
    /// Calls, and what was heard.
    unwritten: u32,
    /// Answers and files, see [`UnderWay`].
    under_way: u32,
}

/// An answer or a file under way, at whose end counts are written. Dropped when whoever waited for it is gone, too.
pub struct UnderWay<'a>(&'a Account);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.meter.borrow_mut().under_way -= 1;
    }
}

impl Account {
    /// What is asked, if it is about the quota; answered.
    pub(crate) async fn asked_for_quota(&self, body: &Json) -> Option<Result<Response, Error>> {
        body.get("quota")?;
        let ask = Ask::from_json(body.clone()).map_err(|error| Error::internal("a quota", error));
        Some(match ask {
            Ok(ask) => self.answer_quota(ask).await,
            Err(error) => Err(error),
        })
    }

    async fn answer_quota(&self, ask: Ask) -> Result<Response, Error> {
        let config = Config::from_env(self.env.clone());
        let bot = directory::bot(&config, ask.quota.as_str()).await?;
        let bot = bot.ok_or_else(|| Error::unavailable("the account does not answer", "it was deleted"))?;
        self.load_counts().await?;
        let response = {
            let mut meter = self.meter.borrow_mut();
            let (now, settings) = (now(), &bot.account);
            let meter = &mut *meter;
            let counts = meter.counts.get_or_insert_default();
            match (ask.what, ask.told) {
                (What::Closed, _) => Response::from_json(&counts.closed(now, settings))?,
                (What::Told, Some(told)) => {
                    counts.tell(now, settings, told);
                    meter.unwritten += 1;
                    Response::from_json(&())?
                }
                (What::Retry, _) => {
                    meter.unwritten += u32::from(counts.retry());
                    Response::from_json(&())?
                }
                _ => Response::from_json(&counts.quota(now, settings))?,
            }
        };
        if matches!(ask.what, What::Retry | What::Told) {
            self.write_counts().await;
        }
        Ok(response)
    }

    /// Notes that an answer or a file is under way.
    pub(crate) fn under_way(&self) -> UnderWay<'_> {
        self.meter.borrow_mut().under_way += 1;
        UnderWay(self)
    }

    /// Writes what was counted, once nothing is under way any more.
    pub(crate) async fn settle(&self) {
        if self.meter.borrow().under_way == 0 {
            self.write_counts().await;
        }
    }

    /// Counts a call that is about to be made.
    pub(crate) async fn count(&self, bot: &Bot, request: &HttpRequest) {
        if platform::quotas(&bot.account).is_empty() {
            return;
        }
        // Counted without what was counted before, it would take its place.
        if let Err(error) = self.load_counts().await {
            console_log!("account {}: a call is not counted: {}", bot.account.id, error.detail());
            return;
        }
        let is_due = {
            let mut meter = self.meter.borrow_mut();
            let is_counted = meter.counts.get_or_insert_default().add(now(), &bot.account, request);
            meter.unwritten += u32::from(is_counted);
            meter.unwritten >= UNWRITTEN_MAX
        };
        if is_due {
            self.write_counts().await;
        }
    }

    /// Takes note of what became of a call.
    pub(crate) fn hear(&self, bot: &Bot, request: &HttpRequest, sent: &Sent, response: &HttpResponse) {
        let mut meter = self.meter.borrow_mut();
        let is_news =
            meter.counts.as_mut().is_some_and(|counts| counts.hear(now(), &bot.account, request, sent, response));
        meter.unwritten += u32::from(is_news);
    }

    async fn load_counts(&self) -> Result<(), Error> {
        if self.meter.borrow().counts.is_some() {
            return Ok(());
        }
        let stored: Option<Counts> = self.state.storage().get_json(KEY).await?;
        // Another call may have been faster.
        self.meter.borrow_mut().counts.get_or_insert_with(|| stored.unwrap_or_default());
        Ok(())
    }

    async fn write_counts(&self) {
        let counts = {
            let mut meter = self.meter.borrow_mut();
            if meter.unwritten == 0 {
                return;
            }
            meter.unwritten = 0;
            meter.counts.clone()
        };
        if let Err(error) = self.state.storage().put_json(KEY, &counts.unwrap_or_default()).await {
            console_log!("quota: {error}");
            // With the next.
            self.meter.borrow_mut().unwritten += 1;
        }
    }
}

/// Where counts are kept.
const KEY: &str = "quota";
/// Counted calls that a crash may forget, less one.
const UNWRITTEN_MAX: u32 = 20;
