//! Files from and to Feishu: "Download file resources of a message", "Upload an image", "Upload a file".

use protocol::{File, FileKind, json, object};

use super::{Content, Received, Settings, reply};
use crate::platform::{Attached, Auth, Call, Download, HttpRequest, HttpResponse, Outbound, Upload};

/// The files of a message.
pub fn attached(received: &Received) -> Vec<Attached> {
    let whole = match &received.content {
        Content::Resource(resource) => Some(resource),
        Content::Text(_) | Content::Unsupported => None,
    };
    let attach = |resource: &super::Resource| {
        let kind = match (resource.kind, received.message_type.as_str()) {
            ("image", _) => FileKind::Image,
            (_, "audio") => FileKind::Audio,
            (_, "media" | "post") => FileKind::Video,
            _ => FileKind::File,
        };
        let key = format!("{}/{}/{}", received.message_id, resource.key, resource.kind);
        // They become parts of a path.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-/".contains(&byte);
        let is_plain = key.bytes().all(plain) && key.matches('/').count() == 2 && key.len() <= KEY_BYTES_MAX;
        let name = resource.name.clone();
        is_plain.then_some(Attached { kind, name, media_type: None, bytes: None, key })
    };
    whole.into_iter().chain(&received.inside).filter_map(attach).collect()
}

/// `GET /im/v1/messages/:message_id/resources/:file_key?type=…`: at most 100 MB.
pub fn download(settings: &Settings, key: &str) -> Option<Download> {
    let mut parts = key.split('/');
    let (message, file, kind) = (parts.next()?, parts.next()?, parts.next()?);
    let base = &settings.api_base;
    let url = format!("{base}/open-apis/im/v1/messages/{message}/resources/{file}?type={kind}");
    Some(Download::Get(HttpRequest::get(url, Auth::Bearer)))
}

/// `POST /im/v1/images` for pictures of up to 10 MB, `POST /im/v1/files` for anything else, of up to 30 MB.
pub fn upload(settings: &Settings, file: &File) -> Option<Upload> {
    let url = |path: &str| format!("{}/open-apis/im/v1/{path}", settings.api_base);
    if is_image(file) {
        let (fields, field) = (vec![("image_type", "message".to_owned())], "image");
        let request = HttpRequest { method: "POST".into(), url: url("images"), body: None, auth: Auth::Bearer };
        return Some(Upload::Form { request, fields, field });
    }
    let kind = match file.name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase().as_str() {
        "opus" => "opus",
        "mp4" => "mp4",
        "pdf" => "pdf",
        "doc" | "docx" => "doc",
        "xls" | "xlsx" => "xls",
        "ppt" | "pptx" => "ppt",
        _ => "stream",
    };
    let fields = vec![("file_type", kind.to_owned()), ("file_name", file.name.clone())];
    let request = HttpRequest { method: "POST".into(), url: url("files"), body: None, auth: Auth::Bearer };
    Some(Upload::Form { request, fields, field: "file" })
}

/// The key in the answer to [`upload`].
pub fn uploaded(response: &HttpResponse) -> Option<String> {
    let answer = json::parse(&response.body).ok()?;
    let data = answer.get("data")?;
    data.text("image_key").or(data.text("file_key")).map(str::to_owned)
}

/// Replies with a file. Videos go as files: as videos they want a picture beside them.
pub fn attach(settings: &Settings, outbound: &Outbound, file: &File, key: &str) -> Call {
    if is_image(file) {
        return reply(settings, outbound, "image", &object! { "image_key": key }, true);
    }
    let kind = if file.name.to_ascii_lowercase().ends_with(".opus") { "audio" } else { "file" };
    reply(settings, outbound, kind, &object! { "file_key": key }, true)
}

fn is_image(file: &File) -> bool {
    let media_type = file.media_type.as_deref().unwrap_or_default();
    let is_known = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"].contains(&media_type);
    is_known && file.bytes.is_some_and(|bytes| bytes <= IMAGE_BYTES_MAX)
}

/// 10 MB, "Upload an image".
const IMAGE_BYTES_MAX: u64 = 10_000_000;
const KEY_BYTES_MAX: usize = 500;
