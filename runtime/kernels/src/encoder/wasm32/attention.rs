//! Attention by the same products as a matrix: keys, and then values, are packed as weights, head by head.
//!
//! ```text
//! for each head
//!     keys as outputs, values as inputs: packed in blocks of 16 and groups of 4
//!     for each block of queries
//!         products with all keys -> weights and their sum -> weighted values, divided
//! ```

use core::arch::wasm32::*;

use super::super::scalar::Share;
use super::super::{Attention, AttentionPart, BLOCK, GROUP};
use super::{PANEL, ROWS, block_of, four, load32, panels};

/// Bytes of a block of packed weights for a group.
const PACKED: usize = BLOCK * GROUP;

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
    products: &'m mut [[i32; 4]],
}

/// Words of memory for so many tokens and channels of a head.
pub(in super::super) const fn work_len(tokens: usize, channels: usize) -> usize {
    let (blocks, groups) = (tokens.div_ceil(BLOCK), tokens.div_ceil(GROUP));
    let keys = blocks * channels.div_ceil(GROUP) * PACKED / 8;
    let values = channels.div_ceil(BLOCK) * groups * PACKED / 8;
    keys + values + ROWS * (channels.div_ceil(GROUP) + groups) + ROWS * blocks * BLOCK / 2
}

impl<'m> Work<'m> {
    fn cut(work: &'m mut [u64], tokens: usize, channels: usize) -> Self {
        let (blocks, groups) = (tokens.div_ceil(BLOCK), tokens.div_ceil(GROUP));
        let (keys, rest) = work.split_at_mut(blocks * channels / GROUP * PACKED / 8);
        let (values, rest) = rest.split_at_mut(channels / BLOCK * groups * PACKED / 8);
        let (queries, rest) = rest.split_at_mut(ROWS * channels / GROUP);
        let (weights, rest) = rest.split_at_mut(ROWS * groups);
        let products = fours_of(&mut rest[..ROWS * blocks * BLOCK / 2]);
        Self { keys: blocks_of(keys), values: blocks_of(values), queries, weights, products }
    }
}

/// Words as blocks of bytes.
fn blocks_of(words: &mut [u64]) -> &mut [[u8; PACKED]] {
    let len = words.len() * 8 / PACKED;
    // SAFETY: as many bytes as the words have, or fewer; any bytes are bytes and any words are words.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), len) }
}

/// Words as numbers of 32 bits, two of them in each.
fn fours_of(words: &mut [u64]) -> &mut [[i32; 4]] {
    let len = words.len() / 2;
    // SAFETY: as many bytes as the words have, or fewer, and aligned for more; any bits are numbers and words.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), len) }
}

pub(super) fn attention(
    qkv: &[u8],
    tokens: usize,
    numbers: &Attention<'_>,
    part: &AttentionPart,
    work: &mut [u64],
    output: &mut [u8],
) {
    let channels = numbers.channels;
    let width = numbers.heads * channels;
    let mut work = Work::cut(work, tokens, channels);
    let place = |token: usize, which: usize, head: usize| -> &[u8] {
        let at = (token * 3 + which) * width + head * channels;
        &qkv[at..at + channels]
    };
    for head in part.heads.clone() {
        work.keys.fill([0; PACKED]);
        work.values.fill([0; PACKED]);
        let groups = tokens.div_ceil(GROUP);
        for token in 0..tokens {
            let fours = place(token, 1, head).as_chunks::<GROUP>().0;
            let block = &mut work.keys[token / BLOCK * fours.len()..];
            for (four, place) in fours.iter().zip(block) {
                place.as_chunks_mut::<GROUP>().0[token % BLOCK] = *four;
            }
            for (sixteen, place) in
                place(token, 2, head).as_chunks::<BLOCK>().0.iter().zip(work.values.chunks_exact_mut(groups))
            {
                let place = place[token / GROUP].as_chunks_mut::<GROUP>().0;
                for (value, four) in sixteen.iter().zip(place) {
                    four[token % GROUP] = *value;
                }
            }
        }
        let mut query = part.queries.start;
        while query < part.queries.end {
            let count = block_of(part.queries.end - query);
            let rows = |nth: usize| place(query + nth, 0, head);
            let output = &mut output[query * width + head * channels..];
            match count {
                ROWS => some_queries::<ROWS>(rows, tokens, numbers, &mut work, width, output),
                2 => some_queries::<2>(rows, tokens, numbers, &mut work, width, output),
                _ => some_queries::<1>(rows, tokens, numbers, &mut work, width, output),
            }
            query += count;
        }
    }
}

/// Some queries of a head; their results stand `width` apart.
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
        for (bytes, words) in row(nth).as_chunks::<GROUP>().0.iter().zip(work.queries.chunks_exact_mut(R)) {
            let [a, b, c, d] = bytes.map(|q| u64::from(i16::from(q.cast_signed()).cast_unsigned()));
            words[nth] = a | b << 16 | c << 32 | d << 48;
        }
    }
    let queries = &work.queries[..R * channel_groups];
    // Rows of products, each of whole blocks of keys: four in an entry.
    let row_fours = tokens.div_ceil(BLOCK) * BLOCK / 4;
    for (nth, block) in work.keys.chunks_exact(channel_groups).enumerate() {
        for half in 0..2 {
            panels::<R>(block, half, queries, &mut |r, [low, high]| {
                let at = r * row_fours + nth * (BLOCK / 4) + half * (PANEL / 4);
                work.products[at] = four(low);
                work.products[at + 1] = four(high);
            });
        }
    }
    let mut shares = [Share { shift: 0, reciprocal: 0 }; R];
    for (r, share) in shares.iter_mut().enumerate() {
        let products = &work.products[r * row_fours..(r + 1) * row_fours];
        let highest = products.as_flattened()[..tokens].iter().copied().max().unwrap_or(0);
        let (mut total, mut left) = (0u32, tokens);
        let words = work.weights[..R * key_groups].chunks_exact_mut(R);
        for (products, words) in products.iter().zip(words) {
            let weights = weights_of(products, highest, numbers, left);
            left = left.saturating_sub(GROUP);
            total += weights.iter().map(|w| u32::from(*w)).sum::<u32>();
            let [a, b, c, d] = weights.map(u64::from);
            words[r] = a | b << 16 | c << 32 | d << 48;
        }
        *share = Share::of(total);
    }
    let weights = &work.weights[..R * key_groups];
    for (nth, block) in work.values.chunks_exact(key_groups).enumerate() {
        for half in 0..2 {
            panels::<R>(block, half, weights, &mut |r, sums| {
                let at = r * width + nth * BLOCK + half * PANEL;
                output[at..at + PANEL].copy_from_slice(&divided(sums, shares[r]));
            });
        }
    }
}

/// The weights of four keys, of which the first `count` are there.
#[inline(always)]
fn weights_of(products: &[i32; 4], highest: i32, numbers: &Attention<'_>, count: usize) -> [u8; GROUP] {
    let distances = i32x4_sub(i32x4_splat(highest), load32(products));
    let scaled = i32x4_mul(distances, i32x4_splat(numbers.factor.cast_signed()));
    // One less: the rest of the shift is the rounding.
    let shifted = i32x4_shr(scaled, numbers.shift - 1);
    let indices = i32x4_shr(i32x4_add(shifted, i32x4_splat(1)), 1);
    let indices = four(i32x4_min(indices, i32x4_splat(255)));
    let mut weights = [0; GROUP];
    for (weight, index) in weights.iter_mut().zip(indices).take(count) {
        *weight = numbers.exp[usize::from(index as u8)];
    }
    weights
}

/// [`Share::apply`] of eight sums.
#[inline(always)]
fn divided(sums: [v128; 2], share: Share) -> [u8; PANEL] {
    let [low, high] = sums.map(|sum| match share.shift.checked_sub(1) {
        None => sum,
        Some(less) => i32x4_shr(i32x4_add(i32x4_shr(sum, less), i32x4_splat(1)), 1),
    });
    let y = i16x8_q15mulr_sat(i16x8_narrow_i32x4(low, high), i16x8_splat(share.reciprocal));
    let y = i16x8_shr(i16x8_add(i16x8_shr(y, 6), i16x8_splat(1)), 1);
    let y = i16x8_add(y, i16x8_splat(128));
    u64x2_extract_lane::<0>(u8x16_narrow_i16x8(y, y)).to_le_bytes()
}
