//! tract.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tract_onnx::prelude::{
    Framework, InferenceModelExt, IntoRunnable, IntoTValue, Tensor, TypedRunnableModel, TypedSimpleState,
    tvec,
};

use super::{Engine, version_of};

/// A graph with what lies between its operators.
pub(super) struct Graph {
    state: TypedSimpleState,
}

impl Graph {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let model = tract_onnx::onnx().model_for_path(path).with_context(|| format!("{}", path.display()))?;
        let plan: Arc<TypedRunnableModel> = model.into_optimized()?.into_runnable()?;
        Ok(Self { state: plan.spawn()? })
    }
}

impl Engine for Graph {
    fn version(&self) -> String {
        format!("tract {}", version_of("tract-onnx"))
    }

    fn run(&mut self, ids: &[u32]) -> anyhow::Result<Vec<f32>> {
        let ids: Vec<i64> = ids.iter().map(|id| i64::from(*id)).collect();
        let ids = Tensor::from_shape(&[1, ids.len()], &ids)?;
        let outputs = self.state.run(tvec![ids.into_tvalue()])?;
        let scores = outputs.first().context("the graph gives nothing")?;
        Ok(scores.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
    }
}
