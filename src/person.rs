//! What people are called on platforms whose webhooks do not say: asked once a week, after a message of theirs is committed,
//! and known from the next one on.

use protocol::json::{FromJson, Json};
use protocol::{AccountId, from_json, object};
use relay::platform::{self, Person, Sent};

use crate::account::{self, Account};
use crate::config::Config;
use crate::directory;
use crate::error::Error;
use crate::runtime::{Response, console_log};
use crate::{clock, db};

/// Asks who a sender is, and keeps it.
pub async fn learn(config: &Config, bot: &AccountId, sender: &str) {
    if let Err(error) = try_learn(config, bot, sender).await {
        console_log!("account {bot}: who a sender is: {}", error.detail());
    }
}

async fn try_learn(config: &Config, bot: &AccountId, sender: &str) -> Result<(), Error> {
    let body = object! { "account": bot, "sender": sender };
    let response = account::post(config, bot, &format!(r#"{{"person":{body}}}"#)).await?;
    let person: Person = response.read().await.map_err(account::unavailable)?;
    let now = clock::now();
    db::put_person(&config.db()?, bot, sender, &person, now).await?;
    directory::know(bot, sender, person.name, now);
    Ok(())
}

/// Whom an account is asked about.
pub struct Asked {
    account: AccountId,
    sender: String,
}

from_json! { struct Asked { account, sender } }

/// Whom the account is asked about, if it is about a person.
pub fn asked(body: &Json) -> Option<Asked> {
    Asked::from_json(body.get("person")?.clone()).ok()
}

impl Account {
    /// Answers [`learn`]: a refusal is that nothing is said of them.
    pub async fn person(&self, of: &Asked) -> Result<Response, Error> {
        let (bot, request) = self.to_ask(&of.account, |bot| platform::person_request(bot, &of.sender)).await?;
        let person = match self.draw(&bot, "people", &request).await {
            Ok(response) => platform::person(&bot.account, &response),
            Err((Sent::Refused(why), _)) => {
                console_log!("account {}: who a sender is: {why}", bot.account.id);
                Person::default()
            }
            Err((sent, _)) => return Err(Error::unavailable("the platform does not say", format!("{sent:?}"))),
        };
        Ok(Response::from_json(&person)?)
    }
}
