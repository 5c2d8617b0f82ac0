//! A file beside a text, which ManServer has fields for: one of ours, or a path that leads wherever it leads for those who
//! exchange it. That one is the last paragraph, as Markdown's image, so that everyone sees it.

use protocol::json::Json;
use protocol::{File, FileKind};

use crate::file::PATH;

/// What a message says, with its files as paragraphs, of which the first is the last; and what its buttons would say.
pub fn whole(message: &Json) -> String {
    let files = message.get("files").and_then(Json::as_list).unwrap_or_default();
    let mut whole = message.text("text").unwrap_or_default().to_owned();
    for file in files.iter().rev() {
        let (kind, url) = (file.text("kind").unwrap_or_default(), file.text("url").unwrap_or_default());
        whole = join(&whole, kind, url).unwrap_or(whole);
    }
    for button in message.get("buttons").and_then(Json::as_list).unwrap_or_default() {
        let (label, says) = (button.text("label").unwrap_or_default(), button.text("text").unwrap_or_default());
        whole += &format!("\n- {label}: {says}");
    }
    whole
}

/// The file of ours that a path names: its URL proves the rest.
pub fn ours(path: &str) -> Option<File> {
    let (_, token) = path.rsplit_once(PATH)?;
    let id = "fil_named".parse().ok().filter(|_| !token.is_empty())?;
    let (name, kind) = (String::new(), FileKind::File);
    Some(File { id, name, kind, media_type: None, bytes: None, url: path.to_owned() })
}

/// The text with its file. `kind` is what ManServer calls the media type. None: not a path that can be written.
pub fn join(text: &str, kind: &str, path: &str) -> Option<String> {
    if path.contains(['\n', '<', '>']) || kind.contains(['\n', '[', ']']) {
        return None;
    }
    let space = if text.is_empty() { "" } else { "\n\n" };
    let is_plain = !path.contains([' ', '(', ')']);
    Some(if is_plain { format!("{text}{space}![{kind}]({path})") } else { format!("{text}{space}![{kind}](<{path}>)") })
}

/// The text without its file, and the file's kind and path, if its last paragraph is one.
pub fn split(text: &str) -> (&str, Option<(&str, &str)>) {
    let (above, last) = text.rsplit_once('\n').unwrap_or(("\n", text));
    match above.strip_suffix('\n').zip(read(last)) {
        Some((words, file)) => (words, Some(file)),
        None => (text, None),
    }
}

fn read(line: &str) -> Option<(&str, &str)> {
    let (kind, path) = line.strip_prefix("![")?.strip_suffix(')')?.split_once("](")?;
    let path = path.strip_prefix('<').and_then(|path| path.strip_suffix('>')).unwrap_or(path);
    (!path.is_empty()).then_some((kind, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_out_as_it_went_in() {
        let check = |text: &str, kind: &str, path: &str, whole: &str| {
            assert_eq!(join(text, kind, path).as_deref(), Some(whole));
            assert_eq!(split(whole), (text, Some((kind, path))), "{whole}");
        };
        check("see", "image", "a.jpg", "see\n\n![image](a.jpg)");
        check("", "", "https://x.test/a?b=c", "![](https://x.test/a?b=c)");
        check("one\n\ntwo", "image/png", "my photo (1).png", "one\n\ntwo\n\n![image/png](<my photo (1).png>)");
        assert_eq!(join("", "image", "a\nb"), None);
        assert_eq!(join("", "im]age", "a"), None);
    }

    #[test]
    fn other_texts_have_no_file() {
        for text in ["", "hi", "![a](b) c", "see ![a](b)", "![a]()", "![a](b\nc)", "see\n![a](b)"] {
            assert_eq!(split(text), (text, None));
        }
    }
}
