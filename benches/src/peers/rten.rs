//! rten.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rten::{Model, ModelOptions, RunOptions, ThreadPool};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

use super::{Engine, version_of};

/// A graph.
pub(super) struct Graph {
    model: Model,
    pool: Arc<ThreadPool>,
}

impl Graph {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let model = ModelOptions::with_all_ops().prepack_weights(true).load_file(path);
        let model = model.with_context(|| format!("{}", path.display()))?;
        Ok(Self { model, pool: Arc::new(ThreadPool::with_num_threads(1)) })
    }
}

impl Engine for Graph {
    fn version(&self) -> String {
        format!("rten {}", version_of("rten"))
    }

    fn run(&mut self, ids: &[u32]) -> anyhow::Result<Vec<f32>> {
        let ids: Vec<i32> = ids.iter().map(|id| id.cast_signed()).collect();
        let ids = NdTensor::from_data([1, ids.len()], ids);
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.pool)));
        let scores: NdTensor<f32, 2> = self.model.run_one(ids.into(), Some(options))?.try_into()?;
        Ok(scores.to_vec())
    }
}
