//! Post-processors: special tokens around those of the text, truncation and padding, in the caller's memory.
//!
//! BERT's, RoBERTa's, the byte-level one and templates of one sequence are all ids before and ids after the text's.
//! Truncation comes first and leaves room for these; padding comes last.
//!
//! # The table
//! ```text
//! u8  1 trim_offsets, 2 add_prefix_space, 4 truncation, 8 truncation at the left, 16 padding, 32 padding at the left
//! u8  type id of the text's tokens
//! u8  special tokens before it, u8 after it
//! for each of these: u32 id, u8 type id
//! if truncation: u32 most ids, the special ones included
//! if padding: u32 fewest ids (0: as many as there are), u32 of which it is a multiple (0: of any), u32 id, u8 type id
//! ```
//! Numbers are little endian.
//!
//! # Source
//! `tokenizers` 0.23: `processors`, `utils::{truncation, padding}` and `PreTokenizedString::tokenize_with_limit`.

use core::ops::Range;

use super::offsets::{Spaces, trimmed};

mod table;

#[cfg(feature = "alloc")]
pub use table::{Draft, WriteError};
pub use table::{Padding, Template, TemplateError, Truncation};

/// Where a token lies in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its first byte.
    pub start: u32,
    /// The end of its bytes.
    pub end: u32,
    /// The word it is in; [`Span::NO_WORD`] for special tokens and padding.
    pub word: u32,
}

impl Span {
    /// Not in the text.
    pub const NO_WORD: u32 = u32::MAX;

    const NONE: Self = Self { start: 0, end: 0, word: Self::NO_WORD };

    /// While tokens are pushed: an added token.
    const ADDED: u32 = 1 << 31;
    /// While tokens are pushed: as the first token it would begin one byte earlier.
    const FIRST_START: u32 = 1 << 30;
    /// While tokens are pushed: as the first token it would end one byte earlier.
    const FIRST_END: u32 = 1 << 29;

    const fn index(self) -> u32 {
        self.word & (Self::FIRST_END - 1)
    }
}

/// A token of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// The bytes that it covers, see [`super::offsets::covered`].
    pub bytes: (u32, u32),
    /// The word it is in: words and added tokens are counted together from the start of the text, below 2^29.
    pub word: u32,
    /// It is an added token.
    pub added: bool,
    /// Its white space; only asked if the template trims.
    pub spaces: Spaces,
}

/// The caller's memory is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooShort {
    /// Ids it can hold.
    pub found: usize,
    /// Ids it must hold.
    pub needed: usize,
}

/// What [`Collector::finish`] has left in the caller's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// Ids, with special ones and padding.
    pub len: usize,
    /// Where those of the text are.
    pub text: Range<usize>,
    /// Where the special ones begin and end: outside of it is padding, whose attention is 0.
    pub attended: Range<usize>,
    /// Tokens of the text left out by truncation.
    pub truncated: usize,
    /// Tokens of the text left out for want of memory: there is no truncation.
    pub lost: usize,
}

/// Takes the tokens of a text one by one.
#[derive(Debug)]
pub struct Collector<'t, 'm> {
    template: Template<'t>,
    ids: &'m mut [u32],
    spans: &'m mut [Span],
    special: bool,
    /// Tokens that will be left.
    keep: usize,
    /// Tokens held at most: more than `keep` in a ring.
    hold: usize,
    len: usize,
    /// The oldest token of the ring.
    oldest: usize,
    left_out: usize,
    /// The word from which words will be counted if the ring is full.
    first_word: u32,
}

impl<'t> Template<'t> {
    /// Ids that must have room so that no text is an error, if there is room for `capacity`: with as many or more
    /// [`Self::begin`] and [`Collector::finish`] never fail.
    #[must_use]
    pub fn needed(&self, capacity: usize, special: bool) -> usize {
        let added = if special { self.special_len() } else { 0 };
        let most = self.truncation.map_or(capacity, |truncation| truncation.most);
        // The longest text and what is around it.
        let attended = most.max(added);
        let padded = self.padding.map_or(attended, |padding| padding.len(attended));
        if self.truncation.is_none() && self.padding.is_none() { added } else { padded }
    }

    /// Begins a text. `special` says whether special tokens are added; `spans` is empty or as long as `ids`.
    ///
    /// # Errors
    /// [`TooShort`].
    pub fn begin<'m>(
        &self,
        ids: &'m mut [u32],
        spans: &'m mut [Span],
        special: bool,
    ) -> Result<Collector<'t, 'm>, TooShort> {
        let added = if special { self.special_len() } else { 0 };
        let (keep, hold) = match self.truncation {
            Some(Truncation { most, left }) => {
                let keep = most.saturating_sub(added);
                (keep, if left { most } else { keep })
            }
            None => {
                let keep = ids.len().saturating_sub(added);
                (keep, keep)
            }
        };
        let needed = hold.max(added).max(self.truncation.map_or(0, |truncation| truncation.most));
        if ids.len() < needed || !spans.is_empty() && spans.len() < ids.len() {
            let found = if ids.len() < needed { ids.len() } else { spans.len() };
            return Err(TooShort { found, needed: needed.max(ids.len()) });
        }
        Ok(Collector {
            template: *self,
            ids,
            spans,
            special,
            keep,
            hold,
            len: 0,
            oldest: 0,
            left_out: 0,
            first_word: 0,
        })
    }
}

impl Collector<'_, '_> {
    /// Whether the tokens to come will be left out.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len >= self.hold && !self.is_ring()
    }

    fn is_ring(&self) -> bool {
        self.template.truncation.is_some_and(|truncation| truncation.left)
    }

    /// Takes the next token of the text.
    pub fn push(&mut self, token: Token) {
        let at = if self.len < self.hold { self.len } else { self.oldest };
        if self.len >= self.hold {
            self.left_out = self.left_out.saturating_add(1);
            if self.hold == 0 || !self.is_ring() {
                return;
            }
        }
        let replaced = self.spans.get(at).copied().filter(|_| self.len >= self.hold);
        if let Some(place) = self.ids.get_mut(at) {
            *place = token.id;
        }
        if let Some(place) = self.spans.get_mut(at) {
            *place = self.template.span(token);
        }
        if self.len < self.hold {
            self.len = self.len.saturating_add(1);
        } else {
            let next = self.oldest.saturating_add(1);
            self.oldest = if next == self.hold { 0 } else { next };
        }
        if self.len == self.hold && self.is_ring() {
            self.count_words_from_oldest(replaced);
        }
    }

    /// Takes the id of the next token, where no places are asked for.
    #[inline(always)]
    pub fn push_id(&mut self, id: u32) {
        match self
            .ids
            .get_mut(self.len)
            .filter(|_| self.len < self.hold && self.len.saturating_add(1) < self.hold)
        {
            Some(place) => {
                *place = id;
                self.len = self.len.saturating_add(1);
            }
            None => self.push(Token { id, ..Token::default() }),
        }
    }

    /// The reference tokenizes a text from its end until there are enough tokens, but only stops at a word, not at an
    /// added token; words are counted from where it has stopped.
    fn count_words_from_oldest(&mut self, before: Option<Span>) {
        let Some(oldest) = self.spans.get(self.oldest) else {
            return;
        };
        let word = oldest.index();
        let words_between = before.is_none_or(|before| word.saturating_sub(before.index()) > 1);
        if oldest.word & Span::ADDED == 0 {
            self.first_word = word;
        } else if words_between {
            self.first_word = word.saturating_sub(1);
        }
    }

    /// Ends the text: puts everything in place.
    ///
    /// # Errors
    /// [`TooShort`] if the padding does not fit.
    pub fn finish(self) -> Result<Collected, TooShort> {
        let Self { template, ids, spans, special, .. } = self;
        let (before, after) = if special { template.special() } else { Default::default() };
        let kept = self.len.min(self.keep);
        let skipped = self.len.saturating_sub(kept);
        let text_end = before.len().saturating_add(kept);
        let attended = text_end.saturating_add(after.len());
        let len = template.padding.map_or(attended, |padding| padding.len(attended));
        let padded = len.saturating_sub(attended);
        let shift = if template.padding.is_some_and(|padding| padding.left) { padded } else { 0 };
        if len > ids.len() {
            return Err(TooShort { found: ids.len(), needed: len });
        }
        let pad = template.padding.map_or((0, 0), |padding| (padding.id, padding.type_id));
        let text = shift.saturating_add(before.len())..shift.saturating_add(text_end);
        let full = self.len == self.hold && self.hold > 0;
        let first_word = if full { self.first_word } else { 0 };
        let moved = Moved { held: self.len, oldest: self.oldest, skipped, text: text.clone(), len };
        moved.apply(ids, pad.0);
        if let Some(ids) = ids.get_mut(shift..) {
            for (place, (id, _)) in ids.iter_mut().zip(before.iter()) {
                *place = id;
            }
            for (place, (id, _)) in ids.iter_mut().skip(text_end).zip(after.iter()) {
                *place = id;
            }
        }
        if !spans.is_empty() {
            moved.apply(spans, Span::NONE);
            for (index, span) in spans.get_mut(text.clone()).unwrap_or_default().iter_mut().enumerate() {
                if index == 0 {
                    span.start = span.start.saturating_sub(u32::from(span.word & Span::FIRST_START != 0));
                    span.end = span.end.saturating_sub(u32::from(span.word & Span::FIRST_END != 0));
                }
                span.word = span.index().saturating_sub(first_word);
            }
        }
        let left_out = self.left_out.saturating_add(skipped);
        let by_truncation = template.truncation.is_some();
        Ok(Collected {
            len,
            text,
            attended: shift..shift.saturating_add(attended),
            truncated: if by_truncation { left_out } else { 0 },
            lost: if by_truncation { 0 } else { left_out },
        })
    }
}

/// What happens to the text's tokens in their memory.
struct Moved {
    held: usize,
    oldest: usize,
    skipped: usize,
    text: Range<usize>,
    len: usize,
}

impl Moved {
    /// Puts the tokens where they belong, and `blank` around them.
    fn apply<T: Copy>(&self, memory: &mut [T], blank: T) {
        if let Some(held) = memory.get_mut(..self.held) {
            held.rotate_left(self.oldest.min(held.len()));
        }
        if self.text.end <= memory.len() && self.skipped <= self.held {
            memory.copy_within(self.skipped..self.held, self.text.start);
        }
        memory.get_mut(..self.text.start).unwrap_or_default().fill(blank);
        memory.get_mut(self.text.end..self.len).unwrap_or_default().fill(blank);
    }
}

impl Template<'_> {
    /// The span of a token, with marks for the case that it will be the first.
    fn span(&self, token: Token) -> Span {
        let mut word = token.word & (Span::FIRST_END - 1);
        if token.added {
            word |= Span::ADDED;
        }
        let Some(add_prefix_space) = self.trims else {
            return Span { start: token.bytes.0, end: token.bytes.1, word };
        };
        let (start, end) = trimmed(token.bytes, token.spaces, false, add_prefix_space);
        let as_first = trimmed(token.bytes, token.spaces, true, add_prefix_space);
        if as_first.0 < start {
            word |= Span::FIRST_START;
        }
        if as_first.1 < end {
            word |= Span::FIRST_END;
        }
        Span { start, end, word }
    }

    /// The type id of each place.
    #[must_use]
    pub fn type_id(&self, collected: &Collected, place: usize) -> u32 {
        let (before, after) = self.special();
        let type_id = if !collected.attended.contains(&place) {
            self.padding.map_or(0, |padding| padding.type_id)
        } else if collected.text.contains(&place) {
            self.type_id
        } else if place < collected.text.start {
            let index = place.saturating_sub(collected.attended.start);
            before.iter().nth(index).map_or(0, |(_, type_id)| type_id)
        } else {
            let index = place.saturating_sub(collected.text.end);
            after.iter().nth(index).map_or(0, |(_, type_id)| type_id)
        };
        type_id.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(most: usize, left: bool) -> Draft {
        Draft { truncation: Some(Truncation { most, left }), ..Draft::bert(101, 102) }
    }

    fn collect(template: &[u8], tokens: u32, ids: &mut [u32]) -> Result<Collected, TooShort> {
        let mut collector = Template::new(template).unwrap().begin(ids, &mut [], true)?;
        for id in 0..tokens {
            collector.push(Token { id, word: id, ..Token::default() });
        }
        collector.finish()
    }

    #[test]
    fn the_first_or_the_last_ids_stay() {
        for (left, expected) in [(false, [101, 0, 1, 102]), (true, [101, 7, 8, 102])] {
            let mut ids = [0; 4];
            let collected = collect(&draft(4, left).write().unwrap(), 9, &mut ids).unwrap();
            assert_eq!((ids, collected.truncated, collected.lost), (expected, 7, 0));
        }
    }

    #[test]
    fn memory_that_is_too_short_is_refused_or_what_is_lost_is_counted() {
        let needs_four = draft(4, true).write().unwrap();
        assert_eq!(collect(&needs_four, 1, &mut [0; 3]), Err(TooShort { found: 3, needed: 4 }));
        let open = Draft::bert(101, 102).write().unwrap();
        assert_eq!(collect(&open, 1, &mut [0; 1]), Err(TooShort { found: 1, needed: 2 }));
        let mut ids = [0; 4];
        assert_eq!(collect(&open, 5, &mut ids).map(|collected| collected.lost), Ok(3));
        assert_eq!(ids, [101, 0, 1, 102]);
        let padding = Padding { fewest: 8, multiple: 0, id: 0, type_id: 0, left: true };
        let padded = Draft { padding: Some(padding), ..Draft::bert(101, 102) }.write().unwrap();
        assert_eq!(collect(&padded, 1, &mut [0; 6]), Err(TooShort { found: 6, needed: 8 }));
    }

    #[test]
    fn nothing_is_left_of_a_text_without_room() {
        for left in [false, true] {
            let mut ids = [9; 3];
            let collected = collect(&draft(2, left).write().unwrap(), 5, &mut ids).unwrap();
            assert_eq!((ids, collected.len, collected.truncated), ([101, 102, 9], 2, 5));
            let none = Draft { truncation: Some(Truncation { most: 0, left }), ..Draft::default() };
            assert_eq!(collect(&none.write().unwrap(), 5, &mut ids).unwrap().len, 0);
        }
        assert!(draft(1, false).write().is_err());
    }

    #[test]
    fn damaged_tables_are_refused_or_read() {
        let padding = Padding { fewest: 8, multiple: 4, id: 0, type_id: 0, left: true };
        let good = Draft { padding: Some(padding), ..draft(6, true) }.write().unwrap();
        for at in 0..good.len() {
            assert!(Template::new(&good[..at]).is_err(), "{at} bytes of {}", good.len());
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                if Template::new(&bytes).is_ok() {
                    let mut ids = [0; 32];
                    if let Ok(collected) = collect(&bytes, 40, &mut ids) {
                        assert!(collected.len <= ids.len());
                    }
                }
            }
        }
    }
}
