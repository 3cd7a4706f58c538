//! Every kernel of this processor against the specification: random shapes and numbers, and extremes. Other targets'
//! programs, which have no test harness, call the same functions.
//!
//! `TYPECASE_KERNEL_INPUTS` says how many inputs each operator is tried with; the default takes seconds. `TYPECASE_KERNEL`
//! names the one kernel that is tried, such as `aarch64-neon`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot do its work has failed")]

#[cfg(target_os = "none")]
use alloc::{vec, vec::Vec};
#[cfg(not(target_os = "none"))]
use std::{vec, vec::Vec};

use typecase_kernels::encoder::{
    Attention, AttentionPart, Cpu, LayerNorm, Matrix, Work, attention_work_len, exp_table, scalar, work_len,
};

#[cfg(all(test, target_os = "linux"))]
#[path = "encoder/bounds.rs"]
mod bounds;

const SEED: u64 = 0x1DE7_1CA1;

/// On a device there is nobody to ask.
#[cfg(target_os = "none")]
const fn inputs() -> usize {
    600
}

#[cfg(not(target_os = "none"))]
fn inputs() -> usize {
    std::env::var("TYPECASE_KERNEL_INPUTS").map_or(1500, |count| count.parse().unwrap())
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Numbers from a range; now and then all of them its first or its last.
    fn numbers(&mut self, len: usize, low: i32, high: i32) -> impl Iterator<Item = i32> {
        let kind = self.below(8);
        let span = (high - low + 1) as usize;
        (0..len).map(move |_| match kind {
            0 => low,
            1 => high,
            2 => [low, high][self.below(2)],
            _ => low + self.below(span) as i32,
        })
    }

    fn bytes(&mut self, len: usize, low: i32, high: i32) -> Vec<u8> {
        self.numbers(len, low, high).map(|number| number as u8).collect()
    }

    fn words(&mut self, len: usize, low: i32, high: i32) -> Vec<i16> {
        self.numbers(len, low, high).map(|number| number as i16).collect()
    }
}

fn bytes_of<const N: usize, T>(numbers: &[T], to: impl Fn(&T) -> [u8; N]) -> Vec<[u8; N]> {
    numbers.iter().map(to).collect()
}

/// Every kernel but the specification, or the one that is asked for.
fn others() -> Vec<Cpu> {
    match named() {
        Some(name) => vec![Cpu::named(&name).unwrap()],
        None => Cpu::all().skip(1).collect(),
    }
}

#[cfg(target_os = "none")]
const fn named() -> Option<&'static str> {
    None
}

#[cfg(not(target_os = "none"))]
fn named() -> Option<impl core::ops::Deref<Target = str>> {
    std::env::var("TYPECASE_KERNEL").ok()
}

struct Layer {
    inputs: usize,
    outputs: usize,
    weights: Vec<u8>,
    bias: Vec<[u8; 4]>,
    sums: Vec<[u8; 4]>,
    shifts: Vec<u8>,
    multipliers: Vec<[u8; 2]>,
}

impl Layer {
    fn new(chance: &mut Chance, inputs: usize, outputs: usize) -> Self {
        let plain = chance.bytes(inputs * outputs, -127, 127);
        let mut weights = vec![0; Matrix::packed_len(inputs, outputs)];
        let mut sums = vec![0i32; outputs];
        for output in 0..outputs {
            for input in 0..inputs {
                let weight = plain[output * inputs + input];
                weights[Matrix::packed_at(inputs, output, input)] = weight;
                sums[output] += i32::from(weight.cast_signed());
            }
        }
        let bias: Vec<i32> = (0..outputs).map(|_| chance.next() as i32 >> chance.below(20).max(8)).collect();
        let shifts = (0..outputs).map(|_| 1 + chance.below(24) as u8).collect();
        let multipliers = chance.words(outputs, 0, 32_767);
        Self {
            inputs,
            outputs,
            weights,
            bias: bytes_of(&bias, |n| n.to_le_bytes()),
            sums: bytes_of(&sums, |n| n.to_le_bytes()),
            shifts,
            multipliers: bytes_of(&multipliers, |n| n.to_le_bytes()),
        }
    }

    fn matrix(&self) -> Matrix<'_> {
        let Self { inputs, outputs, weights, bias, sums, shifts, multipliers } = self;
        Matrix { inputs: *inputs, outputs: *outputs, weights, bias, sums, shifts, multipliers }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn matrices_equal_the_specification() {
    let mut chance = Chance(SEED);
    for cpu in others() {
        for nth in 0..inputs() {
            let (rows, inputs, outputs) = match nth % 50 {
                0 => (1 + chance.below(66), chance.one_of(&[64, 384, 1536]), chance.one_of(&[16, 40, 384])),
                _ => (1 + chance.below(20), 1 + chance.below(90), 1 + chance.below(70)),
            };
            let layer = Layer::new(&mut chance, inputs, outputs);
            let matrix = layer.matrix();
            let input = chance.bytes(rows * inputs, 0, 255);
            let table: [u8; 256] = chance.bytes(256, 0, 255).try_into().unwrap();
            let mut words = vec![0; work_len(inputs, rows)];
            let mut work = Work { words: &mut words, weights: &mut [] };
            let len = rows * outputs;

            let (mut expected, mut found) = (vec![0; len], vec![1; len]);
            scalar::linear_i16(&input, rows, &matrix, &mut expected);
            cpu.linear_i16(&input, rows, &matrix, &mut work, &mut found);
            assert_eq!(found, expected, "{cpu}: wide, {rows} x {inputs} x {outputs}, input {nth}");

            let (mut expected, mut found) = (vec![0; len], vec![1; len]);
            scalar::linear_i8(&input, rows, &matrix, &mut expected);
            cpu.linear_i8(&input, rows, &matrix, &mut work, &mut found);
            assert_eq!(found, expected, "{cpu}: narrow, {rows} x {inputs} x {outputs}, input {nth}");

            scalar::linear_table(&input, rows, &matrix, &table, &mut expected);
            cpu.linear_table(&input, rows, &matrix, &table, &mut work, &mut found);
            assert_eq!(found, expected, "{cpu}: table, {rows} x {inputs} x {outputs}, input {nth}");
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn layer_norms_equal_the_specification() {
    let mut chance = Chance(SEED);
    for cpu in others() {
        for nth in 0..inputs() {
            let rows = 1 + chance.below(4);
            let width = match nth % 4 {
                0 => 4 * (1 + chance.below(40)),
                _ => 16 * (1 + chance.below(if nth % 100 == 1 { 256 } else { 32 })),
            };
            let reach = 1 << chance.below(16);
            let mut stream = chance.words(rows * width, -reach, reach - 1);
            if nth % 10 == 3 {
                // One number far from the others.
                let at = chance.below(stream.len());
                stream[at] = chance.one_of(&[i16::MIN, i16::MAX]);
            }
            let other = if nth % 3 == 0 { Vec::new() } else { chance.words(rows * width, -32_768, 32_767) };
            let mut part = |low| bytes_of(&chance.words(width, low, 32_767), |n| n.to_le_bytes());
            let [gain, gain_narrow] = [part(-32_767), part(-32_767)];
            let [offset, offset_narrow] = [part(-32_768), part(-32_768)];
            let norm = LayerNorm {
                gain: &gain,
                offset: &offset,
                gain_narrow: &gain_narrow,
                offset_narrow: &offset_narrow,
                extra: (nth % 8) as u32,
            };
            let (mut expected, mut narrow) = (stream.clone(), vec![0; rows * width]);
            scalar::add_layer_norm(&mut expected, &other, width, &norm, &mut narrow);
            let mut found_narrow = vec![1; rows * width];
            cpu.add_layer_norm(&mut stream, &other, width, &norm, &mut found_narrow);
            assert_eq!(stream, expected, "{cpu}: wide, {rows} x {width}, input {nth}");
            assert_eq!(found_narrow, narrow, "{cpu}: narrow, {rows} x {width}, input {nth}");
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn attention_equals_the_specification() {
    let mut chance = Chance(SEED);
    for cpu in others() {
        for nth in 0..inputs() {
            let tokens = if nth % 100 == 0 { 1 + chance.below(130) } else { 1 + chance.below(20) };
            let heads = 1 + chance.below(3);
            let channels = chance.one_of(&[4, 16, 32, 32, 64, 96, 128, 160]);
            let qkv = chance.bytes(tokens * 3 * heads * channels, -127, 127);
            // The most that the bound of a case allows.
            let most = ((1u64 << 31) - (1 << 29)) / (channels as u64 * 2 * 127 * 127);
            let factor = 1 + chance.below(most as usize) as u32;
            let numbers =
                Attention { heads, channels, factor, shift: 1 + chance.below(30) as u32, exp: exp_table() };
            let mut weights = vec![0; tokens];
            let (mut expected, mut found) =
                (vec![0; tokens * heads * channels], vec![1; tokens * heads * channels]);
            scalar::attention(&qkv, tokens, &numbers, &mut weights, &mut expected);
            let mut words = vec![0; attention_work_len(tokens, channels)];
            let mut work = Work { words: &mut words, weights: &mut weights };
            cpu.attention(&qkv, tokens, &numbers, &mut work, &mut found);
            assert_eq!(found, expected, "{cpu}: {tokens} tokens, {heads} x {channels}, input {nth}");
        }
    }
}

/// Of any heads and queries: the rest of the output stays as it is.
#[cfg_attr(test, test)]
pub(crate) fn parts_of_attention_equal_the_specification() {
    let mut chance = Chance(SEED);
    for cpu in Cpu::all() {
        for nth in 0..inputs() / 4 {
            let (tokens, heads) = (1 + chance.below(20), 1 + chance.below(3));
            let channels = chance.one_of(&[4, 16, 32]);
            let qkv = chance.bytes(tokens * 3 * heads * channels, -127, 127);
            let numbers = Attention { heads, channels, factor: 400, shift: 18, exp: exp_table() };
            let mut weights = vec![0; tokens];
            let len = tokens * heads * channels;
            let (mut whole, mut found) = (vec![0; len], vec![7; len]);
            scalar::attention(&qkv, tokens, &numbers, &mut weights, &mut whole);
            let (head, query) = (chance.below(heads), chance.below(tokens));
            let heads = head..head + 1 + chance.below(heads - head);
            let part = AttentionPart { heads, queries: query..query + 1 + chance.below(tokens - query) };
            let mut words = vec![0; attention_work_len(tokens, channels)];
            let mut work = Work { words: &mut words, weights: &mut weights };
            cpu.attention_part(&qkv, tokens, &numbers, &part, &mut work, &mut found);
            for (at, (found, whole)) in found.iter().zip(&whole).enumerate() {
                let (token, head) = (at / (numbers.heads * channels), at / channels % numbers.heads);
                let is_in = part.queries.contains(&token) && part.heads.contains(&head);
                let expected = if is_in { *whole } else { 7 };
                assert_eq!(*found, expected, "{cpu}: {part:?}, place {at}, input {nth}");
            }
        }
    }
}

#[test]
fn this_processor_is_named() {
    let names: Vec<&str> = Cpu::all().map(|cpu| cpu.name()).collect();
    println!("kernels: {}", names.join(", "));
    assert_eq!(names[0], "scalar");
    assert!(names.contains(&Cpu::detect().name()));
    assert!(Cpu::named("scalar").is_some() && Cpu::named("avx3000").is_none());
}
