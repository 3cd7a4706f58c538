//! A text that comes in pieces.

use super::{Encoded, MemoryError, Output, Run, Scratch, Tokenizer, without_partial};

/// A text on its way, of which the bytes come in pieces, cut anywhere: the ids are those of the whole text.
///
/// Bytes are kept in a window until it is full: then what cannot change any more is worked on.
#[derive(Debug)]
pub struct Stream<'r, 't, 'm> {
    run: Run<'r, 't, 'm>,
    window: &'m mut [u8],
    filled: usize,
    /// Bytes taken so far.
    taken: usize,
    /// There were more than are looked at.
    is_cut: bool,
}

impl<'t> Tokenizer<'t> {
    /// Bytes of the window of a [`Stream`].
    #[must_use]
    pub const fn window_bytes(&self) -> usize {
        // The longest segment, and what must be seen after it.
        self.cells.saturating_mul(4).saturating_add(self.look_ahead())
    }

    /// Begins a text that comes in pieces.
    ///
    /// # Shapes
    /// `window`: at least [`Self::window_bytes`]. The others as for [`Self::encode`].
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn stream<'r, 'm>(
        &'r self,
        output: Output<'m>,
        scratch: &'m mut Scratch<'_>,
        window: &'m mut [u8],
    ) -> Result<Stream<'r, 't, 'm>, MemoryError> {
        let (found, needed) = (window.len(), self.window_bytes());
        if found < needed {
            return Err(MemoryError { what: "bytes of the window", found, needed });
        }
        let run = Run::new(self, output, scratch.reborrow())?;
        Ok(Stream { run, window, filled: 0, taken: 0, is_cut: false })
    }
}

impl Stream<'_, '_, '_> {
    /// The next bytes of the text, as many as there are at hand.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = self.run.tokenizer.max_bytes.saturating_sub(self.taken);
        self.is_cut |= bytes.len() > room;
        let mut rest = bytes.get(..room).unwrap_or(bytes);
        self.taken = self.taken.saturating_add(rest.len());
        while !rest.is_empty() && !self.run.sink.is_over {
            let free = self.window.get_mut(self.filled..).unwrap_or_default();
            let (now, later) = rest.split_at_checked(free.len()).unwrap_or((rest, &[]));
            if let Some(place) = free.get_mut(..now.len()) {
                place.copy_from_slice(now);
            }
            self.filled = self.filled.saturating_add(now.len());
            rest = later;
            if self.filled == self.window.len() {
                self.work();
            }
        }
    }

    /// Works on the window and moves what is left to its front.
    fn work(&mut self) {
        let used = self.run.advance(self.window, false);
        self.window.copy_within(used.min(self.filled).., 0);
        self.filled = self.filled.saturating_sub(used);
    }

    /// Ends the text.
    ///
    /// # Errors
    /// [`MemoryError`] if the padding does not fit.
    pub fn finish(mut self) -> Result<Encoded, MemoryError> {
        let mut left = self.window.get(..self.filled).unwrap_or_default();
        if self.is_cut {
            left = without_partial(left);
        }
        self.run.advance(left, true);
        self.run.finish(self.is_cut)
    }
}
