//! `typecase convert`: a checkpoint becomes a case, if it passes its gate.

use std::path::{Path, PathBuf};

use clap::Args;
use typecase_convert::{Checkpoint, Converted, Options, Report, Size, convert};
use typecase_train::Recipe;
use typecase_train::data::{self, ReadOptions};

use crate::commands::report;
use crate::failure::Failure;
use crate::format::thousands;
use crate::input;

/// Turn a checkpoint into a case: prune, quantise, prove, gate.
#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// The checkpoint's folder
    source: PathBuf,
    /// The case to write
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// The recipe with the converter's settings; else recipe.toml in the checkpoint
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Labelled texts that training did not see; else validation.jsonl in the checkpoint
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// The largest case: 65536, 64KiB, 1MiB
    #[arg(long, value_name = "SIZE")]
    max_size: Option<Size>,
    /// The largest loss of accuracy against the checkpoint, in points
    #[arg(long, value_name = "POINTS")]
    max_drop: Option<f64>,
    /// Write the report (HTML, one file)
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Convert {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if !Checkpoint::is_at(&self.source) {
            let message = format!(
                "{}: no checkpoint found, a folder with checkpoint.toml is needed",
                self.source.display()
            );
            return Err(Failure::input(message).help("typecase train --recipe FILE makes one"));
        }
        let checkpoint = Checkpoint::load(&self.source)?;
        let mut options = self.options()?;
        if let Some(Size(bytes)) = self.max_size {
            options.max_size = Some(bytes);
        }
        if let Some(points) = self.max_drop {
            options.max_drop = points;
        }
        let held_out = self.held_out(&checkpoint)?;
        let Converted { case, report } = convert(&checkpoint, &held_out, &options)?;
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
        match &self.recipe {
            Some(path) => Ok(Recipe::load(path)?.convert),
            None if beside.is_file() => Ok(Recipe::load(&beside)?.convert),
            None => Ok(Options::default()),
        }
    }

    fn held_out(&self, checkpoint: &Checkpoint) -> Result<Vec<(String, u32)>, Failure> {
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
        let options = ReadOptions { labels: Some(checkpoint.labels.clone()), ..ReadOptions::default() };
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
    }
}
