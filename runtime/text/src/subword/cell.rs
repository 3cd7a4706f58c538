//! Cells: the characters of a segment on their way through the steps.

/// A character, where it comes from, and what the splitters said of it, in 64 bits.
///
/// ```text
/// bits 0..21    the character
/// bit  21       a word begins here
/// bit  22       removed by a splitter: part of no word, but its bytes are still there for the next step
/// bit  23       not a character: the id of an added token is in bits 0..21
/// bits 32..48   first byte in the segment's text
/// bits 48..64   end of its bytes
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell(pub u64);

const CHARACTER: u64 = (1 << 21) - 1;

impl Cell {
    /// A word begins here.
    pub const WORD: u64 = 1 << 21;
    /// Removed by a splitter.
    pub const REMOVED: u64 = 1 << 22;
    /// The id of an added token instead of a character.
    pub const ADDED: u64 = 1 << 23;

    /// A character that comes from the bytes `start..end` of the segment.
    #[must_use]
    pub const fn new(character: char, start: u16, end: u16) -> Self {
        Self(character as u64 | (start as u64) << 32 | (end as u64) << 48)
    }

    /// The character; U+FFFD for the id of an added token.
    #[must_use]
    pub fn character(self) -> char {
        if self.has(Self::ADDED) {
            return char::REPLACEMENT_CHARACTER;
        }
        u32::try_from(self.0 & CHARACTER).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    /// First byte of the segment's text that it comes from.
    #[must_use]
    pub const fn start(self) -> u16 {
        (self.0 >> 32 & 0xFFFF) as u16
    }

    /// End of the bytes of the segment's text that it comes from.
    #[must_use]
    pub const fn end(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// Is the mark set?
    #[must_use]
    pub const fn has(self, mark: u64) -> bool {
        self.0 & mark != 0
    }

    /// The same with a mark.
    #[must_use]
    pub const fn with(self, mark: u64) -> Self {
        Self(self.0 | mark)
    }

    /// Another character of the same place, with the same marks.
    #[must_use]
    pub const fn becomes(self, character: char) -> Self {
        Self(self.0 & !CHARACTER | character as u64)
    }

    /// The same character, from the bytes of another.
    #[must_use]
    pub const fn placed_as(self, other: Self) -> Self {
        Self(self.0 & 0xFFFF_FFFF | other.0 & !0xFFFF_FFFF)
    }
}

/// A row of cells in memory of the caller.
#[derive(Debug)]
pub struct Row<'m> {
    cells: &'m mut [Cell],
    len: usize,
}

/// A row has no room for another cell: the segment is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<'m> Row<'m> {
    /// An empty row.
    #[must_use]
    pub const fn new(cells: &'m mut [Cell]) -> Self {
        Self { cells, len: 0 }
    }

    /// Adds a cell.
    ///
    /// # Errors
    /// [`Full`].
    #[inline]
    pub fn push(&mut self, cell: Cell) -> Result<(), Full> {
        let place = self.cells.get_mut(self.len).ok_or(Full)?;
        *place = cell;
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    /// The cells.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        self.cells.get(..self.len).unwrap_or_default()
    }

    /// The cells, to be changed in place.
    pub fn cells_mut(&mut self) -> &mut [Cell] {
        self.cells.get_mut(..self.len).unwrap_or_default()
    }

    /// Forgets all cells.
    pub const fn clear(&mut self) {
        self.len = 0;
    }

    /// Rewrites `input` as `tokenizers` does with `NormalizedString::transform`, adding to this row: each item is a new
    /// character with its change: 0 replaces the next character of the input and takes its place in the text; `-n` does
    /// so too and drops the `n` characters after it; 1 is inserted and takes the place of the input's character before
    /// the next one. `dropped_first` characters are dropped at the start.
    ///
    /// # Errors
    /// [`Full`].
    pub fn transform(
        &mut self,
        input: &[Cell],
        dropped_first: usize,
        items: impl IntoIterator<Item = (char, i32)>,
    ) -> Result<(), Full> {
        let mut next = dropped_first;
        for (character, change) in items {
            let source = if change > 0 { next.checked_sub(1).and_then(|last| input.get(last)) } else { input.get(next) };
            let cell = Cell::new(character, 0, 0).placed_as(source.copied().unwrap_or_default());
            self.push(cell)?;
            if change <= 0 {
                let dropped = usize::try_from(change.unsigned_abs()).unwrap_or(usize::MAX);
                next = next.saturating_add(1).saturating_add(dropped);
            }
        }
        Ok(())
    }
}
