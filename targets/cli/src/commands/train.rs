//! `typecase train`: a recipe becomes a checkpoint.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use typecase_train::{Compute, Recipe, TrainOptions};

use crate::commands::progress::Progress;
use crate::failure::Failure;
use crate::input;

/// Train a checkpoint from a recipe.
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// The recipe (TOML)
    #[arg(long, value_name = "FILE")]
    recipe: PathBuf,
    /// Folder that the recipe's data files are beside; else TYPECASE_DATA, ../shared/data, the current folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder for checkpoint, log and state; else out/NAME
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Instead of the recipe's seed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Worker threads; the result does not depend on it. Else one per core
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Where an encoder learns: cpu, cuda, vulkan
    #[arg(long, default_value = "cpu", value_name = "NAME")]
    device: String,
    /// Folder of the network to fine-tune, instead of the recipe's
    #[arg(long, value_name = "DIR")]
    encoder: Option<PathBuf>,
    /// A case or a checkpoint to learn from, instead of the recipe's; as often as the recipe has teachers
    #[arg(long, value_name = "PATH")]
    teacher: Vec<PathBuf>,
    /// Print the recipe with every default written out, and train nothing
    #[arg(long)]
    print_recipe: bool,
    /// Also write an event file for TensorBoard into the folder
    #[arg(long)]
    tensorboard: bool,
    /// Go on from the state that an interrupted run saved
    #[arg(long)]
    resume: bool,
}

impl Train {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let Some(device) = Compute::ALL.into_iter().find(|device| device.name() == self.device) else {
            let message = format!("device {}: allowed are cpu, cuda and vulkan", self.device);
            return Err(Failure::input(message));
        };
        let mut recipe = Recipe::load(&self.recipe)?;
        if let Some(seed) = self.seed {
            recipe.train.seed = seed;
        }
        if let Some(folder) = &self.encoder {
            let Some(encoder) = &mut recipe.encoder else {
                return Err(Failure::input(format!(
                    "--encoder {}: the recipe has no table encoder",
                    folder.display()
                )));
            };
            encoder.found = Some(folder.clone());
        }
        self.name_teachers(&mut recipe)?;
        if self.print_recipe {
            outln!("{}", recipe.to_toml()?.trim_end());
            return Ok(());
        }
        if recipe.encoder.is_some() && !cfg!(feature = "encoders") {
            let message = format!("{}: an encoder is not trained by this build", self.recipe.display());
            return Err(Failure::input(message).help("build with --features encoders"));
        }
        if recipe.encoder.is_none() && device != Compute::Cpu {
            let (name, path) = (device.name(), self.recipe.display());
            return Err(Failure::input(format!("device {name}: {path} is a bag, which learns on the cpu")));
        }
        let out = self.out.unwrap_or_else(|| PathBuf::from("out").join(&recipe.name));
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        // The first signal asks for a clean stop; the second ends the program.
        let handler = ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::Relaxed) {
                std::process::exit(1);
            }
            eprintln!("stopping, the state is saved; once more to stop at once");
        });
        handler.map_err(|e| Failure::input(format!("signal handler: {e}")))?;
        let options = TrainOptions {
            data: &input::data_folder(self.data.as_deref()),
            out: &out,
            threads: threads(self.threads),
            device,
            resume: self.resume,
            tensorboard: self.tensorboard,
            stop: &stop,
        };
        let progress = Progress::new();
        learn(&recipe, &options, &progress)?;
        outln!("{}", out.display());
        if recipe.pretraining.is_some() {
            eprintln!("next: typecase train --recipe FILE --encoder {}", out.display());
        } else {
            eprintln!("next: typecase convert {} -o {}.case", out.display(), recipe.name);
        }
        Ok(())
    }
}

impl Train {
    /// Puts the teachers of the command line in the places of the recipe's.
    fn name_teachers(&self, recipe: &mut Recipe) -> Result<(), Failure> {
        let teachers = recipe
            .distillation
            .as_mut()
            .map_or(&mut [][..], |distillation| distillation.teachers.as_mut_slice());
        if !self.teacher.is_empty() && self.teacher.len() != teachers.len() {
            let (given, known) = (self.teacher.len(), teachers.len());
            return Err(Failure::input(format!("--teacher: {given} given, the recipe has {known}")));
        }
        for (teacher, path) in teachers.iter_mut().zip(&self.teacher) {
            teacher.found = Some(path.clone());
        }
        Ok(())
    }
}

#[cfg(feature = "encoders")]
fn learn(recipe: &Recipe, options: &TrainOptions<'_>, progress: &Progress) -> Result<(), Failure> {
    if recipe.pretraining.is_some() {
        typecase_train::encoder::pretrain(recipe, options, &mut |event| progress.show(event))?;
        return Ok(());
    }
    if recipe.encoder.is_some() {
        typecase_train::encoder::train(recipe, options, &mut |event| progress.show(event))?;
        return Ok(());
    }
    learn_bag(recipe, options, progress)
}

#[cfg(not(feature = "encoders"))]
fn learn(recipe: &Recipe, options: &TrainOptions<'_>, progress: &Progress) -> Result<(), Failure> {
    learn_bag(recipe, options, progress)
}

fn learn_bag(recipe: &Recipe, options: &TrainOptions<'_>, progress: &Progress) -> Result<(), Failure> {
    typecase_train::train(recipe, options, &mut |event| progress.show(event))?;
    Ok(())
}

/// As many as given, else one per core.
pub(crate) fn threads(given: Option<usize>) -> usize {
    given.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}
