//! An answer that grows while it is made, in private chats: `POST /v2/users/{openid}/stream_messages`.
//!
//! Facts: the first call makes the message and answers its id, the others name it; `index` counts the calls from 0, and
//! `msg_seq` is the same in all of them; each holds the whole text so far, of which what was sent before must be the
//! beginning (40007); `input_state` 10 ends it, and must come, or QQ goes back to the first text; 50 calls a second, each 300 ms
//! after the one before. Groups and guilds have none. Source: bot.q.qq.com, "发送单聊流式消息".
//!
//! Not documented: whether one counts as one of the 4 replies (here it does), whether numbers may be left out (they are after
//! the account was evicted, as in the platform's SDK after a call without an answer), how long one may stay open, whether it can be
//! withdrawn like a message (2 min; tried, and if it cannot, it stays as it is above the answer), and whether `remain_msg_len`
//! is what still fits, as its description says, or what is not shown yet, as bots report: it is not read.
//!
//! The answer to the first call lost, nobody knows its id: those words stay above the answer.

use protocol::json::Writer;
use protocol::{Seq, Timestamp};

use super::{
    C2C_PARTS_MAX, EVENT, Settings, address, fits, is_about_links, is_censored, is_not_there, is_too_late, msg_seq,
    read_answer, without_mentions,
};
use crate::platform::encoding::percent;
use crate::platform::{Auth, Beginning, Call, Draft, HttpRequest, HttpResponse, Outbound, markdown};

/// Makes the message, with what there is of the answer.
pub fn begin_draft(settings: &Settings, outbound: &Outbound) -> Beginning {
    if !settings.streaming || !settings.markdown {
        return Beginning::Never;
    }
    match so_far(outbound) {
        text if text.is_empty() => Beginning::Later,
        text => frame(settings, outbound, None, State::Growing, &text).map_or(Beginning::Never, Beginning::Call),
    }
}

/// The message, in the answer to [`begin_draft`].
pub fn drafted(outbound: &Outbound, response: &HttpResponse, now: Timestamp) -> Option<Draft> {
    let mut answer = read_answer(response).ok().filter(|answer| answer.code == 0)?;
    let message: String = answer.fields.take("id").ok().filter(|id: &String| !id.is_empty())?;
    Some(Draft { message: message.clone(), shown: so_far(outbound), ..Draft::new(message, now) })
}

/// Shows the text so far, if it is what is shown and more.
pub fn update_draft(settings: &Settings, outbound: &Outbound, draft: &mut Draft) -> Option<HttpRequest> {
    let text = so_far(outbound);
    if text.len() <= draft.shown.len() || !text.starts_with(&draft.shown) {
        return None;
    }
    draft.shown = text;
    frame(settings, outbound, Some(draft), State::Growing, &draft.shown)
}

/// Shows the answer, or its first part if it is longer than a message, and that nothing follows there; none if it begins in
/// another way than what is shown.
pub fn end_draft(settings: &Settings, outbound: &Outbound, draft: &Draft) -> Option<Call> {
    let text = without_mentions(&outbound.text);
    let (text, is_last) = markdown::part(&text, 0, C2C_PARTS_MAX, &markdown::FULL, &fits).ok()?;
    let request =
        frame(settings, outbound, Some(draft), State::Ended, &text).filter(|_| text.starts_with(&draft.shown))?;
    Some(Call { request, is_last })
}

/// What was sent cannot be changed any more: it was ended, or begins in another way (40007).
pub fn has_ended(response: &HttpResponse) -> bool {
    read_answer(response).is_ok_and(|answer| matches!(answer.code, 40007 | 40113003))
}

/// Recalls the message: "撤回单聊消息", within 2 min.
pub fn withdraw_draft(settings: &Settings, outbound: &Outbound, draft: &Draft) -> Option<HttpRequest> {
    let url = format!("{}/{}/messages/{}", settings.api_base, address(outbound)?.path, percent(&draft.message));
    Some(HttpRequest { method: "DELETE".into(), url, body: None, auth: Auth::Qq })
}

/// Ends it with what it shows.
pub fn leave_draft(settings: &Settings, outbound: &Outbound, draft: &Draft) -> Option<HttpRequest> {
    frame(settings, outbound, Some(draft), State::Ended, &draft.shown)
}

/// A refusal of this message alone: others may still grow.
pub fn is_about_message(response: &HttpResponse) -> bool {
    let is_about = |code| is_too_late(code) || is_about_links(code) || is_censored(code) || is_not_there(code);
    read_answer(response).is_ok_and(|answer| is_about(answer.code))
}

/// `input_state`.
#[derive(Clone, Copy)]
enum State {
    Growing = 1,
    Ended = 10,
}

fn frame(
    settings: &Settings,
    outbound: &Outbound,
    draft: Option<&Draft>,
    state: State,
    text: &str,
) -> Option<HttpRequest> {
    let address = address(outbound).filter(|address| address.is_c2c && !address.message.starts_with(EVENT))?;
    let mut body = Writer::default();
    body.field("\"input_mode\":", "replace");
    body.field("\"input_state\":", &(state as u32));
    body.field("\"index\":", &draft.map_or(0, |draft| draft.sequence));
    body.field("\"content_type\":", "markdown");
    body.field("\"content_raw\":", text);
    body.field("\"msg_id\":", address.message);
    body.field("\"msg_seq\":", &stream_seq(outbound));
    if let Some(draft) = draft {
        body.field("\"stream_msg_id\":", &draft.handle);
    }
    Some(HttpRequest::post(format!("{}/{}/stream_messages", settings.api_base, address.path), body.end(), Auth::Qq))
}

/// By the question, since it begins before there is an answer; and as no part of an answer in a private chat has it, so that
/// those can be sent when this one fails.
fn stream_seq(outbound: &Outbound) -> u64 {
    let question: Seq = outbound.question.unwrap_or(outbound.seq);
    msg_seq(question, C2C_PARTS_MAX as u32)
}

/// What can be shown of an answer that goes on; of a long one the beginning.
fn so_far(outbound: &Outbound) -> String {
    let text = markdown::steady(&without_mentions(&outbound.text), &markdown::FULL);
    if text.chars().count() > SHOWN_CHARS_MAX { String::new() } else { text }
}

/// A message that is longer than one can be is cut behind this, except within a long block of code: only the end shows more.
const SHOWN_CHARS_MAX: usize = super::MESSAGE_CHARS_MAX / 2;

#[cfg(test)]
mod tests {
    use protocol::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::store::Origin;

    fn settings(changes: &Value) -> Settings {
        let mut settings = json!({ "app_id": "1", "app_secret": "s" });
        for (name, value) in changes.as_object().unwrap() {
            settings[name] = value.clone();
        }
        serde_json::from_value(settings).unwrap()
    }

    fn usual() -> Settings {
        settings(&json!({}))
    }

    /// What is shown of the answer to question 7.
    fn outbound(text: &str) -> Outbound {
        let origin = Origin { account: "main".parse().unwrap(), message: "c2c/USER/ROBOT1.0_m".into() };
        Outbound::text(origin, "qq:main:c2c-USER".parse().unwrap(), Seq(7), text.into(), Some(Seq(7)))
    }

    /// The answer itself.
    fn answer(text: &str) -> Outbound {
        Outbound { seq: Seq(9), ..outbound(text) }
    }

    fn response(status: u16, body: &Value) -> HttpResponse {
        HttpResponse { status, retry_after_s: None, body: body.to_string() }
    }

    fn begun(text: &str) -> Draft {
        let made = response(200, &json!({ "id": "ROBOT1.0_s!", "timestamp": 1, "remain_msg_len": 0 }));
        drafted(&outbound(text), &made, Timestamp(0)).unwrap()
    }

    fn body(request: &HttpRequest) -> Value {
        serde_json::from_str(request.body.as_deref().unwrap()).unwrap()
    }

    /// Read by QQ.
    #[test]
    fn it_begins_grows_and_ends_as_one_message() {
        let Beginning::Call(first) = begin_draft(&usual(), &outbound("Hel")) else { panic!("it does not begin") };
        assert_eq!(first.url, "https://api.bot.qq.com/v2/users/USER/stream_messages");
        let expected = r#"{"input_mode":"replace","input_state":1,"index":0,"content_type":"markdown","content_raw":"Hel","msg_id":"ROBOT1.0_m","msg_seq":60}"#;
        assert_eq!(first.body.as_deref(), Some(expected));
        let mut draft = begun("Hel");
        draft.next();
        let second = update_draft(&usual(), &outbound("Hello <@1>"), &mut draft).unwrap();
        let expected = r#"{"input_mode":"replace","input_state":1,"index":1,"content_type":"markdown","content_raw":"Hello ＜@1>","msg_id":"ROBOT1.0_m","msg_seq":60,"stream_msg_id":"ROBOT1.0_s!"}"#;
        assert_eq!(second.body.as_deref(), Some(expected));
        draft.next();
        let last = end_draft(&usual(), &answer("Hello <@1>**!**"), &draft).unwrap();
        assert!(last.is_last);
        let last = body(&last.request);
        assert_eq!((&last["input_state"], &last["index"], &last["msg_seq"]), (&json!(10), &json!(2), &json!(60)));
        assert_eq!(last["content_raw"], "Hello ＜@1>**!**");
    }

    #[test]
    fn its_number_is_that_of_no_part() {
        for part in [0, 1, 2, crate::platform::FILE_PART, crate::platform::FILE_PART + 3] {
            assert_ne!(msg_seq(Seq(7), part), stream_seq(&answer("x")), "{part}");
        }
        assert_eq!(stream_seq(&outbound("x")), stream_seq(&answer("x")));
    }

    #[test]
    fn only_where_it_may_and_when_there_is_something() {
        let never = |settings: &Settings, outbound: &Outbound| begin_draft(settings, outbound) == Beginning::Never;
        assert!(never(&settings(&json!({ "streaming": false })), &outbound("x")));
        assert!(never(&settings(&json!({ "markdown": false })), &outbound("x")));
        for address in ["group/G/m", "channel/1/m", "dm/1/m", "c2c/USER/event/E", "?"] {
            let mut elsewhere = outbound("x");
            elsewhere.origin.message = address.into();
            assert!(never(&usual(), &elsewhere), "{address}");
        }
        assert_eq!(begin_draft(&usual(), &outbound("# ")), Beginning::Later);
    }

    #[test]
    fn what_was_shown_is_only_added_to() {
        let mut draft = begun("one two");
        for text in ["one two", "one", "another", "", "one two **"] {
            assert_eq!(update_draft(&usual(), &outbound(text), &mut draft), None, "{text}");
        }
        assert_eq!(draft.shown, "one two");
        assert_eq!(end_draft(&usual(), &answer("another"), &draft), None);
        assert!(end_draft(&usual(), &answer("one two"), &draft).unwrap().is_last);
    }

    #[test]
    fn a_long_one_ends_with_its_first_part() {
        let long = "A sentence of a long story.\n\n".repeat(200);
        let mut draft = begun("A sentence");
        let beginnings = (1..200).map(|count| long.split_at(count * 29).0);
        let shown = beginnings.filter(|text| update_draft(&usual(), &outbound(text), &mut draft).is_some()).count();
        // Without the blank line at its end.
        assert_eq!(shown, (SHOWN_CHARS_MAX + 2) / 29);
        let ended = end_draft(&usual(), &answer(&long), &draft).unwrap();
        let sent = super::super::send(&usual(), &answer(&long)).unwrap();
        assert_eq!((ended.is_last, sent.is_last), (false, false));
        assert_eq!(body(&ended.request)["content_raw"], body(&sent.request)["markdown"]["content"]);
    }

    #[test]
    fn half_a_message_is_shown_and_no_more() {
        for (chars, is_shown) in [(SHOWN_CHARS_MAX, true), (SHOWN_CHARS_MAX + 1, false)] {
            let begun = begin_draft(&usual(), &outbound(&"字".repeat(chars)));
            assert_eq!(matches!(begun, Beginning::Call(_)), is_shown, "{chars}");
        }
    }

    #[test]
    fn one_that_cannot_be_the_answer_is_taken_away_or_left() {
        let mut draft = begun("one two");
        let gone = withdraw_draft(&usual(), &answer("x"), &draft).unwrap();
        assert_eq!((gone.method.as_str(), gone.body), ("DELETE", None));
        assert_eq!(gone.url, "https://api.bot.qq.com/v2/users/USER/messages/ROBOT1.0_s%21");
        draft.next();
        let left = body(&leave_draft(&usual(), &answer("x"), &draft).unwrap());
        assert_eq!((&left["input_state"], &left["content_raw"]), (&json!(10), &json!("one two")));
    }

    #[test]
    fn what_responses_mean() {
        assert_eq!(
            drafted(&outbound("x"), &response(200, &json!({ "err_code": 40054005, "id": "s" })), Timestamp(0)),
            None
        );
        assert_eq!(drafted(&outbound("x"), &response(202, &json!({ "timestamp": 1 })), Timestamp(0)), None);
        let check = |code: i64, about_message: bool, ended: bool| {
            let response = response(400, &json!({ "err_code": code, "message": "no" }));
            assert_eq!((is_about_message(&response), has_ended(&response)), (about_message, ended), "{code}");
        };
        check(304036, false, false);
        check(11253, false, false);
        check(40034025, true, false);
        check(304003, true, false);
        check(40054013, true, false);
        check(40113003, false, true);
        check(40007, false, true);
    }
}
