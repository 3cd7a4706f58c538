//! Tensors by name, as f32.

use std::fs;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use ndarray::Array2;
use safetensors::tensor::{Dtype, SafeTensors};

use super::error::ImportError;

/// A file of tensors that has been read.
pub(super) struct TensorFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl TensorFile {
    pub(super) fn read(path: &Path) -> Result<Self, ImportError> {
        let bytes = fs::read(path).map_err(|source| ImportError::Io { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// `prefix`: what names begin with in the file of a whole model; without it in that of the network alone.
    pub(super) fn tensors<'a>(&'a self, prefix: &'a str) -> Result<Tensors<'a>, ImportError> {
        let tensors = SafeTensors::deserialize(&self.bytes)
            .map_err(|error| ImportError::file(&self.path, error.to_string()))?;
        let is_whole = tensors.names().iter().any(|name| name.starts_with(&format!("{prefix}embeddings.")));
        Ok(Tensors { path: &self.path, tensors, prefix: if is_whole { prefix } else { "" } })
    }
}

/// The tensors of a file.
pub(super) struct Tensors<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    prefix: &'a str,
}

impl Tensors<'_> {
    /// The numbers of a tensor of this shape.
    pub(super) fn numbers(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ImportError> {
        let name = format!("{}{name}", self.prefix);
        let fault = |reason: String| Err(ImportError::file(self.path, reason));
        let Ok(tensor) = self.tensors.tensor(&name) else {
            return fault(format!("no tensor {name:?} found"));
        };
        if tensor.shape() != shape {
            return fault(format!("tensor {name:?} has shape {:?}, expected was {shape:?}", tensor.shape()));
        }
        let data = tensor.data();
        let numbers: Vec<f32> = match tensor.dtype() {
            Dtype::F32 => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F16 => data.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::BF16 => data.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
            other => {
                return fault(format!("tensor {name:?} has type {other:?}, allowed are F32, F16 and BF16"));
            }
        };
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            return fault(format!("tensor {name:?} has {} at {at}, numbers must be finite", numbers[at]));
        }
        Ok(numbers)
    }

    /// A tensor of two dimensions.
    pub(super) fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Array2<f32>, ImportError> {
        let numbers = self.numbers(name, &[rows, columns])?;
        Array2::from_shape_vec((rows, columns), numbers)
            .map_err(|error| ImportError::file(self.path, format!("tensor {name:?}: {error}")))
    }
}
