//! The gate: a smaller model must earn its place.

use serde::Serialize;

use crate::calibrate::{self, Threshold};
use crate::error::ConvertError;
use crate::paired::Paired;
use crate::{Options, Size};

/// What was gained and what was lost, measured on the bytes of the case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The case's name.
    pub name: String,
    /// Size of the file.
    pub bytes: u64,
    /// Features of the checkpoint.
    pub features_before: u64,
    /// Features of the case.
    pub features: u64,
    /// Bits of a weight.
    pub weight_bits: u8,
    /// Held-out items that everything below was measured on.
    pub items: u64,
    /// The floating-point parent.
    pub parent: Side,
    /// The case.
    pub case: Side,
    /// Loss of accuracy in points; negative for a gain.
    pub drop: f64,
    /// First the parent, second the case.
    pub paired: Paired,
    /// Temperature of the case, fitted on the held-out items.
    pub temperature: f32,
    /// What its threshold does on the held-out items.
    pub abstain: Threshold,
    /// The accuracy that was wanted among those that do not abstain; `None` if the threshold was given.
    pub answered_accuracy: Option<f64>,
}

/// One of the two that are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Side {
    /// Held-out items that came out right.
    pub correct: u64,
    /// Their share.
    pub accuracy: f64,
}

/// Passes the case, or says why not.
pub(crate) fn judge(report: &Report, options: &Options) -> Result<(), ConvertError> {
    if let Some(limit) = options.max_size.filter(|&limit| report.bytes > limit) {
        return Err(ConvertError::too_large(report, limit, "leave out more features"));
    }
    if report.items > 0 && report.drop > options.max_drop {
        let mut reason = format!(
            "accuracy on {} held-out items fell by {:.2} points from {:.2} to {:.2} % (paired test p = {:.2e}), allowed are {} points",
            report.items,
            report.drop,
            report.parent.accuracy * 100.0,
            report.case.accuracy * 100.0,
            report.paired.mcnemar_p,
            options.max_drop,
        );
        if let Some(limit) = options.max_size {
            let (kept, all) = (report.features, report.features_before);
            reason += &format!("; {} left room for {kept} of {all} features", Size(limit));
        }
        return Err(ConvertError::Gate { reason, report: Box::new(report.clone()) });
    }
    match report.answered_accuracy.filter(|target| report.abstain.accuracy < *target) {
        Some(target) => Err(ConvertError::Threshold(format!(
            "accuracy of {:.2} % among answered texts wanted, no threshold reaches it on {} held-out items; {:.2} % of all are right",
            target * 100.0,
            report.items,
            report.case.accuracy * 100.0,
        ))),
        None => Ok(()),
    }
}

/// The threshold that the options want, on the verdicts about held-out items: the lowest that reaches the target, or
/// the one that is given. If none reaches it, it abstains always, and [`judge`] refuses.
pub(crate) fn threshold(answers: &[(f32, bool)], options: &Options) -> Threshold {
    match options.answered_accuracy {
        Some(target) => calibrate::lowest_threshold(answers, target).unwrap_or(Threshold {
            below: 1.0,
            coverage: 0.0,
            accuracy: 0.0,
        }),
        None => calibrate::threshold(answers, options.abstain_below),
    }
}

/// Is there something to choose a threshold by, if that is wanted?
pub(crate) fn check_target(held_out: usize, options: &Options) -> Result<(), ConvertError> {
    match options.answered_accuracy {
        Some(target) if held_out == 0 => Err(ConvertError::Options(format!(
            "answered_accuracy {target} found and no held-out texts, at least 1 is needed to choose the threshold"
        ))),
        _ => Ok(()),
    }
}
