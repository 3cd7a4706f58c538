//! The tokenizer core of Typecase: bytes in, feature ids out. The trainer, the converter, every binding and every
//! device call this crate, so that a text means the same everywhere.
//!
//! ```
//! use typecase_text::{NgramSpec, Ngrams};
//!
//! let ngrams = Ngrams::new(NgramSpec::words(2)).unwrap();
//! let mut features = [0u32; 8];
//! let found = ngrams.features_into(b"Oil &amp; gas: OIL prices", &mut features);
//! assert_eq!(found.words, 4); // oil, gas, oil, prices
//! assert_eq!(found.len, 4 + 3); // and three pairs of neighbours
//! ```
//!
//! **Guarantees**: no allocation, no panic on any bytes, one pass with a look-ahead of at most
//! [`normalize::ENTITY_LOOK_AHEAD`] bytes, time linear in the text, the same ids on every target. Whatever was cut or
//! could not be decoded is counted in [`Encoded`]. Unicode properties come from tables generated once
//! ([`UNICODE_VERSION`]), never from the platform.
//!
//! [`subword`] has WordPiece, byte-level BPE and Unigram tokenizers, equal to `tokenizers` in ids, places and words. **Not
//! here yet**: one table in the case that holds their parts, and pushing a text in pieces.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::panic,
    clippy::expect_used,
    clippy::std_instead_of_core,
    clippy::alloc_instead_of_core
)]
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, reason = "tests may overflow: that is a failed test")
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod entity;
pub mod hash;
pub mod ngrams;
pub mod normalize;
pub mod subword;
#[rustfmt::skip]
mod tables;
pub mod unicode;
pub mod vocabulary;

pub use ngrams::{Encoded, Features, NgramSpec, Ngrams, Placed, SpecError};
pub use normalize::{Normalizer, Symbol};
pub use unicode::UNICODE_VERSION;
pub use vocabulary::{Vocabulary, VocabularyError};
