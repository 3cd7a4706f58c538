//! How texts become features while a model is made: by the functions that the device calls, and by no others.

use std::ops::ControlFlow;

use typecase_engine::{Cell, Encoded, Ngrams, Tokenizer};
use typecase_text::{TokenMemory, TokenNgrams, TokenSpec};

use crate::checkpoint::TextSettings;
use crate::error::ConvertError;

/// Tokens of a text that are looked at if the settings do not say it.
pub const DEFAULT_MAX_TOKENS: u32 = 512;

/// A sub-word tokenizer: what it was made from, and what devices read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subword {
    /// `tokenizer.json`, for people and for other programs.
    pub json: String,
    /// The table that was compiled from it: the section of the case.
    pub table: Vec<u8>,
}

/// Cuts texts into features: hashed n-grams of words, or of the tokens of a sub-word tokenizer.
#[derive(Clone, Debug)]
pub enum Cutter<'t> {
    /// N-grams of words.
    Words(Ngrams),
    /// N-grams of tokens.
    Tokens(Box<TokenNgrams<'t>>),
}

/// One thread's memory for a [`Cutter`].
#[derive(Clone, Debug, Default)]
pub struct CutMemory {
    tokens: Vec<u32>,
    cells: Vec<Cell>,
}

impl<'t> Cutter<'t> {
    /// Of these settings, with the table of a sub-word tokenizer if there is one.
    ///
    /// # Errors
    /// [`ConvertError::Options`] if the table is none, a setting is out of range, or it means nothing to the tokenizer.
    pub fn new(text: &TextSettings, table: Option<&'t [u8]>) -> Result<Self, ConvertError> {
        text.check_units(table.is_some())?;
        let Some(table) = table else { return text.ngrams().map(Self::Words) };
        let bad = |e: &dyn std::fmt::Display| ConvertError::Options(e.to_string());
        let tokenizer = Tokenizer::parse(table).map_err(|e| bad(&e))?;
        let TextSettings { word_ngrams: ngram_max, skips, max_bytes, .. } = *text;
        let max_tokens = text.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
        let spec = TokenSpec { ngram_max, skips, max_bytes, max_tokens };
        TokenNgrams::new(tokenizer, spec).map(|ngrams| Self::Tokens(Box::new(ngrams))).map_err(|e| bad(&e))
    }

    /// The memory that each thread needs.
    #[must_use]
    pub fn memory(&self) -> CutMemory {
        match self {
            Self::Words(_) => CutMemory::default(),
            Self::Tokens(ngrams) => CutMemory {
                tokens: vec![0; ngrams.max_tokens()],
                cells: vec![Cell::default(); ngrams.tokenizer().scratch_cells()],
            },
        }
    }

    /// Hands every feature of a text to `sink`, in the order of the text. In the answer `len` is 0.
    ///
    /// # Shapes
    /// `memory`: from [`Self::memory`].
    pub fn scan(
        &self,
        text: &[u8],
        memory: &mut CutMemory,
        mut sink: impl FnMut(u32) -> ControlFlow<()>,
    ) -> Encoded {
        match self {
            Self::Words(ngrams) => ngrams.scan(text, |feature, _| sink(feature)),
            Self::Tokens(ngrams) => {
                let CutMemory { tokens, cells } = memory;
                ngrams.scan(text, TokenMemory { tokens, cells }, |feature, _| sink(feature))
            }
        }
    }
}

impl TextSettings {
    /// Do the settings fit n-grams of words, or of the tokens of a sub-word tokenizer?
    ///
    /// # Errors
    /// [`ConvertError::Options`] names the first that does not.
    pub fn check_units(&self, has_tokenizer: bool) -> Result<(), ConvertError> {
        let bad = |reason: String| Err(ConvertError::Options(reason));
        if !has_tokenizer {
            return match self.max_tokens {
                Some(max) => bad(format!("text.max_tokens {max} found, it needs a sub-word tokenizer")),
                None => Ok(()),
            };
        }
        let of_words = [
            ("char_ngrams_min", self.char_ngrams_min != 0),
            ("char_ngrams_max", self.char_ngrams_max != 0),
            ("marks", self.marks),
            ("cased", self.cased),
        ];
        if let Some((name, _)) = of_words.into_iter().find(|(_, is_set)| *is_set) {
            return bad(format!("text.{name} is set, a sub-word tokenizer has no use for it"));
        }
        match self.max_tokens {
            Some(max) if !(1..=65_535).contains(&max) => {
                bad(format!("text.max_tokens {max} found, allowed are 1 to 65535"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_mean_nothing_to_the_tokenizer_are_named() {
        let base = TextSettings::default();
        let table = [
            (TextSettings { max_tokens: Some(9), ..base }, false, "text.max_tokens 9 found, it needs"),
            (TextSettings { max_tokens: Some(0), ..base }, true, "text.max_tokens 0 found, allowed"),
            (TextSettings { max_tokens: Some(65_536), ..base }, true, "text.max_tokens 65536 found"),
            (TextSettings { marks: true, ..base }, true, "text.marks is set"),
            (TextSettings { cased: true, ..base }, true, "text.cased is set"),
            (TextSettings { char_ngrams_min: 1, ..base }, true, "text.char_ngrams_min is set"),
            (TextSettings { char_ngrams_max: 1, ..base }, true, "text.char_ngrams_max is set"),
        ];
        for (settings, has_tokenizer, expected) in table {
            let message = settings.check_units(has_tokenizer).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
        assert!(TextSettings { skips: true, max_tokens: Some(1), ..base }.check_units(true).is_ok());
        let message = Cutter::new(&base, Some(b"no table")).unwrap_err().to_string();
        assert!(message.starts_with("tokenizer has 8 bytes"), "{message}");
    }
}
