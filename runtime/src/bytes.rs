//! The bytes of a case, from wherever they come.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// The largest file that is read: far above every size class, far below what exhausts a machine.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Sections begin at multiples of this in the file; the buffer begins at one too.
const ALIGN: usize = 64;

/// The bytes of a case: built into the program, read from a file, or mapped. A clone shares them.
#[derive(Clone, Debug)]
pub struct Bytes(Arc<Source>);

#[derive(Debug)]
enum Source {
    Static(&'static [u8]),
    /// A buffer, and where the file begins in it so that it is aligned.
    Buffer(Vec<u8>, usize),
    #[cfg(feature = "mmap")]
    Map(memmap2::Mmap),
}

impl Bytes {
    /// Reads a file whole.
    ///
    /// # Errors
    /// What the file system says, `InvalidInput` for a folder or a file over 1 GiB, `OutOfMemory`.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is a folder, a file is needed"));
        }
        let expected = usize::try_from(metadata.len()).unwrap_or(0).min(MAX_FILE_BYTES as usize);
        let (mut buffer, start) = aligned(expected)?;
        file.by_ref().take(MAX_FILE_BYTES + 1).read_to_end(&mut buffer)?;
        if buffer.len() as u64 > MAX_FILE_BYTES {
            let reason = format!("is over {MAX_FILE_BYTES} bytes, which no case is");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        Ok(Source::Buffer(buffer, start).into())
    }

    /// A copy of bytes that the caller keeps.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn copy(bytes: &[u8]) -> io::Result<Self> {
        let (mut buffer, start) = aligned(bytes.len())?;
        buffer.extend_from_slice(bytes);
        Ok(Source::Buffer(buffer, start).into())
    }

    #[cfg(feature = "mmap")]
    pub(crate) fn from_map(map: memmap2::Mmap) -> Self {
        Source::Map(map).into()
    }
}

/// A buffer with room for so many bytes from its present end on, which is aligned.
fn aligned(bytes: usize) -> io::Result<(Vec<u8>, usize)> {
    let mut buffer: Vec<u8> = Vec::new();
    buffer.try_reserve_exact(bytes.saturating_add(ALIGN)).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let start = buffer.as_ptr().align_offset(ALIGN).min(ALIGN - 1);
    buffer.resize(start, 0);
    Ok((buffer, start))
}

impl AsRef<[u8]> for Bytes {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match &*self.0 {
            Source::Static(bytes) => bytes,
            Source::Buffer(buffer, start) => buffer.get(*start..).unwrap_or_default(),
            #[cfg(feature = "mmap")]
            Source::Map(map) => map,
        }
    }
}

impl From<Source> for Bytes {
    fn from(source: Source) -> Self {
        Self(Arc::new(source))
    }
}

impl From<&'static [u8]> for Bytes {
    fn from(bytes: &'static [u8]) -> Self {
        Source::Static(bytes).into()
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Source::Buffer(bytes, 0).into()
    }
}
