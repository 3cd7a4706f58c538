//! Ids as inputs of the graph, without the case: a program lives longer than the view that it was made from.

use typecase_engine::Case;
use typecase_engine::backend::Unavailable;

/// What [`typecase_onnx::inputs_for`] needs of a case.
#[derive(Debug)]
pub(crate) struct Inputs {
    padding: i64,
    /// By the number of ids.
    factors: Vec<i32>,
}

impl Inputs {
    pub(crate) fn of(case: &Case<&[u8]>) -> Self {
        let factors = (0..=case.cost().ids).map(|ids| case.norm(ids).factor()).collect();
        Self { padding: typecase_onnx::padding_id(case), factors }
    }

    /// The ids, or the padding for none, and the factor.
    ///
    /// # Errors
    /// [`Unavailable`] for more ids than the case allows and for an id without a row, which no tokenizer gives.
    pub(crate) fn fill(&self, ids: &[u32], padded: &mut Vec<i64>) -> Result<i32, Unavailable> {
        let wrong =
            |cause: String| Unavailable::new(cause, "take the ids from the tokenizer of the same case");
        let factor = self.factors.get(ids.len()).ok_or_else(|| {
            wrong(format!("text of {} ids, limit is {}", ids.len(), self.factors.len().saturating_sub(1)))
        })?;
        padded.clear();
        padded.extend(ids.iter().map(|&id| i64::from(id)));
        if let Some(id) = padded.iter().find(|id| **id >= self.padding) {
            return Err(wrong(format!("id {id}, the case has {} rows", self.padding)));
        }
        if padded.is_empty() {
            padded.push(self.padding);
        }
        Ok(*factor)
    }
}
