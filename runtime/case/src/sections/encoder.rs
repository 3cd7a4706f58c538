//! An encoder of integers: embeddings, layers of attention and a feed-forward network, a head. The numbers alone;
//! `typecase-kernels` (`NUMERICS.md`) gives them their meaning.
//!
//! ```text
//! 0   2   layers, 1 to 48
//! 2   2   heads, 1 to 64
//! 4   2   channels of a head, 4 to 256, a multiple of 4
//! 6   2   inner width of the feed-forward network, 4 to 16384, a multiple of 4
//! 8   2   positions: tokens of the longest text, 1 to 4096
//! 10  2   classes, 2 to 65535
//! 12  4   rows of the embedding, 1 to 2^22
//! 16  1   pooling: 0 mean of the tokens, 1 the first token
//! 17  1   shift of the pooled numbers, 0 to 15
//! 18  46  zero
//! 64      the parts, each filled up with zeros to a multiple of 64; width = heads * channels
//! ```
//! The parts: rows (`rows * width`, i8), their multipliers (`rows`, u8), positions (`positions * width`, i16), a norm; for
//! each layer `factor` and `shift` of attention (2 u32), the matrix of queries, keys and values (3 width x width), the
//! matrix of the output (width x width), a norm, the inner matrix (inner x width), a table (256), the outer matrix
//! (width x inner), a norm; the head's weights (`classes * width`, i8) and bias (`classes`, i32).
//!
//! A norm: `extra` (u32), then gain, offset, narrow gain, narrow offset (`width`, i16 each). A matrix of N outputs and K
//! inputs: weights packed in blocks of 16 outputs and groups of 4 inputs (`ceil(N / 16) * ceil(K / 4) * 64`, i8), bias (N,
//! i32), sums of the weights (N, i32), shifts (N, u8), multipliers (N, i16). Each of these begins at a multiple of 64.

use crate::container::Kind;
use crate::error::Error;
use crate::reader::Reader;

/// Parts begin at multiples of this.
const ALIGN: u64 = 64;
/// Bytes of the numbers in front.
const HEADER: u64 = 64;

/// How the tokens become one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncoderPooling {
    /// The mean of all.
    Mean,
    /// The first.
    First,
}

/// The numbers of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderShape {
    /// Layers.
    pub layers: u16,
    /// Heads of attention.
    pub heads: u16,
    /// Channels of a head.
    pub channels: u16,
    /// Width within the feed-forward network.
    pub inner: u16,
    /// Tokens of the longest text.
    pub positions: u16,
    /// Classes.
    pub classes: u16,
    /// Rows of the embedding, one an id.
    pub rows: u32,
    /// How the tokens become one row.
    pub pooling: EncoderPooling,
    /// Bits that a pooled number loses before the head.
    pub head_shift: u8,
}

/// A layer's weights as they are stored.
#[derive(Clone, Copy, Debug)]
pub struct MatrixPart<'a> {
    /// Numbers of a row of the input.
    pub inputs: usize,
    /// Numbers of a row of the output.
    pub outputs: usize,
    /// Packed weights, i8.
    pub weights: &'a [u8],
    /// i32, one an output.
    pub bias: &'a [[u8; 4]],
    /// Sums of the weights, i32, one an output.
    pub sums: &'a [[u8; 4]],
    /// One an output.
    pub shifts: &'a [u8],
    /// i16, one an output.
    pub multipliers: &'a [[u8; 2]],
}

/// A LayerNorm's numbers as they are stored: i16, one a channel.
#[derive(Clone, Copy, Debug)]
pub struct NormPart<'a> {
    /// For the wide result.
    pub gain: &'a [[u8; 2]],
    /// For the wide result.
    pub offset: &'a [[u8; 2]],
    /// For the narrow result.
    pub gain_narrow: &'a [[u8; 2]],
    /// For the narrow result.
    pub offset_narrow: &'a [[u8; 2]],
    /// Bits that the narrow result then loses.
    pub extra: u32,
}

/// What turns ids into the first rows.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingPart<'a> {
    /// Rows x width, i8.
    pub rows: &'a [u8],
    /// One a row.
    pub multipliers: &'a [u8],
    /// Positions x width, i16.
    pub positions: &'a [[u8; 2]],
    /// What follows.
    pub norm: NormPart<'a>,
}

/// A layer.
#[derive(Clone, Copy, Debug)]
pub struct LayerPart<'a> {
    /// Steps of the exponential function for a product, times two to the power of `shift`.
    pub factor: u32,
    /// See `factor`.
    pub shift: u32,
    /// Queries, keys, values.
    pub qkv: MatrixPart<'a>,
    /// What attention gives, to the stream.
    pub output: MatrixPart<'a>,
    /// After attention.
    pub norm: NormPart<'a>,
    /// To the feed-forward network.
    pub inner: MatrixPart<'a>,
    /// The activation.
    pub table: &'a [u8; 256],
    /// From the feed-forward network.
    pub outer: MatrixPart<'a>,
    /// After it.
    pub norm_outer: NormPart<'a>,
}

/// From the pooled row to the scores.
#[derive(Clone, Copy, Debug)]
pub struct HeadPart<'a> {
    /// Classes x width, i8.
    pub weights: &'a [u8],
    /// i32, one a class.
    pub bias: &'a [[u8; 4]],
}

const fn aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGN)
}

impl EncoderShape {
    /// Numbers of a token.
    #[must_use]
    pub const fn width(&self) -> usize {
        (self.heads as usize).saturating_mul(self.channels as usize)
    }

    const fn matrix_bytes(outputs: u64, inputs: u64) -> u64 {
        let weights = outputs.div_ceil(16).saturating_mul(inputs.div_ceil(4)).saturating_mul(64);
        let words = aligned(outputs.saturating_mul(4));
        weights
            .saturating_add(words.saturating_mul(2))
            .saturating_add(aligned(outputs))
            .saturating_add(aligned(outputs.saturating_mul(2)))
    }

    const fn norm_bytes(width: u64) -> u64 {
        ALIGN.saturating_add(aligned(width.saturating_mul(2)).saturating_mul(4))
    }

    const fn embedding_bytes(&self) -> u64 {
        let width = self.width() as u64;
        aligned((self.rows as u64).saturating_mul(width))
            .saturating_add(aligned(self.rows as u64))
            .saturating_add(aligned((self.positions as u64).saturating_mul(width).saturating_mul(2)))
            .saturating_add(Self::norm_bytes(width))
    }

    const fn layer_bytes(&self) -> u64 {
        let (width, inner) = (self.width() as u64, self.inner as u64);
        ALIGN
            .saturating_add(Self::matrix_bytes(width.saturating_mul(3), width))
            .saturating_add(Self::matrix_bytes(width, width))
            .saturating_add(Self::matrix_bytes(inner, width))
            .saturating_add(256)
            .saturating_add(Self::matrix_bytes(width, inner))
            .saturating_add(Self::norm_bytes(width).saturating_mul(2))
    }

    /// Bytes of a whole section of this shape.
    #[must_use]
    pub const fn section_bytes(&self) -> u64 {
        let classes = self.classes as u64;
        HEADER
            .saturating_add(self.embedding_bytes())
            .saturating_add(self.layer_bytes().saturating_mul(self.layers as u64))
            .saturating_add(aligned(classes.saturating_mul(self.width() as u64)))
            .saturating_add(aligned(classes.saturating_mul(4)))
    }
}

/// Takes parts off the front, with the zeros that fill them up.
struct Parts<'a> {
    reader: Reader<'a>,
    /// Are the zeros looked at?
    checks: bool,
}

impl<'a> Parts<'a> {
    fn part(&mut self, bytes: u64) -> Result<&'a [u8], Error> {
        let short = Error::SectionTooShort { section: Kind::ENCODER.0 };
        let part = self.reader.take(usize::try_from(bytes).map_err(|_| short)?)?;
        let padding = usize::try_from(aligned(bytes).saturating_sub(bytes)).map_err(|_| short)?;
        if self.checks {
            self.reader.zeros(padding)?;
        } else {
            self.reader.take(padding)?;
        }
        Ok(part)
    }

    fn items<const N: usize>(&mut self, count: usize) -> Result<&'a [[u8; N]], Error> {
        Ok(self.part((count as u64).saturating_mul(N as u64))?.as_chunks().0)
    }

    fn matrix(&mut self, outputs: usize, inputs: usize) -> Result<MatrixPart<'a>, Error> {
        let blocks = outputs.div_ceil(16).saturating_mul(inputs.div_ceil(4)) as u64;
        Ok(MatrixPart {
            inputs,
            outputs,
            weights: self.part(blocks.saturating_mul(64))?,
            bias: self.items(outputs)?,
            sums: self.items(outputs)?,
            shifts: self.part(outputs as u64)?,
            multipliers: self.items(outputs)?,
        })
    }

    fn norm(&mut self, width: usize) -> Result<NormPart<'a>, Error> {
        let extra = self.items::<4>(1)?.first().copied().map_or(0, u32::from_le_bytes);
        Ok(NormPart {
            extra,
            gain: self.items(width)?,
            offset: self.items(width)?,
            gain_narrow: self.items(width)?,
            offset_narrow: self.items(width)?,
        })
    }

    fn embedding(&mut self, shape: &EncoderShape) -> Result<EmbeddingPart<'a>, Error> {
        let width = shape.width();
        Ok(EmbeddingPart {
            rows: self.part(u64::from(shape.rows).saturating_mul(width as u64))?,
            multipliers: self.part(shape.rows.into())?,
            positions: self.items(usize::from(shape.positions).saturating_mul(width))?,
            norm: self.norm(width)?,
        })
    }

    fn layer(&mut self, shape: &EncoderShape) -> Result<LayerPart<'a>, Error> {
        let (width, inner) = (shape.width(), usize::from(shape.inner));
        let numbers = self.items::<4>(2)?;
        let number = |at: usize| numbers.get(at).copied().map_or(0, u32::from_le_bytes);
        let short = Error::SectionTooShort { section: Kind::ENCODER.0 };
        Ok(LayerPart {
            factor: number(0),
            shift: number(1),
            qkv: self.matrix(width.saturating_mul(3), width)?,
            output: self.matrix(width, width)?,
            norm: self.norm(width)?,
            inner: self.matrix(inner, width)?,
            table: self.part(256)?.first_chunk().ok_or(short)?,
            outer: self.matrix(width, inner)?,
            norm_outer: self.norm(width)?,
        })
    }

    fn head(&mut self, shape: &EncoderShape) -> Result<HeadPart<'a>, Error> {
        let classes = usize::from(shape.classes);
        let weights = self.part((classes as u64).saturating_mul(shape.width() as u64))?;
        Ok(HeadPart { weights, bias: self.items(classes)? })
    }
}

/// A checked encoder.
#[derive(Clone, Copy, Debug)]
pub struct Encoder<'a> {
    /// Its numbers.
    pub shape: EncoderShape,
    bytes: &'a [u8],
}

impl<'a> Encoder<'a> {
    /// No encoder: what stands where none can be read.
    pub const EMPTY: Self = Self {
        shape: EncoderShape {
            layers: 0,
            heads: 1,
            channels: 4,
            inner: 4,
            positions: 0,
            classes: 2,
            rows: 0,
            pooling: EncoderPooling::Mean,
            head_shift: 0,
        },
        bytes: &[],
    };

    /// Checks the section whole, and that no number can pass its bits, whatever the text.
    ///
    /// # Errors
    /// [`Error`] names the first rule that is broken.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let encoder = Self::view(bytes)?;
        encoder.check()?;
        Ok(encoder)
    }

    /// Looks at bytes that [`Self::parse`] accepted: only their header is read.
    ///
    /// # Errors
    /// [`Error`], which bytes that were accepted never give.
    pub fn view(bytes: &'a [u8]) -> Result<Self, Error> {
        let section = Kind::ENCODER.0;
        let mut reader = Reader::new(bytes, section);
        let [layers, heads, channels, inner, positions, classes] =
            [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        let rows = reader.u32()?;
        let [pooling, head_shift] = reader.array()?;
        reader.zeros(46)?;
        let in_range = [
            ("number of layers", u64::from(layers), (1..=48).contains(&layers)),
            ("number of heads", heads.into(), (1..=64).contains(&heads)),
            ("channels of a head", channels.into(), (4..=256).contains(&channels) && channels % 4 == 0),
            (
                "width",
                u64::from(heads).saturating_mul(channels.into()),
                heads.saturating_mul(channels) <= 4096,
            ),
            ("inner width", inner.into(), (4..=16_384).contains(&inner) && inner % 4 == 0),
            ("number of positions", positions.into(), (1..=4096).contains(&positions)),
            ("number of classes", classes.into(), classes >= 2),
            ("number of rows", rows.into(), (1..=1 << 22).contains(&rows)),
            ("pooling", pooling.into(), pooling <= 1),
            ("shift of the pooled numbers", head_shift.into(), head_shift <= 15),
        ];
        if let Some((what, found, _)) = in_range.into_iter().find(|(_, _, is_in_range)| !is_in_range) {
            return Err(Error::OutOfRange { section, what, found });
        }
        let pooling = if pooling == 0 { EncoderPooling::Mean } else { EncoderPooling::First };
        let shape =
            EncoderShape { layers, heads, channels, inner, positions, classes, rows, pooling, head_shift };
        let needed = shape.section_bytes();
        if needed > bytes.len() as u64 {
            return Err(Error::SectionTooShort { section });
        }
        if needed < bytes.len() as u64 {
            return Err(Error::SectionTooLong { section, left: (bytes.len() as u64).saturating_sub(needed) });
        }
        Ok(Self { shape, bytes })
    }

    fn parts_from(&self, offset: u64, checks: bool) -> Parts<'a> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.bytes.get(offset..));
        Parts { reader: Reader::new(rest.unwrap_or_default(), Kind::ENCODER.0), checks }
    }

    /// What turns ids into the first rows.
    ///
    /// # Errors
    /// None for a section that was accepted.
    pub fn embedding(&self) -> Result<EmbeddingPart<'a>, Error> {
        self.parts_from(HEADER, false).embedding(&self.shape)
    }

    /// A layer by its number, from 0.
    ///
    /// # Errors
    /// [`Error::SectionTooShort`] if there is none.
    pub fn layer(&self, number: u16) -> Result<LayerPart<'a>, Error> {
        if number >= self.shape.layers {
            return Err(Error::SectionTooShort { section: Kind::ENCODER.0 });
        }
        let before = self.shape.layer_bytes().saturating_mul(number.into());
        let offset = HEADER.saturating_add(self.shape.embedding_bytes()).saturating_add(before);
        self.parts_from(offset, false).layer(&self.shape)
    }

    /// From the pooled row to the scores.
    ///
    /// # Errors
    /// None for a section that was accepted.
    pub fn head(&self) -> Result<HeadPart<'a>, Error> {
        let layers = self.shape.layer_bytes().saturating_mul(self.shape.layers.into());
        let offset = HEADER.saturating_add(self.shape.embedding_bytes()).saturating_add(layers);
        self.parts_from(offset, false).head(&self.shape)
    }

    /// Every part, and that it keeps to its bounds.
    fn check(&self) -> Result<(), Error> {
        let mut parts = self.parts_from(HEADER, true);
        let embedding = parts.embedding(&self.shape)?;
        check_norm(&embedding.norm)?;
        let (channels, positions) = (u64::from(self.shape.channels), u64::from(self.shape.positions));
        // The weights of attention are at most 255, the values at most 127 in magnitude.
        within("weighted sum of attention", positions.saturating_mul(255 * 127))?;
        for _ in 0..self.shape.layers {
            let layer = parts.layer(&self.shape)?;
            out_of("shift of attention", layer.shift.into(), (1..=30).contains(&layer.shift))?;
            let distance = channels.saturating_mul(2 * 127 * 127).saturating_mul(layer.factor.into());
            let half = 1u64 << layer.shift.saturating_sub(1).min(31);
            within("distance of attention", distance.saturating_add(half))?;
            for matrix in [layer.qkv, layer.output, layer.inner, layer.outer] {
                check_matrix(&matrix)?;
            }
            check_norm(&layer.norm)?;
            check_norm(&layer.norm_outer)?;
        }
        let head = parts.head(&self.shape)?;
        parts.reader.finish()?;
        // Rounding upwards can reach the power of two.
        let pooled = (32_768u64 >> self.shape.head_shift).saturating_add(1).min(32_768);
        let width = self.shape.width();
        for (weights, bias) in head.weights.chunks_exact(width.max(1)).zip(head.bias) {
            let sum: u64 = weights.iter().map(|w| u64::from(w.cast_signed().unsigned_abs())).sum();
            let bias = u64::from(i32::from_le_bytes(*bias).unsigned_abs());
            within("score of a text", sum.saturating_mul(pooled).saturating_add(bias))?;
        }
        Ok(())
    }
}

fn out_of(what: &'static str, found: u64, is_in_range: bool) -> Result<(), Error> {
    if is_in_range { Ok(()) } else { Err(Error::OutOfRange { section: Kind::ENCODER.0, what, found }) }
}

fn within(what: &'static str, bound: u64) -> Result<(), Error> {
    if bound <= i32::MAX as u64 { Ok(()) } else { Err(Error::Overflow { what, bound }) }
}

fn check_norm(norm: &NormPart<'_>) -> Result<(), Error> {
    let lowest = |gains: &[[u8; 2]]| gains.iter().any(|gain| i16::from_le_bytes(*gain) == i16::MIN);
    // A product of two lowest numbers is the only one that would saturate.
    out_of("gain of a norm", 32_768, !lowest(norm.gain) && !lowest(norm.gain_narrow))?;
    out_of("bits that a norm loses", norm.extra.into(), norm.extra <= 7)
}

/// The weights are -127 to 127 and zero where they fill up, their sums are those stored, and no accumulator passes 32
/// bits, with unsigned inputs or with signed ones.
fn check_matrix(matrix: &MatrixPart<'_>) -> Result<(), Error> {
    let groups = matrix.inputs.div_ceil(4);
    for (number, block) in matrix.weights.chunks_exact(groups.saturating_mul(64).max(1)).enumerate() {
        let Sums { sums, magnitudes, has_lowest } = Sums::of(block);
        out_of("weight", 128, !has_lowest)?;
        let first = number.saturating_mul(16);
        for (at, (sum, magnitude)) in sums.iter().zip(magnitudes).enumerate() {
            let output = first.saturating_add(at);
            let (Some(bias), Some(stored)) = (matrix.bias.get(output), matrix.sums.get(output)) else {
                out_of("weight of an output that is not there", magnitude.into(), magnitude == 0)?;
                continue;
            };
            let stored = i32::from_le_bytes(*stored);
            if stored != *sum {
                let (left, right) = (i64::from(stored).cast_unsigned(), i64::from(*sum).cast_unsigned());
                return Err(Error::Mismatch { what: "sum of weights and the weights", left, right });
            }
            let bias = i64::from(i32::from_le_bytes(*bias));
            let signed = bias.saturating_add(i64::from(stored).saturating_mul(128));
            let magnitude = u64::from(magnitude);
            within("sum of a matrix", magnitude.saturating_mul(255).saturating_add(bias.unsigned_abs()))?;
            within(
                "sum of a matrix with signed inputs",
                magnitude.saturating_mul(128).saturating_add(signed.unsigned_abs()),
            )?;
        }
    }
    if let Some(multiplier) = matrix.multipliers.iter().map(|m| i16::from_le_bytes(*m)).find(|m| *m < 0) {
        return out_of("multiplier of a matrix", multiplier.unsigned_abs().into(), false);
    }
    if let Some(shift) = matrix.shifts.iter().find(|shift| !(1..=24).contains(*shift)) {
        return out_of("shift of a matrix", (*shift).into(), false);
    }
    Ok(())
}

/// What a block of 16 outputs holds.
struct Sums {
    sums: [i32; 16],
    magnitudes: [u32; 16],
    has_lowest: bool,
}

impl Sums {
    /// Without a branch and in lanes of 16 bits, since there are many: that is what vector instructions of any processor
    /// do 8 or more of at once.
    fn of(block: &[u8]) -> Self {
        let (mut sums, mut magnitudes, mut lowest) = ([0i32; 16], [0u32; 16], [0u8; 64]);
        // 255 times 128 fit into 16 bits.
        for groups in block.as_chunks::<64>().0.chunks(255) {
            let (mut some, mut sizes) = ([0i16; 64], [0i16; 64]);
            for group in groups {
                for (((weight, sum), size), lowest) in
                    group.iter().zip(&mut some).zip(&mut sizes).zip(&mut lowest)
                {
                    let weight = weight.cast_signed();
                    let wide = i16::from(weight);
                    *sum = sum.wrapping_add(wide);
                    *size = size.wrapping_add(wide.max(0i16.wrapping_sub(wide)));
                    *lowest |= u8::from(weight == i8::MIN);
                }
            }
            let fours = some.as_chunks::<4>().0.iter().zip(sizes.as_chunks::<4>().0);
            for ((sum, magnitude), (some, sizes)) in sums.iter_mut().zip(&mut magnitudes).zip(fours) {
                *sum = some.iter().fold(*sum, |sum, &part| sum.wrapping_add(part.into()));
                *magnitude =
                    sizes.iter().fold(*magnitude, |sum, &part| sum.wrapping_add(part.unsigned_abs().into()));
            }
        }
        Self { sums, magnitudes, has_lowest: lowest.iter().any(|&is_lowest| is_lowest != 0) }
    }
}

/// An encoder that is written: the parts in the order of the section.
#[cfg(feature = "write")]
#[derive(Clone, Debug)]
pub struct EncoderWriter {
    bytes: alloc::vec::Vec<u8>,
}

#[cfg(feature = "write")]
impl EncoderWriter {
    /// Begins with the numbers.
    #[must_use]
    pub fn new(shape: &EncoderShape) -> Self {
        let mut bytes = alloc::vec::Vec::new();
        for number in [shape.layers, shape.heads, shape.channels, shape.inner, shape.positions, shape.classes]
        {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(shape.rows.to_le_bytes());
        bytes.extend([u8::from(shape.pooling == EncoderPooling::First), shape.head_shift]);
        bytes.resize(64, 0);
        Self { bytes }
    }

    /// The next part, filled up with zeros.
    pub fn part(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(64), 0);
        self
    }

    /// The section.
    ///
    /// # Errors
    /// What [`Encoder::parse`] finds wrong with it.
    pub fn finish(self) -> Result<alloc::vec::Vec<u8>, Error> {
        Encoder::parse(&self.bytes)?;
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output by output, wide enough for anything.
    fn plain(block: &[u8]) -> ([i32; 16], [u32; 16], bool) {
        let (mut sums, mut magnitudes) = ([0; 16], [0; 16]);
        for (at, weight) in block.iter().map(|weight| weight.cast_signed()).enumerate() {
            sums[at % 64 / 4] += i32::from(weight);
            magnitudes[at % 64 / 4] += u32::from(weight.unsigned_abs());
        }
        (sums, magnitudes, block.contains(&i8::MIN.cast_unsigned()))
    }

    #[test]
    fn sums_of_weights_are_exact_for_any_number_of_groups_and_for_extremes() {
        for groups in [0usize, 1, 96, 254, 255, 256, 511, 768] {
            let block = |weight: &dyn Fn(usize) -> i8| -> alloc::vec::Vec<u8> {
                (0..groups * 64).map(|at| weight(at).cast_unsigned()).collect()
            };
            let blocks = [
                block(&|_| i8::MAX),
                block(&|_| i8::MIN),
                block(&|_| -i8::MAX),
                block(&|at| at.wrapping_mul(0x9e37_79b9).to_le_bytes()[2].cast_signed()),
                block(&|at| if at + 1 == groups * 64 { i8::MIN } else { 1 }),
            ];
            for block in blocks {
                let Sums { sums, magnitudes, has_lowest } = Sums::of(&block);
                assert_eq!((sums, magnitudes, has_lowest), plain(&block), "{groups} groups");
            }
        }
    }
}
