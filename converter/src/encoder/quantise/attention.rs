//! Scales of queries, keys and values, and what their products count.

use typecase_kernels::encoder::EXP_STEPS;

use super::matrix::Target;
use super::narrow::Narrow;
use crate::encoder::bert::Linear;
use crate::encoder::calibrate::Ranges;

/// The numbers of attention.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Of queries, keys, values.
    pub(super) targets: Vec<Target>,
    /// What attention writes.
    pub(super) context: Narrow,
    /// Steps of the exponential function for a product, times `2^shift`.
    pub(super) factor: u32,
    pub(super) shift: u32,
}

impl Plan {
    /// A query's channel has the scale `s * d`, its key's `s / d`, so all products count `s^2`; `d` makes the two equally
    /// fine. A constant that is added to all keys changes no weight, so keys are taken from the middle of their range;
    /// and since weights sum to 1 values are too, and the next matrix adds the middle again.
    ///
    /// # Shapes
    /// `parts`: queries, keys, values, context, each heads x channels.
    pub(super) fn of(parts: [&Ranges; 4], channels: usize, output: &Linear, alpha: f64) -> Self {
        let [query, key, value, context] = parts;
        let width = query.len();
        let at_least = |largest: f64| largest.max(f64::MIN_POSITIVE.sqrt()) * 1e-4;
        let (least_query, least_key) =
            (at_least(query.largest()), at_least((0..width).map(|j| key.half(j)).fold(0.0, f64::max)));
        let ranges: Vec<(f64, f64)> =
            (0..width).map(|j| (query.magnitude(j).max(least_query), key.half(j).max(least_key))).collect();
        let product = ranges.iter().map(|(query, key)| query * key).fold(0.0, f64::max) / (127.0 * 127.0);
        let scale = product.sqrt();
        let shares: Vec<f64> = ranges.iter().map(|(query, key)| (query / key).sqrt()).collect();
        let context = Narrow::of_context(value, context, output, alpha);
        let queries = shares.iter().map(|share| Target { scale: scale * share, centre: 0.0 });
        let keys = shares
            .iter()
            .enumerate()
            .map(|(j, share)| Target { scale: scale / share, centre: key.middle(j) });
        let values = context
            .scale
            .iter()
            .enumerate()
            .map(|(j, scale)| Target { scale: *scale, centre: value.middle(j) });
        let targets = queries.chain(keys).chain(values).collect();
        let (factor, shift) = steps(product / (channels as f64).sqrt(), channels);
        Self { targets, context, factor, shift }
    }
}

/// Factor and shift for products that count `nats` each: as many bits as the bound on the distance leaves.
fn steps(nats: f64, channels: usize) -> (u32, u32) {
    let factor = |shift: u32| (nats * f64::from(EXP_STEPS) * f64::from(shift).exp2()).round();
    let distance = 2.0 * 127.0 * 127.0 * channels as f64;
    let fits = |shift: &u32| distance * factor(*shift) + f64::from(shift - 1).exp2() <= f64::from(i32::MAX);
    let shift = (1..=30).rev().find(fits).unwrap_or(1);
    (factor(shift).min(((f64::from(i32::MAX) - 1.0) / distance).floor()) as u32, shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_attention_keeps_to_its_bound() {
        for exponent in -30..6 {
            for channels in [4, 32, 64, 256] {
                let nats = f64::from(exponent).exp2() * 1.37;
                let (factor, shift) = steps(nats, channels);
                let bound = u64::from(factor) * 2 * 127 * 127 * channels as u64 + (1 << (shift - 1));
                assert!(bound <= i32::MAX as u64 && (1..=30).contains(&shift), "{nats}, {channels}");
                // Products of ordinary size: the factor is met closely.
                if (-16..-4).contains(&exponent) {
                    let got = f64::from(factor) / f64::from(shift).exp2();
                    assert!(
                        (got / (32.0 * nats) - 1.0).abs() < 0.01,
                        "{nats}, {channels}: {factor}, {shift}"
                    );
                }
            }
        }
    }
}
