//! The floating-point parent: what the integers are measured against.

use std::collections::HashMap;
use std::ops::ControlFlow;

use typecase_engine::Pooling;

use crate::checkpoint::Checkpoint;
use crate::cutter::Cutter;
use crate::error::ConvertError;

/// Runs a checkpoint in floating point.
#[derive(Debug)]
pub struct Parent<'c> {
    checkpoint: &'c Checkpoint,
    cutter: Cutter<'c>,
    rows: HashMap<u32, u32>,
}

impl<'c> Parent<'c> {
    /// Prepares a checkpoint.
    ///
    /// # Errors
    /// [`ConvertError::Options`] if its text settings or its sub-word tokenizer make no sense.
    pub fn new(checkpoint: &'c Checkpoint) -> Result<Self, ConvertError> {
        let rows = checkpoint.features.iter().copied().zip(0..).collect();
        Ok(Self { checkpoint, cutter: checkpoint.cutter()?, rows })
    }

    /// The logits of a text, one a class, before temperature.
    #[must_use]
    pub fn logits(&self, text: &[u8]) -> Vec<f32> {
        let Checkpoint { width, embedding, bias, .. } = self.checkpoint;
        let mut sums = vec![0f32; *width];
        let mut count = 0u32;
        self.cutter.scan(text, &mut self.cutter.memory(), |feature| {
            if let Some(&row) = self.rows.get(&feature) {
                let start = row as usize * width;
                sums.iter_mut()
                    .zip(&embedding[start..start + width])
                    .for_each(|(sum, weight)| *sum += weight);
                count += 1;
            }
            ControlFlow::Continue(())
        });
        let norm = pooling_norm(self.checkpoint.pooling, count);
        sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum = *sum / norm + bias);
        match &self.checkpoint.head {
            None => sums,
            Some(head) => {
                let rows = head.weights.chunks_exact(*width).zip(&head.bias);
                let dot = |row: &[f32]| sums.iter().zip(row).map(|(h, w)| h.max(0.0) * w).sum::<f32>();
                rows.map(|(row, bias)| dot(row) + bias).collect()
            }
        }
    }
}

/// What the sum over `count` rows is divided by.
pub(crate) fn pooling_norm(pooling: Pooling, count: u32) -> f32 {
    let count = count.max(1) as f32;
    match pooling {
        Pooling::Sum => 1.0,
        Pooling::Mean => count,
        Pooling::SquareRoot => count.sqrt(),
    }
}
