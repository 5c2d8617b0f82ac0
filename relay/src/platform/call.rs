//! Calls of platforms' APIs, as words: what to send, and what an answer means.

use std::borrow::Cow;
use std::fmt;

use protocol::from_json;
use protocol::json::{FromJson, Json, Object, Wrong};
use protocol::{Button, ConversationId, File, Seq, Timestamp};
use serde::Serialize;

use super::encoding::percent;
use super::webhook::Reply;
use crate::file::in_words;
use crate::store::Origin;

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
    /// What comes with it.
    pub files: Vec<File>,
    /// What one may answer to it at a press.
    pub buttons: Vec<Button>,
    /// Which part of it to send: of its text from 0, since a platform that takes less at once gets it in several; then its
    /// files, from [`FILE_PART`].
    pub part: u32,
    /// The question that it answers; none: it is what the relay or an agent says beside one.
    pub question: Option<Seq>,
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

/// A call of a platform's API, without the access token.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct HttpRequest {
    /// GET, POST …
    pub method: String,
    /// Absolute.
    pub url: String,
    /// JSON, when there is one.
    pub body: Option<String>,
    /// Where the access token goes.
    pub auth: Auth,
}

/// Where a platform wants the access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// `Authorization: Bearer …`
    Bearer,
    /// `x-acs-dingtalk-access-token: …`
    Dingtalk,
    /// Nowhere: the call needs none, or its URL is the secret.
    None,
    /// `Authorization: QQBot …`
    Qq,
    /// `?access_token=…`
    Query,
}

impl HttpRequest {
    /// A GET.
    pub fn get(url: String, auth: Auth) -> HttpRequest {
        HttpRequest { method: "GET".into(), url, body: None, auth }
    }

    /// A POST of JSON.
    pub fn post(url: String, body: String, auth: Auth) -> HttpRequest {
        HttpRequest { method: "POST".into(), url, body: Some(body), auth }
    }

    /// The URL to call.
    pub fn url(&self, token: Option<&str>) -> String {
        match token {
            Some(token) if self.auth == Auth::Query => {
                let sign = if self.url.contains('?') { '&' } else { '?' };
                format!("{}{sign}access_token={}", self.url, percent(token))
            }
            _ => self.url.clone(),
        }
    }

    /// The header that holds the access token, if it goes there.
    pub fn token_header(&self, token: Option<&str>) -> Option<(&'static str, String)> {
        let token = token?;
        match self.auth {
            Auth::Bearer => Some(("Authorization", format!("Bearer {token}"))),
            Auth::Dingtalk => Some(("x-acs-dingtalk-access-token", token.to_owned())),
            Auth::None | Auth::Query => None,
            Auth::Qq => Some(("Authorization", format!("QQBot {token}"))),
        }
    }
}

impl fmt::Debug for HttpRequest {
    /// Only method and host: paths, queries and bodies hold secrets and what people wrote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.split('/').take(3).collect::<Vec<_>>().join("/");
        f.debug_struct("HttpRequest").field("method", &self.method).field("host", &host).finish_non_exhaustive()
    }
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
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Secret.
    pub value: String,
    /// Milliseconds from the moment it was fetched.
    pub life_ms: u64,
}

impl fmt::Debug for Token {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("life_ms", &self.life_ms).finish_non_exhaustive()
    }
}

/// Why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// The platform is busy, or does not answer: try again.
    Later(String),
    /// The platform refused the bot's credentials: the operator must mend them.
    Refused(String),
}

/// What a platform's answer to a call means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The access token is not good any more: fetch another, and try once more.
    TokenExpired,
    /// What became of the answer.
    Sent(Sent),
}

impl Verdict {
    /// Try again, after as long as the response asks for.
    pub(super) fn later(response: &HttpResponse, why: String) -> Verdict {
        let after_ms = response.retry_after_s.map(|seconds| seconds.saturating_mul(1000));
        Verdict::Sent(Sent::Later { after_ms, why })
    }

    /// It will never be taken.
    pub(super) fn refused(why: String) -> Verdict {
        Verdict::Sent(Sent::Refused(why))
    }
}

/// What became of an answer at its platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "sent", content = "how", rename_all = "snake_case")]
pub enum Sent {
    /// It can go only in the response to the next message from there, and waits for that.
    Kept,
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

/// What an answer in a webhook's own response takes from outside.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// When it is said.
    pub now: Timestamp,
    /// The `nonce` of the webhook's query: some platforms want it back.
    pub nonce: String,
    /// Drawn anew for every response: the cipher begins with it.
    pub random: [u8; 16],
}

/// An answer in a webhook's own response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The response.
    pub reply: Reply,
    /// No part follows; otherwise the others go by [`send`](super::send), from the next part on.
    pub is_last: bool,
}

from_json! { struct HttpRequest { method, url, body, auth or Auth::Bearer } }

from_json! {
    words Auth { "bearer" => Bearer, "dingtalk" => Dingtalk, "none" => None, "qq" => Qq, "query" => Query }
}

from_json! { struct HttpResponse { status, retry_after_s, body } }

from_json! { struct Outbound { origin, conversation, seq, text, files or Vec::new(), buttons or Vec::new(), part, question } }

impl Outbound {
    /// Nothing but a text.
    pub fn text(
        origin: Origin,
        conversation: ConversationId,
        seq: Seq,
        text: String,
        question: Option<Seq>,
    ) -> Outbound {
        Outbound { origin, conversation, seq, text, files: Vec::new(), buttons: Vec::new(), part: 0, question }
    }

    /// The file that this part is; none: it is one of the text.
    pub fn file(&self) -> Option<&File> {
        self.files.get(self.part.checked_sub(FILE_PART)? as usize)
    }

    /// Which part of [`Outbound::words`] to send.
    pub(super) fn text_part(&self) -> u32 {
        if self.part < FILE_PART { self.part } else { 0 }
    }

    /// The same in words: a file is a link to it, and a button what one may write, also where nothing is said above it.
    pub(super) fn words(&self, has_buttons: bool) -> Cow<'_, Outbound> {
        match self.file() {
            None if self.buttons.is_empty() || has_buttons && !self.text.is_empty() => Cow::Borrowed(self),
            None => {
                let text = [&self.text, "\n\n", &self.choices()].concat().trim_start().to_owned();
                Cow::Owned(Outbound { text, buttons: Vec::new(), ..self.clone() })
            }
            Some(file) => Cow::Owned(Outbound { text: in_words(file), buttons: Vec::new(), ..self.clone() }),
        }
    }

    /// The buttons in words.
    pub(super) fn choices(&self) -> String {
        let choices = self.buttons.iter().map(|button| format!("- {}: `{}`", button.label, button.text));
        choices.collect::<Vec<_>>().join("\n")
    }

    /// The files that follow the text, or this one.
    pub(super) fn files_after(&self) -> &[File] {
        let next = self.part.checked_sub(FILE_PART).map_or(0, |at| at as usize + 1);
        self.files.get(next..).unwrap_or_default()
    }
}

/// The first of the parts that are files: after any part of a text, and 4 of 8, as QQ numbers them.
pub const FILE_PART: u32 = 1_004;

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
            "kept" => Sent::Kept,
            "partly" => Sent::Partly,
            "refused" => Sent::Refused(String::from_json(how()?)?),
            "taken" => Sent::Taken,
            "wait" => Sent::Wait { ms: Object::from_json(how()?)?.take("ms")? },
            unknown => return Err(Wrong::unknown(unknown).of("sent")),
        })
    }
}

from_json! { type Sent }

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
        check(Sent::Kept, r#"{"sent":"kept"}"#);
        check(Sent::Partly, r#"{"sent":"partly"}"#);
        check(Sent::Refused("no".into()), r#"{"sent":"refused","how":"no"}"#);
        check(Sent::Wait { ms: 7 }, r#"{"sent":"wait","how":{"ms":7}}"#);
        let later = Sent::Later { after_ms: Some(5), why: "busy".into() };
        check(later, r#"{"sent":"later","how":{"after_ms":5,"why":"busy"}}"#);
    }

    #[test]
    fn the_token_goes_where_the_platform_wants_it() {
        let check = |auth: Auth, url: &str, expected_url: &str, header: Option<(&'static str, &str)>| {
            let request = HttpRequest::get(url.into(), auth);
            assert_eq!(request.url(Some("t/k")), expected_url);
            assert_eq!(request.token_header(Some("t/k")), header.map(|(name, value)| (name, value.to_owned())));
            assert_eq!((request.url(None).as_str(), request.token_header(None)), (url, None));
        };
        check(Auth::Bearer, "https://a/b", "https://a/b", Some(("Authorization", "Bearer t/k")));
        check(Auth::Dingtalk, "https://a/b", "https://a/b", Some(("x-acs-dingtalk-access-token", "t/k")));
        check(Auth::None, "https://a/b", "https://a/b", None);
        check(Auth::Qq, "https://a/b", "https://a/b", Some(("Authorization", "QQBot t/k")));
        check(Auth::Query, "https://a/b", "https://a/b?access_token=t%2Fk", None);
        check(Auth::Query, "https://a/b?c=1", "https://a/b?c=1&access_token=t%2Fk", None);
    }

    #[test]
    fn what_a_platform_does_not_show_is_said_in_words() {
        let file =
            r#"{"id":"fil_1","name":"a.png","kind":"image","media_type":"image/png","bytes":9,"url":"https://r.b/x"}"#;
        let text = format!(
            r#"{{"origin":{{"account":"main","message":"m"}},"conversation":"c","seq":2,"text":"Sure?","files":[{file}],
                "buttons":[{{"label":"Yes","text":"yes"}},{{"label":"No","text":"no"}}],"part":0,"question":null}}"#
        );
        let asked: Outbound = json::read(&text).unwrap();
        let check = |text: &str, part: u32, has_buttons: bool, expected: &str, buttons: usize| {
            let outbound = Outbound { text: text.into(), part, ..asked.clone() };
            let words = outbound.words(has_buttons);
            assert_eq!((words.text.as_str(), words.buttons.len()), (expected, buttons), "{text} {part}");
        };
        check("Sure?", 0, true, "Sure?", 2);
        check("Sure?", 0, false, "Sure?\n\n- Yes: `yes`\n- No: `no`", 0);
        check("", 0, true, "- Yes: `yes`\n- No: `no`", 0);
        // They stood under the text: a file has none.
        for has_buttons in [true, false] {
            check("Sure?", FILE_PART, has_buttons, "📎 [a.png](https://r.b/x)", 0);
        }
    }

    #[test]
    fn secrets_are_not_logged() {
        let request =
            HttpRequest::post("https://api.telegram.org/bot1:secret/x?secret".into(), "secret".into(), Auth::None);
        let token = Token { value: "secret".into(), life_ms: 1 };
        let logged = format!("{request:?} {token:?}");
        assert!(logged.contains("https://api.telegram.org\"") && !logged.contains("secret"), "{logged}");
    }
}
