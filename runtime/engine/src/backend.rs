//! What an engine besides the native one must do to run a case (feature `backends`).
//!
//! The tokenizer, the norm and the verdict stay here: another engine turns ids into the exact scores, nothing else.
//! The way is `probe` (is it here?), `prepare` (a case made ready, shared between threads), `scorer` (one thread's,
//! with all its memory). An engine that is prepared counts only after [`check`] has run the golden vectors on it.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use core::fmt;

use crate::case::Case;

/// An engine that runs cases: an ONNX runtime, a GPU.
pub trait Backend: Send + Sync {
    /// What users call it: one lower-case word.
    fn name(&self) -> &'static str;

    /// Looks whether it can be used on this machine.
    ///
    /// # Errors
    /// [`Unavailable`] says why not.
    fn probe(&self) -> Result<Found, Unavailable>;

    /// Makes a case ready to run. Whoever asks runs [`check`] before any answer counts.
    ///
    /// # Errors
    /// [`Unavailable`] says why it cannot run here, or not this case.
    fn prepare(&self, case: &Case<&[u8]>) -> Result<Box<dyn Program>, Unavailable>;

    /// The name, with the device or provider if that was chosen: `ort (CUDA)`.
    fn label(&self) -> String {
        String::from(self.name())
    }
}

/// A case that an engine holds; shared between threads.
pub trait Program: fmt::Debug + Send + Sync {
    /// What really runs it: `ONNX Runtime 1.31.1, CPU`.
    fn device(&self) -> &str;

    /// One thread's way through it, with all the memory that it needs.
    ///
    /// # Errors
    /// [`Unavailable`] if there is no memory, or the device is lost.
    fn scorer(&self) -> Result<Box<dyn Scorer>, Unavailable>;
}

/// Ids in, scores out.
pub trait Scorer: fmt::Debug + Send {
    /// The exact scores of a text with these ids.
    ///
    /// # Shapes
    /// `ids`: as the tokenizer of the case gives them, at most [`crate::Cost::ids`], perhaps none. `scores`: one a class.
    ///
    /// # Errors
    /// [`Unavailable`] if the device is lost or does not answer in time; `scores` then mean nothing, and whoever asks
    /// turns to another engine.
    fn scores_into(&mut self, ids: &[u32], scores: &mut [i32]) -> Result<(), Unavailable>;
}

/// An engine that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The library and its version.
    pub version: String,
    /// The device, or the providers.
    pub device: String,
}

/// Why an engine does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// What was found, in one line.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
}

impl Unavailable {
    /// From what was found and what to do; line feeds become spaces.
    #[must_use]
    pub fn new(cause: impl AsRef<str>, remedy: impl AsRef<str>) -> Self {
        let line = |text: &str| text.split_whitespace().collect::<vec::Vec<_>>().join(" ");
        Self { cause: line(cause.as_ref()), remedy: line(remedy.as_ref()) }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl core::error::Error for Unavailable {}

/// Runs the golden vectors of a case on an engine and returns how many there are.
///
/// # Errors
/// [`Unavailable`] for the first whose scores are not exactly those in the case.
pub fn check<B: AsRef<[u8]>>(case: &Case<B>, scorer: &mut dyn Scorer) -> Result<u32, Unavailable> {
    let mut scores = vec![0; case.labels().len() as usize];
    let mut ids = vec::Vec::with_capacity(case.cost().ids);
    let mut count = 0;
    for vector in case.golden().iter() {
        ids.clear();
        ids.extend(vector.ids());
        scorer.scores_into(&ids, &mut scores)?;
        if !vector.scores().eq(scores.iter().copied()) {
            let cause = format!("wrong scores: golden vector {count} differs from the case");
            return Err(Unavailable::new(
                cause,
                "update the driver or the library; please report the device",
            ));
        }
        count += 1;
    }
    Ok(count)
}
