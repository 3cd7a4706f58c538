//! The sub-word tokenizer of a run: from a file, or learnt from the texts to learn from.
//!
//! Learning and compiling are asked for in [`seam`] alone.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use typecase_convert::Subword;

use crate::error::TrainError;

/// Pieces to learn if the recipe does not say it.
const VOCABULARY: u32 = 8192;
/// How many may be asked for.
const ALLOWED: std::ops::RangeInclusive<u32> = 256..=65_536;

/// Which sub-word tokenizer: the table `[tokenizer]` of a recipe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenizerRecipe {
    /// A `tokenizer.json`, beside the recipe.
    pub file: Option<PathBuf>,
    /// What to learn from the training split, if there is no file.
    pub learn: Option<ModelName>,
    /// Pieces to learn, 256 to 65,536; without it 8,192.
    pub vocabulary: Option<u32>,
    /// Learn without the difference between cases; without it, so.
    pub lowercase: Option<bool>,
    /// The content of `file`.
    #[serde(skip)]
    pub json: Option<String>,
    /// The compiled table of `file`, where a program has one already; without it the run compiles.
    #[serde(skip)]
    pub table: Option<Vec<u8>>,
}

/// Kinds of models that can be learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelName {
    /// Longest match first, as in BERT.
    WordPiece,
    /// Merges of bytes, as in GPT-2.
    Bpe,
    /// The most probable pieces, as in XLNet.
    Unigram,
}

impl TokenizerRecipe {
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { file, learn, vocabulary, lowercase, .. } = self;
        match (file, learn) {
            (Some(_), Some(_)) => Err("tokenizer.file and tokenizer.learn found, one is allowed".to_owned()),
            (None, None) => Err("tokenizer has neither file nor learn, one is needed".to_owned()),
            (Some(_), None) if vocabulary.is_some() || lowercase.is_some() => {
                Err("tokenizer.vocabulary or tokenizer.lowercase found, a file has its own".to_owned())
            }
            _ => match vocabulary {
                Some(size) if !ALLOWED.contains(size) => {
                    Err(format!("tokenizer.vocabulary {size} found, allowed are 256 to 65536"))
                }
                _ => Ok(()),
            },
        }
    }

    /// Reads the file, which stands beside the recipe.
    pub(crate) fn read(&mut self, recipe: &Path) -> Result<(), TrainError> {
        if let Some(file) = &self.file {
            let path = recipe.parent().unwrap_or_else(|| Path::new("")).join(file);
            self.json = Some(fs::read_to_string(&path).map_err(|e| TrainError::io(path, e))?);
        }
        Ok(())
    }

    /// What of it decides the weights and does not stand in the recipe's text.
    pub(crate) fn content(&self) -> &str {
        self.json.as_deref().unwrap_or_default()
    }

    /// The tokenizer. `texts` are those to learn from, and no others: a tokenizer that knew the held-out texts would make
    /// them look easier than new ones are.
    pub(crate) fn prepare<'a>(
        &self,
        name: &str,
        texts: impl Iterator<Item = &'a str>,
    ) -> Result<Subword, TrainError> {
        let bad = |reason: String| TrainError::Recipe { path: name.into(), reason };
        let json = match (&self.json, self.learn) {
            (Some(json), _) => json.clone(),
            (None, Some(model)) => {
                let settings = seam::VocabularySettings {
                    model,
                    size: self.vocabulary.unwrap_or(VOCABULARY),
                    lowercase: self.lowercase.unwrap_or(true),
                };
                seam::learn(texts, &settings).map_err(bad)?
            }
            (None, None) => return Err(bad("the file of the tokenizer was not read".to_owned())),
        };
        let table = match &self.table {
            Some(table) => table.clone(),
            None => seam::compile(&json).map_err(bad)?,
        };
        Ok(Subword { json, table })
    }
}

/// What other parts of Typecase do for this one, in one place.
mod seam {
    use super::ModelName;

    /// What is learnt.
    #[derive(Clone, Copy, Debug)]
    #[allow(dead_code, reason = "read by what learns, which is not in this build")]
    pub(super) struct VocabularySettings {
        /// Kind of model.
        pub(super) model: ModelName,
        /// Pieces.
        pub(super) size: u32,
        /// Without the difference between cases.
        pub(super) lowercase: bool,
    }

    /// Learns a tokenizer and gives its `tokenizer.json`.
    pub(super) fn learn<'a>(
        _texts: impl Iterator<Item = &'a str>,
        _settings: &VocabularySettings,
    ) -> Result<String, String> {
        Err("tokenizer.learn found, learning a tokenizer is not in this build".to_owned())
    }

    /// Compiles a `tokenizer.json` into the table that devices read.
    pub(super) fn compile(_json: &str) -> Result<Vec<u8>, String> {
        Err("tokenizer.file found, compiling a tokenizer is not in this build".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        toml::from_str::<TokenizerRecipe>(text).map_err(|e| e.message().to_owned())?.check()
    }

    #[test]
    fn one_source_is_needed_and_settings_are_in_range() {
        let table = [
            ("", "tokenizer has neither file nor learn, one is needed"),
            (
                "file = \"t.json\"\nlearn = \"bpe\"",
                "tokenizer.file and tokenizer.learn found, one is allowed",
            ),
            (
                "file = \"t.json\"\nlowercase = true",
                "tokenizer.vocabulary or tokenizer.lowercase found, a file has its own",
            ),
            ("learn = \"bpe\"\nvocabulary = 255", "tokenizer.vocabulary 255 found, allowed are 256 to 65536"),
            (
                "learn = \"bpe\"\nvocabulary = 65537",
                "tokenizer.vocabulary 65537 found, allowed are 256 to 65536",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(checked(text).unwrap_err(), expected);
        }
        assert!(checked("learn = \"words\"").unwrap_err().contains("unknown variant `words`"));
        for name in ["wordpiece", "bpe", "unigram"] {
            assert_eq!(checked(&format!("learn = \"{name}\"\nvocabulary = 256\nlowercase = false")), Ok(()));
        }
        assert_eq!(checked("file = \"t.json\""), Ok(()));
    }
}
