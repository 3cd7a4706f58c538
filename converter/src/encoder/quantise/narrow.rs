//! Bytes that go into a matrix: what they stand for, and how their scales are chosen.

use crate::encoder::bert::Linear;
use crate::encoder::calibrate::Ranges;

/// Channels with less than this share of the widest range are taken for as wide: their scales stay numbers to divide by.
const LEAST_SHARE: f64 = 1e-6;

/// What an unsigned byte `a` of each channel stands for: `scale * a + base`. The next matrix holds both, so each
/// channel may have its own at no cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Narrow {
    /// One a channel.
    pub scale: Vec<f64>,
    /// One a channel.
    pub base: Vec<f64>,
    /// Of the real numbers, by calibration.
    pub(super) mean: Vec<f64>,
}

impl Narrow {
    /// Bytes that LayerNorm writes: the middle of each channel's range is the middle of the byte, so a channel far from
    /// zero wastes none. `least`: the finest scale that LayerNorm can give a channel.
    pub(super) fn of_norm(
        ranges: &Ranges,
        readers: &[&Linear],
        alpha: f64,
        least: impl Fn(usize) -> f64,
    ) -> Self {
        let halves = halves(ranges);
        let scale = smooth(&halves, readers, alpha, 127.5);
        let scale: Vec<f64> = scale.iter().enumerate().map(|(j, scale)| scale.max(least(j))).collect();
        let base = scale.iter().enumerate().map(|(j, scale)| ranges.middle(j) - 127.5 * scale).collect();
        Self { scale, base, mean: means(ranges) }
    }

    /// Bytes that attention writes: weighted means of `values`, with the scale and the middle of each value, around 128.
    pub(super) fn of_context(values: &Ranges, context: &Ranges, reader: &Linear, alpha: f64) -> Self {
        let scale = smooth(&halves(values), &[reader], alpha, 127.0);
        let base = scale.iter().enumerate().map(|(j, scale)| values.middle(j) - 128.0 * scale).collect();
        Self { scale, base, mean: means(context) }
    }

    /// Bytes of one scale and zero for all channels: those of a table.
    pub(super) fn uniform(scale: f64, zero: f64, ranges: &Ranges) -> Self {
        let width = ranges.len();
        Self { scale: vec![scale; width], base: vec![-zero * scale; width], mean: means(ranges) }
    }
}

fn means(ranges: &Ranges) -> Vec<f64> {
    (0..ranges.len()).map(|j| ranges.mean(j)).collect()
}

fn halves(ranges: &Ranges) -> Vec<f64> {
    let widest = (0..ranges.len()).map(|j| ranges.half(j)).fold(f64::MIN_POSITIVE, f64::max);
    (0..ranges.len()).map(|j| ranges.half(j).max(LEAST_SHARE * widest)).collect()
}

/// The scale of each channel, so that its range takes at most `steps` to each side. What makes a channel's numbers
/// coarse makes its weights fine and the other way round: `range^alpha / weight^(1 - alpha)` shares the loss.
///
/// # Source
/// Xiao et al., SmoothQuant, 2023, equation 4.
fn smooth(halves: &[f64], readers: &[&Linear], alpha: f64, steps: f64) -> Vec<f64> {
    let mut weights = vec![0.0f64; halves.len()];
    for row in readers.iter().flat_map(|reader| reader.weight.rows()) {
        for (largest, weight) in weights.iter_mut().zip(row) {
            *largest = largest.max(f64::from(weight.abs()));
        }
    }
    let largest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let shares: Vec<f64> = halves
        .iter()
        .zip(&weights)
        .map(|(half, weight)| half.powf(alpha) / weight.max(1e-4 * largest).powf(1.0 - alpha))
        .collect();
    let common = halves.iter().zip(&shares).map(|(half, share)| half / share).fold(0.0, f64::max) / steps;
    shares.iter().map(|share| share * common).collect()
}
