//! Which bytes of the text a token covers.
//!
//! # Source
//! `tokenizers` 0.23: `PreTokenizedString::into_encoding`, `NormalizedString::convert_offsets` and `process_offsets` of
//! the byte-level post-processor, whose counts of characters are taken for bytes there as they are here.

use super::cell::Cell;
use super::split::classes;

/// White space at both ends of a token, as its post-processor counts it: in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spaces {
    /// At its start.
    pub leading: u32,
    /// At its end.
    pub trailing: u32,
}

impl Spaces {
    /// Of a token of the vocabulary, or of the text of an added token with the white space that it takes.
    #[must_use]
    pub fn of(token: &str) -> Self {
        // U+0120 is the space in GPT-2's alphabet.
        let is_space = |c: &char| *c == '\u{120}' || classes::of(*c) & classes::SPACE != 0;
        Self {
            leading: number(token.chars().take_while(is_space).count()),
            trailing: number(token.chars().rev().take_while(is_space).count()),
        }
    }

    /// Of a byte-level token, given as the bytes it stands for: no other byte is white space in GPT-2's alphabet.
    #[must_use]
    pub fn of_bytes(token: &[u8]) -> Self {
        let is_space = |byte: &&u8| **byte == b' ';
        Self {
            leading: number(token.iter().take_while(is_space).count()),
            trailing: number(token.iter().rev().take_while(is_space).count()),
        }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The bytes that a token covers: from the first byte of its first cell to the end of its last. A token that begins or
/// ends within a character covers the whole character. `segment` is where the segment begins in the text.
#[must_use]
pub fn covered(cells: &[Cell], segment: u32) -> (u32, u32) {
    let (Some(first), Some(last)) = (cells.first(), cells.last()) else {
        return (segment, segment);
    };
    // After deletions at the start of a text a place can be in the segment before: it is a signed distance.
    let at = |place: u16| segment.saturating_add_signed(i32::from(place.cast_signed()));
    (at(first.start()), at(last.end()))
}

/// The bytes without the white space. `first`: it is the first token, before special tokens are put around them; its
/// one space may have been inserted (`add_prefix_space`) and is then left.
#[must_use]
pub fn trimmed((start, end): (u32, u32), spaces: Spaces, first: bool, add_prefix_space: bool) -> (u32, u32) {
    let kept = (first || start == 0) && add_prefix_space && spaces.leading == 1;
    let leading = if kept { 0 } else { spaces.leading };
    let start = if spaces.leading > 0 { start.saturating_add(leading).min(end) } else { start };
    let end = match end.checked_sub(spaces.trailing) {
        Some(before) if spaces.trailing > 0 => before.max(start),
        _ => end,
    };
    (start, end)
}
