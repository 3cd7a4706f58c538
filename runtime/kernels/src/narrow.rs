//! Rows that fit a machine word: the same sums as [`crate::scalar`], with the columns of a row as lanes of a `u64`.

use crate::{RowScales, scalar};

/// Adds rows of 4-bit numbers. Equal to [`scalar::sum_rows_i4`], which answers for shapes that have no faster way.
///
/// # Shapes
/// As [`scalar::sum_rows_i4`].
pub fn sum_rows_i4(weights: &[u8], width: usize, scales: RowScales<'_>, ids: &[u32], sums: &mut [i32]) {
    scalar::sum_rows_i4(weights, width, scales, ids, sums);
}

/// Adds rows of 8-bit numbers. Equal to [`scalar::sum_rows_i8`], which answers for shapes that have no faster way.
///
/// # Shapes
/// As [`scalar::sum_rows_i8`].
pub fn sum_rows_i8(weights: &[u8], width: usize, scales: RowScales<'_>, ids: &[u32], sums: &mut [i32]) {
    scalar::sum_rows_i8(weights, width, scales, ids, sums);
}
