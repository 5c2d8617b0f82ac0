//! What a platform allows a bot by the hour, day or month, and what is left of it: counted call by call, and corrected by what
//! the platform itself says.

use protocol::api::{AccountQuota, Allowance, Metered, Period, QuotaScope};
use protocol::json::{Json, parse};
use protocol::{Timestamp, from_json};
use serde::Serialize;

use super::calendar::{HOUR_MS, MINUTE_MS, bounds, china};
use super::{Account, HttpRequest, HttpResponse, Rate, Scope, Sent, app, quotas, rates, source, windows};

/// What a platform allows beside its [`Rate`]s, which the relay keeps by waiting.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// What is counted.
    pub name: Metered,
    /// For whom together. A chat's own is told, and not counted.
    pub scope: QuotaScope,
    /// In which period.
    pub period: Period,
    /// How many; nothing: not documented, or by the operator's plan.
    pub limit: Option<u64>,
    /// What the paths of the calls that it is about contain; empty: all but those for access tokens.
    pub path: &'static str,
    /// By which code the platform says that it is used up; nothing: by none of its own.
    pub code: Option<i64>,
    /// Where the platform says so.
    pub source: &'static str,
}

impl Quota {
    fn is_counted(&self) -> bool {
        self.scope != QuotaScope::Chat
    }

    /// Whether messages need it: without files they can still go.
    fn is_needed(&self) -> bool {
        self.is_counted() && self.name != Metered::Uploads
    }

    fn is_about(&self, request: &HttpRequest) -> bool {
        let path = request.url.split('?').next().unwrap_or_default();
        self.is_counted() && path.contains(self.path)
    }
}

/// What a bot has used of its platform's quotas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The app whose these are: an account that was created anew for another one begins at 0.
    app: String,
    counts: Vec<Count>,
}

from_json! { struct Counts { app, counts } }

/// What was used of one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Count {
    name: Metered,
    period: Period,
    /// When the period began.
    began: Timestamp,
    used: u64,
    /// What the platform said how many there are: known only from then on.
    limit: Option<u64>,
    /// The platform said that nothing is left.
    is_used_up: bool,
}

from_json! { struct Count { name, period, began, used, limit, is_used_up } }

impl Counts {
    /// Counts a call that is made. False: nothing counts it.
    pub fn add(&mut self, now: Timestamp, account: &Account, request: &HttpRequest) -> bool {
        let mut is_counted = false;
        for quota in quotas(account).iter().filter(|quota| quota.is_about(request)) {
            self.of(now, account, quota).used += 1;
            is_counted = true;
        }
        is_counted
    }

    /// Takes note of what became of a call: whether the platform says that nothing is left, or, by taking it, that there is.
    /// True: that is news.
    pub fn hear(
        &mut self,
        now: Timestamp,
        account: &Account,
        request: &HttpRequest,
        sent: &Sent,
        response: &HttpResponse,
    ) -> bool {
        let code = if *sent == Sent::Taken { None } else { code_of(response) };
        let mut is_news = false;
        for quota in quotas(account).iter().filter(|quota| quota.code.is_some() && quota.is_about(request)) {
            let is_used_up = match (sent, code) {
                (Sent::Taken, _) => false,
                (_, code) if code.is_some() && code == quota.code => true,
                _ => continue,
            };
            let count = self.of(now, account, quota);
            is_news |= count.is_used_up != is_used_up;
            count.is_used_up = is_used_up;
        }
        is_news
    }

    /// Takes what the platform says of the calls by which messages go.
    pub fn tell(&mut self, now: Timestamp, account: &Account, told: Told) {
        for quota in quotas(account).iter().filter(|quota| quota.is_counted() && !quota.path.is_empty()) {
            let count = self.of(now, account, quota);
            (count.used, count.limit, count.is_used_up) = (told.used, Some(told.limit), told.used >= told.limit);
        }
    }

    /// Forgets that the platform said that nothing is left: the next call shows. False: it did not say so.
    pub fn retry(&mut self) -> bool {
        let mut is_news = false;
        for count in &mut self.counts {
            is_news |= std::mem::take(&mut count.is_used_up);
        }
        is_news
    }

    /// What is allowed, and what is left.
    pub fn quota(&mut self, now: Timestamp, account: &Account) -> AccountQuota {
        let mut allowances = Vec::new();
        for period in [Period::Month, Period::Day, Period::Hour, Period::Minute, Period::Second] {
            for quota in quotas(account).iter().filter(|quota| quota.period == period) {
                allowances.push(self.allowance(now, account, quota));
            }
            let rates = rates(account).iter().filter(|rate| period_of(rate) == period);
            allowances.extend(rates.map(|rate| kept(account, rate)));
        }
        AccountQuota { allowances, windows: windows(account) }
    }

    /// Why the platform takes no message of the bot now, for whoever would send one.
    pub fn closed(&mut self, now: Timestamp, account: &Account) -> Option<String> {
        let needed = quotas(account).iter().filter(|quota| quota.is_needed());
        let used_up = needed.map(|quota| self.allowance(now, account, quota)).find(|allowance| allowance.is_used_up)?;
        let what = if used_up.name == Metered::Calls { "calls of its API" } else { "messages" };
        let (name, until) = (account.platform.name(), china(used_up.resets_ms.unwrap_or_default()));
        Some(format!("{name} allows {} no more {what} until {until}", account.id))
    }

    fn allowance(&mut self, now: Timestamp, account: &Account, quota: &Quota) -> Allowance {
        let Quota { name, scope, period, limit, source, .. } = *quota;
        let mut allowance =
            Allowance { name, scope, period, limit, used: None, is_used_up: false, resets_ms: None, source };
        if quota.is_counted() {
            let count = self.of(now, account, quota);
            allowance.limit = count.limit.or(limit);
            allowance.used = Some(count.used);
            allowance.is_used_up = count.is_used_up || allowance.limit.is_some_and(|limit| count.used >= limit);
            allowance.resets_ms = Some(bounds(period, now.0).1);
        }
        allowance
    }

    /// The count of the present period.
    fn of(&mut self, now: Timestamp, account: &Account, quota: &Quota) -> &mut Count {
        let app = app(account);
        if self.app != app {
            *self = Counts { app, counts: Vec::new() };
        }
        let began = Timestamp(bounds(quota.period, now.0).0);
        let known = self.counts.iter().position(|count| (count.name, count.period) == (quota.name, quota.period));
        let at = known.unwrap_or(self.counts.len());
        if known.is_none() {
            let Quota { name, period, .. } = *quota;
            self.counts.push(Count { name, period, began, used: 0, limit: None, is_used_up: false });
        }
        let count = self.counts.get_mut(at).expect("it was found, or put there");
        // Not when the clock steps back: what was used stays so.
        if count.began < began {
            *count = Count { began, used: 0, is_used_up: false, ..count.clone() };
        }
        count
    }
}

/// Whether a bot may come to the end of what its platform allows, so that no message of its goes.
pub fn may_run_out(account: &Account) -> bool {
    quotas(account).iter().any(Quota::is_needed)
}

/// What a platform says of its own quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// How many there are in this period.
    pub limit: u64,
    /// How many were used, by anyone.
    pub used: u64,
}

from_json! { struct Told { limit, used } }

/// A rate, which is not counted: the relay waits.
fn kept(account: &Account, rate: &Rate) -> Allowance {
    let (name, scope) = match rate.scope {
        Scope::Account => (Metered::Calls, QuotaScope::Account),
        Scope::Chat => (Metered::Messages, QuotaScope::Chat),
    };
    Allowance {
        name,
        scope,
        period: period_of(rate),
        limit: Some(rate.count),
        used: None,
        is_used_up: false,
        resets_ms: None,
        source: source(account),
    }
}

fn period_of(rate: &Rate) -> Period {
    match rate.per_ms {
        0..MINUTE_MS => Period::Second,
        MINUTE_MS..HOUR_MS => Period::Minute,
        _ => Period::Hour,
    }
}

/// The number by which a platform says what is wrong, wherever it has it.
fn code_of(response: &HttpResponse) -> Option<i64> {
    let body = parse(&response.body).ok()?;
    ["code", "errcode", "err_code"].iter().find_map(|name| match body.get(name) {
        Some(&Json::Integer(code)) => Some(code),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use protocol::api::{Chats, Window};
    use protocol::json;

    use super::*;
    use crate::platform::calendar::DAY_MS;
    use crate::platform::{Auth, quota_told};

    fn account(settings: &str) -> Account {
        let text = settings.replacen('{', r#"{"id":"main","default_user":null,"#, 1);
        json::read(&text).unwrap()
    }

    fn feishu() -> Account {
        account(r#"{"platform":"feishu","app_id":"cli_1","app_secret":"s","verification_token":"t"}"#)
    }

    fn wechat() -> Account {
        account(
            r#"{"platform":"wechat","app_id":"wx1","app_secret":"s","token":"t",
                "encoding_aes_key":"SECRETSECRETSECRETSECRETSECRETSECRETSECRETA"}"#,
        )
    }

    fn call(path: &str) -> HttpRequest {
        HttpRequest::post(format!("https://host{path}"), "{}".into(), Auth::Query)
    }

    fn said(body: &str) -> HttpResponse {
        HttpResponse { status: 200, retry_after_s: None, body: body.into() }
    }

    fn refused() -> Sent {
        Sent::Refused("no".into())
    }

    /// The first of an account's counted allowances.
    fn first(counts: &mut Counts, now: Timestamp, account: &Account) -> Allowance {
        counts.quota(now, account).allowances.into_iter().find(|allowance| allowance.used.is_some()).unwrap()
    }

    /// 2026-11-26 05:16:47 UTC.
    const NOW: Timestamp = Timestamp(1_795_670_207_000);

    #[test]
    fn calls_are_counted_until_the_period_ends() {
        let (mut counts, feishu) = (Counts::default(), feishu());
        for _ in 0..3 {
            assert!(counts.add(NOW, &feishu, &call("/open-apis/im/v1/messages")));
        }
        let used = first(&mut counts, NOW, &feishu);
        assert_eq!((used.name, used.scope, used.period), (Metered::Calls, QuotaScope::Organisation, Period::Month));
        assert_eq!((used.used, used.limit, used.is_used_up), (Some(3), None, false));
        let next = used.resets_ms.unwrap();
        assert_eq!(china(next), "2026-12-01 00:00 (UTC+8)");
        assert_eq!(first(&mut counts.clone(), Timestamp(next - 1), &feishu).used, Some(3));
        assert_eq!(first(&mut counts.clone(), Timestamp(next), &feishu).used, Some(0));
        // A clock that steps back does not give anything back.
        counts.add(Timestamp(next), &feishu, &call("/x"));
        counts.add(NOW, &feishu, &call("/x"));
        assert_eq!(first(&mut counts, NOW, &feishu).used, Some(2));
        // Nor does the new month begin with each call of it.
        counts.add(Timestamp(next), &feishu, &call("/x"));
        assert_eq!(first(&mut counts, Timestamp(next), &feishu).used, Some(3));
    }

    #[test]
    fn only_the_calls_that_an_allowance_is_about_are_counted() {
        let (mut counts, wechat) = (Counts::default(), wechat());
        assert!(!counts.add(NOW, &wechat, &call("/cgi-bin/media/upload?type=image")));
        assert!(!counts.add(NOW, &wechat, &call("/x?of=/cgi-bin/message/custom/send")));
        assert!(counts.add(NOW, &wechat, &call("/cgi-bin/message/custom/send")));
        assert_eq!(first(&mut counts, NOW, &wechat).used, Some(1));
        let telegram = account(r#"{"platform":"telegram","bot_token":"1:s","secret_token":"s","username":"b"}"#);
        assert!(!Counts::default().add(NOW, &telegram, &call("/bot1:s/sendMessage")));
    }

    #[test]
    fn the_platform_says_that_nothing_is_left_and_that_there_is() {
        let (mut counts, feishu, sends) = (Counts::default(), feishu(), call("/open-apis/im/v1/messages"));
        let up = said(r#"{"code":99991403,"msg":"quota"}"#);
        assert!(!counts.hear(NOW, &feishu, &sends, &refused(), &said(r#"{"code":230002}"#)));
        assert!(!counts.hear(NOW, &feishu, &sends, &refused(), &said("<html>")));
        assert_eq!(counts.closed(NOW, &feishu), None);
        assert!(counts.hear(NOW, &feishu, &sends, &refused(), &up));
        assert!(!counts.hear(NOW, &feishu, &sends, &refused(), &up), "no news");
        let why = "feishu allows main no more calls of its API until 2026-12-01 00:00 (UTC+8)";
        assert_eq!(counts.closed(NOW, &feishu).as_deref(), Some(why));
        assert!(first(&mut counts, NOW, &feishu).is_used_up);
        // Another failure proves nothing, an answer does, and so does the next month.
        assert!(!counts.hear(NOW, &feishu, &sends, &refused(), &said(r#"{"code":230002}"#)));
        let mut later = counts.clone();
        assert_eq!(later.closed(NOW.plus_ms(6 * DAY_MS), &feishu), None);
        let mut asked = counts.clone();
        assert!(asked.retry() && !asked.retry());
        assert_eq!(asked.closed(NOW, &feishu), None);
        assert!(counts.hear(NOW, &feishu, &sends, &Sent::Taken, &said(r#"{"code":0}"#)));
        assert_eq!(counts.closed(NOW, &feishu), None);
    }

    #[test]
    fn what_the_platform_tells_goes_before_what_was_counted() {
        let (mut counts, wechat) = (Counts::default(), wechat());
        let sends = call("/cgi-bin/message/custom/send");
        counts.add(NOW, &wechat, &sends);
        let told = quota_told(&wechat, &said(r#"{"errcode":0,"quota":{"daily_limit":100,"used":98,"remain":2}}"#));
        counts.tell(NOW, &wechat, told.unwrap());
        let known = first(&mut counts, NOW, &wechat);
        assert_eq!((known.limit, known.used, known.is_used_up), (Some(100), Some(98), false));
        counts.add(NOW, &wechat, &sends);
        assert_eq!(counts.closed(NOW, &wechat), None);
        counts.add(NOW, &wechat, &sends);
        let why = "wechat allows main no more calls of its API until 2026-11-27 00:00 (UTC+8)";
        assert_eq!(counts.closed(NOW, &wechat).as_deref(), Some(why));
        // How many there are stays known.
        let tomorrow = first(&mut counts, NOW.plus_ms(DAY_MS), &wechat);
        assert_eq!((tomorrow.limit, tomorrow.used, tomorrow.is_used_up), (Some(100), Some(0), false));
        let refused = quota_told(&wechat, &said(r#"{"errcode":76022,"errmsg":"no permission"}"#));
        assert_eq!(refused, Err("WeChat 76022: no permission".into()));
        let odd = quota_told(&wechat, &said(r#"{"errcode":0,"quota":{"used":1}}"#));
        assert!(odd.unwrap_err().contains("daily_limit"));
        let none = quota_told(&wechat, &said(r#"{"errcode":0,"quota":{"daily_limit":0,"used":0,"remain":0}}"#));
        assert_eq!(none, Err("WeChat names no number".into()));
    }

    /// It is about the calls by which messages go: an allowance for all calls is another.
    #[test]
    fn what_is_told_of_messages_is_not_said_of_all_calls() {
        let (mut counts, feishu) = (Counts::default(), feishu());
        counts.tell(NOW, &feishu, Told { limit: 1, used: 1 });
        let known = first(&mut counts, NOW, &feishu);
        assert_eq!((known.limit, known.used, known.is_used_up), (None, Some(0), false));
    }

    #[test]
    fn files_that_are_used_up_hold_no_words_back() {
        let qq = account(r#"{"platform":"qq","app_id":"1","app_secret":"s","bot_id":"2"}"#);
        let (mut counts, upload) = (Counts::default(), call("/v2/users/u/files"));
        counts.add(NOW, &qq, &upload);
        assert!(counts.hear(NOW, &qq, &upload, &refused(), &said(r#"{"err_code":40093002}"#)));
        let uploads = first(&mut counts, NOW, &qq);
        assert_eq!((uploads.name, uploads.used, uploads.is_used_up), (Metered::Uploads, Some(1), true));
        // Words that are taken say nothing of files.
        let words = call("/v2/users/u/messages");
        assert!(!counts.hear(NOW, &qq, &words, &Sent::Taken, &said(r#"{"id":"m"}"#)));
        assert!(first(&mut counts, NOW, &qq).is_used_up);
        assert_eq!(counts.closed(NOW, &qq), None);
        let windows = counts.quota(NOW, &qq).windows;
        let held = windows.iter().map(|Window { chats, open_ms, messages, .. }| (*chats, open_ms / 60_000, *messages));
        assert_eq!(held.collect::<Vec<_>>(), [(Chats::Private, 60, 4), (Chats::Shared, 5, 5)]);
    }

    #[test]
    fn another_app_begins_at_nothing() {
        let (mut counts, feishu) = (Counts::default(), feishu());
        counts.add(NOW, &feishu, &call("/x"));
        let other = account(r#"{"platform":"feishu","app_id":"cli_2","app_secret":"s","verification_token":"t"}"#);
        assert_eq!(first(&mut counts, NOW, &other).used, Some(0));
    }

    /// Kept by objects: what those of before wrote must still be read.
    #[test]
    fn counts_are_read_as_they_were_written() {
        let (mut counts, feishu) = (Counts::default(), feishu());
        counts.add(NOW, &feishu, &call("/x"));
        let written = serde_json::to_string(&counts).unwrap();
        let expected = concat!(
            r#"{"app":"cli_1","counts":[{"name":"calls","period":"month","began":1793462400000,"#,
            r#""used":1,"limit":null,"is_used_up":false}]}"#
        );
        assert_eq!(written, expected);
        assert_eq!(json::read(&written), Ok(counts));
    }

    #[test]
    fn rates_are_told_beside_what_is_counted() {
        let all = Counts::default().quota(NOW, &feishu()).allowances;
        let told = all.iter().map(|allowance| (allowance.period, allowance.scope, allowance.limit));
        let expected = [
            (Period::Month, QuotaScope::Organisation, None),
            (Period::Minute, QuotaScope::Account, Some(1_000)),
            (Period::Second, QuotaScope::Chat, Some(5)),
            (Period::Second, QuotaScope::Account, Some(50)),
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        assert!(all.iter().all(|allowance| allowance.source.contains("feishu.cn")));
    }
}
