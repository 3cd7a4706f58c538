//! Rows of words and positions in one scale.

use ndarray::Axis;
use typecase_case::sections::encoder::EncoderWriter;

use super::{i16_of, i16s};
use crate::encoder::bert::Bert;

/// The largest sum of a word and a position, a little below the end of i16 for what is rounded.
const LARGEST_SUM: f64 = 32_000.0;

/// Writes rows, multipliers and positions; what a sum of 1 stands for.
///
/// The row with the largest number has the multiplier 255, others as many times the common scale as they need. LayerNorm
/// comes next, so no device has to know the scale.
pub(super) fn write(bert: &Bert, positions: usize, section: &mut EncoderWriter) -> f64 {
    let largest = |numbers: &mut dyn Iterator<Item = &f32>| {
        numbers.map(|number| f64::from(number.abs())).fold(0.0, f64::max)
    };
    let positions = bert.positions.slice_axis(Axis(0), (..positions).into());
    let (word, position) = (largest(&mut bert.words.iter()), largest(&mut positions.iter()));
    let common = (word / (127.0 * 255.0)).max((word + position) / LARGEST_SUM).max(f64::MIN_POSITIVE);
    let mut rows = Vec::with_capacity(bert.words.len());
    let mut multipliers = Vec::with_capacity(bert.words.nrows());
    for row in bert.words.rows() {
        let multiplier = (largest(&mut row.iter()) / (127.0 * common)).ceil().clamp(1.0, 255.0);
        let scale = multiplier * common;
        rows.extend(
            row.iter().map(|x| ((f64::from(*x) / scale).round().clamp(-127.0, 127.0) as i8).cast_unsigned()),
        );
        multipliers.push(multiplier as u8);
    }
    section.part(&rows).part(&multipliers);
    section.part(&i16s(positions.iter().map(|x| i16_of(f64::from(*x) / common))));
    common
}
