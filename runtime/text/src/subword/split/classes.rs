//! Which classes a character is in.

use crate::subword::split_tables::CLASSES;

/// Punctuation to BERT: ASCII that is no letter, digit, space or control, and the categories P.
pub(in crate::subword) const PUNCTUATION: u32 = 1;
/// White space.
pub(in crate::subword) const SPACE: u32 = 1 << 1;
/// `\p{L}`
pub(in crate::subword) const LETTER: u32 = 1 << 2;
/// `\p{N}`
pub(in crate::subword) const NUMBER: u32 = 1 << 3;
/// `\w`
pub(in crate::subword) const WORD: u32 = 1 << 4;
/// `char::is_numeric`
pub(in crate::subword) const NUMERAL: u32 = 1 << 5;

/// The classes of a character.
#[inline]
pub(in crate::subword) fn of(character: char) -> u32 {
    match character {
        'a'..='z' | 'A'..='Z' => LETTER | WORD,
        '0'..='9' => NUMBER | WORD | NUMERAL,
        ' ' | '\t'..='\r' => SPACE,
        '_' => PUNCTUATION | WORD,
        '!'..='~' => PUNCTUATION,
        '\0'..='\x7F' => 0,
        _ => beyond_ascii(character),
    }
}

fn beyond_ascii(character: char) -> u32 {
    let after = CLASSES.partition_point(|entry| entry >> 6 <= u32::from(character));
    after.checked_sub(1).and_then(|at| CLASSES.get(at)).map_or(0, |entry| entry & 0x3F)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_in_code_is_as_in_the_table() {
        for c in '\0'..='\x7F' {
            assert_eq!(of(c), beyond_ascii(c), "{c:?}");
        }
    }
}
