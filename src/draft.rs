//! Answers that are shown at their platform while they are made, as a bot's [`Account`] holds them. Whatever goes wrong here,
//! the answer itself still goes its own way; nothing is shown twice.

use std::time::Duration;

use protocol::Timestamp;
use protocol::json::{FromJson, Json};
use relay::map::Map;
use relay::platform::{self, Beginning, Draft, HttpRequest, HttpResponse, Outbound, Sent};
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
    /// A call that makes it the answer had no response: it may be.
    may_have_ended: bool,
    updates: u32,
}

/// Why a call came to nothing, and the platform's words, if there are any.
type Failed = (Sent, Option<HttpResponse>);

impl Account {
    /// Answers [`Ask`].
    pub async fn drafted(&self, is_end: bool, outbound: &Outbound) -> Result<Response, Error> {
        let config = Config::from_env(self.env.clone());
        let Some(bot) = directory::bot(&config, outbound.origin.account.as_str()).await? else {
            return Ok(Response::from_json(&None::<u64>)?);
        };
        let again = if is_end {
            let sent = self.end_stopped(&bot, outbound.clone()).await?;
            console_log!("draft {} ends: {sent:?}", outbound.seq);
            None
        } else {
            self.show_draft(&bot, outbound).await
        };
        Ok(Response::from_json(&again)?)
    }

    /// Ends a draft with what there is of an answer that was stopped. No delivery stands behind it: tried a few times.
    async fn end_stopped(&self, bot: &Bot, mut outbound: Outbound) -> Result<Option<Sent>, Error> {
        let mut sent = self.end_draft(bot, &outbound).await;
        for _ in 0..END_TRIES {
            let wait_ms = match sent {
                Some(Sent::Partly) => {
                    outbound.part += 1;
                    0
                }
                Some(Sent::Wait { ms }) => ms,
                Some(Sent::Later { .. }) => RETRY_MS,
                _ => break,
            };
            Delay::from(Duration::from_millis(wait_ms)).await;
            sent = match outbound.part {
                0 => self.end_draft(bot, &outbound).await,
                _ => Some(self.hand_over(outbound.clone()).await?),
            };
        }
        Ok(sent)
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
            let drawn = self.draw_spare(bot, &format!("preview of {chat}"), &request).await;
            return drawn.map_or_else(|failed| self.not_begun(bot, failed), |_| Some(platform::PREVIEW_MS));
        }
        let known = self.drafts.borrow_mut().slot(of).draft.clone();
        let mut draft = match known.clone() {
            Some(draft) => draft,
            None => {
                let request = match platform::begin_draft(settings, outbound) {
                    Beginning::Call(request) => request,
                    Beginning::Later => return Some(platform::redraw_ms(0)),
                    Beginning::Never => return None,
                };
                let response = match self.draw_spare(bot, chat, &request).await {
                    Ok(response) => response,
                    Err(failed) => return self.not_begun(bot, failed),
                };
                let draft = platform::drafted(settings, outbound, &response, now())?;
                // The answer was faster, and did not know of this: it stays unseen.
                if !self.keep(of, &draft).await {
                    return None;
                }
                if !draft.message.is_empty() {
                    return Some(platform::redraw_ms(0));
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
        draft.next();
        let request = platform::update_draft(settings, outbound, &mut draft);
        let updates = {
            let mut drafts = self.drafts.borrow_mut();
            let slot = drafts.slot(of);
            if request.is_some() {
                slot.draft = Some(draft);
                slot.updates += 1;
            }
            slot.updates
        };
        let Some(request) = request else { return Some(platform::redraw_ms(updates)) };
        match self.draw_spare(bot, chat, &request).await {
            Ok(_) => Some(platform::redraw_ms(updates)),
            Err((Sent::Wait { ms }, _)) => {
                self.drafts.borrow_mut().slot(of).draft = known;
                Some(ms)
            }
            Err((Sent::Later { .. }, _)) => Some(RETRY_MS),
            Err(_) => {
                let mut drafts = self.drafts.borrow_mut();
                if let (Some(draft), Some(known)) = (&mut drafts.slot(of).draft, known) {
                    draft.shown = known.shown;
                }
                None
            }
        }
    }

    /// When to try again to show something; none: the bot may not, and is not asked for a while, unless it is about this one.
    fn not_begun(&self, bot: &Bot, (sent, response): Failed) -> Option<u64> {
        match sent {
            Sent::Refused(why)
                if response.is_some_and(|response| !platform::forbids_drafts(&bot.account, &response)) =>
            {
                console_log!("account {}: no draft: {why}", bot.account.id);
                None
            }
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
        let sent = match placed {
            Ok(()) => self.try_end(bot, outbound, &mut draft).await,
            Err(sent) => sent,
        };
        let sent = match sent {
            Sent::Taken | Sent::Partly => Some(sent),
            Sent::Refused(why) => {
                console_log!("account {}: a draft is taken away: {why}", settings.id);
                self.take_away(bot, outbound, &mut draft).await;
                None
            }
            sent => return Some(sent),
        };
        self.drafts.borrow_mut().slot(of).draft = None;
        if let Err(error) = self.state.storage().delete(of).await {
            console_log!("draft: {error}");
        }
        sent
    }

    /// What became of making it the answer.
    async fn try_end(&self, bot: &Bot, outbound: &Outbound, draft: &mut Draft) -> Sent {
        let (of, known) = (&of(outbound), draft.clone());
        draft.next();
        let Some(call) = platform::end_draft(&bot.account, outbound, draft) else {
            return Sent::Refused("it does not fit".into());
        };
        self.drafts.borrow_mut().slot(of).draft = Some(draft.clone());
        let taken = if call.is_last { Sent::Taken } else { Sent::Partly };
        let (sent, response) = match self.draw(bot, outbound.conversation.as_str(), &call.request).await {
            Ok(_) => return taken,
            Err(failed) => failed,
        };
        let mut drafts = self.drafts.borrow_mut();
        let slot = drafts.slot(of);
        match (&sent, response) {
            (Sent::Wait { .. }, _) => slot.draft = Some(known),
            (Sent::Later { .. }, response) => {
                slot.may_have_ended |= response.is_none_or(|response| response.status >= 500);
            }
            (_, Some(response)) if slot.may_have_ended && platform::has_ended(&bot.account, &response) => return taken,
            _ => {}
        }
        sent
    }

    /// Takes it out of its chat; where that cannot be done, it is left there as it is.
    async fn take_away(&self, bot: &Bot, outbound: &Outbound, draft: &mut Draft) {
        let settings = &bot.account;
        // Whether there is room or not: the answer follows.
        let spend = || {
            self.budget.borrow_mut().spend(now(), platform::rates(settings), outbound.conversation.as_str());
        };
        let Some(request) = platform::withdraw_draft(settings, outbound, draft) else { return };
        spend();
        let (sent, _) = self.call(bot, &request).await;
        if sent == Sent::Taken {
            return;
        }
        console_log!("account {}: it stays: {sent:?}", settings.id);
        draft.next();
        let Some(request) = platform::leave_draft(settings, outbound, draft) else { return };
        spend();
        let (sent, _) = self.call(bot, &request).await;
        console_log!("account {}: it is left as it is: {sent:?}", settings.id);
    }

    async fn place(&self, bot: &Bot, outbound: &Outbound, draft: &mut Draft) -> Result<(), Sent> {
        let settings = &bot.account;
        let no = || Sent::Refused("no draft".into());
        let request = platform::place_draft(settings, outbound, draft).ok_or_else(no)?;
        let drawn = self.draw(bot, outbound.conversation.as_str(), &request).await;
        let response = drawn.map_err(|(sent, _)| sent)?;
        draft.message = platform::placed(settings, &response).ok_or_else(no)?;
        self.keep(&of(outbound), draft).await;
        Ok(())
    }

    /// A call, if the bot's rate has room for it.
    pub(crate) async fn draw(&self, bot: &Bot, chat: &str, request: &HttpRequest) -> Result<HttpResponse, Failed> {
        let room = self.budget.borrow_mut().take(now(), platform::rates(&bot.account), chat);
        self.draw_if(room, bot, request).await
    }

    /// A call that no answer depends on, if the bot's rate leaves enough room for those.
    pub(crate) async fn draw_spare(
        &self,
        bot: &Bot,
        chat: &str,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Failed> {
        let room = self.budget.borrow_mut().take_spare(now(), platform::rates(&bot.account), chat);
        self.draw_if(room, bot, request).await
    }

    async fn draw_if(&self, room: Result<(), u64>, bot: &Bot, request: &HttpRequest) -> Result<HttpResponse, Failed> {
        room.map_err(|ms| (Sent::Wait { ms }, None))?;
        match self.call(bot, request).await {
            (Sent::Taken, Some(response)) => Ok(response),
            failed => Err(failed),
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
        let mut stored = self.state.storage().get_json::<Draft>(of).await.ok().flatten();
        if let Some(draft) = &mut stored {
            draft.recall(now());
        }
        self.drafts.borrow_mut().insert(of, stored);
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
/// Of the parts of an answer that was stopped, together.
const END_TRIES: u32 = 6;
const OVER_MS: u64 = 60_000;
/// More answers are made at once only if Hubs do not come back: those can be read again.
const SLOTS_MAX: usize = 1_000;
/// 25 s: longer than two calls last.
const BUSY_LOOKS: usize = 500;
const BUSY_LOOK: Duration = Duration::from_millis(50);
