//! From floating point to integers.
//!
//! Weights are `scale * integer`, symmetric around zero. One scale for all rows, chosen for the least squared error of
//! what texts add up (rows weighted by how often they occur), large weights clipped; or a scale per row, a power of two
//! or a whole multiple of one unit, so that sums stay integers.

use typecase_case::sections::bag::{BagShape, Head, NewBag};

use crate::checkpoint::Checkpoint;
use crate::prune;
use crate::{ConvertError, Options, RowScales};

/// The integers, and what one step of a score is worth in logits (before the pooling norm).
pub(crate) struct Quantised {
    pub(crate) bag: NewBag,
    pub(crate) score_scale: f32,
}

/// Quantises the rows named by `rows`, in their order.
pub(crate) fn bag(
    checkpoint: &Checkpoint,
    rows: &[u32],
    options: &Options,
) -> Result<Quantised, ConvertError> {
    let width = checkpoint.width;
    let mut weights = Vec::with_capacity(rows.len() * width);
    for &row in rows {
        let start = row as usize * width;
        weights.extend_from_slice(&checkpoint.embedding[start..start + width]);
    }
    let mut bias = checkpoint.bias.clone();
    if checkpoint.head.is_none() {
        // What a row adds to all classes alike changes no label and no probability: do not spend steps on it.
        weights.chunks_exact_mut(width).for_each(centre);
        centre(&mut bias);
    }
    let counts: Vec<f32> = rows.iter().map(|&row| checkpoint.counts[row as usize].max(1) as f32).collect();
    let limit = f32::from(options.weights.max());
    let (step, codes) = match options.row_scales {
        RowScales::None => (best_step(&weights, width, &counts, limit, &[1.0]), Vec::new()),
        RowScales::Shift => shifts(&weights, width, &counts, limit),
        RowScales::Multiple => multiples(&weights, width, limit),
    };
    let scale_of = |row: usize| match (options.row_scales, codes.get(row)) {
        (RowScales::Shift, Some(&code)) => SHIFTS[usize::from(code)],
        (RowScales::Multiple, Some(&multiple)) => f32::from(multiple),
        _ => 1.0,
    };
    let integers = weights
        .chunks_exact(width)
        .enumerate()
        .flat_map(|(row, weights)| {
            let scale = step * scale_of(row);
            weights.iter().map(move |w| nearest(w / scale, limit) as i8)
        })
        .collect();

    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let shape = prune::shape(checkpoint, options, count);
    let mut new = NewBag {
        shape,
        bias: bias.iter().map(|b| whole(b / step)).collect(),
        head_bias: Vec::new(),
        head_weights: Vec::new(),
        scales: codes,
        weights: integers,
    };
    let mut score_scale = step;
    if let Some(head) = &checkpoint.head {
        let shift = head_shift(&new, options.max_ids);
        let largest = head.weights.iter().fold(0f32, |m, w| m.max(w.abs()));
        let head_step = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        // One unit of a score: a hidden step, shifted, times a step of the head.
        score_scale = step * (1u64 << shift) as f32 * head_step;
        new.head_weights = head.weights.iter().map(|w| nearest(w / head_step, 127.0) as i8).collect();
        new.head_bias = head.bias.iter().map(|b| whole(b / score_scale)).collect();
        new.shape = BagShape { head: Head::Relu { shift }, ..shape };
    }
    Ok(Quantised { bag: new, score_scale })
}

/// Subtracts the mean.
fn centre(row: &mut [f32]) {
    let mean = row.iter().sum::<f32>() / row.len().max(1) as f32;
    row.iter_mut().for_each(|w| *w -= mean);
}

/// The integer nearest to `value` (half away from zero), no larger than `limit`.
fn nearest(value: f32, limit: f32) -> f32 {
    value.round().clamp(-limit, limit)
}

fn whole(value: f32) -> i32 {
    value.round() as i32
}

/// What a row's scale of two bits stands for.
const SHIFTS: [f32; 4] = [1.0, 2.0, 4.0, 8.0];

/// The squared error of a row at a step.
fn row_error(row: &[f32], step: f32, limit: f32) -> f32 {
    row.iter().map(|w| w - step * nearest(w / step, limit)).map(|e| e * e).sum()
}

/// The step with the least squared error over what texts add up, if each row may take it times any of `multiples`.
fn best_step(weights: &[f32], width: usize, counts: &[f32], limit: f32, multiples: &[f32]) -> f32 {
    let largest = weights.iter().fold(0f32, |m, w| m.max(w.abs()));
    if largest == 0.0 {
        return 1.0;
    }
    let error = |step: f32| -> f64 {
        let rows = weights.chunks_exact(width).zip(counts);
        rows.map(|(row, &count)| {
            let errors = multiples.iter().map(|multiple| row_error(row, step * multiple, limit));
            f64::from(errors.fold(f32::INFINITY, f32::min) * count)
        })
        .sum()
    };
    // The largest multiple clips at the largest weight, or at 0.93, 0.93^2, ... of it.
    let top = largest / limit / multiples.iter().copied().fold(1.0, f32::max);
    let steps = (0..80).map(|i| top * 0.93f32.powi(i));
    let best = steps.map(|step| (error(step), step)).min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(1.0, |(_, step)| step)
}

/// The common step, and for each row the power of two that fits it best.
fn shifts(weights: &[f32], width: usize, counts: &[f32], limit: f32) -> (f32, Vec<u8>) {
    let step = best_step(weights, width, counts, limit, &SHIFTS);
    let best = |row: &[f32]| {
        let codes = SHIFTS.iter().zip(0u8..).map(|(shift, code)| (row_error(row, step * shift, limit), code));
        codes.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, code)| code)
    };
    (step, weights.chunks_exact(width).map(best).collect())
}

/// A unit, and for each row how many units its step has: the largest row has 255.
fn multiples(weights: &[f32], width: usize, limit: f32) -> (f32, Vec<u8>) {
    let largest = |row: &[f32]| row.iter().fold(0f32, |m, w| m.max(w.abs()));
    let unit = largest(weights) / limit / 255.0;
    if unit == 0.0 {
        return (1.0, vec![1; weights.len() / width.max(1)]);
    }
    let multiple = |row: &[f32]| (largest(row) / limit / unit).round().clamp(1.0, 255.0) as u8;
    (unit, weights.chunks_exact(width).map(multiple).collect())
}

/// Bits to drop from the hidden numbers so that the longest text's scores fit 32 bits with half to spare for biases.
fn head_shift(bag: &NewBag, max_ids: u32) -> u8 {
    let weight = if bag.shape.weight_bits == 4 { 8 } else { 128 };
    let code = bag.scales.iter().copied().max().unwrap_or(0);
    let scale = match bag.shape.scale_bits {
        0 => 1,
        2 => 1 << code,
        _ => u64::from(code),
    };
    let bias = u64::from(bag.bias.iter().map(|b| b.unsigned_abs()).max().unwrap_or(0));
    let sum = u64::from(max_ids).saturating_mul(weight * scale + bias);
    let score = sum.saturating_mul(128 * u64::from(bag.shape.width));
    (0..31).find(|&shift| score >> shift <= 1 << 30).unwrap_or(31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_scale_clips_what_is_rare_and_keeps_what_is_common() {
        // A thousand common rows of small weights and one large weight that hardly ever occurs.
        let mut weights = vec![0.1f32, -0.1];
        weights.extend((0..1000).flat_map(|i| [0.01 * (i % 8) as f32, -0.01 * (i % 8) as f32]));
        weights[0] = 10.0;
        let mut counts = vec![1e6; 1001];
        counts[0] = 1.0;
        let step = best_step(&weights, 2, &counts, 7.0, &[1.0]);
        assert!((0.009..0.03).contains(&step), "{step}");
        assert_eq!(best_step(&[0.0; 4], 2, &[1.0; 2], 7.0, &[1.0]), 1.0);
    }

    #[test]
    fn shifts_follow_the_size_of_the_rows() {
        let weights = [7.0, -7.0, 56.0, -49.0, 3.0, 0.0];
        assert_eq!(shifts(&weights, 2, &[1.0; 3], 7.0), (1.0, vec![0, 3, 0]));
    }

    #[test]
    fn multiples_are_of_one_unit() {
        let (unit, scales) = multiples(&[1.0, -0.5, 0.11, 0.0, 0.0, 0.0], 2, 127.0);
        assert_eq!(scales, [255, 28, 1]);
        assert!((unit * 255.0 * 127.0 - 1.0).abs() < 1e-6);
        assert_eq!(multiples(&[0.0; 4], 2, 7.0), (1.0, vec![1, 1]));
    }
}
