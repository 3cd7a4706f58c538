//! Bytes in, through a fixed buffer that hashes them and can be looked at before it is consumed.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// The buffer, and with it the most that [`Source::peek`] can show.
const BUFFER_BYTES: usize = 64 * 1024;

/// A buffered reader that knows the SHA-256 of all it has read.
pub(super) struct Source {
    inner: Box<dyn Read + Send>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    ended: bool,
    hasher: Sha256,
}

impl Source {
    pub(super) fn new(inner: Box<dyn Read + Send>) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { inner, buffer, start: 0, end: 0, ended: false, hasher: Sha256::new() }
    }

    /// The bytes from here on, up to and with the first line that is not blank, or as far as the buffer or
    /// the input goes. Reads no further than it must, so that a terminal or a pipe is not waited for. To be
    /// called only before anything but a byte order mark is consumed.
    pub(super) fn peek(&mut self) -> io::Result<&[u8]> {
        while self.end < self.buffer.len()
            && !holds_a_line(&self.buffer[self.start..self.end])
            && self.read_more()?
        {}
        Ok(&self.buffer[self.start..self.end])
    }

    /// The bytes at hand, at least one except at the end of the input.
    pub(super) fn chunk(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.read_more()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Passes over the first `count` bytes of [`chunk`](Self::chunk) or [`peek`](Self::peek).
    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
    }

    /// Reads to the end and returns the SHA-256 of every byte since the beginning.
    pub(super) fn finish(mut self) -> io::Result<[u8; 32]> {
        loop {
            let count = self.chunk()?.len();
            if count == 0 {
                return Ok(self.hasher.finalize().into());
            }
            self.consume(count);
        }
    }

    /// Adds bytes behind those in the buffer; false at the end of the input, which is never read past.
    fn read_more(&mut self) -> io::Result<bool> {
        while !self.ended {
            match self.inner.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    // A reader that claims more than it was given room for is broken; do not follow it.
                    let end = self.buffer.len().min(self.end + count);
                    self.hasher.update(&self.buffer[self.end..end]);
                    self.end = end;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

/// Whether a line end follows a visible byte.
fn holds_a_line(bytes: &[u8]) -> bool {
    let visible = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
    visible.is_some_and(|at| bytes[at..].contains(&b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte a call, and an interruption before each.
    struct Slow(Vec<u8>, bool);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if self.0.is_empty() {
                return Ok(0);
            }
            buffer[0] = self.0.remove(0);
            Ok(1)
        }
    }

    #[test]
    fn peek_reads_no_further_than_the_first_line() {
        let mut source = Source::new(Box::new(Slow(b"\n ab\ncd\n".to_vec(), false)));
        assert_eq!(source.peek().unwrap(), b"\n ab\n");
        source.consume(2);
        assert_eq!(source.chunk().unwrap(), b"ab\n");
    }

    #[test]
    fn the_hash_covers_every_byte_read_or_not() {
        let mut source = Source::new(Box::new(&b"abc"[..]));
        source.consume(1);
        source.chunk().unwrap();
        source.consume(1);
        let hash = source.finish().unwrap();
        assert_eq!(hash, <[u8; 32]>::from(Sha256::digest(b"abc")));
        assert_eq!(hash[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
