//! An answer that is being made: its text so far, and which part of it the relay has been sent.

use std::time::{Duration, Instant};

use protocol::limit::TEXT_BYTES_MAX;
use protocol::{ClientFrame, Seq};

/// One answer's text. Pure: the time is passed in.
#[derive(Debug, Default)]
pub struct Stream {
    text: String,
    /// UTF-8 bytes of `text` that were sent, always at a character's boundary.
    sent_bytes: usize,
    /// The same in UTF-16 code units, which is what the protocol counts.
    sent_units: u64,
    /// When the last piece left; `None` lets the next one go at once.
    last_sent: Option<Instant>,
}

/// What became of a piece.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The answer is as long as it may become: it was cut, says so, and is complete now.
    Cut,
    /// There is room for more.
    Room,
}

impl Stream {
    /// Appends a piece. An answer holds at most [`TEXT_BYTES_MAX`] bytes; a longer one is cut and says so.
    pub fn push(&mut self, piece: &str) -> Pushed {
        if self.text.len() + piece.len() <= TEXT_BYTES_MAX {
            self.text.push_str(piece);
            return Pushed::Room;
        }
        let room = TEXT_BYTES_MAX - CUT_NOTICE.len();
        let missing = room.saturating_sub(self.text.len());
        self.text.push_str(piece.get(..piece.floor_char_boundary(missing)).unwrap_or_default());
        self.text.truncate(self.text.floor_char_boundary(room));
        // What was sent beyond the cut is taken back: a delta at a smaller offset replaces what stood there.
        if self.sent_bytes > self.text.len() {
            self.sent_bytes = self.text.len();
            self.sent_units = utf16_len(&self.text);
        }
        self.text.push_str(CUT_NOTICE);
        Pushed::Cut
    }

    /// The answer begins again, from nothing: its first piece will go out with offset 0.
    pub fn restart(&mut self) {
        self.text.clear();
        self.resend();
    }

    /// The relay does not have what was sent: the next piece is the whole answer so far, at once.
    pub fn resend(&mut self) {
        (self.sent_bytes, self.sent_units, self.last_sent) = (0, 0, None);
    }

    /// When the next piece may go: at once for the first, then [`COALESCE`] after the one before.
    /// `None` while there is nothing to send.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let last_sent = (self.sent_bytes < self.text.len()).then_some(self.last_sent)?;
        Some(last_sent.map_or(now, |at| at + COALESCE))
    }

    /// Takes what has not been sent, at most [`DELTA_BYTES_MAX`], if it is due.
    pub fn take(&mut self, reply_to: Seq, now: Instant) -> Option<ClientFrame> {
        self.due(now).filter(|&due| due <= now)?;
        let unsent = self.text.get(self.sent_bytes..)?;
        let piece = unsent.get(..unsent.floor_char_boundary(DELTA_BYTES_MAX))?.to_owned();
        let offset = self.sent_units;
        self.sent_bytes += piece.len();
        self.sent_units += utf16_len(&piece);
        self.last_sent = Some(now);
        Some(ClientFrame::Delta { reply_to, offset, text: piece })
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.text
    }
}

fn utf16_len(text: &str) -> u64 {
    text.chars().map(|c| c.len_utf16() as u64).sum()
}

/// Pieces that arrive within this time of the last one sent travel together.
pub const COALESCE: Duration = Duration::from_millis(50);
/// Text of one delta. JSON writes a byte with at most six, so a delta always fits a frame of 1 MiB.
const DELTA_BYTES_MAX: usize = 160 * 1024;
const CUT_NOTICE: &str = "\n… [cut at 128 KiB]";

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(stream: &mut Stream, now: Instant) -> Option<(u64, String)> {
        match stream.take(Seq(7), now)? {
            ClientFrame::Delta { reply_to: Seq(7), offset, text } => Some((offset, text)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn first_at_once_then_coalesced_with_utf16_offsets() {
        let (mut stream, t0) = (Stream::default(), Instant::now());
        assert_eq!(stream.due(t0), None);
        stream.push("a😀");
        assert_eq!(delta(&mut stream, t0), Some((0, "a😀".into())));
        stream.push("é");
        stream.push("😀中");
        assert_eq!(stream.due(t0), Some(t0 + COALESCE));
        assert_eq!(delta(&mut stream, t0), None);
        assert_eq!(delta(&mut stream, t0 + COALESCE), Some((3, "é😀中".into())));
        stream.push("z");
        assert_eq!(delta(&mut stream, t0 + 2 * COALESCE), Some((7, "z".into())));
        stream.resend();
        assert_eq!(delta(&mut stream, t0 + 2 * COALESCE), Some((0, "a😀é😀中z".into())));
        stream.restart();
        assert_eq!(stream.due(t0), None);
        stream.push("new");
        assert_eq!(delta(&mut stream, t0 + 2 * COALESCE), Some((0, "new".into())));
        assert_eq!(stream.into_text(), "new");
    }

    #[test]
    fn long_answers_are_cut_at_a_character() {
        let (mut stream, mut now) = (Stream::default(), Instant::now());
        let mut shown: Vec<u16> = Vec::new();
        let mut show = |stream: &mut Stream| {
            while let Some((offset, text)) = delta(stream, now) {
                shown.truncate(offset as usize);
                assert_eq!(shown.len() as u64, offset);
                shown.extend(text.encode_utf16());
                now += COALESCE;
            }
        };
        assert_eq!(stream.push(&"中".repeat(TEXT_BYTES_MAX / 3)), Pushed::Room);
        show(&mut stream);
        assert_eq!(stream.push("中"), Pushed::Cut);
        show(&mut stream);
        let text = stream.into_text();
        assert!(text.len() <= TEXT_BYTES_MAX && text.len() > TEXT_BYTES_MAX - 8);
        assert!(text.ends_with("中\n… [cut at 128 KiB]"));
        assert_eq!(String::from_utf16(&shown).unwrap(), text);
    }
}
