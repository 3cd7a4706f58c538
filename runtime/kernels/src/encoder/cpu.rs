//! Which kernels run: chosen once, for the processor that is there, or by name.

use core::fmt;

#[cfg(all(target_arch = "arm", target_feature = "dsp"))]
use super::armv7em::Dsp;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use super::wasm32::Simd128;
#[cfg(target_arch = "x86_64")]
use super::x86_64::avx2::Avx2;
use super::{Attention, AttentionPart, LayerNorm, Matrix, scalar};

/// Kernels for a processor. All of them give the same numbers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Cpu {
    /// The specification, on any processor.
    Scalar,
    /// A Cortex-M with the instructions for pairs of 16-bit numbers.
    #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
    Dsp(Dsp),
    /// WebAssembly with vectors of 128 bits.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128(Simd128),
    /// 64-bit x86 with AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
}

/// Memory for the work of one operator.
#[derive(Debug)]
pub struct Work<'m> {
    /// At least [`work_len`] of every matrix and number of rows, and [`attention_work_len`].
    pub words: &'m mut [u64],
    /// At least the tokens.
    pub weights: &'m mut [u8],
}

/// Words of work that a matrix of so many inputs takes for so many rows.
#[must_use]
pub const fn work_len(inputs: usize, rows: usize) -> usize {
    if cfg!(target_arch = "arm") {
        // Neither the kernels there nor the specification take any, and memory is short.
        return 0;
    }
    inputs.div_ceil(super::GROUP).saturating_mul(rows)
}

/// Words of work that attention takes for so many tokens and channels of a head.
#[must_use]
pub const fn attention_work_len(tokens: usize, channels: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    return super::x86_64::avx2::attention_work_len(tokens, channels);
    #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
    {
        let _ = channels;
        return super::armv7em::attention_work_len(tokens);
    }
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    return super::wasm32::attention_work_len(tokens, channels);
    #[cfg(not(any(
        target_arch = "x86_64",
        all(target_arch = "arm", target_feature = "dsp"),
        all(target_arch = "wasm32", target_feature = "simd128"),
    )))]
    {
        let _ = (tokens, channels);
        0
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Cpu {
    /// The fastest kernels that this processor and this build have. Without the feature `std` that is what the target
    /// promises.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::new() {
            return Self::Avx2(avx2);
        }
        #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
        if let Some(dsp) = Dsp::new() {
            return Self::Dsp(dsp);
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        if let Some(simd) = Simd128::new() {
            return Self::Simd128(simd);
        }
        Self::Scalar
    }

    /// Every choice that this processor and this build have, the specification first.
    pub fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let faster = [Avx2::new().map(Self::Avx2)];
        #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
        let faster = [Dsp::new().map(Self::Dsp)];
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        let faster = [Simd128::new().map(Self::Simd128)];
        #[cfg(not(any(
            target_arch = "x86_64",
            all(target_arch = "arm", target_feature = "dsp"),
            all(target_arch = "wasm32", target_feature = "simd128"),
        )))]
        let faster: [Option<Self>; 0] = [];
        core::iter::once(Self::Scalar).chain(faster.into_iter().flatten())
    }

    /// By [`Self::name`] or the last part of it, such as `avx2`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|cpu| cpu.name() == name || cpu.name().rsplit('-').next() == Some(name))
    }

    /// What the kernels are called.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
            Self::Dsp(dsp) => dsp.name(),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128(simd) => simd.name(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.name(),
        }
    }

    /// As [`scalar::linear_i8`].
    ///
    /// # Panics
    /// If a slice is shorter than its shape.
    #[inline]
    pub fn linear_i8(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        match self {
            Self::Scalar => scalar::linear_i8(input, rows, matrix, output),
            #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
            Self::Dsp(dsp) => dsp.linear_i8(input, rows, matrix, output),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128(simd) => simd.linear_i8(input, rows, matrix, work.words, output),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.linear_i8(input, rows, matrix, work.words, output),
        }
        let _ = work;
    }

    /// As [`scalar::linear_i16`].
    ///
    /// # Panics
    /// If a slice is shorter than its shape.
    #[inline]
    pub fn linear_i16(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        work: &mut Work<'_>,
        output: &mut [i16],
    ) {
        match self {
            Self::Scalar => scalar::linear_i16(input, rows, matrix, output),
            #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
            Self::Dsp(dsp) => dsp.linear_i16(input, rows, matrix, output),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128(simd) => simd.linear_i16(input, rows, matrix, work.words, output),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.linear_i16(input, rows, matrix, work.words, output),
        }
        let _ = work;
    }

    /// As [`scalar::linear_table`].
    ///
    /// # Panics
    /// If a slice is shorter than its shape.
    #[inline]
    pub fn linear_table(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        table: &[u8; 256],
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        match self {
            Self::Scalar => scalar::linear_table(input, rows, matrix, table, output),
            #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
            Self::Dsp(dsp) => dsp.linear_table(input, rows, matrix, table, output),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128(simd) => simd.linear_table(input, rows, matrix, table, work.words, output),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.linear_table(input, rows, matrix, table, work.words, output),
        }
        let _ = work;
    }

    /// As [`scalar::add_layer_norm`].
    ///
    /// # Panics
    /// If a slice is shorter than its shape.
    #[inline]
    pub fn add_layer_norm(
        &self,
        stream: &mut [i16],
        other: &[i16],
        width: usize,
        norm: &LayerNorm<'_>,
        narrow: &mut [u8],
    ) {
        match self {
            Self::Scalar => scalar::add_layer_norm(stream, other, width, norm, narrow),
            #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
            Self::Dsp(dsp) => dsp.add_layer_norm(stream, other, width, norm, narrow),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128(simd) => simd.add_layer_norm(stream, other, width, norm, narrow),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.add_layer_norm(stream, other, width, norm, narrow),
        }
    }

    /// As [`scalar::attention`].
    ///
    /// # Panics
    /// If a slice is shorter than its shape.
    #[inline]
    pub fn attention(
        &self,
        qkv: &[u8],
        tokens: usize,
        numbers: &Attention<'_>,
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        match self {
            Self::Scalar => scalar::attention(qkv, tokens, numbers, work.weights, output),
            #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
            Self::Dsp(dsp) => {
                let all = AttentionPart::all(numbers, tokens);
                dsp.attention_part(qkv, tokens, numbers, &all, work, output);
            }
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128(simd) => {
                let all = AttentionPart::all(numbers, tokens);
                simd.attention_part(qkv, tokens, numbers, &all, work, output);
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => {
                avx2.attention(qkv, tokens, numbers, work.words, work.weights, output);
            }
        }
    }

    /// As [`scalar::attention_part`]. Kernels without a way of their own for a part leave it to the specification.
    ///
    /// # Panics
    /// If a slice is shorter than its shape, or there is no such query or head.
    #[inline]
    pub fn attention_part(
        &self,
        qkv: &[u8],
        tokens: usize,
        numbers: &Attention<'_>,
        part: &AttentionPart,
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        if *part == AttentionPart::all(numbers, tokens) {
            return self.attention(qkv, tokens, numbers, work, output);
        }
        match self {
            #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
            Self::Dsp(dsp) => {
                dsp.attention_part(qkv, tokens, numbers, part, work, output);
            }
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128(simd) => {
                simd.attention_part(qkv, tokens, numbers, part, work, output);
            }
            _ => scalar::attention_part(qkv, tokens, numbers, part, work.weights, output),
        }
    }
}
