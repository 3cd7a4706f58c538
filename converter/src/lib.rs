//! From a checkpoint to a case: prune, quantise, calibrate, prove, gate, write.
//!
//! ```text
//! checkpoint -> keep the features that matter -> integers -> temperature -> golden vectors -> gate -> case
//!               prune.rs                         quantise.rs  calibrate.rs   build.rs          gate.rs
//! ```
//! The case is run by the real engine before it is written: golden vectors, accuracy and the paired test against the
//! floating-point parent come from the very bytes that are shipped.
//!
//! ```no_run
//! use typecase_convert::{Checkpoint, Options, convert};
//!
//! let checkpoint = Checkpoint::load("out/news".as_ref())?;
//! let held_out = [("Oil prices soar".to_owned(), 2)]; // labelled texts that training did not see
//! let converted = convert(&checkpoint, &held_out, &Options::default())?;
//! std::fs::write("news.case", &converted.case)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod build;
pub mod calibrate;
mod checkpoint;
mod cutter;
pub mod encoder;
mod error;
mod gate;
pub mod paired;
mod parent;
mod prune;
mod quantise;
mod runner;
pub mod tokenizer;

use std::fmt;

pub use checkpoint::{Checkpoint, DenseHead, TextSettings};
pub use cutter::{CutMemory, Cutter, DEFAULT_MAX_TOKENS, Subword};
pub use error::ConvertError;
pub use gate::{Report, Side};
pub use parent::Parent;
pub use runner::Shipped;
use serde::{Deserialize, Serialize};

/// How a checkpoint becomes a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Width of a weight.
    pub weights: Weights,
    /// Every row has a scale of its own: finer, and larger.
    pub row_scales: RowScales,
    /// Bits that tell features apart within a bucket: 8 or 16. Of unknown features about one in `2^bits / 10` is taken
    /// for a known one.
    pub fingerprint_bits: u8,
    /// The most features of a text that count.
    pub max_ids: u32,
    /// The largest case in bytes; less important features are left out until it fits.
    #[serde(with = "size")]
    pub max_size: Option<u64>,
    /// The largest loss of accuracy against the floating-point parent, in points (0.3 = 0.3 %).
    pub max_drop: f64,
    /// Verdicts of a lower probability abstain.
    pub abstain_below: f32,
    /// The share of right verdicts wanted among those that do not abstain, above 0 to 1: the threshold is then the lowest
    /// that reaches it on the held-out texts, in place of [`Self::abstain_below`].
    pub answered_accuracy: Option<f64>,
    /// Texts of the golden vectors, at least 16; empty for those that come with this crate.
    #[serde(skip)]
    pub golden_texts: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            weights: Weights::Int8,
            row_scales: RowScales::Shift,
            fingerprint_bits: 16,
            max_ids: 1024,
            max_size: None,
            max_drop: 0.3,
            abstain_below: 0.0,
            answered_accuracy: None,
            golden_texts: Vec::new(),
        }
    }
}

/// Width of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// -7 to 7, two in a byte.
    Int4,
    /// -127 to 127.
    Int8,
}

/// Scale of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowScales {
    /// One scale for all rows.
    None,
    /// 1, 2, 4 or 8 times the common scale: two bits a row.
    Shift,
    /// 1 to 255 times the common scale: a byte a row.
    Multiple,
}

impl RowScales {
    /// Bits of a scale.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Shift => 2,
            Self::Multiple => 8,
        }
    }
}

impl Weights {
    /// Bits of a weight.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Int4 => 4,
            Self::Int8 => 8,
        }
    }

    /// The largest magnitude used; symmetric, so the lowest code is not.
    #[must_use]
    pub const fn max(self) -> i8 {
        match self {
            Self::Int4 => 7,
            Self::Int8 => 127,
        }
    }
}

/// A case that passed its gate.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The file.
    pub case: Vec<u8>,
    /// What was gained and what was lost.
    pub report: Report,
}

/// Converts a checkpoint. `held_out` are labelled texts that training did not see: they set the temperature and judge
/// the loss.
///
/// # Errors
/// [`ConvertError::Gate`] if the case would be too large or lose too much (then nothing should be written);
/// [`ConvertError::Checkpoint`] and [`ConvertError::Options`] if the input makes no sense.
pub fn convert(
    checkpoint: &Checkpoint,
    held_out: &[(String, u32)],
    options: &Options,
) -> Result<Converted, ConvertError> {
    checkpoint.check()?;
    options.check()?;
    gate::check_target(held_out.len(), options)?;
    let classes = checkpoint.labels.len();
    if let Some((_, label)) = held_out.iter().find(|(_, label)| *label as usize >= classes) {
        return Err(ConvertError::Options(format!(
            "held-out label {label} found, classes are 0 to {}",
            classes - 1
        )));
    }
    let built = fit(checkpoint, held_out, options)?;
    gate::judge(&built.report, options)?;
    Ok(Converted { case: built.bytes, report: built.report })
}

/// Builds the case with as many features as there is room for, the most important ones.
fn fit(
    checkpoint: &Checkpoint,
    held_out: &[(String, u32)],
    options: &Options,
) -> Result<build::Built, ConvertError> {
    let order = prune::by_importance(checkpoint);
    let per_row = prune::bytes_per_row(checkpoint, options);
    let mut keep = prune::first_guess(checkpoint, options).min(order.len());
    let mut too_many = order.len() + 1;
    let mut fitting = None;
    loop {
        let built = build::case(checkpoint, &order[..keep], held_out, options)?;
        let size = built.bytes.len() as u64;
        let Some(limit) = options.max_size else { return Ok(built) };
        if size <= limit {
            // A row costs a little more than its own bytes, so what is added this way nearly always fits.
            let room = usize::try_from((limit - size) / (per_row + 1)).unwrap_or(usize::MAX);
            let more = keep.saturating_add(room).min(too_many - 1);
            if more == keep {
                return Ok(built);
            }
            (fitting, keep) = (Some(built), more);
        } else if let Some(built) = fitting {
            return Ok(built);
        } else if keep == 1 {
            return Err(ConvertError::too_large(
                &built.report,
                limit,
                "even a case of a single feature is larger",
            ));
        } else {
            too_many = keep;
            let excess = usize::try_from((size - limit).div_ceil(per_row)).unwrap_or(usize::MAX);
            keep = keep.saturating_sub(excess).max(1);
        }
    }
}

impl Options {
    fn check(&self) -> Result<(), ConvertError> {
        let bad = |message: String| Err(ConvertError::Options(message));
        if !matches!(self.fingerprint_bits, 8 | 16) {
            return bad(format!("fingerprint_bits {} found, allowed are 8 and 16", self.fingerprint_bits));
        }
        if !(1..=65_535).contains(&self.max_ids) {
            return bad(format!("max_ids {} found, allowed are 1 to 65535", self.max_ids));
        }
        if !(0.0..=100.0).contains(&self.max_drop) {
            return bad(format!("max_drop {} found, allowed are 0 to 100 points", self.max_drop));
        }
        if !(0.0..=1.0).contains(&self.abstain_below) {
            return bad(format!("abstain_below {} found, allowed are 0 to 1", self.abstain_below));
        }
        if let Some(target) = self.answered_accuracy.filter(|target| !(*target > 0.0 && *target <= 1.0)) {
            return bad(format!("answered_accuracy {target} found, allowed are above 0 to 1"));
        }
        let texts = self.golden_texts.len();
        if texts != 0 && !(16..=1024).contains(&texts) {
            return bad(format!("{texts} golden texts found, allowed are 16 to 1024"));
        }
        Ok(())
    }
}

/// A size in bytes as people write it: `65536`, `64KiB`, `1MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim() {
            "" | "B" => Some(1),
            "KiB" | "K" => Some(1 << 10),
            "MiB" | "M" => Some(1 << 20),
            _ => None,
        };
        let bytes = number.parse::<u64>().ok().zip(factor).and_then(|(n, f)| n.checked_mul(f));
        bytes
            .map(Self)
            .ok_or_else(|| format!("size {text:?} found, allowed are bytes, or a number with KiB or MiB"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n > 0 && n.is_multiple_of(1 << 20) => write!(f, "{}MiB", n >> 20),
            n if n > 0 && n.is_multiple_of(1 << 10) => write!(f, "{}KiB", n >> 10),
            n => write!(f, "{n}"),
        }
    }
}

mod size {
    use super::Size;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(size: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        match size {
            Some(bytes) => serializer.collect_str(&Size(*bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Bytes(u64),
            Text(String),
        }
        match Option::<Written>::deserialize(deserializer)? {
            None => Ok(None),
            Some(Written::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Written::Text(text)) => {
                text.parse::<Size>().map(|size| Some(size.0)).map_err(serde::de::Error::custom)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let table = [
            ("65536", Some(65_536)),
            ("64KiB", Some(65_536)),
            ("1MiB", Some(1 << 20)),
            ("2 KiB", Some(2048)),
        ];
        for (text, bytes) in table {
            assert_eq!(text.parse::<Size>().ok().map(|s| s.0), bytes, "{text}");
        }
        for text in ["", "KiB", "64kb", "-1", "1.5MiB", "99999999999999999999", "99999999999999MiB"] {
            let message = text.parse::<Size>().unwrap_err();
            assert!(message.starts_with(&format!("size {text:?} found")), "{message}");
        }
        assert_eq!(
            [Size(65_536), Size(1 << 20), Size(1000), Size(0)].map(|s| s.to_string()),
            ["64KiB", "1MiB", "1000", "0"]
        );
    }

    #[test]
    fn options_out_of_range_are_refused_by_name() {
        let base = Options::default;
        let table = [
            (Options { fingerprint_bits: 12, ..base() }, "fingerprint_bits 12"),
            (Options { max_ids: 0, ..base() }, "max_ids 0"),
            (Options { max_drop: -1.0, ..base() }, "max_drop -1"),
            (Options { abstain_below: 1.5, ..base() }, "abstain_below 1.5"),
            (Options { answered_accuracy: Some(0.0), ..base() }, "answered_accuracy 0"),
            (Options { answered_accuracy: Some(97.0), ..base() }, "answered_accuracy 97"),
            (Options { golden_texts: vec!["one".into()], ..base() }, "1 golden texts"),
        ];
        for (options, expected) in table {
            let message = options.check().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
