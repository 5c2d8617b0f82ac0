//! Files from and to QQ: `attachments` of a message, "富媒体消息".

use protocol::json::{FromJson, Json, parse};
use protocol::{File, FileKind, object};

use super::{Settings, address, reply};
use crate::platform::media::from_url;
use crate::platform::webhook::text_at;
use crate::platform::{Attached, Auth, Call, Download, HttpRequest, HttpResponse, Outbound, Upload};

/// The files of a message. A recording is there as what everything plays, too.
pub(super) fn attached(files: &[Json]) -> Vec<Attached> {
    let attach = |file: &Json| {
        let content_type = text_at(file, "content_type").unwrap_or_default();
        let kind = if content_type == "voice" { FileKind::Audio } else { FileKind::of(&content_type) };
        if let Some(wav) = text_at(file, "voice_wav_url").and_then(|url| from_url(kind, &url)) {
            return Some(wav);
        }
        let bytes = file.get("size").cloned().and_then(|size| u64::from_json(size).ok());
        let media_type = Some(content_type).filter(|known| known.contains('/'));
        let named = from_url(kind, &text_at(file, "url")?)?;
        Some(Attached { name: text_at(file, "filename"), media_type, bytes, ..named })
    };
    files.iter().filter_map(attach).collect()
}

/// By its own URL.
pub fn download(key: &str) -> Download {
    Download::Get(HttpRequest::get(key.to_owned(), Auth::None))
}

/// `POST …/files`, by which QQ fetches it; in guilds pictures alone, which need none.
pub fn upload(settings: &Settings, outbound: &Outbound, file: &File) -> Option<Upload> {
    let media_type = file.media_type.as_deref().unwrap_or_default();
    let kind = match media_type {
        "image/png" | "image/jpeg" => 1,
        "video/mp4" => 2,
        "audio/silk" | "audio/wav" | "audio/mpeg" => 3,
        _ => 4,
    };
    let address = address(outbound)?;
    if address.is_guild {
        return (kind == 1).then_some(Upload::Url);
    }
    let (url, name) = (format!("{}/{}/files", settings.api_base, address.path), &file.name);
    let body = object! { "file_type": kind, "url": file.url, "srv_send_msg": false, "file_name": name };
    Some(Upload::ByUrl(HttpRequest::post(url, body, Auth::Qq)))
}

/// The `file_info` in the answer to [`upload`].
pub fn uploaded(response: &HttpResponse) -> Option<String> {
    parse(&response.body).ok()?.text("file_info").map(str::to_owned)
}

/// Replies with a file.
pub fn attach(settings: &Settings, outbound: &Outbound, handle: &str) -> Option<Call> {
    let address = address(outbound)?;
    let mut body = protocol::json::Writer::default();
    if address.is_guild {
        body.field("\"image\":", handle);
    } else {
        body.field("\"msg_type\":", &7);
        body.field("\"content\":", " ");
        body.raw("\"media\":", &object! { "file_info": handle });
    }
    Some(Call { request: reply(settings, outbound, &address, body, true), is_last: true })
}

/// Pictures of chats (`multimedia.nt.qq.com.cn`) and guilds (`gchat.qpic.cn`), recordings (`grouptalk.c2c.qq.com`).
pub const FILE_HOSTS: &[&str] = &[".qq.com", ".qq.com.cn", ".qpic.cn"];
