//! What a message replies to, as its agent reads it: behind the message, in Markdown's way of quoting.

use super::webhook::fit;
use super::{Account, Attached, HttpRequest, HttpResponse, Platform, feishu};
use crate::hub::is_command;
use crate::store::Question;

/// A message that another replies to, where a webhook names it by its id alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepliesTo {
    /// By the platform's id.
    pub message: String,
    /// It began the topic that both are in: every message there replies to it.
    pub is_topic: bool,
}

/// What a message replies to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quoted {
    /// What it says.
    pub text: String,
    /// What came with it.
    pub attached: Vec<Attached>,
    /// The bot said it.
    pub is_own: bool,
}

/// The call that asks what a message says; none: the platform's webhooks say so themselves.
pub fn quote_request(account: &Account, message: &str) -> Option<HttpRequest> {
    if let Platform::Feishu(settings) = &account.platform {
        Some(feishu::quote_request(settings, message))
    } else {
        None
    }
}

/// What the response to [`quote_request`] says; none: it is gone, or is of a kind that cannot be read.
pub fn quoted(account: &Account, response: &HttpResponse) -> Option<Quoted> {
    if let Platform::Feishu(settings) = &account.platform { feishu::quoted(settings, response) } else { None }
}

/// Puts what a question replies to behind it, and the files of that beside its own. None: it could not be read, and the
/// agent is told so.
pub fn quote(question: &mut Question, attached: &mut Vec<Attached>, quoted: Option<Quoted>) {
    let unread = || Quoted { text: UNREAD.to_owned(), ..Quoted::default() };
    let mut text = add(&question.text, attached, quoted.unwrap_or_else(unread));
    if text.is_empty() && attached.is_empty() {
        text = add("", attached, unread());
    }
    question.text = fit(text, attached);
}

/// A text with what it replies to behind it, since a mention stands at its beginning, and the files of that beside its own.
/// Of what the bot itself said, which its agent has, as much as shows which answer is meant. What is said to the relay
/// itself stays as it is.
pub(super) fn add(text: &str, attached: &mut Vec<Attached>, quoted: Quoted) -> String {
    let text = text.trim();
    if is_command(text) {
        return text.to_owned();
    }
    let (said, is_own) = (one_kind_of_line_end(quoted.text.trim()), quoted.is_own);
    if !is_own {
        attached.extend(quoted.attached);
    }
    if said.is_empty() {
        return text.to_owned();
    }
    let lines = if is_own { beginning(&said) } else { said.replace('\n', "\n> ") };
    if text.is_empty() { ["> ", &lines].concat() } else { [text, "\n\n> ", &lines].concat() }
}

/// All that ends a line somewhere as `\n`: what somebody else said must not reach out of the quote.
fn one_kind_of_line_end(text: &str) -> String {
    text.replace("\r\n", "\n").replace(['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'], "\n")
}

fn beginning(text: &str) -> String {
    let line = text.replace('\n', " ");
    let mut beginning: String = line.chars().take(OWN_CHARS_MAX).collect();
    if beginning.len() < line.len() {
        beginning.push('…');
    }
    beginning
}

/// In the place of what is quoted.
const UNREAD: &str = "[引用的消息无法读取 · the quoted message could not be read]";
/// Of one of the bot's own messages: 100 characters.
const OWN_CHARS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_stands_behind() {
        let file =
            Attached { kind: protocol::FileKind::Image, name: None, media_type: None, bytes: None, key: String::new() };
        let check = |text: &str, said: &str, is_own: bool, expected: &str, files: usize| {
            let mut attached = Vec::new();
            let quoted = Quoted { text: said.to_owned(), attached: vec![file.clone()], is_own };
            assert_eq!((add(text, &mut attached, quoted).as_str(), attached.len()), (expected, files));
        };
        check("why? ", "a\n\nb\n", false, "why?\n\n> a\n> \n> b", 1);
        check("", "look", false, "> look", 1);
        check("why?", " ", false, "why?", 1);
        check("why?", "a\r\nb\u{2028}c\rd", false, "why?\n\n> a\n> b\n> c\n> d", 1);
        // To the relay; and to an agent, which may have commands of its own.
        check("/stop", "a", false, "/stop", 0);
        check("／停止", "a", false, "／停止", 0);
        check("/translate", "a", false, "/translate\n\n> a", 1);
        check("go on", "# One\n**two**", true, "go on\n\n> # One **two**", 0);
        check("go on", &"字".repeat(101), true, &format!("go on\n\n> {}…", "字".repeat(100)), 0);
        check("go on", &"字".repeat(101), false, &format!("go on\n\n> {}", "字".repeat(101)), 1);
    }
}
