//! The stages of a bag: select features, descend, drop the least important, again.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::corpus::{Corpus, FeatureIndex};
use crate::dual::{self, Model, Problem};
use crate::error::TrainError;
use crate::log::Event;
use crate::random::Random;
use crate::recipe::{ClassWeights, TrainRecipe};
use crate::select;
use crate::state::State;

/// An unattended run loses at most this much work.
const SAVE_EVERY: Duration = Duration::from_secs(20);

/// What training is given.
pub(crate) struct Task<'a> {
    pub(crate) corpus: &'a Corpus,
    pub(crate) classes: usize,
    /// Texts to learn from.
    pub(crate) train: &'a [u32],
    /// What each of them should be, texts x classes; none if that is what the labels say.
    pub(crate) targets: Option<&'a [f32]>,
    /// Texts held out.
    pub(crate) validation: &'a [u32],
    pub(crate) recipe: &'a TrainRecipe,
    /// Where the state is saved.
    pub(crate) folder: &'a Path,
    /// Digest of recipe, seed and data.
    pub(crate) run: &'a str,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) started: Instant,
}

/// A trained bag: features, counts, and rows of one weight a class, gains included.
pub(crate) struct TrainedBag {
    pub(crate) features: Vec<u32>,
    pub(crate) counts: Vec<u32>,
    pub(crate) embedding: Vec<f32>,
}

/// Runs all stages, from the beginning or from a saved state.
pub(crate) fn train(
    task: &Task<'_>,
    resumed: Option<State>,
    on_event: &mut dyn FnMut(&Event),
) -> Result<TrainedBag, TrainError> {
    let stages = task.recipe.keep.len() + 1;
    let mut state = match resumed {
        Some(state) => {
            on_event(&Event::Resumed { stage: state.stage + 1, epoch: state.epoch });
            state
        }
        None => {
            let features = task.corpus.frequent(task.train, task.recipe.min_count);
            if features.is_empty() {
                let min = task.recipe.min_count;
                let reason = format!("train.min_count {min} found, no feature stands in so many texts");
                return Err(TrainError::Recipe { path: task.folder.to_owned(), reason });
            }
            let factors = vec![1.0; features.len()];
            fresh(task, 0, features, factors)
        }
    };
    loop {
        let stage = Stage::new(task, &state);
        let (number, features) = (state.stage + 1, state.features.len());
        on_event(&Event::Stage { stage: number, stages, features, epochs: task.recipe.epochs });
        stage.descend(task, &mut state, on_event)?;
        let sizes = select::row_sizes(&state.best, &stage.gains, task.classes);
        let Some(&keep) = task.recipe.keep.get(state.stage) else {
            return Ok(stage.finish(task, &state));
        };
        let power = task.recipe.importance_count_power;
        let kept = select::most_important(&sizes, &stage.counts, power, keep);
        let factor = |place: &usize| {
            let base = stage.gains[*place] / state.factors[*place];
            if task.recipe.reweight == 0.0 { 1.0 } else { (sizes[*place] / base).powf(task.recipe.reweight) }
        };
        let factors = kept.iter().map(factor).collect();
        let features = kept.iter().map(|&place| state.features[place]).collect();
        state = fresh(task, state.stage + 1, features, factors);
    }
}

/// The state at the beginning of a stage.
fn fresh(task: &Task<'_>, stage: usize, features: Vec<u32>, factors: Vec<f32>) -> State {
    let model = Model::new(task.classes, features.len(), task.train.len());
    let run = task.run.to_owned();
    State {
        stage,
        epoch: 0,
        features,
        factors,
        best: model.clone(),
        model,
        best_accuracy: -1.0,
        best_loss: f64::INFINITY,
        stale: 0,
        run,
    }
}

/// What a stage works with; computed again after a resume.
struct Stage {
    gains: Vec<f32>,
    /// Training texts with each feature.
    counts: Vec<u32>,
    train: crate::corpus::Matrix,
    validation: crate::corpus::Matrix,
    train_labels: Vec<u32>,
    validation_labels: Vec<u32>,
    costs: Vec<f32>,
}

impl Stage {
    fn new(task: &Task<'_>, state: &State) -> Self {
        let Task { corpus, classes, train, validation, recipe, .. } = *task;
        let index = FeatureIndex::new(&state.features);
        let class_counts = corpus.class_counts(train, &index, classes);
        let mut gains = select::gains(&class_counts, classes, train.len(), recipe);
        gains.iter_mut().zip(&state.factors).for_each(|(gain, factor)| *gain *= factor);
        let labels =
            |items: &[u32]| items.iter().map(|&item| corpus.labels[item as usize]).collect::<Vec<_>>();
        let train_labels = labels(train);
        Self {
            counts: class_counts.chunks_exact(classes).map(|counts| counts.iter().sum()).collect(),
            train: corpus.matrix(train, &index, &gains),
            validation: corpus.matrix(validation, &index, &gains),
            costs: costs(&train_labels, classes, recipe),
            train_labels,
            validation_labels: labels(validation),
            gains,
        }
    }

    /// Sweeps until the validation loss stops falling; leaves the best model in `state.best`.
    fn descend(
        &self,
        task: &Task<'_>,
        state: &mut State,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<(), TrainError> {
        let recipe = task.recipe;
        let offset = recipe.offset;
        let problem = Problem {
            rows: &self.train,
            labels: &self.train_labels,
            targets: task.targets,
            classes: task.classes,
            costs: &self.costs,
            offset,
        };
        let held_out = Problem {
            rows: &self.validation,
            labels: &self.validation_labels,
            targets: None,
            costs: &[],
            ..problem
        };
        let squares = dual::squares(&self.train);
        let mut saved = Instant::now();
        while state.epoch < recipe.epochs && state.stale < recipe.patience {
            let mut order: Vec<u32> = (0u32..).take(self.train.rows()).collect();
            // A seed per sweep, so that a resumed run needs no generator's state.
            Random::new(recipe.seed ^ ((state.stage as u64) << 32) ^ ((state.epoch as u64 + 1) << 48))
                .shuffle(&mut order);
            let largest_step = state.model.sweep(&problem, &squares, &order);
            state.epoch += 1;
            let score = state.model.score(&held_out, task.classes);
            if (score.accuracy, -score.loss) > (state.best_accuracy, -state.best_loss) {
                (state.best_accuracy, state.best_loss, state.stale) = (score.accuracy, score.loss, 0);
                state.best = state.model.clone();
            } else {
                state.stale += 1;
            }
            on_event(&Event::Epoch {
                stage: state.stage + 1,
                epoch: state.epoch,
                validation_loss: score.loss,
                validation_accuracy: score.accuracy,
                largest_step,
                seconds: task.started.elapsed().as_secs_f64(),
            });
            if task.stop.load(Ordering::Relaxed) {
                state.save(task.folder)?;
                let (stage, epoch) = (state.stage + 1, state.epoch);
                return Err(TrainError::Interrupted { stage, epoch, folder: task.folder.to_owned() });
            }
            if saved.elapsed() > SAVE_EVERY {
                state.save(task.folder)?;
                saved = Instant::now();
            }
        }
        Ok(())
    }

    fn finish(&self, task: &Task<'_>, state: &State) -> TrainedBag {
        let rows = self.gains.iter().enumerate();
        let embedding = rows.flat_map(|(feature, gain)| {
            (0..task.classes).map(move |class| state.best.weight(feature, class) * gain)
        });
        TrainedBag {
            embedding: embedding.collect(),
            features: state.features.clone(),
            counts: self.counts.clone(),
        }
    }
}

/// The cost of an error on each text.
fn costs(labels: &[u32], classes: usize, recipe: &TrainRecipe) -> Vec<f32> {
    let weights = match &recipe.class_weights {
        ClassWeights::None => vec![1.0; classes],
        ClassWeights::Each(weights) => weights.clone(),
        ClassWeights::Balanced => {
            let mut counts = vec![0u32; classes];
            labels.iter().for_each(|&label| counts[label as usize] += 1);
            counts.iter().map(|&n| labels.len() as f32 / (classes as f32 * n.max(1) as f32)).collect()
        }
    };
    labels.iter().map(|&label| recipe.cost * weights[label as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_make_classes_count_alike() {
        let recipe =
            TrainRecipe { cost: 1.0, class_weights: ClassWeights::Balanced, ..TrainRecipe::default() };
        let costs = costs(&[0, 0, 0, 1], 2, &recipe);
        assert_eq!(costs, [4.0 / 6.0, 4.0 / 6.0, 4.0 / 6.0, 2.0]);
        assert_eq!(costs[..3].iter().sum::<f32>(), costs[3]);
    }
}
