//! HTML character references, and the debris that old feeds make of them (`#39;`, `quot;`).
//!
//! A reference to a letter gives that letter; one to any other character gives a mark that is told apart from the same
//! character written plainly, because how a feed writes is part of what a classifier learns from.
//!
//! # Source
//! HTML Living Standard, "Named character references" and "Numeric character reference end state" (the windows-1252
//! table for 128 to 159).

/// What a reference stands for, and how many bytes it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The character, not yet folded.
    pub character: char,
    /// Bytes from `&` (or `#`, or the first letter of the debris) to `;` inclusive.
    pub len: usize,
}

/// Names of characters that are no letters; sorted.
const MARKS: [(&[u8], char); 30] = [
    (b"amp", '&'),
    (b"apos", '\''),
    (b"bull", '•'),
    (b"cent", '¢'),
    (b"copy", '©'),
    (b"deg", '°'),
    (b"euro", '€'),
    (b"gt", '>'),
    (b"hellip", '…'),
    (b"laquo", '«'),
    (b"ldquo", '“'),
    (b"lsquo", '‘'),
    (b"lt", '<'),
    (b"mdash", '—'),
    (b"middot", '·'),
    (b"nbsp", '\u{A0}'),
    (b"ndash", '–'),
    (b"para", '¶'),
    (b"pound", '£'),
    (b"quot", '"'),
    (b"raquo", '»'),
    (b"rdquo", '”'),
    (b"reg", '®'),
    (b"rsquo", '’'),
    (b"sbquo", '‚'),
    (b"sect", '§'),
    (b"shy", '\u{AD}'),
    (b"times", '×'),
    (b"trade", '™'),
    (b"yen", '¥'),
];

/// Windows-1252 from 128 on, where it differs from Unicode; unused codes stand for themselves.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

/// Accents by the end of their name, with the letters that carry them and the results.
const ACCENTS: [(&[u8], &str, &str); 9] = [
    (b"grave", "aeiou", "àèìòù"),
    (b"acute", "aeiouy", "áéíóúý"),
    (b"circ", "aeiou", "âêîôû"),
    (b"tilde", "ano", "ãñõ"),
    (b"uml", "aeiouy", "äëïöüÿ"),
    (b"ring", "a", "å"),
    (b"cedil", "c", "ç"),
    (b"slash", "o", "ø"),
    (b"caron", "s", "š"),
];

/// Names of letters that are no accent on a base letter.
const LETTERS: [(&[u8], char); 5] =
    [(b"aelig", 'æ'), (b"eth", 'ð'), (b"oelig", 'œ'), (b"szlig", 'ß'), (b"thorn", 'þ')];

/// Reads a reference at the start of `text`, which begins with `&`.
#[must_use]
pub fn reference(text: &[u8]) -> Option<Reference> {
    let body = text.get(1..)?;
    let found = if body.first() == Some(&b'#') { numeric(body) } else { named(body) };
    found.map(|r| Reference { len: r.len.saturating_add(1), ..r })
}

/// Reads a numeric reference at the start of `text`, which begins with `#`: the `&` may have been lost.
#[must_use]
pub fn numeric(text: &[u8]) -> Option<Reference> {
    let (radix, digits_at) = match text.get(1) {
        Some(b'x' | b'X') => (16, 2),
        _ => (10, 1),
    };
    let mut code: u32 = 0;
    for (index, &byte) in text.iter().enumerate().skip(digits_at).take(8) {
        if byte == b';' && index > digits_at {
            return Some(Reference { character: character(code), len: index.saturating_add(1) });
        }
        code = code.saturating_mul(radix).saturating_add(char::from(byte).to_digit(radix)?);
    }
    None
}

/// Reads a name whose `&` was lost, at the start of a word: only the five of XML and `nbsp`, because others are words.
#[must_use]
pub fn debris(text: &[u8]) -> Option<Reference> {
    let names = [b"amp;".as_slice(), b"apos;", b"gt;", b"lt;", b"nbsp;", b"quot;"];
    let name = names.into_iter().find(|name| text.starts_with(name))?;
    mark(name.strip_suffix(b";")?).map(|character| Reference { character, len: name.len() })
}

fn named(body: &[u8]) -> Option<Reference> {
    let end = body.iter().take(8).position(|&b| b == b';')?;
    let mut folded = [0u8; 8];
    let name = folded.get_mut(..end)?;
    name.copy_from_slice(body.get(..end)?);
    name.make_ascii_lowercase();
    let character = mark(name).or_else(|| letter(name))?;
    Some(Reference { character, len: end.saturating_add(1) })
}

fn mark(name: &[u8]) -> Option<char> {
    let place = MARKS.binary_search_by(|(n, _)| (*n).cmp(name)).ok()?;
    MARKS.get(place).map(|(_, character)| *character)
}

fn letter(name: &[u8]) -> Option<char> {
    if let Some(&(_, c)) = LETTERS.iter().find(|(n, _)| *n == name) {
        return Some(c);
    }
    let (&base, accent) = name.split_first()?;
    let (_, bases, results) = ACCENTS.iter().find(|(n, ..)| *n == accent)?;
    let index = bases.bytes().position(|b| b == base)?;
    results.chars().nth(index)
}

/// The character of a numeric reference; U+FFFD if there is none.
fn character(code: u32) -> char {
    let windows = code.checked_sub(0x80).and_then(|n| WINDOWS_1252.get(usize::try_from(n).ok()?));
    windows.copied().or_else(|| char::from_u32(code)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_the_standard_names_them() {
        let table: [(&str, Option<(char, usize)>); 23] = [
            ("&amp; rest", Some(('&', 5))),
            ("&lt;A", Some(('<', 4))),
            ("&eacute;", Some(('é', 8))),
            ("&Eacute;", Some(('é', 8))),
            ("&Ntilde;o", Some(('ñ', 8))),
            ("&oslash;", Some(('ø', 8))),
            ("&szlig;", Some(('ß', 7))),
            ("&thorn;", Some(('þ', 7))),
            ("&#39;s", Some(('\'', 5))),
            ("&#x41;", Some(('A', 6))),
            ("&#233;", Some(('é', 6))),
            ("&#151;", Some(('—', 6))),
            ("&#154;", Some(('š', 6))),
            ("&#1114112;", Some(('\u{FFFD}', 10))), // beyond Unicode
            ("&#00000039;", None),                  // no closing `;` within eight bytes
            ("&#99999;", Some(('\u{1869F}', 8))),
            ("&#;", None),
            ("&#x;", None),
            ("&;", None),
            ("&unknown;", None),
            ("&amp", None),
            ("&", None),
            ("& amp;", None),
        ];
        for (text, expected) in table {
            let found = reference(text.as_bytes()).map(|r| (r.character, r.len));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn debris_needs_its_semicolon() {
        assert_eq!(debris(b"quot;Hi").map(|r| r.len), Some(5));
        assert_eq!(debris(b"quota"), None);
        assert_eq!(debris(b"eacute;"), None);
        assert_eq!(numeric(b"#39;s").map(|r| (r.character, r.len)), Some(('\'', 4)));
        assert_eq!(numeric(b"#1 seed"), None);
    }

    #[test]
    fn names_are_sorted_for_the_search() {
        assert!(MARKS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
