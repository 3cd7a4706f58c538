//! A classification in steps: for a loop that must look after other things in between.

use core::ops::Range;

use typecase_text::Encoded;

use crate::case::Case;
#[cfg(feature = "encoder")]
use crate::encoder;
use crate::session::{Memory, Verdict};

/// A text on its way to its verdict, a bounded piece of work at a time: [`Session::begin`](crate::Session::begin).
///
/// The numbers stay in the memory of the session; what else there is to know is in here, a few words. Nothing
/// allocates. The verdict is that of [`Session::classify`](crate::Session::classify), to the last bit, whatever the budgets were.
///
/// # Units
/// A budget counts multiply-adds: of a bag, the numbers of a row; of an encoder, the products of its matrices and of
/// attention; a number of the embedding and of LayerNorm counts as 32, a weight of attention as 16 more than its products.
/// A step does as much as the budget has room for, or, where that is less, one piece that cannot be divided: a row of a
/// bag or its head; 16 outputs of one row of a matrix, one query of one head of attention. So a step costs at most the
/// larger of its budget and [`Case::least_step`].
///
/// The first step is the tokenizer, whole, whatever the budget: its cost is bounded by the bytes or tokens of a text that
/// the case looks at.
///
/// # Examples
/// ```no_run
/// # fn serve(session: &mut typecase_engine::Session<'_, '_, &[u8]>, other_work: fn()) {
/// let mut steps = session.begin(b"Oil prices soar to all-time record");
/// while !steps.classify_step(20_000) {
///     other_work();
/// }
/// let verdict = steps.verdict();
/// # }
/// ```
#[derive(Debug)]
pub struct Steps<'s, B> {
    case: &'s Case<B>,
    text: &'s [u8],
    memory: Memory<'s>,
    stage: Stage,
}

/// How far the model has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Ids of a bag that are done.
    pub(crate) ids: usize,
    #[cfg(feature = "encoder")]
    pub(crate) encoder: encoder::Progress,
}

#[derive(Clone, Debug)]
enum Stage {
    /// The text is to be cut into ids.
    Text,
    /// The ids are there.
    Model { encoded: Encoded, progress: Progress },
    /// The scores are there.
    Done { encoded: Encoded, place: Range<usize> },
}

impl<'s, B: AsRef<[u8]>> Steps<'s, B> {
    /// In memory that was checked.
    pub(crate) const fn new(case: &'s Case<B>, text: &'s [u8], memory: Memory<'s>) -> Self {
        Self { case, text, memory, stage: Stage::Text }
    }

    /// Does the next piece of work; are the scores there?
    ///
    /// # Units
    /// `budget`: multiply-adds, see [`Steps`].
    pub fn classify_step(&mut self, budget: u32) -> bool {
        match &mut self.stage {
            Stage::Text => {
                let encoded = self.case.encode_into(self.text, &mut self.memory);
                let progress = Progress {
                    ids: 0,
                    #[cfg(feature = "encoder")]
                    encoder: encoder::Progress::START,
                };
                self.stage = Stage::Model { encoded, progress };
            }
            Stage::Model { encoded, progress } => {
                let Memory { ids, numbers, arena, .. } = &mut self.memory;
                let ids = ids.get(..encoded.len).unwrap_or_default();
                if let Some(place) = self.case.step(ids, progress, budget, numbers, arena) {
                    self.stage = Stage::Done { encoded: *encoded, place };
                }
            }
            Stage::Done { .. } => {}
        }
        self.is_done()
    }

    /// The scores are there.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done { .. })
    }

    /// The verdict; what is left is done first, without a bound.
    #[must_use]
    pub fn verdict(mut self) -> Verdict<'s> {
        while !self.classify_step(u32::MAX) {}
        let (encoded, place) = match self.stage {
            Stage::Done { encoded, place } => (encoded, place),
            // Not after the loop.
            Stage::Text | Stage::Model { .. } => (Encoded::default(), 0..0),
        };
        self.case.verdict(encoded, self.memory.numbers.get(place).unwrap_or_default())
    }
}
