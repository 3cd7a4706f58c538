//! Memory for a session from the heap, for programs that have one.

use alloc::boxed::Box;
use alloc::vec;

use crate::{Cell, Cost, Memory};

/// The memory of a session: all that it will ever need, allocated once.
#[derive(Clone, Debug)]
pub struct Buffers {
    /// [`Cost::ids`] entries.
    pub ids: Box<[u32]>,
    /// [`Cost::numbers`] entries.
    pub numbers: Box<[i32]>,
    /// [`Cost::tokens`] entries.
    pub tokens: Box<[u32]>,
    /// [`Cost::cells`] entries.
    pub cells: Box<[Cell]>,
    /// [`Cost::arena`] words.
    pub arena: Box<[u64]>,
}

impl Buffers {
    /// So much memory.
    #[must_use]
    pub fn new(cost: &Cost) -> Self {
        Self {
            ids: vec![0; cost.ids].into_boxed_slice(),
            numbers: vec![0; cost.numbers].into_boxed_slice(),
            tokens: vec![0; cost.tokens].into_boxed_slice(),
            cells: vec![Cell::default(); cost.cells].into_boxed_slice(),
            arena: vec![0; cost.arena].into_boxed_slice(),
        }
    }

    /// The memory, lent for a while.
    #[inline]
    pub fn memory(&mut self) -> Memory<'_> {
        let Self { ids, numbers, tokens, cells, arena } = self;
        Memory { ids, numbers, tokens, cells, arena }
    }
}
