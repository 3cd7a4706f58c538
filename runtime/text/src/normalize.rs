//! The normaliser: any bytes become a run of folded characters and breaks.
//!
//! Defined, not inherited, so that it is the same everywhere:
//! 1. UTF-8, lossy: each maximal invalid part becomes U+FFFD (as `String::from_utf8_lossy`), which parts words.
//! 2. HTML references and their debris are resolved ([`crate::entity`]).
//! 3. Invisible characters are dropped ([`crate::unicode::is_ignored`]).
//! 4. Letters are lower-cased one to one ([`crate::unicode::lower`]).
//! 5. A word is a maximal run of word characters; an ideograph or kana is a word by itself; white space, controls and
//!    invalid bytes part words; everything else is a mark and parts words too.

use crate::entity::{self, Reference};
use crate::unicode;

/// The most bytes a decision looks ahead: `&`, a name of seven letters or eight digits, `;`.
pub const ENTITY_LOOK_AHEAD: usize = 10;

/// One step of the normalised text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// A character inside a word.
    Letter {
        /// In lower case.
        folded: char,
        /// It was written in upper case.
        upper: bool,
    },
    /// A character that is a word by itself.
    Whole(char),
    /// Punctuation, a symbol, an emoji.
    Mark {
        /// The character.
        character: char,
        /// It was written as an HTML reference or its debris.
        reference: bool,
    },
    /// White space, a control character, invalid bytes.
    Break,
}

/// Folds a text step by step.
///
/// ```
/// use typecase_text::{Normalizer, Symbol::{Letter, Mark}};
/// let steps: Vec<_> = Normalizer::new("\u{c9}&#39;s".as_bytes()).collect();
/// let [e, s] = [('é', true), ('s', false)].map(|(folded, upper)| Letter { folded, upper });
/// assert_eq!(steps, [e, Mark { character: '\'', reference: true }, s]);
/// ```
#[derive(Clone, Debug)]
pub struct Normalizer<'t> {
    text: &'t [u8],
    position: usize,
    invalid: u32,
    /// The step before was inside a word, so that debris cannot begin here.
    in_word: bool,
}

/// For each byte: the folded byte inside words, or one of the codes below it.
static FOLD: [u8; 256] = fold_table();

/// White space or a control.
const BREAK: u8 = 0;
/// A plain mark.
const MARK: u8 = 1;
/// Needs a look: a reference, or no ASCII.
const LOOK: u8 = 2;

const fn fold_table() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut byte = 0u8;
    loop {
        #[allow(clippy::indexing_slicing, reason = "a byte indexes 256 entries; evaluated at compile time")]
        {
            table[byte as usize] = match byte {
                b'a'..=b'z' | b'0'..=b'9' => byte,
                b'A'..=b'Z' => byte.to_ascii_lowercase(),
                b'&' | b'#' | 0x80..=0xFF => LOOK,
                0..=b' ' | 0x7F => BREAK,
                _ => MARK,
            };
        }
        if byte == u8::MAX {
            return table;
        }
        byte = byte.wrapping_add(1);
    }
}

impl<'t> Normalizer<'t> {
    /// Starts at the beginning of `text`.
    #[must_use]
    pub const fn new(text: &'t [u8]) -> Self {
        Self { text, position: 0, invalid: 0, in_word: false }
    }

    /// How many invalid parts were met so far.
    #[must_use]
    pub const fn invalid(&self) -> u32 {
        self.invalid
    }

    /// Bytes of the text that were read so far.
    #[must_use]
    pub const fn bytes_read(&self) -> usize {
        self.position
    }

    /// Takes the plain ASCII letters and digits that follow and feeds them to `push`, folded, and whether they were in
    /// upper case: the fast path of [`Self::next`], equal to it for these bytes.
    #[inline(always)]
    pub(crate) fn take_ascii_word(&mut self, mut push: impl FnMut(u8, bool)) {
        let rest = self.text.get(self.position..).unwrap_or_default();
        if !self.in_word && self.debris(rest).is_some() {
            return;
        }
        let mut taken = 0usize;
        for &byte in rest {
            let folded = fold(byte);
            if folded <= LOOK {
                break;
            }
            push(folded, folded != byte);
            taken = taken.wrapping_add(1);
        }
        self.position = self.position.wrapping_add(taken);
        self.in_word |= taken > 0;
    }

    /// The position is at the start of a word: is it debris such as `quot;`?
    #[inline(always)]
    fn debris(&self, rest: &[u8]) -> Option<Reference> {
        match rest.first() {
            Some(b'a' | b'g' | b'l' | b'n' | b'q') => entity::debris(rest),
            _ => None,
        }
    }

    fn decode(&mut self, rest: &[u8], first: u8) -> Option<Symbol> {
        let reference = match first {
            b'&' => entity::reference(rest),
            b'#' => entity::numeric(rest),
            _ => {
                let (c, len, valid) = decode_utf8(rest);
                self.position = self.position.wrapping_add(len);
                self.invalid = self.invalid.saturating_add(u32::from(!valid));
                return symbol(c, false);
            }
        };
        match reference {
            Some(Reference { character, len }) => {
                self.position = self.position.wrapping_add(len);
                symbol(character, true)
            }
            None => {
                self.position = self.position.wrapping_add(1);
                Some(Symbol::Mark { character: char::from(first), reference: false })
            }
        }
    }
}

impl Iterator for Normalizer<'_> {
    type Item = Symbol;

    #[inline]
    fn next(&mut self) -> Option<Symbol> {
        loop {
            let rest = self.text.get(self.position..)?;
            let &first = rest.first()?;
            let step = match fold(first) {
                LOOK => match self.decode(rest, first) {
                    Some(symbol) => symbol,
                    None => continue,
                },
                BREAK => {
                    self.position = self.position.wrapping_add(1);
                    Symbol::Break
                }
                MARK => {
                    self.position = self.position.wrapping_add(1);
                    Symbol::Mark { character: char::from(first), reference: false }
                }
                folded => match self.debris(rest) {
                    Some(found) if !self.in_word => {
                        self.position = self.position.wrapping_add(found.len);
                        symbol(found.character, true).unwrap_or(Symbol::Break)
                    }
                    _ => {
                        self.position = self.position.wrapping_add(1);
                        Symbol::Letter { folded: char::from(folded), upper: folded != first }
                    }
                },
            };
            self.in_word = matches!(step, Symbol::Letter { .. });
            return Some(step);
        }
    }
}

#[inline(always)]
fn fold(byte: u8) -> u8 {
    FOLD.get(usize::from(byte)).copied().unwrap_or(0)
}

fn symbol(c: char, reference: bool) -> Option<Symbol> {
    if unicode::is_ignored(c) {
        None
    } else if unicode::is_break(c) {
        Some(Symbol::Break)
    } else if unicode::is_word(c) {
        let folded = unicode::lower(c);
        Some(Symbol::Letter { folded, upper: folded != c })
    } else if unicode::is_whole_word(c) {
        Some(Symbol::Whole(c))
    } else {
        Some(Symbol::Mark { character: c, reference })
    }
}

/// Decodes one character, or the maximal invalid part as U+FFFD.
///
/// # Source
/// The Unicode Standard, section 3.9, "U+FFFD substitution of maximal subparts"; table 3-7 for the second bytes.
fn decode_utf8(bytes: &[u8]) -> (char, usize, bool) {
    const INVALID: char = char::REPLACEMENT_CHARACTER;
    let byte = |i: usize| bytes.get(i).copied();
    let Some(first) = byte(0) else {
        return (INVALID, 0, false);
    };
    let (len, low, high, mut code) = match first {
        0x00..=0x7F => return (char::from(first), 1, true),
        0xC2..=0xDF => (2, 0x80, 0xBF, u32::from(first & 0x1F)),
        0xE0 => (3, 0xA0, 0xBF, 0),
        0xED => (3, 0x80, 0x9F, 0x0D),
        0xE1..=0xEF => (3, 0x80, 0xBF, u32::from(first & 0x0F)),
        0xF0 => (4, 0x90, 0xBF, 0),
        0xF1..=0xF3 => (4, 0x80, 0xBF, u32::from(first & 0x07)),
        0xF4 => (4, 0x80, 0x8F, 4),
        _ => return (INVALID, 1, false),
    };
    for index in 1..len {
        match byte(index) {
            Some(b) if (if index == 1 { low..=high } else { 0x80..=0xBF }).contains(&b) => {
                code = (code << 6) | u32::from(b & 0x3F);
            }
            _ => return (INVALID, index, false),
        }
    }
    (char::from_u32(code).unwrap_or(INVALID), len, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    /// The words of a text, in the slow way.
    fn words(text: &[u8]) -> Vec<String> {
        let mut words = Vec::from([String::new()]);
        for symbol in Normalizer::new(text) {
            match symbol {
                Symbol::Letter { folded, .. } => words.last_mut().unwrap().push(folded),
                Symbol::Whole(c) => words.extend([String::from(c), String::new()]),
                Symbol::Mark { .. } | Symbol::Break => words.push(String::new()),
            }
        }
        words.retain(|w| !w.is_empty());
        words
    }

    #[test]
    fn texts_fall_into_the_words_a_reader_sees() {
        let table: [(&str, &[&str]); 14] = [
            ("", &[]),
            (" .,;\\ ", &[]),
            ("Oil PRICES soar", &["oil", "prices", "soar"]),
            ("AT&amp;T", &["at", "t"]),
            ("company #39;s", &["company", "s"]),
            ("quot;Yes, quot; he said", &["yes", "he", "said"]),
            ("&lt;b&gt;bold&lt;/b&gt;", &["b", "bold", "b"]),
            ("caf&eacute; CAFÉ", &["café", "café"]),
            ("team\\of\\\\roc", &["team", "of", "roc"]),
            ("#1 seed #2;", &["1", "seed"]),
            ("中国 news", &["中", "国", "news"]),
            ("co\u{AD}op zero\u{200B}width", &["coop", "zerowidth"]),
            ("ΑΘΗΝΑ Москва İstanbul", &["αθηνα", "москва", "istanbul"]),
            ("1,200 US$5.3bn", &["1", "200", "us", "5", "3bn"]),
        ];
        for (text, expected) in table {
            assert_eq!(words(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn marks_know_how_they_were_written() {
        let marks = |text: &str| {
            let marks = Normalizer::new(text.as_bytes()).filter_map(|symbol| match symbol {
                Symbol::Mark { character, reference } => Some((character, reference)),
                _ => None,
            });
            marks.collect::<Vec<_>>()
        };
        assert_eq!(marks("it's & #"), [('\'', false), ('&', false), ('#', false)]);
        assert_eq!(
            marks("it &#39;s #39; quot; &quot;"),
            [('\'', true), ('\'', true), ('"', true), ('"', true)]
        );
        assert_eq!(marks("\u{a0}&nbsp;\t\u{2003}"), []);
        assert_eq!(marks("🙂—&mdash;&#151;"), [('🙂', false), ('—', false), ('—', true), ('—', true)]);
    }

    #[test]
    fn upper_case_is_remembered() {
        let upper = |text: &str| {
            let upper = Normalizer::new(text.as_bytes()).filter_map(|symbol| match symbol {
                Symbol::Letter { upper, .. } => Some(upper),
                _ => None,
            });
            upper.collect::<Vec<_>>()
        };
        assert_eq!(upper("Aa1Éé"), [true, false, false, true, false]);
    }

    #[test]
    fn debris_inside_a_word_is_a_word() {
        assert_eq!(words(b"xquot;y"), ["xquot", "y"]);
        assert_eq!(words(b"salt;pepper"), ["salt", "pepper"]);
    }

    #[test]
    fn invalid_bytes_part_words_and_are_counted() {
        let mut normalizer = Normalizer::new(b"ab\xFFcd\xE2\x82 e\xC0\x80");
        assert_eq!(normalizer.by_ref().filter(|s| *s == Symbol::Break).count(), 5);
        assert_eq!(normalizer.invalid(), 4);
        assert_eq!(words(b"ab\xFFcd"), ["ab", "cd"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn decoding_equals_that_of_the_standard_library(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut rest = bytes.as_slice();
            let mut decoded = String::new();
            while !rest.is_empty() {
                let (c, len, _) = decode_utf8(rest);
                prop_assert!(len > 0);
                decoded.push(c);
                rest = &rest[len..];
            }
            prop_assert_eq!(decoded, String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            let once = words(text.as_bytes()).join(" ");
            prop_assert_eq!(words(once.as_bytes()).join(" "), once);
        }
    }
}
