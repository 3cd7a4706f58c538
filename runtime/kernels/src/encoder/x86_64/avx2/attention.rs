//! Attention by the same products as a matrix: keys, and then values, are packed as weights, head by head.
//!
//! ```text
//! for each head
//!     keys as outputs, values as inputs: packed in blocks of 16 and groups of 4
//!     for each block of queries
//!         products with all keys -> weights and their sum -> weighted values, divided
//! ```

use core::arch::x86_64::*;

use super::super::super::scalar::Share;
use super::super::super::{Attention, AttentionPart, BLOCK, GROUP};
use super::super::heads::{PACKED, pack};
use super::table::Table;
use super::{PANEL, ROWS, block_of, bytes_of, halves, load256, products};

/// Keys that are weighed at once.
const KEYS: usize = 32;

/// The memory of a head.
struct Work<'m> {
    /// Keys: blocks of 16 of them, groups of channels.
    keys: &'m mut [[u8; PACKED]],
    /// Values: blocks of 16 channels, groups of keys.
    values: &'m mut [[u8; PACKED]],
    /// Queries of a block, widened.
    queries: &'m mut [u64],
    /// Weights of a block, widened.
    weights: &'m mut [u64],
    /// Products of a block: row by row.
    products: &'m mut [u64],
}

/// Words of memory for so many tokens and channels of a head.
pub(in super::super) const fn work_len(tokens: usize, channels: usize) -> usize {
    let (blocks, groups) = (tokens.div_ceil(BLOCK), tokens.div_ceil(GROUP));
    let keys = blocks * channels.div_ceil(GROUP) * PACKED / 8;
    let values = channels.div_ceil(BLOCK) * groups * PACKED / 8;
    let padded = tokens.next_multiple_of(KEYS);
    keys + values + ROWS * (channels.div_ceil(GROUP) + padded / GROUP + padded / 2)
}

impl<'m> Work<'m> {
    fn cut(work: &'m mut [u64], tokens: usize, channels: usize) -> Self {
        let (blocks, groups) = (tokens.div_ceil(BLOCK), tokens.div_ceil(GROUP));
        let (keys, rest) = work.split_at_mut(blocks * channels / GROUP * PACKED / 8);
        let (values, rest) = rest.split_at_mut(channels / BLOCK * groups * PACKED / 8);
        let (queries, rest) = rest.split_at_mut(ROWS * channels / GROUP);
        let padded = tokens.next_multiple_of(KEYS);
        let (weights, rest) = rest.split_at_mut(ROWS * padded / GROUP);
        let products = &mut rest[..ROWS * padded / 2];
        Self { keys: blocks_of(keys), values: blocks_of(values), queries, weights, products }
    }
}

/// Words as blocks of bytes.
fn blocks_of(words: &mut [u64]) -> &mut [[u8; PACKED]] {
    let len = words.len() * 8 / PACKED;
    // SAFETY: as many bytes as the words have, or fewer; any bytes are bytes and any words are words.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), len) }
}

#[target_feature(enable = "avx2")]
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
    let mut work = Work::cut(work, tokens, channels);
    let part = |token: usize, part: usize, head: usize| -> &[u8] {
        let at = (token * 3 + part) * width + head * channels;
        &qkv[at..at + channels]
    };
    for head in which.heads.clone() {
        pack(|token, which| part(token, which, head), tokens, work.keys, work.values);
        let mut query = which.queries.start;
        while query < which.queries.end {
            let count = block_of(which.queries.end - query);
            let rows = |nth: usize| part(query + nth, 0, head);
            let output = &mut output[query * width + head * channels..];
            match count {
                ROWS => some_queries::<ROWS>(rows, tokens, numbers, &mut work, width, output),
                4 => some_queries::<4>(rows, tokens, numbers, &mut work, width, output),
                2 => some_queries::<2>(rows, tokens, numbers, &mut work, width, output),
                _ => some_queries::<1>(rows, tokens, numbers, &mut work, width, output),
            }
            query += count;
        }
    }
}

/// Some queries of a head; their results stand `width` apart.
#[target_feature(enable = "avx2")]
fn some_queries<'q, const R: usize>(
    row: impl Fn(usize) -> &'q [u8],
    tokens: usize,
    numbers: &Attention<'_>,
    work: &mut Work<'_>,
    width: usize,
    output: &mut [u8],
) {
    let (channel_groups, key_groups) = (numbers.channels / GROUP, tokens.div_ceil(GROUP));
    for nth in 0..R {
        for (four, words) in row(nth).as_chunks::<GROUP>().0.iter().zip(work.queries.chunks_exact_mut(R)) {
            let [a, b, c, d] = four.map(|q| u64::from(i16::from(q.cast_signed()).cast_unsigned()));
            words[nth] = a | b << 16 | c << 32 | d << 48;
        }
    }
    let queries = &work.queries[..R * channel_groups];
    // Rows of products, filled up: two in a word.
    let row_words = tokens.next_multiple_of(KEYS) / 2;
    for (nth, block) in work.keys.chunks_exact(channel_groups).enumerate() {
        let sums = [products::<R, 0>(block, queries), products::<R, 1>(block, queries)];
        for (half, sums) in sums.into_iter().enumerate() {
            for (r, sum) in sums.into_iter().enumerate() {
                let at = r * row_words + nth * (BLOCK / 2) + half * (PANEL / 2);
                let place: &mut [u64; PANEL / 2] =
                    (&mut work.products[at..at + PANEL / 2]).try_into().unwrap_or_else(|_| unreachable!());
                // SAFETY: 32 bytes may be written there, and no alignment is asked for.
                unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), sum) };
            }
        }
    }
    let exp = Table::new(numbers.exp);
    let mut shares = [Share { shift: 0, reciprocal: 0 }; R];
    for (r, share) in shares.iter_mut().enumerate() {
        let products = numbers_of(&work.products[r * row_words..(r + 1) * row_words]);
        let highest = products[..tokens].iter().copied().max().unwrap_or(0);
        let mut total = _mm256_setzero_si256();
        let places = work.weights.chunks_exact_mut(KEYS / GROUP * R);
        for (nth, (products, words)) in products.as_chunks().0.iter().zip(places).enumerate() {
            let weights = weights_of(products, highest, numbers, &exp, tokens - nth * KEYS);
            total = _mm256_add_epi64(total, _mm256_sad_epu8(weights, _mm256_setzero_si256()));
            let wide = [_mm256_castsi256_si128(weights), _mm256_extracti128_si256::<1>(weights)];
            let fours = wide.map(|bytes| halves(_mm256_cvtepu8_epi16(bytes)));
            for (four, words) in fours.as_flattened().iter().zip(words.chunks_exact_mut(R)) {
                words[r] = *four;
            }
        }
        *share = Share::of(halves(total).into_iter().sum::<u64>() as u32);
    }
    let weights = &work.weights[..R * key_groups];
    for (nth, block) in work.values.chunks_exact(key_groups).enumerate() {
        let sums = [products::<R, 0>(block, weights), products::<R, 1>(block, weights)];
        for (half, sums) in sums.into_iter().enumerate() {
            for (r, sum) in sums.into_iter().enumerate() {
                let at = r * width + nth * BLOCK + half * PANEL;
                output[at..at + PANEL].copy_from_slice(&divided(sum, shares[r]));
            }
        }
    }
}

/// Words as numbers of 32 bits.
fn numbers_of(words: &[u64]) -> &[i32] {
    // SAFETY: two numbers in each word, any bits of which are numbers.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), words.len() * 2) }
}

/// The weights of 32 keys, of which the first `count` are there; the others weigh nothing.
#[target_feature(enable = "avx2")]
#[inline]
fn weights_of(
    products: &[i32; KEYS],
    highest: i32,
    numbers: &Attention<'_>,
    exp: &Table<'_>,
    count: usize,
) -> __m256i {
    let highest = _mm256_set1_epi32(highest);
    let factor = _mm256_set1_epi32(numbers.factor.cast_signed());
    // One less: the rest of the shift is the rounding.
    let shift = _mm_cvtsi32_si128(numbers.shift.cast_signed() - 1);
    let eights: &[[i32; 8]; 4] = products.as_chunks().0.try_into().unwrap_or_else(|_| unreachable!());
    let [a, b, c, d] = eights.each_ref().map(|eight| {
        let scaled = _mm256_mullo_epi32(_mm256_sub_epi32(highest, load256(bytes_of(eight))), factor);
        let shifted = _mm256_sra_epi32(scaled, shift);
        _mm256_srai_epi32::<1>(_mm256_add_epi32(shifted, _mm256_set1_epi32(1)))
    });
    // Packing cuts to 255; it takes turns: four of each, then four of each again.
    let packed = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    let places = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    let nth = load256(&core::array::from_fn(|nth| nth as u8));
    let there = _mm256_cmpgt_epi8(_mm256_set1_epi8(count.min(KEYS) as i8), nth);
    _mm256_and_si256(exp.of(places), there)
}

/// [`Share::apply`] of eight sums.
#[target_feature(enable = "avx2")]
#[inline]
fn divided(sums: __m256i, share: Share) -> [u8; PANEL] {
    let rounded = if share.shift == 0 {
        sums
    } else {
        let shifted = _mm256_sra_epi32(sums, _mm_cvtsi32_si128(share.shift.cast_signed() - 1));
        _mm256_srai_epi32::<1>(_mm256_add_epi32(shifted, _mm256_set1_epi32(1)))
    };
    let t = _mm_packs_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256::<1>(rounded));
    let y = _mm_mulhrs_epi16(t, _mm_set1_epi16(share.reciprocal));
    let y = _mm_srai_epi16::<1>(_mm_add_epi16(_mm_srai_epi16::<6>(y), _mm_set1_epi16(1)));
    let y = _mm_add_epi16(y, _mm_set1_epi16(128));
    _mm_cvtsi128_si64(_mm_packus_epi16(y, y)).to_le_bytes()
}
