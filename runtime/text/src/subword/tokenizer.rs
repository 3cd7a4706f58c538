//! The whole tokenizer: its parts, joined, and the loop over the segments of a text.

use super::added::{AddedTokens, Match, added_id, ends_in_word};
use super::bpe::Bpe;
use super::cell::{Cell, Full, Row};
use super::model;
use super::normalize::{Carry, Held, Normalizers, Place, Solid};
use super::offsets::{Spaces, covered};
use super::split::{self, Splitters, Words};
use super::template::{Collected, Collector, Template, Token};
use super::unigram::Unigram;
use super::wordpiece::WordPiece;

mod ascii;
mod memory;
mod stream;
#[cfg(test)]
mod tests;

use ascii::BertWords;
pub use memory::{MemoryError, Output, Scratch};
pub use stream::Stream;

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

/// A tokenizer, made of its parts. [`Tokenizer::parse`] opens one.
#[derive(Clone, Copy, Debug)]
pub struct Tokenizer<'t> {
    /// Tokens that are found in the text as it is.
    pub(super) added: Option<AddedTokens<'t>>,
    /// What becomes of the characters.
    pub(super) normalizers: Normalizers<'t>,
    /// Tokens that are found in the normalised text.
    pub(super) added_normalized: Option<AddedTokens<'t>>,
    /// Where the words are.
    pub(super) splitters: Splitters<'t>,
    /// What the words become.
    pub(super) model: Model<'t>,
    /// What is put around them, and how many there may be.
    pub(super) template: Template<'t>,
    /// After which characters a text may be cut.
    pub(super) solid: Solid<'t>,
    /// The most characters of a segment.
    pub(super) cells: usize,
    /// A text may be cut after solid characters.
    pub(super) divides: bool,
    /// The most bytes of a text.
    pub(super) max_bytes: usize,
    /// Every id is below this.
    pub(super) ids: u32,
}

/// What became of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Ids written, with special ones and padding.
    pub len: usize,
    /// Tokens of the text were left out, or bytes beyond [`Tokenizer::max_bytes`].
    pub truncated: bool,
    /// Tokens of the text that stand for what the vocabulary does not know.
    pub unknown: u32,
    /// Words of the text and added tokens that were looked at.
    pub words: u32,
    /// Bytes of the text that were looked at: after the first token that is left out at the right, no more are.
    pub bytes_read: usize,
    /// Invalid parts of UTF-8, each read as U+FFFD.
    pub invalid_utf8: u32,
    /// Cuts where a word, or white space beside an added token, was too long: ids may differ from the reference.
    pub forced_cuts: u32,
    /// Where the ids of the text and the padding stand, and how many tokens were left out.
    pub placed: Collected,
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

    /// Every id is below this.
    pub(super) const fn ids(&self) -> u32 {
        match self {
            Self::WordPiece(model) => model.ids(),
            Self::Bpe(model) => model.ids(),
            Self::Unigram(model) => model.ids(),
        }
    }

    const fn scratch_cells(&self, cells: usize) -> usize {
        match self {
            Self::WordPiece(model) => model.scratch_cells(cells),
            Self::Bpe(model) => model.usual_scratch_cells(cells),
            Self::Unigram(model) => model.scratch_cells(cells),
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

impl<'t> Tokenizer<'t> {
    /// Every id that a text can give is below this.
    #[must_use]
    pub const fn ids(&self) -> u32 {
        self.ids
    }

    /// Bytes of a text that are looked at; what is beyond is left out and [`Encoded::truncated`] says so.
    #[must_use]
    pub const fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Characters of the longest segment that is worked on at once: a longer word is cut there.
    #[must_use]
    pub const fn segment_cells(&self) -> usize {
        self.cells
    }

    /// The model.
    #[must_use]
    pub const fn model(&self) -> &Model<'t> {
        &self.model
    }

    /// The id that stands for what the model does not know, if it has one.
    #[must_use]
    pub fn unknown_id(&self) -> Option<u32> {
        self.model.unknown()
    }

    /// What is put around a text, and how many ids there may be.
    #[must_use]
    pub const fn template(&self) -> &Template<'t> {
        &self.template
    }

    /// Cells of memory that work on a text takes.
    #[must_use]
    pub const fn scratch_cells(&self) -> usize {
        self.cells.saturating_mul(2).saturating_add(self.model.scratch_cells(self.cells))
    }

    /// Writes the ids of a text with its special tokens.
    ///
    /// # Shapes
    /// `ids`: as many as the truncation leaves, or more; without truncation any number, and what has no room is left
    /// out and counted. `scratch`: [`Self::scratch_cells`].
    ///
    /// # Errors
    /// [`MemoryError`] if `ids` cannot hold what the template asks for, or the scratch is too short.
    #[inline]
    pub fn encode_into(
        &self,
        text: &[u8],
        ids: &mut [u32],
        scratch: &mut Scratch<'_>,
    ) -> Result<Encoded, MemoryError> {
        self.encode(text, Output { ids, spans: &mut [], special: true }, scratch)
    }

    /// Writes the ids of a text, and the place of each in the text if that is asked for.
    ///
    /// # Errors
    /// As [`Self::encode_into`].
    pub fn encode(
        &self,
        text: &[u8],
        output: Output<'_>,
        scratch: &mut Scratch<'_>,
    ) -> Result<Encoded, MemoryError> {
        let mut run = Run::new(self, output, scratch.reborrow())?;
        let read = text.get(..self.max_bytes).map_or(text, without_partial);
        run.advance(read, true);
        run.finish(read.len() < text.len())
    }

    /// How far the end of a segment must lie before the end of what is known of a text: whether an added token begins
    /// near it is decided by bytes after it.
    const fn look_ahead(&self) -> usize {
        match &self.added {
            Some(added) => added.look_ahead(),
            None => 4,
        }
    }
}

/// A text without the character of which only the first bytes are there.
fn without_partial(text: &[u8]) -> &[u8] {
    let whole = (1..=3usize).find_map(|len| {
        let (rest, tail) = text.split_at_checked(text.len().checked_sub(len)?)?;
        let wanted = match tail.first()? {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => return None,
        };
        (wanted > len).then_some(rest)
    });
    whole.unwrap_or(text)
}

/// A text on its way.
#[derive(Debug)]
struct Run<'r, 't, 'm> {
    tokenizer: &'r Tokenizer<'t>,
    /// The memory of [`Scratch`], in its parts.
    rows: [&'m mut [Cell]; 3],
    /// Words of ASCII characters, if the tokenizer is one for which they have a way of their own.
    ascii: Option<BertWords<'t>>,
    /// Where the bytes at hand begin in the text.
    base: usize,
    /// Up to where added tokens were looked for, in the bytes at hand.
    searched: usize,
    /// The next added token, in the bytes at hand.
    found: Option<Match>,
    /// The character before the bytes at hand is part of a word.
    after_word: bool,
    piece: Piece,
    invalid_utf8: u32,
    sink: Sink<'t, 'm>,
}

/// The text since the last added token.
#[derive(Debug)]
struct Piece {
    carry: Carry,
    /// Nothing of it has been read.
    is_new: bool,
    /// Its next segment begins a word, whatever stands there.
    begins: bool,
}

impl Piece {
    const fn new() -> Self {
        Self { carry: Carry::new(), is_new: true, begins: true }
    }
}

/// A segment: how many bytes it has, and how it ends.
struct Segment {
    bytes: usize,
    characters: usize,
    invalid_utf8: u32,
    is_forced: bool,
}

impl<'r, 't, 'm> Run<'r, 't, 'm> {
    fn new(
        tokenizer: &'r Tokenizer<'t>,
        output: Output<'m>,
        scratch: Scratch<'m>,
    ) -> Result<Self, MemoryError> {
        let Output { ids, spans, special } = output;
        Ok(Self {
            tokenizer,
            rows: scratch.parts(tokenizer)?,
            ascii: BertWords::of(tokenizer),
            base: 0,
            searched: 0,
            found: None,
            after_word: false,
            piece: Piece::new(),
            invalid_utf8: 0,
            sink: Sink {
                has_spans: !spans.is_empty(),
                collector: tokenizer.template.begin(ids, spans, special)?,
                words: 0,
                unknown: 0,
                forced_cuts: 0,
                is_over: false,
            },
        })
    }

    fn finish(self, is_cut: bool) -> Result<Encoded, MemoryError> {
        let Sink { collector, words, unknown, forced_cuts, .. } = self.sink;
        let placed = collector.finish()?;
        Ok(Encoded {
            len: placed.len,
            truncated: placed.truncated > 0 || placed.lost > 0 || is_cut,
            unknown,
            words,
            bytes_read: self.base,
            invalid_utf8: self.invalid_utf8,
            forced_cuts,
            placed,
        })
    }

    /// Works on the bytes at hand as far as what follows cannot change it, which is to their end if they are the last.
    /// How many were used up; the next ones begin there.
    fn advance(&mut self, bytes: &[u8], is_last: bool) -> usize {
        let mut at = 0;
        while !self.sink.is_over {
            self.search(bytes, at, is_last);
            let end = self.found.map_or(bytes.len(), |found| found.start);
            // What ends here at the latest cannot be changed by what follows.
            let decided = match self.found {
                None if !is_last => bytes.len().saturating_sub(self.tokenizer.look_ahead()),
                _ => end,
            };
            let Some(rest) = bytes.get(at..end) else { break };
            let used = if rest.is_empty() {
                self.added_token(bytes).map_or(0, |end| end.saturating_sub(at))
            } else {
                self.segment(rest, at, decided.saturating_sub(at))
            };
            if used == 0 {
                break;
            }
            at = at.saturating_add(used);
        }
        self.base = self.base.saturating_add(at);
        self.searched = self.searched.saturating_sub(at);
        self.found = self.found.map(|found| found.moved_back(at));
        if at > 0 {
            self.after_word = ends_in_word(bytes.get(..at).unwrap_or_default());
        }
        at
    }

    /// Looks for the next added token.
    fn search(&mut self, bytes: &[u8], from: usize, is_last: bool) {
        if self.found.is_none()
            && let Some(added) = &self.tokenizer.added
        {
            self.searched = self.searched.max(from);
            self.found = added.search(bytes, from, &mut self.searched, is_last, self.after_word);
        }
    }

    /// Takes the added token that is next; where it ends.
    fn added_token(&mut self, bytes: &[u8]) -> Option<usize> {
        let found = self.found.take()?;
        let text = bytes.get(found.start..found.end).and_then(|bytes| str::from_utf8(bytes).ok());
        let place = [found.start, found.end].map(|at| number(self.base.saturating_add(at)));
        self.sink.forced_cuts = self.sink.forced_cuts.saturating_add(u32::from(found.is_forced));
        self.sink.added(found.id, place.into(), text.map(Spaces::of).unwrap_or_default());
        self.piece = Piece::new();
        self.searched = found.end;
        Some(found.end)
    }

    /// One segment of the bytes between two added tokens, or some words of ASCII characters; nothing if it may end
    /// after `decided` bytes. How many bytes it had.
    fn segment(&mut self, rest: &[u8], at: usize, decided: usize) -> usize {
        let Self { tokenizer, rows: [first, second, scratch], sink, piece, .. } = self;
        let start = self.base.saturating_add(at);
        if let Some(ascii) = &self.ascii {
            let used = ascii.words(rest, decided, number(start), scratch, sink);
            if used > 0 {
                piece.is_new = false;
                return used;
            }
        }
        let mut limit = tokenizer.cells;
        loop {
            let (mut row, mut spare) = (Row::new(first), Row::new(second));
            let segment = tokenizer.cut(rest, limit, &mut row);
            if segment.bytes > decided {
                return 0;
            }
            let place = Place { first: piece.is_new, last: segment.bytes == rest.len() };
            let split = split::Place { first: piece.begins, at_zero: start == 0 };
            let mut carry = piece.carry;
            let row = match tokenizer.words_of(&mut row, &mut spare, place, split, &mut carry) {
                Ok(Held::First) => row,
                Ok(Held::Second) => spare,
                // Try less of it; a single character that has no room stands for nothing.
                Err(Full) if segment.characters > 1 => {
                    limit = segment.characters / 2;
                    continue;
                }
                Err(Full) => {
                    row.clear();
                    row
                }
            };
            self.invalid_utf8 = self.invalid_utf8.saturating_add(segment.invalid_utf8);
            sink.forced_cuts = sink.forced_cuts.saturating_add(u32::from(segment.is_forced));
            sink.row(&tokenizer.model, row.cells(), number(start), scratch);
            carry.advance(u16::try_from(segment.bytes).unwrap_or(u16::MAX));
            let begins = row.cells().last().is_some_and(|cell| cell.has(Cell::ADDED));
            *piece = Piece { carry, is_new: false, begins };
            return segment.bytes;
        }
    }
}

/// Where the tokens go.
#[derive(Debug)]
struct Sink<'t, 'm> {
    collector: Collector<'t, 'm>,
    /// Places are asked for.
    has_spans: bool,
    /// Words and added tokens so far.
    words: u32,
    unknown: u32,
    forced_cuts: u32,
    /// A token was left out: the rest changes nothing.
    is_over: bool,
}

impl Sink<'_, '_> {
    /// The words of a segment that begins at a byte of the text.
    fn row(&mut self, model: &Model<'_>, cells: &[Cell], segment: u32, scratch: &mut [Cell]) {
        for word in Words::new(cells) {
            match word.first().and_then(|cell| added_id(*cell)) {
                Some(id) => self.added(id, covered(word, segment), Spaces::default()),
                None => self.word(model, word, segment, scratch),
            }
            if self.is_over {
                return;
            }
        }
    }

    fn word(&mut self, model: &Model<'_>, word: &[Cell], segment: u32, scratch: &mut [Cell]) {
        let unknown = model.unknown();
        let (mut rest, mut len) = (word, word.len());
        while !rest.is_empty() {
            let (part, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            let made = model.tokenize(part, scratch, &mut |token| {
                let cells = || part.get(token.start.into()..token.end.into()).unwrap_or_default();
                self.token(token.id, Some(token.id) == unknown, || {
                    (covered(cells(), segment), spaces(cells()))
                });
            });
            match made {
                Ok(()) => rest = after,
                // Half of it; a single character that has no room stands for nothing.
                Err(Full) if part.len() > 1 => {
                    len = part.len().div_ceil(2);
                    self.forced_cuts = self.forced_cuts.saturating_add(1);
                }
                Err(Full) => rest = after,
            }
        }
        self.words = self.words.saturating_add(1);
    }

    /// A token of the word at hand.
    #[inline(always)]
    fn token(&mut self, id: u32, is_unknown: bool, place: impl FnOnce() -> ((u32, u32), Spaces)) {
        self.is_over |= self.collector.is_full();
        self.unknown = self.unknown.saturating_add(u32::from(is_unknown));
        if self.has_spans {
            let (bytes, spaces) = place();
            self.collector.push(Token { id, bytes, word: self.words, added: false, spaces });
        } else {
            self.collector.push_id(id);
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
        let mut segment = Segment { bytes: 0, characters: 0, invalid_utf8: 0, is_forced: false };
        let mut is_solid = false;
        while let Some(rest) = bytes.get(segment.bytes..).filter(|rest| !rest.is_empty()) {
            let (character, len, is_invalid) = next_character(rest);
            if character == ' ' && is_solid && self.divides {
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
            segment.invalid_utf8 = segment.invalid_utf8.saturating_add(u32::from(is_invalid));
            is_solid = self.solid.holds(character);
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
            Held::First => (&mut *first, &mut *second),
            Held::Second => (&mut *second, &mut *first),
        };
        if let Some(added) = self.added_normalized {
            added.replace(row, spare)?;
        }
        self.splitters.run(row, spare, split)?;
        Ok(held)
    }
}

/// The first character of bytes that are not empty, how many bytes it has, and whether it stands for an invalid part.
#[inline(always)]
fn next_character(bytes: &[u8]) -> (char, usize, bool) {
    match bytes.first() {
        Some(byte) if byte.is_ascii() => (char::from(*byte), 1, false),
        _ => next_beyond_ascii(bytes),
    }
}

fn next_beyond_ascii(bytes: &[u8]) -> (char, usize, bool) {
    // No sequence is longer: only these bytes are looked at.
    let head = bytes.get(..bytes.len().min(4)).unwrap_or_default();
    let chunk = head.utf8_chunks().next();
    let valid = chunk.as_ref().and_then(|chunk| chunk.valid().chars().next());
    match (valid, chunk) {
        (Some(character), _) => (character, character.len_utf8(), false),
        (None, Some(chunk)) => (char::REPLACEMENT_CHARACTER, chunk.invalid().len(), true),
        (None, None) => (char::REPLACEMENT_CHARACTER, 1, true),
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
