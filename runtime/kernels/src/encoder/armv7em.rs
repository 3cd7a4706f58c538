//! Armv7E-M, a Cortex-M4 or M7, with the instructions for pairs of 16-bit numbers. Weights are read where they lie, which may
//! be flash; nothing is packed anew.
//!
//! # The matrix
//! ```text
//! for each 4 outputs: a quarter of a block
//!     for each row
//!         for each group of 4 inputs
//!             a word of 4 inputs, widened to (0, 2) and (1, 3): UXTB16, UXTB16 ROR 8
//!             a word of 4 weights of each output, widened: SXTB16, SXTB16 ROR 8
//!             8 SMLAD: 4 sums of 4 products
//!         requantise, write 4 results
//! ```
//! That is 25 instructions for 16 products, in the registers that there are: a second row would not fit. LayerNorm is left to
//! the specification.

use core::arch::asm;

use super::scalar::{self, Share, mulr, rsh, sat8, sat16};
use super::{Attention, AttentionPart, BLOCK, GROUP, LayerNorm, Matrix, Work};

/// Outputs that are summed at once.
const QUARTER: usize = BLOCK / 4;

/// The processor has these instructions: whoever holds this may use them.
#[derive(Clone, Copy, Debug)]
pub struct Dsp(());

impl Dsp {
    /// This file is compiled where the target promises them.
    #[must_use]
    pub const fn new() -> Option<Self> {
        Some(Self(()))
    }

    /// The name of these kernels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        "armv7em-dsp"
    }

    /// As [`scalar::linear_i8`].
    pub fn linear_i8(self, input: &[u8], rows: usize, matrix: &Matrix<'_>, output: &mut [u8]) {
        linear(input, rows, matrix, |at, results| {
            for (place, y) in output[at..].iter_mut().zip(results) {
                *place = sat8(*y).cast_unsigned();
            }
        });
    }

    /// As [`scalar::linear_i16`].
    pub fn linear_i16(self, input: &[u8], rows: usize, matrix: &Matrix<'_>, output: &mut [i16]) {
        linear(input, rows, matrix, |at, results| {
            output[at..at + results.len()].copy_from_slice(results);
        });
    }

    /// As [`scalar::linear_table`].
    pub fn linear_table(
        self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        table: &[u8; 256],
        output: &mut [u8],
    ) {
        linear(input, rows, matrix, |at, results| {
            for (place, y) in output[at..].iter_mut().zip(results) {
                *place = table[usize::from(sat8(*y).cast_unsigned() ^ 0x80)];
            }
        });
    }

    /// As [`scalar::add_layer_norm`].
    pub fn add_layer_norm(
        self,
        stream: &mut [i16],
        other: &[i16],
        width: usize,
        norm: &LayerNorm<'_>,
        narrow: &mut [u8],
    ) {
        scalar::add_layer_norm(stream, other, width, norm, narrow);
    }

    /// As [`scalar::attention_part`].
    pub fn attention_part(
        self,
        qkv: &[u8],
        tokens: usize,
        numbers: &Attention<'_>,
        part: &AttentionPart,
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        let (channels, width) = (numbers.channels, numbers.heads * numbers.channels);
        let (products, weights) = (&mut products_of(work.words)[..tokens], &mut work.weights[..tokens]);
        for head in part.heads.clone() {
            // From the numbers of a head on, tokens stand as far apart as a token has numbers.
            let from = |part: usize| &qkv[part * width + head * channels..];
            for query in part.queries.clone() {
                let place = &from(0)[query * 3 * width..][..channels];
                let highest = all_products(place, from(1), 3 * width, products);
                let mut total = 0u32;
                for (weight, product) in weights.iter_mut().zip(products.iter()) {
                    *weight = numbers.weight(highest - product);
                    total += u32::from(*weight);
                }
                let share = Share::of(total);
                let output = &mut output[query * width + head * channels..][..channels];
                for (four, place) in output.as_chunks_mut::<GROUP>().0.iter_mut().zip(0..) {
                    let sums = weighted(weights, &from(2)[place * GROUP..], 3 * width);
                    *four = sums.map(|sum| share.apply(sum));
                }
            }
        }
    }
}

/// Words of memory of attention: the products of a query with all keys.
pub(super) const fn attention_work_len(tokens: usize) -> usize {
    tokens.div_ceil(2)
}

/// Words as numbers of 32 bits.
fn products_of(words: &mut [u64]) -> &mut [i32] {
    let len = words.len() * 2;
    // SAFETY: as many bytes as the words have, and aligned for more; any bits are numbers and words.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), len) }
}

/// Hands up to four results to `write`, with the place of the first in the output.
#[inline(always)]
fn linear(input: &[u8], rows: usize, matrix: &Matrix<'_>, mut write: impl FnMut(usize, &[i16])) {
    let block_bytes = matrix.groups() * BLOCK * GROUP;
    for first in (0..matrix.outputs).step_by(QUARTER) {
        let block = &matrix.weights[first / BLOCK * block_bytes..][..block_bytes];
        let quarter = first % BLOCK / QUARTER;
        let end = matrix.outputs.min(first + QUARTER);
        let (bias, shifts) = (&matrix.bias[first..end], &matrix.shifts[first..end]);
        let multipliers = &matrix.multipliers[first..end];
        for row in 0..rows {
            let sums = products(&input[row * matrix.inputs..][..matrix.inputs], block, quarter);
            let mut results = [0; QUARTER];
            let numbers = bias.iter().zip(shifts).zip(multipliers);
            for ((y, sum), ((bias, shift), multiplier)) in results.iter_mut().zip(sums).zip(numbers) {
                let t = sat16(rsh(sum.wrapping_add(i32::from_le_bytes(*bias)), (*shift).into()));
                *y = mulr(t, i16::from_le_bytes(*multiplier));
            }
            write(row * matrix.outputs + first, &results[..bias.len()]);
        }
    }
}

/// The sums of products of a row with four outputs, whose weights are a quarter of each group of the block.
#[inline(never)]
fn products(row: &[u8], block: &[u8], quarter: usize) -> [i32; QUARTER] {
    let (fours, rest) = row.as_chunks::<GROUP>();
    let (groups, _) = block.as_chunks::<{ BLOCK * GROUP }>();
    let mut sums = [0; QUARTER];
    for (inputs, group) in fours.iter().zip(groups) {
        sums = with_products(sums, *inputs, group, quarter);
    }
    if !rest.is_empty()
        && let Some(group) = groups.get(fours.len())
    {
        // Zeros add nothing.
        let mut last = [0; GROUP];
        last[..rest.len()].copy_from_slice(rest);
        sums = with_products(sums, last, group, quarter);
    }
    sums
}

/// Written out: in loops over the outputs the sums would go through memory where a build is for size.
#[inline(always)]
fn with_products(
    [a, b, c, d]: [i32; QUARTER],
    inputs: [u8; GROUP],
    group: &[u8; BLOCK * GROUP],
    quarter: usize,
) -> [i32; QUARTER] {
    // The compiler sees that no quarter is beyond the group.
    let weights = &group.as_chunks::<{ QUARTER * GROUP }>().0[quarter % (BLOCK / QUARTER)];
    let &[p, q, r, s] = weights.as_chunks::<GROUP>().0 else { return [a, b, c, d] };
    let word = u32::from_le_bytes(inputs);
    let (even, odd) = (unsigned(word), unsigned(word >> 8));
    let with = |sum: i32, weights: [u8; GROUP]| {
        let word = u32::from_le_bytes(weights);
        with_pair(with_pair(sum, signed(word), even), signed_odd(word), odd)
    };
    [with(a, p), with(b, q), with(c, r), with(d, s)]
}

/// The products of a query with keys that stand so far apart; the highest of them.
#[inline(never)]
fn all_products(query: &[u8], keys: &[u8], apart: usize, products: &mut [i32]) -> i32 {
    let mut highest = i32::MIN;
    for (product, key) in products.iter_mut().zip(keys.chunks(apart)) {
        let (query, key) = (query.as_chunks::<GROUP>().0, key.as_chunks::<GROUP>().0);
        let mut sum = 0;
        for (query, key) in query.iter().zip(key) {
            let (query, key) = (u32::from_le_bytes(*query), u32::from_le_bytes(*key));
            sum = with_pair(sum, signed(query), signed(key));
            sum = with_pair(sum, signed_odd(query), signed_odd(key));
        }
        *product = sum;
        highest = highest.max(sum);
    }
    highest
}

/// The weighted sums of four channels of values that stand so far apart.
#[inline(never)]
fn weighted(weights: &[u8], values: &[u8], apart: usize) -> [i32; GROUP] {
    let [mut a, mut b, mut c, mut d] = [0; GROUP];
    for (weight, value) in weights.iter().zip(values.chunks(apart)) {
        let Some(value) = value.first_chunk() else { break };
        let (weight, word) = (i32::from(*weight), u32::from_le_bytes(*value));
        let (even, odd) = (signed(word), signed_odd(word));
        a += weight * i32::from(even as i16);
        b += weight * i32::from(odd as i16);
        c += weight * (even.cast_signed() >> 16);
        d += weight * (odd.cast_signed() >> 16);
    }
    [a, b, c, d]
}

/// Bytes 0 and 2 of a word as two unsigned numbers of 16 bits.
#[inline(always)]
const fn unsigned(word: u32) -> u32 {
    // The compiler knows this as UXTB16, with a shift before it as a rotation.
    word & 0x00FF_00FF
}

/// Bytes 0 and 2 of a word as two signed numbers of 16 bits.
#[inline(always)]
fn signed(word: u32) -> u32 {
    let pair;
    // SAFETY: the processor has the instruction, as the target promises; it touches registers alone.
    unsafe {
        asm!("sxtb16 {}, {}", out(reg) pair, in(reg) word, options(pure, nomem, nostack, preserves_flags));
    }
    pair
}

/// Bytes 1 and 3 of a word as two signed numbers of 16 bits.
#[inline(always)]
fn signed_odd(word: u32) -> u32 {
    let pair;
    // SAFETY: as for `signed`.
    unsafe {
        asm!("sxtb16 {}, {}, ror #8", out(reg) pair, in(reg) word, options(pure, nomem, nostack, preserves_flags));
    }
    pair
}

/// A sum and two products, of the lower and of the upper numbers of 16 bits.
#[inline(always)]
fn with_pair(mut sum: i32, a: u32, b: u32) -> i32 {
    // SAFETY: as for `signed`; the flag of overflow, which nobody reads, may change.
    unsafe {
        asm!("smlad {sum}, {}, {}, {sum}", in(reg) a, in(reg) b, sum = inlateout(reg) sum, options(pure, nomem, nostack));
    }
    sum
}
