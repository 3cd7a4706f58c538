//! The whole tokenizer: its parts, joined, and the loop over the segments of a text.

use super::added::{AddedTokens, added_id};
use super::bpe::Bpe;
use super::cell::{Cell, Full, Row};
use super::model;
use super::normalize::{Carry, Held, Normalizers, Place, Solid};
use super::offsets::{Spaces, covered};
use super::split::{self, Splitters, Words};
use super::template::{Collected, Collector, Span, Template, Token, TooShort};
use super::unigram::Unigram;
use super::wordpiece::WordPiece;

/// The most bytes of a segment: places in it are signed 16-bit numbers.
const SEGMENT_BYTES: usize = 1 << 14;

/// How words become ids.
#[derive(Clone, Copy, Debug)]
pub enum Model<'t> {
    /// Longest match first.
    WordPiece(WordPiece<'t>),
    /// Merges of bytes.
    Bpe(Bpe<'t>),
    /// The most probable pieces.
    Unigram(Unigram<'t>),
}

/// A tokenizer, made of its parts.
#[derive(Clone, Copy, Debug)]
pub struct Tokenizer<'t> {
    /// Tokens that are found in the text as it is.
    pub added: Option<AddedTokens<'t>>,
    /// What becomes of the characters.
    pub normalizers: Normalizers<'t>,
    /// Tokens that are found in the normalised text.
    pub added_normalized: Option<AddedTokens<'t>>,
    /// Where the words are.
    pub splitters: Splitters<'t>,
    /// What the words become.
    pub model: Model<'t>,
    /// What is put around them, and how many there may be.
    pub template: Template<'t>,
    /// After which characters a text may be cut.
    pub solid: Solid<'t>,
    /// The most characters of a segment.
    pub cells: usize,
}

/// Memory for the work on one segment.
#[derive(Debug)]
pub struct Scratch<'m> {
    /// At least [`Tokenizer::cells`].
    pub first: &'m mut [Cell],
    /// As many.
    pub second: &'m mut [Cell],
    /// At least [`Tokenizer::model_cells`].
    pub model: &'m mut [Cell],
}

/// What became of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Where ids and padding stand. Of the tokens left out one is counted, the rest were not looked for.
    pub ids: Collected,
    /// Tokens of the text that stand for what the vocabulary does not know.
    pub unknown: u32,
    /// Bytes of the text that were looked at.
    pub bytes_read: usize,
    /// Invalid parts of UTF-8, each read as U+FFFD.
    pub invalid_utf8: u32,
    /// Cuts where a segment was too long: ids may differ from the reference.
    pub forced_cuts: u32,
}

impl Encoded {
    /// Tokens were left out.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.ids.truncated > 0 || self.ids.lost > 0
    }
}

impl Model<'_> {
    /// The id of what is not known.
    fn unknown(&self) -> Option<u32> {
        match self {
            Self::WordPiece(model) => Some(model.unknown()),
            Self::Bpe(model) => model.unknown(),
            Self::Unigram(model) => Some(model.unknown()),
        }
    }

    fn tokenize(
        &self,
        word: &[Cell],
        scratch: &mut [Cell],
        emit: &mut impl FnMut(model::Token),
    ) -> Result<(), Full> {
        match self {
            Self::WordPiece(model) => model.tokenize(word, scratch, emit),
            Self::Bpe(model) => model.tokenize(word, scratch, emit),
            Self::Unigram(model) => model.tokenize(word, scratch, emit),
        }
    }
}

impl Tokenizer<'_> {
    /// Cells that [`Scratch::model`] must have.
    #[must_use]
    pub const fn model_cells(&self) -> usize {
        match &self.model {
            Model::WordPiece(model) => model.scratch_cells(self.cells),
            Model::Bpe(model) => model.scratch_cells(self.cells),
            Model::Unigram(model) => model.scratch_cells(self.cells),
        }
    }

    /// Writes the ids of a text.
    ///
    /// `special`: with special tokens. `spans` is empty, or as long as `ids` for the place of each token.
    ///
    /// # Errors
    /// [`TooShort`] if `ids` cannot hold what the template asks for.
    pub fn encode_into(
        &self,
        text: &[u8],
        special: bool,
        ids: &mut [u32],
        spans: &mut [Span],
        scratch: &mut Scratch<'_>,
    ) -> Result<Encoded, TooShort> {
        let mut run = Run {
            tokenizer: self,
            collector: self.template.begin(ids, spans, special)?,
            words: 0,
            unknown: 0,
            invalid_utf8: 0,
            forced_cuts: 0,
            is_over: false,
        };
        let mut from = 0;
        while !run.is_over {
            let found = self.added.and_then(|added| added.next(text, from));
            let end = found.map_or(text.len(), |found| found.start);
            run.piece(text, from, end, scratch);
            from = end;
            let Some(found) = found else { break };
            let white = text.get(found.start..found.end).and_then(|bytes| str::from_utf8(bytes).ok());
            let bytes = (number(found.start), number(found.end));
            run.added(found.id, bytes, white.map(Spaces::of).unwrap_or_default());
            from = found.end;
        }
        let Run { collector, unknown, invalid_utf8, forced_cuts, .. } = run;
        Ok(Encoded { ids: collector.finish()?, unknown, bytes_read: from, invalid_utf8, forced_cuts })
    }
}

/// A text on its way.
struct Run<'r, 't, 'm> {
    tokenizer: &'r Tokenizer<'t>,
    collector: Collector<'t, 'm>,
    /// Words and added tokens so far.
    words: u32,
    unknown: u32,
    invalid_utf8: u32,
    forced_cuts: u32,
    /// A token was left out: the rest changes nothing.
    is_over: bool,
}

/// A segment: how many bytes it has, and how it ends.
struct Segment {
    bytes: usize,
    characters: usize,
    invalid_utf8: u32,
    is_forced: bool,
}

impl Run<'_, '_, '_> {
    /// The text between two added tokens.
    fn piece(&mut self, text: &[u8], start: usize, end: usize, scratch: &mut Scratch<'_>) {
        let mut at = start;
        let mut limit = self.tokenizer.cells;
        let mut carry = Carry::new();
        let mut is_first = true;
        while let Some(rest) = text.get(at..end).filter(|rest| !rest.is_empty() && !self.is_over) {
            let mut row = Row::new(&mut *scratch.first);
            let mut spare = Row::new(&mut *scratch.second);
            let segment = self.tokenizer.cut(rest, limit, &mut row);
            let segment_end = at.saturating_add(segment.bytes);
            let place = Place { first: at == start, last: segment_end == end };
            let split = split::Place { first: is_first, at_zero: at == 0 };
            let before = carry;
            let made = self.tokenizer.words_of(&mut row, &mut spare, place, split, &mut carry);
            let row = match made {
                Ok(Held::First) => row,
                Ok(Held::Second) => spare,
                // Try less of it; a single character that has no room stands for nothing.
                Err(Full) if segment.characters > 1 => {
                    (limit, carry) = (segment.characters / 2, before);
                    continue;
                }
                Err(Full) => {
                    row.clear();
                    row
                }
            };
            self.invalid_utf8 = self.invalid_utf8.saturating_add(segment.invalid_utf8);
            self.forced_cuts = self.forced_cuts.saturating_add(u32::from(segment.is_forced));
            self.row(row.cells(), number(at), scratch.model);
            is_first = row.cells().last().is_some_and(|cell| cell.has(Cell::ADDED));
            carry.advance(u16::try_from(segment.bytes).unwrap_or(u16::MAX));
            at = segment_end;
            limit = self.tokenizer.cells;
        }
    }

    /// The words of a segment that begins at a byte of the text.
    fn row(&mut self, cells: &[Cell], segment: u32, scratch: &mut [Cell]) {
        let unknown = self.tokenizer.model.unknown();
        for word in Words::new(cells) {
            if let Some(id) = word.first().and_then(|cell| added_id(*cell)) {
                self.added(id, covered(word, segment), Spaces::default());
                continue;
            }
            let number = self.words;
            let (collector, is_over) = (&mut self.collector, &mut self.is_over);
            let unknown_so_far = &mut self.unknown;
            let made = self.tokenizer.model.tokenize(word, scratch, &mut |token| {
                let cells = word.get(token.start.into()..token.end.into()).unwrap_or_default();
                let bytes = covered(cells, segment);
                *is_over |= collector.is_full();
                *unknown_so_far = unknown_so_far.saturating_add(u32::from(Some(token.id) == unknown));
                collector.push(Token {
                    id: token.id,
                    bytes,
                    word: number,
                    added: false,
                    spaces: spaces(cells),
                });
            });
            if made.is_err() {
                self.forced_cuts = self.forced_cuts.saturating_add(1);
            }
            self.words = self.words.saturating_add(1);
            if self.is_over {
                return;
            }
        }
    }

    fn added(&mut self, id: u32, bytes: (u32, u32), spaces: Spaces) {
        self.is_over |= self.collector.is_full();
        self.collector.push(Token { id, bytes, word: self.words, added: true, spaces });
        self.words = self.words.saturating_add(1);
    }
}

impl Tokenizer<'_> {
    /// Puts the characters of the first segment of `bytes` into the row, at most `limit`.
    fn cut(&self, bytes: &[u8], limit: usize, row: &mut Row<'_>) -> Segment {
        let may_cut = self.splitters.divides();
        let mut segment = Segment { bytes: 0, characters: 0, invalid_utf8: 0, is_forced: false };
        let mut is_solid = false;
        for chunk in bytes.utf8_chunks() {
            let invalid = if chunk.invalid().is_empty() { "" } else { "\u{FFFD}" };
            let valid = chunk.valid().chars().map(|character| (character, character.len_utf8()));
            let replaced = invalid.chars().map(|character| (character, chunk.invalid().len()));
            for (character, len) in valid.chain(replaced) {
                if character == ' ' && is_solid && may_cut {
                    return segment;
                }
                let end = segment.bytes.saturating_add(len);
                let (Ok(from), Ok(to)) = (u16::try_from(segment.bytes), u16::try_from(end)) else {
                    return Segment { is_forced: true, ..segment };
                };
                let is_long = segment.characters >= limit || end > SEGMENT_BYTES;
                if is_long || row.push(Cell::new(character, from, to)).is_err() {
                    return Segment { is_forced: true, ..segment };
                }
                segment.bytes = end;
                segment.characters = segment.characters.saturating_add(1);
                is_solid = self.solid.holds(character);
            }
            if !invalid.is_empty() {
                segment.invalid_utf8 = segment.invalid_utf8.saturating_add(1);
            }
        }
        segment
    }

    /// Normalises a segment and marks its words; which of the two rows holds them.
    fn words_of<'m>(
        &self,
        first: &mut Row<'m>,
        second: &mut Row<'m>,
        place: Place,
        split: split::Place,
        carry: &mut Carry,
    ) -> Result<Held, Full> {
        let held = self.normalizers.run(first, second, place, carry)?;
        // These two swap the rows where they write to the other.
        let (row, spare) = match held {
            Held::First => (first, second),
            Held::Second => (second, first),
        };
        if let Some(added) = self.added_normalized {
            added.replace(row, spare)?;
        }
        self.splitters.run(row, spare, split)?;
        Ok(held)
    }
}

/// White space at both ends of a token, in characters.
fn spaces(cells: &[Cell]) -> Spaces {
    let is_space = |cell: &&Cell| cell.character() == ' ';
    let count = |spaces: usize| u32::try_from(spaces).unwrap_or(u32::MAX);
    Spaces {
        leading: count(cells.iter().take_while(is_space).count()),
        trailing: count(cells.iter().rev().take_while(is_space).count()),
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
