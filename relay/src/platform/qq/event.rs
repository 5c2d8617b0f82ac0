//! QQ's events as types, as in the platform's event list. Only the fields that the relay reads.

use base64ct::{Base64, Encoding};
use protocol::json::{Json, parse};

use super::media::attached;
use crate::platform::webhook::{at, missing, required, text_at};
use crate::platform::{Attached, Malformed, Quoted};

/// What a request to the webhook holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody has added the bot to a group, or as a friend.
    Added {
        /// What may be replied to.
        id: String,
        /// A group, or a private chat.
        place: Place,
        /// Who, by an id that holds there.
        by: String,
    },
    /// The platform checks the address: both are to be signed.
    Challenge {
        /// Letters, digits, `_` and `-`.
        plain_token: String,
        /// Digits.
        event_ts: String,
    },
    /// A message.
    Message(Received),
    /// An event that this version does not use, by its name.
    Other(String),
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What makes it the same message when it comes again, and what is replied to.
    pub id: String,
    /// Where.
    pub place: Place,
    /// Who wrote it, by an id that holds there.
    pub author: String,
    /// What the writer is called: in the guild, else on QQ. Groups and private chats do not say.
    pub name: Option<String>,
    /// The writer is a bot.
    pub is_bot: bool,
    /// Everything in a guild's channel comes, and not only what mentions the bot.
    pub must_mention: bool,
    /// As it came.
    pub content: String,
    /// What a recording says.
    pub transcript: Option<String>,
    /// There are pictures or files.
    pub has_files: bool,
    /// Those that can be fetched.
    pub attached: Vec<Attached>,
    /// What it quotes.
    pub quoted: Option<Quoted>,
}

/// Where a message was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A private chat, by the other's openid.
    C2c(String),
    /// A channel of a guild.
    Channel(String),
    /// A private chat with a member of a guild.
    Dm(String),
    /// A group, by its openid.
    Group(String),
}

impl Place {
    /// In words, as addresses have it.
    pub(super) fn parts(&self) -> (&'static str, &str) {
        match self {
            Place::C2c(id) => ("c2c", id),
            Place::Channel(id) => ("channel", id),
            Place::Dm(id) => ("dm", id),
            Place::Group(id) => ("group", id),
        }
    }
}

impl Received {
    /// What it says, without the mention of the bot and with faces as words; nothing, if a mention is missing.
    pub(super) fn readable(&self, bot_id: &str) -> Option<String> {
        let mention = [format!("<@!{bot_id}>"), format!("<@{bot_id}>")];
        let is_mentioned = mention.iter().any(|mention| self.content.contains(mention));
        if self.must_mention && (bot_id.is_empty() || !is_mentioned) {
            return None;
        }
        let mut text = mention.iter().fold(self.content.clone(), |text, mention| text.replace(mention, ""));
        // Accounts of before the bot's id was asked: the mention comes first.
        if bot_id.is_empty()
            && let Some((_, rest)) = text.trim_start().strip_prefix("<@").and_then(|rest| rest.split_once('>'))
        {
            text = rest.to_owned();
        }
        let text = words_for_faces(text.trim());
        if text.is_empty() { Some(self.transcript.clone().unwrap_or_default()) } else { Some(text) }
    }
}

/// Reads a checked body.
pub(super) fn read(body: Json) -> Result<Event, Malformed> {
    if body.get("op") == Some(&Json::Integer(OP_CHALLENGE)) {
        return challenge(&body).ok_or(Malformed::BadContent);
    }
    let kind = text_at(&body, "t").unwrap_or_default();
    let is_added = [ADDED_TO_GROUP, ADDED_AS_FRIEND].contains(&kind.as_str());
    if !is_added && !MESSAGES.contains(&kind.as_str()) {
        return Ok(Event::Other(kind));
    }
    let d = body.get("d").ok_or_else(|| missing("d"))?;
    let id = |path: &str| required(d, path);
    if is_added {
        let (place, by) = match kind.as_str() {
            ADDED_TO_GROUP => (Place::Group(id("group_openid")?), id("op_member_openid")?),
            _ => (Place::C2c(id("openid")?), id("openid")?),
        };
        return Ok(Event::Added { id: required(&body, "id")?, place, by });
    }
    let (place, author) = match kind.as_str() {
        C2C => (Place::C2c(id("author.user_openid")?), id("author.user_openid")?),
        GROUP => (Place::Group(id("group_openid")?), id("author.member_openid")?),
        DIRECT => (Place::Dm(id("guild_id")?), id("author.id")?),
        _ => (Place::Channel(id("channel_id")?), id("author.id")?),
    };
    let files = files(d);
    Ok(Event::Message(Received {
        id: id("id")?,
        place,
        author,
        name: text_at(d, "member.nick").or_else(|| text_at(d, "author.username")),
        is_bot: at(d, "author.bot") == Some(&Json::Bool(true)),
        must_mention: kind == EVERYTHING,
        content: text_at(d, "content").unwrap_or_default(),
        transcript: files.iter().find_map(|file| text_at(file, "asr_refer_text")),
        has_files: !files.is_empty(),
        attached: attached(files),
        quoted: quoted(d),
    }))
}

/// The pictures and files of a message.
fn files(message: &Json) -> &[Json] {
    message.get("attachments").and_then(Json::as_list).unwrap_or_default()
}

/// What a message quotes: the first of its `msg_elements`, if it is of that kind.
fn quoted(message: &Json) -> Option<Quoted> {
    message.get("message_type").filter(|&kind| *kind == Json::Integer(TYPE_QUOTE))?;
    let said = message.get("msg_elements")?.as_list()?.first()?;
    let text = words_for_faces(&text_at(said, "content").unwrap_or_default());
    Some(Quoted { text, attached: attached(files(said)), is_own: false })
}

/// A check of the address, if what it asks to sign can be nothing else: `event_ts ‖ plain_token` has the form of
/// `timestamp ‖ body`, and who has it signed has a signed event when the rest is JSON.
pub(super) fn challenge(body: &Json) -> Option<Event> {
    let field = |key: &str| body.get("d")?.text(key);
    let (plain_token, event_ts) = (field("plain_token")?, field("event_ts")?);
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let is_harmless = (1..=TOKEN_BYTES_MAX).contains(&plain_token.len())
        && plain_token.bytes().all(is_token)
        && (1..=TIME_DIGITS_MAX).contains(&event_ts.len())
        && event_ts.bytes().all(|byte| byte.is_ascii_digit());
    is_harmless.then(|| Event::Challenge { plain_token: plain_token.to_owned(), event_ts: event_ts.to_owned() })
}

/// `<faceType=1,faceId="13",ext="eyJ0ZXh0IjoiW+WRsueJmV0ifQ==">` is `[呲牙]`.
fn words_for_faces(text: &str) -> String {
    let mut parts = text.split("<faceType=");
    let mut words = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((face, rest)) = part.split_once('>') else {
            words.push_str("<faceType=");
            words.push_str(part);
            continue;
        };
        let ext = face.split_once("ext=\"").and_then(|(_, ext)| ext.split_once('"')).map(|(ext, _)| ext);
        let name = ext.and_then(|ext| Base64::decode_vec(ext).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
        let name = name.and_then(|json| parse(&json).ok()?.text("text").map(str::to_owned));
        words.push_str(name.as_deref().unwrap_or("[表情]"));
        words.push_str(rest);
    }
    words
}

/// The `op` of an address check.
pub(super) const OP_CHALLENGE: i64 = 13;
const ADDED_AS_FRIEND: &str = "FRIEND_ADD";
const ADDED_TO_GROUP: &str = "GROUP_ADD_ROBOT";
const C2C: &str = "C2C_MESSAGE_CREATE";
const DIRECT: &str = "DIRECT_MESSAGE_CREATE";
const GROUP: &str = "GROUP_AT_MESSAGE_CREATE";
/// Of bots that hear a guild's every word.
const EVERYTHING: &str = "MESSAGE_CREATE";
/// What is said to the bot. `GROUP_MESSAGE_CREATE`, a group's every word, is not.
const MESSAGES: [&str; 5] = [C2C, GROUP, "AT_MESSAGE_CREATE", EVERYTHING, DIRECT];
/// The `message_type` of a message that quotes another.
const TYPE_QUOTE: i64 = 103;
const TOKEN_BYTES_MAX: usize = 128;
const TIME_DIGITS_MAX: usize = 13;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_are_words() {
        let face = "<faceType=1,faceId=\"13\",ext=\"eyJ0ZXh0IjoiW+WRsueJmV0ifQ==\">";
        assert_eq!(words_for_faces(&format!("hi {face}{face} <b>")), "hi [呲牙][呲牙] <b>");
        assert_eq!(words_for_faces("<faceType=1,ext=\"?\">x<faceType="), "[表情]x<faceType=");
    }

    #[test]
    fn mentions_of_the_bot_are_left_out() {
        let check = |must_mention: bool, bot_id: &str, content: &str, expected: Option<&str>| {
            let received = Received {
                id: "m".into(),
                place: Place::Channel("1".into()),
                author: "a".into(),
                name: None,
                is_bot: false,
                must_mention,
                content: content.into(),
                transcript: Some("heard".into()),
                has_files: true,
                attached: Vec::new(),
                quoted: None,
            };
            assert_eq!(received.readable(bot_id).as_deref(), expected, "{content}");
        };
        check(false, "7", "<@!7> hi <@!8>", Some("hi <@!8>"));
        check(false, "", "<@!7> hi <@!8>", Some("hi <@!8>"));
        check(true, "7", "hi <@7>", Some("hi"));
        check(true, "7", "hi <@!77>", None);
        check(true, "", "<@!7> hi", None);
        check(false, "7", " ", Some("heard"));
    }
}
