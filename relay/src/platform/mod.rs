//! Chat platforms. Each is one sibling module with the same functions, and this file holds the only `match` on which.
//!
//! `verify` → `parse` → `normalise` → `ack` turn a webhook into a message; `send` and `sent` turn an answer into a
//! request and its response into a verdict. All are pure: the shell does the HTTP.

pub mod feishu;

mod budget;
mod split;

use std::fmt;

use protocol::from_json;
use protocol::json::{FromJson, Json, Object, Wrong};
use protocol::limit::TEXT_BYTES_MAX;
use protocol::{AccountId, ConversationId, MessageId, Seq, Timestamp, UserId};
use serde::Serialize;

use crate::store::{Origin, Question};

pub use budget::{Budget, Rate, Scope};

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
#[serde(tag = "platform", rename_all = "snake_case")]
pub enum Platform {
    /// Feishu, or Lark.
    Feishu(feishu::Settings),
}

impl FromJson for Account {
    fn from_json(json: Json) -> Result<Account, Wrong> {
        let mut object = Object::from_json(json)?;
        let (id, default_user) = (object.take("id")?, object.take("default_user")?);
        Ok(Account { id, default_user, platform: Platform::from_json(Json::Object(object))? })
    }
}

from_json! { type Account }

from_json! { enum Platform by "platform" { "feishu" => Feishu(..) } }

from_json! { struct HttpRequest { method, url, body } }

from_json! { struct HttpResponse { status, retry_after_s, body } }

from_json! { struct Outbound { origin, conversation, seq, text, part } }

impl FromJson for Sent {
    fn from_json(json: Json) -> Result<Sent, Wrong> {
        let mut object = Object::from_json(json)?;
        let word: String = object.take("sent")?;
        let mut how = || object.take("how");
        Ok(match word.as_str() {
            "later" => {
                let mut how = Object::from_json(how()?)?;
                Sent::Later { after_ms: how.take("after_ms")?, why: how.take("why")? }
            }
            "partly" => Sent::Partly,
            "refused" => Sent::Refused(String::from_json(how()?)?),
            "taken" => Sent::Taken,
            "wait" => Sent::Wait { ms: Object::from_json(how()?)?.take("ms")? },
            unknown => return Err(Wrong::unknown(unknown).of("sent")),
        })
    }
}

from_json! { type Sent }

impl Platform {
    /// As it is named in paths and in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Platform::Feishu(_) => "feishu",
        }
    }
}

/// A webhook request as it came in.
pub struct Raw<'a> {
    /// Those that [`headers`] names, as far as they are there.
    pub headers: &'a [(String, String)],
    /// Unchanged bytes.
    pub body: &'a [u8],
}

impl Raw<'_> {
    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The sender cannot prove to be the platform. For logs and tests: all are answered alike, so that nothing can be
/// learned by trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The ciphertext is not base64.
    BadBase64,
    /// The ciphertext is not a whole number of blocks after its IV.
    BadLength,
    /// The padding is not PKCS#7.
    BadPadding,
    /// The body is not JSON: said to the sender, since it tells nothing about our keys.
    BodyNotJson,
    /// An encrypted body was expected.
    MissingEncrypt,
    /// The decrypted text is not JSON.
    NotJson,
    /// The decrypted text is not UTF-8.
    NotUtf8,
    /// The signature is right, but older than any repetition by the platform.
    Stale,
    /// A signature header is wrong.
    SignatureMismatch,
    /// A signature header is missing.
    SignatureMissing,
    /// The verification token is wrong or missing.
    TokenMismatch,
}

/// The platform sent something that this version cannot read, properly signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A message's content is not what its type promises. It is acknowledged all the same, or it would block the
    /// platform's queue.
    BadContent,
    /// A field is missing or of the wrong type: the parser's words, which name it.
    BadEvent(String),
    /// Neither a 1.0 nor a 2.0 envelope.
    UnknownEnvelope,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::BadContent => f.write_str("the message's content is not what its type promises"),
            Malformed::BadEvent(why) => write!(f, "event: {why}"),
            Malformed::UnknownEnvelope => f.write_str("neither a schema 2.0 nor a schema 1.0 event"),
        }
    }
}

/// What a webhook means to the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// The platform checks that this address is ours: say this back.
    Challenge(String),
    /// Nothing to do, and why.
    Ignored(&'static str),
    /// A question, and who asks.
    Message {
        /// The sender's id on the platform.
        sender: String,
        /// The chat's id there, if others are in it too.
        group: Option<String>,
        /// The question.
        question: Question,
    },
    /// A writer took a message back.
    Recall {
        /// The thread of talk.
        conversation: ConversationId,
        /// The message, as [`Question::id`] names it.
        id: MessageId,
    },
}

/// What the platform expects to hear, with status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// JSON.
    pub body: String,
}

/// A call of a platform's API, without the access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpRequest {
    /// GET, POST …
    pub method: String,
    /// Absolute.
    pub url: String,
    /// JSON, when there is one.
    pub body: Option<String>,
}

/// What the platform answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpResponse {
    /// HTTP status.
    pub status: u16,
    /// Seconds the platform asks to wait, from its headers.
    pub retry_after_s: Option<u64>,
    /// As it came.
    pub body: String,
}

/// An access token and its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Secret.
    pub value: String,
    /// Milliseconds from the moment it was fetched.
    pub life_ms: u64,
}

/// What a platform's answer to a call means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The access token is not good any more: fetch another, and try once more.
    TokenExpired,
    /// What became of the answer.
    Sent(Sent),
}

/// Why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// The platform is busy, or does not answer: try again.
    Later(String),
    /// The platform refused the bot's credentials: the operator must mend them.
    Refused(String),
}

/// What became of an answer at its platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "sent", content = "how", rename_all = "snake_case")]
pub enum Sent {
    /// Try again, after at least so long.
    Later {
        /// As the platform asked.
        after_ms: Option<u64>,
        /// The platform's words.
        why: String,
    },
    /// This part of it is there: the next one follows.
    Partly,
    /// It will never be taken.
    Refused(String),
    /// It is there, whole.
    Taken,
    /// It was not tried: the account's rate allows it after so long.
    Wait {
        /// Milliseconds.
        ms: u64,
    },
}

/// Why a webhook has no meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEvent {
    /// The sender can prove itself, but cannot be read.
    Malformed(Malformed),
    /// The sender cannot prove itself.
    Rejected(Rejected),
}

/// A message as long as a question may be: what is over is cut, and the text says so. Refused, it would come again and
/// again, and its writer would hear nothing.
pub fn cut(text: String) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let kept = text.floor_char_boundary(TEXT_BYTES_MAX - CUT_NOTICE.len());
    let mut cut = text;
    cut.truncate(kept);
    cut + CUT_NOTICE
}

const CUT_NOTICE: &str = "\n… [太长，已截断 · too long, cut]";

/// An answer on its way to the message that it replies to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outbound {
    /// The message that it replies to.
    pub origin: Origin,
    /// The thread of talk, for rates that count per chat.
    pub conversation: ConversationId,
    /// Which answer, for the idempotency key: its place in its user's timeline.
    pub seq: Seq,
    /// The answer, whole.
    pub text: String,
    /// Which part of it to send, from 0: a platform that takes less at once gets it in several.
    pub part: u32,
}

/// The call that hands over a part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What to send.
    pub request: HttpRequest,
    /// No part follows.
    pub is_last: bool,
}

/// What this platform cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported(pub String);

/// What is wrong with an account's settings, naming the field.
pub fn check(account: &Account) -> Result<(), &'static str> {
    match &account.platform {
        Platform::Feishu(settings) => feishu::check(settings),
    }
}

/// The call that asks the platform who the bot is.
pub fn bot_request(account: &Account) -> HttpRequest {
    match &account.platform {
        Platform::Feishu(settings) => feishu::bot_request(settings),
    }
}

/// Keeps what the platform answered to [`bot_request`], by which mentions of the bot are known.
pub fn introduce(account: &mut Account, response: &HttpResponse) -> Result<(), String> {
    match &mut account.platform {
        Platform::Feishu(settings) => feishu::bot_open_id(response).map(|bot| settings.bot_open_id = bot),
    }
}

/// Checks that a webhook comes from the platform, reads it, and says what it means.
pub fn receive(account: &Account, raw: &Raw<'_>, now: Timestamp) -> Result<Inbound, NoEvent> {
    match &account.platform {
        Platform::Feishu(settings) => {
            let verified = feishu::verify(settings, raw, now).map_err(NoEvent::Rejected)?;
            let event = feishu::parse(verified).map_err(NoEvent::Malformed)?;
            Ok(feishu::normalise(&account.id, settings, event))
        }
    }
}

/// The request headers that the platform signs with, in lower case: others are not read.
pub fn headers(account: &Account) -> &'static [&'static str] {
    match &account.platform {
        Platform::Feishu(_) => feishu::HEADERS,
    }
}

/// What the platform expects to hear, with status 200.
pub fn ack(account: &Account, inbound: &Inbound) -> Reply {
    match &account.platform {
        Platform::Feishu(_) => feishu::ack(inbound),
    }
}

/// How often the platform lets this bot send.
pub fn rates(account: &Account) -> &'static [Rate] {
    match &account.platform {
        Platform::Feishu(_) => feishu::RATES,
    }
}

/// The call that hands over a part of an answer.
pub fn send(account: &Account, outbound: &Outbound) -> Result<Call, Unsupported> {
    match &account.platform {
        Platform::Feishu(settings) => feishu::send(settings, outbound),
    }
}

/// What the platform's response to [`send`] means.
pub fn verdict(account: &Account, response: &HttpResponse) -> Verdict {
    match &account.platform {
        Platform::Feishu(_) => feishu::verdict(response),
    }
}

/// The call that fetches an access token.
pub fn token_request(account: &Account) -> HttpRequest {
    match &account.platform {
        Platform::Feishu(settings) => feishu::token_request(settings),
    }
}

/// The access token in the response to [`token_request`].
pub fn token(account: &Account, response: &HttpResponse) -> Result<Token, NoToken> {
    match &account.platform {
        Platform::Feishu(_) => feishu::token(response),
    }
}

#[cfg(test)]
mod tests {
    use protocol::json;

    use super::*;

    /// A Hub and an account may be of two versions while one is deployed.
    #[test]
    fn every_verdict_is_read_as_it_was_written() {
        let check = |sent: Sent, expected: &str| {
            let text = serde_json::to_string(&sent).unwrap();
            assert_eq!(text, expected);
            assert_eq!(json::read(&text), Ok(sent));
        };
        check(Sent::Taken, r#"{"sent":"taken"}"#);
        check(Sent::Partly, r#"{"sent":"partly"}"#);
        check(Sent::Refused("no".into()), r#"{"sent":"refused","how":"no"}"#);
        check(Sent::Wait { ms: 7 }, r#"{"sent":"wait","how":{"ms":7}}"#);
        let later = Sent::Later { after_ms: Some(5), why: "busy".into() };
        check(later, r#"{"sent":"later","how":{"after_ms":5,"why":"busy"}}"#);
    }
}
