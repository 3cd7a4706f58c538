//! The writer: same sections, same bytes.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest, Sha256};

use crate::container::{
    DIGEST_AT, HEADER_BYTES, IGNORABLE, Kind, MAGIC, MAJOR, MAX_SECTIONS, MINOR, RECORD_BYTES, SECTION_ALIGN,
};
use crate::crc32;

/// Why something cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// No sections, or too many.
    SectionCount(usize),
    /// A section without content.
    EmptySection(Kind),
    /// Too many or too few of something.
    Count {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// The least.
        min: usize,
        /// The most.
        max: usize,
    },
    /// A text is empty, too long or has control characters.
    Text {
        /// Which.
        what: &'static str,
        /// The entry.
        index: usize,
    },
    /// A number is out of its range.
    OutOfRange(&'static str),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SectionCount(count) => write!(f, "{count} sections, allowed are 1 to {MAX_SECTIONS}"),
            Self::EmptySection(kind) => write!(f, "{kind} section is empty, at least 1 byte is needed"),
            Self::Count { what, found, min, max } => write!(f, "{found} {what}, allowed are {min} to {max}"),
            Self::Text { what, index } => {
                write!(f, "{what} {index} is empty, too long or has control characters")
            }
            Self::OutOfRange(what) => write!(f, "{what} is out of range"),
        }
    }
}

impl core::error::Error for EncodeError {}

/// Collects sections and lays them out.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    sections: BTreeMap<Kind, (u32, Vec<u8>)>,
}

impl Writer {
    /// Starts empty.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a section; one of the same kind is replaced.
    pub fn section(&mut self, kind: Kind, bytes: Vec<u8>) -> &mut Self {
        self.sections.insert(kind, (if kind.is_known() { 0 } else { IGNORABLE }, bytes));
        self
    }

    /// The file.
    ///
    /// # Errors
    /// [`EncodeError`] if there are no sections, too many, or an empty one.
    pub fn finish(&self) -> Result<Vec<u8>, EncodeError> {
        let bad_count = EncodeError::SectionCount(self.sections.len());
        let count = u32::try_from(self.sections.len()).map_err(|_| bad_count)?;
        if !(1..=MAX_SECTIONS).contains(&count) {
            return Err(bad_count);
        }
        let mut records = Vec::new();
        let mut offset = HEADER_BYTES.saturating_add(self.sections.len().saturating_mul(RECORD_BYTES)) as u64;
        let mut end = offset;
        for (kind, (flags, bytes)) in &self.sections {
            if bytes.is_empty() {
                return Err(EncodeError::EmptySection(*kind));
            }
            offset = end.next_multiple_of(SECTION_ALIGN);
            records.extend(kind.0.to_le_bytes());
            records.extend(flags.to_le_bytes());
            records.extend(offset.to_le_bytes());
            records.extend((bytes.len() as u64).to_le_bytes());
            records.extend(crc32::of(bytes).to_le_bytes());
            records.extend(0u32.to_le_bytes());
            records.extend(Sha256::digest(bytes));
            end = offset.saturating_add(bytes.len() as u64);
        }

        let mut file = Vec::new();
        file.extend(MAGIC);
        file.extend(MAJOR.to_le_bytes());
        file.extend(MINOR.to_le_bytes());
        file.extend(0u32.to_le_bytes());
        file.extend(end.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.resize(DIGEST_AT, 0);
        let digest = crate::container::header_digest(&file, &records);
        file.extend(digest);
        file.extend(records);
        for (_, bytes) in self.sections.values() {
            while !(file.len() as u64).is_multiple_of(SECTION_ALIGN) {
                file.push(0);
            }
            file.extend(bytes);
        }
        Ok(file)
    }
}
