//! What the models share: tokens, a reader of tables, and what is wrong with a table.

use core::fmt;

use super::{Cell, Full};

/// The most ids of a model: they fit the 22 bits of a [`super::double_array`] value.
pub const MAX_IDS: u32 = 1 << 22;

/// A token of a word: its id, and the cells of the word that it covers.
///
/// Tokens come in the order of the word. Two may share a cell, when a character is cut within its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// The id in the vocabulary.
    pub id: u32,
    /// First cell of the word.
    pub start: u16,
    /// End of its cells.
    pub end: u16,
}

impl Token {
    /// A token of cells that are counted by `usize`.
    ///
    /// # Errors
    /// [`Full`] when a place has more than 16 bits.
    #[inline]
    pub(crate) fn new(id: u32, start: usize, end: usize) -> Result<Self, Full> {
        let (start, end) = (u16::try_from(start).map_err(|_| Full)?, u16::try_from(end).map_err(|_| Full)?);
        Ok(Self { id, start, end })
    }

    /// In the memory of a cell.
    #[inline]
    pub(crate) const fn packed(self) -> Cell {
        Cell(self.id as u64 | (self.start as u64) << 32 | (self.end as u64) << 48)
    }

    /// What [`Token::packed`] made.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the low half is the id")]
    pub(crate) const fn unpacked(cell: Cell) -> Self {
        Self { id: cell.0 as u32, start: cell.start(), end: cell.end() }
    }
}

/// The bytes of a character.
#[inline(always)]
pub(crate) fn utf8(character: char) -> impl Iterator<Item = u8> {
    let mut bytes = [0; 4];
    let len = character.encode_utf8(&mut bytes).len();
    bytes.into_iter().take(len)
}

/// Why bytes are no table of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// The parts do not fill the bytes exactly.
    Length {
        /// Bytes that are needed, as far as the table says.
        needed: u64,
        /// Bytes found.
        len: usize,
    },
    /// A number of things is out of range.
    Count {
        /// Things declared.
        found: u32,
        /// The most that are allowed.
        limit: u32,
    },
    /// An id is not below the number of ids.
    Id {
        /// The number of ids.
        limit: u32,
    },
    /// A unit of a double array is malformed, or leads out of the array.
    Unit,
    /// A flag is not known, or contradicts another.
    Flags(u32),
    /// A merge is malformed or not below the number of merges.
    Merge {
        /// The number of merges.
        limit: u32,
    },
}

impl TableError {
    /// A number that stays: for logs of devices.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Length { .. } => 1,
            Self::Count { .. } => 2,
            Self::Id { .. } => 3,
            Self::Unit => 4,
            Self::Flags(_) => 5,
            Self::Merge { .. } => 6,
        }
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { needed, len } => write!(f, "table has {len} bytes, {needed} are needed"),
            Self::Count { found, limit } => {
                write!(f, "table declares {found} entries, allowed are 1 to {limit}")
            }
            Self::Id { limit } => write!(f, "table has an id that is not below {limit}"),
            Self::Unit => f.write_str("table has a unit that leads out of its array"),
            Self::Flags(flags) => write!(f, "table has flags {flags:#x}, which are unknown or contradict"),
            Self::Merge { limit } => write!(f, "table has a merge that is not one of {limit}"),
        }
    }
}

impl core::error::Error for TableError {}

/// Takes a table apart from its front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'t> {
    rest: &'t [u8],
    len: usize,
    trusts: bool,
}

impl<'t> Reader<'t> {
    pub(crate) const fn new(bytes: &'t [u8]) -> Self {
        Self { rest: bytes, len: bytes.len(), trusts: false }
    }

    /// Of a table that was checked before: what takes time for each entry is not done again.
    pub(crate) const fn trusting(bytes: &'t [u8]) -> Self {
        Self { rest: bytes, len: bytes.len(), trusts: true }
    }

    /// Were the entries checked before?
    pub(crate) const fn trusts(&self) -> bool {
        self.trusts
    }

    /// Bytes of the whole table.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The next `count` items of `N` bytes each.
    pub(crate) fn items<const N: usize>(&mut self, count: u32) -> Result<&'t [[u8; N]], TableError> {
        let bytes = u64::from(count).saturating_mul(N as u64);
        let found = usize::try_from(bytes).ok().and_then(|bytes| self.rest.split_at_checked(bytes));
        let read = self.len.saturating_sub(self.rest.len()) as u64;
        let (items, rest) =
            found.ok_or(TableError::Length { needed: read.saturating_add(bytes), len: self.len })?;
        self.rest = rest;
        Ok(items.as_chunks::<N>().0)
    }

    /// The next number.
    pub(crate) fn u32(&mut self) -> Result<u32, TableError> {
        Ok(self.items::<4>(1)?.first().copied().map_or(0, u32::from_le_bytes))
    }

    /// The next number, which is between 1 and `limit`.
    pub(crate) fn count(&mut self, limit: u32) -> Result<u32, TableError> {
        let found = self.u32()?;
        if (1..=limit).contains(&found) { Ok(found) } else { Err(TableError::Count { found, limit }) }
    }

    /// The next number, which is an id.
    pub(crate) fn id(&mut self, limit: u32) -> Result<u32, TableError> {
        let id = self.u32()?;
        if id < limit { Ok(id) } else { Err(TableError::Id { limit }) }
    }

    /// Nothing is left.
    pub(crate) const fn end(self) -> Result<(), TableError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(TableError::Length { needed: self.len.saturating_sub(self.rest.len()) as u64, len: self.len })
    }
}

#[cfg(feature = "alloc")]
mod build {
    use core::fmt;

    /// Why no table can be made.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub enum BuildError {
        /// More of something than the format holds.
        TooMany {
            /// What there is too much of.
            what: &'static str,
            /// How much there is.
            found: usize,
            /// The most that is allowed.
            limit: usize,
        },
        /// A piece has the byte 0xFF, which is in no text.
        NotText,
        /// Something that the model refers to is not in its vocabulary.
        Missing {
            /// What it is.
            what: &'static str,
        },
        /// The model does what these tables cannot say.
        Unsupported {
            /// What it is.
            what: &'static str,
        },
    }

    impl fmt::Display for BuildError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::TooMany { what, found, limit } => {
                    write!(f, "model has {found} {what}, limit is {limit}")
                }
                Self::NotText => f.write_str("piece has the byte 0xff, which no text has"),
                Self::Missing { what } => write!(f, "{what} is not in the vocabulary"),
                Self::Unsupported { what } => write!(f, "model has {what}, which is not supported"),
            }
        }
    }

    impl core::error::Error for BuildError {}
}
#[cfg(feature = "alloc")]
pub use build::BuildError;
