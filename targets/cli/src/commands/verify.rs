//! `typecase verify`: is the file whole, and does every engine here give the answers that are written in it?

use std::path::PathBuf;

use clap::Args;
use typecase::engine::{Error as EngineError, FormatError};
use typecase::{Backend, ErrorKind};

use crate::failure::Failure;
use crate::format::{hex, thousands};
use crate::input;

/// Check a case: digest, and golden vectors on every backend present.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The case
    file: PathBuf,
}

impl Verify {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let case = typecase::open(&self.file).map_err(|error| {
            // Damage is what verification is for; what is no case at all is wrong input.
            let damaged = matches!(
                error.engine(),
                Some(EngineError::Format(
                    FormatError::HeaderDigest
                        | FormatError::SectionDigest { .. }
                        | FormatError::SectionCrc { .. }
                ))
            );
            if damaged { Failure::purpose(error.to_string()) } else { error.into() }
        })?;
        outln!("digest   sha256:{}, {} bytes", hex(&case.digest()), thousands(case.bytes().len() as u64));
        outln!("signed   no: a digest tells damage, not forgery");
        for &backend in Backend::IN_THIS_BUILD {
            let runnable = input::prepare(&case, backend, true)?;
            let vectors = runnable.session().verify().map_err(|error| match error.kind() {
                ErrorKind::InvalidCase => Failure::purpose(format!("{}: {error}", runnable.report().backend)),
                _ => error.into(),
            })?;
            outln!("{:<8} {vectors} golden vectors exact", runnable.report().backend);
        }
        Ok(())
    }
}
