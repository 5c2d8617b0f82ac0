//! Files from and to apps and official accounts: "获取临时素材", "新增临时素材".

use protocol::{File, FileKind, json};

use super::Fields;
use crate::platform::media::{from_url, secure};
use crate::platform::{Attached, Auth, Download, HttpRequest, HttpResponse, Upload};

/// The file of a message of this kind.
pub(super) fn attached(kind: &str, fields: &Fields) -> Option<Attached> {
    let kind = match kind {
        "image" => FileKind::Image,
        "voice" => FileKind::Audio,
        "video" | "shortvideo" => FileKind::Video,
        _ => return None,
    };
    // Pictures are there without an access token, and so without a listed address.
    if let Some(picture) = fields.get("PicUrl").and_then(|url| from_url(kind, url)) {
        return Some(picture);
    }
    let id = fields.get("MediaId").filter(|id| is_media_id(id))?;
    Some(Attached { kind, name: None, media_type: None, bytes: None, key: id.to_owned() })
}

/// It becomes a part of a query.
fn is_media_id(id: &str) -> bool {
    id.len() <= MEDIA_ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// `GET /cgi-bin/media/get`, or the picture's own URL.
pub(in crate::platform) fn download(api_base: &str, key: &str) -> Download {
    Download::Get(match is_media_id(key) {
        true => HttpRequest::get(format!("{api_base}/cgi-bin/media/get?media_id={key}"), Auth::Query),
        false => HttpRequest::get(key.to_owned(), Auth::None),
    })
}

/// Videos are elsewhere.
pub(in crate::platform) fn located(response: &HttpResponse) -> Option<HttpRequest> {
    let answer = json::parse(&response.body).ok()?;
    Some(HttpRequest::get(secure(answer.text("video_url")?), Auth::None))
}

/// `POST /cgi-bin/media/upload`
pub(in crate::platform) fn upload(api_base: &str, kind: &str) -> Upload {
    let url = format!("{api_base}/cgi-bin/media/upload?type={kind}");
    let request = HttpRequest { method: "POST".into(), url, body: None, auth: Auth::Query };
    Upload::Form { request, fields: Vec::new(), field: "media" }
}

/// The `media_id` in the answer to [`upload`].
pub(in crate::platform) fn uploaded(response: &HttpResponse) -> Option<String> {
    json::parse(&response.body).ok()?.text("media_id").map(str::to_owned)
}

/// Whether a file is of one of these types, and not too long.
pub(in crate::platform) fn is_of(file: &File, types: &[&str], bytes_max: u64) -> bool {
    file.media_type.as_deref().is_some_and(|known| types.contains(&known))
        && file.bytes.is_some_and(|bytes| bytes <= bytes_max)
}

/// Pictures (`mmbiz.qpic.cn`, `wework.qpic.cn` …) and videos.
pub(in crate::platform) const FILE_HOSTS: &[&str] = &[".qpic.cn", ".qq.com"];
const MEDIA_ID_BYTES_MAX: usize = 300;
