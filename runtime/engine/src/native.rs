//! The native integer engine: the program of `typecase-kernels` over the parts of a case.

use typecase_case::sections::bag::{Bag, Head, Pooling};
use typecase_kernels::{Norm, RowScales, narrow, scalar};
use typecase_text::Encoded;

/// Where the scores stand and what divides the logits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) encoded: Encoded,
    /// First score in the numbers of the session.
    pub(crate) scores_at: usize,
    pub(crate) norm: Norm,
}

impl Outcome {
    /// The scores in the numbers of the session.
    #[inline]
    pub(crate) fn scores(self, classes: u32, numbers: &[i32]) -> &[i32] {
        let end = self.scores_at.saturating_add(classes as usize);
        numbers.get(self.scores_at..end).unwrap_or_default()
    }
}

/// The norm of a text with `ids` ids.
#[inline]
pub(crate) fn norm(pooling: Pooling, ids: usize) -> Norm {
    let count = u16::try_from(ids).unwrap_or(u16::MAX);
    match pooling {
        Pooling::Sum => Norm::SUM,
        Pooling::Mean => Norm::mean(count),
        Pooling::SquareRoot => Norm::square_root(count),
    }
}

/// Sums the rows of `ids`, applies the head, leaves the scores in `numbers`.
#[inline]
pub(crate) fn run(bag: &Bag<'_>, encoded: Encoded, ids: &[u32], numbers: &mut [i32]) -> Outcome {
    let ids = ids.get(..encoded.len).unwrap_or_default();
    let norm = norm(bag.shape.pooling, encoded.len);
    let width = usize::from(bag.shape.width);
    let (sums, scores) = numbers.split_at_mut_checked(width).unwrap_or_default();
    let scales = RowScales::new(bag.shape.scale_bits, bag.scales);
    if bag.shape.weight_bits == 4 {
        narrow::sum_rows_i4(bag.weights, width, scales, ids, sums);
    } else {
        narrow::sum_rows_i8(bag.weights, width, scales, ids, sums);
    }
    scalar::add_bias(bag.bias, norm, sums);
    let scores_at = match bag.shape.head {
        Head::None => 0,
        Head::Relu { shift } => {
            let scores = scores.get_mut(..usize::from(bag.shape.classes)).unwrap_or_default();
            scalar::dense_relu_i8(sums, shift, bag.head_weights, bag.head_bias, norm, scores);
            width
        }
    };
    Outcome { encoded, scores_at, norm }
}
