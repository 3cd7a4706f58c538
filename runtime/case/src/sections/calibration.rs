//! From exact integer scores to probabilities.
//!
//! ```text
//! 0   4   score scale: a logit is score * scale / pooling norm; finite, above 0
//! 4   4   temperature: probabilities are softmax(logits / temperature); finite, above 0
//! 8   4   abstain below this probability; 0 to 1
//! 12  4   zero
//! ```
//!
//! # Source
//! Guo et al. 2017, "On Calibration of Modern Neural Networks" (temperature scaling).

use crate::container::Kind;
use crate::error::Error;
use crate::reader::Reader;

/// The checked numbers of the section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Logits per score, before the pooling norm.
    pub score_scale: f32,
    /// Softens (above 1) or sharpens (below 1) the probabilities.
    pub temperature: f32,
    /// A verdict of a lower probability abstains.
    pub abstain_below: f32,
}

impl Calibration {
    /// Checks the section whole.
    ///
    /// # Errors
    /// [`Error`] names the first rule that is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let section = Kind::CALIBRATION.0;
        let mut reader = Reader::new(bytes, section);
        let (score_scale, temperature, abstain_below) = (reader.f32()?, reader.f32()?, reader.f32()?);
        reader.zeros(4)?;
        reader.finish()?;
        let bad = |what, value: f32| Err(Error::OutOfRange { section, what, found: value.to_bits().into() });
        if !(score_scale.is_normal() && score_scale > 0.0) {
            return bad("score scale (IEEE bits)", score_scale);
        }
        if !(temperature.is_normal() && temperature > 0.0 && (score_scale / temperature).is_normal()) {
            return bad("temperature (IEEE bits)", temperature);
        }
        if !(0.0..=1.0).contains(&abstain_below) || (abstain_below == 0.0 && abstain_below.is_sign_negative())
        {
            return bad("abstain threshold (IEEE bits)", abstain_below);
        }
        Ok(Self { score_scale, temperature, abstain_below })
    }

    /// The section. Numbers out of range are found by [`Self::parse`].
    #[cfg(feature = "write")]
    #[must_use]
    pub fn encode(&self) -> alloc::vec::Vec<u8> {
        let numbers = [self.score_scale, self.temperature, self.abstain_below, 0.0];
        numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
    }
}
