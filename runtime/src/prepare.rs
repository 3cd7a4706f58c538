//! From a case to something that runs on this machine, and the record of what was chosen.

use std::fmt;
use std::str::FromStr;

use crate::engine::{self, Memory, Verdict};
use crate::{Case, Error};

/// Which engine runs a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// The best that this machine and this build have.
    #[default]
    Auto,
    /// The integer engine of `typecase-engine`: always there.
    Native,
}

impl Backend {
    /// The engines that are part of this build, the best first.
    pub const IN_THIS_BUILD: &'static [Self] = &[Self::Native];
}

impl FromStr for Backend {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "auto" => Ok(Self::Auto),
            "native" => Ok(Self::Native),
            "tract" | "wgpu" | "ort" => {
                Err(Error::no_backend(name, "not part of this build, allowed are auto, native"))
            }
            _ => Err(Error::no_backend(name, "not known, allowed are auto, native")),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::Native => "native",
        })
    }
}

/// How a case is prepared.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which engine.
    pub backend: Backend,
    /// A fall-back is an error.
    pub strict: bool,
}

/// What runs, and what does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The engine that answers.
    pub backend: &'static str,
    /// Engines that were looked at first, and why they do not answer.
    pub passed_over: Vec<PassedOver>,
}

/// An engine that does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// The engine.
    pub backend: &'static str,
    /// Why not, and what to do about it.
    pub reason: String,
}

/// A case that is ready to run; shared between threads.
#[derive(Clone, Debug)]
pub struct Runnable {
    case: Case,
    report: Report,
}

/// Prepares a case for this machine.
///
/// # Errors
/// [`crate::ErrorKind::NoBackend`] if the engine asked for cannot run the case and `strict` is set.
pub fn prepare(case: &Case, options: &Options) -> Result<Runnable, Error> {
    match options.backend {
        Backend::Auto | Backend::Native => {
            Ok(Runnable { case: case.clone(), report: Report { backend: "native", passed_over: Vec::new() } })
        }
    }
}

impl Runnable {
    /// What runs, and what does not.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// The case.
    #[must_use]
    pub const fn case(&self) -> &Case {
        &self.case
    }

    /// A session for one thread, with all the memory that it will ever need.
    #[must_use]
    pub fn session(&self) -> Session {
        let cost = self.case.cost();
        Session {
            case: self.case.clone(),
            ids: vec![0; cost.ids].into_boxed_slice(),
            numbers: vec![0; cost.numbers].into_boxed_slice(),
        }
    }
}

/// One thread's way through a case. Allocates nothing.
#[derive(Debug)]
pub struct Session {
    case: Case,
    ids: Box<[u32]>,
    numbers: Box<[i32]>,
}

impl Session {
    /// Classifies a text: a string, or any bytes, read as lossy UTF-8.
    ///
    /// # Errors
    /// None on the native engine, where every text has a verdict; an accelerator may be lost.
    #[inline]
    pub fn classify(&mut self, text: impl AsRef<[u8]>) -> Result<Verdict<'_>, Error> {
        let memory = Memory { ids: &mut self.ids, numbers: &mut self.numbers };
        Ok(engine::classify(&self.case, text.as_ref(), memory))
    }

    /// Runs the golden vectors of the case and returns how many there are.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidCase`] for the first that does not come out exactly.
    pub fn verify(&mut self) -> Result<u32, Error> {
        let mut memory = Memory { ids: &mut self.ids, numbers: &mut self.numbers };
        self.case.verify(&mut memory).map_err(|e| Error::invalid(self.case.name(), e))
    }

    /// The case.
    #[must_use]
    pub const fn case(&self) -> &Case {
        &self.case
    }
}
