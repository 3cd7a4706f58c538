//! One module a command: its arguments, then what it does with them.

pub(crate) mod bench;
pub(crate) mod classify;
pub(crate) mod convert;
pub(crate) mod data;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod inspect;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod tokenize;
pub(crate) mod train;
pub(crate) mod verify;

use std::io::Write;

use crate::failure::Failure;
use crate::format::{hex, thousands};
use crate::shipped;

/// `typecase --version [--verbose]`.
pub(crate) fn version(verbose: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "typecase {}", env!("CARGO_PKG_VERSION"))?;
    if verbose {
        let case = shipped::default_case()?;
        let bytes = thousands(case.bytes().len() as u64);
        writeln!(out, "built-in case: {} ({bytes} bytes, sha256:{})", case.name(), hex(&case.digest()))?;
        let provenance = case.provenance();
        if let (Some(accuracy), Some(items)) =
            (provenance.value("held_out_accuracy"), provenance.value("held_out_items"))
        {
            writeln!(out, "its accuracy: {accuracy} on {items} held-out texts")?;
        }
        let (major, minor, update) = typecase::engine::UNICODE_VERSION;
        writeln!(out, "Unicode tables: {major}.{minor}.{update}")?;
        let backends: Vec<String> =
            typecase::Backend::IN_THIS_BUILD.iter().map(ToString::to_string).collect();
        writeln!(out, "backends in this build: {}", backends.join(", "))?;
    }
    Ok(())
}
