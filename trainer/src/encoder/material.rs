//! What a run starts from: the network that learns, texts as its ids, and what its teachers want.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use typecase_convert::encoder::{Bert, TextIds};

use super::batches::{Targets, Texts};
use super::guide::Guide;
use super::shrink::Student;
use crate::data::stratified_split;
use crate::distil;
use crate::error::TrainError;
use crate::log::Event;
use crate::recipe::{EncoderRecipe, PretrainingRecipe, Recipe};
use crate::train::{Read, TrainOptions, hex};

/// Everything that a run reads, made ready.
pub(super) struct Material {
    pub(super) bert: Bert,
    /// Its `tokenizer.json`.
    pub(super) tokenizer: String,
    pub(super) guide: Option<Guide>,
    /// The texts to learn from, changed copies last.
    pub(super) train: Texts,
    pub(super) validation: Texts,
    /// The texts of `validation`.
    pub(super) held_out: Vec<(String, u32)>,
    /// Names of the classes.
    pub(super) labels: Vec<String>,
    /// What a checkpoint says of all this.
    pub(super) provenance: BTreeMap<String, String>,
    /// Digests of the data and of the lesson.
    pub(super) digest: String,
    /// Time to cut the network and the texts.
    pub(super) cutting: Duration,
}

impl Material {
    pub(super) fn new(
        recipe: &Recipe,
        encoder: &EncoderRecipe,
        (bert, tokenizer): (Bert, String),
        read: Read,
        options: &TrainOptions<'_>,
        tell: &mut dyn FnMut(&Event) -> Result<(), TrainError>,
    ) -> Result<Self, TrainError> {
        let bad = |reason: String| TrainError::Recipe { path: recipe.name.clone().into(), reason };
        let Read { dataset, files, own_items, skipped, sha256 } = read;
        let labels = dataset.classes();
        let split =
            stratified_split(&labels[..own_items], recipe.data.validation_share, recipe.validation_seed());
        let learnt: Vec<u32> =
            split.train.iter().copied().chain((0u32..).take(labels.len()).skip(own_items)).collect();
        if learnt.is_empty() || split.validation.is_empty() {
            let held_out = split.validation.len();
            return Err(bad(format!(
                "{held_out} of {own_items} texts held out, at least 1 and not all are needed"
            )));
        }
        tell(&Event::Data {
            train: learnt.len(),
            validation: split.validation.len(),
            skipped,
            sha256: sha256.clone(),
        })?;
        let lesson = distil::prepare(recipe, &dataset, &learnt, options, tell)?;

        let started = Instant::now();
        let item = |number: &u32| {
            let item = &dataset.items[*number as usize];
            (item.text.as_str(), item.label)
        };
        let train: Vec<(&str, u32)> = learnt.iter().map(item).collect();
        let validation: Vec<(&str, u32)> = split.validation.iter().map(item).collect();
        let Student { bert, tokenizer, origin } =
            Student::new(encoder, bert, tokenizer, &train).map_err(bad)?;
        let guide = match &recipe.distillation {
            None => None,
            Some(distillation) => {
                let classes = dataset.labels.len();
                let origin = origin.map(|whole| whole.origin(encoder, classes, &distillation.layers));
                Some(Guide::new(distillation, origin.transpose().map_err(bad)?))
            }
        };
        let ids = TextIds::compile(&tokenizer, encoder.max_tokens)?;
        let lines =
            recipe.pretraining.as_ref().map(|pretraining| lines(pretraining, options.data)).transpose()?;
        let copies = lesson.iter().flat_map(|lesson| &lesson.copies).chain(lines.iter().flatten());
        let copies = copies.map(|copy| (copy.as_str(), 0));
        let mut train = cut(&ids, &train.into_iter().chain(copies).collect::<Vec<_>>(), &bert)?;
        train.targets = lesson.as_ref().map(|lesson| Targets {
            hard: lesson.hard.clone(),
            soft: lesson.soft.clone().unwrap_or_default(),
        });
        let held_out = validation.iter().map(|(text, label)| ((*text).to_owned(), *label)).collect();
        let validation = cut(&ids, &validation, &bert)?;
        let cutting = started.elapsed();

        let mut provenance = BTreeMap::from([
            ("data".to_owned(), files.join(", ")),
            ("data_sha256".to_owned(), sha256.clone()),
            ("seed".to_owned(), recipe.train.seed.to_string()),
            ("train_items".to_owned(), learnt.len().to_string()),
            ("trainer".to_owned(), concat!("typecase-train ", env!("CARGO_PKG_VERSION")).to_owned()),
        ]);
        let mut digest = sha256;
        if let Some(lesson) = &lesson {
            lesson.describe(&mut provenance);
            digest += &lesson.digest;
        }
        if let Some(lines) = &lines {
            provenance.insert("more_texts".to_owned(), lines.len().to_string());
            digest += &hex(&Sha256::digest(lines.join("\n")));
        }
        Ok(Self {
            bert,
            tokenizer,
            guide,
            train,
            validation,
            held_out,
            labels: dataset.labels,
            provenance,
            digest,
            cutting,
        })
    }
}

/// The texts of the files with one a line.
fn lines(recipe: &PretrainingRecipe, folder: &Path) -> Result<Vec<String>, TrainError> {
    let mut lines = Vec::new();
    for path in recipe.texts.iter().map(|file| folder.join(file)) {
        let text = fs::read_to_string(&path).map_err(|e| TrainError::io(path, e))?;
        lines.extend(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
    }
    Ok(lines)
}

fn cut(ids: &TextIds, texts: &[(&str, u32)], bert: &Bert) -> Result<Texts, TrainError> {
    let texts = Texts::new(ids, texts);
    texts.each(|ids| bert.check_ids(ids))?;
    Ok(texts)
}
