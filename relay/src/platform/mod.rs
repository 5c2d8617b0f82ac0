//! Chat platforms. Each is one sibling module with the same functions, and this file holds the only `match` on which.
//!
//! `verify` → `parse` → `normalise` → `ack` turn a webhook into a message; `send` and `verdict` turn an answer into a
//! request and its response into what became of it. All are pure: the shell does the HTTP.

pub mod dingtalk;
pub mod feishu;
pub mod qq;
pub mod telegram;
pub mod wechat;
pub mod wecom;
pub mod wecom_bot;

mod budget;
mod calendar;
mod call;
mod choice;
mod draft;
mod encoding;
mod mark;
mod markdown;
mod media;
mod person;
mod quota;
mod quote;
mod split;
mod webhook;
pub mod wx;

use std::borrow::Cow;

use protocol::api::{Chats, Window};
use protocol::from_json;
use protocol::json::{FromJson, Json, Object, Wrong};
use protocol::{AccountId, ConversationId, Timestamp, UserId};
use serde::Serialize;

pub use budget::{Budget, Rate, Scope};
pub use call::{
    Auth, Call, FILE_PART, Fresh, Held, HttpRequest, HttpResponse, NoToken, Outbound, Sent, Token, Unsupported, Verdict,
};
pub use choice::{Choice, Press, Pressed};
pub use draft::{
    Beginning, Draft, PREVIEW_MS, begin_draft, drafted, end_draft, forbids_drafts, has_ended, leave_draft, place_draft,
    placed, preview, redraw_ms, shows_drafts, update_draft, withdraw_draft,
};
pub(crate) use encoding::percent;
pub use mark::{find_mark, found_mark, keeps_marks, mark, marked, unmark};
pub use media::{Attached, Download, Upload, attach, download, is_api, is_said, located, may_fetch, upload, uploaded};
pub use person::{Person, person, person_request};
pub use quota::{Counts, Quota, Told, may_run_out};
pub use quote::{Quoted, RepliesTo, quote, quote_request, quoted};
pub use webhook::{Inbound, Malformed, Method, NoEvent, Raw, Rejected, Reply, cut};

/// A bot on a chat platform, as the operator configured it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The last part of its webhook's path.
    pub id: AccountId,
    /// Whose agents answer senders who are bound to nobody; none: they are ignored.
    pub default_user: Option<UserId>,
    /// Which platform, and its settings and secrets.
    #[serde(flatten)]
    pub platform: Platform,
}

/// Which platform, and its settings and secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "platform")]
pub enum Platform {
    /// DingTalk, the robot of an internal app.
    #[serde(rename = "dingtalk")]
    Dingtalk(dingtalk::Settings),
    /// Feishu, or Lark.
    #[serde(rename = "feishu")]
    Feishu(feishu::Settings),
    /// QQ, an official bot.
    #[serde(rename = "qq")]
    Qq(qq::Settings),
    /// Telegram, a bot.
    #[serde(rename = "telegram")]
    Telegram(telegram::Settings),
    /// A WeChat official account.
    #[serde(rename = "wechat")]
    Wechat(wechat::Settings),
    /// WeCom, a self-built app.
    #[serde(rename = "wecom")]
    Wecom(wecom::Settings),
    /// WeCom, an AI bot.
    #[serde(rename = "wecom-bot")]
    WecomBot(wecom_bot::Settings),
}

from_json! {
    enum Platform by "platform" {
        "dingtalk" => Dingtalk(..),
        "feishu" => Feishu(..),
        "qq" => Qq(..),
        "telegram" => Telegram(..),
        "wechat" => Wechat(..),
        "wecom" => Wecom(..),
        "wecom-bot" => WecomBot(..),
    }
}

/// Calls the same function of whichever platform an account is on: `settings` are its own, `on` is its module.
macro_rules! on {
    ($platform:expr, |$settings:ident, $on:ident| $call:expr) => {
        match $platform {
            Platform::Dingtalk($settings) => {
                use dingtalk as $on;
                $call
            }
            Platform::Feishu($settings) => {
                use feishu as $on;
                $call
            }
            Platform::Qq($settings) => {
                use qq as $on;
                $call
            }
            Platform::Telegram($settings) => {
                use telegram as $on;
                $call
            }
            Platform::Wechat($settings) => {
                use wechat as $on;
                $call
            }
            Platform::Wecom($settings) => {
                use wecom as $on;
                $call
            }
            Platform::WecomBot($settings) => {
                use wecom_bot as $on;
                $call
            }
        }
    };
}

impl FromJson for Account {
    fn from_json(json: Json) -> Result<Account, Wrong> {
        let mut object = Object::from_json(json)?;
        let (id, default_user) = (object.take("id")?, object.take("default_user")?);
        Ok(Account { id, default_user, platform: Platform::from_json(Json::Object(object))? })
    }
}

from_json! { type Account }

impl Platform {
    /// As it is named in paths and in JSON.
    pub fn name(&self) -> &'static str {
        on!(self, |_settings, on| on::NAME)
    }
}

/// What is wrong with an account's settings, naming the field.
pub fn check(account: &Account) -> Result<(), &'static str> {
    on!(&account.platform, |settings, on| on::check(settings))
}

/// The settings that [`bot_request`] proves, by their names.
pub fn credentials(account: &Account) -> &'static str {
    on!(&account.platform, |_settings, on| on::CREDENTIALS)
}

/// The call that asks the platform who the bot is.
pub fn bot_request(account: &Account) -> HttpRequest {
    on!(&account.platform, |settings, on| on::bot_request(settings))
}

/// Keeps what the platform answered to [`bot_request`], by which mentions of the bot are known.
pub fn introduce(account: &mut Account, response: &HttpResponse) -> Result<(), String> {
    on!(&mut account.platform, |settings, on| on::introduce(settings, response))
}

/// Checks that a webhook comes from the platform, reads it, and says what it means.
pub fn receive(account: &Account, raw: &Raw<'_>, now: Timestamp) -> Result<Inbound, NoEvent> {
    on!(&account.platform, |settings, on| {
        let verified = on::verify(settings, raw, now).map_err(NoEvent::Rejected)?;
        let event = on::parse(verified).map_err(NoEvent::Malformed)?;
        Ok(on::normalise(&account.id, settings, event))
    })
}

/// The request headers that the platform signs with, in lower case: others are not read.
pub fn headers(account: &Account) -> &'static [&'static str] {
    on!(&account.platform, |_settings, on| on::HEADERS)
}

/// The methods that the platform calls its webhook by.
pub fn methods(account: &Account) -> &'static [Method] {
    on!(&account.platform, |_settings, on| on::METHODS)
}

/// Whether the platform says that its bodies are JSON: others are refused unread.
pub fn is_json(account: &Account) -> bool {
    on!(&account.platform, |_settings, on| on::IS_JSON)
}

/// What the platform expects to hear, with status 200.
pub fn ack(account: &Account, inbound: &Inbound) -> Reply {
    on!(&account.platform, |_settings, on| on::ack(inbound))
}

/// How long the response to a webhook may wait for its answer, in milliseconds from the webhook's arrival; nothing: the
/// platform takes no answer there (design §6b).
pub fn hold_ms(account: &Account) -> Option<u64> {
    match &account.platform {
        Platform::Wechat(settings) => settings.passive.then_some(wechat::HOLD_MS),
        Platform::Wecom(settings) => settings.passive.then_some(wecom::HOLD_MS),
        Platform::WecomBot(settings) => settings.passive.then_some(wecom_bot::HOLD_MS),
        _ => None,
    }
}

/// The response to [`Inbound::Entered`] in which the bot says something; nothing: it says so by [`send`].
pub fn greet(account: &Account, outbound: &Outbound, fresh: &Fresh) -> Option<Reply> {
    match &account.platform {
        Platform::Wechat(settings) => wechat::passive(settings, outbound, fresh).map(|held| held.reply),
        Platform::WecomBot(settings) => wecom_bot::greet(settings, outbound, fresh),
        _ => None,
    }
}

/// The response to [`Inbound::Chosen`] that says what became of the press; nothing: [`ack`] does.
pub fn pressed(account: &Account, receipt: &str, pressed: &Pressed, fresh: &Fresh) -> Option<Reply> {
    match &account.platform {
        Platform::Feishu(_) => Some(feishu::pressed(pressed)),
        Platform::Telegram(_) => telegram::pressed(receipt, pressed),
        Platform::Wecom(settings) => wecom::pressed(settings, receipt, pressed, fresh),
        Platform::WecomBot(settings) => wecom_bot::pressed(settings, receipt, pressed, fresh),
        _ => None,
    }
}

/// The call that shows, in place of the buttons, what was chosen: `label` stood on it; nothing: [`pressed`] does.
pub fn settle(account: &Account, receipt: &str, label: &str) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Telegram(settings) => telegram::settle(settings, receipt, label),
        _ => None,
    }
}

/// Whether answers go in responses to webhooks alone: what is not there in time is kept for the next one.
pub fn keeps(account: &Account) -> bool {
    matches!(&account.platform, Platform::Wechat(settings) if wechat::keeps(settings))
}

/// How long after a wait the platform may take to ask again, in milliseconds: until then the answer goes no other way.
pub fn again_ms(account: &Account) -> u64 {
    match &account.platform {
        Platform::Wechat(_) => wechat::AGAIN_MS,
        Platform::WecomBot(_) => wecom_bot::AGAIN_MS,
        _ => AGAIN_MS,
    }
}

/// Room for the way, where the platform does not ask again.
const AGAIN_MS: u64 = 500;

/// Whether the platform asks once more if it hears nothing, `age_ms` after the question.
pub fn asks_again(account: &Account, age_ms: u64) -> bool {
    matches!(&account.platform, Platform::Wechat(_) if age_ms < wechat::LAST_ATTEMPT_MS)
}

/// The response to a held webhook that holds a part of its answer; nothing: it must go by [`send`].
pub fn passive(account: &Account, outbound: &Outbound, fresh: &Fresh) -> Option<Held> {
    match &account.platform {
        // A file goes by a call, if one can.
        Platform::Wechat(settings) if outbound.file().is_some() && !wechat::keeps(settings) => None,
        Platform::Wecom(_) if outbound.file().is_some() => None,
        Platform::Wechat(settings) => wechat::passive(settings, &shown(account, outbound), fresh),
        Platform::Wecom(settings) => wecom::passive(settings, &shown(account, outbound), fresh),
        Platform::WecomBot(settings) => wecom_bot::passive(settings, &shown(account, outbound), fresh),
        _ => None,
    }
}

/// The response to a held webhook that shows its answer as far as it has come, and makes the platform ask again
/// ([`Inbound::Refresh`]); nothing: the platform shows answers only whole.
pub fn progress(account: &Account, outbound: &Outbound, fresh: &Fresh) -> Option<Reply> {
    match &account.platform {
        Platform::WecomBot(settings) => wecom_bot::progress(settings, outbound, fresh),
        _ => None,
    }
}

/// How long an answer may be shown by [`progress`], in milliseconds from its question.
pub fn progress_ms(account: &Account) -> Option<u64> {
    match &account.platform {
        Platform::WecomBot(_) => Some(wecom_bot::STREAM_MS),
        _ => None,
    }
}

/// How long after its newest message a chat may be written to unasked, in milliseconds; nothing: without end, or what is
/// said is kept.
pub fn open_ms(account: &Account, conversation: &ConversationId) -> Option<u64> {
    let chat = conversation.as_str().splitn(3, ':').nth(2).unwrap_or_default();
    match &account.platform {
        Platform::Qq(settings) if !settings.proactive => Some(qq::open_ms(chat)),
        Platform::Wechat(settings) if !wechat::keeps(settings) => Some(wechat::OPEN_MS),
        Platform::WecomBot(_) => Some(wecom_bot::OPEN_MS),
        _ => None,
    }
}

/// How often the platform lets this bot send.
pub fn rates(account: &Account) -> &'static [Rate] {
    on!(&account.platform, |_settings, on| on::RATES)
}

/// What the platform allows this bot by the hour, day or month.
pub fn quotas(account: &Account) -> &'static [Quota] {
    // Nothing of its API is called.
    if keeps(account) { &[] } else { on!(&account.platform, |_settings, on| on::QUOTAS) }
}

/// Where the platform says how often a bot may send, and for how long.
fn source(account: &Account) -> &'static str {
    on!(&account.platform, |_settings, on| on::SOURCE)
}

/// For how long chats may be written to after their newest message, where that ends.
fn windows(account: &Account) -> Vec<Window> {
    let window = |chats, open_ms, messages| Window { chats, open_ms, messages, source: source(account) };
    match &account.platform {
        Platform::Qq(_) => vec![
            window(Chats::Private, qq::open_ms(qq::PRIVATE), qq::C2C_MESSAGES),
            window(Chats::Shared, qq::open_ms(""), qq::MESSAGES),
        ],
        Platform::Wechat(settings) if !wechat::keeps(settings) => {
            vec![window(Chats::All, wechat::OPEN_MS, wechat::OPEN_MESSAGES)]
        }
        Platform::WecomBot(_) => vec![window(Chats::All, wecom_bot::OPEN_MS, 1)],
        _ => Vec::new(),
    }
}

/// The app at the platform whose quotas an account uses; empty, if it has none that are counted.
fn app(account: &Account) -> String {
    match &account.platform {
        Platform::Feishu(settings) => settings.app_id.clone(),
        Platform::Qq(settings) => settings.app_id.clone(),
        Platform::Wechat(settings) => settings.app_id.clone(),
        Platform::Wecom(settings) => format!("{} {}", settings.corp_id, settings.agent_id),
        _ => String::new(),
    }
}

/// The call that asks the platform what is left of its quota; nothing: there is none, or nothing to ask for.
pub fn quota_request(account: &Account) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Wechat(settings) if !wechat::keeps(settings) => Some(wechat::quota_request(settings)),
        _ => None,
    }
}

/// What the platform's response to [`quota_request`] says.
pub fn quota_told(account: &Account, response: &HttpResponse) -> Result<Told, String> {
    match &account.platform {
        Platform::Wechat(_) => wechat::quota_told(response),
        _ => Err("this platform is not asked".into()),
    }
}

/// The call that asks the platform what the bot may do; nothing: it does not say.
pub fn scopes_request(account: &Account) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Feishu(settings) => Some(feishu::scopes_request(settings)),
        _ => None,
    }
}

/// Whether that is enough, and what it may not, in words; or why the platform does not say.
pub fn scopes_told(account: &Account, response: &HttpResponse) -> Result<(bool, String), String> {
    match &account.platform {
        Platform::Feishu(settings) => feishu::scopes_told(settings, response),
        _ => Err("this platform is not asked".into()),
    }
}

/// An answer as far as the platform's module shows it: files are links, and buttons words, where it does not.
fn shown<'a>(account: &Account, outbound: &'a Outbound) -> Cow<'a, Outbound> {
    outbound.words(match &account.platform {
        Platform::Feishu(_) | Platform::Telegram(_) => true,
        Platform::Wecom(settings) => wecom::has_room(settings, &outbound.buttons),
        Platform::WecomBot(_) => wx::has_room(&outbound.buttons),
        _ => false,
    })
}

/// The call that hands over a part of an answer.
pub fn send(account: &Account, outbound: &Outbound) -> Result<Call, Unsupported> {
    on!(&account.platform, |settings, on| on::send(settings, &shown(account, outbound)))
}

/// The call to make instead of [`send`]'s, once, when the platform's response refuses the way in which it was said: without
/// Markdown, without links, with buttons as words, as a message of its own.
pub fn instead(account: &Account, outbound: &Outbound, response: &HttpResponse) -> Option<Call> {
    match &account.platform {
        Platform::Feishu(settings) => feishu::instead(settings, &shown(account, outbound), response),
        Platform::Qq(settings) => qq::instead(settings, &shown(account, outbound), response),
        Platform::Telegram(settings) => telegram::instead(settings, &shown(account, outbound), response),
        Platform::Wecom(settings) => wecom::instead(settings, &shown(account, outbound)),
        Platform::WecomBot(settings) => wecom_bot::instead(settings, &shown(account, outbound)),
        _ => None,
    }
}

/// What the platform's response to [`send`] means.
pub fn verdict(account: &Account, response: &HttpResponse) -> Verdict {
    on!(&account.platform, |_settings, on| on::verdict(response))
}

/// The call that fetches an access token.
pub fn token_request(account: &Account) -> HttpRequest {
    on!(&account.platform, |settings, on| on::token_request(settings))
}

/// The access token in the response to [`token_request`].
pub fn token(account: &Account, response: &HttpResponse) -> Result<Token, NoToken> {
    on!(&account.platform, |_settings, on| on::token(response))
}

/// What is wrong with the base address of an API, of which only tests' may be on this machine.
fn check_base(base: &str) -> Result<(), &'static str> {
    let schemes = ["https://", "http://127.0.0.1:", "http://localhost:"];
    if base.ends_with('/') || !schemes.iter().any(|scheme| base.starts_with(scheme)) {
        return Err("api_base: https:// and a host, without a slash at the end");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use protocol::json;

    use super::*;

    /// An account of each platform, with everything that can be set.
    const ACCOUNTS: [&str; 7] = [
        r#"{"platform":"dingtalk","app_key":"k","app_secret":"SECRET","robot_code":"r","api_base":"https://a.b"}"#,
        r#"{"platform":"feishu","app_id":"cli_1","app_secret":"SECRET","encrypt_key":"SECRET","verification_token":"SECRET",
            "bot_open_id":"ou_1","streaming":false,"api_base":"https://a.b"}"#,
        r#"{"platform":"qq","app_id":"1","app_secret":"SECRET","bot_id":"2","markdown":false,"proactive":true,"streaming":false,
            "api_base":"https://a.b","token_base":"https://a.b"}"#,
        r#"{"platform":"telegram","bot_token":"1:SECRET","secret_token":"SECRET","username":"b","streaming":false,"api_base":"https://a.b"}"#,
        r#"{"platform":"wechat","app_id":"wx1","app_secret":"SECRET","token":"SECRET",
            "encoding_aes_key":"SECRETSECRETSECRETSECRETSECRETSECRETSECRETA","customer_service":false,"passive":true,"api_base":"https://a.b"}"#,
        r#"{"platform":"wecom","corp_id":"ww1","agent_id":7,"secret":"SECRET","token":"SECRET",
            "encoding_aes_key":"SECRETSECRETSECRETSECRETSECRETSECRETSECRETA","markdown":false,"passive":true,"api_base":"https://a.b"}"#,
        r#"{"platform":"wecom-bot","token":"SECRET","encoding_aes_key":"SECRETSECRETSECRETSECRETSECRETSECRETSECRETA",
            "name":"b","passive":true,"api_base":"https://a.b"}"#,
    ];

    fn accounts() -> impl Iterator<Item = Account> {
        ACCOUNTS.iter().map(|text| json::read(&text.replacen('{', r#"{"id":"main","default_user":null,"#, 1)).unwrap())
    }

    /// Settings are kept in D1: accounts of before must still be read.
    #[test]
    fn accounts_are_read_as_they_were_written() {
        for (account, written) in accounts().zip(ACCOUNTS) {
            let stored = serde_json::to_string(&account).unwrap();
            assert_eq!(json::read(&stored), Ok(account.clone()));
            let written: String = written.split("\n            ").collect();
            assert_eq!(stored, written.replacen('{', r#"{"id":"main","default_user":null,"#, 1));
            assert_eq!(check(&account), Ok(()), "{}", account.platform.name());
            assert!(stored.contains(&format!(r#""platform":"{}""#, account.platform.name())));
        }
    }

    #[test]
    fn secrets_are_not_logged() {
        for account in accounts() {
            let requests = [bot_request(&account), token_request(&account)];
            let logged = format!("{account:?} {requests:?}");
            assert!(!logged.contains("SECRET"), "{logged}");
        }
    }

    /// Empty credentials would let anyone in.
    #[test]
    fn nothing_works_without_secrets() {
        for account in accounts() {
            let empty = serde_json::to_string(&account).unwrap().replace("1:SECRET", "").replace("SECRETA", "A");
            let empty: Account = json::read(&empty.replace("SECRET", "")).unwrap();
            let wrong = check(&empty).unwrap_err();
            assert!(wrong.contains(": "), "{}: {wrong}", account.platform.name());
        }
    }

    /// Operators hear which fields to mend by the names that they wrote.
    #[test]
    fn credentials_are_fields() {
        for account in accounts() {
            let settings = serde_json::to_value(&account.platform).unwrap();
            for name in credentials(&account).split(", ") {
                assert!(settings[name].is_string() || settings[name].is_u64(), "{}: {name}", account.platform.name());
            }
        }
    }

    /// Whoever calls a webhook without proof hears nothing, by whatever method.
    #[test]
    fn nothing_is_taken_without_proof() {
        let body = br#"{"op":0,"t":"C2C_MESSAGE_CREATE","update_id":1,"type":"x","schema":"2.0"}"#;
        for account in accounts() {
            for method in [Method::Get, Method::Post] {
                for query in ["", "echostr=1", "echostr=1&signature=0&msg_signature=0&timestamp=0&nonce=0"] {
                    let raw = Raw { method, query, headers: &[], body };
                    let received = receive(&account, &raw, Timestamp(0));
                    assert!(matches!(received, Err(NoEvent::Rejected(_))), "{}: {received:?}", account.platform.name());
                }
            }
        }
    }
}
