//! The logits of a trained encoder, for its students.

use std::path::Path;

use burn::tensor::Device;
use typecase_convert::encoder::{Bert, TextIds, TrainedEncoder};

use super::batches::Texts;
use super::device;
use super::parameters::Parameters;
use super::step;
use crate::error::TrainError;
use crate::random::Random;
use crate::train::Compute;

/// A checkpoint that is asked.
pub(crate) struct Scorer {
    ids: TextIds,
    bert: Bert,
    parameters: Parameters,
    temperature: f32,
    device: Device,
}

impl Scorer {
    /// Reads the checkpoint in a folder.
    pub(crate) fn open(folder: &Path, compute: Compute) -> Result<Self, TrainError> {
        let device = device::open(compute)?;
        let trained = TrainedEncoder::load(folder)?;
        let bert = Bert::load(folder)?;
        let classes = trained.labels.len();
        let mut parameters =
            Parameters::new(&bert, trained.pooling, trained.head, classes, &mut Random::new(0));
        parameters.read_back(folder)?;
        let ids = TextIds::open(folder, trained.max_tokens)?;
        Ok(Self { ids, bert, parameters, temperature: trained.temperature, device })
    }

    /// Logits after temperature: their softmax is the probability of each class.
    ///
    /// # Shapes
    /// One row of logits, one a class, for each text.
    pub(crate) fn logits(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, TrainError> {
        let texts: Vec<(&str, u32)> = texts.iter().map(|text| (*text, 0)).collect();
        let texts = Texts::new(&self.ids, &texts);
        texts.each(|ids| self.bert.check_ids(ids))?;
        let mut rows = step::logits(&self.parameters, &texts, &self.device, &|| false).unwrap_or_default();
        rows.iter_mut().flatten().for_each(|logit| *logit /= self.temperature);
        Ok(rows)
    }
}
