//! A question's files as OpenClaw takes them: beside the text of `chat.send`, as far as they fit, and otherwise by their
//! address in the text. Schema `ChatAttachment` of the gateway; docs/gateway/clients.md.

use base64ct::{Base64, Encoding};
use protocol::{File, FileKind};
use serde::Serialize;

use super::hello::Room;
use crate::backend::Question;
use crate::files::{Files, words_why};

/// A question, ready to be put.
pub struct Put {
    /// What was written, and what did not fit.
    pub text: String,
    /// What does.
    pub attachments: Vec<Attachment>,
}

/// One file. OpenClaw looks at its bytes to see what it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    #[serde(rename = "type")]
    kind: &'static str,
    mime_type: String,
    file_name: String,
    content: String,
}

impl Put {
    /// Fetches the files, one after another.
    pub async fn of(question: &Question, files: &Files, room: Room) -> Put {
        let mut put = Put { text: told(question), attachments: Vec::new() };
        let mut left = room.all;
        for file in &question.files {
            let (kind, limit) = if file.kind == FileKind::Image { ("image", room.image) } else { ("file", room.file) };
            match files.fetch(file, limit.min(left)).await {
                // It refuses those that are empty.
                Ok(body) if body.bytes.is_empty() => put.add(&words_why(file, "empty")),
                Ok(body) => {
                    left -= body.bytes.len();
                    put.attachments.push(Attachment {
                        kind,
                        mime_type: body.media_type,
                        file_name: file.name.clone(),
                        content: Base64::encode_string(&body.bytes),
                    });
                }
                Err(why) => put.add(&at(file, &why)),
            }
        }
        put
    }

    /// Whether there is more than text.
    pub fn has_attachments(&self) -> bool {
        !self.attachments.is_empty()
    }

    /// The same, all files by their address.
    pub fn without_attachments(self, question: &Question) -> Put {
        let mut put = Put { text: told(question), attachments: Vec::new() };
        question.files.iter().for_each(|file| put.add(&at(file, "not attached")));
        put
    }

    fn add(&mut self, part: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(part);
    }
}

/// What was written, after its writer's name in a group. A command is OpenClaw's only if it begins with its slash.
fn told(question: &Question) -> String {
    if question.text.starts_with('/') { question.text.clone() } else { question.spoken() }
}

/// In words, with where to get it: OpenClaw has tools for that.
fn at(file: &File, why: &str) -> String {
    words_why(file, &format!("{why}: {}", file.url))
}
