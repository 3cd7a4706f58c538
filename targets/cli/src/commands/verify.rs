//! `typecase verify`: is the file whole, and does every engine here give the answers that are written in it?

use std::path::PathBuf;

use clap::Args;
use typecase::engine::{Error as EngineError, FormatError};
use typecase::{Backend, ErrorKind, Probed};

use crate::failure::Failure;
use crate::format::{hex, thousands};
use crate::input::EngineArguments;

/// Check a case: digest, and golden vectors on every backend present.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The case
    file: PathBuf,
    #[command(flatten)]
    engines: EngineArguments,
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
        outln!(
            "{:<8} sha256:{}, {} bytes",
            "digest",
            hex(&case.digest()),
            thousands(case.bytes().len() as u64)
        );
        outln!("{:<8} no: a digest tells damage, not forgery", "signed");
        let options = self.engines.options(Backend::Native, true)?;
        let vectors = typecase::prepare(&case, &options)?.session().verify().map_err(wrong)?;
        outln!("{:<8} {vectors} golden vectors exact", Backend::Native);
        for &backend in Backend::IN_THIS_BUILD {
            for Probed { label, options, found } in self.engines.options(backend, true)?.probe() {
                if let Err(why) = found {
                    outln!("{label:<8} not here: {why}");
                    continue;
                }
                // Preparing runs the golden vectors.
                let runnable = typecase::prepare(&case, &options).map_err(wrong)?;
                outln!("{label:<8} {vectors} golden vectors exact on {}", runnable.report().device);
            }
        }
        Ok(())
    }
}

/// Answers that differ from the case are what verification is for.
fn wrong(error: typecase::Error) -> Failure {
    match error.kind() {
        ErrorKind::InvalidCase => Failure::purpose(format!("{}: {error}", Backend::Native)),
        _ => error.into(),
    }
}
