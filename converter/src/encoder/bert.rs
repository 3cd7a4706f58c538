//! A BERT as Hugging Face stores it: `config.json` and `model.safetensors`. Networks that compute the same become one
//! when they are read (see `family.rs`).
//!
//! # Source
//! `transformers`, `modeling_bert.py`: names of the tensors, order of the operations (see `forward.rs`).

use std::fs;
use std::path::Path;

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use super::error::ImportError;
use super::family::{Family, Names};
use super::tensors::{TensorFile, Tensors};

/// The file with the sizes.
pub(super) const CONFIG: &str = "config.json";
/// The file with the numbers.
pub(super) const TENSORS: &str = "model.safetensors";

/// The sizes of a network, under the names of the file; DistilBERT has others for some.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    model_type: String,
    #[serde(alias = "activation")]
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    #[serde(default)]
    is_decoder: bool,
    /// Numbers of a token.
    #[serde(alias = "dim")]
    pub hidden_size: usize,
    /// Heads of attention.
    #[serde(alias = "n_heads")]
    pub num_attention_heads: usize,
    /// Layers.
    #[serde(alias = "n_layers")]
    pub num_hidden_layers: usize,
    /// Width within the feed-forward network.
    #[serde(alias = "hidden_dim")]
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
    #[serde(default, skip_serializing)]
    embedding_size: Option<usize>,
    #[serde(default, skip_serializing)]
    pad_token_id: Option<usize>,
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

/// The sizes of a network that is not read but made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BertSizes {
    /// Numbers of a token.
    pub width: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Layers.
    pub layers: usize,
    /// Width within the feed-forward network.
    pub inner: usize,
    /// Tokens of the longest text.
    pub positions: usize,
    /// Rows of the embedding.
    pub rows: usize,
}

impl BertConfig {
    /// A BERT of these sizes.
    ///
    /// # Errors
    /// What is out of range, by the name of the field.
    fn new(sizes: BertSizes) -> Result<Self, String> {
        let BertSizes { width, heads, layers, inner, positions, rows } = sizes;
        let config = Self {
            model_type: "bert".to_owned(),
            hidden_act: "gelu".to_owned(),
            position_embedding_type: absolute(),
            is_decoder: false,
            hidden_size: width,
            num_attention_heads: heads,
            num_hidden_layers: layers,
            intermediate_size: inner,
            max_position_embeddings: positions,
            vocab_size: rows,
            type_vocab_size: two(),
            layer_norm_eps: epsilon(),
            embedding_size: None,
            pad_token_id: None,
        };
        config.check().map(|_| config)
    }

    fn read(path: &Path) -> Result<(Self, Family), ImportError> {
        let text =
            fs::read_to_string(path).map_err(|source| ImportError::Io { path: path.to_owned(), source })?;
        let config: Self =
            serde_json::from_str(&text).map_err(|error| ImportError::file(path, error.to_string()))?;
        let family = config.check().map_err(|reason| ImportError::file(path, reason))?;
        Ok((config, family))
    }

    /// What does not compute as a BERT with GELU is refused by the name of the field.
    fn check(&self) -> Result<Family, String> {
        let family = Family::named(&self.model_type)?;
        let words = [
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
        if let Some(size) = self.embedding_size.filter(|size| *size != self.hidden_size) {
            return Err(format!(
                "embedding_size {size} found, it must be the same as hidden_size {}",
                self.hidden_size
            ));
        }
        let first = self.first_position(family);
        if self.max_position_embeddings <= first {
            return Err(format!(
                "max_position_embeddings {} found, it must be above {first}",
                self.max_position_embeddings
            ));
        }
        Ok(family)
    }

    /// The row of the first token's position.
    fn first_position(&self, family: Family) -> usize {
        match family {
            Family::Roberta => self.pad_token_id.unwrap_or(1).saturating_add(1),
            _ => 0,
        }
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
    /// A network that has learnt nothing: `next` gives its weights, gains are 1, offsets and biases 0.
    ///
    /// # Errors
    /// What is out of range, by the name of the field.
    pub fn fresh(sizes: BertSizes, next: &mut dyn FnMut() -> f32) -> Result<Self, String> {
        let config = BertConfig::new(sizes)?;
        let BertSizes { width, layers, inner, positions, rows, .. } = sizes;
        let mut matrix =
            |rows: usize, columns: usize| Array2::from_shape_simple_fn((rows, columns), &mut *next);
        let norm = || Norm { gain: vec![1.0; width], offset: vec![0.0; width] };
        let words = matrix(rows, width);
        let positions = matrix(positions, width);
        let mut linear = |outputs: usize, inputs: usize| Linear {
            weight: matrix(outputs, inputs),
            bias: vec![0.0; outputs],
        };
        let layers = (0..layers).map(|_| Layer {
            query: linear(width, width),
            key: linear(width, width),
            value: linear(width, width),
            output: linear(width, width),
            norm: norm(),
            inner: linear(inner, width),
            outer: linear(width, inner),
            norm_outer: norm(),
        });
        let layers = layers.collect();
        Ok(Self { config, words, positions, norm: norm(), layers })
    }

    /// Reads the folder of a model.
    ///
    /// # Errors
    /// [`ImportError::Io`] if a file cannot be read; [`ImportError::File`] if it does not compute as a BERT with GELU, or a tensor is
    /// missing, or has another shape or type than it should.
    pub fn load(folder: &Path) -> Result<Self, ImportError> {
        let (mut config, family) = BertConfig::read(&folder.join(CONFIG))?;
        let file = TensorFile::read(&folder.join(TENSORS))?;
        let tensors = file.tensors(family.prefix())?;
        let width = config.hidden_size;
        let words = tensors.matrix("embeddings.word_embeddings.weight", config.vocab_size, width)?;
        let positions =
            tensors.matrix("embeddings.position_embeddings.weight", config.max_position_embeddings, width)?;
        let first = config.first_position(family);
        let mut positions = positions.slice_axis(Axis(0), (first..).into()).to_owned();
        if family.has_token_types() {
            let types =
                tensors.matrix("embeddings.token_type_embeddings.weight", config.type_vocab_size, width)?;
            positions += &types.row(0);
        }
        let names = family.names();
        let layers = (0..config.num_hidden_layers).map(|number| Layer::of(&tensors, &config, names, number));
        let layers = layers.collect::<Result<_, _>>()?;
        let norm = Norm::of(&tensors, "embeddings.LayerNorm", width)?;
        // From here on it is a BERT.
        config.model_type = "bert".to_owned();
        config.max_position_embeddings -= first;
        Ok(Self { config, words, positions, norm, layers })
    }
}

impl Layer {
    fn of(
        tensors: &Tensors<'_>,
        config: &BertConfig,
        names: &Names,
        number: usize,
    ) -> Result<Self, ImportError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let prefix = format!("{}.{number}", names.layer);
        let linear =
            |name: &str, outputs, inputs| Linear::of(tensors, &format!("{prefix}.{name}"), outputs, inputs);
        Ok(Self {
            query: linear(names.query, width, width)?,
            key: linear(names.key, width, width)?,
            value: linear(names.value, width, width)?,
            output: linear(names.output, width, width)?,
            norm: Norm::of(tensors, &format!("{prefix}.{}", names.norm), width)?,
            inner: linear(names.inner, inner, width)?,
            outer: linear(names.outer, width, inner)?,
            norm_outer: Norm::of(tensors, &format!("{prefix}.{}", names.norm_outer), width)?,
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
            gain: tensors.numbers(&format!("{name}.weight"), &[width])?,
            offset: tensors.numbers(&format!("{name}.bias"), &[width])?,
        })
    }
}
