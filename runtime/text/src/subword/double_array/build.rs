//! Making the array: siblings are placed together, the largest families first, and only children fill the holes.

use alloc::vec;
use alloc::vec::Vec;

use super::{GOES_ON, LEAF, MAX_CELLS, SHIFT};
use crate::subword::model::{BuildError, MAX_IDS};

/// How many free cells are tried for a family before the array grows.
const TRIES: usize = 1024;

/// No cell.
const NONE: u32 = u32::MAX;

/// A node of the trie before it has a place.
#[derive(Clone, Copy, Debug)]
struct Planned {
    label: u8,
    value: Option<u32>,
    first_child: u32,
    children: u32,
    base: u32,
}

/// The trie of `keys` with their values, as [`super::DoubleArray`] reads it. Of two equal keys the later counts; the
/// empty key is dropped.
///
/// # Errors
/// [`BuildError`] if a key has the byte 0xFF, a value has more than 22 bits, or the array grows too large.
pub fn build<'k>(keys: impl IntoIterator<Item = (&'k [u8], u32)>) -> Result<Vec<u8>, BuildError> {
    let mut sorted: Vec<(&[u8], u32)> = keys.into_iter().filter(|(key, _)| !key.is_empty()).collect();
    for &(key, value) in &sorted {
        if key.contains(&0xFF) {
            return Err(BuildError::NotText);
        }
        if value >= MAX_IDS {
            let found = usize::try_from(value).unwrap_or(usize::MAX);
            return Err(BuildError::TooMany { what: "ids", found, limit: MAX_IDS as usize });
        }
    }
    // Stable and from behind: the later of equal keys is the first, which stays.
    sorted.reverse();
    sorted.sort_by_key(|&(key, _)| key);
    sorted.dedup_by_key(|&mut (key, _)| key);
    let mut nodes = plan(&sorted);
    let cells = place(&mut nodes)?;
    Ok(to_bytes(&nodes, cells))
}

const fn label_of(byte: u8) -> u8 {
    if byte == 0 { 0xFF } else { byte }
}

/// The nodes, each family in a row; the first is the root.
#[allow(clippy::cast_possible_truncation, reason = "nodes are fewer than 2^32 bytes of keys")]
fn plan(keys: &[(&[u8], u32)]) -> Vec<Planned> {
    let fresh = |label| Planned { label, value: None, first_child: 0, children: 0, base: 0 };
    let mut nodes = vec![fresh(0)];
    let mut open = vec![(0usize, keys, 0usize)];
    while let Some((node, mut keys, depth)) = open.pop() {
        if let Some(((key, value), longer)) = keys.split_first()
            && key.len() == depth
        {
            keys = longer;
            if let Some(node) = nodes.get_mut(node) {
                node.value = Some(*value);
            }
        }
        let (first, opened) = (nodes.len(), open.len());
        for family in keys.chunk_by(|(a, _), (b, _)| a.get(depth) == b.get(depth)) {
            let byte = family.first().and_then(|(key, _)| key.get(depth)).copied().unwrap_or_default();
            open.push((nodes.len(), family, depth.saturating_add(1)));
            nodes.push(fresh(label_of(byte)));
        }
        // The first child is worked on first.
        if let Some(children) = open.get_mut(opened..) {
            children.reverse();
        }
        let children = nodes.len().saturating_sub(first) as u32;
        if let Some(node) = nodes.get_mut(node) {
            (node.first_child, node.children) = (first as u32, children);
        }
    }
    nodes
}

impl Planned {
    fn family(self) -> core::ops::Range<usize> {
        let first = self.first_child as usize;
        first..first.saturating_add(self.children as usize)
    }

    /// Cells that are needed under its base.
    fn needs(self) -> u32 {
        if self.children == 0 { 0 } else { self.children.saturating_add(u32::from(self.value.is_some())) }
    }
}

/// The free cells as a list in both directions, the newest first, and the bases in use.
#[derive(Debug, Default)]
struct Space {
    free: Vec<bool>,
    base_used: Vec<bool>,
    next: Vec<u32>,
    previous: Vec<u32>,
    head: Option<u32>,
}

impl Space {
    /// 256 cells more.
    #[allow(clippy::cast_possible_truncation, reason = "at most 2^22 cells")]
    fn grow(&mut self) -> Result<u32, BuildError> {
        let start = self.free.len();
        let end = start.saturating_add(256);
        if end > MAX_CELLS as usize {
            return Err(BuildError::TooMany { what: "trie cells", found: end, limit: MAX_CELLS as usize });
        }
        self.free.resize(end, true);
        self.base_used.resize(end, false);
        let old = self.head.unwrap_or(NONE);
        for cell in start..end {
            let last = cell.wrapping_add(1) == end;
            self.next.push(if last { old } else { (cell as u32).wrapping_add(1) });
            self.previous.push(if cell == start { NONE } else { (cell as u32).wrapping_sub(1) });
        }
        if let Some(previous) = self.previous.get_mut(old as usize) {
            *previous = (end as u32).wrapping_sub(1);
        }
        self.head = Some(start as u32);
        Ok(start as u32)
    }

    fn take(&mut self, cell: u32) {
        let at = cell as usize;
        let (Some(&next), Some(&previous)) = (self.next.get(at), self.previous.get(at)) else { return };
        match self.next.get_mut(previous as usize) {
            Some(before) => *before = next,
            None => self.head = (next != NONE).then_some(next),
        }
        if let Some(after) = self.previous.get_mut(next as usize) {
            *after = previous;
        }
        if let Some(free) = self.free.get_mut(at) {
            *free = false;
        }
    }

    fn fits(&self, base: u32, labels: &[u8]) -> bool {
        let free = |label: &u8| self.free.get((base ^ u32::from(*label)) as usize) == Some(&true);
        self.base_used.get(base as usize) == Some(&false) && labels.iter().all(free)
    }

    /// A base for children of these labels; their cells are taken.
    fn settle(&mut self, labels: &[u8]) -> Result<u32, BuildError> {
        let first = labels.first().map_or(0, |label| u32::from(*label));
        let mut cell = self.head;
        let mut found = None;
        for _ in 0..TRIES {
            let Some(at) = cell else { break };
            if self.fits(at ^ first, labels) {
                found = Some(at ^ first);
                break;
            }
            cell = self.next.get(at as usize).copied().filter(|next| *next != NONE);
        }
        let base = match found {
            Some(base) => base,
            None => self.grow()?,
        };
        for label in labels {
            self.take(base ^ u32::from(*label));
        }
        if let Some(used) = self.base_used.get_mut(base as usize) {
            *used = true;
        }
        Ok(base)
    }
}

/// Gives every family a base; how many cells that takes.
fn place(nodes: &mut [Planned]) -> Result<u32, BuildError> {
    let mut order: Vec<(u32, usize)> = nodes.iter().map(|node| node.needs()).zip(0..).collect();
    order.retain(|&(needs, _)| needs > 0);
    order.sort_by_key(|&(needs, _)| core::cmp::Reverse(needs));
    let mut space = Space::default();
    let mut labels = Vec::new();
    for (_, parent) in order {
        let Some(node) = nodes.get(parent).copied() else { continue };
        labels.clear();
        labels.extend(node.value.map(|_| 0u8));
        labels.extend(nodes.get(node.family()).unwrap_or_default().iter().map(|child| child.label));
        let base = space.settle(&labels)?;
        if let Some(node) = nodes.get_mut(parent) {
            node.base = base;
        }
    }
    u32::try_from(space.free.len()).map_err(|_| BuildError::TooMany {
        what: "trie cells",
        found: space.free.len(),
        limit: MAX_CELLS as usize,
    })
}

fn unit_of(node: Planned) -> u32 {
    let label = u32::from(node.label);
    match node.value {
        Some(value) if node.children == 0 => label | LEAF | value << SHIFT,
        Some(_) => label | GOES_ON | node.base << SHIFT,
        None if node.children == 0 => LEAF,
        None => label | node.base << SHIFT,
    }
}

fn to_bytes(nodes: &[Planned], cells: u32) -> Vec<u8> {
    let mut units = vec![0u32; cells as usize];
    let mut put = |cell: u32, unit: u32| {
        if let Some(place) = units.get_mut(cell as usize) {
            *place = unit;
        }
    };
    for node in nodes.iter().filter(|node| node.children > 0) {
        if let Some(value) = node.value {
            put(node.base, LEAF | value << SHIFT);
        }
        for child in nodes.get(node.family()).unwrap_or_default() {
            put(node.base ^ u32::from(child.label), unit_of(*child));
        }
    }
    let root = nodes.first().map_or(LEAF, |root| unit_of(*root));
    [cells, root].into_iter().chain(units).flat_map(u32::to_le_bytes).collect()
}
