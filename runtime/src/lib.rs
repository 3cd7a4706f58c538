//! Typecase sorts text into its case, on any device: one small file, the same answer everywhere.
//!
//! ```no_run
//! # fn main() -> Result<(), typecase::Error> {
//! use typecase::Options;
//!
//! let case = typecase::open("models/news-64k.case")?; // reads and verifies; immutable, cheap to clone
//! let runnable = typecase::prepare(&case, &Options::default())?; // runnable.report() says what runs, and why
//! let mut session = runnable.session(); // all memory is taken here
//! let verdict = session.classify("Oil prices soar to all-time record")?;
//! println!("{} {:.1}%", verdict.label, verdict.probability * 100.0);
//! # Ok(()) }
//! ```
//!
//! A [`Case`] is opened once and shared; a [`Runnable`] is shared between threads; each thread has its own
//! [`Session`], which allocates nothing after it exists.
//!
//! **Features**: `mmap` reads large files into large pages and adds `open_mmap`, an `unsafe` door. `tract`, `ort` and
//! `wgpu` add engines; they never change an answer. An engine that gives other scores than the case's golden vectors does not run, one that is lost hands over to
//! the native engine within the same call: [`Runnable::report`] says so, [`Options::strict`] makes it an error.
//!
//! **Not promised**: that a case is what its author meant. The digest tells damage; trust in the author is yours.
#![deny(unsafe_code)]

mod bytes;
mod error;
#[cfg(feature = "mmap")]
#[allow(unsafe_code, reason = "the mmap door: one of the four places of unsafe")]
mod mmap;
mod options;
mod prepare;
#[cfg(feature = "threads")]
mod threads;

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

pub use bytes::Bytes;
pub use error::{Error, ErrorKind};
#[cfg(feature = "mmap")]
pub use mmap::open_mmap;
#[cfg(feature = "ort")]
pub use options::OrtOptions;
#[cfg(feature = "wgpu")]
pub use options::WgpuOptions;
pub use options::{Backend, Options, Probed};
pub use prepare::{PassedOver, Report, Runnable, Session, prepare};
pub use typecase_engine as engine;
pub use typecase_engine::{Cost, Verdict};
#[cfg(feature = "ort")]
pub use typecase_ort as ort;
#[cfg(feature = "wgpu")]
pub use typecase_wgpu as wgpu;

/// A checked case. Immutable; a clone shares its bytes.
#[derive(Clone, Debug)]
pub struct Case(Arc<engine::Case<Bytes>>);

impl Case {
    /// Checks bytes that the program already holds.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidCase`] names the first rule that is broken.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        engine::Case::parse(bytes.into())
            .map(|case| Self(Arc::new(case)))
            .map_err(|e| Error::invalid("case", e))
    }

    /// The same case with an encoder on other kernels: slower or faster, the scores stay what they are.
    #[cfg(feature = "encoder")]
    #[must_use]
    pub fn on(&self, cpu: engine::Cpu) -> Self {
        Self(Arc::new(engine::Case::clone(&self.0).on(cpu)))
    }

    /// The same case with memory for a second thread.
    #[cfg(feature = "threads")]
    fn in_two(&self) -> Self {
        Self(Arc::new(engine::Case::clone(&self.0).in_two(true)))
    }
}

impl Deref for Case {
    type Target = engine::Case<Bytes>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Reads a case into one aligned buffer, verifies that buffer, and uses that buffer: what happens to the file later
/// does not matter.
///
/// # Errors
/// [`ErrorKind::Unreadable`] if the file cannot be read, [`ErrorKind::InvalidCase`] if it is no sound case.
pub fn open(path: impl AsRef<Path>) -> Result<Case, Error> {
    let path = path.as_ref();
    let bytes = Bytes::read(path).map_err(|e| Error::unreadable(path, e))?;
    let name = path.display().to_string();
    engine::Case::parse(bytes).map(|case| Case(Arc::new(case))).map_err(|e| Error::invalid(name, e))
}
