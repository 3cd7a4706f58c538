//! The table of added tokens.

#[cfg(feature = "alloc")]
use alloc::{string::String, vec::Vec};

/// Bytes of the longest token that a table can hold.
pub const LONGEST: usize = 64;

/// Ids are below this.
const IDS: u32 = 1 << 21;
/// Bytes of the number of tokens and of the mask.
const MASK: usize = 2;
const ENTRIES: usize = MASK + 32;
/// Bytes of an entry.
const ENTRY: usize = 8;

const SINGLE_WORD: u32 = 1 << 24;
const LSTRIP: u32 = 1 << 25;
const RSTRIP: u32 = 1 << 26;

/// Added tokens, all normalised or none.
#[derive(Clone, Copy, Debug)]
pub struct AddedTokens<'t> {
    mask: &'t [u8],
    entries: &'t [u8],
    pool: &'t [u8],
    strips: bool,
    ids: u32,
}

/// What a token says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) id: u32,
    pub(super) single_word: bool,
    pub(super) lstrip: bool,
    pub(super) rstrip: bool,
}

/// Why bytes are no table of added tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// The bytes end before the entries do.
    Short {
        /// Bytes found.
        found: usize,
    },
    /// An entry with unknown marks, an id beyond the limit or bytes that are not in the pool.
    Entry {
        /// Which.
        index: usize,
    },
    /// A token that does not come after the one before it, or that the mask leaves out.
    Order {
        /// Which.
        index: usize,
    },
}

impl core::fmt::Display for TableError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Short { found } => write!(f, "table of added tokens ends after {found} bytes"),
            Self::Entry { index } => write!(f, "added token {index} is not well-formed"),
            Self::Order { index } => write!(f, "added token {index} is out of order or not in the mask"),
        }
    }
}

impl core::error::Error for TableError {}

impl<'t> AddedTokens<'t> {
    /// Reads a table.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn new(bytes: &'t [u8]) -> Result<Self, TableError> {
        let mut table = Self::parts(bytes).ok_or(TableError::Short { found: bytes.len() })?;
        let mut before: &[u8] = &[];
        for (index, entry) in table.entries.chunks_exact(ENTRY).enumerate() {
            let token = table.well_formed(entry).ok_or(TableError::Entry { index })?;
            if token <= before || !token.first().is_some_and(|byte| table.begins_with(*byte)) {
                return Err(TableError::Order { index });
            }
            before = token;
            let packed = entry.first_chunk().copied().map_or(0, u32::from_le_bytes);
            table.strips |= packed & (LSTRIP | RSTRIP) != 0;
            table.ids = table.ids.max((packed & (IDS - 1)).saturating_add(1));
        }
        Ok(table)
    }

    fn parts(bytes: &'t [u8]) -> Option<Self> {
        let (count, _) = bytes.split_first_chunk::<2>()?;
        let entries = usize::from(u16::from_le_bytes(*count)).checked_mul(ENTRY)?;
        let (entries, pool) = bytes.get(ENTRIES..)?.split_at_checked(entries)?;
        Some(Self { mask: bytes.get(MASK..ENTRIES)?, entries, pool, strips: false, ids: 0 })
    }

    fn well_formed(&self, entry: &[u8]) -> Option<&'t [u8]> {
        let packed = u32::from_le_bytes(*entry.first_chunk()?);
        let known = packed & !(SINGLE_WORD | LSTRIP | RSTRIP) < IDS;
        let token = self.bytes_of(entry)?;
        let fits = (1..=LONGEST).contains(&token.len()) && core::str::from_utf8(token).is_ok();
        (known && fits && entry.last() == Some(&0)).then_some(token)
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len() / ENTRY
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every id is below this.
    #[must_use]
    pub const fn ids(&self) -> u32 {
        self.ids
    }

    /// Whether a token takes white space beside it.
    pub(super) const fn strips(&self) -> bool {
        self.strips
    }

    pub(super) fn begins_with(&self, byte: u8) -> bool {
        self.mask.get(usize::from(byte >> 3)).is_some_and(|bits| bits >> (byte & 7) & 1 != 0)
    }

    /// The longest token that the bytes begin with, and its bytes.
    pub(super) fn longest(&self, text: &[u8]) -> Option<(Entry, usize)> {
        let (mut low, mut high) = (0, self.len());
        let mut best = None;
        for (depth, byte) in text.iter().enumerate().take(LONGEST) {
            // Of the tokens with the same first `depth` bytes, those whose next byte is the text's.
            low = self.bound(low, high, |token| token.get(depth).is_none_or(|next| next < byte));
            high = self.bound(low, high, |token| token.get(depth) == Some(byte));
            if low >= high {
                break;
            }
            let len = depth.saturating_add(1);
            if self.token(low).len() == len {
                best = Some((low, len));
            }
        }
        let (index, len) = best?;
        let packed = u32::from_le_bytes(*self.entry(index)?.first_chunk()?);
        let entry = Entry {
            id: packed & (IDS - 1),
            single_word: packed & SINGLE_WORD != 0,
            lstrip: packed & LSTRIP != 0,
            rstrip: packed & RSTRIP != 0,
        };
        Some((entry, len))
    }

    /// The first of `low..high` for which `is_before` no longer holds.
    fn bound(&self, mut low: usize, mut high: usize, is_before: impl Fn(&[u8]) -> bool) -> usize {
        while low < high {
            let middle = low.midpoint(high);
            if is_before(self.token(middle)) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        low
    }

    fn entry(&self, index: usize) -> Option<&'t [u8]> {
        let start = index.checked_mul(ENTRY)?;
        self.entries.get(start..start.checked_add(ENTRY)?)
    }

    fn token(&self, index: usize) -> &'t [u8] {
        self.entry(index).and_then(|entry| self.bytes_of(entry)).unwrap_or_default()
    }

    fn bytes_of(&self, entry: &[u8]) -> Option<&'t [u8]> {
        let &[_, _, _, _, low, high, len, _] = entry else {
            return None;
        };
        let start = usize::from(u16::from_le_bytes([low, high]));
        self.pool.get(start..start.checked_add(usize::from(len))?)
    }
}

/// An added token, to be written.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, Default)]
pub struct AddedToken {
    /// What is looked for: normalised if the table is.
    pub content: String,
    /// Its id.
    pub id: u32,
    /// Not where a word character stands before or after it.
    pub single_word: bool,
    /// With the white space before it.
    pub lstrip: bool,
    /// With the white space after it.
    pub rstrip: bool,
}

/// In what the tokens of a table are looked for.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// In the bytes of the text.
    Raw,
    /// In normalised cells; `space` is what the normalisers make of an ASCII space.
    Normalised {
        /// A space, or U+2581.
        space: char,
    },
}

/// Why a table cannot be written.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// A token of no or more than 64 bytes.
    Len(String),
    /// An id from 2^21 on.
    Id(String),
    /// Two tokens are the same.
    Twice(String),
    /// More than 65,535 tokens, or of more than 65,535 bytes.
    TooMany,
    /// A token takes the white space after it, and this one begins with white space.
    Spaces(String),
    /// A normalised token that a segment's end can hide: a space follows another character in it, it takes the white
    /// space after it, or it begins with a space and must be a single word.
    BeyondSegment(String),
}

#[cfg(feature = "alloc")]
impl core::fmt::Display for WriteError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Len(token) => {
                write!(f, "added token {token:?} has {} bytes, 1 to {LONGEST} are allowed", token.len())
            }
            Self::Id(token) => write!(f, "added token {token:?} has an id beyond {IDS}"),
            Self::Twice(token) => write!(f, "added token {token:?} stands there twice"),
            Self::TooMany => write!(f, "added tokens or their bytes are more than 65535"),
            Self::Spaces(token) => {
                write!(f, "added token {token:?} begins with white space, and another has rstrip")
            }
            Self::BeyondSegment(token) => write!(f, "normalised added token {token:?} sees beyond a segment"),
        }
    }
}

#[cfg(feature = "alloc")]
impl core::error::Error for WriteError {}

/// The table of these tokens.
///
/// # Errors
/// [`WriteError`].
#[cfg(feature = "alloc")]
pub fn write(tokens: &[AddedToken], stage: Stage) -> Result<Vec<u8>, WriteError> {
    let mut sorted: Vec<&AddedToken> = tokens.iter().collect();
    sorted.sort_by(|a, b| a.content.as_bytes().cmp(b.content.as_bytes()));
    let strips = tokens.iter().any(|token| token.rstrip);
    let (mut mask, mut entries, mut pool) = ([0_u8; 32], Vec::new(), Vec::new());
    let mut before = "";
    for token in sorted {
        let content = token.content.as_str();
        check(token, stage, strips)?;
        if content == before {
            return Err(WriteError::Twice(content.into()));
        }
        before = content;
        let first = content.bytes().next().unwrap_or_default();
        if let Some(bits) = mask.get_mut(usize::from(first >> 3)) {
            *bits |= 1 << (first & 7);
        }
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        let marks =
            flag(token.single_word, SINGLE_WORD) | flag(token.lstrip, LSTRIP) | flag(token.rstrip, RSTRIP);
        entries.extend((token.id | marks).to_le_bytes());
        entries.extend(u16::try_from(pool.len()).map_err(|_| WriteError::TooMany)?.to_le_bytes());
        entries.extend([u8::try_from(content.len()).map_err(|_| WriteError::TooMany)?, 0]);
        pool.extend(content.bytes());
    }
    let count = u16::try_from(tokens.len()).map_err(|_| WriteError::TooMany)?;
    Ok([&count.to_le_bytes()[..], &mask, &entries, &pool].concat())
}

#[cfg(feature = "alloc")]
fn check(token: &AddedToken, stage: Stage, strips: bool) -> Result<(), WriteError> {
    let content = token.content.as_str();
    if !(1..=LONGEST).contains(&content.len()) {
        return Err(WriteError::Len(content.into()));
    }
    if token.id >= IDS {
        return Err(WriteError::Id(content.into()));
    }
    if strips && content.starts_with(super::is_space) {
        return Err(WriteError::Spaces(content.into()));
    }
    if let Stage::Normalised { space } = stage {
        let mut before = space;
        let spans = content.chars().any(|c| {
            let cut = c == space && before != space;
            before = c;
            cut
        });
        if spans || token.rstrip || token.single_word && content.starts_with(space) {
            return Err(WriteError::BeyondSegment(content.into()));
        }
    }
    Ok(())
}
