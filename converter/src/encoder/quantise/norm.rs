//! LayerNorm's gains and offsets as integers.

use typecase_case::sections::encoder::EncoderWriter;

use super::narrow::Narrow;
use super::{i16_of, i16s};
use crate::encoder::bert::Norm;
use crate::encoder::calibrate::Ranges;

/// The largest gain and offset.
const LARGEST: f64 = 32_767.0;
/// The finest scale of a stream: one without gains and numbers has a scale all the same.
const LEAST: f64 = 1e-9;
/// How far the stream may pass its calibrated range before it is cut.
const HEAD_ROOM: f64 = 1.5;

/// The parts of a norm in the order of the section.
#[derive(Clone, Debug)]
pub(super) struct NormNumbers {
    extra: u32,
    parts: [Vec<u8>; 4],
}

/// A gain of 1 in 32,768 is this much of a standard deviation: the normalised number is `c / sigma * 2^(14 - G)`.
fn gain_unit(width: usize) -> f64 {
    if width <= 1024 { 64.0 } else { 128.0 }
}

/// The finest scale that a channel can have, so that its gain fits.
pub(super) fn least_scale(norm: &Norm, channel: usize) -> f64 {
    f64::from(norm.gain[channel].abs()) * gain_unit(norm.gain.len()) / LARGEST
}

/// The scale of the stream that a norm writes: as fine as its gains allow, and so coarse that neither its numbers nor
/// the sums that are made of them (`sum`, where there is one) are cut.
pub(super) fn wide_scale(norm: &Norm, out: &Ranges, sum: Option<&Ranges>) -> f64 {
    let by_gain = (0..norm.gain.len()).map(|j| least_scale(norm, j)).fold(LEAST, f64::max);
    let largest = out.largest().max(sum.map_or(0.0, Ranges::largest));
    by_gain.max(HEAD_ROOM * largest / LARGEST)
}

impl NormNumbers {
    /// `narrow`: what the bytes stand for; without it nothing reads them, and they are 0.
    pub(super) fn of(norm: &Norm, wide: f64, narrow: Option<&Narrow>) -> Self {
        let width = norm.gain.len();
        let unit = gain_unit(width);
        let wide_numbers =
            |j: usize| (f64::from(norm.gain[j]) / wide * unit, f64::from(norm.offset[j]) / wide);
        // Before the bits that it loses in the end are counted.
        let narrow_numbers = |j: usize| match narrow {
            Some(Narrow { scale, base, .. }) => {
                (f64::from(norm.gain[j]) / scale[j] * unit, (f64::from(norm.offset[j]) - base[j]) / scale[j])
            }
            None => (0.0, 0.0),
        };
        let largest = (0..width)
            .map(narrow_numbers)
            .map(|(gain, offset)| gain.abs().max(offset.abs()))
            .fold(0.0, f64::max);
        // With 7 bits a byte still fits: 255 * 2^7 < 2^15.
        let extra = (0..=7u32).rev().find(|extra| largest * f64::from(*extra).exp2() <= LARGEST).unwrap_or(0);
        let more = f64::from(extra).exp2();
        let parts = [
            i16s((0..width).map(|j| i16_of(wide_numbers(j).0))),
            i16s((0..width).map(|j| i16_of(wide_numbers(j).1))),
            i16s((0..width).map(|j| i16_of(narrow_numbers(j).0 * more))),
            i16s((0..width).map(|j| i16_of(narrow_numbers(j).1 * more))),
        ];
        Self { extra, parts }
    }

    pub(super) fn write(&self, section: &mut EncoderWriter) {
        section.part(&self.extra.to_le_bytes());
        for part in &self.parts {
            section.part(part);
        }
    }
}
