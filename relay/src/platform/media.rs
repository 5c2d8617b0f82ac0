//! Files from and to platforms, as words: what is fetched from where, and how one is handed over.

use protocol::{File, FileKind};

use super::wx::{self, Key};
use super::{
    Account, Call, HttpRequest, HttpResponse, Outbound, Platform, dingtalk, feishu, qq, telegram, wechat, wecom,
    wecom_bot,
};

/// A file that came with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// What it is, roughly.
    pub kind: FileKind,
    /// What its sender calls it, where the platform says so.
    pub name: Option<String>,
    /// Its media type, where the platform says so.
    pub media_type: Option<String>,
    /// Its length, where the platform says so.
    pub bytes: Option<u64>,
    /// Which one, in words that [`download`] reads.
    pub key: String,
}

/// The next call on the way to a file's bytes.
pub enum Download {
    /// It says where they are: [`located`].
    Ask(HttpRequest),
    /// It answers them, or where they are.
    Get(HttpRequest),
    /// It answers them encrypted.
    Sealed(HttpRequest, Key),
}

/// How a platform takes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upload {
    /// Its bytes in a form; [`uploaded`] reads what they are called from then on.
    Form {
        /// The call, without a body.
        request: HttpRequest,
        /// The fields before the file.
        fields: Vec<(&'static str, String)>,
        /// The field that is the file.
        field: &'static str,
    },
    /// The platform fetches it from its URL; [`uploaded`] reads what it is called from then on.
    ByUrl(HttpRequest),
    /// Its URL is all that [`attach`] needs.
    Url,
    /// As [`Upload::Form`], and with that it is sent.
    Whole {
        /// The call, without a body.
        request: HttpRequest,
        /// The fields before the file.
        fields: Vec<(&'static str, String)>,
        /// The field that is the file.
        field: &'static str,
    },
}

/// The call that leads to a file that came with a message; none: the words are not this platform's.
pub fn download(account: &Account, key: &str) -> Option<Download> {
    match &account.platform {
        Platform::Dingtalk(settings) => Some(dingtalk::download(settings, key)),
        Platform::Feishu(settings) => feishu::download(settings, key),
        Platform::Qq(_) => Some(qq::download(key)),
        Platform::Telegram(settings) => Some(telegram::download(settings, key)),
        Platform::Wechat(settings) => Some(wx::download(&settings.api_base, key)),
        Platform::Wecom(settings) => Some(wx::download(&settings.api_base, key)),
        Platform::WecomBot(settings) => wecom_bot::download(settings, key),
    }
}

/// The call that answers a file's bytes, from an answer that says where they are.
pub fn located(account: &Account, response: &HttpResponse) -> Option<HttpRequest> {
    match &account.platform {
        Platform::Dingtalk(_) => dingtalk::located(response),
        Platform::Telegram(settings) => telegram::located(settings, response),
        Platform::Wechat(_) => wx::located(response),
        _ => None,
    }
}

/// Hosts beside the API's own from which a platform's files come; a name that begins with a dot stands for all below it.
pub fn hosts(account: &Account) -> &'static [&'static str] {
    match &account.platform {
        Platform::Dingtalk(_) => dingtalk::FILE_HOSTS,
        Platform::Qq(_) => qq::FILE_HOSTS,
        Platform::Wechat(_) | Platform::Wecom(_) => wx::FILE_HOSTS,
        Platform::WecomBot(_) => wecom_bot::FILE_HOSTS,
        Platform::Feishu(_) | Platform::Telegram(_) => &[],
    }
}

/// Whether files may be fetched from this URL: of the API itself, or of a host of [`hosts`], by `https`.
pub fn may_fetch(account: &Account, url: &str) -> bool {
    let host = url.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let is_listed = |listed: &&str| match listed.strip_prefix('.') {
        Some(_) => host.ends_with(*listed),
        None => host == *listed,
    };
    is_api(account, url) || (!host.contains(['@', ':']) && hosts(account).iter().any(is_listed))
}

/// Whether a URL is of the API itself, whose calls leave as the account wants.
pub fn is_api(account: &Account, url: &str) -> bool {
    let origin = |url: &str| url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    [super::token_request(account), super::bot_request(account)]
        .iter()
        .any(|request| origin(&request.url) == origin(url))
}

/// How the platform takes this file; none: not at all, so that it goes as a link.
pub fn upload(account: &Account, outbound: &Outbound, file: &File) -> Option<Upload> {
    match &account.platform {
        Platform::Dingtalk(_) => dingtalk::upload(file),
        Platform::Feishu(settings) => feishu::upload(settings, file),
        Platform::Qq(settings) => qq::upload(settings, outbound, file),
        Platform::Telegram(settings) => telegram::upload(settings, outbound, file),
        Platform::Wechat(settings) => wechat::upload(settings, file),
        Platform::Wecom(settings) => wecom::upload(settings, file),
        _ => None,
    }
}

/// Whether this part of an answer was said with one before, where all of it is one message.
pub fn is_said(account: &Account, outbound: &Outbound) -> bool {
    matches!(account.platform, Platform::WecomBot(_)) && wecom_bot::is_said(outbound)
}

/// What an uploaded file is called from then on; none: it was not taken.
pub fn uploaded(account: &Account, response: &HttpResponse) -> Option<String> {
    match &account.platform {
        Platform::Feishu(_) => feishu::uploaded(response),
        Platform::Qq(_) => qq::uploaded(response),
        Platform::Wechat(_) | Platform::Wecom(_) => wx::uploaded(response),
        _ => None,
    }
}

/// The call that sends a file. `handle`: what [`uploaded`] read, or its URL.
pub fn attach(account: &Account, outbound: &Outbound, file: &File, handle: &str) -> Option<Call> {
    let request = match &account.platform {
        Platform::Dingtalk(settings) => dingtalk::attach(settings, outbound, handle)?,
        Platform::Feishu(settings) => return Some(feishu::attach(settings, outbound, file, handle)),
        Platform::Qq(settings) => return qq::attach(settings, outbound, handle),
        Platform::Wechat(settings) => wechat::attach(settings, outbound, handle),
        Platform::Wecom(settings) => wecom::attach(settings, outbound, file, handle),
        _ => return None,
    };
    Some(Call { request, is_last: true })
}

/// A file at a URL that a platform names; none: nothing that could be fetched from.
pub(super) fn from_url(kind: FileKind, url: &str) -> Option<Attached> {
    let key = secure(url);
    let is_plain = key.len() <= URL_BYTES_MAX && key.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain.then_some(Attached { kind, name: None, media_type: None, bytes: None, key })
}

/// A URL by `https`, which every host of files speaks, whatever it is named with; but for tests' on this machine.
pub(super) fn secure(url: &str) -> String {
    if super::check_base(url.trim_end_matches('/')).is_ok() {
        return url.to_owned();
    }
    let rest = url.strip_prefix("https://").or(url.strip_prefix("http://")).unwrap_or(url);
    ["https://", rest].concat()
}

/// Signed URLs of object stores have some 600. They stand in our own, encoded.
const URL_BYTES_MAX: usize = 1_500;

#[cfg(test)]
mod tests {
    use super::*;

    /// It stands in our own URLs, and is fetched from.
    #[test]
    fn a_file_is_at_a_url_that_can_be_fetched() {
        let key = |url: &str| from_url(FileKind::Image, url).map(|file| file.key);
        assert_eq!(key("http://a.qpic.cn/?b"), Some("https://a.qpic.cn/?b".to_owned()));
        let longest = format!("https://a.b/{}", "c".repeat(URL_BYTES_MAX - 12));
        assert_eq!(key(&longest), Some(longest.clone()));
        for odd in [format!("{longest}c"), "https://a.b/c d".into(), "https://a.b/你".into(), "https://a.b/\n".into()]
        {
            assert_eq!(key(&odd), None, "{odd}");
        }
    }
}
