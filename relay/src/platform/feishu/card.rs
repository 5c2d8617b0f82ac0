//! An answer as a card that grows while it is made (CardKit), with a button that stops it.
//!
//! A card is made, sent as the reply (once), changed by its text element, and in the end replaced whole, which ends its
//! streaming mode and takes the button away. Facts: a card lives 14 days; streaming mode ends by itself after 10 min;
//! `sequence` grows with every operation, gaps allowed; 30 KB as sent; scope `cardkit:card:write`. Source:
//! open.feishu.cn, "CardKit" and "Card JSON 2.0".

use protocol::json::{Json, Object, Writer};
use protocol::{ButtonStyle, object};

use super::{Answer, Settings, has_plain_letters, read_answer, sent_bytes, text_uuid};
use crate::platform::markdown::{self, Fence, Heading, Style, Table};
use crate::platform::{Auth, Choice, Draft, HttpRequest, HttpResponse, Outbound};
use crate::store::Origin;

/// Makes the card.
pub fn begin_draft(settings: &Settings, outbound: &Outbound) -> Option<HttpRequest> {
    if !settings.streaming {
        return None;
    }
    let body = object! { "type": "card_json", "data": unfinished(&outbound.text, &outbound.origin.message) };
    Some(HttpRequest::post(format!("{}/open-apis/cardkit/v1/cards", settings.api_base), body, Auth::Bearer))
}

/// The card's id, in the answer to [`begin_draft`].
pub fn drafted(response: &HttpResponse) -> Option<String> {
    id_of(response, "card_id")
}

/// Replies with the card. The same reply again is no second one, for an hour.
pub fn place_draft(settings: &Settings, outbound: &Outbound, card: &str) -> HttpRequest {
    let content = object! { "type": "card", "data": Card { card_id: card } };
    let Outbound { origin: Origin { account, message }, seq, question, .. } = outbound;
    let uuid = text_uuid(&format!("card:{account}:{message}:{}", question.unwrap_or(*seq)));
    let body = object! { "content": content, "msg_type": "interactive", "uuid": uuid };
    let url = format!("{}/open-apis/im/v1/messages/{}/reply", settings.api_base, outbound.origin.message);
    HttpRequest::post(url, body, Auth::Bearer)
}

/// The id of the message that holds the card, in the answer to [`place_draft`].
pub fn placed(response: &HttpResponse) -> Option<String> {
    id_of(response, "message_id")
}

/// Shows the text so far.
pub fn update_draft(settings: &Settings, outbound: &Outbound, draft: &Draft) -> HttpRequest {
    let url = format!("{}/elements/{ELEMENT}/content", address(settings, draft));
    let body = object! { "content": shown(&outbound.text), "sequence": draft.sequence };
    put(url, body)
}

/// Shows the whole answer, and that nothing follows; none if it does not fit.
pub fn end_draft(settings: &Settings, outbound: &Outbound, draft: &Draft) -> Option<HttpRequest> {
    let card = object! { "type": "card_json", "data": whole(outbound)? };
    let mut body = Writer::default();
    body.raw("\"card\":", &card);
    body.field("\"sequence\":", &draft.sequence);
    Some(put(address(settings, draft), body.end()))
}

/// Takes the card away again.
pub fn withdraw_draft(settings: &Settings, draft: &Draft) -> HttpRequest {
    let url = format!("{}/open-apis/im/v1/messages/{}", settings.api_base, draft.message);
    HttpRequest { method: "DELETE".into(), url, body: None, auth: Auth::Bearer }
}

/// A message with its buttons as a card, if it fits into one: its JSON.
pub fn whole(outbound: &Outbound) -> Option<String> {
    let card = finished(&outbound.text, buttons(outbound));
    (sent_bytes(&card) <= CARD_BYTES_MAX).then_some(card)
}

/// The same card once its buttons have their answer: `label` stood on the one that was pressed.
pub fn settled(text: &str, label: &str) -> String {
    let chosen = object! { "tag": "plain_text", "content": &*format!("✓ {label}") };
    finished(text, [format!(r#"{{"tag":"div","text":{chosen}}}"#)])
}

/// Which button was pressed.
pub fn choice(value: &Json) -> Option<Choice> {
    Choice::read(value.text(CHOICE)?)
}

/// The message whose answer a button on a card stops.
pub fn stopped_by(value: &Json) -> Option<&str> {
    value.text(STOP)
}

fn put(url: String, body: String) -> HttpRequest {
    HttpRequest { method: "PUT".into(), ..HttpRequest::post(url, body, Auth::Bearer) }
}

fn address(settings: &Settings, draft: &Draft) -> String {
    format!("{}/open-apis/cardkit/v1/cards/{}", settings.api_base, draft.handle)
}

fn id_of(response: &HttpResponse, name: &str) -> Option<String> {
    let Answer { code, mut fields, .. } = read_answer(response).ok()?;
    let id: String = fields.take("data").and_then(|mut data: Object| data.take(name)).ok().filter(|_| code == 0)?;
    // It becomes part of a path.
    Some(id).filter(|id| !id.is_empty() && has_plain_letters(id))
}

#[derive(serde::Serialize)]
struct Card<'a> {
    card_id: &'a str,
}

/// The card while the answer to `asked` is made, with a button that stops it.
fn unfinished(text: &str, asked: &str) -> String {
    let mut config = Writer::default();
    config.field("\"update_multi\":", &true);
    config.field("\"streaming_mode\":", &true);
    config.raw("\"summary\":", &object! { "content": SUMMARY });
    card(&config.end(), &shown(text), [button(STOP_LABEL, "default", STOP, asked)])
}

/// The card of a whole message.
fn finished(text: &str, below: impl IntoIterator<Item = String>) -> String {
    let style = if tables(text) > TABLES_MAX { &LINES } else { &STYLE };
    let text = markdown::render(&without_mentions(text), style);
    card(r#"{"update_multi":true,"streaming_mode":false}"#, &text, below)
}

fn card(config: &str, text: &str, below: impl IntoIterator<Item = String>) -> String {
    let text = object! { "tag": "markdown", "element_id": ELEMENT, "content": text };
    let elements: Vec<String> = std::iter::once(text).chain(below).collect();
    let mut card = Writer::default();
    card.field("\"schema\":", "2.0");
    card.raw("\"config\":", config);
    card.raw("\"body\":", &format!(r#"{{"elements":[{}]}}"#, elements.join(",")));
    card.end()
}

fn buttons(outbound: &Outbound) -> impl Iterator<Item = String> + '_ {
    outbound.buttons.iter().enumerate().map(|(index, button)| {
        let style = match button.style {
            ButtonStyle::Danger => "danger",
            ButtonStyle::Default => "default",
            ButtonStyle::Primary => "primary",
        };
        self::button(&button.label, style, CHOICE, &Choice::of(outbound, index, button).word())
    })
}

fn button(label: &str, style: &str, key: &str, says: &str) -> String {
    let label = object! { "tag": "plain_text", "content": label };
    let mut value = Writer::default();
    value.field(&format!("\"{key}\":"), says);
    let value = value.end();
    let behaviour = format!(r#"[{{"type":"callback","value":{value}}}]"#);
    format!(r#"{{"tag":"button","type":"{style}","size":"small","text":{label},"behaviors":{behaviour}}}"#)
}

/// What can be shown of an answer that is not whole: its beginning, if it is too long.
fn shown(text: &str) -> String {
    let mut end = text.len();
    loop {
        end = text.floor_char_boundary(end);
        let part = without_mentions(text.get(..end).unwrap_or_default());
        let style = if tables(&part) > TABLES_MAX { &LINES } else { &STYLE };
        let part = markdown::render(&part, style);
        if sent_bytes(&part) <= CARD_BYTES_MAX - FRAME_BYTES {
            // Nothing at all is refused.
            return if part.trim().is_empty() { "…".to_owned() } else { part };
        }
        end -= end / 8 + 1;
    }
}

/// In a card, `<at id=all>` would call everyone, whoever made the model say it.
pub(super) fn without_mentions(text: &str) -> String {
    text.replace("<at", "＜at").replace("</at", "＜/at")
}

/// How many tables there are: lines of bars and dashes.
fn tables(text: &str) -> usize {
    let is_rule = |line: &str| {
        let line = line.trim();
        line.contains('|') && line.contains("--") && line.bytes().all(|byte| b"|-: ".contains(&byte))
    };
    text.lines().filter(|line| is_rule(line)).count()
}

/// As cards have it; images would have to be uploaded first, and become links.
const STYLE: Style = Style {
    bold: ("**", "**"),
    bullet: "- ",
    code: ("`", "`"),
    fence: Fence::Kept,
    heading: Heading::Marks,
    italic: ("*", "*"),
    link: |text, url| format!("[{text}]({url})"),
    strike: ("~~", "~~"),
    table: Table::Kept,
    ..markdown::PLAIN
};
const LINES: Style = Style { table: Table::Lines, ..STYLE };
const ELEMENT: &str = "answer";
/// The key of the button's value.
const STOP: &str = "stop";
/// The same for one of an answer's.
const CHOICE: &str = "choice";
const STOP_LABEL: &str = "⏹ 停止 · Stop";
/// What the list of chats shows meanwhile.
const SUMMARY: &str = "正在回答… · answering…";
/// A card as sent, in bytes, with room for what stands around it: 30 KB, "Card JSON 2.0".
const CARD_BYTES_MAX: usize = 28_000;
/// What a card has beside its text.
const FRAME_BYTES: usize = 1_000;
/// More are refused (230099, sub code 11310); the limit is not documented.
const TABLES_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use protocol::Seq;
    use serde_json::{Value, json};

    use super::*;

    fn outbound(text: &str) -> Outbound {
        let origin = Origin { account: "main".parse().unwrap(), message: "om_1".into() };
        let (conversation, question) = ("feishu:main:oc_1".parse().unwrap(), Some(Seq(7)));
        Outbound::text(origin, conversation, Seq(9), text.into(), question)
    }

    fn settings(streaming: bool) -> Settings {
        let settings = json!({ "app_id": "cli_1", "app_secret": "s", "streaming": streaming });
        serde_json::from_value(settings).unwrap()
    }

    fn draft() -> Draft {
        Draft { message: "om_2".into(), sequence: 7, ..Draft::new("card_1".into(), protocol::Timestamp(0)) }
    }

    fn body(request: &HttpRequest) -> Value {
        serde_json::from_str(request.body.as_deref().unwrap()).unwrap()
    }

    fn parsed(text: &Value) -> Value {
        serde_json::from_str(text.as_str().unwrap()).unwrap()
    }

    #[test]
    fn a_card_has_a_button_until_it_is_the_answer() {
        assert_eq!(begin_draft(&settings(false), &outbound("x")), None);
        let made = begin_draft(&settings(true), &outbound("# Hi <at id=all></at>")).unwrap();
        assert_eq!(made.url, "https://open.feishu.cn/open-apis/cardkit/v1/cards");
        let card = parsed(&body(&made)["data"]);
        assert_eq!(card["config"]["streaming_mode"], true);
        let elements = &card["body"]["elements"];
        assert_eq!(elements[0]["content"], "# Hi ＜at id=all>＜/at>");
        assert_eq!(elements[1]["behaviors"], json!([{ "type": "callback", "value": { "stop": "om_1" } }]));
        let pressed = |value: Value| stopped_by(&protocol::json::parse(&value.to_string()).unwrap()).map(str::to_owned);
        assert_eq!(pressed(elements[1]["behaviors"][0]["value"].clone()).as_deref(), Some("om_1"));
        assert_eq!(pressed(json!({ "choice": "om_1" })), None);
        let update = update_draft(&settings(true), &outbound("x"), &draft());
        assert_eq!(update.url, "https://open.feishu.cn/open-apis/cardkit/v1/cards/card_1/elements/answer/content");
        let whole = end_draft(&settings(true), &outbound("done"), &draft()).unwrap();
        assert_eq!(whole.url, "https://open.feishu.cn/open-apis/cardkit/v1/cards/card_1");
        assert_eq!((whole.method.as_str(), &body(&whole)["sequence"]), ("PUT", &json!(7)));
        let card = parsed(&body(&whole)["card"]["data"]);
        assert_eq!(card["config"], json!({ "update_multi": true, "streaming_mode": false }));
        assert_eq!(card["body"]["elements"].as_array().unwrap().len(), 1);
        // Also where it is sent for the answer, and not for the draft.
        let again = Outbound { seq: Seq(7), ..outbound("x") };
        let place = |outbound: &Outbound| body(&place_draft(&settings(true), outbound, "card_1"));
        assert_eq!(place(&outbound("y"))["uuid"], place(&again)["uuid"]);
        assert_eq!(parsed(&place(&again)["content"]), json!({ "type": "card", "data": { "card_id": "card_1" } }));
    }

    #[test]
    fn only_what_fits_is_shown() {
        let long = "\"好\"\n".repeat(8_000);
        let update = update_draft(&settings(true), &outbound(&long), &draft());
        let shown = body(&update)["content"].as_str().unwrap().to_owned();
        assert!(long.starts_with(&shown) && (10_000..CARD_BYTES_MAX).contains(&shown.len()), "{}", shown.len());
        assert_eq!(end_draft(&settings(true), &outbound(&long), &draft()), None);
        assert_eq!(body(&update_draft(&settings(true), &outbound("  "), &draft()))["content"], "…");
        let fits = "x".repeat(CARD_BYTES_MAX - FRAME_BYTES);
        assert_eq!(super::shown(&fits), fits);
        assert!(super::shown(&(fits.clone() + "x")).len() < fits.len());
        assert!(end_draft(&settings(true), &outbound(&fits), &draft()).unwrap().body.unwrap().len() <= 30_000);
    }

    /// Cards have Markdown of their own: it stays as it is written, but for pictures.
    #[test]
    fn what_a_card_can_show_stays_as_it_is() {
        let text = "# h\n\n**b** *i* `c` ~~s~~ [t](https://u.v)\n\n- x\n\n```rust\ny\n```";
        let card: Value = serde_json::from_str(&finished(text, [])).unwrap();
        assert_eq!(card["body"]["elements"][0]["content"], text);
        let card = finished("![p](https://u.v/p.png)", []);
        assert!(card.contains("[🖼 p](https://u.v/p.png)") && !card.contains("!["), "{card}");
    }

    /// Each button says by itself which one it is; a press brings that back.
    #[test]
    fn a_card_has_its_buttons() {
        let button = |label: &str, style| protocol::Button { label: label.into(), text: format!("say {label}"), style };
        let buttons = vec![
            button("Yes", ButtonStyle::Primary),
            button("No", ButtonStyle::Danger),
            button("Later", ButtonStyle::Default),
        ];
        let asked = Outbound { buttons: buttons.clone(), ..outbound("Go?") };
        let card: Value = serde_json::from_str(&whole(&asked).unwrap()).unwrap();
        let elements = card["body"]["elements"].as_array().unwrap();
        let looks = |element: &Value| (element["text"]["content"].clone(), element["type"].clone());
        let shown: Vec<_> = elements.iter().skip(1).map(looks).collect();
        assert_eq!(
            shown,
            [("Yes", "primary"), ("No", "danger"), ("Later", "default")].map(|(a, b)| (json!(a), json!(b)))
        );
        let choices = elements.iter().skip(1).zip(&buttons).enumerate().map(|(index, (element, button))| {
            let value = protocol::json::parse(&element["behaviors"][0]["value"].to_string()).unwrap();
            choice(&value) == Some(Choice::of(&asked, index, button))
        });
        assert!(choices.eq([true; 3]));
    }

    #[test]
    fn more_tables_than_a_card_takes_are_lines() {
        let table = "| a | b |\n|---|---|\n| 1 | 2 |\n\n";
        let shown =
            |count| body(&update_draft(&settings(true), &outbound(&table.repeat(count)), &draft()))["content"].clone();
        assert_eq!(shown(3).as_str().unwrap().matches("|---|---|").count(), 3);
        assert!(!shown(4).as_str().unwrap().contains("---"));
        assert_eq!(finished(&table.repeat(3), []).matches("|---|---|").count(), 3);
        assert!(!finished(&table.repeat(4), []).contains("---"));
        assert!(!finished(&table.repeat(5), []).contains("---"));
        assert_eq!(tables("a - b | c\n---\n| - |\n|:--|--:|"), 1);
    }

    #[test]
    fn ids_that_are_none_are_refused() {
        let answer = |body: Value| HttpResponse { status: 200, retry_after_s: None, body: body.to_string() };
        assert_eq!(drafted(&answer(json!({ "code": 0, "data": { "card_id": "7-a_B" } }))), Some("7-a_B".into()));
        assert_eq!(placed(&answer(json!({ "code": 0, "data": { "message_id": "om_3" } }))), Some("om_3".into()));
        assert_eq!(placed(&answer(json!({ "code": 0, "data": { "message_id": "om/3" } }))), None);
        for body in [
            json!({ "code": 0, "data": { "card_id": "../x" } }),
            json!({ "code": 0, "data": { "card_id": "" } }),
            json!({ "code": 1, "data": { "card_id": "7" } }),
            json!({ "code": 0 }),
        ] {
            assert_eq!(drafted(&answer(body.clone())), None, "{body}");
        }
    }
}
