//! What stands within a line: emphasis, code, links, pictures, addresses.

use super::{Escape, Style};

/// A piece of a line that belongs together.
pub(in crate::platform) struct Span<'a> {
    /// In bytes, with its marks.
    pub(in crate::platform) length: usize,
    kind: Kind,
    /// Between its marks.
    text: &'a str,
    /// Of links and pictures.
    url: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bold,
    Code,
    /// A character after a backslash.
    Escaped,
    Image,
    Italic,
    Link,
    Strike,
    /// An address as it is.
    Url,
}

/// The span at the beginning of `rest`, if there is one; `before` is the character before it.
pub(in crate::platform) fn span(before: Option<char>, rest: &str) -> Option<Span<'_>> {
    let is_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let near = rest.get(..rest.floor_char_boundary(SPAN_BYTES_MAX)).unwrap_or(rest);
    match rest.as_bytes().first()? {
        b'\\' => {
            let escaped = near.get(1..2).filter(|escaped| escaped.bytes().all(|byte| byte.is_ascii_punctuation()))?;
            Some(Span { length: 2, kind: Kind::Escaped, text: escaped, url: "" })
        }
        b'`' => {
            let marks = near.get(..near.len() - near.trim_start_matches('`').len())?;
            let inner = near.get(marks.len()..)?;
            let end = inner.match_indices(marks).map(|(at, _)| at).find(|&at| {
                let is_longer = inner.get(at + marks.len()..).is_some_and(|after| after.starts_with('`'));
                !is_longer && !inner.get(..at).is_some_and(|code| code.ends_with('`'))
            })?;
            let text = inner.get(..end)?;
            Some(Span { length: end + 2 * marks.len(), kind: Kind::Code, text, url: "" })
        }
        b'!' => {
            let link = link(near.get(1..)?)?;
            Some(Span { length: link.length + 1, kind: Kind::Image, ..link })
        }
        b'[' => link(near),
        b'<' => {
            let (url, _) = near.get(1..)?.split_once('>')?;
            is_url(url).then_some(Span { length: url.len() + 2, kind: Kind::Url, text: "", url })
        }
        b'h' if is_url(near) && !is_word(before) => {
            let is_end = |character: char| {
                character.is_whitespace() || "<>\"'`()[]{}|\\^，。！？；：、（）「」《》【】".contains(character)
            };
            let url = near
                .get(..near.find(is_end).unwrap_or(near.len()))?
                .trim_end_matches(['.', ',', ':', ';', '!', '?', '*', '_']);
            Some(Span { length: url.len(), kind: Kind::Url, text: "", url })
        }
        b'*' if near.starts_with("**") => emphasis(near, "**", Kind::Bold),
        b'*' => emphasis(near, "*", Kind::Italic),
        b'~' => emphasis(near, "~~", Kind::Strike),
        // Names have underscores, too.
        b'_' if !is_word(before) && !near.starts_with("__") => {
            let span = emphasis(near, "_", Kind::Italic)?;
            let after = near.get(span.length..)?.chars().next();
            (!is_word(after) && after != Some('_')).then_some(span)
        }
        _ => None,
    }
}

/// `[text](address)`
fn link(near: &str) -> Option<Span<'_>> {
    let inner = near.strip_prefix('[')?;
    let mut depth = 0usize;
    let end = inner.char_indices().find_map(|(at, character)| {
        match character {
            '[' => depth += 1,
            ']' if depth == 0 => return Some(at),
            ']' => depth -= 1,
            _ => {}
        }
        None
    })?;
    let target = inner.get(end + 1..)?.strip_prefix('(')?;
    let mut depth = 0usize;
    let close = target.char_indices().find_map(|(at, character)| {
        match character {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
        None
    })?;
    // An address may be followed by a title.
    let url = target.get(..close)?.split_whitespace().next().unwrap_or_default();
    let url = url.trim_start_matches('<').trim_end_matches('>');
    Some(Span { length: end + close + 4, kind: Kind::Link, text: inner.get(..end)?, url })
}

fn emphasis<'a>(near: &'a str, mark: &str, kind: Kind) -> Option<Span<'a>> {
    let inner = near.strip_prefix(mark)?;
    if inner.starts_with(char::is_whitespace) {
        return None;
    }
    let end = inner.match_indices(mark).map(|(at, _)| at).find(|&at| {
        let text = inner.get(..at).unwrap_or_default();
        let after = inner.get(at + mark.len()..).unwrap_or_default();
        // `*` within `**` is none of its own.
        let is_half = mark.len() == 1 && (after.starts_with(mark) || text.ends_with(mark));
        !text.is_empty() && !text.ends_with(char::is_whitespace) && !text.ends_with('\\') && !is_half
    })?;
    Some(Span { length: end + 2 * mark.len(), kind, text: inner.get(..end)?, url: "" })
}

fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// Writes what stands within lines.
pub(super) struct Inline<'a> {
    pub(super) style: &'a Style,
    pub(super) out: &'a mut String,
}

impl Inline<'_> {
    /// A line, or a part of one within so many spans.
    pub(super) fn write(&mut self, line: &str, depth: usize) {
        let (mut rest, mut before) = (line, None);
        while let Some(first) = rest.chars().next() {
            let span = if depth < DEPTH_MAX { span(before, rest) } else { None };
            let length = match span {
                Some(span) => {
                    let length = span.length;
                    self.span(span, depth + 1);
                    length
                }
                None => {
                    self.character(first);
                    first.len_utf8()
                }
            };
            let (done, after) = rest.split_at(length);
            (before, rest) = (done.chars().next_back(), after);
        }
    }

    /// A part of a line between marks.
    pub(super) fn around(&mut self, (open, close): (&str, &str), text: &str, depth: usize) {
        self.out.push_str(open);
        self.write(text, depth);
        self.out.push_str(close);
    }

    /// Text in which nothing has a meaning.
    pub(super) fn text(&mut self, text: &str) {
        text.chars().for_each(|character| self.character(character));
    }

    fn span(&mut self, span: Span<'_>, depth: usize) {
        let style = self.style;
        match span.kind {
            Kind::Bold => self.around(style.bold, span.text, depth),
            Kind::Code => {
                self.out.push_str(style.code.0);
                self.text(span.text);
                self.out.push_str(style.code.1);
            }
            Kind::Escaped => {
                if style.escape == Escape::Backslash {
                    self.out.push('\\');
                }
                self.text(span.text);
            }
            Kind::Italic => self.around(style.italic, span.text, depth),
            Kind::Strike => self.around(style.strike, span.text, depth),
            Kind::Image | Kind::Link => {
                let mut text = String::new();
                if span.kind == Kind::Image {
                    text.push_str("🖼 ");
                }
                Inline { style, out: &mut text }.write(span.text, depth);
                if text.trim().is_empty() {
                    text = span.url.to_owned();
                }
                self.link(&text, span.url);
            }
            Kind::Url => self.link(span.url, span.url),
        }
    }

    /// Only addresses of the web become links: others could be made to do something.
    fn link(&mut self, text: &str, url: &str) {
        let mut address = String::new();
        Inline { style: self.style, out: &mut address }.text(url);
        // A link's text may be its address, escaped or not.
        let text = if text == url { &address } else { text };
        if is_url(url) && !url.contains(['"', '<', '>']) {
            self.out.push_str(&(self.style.link)(text, &address));
        } else if url.is_empty() || text == address {
            self.out.push_str(text);
        } else {
            self.out.push_str(text);
            self.out.push_str(" (");
            self.out.push_str(&address);
            self.out.push(')');
        }
    }

    fn character(&mut self, character: char) {
        match (self.style.escape, character) {
            (Escape::Html, '&') => self.out.push_str("&amp;"),
            (Escape::Html, '<') => self.out.push_str("&lt;"),
            (Escape::Html, '>') => self.out.push_str("&gt;"),
            _ => self.out.push(character),
        }
    }
}

/// Spans within spans; what is deeper stays as it was written.
const DEPTH_MAX: usize = 4;
/// A longer span stays as it was written, so that no line takes long.
const SPAN_BYTES_MAX: usize = 1_000;
