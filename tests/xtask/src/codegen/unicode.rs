//! Generator of the tokenizer's character tables, from the methods of Rust's own `char`.
//!
//! The tables are frozen: a newer Unicode version can change the ids of texts that contain the characters it adds, so
//! it is taken over on purpose, by raising [`UNICODE_VERSION`] and generating anew, never by a newer compiler alone.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use anyhow::{Result, bail};

/// The committed tables themselves, for the tests.
#[cfg(test)]
#[path = "../../../../runtime/text/src/tables.rs"]
mod tables;

/// The version of Unicode that the tables describe.
pub const UNICODE_VERSION: (u8, u8, u8) = (17, 0, 0);

/// Characters that are words of their own: the ideograph blocks that BERT splits, and the letters of the kana.
pub const CJK_RANGES: [(u32, u32); 10] = [
    (0x3041, 0x3096),
    (0x30A1, 0x30FA),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
];

/// Marks that belong to the word they stand in.
const COMBINING_MARKS: RangeInclusive<u32> = 0x0300..=0x036F;

/// The tables start here: ASCII is handled in code.
const FIRST: u32 = 0x80;

/// Longest range that one entry of the word table can hold.
const MAX_WORD_RUN: u32 = 1 << 11;

/// Longest range that one entry of the lower-case table can hold.
const MAX_LOWER_RUN: u32 = 1 << 8;

/// Characters with the same distance to their lower-case form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LowerRange {
    /// The first character.
    pub first: u32,
    /// What is added to each character.
    pub delta: i32,
    /// How many characters.
    pub len: u32,
    /// From one character to the next: 1, or 2 where the two cases alternate.
    pub stride: u32,
}

/// Whether a character, ASCII apart, is part of a word that can have several characters.
pub fn is_word(c: char) -> bool {
    let code = u32::from(c);
    let alone = CJK_RANGES.iter().any(|(first, last)| (*first..=*last).contains(&code));
    code >= FIRST && !alone && (c.is_alphanumeric() || COMBINING_MARKS.contains(&code))
}

/// The lower-case form of a character, ASCII apart, where it is a single other character.
///
/// U+0130, whose full form is `i` and a combining dot, gives `i`. A sigma at the end of a word is not special.
pub fn lower(c: char) -> Option<char> {
    let mut full = c.to_lowercase();
    let first = full.next()?;
    let is_single = full.next().is_none() || c == '\u{130}';
    (u32::from(c) >= FIRST && is_single && first != c).then_some(first)
}

/// The table of words: sorted, each entry `start << 11 | (len - 1)`.
pub fn word_starts() -> Vec<u32> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for code in characters().filter(|c| is_word(*c)).map(u32::from) {
        match runs.last_mut() {
            Some((start, len)) if *start + *len == code && *len < MAX_WORD_RUN => *len += 1,
            _ => runs.push((code, 1)),
        }
    }
    runs.into_iter().map(|(start, len)| start << 11 | (len - 1)).collect()
}

/// The table of lower-case forms: sorted, ranges do not overlap.
pub fn lower_ranges() -> Vec<LowerRange> {
    let mut ranges: Vec<LowerRange> = Vec::new();
    for (from, to) in characters().filter_map(|c| Some((u32::from(c), u32::from(lower(c)?)))) {
        let delta = to.wrapping_sub(from).cast_signed();
        match ranges.last_mut() {
            Some(range) if range.delta == delta && range.takes(from) => {
                range.stride = (from - range.first) / range.len;
                range.len += 1;
            }
            _ => ranges.push(LowerRange { first: from, delta, len: 1, stride: 1 }),
        }
    }
    ranges
}

impl LowerRange {
    /// Whether the range can grow by one character.
    fn takes(&self, code: u32) -> bool {
        let gap = code - (self.first + (self.len - 1) * self.stride);
        let is_regular = if self.len == 1 { gap <= 2 } else { gap == self.stride };
        is_regular && self.len < MAX_LOWER_RUN
    }
}

/// The generated file, before rustfmt.
///
/// # Errors
///
/// When the compiler knows another version of Unicode than [`UNICODE_VERSION`].
pub fn source() -> Result<String> {
    if char::UNICODE_VERSION != UNICODE_VERSION {
        bail!(
            "the compiler has Unicode {:?}, the tables are for {UNICODE_VERSION:?}; use the toolchain of \
             rust-toolchain.toml, or raise UNICODE_VERSION knowing that ids of some texts change",
            char::UNICODE_VERSION
        );
    }
    let (words, lowers) = (word_starts(), lower_ranges());
    let mut text = HEADER.replace("= VERSION;", &format!("= {UNICODE_VERSION:?};"));
    writeln!(text, "{WORDS_DOC}pub(crate) static WORD_STARTS: [u32; {}] = [", words.len())?;
    for entry in &words {
        writeln!(text, "{entry:#X},")?;
    }
    writeln!(text, "];\n{LOWERS_DOC}pub(crate) static LOWER_RANGES: [LowerRange; {}] = [", lowers.len())?;
    for LowerRange { first, delta, len, stride } in &lowers {
        writeln!(text, "LowerRange::new({first:#X}, {delta}, {len}, {stride}),")?;
    }
    writeln!(text, "];\n{CJK_DOC}pub(crate) static CJK_RANGES: [(u32, u32); {}] = [", CJK_RANGES.len())?;
    for (first, last) in CJK_RANGES {
        writeln!(text, "({first:#X}, {last:#X}),")?;
    }
    writeln!(text, "];")?;
    Ok(text)
}

const HEADER: &str = "// Generated by `cargo xtask codegen`; do not edit.

//! Character tables of the tokenizer. ASCII is not in them: it is handled in code.

/// The version of Unicode from which the tables were made.
pub(crate) const UNICODE_VERSION: (u8, u8, u8) = VERSION;

/// Characters with the same distance to their lower-case form: adjacent ones, or every second one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LowerRange {
    /// The first character.
    pub(crate) first: u32,
    /// `delta << 9 | (len - 1) << 1 | (stride - 1)`.
    packed: i32,
}

impl LowerRange {
    /// `len` characters (1 to 256) from `first` on, each `stride` (1 or 2) after the one before; `delta` is what is
    /// added to each.
    const fn new(first: u32, delta: i32, len: i32, stride: i32) -> Self {
        Self { first, packed: delta << 9 | len.wrapping_sub(1) << 1 | stride.wrapping_sub(1) }
    }

    /// The lower-case form of a character, if the range holds it.
    pub(crate) const fn lower(self, code: u32) -> Option<u32> {
        let offset = code.wrapping_sub(self.first);
        let (stride_bit, last) = (self.packed.cast_unsigned() & 1, self.packed.cast_unsigned() >> 1 & 0xFF);
        if offset & stride_bit != 0 || offset >> stride_bit > last {
            return None;
        }
        code.checked_add_signed(self.packed >> 9)
    }
}

";

const WORDS_DOC: &str = "/// Characters that are part of a word: `char::is_alphanumeric`, and U+0300 to U+036F, without [`CJK_RANGES`].
///
/// Ranges, each `start << 11 | (len - 1)`, sorted, not overlapping; a range of more than 2,048 characters is split.
/// The range that can hold `c` is the last one with `entry >> 11 <= c`; it does if `c - (entry >> 11) <= entry & 0x7FF`.
";

const LOWERS_DOC: &str = "
/// Simple lower-casing: characters whose lower-case form is one other character; and U+0130, which gives `i`.
///
/// Sorted by `first`, not overlapping: the range that can hold `c` is the last one with `first <= c`. A form is always
/// a `char`, and can be an ASCII letter.
";

const CJK_DOC: &str = "
/// Characters that are words of their own: the ideograph blocks that BERT splits, and the letters of the kana.
///
/// First and last character of each range, sorted.
";

/// Every character that the tables can hold.
fn characters() -> impl Iterator<Item = char> {
    (FIRST..=u32::from(char::MAX)).filter_map(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word_by_tables(code: u32) -> bool {
        let after = tables::WORD_STARTS.partition_point(|entry| entry >> 11 <= code);
        after.checked_sub(1).is_some_and(|at| {
            let entry = tables::WORD_STARTS[at];
            code - (entry >> 11) <= entry & 0x7FF
        })
    }

    fn lower_by_tables(code: u32) -> Option<u32> {
        let after = tables::LOWER_RANGES.partition_point(|range| range.first <= code);
        tables::LOWER_RANGES[after.checked_sub(1)?].lower(code)
    }

    fn alone_by_tables(code: u32) -> bool {
        tables::CJK_RANGES.iter().any(|(first, last)| (*first..=*last).contains(&code))
    }

    #[test]
    fn the_tables_say_what_the_methods_of_char_say_for_every_code_point() {
        assert_eq!(tables::UNICODE_VERSION, char::UNICODE_VERSION, "tables and compiler differ in Unicode");
        let mut wrong = Vec::new();
        for code in FIRST..=0x11_0000 {
            let Some(c) = char::from_u32(code) else {
                assert!(
                    !word_by_tables(code) && lower_by_tables(code).is_none(),
                    "{code:#X} is no character"
                );
                continue;
            };
            let alone = alone_by_tables(code);
            let word = !alone && (c.is_alphanumeric() || COMBINING_MARKS.contains(&code));
            let full: Vec<char> = c.to_lowercase().collect();
            let lower = match full.as_slice() {
                ['i', '\u{307}'] => Some(u32::from('i')),
                [single] if *single != c => Some(u32::from(*single)),
                _ => None,
            };
            if (word_by_tables(code), lower_by_tables(code)) != (word, lower) {
                wrong.push(format!("U+{code:04X}"));
            }
        }
        assert!(wrong.is_empty(), "{} code points differ: {wrong:?}", wrong.len());
    }

    #[test]
    fn ascii_is_in_no_table() {
        for code in 0..FIRST {
            assert!(!word_by_tables(code) && lower_by_tables(code).is_none() && !alone_by_tables(code));
        }
    }

    #[test]
    fn the_tables_are_sorted_and_small() {
        assert!(tables::WORD_STARTS.is_sorted_by(|a, b| a >> 11 < b >> 11));
        assert!(tables::LOWER_RANGES.is_sorted_by(|a, b| a.first < b.first));
        assert!(tables::CJK_RANGES.is_sorted_by(|a, b| a.1 < b.0));
        assert!(size_of_val(&tables::WORD_STARTS) <= 4 << 10, "{}", size_of_val(&tables::WORD_STARTS));
        assert!(size_of_val(&tables::LOWER_RANGES) <= 3 << 9, "{}", size_of_val(&tables::LOWER_RANGES));
    }
}
