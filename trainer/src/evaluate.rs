//! How good predictions are, and whether two sets of them differ by more than chance.
//!
//! Every ratio whose denominator is 0 (the precision of a class that was never predicted, the accuracy of no
//! items) is 0.0.

use serde::Serialize;
use thiserror::Error;
pub use typecase_convert::paired::{Paired, mcnemar};

mod bootstrap;
mod calibration;
mod corrupt;
mod curves;
mod lengths;
mod logits;
pub(crate) mod model;
mod noise;
mod outside;

pub use bootstrap::{Difference, bootstrap};
pub use calibration::{Abstention, Bin, Calibration, RiskPoint};
pub use corrupt::{Corruption, Dose, Robustness, SUITE};
pub use curves::{Curve, curves};
pub use lengths::{LengthGroup, by_length, words};
pub use logits::{Logits, highest};
pub use model::{FloatModel, FloatSession};
pub use noise::{Candidate, Noise};
pub use outside::Separation;

/// The two-sided 95 % quantile of the normal distribution.
const Z95: f64 = 1.959_963_984_540_054;

/// The bins of the expected calibration error and of the reliability diagram.
const BINS: usize = 15;

/// What a classifier said about one item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The index of the right class.
    pub truth: u32,
    /// The index of the class with the highest score.
    pub predicted: u32,
    /// The probability it was given, from 0 to 1.
    pub probability: f32,
    /// Whether that probability is under the classifier's threshold. Counted apart: the accuracy and all else
    /// treat the item as any other.
    pub abstained: bool,
}

impl Prediction {
    /// Whether the predicted class is the right one.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        self.predicted == self.truth
    }
}

/// The wrong predictions, the most probable first; of equals the first.
#[must_use]
pub fn confident_errors(predictions: &[Prediction]) -> Vec<usize> {
    let mut wrong: Vec<usize> =
        (0..predictions.len()).filter(|&item| !predictions[item].is_right()).collect();
    wrong.sort_by(|&a, &b| predictions[b].probability.total_cmp(&predictions[a].probability));
    wrong
}

/// How good a list of predictions is. Serialises with the names of `typecase eval --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// How many predictions there are.
    pub items: u64,
    /// How many of them are right.
    pub correct: u64,
    /// `correct / items`.
    pub accuracy: f64,
    /// The 95 % interval of the accuracy: low, high.
    pub ci95: [f64; 2],
    /// The mean of the F1 of all classes of the label set, each with the same weight; one without items
    /// counts too.
    pub macro_f1: f64,
    /// The expected calibration error of the top probability, 15 bins of equal width.
    pub ece: f64,
    /// One entry a class, in the order of the label set.
    pub per_class: Vec<ClassScores>,
    /// `confusion[truth][predicted]`: how many items.
    pub confusion: Vec<Vec<u64>>,
    /// How many predictions abstained.
    pub abstained: u64,
}

/// How good the predictions are for one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScores {
    /// The name of the class.
    pub label: String,
    /// The share of the items predicted as this class that are of it.
    pub precision: f64,
    /// The share of the items of this class that are predicted as it.
    pub recall: f64,
    /// The harmonic mean of precision and recall.
    pub f1: f64,
    /// How many items are of this class.
    pub items: u64,
}

/// Why predictions cannot be evaluated. Items count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are what the message of each variant says they are")]
pub enum EvaluateError {
    /// The right class is outside the label set.
    #[error("prediction {item}: true class {found} found, at most {most} allowed")]
    Truth { item: usize, found: u32, most: i64 },
    /// The predicted class is outside the label set.
    #[error("prediction {item}: predicted class {found} found, at most {most} allowed")]
    Predicted { item: usize, found: u32, most: i64 },
    /// The probability is none.
    #[error("prediction {item}: probability {found} found, 0 to 1 allowed")]
    Probability { item: usize, found: f32 },
    /// The two lists are not about the same items, as their lengths tell.
    #[error("paired predictions: {second} found in the second list, {first} expected as in the first")]
    Lengths { first: usize, second: usize },
    /// The two lists are not about the same items, as their right classes tell.
    #[error(
        "paired predictions, item {item}: true class {second} found in the second list, {first} expected"
    )]
    Truths { item: usize, first: u32, second: u32 },
}

impl Evaluation {
    /// Evaluates predictions over the label set `labels`.
    ///
    /// # Errors
    ///
    /// Fails if a class is outside the label set or a probability outside 0 to 1.
    pub fn new(labels: &[String], predictions: &[Prediction]) -> Result<Self, EvaluateError> {
        let mut confusion = vec![vec![0u64; labels.len()]; labels.len()];
        let most = labels.len() as i64 - 1;
        for (item, prediction) in predictions.iter().enumerate() {
            let Prediction { truth, predicted, probability, .. } = *prediction;
            if !(0.0..=1.0).contains(&probability) {
                return Err(EvaluateError::Probability { item, found: probability });
            }
            let row =
                confusion.get_mut(truth as usize).ok_or(EvaluateError::Truth { item, found: truth, most })?;
            let cell = row.get_mut(predicted as usize);
            *cell.ok_or(EvaluateError::Predicted { item, found: predicted, most })? += 1;
        }
        let per_class: Vec<ClassScores> = labels
            .iter()
            .enumerate()
            .map(|(class, label)| {
                let right = confusion[class][class];
                let items = confusion[class].iter().sum();
                let predicted: u64 = confusion.iter().map(|row| row[class]).sum();
                let f1 = ratio(2 * right, items + predicted);
                let (precision, recall) = (ratio(right, predicted), ratio(right, items));
                ClassScores { label: label.clone(), precision, recall, f1, items }
            })
            .collect();
        let items = predictions.len() as u64;
        let correct = (0..labels.len()).map(|class| confusion[class][class]).sum();
        let f1_sum: f64 = per_class.iter().map(|scores| scores.f1).sum();
        Ok(Self {
            items,
            correct,
            accuracy: ratio(correct, items),
            ci95: wilson(correct, items),
            macro_f1: if labels.is_empty() { 0.0 } else { f1_sum / labels.len() as f64 },
            ece: calibration_error(predictions),
            per_class,
            confusion,
            abstained: predictions.iter().filter(|prediction| prediction.abstained).count() as u64,
        })
    }
}

/// Compares two lists of predictions for the same items in the same order, by McNemar's test.
///
/// # Errors
///
/// Fails if the lists differ in length or in a right class.
pub fn paired(first: &[Prediction], second: &[Prediction]) -> Result<Paired, EvaluateError> {
    check_paired(first, second)?;
    Ok(Paired::new(first.iter().map(Prediction::is_right).zip(second.iter().map(Prediction::is_right))))
}

/// Are the two about the same items?
fn check_paired(first: &[Prediction], second: &[Prediction]) -> Result<(), EvaluateError> {
    if first.len() != second.len() {
        return Err(EvaluateError::Lengths { first: first.len(), second: second.len() });
    }
    match first.iter().zip(second).enumerate().find(|(_, (a, b))| a.truth != b.truth) {
        Some((item, (one, two))) => Err(EvaluateError::Truths { item, first: one.truth, second: two.truth }),
        None => Ok(()),
    }
}

/// The 95 % interval of a share of which `correct` of `items` were seen; `[0, 0]` for no items.
///
/// # Source
///
/// Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
#[must_use]
pub fn wilson(correct: u64, items: u64) -> [f64; 2] {
    if items == 0 {
        return [0.0, 0.0];
    }
    let (n, share) = (items as f64, ratio(correct, items));
    let z2 = Z95 * Z95;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z95 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
    // At 0 and at `items` right the ends are 0 and 1 but for rounding.
    let low = if correct == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if correct >= items { 1.0 } else { (centre + half).min(1.0) };
    [low, high]
}

/// The expected calibration error: over bins of equal width, the mean distance between the share of right
/// predictions and their mean probability, weighted by the predictions in the bin. Bin m holds the
/// probabilities in `((m - 1) / 15, m / 15]`, the first also 0.
///
/// # Source
///
/// Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", 2017, equation 3.
fn calibration_error(predictions: &[Prediction]) -> f64 {
    // A bin's share of the items times its distance is |right - sum of probabilities| / items.
    let mut distances = [0.0f64; BINS];
    for prediction in predictions {
        let right = if prediction.is_right() { 1.0 } else { 0.0 };
        distances[bin_of(prediction.probability)] += right - f64::from(prediction.probability);
    }
    let sum: f64 = distances.iter().map(|distance| distance.abs()).sum();
    if predictions.is_empty() { 0.0 } else { sum / predictions.len() as f64 }
}

/// The bin of a probability.
fn bin_of(probability: f32) -> usize {
    ((f64::from(probability) * BINS as f64).ceil() as usize).clamp(1, BINS) - 1
}

/// `part` of `whole`, 0 where there is no whole.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "{found} found, {expected} expected");
    }

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.into()).collect()
    }

    fn prediction(truth: u32, predicted: u32, probability: f32) -> Prediction {
        Prediction { truth, predicted, probability, abstained: probability < 0.5 }
    }

    #[test]
    fn scores_are_those_computed_by_hand() {
        let predictions = [
            prediction(0, 0, 0.75),
            prediction(0, 0, 0.75),
            prediction(0, 1, 0.75),
            prediction(1, 1, 0.25),
            prediction(1, 0, 0.25),
        ];
        let found = Evaluation::new(&labels(&["a", "b", "never"]), &predictions).unwrap();
        assert_eq!((found.items, found.correct, found.abstained), (5, 3, 2));
        assert_eq!(found.confusion, [[2, 1, 0], [1, 1, 0], [0, 0, 0]]);
        close(found.accuracy, 0.6, 1e-15);
        // precision 2/3, recall 2/3; 1/2, 1/2; nothing.
        let rows: Vec<_> =
            found.per_class.iter().map(|class| [class.precision, class.recall, class.f1]).collect();
        assert_eq!(rows, [[2.0 / 3.0; 3], [0.5; 3], [0.0; 3]]);
        close(found.macro_f1, (2.0 / 3.0 + 0.5) / 3.0, 1e-15);
        // Two bins: |2 - 2.25| and |1 - 0.5|, over 5.
        close(found.ece, 0.15, 1e-15);
    }

    #[test]
    fn no_items_and_no_labels_give_zeros() {
        let found = Evaluation::new(&[], &[]).unwrap();
        assert_eq!((found.accuracy, found.ci95, found.macro_f1, found.ece), (0.0, [0.0; 2], 0.0, 0.0));
    }

    #[test]
    fn calibration_bins_are_closed_above() {
        for (probabilities, expected) in [(&[1.0f32, 0.0][..], 0.5), (&[0.5, 0.5], 0.5), (&[1.0, 1.0], 0.0)] {
            let predictions: Vec<_> = probabilities.iter().map(|&p| prediction(0, 0, p)).collect();
            close(calibration_error(&predictions), expected, 1e-15);
        }
        // 7/15 < 0.5 <= 8/15 and 14/15 < 0.9375 <= 1: two bins, |1 - 0.5| and |0 - 0.9375| over 2.
        let two = [prediction(0, 0, 0.5), prediction(0, 1, 0.9375)];
        close(calibration_error(&two), 0.718_75, 1e-15);
        // Both in the last bin, where they add up: |1 - 0.96875 + 0 - 1| over 2.
        let last = [prediction(0, 0, 0.96875), prediction(0, 1, 1.0)];
        close(calibration_error(&last), 0.484_375, 1e-15);
    }

    #[test]
    fn wilson_gives_the_published_intervals() {
        // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (correct, items, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let found = wilson(correct, items);
            close(found[0], low, 5e-5);
            close(found[1], high, 5e-5);
        }
        assert_eq!(wilson(20, 20)[1], 1.0);
        assert_eq!(wilson(0, 0), [0.0, 0.0]);
    }

    #[test]
    fn pairs_count_the_disagreements_of_each_side() {
        let first =
            [prediction(0, 0, 1.0), prediction(0, 0, 1.0), prediction(1, 0, 1.0), prediction(1, 0, 1.0)];
        let second =
            [prediction(0, 0, 1.0), prediction(0, 1, 1.0), prediction(1, 1, 1.0), prediction(1, 0, 1.0)];
        let found = paired(&first, &second).unwrap();
        assert_eq!(found, Paired { b: 1, c: 1, mcnemar_p: 1.0 });
        assert_eq!(serde_json::to_string(&found).unwrap(), r#"{"b":1,"c":1,"mcnemar_p":1.0}"#);
    }

    #[test]
    fn the_most_confident_errors_come_first() {
        let predictions =
            [prediction(0, 1, 0.5), prediction(0, 0, 1.0), prediction(1, 0, 0.875), prediction(1, 0, 0.5)];
        assert_eq!(confident_errors(&predictions), [2, 0, 3]);
    }

    #[test]
    fn errors_say_which_item() {
        let two = labels(&["a", "b"]);
        let good = prediction(0, 1, 0.5);
        let evaluated = |bad| Evaluation::new(&two, &[good, bad]).unwrap_err().to_string();
        assert_eq!(evaluated(prediction(2, 0, 0.5)), "prediction 1: true class 2 found, at most 1 allowed");
        assert_eq!(
            evaluated(prediction(0, 3, 0.5)),
            "prediction 1: predicted class 3 found, at most 1 allowed"
        );
        assert_eq!(
            evaluated(prediction(0, 0, f32::NAN)),
            "prediction 1: probability NaN found, 0 to 1 allowed"
        );
        let paired = |second: &[Prediction]| paired(&[good, good], second).unwrap_err().to_string();
        assert_eq!(
            paired(&[good]),
            "paired predictions: 1 found in the second list, 2 expected as in the first"
        );
        assert_eq!(
            paired(&[good, prediction(1, 1, 0.5)]),
            "paired predictions, item 1: true class 1 found in the second list, 0 expected"
        );
    }

    #[test]
    fn the_json_has_the_names_of_the_command() {
        let found = Evaluation::new(&labels(&["a"]), &[prediction(0, 0, 1.0)]).unwrap();
        let json = serde_json::to_value(&found).unwrap();
        let keys = [
            "items",
            "correct",
            "accuracy",
            "ci95",
            "macro_f1",
            "ece",
            "per_class",
            "confusion",
            "abstained",
        ];
        assert!(keys.iter().all(|key| json.get(key).is_some()), "{json}");
        assert_eq!(
            json["per_class"][0],
            serde_json::json!({"label": "a", "precision": 1.0, "recall": 1.0, "f1": 1.0, "items": 1})
        );
        assert_eq!(json["confusion"], serde_json::json!([[1]]));
    }
}
