//! `typecase demo`: the whole chain on text that comes with the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Args;
use typecase::{Case, Options};
use typecase_convert::{Converted, convert};
use typecase_train::data::Item;
use typecase_train::{Compute, Recipe, TrainOptions, Trained};

use crate::commands::{convert::print_report, eval, progress::Progress, train};
use crate::failure::Failure;
use crate::input;
use crate::shipped;

/// The whole chain on bundled sample text.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep everything in this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Demo {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let started = Instant::now();
        let (folder, keep) = match self.out {
            Some(folder) => (folder, true),
            None => (std::env::temp_dir().join(format!("typecase-demo-{}", std::process::id())), false),
        };
        let result = run(&folder);
        if !keep {
            // Nothing of worth is lost if it stays.
            let _ = fs::remove_dir_all(&folder);
        }
        result?;
        outln!(
            "\nThe whole chain took {:.2} s. Next: typecase classify \"your text\"",
            started.elapsed().as_secs_f64()
        );
        Ok(())
    }
}

fn run(folder: &Path) -> Result<(), Failure> {
    let write =
        |path: PathBuf, text: &str| fs::write(&path, text).map_err(|e| Failure::file(path.display(), &e));
    let data = folder.join("sample");
    fs::create_dir_all(&data).map_err(|e| Failure::file(data.display(), &e))?;
    write(data.join("news.csv"), shipped::SAMPLE_CSV)?;
    write(data.join("golden.txt"), shipped::SAMPLE_GOLDEN)?;
    let recipe = folder.join("sample.toml");
    write(recipe.clone(), shipped::SAMPLE_RECIPE)?;

    outln!("1. Train on {} short texts written for this project", shipped::SAMPLE_CSV.lines().count());
    let recipe = Recipe::load(&recipe)?;
    let out = folder.join("run");
    let (stop, progress) = (AtomicBool::new(false), Progress::new());
    let options = TrainOptions {
        data: folder,
        out: &out,
        threads: train::threads(None),
        device: Compute::Cpu,
        resume: false,
        tensorboard: false,
        stop: &stop,
    };
    let trained = typecase_train::train(&recipe, &options, &mut |event| progress.show(event))?;
    let Trained { checkpoint, validation, evaluation, .. } = trained;
    outln!(
        "   {} features, {:.1} % of the held-out texts right",
        checkpoint.features.len(),
        evaluation.accuracy * 100.0
    );

    outln!("\n2. Convert: prune, quantise, prove, gate");
    let Converted { case, report } = convert(&checkpoint, &validation, &recipe.convert)?;
    let path = folder.join("sample.case");
    input::write_whole(&path, &case)?;
    print_report(&path, &report);

    outln!("\n3. Evaluate the case on the held-out texts");
    let case = typecase::open(&path)?;
    let runnable = typecase::prepare(&case, &Options::default())?;
    let items: Vec<Item> =
        validation.into_iter().map(|(text, label)| Item { text, lead_bytes: 0, label }).collect();
    eval::print_figures(&eval::evaluate(&runnable, &items)?);

    outln!("\n4. Classify new texts");
    let mut session = runnable.session();
    outln!("   {} golden vectors exact", session.verify()?);
    for text in shipped::SAMPLE_HELD_OUT.lines().step_by(3) {
        let verdict = session.classify(text)?;
        outln!("   {:<9} {:>5.1} %  {text}", verdict.label, verdict.probability * 100.0);
    }

    outln!("\n5. The case that is built in, trained on real news");
    shipped_case(&shipped::default_case()?)
}

fn shipped_case(case: &Case) -> Result<(), Failure> {
    let runnable = typecase::prepare(case, &Options::default())?;
    let mut session = runnable.session();
    outln!("   {}: {} bytes, {} golden vectors exact", case.name(), case.bytes().len(), session.verify()?);
    for text in shipped::SAMPLE_HELD_OUT.lines().step_by(3) {
        let verdict = session.classify(text)?;
        outln!("   {:<9} {:>5.1} %  {text}", verdict.label, verdict.probability * 100.0);
    }
    Ok(())
}
