//! Byte-level BPE: the bytes of a word, neighbours merged in the order of their ranks.
//!
//! ```text
//! offset  size          what
//! 0       4             ids: every id is below it, 1 to 2^20
//! 4       4             flags: 1 a word that is a piece is that piece; 2 unknown neighbours are one; 4 unknown bytes
//!                       have an id
//! 8       4             that id, or zero
//! 12      4             merges, below 2^20 - 1; the rank is the place
//! 16      4             slots
//! 20      4             buckets
//! 24      1024          the id of each byte, or FFFF_FFFF
//! 1048    4 * merges    the id that each merge makes
//! ...     8 * slots     left id in bits 40..60, right id in bits 20..40, rank in bits 0..20; a free one has ones in
//!                       bits 20..64 and the rank 0
//! ...     2 * buckets   shifts, and two zeros if their number is odd
//! ...     the rest      whole words: a [`super::double_array`]
//! ```
//! All little-endian. A pair, its left id in bits 20..40 and the right one in bits 0..20, has one slot, with wrapping
//! products of 64 bits:
//!
//! ```text
//! h = pair * 9E37_79B9_7F4A_7C15;  shift = shifts[(h >> 32) * buckets >> 32]
//! slot = ((h ^ shift * D6E8_FEB8_6659_FD93) * 9E37_79B9_7F4A_7C15 >> 32) * slots >> 32
//! ```
//!
//! The whole words are, with flag 1, all pieces; else those of which the compiler has proved that their bytes merge into
//! them and nothing else: most words of a text end there.
//!
//! # Source
//! Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units", 2016; over bytes: Radford
//! and others, "Language models are unsupervised multitask learners", 2019. Of equal ranks the leftmost pair is first,
//! as in `tokenizers`. That library keeps a queue in which a pair may be out of date; while ids name one text each and
//! no merge takes the unknown id, which the compiler checks, this makes no difference.

use super::double_array::DoubleArray;
use super::model::{Reader, TableError, Token, utf8};
use super::{Cell, Full};

mod merging;
use merging::Symbols;

/// The most ids.
pub const MAX_IDS: u32 = 1 << 20;
/// The most merges.
pub const MAX_MERGES: u32 = (1 << 20) - 1;

/// A word that is a piece is that piece, merges or not.
const IGNORE_MERGES: u32 = 1;
/// Unknown neighbours are one token.
const FUSE_UNKNOWN: u32 = 2;
/// Unknown bytes have an id.
const UNKNOWN: u32 = 4;

/// No id of a byte.
const NONE: u32 = u32::MAX;
/// A slot without a pair.
const FREE: u64 = !0 << 20;
/// No rank.
const NO_RANK: u32 = (1 << 20) - 1;

/// A checked byte-level BPE model, used where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Bpe<'t> {
    words: DoubleArray<'t>,
    merges: Merges<'t>,
    bytes: &'t [[u8; 4]; 256],
    ids: u32,
    unknown: Option<u32>,
    fuse_unknown: bool,
}

/// Which pairs merge, when, and into what.
#[derive(Clone, Copy, Debug)]
struct Merges<'t> {
    made: &'t [[u8; 4]],
    slots: &'t [[u8; 8]],
    shifts: &'t [[u8; 2]],
}

impl Merges<'_> {
    /// The rank of a pair, or [`NO_RANK`].
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "the low 20 bits are the rank")]
    fn rank(&self, left: u32, right: u32) -> u32 {
        let pair = u64::from(left) << 20 | u64::from(right);
        let hash = hash(pair);
        let shift = self.shifts.get(bucket(hash, self.shifts.len())).copied().map_or(0, u16::from_le_bytes);
        let found =
            self.slots.get(slot(hash, shift, self.slots.len())).copied().map_or(FREE, u64::from_le_bytes);
        if found >> 20 == pair { found as u32 & NO_RANK } else { NO_RANK }
    }

    /// What a merge makes.
    #[inline(always)]
    fn made(&self, rank: u32) -> Option<u32> {
        self.made.get(rank as usize).copied().map(u32::from_le_bytes)
    }
}

const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
const SPREAD: u64 = 0xD6E8_FEB8_6659_FD93;

#[inline(always)]
const fn hash(pair: u64) -> u64 {
    pair.wrapping_mul(MIX)
}

/// The high half of a hash, brought below `count`.
#[inline(always)]
fn scale(hash: u64, count: usize) -> usize {
    usize::try_from((hash >> 32).wrapping_mul(count as u64) >> 32).unwrap_or(usize::MAX)
}

/// The bucket of a pair, which says how far its slot is shifted.
#[inline(always)]
fn bucket(hash: u64, buckets: usize) -> usize {
    scale(hash, buckets)
}

/// The slot of a pair.
#[inline(always)]
fn slot(hash: u64, shift: u16, slots: usize) -> usize {
    scale((hash ^ u64::from(shift).wrapping_mul(SPREAD)).wrapping_mul(MIX), slots)
}

/// What a byte of a character takes in the byte-level alphabet, where positions of the reference are counted: one
/// byte if it is a printable ASCII character other than the space, else two.
#[inline(always)]
const fn spelled_len(byte: u8) -> u32 {
    if byte.is_ascii_graphic() { 1 } else { 2 }
}

impl<'t> Bpe<'t> {
    /// Checks `bytes` whole.
    ///
    /// # Errors
    /// [`TableError`] names what is wrong.
    pub fn parse(table: &'t [u8]) -> Result<Self, TableError> {
        Self::read(Reader::new(table))
    }

    pub(crate) fn read(mut reader: Reader<'t>) -> Result<Self, TableError> {
        let ids = reader.count(MAX_IDS)?;
        let flags = reader.u32()?;
        if flags & !(IGNORE_MERGES | FUSE_UNKNOWN | UNKNOWN) != 0 {
            return Err(TableError::Flags(flags));
        }
        let unknown = reader.id(ids)?;
        if flags & UNKNOWN == 0 && unknown != 0 {
            return Err(TableError::Flags(flags));
        }
        let merges = reader.u32()?;
        let slots = reader.u32()?;
        let buckets = reader.u32()?;
        if merges > MAX_MERGES {
            return Err(TableError::Count { found: merges, limit: MAX_MERGES });
        }
        let short = TableError::Length { needed: 1024, len: reader.len() };
        let bytes = reader.items::<4>(256)?.first_chunk::<256>().ok_or(short)?;
        let made = reader.items::<4>(merges)?;
        let slots = reader.items::<8>(slots)?;
        let shifts = reader.items::<2>(buckets)?;
        if reader.items::<2>(buckets % 2)?.iter().any(|padding| *padding != [0, 0]) {
            return Err(TableError::Merge { limit: merges });
        }
        if reader.trusts() {
            return Self::with(reader, ids, flags, unknown, bytes, Merges { made, slots, shifts });
        }
        // Without a branch, since there are many.
        let byte_ids = bytes.iter().map(|id| u32::from_le_bytes(*id)).filter(|id| *id != NONE);
        let made_ids = made.iter().map(|id| u32::from_le_bytes(*id));
        if byte_ids.fold(false, |bad, id| bad | (id >= ids))
            | made_ids.fold(false, |bad, id| bad | (id >= ids))
        {
            return Err(TableError::Id { limit: ids });
        }
        // The top bit of a difference below zero; without merges there is no slot.
        let (last, low) = (merges.wrapping_sub(1), u64::from(NO_RANK));
        let bad_slots = slots
            .iter()
            .fold(0u64, |bad, slot| bad | u64::from(last).wrapping_sub(u64::from_le_bytes(*slot) & low));
        if bad_slots >> 63 != 0 || merges == 0 && !slots.is_empty() {
            return Err(TableError::Merge { limit: merges });
        }
        Self::with(reader, ids, flags, unknown, bytes, Merges { made, slots, shifts })
    }

    /// The last part of a table, after its numbers.
    fn with(
        mut reader: Reader<'t>,
        ids: u32,
        flags: u32,
        unknown: u32,
        bytes: &'t [[u8; 4]; 256],
        merges: Merges<'t>,
    ) -> Result<Self, TableError> {
        let words = DoubleArray::read(&mut reader, ids)?;
        reader.end()?;
        Ok(Self {
            words,
            merges,
            bytes,
            ids,
            unknown: (flags & UNKNOWN != 0).then_some(unknown),
            fuse_unknown: flags & FUSE_UNKNOWN != 0,
        })
    }

    /// Every id is below this.
    #[must_use]
    pub const fn ids(&self) -> u32 {
        self.ids
    }

    /// The id of an unknown byte. Without one, unknown bytes are dropped, and the tokens after them stand so much
    /// further to the front, as in the reference.
    #[must_use]
    pub const fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// Scratch that a word of so many cells may take.
    #[must_use]
    pub const fn scratch_cells(&self, cells: usize) -> usize {
        merging::scratch(cells.saturating_mul(4))
    }

    /// Scratch with which a word of so many cells is cut if its characters have three bytes for two, one with another:
    /// enough for all but long words in scripts of three bytes a character.
    #[must_use]
    pub const fn usual_scratch_cells(&self, cells: usize) -> usize {
        merging::scratch(cells.saturating_add(cells / 2))
    }

    /// Cuts a word. A token that begins or ends within a character covers the whole of it.
    ///
    /// # Errors
    /// [`Full`] before any token if the scratch is too short, or the word too long: 511 cells are always taken.
    pub fn tokenize(
        &self,
        word: &[Cell],
        scratch: &mut [Cell],
        emit: &mut impl FnMut(Token),
    ) -> Result<(), Full> {
        if word.is_empty() {
            return Ok(());
        }
        let whole = word
            .iter()
            .try_fold(self.words.root(), |node, cell| self.words.step_character(node, cell.character()));
        if let Some(id) = whole.filter(|node| node.ends_key()).and_then(|node| self.words.value(node)) {
            emit(Token::new(id, 0, word.len())?);
            return Ok(());
        }
        let mut symbols = Symbols::new(scratch);
        self.spell(word, &mut symbols)?;
        symbols.merge(&self.merges)?;
        place(word, symbols.tokens(), emit);
        Ok(())
    }

    /// The symbols of the bytes.
    #[inline(always)]
    fn spell(&self, word: &[Cell], symbols: &mut Symbols<'_>) -> Result<(), Full> {
        // Length of the unknown bytes that are not yet a symbol.
        let mut unknown_len = 0u32;
        for byte in word.iter().flat_map(|cell| utf8(cell.character())) {
            let len = spelled_len(byte);
            let id = self.bytes.get(usize::from(byte)).copied().map_or(NONE, u32::from_le_bytes);
            if let Some(unknown) = self.unknown {
                let flush = unknown_len > 0 && (id != NONE || !self.fuse_unknown);
                if flush {
                    symbols.push(unknown, unknown_len)?;
                    unknown_len = 0;
                }
                if id == NONE {
                    unknown_len = unknown_len.saturating_add(len);
                }
            }
            if id != NONE {
                symbols.push(id, len)?;
            }
        }
        match self.unknown {
            Some(unknown) if unknown_len > 0 => symbols.push(unknown, unknown_len),
            _ => Ok(()),
        }
    }
}

/// Hands out tokens, of which the lengths in the byte-level alphabet are known, with the cells that they cover.
#[inline(always)]
fn place(word: &[Cell], tokens: impl Iterator<Item = (u32, u32)>, emit: &mut impl FnMut(Token)) {
    let mut cells = word.iter().map(|cell| utf8(cell.character()).map(spelled_len).sum::<u32>());
    // The cell before `next`, and where it ends.
    let (mut next, mut cell_end) = (0u16, 0u32);
    let mut end = 0u32;
    for (id, len) in tokens {
        let mut reach = |position: u32| {
            while cell_end <= position
                && let Some(len) = cells.next()
            {
                cell_end = cell_end.saturating_add(len);
                next = next.saturating_add(1);
            }
            next
        };
        let first = reach(end).saturating_sub(1);
        end = end.saturating_add(len);
        let last = reach(end.saturating_sub(1));
        emit(Token { id, start: first, end: last });
    }
}

#[cfg(feature = "alloc")]
mod build;
#[cfg(feature = "alloc")]
pub use build::Builder;

#[cfg(test)]
mod tests;
