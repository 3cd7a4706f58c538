//! The paired bootstrap: in which interval does the difference of two accuracies lie?

use rayon::prelude::*;
use serde::Serialize;

use super::{EvaluateError, Prediction, check_paired};
use crate::random::Random;

/// The difference of two accuracies on the same items.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Accuracy of the first less that of the second.
    pub difference: f64,
    /// The 95 % interval of it: low, high.
    pub difference_ci95: [f64; 2],
}

/// Draws as many items as there are, with replacement, `resamples` times, and takes the percentiles of the difference.
/// Each resample has a generator of its own that follows from `seed` and its number: threads do not matter.
///
/// # Errors
///
/// Fails if the lists differ in length or in a right class.
///
/// # Source
///
/// Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13: the percentile interval.
pub fn bootstrap(
    first: &[Prediction],
    second: &[Prediction],
    seed: u64,
    resamples: u32,
) -> Result<Difference, EvaluateError> {
    check_paired(first, second)?;
    let pairs = first.iter().zip(second);
    let gains: Vec<i8> = pairs.map(|(a, b)| i8::from(a.is_right()) - i8::from(b.is_right())).collect();
    let items = gains.len().max(1) as f64;
    let whole: i64 = gains.iter().map(|&gain| i64::from(gain)).sum();
    let base = Random::new(seed).next_u64();
    let mut sums: Vec<i64> =
        (0..resamples).into_par_iter().map(|number| resampled(&gains, base ^ u64::from(number))).collect();
    sums.sort_unstable();
    let at = |place: usize| sums.get(place).map_or(0.0, |&sum| sum as f64 / items);
    // As many are left out below as above.
    let out = sums.len() / 40;
    let difference_ci95 = [at(out), at((sums.len().max(1)) - 1 - out)];
    Ok(Difference { difference: whole as f64 / items, difference_ci95 })
}

/// The sum over one draw of as many gains as there are.
fn resampled(gains: &[i8], seed: u64) -> i64 {
    let mut random = Random::new(seed);
    let items = gains.len() as u64;
    gains.iter().map(|_| i64::from(gains[random.below(items) as usize])).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(right: impl IntoIterator<Item = bool>) -> Vec<Prediction> {
        let one = |right: bool| Prediction {
            truth: 0,
            predicted: u32::from(!right),
            probability: 1.0,
            abstained: false,
        };
        right.into_iter().map(one).collect()
    }

    #[test]
    fn lists_that_agree_or_disagree_everywhere_have_no_interval() {
        let (all, none) = (predictions([true; 9]), predictions([false; 9]));
        for (first, second, expected) in [(&all, &all, 0.0), (&all, &none, 1.0), (&none, &all, -1.0)] {
            let found = bootstrap(first, second, 1, 200).unwrap();
            assert_eq!(found, Difference { difference: expected, difference_ci95: [expected; 2] });
        }
        let nothing = bootstrap(&[], &[], 1, 10).unwrap();
        assert_eq!(nothing, Difference { difference: 0.0, difference_ci95: [0.0; 2] });
    }

    #[test]
    fn the_interval_is_that_of_the_normal_distribution_for_many_items() {
        // 1,000 items, 60 only right in the first, 40 only in the second: difference 0.02, variance of an item
        // 0.1 - 0.02^2, standard error 0.00998.
        let first = predictions((0..1000).map(|item| item >= 40));
        let second = predictions((0..1000).map(|item| item < 940));
        let found = bootstrap(&first, &second, 7, 10_000).unwrap();
        assert!((found.difference - 0.02).abs() < 1e-12);
        let half = 1.96 * 0.009_98;
        for (found, expected) in found.difference_ci95.iter().zip([0.02 - half, 0.02 + half]) {
            assert!((found - expected).abs() < 0.0015, "{found} found, {expected} expected");
        }
        assert_eq!(found, bootstrap(&first, &second, 7, 10_000).unwrap());
        assert_ne!(found, bootstrap(&first, &second, 8, 500).unwrap());
    }

    #[test]
    fn lists_about_other_items_are_refused() {
        let error = bootstrap(&predictions([true]), &predictions([true; 2]), 1, 10).unwrap_err();
        assert_eq!(error, EvaluateError::Lengths { first: 1, second: 2 });
    }
}
