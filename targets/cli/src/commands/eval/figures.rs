//! The figures, as JSON has them.

use serde::Serialize;
use typecase_train::evaluate::{
    Calibration, Candidate, Curve, Evaluation, LengthGroup, Noise, Prediction, Robustness, Separation,
    confident_errors,
};

/// All figures, in the order of the contract.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) case: String,
    pub(crate) digest: String,
    pub(crate) backend: String,
    /// Of the whole file.
    pub(crate) bytes: u64,
    #[serde(flatten)]
    pub(crate) evaluation: Evaluation,
    pub(crate) truncated: u64,
    pub(crate) seconds: f64,
    pub(crate) texts_per_second: f64,
    pub(crate) calibration: Calibration,
    pub(crate) lengths: Vec<LengthGroup>,
    #[serde(flatten)]
    pub(crate) more: More,
}

/// What is measured where it is asked for.
#[derive(Debug, Default, Serialize)]
pub(crate) struct More {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vs: Option<Versus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) errors: Option<Vec<ConfidentError>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) noise: Option<Noisy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) robustness: Option<Robust>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ood: Option<Vec<Outside>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<Vec<Curve>>,
}

/// Another case or checkpoint on the same items: `b` only this one gets right, `c` only the other.
#[derive(Debug, Serialize)]
pub(crate) struct Versus {
    pub(crate) case: String,
    pub(crate) digest: String,
    pub(crate) accuracy: f64,
    pub(crate) b: u64,
    pub(crate) c: u64,
    pub(crate) mcnemar_p: f64,
    /// Accuracy of this less that of the other.
    pub(crate) difference: f64,
    /// By the paired bootstrap.
    pub(crate) difference_ci95: [f64; 2],
}

/// A wrong answer. Items count from 0.
#[derive(Debug, Serialize)]
pub(crate) struct ConfidentError {
    pub(crate) item: usize,
    pub(crate) text: String,
    pub(crate) truth: String,
    pub(crate) predicted: String,
    pub(crate) probability: f32,
}

/// Labels that may be wrong.
#[derive(Debug, Serialize)]
pub(crate) struct Noisy {
    /// How many there are in all.
    pub(crate) candidates: usize,
    pub(crate) thresholds: Vec<Option<f64>>,
    pub(crate) confident_joint: Vec<Vec<u64>>,
    /// The least probable labels, as many as were asked for.
    pub(crate) items: Vec<NoisyItem>,
}

/// A label that may be wrong.
#[derive(Debug, Serialize)]
pub(crate) struct NoisyItem {
    pub(crate) item: usize,
    pub(crate) text: String,
    pub(crate) given: String,
    pub(crate) given_probability: f64,
    pub(crate) suggested: String,
    pub(crate) suggested_probability: f64,
}

/// The same items under damage.
#[derive(Debug, Serialize)]
pub(crate) struct Robust {
    pub(crate) seed: u64,
    pub(crate) rows: Vec<Robustness>,
}

/// Texts of another domain beside the items.
#[derive(Debug, Serialize)]
pub(crate) struct Outside {
    pub(crate) file: String,
    pub(crate) texts: u64,
    /// By the probability of the answer.
    pub(crate) probability: Separation,
    /// By the logarithm of the sum of the exponentials of the logits.
    pub(crate) energy: Separation,
}

/// The most confident errors.
pub(crate) fn errors(
    predictions: &[Prediction],
    texts: &[&str],
    labels: &[String],
    most: usize,
) -> Vec<ConfidentError> {
    let one = |item: usize| {
        let Prediction { truth, predicted, probability, .. } = predictions[item];
        ConfidentError {
            item,
            text: texts[item].to_owned(),
            truth: labels[truth as usize].clone(),
            predicted: labels[predicted as usize].clone(),
            probability,
        }
    };
    confident_errors(predictions).into_iter().take(most).map(one).collect()
}

/// The labels that are most likely wrong.
pub(crate) fn noisy(noise: Noise, texts: &[&str], labels: &[String], most: usize) -> Noisy {
    let one = |candidate: &Candidate| NoisyItem {
        item: candidate.item,
        text: texts[candidate.item].to_owned(),
        given: labels[candidate.given as usize].clone(),
        given_probability: candidate.given_probability,
        suggested: labels[candidate.suggested as usize].clone(),
        suggested_probability: candidate.suggested_probability,
    };
    Noisy {
        candidates: noise.candidates.len(),
        items: noise.candidates.iter().take(most).map(one).collect(),
        thresholds: noise.thresholds,
        confident_joint: noise.confident_joint,
    }
}
