//! A network back in the form of Hugging Face, under the names that `bert.rs` reads.

use std::fs;
use std::path::Path;

use ndarray::Array2;
use safetensors::tensor::{Dtype, TensorView};

use super::bert::{Bert, CONFIG, Linear, Norm, TENSORS};
use super::error::ImportError;

impl Bert {
    /// Writes `config.json` and `model.safetensors` into a folder that exists. Token type 0 stays a part of the
    /// positions, so the token types that are written are zeros.
    ///
    /// # Errors
    /// [`ImportError::Io`] if a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), ImportError> {
        let io = |path: &Path, source| ImportError::Io { path: path.to_owned(), source };
        let path = folder.join(TENSORS);
        let parts = self.parts();
        let views = parts.iter().map(|part| {
            TensorView::new(Dtype::F32, part.shape.clone(), &part.bytes).map(|view| (&part.name, view))
        });
        let file = views
            .collect::<Result<Vec<_>, _>>()
            .and_then(|views| safetensors::serialize(views, None))
            .map_err(|error| ImportError::file(&path, error.to_string()))?;
        fs::write(&path, file).map_err(|source| io(&path, source))?;
        let path = folder.join(CONFIG);
        let config = serde_json::to_string_pretty(&self.config)
            .map_err(|error| ImportError::file(&path, error.to_string()))?;
        fs::write(&path, config + "\n").map_err(|source| io(&path, source))
    }

    fn parts(&self) -> Vec<Part> {
        let mut parts = vec![
            Part::matrix("embeddings.word_embeddings.weight", &self.words),
            Part::matrix("embeddings.position_embeddings.weight", &self.positions),
            Part::matrix(
                "embeddings.token_type_embeddings.weight",
                &Array2::zeros((self.config.type_vocab_size, self.config.hidden_size)),
            ),
        ];
        parts.extend(Part::norm("embeddings", &self.norm));
        for (number, layer) in self.layers.iter().enumerate() {
            let prefix = format!("encoder.layer.{number}");
            for (name, linear) in [
                ("attention.self.query", &layer.query),
                ("attention.self.key", &layer.key),
                ("attention.self.value", &layer.value),
                ("attention.output.dense", &layer.output),
                ("intermediate.dense", &layer.inner),
                ("output.dense", &layer.outer),
            ] {
                parts.extend(Part::linear(&format!("{prefix}.{name}"), linear));
            }
            parts.extend(Part::norm(&format!("{prefix}.attention.output"), &layer.norm));
            parts.extend(Part::norm(&format!("{prefix}.output"), &layer.norm_outer));
        }
        parts
    }
}

/// A tensor as it is written.
struct Part {
    name: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Part {
    fn matrix(name: &str, numbers: &Array2<f32>) -> Self {
        let bytes = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        Self { name: name.to_owned(), shape: numbers.shape().to_vec(), bytes }
    }

    fn vector(name: String, numbers: &[f32]) -> Self {
        let bytes = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        Self { name, shape: vec![numbers.len()], bytes }
    }

    fn linear(name: &str, linear: &Linear) -> [Self; 2] {
        [
            Self::matrix(&format!("{name}.weight"), &linear.weight),
            Self::vector(format!("{name}.bias"), &linear.bias),
        ]
    }

    fn norm(name: &str, norm: &Norm) -> [Self; 2] {
        [
            Self::vector(format!("{name}.LayerNorm.weight"), &norm.gain),
            Self::vector(format!("{name}.LayerNorm.bias"), &norm.offset),
        ]
    }
}
