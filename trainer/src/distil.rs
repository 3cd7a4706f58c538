//! What a student learns from beside the labelled texts: changed copies of them, and what teachers say to all.
//!
//! ```text
//! texts --augment.rs--> copies --.
//!   '----------------------------+--> teacher.rs --> scores.rs (kept on disk) --> probabilities
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::augment;
use crate::data::Dataset;
use crate::error::TrainError;
use crate::log::Event;
use crate::random::Random;
use crate::recipe::{AugmentationRecipe, DistillationRecipe, Recipe};
use crate::train::{TrainOptions, best, hex};

mod scores;
mod teacher;

pub(crate) use teacher::Teacher;

/// Where scores of teachers are kept: beside the folders of runs, for other students of the same teachers.
const SCORES: &str = "scores";

/// What a student is taught.
#[derive(Debug)]
pub(crate) struct Lesson {
    /// Changed copies, learnt from after the texts themselves.
    pub(crate) copies: Vec<String>,
    /// What the labels want, of the texts and then the copies.
    ///
    /// # Shapes
    /// Texts x classes.
    pub(crate) hard: Vec<f32>,
    /// What the teachers want, in the same shape; none without teachers.
    pub(crate) soft: Option<Vec<f32>>,
    /// SHA-256 of all of it, in hexadecimal.
    pub(crate) digest: String,
    /// Who teaches, for the provenance.
    pub(crate) teachers: Vec<String>,
}

impl Lesson {
    /// What a checkpoint says of it.
    pub(crate) fn describe(&self, provenance: &mut BTreeMap<String, String>) {
        if !self.teachers.is_empty() {
            provenance.insert("teachers".to_owned(), self.teachers.join(", "));
        }
        if !self.copies.is_empty() {
            provenance.insert("changed_copies".to_owned(), self.copies.len().to_string());
        }
    }

    /// Labels and teachers as one target, with the teachers' share of the recipe.
    pub(crate) fn mixed(&self, recipe: &Recipe) -> Vec<f32> {
        match (&self.soft, &recipe.distillation) {
            (Some(soft), Some(DistillationRecipe { share, .. })) => {
                let share = *share as f32;
                soft.iter().zip(&self.hard).map(|(soft, hard)| share * soft + (1.0 - share) * hard).collect()
            }
            _ => self.hard.clone(),
        }
    }
}

/// The class with the highest target of each text, of equal ones the first.
pub(crate) fn labels(targets: &[f32], classes: usize) -> Vec<u32> {
    targets.chunks_exact(classes).map(best).collect()
}

/// The lesson of the texts `train`; none if the recipe asks for nothing but the labels.
///
/// # Errors
/// [`TrainError::Recipe`] for a teacher of other classes, [`TrainError::Checkpoint`] or [`TrainError::Encoder`] for one
/// that cannot be read, [`TrainError::Scoring`] when stopped, [`TrainError::Io`] if scores cannot be kept.
pub(crate) fn prepare(
    recipe: &Recipe,
    dataset: &Dataset,
    train: &[u32],
    options: &TrainOptions<'_>,
    tell: &mut dyn FnMut(&Event) -> Result<(), TrainError>,
) -> Result<Option<Lesson>, TrainError> {
    if recipe.distillation.is_none() && recipe.augmentation.is_none() {
        return Ok(None);
    }
    let classes = dataset.labels.len();
    let (copies, of_copies) = match &recipe.augmentation {
        Some(augmentation) => copies(dataset, train, augmentation, recipe.train.seed),
        None => (Vec::new(), Vec::new()),
    };
    let own = train.iter().flat_map(|&item| one_hot(dataset.items[item as usize].label, classes));
    let hard: Vec<f32> = own.chain(of_copies).collect();
    let mut lesson = Lesson { copies, hard, soft: None, digest: String::new(), teachers: Vec::new() };
    if let Some(distillation) = &recipe.distillation {
        teach(&mut lesson, distillation, dataset, train, options, tell)?;
    }
    lesson.digest = digest(&lesson);
    Ok(Some(lesson))
}

fn one_hot(label: u32, classes: usize) -> impl Iterator<Item = f32> {
    (0u32..).take(classes).map(move |class| if class == label { 1.0 } else { 0.0 })
}

/// The copies of each text one after the other, and their targets.
fn copies(
    dataset: &Dataset,
    train: &[u32],
    recipe: &AugmentationRecipe,
    seed: u64,
) -> (Vec<String>, Vec<f32>) {
    let classes = dataset.labels.len();
    let of_text = |&item: &u32| -> Vec<(String, Vec<f32>)> {
        // A seed per text, so that copies do not depend on the threads.
        let mut random = Random::new(seed ^ (u64::from(item) + 1).rotate_left(32));
        let item = &dataset.items[item as usize];
        let copy = |_| {
            let other = &dataset.items[train[random.below(train.len() as u64) as usize] as usize];
            let copy = augment::changed(&item.text, &other.text, recipe, &mut random);
            let of = |label| one_hot(label, classes);
            let target = of(item.label).zip(of(other.label));
            let target = target.map(|(own, theirs)| (1.0 - copy.other) * own + copy.other * theirs).collect();
            (copy.text, target)
        };
        (0..recipe.copies).map(copy).collect()
    };
    let all: Vec<(String, Vec<f32>)> = train.par_iter().flat_map_iter(of_text).collect();
    let (texts, targets): (Vec<String>, Vec<Vec<f32>>) = all.into_iter().unzip();
    (texts, targets.concat())
}

/// The weighted mean of the teachers' probabilities.
fn teach(
    lesson: &mut Lesson,
    recipe: &DistillationRecipe,
    dataset: &Dataset,
    train: &[u32],
    options: &TrainOptions<'_>,
    tell: &mut dyn FnMut(&Event) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let classes = dataset.labels.len();
    let folder = options.out.parent().unwrap_or(options.out).join(SCORES);
    let texts: Vec<&str> = dataset.items.iter().map(|item| item.text.as_str()).collect();
    let copies: Vec<&str> = lesson.copies.iter().map(String::as_str).collect();
    let whole: f64 = recipe.teachers.iter().map(|teacher| teacher.weight).sum();
    let mut soft = vec![0f32; lesson.hard.len()];
    for of in &recipe.teachers {
        let mut teacher = Teacher::open(of.place(), options.device)?;
        let columns = teacher.columns(&dataset.labels)?;
        let mut asking = Asking { folder: folder.clone(), stop: options.stop, tell };
        // All texts, held out or not, so that students with other splits find them too.
        let all = scores::of(&mut teacher, &texts, &mut asking)?;
        let of_copies = scores::of(&mut teacher, &copies, &mut asking)?;
        let width = columns.len();
        let own = train.iter().map(|&item| &all[item as usize * width..][..width]);
        let weight = (of.weight / whole) as f32;
        for (row, to) in own.chain(of_copies.chunks_exact(width)).zip(soft.chunks_exact_mut(classes)) {
            let logits: Vec<f32> = columns.iter().map(|&column| row[column]).collect();
            let probabilities = softmax(&logits, recipe.temperature);
            to.iter_mut().zip(probabilities).for_each(|(to, p)| *to += weight * p);
        }
        lesson.teachers.push(format!("{} {}", teacher.name, &teacher.digest[..16]));
    }
    lesson.soft = Some(soft);
    Ok(())
}

/// How a teacher is asked.
pub(crate) struct Asking<'a, 'b> {
    /// Where the scores are kept.
    pub(crate) folder: PathBuf,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) tell: &'a mut (dyn FnMut(&Event) -> Result<(), TrainError> + 'b),
}

/// Probabilities of logits that are divided by a temperature.
fn softmax(logits: &[f32], temperature: f64) -> Vec<f32> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|x| (f64::from(x - highest) / temperature).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| (power / sum) as f32).collect()
}

fn digest(lesson: &Lesson) -> String {
    let mut hasher = Sha256::new();
    for copy in &lesson.copies {
        hasher.update((copy.len() as u64).to_le_bytes());
        hasher.update(copy);
    }
    for target in lesson.hard.iter().chain(lesson.soft.iter().flatten()) {
        hasher.update(target.to_le_bytes());
    }
    hex(&hasher.finalize())
}

#[cfg(test)]
mod tests;
