//! The bag: one row of small integers per feature, summed; then the scores, directly or through a hidden layer.
//!
//! ```text
//! 0    4                 rows: one per feature of the vocabulary, 1 to 2^24
//! 4    2                 width: numbers in a row, 1 to 4096
//! 6    2                 classes, 2 to 65535
//! 8    1                 bits of a weight: 4 or 8, two's complement
//! 9    1                 bits of a row's scale: 0 (every row counts once), 2 (1, 2, 4 or 8 times: the code is the
//!                        power of two) or 8 (1 to 255 times)
//! 10   1                 pooling: 0 sum, 1 mean, 2 square root
//! 11   1                 head: 0 none (width = classes), 1 ReLU and a dense layer
//! 12   1                 shift of the hidden layer, 0 to 31; 0 without one
//! 13   19                zero
//! 32   width * 4         bias of the sums, i32
//! if head = 1:
//! ...  classes * 4       bias of the scores, i32
//! ...  classes * width   weights of the dense layer, i8, class by class
//! if bits of a row's scale = 8:
//! ...  rows              scales, each at least 1
//! if bits of a row's scale = 2:
//! ...  rows / 4, up      codes, four in a byte, lowest bits first; those beyond the rows zero
//! ...  rows * row bytes  weights; of 4 bits two in a byte, low half first, the last half of an odd width zero
//! ```
//! What the numbers do is defined in `typecase-kernels`.

use crate::container::Kind;
use crate::error::Error;
use crate::reader::Reader;

/// The most rows.
pub const MAX_ROWS: u32 = 1 << 24;
/// The most numbers in a row.
pub const MAX_WIDTH: u16 = 4096;

/// How the sum over a text's rows is made independent of the text's length. Scores stay exact sums: the norm `k` of
/// `n` ids multiplies the biases and divides the logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// `k = 1`.
    Sum,
    /// `k = n`.
    Mean,
    /// `k = sqrt(n)`, in steps of 1/256.
    SquareRoot,
}

/// What comes after the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// The sums are the scores.
    None,
    /// `scores = weights * (max(sums, 0) >> shift) + biases`.
    Relu {
        /// Bits dropped from the hidden numbers, so that the scores fit 32 bits.
        shift: u8,
    },
}

/// The checked numbers at the front of the section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BagShape {
    /// Rows, one per feature.
    pub rows: u32,
    /// Numbers in a row.
    pub width: u16,
    /// Classes.
    pub classes: u16,
    /// Bits of a weight: 4 or 8.
    pub weight_bits: u8,
    /// Bits of a row's scale: 0 for none, 2 for a power of two, 8 for a multiple.
    pub scale_bits: u8,
    /// How sums are normalised.
    pub pooling: Pooling,
    /// What comes after the sums.
    pub head: Head,
}

impl BagShape {
    /// Bytes of a row.
    #[must_use]
    pub const fn row_bytes(&self) -> usize {
        let width = self.width as usize;
        if self.weight_bits == 4 { width.div_ceil(2) } else { width }
    }

    /// Bytes of a whole section of this shape.
    #[must_use]
    pub const fn section_bytes(&self) -> u64 {
        let (rows, width, classes) = (self.rows as u64, self.width as u64, self.classes as u64);
        let head = match self.head {
            Head::None => 0,
            Head::Relu { .. } => classes.saturating_mul(width.saturating_add(4)),
        };
        let scales = rows.saturating_mul(self.scale_bits as u64).div_ceil(8);
        32u64
            .saturating_add(width.saturating_mul(4))
            .saturating_add(head)
            .saturating_add(scales)
            .saturating_add(rows.saturating_mul(self.row_bytes() as u64))
    }
}

/// A checked bag.
#[derive(Clone, Copy, Debug)]
pub struct Bag<'a> {
    /// Its numbers.
    pub shape: BagShape,
    /// Bias of the sums: i32 little-endian, one a column.
    pub bias: &'a [[u8; 4]],
    /// Bias of the scores: i32 little-endian, one a class; empty without a head.
    pub head_bias: &'a [[u8; 4]],
    /// Weights of the dense layer: i8, class by class; empty without a head.
    pub head_weights: &'a [u8],
    /// Scales of the rows as they are stored; empty if every row counts once.
    pub scales: &'a [u8],
    /// The rows, each of [`BagShape::row_bytes`].
    pub weights: &'a [u8],
}

impl<'a> Bag<'a> {
    /// Checks the section whole, and that no score of a text with `max_ids` ids can pass 32 bits.
    ///
    /// # Errors
    /// [`Error`] names the first rule that is broken.
    pub fn parse(bytes: &'a [u8], max_ids: u32) -> Result<Self, Error> {
        let section = Kind::BAG.0;
        let bag = Self::read(bytes)?;
        let shape = bag.shape;
        if shape.scale_bits == 8
            && let Some(index) = bag.scales.iter().position(|&scale| scale == 0)
        {
            return Err(Error::OutOfRange { section, what: "scale of 0 for row", found: index as u64 });
        }
        let codes_in_last = shape.rows % 4;
        if shape.scale_bits == 2
            && codes_in_last != 0
            && bag.scales.last().is_some_and(|last| last.wrapping_shr(codes_in_last.wrapping_mul(2)) != 0)
        {
            return Err(Error::OutOfRange { section, what: "padding of the scales", found: 1 });
        }
        let padded = shape.weight_bits == 4 && shape.width % 2 == 1;
        if padded
            && bag.weights.chunks_exact(shape.row_bytes()).any(|row| row.last().is_some_and(|b| b >> 4 != 0))
        {
            return Err(Error::OutOfRange { section, what: "padding of a row", found: 1 });
        }
        bag.check_overflow(max_ids)?;
        Ok(bag)
    }

    /// Looks at bytes that [`Self::parse`] accepted; `None` if they cannot have been.
    #[must_use]
    #[inline]
    pub fn view(bytes: &'a [u8]) -> Option<Self> {
        Self::read(bytes).ok()
    }

    fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let section = Kind::BAG.0;
        let bad = |what, found: u64| Err(Error::OutOfRange { section, what, found });
        let mut reader = Reader::new(bytes, section);
        let (rows, width, classes) = (reader.u32()?, reader.u16()?, reader.u16()?);
        let [weight_bits, scale_bits, pooling, head, shift] = reader.array()?;
        reader.zeros(19)?;
        if !(1..=MAX_ROWS).contains(&rows) {
            return bad("number of rows", rows.into());
        }
        if !(1..=MAX_WIDTH).contains(&width) {
            return bad("width", width.into());
        }
        if classes < 2 {
            return bad("number of classes", classes.into());
        }
        if !matches!(weight_bits, 4 | 8) {
            return bad("bits of a weight", weight_bits.into());
        }
        if !matches!(scale_bits, 0 | 2 | 8) {
            return bad("bits of a row's scale", scale_bits.into());
        }
        let pooling = match pooling {
            0 => Pooling::Sum,
            1 => Pooling::Mean,
            2 => Pooling::SquareRoot,
            other => return bad("pooling", other.into()),
        };
        let head = match (head, shift) {
            (0, 0) => Head::None,
            (1, 0..=31) => Head::Relu { shift },
            (0 | 1, _) => return bad("shift of the hidden layer", shift.into()),
            _ => return bad("head", head.into()),
        };
        if head == Head::None && width != classes {
            return Err(Error::Mismatch {
                what: "width and classes",
                left: width.into(),
                right: classes.into(),
            });
        }
        let shape = BagShape { rows, width, classes, weight_bits, scale_bits, pooling, head };
        let (bias, _) = reader.take_items(width.into(), 4)?.as_chunks();
        let (head_bias, head_weights): (&[[u8; 4]], &[u8]) = if head == Head::None {
            (&[], &[])
        } else {
            let (head_bias, _) = reader.take_items(classes.into(), 4)?.as_chunks();
            (head_bias, reader.take_items(classes.into(), width.into())?)
        };
        let scales = match scale_bits {
            0 => &[],
            2 => reader.take_items(rows.div_ceil(4), 1)?,
            _ => reader.take_items(rows, 1)?,
        };
        let weights = reader.take_items(rows, shape.row_bytes())?;
        reader.finish()?;
        Ok(Self { shape, bias, head_bias, head_weights, scales, weights })
    }

    /// How often the row with the largest scale counts.
    #[must_use]
    pub fn largest_scale(&self) -> u64 {
        let code =
            |byte: u8| [0, 2, 4, 6].map(|at: u32| byte.wrapping_shr(at) & 3).into_iter().max().unwrap_or(0);
        match self.shape.scale_bits {
            0 => 1,
            2 => 1 << self.scales.iter().copied().map(code).max().unwrap_or(0),
            _ => self.scales.iter().copied().max().unwrap_or(1).into(),
        }
    }

    /// Bounds every sum by the largest numbers that its parts can hold, in 64 bits, saturating.
    fn check_overflow(&self, max_ids: u32) -> Result<(), Error> {
        let within = |what, bound: u64| {
            if bound <= i32::MAX as u64 { Ok(bound) } else { Err(Error::Overflow { what, bound }) }
        };
        let largest = |numbers: &[[u8; 4]]| {
            numbers.iter().map(|n| i32::from_le_bytes(*n).unsigned_abs()).max().unwrap_or(0).into()
        };
        let weight: u64 = if self.shape.weight_bits == 4 { 8 } else { 128 };
        let scale = self.largest_scale();
        let ids = u64::from(max_ids);
        // The product with the factor must fit too; its quotient is rounded down, which is up for negative numbers.
        // A norm counts 65,535 ids at most, so 32 bits hold its square.
        let (factor, shift): (u64, u32) = match self.shape.pooling {
            Pooling::Sum => (1, 0),
            Pooling::Mean => (ids, 0),
            Pooling::SquareRoot => (max_ids.min(65_535).wrapping_shl(16).isqrt().into(), 8),
        };
        let round_up = (1u64 << shift).saturating_sub(1);
        let normed = |what, bias: u64| {
            Ok(within(what, factor.saturating_mul(bias))?.saturating_add(round_up) >> shift)
        };
        let bias = normed("bias of the sums", largest(self.bias))?;
        let sum = ids.saturating_mul(weight).saturating_mul(scale).saturating_add(bias);
        let sum = within("sum of a text", sum)?;
        if let Head::Relu { shift } = self.shape.head {
            let head_bias = normed("bias of the scores", largest(self.head_bias))?;
            let products = (sum >> shift).saturating_mul(128).saturating_mul(self.shape.width.into());
            within("score of a text", products.saturating_add(head_bias))?;
        }
        Ok(())
    }
}

/// The parts of a bag to be written.
#[cfg(feature = "write")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBag {
    /// Its numbers.
    pub shape: BagShape,
    /// Bias of the sums, one a column.
    pub bias: alloc::vec::Vec<i32>,
    /// Bias of the scores, one a class; empty without a head.
    pub head_bias: alloc::vec::Vec<i32>,
    /// Weights of the dense layer, class by class; empty without a head.
    pub head_weights: alloc::vec::Vec<i8>,
    /// Scales of the rows, one an entry: powers of two for 2 bits, multiples for 8; empty if every row counts once.
    pub scales: alloc::vec::Vec<u8>,
    /// The weights, row by row, one a byte.
    pub weights: alloc::vec::Vec<i8>,
}

#[cfg(feature = "write")]
impl NewBag {
    /// The section. What its numbers break is found by [`Bag::parse`].
    ///
    /// # Errors
    /// [`crate::EncodeError`] if a weight does not fit its bits or a part has another length than the shape says.
    pub fn encode(&self) -> Result<alloc::vec::Vec<u8>, crate::EncodeError> {
        use crate::EncodeError as E;
        let BagShape { rows, width, classes, weight_bits, scale_bits, pooling, head } = self.shape;
        let (head, shift) = match head {
            Head::None => (0, 0),
            Head::Relu { shift } => (1, shift),
        };
        let pooling = match pooling {
            Pooling::Sum => 0,
            Pooling::Mean => 1,
            Pooling::SquareRoot => 2,
        };
        let mut bytes = alloc::vec::Vec::new();
        bytes.extend(rows.to_le_bytes());
        bytes.extend(width.to_le_bytes());
        bytes.extend(classes.to_le_bytes());
        bytes.extend([weight_bits, scale_bits, pooling, head, shift]);
        bytes.resize(32, 0);
        self.bias.iter().chain(&self.head_bias).for_each(|n| bytes.extend(n.to_le_bytes()));
        bytes.extend(self.head_weights.iter().map(|w| w.cast_unsigned()));
        if scale_bits == 2 {
            if self.scales.iter().any(|code| *code > 3) || self.scales.len() != rows as usize {
                return Err(E::OutOfRange("scale of 2 bits"));
            }
            let pack = |codes: &[u8]| codes.iter().rev().fold(0u8, |byte, code| byte.wrapping_shl(2) | code);
            bytes.extend(self.scales.chunks(4).map(pack));
        } else {
            bytes.extend(&self.scales);
        }
        if weight_bits == 4 {
            if self.weights.iter().any(|w| !(-8..=7).contains(w)) {
                return Err(E::OutOfRange("weight of 4 bits"));
            }
            let half = |w: i8| w.cast_unsigned() & 0xF;
            for row in self.weights.chunks(usize::from(width).max(1)) {
                bytes.extend(row.chunks(2).map(|pair| match *pair {
                    [low, high] => half(low) | half(high) << 4,
                    [low] => half(low),
                    _ => 0,
                }));
            }
        } else {
            bytes.extend(self.weights.iter().map(|w| w.cast_unsigned()));
        }
        if bytes.len() as u64 != self.shape.section_bytes() {
            return Err(E::OutOfRange("length of a part of the bag"));
        }
        Ok(bytes)
    }
}
