//! Cases on the host: opened, and run in memory of their own.

use std::fs;
use std::path::Path;

use typecase_case::sections::golden::NewVector;
use typecase_engine::{Buffers, Case, classify};

use crate::error::ConvertError;

/// A case that was read from a file.
#[derive(Debug)]
pub struct Shipped(Case<Vec<u8>>);

impl Shipped {
    /// Opens a case.
    ///
    /// # Errors
    /// [`ConvertError::Io`] if it cannot be read, [`ConvertError::Checkpoint`] if it is no sound case.
    pub fn open(path: &Path) -> Result<Self, ConvertError> {
        let bytes = fs::read(path).map_err(|source| ConvertError::Io { path: path.to_owned(), source })?;
        let case = Case::parse(bytes);
        case.map(Self)
            .map_err(|error| ConvertError::Checkpoint { path: path.to_owned(), reason: error.to_string() })
    }

    /// Names of the classes.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        self.0.labels().iter().map(str::to_owned).collect()
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// The logits of texts after temperature: their softmax is the probability of each class.
    ///
    /// # Shapes
    /// One row of logits, one a class, for each text.
    #[must_use]
    pub fn logits(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        let mut runner = Runner::new(&self.0);
        let temperature = self.0.calibration().temperature;
        let of_text = |text: &&str| runner.logits(text).0.iter().map(|logit| logit / temperature).collect();
        texts.iter().map(of_text).collect()
    }
}

/// A case with memory to run it.
pub(crate) struct Runner<'c> {
    case: &'c Case<Vec<u8>>,
    buffers: Buffers,
}

impl<'c> Runner<'c> {
    pub(crate) fn new(case: &'c Case<Vec<u8>>) -> Self {
        Self { case, buffers: Buffers::new(&case.cost()) }
    }

    /// Every golden vector comes out exactly.
    pub(crate) fn verify(&mut self) -> Result<u32, typecase_engine::Error> {
        self.case.verify(&mut self.buffers.memory())
    }

    pub(crate) fn vector(&mut self, text: &[u8]) -> NewVector {
        let verdict = classify(self.case, text, self.buffers.memory());
        let (count, scores) = (verdict.tokens as usize, verdict.scores.to_vec());
        NewVector { text: text.to_vec(), ids: self.buffers.ids[..count].to_vec(), scores }
    }

    /// Logits before temperature, and the label.
    pub(crate) fn logits(&mut self, text: &str) -> (Vec<f32>, u32) {
        let verdict = classify(self.case, text.as_bytes(), self.buffers.memory());
        let scale = verdict.score_scale * self.case.calibration().temperature;
        (verdict.scores.iter().map(|&score| score as f32 * scale).collect(), verdict.label_index)
    }
}
