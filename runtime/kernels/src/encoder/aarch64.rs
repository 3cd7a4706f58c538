//! 64-bit Arm: NEON alone, its dot products (SDOT), and its products of small matrices (SMMLA).
//!
//! # The matrix
//! ```text
//! rows of the input: bytes - 128, in words, block of rows by block of rows
//! for each 16 outputs (a block of packed weights, stays in the first cache)
//!     for each 8 rows (NEON alone: 3)
//!         products of the rows with the 16 outputs
//!         add bias + 128 * sums, requantise, write 16 results a row
//! ```
//! All three multiply signed bytes, so the products are the only part in which they differ: [`Products`]. Attention
//! makes its products the same way.

use super::cpu::{Kernels, Work};
use super::{Attention, AttentionPart, LayerNorm, Matrix};

mod attention;
mod linear;
mod norm;
mod products;

use products::Products;

pub(super) use attention::work_len as attention_work_len;
pub use products::{DotProd, I8mm, Neon};

impl<P: Products> Kernels for P {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn linear_i8(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        linear::linear_i8(*self, input, rows, matrix, work.words, output);
    }

    fn linear_i16(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        work: &mut Work<'_>,
        output: &mut [i16],
    ) {
        linear::linear_i16(*self, input, rows, matrix, work.words, output);
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
        linear::linear_table(*self, input, rows, matrix, table, work.words, output);
    }

    fn add_layer_norm(
        &self,
        stream: &mut [i16],
        other: &[i16],
        width: usize,
        norm: &LayerNorm<'_>,
        narrow: &mut [u8],
    ) {
        norm::add_layer_norm(stream, other, width, norm, narrow);
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
        attention::attention(*self, qkv, tokens, numbers, part, work, output);
    }
}
