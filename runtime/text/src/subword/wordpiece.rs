//! WordPiece: the longest piece first, from the front of the word.
//!
//! ```text
//! offset  size        what
//! 0       4           ids: every id is below it, 1 to 2^22
//! 4       4           the id of an unknown word
//! 8       4           the most characters of a word; a longer one is unknown
//! 12      4           bytes of the prefix of a piece that continues a word
//! 16      4 * (n + 3) / 4   the prefix, and zeros
//! ...     the rest    the pieces as they are written, prefix and all: a [`super::double_array`]
//! ```
//! All little-endian. Pieces that continue a word are what follows the prefix in the same trie, so they take no second
//! one, and a word that begins with the prefix is cut as the reference does it.
//!
//! # Source
//! Schuster and Nakajima, "Japanese and Korean voice search", 2012.

use super::double_array::{DoubleArray, Node};
use super::model::{MAX_IDS, Reader, TableError, Token};
use super::{Cell, Full};

/// The most bytes of a prefix.
pub const MAX_PREFIX: u32 = 64;

/// A checked WordPiece model, used where it lies.
#[derive(Clone, Copy, Debug)]
pub struct WordPiece<'t> {
    pieces: DoubleArray<'t>,
    continuing: Node,
    ids: u32,
    unknown: u32,
    max_characters: u32,
}

impl<'t> WordPiece<'t> {
    /// Checks `bytes` whole.
    ///
    /// # Errors
    /// [`TableError`] names what is wrong.
    pub fn parse(bytes: &'t [u8]) -> Result<Self, TableError> {
        Self::read(Reader::new(bytes))
    }

    pub(crate) fn read(mut reader: Reader<'t>) -> Result<Self, TableError> {
        let ids = reader.count(MAX_IDS)?;
        let unknown = reader.id(ids)?;
        let max_characters = reader.u32()?;
        let found = reader.u32()?;
        if found > MAX_PREFIX {
            return Err(TableError::Count { found, limit: MAX_PREFIX });
        }
        let (prefix, padding) = reader
            .items::<4>(found.div_ceil(4))?
            .as_flattened()
            .split_at_checked(found as usize)
            .unwrap_or_default();
        if padding.iter().any(|byte| *byte != 0) {
            return Err(TableError::Unit);
        }
        let pieces = DoubleArray::read(&mut reader, ids)?;
        reader.end()?;
        let continuing = prefix.iter().try_fold(pieces.root(), |node, byte| pieces.step(node, *byte));
        Ok(Self { pieces, continuing: continuing.unwrap_or(Node::NOWHERE), ids, unknown, max_characters })
    }

    /// Every id is below this.
    #[must_use]
    pub const fn ids(&self) -> u32 {
        self.ids
    }

    /// The id of a word that cannot be cut.
    #[must_use]
    pub const fn unknown(&self) -> u32 {
        self.unknown
    }

    /// Scratch that a word of so many cells may take.
    #[must_use]
    pub const fn scratch_cells(&self, cells: usize) -> usize {
        cells
    }

    /// Cuts a word into pieces, or makes it one unknown token.
    ///
    /// # Errors
    /// [`Full`] before any token if the scratch is shorter than [`WordPiece::scratch_cells`], or the word has more than
    /// 65535 cells.
    #[inline]
    pub fn tokenize(
        &self,
        word: &[Cell],
        scratch: &mut [Cell],
        emit: &mut impl FnMut(Token),
    ) -> Result<(), Full> {
        self.cut(word, |trie, node, cell| trie.step_character(node, cell.character()), scratch, emit)
    }

    /// The same for a word of ASCII characters, one byte each, of which `letter` makes what is looked for. Other bytes
    /// make the word unknown or its ids meaningless.
    ///
    /// # Errors
    /// As [`WordPiece::tokenize`].
    #[inline]
    pub fn tokenize_ascii(
        &self,
        word: &[u8],
        letter: impl Fn(u8) -> u8 + Copy,
        scratch: &mut [Cell],
        emit: &mut impl FnMut(Token),
    ) -> Result<(), Full> {
        self.cut(word, |trie, node, byte| trie.step(node, letter(*byte)), scratch, emit)
    }

    #[inline(always)]
    fn cut<T>(
        &self,
        word: &[T],
        step: impl Fn(&DoubleArray<'t>, Node, &T) -> Option<Node> + Copy,
        scratch: &mut [Cell],
        emit: &mut impl FnMut(Token),
    ) -> Result<(), Full> {
        if word.is_empty() {
            return Ok(());
        }
        let whole = Token::new(self.unknown, 0, word.len())?;
        if scratch.len() < word.len() {
            return Err(Full);
        }
        if word.len() > self.max_characters as usize {
            emit(whole);
            return Ok(());
        }
        match self.longest(self.pieces.root(), word, step) {
            None => emit(whole),
            Some((id, len)) if len == word.len() => emit(Token { id, ..whole }),
            Some(first) => match self.cut_rest(first, word, step, scratch) {
                None => emit(whole),
                Some(tokens) => tokens.iter().for_each(|token| emit(Token::unpacked(*token))),
            },
        }
        Ok(())
    }

    /// The tokens of a word of several, in scratch.
    #[inline(always)]
    fn cut_rest<'s, T>(
        &self,
        first: (u32, usize),
        word: &[T],
        step: impl Fn(&DoubleArray<'t>, Node, &T) -> Option<Node> + Copy,
        scratch: &'s mut [Cell],
    ) -> Option<&'s [Cell]> {
        let (mut piece, mut start, mut count) = (first, 0usize, 0usize);
        loop {
            let (id, len) = piece;
            let end = start.saturating_add(len);
            *scratch.get_mut(count)? = Token::new(id, start, end).ok()?.packed();
            count = count.saturating_add(1);
            start = end;
            let rest = word.get(start..)?;
            if rest.is_empty() {
                return scratch.get(..count);
            }
            piece = self.longest(self.continuing, rest, step)?;
        }
    }

    /// The longest piece at the front of `rest`, and how much of it.
    #[inline(always)]
    fn longest<T>(
        &self,
        from: Node,
        rest: &[T],
        step: impl Fn(&DoubleArray<'t>, Node, &T) -> Option<Node>,
    ) -> Option<(u32, usize)> {
        let (mut node, mut best, mut len) = (from, Node::NOWHERE, 0usize);
        for (item, end) in rest.iter().zip(1usize..) {
            match step(&self.pieces, node, item) {
                Some(next) => node = next,
                None => break,
            }
            if node.ends_key() {
                (best, len) = (node, end);
            }
        }
        if len == 0 { None } else { Some((self.pieces.value(best)?, len)) }
    }
}

#[cfg(feature = "alloc")]
mod build {
    use alloc::vec::Vec;

    use super::MAX_PREFIX;
    use crate::subword::double_array;
    use crate::subword::model::{BuildError, MAX_IDS};

    /// Compiles the tables on the host.
    #[derive(Clone, Copy, Debug)]
    pub struct Builder<'v> {
        /// Pieces and ids; of two equal pieces the later counts.
        pub vocabulary: &'v [(&'v str, u32)],
        /// The piece of an unknown word.
        pub unknown: &'v str,
        /// What stands before a piece that continues a word.
        pub prefix: &'v str,
        /// The most characters of a word.
        pub max_characters: u32,
    }

    impl Builder<'_> {
        /// The table as bytes.
        ///
        /// # Errors
        /// [`BuildError`] if the unknown piece is missing, or there is too much of something.
        pub fn to_bytes(&self) -> Result<Vec<u8>, BuildError> {
            let unknown = self.vocabulary.iter().rev().find(|(piece, _)| *piece == self.unknown);
            let &(_, unknown) = unknown.ok_or(BuildError::Missing { what: "the unknown piece" })?;
            let last = self.vocabulary.iter().map(|(_, id)| *id).max().unwrap_or(0);
            if last >= MAX_IDS {
                let found = last as usize;
                return Err(BuildError::TooMany { what: "ids", found, limit: MAX_IDS as usize });
            }
            let prefix = self.prefix.as_bytes();
            let prefix_len = u32::try_from(prefix.len()).unwrap_or(u32::MAX);
            if prefix_len > MAX_PREFIX {
                let (found, limit) = (prefix.len(), MAX_PREFIX as usize);
                return Err(BuildError::TooMany { what: "bytes in the prefix", found, limit });
            }
            let header = [last.saturating_add(1), unknown, self.max_characters, prefix_len];
            let mut bytes: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
            bytes.extend(prefix);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend(double_array::build(
                self.vocabulary.iter().map(|(piece, id)| (piece.as_bytes(), *id)),
            )?);
            Ok(bytes)
        }
    }
}
#[cfg(feature = "alloc")]
pub use build::Builder;

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const PIECES: [(&str, u32); 12] = [
        ("[UNK]", 0),
        ("un", 1),
        ("##aff", 2),
        ("##able", 3),
        ("##", 4),
        ("#", 5),
        ("###", 6),
        ("##b", 7),
        ("ü", 8),
        ("##ü", 9),
        ("unaffables", 10),
        ("", 11),
    ];

    fn table(prefix: &str, max_characters: u32) -> Vec<u8> {
        let builder = Builder { vocabulary: &PIECES, unknown: "[UNK]", prefix, max_characters };
        builder.to_bytes().unwrap()
    }

    fn cells(word: &str) -> Vec<Cell> {
        word.chars().map(|c| Cell::new(c, 0, 0)).collect()
    }

    fn tokens(model: &WordPiece<'_>, word: &str) -> Vec<(u32, u16, u16)> {
        let mut found = Vec::new();
        let mut scratch = std::vec![Cell::default(); model.scratch_cells(word.chars().count())];
        model
            .tokenize(&cells(word), &mut scratch, &mut |t: Token| found.push((t.id, t.start, t.end)))
            .unwrap();
        if word.is_ascii() {
            let mut again = Vec::new();
            model
                .tokenize_ascii(word.as_bytes(), |byte| byte, &mut scratch, &mut |t: Token| {
                    again.push((t.id, t.start, t.end));
                })
                .unwrap();
            assert_eq!(found, again);
        }
        found
    }

    #[test]
    fn the_longest_piece_goes_first_and_a_bad_word_is_unknown_whole() {
        let bytes = table("##", 10);
        let model = WordPiece::parse(&bytes).unwrap();
        assert_eq!(tokens(&model, "unaffable"), [(1, 0, 2), (2, 2, 5), (3, 5, 9)]);
        assert_eq!(tokens(&model, "unaffablü"), [(0, 0, 9)]);
        assert_eq!(tokens(&model, "unaffables"), [(10, 0, 10)]);
        assert_eq!(tokens(&model, "unaffablesü"), [(0, 0, 11)]);
        assert_eq!(tokens(&model, "üüb"), [(8, 0, 1), (9, 1, 2), (7, 2, 3)]);
        assert_eq!(tokens(&model, ""), []);
        // The prefix in the text is text.
        assert_eq!(tokens(&model, "##"), [(4, 0, 2)]);
        assert_eq!(tokens(&model, "##b"), [(7, 0, 3)]);
        assert_eq!(tokens(&model, "####"), [(6, 0, 3), (6, 3, 4)]);
    }

    #[test]
    fn any_prefix_is_followed() {
        let bytes = table("", 10);
        let model = WordPiece::parse(&bytes).unwrap();
        assert_eq!(tokens(&model, "unun"), [(1, 0, 2), (1, 2, 4)]);
        let bytes = table("$$", 10);
        let model = WordPiece::parse(&bytes).unwrap();
        assert_eq!(tokens(&model, "unun"), [(0, 0, 4)]);
    }

    #[test]
    fn damaged_tables_are_refused_or_safe() {
        let good = table("##", 10);
        for (at, flip) in (0..good.len()).flat_map(|at| [1, 2, 4, 0x80, 0xFF].map(|flip| (at, flip))) {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            let Ok(model) = WordPiece::parse(&bytes) else { continue };
            let ids = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            for word in ["unaffable", "####b", "üüb", "\0"] {
                for (id, start, end) in tokens(&model, word) {
                    assert!(id < ids && start < end && usize::from(end) <= word.chars().count());
                }
            }
        }
        for len in 0..good.len() {
            assert!(WordPiece::parse(&good[..len]).is_err());
        }
    }
}
