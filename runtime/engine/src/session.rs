//! One thread's way through a case: text in, verdict out, in memory that the caller owns.

use typecase_kernels::probability;
use typecase_text::subword::Cell;

use crate::case::{Case, Cost};
use crate::error::Error;
use crate::steps::Steps;

/// The memory of a session. Begin with the default, which is empty, for what the case at hand does not need:
/// `Memory { ids, numbers, ..Memory::default() }`.
#[derive(Debug, Default)]
pub struct Memory<'m> {
    /// At least [`Cost::ids`] entries.
    pub ids: &'m mut [u32],
    /// At least [`Cost::numbers`] entries.
    pub numbers: &'m mut [i32],
    /// At least [`Cost::tokens`] entries: none without a sub-word tokenizer.
    pub tokens: &'m mut [u32],
    /// At least [`Cost::cells`] entries: none without a sub-word tokenizer.
    pub cells: &'m mut [Cell],
    /// At least [`Cost::arena`] words: none for a bag.
    pub arena: &'m mut [u64],
}

impl Memory<'_> {
    /// The same memory, lent for a while.
    pub const fn reborrow(&mut self) -> Memory<'_> {
        Memory {
            ids: self.ids,
            numbers: self.numbers,
            tokens: self.tokens,
            cells: self.cells,
            arena: self.arena,
        }
    }

    /// Is it enough?
    pub(crate) const fn check(&self, cost: &Cost) -> Result<(), Error> {
        let (what, found, needed) = if self.ids.len() < cost.ids {
            ("ids", self.ids.len(), cost.ids)
        } else if self.numbers.len() < cost.numbers {
            ("numbers", self.numbers.len(), cost.numbers)
        } else if self.tokens.len() < cost.tokens {
            ("tokens", self.tokens.len(), cost.tokens)
        } else if self.cells.len() < cost.cells {
            ("cells", self.cells.len(), cost.cells)
        } else if self.arena.len() < cost.arena {
            ("words of the arena", self.arena.len(), cost.arena)
        } else {
            return Ok(());
        };
        Err(Error::Memory { what, found, needed })
    }
}

/// What the case says of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict<'s> {
    /// Name of the class.
    pub label: &'s str,
    /// Index of the class.
    pub label_index: u32,
    /// Calibrated probability of the class, 0 to 1.
    pub probability: f32,
    /// Exact scores, one a class: equal on every backend.
    pub scores: &'s [i32],
    /// Logits per score for this text, temperature included: `softmax(scores * score_scale)` are the probabilities.
    pub score_scale: f32,
    /// The text was cut: it is over the byte limit of the case, or has more tokens or ids than the case uses.
    pub truncated: bool,
    /// The probability is below the case's threshold: better not to rely on the label.
    pub abstain: bool,
    /// Words of the text, or tokens of the sub-word tokenizer.
    pub words: u32,
    /// Those that the case does not know: they have no row, or the sub-word tokenizer has no piece for them.
    pub unknown_words: u32,
    /// Features of the text that have a row.
    pub tokens: u32,
    /// Invalid parts of UTF-8, each read as U+FFFD.
    pub invalid_utf8: u32,
    /// The engine that computed the scores.
    pub backend: &'static str,
}

impl Verdict<'_> {
    /// The share of the words that the case does not know, 0 to 1; 0 for a text without words.
    #[must_use]
    pub fn unknown_share(&self) -> f32 {
        if self.words == 0 { 0.0 } else { self.unknown_words as f32 / self.words as f32 }
    }

    /// The calibrated probability of a class; 0 for one that does not exist.
    #[must_use]
    pub fn probability_of(&self, class: u32) -> f32 {
        probability::softmax(self.scores, class as usize, self.score_scale)
    }

    /// Writes the best classes, best first (of equals the first), and returns how many.
    pub fn top_into(&self, best: &mut [u32]) -> usize {
        let mut len = 0;
        for (class, &score) in (0u32..).zip(self.scores) {
            let score_at = |class: u32| self.scores.get(class as usize).copied().unwrap_or(i32::MIN);
            let held = best.get(..len).unwrap_or_default();
            let place = held.iter().position(|&other| score_at(other) < score).unwrap_or(len);
            if place < best.len() {
                len = (len + 1).min(best.len());
                if let Some(tail) = best.get_mut(place..len) {
                    tail.rotate_right(1);
                    tail.iter_mut().take(1).for_each(|first| *first = class);
                }
            }
        }
        len
    }
}

/// A case with the memory to run it.
#[derive(Debug)]
pub struct Session<'c, 'm, B> {
    pub(crate) case: &'c Case<B>,
    pub(crate) memory: Memory<'m>,
}

impl<'c, 'm, B: AsRef<[u8]>> Session<'c, 'm, B> {
    /// Takes the memory.
    ///
    /// # Errors
    /// [`Error::Memory`] if it is less than [`Case::cost`] asks for.
    pub fn new(case: &'c Case<B>, memory: Memory<'m>) -> Result<Self, Error> {
        memory.check(&case.cost())?;
        Ok(Self { case, memory })
    }

    /// Classifies a text: any bytes, read as lossy UTF-8.
    pub fn classify(&mut self, text: &[u8]) -> Verdict<'_> {
        classify(self.case, text, self.memory.reborrow())
    }

    /// Begins to classify a text in steps, see [`Steps`].
    pub const fn begin<'s>(&'s mut self, text: &'s [u8]) -> Steps<'s, B> {
        Steps::new(self.case, text, self.memory.reborrow())
    }
}

/// Classifies a text in memory that was checked, or is at least as large as [`Case::cost`] says; with less the verdict
/// means nothing.
#[inline]
pub fn classify<'s, B: AsRef<[u8]>>(case: &'s Case<B>, text: &[u8], mut memory: Memory<'s>) -> Verdict<'s> {
    let encoded = case.encode_into(text, &mut memory);
    let Memory { ids, numbers, arena, .. } = memory;
    let place = case.scores_into(ids.get(..encoded.len).unwrap_or_default(), numbers, arena);
    case.verdict(encoded, numbers.get(place).unwrap_or_default())
}
