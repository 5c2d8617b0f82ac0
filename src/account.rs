//! The Durable Object of one bot account: it alone holds and renews the platform's access token, since two that renew
//! invalidate each other's, and every call of that bot's API goes through it, so that it keeps the platform's rates.

use std::cell::RefCell;
use std::rc::Rc;

use protocol::json::{FromJson, Json};
use protocol::{AccountId, Code, ConversationId, FileId, Timestamp, from_json};
use relay::auth::hash;
use relay::auth::seal::Place;
use relay::map::Set;
use relay::platform::{
    self, Account as Settings, Auth, Budget, HttpRequest, HttpResponse, NoToken, Outbound, Sent, Verdict,
};
use serde::Serialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::clock::{now, random_bytes};
use crate::config::Config;
use crate::directory::Bot;
use crate::draft::{self, Drafts};
use crate::error::{self, Error};
use crate::mark::{self, Marks};
use crate::outbound::Way;
use crate::quota::Meter;
use crate::runtime::{Env, Request, RequestInit, Response, State, console_log};
use crate::{directory, media, outbound, person, quote, request};

/// Hands an answer to the account's platform. Every failure has a verdict: try later, or never.
pub async fn send(config: &Config, outbound: &Outbound) -> Sent {
    let later = |error: Error| Sent::Later { after_ms: None, why: error.detail().to_owned() };
    ask(config, outbound).await.unwrap_or_else(later)
}

async fn ask(config: &Config, outbound: &Outbound) -> Result<Sent, Error> {
    let body = serde_json::to_string(outbound).map_err(|error| Error::internal("an answer", error))?;
    post(config, &outbound.origin.account, &body).await?.read().await.map_err(unavailable)
}

/// Asks an account: one of the questions of [`draft`](crate::draft), [`media`], [`quota`](crate::quota) or this file, as JSON.
pub async fn post(config: &Config, account: &AccountId, body: &str) -> Result<Response, Error> {
    let account = config.accounts()?.get_by_name(account.as_str())?;
    account.fetch("https://account/", &RequestInit::new("POST").body(body)).await.map_err(unavailable)
}

/// It did not answer, or not in words that can be read.
pub fn unavailable(error: crate::runtime::Error) -> Error {
    Error::unavailable("the account does not answer", error)
}

/// A call of the platform's beside the messages, on which nothing depends.
#[derive(Serialize)]
pub struct Extra {
    /// Whose bot's.
    pub account: AccountId,
    /// For rates that count per chat.
    pub conversation: ConversationId,
    /// The call.
    pub request: HttpRequest,
}

from_json! { struct Extra { account, conversation, request } }

/// Makes such a call, once.
pub async fn call(config: &Config, extra: &Extra) {
    let Err(error) = try_call(config, extra).await else { return };
    console_log!("account {}: a call was not made: {}", extra.account, error.detail());
}

async fn try_call(config: &Config, extra: &Extra) -> Result<(), Error> {
    let body = serde_json::to_string(extra).map_err(|error| Error::internal("a call", error))?;
    post(config, &extra.account, &format!(r#"{{"extra":{body}}}"#)).await.map(drop)
}

/// One bot account.
#[wasm_bindgen]
pub struct Account {
    pub(crate) state: State,
    pub(crate) env: Env,
    token: Rc<RefCell<Option<Held>>>,
    pub(crate) budget: RefCell<Budget>,
    pub(crate) drafts: RefCell<Drafts>,
    pub(crate) marks: RefCell<Marks>,
    pub(crate) meter: RefCell<Meter>,
    /// Files that are being fetched.
    pub(crate) bringing: RefCell<Set<FileId>>,
}

#[wasm_bindgen]
impl Account {
    /// Called by the runtime.
    #[wasm_bindgen(constructor)]
    pub fn new(state: State, env: Env) -> Account {
        Account {
            state,
            env,
            token: Rc::default(),
            budget: RefCell::default(),
            drafts: RefCell::default(),
            marks: RefCell::default(),
            meter: RefCell::default(),
            bringing: RefCell::default(),
        }
    }

    /// Called by [`send`].
    pub async fn fetch(&self, request: web_sys::Request) -> Result<JsValue, JsValue> {
        error::answer(self.answer(request.into()).await)
    }
}

/// An access token, of which app, and until when it may be used.
#[derive(Clone, Serialize)]
struct Held {
    /// A hash of the settings: an account that was created anew with others must not use the old app's token.
    of: String,
    value: String,
    until: Timestamp,
}

from_json! { struct Held { of, value, until } }

impl Account {
    async fn answer(&self, request: Request) -> Result<Response, Error> {
        let body = request::body(&request, protocol::limit::FRAME_BYTES_MAX).await?;
        let body: Json = request::parse(&body).map_err(|error| Error::internal("an answer", error))?;
        if let Some(answered) = self.asked_for_quota(&body).await {
            return answered;
        }
        if let Some((false, outbound)) = draft::asked(&body) {
            return self.drafted(false, &outbound).await;
        }
        let answered = {
            let _under_way = self.under_way();
            self.perform(body).await
        };
        self.settle().await;
        answered
    }

    async fn perform(&self, body: Json) -> Result<Response, Error> {
        if let Some((is_end, outbound)) = draft::asked(&body) {
            return self.drafted(is_end, &outbound).await;
        }
        if let Some(marked) = mark::asked(&body) {
            return self.mark(&marked).await;
        }
        if let Some(of) = person::asked(&body) {
            return self.person(&of).await;
        }
        if let Some(of) = quote::asked(&body) {
            return self.quote(&of).await;
        }
        if let Some(link) = media::asked(&body) {
            return self.bring(&link).await;
        }
        if let Some(extra) = body.get("extra") {
            let extra = Extra::from_json(extra.clone()).map_err(|error| Error::internal("a call", error))?;
            return self.extra(&extra).await;
        }
        let outbound = Outbound::from_json(body).map_err(|error| Error::internal("an answer", error))?;
        Ok(Response::from_json(&self.hand_over(outbound).await?)?)
    }

    /// Sends a part of an answer, or makes what is shown of it the answer.
    pub(crate) async fn hand_over(&self, outbound: Outbound) -> Result<Sent, Error> {
        let config = Config::from_env(self.env.clone());
        let Some(bot) = directory::bot(&config, outbound.origin.account.as_str()).await? else {
            return Ok(Sent::Refused("the bot account was deleted".into()));
        };
        let settings = &bot.account;
        if platform::keeps(settings) {
            return Ok(Sent::Kept);
        }
        if platform::is_said(settings, &outbound) {
            return Ok(Sent::Taken);
        }
        if outbound.question.is_some()
            && outbound.part == 0
            && platform::shows_drafts(&outbound.conversation)
            && let Some(sent) = self.end_draft(&bot, &outbound).await
        {
            return Ok(sent);
        }
        let (rates, chat) = (platform::rates(settings), outbound.conversation.as_str());
        if let Some(file) = outbound.file() {
            if let Err(ms) = self.budget.borrow_mut().take(now(), rates, chat) {
                return Ok(Sent::Wait { ms });
            }
            if let Some(sent) = self.hand_over_file(&bot, &outbound, file).await? {
                return Ok(sent);
            }
        }
        let mut call = match platform::send(settings, &outbound) {
            Ok(call) => call,
            Err(unsupported) => return Ok(Sent::Refused(unsupported.0)),
        };
        if outbound.file().is_some() {
            // Whether there is room or not: asked to wait, it would begin with the file again.
            self.budget.borrow_mut().spend(now(), rates, chat);
        } else if let Err(ms) = self.budget.borrow_mut().take(now(), rates, chat) {
            return Ok(Sent::Wait { ms });
        }
        let (mut sent, mut response) = self.call(&bot, &call.request).await;
        for _ in 0..OTHER_WAYS_MAX {
            let refusal = response.filter(|_| matches!(sent, Sent::Refused(_)));
            let other = refusal.and_then(|refusal| platform::instead(settings, &outbound, &refusal));
            let Some(other) = other.filter(|other| *other != call) else { break };
            // Whether there is room or not: asked to wait, it would begin with the call that is refused.
            self.budget.borrow_mut().spend(now(), rates, chat);
            (sent, response) = self.call(&bot, &other.request).await;
            call = other;
        }
        Ok(match sent {
            Sent::Taken if !call.is_last => Sent::Partly,
            sent => sent,
        })
    }

    /// A bot, and what its platform is asked for it.
    pub(crate) async fn to_ask(
        &self,
        account: &AccountId,
        request: impl FnOnce(&Settings) -> Option<HttpRequest>,
    ) -> Result<(Rc<Bot>, HttpRequest), Error> {
        let config = Config::from_env(self.env.clone());
        let bot = directory::bot(&config, account.as_str()).await?;
        let request = bot.as_ref().and_then(|bot| request(&bot.account));
        bot.zip(request).ok_or_else(|| Error::new(Code::NotFound, "there is nothing to ask"))
    }

    async fn extra(&self, extra: &Extra) -> Result<Response, Error> {
        let config = Config::from_env(self.env.clone());
        if let Some(bot) = directory::bot(&config, extra.account.as_str()).await? {
            self.budget.borrow_mut().spend(now(), platform::rates(&bot.account), extra.conversation.as_str());
            let (sent, _) = self.call(&bot, &extra.request).await;
            if sent != Sent::Taken {
                console_log!("account {}: a call beside the messages: {sent:?}", extra.account);
            }
        }
        Ok(Response::empty()?)
    }

    /// Performs a call. When the platform says that the token is not good any more, once more with a new one. With the
    /// platform's own words, if there are any.
    pub(crate) async fn call(&self, bot: &Bot, call: &HttpRequest) -> (Sent, Option<HttpResponse>) {
        let later = |why: String| (Sent::Later { after_ms: None, why }, None);
        let config = Config::from_env(self.env.clone());
        let mut expired = None;
        for _ in 0..2 {
            let token = match self.token_for(bot, call, expired.as_deref()).await {
                Ok(token) => token,
                Err(NoToken::Later(why)) => return later(why),
                Err(NoToken::Refused(why)) => return (Sent::Refused(why), None),
            };
            self.count(bot, call).await;
            let response = match outbound::perform(&config, &bot.way, call, token.as_deref()).await {
                Ok(response) => response,
                Err(why) => return later(why),
            };
            match platform::verdict(&bot.account, &response) {
                Verdict::Sent(sent) => {
                    self.hear(bot, call, &sent, &response);
                    return (sent, Some(response));
                }
                Verdict::TokenExpired => expired = token,
            }
        }
        later("the platform refuses even a new access token".into())
    }

    /// The access token, if this call needs one.
    pub(crate) async fn token_for(
        &self,
        bot: &Bot,
        call: &HttpRequest,
        expired: Option<&str>,
    ) -> Result<Option<String>, NoToken> {
        if call.auth == Auth::None { Ok(None) } else { self.token(bot, expired).await.map(Some) }
    }

    /// The access token, renewed if it is old or is the one that `expired`. While it is being renewed every other
    /// event of this object waits, so that however many calls find it expired, one renews it.
    async fn token(&self, bot: &Bot, expired: Option<&str>) -> Result<String, NoToken> {
        let of = fingerprint(&bot.account);
        if let Some(value) = usable(&self.token.borrow(), &of, expired) {
            return Ok(value);
        }
        let (held, storage) = (self.token.clone(), self.state.storage());
        let (settings, way, expired) = (bot.account.clone(), bot.way.clone(), expired.map(str::to_owned));
        let config = Config::from_env(self.env.clone());
        let seals = config.seals().map_err(|error| NoToken::Later(error.detail().to_owned()))?;
        let random = random_bytes().map_err(|error| NoToken::Later(error.detail().to_owned()))?;
        let renewed = self.state.block_concurrency_while(async move {
            if held.borrow().is_none() {
                let stored: Option<Held> = storage.get_json("token").await?;
                // One that does not open is fetched anew.
                *held.borrow_mut() = stored.and_then(|stored| {
                    let value = seals.open(place(&settings), &stored.value).ok()?;
                    Some(Held { value, ..stored })
                });
            }
            if let Some(value) = usable(&held.borrow(), &of, expired.as_deref()) {
                return Ok(Ok(value));
            }
            console_log!("account {}: renewing the access token", settings.id);
            let token = match fetch_token(&config, &way, &settings).await {
                Ok(token) => token,
                Err(no_token) => return Ok(Err(no_token)),
            };
            let sealed = seals.seal(place(&settings), &token.value, &random);
            storage.put_json("token", &Held { value: sealed, ..token.clone() }).await?;
            let value = token.value.clone();
            *held.borrow_mut() = Some(token);
            Ok(Ok(value))
        });
        renewed.await.unwrap_or_else(|error| Err(NoToken::Later(format!("the access token: {error}"))))
    }
}

async fn fetch_token(config: &Config, way: &Way, settings: &Settings) -> Result<Held, NoToken> {
    let (asked, request) = (now(), platform::token_request(settings));
    let response = outbound::perform(config, way, &request, None).await.map_err(NoToken::Later)?;
    let token = platform::token(settings, &response)?;
    Ok(Held {
        of: fingerprint(settings),
        value: token.value,
        until: asked.plus_ms(token.life_ms.saturating_sub(RENEW_BEFORE_MS)),
    })
}

/// Asks the platform who the bot is, with a token that is fetched for this alone: how new settings are tried before
/// they are kept.
pub async fn introduce(
    config: &Config,
    way: &Way,
    settings: &Settings,
    call: &HttpRequest,
) -> Result<HttpResponse, String> {
    if call.auth == Auth::None {
        return outbound::perform(config, way, call, None).await;
    }
    let held = fetch_token(config, way, settings).await.map_err(|error| match error {
        NoToken::Later(why) | NoToken::Refused(why) => why,
    })?;
    outbound::perform(config, way, call, Some(&held.value)).await
}

/// Where an account's token is sealed.
fn place(settings: &Settings) -> Place<'_> {
    Place { table: "Account", row: settings.id.as_str(), column: "token" }
}

fn fingerprint(settings: &Settings) -> String {
    hash(&serde_json::to_string(&settings.platform).expect("settings are strings"))
}

fn usable(held: &Option<Held>, of: &str, expired: Option<&str>) -> Option<String> {
    let held = held.as_ref().filter(|held| held.of == of && now() < held.until && expired != Some(&held.value))?;
    Some(held.value.clone())
}

/// A refused answer is said in so many other ways: without Markdown, and then without links.
const OTHER_WAYS_MAX: usize = 2;
/// A token is renewed this long before its end, so that none ends on its way.
const RENEW_BEFORE_MS: u64 = 5 * 60 * 1000;
