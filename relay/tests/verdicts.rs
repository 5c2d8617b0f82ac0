//! What each platform's responses mean: to a message, to a request for a token, about the bot, about a person.

use crate::support::accounts::{self, account};
use relay::platform::{self, Account, HttpResponse, NoToken, Person, Sent, Verdict};
use serde_json::{Value, json};

/// The response of a platform: a code of its own with the words "said", or another body as it is.
fn response(platform: &str, status: u16, body: &str) -> HttpResponse {
    let code = body.parse::<i64>();
    let body = match (platform, code) {
        _ if body.starts_with(['{', '<']) => body.to_owned(),
        ("dingtalk", _) => json!({ "code": body, "message": "said" }).to_string(),
        ("feishu", Ok(code)) => json!({ "code": code, "msg": "said" }).to_string(),
        ("qq", Ok(code)) => json!({ "err_code": code, "message": "said" }).to_string(),
        ("telegram", Ok(code)) => json!({ "ok": false, "error_code": code, "description": "said" }).to_string(),
        (_, Ok(code)) => json!({ "errcode": code, "errmsg": "said" }).to_string(),
        other => panic!("{other:?}"),
    };
    HttpResponse { status, retry_after_s: Some(7), body }
}

/// What became of a message, and why.
fn verdict(platform: &str, response: &HttpResponse) -> (&'static str, String) {
    match platform::verdict(&account(platform), response) {
        Verdict::Sent(Sent::Taken) => ("taken", String::new()),
        Verdict::Sent(Sent::Later { after_ms, why }) => {
            assert_eq!(after_ms, Some(7_000), "{platform}: {response:?}");
            ("later", why)
        }
        Verdict::Sent(Sent::Refused(why)) => ("refused", why),
        Verdict::TokenExpired => ("token", String::new()),
        other => panic!("{platform}: {other:?}"),
    }
}

/// A token and its life, or why there is none.
fn token(platform: &str, response: &HttpResponse) -> (String, String) {
    match platform::token(&account(platform), response) {
        Ok(token) => (format!("{} {}", token.value, token.life_ms), String::new()),
        Err(NoToken::Later(why)) => ("later".into(), why),
        Err(NoToken::Refused(why)) => ("refused".into(), why),
    }
}

#[test]
fn a_response_says_what_became_of_a_message() {
    for (platform, status, bodies, expected) in [
        ("dingtalk", 200, &["{}", r#"{"processQueryKey":"x","invalidStaffIdList":[]}"#][..], "taken"),
        ("dingtalk", 399, &["{}"], "taken"),
        ("dingtalk", 401, &["InvalidAuthentication", "Forbidden.InvalidAuthentication"], "token"),
        ("dingtalk", 400, &["40014", "42001"], "token"),
        ("dingtalk", 403, &["Throttling.Api", "Forbidden.AccessDenied.QpsLimitForApi"], "later"),
        ("dingtalk", 500, &["x", "{}", "<html>"], "later"),
        ("dingtalk", 429, &["x", "{}"], "later"),
        ("dingtalk", 200, &["<html>", r#"{"flowControlledStaffIdList":["a"]}"#], "later"),
        ("dingtalk", 200, &["x", r#"{"invalidStaffIdList":["a"]}"#], "refused"),
        ("dingtalk", 400, &["x", "{}"], "refused"),
        ("dingtalk", 499, &["x"], "refused"),
        ("feishu", 200, &["0"], "taken"),
        ("feishu", 400, &["99991663", "99991664", "99991677"], "token"),
        ("feishu", 400, &["230020", "230049", "99991400"], "later"),
        ("feishu", 200, &["{}", "<html>", "230020"], "later"),
        ("feishu", 500, &["230002", "1"], "later"),
        ("feishu", 429, &["230002"], "later"),
        ("feishu", 400, &["230001", "230002", "230022", "99991403"], "refused"),
        ("feishu", 499, &["230002"], "refused"),
        ("feishu", 200, &["230002"], "refused"),
        ("qq", 200, &[r#"{"id":"m"}"#], "taken"),
        ("qq", 299, &["{}", "0"], "taken"),
        // Taken before, or waiting for the censors.
        ("qq", 400, &["40054005", "304023", "304024", r#"{"code":304023}"#], "taken"),
        ("qq", 400, &["11241", "11242", "11243"], "token"),
        ("qq", 401, &["{}", "<html>", "1"], "token"),
        ("qq", 400, &["22009", "50001", "50002", "304010", "304017", "304021"], "later"),
        ("qq", 400, &["40034004", "40034100", "40054006", "50055001", "50055002", "50055006"], "later"),
        ("qq", 500, &["1", "{}", "<html>"], "later"),
        ("qq", 429, &["1", "{}", "<html>"], "later"),
        ("qq", 200, &["<html>"], "later"),
        ("qq", 300, &["{}"], "refused"),
        ("qq", 400, &["1", "{}", "11240", "11244"], "refused"),
        ("qq", 499, &["1"], "refused"),
        ("telegram", 200, &[r#"{"ok":true,"result":{}}"#], "taken"),
        ("telegram", 429, &["429", "{}"], "later"),
        ("telegram", 500, &["500", "{}"], "later"),
        ("telegram", 200, &["<html>"], "later"),
        ("telegram", 400, &["400", "{}"], "refused"),
        ("telegram", 403, &["403", "{}"], "refused"),
        ("wechat", 200, &["0", r#"{"media_id":"m"}"#], "taken"),
        ("wechat", 200, &["40001", "40014", "42001"], "token"),
        ("wechat", 200, &["-1", "45009", "45011", "{}", "<html>"], "later"),
        ("wechat", 500, &["45002", "-1"], "later"),
        ("wechat", 400, &["0", r#"{"media_id":"m"}"#], "later"),
        ("wechat", 200, &["45002", "45015", "45033"], "refused"),
        ("wechat", 400, &["45002"], "refused"),
        ("wechat", 499, &["45002"], "refused"),
        ("wecom", 200, &["0", r#"{"errcode":0,"invaliduser":""}"#], "taken"),
        ("wecom", 399, &["0"], "taken"),
        ("wecom", 200, &["40001", "40014", "42001"], "token"),
        ("wecom", 200, &["-1", "45009", "45033", "{}", "<html>"], "later"),
        ("wecom", 500, &["40058", "-1"], "later"),
        ("wecom", 400, &["0"], "later"),
        ("wecom", 200, &["40058", "45011", r#"{"errcode":0,"invaliduser":"alice"}"#], "refused"),
        ("wecom", 499, &["40058"], "refused"),
        ("wecom-bot", 200, &["0"], "taken"),
        ("wecom-bot", 200, &["-1", "45009", "45033", "{}", "<html>"], "later"),
        ("wecom-bot", 500, &["40058"], "later"),
        ("wecom-bot", 400, &["0"], "later"),
        // It has no token.
        ("wecom-bot", 200, &["40058", "40001", "42001"], "refused"),
        ("wecom-bot", 499, &["40058"], "refused"),
    ] {
        for body in bodies {
            let (actual, why) = verdict(platform, &response(platform, status, body));
            assert_eq!(actual, expected, "{platform} {status} {body}: {why}");
            // Whoever reads it finds the platform's own words, or what came instead of them.
            let is_told = match body.as_bytes()[0] {
                b'<' => why.contains(&format!("answered HTTP {status} without")),
                b'{' => !why.is_empty(),
                _ if *body == "0" => why.contains(&status.to_string()),
                _ => why.contains(&format!("{body}: said")),
            };
            assert!(is_told || ["taken", "token"].contains(&expected), "{platform} {status} {body}: {why}");
        }
    }
}

/// What people can do about it stands beside the platform's words, and nothing where there is nothing to do.
#[test]
fn refusals_say_what_to_do() {
    for (platform, codes, hint) in [
        ("dingtalk", &["x"][..], ""),
        ("feishu", &["230002"], ""),
        ("qq", &["100007", "100016", "10004"], "check app_id and app_secret"),
        ("qq", &["11298"], "IP whitelist"),
        ("qq", &["22006", "40034006", "40054013"], "does not allow the content"),
        ("qq", &["40054002", "40054003", "40054004", "40034101", "40034105"], "muted or not there"),
        (
            "qq",
            &["304103", "304026", "304027", "304028", "40034005", "40034024", "40034025"],
            "number of replies is over",
        ),
        ("qq", &["40034026", "40034027", "40034128"], "number of replies is over"),
        ("qq", &["1", "304025", "304029", "40034023", "40034028", "40054001", "40054007"], ""),
        ("telegram", &["403"], "blocked or removed"),
        ("telegram", &["400"], ""),
        ("wechat", &["40013", "40125"], "check app_id and app_secret"),
        ("wechat", &["40164", "61004"], "IP whitelist"),
        ("wechat", &["40003", "43004", "43019"], "does not follow"),
        ("wechat", &["45015"], "within 48 h"),
        ("wechat", &["45047"], "5 answers at most"),
        ("wechat", &["48001"], "set customer_service to false"),
        ("wechat", &["45002"], ""),
        ("wecom", &["40013"], "check corp_id and secret"),
        ("wecom", &["48002"], "may not call this API"),
        ("wecom", &["60011", "81013", r#"{"errcode":0,"invaliduser":"alice"}"#], "visible range"),
        ("wecom", &["60020"], "trusted IPs"),
        ("wecom", &["40058"], ""),
        ("wecom-bot", &["40058", "60020"], ""),
    ] {
        for code in codes {
            let (_, why) = verdict(platform, &response(platform, 200, code));
            assert!(why.contains(hint) && why.contains('(') != hint.is_empty(), "{platform} {code}: {why}");
        }
    }
}

#[test]
fn a_response_holds_a_token_or_says_why_not() {
    let (wechat, feishu) =
        (r#"{"access_token":"t","expires_in":7200}"#, r#"{"code":0,"tenant_access_token":"t","expire":7200}"#);
    for (platform, status, bodies, expected, hint) in [
        ("dingtalk", 200, &[r#"{"accessToken":"t","expireIn":7200}"#][..], "t 7200000", ""),
        ("dingtalk", 400, &["invalidClientIdOrSecret"], "refused", "said"),
        ("dingtalk", 499, &["x"], "refused", "said"),
        ("dingtalk", 500, &["x"], "later", "said"),
        ("dingtalk", 429, &["x"], "later", "said"),
        ("dingtalk", 400, &["{}", "<html>"], "later", "400"),
        ("feishu", 200, &[feishu], "t 7200000", ""),
        ("feishu", 400, &["10003", "10014"], "refused", "said"),
        ("feishu", 200, &["10003"], "refused", "said"),
        ("feishu", 499, &["10003"], "refused", "said"),
        ("feishu", 500, &["10003"], "later", "said"),
        ("feishu", 429, &["10003"], "later", "said"),
        ("feishu", 400, &["99991400"], "later", "said"),
        ("feishu", 200, &["0"], "later", "tenant_access_token"),
        ("feishu", 502, &["<html>"], "later", "502"),
        // QQ gives the same one until its last minute: it is asked for again 4 min 10 s later than others.
        ("qq", 200, &[r#"{"access_token":"t","expires_in":"7200"}"#, wechat], "t 7450000", ""),
        ("qq", 200, &["100016", "100007", "1"], "refused", "said"),
        ("qq", 499, &["1"], "refused", "said"),
        ("qq", 500, &["100016"], "later", "said"),
        ("qq", 429, &["100016"], "later", "said"),
        ("qq", 200, &["0", "100001", "{}", "<html>"], "later", "QQ"),
        ("wechat", 200, &[wechat], "t 7200000", ""),
        ("wechat", 200, &["40013", "40125"], "refused", "app_secret"),
        ("wechat", 200, &["40164"], "refused", "IP whitelist"),
        ("wechat", 499, &["40013"], "refused", "app_secret"),
        ("wechat", 500, &["40013"], "later", "said"),
        ("wechat", 200, &["-1", "45009", "45011"], "later", "said"),
        ("wechat", 200, &["0"], "later", "access_token"),
        ("wechat", 400, &[wechat, "<html>"], "later", "400"),
        ("wecom", 200, &[r#"{"errcode":0,"access_token":"t","expires_in":7200}"#], "t 7200000", ""),
        ("wecom", 200, &["40001", "40013"], "refused", "check corp_id and secret"),
        ("wecom", 200, &["60020"], "refused", "trusted IPs"),
        ("wecom", 499, &["40013"], "refused", "secret"),
        ("wecom", 500, &["40013"], "later", "said"),
        ("wecom", 200, &["-1", "45009", "45033"], "later", "said"),
        ("wecom", 200, &["0"], "later", "access_token"),
        ("wecom", 200, &["{}", "<html>"], "later", "200"),
        // They have none.
        ("telegram", 200, &["{}"], "refused", "no access token"),
        ("wecom-bot", 200, &["{}"], "refused", "no access token"),
    ] {
        for body in bodies {
            let (actual, why) = token(platform, &response(platform, status, body));
            assert_eq!(actual, expected, "{platform} {status} {body}: {why}");
            assert!(why.contains(hint), "{platform} {status} {body}: {why}");
        }
    }
}

/// Who the bot is, as far as anything of that is kept: an account is changed by nothing else.
#[test]
fn a_bot_is_introduced_by_its_platform_alone() {
    let introduced = |platform: &str, status: u16, body: &str| {
        let mut account = account(platform);
        let before = account.clone();
        let told = platform::introduce(&mut account, &response(platform, status, body));
        assert!(told.is_ok() || account == before, "{platform} {body}");
        told.map(|()| account)
    };
    let field = |account: &Account, name: &str| serde_json::to_value(&account.platform).unwrap()[name].clone();
    for (platform, body, kept) in [
        ("dingtalk", r#"{"accessToken":"t","expireIn":7200}"#, None),
        ("feishu", r#"{"code":0,"bot":{"open_id":"ou_1"}}"#, Some(("bot_open_id", "ou_1"))),
        ("qq", r#"{"id":"7","username":"b"}"#, Some(("bot_id", "7"))),
        ("telegram", r#"{"ok":true,"result":{"id":1,"username":"b"}}"#, Some(("username", "b"))),
        ("wechat", r#"{"ip_list":["1.2.3.4"]}"#, None),
        ("wecom", r#"{"errcode":0,"errmsg":"ok","agentid":218}"#, None),
        // Of a bot it is enough that the platform answers.
        ("wecom-bot", "41001", None),
    ] {
        let told = introduced(platform, 200, body).unwrap();
        match kept {
            Some((name, value)) => assert_eq!(field(&told, name), value, "{platform}"),
            None => assert_eq!(told, account(platform)),
        }
    }
    for (platform, status, body, why) in [
        ("dingtalk", 400, "invalidClientIdOrSecret", "said"),
        ("feishu", 200, "99991663", "Feishu 99991663: said"),
        ("feishu", 200, r#"{"code":1,"msg":"no","bot":{"open_id":"ou_1"}}"#, "Feishu 1: no"),
        ("feishu", 200, "0", "bot"),
        ("qq", 401, "11243", "QQ 11243: said"),
        ("qq", 403, r#"{"code":11298,"id":"7"}"#, "IP whitelist"),
        ("qq", 200, "{}", "QQ 0"),
        ("telegram", 401, "401", "Telegram 401: said"),
        ("telegram", 200, r#"{"ok":true,"result":{}}"#, "username"),
        ("wechat", 200, "40164", "IP whitelist"),
        ("wecom", 200, "60020", "trusted IPs"),
        ("wecom", 400, "0", "without a code"),
        ("wecom-bot", 200, "{}", "without a code"),
    ] {
        let told = introduced(platform, status, body).unwrap_err();
        assert!(told.contains(why), "{platform} {body}: {told}");
    }
    for platform in ["dingtalk", "feishu", "qq", "telegram", "wechat", "wecom", "wecom-bot"] {
        let told = introduced(platform, 502, "<html>").unwrap_err();
        assert!(told.contains("502"), "{platform}: {told}");
    }
}

#[test]
fn people_are_called_as_their_platform_says() {
    let person = |name: Option<&str>, avatar_url: Option<&str>| Person {
        name: name.map(str::to_owned),
        avatar_url: avatar_url.map(str::to_owned),
    };
    let (feishu, wecom) = (
        json!({ "code": 0, "data": { "user": { "name": "韩梅梅", "avatar": { "avatar_240": "https://a.b/240" } } } }),
        json!({ "errcode": 0, "name": "李雷", "thumb_avatar": "https://a.b/100" }),
    );
    for (platform, body, expected) in [
        ("feishu", &feishu, person(Some("韩梅梅"), Some("https://a.b/240"))),
        ("wecom", &wecom, person(Some("李雷"), Some("https://a.b/100"))),
        // Newer apps are told no pictures.
        ("wecom", &json!({ "errcode": 0, "name": "李雷" }), person(Some("李雷"), None)),
        ("feishu", &json!({ "code": 41050, "msg": "no authority" }), person(None, None)),
        ("wecom", &json!({ "errcode": 60111, "errmsg": "userid not found" }), person(None, None)),
        ("wecom", &Value::Null, person(None, None)),
        ("telegram", &wecom, person(None, None)),
    ] {
        assert_eq!(platform::person(&account(platform), &accounts::response(body)), expected, "{platform} {body}");
    }
}
