//! The tables `[distillation]` and `[augmentation]` of a recipe: what a student learns from beside the labelled texts.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Who teaches, and how.
///
/// # Source
/// Hinton et al. 2015, "Distilling the Knowledge in a Neural Network" (probabilities at a temperature); Jiao et al. 2020,
/// "TinyBERT" (states of layers); Wang et al. 2020, "MiniLM" (attention).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistillationRecipe {
    /// Cases or folders of checkpoints; their probabilities are averaged.
    pub teachers: Vec<TeacherRecipe>,
    /// Calibrated logits are divided by it before they become probabilities.
    #[serde(default = "temperature")]
    pub temperature: f64,
    /// Share of the teachers in what is wanted; the rest is the label.
    #[serde(default = "share")]
    pub share: f64,
    /// An encoder that is cut from a larger one (`encoder.shrink`): weight of the mean squared distance of the states after
    /// its layers from those of the larger network; 0 for none.
    #[serde(default)]
    pub states: f64,
    /// Such an encoder: weight of how far the attention of its last layer, and the relations of its values, diverge from those
    /// of the larger network; 0 for none.
    #[serde(default)]
    pub attention: f64,
    /// The larger network's layer, from 1, that each layer of the student follows; without it the one that it was.
    #[serde(default)]
    pub layers: Vec<usize>,
    /// Share of the steps after which states and attention are followed no longer: it remains what the labels and the teachers'
    /// probabilities want, without a pass of the larger network.
    #[serde(default = "one")]
    pub follow_until: f64,
}

/// A teacher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherRecipe {
    /// A case, or the folder of a checkpoint, beside the recipe.
    pub path: PathBuf,
    /// What its word counts, against the others'.
    #[serde(default = "one")]
    pub weight: f64,
    /// Where it is found, if not at `path`.
    #[serde(skip)]
    pub found: Option<PathBuf>,
}

const fn temperature() -> f64 {
    2.0
}

const fn share() -> f64 {
    0.8
}

const fn one() -> f64 {
    1.0
}

impl TeacherRecipe {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Path {
        self.found.as_deref().unwrap_or(&self.path)
    }
}

impl DistillationRecipe {
    pub(super) fn check(&self, is_cut: bool) -> Result<(), String> {
        let Self { teachers, temperature, share, states, attention, layers, follow_until } = self;
        if teachers.is_empty() {
            return Err("distillation.teachers is empty, at least 1 is needed".to_owned());
        }
        if let Some(weight) =
            teachers.iter().map(|teacher| teacher.weight).find(|w| !(w.is_finite() && *w > 0.0))
        {
            return Err(format!("distillation.teachers: weight {weight} found, it must be above 0"));
        }
        if !(0.1..=100.0).contains(temperature) {
            return Err(format!("distillation.temperature {temperature} found, allowed are 0.1 to 100"));
        }
        if !(0.0..=1.0).contains(share) {
            return Err(format!("distillation.share {share} found, allowed are 0 to 1"));
        }
        for (name, weight) in [("states", states), ("attention", attention)] {
            if !(0.0..=1000.0).contains(weight) {
                return Err(format!("distillation.{name} {weight} found, allowed are 0 to 1000"));
            }
            if *weight > 0.0 && !is_cut {
                return Err(format!("distillation.{name} {weight} found, it needs a table encoder.shrink"));
            }
        }
        if !(0.0..=1.0).contains(follow_until) {
            return Err(format!("distillation.follow_until {follow_until} found, allowed are 0 to 1"));
        }
        if layers.contains(&0) || !layers.is_sorted() {
            return Err(format!("distillation.layers {layers:?} found, allowed are rising numbers from 1"));
        }
        Ok(())
    }

    /// Looks for the teachers beside the recipe.
    pub(super) fn find(&mut self, recipe: &Path) {
        let folder = recipe.parent().unwrap_or_else(|| Path::new(""));
        for teacher in &mut self.teachers {
            teacher.found = Some(folder.join(&teacher.path));
        }
    }
}

/// Changed copies of the texts, learnt from beside them.
///
/// # Source
/// Wei and Zou 2019, "EDA" (dropped and swapped words); Zhang et al. 2018, "mixup" (here of texts: a splice's target is
/// the labels in proportion to their words, or what the teachers say).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentationRecipe {
    /// Changed copies of each text, 1 to 100.
    pub copies: u32,
    /// Chance that a copy is the beginning of one text and the end of another.
    pub splice: f64,
    /// Chance that a copy is some consecutive sentences alone, or half of the words where there is one sentence.
    pub cut: f64,
    /// Chance that a word is left out.
    pub drop: f64,
    /// Chance that a word changes places with the next.
    pub swap: f64,
    /// Chance that a word is all in lower case, all in upper case, or begins with a capital.
    pub case: f64,
    /// Chance that a word has a typing error: two letters swapped, one left out, or one doubled.
    pub typo: f64,
}

impl Default for AugmentationRecipe {
    fn default() -> Self {
        Self { copies: 1, splice: 0.2, cut: 0.3, drop: 0.1, swap: 0.02, case: 0.02, typo: 0.02 }
    }
}

impl AugmentationRecipe {
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { copies, splice, cut, drop, swap, case, typo } = *self;
        if !(1..=100).contains(&copies) {
            return Err(format!("augmentation.copies {copies} found, allowed are 1 to 100"));
        }
        let chances = [("splice", splice), ("cut", cut), ("swap", swap), ("case", case), ("typo", typo)];
        if let Some((name, chance)) = chances.iter().find(|(_, chance)| !(0.0..=1.0).contains(chance)) {
            return Err(format!("augmentation.{name} {chance} found, allowed are 0 to 1"));
        }
        if splice + cut > 1.0 {
            return Err(format!("augmentation.splice {splice} and cut {cut} found, allowed are 1 together"));
        }
        if !(0.0..=0.9).contains(&drop) {
            return Err(format!("augmentation.drop {drop} found, allowed are 0 to 0.9"));
        }
        Ok(())
    }
}
