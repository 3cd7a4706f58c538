//! Opening a case by memory map: no copy, but the file must stay as it is.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::bytes::Bytes;
use crate::{Case, Error, engine};

/// Maps a case instead of reading it.
///
/// # Errors
/// As [`crate::open`].
///
/// # Safety
/// While the case or a clone of it lives, nobody may write to the file or shorten it, in this process or another:
/// a write would change answers behind the digest's back, a truncation ends the process with SIGBUS.
pub unsafe fn open_mmap(path: impl AsRef<Path>) -> Result<Case, Error> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|e| Error::unreadable(path, e))?;
    // SAFETY: the caller promises that the file is neither written nor shortened while the map lives, and the map
    // lives as long as the case that owns it.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| Error::unreadable(path, e))?;
    let name = path.display().to_string();
    engine::Case::parse(Bytes::from_map(map))
        .map(|case| Case(Arc::new(case)))
        .map_err(|e| Error::invalid(name, e))
}
