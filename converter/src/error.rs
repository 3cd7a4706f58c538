//! What can go wrong on the way to a case.

use std::path::PathBuf;

use crate::gate::Report;

/// Why there is no case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// A file of the checkpoint cannot be read or written.
    #[error("{}: {}", .path.display(), match .source.kind() { std::io::ErrorKind::NotFound => "no such file".to_owned(), _ => .source.to_string() })]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// The checkpoint makes no sense.
    #[error("{}: {reason}", .path.display())]
    Checkpoint {
        /// The file or folder.
        path: PathBuf,
        /// What was found, what was allowed.
        reason: String,
    },
    /// A network of Hugging Face cannot be imported.
    #[error(transparent)]
    Import(#[from] crate::encoder::ImportError),
    /// An option makes no sense.
    #[error("{0}")]
    Options(String),
    /// The case does not earn its place: nothing should be written.
    #[error("gate: {reason}")]
    Gate {
        /// What was found, what was allowed.
        reason: String,
        /// All figures.
        report: Box<Report>,
    },
    /// No threshold makes the answers as good as was wanted: nothing should be written.
    #[error("gate: {0}")]
    Threshold(String),
    /// The case could not be encoded.
    #[error("case: {0}")]
    Encode(#[from] typecase_case::EncodeError),
    /// The engine refused what was written: a bug, caught before it was shipped.
    #[error("case: {0}")]
    Engine(#[from] typecase_engine::Error),
}

impl ConvertError {
    pub(crate) fn too_large(report: &Report, limit: u64, why: &str) -> Self {
        let reason = format!("case has {} bytes, allowed are {limit}: {why}", report.bytes);
        Self::Gate { reason, report: Box::new(report.clone()) }
    }

    pub(crate) fn checkpoint(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Checkpoint { path: path.into(), reason: reason.into() }
    }
}
