//! The native integer engine: the program of `typecase-kernels` over the parts of a case.

use core::ops::Range;

use typecase_case::sections::bag::{Bag, Head, Pooling};
use typecase_kernels::{Norm, RowScales, narrow, scalar};

/// What users call this engine.
pub(crate) const NAME: &str = "native";

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

/// Sums the rows of `ids`, applies the head, and returns where in `numbers` the scores stand.
#[inline]
pub(crate) fn run(bag: &Bag<'_>, ids: &[u32], numbers: &mut [i32]) -> Range<usize> {
    let norm = norm(bag.shape.pooling, ids.len());
    let width = usize::from(bag.shape.width);
    let sums = numbers.get_mut(..width).unwrap_or_default();
    let scales = RowScales::new(bag.shape.scale_bits, bag.scales);
    if bag.shape.weight_bits == 4 {
        narrow::sum_rows_i4(bag.weights, width, scales, ids, sums);
    } else {
        narrow::sum_rows_i8(bag.weights, width, scales, ids, sums);
    }
    finish(bag, norm, numbers)
}

/// As [`run`], in steps: adds as many rows as the budget of multiply-adds has room for, one at least, beginning with id
/// `done`; where all are added, bias and head. Says how many ids are done and, at last, where in `numbers` the scores
/// stand.
pub(crate) fn step(
    bag: &Bag<'_>,
    ids: &[u32],
    done: usize,
    budget: u32,
    numbers: &mut [i32],
) -> (usize, Option<Range<usize>>) {
    let width = usize::from(bag.shape.width);
    let left = ids.get(done..).unwrap_or_default();
    let rows = (budget as usize / width.max(1)).max(1);
    let now = left.get(..rows).unwrap_or(left);
    let sums = numbers.get_mut(..width).unwrap_or_default();
    if done == 0 {
        sums.fill(0);
    }
    if now.is_empty() {
        return (done, Some(finish(bag, norm(bag.shape.pooling, ids.len()), numbers)));
    }
    let scales = RowScales::new(bag.shape.scale_bits, bag.scales);
    if bag.shape.weight_bits == 4 {
        scalar::add_rows_i4(bag.weights, width, scales, now, sums);
    } else {
        scalar::add_rows_i8(bag.weights, width, scales, now, sums);
    }
    (done.saturating_add(now.len()), None)
}

/// Bias and head over the sums.
#[inline]
fn finish(bag: &Bag<'_>, norm: Norm, numbers: &mut [i32]) -> Range<usize> {
    let width = usize::from(bag.shape.width);
    let (sums, scores) = numbers.split_at_mut_checked(width).unwrap_or_default();
    scalar::add_bias(bag.bias, norm, sums);
    let classes = usize::from(bag.shape.classes);
    match bag.shape.head {
        Head::None => 0..classes,
        Head::Relu { shift } => {
            let scores = scores.get_mut(..classes).unwrap_or_default();
            scalar::dense_relu_i8(sums, shift, bag.head_weights, bag.head_bias, norm, scores);
            width..width + classes
        }
    }
}
