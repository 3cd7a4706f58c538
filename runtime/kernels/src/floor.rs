//! What a matrix of an encoder is held against: the fastest instruction of the processor for products of bytes, on
//! registers alone, and in a plain product of the same matrices with nothing around it. For benches; no case runs here.
//!
//! ```text
//! AVX2          VPMADDWD, 16 products an instruction; bytes are widened to 16 bits first
//! AVX-512 VNNI  VPDPBUSD, 64 products an instruction
//! ```

use crate::encoder::{BLOCK, GROUP, Matrix};

#[cfg(target_arch = "x86_64")]
mod x86_64;

/// Rows that share a weight.
const ROWS: usize = 6;

/// How many of the rows that are left are worked on together.
const fn together(left: usize) -> usize {
    match left {
        ROWS.. => ROWS,
        4.. => 4,
        2.. => 2,
        _ => 1,
    }
}

/// The fastest instruction for products of bytes that this processor and this build have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor(Instruction);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "other processors have none yet")]
enum Instruction {
    Avx2,
    Avx512Vnni,
}

impl Floor {
    /// All that this processor and this build have, the fastest last.
    pub fn all() -> impl Iterator<Item = Self> {
        #[cfg(all(target_arch = "x86_64", feature = "std"))]
        let found = [
            std::is_x86_feature_detected!("avx2").then_some(Self(Instruction::Avx2)),
            (std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512vnni"))
                .then_some(Self(Instruction::Avx512Vnni)),
        ];
        #[cfg(not(all(target_arch = "x86_64", feature = "std")))]
        let found: [Option<Self>; 0] = [];
        found.into_iter().flatten()
    }

    /// The fastest.
    #[must_use]
    pub fn detect() -> Option<Self> {
        Self::all().last()
    }

    /// What the instruction is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Instruction::Avx2 => "VPMADDWD (AVX2)",
            Instruction::Avx512Vnni => "VPDPBUSD (AVX-512 VNNI)",
        }
    }

    /// Multiplies on registers alone, and returns how many products that were: `turns` times some hundred.
    #[must_use]
    pub fn registers(self, turns: u64) -> u64 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has what the instruction needs, as `self` proves.
        return unsafe {
            match self.0 {
                Instruction::Avx2 => x86_64::registers_avx2(turns),
                Instruction::Avx512Vnni => x86_64::registers_vnni(turns),
            }
        };
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = turns;
            0
        }
    }

    /// Words of work that rows of so many inputs take.
    #[must_use]
    pub const fn work_len(inputs: usize, rows: usize) -> usize {
        inputs.div_ceil(GROUP).saturating_mul(rows)
    }

    /// Lays rows of bytes out as [`Self::multiply`] reads them, from front to end, which is no part of the product.
    ///
    /// # Shapes
    /// `input`: `rows * inputs`; `work`: [`Self::work_len`].
    ///
    /// # Panics
    /// If a slice is shorter than its shape, or `inputs` is not a multiple of 4.
    pub fn prepare(self, input: &[u8], rows: usize, inputs: usize, work: &mut [u64]) {
        assert!(inputs.is_multiple_of(GROUP), "{inputs} inputs, a multiple of {GROUP} is needed");
        let groups = inputs / GROUP;
        let (mut row, mut rest) = (0, &mut work[..Self::work_len(inputs, rows)]);
        while row < rows {
            let count = together(rows - row);
            let (words, others) = rest.split_at_mut(count * groups);
            for (nth, input) in input[row * inputs..].chunks_exact(inputs).take(count).enumerate() {
                for (four, words) in input.as_chunks::<GROUP>().0.iter().zip(words.chunks_exact_mut(count)) {
                    words[nth] = self.word(*four);
                }
            }
            (row, rest) = (row + count, others);
        }
    }

    /// Four inputs as the instruction takes them.
    fn word(self, four: [u8; GROUP]) -> u64 {
        let [a, b, c, d] = four.map(u64::from);
        match self.0 {
            Instruction::Avx2 => a | b << 16 | c << 32 | d << 48,
            Instruction::Avx512Vnni => u32::from_le_bytes(four).into(),
        }
    }

    /// The sums of products of a matrix, and nothing else: no bias, no scale.
    ///
    /// # Shapes
    /// `work`: as [`Self::prepare`] has left it for `rows`; `sums`: `rows * outputs`.
    ///
    /// # Panics
    /// If a slice is shorter than its shape, or the matrix has outputs or inputs that fill no block.
    pub fn multiply(self, work: &[u64], rows: usize, matrix: &Matrix<'_>, sums: &mut [i32]) {
        let Matrix { inputs, outputs, weights, .. } = *matrix;
        let whole = inputs.is_multiple_of(GROUP) && outputs.is_multiple_of(BLOCK);
        assert!(whole, "{inputs} x {outputs}, multiples of {GROUP} and {BLOCK} are needed");
        let work = &work[..Self::work_len(inputs, rows)];
        let weights = &weights[..Matrix::packed_len(inputs, outputs)];
        let sums = &mut sums[..rows * outputs];
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (work, weights, sums);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has what the instruction needs, as `self` proves.
        unsafe {
            match self.0 {
                Instruction::Avx2 => x86_64::multiply_avx2(work, rows, inputs / GROUP, weights, sums),
                Instruction::Avx512Vnni => x86_64::multiply_vnni(work, rows, inputs / GROUP, weights, sums),
            }
        }
    }
}
