//! Why bytes are no case, with the numbers that a field engineer needs to see it in a dump.

use core::fmt;

use crate::container::{Kind, MAJOR, MAX_SECTIONS};

/// Why bytes are no case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Shorter than the header or than the length it declares.
    Truncated {
        /// Bytes found.
        len: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// Longer than the length it declares, or than its sections.
    TrailingBytes {
        /// Bytes found.
        len: u64,
        /// Bytes declared, by the header or by the end of the last section.
        declared: u64,
    },
    /// The first eight bytes are not those of a case.
    Magic,
    /// Written by a later major version of the format.
    Version {
        /// Major version found.
        major: u16,
        /// Minor version found.
        minor: u16,
    },
    /// A flag that this version does not know.
    UnknownFlags {
        /// The section, 0 for the header.
        section: u32,
        /// The flags found.
        flags: u32,
    },
    /// A reserved byte is not zero.
    Reserved {
        /// The section, 0 for the header, the records and the gaps.
        section: u32,
        /// Where it stands: in the section, or in the file for section 0.
        offset: u64,
    },
    /// No sections, or too many.
    SectionCount {
        /// Sections declared.
        count: u32,
    },
    /// Sections are not in rising order of their kind.
    SectionOrder {
        /// The section out of order.
        section: u32,
    },
    /// A section starts elsewhere than directly after the one before, aligned.
    SectionOffset {
        /// The section.
        section: u32,
        /// Offset declared.
        offset: u64,
        /// Offset expected.
        expected: u64,
    },
    /// A section reaches beyond the file, or is empty.
    SectionOutOfBounds {
        /// The section.
        section: u32,
        /// Offset declared.
        offset: u64,
        /// Length declared.
        len: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// A section of a kind that this version does not know and must not ignore.
    UnknownSection {
        /// The section.
        section: u32,
    },
    /// The digest of the header and the section records does not match.
    HeaderDigest,
    /// The digest of a section does not match.
    SectionDigest {
        /// The section.
        section: u32,
    },
    /// The CRC-32 of a section does not match.
    SectionCrc {
        /// The section.
        section: u32,
    },
    /// A section that is needed is not there.
    MissingSection {
        /// The section.
        section: u32,
    },
    /// A section ends before its content does.
    SectionTooShort {
        /// The section.
        section: u32,
    },
    /// A section goes on after its content.
    SectionTooLong {
        /// The section.
        section: u32,
        /// Bytes left over.
        left: u64,
    },
    /// A number in a section is out of its range.
    OutOfRange {
        /// The section.
        section: u32,
        /// Which number.
        what: &'static str,
        /// The number found.
        found: u64,
    },
    /// Text in a section is not UTF-8, is empty or has control characters.
    Text {
        /// The section.
        section: u32,
        /// Which entry.
        index: u32,
    },
    /// Entries that must rise do not.
    Order {
        /// The section.
        section: u32,
        /// Which entry.
        index: u32,
    },
    /// Two sections disagree on a number.
    Mismatch {
        /// Which number.
        what: &'static str,
        /// The number in the first.
        left: u64,
        /// The number in the second.
        right: u64,
    },
    /// The scores of the longest text could pass 32 bits.
    Overflow {
        /// Which sum.
        what: &'static str,
        /// The bound found.
        bound: u64,
    },
}

impl Error {
    /// A stable number for C and for logs.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Truncated { .. } => 1,
            Self::TrailingBytes { .. } => 2,
            Self::Magic => 3,
            Self::Version { .. } => 4,
            Self::UnknownFlags { .. } => 5,
            Self::Reserved { .. } => 6,
            Self::SectionCount { .. } => 7,
            Self::SectionOrder { .. } => 8,
            Self::SectionOffset { .. } => 9,
            Self::SectionOutOfBounds { .. } => 10,
            Self::UnknownSection { .. } => 11,
            Self::HeaderDigest => 12,
            Self::SectionDigest { .. } => 13,
            Self::SectionCrc { .. } => 14,
            Self::MissingSection { .. } => 15,
            Self::SectionTooShort { .. } => 16,
            Self::SectionTooLong { .. } => 17,
            Self::OutOfRange { .. } => 18,
            Self::Text { .. } => 19,
            Self::Order { .. } => 20,
            Self::Mismatch { .. } => 21,
            Self::Overflow { .. } => 22,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |section: u32| Kind(section);
        match *self {
            Self::Truncated { len, needed } => write!(f, "file has {len} bytes, {needed} are needed"),
            Self::TrailingBytes { len, declared } => {
                write!(f, "file has {len} bytes, {declared} are declared")
            }
            Self::Magic => f.write_str("file does not begin with the eight bytes of a case"),
            Self::Version { major, minor } => {
                write!(f, "case has format version {major}.{minor}, this program reads {MAJOR}.x")
            }
            Self::UnknownFlags { section: 0, flags } => {
                write!(f, "header has flags {flags:#x}, none are known")
            }
            Self::UnknownFlags { section, flags } => {
                write!(f, "{} section has flags {flags:#x}, which are not known", name(section))
            }
            Self::Reserved { section: 0, offset } => write!(f, "byte {offset} is reserved and not zero"),
            Self::Reserved { section, offset } => {
                write!(f, "byte {offset} of the {} section is reserved and not zero", name(section))
            }
            Self::SectionCount { count } => {
                write!(f, "case has {count} sections, allowed are 1 to {MAX_SECTIONS}")
            }
            Self::SectionOrder { section } => {
                write!(f, "{} section is out of order or doubled", name(section))
            }
            Self::SectionOffset { section, offset, expected } => {
                write!(f, "{} section starts at {offset}, expected was {expected}", name(section))
            }
            Self::SectionOutOfBounds { section, offset, len, file_len } => {
                write!(f, "{} section has {len} bytes at {offset}, file has {file_len}", name(section))
            }
            Self::UnknownSection { section } => {
                write!(f, "section kind {section} is not known and must not be ignored")
            }
            Self::HeaderDigest => f.write_str("digest of the header does not match: the file is damaged"),
            Self::SectionDigest { section } => {
                write!(f, "digest of the {} section does not match: the file is damaged", name(section))
            }
            Self::SectionCrc { section } => {
                write!(f, "CRC-32 of the {} section does not match: the file is damaged", name(section))
            }
            Self::MissingSection { section } => write!(f, "case has no {} section", name(section)),
            Self::SectionTooShort { section } => write!(f, "{} section ends too early", name(section)),
            Self::SectionTooLong { section, left } => {
                write!(f, "{} section has {left} bytes too many", name(section))
            }
            Self::OutOfRange { section, what, found } => {
                write!(f, "{} section has {what} {found}, which is out of range", name(section))
            }
            Self::Text { section, index } => {
                write!(
                    f,
                    "{} section has text {index} that is empty, too long or not plain UTF-8",
                    name(section)
                )
            }
            Self::Order { section, index } => {
                write!(f, "{} section has entry {index} out of order", name(section))
            }
            Self::Mismatch { what, left, right } => write!(f, "{what}: {left} and {right} disagree"),
            Self::Overflow { what, bound } => {
                write!(f, "{what} could reach {bound}, the limit is {}", i32::MAX)
            }
        }
    }
}

impl core::error::Error for Error {}
