//! SDOT: four products of bytes in each of four lanes.
//!
//! ```text
//! for each half of the block (8 outputs)
//!     16 accumulators: 8 rows, 2 vectors of 4 outputs
//!     for each 2 groups
//!         4 vectors of weights, 8 words of inputs; for each row 4 SDOT by element
//! ```
//! 12 loads for 32 products: a core that begins two SDOT in a cycle is busy with them alone.

use core::arch::aarch64::*;
use core::arch::asm;

use super::{PACKED, Products, Sums, eight, load};

/// The processor has SDOT (FEAT_DotProd): whoever holds this may use it.
#[derive(Clone, Copy, Debug)]
pub struct DotProd(());

impl DotProd {
    /// If this processor has it; without the feature `std`, if the target promises it.
    #[must_use]
    pub fn new() -> Option<Self> {
        #[cfg(feature = "std")]
        let there = std::arch::is_aarch64_feature_detected!("dotprod");
        #[cfg(not(feature = "std"))]
        let there = cfg!(target_feature = "dotprod");
        there.then_some(Self(()))
    }
}

impl Products for DotProd {
    const NAME: &str = "aarch64-dotprod";
    const ROWS: usize = 8;
    const GROUPS: usize = 2;

    fn products(self, block: &[[u8; PACKED]], rows: &[u64], count: usize, sums: &mut Sums) {
        // SAFETY: the processor has SDOT, as `self` proves.
        unsafe {
            match count {
                1 => some_rows::<1>(block, rows, sums),
                2 => some_rows::<2>(block, rows, sums),
                3 => some_rows::<3>(block, rows, sums),
                4 => some_rows::<4>(block, rows, sums),
                5 => some_rows::<5>(block, rows, sums),
                6 => some_rows::<6>(block, rows, sums),
                7 => some_rows::<7>(block, rows, sums),
                _ => some_rows::<8>(block, rows, sums),
            }
        }
    }
}

#[target_feature(enable = "neon,dotprod")]
fn some_rows<const R: usize>(block: &[[u8; PACKED]], rows: &[u64], sums: &mut Sums) {
    let (rows, _) = rows.as_chunks::<R>();
    let (pairs, last) = block.as_chunks::<2>();
    for half in 0..2 {
        let quarters = |group: &[u8; PACKED]| {
            let (quarters, _) = group.as_chunks::<16>();
            [load(&quarters[2 * half]), load(&quarters[2 * half + 1])]
        };
        let mut acc = [[vdupq_n_s32(0); 2]; R];
        for (pair, words) in pairs.iter().zip(rows) {
            let [first, second] = [quarters(&pair[0]), quarters(&pair[1])];
            for (acc, word) in acc.iter_mut().zip(words) {
                let inputs = eight(word);
                for quarter in 0..2 {
                    acc[quarter] = sdot::<0>(acc[quarter], first[quarter], inputs);
                    acc[quarter] = sdot::<1>(acc[quarter], second[quarter], inputs);
                }
            }
        }
        if let ([group], Some(words)) = (last, rows.get(pairs.len())) {
            let weights = quarters(group);
            for (acc, word) in acc.iter_mut().zip(words) {
                for quarter in 0..2 {
                    acc[quarter] = sdot::<0>(acc[quarter], weights[quarter], eight(word));
                }
            }
        }
        for (sums, acc) in sums.iter_mut().zip(acc) {
            sums[2 * half..2 * half + 2].copy_from_slice(&acc);
        }
    }
}

/// Adds to each lane the products of its four weights with four inputs: the first or the second four of `inputs`. The
/// compiler's own function is not stable.
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn sdot<const FOUR: usize>(mut sum: int32x4_t, weights: int8x16_t, inputs: int8x8_t) -> int32x4_t {
    // SAFETY: arithmetic of three registers, and the processor has the instruction.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {weights:v}.16b, {inputs:v}.4b[{four}]",
            sum = inout(vreg) sum,
            weights = in(vreg) weights,
            inputs = in(vreg) inputs,
            four = const FOUR,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}
