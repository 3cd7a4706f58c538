//! Teachers: a case, or the folder of a checkpoint.

use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use typecase_convert::Shipped;
#[cfg(feature = "encoders")]
use typecase_convert::encoder::TrainedEncoder;

use crate::error::TrainError;
use crate::evaluate::FloatModel;
#[cfg(feature = "encoders")]
use crate::evaluate::model;
use crate::train::{Compute, hex};

/// Texts that a thread does one after the other.
const CHUNK: usize = 64;

/// A model that says how probable each class is.
pub(crate) struct Teacher {
    /// What people call it.
    pub(crate) name: String,
    /// SHA-256 of its files, in hexadecimal.
    pub(crate) digest: String,
    /// Names of its classes.
    pub(crate) labels: Vec<String>,
    kind: Kind,
}

enum Kind {
    Case(Box<Shipped>),
    Checkpoint(Box<FloatModel>),
    #[cfg(feature = "encoders")]
    Encoder(Box<crate::encoder::Scorer>),
}

impl Teacher {
    /// Opens a case, or a checkpoint of a bag or an encoder; the last runs where `compute` says.
    #[cfg_attr(not(feature = "encoders"), expect(unused_variables, reason = "bags and cases run on the CPU"))]
    pub(crate) fn open(path: &Path, compute: Compute) -> Result<Self, TrainError> {
        #[cfg(feature = "encoders")]
        if TrainedEncoder::is_at(path) {
            let TrainedEncoder { name, labels, .. } = TrainedEncoder::load(path)?;
            let (_, digest) = model::digest(path, &model::ENCODER_FILES)?;
            let kind = Kind::Encoder(Box::new(crate::encoder::Scorer::open(path, compute)?));
            return Ok(Self { name, digest: hex(&digest), labels, kind });
        }
        if path.is_dir() {
            let model = FloatModel::open(path)?;
            let (name, labels, digest) = (model.name.clone(), model.labels.clone(), hex(&model.sha256));
            return Ok(Self { name, digest, labels, kind: Kind::Checkpoint(Box::new(model)) });
        }
        let case = Shipped::open(path)?;
        let (digest, labels) = (hex(&Sha256::digest(case.bytes())), case.labels());
        let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self { name, digest, labels, kind: Kind::Case(Box::new(case)) })
    }

    /// Where each class of a student stands among this one's.
    pub(crate) fn columns(&self, labels: &[String]) -> Result<Vec<usize>, TrainError> {
        let column = |label: &String| {
            self.labels.iter().position(|own| own == label).ok_or_else(|| {
                let reason = format!("class {label:?} is unknown to this teacher, it has {:?}", self.labels);
                TrainError::Recipe { path: self.name.clone().into(), reason }
            })
        };
        if self.labels.len() != labels.len() {
            let reason = format!("{} classes found, the student has {}", self.labels.len(), labels.len());
            return Err(TrainError::Recipe { path: self.name.clone().into(), reason });
        }
        labels.iter().map(column).collect()
    }

    /// The logits of texts, calibrated: their softmax is the teacher's probability.
    ///
    /// # Shapes
    /// Texts x classes.
    pub(crate) fn logits(&mut self, texts: &[&str]) -> Result<Vec<f32>, TrainError> {
        let rows: Vec<Vec<f32>> = match &mut self.kind {
            Kind::Case(case) => texts.par_chunks(CHUNK).flat_map_iter(|texts| case.logits(texts)).collect(),
            Kind::Checkpoint(model) => {
                let (session, scale) = (model.session()?, model.temperature.recip());
                let of_text =
                    |text: &&str| Ok(session.logits(text)?.iter().map(|logit| logit * scale).collect());
                texts.par_iter().map(of_text).collect::<Result<_, TrainError>>()?
            }
            #[cfg(feature = "encoders")]
            Kind::Encoder(scorer) => scorer.logits(texts)?,
        };
        Ok(rows.concat())
    }
}
