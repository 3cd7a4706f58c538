//! Splitters: the steps that say where the words of a segment begin.
//!
//! # Which cuts are safe
//! A text comes in segments, cut before an ASCII space that follows a solid character. [`Splitters::divides`] says
//! whether a word ends at every such cut, provided that the normalisers left the space: then the words of the segments
//! are the words of the text. `Bert`, `Whitespace`, `WhitespaceSplit`, `ByteLevel` with its pattern and `Metaspace` with
//! `split` divide there. `Punctuation`, `Digits`, `ByteLevel` without its pattern, `Metaspace` without `split` and no
//! step at all do not, unless another step does: a word may then go on in the next segment, and a compiler must refuse
//! (or hold the whole text in one segment).
//!
//! # The program
//! ```text
//! u8 steps, then for each: u8 tag, u8 options, u24 character (little endian, 0 if the step has none)
//! 1 Bert
//! 2 Whitespace
//! 3 WhitespaceSplit
//! 4 Punctuation   options: behavior
//! 5 ByteLevel     options: 1 add_prefix_space, 2 use_regex
//! 6 Metaspace     options: 0 never, 1 first, 2 always; 4 split; the replacement
//! 7 Digits        options: 1 individual
//! 8 Character     options: behavior; the delimiter
//! behavior: 0 removed, 1 isolated, 2 merged with previous, 3 merged with next, 4 contiguous
//! ```
//!
//! # Source
//! `tokenizers` 0.23, `pre_tokenizers` and `NormalizedString::split`.

use super::cell::{Cell, Full, Row};

pub(super) mod classes;
mod program;

#[cfg(feature = "alloc")]
pub use program::write;
pub use program::{Behavior, Prepend, ProgramError, Splitters, Step};

use classes::{LETTER, NUMBER, NUMERAL, PUNCTUATION, SPACE, WORD};

/// Where a segment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// A piece begins with it: it is at the start of the text, or after an added token.
    pub first: bool,
    /// Its byte 0 is byte 0 of the text.
    pub at_zero: bool,
}

impl Splitters<'_> {
    /// Sets [`Cell::WORD`] on the first cell of each word and [`Cell::REMOVED`] on what is in none; some steps insert
    /// cells. The first word of a segment is always marked, see [`Splitters::divides`]. After an added token
    /// ([`Cell::ADDED`]) a new piece begins.
    ///
    /// `spare` is overwritten.
    ///
    /// # Errors
    /// [`Full`] if the inserted cells have no room.
    pub fn run<'m>(&self, row: &mut Row<'m>, spare: &mut Row<'m>, place: Place) -> Result<(), Full> {
        mark_pieces(row.cells_mut());
        for step in self.steps() {
            match step {
                Step::Bert => {
                    divide(row.cells_mut(), classes::of, is_space, |a, b| (a | b) & PUNCTUATION != 0)
                }
                Step::Whitespace => {
                    divide(row.cells_mut(), classes::of, is_space, |a, b| (a ^ b) & WORD != 0)
                }
                Step::WhitespaceSplit => divide(row.cells_mut(), classes::of, is_space, |_, _| false),
                Step::Punctuation(behavior) => {
                    delimit(row.cells_mut(), behavior, |c| classes::of(c) & PUNCTUATION != 0);
                }
                Step::Digits { individual } => {
                    let behavior = if individual { Behavior::Isolated } else { Behavior::Contiguous };
                    delimit(row.cells_mut(), behavior, |c| classes::of(c) & NUMERAL != 0);
                }
                Step::Character { delimiter, behavior } => {
                    delimit(row.cells_mut(), behavior, |c| c == delimiter);
                }
                Step::ByteLevel { add_prefix_space, use_regex } => {
                    if add_prefix_space {
                        prepend(row, spare, place, ' ', |_| true)?;
                    }
                    if use_regex {
                        scan(row.cells_mut());
                    }
                }
                Step::Metaspace { replacement, prepend: scheme, split } => {
                    for cell in row.cells_mut().iter_mut().filter(|cell| cell.character() == ' ') {
                        *cell = cell.becomes(replacement);
                    }
                    match scheme {
                        Prepend::Never => {}
                        Prepend::First if !place.at_zero => {}
                        Prepend::First => prepend(row, spare, place, replacement, |cell| cell.start() == 0)?,
                        Prepend::Always => prepend(row, spare, place, replacement, |_| true)?,
                    }
                    if split {
                        delimit(row.cells_mut(), Behavior::MergedWithNext, |c| c == replacement);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The words of a row that [`Splitters::run`] has marked; an added token is a word of one cell.
#[derive(Clone, Debug)]
pub struct Words<'c> {
    rest: &'c [Cell],
}

impl<'c> Words<'c> {
    /// The words of these cells.
    #[must_use]
    pub const fn new(cells: &'c [Cell]) -> Self {
        Self { rest: cells }
    }
}

impl<'c> Iterator for Words<'c> {
    type Item = &'c [Cell];

    fn next(&mut self) -> Option<&'c [Cell]> {
        let removed = self.rest.iter().take_while(|cell| cell.has(Cell::REMOVED)).count();
        let rest = self.rest.get(removed..)?;
        let (word, rest) = rest.split_at_checked(word_len(rest)?)?;
        self.rest = rest;
        Some(word)
    }
}

/// Cells of the word that begins with the first; none if there are no cells.
fn word_len(cells: &[Cell]) -> Option<usize> {
    let (first, others) = cells.split_first()?;
    if first.has(Cell::ADDED) {
        return Some(1);
    }
    let ends = |cell: &&Cell| !cell.has(Cell::WORD | Cell::REMOVED | Cell::ADDED);
    Some(others.iter().take_while(ends).count().saturating_add(1))
}

/// One word for each piece.
fn mark_pieces(cells: &mut [Cell]) {
    let mut begins = true;
    for cell in cells {
        let bare = Cell(cell.0 & !(Cell::WORD | Cell::REMOVED));
        let added = cell.has(Cell::ADDED);
        *cell = if begins && !added { bare.with(Cell::WORD) } else { bare };
        begins = added;
    }
}

const fn is_space(classes: u32) -> bool {
    classes & SPACE != 0
}

/// Divides the words between two characters of which `parts` says so, and removes characters.
fn divide<K: Copy>(
    cells: &mut [Cell],
    kind: impl Fn(char) -> K,
    removes: impl Fn(K) -> bool,
    parts: impl Fn(K, K) -> bool,
) {
    let mut before: Option<K> = None;
    let mut begins = false;
    for cell in cells {
        if cell.has(Cell::REMOVED | Cell::ADDED) {
            begins = false;
            before = None;
            continue;
        }
        let this = kind(cell.character());
        if removes(this) {
            *cell = Cell(cell.0 & !Cell::WORD).with(Cell::REMOVED);
            begins = true;
            continue;
        }
        if begins || before.is_some_and(|before| parts(before, this)) {
            *cell = cell.with(Cell::WORD);
        }
        begins = false;
        before = Some(this);
    }
}

/// Divides the words at delimiters. What the reference does with each behavior depends on two neighbours only.
fn delimit(cells: &mut [Cell], behavior: Behavior, is_delimiter: impl Fn(char) -> bool) {
    match behavior {
        Behavior::Removed => divide(cells, is_delimiter, |removed| removed, |_, _| false),
        Behavior::Isolated => divide(cells, is_delimiter, |_| false, |a, b| a || b),
        Behavior::MergedWithPrevious => divide(cells, is_delimiter, |_| false, |a, _| a),
        Behavior::MergedWithNext => divide(cells, is_delimiter, |_| false, |_, b| b),
        Behavior::Contiguous => divide(cells, is_delimiter, |_| false, |a, b| a != b),
    }
}

/// Puts a character before each word that does not begin with it and that `wants` it, in the place of its first cell. A
/// word that the segment before began gets none.
fn prepend<'m>(
    row: &mut Row<'m>,
    spare: &mut Row<'m>,
    place: Place,
    character: char,
    wants: impl Fn(Cell) -> bool,
) -> Result<(), Full> {
    let gets = |index: usize, cell: Cell| {
        let begins = cell.has(Cell::WORD) && (place.first || index != 0);
        begins && cell.character() != character && wants(cell)
    };
    if !row.cells().iter().enumerate().any(|(index, cell)| gets(index, *cell)) {
        return Ok(());
    }
    spare.clear();
    for (index, cell) in row.cells().iter().enumerate() {
        if gets(index, *cell) {
            spare.push(cell.becomes(character))?;
            spare.push(Cell(cell.0 & !Cell::WORD))?;
        } else {
            spare.push(*cell)?;
        }
    }
    core::mem::swap(row, spare);
    Ok(())
}

/// Divides each word as GPT-2's pattern does.
fn scan(cells: &mut [Cell]) {
    let mut at = 0_usize;
    while let Some(rest) = cells.get(at..).filter(|rest| !rest.is_empty()) {
        let stays = rest.iter().take_while(|cell| cell.has(Cell::REMOVED | Cell::ADDED)).count();
        at = at.saturating_add(stays);
        let Some(len) = cells.get(at..).and_then(word_len) else {
            return;
        };
        let end = at.saturating_add(len);
        while let Some(word) = cells.get(at..end).filter(|word| !word.is_empty()) {
            let len = pattern_len(word);
            if let Some(first) = cells.get_mut(at) {
                *first = first.with(Cell::WORD);
            }
            at = at.saturating_add(len);
        }
        at = end;
    }
}

/// Characters that `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+` takes first: at least one.
fn pattern_len(word: &[Cell]) -> usize {
    let character = |at: usize| word.get(at).map(|cell| cell.character());
    if character(0) == Some('\'') {
        match (character(1), character(2)) {
            (Some('s' | 't' | 'm' | 'd'), _) => return 2,
            (Some('r' | 'v'), Some('e')) | (Some('l'), Some('l')) => return 3,
            _ => {}
        }
    }
    let kind_at = |at: usize| character(at).map(|c| classes::of(c) & (SPACE | LETTER | NUMBER));
    let run = |from: usize, kind: u32| {
        let same = |cell: &&Cell| classes::of(cell.character()) & (SPACE | LETTER | NUMBER) == kind;
        word.get(from..).unwrap_or_default().iter().take_while(same).count().saturating_add(from)
    };
    let after_space = usize::from(character(0) == Some(' '));
    if let Some(kind) = kind_at(after_space).filter(|kind| *kind != SPACE) {
        return run(after_space, kind);
    }
    let spaces = run(0, SPACE);
    if spaces == word.len() { spaces } else { spaces.saturating_sub(1).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divides(steps: &[Step]) -> bool {
        Splitters::new(&write(steps).unwrap()).unwrap().divides()
    }

    #[test]
    fn a_program_says_whether_a_text_may_be_cut() {
        let metaspace = |split| Step::Metaspace { replacement: '▁', prepend: Prepend::Always, split };
        let byte_level = |use_regex| Step::ByteLevel { add_prefix_space: true, use_regex };
        let isolated = Step::Punctuation(Behavior::Isolated);
        for steps in [
            &[Step::Bert][..],
            &[Step::Whitespace],
            &[isolated, Step::WhitespaceSplit],
            &[byte_level(true)],
            &[Step::Digits { individual: true }, byte_level(true)],
            &[metaspace(true)],
            &[Step::Character { delimiter: ' ', behavior: Behavior::Contiguous }],
        ] {
            assert!(divides(steps), "{steps:?}");
        }
        for steps in [
            &[][..],
            &[isolated],
            &[Step::Digits { individual: true }],
            &[byte_level(false)],
            &[metaspace(false)],
            &[metaspace(false), Step::WhitespaceSplit],
            &[metaspace(false), byte_level(true)],
            &[Step::Character { delimiter: ' ', behavior: Behavior::MergedWithPrevious }],
        ] {
            assert!(!divides(steps), "{steps:?}");
        }
    }

    #[test]
    fn unknown_steps_are_refused() {
        let byte_level = Step::ByteLevel { add_prefix_space: true, use_regex: true };
        let good = write(&[Step::Bert, byte_level]).unwrap();
        assert!(Splitters::new(&good).is_ok());
        assert_eq!(
            Splitters::new(&write(&[byte_level, Step::Bert]).unwrap()).unwrap_err(),
            ProgramError::Step { index: 0 }
        );
        for len in 0..good.len() {
            assert!(Splitters::new(&good[..len]).is_err(), "{len} bytes");
        }
        for bytes in [
            [1, 9, 1, 0, 0, 0],
            [1, 1, 1, 0, 0, 0],
            [1, 1, 0, 1, 0, 0],
            [1, 6, 3, 0, 0, 0],
            [1, 8, 0, 0, 0xD8, 0],
        ] {
            assert_eq!(Splitters::new(&bytes).unwrap_err(), ProgramError::Step { index: 0 }, "{bytes:?}");
        }
    }

    #[test]
    fn a_row_without_room_for_a_space_is_full() {
        let program = write(&[Step::ByteLevel { add_prefix_space: true, use_regex: true }]).unwrap();
        let (mut one, mut two) = ([Cell::default(); 2], [Cell::default(); 2]);
        let (mut row, mut spare) = (Row::new(&mut one), Row::new(&mut two));
        row.push(Cell::new('a', 0, 1)).unwrap();
        row.push(Cell::new('b', 1, 2)).unwrap();
        let place = Place { first: true, at_zero: true };
        assert_eq!(Splitters::new(&program).unwrap().run(&mut row, &mut spare, place), Err(Full));
    }
}
