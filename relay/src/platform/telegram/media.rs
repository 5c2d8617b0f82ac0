//! Files from and to Telegram: `getFile`, "Sending files".

use protocol::json::{FromJson, Json, parse};
use protocol::{File, FileKind, object};

use super::{Settings, address, method, reply_to};
use crate::platform::webhook::text_at;
use crate::platform::{Attached, Auth, Download, HttpRequest, HttpResponse, Outbound, Upload};

/// The file of a message; of a picture, the largest.
pub(super) fn attached(message: &Json) -> Option<Attached> {
    // Animations are there as documents, too.
    let fields = ["animation", "audio", "document", "sticker", "video", "video_note", "voice"];
    let (field, file) = match message.get("photo").and_then(Json::as_list).and_then(<[Json]>::last) {
        Some(photo) => ("photo", photo),
        None => fields.iter().find_map(|field| Some((*field, message.get(field)?)))?,
    };
    let id = file.text("file_id").filter(|id| is_file_id(id))?;
    let media_type = text_at(file, "mime_type");
    let kind = match field {
        "document" => FileKind::of(media_type.as_deref().unwrap_or_default()),
        "audio" | "voice" => FileKind::Audio,
        "photo" => FileKind::Image,
        // Of the moving ones some are a program for it, which nothing else shows.
        "sticker" if file.get("is_animated") == Some(&Json::Bool(true)) => return None,
        "sticker" if file.get("is_video") != Some(&Json::Bool(true)) => FileKind::Image,
        _ => FileKind::Video,
    };
    let bytes = file.get("file_size").cloned().and_then(|size| u64::from_json(size).ok());
    Some(Attached { kind, name: text_at(file, "file_name"), media_type, bytes, key: id.to_owned() })
}

fn is_file_id(id: &str) -> bool {
    id.len() <= FILE_ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// `getFile`, of up to 20 MB.
pub fn download(settings: &Settings, key: &str) -> Download {
    Download::Ask(HttpRequest::post(method(settings, "getFile"), object! { "file_id": key }, Auth::None))
}

/// Where it is, which holds the bot's token: it is called, and never said.
pub fn located(settings: &Settings, response: &HttpResponse) -> Option<HttpRequest> {
    let path = text_at(&parse(&response.body).ok()?, "result.file_path")?;
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let is_plain = path.bytes().all(is_known) && !path.starts_with('/') && !path.contains("..");
    let url = format!("{}/file/bot{}/{path}", settings.api_base, settings.bot_token);
    is_plain.then(|| HttpRequest::get(url, Auth::None))
}

/// A call that holds the file: Telegram fetches few kinds by their address. As what it is if Telegram shows that, else to
/// be saved.
pub fn upload(settings: &Settings, outbound: &Outbound, file: &File) -> Option<Upload> {
    let (name, field) = match file.media_type.as_deref().unwrap_or_default() {
        "image/png" | "image/jpeg" | "image/webp" if file.bytes.is_some_and(|bytes| bytes <= PHOTO_BYTES_MAX) => {
            ("sendPhoto", "photo")
        }
        "image/gif" => ("sendAnimation", "animation"),
        "audio/mpeg" | "audio/mp4" => ("sendAudio", "audio"),
        "audio/ogg" => ("sendVoice", "voice"),
        "video/mp4" => ("sendVideo", "video"),
        _ => ("sendDocument", "document"),
    };
    let (chat, topic, message) = address(&outbound.origin)?;
    let mut fields = vec![("chat_id", chat.to_string()), ("reply_parameters", reply_to(message))];
    if topic != 0 {
        fields.push(("message_thread_id", topic.to_string()));
    }
    let request = HttpRequest { method: "POST".into(), url: method(settings, name), body: None, auth: Auth::None };
    Some(Upload::Whole { request, fields, field })
}

const PHOTO_BYTES_MAX: u64 = 10_000_000;
const FILE_ID_BYTES_MAX: usize = 300;
