//! Extended grapheme clusters, one character at a time.
//!
//! # Source
//! `unicode-segmentation` 1.13.3; Unicode Standard Annex 29, rules GB3 to GB999.

use super::super::unicode::{Class, category as cat, flag};

/// What the rules need of the characters so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clusters {
    before: Option<u32>,
    regional_odd: bool,
    emoji: Emoji,
    conjunct: Conjunct,
}

/// How much of `pictograph, extend*, ZWJ` was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Emoji {
    #[default]
    Nothing,
    Pictograph,
    Joiner,
}

/// How much of `consonant, (extend | linker)*` was read, and whether it has a linker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Conjunct {
    #[default]
    Nothing,
    Consonant,
    Linked,
}

const LV: u32 = 100;
const LVT: u32 = 101;

impl Clusters {
    /// Takes the next character: does a cluster begin before it?
    pub(super) fn begins(&mut self, c: char) -> bool {
        if (' '..='~').contains(&c) {
            let begins = self.before != Some(cat::PREPEND);
            *self = Self { before: Some(cat::ANY), ..Self::default() };
            return begins;
        }
        let class = Class::of(c);
        let mut after = class.category();
        if after == cat::HANGUL {
            after = if u32::from(c).wrapping_sub(0xAC00).is_multiple_of(28) { LV } else { LVT };
        }
        let begins = self.before.is_none_or(|before| self.parts(before, after));
        self.take(class, after);
        begins
    }

    /// Is there a boundary between two categories, after what was read?
    fn parts(&self, before: u32, after: u32) -> bool {
        let hangul = matches!(
            (before, after),
            (cat::L, cat::L | cat::V | LV | LVT) | (LV | cat::V, cat::V | cat::T) | (LVT | cat::T, cat::T)
        );
        match (before, after) {
            (cat::CR, cat::LF) => false,
            (cat::CONTROL | cat::CR | cat::LF, _) | (_, cat::CONTROL | cat::CR | cat::LF) => true,
            _ if hangul => false,
            (_, cat::EXTEND | cat::ZWJ | cat::SPACING_MARK) | (cat::PREPEND, _) => false,
            (_, cat::CONSONANT) => self.conjunct != Conjunct::Linked,
            (cat::ZWJ, cat::PICTOGRAPH) => self.emoji != Emoji::Joiner,
            (cat::REGIONAL, cat::REGIONAL) => !self.regional_odd,
            _ => true,
        }
    }

    fn take(&mut self, class: Class, after: u32) {
        self.before = Some(after);
        self.regional_odd = after == cat::REGIONAL && !self.regional_odd;
        self.emoji = match after {
            cat::PICTOGRAPH => Emoji::Pictograph,
            cat::EXTEND if self.emoji == Emoji::Pictograph => Emoji::Pictograph,
            cat::ZWJ if self.emoji == Emoji::Pictograph => Emoji::Joiner,
            _ => Emoji::Nothing,
        };
        self.conjunct = if after == cat::CONSONANT {
            Conjunct::Consonant
        } else if self.conjunct == Conjunct::Nothing {
            Conjunct::Nothing
        } else if class.has(flag::CONJUNCT_LINKER) {
            Conjunct::Linked
        } else if class.has(flag::CONJUNCT_EXTEND) {
            self.conjunct
        } else {
            Conjunct::Nothing
        };
    }
}
