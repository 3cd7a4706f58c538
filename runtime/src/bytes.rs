//! The bytes of a case, from wherever they come.

use std::fs::File;
#[cfg(feature = "mmap")]
use std::io::Seek;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// The largest file that is read: far above every size class, far below what exhausts a machine.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// From this size on a file is read into large pages.
#[cfg(feature = "mmap")]
const LARGE: usize = 1 << 20;

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
    /// A file mapped, or memory of its own that a file was read into.
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
        #[cfg(feature = "mmap")]
        if expected >= LARGE
            && let Some(map) = read_into_large_pages(&mut file, expected)?
        {
            return Ok(Source::Map(map).into());
        }
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

/// A file of so many bytes, in pages of 2 MiB where the system has them: a large encoder in pages of 4 KiB costs
/// thousands of page faults, more time than its digest. None if the system has no such memory to give, or the file does
/// not end there; it is at its beginning again then.
#[cfg(feature = "mmap")]
fn read_into_large_pages(file: &mut File, expected: usize) -> io::Result<Option<memmap2::Mmap>> {
    let Ok(mut map) = memmap2::MmapMut::map_anon(expected) else { return Ok(None) };
    #[cfg(target_os = "linux")]
    // Advice: without it all is well, and slower.
    let _ = map.advise(memmap2::Advice::HugePage);
    let read = file.read_exact(&mut map);
    let ends_there = match &read {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(_) => return read.map(|()| None),
        Ok(()) => file.read(&mut [0])? == 0,
    };
    if !ends_there {
        file.rewind()?;
        return Ok(None);
    }
    map.make_read_only().map(Some)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_any_size_are_read_whole_and_aligned() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for len in [0, 1, 4095, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 77] {
            let expected: Vec<u8> = (0..len).map(|at: usize| ((at * 31) >> 3) as u8).collect();
            std::fs::write(&path, &expected).unwrap();
            let bytes = Bytes::read(&path).unwrap();
            assert_eq!(bytes.as_ref(), expected, "{len}");
            assert!(len == 0 || bytes.as_ref().as_ptr().align_offset(ALIGN) == 0, "{len}");
        }
    }

    #[cfg(feature = "mmap")]
    #[test]
    fn a_file_of_another_length_than_it_was_said_to_have_is_left_at_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [7; 100]).unwrap();
        for said in [99, 101] {
            let mut file = File::open(&path).unwrap();
            assert!(read_into_large_pages(&mut file, said).unwrap().is_none(), "{said}");
            assert_eq!(file.stream_position().unwrap(), 0, "{said}");
        }
        let mut file = File::open(&path).unwrap();
        assert_eq!(read_into_large_pages(&mut file, 100).unwrap().unwrap()[..], [7; 100]);
    }
}
