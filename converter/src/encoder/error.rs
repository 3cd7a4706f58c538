//! Why a network is not imported.

use std::path::PathBuf;

use crate::tokenizer::CompileError;

/// Why there is no encoder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A file cannot be read.
    #[error("{}: {}", .path.display(), match .source.kind() { std::io::ErrorKind::NotFound => "no such file".to_owned(), _ => .source.to_string() })]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// A file makes no sense, or describes a network of another kind.
    #[error("{}: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was found, what is allowed.
        reason: String,
    },
    /// The tokenizer is refused.
    #[error("tokenizer.json: {0}")]
    Tokenizer(#[from] CompileError),
    /// The texts, their labels or their ids make no sense.
    #[error("{0}")]
    Texts(String),
    /// An option makes no sense.
    #[error("{0}")]
    Options(String),
    /// The network does not fit a section: a size out of range, or numbers that would pass 32 bits.
    #[error("encoder: {0}")]
    Section(#[from] typecase_case::Error),
}

impl ImportError {
    pub(super) fn file(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::File { path: path.into(), reason: reason.into() }
    }
}
