//! The checkpoint: what training leaves behind and conversion starts from. A folder with two files, or three.
//!
//! `checkpoint.toml`: format, name, labels, text settings, pooling, temperature, provenance.
//! `checkpoint.safetensors`: `features` u32 \[n\], `counts` u32 \[n\] (training texts with the feature), `embedding`
//! f32 \[n, width\], `bias` f32 \[width\], and with a hidden layer `head.weight` f32 \[classes, width\] and `head.bias`
//! f32 \[classes\]; with a sub-word tokenizer its table, `tokenizer` u8 \[bytes\].
//! `tokenizer.json`: with a sub-word tokenizer, what the table was compiled from.
//!
//! The format is 2 with a sub-word tokenizer and 1 without, so that a program that knows none refuses it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use typecase_engine::{NgramSpec, Ngrams, Pooling};

use crate::cutter::{Cutter, DEFAULT_MAX_TOKENS, Subword};
use crate::error::ConvertError;

/// Without a sub-word tokenizer.
const FORMAT: u32 = 1;
/// With one.
const FORMAT_SUBWORD: u32 = 2;
const NUMBERS: &str = "checkpoint.toml";
const TENSORS: &str = "checkpoint.safetensors";
const TOKENIZER: &str = "tokenizer.json";
/// The tensor that is the table of the sub-word tokenizer.
const TABLE: &str = "tokenizer";

/// A trained bag in floating point.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What people call the model.
    pub name: String,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// How texts are cut.
    pub text: TextSettings,
    /// What n-grams are made of, if it is not words.
    pub tokenizer: Option<Subword>,
    /// How sums are normalised.
    pub pooling: Pooling,
    /// Hashed features, distinct.
    pub features: Vec<u32>,
    /// Training texts with the feature.
    pub counts: Vec<u32>,
    /// Numbers in a row.
    pub width: usize,
    /// Rows x width.
    pub embedding: Vec<f32>,
    /// One a column.
    pub bias: Vec<f32>,
    /// A hidden layer, if there is one.
    pub head: Option<DenseHead>,
    /// Fitted on the validation split.
    pub temperature: f32,
    /// Where the model comes from, for the case.
    pub provenance: BTreeMap<String, String>,
}

/// ReLU, then a dense layer.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseHead {
    /// Classes x width.
    pub weights: Vec<f32>,
    /// One a class.
    pub bias: Vec<f32>,
}

/// How texts are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextSettings {
    /// N-grams of 1 to this many words, or tokens of a sub-word tokenizer.
    pub word_ngrams: u8,
    /// Character n-grams of at least this many characters; 0 for none.
    pub char_ngrams_min: u8,
    /// Character n-grams of at most this many characters; 0 for none.
    pub char_ngrams_max: u8,
    /// Marks (punctuation, symbols) are tokens too.
    pub marks: bool,
    /// Words once more with their case.
    pub cased: bool,
    /// Pairs of tokens with one between.
    pub skips: bool,
    /// Bytes of a text that are looked at.
    pub max_bytes: u32,
    /// With a sub-word tokenizer: tokens of a text that are looked at; without it 512.
    pub max_tokens: Option<u32>,
}

impl Default for TextSettings {
    fn default() -> Self {
        let spec = NgramSpec::words(2);
        Self {
            word_ngrams: spec.word_max,
            char_ngrams_min: spec.char_min,
            char_ngrams_max: spec.char_max,
            marks: spec.marks,
            cased: spec.cased,
            skips: spec.skips,
            max_bytes: spec.max_bytes,
            max_tokens: None,
        }
    }
}

impl TextSettings {
    /// The n-grams of words for these settings.
    ///
    /// # Errors
    /// [`ConvertError::Options`] if a setting is out of range.
    pub fn ngrams(&self) -> Result<Ngrams, ConvertError> {
        Ngrams::new(NgramSpec {
            word_max: self.word_ngrams,
            char_min: self.char_ngrams_min,
            char_max: self.char_ngrams_max,
            marks: self.marks,
            cased: self.cased,
            skips: self.skips,
            max_bytes: self.max_bytes,
        })
        .map_err(|e| ConvertError::Options(e.to_string()))
    }
}

/// `checkpoint.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers {
    format: u32,
    name: String,
    labels: Vec<String>,
    pooling: String,
    temperature: f32,
    text: TextSettings,
    provenance: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Reads a checkpoint folder.
    ///
    /// # Errors
    /// [`ConvertError::Io`] if a file cannot be read, [`ConvertError::Checkpoint`] if it makes no sense.
    pub fn load(folder: &Path) -> Result<Self, ConvertError> {
        let path = folder.join(NUMBERS);
        let text =
            fs::read_to_string(&path).map_err(|source| ConvertError::Io { path: path.clone(), source })?;
        let numbers: Numbers =
            toml::from_str(&text).map_err(|e| ConvertError::checkpoint(&path, e.message().to_owned()))?;
        if !(FORMAT..=FORMAT_SUBWORD).contains(&numbers.format) {
            let reason =
                format!("format {} found, this program reads {FORMAT} and {FORMAT_SUBWORD}", numbers.format);
            return Err(ConvertError::checkpoint(path, reason));
        }
        let pooling = match numbers.pooling.as_str() {
            "sum" => Pooling::Sum,
            "mean" => Pooling::Mean,
            "square-root" => Pooling::SquareRoot,
            other => {
                let reason = format!("pooling {other:?} found, allowed are sum, mean, square-root");
                return Err(ConvertError::checkpoint(path, reason));
            }
        };

        let path = folder.join(TENSORS);
        let bytes = fs::read(&path).map_err(|source| ConvertError::Io { path: path.clone(), source })?;
        let tensors =
            SafeTensors::deserialize(&bytes).map_err(|e| ConvertError::checkpoint(&path, e.to_string()))?;
        let tensors = Tensors { path: &path, tensors };
        let (features, counts) = (tensors.u32s("features")?, tensors.u32s("counts")?);
        let (bias, embedding) = (tensors.f32s("bias")?, tensors.f32s("embedding")?);
        let head = if tensors.tensors.tensor("head.weight").is_ok() {
            Some(DenseHead { weights: tensors.f32s("head.weight")?, bias: tensors.f32s("head.bias")? })
        } else {
            None
        };
        let tokenizer = if numbers.format == FORMAT_SUBWORD {
            let table = tensors.of_type(TABLE, Dtype::U8)?.to_vec();
            let path = folder.join(TOKENIZER);
            let json = fs::read_to_string(&path).map_err(|source| ConvertError::Io { path, source })?;
            Some(Subword { json, table })
        } else {
            None
        };
        let checkpoint = Self {
            name: numbers.name,
            labels: numbers.labels,
            text: numbers.text,
            tokenizer,
            pooling,
            width: bias.len(),
            features,
            counts,
            embedding,
            bias,
            head,
            temperature: numbers.temperature,
            provenance: numbers.provenance,
        };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// Writes a checkpoint folder: each file beside its old version first, then renamed over it.
    ///
    /// # Errors
    /// [`ConvertError::Io`] if a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), ConvertError> {
        let pooling = match self.pooling {
            Pooling::Sum => "sum",
            Pooling::Mean => "mean",
            Pooling::SquareRoot => "square-root",
        };
        let numbers = Numbers {
            format: if self.tokenizer.is_some() { FORMAT_SUBWORD } else { FORMAT },
            name: self.name.clone(),
            labels: self.labels.clone(),
            pooling: pooling.to_owned(),
            temperature: self.temperature,
            text: self.text,
            provenance: self.provenance.clone(),
        };
        let numbers =
            toml::to_string(&numbers).map_err(|e| ConvertError::checkpoint(folder, e.to_string()))?;
        let u32s = |values: &[u32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
        let f32s = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
        let rows = self.features.len();
        let mut parts = vec![
            ("features", Dtype::U32, vec![rows], u32s(&self.features)),
            ("counts", Dtype::U32, vec![rows], u32s(&self.counts)),
            ("embedding", Dtype::F32, vec![rows, self.width], f32s(&self.embedding)),
            ("bias", Dtype::F32, vec![self.width], f32s(&self.bias)),
        ];
        if let Some(head) = &self.head {
            let classes = self.labels.len();
            parts.push(("head.weight", Dtype::F32, vec![classes, self.width], f32s(&head.weights)));
            parts.push(("head.bias", Dtype::F32, vec![classes], f32s(&head.bias)));
        }
        if let Some(Subword { table, .. }) = &self.tokenizer {
            parts.push((TABLE, Dtype::U8, vec![table.len()], table.clone()));
        }
        let views = parts.iter().map(|(name, dtype, shape, bytes)| {
            TensorView::new(*dtype, shape.clone(), bytes).map(|view| (*name, view))
        });
        let views = views.collect::<Result<Vec<_>, _>>();
        let tensors = views
            .and_then(|views| safetensors::serialize(views, None))
            .map_err(|e| ConvertError::checkpoint(folder, e.to_string()))?;
        fs::create_dir_all(folder).map_err(|source| ConvertError::Io { path: folder.to_owned(), source })?;
        if let Some(Subword { json, .. }) = &self.tokenizer {
            write_whole(&folder.join(TOKENIZER), json.as_bytes())?;
        }
        write_whole(&folder.join(TENSORS), &tensors)?;
        write_whole(&folder.join(NUMBERS), numbers.as_bytes())
    }

    /// Makes a checkpoint folder one no longer, if it is one; other files stay.
    ///
    /// # Errors
    /// [`ConvertError::Io`] if a file cannot be removed.
    pub fn remove(folder: &Path) -> Result<(), ConvertError> {
        let path = folder.join(NUMBERS);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(ConvertError::Io { path, source })
            }
            _ => Ok(()),
        }
    }

    /// True if the folder looks like a checkpoint.
    #[must_use]
    pub fn is_at(folder: &Path) -> bool {
        folder.join(NUMBERS).is_file()
    }

    /// What cuts its texts.
    ///
    /// # Errors
    /// [`ConvertError::Options`] if its text settings or its sub-word tokenizer make no sense.
    pub fn cutter(&self) -> Result<Cutter<'_>, ConvertError> {
        Cutter::new(&self.text, self.tokenizer.as_ref().map(|tokenizer| tokenizer.table.as_slice()))
    }

    /// Tokens of a text that are looked at, if there is a sub-word tokenizer.
    pub(crate) fn max_tokens(&self) -> Option<u32> {
        self.tokenizer.as_ref().map(|_| self.text.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS))
    }

    /// Does all fit together?
    ///
    /// # Errors
    /// [`ConvertError::Checkpoint`] names the first thing that does not.
    pub fn check(&self) -> Result<(), ConvertError> {
        let bad = |reason: String| Err(ConvertError::checkpoint(&self.name, reason));
        let (rows, width, classes) = (self.features.len(), self.width, self.labels.len());
        if !(1..=typecase_text::vocabulary::MAX_COUNT as usize).contains(&rows) {
            return bad(format!("{rows} features found, at least 1 and at most 2^24 are allowed"));
        }
        if width == 0 || classes < 2 {
            return bad(format!("{classes} classes of width {width} found, at least 2 and 1 are needed"));
        }
        if self.counts.len() != rows || self.embedding.len() != rows * width || self.bias.len() != width {
            return bad(format!(
                "shapes of counts, embedding and bias do not fit {rows} features of width {width}"
            ));
        }
        match &self.head {
            None if width != classes => {
                return bad(format!(
                    "width {width} found without a hidden layer, {classes} classes expected"
                ));
            }
            Some(head) if head.weights.len() != classes * width || head.bias.len() != classes => {
                return bad(format!("shapes of the head do not fit {classes} classes of width {width}"));
            }
            _ => {}
        }
        let head = self.head.iter().flat_map(|head| head.weights.iter().chain(&head.bias));
        if !self.embedding.iter().chain(&self.bias).chain(head).all(|w| w.is_finite()) {
            return bad("a weight that is not finite found, all must be".to_owned());
        }
        if !(self.temperature.is_normal() && self.temperature > 0.0) {
            return bad(format!("temperature {} found, it must be finite and above 0", self.temperature));
        }
        let mut sorted = self.features.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return bad(format!("feature {:#010x} found twice, features must be distinct", pair[0]));
        }
        self.cutter().map(|_| ())
    }
}

/// Writes a file beside its place, then renames it over what stood there.
///
/// # Errors
/// [`ConvertError::Io`] with the final path.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ConvertError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    written.map_err(|source| ConvertError::Io { path: path.to_owned(), source })
}

struct Tensors<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl Tensors<'_> {
    fn of_type(&self, name: &str, dtype: Dtype) -> Result<&[u8], ConvertError> {
        let fault = |reason: String| ConvertError::checkpoint(self.path, reason);
        let tensor = self.tensors.tensor(name).map_err(|_| fault(format!("no tensor {name:?} found")))?;
        if tensor.dtype() != dtype {
            return Err(fault(format!(
                "tensor {name:?} has type {:?}, expected was {dtype:?}",
                tensor.dtype()
            )));
        }
        Ok(tensor.data())
    }

    fn words(&self, name: &str, dtype: Dtype) -> Result<Vec<[u8; 4]>, ConvertError> {
        Ok(self.of_type(name, dtype)?.as_chunks::<4>().0.to_vec())
    }

    fn u32s(&self, name: &str) -> Result<Vec<u32>, ConvertError> {
        Ok(self.words(name, Dtype::U32)?.into_iter().map(u32::from_le_bytes).collect())
    }

    fn f32s(&self, name: &str) -> Result<Vec<f32>, ConvertError> {
        Ok(self.words(name, Dtype::F32)?.into_iter().map(f32::from_le_bytes).collect())
    }
}
