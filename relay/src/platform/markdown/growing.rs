//! An answer that is being made, as far as it will stay as it is: what was shown of it is then the beginning of the whole.

use super::parts::open_fence;
use super::{Spans, Style, is_separator, opens, render, row};

/// Of an answer that may go on, what no more words can change, rendered: every one is the beginning of each later one, and of
/// the first [`part`](super::part) of the whole that is long enough. For styles that keep fences.
pub(in crate::platform) fn steady(markdown: &str, style: &Style) -> String {
    let text = markdown.trim_start();
    let (lines, line) = text.split_at(text.rfind('\n').map_or(0, |newline| newline + 1));
    let fence = open_fence(lines, None).and_then(|(_, line)| opens(line));
    let source = match steady_bytes(line) {
        // Any line may end the block.
        _ if fence.is_some() => lines,
        0 => {
            let lines = lines.trim_end_matches(['\r', '\n']);
            let (above, last) = lines.split_at(lines.rfind('\n').map_or(0, |newline| newline + 1));
            // The next line says whether it is the head of a table, and the end of an answer is trimmed.
            let is_open = match row(last) {
                Some(cells) => !is_separator(&cells),
                None => last.ends_with(char::is_whitespace) && !last.trim_start().starts_with(['`', '~']),
            };
            let bytes = if is_open { steady_bytes(last) } else { last.len() };
            text.get(..above.len() + bytes).unwrap_or(above)
        }
        bytes => text.get(..lines.len() + bytes).unwrap_or(lines),
    };
    let shown = render(source, style);
    let shown = fence.and_then(|marker| shown.strip_suffix(marker)).unwrap_or(&shown);
    shown.trim_end().to_owned()
}

/// How much of a line that goes on is settled: nothing, while it may become a heading, a rule or a row; then up to the first
/// mark that may still begin something.
fn steady_bytes(line: &str) -> usize {
    let trimmed = line.trim_start();
    let item = ["- ", "* ", "+ "].iter().find_map(|bullet| trimmed.strip_prefix(bullet)).unwrap_or(trimmed);
    let is_word = |character: char| !character.is_whitespace() && !"#>|`~-*+_".contains(character);
    if !item.starts_with(is_word) && !item.starts_with("**") {
        return 0;
    }
    let mut spans = Spans::new(item);
    let mut settled = 0;
    while let Some((piece, span)) = spans.advance() {
        let rest = item.get(settled..).unwrap_or_default();
        let after = rest.get(piece.len()..).unwrap_or_default();
        let is_open = match span {
            // What follows may belong to it; an address may go on after a full stop.
            Some(_) => after.bytes().all(|byte| b".,:;!?*_~".contains(&byte)),
            None if piece == "!" => after.is_empty() || after.starts_with('['),
            None if piece == "h" => ["http://", "https://"].iter().any(|scheme| scheme.starts_with(rest)),
            None => "\\`[<*~_".contains(piece),
        };
        if is_open {
            break;
        }
        settled += piece.len();
    }
    // Nothing but marks would be a rule.
    if item.get(..settled).is_some_and(|settled| settled.contains(is_word)) {
        line.len() - item.len() + settled
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FULL, part};
    use super::*;

    const ANSWER: &str = "  # A **title** #\n\nHello! 你好，*world* and **all** of it: see [the page](https://a.b/c_d) \
        or https://a.b/c. Use `let x = 1;` and 3 * 4 < 5, a_b and \\*not\\* ~~that~~.\n\n* one ![p](https://a.b/c.png) end\n\
        - [x] done\n  + **Key**: a value_ and _so_ on\n- - -\n***\n> quoted **bold** text\n\n| a | b |\n|---|:-:|\n| 1 | **2** |\n\
        |not a row\n\n```rust\nfn main() {\n    // ``` not the end ``\n}\n```\nafter the code 🚀\n1. first\n2. second **x";

    #[test]
    fn what_is_settled_is_the_beginning_of_whatever_follows() {
        for answer in
            [ANSWER.to_owned(), ANSWER.repeat(2), format!("{ANSWER}\n~~~\nopen"), ANSWER.replace('\n', "\r\n")]
        {
            let (whole, _) = part(&answer, 0, 1, &FULL, &|_| true).unwrap();
            let mut before = String::new();
            let mut steps = 0;
            for (end, _) in answer.char_indices() {
                let shown = steady(&answer[..end], &FULL);
                assert!(shown.starts_with(&before), "{before:?} became {shown:?}");
                assert!(whole.starts_with(&shown), "{shown:?} is not how {whole:?} begins");
                steps += usize::from(shown != before);
                before = shown;
            }
            assert!(steps * 6 > answer.len(), "{steps} steps of {}", answer.len());
            assert!(before.len() * 10 > whole.len() * 9, "{before}");
        }
    }

    proptest::proptest! {
        #[test]
        fn also_where_marks_stand_anywhere(
            pieces in proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..24),
        ) {
            let answer = pieces.concat();
            let (whole, _) = part(&answer, 0, 1, &FULL, &|_| true).unwrap();
            let mut before = String::new();
            for (end, _) in answer.char_indices() {
                let shown = steady(&answer[..end], &FULL);
                proptest::prop_assert!(shown.starts_with(&before), "{answer:?}: {before:?} became {shown:?}");
                proptest::prop_assert!(whole.starts_with(&shown), "{answer:?}: {shown:?} before {whole:?}");
                before = shown;
            }
        }
    }

    const PIECES: [&str; 28] = [
        "a",
        " ",
        "\n",
        "\n\n",
        "**",
        "*",
        "_",
        "`",
        "```",
        "~~",
        "~",
        "|",
        "|-|",
        "# ",
        "- ",
        "> ",
        "![",
        "[",
        "](",
        ")",
        "http://a.b",
        ".",
        "<",
        "\\",
        "x] ",
        "---",
        "\r\n",
        "好",
    ];

    #[test]
    fn a_line_is_shown_as_it_grows() {
        let check = |text: &str, expected: &str| assert_eq!(steady(text, &FULL), expected, "{text}");
        check("Hello! wor", "Hello! wor");
        check("Hello!", "Hello");
        check("a **bo", "a");
        check("a **bold**", "a");
        check("a **bold** b", "a **bold** b");
        check("**bold** b", "**bold** b");
        check("* one", "- one");
        check("*", "");
        check("# Ti", "");
        check("# Ti\n", "# Ti");
        check("| a |\n| b", "");
        // Trimmed at its end, it is no item; but a block has ended.
        check("* \n", "");
        check("```\na\n``` \n", "```\na\n```");
        check("x\n```\na\nb", "x\n```\na");
        check("go to ht", "go to");
        check("go to https://a.b/", "go to");
        check("go to https://a.b/ now", "go to https://a.b/ now");
    }
}
