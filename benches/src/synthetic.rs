//! An encoder of random numbers in the shape of a real one: what it computes is nonsense, how long that takes is not. No
//! kernel's time depends on the numbers.

use typecase_kernels::encoder::{
    Attention, BLOCK, Cpu, GROUP, LayerNorm, Matrix, Work, attention_work_len, exp_table, scalar, work_len,
};

/// The numbers of an encoder.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Layers.
    pub layers: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Channels of a head.
    pub channels: usize,
    /// Width of the feed-forward network.
    pub inner: usize,
    /// Rows of the embedding.
    pub rows: usize,
    /// Tokens of the longest text.
    pub positions: usize,
    /// Classes.
    pub classes: usize,
}

impl Shape {
    /// all-MiniLM-L6-v2 with four classes.
    pub const MINILM_L6: Self =
        Self { layers: 6, heads: 12, channels: 32, inner: 1536, rows: 30_522, positions: 512, classes: 4 };

    /// Numbers of a token.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.heads * self.channels
    }

    /// Multiplications of all layers in an operator for a text of so many tokens; 0 where they do not count.
    #[must_use]
    pub const fn products(&self, operator: Operator, tokens: usize) -> usize {
        let width = self.width();
        let of_a_layer = match operator {
            Operator::Qkv => 3 * width * width * tokens,
            Operator::Attention => 2 * width * tokens * tokens,
            Operator::Output => width * width * tokens,
            Operator::Inner | Operator::Outer => width * self.inner * tokens,
            Operator::Embed | Operator::Norm | Operator::Head => 0,
        };
        of_a_layer * self.layers
    }
}

/// A part of the work, over all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Rows of the ids, and their norm.
    Embed,
    /// Queries, keys and values.
    Qkv,
    /// Attention.
    Attention,
    /// From attention to the stream.
    Output,
    /// Sums and norms of all layers.
    Norm,
    /// To the feed-forward network, activation included.
    Inner,
    /// From the feed-forward network.
    Outer,
    /// Mean and scores.
    Head,
}

impl Operator {
    /// All, in the order of a layer.
    pub const ALL: [Self; 8] = [
        Self::Embed,
        Self::Qkv,
        Self::Attention,
        Self::Output,
        Self::Norm,
        Self::Inner,
        Self::Outer,
        Self::Head,
    ];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embed => "embed",
            Self::Qkv => "qkv",
            Self::Attention => "attention",
            Self::Output => "out",
            Self::Norm => "norm",
            Self::Inner => "inner",
            Self::Outer => "outer",
            Self::Head => "head",
        }
    }
}

/// An encoder.
#[derive(Debug)]
pub struct Encoder {
    shape: Shape,
    rows: Lines,
    multipliers: Vec<u8>,
    positions: Vec<[u8; 2]>,
    norm: OwnedNorm,
    layers: Vec<Layer>,
    head_weights: Vec<u8>,
    head_bias: Vec<[u8; 4]>,
}

#[derive(Debug)]
struct Layer {
    qkv: OwnedMatrix,
    output: OwnedMatrix,
    norm: OwnedNorm,
    inner: OwnedMatrix,
    table: [u8; 256],
    outer: OwnedMatrix,
    norm_outer: OwnedNorm,
}

/// What an inference writes to.
#[derive(Debug)]
pub struct Memory {
    stream: Vec<i16>,
    narrow: Lines,
    wide: Vec<i16>,
    qkv: Lines,
    inner: Lines,
    words: Vec<u64>,
    weights: Vec<u8>,
    pooled: Vec<i16>,
    scores: Vec<i32>,
}

impl Encoder {
    /// The same numbers every time.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let mut random = Random(1);
        let (width, inner) = (shape.width(), shape.inner);
        let mut layer = || Layer {
            qkv: OwnedMatrix::new(width, 3 * width, &mut random),
            output: OwnedMatrix::new(width, width, &mut random),
            norm: OwnedNorm::new(width, &mut random),
            inner: OwnedMatrix::new(width, inner, &mut random),
            table: core::array::from_fn(|at| at as u8),
            outer: OwnedMatrix::new(inner, width, &mut random),
            norm_outer: OwnedNorm::new(width, &mut random),
        };
        let layers = (0..shape.layers).map(|_| layer()).collect();
        Self {
            shape,
            rows: Lines::new(shape.rows * width, || random.weight()),
            multipliers: (0..shape.rows).map(|_| random.next() as u8).collect(),
            positions: (0..shape.positions * width).map(|_| random.below(4096).to_le_bytes()).collect(),
            norm: OwnedNorm::new(width, &mut random),
            layers,
            head_weights: (0..shape.classes * width).map(|_| random.weight()).collect(),
            head_bias: vec![[0; 4]; shape.classes],
        }
    }

    /// Its numbers.
    #[must_use]
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Memory for texts of up to so many tokens.
    #[must_use]
    pub fn memory(&self, tokens: usize) -> Memory {
        let (width, inner) = (self.shape.width(), self.shape.inner);
        Memory {
            stream: vec![0; tokens * width],
            narrow: Lines::new(tokens * width, || 0),
            wide: vec![0; tokens * width],
            qkv: Lines::new(tokens * 3 * width, || 0),
            inner: Lines::new(tokens * inner, || 0),
            words: vec![
                0;
                work_len(inner.max(width), tokens)
                    .max(attention_work_len(tokens, self.shape.channels))
            ],
            weights: vec![0; tokens],
            pooled: vec![0; width],
            scores: vec![0; self.shape.classes],
        }
    }

    /// The scores of ids; `after` is told of every operator that is done.
    ///
    /// # Panics
    /// If there are more ids than `memory` or positions, or one has no row.
    pub fn run<'m>(
        &self,
        cpu: Cpu,
        ids: &[u32],
        memory: &'m mut Memory,
        mut after: impl FnMut(Operator),
    ) -> &'m [i32] {
        let (width, tokens) = (self.shape.width(), ids.len());
        let Memory { stream, narrow, wide, qkv, inner, words, weights, pooled, scores } = memory;
        let (stream, wide) = (&mut stream[..tokens * width], &mut wide[..tokens * width]);
        let narrow = &mut narrow.bytes_mut()[..tokens * width];
        let qkv = &mut qkv.bytes_mut()[..tokens * 3 * width];
        let inner = &mut inner.bytes_mut()[..tokens * self.shape.inner];
        let work = &mut Work { words, weights };

        let places = self.positions.chunks_exact(width).zip(stream.chunks_exact_mut(width));
        for (id, (position, stream)) in ids.iter().zip(places) {
            let id = *id as usize;
            scalar::embed(&self.rows.bytes()[id * width..][..width], self.multipliers[id], position, stream);
        }
        cpu.add_layer_norm(stream, &[], width, &self.norm.view(), narrow);
        after(Operator::Embed);
        let attention = Attention {
            heads: self.shape.heads,
            channels: self.shape.channels,
            factor: 1024,
            shift: 20,
            exp: exp_table(),
        };
        for layer in &self.layers {
            cpu.linear_i8(narrow, tokens, &layer.qkv.view(), work, qkv);
            after(Operator::Qkv);
            cpu.attention(qkv, tokens, &attention, work, narrow);
            after(Operator::Attention);
            cpu.linear_i16(narrow, tokens, &layer.output.view(), work, wide);
            after(Operator::Output);
            cpu.add_layer_norm(stream, wide, width, &layer.norm.view(), narrow);
            after(Operator::Norm);
            cpu.linear_table(narrow, tokens, &layer.inner.view(), &layer.table, work, inner);
            after(Operator::Inner);
            cpu.linear_i16(inner, tokens, &layer.outer.view(), work, wide);
            after(Operator::Outer);
            cpu.add_layer_norm(stream, wide, width, &layer.norm_outer.view(), narrow);
            after(Operator::Norm);
        }
        scalar::mean_pool(stream, width, pooled);
        scalar::head(pooled, 4, &self.head_weights, &self.head_bias, scores);
        after(Operator::Head);
        scores
    }
}

#[derive(Debug)]
struct OwnedMatrix {
    inputs: usize,
    outputs: usize,
    weights: Lines,
    bias: Vec<[u8; 4]>,
    sums: Vec<[u8; 4]>,
    shifts: Vec<u8>,
    multipliers: Vec<[u8; 2]>,
}

impl OwnedMatrix {
    /// Of whole blocks and groups.
    fn new(inputs: usize, outputs: usize, random: &mut Random) -> Self {
        assert!(inputs.is_multiple_of(GROUP) && outputs.is_multiple_of(BLOCK), "{inputs} x {outputs}");
        let weights = Lines::new(Matrix::packed_len(inputs, outputs), || random.weight());
        let sum = |output: usize| -> i32 {
            let weight = |k| weights.bytes()[Matrix::packed_at(inputs, output, k)].cast_signed();
            (0..inputs).map(|k| i32::from(weight(k))).sum()
        };
        let sums: Vec<i32> = (0..outputs).map(sum).collect();
        Self {
            inputs,
            outputs,
            // The zero of the inputs is 128.
            bias: sums.iter().map(|sum| (-128 * sum).to_le_bytes()).collect(),
            sums: sums.iter().map(|sum| sum.to_le_bytes()).collect(),
            weights,
            shifts: vec![4; outputs],
            multipliers: (0..outputs).map(|_| (512 + random.below(512)).to_le_bytes()).collect(),
        }
    }

    fn view(&self) -> Matrix<'_> {
        Matrix {
            inputs: self.inputs,
            outputs: self.outputs,
            weights: self.weights.bytes(),
            bias: &self.bias,
            sums: &self.sums,
            shifts: &self.shifts,
            multipliers: &self.multipliers,
        }
    }
}

#[derive(Debug)]
struct OwnedNorm {
    gain: Vec<[u8; 2]>,
    offset: Vec<[u8; 2]>,
    offset_narrow: Vec<[u8; 2]>,
}

impl OwnedNorm {
    /// Bits that a narrow result loses: its deviation is about 32 then, its mean 128.
    const EXTRA: u32 = 2;

    fn new(width: usize, random: &mut Random) -> Self {
        let mut numbers = |base: i16| (0..width).map(|_| (base + random.below(512)).to_le_bytes()).collect();
        Self { gain: numbers(8192), offset: numbers(-256), offset_narrow: numbers(128 << Self::EXTRA) }
    }

    fn view(&self) -> LayerNorm<'_> {
        LayerNorm {
            gain: &self.gain,
            offset: &self.offset,
            gain_narrow: &self.gain,
            offset_narrow: &self.offset_narrow,
            extra: Self::EXTRA,
        }
    }
}

/// Bytes that begin at a multiple of 64, as they do in a case.
#[derive(Debug)]
struct Lines {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Lines {
    const ALIGN: usize = 64;

    fn new(len: usize, mut byte: impl FnMut() -> u8) -> Self {
        let mut memory = vec![0; len + Self::ALIGN];
        let start = memory.as_ptr().align_offset(Self::ALIGN).min(Self::ALIGN);
        memory[start..start + len].fill_with(&mut byte);
        Self { memory, start, len }
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    const fn below(&mut self, limit: i16) -> i16 {
        (self.next() % limit as u64) as i16
    }

    /// -127 to 127.
    const fn weight(&mut self) -> u8 {
        ((self.next() % 255) as u8).wrapping_sub(127)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_processor_gives_the_same_scores_which_are_not_all_the_same() {
        let shape =
            Shape { layers: 2, heads: 2, channels: 32, inner: 128, rows: 64, positions: 16, classes: 4 };
        let encoder = Encoder::new(shape);
        let ids: Vec<u32> = (0..11).collect();
        let mut memory = encoder.memory(16);
        let expected = encoder.run(Cpu::Scalar, &ids, &mut memory, |_| ()).to_vec();
        assert!(expected.iter().any(|score| score != &expected[0]), "{expected:?}");
        let busy = memory.narrow.bytes().iter().filter(|byte| !matches!(byte, 0 | 255)).count();
        assert!(busy > memory.narrow.len / 2, "numbers are cut");
        for cpu in Cpu::all() {
            assert_eq!(encoder.run(cpu, &ids, &mut memory, |_| ()), expected, "{cpu}");
        }
    }
}
