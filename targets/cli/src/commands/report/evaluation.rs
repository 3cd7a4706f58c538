//! The page of `typecase eval`.

use std::fmt::Write;
use std::path::Path;

use typecase_train::evaluate::{Calibration, Curve, Evaluation, LengthGroup, RiskPoint};

use super::plot::{Bar, COLOURS, Plot, bars, squares};
use super::{escape, head};
use crate::commands::eval::{
    ConfidentError, Figures, More, Noisy, Outside, Robust, Versus, dose_name, words_of,
};
use crate::format::{percent, thousands};

/// Classes of which the confusion is drawn; of more there is a table alone.
const MOST_DRAWN: usize = 20;

/// What `typecase eval` found.
pub(crate) fn evaluation(figures: &Figures, data: &Path) -> String {
    let Figures { evaluation, calibration, .. } = figures;
    let mut page = head("Typecase evaluation");
    summary(&mut page, figures, data);
    figures.more.vs.iter().for_each(|vs| versus(&mut page, vs));
    classes(&mut page, evaluation);
    confusion(&mut page, evaluation);
    reliability(&mut page, calibration);
    risk(&mut page, calibration);
    lengths(&mut page, &figures.lengths);
    more(&mut page, &figures.more);
    page + "</html>\n"
}

fn summary(page: &mut String, figures: &Figures, data: &Path) {
    let Figures { evaluation, calibration, .. } = figures;
    let _ = write!(
        page,
        "<h1>{}</h1>\n<p class=big>{} <small>({} to {})</small></p>\n\
         <p>{} texts of <code>{}</code>, {} right; macro F1 {:.4}; expected calibration error {:.4}, Brier score {:.4}, \
         negative log-likelihood {:.4}; {} cut, {} abstained.</p>\n\
         <p>{} bytes, engine {}, {:.2} µs a text. Digest <code>{}</code></p>\n",
        escape(&figures.case),
        percent(evaluation.accuracy),
        percent(evaluation.ci95[0]),
        percent(evaluation.ci95[1]),
        thousands(evaluation.items),
        escape(&data.display().to_string()),
        thousands(evaluation.correct),
        evaluation.macro_f1,
        evaluation.ece,
        calibration.brier,
        calibration.nll,
        thousands(figures.truncated),
        thousands(evaluation.abstained),
        thousands(figures.bytes),
        escape(&figures.backend),
        figures.seconds * 1e6 / evaluation.items.max(1) as f64,
        escape(&figures.digest),
    );
}

fn versus(page: &mut String, vs: &Versus) {
    let _ = writeln!(
        page,
        "<h2>Against {}</h2>\n<p>{}; only this right {}, only that right {}, McNemar p = {:.3}. Difference {:+.2} \
         points, 95 % interval {:+.2} to {:+.2} by the paired bootstrap.</p>",
        escape(&vs.case),
        percent(vs.accuracy),
        vs.b,
        vs.c,
        vs.mcnemar_p,
        vs.difference * 100.0,
        vs.difference_ci95[0] * 100.0,
        vs.difference_ci95[1] * 100.0
    );
}

fn classes(page: &mut String, evaluation: &Evaluation) {
    *page += "<h2>Classes</h2>\n<table><tr><th>class<th>precision<th>recall<th>F1<th>texts</tr>\n";
    for class in &evaluation.per_class {
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{:.3}<td>{:.3}<td>{:.3}<td>{}</tr>",
            escape(&class.label),
            class.precision,
            class.recall,
            class.f1,
            thousands(class.items)
        );
    }
    *page += "</table>\n";
}

fn confusion(page: &mut String, evaluation: &Evaluation) {
    *page += "<h2>Confusion</h2>\n<p>Rows are what is true, columns what was found.</p>\n";
    let names: Vec<&str> = evaluation.per_class.iter().map(|class| class.label.as_str()).collect();
    if names.len() <= MOST_DRAWN {
        *page += &squares("confusion of the classes", &names, &evaluation.confusion);
        return;
    }
    *page += "<table><tr><th>";
    names.iter().for_each(|name| *page += &format!("<th>{}", escape(name)));
    *page += "</tr>\n";
    for (name, row) in names.iter().zip(&evaluation.confusion) {
        let cells: String = row.iter().map(|n| format!("<td>{}", thousands(*n))).collect();
        let _ = writeln!(page, "<tr><td>{}{cells}</tr>", escape(name));
    }
    *page += "</table>\n";
}

fn reliability(page: &mut String, calibration: &Calibration) {
    *page += "<h2>Reliability</h2>\n<p>Columns: the share of right answers among those of a probability. On the dashed line \
              probabilities mean what they say.</p>\n";
    let mut plot =
        Plot::new("reliability diagram", [0.0, 1.0], [0.0, 1.0], ["probability", "share of right answers"]);
    for bin in calibration.bins.iter().filter(|bin| bin.items > 0) {
        let what = format!(
            "{} texts, probability {:.3}, right {:.3}",
            thousands(bin.items),
            bin.confidence,
            bin.accuracy
        );
        plot.column([bin.low, bin.high], bin.accuracy, COLOURS[0], &what);
        plot.dot([bin.confidence, bin.accuracy], COLOURS[0], &what);
    }
    plot.line(&[[0.0, 0.0], [1.0, 1.0]], COLOURS[2], true);
    *page += &plot.finish();
}

fn risk(page: &mut String, calibration: &Calibration) {
    let _ = writeln!(
        page,
        "<h2>Risk and coverage</h2>\n<p>The share of errors if only the most certain texts are answered; {:.4} under the \
         curve.</p>",
        calibration.aurc
    );
    let risks = calibration.risk_coverage.iter().map(|point| point.risk);
    let highest = risks.fold(1.0 - calibration.abstain.accuracy, f64::max).max(0.01);
    let axes = ["share of texts answered", "share of errors"];
    let mut plot = Plot::new("risk-coverage curve", [0.0, 1.0], [0.0, highest], axes);
    let point = |point: &RiskPoint| [point.coverage, point.risk];
    plot.line(&calibration.risk_coverage.iter().map(point).collect::<Vec<_>>(), COLOURS[0], false);
    let abstain = &calibration.abstain;
    if abstain.below > 0.0 && abstain.coverage > 0.0 {
        let what = format!("below {:.4} the case abstains", abstain.below);
        plot.dot([abstain.coverage, 1.0 - abstain.accuracy], COLOURS[1], &what);
        plot.legend(&[(&what, COLOURS[1])]);
    }
    *page += &plot.finish();
}

fn lengths(page: &mut String, groups: &[LengthGroup]) {
    *page += "<h2>Accuracy by length</h2>\n";
    let bar = |group: &LengthGroup| Bar {
        name: words_of(group),
        share: group.accuracy,
        interval: group.ci95,
        beside: format!("{} of {}", percent(group.accuracy), thousands(group.items)),
    };
    *page += &bars("accuracy by length", &groups.iter().map(bar).collect::<Vec<_>>());
}

fn more(page: &mut String, more: &More) {
    more.robustness.iter().for_each(|found| robustness(page, found));
    more.ood.iter().for_each(|found| outside(page, found));
    more.errors.iter().for_each(|found| errors(page, found));
    more.noise.iter().for_each(|found| noise(page, found));
    more.run.iter().for_each(|found| curves(page, found));
}

fn robustness(page: &mut String, robust: &Robust) {
    *page += "<h2>Robustness</h2>\n<p>Accuracy on the same texts under damage, and the share of answers that stay.</p>\n";
    let rows: Vec<Bar> = robust
        .rows
        .iter()
        .map(|row| Bar {
            name: dose_name(row.dose),
            share: row.accuracy,
            interval: row.ci95,
            beside: format!("{}, {} stay", percent(row.accuracy), percent(row.unchanged)),
        })
        .collect();
    *page += &bars("accuracy under damage", &rows);
}

fn outside(page: &mut String, files: &[Outside]) {
    *page += "<h2>Other domains</h2>\n<p>Can probability (p) and energy (E) tell these texts from texts of another domain? \
              FPR95: the share of those that pass where 95 % of these do.</p>\n\
              <table><tr><th>file<th>texts<th>AUROC, p<th>FPR95, p<th>AUROC, E<th>FPR95, E</tr>\n";
    for file in files {
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td>{:.4}<td>{}<td>{:.4}<td>{}</tr>",
            escape(&file.file),
            thousands(file.texts),
            file.probability.auroc,
            percent(file.probability.fpr95),
            file.energy.auroc,
            percent(file.energy.fpr95)
        );
    }
    *page += "</table>\n";
}

fn errors(page: &mut String, errors: &[ConfidentError]) {
    *page +=
        "<h2>Most confident errors</h2>\n<table><tr><th>text<th>item<th>true<th>found<th>probability</tr>\n";
    for error in errors {
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
            escape(&error.text),
            error.item,
            escape(&error.truth),
            escape(&error.predicted),
            percent(error.probability.into())
        );
    }
    *page += "</table>\n";
}

fn noise(page: &mut String, noise: &Noisy) {
    let _ = writeln!(
        page,
        "<h2>Labels that may be wrong</h2>\n<p>{} in all, by confident learning; the least probable first.</p>\n\
         <table><tr><th>text<th>item<th>label<th>probability<th>rather<th>probability</tr>",
        thousands(noise.candidates as u64)
    );
    for item in &noise.items {
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
            escape(&item.text),
            item.item,
            escape(&item.given),
            percent(item.given_probability),
            escape(&item.suggested),
            percent(item.suggested_probability)
        );
    }
    *page += "</table>\n";
}

/// A drawing of the losses, one of the accuracy, one of the learning rate: those that the log has.
fn curves(page: &mut String, curves: &[Curve]) {
    *page += "<h2>Learning curves</h2>\n";
    for (axis, names) in [
        ("loss", &["loss", "validation_loss"][..]),
        ("accuracy", &["validation_accuracy"]),
        ("learning rate", &["rate"]),
    ] {
        let drawn: Vec<&Curve> = curves.iter().filter(|curve| names.contains(&curve.name)).collect();
        let all = || drawn.iter().flat_map(|curve| &curve.points);
        if all().next().is_none() {
            continue;
        }
        let range = |place: usize| {
            let values = all().map(|point| point[place]).filter(|value| value.is_finite());
            values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)])
        };
        let [low, high] = range(1);
        // Room for the names above the lines.
        let tall = [low, high + 0.1 * (high - low)];
        let axes = ["step or epoch", axis];
        let mut plot = Plot::new(&format!("learning curve: {axis}"), range(0), tall, axes);
        let mut legend = Vec::new();
        for (curve, colour) in drawn.iter().zip(COLOURS) {
            plot.line(&curve.points, colour, false);
            legend.push((curve.name, colour));
        }
        plot.legend(&legend);
        *page += &plot.finish();
    }
}
