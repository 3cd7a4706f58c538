//! Ids as inputs of the graph, without the case: an engine's program lives longer than the view that it was made from.

use typecase_engine::Case;

use crate::padding_id;

/// What the inputs of a graph take from its case.
#[derive(Clone, Debug)]
pub struct Inputs {
    padding: i64,
    /// By the number of ids.
    factors: Vec<i32>,
}

/// Ids that no tokenizer of the case gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// More than the case allows.
    #[error("text of {found} ids, limit is {limit}")]
    TooMany {
        /// How many there are.
        found: usize,
        /// What the case allows.
        limit: usize,
    },
    /// An id without a row.
    #[error("id {id}, the case has {rows} rows")]
    NoRow {
        /// The id.
        id: u32,
        /// What the case has.
        rows: i64,
    },
}

impl InputError {
    /// What to do about it.
    pub const REMEDY: &'static str = "take the ids from the tokenizer of the same case";
}

impl Inputs {
    /// Of a case.
    #[must_use]
    pub fn of<B: AsRef<[u8]>>(case: &Case<B>) -> Self {
        let factors = (0..=case.cost().ids).map(|ids| case.norm(ids).factor()).collect();
        Self { padding: padding_id(case), factors }
    }

    /// Writes the ids to `padded`, or the padding for none, and returns the factor: as [`crate::inputs_for`], without
    /// taking memory once `padded` is large enough.
    ///
    /// # Errors
    /// [`InputError`] for ids that no tokenizer of the case gives.
    pub fn fill(&self, ids: &[u32], padded: &mut Vec<i64>) -> Result<i32, InputError> {
        let limit = self.factors.len().saturating_sub(1);
        let factor = self.factors.get(ids.len()).ok_or(InputError::TooMany { found: ids.len(), limit })?;
        if let Some(&id) = ids.iter().find(|&&id| i64::from(id) >= self.padding) {
            return Err(InputError::NoRow { id, rows: self.padding });
        }
        padded.clear();
        padded.extend(ids.iter().map(|&id| i64::from(id)));
        if padded.is_empty() {
            padded.push(self.padding);
        }
        Ok(*factor)
    }
}
