//! AVX2. Eight-bit numbers are widened to 16 before they are multiplied: `VPMADDUBSW` would saturate, and give other
//! answers than the specification.
//!
//! # The matrix
//! ```text
//! for each 8 outputs (a panel: half a block, groups * 32 bytes, stays in the first cache)
//!     for each 6 rows
//!         12 accumulators of 4 outputs x 2 partial sums
//!         for each group of 4 inputs
//!             two widenings of 16 weights; for each row a broadcast of 4 inputs, two VPMADDWD, two VPADDD
//!         add the partial sums, requantise, write 8 results
//! ```
//! Both multipliers of a core are busy in every cycle then: 32 products.

use core::arch::x86_64::*;

use super::super::cpu::{Kernels, Work};
use super::super::scalar::{self, Scale, mean};
use super::super::{Attention, AttentionPart, GROUP, LayerNorm, Matrix};
use super::has;

mod attention;
mod table;

/// Outputs of a panel.
pub(super) const PANEL: usize = 8;
/// Rows that share the widening of a weight.
const ROWS: usize = 6;

/// The processor has AVX2: whoever holds this may call what needs it.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// If this processor has it.
    #[must_use]
    pub fn new() -> Option<Self> {
        has!("avx2").then_some(Self(()))
    }
}

impl Kernels for Avx2 {
    fn name(&self) -> &'static str {
        "x86_64-avx2"
    }

    fn linear_i8(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        // SAFETY: the processor has AVX2, as `self` proves.
        unsafe { linear(input, rows, matrix, work.words, &mut ToI8 { output }) }
    }

    fn linear_i16(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        work: &mut Work<'_>,
        output: &mut [i16],
    ) {
        // SAFETY: the processor has AVX2, as `self` proves.
        unsafe { linear(input, rows, matrix, work.words, &mut ToI16 { output }) }
    }

    fn linear_table(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        table: &[u8; 256],
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        // SAFETY: the processor has AVX2, as `self` proves.
        unsafe {
            linear(input, rows, matrix, work.words, &mut ToI8 { output });
            activate(&mut output[..rows * matrix.outputs], table);
        }
    }

    fn add_layer_norm(
        &self,
        stream: &mut [i16],
        other: &[i16],
        width: usize,
        norm: &LayerNorm<'_>,
        narrow: &mut [u8],
    ) {
        if !width.is_multiple_of(16) {
            return scalar::add_layer_norm(stream, other, width, norm, narrow);
        }
        // SAFETY: the processor has AVX2, as `self` proves.
        unsafe { add_layer_norm(stream, other, width, norm, narrow) }
    }

    fn attention_part(
        &self,
        qkv: &[u8],
        tokens: usize,
        numbers: &Attention<'_>,
        part: &AttentionPart,
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        if tokens == 0 || !numbers.channels.is_multiple_of(16) {
            return scalar::attention_part(qkv, tokens, numbers, part, work.weights, output);
        }
        // SAFETY: the processor has AVX2, as `self` proves.
        unsafe { attention::attention(qkv, tokens, numbers, part, work.words, output) }
    }
}

pub(super) use attention::work_len as attention_work_len;
pub(super) use table::activate;

/// What becomes of eight requantised sums.
pub(super) trait Write {
    fn write(&mut self, row: usize, outputs: usize, first: usize, sums: __m128i);
}

/// Writes the results of a panel: fewer than eight at the end of a row.
#[inline(always)]
fn put<T: Copy>(output: &mut [T], row: usize, outputs: usize, first: usize, results: [T; PANEL]) {
    let end = outputs.min(first + PANEL);
    let place = &mut output[row * outputs + first..row * outputs + end];
    match place.first_chunk_mut() {
        Some(place) => *place = results,
        None => place.iter_mut().zip(results).for_each(|(place, y)| *place = y),
    }
}

pub(super) struct ToI8<'o> {
    pub(super) output: &'o mut [u8],
}

impl Write for ToI8<'_> {
    #[inline(always)]
    fn write(&mut self, row: usize, outputs: usize, first: usize, sums: __m128i) {
        put(self.output, row, outputs, first, narrowed(sums));
    }
}

pub(super) struct ToI16<'o> {
    pub(super) output: &'o mut [i16],
}

impl Write for ToI16<'_> {
    #[inline(always)]
    fn write(&mut self, row: usize, outputs: usize, first: usize, sums: __m128i) {
        put(self.output, row, outputs, first, eight(sums));
    }
}

/// The bits of eight numbers cut to -127..=127.
#[inline(always)]
fn narrowed(sums: __m128i) -> [u8; PANEL] {
    // SAFETY: every machine that runs this has SSE2.
    let low = unsafe { _mm_max_epi16(sums, _mm_set1_epi16(-127)) };
    // SAFETY: as above.
    let bytes = unsafe { _mm_cvtsi128_si64(_mm_packs_epi16(low, low)) };
    bytes.to_le_bytes()
}

fn load128(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 16 bytes may be read there, and no alignment is asked for.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

pub(super) fn load256(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: 32 bytes may be read there, and no alignment is asked for; every machine that runs this has AVX.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

fn store256(place: &mut [u8; 32], bytes: __m256i) {
    // SAFETY: 32 bytes may be written there, and no alignment is asked for; every machine that runs this has AVX.
    unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), bytes) };
}

#[target_feature(enable = "avx2")]
fn linear<W: Write>(input: &[u8], rows: usize, matrix: &Matrix<'_>, work: &mut [u64], write: &mut W) {
    let groups = matrix.groups();
    let wide = &mut work[..rows * groups];
    widen(input, rows, matrix.inputs, groups, wide);
    for (number, block) in matrix.weights.chunks_exact(groups * 64).enumerate() {
        let (block, _) = block.as_chunks::<64>();
        panel::<0, W>(block, number * 16, wide, rows, matrix, write);
        if number * 16 + PANEL < matrix.outputs {
            panel::<1, W>(block, number * 16 + PANEL, wide, rows, matrix, write);
        }
    }
}

/// Eight outputs of all rows: the first or the second half of a block.
#[target_feature(enable = "avx2")]
fn panel<const HALF: usize, W: Write>(
    block: &[[u8; 64]],
    first: usize,
    wide: &[u64],
    rows: usize,
    matrix: &Matrix<'_>,
    write: &mut W,
) {
    let tail = Tail::of(matrix, first);
    let (mut row, mut rest) = (0, wide);
    while row < rows {
        let count = block_of(rows - row);
        let (wide, others) = rest.split_at(count * block.len());
        match count {
            ROWS => some_rows::<ROWS, HALF, W>(block, wide, row, first, &tail, matrix, write),
            4 => some_rows::<4, HALF, W>(block, wide, row, first, &tail, matrix, write),
            2 => some_rows::<2, HALF, W>(block, wide, row, first, &tail, matrix, write),
            _ => some_rows::<1, HALF, W>(block, wide, row, first, &tail, matrix, write),
        }
        (row, rest) = (row + count, others);
    }
}

/// How many of the rows that are left are worked on together.
const fn block_of(left: usize) -> usize {
    match left {
        ROWS.. => ROWS,
        4.. => 4,
        2.. => 2,
        _ => 1,
    }
}

/// The rows in blocks of [`block_of`]; in a block group by group, in a group row by row a word of four inputs, of 16
/// bits each: a block is read from front to end.
#[target_feature(enable = "avx2")]
fn widen(input: &[u8], rows: usize, inputs: usize, groups: usize, wide: &mut [u64]) {
    let (mut row, mut rest) = (0, wide);
    while row < rows {
        let count = block_of(rows - row);
        let (words, others) = rest.split_at_mut(count * groups);
        for (nth, input) in input[row * inputs..(row + count) * inputs].chunks_exact(inputs).enumerate() {
            let (sixteens, tail) = input.as_chunks::<16>();
            let (front, back) = words.split_at_mut(sixteens.len() * 4 * count);
            for (bytes, words) in sixteens.iter().zip(front.chunks_exact_mut(4 * count)) {
                let four = halves(_mm256_cvtepu8_epi16(load128(bytes)));
                for (word, place) in four.into_iter().zip(words.chunks_exact_mut(count)) {
                    place[nth] = word;
                }
            }
            for (four, place) in tail.chunks(GROUP).zip(back.chunks_exact_mut(count)) {
                let mut bytes = [0u8; GROUP];
                bytes[..four.len()].copy_from_slice(four);
                let [a, b, c, d] = bytes.map(u64::from);
                place[nth] = a | b << 16 | c << 32 | d << 48;
            }
        }
        (row, rest) = (row + count, others);
    }
}

/// Bias, shifts and multipliers of a panel.
pub(super) struct Tail {
    bias: [i32; PANEL],
    shifts: [i32; PANEL],
    multipliers: [i16; PANEL],
}

impl Tail {
    pub(super) fn of(matrix: &Matrix<'_>, first: usize) -> Self {
        let at = |place: usize| first + place;
        Self {
            bias: core::array::from_fn(|place| {
                matrix.bias.get(at(place)).copied().map_or(0, i32::from_le_bytes)
            }),
            // One less: the rest of the shift is the rounding.
            shifts: core::array::from_fn(|place| {
                matrix.shifts.get(at(place)).map_or(1, |s| i32::from(*s)).saturating_sub(1)
            }),
            multipliers: core::array::from_fn(|place| {
                matrix.multipliers.get(at(place)).copied().map_or(0, i16::from_le_bytes)
            }),
        }
    }
}

/// Eight outputs of some rows: requantised and written.
#[target_feature(enable = "avx2")]
fn some_rows<const R: usize, const HALF: usize, W: Write>(
    block: &[[u8; 64]],
    wide: &[u64],
    row: usize,
    first: usize,
    tail: &Tail,
    matrix: &Matrix<'_>,
    write: &mut W,
) {
    for (r, sum) in products::<R, HALF>(block, wide).into_iter().enumerate() {
        write.write(row + r, matrix.outputs, first, requantised(sum, tail));
    }
}

/// Eight sums as 16 bits.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn requantised(sum: __m256i, tail: &Tail) -> __m128i {
    let sum = _mm256_add_epi32(sum, load256(bytes_of(&tail.bias)));
    let shifted = _mm256_srav_epi32(sum, load256(bytes_of(&tail.shifts)));
    let rounded = _mm256_srai_epi32::<1>(_mm256_add_epi32(shifted, _mm256_set1_epi32(1)));
    let t = _mm_packs_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256::<1>(rounded));
    _mm_mulhrs_epi16(t, load128(bytes_of16(&tail.multipliers)))
}

/// The sums of products of some rows with eight outputs.
#[target_feature(enable = "avx2")]
#[inline]
fn products<const R: usize, const HALF: usize>(block: &[[u8; 64]], wide: &[u64]) -> [__m256i; R] {
    let mut sums = [[_mm256_setzero_si256(); 2]; R];
    for (weights, inputs) in block.iter().zip(wide.as_chunks::<R>().0) {
        let (quarters, _) = weights.as_chunks::<16>();
        let low = _mm256_cvtepi8_epi16(load128(&quarters[2 * HALF]));
        let high = _mm256_cvtepi8_epi16(load128(&quarters[2 * HALF + 1]));
        for (sums, four) in sums.iter_mut().zip(inputs) {
            let four = _mm256_set1_epi64x(four.cast_signed());
            sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(low, four));
            sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(high, four));
        }
    }
    sums.map(|sums| paired(sums))
}

/// Adds neighbours: four outputs of two sums each, twice, become eight outputs.
#[target_feature(enable = "avx2")]
#[inline]
fn paired([low, high]: [__m256i; 2]) -> __m256i {
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(low, high))
}

fn bytes_of(numbers: &[i32; PANEL]) -> &[u8; 32] {
    // SAFETY: eight numbers of four bytes, every byte of which is one.
    unsafe { &*numbers.as_ptr().cast() }
}

fn bytes_of16(numbers: &[i16; PANEL]) -> &[u8; 16] {
    // SAFETY: eight numbers of two bytes, every byte of which is one.
    unsafe { &*numbers.as_ptr().cast() }
}

fn eight(y: __m128i) -> [i16; PANEL] {
    let mut numbers = [0; PANEL];
    // SAFETY: 16 bytes may be written there, and no alignment is asked for.
    unsafe { _mm_storeu_si128(numbers.as_mut_ptr().cast(), y) };
    numbers
}

fn sixteen(y: __m256i) -> [i16; 16] {
    let mut numbers = [0; 16];
    // SAFETY: 32 bytes may be written there, and no alignment is asked for; every machine that runs this has AVX.
    unsafe { _mm256_storeu_si256(numbers.as_mut_ptr().cast(), y) };
    numbers
}

fn wide_of(numbers: &[i16; 16]) -> __m256i {
    // SAFETY: 32 bytes may be read there, and no alignment is asked for; every machine that runs this has AVX.
    unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
fn sum_of(x: __m256i) -> i32 {
    let half = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
    let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
    _mm_cvtsi128_si32(_mm_add_epi32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter)))
}

#[target_feature(enable = "avx2")]
fn add_layer_norm(stream: &mut [i16], other: &[i16], width: usize, norm: &LayerNorm<'_>, narrow: &mut [u8]) {
    let part = |numbers: &[[u8; 2]], at: usize| -> __m256i {
        match numbers.as_flattened().as_chunks::<32>().0.get(at) {
            Some(bytes) => load256(bytes),
            None => _mm256_setzero_si256(),
        }
    };
    for (row, stream) in stream.chunks_exact_mut(width).enumerate() {
        let (stream, _) = stream.as_chunks_mut::<16>();
        let ones = _mm256_set1_epi16(1);
        let mut sum = _mm256_setzero_si256();
        let (others, _) = other.get(row * width..).unwrap_or_default().as_chunks::<16>();
        for (at, x) in stream.iter_mut().enumerate() {
            let mut y = wide_of(x);
            if let Some(o) = others.get(at) {
                y = _mm256_adds_epi16(y, wide_of(o));
                *x = sixteen(y);
            }
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(y, ones));
        }
        let mean = mean(sum_of(sum), width as i32);
        // A mean of 16-bit numbers has 16 bits, but half upwards it may be one more than the highest.
        let mean16 = scalar::sat16(mean);
        let means = _mm256_set1_epi16(mean16);
        let zero = _mm256_setzero_si256();
        let mut squares = zero;
        for x in stream.iter() {
            let c = _mm256_subs_epi16(wide_of(x), means);
            // Two squares of 2^30 fill 32 bits without a sign.
            let two = _mm256_madd_epi16(c, c);
            squares = _mm256_add_epi64(squares, _mm256_unpacklo_epi32(two, zero));
            squares = _mm256_add_epi64(squares, _mm256_unpackhi_epi32(two, zero));
        }
        let squares: u64 = halves(squares).into_iter().sum();
        let Scale { power, reciprocal } = Scale::of(squares, width);
        let reciprocals = _mm256_set1_epi16(reciprocal);
        let extra = _mm_cvtsi32_si128(norm.extra.cast_signed());
        let half = _mm256_set1_epi16(if norm.extra == 0 { 0 } else { 1 << (norm.extra - 1) });
        let (narrow, _) = narrow[row * width..(row + 1) * width].as_chunks_mut::<16>();
        for (at, (x, a)) in stream.iter_mut().zip(narrow).enumerate() {
            let c = _mm256_subs_epi16(wide_of(x), means);
            let d = if power >= 0 { shifted_left(c, power) } else { shifted_right(c, power.unsigned_abs()) };
            let normal = _mm256_mulhrs_epi16(d, reciprocals);
            let y =
                _mm256_adds_epi16(_mm256_mulhrs_epi16(normal, part(norm.gain, at)), part(norm.offset, at));
            *x = sixteen(y);
            let y = _mm256_adds_epi16(
                _mm256_mulhrs_epi16(normal, part(norm.gain_narrow, at)),
                part(norm.offset_narrow, at),
            );
            // What half adds beyond 16 bits is above 255 in any case.
            let y = _mm256_sra_epi16(_mm256_adds_epi16(y, half), extra);
            let bytes = _mm_packus_epi16(_mm256_castsi256_si128(y), _mm256_extracti128_si256::<1>(y));
            // SAFETY: 16 bytes may be written there, and no alignment is asked for.
            unsafe { _mm_storeu_si128(a.as_mut_ptr().cast(), bytes) };
        }
    }
}

fn halves(x: __m256i) -> [u64; 4] {
    let mut numbers = [0; 4];
    // SAFETY: 32 bytes may be written there, and no alignment is asked for; every machine that runs this has AVX.
    unsafe { _mm256_storeu_si256(numbers.as_mut_ptr().cast(), x) };
    numbers
}

/// Times a power of two, saturated.
#[target_feature(enable = "avx2")]
fn shifted_left(c: __m256i, power: i32) -> __m256i {
    let power = _mm_cvtsi32_si128(power);
    let low = _mm256_sll_epi32(_mm256_srai_epi32::<16>(_mm256_unpacklo_epi16(c, c)), power);
    let high = _mm256_sll_epi32(_mm256_srai_epi32::<16>(_mm256_unpackhi_epi16(c, c)), power);
    _mm256_packs_epi32(low, high)
}

/// Divided by a power of two, half upwards.
#[target_feature(enable = "avx2")]
fn shifted_right(c: __m256i, power: u32) -> __m256i {
    let less = _mm256_sra_epi16(c, _mm_cvtsi32_si128(power.cast_signed() - 1));
    // Shifted by one at most it may be the highest number: halves are added without a carry out of 16 bits.
    let odd = _mm256_and_si256(less, _mm256_set1_epi16(1));
    _mm256_add_epi16(_mm256_srai_epi16::<1>(less), odd)
}
