//! Attention by the same products as a matrix: keys, and then values, are packed as weights, head by head.
//!
//! Queries are signed, and `VPDPBUSD` wants unsigned numbers: 128 is added to each of them, so that the sums begin at
//! `-128 * (sum of the key)`.

use core::arch::x86_64::*;

use super::super::super::scalar::Share;
use super::super::super::{Attention, AttentionPart, BLOCK, GROUP};
use super::super::heads::{PACKED, pack};
use super::super::{Ahead, shared_out};
use super::{BLOCKS, PANEL, ROWS, Rows, Table, in_order, load, products, rounded};

/// The memory of a head.
struct Work<'m> {
    /// Keys: blocks of 16 of them, groups of channels.
    keys: &'m mut [[u8; PACKED]],
    /// Values: blocks of 16 channels, groups of keys.
    values: &'m mut [[u8; PACKED]],
    /// Where the sums of a key begin: 16 numbers for each block of keys.
    starts: &'m mut [[u8; PACKED]],
    /// Queries of a block of rows, 128 added.
    queries: &'m mut [u8],
    /// Weights of a block of rows: rows of panels.
    weights: &'m mut [[u8; PANEL]],
    /// Products of a block of rows: rows of panels of 32-bit numbers.
    products: &'m mut [[u8; PACKED]],
}

/// Words of memory for so many tokens and channels of a head.
pub(in super::super) const fn work_len(tokens: usize, channels: usize) -> usize {
    let (blocks, panels) = (tokens.div_ceil(BLOCK), tokens.div_ceil(PANEL));
    let keys = blocks * channels.div_ceil(GROUP);
    let values = channels.div_ceil(BLOCK) * tokens.div_ceil(GROUP);
    let rows = ROWS * (panels + panels * BLOCKS);
    (keys + values + blocks + rows) * PACKED / 8 + ROWS * channels.div_ceil(8)
}

impl<'m> Work<'m> {
    fn cut(work: &'m mut [u64], tokens: usize, channels: usize) -> Self {
        let (blocks, panels) = (tokens.div_ceil(BLOCK), tokens.div_ceil(PANEL));
        let (queries, rest) = work.split_at_mut(ROWS * channels / 8);
        let (keys, rest) = packed(rest).split_at_mut(blocks * channels / GROUP);
        let (values, rest) = rest.split_at_mut(channels / BLOCK * tokens.div_ceil(GROUP));
        let (starts, rest) = rest.split_at_mut(blocks);
        let (weights, rest) = rest.split_at_mut(ROWS * panels);
        let products = &mut rest[..ROWS * panels * BLOCKS];
        Self { keys, values, starts, queries: packed_bytes(queries), weights, products }
    }
}

/// Words as blocks of bytes.
fn packed(words: &mut [u64]) -> &mut [[u8; PACKED]] {
    packed_bytes(words).as_chunks_mut().0
}

fn packed_bytes(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: as many bytes as the words have; any bytes are bytes and any words are words.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) fn attention(
    qkv: &[u8],
    tokens: usize,
    numbers: &Attention<'_>,
    which: &AttentionPart,
    work: &mut [u64],
    output: &mut [u8],
) {
    let channels = numbers.channels;
    let width = numbers.heads * channels;
    let exp = Table::new(numbers.exp);
    let mut work = Work::cut(work, tokens, channels);
    for head in which.heads.clone() {
        let part = |token: usize, part: usize| -> &[u8] {
            let at = (token * 3 + part) * width + head * channels;
            &qkv[at..at + channels]
        };
        pack(part, tokens, work.keys, work.values);
        for (start, block) in work.starts.iter_mut().zip(work.keys.chunks_exact(channels / GROUP)) {
            let mut sum = _mm512_setzero_si512();
            for keys in block {
                sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(-128), load(keys));
            }
            *start = super::bytes_of(_mm512_sub_epi32(_mm512_setzero_si512(), sum));
        }
        let mut query = which.queries.start;
        for count in shared_out::<ROWS>(which.queries.len()) {
            for (nth, place) in work.queries.chunks_exact_mut(channels).take(count).enumerate() {
                for (place, q) in place.iter_mut().zip(part(query + nth, 0)) {
                    *place = q ^ 0x80;
                }
            }
            let output = &mut output[query * width + head * channels..];
            some_queries(count, tokens, numbers, &exp, &mut work, width, output);
            query += count;
        }
    }
}

/// Some queries of a head; their results stand `width` apart.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn some_queries(
    count: usize,
    tokens: usize,
    numbers: &Attention<'_>,
    exp: &Table,
    work: &mut Work<'_>,
    width: usize,
    output: &mut [u8],
) {
    let channels = numbers.channels;
    let panels = tokens.div_ceil(PANEL);
    let queries = Rows { bytes: work.queries, stride: channels, count };
    for (panel, keys) in work.keys.chunks(channels / GROUP * BLOCKS).enumerate() {
        let (blocks, keys) = (keys.len() * GROUP / channels, keys.as_flattened());
        let mut start = [_mm512_setzero_si512(); BLOCKS];
        for (start, bytes) in start.iter_mut().zip(&work.starts[panel * BLOCKS..]) {
            *start = load(bytes);
        }
        let sums = products(queries, keys, blocks, &start, Ahead::nothing(keys));
        for (r, sums) in sums.iter().enumerate().take(count) {
            let places = &mut work.products[(r * panels + panel) * BLOCKS..][..BLOCKS];
            places.iter_mut().zip(sums).for_each(|(place, sum)| *place = super::bytes_of(*sum));
        }
    }
    let mut shares = [Share { shift: 0, reciprocal: 0 }; ROWS];
    for (r, share) in shares.iter_mut().enumerate().take(count) {
        let products = &work.products[r * panels * BLOCKS..(r + 1) * panels * BLOCKS];
        let weights = &mut work.weights[r * panels..(r + 1) * panels];
        *share = Share::of(weigh(products, tokens, numbers, exp, weights));
    }
    let rows = Rows { bytes: work.weights.as_flattened(), stride: panels * PANEL, count };
    let zeros = [_mm512_setzero_si512(); BLOCKS];
    for (panel, values) in work.values.chunks(tokens.div_ceil(GROUP) * BLOCKS).enumerate() {
        let (blocks, values) = (values.len() / tokens.div_ceil(GROUP), values.as_flattened());
        let sums = products(rows, values, blocks, &zeros, Ahead::nothing(values));
        for (r, sums) in sums.iter().enumerate().take(count) {
            let at = r * width + panel * PANEL;
            let (places, _) = output[at..at + blocks * BLOCK].as_chunks_mut::<BLOCK>();
            places.iter_mut().zip(sums).for_each(|(place, sum)| *place = divided(*sum, shares[r]));
        }
    }
}

/// The weights of the keys of one query and their sum; those of keys that are not there are 0.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
#[inline]
fn weigh(
    products: &[[u8; PACKED]],
    tokens: usize,
    numbers: &Attention<'_>,
    exp: &Table,
    weights: &mut [[u8; PANEL]],
) -> u32 {
    let mut highest = _mm512_set1_epi32(i32::MIN);
    for (block, product) in products.iter().enumerate().take(tokens.div_ceil(BLOCK)) {
        let there = (u64::MAX >> (64 - (tokens - block * BLOCK).min(BLOCK))) as u16;
        highest = _mm512_mask_max_epi32(highest, there, highest, load(product));
    }
    let highest = _mm512_set1_epi32(_mm512_reduce_max_epi32(highest));
    let factor = _mm512_set1_epi32(numbers.factor.cast_signed());
    // One less: the rest of the shift is the rounding.
    let shift = _mm_cvtsi32_si128(numbers.shift.cast_signed() - 1);
    let mut total = _mm512_setzero_si512();
    for (panel, (weights, products)) in weights.iter_mut().zip(products.as_chunks::<BLOCKS>().0).enumerate() {
        let [a, b, c, d] = products.each_ref().map(|product| {
            let scaled = _mm512_mullo_epi32(_mm512_sub_epi32(highest, load(product)), factor);
            rounded(_mm512_sra_epi32(scaled, shift))
        });
        // Packing cuts to 255.
        let places = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
        let there = u64::MAX >> (64 - (tokens - panel * PANEL).min(PANEL));
        let bytes = _mm512_maskz_mov_epi8(there, exp.of(in_order(places)));
        total = _mm512_add_epi64(total, _mm512_sad_epu8(bytes, _mm512_setzero_si512()));
        *weights = super::bytes_of(bytes);
    }
    _mm512_reduce_add_epi64(total) as u32
}

/// [`Share::apply`] of 16 sums.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
#[inline]
fn divided(sums: __m512i, share: Share) -> [u8; BLOCK] {
    let t = if share.shift == 0 {
        sums
    } else {
        rounded(_mm512_sra_epi32(sums, _mm_cvtsi32_si128(share.shift.cast_signed() - 1)))
    };
    let y = _mm256_mulhrs_epi16(_mm512_cvtsepi32_epi16(t), _mm256_set1_epi16(share.reciprocal));
    let y = _mm256_srai_epi16::<1>(_mm256_add_epi16(_mm256_srai_epi16::<6>(y), _mm256_set1_epi16(1)));
    let y = _mm256_add_epi16(y, _mm256_set1_epi16(128));
    let bytes = _mm_packus_epi16(_mm256_castsi256_si128(y), _mm256_extracti128_si256::<1>(y));
    let mut results = [0; BLOCK];
    // SAFETY: 16 bytes may be written there, and no alignment is asked for.
    unsafe { _mm_storeu_si128(results.as_mut_ptr().cast(), bytes) };
    results
}
