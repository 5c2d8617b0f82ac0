//! What a model is shown of a question: its text, its images as they are, text files within the text, and any other file
//! in words, so that the model can say that it does not see it.

use base64ct::{Base64, Encoding};
use protocol::{File, FileKind};
use serde_json::{Value, json};

use crate::files::{Body, Files, size, words, words_why};

/// A question, ready to be put to a model.
pub struct Shown {
    text: String,
    images: Vec<Image>,
}

struct Image {
    file: File,
    /// `data:image/png;base64,…`
    url: String,
}

impl Shown {
    /// Fetches the files, one after another.
    pub async fn of(text: String, files: &[File], relay: &Files) -> Shown {
        let mut shown = Shown { text, images: Vec::new() };
        let (mut image_room, mut text_room) = (IMAGES_BYTES_MAX, TEXT_BYTES_MAX);
        for file in files {
            match looks_like(file) {
                Look::Image => match relay.fetch(file, IMAGE_BYTES_MAX.min(image_room)).await {
                    Ok(body) if body.media_type.starts_with("image/") => {
                        image_room -= body.bytes.len();
                        let url = format!("data:{};base64,{}", body.media_type, Base64::encode_string(&body.bytes));
                        shown.images.push(Image { file: file.clone(), url });
                    }
                    Ok(_) => shown.add(&words_why(file, UNREADABLE)),
                    Err(why) => shown.add(&words_why(file, &format!("cannot be shown: {why}"))),
                },
                Look::Text if text_room == 0 => shown.add(&words_why(file, "too long to be read")),
                Look::Text => match relay.peek(file, text_room).await.map(text_of) {
                    Ok(Some((text, is_whole))) => {
                        text_room -= text.len().min(text_room);
                        shown.add(&fenced(file, &text, is_whole));
                    }
                    Ok(None) => shown.add(&words_why(file, UNREADABLE)),
                    Err(why) => shown.add(&words_why(file, &format!("cannot be read: {why}"))),
                },
                Look::Other => shown.add(&words_why(file, UNREADABLE)),
            }
        }
        shown
    }

    /// Whether there is more than text.
    pub fn has_images(&self) -> bool {
        !self.images.is_empty()
    }

    /// Puts words into the place of the images, for a model that does not take them.
    pub fn drop_images(&mut self) {
        for image in std::mem::take(&mut self.images) {
            self.add(&words_why(&image.file, UNREADABLE));
        }
    }

    /// As the `content` of a message. Text alone goes as it always did: not every server knows parts.
    pub fn content(&self) -> Value {
        if self.images.is_empty() {
            return json!(self.text);
        }
        // The names are of use when there are several, and no server takes an empty text for a mistake.
        let names = self.images.iter().map(|image| words(&image.file));
        let text = Some(self.text.clone()).into_iter().filter(|text| !text.is_empty()).chain(names);
        let text = json!({ "type": "text", "text": text.collect::<Vec<_>>().join("\n") });
        let images = self.images.iter().map(|image| json!({ "type": "image_url", "image_url": { "url": image.url } }));
        std::iter::once(text).chain(images).collect()
    }

    fn add(&mut self, part: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(part);
    }
}

enum Look {
    Image,
    /// As far as is known: the bytes tell.
    Text,
    Other,
}

fn looks_like(file: &File) -> Look {
    match (file.kind, file.media_type.as_deref().unwrap_or_default()) {
        (_, "image/svg+xml") => Look::Text,
        (FileKind::Image, _) => Look::Image,
        (FileKind::Audio | FileKind::Video, _) | (_, "application/pdf") => Look::Other,
        (FileKind::File, _) => Look::Text,
    }
}

/// What is UTF-8 without a NUL is text, whatever its type says: nobody has a type for every language. Also: whether it is
/// all of it.
fn text_of(body: Body) -> Option<(String, bool)> {
    let Body { mut bytes, is_whole, .. } = body;
    if let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
        && !is_whole
    {
        // Cut off in the middle of a character.
        bytes.truncate(error.valid_up_to());
    }
    let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0') && !text.starts_with("%PDF-"))?;
    Some((text.trim_start_matches('\u{feff}').to_owned(), is_whole))
}

/// In a fence that nothing inside ends.
fn fenced(file: &File, text: &str, is_whole: bool) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat((longest + 1).max(3));
    let cut = if is_whole { String::new() } else { format!("\n[only its first {}]", size(text.len() as u64)) };
    format!("{}\n{fence}\n{}\n{fence}{cut}", words(file), text.trim_end_matches('\n'))
}

/// One image; beyond it most servers refuse.
const IMAGE_BYTES_MAX: usize = 10_000_000;
/// All images of a question: they are held in memory, and a third longer, until it is answered.
const IMAGES_BYTES_MAX: usize = 20_000_000;
/// All text files of a question: about as much as a model at home can take in.
const TEXT_BYTES_MAX: usize = 64 * 1024;
const UNREADABLE: &str = "cannot be read by this backend";

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: &[u8], is_whole: bool) -> Body {
        Body { bytes: bytes.to_owned(), media_type: String::new(), is_whole }
    }

    #[test]
    fn text_is_what_reads_as_text() {
        let check = |bytes: &[u8], is_whole, expected: Option<&str>| {
            assert_eq!(text_of(body(bytes, is_whole)), expected.map(|text| (text.to_owned(), is_whole)));
        };
        check("fn main() {} // 中\n".as_bytes(), true, Some("fn main() {} // 中\n"));
        check("\u{feff}a,b".as_bytes(), true, Some("a,b"));
        check(&"ab中".as_bytes()[..4], false, Some("ab"));
        check(&"ab中".as_bytes()[..4], true, None);
        check(b"PK\x03\x04\0\0", false, None);
        check(b"%PDF-1.7 plain", true, None);
        check(b"\xc4\xe3\xba\xc3", true, None);
    }

    #[test]
    fn a_fence_holds_what_it_holds() {
        let file: File = serde_json::from_str(r#"{"id":"f","name":"a.md","kind":"file","url":"u"}"#).unwrap();
        assert_eq!(fenced(&file, "x\n", true), "[file: a.md]\n```\nx\n```");
        assert_eq!(fenced(&file, "```\nx\n```", false), "[file: a.md]\n````\n```\nx\n```\n````\n[only its first 9 B]");
    }
}
