//! The numbers that stand for a series of measurements.

use serde::Serialize;

/// Quartiles and minimum of a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The smallest.
    pub min: f64,
    /// A quarter is at most this.
    pub lower_quartile: f64,
    /// Half is at most this.
    pub median: f64,
    /// Three quarters are at most this.
    pub upper_quartile: f64,
}

impl Summary {
    /// Of a series; all 0 for an empty one.
    #[must_use]
    pub fn of(series: &[f64]) -> Self {
        let mut sorted = series.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self {
            min: sorted.first().copied().unwrap_or(0.0),
            lower_quartile: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            upper_quartile: quantile(&sorted, 0.75),
        }
    }
}

/// Interpolated between the two neighbours.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = sorted.len().saturating_sub(1) as f64 * share;
    let at = |index: f64| sorted.get(index as usize).copied().unwrap_or(0.0);
    let (below, above) = (at(place.floor()), at(place.ceil()));
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_those_of_the_sorted_series() {
        let summary = |min, lower_quartile, median, upper_quartile| Summary {
            min,
            lower_quartile,
            median,
            upper_quartile,
        };
        for (series, expected) in [
            (&[][..], summary(0.0, 0.0, 0.0, 0.0)),
            (&[7.0], summary(7.0, 7.0, 7.0, 7.0)),
            (&[5.0, 1.0, 3.0, 2.0, 4.0], summary(1.0, 2.0, 3.0, 4.0)),
            (&[2.0, 1.0], summary(1.0, 1.25, 1.5, 1.75)),
        ] {
            assert_eq!(Summary::of(series), expected, "{series:?}");
        }
    }
}
