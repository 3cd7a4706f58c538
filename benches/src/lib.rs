//! What the benches and the harnesses that measure peers share: labelled texts, the machine, peers in processes of their
//! own, the engines of others, the numbers of a series, an encoder of random numbers.
#![forbid(unsafe_code)]

pub mod machine;
pub mod peer;
pub mod peers;
pub mod series;
pub mod synthetic;
pub mod texts;

use std::path::PathBuf;

/// The root of the repository, where `models/`, `benches/` and `out/` are: cargo names the folder of this crate to what
/// it runs; without cargo the current folder is taken.
#[must_use]
pub fn repository() -> PathBuf {
    match std::env::var_os("CARGO_MANIFEST_DIR") {
        // The parent by name, not by `..`: the path is shown.
        Some(folder) => PathBuf::from(folder).parent().map_or_else(|| PathBuf::from("."), PathBuf::from),
        None => PathBuf::from("."),
    }
}
