//! `typecase export`: a case as a file that other engines read.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use typecase::engine::Payload;

use crate::failure::Failure;
use crate::format::thousands;
use crate::input;

/// Write a case as ONNX
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The case; without it the one that is built in
    #[arg(long, value_name = "FILE")]
    case: Option<PathBuf>,
    /// The ONNX file to write
    #[arg(long, value_name = "FILE")]
    onnx: PathBuf,
    /// Type of the numbers, for encoders; a bag has one precision, 32-bit integers
    #[arg(long, value_enum)]
    precision: Option<Precision>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Precision {
    F32,
    F16,
    Int8,
}

impl Export {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let case = input::open(self.case.as_deref())?;
        if let (Some(precision), Payload::Bag(_)) = (self.precision, case.payload()) {
            let asked = precision.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
            let message =
                format!("--precision {asked}: {} is a bag, its one precision is int32", case.name());
            return Err(
                Failure::input(message).help("leave --precision out: the scores are exact as they are")
            );
        }
        let model = typecase_onnx::emit(&*case)
            .map_err(|error| Failure::input(format!("{}: {error}", case.name())))?;
        input::write_whole(&self.onnx, &model)?;
        outln!(
            "{}: {} bytes, opset {}, of {}",
            self.onnx.display(),
            thousands(model.len() as u64),
            typecase_onnx::OPSET,
            case.name()
        );
        outln!("inputs   ids int64 [n], factor int32 [1]; ids come from the tokenizer of the case");
        outln!("output   scores int32 [{}], exactly those of the case", case.labels().len());
        Ok(())
    }
}
