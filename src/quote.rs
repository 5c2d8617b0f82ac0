//! What a message replies to, where its webhook names it by its id alone: asked of the platform before the message is
//! committed, since its agent gets both at once.

use protocol::json::{FromJson, Json};
use protocol::{AccountId, Timestamp, from_json, object};
use relay::platform::{self, HttpResponse, Quoted, Sent};

use crate::account::{self, Account};
use crate::clock::now;
use crate::config::Config;
use crate::directory::Bot;
use crate::error::Error;
use crate::runtime::{Response, console_log, within};

/// What a message says, for a webhook that came at `arrived`. None: the platform does not say so, or not in time.
pub async fn find(config: &Config, bot: &Bot, message: &str, arrived: Timestamp) -> Option<Quoted> {
    // What D1 took is gone from it.
    let left_ms = arrived.plus_ms(UNTIL_MS).0.saturating_sub(now().0).min(QUOTE_MS_MAX);
    let late = || Err(Error::unavailable("the platform does not answer in time", message));
    let found = within(left_ms, ask(config, bot, message)).await.unwrap_or_else(late);
    match found {
        Ok(quoted) => quoted,
        Err(error) => {
            console_log!("account {}: what a message replies to: {}", bot.account.id, error.detail());
            None
        }
    }
}

async fn ask(config: &Config, bot: &Bot, message: &str) -> Result<Option<Quoted>, Error> {
    let account = &bot.account;
    let body = object! { "account": account.id, "message": message };
    let response = account::post(config, &account.id, &format!(r#"{{"quote":{body}}}"#)).await?;
    let body = response.text().await.map_err(account::unavailable)?;
    if response.status_code() != 200 {
        return Err(Error::unavailable("the platform does not say", body));
    }
    Ok(platform::quoted(account, &HttpResponse { status: 200, retry_after_s: None, body }))
}

/// The message that an account is asked about.
pub struct Asked {
    account: AccountId,
    message: String,
}

from_json! { struct Asked { account, message } }

/// The message that the account is asked about, if it is about one.
pub fn asked(body: &Json) -> Option<Asked> {
    Asked::from_json(body.get("quote")?.clone()).ok()
}

impl Account {
    /// Answers [`find`] with the platform's own words.
    pub async fn quote(&self, of: &Asked) -> Result<Response, Error> {
        let (bot, request) = self.to_ask(&of.account, |bot| platform::quote_request(bot, &of.message)).await?;
        // Whether there is room or not: answers can wait, and this cannot.
        self.budget.borrow_mut().spend(now(), platform::rates(&bot.account), &of.message);
        match self.call(&bot, &request).await {
            (Sent::Taken, Some(response)) => Ok(Response::json(&response.body)?),
            (sent, _) => Err(Error::unavailable("the platform does not say", format!("{sent:?}"))),
        }
    }
}

/// For what a message replies to: 1.5 s.
const QUOTE_MS_MAX: u64 = 1_500;
/// And no later than 2 s after the webhook came, of the 3 s that platforms wait for all of it.
const UNTIL_MS: u64 = 2_000;
