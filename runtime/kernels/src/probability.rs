//! From exact scores to calibrated probabilities, in IEEE single operations of a fixed order: additions,
//! multiplications, one division, conversions. No library `exp`, no fused multiply-add, so every CPU agrees.
//!
//! # Source
//! Exponential: range reduction to `2^k * 2^f` and the Taylor polynomial of `2^f` of degree 6 on [-0.5, 0.5] (Cody and
//! Waite 1980); relative error below 2e-6, tested.

/// The softmax probability of class `index`.
///
/// # Units
/// `scale`: logits per score, temperature and norm included.
#[must_use]
pub fn softmax(scores: &[i32], index: usize, scale: f32) -> f32 {
    let highest = scores.iter().copied().max().unwrap_or(0);
    let weight = |score: i32| exp(scale * (i64::from(score) - i64::from(highest)) as f32);
    let total: f32 = scores.iter().map(|&score| weight(score)).sum();
    scores.get(index).map_or(0.0, |&score| weight(score) / total)
}

/// `e^x` for `x` of at most 0; 0 below -87.
#[must_use]
pub fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = core::f32::consts::LOG2_E;
    if x < -87.0 {
        return 0.0;
    }
    let exponent = x * LOG2_E;
    // Round half away from zero; the operand is at most 0.
    let whole = (exponent - 0.5) as i32;
    // Split ln 2 so that the reduction is exact enough.
    let rest = (x - whole as f32 * 0.693_359_4) + whole as f32 * 2.121_944_4e-4;
    let mut polynomial = 1.0 / 720.0;
    for coefficient in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        polynomial = polynomial * rest + coefficient;
    }
    polynomial * f32::from_bits(((whole + 127) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_the_reals_to_six_digits() {
        for step in 0..=870_000 {
            let x = -(step as f32) / 10_000.0;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) / expected - 1.0).abs();
            assert!(error < 2e-6, "exp({x}) is off by {error:e}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-88.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn probabilities_sum_to_one_and_follow_the_scores() {
        let scores = [-3, -41, 57, 9];
        let p: std::vec::Vec<f32> = (0..4).map(|i| softmax(&scores, i, 0.0625)).collect();
        assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(p[2] > p[3] && p[3] > p[0] && p[0] > p[1]);
        assert!((p[2] - 0.929_8).abs() < 1e-3, "{p:?}");
    }

    #[test]
    fn extreme_scores_stay_finite() {
        assert_eq!(softmax(&[i32::MAX, i32::MIN], 0, 1e30), 1.0);
        assert_eq!(softmax(&[i32::MIN, i32::MIN], 1, 1e-30), 0.5);
        assert_eq!(softmax(&[], 0, 1.0), 0.0);
    }
}
