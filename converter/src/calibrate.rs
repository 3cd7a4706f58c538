//! Temperature scaling: probabilities that mean what they say.
//!
//! # Source
//! Guo et al. 2017, "On Calibration of Modern Neural Networks".

use serde::Serialize;

/// The temperature that makes the labels most likely: the least mean negative log-likelihood of
/// `softmax(logits / temperature)`, by golden-section search over 0.01 to 100. 1 for no data.
///
/// # Shapes
/// `logits`: items x classes; `labels`: one an item.
#[must_use]
pub fn temperature(logits: &[Vec<f32>], labels: &[u32]) -> f32 {
    if logits.is_empty() {
        return 1.0;
    }
    // In the logarithm of 1 / temperature the loss has one minimum.
    let loss = |x: f64| mean_loss(logits, labels, x.exp());
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (0.01f64.ln(), 100f64.ln());
    let (mut a, mut b) = (high - golden * (high - low), low + golden * (high - low));
    let (mut loss_a, mut loss_b) = (loss(a), loss(b));
    for _ in 0..60 {
        if loss_a < loss_b {
            (high, b, loss_b) = (b, a, loss_a);
            a = high - golden * (high - low);
            loss_a = loss(a);
        } else {
            (low, a, loss_a) = (a, b, loss_b);
            b = low + golden * (high - low);
            loss_b = loss(b);
        }
    }
    (1.0 / ((low + high) / 2.0).exp()) as f32
}

/// Mean negative log-likelihood of the labels, with logits multiplied by `sharpness`.
#[must_use]
pub fn mean_loss(logits: &[Vec<f32>], labels: &[u32], sharpness: f64) -> f64 {
    let total: f64 = logits
        .iter()
        .zip(labels)
        .map(|(row, &label)| {
            let highest = row.iter().copied().fold(f32::MIN, f32::max);
            let scaled = |z: f32| (f64::from(z) - f64::from(highest)) * sharpness;
            let sum: f64 = row.iter().map(|&z| scaled(z).exp()).sum();
            sum.ln() - row.get(label as usize).map_or(0.0, |&z| scaled(z))
        })
        .sum();
    total / logits.len().max(1) as f64
}

/// A threshold of the probability, and what it does on held-out texts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// Verdicts of a lower probability abstain.
    pub below: f32,
    /// The share of the held-out texts that is answered.
    pub coverage: f64,
    /// The share of right ones among those, 0 for none.
    pub accuracy: f64,
}

/// What a threshold does to answers, each a probability and whether it is right.
#[must_use]
pub fn threshold(answers: &[(f32, bool)], below: f32) -> Threshold {
    let answered = answers.iter().filter(|answer| answer.0 >= below);
    let (count, right) =
        answered.fold((0, 0), |(count, right), answer| (count + 1, right + u32::from(answer.1)));
    Threshold {
        below,
        coverage: f64::from(count) / answers.len().max(1) as f64,
        accuracy: f64::from(right) / f64::from(count.max(1)),
    }
}

/// The lowest threshold above which at least the share `target` is right, so that as many texts as can be are answered;
/// `None` if no threshold does it. It lies halfway to the next lower probability. Chosen on the texts that it is measured
/// on, so on others the accuracy may be a little lower.
#[must_use]
pub fn lowest_threshold(answers: &[(f32, bool)], target: f64) -> Option<Threshold> {
    let mut falling = answers.to_vec();
    falling.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut count, mut right, mut lowest) = (0usize, 0usize, None);
    for tied in falling.chunk_by(|a, b| a.0 == b.0) {
        count += tied.len();
        right += tied.iter().filter(|answer| answer.1).count();
        if right as f64 / count as f64 >= target {
            let next = falling.get(count).map(|answer| answer.0);
            // Halfway may round down to the next one, which is not to pass.
            let halfway = |next: f32| Some((tied[0].0 + next) / 2.0).filter(|half| *half > next);
            lowest = Some(next.map_or(0.0, |next| halfway(next).unwrap_or(tied[0].0)));
        }
    }
    lowest.map(|below| threshold(answers, below))
}

/// The probability of the highest logit, and whether its class is the label.
#[must_use]
pub fn answer(logits: &[f32], temperature: f32, found: u32, label: u32) -> (f32, bool) {
    let loss = mean_loss(&[logits.to_vec()], &[found], 1.0 / f64::from(temperature));
    ((-loss).exp() as f32, found == label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_is_right_three_times_in_four_gets_that_probability() {
        let logits = vec![vec![5.0, 0.0]; 4];
        let t = temperature(&logits, &[0, 0, 0, 1]);
        let p = 1.0 / (1.0 + (-5.0 / t).exp());
        assert!((p - 0.75).abs() < 1e-4, "temperature {t} gives {p}");
    }

    #[test]
    fn the_lowest_threshold_that_reaches_the_target_is_taken() {
        let answers = [(0.9, true), (0.5, false), (0.8, true), (0.7, false), (0.6, true), (0.75, true)];
        let found =
            |target: f64| lowest_threshold(&answers, target).map(|t| (t.below, t.coverage, t.accuracy));
        // Right in falling order: 3 of 3, 3 of 4, 4 of 5, 4 of 6.
        assert_eq!(found(1.0), Some(((0.75 + 0.7) / 2.0, 0.5, 1.0)));
        assert_eq!(found(0.8), Some(((0.6 + 0.5) / 2.0, 5.0 / 6.0, 0.8)));
        assert_eq!(found(0.5), Some((0.0, 1.0, 4.0 / 6.0)));
        assert_eq!(lowest_threshold(&[(0.9, false), (0.8, true)], 0.9), None);
        assert_eq!(lowest_threshold(&[], 0.9), None);
        // Equal probabilities are answered together or not at all.
        assert_eq!(lowest_threshold(&[(0.9, true), (0.9, false)], 0.9), None);
        // Neighbours among the numbers.
        let next = f32::from_bits(0.9f32.to_bits() - 1);
        let close = lowest_threshold(&[(0.9, true), (next, false)], 1.0).unwrap();
        assert_eq!((close.below, close.coverage), (0.9, 0.5));
    }

    #[test]
    fn an_answer_has_the_probability_of_what_was_found() {
        let (probability, right) = answer(&[3f32.ln() * 2.0, 0.0], 2.0, 0, 1);
        assert!((probability - 0.75).abs() < 1e-6 && !right);
    }

    #[test]
    fn no_data_leave_the_logits_alone() {
        assert_eq!(temperature(&[], &[]), 1.0);
    }
}
