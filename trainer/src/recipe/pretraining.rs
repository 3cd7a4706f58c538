//! The table `[pretraining]` of a recipe: an encoder learns its words from texts before it learns classes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Masked language modelling: words are hidden, and the network is to say which they were. Labels are not looked at.
///
/// # Source
/// Devlin et al. 2019, "BERT"; Gururangan et al. 2020, "Don't Stop Pretraining" (on texts of the domain).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PretrainingRecipe {
    /// Files with one text a line, beside those of `data.train`.
    pub texts: Vec<PathBuf>,
    /// Share of the pieces of words that are to be said; of these 80 % are hidden, 10 % are others, 10 % stay.
    pub masked: f64,
    /// Pieces that a hidden one is told from in a step, its own among them; the evaluation takes all.
    pub candidates: usize,
}

impl Default for PretrainingRecipe {
    fn default() -> Self {
        Self { texts: Vec::new(), masked: 0.15, candidates: 4096 }
    }
}

impl PretrainingRecipe {
    pub(super) fn check(&self) -> Result<(), String> {
        if !(0.01..=0.9).contains(&self.masked) {
            return Err(format!("pretraining.masked {} found, allowed are 0.01 to 0.9", self.masked));
        }
        if !(2..=1 << 20).contains(&self.candidates) {
            let found = self.candidates;
            return Err(format!("pretraining.candidates {found} found, allowed are 2 to {}", 1 << 20));
        }
        Ok(())
    }
}
