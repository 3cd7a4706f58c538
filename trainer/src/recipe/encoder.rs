//! The table `[encoder]` of a recipe: which pre-trained network, and how it learns.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use typecase_convert::encoder::{HeadKind, PoolingKind};

/// Which network is fine-tuned, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderRecipe {
    /// A folder of Hugging Face (`config.json`, `model.safetensors`, `tokenizer.json`), beside the recipe.
    pub folder: PathBuf,
    /// How the tokens of a text become one row: `mean`, `cls`, `max` or `attention`.
    #[serde(default)]
    pub pooling: PoolingKind,
    /// What turns the row into scores: `linear` or `mlp`.
    #[serde(default)]
    pub head: HeadKind,
    /// The folder is a checkpoint of this program, and its head goes on with it: same pooling, head and labels.
    #[serde(default)]
    pub keep_head: bool,
    /// Tokens of a text that are looked at, special ones included.
    #[serde(default = "max_tokens")]
    pub max_tokens: u32,
    /// The network is not the folder's: it has learnt nothing, and the folder gives the tokenizer alone.
    pub fresh: Option<FreshRecipe>,
    /// A smaller network is cut from it first.
    pub shrink: Option<ShrinkRecipe>,
    /// How it learns.
    #[serde(default)]
    pub training: EncoderTraining,
    /// Where the folder is found, if not at `folder`.
    #[serde(skip)]
    pub found: Option<PathBuf>,
}

const fn max_tokens() -> u32 {
    128
}

/// The sizes of a network that has learnt nothing. Its weights are random, as BERT's are at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreshRecipe {
    /// Layers.
    pub layers: usize,
    /// Numbers of a token, a multiple of the heads.
    pub width: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Width of the feed-forward networks.
    pub inner: usize,
}

/// What is left of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShrinkRecipe {
    /// Layers that stay, from 1; without it all.
    pub layers: Vec<usize>,
    /// Neurons of each feed-forward network that stay; without it all.
    pub inner: Option<usize>,
    /// Pieces of words that stay, at most: those that the training texts have most often. Without it all.
    pub vocabulary: Option<usize>,
}

/// How an encoder learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderTraining {
    /// Passes over the data.
    pub epochs: u32,
    /// Texts of a batch, at most.
    pub batch: usize,
    /// Tokens of a batch, padding included, at most: batches of long texts have fewer of them.
    pub batch_tokens: usize,
    /// Batches whose gradients make one step.
    pub accumulate: usize,
    /// Learning rate at its highest.
    pub rate: f64,
    /// The head's learning rate is so many times that of the network.
    pub head_rate: f64,
    /// The learning rate of each layer is this share of that of the layer after it; 1 for the same in all.
    pub layer_decay: f64,
    /// How the learning rate falls after the warm-up: `linear`, `cosine`, `polynomial`, `cyclic` or `constant`.
    pub schedule: Schedule,
    /// Exponent of `polynomial`.
    pub power: f64,
    /// Waves of `cyclic`.
    pub cycles: u32,
    /// Share of the steps in which the learning rate rises.
    pub warm_up: f64,
    /// Decay of weights, decoupled from the gradient; none on biases and LayerNorm.
    pub weight_decay: f64,
    /// AdamW: memory of the mean of the gradients.
    pub beta1: f64,
    /// AdamW: memory of the mean of their squares.
    pub beta2: f64,
    /// AdamW: added to the root of the mean square.
    pub epsilon: f64,
    /// Gradients longer than this are scaled down to it; 0 for none.
    pub clip: f64,
    /// Share of the target that is spread evenly over all classes.
    pub label_smoothing: f64,
    /// Exponent of the focal loss, which counts texts less that are right already; 0 for none.
    pub focal: f64,
    /// A second gradient at words moved so far, all of a batch together, in the direction in which the loss grows (FGM);
    /// 0 for none. Doubles the time of a step.
    pub adversarial: f64,
    /// Memory of the mean of the weights over the steps: it is what is evaluated and kept; 0 for the weights themselves.
    pub average: f64,
    /// Share of the steps after which the plain mean of the weights is taken instead (SWA); 0 for none. It is what is
    /// evaluated and kept.
    pub average_from: f64,
    /// Share of the pooled row that is dropped before the head.
    pub dropout: f64,
    /// Times that it is dropped anew for a batch; the loss is the mean (multi-sample dropout).
    pub dropout_samples: u32,
    /// Share that is dropped of the embedding and of what each half of a layer adds. Costs about a tenth of the time.
    pub inner_dropout: f64,
    /// Weight of how far two passes over a text are from each other that drop different numbers (R-Drop); 0 for one pass.
    pub consistency: f64,
    /// So many layers, from the first, do not learn; the embeddings then do not either.
    pub frozen_layers: usize,
    /// Layers learn one after the other, from the head down, over so large a share of the steps; 0 for all from the start.
    pub unfreeze: f64,
    /// The embedding of words does not learn.
    pub frozen_words: bool,
    /// Steps between evaluations on the validation split; 0 for one after each epoch. The last step has one in any case.
    pub evaluate_every: u64,
    /// Training ends after so many evaluations without a better one; 0 for never.
    pub patience: u32,
    /// Steps between saved states, at most.
    pub save_every: u64,
    /// Minutes between saved states, at most.
    pub save_minutes: f64,
    /// Steps between lines of the log.
    pub log_every: u64,
    /// The network learns as the integers of its case see it; none for floating point alone.
    pub quantised: Option<QuantisedTraining>,
}

/// How an encoder is trained for its integers: the forward pass is that of the case, the backward pass goes straight
/// through what is rounded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuantisedTraining {
    /// Share of the steps that are done in floating point first.
    pub from: f64,
    /// Texts of the training split, evenly spread, from which the ranges of the integers come.
    pub calibration_texts: usize,
    /// Steps after which the ranges are taken anew; 0 for never.
    pub calibrate_every: u64,
}

impl Default for QuantisedTraining {
    fn default() -> Self {
        Self { from: 0.0, calibration_texts: 256, calibrate_every: 500 }
    }
}

impl Default for EncoderTraining {
    fn default() -> Self {
        Self {
            epochs: 1,
            batch: 32,
            batch_tokens: 4096,
            accumulate: 1,
            rate: 6e-5,
            head_rate: 1.0,
            layer_decay: 1.0,
            schedule: Schedule::Linear,
            power: 2.0,
            cycles: 3,
            warm_up: 0.06,
            weight_decay: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            clip: 1.0,
            label_smoothing: 0.05,
            focal: 0.0,
            adversarial: 0.0,
            average: 0.0,
            average_from: 0.0,
            dropout: 0.1,
            dropout_samples: 1,
            inner_dropout: 0.0,
            consistency: 0.0,
            frozen_layers: 0,
            unfreeze: 0.0,
            frozen_words: false,
            evaluate_every: 0,
            patience: 0,
            save_every: 200,
            save_minutes: 10.0,
            log_every: 20,
            quantised: None,
        }
    }
}

/// How a learning rate falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// In a straight line to 0.
    Linear,
    /// Along half a wave to 0.
    Cosine,
    /// As a power of what is left.
    Polynomial,
    /// Along half a wave to 0, several times.
    Cyclic,
    /// It does not.
    Constant,
}

impl EncoderRecipe {
    /// The folder of the network, given that of the recipe.
    pub(super) fn find(&mut self, recipe: &Path) {
        self.found = Some(recipe.parent().unwrap_or_else(|| Path::new("")).join(&self.folder));
    }

    /// The folder of the network.
    #[must_use]
    pub fn network(&self) -> &Path {
        self.found.as_deref().unwrap_or(&self.folder)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=4096).contains(&self.max_tokens) {
            return Err(format!("encoder.max_tokens {} found, allowed are 1 to 4096", self.max_tokens));
        }
        self.shrink.as_ref().map_or(Ok(()), ShrinkRecipe::check)?;
        if self.fresh.is_some() && (self.keep_head || self.shrink.is_some()) {
            let other = if self.keep_head { "keep_head" } else { "shrink" };
            return Err(format!(
                "encoder.fresh and encoder.{other} found, a network that has learnt nothing has neither"
            ));
        }
        self.training.check()?;
        if self.training.quantised.is_none() {
            return Ok(());
        }
        if !matches!(self.pooling, PoolingKind::Mean | PoolingKind::Cls) {
            let pooling = format!("{:?}", self.pooling).to_lowercase();
            return Err(format!(
                "encoder.pooling {pooling} found with encoder.training.quantised, a case allows mean and cls"
            ));
        }
        if self.head != HeadKind::Linear {
            return Err(
                "encoder.head mlp found with encoder.training.quantised, a case allows linear".to_owned()
            );
        }
        Ok(())
    }
}

impl ShrinkRecipe {
    fn check(&self) -> Result<(), String> {
        let Self { layers, inner, vocabulary } = self;
        if layers.contains(&0) || !layers.is_sorted_by(|a, b| a < b) {
            return Err(format!("encoder.shrink.layers {layers:?} found, allowed are rising numbers from 1"));
        }
        for (name, count) in [("inner", inner), ("vocabulary", vocabulary)] {
            if let Some(count) = count.filter(|count| !(1..=1 << 22).contains(count)) {
                return Err(format!("encoder.shrink.{name} {count} found, allowed are 1 to {}", 1 << 22));
            }
        }
        Ok(())
    }
}

impl EncoderTraining {
    fn check(&self) -> Result<(), String> {
        let counts = [
            ("epochs", u64::from(self.epochs)),
            ("batch", self.batch as u64),
            ("batch_tokens", self.batch_tokens as u64),
            ("accumulate", self.accumulate as u64),
            ("save_every", self.save_every),
            ("log_every", self.log_every),
        ];
        if let Some((name, count)) = counts.iter().find(|(_, count)| !(1..=1 << 20).contains(count)) {
            return Err(format!("encoder.training.{name} {count} found, allowed are 1 to {}", 1 << 20));
        }
        // Name, value, lowest, highest; the lowest itself is not allowed where it makes no sense.
        let table = [
            ("rate", self.rate, f64::MIN_POSITIVE, 1.0),
            ("head_rate", self.head_rate, 0.0, 1000.0),
            ("layer_decay", self.layer_decay, 0.1, 1.0),
            ("power", self.power, 0.0, 10.0),
            ("warm_up", self.warm_up, 0.0, 1.0),
            ("weight_decay", self.weight_decay, 0.0, 1.0),
            ("beta1", self.beta1, 0.0, 0.9999),
            ("beta2", self.beta2, 0.0, 0.99999),
            ("epsilon", self.epsilon, f64::MIN_POSITIVE, 1.0),
            ("clip", self.clip, 0.0, 1e6),
            ("label_smoothing", self.label_smoothing, 0.0, 0.9),
            ("focal", self.focal, 0.0, 10.0),
            ("adversarial", self.adversarial, 0.0, 1000.0),
            ("average", self.average, 0.0, 0.99999),
            ("average_from", self.average_from, 0.0, 0.99),
            ("unfreeze", self.unfreeze, 0.0, 1.0),
            ("cycles", f64::from(self.cycles), 1.0, 1000.0),
            ("dropout", self.dropout, 0.0, 0.9),
            ("dropout_samples", f64::from(self.dropout_samples), 1.0, 64.0),
            ("inner_dropout", self.inner_dropout, 0.0, 0.9),
            ("consistency", self.consistency, 0.0, 1000.0),
            ("save_minutes", self.save_minutes, 0.0, 1e6),
        ];
        match table.iter().find(|(_, value, low, high)| !(low..=high).contains(&value)) {
            Some((name, value, low, high)) => {
                let low = if *low == f64::MIN_POSITIVE { "above 0".to_owned() } else { low.to_string() };
                Err(format!("encoder.training.{name} {value} found, allowed are {low} to {high}"))
            }
            None if self.average > 0.0 && self.average_from > 0.0 => {
                let (average, from) = (self.average, self.average_from);
                Err(format!(
                    "encoder.training.average {average} and average_from {from} found, one may be above 0"
                ))
            }
            None => self.check_quantised(),
        }
    }

    fn check_quantised(&self) -> Result<(), String> {
        let Some(QuantisedTraining { from, calibration_texts, .. }) = self.quantised else { return Ok(()) };
        let place = "encoder.training.quantised";
        if !(0.0..1.0).contains(&from) {
            return Err(format!("{place}.from {from} found, allowed are 0 to below 1"));
        }
        if !(1..=1 << 20).contains(&calibration_texts) {
            return Err(format!(
                "{place}.calibration_texts {calibration_texts} found, allowed are 1 to {}",
                1 << 20
            ));
        }
        // A moved word is no row of the case, and a case drops nothing on its way.
        let others = [("adversarial", self.adversarial), ("inner_dropout", self.inner_dropout)];
        if let Some((name, value)) = others.into_iter().find(|(_, value)| *value > 0.0) {
            return Err(format!("encoder.training.{name} {value} found with {place}, allowed is 0"));
        }
        Ok(())
    }
}
