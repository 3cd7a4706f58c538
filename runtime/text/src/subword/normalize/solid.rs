//! Which characters are solid: before a space after one, a text can be cut into segments.

use super::super::cell::{Cell, Row};
use super::super::unicode::{self, Class, category};
use super::{Carry, Normalizer, Normalizers, Place, TableError};

/// The most ranges of a table.
const MAX_RANGES: usize = 64;

/// Room for what the steps make of one character.
const ROOM: usize = 64;

impl Normalizers<'_> {
    /// Is it sure that no step sees across the place between this character and a space after it?
    ///
    /// True if after every step the character, taken alone, is some text that neither begins nor ends in white space,
    /// does not join the characters before it, and is in no pattern of several characters; and if what the steps make
    /// of the space is a text too. Marks, and characters that join the next one, are never solid. It takes long: its
    /// answers are kept in a table, [`Solid`].
    #[must_use]
    pub fn solid(&self, c: char) -> bool {
        let (mut one, mut two) = ([Cell::default(); ROOM], [Cell::default(); ROOM]);
        let (mut left, mut left_work) = (Row::new(&mut one), Row::new(&mut two));
        let (mut three, mut four) = ([Cell::default(); ROOM], [Cell::default(); ROOM]);
        let (mut right, mut right_work) = (Row::new(&mut three), Row::new(&mut four));
        let (mut left, mut left_work) = (&mut left, &mut left_work);
        let (mut right, mut right_work) = (&mut right, &mut right_work);
        if left.push(Cell::new(c, 0, 0)).is_err()
            || right.push(Cell::new(' ', 0, 0)).is_err()
            || !holds(left.cells())
        {
            return false;
        }
        for step in self.steps() {
            let is_blind = match step {
                Normalizer::Replace { pattern, .. } => {
                    !left.cells().iter().any(|cell| pattern.sees_beside(cell.character()))
                }
                Normalizer::Precompiled(rules) => rules.allows_cuts(),
                _ => true,
            };
            left_work.clear();
            right_work.clear();
            let (mut carry, mut other) = (Carry::begun(), Carry::begun());
            let done = step.apply(left.cells(), left_work, Place::INNER, &mut carry).is_ok()
                && step.apply(right.cells(), right_work, Place::INNER, &mut other).is_ok();
            if !is_blind || !done || !holds(left_work.cells()) || right_work.cells().is_empty() {
                return false;
            }
            (left, left_work) = (left_work, left);
            (right, right_work) = (right_work, right);
        }
        true
    }
}

/// Is this a text without white space at its ends that does not join what is before or after it?
fn holds(cells: &[Cell]) -> bool {
    let (Some(first), Some(last)) = (cells.first(), cells.last()) else { return false };
    let (first, last) = (first.character(), last.character());
    let class = Class::of(first);
    let is_free = matches!(
        class.category(),
        category::ANY | category::PICTOGRAPH | category::CONSONANT | category::L | category::HANGUL
    );
    is_free
        && class.combining() == 0
        && !class.is_combining_mark()
        && Class::of(last).category() != category::PREPEND
        && ![first, last].into_iter().any(unicode::is_white_space)
}

/// A table of solid characters.
///
/// ```text
/// offset  size   what
/// 0       16     ASCII characters, one bit each
/// 16      4      number of ranges, 0 to 64
/// 20      ...    ranges: first and last character, 2 bytes each, sorted, not overlapping
/// ```
/// All little-endian. A solid character that is not in it only makes longer segments.
#[derive(Clone, Copy, Debug)]
pub struct Solid<'t> {
    ascii: u128,
    ranges: &'t [[u8; 4]],
}

impl<'t> Solid<'t> {
    /// Reads and checks a table.
    ///
    /// # Errors
    /// [`TableError::TooShort`] and [`TableError::Header`].
    pub fn parse(bytes: &'t [u8]) -> Result<Self, TableError> {
        let (ascii, rest) = bytes.split_first_chunk::<16>().ok_or(TableError::TooShort)?;
        let (count, rest) = rest.split_first_chunk::<4>().ok_or(TableError::TooShort)?;
        let (ranges, over) = rest.as_chunks::<4>();
        let count = usize::try_from(u32::from_le_bytes(*count)).unwrap_or(usize::MAX);
        if count != ranges.len() || count > MAX_RANGES || !over.is_empty() {
            return Err(TableError::Header);
        }
        let made = Self { ascii: u128::from_le_bytes(*ascii), ranges };
        let sorted = ranges.iter().all(|range| bounds(range).0 <= bounds(range).1)
            && ranges.is_sorted_by(|one, other| bounds(one).1 < bounds(other).0);
        if sorted { Ok(made) } else { Err(TableError::Header) }
    }

    /// Is the character in the table?
    #[inline]
    #[must_use]
    pub fn holds(&self, c: char) -> bool {
        let code = u32::from(c);
        if code < 0x80 {
            return self.ascii >> code & 1 == 1;
        }
        let after = self.ranges.partition_point(|range| u32::from(bounds(range).0) <= code);
        let range = after.checked_sub(1).and_then(|at| self.ranges.get(at));
        range.is_some_and(|range| code <= u32::from(bounds(range).1))
    }
}

/// First and last character of a range.
fn bounds(range: &[u8; 4]) -> (u16, u16) {
    let [a, b, c, d] = *range;
    (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
}
