//! The operators of an encoder. [`scalar`] is the specification, `NUMERICS.md` says why it is so; whatever is faster
//! equals it bit for bit.
//!
//! Numbers of a case are read where they lie, so they come as little-endian bytes.

use core::ops::Range;

#[cfg(target_arch = "aarch64")]
pub mod aarch64;
#[cfg(all(target_arch = "arm", target_feature = "dsp"))]
pub mod armv7em;
mod cpu;
pub mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub mod wasm32;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;

pub use cpu::{Cpu, Work, attention_work_len, work_len};

/// Outputs of a block of packed weights.
pub const BLOCK: usize = 16;
/// Inputs that stand together in packed weights.
pub const GROUP: usize = 4;
/// The exponential function of attention, see [`exp_table`].
pub const EXP_STEPS: u32 = 32;

/// The weights of a layer, and what becomes of the sums.
///
/// # Shapes
/// `weights`: outputs in blocks of 16, filled up with zeros; in a block the inputs in groups of four, filled up with
/// zeros; in a group output by output: `weights[((block * groups) + group) * 64 + output * 4 + input]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// Numbers of a row of the input.
    pub inputs: usize,
    /// Numbers of a row of the output.
    pub outputs: usize,
    /// Packed, -127 to 127.
    pub weights: &'a [u8],
    /// One an output, i32.
    pub bias: &'a [[u8; 4]],
    /// Sum of the weights of each output, i32.
    pub sums: &'a [[u8; 4]],
    /// How far each sum is shifted, 1 to 24.
    pub shifts: &'a [u8],
    /// What it is multiplied with then, i16, not negative.
    pub multipliers: &'a [[u8; 2]],
}

impl<'a> Matrix<'a> {
    /// Groups of inputs.
    #[must_use]
    pub const fn groups(&self) -> usize {
        self.inputs.div_ceil(GROUP)
    }

    /// The weights of an output, group by group: each at [`Self::packed_at`].
    ///
    /// # Panics
    /// If there are fewer weights than the shape says.
    pub fn weights_of(&self, output: usize) -> impl Iterator<Item = &'a [u8; GROUP]> + use<'a> {
        let block_len = self.groups() * (BLOCK * GROUP);
        let block = &self.weights[output / BLOCK * block_len..][..block_len];
        let groups = block.as_chunks::<{ BLOCK * GROUP }>().0.iter();
        groups.map(move |group| &group.as_chunks().0[output % BLOCK])
    }

    /// Bytes of the packed weights of a layer.
    #[must_use]
    pub const fn packed_len(inputs: usize, outputs: usize) -> usize {
        outputs.div_ceil(BLOCK).saturating_mul(inputs.div_ceil(GROUP)).saturating_mul(BLOCK * GROUP)
    }

    /// Where the weight of an output and an input stands.
    #[must_use]
    pub const fn packed_at(inputs: usize, output: usize, input: usize) -> usize {
        let block = output / BLOCK * inputs.div_ceil(GROUP) + input / GROUP;
        block * (BLOCK * GROUP) + output % BLOCK * GROUP + input % GROUP
    }
}

/// The numbers of a LayerNorm: i16, one a channel, none of them the lowest.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a> {
    /// For the wide result.
    pub gain: &'a [[u8; 2]],
    /// Added to it.
    pub offset: &'a [[u8; 2]],
    /// For the narrow result.
    pub gain_narrow: &'a [[u8; 2]],
    /// Added to it.
    pub offset_narrow: &'a [[u8; 2]],
    /// Bits that the narrow result then loses, 0 to 7.
    pub extra: u32,
}

/// How attention turns products into weights.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// Heads.
    pub heads: usize,
    /// Channels of a head.
    pub channels: usize,
    /// Steps of the exponential function for a product, times a power of two.
    pub factor: u32,
    /// That power, 1 to 30.
    pub shift: u32,
    /// [`exp_table`].
    pub exp: &'a [u8; 256],
}

/// Some queries of some heads of attention; the keys are those of all tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttentionPart {
    /// Which heads.
    pub heads: Range<usize>,
    /// Which tokens' queries.
    pub queries: Range<usize>,
}

impl AttentionPart {
    /// Every query of every head.
    #[must_use]
    pub const fn all(attention: &Attention<'_>, tokens: usize) -> Self {
        Self { heads: 0..attention.heads, queries: 0..tokens }
    }
}

/// The steps of the exponential function: `round(255 * exp(-i / 32))`. Part of the specification, so it is written out
/// and not computed.
#[must_use]
pub const fn exp_table() -> &'static [u8; 256] {
    &EXP
}

static EXP: [u8; 256] = [
    255, 247, 240, 232, 225, 218, 211, 205, 199, 192, 187, 181, 175, 170, 165, 160, 155, 150, 145, 141, 136,
    132, 128, 124, 120, 117, 113, 110, 106, 103, 100, 97, 94, 91, 88, 85, 83, 80, 78, 75, 73, 71, 69, 67, 64,
    62, 61, 59, 57, 55, 53, 52, 50, 49, 47, 46, 44, 43, 42, 40, 39, 38, 37, 36, 35, 33, 32, 31, 30, 30, 29,
    28, 27, 26, 25, 24, 24, 23, 22, 22, 21, 20, 20, 19, 18, 18, 17, 17, 16, 16, 15, 15, 14, 14, 14, 13, 13,
    12, 12, 12, 11, 11, 11, 10, 10, 10, 9, 9, 9, 8, 8, 8, 8, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 5, 5, 5, 5, 5, 5,
    5, 4, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];
