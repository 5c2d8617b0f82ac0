//! Answers that are shown at their platform while they are made, as a bot's [`Account`] holds them. Whatever goes wrong here,
//! the answer itself still goes its own way; nothing is shown twice.

use std::time::Duration;

use protocol::Timestamp;
use protocol::json::{FromJson, Json};
use relay::map::Map;
use relay::platform::{self, Draft, HttpRequest, HttpResponse, Outbound, Sent};
use serde::Serialize;

use crate::account::{self, Account};
use crate::clock::now;
use crate::config::Config;
use crate::directory::{self, Bot};
use crate::error::Error;
use crate::runtime::{Delay, Response, console_log};

/// What is asked of a bot's account about an answer that is being made.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask<'a> {
    /// Show it, as far as it has come.
    Show(&'a Outbound),
    /// This is all that comes: it was stopped.
    End(&'a Outbound),
}

/// Asks an account: how many milliseconds later it may be asked again; none: not any more.
pub async fn ask(config: &Config, asked: &Ask<'_>) -> Result<Option<u64>, Error> {
    let (Ask::Show(outbound) | Ask::End(outbound)) = asked;
    let body = serde_json::to_string(asked).map_err(|error| Error::internal("a draft", error))?;
    account::post(config, &outbound.origin.account, &body).await?.read().await.map_err(account::unavailable)
}

/// What the account is asked, if it is about a draft.
pub fn asked(body: &Json) -> Option<(bool, Outbound)> {
    let (is_end, outbound) = match (body.get("show"), body.get("end")) {
        (Some(outbound), _) => (false, outbound),
        (None, Some(outbound)) => (true, outbound),
        (None, None) => return None,
    };
    Some((is_end, Outbound::from_json(outbound.clone()).ok()?))
}

/// The drafts of an account, by [`of`].
#[derive(Default)]
pub struct Drafts {
    slots: Map<String, Slot>,
    /// The platform refuses them, for as long as that is remembered.
    refused_until: Timestamp,
}

#[derive(Default)]
struct Slot {
    draft: Option<Draft>,
    /// A call about it is under way.
    is_busy: bool,
    /// Since when it is the answer: nothing that comes late may show less.
    over: Option<Timestamp>,
    updates: u32,
}

impl Account {
    /// Answers [`Ask`].
    pub async fn drafted(&self, is_end: bool, outbound: &Outbound) -> Result<Response, Error> {
        let config = Config::from_env(self.env.clone());
        let Some(bot) = directory::bot(&config, outbound.origin.account.as_str()).await? else {
            return Ok(Response::from_json(&None::<u64>)?);
        };
        let again = if is_end {
            let sent = self.end_draft(&bot, outbound).await;
            console_log!("draft {} ends: {sent:?}", outbound.seq);
            None
        } else {
            self.show_draft(&bot, outbound).await
        };
        Ok(Response::from_json(&again)?)
    }

    async fn show_draft(&self, bot: &Bot, outbound: &Outbound) -> Option<u64> {
        let of = &of(outbound);
        self.load(of).await;
        {
            let mut drafts = self.drafts.borrow_mut();
            if now() < drafts.refused_until {
                return None;
            }
            let slot = drafts.slot(of);
            if slot.over.is_some() || slot.is_busy {
                return None;
            }
            slot.is_busy = true;
        }
        let again = self.try_show(bot, outbound).await;
        self.drafts.borrow_mut().slot(of).is_busy = false;
        again
    }

    async fn try_show(&self, bot: &Bot, outbound: &Outbound) -> Option<u64> {
        let settings = &bot.account;
        let of = &of(outbound);
        let chat = outbound.conversation.as_str();
        if let Some(request) = platform::preview(settings, outbound) {
            let drawn = self.draw(bot, &format!("preview of {chat}"), &request).await;
            return drawn.map_or_else(|sent| self.not_begun(bot, sent), |_| Some(platform::PREVIEW_MS));
        }
        let known = self.drafts.borrow_mut().slot(of).draft.clone();
        let mut draft = match known {
            Some(draft) => draft,
            None => {
                let request = platform::begin_draft(settings, outbound)?;
                let response = match self.draw(bot, chat, &request).await {
                    Ok(response) => response,
                    Err(sent) => return self.not_begun(bot, sent),
                };
                let handle = platform::drafted(settings, &response)?;
                let draft = Draft { handle, message: String::new(), begun: now(), sequence: 0 };
                // The answer was faster, and did not know of this: it stays unseen.
                if !self.keep(of, &draft).await {
                    return None;
                }
                draft
            }
        };
        if draft.message.is_empty() {
            return match self.place(bot, outbound, &mut draft).await {
                Ok(()) => Some(platform::redraw_ms(0)),
                Err(Sent::Wait { ms }) => Some(ms),
                Err(Sent::Later { .. }) => Some(RETRY_MS),
                Err(_) => None,
            };
        }
        draft.next(now());
        let request = platform::update_draft(settings, outbound, &draft)?;
        let updates = {
            let mut drafts = self.drafts.borrow_mut();
            let slot = drafts.slot(of);
            slot.draft = Some(draft);
            slot.updates += 1;
            slot.updates
        };
        match self.draw(bot, chat, &request).await {
            Ok(_) => Some(platform::redraw_ms(updates)),
            Err(Sent::Wait { ms }) => Some(ms),
            Err(Sent::Later { .. }) => Some(RETRY_MS),
            Err(_) => None,
        }
    }

    /// When to try again to show something; none: the bot may not, and is not asked for a while.
    fn not_begun(&self, bot: &Bot, sent: Sent) -> Option<u64> {
        match sent {
            Sent::Refused(why) => {
                console_log!("account {}: no drafts for a while: {why}", bot.account.id);
                self.drafts.borrow_mut().refused_until = now().plus_ms(REFUSED_MS);
                None
            }
            Sent::Wait { ms } => Some(ms),
            Sent::Later { after_ms, .. } => Some(after_ms.unwrap_or(RETRY_MS)),
            _ => Some(RETRY_MS),
        }
    }

    /// Makes a draft the answer. None: there is none, or it cannot be: the answer goes its own way.
    pub async fn end_draft(&self, bot: &Bot, outbound: &Outbound) -> Option<Sent> {
        let settings = &bot.account;
        let of = &of(outbound);
        self.load(of).await;
        self.drafts.borrow_mut().slot(of).over = Some(now());
        // Whatever is under way ends first.
        for _ in 0..BUSY_LOOKS {
            if !self.drafts.borrow_mut().slot(of).is_busy {
                break;
            }
            Delay::from(BUSY_LOOK).await;
        }
        let mut draft = self.drafts.borrow_mut().slot(of).draft.clone()?;
        // It may be there, without anyone having heard so.
        let placed = if draft.message.is_empty() { self.place(bot, outbound, &mut draft).await } else { Ok(()) };
        draft.next(now());
        let ended = match (placed, platform::end_draft(settings, outbound, &draft)) {
            (Err(sent), _) => Err(sent),
            (Ok(()), Some(request)) => self.draw(bot, outbound.conversation.as_str(), &request).await.map(drop),
            (Ok(()), None) => Err(Sent::Refused("it does not fit".into())),
        };
        let sent = match ended {
            Ok(()) => Some(Sent::Taken),
            Err(Sent::Refused(why)) => {
                console_log!("account {}: a draft is taken away: {why}", settings.id);
                if let Some(request) = platform::withdraw_draft(settings, &draft) {
                    // Whether there is room or not: the answer is not to stand beside it.
                    self.budget.borrow_mut().spend(now(), platform::rates(settings), outbound.conversation.as_str());
                    let (sent, _) = self.call(bot, &request).await;
                    if sent != Sent::Taken {
                        console_log!("account {}: it stays: {sent:?}", settings.id);
                    }
                }
                None
            }
            Err(sent) => return Some(sent),
        };
        self.drafts.borrow_mut().slot(of).draft = None;
        if let Err(error) = self.state.storage().delete(of).await {
            console_log!("draft: {error}");
        }
        sent
    }

    async fn place(&self, bot: &Bot, outbound: &Outbound, draft: &mut Draft) -> Result<(), Sent> {
        let settings = &bot.account;
        let no = || Sent::Refused("no draft".into());
        let request = platform::place_draft(settings, outbound, draft).ok_or_else(no)?;
        let response = self.draw(bot, outbound.conversation.as_str(), &request).await?;
        draft.message = platform::placed(settings, &response).ok_or_else(no)?;
        self.keep(&of(outbound), draft).await;
        Ok(())
    }

    /// A call, if the bot's rate has room for it.
    pub(crate) async fn draw(&self, bot: &Bot, chat: &str, request: &HttpRequest) -> Result<HttpResponse, Sent> {
        let rates = platform::rates(&bot.account);
        self.budget.borrow_mut().take(now(), rates, chat).map_err(|ms| Sent::Wait { ms })?;
        match self.call(bot, request).await {
            (Sent::Taken, Some(response)) => Ok(response),
            (sent, _) => Err(sent),
        }
    }

    /// Remembers a draft, also when this instance ends. False when the answer came first.
    async fn keep(&self, of: &str, draft: &Draft) -> bool {
        if self.drafts.borrow_mut().slot(of).over.is_some() && draft.message.is_empty() {
            return false;
        }
        self.drafts.borrow_mut().slot(of).draft = Some(draft.clone());
        if let Err(error) = self.state.storage().put_json(of, draft).await {
            console_log!("draft: {error}");
        }
        true
    }

    async fn load(&self, of: &str) {
        if self.drafts.borrow().slots.contains_key(of) {
            return;
        }
        let stored = self.state.storage().get_json::<Draft>(of).await;
        self.drafts.borrow_mut().insert(of, stored.ok().flatten());
    }
}

impl Drafts {
    fn slot(&mut self, of: &str) -> &mut Slot {
        if !self.slots.contains_key(of) {
            self.insert(of, None);
        }
        self.slots.get_mut(of).expect("it was just put there")
    }

    fn insert(&mut self, of: &str, draft: Option<Draft>) {
        if self.slots.contains_key(of) {
            return;
        }
        // What is over is remembered for as long as a call that began before may last.
        self.slots.retain(|_, slot| slot.is_busy || slot.over.is_none_or(|over| now() < over.plus_ms(OVER_MS)));
        if self.slots.len() >= SLOTS_MAX {
            let idle = self.slots.iter().find(|(_, slot)| !slot.is_busy).map(|(of, _)| of.clone());
            idle.map(|of| self.slots.remove(&of));
        }
        self.slots.insert(of.to_owned(), Slot { draft, ..Slot::default() });
    }
}

/// What a draft is known by: a message can be asked again, and has another one then. Questions of several Hubs have the
/// same numbers.
fn of(outbound: &Outbound) -> String {
    let question = outbound.question.unwrap_or(outbound.seq);
    format!("draft:{}:{question}", outbound.origin.message)
}

/// A bot that may show no drafts (a missing scope, a used-up quota) is asked again after 10 min.
const REFUSED_MS: u64 = 10 * 60 * 1000;
const RETRY_MS: u64 = 3_000;
const OVER_MS: u64 = 60_000;
/// More answers are made at once only if Hubs do not come back: those can be read again.
const SLOTS_MAX: usize = 1_000;
/// 25 s: longer than two calls last.
const BUSY_LOOKS: usize = 500;
const BUSY_LOOK: Duration = Duration::from_millis(50);
