//! The matrix: rows packed, products, requantisation.

use core::arch::aarch64::*;

use super::super::{BLOCK, Matrix};
use super::products::{MOST_ROWS, PACKED, Products, Sums, pack_row, words_of};

/// Makes a signed number of an unsigned one, less by 128.
pub(super) const FLIP: u8 = 0x80;

/// Sixteen requantised sums.
type Sixteen = [int16x8_t; 2];

/// As [`super::super::scalar::linear_i8`]; `work`: at least [`super::super::work_len`].
pub(crate) fn linear_i8<P: Products>(
    cpu: P,
    input: &[u8],
    rows: usize,
    matrix: &Matrix<'_>,
    work: &mut [u64],
    output: &mut [u8],
) {
    // SAFETY: every aarch64 has NEON.
    let result = |y: Sixteen| unsafe { bytes_of(vreinterpretq_u8_s8(narrowed(y))) };
    // SAFETY: as above.
    unsafe { linear(cpu, input, rows, matrix, work, output, result) }
}

/// As [`super::super::scalar::linear_i16`].
pub(crate) fn linear_i16<P: Products>(
    cpu: P,
    input: &[u8],
    rows: usize,
    matrix: &Matrix<'_>,
    work: &mut [u64],
    output: &mut [i16],
) {
    let result = |y: Sixteen| {
        let mut numbers = [0; BLOCK];
        // SAFETY: 32 bytes may be written there, and no alignment is asked for; every aarch64 has NEON.
        unsafe { vst1q_s16_x2(numbers.as_mut_ptr(), int16x8x2_t(y[0], y[1])) };
        numbers
    };
    // SAFETY: every aarch64 has NEON.
    unsafe { linear(cpu, input, rows, matrix, work, output, result) }
}

/// As [`super::super::scalar::linear_table`].
pub(crate) fn linear_table<P: Products>(
    cpu: P,
    input: &[u8],
    rows: usize,
    matrix: &Matrix<'_>,
    table: &[u8; 256],
    work: &mut [u64],
    output: &mut [u8],
) {
    // SAFETY: every aarch64 has NEON.
    let table = unsafe { Table::of(table) };
    let result = move |y: Sixteen| {
        // SAFETY: every aarch64 has NEON.
        unsafe { bytes_of(table.at(veorq_u8(vreinterpretq_u8_s8(narrowed(y)), vdupq_n_u8(FLIP)))) }
    };
    // SAFETY: as above.
    unsafe { linear(cpu, input, rows, matrix, work, output, result) }
}

/// `result` makes of sixteen requantised sums what is written.
#[target_feature(enable = "neon")]
fn linear<P: Products, T: Copy>(
    cpu: P,
    input: &[u8],
    rows: usize,
    matrix: &Matrix<'_>,
    work: &mut [u64],
    output: &mut [T],
    result: impl Fn(Sixteen) -> [T; BLOCK],
) {
    let (inputs, outputs, groups) = (matrix.inputs, matrix.outputs, matrix.groups());
    let words = words_of::<P>(groups);
    let packed = &mut work[..rows * words];
    let blocks_of_rows = input[..rows * inputs].chunks(P::ROWS * inputs);
    for (input, packed) in blocks_of_rows.zip(packed.chunks_mut(P::ROWS * words)) {
        let count = packed.len() / words;
        for (nth, row) in input.chunks_exact(inputs).enumerate() {
            pack_row::<P>(row, FLIP, nth, count, packed);
        }
    }
    let (weights, _) = matrix.weights[..Matrix::packed_len(inputs, outputs)].as_chunks::<PACKED>();
    let output = &mut output[..rows * outputs];
    let mut sums: Sums = [[vdupq_n_s32(0); 4]; MOST_ROWS];
    for (number, block) in weights.chunks_exact(groups).enumerate() {
        let first = number * BLOCK;
        let tail = Tail::of(matrix, first);
        let blocks_of_rows = packed.chunks(P::ROWS * words);
        for (packed, output) in blocks_of_rows.zip(output.chunks_mut(P::ROWS * outputs)) {
            cpu.products(block, packed, packed.len() / words, &mut sums);
            for (sums, output) in sums.iter().zip(output.chunks_exact_mut(outputs)) {
                put(&mut output[first..], result(tail.requantised(sums)));
            }
        }
    }
}

/// Writes the results of a block: fewer than sixteen at the end of a row.
#[inline(always)]
fn put<T: Copy>(output: &mut [T], results: [T; BLOCK]) {
    match output.first_chunk_mut() {
        Some(place) => *place = results,
        None => output.iter_mut().zip(results).for_each(|(place, y)| *place = y),
    }
}

/// Bias, shifts and multipliers of a block.
struct Tail {
    /// With what the inputs lack: 128 times the sum of the weights.
    bias: [int32x4_t; 4],
    /// To the right, so negative. One less: the rest of the shift is the rounding.
    shifts: [int32x4_t; 4],
    multipliers: [int16x8_t; 2],
}

impl Tail {
    #[target_feature(enable = "neon")]
    #[inline]
    fn of(matrix: &Matrix<'_>, first: usize) -> Self {
        let (bias, sums) = (sixteen(matrix.bias, first), sixteen(matrix.sums, first));
        let shifts = sixteen(matrix.shifts.as_chunks::<1>().0, first);
        let multipliers = sixteen(matrix.multipliers, first);
        let words =
            |numbers: &[[u8; 4]; BLOCK], at: usize| vreinterpretq_s32_u8(load(numbers.as_flattened(), at));
        let shifts = vsubq_s8(vdupq_n_s8(1), vreinterpretq_s8_u8(load(shifts.as_flattened(), 0)));
        let [low, high] = [vmovl_s8(vget_low_s8(shifts)), vmovl_high_s8(shifts)];
        Self {
            bias: [0, 1, 2, 3].map(|at| vaddq_s32(words(&bias, at), vshlq_n_s32::<7>(words(&sums, at)))),
            shifts: [
                vmovl_s16(vget_low_s16(low)),
                vmovl_high_s16(low),
                vmovl_s16(vget_low_s16(high)),
                vmovl_high_s16(high),
            ],
            multipliers: [0, 1].map(|at| vreinterpretq_s16_u8(load(multipliers.as_flattened(), at))),
        }
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn requantised(&self, sums: &[int32x4_t; 4]) -> Sixteen {
        let four = |at: usize| {
            let shifted = vshlq_s32(vaddq_s32(sums[at], self.bias[at]), self.shifts[at]);
            // As the specification: one is added without a 33rd bit.
            vqshrn_n_s32::<1>(vaddq_s32(shifted, vdupq_n_s32(1)))
        };
        let [low, high] = [vcombine_s16(four(0), four(1)), vcombine_s16(four(2), four(3))];
        [vqrdmulhq_s16(low, self.multipliers[0]), vqrdmulhq_s16(high, self.multipliers[1])]
    }
}

/// Sixteen numbers from the `first` on, filled up with zeros.
fn sixteen<const N: usize>(numbers: &[[u8; N]], first: usize) -> [[u8; N]; BLOCK] {
    let numbers = &numbers[first..];
    match numbers.first_chunk() {
        Some(all) => *all,
        None => core::array::from_fn(|at| numbers.get(at).copied().unwrap_or([0; N])),
    }
}

/// The vector of that number among bytes.
#[inline(always)]
fn load(bytes: &[u8], at: usize) -> uint8x16_t {
    let vector = &bytes.as_chunks::<16>().0[at];
    // SAFETY: 16 bytes may be read there, and no alignment is asked for; every aarch64 has NEON.
    unsafe { vld1q_u8(vector.as_ptr()) }
}

#[inline(always)]
pub(super) fn bytes_of(y: uint8x16_t) -> [u8; BLOCK] {
    let mut bytes = [0; BLOCK];
    // SAFETY: 16 bytes may be written there, and no alignment is asked for; every aarch64 has NEON.
    unsafe { vst1q_u8(bytes.as_mut_ptr(), y) };
    bytes
}

/// Cut to -127..=127.
#[target_feature(enable = "neon")]
#[inline]
fn narrowed(y: Sixteen) -> int8x16_t {
    vmaxq_s8(vqmovn_high_s16(vqmovn_s16(y[0]), y[1]), vdupq_n_s8(-127))
}

/// A table of 256 bytes in sixteen registers.
pub(super) struct Table([uint8x16x4_t; 4]);

impl Table {
    #[target_feature(enable = "neon")]
    #[inline]
    pub(super) fn of(table: &[u8; 256]) -> Self {
        let quarter = |quarter: usize| {
            let vector = |at: usize| load(table, 4 * quarter + at);
            uint8x16x4_t(vector(0), vector(1), vector(2), vector(3))
        };
        Self([quarter(0), quarter(1), quarter(2), quarter(3)])
    }

    /// What it has for sixteen numbers.
    #[target_feature(enable = "neon")]
    #[inline]
    pub(super) fn at(&self, numbers: uint8x16_t) -> uint8x16_t {
        // An index that is beyond a quarter leaves what is there.
        let rest = |quarters: u8| vsubq_u8(numbers, vdupq_n_u8(64 * quarters));
        let y = vqtbl4q_u8(self.0[0], numbers);
        let y = vqtbx4q_u8(y, self.0[1], rest(1));
        let y = vqtbx4q_u8(y, self.0[2], rest(2));
        vqtbx4q_u8(y, self.0[3], rest(3))
    }
}
