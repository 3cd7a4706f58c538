//! A section, run by the kernels: what a device computes, operator by operator, and what its weights stand for. Training
//! sees the numbers of a network through it.

use typecase_case::sections::encoder::{Encoder, EncoderPooling, MatrixPart, NormPart};
use typecase_kernels::encoder::{
    Attention, BLOCK, Cpu, GROUP, LayerNorm, Matrix, Work, attention_work_len, exp_table, scalar, work_len,
};

use super::quantise::{LayerScales, MatrixScales, Quantised};

/// The integers of a network, on the kernels of a processor: all of them give the same numbers.
#[derive(Clone, Copy, Debug)]
pub struct Integers<'a> {
    quantised: &'a Quantised,
    encoder: Encoder<'a>,
    cpu: Cpu,
}

/// Everything that is computed of a text.
///
/// # Shapes
/// Rows are tokens, but for the pooled row and the scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The stream before the first layer.
    pub stream: Stream,
    /// Each layer.
    pub layers: Vec<LayerSeen>,
    /// One a channel.
    pub pooled: Vec<i16>,
    /// One a class.
    pub scores: Vec<i32>,
}

/// What LayerNorm gives: tokens x width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The sum that it was given.
    pub sum: Vec<i16>,
    /// The residual stream.
    pub wide: Vec<i16>,
    /// Input of the next matrix.
    pub narrow: Vec<u8>,
}

/// What is computed in a layer, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSeen {
    /// Queries, keys, values before they are cut to -127 to 127: tokens x 3 width.
    pub qkv: Vec<i16>,
    /// Weighted values: tokens x width.
    pub context: Vec<u8>,
    /// What attention adds to the stream: tokens x width.
    pub attended: Vec<i16>,
    /// The stream with it.
    pub between: Stream,
    /// Before they are cut to -127 to 127, and the activation: tokens x inner.
    pub inner: Vec<i16>,
    /// After the activation: tokens x inner.
    pub activated: Vec<u8>,
    /// What the feed-forward network adds to the stream: tokens x width.
    pub added: Vec<i16>,
    /// The stream with it.
    pub stream: Stream,
}

impl Quantised {
    /// The numbers on the kernels of this processor.
    ///
    /// # Panics
    /// If [`Self::section`] was replaced by one that is none.
    #[must_use]
    pub fn integers(&self) -> Integers<'_> {
        self.integers_on(Cpu::detect())
    }

    /// The numbers on the kernels of a processor.
    pub(super) fn integers_on(&self, cpu: Cpu) -> Integers<'_> {
        let encoder = Encoder::view(&self.section).expect("the section was checked when it was written");
        Integers { quantised: self, encoder, cpu }
    }
}

impl Integers<'_> {
    /// What a text gives.
    ///
    /// # Panics
    /// If there are no ids or more than positions, or an id is not of the vocabulary.
    #[must_use]
    pub fn run(&self, ids: &[u32]) -> Seen {
        let shape = self.encoder.shape;
        let (width, tokens) = (shape.width(), ids.len());
        let embedding = self.encoder.embedding().expect("a part of a checked section");
        let mut sum = vec![0i16; tokens * width];
        for (place, (id, out)) in ids.iter().zip(sum.chunks_exact_mut(width)).enumerate() {
            let id = *id as usize;
            let row = &embedding.rows[id * width..][..width];
            let position = &embedding.positions[place * width..][..width];
            scalar::embed(row, embedding.multipliers[id], position, out);
        }
        let first = self.norm(sum, &[], &embedding.norm);
        let mut layers: Vec<LayerSeen> = Vec::with_capacity(shape.layers.into());
        for number in 0..shape.layers {
            let stream = layers.last().map_or(&first, |layer| &layer.stream);
            let seen = self.layer(number, tokens, stream);
            layers.push(seen);
        }
        let last = layers.last().map_or(&first, |layer| &layer.stream);
        let mut pooled = vec![0i16; width];
        match shape.pooling {
            EncoderPooling::Mean => scalar::mean_pool(&last.wide, width, &mut pooled),
            EncoderPooling::First => pooled.copy_from_slice(&last.wide[..width]),
        }
        let head = self.encoder.head().expect("a part of a checked section");
        let mut scores = vec![0; shape.classes.into()];
        scalar::head(&pooled, shape.head_shift.into(), head.weights, head.bias, &mut scores);
        Seen { stream: first, layers, pooled, scores }
    }

    fn layer(&self, number: u16, tokens: usize, stream: &Stream) -> LayerSeen {
        let layer = self.encoder.layer(number).expect("a part of a checked section");
        let (cpu, shape) = (self.cpu, self.encoder.shape);
        let (width, inner_width) = (shape.width(), usize::from(shape.inner));
        let channels = shape.channels.into();
        let words = work_len(width.max(inner_width), tokens).max(attention_work_len(tokens, channels));
        let (mut words, mut weights) = (vec![0u64; words], vec![0u8; tokens]);
        let mut work = Work { words: &mut words, weights: &mut weights };
        let linear = |input: &[u8], part: &MatrixPart<'_>, work: &mut Work<'_>| {
            let mut output = vec![0i16; tokens * part.outputs];
            cpu.linear_i16(input, tokens, &matrix(part), work, &mut output);
            output
        };
        let qkv = linear(&stream.narrow, &layer.qkv, &mut work);
        let attention = Attention {
            heads: shape.heads.into(),
            channels,
            factor: layer.factor,
            shift: layer.shift,
            exp: exp_table(),
        };
        let narrow: Vec<u8> = qkv.iter().map(|y| scalar::sat8(*y).cast_unsigned()).collect();
        let mut context = vec![0u8; tokens * width];
        cpu.attention(&narrow, tokens, &attention, &mut work, &mut context);
        let attended = linear(&context, &layer.output, &mut work);
        let between = self.norm(stream.wide.clone(), &attended, &layer.norm);
        let inner = linear(&between.narrow, &layer.inner, &mut work);
        let activated: Vec<u8> =
            inner.iter().map(|y| layer.table[usize::from(scalar::sat8(*y).cast_unsigned() ^ 0x80)]).collect();
        let added = linear(&activated, &layer.outer, &mut work);
        let stream = self.norm(between.wide.clone(), &added, &layer.norm_outer);
        LayerSeen { qkv, context, attended, between, inner, activated, added, stream }
    }

    fn norm(&self, mut sum: Vec<i16>, other: &[i16], part: &NormPart<'_>) -> Stream {
        for (x, o) in sum.iter_mut().zip(other) {
            *x = x.saturating_add(*o);
        }
        let (mut wide, mut narrow) = (sum.clone(), vec![0; sum.len()]);
        self.cpu.add_layer_norm(&mut wide, &[], self.encoder.shape.width(), &norm(part), &mut narrow);
        Stream { sum, wide, narrow }
    }

    /// The embedding of a word as the integers have it.
    ///
    /// # Panics
    /// If the id is not of the vocabulary.
    pub fn word(&self, id: u32) -> impl Iterator<Item = f32> {
        let embedding = self.encoder.embedding().expect("a part of a checked section");
        let (id, width) = (id as usize, self.encoder.shape.width());
        let scale = self.quantised.scales.embedding * f64::from(embedding.multipliers[id]);
        let row = &embedding.rows[id * width..][..width];
        row.iter().map(move |x| (f64::from(x.cast_signed()) * scale) as f32)
    }

    /// The weights of a layer as the integers have them: queries, keys and values; output; inner; outer.
    ///
    /// # Shapes
    /// Inputs x outputs.
    ///
    /// # Panics
    /// If there is no such layer.
    #[must_use]
    pub fn weights(&self, layer: usize) -> [Vec<f32>; 4] {
        let number = u16::try_from(layer).unwrap_or(u16::MAX);
        let part = self.encoder.layer(number).expect("a layer of the section");
        let LayerScales { qkv, output, inner, outer, .. } = &self.quantised.scales.layers[layer];
        [
            weights(&part.qkv, qkv),
            weights(&part.output, output),
            weights(&part.inner, inner),
            weights(&part.outer, outer),
        ]
    }

    /// The weights of the head as the integers have them.
    ///
    /// # Shapes
    /// Inputs x classes.
    ///
    /// # Panics
    /// Never: the section was checked.
    #[must_use]
    pub fn head(&self) -> Vec<f32> {
        let head = self.encoder.head().expect("a part of a checked section");
        let width = self.encoder.shape.width();
        let weight = |class: usize, input: usize| {
            let weight = head.weights[class * width + input].cast_signed();
            (f64::from(weight) * self.quantised.scales.head) as f32
        };
        let classes = head.bias.len();
        (0..width).flat_map(|input| (0..classes).map(move |class| weight(class, input))).collect()
    }
}

/// Packed weights as numbers: inputs x outputs.
fn weights(part: &MatrixPart<'_>, scales: &MatrixScales) -> Vec<f32> {
    let MatrixPart { inputs, outputs, .. } = *part;
    let mut numbers = vec![0.0; inputs * outputs];
    let blocks = part.weights.chunks_exact(inputs.div_ceil(GROUP) * GROUP * BLOCK);
    for (at, (block, sums)) in blocks.zip(scales.sums.chunks(BLOCK)).enumerate() {
        let groups = block.as_chunks::<{ GROUP * BLOCK }>().0;
        for (input, scale) in scales.input.scale.iter().enumerate() {
            let group = &groups[input / GROUP];
            let row = &mut numbers[input * outputs + at * BLOCK..][..sums.len()];
            for (output, (number, sum)) in row.iter_mut().zip(sums).enumerate() {
                let weight = group[output * GROUP + input % GROUP].cast_signed();
                *number = (f64::from(weight) * sum / scale) as f32;
            }
        }
    }
    numbers
}

pub(super) fn matrix<'a>(part: &MatrixPart<'a>) -> Matrix<'a> {
    let MatrixPart { inputs, outputs, weights, bias, sums, shifts, multipliers } = *part;
    Matrix { inputs, outputs, weights, bias, sums, shifts, multipliers }
}

pub(super) fn norm<'a>(part: &NormPart<'a>) -> LayerNorm<'a> {
    let NormPart { gain, offset, gain_narrow, offset_narrow, extra } = *part;
    LayerNorm { gain, offset, gain_narrow, offset_narrow, extra }
}
