//! An answer in parts, each rendered: a block of code that is cut ends in one part and begins again in the next.

use std::borrow::Cow;

use super::{Style, closes, opens, render};
use crate::platform::Unsupported;
use crate::platform::split::next;
use crate::platform::webhook::CUT_NOTICE;

/// Part `index` of an answer, rendered, and whether it is the last. Each `fits`; there are at most `max`, of which the
/// last says so if something is left out.
pub(in crate::platform) fn part(
    markdown: &str,
    index: u32,
    max: usize,
    style: &Style,
    fits: impl Fn(&str) -> bool,
) -> Result<(String, bool), Unsupported> {
    part_as(markdown, index, max, style, style, fits)
}

/// The same part, cut where it would be in `style`, and `shown` in another: when a platform refuses one after the first
/// parts were taken, the others must go on where those ended.
pub(in crate::platform) fn part_as(
    markdown: &str,
    index: u32,
    max: usize,
    style: &Style,
    shown: &Style,
    fits: impl Fn(&str) -> bool,
) -> Result<(String, bool), Unsupported> {
    let mut cutter = Cutter { rest: markdown.trim(), fence: None };
    for number in 0..max {
        let is_end = number + 1 == max;
        let before = (cutter.rest, cutter.fence);
        let mut part = cutter.next(|part| fits(&render(part, style)));
        let is_cut = is_end && !cutter.rest.is_empty();
        if is_cut {
            (cutter.rest, cutter.fence) = before;
            part = cutter.next(|part| fits(&(render(part, style) + CUT_NOTICE)));
        }
        let is_last = is_end || cutter.rest.is_empty();
        if number == index as usize {
            let part = render(&part, shown) + if is_cut { CUT_NOTICE } else { "" };
            // An empty message is refused everywhere.
            return Ok((if part.trim().is_empty() { EMPTY.into() } else { part }, is_last));
        }
        if is_last {
            break;
        }
    }
    Err(Unsupported(format!("part {index} does not exist")))
}

struct Cutter<'a> {
    rest: &'a str,
    /// The line that began the block of code in which the rest begins.
    fence: Option<&'a str>,
}

impl<'a> Cutter<'a> {
    /// Cuts off what fits, in Markdown that stands for itself.
    fn next(&mut self, fits: impl Fn(&str) -> bool) -> String {
        let rest = self.rest;
        let fence = self.fence.filter(|line| line.len() <= INFO_BYTES_MAX).or(self.fence.and_then(opens));
        let whole = |text: &str| -> String {
            let text = match fence {
                Some(line) => Cow::Owned([line, "\n", text].concat()),
                None => Cow::Borrowed(text),
            };
            match open_fence(&text).and_then(|(_, line)| opens(line)) {
                Some(marker) => [text.trim_end(), "\n", marker].concat(),
                None => text.trim_end().to_owned(),
            }
        };
        let mut at = next(rest, |text| fits(&whole(text)));
        // Rather before a block of code than within it, and never longer than fits once it is cut.
        if self.fence.is_none() && at < rest.len() {
            let begin = rest.get(..at).and_then(open_fence).map_or(0, |(begin, _)| begin);
            if begin > at / 2 {
                at = begin;
            }
        }
        let first = rest.chars().next().map_or(0, char::len_utf8);
        while at > first && !rest.get(..at).is_some_and(|text| fits(&whole(text))) {
            at = rest.floor_char_boundary(at - (at / 8).max(1)).max(first);
        }
        let (text, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let before = self.fence;
        self.fence = match before {
            // Still within the block, or it ended and perhaps another began.
            Some(line) => {
                let marker = opens(line).unwrap_or_default();
                match text.split_inclusive('\n').position(|line| closes(line, marker)) {
                    None => Some(line),
                    Some(end) => {
                        let closed: usize = text.split_inclusive('\n').take(end + 1).map(str::len).sum();
                        text.get(closed..).and_then(open_fence).map(|(_, line)| line)
                    }
                }
            }
            None => open_fence(text).map(|(_, line)| line),
        };
        self.rest = match self.fence {
            Some(_) => after.strip_prefix('\n').unwrap_or(after),
            None if after.trim().is_empty() => "",
            None => after.trim_start_matches('\n'),
        };
        // A block that ends right here does not begin again.
        if let Some(marker) = self.fence.and_then(opens) {
            let line = self.rest.split_inclusive('\n').next().unwrap_or_default();
            if closes(line, marker) && !line.trim().is_empty() {
                self.rest = self.rest.get(line.len()..).unwrap_or_default().trim_start();
                self.fence = None;
            }
        }
        whole(text)
    }
}

/// Where the block of code begins that is still open at the end of `text`, and by which line.
fn open_fence(text: &str) -> Option<(usize, &str)> {
    let (mut at, mut open) = (0, None);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\n', '\r']);
        open = match open {
            Some((_, begun)) if closes(bare, opens(begun).unwrap_or_default()) => None,
            Some(open) => Some(open),
            None => opens(bare).map(|_| (at, bare)),
        };
        at += line.len();
    }
    open
}

/// A line that begins a block of code; a longer one loses its language when it is said again.
const INFO_BYTES_MAX: usize = 64;
const EMPTY: &str = "（空的回答 · an empty answer）";
