//! A file in a form, `multipart/form-data` (RFC 7578), as `wx.uploadFile` and browsers send it: taken out of the body as
//! it comes, so that nobody holds it whole. The field `file` is the file; others are passed over.

use protocol::json::Wrong;

/// A form on its way: first [`Form::begin`] until the file begins, then [`Form::next`] for its bytes, at last [`Form::end`].
#[derive(Debug)]
pub struct Form {
    /// What stands before each part but the first: a line's end, two hyphens, the boundary.
    delimiter: Vec<u8>,
    /// What came and was not judged yet.
    held: Vec<u8>,
    place: Place,
    /// What was passed over, in bytes.
    passed: usize,
}

/// What is said of a file before its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// What its sender calls it; empty: nothing.
    pub name: String,
    /// Its media type, as its sender says.
    pub media_type: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    After,
    Before,
    File,
    Head,
}

impl Form {
    /// By the request's `Content-Type`.
    pub fn of(content_type: &str) -> Result<Form, Wrong> {
        let boundary = content_type.strip_prefix("multipart/form-data").and_then(|rest| rest.split_once("boundary="));
        let boundary = boundary.map(|(_, rest)| rest.split(';').next().unwrap_or_default().trim().trim_matches('"'));
        let boundary = boundary.filter(|boundary| (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()));
        let boundary = boundary.ok_or_else(|| Wrong::expected("multipart/form-data; boundary=…").of("Content-Type"))?;
        let delimiter = ["\r\n--", boundary].concat().into_bytes();
        // As if a line had ended before the first part.
        Ok(Form { delimiter, held: b"\r\n".to_vec(), place: Place::Before, passed: 0 })
    }

    /// Takes what comes until the file begins, and then answers what is said of it.
    pub fn begin(&mut self, bytes: &[u8]) -> Result<Option<Head>, Wrong> {
        self.held.extend_from_slice(bytes);
        loop {
            if self.place == Place::Before {
                let Some(passed) = self.cut_at_delimiter() else { break };
                self.passed += passed.len();
                self.place = Place::Head;
            }
            if self.held.starts_with(b"--") {
                return Err(Form::without_file());
            }
            let Some(end) = find(&self.held, b"\r\n\r\n") else { break };
            let rest = self.held.split_off(end + 4);
            let lines = std::mem::replace(&mut self.held, rest);
            self.passed += lines.len();
            self.place = Place::Before;
            if let Some(head) = read(&String::from_utf8_lossy(&lines)) {
                self.place = Place::File;
                return Ok(Some(head));
            }
        }
        if self.place == Place::Before {
            self.passed += self.cut_certain().len();
        }
        if self.passed + self.held.len() > PASSED_BYTES_MAX {
            return Err(Wrong::expected("at most 64 KiB before it").of(FIELD));
        }
        Ok(None)
    }

    /// As much of the file as is certain after these bytes.
    pub fn next(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.place == Place::After {
            return Vec::new();
        }
        self.held.extend_from_slice(bytes);
        match self.cut_at_delimiter() {
            Some(last) => {
                self.place = Place::After;
                self.held = Vec::new();
                last
            }
            None => self.cut_certain(),
        }
    }

    /// The rest; none: it was cut off.
    pub fn end(mut self) -> Option<Vec<u8>> {
        let rest = self.next(b"");
        (self.place == Place::After).then_some(rest)
    }

    /// There was none.
    pub fn without_file() -> Wrong {
        Wrong::expected("a file in the field of this name").of(FIELD)
    }

    /// What stands before the next delimiter, which goes.
    fn cut_at_delimiter(&mut self) -> Option<Vec<u8>> {
        let at = find(&self.held, &self.delimiter)?;
        let rest = self.held.split_off(at + self.delimiter.len());
        let mut content = std::mem::replace(&mut self.held, rest);
        content.truncate(at);
        Some(content)
    }

    /// What cannot be a part of a delimiter.
    fn cut_certain(&mut self) -> Vec<u8> {
        let certain = self.held.len().saturating_sub(self.delimiter.len() - 1);
        let rest = self.held.split_off(certain);
        std::mem::replace(&mut self.held, rest)
    }
}

/// What the lines before a part's content say, if it is the file.
fn read(lines: &str) -> Option<Head> {
    let value = |name: &str| {
        let line = lines.lines().find(|line| line.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name)))?;
        Some(line.get(name.len()..)?.trim())
    };
    let quoted = |text: &str, key: &str| Some(text.split_once(key)?.1.split('"').next()?.to_owned());
    let disposition = value("Content-Disposition:")?;
    (quoted(disposition, " name=\"")? == FIELD).then(|| Head {
        name: quoted(disposition, " filename=\"").unwrap_or_default(),
        media_type: value("Content-Type:").map(str::to_owned),
    })
}

/// Where this, which begins with a line's end, stands first.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|&byte| byte == b'\r')?;
        if bytes.get(at..)?.starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The field that holds the file.
pub const FIELD: &str = "file";
/// RFC 2046 §5.1.1 allows 70; some have more.
const BOUNDARY_BYTES_MAX: usize = 200;
/// What may stand before the file: its own head, and other fields.
pub const PASSED_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=X7";

    /// Whatever pieces it comes in: what is said of the file, and its bytes, if all came.
    fn take(body: &[u8], piece: usize) -> Result<(Head, Option<Vec<u8>>), String> {
        let mut form = Form::of(TYPE).unwrap();
        let (mut head, mut file) = (None, Vec::new());
        for bytes in body.chunks(piece) {
            match &head {
                None => head = form.begin(bytes).map_err(|wrong| wrong.to_string())?,
                Some(_) => file.extend(form.next(bytes)),
            }
        }
        let head = head.ok_or_else(|| Form::without_file().to_string())?;
        Ok((head, form.end().map(|rest| [file, rest].concat())))
    }

    fn check(body: &[u8], expected: Result<(&str, Option<&str>, &[u8]), &str>) {
        for piece in (1..=body.len().min(80)).chain([body.len()]) {
            let taken = take(body, piece);
            let taken = taken.as_ref().map(|(head, file)| {
                (head.name.as_str(), head.media_type.as_deref(), file.as_deref().expect("all of it"))
            });
            assert_eq!(taken.map_err(String::as_str), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn the_file_comes_out_as_it_went_in_whatever_pieces_it_comes_in() {
        // As wx.uploadFile sends it, with `formData` before the file.
        let wx: &[u8] = b"--X7\r\nContent-Disposition: form-data; name=\"user_id\"\r\n\r\nusr_1\r\n\
            --X7\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b.png\"\r\nContent-Type: image/png\r\n\r\n\
            \x89PNG\r\n--X\r\n\r\n--X\0\r\n--X7--\r\n";
        check(wx, Ok(("a b.png", Some("image/png"), b"\x89PNG\r\n--X\r\n\r\n--X\0")));
        // Without an end of the last line, and with a field behind it.
        let behind: &[u8] = b"preamble\r\n--X7\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\n\r\n--X7\r\n\
            Content-Disposition: form-data; name=\"other\"\r\n\r\n\r\n--X7--";
        check(behind, Ok(("", None, b"")));
        let none: &[u8] =
            b"--X7\r\nContent-Disposition: form-data; name=\"files\"; filename=\"file\"\r\n\r\nx\r\n--X7--\r\n";
        check(none, Err("file: expected a file in the field of this name"));
        check(b"--X7--\r\n", Err("file: expected a file in the field of this name"));
        check(b"not a form", Err("file: expected a file in the field of this name"));
    }

    /// A field of so many bytes with another name, and the line that ends it.
    fn field_of(bytes: usize) -> Vec<u8> {
        let head = b"--X7\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
        [head, vec![b'x'; bytes].as_slice(), b"\r\n"].concat()
    }

    #[test]
    fn other_fields_are_passed_over() {
        let file = b"--X7\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nhello\r\n--X7--\r\n";
        check(
            &[field_of(1_000), field_of(0), field_of(1_000), field_of(7), file.to_vec()].concat(),
            Ok(("", None, b"hello")),
        );
    }

    #[test]
    fn nobody_holds_a_file_whole() {
        let mut form = Form::of(TYPE).unwrap();
        form.begin(b"--X7\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n").unwrap().unwrap();
        // What is held may be all of a delimiter but its last byte.
        for piece in [1_000, 1, 1_000] {
            form.next(&vec![b'x'; piece]);
            assert_eq!(form.held.len(), form.delimiter.len() - 1);
        }
    }

    #[test]
    fn one_that_is_cut_off_is_none() {
        let body: &[u8] = b"--X7\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nhello\r\n--X";
        assert_eq!(take(body, 9).unwrap().1, None);
    }

    #[test]
    fn what_stands_before_the_file_has_a_limit() {
        let field = b"--X7\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n".to_vec();
        for endless in [&field, b"--X7\r\n".as_slice(), b"".as_slice()] {
            let mut form = Form::of(TYPE).unwrap();
            let mut outcome = form.begin(endless);
            for _ in 0..70 {
                if outcome.is_ok() {
                    outcome = form.begin(&[b'x'; 1024]);
                }
            }
            assert_eq!(outcome.unwrap_err().to_string(), "file: expected at most 64 KiB before it");
            assert!(form.held.len() <= PASSED_BYTES_MAX + 1024);
        }
        // Also many fields, whether what they hold or what is said of them is long; and it is exact, with the line's end
        // that is thought before the first part.
        for bytes in [0, 1_000] {
            let mut form = Form::of(TYPE).unwrap();
            let wrong = (0..2_000).find_map(|at| form.begin(&field_of(bytes)).err().map(|_| at)).unwrap();
            let passed = field_of(bytes).len() - form.delimiter.len();
            assert_eq!(wrong, PASSED_BYTES_MAX / passed, "fields of {bytes}");
        }
        let mut form = Form::of(TYPE).unwrap();
        assert_eq!(form.begin(&vec![b'x'; PASSED_BYTES_MAX - 2]), Ok(None));
        assert!(form.begin(b"x").is_err());
    }

    #[test]
    fn what_is_no_form_says_so() {
        let check = |content_type: &str, expected: Option<&str>| {
            let delimiter = Form::of(content_type).ok().map(|form| String::from_utf8(form.delimiter).unwrap());
            assert_eq!(delimiter.as_deref(), expected, "{content_type}");
        };
        check(TYPE, Some("\r\n--X7"));
        check("multipart/form-data; boundary=\"a b\"; charset=utf-8", Some("\r\n--a b"));
        check("multipart/form-data", None);
        check("multipart/form-data; boundary=", None);
        check(&format!("multipart/form-data; boundary={}", "x".repeat(201)), None);
        check("image/png", None);
    }
}
