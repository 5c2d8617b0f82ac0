//! The frames of the older relay's plugin (`/openclaw`): `{"type":"auth","token"}` once, which the Worker reads, and then
//!
//! | says | hears |
//! |---|---|
//! | `{"type":"llm_request", content}` | `{"type":"feishu_message", userToken, content, messageId, chatType, chatId, senderId, timestamp}` |
//! | `{"type":"ping"}` | `{"type":"pong"}` |
//!
//! An answer names neither its question nor its chat. So the plugin is sent one question at a time, and the next one once
//! that has ended: an answer cannot reach another chat than the one that asked.

use protocol::json::{Json, Wrong};
use protocol::{Seq, UserId};

use super::file::whole;
use super::{Said, Sent, error, object, sender, seq, text, told};

/// What the plugin says.
pub(super) fn hear(frame: &Json, fresh: &str) -> Result<Said, Wrong> {
    match (text(frame, "type"), text(frame, "content")) {
        ("llm_request", "") => Err(Wrong::expected("something to say").of("content")),
        ("llm_request", content) => told(None, content.to_owned(), Vec::new(), fresh),
        _ => Err(Wrong::expected(r#"{"type":"llm_request","content"} or {"type":"ping"}"#)),
    }
}

/// What the plugin hears.
pub(super) fn tell(user: &UserId, frame: &Json, sent: &mut Sent) {
    match text(frame, "type") {
        "welcome" => sent.texts.push(r#"{"type":"auth_success"}"#.into()),
        "message" => {
            let told = object(&[
                ("type", Some("feishu_message")),
                ("userToken", Some(user.as_str())),
                ("content", Some(&whole(frame))),
                ("messageId", Some(of_platform(text(frame, "id")))),
                // Of a group, too: what comes is meant for the agent, and an answer goes where its question came from.
                ("chatType", Some("p2p")),
                ("chatId", Some(of_platform(text(frame, "conversation")))),
                ("senderId", Some(sender(frame, user))),
            ]);
            let at_ms = seq(frame, "at_ms").unwrap_or_default().to_string();
            sent.texts.push([told.trim_end_matches('}'), r#","timestamp":"#, &at_ms, "}"].concat());
        }
        // Its question has ended: the next one may come.
        "accepted" => sent.ack = answered(frame),
        "stop" => sent.ack = seq(frame, "reply_to"),
        "error" => sent.texts.push(error(frame)),
        _ => {}
    }
}

/// The question of `reply:{seq}`.
fn answered(frame: &Json) -> Option<Seq> {
    text(frame, "id").strip_prefix("reply:")?.parse().ok().map(Seq)
}

/// The platform's own id within ours: `feishu:{account}:{id}`.
fn of_platform(id: &str) -> &str {
    id.splitn(3, ':').nth(2).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::super::{Dialect, Words};
    use protocol::Seq;

    #[test]
    fn the_next_question_comes_when_one_has_ended() {
        let plugin = Dialect { words: Words::Plugin { user: "usr_1".parse().unwrap() }, heard: None };
        let check = |frame: &str, ack: Option<u64>| assert_eq!(plugin.tell(frame).ack, ack.map(Seq), "{frame}");
        check(r#"{"type":"message","seq":7,"id":"feishu:main:om_1","conversation":"feishu:main:oc_1"}"#, None);
        check(r#"{"type":"accepted","id":"reply:7","seq":9}"#, Some(7));
        check(r#"{"type":"stop","reply_to":7}"#, Some(7));
        check(r#"{"type":"error","code":"forbidden","detail":"no"}"#, None);
    }

    #[test]
    fn ids_are_the_platforms_own() {
        for (ours, theirs) in [("feishu:main:om_1", "om_1"), ("web", "web"), ("again:7", "again:7"), ("x:y:a:b", "a:b")]
        {
            assert_eq!(super::of_platform(ours), theirs);
        }
    }
}
