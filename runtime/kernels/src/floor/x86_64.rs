//! The loops for 64-bit x86.

use core::arch::x86_64::*;
use core::hint::black_box;

use super::{ROWS, together};
use crate::encoder::BLOCK;

/// Blocks of 16 outputs that share an input, with VNNI: 24 of the 32 registers hold sums.
const BLOCKS: usize = 4;

/// Independent chains: more than an instruction's latency times its rate.
const CHAINS_AVX2: usize = 12;
const CHAINS_VNNI: usize = 16;
/// Instructions of a chain in a turn.
const STEPS: u64 = 8;

#[target_feature(enable = "avx2")]
pub(super) fn registers_avx2(turns: u64) -> u64 {
    let factor = _mm256_set1_epi16(black_box(3));
    let mut chains = [factor; CHAINS_AVX2];
    for _ in 0..turns {
        for _ in 0..STEPS {
            for chain in &mut chains {
                *chain = _mm256_madd_epi16(*chain, factor);
            }
        }
    }
    black_box(chains);
    turns * STEPS * CHAINS_AVX2 as u64 * 16
}

#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn registers_vnni(turns: u64) -> u64 {
    let factor = _mm512_set1_epi8(black_box(3));
    let mut chains = [_mm512_setzero_si512(); CHAINS_VNNI];
    for _ in 0..turns {
        for _ in 0..STEPS {
            for chain in &mut chains {
                *chain = _mm512_dpbusd_epi32(*chain, factor, factor);
            }
        }
    }
    black_box(chains);
    turns * STEPS * CHAINS_VNNI as u64 * 64
}

/// For each half of a block, for each six rows: 12 registers of sums, two partial sums an output.
#[target_feature(enable = "avx2")]
pub(super) fn multiply_avx2(work: &[u64], rows: usize, groups: usize, weights: &[u8], sums: &mut [i32]) {
    let outputs = weights.len() / (groups * 4);
    for (number, block) in weights.chunks_exact(groups * 64).enumerate() {
        let (block, _) = block.as_chunks::<64>();
        for half in 0..2 {
            let first = number * BLOCK + half * 8;
            let mut row = 0;
            while row < rows {
                let words = &work[row * groups..];
                let place = &mut sums[row * outputs + first..];
                match together(rows - row) {
                    ROWS => rows_avx2::<ROWS>(block, half, words, outputs, place),
                    4 => rows_avx2::<4>(block, half, words, outputs, place),
                    2 => rows_avx2::<2>(block, half, words, outputs, place),
                    _ => rows_avx2::<1>(block, half, words, outputs, place),
                }
                row += together(rows - row);
            }
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn rows_avx2<const R: usize>(
    block: &[[u8; 64]],
    half: usize,
    words: &[u64],
    outputs: usize,
    place: &mut [i32],
) {
    let mut sums = [[_mm256_setzero_si256(); 2]; R];
    for (weights, inputs) in block.iter().zip(words.as_chunks::<R>().0) {
        let (quarters, _) = weights.as_chunks::<16>();
        let low = _mm256_cvtepi8_epi16(load(&quarters[2 * half]));
        let high = _mm256_cvtepi8_epi16(load(&quarters[2 * half + 1]));
        for (sums, four) in sums.iter_mut().zip(inputs) {
            let four = _mm256_set1_epi64x(four.cast_signed());
            sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(low, four));
            sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(high, four));
        }
    }
    for (r, [low, high]) in sums.into_iter().enumerate() {
        let eight = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(low, high));
        if let Some(place) = place[r * outputs..].first_chunk_mut::<8>() {
            // SAFETY: 32 bytes may be written there, and no alignment is asked for.
            unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), eight) };
        }
    }
}

fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 16 bytes may be read there, and no alignment is asked for.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// For each four blocks, for each six rows: 24 registers of sums, one an output.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn multiply_vnni(work: &[u64], rows: usize, groups: usize, weights: &[u8], sums: &mut [i32]) {
    let outputs = weights.len() / (groups * 4);
    let mut first = 0;
    for panel in weights.chunks(BLOCKS * groups * 64) {
        match panel.len() / (groups * 64) {
            BLOCKS => panel_vnni::<BLOCKS>(work, rows, groups, panel, outputs, first, sums),
            3 => panel_vnni::<3>(work, rows, groups, panel, outputs, first, sums),
            2 => panel_vnni::<2>(work, rows, groups, panel, outputs, first, sums),
            _ => panel_vnni::<1>(work, rows, groups, panel, outputs, first, sums),
        }
        first += BLOCKS * BLOCK;
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
fn panel_vnni<const B: usize>(
    work: &[u64],
    rows: usize,
    groups: usize,
    panel: &[u8],
    outputs: usize,
    first: usize,
    sums: &mut [i32],
) {
    let (weights, _) = panel.as_chunks::<64>();
    let blocks: [&[[u8; 64]]; B] = core::array::from_fn(|b| &weights[b * groups..(b + 1) * groups]);
    let mut row = 0;
    while row < rows {
        let words = &work[row * groups..];
        let place = &mut sums[row * outputs + first..];
        match together(rows - row) {
            ROWS => rows_vnni::<ROWS, B>(&blocks, words, outputs, place),
            4 => rows_vnni::<4, B>(&blocks, words, outputs, place),
            2 => rows_vnni::<2, B>(&blocks, words, outputs, place),
            _ => rows_vnni::<1, B>(&blocks, words, outputs, place),
        }
        row += together(rows - row);
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
fn rows_vnni<const R: usize, const B: usize>(
    blocks: &[&[[u8; 64]]; B],
    words: &[u64],
    outputs: usize,
    place: &mut [i32],
) {
    let mut sums = [[_mm512_setzero_si512(); B]; R];
    for (at, inputs) in words.as_chunks::<R>().0.iter().enumerate().take(blocks[0].len()) {
        let weights: [__m512i; B] = core::array::from_fn(|b| load512(&blocks[b][at]));
        for (sums, four) in sums.iter_mut().zip(inputs) {
            let four = _mm512_set1_epi32((*four as u32).cast_signed());
            for (sum, weights) in sums.iter_mut().zip(&weights) {
                *sum = _mm512_dpbusd_epi32(*sum, four, *weights);
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        for (b, sum) in sums.into_iter().enumerate() {
            if let Some(place) = place[r * outputs + b * BLOCK..].first_chunk_mut::<BLOCK>() {
                // SAFETY: 64 bytes may be written there, and no alignment is asked for.
                unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), sum) };
            }
        }
    }
}

fn load512(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 bytes may be read there, and no alignment is asked for; every machine that runs this has AVX-512.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}
