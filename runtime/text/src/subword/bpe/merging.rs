//! The symbols of one word in memory of the caller, and their merging.
//!
//! A symbol covers a run of places; its head is at the first, the last says where the head is, so both neighbours are
//! found at once. Places are taken in blocks with the best rank of each beside them: a merge looks through two or three
//! blocks and all of their best, so a long word takes little more than its length in steps.

use super::super::{Cell, Full};
use super::{Merges, NO_RANK};

/// Places of a block.
const BLOCK: usize = 32;

/// A word has so many places and spelled bytes at most.
const MAX: usize = (1 << 12) - 1;
const MAX_LEN: u32 = (1 << 12) - 1;

/// Scratch for a word of so many bytes.
pub(super) const fn scratch(bytes: usize) -> usize {
    bytes.saturating_add(bytes.div_ceil(BLOCK))
}

/// A place: the head of a symbol, or not.
///
/// ```text
/// bits 44..64   rank of the pair with the next symbol, or NO_RANK
/// bits 24..44   id
/// bits 12..24   places that it covers; 0 if this is no head
/// bits 0..12    length in the byte-level alphabet; at the last place of a symbol, its head
/// ```
#[derive(Clone, Copy)]
struct Place(u64);

const LOW12: u64 = (1 << 12) - 1;
const LOW20: u64 = (1 << 20) - 1;

impl Place {
    const fn head(rank: u32, id: u32, places: usize, len: u32) -> Self {
        Self((rank as u64) << 44 | (id as u64) << 24 | (places as u64) << 12 | len as u64)
    }

    const fn tail(head: usize) -> Self {
        Self((NO_RANK as u64) << 44 | head as u64)
    }

    #[allow(clippy::cast_possible_truncation, reason = "20 bits")]
    const fn rank(self) -> u32 {
        (self.0 >> 44) as u32
    }

    #[allow(clippy::cast_possible_truncation, reason = "20 bits")]
    const fn id(self) -> u32 {
        (self.0 >> 24 & LOW20) as u32
    }

    #[allow(clippy::cast_possible_truncation, reason = "12 bits")]
    const fn places(self) -> usize {
        (self.0 >> 12 & LOW12) as usize
    }

    #[allow(clippy::cast_possible_truncation, reason = "12 bits")]
    const fn len(self) -> u32 {
        (self.0 & LOW12) as u32
    }

    const fn with_rank(self, rank: u32) -> Self {
        Self(self.0 & !(LOW20 << 44) | (rank as u64) << 44)
    }
}

/// The symbols of a word.
pub(super) struct Symbols<'m> {
    memory: &'m mut [Cell],
    count: usize,
    len: u32,
}

impl<'m> Symbols<'m> {
    pub(super) const fn new(memory: &'m mut [Cell]) -> Self {
        Self { memory, count: 0, len: 0 }
    }

    /// Another symbol at the end.
    #[inline(always)]
    pub(super) fn push(&mut self, id: u32, len: u32) -> Result<(), Full> {
        self.len = self.len.saturating_add(len);
        if self.len > MAX_LEN || self.count >= MAX {
            return Err(Full);
        }
        *self.memory.get_mut(self.count).ok_or(Full)? = Cell(Place::head(NO_RANK, id, 1, len).0);
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// Merges until no pair has a rank.
    #[inline(always)]
    pub(super) fn merge(&mut self, merges: &Merges<'_>) -> Result<(), Full> {
        let (places, best) = self.memory.split_at_mut_checked(self.count).ok_or(Full)?;
        rank_all(places, merges);
        if places.len() <= BLOCK {
            while let Some((rank, at)) = best_of(places, 0) {
                if merge_at(places, merges, rank, at).is_none() {
                    break;
                }
            }
            return Ok(());
        }
        let best = best.get_mut(..places.len().div_ceil(BLOCK)).ok_or(Full)?;
        for (block, best) in best.iter_mut().enumerate() {
            *best = best_of_block(places, block);
        }
        loop {
            let Some(key) = best.iter().map(|best| best.0).min() else { return Ok(()) };
            let Some((rank, at)) = from_key(key) else { return Ok(()) };
            let Some(changed) = merge_at(places, merges, rank, at) else { return Ok(()) };
            let mut last = usize::MAX;
            for at in changed {
                let block = at.wrapping_div(BLOCK);
                if let Some(best) = best.get_mut(block).filter(|_| block != last) {
                    *best = best_of_block(places, block);
                }
                last = block;
            }
        }
    }

    /// Ids and lengths of the symbols.
    #[inline(always)]
    pub(super) fn tokens(&self) -> impl Iterator<Item = (u32, u32)> {
        let places = self.memory.get(..self.count).unwrap_or_default();
        places
            .iter()
            .map(|cell| Place(cell.0))
            .filter(|place| place.places() > 0)
            .map(|head| (head.id(), head.len()))
    }
}

/// The rank of every pair.
#[inline(always)]
fn rank_all(places: &mut [Cell], merges: &Merges<'_>) {
    let mut rest = places;
    while let Some((first, more)) = rest.split_first_mut() {
        if let Some(second) = more.first() {
            let (left, right) = (Place(first.0), Place(second.0));
            *first = Cell(left.with_rank(merges.rank(left.id(), right.id())).0);
        }
        rest = more;
    }
}

/// Rank and place in a number: the lowest is the best pair.
const fn to_key(rank: u32, at: usize) -> u64 {
    (rank as u64) << 12 | at as u64
}

#[allow(clippy::cast_possible_truncation, reason = "20 and 12 bits")]
const fn from_key(key: u64) -> Option<(u32, usize)> {
    let rank = (key >> 12) as u32;
    if rank >= NO_RANK { None } else { Some((rank, (key & LOW12) as usize)) }
}

/// The leftmost pair of the lowest rank, if any has one; `first` is the place of the first.
#[inline(always)]
fn best_of(places: &[Cell], first: usize) -> Option<(u32, usize)> {
    let keys = places.iter().zip(first..).map(|(cell, at)| to_key(Place(cell.0).rank(), at));
    from_key(keys.min()?)
}

#[inline(always)]
fn best_of_block(places: &[Cell], block: usize) -> Cell {
    let first = block.saturating_mul(BLOCK);
    let places = places.get(first..places.len().min(first.saturating_add(BLOCK))).unwrap_or_default();
    Cell(best_of(places, first).map_or(u64::MAX, |(rank, at)| to_key(rank, at)))
}

/// Merges the symbol at a place with the next one. The heads that changed, from left to right; none if that cannot be,
/// which happens only if the table was changed behind our back.
#[inline(always)]
fn merge_at(places: &mut [Cell], merges: &Merges<'_>, rank: u32, at: usize) -> Option<[usize; 3]> {
    let id = merges.made(rank)?;
    let head = Place(places.get(at)?.0);
    let right_at = at.saturating_add(head.places());
    let right = Place(places.get(right_at)?.0);
    let next_at = right_at.saturating_add(right.places());

    let next_rank = places.get(next_at).map_or(NO_RANK, |next| merges.rank(id, Place(next.0).id()));
    let mut previous_at = at;
    if let Some(last) = at.checked_sub(1) {
        let place = Place(places.get(last)?.0);
        previous_at = if place.places() > 0 { last } else { place.len() as usize };
        let previous = places.get_mut(previous_at)?;
        let ranked = Place(previous.0);
        *previous = Cell(ranked.with_rank(merges.rank(ranked.id(), id)).0);
    }
    *places.get_mut(right_at)? = Cell(Place::tail(at).0);
    *places.get_mut(next_at.saturating_sub(1))? = Cell(Place::tail(at).0);
    let merged = head.places().saturating_add(right.places());
    *places.get_mut(at)? = Cell(Place::head(next_rank, id, merged, head.len().saturating_add(right.len())).0);
    Some([previous_at, at, right_at])
}
