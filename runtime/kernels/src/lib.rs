//! Integer kernels: what the numbers of a case do. The scalar code **is** the specification; whatever is faster must
//! equal it bit for bit.
//!
//! The program of a bag, for a text with the ids `i` of `n` features (all integers, 32 bits, no overflow: the case
//! was refused otherwise):
//!
//! ```text
//! sum[c]   = sum over i of scale[i] * weight[i][c]                          [scalar::sum_rows_i4, sum_rows_i8]
//! hidden[c]= sum[c] + floor(bias[c] * factor / 2^shift)                     [scalar::add_bias, Norm]
//! without a head:  score = hidden
//! with a head:     score[k] = sum over c of weight2[k][c] * (max(hidden[c], 0) >> s)
//!                             + floor(bias2[k] * factor / 2^shift)          [scalar::dense_relu_i8]
//! label    = the first class with the highest score                         [scalar::argmax]
//! ```
//!
//! ReLU and the layers are homogeneous, so the division of a mean by its norm is left to the end, where it scales the
//! logits alone: the scores stay exact. From there on numbers are IEEE single, with a fixed order of operations that
//! no compiler may change ([`probability`]): equal on every CPU, while a GPU is held to the scores.
//!
//! ```
//! use typecase_kernels::{RowScales, scalar};
//! let (weights, mut sums) = ([0x21, 0x0F], [0; 2]); // two rows of two 4-bit numbers: (1, 2) and (-1, 0)
//! scalar::sum_rows_i4(&weights, 2, RowScales::NONE, &[0, 1, 0], &mut sums);
//! assert_eq!(sums, [1, 4]);
//! ```
#![no_std]
#![deny(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod encoder;
pub mod floor;
pub mod narrow;
pub mod probability;
pub mod scalar;

/// How often each row counts, as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct RowScales<'a> {
    bits: u8,
    bytes: &'a [u8],
}

impl<'a> RowScales<'a> {
    /// Every row counts once.
    pub const NONE: Self = Self { bits: 0, bytes: &[] };

    /// Scales of 8 bits (multiples), of 2 bits (powers of two, four in a byte, lowest bits first), or of 0 bits (none).
    #[must_use]
    pub const fn new(bits: u8, bytes: &'a [u8]) -> Self {
        Self { bits, bytes }
    }

    /// Bits of a scale.
    #[must_use]
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// The power of two of row `id`, for scales of fewer than 8 bits; 0 for a row that has none.
    #[inline(always)]
    #[must_use]
    pub(crate) fn shift_of(&self, id: u32) -> u32 {
        if self.bits == 0 {
            return 0;
        }
        self.bytes.get((id / 4) as usize).map_or(0, |codes| u32::from(codes >> (id % 4 * 2) & 3))
    }

    /// How often row `id` counts; once for a row that has no scale where others have.
    #[inline(always)]
    #[must_use]
    pub fn of(&self, id: u32) -> i32 {
        match self.bits {
            8 => self.bytes.get(id as usize).copied().unwrap_or(1).into(),
            _ => 1 << self.shift_of(id),
        }
    }
}

/// What a bias is multiplied with, and what divides the logits: the norm of `n` ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Norm {
    factor: i32,
    shift: u32,
}

impl Norm {
    /// Sums are used as they are: 1.
    pub const SUM: Self = Self { factor: 1, shift: 0 };

    /// The mean over `n` ids: `n`, and 1 for no ids.
    #[must_use]
    pub const fn mean(n: u16) -> Self {
        Self { factor: if n == 0 { 1 } else { n as i32 }, shift: 0 }
    }

    /// The square root of `n`, rounded down to a multiple of 1/256, and 1 for no ids.
    #[must_use]
    pub const fn square_root(n: u16) -> Self {
        let n = if n == 0 { 1 } else { n as u32 };
        Self { factor: (n << 16).isqrt().cast_signed(), shift: 8 }
    }

    /// What a bias is multiplied with; at most 65,535.
    #[must_use]
    pub const fn factor(self) -> i32 {
        self.factor
    }

    /// Bits that the product then loses: 0 or 8.
    #[must_use]
    pub const fn shift(self) -> u32 {
        self.shift
    }

    /// The bias times the norm, rounded down.
    #[inline]
    #[must_use]
    pub const fn of_bias(self, bias: i32) -> i32 {
        bias.wrapping_mul(self.factor) >> self.shift
    }

    /// The norm as a number that divides logits. Exact.
    #[must_use]
    pub fn divisor(self) -> f32 {
        // At most 24 bits, and a power of two.
        self.factor as f32 / (1u32 << self.shift) as f32
    }
}
