//! Temperature scaling: probabilities that mean what they say.
//!
//! # Source
//! Guo et al. 2017, "On Calibration of Modern Neural Networks".

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
    fn no_data_leave_the_logits_alone() {
        assert_eq!(temperature(&[], &[]), 1.0);
    }
}
