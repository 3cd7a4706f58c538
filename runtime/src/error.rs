//! What can go wrong, in a form that a program can match on and a person can read.

use std::fmt;
use std::io;
use std::path::Path;

use crate::engine;
use crate::options::Backend;
use crate::prepare::PassedOver;

/// An error with its context. [`Error::kind`] is stable; its number is the code of the C interface.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    /// What it is about: a file, a backend.
    subject: String,
    cause: Cause,
    /// What to do about it; empty where that is not known.
    remedy: String,
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
    /// Another engine would have to answer than the one asked for, and that was not allowed.
    FellBack = 4,
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

    /// What to do about it, in one line, if that is known.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        Some(self.remedy.as_str()).filter(|remedy| !remedy.is_empty())
    }

    pub(crate) fn unreadable(path: &Path, cause: io::Error) -> Self {
        Self {
            kind: ErrorKind::Unreadable,
            subject: path.display().to_string(),
            cause: Cause::Io(cause),
            remedy: String::new(),
        }
    }

    pub(crate) fn invalid(subject: impl Into<String>, cause: engine::Error) -> Self {
        Self {
            kind: ErrorKind::InvalidCase,
            subject: subject.into(),
            cause: Cause::Engine(cause),
            remedy: String::new(),
        }
    }

    /// An engine that exists and was not built in.
    pub(crate) fn no_backend(backend: Backend) -> Self {
        let remedy = format!("cargo build --release --package typecase-cli --features {backend}");
        Self {
            remedy,
            ..Self::unknown(backend.name(), "not part of this build, which has", Backend::IN_THIS_BUILD)
        }
    }

    /// An engine that does not exist.
    pub(crate) fn unknown_backend(name: &str) -> Self {
        Self::unknown(name, "not known, allowed are", Backend::ALL)
    }

    fn unknown(name: &str, what: &str, others: &[Backend]) -> Self {
        let others: Vec<&str> = others.iter().map(|other| other.name()).collect();
        Self {
            kind: ErrorKind::NoBackend,
            subject: format!("backend {name}"),
            cause: Cause::Text(format!("{what} auto, {}", others.join(", "))),
            remedy: String::new(),
        }
    }

    /// A fall-back that was not allowed.
    pub(crate) fn fell_back(passed: PassedOver) -> Self {
        Self {
            kind: ErrorKind::FellBack,
            subject: format!("backend {}", passed.backend),
            cause: Cause::Text(passed.cause),
            remedy: passed.remedy,
        }
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
