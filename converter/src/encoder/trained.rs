//! An encoder that was trained with its head: `encoder.toml` and `head.safetensors` beside the files of Hugging Face.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bert::{Bert, BertConfig};
use super::calibrate::Calibration;
use super::error::ImportError;
use super::head::LinearHead;
use super::tensors::TensorFile;
use super::{EncoderPooling, Network};

/// The file with everything but numbers.
const FILE: &str = "encoder.toml";
/// The file with the numbers of the head.
const HEAD: &str = "head.safetensors";

/// What `encoder.toml` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedEncoder {
    /// What people call the model, and the case.
    pub name: String,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// How the tokens become one row.
    pub pooling: PoolingKind,
    /// What turns the row into scores.
    pub head: HeadKind,
    /// Tokens of a text that are looked at, special ones included.
    pub max_tokens: u32,
    /// Fitted on the held-out texts.
    pub temperature: f32,
    /// It was trained for its integers: its ranges stand beside it, and the case is made with them.
    #[serde(default)]
    pub quantised: bool,
    /// Where it comes from.
    pub provenance: BTreeMap<String, String>,
}

/// How the tokens of a text become one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolingKind {
    /// The first token.
    Cls,
    /// The mean of all.
    #[default]
    Mean,
    /// The largest of each channel.
    Max,
    /// A mean with weights that are learnt.
    Attention,
}

/// What turns a pooled row into scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadKind {
    /// One matrix.
    #[default]
    Linear,
    /// A matrix, GELU, a matrix.
    Mlp,
}

impl TrainedEncoder {
    /// Is there one in `folder`?
    #[must_use]
    pub fn is_at(folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }

    /// Reads `encoder.toml`.
    ///
    /// # Errors
    /// [`ImportError::Io`] if it cannot be read, [`ImportError::File`] if it makes no sense.
    pub fn load(folder: &Path) -> Result<Self, ImportError> {
        let path = folder.join(FILE);
        let text =
            fs::read_to_string(&path).map_err(|source| ImportError::Io { path: path.clone(), source })?;
        let trained: Self = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            ImportError::file(&path, format!("line {line}: {}", error.message().replace('\n', ", ")))
        })?;
        let Self { labels, max_tokens, temperature, .. } = &trained;
        if !(2..=65_535).contains(&labels.len()) {
            let reason = format!("{} labels found, allowed are 2 to 65535", labels.len());
            return Err(ImportError::file(path, reason));
        }
        if !(1..=4096).contains(max_tokens) {
            return Err(ImportError::file(
                path,
                format!("max_tokens {max_tokens} found, allowed are 1 to 4096"),
            ));
        }
        if !(temperature.is_finite() && *temperature > 0.0) {
            return Err(ImportError::file(
                path,
                format!("temperature {temperature} found, it must be above 0"),
            ));
        }
        Ok(trained)
    }

    /// Writes `encoder.toml` into a folder that exists.
    ///
    /// # Errors
    /// [`ImportError::Io`] if it cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), ImportError> {
        let path = folder.join(FILE);
        let text = toml::to_string(self).map_err(|error| ImportError::file(&path, error.to_string()))?;
        fs::write(&path, text).map_err(|source| ImportError::Io { path, source })
    }

    /// The ranges that it was trained with; none if it was trained in floating point.
    ///
    /// # Errors
    /// [`ImportError::Io`] if the file cannot be read, [`ImportError::File`] if it is of another network.
    pub fn calibration(
        &self,
        folder: &Path,
        config: &BertConfig,
    ) -> Result<Option<Calibration>, ImportError> {
        if !self.quantised {
            return Ok(None);
        }
        let path = folder.join(Calibration::FILE);
        let bytes = fs::read(&path).map_err(|source| ImportError::Io { path: path.clone(), source })?;
        let calibration = Calibration::from_bytes(&bytes, config);
        calibration.map(Some).map_err(|reason| ImportError::file(path, reason))
    }

    /// The network of the folder with its head.
    ///
    /// # Errors
    /// [`ImportError::File`] if a case has no place for its pooling or its head, or as [`Bert::load`].
    pub fn network(&self, folder: &Path) -> Result<Network, ImportError> {
        let pooling = match self.pooling {
            PoolingKind::Cls => EncoderPooling::First,
            PoolingKind::Mean => EncoderPooling::Mean,
            PoolingKind::Max | PoolingKind::Attention => {
                let reason = format!("pooling {:?} found, a case allows cls and mean", self.pooling);
                return Err(ImportError::file(folder.join(FILE), reason.to_lowercase()));
            }
        };
        if self.head == HeadKind::Mlp {
            let reason = "head mlp found, a case allows linear";
            return Err(ImportError::file(folder.join(FILE), reason));
        }
        let bert = Bert::load(folder)?;
        let file = TensorFile::read(&folder.join(HEAD))?;
        let tensors = file.tensors("")?;
        let classes = self.labels.len();
        let weights = tensors.matrix("weight", classes, bert.config.hidden_size)?;
        let head = LinearHead { weights, bias: tensors.numbers("bias", &[classes])? };
        Ok(Network { bert, pooling, head })
    }
}
