//! What the fuzz targets share. Each file of `targets/` says what must hold for whatever bytes come.

pub mod feishu;
pub mod memory;
pub mod world;

/// The bytes as text, damaged where they are none: every target but the binary ones reads text, as the shells do.
pub fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// A text in the short form of [`expand`]: at most 24 KiB, or `max` bytes when it begins with an `L`. Long ones are slow,
/// and most of what there is to find is in short ones.
pub fn long_text(data: &[u8], max: usize) -> String {
    match text(data).strip_prefix('L') {
        Some(rest) => expand(rest, max),
        None => expand(&text(data), max.min(24 * 1024)),
    }
}

/// A short form for long texts, so that limits of 128 KiB and 1 MiB are a few mutations away: `x^Q` is the character `x`
/// 2^17 times, `^A` the one before it twice … Not longer than `max` bytes altogether: what is over is left out.
pub fn expand(text: &str, max: usize) -> String {
    let mut long = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let power = match rest.peek() {
            Some('^') => {
                let mut ahead = rest.clone();
                ahead.next();
                ahead.next().filter(char::is_ascii_uppercase)
            }
            _ => None,
        };
        let times = power.map_or(1, |power| 1usize << (power as usize - 'A' as usize + 1).min(21));
        if power.is_some() {
            rest.next();
            rest.next();
        }
        let room = max.saturating_sub(long.len()) / c.len_utf8();
        long.extend(std::iter::repeat_n(c, times.min(room)));
    }
    long
}
