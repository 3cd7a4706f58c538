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

mod attention;
mod linear;
mod norm;
mod products;

pub(super) use attention::{attention, work_len as attention_work_len};
pub(super) use linear::{linear_i8, linear_i16, linear_table};
pub(super) use norm::add_layer_norm;
pub use products::{DotProd, I8mm, Neon};
