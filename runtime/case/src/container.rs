//! The container: header, section records, sections. `FORMAT.md` is its page.

use core::fmt;
use core::ops::Range;

use sha2::{Digest, Sha256};

use crate::crc32;
use crate::error::Error;
use crate::reader::Reader;

/// The first eight bytes: a byte that is no ASCII, three letters, and line ends that a text transfer would break.
pub const MAGIC: [u8; 8] = *b"\x89TCS\r\n\x1a\n";

/// The major version that this crate reads. A higher one is refused.
pub const MAJOR: u16 = 1;

/// The minor version that this crate writes. A higher one adds only sections that may be ignored.
pub const MINOR: u16 = 0;

/// The most sections of a case.
pub const MAX_SECTIONS: u32 = 64;

/// Every section starts at a multiple of this many bytes.
pub const SECTION_ALIGN: u64 = 64;

pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const RECORD_BYTES: usize = 64;
/// Where the header's digest stands.
pub(crate) const DIGEST_AT: usize = 32;
/// The section may be skipped by a reader that does not know it.
pub(crate) const IGNORABLE: u32 = 1;

/// The kind of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u32);

impl Kind {
    /// Names of the classes.
    pub const LABELS: Self = Self(1);
    /// How a text is cut into features.
    pub const TEXT: Self = Self(2);
    /// Which features have a row.
    pub const VOCABULARY: Self = Self(3);
    /// The rows of a bag, and its head.
    pub const BAG: Self = Self(4);
    /// From scores to probabilities.
    pub const CALIBRATION: Self = Self(5);
    /// Texts with their ids and exact scores.
    pub const GOLDEN: Self = Self(6);
    /// Where the case comes from.
    pub const PROVENANCE: Self = Self(7);
    /// The table of a sub-word tokenizer.
    pub const TOKENIZER: Self = Self(8);
    /// An encoder of integers.
    pub const ENCODER: Self = Self(9);

    /// True if this version knows what the section means.
    #[must_use]
    pub const fn is_known(self) -> bool {
        1 <= self.0 && self.0 <= 9
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::LABELS => "labels",
            Self::TEXT => "text",
            Self::VOCABULARY => "vocabulary",
            Self::BAG => "bag",
            Self::CALIBRATION => "calibration",
            Self::GOLDEN => "golden",
            Self::PROVENANCE => "provenance",
            Self::TOKENIZER => "tokenizer",
            Self::ENCODER => "encoder",
            Self(other) => return write!(f, "kind-{other}"),
        };
        f.pad(name)
    }
}

/// How much of the redundancy is checked. The structure always is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Integrity {
    /// SHA-256 and CRC-32 of everything: the default, and what a file from outside needs.
    #[default]
    Digest,
    /// CRC-32 of the sections: for a microcontroller whose boot loader has checked the image.
    Crc32,
    /// Neither: for tests of what lies behind them.
    Structure,
}

/// One line of the section table, as declared and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the section holds.
    pub kind: Kind,
    /// Bit 0: may be ignored.
    pub flags: u32,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// CRC-32 (IEEE) of the bytes.
    pub crc32: u32,
    /// SHA-256 of the bytes.
    pub digest: [u8; 32],
}

/// A section with its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// Its line in the table.
    pub record: Record,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// A checked container over the bytes of a file.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    bytes: &'a [u8],
    records: &'a [u8],
    minor: u16,
    digest: [u8; 32],
}

impl<'a> Container<'a> {
    /// Checks a whole file: header, records, order, alignment, gaps, and as much redundancy as `integrity` says.
    ///
    /// # Errors
    /// [`Error`] names the first rule that is broken.
    pub fn parse(bytes: &'a [u8], integrity: Integrity) -> Result<Self, Error> {
        let file_len = bytes.len() as u64;
        let too_short = Error::Truncated { len: file_len, needed: HEADER_BYTES as u64 };
        let (header, after) = bytes.split_at_checked(HEADER_BYTES).ok_or(too_short)?;
        let mut reader = Reader::new(header, 0);
        if reader.array()? != MAGIC {
            return Err(Error::Magic);
        }
        let (major, minor) = (reader.u16()?, reader.u16()?);
        if major != MAJOR {
            return Err(Error::Version { major, minor });
        }
        let flags = reader.u32()?;
        if flags != 0 {
            return Err(Error::UnknownFlags { section: 0, flags });
        }
        let declared = reader.u64()?;
        if declared > file_len {
            return Err(Error::Truncated { len: file_len, needed: declared });
        }
        if declared < file_len {
            return Err(Error::TrailingBytes { len: file_len, declared });
        }
        let count = reader.u32()?;
        if !(1..=MAX_SECTIONS).contains(&count) {
            return Err(Error::SectionCount { count });
        }
        if reader.u32()? != 0 {
            return Err(Error::Reserved { section: 0, offset: 28 });
        }
        let digest: [u8; 32] = reader.array()?;

        let records_bytes = (count as usize).saturating_mul(RECORD_BYTES);
        let needed = (HEADER_BYTES as u64).saturating_add(records_bytes as u64);
        let records = after.get(..records_bytes).ok_or(Error::Truncated { len: file_len, needed })?;
        if integrity == Integrity::Digest && header_digest(header, records) != digest {
            return Err(Error::HeaderDigest);
        }
        let container = Self { bytes, records, minor, digest };
        container.check_sections(needed, integrity)?;
        Ok(container)
    }

    fn check_sections(&self, first: u64, integrity: Integrity) -> Result<(), Error> {
        let file_len = self.bytes.len() as u64;
        let mut end = first;
        let mut last_kind = Kind(0);
        for record in self.records() {
            let record = record?;
            let Record { kind: Kind(section), flags, offset, len, .. } = record;
            if record.kind <= last_kind {
                return Err(Error::SectionOrder { section });
            }
            last_kind = record.kind;
            let expected = end.next_multiple_of(SECTION_ALIGN);
            if offset != expected {
                return Err(Error::SectionOffset { section, offset, expected });
            }
            let bounds = Error::SectionOutOfBounds { section, offset, len, file_len };
            let next = offset.checked_add(len).filter(|&next| len > 0 && next <= file_len).ok_or(bounds)?;
            let gap = self.range(end, offset).ok_or(bounds)?;
            if let Some(at) = gap.iter().position(|&b| b != 0) {
                return Err(Error::Reserved { section: 0, offset: end.saturating_add(at as u64) });
            }
            end = next;
            if flags & !IGNORABLE != 0 || (flags != 0 && record.kind.is_known()) {
                return Err(Error::UnknownFlags { section, flags });
            }
            if !record.kind.is_known() && flags & IGNORABLE == 0 {
                return Err(Error::UnknownSection { section });
            }
            let bytes = self.range(offset, next).ok_or(bounds)?;
            if integrity != Integrity::Structure && crc32::of(bytes) != record.crc32 {
                return Err(Error::SectionCrc { section });
            }
            if integrity == Integrity::Digest && <[u8; 32]>::from(Sha256::digest(bytes)) != record.digest {
                return Err(Error::SectionDigest { section });
            }
        }
        if end != file_len {
            return Err(Error::TrailingBytes { len: file_len, declared: end });
        }
        Ok(())
    }

    /// The minor version that the file declares.
    #[must_use]
    pub const fn minor(&self) -> u16 {
        self.minor
    }

    /// SHA-256 over the header (this field as zero) and the section records, which hold the digests of the sections:
    /// it stands for every byte of the file.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The sections, in order.
    pub fn sections(&self) -> impl Iterator<Item = Section<'a>> + use<'a> {
        let this = *self;
        self.records().filter_map(move |record| {
            let record = record.ok()?;
            let bytes = this.range(record.offset, record.offset.checked_add(record.len)?)?;
            Some(Section { record, bytes })
        })
    }

    /// The bytes of a section.
    ///
    /// # Errors
    /// [`Error::MissingSection`] if the case has none of this kind.
    pub fn section(&self, kind: Kind) -> Result<&'a [u8], Error> {
        self.bytes.get(self.place(kind)?).ok_or(Error::MissingSection { section: kind.0 })
    }

    /// Where the bytes of a section stand in the file.
    ///
    /// # Errors
    /// [`Error::MissingSection`] if the case has none of this kind.
    pub fn place(&self, kind: Kind) -> Result<Range<usize>, Error> {
        let missing = Error::MissingSection { section: kind.0 };
        let is_it = |record: &Result<Record, Error>| record.is_ok_and(|record| record.kind == kind);
        let record = self.records().find(is_it).ok_or(missing)??;
        let start = usize::try_from(record.offset).map_err(|_| missing)?;
        let len = usize::try_from(record.len).map_err(|_| missing)?;
        Ok(start..start.saturating_add(len))
    }

    fn records(&self) -> impl Iterator<Item = Result<Record, Error>> + use<'a> {
        self.records.as_chunks::<RECORD_BYTES>().0.iter().zip(0u64..).map(|(record, index)| {
            let mut reader = Reader::new(record, 0);
            let kind = Kind(reader.u32()?);
            let (flags, offset, len, crc32) = (reader.u32()?, reader.u64()?, reader.u64()?, reader.u32()?);
            if reader.u32()? != 0 {
                // Header, the records before, and the place in this one.
                let offset = index.saturating_add(1).saturating_mul(RECORD_BYTES as u64).saturating_add(28);
                return Err(Error::Reserved { section: 0, offset });
            }
            Ok(Record { kind, flags, offset, len, crc32, digest: reader.array()? })
        })
    }

    fn range(&self, start: u64, end: u64) -> Option<&'a [u8]> {
        self.bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }
}

/// SHA-256 over the header with its digest as zero, then the records.
pub(crate) fn header_digest(header: &[u8], records: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(header.get(..DIGEST_AT).unwrap_or_default());
    hasher.update([0u8; 32]);
    hasher.update(records);
    hasher.finalize().into()
}
