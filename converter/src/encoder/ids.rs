//! Ids of texts, by the tokenizer that a device runs.

use std::fs;
use std::path::Path;

use typecase_text::subword::{Cell, Scratch, Tokenizer};

use super::error::ImportError;
use crate::tokenizer::{CompileError, Options, compile};

/// The tokenizer of a model's folder.
#[derive(Clone, Debug)]
pub struct TextIds {
    /// The section of a case.
    pub table: Vec<u8>,
    max_tokens: usize,
}

impl TextIds {
    /// Compiles `tokenizer.json`: at most `max_tokens` ids of a text, no padding.
    ///
    /// # Errors
    /// [`ImportError::Io`] if it cannot be read, [`ImportError::Tokenizer`] if it is refused.
    pub fn open(folder: &Path, max_tokens: u32) -> Result<Self, ImportError> {
        let path = folder.join("tokenizer.json");
        let json = fs::read_to_string(&path).map_err(|source| ImportError::Io { path, source })?;
        Self::compile(&json, max_tokens)
    }

    /// As [`Self::open`], from the text of `tokenizer.json`.
    ///
    /// # Errors
    /// [`ImportError::Tokenizer`] if it is refused.
    pub fn compile(json: &str, max_tokens: u32) -> Result<Self, ImportError> {
        let options = Options { max_tokens: Some(max_tokens), keep_padding: false, ..Options::default() };
        let table = compile(json, &options)?.table;
        Tokenizer::parse(&table).map_err(CompileError::from)?;
        Ok(Self { table, max_tokens: max_tokens as usize })
    }

    /// All ids are below this.
    ///
    /// # Panics
    /// If [`Self::table`] was replaced by one that is none.
    #[must_use]
    pub fn rows(&self) -> u32 {
        Tokenizer::view(&self.table).expect("the table was checked").ids()
    }

    /// The ids of a text, special ones included.
    ///
    /// # Panics
    /// If [`Self::table`] was replaced by one that is none, or that pads texts beyond its truncation.
    #[must_use]
    pub fn ids(&self, text: &str) -> Vec<u32> {
        let tokenizer = Tokenizer::view(&self.table).expect("the table was checked");
        let mut cells = vec![Cell::default(); tokenizer.scratch_cells()];
        let mut ids = vec![0; self.max_tokens];
        let encoded = tokenizer.encode_into(text.as_bytes(), &mut ids, &mut Scratch::new(&mut cells));
        ids.truncate(encoded.expect("there is room for what the truncation leaves").len);
        ids
    }
}
