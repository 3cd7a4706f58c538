//! The program of a case as an ONNX graph, in the same 32-bit integers as `typecase-kernels`: every engine that
//! computes ONNX's integer operators gives the same scores.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let case = typecase_engine::Case::parse(std::fs::read("models/news-64k.case")?)?;
//! std::fs::write("news-64k.onnx", typecase_onnx::emit(&case)?)?;
//! let (ids, factor) = typecase_onnx::inputs_for(&case, &[3, 14, 15]); // the ids of a text, from the tokenizer
//! # let _ = (ids, factor);
//! # Ok(()) }
//! ```
//!
//! # Shapes
//! | value | type | shape | what it is |
//! | --- | --- | --- | --- |
//! | `ids` (input) | int64 | `[n]`, n at least 1 | the ids of a text, in any order, and any number of padding ids |
//! | `factor` (input) | int32 | `[1]` | the factor of the pooling's norm for the ids without padding |
//! | `scores` (output) | int32 | `[classes]` | the exact scores |
//!
//! The tokenizer, and the way from scores to probabilities, are not in the graph: they are the case's.
//!
//! # Guarantees
//! The operators are `Gather`, `ReduceSum`, `Mul`, `Div`, `Add` and `Max` of [`OPSET`], on int32 alone (ids and axes
//! are int64). No number on the way leaves 32 bits, no division meets a negative number, and no sum depends on its
//! order. Same case, same bytes. The graph carries no shapes for values between operators.
//!
//! # Non-guarantees
//! Engines differ in what they make of zero ids: [`inputs_for`] never asks them.
#![forbid(unsafe_code)]

mod bag;
mod graph;
mod inputs;
/// The messages of ONNX that a case is written with, generated from `onnx.proto`.
#[path = "generated/onnx.rs"]
pub mod proto;

use prost::Message as _;
use typecase_engine::{Case, Payload, Pooling};

pub use crate::inputs::{InputError, Inputs};
use crate::proto::{ModelProto, OperatorSetIdProto, StringStringEntryProto};

/// Version of the operators.
pub const OPSET: i64 = 17;
/// Version of the file's schema.
pub const IR_VERSION: i64 = 8;
/// What one protobuf message may hold.
pub const MAX_BYTES: u64 = i32::MAX as u64;

/// Why there is no graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The payload is of a kind that cannot be emitted.
    #[error("payload of a kind that cannot be written as ONNX, a bag can")]
    Payload,
    /// The graph is larger than protobuf allows.
    #[error("ONNX graph of {bytes} bytes, limit is {MAX_BYTES}")]
    TooLarge {
        /// Bytes of the graph, or of its numbers.
        bytes: u64,
    },
}

/// The case as an ONNX file.
///
/// # Errors
/// [`Error`] for a payload that is no bag, and for a bag whose rows pass [`MAX_BYTES`] as 32-bit numbers.
pub fn emit<B: AsRef<[u8]>>(case: &Case<B>) -> Result<Vec<u8>, Error> {
    let model = model(case)?;
    match model.encoded_len() as u64 {
        bytes if bytes > MAX_BYTES => Err(Error::TooLarge { bytes }),
        _ => Ok(model.encode_to_vec()),
    }
}

/// The inputs of the graph for the ids of a text: `ids`, of at least one entry, and `factor`.
///
/// A text without ids gets the [`padding_id`]; for graphs of fixed lengths the caller appends more of it, which changes
/// no score.
///
/// # Shapes
/// `ids`: as the tokenizer of the case gives them, at most `case.cost().ids`, or scores may pass 32 bits.
#[must_use]
pub fn inputs_for<B: AsRef<[u8]>>(case: &Case<B>, ids: &[u32]) -> (Vec<i64>, i32) {
    let mut padded: Vec<i64> = ids.iter().map(|&id| id.into()).collect();
    if padded.is_empty() {
        padded.push(padding_id(case));
    }
    (padded, case.norm(ids.len()).factor())
}

/// The id of the row of zeros, which is the last one.
#[must_use]
pub fn padding_id<B: AsRef<[u8]>>(case: &Case<B>) -> i64 {
    case.rows().into()
}

fn model<B: AsRef<[u8]>>(case: &Case<B>) -> Result<ModelProto, Error> {
    let Payload::Bag(bag) = case.payload() else { return Err(Error::Payload) };
    let graph = bag::graph(&bag, case.norm(0).shift(), case.name())?;
    let pooling = match bag.shape.pooling {
        Pooling::Sum => "sum",
        Pooling::Mean => "mean",
        Pooling::SquareRoot => "square-root",
    };
    let calibration = case.calibration();
    let digest: String = case.digest().iter().map(|byte| format!("{byte:02x}")).collect();
    // Names have no control characters: a line feed keeps them apart.
    let labels: Vec<&str> = case.labels().iter().collect();
    let metadata = [
        ("typecase.name", case.name().to_owned()),
        ("typecase.digest", format!("sha256:{digest}")),
        ("typecase.labels", labels.join("\n")),
        ("typecase.pooling", pooling.to_owned()),
        ("typecase.padding_id", padding_id(case).to_string()),
        ("typecase.max_ids", case.cost().ids.to_string()),
        ("typecase.score_scale", calibration.score_scale.to_string()),
        ("typecase.temperature", calibration.temperature.to_string()),
    ];
    let entry = |(key, value): (&str, String)| StringStringEntryProto {
        key: Some(key.to_owned()),
        value: Some(value),
    };
    Ok(ModelProto {
        ir_version: Some(IR_VERSION),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(OPSET) }],
        producer_name: Some("typecase".to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        doc_string: Some(DOC.to_owned()),
        graph: Some(graph),
        metadata_props: metadata.into_iter().map(entry).collect(),
    })
}

/// How a person with nothing but the file feeds it.
const DOC: &str = "\
ids: those of the case's tokenizer (typecase.max_ids at most); for a text without any, typecase.padding_id. \
factor, for n ids without padding, or 1 for none: 1 for pooling sum, n for mean, floor(sqrt(n * 65536)) for square-root. \
scores: exact integers; logits = scores * score_scale / temperature / norm, \
where the norm is the factor, for square-root the factor / 256.";

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    #[test]
    fn the_messages_are_generated_from_the_schema_that_is_here() {
        let digest: String = Sha256::digest(include_bytes!("../onnx.proto"))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let recorded = format!("//! Schema: sha256:{digest}");
        let generated = include_str!("generated/onnx.rs");
        assert!(
            generated.lines().any(|line| line == recorded),
            "onnx.proto has changed; run `cargo run` in runtime/backends/onnx/codegen"
        );
    }
}
