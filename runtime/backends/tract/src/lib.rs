//! Runs cases with [tract](https://github.com/sonos/tract): ONNX on the CPU, in Rust alone.
//!
//! Nothing has to be installed, so this is the second opinion that every machine has: it computes the graph of
//! `typecase-onnx` with code that shares nothing with the kernels.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use typecase_engine::{Case, backend::{self, Backend}};
//! use typecase_tract::Tract;
//!
//! let file = std::fs::read("models/news-64k.case")?;
//! let case = Case::parse(file.as_slice())?;
//! let program = Tract.prepare(&case)?; // shared between threads
//! let mut scorer = program.scorer()?; // one a thread
//! backend::check(&case, scorer.as_mut())?; // before any answer counts
//! let mut scores = vec![0; case.labels().len() as usize];
//! scorer.scores_into(&[3, 14, 15], &mut scores)?;
//! # Ok(()) }
//! ```
//!
//! # Guarantees
//! Scores are the exact integers of the native engine, for every number of ids from none to [`Cost::ids`]. The graph is
//! read and optimised once for all lengths; threads share its numbers. No file, network or environment is touched, no
//! thread is started.
//!
//! # Non-guarantees
//! tract allocates inside a call, in proportion to the ids; the native engine does not. It keeps the rows as 32-bit
//! integers: four to eight times the bytes of the case.
//!
//! [`Cost::ids`]: typecase_engine::Cost::ids
#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Arc;

use tract_onnx::prelude::{
    Framework, InferenceModelExt, IntoRunnable, IntoTValue, Tensor, TractError, TractResult,
    TypedRunnableModel, TypedSimpleState, tensor1, tvec,
};
use typecase_engine::Case;
use typecase_engine::backend::{Backend, Found, Program, Scorer, Unavailable};
use typecase_onnx::{InputError, Inputs};

/// Version of tract, which does not say it itself; a test compares it with the lock file.
pub const VERSION: &str = "0.23.9";

/// What helps when tract does not.
const REMEDY: &str = "use the native engine, and please report the case";

/// The engine: always there, on the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tract;

impl Backend for Tract {
    fn name(&self) -> &'static str {
        "tract"
    }

    fn probe(&self) -> Result<Found, Unavailable> {
        Ok(Found { version: format!("tract {VERSION}"), device: "CPU".to_owned() })
    }

    fn prepare(&self, case: &Case<&[u8]>) -> Result<Box<dyn Program>, Unavailable> {
        let graph = typecase_onnx::emit(case)
            .map_err(|error| Unavailable::new(error.to_string(), "use the native engine"))?;
        let plan = plan(&graph).map_err(|error| failed("read the graph", &error))?;
        let device = format!("tract {VERSION}, CPU");
        Ok(Box::new(TractProgram { plan, inputs: Inputs::of(case).into(), device }))
    }
}

/// A case as tract holds it.
struct TractProgram {
    plan: Arc<TypedRunnableModel>,
    inputs: Arc<Inputs>,
    device: String,
}

impl Program for TractProgram {
    fn device(&self) -> &str {
        &self.device
    }

    fn scorer(&self) -> Result<Box<dyn Scorer>, Unavailable> {
        let state = self.plan.spawn().map_err(|error| failed("start", &error))?;
        Ok(Box::new(TractScorer { state, inputs: Arc::clone(&self.inputs), ids: Vec::new() }))
    }
}

impl fmt::Debug for TractProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TractProgram").field("device", &self.device).finish_non_exhaustive()
    }
}

/// One thread's values between the operators.
struct TractScorer {
    state: TypedSimpleState,
    inputs: Arc<Inputs>,
    ids: Vec<i64>,
}

impl Scorer for TractScorer {
    fn scores_into(&mut self, ids: &[u32], scores: &mut [i32]) -> Result<(), Unavailable> {
        let wrong = |error: InputError| Unavailable::new(error.to_string(), InputError::REMEDY);
        let factor = self.inputs.fill(ids, &mut self.ids).map_err(wrong)?;
        let inputs = tvec![tensor1(&self.ids).into_tvalue(), tensor1(&[factor]).into_tvalue()];
        let copied = self.state.run(inputs).and_then(|outputs| {
            let output = outputs.first().map(|value| &**value);
            copy(output, scores)
        });
        copied.map_err(|error| {
            // A run that stopped half way leaves its values behind. Clearing them cannot fail.
            let _ = self.state.reset_turn();
            failed("run the graph", &error)
        })
    }
}

impl fmt::Debug for TractScorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TractScorer").finish_non_exhaustive()
    }
}

/// The graph, made ready for texts of every length.
fn plan(mut graph: &[u8]) -> TractResult<Arc<TypedRunnableModel>> {
    tract_onnx::onnx().model_for_read(&mut graph)?.into_optimized()?.into_runnable()
}

fn copy(output: Option<&Tensor>, scores: &mut [i32]) -> TractResult<()> {
    let found = match output {
        Some(tensor) => tensor.try_as_plain_ram()?.as_slice::<i32>()?,
        None => &[],
    };
    if found.len() != scores.len() {
        return Err(TractError::msg(format!("{} scores, place for {}", found.len(), scores.len())));
    }
    scores.copy_from_slice(found);
    Ok(())
}

fn failed(what: &str, error: &TractError) -> Unavailable {
    Unavailable::new(format!("tract cannot {what}: {error:#}"), REMEDY)
}
