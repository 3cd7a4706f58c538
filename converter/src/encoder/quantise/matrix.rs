//! A layer's weights as integers, and how its sums become the next numbers.

use typecase_case::sections::encoder::EncoderWriter;
use typecase_kernels::encoder::{Matrix, scalar::mulr};

use super::i16_of;
use super::narrow::Narrow;
use crate::encoder::bert::Linear;

/// How far a wide result may pass its calibrated range before it is cut.
const HEAD_ROOM: f64 = 2.0;

/// What an output's number `y` stands for: `scale * y + centre`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Of 1.
    pub scale: f64,
    /// Of 0.
    pub centre: f64,
}

/// What the numbers of a matrix stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixScales {
    /// The bytes of its input.
    pub input: Narrow,
    /// A sum of 1 of each output: a weight `w` of input `k` is `sums / input.scale[k] * w`.
    pub sums: Vec<f64>,
    /// The numbers of its output.
    pub targets: Vec<Target>,
    /// A number of an output with a larger magnitude than this was cut, or may have been.
    pub most: Vec<i16>,
}

/// The type of the result.
#[derive(Clone, Copy, Debug)]
pub(super) enum Width<'r> {
    /// i8: what is beyond is cut, whatever the range.
    Narrow,
    /// i16, with the calibrated magnitude of each output.
    Wide(&'r [f64]),
}

/// The parts of a matrix in the order of the section.
#[derive(Clone, Debug)]
pub(super) struct MatrixNumbers {
    weights: Vec<u8>,
    bias: Vec<u8>,
    sums: Vec<u8>,
    shifts: Vec<u8>,
    multipliers: Vec<u8>,
    pub(super) scales: MatrixScales,
}

impl MatrixNumbers {
    /// The rows of all `linears`, one below the other.
    ///
    /// # Shapes
    /// `targets`: one an output of all.
    pub(super) fn of(linears: &[&Linear], input: &Narrow, targets: &[Target], width: Width<'_>) -> Self {
        let (inputs, outputs) = (input.scale.len(), targets.len());
        let mut numbers = Self {
            weights: vec![0; Matrix::packed_len(inputs, outputs)],
            bias: Vec::with_capacity(outputs * 4),
            sums: Vec::with_capacity(outputs * 4),
            shifts: Vec::with_capacity(outputs),
            multipliers: Vec::with_capacity(outputs * 2),
            scales: MatrixScales {
                input: input.clone(),
                sums: Vec::with_capacity(outputs),
                targets: targets.to_vec(),
                most: Vec::with_capacity(outputs),
            },
        };
        let rows = linears.iter().flat_map(|linear| linear.weight.rows().into_iter().zip(&linear.bias));
        for (output, ((row, bias), target)) in rows.zip(targets).enumerate() {
            let row: Vec<f64> = row.iter().map(|weight| f64::from(*weight)).collect();
            let row = Row::of(&row, f64::from(*bias), input, *target);
            for (k, weight) in row.weights.iter().enumerate() {
                numbers.weights[Matrix::packed_at(inputs, output, k)] = weight.cast_unsigned();
            }
            numbers.bias.extend(row.bias.to_le_bytes());
            let sum: i32 = row.weights.iter().map(|weight| i32::from(*weight)).sum();
            numbers.sums.extend(sum.to_le_bytes());
            let factor = row.scale / target.scale;
            let (shift, multiplier) = match width {
                Width::Narrow => narrow_factor(factor),
                Width::Wide(magnitudes) => wide_factor(factor, HEAD_ROOM * magnitudes[output] / row.scale),
            };
            numbers.shifts.push(shift);
            numbers.multipliers.extend(multiplier.to_le_bytes());
            numbers.scales.sums.push(row.scale);
            numbers.scales.most.push(match width {
                Width::Narrow => 127,
                Width::Wide(_) => most_of(multiplier),
            });
        }
        numbers
    }

    /// Writes the parts; what they stand for.
    pub(super) fn write(self, section: &mut EncoderWriter) -> MatrixScales {
        let Self { weights, bias, sums, shifts, multipliers, scales } = self;
        for part in [weights, bias, sums, shifts, multipliers] {
            section.part(&part);
        }
        scales
    }
}

/// The weights of an output; `scale` is what 1 in the accumulator stands for.
struct Row {
    weights: Vec<i8>,
    bias: i32,
    scale: f64,
}

impl Row {
    /// The weights take the scales of their inputs in, and have one scale. The bias takes in what a zero of the inputs
    /// stands for, the target's centre, and what rounding the weights changes in the mean.
    fn of(weights: &[f64], bias: f64, input: &Narrow, target: Target) -> Self {
        let scaled = || weights.iter().zip(&input.scale).map(|(weight, scale)| weight * scale);
        let largest = scaled().map(f64::abs).fold(0.0, f64::max);
        let bias = bias - target.centre;
        // A row that is nothing but its bias still has one that fits 32 bits, and a factor that is not 0.
        let scale =
            (largest / 127.0).max(bias.abs() / f64::from(1 << 28)).max(target.scale / f64::from(1 << 20));
        let rounded: Vec<i8> = scaled().map(|weight| (weight / scale).round() as i8).collect();
        let mut accumulator = bias / scale;
        for (k, weight) in rounded.iter().enumerate() {
            let weight = f64::from(*weight);
            let lost = weights[k] / scale - weight / input.scale[k];
            accumulator += lost * input.mean[k] + weight * input.base[k] / input.scale[k];
        }
        Self { weights: rounded, bias: accumulator.round() as i32, scale }
    }
}

/// The largest wide result of which the number before the multiplication is not at its end. An output that has next to
/// no multiplier is all but 0, whatever it was before.
const fn most_of(multiplier: i16) -> i16 {
    if multiplier < 2 { i16::MAX } else { mulr(i16::MAX, multiplier) - 1 }
}

/// Shift and multiplier for a narrow result: the multiplier has 12 bits, so the scale is met to 1/4096 and what is
/// rounded between the two has eight steps or more for each step of the result.
fn narrow_factor(factor: f64) -> (u8, i16) {
    let multiplier = |shift: u8| factor * f64::from(15 + u32::from(shift)).exp2();
    let shift = (1..=24).rev().find(|shift| multiplier(*shift) < 4095.5).unwrap_or(1);
    (shift, i16_of(multiplier(shift)))
}

/// Shift and multiplier for a wide result of which the accumulator reaches `largest`: what is rounded between the two
/// has as many bits as there are.
fn wide_factor(factor: f64, largest: f64) -> (u8, i16) {
    let multiplier = |shift: u8| factor * f64::from(15 + u32::from(shift)).exp2();
    let fits = |shift: &u8| largest <= 32_767.0 * f64::from(*shift).exp2();
    let mut shift = (1..=24).find(fits).unwrap_or(24);
    // A result that fills 16 bits leaves no head room to the number between.
    while shift > 1 && multiplier(shift) > 32_767.0 {
        shift -= 1;
    }
    (shift, i16_of(multiplier(shift)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shift_and_multiplier_together_are_the_factor() {
        for exponent in -60..-8 {
            for part in [1.0, 1.3, 1.9] {
                let factor = f64::from(exponent).exp2() * part / 8.0f64.sqrt();
                let (shift, multiplier) = narrow_factor(factor);
                let got = f64::from(multiplier) / f64::from(15 + u32::from(shift)).exp2();
                if (-38.0..-4.0).contains(&factor.log2()) && shift < 24 {
                    assert!((got / factor - 1.0).abs() < 1.0 / 4000.0, "{factor}: {shift}, {multiplier}");
                }
                assert!((1..=24).contains(&shift) && multiplier >= 0);
                let largest = 5000.0 / factor;
                let (shift, multiplier) = wide_factor(factor, largest);
                assert!((1..=24).contains(&shift) && multiplier >= 0);
                if shift < 24 {
                    assert!(largest / f64::from(shift).exp2() <= 32_767.0);
                    let got = f64::from(multiplier) / f64::from(15 + u32::from(shift)).exp2();
                    assert!((got / factor - 1.0).abs() < 1e-4, "{factor}: {shift}, {multiplier}");
                }
            }
        }
    }
}
