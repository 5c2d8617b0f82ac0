//! Signing in with an account that people have elsewhere: Feishu and WeCom by OAuth, WeChat mini programs by `wx.login`.
//! Pure: the calls are made elsewhere, and their answers read here.
//!
//! - Feishu: <https://open.feishu.cn/document/authentication-management/access-token/obtain-oauth-code>; a code is good
//!   once, for 5 min; PKCE (RFC 7636).
//! - WeCom: <https://developer.work.weixin.qq.com/document/path/91022>; a code is good once, for 5 min; no PKCE.
//! - WeChat: <https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/code2Session.html>.

use protocol::api::{Provider, ProviderKind};
use protocol::json::{Json, parse};
use protocol::object;

use crate::platform::{Auth, HttpRequest, HttpResponse, percent};

/// Someone whom a provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their id there, with whose it is: what they sign in with from now on.
    pub subject: String,
    /// Their name there, if it is told.
    pub name: Option<String>,
    /// Whether they belong to one of the provider's organisations.
    pub is_member: bool,
}

/// Why a provider vouches for nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPerson {
    /// It is busy, or does not answer: try again.
    Later(String),
    /// The code is not good, or the provider's settings are not.
    Refused(String),
}

/// What a sign-in at a provider asks for next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make this call (with the token, if there is one), and come back with its answer.
    Call(HttpRequest, Option<String>),
    /// It is done.
    Done(Person),
}

/// How far a sign-in has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The code is to be exchanged.
    Code,
    /// Whose token it is, is to be asked.
    Person,
}

/// What is wrong with a provider's settings, naming the field.
pub fn check(provider: &Provider) -> Result<(), &'static str> {
    if provider.app_id.is_empty() || provider.app_secret.is_empty() {
        return Err("app_id, app_secret: both are needed");
    }
    if provider.kind == ProviderKind::Wecom && provider.agent_id.as_deref().unwrap_or_default().is_empty() {
        return Err("agent_id: the AgentId of the WeCom app");
    }
    let schemes = ["https://", "http://127.0.0.1:", "http://localhost:"];
    if let Some(api) = &provider.api
        && (api.ends_with('/') || !schemes.iter().any(|scheme| api.starts_with(scheme)))
    {
        return Err("api: https:// and a host, without a slash at the end");
    }
    Ok(())
}

/// Where a person signs in. None for mini programs, which have no page.
pub fn page(provider: &Provider, redirect: &str, state: &str, challenge: &str) -> Option<String> {
    let (app, redirect, state) = (percent(&provider.app_id), percent(redirect), percent(state));
    match provider.kind {
        ProviderKind::Feishu => {
            let host = match provider.api.as_deref() {
                None | Some("https://open.feishu.cn") => "https://accounts.feishu.cn",
                Some("https://open.larksuite.com") => "https://accounts.larksuite.com",
                Some(api) => api,
            };
            let query = format!("client_id={app}&response_type=code&redirect_uri={redirect}&state={state}");
            let pkce = format!("code_challenge={}&code_challenge_method=S256", percent(challenge));
            Some(format!("{host}/open-apis/authen/v1/authorize?{query}&{pkce}"))
        }
        ProviderKind::Wecom => {
            let agent = percent(provider.agent_id.as_deref().unwrap_or_default());
            let host = provider.api.as_deref().unwrap_or("https://open.weixin.qq.com");
            // The order matters.
            let query =
                format!("appid={app}&redirect_uri={redirect}&response_type=code&scope=snsapi_base&state={state}");
            Some(format!("{host}/connect/oauth2/authorize?{query}&agentid={agent}#wechat_redirect"))
        }
        ProviderKind::Wechat => None,
    }
}

/// The first call.
pub fn begin(provider: &Provider, code: &str, redirect: &str, verifier: &str) -> HttpRequest {
    let api = api(provider);
    let (app, secret, code) = (&provider.app_id, &provider.app_secret, code);
    match provider.kind {
        ProviderKind::Feishu => {
            let body = object! {
                "grant_type": "authorization_code",
                "client_id": app,
                "client_secret": secret,
                "code": code,
                "redirect_uri": redirect,
                "code_verifier": verifier,
            };
            post(format!("{api}/open-apis/authen/v2/oauth/token"), body)
        }
        ProviderKind::Wecom => {
            get(format!("{api}/cgi-bin/gettoken?corpid={}&corpsecret={}", percent(app), percent(secret)))
        }
        ProviderKind::Wechat => get(format!(
            "{api}/sns/jscode2session?appid={}&secret={}&js_code={}&grant_type=authorization_code",
            percent(app),
            percent(secret),
            percent(code)
        )),
    }
}

/// What follows from the answer to a call.
pub fn next(provider: &Provider, stage: Stage, code: &str, response: &HttpResponse) -> Result<Step, NoPerson> {
    let answer = read(response)?;
    let text = |key: &str| answer.text(key).filter(|text| !text.is_empty()).map(str::to_owned);
    let missing = |key: &str| NoPerson::Refused(format!("the provider's answer has no {key}"));
    let api = api(provider);
    match (provider.kind, stage) {
        (ProviderKind::Feishu, Stage::Code) => {
            let token = text("access_token").ok_or_else(|| missing("access_token"))?;
            Ok(Step::Call(get(format!("{api}/open-apis/authen/v1/user_info")), Some(token)))
        }
        (ProviderKind::Feishu, Stage::Person) => {
            let data = answer.get("data");
            let field = |key: &str| data.and_then(|data| data.text(key)).filter(|text| !text.is_empty());
            let id = field("open_id").ok_or_else(|| missing("open_id"))?;
            let tenant = field("tenant_key").unwrap_or_default();
            let organisations = provider.organisations.as_deref().unwrap_or_default();
            Ok(Step::Done(Person {
                subject: format!("{}:{id}", provider.app_id),
                name: field("name").map(str::to_owned),
                is_member: organisations.iter().any(|organisation| organisation == tenant),
            }))
        }
        (ProviderKind::Wecom, Stage::Code) => {
            let token = text("access_token").ok_or_else(|| missing("access_token"))?;
            let url = format!("{api}/cgi-bin/auth/getuserinfo?access_token={}&code={}", percent(&token), percent(code));
            Ok(Step::Call(get(url), None))
        }
        (ProviderKind::Wecom, Stage::Person) => {
            // Outsiders have an openid instead.
            let id = text("userid").ok_or_else(|| NoPerson::Refused("not a member of this organisation".into()))?;
            let subject = format!("{}:{id}", provider.app_id);
            Ok(Step::Done(Person { subject, name: None, is_member: true }))
        }
        (ProviderKind::Wechat, _) => {
            let id = text("openid").ok_or_else(|| missing("openid"))?;
            let subject = format!("{}:{id}", provider.app_id);
            Ok(Step::Done(Person { subject, name: None, is_member: false }))
        }
    }
}

/// The provider's answer, if it is not a failure. What is secret in the call is not in it.
fn read(response: &HttpResponse) -> Result<Json, NoPerson> {
    let answer = parse(&response.body).map_err(|_| NoPerson::Later(format!("HTTP {}", response.status)))?;
    let code = ["code", "errcode"].into_iter().find_map(|key| match answer.get(key) {
        Some(Json::Integer(code)) if *code != 0 => Some(*code),
        _ => None,
    });
    match code {
        // Feishu: 20050 "server error"; WeChat and WeCom: -1 "system busy".
        Some(code @ (20050 | -1)) => Err(NoPerson::Later(format!("error {code}"))),
        Some(code) => Err(NoPerson::Refused(format!("error {code}"))),
        None if response.status >= 500 => Err(NoPerson::Later(format!("HTTP {}", response.status))),
        None if response.status >= 400 => Err(NoPerson::Refused(format!("HTTP {}", response.status))),
        None => Ok(answer),
    }
}

fn api(provider: &Provider) -> &str {
    provider.api.as_deref().unwrap_or(match provider.kind {
        ProviderKind::Feishu => "https://open.feishu.cn",
        ProviderKind::Wechat => "https://api.weixin.qq.com",
        ProviderKind::Wecom => "https://qyapi.weixin.qq.com",
    })
}

fn get(url: String) -> HttpRequest {
    HttpRequest { method: "GET".into(), url, auth: Auth::Bearer, body: None }
}

fn post(url: String, body: String) -> HttpRequest {
    HttpRequest { method: "POST".into(), url, auth: Auth::None, body: Some(body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(kind: ProviderKind) -> Provider {
        Provider {
            id: "here".parse().unwrap(),
            kind,
            app_id: "cli_1".into(),
            app_secret: "s3cret&".into(),
            agent_id: Some("1000002".into()),
            organisations: Some(vec!["tenant_1".into()]),
            api: None,
        }
    }

    fn answer(status: u16, body: &str) -> HttpResponse {
        HttpResponse { status, retry_after_s: None, body: body.into() }
    }

    #[test]
    fn feishu_step_by_step() {
        let feishu = provider(ProviderKind::Feishu);
        let page = page(&feishu, "https://relay.example/", "st", "ch").unwrap();
        assert_eq!(
            page,
            "https://accounts.feishu.cn/open-apis/authen/v1/authorize?client_id=cli_1&response_type=code&\
             redirect_uri=https%3A%2F%2Frelay.example%2F&state=st&code_challenge=ch&code_challenge_method=S256"
        );
        let call = begin(&feishu, "c0de", "https://relay.example/", "verifier");
        assert_eq!(call.url, "https://open.feishu.cn/open-apis/authen/v2/oauth/token");
        assert!(call.body.unwrap().contains(r#""code_verifier":"verifier""#));
        let token = answer(200, r#"{"code":0,"access_token":"u-1","token_type":"Bearer"}"#);
        let Ok(Step::Call(call, Some(token))) = next(&feishu, Stage::Code, "c0de", &token) else { panic!() };
        assert_eq!(
            (call.url.as_str(), token.as_str()),
            ("https://open.feishu.cn/open-apis/authen/v1/user_info", "u-1")
        );
        let person = |tenant: &str| {
            let body = format!(r#"{{"code":0,"data":{{"open_id":"ou_1","name":"小明","tenant_key":"{tenant}"}}}}"#);
            next(&feishu, Stage::Person, "c0de", &answer(200, &body))
        };
        let expected = Person { subject: "cli_1:ou_1".into(), name: Some("小明".into()), is_member: true };
        assert_eq!(person("tenant_1"), Ok(Step::Done(expected.clone())));
        assert_eq!(person("tenant_2"), Ok(Step::Done(Person { is_member: false, ..expected })));
    }

    #[test]
    fn wecom_takes_members_alone() {
        let wecom = provider(ProviderKind::Wecom);
        let call = begin(&wecom, "c0de", "", "");
        assert_eq!(call.url, "https://qyapi.weixin.qq.com/cgi-bin/gettoken?corpid=cli_1&corpsecret=s3cret%26");
        let token = answer(200, r#"{"errcode":0,"access_token":"t/1"}"#);
        let Ok(Step::Call(call, None)) = next(&wecom, Stage::Code, "c0de", &token) else { panic!() };
        assert_eq!(call.url, "https://qyapi.weixin.qq.com/cgi-bin/auth/getuserinfo?access_token=t%2F1&code=c0de");
        let member = answer(200, r#"{"errcode":0,"userid":"zhangsan"}"#);
        let expected = Person { subject: "cli_1:zhangsan".into(), name: None, is_member: true };
        assert_eq!(next(&wecom, Stage::Person, "c0de", &member), Ok(Step::Done(expected)));
        let outsider = answer(200, r#"{"errcode":0,"openid":"o1","external_userid":"w1"}"#);
        assert!(matches!(next(&wecom, Stage::Person, "c0de", &outsider), Err(NoPerson::Refused(_))));
    }

    #[test]
    fn wechat_in_one_call() {
        let wechat = provider(ProviderKind::Wechat);
        assert_eq!(page(&wechat, "", "", ""), None);
        let done = answer(200, r#"{"openid":"o1","session_key":"k"}"#);
        let expected = Person { subject: "cli_1:o1".into(), name: None, is_member: false };
        assert_eq!(next(&wechat, Stage::Code, "c0de", &done), Ok(Step::Done(expected)));
    }

    #[test]
    fn settings_that_cannot_be_name_their_field() {
        let check = |provider: Provider, expected: Option<&str>| {
            let field = check(&provider).err().map(|why| why.split(':').next().unwrap_or_default());
            assert_eq!(field, expected, "{provider:?}");
        };
        let feishu = || provider(ProviderKind::Feishu);
        let wecom = || provider(ProviderKind::Wecom);
        check(feishu(), None);
        check(wecom(), None);
        check(Provider { app_id: String::new(), ..feishu() }, Some("app_id, app_secret"));
        check(Provider { app_secret: String::new(), ..feishu() }, Some("app_id, app_secret"));
        // WeCom alone has an AgentId.
        check(Provider { agent_id: None, ..feishu() }, None);
        check(Provider { agent_id: None, ..wecom() }, Some("agent_id"));
        check(Provider { agent_id: Some(String::new()), ..wecom() }, Some("agent_id"));
        for (api, expected) in [
            ("https://open.larksuite.com", None),
            ("http://127.0.0.1:8787", None),
            ("http://localhost:8787", None),
            ("https://open.larksuite.com/", Some("api")),
            ("http://open.larksuite.com", Some("api")),
            ("", Some("api")),
        ] {
            check(Provider { api: Some(api.into()), ..feishu() }, expected);
        }
    }

    #[test]
    fn failures_say_whether_to_try_again() {
        let wechat = provider(ProviderKind::Wechat);
        let verdict = |status, body: &str| next(&wechat, Stage::Code, "c0de", &answer(status, body));
        assert_eq!(verdict(200, r#"{"errcode":40029}"#), Err(NoPerson::Refused("error 40029".into())));
        assert_eq!(verdict(200, r#"{"errcode":-1}"#), Err(NoPerson::Later("error -1".into())));
        assert_eq!(verdict(502, "<html>"), Err(NoPerson::Later("HTTP 502".into())));
        // Whatever else they say.
        let good = r#"{"openid":"o1"}"#;
        assert!(verdict(200, good).is_ok());
        assert_eq!(verdict(400, good), Err(NoPerson::Refused("HTTP 400".into())));
        assert_eq!(verdict(499, good), Err(NoPerson::Refused("HTTP 499".into())));
        assert_eq!(verdict(500, good), Err(NoPerson::Later("HTTP 500".into())));
        assert_eq!(verdict(200, "{}"), Err(NoPerson::Refused("the provider's answer has no openid".into())));
    }
}
