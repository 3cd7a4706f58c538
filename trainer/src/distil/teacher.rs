//! Teachers: a case, or the folder of a checkpoint.

use std::fs;
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use typecase_convert::encoder::TrainedEncoder;
use typecase_convert::{Checkpoint, Parent, Shipped};

use crate::error::TrainError;
use crate::train::hex;

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
    Bag(Box<Checkpoint>),
    #[cfg(feature = "encoders")]
    Encoder(Box<crate::encoder::Scorer>),
}

impl Teacher {
    /// Opens a case, or a checkpoint of a bag or an encoder.
    pub(crate) fn open(path: &Path) -> Result<Self, TrainError> {
        if TrainedEncoder::is_at(path) {
            let trained = TrainedEncoder::load(path)?;
            let files = ["config.json", "model.safetensors", "tokenizer.json", "head.safetensors"];
            let digest = digest_of(path, &[&files[..], &["encoder.toml"]].concat())?;
            let kind = encoder(path)?;
            return Ok(Self { name: trained.name, digest, labels: trained.labels, kind });
        }
        if path.is_dir() {
            let checkpoint = Checkpoint::load(path)?;
            let digest = digest_of(path, &["checkpoint.toml", "checkpoint.safetensors"])?;
            let (name, labels) = (checkpoint.name.clone(), checkpoint.labels.clone());
            return Ok(Self { name, digest, labels, kind: Kind::Bag(Box::new(checkpoint)) });
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
            Kind::Bag(checkpoint) => {
                let parent = Parent::new(checkpoint)?;
                let scale = checkpoint.temperature.recip();
                let of_text =
                    |text: &&str| parent.logits(text.as_bytes()).iter().map(|x| x * scale).collect();
                texts.par_iter().map(of_text).collect()
            }
            #[cfg(feature = "encoders")]
            Kind::Encoder(scorer) => scorer.logits(texts)?,
        };
        Ok(rows.concat())
    }
}

#[cfg(feature = "encoders")]
fn encoder(path: &Path) -> Result<Kind, TrainError> {
    Ok(Kind::Encoder(Box::new(crate::encoder::Scorer::open(path)?)))
}

#[cfg(not(feature = "encoders"))]
fn encoder(path: &Path) -> Result<Kind, TrainError> {
    let reason = "the checkpoint of an encoder cannot teach in this build: convert it to a case first, or build with \
                  --features encoders";
    Err(TrainError::Recipe { path: path.to_owned(), reason: reason.to_owned() })
}

fn digest_of(folder: &Path, files: &[&str]) -> Result<String, TrainError> {
    let mut hasher = Sha256::new();
    for file in files {
        let path = folder.join(file);
        hasher.update(Sha256::digest(fs::read(&path).map_err(|e| TrainError::io(path, e))?));
    }
    Ok(hex(&hasher.finalize()))
}
