//! The best checkpoint so far: the folder `best` of a run, in the form of Hugging Face, with `head.safetensors` and
//! `encoder.toml`. At the end of the run its files move into the run's folder.

use std::fs;
use std::io;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use typecase_convert::encoder::{Bert, Calibration, TrainedEncoder};

use super::parameters::Parameters;
use super::state::sync;
use crate::error::TrainError;
use crate::train::remove_file;

/// The folder of the best checkpoint.
pub(super) const BEST: &str = "best";
/// Where the next one is written.
const NEW: &str = "best.new";
/// Where the last one waits until the next one is in its place.
const OLD: &str = "best.old";
/// Written last: a folder with it is complete.
const MARK: &str = "encoder.toml";

/// Writes a checkpoint in the place of the last one. A crash leaves the last one or this one.
pub(super) fn replace(
    out: &Path,
    bert: &mut Bert,
    parameters: &Parameters,
    tokenizer: &str,
    ranges: Option<&Calibration>,
    trained: &TrainedEncoder,
) -> Result<(), TrainError> {
    let [best, new, old] = [BEST, NEW, OLD].map(|name| out.join(name));
    clear(&new)?;
    fs::create_dir(&new).map_err(|e| TrainError::io(&new, e))?;
    parameters.write_to(bert);
    bert.save(&new)?;
    let path = new.join("tokenizer.json");
    fs::write(&path, tokenizer).map_err(|e| TrainError::io(path, e))?;
    write_head(&new.join("head.safetensors"), parameters)?;
    if let Some(ranges) = ranges {
        let path = new.join(Calibration::FILE);
        fs::write(&path, ranges.to_bytes()).map_err(|e| TrainError::io(path, e))?;
    }
    sync_all(&new)?;
    trained.save(&new)?;
    sync_all(&new)?;
    clear(&old)?;
    let moved = match fs::rename(&best, &old) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => fs::rename(&new, &best).and_then(|()| sync(out)),
    };
    moved.map_err(|e| TrainError::io(&best, e))?;
    clear(&old)
}

/// Puts right what a crash left between two names.
pub(super) fn recover(out: &Path) -> Result<(), TrainError> {
    let [best, new, old] = [BEST, NEW, OLD].map(|name| out.join(name));
    if !best.exists() {
        for folder in [&new, &old] {
            if folder.join(MARK).is_file() {
                return fs::rename(folder, &best).map_err(|e| TrainError::io(&best, e));
            }
        }
    }
    Ok(())
}

/// Moves the files of the best checkpoint into the run's folder; where that was begun, the rest.
pub(super) fn finish(out: &Path) -> Result<(), TrainError> {
    let best = out.join(BEST);
    if best.is_dir() {
        let names = ["config.json", "model.safetensors", "tokenizer.json", "head.safetensors"];
        for name in names.into_iter().chain([Calibration::FILE, MARK]) {
            let path = out.join(name);
            match fs::rename(best.join(name), &path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(TrainError::io(path, e)),
                _ => {}
            }
        }
        sync(out).map_err(|e| TrainError::io(out, e))?;
    }
    remove(out)
}

/// Removes what says classes, or said words, from the run's folder: what is left is a network.
pub(super) fn drop_head(out: &Path) -> Result<(), TrainError> {
    for name in [MARK, "head.safetensors"] {
        remove_file(&out.join(name))?;
    }
    sync(out).map_err(|e| TrainError::io(out, e))
}

/// Removes every checkpoint under a name of its own.
pub(super) fn remove(out: &Path) -> Result<(), TrainError> {
    [BEST, NEW, OLD].iter().try_for_each(|name| clear(&out.join(name)))
}

/// Removes what says that the run's folder itself is a checkpoint.
pub(super) fn unmark(out: &Path) -> Result<(), TrainError> {
    [MARK, "config.json"].iter().try_for_each(|name| remove_file(&out.join(name)))
}

fn clear(folder: &Path) -> Result<(), TrainError> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(TrainError::io(folder, e)),
        _ => Ok(()),
    }
}

fn sync_all(folder: &Path) -> Result<(), TrainError> {
    let all = || {
        for entry in fs::read_dir(folder)? {
            sync(&entry?.path())?;
        }
        sync(folder)
    };
    all().map_err(|e| TrainError::io(folder, e))
}

fn write_head(path: &Path, parameters: &Parameters) -> Result<(), TrainError> {
    let parts: Vec<(String, Vec<usize>, Vec<u8>)> = parameters
        .head()
        .into_iter()
        .map(|(name, shape, numbers)| (name, shape, numbers.iter().flat_map(|x| x.to_le_bytes()).collect()))
        .collect();
    let views = parts.iter().map(|(name, shape, bytes)| {
        TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name, view))
    });
    let file = views.collect::<Result<Vec<_>, _>>().and_then(|views| safetensors::serialize(views, None));
    let file = file.map_err(|e| TrainError::io(path, io::Error::other(e)))?;
    fs::write(path, file).map_err(|e| TrainError::io(path, e))
}
