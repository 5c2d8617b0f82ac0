//! Files from and to DingTalk: "下载机器人接收消息的文件内容", "机器人发送消息的类型".

use protocol::json::{Json, parse};
use protocol::{File, FileKind, object};

use super::{Settings, message};
use crate::platform::media::secure;
use crate::platform::webhook::{at, text_at};
use crate::platform::{Attached, Auth, Download, HttpRequest, HttpResponse, Outbound, Upload};

/// The files of a message of this kind.
pub(super) fn attached(kind: &str, body: &Json) -> Vec<Attached> {
    let kind = match kind {
        "audio" => FileKind::Audio,
        "file" => FileKind::File,
        "picture" => FileKind::Image,
        "video" => FileKind::Video,
        "richText" => {
            let pieces = at(body, "content.richText").and_then(Json::as_list).unwrap_or_default();
            return pieces.iter().filter_map(|piece| file(FileKind::Image, piece)).collect();
        }
        _ => return Vec::new(),
    };
    body.get("content").and_then(|content| file(kind, content)).into_iter().collect()
}

fn file(kind: FileKind, content: &Json) -> Option<Attached> {
    let key = text_at(content, "downloadCode").filter(|code| code.len() <= CODE_BYTES_MAX)?;
    Some(Attached { kind, name: text_at(content, "fileName"), media_type: None, bytes: None, key })
}

/// `POST /v1.0/robot/messageFiles/download`
pub fn download(settings: &Settings, key: &str) -> Download {
    let body = object! { "downloadCode": key, "robotCode": settings.robot_code };
    let url = format!("{}/v1.0/robot/messageFiles/download", settings.api_base);
    Download::Ask(HttpRequest::post(url, body, Auth::Dingtalk))
}

/// Where it is for a while.
pub fn located(response: &HttpResponse) -> Option<HttpRequest> {
    let url = text_at(&parse(&response.body).ok()?, "downloadUrl")?;
    Some(HttpRequest::get(secure(&url), Auth::None))
}

/// Pictures are shown by their URL.
pub fn upload(file: &File) -> Option<Upload> {
    let media_type = file.media_type.as_deref().unwrap_or_default();
    ["image/png", "image/jpeg", "image/gif"].contains(&media_type).then_some(Upload::Url)
}

/// Sends a picture.
pub fn attach(settings: &Settings, outbound: &Outbound, url: &str) -> Option<HttpRequest> {
    message(settings, outbound, "sampleImageMsg", &object! { "photoURL": url })
}

/// Object stores of the platform's own.
pub const FILE_HOSTS: &[&str] = &[".dingtalk.com", "wukong-file-im-zjk.oss-cn-zhangjiakou.aliyuncs.com"];
const CODE_BYTES_MAX: usize = 1_000;
