//! The flat XML of callbacks: one element with fields in it, each text or CDATA. JSON objects, which mini programs may
//! be set to, are read into the same.

use protocol::json::{self, Json};

/// The fields of a callback, in order. What holds further elements is left out: no event that the relay reads has any.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::platform) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a document, if it is one. Declarations, attributes and entities of its own are refused, so that nothing in it
    /// can stand for more than is written.
    pub(in crate::platform) fn read(text: &str) -> Option<Fields> {
        let text = text.trim();
        if text.starts_with('{') {
            return read_json(text);
        }
        let mut rest = match text.strip_prefix("<?") {
            Some(prolog) => prolog.split_once("?>")?.1,
            None => text,
        };
        let (mut fields, mut open, mut value) = (Vec::new(), Vec::new(), String::new());
        loop {
            let (before, from) = rest.split_at_checked(rest.find('<').unwrap_or(rest.len()))?;
            value.push_str(&unescape(before)?);
            if let Some(cdata) = from.strip_prefix("<![CDATA[") {
                let (content, after) = cdata.split_once("]]>")?;
                value.push_str(content);
                rest = after;
                continue;
            }
            // Between elements there is only white space.
            let is_field = open.len() == 2 && from.starts_with("</");
            if !is_field && !value.trim().is_empty() && open.len() < 2 {
                return None;
            }
            let Some(tag) = from.strip_prefix('<') else { break };
            let (tag, after) = tag.split_once('>')?;
            rest = after;
            if let Some(name) = tag.strip_prefix('/') {
                if open.pop() != Some(name.trim_end()) {
                    return None;
                }
                if is_field {
                    fields.push((name.trim_end().to_owned(), std::mem::take(&mut value)));
                }
                value.clear();
            } else if let Some(name) = tag.strip_suffix('/') {
                check_name(name.trim_end(), open.len())?;
                if open.len() == 1 {
                    fields.push((name.trim_end().to_owned(), String::new()));
                }
            } else {
                // Only the first element may stand outside of any.
                if open.is_empty() && !fields.is_empty() {
                    return None;
                }
                check_name(tag.trim_end(), open.len())?;
                open.push(tag.trim_end());
                value.clear();
            }
        }
        (open.is_empty() && !fields.is_empty()).then_some(Fields(fields))
    }

    /// A field that is there and not empty.
    pub(in crate::platform) fn get(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(known, _)| known == name);
        field.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// A text in CDATA, which cannot hold its own end, nor what XML has no characters for.
pub(in crate::platform) fn cdata(text: &str) -> String {
    let is_allowed = |character: &char| matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..);
    let text: String = text.chars().filter(is_allowed).collect();
    ["<![CDATA[", &text.replace("]]>", "]]]]><![CDATA[>"), "]]>"].concat()
}

fn read_json(text: &str) -> Option<Fields> {
    let Json::Object(object) = json::parse(text).ok()? else { return None };
    let text = |json: &Json| match json {
        Json::Text(text) => Some(text.clone()),
        Json::Integer(number) => Some(number.to_string()),
        _ => None,
    };
    let fields = object.iter().filter_map(|(name, value)| Some((name.to_owned(), text(value)?)));
    Some(Fields(fields.collect()))
}

fn check_name(name: &str, depth: usize) -> Option<()> {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    (is_name && depth < DEPTH_MAX).then_some(())
}

/// A text without references: the five that XML has, and numbers.
fn unescape(text: &str) -> Option<String> {
    let (first, parts) = text.split_once('&').map_or((text, None), |(first, rest)| (first, Some(rest.split('&'))));
    let mut plain = first.to_owned();
    for part in parts.into_iter().flatten() {
        let (name, rest) = part.split_once(';')?;
        plain.push(match name {
            "amp" => '&',
            "apos" => '\'',
            "gt" => '>',
            "lt" => '<',
            "quot" => '"',
            _ => {
                let number = name.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(code.ok()?)?
            }
        });
        plain.push_str(rest);
    }
    Some(plain)
}

/// Elements within elements.
const DEPTH_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[(&str, &str)]>) {
        let owned = |fields: &[(&str, &str)]| {
            Fields(fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
        };
        assert!(Fields::read(text) == expected.map(owned), "{text}");
    }

    #[test]
    fn flat_documents() {
        check("<xml><A>1</A>\n <B><![CDATA[a <b> ]] & c]]></B></xml>", Some(&[("A", "1"), ("B", "a <b> ]] & c")]));
        check("<?xml version=\"1.0\"?>\n<xml><A>&lt;&#x4F60;&#33;&amp;lt;</A></xml>\n", Some(&[("A", "<你!&lt;")]));
        check(
            "<xml><A><![CDATA[x]]]]><![CDATA[>]]></A><B></B><C/></xml>",
            Some(&[("A", "x]]>"), ("B", ""), ("C", "")]),
        );
        check("<xml><A><a>1</a><b><c>2</c></b></A><B>3</B></xml>", Some(&[("A", ""), ("B", "3")]));
        check("<xml><A>1<a>2</a></A><B>3</B></xml>", Some(&[("A", ""), ("B", "3")]));
        check("<xml><A>&apos;&gt;&quot;&lt;&amp;</A></xml>", Some(&[("A", "'>\"<&")]));
        check(r#"{"A":"1","B":2,"C":{"D":3},"E":null}"#, Some(&[("A", "1"), ("B", "2")]));
        let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        check(&nested(DEPTH_MAX), Some(&[("a", "")]));
        check(&nested(DEPTH_MAX + 1), None);
    }

    #[test]
    fn what_is_no_flat_document() {
        for text in [
            "",
            "plain",
            "<xml>",
            "<xml></xml>",
            "<xml><A>1</xml>",
            "<xml><A>1</B></xml>",
            "<xml><A>1</A></xml><xml><A>2</A></xml>",
            "<xml><A>1</A>text</xml>",
            "<xml><A><![CDATA[1</A></xml>",
            "<xml><A b=\"c\">1</A></xml>",
            "<xml><A b=\"c\"/><B>1</B></xml>",
            "<xml><></><B>1</B></xml>",
            "<!DOCTYPE x [<!ENTITY e \"1\">]><xml><A>&e;</A></xml>",
            "<xml><A>&e;</A></xml>",
            "<xml><A>&#xD800;</A></xml>",
            "<xml><A>&amp</A></xml>",
            "<xml><!-- x --><A>1</A></xml>",
            &"<a>".repeat(100),
            "[1]",
            "{",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for text in ["", "a]]>b", "]]>]]>", "]]]]>>", "<x>&amp;\n你好🚀"] {
            let document = format!("<xml><A>{}</A></xml>", cdata(text));
            check(&document, Some(&[("A", text)]));
        }
        assert_eq!(cdata("a\u{0}\u{b}b\u{fffe}"), "<![CDATA[ab]]>");
    }
}
