//! AVX-VNNI: `VPDPBUSD` on 256 bits, for processors without AVX-512. The matrix alone is its own; LayerNorm and attention
//! are those of AVX2.
//!
//! ```text
//! for each 16 outputs (a block of packed weights)
//!     for each 6 rows, or as many as share them out evenly
//!         12 accumulators of 8 outputs
//!         for each group of 4 inputs
//!             some of the next block's weights asked for
//!             two loads of weights; for each row a broadcast of 4 inputs and two VPDPBUSD
//!         requantise and write, as AVX2 does
//! ```

use core::arch::x86_64::*;

use super::super::cpu::{Kernels, Work};
use super::super::{Attention, AttentionPart, BLOCK, GROUP, LayerNorm, Matrix};
use super::avx2::{Avx2, PANEL, Tail, ToI8, ToI16, Write, activate, requantised};
use super::{Ahead, has, shared_out};

/// Rows that share the loads of weights.
const ROWS: usize = 6;

/// The processor has AVX-VNNI and AVX2: whoever holds this may call what needs them.
#[derive(Clone, Copy, Debug)]
pub struct AvxVnni {
    avx2: Avx2,
}

impl AvxVnni {
    /// If this processor has it.
    #[must_use]
    pub fn new() -> Option<Self> {
        if has!("avxvnni") { Some(Self { avx2: Avx2::new()? }) } else { None }
    }
}

impl Kernels for AvxVnni {
    fn name(&self) -> &'static str {
        "x86_64-avxvnni"
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
        // SAFETY: the processor has AVX-VNNI, as `self` proves.
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
        // SAFETY: the processor has AVX-VNNI, as `self` proves.
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
        // SAFETY: the processor has AVX-VNNI, as `self` proves.
        unsafe {
            linear(input, rows, matrix, &mut ToI8 { output });
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
        self.avx2.attention_part(qkv, tokens, numbers, part, work, output);
    }
}

#[target_feature(enable = "avx2,avxvnni")]
fn linear<W: Write>(input: &[u8], rows: usize, matrix: &Matrix<'_>, write: &mut W) {
    let block = matrix.groups() * BLOCK * GROUP;
    let mut blocks = matrix.weights.chunks_exact(block).enumerate().peekable();
    while let Some((number, weights)) = blocks.next() {
        let first = number * BLOCK;
        let next = blocks.peek().map_or(weights, |(_, next)| next);
        let ahead = Ahead::shared_out(next, rows.div_ceil(ROWS), matrix.groups());
        let tails = [Tail::of(matrix, first), Tail::of(matrix, first + PANEL)];
        let (weights, _) = weights.as_chunks::<32>();
        let (mut row, mut rest) = (0, input);
        for (count, ahead) in shared_out::<ROWS>(rows).zip(ahead) {
            let (bytes, others) = rest.split_at(count * matrix.inputs);
            let sums = match count {
                ROWS => products::<ROWS>(bytes, matrix.inputs, weights, ahead),
                5 => products::<5>(bytes, matrix.inputs, weights, ahead),
                4 => products::<4>(bytes, matrix.inputs, weights, ahead),
                3 => products::<3>(bytes, matrix.inputs, weights, ahead),
                2 => products::<2>(bytes, matrix.inputs, weights, ahead),
                _ => products::<1>(bytes, matrix.inputs, weights, ahead),
            };
            for (r, sums) in sums.into_iter().enumerate().take(count) {
                for (half, (sum, tail)) in sums.into_iter().zip(&tails).enumerate() {
                    let first = first + half * PANEL;
                    if first < matrix.outputs {
                        write.write(row + r, matrix.outputs, first, requantised(sum, tail));
                    }
                }
            }
            (row, rest) = (row + count, others);
        }
    }
}

/// The sums of products of some rows with the 16 outputs of a block. Meanwhile it asks for weights that come later.
#[target_feature(enable = "avx2,avxvnni")]
fn products<const R: usize>(
    input: &[u8],
    inputs: usize,
    weights: &[[u8; 32]],
    ahead: Ahead<'_>,
) -> [[__m256i; 2]; ROWS] {
    assert!(input.len() >= R * inputs, "a row for each");
    let row: [*const u8; R] = core::array::from_fn(|r| input.as_ptr().wrapping_add(r * inputs));
    let mut sums = [[_mm256_setzero_si256(); 2]; R];
    let groups = (inputs / GROUP).min(weights.len() / 2);
    for (group, weights) in weights.as_chunks::<2>().0.iter().enumerate().take(groups) {
        ahead.fetch(group);
        let weights = weights.each_ref().map(super::avx2::load256);
        for (sums, row) in sums.iter_mut().zip(row) {
            // SAFETY: a row has four bytes for each group.
            let four = unsafe { row.add(group * GROUP).cast::<i32>().read_unaligned() };
            let four = _mm256_set1_epi32(four);
            sums[0] = _mm256_dpbusd_avx_epi32(sums[0], four, weights[0]);
            sums[1] = _mm256_dpbusd_avx_epi32(sums[1], four, weights[1]);
        }
    }
    let mut all = [[_mm256_setzero_si256(); 2]; ROWS];
    all.iter_mut().zip(sums).for_each(|(place, sums)| *place = sums);
    all
}
