//! A BERT as Hugging Face stores it: `config.json` and `model.safetensors`.
//!
//! # Source
//! `transformers`, `modeling_bert.py`: names of the tensors, order of the operations (see `forward.rs`).

use std::fs;
use std::path::Path;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::error::ImportError;
use super::tensors::{TensorFile, Tensors};

/// The file with the sizes.
pub(super) const CONFIG: &str = "config.json";
/// The file with the numbers.
pub(super) const TENSORS: &str = "model.safetensors";

/// The sizes of a network, under the names of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    model_type: String,
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    #[serde(default)]
    is_decoder: bool,
    /// Numbers of a token.
    pub hidden_size: usize,
    /// Heads of attention.
    pub num_attention_heads: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Width within the feed-forward network.
    pub intermediate_size: usize,
    /// Tokens of the longest text.
    pub max_position_embeddings: usize,
    /// Rows of the embedding.
    pub vocab_size: usize,
    #[serde(default = "two")]
    pub(super) type_vocab_size: usize,
    /// What LayerNorm adds to a variance.
    #[serde(default = "epsilon")]
    pub layer_norm_eps: f32,
}

fn absolute() -> String {
    "absolute".to_owned()
}

const fn two() -> usize {
    2
}

const fn epsilon() -> f32 {
    1e-12
}

impl BertConfig {
    fn read(path: &Path) -> Result<Self, ImportError> {
        let text =
            fs::read_to_string(path).map_err(|source| ImportError::Io { path: path.to_owned(), source })?;
        let config: Self =
            serde_json::from_str(&text).map_err(|error| ImportError::file(path, error.to_string()))?;
        config.check().map_err(|reason| ImportError::file(path, reason))?;
        Ok(config)
    }

    /// What is not a BERT with GELU is refused by the name of the field.
    fn check(&self) -> Result<(), String> {
        let words = [
            ("model_type", &self.model_type, "bert"),
            ("hidden_act", &self.hidden_act, "gelu"),
            ("position_embedding_type", &self.position_embedding_type, "absolute"),
        ];
        if let Some((field, found, allowed)) = words.into_iter().find(|(_, found, allowed)| found != allowed)
        {
            return Err(format!("{field} {found:?} found, allowed is {allowed:?}"));
        }
        if self.is_decoder {
            return Err("is_decoder true found, allowed is false".to_owned());
        }
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("num_attention_heads", self.num_attention_heads),
            ("num_hidden_layers", self.num_hidden_layers),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("vocab_size", self.vocab_size),
            ("type_vocab_size", self.type_vocab_size),
        ];
        if let Some((field, found)) = sizes.into_iter().find(|(_, size)| !(1..=1 << 22).contains(size)) {
            return Err(format!("{field} {found} found, allowed are 1 to {}", 1 << 22));
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err(format!(
                "hidden_size {} found, it must be a multiple of num_attention_heads {}",
                self.hidden_size, self.num_attention_heads
            ));
        }
        if !(0.0..1.0).contains(&self.layer_norm_eps) {
            return Err(format!("layer_norm_eps {} found, allowed are 0 to 1", self.layer_norm_eps));
        }
        Ok(())
    }

    /// Channels of a head.
    #[must_use]
    pub const fn channels(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }
}

/// A network in floating point.
#[derive(Clone, Debug)]
pub struct Bert {
    /// Its sizes.
    pub config: BertConfig,
    /// A row an id.
    pub words: Array2<f32>,
    /// A row a position, token type 0 included.
    pub positions: Array2<f32>,
    /// Of the sum of the two.
    pub norm: Norm,
    /// From the first to the last.
    pub layers: Vec<Layer>,
}

/// Gain and offset of a LayerNorm.
#[derive(Clone, Debug)]
pub struct Norm {
    /// One a channel.
    pub gain: Vec<f32>,
    /// One a channel.
    pub offset: Vec<f32>,
}

/// Outputs x inputs, and a bias.
#[derive(Clone, Debug)]
pub struct Linear {
    /// Outputs x inputs.
    pub weight: Array2<f32>,
    /// One an output.
    pub bias: Vec<f32>,
}

/// Attention and feed-forward network, each with its residual and LayerNorm after it.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Of all heads.
    pub query: Linear,
    /// Of all heads.
    pub key: Linear,
    /// Of all heads.
    pub value: Linear,
    /// From the heads back to the stream.
    pub output: Linear,
    /// After attention.
    pub norm: Norm,
    /// Into the feed-forward network.
    pub inner: Linear,
    /// Out of it.
    pub outer: Linear,
    /// After it.
    pub norm_outer: Norm,
}

impl Bert {
    /// Reads the folder of a model.
    ///
    /// # Errors
    /// [`ImportError::Io`] if a file cannot be read; [`ImportError::File`] if it is not a BERT with GELU, or a tensor is
    /// missing, or has another shape or type than it should.
    pub fn load(folder: &Path) -> Result<Self, ImportError> {
        let config = BertConfig::read(&folder.join(CONFIG))?;
        let file = TensorFile::read(&folder.join(TENSORS))?;
        let tensors = file.tensors()?;
        let width = config.hidden_size;
        let words = tensors.matrix("embeddings.word_embeddings.weight", config.vocab_size, width)?;
        let mut positions =
            tensors.matrix("embeddings.position_embeddings.weight", config.max_position_embeddings, width)?;
        let types =
            tensors.matrix("embeddings.token_type_embeddings.weight", config.type_vocab_size, width)?;
        positions += &types.row(0);
        let layers = (0..config.num_hidden_layers).map(|number| Layer::of(&tensors, &config, number));
        let layers = layers.collect::<Result<_, _>>()?;
        let norm = Norm::of(&tensors, "embeddings", width)?;
        Ok(Self { config, words, positions, norm, layers })
    }
}

impl Layer {
    fn of(tensors: &Tensors<'_>, config: &BertConfig, number: usize) -> Result<Self, ImportError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let prefix = format!("encoder.layer.{number}");
        let linear =
            |name: &str, outputs, inputs| Linear::of(tensors, &format!("{prefix}.{name}"), outputs, inputs);
        Ok(Self {
            query: linear("attention.self.query", width, width)?,
            key: linear("attention.self.key", width, width)?,
            value: linear("attention.self.value", width, width)?,
            output: linear("attention.output.dense", width, width)?,
            norm: Norm::of(tensors, &format!("{prefix}.attention.output"), width)?,
            inner: linear("intermediate.dense", inner, width)?,
            outer: linear("output.dense", width, inner)?,
            norm_outer: Norm::of(tensors, &format!("{prefix}.output"), width)?,
        })
    }
}

impl Linear {
    fn of(tensors: &Tensors<'_>, name: &str, outputs: usize, inputs: usize) -> Result<Self, ImportError> {
        Ok(Self {
            weight: tensors.matrix(&format!("{name}.weight"), outputs, inputs)?,
            bias: tensors.numbers(&format!("{name}.bias"), &[outputs])?,
        })
    }
}

impl Norm {
    fn of(tensors: &Tensors<'_>, name: &str, width: usize) -> Result<Self, ImportError> {
        Ok(Self {
            gain: tensors.numbers(&format!("{name}.LayerNorm.weight"), &[width])?,
            offset: tensors.numbers(&format!("{name}.LayerNorm.bias"), &[width])?,
        })
    }
}
