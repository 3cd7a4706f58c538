//! The state of an interrupted run: enough to go on bit for bit. One safetensors file in the run's folder.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use typecase_convert::encoder::{BertConfig, Calibration};

use super::optimiser::{AdamW, Moments};
use super::parameters::Parameters;
use crate::error::TrainError;
use crate::train::remove_file;

const FILE: &str = "state.safetensors";
/// The ranges of the integers, a file in the file.
const RANGES: &str = "ranges";

/// Where a run stands, beside its parameters and their moments.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Position {
    /// Step after which the best checkpoint was made, and its figures; none before the first evaluation.
    pub(super) best: Option<Best>,
    /// Evaluations since then.
    pub(super) stale: u32,
    /// Step of the last evaluation.
    pub(super) evaluated: u64,
    /// No step is left, or no better checkpoint came for too long.
    pub(super) done: bool,
    /// The ranges of the integers; none before the network learns as integers.
    pub(super) ranges: Option<Calibration>,
}

/// The best checkpoint so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Best {
    pub(super) step: u64,
    pub(super) accuracy: f64,
    pub(super) loss: f64,
}

pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

pub(super) fn remove(folder: &Path) -> Result<(), TrainError> {
    remove_file(&path(folder))
}

/// Writes the state beside the old one, makes sure that it is on the disk, then puts it in its place. Fails without a
/// trace: the old one stays.
pub(super) fn save(
    folder: &Path,
    run: &str,
    parameters: &Parameters,
    optimiser: &AdamW,
    position: &Position,
) -> Result<(), TrainError> {
    let path = path(folder);
    let beside = path.with_extension("new");
    let written = write(&beside, run, parameters, optimiser, position)
        .and_then(|()| sync(&beside))
        .and_then(|()| fs::rename(&beside, &path))
        .and_then(|()| sync(folder));
    written.map_err(|e| {
        // What is half written only takes room.
        let _ = fs::remove_file(&beside);
        TrainError::io(path, e)
    })
}

/// Makes sure that a file, or the names in a folder, are on the disk.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn write(
    path: &Path,
    run: &str,
    parameters: &Parameters,
    optimiser: &AdamW,
    position: &Position,
) -> io::Result<()> {
    let mut parts: Vec<(String, &[f32])> = vec![
        ("words".to_owned(), &parameters.words),
        ("mean.words".to_owned(), &optimiser.words.mean),
        ("square.words".to_owned(), &optimiser.words.square),
    ];
    for (parameter, moments) in parameters.list.iter().zip(&optimiser.list) {
        parts.push((parameter.name.clone(), &parameter.numbers));
        parts.push((format!("mean.{}", parameter.name), &moments.mean));
        parts.push((format!("square.{}", parameter.name), &moments.square));
    }
    if let Some(average) = &optimiser.average {
        parts.push(("average.words".to_owned(), &average.words));
        for (parameter, mean) in parameters.list.iter().zip(&average.list) {
            parts.push((format!("average.{}", parameter.name), mean));
        }
    }
    let mut metadata = HashMap::from([
        ("run".to_owned(), run.to_owned()),
        ("steps".to_owned(), optimiser.steps.to_string()),
        ("stale".to_owned(), position.stale.to_string()),
        ("evaluated".to_owned(), position.evaluated.to_string()),
        ("done".to_owned(), position.done.to_string()),
    ]);
    if let Some(best) = position.best {
        metadata.insert("best_step".to_owned(), best.step.to_string());
        metadata.insert("best_accuracy_bits".to_owned(), best.accuracy.to_bits().to_string());
        metadata.insert("best_loss_bits".to_owned(), best.loss.to_bits().to_string());
    }
    let views = parts.iter().map(|(name, numbers)| {
        // The file is little-endian, and so is every machine that trains.
        TensorView::new(Dtype::F32, vec![numbers.len()], bytemuck::cast_slice(numbers))
            .map(|view| (name, view))
    });
    let mut views = views.collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    let (name, ranges) = (RANGES.to_owned(), position.ranges.as_ref().map(Calibration::to_bytes));
    if let Some(ranges) = &ranges {
        let view = TensorView::new(Dtype::U8, vec![ranges.len()], ranges);
        views.push((&name, view.map_err(io::Error::other)?));
    }
    safetensors::serialize_to_file(views, Some(metadata), path).map_err(|e| match e {
        safetensors::SafeTensorError::IoError(e) => e,
        e => io::Error::other(e),
    })
}

/// Reads the state of the run named by `run` into parameters and moments of the same sizes; `config`: of its network.
pub(super) fn load(
    folder: &Path,
    run: &str,
    parameters: &mut Parameters,
    optimiser: &mut AdamW,
    config: &BertConfig,
) -> Result<Position, TrainError> {
    let path = path(folder);
    let file = match fs::read(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let reason = "no saved state found, a run must have been interrupted in this folder".to_owned();
            return Err(TrainError::Resume { path, reason });
        }
        file => file.map_err(|e| TrainError::io(&path, e))?,
    };
    let bad = |reason: &str| TrainError::Resume { path: path.clone(), reason: reason.to_owned() };
    let damaged = || bad("the saved state is damaged, remove it and start again");
    let (_, header) = SafeTensors::read_metadata(&file).map_err(|_| damaged())?;
    let tensors = SafeTensors::deserialize(&file).map_err(|_| damaged())?;
    let metadata = header.metadata().clone().unwrap_or_default();
    if metadata.get("run").map(String::as_str) != Some(run) {
        return Err(bad("the saved state is of another recipe, seed, data or network, all must be the same"));
    }
    let number = |key: &str| metadata.get(key).and_then(|v| v.parse::<u64>().ok());
    let fill = |name: &str, to: &mut Vec<f32>| {
        let tensor = tensors.tensor(name).map_err(|_| damaged())?;
        let numbers = tensor.data().as_chunks::<4>().0;
        if tensor.dtype() != Dtype::F32 || numbers.len() != to.len() {
            return Err(damaged());
        }
        to.iter_mut().zip(numbers).for_each(|(to, bytes)| *to = f32::from_le_bytes(*bytes));
        Ok(())
    };
    let fill_moments = |name: &str, moments: &mut Moments| {
        fill(&format!("mean.{name}"), &mut moments.mean)?;
        fill(&format!("square.{name}"), &mut moments.square)
    };
    fill("words", &mut parameters.words)?;
    fill_moments("words", &mut optimiser.words)?;
    for (parameter, moments) in parameters.list.iter_mut().zip(&mut optimiser.list) {
        fill(&parameter.name, &mut parameter.numbers)?;
        fill_moments(&parameter.name, moments)?;
    }
    if let Some(average) = &mut optimiser.average {
        fill("average.words", &mut average.words)?;
        for (parameter, mean) in parameters.list.iter().zip(&mut average.list) {
            fill(&format!("average.{}", parameter.name), mean)?;
        }
    }
    optimiser.steps = number("steps").ok_or_else(damaged)?;
    let best = number("best_step").map(|step| {
        let float = |key: &str| number(key).map(f64::from_bits).ok_or_else(damaged);
        Ok::<_, TrainError>(Best {
            step,
            accuracy: float("best_accuracy_bits")?,
            loss: float("best_loss_bits")?,
        })
    });
    let ranges = match tensors.tensor(RANGES) {
        Ok(bytes) => Some(Calibration::from_bytes(bytes.data(), config).map_err(|_| damaged())?),
        Err(_) => None,
    };
    Ok(Position {
        ranges,
        best: best.transpose()?,
        stale: number("stale").and_then(|n| u32::try_from(n).ok()).ok_or_else(damaged)?,
        evaluated: number("evaluated").ok_or_else(damaged)?,
        done: metadata.get("done").is_some_and(|done| done == "true"),
    })
}
