//! Sessions: a case as ONNX Runtime holds it, and the way through it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::TensorRef;
use typecase_engine::Case;
use typecase_engine::backend::{Program, Scorer, Unavailable};
use typecase_onnx::{InputError, Inputs};

use crate::runtime::Runtime;
use crate::{Ort, Provider};

/// A case, ready for as many sessions as there are threads.
pub(crate) struct OrtProgram {
    engine: Ort,
    runtime: Runtime,
    graph: Vec<u8>,
    longest: usize,
    inputs: Arc<Inputs>,
    device: String,
    /// The one that showed that it works, for the first scorer.
    first: Mutex<Option<Session>>,
}

impl OrtProgram {
    pub(crate) fn new(engine: Ort, runtime: Runtime, case: &Case<&[u8]>) -> Result<Self, Unavailable> {
        let graph = typecase_onnx::emit(case)
            .map_err(|error| Unavailable::new(error.to_string(), "use the native engine"))?;
        let device = format!("ONNX Runtime {}, {}", runtime.version, engine.provider.title());
        let program = Self {
            longest: case.cost().ids,
            inputs: Arc::new(Inputs::of(case)),
            first: Mutex::default(),
            engine,
            runtime,
            graph,
            device,
        };
        let first = program.session()?;
        Ok(Self { first: Mutex::new(Some(first)), ..program })
    }

    fn session(&self) -> Result<Session, Unavailable> {
        let mut options = self.engine.options(&self.runtime, self.longest)?;
        options.commit_from_memory(&self.graph).map_err(|error| self.engine.failed("take the graph", &error))
    }
}

impl Program for OrtProgram {
    fn device(&self) -> &str {
        &self.device
    }

    fn scorer(&self) -> Result<Box<dyn Scorer>, Unavailable> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let session = first.map_or_else(|| self.session(), Ok)?;
        let (engine, inputs) = (self.engine.clone(), Arc::clone(&self.inputs));
        Ok(Box::new(OrtScorer { session, engine, inputs, ids: Vec::with_capacity(self.longest.max(1)) }))
    }
}

impl fmt::Debug for OrtProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrtProgram").field("device", &self.device).finish_non_exhaustive()
    }
}

/// One thread's session.
struct OrtScorer {
    session: Session,
    engine: Ort,
    inputs: Arc<Inputs>,
    ids: Vec<i64>,
}

impl OrtScorer {
    /// The scores of the ids in [`Self::ids`].
    fn run(&mut self, factor: i32, scores: &mut [i32]) -> ort::Result<()> {
        let ids = TensorRef::from_array_view(([self.ids.len()], self.ids.as_slice()))?;
        let factor = [factor];
        let factor = TensorRef::from_array_view(([1_usize], factor.as_slice()))?;
        let outputs = self.session.run(ort::inputs![ids, factor])?;
        let found: &[i32] = match outputs.get("scores") {
            Some(value) => value.try_extract_tensor()?.1,
            None => &[],
        };
        if found.len() != scores.len() {
            return Err(ort::Error::new(format!("{} scores, place for {}", found.len(), scores.len())));
        }
        scores.copy_from_slice(found);
        Ok(())
    }
}

impl Scorer for OrtScorer {
    fn scores_into(&mut self, ids: &[u32], scores: &mut [i32]) -> Result<(), Unavailable> {
        let wrong = |error: InputError| Unavailable::new(error.to_string(), InputError::REMEDY);
        let factor = self.inputs.fill(ids, &mut self.ids).map_err(wrong)?;
        self.run(factor, scores).map_err(|error| self.engine.failed("run the graph", &error))
    }
}

impl fmt::Debug for OrtScorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrtScorer").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// How a session is made: on the caller's thread, on this provider alone, for texts of at most `longest` ids.
pub(crate) fn options(runtime: &Runtime, provider: Provider, longest: usize) -> ort::Result<SessionBuilder> {
    let options = Session::builder(&runtime.environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_parallel_execution(false)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        // It plans for one length, and lengths vary.
        .with_memory_pattern(false)?
        .with_execution_providers([provider.dispatch(longest)])?;
    match provider {
        Provider::Cpu => Ok(options),
        // ONNX Runtime would else run on the CPU, without a word, what the provider does not take.
        Provider::TensorRt | Provider::Cuda => Ok(options.with_disable_cpu_fallback()?),
    }
}

#[cfg(test)]
#[path = "../tests/support/library.rs"]
mod library;

#[cfg(test)]
mod tests {
    use typecase_tests::minimal_case;

    use super::*;
    use crate::runtime;

    /// What keeps a program of a GPU from running on the CPU, shown without a GPU: no provider takes anything.
    #[test]
    fn a_session_that_may_not_use_the_cpu_is_refused_if_it_would() {
        let Some(file) = library::library_for("a session that may not use the CPU is refused") else {
            return;
        };
        let runtime = runtime::load(Some(&file)).unwrap();
        let file = minimal_case();
        let graph = typecase_onnx::emit(&Case::parse(file.as_slice()).unwrap()).unwrap();
        let options = Session::builder(&runtime.environment).unwrap();
        let mut options = options.with_disable_cpu_fallback().unwrap();
        let error = options.commit_from_memory(&graph).unwrap_err();
        assert!(error.message().contains("fallback to CPU EP has been explicitly disabled"), "{error}");
    }
}
