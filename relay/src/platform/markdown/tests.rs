use super::*;

fn check(style: &Style, cases: &[(&str, &str)]) {
    for (markdown, expected) in cases {
        assert_eq!(render(markdown, style), *expected, "{markdown}");
    }
}

#[test]
fn words_alone() {
    check(
        &PLAIN,
        &[
            ("", ""),
            ("a **b** *c* _d_ ~~e~~ `f` g", "a b c d e f g"),
            ("***both***, **a *b* c**", "both, a b c"),
            // What is no emphasis.
            ("2 * 3 * 4, a_b_c, __init__, ** x **, *", "2 * 3 * 4, a_b_c, __init__, ** x **, *"),
            ("a ** b**", "a ** b**"),
            ("a * b*", "a * b*"),
            ("a_b_ c ~ab~~", "a_b_ c ~ab~~"),
            // A footnote's star; and in Chinese a mark may stand between a word and what is quoted.
            ("price*, tax* (*: net)", "price*, tax* (*: net)"),
            ("价格*，税费*。*含税", "价格*，税费*。*含税"),
            ("这是**“重点”**吗，(**...x**)", "这是“重点”吗，(...x)"),
            // Marks within marks, as deep as it goes.
            ("*_a_* **_b_**", "a b"),
            ("**a *b ~~c _d `e` d_ c~~ b* a**", "a b c d `e` d c b a"),
            (r"\*no\* \# `a\*b`", r"*no* # a\*b"),
            // In code, nothing but its own mark means anything.
            ("``a`b`` `a``b`", "a`b a``b"),
            (r"`a\` *b*", r"a\ b"),
            ("x ` **a**` `**a** ` y", "x  **a** **a**  y"),
            // A mark without an end leaves the others as they are.
            ("x `y **b** *c*", "x `y b c"),
            ("x ``y **b** *c*", "x ``y b c"),
            ("x ```y **b** *c*", "x ```y b c"),
            ("## Title ##\ntext", "【Title】\ntext"),
            ("# **Bold**", "【Bold】"),
            ("#tag", "#tag"),
            ("- a\n  * b\n1. c\n- [ ] d\n- [x] e", "• a\n  • b\n1. c\n☐ d\n☑ e"),
            ("> quoted **x**\n> > twice", "> quoted x\n> > twice"),
            ("a\n\n---\n\nb", "a\n\n———\n\nb"),
            ("| A | B |\n|---|:-:|\n| 1 | **2** |", "A | B\n1 | 2"),
            ("```rust\nlet a = **b**;\n```\nend", "let a = **b**;\nend"),
            ("```\nopen", "open"),
            // Only as many marks as began it, or more, alone in their line, end a block.
            ("````\na\n\n```\n````b\n**c**\n`````\n**d**", "a\n\n```\n````b\n**c**\nd"),
            (
                "[a](https://b.c \"title\") <https://d.e> https://f.g/h_i_j.",
                "a (https://b.c) https://d.e https://f.g/h_i_j.",
            ),
            ("[https://b.c](https://b.c)", "https://b.c"),
            ("[wiki](https://a.b/c_(d))", "wiki (https://a.b/c_(d))"),
            ("[wiki](https://a.b/c_(d(e)f) \"title\")", "wiki (https://a.b/c_(d(e)f))"),
            ("![pic](https://b.c/d.png) ![](https://e.f)", "🖼 pic (https://b.c/d.png) 🖼  (https://e.f)"),
            ("[x](javascript:alert(1)) [y]() [z] (no)", "x (javascript:alert(1)) y [z] (no)"),
            ("no! x](https://b.c)", "no! x](https://b.c)"),
            ("见https://a.b/c，好", "见https://a.b/c，好"),
            // An address begins a word, and not every h an address.
            ("https://a.b/*c* xhttps://a.b/*c* h**d**", "https://a.b/*c* xhttps://a.b/c hd"),
        ],
    );
}

#[test]
fn a_mark_means_the_same_far_into_a_line() {
    let words = "word ".repeat(500);
    check(&PLAIN, &[(&format!("{words}**a** `b`"), &format!("{words}a b"))]);
}

#[test]
fn what_is_shown_stays_as_it_was() {
    let text = "# A\n\n**b** *c* ~~d~~ `e`\n- f\n> g\n[h](https://i.j)\n\n```rust\nk | l\n```\nm \\* n";
    check(&FULL, &[(text, text), ("| A |\n|---|\n| b |", "**A**\nb"), ("~~~\na", "~~~\na\n~~~")]);
    // Of two that begin, the inner one has an end.
    check(&FULL, &[("__a_ b", "_*a* b")]);
    let table = "| A |\n|---|\n| b |";
    check(&Style { table: Table::Kept, ..FULL }, &[(table, table)]);
}

#[test]
fn html_holds_nothing_of_the_answers_own() {
    let html = Style {
        bold: ("<b>", "</b>"),
        code: ("<code>", "</code>"),
        escape: Escape::Html,
        fence: Fence::Pre,
        heading: Heading::Bold,
        link: |text, url| format!("<a href=\"{url}\">{text}</a>"),
        ..PLAIN
    };
    check(
        &html,
        &[
            ("<script> **a<b** `<c>` &amp;", "&lt;script&gt; <b>a&lt;b</b> <code>&lt;c&gt;</code> &amp;amp;"),
            ("# x & y", "<b>x &amp; y</b>"),
            ("a\n```sh\n1 < 2\n3\n```\nb", "a\n<pre>1 &lt; 2\n3</pre>\nb"),
            ("[<b>](https://a.b?c=1&d=2)", "<a href=\"https://a.b?c=1&amp;d=2\">&lt;b&gt;</a>"),
            ("[a](https://b\"onclick=\"c)", "a (https://b\"onclick=\"c)"),
            ("[a ](https://b.c)", "<a href=\"https://b.c\">a </a>"),
        ],
    );
}

fn parts(markdown: &str, max: usize, bytes: usize) -> Vec<String> {
    let mut parts = Vec::new();
    loop {
        let index = parts.len() as u32;
        let (text, is_last) = part(markdown, index, max, &FULL, &|part| part.len() <= bytes).unwrap();
        parts.push(text);
        if is_last {
            assert!(part(markdown, index + 1, max, &FULL, &|part| part.len() <= bytes).is_err());
            return parts;
        }
    }
}

#[test]
fn code_ends_and_begins_again() {
    let text = "```rust\nlet a = 1;\nlet b = 2;\nlet c = 3;\n```\nend";
    assert_eq!(parts(text, 9, 40), ["```rust\nlet a = 1;\nlet b = 2;\n```", "```rust\nlet c = 3;\n```\nend"],);
    // Rather before a block than within it.
    assert_eq!(parts("one two three four\n```\na\nb\nc\n```", 9, 31), ["one two three four", "```\na\nb\nc\n```"]);
    // Unless it began long before.
    assert_eq!(parts("one two\n```\nabc\ndefghij\n```", 9, 20), ["one two\n```\nabc\n```", "```\ndefghij\n```"]);
    // Nothing is left of a block that ends where a part does.
    assert_eq!(parts("```\nabcdef\n```\n\nend of it", 9, 16), ["```\nabcdef\n```", "end of it"]);
    // One line that is too long.
    assert_eq!(parts("```\nabcdefghij\n```", 9, 12), ["```\nabcd\n```", "```\nefgh\n```", "```\nij\n```"]);
}

#[test]
fn no_part_is_longer_once_it_is_cut() {
    // What was cut in its title is no link any more, and longer: it is cut again, by an eighth each time.
    let text = format!("[a](https://b.c \"{}x y z\"){}", "t".repeat(8), "w".repeat(40));
    assert_eq!(parts(&text, 2, 24)[0], "[a](https://b.c \"tttttt");
    // One character stays, even if it is too long.
    assert_eq!(part("你好", 0, 9, &FULL, &|part| part.len() <= 2).unwrap(), ("你".to_owned(), false));
}

#[test]
fn what_is_left_out_is_said() {
    let text = "word ".repeat(100);
    let parts = parts(&text, 3, 100);
    assert_eq!(parts.len(), 3);
    assert!(parts[2].ends_with("cut]") && parts[2].len() <= 100 && parts[2].starts_with("word word"));
    assert!(parts[1].ends_with("word"));
}

#[test]
fn an_empty_answer_says_so() {
    assert_eq!(parts(" \n ", 3, 100), ["（空的回答 · an empty answer）"]);
}

/// Every text comes through whole, within the limit, and in a time that an object has.
#[test]
fn hard_texts() {
    let mut random = 7u64;
    let pieces = [
        "```",
        "\n",
        "~~~",
        "**",
        "[a](https://b.c)",
        "`",
        "👍🏽",
        "| a |",
        "word ",
        "。",
        "- ",
        "> ",
        "\\",
        "_",
        "<",
        "[",
        "(",
    ];
    for round in 0..60 {
        let mut text = String::new();
        for _ in 0..200 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(random >> 33) as usize % pieces.len()]);
        }
        for style in [&PLAIN, &FULL] {
            let (mut index, bytes) = (0, 80 + round % 50);
            loop {
                let (text, is_last) = part(&text, index, 1_000, style, &|part| part.len() <= bytes).unwrap();
                assert!(text.len() <= bytes, "{} bytes: {text}", text.len());
                index += 1;
                if is_last {
                    break;
                }
            }
        }
    }
}

/// The longest answers, of what could take longest to read: a search from every mark to the end of its line would take
/// minutes here.
#[test]
fn long_texts_take_no_time() {
    for piece in ["*a ", "[a ", "`", "[", "**a*", "https://a.b/c", "|", "```\n", "<"] {
        let text = piece.repeat(protocol::limit::TEXT_BYTES_MAX / piece.len());
        let (part, is_last) = part(&text, 5, 400, &FULL, &|part| part.len() <= 2_048).unwrap();
        assert!(part.len() <= 2_048 && !is_last, "{piece}");
        render(&text, &PLAIN);
    }
}
