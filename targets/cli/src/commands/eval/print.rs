//! The figures in words.

use typecase_train::evaluate::{Dose, LengthGroup};

use super::figures::{Figures, More, Noisy, Outside, Robust, Versus};
use crate::format::{percent, thousands};

/// What a person wants to know.
pub(crate) fn print_figures(figures: &Figures) {
    let Figures { evaluation, calibration, .. } = figures;
    outln!("{} ({} bytes, {})", figures.case, thousands(figures.bytes), figures.backend);
    outln!(
        "  accuracy     {} of {} texts (95 % interval {:.2} to {:.2})",
        percent(evaluation.accuracy),
        thousands(evaluation.items),
        evaluation.ci95[0] * 100.0,
        evaluation.ci95[1] * 100.0
    );
    outln!("  macro F1     {:.4}", evaluation.macro_f1);
    outln!(
        "  calibration  {:.4} expected error, Brier {:.4}, likelihood {:.4} nats, temperature {:.4}",
        evaluation.ece,
        calibration.brier,
        calibration.nll,
        calibration.temperature
    );
    outln!("  risk         {:.4} under the risk-coverage curve", calibration.aurc);
    outln!(
        "  speed        {:.2} us a text, reading not counted",
        figures.seconds * 1e6 / evaluation.items.max(1) as f64
    );
    for class in &evaluation.per_class {
        outln!(
            "  {:<12} precision {:.3}  recall {:.3}  F1 {:.3}  of {}",
            class.label,
            class.precision,
            class.recall,
            class.f1,
            thousands(class.items)
        );
    }
    for group in &figures.lengths {
        outln!("  {:<18} {} of {}", words_of(group), percent(group.accuracy), thousands(group.items));
    }
    if figures.truncated > 0 || evaluation.abstained > 0 {
        outln!("  cut {}, abstained {}", thousands(figures.truncated), thousands(evaluation.abstained));
    }
    if calibration.abstain.below > 0.0 {
        outln!(
            "  answered     {} (probability of at least {:.4}), {} of those right",
            percent(calibration.abstain.coverage),
            calibration.abstain.below,
            percent(calibration.abstain.accuracy)
        );
    }
    print_more(&figures.more);
}

fn print_more(more: &More) {
    more.vs.iter().for_each(print_versus);
    more.robustness.iter().for_each(print_robust);
    more.ood.iter().flatten().for_each(print_outside);
    if let Some(errors) = &more.errors {
        outln!("\nmost confident errors");
        for error in errors {
            let what = format!("{} for {}", error.predicted, error.truth);
            outln!(
                "  {:>6}  {}  {what:<24} {}",
                error.item,
                percent(error.probability.into()),
                shown(&error.text)
            );
        }
    }
    more.noise.iter().for_each(print_noise);
}

fn print_versus(vs: &Versus) {
    outln!(
        "  against {}: {}; only this right {}, only that right {}, paired test p = {:.3}",
        vs.case,
        percent(vs.accuracy),
        vs.b,
        vs.c,
        vs.mcnemar_p
    );
    outln!(
        "  difference   {:+.2} points (95 % interval {:+.2} to {:+.2}, paired bootstrap)",
        vs.difference * 100.0,
        vs.difference_ci95[0] * 100.0,
        vs.difference_ci95[1] * 100.0
    );
}

fn print_robust(robust: &Robust) {
    outln!("\nunder damage   accuracy   unchanged answers (seed {})", robust.seed);
    for row in &robust.rows {
        outln!("  {:<15}{}    {}", dose_name(row.dose), percent(row.accuracy), percent(row.unchanged));
    }
}

fn print_outside(outside: &Outside) {
    outln!("\nagainst {} texts of {}", thousands(outside.texts), outside.file);
    for (name, found) in [("probability", outside.probability), ("energy", outside.energy)] {
        outln!("  {name:<12} AUROC {:.4}  {} pass where 95 % of ours do", found.auroc, percent(found.fpr95));
    }
}

fn print_noise(noise: &Noisy) {
    outln!("\n{} labels that may be wrong", thousands(noise.candidates as u64));
    for item in &noise.items {
        let what = format!("{}, not {}?", item.suggested, item.given);
        outln!(
            "  {:>6}  {}  {what:<24} {}",
            item.item,
            percent(item.suggested_probability),
            shown(&item.text)
        );
    }
}

/// How long the texts of a group are.
pub(crate) fn words_of(group: &LengthGroup) -> String {
    let [least, most] = group.words;
    if least == most { format!("{least} words") } else { format!("{least} to {most} words") }
}

/// A corruption and its rate, where it has one.
pub(crate) fn dose_name(dose: Dose) -> String {
    let name = dose.corruption.name();
    if dose.rate < 1.0 { format!("{name} {:.0} %", dose.rate * 100.0) } else { name.to_owned() }
}

/// The beginning of a text, on one line.
fn shown(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut shown: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown += "...";
    }
    shown
}
