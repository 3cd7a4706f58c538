//! Checkpoints in floating point, as training left them: what cases are measured against, and what can be evaluated
//! before there is a case.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};
use typecase_convert::encoder::{Network, TextIds, TrainedEncoder};
use typecase_convert::{Checkpoint, ConvertError, Parent};

/// The files of an encoder's checkpoint.
pub(crate) const ENCODER_FILES: [&str; 5] =
    ["encoder.toml", "head.safetensors", "config.json", "model.safetensors", "tokenizer.json"];

/// A checkpoint that can be run: of a bag, or of an encoder with its head.
#[derive(Debug)]
pub struct FloatModel {
    /// What people call it.
    pub name: String,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// Fitted on the validation split.
    pub temperature: f32,
    /// Size of its files.
    pub bytes: u64,
    /// SHA-256 of its files, one after the other.
    pub sha256: [u8; 32],
    weights: Weights,
}

#[derive(Debug)]
enum Weights {
    Bag(Box<Checkpoint>),
    Encoder(Box<(Network, TextIds)>),
}

/// A checkpoint ready for texts; shared between threads.
#[derive(Debug)]
pub struct FloatSession<'m>(Running<'m>);

#[derive(Debug)]
enum Running<'m> {
    Bag(Box<Parent<'m>>),
    Encoder(&'m Network, &'m TextIds),
}

impl FloatModel {
    /// Reads the checkpoint of a folder: `checkpoint.toml` with a bag, or `encoder.toml` with a network of Hugging Face
    /// and its head.
    ///
    /// # Errors
    /// [`ConvertError::Checkpoint`] if there is neither; else as [`Checkpoint::load`], [`TrainedEncoder::load`],
    /// [`TrainedEncoder::network`].
    pub fn open(folder: &Path) -> Result<Self, ConvertError> {
        if TrainedEncoder::is_at(folder) {
            return Self::encoder(folder);
        }
        if Checkpoint::is_at(folder) {
            return Self::bag(folder);
        }
        let reason =
            "no checkpoint found, a folder with checkpoint.toml or encoder.toml is needed".to_owned();
        Err(ConvertError::Checkpoint { path: folder.to_owned(), reason })
    }

    fn bag(folder: &Path) -> Result<Self, ConvertError> {
        let checkpoint = Checkpoint::load(folder)?;
        checkpoint.check()?;
        let (bytes, sha256) = digest(folder, &["checkpoint.toml", "checkpoint.safetensors"])?;
        Ok(Self {
            name: checkpoint.name.clone(),
            labels: checkpoint.labels.clone(),
            temperature: checkpoint.temperature,
            bytes,
            sha256,
            weights: Weights::Bag(Box::new(checkpoint)),
        })
    }

    fn encoder(folder: &Path) -> Result<Self, ConvertError> {
        let trained = TrainedEncoder::load(folder)?;
        let network = trained.network(folder)?;
        let ids = TextIds::open(folder, trained.max_tokens)?;
        let (bytes, sha256) = digest(folder, &ENCODER_FILES)?;
        let TrainedEncoder { name, labels, temperature, .. } = trained;
        let weights = Weights::Encoder(Box::new((network, ids)));
        Ok(Self { name, labels, temperature, bytes, sha256, weights })
    }

    /// Makes it ready for texts.
    ///
    /// # Errors
    /// As [`Parent::new`].
    pub fn session(&self) -> Result<FloatSession<'_>, ConvertError> {
        Ok(FloatSession(match &self.weights {
            Weights::Bag(checkpoint) => Running::Bag(Box::new(Parent::new(checkpoint)?)),
            Weights::Encoder(encoder) => Running::Encoder(&encoder.0, &encoder.1),
        }))
    }
}

impl FloatSession<'_> {
    /// The logits of a text, one a class, before temperature.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn logits(&self, text: &str) -> Result<Vec<f32>, ConvertError> {
        match &self.0 {
            Running::Bag(parent) => Ok(parent.logits(text.as_bytes())),
            Running::Encoder(network, ids) => Ok(network.logits(&ids.ids(text))?),
        }
    }
}

/// Size and digest of files, those that are there, in their order.
pub(crate) fn digest(folder: &Path, names: &[&str]) -> Result<(u64, [u8; 32]), ConvertError> {
    let (mut bytes, mut hasher) = (0, Sha256::new());
    for path in names.iter().map(|name| folder.join(name)) {
        let content = fs::read(&path).map_err(|source| ConvertError::Io { path, source })?;
        bytes += content.len() as u64;
        hasher.update(&content);
    }
    Ok((bytes, hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_checkpoint_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = FloatModel::open(folder.path()).unwrap_err().to_string();
        let expected = ": no checkpoint found, a folder with checkpoint.toml or encoder.toml is needed";
        assert!(error.ends_with(expected), "{error}");
    }
}
