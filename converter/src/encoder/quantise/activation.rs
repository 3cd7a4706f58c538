//! GELU as a table of 256 bytes.

use statrs::function::erf::erf;

use super::matrix::Target;
use super::narrow::Narrow;
use crate::encoder::calibrate::Ranges;

/// Below this GELU is as good as 0: the numbers before it need not reach further.
const FLAT_BELOW: f64 = -3.0;

/// A table, what it reads and what it writes.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Of the matrix before it.
    pub(super) target: Target,
    /// `table[y + 128]`.
    pub(super) table: [u8; 256],
    /// For the matrix after it.
    pub(super) output: Narrow,
}

impl Plan {
    /// The signed number reaches from where the activation begins to be something to the highest number of the
    /// calibration; it need not be 0 in the middle, since a table can be of any function.
    pub(super) fn of(before: &Ranges, after: &Ranges) -> Self {
        let lowest = before.low.iter().copied().map(f64::from).fold(f64::INFINITY, f64::min);
        let highest = before.high.iter().copied().map(f64::from).fold(f64::NEG_INFINITY, f64::max);
        let low = lowest.max(FLAT_BELOW);
        let high = highest.max(low + 1e-3);
        let target = Target { scale: (high - low) / 254.0, centre: 0.5 * (low + high) };
        let numbers: Vec<f64> =
            (-128..128).map(|y| gelu(target.scale.mul_add(f64::from(y.max(-127)), target.centre))).collect();
        let least = numbers.iter().copied().fold(0.0, f64::min);
        let most = numbers.iter().copied().fold(0.0, f64::max);
        let scale = ((most - least) / 255.0).max(1e-9);
        let zero = (-least / scale).round();
        let mut table = [0; 256];
        for (byte, number) in table.iter_mut().zip(&numbers) {
            *byte = (number / scale + zero).round().clamp(0.0, 255.0) as u8;
        }
        Self { target, table, output: Narrow::uniform(scale, zero, after) }
    }
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + erf(x * core::f64::consts::FRAC_1_SQRT_2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::forward;

    #[test]
    fn the_two_activations_agree() {
        for step in -1000..1000 {
            let x = step as f32 * 0.01;
            let (single, double) = (forward::gelu(x), gelu(f64::from(x)));
            assert!(
                (f64::from(single) - double).abs() < 1e-6 * (1.0 + double.abs()),
                "{x}: {single}, {double}"
            );
        }
    }
}
