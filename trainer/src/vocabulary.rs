//! Vocabularies of sub-word tokenizers, learnt from texts.
//!
//! [`learn`] (feature `vocabularies`) leaves a whole `tokenizer.json`, as Hugging Face `tokenizers` reads it. The same
//! texts and settings give the same bytes, in any process and on any number of threads: the trainers of that crate walk
//! hash maps, so merges are learnt by code of our own, and what the crate learns for Unigram is put in order afterwards.

use serde::{Deserialize, Serialize};

#[cfg(feature = "vocabularies")]
mod learn;
#[cfg(feature = "vocabularies")]
mod merges;
#[cfg(feature = "vocabularies")]
mod shape;
#[cfg(feature = "vocabularies")]
mod unigram;

#[cfg(feature = "vocabularies")]
pub use learn::learn;

/// Learns a vocabulary, in builds with the feature `vocabularies`.
///
/// # Errors
/// [`crate::TrainError::Vocabulary`] always: this build has not the feature.
#[cfg(not(feature = "vocabularies"))]
pub fn learn<'t>(
    _texts: impl Iterator<Item = &'t str>,
    _settings: &VocabularySettings,
) -> Result<String, crate::TrainError> {
    Err(crate::TrainError::Vocabulary(NOT_IN_THIS_BUILD.to_owned()))
}

#[cfg(not(feature = "vocabularies"))]
const NOT_IN_THIS_BUILD: &str = "learning one is not part of this build; `cargo build --release -p typecase-cli --features \
                                 vocabularies` makes one that can";

/// Pieces that a vocabulary may have.
const SIZES: core::ops::RangeInclusive<u32> = 256..=65536;

/// How words are cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VocabularyModel {
    /// Longest match first, as BERT has it.
    WordPiece,
    /// Merges of bytes, as RoBERTa has them.
    Bpe,
    /// The most probable pieces, as SentencePiece has them.
    Unigram,
}

/// Which vocabulary is learnt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VocabularySettings {
    /// How words are cut: `wordpiece`, `bpe` or `unigram`.
    pub model: VocabularyModel,
    /// Pieces at most, special ones included: 256 to 65,536. Few texts give fewer.
    pub size: u32,
    /// Upper case is read as lower case, and accents are dropped by WordPiece.
    pub lowercase: bool,
    /// WordPiece and BPE make no piece that was met less often, Unigram does not learn from a word that was.
    pub min_count: u32,
}

impl Default for VocabularySettings {
    fn default() -> Self {
        Self { model: VocabularyModel::WordPiece, size: 8192, lowercase: true, min_count: 2 }
    }
}

impl VocabularySettings {
    /// Checks the numbers.
    ///
    /// # Errors
    /// What was found and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let Self { size, min_count, .. } = self;
        if !SIZES.contains(size) {
            return Err(format!(
                "vocabulary.size {size} found, allowed are {} to {}",
                SIZES.start(),
                SIZES.end()
            ));
        }
        // At 256 the bytes alone would fill a byte-level vocabulary, and leave no room for the special tokens.
        if self.model == VocabularyModel::Bpe && *size < 512 {
            return Err(format!("vocabulary.size {size} found, a byte-level one needs 512 at least"));
        }
        if *min_count == 0 {
            return Err("vocabulary.min_count 0 found, it must be above 0".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_defaults_and_refuse_what_they_do_not_know() {
        let read =
            |text: &str| toml::from_str::<VocabularySettings>(text).map_err(|e| e.message().to_owned());
        assert_eq!(read(""), Ok(VocabularySettings::default()));
        let bpe = read("model = \"bpe\"\nsize = 4096\nlowercase = false").unwrap();
        assert_eq!((bpe.model, bpe.size, bpe.lowercase), (VocabularyModel::Bpe, 4096, false));
        assert!(read("sizes = 4096").unwrap_err().contains("unknown field `sizes`"));
        assert!(read("model = \"words\"").is_err());
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let with = |size, min_count| VocabularySettings { size, min_count, ..Default::default() }.check();
        assert_eq!(with(255, 2), Err("vocabulary.size 255 found, allowed are 256 to 65536".to_owned()));
        assert!(with(256, 1).is_ok() && with(65536, 2).is_ok() && with(65537, 2).is_err());
        assert!(with(256, 0).is_err());
        let bpe = VocabularySettings { model: VocabularyModel::Bpe, size: 511, ..Default::default() };
        assert!(bpe.check().is_err());
    }
}
