//! The case file: one container for everything a text classifier needs on a device.
//!
//! [`Container::parse`] is the only door: it believes nothing, allocates nothing, and costs time in proportion to the
//! file once (digest) and to the number of sections otherwise. What it returns is checked; the typed readers of
//! [`sections`] check their section whole before they answer. Every byte of the file is defined in `FORMAT.md`.
//!
//! ```
//! use typecase_case::{Container, Integrity, Kind, Writer};
//!
//! let mut writer = Writer::new();
//! writer.section(Kind::LABELS, typecase_case::sections::labels::encode(&["no", "yes"]).unwrap());
//! let bytes = writer.finish().unwrap();
//! let container = Container::parse(&bytes, Integrity::Digest).unwrap();
//! assert_eq!(container.sections().count(), 1);
//! ```
//!
//! **Features**: `write` (needs an allocator) adds [`Writer`] and the encoders. Same sections, same bytes.
//!
//! **Not promised**: a digest tells damage from health, not friend from forger; that takes a signature.
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

#[cfg(feature = "write")]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod container;
mod crc32;
mod error;
mod reader;
pub mod sections;
#[cfg(feature = "write")]
mod writer;

pub use container::{
    Container, Integrity, Kind, MAGIC, MAJOR, MAX_SECTIONS, MINOR, Record, SECTION_ALIGN, Section,
};
pub use error::Error;
pub use reader::Reader;
#[cfg(feature = "write")]
pub use writer::{EncodeError, Writer};
