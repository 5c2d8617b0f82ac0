//! A file beside a text, which ManServer has fields for and we do not: the last paragraph, as Markdown's image, so that
//! everyone sees it. The relay keeps no files: a path leads wherever it leads for those who exchange it.

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
