//! Files from and to platforms, as words: what is fetched from where, and how one is handed over.

use protocol::{File, FileKind};

use super::{Account, Call, HttpRequest, HttpResponse, Outbound, Platform, feishu};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Download {
    /// It says where they are: [`located`].
    Ask(HttpRequest),
    /// It answers them.
    Get(HttpRequest),
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
}

/// The call that leads to a file that came with a message; none: the words are not this platform's.
pub fn download(account: &Account, key: &str) -> Option<Download> {
    match &account.platform {
        Platform::Feishu(settings) => feishu::download(settings, key),
        _ => None,
    }
}

/// The call that answers a file's bytes, from the answer to [`Download::Ask`].
pub fn located(account: &Account, response: &HttpResponse) -> Option<HttpRequest> {
    let (_, _) = (account, response);
    None
}

/// Hosts beside the API's own from which a platform's files come; a name that begins with a dot stands for all below it.
pub fn hosts(account: &Account) -> &'static [&'static str] {
    let _ = account;
    &[]
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
    let _ = outbound;
    match &account.platform {
        Platform::Feishu(settings) => feishu::upload(settings, file),
        _ => None,
    }
}

/// What an uploaded file is called from then on; none: it was not taken.
pub fn uploaded(account: &Account, response: &HttpResponse) -> Option<String> {
    match &account.platform {
        Platform::Feishu(_) => feishu::uploaded(response),
        _ => None,
    }
}

/// The call that sends a file. `handle`: what [`uploaded`] read, or its URL.
pub fn attach(account: &Account, outbound: &Outbound, file: &File, handle: &str) -> Option<Call> {
    match &account.platform {
        Platform::Feishu(settings) => Some(feishu::attach(settings, outbound, file, handle)),
        _ => None,
    }
}
