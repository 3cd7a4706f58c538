//! The operators of an encoder in their order, a bounded piece at a time. A whole run is the same steps without a bound.
//!
//! ```text
//! ids -> rows + positions -> norm -> [ qkv -> attention -> output -> + norm -> inner, table -> outer -> + norm ] -> pool -> head
//! ```
//! An operator is a grid of lines and cells; each cell costs the same and needs no other of the same operator:
//!
//! | operator | lines | cells of a line | cost of a cell |
//! | --- | --- | --- | --- |
//! | embedding, norm | tokens | 1 | width * [`NUMBER`] |
//! | matrix | tokens | blocks of 16 outputs | 16 * inputs |
//! | attention | heads | queries | tokens * (2 * channels + [`WEIGHT`]) |
//! | pooling | 1 | 1 | tokens * width |
//! | head | classes | 1 | width |
//!
//! A piece is some whole lines, or some cells of one line.

use core::fmt;
use core::ops::Range;

use typecase_case::Error as FormatError;
use typecase_case::Kind;
use typecase_case::sections::encoder::{
    Encoder, EncoderPooling, EncoderShape, LayerPart, MatrixPart, NormPart,
};
use typecase_kernels::encoder::{
    Attention, AttentionPart, BLOCK, Cpu, LayerNorm, Matrix, Work, exp_table, scalar,
};

use super::{Parts, Plan};
use crate::threads::{Join, half};

/// What a number of the embedding or of a norm costs, in multiply-adds.
const NUMBER: usize = 32;
/// What a weight of attention costs beside its products, in multiply-adds.
const WEIGHT: usize = 16;

/// What follows in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    /// Rows, positions, their sum and its norm.
    Embed,
    Qkv,
    Attention,
    Output,
    Norm,
    Inner,
    Outer,
    NormOuter,
    Pool,
    Head,
    Done,
}

/// How far the run of a text has come; its numbers are in the arena.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    operator: Operator,
    layer: u16,
    /// Lines of the operator that are done.
    line: usize,
    /// Cells of the next line that are done.
    cell: usize,
}

impl Progress {
    /// Before the first operator.
    pub(crate) const START: Self = Self { operator: Operator::Embed, layer: 0, line: 0, cell: 0 };

    /// Nothing is left.
    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.operator, Operator::Done)
    }

    /// After a piece.
    const fn pass(&mut self, piece: &Piece, grid: &Grid) {
        if piece.cells.end < grid.cells {
            self.cell = piece.cells.end;
        } else {
            (self.line, self.cell) = (piece.lines.end, 0);
        }
    }

    /// To the operator after this one.
    const fn next(&mut self, layers: u16) {
        use Operator::{Attention, Done, Embed, Head, Inner, Norm, NormOuter, Outer, Output, Pool, Qkv};
        (self.line, self.cell) = (0, 0);
        self.operator = match self.operator {
            Embed if layers == 0 => Pool,
            Embed => Qkv,
            Qkv => Attention,
            Attention => Output,
            Output => Norm,
            Norm => Inner,
            Inner => Outer,
            Outer => NormOuter,
            NormOuter => {
                self.layer = self.layer.saturating_add(1);
                if self.layer < layers { Qkv } else { Pool }
            }
            Pool => Head,
            Head | Done => Done,
        };
    }
}

/// The lines and cells of an operator.
#[derive(Clone, Copy, Debug)]
struct Grid {
    lines: usize,
    cells: usize,
    /// Of a cell, in multiply-adds.
    cost: usize,
}

/// Whole lines, or cells of one line.
#[derive(Clone, Debug)]
struct Piece {
    lines: Range<usize>,
    cells: Range<usize>,
}

impl Grid {
    const fn of(operator: Operator, shape: &EncoderShape, tokens: usize) -> Self {
        let (width, inner) = (shape.width(), shape.inner as usize);
        let numbers = Self { lines: tokens, cells: 1, cost: width * NUMBER };
        match operator {
            Operator::Embed | Operator::Norm | Operator::NormOuter => numbers,
            Operator::Qkv => Self::matrix(tokens, width, 3 * width),
            Operator::Output => Self::matrix(tokens, width, width),
            Operator::Inner => Self::matrix(tokens, width, inner),
            Operator::Outer => Self::matrix(tokens, inner, width),
            Operator::Attention => Self {
                lines: shape.heads as usize,
                cells: tokens,
                cost: tokens * (2 * shape.channels as usize + WEIGHT),
            },
            Operator::Pool => Self { lines: 1, cells: 1, cost: tokens * width },
            Operator::Head => Self { lines: shape.classes as usize, cells: 1, cost: width },
            Operator::Done => Self { lines: 0, cells: 0, cost: 0 },
        }
    }

    const fn matrix(tokens: usize, inputs: usize, outputs: usize) -> Self {
        Self { lines: tokens, cells: outputs.div_ceil(BLOCK), cost: BLOCK * inputs }
    }

    /// What can be done next for so much; `None` for less than a cell.
    fn piece(&self, progress: &Progress, budget: usize) -> Option<Piece> {
        let Progress { line, cell, .. } = *progress;
        let cells = budget / self.cost.max(1);
        let lines = cells / self.cells.max(1);
        if cell == 0 && lines > 0 {
            let end = line.saturating_add(lines).min(self.lines);
            return Some(Piece { lines: line..end, cells: 0..self.cells });
        }
        let end = cell.saturating_add(cells).min(self.cells);
        (end > cell).then_some(Piece { lines: line..line + 1, cells: cell..end })
    }

    fn cost_of(&self, piece: &Piece) -> usize {
        piece.lines.len() * piece.cells.len() * self.cost
    }
}

/// What the dearest cell of a text of so many tokens costs.
pub(super) fn dearest_cell(shape: &EncoderShape, tokens: usize) -> u64 {
    use Operator::{Attention, Embed, Head, Inner, Outer, Pool};
    let cells = [Embed, Attention, Inner, Outer, Pool, Head];
    cells.into_iter().map(|operator| Grid::of(operator, shape, tokens).cost as u64).max().unwrap_or(0)
}

/// An encoder over the ids of a text, or of several that stand one behind the other: then they share the rows of the
/// matrices, and each has an attention, a pooled row and scores of its own.
#[derive(Clone, Copy)]
pub(crate) struct Forward<'a> {
    encoder: Encoder<'a>,
    cpu: Cpu,
    ids: &'a [u32],
    /// Where each of several texts ends; empty for one text.
    ends: &'a [usize],
    /// Lends a second thread.
    join: Option<&'a dyn Join>,
}

impl fmt::Debug for Forward<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward").field("ids", &self.ids).field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl<'a> Forward<'a> {
    /// The section was checked when the case was parsed; if it is another, the scores mean nothing.
    pub(crate) fn new(section: &'a [u8], cpu: Cpu, ids: &'a [u32]) -> Self {
        let encoder = Encoder::view(section).unwrap_or(Encoder::EMPTY);
        let ids = ids.get(..usize::from(encoder.shape.positions)).unwrap_or(ids);
        Self { encoder, cpu, ids, ends: &[], join: None }
    }

    /// Of several texts; `ends` rises, the last one is the number of ids, and no text has more than there are positions.
    pub(crate) fn of_texts(section: &'a [u8], cpu: Cpu, ids: &'a [u32], ends: &'a [usize]) -> Self {
        let encoder = Encoder::view(section).unwrap_or(Encoder::EMPTY);
        Self { encoder, cpu, ids, ends, join: None }
    }

    /// With a second thread; the arena then has work for two.
    pub(crate) const fn with(self, join: &'a dyn Join) -> Self {
        Self { join: Some(join), ..self }
    }

    /// The tokens of each text.
    fn texts(&self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let whole = self.ends.is_empty().then_some(0..self.ids.len());
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        whole.into_iter().chain(starts.zip(self.ends.iter().copied()).map(|(start, end)| start..end))
    }

    /// Computes the exact scores, one a class, text by text, at the front of `scores`; where they stand.
    pub(crate) fn run(&self, arena: &mut [u64], scores: &mut [i32]) -> Range<usize> {
        let mut progress = Progress::START;
        while !progress.is_done() {
            self.step(&mut progress, u32::MAX, arena, scores);
        }
        self.place()
    }

    /// Where the scores stand.
    pub(crate) fn place(&self) -> Range<usize> {
        0..usize::from(self.encoder.shape.classes) * self.ends.len().max(1)
    }

    /// Does what follows, for so many multiply-adds, but one cell at least.
    pub(crate) fn step(&self, progress: &mut Progress, budget: u32, arena: &mut [u64], scores: &mut [i32]) {
        if progress.operator == Operator::Embed && progress.line == 0 {
            scores.iter_mut().take(self.place().len()).for_each(|score| *score = 0);
        }
        // None of this fails for a section that was accepted.
        if self.advance(progress, budget as usize, arena, scores).is_err() {
            progress.operator = Operator::Done;
        }
    }

    fn advance(
        &self,
        progress: &mut Progress,
        budget: usize,
        arena: &mut [u64],
        scores: &mut [i32],
    ) -> Result<(), FormatError> {
        let shape = &self.encoder.shape;
        let longest = self.texts().map(|text| text.len()).max().unwrap_or(0);
        let plan = Plan::of(shape, self.ids.len(), longest, self.join.is_some());
        let mut parts = plan.cut(arena).ok_or(SHORT)?;
        let mut spent = 0usize;
        while !progress.is_done() {
            let grid = Grid::of(progress.operator, shape, self.ids.len());
            if progress.line >= grid.lines || grid.cells == 0 {
                progress.next(shape.layers);
                continue;
            }
            let left = budget.saturating_sub(spent);
            let Some(piece) = grid.piece(progress, if spent == 0 { left.max(grid.cost) } else { left })
            else {
                return Ok(());
            };
            self.run_piece(progress, &piece, &mut parts, scores)?;
            spent = spent.saturating_add(grid.cost_of(&piece).max(1));
            progress.pass(&piece, &grid);
        }
        Ok(())
    }

    fn run_piece(
        &self,
        progress: &Progress,
        piece: &Piece,
        parts: &mut Parts<'_>,
        scores: &mut [i32],
    ) -> Result<(), FormatError> {
        match progress.operator {
            Operator::Embed => self.embed(piece.lines.clone(), parts),
            Operator::Pool => self.pool(parts),
            Operator::Head => self.head(piece.lines.clone(), parts, scores),
            Operator::Done => Ok(()),
            operator => {
                let layer = self.encoder.layer(progress.layer)?;
                self.layer_piece(operator, &layer, piece, parts)
            }
        }
    }

    /// Some tokens.
    fn embed(&self, tokens: Range<usize>, parts: &mut Parts<'_>) -> Result<(), FormatError> {
        let width = self.encoder.shape.width();
        let embedding = self.encoder.embedding()?;
        for text in self.texts() {
            let (start, end) = (tokens.start.max(text.start), tokens.end.min(text.end));
            // Positions begin anew with each text.
            let positions = embedding.positions.chunks_exact(width).skip(start.saturating_sub(text.start));
            let rows = parts.stream.chunks_exact_mut(width).zip(self.ids).take(end).skip(start);
            for ((row, id), position) in rows.zip(positions) {
                let id = *id as usize;
                let weights = embedding.rows.get(id * width..(id + 1) * width).ok_or(SHORT)?;
                scalar::embed(weights, *embedding.multipliers.get(id).ok_or(SHORT)?, position, row);
            }
        }
        let numbers = tokens.start * width..tokens.end * width;
        let stream = parts.stream.get_mut(numbers.clone()).ok_or(SHORT)?;
        let narrow = parts.narrow.get_mut(numbers).ok_or(SHORT)?;
        self.cpu.add_layer_norm(stream, &[], width, &norm(&embedding.norm), narrow);
        Ok(())
    }

    fn layer_piece(
        &self,
        operator: Operator,
        layer: &LayerPart<'_>,
        piece: &Piece,
        parts: &mut Parts<'_>,
    ) -> Result<(), FormatError> {
        let cpu = self.cpu;
        let Parts { stream, other, narrow, wide, work, second } = parts;
        match operator {
            Operator::Qkv => {
                let Some(at) = Place::of(&layer.qkv, piece, narrow, wide) else { return Err(SHORT) };
                at.run(self.join, work, second, |at, work| {
                    cpu.linear_i8(at.input, at.rows, &at.matrix, work, at.output);
                });
            }
            Operator::Attention => {
                let shape = &self.encoder.shape;
                let attention = Attention {
                    heads: shape.heads.into(),
                    channels: shape.channels.into(),
                    factor: layer.factor,
                    shift: layer.shift,
                    exp: exp_table(),
                };
                let width = shape.width();
                for text in self.texts() {
                    let part = match self.ends {
                        [] => AttentionPart { heads: piece.lines.clone(), queries: piece.cells.clone() },
                        // Several texts are run whole.
                        _ => AttentionPart::all(&attention, text.len()),
                    };
                    let qkv = wide.get(text.start * 3 * width..text.end * 3 * width).ok_or(SHORT)?;
                    let output = narrow.get_mut(text.start * width..text.end * width).ok_or(SHORT)?;
                    cpu.attention_part(qkv, text.len(), &attention, &part, work, output);
                }
            }
            Operator::Output => {
                let Some(at) = Place::of(&layer.output, piece, narrow, other) else { return Err(SHORT) };
                at.run(self.join, work, second, |at, work| {
                    cpu.linear_i16(at.input, at.rows, &at.matrix, work, at.output);
                });
            }
            Operator::Inner => {
                let Some(at) = Place::of(&layer.inner, piece, narrow, wide) else { return Err(SHORT) };
                at.run(self.join, work, second, |at, work| {
                    cpu.linear_table(at.input, at.rows, &at.matrix, layer.table, work, at.output);
                });
            }
            Operator::Outer => {
                let Some(at) = Place::of(&layer.outer, piece, wide, other) else { return Err(SHORT) };
                at.run(self.join, work, second, |at, work| {
                    cpu.linear_i16(at.input, at.rows, &at.matrix, work, at.output);
                });
            }
            _ => {
                let width = self.encoder.shape.width();
                let numbers = piece.lines.start * width..piece.lines.end * width;
                let after = if operator == Operator::Norm { &layer.norm } else { &layer.norm_outer };
                cpu.add_layer_norm(
                    stream.get_mut(numbers.clone()).ok_or(SHORT)?,
                    other.get(numbers.clone()).ok_or(SHORT)?,
                    width,
                    &norm(after),
                    narrow.get_mut(numbers).ok_or(SHORT)?,
                );
            }
        }
        Ok(())
    }

    /// A text's pooled row stands where the other numbers of its first token stood.
    fn pool(&self, parts: &mut Parts<'_>) -> Result<(), FormatError> {
        let width = self.encoder.shape.width();
        for text in self.texts().filter(|text| !text.is_empty()) {
            let stream = parts.stream.get(text.start * width..text.end * width).ok_or(SHORT)?;
            let pooled = parts.other.get_mut(text.start * width..(text.start + 1) * width).ok_or(SHORT)?;
            match self.encoder.shape.pooling {
                EncoderPooling::Mean => scalar::mean_pool(stream, width, pooled),
                EncoderPooling::First => pooled.copy_from_slice(stream.get(..width).ok_or(SHORT)?),
            }
        }
        Ok(())
    }

    /// Some classes of every text.
    fn head(&self, some: Range<usize>, parts: &Parts<'_>, scores: &mut [i32]) -> Result<(), FormatError> {
        let shape = &self.encoder.shape;
        let width = shape.width();
        let head = self.encoder.head()?;
        let bias = head.bias.get(some.clone()).ok_or(SHORT)?;
        let weights = head.weights.get(some.start * width..some.end * width).ok_or(SHORT)?;
        for (text, scores) in self.texts().zip(scores.chunks_mut(shape.classes.into())) {
            let scores = scores.get_mut(some.clone()).ok_or(SHORT)?;
            if text.is_empty() {
                // No row: the bias alone.
                for (score, bias) in scores.iter_mut().zip(bias) {
                    *score = i32::from_le_bytes(*bias);
                }
                continue;
            }
            let pooled = parts.other.get(text.start * width..(text.start + 1) * width).ok_or(SHORT)?;
            scalar::head(pooled, shape.head_shift.into(), weights, bias, scores);
        }
        Ok(())
    }
}

const SHORT: FormatError = FormatError::SectionTooShort { section: Kind::ENCODER.0 };

/// What a piece of a matrix reads and writes.
struct Place<'p, T> {
    rows: usize,
    matrix: Matrix<'p>,
    input: &'p [u8],
    output: &'p mut [T],
}

impl<'p, T> Place<'p, T> {
    /// Whole rows, or some blocks of outputs of one row: then the matrix has these outputs alone.
    fn of(part: &MatrixPart<'p>, piece: &Piece, input: &'p [u8], output: &'p mut [T]) -> Option<Self> {
        let Piece { lines, cells } = piece;
        let MatrixPart { inputs, outputs, weights, bias, sums, shifts, multipliers } = *part;
        let (first, end) = (cells.start * BLOCK, outputs.min(cells.end * BLOCK));
        let block_bytes = Matrix::packed_len(inputs, BLOCK);
        let matrix = Matrix {
            inputs,
            outputs: end.checked_sub(first)?,
            weights: weights.get(cells.start * block_bytes..cells.end * block_bytes)?,
            bias: bias.get(first..end)?,
            sums: sums.get(first..end)?,
            shifts: shifts.get(first..end)?,
            multipliers: multipliers.get(first..end)?,
        };
        let last = lines.end.checked_sub(1)?;
        Some(Self {
            rows: lines.len(),
            matrix,
            input: input.get(lines.start * inputs..lines.end * inputs)?,
            output: output.get_mut(lines.start * outputs + first..last * outputs + end)?,
        })
    }

    /// Runs it, on two threads if there is a second one and the rows are many: each takes a part of them.
    fn run(
        self,
        join: Option<&dyn Join>,
        work: &mut Work<'_>,
        second: &mut Work<'_>,
        kernel: impl Fn(Place<'_, T>, &mut Work<'_>) + Sync,
    ) where
        T: Send,
    {
        let Some((join, rows)) = join.zip(half(self.rows)) else { return kernel(self, work) };
        let Self { matrix, input, output, .. } = self;
        // More than one row: whole ones, so that each has as many outputs as the matrix.
        let (first, last) = input.split_at(rows * matrix.inputs);
        let (first_out, last_out) = output.split_at_mut(rows * matrix.outputs);
        let left = self.rows - rows;
        join.join(
            &mut || kernel(Place { rows, matrix, input: first, output: &mut *first_out }, work),
            &mut || kernel(Place { rows: left, matrix, input: last, output: &mut *last_out }, second),
        );
    }
}

const fn norm<'a>(part: &NormPart<'a>) -> LayerNorm<'a> {
    let NormPart { gain, offset, gain_narrow, offset_narrow, extra } = *part;
    LayerNorm { gain, offset, gain_narrow, offset_narrow, extra }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;

    /// The pieces of an operator with this budget, each as the cells that it covers.
    fn pieces(grid: &Grid, budget: usize) -> Vec<Vec<(usize, usize)>> {
        let mut progress = Progress::START;
        let mut pieces = vec![];
        while progress.line < grid.lines {
            let piece = grid.piece(&progress, budget.max(grid.cost)).unwrap();
            assert!(grid.cost_of(&piece) <= budget.max(grid.cost), "{grid:?}, budget {budget}: {piece:?}");
            let cells = |line| piece.cells.clone().map(move |cell| (line, cell));
            pieces.push(piece.lines.clone().flat_map(cells).collect());
            progress.pass(&piece, grid);
        }
        pieces
    }

    #[test]
    fn pieces_cover_every_cell_once_in_order_and_cost_no_more_than_they_may() {
        for (lines, cells, cost) in [(1, 1, 1), (1, 7, 3), (7, 1, 3), (5, 4, 10), (3, 12, 1)] {
            let grid = Grid { lines, cells, cost };
            let all: Vec<_> = (0..lines).flat_map(|line| (0..cells).map(move |cell| (line, cell))).collect();
            for budget in 0..2 * lines * cells * cost {
                assert_eq!(pieces(&grid, budget).concat(), all, "{grid:?}, budget {budget}");
            }
            assert_eq!(pieces(&grid, usize::MAX).len(), 1, "{grid:?}");
        }
    }

    #[test]
    fn the_dearest_cell_is_that_of_any_operator() {
        let shape = EncoderShape {
            layers: 6,
            heads: 12,
            channels: 32,
            inner: 1536,
            positions: 512,
            classes: 4,
            rows: 30_522,
            pooling: EncoderPooling::Mean,
            head_shift: 3,
        };
        assert_eq!(dearest_cell(&shape, 8), 16 * 1536);
        assert_eq!(dearest_cell(&shape, 512), 512 * 384);
    }
}
