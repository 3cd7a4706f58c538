//! `typecase eval`: how good a case or a checkpoint is on labelled text, and how fast.

use std::path::{Path, PathBuf};

use clap::Args;
use typecase::Runnable;
use typecase_train::data::{self, Item, ReadOptions};
use typecase_train::evaluate::{
    Calibration, Evaluation, FloatModel, Noise, Prediction, Robustness, SUITE, Separation, bootstrap,
    by_length, curves, paired, words,
};

use crate::commands::report;
use crate::failure::Failure;
use crate::format::rounded;
use crate::input::{self, CaseArguments, DataArguments};

mod figures;
mod print;
mod subject;

use subject::{Pass, Subject};

pub(crate) use figures::{ConfidentError, Figures, More, Noisy, Outside, Robust, Versus};
pub(crate) use print::{dose_name, print_figures, words_of};

/// Resamples of the paired bootstrap.
const RESAMPLES: u32 = 10_000;

/// Measure accuracy, calibration and speed on labelled text.
#[derive(Debug, Args)]
pub(crate) struct Eval {
    #[command(flatten)]
    case: CaseArguments,
    /// A checkpoint in floating point instead of a case: the folder of a trained bag, or of an encoder with its head
    #[arg(long, value_name = "DIR", conflicts_with_all = ["case", "backend", "strict"])]
    checkpoint: Option<PathBuf>,
    /// Labelled text; - for standard input
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    #[command(flatten)]
    reading: DataArguments,
    /// Another case, or the folder of a checkpoint, to compare with on the same texts
    #[arg(long, value_name = "FILE")]
    vs: Option<PathBuf>,
    /// Show so many wrong answers, the most confident first
    #[arg(long, value_name = "N")]
    errors: Option<usize>,
    /// Show so many labels that may be wrong, the least probable first
    #[arg(long, value_name = "N")]
    noise: Option<usize>,
    /// Measure the same texts with typing errors, in capitals, cut and with debris of feeds
    #[arg(long)]
    robust: bool,
    /// Texts of another domain, to be told from these; any labels; may be given several times
    #[arg(long, value_name = "FILE")]
    ood: Vec<PathBuf>,
    /// The folder of a training run, whose learning curves are shown
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Damage and resamples follow from it
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
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

/// Labelled texts that were answered.
struct Answered<'a> {
    subject: &'a Subject,
    labels: &'a [String],
    texts: Vec<&'a str>,
    truths: Vec<u32>,
    pass: Pass,
    predictions: Vec<Prediction>,
}

impl Eval {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let subject = match &self.checkpoint {
            Some(folder) => Subject::Checkpoint(FloatModel::open(folder)?),
            None => Subject::Case(self.case.prepare()?),
        };
        let labels = subject.labels();
        let loaded = self.reading.load(&self.data, Some(labels.clone()))?;
        // What cannot be read is told before the work, not after it.
        let other = self.vs.as_deref().map(|path| self.other(path, &subject)).transpose()?;
        let ood: Vec<(&Path, Vec<String>)> = self
            .ood
            .iter()
            .map(|path| Ok((path.as_path(), self.texts(path)?)))
            .collect::<Result<_, Failure>>()?;
        let run = self.run.as_deref().map(curves).transpose()?;

        let answered = Answered::new(&subject, &labels, &loaded.dataset.items, self.threads.into())?;
        let more = More {
            vs: other.map(|other| self.versus(&answered, &other)).transpose()?,
            errors: self
                .errors
                .map(|most| figures::errors(&answered.predictions, &answered.texts, &labels, most)),
            noise: self.noise.map(|most| {
                let noise = Noise::new(&answered.predictions, &answered.pass.logits, labels.len());
                figures::noisy(noise, &answered.texts, &labels, most)
            }),
            robustness: self.robust.then(|| self.robustness(&answered)).transpose()?,
            ood: (!ood.is_empty()).then(|| self.outside(&answered, &ood)).transpose()?,
            run,
        };
        subject.note_lost();
        let figures = answered.figures(more)?;
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

    /// What `--vs` names, over the same classes.
    fn other(&self, path: &Path, subject: &Subject) -> Result<Subject, Failure> {
        let other = Subject::open(path, &self.case)?;
        let (found, expected) = (other.labels(), subject.labels());
        if found == expected {
            return Ok(other);
        }
        let what = if self.checkpoint.is_some() { "checkpoint" } else { "case" };
        let message =
            format!("{}: classes {found:?} found, {expected:?} expected as in the {what}", other.name());
        Err(Failure::input(message))
    }

    fn texts(&self, path: &Path) -> Result<Vec<String>, Failure> {
        let found = data::texts(path, &ReadOptions { format: None, ..self.reading.options(None) })?;
        if found.skipped > 0 {
            eprintln!("note: {}: {} bad rows left out", path.display(), found.skipped);
        }
        Ok(found.texts)
    }

    fn versus(&self, ours: &Answered<'_>, other: &Subject) -> Result<Versus, Failure> {
        let theirs = other.pass(&ours.texts, self.threads.into())?.predictions(&ours.truths);
        other.note_lost();
        let failed = |e: typecase_train::evaluate::EvaluateError| Failure::input(e.to_string());
        let compared = paired(&ours.predictions, &theirs).map_err(failed)?;
        let difference = bootstrap(&ours.predictions, &theirs, self.seed, RESAMPLES).map_err(failed)?;
        let right = theirs.iter().filter(|prediction| prediction.is_right()).count();
        Ok(Versus {
            case: other.name().to_owned(),
            digest: other.digest(),
            accuracy: right as f64 / theirs.len().max(1) as f64,
            b: compared.b,
            c: compared.c,
            mcnemar_p: compared.mcnemar_p,
            difference: difference.difference,
            difference_ci95: difference.difference_ci95,
        })
    }

    fn robustness(&self, sound: &Answered<'_>) -> Result<Robust, Failure> {
        let mut rows = Vec::with_capacity(SUITE.len());
        for dose in SUITE {
            let texts = sound.texts.iter().enumerate();
            let damaged: Vec<String> = texts.map(|(item, text)| dose.apply(text, self.seed, item)).collect();
            let damaged: Vec<&str> = damaged.iter().map(String::as_str).collect();
            let answers = sound.subject.pass(&damaged, self.threads.into())?.predictions(&sound.truths);
            rows.push(Robustness::new(dose, &sound.predictions, &answers));
        }
        Ok(Robust { seed: self.seed, rows })
    }

    fn outside(&self, ours: &Answered<'_>, files: &[(&Path, Vec<String>)]) -> Result<Vec<Outside>, Failure> {
        let (probabilities, energies) = (ours.pass.probabilities(), ours.pass.energies());
        let one = |(path, texts): &(&Path, Vec<String>)| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let theirs = ours.subject.pass(&texts, self.threads.into())?;
            Ok(Outside {
                file: path.display().to_string(),
                texts: texts.len() as u64,
                probability: Separation::new(&probabilities, &theirs.probabilities()),
                energy: Separation::new(&energies, &theirs.energies()),
            })
        };
        files.iter().map(one).collect()
    }
}

impl<'a> Answered<'a> {
    fn new(
        subject: &'a Subject,
        labels: &'a [String],
        items: &'a [Item],
        threads: usize,
    ) -> Result<Self, Failure> {
        let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
        let truths: Vec<u32> = items.iter().map(|item| item.label).collect();
        let pass = subject.pass(&texts, threads)?;
        let predictions = pass.predictions(&truths);
        Ok(Self { subject, labels, texts, truths, pass, predictions })
    }

    fn figures(self, more: More) -> Result<Figures, Failure> {
        let Self { subject, labels, texts, pass, predictions, .. } = self;
        let evaluation = Evaluation::new(labels, &predictions).map_err(|e| Failure::input(e.to_string()))?;
        let lengths: Vec<u64> = texts.iter().map(|text| words(text)).collect();
        Ok(Figures {
            case: subject.name().to_owned(),
            digest: subject.digest(),
            backend: subject.backend().to_owned(),
            bytes: subject.bytes(),
            texts_per_second: rounded(evaluation.items as f64 / pass.seconds.max(1e-9), 1),
            evaluation,
            truncated: pass.truncated,
            seconds: rounded(pass.seconds, 6),
            calibration: Calibration::new(&predictions, &pass.logits, subject.abstain_below()),
            lengths: by_length(&predictions, &lengths),
            more,
        })
    }
}

/// Evaluates a prepared case on items already read.
pub(crate) fn evaluate(runnable: &Runnable, items: &[Item]) -> Result<Figures, Failure> {
    let subject = Subject::Case(runnable.clone());
    let labels = subject.labels();
    Answered::new(&subject, &labels, items, 1)?.figures(More::default())
}
