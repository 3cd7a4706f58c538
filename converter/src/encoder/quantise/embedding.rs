//! Rows of words and positions in one scale.

use ndarray::Axis;
use typecase_case::sections::encoder::EncoderWriter;

use super::{i16_of, i16s};
use crate::encoder::bert::Bert;
use crate::encoder::error::ImportError;
use crate::encoder::parallel;

/// Rows that one task works on.
const CHUNK: usize = 1024;

/// The largest sum of a word and a position, a little below the end of i16 for what is rounded.
const LARGEST_SUM: f64 = 32_000.0;

/// Writes rows, multipliers and positions; what a sum of 1 stands for.
///
/// The row with the largest number has the multiplier 255, others as many times the common scale as they need. LayerNorm
/// comes next, so no device has to know the scale.
pub(super) fn write(bert: &Bert, positions: usize, section: &mut EncoderWriter) -> Result<f64, ImportError> {
    let largest = |numbers: &mut dyn Iterator<Item = &f32>| {
        numbers.map(|number| f64::from(number.abs())).fold(0.0, f64::max)
    };
    let positions = bert.positions.slice_axis(Axis(0), (..positions).into());
    let (word, position) = (largest(&mut bert.words.iter()), largest(&mut positions.iter()));
    let common = (word / (127.0 * 255.0)).max((word + position) / LARGEST_SUM).max(f64::MIN_POSITIVE);
    let chunks: Vec<_> = bert.words.axis_chunks_iter(Axis(0), CHUNK).collect();
    let quantised = parallel::map(&chunks, |chunk| {
        let mut rows = Vec::with_capacity(chunk.len());
        let mut multipliers = Vec::with_capacity(chunk.nrows());
        for row in chunk.rows() {
            let multiplier = (largest(&mut row.iter()) / (127.0 * common)).ceil().clamp(1.0, 255.0);
            let scale = multiplier * common;
            let number = |x: &f32| (f64::from(*x) / scale).round().clamp(-127.0, 127.0) as i8;
            rows.extend(row.iter().map(|x| number(x).cast_unsigned()));
            multipliers.push(multiplier as u8);
        }
        Ok::<_, ImportError>((rows, multipliers))
    })?;
    let (rows, multipliers): (Vec<_>, Vec<_>) = quantised.into_iter().unzip();
    section.part(&rows.concat()).part(&multipliers.concat());
    section.part(&i16s(positions.iter().map(|x| i16_of(f64::from(*x) / common))));
    Ok(common)
}
