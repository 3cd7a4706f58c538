//! The state of an interrupted run: enough to go on bit for bit. One safetensors file in the run's folder.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::dual::{Model, PAIR, Pair, SIDES};
use crate::error::TrainError;
use crate::train::remove_file;

const FILE: &str = "state.safetensors";

/// Everything that is not computed again from recipe and data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    /// Stage, from 0.
    pub(crate) stage: usize,
    /// Epochs done in the stage.
    pub(crate) epoch: usize,
    /// Features at work, rising.
    pub(crate) features: Vec<u32>,
    /// What earlier stages made of each feature's gain.
    pub(crate) factors: Vec<f32>,
    /// Where the descent stands.
    pub(crate) model: Model,
    /// The model of the highest validation accuracy in this stage, of equals the one of lower loss.
    pub(crate) best: Model,
    /// That accuracy.
    pub(crate) best_accuracy: f64,
    /// Its validation loss.
    pub(crate) best_loss: f64,
    /// Epochs since then.
    pub(crate) stale: usize,
    /// Digest of recipe, seed and data: a state belongs to one run.
    pub(crate) run: String,
}

impl State {
    pub(crate) fn path(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    pub(crate) fn remove(folder: &Path) -> Result<(), TrainError> {
        remove_file(&Self::path(folder))
    }

    /// Writes the state beside the old one, then over it.
    pub(crate) fn save(&self, folder: &Path) -> Result<(), TrainError> {
        let path = Self::path(folder);
        let bytes =
            |values: &mut dyn Iterator<Item = f32>| values.flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
        let mut parts = vec![
            ("features".to_owned(), Dtype::U32, self.features.iter().flat_map(|f| f.to_le_bytes()).collect()),
            ("factors".to_owned(), Dtype::F32, bytes(&mut self.factors.iter().copied())),
        ];
        for (name, model) in [("model", &self.model), ("best", &self.best)] {
            for (index, pair) in model.pairs.iter().enumerate() {
                let weights = bytes(&mut pair.weights.iter().flatten().copied());
                parts.push((format!("{name}.{index}.weights"), Dtype::F32, weights));
                let duals = bytes(&mut pair.duals.iter().flatten().copied());
                parts.push((format!("{name}.{index}.duals"), Dtype::F32, duals));
            }
        }
        let metadata = HashMap::from([
            ("stage".to_owned(), self.stage.to_string()),
            ("epoch".to_owned(), self.epoch.to_string()),
            ("stale".to_owned(), self.stale.to_string()),
            ("best_accuracy_bits".to_owned(), self.best_accuracy.to_bits().to_string()),
            ("best_loss_bits".to_owned(), self.best_loss.to_bits().to_string()),
            ("run".to_owned(), self.run.clone()),
        ]);
        let views = parts.iter().map(|(name, dtype, bytes): &(String, Dtype, Vec<u8>)| {
            TensorView::new(*dtype, vec![bytes.len() / 4], bytes).map(|view| (name, view))
        });
        let views = views.collect::<Result<Vec<_>, _>>();
        let file = views
            .and_then(|views| safetensors::serialize(views, Some(metadata)))
            .map_err(|e| TrainError::Resume { path: path.clone(), reason: e.to_string() })?;
        let beside = path.with_extension("new");
        fs::write(&beside, file)
            .and_then(|()| fs::rename(&beside, &path))
            .map_err(|e| TrainError::io(path, e))
    }

    /// Reads the state of the run named by `run`, with so many classes and training texts.
    pub(crate) fn load(folder: &Path, run: &str, classes: usize, items: usize) -> Result<Self, TrainError> {
        let path = Self::path(folder);
        let file = match fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let reason =
                    "no saved state found, a run must have been interrupted in this folder".to_owned();
                return Err(TrainError::Resume { path, reason });
            }
            file => file.map_err(|e| TrainError::io(&path, e))?,
        };
        let bad = |reason: &str| TrainError::Resume { path: path.clone(), reason: reason.to_owned() };
        let damaged = || bad("the saved state is damaged, remove it and start again");
        let (_, header) = SafeTensors::read_metadata(&file).map_err(|_| damaged())?;
        let tensors = SafeTensors::deserialize(&file).map_err(|_| damaged())?;
        let metadata = header.metadata().clone().unwrap_or_default();
        if metadata.get("run").map(String::as_str) != Some(run) {
            return Err(bad("the saved state is of another recipe, seed or data, all must be the same"));
        }
        let number = |key: &str| metadata.get(key).and_then(|v| v.parse::<u64>().ok()).ok_or_else(damaged);
        let words = |name: &str| {
            let tensor = tensors.tensor(name).map_err(|_| damaged())?;
            Ok::<_, TrainError>(tensor.data().as_chunks::<4>().0.to_vec())
        };
        let floats = |name: &str| {
            Ok::<_, TrainError>(words(name)?.into_iter().map(f32::from_le_bytes).collect::<Vec<_>>())
        };
        let model = |name: &str| {
            let mut pairs = Vec::new();
            for index in 0.. {
                if tensors.tensor(&format!("{name}.{index}.weights")).is_err() {
                    break;
                }
                let weights = floats(&format!("{name}.{index}.weights"))?;
                let duals = floats(&format!("{name}.{index}.duals"))?;
                pairs.push(Pair {
                    weights: weights.as_chunks::<PAIR>().0.to_vec(),
                    duals: duals.as_chunks::<SIDES>().0.to_vec(),
                });
            }
            Ok::<_, TrainError>(Model { pairs })
        };
        let count = |key: &str| usize::try_from(number(key)?).map_err(|_| damaged());
        let state = Self {
            stage: count("stage")?,
            epoch: count("epoch")?,
            features: words("features")?.into_iter().map(u32::from_le_bytes).collect(),
            factors: floats("factors")?,
            model: model("model")?,
            best: model("best")?,
            best_accuracy: f64::from_bits(number("best_accuracy_bits")?),
            best_loss: f64::from_bits(number("best_loss_bits")?),
            stale: count("stale")?,
            run: run.to_owned(),
        };
        let n = state.features.len();
        let sound = |model: &Model| {
            model.pairs.len() == classes.div_ceil(PAIR)
                && model.pairs.iter().all(|pair| pair.weights.len() == n && pair.duals.len() == items)
        };
        if state.factors.len() != n || !sound(&state.model) || !sound(&state.best) {
            return Err(damaged());
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let pair =
            Pair { weights: vec![[1.5, -2.0]; 3], duals: vec![[0.0, f32::MIN_POSITIVE, 1.0, -0.0]; 2] };
        let model = Model { pairs: vec![pair.clone(), pair] };
        State {
            stage: 1,
            epoch: 7,
            features: vec![1, 5, u32::MAX],
            factors: vec![1.0, 0.1, 3.0],
            best: model.clone(),
            model,
            best_accuracy: 0.9,
            best_loss: 0.1 + 0.2,
            stale: 2,
            run: "abc".to_owned(),
        }
    }

    #[test]
    fn what_is_saved_is_loaded_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        state().save(folder.path()).unwrap();
        assert_eq!(State::load(folder.path(), "abc", 4, 2).unwrap(), state());
        State::remove(folder.path()).unwrap();
        State::remove(folder.path()).unwrap();
    }

    #[test]
    fn foreign_absent_and_damaged_states_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let message = |run: &str| State::load(folder.path(), run, 4, 2).unwrap_err().to_string();
        assert!(
            message("abc").ends_with("no saved state found, a run must have been interrupted in this folder")
        );
        state().save(folder.path()).unwrap();
        assert!(message("xyz").ends_with("is of another recipe, seed or data, all must be the same"));
        let path = State::path(folder.path());
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 8]).unwrap();
        assert!(message("abc").ends_with("the saved state is damaged, remove it and start again"));
    }
}
