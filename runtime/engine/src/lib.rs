//! The engine: a checked [`Case`], a [`Session`] with memory from the caller, a [`Verdict`]. All that a
//! microcontroller needs; nothing here allocates, waits, or looks at anything but its arguments.
//!
//! ```no_run
//! # fn main() -> Result<(), typecase_engine::Error> {
//! # let flash: &[u8] = &[];
//! use typecase_engine::{Case, Memory, Session};
//!
//! let case = Case::parse(flash)?; // digest and structure; nothing is copied
//! let (mut ids, mut numbers) = ([0; 512], [0; 8]); // at least case.cost().ids and .numbers
//! let memory = Memory { ids: &mut ids, numbers: &mut numbers, ..Memory::default() };
//! let mut session = Session::new(&case, memory)?;
//! let verdict = session.classify("Oil prices soar to all-time record".as_bytes());
//! assert!(!verdict.truncated);
//! # Ok(()) }
//! ```
//!
//! **Guarantees**: any bytes are a text and get a verdict; the same scores on every target; time in proportion to the
//! text; no panic, no allocation, no `unsafe`.
//!
//! **Features**: `alloc`: `Buffers`, a session's memory from the heap. `backends` (with `alloc`): the traits that other
//! engines implement. `subword` (default): cases with a sub-word tokenizer, which else are refused; their sessions need
//! [`Memory::tokens`] and [`Memory::cells`] too. `encoder` (default): cases with an encoder, whose sessions need
//! [`Memory::cells`] and [`Memory::arena`]. `std`: kernels for the processor that is there, not only for what the target
//! promises.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::std_instead_of_core, clippy::alloc_instead_of_core, clippy::indexing_slicing, clippy::panic)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "backends")]
pub mod backend;
mod batch;
#[cfg(feature = "alloc")]
mod buffers;
mod case;
#[cfg(feature = "encoder")]
mod encoder;
mod error;
mod native;
mod session;
mod steps;
#[cfg(feature = "encoder")]
mod threads;
mod tokens;

pub use batch::{MOST_TEXTS, classify_batch};
#[cfg(feature = "alloc")]
pub use buffers::Buffers;
pub use case::{Case, Cost, Payload};
pub use error::Error;
pub use session::{Memory, Session, Verdict, classify};
pub use steps::Steps;
#[cfg(feature = "encoder")]
pub use threads::Join;
pub use typecase_case::sections::bag::{Bag, BagShape, Head, Pooling};
pub use typecase_case::sections::calibration::Calibration;
#[cfg(feature = "encoder")]
pub use typecase_case::sections::encoder::{Encoder, EncoderPooling, EncoderShape};
pub use typecase_case::sections::golden::{GoldenVector, GoldenVectors};
pub use typecase_case::sections::labels::Labels;
pub use typecase_case::sections::provenance::Provenance;
pub use typecase_case::sections::text::{TextSpec, Units};
pub use typecase_case::{Error as FormatError, Integrity, Kind, Record};
pub use typecase_kernels::Norm;
#[cfg(feature = "encoder")]
pub use typecase_kernels::encoder::Cpu;
pub use typecase_text::subword::Cell;
#[cfg(feature = "subword")]
pub use typecase_text::subword::{Model as TokenizerModel, Tokenizer, TokenizerError};
pub use typecase_text::{Encoded, NgramSpec, Ngrams, UNICODE_VERSION, Vocabulary};
