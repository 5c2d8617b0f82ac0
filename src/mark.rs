//! Questions that are marked at their platform while they are answered: [`platform::mark`]. Nothing depends on it, so what
//! fails is logged and left.

use std::time::Duration;

use protocol::json::{FromJson, Json};
use protocol::{Timestamp, from_json};
use relay::map::Map;
use relay::platform::{self, Account as Settings, HttpRequest, HttpResponse, Sent};
use relay::store::Origin;
use serde::Serialize;

use crate::account::{self, Account};
use crate::clock::now;
use crate::config::Config;
use crate::directory;
use crate::error::Error;
use crate::runtime::{Delay, Response, console_log};

/// A question, as its platform knows it.
#[derive(Clone, Serialize)]
pub struct Marked {
    /// The question.
    pub origin: Origin,
    /// It has ended; otherwise it is being answered.
    pub is_over: bool,
}

from_json! { struct Marked { origin, is_over } }

/// Asks the bot's account to mark a question, or not any more.
pub async fn tell(config: &Config, marked: &Marked) {
    let body = serde_json::to_string(marked).expect("our own types are JSON");
    if let Err(error) = account::post(config, &marked.origin.account, &format!(r#"{{"marked":{body}}}"#)).await {
        console_log!("account {}: a mark: {}", marked.origin.account, error.detail());
    }
}

/// What the account is asked, if it is about a mark.
pub fn asked(body: &Json) -> Option<Marked> {
    Marked::from_json(body.get("marked")?.clone()).ok()
}

/// The marks that an account made.
#[derive(Default)]
pub struct Marks {
    /// By the message that they are on.
    on: Map<String, Mark>,
    /// The platform refuses them, for as long as that is remembered.
    refused_until: Timestamp,
}

/// How far a mark has come.
enum Mark {
    /// The call is under way.
    Begun,
    /// It is there, and called so.
    There(String),
    /// Its question ended while the call was under way.
    Over,
    /// There was no room for it beside the answers.
    Passed,
}

/// What is done about a mark.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Make,
    Find,
    Remove,
}

impl Account {
    /// Answers [`tell`].
    pub async fn mark(&self, marked: &Marked) -> Result<Response, Error> {
        let config = Config::from_env(self.env.clone());
        let Some(bot) = directory::bot(&config, marked.origin.account.as_str()).await? else {
            return Ok(Response::empty()?);
        };
        let mut next = self.marks.borrow_mut().begin(&bot.account, marked);
        // Platforms limit messages to a chat, of which this is none: each counts for itself.
        let chat = &marked.origin.message;
        let mut tries = 0;
        while let Some((step, request)) = &next {
            let drawn = match step {
                Step::Make => self.draw_spare(&bot, chat, request).await,
                Step::Find | Step::Remove => self.draw(&bot, chat, request).await,
            };
            let drawn = drawn.map_err(|(sent, _)| sent);
            if tries == 0 && *step == Step::Make && matches!(drawn, Err(Sent::Wait { .. })) {
                self.marks.borrow_mut().pass(&bot.account, marked);
                break;
            }
            let wait_ms = match &drawn {
                Err(Sent::Wait { ms }) => Some(*ms),
                Err(Sent::Later { after_ms, .. }) => Some(after_ms.unwrap_or(RETRY_MS)),
                _ => None,
            };
            tries += 1;
            if let Some(ms) = wait_ms.filter(|&ms| ms <= WAIT_MS_MAX && tries < TRIES) {
                Delay::from(Duration::from_millis(ms)).await;
                continue;
            }
            if let Err(sent) = &drawn {
                console_log!("account {}: a mark: {sent:?}", bot.account.id);
            }
            next = self.marks.borrow_mut().after(&bot.account, marked, *step, drawn);
        }
        Ok(Response::empty()?)
    }
}

impl Marks {
    fn begin(&mut self, settings: &Settings, marked: &Marked) -> Option<(Step, HttpRequest)> {
        let (origin, of) = (&marked.origin, &marked.origin.message);
        let is_refused = now() < self.refused_until;
        if !marked.is_over {
            let has_room = self.on.len() < MARKS_MAX && !self.on.contains_key(of) && !is_refused;
            let request = platform::mark(settings, origin).filter(|_| has_room)?;
            self.on.insert(of.clone(), Mark::Begun);
            return Some((Step::Make, request));
        }
        match self.on.remove(of) {
            Some(Mark::There(id)) => Some((Step::Remove, platform::unmark(settings, origin, &id)?)),
            Some(Mark::Begun | Mark::Over) => {
                self.on.insert(of.clone(), Mark::Over);
                None
            }
            Some(Mark::Passed) => None,
            // This instance may be a new one.
            None if !is_refused => Some((Step::Find, platform::find_mark(settings, origin)?)),
            None => None,
        }
    }

    /// There is no room for a mark, and no call was made. Where marks are looked for, this one need not be.
    fn pass(&mut self, settings: &Settings, marked: &Marked) {
        let was = self.on.remove(&marked.origin.message);
        if matches!(was, Some(Mark::Begun)) && platform::find_mark(settings, &marked.origin).is_some() {
            self.on.insert(marked.origin.message.clone(), Mark::Passed);
        }
    }

    fn after(
        &mut self,
        settings: &Settings,
        marked: &Marked,
        step: Step,
        drawn: Result<HttpResponse, Sent>,
    ) -> Option<(Step, HttpRequest)> {
        let (origin, of) = (&marked.origin, &marked.origin.message);
        let was = if step == Step::Make { self.on.remove(of) } else { None };
        if let Err(Sent::Refused(_)) = drawn {
            self.refused_until = now().plus_ms(REFUSED_MS);
        }
        let response = drawn.ok()?;
        let id = match step {
            Step::Make => platform::marked(settings, &response)?,
            Step::Find => platform::found_mark(settings, &response)?,
            Step::Remove => return None,
        };
        if step == Step::Make && !matches!(was, Some(Mark::Over)) {
            self.on.insert(of.clone(), Mark::There(id));
            return None;
        }
        Some((Step::Remove, platform::unmark(settings, origin, &id)?))
    }
}

/// A bot that may not is asked again after 10 min.
const REFUSED_MS: u64 = 10 * 60 * 1000;
/// Others are found when they are over.
const MARKS_MAX: usize = 1_000;
const TRIES: u32 = 3;
const RETRY_MS: u64 = 1_000;
const WAIT_MS_MAX: u64 = 5_000;
