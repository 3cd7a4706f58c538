//! What can go wrong, in a form that a program can match on and a person can read.

use std::fmt;
use std::io;
use std::path::Path;

use crate::engine;

/// An error with its context. [`Error::kind`] is stable; its number is the code of the C interface.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    /// What it is about: a file, a backend.
    subject: String,
    cause: Cause,
}

/// The kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum ErrorKind {
    /// A file cannot be read.
    Unreadable = 1,
    /// A file is no sound case.
    InvalidCase = 2,
    /// The backend asked for is not part of this build, or not known.
    NoBackend = 3,
}

#[derive(Debug)]
enum Cause {
    Io(io::Error),
    Engine(engine::Error),
    Text(String),
}

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The engine's own error, if it refused a case.
    #[must_use]
    pub const fn engine(&self) -> Option<engine::Error> {
        match self.cause {
            Cause::Engine(error) => Some(error),
            _ => None,
        }
    }

    pub(crate) fn unreadable(path: &Path, cause: io::Error) -> Self {
        Self { kind: ErrorKind::Unreadable, subject: path.display().to_string(), cause: Cause::Io(cause) }
    }

    pub(crate) fn invalid(subject: impl Into<String>, cause: engine::Error) -> Self {
        Self { kind: ErrorKind::InvalidCase, subject: subject.into(), cause: Cause::Engine(cause) }
    }

    pub(crate) fn no_backend(subject: &str, reason: impl Into<String>) -> Self {
        let subject = format!("backend {subject}");
        Self { kind: ErrorKind::NoBackend, subject, cause: Cause::Text(reason.into()) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.subject)?;
        match &self.cause {
            Cause::Io(error) if error.kind() == io::ErrorKind::NotFound => f.write_str("no such file"),
            Cause::Io(error) => error.fmt(f),
            Cause::Engine(error) => error.fmt(f),
            Cause::Text(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Io(error) => Some(error),
            Cause::Engine(error) => Some(error),
            Cause::Text(_) => None,
        }
    }
}
