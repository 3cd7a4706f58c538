//! The operators of an encoder in the engine's order, over the parts of a case; whoever listens is told of each that is
//! done.

use typecase::engine::{Cpu, Encoder, EncoderPooling, EncoderShape, FormatError, Kind};
use typecase_case::sections::encoder::{MatrixPart, NormPart};
use typecase_kernels::encoder::{
    Attention, LayerNorm, Matrix, Work, attention_work_len, exp_table, scalar, work_len,
};

/// A part of the work, over all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Tokenizer,
    Embed,
    Qkv,
    Attention,
    Output,
    Norm,
    Inner,
    Outer,
    Head,
}

impl Operator {
    /// All, in the order of a layer.
    pub(super) const ALL: [Self; 9] = [
        Self::Tokenizer,
        Self::Embed,
        Self::Qkv,
        Self::Attention,
        Self::Output,
        Self::Norm,
        Self::Inner,
        Self::Outer,
        Self::Head,
    ];
    /// Those that are a matrix.
    pub(super) const MATRICES: [Self; 4] = [Self::Qkv, Self::Output, Self::Inner, Self::Outer];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tokenizer => "tokenizer",
            Self::Embed => "embedding",
            Self::Qkv => "qkv",
            Self::Attention => "attention",
            Self::Output => "output",
            Self::Norm => "add, norm",
            Self::Inner => "inner, table",
            Self::Outer => "outer",
            Self::Head => "pooling, head",
        }
    }

    /// Inputs and outputs, if it is a matrix.
    pub(super) fn matrix(self, shape: &EncoderShape) -> Option<(usize, usize)> {
        let (width, inner) = (shape.width(), usize::from(shape.inner));
        match self {
            Self::Qkv => Some((width, 3 * width)),
            Self::Output => Some((width, width)),
            Self::Inner => Some((width, inner)),
            Self::Outer => Some((inner, width)),
            _ => None,
        }
    }

    /// Multiply-adds of all layers for a text of so many tokens, where they count.
    pub(super) fn products(self, shape: &EncoderShape, tokens: f64) -> Option<f64> {
        let of_a_layer = match (self, self.matrix(shape)) {
            (Self::Attention, _) => Some(2.0 * shape.width() as f64 * tokens * tokens),
            (_, matrix) => matrix.map(|(inputs, outputs)| (inputs * outputs) as f64 * tokens),
        };
        of_a_layer.map(|products| products * f64::from(shape.layers))
    }
}

/// What a run writes to.
pub(super) struct Memory {
    stream: Vec<i16>,
    other: Vec<i16>,
    narrow: Vec<u8>,
    wide: Vec<u8>,
    words: Vec<u64>,
    weights: Vec<u8>,
    scores: Vec<i32>,
}

impl Memory {
    /// For texts of up to so many tokens.
    pub(super) fn new(shape: &EncoderShape, tokens: usize) -> Self {
        let (width, inner) = (shape.width(), usize::from(shape.inner));
        let words = work_len(inner.max(width), tokens).max(attention_work_len(tokens, shape.channels.into()));
        Self {
            stream: vec![0; tokens * width],
            other: vec![0; tokens.max(1) * width],
            narrow: vec![0; tokens * width],
            wide: vec![0; tokens * inner.max(3 * width)],
            words: vec![0; words],
            weights: vec![0; tokens],
            scores: vec![0; shape.classes.into()],
        }
    }
}

/// The scores of ids that a tokenizer gave, at least one; `after` is told of every operator that is done, and in which
/// layer.
pub(super) fn run<'m>(
    encoder: &Encoder<'_>,
    cpu: Cpu,
    ids: &[u32],
    memory: &'m mut Memory,
    mut after: impl FnMut(Operator, usize),
) -> Result<&'m [i32], FormatError> {
    let shape = encoder.shape;
    let (width, inner, tokens) = (shape.width(), usize::from(shape.inner), ids.len());
    let short = FormatError::SectionTooShort { section: Kind::ENCODER.0 };
    let Memory { stream, other, narrow, wide, words, weights, scores } = memory;
    let stream = stream.get_mut(..tokens * width).ok_or(short)?;
    let narrow = narrow.get_mut(..tokens * width).ok_or(short)?;
    let work = &mut Work { words, weights };
    let embedding = encoder.embedding()?;
    let places = stream.chunks_exact_mut(width).zip(embedding.positions.chunks_exact(width));
    for (id, (row, position)) in ids.iter().zip(places) {
        let id = *id as usize;
        let weights = embedding.rows.get(id * width..(id + 1) * width).ok_or(short)?;
        scalar::embed(weights, *embedding.multipliers.get(id).ok_or(short)?, position, row);
    }
    after(Operator::Embed, 0);
    cpu.add_layer_norm(stream, &[], width, &norm(&embedding.norm), narrow);
    after(Operator::Norm, 0);
    for number in 0..shape.layers {
        let layer = encoder.layer(number)?;
        let attention = Attention {
            heads: shape.heads.into(),
            channels: shape.channels.into(),
            factor: layer.factor,
            shift: layer.shift,
            exp: exp_table(),
        };
        let mut after = |operator| after(operator, number.into());
        let other = other.get_mut(..tokens * width).ok_or(short)?;
        let qkv = wide.get_mut(..tokens * 3 * width).ok_or(short)?;
        cpu.linear_i8(narrow, tokens, &matrix(&layer.qkv), work, qkv);
        after(Operator::Qkv);
        cpu.attention(qkv, tokens, &attention, work, narrow);
        after(Operator::Attention);
        cpu.linear_i16(narrow, tokens, &matrix(&layer.output), work, other);
        after(Operator::Output);
        cpu.add_layer_norm(stream, other, width, &norm(&layer.norm), narrow);
        after(Operator::Norm);
        let hidden = wide.get_mut(..tokens * inner).ok_or(short)?;
        cpu.linear_table(narrow, tokens, &matrix(&layer.inner), layer.table, work, hidden);
        after(Operator::Inner);
        cpu.linear_i16(hidden, tokens, &matrix(&layer.outer), work, other);
        after(Operator::Outer);
        cpu.add_layer_norm(stream, other, width, &norm(&layer.norm_outer), narrow);
        after(Operator::Norm);
    }
    let pooled = other.get_mut(..width).ok_or(short)?;
    match shape.pooling {
        EncoderPooling::Mean => scalar::mean_pool(stream, width, pooled),
        EncoderPooling::First => pooled.copy_from_slice(stream.get(..width).ok_or(short)?),
    }
    let head = encoder.head()?;
    scalar::head(pooled, shape.head_shift.into(), head.weights, head.bias, scores);
    after(Operator::Head, 0);
    Ok(scores)
}

/// As the kernels take it.
pub(super) const fn matrix<'a>(part: &MatrixPart<'a>) -> Matrix<'a> {
    let MatrixPart { inputs, outputs, weights, bias, sums, shifts, multipliers } = *part;
    Matrix { inputs, outputs, weights, bias, sums, shifts, multipliers }
}

const fn norm<'a>(part: &NormPart<'a>) -> LayerNorm<'a> {
    let NormPart { gain, offset, gain_narrow, offset_narrow, extra } = *part;
    LayerNorm { gain, offset, gain_narrow, offset_narrow, extra }
}
