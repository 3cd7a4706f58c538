//! What can go wrong before a text is classified. After that nothing can.

use core::fmt;

#[cfg(feature = "subword")]
use typecase_text::subword::TokenizerError;
use typecase_text::{SpecError, VocabularyError};

/// Why a case or a session cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no case.
    Format(typecase_case::Error),
    /// The vocabulary is broken.
    Vocabulary(VocabularyError),
    /// The n-grams asked for cannot be made.
    Text(SpecError),
    /// The tables of this program are of another Unicode version than those that the case was trained with.
    Unicode {
        /// Major and minor version in the case.
        case: (u8, u8),
        /// Major and minor version of this program.
        program: (u8, u8),
    },
    /// The caller's memory is too small.
    Memory {
        /// Which part.
        what: &'static str,
        /// Entries given.
        found: usize,
        /// Entries needed.
        needed: usize,
    },
    /// A golden vector came out differently.
    Golden {
        /// Which vector.
        index: u32,
        /// What differed.
        what: &'static str,
    },
    /// The case has a sub-word tokenizer, and this build has none (feature `subword`).
    NoSubword,
    /// The case has an encoder, and this build has none (feature `encoder`).
    NoEncoder,
    /// The sub-word tokenizer is broken.
    #[cfg(feature = "subword")]
    Tokenizer(TokenizerError),
}

impl Error {
    /// A stable number for C and for logs: those of the format are below 100, those of the sub-word tokenizer's table are
    /// its own and 200.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Format(error) => error.code(),
            Self::Vocabulary(_) => 100,
            Self::Text(_) => 101,
            Self::Unicode { .. } => 102,
            Self::Memory { .. } => 103,
            Self::Golden { .. } => 104,
            Self::NoSubword => 105,
            Self::NoEncoder => 106,
            #[cfg(feature = "subword")]
            Self::Tokenizer(error) => 200 + error.code(),
        }
    }
}

impl From<typecase_case::Error> for Error {
    fn from(error: typecase_case::Error) -> Self {
        Self::Format(error)
    }
}

impl From<VocabularyError> for Error {
    fn from(error: VocabularyError) -> Self {
        Self::Vocabulary(error)
    }
}

impl From<SpecError> for Error {
    fn from(error: SpecError) -> Self {
        Self::Text(error)
    }
}

#[cfg(feature = "subword")]
impl From<TokenizerError> for Error {
    fn from(error: TokenizerError) -> Self {
        Self::Tokenizer(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(error) => error.fmt(f),
            Self::Vocabulary(error) => error.fmt(f),
            Self::Text(error) => error.fmt(f),
            Self::Unicode { case, program } => write!(
                f,
                "case was trained with Unicode {}.{} tables, this program has {}.{}",
                case.0, case.1, program.0, program.1
            ),
            Self::Memory { what, found, needed } => {
                write!(f, "memory for {found} {what}, {needed} are needed")
            }
            Self::Golden { index, what } => {
                write!(f, "golden vector {index}: {what} differ from those in the case")
            }
            Self::NoSubword => f.write_str("case needs the sub-word tokenizer, which is not in this build"),
            Self::NoEncoder => f.write_str("case has an encoder, which is not in this build"),
            #[cfg(feature = "subword")]
            Self::Tokenizer(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {}
