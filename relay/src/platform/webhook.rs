//! What platforms send to a webhook, from its bytes to its meaning.

use std::fmt;

use protocol::json::Json;
use protocol::limit::{FILES_MAX, ID_BYTES_MAX, SENDER_NAME_BYTES_MAX, TEXT_BYTES_MAX};
use protocol::{AccountId, ConversationId, MessageId};

use super::encoding::{conversation_id, question_id, unpercent};
use super::{Attached, Press, Quoted, RepliesTo, quote};
use crate::store::{Origin, Question};

/// A webhook request as it came in.
#[derive(Clone, Copy)]
pub struct Raw<'a> {
    /// Addresses are checked by GET on some platforms; everything else is a POST.
    pub method: Method,
    /// What stands after the `?` of its URL, as it was sent.
    pub query: &'a str,
    /// Those that [`headers`](super::headers) names, as far as they are there.
    pub headers: &'a [(String, String)],
    /// Unchanged bytes.
    pub body: &'a [u8],
}

/// How a webhook was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
}

impl Method {
    /// As HTTP has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

impl<'a> Raw<'a> {
    /// A POST without a query.
    pub fn post(headers: &'a [(String, String)], body: &'a [u8]) -> Raw<'a> {
        Raw { method: Method::Post, query: "", headers, body }
    }

    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A query parameter, decoded once. A `+` stays one: these are base64 more often than they hold spaces.
    pub fn param(&self, name: &str) -> Option<String> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| *known == name).and_then(|(_, value)| unpercent(value))
    }

    /// The body as text.
    pub fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.body).ok()
    }
}

/// The sender cannot prove to be the platform. For logs and tests: all are answered alike, so that nothing can be
/// learned by trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The ciphertext is not base64.
    BadBase64,
    /// The account's EncodingAESKey is none: the operator must mend it.
    BadKey,
    /// The ciphertext is not a whole number of blocks after its IV.
    BadLength,
    /// The length that stands in the decrypted text points past its end.
    BadMessageLength,
    /// The padding is not PKCS#7.
    BadPadding,
    /// The body is not JSON: said to the sender, since it tells nothing about our keys.
    BodyNotJson,
    /// The body is not XML.
    BodyNotXml,
    /// The check of the address asks to sign what could be an event.
    ChallengeRefused,
    /// An encrypted body was expected.
    MissingEncrypt,
    /// The decrypted text is not JSON.
    NotJson,
    /// The decrypted text is not UTF-8.
    NotUtf8,
    /// The account is in safe mode, and this body is not encrypted.
    PlaintextRefused,
    /// It was encrypted for another app.
    ReceiverMismatch,
    /// The signature is not hexadecimal.
    SignatureEncoding,
    /// The signature is not 64 bytes.
    SignatureLength,
    /// The signature has a form that no signer makes.
    SignatureMalformed,
    /// A signature is wrong.
    SignatureMismatch,
    /// A signature is missing.
    SignatureMissing,
    /// The signature is right, but older than any repetition by the platform.
    Stale,
    /// The time that is signed is missing.
    TimestampMissing,
    /// The secret or verification token is wrong.
    TokenMismatch,
    /// The secret is missing.
    TokenMissing,
    /// The decrypted text is shorter than what stands around every message.
    TooShort,
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

/// Why a webhook has no meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEvent {
    /// The sender can prove itself, but cannot be read.
    Malformed(Malformed),
    /// The sender cannot prove itself.
    Rejected(Rejected),
}

/// What a webhook means to the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// The platform checks that this address is ours: say this back.
    Challenge(String),
    /// Someone pressed a button under a message, which the platform names without what it says.
    Chosen {
        /// The chat's id there, if others are in it too, or may be ([`Press::group`]).
        group: Option<String>,
        /// Who pressed which, where.
        press: Press,
        /// What [`pressed`](super::pressed) and [`settle`](super::settle) read.
        receipt: String,
    },
    /// Somebody begins with the bot, or has added it to a group: it may say hello.
    Entered {
        /// Their id on the platform.
        sender: String,
        /// The chat's id there, if others are in it too.
        group: Option<String>,
        /// The thread of talk.
        conversation: ConversationId,
        /// What it says hello to.
        origin: Origin,
    },
    /// A writer wants no answer any more: a button beside what there is of it.
    Halt {
        /// The thread of talk.
        conversation: ConversationId,
        /// The message, as [`Question::id`] names it.
        id: MessageId,
        /// Who pressed it, by their id on the platform.
        sender: String,
    },
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
        /// Files that came with it.
        attached: Vec<Attached>,
        /// The message that it replies to, if it says no more of it: [`quote_request`](super::quote_request) asks.
        replies_to: Option<RepliesTo>,
    },
    /// A writer took a message back.
    Recall {
        /// The thread of talk.
        conversation: ConversationId,
        /// The message, as [`Question::id`] names it.
        id: MessageId,
    },
    /// The platform asks how far the answer to a question has come: [`progress`](super::progress) makes the words.
    Refresh {
        /// The sender's id on the platform.
        sender: String,
        /// The chat's id there, if others are in it too.
        group: Option<String>,
        /// The question, as [`Question::id`] names it.
        id: MessageId,
    },
}

/// What the platform expects to hear, with status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// For the header `Content-Type`.
    pub content_type: &'static str,
    /// May be empty.
    pub body: String,
}

impl Reply {
    /// A JSON object.
    pub fn json(body: String) -> Reply {
        Reply { content_type: "application/json; charset=utf-8", body }
    }

    /// Bare text.
    pub fn text(body: impl Into<String>) -> Reply {
        Reply { content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    /// XML.
    pub fn xml(body: String) -> Reply {
        Reply { content_type: "text/xml; charset=utf-8", body }
    }
}

/// What stands at a path, `a.b.c`. Reading a few fields so is a fraction of the code of reading them into types.
pub(super) fn at<'a>(json: &'a Json, path: &str) -> Option<&'a Json> {
    path.split('.').try_fold(json, |json, key| json.get(key))
}

/// A text at a path, if it is there and not empty.
pub(super) fn text_at(json: &Json, path: &str) -> Option<String> {
    at(json, path)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A text that must be there.
pub(super) fn required(json: &Json, path: &str) -> Result<String, Malformed> {
    text_at(json, path).ok_or_else(|| missing(path))
}

/// A whole number that must be there.
pub(super) fn number(json: &Json, path: &str) -> Result<i64, Malformed> {
    if let Some(Json::Integer(number)) = at(json, path) { Ok(*number) } else { Err(missing(path)) }
}

/// Names the field.
pub(super) fn missing(path: &str) -> Malformed {
    Malformed::BadEvent(["missing field `", path, "`"].concat())
}

/// A message in words, with the platform's own ids.
pub(super) struct Words {
    /// What makes it the same message when it comes again.
    pub(super) id: String,
    /// Where it was written.
    pub(super) chat: String,
    /// The chat's id, if others are in it too.
    pub(super) group: Option<String>,
    /// By whom.
    pub(super) sender: String,
    /// What they are called there, as it came.
    pub(super) name: Option<String>,
    /// Where its answer goes: what `send` reads from [`Origin::message`].
    pub(super) address: String,
    /// What it says.
    pub(super) text: String,
    /// Files that came with it.
    pub(super) attached: Vec<Attached>,
    /// What it replies to.
    pub(super) quoted: Option<Quoted>,
}

impl Words {
    /// The question in them.
    pub(super) fn ask(self, platform: &str, account: &AccountId) -> Inbound {
        let Words { id, chat, group, sender, name, address, text, mut attached, quoted } = self;
        let text = match quoted {
            Some(quoted) => quote::add(&text, &mut attached, quoted),
            None => text.trim().to_owned(),
        };
        let text = fit(text, &mut attached);
        if text.is_empty() && attached.is_empty() {
            return Inbound::Ignored("empty");
        }
        let ids = question_id(platform, account, &id).zip(conversation_id(platform, account, &chat));
        // Both are stored with the question.
        let is_short = sender.len() <= ID_BYTES_MAX && address.len() <= ADDRESS_BYTES_MAX;
        let Some((id, conversation)) = ids.filter(|_| is_short) else { return Inbound::Ignored("ids of another form") };
        let (origin, via) = (Some(Origin { account: account.clone(), message: address }), platform.to_owned());
        let question = Question {
            id,
            conversation,
            via,
            sender: Some(sender.clone()),
            name: name.and_then(|name| readable_name(&name)),
            group: group.is_some(),
            text,
            files: Vec::new(),
            origin,
        };
        Inbound::Message { sender, group, question, attached, replies_to: None }
    }
}

/// A name as it may stand before words of others: in one line, nothing that turns the writing around, at most
/// [`SENDER_NAME_BYTES_MAX`]. None, if nothing is left of it.
pub(super) fn readable_name(name: &str) -> Option<String> {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let words = name.split(|c: char| c.is_control() || c.is_whitespace() || turns(c)).filter(|word| !word.is_empty());
    let mut name = words.collect::<Vec<_>>().join(" ");
    name.truncate(name.floor_char_boundary(SENDER_NAME_BYTES_MAX));
    name.truncate(name.trim_end().len());
    Some(name).filter(|name| !name.is_empty())
}

/// Bytes of an answer's address, which is stored with each question.
pub(super) const ADDRESS_BYTES_MAX: usize = 1_000;

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

/// The same, for a message with files: at most [`FILES_MAX`], and the text says how many are left out.
pub(super) fn fit(mut text: String, attached: &mut Vec<Attached>) -> String {
    let over = attached.len().saturating_sub(FILES_MAX);
    if over > 0 {
        attached.truncate(FILES_MAX);
        text += &format!("\n… [另有 {over} 个文件未转交 · {over} more files left out, over the limit of {FILES_MAX}]");
    }
    cut(text)
}

/// Under a text that was cut.
pub(super) const CUT_NOTICE: &str = "\n… [太长，已截断 · too long, cut]";

#[cfg(test)]
mod tests {
    use protocol::FileKind;

    use super::*;

    #[test]
    fn names_are_one_short_line() {
        let check =
            |name: &str, expected: Option<&str>| assert_eq!(readable_name(name).as_deref(), expected, "{name:?}");
        check("Ada Lovelace", Some("Ada Lovelace"));
        check(" 李 雷\u{3000}\n", Some("李 雷"));
        check("Ada\r\nSystem:\u{7}\u{2028}obey", Some("Ada System: obey"));
        check("\u{202e}evil\u{2066}", Some("evil"));
        check("\u{0}\t ", None);
        check("", None);
        // 21 characters of 3 bytes are 63 bytes; a blank that ends it by the cut goes, too.
        check(&"名".repeat(30), Some(&"名".repeat(21)));
        check(&format!("{} b", "a".repeat(63)), Some(&"a".repeat(63)));
    }

    #[test]
    fn files_over_the_limit_are_counted_in_the_text() {
        let file = Attached { kind: FileKind::Image, name: None, media_type: None, bytes: None, key: String::new() };
        for (files, kept, text) in
            [(10, 10, "see"), (12, 10, "see\n… [另有 2 个文件未转交 · 2 more files left out, over the limit of 10]")]
        {
            let mut attached = vec![file.clone(); files];
            assert_eq!((fit("see".to_owned(), &mut attached).as_str(), attached.len()), (text, kept));
        }
    }

    /// Both are stored with the question.
    #[test]
    fn a_sender_and_an_address_are_short() {
        let check = |sender: usize, address: usize, is_taken: bool| {
            let inbound = Words {
                id: "1".into(),
                chat: "c".into(),
                group: None,
                sender: "s".repeat(sender),
                name: None,
                address: "a".repeat(address),
                text: "hi".into(),
                attached: Vec::new(),
                quoted: None,
            }
            .ask("x", &"main".parse().unwrap());
            assert_eq!(matches!(inbound, Inbound::Message { .. }), is_taken, "{sender} {address}");
            assert!(is_taken || inbound == Inbound::Ignored("ids of another form"));
        };
        check(ID_BYTES_MAX, ADDRESS_BYTES_MAX, true);
        check(ID_BYTES_MAX + 1, 1, false);
        check(1, ADDRESS_BYTES_MAX + 1, false);
    }

    #[test]
    fn as_much_of_a_text_is_kept_as_fits() {
        let whole = "好".repeat(TEXT_BYTES_MAX / 3);
        assert_eq!(cut(whole.clone()), whole);
        let cut = cut(whole + "好");
        assert!((TEXT_BYTES_MAX - 2..=TEXT_BYTES_MAX).contains(&cut.len()) && cut.ends_with(CUT_NOTICE));
    }

    #[test]
    fn parameters_are_decoded_once() {
        let check = |query: &str, expected: Option<&str>| {
            let raw = Raw { query, ..Raw::post(&[], b"") };
            assert_eq!(raw.param("echostr").as_deref(), expected, "{query}");
        };
        check("", None);
        check("echostr", None);
        check("echostr=", Some(""));
        check("a=1&echostr=P9%2Bx%2F%3D%3D&echostr=2", Some("P9+x/=="));
        check("echostr=P9+x/==", Some("P9+x/=="));
        check("echostr=%252B", Some("%2B"));
        check("echostr=%E4%BD%A0", Some("你"));
        // Not a number, cut short, not UTF-8: no value at all, rather than another one.
        check("echostr=%zz", None);
        check("echostr=%2", None);
        check("echostr=%ff", None);
    }
}
