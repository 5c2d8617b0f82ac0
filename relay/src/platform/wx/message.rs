//! Messages as apps and official accounts get and give them.

use super::media::attached;
use super::{Fields, cdata};
use crate::platform::webhook::missing;
use crate::platform::{Attached, Fresh, Malformed, markdown};

/// What was proved: a body, or what an address check wants to hear.
pub(in crate::platform) enum Checked {
    Challenge(String),
    Event(Fields),
}

/// What a request to the webhook holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The platform checks the address.
    Challenge(String),
    /// A message, or a button of the menu.
    Message {
        /// `MsgId`; events have none, and are known by who, when and what.
        id: String,
        /// `FromUserName`: a member's id, or a reader's openid.
        from: String,
        /// `ToUserName`: the company, or the account's own id, `gh_…`.
        to: String,
        /// What it says, if it can be said in words.
        text: Option<String>,
        /// What comes with it.
        file: Option<Attached>,
    },
    /// Something that is no message, by its kind: `subscribe`, `enter_agent`, `VIEW` …
    Other(String),
    /// A button on a card was pressed (`template_card_event`).
    Pressed {
        /// Who.
        from: String,
        /// What came back with it: `EventKey`.
        key: String,
    },
    /// Somebody follows, or may see the app from now on.
    Followed {
        /// Who.
        from: String,
        /// The account or app.
        to: String,
    },
}

/// Reads what was proved.
pub(in crate::platform) fn read_event(checked: Checked) -> Result<Event, Malformed> {
    let fields = match checked {
        Checked::Challenge(challenge) => return Ok(Event::Challenge(challenge)),
        Checked::Event(fields) => fields,
    };
    let get = |name: &str| fields.get(name).map(str::to_owned);
    let or_empty = |name: &str| get(name).unwrap_or_default();
    let required = |name: &str| get(name).ok_or_else(|| missing(name));
    let (kind, from, to) = (required("MsgType")?, required("FromUserName")?, required("ToUserName")?);
    if kind == "event" {
        let event = required("Event")?;
        if event == "subscribe" {
            return Ok(Event::Followed { from, to });
        }
        if event == "template_card_event" {
            return Ok(Event::Pressed { from, key: required("EventKey")? });
        }
        // A button of the menu says its key, which the operator chose.
        if !event.eq_ignore_ascii_case("click") {
            return Ok(Event::Other(event));
        }
        let key = required("EventKey")?;
        let id = [&from, "/", &required("CreateTime")?, "/", &key].concat();
        return Ok(Event::Message { id, from, to, text: Some(key), file: None });
    }
    let text = match kind.as_str() {
        "text" => Some(or_empty("Content")),
        // Only of accounts that have speech recognition, and not always.
        "voice" => get("Recognition"),
        "link" => Some(markdown::link(&or_empty("Title"), &required("Url")?)),
        "location" => {
            let (place, x, y) = (or_empty("Label"), required("Location_X")?, required("Location_Y")?);
            Some(["📍 ", &place, " (", &x, ", ", &y, ")"].concat())
        }
        _ => None,
    };
    Ok(Event::Message { id: required("MsgId")?, from, to, text, file: attached(&kind, &fields) })
}

/// A text in a callback's own response.
pub(in crate::platform) fn text_message(to: &str, from: &str, content: &str, fresh: &Fresh) -> String {
    message(to, from, "text", &format!("<Content>{}</Content>", cdata(content)), fresh)
}

/// What stands on a button from now on that was pressed, in the response to that ("更新点击用户的按钮文案").
pub(in crate::platform) fn button_message(to: &str, from: &str, label: &str, fresh: &Fresh) -> String {
    let button = format!("<Button><ReplaceName>{}</ReplaceName></Button>", cdata(label));
    message(to, from, "update_button", &button, fresh)
}

fn message(to: &str, from: &str, kind: &str, content: &str, fresh: &Fresh) -> String {
    let (to, from, seconds) = (cdata(to), cdata(from), fresh.now.0 / 1000);
    format!(
        "<xml><ToUserName>{to}</ToUserName><FromUserName>{from}</FromUserName><CreateTime>{seconds}</CreateTime>\
         <MsgType><![CDATA[{kind}]]></MsgType>{content}</xml>"
    )
}
