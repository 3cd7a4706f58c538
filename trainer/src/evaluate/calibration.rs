//! Do probabilities mean what they say, and what is gained by leaving the doubtful items out?

use serde::Serialize;

use super::{BINS, Logits, Prediction};

/// Points of the risk-coverage curve that are kept, evenly spread over the coverage.
const POINTS: usize = 20;

/// How well probabilities fit what is true. Serialises with the names of `typecase eval --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// The temperature by which logits were divided.
    pub temperature: f32,
    /// The mean over the items of the squared distance between the probabilities of all classes and what is true: 0
    /// for certain and right, 2 for certain and wrong.
    pub brier: f64,
    /// The mean negative log-likelihood of the right classes, in nats.
    pub nll: f64,
    /// The bins of the reliability diagram, those without items too.
    pub bins: Vec<Bin>,
    /// The area under the risk-coverage curve: the mean share of errors over all numbers of answered items.
    pub aurc: f64,
    /// The risk-coverage curve at evenly spread coverages, the whole last.
    pub risk_coverage: Vec<RiskPoint>,
    /// What the classifier's own threshold does.
    pub abstain: Abstention,
}

/// Items whose probability of the predicted class is in `(low, high]`; the first bin has 0 too.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Where it begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
    /// How many items are in it.
    pub items: u64,
    /// Their mean probability, 0 without items.
    pub confidence: f64,
    /// The share of them that is right, 0 without items.
    pub accuracy: f64,
}

/// What happens if only the most certain items are answered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RiskPoint {
    /// The share of the items that is answered.
    pub coverage: f64,
    /// The share of errors among them. Of items with one probability all have the same share in it.
    pub risk: f64,
    /// The probability of the least certain of them.
    pub probability: f64,
}

/// What a threshold does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Abstention {
    /// The threshold: probabilities below it abstain.
    pub below: f32,
    /// The share of the items that is answered.
    pub coverage: f64,
    /// The share of right ones among those, 0 if there are none.
    pub accuracy: f64,
}

impl Calibration {
    /// Of predictions and the logits they come from, item by item.
    ///
    /// # Source
    ///
    /// Brier, "Verification of forecasts expressed in terms of probability", 1950; Geifman and El-Yaniv, "Selective
    /// classification for deep neural networks", 2017, for risk and coverage.
    #[must_use]
    pub fn new(predictions: &[Prediction], logits: &Logits, abstain_below: f32) -> Self {
        let truths = || predictions.iter().map(|prediction| prediction.truth);
        let squares = logits.probabilities().zip(truths()).map(|(row, truth)| squared(&row, truth));
        let answered: Vec<&Prediction> = predictions.iter().filter(|p| !p.abstained).collect();
        let right = answered.iter().filter(|p| p.is_right()).count();
        let curve = RiskCurve::new(predictions);
        Self {
            temperature: logits.temperature(),
            brier: mean(squares, predictions.len()),
            nll: mean(logits.losses(truths()), predictions.len()),
            bins: bins(predictions),
            aurc: mean((1..=predictions.len()).map(|answered| curve.risk(answered)), predictions.len()),
            risk_coverage: curve.points(),
            abstain: Abstention {
                below: abstain_below,
                coverage: share(answered.len(), predictions.len()),
                accuracy: share(right, answered.len()),
            },
        }
    }
}

/// The squared distance to what is true.
fn squared(probabilities: &[f64], truth: u32) -> f64 {
    let distance = |(class, p): (usize, &f64)| p - if class == truth as usize { 1.0 } else { 0.0 };
    probabilities.iter().enumerate().map(distance).map(|d| d * d).sum()
}

fn bins(predictions: &[Prediction]) -> Vec<Bin> {
    let mut counts = [(0usize, 0.0f64, 0usize); BINS];
    for prediction in predictions {
        let (items, sum, right) = &mut counts[super::bin_of(prediction.probability)];
        *items += 1;
        *sum += f64::from(prediction.probability);
        *right += usize::from(prediction.is_right());
    }
    let edge = |bin: usize| bin as f64 / BINS as f64;
    let bin = |(at, &(items, sum, right)): (usize, &(usize, f64, usize))| Bin {
        low: edge(at),
        high: edge(at + 1),
        items: items as u64,
        confidence: if items == 0 { 0.0 } else { sum / items as f64 },
        accuracy: share(right, items),
    };
    counts.iter().enumerate().map(bin).collect()
}

/// Errors among the most certain items, for every number of them.
struct RiskCurve {
    /// Expected errors among the first 0, 1, 2 ... items, in falling order of probability.
    errors: Vec<f64>,
    probabilities: Vec<f64>,
}

impl RiskCurve {
    fn new(predictions: &[Prediction]) -> Self {
        let mut order: Vec<&Prediction> = predictions.iter().collect();
        order.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        let mut errors = vec![0.0];
        for tied in order.chunk_by(|a, b| a.probability == b.probability) {
            let before = errors[errors.len() - 1];
            let wrong = tied.iter().filter(|p| !p.is_right()).count() as f64;
            // Which of the tied come first is chance: each number of them has its part of the errors.
            errors.extend((1..=tied.len()).map(|first| before + wrong * first as f64 / tied.len() as f64));
        }
        Self { errors, probabilities: order.iter().map(|p| f64::from(p.probability)).collect() }
    }

    /// The share of errors if `answered` items are, at least 1.
    fn risk(&self, answered: usize) -> f64 {
        self.errors[answered] / answered as f64
    }

    fn points(&self) -> Vec<RiskPoint> {
        let items = self.probabilities.len();
        let mut counts: Vec<usize> = (1..=POINTS).map(|point| point * items / POINTS).collect();
        counts.retain(|&answered| answered > 0);
        counts.dedup();
        let point = |answered: usize| RiskPoint {
            coverage: share(answered, items),
            risk: self.risk(answered),
            probability: self.probabilities[answered - 1],
        };
        counts.into_iter().map(point).collect()
    }
}

/// The mean of `count` numbers, 0 for none.
fn mean(numbers: impl Iterator<Item = f64>, count: usize) -> f64 {
    if count == 0 { 0.0 } else { numbers.sum::<f64>() / count as f64 }
}

fn share(part: usize, whole: usize) -> f64 {
    super::ratio(part as u64, whole as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(right: bool, probability: f32) -> Prediction {
        Prediction { truth: u32::from(!right), predicted: 0, probability, abstained: probability < 0.6 }
    }

    fn logits(probabilities: &[f32]) -> Logits {
        let mut logits = Logits::new(2, 1.0);
        probabilities.iter().for_each(|p| logits.push([p.ln(), (1.0 - p).ln()]));
        logits
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} found, {expected} expected");
    }

    #[test]
    fn brier_and_likelihood_are_those_computed_by_hand() {
        let predictions = [prediction(true, 0.75), prediction(false, 0.5)];
        let found = Calibration::new(&predictions, &logits(&[0.75, 0.5]), 0.6);
        // 2 * 0.25^2 and 2 * 0.5^2, over 2.
        close(found.brier, (0.125 + 0.5) / 2.0);
        close(found.nll, -(0.75f64.ln() + 0.5f64.ln()) / 2.0);
        assert_eq!(found.temperature, 1.0);
        assert_eq!(found.abstain, Abstention { below: 0.6, coverage: 0.5, accuracy: 1.0 });
        // Certain and wrong.
        let mut certain = Logits::new(2, 1.0);
        certain.push([50.0, -50.0]);
        let found = Calibration::new(&[prediction(false, 1.0)], &certain, 0.0);
        close(found.brier, 2.0);
        close(found.nll, 100.0);
    }

    #[test]
    fn the_curve_is_that_computed_by_hand() {
        // Certain first: right, wrong, right, wrong.
        let p = [0.9, 0.8, 0.7, 0.55];
        let mut predictions: Vec<_> =
            p.iter().zip([true, false, true, false]).map(|(&p, right)| prediction(right, p)).collect();
        predictions.swap(0, 3);
        let found = Calibration::new(&predictions, &logits(&p), 0.6);
        close(found.aurc, (0.0 + 1.0 / 2.0 + 1.0 / 3.0 + 2.0 / 4.0) / 4.0);
        let risks: Vec<_> = found.risk_coverage.iter().map(|point| (point.coverage, point.risk)).collect();
        assert_eq!(risks, [(0.25, 0.0), (0.5, 0.5), (0.75, 1.0 / 3.0), (1.0, 0.5)]);
        close(found.risk_coverage[3].probability, 0.55);
        close(found.abstain.coverage, 0.75);
        close(found.abstain.accuracy, 2.0 / 3.0);
    }

    #[test]
    fn among_equal_probabilities_the_order_does_not_count() {
        for order in [[true, false, false, true], [false, false, true, true]] {
            let predictions = order.map(|right| prediction(right, 0.75));
            let found = Calibration::new(&predictions, &logits(&[0.75; 4]), 0.0);
            close(found.aurc, 0.5);
            assert!(found.risk_coverage.iter().all(|point| point.risk == 0.5));
        }
    }

    #[test]
    fn bins_hold_the_items_of_the_expected_error() {
        let predictions = [prediction(true, 1.0), prediction(false, 0.96875), prediction(true, 0.5)];
        let bins = bins(&predictions);
        assert_eq!(bins.len(), BINS);
        let of = |at: usize| (bins[at].items, bins[at].accuracy);
        assert_eq!((of(14), of(7), of(0)), ((2, 0.5), (1, 1.0), (0, 0.0)));
        close(bins[14].confidence, 0.984_375);
        close(bins[7].low, 7.0 / 15.0);
    }

    #[test]
    fn no_items_give_zeros() {
        let found = Calibration::new(&[], &Logits::new(2, 1.0), 0.0);
        assert_eq!((found.brier, found.nll, found.aurc, found.abstain.coverage), (0.0, 0.0, 0.0, 0.0));
        assert!(found.risk_coverage.is_empty());
    }
}
