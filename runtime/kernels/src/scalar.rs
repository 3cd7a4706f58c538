//! The specification: plain loops. Ids beyond the rows add nothing (a checked case has none).

use crate::{Norm, RowScales};

/// Adds rows of 8-bit numbers.
///
/// # Shapes
/// `weights`: rows x `width` bytes, i8; `sums`: `width`, overwritten.
#[inline]
pub fn sum_rows_i8(weights: &[u8], width: usize, scales: RowScales<'_>, ids: &[u32], sums: &mut [i32]) {
    sums.fill(0);
    add_rows_i8(weights, width, scales, ids, sums);
}

/// As [`sum_rows_i8`], added to the sums.
pub fn add_rows_i8(weights: &[u8], width: usize, scales: RowScales<'_>, ids: &[u32], sums: &mut [i32]) {
    for &id in ids {
        let start = id as usize * width;
        let row = weights.get(start..start + width).unwrap_or_default();
        let scale = scales.of(id);
        for (sum, &weight) in sums.iter_mut().zip(row) {
            *sum += scale * i32::from(weight.cast_signed());
        }
    }
}

/// Adds rows of 4-bit numbers, two in a byte, low half first.
///
/// # Shapes
/// `weights`: rows x `width.div_ceil(2)` bytes; `sums`: `width`, overwritten.
#[inline]
pub fn sum_rows_i4(weights: &[u8], width: usize, scales: RowScales<'_>, ids: &[u32], sums: &mut [i32]) {
    sums.fill(0);
    add_rows_i4(weights, width, scales, ids, sums);
}

/// As [`sum_rows_i4`], added to the sums.
pub fn add_rows_i4(weights: &[u8], width: usize, scales: RowScales<'_>, ids: &[u32], sums: &mut [i32]) {
    let row_bytes = width.div_ceil(2);
    for &id in ids {
        let start = id as usize * row_bytes;
        let row = weights.get(start..start + row_bytes).unwrap_or_default();
        let scale = scales.of(id);
        for (pair, &byte) in sums.chunks_mut(2).zip(row) {
            for (half, sum) in pair.iter_mut().enumerate() {
                *sum += scale * signed_half(byte, half);
            }
        }
    }
}

/// One half of a byte as a number of -8 to 7: half 0 is the low one.
#[inline(always)]
#[must_use]
pub const fn signed_half(byte: u8, half: usize) -> i32 {
    let bits = if half == 0 { byte & 0xF } else { byte >> 4 };
    (bits ^ 8) as i32 - 8
}

/// Adds the bias, times the norm, to the sums.
///
/// # Shapes
/// `bias` and `sums`: equal lengths; `bias` is i32 little-endian.
pub fn add_bias(bias: &[[u8; 4]], norm: Norm, sums: &mut [i32]) {
    for (sum, bias) in sums.iter_mut().zip(bias) {
        *sum += norm.of_bias(i32::from_le_bytes(*bias));
    }
}

/// The head: ReLU, shift, dense layer of 8-bit weights, bias times norm.
///
/// # Shapes
/// `hidden`: width; `weights`: classes x width bytes, i8; `bias`: classes, i32 little-endian; `scores`: classes.
pub fn dense_relu_i8(
    hidden: &[i32],
    shift: u8,
    weights: &[u8],
    bias: &[[u8; 4]],
    norm: Norm,
    scores: &mut [i32],
) {
    for ((score, row), bias) in scores.iter_mut().zip(weights.chunks_exact(hidden.len().max(1))).zip(bias) {
        let products =
            hidden.iter().zip(row).map(|(&h, &w)| (h.max(0) >> shift) * i32::from(w.cast_signed()));
        *score = products.sum::<i32>() + norm.of_bias(i32::from_le_bytes(*bias));
    }
}

/// The first index of the highest score; 0 for none.
#[must_use]
pub fn argmax(scores: &[i32]) -> usize {
    let mut best = 0;
    for (index, &score) in scores.iter().enumerate() {
        if score > scores.get(best).copied().unwrap_or(i32::MIN) {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_bytes_add_up_with_their_scales() {
        let weights = [1i8, -2, 127, -128, 5, 6].map(|w| w.cast_unsigned());
        let mut sums = [9; 2];
        sum_rows_i8(&weights, 2, RowScales::NONE, &[0, 2, 2], &mut sums);
        assert_eq!(sums, [11, 10]);
        sum_rows_i8(&weights, 2, RowScales::new(8, &[1, 255, 2]), &[1, 1, 0], &mut sums);
        assert_eq!(sums, [2 * 255 * 127 + 1, -2 * 255 * 128 - 2]);
    }

    #[test]
    fn scales_of_two_bits_are_powers_of_two_and_low_first() {
        let scales = RowScales::new(2, &[0b11_10_01_00, 0b01]);
        assert_eq!([0, 1, 2, 3, 4].map(|id| scales.of(id)), [1, 2, 4, 8, 2]);
        assert_eq!(RowScales::NONE.of(7), 1);
        assert_eq!(RowScales::new(8, &[9]).of(0), 9);
    }

    #[test]
    fn halves_of_bytes_are_signed_and_low_first() {
        assert_eq!((signed_half(0x7F, 0), signed_half(0x7F, 1)), (-1, 7));
        assert_eq!((signed_half(0x80, 0), signed_half(0x80, 1)), (0, -8));
        let mut sums = [0; 3];
        sum_rows_i4(&[0x21, 0x03, 0xEF, 0x0D], 3, RowScales::NONE, &[0, 1], &mut sums);
        assert_eq!(sums, [1 - 1, 2 - 2, 3 - 3]);
    }

    #[test]
    fn no_ids_sum_to_nothing_and_unknown_ids_add_nothing() {
        let mut sums = [7; 2];
        sum_rows_i8(&[1, 2], 2, RowScales::NONE, &[], &mut sums);
        assert_eq!(sums, [0, 0]);
        sum_rows_i4(&[0x11], 2, RowScales::NONE, &[5, u32::MAX], &mut sums);
        assert_eq!(sums, [0, 0]);
    }

    #[test]
    fn the_norm_multiplies_biases_and_rounds_down() {
        assert_eq!(Norm::SUM.of_bias(-3), -3);
        assert_eq!(Norm::mean(0), Norm::mean(1));
        assert_eq!(Norm::mean(40).of_bias(-3), -120);
        assert_eq!(Norm::square_root(4).of_bias(-3), -6);
        assert_eq!(Norm::square_root(2).of_bias(1000), 362 * 1000 / 256);
        assert_eq!(Norm::square_root(2).of_bias(-1), -2);
        assert_eq!(Norm::square_root(2).divisor(), 362.0 / 256.0);
        assert_eq!(Norm::square_root(u16::MAX).divisor(), 65_535.0 / 256.0);
    }

    #[test]
    fn the_head_drops_negative_numbers_before_it_shifts() {
        let weights = [1i8, 1, 1, -1, 2, 0].map(|w| w.cast_unsigned());
        let bias = [10i32, -10].map(i32::to_le_bytes);
        let mut scores = [0; 2];
        dense_relu_i8(&[-5, 7, 9], 1, &weights, &bias, Norm::mean(2), &mut scores);
        assert_eq!(scores, [3 + 4 + 20, 3 * 2 - 20]);
    }

    #[test]
    fn of_equal_scores_the_first_wins() {
        assert_eq!(argmax(&[1, 3, 3, 2]), 1);
        assert_eq!(argmax(&[i32::MIN, i32::MIN]), 0);
        assert_eq!(argmax(&[]), 0);
    }
}
