//! How a command ends when it does not end well.

use std::fmt;
use std::io;

use typecase_convert::ConvertError;
use typecase_train::TrainError;
use typecase_train::data::DataError;

/// An error with its exit code and at most one line of help.
#[derive(Debug)]
pub(crate) struct Failure {
    /// 1: the work failed its purpose; 2: wrong usage or input.
    pub(crate) code: u8,
    message: String,
    /// What to do.
    pub(crate) help: Option<String>,
    broken_pipe: bool,
}

impl Failure {
    /// Wrong usage, unreadable or invalid input.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into(), help: None, broken_pipe: false }
    }

    /// The work was done and failed its purpose.
    pub(crate) fn purpose(message: impl Into<String>) -> Self {
        Self { code: 1, ..Self::input(message) }
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(path: impl fmt::Display, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::input(format!("{path}: no such file")),
            _ => Self::input(format!("{path}: {error}")),
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) const fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever a file name or a message brings along.
        for c in self.message.chars() {
            match c {
                '\n' => f.write_str(" ")?,
                c if c.is_control() => write!(f, "{}", c.escape_default())?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

impl From<typecase::Error> for Failure {
    fn from(error: typecase::Error) -> Self {
        use typecase::engine::{Error as EngineError, FormatError};
        let help = error.remedy().map(str::to_owned);
        let failure = Self { help, ..Self::input(error.to_string()) };
        if let Some(EngineError::Format(FormatError::Version { .. })) = error.engine() {
            return failure.help("the case is of a later format: a newer typecase reads it");
        }
        match error.kind() {
            typecase::ErrorKind::InvalidCase => {
                failure.help("typecase inspect shows a sound case; was this file cut or changed?")
            }
            // An engine was asked for and does not answer: the work failed its purpose.
            typecase::ErrorKind::FellBack => Self { code: 1, ..failure },
            _ => failure,
        }
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        let failure = Self::input(error.to_string());
        if error.is_bad_row() {
            failure.help("--skip-bad-rows leaves bad rows out and counts them")
        } else {
            failure
        }
    }
}

impl From<ConvertError> for Failure {
    fn from(error: ConvertError) -> Self {
        match error {
            ConvertError::Gate { .. } => Self::purpose(error.to_string())
                .help("raise --max-size or --max-drop, or train for the size (train.keep in the recipe)"),
            ConvertError::Threshold(_) => Self::purpose(error.to_string())
                .help("lower --answered-accuracy (convert.answered_accuracy in the recipe)"),
            _ => Self::input(error.to_string()),
        }
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        let message = error.to_string();
        match error {
            TrainError::Data(error) if error.is_bad_row() => Self::input(message)
                .help("data.skip_bad_rows = true in the recipe leaves bad rows out and counts them"),
            TrainError::Diverged { .. } => Self::purpose(message),
            TrainError::Interrupted { .. } | TrainError::Stopped { .. } => {
                Self::purpose(message).help("the same command with --resume goes on bit for bit")
            }
            TrainError::Scoring { .. } => {
                Self::purpose(message).help("the same command goes on with the rest")
            }
            _ => Self::input(message),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        Self { broken_pipe, ..Self::input(format!("standard output: {error}")) }
    }
}
