//! Scores of a teacher on disk: asked once, and kept for other students. What an interrupted run has is kept too.
//!
//! A file is a header of 80 bytes (magic, classes as u32, texts as u32, SHA-256 of the teacher, SHA-256 of the texts) and
//! a row of little-endian f32 a text. It is named by both digests; `.part` behind the name is one that grows.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::{Asking, Teacher};
use crate::error::TrainError;
use crate::log::Event;
use crate::train::hex;

const MAGIC: &[u8; 8] = b"tcscore1";
const HEADER: usize = 80;

/// Texts between two writes.
const CHUNK: usize = 1024;

/// The calibrated logits of texts by a teacher, kept from an earlier run or asked for now.
///
/// # Shapes
/// Texts x classes of the teacher.
pub(super) fn of(
    teacher: &mut Teacher,
    texts: &[&str],
    asking: &mut Asking<'_, '_>,
) -> Result<Vec<f32>, TrainError> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let header = header(teacher, texts);
    let row_bytes = 4 * teacher.labels.len();
    let whole = HEADER + texts.len() * row_bytes;
    let name = format!("{}-{}.scores", &teacher.digest[..16], &hex(&header[HEADER - 32..])[..16]);
    let path = asking.folder.join(&name);
    if path.is_file() {
        let bytes = fs::read(&path).map_err(|e| TrainError::io(&path, e))?;
        return rows(&bytes, &header, whole).ok_or_else(|| damaged(&path));
    }
    fs::create_dir_all(&asking.folder).map_err(|e| TrainError::io(&asking.folder, e))?;
    let part = asking.folder.join(name + ".part");
    let mut file = File::options()
        .create(true)
        .read(true)
        .append(true)
        .open(&part)
        .map_err(|e| TrainError::io(&part, e))?;
    if file.try_lock().is_err() {
        let reason = "another run is at work on these scores: wait for it, then start again".to_owned();
        return Err(TrainError::Resume { path: part, reason });
    }
    let mut bytes = fs::read(&part).map_err(|e| TrainError::io(&part, e))?;
    if !bytes.starts_with(&header) {
        bytes.clear();
        bytes.extend(&header);
        file.set_len(0).and_then(|()| file.write_all(&header)).map_err(|e| TrainError::io(&part, e))?;
    }
    // A crash may leave a part of a row.
    let rows_kept = (bytes.len().min(whole) - HEADER) / row_bytes;
    bytes.truncate(HEADER + rows_kept * row_bytes);
    file.set_len(bytes.len() as u64).map_err(|e| TrainError::io(&part, e))?;

    let started = Instant::now();
    while bytes.len() < whole {
        let done = (bytes.len() - HEADER) / row_bytes;
        if asking.stop.load(Ordering::Relaxed) {
            return Err(TrainError::Scoring { done, of: texts.len(), path: part });
        }
        let chunk = &texts[done..texts.len().min(done + CHUNK)];
        let logits = teacher.logits(chunk)?;
        if let Some(logit) = logits.iter().find(|logit| !logit.is_finite()) {
            let reason = format!("a logit of this teacher is {logit}, it must be finite");
            return Err(TrainError::Recipe { path: teacher.name.clone().into(), reason });
        }
        let new: Vec<u8> = logits.iter().flat_map(|logit| logit.to_le_bytes()).collect();
        file.write_all(&new).map_err(|e| TrainError::io(&part, e))?;
        bytes.extend(new);
        (asking.tell)(&Event::Taught {
            teacher: teacher.name.clone(),
            texts: done + chunk.len(),
            of: texts.len(),
            seconds: started.elapsed().as_secs_f64(),
        })?;
    }
    file.sync_all().and_then(|()| fs::rename(&part, &path)).map_err(|e| TrainError::io(&part, e))?;
    rows(&bytes, &header, whole).ok_or_else(|| damaged(&path))
}

fn header(teacher: &Teacher, texts: &[&str]) -> [u8; HEADER] {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&(teacher.labels.len() as u32).to_le_bytes());
    header[12..16].copy_from_slice(&(texts.len() as u32).to_le_bytes());
    header[16..48].copy_from_slice(&Sha256::digest(&teacher.digest));
    header[48..].copy_from_slice(&hasher.finalize());
    header
}

/// The rows of a whole file; none for any other.
fn rows(bytes: &[u8], header: &[u8], whole: usize) -> Option<Vec<f32>> {
    if bytes.len() != whole || !bytes.starts_with(header) {
        return None;
    }
    let rows: Vec<f32> =
        bytes[HEADER..].as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    rows.iter().all(|logit| logit.is_finite()).then_some(rows)
}

fn damaged(path: &Path) -> TrainError {
    let reason = "the scores are damaged, remove the file and start again".to_owned();
    TrainError::Resume { path: path.to_owned(), reason }
}
