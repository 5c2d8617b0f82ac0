//! What a message replies to, as its agent reads it: behind the message, in Markdown's way of quoting.

use super::webhook::fit;
use super::{Account, Attached, HttpRequest, HttpResponse, Platform, feishu};
use crate::store::Question;

/// What a message replies to.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    let quoted = quoted.unwrap_or_else(|| Quoted { text: UNREAD.to_owned(), attached: Vec::new(), is_own: false });
    attached.extend(quoted.attached);
    let mut text = quoting(&question.text, &quoted.text, quoted.is_own);
    if text.is_empty() && attached.is_empty() {
        text = quoting("", UNREAD, false);
    }
    question.text = fit(text, attached);
}

/// A text with what it quotes behind it, since a mention stands at its beginning. Of what the bot itself said, which
/// its agent has, as much as shows which answer is meant. A command stays as it is.
pub(super) fn quoting(text: &str, quoted: &str, is_own: bool) -> String {
    let (text, quoted) = (text.trim(), quoted.trim());
    if quoted.is_empty() || text.starts_with('/') {
        return text.to_owned();
    }
    let quoted = if is_own { beginning(quoted) } else { quoted.to_owned() };
    let lines = quoted.replace('\n', "\n> ");
    if text.is_empty() { ["> ", &lines].concat() } else { [text, "\n\n> ", &lines].concat() }
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
        let check = |text: &str, quoted: &str, is_own: bool, expected: &str| {
            assert_eq!(quoting(text, quoted, is_own), expected);
        };
        check("why? ", "a\n\nb\n", false, "why?\n\n> a\n> \n> b");
        check("", "look", false, "> look");
        check("why?", " ", false, "why?");
        check("/stop", "a long answer", true, "/stop");
        check("go on", "# One\n**two**", true, "go on\n\n> # One **two**");
        check("go on", &"字".repeat(101), true, &format!("go on\n\n> {}…", "字".repeat(100)));
        check("go on", &"字".repeat(101), false, &format!("go on\n\n> {}", "字".repeat(101)));
    }
}
