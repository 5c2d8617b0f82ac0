//! What an app may do in its organisation, as Feishu says it: "Query the authorization status of a tenant"
//! (`application/v6/scopes`), which needs no scope itself.

use protocol::json::{FromJson, Json, Object};

use super::{Settings, read_answer};
use crate::platform::{Auth, HttpRequest, HttpResponse};

/// Asks which scopes the organisation granted.
pub fn scopes_request(settings: &Settings) -> HttpRequest {
    HttpRequest::get(format!("{}/open-apis/application/v6/scopes", settings.api_base), Auth::Bearer)
}

/// Whether the bot may do what it cannot do without, and what it may not.
pub fn scopes_told(settings: &Settings, response: &HttpResponse) -> Result<(bool, String), String> {
    let mut answer = read_answer(response)?;
    if answer.code != 0 {
        return Err(answer.why());
    }
    let scopes = answer.fields.take("data").and_then(|mut data: Object| data.take::<Vec<Json>>("scopes"));
    let scopes = scopes.map_err(|wrong| format!("Feishu's scopes: {wrong}"))?;
    let is_granted = |name: &&str| {
        let says = |scope: &&Json| {
            let granted = scope.get("grant_status").is_some_and(|status| u64::from_json(status.clone()) == Ok(1));
            scope.text("scope_name") == Some(*name) && granted && scope.text("scope_type") != Some("user")
        };
        scopes.iter().find(says).is_some()
    };
    let is_used = |need: &&Need| settings.streaming || !need.is_for_streaming;
    let missing: Vec<&Need> = NEEDS.iter().filter(is_used).filter(|need| !need.any_of.iter().any(is_granted)).collect();
    let Some((first, _)) = missing.split_first() else { return Ok((true, "all that it uses are granted".to_owned())) };
    let names = |need: &&Need| format!("{} ({})", need.any_of.first().copied().unwrap_or_default(), need.what);
    let is_enough = !first.is_required;
    Ok((is_enough, format!("missing: {}", missing.iter().map(names).collect::<Vec<_>>().join(", "))))
}

/// Something that takes one of these scopes.
struct Need {
    /// The narrowest one first, which people are told to add.
    any_of: &'static [&'static str],
    /// Without it the bot is of no use.
    is_required: bool,
    /// Only where answers are shown while they are made.
    is_for_streaming: bool,
    what: &'static str,
}

/// Those that are required come first. As the page of each event and call names them.
const NEEDS: &[Need] = &[
    Need {
        any_of: &["im:message:send_as_bot", "im:message", "im:message:send"],
        is_required: true,
        is_for_streaming: false,
        what: "answers",
    },
    Need {
        any_of: &["im:message.p2p_msg:readonly", "im:message.p2p_msg"],
        is_required: true,
        is_for_streaming: false,
        what: "what is written to the bot",
    },
    Need {
        any_of: &["im:message.group_at_msg:readonly", "im:message.group_at_msg", "im:message.group_msg"],
        is_required: false,
        is_for_streaming: false,
        what: "groups that mention it",
    },
    Need {
        any_of: &["im:message:readonly", "im:message"],
        is_required: false,
        is_for_streaming: false,
        what: "what a message replies to",
    },
    Need { any_of: &["im:resource"], is_required: false, is_for_streaming: false, what: "files" },
    Need {
        any_of: &["contact:user.base:readonly"],
        is_required: false,
        is_for_streaming: false,
        what: "what people are called",
    },
    Need { any_of: &["cardkit:card:write"], is_required: false, is_for_streaming: true, what: "answers that grow" },
    Need {
        any_of: &["im:message.reactions:write_only", "im:message"],
        is_required: false,
        is_for_streaming: true,
        what: "the reaction that an answer is being made",
    },
];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_missing_is_named_and_weighed() {
        let told = |streaming: bool, granted: &[(&str, u64, &str)]| {
            let scope = |&(name, status, kind): &(&str, u64, &str)| json!({ "scope_name": name, "grant_status": status, "scope_type": kind });
            let scopes: Vec<Value> = granted.iter().map(scope).collect();
            let body = json!({ "code": 0, "msg": "success", "data": { "scopes": scopes } }).to_string();
            let settings = json!({ "app_id": "cli_1", "app_secret": "s", "streaming": streaming });
            let settings: Settings = serde_json::from_value(settings).unwrap();
            scopes_told(&settings, &HttpResponse { status: 200, retry_after_s: None, body }).unwrap()
        };
        let all: Vec<(&str, u64, &str)> = NEEDS.iter().map(|need| (need.any_of[0], 1, "tenant")).collect();
        assert_eq!(told(true, &all), (true, "all that it uses are granted".to_owned()));
        // Broader ones do as well; those of a person's token, or that wait for an administrator, do not.
        let broad = [("im:message", 1, "tenant"), ("im:message.p2p_msg", 1, "tenant"), ("im:resource", 2, "tenant")];
        let (ok, detail) = told(false, &[&broad[..], &[("contact:user.base:readonly", 1, "user")]].concat());
        assert_eq!(
            (ok, detail.as_str()),
            (
                true,
                "missing: im:message.group_at_msg:readonly (groups that mention it), im:resource (files), \
                 contact:user.base:readonly (what people are called)"
            )
        );
        let (ok, detail) = told(true, &[("im:message", 1, "tenant")]);
        assert!(!ok && detail.contains("im:message.p2p_msg:readonly (what is written to the bot)"), "{detail}");
        assert!(detail.contains("cardkit:card:write") && !detail.contains("reactions"), "{detail}");
    }

    #[test]
    fn a_refusal_is_no_answer() {
        let settings: Settings = serde_json::from_value(json!({ "app_id": "cli_1", "app_secret": "s" })).unwrap();
        let told = |body: Value| {
            scopes_told(&settings, &HttpResponse { status: 400, retry_after_s: None, body: body.to_string() })
        };
        assert_eq!(
            told(json!({ "code": 212100, "msg": "app not install" })),
            Err("Feishu 212100: app not install".into())
        );
        assert!(told(json!({ "code": 0, "data": {} })).unwrap_err().contains("scopes"));
    }
}
