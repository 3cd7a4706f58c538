//! Encoders on the native engine: what parsing learns, and the arena. The operators follow in [`forward`].
//!
//! # The arena
//! ```text
//! stream   tokens * width, i16      the residual stream
//! other    tokens * width, i16      what is added to it
//! narrow   tokens * width, u8       input of a matrix: the stream's narrow form, then what attention gives
//! wide     tokens * max(3 width, inner), u8   queries, keys, values; then the inner numbers
//! words    what a matrix or attention works in, for a second thread once more;  weights: one number a token
//! ```
//! The real length of a text runs: nothing is padded.

use typecase_case::sections::encoder::{Encoder, EncoderShape};
use typecase_case::{Container, Error as FormatError, Kind};
use typecase_kernels::encoder::{Work, attention_work_len, work_len};
use typecase_text::Encoded;
use typecase_text::subword::{Output, Scratch, Tokenizer};

use crate::case::Span;
use crate::error::Error;
use crate::session::Memory;

mod forward;

pub(crate) use forward::{Forward, Progress};

/// What parsing learnt of an encoder and its tokenizer.
#[derive(Clone, Debug)]
pub(crate) struct EncoderFacts {
    /// The tokenizer's section.
    pub(crate) table: Span,
    /// The encoder's section.
    pub(crate) encoder: Span,
    pub(crate) shape: EncoderShape,
    /// Cells of the tokenizer.
    pub(crate) cells: usize,
    /// Tokens of the longest text.
    pub(crate) max_ids: usize,
}

impl EncoderFacts {
    /// Checks both sections whole, and that they agree.
    pub(crate) fn learn(container: &Container<'_>) -> Result<Self, Error> {
        for kind in [Kind::TEXT, Kind::VOCABULARY, Kind::BAG] {
            if container.section(kind).is_ok() {
                let what = "sections of a bag in a case with an encoder";
                return Err(FormatError::Mismatch { what, left: kind.0.into(), right: 0 }.into());
            }
        }
        let tokenizer = Tokenizer::parse(container.section(Kind::TOKENIZER)?)?;
        let shape = Encoder::parse(container.section(Kind::ENCODER)?)?.shape;
        let mismatch = |what, left: u64, right: u64| FormatError::Mismatch { what, left, right };
        if tokenizer.ids() > shape.rows {
            let (left, right) = (tokenizer.ids().into(), shape.rows.into());
            return Err(mismatch("ids of the tokenizer and rows of the encoder", left, right).into());
        }
        let positions = usize::from(shape.positions);
        // Without truncation, or with padding beyond the positions, a text could have more tokens than there are.
        let needed = tokenizer
            .template()
            .most()
            .unwrap_or(usize::MAX)
            .max(tokenizer.template().needed(positions, true));
        if needed > positions {
            let (left, right) = (needed as u64, positions as u64);
            return Err(mismatch("tokens of a text and positions of the encoder", left, right).into());
        }
        Ok(Self {
            table: container.place(Kind::TOKENIZER)?,
            encoder: container.place(Kind::ENCODER)?,
            shape,
            cells: tokenizer.scratch_cells(),
            max_ids: needed,
        })
    }

    /// Words of the arena.
    pub(crate) fn arena(&self, in_two: bool) -> usize {
        self.arena_of(self.max_ids, in_two)
    }

    /// Words of the arena for so many tokens of any number of texts, on one thread or two.
    pub(crate) fn arena_of(&self, tokens: usize, in_two: bool) -> usize {
        Plan::of(&self.shape, tokens, self.max_ids.min(tokens), in_two).words()
    }

    /// Multiplications and additions of the longest text.
    pub(crate) fn multiply_adds(&self) -> u64 {
        let (width, inner, tokens) =
            (self.shape.width() as u64, u64::from(self.shape.inner), self.max_ids as u64);
        let matrices = 4 * width * width + 2 * width * inner;
        let attention = 2 * tokens * width;
        u64::from(self.shape.layers) * tokens * (matrices + attention) + u64::from(self.shape.classes) * width
    }

    /// What the dearest cell of the longest text costs.
    pub(crate) fn least_step(&self) -> u64 {
        forward::dearest_cell(&self.shape, self.max_ids)
    }

    /// Writes the ids of a text.
    pub(crate) fn encode_into(&self, text: &[u8], table: &[u8], memory: &mut Memory<'_>) -> Encoded {
        let Memory { ids, cells, .. } = memory;
        let ids = ids.get_mut(..self.max_ids).unwrap_or_default();
        let output = Output { ids, spans: &mut [], special: true };
        // The table was accepted when the case was parsed.
        let encoded = Tokenizer::view(table)
            .ok()
            .and_then(|tokenizer| tokenizer.encode(text, output, &mut Scratch::new(cells)).ok());
        match encoded {
            Some(encoded) => Encoded {
                len: encoded.len,
                words: u32::try_from(encoded.placed.text.len()).unwrap_or(u32::MAX),
                unknown: encoded.unknown,
                truncated: encoded.truncated,
                invalid_utf8: encoded.invalid_utf8,
            },
            None => Encoded { truncated: true, ..Encoded::default() },
        }
    }
}

/// How large the parts of an arena are.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Numbers of the stream.
    stream: usize,
    /// Bytes of queries, keys and values, or of the inner numbers.
    wide: usize,
    /// Words that a matrix works in.
    work: usize,
    /// The same for the second thread.
    second: usize,
    tokens: usize,
}

impl Plan {
    /// For so many tokens of texts, the longest of which has so many, on one thread or two.
    fn of(shape: &EncoderShape, tokens: usize, longest: usize, in_two: bool) -> Self {
        let (width, inner) = (shape.width(), usize::from(shape.inner));
        Self {
            stream: tokens * width,
            wide: tokens * inner.max(3 * width),
            work: work_len(inner.max(width), tokens).max(attention_work_len(longest, shape.channels.into())),
            second: if in_two { work_len(inner.max(width), tokens) } else { 0 },
            tokens,
        }
    }

    /// Words of each part: work, second, stream, other, narrow, wide, weights.
    fn parts(&self) -> [usize; 7] {
        let words = |count: usize, each: usize| (count * each).div_ceil(8);
        [
            self.work,
            self.second,
            words(self.stream, 2),
            words(self.stream, 2),
            words(self.stream, 1),
            words(self.wide, 1),
            words(self.tokens, 1),
        ]
    }

    fn words(&self) -> usize {
        self.parts().iter().sum()
    }

    /// The parts of an arena; `None` if it is too small.
    fn cut<'m>(&self, mut arena: &'m mut [u64]) -> Option<Parts<'m>> {
        let mut next = |words: usize| {
            let (part, rest) = core::mem::take(&mut arena).split_at_mut_checked(words)?;
            arena = rest;
            Some(part)
        };
        let [work, second, stream, other, narrow, wide, weights] = self.parts();
        let (work, second) = (next(work)?, next(second)?);
        let stream = bytemuck::cast_slice_mut::<_, i16>(next(stream)?).get_mut(..self.stream)?;
        let other = bytemuck::cast_slice_mut::<_, i16>(next(other)?).get_mut(..self.stream)?;
        let narrow = bytemuck::cast_slice_mut::<_, u8>(next(narrow)?).get_mut(..self.stream)?;
        let wide = bytemuck::cast_slice_mut(next(wide)?);
        let weights = bytemuck::cast_slice_mut(next(weights)?);
        let (work, second) = (Work { words: work, weights }, Work { words: second, weights: &mut [] });
        Some(Parts { stream, other, narrow, wide, work, second })
    }
}

/// The arena of a text.
struct Parts<'m> {
    stream: &'m mut [i16],
    other: &'m mut [i16],
    narrow: &'m mut [u8],
    wide: &'m mut [u8],
    work: Work<'m>,
    /// Of the second thread; empty if there is none.
    second: Work<'m>,
}
