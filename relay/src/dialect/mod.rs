//! Clients that speak other words than ours, because they were made before this relay: what they say becomes inputs of
//! the Hub, what it sends becomes their frames. Pure; the Hub itself does not know that they are there.
//!
//! They know no cursor and no `ack`. A robot is sent every open question again when it connects, with the id that it had,
//! and the first answer counts. So a message is taken for stored as soon as it is handed over: nothing depends on it but
//! what may follow.

mod file;
pub mod manserver;
mod plugin;

use protocol::json::{self, FromJson, Json, Wrong};
use protocol::limit::FRAME_BYTES_MAX;
use protocol::{AgentId, ClientFrame, ConversationId, DecodeError, File, MessageId, Seq, Timestamp, UserId, from_json};
use serde::Serialize;

use crate::hub::{Input, PeerId, Told};

/// How a connection is spoken to. Kept in the socket's attachment beside its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Whose words.
    pub words: Words,
    /// When it last said something, once it has sent a heartbeat: who sends none is not taken for dead without one.
    pub heard: Option<Timestamp>,
}

/// Whose words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "as", rename_all = "snake_case")]
pub enum Words {
    /// A person with a client of ManServer.
    Person {
        /// Whom they talk to.
        robot: AgentId,
        /// Where: as the address said, until a message says otherwise.
        conversation: ConversationId,
    },
    /// An agent that was made for the older relay.
    Plugin {
        /// Whose.
        user: UserId,
    },
    /// A robot of ManServer.
    Robot {
        /// Whose.
        user: UserId,
    },
}

from_json! {
    enum Words by "as" {
        "person" => Person { robot, conversation },
        "plugin" => Plugin { user },
        "robot" => Robot { user },
    }
}

impl Words {
    /// Whether what is handed over counts as stored. A plugin is sent one question at a time instead.
    pub fn has_read_what_it_was_handed(&self) -> bool {
        !matches!(self, Words::Plugin { .. })
    }
}

/// What a client said.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// Frames of ours.
    Frames(Vec<ClientFrame>),
    /// A heartbeat, and what answers it.
    Ping(&'static str),
    /// What names no question.
    Told(Told),
    /// Nothing that can be understood.
    Wrong(DecodeError),
}

impl Said {
    /// As an input. `bytes`: how long it was.
    pub fn input(self, peer: PeerId, bytes: usize) -> Input {
        let frames = match self {
            Said::Frames(frames) => Ok(frames),
            Said::Ping(_) => Ok(Vec::new()),
            Said::Told(told) => return Input::Told(peer, bytes, told),
            Said::Wrong(why) => Err(why),
        };
        Input::Received(peer, bytes, frames)
    }
}

/// What the Hub sends, in the client's words.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// One message each.
    pub texts: Vec<String>,
    /// Everything up to here counts as stored: more may follow.
    pub ack: Option<Seq>,
}

impl Dialect {
    /// The `hello` that it does not say.
    pub fn hello(&self) -> ClientFrame {
        // No history: its frames carry no ids, so that it would show twice what it has.
        ClientFrame::Hello { cursor: None, last: Some(0), capabilities: Vec::new(), open: Vec::new(), client: None }
    }

    /// Reads what the client says. `fresh`: random letters and digits, for what has no id.
    pub fn hear(&mut self, now: Timestamp, text: &str, fresh: &str) -> Said {
        if text.len() > FRAME_BYTES_MAX {
            return Said::Wrong(DecodeError::TooLarge);
        }
        let frame = json::parse(text);
        let is_ping = frame.as_ref().is_ok_and(|frame| frame.text("type") == Some("ping"));
        if is_ping || self.heard.is_some() {
            self.heard = Some(now);
        }
        if is_ping {
            return Said::Ping(r#"{"type":"pong"}"#);
        }
        let said = match &mut self.words {
            Words::Person { conversation, .. } => manserver::hear_person(conversation, frame, text, fresh),
            Words::Plugin { .. } => frame.and_then(|frame| plugin::hear(&frame, fresh)),
            Words::Robot { .. } => frame.and_then(|frame| manserver::hear_robot(&frame, fresh)),
        };
        said.unwrap_or_else(|wrong| Said::Wrong(DecodeError::Malformed(wrong.to_string())))
    }

    /// Says to the client what the Hub sends: a frame, or a batch of them.
    pub fn tell(&self, text: &str) -> Sent {
        let mut sent = Sent::default();
        let frames = match json::parse(text) {
            Ok(Json::List(frames)) => frames,
            Ok(frame) => vec![frame],
            Err(_) => Vec::new(),
        };
        for frame in &frames {
            match &self.words {
                Words::Person { robot, conversation } => manserver::tell_person(robot, conversation, frame, &mut sent),
                Words::Plugin { user } => plugin::tell(user, frame, &mut sent),
                Words::Robot { user } => manserver::tell_robot(user, frame, &mut sent),
            }
        }
        sent
    }
}

/// A question of this conversation, under a new id.
fn question(conversation: ConversationId, text: String, files: Vec<File>, fresh: &str) -> Result<Said, Wrong> {
    let id = new_id("msg-", fresh)?;
    Ok(Said::Frames(vec![ClientFrame::Send { id, conversation: Some(conversation), text, files }]))
}

/// What an agent says.
fn told(conversation: Option<ConversationId>, text: String, files: Vec<File>, fresh: &str) -> Result<Said, Wrong> {
    Ok(Said::Told(Told { id: new_id("push:", fresh)?, conversation, text, files }))
}

fn new_id(kind: &str, fresh: &str) -> Result<MessageId, Wrong> {
    let id = [kind, fresh].concat();
    id.parse().ok().filter(|_| !fresh.is_empty()).ok_or_else(|| Wrong::expected("a random id"))
}

/// Words of a frame; none: it has them not.
fn text<'a>(frame: &'a Json, key: &str) -> &'a str {
    frame.text(key).unwrap_or_default()
}

fn seq(frame: &Json, key: &str) -> Option<Seq> {
    Seq::from_json(frame.get(key)?.clone()).ok()
}

/// Who wrote a message, as far as it was a person: their id on their platform, or else the user's.
fn sender<'a>(message: &'a Json, user: &'a UserId) -> &'a str {
    message.get("from").and_then(|from| from.text("sender")).unwrap_or(user.as_str())
}

/// An object of texts; an absent one is `null`.
fn object(fields: &[(&str, Option<&str>)]) -> String {
    let mut object = json::Writer::default();
    for (key, text) in fields {
        object.field(&["\"", key, "\":"].concat(), text);
    }
    object.end()
}

/// What was refused, as agents hear it.
fn error(frame: &Json) -> String {
    object(&[("type", Some("error")), ("code", frame.text("code")), ("error", frame.text("detail"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn robot() -> Dialect {
        Dialect { words: Words::Robot { user: "usr_1".parse().unwrap() }, heard: None }
    }

    #[test]
    fn what_is_attached_comes_back() {
        // Sockets that sleep through a new version of the relay have it in their attachments.
        let check = |text: &str| {
            let words: Words = json::read(text).unwrap();
            assert_eq!(serde_json::to_string(&words).unwrap(), text);
        };
        check(r#"{"as":"person","robot":"agt_1","conversation":"default"}"#);
        check(r#"{"as":"plugin","user":"usr_1"}"#);
        check(r#"{"as":"robot","user":"usr_1"}"#);
    }

    #[test]
    fn a_batch_is_told_in_order_and_stored_up_to_its_last_message() {
        let message = |seq: u64| {
            let from = r#"{"kind":"user","via":"web"}"#;
            format!(
                r#"{{"type":"message","seq":{seq},"id":"m{seq}","conversation":"web","from":{from},"at_ms":1,"text":"q"}}"#
            )
        };
        let batch = format!(r#"[{},{{"type":"from_the_future"}},{}]"#, message(3), message(5));
        let Sent { texts, ack } = robot().tell(&batch);
        assert_eq!((texts.len(), ack), (2, Some(Seq(5))));
        assert_eq!(
            texts[0],
            r#"{"type":"message","data":{"userId":"usr_1","text":"q","conversationId":"web","id":"m3"}}"#
        );
        assert_eq!(robot().tell("not ours"), Sent::default());
    }

    #[test]
    fn a_plugin_alone_is_sent_one_question_at_a_time() {
        let robot = "agt_1".parse().unwrap();
        let user = || "usr_1".parse().unwrap();
        assert!(!Words::Plugin { user: user() }.has_read_what_it_was_handed());
        assert!(Words::Robot { user: user() }.has_read_what_it_was_handed());
        let conversation = "default".parse().unwrap();
        assert!(Words::Person { robot, conversation }.has_read_what_it_was_handed());
    }

    #[test]
    fn what_is_too_long_or_has_no_id_is_refused() {
        let now = Timestamp(1);
        let longest = r#"{"type":"ping"}"#.to_owned() + &" ".repeat(FRAME_BYTES_MAX - 15);
        assert!(matches!(robot().hear(now, &longest, "1"), Said::Ping(_)));
        let long = "x".repeat(FRAME_BYTES_MAX + 1);
        assert_eq!(robot().hear(now, &long, "1"), Said::Wrong(DecodeError::TooLarge));
        let answer = r#"{"type":"message","data":{"text":"hi"}}"#;
        assert!(matches!(robot().hear(now, answer, "1"), Said::Told(told) if told.id.as_str() == "push:1"));
        assert!(matches!(robot().hear(now, answer, ""), Said::Wrong(_)));
    }
}
