//! candle, which reads no graph: its BERT over the folder of Hugging Face, with the mean of the tokens at the end.

use std::path::Path;

use anyhow::Context;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};

use super::{Engine, version_of};

/// A network of single floats.
pub(super) struct Network(BertModel);

impl Network {
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).with_context(|| format!("{}", path.display()))
        };
        let config: Config = serde_json::from_slice(&read("config.json")?)?;
        let weights =
            VarBuilder::from_buffered_safetensors(read("model.safetensors")?, DType::F32, &Device::Cpu)?;
        Ok(Self(BertModel::load(weights, &config)?))
    }
}

impl Engine for Network {
    fn version(&self) -> String {
        format!("candle {}", version_of("candle-core"))
    }

    fn run(&mut self, ids: &[u32]) -> anyhow::Result<Vec<f32>> {
        let ids = Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?;
        let tokens = self.0.forward(&ids, &ids.zeros_like()?, None)?;
        Ok(tokens.mean(1)?.squeeze(0)?.to_vec1()?)
    }
}
