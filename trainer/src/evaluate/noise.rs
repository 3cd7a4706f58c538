//! Items whose given label may be wrong.

use serde::Serialize;

use super::{Logits, Prediction};

/// What confident learning says about the labels of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Noise {
    /// One a class: the mean probability of the class over the items that are labelled so; `None` for a class without
    /// items. A probability that reaches it counts as confident.
    pub thresholds: Vec<Option<f64>>,
    /// `confident_joint[given][confident]`: items of a given label that are confidently of a class.
    pub confident_joint: Vec<Vec<u64>>,
    /// Items confidently of another class than that given: the least probable given label first.
    pub candidates: Vec<Candidate>,
}

/// An item whose label may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Its place, from 0.
    pub item: usize,
    /// The class that it is labelled as.
    pub given: u32,
    /// The probability of that.
    pub given_probability: f64,
    /// The class that it confidently is of.
    pub suggested: u32,
    /// The probability of that.
    pub suggested_probability: f64,
}

impl Noise {
    /// Of labels and probabilities, item by item. On texts that the classifier learnt from, it has learnt the wrong
    /// labels too and finds fewer of them.
    ///
    /// # Source
    ///
    /// Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", 2021: equations 1
    /// and 2, ranked by the probability of the given label.
    #[must_use]
    pub fn new(predictions: &[Prediction], logits: &Logits, classes: usize) -> Self {
        let rows: Vec<Vec<f64>> = logits.probabilities().collect();
        let thresholds = thresholds(predictions, &rows, classes);
        let mut confident_joint = vec![vec![0; classes]; classes];
        let mut candidates = Vec::new();
        for (item, (row, prediction)) in rows.iter().zip(predictions).enumerate() {
            let given = prediction.truth;
            let Some(suggested) = confident(row, &thresholds) else { continue };
            confident_joint[given as usize][suggested] += 1;
            if suggested != given as usize {
                candidates.push(Candidate {
                    item,
                    given,
                    given_probability: row[given as usize],
                    suggested: suggested as u32,
                    suggested_probability: row[suggested],
                });
            }
        }
        candidates.sort_by(|a, b| a.given_probability.total_cmp(&b.given_probability));
        Self { thresholds, confident_joint, candidates }
    }
}

fn thresholds(predictions: &[Prediction], rows: &[Vec<f64>], classes: usize) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0u64); classes];
    for (row, prediction) in rows.iter().zip(predictions) {
        let (sum, count) = &mut sums[prediction.truth as usize];
        *sum += row[prediction.truth as usize];
        *count += 1;
    }
    sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / count as f64)).collect()
}

/// The most probable of the classes that reach their thresholds; of equals the first.
fn confident(row: &[f64], thresholds: &[Option<f64>]) -> Option<usize> {
    let reached = |class: &usize| thresholds[*class].is_some_and(|threshold| row[*class] >= threshold);
    (0..row.len()).filter(reached).rev().max_by(|&a, &b| row[a].total_cmp(&row[b]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_joint_and_the_candidates_are_those_found_by_hand() {
        let items = [(0, [0.9, 0.1]), (0, [0.8, 0.2]), (0, [0.1, 0.9]), (1, [0.3, 0.7]), (1, [0.45, 0.55])];
        let mut logits = Logits::new(2, 1.0);
        items.iter().for_each(|(_, row)| logits.push(row.map(|p: f32| p.ln())));
        let predictions: Vec<_> = items
            .iter()
            .map(|&(truth, _)| Prediction { truth, predicted: 0, probability: 0.5, abstained: false })
            .collect();
        let found = Noise::new(&predictions, &logits, 3);
        // (0.9 + 0.8 + 0.1) / 3, (0.7 + 0.55) / 2, nobody.
        let thresholds: Vec<_> = found.thresholds.iter().map(|t| t.map(|t| (t * 1e4).round())).collect();
        assert_eq!(thresholds, [Some(6000.0), Some(6250.0), None]);
        // The last item reaches neither threshold.
        assert_eq!(found.confident_joint, [[2, 1, 0], [0, 1, 0], [0, 0, 0]]);
        let [only] = found.candidates.as_slice() else { panic!("{:?}", found.candidates) };
        assert_eq!((only.item, only.given, only.suggested), (2, 0, 1));
        assert!(
            (only.given_probability - 0.1).abs() < 1e-6 && (only.suggested_probability - 0.9).abs() < 1e-6
        );
    }

    #[test]
    fn the_least_probable_label_comes_first() {
        let mut logits = Logits::new(2, 1.0);
        let mut predictions = Vec::new();
        for (truth, other) in [(0, 0.6f32), (0, 0.95), (0, 0.8), (1, 0.5), (1, 0.5)] {
            logits.push([(1.0 - other).ln(), other.ln()]);
            predictions.push(Prediction { truth, predicted: 0, probability: 0.5, abstained: false });
        }
        let found = Noise::new(&predictions, &logits, 2);
        let order: Vec<_> = found.candidates.iter().map(|candidate| candidate.item).collect();
        assert_eq!(&order[..3], [1, 2, 0]);
    }
}
