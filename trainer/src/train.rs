//! A whole run: read, split, learn, calibrate, evaluate, leave a checkpoint.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use typecase_convert::{Checkpoint, Cutter, DEFAULT_MAX_TOKENS, Parent, calibrate};

use crate::bag::{self, Task};
use crate::corpus::Corpus;
use crate::data::{self, Dataset, stratified_split};
use crate::distil::{self, Lesson};
use crate::error::TrainError;
use crate::evaluate::{Evaluation, Prediction};
use crate::log::Event;
use crate::recipe::{ClassWeights, Recipe};
use crate::state::State;
use crate::tensorboard::TensorBoard;
use crate::tokenizer::TokenizerRecipe;

/// Where an encoder learns; bags learn on the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compute {
    /// The CPU: the same bits every time.
    #[default]
    Cpu,
    /// The first GPU of NVIDIA; in builds with the feature `cuda`.
    Cuda,
    /// The GPU that Vulkan says is the machine's best; in builds with the feature `vulkan`.
    Vulkan,
}

impl Compute {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Cuda, Self::Vulkan];

    /// What it is called on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Vulkan => "vulkan",
        }
    }
}

/// How a recipe is run.
#[derive(Debug)]
pub struct TrainOptions<'a> {
    /// The folder that the recipe's data files are beside.
    pub data: &'a Path,
    /// The folder that the run writes to; made if absent.
    pub out: &'a Path,
    /// Worker threads. The result does not depend on it.
    pub threads: usize,
    /// Where an encoder learns.
    pub device: Compute,
    /// Go on from the state that an interrupted run saved in `out`.
    pub resume: bool,
    /// Also write an event file for TensorBoard.
    pub tensorboard: bool,
    /// Set it to stop after the current epoch, with the state saved.
    pub stop: &'a AtomicBool,
}

/// A finished run.
#[derive(Debug)]
pub struct Trained {
    /// The model; also in the run's folder.
    pub checkpoint: Checkpoint,
    /// The held-out texts; also in the run's folder, as `validation.jsonl`.
    pub validation: Vec<(String, u32)>,
    /// The floating-point model on them.
    pub evaluation: Evaluation,
    /// Where `recipe.toml` stands for the converter.
    pub recipe: PathBuf,
}

/// Runs a recipe. `on_event` is told of every step, and so is `log.jsonl` in the run's folder.
///
/// # Errors
/// [`TrainError::Data`] and [`TrainError::Recipe`] for bad input, [`TrainError::Interrupted`] when stopped,
/// [`TrainError::Resume`] if there is nothing to go on from, [`TrainError::Io`] if a file cannot be written.
pub fn train(
    recipe: &Recipe,
    options: &TrainOptions<'_>,
    on_event: &mut (dyn FnMut(&Event) + Send),
) -> Result<Trained, TrainError> {
    if recipe.encoder.is_some() {
        let reason = "encoder found, this function trains bags".to_owned();
        return Err(TrainError::Recipe { path: recipe.name.clone().into(), reason });
    }
    pool(options.threads)?.install(|| run(recipe, options, on_event))
}

/// Removes a file, if it is there.
pub(crate) fn remove_file(path: &Path) -> Result<(), TrainError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(TrainError::io(path, e)),
        _ => Ok(()),
    }
}

/// Worker threads, at least one.
pub(crate) fn pool(threads: usize) -> Result<rayon::ThreadPool, TrainError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
    pool.map_err(|e| TrainError::Threads(e.to_string()))
}

fn run(
    recipe: &Recipe,
    options: &TrainOptions<'_>,
    on_event: &mut (dyn FnMut(&Event) + Send),
) -> Result<Trained, TrainError> {
    let started = Instant::now();
    let out = options.out;
    fs::create_dir_all(out).map_err(|e| TrainError::io(out, e))?;
    let mut log = Log::open(out, options)?;
    let mut tell = |event: &Event| -> Result<(), TrainError> {
        on_event(event);
        log.write(event)
    };

    let read = read(recipe, options.data)?;
    let Read { dataset, files, own_items, skipped, sha256 } = read;
    let classes = dataset.labels.len();
    check_class_weights(recipe, classes)?;
    let labels = dataset.classes();
    let split =
        stratified_split(&labels[..own_items], recipe.data.validation_share, recipe.validation_seed());
    let mut train: Vec<u32> =
        split.train.iter().copied().chain((0u32..).take(labels.len()).skip(own_items)).collect();
    let held_out = |index: &u32| {
        let item = &dataset.items[*index as usize];
        (item.text.clone(), item.label)
    };
    let validation: Vec<(String, u32)> = split.validation.iter().map(held_out).collect();
    if validation.is_empty() {
        let reason = format!("0 of {} texts held out, at least 1 is needed", labels.len());
        return Err(TrainError::Recipe { path: recipe.name.clone().into(), reason });
    }
    tell(&Event::Data { train: train.len(), validation: validation.len(), skipped, sha256: sha256.clone() })?;
    let train_items = train.len();
    let lesson = distil::prepare(recipe, &dataset, &train, options, &mut tell)?;
    let targets = lesson.as_ref().map(|lesson| lesson.mixed(recipe));
    let copies = lesson.as_ref().map_or(&[][..], |lesson| lesson.copies.as_slice());
    let mut texts: Vec<&str> = dataset.items.iter().map(|item| item.text.as_str()).collect();
    let mut labels = labels;
    if let Some(targets) = &targets {
        let wanted = distil::labels(targets, classes);
        train.extend((0u32..).take(texts.len() + copies.len()).skip(texts.len()));
        texts.extend(copies.iter().map(String::as_str));
        train[..train_items].iter().zip(&wanted).for_each(|(&item, &label)| labels[item as usize] = label);
        labels.extend(&wanted[train_items..]);
    }
    let run = run_digest(recipe, &sha256, lesson.as_ref())?;
    let resumed = if options.resume { Some(State::load(out, &run, classes, train.len())?) } else { None };
    // An older checkpoint may have learnt from what is held out now: it must not stand beside it.
    Checkpoint::remove(out)?;
    write_validation(out, &dataset.labels, &validation)?;
    let (recipe_path, recipe_sha256) = write_recipe(out, recipe)?;

    let mut settings = recipe.text;
    let tokenizer = match &recipe.tokenizer {
        Some(tokenizer) => {
            // What is left open may get another default in a later version: the checkpoint says what was used.
            let max_tokens = *settings.max_tokens.get_or_insert(DEFAULT_MAX_TOKENS);
            Some(tokenizer.prepare(
                &recipe.name,
                max_tokens,
                train.iter().map(|&item| texts[item as usize]),
            )?)
        }
        None => None,
    };
    let cutter = Cutter::new(&settings, tokenizer.as_ref().map(|tokenizer| tokenizer.table.as_slice()))?;
    if let Cutter::Tokens(ngrams) = &cutter {
        let table_bytes = tokenizer.as_ref().map_or(0, |tokenizer| tokenizer.table.len());
        tell(&Event::Tokenizer { ids: ngrams.tokenizer().ids(), table_bytes })?;
    }
    let corpus = Corpus::new(&cutter, &texts, labels);
    let task = Task {
        corpus: &corpus,
        classes,
        train: &train,
        targets: targets.as_deref(),
        validation: &split.validation,
        recipe: &recipe.train,
        folder: out,
        run: &run,
        stop: options.stop,
        started,
    };
    let mut failed = None;
    let bag = bag::train(&task, resumed, &mut |event| failed = failed.take().or(tell(event).err()));
    if let Some(error) = failed {
        return Err(error);
    }
    let bag = bag?;

    let mut checkpoint = Checkpoint {
        name: recipe.name.clone(),
        labels: dataset.labels.clone(),
        text: settings,
        tokenizer,
        pooling: recipe.train.pooling.into(),
        features: bag.features,
        counts: bag.counts,
        width: classes,
        embedding: bag.embedding,
        bias: vec![0.0; classes],
        head: None,
        temperature: 1.0,
        provenance: BTreeMap::from([
            ("data".to_owned(), files.join(", ")),
            ("data_sha256".to_owned(), sha256),
            ("seed".to_owned(), recipe.train.seed.to_string()),
            ("train_items".to_owned(), train_items.to_string()),
            ("trainer".to_owned(), concat!("typecase-train ", env!("CARGO_PKG_VERSION")).to_owned()),
            ("recipe_sha256".to_owned(), recipe_sha256),
        ]),
    };
    if let Some(lesson) = lesson {
        lesson.describe(&mut checkpoint.provenance);
    }
    let evaluation = calibrate_and_evaluate(&mut checkpoint, &validation)?;
    checkpoint.save(out)?;
    State::remove(out)?;
    tell(&Event::Done {
        features: checkpoint.features.len(),
        validation_accuracy: evaluation.accuracy,
        ci95: evaluation.ci95,
        ece: evaluation.ece,
        temperature: checkpoint.temperature,
        seconds: started.elapsed().as_secs_f64(),
    })?;
    Ok(Trained { checkpoint, validation, evaluation, recipe: recipe_path })
}

/// All labelled texts: those that may be held out first.
pub(crate) struct Read {
    pub(crate) dataset: Dataset,
    /// Names of the files, for the case.
    pub(crate) files: Vec<String>,
    pub(crate) own_items: usize,
    pub(crate) skipped: u64,
    /// Of the files' digests, in hexadecimal.
    pub(crate) sha256: String,
}

pub(crate) fn read(recipe: &Recipe, folder: &Path) -> Result<Read, TrainError> {
    let mut options = recipe.read_options();
    let mut hasher = Sha256::new();
    let (mut own_items, mut skipped) = (0, 0);
    let mut whole: Option<Dataset> = None;
    for (index, file) in recipe.data.train.iter().chain(&recipe.data.extra).enumerate() {
        let loaded = data::load(&folder.join(file), &options)?;
        hasher.update(loaded.sha256);
        skipped += loaded.skipped;
        match &mut whole {
            None => {
                // Later files are held to the classes of the first.
                options.labels = Some(loaded.dataset.labels.clone());
                whole = Some(loaded.dataset);
            }
            Some(dataset) => dataset.items.extend(loaded.dataset.items),
        }
        if index + 1 == recipe.data.train.len() {
            own_items = whole.as_ref().map_or(0, |dataset| dataset.items.len());
        }
    }
    let dataset = whole.unwrap_or(Dataset { labels: Vec::new(), items: Vec::new() });
    let files =
        recipe.data.train.iter().chain(&recipe.data.extra).map(|file| file.display().to_string()).collect();
    if dataset.labels.len() < 2 {
        let reason = format!("{} class found in the data, at least 2 are needed", dataset.labels.len());
        return Err(TrainError::Recipe { path: recipe.name.clone().into(), reason });
    }
    Ok(Read { dataset, files, own_items, skipped, sha256: hex(&hasher.finalize()) })
}

fn check_class_weights(recipe: &Recipe, classes: usize) -> Result<(), TrainError> {
    match &recipe.train.class_weights {
        ClassWeights::Each(weights) if weights.len() != classes => {
            let reason =
                format!("{} train.class_weights found, the data have {classes} classes", weights.len());
            Err(TrainError::Recipe { path: recipe.name.clone().into(), reason })
        }
        _ => Ok(()),
    }
}

/// Fits the temperature on the held-out texts, then says how good the model is there.
fn calibrate_and_evaluate(
    checkpoint: &mut Checkpoint,
    validation: &[(String, u32)],
) -> Result<Evaluation, TrainError> {
    let logits: Vec<Vec<f32>> = {
        let parent = Parent::new(checkpoint)?;
        validation.par_iter().map(|(text, _)| parent.logits(text.as_bytes())).collect()
    };
    let labels: Vec<u32> = validation.iter().map(|(_, label)| *label).collect();
    checkpoint.temperature = calibrate::temperature(&logits, &labels);
    evaluate(&checkpoint.name, &checkpoint.labels, &logits, &labels, checkpoint.temperature)
}

/// The class with the highest number, of equal ones the first, as the engine has it.
pub(crate) fn best(numbers: &[f32]) -> u32 {
    let best = numbers.iter().enumerate().rev().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(class, _)| class as u32)
}

/// How good logits are.
pub(crate) fn evaluate(
    name: &str,
    names: &[String],
    logits: &[Vec<f32>],
    labels: &[u32],
    temperature: f32,
) -> Result<Evaluation, TrainError> {
    let sharpness = f64::from(1.0 / temperature);
    let predictions: Vec<Prediction> = (0u32..)
        .zip(logits)
        .zip(labels)
        .map(|((_, logits), &truth)| {
            let predicted = best(logits);
            let loss = calibrate::mean_loss(std::slice::from_ref(logits), &[predicted], sharpness);
            Prediction { truth, predicted, probability: (-loss).exp().min(1.0) as f32, abstained: false }
        })
        .collect();
    Evaluation::new(names, &predictions)
        .map_err(|e| TrainError::Recipe { path: name.into(), reason: e.to_string() })
}

pub(crate) fn write_validation(
    out: &Path,
    labels: &[String],
    validation: &[(String, u32)],
) -> Result<(), TrainError> {
    let mut lines = String::new();
    for (text, label) in validation {
        lines += &serde_json::json!({ "text": text, "label": labels[*label as usize] }).to_string();
        lines.push('\n');
    }
    let path = out.join("validation.jsonl");
    fs::write(&path, lines).map_err(|e| TrainError::io(path, e))
}

/// Leaves the recipe and its golden texts with the checkpoint, so that `convert` needs nothing else. The path, and the
/// SHA-256 of what was written.
pub(crate) fn write_recipe(out: &Path, recipe: &Recipe) -> Result<(PathBuf, String), TrainError> {
    let mut recipe = recipe.clone();
    if recipe.convert.golden_texts.is_empty() {
        recipe.golden = None;
    } else {
        let path = out.join("golden.txt");
        let texts = recipe.convert.golden_texts.join("\n") + "\n";
        fs::write(&path, texts).map_err(|e| TrainError::io(path, e))?;
        recipe.golden = Some("golden.txt".into());
    }
    if let Some(file) = recipe.tokenizer.as_mut().and_then(|tokenizer| tokenizer.file.as_mut()) {
        *file = "tokenizer.json".into();
    }
    let path = out.join("recipe.toml");
    let text = recipe.to_toml()?;
    fs::write(&path, &text).map_err(|e| TrainError::io(&path, e))?;
    Ok((path, hex(&Sha256::digest(text))))
}

/// What a saved state belongs to: everything that decides the weights.
fn run_digest(recipe: &Recipe, data: &str, lesson: Option<&Lesson>) -> Result<String, TrainError> {
    let deciding = Recipe { golden: None, convert: typecase_convert::Options::default(), ..recipe.clone() };
    let tokenizer = recipe.tokenizer.as_ref().map_or("", TokenizerRecipe::content);
    let lesson = lesson.map_or("", |lesson| lesson.digest.as_str());
    Ok(hex(&Sha256::digest(format!("{}{data}{tokenizer}{lesson}", deciding.to_toml()?))))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `log.jsonl`: one event a line. And a file for TensorBoard, where that is asked for.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    board: Option<TensorBoard>,
}

impl Log {
    pub(crate) fn open(out: &Path, options: &TrainOptions<'_>) -> Result<Self, TrainError> {
        let append = options.resume;
        let path = out.join("log.jsonl");
        let mut opening = File::options();
        opening.create(true).write(true).append(append).truncate(!append);
        let file = opening.open(&path).map_err(|e| TrainError::io(&path, e))?;
        let board = options.tensorboard.then(|| TensorBoard::open(out, append)).transpose()?;
        Ok(Self { path, file, board })
    }

    pub(crate) fn write(&mut self, event: &Event) -> Result<(), TrainError> {
        let mut line = serde_json::to_string(event).unwrap_or_default();
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(|e| TrainError::io(&self.path, e))?;
        self.board.as_mut().map_or(Ok(()), |board| board.add(event))
    }
}
