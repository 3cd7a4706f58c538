//! Can a score tell the items of the task from texts of another domain?

use serde::Serialize;

/// How well one score tells inside from outside.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Separation {
    /// The probability that an item from inside has the higher score of a random pair; of equal scores a half. 0.5
    /// for a score that knows nothing, 1 for one that never errs.
    pub auroc: f64,
    /// The share of the texts from outside that pass the highest threshold which 95 % of those inside pass.
    pub fpr95: f64,
}

impl Separation {
    /// Of the scores inside and outside, higher for inside. Zeros if one of the lists is empty.
    ///
    /// # Source
    ///
    /// Mann and Whitney 1947, by midranks; Hendrycks and Gimpel, "A baseline for detecting misclassified and
    /// out-of-distribution examples in neural networks", 2017; Liang, Li and Srikant 2018 for the rate at 95 %.
    #[must_use]
    pub fn new(inside: &[f64], outside: &[f64]) -> Self {
        if inside.is_empty() || outside.is_empty() {
            return Self { auroc: 0.0, fpr95: 0.0 };
        }
        Self { auroc: auroc(inside, outside), fpr95: passing(inside, outside) }
    }
}

/// The Mann-Whitney statistic over all pairs.
fn auroc(inside: &[f64], outside: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = inside.iter().map(|&score| (score, true)).collect();
    all.extend(outside.iter().map(|&score| (score, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank_sum, mut below) = (0.0, 0usize);
    for tied in all.chunk_by(|a, b| a.0 == b.0) {
        // Ranks count from 1; tied ones share their mean.
        let midrank = below as f64 + (tied.len() as f64 + 1.0) / 2.0;
        rank_sum += midrank * tied.iter().filter(|entry| entry.1).count() as f64;
        below += tied.len();
    }
    let (n, m) = (inside.len() as f64, outside.len() as f64);
    (rank_sum - n * (n + 1.0) / 2.0) / (n * m)
}

/// The share of `outside` at or above the highest threshold that at least 95 % of `inside` reach.
fn passing(inside: &[f64], outside: &[f64]) -> f64 {
    let mut falling = inside.to_vec();
    falling.sort_by(|a, b| b.total_cmp(a));
    // In whole numbers: 95 % of 20 are 19, not 20.
    let needed = (95 * falling.len()).div_ceil(100);
    let threshold = falling[needed - 1];
    outside.iter().filter(|&&score| score >= threshold).count() as f64 / outside.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_with_and_without_ties() {
        // Pairs won of all, ties half, counted by hand.
        let table: [(&[f64], &[f64], f64); 6] = [
            (&[3.0, 4.0], &[1.0, 2.0], 1.0),
            (&[1.0, 2.0], &[3.0, 4.0], 0.0),
            (&[1.0, 3.0], &[2.0], 0.5),
            (&[1.0, 1.0, 1.0], &[1.0, 1.0], 0.5),
            // 2 > 1, 2 = 2, 3 > 1, 3 > 2: 3.5 of 4.
            (&[2.0, 3.0], &[1.0, 2.0], 0.875),
            // 1 = 1 twice, 1 < 2, 2 > 1 twice, 2 = 2: 3.5 of 6.
            (&[1.0, 2.0], &[1.0, 1.0, 2.0], 3.5 / 6.0),
        ];
        for (inside, outside, expected) in table {
            let found = Separation::new(inside, outside).auroc;
            assert!((found - expected).abs() < 1e-12, "{inside:?} {outside:?}: {found}, {expected} expected");
        }
    }

    #[test]
    fn the_threshold_lets_95_of_100_pass() {
        let inside: Vec<f64> = (1..=20).map(f64::from).collect();
        // 19 of 20 are at least 2.
        assert_eq!(Separation::new(&inside, &[0.0, 1.5, 2.0, 30.0]).fpr95, 0.5);
        // Ties at the threshold pass, inside and outside.
        assert_eq!(Separation::new(&[1.0; 5], &[1.0, 0.5]).fpr95, 0.5);
        assert_eq!(Separation::new(&[1.0], &[2.0]).fpr95, 1.0);
    }

    #[test]
    fn an_empty_side_gives_zeros() {
        assert_eq!(Separation::new(&[], &[1.0]), Separation { auroc: 0.0, fpr95: 0.0 });
        assert_eq!(Separation::new(&[1.0], &[]), Separation { auroc: 0.0, fpr95: 0.0 });
    }
}
