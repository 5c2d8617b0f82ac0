//! Webhooks: checked, read, and committed in the Hub before the platform hears 200.

use std::time::Duration;

use protocol::limit::FILE_MS;
use protocol::{AccountId, Code, ConversationId, Seq, UserId};
use relay::auth::{code, hash};
use relay::file::Link;
use relay::limit::WEBHOOK_BYTES_MAX;
use relay::platform::{self, Attached, Fresh, Inbound, Malformed, NoEvent, Outbound, Press, Pressed, Raw, Sent};
use relay::store::Question;
use relay::{greeting, pairing};

use crate::account::Extra;
use crate::clock::{now, random, random_bytes};
use crate::config::Config;
use crate::directory::{self, Bot, Speaker};
use crate::error::Error;
use crate::hold::{self, Plan, Waited};
use crate::mark::{self, Marked};
use crate::runtime::{Context, Delay, Request, Response, ResponseBuilder, console_log};
use crate::{account, ask, db, file, media, origin, person, quote, request};

/// `GET, POST /webhook/{platform}/{account}`
///
/// A platform that wants the answer inside its webhook's response (official accounts, WeCom) waits here, after the commit,
/// for the Hub's answer until the platform's deadline: [`hold`].
pub async fn receive(
    request: Request,
    config: Config,
    context: &Context,
    platform: &str,
    account: &str,
) -> Result<Response, Error> {
    let arrived = now();
    let body = request::text(&request, WEBHOOK_BYTES_MAX).await?;
    let bot = directory::bot(&config, account).await?.filter(|bot| bot.account.platform.name() == platform);
    let Some(bot) = bot else {
        return Err(Error::new(Code::NotFound, "no such bot account on this platform"));
    };
    let account = &bot.account;
    let method = request.inner().method();
    let methods = platform::methods(account);
    let Some(&method) = methods.iter().find(|known| known.as_str() == method) else {
        let allow = methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ");
        let detail = format!("this webhook takes {allow}");
        return Err(Error::new(Code::MethodNotAllowed, detail).with_header("Allow", allow));
    };
    if platform::is_json(account) {
        request::require_json(&request)?;
    }
    let url = request.inner().url();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let header = |name: &&str| Some(((*name).to_owned(), request.headers().get(name).ok()??));
    let headers: Vec<(String, String)> = platform::headers(account).iter().filter_map(header).collect();
    let raw = Raw { method, query, headers: &headers, body: body.as_bytes() };
    let inbound = match platform::receive(account, &raw, now()) {
        // Refused, it would come again and again and hold up the platform's queue.
        Err(NoEvent::Malformed(Malformed::BadContent)) => Inbound::Ignored("content"),
        received => received?,
    };
    if !directory::has_call(&account.id) {
        let (config, account) = (config.clone(), account.id.clone());
        context.wait_until(async move { directory::note_call(&config, &account).await });
    }
    let mut reply = platform::ack(account, &inbound);
    let nonce = raw.param("nonce").unwrap_or_default();
    let mut waited = Waited::Acknowledge;
    match inbound {
        Inbound::Challenge(_) => {}
        Inbound::Chosen { group, mut press, receipt } => {
            press.name = press.name.or_else(|| directory::name_of(&account.id, &press.sender));
            let pressed = take_press(&config, &bot, group.as_deref(), &press).await?;
            let fresh = Fresh { now: now(), nonce, random: random_bytes()? };
            if let Some(said) = platform::pressed(account, &receipt, &pressed, &fresh) {
                waited = Waited::Reply(said);
            }
            if let Pressed::Taken { label, .. } = pressed
                && let Some(request) = platform::settle(account, &receipt, &label)
            {
                let extra = Extra { account: account.id.clone(), conversation: press.conversation, request };
                context.wait_until(async move { account::call(&config, &extra).await });
            }
        }
        Inbound::Ignored(why) => console_log!("webhook {}: ignored: {why}", account.id),
        Inbound::Message { sender, group, mut question, mut attached, replies_to } => {
            let speaker = if group.is_none() && pairing::is_asked_for(&question.text) && bot.has_pairing() {
                Speaker::Stranger
            } else {
                directory::speaker(&config, &bot, &sender, group.as_deref()).await?
            };
            match speaker {
                Speaker::User(user) => {
                    let (conversation, mut id) = (question.conversation.clone(), question.id.clone());
                    question.name = question.name.or_else(|| directory::name_of(&account.id, &sender));
                    // In a topic everything replies to its first message: said once, it is known.
                    let replies_to = replies_to.filter(|to| !to.is_topic || !directory::has_quoted(&to.message, &user));
                    if let Some(to) = &replies_to {
                        let quoted = quote::find(&config, &bot, &to.message, arrived).await;
                        platform::quote(&mut question, &mut attached, quoted);
                    }
                    let links = attach(&config, &user, &mut question, attached, &origin::own(&request))?;
                    let mut plan = hold::plan(&bot);
                    let collected = match plan {
                        Some(plan) => hold::collect(&config, &bot, &user, &question, plan).await?,
                        None => None,
                    };
                    match collected {
                        Some((older, its)) => (id, plan) = (older, Some(its)),
                        None => {
                            let origin = question.origin.clone();
                            let keep_ms = plan.map_or(0, |plan| plan.keep_ms);
                            let is_new = ask::post(&config, &user, question, keep_ms).await?;
                            if let Some(topic) = replies_to.filter(|to| to.is_topic) {
                                directory::note_quoted(&topic.message, &user);
                            }
                            if is_new
                                && let Some(origin) = origin.filter(|origin| platform::mark(account, origin).is_some())
                            {
                                let (config, marked) = (config.clone(), Marked { origin, is_over: false });
                                context.wait_until(async move { mark::tell(&config, &marked).await });
                            }
                        }
                    }
                    if directory::begins_to_ask(&account.id, &sender)
                        && platform::person_request(account, &sender).is_some()
                    {
                        let (config, account) = (config.clone(), account.id.clone());
                        context.wait_until(async move { person::learn(&config, &account, &sender).await });
                    }
                    for link in links {
                        let config = config.clone();
                        context.wait_until(async move { bring(&config, &link).await });
                    }
                    if let Some(plan) = plan {
                        waited = hold::wait(&config, &bot, &user, &id, plan, &nonce).await?;
                    }
                    if !directory::has_chat(&conversation, &user) {
                        context.wait_until(async move { directory::note_chat(&config, &conversation, &user).await });
                    }
                }
                Speaker::Ignored(why) => {
                    console_log!("webhook {}: ignored: sender {sender} is {why}", account.id);
                }
                Speaker::Stranger if platform::keeps(account) => {
                    let word = word_of_welcome(&config, &sender, false, question, &origin::own(&request)).await?;
                    let fresh = Fresh { now: now(), nonce, random: random_bytes()? };
                    let passive = word.and_then(|(word, _)| platform::passive(account, &word, &fresh));
                    if let Some(passive) = passive {
                        waited = Waited::Reply(passive.reply);
                    }
                }
                Speaker::Stranger => {
                    let origin = origin::own(&request);
                    context
                        .wait_until(async move { welcome(&config, &sender, group.is_some(), question, &origin).await });
                }
            }
        }
        Inbound::Refresh { sender, group, id } => {
            let speaker = directory::speaker(&config, &bot, &sender, group.as_deref()).await?;
            if let (Speaker::User(user), Some(plan)) = (speaker, hold::plan(&bot)) {
                ask::tell(&config, &user, &ask::Ask::Hold { id: id.clone(), ms: plan.keep_ms }).await?;
                let plan = Plan { is_first: false, ..plan };
                waited = hold::wait(&config, &bot, &user, &id, plan, &nonce).await?;
            }
        }
        Inbound::Entered { sender, group, conversation, origin } => {
            let hello = match directory::speaker(&config, &bot, &sender, group.as_deref()).await? {
                Speaker::Ignored(why) => {
                    console_log!("webhook {}: no greeting: sender {sender} is {why}", account.id);
                    None
                }
                _ if group.is_some() => Some((greeting::IN_GROUP.to_owned(), None)),
                Speaker::User(_) => Some((greeting::ALONE.to_owned(), None)),
                Speaker::Stranger => {
                    let own = origin::own(&request);
                    code_for(&config, &sender, false, "", &conversation, &origin.account, &own).await?
                }
            };
            if let Some((text, hash)) = hello {
                let outbound = Outbound::text(origin, conversation, NOWHERE, text, None);
                let fresh = Fresh { now: now(), nonce, random: random_bytes()? };
                match platform::greet(account, &outbound, &fresh) {
                    Some(greeting) => waited = Waited::Reply(greeting),
                    None => context.wait_until(async move { say(&config, &outbound, hash).await }),
                }
            }
        }
        Inbound::Halt { conversation, id, sender } => {
            for user in directory::chat_users(&config, &conversation).await? {
                let halt = ask::Ask::Halt { id: id.clone(), sender: sender.clone() };
                ask::tell(&config, &user, &halt).await?;
            }
        }
        Inbound::Recall { conversation, id } => {
            for user in directory::chat_users(&config, &conversation).await? {
                ask::tell(&config, &user, &ask::Ask::Recall { id: id.clone() }).await?;
            }
        }
    }
    match waited {
        Waited::Acknowledge => {}
        Waited::Reply(answer) => reply = answer,
        Waited::Silence => return Err(Error::unavailable("the answer is not there yet", "asked again")),
    }
    let response = ResponseBuilder::new().with_header("Content-Type", reply.content_type)?;
    Ok(response.text(&reply.body)?)
}

/// Puts what came with a question beside it, and says what is to be fetched. A relay that keeps no files says so in its
/// place.
fn attach(
    config: &Config,
    user: &UserId,
    question: &mut Question,
    attached: Vec<Attached>,
    origin: &str,
) -> Result<Vec<Link>, Error> {
    if attached.is_empty() {
        return Ok(Vec::new());
    }
    if config.files().is_none() {
        question.text = platform::cut(format!("{}\n{NO_FILES}", question.text).trim().to_owned());
        return Ok(Vec::new());
    }
    let links = file::links(user, question, attached)?;
    let (keys, now) = (config.keys()?, now());
    question.files = links.iter().map(|link| link.file(&keys, origin, now, now.plus_ms(FILE_MS))).collect();
    Ok(links)
}

/// Fetches a file at once, since some platforms give it for minutes only. If that fails, whoever reads it tries again.
async fn bring(config: &Config, link: &Link) {
    if let Err(error) = media::fetch(config, link).await {
        console_log!("file {}: {}", link.id, error.detail());
    }
}

impl Bot {
    /// Whether strangers may bind themselves, and whoever is bound may change to whom.
    fn has_pairing(&self) -> bool {
        matches!(self.policy, protocol::api::Policy::Pairing | protocol::api::Policy::Open)
    }
}

/// Commits a press, by whoever answers its presser there: as a group or, where the platform does not say what the chat is,
/// as a chat of two.
async fn take_press(config: &Config, bot: &Bot, chat: Option<&str>, press: &Press) -> Result<Pressed, Error> {
    let places: &[Option<&str>] = if press.group.is_none() { &[chat, None] } else { &[chat] };
    for group in places {
        if let Speaker::User(user) = directory::speaker(config, bot, &press.sender, *group).await? {
            let pressed = ask::press(config, &user, press.clone()).await?;
            if pressed != Pressed::Gone {
                return Ok(pressed);
            }
        }
    }
    console_log!("webhook {}: ignored: sender {} has no such button here", bot.account.id, press.sender);
    Ok(Pressed::Gone)
}

/// Tells a stranger, once in 15 minutes, how to say who they are. What they wrote is not kept: there is nobody whose it
/// would be, and they are asked to send it again.
async fn welcome(config: &Config, sender: &str, in_group: bool, question: Question, origin: &str) {
    match word_of_welcome(config, sender, in_group, question, origin).await {
        Ok(Some((outbound, hash))) => say(config, &outbound, Some(hash)).await,
        Ok(None) => {}
        Err(error) => console_log!("a stranger was not told how to be bound: {}", error.detail()),
    }
}

/// Says something that is no answer of any timeline, as often as it takes. If it cannot be said, the code in it, by its
/// hash, is forgotten, so that the next message tries again.
async fn say(config: &Config, outbound: &Outbound, hash: Option<String>) {
    for _ in 0..WELCOME_TRIES {
        match account::send(config, outbound).await {
            Sent::Taken | Sent::Partly => return,
            // Not its turn: the bot may say only so much at once.
            Sent::Wait { ms } => Delay::from(Duration::from_millis(ms.min(WELCOME_WAIT_MS_MAX))).await,
            Sent::Later { .. } => Delay::from(Duration::from_millis(WELCOME_WAIT_MS_MAX)).await,
            Sent::Kept => break,
            Sent::Refused(why) => {
                console_log!("a word of welcome was refused: {why}");
                break;
            }
        }
    }
    let Some(hash) = hash else { return };
    let forgotten = async { db::delete_pairing(&config.db()?, &hash).await };
    if let Err(error) = forgotten.await {
        console_log!("a code that nobody was told stays for 15 min: {}", error.detail());
    }
}

/// What a stranger is told, and the hash of the code in it; none: they were told a while ago.
async fn word_of_welcome(
    config: &Config,
    sender: &str,
    in_group: bool,
    question: Question,
    address: &str,
) -> Result<Option<(Outbound, String)>, Error> {
    let Question { conversation, text, origin: Some(origin), .. } = question else { return Ok(None) };
    let told = code_for(config, sender, in_group, &text, &conversation, &origin.account, address).await?;
    let Some((text, Some(hash))) = told else { return Ok(None) };
    Ok(Some((Outbound::text(origin, conversation, NOWHERE, text, None), hash)))
}

/// A code for a stranger, in words, and its hash; none: they were told a while ago. `text`: what they wrote.
async fn code_for(
    config: &Config,
    sender: &str,
    in_group: bool,
    text: &str,
    conversation: &ConversationId,
    account: &AccountId,
    address: &str,
) -> Result<Option<(String, Option<String>)>, Error> {
    let db = config.db()?;
    // In a group the code is one that nobody is told: only that it was spoken of is kept.
    let (who, code, text) = if in_group {
        (format!("{sender} in a group"), random::<24>()?, pairing::TOLD_IN_GROUP.to_owned())
    } else {
        if pairing::is_asked_for(text) {
            db::delete_pairing_of(&db, account, sender).await?;
        }
        let code = code::show(random_bytes()?);
        (sender.to_owned(), code.clone(), pairing::told(&code, address))
    };
    let hash = hash(&code);
    let is_new = db::insert_pairing(&db, account, &who, &hash, conversation, now()).await?;
    Ok(is_new.then_some((text, Some(hash))))
}

/// The place of what is no answer of any timeline: it counts for the idempotency key alone.
const NOWHERE: Seq = Seq(0);
/// What stands in the place of a file.
const NO_FILES: &str = "[文件未收到：此中继没有文件存储 · a file did not get here: this relay keeps none]";
/// Of the 30 s that the runtime gives to what goes on after an answer.
const WELCOME_TRIES: u32 = 8;
const WELCOME_WAIT_MS_MAX: u64 = 2_000;
