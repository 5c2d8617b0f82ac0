//! ManServer's stream (`/ocms/v1/stream`) and the history beside it: robots, and people with a mini program.
//!
//! | who | says | hears |
//! |---|---|---|
//! | robot | `{"type":"message","data":{text, mediaUrl, recipientId, conversationId}}` | `{"type":"message","data":{userId, text, conversationId, id, filePath?, mediaType?}}` |
//! | person | `{text, conversationId?, filePath?, mediaType?}`, or a text that is no object | `{"sender":"Robot", robotId, text, mediaUrl, conversationId}` |
//! | both | `{"type":"ping"}` | `{"type":"pong"}` |

use protocol::json::{Json, Wrong};
use protocol::{AgentId, ConversationId, File, UserId};

use super::{Said, Sent, error, file, object, question, sender, seq, text, told};

/// The conversation of whoever names none.
pub const CONVERSATION: &str = "default";

/// What a robot says. To whom does not matter: a conversation has one person, or its platform knows.
pub(super) fn hear_robot(frame: &Json, fresh: &str) -> Result<Said, Wrong> {
    let Some(data) = frame.get("data").filter(|_| frame.text("type") == Some("message")) else {
        return Err(Wrong::expected(r#"{"type":"message","data":{…}} or {"type":"ping"}"#));
    };
    let conversation = conversation(data.text("conversationId").unwrap_or(CONVERSATION))?;
    let (words, files) = words(data, "mediaUrl", "")?;
    told(Some(conversation), words, files, fresh)
}

/// What a person says, in the conversation of their connection, unless they name another.
pub(super) fn hear_person(
    here: &mut ConversationId,
    frame: Result<Json, Wrong>,
    said: &str,
    fresh: &str,
) -> Result<Said, Wrong> {
    let data = match frame {
        Ok(data @ Json::Object(_)) => data,
        Err(wrong) if said.starts_with('{') => return Err(wrong),
        _ => return question(here.clone(), said.to_owned(), Vec::new(), fresh),
    };
    if let Some(named) = data.text("conversationId") {
        *here = conversation(named)?;
    }
    let (words, files) = words(&data, "filePath", text(&data, "mediaType"))?;
    question(here.clone(), words, files, fresh)
}

/// A robot hears the questions that are meant for it.
pub(super) fn tell_robot(user: &UserId, frame: &Json, sent: &mut Sent) {
    match text(frame, "type") {
        "message" => {
            let whole = file::whole(frame);
            let (words, file) = file::split(&whole);
            let data = [
                ("userId", Some(sender(frame, user))),
                ("text", Some(words)),
                ("conversationId", frame.text("conversation")),
                ("id", frame.text("id")),
                ("filePath", file.map(|(_, path)| path)),
                ("mediaType", file.map(|(kind, _)| kind)),
            ];
            let data = object(if file.is_some() { &data } else { data.split_at(4).0 });
            sent.texts.push([r#"{"type":"message","data":"#, &data, "}"].concat());
            sent.ack = seq(frame, "seq");
        }
        "error" => sent.texts.push(error(frame)),
        _ => {}
    }
}

/// A person hears what robots and the relay say in their conversation.
pub(super) fn tell_person(robot: &AgentId, here: &ConversationId, frame: &Json, sent: &mut Sent) {
    match text(frame, "type") {
        "message" => {
            sent.ack = seq(frame, "seq");
            let (is_theirs, author) = author(frame);
            if is_theirs || text(frame, "conversation") != here.as_str() {
                return;
            }
            let whole = file::whole(frame);
            let (words, file) = file::split(&whole);
            sent.texts.push(object(&[
                ("sender", Some("Robot")),
                ("robotId", author.or(Some(robot.as_str()))),
                ("text", Some(words)),
                ("mediaUrl", file.map(|(_, path)| path)),
                ("conversationId", Some(here.as_str())),
            ]));
        }
        "error" => {
            let (words, code) = (frame.text("detail"), frame.text("code"));
            sent.texts.push(object(&[("sender", Some("系统")), ("text", words), ("error", code)]));
        }
        _ => {}
    }
}

/// A message as the history shows it.
pub fn remember(message: &Json) -> String {
    let whole = file::whole(message);
    let (words, file) = file::split(&whole);
    let (is_theirs, author) = author(message);
    let shown = object(&[
        ("id", message.text("id")),
        ("sender", Some(if is_theirs { "user" } else { "robot" })),
        ("text", Some(words)),
        ("mediaUrl", file.map(|(_, path)| path)),
        ("robot_id", message.text("agent").or(author)),
        ("conversation_id", message.text("conversation")),
    ]);
    let at_ms = seq(message, "at_ms").unwrap_or_default().to_string();
    [r#"{"timestamp":"#, &at_ms, ",", shown.trim_start_matches('{')].concat()
}

/// Whether a person wrote it; and if not, which agent, if one did.
fn author(message: &Json) -> (bool, Option<&str>) {
    let Some(from) = message.get("from") else { return (false, None) };
    (from.text("kind") == Some("user"), from.text("id"))
}

fn conversation(id: &str) -> Result<ConversationId, Wrong> {
    id.parse().map_err(|_| Wrong::expected("letters, digits and . _ : @ -").of("conversationId"))
}

/// What a message says, and its file: beside it, if it is one of ours.
fn words(data: &Json, file: &str, kind: &str) -> Result<(String, Vec<File>), Wrong> {
    let (words, path) = (text(data, "text"), text(data, file));
    match (words, path, file::ours(path)) {
        ("", "", _) => Err(Wrong::expected("something to say").of("text")),
        (words, "", _) => Ok((words.to_owned(), Vec::new())),
        (words, _, Some(ours)) => Ok((words.to_owned(), vec![ours])),
        (words, path, None) => {
            let whole = file::join(words, kind, path).ok_or_else(|| Wrong::expected("a path on one line").of(file))?;
            Ok((whole, Vec::new()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dialect, Words};
    use super::*;
    use protocol::{ClientFrame, Timestamp, json};

    /// What a person's message becomes: where, what; or why not.
    fn hear(here: &mut Dialect, text: &str) -> Result<(String, String), String> {
        match here.hear(Timestamp(1), text, "1") {
            Said::Frames(frames) => match frames.as_slice() {
                [ClientFrame::Send { conversation: Some(conversation), text, .. }] => {
                    Ok((conversation.to_string(), text.clone()))
                }
                other => Err(format!("{other:?}")),
            },
            Said::Wrong(why) => Err(why.to_string()),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn a_connection_is_of_the_conversation_that_was_named_last() {
        let (robot, conversation) = ("agt_1".parse().unwrap(), "default".parse().unwrap());
        let mut person = Dialect { words: Words::Person { robot, conversation }, heard: None };
        let mut check = |text: &str, expected: Result<(&str, &str), &str>| {
            let expected = expected.map(|(place, text)| (place.to_owned(), text.to_owned())).map_err(str::to_owned);
            assert_eq!(hear(&mut person, text), expected, "{text}");
        };
        check("hi", Ok(("default", "hi")));
        check("7", Ok(("default", "7")));
        check("[]", Ok(("default", "[]")));
        check(r#"{"text":"hi"}"#, Ok(("default", "hi")));
        check(r#"{"text":"hi","conversationId":"b"}"#, Ok(("b", "hi")));
        check(r#"{"text":"","filePath":"a.png","mediaType":"image"}"#, Ok(("b", "![image](a.png)")));
        // One of ours goes beside the text.
        check(r#"{"text":"see","filePath":"https://r.test/v1/files/a.b.c","mediaType":"image"}"#, Ok(("b", "see")));
        check("more", Ok(("b", "more")));
        check(r#"{"text":""}"#, Err("text: expected something to say"));
        check(r#"{"text":"hi","conversationId":"a b"}"#, Err("conversationId: expected letters, digits and . _ : @ -"));
        check(r#"{"text":"hi","filePath":"a\nb"}"#, Err("filePath: expected a path on one line"));
    }

    #[test]
    fn a_message_of_the_past() {
        let check = |message: &str, expected: &str| assert_eq!(remember(&json::parse(message).unwrap()), expected);
        check(
            r#"{"seq":1,"id":"m","conversation":"c","from":{"kind":"user","via":"web"},"agent":"agt_1","at_ms":9,"text":"hi"}"#,
            r#"{"timestamp":9,"id":"m","sender":"user","text":"hi","mediaUrl":null,"robot_id":"agt_1","conversation_id":"c"}"#,
        );
        check(
            r#"{"seq":2,"id":"reply:1","conversation":"c","from":{"kind":"agent","id":"agt_1"},"at_ms":9,"text":"![](a.png)"}"#,
            r#"{"timestamp":9,"id":"reply:1","sender":"robot","text":"","mediaUrl":"a.png","robot_id":"agt_1","conversation_id":"c"}"#,
        );
        let file = |name: &str| {
            format!(r#"{{"id":"fil_{name}","name":"{name}","kind":"image","url":"https://r.test/v1/files/{name}"}}"#)
        };
        check(
            &format!(
                r#"{{"seq":2,"id":"reply:1","conversation":"c","from":{{"kind":"agent","id":"agt_1"}},"at_ms":9,"text":"two","files":[{},{}]}}"#,
                file("a"),
                file("b")
            ),
            r#"{"timestamp":9,"id":"reply:1","sender":"robot","text":"two\n\n![image](https://r.test/v1/files/b)","mediaUrl":"https://r.test/v1/files/a","robot_id":"agt_1","conversation_id":"c"}"#,
        );
        check(
            r#"{"seq":3,"id":"notice:3","conversation":"c","from":{"kind":"relay"},"at_ms":9,"text":"no"}"#,
            r#"{"timestamp":9,"id":"notice:3","sender":"robot","text":"no","mediaUrl":null,"robot_id":null,"conversation_id":"c"}"#,
        );
    }
}
