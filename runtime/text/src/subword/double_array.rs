//! A trie of byte strings as a double array, used where it lies.
//!
//! ```text
//! offset  size       what
//! 0       4          cells: a multiple of 256, at most 2^22
//! 4       4          the root, a unit
//! 8       4 * cells  units
//! ```
//! All little-endian. A unit is a node:
//!
//! ```text
//! bits 0..8    label: the byte that leads here
//! bit  8       leaf: nothing follows; the value is in bits 10..32
//! bit  9       a key ends here and others go on: the value is in the cell of the base
//! bits 10..32  base: the child for byte `c` is in the cell `base ^ c`, if that cell has the label `c`
//! ```
//! No two nodes have the same base, so the label alone says whose child a cell is. A cell with a value has the label 0
//! and the bit of a leaf; a free cell is zero. Keys are UTF-8; a zero byte in them has the label 0xFF, which UTF-8 does
//! not use.
//!
//! # Source
//! Aoe, "An efficient digital search algorithm by using a double-array structure", 1989; the exclusive or instead of a
//! sum is from Yata's darts-clone.

use super::model::{Reader, TableError};

/// The most cells.
pub const MAX_CELLS: u32 = 1 << 22;

const LEAF: u32 = 1 << 8;
const GOES_ON: u32 = 1 << 9;
const LABEL: u32 = 0xFF;
/// Base or value begin here.
const SHIFT: u32 = 10;

/// A place in the trie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node(u32);

impl Node {
    /// A place from which nothing follows.
    pub const NOWHERE: Self = Self(LEAF);

    /// Does a key end here?
    #[inline(always)]
    #[must_use]
    pub const fn ends_key(self) -> bool {
        self.0 & (LEAF | GOES_ON) != 0
    }
}

/// A checked trie.
#[derive(Clone, Copy, Debug)]
pub struct DoubleArray<'t> {
    units: &'t [[u8; 4]],
    root: Node,
}

impl<'t> DoubleArray<'t> {
    /// Checks `bytes` whole: every value is below `values`, no step leads out of the array.
    ///
    /// # Errors
    /// [`TableError`] names what is wrong.
    pub fn parse(bytes: &'t [u8], values: u32) -> Result<Self, TableError> {
        let mut reader = Reader::new(bytes);
        let trie = Self::read(&mut reader, values)?;
        reader.end()?;
        Ok(trie)
    }

    /// The same from a table of which it is a part.
    pub(crate) fn read(reader: &mut Reader<'t>, values: u32) -> Result<Self, TableError> {
        let cells = reader.u32()?;
        if cells > MAX_CELLS || cells % 256 != 0 {
            return Err(TableError::Count { found: cells, limit: MAX_CELLS });
        }
        let root = reader.u32()?;
        let units = reader.items::<4>(cells)?;
        // The root of a trie without keys is nowhere and has the value 0; nothing asks for it.
        if root & LEAF != 0 && root != LEAF || root & (LEAF | GOES_ON) == GOES_ON {
            return Err(TableError::Unit);
        }
        let trie = Self { units, root: Node(root) };
        if cells > 0 && !reader.trusts() && !trie.is_sound(values, cells)
            || root != LEAF && root >> SHIFT >= cells
        {
            return Err(trie.fault(values));
        }
        Ok(trie)
    }

    /// Are all values and bases below these? One pass without a branch, and without a comparison, which not every
    /// vector unit has for numbers without a sign: a difference below zero has the top bit.
    fn is_sound(&self, values: u32, cells: u32) -> bool {
        let last_base = cells.wrapping_sub(1);
        let other = last_base ^ values.wrapping_sub(1);
        let bad = self.units.iter().fold(0u32, |bad, unit| {
            let unit = u32::from_le_bytes(*unit);
            let leaf = (unit >> 8 & 1).wrapping_neg();
            let room = (last_base ^ other & leaf).wrapping_sub(unit >> SHIFT);
            bad | room | (unit & leaf) << 22
        });
        bad >> 31 == 0
    }

    /// What is wrong with a trie that is not sound.
    #[cold]
    fn fault(&self, values: u32) -> TableError {
        let mut units = self.units.iter().map(|unit| u32::from_le_bytes(*unit));
        let bad_value = units.any(|unit| unit & (LEAF | GOES_ON) == LEAF && unit >> SHIFT >= values);
        if bad_value { TableError::Id { limit: values } } else { TableError::Unit }
    }

    /// Where every key begins.
    #[inline]
    #[must_use]
    pub const fn root(&self) -> Node {
        self.root
    }

    #[inline(always)]
    fn unit(&self, cell: u32) -> u32 {
        self.units.get(cell as usize).copied().map_or(0, u32::from_le_bytes)
    }

    /// The place after one byte more.
    #[inline(always)]
    #[must_use]
    pub fn step(&self, from: Node, byte: u8) -> Option<Node> {
        let label = u32::from(if byte == 0 { 0xFF } else { byte });
        let unit = self.unit((from.0 >> SHIFT) ^ label);
        (from.0 & LEAF == 0 && unit & LABEL == label).then_some(Node(unit))
    }

    /// The place after one character more.
    #[inline(always)]
    #[must_use]
    pub fn step_character(&self, from: Node, character: char) -> Option<Node> {
        if let Ok(byte) = u8::try_from(character)
            && byte.is_ascii()
        {
            return self.step(from, byte);
        }
        let mut utf8 = [0; 4];
        character.encode_utf8(&mut utf8).bytes().try_fold(from, |node, byte| self.step(node, byte))
    }

    /// The value of the key that ends here.
    #[inline]
    #[must_use]
    pub fn value(&self, node: Node) -> Option<u32> {
        if node.0 & LEAF != 0 {
            return Some(node.0 >> SHIFT);
        }
        let unit = self.unit(node.0 >> SHIFT);
        (node.0 & GOES_ON != 0 && unit & (LEAF | LABEL) == LEAF).then_some(unit >> SHIFT)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<u32> {
        let node = key.iter().try_fold(self.root, |node, byte| self.step(node, *byte))?;
        if key.is_empty() { None } else { self.value(node) }
    }
}

#[cfg(feature = "alloc")]
mod build;
#[cfg(feature = "alloc")]
pub use build::build;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    fn some_keys(count: u32) -> BTreeMap<Vec<u8>, u32> {
        let mut state = 1u32;
        let mut next = move || {
            state = crate::hash::finish(state.wrapping_add(0x9E37_79B9));
            state
        };
        (0..count)
            .map(|value| {
                let len = 1 + next() % 9;
                ((0..len).map(|_| (next() % 250 * (next() % 3) / 3).to_le_bytes()[0]).collect(), value)
            })
            .collect()
    }

    #[test]
    fn every_key_has_its_value_and_no_other_has_one() {
        for count in [0, 1, 2, 300, 20_000] {
            let keys = some_keys(count);
            let bytes = build(keys.iter().map(|(key, value)| (key.as_slice(), *value))).unwrap();
            let trie = DoubleArray::parse(&bytes, count.max(1)).unwrap();
            for (key, value) in &keys {
                assert_eq!(trie.get(key), Some(*value), "{key:?}");
                for end in 0..key.len() {
                    assert_eq!(trie.get(&key[..end]), keys.get(&key[..end]).copied());
                }
                for byte in 0..255 {
                    let longer = [key.as_slice(), &[byte]].concat();
                    assert_eq!(trie.get(&longer), keys.get(&longer).copied());
                }
            }
        }
    }

    #[test]
    fn of_two_equal_keys_the_later_counts_and_the_empty_one_is_dropped() {
        let bytes = build([(&b"a"[..], 0), (b"", 1), (b"a", 2), (b"a\0", 3)]).unwrap();
        let trie = DoubleArray::parse(&bytes, 4).unwrap();
        assert_eq!((trie.get(b"a"), trie.get(b""), trie.get(b"a\0")), (Some(2), None, Some(3)));
        assert!(build([(&b"\xFF"[..], 0)]).is_err());
    }

    #[test]
    fn damaged_tables_are_refused_or_safe() {
        let keys = some_keys(60);
        let good = build(keys.iter().map(|(key, value)| (key.as_slice(), *value))).unwrap();
        let mut parsed = 0;
        for at in 0..good.len() {
            for flip in [1, 2, 4, 0x40, 0x80, 0xFF] {
                let mut bytes = good.clone();
                bytes[at] ^= flip;
                let Ok(trie) = DoubleArray::parse(&bytes, 60) else { continue };
                parsed += 1;
                for key in keys.keys() {
                    assert!(trie.get(key).is_none_or(|value| value < 60));
                }
            }
        }
        assert!(parsed > 100, "{parsed}");
        for len in 0..good.len() {
            assert!(DoubleArray::parse(&good[..len], 60).is_err());
        }
    }
}
