//! One Markdown answer, as each platform shows it best: a platform says by its [`Style`] what it can show, and the rest
//! becomes words. Only what language models write is read: no HTML, no references, no setext headings.

mod growing;
mod inline;
mod parts;

pub(super) use growing::steady;
pub(super) use inline::Spans;
pub(super) use parts::{part, part_as};

use inline::Inline;

/// What a platform shows, and how it is written there. Pairs stand around a text.
pub(super) struct Style {
    pub(super) bold: (&'static str, &'static str),
    pub(super) bullet: &'static str,
    pub(super) code: (&'static str, &'static str),
    pub(super) escape: Escape,
    pub(super) fence: Fence,
    pub(super) heading: Heading,
    pub(super) italic: (&'static str, &'static str),
    /// A link with its text, which is rendered already, to an address of http or https.
    pub(super) link: fn(&str, &str) -> String,
    pub(super) strike: (&'static str, &'static str),
    pub(super) table: Table,
}

/// How characters are written that would mean something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    /// With a backslash, where the answer has one.
    Backslash,
    /// As in HTML.
    Html,
    /// As they are: nothing means anything.
    None,
}

/// How blocks of code are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fence {
    /// As their lines.
    Bare,
    /// Between lines of backticks.
    Kept,
    /// As `<pre>`.
    Pre,
    /// As a quotation.
    Quoted,
}

/// How tables are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// As they are.
    Kept,
    /// As lines, with the cells between bars.
    Lines,
}

/// How headings are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Heading {
    /// In bold.
    Bold,
    /// 【In brackets】
    Brackets,
    /// With their `#`.
    Marks,
}

/// Words alone.
pub(super) const PLAIN: Style = Style {
    bold: ("", ""),
    bullet: "• ",
    code: ("", ""),
    escape: Escape::None,
    fence: Fence::Bare,
    heading: Heading::Brackets,
    italic: ("", ""),
    link: |text, url| if text == url { url.to_owned() } else { format!("{text} ({url})") },
    strike: ("", ""),
    table: Table::Lines,
};

/// Everything but tables and pictures, as it was written.
pub(super) const FULL: Style = Style {
    bold: ("**", "**"),
    bullet: "- ",
    code: ("`", "`"),
    escape: Escape::Backslash,
    fence: Fence::Kept,
    heading: Heading::Marks,
    italic: ("*", "*"),
    link,
    strike: ("~~", "~~"),
    table: Table::Lines,
};

/// A link in Markdown.
pub(super) fn link(text: &str, url: &str) -> String {
    if text == url { url.to_owned() } else { format!("[{text}]({url})") }
}

/// Renders an answer.
pub(super) fn render(markdown: &str, style: &Style) -> String {
    let mut page = Page { style, out: String::with_capacity(markdown.len()), is_begun: false };
    let mut fence: Option<&str> = None;
    let mut lines = markdown.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).peekable();
    while let Some(line) = lines.next() {
        if let Some(marker) = fence {
            if closes(line, marker) {
                fence = None;
                page.close_fence(marker);
            } else {
                page.code_line(line);
            }
        } else if let Some(marker) = opens(line) {
            fence = Some(marker);
            page.open_fence(line);
        } else if let Some(cells) = row(line).filter(|_| style.table == Table::Lines) {
            if !is_separator(&cells) {
                let is_head = lines.peek().and_then(|next| row(next)).is_some_and(|next| is_separator(&next));
                page.row(&cells, is_head);
            }
        } else {
            page.line(line);
        }
    }
    if let Some(marker) = fence {
        page.close_fence(marker);
    }
    page.out
}

struct Page<'a> {
    style: &'a Style,
    out: String,
    is_begun: bool,
}

impl Page<'_> {
    /// Begins a line.
    fn begin(&mut self) {
        if self.is_begun {
            self.out.push('\n');
        }
        self.is_begun = true;
    }

    fn line(&mut self, line: &str) {
        self.begin();
        let trimmed = line.trim_start();
        let mut inline = Inline { style: self.style, out: &mut self.out };
        let level = trimmed.bytes().take_while(|&byte| byte == b'#').count();
        if let Some(title) =
            trimmed.get(level..).and_then(|rest| rest.strip_prefix(' ')).filter(|_| (1..=6).contains(&level))
        {
            let title = title.trim().trim_end_matches('#').trim_end();
            let (before, after) = match self.style.heading {
                Heading::Bold => self.style.bold,
                Heading::Brackets => ("【", "】"),
                Heading::Marks => {
                    (["# ", "## ", "### ", "#### ", "##### ", "###### "].get(level - 1).copied().unwrap_or(""), "")
                }
            };
            // What is bold already is not made so again.
            let title = title.strip_prefix("**").and_then(|title| title.strip_suffix("**")).unwrap_or(title);
            inline.around((before, after), title, 1);
        } else if is_rule(trimmed) {
            inline.out.push_str("———");
        } else if let Some(quoted) = trimmed.strip_prefix('>') {
            inline.text("> ");
            inline.write(quoted.strip_prefix(' ').unwrap_or(quoted), 0);
        } else if let Some(item) = ["- ", "* ", "+ "].iter().find_map(|bullet| trimmed.strip_prefix(bullet)) {
            let indent = line.len() - trimmed.len();
            inline.out.push_str(line.get(..indent).unwrap_or_default());
            let (bullet, item) = if let Some(item) = item.strip_prefix("[ ] ") {
                ("☐ ", item)
            } else if let Some(item) = item.strip_prefix("[x] ").or_else(|| item.strip_prefix("[X] ")) {
                ("☑ ", item)
            } else {
                (self.style.bullet, item)
            };
            inline.out.push_str(bullet);
            inline.write(item, 0);
        } else {
            inline.write(line, 0);
        }
    }

    fn row(&mut self, cells: &[&str], is_head: bool) {
        self.begin();
        for (index, cell) in cells.iter().enumerate() {
            let mut inline = Inline { style: self.style, out: &mut self.out };
            if index > 0 {
                inline.out.push_str(" | ");
            }
            let around = if is_head && !cell.is_empty() { self.style.bold } else { ("", "") };
            inline.around(around, cell, 1);
        }
    }

    fn open_fence(&mut self, line: &str) {
        match self.style.fence {
            Fence::Bare | Fence::Quoted => {}
            Fence::Kept => {
                self.begin();
                self.out.push_str(line.trim());
            }
            Fence::Pre => {
                self.begin();
                self.out.push_str("<pre>");
                // The first line of code follows at once.
                self.is_begun = false;
            }
        }
    }

    fn code_line(&mut self, line: &str) {
        self.begin();
        if self.style.fence == Fence::Quoted {
            self.out.push_str("> ");
        }
        Inline { style: self.style, out: &mut self.out }.text(line);
    }

    fn close_fence(&mut self, marker: &str) {
        match self.style.fence {
            Fence::Bare | Fence::Quoted => {}
            Fence::Kept => {
                self.begin();
                self.out.push_str(marker);
            }
            Fence::Pre => {
                self.out.push_str("</pre>");
                self.is_begun = true;
            }
        }
    }
}

/// The marks that begin a block of code, if the line does.
fn opens(line: &str) -> Option<&str> {
    let trimmed = line.trim_start();
    let mark = trimmed.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let length = trimmed.len() - trimmed.trim_start_matches(mark).len();
    let (marker, info) = trimmed.split_at_checked(length)?;
    // ```code``` in one line is no block.
    ((3..=MARKER_BYTES_MAX).contains(&length) && !info.contains(mark)).then_some(marker)
}

fn closes(line: &str, marker: &str) -> bool {
    let trimmed = line.trim();
    trimmed.starts_with(marker) && trimmed.bytes().all(|byte| marker.as_bytes().first() == Some(&byte))
}

fn row(line: &str) -> Option<Vec<&str>> {
    let cells = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(cells.split('|').map(str::trim).collect())
}

fn is_separator(cells: &[&str]) -> bool {
    cells.iter().all(|cell| cell.contains('-') && cell.bytes().all(|byte| matches!(byte, b'-' | b':' | b' ')))
}

fn is_rule(line: &str) -> bool {
    let marks = line.split_whitespace().collect::<String>();
    marks.len() >= 3 && ["-", "*", "_"].iter().any(|mark| marks.replace(mark, "").is_empty())
}

/// Marks that begin a block of code: more are no block, since each part of a long one repeats them.
const MARKER_BYTES_MAX: usize = 16;

#[cfg(test)]
mod tests;
