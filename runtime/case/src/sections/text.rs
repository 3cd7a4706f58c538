//! How a text is cut into features: the numbers alone; `typecase-text` gives them their meaning.
//!
//! ```text
//! 0   1   tokenizer: 1 = hashed n-grams of words, 2 = of the tokens of the tokenizer section
//! 1   1   normaliser: 1 = that of typecase-text, 2 = that of the tokenizer section; equal to the tokenizer
//! 2   1   longest n-gram of words or tokens
//! 3   1   shortest character n-gram, 0 for none
//! 4   1   longest character n-gram, 0 for none
//! 5   1   flags: 1 = marks are tokens, 2 = cased words, 4 = pairs with one between; others zero
//! 6   2   Unicode version of the tables: major, minor
//! 8   4   bytes of a text that are looked at, 1 to 2^24
//! 12  4   ids of a text that are used, 1 to 65535
//! 16  4   tokens of a text that are looked at, 1 to 65535; 0 for words
//! 20  12  zero
//! ```
//! With tokens, the bytes 3 and 4 are 0, and so are the flags for marks and cased words.

use crate::container::Kind;
use crate::error::Error;
use crate::reader::Reader;

/// What n-grams are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// Words, as `typecase-text` reads them.
    Words,
    /// Tokens of the tokenizer section.
    Tokens {
        /// Tokens of a text that are looked at.
        max: u32,
    },
}

/// The checked numbers of the section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextSpec {
    /// What n-grams are made of.
    pub units: Units,
    /// Longest n-gram of words or tokens.
    pub word_max: u8,
    /// Shortest character n-gram, 0 for none.
    pub char_min: u8,
    /// Longest character n-gram, 0 for none.
    pub char_max: u8,
    /// Marks are tokens.
    pub marks: bool,
    /// Words once more with their case.
    pub cased: bool,
    /// Pairs of tokens with one between.
    pub skips: bool,
    /// Major and minor version of Unicode.
    pub unicode: (u8, u8),
    /// Bytes of a text that are looked at.
    pub max_bytes: u32,
    /// Ids of a text that are used.
    pub max_ids: u32,
}

/// The longest text that a case may ask for.
pub const MAX_TEXT_BYTES: u32 = 1 << 24;
/// The most ids of a text.
pub const MAX_IDS: u32 = 65_535;
/// The most tokens of a text.
pub const MAX_TOKENS: u32 = 65_535;

const WORDS: u8 = 1;
const TOKENS: u8 = 2;

impl TextSpec {
    /// Checks the section whole.
    ///
    /// # Errors
    /// [`Error`] names the first rule that is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let section = Kind::TEXT.0;
        let mut reader = Reader::new(bytes, section);
        let bad = |what, found: u64| Err(Error::OutOfRange { section, what, found });
        let (tokenizer, normaliser) = (reader.u8()?, reader.u8()?);
        if !matches!(tokenizer, WORDS | TOKENS) {
            return bad("tokenizer", tokenizer.into());
        }
        if normaliser != tokenizer {
            return bad("normaliser", normaliser.into());
        }
        let (word_max, char_min, char_max) = (reader.u8()?, reader.u8()?, reader.u8()?);
        let flags = reader.u8()?;
        if flags > 7 {
            return bad("flags", flags.into());
        }
        let [marks, cased, skips] = [1, 2, 4].map(|bit| flags & bit != 0);
        let unicode = (reader.u8()?, reader.u8()?);
        let (max_bytes, max_ids) = (reader.u32()?, reader.u32()?);
        let units = if tokenizer == TOKENS {
            let max = reader.u32()?;
            if char_min != 0 {
                return bad("shortest character n-gram", char_min.into());
            }
            if char_max != 0 {
                return bad("longest character n-gram", char_max.into());
            }
            if marks || cased {
                return bad("flags", flags.into());
            }
            if !(1..=MAX_TOKENS).contains(&max) {
                return bad("text limit in tokens", max.into());
            }
            reader.zeros(12)?;
            Units::Tokens { max }
        } else {
            reader.zeros(16)?;
            Units::Words
        };
        reader.finish()?;
        if !(1..=MAX_TEXT_BYTES).contains(&max_bytes) {
            return bad("text limit in bytes", max_bytes.into());
        }
        if !(1..=MAX_IDS).contains(&max_ids) {
            return bad("text limit in ids", max_ids.into());
        }
        Ok(Self { units, word_max, char_min, char_max, marks, cased, skips, unicode, max_bytes, max_ids })
    }

    /// The section. Numbers out of range are found by [`Self::parse`].
    #[cfg(feature = "write")]
    #[must_use]
    pub fn encode(&self) -> alloc::vec::Vec<u8> {
        let flags = u8::from(self.marks) | u8::from(self.cased) << 1 | u8::from(self.skips) << 2;
        let (tokenizer, max_tokens) = match self.units {
            Units::Words => (WORDS, 0),
            Units::Tokens { max } => (TOKENS, max),
        };
        let orders = [self.word_max, self.char_min, self.char_max];
        let mut bytes = alloc::vec::Vec::from([tokenizer, tokenizer]);
        bytes.extend(orders);
        bytes.push(flags);
        bytes.extend([self.unicode.0, self.unicode.1]);
        bytes.extend(self.max_bytes.to_le_bytes());
        bytes.extend(self.max_ids.to_le_bytes());
        bytes.extend(max_tokens.to_le_bytes());
        bytes.resize(32, 0);
        bytes
    }
}
