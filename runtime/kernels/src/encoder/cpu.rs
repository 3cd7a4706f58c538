//! Which kernels run: chosen once, for the processor that is there, or by name.

use core::fmt;

#[cfg(target_arch = "aarch64")]
use super::aarch64::{DotProd, I8mm, Neon};
#[cfg(all(target_arch = "arm", target_feature = "dsp"))]
use super::armv7em::Dsp;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use super::wasm32::Simd128;
#[cfg(target_arch = "x86_64")]
use super::x86_64::{avx_vnni::AvxVnni, avx2::Avx2, avx512::Avx512};
use super::{Attention, AttentionPart, LayerNorm, Matrix, scalar};

/// Kernels for a processor. All of them give the same numbers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Cpu {
    /// The specification, on any processor.
    Scalar,
    /// 64-bit x86 with AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// 64-bit x86 with AVX-VNNI.
    #[cfg(target_arch = "x86_64")]
    AvxVnni(AvxVnni),
    /// 64-bit x86 with AVX-512 VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// 64-bit Arm.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    /// 64-bit Arm with SDOT.
    #[cfg(target_arch = "aarch64")]
    DotProd(DotProd),
    /// 64-bit Arm with SMMLA.
    #[cfg(target_arch = "aarch64")]
    I8mm(I8mm),
    /// A Cortex-M with the instructions for pairs of 16-bit numbers.
    #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
    Dsp(Dsp),
    /// WebAssembly with 128-bit vectors.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128(Simd128),
}

/// Memory for the work of one operator.
#[derive(Debug)]
pub struct Work<'m> {
    /// At least [`work_len`] of every matrix and number of rows, and [`attention_work_len`].
    pub words: &'m mut [u64],
    /// At least the tokens.
    pub weights: &'m mut [u8],
}

/// The operators for one kind of processor; [`Cpu`] says what each does.
pub(super) trait Kernels {
    fn name(&self) -> &'static str;

    fn linear_i8(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        work: &mut Work<'_>,
        output: &mut [u8],
    );

    fn linear_i16(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        work: &mut Work<'_>,
        output: &mut [i16],
    );

    fn linear_table(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        table: &[u8; 256],
        work: &mut Work<'_>,
        output: &mut [u8],
    );

    fn add_layer_norm(
        &self,
        stream: &mut [i16],
        other: &[i16],
        width: usize,
        norm: &LayerNorm<'_>,
        narrow: &mut [u8],
    );

    fn attention_part(
        &self,
        qkv: &[u8],
        tokens: usize,
        numbers: &Attention<'_>,
        part: &AttentionPart,
        work: &mut Work<'_>,
        output: &mut [u8],
    );
}

/// The specification.
struct Scalar;

impl Kernels for Scalar {
    fn name(&self) -> &'static str {
        "scalar"
    }

    fn linear_i8(&self, input: &[u8], rows: usize, matrix: &Matrix<'_>, _: &mut Work<'_>, output: &mut [u8]) {
        scalar::linear_i8(input, rows, matrix, output);
    }

    fn linear_i16(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        _: &mut Work<'_>,
        output: &mut [i16],
    ) {
        scalar::linear_i16(input, rows, matrix, output);
    }

    fn linear_table(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        table: &[u8; 256],
        _: &mut Work<'_>,
        output: &mut [u8],
    ) {
        scalar::linear_table(input, rows, matrix, table, output);
    }

    fn add_layer_norm(
        &self,
        stream: &mut [i16],
        other: &[i16],
        width: usize,
        norm: &LayerNorm<'_>,
        narrow: &mut [u8],
    ) {
        scalar::add_layer_norm(stream, other, width, norm, narrow);
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
        scalar::attention_part(qkv, tokens, numbers, part, work.weights, output);
    }
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
    return super::x86_64::attention_work_len(tokens, channels);
    #[cfg(target_arch = "aarch64")]
    return super::aarch64::attention_work_len(tokens, channels);
    #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
    return super::armv7em::attention_work_len(tokens, channels);
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    return super::wasm32::attention_work_len(tokens, channels);
    #[cfg(not(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        all(target_arch = "arm", target_feature = "dsp"),
        all(target_arch = "wasm32", target_feature = "simd128")
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
        Self::all().last().unwrap_or(Self::Scalar)
    }

    /// Every choice that this processor and this build have: the specification first, the fastest last.
    pub fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let faster =
            [Avx2::new().map(Self::Avx2), AvxVnni::new().map(Self::AvxVnni), Avx512::new().map(Self::Avx512)];
        #[cfg(target_arch = "aarch64")]
        let faster =
            [Neon::new().map(Self::Neon), DotProd::new().map(Self::DotProd), I8mm::new().map(Self::I8mm)];
        #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
        let faster = [Dsp::new().map(Self::Dsp)];
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        let faster = [Simd128::new().map(Self::Simd128)];
        #[cfg(not(any(
            target_arch = "x86_64",
            target_arch = "aarch64",
            all(target_arch = "arm", target_feature = "dsp"),
            all(target_arch = "wasm32", target_feature = "simd128")
        )))]
        let faster: [Option<Self>; 0] = [];
        core::iter::once(Self::Scalar).chain(faster.into_iter().flatten())
    }

    /// By [`Self::name`] or the last part of it, such as `avx2`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|cpu| cpu.name() == name || cpu.name().rsplit('-').next() == Some(name))
    }

    const fn kernels(&self) -> &dyn Kernels {
        match self {
            Self::Scalar => &Scalar,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(kernels) => kernels,
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni(kernels) => kernels,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(kernels) => kernels,
            #[cfg(target_arch = "aarch64")]
            Self::Neon(kernels) => kernels,
            #[cfg(target_arch = "aarch64")]
            Self::DotProd(kernels) => kernels,
            #[cfg(target_arch = "aarch64")]
            Self::I8mm(kernels) => kernels,
            #[cfg(all(target_arch = "arm", target_feature = "dsp"))]
            Self::Dsp(kernels) => kernels,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128(kernels) => kernels,
        }
    }

    /// What the kernels are called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kernels().name()
    }

    /// As [`scalar::linear_i8`].
    ///
    /// # Panics
    /// If a slice is shorter than its shape.
    pub fn linear_i8(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        self.kernels().linear_i8(input, rows, matrix, work, output);
    }

    /// As [`scalar::linear_i16`].
    ///
    /// # Panics
    /// If a slice is shorter than its shape.
    pub fn linear_i16(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        work: &mut Work<'_>,
        output: &mut [i16],
    ) {
        self.kernels().linear_i16(input, rows, matrix, work, output);
    }

    /// As [`scalar::linear_table`].
    ///
    /// # Panics
    /// If a slice is shorter than its shape.
    pub fn linear_table(
        &self,
        input: &[u8],
        rows: usize,
        matrix: &Matrix<'_>,
        table: &[u8; 256],
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        self.kernels().linear_table(input, rows, matrix, table, work, output);
    }

    /// As [`scalar::add_layer_norm`].
    ///
    /// # Panics
    /// If a slice is shorter than its shape.
    pub fn add_layer_norm(
        &self,
        stream: &mut [i16],
        other: &[i16],
        width: usize,
        norm: &LayerNorm<'_>,
        narrow: &mut [u8],
    ) {
        self.kernels().add_layer_norm(stream, other, width, norm, narrow);
    }

    /// As [`scalar::attention`].
    ///
    /// # Panics
    /// If a slice is shorter than its shape.
    pub fn attention(
        &self,
        qkv: &[u8],
        tokens: usize,
        numbers: &Attention<'_>,
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        self.attention_part(qkv, tokens, numbers, &AttentionPart::all(numbers, tokens), work, output);
    }

    /// As [`scalar::attention_part`].
    ///
    /// # Panics
    /// If a slice is shorter than its shape, or there is no such query or head.
    pub fn attention_part(
        &self,
        qkv: &[u8],
        tokens: usize,
        numbers: &Attention<'_>,
        part: &AttentionPart,
        work: &mut Work<'_>,
        output: &mut [u8],
    ) {
        self.kernels().attention_part(qkv, tokens, numbers, part, work, output);
    }
}
