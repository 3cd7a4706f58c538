//! What a transformer does beside its large matrices, forward and backward, on plain slices: each in one pass over
//! memory, and the same on any number of threads.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis, Slice};
use rayon::prelude::*;

/// Numbers that one task of an elementwise function works on.
const CHUNK: usize = 1 << 13;
/// Rows that one task of LayerNorm works on; sums over rows are made of sums over these.
const ROWS: usize = 64;

/// The exponential of a number that is not large, to a few units in the last place.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // In this range numbers are whole: the sum rounds, and its lowest bits are the integer.
    const WHOLE: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * core::f32::consts::LOG2_E + WHOLE;
    let n = shifted - WHOLE;
    // The logarithm of 2 in two parts, the first with few bits: the products are exact.
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let series = 1.0 / 120.0 + r * (1.0 / 720.0);
    let series = 0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * series));
    let power = (shifted.to_bits() << 23).wrapping_add(0x3F80_0000);
    (1.0 + r * (1.0 + r * series)) * f32::from_bits(power)
}

/// The normal distribution's share below `x`, and `exp(-x^2 / 2)`. As in the importer's network in floating point.
///
/// # Source
/// Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let z = x.abs() * core::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series =
        t * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    let bell = exp(-z * z);
    let tail = 0.5 * series * bell;
    (if x < 0.0 { tail } else { 1.0 - tail }, bell)
}

/// `x` times the normal distribution's share below it.
pub(super) fn gelu(x: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(out, x)| {
        for (y, x) in out.iter_mut().zip(x) {
            *y = x * normal(*x).0;
        }
    });
    out
}

/// The gradient of `x`, in the place of that of the output.
pub(super) fn gelu_backward(x: &[f32], gradient: &mut [f32]) {
    const ROOT: f32 = 0.398_942_3;
    gradient.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(gradient, x)| {
        for (g, x) in gradient.iter_mut().zip(x) {
            let (below, bell) = normal(*x);
            *g *= below + x * ROOT * bell;
        }
    });
}

/// What LayerNorm gives, and what its gradient needs.
pub(super) struct Normed {
    pub(super) out: Vec<f32>,
    /// With mean 0 and variance 1, before gain and offset.
    pub(super) standard: Vec<f32>,
    /// One a row: of its spread.
    pub(super) reciprocals: Vec<f32>,
}

/// LayerNorm of the sum of two streams.
///
/// # Shapes
/// `x`, `residual`: rows x width, the width that of `gain` and `offset`.
pub(super) fn norm(x: &[f32], residual: &[f32], gain: &[f32], offset: &[f32], epsilon: f32) -> Normed {
    let width = gain.len();
    let mut out = vec![0.0; x.len()];
    let mut standard = vec![0.0; x.len()];
    let mut reciprocals = vec![0.0; x.len() / width];
    let chunk = ROWS * width;
    (out.par_chunks_mut(chunk), standard.par_chunks_mut(chunk), reciprocals.par_chunks_mut(ROWS))
        .into_par_iter()
        .zip((x.par_chunks(chunk), residual.par_chunks(chunk)))
        .for_each(|((out, standard, reciprocals), (x, residual))| {
            for (standard, (x, residual)) in standard.iter_mut().zip(x.iter().zip(residual)) {
                *standard = x + residual;
            }
            let rows = out.chunks_exact_mut(width).zip(standard.chunks_exact_mut(width));
            for ((out, row), reciprocal) in rows.zip(reciprocals) {
                let mean = sum(row, |x| x) / width as f32;
                let variance = sum(row, |x| (x - mean) * (x - mean)) / width as f32;
                *reciprocal = (variance + epsilon).sqrt().recip();
                for (((y, x), gain), offset) in out.iter_mut().zip(row).zip(gain).zip(offset) {
                    *x = (*x - mean) * *reciprocal;
                    *y = *x * gain + offset;
                }
            }
        });
    Normed { out, standard, reciprocals }
}

/// Gradients of LayerNorm.
pub(super) struct NormGradients {
    /// Of the sum of the streams, and so of each.
    pub(super) sum: Vec<f32>,
    pub(super) gain: Vec<f32>,
    pub(super) offset: Vec<f32>,
}

pub(super) fn norm_backward(
    standard: &[f32],
    reciprocals: &[f32],
    gain: &[f32],
    gradient: &[f32],
) -> NormGradients {
    let width = gain.len();
    let chunk = ROWS * width;
    let mut out = vec![0.0; gradient.len()];
    let parts: Vec<(Vec<f32>, Vec<f32>)> = out
        .par_chunks_mut(chunk)
        .zip((standard.par_chunks(chunk), reciprocals.par_chunks(ROWS), gradient.par_chunks(chunk)))
        .map(|(out, (standard, reciprocals, gradient))| {
            let (mut of_gain, mut of_offset) = (vec![0.0; width], vec![0.0; width]);
            let rows = out.chunks_exact_mut(width).zip(standard.chunks_exact(width));
            for (((out, x), g), reciprocal) in rows.zip(gradient.chunks_exact(width)).zip(reciprocals) {
                for j in 0..width {
                    of_gain[j] += g[j] * x[j];
                    of_offset[j] += g[j];
                    out[j] = g[j] * gain[j];
                }
                let mean = sum(out, |g| g) / width as f32;
                let along = dot(out, x) / width as f32;
                for (g, x) in out.iter_mut().zip(x) {
                    *g = (*g - mean - x * along) * reciprocal;
                }
            }
            (of_gain, of_offset)
        })
        .collect();
    let (mut of_gain, mut of_offset) = (vec![0.0; width], vec![0.0; width]);
    for (gain, offset) in &parts {
        add(&mut of_gain, gain);
        add(&mut of_offset, offset);
    }
    NormGradients { sum: out, gain: of_gain, offset: of_offset }
}

/// The sizes of attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AttentionShape {
    pub(super) heads: usize,
    pub(super) channels: usize,
    /// Of every text, padding included.
    pub(super) tokens: usize,
    /// Of each text without padding: no token looks at what is beyond.
    pub(super) lengths: Vec<usize>,
}

impl AttentionShape {
    const fn width(&self) -> usize {
        self.heads * self.channels
    }

    fn scale(&self) -> f32 {
        (self.channels as f32).sqrt().recip()
    }

    /// Numbers of the weights of one text.
    const fn weights(&self) -> usize {
        self.heads * self.tokens * self.tokens
    }
}

/// The weighted values, and the weights.
///
/// # Shapes
/// `qkv`: (texts x tokens) x (queries, keys, values); the answers: (texts x tokens) x width, and
/// texts x heads x tokens x tokens.
pub(super) fn attention(qkv: &[f32], shape: &AttentionShape) -> (Vec<f32>, Vec<f32>) {
    let (width, tokens, texts) = (shape.width(), shape.tokens, shape.lengths.len());
    let mut context = vec![0.0; texts * tokens * width];
    let mut weights = vec![0.0; texts * shape.weights()];
    (context.par_chunks_mut(tokens * width), weights.par_chunks_mut(shape.weights()))
        .into_par_iter()
        .zip((qkv.par_chunks(3 * tokens * width), &shape.lengths))
        .for_each(|((context, weights), (qkv, length))| {
            let qkv = matrix(qkv, tokens, 3 * width);
            let mut context = matrix_mut(context, tokens, width);
            for (head, weights) in weights.chunks_exact_mut(tokens * tokens).enumerate() {
                let [query, key, value] = split(qkv, shape, head);
                let mut products = matrix_mut(weights, tokens, tokens);
                general_mat_mul(shape.scale(), &query, &key.t(), 0.0, &mut products);
                weights.chunks_exact_mut(tokens).for_each(|row| softmax(row, *length));
                let channels = Slice::from(head * shape.channels..(head + 1) * shape.channels);
                let mut out = context.slice_axis_mut(Axis(1), channels);
                general_mat_mul(1.0, &matrix(weights, tokens, tokens), &value, 0.0, &mut out);
            }
        });
    (context, weights)
}

/// The gradient of queries, keys and values.
pub(super) fn attention_backward(
    qkv: &[f32],
    weights: &[f32],
    gradient: &[f32],
    shape: &AttentionShape,
) -> Vec<f32> {
    let (width, tokens) = (shape.width(), shape.tokens);
    let mut out = vec![0.0; qkv.len()];
    out.par_chunks_mut(3 * tokens * width)
        .zip((
            qkv.par_chunks(3 * tokens * width),
            weights.par_chunks(shape.weights()),
            gradient.par_chunks(tokens * width),
        ))
        .for_each(|(out, (qkv, weights, gradient))| {
            let qkv = matrix(qkv, tokens, 3 * width);
            let gradient = matrix(gradient, tokens, width);
            let mut products = vec![0.0; tokens * tokens];
            for (head, weights) in weights.chunks_exact(tokens * tokens).enumerate() {
                let [query, key, value] = split(qkv, shape, head);
                let channels = Slice::from(head * shape.channels..(head + 1) * shape.channels);
                let gradient = gradient.slice_axis(Axis(1), channels);
                let mut all = matrix_mut(out, tokens, 3 * width);
                let place = |part: usize| {
                    Slice::from(
                        part * width + head * shape.channels..part * width + (head + 1) * shape.channels,
                    )
                };
                let attended = matrix(weights, tokens, tokens);
                general_mat_mul(
                    1.0,
                    &attended.t(),
                    &gradient,
                    0.0,
                    &mut all.slice_axis_mut(Axis(1), place(2)),
                );
                let mut of_products = matrix_mut(&mut products, tokens, tokens);
                general_mat_mul(1.0, &gradient, &value.t(), 0.0, &mut of_products);
                for (row, weights) in products.chunks_exact_mut(tokens).zip(weights.chunks_exact(tokens)) {
                    let mean = dot(row, weights);
                    row.iter_mut().zip(weights).for_each(|(g, weight)| *g = weight * (*g - mean));
                }
                let of_products = matrix(&products, tokens, tokens);
                let scale = shape.scale();
                general_mat_mul(scale, &of_products, &key, 0.0, &mut all.slice_axis_mut(Axis(1), place(0)));
                general_mat_mul(
                    scale,
                    &of_products.t(),
                    &query,
                    0.0,
                    &mut all.slice_axis_mut(Axis(1), place(1)),
                );
            }
        });
    out
}

/// Queries, keys and values of a head.
fn split<'a>(qkv: ArrayView2<'a, f32>, shape: &AttentionShape, head: usize) -> [ArrayView2<'a, f32>; 3] {
    [0, 1, 2].map(|part| {
        let start = part * shape.width() + head * shape.channels;
        qkv.slice_axis_move(Axis(1), Slice::from(start..start + shape.channels))
    })
}

fn matrix(numbers: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), numbers).expect("the caller cut it to this size")
}

fn matrix_mut(numbers: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, columns), numbers).expect("the caller cut it to this size")
}

/// Of the first numbers; the others become 0.
fn softmax(row: &mut [f32], length: usize) {
    let (row, beyond) = row.split_at_mut(length);
    beyond.fill(0.0);
    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for x in row.iter_mut() {
        *x = exp(*x - highest);
    }
    let reciprocal = sum(row, |x| x).recip();
    row.iter_mut().for_each(|x| *x *= reciprocal);
}

/// In eight parts, so that a processor can add many at once.
#[inline(always)]
fn sum(numbers: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = numbers.as_chunks::<8>();
    let mut parts = [0.0f32; 8];
    for chunk in chunks {
        for (part, x) in parts.iter_mut().zip(chunk) {
            *part += of(*x);
        }
    }
    parts.iter().sum::<f32>() + rest.iter().map(|x| of(*x)).sum::<f32>()
}

/// As [`sum`], of products.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut parts = [0.0f32; 8];
    for (a, b) in a.iter().zip(b) {
        for j in 0..8 {
            parts[j] += a[j] * b[j];
        }
    }
    parts.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}

/// Adds numbers to others.
pub(super) fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_near() {
        for at in -8700..=8800 {
            let x = at as f32 / 100.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) / exact - 1.0).abs();
            assert!(error < 3e-7, "exp({x}) is wrong by {error}");
        }
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn softmax_ends_at_the_length() {
        let mut row = [1.0, 3.0, 2.0, 9.0];
        softmax(&mut row, 3);
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6 && row[3] == 0.0 && row[1] > row[2]);
    }
}
