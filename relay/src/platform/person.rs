//! What a platform says of one of its people when it is asked: its webhooks may hold ids alone.

use protocol::from_json;
use serde::Serialize;

use super::webhook::readable_name;
use super::{Account, HttpRequest, HttpResponse, Platform, feishu, wecom};

/// What a platform says of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Person {
    /// What they are called.
    pub name: Option<String>,
    /// Their picture, an `https:` address of at most [`AVATAR_BYTES_MAX`].
    pub avatar_url: Option<String>,
}

from_json! { struct Person { name, avatar_url } }

impl Person {
    pub(super) fn new(name: Option<String>, avatar_url: Option<String>) -> Person {
        let is_address = |url: &String| url.starts_with("https://") && url.len() <= AVATAR_BYTES_MAX;
        Person { name: name.and_then(|name| readable_name(&name)), avatar_url: avatar_url.filter(is_address) }
    }
}

/// The call that asks who a sender is; none: the platform has none, or says so with each message.
pub fn person_request(account: &Account, sender: &str) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Feishu(settings) => Some(feishu::person_request(settings, sender)),
        Platform::Wecom(settings) => Some(wecom::person_request(settings, sender)),
        _ => None,
    }
}

/// What the response to [`person_request`] says.
pub fn person(account: &Account, response: &HttpResponse) -> Person {
    match &account.platform {
        Platform::Feishu(_) => feishu::person(response),
        Platform::Wecom(_) => wecom::person(response),
        _ => Person::default(),
    }
}

/// Of an address of a picture.
const AVATAR_BYTES_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_shown_is_kept() {
        let check = |name: Option<&str>, url: Option<&str>, expected: (Option<&str>, Option<&str>)| {
            let person = Person::new(name.map(str::to_owned), url.map(str::to_owned));
            assert_eq!((person.name.as_deref(), person.avatar_url.as_deref()), expected);
        };
        let url = "https://s1-imfile.feishucdn.com/a.png";
        check(Some(" Ada\n"), Some(url), (Some("Ada"), Some(url)));
        check(None, Some("http://a.b/c.png"), (None, None));
        check(Some("\u{202e}"), Some("javascript:alert(1)"), (None, None));
        check(None, Some(&format!("https://{}", "a".repeat(AVATAR_BYTES_MAX))), (None, None));
    }
}
