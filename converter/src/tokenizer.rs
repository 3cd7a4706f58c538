//! From a `tokenizer.json` of Hugging Face `tokenizers` to the table that a device reads.
//!
//! ```text
//! model           WordPiece, byte-level BPE, Unigram                       models.rs
//! added_tokens    looked for in the text, or in the normalised one         added.rs
//! normalizer      BertNormalizer, NFC ... Precompiled, Sequence            normalizers.rs
//! pre_tokenizer   BertPreTokenizer, ByteLevel, Metaspace ... Sequence      splitters.rs
//! post_processor  special tokens around one text, offsets                  template.rs
//! truncation, padding                                                      template.rs
//! ```
//! The ids are those of the reference, or the file is refused: what the tables cannot say, and every field that is not
//! known, is an error that names it. [`prune()`] leaves out the pieces that a domain does not need.
//!
//! ```no_run
//! use typecase_convert::tokenizer::{Options, compile};
//!
//! let json = std::fs::read_to_string("tokenizer.json")?;
//! let compiled = compile(&json, &Options { max_tokens: Some(128), ..Options::default() })?;
//! std::fs::write("tokenizer.table", &compiled.table)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Source
//! `tokenizers` 0.23: how each part is read from JSON, with the defaults and the forms of older versions.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use typecase_text::subword::{ModelTable, TokenizerParts};

mod added;
mod base64;
mod error;
mod json;
mod models;
mod normalizers;
pub mod prune;
mod splitters;
mod template;
#[cfg(test)]
mod tests;

pub use error::CompileError;
pub use prune::{PruneError, PruneOptions, PruneReport, Pruned, prune};

use added::Added;
use json::Node;
use models::Model;

/// The most ids that truncation or padding can ask for: the memory for them is asked of every text.
pub const MAX_TOKENS: u32 = 1 << 20;

/// What may be chosen; the default is what the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most ids of a text, special ones included, instead of the file's `truncation.max_length`; the direction stays
    /// that of the file, or right. At most [`MAX_TOKENS`].
    pub max_tokens: Option<u32>,
    /// Bytes of a text that are looked at; without it as many as a table can ask for.
    pub max_bytes: Option<u32>,
    /// Texts are padded as the file says. A model that takes any length has no use for it.
    pub keep_padding: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_tokens: None, max_bytes: None, keep_padding: true }
    }
}

/// How words become pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelKind {
    /// Longest match first.
    WordPiece,
    /// Merges of bytes.
    Bpe,
    /// The most probable pieces.
    Unigram,
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WordPiece => "WordPiece",
            Self::Bpe => "byte-level BPE",
            Self::Unigram => "Unigram",
        })
    }
}

/// A tokenizer that a device can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// What [`typecase_text::subword::Tokenizer::parse`] reads.
    pub table: Vec<u8>,
    /// The model.
    pub model: ModelKind,
    /// Pieces of its vocabulary.
    pub pieces: usize,
    /// Special tokens by name: those that the file calls special, and those that are put around a text.
    pub special_tokens: BTreeMap<String, u32>,
    /// What was left out because no id depends on it.
    pub notes: Vec<String>,
}

/// Compiles the text of a `tokenizer.json`.
///
/// # Errors
/// [`CompileError::Syntax`] if it is no JSON; else as [`compile_value`].
pub fn compile(json: &str, options: &Options) -> Result<Compiled, CompileError> {
    compile_value(&serde_json::from_str(json)?, options)
}

/// Compiles a `tokenizer.json` that has been read.
///
/// # Errors
/// [`CompileError::Field`] if something is missing or makes no sense, with its place in the file;
/// [`CompileError::Unsupported`] if the tables cannot say it; [`CompileError::Table`] if the parts do not fit together.
pub fn compile_value(json: &Value, options: &Options) -> Result<Compiled, CompileError> {
    let names = [
        "version",
        "truncation",
        "padding",
        "added_tokens",
        "normalizer",
        "pre_tokenizer",
        "post_processor",
        "decoder",
        "model",
    ];
    let file = Node::root(json).fields(&names)?;
    if let Some(version) = file.find("version")
        && version.text()? != "1.0"
    {
        return version.refuse(format!("found {}, expected \"1.0\"", error::quoted(version.text()?)));
    }
    if options.max_bytes == Some(0) {
        return Err(CompileError::field("max_bytes", "0 found, expected at least 1"));
    }
    let model = Model::read(&file.need("model")?)?;
    let normalizer = normalizers::compile(file.find("normalizer").as_ref())?;
    let splitter = splitters::compile(file.find("pre_tokenizer").as_ref())?;
    match (model.kind(), splitter.ends_in_bytes()) {
        (ModelKind::Bpe, false) => {
            return Err(CompileError::unsupported(
                "model \"BPE\" that is not byte-level is not supported; the last pre_tokenizer must be ByteLevel",
            ));
        }
        (ModelKind::WordPiece | ModelKind::Unigram, true) => {
            return Err(CompileError::unsupported(
                "pre_tokenizer \"ByteLevel\" is supported with model \"BPE\" only",
            ));
        }
        _ => {}
    }
    let around = template::read(file.find("post_processor").as_ref(), &model)?;
    let added = Added::read(file.find("added_tokens").as_ref(), &model)?;
    let added_tables = added.compile(&normalizer, around.draft.trims.is_some())?;

    let mut special_tokens = around.special.clone();
    special_tokens.extend(added.special.iter().map(|(name, id)| ((*name).to_owned(), *id)));
    let mut notes = Vec::new();
    if file.find("decoder").is_some() {
        notes.push("decoder is left out: it makes texts of ids".to_owned());
    }
    if file.find("padding").is_some() && !options.keep_padding {
        notes.push("padding is left out, as asked".to_owned());
    }
    if added.empty > 0 {
        notes.push(format!("{} added tokens without content are left out", added.empty));
    }

    let model_table = model.compile()?;
    let parts = TokenizerParts {
        added: &added_tables.raw,
        normalizers: &normalizer,
        added_normalized: &added_tables.normalized,
        splitters: &splitter.bytes,
        template: &around.write(&file, options)?,
        model: match model.kind() {
            ModelKind::WordPiece => ModelTable::WordPiece(&model_table),
            ModelKind::Bpe => ModelTable::Bpe(&model_table),
            ModelKind::Unigram => ModelTable::Unigram(&model_table),
        },
        cells: 0,
        max_bytes: options.max_bytes.unwrap_or(0),
    };
    let table = parts.to_bytes()?;
    Ok(Compiled { table, model: model.kind(), pieces: model.len(), special_tokens, notes })
}
