//! AVX-512 with VNNI: `VPDPBUSD` adds four products of unsigned and signed bytes to 32 bits, and does not saturate.
//!
//! # The matrix
//! ```text
//! for each 64 outputs (a panel: four blocks of packed weights)
//!     for each 6 rows, or as many as share them out evenly
//!         24 accumulators of 16 outputs
//!         for each group of 4 inputs
//!             some of the next panel's weights asked for
//!             four loads of weights; for each row a broadcast of 4 inputs and four VPDPBUSD
//!         requantise and write 64 results
//! ```
//! For 24 multiplications, which keep both multipliers of a core busy for 12 cycles, there are 10 loads; rows are read
//! where they lie.

use core::arch::x86_64::*;

use super::super::cpu::{Kernels, Work};
use super::super::{Attention, AttentionPart, BLOCK, GROUP, LayerNorm, Matrix};
use super::avx2::Avx2;
use super::{Ahead, has, shared_out};

mod attention;

/// Blocks of a panel.
const BLOCKS: usize = 4;
/// Outputs of a panel.
const PANEL: usize = BLOCKS * BLOCK;
/// Rows that share the loads of weights.
const ROWS: usize = 6;

/// The sums of a panel for some rows.
type Sums = [[__m512i; BLOCKS]; ROWS];

/// The processor has AVX-512 F, BW, VL and VNNI, and AVX2: whoever holds this may call what needs them.
#[derive(Clone, Copy, Debug)]
pub struct Avx512 {
    avx2: Avx2,
    /// And VBMI, which looks up bytes in a table.
    vbmi: bool,
}

impl Avx512 {
    /// If this processor has it.
    #[must_use]
    pub fn new() -> Option<Self> {
        let needed = has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512vnni");
        if needed { Some(Self { avx2: Avx2::new()?, vbmi: has!("avx512vbmi") }) } else { None }
    }
}

impl Kernels for Avx512 {
    fn name(&self) -> &'static str {
        "x86_64-avx512vnni"
    }

    fn linear_i8(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        if !matrix.inputs.is_multiple_of(GROUP) {
            return self.avx2.linear_i8(input, rows, matrix, work, output);
        }
        // SAFETY: the processor has what it takes, as `self` proves.
        unsafe { linear(input, rows, matrix, &mut ToI8 { output }) }
    }

    fn linear_i16(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        work: &mut Work<'_>,
        output: &mut [i16],
    ) {
        if !matrix.inputs.is_multiple_of(GROUP) {
            return self.avx2.linear_i16(input, rows, matrix, work, output);
        }
        // SAFETY: the processor has what it takes, as `self` proves.
        unsafe { linear(input, rows, matrix, &mut ToI16 { output }) }
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
        if !matrix.inputs.is_multiple_of(GROUP) {
            return self.avx2.linear_table(input, rows, matrix, table, work, output);
        }
        // The bits of a signed number are its place: those of the negative ones come last.
        let mut turned = *table;
        turned.rotate_left(128);
        if self.vbmi {
            // SAFETY: the processor has what it takes, VBMI too, as `self` proves.
            unsafe { linear_vbmi(input, rows, matrix, &turned, output) }
        } else {
            // SAFETY: the processor has what it takes, as `self` proves.
            unsafe { linear(input, rows, matrix, &mut ToTable { table: &turned, output }) }
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
        // A few parts in a hundred of the time: the kernel for 256 bits does.
        self.avx2.add_layer_norm(stream, other, width, norm, narrow);
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
        if tokens == 0 || !numbers.channels.is_multiple_of(BLOCK) || !self.vbmi {
            return self.avx2.attention_part(qkv, tokens, numbers, part, work, output);
        }
        // SAFETY: the processor has what it takes, VBMI too, as `self` proves.
        unsafe { attention::attention(qkv, tokens, numbers, part, work.words, output) }
    }
}

pub(super) use attention::work_len as attention_work_len;

/// Rows of a multiple of four numbers, `stride` apart.
#[derive(Clone, Copy)]
struct Rows<'a> {
    bytes: &'a [u8],
    stride: usize,
    count: usize,
}

/// What becomes of the results of a panel.
trait Write {
    /// `mask` has the outputs of the panel that there are; `at`: where the first stands.
    fn write(&mut self, at: usize, mask: u64, results: [__m512i; 2]);
}

struct ToI8<'o> {
    output: &'o mut [u8],
}

impl Write for ToI8<'_> {
    #[inline(always)]
    fn write(&mut self, at: usize, mask: u64, results: [__m512i; 2]) {
        // SAFETY: whoever calls this has the instructions, see `linear`.
        unsafe { store(self.output, at, mask, narrowed(results)) }
    }
}

struct ToI16<'o> {
    output: &'o mut [i16],
}

impl Write for ToI16<'_> {
    #[inline(always)]
    fn write(&mut self, at: usize, mask: u64, [low, high]: [__m512i; 2]) {
        // SAFETY: whoever calls this has the instructions, see `linear`.
        unsafe { store16(self.output, at, mask, low, high) }
    }
}

struct ToTable<'o> {
    table: &'o [u8; 256],
    output: &'o mut [u8],
}

impl Write for ToTable<'_> {
    #[inline(always)]
    fn write(&mut self, at: usize, mask: u64, results: [__m512i; 2]) {
        // SAFETY: whoever calls this has the instructions, see `linear`.
        let bytes = bytes_of(unsafe { narrowed(results) }).map(|y| self.table[usize::from(y)]);
        // SAFETY: as above.
        unsafe { store(self.output, at, mask, load(&bytes)) }
    }
}

struct ToTableVbmi<'o> {
    table: Table,
    output: &'o mut [u8],
}

impl Write for ToTableVbmi<'_> {
    #[inline(always)]
    fn write(&mut self, at: usize, mask: u64, results: [__m512i; 2]) {
        // SAFETY: whoever calls this has the instructions, see `linear_vbmi`.
        unsafe { store(self.output, at, mask, self.table.of(narrowed(results))) }
    }
}

/// A table of 256 bytes in four registers.
#[derive(Clone, Copy)]
struct Table([__m512i; 4]);

impl Table {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
    fn new(table: &[u8; 256]) -> Self {
        let (quarters, _) = table.as_chunks::<64>();
        Self(core::array::from_fn(|nth| load(&quarters[nth])))
    }

    /// What stands at these places.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
    #[inline]
    fn of(&self, places: __m512i) -> __m512i {
        let [a, b, c, d] = self.0;
        let low = _mm512_permutex2var_epi8(a, places, b);
        let high = _mm512_permutex2var_epi8(c, places, d);
        _mm512_mask_blend_epi8(_mm512_movepi8_mask(places), low, high)
    }
}

fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 bytes may be read there, and no alignment is asked for; a vector is their bits.
    unsafe { bytes.as_ptr().cast::<__m512i>().read_unaligned() }
}

fn bytes_of(x: __m512i) -> [u8; 64] {
    // SAFETY: a vector of 64 bytes, any bits of which are bytes.
    unsafe { core::mem::transmute(x) }
}

/// Writes the bytes of the mask.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn store(output: &mut [u8], at: usize, mask: u64, bytes: __m512i) {
    let place = &mut output[at..at + mask.count_ones() as usize];
    // SAFETY: as many bytes as the mask has are written, its lowest ones, and so many are there.
    unsafe { _mm512_mask_storeu_epi8(place.as_mut_ptr().cast(), mask, bytes) };
}

/// Writes the numbers of the mask, whose order is that of [`Tail::requantised`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn store16(output: &mut [i16], at: usize, mask: u64, low: __m512i, high: __m512i) {
    let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    let place = &mut output[at..at + mask.count_ones() as usize];
    let (low, high) = (_mm512_permutexvar_epi64(order, low), _mm512_permutexvar_epi64(order, high));
    // SAFETY: as many numbers as the mask has are written, its lowest ones, and so many are there.
    unsafe {
        _mm512_mask_storeu_epi16(place.as_mut_ptr(), mask as u32, low);
        if mask >> 32 != 0 {
            _mm512_mask_storeu_epi16(place.as_mut_ptr().add(32), (mask >> 32) as u32, high);
        }
    }
}

/// The bits of numbers cut to -127..=127, in the order of the outputs.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn narrowed([low, high]: [__m512i; 2]) -> __m512i {
    let bytes = _mm512_max_epi8(_mm512_packs_epi16(low, high), _mm512_set1_epi8(-127));
    in_order(bytes)
}

/// Undoes the order that two steps of packing leave: words of each quarter of a register, block by block.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn in_order(bytes: __m512i) -> __m512i {
    _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), bytes)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn linear_vbmi(input: &[u8], rows: usize, matrix: &Matrix<'_>, table: &[u8; 256], output: &mut [u8]) {
    linear(input, rows, matrix, &mut ToTableVbmi { table: Table::new(table), output });
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn linear<W: Write>(input: &[u8], rows: usize, matrix: &Matrix<'_>, write: &mut W) {
    let block = matrix.groups() * BLOCK * GROUP;
    let mut panels = matrix.weights.chunks(block * BLOCKS).enumerate().peekable();
    while let Some((number, weights)) = panels.next() {
        let first = number * PANEL;
        let tail = Tail::of(matrix, first);
        let blocks = weights.len() / block;
        let next = panels.peek().map_or(weights, |(_, next)| next);
        let ahead = Ahead::shared_out(next, rows.div_ceil(ROWS), matrix.groups());
        let mut row = 0;
        for (count, ahead) in shared_out::<ROWS>(rows).zip(ahead) {
            let bytes = &input[row * matrix.inputs..(row + count) * matrix.inputs];
            let these = Rows { bytes, stride: matrix.inputs, count };
            let sums = products(these, weights, blocks, &tail.bias, ahead);
            for sums in sums.iter().take(count) {
                write.write(row * matrix.outputs + first, tail.mask, tail.requantised(sums));
                row += 1;
            }
        }
    }
}

/// Bias, shifts and multipliers of a panel.
struct Tail {
    bias: [__m512i; BLOCKS],
    /// One less: the rest of the shift is the rounding.
    shifts: [__m512i; BLOCKS],
    /// In the order of [`Self::requantised`].
    multipliers: [__m512i; 2],
    /// The outputs that there are.
    mask: u64,
}

impl Tail {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn of(matrix: &Matrix<'_>, first: usize) -> Self {
        let at = |place: usize| first + place;
        let bias: [[i32; BLOCK]; BLOCKS] = core::array::from_fn(|block| {
            core::array::from_fn(|nth| {
                matrix.bias.get(at(block * BLOCK + nth)).copied().map_or(0, i32::from_le_bytes)
            })
        });
        let shifts: [[i32; BLOCK]; BLOCKS] = core::array::from_fn(|block| {
            core::array::from_fn(|nth| {
                matrix.shifts.get(at(block * BLOCK + nth)).map_or(1, |s| i32::from(*s)).saturating_sub(1)
            })
        });
        // As packing leaves the sums: four of one block, four of the next.
        let multipliers: [[i16; 2 * BLOCK]; 2] = core::array::from_fn(|half| {
            core::array::from_fn(|nth| {
                let block = 2 * half + nth / GROUP % 2;
                let output = at(block * BLOCK + nth / (2 * GROUP) * GROUP + nth % GROUP);
                matrix.multipliers.get(output).copied().map_or(0, i16::from_le_bytes)
            })
        });
        let count = matrix.outputs.saturating_sub(first).min(PANEL);
        Self {
            bias: bias.map(vector),
            shifts: shifts.map(vector),
            multipliers: multipliers.map(vector),
            mask: u64::MAX >> (PANEL - count),
        }
    }

    /// Sums as 16 bits. Packing takes turns: four of the first block, four of the second, and so on.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    #[inline]
    fn requantised(&self, sums: &[__m512i; BLOCKS]) -> [__m512i; 2] {
        let shifted = |block: usize| rounded(_mm512_srav_epi32(sums[block], self.shifts[block]));
        let low = _mm512_packs_epi32(shifted(0), shifted(1));
        let high = _mm512_packs_epi32(shifted(2), shifted(3));
        [_mm512_mulhrs_epi16(low, self.multipliers[0]), _mm512_mulhrs_epi16(high, self.multipliers[1])]
    }
}

/// Halves, half upwards.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn rounded(twice: __m512i) -> __m512i {
    _mm512_srai_epi32::<1>(_mm512_add_epi32(twice, _mm512_set1_epi32(1)))
}

/// Numbers as a vector.
fn vector<T: Copy, const N: usize>(numbers: [T; N]) -> __m512i {
    const { assert!(size_of::<[T; N]>() == size_of::<__m512i>()) }
    // SAFETY: as many bytes as a vector has; both are numbers without padding.
    unsafe { core::mem::transmute_copy(&numbers) }
}

/// The sums of products of some rows, at most [`ROWS`], with the outputs of some blocks, at most [`BLOCKS`], which stand
/// one behind the other; the first sum is `start`. Meanwhile it asks for weights that come later.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn products(
    rows: Rows<'_>,
    weights: &[u8],
    blocks: usize,
    start: &[__m512i; BLOCKS],
    ahead: Ahead<'_>,
) -> Sums {
    let groups = weights.len() / (blocks * BLOCK * GROUP);
    assert!(
        rows.bytes.len() >= (rows.count - 1) * rows.stride + groups * GROUP,
        "rows are as long as the weights"
    );
    let mut sums = [*start; ROWS];
    // SAFETY: every row has four bytes for each group, and every block 64.
    unsafe {
        match blocks {
            4 => of_blocks::<4>(rows, weights, groups, &mut sums, ahead),
            3 => of_blocks::<3>(rows, weights, groups, &mut sums, ahead),
            2 => of_blocks::<2>(rows, weights, groups, &mut sums, ahead),
            _ => of_blocks::<1>(rows, weights, groups, &mut sums, ahead),
        }
    }
    sums
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
unsafe fn of_blocks<const B: usize>(
    rows: Rows<'_>,
    weights: &[u8],
    groups: usize,
    sums: &mut Sums,
    ahead: Ahead<'_>,
) {
    // SAFETY: as this function.
    unsafe {
        match rows.count {
            6 => of_rows::<B, 6>(rows, weights, groups, sums, ahead),
            5 => of_rows::<B, 5>(rows, weights, groups, sums, ahead),
            4 => of_rows::<B, 4>(rows, weights, groups, sums, ahead),
            3 => of_rows::<B, 3>(rows, weights, groups, sums, ahead),
            2 => of_rows::<B, 2>(rows, weights, groups, sums, ahead),
            _ => of_rows::<B, 1>(rows, weights, groups, sums, ahead),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn of_rows<const B: usize, const R: usize>(
    rows: Rows<'_>,
    weights: &[u8],
    groups: usize,
    places: &mut Sums,
    ahead: Ahead<'_>,
) {
    let block = groups * BLOCK * GROUP;
    let row: [*const u8; R] = core::array::from_fn(|r| rows.bytes.as_ptr().wrapping_add(r * rows.stride));
    let first = weights.as_ptr();
    let mut sums: [[__m512i; B]; R] = core::array::from_fn(|r| core::array::from_fn(|b| places[r][b]));
    for group in 0..groups {
        ahead.fetch(group);
        // SAFETY: a block has 64 bytes a group.
        let weights: [__m512i; B] = core::array::from_fn(|b| unsafe {
            _mm512_loadu_si512(first.add(b * block + group * (BLOCK * GROUP)).cast())
        });
        for (sums, row) in sums.iter_mut().zip(row) {
            // SAFETY: a row has four bytes a group.
            let four = unsafe { row.add(group * GROUP).cast::<i32>().read_unaligned() };
            let four = _mm512_set1_epi32(four);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = _mm512_dpbusd_epi32(*sum, four, weights);
            }
        }
    }
    for (places, sums) in places.iter_mut().zip(sums) {
        for (place, sum) in places.iter_mut().zip(sums) {
            *place = sum;
        }
    }
}
