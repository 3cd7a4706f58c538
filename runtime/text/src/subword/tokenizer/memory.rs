//! The memory that work on a text takes: all of it is the caller's.

use core::fmt;

use super::Tokenizer;
use crate::subword::Cell;
use crate::subword::template::{Span, TooShort};

/// Where ids go.
#[derive(Debug)]
pub struct Output<'m> {
    /// The ids.
    pub ids: &'m mut [u32],
    /// Empty, or as many as `ids`: the place of each in the text.
    pub spans: &'m mut [Span],
    /// With special tokens.
    pub special: bool,
}

/// Memory for the work on one text after the other.
#[derive(Debug)]
pub struct Scratch<'m> {
    cells: &'m mut [Cell],
}

impl<'m> Scratch<'m> {
    /// At least [`Tokenizer::scratch_cells`], of 8 bytes each; what is in them does not matter.
    #[must_use]
    pub const fn new(cells: &'m mut [Cell]) -> Self {
        Self { cells }
    }

    pub(super) const fn reborrow(&mut self) -> Scratch<'_> {
        Scratch { cells: self.cells }
    }

    /// Two rows, and what the model works in.
    pub(super) fn parts(self, tokenizer: &Tokenizer<'_>) -> Result<[&'m mut [Cell]; 3], MemoryError> {
        let (found, needed) = (self.cells.len(), tokenizer.scratch_cells());
        let short = MemoryError { what: "cells of scratch", found, needed };
        let (first, rest) = self.cells.split_at_mut_checked(tokenizer.cells).ok_or(short)?;
        let (second, model) = rest.split_at_mut_checked(tokenizer.cells).ok_or(short)?;
        if found < needed { Err(short) } else { Ok([first, second, model]) }
    }
}

/// The caller's memory is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryError {
    /// For what.
    pub what: &'static str,
    /// How much was given.
    pub found: usize,
    /// How much it takes.
    pub needed: usize,
}

impl From<TooShort> for MemoryError {
    fn from(short: TooShort) -> Self {
        Self { what: "ids", found: short.found, needed: short.needed }
    }
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory for {} {}, {} are needed", self.found, self.what, self.needed)
    }
}

impl core::error::Error for MemoryError {}
