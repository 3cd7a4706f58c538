//! The sub-word tokenizer of a run: from a file, or learnt from the texts to learn from.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use typecase_convert::Subword;
use typecase_convert::tokenizer::{Options, compile};

use crate::error::TrainError;
use crate::vocabulary::{VocabularyModel, VocabularySettings, learn};

/// Which sub-word tokenizer: the table `[tokenizer]` of a recipe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenizerRecipe {
    /// A `tokenizer.json`, beside the recipe.
    pub file: Option<PathBuf>,
    /// What to learn from the training split, if there is no file.
    pub learn: Option<VocabularyModel>,
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

impl TokenizerRecipe {
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { file, learn, vocabulary, lowercase, .. } = self;
        match (file, learn) {
            (Some(_), Some(_)) => Err("tokenizer.file and tokenizer.learn found, one is allowed".to_owned()),
            (None, None) => Err("tokenizer has neither file nor learn, one is needed".to_owned()),
            (Some(_), None) if vocabulary.is_some() || lowercase.is_some() => {
                Err("tokenizer.vocabulary or tokenizer.lowercase found, a file has its own".to_owned())
            }
            (Some(_), None) => Ok(()),
            (None, Some(model)) => self
                .settings(*model)
                .check()
                .map_err(|e| e.replacen("vocabulary.size", "tokenizer.vocabulary", 1)),
        }
    }

    fn settings(&self, model: VocabularyModel) -> VocabularySettings {
        let default = VocabularySettings::default();
        VocabularySettings {
            model,
            size: self.vocabulary.unwrap_or(default.size),
            lowercase: self.lowercase.unwrap_or(default.lowercase),
            ..default
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

    /// The tokenizer, with at most so many tokens of a text. `texts` are those to learn from, and no others: a tokenizer
    /// that knew the held-out texts would make them look easier than new ones are.
    pub(crate) fn prepare<'a>(
        &self,
        name: &str,
        max_tokens: u32,
        texts: impl Iterator<Item = &'a str>,
    ) -> Result<Subword, TrainError> {
        let bad = |reason: String| TrainError::Recipe { path: name.into(), reason };
        let json = match (&self.json, self.learn) {
            (Some(json), _) => json.clone(),
            (None, Some(model)) => learn(texts, &self.settings(model))?,
            (None, None) => return Err(bad("the file of the tokenizer was not read".to_owned())),
        };
        let table = match &self.table {
            Some(table) => table.clone(),
            None => {
                // A bag takes any number of tokens: padding would only add rows.
                let options =
                    Options { max_tokens: Some(max_tokens), keep_padding: false, ..Options::default() };
                let file = self.file.as_deref().unwrap_or_else(|| Path::new("tokenizer.json"));
                let refused = |e| bad(format!("{}: {e}", file.display()));
                compile(&json, &options).map_err(refused)?.table
            }
        };
        Ok(Subword { json, table })
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
            (
                "learn = \"unigram\"\nvocabulary = 255",
                "tokenizer.vocabulary 255 found, allowed are 256 to 65536",
            ),
            (
                "learn = \"bpe\"\nvocabulary = 65537",
                "tokenizer.vocabulary 65537 found, allowed are 256 to 65536",
            ),
            (
                "learn = \"bpe\"\nvocabulary = 256",
                "tokenizer.vocabulary 256 found, a byte-level one needs 512 at least",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(checked(text).unwrap_err(), expected);
        }
        assert!(checked("learn = \"words\"").unwrap_err().contains("unknown variant `words`"));
        for name in ["wordpiece", "bpe", "unigram"] {
            assert_eq!(checked(&format!("learn = \"{name}\"\nvocabulary = 512\nlowercase = false")), Ok(()));
        }
        assert_eq!(checked("file = \"t.json\""), Ok(()));
    }
}
