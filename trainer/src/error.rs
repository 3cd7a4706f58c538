//! What can go wrong in training.

use std::path::PathBuf;

use typecase_convert::ConvertError;

use crate::data::DataError;

/// Why training did not end with a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The recipe makes no sense.
    #[error("{}: {reason}", .path.display())]
    Recipe {
        /// The recipe.
        path: PathBuf,
        /// What was found, what was allowed.
        reason: String,
    },
    /// A file of the run cannot be read or written.
    #[error("{}: {}", .path.display(), match .source.kind() { std::io::ErrorKind::NotFound => "no such file".to_owned(), _ => .source.to_string() })]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// The run cannot be resumed.
    #[error("{}: {reason}", .path.display())]
    Resume {
        /// The saved state.
        path: PathBuf,
        /// What was found, what was allowed.
        reason: String,
    },
    /// The checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] ConvertError),
    /// Training was interrupted; the state is saved.
    #[error("training: interrupted after epoch {epoch} of stage {stage}, the state is saved in {}", .folder.display())]
    Interrupted {
        /// Stage, from 1.
        stage: usize,
        /// Epochs done in it.
        epoch: usize,
        /// Where `resume` finds the state.
        folder: PathBuf,
    },
    /// No vocabulary can be learnt.
    #[error("vocabulary: {0}")]
    Vocabulary(String),
    /// The machine gives no threads.
    #[error("threads: {0}")]
    Threads(String),
}

impl TrainError {
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}
