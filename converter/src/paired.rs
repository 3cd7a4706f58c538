//! The paired test: is one classifier better than another on the same items?
//!
//! # Source
//! McNemar 1947, "Note on the sampling error of the difference between correlated proportions"; the exact form is the
//! two-sided binomial test on the items where just one of the two is right.

use serde::Serialize;
use statrs::distribution::{Binomial, DiscreteCDF};

/// Where two classifiers differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// Items that only the first gets right.
    pub b: u64,
    /// Items that only the second gets right.
    pub c: u64,
    /// Two-sided exact probability of a difference as large by chance.
    pub mcnemar_p: f64,
}

impl Paired {
    /// Compares item by item whether each classifier was right.
    pub fn new(outcomes: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let (mut b, mut c) = (0u64, 0u64);
        for (first, second) in outcomes {
            b += u64::from(first && !second);
            c += u64::from(second && !first);
        }
        Self { b, c, mcnemar_p: mcnemar(b, c) }
    }
}

/// The two-sided exact p-value for `b` against `c` discordant items; 1 for none.
#[must_use]
pub fn mcnemar(b: u64, c: u64) -> f64 {
    match Binomial::new(0.5, b.saturating_add(c)) {
        Ok(binomial) if b > 0 || c > 0 => (2.0 * binomial.cdf(b.min(c))).min(1.0),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_those_of_the_binomial() {
        assert_eq!(mcnemar(0, 0), 1.0);
        assert_eq!(mcnemar(5, 5), 1.0);
        // 2 * (1 + 10 + 45) / 1024
        assert!((mcnemar(2, 8) - 112.0 / 1024.0).abs() < 1e-12);
        assert!((mcnemar(8, 2) - 112.0 / 1024.0).abs() < 1e-12);
        // Sums of exact fractions.
        assert!((mcnemar(41, 60) - 0.072_757_006_877_524_19).abs() < 1e-12);
        assert!((mcnemar(533, 467) - 0.039_779_280_214_941_475).abs() < 1e-12);
        assert!(mcnemar(4000, 6000) < 1e-80);
        assert!(mcnemar(u64::MAX, 1) < 1e-300);
    }

    #[test]
    fn only_items_where_the_two_differ_count() {
        let paired = Paired::new([(true, true), (true, false), (false, true), (false, true), (false, false)]);
        assert_eq!((paired.b, paired.c), (1, 2));
    }
}
