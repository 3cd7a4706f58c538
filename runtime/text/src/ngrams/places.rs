//! Where in the text each n-gram stands: a second, slower pass for people who want to see it.

use core::ops::{ControlFlow, Range};

use super::{Encoded, Letters, MAX_ORDER, Ngrams, Tokens, Word, cut};
use crate::normalize::{Normalizer, Symbol};

/// A feature of a text and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The feature, as [`Ngrams::scan`] gives it.
    pub feature: u32,
    /// It is a single word.
    pub is_word: bool,
    /// The bytes of the text from its first to its last character. A character may be written as an HTML reference, and
    /// invisible ones may stand between.
    pub bytes: Range<usize>,
}

impl Ngrams {
    /// The features of [`Ngrams::scan`], in its order, each with its place, until the text ends or `sink` breaks.
    ///
    /// In the answer `len` and `unknown` are 0: only `sink` knows them.
    pub fn scan_places(&self, text: &[u8], mut sink: impl FnMut(Placed) -> ControlFlow<()>) -> Encoded {
        let limit = usize::try_from(self.spec.max_bytes).unwrap_or(usize::MAX);
        let (text, over_limit) = cut(text, limit);
        let mut normalizer = Normalizer::new(text);
        let mut words = 0;
        let flow = Places::new(*self).run(&mut normalizer, text, &mut words, &mut sink);
        Encoded {
            words,
            truncated: over_limit || flow.is_break(),
            invalid_utf8: normalizer.invalid(),
            ..Encoded::default()
        }
    }
}

/// The last items and where they begin: the newest is at the end.
#[derive(Clone, Copy)]
struct Starts([usize; MAX_ORDER]);

impl Starts {
    fn push(&mut self, start: usize) {
        self.0.rotate_left(1);
        if let Some(last) = self.0.last_mut() {
            *last = start;
        }
    }

    /// Where the last `count` items begin.
    fn of_last(&self, count: usize) -> usize {
        let at = MAX_ORDER.saturating_sub(count);
        self.0.get(at).copied().unwrap_or_default()
    }
}

/// The state of [`Ngrams::scan`], with places.
struct Places {
    ngrams: Ngrams,
    tokens: Tokens,
    letters: Letters,
    token_starts: Starts,
    letter_starts: Starts,
    /// Tokens met, counted to [`MAX_ORDER`].
    met: usize,
}

impl Places {
    const fn new(ngrams: Ngrams) -> Self {
        Self {
            ngrams,
            tokens: Tokens::new(ngrams.spec),
            letters: Letters::new(ngrams.spec),
            token_starts: Starts([0; MAX_ORDER]),
            letter_starts: Starts([0; MAX_ORDER]),
            met: 0,
        }
    }

    fn run(
        &mut self,
        normalizer: &mut Normalizer<'_>,
        text: &[u8],
        words: &mut u32,
        sink: &mut impl FnMut(Placed) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let has_letters = self.ngrams.spec.char_max != 0;
        let mut word = Word::EMPTY;
        let mut place = 0..0;
        loop {
            let start = visible(text, normalizer.bytes_read());
            let symbol = normalizer.next();
            let end = normalizer.bytes_read();
            if let Some(Symbol::Letter { folded, upper }) = symbol {
                if word.letters == 0 {
                    place.start = start;
                    if has_letters {
                        self.letters.begin();
                        self.letter_starts.push(start);
                    }
                }
                place.end = end;
                if has_letters {
                    self.letter(folded, start..end, sink)?;
                }
                word.push_char(folded, upper);
                continue;
            }
            if word.letters != 0 {
                if has_letters {
                    self.letter('>', place.end..place.end, sink)?;
                }
                self.token(place.clone(), sink, |tokens, mut sink| {
                    tokens.end_word(&mut word, words, &mut sink)
                })?;
            }
            match symbol {
                Some(other) => {
                    self.token(start..end, sink, |tokens, mut sink| tokens.between(other, words, &mut sink))?;
                }
                None => return ControlFlow::Continue(()),
            }
        }
    }

    fn letter(
        &mut self,
        character: char,
        place: Range<usize>,
        sink: &mut impl FnMut(Placed) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.letter_starts.push(place.start);
        // The shortest comes first, each next one is a character longer.
        let mut order = self.letters.min.max(1);
        let starts = self.letter_starts;
        self.letters.push(character, &mut |feature, is_word| {
            let bytes = starts.of_last(order)..place.end;
            order = order.saturating_add(1);
            sink(Placed { feature, is_word, bytes })
        })
    }

    /// What a token gives: its own feature, the n-grams that end in it, the pair over a gap, itself with its case.
    fn token(
        &mut self,
        place: Range<usize>,
        sink: &mut impl FnMut(Placed) -> ControlFlow<()>,
        step: impl FnOnce(&mut Tokens, &mut dyn FnMut(u32, bool) -> ControlFlow<()>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut starts = self.token_starts;
        starts.push(place.start);
        let met = self.met.saturating_add(1).min(MAX_ORDER);
        let runs = met.min(self.ngrams.spec.word_max.into());
        let skips = usize::from(self.ngrams.spec.skips && met > 2);
        let mut given = 0_usize;
        let flow = step(&mut self.tokens, &mut |feature, is_word| {
            given = given.saturating_add(1);
            let items = if given <= runs {
                given
            } else if given <= runs.saturating_add(skips) {
                3
            } else {
                1
            };
            sink(Placed { feature, is_word, bytes: starts.of_last(items)..place.end })
        });
        if given > 0 {
            (self.token_starts, self.met) = (starts, met);
        }
        flow
    }
}

/// The place of the first character from here on that is not invisible.
fn visible(text: &[u8], mut at: usize) -> usize {
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let head = rest.get(..rest.len().min(4)).unwrap_or(rest);
        let first = head.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
        match first.filter(|c| crate::unicode::is_ignored(*c)) {
            Some(ignored) => at = at.saturating_add(ignored.len_utf8()),
            None => break,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::super::NgramSpec;
    use super::*;

    fn placed(spec: NgramSpec, text: &[u8]) -> (Vec<Placed>, Encoded) {
        let mut found = Vec::new();
        let report = Ngrams::new(spec).unwrap().scan_places(text, |placed| {
            found.push(placed);
            ControlFlow::Continue(())
        });
        (found, report)
    }

    fn shown(spec: NgramSpec, text: &str) -> Vec<String> {
        placed(spec, text.as_bytes()).0.into_iter().map(|placed| text[placed.bytes].into()).collect()
    }

    #[test]
    fn each_ngram_knows_its_bytes() {
        let words = NgramSpec::words(3);
        assert_eq!(
            shown(words, "Oil &amp; gas, soft\u{ad}ly \u{200b}up"),
            [
                "Oil",
                "gas",
                "Oil &amp; gas",
                "soft\u{ad}ly",
                "gas, soft\u{ad}ly",
                "Oil &amp; gas, soft\u{ad}ly",
                "up",
                "soft\u{ad}ly \u{200b}up",
                "gas, soft\u{ad}ly \u{200b}up",
            ]
        );
        let all = NgramSpec { marks: true, cased: true, skips: true, ..NgramSpec::words(2) };
        assert_eq!(
            shown(all, "US &quot;-- 中 x"),
            [
                "US",
                "US",
                "&quot;",
                "US &quot;",
                "-",
                "&quot;-",
                "US &quot;-",
                "中",
                "-- 中",
                "&quot;-- 中",
                "x",
                "中 x",
                "-- 中 x",
                "x"
            ]
        );
        let letters = NgramSpec { char_min: 2, char_max: 3, ..NgramSpec::words(1) };
        assert_eq!(shown(letters, "é!"), ["é", "é", "é", "é"]);
        assert_eq!(shown(letters, " oil"), ["o", "oi", "oi", "il", "oil", "l", "il", "oil"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_features_are_those_without_places(
            text in "(\\PC|[ a-d&;#]|&amp;|quot;|\u{ad}|中){0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..6),
            word_max in 1..=6u8, chars in (1..=6u8, 1..=6u8), flags in any::<[bool; 4]>(), max_bytes in 1..60u32,
        ) {
            let [marks, cased, skips, has_chars] = flags;
            let (char_min, char_max) = (chars.0.min(chars.1), chars.0.max(chars.1));
            let (char_min, char_max) = if has_chars { (char_min, char_max) } else { (0, 0) };
            let spec = NgramSpec { word_max, char_min, char_max, marks, cased, skips, max_bytes };
            let text = [text.as_bytes(), &bytes, text.as_bytes()].concat();
            let mut expected = Vec::new();
            let report = Ngrams::new(spec).unwrap().scan(&text, |feature, is_word| {
                expected.push((feature, is_word));
                ControlFlow::Continue(())
            });
            let (found, found_report) = placed(spec, &text);
            prop_assert_eq!(found_report, report);
            for placed in &found {
                prop_assert!(placed.bytes.start <= placed.bytes.end && placed.bytes.end <= text.len());
            }
            let found: Vec<_> = found.into_iter().map(|placed| (placed.feature, placed.is_word)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
