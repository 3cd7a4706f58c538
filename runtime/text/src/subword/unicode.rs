//! What the normalisers need to know of a character.
//!
//! The tables are made from the crates that the reference uses, each with the version of Unicode that it has: the forms
//! of normalisation are of Unicode 9, the clusters of Unicode 17, the categories of BERT of Unicode 8 or so. Nothing is
//! asked of the platform, so a newer compiler changes no id.

use core::ops::RangeInclusive;

pub(crate) use super::tables::{category, flag};
use super::{tables, tables_decompositions, tables_pool};

const HANGUL: RangeInclusive<u32> = 0xAC00..=0xD7A3;

/// What is known of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(u32);

impl Class {
    /// The class of a character.
    #[must_use]
    pub fn of(c: char) -> Self {
        let code = u32::from(c);
        let block = usize::try_from(code >> 8).unwrap_or(usize::MAX);
        let first = tables::RUN_INDEX.get(block).copied().map_or(usize::MAX, usize::from);
        let last = tables::RUN_INDEX.get(block.wrapping_add(1)).copied().map_or(usize::MAX, usize::from);
        // Above the index its last entry says where the rest begins.
        let rest = tables::RUN_INDEX.last().copied().map_or(0, usize::from);
        let (first, last) =
            if last == usize::MAX { (rest, tables::RUNS.len()) } else { (first, last.saturating_add(1)) };
        let runs = tables::RUNS.get(first..last).unwrap_or_default();
        let after = runs.partition_point(|run| run >> 8 <= code);
        let run = after.checked_sub(1).and_then(|place| runs.get(place)).copied().unwrap_or_default();
        let class = usize::try_from(run & 0xFF).ok().and_then(|class| tables::CLASSES.get(class));
        Self(class.copied().unwrap_or_default())
    }

    /// The canonical combining class.
    #[must_use]
    pub const fn combining(self) -> u8 {
        (self.0 & 0xFF) as u8
    }

    /// The number of the grapheme category.
    pub(crate) const fn category(self) -> u32 {
        self.0 >> 8 & 0xFF
    }

    /// Is the flag set?
    pub(crate) const fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    /// A mark that `BertNormalizer` drops.
    #[must_use]
    pub const fn is_mark_nonspacing(self) -> bool {
        self.has(flag::MARK_NONSPACING)
    }

    /// A mark that `StripAccents` drops.
    #[must_use]
    pub const fn is_combining_mark(self) -> bool {
        self.has(flag::COMBINING_MARK)
    }

    /// A control, format or private character: one that `BertNormalizer` drops, tab, line feed and carriage return
    /// apart.
    #[must_use]
    pub const fn is_other(self) -> bool {
        self.has(flag::OTHER)
    }

    /// Punctuation as `BertPreTokenizer` and `Punctuation` mean it.
    #[must_use]
    pub const fn is_punctuation(self) -> bool {
        self.has(flag::PUNCTUATION)
    }
}

/// The characters that are in one grapheme cluster with the next one, whatever that is.
pub(crate) fn prepends() -> impl Iterator<Item = char> {
    let ends = tables::RUNS.iter().skip(1).map(|run| run >> 8);
    let runs = tables::RUNS.iter().map(|run| run >> 8).zip(ends);
    let is_prepend = |(first, _): &(u32, u32)| {
        char::from_u32(*first).is_some_and(|c| Class::of(c).category() == category::PREPEND)
    };
    runs.filter(is_prepend).flat_map(|(first, end)| first..end).filter_map(char::from_u32)
}

/// White space, as `char::is_whitespace` has it in the version of the tables.
#[must_use]
pub fn is_white_space(c: char) -> bool {
    match c {
        '\t'..='\r' | ' ' => true,
        '\0'..='\u{84}' => false,
        _ => Class::of(c).has(flag::WHITE_SPACE),
    }
}

/// The lower-case form: one character, or two for U+0130.
#[must_use]
pub fn lower(c: char) -> (char, Option<char>) {
    if c == '\u{130}' { ('i', Some('\u{307}')) } else { (crate::unicode::lower(c), None) }
}

/// The full decomposition of a character: itself if it has none.
#[derive(Clone, Debug)]
pub enum Decomposition {
    /// Up to three characters that are known.
    Known([char; 3], u8),
    /// UTF-16 from a table.
    Held(core::char::DecodeUtf16<core::iter::Copied<core::slice::Iter<'static, u16>>>),
}

impl Iterator for Decomposition {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self {
            Self::Known(characters, len) => {
                *len = len.checked_sub(1)?;
                let [first, second, third] = *characters;
                *characters = [second, third, third];
                Some(first)
            }
            Self::Held(units) => units.next().and_then(Result::ok),
        }
    }
}

/// Decomposes a character fully: canonically, or for compatibility.
#[must_use]
pub fn decompose(c: char, compatible: bool) -> Decomposition {
    let code = u32::from(c);
    if code < 0xA0 {
        return Decomposition::Known([c; 3], 1);
    }
    if HANGUL.contains(&code) {
        return decompose_hangul(code.wrapping_sub(0xAC00));
    }
    held(code, compatible).map_or(Decomposition::Known([c; 3], 1), |units| {
        Decomposition::Held(char::decode_utf16(units.iter().copied()))
    })
}

fn decompose_hangul(number: u32) -> Decomposition {
    let jamo = |base: u32, offset: u32| char::from_u32(base.wrapping_add(offset)).unwrap_or_default();
    let (lead, vowel) = (jamo(0x1100, number / 588), jamo(0x1161, number % 588 / 28));
    let tail = number % 28;
    Decomposition::Known([lead, vowel, jamo(0x11A7, tail)], if tail == 0 { 2 } else { 3 })
}

/// The units of a decomposition of the tables.
fn held(code: u32, compatible: bool) -> Option<&'static [u16]> {
    let block = *tables_decompositions::DECOMPOSITION_INDEX.get(usize::try_from(code >> 6).ok()?)?;
    let at = usize::from(block) << 6 | usize::try_from(code & 63).ok()?;
    let entry = *tables_decompositions::DECOMPOSITION_BLOCKS.get(at)?;
    if entry == 0 {
        return None;
    }
    let (place, length) = (entry & 0x3FFF, usize::from(entry >> 14));
    if !compatible && (tables_pool::COMPATIBLE_FROM..tables_pool::BOTH_FROM).contains(&place) {
        return None;
    }
    let texts = tables_pool::POOL.get(usize::from(place)..)?;
    if length < 3 {
        return texts.get(..length.saturating_add(1));
    }
    let (&header, texts) = texts.split_first()?;
    if place < tables_pool::BOTH_FROM {
        return texts.get(..usize::from(header));
    }
    let (one, other) = texts.split_at_checked(usize::from(header & 0xFF))?;
    if compatible { other.get(..usize::from(header >> 8)) } else { Some(one) }
}

/// The character that two compose to, if they do.
#[must_use]
pub fn compose(first: char, second: char) -> Option<char> {
    let (one, two) = (u32::from(first), u32::from(second));
    if two < 0x300 {
        return None;
    }
    if (0x1161..=0x1175).contains(&two) && (0x1100..=0x1112).contains(&one) {
        let number = one.wrapping_sub(0x1100).wrapping_mul(588);
        let vowel = two.wrapping_sub(0x1161).wrapping_mul(28);
        return char::from_u32(0xAC00u32.wrapping_add(number).wrapping_add(vowel));
    }
    if (0x11A8..=0x11C2).contains(&two)
        && HANGUL.contains(&one)
        && one.wrapping_sub(0xAC00).is_multiple_of(28)
    {
        return char::from_u32(one.wrapping_add(two).wrapping_sub(0x11A7));
    }
    if two > 0xFFFF || one > 0xFFFF {
        let pair = tables::LARGE_PAIRS.iter().find(|pair| (pair.0, pair.1) == (one, two))?;
        return char::from_u32(pair.2);
    }
    let at = tables::SECONDS.binary_search_by_key(&two, |entry| entry >> 16).ok()?;
    let start = |at: usize| tables::SECONDS.get(at).and_then(|entry| usize::try_from(entry & 0xFFFF).ok());
    let pairs = tables::PAIRS.get(start(at)?..start(at.wrapping_add(1))?)?;
    let pair = pairs.get(pairs.binary_search_by_key(&one, |pair| pair >> 16).ok()?)?;
    char::from_u32(pair & 0xFFFF)
}
