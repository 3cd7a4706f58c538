//! SMMLA: eight products of bytes in each of four lanes, which are two rows times two outputs.
//!
//! ```text
//! for each half of the block (8 outputs)
//!     16 accumulators: 4 pairs of rows, 4 pairs of outputs
//!     for each 2 groups
//!         4 vectors of weights, zipped to two outputs of 8 inputs; for each pair of rows a vector of inputs, 4 SMMLA
//! ```
//! 16 SMMLA and 4 zips do what takes 32 SDOT.

use core::arch::aarch64::*;
use core::arch::asm;

use super::{PACKED, Products, Sums, eight, load, sixteen};

/// The processor has SMMLA (FEAT_I8MM): whoever holds this may use it.
#[derive(Clone, Copy, Debug)]
pub struct I8mm(());

impl I8mm {
    /// If this processor has it; without the feature `std`, if the target promises it.
    #[must_use]
    pub fn new() -> Option<Self> {
        #[cfg(feature = "std")]
        let there = std::arch::is_aarch64_feature_detected!("i8mm");
        #[cfg(not(feature = "std"))]
        let there = cfg!(target_feature = "i8mm");
        there.then_some(Self(()))
    }
}

impl Products for I8mm {
    const NAME: &str = "aarch64-i8mm";
    const ROWS: usize = 8;
    const GROUPS: usize = 2;

    fn products(self, block: &[[u8; PACKED]], rows: &[u64], count: usize, sums: &mut Sums) {
        // SAFETY: the processor has SMMLA, as `self` proves.
        unsafe {
            match count {
                1 => some_rows::<1, 1>(block, rows, sums),
                2 => some_rows::<2, 1>(block, rows, sums),
                3 => some_rows::<3, 2>(block, rows, sums),
                4 => some_rows::<4, 2>(block, rows, sums),
                5 => some_rows::<5, 3>(block, rows, sums),
                6 => some_rows::<6, 3>(block, rows, sums),
                7 => some_rows::<7, 4>(block, rows, sums),
                _ => some_rows::<8, 4>(block, rows, sums),
            }
        }
    }
}

/// `R` rows in so many pairs; the last pair may lack its second row.
#[target_feature(enable = "neon,i8mm")]
fn some_rows<const R: usize, const PAIRS: usize>(block: &[[u8; PACKED]], rows: &[u64], sums: &mut Sums) {
    let (rows, _) = rows.as_chunks::<R>();
    let (pairs, last) = block.as_chunks::<2>();
    for half in 0..2 {
        let quarters = |group: &[u8; PACKED]| {
            let (quarters, _) = group.as_chunks::<16>();
            [load(&quarters[2 * half]), load(&quarters[2 * half + 1])]
        };
        let mut acc = [[vdupq_n_s32(0); 4]; PAIRS];
        for (pair, words) in pairs.iter().zip(rows) {
            step(&mut acc, quarters(&pair[0]), quarters(&pair[1]), words);
        }
        if let ([group], Some(words)) = (last, rows.get(pairs.len())) {
            step(&mut acc, quarters(group), [vdupq_n_s8(0); 2], words);
        }
        for (pair, acc) in acc.into_iter().enumerate() {
            for quarter in 0..2 {
                let [left, right] =
                    [acc[2 * quarter], acc[2 * quarter + 1]].map(|sum| vreinterpretq_s64_s32(sum));
                let at = 2 * half + quarter;
                sums[2 * pair][at] = vreinterpretq_s32_s64(vzip1q_s64(left, right));
                sums[2 * pair + 1][at] = vreinterpretq_s32_s64(vzip2q_s64(left, right));
            }
        }
    }
}

/// Adds the products of two groups.
#[target_feature(enable = "neon,i8mm")]
#[inline]
fn step<const R: usize, const PAIRS: usize>(
    acc: &mut [[int32x4_t; 4]; PAIRS],
    first: [int8x16_t; 2],
    second: [int8x16_t; 2],
    words: &[u64; R],
) {
    let zipped = |quarter: usize| {
        let [a, b] = [first[quarter], second[quarter]].map(|four| vreinterpretq_s32_s8(four));
        [vzip1q_s32(a, b), vzip2q_s32(a, b)].map(|two| vreinterpretq_s8_s32(two))
    };
    let [[a, b], [c, d]] = [zipped(0), zipped(1)];
    for (pair, acc) in acc.iter_mut().enumerate() {
        let inputs = match words[2 * pair..].first_chunk() {
            Some(two) => sixteen(two),
            None => vcombine_s8(eight(&words[2 * pair]), vdup_n_s8(0)),
        };
        for (sum, weights) in acc.iter_mut().zip([a, b, c, d]) {
            *sum = smmla(*sum, inputs, weights);
        }
    }
}

/// Adds the products of two rows of eight inputs with the weights of two outputs: the first row's two sums, then the
/// second's. The compiler's own function is not stable.
#[target_feature(enable = "neon,i8mm")]
#[inline]
fn smmla(mut sum: int32x4_t, inputs: int8x16_t, weights: int8x16_t) -> int32x4_t {
    // SAFETY: arithmetic of three registers, and the processor has the instruction.
    unsafe {
        asm!(
            "smmla {sum:v}.4s, {inputs:v}.16b, {weights:v}.16b",
            sum = inout(vreg) sum,
            inputs = in(vreg) inputs,
            weights = in(vreg) weights,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}
