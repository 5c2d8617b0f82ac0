//! Long answers in parts, cut where a reader would: between paragraphs, lines, sentences, words.

/// Cuts `text` into parts that each `fits`. `fits` must hold for every beginning of what it holds for; a part has at
/// least one character.
pub(super) fn split(text: &str, fits: impl Fn(&str) -> bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !fits(rest) {
        let (part, after) = rest.split_at(cut(rest, longest(rest, &fits)));
        parts.push(part);
        rest = after;
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(rest);
    }
    parts
}

/// The length in bytes of the longest beginning that fits, by halving.
fn longest(text: &str, fits: impl Fn(&str) -> bool) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let (mut fitting, mut too_long) = (first, text.len());
    while too_long - fitting > 1 {
        let middle = text.floor_char_boundary(fitting + (too_long - fitting) / 2);
        if middle <= fitting {
            break;
        }
        let begin = text.get(..middle).unwrap_or_default();
        if fits(begin) { fitting = middle } else { too_long = middle }
    }
    fitting
}

/// Where to cut within the first `max` bytes: after the last mark of the best kind in the second half of them.
fn cut(text: &str, max: usize) -> usize {
    let begin = text.get(..max).unwrap_or(text);
    let marks: [&[&str]; 4] = [&["\n\n"], &["\n"], &["。", "！", "？", ". ", "! ", "? "], &[" ", "，", ", "]];
    let last = |kind: &[&str]| kind.iter().filter_map(|mark| begin.rfind(mark).map(|at| at + mark.len())).max();
    marks.into_iter().filter_map(last).find(|&at| at > max / 2).unwrap_or(max)
}

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
    }

    #[test]
    fn nothing_is_lost() {
        let text = "你好 world. 🚀\n\n".repeat(500);
        for max in [1, 7, 64, 1000, 5000] {
            let parts = split(&text, |part| part.len() <= max);
            assert_eq!(parts.concat(), text);
            assert!(parts.iter().all(|part| part.len() <= max.max(4)));
        }
    }
}
