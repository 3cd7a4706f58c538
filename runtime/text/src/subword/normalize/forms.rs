//! The four forms of normalisation, with the alignments of the reference.
//!
//! A form is made in the row itself: every character is decomposed to cells that carry, beside their place, their
//! combining class and their change; runs of marks are put in order, cells are composed. As long as nothing moves, each
//! cell's place is right from the start. Where something moved, places are given anew at the end, by position, as
//! `NormalizedString::transform` gives them.
//!
//! # Source
//! `unicode-normalization-alignments` 0.1.12 (`decompose.rs`, `recompose.rs`); Unicode Standard Annex 15.

use super::super::cell::{Cell, Full, Row};
use super::super::unicode::{self, Class, flag};

/// A form of normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Decompose for compatibility.
    pub(super) compatible: bool,
    /// Compose again.
    pub(super) composed: bool,
}

/// While a form is made, bits 21 to 23 of a cell hold `1 - change`, and bits 24 to 31 the combining class.
const CHANGE_SHIFT: u32 = 21;
const CLASS_SHIFT: u32 = 24;
const PLACE: u64 = !0xFFFF_FFFF;
const CHARACTER: u64 = (1 << CHANGE_SHIFT) - 1;

/// The change of a new character.
const INSERTED: u64 = 0;
/// The change of a character that replaces one.
const REPLACES: u64 = 1;

impl Form {
    /// Is this form of any such text the text itself?
    pub(super) fn keeps(self, cells: &[Cell]) -> bool {
        let flag = match (self.composed, self.compatible) {
            (true, false) => flag::NFC_INERT,
            (true, true) => flag::NFKC_INERT,
            (false, false) => flag::NFD_INERT,
            (false, true) => flag::NFKD_INERT,
        };
        cells.iter().all(|cell| {
            let c = cell.character();
            c < '\u{A0}' || Class::of(c).has(flag)
        })
    }

    /// Adds the form of the cells to an empty row. `source` gives the cells again for the second way through.
    pub(super) fn apply<'c, I>(self, source: I, out: &mut Row<'_>) -> Result<(), Full>
    where
        I: Iterator<Item = Cell> + Clone + 'c,
    {
        let mut moved = self.decompose(source.clone(), out)?;
        if self.composed {
            moved |= compose(out);
        }
        if moved {
            realign(source, out);
        }
        for cell in out.cells_mut() {
            cell.0 &= PLACE | CHARACTER;
        }
        Ok(())
    }

    /// Adds the decompositions in canonical order; true if a character changed its place.
    fn decompose(self, source: impl Iterator<Item = Cell>, out: &mut Row<'_>) -> Result<bool, Full> {
        let mut moved = false;
        // Where the marks begin that are not in order yet.
        let mut pending = 0usize;
        let mut last_class = 0u64;
        let mut in_order = true;
        for cell in source {
            let c = cell.character();
            let mut change = REPLACES;
            for part in unicode::decompose(c, self.compatible) {
                let class = if part < '\u{300}' { 0 } else { u64::from(Class::of(part).combining()) };
                if class == 0 {
                    moved |= sort(out, pending, in_order);
                    in_order = true;
                    pending = out.cells().len().saturating_add(1);
                } else {
                    in_order &= last_class <= class;
                }
                last_class = class;
                let low = u64::from(u32::from(part)) | change << CHANGE_SHIFT | class << CLASS_SHIFT;
                out.push(Cell(cell.0 & PLACE | low))?;
                change = INSERTED;
            }
        }
        moved |= sort(out, pending, in_order);
        Ok(moved)
    }
}

/// Puts the cells from a place on in the order of their classes, those of one class as they are. Their places are lost.
fn sort(out: &mut Row<'_>, from: usize, in_order: bool) -> bool {
    if in_order {
        return false;
    }
    let Some(run) = out.cells_mut().get_mut(from..) else { return false };
    for (number, cell) in (0u64..).zip(run.iter_mut()) {
        cell.0 = cell.0 & !PLACE | number << 32;
    }
    run.sort_unstable_by_key(|cell| (cell.0 >> CLASS_SHIFT & 0xFF, cell.0 >> 32));
    true
}

/// Composes the cells of a row; true if a character between two that compose stays.
fn compose(out: &mut Row<'_>) -> bool {
    let mut moved = false;
    let mut written = 0usize;
    // The place of the character that takes others in, and the class of the last mark since that it did not take.
    let mut composee: Option<usize> = None;
    let mut last_class: Option<u64> = None;
    for read in 0..out.cells().len() {
        let cells = out.cells_mut();
        let Some(&cell) = cells.get(read) else { break };
        let class = cell.0 >> CLASS_SHIFT & 0xFF;
        let open = last_class.is_none_or(|last| last < class);
        let target = composee.filter(|_| open).and_then(|at| cells.get_mut(at));
        if let Some(target) = target
            && let Some(whole) = unicode::compose(character(*target), character(cell))
        {
            // A new character that takes in one with a place moves there.
            moved |= last_class.is_some() || change(*target) == INSERTED && change(cell) != INSERTED;
            let taken = change(*target).saturating_add(change(cell)).min(7);
            let low = u64::from(u32::from(whole)) | taken << CHANGE_SHIFT;
            target.0 = target.0 & (PLACE | 0xFF << CLASS_SHIFT) | low;
            continue;
        }
        if class == 0 {
            composee = Some(written);
            last_class = None;
        } else if composee.is_some() {
            last_class = Some(class);
        }
        if let Some(place) = cells.get_mut(written) {
            *place = cell;
        }
        written = written.saturating_add(1);
    }
    out.truncate(written);
    moved
}

fn character(cell: Cell) -> char {
    Cell(cell.0 & CHARACTER).character()
}

/// `1 - change`: the number of characters that it stands for.
const fn change(cell: Cell) -> u64 {
    cell.0 >> CHANGE_SHIFT & 7
}

/// Gives every cell the place that its position and the changes before it say.
fn realign(source: impl Iterator<Item = Cell>, out: &mut Row<'_>) {
    let mut source = source;
    let mut last = Cell::default();
    for cell in out.cells_mut() {
        let taken = change(*cell);
        if taken > 0 {
            last = source.next().unwrap_or_default();
        }
        *cell = cell.placed_as(last);
        for _ in 1..taken {
            last = source.next().unwrap_or_default();
        }
    }
}
