//! What the normaliser needs to know of a character, from generated tables of one Unicode version.

use crate::tables;

/// The Unicode version of the tables: major, minor, update.
pub const UNICODE_VERSION: (u8, u8, u8) = tables::UNICODE_VERSION;

/// True if the character is part of a word: alphabetic, numeric, or a combining mark of U+0300..=U+036F.
/// Ideographs and kana are words of their own and answered by [`is_whole_word`].
#[must_use]
pub fn is_word(c: char) -> bool {
    let code = u32::from(c);
    if code < 0x80 {
        return c.is_ascii_alphanumeric();
    }
    let after = tables::WORD_STARTS.partition_point(|&packed| (packed >> 11) <= code);
    let Some(&packed) = after.checked_sub(1).and_then(|i| tables::WORD_STARTS.get(i)) else {
        return false;
    };
    code.wrapping_sub(packed >> 11) <= packed & 0x7FF
}

/// True if the character is a word of its own (Han ideographs, hiragana, katakana): scripts without spaces.
#[must_use]
pub fn is_whole_word(c: char) -> bool {
    let code = u32::from(c);
    code >= 0x3041 && tables::CJK_RANGES.iter().any(|&(first, last)| (first..=last).contains(&code))
}

/// The lower-case form where it is one character, else the character itself; `İ` becomes `i`.
#[must_use]
pub fn lower(c: char) -> char {
    let code = u32::from(c);
    if code < 0x80 {
        return c.to_ascii_lowercase();
    }
    let after = tables::LOWER_RANGES.partition_point(|range| range.first <= code);
    let Some(range) = after.checked_sub(1).and_then(|i| tables::LOWER_RANGES.get(i)) else {
        return c;
    };
    range.lower(code).and_then(char::from_u32).unwrap_or(c)
}

/// True if the character is invisible and parts nothing: soft hyphen, zero-width space and joiners, direction and
/// variation marks, the byte-order mark. The normaliser drops it.
#[must_use]
pub const fn is_ignored(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
}

/// True if the character only parts words and is no mark: white space, controls, U+FFFD for invalid bytes.
#[must_use]
pub const fn is_break(c: char) -> bool {
    matches!(c, '\0'..=' ' | '\u{7F}'..='\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{2028}' | '\u{2029}'
        | '\u{202F}' | '\u{205F}' | '\u{3000}' | '\u{FFFD}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_is_that_of_the_standard_library_where_it_is_one_character() {
        for c in '\0'..=char::MAX {
            let mut forms = c.to_lowercase();
            let expected = match (c, forms.next(), forms.next()) {
                ('İ', ..) => 'i',
                (_, Some(one), None) => one,
                _ => c,
            };
            assert_eq!(lower(c), expected, "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn word_characters_are_the_alphanumeric_ones_and_combining_marks() {
        for c in '\0'..=char::MAX {
            let expected = c.is_alphanumeric() || ('\u{300}'..='\u{36F}').contains(&c);
            assert_eq!(
                is_word(c) || is_whole_word(c),
                expected || is_whole_word(c),
                "U+{:04X}",
                u32::from(c)
            );
            assert!(!(is_word(c) && is_whole_word(c)), "U+{:04X} is both", u32::from(c));
        }
    }

    #[test]
    fn breaks_are_white_space_controls_and_what_cannot_be_decoded() {
        for c in '\0'..=char::MAX {
            assert_eq!(
                is_break(c),
                c.is_whitespace() || c.is_control() || c == '\u{FFFD}',
                "U+{:04X}",
                u32::from(c)
            );
        }
    }

    #[test]
    fn ideographs_and_kana_stand_alone() {
        for c in ['中', '国', 'ひ', 'カ', '\u{20000}'] {
            assert!(is_whole_word(c), "{c}");
        }
        for c in ['a', 'é', '한', 'ж', '。'] {
            assert!(!is_whole_word(c), "{c}");
        }
    }
}
