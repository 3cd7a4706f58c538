//! Word and character n-grams as hashed features: the tokenizer of a bag.
//!
//! One pass over the normalised text; per token (a word, and if asked for a mark) its own hash, the n-grams that end in
//! it and, if asked for, the pair with the token before the last, the word as it is cased, and the n-grams of its
//! characters between `<` and `>`. Nothing is stored but the hashes of the last tokens.
//!
//! # Source
//! Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification" (word n-grams); Guthrie et al. 2006, "A Closer
//! Look at Skip-gram Modelling"; Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information" (characters,
//! boundary marks).

use core::fmt;
use core::ops::ControlFlow;

use crate::hash;
use crate::normalize::{Normalizer, Symbol};
use crate::vocabulary::Vocabulary;

mod places;

pub use places::Placed;

/// The highest order of n-grams, of words and of characters.
pub const MAX_ORDER: usize = 6;

/// Which n-grams a text is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NgramSpec {
    /// Word n-grams of 1 to this many words; 1 to [`MAX_ORDER`].
    pub word_max: u8,
    /// Character n-grams of at least this many characters; 0 for none.
    pub char_min: u8,
    /// Character n-grams of at most this many characters; 0 for none.
    pub char_max: u8,
    /// Marks (punctuation, symbols) are tokens too: a run of the same mark is one, and n-grams reach across it. Without
    /// it they only part words.
    pub marks: bool,
    /// Each word once more with how it is written: lower case, capitalised, or all capitals.
    pub cased: bool,
    /// Pairs of tokens with one between them (1-skip-bigrams).
    pub skips: bool,
    /// Bytes of a text that are looked at; a longer text is cut and reported as truncated.
    pub max_bytes: u32,
}

/// Why an [`NgramSpec`] cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecError {
    /// The order of word n-grams is 0 or over [`MAX_ORDER`].
    WordOrder(u8),
    /// The orders of character n-grams are neither both 0 nor rising within [`MAX_ORDER`].
    CharacterOrders(u8, u8),
    /// No byte would be looked at.
    NoBytes,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WordOrder(n) => write!(f, "word n-grams up to {n}, allowed are 1 to {MAX_ORDER}"),
            Self::CharacterOrders(min, max) => {
                write!(
                    f,
                    "character n-grams of {min} to {max}, allowed are 0 to 0 or rising within 1 to {MAX_ORDER}"
                )
            }
            Self::NoBytes => f.write_str("texts are cut to 0 bytes, at least 1 is needed"),
        }
    }
}

impl core::error::Error for SpecError {}

impl NgramSpec {
    /// Word n-grams of 1 to `max` words and nothing else, texts up to 64 KiB.
    #[must_use]
    pub const fn words(max: u8) -> Self {
        Self {
            word_max: max,
            char_min: 0,
            char_max: 0,
            marks: false,
            cased: false,
            skips: false,
            max_bytes: 65_536,
        }
    }
}

/// What became of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Ids (or features) written.
    pub len: usize,
    /// Words met.
    pub words: u32,
    /// Words that the vocabulary does not hold.
    pub unknown: u32,
    /// The text was cut: over the byte limit, or the output was full.
    pub truncated: bool,
    /// Invalid parts of UTF-8 that became U+FFFD.
    pub invalid_utf8: u32,
}

/// What [`Ngrams::features_into`] reports.
pub type Features = Encoded;

/// Cuts texts into hashed n-grams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ngrams {
    spec: NgramSpec,
}

impl Ngrams {
    /// Accepts a specification.
    ///
    /// # Errors
    /// [`SpecError`] if an order is out of range or no byte would be read.
    pub const fn new(spec: NgramSpec) -> Result<Self, SpecError> {
        let NgramSpec { word_max, char_min, char_max, max_bytes, .. } = spec;
        if word_max == 0 || word_max as usize > MAX_ORDER {
            return Err(SpecError::WordOrder(word_max));
        }
        let none = char_min == 0 && char_max == 0;
        if !none && (char_min == 0 || char_min > char_max || char_max as usize > MAX_ORDER) {
            return Err(SpecError::CharacterOrders(char_min, char_max));
        }
        if max_bytes == 0 {
            return Err(SpecError::NoBytes);
        }
        Ok(Self { spec })
    }

    /// The specification.
    #[must_use]
    pub const fn spec(&self) -> NgramSpec {
        self.spec
    }

    /// Writes the ids that `vocabulary` holds of the text's features, in the order of the text, repeats included.
    ///
    /// Stops when `ids` is full and something is left: then [`Encoded::truncated`] is set.
    pub fn encode_into(&self, text: &[u8], vocabulary: &Vocabulary<'_>, ids: &mut [u32]) -> Encoded {
        let mut batch = Batch::EMPTY;
        let mut found = Found { ids, len: 0, unknown: 0 };
        let mut report = self.scan(text, |feature, is_word| {
            if batch.push(feature, is_word) {
                found.look_up(&mut batch, vocabulary)
            } else {
                ControlFlow::Continue(())
            }
        });
        report.truncated |= found.look_up(&mut batch, vocabulary).is_break();
        Encoded { len: found.len, unknown: found.unknown, ..report }
    }

    /// Writes the features themselves; for training and for building vocabularies.
    ///
    /// Stops when `features` is full and something is left: then [`Encoded::truncated`] is set.
    pub fn features_into(&self, text: &[u8], features: &mut [u32]) -> Features {
        let mut len = 0usize;
        let report = self.scan(text, |feature, _| {
            let Some(slot) = features.get_mut(len) else {
                return ControlFlow::Break(());
            };
            *slot = feature;
            len = len.wrapping_add(1);
            ControlFlow::Continue(())
        });
        Encoded { len, ..report }
    }

    /// Hands every feature to `sink`, and whether it is a single word, until the text ends or `sink` breaks.
    ///
    /// In the answer `len` and `unknown` are 0: only `sink` knows them.
    #[inline]
    pub fn scan(&self, text: &[u8], mut sink: impl FnMut(u32, bool) -> ControlFlow<()>) -> Encoded {
        let limit = usize::try_from(self.spec.max_bytes).unwrap_or(usize::MAX);
        let (text, over_limit) = cut(text, limit);
        let mut report = Encoded { truncated: over_limit, ..Encoded::default() };
        let mut normalizer = Normalizer::new(text);
        let flow = if self.spec.char_max == 0 {
            self.words(&mut normalizer, &mut report.words, &mut sink)
        } else {
            self.words_and_characters(&mut normalizer, &mut report.words, &mut sink)
        };
        report.truncated |= flow.is_break();
        report.invalid_utf8 = normalizer.invalid();
        report
    }

    #[inline]
    fn words(
        &self,
        normalizer: &mut Normalizer<'_>,
        words: &mut u32,
        sink: &mut impl FnMut(u32, bool) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut tokens = Tokens::new(self.spec);
        let mut word = Word::EMPTY;
        loop {
            normalizer.take_ascii_word(|byte, upper| word.push(byte, upper));
            let symbol = normalizer.next();
            if let Some(Symbol::Letter { folded, upper }) = symbol {
                word.push_char(folded, upper);
                continue;
            }
            tokens.end_word(&mut word, words, sink)?;
            match symbol {
                Some(other) => tokens.between(other, words, sink)?,
                None => return ControlFlow::Continue(()),
            }
        }
    }

    fn words_and_characters(
        &self,
        normalizer: &mut Normalizer<'_>,
        words: &mut u32,
        sink: &mut impl FnMut(u32, bool) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut tokens = Tokens::new(self.spec);
        let mut letters = Letters::new(self.spec);
        let mut word = Word::EMPTY;
        loop {
            let symbol = normalizer.next();
            if let Some(Symbol::Letter { folded, upper }) = symbol {
                if word.letters == 0 {
                    letters.begin();
                }
                letters.push(folded, sink)?;
                word.push_char(folded, upper);
                continue;
            }
            if word.letters != 0 {
                letters.push('>', sink)?;
            }
            tokens.end_word(&mut word, words, sink)?;
            match symbol {
                Some(other) => tokens.between(other, words, sink)?,
                None => return ControlFlow::Continue(()),
            }
        }
    }
}

/// Features that wait to be looked up together: the look-ups do not depend on each other, so the processor does several
/// at a time.
struct Batch {
    features: [u32; Self::CAPACITY],
    /// Bit `i`: feature `i` is a single word.
    words: u64,
    len: usize,
}

impl Batch {
    const CAPACITY: usize = 64;
    const EMPTY: Self = Self { features: [0; Self::CAPACITY], words: 0, len: 0 };

    /// Adds a feature; true if the batch is full now.
    #[inline(always)]
    fn push(&mut self, feature: u32, is_word: bool) -> bool {
        if let Some(slot) = self.features.get_mut(self.len) {
            *slot = feature;
        }
        self.words |= u64::from(is_word).wrapping_shl(u32::try_from(self.len).unwrap_or(0));
        self.len = self.len.wrapping_add(1);
        self.len >= Self::CAPACITY
    }
}

/// Ids found so far.
struct Found<'i> {
    ids: &'i mut [u32],
    len: usize,
    unknown: u32,
}

impl Found<'_> {
    /// Looks up a batch and empties it; breaks if an id finds no room.
    fn look_up(&mut self, batch: &mut Batch, vocabulary: &Vocabulary<'_>) -> ControlFlow<()> {
        let mut words = batch.words;
        let features = batch.features.get(..batch.len).unwrap_or_default();
        let mut bounds = [(0, 0); Batch::CAPACITY];
        vocabulary.all_bounds(features, &mut bounds);
        for (&feature, (start, end)) in features.iter().zip(bounds) {
            let (id, held) = vocabulary.probe_between(feature, start, end);
            self.unknown = self.unknown.wrapping_add(!held & u32::from(words & 1 == 1));
            words >>= 1;
            match self.ids.get_mut(self.len) {
                // Written whether it is one or not; the next overwrites it if not.
                Some(slot) => *slot = id,
                None if held != 0 => return ControlFlow::Break(()),
                None => {}
            }
            self.len = self.len.wrapping_add(held as usize);
        }
        (batch.words, batch.len) = (0, 0);
        ControlFlow::Continue(())
    }
}

/// The word that is being read.
#[derive(Clone, Copy)]
struct Word {
    hash: u32,
    letters: u32,
    upper: u32,
    begins_upper: bool,
}

impl Word {
    const EMPTY: Self = Self { hash: hash::EMPTY, letters: 0, upper: 0, begins_upper: false };

    #[inline(always)]
    fn push(&mut self, byte: u8, upper: bool) {
        self.hash = hash::push(self.hash, byte);
        self.count(upper);
    }

    fn push_char(&mut self, c: char, upper: bool) {
        self.hash = hash::push_char(self.hash, c);
        self.count(upper);
    }

    #[inline(always)]
    fn count(&mut self, upper: bool) {
        self.begins_upper |= upper && self.letters == 0;
        self.upper = self.upper.wrapping_add(u32::from(upper));
        self.letters = self.letters.wrapping_add(1);
    }

    /// 0 for a word that does not begin in upper case, 2 for two or more letters all in upper case, else 1.
    const fn case(&self) -> u32 {
        if !self.begins_upper {
            0
        } else if self.letters > 1 && self.upper == self.letters {
            2
        } else {
            1
        }
    }
}

/// What is remembered of the tokens before.
struct Tokens {
    tails: Tails,
    /// The last token and the one before it.
    last: [u32; 2],
    /// Tokens met, counted to 2.
    met: u32,
    /// The mark that stood directly before.
    mark: Option<(char, bool)>,
    spec: NgramSpec,
}

impl Tokens {
    /// Keeps pairs over a gap apart from pairs of neighbours.
    const SKIP: u32 = 0x5EED_5C1B;
    /// Keeps cased words apart from pairs.
    const CASED: u32 = 0x5EED_CA5E;

    const fn new(spec: NgramSpec) -> Self {
        Self { tails: Tails::new(spec.word_max), last: [0; 2], met: 0, mark: None, spec }
    }

    /// The word, if one was read, is over.
    #[inline(always)]
    fn end_word(
        &mut self,
        word: &mut Word,
        words: &mut u32,
        sink: &mut impl FnMut(u32, bool) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if word.letters == 0 {
            return ControlFlow::Continue(());
        }
        let Word { hash: token, .. } = *word;
        let case = word.case();
        *word = Word::EMPTY;
        *words = words.saturating_add(1);
        self.token(token, true, sink)?;
        if self.spec.cased {
            sink(hash::finish(hash::join(token, Self::CASED.wrapping_add(case))), false)?;
        }
        ControlFlow::Continue(())
    }

    /// What stands between words.
    #[inline]
    fn between(
        &mut self,
        symbol: Symbol,
        words: &mut u32,
        sink: &mut impl FnMut(u32, bool) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match symbol {
            Symbol::Whole(c) => {
                *words = words.saturating_add(1);
                self.token(hash::push_char(hash::EMPTY, c), true, sink)
            }
            Symbol::Mark { character, reference } if self.spec.marks => {
                if self.mark == Some((character, reference)) {
                    return ControlFlow::Continue(());
                }
                let start = if reference { hash::push(hash::EMPTY, b'&') } else { hash::EMPTY };
                self.token(hash::push_char(start, character), false, sink)?;
                self.mark = Some((character, reference));
                ControlFlow::Continue(())
            }
            _ => {
                self.mark = None;
                ControlFlow::Continue(())
            }
        }
    }

    /// Emits a token and what ends in it.
    #[inline(always)]
    fn token(
        &mut self,
        token: u32,
        is_word: bool,
        sink: &mut impl FnMut(u32, bool) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.mark = None;
        self.tails.emit(token, is_word, sink)?;
        if self.spec.skips {
            let [last, before] = self.last;
            if self.met == 2 {
                sink(hash::finish(hash::join(hash::join(before, Self::SKIP), token)), false)?;
            } else {
                self.met = self.met.wrapping_add(1);
            }
            self.last = [token, last];
        }
        ControlFlow::Continue(())
    }
}

/// The joined hashes of the last 1, 2, ... words.
struct Tails {
    /// `joined[k]`: of the last `k + 1` words, as far as there are so many.
    joined: [u32; MAX_ORDER],
    /// How many entries of `joined` stand for words that were met.
    filled: usize,
    max: usize,
}

impl Tails {
    const fn new(max: u8) -> Self {
        Self { joined: [0; MAX_ORDER], filled: 0, max: max as usize }
    }

    /// Emits the token and the n-grams that end in it.
    #[inline(always)]
    fn emit(
        &mut self,
        word: u32,
        is_word: bool,
        sink: &mut impl FnMut(u32, bool) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        sink(hash::finish(word), is_word)?;
        let mut joined = word;
        for (order, slot) in self.joined.iter_mut().enumerate().take(self.max) {
            // `slot` held the last `order + 1` words before this one.
            let longer = hash::join(*slot, word);
            *slot = joined;
            if order >= self.filled {
                break;
            }
            joined = longer;
            if order.wrapping_add(1) < self.max {
                sink(hash::finish(longer), false)?;
            }
        }
        if self.filled < self.max {
            self.filled = self.filled.wrapping_add(1);
        }
        ControlFlow::Continue(())
    }
}

/// The hashes of the last 1, 2, ... characters of a word.
struct Letters {
    states: [u32; MAX_ORDER],
    filled: usize,
    min: usize,
    max: usize,
}

impl Letters {
    /// Keeps character n-grams apart from words of the same letters.
    const SEED: u32 = 0x5EED_C0DE;

    const fn new(spec: NgramSpec) -> Self {
        let (min, max) = (spec.char_min as usize, spec.char_max as usize);
        Self { states: [0; MAX_ORDER], filled: 0, min, max }
    }

    fn begin(&mut self) {
        self.filled = 1;
        if let Some(first) = self.states.first_mut() {
            *first = hash::push(Self::SEED, b'<');
        }
    }

    fn push(&mut self, c: char, sink: &mut impl FnMut(u32, bool) -> ControlFlow<()>) -> ControlFlow<()> {
        self.filled = self.filled.saturating_add(1).min(self.max);
        let mut shorter = Self::SEED;
        for (index, slot) in self.states.iter_mut().enumerate().take(self.filled) {
            let state = hash::push_char(shorter, c);
            shorter = *slot;
            *slot = state;
            if index.wrapping_add(1) >= self.min {
                sink(hash::finish(state), false)?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// At most `limit` bytes of `text`, never ending inside a character, and whether something was cut.
fn cut(text: &[u8], limit: usize) -> (&[u8], bool) {
    if text.len() <= limit {
        return (text, false);
    }
    let is_inner = |at: usize| text.get(at).is_some_and(|b| b & 0xC0 == 0x80);
    let mut end = limit;
    for _ in 0..3 {
        if is_inner(end) {
            end = end.saturating_sub(1);
        }
    }
    if is_inner(end) {
        end = limit; // no character is that long: the bytes are invalid anyway
    }
    (text.get(..end).unwrap_or(text), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::{self, Vocabulary};
    use proptest::prelude::*;
    use std::string::String;
    use std::vec;
    use std::vec::Vec;

    fn features(spec: NgramSpec, text: &str) -> Vec<u32> {
        let mut out = vec![0; 8 * text.len() + 8];
        let report = Ngrams::new(spec).unwrap().features_into(text.as_bytes(), &mut out);
        assert!(!report.truncated);
        out.truncate(report.len);
        out
    }

    fn word(text: &str) -> u32 {
        text.bytes().fold(hash::EMPTY, hash::push)
    }

    #[test]
    fn word_ngrams_are_those_that_end_in_each_word() {
        let [a, b, c] = ["oil", "prices", "soar"].map(word);
        let f = hash::finish;
        assert_eq!(features(NgramSpec::words(1), "oil prices soar"), [f(a), f(b), f(c)]);
        let ab = hash::join(a, b);
        let bc = hash::join(b, c);
        assert_eq!(features(NgramSpec::words(2), "Oil, PRICES soar!"), [f(a), f(b), f(ab), f(c), f(bc)]);
        let abc = hash::join(ab, c);
        assert_eq!(
            features(NgramSpec::words(3), "oil prices soar"),
            [f(a), f(b), f(ab), f(c), f(bc), f(abc)]
        );
    }

    #[test]
    fn the_number_of_ngrams_is_known_from_the_number_of_words() {
        for max in 1..=6u8 {
            for words in 0..10usize {
                let text: String = (0..words).map(|i| std::format!("w{i} ")).collect();
                let expected: usize = (1..=usize::from(max)).map(|n| (words + 1).saturating_sub(n)).sum();
                let found = features(NgramSpec::words(max), &text);
                assert_eq!(found.len(), expected, "order {max}, {words} words");
                let distinct: std::collections::BTreeSet<_> = found.iter().collect();
                assert_eq!(distinct.len(), found.len());
            }
        }
    }

    #[test]
    fn character_ngrams_stand_between_marks() {
        let spec = NgramSpec { char_min: 3, char_max: 4, ..NgramSpec::words(1) };
        let gram = |text: &str| hash::finish(text.bytes().fold(Letters::SEED, hash::push));
        let expected =
            [gram("<oi"), gram("oil"), gram("<oil"), gram("il>"), gram("oil>"), hash::finish(word("oil"))];
        assert_eq!(features(spec, "oil"), expected);
        // The state is fresh for the next word.
        let both = features(spec, "oil oil");
        assert_eq!(both, [expected, expected].concat());
    }

    #[test]
    fn marks_are_tokens_if_asked_for_and_runs_are_one() {
        let spec = NgramSpec { marks: true, ..NgramSpec::words(2) };
        let [a, dot, b] = ["a", ".", "b"].map(word);
        let f = hash::finish;
        let expected = [f(a), f(dot), f(hash::join(a, dot)), f(b), f(hash::join(dot, b))];
        assert_eq!(features(spec, "a.b"), expected);
        assert_eq!(features(spec, "a...b"), expected);
        assert_eq!(features(spec, "a ... b"), expected);
        assert_eq!(features(spec, "a . . b").len(), 4 + 3);
        // As a reference it is another token.
        assert_ne!(features(spec, "a'b"), features(spec, "a&#39;b"));
        assert_eq!(features(spec, "a&#39;b"), features(spec, "a#39;b"));
        let report = Ngrams::new(spec).unwrap().features_into(b"a.b", &mut [0; 9]);
        assert_eq!(report.words, 2);
    }

    #[test]
    fn cased_words_are_features_of_their_own() {
        let spec = NgramSpec { cased: true, ..NgramSpec::words(1) };
        let cased = |text: &str| features(spec, text)[1];
        let plain = |text: &str| features(spec, text)[0];
        assert!(["us", "Us", "US", "uS"].iter().all(|text| plain(text) == plain("us")));
        assert_ne!(cased("us"), cased("Us"));
        assert_ne!(cased("US"), cased("Us"));
        assert_eq!(cased("us"), cased("uS"));
        assert_eq!(cased("I"), cased("I."));
        assert_eq!(features(spec, "é É").len(), 4);
    }

    #[test]
    fn skips_are_pairs_with_one_between() {
        let spec = NgramSpec { skips: true, ..NgramSpec::words(1) };
        let [a, b, c, d] = ["a", "b", "c", "d"].map(word);
        let f = hash::finish;
        let skip = |left: u32, right: u32| f(hash::join(hash::join(left, Tokens::SKIP), right));
        assert_eq!(features(spec, "a b"), [f(a), f(b)]);
        assert_eq!(features(spec, "a b c d"), [f(a), f(b), f(c), skip(a, c), f(d), skip(b, d)]);
    }

    #[test]
    fn the_fast_path_equals_the_slow_one() {
        let texts = [
            "Caf\u{e9} au lait &eacute;t\u{e9} 中国x quot;a quot; AT&T #39;s co\u{AD}op",
            "&",
            "a",
            "\u{AD}lt;x",
        ];
        for text in texts {
            let mut slow = NgramSpec { char_min: 6, char_max: 6, ..NgramSpec::words(2) };
            let with_characters = features(slow, text);
            slow.char_min = 0;
            slow.char_max = 0;
            let without = features(slow, text);
            let kept: Vec<_> = with_characters.iter().filter(|f| without.contains(f)).copied().collect();
            assert_eq!(kept, without, "{text}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters_and_reported() {
        let spec = NgramSpec { max_bytes: 5, ..NgramSpec::words(1) };
        let mut out = [0; 4];
        let report = Ngrams::new(spec).unwrap().features_into("ab caféx".as_bytes(), &mut out);
        assert_eq!((report.len, report.truncated, report.invalid_utf8), (2, true, 0));
        let report = Ngrams::new(spec).unwrap().features_into("ab éé".as_bytes(), &mut out);
        assert_eq!((report.len, report.truncated, report.invalid_utf8), (2, true, 0));
        let report = Ngrams::new(spec).unwrap().features_into(b"ab cd", &mut out);
        assert!(!report.truncated);
    }

    #[test]
    fn a_full_output_is_reported_only_if_something_is_left() {
        let ngrams = Ngrams::new(NgramSpec::words(1)).unwrap();
        let mut out = [0; 2];
        assert!(!ngrams.features_into(b"one two", &mut out).truncated);
        let report = ngrams.features_into(b"one two three", &mut out);
        assert_eq!((report.len, report.truncated), (2, true));
    }

    #[test]
    fn unknown_words_are_counted_and_unknown_pairs_are_not() {
        let hashes = [hash::finish(word("oil")), hash::finish(hash::join(word("oil"), word("prices")))];
        let table = vocabulary::Builder::new(&hashes, 16).unwrap();
        let bytes = table.to_bytes();
        let vocabulary = Vocabulary::parse(&bytes).unwrap();
        let mut ids = [0; 8];
        let report =
            Ngrams::new(NgramSpec::words(2)).unwrap().encode_into(b"oil prices oil", &vocabulary, &mut ids);
        assert_eq!((report.len, report.words, report.unknown, report.truncated), (3, 3, 1, false));
        assert_eq!(ids[0], ids[2]);
        assert_ne!(ids[0], ids[1]);
    }

    #[test]
    fn specifications_out_of_range_are_refused() {
        let base = NgramSpec::words(2);
        assert_eq!(Ngrams::new(NgramSpec { word_max: 0, ..base }), Err(SpecError::WordOrder(0)));
        assert_eq!(Ngrams::new(NgramSpec { word_max: 7, ..base }), Err(SpecError::WordOrder(7)));
        for (min, max) in [(0, 3), (4, 3), (3, 7), (3, 0)] {
            let spec = NgramSpec { char_min: min, char_max: max, ..base };
            assert_eq!(Ngrams::new(spec), Err(SpecError::CharacterOrders(min, max)));
        }
        assert_eq!(Ngrams::new(NgramSpec { max_bytes: 0, ..base }), Err(SpecError::NoBytes));
    }

    proptest! {
        #[test]
        fn any_bytes_are_cut_without_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            marks: bool, cased: bool, skips: bool, word_max in 1u8..=6, char_min in 0u8..=6, char_max in 0u8..=6, max_bytes in 1u32..300, capacity in 0usize..50,
        ) {
            if let Ok(ngrams) = Ngrams::new(NgramSpec { word_max, char_min, char_max, marks, cased, skips, max_bytes }) {
                let report = ngrams.features_into(&bytes, &mut vec![0; capacity]);
                prop_assert!(report.len <= capacity);
            }
        }
    }
}
