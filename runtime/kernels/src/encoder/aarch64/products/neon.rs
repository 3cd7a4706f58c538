//! NEON alone: products of 16 bits, two of which are added before they are widened.
//!
//! ```text
//! for each half of the block (8 outputs)
//!     12 accumulators: 3 rows, 4 vectors of 2 outputs x 2 partial sums
//!     for each 2 groups
//!         8 halves of vectors of weights; for each row two words of inputs, each of a group twice,
//!         4 SMULL, 4 SMLAL, 4 SADALP
//!     add the partial sums
//! ```
//! Two products are at most `2 * 128 * 127` in magnitude: they fit 16 bits, since no weight, key or
//! value is -128.
//! Four rows would leave too few registers for what is loaded and multiplied meanwhile.

use core::arch::aarch64::*;

use super::{PACKED, Products, Sums, eight, load_half};

/// NEON, which every aarch64 has.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// Always there.
    #[must_use]
    pub const fn new() -> Option<Self> {
        Some(Self(()))
    }
}

impl Products for Neon {
    const NAME: &str = "aarch64-neon";
    const ROWS: usize = 3;
    const GROUPS: usize = 1;

    fn products(self, block: &[[u8; PACKED]], rows: &[u64], count: usize, sums: &mut Sums) {
        // SAFETY: every aarch64 has NEON.
        unsafe {
            match count {
                1 => some_rows::<1>(block, rows, sums),
                2 => some_rows::<2>(block, rows, sums),
                _ => some_rows::<3>(block, rows, sums),
            }
        }
    }
}

#[target_feature(enable = "neon")]
fn some_rows<const R: usize>(block: &[[u8; PACKED]], rows: &[u64], sums: &mut Sums) {
    let (rows, _) = rows.as_chunks::<R>();
    let (row_pairs, _) = rows.as_chunks::<2>();
    let (pairs, last) = block.as_chunks::<2>();
    for half in 0..2 {
        let eighths = |group: &[u8; PACKED]| {
            let (eighths, _) = group.as_chunks::<8>();
            [0, 1, 2, 3].map(|at| load_half(&eighths[4 * half + at]))
        };
        let mut acc = [[vdupq_n_s32(0); 4]; R];
        for (pair, words) in pairs.iter().zip(row_pairs) {
            let [first, second] = [eighths(&pair[0]), eighths(&pair[1])];
            for (r, acc) in acc.iter_mut().enumerate() {
                let [a, b] = [eight(&words[0][r]), eight(&words[1][r])];
                for (sum, (first, second)) in acc.iter_mut().zip(first.into_iter().zip(second)) {
                    *sum = vpadalq_s16(*sum, vmlal_s8(vmull_s8(first, a), second, b));
                }
            }
        }
        if let ([group], Some(words)) = (last, rows.get(2 * pairs.len())) {
            let weights = eighths(group);
            for (acc, word) in acc.iter_mut().zip(words) {
                for (sum, weights) in acc.iter_mut().zip(weights) {
                    *sum = vpadalq_s16(*sum, vmull_s8(weights, eight(word)));
                }
            }
        }
        for (sums, [a, b, c, d]) in sums.iter_mut().zip(acc) {
            sums[2 * half] = vpaddq_s32(a, b);
            sums[2 * half + 1] = vpaddq_s32(c, d);
        }
    }
}
