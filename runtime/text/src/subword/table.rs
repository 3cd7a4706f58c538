//! A whole tokenizer as one table of bytes, used where it lies.
//!
//! ```text
//! offset  size   what
//! 0       1      the layout: 1
//! 1       1      model: 1 WordPiece, 2 byte-level BPE, 3 Unigram
//! 2       2      version of Unicode of the tables: major, minor
//! 4       2      version of `tokenizers` that is followed: major, minor
//! 6       2      characters of a segment, 32 to 1024
//! 8       4      ids: every id is below it, 1 to 2^22
//! 12      4      bytes of a text that are looked at, 1 to 2^24
//! 16      4 * 7  bytes of each part
//! 44      4      zero
//! 48             the parts, each filled up with zeros to a multiple of four:
//!                added tokens ([`super::added`]), normalisers ([`super::normalize`]), solid characters
//!                ([`super::normalize::Solid`]), added tokens of the normalised text, splitters ([`super::split`]),
//!                template ([`super::template`]), model ([`super::wordpiece`], [`super::bpe`], [`super::unigram`])
//! ```
//! All little-endian. The two tables of added tokens may be empty.

use core::fmt;

use super::added::{self, AddedTokens};
use super::bpe::Bpe;
use super::model::{self, MAX_IDS, Reader};
use super::normalize::{self, Normalizers, Solid};
use super::split::{ProgramError, Splitters};
use super::template::{Template, TemplateError};
use super::tokenizer::{Model, Tokenizer};
use super::unigram::Unigram;
use super::wordpiece::WordPiece;
use crate::UNICODE_VERSION;

/// The layout of a table.
const LAYOUT: u8 = 1;
/// Bytes before the parts.
const HEADER: usize = 48;
/// Characters of a segment.
const CELLS: core::ops::RangeInclusive<u16> = 32..=1024;

/// The version of `tokenizers` whose ids these are: major, minor.
pub const REFERENCE_VERSION: (u8, u8) = (0, 23);

/// The most bytes of a text that a table can ask for.
pub const MAX_TEXT_BYTES: u32 = 1 << 24;

/// Why bytes are no tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The parts do not fill the bytes exactly.
    Length {
        /// Bytes that are needed, as far as the table says.
        needed: u64,
        /// Bytes found.
        found: usize,
    },
    /// A number of the header is out of range.
    Header {
        /// Which.
        what: &'static str,
        /// The number.
        found: u32,
    },
    /// The tables of this program are of another version of Unicode than those that the tokenizer was compiled for.
    Unicode {
        /// Major and minor version in the table.
        table: (u8, u8),
        /// Major and minor version of this program.
        program: (u8, u8),
    },
    /// The tokenizer follows another version of the reference than this program.
    Reference {
        /// Major and minor version in the table.
        table: (u8, u8),
        /// Major and minor version of this program.
        program: (u8, u8),
    },
    /// The added tokens.
    Added(added::TableError),
    /// The normalisers, or the solid characters.
    Normalizers(normalize::TableError),
    /// The splitters.
    Splitters(ProgramError),
    /// The template.
    Template(TemplateError),
    /// The model.
    Model(model::TableError),
    /// A part can give an id that the table does not allow.
    Id {
        /// Which part.
        what: &'static str,
        /// Ids that it can give are below this.
        found: u32,
        /// Ids of the table are below this.
        limit: u32,
    },
}

impl TokenizerError {
    /// A number that stays: for logs of devices.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Length { .. } => 1,
            Self::Header { .. } => 2,
            Self::Unicode { .. } => 3,
            Self::Reference { .. } => 4,
            Self::Added(_) => 5,
            Self::Normalizers(_) => 6,
            Self::Splitters(_) => 7,
            Self::Template(_) => 8,
            Self::Model(_) => 9,
            Self::Id { .. } => 10,
        }
    }
}

impl fmt::Display for TokenizerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { needed, found } => write!(f, "tokenizer has {found} bytes, {needed} are needed"),
            Self::Header { what, found } => write!(f, "tokenizer has {what} {found}, which is out of range"),
            Self::Unicode { table, program } => write!(
                f,
                "tokenizer was compiled for Unicode {}.{}, this program has {}.{}",
                table.0, table.1, program.0, program.1
            ),
            Self::Reference { table, program } => write!(
                f,
                "tokenizer was compiled for the ids of tokenizers {}.{}, this program gives those of {}.{}",
                table.0, table.1, program.0, program.1
            ),
            Self::Added(error) => error.fmt(f),
            Self::Normalizers(error) => error.fmt(f),
            Self::Splitters(error) => error.fmt(f),
            Self::Template(error) => error.fmt(f),
            Self::Model(error) => error.fmt(f),
            Self::Id { what, found, limit } => {
                write!(f, "{what} of the tokenizer have ids below {found}, allowed are ids below {limit}")
            }
        }
    }
}

impl core::error::Error for TokenizerError {}

/// The bytes of each part.
struct Parts<'t> {
    added: &'t [u8],
    normalizers: &'t [u8],
    solid: &'t [u8],
    added_normalized: &'t [u8],
    splitters: &'t [u8],
    template: &'t [u8],
    model: &'t [u8],
}

impl<'t> Tokenizer<'t> {
    /// Opens a table: every byte of it is checked, nothing is copied.
    ///
    /// # Errors
    /// [`TokenizerError`] names what is wrong.
    pub fn parse(bytes: &'t [u8]) -> Result<Self, TokenizerError> {
        Self::read(bytes, false)
    }

    /// The tokenizer of a table that [`Self::parse`] has accepted before: what takes time for each entry is not done
    /// again. Of other bytes it is an error or a tokenizer whose ids mean nothing, never a panic.
    ///
    /// # Errors
    /// [`TokenizerError`], which bytes that were accepted never give.
    pub fn view(bytes: &'t [u8]) -> Result<Self, TokenizerError> {
        Self::read(bytes, true)
    }

    fn read(bytes: &'t [u8], trusts: bool) -> Result<Self, TokenizerError> {
        let short = TokenizerError::Length { needed: HEADER as u64, found: bytes.len() };
        let (header, body) = bytes.split_first_chunk::<HEADER>().ok_or(short)?;
        let &[layout, kind, major, minor, ref_major, ref_minor, cells_low, cells_high, ref numbers @ ..] =
            header;
        let numbers = numbers.as_chunks::<4>().0;
        let number = |at: usize| numbers.get(at).copied().map_or(0, u32::from_le_bytes);
        if layout != LAYOUT {
            return Err(TokenizerError::Header { what: "layout", found: layout.into() });
        }
        let program = (UNICODE_VERSION.0, UNICODE_VERSION.1);
        if (major, minor) != program {
            return Err(TokenizerError::Unicode { table: (major, minor), program });
        }
        if (ref_major, ref_minor) != REFERENCE_VERSION {
            let table = (ref_major, ref_minor);
            return Err(TokenizerError::Reference { table, program: REFERENCE_VERSION });
        }
        let cells = u16::from_le_bytes([cells_low, cells_high]);
        let (ids, max_bytes) = (number(0), number(1));
        let in_range = [
            ("characters of a segment", u32::from(cells), CELLS.contains(&cells)),
            ("ids", ids, (1..=MAX_IDS).contains(&ids)),
            ("bytes of a text", max_bytes, (1..=MAX_TEXT_BYTES).contains(&max_bytes)),
            ("reserved number", number(9), number(9) == 0),
        ];
        if let Some((what, found, _)) = in_range.into_iter().find(|(_, _, is_in_range)| !is_in_range) {
            return Err(TokenizerError::Header { what, found });
        }
        let parts = Parts::cut(body, [2, 3, 4, 5, 6, 7, 8].map(number), bytes.len())?;
        let made = Self::of_parts(&parts, kind, trusts)?;
        let made =
            Self { cells: cells.into(), ids, max_bytes: max_bytes.try_into().unwrap_or(usize::MAX), ..made };
        made.check_ids()?;
        Ok(made)
    }

    fn of_parts(parts: &Parts<'t>, kind: u8, trusts: bool) -> Result<Self, TokenizerError> {
        let added = |bytes: &'t [u8]| match bytes {
            [] => Ok(None),
            _ => AddedTokens::new(bytes).map(Some).map_err(TokenizerError::Added),
        };
        let normalizers =
            if trusts { Normalizers::view(parts.normalizers) } else { Normalizers::parse(parts.normalizers) };
        let reader = if trusts { Reader::trusting(parts.model) } else { Reader::new(parts.model) };
        let model = match kind {
            1 => WordPiece::read(reader).map(Model::WordPiece),
            2 => Bpe::read(reader).map(Model::Bpe),
            3 => Unigram::read(reader).map(Model::Unigram),
            _ => return Err(TokenizerError::Header { what: "model", found: kind.into() }),
        };
        let splitters = Splitters::new(parts.splitters).map_err(TokenizerError::Splitters)?;
        Ok(Self {
            added: added(parts.added)?,
            normalizers: normalizers.map_err(TokenizerError::Normalizers)?,
            added_normalized: added(parts.added_normalized)?,
            divides: splitters.divides(),
            splitters,
            model: model.map_err(TokenizerError::Model)?,
            template: Template::new(parts.template).map_err(TokenizerError::Template)?,
            solid: Solid::parse(parts.solid).map_err(TokenizerError::Normalizers)?,
            cells: 0,
            max_bytes: 0,
            ids: 0,
        })
    }

    /// No part can give an id that the table does not allow.
    fn check_ids(&self) -> Result<(), TokenizerError> {
        let of_added = |added: Option<AddedTokens<'_>>| added.map_or(0, |added| added.ids());
        let limits = [
            ("added tokens", of_added(self.added)),
            ("added tokens of the normalised text", of_added(self.added_normalized)),
            ("special tokens", self.template.ids()),
            ("pieces", self.model.ids()),
        ];
        match limits.into_iter().find(|(_, found)| *found > self.ids) {
            Some((what, found)) => Err(TokenizerError::Id { what, found, limit: self.ids }),
            None => Ok(()),
        }
    }
}

impl<'t> Parts<'t> {
    fn cut(mut body: &'t [u8], lens: [u32; 7], found: usize) -> Result<Self, TokenizerError> {
        let padded = |len: u32| u64::from(len).next_multiple_of(4);
        let needed = lens.iter().fold(HEADER as u64, |sum, len| sum.saturating_add(padded(*len)));
        let wrong = TokenizerError::Length { needed, found };
        if needed != found as u64 {
            return Err(wrong);
        }
        let mut next = |len: u32| {
            let len = usize::try_from(len).map_err(|_| wrong)?;
            let (part, rest) = body.split_at_checked(len).ok_or(wrong)?;
            let (padding, rest) = rest.split_at_checked(len.wrapping_neg() & 3).ok_or(wrong)?;
            body = rest;
            match padding.iter().find(|byte| **byte != 0) {
                Some(byte) => Err(TokenizerError::Header { what: "padding", found: (*byte).into() }),
                None => Ok(part),
            }
        };
        let [added, normalizers, solid, added_normalized, splitters, template, model] = lens;
        Ok(Self {
            added: next(added)?,
            normalizers: next(normalizers)?,
            solid: next(solid)?,
            added_normalized: next(added_normalized)?,
            splitters: next(splitters)?,
            template: next(template)?,
            model: next(model)?,
        })
    }
}

#[cfg(feature = "alloc")]
mod write {
    use alloc::vec::Vec;

    use super::{CELLS, HEADER, LAYOUT, MAX_IDS, MAX_TEXT_BYTES, REFERENCE_VERSION, TokenizerError};
    use crate::UNICODE_VERSION;
    use crate::subword::normalize::{Normalizers, write_solid};
    use crate::subword::{Cell, Tokenizer};

    /// Scratch that a tokenizer takes at most, in bytes, if it does not say how long its segments are.
    const SCRATCH_BYTES: usize = 8192;

    /// The model of a tokenizer that is written.
    #[derive(Clone, Copy, Debug)]
    pub enum ModelTable<'p> {
        /// From [`crate::subword::wordpiece::Builder`].
        WordPiece(&'p [u8]),
        /// From [`crate::subword::bpe::Builder`].
        Bpe(&'p [u8]),
        /// From [`crate::subword::unigram::Builder`].
        Unigram(&'p [u8]),
    }

    /// The parts of a tokenizer, each as the bytes that its own writer has made.
    #[derive(Clone, Copy, Debug)]
    pub struct TokenizerParts<'p> {
        /// From [`crate::subword::added::write`]; may be empty.
        pub added: &'p [u8],
        /// From [`crate::subword::normalize::write`].
        pub normalizers: &'p [u8],
        /// From [`crate::subword::added::write`], for the normalised text; may be empty.
        pub added_normalized: &'p [u8],
        /// From [`crate::subword::split::write`].
        pub splitters: &'p [u8],
        /// From [`crate::subword::template::Draft::write`].
        pub template: &'p [u8],
        /// How words become ids.
        pub model: ModelTable<'p>,
        /// Characters of a segment; 0 for as many as 8 KiB of scratch allow.
        pub cells: u16,
        /// Bytes of a text that are looked at; 0 for the most.
        pub max_bytes: u32,
    }

    impl TokenizerParts<'_> {
        /// The table.
        ///
        /// # Errors
        /// What [`Tokenizer::parse`] would find wrong with it.
        pub fn to_bytes(&self) -> Result<Vec<u8>, TokenizerError> {
            let normalizers = Normalizers::parse(self.normalizers).map_err(TokenizerError::Normalizers)?;
            let solid = write_solid(&normalizers);
            let mut made = self.with(&solid, MAX_IDS, *CELLS.start())?;
            let ids = Tokenizer::parse(&made)?.used_ids();
            if self.cells != 0 {
                made = self.with(&solid, ids, self.cells)?;
            } else {
                for cells in CELLS.step_by(16) {
                    let next = self.with(&solid, ids, cells)?;
                    let scratch = Tokenizer::view(&next)?.scratch_cells();
                    if scratch.saturating_mul(size_of::<Cell>()) > SCRATCH_BYTES {
                        break;
                    }
                    made = next;
                }
            }
            Tokenizer::parse(&made)?;
            Ok(made)
        }

        fn with(&self, solid: &[u8], ids: u32, cells: u16) -> Result<Vec<u8>, TokenizerError> {
            let (kind, model) = match self.model {
                ModelTable::WordPiece(model) => (1, model),
                ModelTable::Bpe(model) => (2, model),
                ModelTable::Unigram(model) => (3, model),
            };
            let parts = [
                self.added,
                self.normalizers,
                solid,
                self.added_normalized,
                self.splitters,
                self.template,
                model,
            ];
            let max_bytes = if self.max_bytes == 0 { MAX_TEXT_BYTES } else { self.max_bytes };
            let mut bytes = Vec::from([LAYOUT, kind, UNICODE_VERSION.0, UNICODE_VERSION.1]);
            bytes.extend([REFERENCE_VERSION.0, REFERENCE_VERSION.1]);
            bytes.extend(cells.to_le_bytes());
            bytes.extend(ids.to_le_bytes());
            bytes.extend(max_bytes.to_le_bytes());
            for part in parts {
                let too_long = TokenizerError::Header { what: "bytes of a part", found: u32::MAX };
                bytes.extend(u32::try_from(part.len()).map_err(|_| too_long)?.to_le_bytes());
            }
            bytes.resize(HEADER, 0);
            for part in parts {
                bytes.extend(part);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            Ok(bytes)
        }
    }

    impl Tokenizer<'_> {
        /// The ids that its parts can give are below this.
        fn used_ids(&self) -> u32 {
            let added = [self.added, self.added_normalized].map(|added| added.map_or(0, |added| added.ids()));
            added.into_iter().fold(self.template.ids().max(self.model.ids()), u32::max)
        }
    }
}
#[cfg(feature = "alloc")]
pub use write::{ModelTable, TokenizerParts};
