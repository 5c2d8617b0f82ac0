//! What stands within a line: emphasis, code, links, pictures, addresses.

use super::{Escape, Style};

/// A piece of a line that belongs together.
pub(in crate::platform) struct Span<'a> {
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

/// A line, span by span and character by character. It remembers for each mark where the next one is that could end a
/// span, so that a line of nothing but marks takes no longer than another.
pub(in crate::platform) struct Spans<'a> {
    line: &'a str,
    at: usize,
    next: [usize; MARKS],
}

impl<'a> Spans<'a> {
    pub(in crate::platform) fn new(line: &'a str) -> Spans<'a> {
        Spans { line, at: 0, next: [0; MARKS] }
    }

    /// The next span, or a character that belongs to none, as a text with its marks.
    pub(in crate::platform) fn advance(&mut self) -> Option<(&'a str, Option<Span<'a>>)> {
        let rest = self.line.get(self.at..)?;
        let first = rest.chars().next()?;
        let (length, span) = match self.span(rest) {
            Some((length, span)) => (length, Some(span)),
            None => (first.len_utf8(), None),
        };
        self.at += length;
        Some((rest.get(..length)?, span))
    }

    fn span(&mut self, rest: &'a str) -> Option<(usize, Span<'a>)> {
        match rest.as_bytes().first()? {
            b'\\' => {
                let text = rest.get(1..2).filter(|text| text.bytes().all(|byte| byte.is_ascii_punctuation()))?;
                Some((2, Span { kind: Kind::Escaped, text, url: "" }))
            }
            b'`' => {
                let count = rest.bytes().take(4).take_while(|&byte| byte == b'`').count();
                let mark = ["`", "``", "```"].get(count - 1)?;
                self.pair(rest, mark, count - 1, Kind::Code)
            }
            b'!' if rest.starts_with("![") => {
                let (length, link) = self.link(rest.get(1..)?, self.at + 1)?;
                Some((length + 1, Span { kind: Kind::Image, ..link }))
            }
            b'[' => self.link(rest, self.at),
            b'<' if is_url(rest.get(1..)?) => {
                let inner = rest.get(1..)?;
                let end = inner.find(|character: char| character.is_whitespace() || "<>".contains(character))?;
                let url = inner.get(..end).filter(|_| inner.as_bytes().get(end) == Some(&b'>'))?;
                Some((end + 2, Span { kind: Kind::Url, text: "", url }))
            }
            b'h' if is_url(rest) && !self.is_within_word() => {
                let url = rest.get(..rest.find(ends_url).unwrap_or(rest.len()))?;
                let url = url.trim_end_matches(['.', ',', ':', ';', '!', '?', '*', '_', '~']);
                Some((url.len(), Span { kind: Kind::Url, text: "", url }))
            }
            b'*' if rest.starts_with("**") => self.pair(rest, "**", 3, Kind::Bold),
            b'*' => self.pair(rest, "*", 4, Kind::Italic),
            b'~' if rest.starts_with("~~") => self.pair(rest, "~~", 5, Kind::Strike),
            // Names have underscores, too.
            b'_' if !self.is_within_word() => self.pair(rest, "_", 6, Kind::Italic),
            _ => None,
        }
    }

    /// Whether the character before is a letter or digit.
    fn is_within_word(&self) -> bool {
        self.before().is_some_and(|before| before.is_ascii_alphanumeric())
    }

    /// Whether a mark before `begin` stands behind a word, as a footnote's does: `price*, tax*`. It begins nothing.
    fn is_footnote(&self, begin: char) -> bool {
        let is_behind_word = self.before().is_some_and(|before| before.is_ascii_alphanumeric() || !before.is_ascii());
        is_behind_word && ",.;:!?)，。；：！？）、".contains(begin)
    }

    fn before(&self) -> Option<char> {
        self.line.get(..self.at).and_then(|before| before.chars().next_back())
    }

    /// What stands between two marks.
    fn pair(&mut self, rest: &'a str, mark: &str, slot: usize, kind: Kind) -> Option<(usize, Span<'a>)> {
        let begin = rest.get(mark.len()..)?.chars().next()?;
        let begins_nothing = begin.is_whitespace() || mark == "_" && begin == '_' || self.is_footnote(begin);
        if kind != Kind::Code && begins_nothing {
            return None;
        }
        let end = self.next(mark, slot, self.at + mark.len() + begin.len_utf8())? - self.at;
        let text = rest.get(mark.len()..end)?;
        Some((end + mark.len(), Span { kind, text, url: "" }))
    }

    /// `[text](address)`: the text holds no other link.
    fn link(&mut self, rest: &'a str, at: usize) -> Option<(usize, Span<'a>)> {
        let end = self.next("](", MARKS - 1, at + 1)? - at;
        let text = rest.get(1..end).filter(|text| !text.contains('['))?;
        let target = rest.get(end + 2..rest.floor_char_boundary(SPAN_BYTES_MAX))?;
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
        Some((end + close + 3, Span { kind: Kind::Link, text, url }))
    }

    /// Where the next `mark` is, from a place on, that could end a span which begins here.
    fn next(&mut self, mark: &str, slot: usize, from: usize) -> Option<usize> {
        let next = self.next.get_mut(slot)?;
        if *next < from {
            let begins = |&at: &usize| self.line.get(at..).is_some_and(|rest| rest.starts_with(mark));
            let places = self.line.get(from..)?.match_indices(mark.chars().next()?).map(|(at, _)| from + at);
            let end = places.filter(begins).find(|&at| is_end(self.line, at, mark));
            *next = end.unwrap_or(self.line.len());
        }
        Some(*next).filter(|&next| next < self.line.len() && next - self.at <= SPAN_BYTES_MAX)
    }
}

/// Whether a mark can end a span: it stands right after something, and is not a part of a longer mark.
fn is_end(line: &str, at: usize, mark: &str) -> bool {
    let before = line.get(..at).and_then(|before| before.chars().next_back());
    let after = line.get(at + mark.len()..).and_then(|after| after.chars().next());
    let same = mark.chars().next();
    match mark {
        "](" => true,
        "`" | "``" | "```" => before != same && after != same,
        "**" => !before.is_some_and(char::is_whitespace) && before != Some('\\') && after != same,
        _ => {
            let is_within_word = mark == "_" && after.is_some_and(|after| after.is_ascii_alphanumeric());
            let is_apart = before.is_some_and(char::is_whitespace) || before == Some('\\');
            !is_apart && !is_within_word && before != same && after != same
        }
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

fn ends_url(character: char) -> bool {
    character.is_whitespace() || "<>\"'`()[]{}|\\^，。！？；：、（）「」《》【】".contains(character)
}

/// Writes what stands within lines.
pub(super) struct Inline<'a> {
    pub(super) style: &'a Style,
    pub(super) out: &'a mut String,
}

impl Inline<'_> {
    /// A line, or a part of one within so many spans.
    pub(super) fn write(&mut self, line: &str, depth: usize) {
        if depth >= DEPTH_MAX {
            return self.text(line);
        }
        let mut spans = Spans::new(line);
        while let Some((piece, span)) = spans.advance() {
            match span {
                Some(span) => self.span(span, depth + 1),
                None => self.text(piece),
            }
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
/// A longer span stays as it was written.
const SPAN_BYTES_MAX: usize = 1_000;
/// Of which the next is remembered: three of code, bold, italic twice, strike, links.
const MARKS: usize = 8;
