//! Golden vectors: texts with the ids and the exact scores that every backend must reproduce.
//!
//! ```text
//! 0    4   count: 16 to 1024
//! 4    4   classes: scores of each vector
//! 8    1   bytes of an id: 2 if the bag has at most 65536 rows, else 4
//! 9    7   zero
//! then per vector:
//!      2   bytes of the text, 0 to 4096
//!      2   ids, 0 to 4096
//!      ... the text (any bytes, on purpose), the ids, the scores (i32 each)
//! ```

use crate::container::Kind;
use crate::error::Error;
use crate::reader::Reader;

/// The least number of vectors.
pub const MIN_COUNT: u32 = 16;
/// The most vectors.
pub const MAX_COUNT: u32 = 1024;
/// The longest text in bytes, and the most ids.
pub const MAX_LEN: u16 = 4096;

/// The one width of ids, in bytes, that vectors over so many rows may have.
#[must_use]
pub const fn id_bytes_for(rows: u32) -> u8 {
    if rows <= 65_536 { 2 } else { 4 }
}

/// Checked golden vectors.
#[derive(Clone, Copy, Debug)]
pub struct GoldenVectors<'a> {
    body: &'a [u8],
    count: u32,
    classes: u32,
    id_bytes: u8,
}

/// One text with its ids and scores.
#[derive(Clone, Copy, Debug)]
pub struct GoldenVector<'a> {
    /// The text: any bytes.
    pub text: &'a [u8],
    ids: &'a [u8],
    id_bytes: u8,
    scores: &'a [[u8; 4]],
}

impl<'a> GoldenVectors<'a> {
    /// Nothing: what a view of bytes that were never accepted falls back to.
    pub const EMPTY: Self = Self { body: &[], count: 0, classes: 0, id_bytes: 2 };

    /// Checks the section whole.
    ///
    /// # Errors
    /// [`Error`] names the first rule that is broken.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let section = Kind::GOLDEN.0;
        let bad = |what, found: u64| Err(Error::OutOfRange { section, what, found });
        let mut reader = Reader::new(bytes, section);
        let (count, classes, id_bytes) = (reader.u32()?, reader.u32()?, reader.u8()?);
        reader.zeros(7)?;
        if !(MIN_COUNT..=MAX_COUNT).contains(&count) {
            return bad("number of vectors", count.into());
        }
        if !matches!(id_bytes, 2 | 4) {
            return bad("bytes of an id", id_bytes.into());
        }
        if !(2..=super::labels::MAX_LABELS).contains(&classes) {
            return bad("number of classes", classes.into());
        }
        let vectors = Self { body: reader.rest(), count, classes, id_bytes };
        for _ in 0..count {
            let vector = vectors.next(&mut reader)?;
            let longest = vector.text.len().max(vector.ids_len());
            if longest > usize::from(MAX_LEN) {
                return bad("length of a vector", longest as u64);
            }
        }
        reader.finish()?;
        Ok(vectors)
    }

    /// Looks at bytes that [`Self::parse`] accepted; `None` if they are too short to have been.
    #[must_use]
    pub fn view(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes, Kind::GOLDEN.0);
        let (count, classes, id_bytes) = (reader.u32().ok()?, reader.u32().ok()?, reader.u8().ok()?);
        reader.take(7).ok()?;
        Some(Self { body: reader.rest(), count, classes, id_bytes })
    }

    /// How many vectors.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Never: a case has [`MIN_COUNT`] vectors at least.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Scores of each vector.
    #[must_use]
    pub const fn classes(&self) -> u32 {
        self.classes
    }

    /// Bytes of an id: 2 or 4.
    #[must_use]
    pub const fn id_bytes(&self) -> u8 {
        self.id_bytes
    }

    /// The vectors, in order.
    pub fn iter(&self) -> impl Iterator<Item = GoldenVector<'a>> + use<'a> {
        let this = *self;
        let mut reader = Reader::new(self.body, Kind::GOLDEN.0);
        (0..self.count).map_while(move |_| this.next(&mut reader).ok())
    }

    fn next(&self, reader: &mut Reader<'a>) -> Result<GoldenVector<'a>, Error> {
        let (text_len, ids_len) = (reader.u16()?, reader.u16()?);
        let text = reader.take(text_len.into())?;
        let ids = reader.take_items(ids_len.into(), self.id_bytes.into())?;
        let (scores, _) = reader.take_items(self.classes, 4)?.as_chunks();
        Ok(GoldenVector { text, ids, id_bytes: self.id_bytes, scores })
    }
}

impl<'a> GoldenVector<'a> {
    /// The ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.ids
            .chunks_exact(usize::from(self.id_bytes).max(1))
            .map(|id| id.iter().rev().fold(0u32, |value, &byte| value.wrapping_shl(8) | u32::from(byte)))
    }

    /// How many ids.
    #[must_use]
    pub const fn ids_len(&self) -> usize {
        // `id_bytes` is 2 or 4.
        self.ids.len().wrapping_shr(self.id_bytes.trailing_zeros())
    }

    /// The exact scores, one a class.
    pub fn scores(&self) -> impl Iterator<Item = i32> + use<'a> {
        self.scores.iter().map(|score| i32::from_le_bytes(*score))
    }
}

/// A vector to be written.
#[cfg(feature = "write")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVector {
    /// The text: any bytes.
    pub text: alloc::vec::Vec<u8>,
    /// Its ids.
    pub ids: alloc::vec::Vec<u32>,
    /// Its scores.
    pub scores: alloc::vec::Vec<i32>,
}

/// Encodes vectors; ids take two bytes if all `rows` of the vocabulary can be named with them.
///
/// # Errors
/// [`crate::EncodeError`] if there are too few or too many vectors, one is too long, or its scores are not `classes`.
#[cfg(feature = "write")]
pub fn encode(
    vectors: &[NewVector],
    classes: u32,
    rows: u32,
) -> Result<alloc::vec::Vec<u8>, crate::EncodeError> {
    use crate::EncodeError as E;
    let limits = MIN_COUNT as usize..=MAX_COUNT as usize;
    if !limits.contains(&vectors.len()) {
        let (min, max) = (*limits.start(), *limits.end());
        return Err(E::Count { what: "golden vectors", found: vectors.len(), min, max });
    }
    let id_bytes = id_bytes_for(rows);
    let mut bytes = alloc::vec::Vec::new();
    bytes.extend(u32::try_from(vectors.len()).unwrap_or(MAX_COUNT).to_le_bytes());
    bytes.extend(classes.to_le_bytes());
    bytes.push(id_bytes);
    bytes.resize(16, 0);
    for vector in vectors {
        let len =
            |n: usize| u16::try_from(n).ok().filter(|n| *n <= MAX_LEN).ok_or(E::OutOfRange("golden vector"));
        if vector.scores.len() != classes as usize || vector.ids.iter().any(|&id| id >= rows) {
            return Err(E::OutOfRange("golden vector"));
        }
        bytes.extend(len(vector.text.len())?.to_le_bytes());
        bytes.extend(len(vector.ids.len())?.to_le_bytes());
        bytes.extend(&vector.text);
        vector.ids.iter().for_each(|id| bytes.extend(id.to_le_bytes().iter().take(id_bytes.into())));
        vector.scores.iter().for_each(|score| bytes.extend(score.to_le_bytes()));
    }
    Ok(bytes)
}
