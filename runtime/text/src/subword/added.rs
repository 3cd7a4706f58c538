//! Added tokens: strings that are one token wherever they stand.
//!
//! Those that are not normalised are found in the bytes of the whole text, before everything else; the pieces between
//! them are tokenized. Those that are normalised are found in the normalised cells of a segment: a table of them holds
//! only what can be decided within a segment.
//!
//! # The table
//! ```text
//! u16 tokens
//! 32 bytes: bit b % 8 of byte b / 8 is set if a token begins with byte b
//! for each token, in the order of their bytes, without repetition:
//!     u32 id (below 2^21) | 1 << 24 single_word | 1 << 25 lstrip | 1 << 26 rstrip
//!     u16 where its bytes begin in the pool, u8 how many (1 to 64), u8 zero
//! the pool: UTF-8
//! ```
//! Numbers are little endian.
//!
//! # Source
//! `tokenizers` 0.23, `AddedVocabulary::find_matches`: leftmost, then longest; a match that is no single word is passed
//! over as a whole.

use super::cell::{Cell, Full, Row};
use super::split::classes;

mod table;

#[cfg(feature = "alloc")]
pub use table::{AddedToken, Stage, WriteError, write};
pub use table::{AddedTokens, LONGEST, TableError};

use table::Entry;

/// Bytes of white space that an added token takes at most on either side; of more, the rest is left to the text, and
/// [`Match::is_forced`] says so.
pub const STRIPPED: usize = 128;

/// An added token in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Its first byte, or that of the white space before it that it takes.
    pub start: usize,
    /// The end of its bytes, or of the white space after it that it takes.
    pub end: usize,
    /// Its id.
    pub id: u32,
    /// There was more white space than it takes.
    pub is_forced: bool,
}

impl Match {
    /// The same after so many bytes have gone before it.
    pub(super) const fn moved_back(self, bytes: usize) -> Self {
        Self { start: self.start.saturating_sub(bytes), end: self.end.saturating_sub(bytes), ..self }
    }
}

impl AddedTokens<'_> {
    /// Bytes after the beginning of a token that decide whether it is one, and where it ends.
    const fn decisive(&self) -> usize {
        // The longest token, white space, the first character after both.
        LONGEST.saturating_add(if self.strips() { STRIPPED } else { 0 }).saturating_add(4)
    }

    /// How far from the end of the bytes at hand a place must be at least, that no added token begins before it that
    /// is not seen yet.
    pub(super) const fn look_ahead(&self) -> usize {
        self.decisive().saturating_add(if self.strips() { STRIPPED } else { 0 })
    }

    /// The first match in the bytes of a text from `from` on, which is 0 or the end of the match before.
    #[must_use]
    pub fn next(&self, text: &[u8], from: usize) -> Option<Match> {
        self.search(text, from, &mut { from }, true, false)
    }

    /// The first match in the bytes of a text from `searched` on, which is moved to where the next search begins.
    /// White space before `from` is not taken. If these bytes are not the last, what they cannot decide is left to the
    /// next search. `after_word`: the character before them is part of a word.
    pub(super) fn search(
        &self,
        text: &[u8],
        from: usize,
        searched: &mut usize,
        is_last: bool,
        after_word: bool,
    ) -> Option<Match> {
        let decided = if is_last { text.len() } else { text.len().saturating_sub(self.decisive()) };
        loop {
            let rest = text.get(*searched..decided).unwrap_or_default();
            let Some(skipped) = rest.iter().position(|byte| self.begins_with(*byte)) else {
                *searched = decided.max(*searched);
                return None;
            };
            let at = searched.saturating_add(skipped);
            let Some((token, len)) = text.get(at..).and_then(|rest| self.longest(rest)) else {
                *searched = at.saturating_add(1);
                continue;
            };
            let end = at.saturating_add(len);
            *searched = end;
            let before = text.get(from..at).unwrap_or_default();
            let after = text.get(end..).unwrap_or_default();
            let follows_word =
                || if at == 0 { after_word } else { ends_in_word(text.get(..at).unwrap_or_default()) };
            if token.single_word && (follows_word() || is_word(first(after))) {
                continue;
            }
            let (taken_before, more_before) = if token.lstrip { spaces_at_end(before) } else { (0, false) };
            let (taken_after, more_after) = if token.rstrip { spaces_at_start(after) } else { (0, false) };
            return Some(Match {
                start: at.saturating_sub(taken_before),
                end: end.saturating_add(taken_after),
                id: token.id,
                is_forced: more_before || more_after,
            });
        }
    }

    /// Puts one cell, [`Cell::ADDED`] with the id, in the place of each match in a row of normalised cells.
    ///
    /// `spare` is overwritten.
    ///
    /// # Errors
    /// [`Full`] if `spare` is shorter than the row.
    pub fn replace<'m>(&self, row: &mut Row<'m>, spare: &mut Row<'m>) -> Result<(), Full> {
        let cells = row.cells();
        let (mut at, mut done) = (0_usize, 0_usize);
        spare.clear();
        while let Some(rest) = cells.get(at..).filter(|rest| !rest.is_empty()) {
            let Some((token, len)) = self.longest_of_cells(rest) else {
                at = at.saturating_add(1);
                continue;
            };
            let end = at.saturating_add(len);
            let before = at.checked_sub(1).and_then(|before| cells.get(before));
            let neighbours = [before, cells.get(end)];
            if token.single_word
                && neighbours.into_iter().any(|cell| is_word(cell.map(|cell| cell.character())))
            {
                at = end;
                continue;
            }
            let others = cells.get(done..at).unwrap_or_default();
            let taken = if token.lstrip {
                others.iter().rev().take_while(|cell| is_space(cell.character())).count()
            } else {
                0
            };
            let start = at.saturating_sub(taken);
            for cell in cells.get(done..start).unwrap_or_default() {
                spare.push(*cell)?;
            }
            let matched = cells.get(start..end).unwrap_or_default();
            if let (Some(first), Some(last)) = (matched.first(), matched.last()) {
                spare.push(added_cell(token.id, first.start(), last.end()))?;
            }
            (at, done) = (end, end);
        }
        if done == 0 {
            return Ok(());
        }
        for cell in cells.get(done..).unwrap_or_default() {
            spare.push(*cell)?;
        }
        core::mem::swap(row, spare);
        Ok(())
    }

    /// The longest token that the cells begin with, and how many cells it takes.
    fn longest_of_cells(&self, cells: &[Cell]) -> Option<(Entry, usize)> {
        let mut bytes = [0_u8; LONGEST];
        let mut filled = 0_usize;
        for cell in cells {
            let mut encoded = [0_u8; 4];
            let character = cell.character().encode_utf8(&mut encoded).as_bytes();
            if filled == 0 && !character.first().is_some_and(|byte| self.begins_with(*byte)) {
                return None;
            }
            let end = filled.saturating_add(character.len());
            let Some(place) = bytes.get_mut(filled..end) else {
                break;
            };
            place.copy_from_slice(character);
            filled = end;
        }
        let (token, len) = self.longest(bytes.get(..filled)?)?;
        let matched = core::str::from_utf8(bytes.get(..len)?).ok()?;
        Some((token, matched.chars().count()))
    }
}

/// The bits of a cell that hold an id.
const ID: u64 = (1 << 21) - 1;

/// The cell of an added token, from the bytes `start..end` of the segment.
#[must_use]
pub fn added_cell(id: u32, start: u16, end: u16) -> Cell {
    Cell(Cell::new('\0', start, end).0 | u64::from(id) & ID | Cell::ADDED)
}

/// The id of an added token; none if the cell is a character.
#[must_use]
pub const fn added_id(cell: Cell) -> Option<u32> {
    if cell.has(Cell::ADDED) { Some((cell.0 & ID) as u32) } else { None }
}

fn is_word(character: Option<char>) -> bool {
    character.is_some_and(|c| classes::of(c) & classes::WORD != 0)
}

fn is_space(character: char) -> bool {
    classes::of(character) & classes::SPACE != 0
}

/// The first character; U+FFFD if the bytes are none.
fn first(text: &[u8]) -> Option<char> {
    let head = text.get(..text.len().min(4))?;
    let chunk = head.utf8_chunks().next()?;
    Some(chunk.valid().chars().next().unwrap_or(char::REPLACEMENT_CHARACTER))
}

/// The last character; U+FFFD if the bytes are none.
fn last(text: &[u8]) -> Option<char> {
    text.last()?;
    let ending = |len: usize| {
        let tail = text.get(text.len().checked_sub(len)?..)?;
        let mut characters = core::str::from_utf8(tail).ok()?.chars();
        characters.next().filter(|_| characters.next().is_none())
    };
    Some((1..=4).find_map(ending).unwrap_or(char::REPLACEMENT_CHARACTER))
}

/// Whether the last character of a text is part of a word.
pub(super) fn ends_in_word(text: &[u8]) -> bool {
    is_word(last(text))
}

/// Bytes of the white space that ends a text, [`STRIPPED`] at most, and whether there is more.
fn spaces_at_end(text: &[u8]) -> (usize, bool) {
    let mut taken = 0_usize;
    let rest = |taken: usize| text.get(..text.len().saturating_sub(taken)).unwrap_or_default();
    while let Some(space) = last(rest(taken)).filter(|c| is_space(*c)) {
        let more = taken.saturating_add(space.len_utf8());
        if more > STRIPPED {
            return (taken, true);
        }
        taken = more;
    }
    (taken, false)
}

/// Bytes of the white space that begins a text, [`STRIPPED`] at most, and whether there is more.
fn spaces_at_start(text: &[u8]) -> (usize, bool) {
    let mut taken = 0_usize;
    while let Some(space) = text.get(taken..).and_then(first).filter(|c| is_space(*c)) {
        let more = taken.saturating_add(space.len_utf8());
        if more > STRIPPED {
            return (taken, true);
        }
        taken = more;
    }
    (taken, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;
    use std::vec::Vec;

    fn token(content: &str) -> AddedToken {
        AddedToken { content: content.to_string(), id: 7, ..AddedToken::default() }
    }

    #[test]
    fn what_a_segment_can_hide_is_refused() {
        let space = Stage::Normalised { space: ' ' };
        let long = "x".repeat(LONGEST + 1);
        let refused = [
            ([token("a b"), token("c")], space),
            ([AddedToken { rstrip: true, ..token("a") }, token("c")], space),
            ([AddedToken { single_word: true, ..token(" a") }, token("c")], space),
            ([AddedToken { rstrip: true, ..token("a") }, token("\u{3000}c")], Stage::Raw),
            ([token(""), token("c")], Stage::Raw),
            ([token(&long), token("c")], Stage::Raw),
            ([token("c"), token("c")], Stage::Raw),
            ([AddedToken { id: 1 << 21, ..token("a") }, token("c")], Stage::Raw),
        ];
        for (tokens, stage) in &refused {
            assert!(write(tokens, *stage).is_err(), "{tokens:?} {stage:?}");
        }
        let allowed = [
            (["  ", " a"], space),
            (["a b", " "], Stage::Raw),
            (["▁</s>", "▁▁"], Stage::Normalised { space: '▁' }),
        ];
        for (tokens, stage) in allowed {
            assert!(write(&tokens.map(token), stage).is_ok(), "{tokens:?} {stage:?}");
        }
    }

    #[test]
    fn damaged_tables_are_refused_or_find_within_the_text() {
        let tokens = ["<s>", "<s>>", "é", "the end"].map(token);
        let good = write(&tokens, Stage::Raw).unwrap();
        let text = "<s>><s>é the end".as_bytes();
        for at in 0..good.len() {
            for change in 0..=u8::MAX {
                let mut bytes = good.clone();
                bytes[at] ^= change;
                let Ok(table) = AddedTokens::new(&bytes) else {
                    assert_ne!(change, 0);
                    continue;
                };
                let mut from = 0;
                while let Some(found) = table.next(text, from) {
                    assert!(found.start >= from && found.end > found.start && found.end <= text.len());
                    from = found.end;
                }
            }
            assert!(AddedTokens::new(&good[..at]).is_err(), "{at} bytes of {}", good.len());
        }
    }

    #[test]
    fn neighbours_that_are_no_utf_8_are_no_word() {
        let tokens = [AddedToken { single_word: true, lstrip: true, rstrip: true, ..token("ab") }];
        let table = write(&tokens, Stage::Raw).unwrap();
        let table = AddedTokens::new(&table).unwrap();
        let found = |text: &[u8]| table.next(text, 0).map(|found| (found.start, found.end));
        assert_eq!(found(b"\xFFab\xC3"), Some((1, 3)));
        assert_eq!(found(b"\xFF \xE3\x80\x80ab \xC2"), Some((1, 8)));
        assert_eq!(found("éab".as_bytes()), None);
        let ids: Vec<_> = [b"ab".as_slice(), b"abab", b""].map(found).into();
        assert_eq!(ids, [Some((0, 2)), None, None]);
    }
}
