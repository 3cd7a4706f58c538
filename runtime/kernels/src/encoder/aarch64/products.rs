//! Sums of products of signed bytes: what the three kinds of processor differ in.

use core::arch::aarch64::*;

use super::super::{BLOCK, GROUP};

mod dotprod;
mod i8mm;
mod neon;

pub use dotprod::DotProd;
pub use i8mm::I8mm;
pub use neon::Neon;

/// Bytes of packed weights for one group of a block.
pub(super) const PACKED: usize = BLOCK * GROUP;
/// The most rows that are worked on together.
pub(super) const MOST_ROWS: usize = 8;

/// Sums of some rows: four outputs in a vector.
pub(super) type Sums = [[int32x4_t; BLOCK / 4]; MOST_ROWS];

/// How a processor multiplies. Whoever holds one of these may use the instructions that its name promises.
pub(crate) trait Products: Copy {
    /// What the kernels are called.
    const NAME: &str;

    /// Rows that share the loading of a weight.
    const ROWS: usize;
    /// Groups of inputs in a word of packed rows: two, or one that stands in it twice.
    const GROUPS: usize;

    /// The sums of products of `count` rows, 1 to [`Self::ROWS`], with 16 outputs.
    ///
    /// # Shapes
    /// `block`: packed weights, none of them -128; `rows`: as [`pack_row`] leaves them; `sums`: the first `count` are written.
    fn products(self, block: &[[u8; PACKED]], rows: &[u64], count: usize, sums: &mut Sums);
}

/// Words of a packed row of so many groups.
pub(super) const fn words_of<P: Products>(groups: usize) -> usize {
    groups.div_ceil(P::GROUPS)
}

/// Packs a row, the `nth` of `count`: word by word, in a word row by row. So a block of rows is read from front to end.
///
/// Each byte is changed by `flip`: 0, or 128 to make a signed number of an unsigned one.
#[inline(always)]
pub(super) fn pack_row<P: Products>(row: &[u8], flip: u8, nth: usize, count: usize, words: &mut [u64]) {
    let flip = u64::from_ne_bytes([flip; 8]);
    for (bytes, place) in row.chunks(P::GROUPS * GROUP).zip(words.chunks_exact_mut(count)) {
        let word = match bytes.first_chunk() {
            Some(eight) => u64::from_le_bytes(*eight),
            None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        place[nth] = flip ^ if P::GROUPS == 1 { word << 32 | word } else { word };
    }
}

#[inline(always)]
fn load(bytes: &[u8; 16]) -> int8x16_t {
    // SAFETY: 16 bytes may be read there, and no alignment is asked for; every aarch64 has NEON.
    unsafe { vld1q_s8(bytes.as_ptr().cast()) }
}

#[inline(always)]
fn load_half(bytes: &[u8; 8]) -> int8x8_t {
    // SAFETY: 8 bytes may be read there, and no alignment is asked for; every aarch64 has NEON.
    unsafe { vld1_s8(bytes.as_ptr().cast()) }
}

/// Eight bytes of a packed row.
#[inline(always)]
fn eight(word: &u64) -> int8x8_t {
    // SAFETY: 8 bytes may be read there; every aarch64 has NEON.
    unsafe { vld1_s8(core::ptr::from_ref(word).cast()) }
}

/// Eight bytes of a packed row, and the eight that follow.
#[inline(always)]
fn sixteen(words: &[u64; 2]) -> int8x16_t {
    // SAFETY: 16 bytes may be read there; every aarch64 has NEON.
    unsafe { vld1q_s8(words.as_ptr().cast()) }
}
