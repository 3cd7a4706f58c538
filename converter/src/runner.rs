//! Cases on the host: opened, and run in memory of their own.

use std::fs;
use std::path::Path;

use typecase_case::sections::golden::NewVector;
use typecase_engine::{Case, Cell, Memory, classify};

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
    scratch: Scratch,
}

impl<'c> Runner<'c> {
    pub(crate) fn new(case: &'c Case<Vec<u8>>) -> Self {
        Self { case, scratch: Scratch::of(case) }
    }

    /// Every golden vector comes out exactly.
    pub(crate) fn verify(&mut self) -> Result<u32, typecase_engine::Error> {
        self.case.verify(&mut self.scratch.memory())
    }

    pub(crate) fn vector(&mut self, text: &[u8]) -> NewVector {
        let verdict = classify(self.case, text, self.scratch.memory());
        let (count, scores) = (verdict.tokens as usize, verdict.scores.to_vec());
        NewVector { text: text.to_vec(), ids: self.scratch.ids[..count].to_vec(), scores }
    }

    /// Logits before temperature, and the label.
    pub(crate) fn logits(&mut self, text: &str) -> (Vec<f32>, u32) {
        let verdict = classify(self.case, text.as_bytes(), self.scratch.memory());
        let scale = verdict.score_scale * self.case.calibration().temperature;
        (verdict.scores.iter().map(|&score| score as f32 * scale).collect(), verdict.label_index)
    }
}

/// The memory of a session.
pub(crate) struct Scratch {
    ids: Vec<u32>,
    numbers: Vec<i32>,
    tokens: Vec<u32>,
    cells: Vec<Cell>,
    arena: Vec<u64>,
}

impl Scratch {
    pub(crate) fn of<B: AsRef<[u8]>>(case: &Case<B>) -> Self {
        let cost = case.cost();
        Self {
            ids: vec![0; cost.ids],
            numbers: vec![0; cost.numbers],
            tokens: vec![0; cost.tokens],
            cells: vec![Cell::default(); cost.cells],
            arena: vec![0; cost.arena],
        }
    }

    pub(crate) fn memory(&mut self) -> Memory<'_> {
        let Self { ids, numbers, tokens, cells, arena } = self;
        Memory { ids, numbers, tokens, cells, arena }
    }
}
