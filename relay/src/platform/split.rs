//! Long answers in parts, cut where a reader would: between paragraphs, lines, sentences, words; never within a link,
//! a word in bold, or what is seen as one character.

use super::markdown::Spans;

/// Cuts `text` into parts that each `fits`. `fits` must hold for every beginning of what it holds for; a part has at
/// least one character.
pub(super) fn split(text: &str, fits: impl Fn(&str) -> bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_at(next(rest, &fits));
        parts.push(part);
        rest = after;
        if rest.is_empty() {
            return parts;
        }
    }
}

/// The length in bytes of the first part of `text`: all of it, if it fits.
pub(super) fn next(text: &str, fits: &dyn Fn(&str) -> bool) -> usize {
    let longest = longest(text, fits);
    if longest == text.len() { longest } else { cut(text, longest) }
}

/// The length of the longest beginning that fits: by doubling, then by halving, so that it takes as long as the part is.
fn longest(text: &str, fits: &dyn Fn(&str) -> bool) -> usize {
    let fits = |length: usize| text.get(..length).is_some_and(fits);
    let mut fitting = text.chars().next().map_or(0, char::len_utf8);
    let mut step = FIRST_STEP;
    let mut too_long = loop {
        let length = text.floor_char_boundary(fitting.saturating_add(step));
        if length > fitting && !fits(length) {
            break length;
        }
        fitting = length;
        if fitting == text.len() {
            return fitting;
        }
        step *= 2;
    };
    while too_long - fitting > 1 {
        let half = fitting + (too_long - fitting) / 2;
        let middle = match text.floor_char_boundary(half) {
            middle if middle > fitting => middle,
            _ => text.ceil_char_boundary(half),
        };
        if middle >= too_long {
            break;
        }
        if fits(middle) { fitting = middle } else { too_long = middle }
    }
    fitting
}

/// Where to cut within the first `max` bytes: after the last mark of the best kind in the second half of them.
fn cut(text: &str, max: usize) -> usize {
    let begin = text.get(..max).unwrap_or(text);
    let marks: [&[&str]; 4] = [&["\n\n"], &["\n"], &["。", "！", "？", ". ", "! ", "? "], &[" ", "，", ", "]];
    let last = |kind: &[&str]| kind.iter().filter_map(|mark| begin.rfind(mark).map(|at| at + mark.len())).max();
    let at = marks.into_iter().filter_map(last).find(|&at| at > max / 2).unwrap_or(max);
    let whole = before_character(text, before_span(text, at));
    // What is longer than a part is cut all the same.
    if whole > max / 4 { whole } else { at }
}

/// The place before the link, code or emphasis that a cut at `at` would tear apart; else `at`.
fn before_span(text: &str, at: usize) -> usize {
    let far = text.floor_char_boundary(at.saturating_sub(SPAN_BYTES));
    let begin = text.get(far..at).unwrap_or_default();
    let mut place = far + begin.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(place..).and_then(|rest| rest.split('\n').next()).unwrap_or_default();
    let mut spans = Spans::new(line);
    while let Some((piece, _)) = spans.advance().filter(|_| place < at) {
        if place + piece.len() > at {
            return place;
        }
        place += piece.len();
    }
    at
}

/// The place before the emoji or accented letter that a cut at `at` would tear apart; else `at`.
fn before_character(text: &str, mut at: usize) -> usize {
    for _ in 0..CHARACTER_PARTS {
        let (Some(begin), Some(rest)) = (text.get(..at), text.get(at..)) else { break };
        let (Some(last), Some(next)) = (begin.chars().next_back(), rest.chars().next()) else { break };
        let flags = begin.chars().rev().take_while(|&character| is_flag(character)).count();
        let is_flag_torn = is_flag(next) && flags % 2 == 1;
        if !(is_flag_torn || extends(next) || last == JOINER || (last, next) == ('\r', '\n')) {
            break;
        }
        at -= last.len_utf8();
    }
    at
}

/// Whether it is seen as a part of the character before it: accents, skin tones, variants, keycaps.
fn extends(character: char) -> bool {
    matches!(character, JOINER | '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}')
}

/// Half of a flag.
fn is_flag(character: char) -> bool {
    matches!(character, '\u{1f1e6}'..='\u{1f1ff}')
}

const JOINER: char = '\u{200d}';
/// Bytes of the first try.
const FIRST_STEP: usize = 512;
/// A longer link or emphasis may be cut.
const SPAN_BYTES: usize = 1_000;
/// Of one character as it is seen: a longer one may be cut.
const CHARACTER_PARTS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_where_a_reader_would() {
        let check = |text: &str, max: usize, expected: &[&str]| {
            assert_eq!(split(text, |part| part.len() <= max), expected, "{text}");
        };
        check("", 5, &[""]);
        check("short", 5, &["short"]);
        check("one\n\ntwo three", 11, &["one\n\ntwo ", "three"]);
        check("first\n\nsecond", 9, &["first\n\n", "second"]);
        check("first\nsecond", 8, &["first\n", "second"]);
        check("Yes. No. Why", 9, &["Yes. No. ", "Why"]);
        check("你好。再见", 12, &["你好。", "再见"]);
        check("abcdefgh", 3, &["abc", "def", "gh"]);
        // A character is never cut, even if it is too long.
        check("你好", 2, &["你", "好"]);
        check("a🚀b", 3, &["a", "🚀", "b"]);
        check("ab你", 4, &["ab", "你"]);
        // Nor is what is seen as one, unless it is longer than a part.
        check("abcd👍🏽efg", 10, &["abcd", "👍🏽ef", "g"]);
        check("abcdef👨\u{200d}👩\u{200d}👧cd", 20, &["abcdef", "👨\u{200d}👩\u{200d}👧cd"]);
        check("abcde🇨🇳🇩🇪", 17, &["abcde🇨🇳", "🇩🇪"]);
        check("abcde\u{301}fg", 6, &["abcd", "e\u{301}fg"]);
        // Links and emphasis stay whole, unless they are longer than a part.
        check("see [the page](https://a.b/c) now", 20, &["see [the page](https", "://a.b/c) now"]);
        check("you may see [it](https://a.b/c) now", 25, &["you may see ", "[it](https://a.b/c) now"]);
        check("it is **very much so** now", 18, &["it is ", "**very much so** ", "now"]);
        check("run `cargo test --all` now", 20, &["run `cargo test ", "--all` now"]);
        check("please run `cargo test` now", 20, &["please run ", "`cargo test` now"]);
        check("x\nplease run `cargo test` now", 22, &["x\nplease run ", "`cargo test` now"]);
    }

    #[test]
    fn nothing_is_lost() {
        let text = "你好 **world**. 🚀👍🏽 [a](https://b.c)\n\n".repeat(500);
        for max in [1, 7, 64, 1000, 5000] {
            let parts = split(&text, |part| part.len() <= max);
            assert_eq!(parts.concat(), text);
            assert!(parts.iter().all(|part| part.len() <= max.max(4)));
        }
    }
}
