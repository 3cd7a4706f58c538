//! Unigram: the cut of a word whose pieces have the highest sum of scores.
//!
//! ```text
//! offset  size        what
//! 0       4           ids: every id is below it, 1 to 2^22
//! 4       4           the id of what is unknown
//! 8       4           flags: 1 scores have 64 bits, else 32; 2 bytes stand for what is unknown
//! 12      4           zero
//! 16      8           the score of an unknown character, 64 bits
//! 24      1024        with flag 2: the id of each byte, or FFFF_FFFF
//! ...     4 or 8 * ids   scores
//! ...     4 * (ids + 31) / 32   one bit for each id, lowest first: the piece as a word is cut into itself alone
//! ...     the rest    the pieces: a [`super::double_array`]
//! ```
//! All little-endian. Most words of a text are such pieces: for them nothing is compared. Sums are of 64 bits in either case: scores have 32 bits only if that loses nothing.
//!
//! # Source
//! Kudo, "Subword regularization", 2018. The order of the sums and of the comparisons is that of `encode_optimized` in
//! `tokenizers`, so equal scores give equal cuts.

use super::double_array::DoubleArray;
use super::model::{MAX_IDS, Reader, TableError, Token, utf8};
use super::{Cell, Full};

/// Scores have 64 bits.
const WIDE: u32 = 1;
/// Bytes stand for what is unknown.
const BYTES: u32 = 2;
/// No id.
const NONE: u32 = u32::MAX;
/// A place that can be reached.
const REACHED: u64 = 1 << 63;

#[derive(Clone, Copy, Debug)]
enum Scores<'t> {
    Narrow(&'t [[u8; 4]]),
    Wide(&'t [[u8; 8]]),
}

impl Scores<'_> {
    #[inline(always)]
    fn of(self, id: u32) -> f64 {
        match self {
            Self::Narrow(scores) => {
                scores.get(id as usize).map_or(0.0, |bytes| f64::from(f32::from_le_bytes(*bytes)))
            }
            Self::Wide(scores) => scores.get(id as usize).map_or(0.0, |bytes| f64::from_le_bytes(*bytes)),
        }
    }
}

/// A checked Unigram model, used where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Unigram<'t> {
    pieces: DoubleArray<'t>,
    scores: Scores<'t>,
    bytes: &'t [[u8; 4]],
    alone: &'t [[u8; 4]],
    ids: u32,
    unknown: u32,
    unknown_score: f64,
}

/// The best way to a place: the sum of its scores, then [`REACHED`], the id of its last piece in bits 16..48 and where
/// that piece starts in bits 0..16. On the way back the sum gives way to where the next piece ends.
type Place = [Cell; 2];

impl<'t> Unigram<'t> {
    /// Checks `bytes` whole.
    ///
    /// # Errors
    /// [`TableError`] names what is wrong.
    pub fn parse(table: &'t [u8]) -> Result<Self, TableError> {
        Self::read(Reader::new(table))
    }

    pub(crate) fn read(mut reader: Reader<'t>) -> Result<Self, TableError> {
        let ids = reader.count(MAX_IDS)?;
        let unknown = reader.id(ids)?;
        let flags = reader.u32()?;
        let reserved = reader.u32()?;
        if flags & !(WIDE | BYTES) != 0 || reserved != 0 {
            return Err(TableError::Flags(flags));
        }
        let unknown_score = reader.items::<8>(1)?.first().copied().map_or(0.0, f64::from_le_bytes);
        let bytes = reader.items::<4>(if flags & BYTES == 0 { 0 } else { 256 })?;
        if bytes.iter().map(|id| u32::from_le_bytes(*id)).any(|id| id >= ids && id != NONE) {
            return Err(TableError::Id { limit: ids });
        }
        let scores = if flags & WIDE == 0 {
            Scores::Narrow(reader.items::<4>(ids)?)
        } else {
            Scores::Wide(reader.items::<8>(ids)?)
        };
        let alone = reader.items::<4>(ids.div_ceil(32))?;
        let pieces = DoubleArray::read(&mut reader, ids)?;
        reader.end()?;
        Ok(Self { pieces, scores, bytes, alone, ids, unknown, unknown_score })
    }

    /// Every id is below this.
    #[must_use]
    pub const fn ids(&self) -> u32 {
        self.ids
    }

    /// The id of what is unknown.
    #[must_use]
    pub const fn unknown(&self) -> u32 {
        self.unknown
    }

    /// Scratch that a word of so many cells takes.
    #[must_use]
    pub const fn scratch_cells(&self, cells: usize) -> usize {
        cells.saturating_add(1).saturating_mul(2)
    }

    /// Cuts a word into its most likely pieces.
    ///
    /// # Errors
    /// [`Full`] before any token if the scratch is shorter than [`Unigram::scratch_cells`], or the word has more than
    /// 65535 cells.
    pub fn tokenize(
        &self,
        word: &[Cell],
        scratch: &mut [Cell],
        emit: &mut impl FnMut(Token),
    ) -> Result<(), Full> {
        let (places, _) = scratch.as_chunks_mut::<2>();
        let places = places.get_mut(..word.len().saturating_add(1)).ok_or(Full)?;
        let whole = Token::new(0, 0, word.len())?;
        if let Some(id) = self.whole(word).filter(|id| self.is_alone(*id)) {
            emit(Token { id, ..whole });
            return Ok(());
        }
        match self.scores {
            Scores::Narrow(_) => self.find_best(word, places),
            Scores::Wide(_) => self.find_best(word, places),
        }
        turn_round(places);
        self.read_out(word, places, emit);
        Ok(())
    }

    /// The piece that is all of these characters.
    #[inline(always)]
    fn whole(&self, word: &[Cell]) -> Option<u32> {
        let node = word
            .iter()
            .try_fold(self.pieces.root(), |node, cell| self.pieces.step_character(node, cell.character()))?;
        if node.ends_key() { self.pieces.value(node) } else { None }
    }

    /// Is a word that is this piece cut into nothing else?
    #[inline(always)]
    fn is_alone(&self, id: u32) -> bool {
        let bits = self.alone.get((id >> 5) as usize).copied().map_or(0, u32::from_le_bytes);
        bits >> (id & 31) & 1 != 0
    }

    /// The best way to every place of the word.
    #[inline(always)]
    fn find_best(&self, word: &[Cell], places: &mut [Place]) {
        places.fill([Cell(0.0f64.to_bits()), Cell(0)]);
        let mut rest = word;
        let mut ahead = places;
        let mut start = 0u64;
        while let (Some((_, cells)), Some((here, places))) = (rest.split_first(), ahead.split_first_mut()) {
            let [so_far, _] = *here;
            let so_far = f64::from_bits(so_far.0);
            let mut single = false;
            let mut node = self.pieces.root();
            for (nth, (cell, place)) in rest.iter().zip(places.iter_mut()).enumerate() {
                match self.pieces.step_character(node, cell.character()) {
                    Some(next) => node = next,
                    None => break,
                }
                if node.ends_key()
                    && let Some(id) = self.pieces.value(node)
                {
                    offer(place, self.scores.of(id) + so_far, id, start);
                    single |= nth == 0;
                }
            }
            if let (false, Some(place)) = (single, places.first_mut()) {
                offer(place, self.unknown_score + so_far, self.unknown, start);
            }
            (rest, ahead) = (cells, places);
            start = start.saturating_add(1);
        }
    }

    /// Hands out the pieces from the front, unknown neighbours as one.
    fn read_out(&self, word: &[Cell], places: &[Place], emit: &mut impl FnMut(Token)) {
        let mut run: Option<usize> = None;
        let mut start = 0usize;
        while start < word.len() {
            let (id, end) = piece_from(places, start);
            // Corrupt memory cannot be, but an endless loop must not.
            if end <= start {
                return;
            }
            if id == self.unknown {
                run = run.or(Some(start));
            } else {
                if let Some(from) = run.take() {
                    self.read_out_unknown(word, from, start, emit);
                }
                emit_token(id, start, end, emit);
            }
            start = end;
        }
        if let Some(from) = run {
            self.read_out_unknown(word, from, word.len(), emit);
        }
    }

    /// Unknown neighbours: they may be a piece together, or be told in bytes.
    #[cold]
    fn read_out_unknown(&self, word: &[Cell], start: usize, end: usize, emit: &mut impl FnMut(Token)) {
        let run = word.get(start..end).unwrap_or_default();
        if let Some(id) = self.whole(run) {
            return emit_token(id, start, end, emit);
        }
        let known = |cell: &Cell| utf8(cell.character()).all(|byte| self.byte(byte).is_some());
        if self.bytes.is_empty() || !run.iter().all(known) {
            return emit_token(self.unknown, start, end, emit);
        }
        for byte in run.iter().flat_map(|cell| utf8(cell.character())) {
            emit_token(self.byte(byte).unwrap_or(self.unknown), start, end, emit);
        }
    }

    /// The piece that stands for a byte.
    fn byte(&self, byte: u8) -> Option<u32> {
        self.bytes.get(usize::from(byte)).copied().map(u32::from_le_bytes).filter(|id| *id != NONE)
    }
}

#[inline(always)]
fn emit_token(id: u32, start: usize, end: usize, emit: &mut impl FnMut(Token)) {
    // A word has at most 65535 cells.
    if let Ok(token) = Token::new(id, start, end) {
        emit(token);
    }
}

/// A way to a place; it is taken if it is the first or better.
#[inline(always)]
fn offer(place: &mut Place, score: f64, id: u32, start: u64) {
    let [best, way] = place;
    if way.0 & REACHED == 0 || score > f64::from_bits(best.0) {
        *best = Cell(score.to_bits());
        *way = Cell(REACHED | u64::from(id) << 16 | start);
    }
}

/// Follows the best way back and writes, where each piece starts, where it ends.
fn turn_round(places: &mut [Place]) {
    let mut end = places.len().saturating_sub(1);
    while end > 0 {
        let Some([_, way]) = places.get(end).copied() else { return };
        let start = usize::from(low16(way.0));
        if let Some([next, _]) = places.get_mut(start).filter(|_| start < end) {
            *next = Cell(end as u64);
            end = start;
        } else {
            return;
        }
    }
}

/// The piece that starts at a place, and its end, after [`turn_round`].
#[inline(always)]
fn piece_from(places: &[Place], start: usize) -> (u32, usize) {
    let end = places.get(start).map_or(0, |[end, _]| usize::from(low16(end.0)));
    let id = places.get(end).map_or(0, |[_, way]| way.0 >> 16 & 0xFFFF_FFFF);
    (u32::try_from(id).unwrap_or(NONE), end)
}

#[allow(clippy::cast_possible_truncation, reason = "the low 16 bits are asked for")]
const fn low16(x: u64) -> u16 {
    x as u16
}

#[cfg(feature = "alloc")]
mod build {
    use alloc::format;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{BYTES, NONE, Unigram, WIDE};
    use crate::subword::Cell;
    use crate::subword::double_array::{self, DoubleArray};
    use crate::subword::model::{BuildError, MAX_IDS};

    /// What an unknown character costs beyond the worst piece.
    const PENALTY: f64 = 10.0;

    /// Compiles the tables on the host.
    #[derive(Clone, Copy, Debug)]
    pub struct Builder<'v> {
        /// Pieces and scores by id; of two equal pieces the later counts.
        pub vocabulary: &'v [(&'v str, f64)],
        /// The id of what is unknown.
        pub unknown: u32,
        /// Is what is unknown told in bytes, if the vocabulary has them?
        pub byte_fallback: bool,
    }

    impl Builder<'_> {
        /// The table as bytes.
        ///
        /// # Errors
        /// [`BuildError`] if the id of the unknown is out of range, a score is not finite, or there are too many
        /// pieces.
        #[allow(clippy::cast_possible_truncation, reason = "narrow scores are those that lose nothing")]
        pub fn to_bytes(&self) -> Result<Vec<u8>, BuildError> {
            let count = self.vocabulary.len();
            let ids = u32::try_from(count).ok().filter(|ids| *ids <= MAX_IDS);
            let limit = MAX_IDS as usize;
            let ids = ids.ok_or(BuildError::TooMany { what: "ids", found: count, limit })?;
            if self.unknown >= ids {
                return Err(BuildError::Missing { what: "the unknown piece" });
            }
            if self.vocabulary.iter().any(|(_, score)| !score.is_finite()) {
                return Err(BuildError::Unsupported { what: "a score that is not finite" });
            }
            let scores = || self.vocabulary.iter().map(|(_, score)| *score);
            let wide = scores().any(|score| f64::from(score as f32).to_bits() != score.to_bits());
            let flags = if wide { WIDE } else { 0 } | if self.byte_fallback { BYTES } else { 0 };
            let lowest = scores().fold(f64::INFINITY, |low, score| if score < low { score } else { low });
            let trie =
                double_array::build(self.vocabulary.iter().map(|(piece, _)| piece.as_bytes()).zip(0u32..))?;

            let header = [ids, self.unknown, flags, 0];
            let mut bytes: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
            bytes.extend((lowest - PENALTY).to_le_bytes());
            if self.byte_fallback {
                let pieces = DoubleArray::parse(&trie, ids)
                    .map_err(|_| BuildError::Unsupported { what: "a trie that cannot be read back" })?;
                let id_of = |byte: u8| pieces.get(format!("<0x{byte:02X}>").as_bytes()).unwrap_or(NONE);
                bytes.extend((0..=u8::MAX).map(id_of).flat_map(u32::to_le_bytes));
            }
            if wide {
                bytes.extend(scores().flat_map(f64::to_le_bytes));
            } else {
                bytes.extend(scores().flat_map(|score| (score as f32).to_le_bytes()));
            }
            let alone_at = bytes.len();
            bytes.resize(alone_at.saturating_add(count.div_ceil(32).saturating_mul(4)), 0);
            bytes.extend(trie);
            let alone = self.alone(&bytes)?;
            for (byte, bits) in bytes.iter_mut().skip(alone_at).zip(alone) {
                *byte = bits;
            }
            Ok(bytes)
        }

        /// Which pieces are cut into themselves alone, by a table that does not say it yet.
        fn alone(&self, table: &[u8]) -> Result<Vec<u8>, BuildError> {
            let model = Unigram::parse(table)
                .map_err(|_| BuildError::Unsupported { what: "a table that cannot be read back" })?;
            let mut alone = vec![0u8; self.vocabulary.len().div_ceil(8)];
            let (mut word, mut scratch, mut ids) = (Vec::new(), Vec::new(), Vec::new());
            for (&(piece, _), id) in self.vocabulary.iter().zip(0u32..) {
                word.clear();
                word.extend(piece.chars().map(|c| Cell::new(c, 0, 0)));
                scratch.resize(model.scratch_cells(word.len()), Cell::default());
                ids.clear();
                let done = model.tokenize(&word, &mut scratch, &mut |token| ids.push(token.id));
                if let (Ok(()), [only], Some(bits)) =
                    (done, ids.as_slice(), alone.get_mut((id >> 3) as usize))
                    && *only == id
                {
                    *bits |= 1 << (id & 7);
                }
            }
            Ok(alone)
        }
    }
}
#[cfg(feature = "alloc")]
pub use build::Builder;

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// From the documentation of the reference.
    const PIECES: [(&str, f64); 12] = [
        ("<unk>", 0.0),
        ("a", 0.0),
        ("b", 0.0),
        ("c", 0.0),
        ("d", 0.0),
        ("cd", 1.0),
        ("ab", 2.0),
        ("abc", 5.0),
        ("abcd", 10.0),
        ("<0xC3>", 0.0),
        ("<0xBC>", 0.0),
        ("<0x78>", 0.0),
    ];

    fn table(byte_fallback: bool) -> Vec<u8> {
        Builder { vocabulary: &PIECES, unknown: 0, byte_fallback }.to_bytes().unwrap()
    }

    fn tokens(model: &Unigram<'_>, word: &str) -> Vec<(u32, u16, u16)> {
        let cells: Vec<Cell> = word.chars().map(|c| Cell::new(c, 0, 0)).collect();
        let mut scratch = std::vec![Cell(u64::MAX); model.scratch_cells(cells.len())];
        let mut found = Vec::new();
        model.tokenize(&cells, &mut scratch, &mut |t: Token| found.push((t.id, t.start, t.end))).unwrap();
        found
    }

    #[test]
    fn the_best_sum_wins_and_unknown_neighbours_are_one() {
        let bytes = table(false);
        let model = Unigram::parse(&bytes).unwrap();
        assert_eq!(tokens(&model, "abcdacdxx"), [(8, 0, 4), (1, 4, 5), (5, 5, 7), (0, 7, 9)]);
        assert_eq!(tokens(&model, "xüa"), [(0, 0, 2), (1, 2, 3)]);
        assert_eq!(tokens(&model, ""), []);
    }

    #[test]
    fn bytes_stand_for_what_is_unknown_if_all_are_there() {
        let bytes = table(true);
        let model = Unigram::parse(&bytes).unwrap();
        assert_eq!(tokens(&model, "axü"), [(1, 0, 1), (11, 1, 3), (9, 1, 3), (10, 1, 3)]);
        assert_eq!(tokens(&model, "aüy"), [(1, 0, 1), (0, 1, 3)]);
    }

    #[test]
    fn scores_are_wide_only_if_they_must_be() {
        let narrow = table(false);
        let vocabulary: Vec<_> = PIECES.iter().map(|(piece, score)| (*piece, score + 0.1)).collect();
        let wide = Builder { vocabulary: &vocabulary, unknown: 0, byte_fallback: false }.to_bytes().unwrap();
        assert_eq!(wide.len(), narrow.len() + 4 * PIECES.len());
        let (narrow, wide) = (Unigram::parse(&narrow).unwrap(), Unigram::parse(&wide).unwrap());
        assert_eq!(tokens(&wide, "abcdacdxx"), tokens(&narrow, "abcdacdxx"));
    }

    #[test]
    fn damaged_tables_are_refused_or_safe() {
        for good in [table(false), table(true)] {
            for (at, flip) in (0..good.len()).flat_map(|at| [1, 2, 4, 0x80, 0xFF].map(|flip| (at, flip))) {
                let mut bytes = good.clone();
                bytes[at] ^= flip;
                let Ok(model) = Unigram::parse(&bytes) else { continue };
                let ids = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                for word in ["abcdacdxx", "<unk>ü\0", "aüx"] {
                    let found = tokens(&model, word);
                    assert!(!found.is_empty());
                    for (id, start, end) in found {
                        assert!(id < ids && start < end && usize::from(end) <= word.chars().count());
                    }
                }
            }
            for len in 0..good.len() {
                assert!(Unigram::parse(&good[..len]).is_err());
            }
        }
    }
}
