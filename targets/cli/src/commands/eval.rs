//! `typecase eval`: how good a case is on labelled text, and how fast.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use typecase::Runnable;
use typecase_train::data::Item;
use typecase_train::evaluate::{Evaluation, Prediction, paired};

use crate::commands::report;
use crate::failure::Failure;
use crate::format::{hex, rounded, thousands};
use crate::input::{self, CaseArguments, DataArguments};

/// Measure accuracy, calibration and speed on labelled text.
#[derive(Debug, Args)]
pub(crate) struct Eval {
    #[command(flatten)]
    case: CaseArguments,
    /// Labelled text; - for standard input
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    #[command(flatten)]
    reading: DataArguments,
    /// Another case to compare with, by a paired test
    #[arg(long, value_name = "FILE")]
    vs: Option<PathBuf>,
    /// Threads, each with a session of its own; the figures but for the speed do not depend on it
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// Write a report (HTML, one file)
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// All figures, in the order of the contract.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) case: String,
    pub(crate) digest: String,
    pub(crate) backend: String,
    /// Of the whole file.
    pub(crate) bytes: u64,
    #[serde(flatten)]
    pub(crate) evaluation: Evaluation,
    pub(crate) truncated: u64,
    pub(crate) seconds: f64,
    pub(crate) texts_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vs: Option<Versus>,
}

/// Another case on the same items: `b` only this one gets right, `c` only the other.
#[derive(Debug, Serialize)]
pub(crate) struct Versus {
    pub(crate) case: String,
    pub(crate) digest: String,
    pub(crate) accuracy: f64,
    pub(crate) b: u64,
    pub(crate) c: u64,
    pub(crate) mcnemar_p: f64,
}

/// What one pass over the items gave.
struct Pass {
    predictions: Vec<Prediction>,
    truncated: u64,
    seconds: f64,
}

impl Eval {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let runnable = self.case.prepare()?;
        let labels: Vec<String> = runnable.case().labels().iter().map(str::to_owned).collect();
        let loaded = self.reading.load(&self.data, Some(labels.clone()))?;
        let items = &loaded.dataset.items;
        let pass = pass(&runnable, items, self.threads.into())?;
        input::note_lost(&runnable);
        let vs = match &self.vs {
            Some(path) => {
                Some(versus(&typecase::open(path)?, &labels, items, &pass.predictions, &self.case)?)
            }
            None => None,
        };
        let figures = figures(&runnable, &labels, pass, vs)?;
        if let Some(path) = &self.report {
            input::write_whole(path, report::evaluation(&figures, &self.data).as_bytes())?;
        }
        if self.json {
            outln!("{}", serde_json::to_string(&figures).unwrap_or_default());
        } else {
            print_figures(&figures);
        }
        Ok(())
    }
}

/// Evaluates a prepared case on items already read.
pub(crate) fn evaluate(runnable: &Runnable, items: &[Item]) -> Result<Figures, Failure> {
    let labels: Vec<String> = runnable.case().labels().iter().map(str::to_owned).collect();
    figures(runnable, &labels, pass(runnable, items, 1)?, None)
}

fn pass(runnable: &Runnable, items: &[Item], threads: usize) -> Result<Pass, Failure> {
    let share = items.len().div_ceil(threads).max(1);
    let started = Instant::now();
    let parts: Vec<Result<Pass, Failure>> = std::thread::scope(|scope| {
        let rest: Vec<_> =
            items.chunks(share).skip(1).map(|part| scope.spawn(|| pass_of_one(runnable, part))).collect();
        // This thread does its share too; alone, it does all.
        let first = pass_of_one(runnable, items.get(..share).unwrap_or(items));
        let lost = || Err(Failure::input("a thread ended early"));
        std::iter::once(first)
            .chain(rest.into_iter().map(|part| part.join().unwrap_or_else(|_| lost())))
            .collect()
    });
    let mut whole = Pass { predictions: Vec::with_capacity(items.len()), truncated: 0, seconds: 0.0 };
    for part in parts {
        let part = part?;
        whole.predictions.extend(part.predictions);
        whole.truncated += part.truncated;
    }
    whole.seconds = started.elapsed().as_secs_f64();
    Ok(whole)
}

fn pass_of_one(runnable: &Runnable, items: &[Item]) -> Result<Pass, Failure> {
    let mut session = runnable.session();
    let mut pass = Pass { predictions: Vec::with_capacity(items.len()), truncated: 0, seconds: 0.0 };
    for item in items {
        let verdict = session.classify(&item.text)?;
        pass.truncated += u64::from(verdict.truncated);
        pass.predictions.push(Prediction {
            truth: item.label,
            predicted: verdict.label_index,
            probability: verdict.probability,
            abstained: verdict.abstain,
        });
    }
    Ok(pass)
}

fn figures(
    runnable: &Runnable,
    labels: &[String],
    pass: Pass,
    vs: Option<Versus>,
) -> Result<Figures, Failure> {
    let evaluation = Evaluation::new(labels, &pass.predictions).map_err(|e| Failure::input(e.to_string()))?;
    let case = runnable.case();
    Ok(Figures {
        case: case.name().to_owned(),
        digest: format!("sha256:{}", hex(&case.digest())),
        backend: runnable.report().backend.to_owned(),
        bytes: case.bytes().len() as u64,
        texts_per_second: rounded(evaluation.items as f64 / pass.seconds.max(1e-9), 1),
        evaluation,
        truncated: pass.truncated,
        seconds: rounded(pass.seconds, 6),
        vs,
    })
}

fn versus(
    other: &typecase::Case,
    labels: &[String],
    items: &[Item],
    ours: &[Prediction],
    arguments: &CaseArguments,
) -> Result<Versus, Failure> {
    if !other.labels().iter().eq(labels.iter()) {
        let found: Vec<&str> = other.labels().iter().collect();
        let message =
            format!("{}: classes {found:?} found, {labels:?} expected as in the case", other.name());
        return Err(Failure::input(message));
    }
    let runnable = arguments.engines.prepare(other, arguments.backend, arguments.strict)?;
    let theirs = pass(&runnable, items, 1)?.predictions;
    input::note_lost(&runnable);
    let compared = paired(ours, &theirs).map_err(|e| Failure::input(e.to_string()))?;
    let right = theirs.iter().filter(|p| p.truth == p.predicted).count();
    Ok(Versus {
        case: other.name().to_owned(),
        digest: format!("sha256:{}", hex(&other.digest())),
        accuracy: right as f64 / theirs.len().max(1) as f64,
        b: compared.b,
        c: compared.c,
        mcnemar_p: compared.mcnemar_p,
    })
}

/// What a person wants to know.
pub(crate) fn print_figures(figures: &Figures) {
    let Figures { evaluation, .. } = figures;
    outln!("{} ({} bytes, {})", figures.case, thousands(figures.bytes), figures.backend);
    outln!(
        "  accuracy     {:.2} % of {} texts (95 % interval {:.2} to {:.2})",
        evaluation.accuracy * 100.0,
        thousands(evaluation.items),
        evaluation.ci95[0] * 100.0,
        evaluation.ci95[1] * 100.0
    );
    outln!("  macro F1     {:.4}", evaluation.macro_f1);
    outln!("  calibration  {:.4} expected error", evaluation.ece);
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
    if figures.truncated > 0 || evaluation.abstained > 0 {
        outln!("  cut {}, abstained {}", thousands(figures.truncated), thousands(evaluation.abstained));
    }
    if let Some(vs) = &figures.vs {
        outln!(
            "  against {}: {:.2} %; only this right {}, only that right {}, paired test p = {:.3}",
            vs.case,
            vs.accuracy * 100.0,
            vs.b,
            vs.c,
            vs.mcnemar_p
        );
    }
}
