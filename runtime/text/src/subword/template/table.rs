//! The table of a post-processor.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

const TRIM: u8 = 1;
const ADD_PREFIX_SPACE: u8 = 1 << 1;
const TRUNCATION: u8 = 1 << 2;
const TRUNCATION_LEFT: u8 = 1 << 3;
const PADDING: u8 = 1 << 4;
const PADDING_LEFT: u8 = 1 << 5;

/// Bytes of a special token.
const SPECIAL: usize = 5;

/// The post-processor of a tokenizer, its truncation and its padding.
#[derive(Clone, Copy, Debug)]
pub struct Template<'t> {
    before: Special<'t>,
    after: Special<'t>,
    /// White space is trimmed from offsets; with `add_prefix_space`.
    pub(super) trims: Option<bool>,
    pub(super) type_id: u8,
    pub(super) truncation: Option<Truncation>,
    pub(super) padding: Option<Padding>,
}

/// How a text of too many tokens is shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// Most ids, the special ones included.
    pub most: usize,
    /// The first tokens are left out, not the last.
    pub left: bool,
}

/// How a text of too few tokens is lengthened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    /// Fewest ids; 0: as many as there are.
    pub fewest: usize,
    /// The number of ids is a multiple of this; 0: any number.
    pub multiple: usize,
    /// The id that is added.
    pub id: u32,
    /// Its type id.
    pub type_id: u8,
    /// It is added before the others.
    pub left: bool,
}

impl Padding {
    /// Ids with padding, of so many without.
    pub(super) fn len(&self, ids: usize) -> usize {
        let fewest = if self.fewest == 0 { ids } else { self.fewest };
        let padded = fewest.checked_next_multiple_of(self.multiple).unwrap_or(fewest);
        padded.max(ids)
    }
}

/// Special tokens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Special<'t> {
    bytes: &'t [u8],
}

impl<'t> Special<'t> {
    pub(super) const fn len(self) -> usize {
        self.bytes.len() / SPECIAL
    }

    /// Ids and type ids.
    pub(super) fn iter(self) -> impl Iterator<Item = (u32, u8)> + use<'t> {
        self.bytes.chunks_exact(SPECIAL).filter_map(|bytes| {
            let (id, rest) = bytes.split_first_chunk()?;
            Some((u32::from_le_bytes(*id), *rest.first()?))
        })
    }
}

/// Why bytes are no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateError {
    /// Not as many bytes as there must be.
    Length {
        /// Bytes found.
        found: usize,
    },
    /// Unknown marks.
    Marks {
        /// The marks found.
        found: u8,
    },
    /// Truncation leaves no room for the special tokens.
    Room {
        /// Most ids.
        most: usize,
        /// Special tokens.
        special: usize,
    },
}

impl core::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length { found } => write!(f, "template of {found} bytes is too short or too long"),
            Self::Marks { found } => write!(f, "template has marks {found:#04X}, known are up to 0x3F"),
            Self::Room { most, special } => {
                write!(f, "truncation to {most} ids leaves no room for {special} special tokens")
            }
        }
    }
}

impl core::error::Error for TemplateError {}

impl<'t> Template<'t> {
    /// Reads a table.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn new(bytes: &'t [u8]) -> Result<Self, TemplateError> {
        let (template, marks) = Self::read(bytes).ok_or(TemplateError::Length { found: bytes.len() })?;
        let truncates = marks & TRUNCATION != 0 || marks & TRUNCATION_LEFT == 0;
        let pads = marks & PADDING != 0 || marks & PADDING_LEFT == 0;
        let trims = marks & TRIM != 0 || marks & ADD_PREFIX_SPACE == 0;
        if marks >= PADDING_LEFT << 1 || !truncates || !pads || !trims {
            return Err(TemplateError::Marks { found: marks });
        }
        let special = template.special_len();
        match template.truncation {
            Some(Truncation { most, .. }) if most < special => Err(TemplateError::Room { most, special }),
            _ => Ok(template),
        }
    }

    fn read(bytes: &'t [u8]) -> Option<(Self, u8)> {
        let (&[marks, type_id, before, after], mut rest) = bytes.split_first_chunk::<4>()?;
        let mut special = |count: u8| {
            let (bytes, others) = rest.split_at_checked(usize::from(count).checked_mul(SPECIAL)?)?;
            rest = others;
            Some(Special { bytes })
        };
        let (before, after) = (special(before)?, special(after)?);
        let mut number = || {
            let (number, others) = rest.split_first_chunk()?;
            rest = others;
            Some(u32::from_le_bytes(*number))
        };
        let mut truncation = None;
        if marks & TRUNCATION != 0 {
            let most = usize::try_from(number()?).ok()?;
            truncation = Some(Truncation { most, left: marks & TRUNCATION_LEFT != 0 });
        }
        let mut padding = None;
        if marks & PADDING != 0 {
            let fewest = usize::try_from(number()?).ok()?;
            let multiple = usize::try_from(number()?).ok()?;
            let id = number()?;
            let (type_id, others) = rest.split_first()?;
            rest = others;
            let left = marks & PADDING_LEFT != 0;
            padding = Some(Padding { fewest, multiple, id, type_id: *type_id, left });
        }
        let trims = (marks & TRIM != 0).then_some(marks & ADD_PREFIX_SPACE != 0);
        rest.is_empty().then_some((Self { before, after, trims, type_id, truncation, padding }, marks))
    }

    /// The special tokens before and after the text.
    pub(super) const fn special(&self) -> (Special<'t>, Special<'t>) {
        (self.before, self.after)
    }

    /// Every id of a special token and of the padding is below this.
    #[must_use]
    pub fn ids(&self) -> u32 {
        let special = self.before.iter().chain(self.after.iter()).map(|(id, _)| id);
        special.chain(self.padding.map(|padding| padding.id)).fold(0, |ids, id| ids.max(id.saturating_add(1)))
    }

    /// The most ids of a text, special ones included, if there is a limit.
    #[must_use]
    pub fn most(&self) -> Option<usize> {
        self.truncation.map(|truncation| truncation.most)
    }

    /// How many special tokens are added.
    #[must_use]
    pub const fn special_len(&self) -> usize {
        self.before.len().saturating_add(self.after.len())
    }

    /// Whether [`super::Token::spaces`] are asked.
    #[must_use]
    pub const fn trims(&self) -> bool {
        self.trims.is_some()
    }
}

/// A template to be written. Nothing is added by default, as without a post-processor.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Ids and type ids before the text.
    pub before: Vec<(u32, u8)>,
    /// Ids and type ids after the text.
    pub after: Vec<(u32, u8)>,
    /// Type id of the text.
    pub type_id: u8,
    /// White space is trimmed from offsets; with `add_prefix_space`.
    pub trims: Option<bool>,
    /// Truncation.
    pub truncation: Option<Truncation>,
    /// Padding.
    pub padding: Option<Padding>,
}

/// Why a template cannot be written.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// More than 255 special tokens on one side.
    Special {
        /// How many.
        found: usize,
    },
    /// A number beyond 32 bits.
    Number {
        /// The number.
        found: usize,
    },
    /// The reader would refuse it.
    Refused(TemplateError),
}

#[cfg(feature = "alloc")]
impl core::fmt::Display for WriteError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Special { found } => write!(f, "{found} special tokens on one side, limit is 255"),
            Self::Number { found } => write!(f, "number {found} is beyond 32 bits"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

#[cfg(feature = "alloc")]
impl core::error::Error for WriteError {}

#[cfg(feature = "alloc")]
impl Draft {
    /// `[CLS]` and `[SEP]`.
    #[must_use]
    pub fn bert(cls: u32, sep: u32) -> Self {
        Self { before: [(cls, 0)].into(), after: [(sep, 0)].into(), ..Self::default() }
    }

    /// `<s>` and `</s>`, with the offsets as RoBERTa's post-processor leaves them.
    #[must_use]
    pub fn roberta(cls: u32, sep: u32, trim_offsets: bool, add_prefix_space: bool) -> Self {
        Self { trims: trim_offsets.then_some(add_prefix_space), ..Self::bert(cls, sep) }
    }

    /// The byte-level post-processor: offsets only. `add_prefix_space` is that of the post-processor.
    #[must_use]
    pub fn byte_level(trim_offsets: bool, add_prefix_space: bool) -> Self {
        Self { trims: trim_offsets.then_some(add_prefix_space), ..Self::default() }
    }

    /// The table.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write(&self) -> Result<Vec<u8>, WriteError> {
        let count = |found: usize| u8::try_from(found).map_err(|_| WriteError::Special { found });
        let number = |found: usize| u32::try_from(found).map_err(|_| WriteError::Number { found });
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let marks = flag(self.trims.is_some(), TRIM)
            | flag(self.trims == Some(true), ADD_PREFIX_SPACE)
            | self.truncation.map_or(0, |truncation| TRUNCATION | flag(truncation.left, TRUNCATION_LEFT))
            | self.padding.map_or(0, |padding| PADDING | flag(padding.left, PADDING_LEFT));
        let mut bytes = Vec::from([marks, self.type_id, count(self.before.len())?, count(self.after.len())?]);
        for (id, type_id) in self.before.iter().chain(&self.after) {
            bytes.extend(id.to_le_bytes());
            bytes.push(*type_id);
        }
        if let Some(truncation) = self.truncation {
            bytes.extend(number(truncation.most)?.to_le_bytes());
        }
        if let Some(padding) = self.padding {
            bytes.extend(number(padding.fewest)?.to_le_bytes());
            bytes.extend(number(padding.multiple)?.to_le_bytes());
            bytes.extend(padding.id.to_le_bytes());
            bytes.push(padding.type_id);
        }
        Template::new(&bytes).map_err(WriteError::Refused)?;
        Ok(bytes)
    }
}
