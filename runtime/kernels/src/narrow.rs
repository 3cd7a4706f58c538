//! Rows that fit a machine word: the same sums as [`crate::scalar`], the columns of a row as lanes of a `u64`.

use crate::{RowScales, scalar};

/// Columns of the rows that this module adds itself.
const LANES: usize = 4;

/// Rows that may be added before a lane of 16 bits could overflow: each adds at most 15 * 8.
const ROWS_A_BLOCK: usize = 512;

/// Adds rows of 4-bit numbers. Equal to [`scalar::sum_rows_i4`], which answers for shapes that have no faster way.
///
/// ```text
/// a row of two bytes   dc ba        four halves, each a number plus 8 once its sign bit is flipped
/// spread over a u64    d  c  b  a   16 bits a lane; shifted left by the row's scale, then added
/// at the end of a block: lane - 8 * (sum of the scales)
/// ```
///
/// # Shapes
/// As [`scalar::sum_rows_i4`].
pub fn sum_rows_i4(weights: &[u8], width: usize, scales: RowScales<'_>, ids: &[u32], sums: &mut [i32]) {
    let (rows, _) = weights.as_chunks::<2>();
    match sums.first_chunk_mut::<LANES>() {
        Some(sums) if width == LANES && scales.bits() < 8 => {
            sums.fill(0);
            for ids in ids.chunks(ROWS_A_BLOCK) {
                add_block(rows, scales, ids, sums);
            }
        }
        _ => scalar::sum_rows_i4(weights, width, scales, ids, sums),
    }
}

#[inline(always)]
fn add_block(rows: &[[u8; 2]], scales: RowScales<'_>, ids: &[u32], sums: &mut [i32; LANES]) {
    let (mut lanes, mut scale_sum) = (0u64, 0i32);
    for &id in ids {
        // A row beyond the end is all zero.
        let row = rows.get(id as usize).copied().map_or(0, u16::from_le_bytes);
        let shift = scales.shift_of(id);
        lanes += spread(row ^ 0x8888) << shift;
        scale_sum += 1 << shift;
    }
    for (lane, sum) in sums.iter_mut().enumerate() {
        *sum += i32::from((lanes >> (16 * lane)) as u16) - 8 * scale_sum;
    }
}

/// Four halves of bytes, lowest first, each in 16 bits of its own.
#[inline(always)]
const fn spread(row: u16) -> u64 {
    let row = row as u64;
    let bytes = (row | row << 24) & 0x0000_00FF_0000_00FF;
    (bytes | bytes << 12) & 0x000F_000F_000F_000F
}

/// Adds rows of 8-bit numbers. Equal to [`scalar::sum_rows_i8`], which answers for all shapes so far.
///
/// # Shapes
/// As [`scalar::sum_rows_i8`].
pub fn sum_rows_i8(weights: &[u8], width: usize, scales: RowScales<'_>, ids: &[u32], sums: &mut [i32]) {
    scalar::sum_rows_i8(weights, width, scales, ids, sums);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn compare(weights: &[u8], width: usize, scales: RowScales<'_>, ids: &[u32]) {
        let (mut fast, mut slow) = (vec![1; width], vec![2; width]);
        sum_rows_i4(weights, width, scales, ids, &mut fast);
        scalar::sum_rows_i4(weights, width, scales, ids, &mut slow);
        assert_eq!(fast, slow, "width {width}, {} ids", ids.len());
    }

    #[test]
    fn halves_are_spread_in_order() {
        assert_eq!(spread(0xDCBA), 0x000D_000C_000B_000A);
    }

    #[test]
    fn extremes_of_any_length_equal_the_scalar_sums() {
        for extreme in [0x88, 0x77, 0x78, 0x00, 0xFF] {
            let weights = vec![extreme; 2 * 8];
            let codes = [0xFF, 0x1B];
            for len in 0..=1100 {
                let ids: Vec<u32> = (0..len).map(|i| i % 9).collect();
                compare(&weights, 4, RowScales::new(2, &codes), &ids);
                compare(&weights, 4, RowScales::NONE, &ids);
            }
        }
    }

    proptest! {
        #[test]
        fn random_rows_equal_the_scalar_sums(
            weights in proptest::collection::vec(any::<u8>(), 0..200),
            codes in proptest::collection::vec(any::<u8>(), 0..30),
            ids in proptest::collection::vec(0u32..120, 0..700),
            width in 1usize..9,
        ) {
            compare(&weights, width, RowScales::NONE, &ids);
            compare(&weights, width, RowScales::new(2, &codes), &ids);
            compare(&weights, width, RowScales::new(8, &codes), &ids);
        }
    }
}
