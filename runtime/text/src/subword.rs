//! Sub-word tokenizers: WordPiece, byte-level BPE and Unigram, equal to Hugging Face `tokenizers` in ids and offsets.
//!
//! # The way of a text
//! ```text
//! bytes -> added tokens -> segments -> cells -> normalisers -> splitters -> model -> ids -> template, truncation
//! ```
//! A text is cut into **segments**: a run of spaces and the word after it. A cut is made only where no step can see
//! across it: before an ASCII space that follows a *solid* character, one that every normaliser of this tokenizer
//! keeps, and that neither begins nor ends in white space then (the compiler proves which are). So one segment at a
//! time is worked on, in memory of a fixed size, and a text may come in pieces.
//!
//! Within a segment each character is a [`Cell`]: the character, the bytes of the text that it comes from, and marks.
//! Normalisers and splitters are steps from one row of cells to another; the models read words, which are runs of cells
//! between marks.
//!
//! # Use
//! ```
//! # use typecase_text::subword::{Cell, ModelTable, Scratch, Tokenizer, TokenizerParts};
//! # use typecase_text::subword::{normalize, split, template, wordpiece};
//! # #[cfg(feature = "alloc")] {
//! # let vocabulary = [("[UNK]", 0), ("oil", 1), ("price", 2), ("##s", 3)];
//! # let model = wordpiece::Builder { vocabulary: &vocabulary, unknown: "[UNK]", prefix: "##", max_characters: 100 };
//! # let parts = TokenizerParts {
//! #     added: &[],
//! #     normalizers: &normalize::write(&[normalize::NormalizerSpec::Lowercase]),
//! #     added_normalized: &[],
//! #     splitters: &split::write(&[split::Step::Bert]).unwrap(),
//! #     template: &template::Draft::default().write().unwrap(),
//! #     model: ModelTable::WordPiece(&model.to_bytes().unwrap()),
//! #     cells: 0,
//! #     max_bytes: 0,
//! # };
//! # let table = parts.to_bytes().unwrap();
//! let tokenizer = Tokenizer::parse(&table).unwrap(); // checked once, in place
//! let mut cells = [Cell::default(); 1024];
//! let mut scratch = Scratch::new(&mut cells[..tokenizer.scratch_cells()]);
//! let mut ids = [0; 512];
//! let encoded = tokenizer.encode_into(b"Oil prices", &mut ids, &mut scratch).unwrap();
//! assert_eq!(ids[..encoded.len], [1, 2, 3]);
//!
//! // The same text in pieces, cut anywhere.
//! let mut window = vec![0; tokenizer.window_bytes()];
//! let output = typecase_text::subword::Output { ids: &mut ids, spans: &mut [], special: true };
//! let mut stream = tokenizer.stream(output, &mut scratch, &mut window).unwrap();
//! stream.push(b"Oil pri");
//! stream.push(b"ces");
//! assert_eq!(stream.finish().unwrap(), encoded);
//! # }
//! ```
//!
//! # Limits
//! A segment of more characters than the tables allow is cut where it is full, and the result says so: only then may ids
//! differ from the reference. The limit is part of the tables, not of the device, so every device cuts
//! in the same place.
//!
//! # Source
//! The behaviour is that of `tokenizers` 0.23; its alignments (which original characters a token covers) are followed to
//! the letter, oddities included: see [`cell::Row::transform`].

pub mod added;
pub mod bpe;
pub mod cell;
pub mod double_array;
pub mod model;
pub mod normalize;
pub mod offsets;
pub mod split;
#[rustfmt::skip]
mod split_tables;
pub mod table;
#[rustfmt::skip]
mod tables;
#[rustfmt::skip]
mod tables_decompositions;
#[rustfmt::skip]
mod tables_pool;
pub mod template;
pub mod tokenizer;
pub mod unicode;
pub mod unigram;
pub mod wordpiece;

pub use cell::{Cell, Full, Row};
pub use model::{TableError, Token};
#[cfg(feature = "alloc")]
pub use table::{ModelTable, TokenizerParts};
pub use table::{REFERENCE_VERSION, TokenizerError};
pub use template::Span;
pub use tokenizer::{Encoded, MemoryError, Model, Output, Scratch, Stream, Tokenizer};
