//! A network's numbers as the integers of `typecase-kernels` (`NUMERICS.md`), by the ranges of a calibration.
//!
//! ```text
//! embedding    a word's row i8 with a multiplier of a common scale, positions i16 in that scale      embedding.rs
//! LayerNorm    the stream i16 in one scale; bytes for the next matrix, scale and middle a channel    norm.rs, narrow.rs
//! matrix       weights i8 with a scale an output, the scales of the inputs taken in                  matrix.rs
//! attention    a scale a channel that its partner undoes, one for all products                       attention.rs
//! activation   a table from the range where it is not flat                                           activation.rs
//! head         weights i8 of one scale for all classes                                               here
//! ```
//! Nothing in the case says a scale: each is undone by the numbers that come after, and the last one turns scores into
//! logits.

use typecase_case::sections::encoder::{EncoderPooling, EncoderShape, EncoderWriter};

mod activation;
mod attention;
mod embedding;
mod matrix;
mod narrow;
mod norm;

use self::matrix::{MatrixNumbers, Width};
pub use self::matrix::{MatrixScales, Target};
pub use self::narrow::Narrow;
use self::norm::{NormNumbers, least_scale, wide_scale};
use super::bert::{Bert, Layer};
use super::calibrate::Calibration;
use super::error::ImportError;
use super::forward::Part;
use super::head::LinearHead;
use super::parallel;

/// A section, and what its numbers stand for.
#[derive(Clone, Debug)]
pub struct Quantised {
    /// The section of a case.
    pub section: Vec<u8>,
    /// Its numbers.
    pub shape: EncoderShape,
    /// A score of 1 as a logit.
    pub score_scale: f32,
    /// A pooled number of 1.
    pub pooled_scale: f32,
    /// What the others stand for.
    pub scales: Scales,
}

/// What the integers of a section stand for: nothing in a case says it, training must know.
#[derive(Clone, Debug, PartialEq)]
pub struct Scales {
    /// The sum of a word's row and a position.
    pub embedding: f64,
    /// The stream that enters each layer, and the one that is pooled.
    pub entering: Vec<f64>,
    /// The layers.
    pub layers: Vec<LayerScales>,
    /// The weights of the head.
    pub head: f64,
}

/// What the integers of a layer stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerScales {
    /// Queries, keys, values.
    pub qkv: MatrixScales,
    /// From the heads back to the stream.
    pub output: MatrixScales,
    /// The stream between attention and the feed-forward network.
    pub between: f64,
    /// Into the feed-forward network.
    pub inner: MatrixScales,
    /// Out of it.
    pub outer: MatrixScales,
}

/// What is chosen and not computed.
#[derive(Clone, Copy, Debug)]
pub struct Choices {
    /// Tokens of the longest text, not more than the network has positions.
    pub positions: usize,
    /// How the tokens become one row.
    pub pooling: EncoderPooling,
    /// See [`super::ImportOptions::alpha`].
    pub alpha: f64,
}

/// A network's numbers as a section. The same weights, ranges and choices give the same bytes.
///
/// # Errors
/// [`ImportError`] if no section holds the network: one of its sizes is too large, or a sum may pass 32 bits.
///
/// # Panics
/// If the ranges are of a network of other sizes.
pub fn quantise(
    bert: &Bert,
    head: &LinearHead,
    calibration: &Calibration,
    choices: Choices,
) -> Result<Quantised, ImportError> {
    let layers = bert.layers.len();
    let stream = |norm, layer, part, sum: Option<Part>| {
        wide_scale(norm, calibration.part(layer, part), sum.map(|sum| calibration.part(layer, sum)))
    };
    // The scale of the stream that enters each layer; the last one is pooled.
    let entering: Vec<f64> = (0..=layers)
        .map(|number| {
            let norm = if number == 0 { &bert.norm } else { &bert.layers[number - 1].norm_outer };
            stream(norm, number, Part::AttentionIn, (number < layers).then_some(Part::AttentionSum))
        })
        .collect();
    let of_attention = |number: usize| -> Option<Narrow> {
        let Layer { query, key, value, .. } = bert.layers.get(number)?;
        let norm = if number == 0 { &bert.norm } else { &bert.layers[number - 1].norm_outer };
        let ranges = calibration.part(number, Part::AttentionIn);
        Some(Narrow::of_norm(ranges, &[query, key, value], choices.alpha, |j| least_scale(norm, j)))
    };

    let layer_numbers = |number: &usize| -> Result<LayerNumbers, ImportError> {
        let layer = &bert.layers[*number];
        let part = |part| calibration.part(*number, part);
        let input = of_attention(*number).expect("there is a layer that reads the stream");
        let attention = attention::Plan::of(
            [part(Part::Query), part(Part::Key), part(Part::Value), part(Part::Context)],
            bert.config.channels(),
            &layer.output,
            choices.alpha,
        );
        let linears = [&layer.query, &layer.key, &layer.value];
        let qkv = MatrixNumbers::of(&linears, &input, &attention.targets, Width::Narrow);

        let wide = |scale| vec![Target { scale, centre: 0.0 }; bert.config.hidden_size];
        let magnitudes = |part| {
            let ranges = calibration.part(*number, part);
            (0..ranges.len()).map(|j| ranges.magnitude(j)).collect::<Vec<_>>()
        };
        let out = magnitudes(Part::AttentionOut);
        let targets = wide(entering[*number]);
        let output = MatrixNumbers::of(&[&layer.output], &attention.context, &targets, Width::Wide(&out));

        let between = stream(&layer.norm, *number, Part::InnerIn, Some(Part::OuterSum));
        let input = Narrow::of_norm(part(Part::InnerIn), &[&layer.inner], choices.alpha, |j| {
            least_scale(&layer.norm, j)
        });
        let norm = NormNumbers::of(&layer.norm, between, Some(&input));

        let activation = activation::Plan::of(part(Part::ActivationIn), part(Part::ActivationOut));
        let targets = vec![activation.target; bert.config.intermediate_size];
        let inner = MatrixNumbers::of(&[&layer.inner], &input, &targets, Width::Narrow);
        let out = magnitudes(Part::OuterOut);
        let targets = wide(between);
        let outer = MatrixNumbers::of(&[&layer.outer], &activation.output, &targets, Width::Wide(&out));

        let narrow = of_attention(number + 1);
        let norm_outer = NormNumbers::of(&layer.norm_outer, entering[number + 1], narrow.as_ref());
        let (factor, shift, table) = (attention.factor, attention.shift, activation.table);
        Ok(LayerNumbers { factor, shift, qkv, output, between, norm, inner, table, outer, norm_outer })
    };

    let pooled_scale = entering[layers];
    let head = HeadNumbers::of(head, pooled_scale);
    let shape = shape(bert, head.bias.len() / 4, head.shift, choices)?;
    let mut section = EncoderWriter::new(&shape);
    let embedding = embedding::write(bert, choices.positions, &mut section)?;
    NormNumbers::of(&bert.norm, entering[0], of_attention(0).as_ref()).write(&mut section);
    let numbers = parallel::map(&(0..layers).collect::<Vec<_>>(), layer_numbers)?;
    let layer_scales = numbers.into_iter().map(|numbers| numbers.write(&mut section)).collect();
    section.part(&head.weights).part(&head.bias);
    Ok(Quantised {
        section: section.finish()?,
        shape,
        score_scale: head.score_scale as f32,
        pooled_scale: pooled_scale as f32,
        scales: Scales { embedding, entering, layers: layer_scales, head: head.weight_scale },
    })
}

/// The parts of a layer.
struct LayerNumbers {
    factor: u32,
    shift: u32,
    qkv: MatrixNumbers,
    output: MatrixNumbers,
    /// The scale of the stream after attention.
    between: f64,
    norm: NormNumbers,
    inner: MatrixNumbers,
    table: [u8; 256],
    outer: MatrixNumbers,
    norm_outer: NormNumbers,
}

impl LayerNumbers {
    /// Writes the parts in the order of the section; what they stand for.
    fn write(self, section: &mut EncoderWriter) -> LayerScales {
        section.part(&[self.factor.to_le_bytes(), self.shift.to_le_bytes()].concat());
        let qkv = self.qkv.write(section);
        let output = self.output.write(section);
        self.norm.write(section);
        let inner = self.inner.write(section);
        section.part(&self.table);
        let outer = self.outer.write(section);
        self.norm_outer.write(section);
        LayerScales { qkv, output, between: self.between, inner, outer }
    }
}

fn shape(bert: &Bert, classes: usize, head_shift: u8, choices: Choices) -> Result<EncoderShape, ImportError> {
    let small = |what: &str, size: usize| {
        u16::try_from(size).map_err(|_| {
            ImportError::Options(format!("{size} {what} found, allowed are at most {}", u16::MAX))
        })
    };
    let config = &bert.config;
    Ok(EncoderShape {
        layers: small("layers", config.num_hidden_layers)?,
        heads: small("heads", config.num_attention_heads)?,
        channels: small("channels of a head", config.channels())?,
        inner: small("inner channels", config.intermediate_size)?,
        positions: small("positions", choices.positions)?,
        classes: small("classes", classes)?,
        rows: config.vocab_size as u32,
        pooling: choices.pooling,
        head_shift,
    })
}

/// The head with one scale for all classes: their scores are compared.
struct HeadNumbers {
    weights: Vec<u8>,
    bias: Vec<u8>,
    shift: u8,
    score_scale: f64,
    weight_scale: f64,
}

impl HeadNumbers {
    fn of(head: &LinearHead, pooled_scale: f64) -> Self {
        let largest = head.weights.iter().map(|weight| f64::from(weight.abs())).fold(1e-9, f64::max);
        // Biases without weights have a scale too, of which they take 30 bits at most.
        let largest_bias = head.bias.iter().map(|bias| f64::from(bias.abs())).fold(0.0, f64::max);
        let weight_scale = (largest / 127.0).max(largest_bias / pooled_scale / f64::from(1 << 29));
        let rounded = head.weights.mapv(|weight| (f64::from(weight) / weight_scale).round() as i8);
        let biases = |shift: u8| {
            let scale = pooled_scale * f64::from(shift).exp2() * weight_scale;
            let bias = head.bias.iter().map(move |bias| (f64::from(*bias) / scale).round() as i32);
            (scale, bias)
        };
        // The fewest bits that a pooled number must lose, so that no score of any text passes 32 bits.
        let fits = |shift: &u8| {
            let pooled = ((32_768u64 >> shift) + 1).min(32_768);
            rounded.rows().into_iter().zip(biases(*shift).1).all(|(row, bias)| {
                let sum: u64 = row.iter().map(|weight| u64::from(weight.unsigned_abs())).sum();
                sum * pooled + u64::from(bias.unsigned_abs()) <= i32::MAX as u64
            })
        };
        let shift = (0..=15).find(fits).unwrap_or(15);
        let (score_scale, bias) = biases(shift);
        Self {
            weights: rounded.iter().map(|weight| weight.cast_unsigned()).collect(),
            bias: bias.flat_map(i32::to_le_bytes).collect(),
            shift,
            score_scale,
            weight_scale,
        }
    }
}

/// Rounded, and never the lowest number.
fn i16_of(number: f64) -> i16 {
    number.round().clamp(-32_767.0, 32_767.0) as i16
}

fn i16s(numbers: impl Iterator<Item = i16>) -> Vec<u8> {
    numbers.flat_map(i16::to_le_bytes).collect()
}
