//! The specification: plain loops, exact arithmetic, saturation spelled out.

use super::{Attention, AttentionPart, GROUP, LayerNorm, Matrix};

/// Half upwards: `(x + 2^(s-1)) >> s`; `x` for `s = 0`.
#[inline(always)]
#[must_use]
pub const fn rsh(x: i32, s: u32) -> i32 {
    if s == 0 { x } else { (x >> (s - 1)).wrapping_add(1) >> 1 }
}

/// `(a * b + 2^14) >> 15`, saturated.
#[inline(always)]
#[must_use]
pub const fn mulr(a: i16, b: i16) -> i16 {
    sat16((a as i32 * b as i32 + (1 << 14)) >> 15)
}

/// Cut to the range of an i16.
#[inline(always)]
#[must_use]
pub const fn sat16(x: i32) -> i16 {
    if x < i16::MIN as i32 {
        i16::MIN
    } else if x > i16::MAX as i32 {
        i16::MAX
    } else {
        x as i16
    }
}

/// Cut to -127..=127.
#[inline(always)]
#[must_use]
pub const fn sat8(x: i16) -> i8 {
    if x < -127 {
        -127
    } else if x > 127 {
        127
    } else {
        x as i8
    }
}

/// Cut to 0..=255.
#[inline(always)]
#[must_use]
pub const fn satu8(x: i32) -> u8 {
    if x < 0 {
        0
    } else if x > 255 {
        255
    } else {
        x as u8
    }
}

fn i16_at(numbers: &[[u8; 2]], at: usize) -> i16 {
    i16::from_le_bytes(numbers[at])
}

/// A sum and the products of a group.
#[inline(always)]
fn with_products(sum: i32, inputs: &[u8; GROUP], weights: &[u8; GROUP]) -> i32 {
    let products = inputs.iter().zip(weights).map(|(a, w)| i32::from(*a) * i32::from(w.cast_signed()));
    products.fold(sum, i32::wrapping_add)
}

/// The sum of products of each row and output, requantised, handed to `write` with its place in the output.
fn linear(input: &[u8], rows: usize, matrix: &Matrix<'_>, mut write: impl FnMut(usize, i16)) {
    for row in 0..rows {
        let (fours, rest) = input[row * matrix.inputs..(row + 1) * matrix.inputs].as_chunks::<GROUP>();
        // Zeros add nothing.
        let mut last = [0; GROUP];
        last[..rest.len()].copy_from_slice(rest);
        for output in 0..matrix.outputs {
            let mut sum = i32::from_le_bytes(matrix.bias[output]);
            let mut weights = matrix.weights_of(output);
            for (inputs, weights) in fours.iter().zip(&mut weights) {
                sum = with_products(sum, inputs, weights);
            }
            if let Some(weights) = weights.next() {
                sum = with_products(sum, &last, weights);
            }
            let t = sat16(rsh(sum, matrix.shifts[output].into()));
            write(row * matrix.outputs + output, mulr(t, i16_at(matrix.multipliers, output)));
        }
    }
}

/// A layer with a signed narrow result.
///
/// # Shapes
/// `input`: rows x inputs; `output`: rows x outputs, the bits of i8.
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn linear_i8(input: &[u8], rows: usize, matrix: &Matrix<'_>, output: &mut [u8]) {
    linear(input, rows, matrix, |at, y| output[at] = sat8(y).cast_unsigned());
}

/// A layer with a wide result.
///
/// # Shapes
/// `input`: rows x inputs; `output`: rows x outputs.
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn linear_i16(input: &[u8], rows: usize, matrix: &Matrix<'_>, output: &mut [i16]) {
    linear(input, rows, matrix, |at, y| output[at] = y);
}

/// A layer and an activation: the unsigned narrow result is what the table has for the signed one.
///
/// # Shapes
/// `input`: rows x inputs; `output`: rows x outputs.
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn linear_table(input: &[u8], rows: usize, matrix: &Matrix<'_>, table: &[u8; 256], output: &mut [u8]) {
    linear(input, rows, matrix, |at, y| output[at] = table[usize::from(sat8(y).cast_unsigned() ^ 0x80)]);
}

/// Adds a wide result to the residual stream, normalises each row of it, and gives the narrow form of the new stream.
///
/// # Shapes
/// `stream` and `narrow`: rows x width; `other` too, or empty for nothing to add.
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn add_layer_norm(
    stream: &mut [i16],
    other: &[i16],
    width: usize,
    norm: &LayerNorm<'_>,
    narrow: &mut [u8],
) {
    for (row, stream) in stream.chunks_exact_mut(width).enumerate() {
        if !other.is_empty() {
            for (x, o) in stream.iter_mut().zip(&other[row * width..]) {
                *x = x.saturating_add(*o);
            }
        }
        let sum: i32 = stream.iter().map(|x| i32::from(*x)).sum();
        let mean = mean(sum, width as i32);
        let squares: u64 =
            stream.iter().map(|x| centred(*x, mean)).map(|c| u64::from(c.unsigned_abs()).pow(2)).sum();
        let Scale { power, reciprocal } = Scale::of(squares, width);
        let narrow = &mut narrow[row * width..(row + 1) * width];
        for (j, x) in stream.iter_mut().enumerate() {
            let c = i32::from(centred(*x, mean));
            let d = if power >= 0 { sat16(c << power) } else { sat16(rsh(c, power.unsigned_abs())) };
            let normal = mulr(d, reciprocal);
            *x = mulr(normal, i16_at(norm.gain, j)).saturating_add(i16_at(norm.offset, j));
            let y = mulr(normal, i16_at(norm.gain_narrow, j)).saturating_add(i16_at(norm.offset_narrow, j));
            narrow[j] = satu8(rsh(y.into(), norm.extra));
        }
    }
}

/// `floor((2 sum + n) / (2 n))`: the mean, half upwards.
#[must_use]
pub const fn mean(sum: i32, n: i32) -> i32 {
    (2 * sum + n).div_euclid(2 * n)
}

const fn centred(x: i16, mean: i32) -> i16 {
    sat16(x as i32 - mean)
}

/// What brings a row to variance 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The power of two that a number is multiplied with first.
    pub power: i32,
    /// Then [`mulr`] with this.
    pub reciprocal: i16,
}

impl Scale {
    /// From the sum of the squares of `n` centred numbers.
    #[must_use]
    pub const fn of(squares: u64, n: usize) -> Self {
        let guard = if n <= 1024 { 5 } else { 6 };
        let n = n as u64;
        let variance = squares / n;
        let variance = if variance == 0 { 1 } else { variance as u32 };
        // Centred numbers have 16 bits, so there are two leading zeros at least but for rows of extremes.
        let k = variance.leading_zeros().saturating_sub(2) / 2;
        let scaled = (squares << (2 * k)) / n;
        let scaled = if scaled > (1 << 30) - 1 { (1 << 30) - 1 } else { scaled as u32 };
        let root = scaled.isqrt();
        let root = if root == 0 { 1 } else { root };
        let reciprocal = (1 << 29) / root;
        let reciprocal = if reciprocal > i16::MAX as u32 { i16::MAX } else { reciprocal as i16 };
        Self { power: k as i32 - guard, reciprocal }
    }
}

/// Attention of every head.
///
/// # Shapes
/// `qkv`: tokens x (queries, keys, values), each heads x channels, the bits of i8. `weights`: at least tokens, for work.
/// `output`: tokens x (heads x channels).
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn attention(
    qkv: &[u8],
    tokens: usize,
    attention: &Attention<'_>,
    weights: &mut [u8],
    output: &mut [u8],
) {
    attention_part(qkv, tokens, attention, &AttentionPart::all(attention, tokens), weights, output);
}

/// Some queries of some heads: the rest of the output stays as it is.
///
/// # Shapes
/// As [`attention`].
///
/// # Panics
/// If a slice is shorter than its shape, or there is no such query or head.
pub fn attention_part(
    qkv: &[u8],
    tokens: usize,
    attention: &Attention<'_>,
    part: &AttentionPart,
    weights: &mut [u8],
    output: &mut [u8],
) {
    let width = attention.heads * attention.channels;
    let number = |token: usize, part: usize, head: usize, channel: usize| {
        i32::from(qkv[token * 3 * width + part * width + head * attention.channels + channel].cast_signed())
    };
    for head in part.heads.clone() {
        for query in part.queries.clone() {
            let product = |key: usize| -> i32 {
                (0..attention.channels).map(|c| number(query, 0, head, c) * number(key, 1, head, c)).sum()
            };
            let highest = (0..tokens).map(product).max().unwrap_or(0);
            let mut total = 0u32;
            for (key, weight) in weights.iter_mut().enumerate().take(tokens) {
                *weight = attention.weight(highest - product(key));
                total += u32::from(*weight);
            }
            let share = Share::of(total);
            for channel in 0..attention.channels {
                let sum: i32 =
                    (0..tokens).map(|key| i32::from(weights[key]) * number(key, 2, head, channel)).sum();
                output[query * width + head * attention.channels + channel] = share.apply(sum);
            }
        }
    }
}

impl Attention<'_> {
    /// The weight of a key whose product is so far below the highest.
    #[inline(always)]
    #[must_use]
    pub fn weight(&self, distance: i32) -> u8 {
        let index = rsh(distance.wrapping_mul(self.factor.cast_signed()), self.shift);
        self.exp[index.clamp(0, 255) as usize]
    }
}

/// The division by the sum of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// How far a sum is shifted.
    pub shift: u32,
    /// Then [`mulr`] with this.
    pub reciprocal: i16,
}

impl Share {
    /// By a sum of weights, of which the largest is 255.
    #[must_use]
    pub const fn of(total: u32) -> Self {
        let total = if total < 128 { 128 } else { total };
        let bits = 32 - total.leading_zeros();
        let reciprocal = (1u64 << (bits + 14)) / total as u64;
        let reciprocal = if reciprocal > i16::MAX as u64 { i16::MAX } else { reciprocal as i16 };
        Self { shift: bits - 8, reciprocal }
    }

    /// A weighted sum of values divided, as the next matrix takes it: its zero is 128.
    #[inline(always)]
    #[must_use]
    pub const fn apply(self, sum: i32) -> u8 {
        satu8(rsh(mulr(sat16(rsh(sum, self.shift)), self.reciprocal) as i32, 7) + 128)
    }
}

/// Adds what the parts of an embedding say of one token.
///
/// # Shapes
/// `row`: width, the bits of i8; `position`: width; `output`: width.
pub fn embed(row: &[u8], multiplier: u8, position: &[[u8; 2]], output: &mut [i16]) {
    for ((x, w), p) in output.iter_mut().zip(row).zip(position) {
        let word = i16::from(w.cast_signed()) * i16::from(multiplier);
        *x = word.saturating_add(i16::from_le_bytes(*p));
    }
}

/// The mean of all rows.
///
/// # Shapes
/// `stream`: tokens x width; `pooled`: width.
///
/// # Panics
/// If there are no tokens.
pub fn mean_pool(stream: &[i16], width: usize, pooled: &mut [i16]) {
    let tokens = (stream.len() / width) as i32;
    for (j, place) in pooled.iter_mut().enumerate().take(width) {
        let sum: i32 = stream.iter().skip(j).step_by(width).map(|y| i32::from(*y)).sum();
        *place = sat16(mean(sum, tokens));
    }
}

/// The scores of the classes.
///
/// # Shapes
/// `pooled`: width; `weights`: classes x width, the bits of i8; `bias` and `scores`: classes.
pub fn head(pooled: &[i16], shift: u32, weights: &[u8], bias: &[[u8; 4]], scores: &mut [i32]) {
    for ((score, weights), bias) in scores.iter_mut().zip(weights.chunks_exact(pooled.len())).zip(bias) {
        let products =
            pooled.iter().zip(weights).map(|(p, w)| rsh((*p).into(), shift) * i32::from(w.cast_signed()));
        *score = products.fold(i32::from_le_bytes(*bias), i32::wrapping_add);
    }
}
