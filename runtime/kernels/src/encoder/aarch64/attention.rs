//! Attention by the same products as a matrix: keys, and then values, are packed as weights, head by head.
//!
//! ```text
//! for each head
//!     keys as outputs, values as inputs: packed in blocks of 16 and groups of 4
//!     for each block of queries
//!         products with all keys -> weights and their sum -> weighted values, divided
//! ```
//! The weights of keys are unsigned, so they are multiplied less by 128, and what is missing is added.

use core::arch::aarch64::*;
use core::ops::Range;

use super::super::scalar::{self, Share};
use super::super::{Attention, AttentionPart, BLOCK, GROUP};
use super::linear::{FLIP, Table, bytes_of};
use super::products::{MOST_ROWS, PACKED, Products, Sums, pack_row, words_of};

/// As [`scalar::attention_part`].
pub(crate) fn attention<P: Products>(
    cpu: P,
    qkv: &[u8],
    tokens: usize,
    numbers: &Attention<'_>,
    part: &AttentionPart,
    work: &mut super::Work<'_>,
    output: &mut [u8],
) {
    if tokens == 0 || !numbers.channels.is_multiple_of(BLOCK) {
        return scalar::attention_part(qkv, tokens, numbers, part, work.weights, output);
    }
    let mut work = Work::cut(work.words, tokens, numbers.channels);
    for head in part.heads.clone() {
        let head = Head { qkv, tokens, numbers, head };
        // SAFETY: every aarch64 has NEON.
        unsafe { head.run(cpu, &part.queries, &mut work, output) };
    }
}

/// Words of memory for so many tokens and channels of a head.
pub(crate) const fn work_len(tokens: usize, channels: usize) -> usize {
    let (blocks, groups) = (tokens.div_ceil(BLOCK), tokens.div_ceil(GROUP));
    let keys = blocks * channels.div_ceil(GROUP) * PACKED / 8;
    let values = channels.div_ceil(BLOCK) * groups * PACKED / 8;
    let rows = MOST_ROWS * (channels.div_ceil(GROUP) + groups + blocks * BLOCK / 2);
    keys + values + channels.div_ceil(BLOCK) * BLOCK / 2 + rows
}

/// The memory of a head.
struct Work<'m> {
    /// Keys: blocks of 16 of them, groups of channels.
    keys: &'m mut [[u8; PACKED]],
    /// Values: blocks of 16 channels, groups of keys.
    values: &'m mut [[u8; PACKED]],
    /// What is missing of each channel: 128 times the sum of its values, negative.
    missing: &'m mut [[i32; BLOCK]],
    /// Queries of a block, packed.
    queries: &'m mut [u64],
    /// Weights of a block, packed.
    weights: &'m mut [u64],
    /// Products of a block: row by row.
    products: &'m mut [[i32; BLOCK]],
}

impl<'m> Work<'m> {
    fn cut(work: &'m mut [u64], tokens: usize, channels: usize) -> Self {
        let (blocks, groups) = (tokens.div_ceil(BLOCK), tokens.div_ceil(GROUP));
        let (keys, rest) = work.split_at_mut(blocks * channels / GROUP * PACKED / 8);
        let (values, rest) = rest.split_at_mut(channels / BLOCK * groups * PACKED / 8);
        let (missing, rest) = rest.split_at_mut(channels / 2);
        let (queries, rest) = rest.split_at_mut(MOST_ROWS * channels / GROUP);
        let (weights, rest) = rest.split_at_mut(MOST_ROWS * groups);
        let products = numbers_of(&mut rest[..MOST_ROWS * blocks * BLOCK / 2]);
        Self {
            keys: bytes_in(keys),
            values: bytes_in(values),
            missing: numbers_of(missing),
            queries,
            weights,
            products,
        }
    }
}

/// Words as blocks of bytes.
fn bytes_in(words: &mut [u64]) -> &mut [[u8; PACKED]] {
    let len = words.len() * 8 / PACKED;
    // SAFETY: as many bytes as the words have, or fewer; any bytes are bytes and any words are words.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), len) }
}

/// Words as blocks of numbers.
fn numbers_of(words: &mut [u64]) -> &mut [[i32; BLOCK]] {
    let len = words.len() * 2 / BLOCK;
    // SAFETY: two numbers in each word, or fewer; any bits are numbers and any numbers are words.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), len) }
}

/// A head of attention.
struct Head<'a> {
    qkv: &'a [u8],
    tokens: usize,
    numbers: &'a Attention<'a>,
    head: usize,
}

impl Head<'_> {
    const fn width(&self) -> usize {
        self.numbers.heads * self.numbers.channels
    }

    /// Query (0), key (1) or value (2) of a token.
    fn part(&self, token: usize, part: usize) -> &[u8] {
        let channels = self.numbers.channels;
        let at = (token * 3 + part) * self.width() + self.head * channels;
        &self.qkv[at..at + channels]
    }

    #[target_feature(enable = "neon")]
    fn run<P: Products>(&self, cpu: P, queries: &Range<usize>, work: &mut Work<'_>, output: &mut [u8]) {
        self.pack_keys(work.keys);
        self.pack_values(work.values);
        let groups = self.tokens.div_ceil(GROUP);
        let mut sums: Sums = [[vdupq_n_s32(0); 4]; MOST_ROWS];
        // A row of -128 gives what is missing.
        let row = &mut work.weights[..words_of::<P>(groups)];
        row.fill(u64::from_ne_bytes([FLIP; 8]));
        for (block, missing) in work.values.chunks_exact(groups).zip(work.missing.iter_mut()) {
            cpu.products(block, row, 1, &mut sums);
            store(missing, &sums[0]);
        }
        let exp = Table::of(self.numbers.exp);
        for first in queries.clone().step_by(P::ROWS) {
            let count = P::ROWS.min(queries.end - first);
            self.some_queries(cpu, first, count, &exp, work, output);
        }
    }

    fn pack_keys(&self, keys: &mut [[u8; PACKED]]) {
        let groups = self.numbers.channels / GROUP;
        for (number, block) in keys.chunks_exact_mut(groups).enumerate() {
            let first = number * BLOCK;
            let there = BLOCK.min(self.tokens - first);
            if there < BLOCK {
                block.fill([0; PACKED]);
            }
            for nth in 0..there {
                let (fours, _) = self.part(first + nth, 1).as_chunks::<GROUP>();
                for (four, place) in fours.iter().zip(block.iter_mut()) {
                    place.as_chunks_mut::<GROUP>().0[nth] = *four;
                }
            }
        }
    }

    #[target_feature(enable = "neon")]
    fn pack_values(&self, values: &mut [[u8; PACKED]]) {
        let groups = self.tokens.div_ceil(GROUP);
        for (number, block) in values.chunks_exact_mut(groups).enumerate() {
            for (group, place) in block.iter_mut().enumerate() {
                let [a, b, c, d] = [0, 1, 2, 3].map(|nth| {
                    let token = group * GROUP + nth;
                    if token >= self.tokens {
                        return vdupq_n_u8(0);
                    }
                    load(&self.part(token, 2).as_chunks().0[number])
                });
                // SAFETY: 64 bytes may be written there, and no alignment is asked for.
                unsafe { vst4q_u8(place.as_mut_ptr(), uint8x16x4_t(a, b, c, d)) };
            }
        }
    }

    /// Queries from the `first` on.
    #[target_feature(enable = "neon")]
    fn some_queries<P: Products>(
        &self,
        cpu: P,
        first: usize,
        count: usize,
        exp: &Table,
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        let (groups, blocks) = (self.tokens.div_ceil(GROUP), self.tokens.div_ceil(BLOCK));
        let channel_groups = self.numbers.channels / GROUP;
        let mut sums: Sums = [[vdupq_n_s32(0); 4]; MOST_ROWS];
        let queries = &mut work.queries[..count * words_of::<P>(channel_groups)];
        for nth in 0..count {
            pack_row::<P>(self.part(first + nth, 0), 0, nth, count, queries);
        }
        for (number, block) in work.keys.chunks_exact(channel_groups).enumerate() {
            cpu.products(block, queries, count, &mut sums);
            for (sums, row) in sums.iter().zip(work.products.chunks_exact_mut(blocks)).take(count) {
                store(&mut row[number], sums);
            }
        }
        let weights = &mut work.weights[..count * words_of::<P>(groups)];
        let mut shares = [Share { shift: 0, reciprocal: 0 }; MOST_ROWS];
        let rows = work.products.chunks_exact_mut(blocks).take(count);
        for (nth, (row, share)) in rows.zip(&mut shares).enumerate() {
            // Places of no key: no product of a key is lower.
            row.as_flattened_mut()[self.tokens..].fill(i32::MIN);
            let highest = row.as_flattened().as_chunks().0.iter();
            let highest = vmaxvq_s32(
                highest.fold(vdupq_n_s32(i32::MIN), |most, four| vmaxq_s32(most, load_four(four))),
            );
            let mut total = 0;
            let words = weights.chunks_mut(count * BLOCK / (P::GROUPS * GROUP));
            for (number, (products, words)) in row.iter().zip(words).enumerate() {
                let there = self.tokens - number * BLOCK;
                let bytes = weights_of(products, highest, self.numbers, exp, there);
                total += u32::from(vaddlvq_u8(bytes));
                pack_row::<P>(&bytes_of(bytes), FLIP, nth, count, words);
            }
            *share = Share::of(total);
        }
        for (number, block) in work.values.chunks_exact(groups).enumerate() {
            cpu.products(block, weights, count, &mut sums);
            for (nth, (sums, share)) in sums.iter().zip(shares).enumerate().take(count) {
                let at = (first + nth) * self.width() + self.head * self.numbers.channels + number * BLOCK;
                output[at..at + BLOCK].copy_from_slice(&bytes_of(divided(
                    sums,
                    &work.missing[number],
                    share,
                )));
            }
        }
    }
}

/// The weights of sixteen keys, of which the first `there` are there.
#[target_feature(enable = "neon")]
#[inline]
fn weights_of(
    products: &[i32; BLOCK],
    highest: i32,
    numbers: &Attention<'_>,
    exp: &Table,
    there: usize,
) -> uint8x16_t {
    let (fours, _) = products.as_chunks::<4>();
    // One less: the rest of the shift is the rounding.
    let shift = vdupq_n_s32(1 - numbers.shift.cast_signed());
    let index = |four: usize| {
        let distance = vsubq_s32(vdupq_n_s32(highest), load_four(&fours[four]));
        let scaled = vshlq_s32(vmulq_n_s32(distance, numbers.factor.cast_signed()), shift);
        vqmovun_s32(vshrq_n_s32::<1>(vaddq_s32(scaled, vdupq_n_s32(1))))
    };
    let [low, high] = [vcombine_u16(index(0), index(1)), vcombine_u16(index(2), index(3))];
    let weights = exp.at(vqmovn_high_u16(vqmovn_u16(low), high));
    if there >= BLOCK {
        return weights;
    }
    let places = load(&core::array::from_fn(|place| place as u8));
    vandq_u8(weights, vcltq_u8(places, vdupq_n_u8(there as u8)))
}

/// [`Share::apply`] of sixteen sums, each less what it lacks.
#[target_feature(enable = "neon")]
#[inline]
fn divided(sums: &[int32x4_t; 4], missing: &[i32; BLOCK], share: Share) -> uint8x16_t {
    let (missing, _) = missing.as_chunks::<4>();
    let shift = vdupq_n_s32(-share.shift.cast_signed());
    let four = |at: usize| vqmovn_s32(vrshlq_s32(vsubq_s32(sums[at], load_four(&missing[at])), shift));
    let eight = |low: usize| {
        let y = vqrdmulhq_n_s16(vcombine_s16(four(low), four(low + 1)), share.reciprocal);
        vqmovun_s16(vaddq_s16(vrshrq_n_s16::<7>(y), vdupq_n_s16(128)))
    };
    vcombine_u8(eight(0), eight(2))
}

#[inline(always)]
fn load(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: 16 bytes may be read there, and no alignment is asked for; every aarch64 has NEON.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

#[inline(always)]
fn load_four(numbers: &[i32; 4]) -> int32x4_t {
    // SAFETY: 16 bytes may be read there; every aarch64 has NEON.
    unsafe { vld1q_s32(numbers.as_ptr()) }
}

#[inline(always)]
fn store(place: &mut [i32; BLOCK], sums: &[int32x4_t; 4]) {
    for (place, sums) in place.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
        // SAFETY: 16 bytes may be written there; every aarch64 has NEON.
        unsafe { vst1q_s32(place.as_mut_ptr(), *sums) };
    }
}
