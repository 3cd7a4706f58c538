//! What can go wrong in training.

use std::path::PathBuf;

use typecase_convert::ConvertError;
use typecase_convert::encoder::ImportError;

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
    /// The network or its tokenizer cannot be read, or the checkpoint not written.
    #[error(transparent)]
    Encoder(#[from] ImportError),
    /// Training of an encoder was interrupted; the state is saved.
    #[error("training: interrupted after step {step}, the state is saved in {}", .folder.display())]
    Stopped {
        /// Steps done.
        step: u64,
        /// Where `resume` finds the state.
        folder: PathBuf,
    },
    /// A teacher was interrupted; what it has scored is kept.
    #[error("training: interrupted after {done} of {of} texts were scored, they are kept in {}", .path.display())]
    Scoring {
        /// Texts scored.
        done: usize,
        /// Texts in all.
        of: usize,
        /// The file that the same run finds again.
        path: PathBuf,
    },
    /// A number is not finite any more: the run cannot go on.
    #[error("training: {what} of step {step} is {value}, a lower rate or a lower clip may help; what was saved before stays in {}", .folder.display())]
    Diverged {
        /// The loss, or the length of the gradient.
        what: &'static str,
        /// What it is.
        value: f64,
        /// The step, from 1.
        step: u64,
        /// Where the last state and the best checkpoint are, if there are any.
        folder: PathBuf,
    },
    /// The log of a run makes no sense.
    #[error("{}: {reason}", .path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// What was found, what was needed.
        reason: String,
    },
    /// No vocabulary can be learnt.
    #[error("vocabulary: {0}")]
    Vocabulary(String),
    /// There is no such device.
    #[error("device {name}: {reason}")]
    Device {
        /// What it is called on the command line.
        name: &'static str,
        /// What is missing.
        reason: String,
    },
    /// The machine gives no threads.
    #[error("threads: {0}")]
    Threads(String),
}

impl TrainError {
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}
