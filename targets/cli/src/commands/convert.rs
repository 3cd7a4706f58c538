//! `typecase convert`: a checkpoint becomes a case, if it passes its gate.

use std::path::{Path, PathBuf};

use clap::Args;
use typecase_convert::encoder::{self, ImportOptions, Labelled, TrainedEncoder};
use typecase_convert::{Checkpoint, Converted, Options, Report, Size, convert};
use typecase_train::Recipe;
use typecase_train::data::{self, ReadOptions};

use crate::commands::report;
use crate::failure::Failure;
use crate::format::thousands;
use crate::input;

/// Texts from which the head of an imported encoder learns, and those that judge it, at most.
const HEAD_TEXTS: [usize; 2] = [8000, 2000];

/// Turn a checkpoint or a BERT of Hugging Face into a case: prune, quantise, prove, gate.
#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// The checkpoint's folder, or that of a BERT (DistilBERT, ELECTRA, RoBERTa): config.json, model.safetensors,
    /// tokenizer.json
    source: PathBuf,
    /// The case to write
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// The recipe with the converter's settings; else recipe.toml in the checkpoint
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Labelled texts that training did not see; else validation.jsonl in the checkpoint. For a BERT: the texts that its
    /// head learns from and is judged by
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// Tokens of a text that a BERT looks at
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    max_tokens: u32,
    /// The largest case: 65536, 64KiB, 1MiB
    #[arg(long, value_name = "SIZE")]
    max_size: Option<Size>,
    /// The largest loss of accuracy against the checkpoint, in points
    #[arg(long, value_name = "POINTS")]
    max_drop: Option<f64>,
    /// The share of right verdicts wanted among those that do not abstain, such as 0.97: the threshold is chosen on the
    /// held-out texts
    #[arg(long, value_name = "SHARE")]
    answered_accuracy: Option<f64>,
    /// Write the report (HTML, one file)
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Convert {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if TrainedEncoder::is_at(&self.source) {
            return self.trained_encoder();
        }
        if self.source.join("config.json").is_file() {
            return self.import();
        }
        if !Checkpoint::is_at(&self.source) {
            let message = format!(
                "{}: no checkpoint found, a folder with checkpoint.toml is needed",
                self.source.display()
            );
            return Err(Failure::input(message).help("typecase train --recipe FILE makes one"));
        }
        let checkpoint = Checkpoint::load(&self.source)?;
        let options = self.options()?;
        let held_out = self.held_out(&checkpoint.labels)?;
        let converted = convert(&checkpoint, &held_out, &options)?;
        self.write(converted)
    }

    /// An encoder that was trained with its head.
    fn trained_encoder(&self) -> Result<(), Failure> {
        let load = |e: encoder::ImportError| Failure::input(e.to_string());
        let trained = TrainedEncoder::load(&self.source).map_err(load)?;
        if self.calibration.is_none() && !self.source.join("validation.jsonl").is_file() {
            let message = format!("{}: no labelled texts found", self.source.display());
            return Err(Failure::input(message).help(
                "--calibration FILE: the ranges of the integers come from texts that training did not see",
            ));
        }
        let held_out = self.held_out(&trained.labels)?;
        let import = ImportOptions::default();
        let converted =
            encoder::convert_trained(&trained, &self.source, &held_out, &import, &self.options()?)?;
        self.write(converted)
    }

    /// A BERT of Hugging Face, with a linear head on its frozen rows.
    fn import(self) -> Result<(), Failure> {
        let Some(path) = &self.calibration else {
            let message =
                format!("{}: a BERT has no classes, --calibration FILE is needed", self.source.display());
            return Err(
                Failure::input(message).help("its head learns from labelled texts: CSV, TSV or JSONL")
            );
        };
        let loaded = data::load(path, &ReadOptions::default()).map_err(|e| Failure::input(e.to_string()))?;
        let all: Vec<(String, u32)> =
            loaded.dataset.items.into_iter().map(|item| (item.text, item.label)).collect();
        let [learn, judge] = HEAD_TEXTS;
        // Every fifth at most judges; of many texts those that are spread evenly are enough.
        let step = (all.len() / (learn + judge)).max(1);
        let (mut train, mut held_out) = (Vec::new(), Vec::new());
        for (nth, item) in all.into_iter().step_by(step).take(learn + judge).enumerate() {
            if nth % 5 == 4 { held_out.push(item) } else { train.push(item) }
        }
        eprintln!("note: the head learns from {} texts, {} judge it", train.len(), held_out.len());
        let name = self.out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let labelled =
            Labelled { name: &name, labels: &loaded.dataset.labels, train: &train, held_out: &held_out };
        let import = ImportOptions { max_tokens: self.max_tokens, ..ImportOptions::default() };
        let mut options = self.options()?;
        if self.max_drop.is_none() && self.recipe.is_none() {
            // Calibration alone, without training for integers, costs more than a bag does.
            options.max_drop = 0.6;
        }
        let converted = encoder::convert(&self.source, &labelled, &import, &options)?;
        self.write(converted)
    }

    fn write(&self, converted: Converted) -> Result<(), Failure> {
        let Converted { case, report } = converted;
        input::write_whole(&self.out, &case)?;
        if let Some(path) = &self.report {
            input::write_whole(path, report::conversion(&report).as_bytes())?;
        }
        if self.json {
            outln!("{}", serde_json::to_string(&report).unwrap_or_default());
        } else {
            print_report(&self.out, &report);
        }
        Ok(())
    }

    fn options(&self) -> Result<Options, Failure> {
        let beside = self.source.join("recipe.toml");
        let mut options = match &self.recipe {
            Some(path) => Recipe::load(path)?.convert,
            None if beside.is_file() => Recipe::load(&beside)?.convert,
            None => Options::default(),
        };
        if let Some(Size(bytes)) = self.max_size {
            options.max_size = Some(bytes);
        }
        if let Some(points) = self.max_drop {
            options.max_drop = points;
        }
        if self.answered_accuracy.is_some() {
            options.answered_accuracy = self.answered_accuracy;
        }
        Ok(options)
    }

    fn held_out(&self, labels: &[String]) -> Result<Vec<(String, u32)>, Failure> {
        let beside = self.source.join("validation.jsonl");
        let path = match &self.calibration {
            Some(path) => path.clone(),
            None if beside.is_file() => beside,
            None => {
                eprintln!(
                    "note: no labelled texts: the loss is not measured, the temperature is the checkpoint's"
                );
                return Ok(Vec::new());
            }
        };
        let options = ReadOptions { labels: Some(labels.to_vec()), ..ReadOptions::default() };
        // The help for bad rows names an option that this command does not have.
        let loaded = data::load(&path, &options).map_err(|e| Failure::input(e.to_string()))?;
        Ok(loaded.dataset.items.into_iter().map(|item| (item.text, item.label)).collect())
    }
}

/// What a person wants to know of a conversion.
pub(crate) fn print_report(out: &Path, report: &Report) {
    outln!("{}", out.display());
    outln!("  size      {} bytes", thousands(report.bytes));
    outln!(
        "  features  {} of {}, {} bits a weight",
        thousands(report.features),
        thousands(report.features_before),
        report.weight_bits
    );
    if report.items > 0 {
        outln!(
            "  accuracy  {:.2} % on {} held-out texts; checkpoint {:.2} %, lost {:.2} points (paired test p = {:.2})",
            report.case.accuracy * 100.0,
            thousands(report.items),
            report.parent.accuracy * 100.0,
            report.drop,
            report.paired.mcnemar_p
        );
        if report.abstain.below > 0.0 {
            outln!(
                "  abstains  below {:.4}: {:.2} % of them answered, {:.2} % of those right",
                report.abstain.below,
                report.abstain.coverage * 100.0,
                report.abstain.accuracy * 100.0
            );
        }
    }
}
