//! Webhooks that wait for their answer (design.md §6b): after the commit, until a deadline that the platform's module
//! names. What is not there by then goes the late way.

use protocol::{MessageId, Timestamp, UserId, from_json};
use relay::platform::{self, Fresh, Outbound, Reply};
use relay::store::Question;
use std::time::Duration;

use crate::ask::{self, Ask};
use crate::clock::{now, random_bytes};
use crate::config::Config;
use crate::directory::Bot;
use crate::error::Error;
use crate::runtime::Delay;

/// How a webhook waits.
#[derive(Clone, Copy)]
pub struct Plan {
    /// How long, in milliseconds.
    pub wait_ms: u64,
    /// How long the answer goes no other way: until the platform has asked once more, if it does.
    pub keep_ms: u64,
    /// Nothing of the answer was shown before.
    pub is_first: bool,
    /// When its message came first, if that is not the question.
    pub since: Option<Timestamp>,
}

/// What a webhook that waited answers.
pub enum Waited {
    /// This.
    Reply(Reply),
    /// What acknowledges: the answer goes the late way.
    Acknowledge,
    /// Nothing, so that the platform asks again.
    Silence,
}

struct Held {
    part: Option<Outbound>,
    is_answer: bool,
    asked_ms: Option<Timestamp>,
}

from_json! { struct Held { part, is_answer, asked_ms } }

struct Passed {
    is_passed: bool,
}

from_json! { struct Passed { is_passed } }

/// How a bot's webhooks wait, if they do.
pub fn plan(bot: &Bot) -> Option<Plan> {
    let wait_ms = platform::hold_ms(&bot.account)?;
    Some(Plan { wait_ms, keep_ms: wait_ms + platform::again_ms(&bot.account), is_first: true, since: None })
}

/// Waits for the answer to a question that is committed.
pub async fn wait(
    config: &Config,
    bot: &Bot,
    user: &UserId,
    id: &MessageId,
    plan: Plan,
    nonce: &str,
) -> Result<Waited, Error> {
    let began = now();
    let fresh = || Ok::<Fresh, Error>(Fresh { now: now(), nonce: nonce.to_owned(), random: random_bytes()? });
    // Where the answer is shown as it comes, the first of it is worth answering for; more of it comes at the platform's pace.
    let shown = platform::progress_ms(&bot.account).filter(|_| plan.is_first).map(|_| 0);
    let asked = Ask::Await { id: id.clone(), ms: plan.wait_ms, shown };
    let held: Held = ask::ask(config, user, "", &asked).await?.read().await?;
    let Some(part) = held.part else { return Ok(Waited::Acknowledge) };
    if held.is_answer {
        let Some(passive) = platform::passive(&bot.account, &part, &fresh()?) else {
            return release(config, user, id).await;
        };
        // Before it is said: what is said twice is worse than what the next attempt says.
        let pass = Ask::Pass { id: id.clone(), seq: part.seq, part: part.part, is_last: passive.is_last };
        let passed: Passed = ask::ask(config, user, "", &pass).await?.read().await?;
        if passed.is_passed {
            return Ok(Waited::Reply(passive.reply));
        }
        // It went another way meanwhile.
        return release(config, user, id).await;
    }
    let age_ms = plan.since.or(held.asked_ms).map_or(0, |asked| now().0.saturating_sub(asked.0));
    if let Some(progress_ms) = platform::progress_ms(&bot.account) {
        if age_ms < progress_ms
            && let Some(reply) = platform::progress(&bot.account, &part, &fresh()?)
        {
            return Ok(Waited::Reply(reply));
        }
        // It ends with a word, and the answer goes the late way.
        let word = Outbound { text: STILL_THINKING.to_owned(), ..part };
        let reply = platform::passive(&bot.account, &word, &fresh()?).map(|passive| passive.reply);
        release(config, user, id).await?;
        return Ok(reply.map_or(Waited::Acknowledge, Waited::Reply));
    }
    if platform::asks_again(&bot.account, age_ms) {
        // An answer of any kind would be shown, or end it.
        let left_ms = (plan.wait_ms + SILENCE_MS).saturating_sub(now().0.saturating_sub(began.0));
        Delay::from(Duration::from_millis(left_ms)).await;
        return Ok(Waited::Silence);
    }
    if platform::keeps(&bot.account) {
        // There is no late way: the reader has to ask for it.
        let word = Outbound { text: ASK_FOR_IT.to_owned(), ..part };
        let reply = platform::passive(&bot.account, &word, &fresh()?).map(|passive| passive.reply);
        release(config, user, id).await?;
        return Ok(reply.map_or(Waited::Acknowledge, Waited::Reply));
    }
    release(config, user, id).await
}

/// Asks for what the writer of a message has been waiting for, if that is what it says and there is something: which
/// question to wait for, and how.
pub async fn collect(
    config: &Config,
    bot: &Bot,
    user: &UserId,
    question: &Question,
    plan: Plan,
) -> Result<Option<(MessageId, Plan)>, Error> {
    if !platform::keeps(&bot.account) || !is_collecting(&question.text) {
        return Ok(None);
    }
    let (by, conversation) = (question.id.clone(), question.conversation.clone());
    let asked = Ask::Collect { by, conversation, ms: plan.keep_ms };
    let found: Found = ask::ask(config, user, "", &asked).await?.read().await?;
    Ok(found.id.map(|id| (id, Plan { since: found.since_ms, ..plan })))
}

fn is_collecting(text: &str) -> bool {
    ["继续", "/继续", "/more"].contains(&text.trim().to_lowercase().as_str())
}

struct Found {
    id: Option<MessageId>,
    since_ms: Option<Timestamp>,
}

from_json! { struct Found { id, since_ms } }

async fn release(config: &Config, user: &UserId, id: &MessageId) -> Result<Waited, Error> {
    ask::tell(config, user, &Ask::Release { id: id.clone() }).await?;
    Ok(Waited::Acknowledge)
}

/// What a stream ends with whose answer is not there in time.
const STILL_THINKING: &str = "还在想，回答稍后送到。\nStill at it: the answer follows.";
/// What a reader is told whose account can send nothing by itself.
const ASK_FOR_IT: &str =
    "还在想。过一会儿发送“继续”，就能看到回答。\nStill at it: send 继续 (or /more) in a while for the answer.";
/// Beyond the wait, so that the platform has hung up.
const SILENCE_MS: u64 = 1_000;
