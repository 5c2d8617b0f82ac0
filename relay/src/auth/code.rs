//! Codes that people read in a chat and type elsewhere.

/// A code as it is shown, `K7PM-3XQD`: 40 bits in Crockford's base 32, which has no letters that look like digits. Guessed
/// 10 times a minute, one of a thousand live codes is hit once in 200 years.
pub fn show(random: [u8; 5]) -> String {
    let bits = random.iter().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
    let letter = |at: u32| ALPHABET.get((bits >> (35 - 5 * at) & 31) as usize).copied().map_or('0', char::from);
    let code: String = (0..LETTERS).map(letter).collect();
    let (left, right) = code.split_at(code.len() / 2);
    format!("{left}-{right}")
}

/// A code as it was typed, in the form that [`show`] has; `None` when it cannot be one.
pub fn read(typed: &str) -> Option<String> {
    let mut code = String::new();
    for letter in typed.chars().filter(|letter| !letter.is_whitespace() && *letter != '-') {
        let letter = match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            letter => letter,
        };
        if code.len() >= LETTERS as usize || !ALPHABET.contains(&u8::try_from(letter).ok()?) {
            return None;
        }
        code.push(letter);
    }
    let (left, right) = code.split_at_checked(LETTERS as usize / 2)?;
    (code.len() == LETTERS as usize).then(|| format!("{left}-{right}"))
}

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LETTERS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        let code = show([0x00, 0x44, 0x32, 0x14, 0xc7]);
        assert_eq!(code, "0123-4567");
        assert_eq!(show([0xff; 5]), "ZZZZ-ZZZZ");
        for typed in ["0123-4567", "01234567", " o i23 4567 ", "oL23-4567"] {
            assert_eq!(read(typed).as_deref(), Some("0123-4567"), "{typed}");
        }
        for typed in ["", "0123", "0123-45678", "0123-456U", "0123-456é", "密密密密密密密密"] {
            assert_eq!(read(typed), None, "{typed}");
        }
    }
}
