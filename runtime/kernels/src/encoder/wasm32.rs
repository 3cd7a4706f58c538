//! WebAssembly with 128-bit vectors (`simd128`). Eight-bit numbers are widened to 16 before they are multiplied:
//! `i32x4.dot_i16x8_s` adds the products of neighbours.
//!
//! # The matrix
//! ```text
//! for each 8 outputs (a panel: half a block)
//!     for each 4 rows
//!         for each quarter of a block: 4 outputs
//!             8 accumulators of 2 outputs x 2 partial sums
//!             for each group of 4 inputs
//!                 two widenings of 8 weights; for each row a splat of 4 inputs, two dots, two additions
//!             add the partial sums
//!         requantise, write 8 results
//! ```
//! That keeps 11 vectors alive, of the 16 that a host on x86 has.

use core::arch::wasm32::*;

use super::scalar::{self, Scale, mean};
use super::{Attention, AttentionPart, GROUP, LayerNorm, Matrix, Work};

mod attention;

/// Outputs of a panel.
const PANEL: usize = 8;
/// Rows that share the widening of a weight.
const ROWS: usize = 4;

/// The module may hold vectors of 128 bits: whoever holds this may use them.
#[derive(Clone, Copy, Debug)]
pub struct Simd128(());

impl Simd128 {
    /// This file is compiled where the target promises them, and a host refuses a module with what it does not know.
    #[must_use]
    pub const fn new() -> Option<Self> {
        Some(Self(()))
    }

    /// The name of these kernels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        "wasm32-simd128"
    }

    /// As [`scalar::linear_i8`]; `work`: at least [`super::work_len`].
    pub fn linear_i8(
        self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        work: &mut [u64],
        output: &mut [u8],
    ) {
        linear(input, rows, matrix, work, |at, count, y| put(output, at, count, narrowed(y)));
    }

    /// As [`scalar::linear_i16`].
    pub fn linear_i16(
        self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        work: &mut [u64],
        output: &mut [i16],
    ) {
        linear(input, rows, matrix, work, |at, count, y| put(output, at, count, eight(y)));
    }

    /// As [`scalar::linear_table`].
    pub fn linear_table(
        self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        table: &[u8; 256],
        work: &mut [u64],
        output: &mut [u8],
    ) {
        linear(input, rows, matrix, work, |at, count, y| {
            put(output, at, count, narrowed(y).map(|y| table[usize::from(y ^ 0x80)]));
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
        if width.is_multiple_of(8) {
            add_layer_norm(stream, other, width, norm, narrow);
        } else {
            scalar::add_layer_norm(stream, other, width, norm, narrow);
        }
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
        if numbers.channels.is_multiple_of(16) {
            attention::attention(qkv, tokens, numbers, part, work.words, output);
        } else {
            scalar::attention_part(qkv, tokens, numbers, part, work.weights, output);
        }
    }
}

pub(super) use attention::work_len as attention_work_len;

/// Writes the results of a panel: fewer than eight at the end of a row.
#[inline(always)]
fn put<T: Copy>(output: &mut [T], at: usize, count: usize, results: [T; PANEL]) {
    let place = &mut output[at..at + count];
    match place.first_chunk_mut() {
        Some(place) => *place = results,
        None => place.iter_mut().zip(results).for_each(|(place, y)| *place = y),
    }
}

/// The bits of eight numbers cut to -127..=127.
#[inline(always)]
fn narrowed(y: v128) -> [u8; PANEL] {
    let low = i16x8_max(y, i16x8_splat(-127));
    u64x2_extract_lane::<0>(i8x16_narrow_i16x8(low, low)).to_le_bytes()
}

#[inline(always)]
fn load(bytes: &[u8; 16]) -> v128 {
    // SAFETY: 16 bytes may be read there, and no alignment is asked for.
    unsafe { v128_load(bytes.as_ptr().cast()) }
}

#[inline(always)]
fn load16(numbers: &[i16; 8]) -> v128 {
    // SAFETY: 16 bytes may be read there, and no alignment is asked for.
    unsafe { v128_load(numbers.as_ptr().cast()) }
}

#[inline(always)]
fn load32(numbers: &[i32; 4]) -> v128 {
    // SAFETY: 16 bytes may be read there, and no alignment is asked for.
    unsafe { v128_load(numbers.as_ptr().cast()) }
}

#[inline(always)]
fn eight(y: v128) -> [i16; 8] {
    let mut numbers = [0; 8];
    // SAFETY: 16 bytes may be written there, and no alignment is asked for.
    unsafe { v128_store(numbers.as_mut_ptr().cast(), y) };
    numbers
}

#[inline(always)]
fn four(x: v128) -> [i32; 4] {
    let mut numbers = [0; 4];
    // SAFETY: 16 bytes may be written there, and no alignment is asked for.
    unsafe { v128_store(numbers.as_mut_ptr().cast(), x) };
    numbers
}

/// Hands eight results to `write`, with their place in the output and how many of them count.
#[inline(always)]
fn linear(
    input: &[u8],
    rows: usize,
    matrix: &Matrix<'_>,
    work: &mut [u64],
    mut write: impl FnMut(usize, usize, v128),
) {
    let groups = matrix.groups();
    let wide = &mut work[..rows * groups];
    widen(input, rows, matrix.inputs, groups, wide);
    for (number, block) in matrix.weights.chunks_exact(groups * 64).enumerate() {
        let (block, _) = block.as_chunks::<64>();
        for half in 0..2 {
            let first = number * 16 + half * PANEL;
            if first < matrix.outputs {
                panel(block, half, first, wide, rows, matrix, &mut write);
            }
        }
    }
}

/// Eight outputs of all rows: the first or the second half of a block.
#[inline(always)]
fn panel(
    block: &[[u8; 64]],
    half: usize,
    first: usize,
    wide: &[u64],
    rows: usize,
    matrix: &Matrix<'_>,
    write: &mut impl FnMut(usize, usize, v128),
) {
    let tail = Tail::of(matrix, first);
    let count = PANEL.min(matrix.outputs - first);
    let (mut row, mut rest) = (0, wide);
    while row < rows {
        let now = block_of(rows - row);
        let (wide, others) = rest.split_at(now * block.len());
        let mut put =
            |r: usize, sums| write((row + r) * matrix.outputs + first, count, tail.requantised(sums));
        match now {
            ROWS => panels::<ROWS>(block, half, wide, &mut put),
            2 => panels::<2>(block, half, wide, &mut put),
            _ => panels::<1>(block, half, wide, &mut put),
        }
        (row, rest) = (row + now, others);
    }
}

/// Eight sums of products of each of some rows.
#[inline(always)]
fn panels<const R: usize>(
    block: &[[u8; 64]],
    half: usize,
    wide: &[u64],
    put: &mut impl FnMut(usize, [v128; 2]),
) {
    let low = products::<R>(block, 2 * half, wide);
    let high = products::<R>(block, 2 * half + 1, wide);
    for (r, (low, high)) in low.into_iter().zip(high).enumerate() {
        put(r, [low, high]);
    }
}

/// How many of the rows that are left are worked on together.
const fn block_of(left: usize) -> usize {
    match left {
        ROWS.. => ROWS,
        2.. => 2,
        _ => 1,
    }
}

/// The rows in blocks of [`block_of`]; in a block group by group, in a group row by row a word of four inputs, of 16
/// bits each: a block is read from front to end.
fn widen(input: &[u8], rows: usize, inputs: usize, groups: usize, wide: &mut [u64]) {
    let (mut row, mut rest) = (0, wide);
    while row < rows {
        let count = block_of(rows - row);
        let (words, others) = rest.split_at_mut(count * groups);
        for (nth, input) in input[row * inputs..(row + count) * inputs].chunks_exact(inputs).enumerate() {
            for (bytes, place) in input.chunks(GROUP).zip(words.chunks_exact_mut(count)) {
                let mut four = [0u8; GROUP];
                four[..bytes.len()].copy_from_slice(bytes);
                let [a, b, c, d] = four.map(u64::from);
                place[nth] = a | b << 16 | c << 32 | d << 48;
            }
        }
        (row, rest) = (row + count, others);
    }
}

/// Bias, shifts and multipliers of a panel.
struct Tail {
    bias: [v128; 2],
    /// There is no shift by another number in each lane: two to the power of what is left to 25, of 64 bits each.
    powers: [v128; 2],
    multipliers: v128,
}

impl Tail {
    fn of(matrix: &Matrix<'_>, first: usize) -> Self {
        let at = |place: usize| first + place;
        let bias: [i32; PANEL] =
            core::array::from_fn(|place| matrix.bias.get(at(place)).copied().map_or(0, i32::from_le_bytes));
        let powers: [i32; PANEL] = core::array::from_fn(|place| {
            1 << (MOST_SHIFT - matrix.shifts.get(at(place)).map_or(1, |s| u32::from(*s)))
        });
        let multipliers = core::array::from_fn(|place| {
            matrix.multipliers.get(at(place)).copied().map_or(0, i16::from_le_bytes)
        });
        let halves = |numbers: [i32; PANEL]| {
            let [a, b, c, d, e, f, g, h] = numbers;
            [load32(&[a, b, c, d]), load32(&[e, f, g, h])]
        };
        Self { bias: halves(bias), powers: halves(powers), multipliers: load16(&multipliers) }
    }

    /// Eight sums of products as numbers of 16 bits.
    #[inline(always)]
    fn requantised(&self, sums: [v128; 2]) -> v128 {
        let [low, high] = [0, 1].map(|half| {
            let sum = i32x4_add(sums[half], self.bias[half]);
            // All but the last bit of the shift; the last is the rounding.
            let pair = i64x2_extmul_low_i32x4(sum, self.powers[half]);
            let other = i64x2_extmul_high_i32x4(sum, self.powers[half]);
            let [pair, other] = [pair, other].map(|x| u64x2_shr(x, MOST_SHIFT - 1));
            // The sign is in the upper halves, beyond what is kept.
            let shifted = i32x4_shuffle::<0, 2, 4, 6>(pair, other);
            i32x4_shr(i32x4_add(shifted, i32x4_splat(1)), 1)
        });
        i16x8_q15mulr_sat(i16x8_narrow_i32x4(low, high), self.multipliers)
    }
}

/// More than the shift of any output.
const MOST_SHIFT: u32 = 25;

/// The sums of products of some rows with four outputs: those of a quarter of a block.
#[inline(always)]
fn products<const R: usize>(block: &[[u8; 64]], quarter: usize, wide: &[u64]) -> [v128; R] {
    let mut sums = [[i32x4_splat(0); 2]; R];
    for (weights, inputs) in block.iter().zip(wide.as_chunks::<R>().0) {
        let weights = load(&weights.as_chunks::<16>().0[quarter]);
        let low = i16x8_extend_low_i8x16(weights);
        let high = i16x8_extend_high_i8x16(weights);
        for (sums, four) in sums.iter_mut().zip(inputs) {
            let four = u64x2_splat(*four);
            sums[0] = i32x4_add(sums[0], i32x4_dot_i16x8(low, four));
            sums[1] = i32x4_add(sums[1], i32x4_dot_i16x8(high, four));
        }
    }
    sums.map(|[low, high]| {
        i32x4_add(i32x4_shuffle::<0, 2, 4, 6>(low, high), i32x4_shuffle::<1, 3, 5, 7>(low, high))
    })
}

fn add_layer_norm(stream: &mut [i16], other: &[i16], width: usize, norm: &LayerNorm<'_>, narrow: &mut [u8]) {
    let part = |numbers: &[[u8; 2]], at: usize| -> v128 {
        numbers.as_flattened().as_chunks::<16>().0.get(at).map_or(i16x8_splat(0), load)
    };
    for (row, stream) in stream.chunks_exact_mut(width).enumerate() {
        let (stream, _) = stream.as_chunks_mut::<8>();
        let mut sums = i32x4_splat(0);
        let (others, _) = other.get(row * width..).unwrap_or_default().as_chunks::<8>();
        for (at, x) in stream.iter_mut().enumerate() {
            let mut y = load16(x);
            if let Some(o) = others.get(at) {
                y = i16x8_add_sat(y, load16(o));
                *x = eight(y);
            }
            sums = i32x4_add(sums, i32x4_extadd_pairwise_i16x8(y));
        }
        let mean = mean(four(sums).into_iter().sum(), width as i32);
        // A mean of 16-bit numbers has 16 bits, but half upwards it may be one more than the highest.
        let means = i16x8_splat(scalar::sat16(mean));
        let mut squares = u64x2_splat(0);
        for x in stream.iter() {
            let c = i16x8_sub_sat(load16(x), means);
            // Two squares of 2^30 fill 32 bits without a sign.
            let two = i32x4_dot_i16x8(c, c);
            squares = u64x2_add(squares, u64x2_extend_low_u32x4(two));
            squares = u64x2_add(squares, u64x2_extend_high_u32x4(two));
        }
        let squares = u64x2_extract_lane::<0>(squares) + u64x2_extract_lane::<1>(squares);
        let Scale { power, reciprocal } = Scale::of(squares, width);
        let reciprocals = i16x8_splat(reciprocal);
        let half = i16x8_splat(if norm.extra == 0 { 0 } else { 1 << (norm.extra - 1) });
        let (narrow, _) = narrow[row * width..(row + 1) * width].as_chunks_mut::<8>();
        for (at, (x, a)) in stream.iter_mut().zip(narrow).enumerate() {
            let c = i16x8_sub_sat(load16(x), means);
            let d = if power >= 0 {
                shifted_left(c, power.unsigned_abs())
            } else {
                shifted_right(c, power.unsigned_abs())
            };
            let normal = i16x8_q15mulr_sat(d, reciprocals);
            let scaled =
                |gain, offset| i16x8_add_sat(i16x8_q15mulr_sat(normal, part(gain, at)), part(offset, at));
            *x = eight(scaled(norm.gain, norm.offset));
            // What half adds beyond 16 bits is above 255 in any case.
            let y = i16x8_add_sat(scaled(norm.gain_narrow, norm.offset_narrow), half);
            let y = i16x8_shr(y, norm.extra);
            *a = u64x2_extract_lane::<0>(u8x16_narrow_i16x8(y, y)).to_le_bytes();
        }
    }
}

/// Times a power of two, saturated.
fn shifted_left(c: v128, power: u32) -> v128 {
    let low = i32x4_shl(i32x4_extend_low_i16x8(c), power);
    let high = i32x4_shl(i32x4_extend_high_i16x8(c), power);
    i16x8_narrow_i32x4(low, high)
}

/// Divided by a power of two, half upwards.
fn shifted_right(c: v128, power: u32) -> v128 {
    let less = i16x8_shr(c, power - 1);
    // Shifted by one at most it may be the highest number: halves are added without a carry out of 16 bits.
    i16x8_add(i16x8_shr(less, 1), v128_and(less, i16x8_splat(1)))
}
