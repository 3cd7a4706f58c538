//! The rules that a SentencePiece model holds: a trie from UTF-8 to texts, used where it lies.
//!
//! ```text
//! offset  size     what
//! 0       4        bytes of the trie, T
//! 4       T        units of a double array (Darts), 4 bytes each
//! 4 + T   rest     texts in UTF-8, each ended by a zero byte
//! ```
//! All little-endian. Whatever the units say, a search ends after the bytes of its key; a unit or text that is not there
//! is no match.
//!
//! # Source
//! `spm_precompiled` 0.1.4, and `normalizers/precompiled.rs` of `tokenizers`: a cluster of up to 5 bytes is looked up as a
//! whole, else each of its characters; the *shortest* prefix that the trie holds replaces all of what was looked up.

use core::str;

use super::super::cell::{Cell, Full, Row};
use super::super::unicode;
use super::clusters::Clusters;
use super::{Place, TableError};

/// Characters of the segments before whose places are kept.
const TAIL: usize = 16;

/// Longest cluster, in bytes, that is looked up as a whole.
const CLUSTER_BYTES: usize = 5;

/// What one segment leaves to the next.
///
/// The reference loses count of characters that the rules delete at the very beginning of a text: from there on every
/// character gets the place of an earlier one, as many characters back as were deleted. That goes across segments, so
/// the places of the last characters are kept here. Up to 16 deleted characters are followed; after more, the places of
/// the segments after the first are those of 16.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carry {
    /// Places of the last characters, relative to the start of the segment: first byte and end.
    tail: [(i16, i16); TAIL],
    /// How many characters back the places are.
    back: usize,
    /// A character was written.
    begun: bool,
}

impl Carry {
    /// That of the beginning of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self { tail: [(0, 0); TAIL], back: 0, begun: false }
    }

    /// That of a place amid a text.
    pub(super) const fn begun() -> Self {
        Self { tail: [(0, 0); TAIL], back: 0, begun: true }
    }

    /// The next segment begins so many bytes after the one before: to be called between segments.
    ///
    /// A place in an earlier segment is negative then: [`Cell::start`] and [`Cell::end`] of such a cell are read as
    /// `i16`.
    pub fn advance(&mut self, bytes: u16) {
        let back = bytes.cast_signed();
        for (start, end) in &mut self.tail {
            *start = start.wrapping_sub(back);
            *end = end.wrapping_sub(back);
        }
    }

    /// Keeps the places of the last characters of a segment.
    fn keep(&mut self, input: &[Cell]) {
        let kept = self.back.min(TAIL);
        for place in TAIL.saturating_sub(kept)..TAIL {
            // The places of the tail and then of the input, from the end.
            let from_end = TAIL.saturating_sub(place);
            let moved = match input.len().checked_sub(from_end) {
                Some(at) => input.get(at).map(|cell| (cell.start().cast_signed(), cell.end().cast_signed())),
                None => self.tail.get(place.saturating_add(input.len())).copied(),
            };
            if let (Some(slot), Some(moved)) = (self.tail.get_mut(place), moved) {
                *slot = moved;
            }
        }
    }

    /// The place of the character that is so many before the start of the segment: 1 is the last.
    fn place(&self, before: usize) -> Cell {
        let at = TAIL.saturating_sub(before);
        let (start, end) = self.tail.get(at).copied().unwrap_or_default();
        Cell::new('\0', start.cast_unsigned(), end.cast_unsigned())
    }
}

/// The rules of a model.
#[derive(Clone, Copy, Debug)]
pub struct Charsmap<'t> {
    trie: &'t [[u8; 4]],
    texts: &'t [u8],
    /// ASCII characters for which there is a rule.
    ascii: u128,
}

impl<'t> Charsmap<'t> {
    /// Checks the bytes of a `precompiled_charsmap`.
    ///
    /// # Errors
    /// [`TableError::Charsmap`].
    pub fn parse(bytes: &'t [u8]) -> Result<Self, TableError> {
        let made = Self::view(bytes)?;
        str::from_utf8(made.texts).map_err(|_| TableError::Charsmap)?;
        Ok(made)
    }

    /// The same of bytes that were checked before: a text that is no UTF-8 is no match.
    pub(super) fn view(bytes: &'t [u8]) -> Result<Self, TableError> {
        let (size, rest) = bytes.split_first_chunk::<4>().ok_or(TableError::Charsmap)?;
        // As the reference does: bytes of the trie that are no whole unit are texts.
        let size = usize::try_from(u32::from_le_bytes(*size) & !3).map_err(|_| TableError::Charsmap)?;
        let (trie, texts) = rest.split_at_checked(size).ok_or(TableError::Charsmap)?;
        let (trie, _) = trie.as_chunks::<4>();
        if trie.is_empty() {
            return Err(TableError::Charsmap);
        }
        let mut made = Self { trie, texts, ascii: 0 };
        for byte in 0..0x80u8 {
            if made.find(&[byte]).is_some() {
                made.ascii |= 1 << byte;
            }
        }
        Ok(made)
    }

    fn unit(&self, at: u32) -> Option<u32> {
        self.trie.get(usize::try_from(at).ok()?).map(|unit| u32::from_le_bytes(*unit))
    }

    /// The text for the shortest prefix of the key that has one.
    pub(super) fn find(&self, key: &[u8]) -> Option<&'t str> {
        const fn offset(unit: u32) -> u32 {
            unit >> 10 << ((unit & 1 << 9) >> 6)
        }
        let mut at = offset(self.unit(0)?);
        for &byte in key.iter().take_while(|byte| **byte != 0) {
            at ^= u32::from(byte);
            let unit = self.unit(at)?;
            if unit & (1 << 31 | 0xFF) != u32::from(byte) {
                return None;
            }
            at ^= offset(unit);
            if unit >> 8 & 1 == 1 {
                let start = usize::try_from(self.unit(at)? & !(1 << 31)).ok()?;
                let text = self.texts.get(start..)?;
                return str::from_utf8(text.split(|byte| *byte == 0).next()?).ok();
            }
        }
        None
    }

    /// Does the trie hold anything that begins with the byte but is longer?
    pub(super) fn has_longer(&self, byte: u8) -> bool {
        (0x80..=0xFFu8).chain(1..0x80).any(|next| self.reaches(&[byte, next]))
    }

    /// Is there a path of these bytes?
    fn reaches(&self, key: &[u8]) -> bool {
        let Some(root) = self.unit(0) else { return false };
        let mut at = root >> 10 << ((root & 1 << 9) >> 6);
        for &byte in key {
            at ^= u32::from(byte);
            let Some(unit) = self.unit(at).filter(|unit| unit & (1 << 31 | 0xFF) == u32::from(byte)) else {
                return false;
            };
            at ^= unit >> 10 << ((unit & 1 << 9) >> 6);
        }
        true
    }

    /// Is there nothing to do? Characters that are no cluster of their own, or have a rule, say that there may be.
    pub(super) fn keeps(&self, cells: &[Cell], place: Place, carry: &mut Carry) -> bool {
        if place.first {
            *carry = Carry::new();
        }
        let keeps = carry.back == 0 && cells.iter().all(|cell| self.is_plain(cell.character()));
        carry.begun |= keeps && !cells.is_empty();
        keeps
    }

    /// Can a text be cut before a space? Not where a space is looked up together with what follows it, nor where a
    /// character that joins the next one is looked up together with that.
    pub(super) fn allows_cuts(&self) -> bool {
        let space = self.find(b" ");
        let space_is_safe = space.map_or(!self.has_longer(b' '), |text| !text.is_empty());
        space_is_safe && !unicode::prepends().any(|c| self.reaches(c.encode_utf8(&mut [0; 4]).as_bytes()))
    }

    /// An ASCII character without a rule, that never is in a cluster with the next ASCII character.
    fn is_plain(&self, c: char) -> bool {
        let code = u32::from(c);
        (0x20..0x7F).contains(&code) && self.ascii >> (code & 0x7F) & 1 == 0
    }

    pub(super) fn apply(
        &self,
        input: &[Cell],
        out: &mut Row<'_>,
        place: Place,
        carry: &mut Carry,
    ) -> Result<(), Full> {
        if place.first {
            *carry = Carry::new();
        }
        let mut writer = Writer { input, out, carry, next: 0, inserted: false };
        let mut rest = input;
        let mut clusters = Clusters::default();
        if let Some(cell) = input.first() {
            clusters.begins(cell.character());
        }
        while let Some((first, after)) = rest.split_first() {
            let len = after.iter().take_while(|cell| !clusters.begins(cell.character())).count();
            if len == 0 && self.is_plain(first.character()) {
                writer.push(first.character(), 0)?;
                rest = after;
                continue;
            }
            let (cluster, after) = rest.split_at_checked(len.saturating_add(1)).unwrap_or((rest, &[]));
            self.cluster(cluster, &mut writer)?;
            rest = after;
        }
        let unread = isize::try_from(input.len()).unwrap_or(isize::MAX).saturating_sub(writer.position());
        carry.back = usize::try_from(unread).unwrap_or_default();
        carry.keep(input);
        Ok(())
    }

    fn cluster(&self, cluster: &[Cell], writer: &mut Writer<'_, '_, '_>) -> Result<(), Full> {
        let mut bytes = [0u8; CLUSTER_BYTES];
        let len = cluster.iter().try_fold(0usize, |len, cell| {
            let c = cell.character();
            let end = len.saturating_add(c.len_utf8());
            c.encode_utf8(bytes.get_mut(len..end)?);
            Some(end)
        });
        if let Some(text) = len.and_then(|len| bytes.get(..len)).and_then(|key| self.find(key)) {
            return writer.replace(cluster.len(), text);
        }
        if let [only] = cluster {
            return writer.push(only.character(), 0);
        }
        for cell in cluster {
            let c = cell.character();
            match self.find(c.encode_utf8(&mut [0; 4]).as_bytes()) {
                Some(text) => writer.replace(1, text)?,
                None => writer.push(c, 0)?,
            }
        }
        Ok(())
    }
}

/// Writes characters with changes, as the reference collects them, and gives them their places at once.
struct Writer<'a, 'm, 'c> {
    input: &'a [Cell],
    out: &'a mut Row<'m>,
    carry: &'c mut Carry,
    /// The input's next character that is replaced, `carry.back` too far.
    next: usize,
    /// The last character was inserted.
    inserted: bool,
}

impl Writer<'_, '_, '_> {
    fn position(&self) -> isize {
        let next = isize::try_from(self.next).unwrap_or(isize::MAX);
        next.saturating_sub(isize::try_from(self.carry.back).unwrap_or(isize::MAX))
    }

    /// The place of the character at a distance from the next one.
    fn place(&self, distance: isize) -> Cell {
        let at = self.position().saturating_add(distance);
        match usize::try_from(at) {
            Ok(at) => self.input.get(at).copied().unwrap_or_default(),
            Err(_) => self.carry.place(at.unsigned_abs()),
        }
    }

    /// Adds a character: 0 replaces the next one of the input, 1 is inserted.
    fn push(&mut self, c: char, change: isize) -> Result<(), Full> {
        let source = self.place(if change > 0 { -1 } else { 0 });
        self.out.push(Cell::new(c, 0, 0).placed_as(source))?;
        if change <= 0 {
            self.next = self.next.saturating_add(1);
        }
        self.inserted = change > 0;
        self.carry.begun = true;
        Ok(())
    }

    /// Writes a text for `old` characters.
    fn replace(&mut self, old: usize, text: &str) -> Result<(), Full> {
        let new = text.chars().count();
        for (number, c) in text.chars().enumerate() {
            // Where there are more than before, the last ones are inserted.
            let inserted = number >= old;
            self.push(c, isize::from(inserted))?;
        }
        let deleted = old.saturating_sub(new);
        if deleted > 0 && self.carry.begun {
            if self.inserted {
                // Change 1 less one is 0: the inserted character now replaces the first deleted one.
                let source = self.place(0);
                if let Some(last) = self.out.cells_mut().last_mut() {
                    *last = last.placed_as(source);
                }
                self.inserted = false;
            }
            self.next = self.next.saturating_add(deleted);
        }
        Ok(())
    }
}
