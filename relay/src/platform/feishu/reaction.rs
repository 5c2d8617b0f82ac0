//! A question that is being answered has a reaction of the bot's, "Typing". Scopes: `im:message.reactions:write_only`, and
//! `im:message.reactions:read` to find one again. Source: open.feishu.cn, "Add a reaction", "Obtain reactions", "Delete a
//! reaction".

use protocol::json::{FromJson, Json, Object};
use protocol::object;

use super::{Settings, is_chat, read_answer};
use crate::platform::encoding::percent;
use crate::platform::{Auth, HttpRequest, HttpResponse};
use crate::store::Origin;

/// Adds the reaction; none: the operator wants no answers shown while they are made, or there is no message to react to.
pub fn mark(settings: &Settings, origin: &Origin) -> Option<HttpRequest> {
    let url = reactions(settings, origin)?;
    let body = format!(r#"{{"reaction_type":{}}}"#, object! { "emoji_type": TYPING });
    Some(HttpRequest::post(url, body, Auth::Bearer))
}

/// The reaction's id, in the response to [`mark`].
pub fn marked(response: &HttpResponse) -> Option<String> {
    data(response)?.take("reaction_id").ok()
}

/// Lists the reactions of that kind: people's too.
pub fn find_mark(settings: &Settings, origin: &Origin) -> Option<HttpRequest> {
    let url = format!("{}?reaction_type={TYPING}&page_size=50", reactions(settings, origin)?);
    Some(HttpRequest::get(url, Auth::Bearer))
}

/// The bot's own, in the response to [`find_mark`].
pub fn found_mark(settings: &Settings, response: &HttpResponse) -> Option<String> {
    let items: Vec<Json> = data(response)?.take("items").ok()?;
    let is_own = |item: &&Json| {
        let by = item.get("operator");
        let says = |key, expected| by.and_then(|by| by.text(key)) == Some(expected);
        says("operator_type", "app") && says("operator_id", settings.app_id.as_str())
    };
    items.iter().find(is_own)?.text("reaction_id").map(str::to_owned)
}

/// Takes the reaction away.
pub fn unmark(settings: &Settings, origin: &Origin, mark: &str) -> HttpRequest {
    let (base, message) = (&settings.api_base, &origin.message);
    let url = format!("{base}/open-apis/im/v1/messages/{message}/reactions/{}", percent(mark));
    HttpRequest { method: "DELETE".into(), url, body: None, auth: Auth::Bearer }
}

fn reactions(settings: &Settings, origin: &Origin) -> Option<String> {
    let message = Some(&origin.message).filter(|message| settings.streaming && !is_chat(message))?;
    Some(format!("{}/open-apis/im/v1/messages/{message}/reactions", settings.api_base))
}

fn data(response: &HttpResponse) -> Option<Object> {
    let mut answer = read_answer(response).ok().filter(|answer| answer.code == 0)?;
    answer.fields.take("data").and_then(Object::from_json).ok()
}

/// "Emoji reference".
const TYPING: &str = "Typing";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(streaming: bool) -> Settings {
        serde_json::from_value(json!({ "app_id": "cli_1", "app_secret": "s", "streaming": streaming })).unwrap()
    }

    fn origin(message: &str) -> Origin {
        Origin { account: "main".parse().unwrap(), message: message.into() }
    }

    fn answer(body: Value) -> HttpResponse {
        HttpResponse { status: 200, retry_after_s: None, body: body.to_string() }
    }

    #[test]
    fn a_question_is_marked_and_unmarked() {
        let url = "https://open.feishu.cn/open-apis/im/v1/messages/om_1/reactions";
        let made = mark(&settings(true), &origin("om_1")).unwrap();
        assert_eq!((made.method.as_str(), made.url.as_str()), ("POST", url));
        assert_eq!(made.body.as_deref(), Some(r#"{"reaction_type":{"emoji_type":"Typing"}}"#));
        let id = marked(&answer(json!({ "code": 0, "data": { "reaction_id": "ZCaC-3/Z=" } }))).unwrap();
        let gone = unmark(&settings(true), &origin("om_1"), &id);
        assert_eq!((gone.method.as_str(), gone.url), ("DELETE", format!("{url}/ZCaC-3%2FZ%3D")));
        let sought = find_mark(&settings(true), &origin("om_1")).unwrap();
        assert_eq!(sought, HttpRequest::get(format!("{url}?reaction_type=Typing&page_size=50"), Auth::Bearer));
        // Not what a bot says hello to, nor where answers come whole.
        for (streaming, message) in [(true, "oc_1"), (false, "om_1")] {
            assert_eq!(mark(&settings(streaming), &origin(message)), None);
            assert_eq!(find_mark(&settings(streaming), &origin(message)), None);
        }
        assert_eq!(marked(&answer(json!({ "code": 231003, "data": { "reaction_id": "x" } }))), None);
    }

    #[test]
    fn only_its_own_mark_is_found() {
        let item = |id: &str, kind: &str, by: &str| json!({ "reaction_id": id, "operator": { "operator_id": by, "operator_type": kind } });
        let found = |items: &[Value]| {
            found_mark(&settings(true), &answer(json!({ "code": 0, "data": { "has_more": false, "items": items } })))
        };
        let others = [item("r1", "user", "ou_a"), item("r2", "app", "cli_2"), item("r3", "user", "cli_1")];
        assert_eq!(found(&others), None);
        assert_eq!(found(&[&others[..], &[item("r4", "app", "cli_1")]].concat()), Some("r4".into()));
        assert_eq!(found(&[]), None);
    }
}
