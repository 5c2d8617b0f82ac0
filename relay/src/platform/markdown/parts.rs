//! An answer in parts, each rendered: a block of code that is cut ends in one part and begins again in the next.

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
    fits: &dyn Fn(&str) -> bool,
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
    fits: &dyn Fn(&str) -> bool,
) -> Result<(String, bool), Unsupported> {
    let mut cutter = Cutter { rest: markdown.trim(), fence: None };
    for number in 0..max {
        let is_end = number + 1 == max;
        let before = (cutter.rest, cutter.fence);
        let mut part = cutter.next(&|part| fits(&render(part, style)));
        let is_cut = is_end && !cutter.rest.is_empty();
        if is_cut {
            (cutter.rest, cutter.fence) = before;
            part = cutter.next(&|part| fits(&(render(part, style) + CUT_NOTICE)));
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
    fn next(&mut self, fits: &dyn Fn(&str) -> bool) -> String {
        let Cutter { rest, fence } = *self;
        let whole = |text: &str| {
            let begin = fence.filter(|line| line.len() <= INFO_BYTES_MAX).or(fence.and_then(opens));
            let end = open_fence(text, fence).and_then(|(_, line)| opens(line));
            let lines = [begin, Some(text.trim_end()), end];
            lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
        };
        let mut at = next(rest, &|text| fits(&whole(text)));
        // Rather before a block of code than within it, and never longer than fits once it is cut.
        if at < rest.len() {
            let begin = rest.get(..at).and_then(|text| open_fence(text, fence)).map_or(0, |(begin, _)| begin);
            at = if begin > at / 2 { begin } else { at };
        }
        let first = rest.chars().next().map_or(0, char::len_utf8);
        while at > first && !rest.get(..at).is_some_and(|text| fits(&whole(text))) {
            at = rest.floor_char_boundary(at - (at / 8).max(1)).max(first);
        }
        let (text, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        self.fence = open_fence(text, fence).map(|(_, line)| line);
        self.rest = match self.fence.and_then(opens) {
            Some(marker) => {
                let after = after.strip_prefix('\n').unwrap_or(after);
                let (line, more) = after.split_once('\n').unwrap_or((after, ""));
                // A block that ends right here does not begin again.
                if closes(line, marker) {
                    self.fence = None;
                    more.trim_start_matches('\n')
                } else {
                    after
                }
            }
            None => after.trim_start_matches('\n'),
        };
        whole(text)
    }
}

/// Where the block of code begins that is still open at the end of `text`, and by which line; `begun` is the line of one
/// that was open at its beginning.
pub(super) fn open_fence<'a>(text: &'a str, begun: Option<&'a str>) -> Option<(usize, &'a str)> {
    let (mut at, mut open) = (0, begun.map(|line| (0, line)));
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
