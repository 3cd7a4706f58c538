//! Words of ASCII characters in a tokenizer like BERT's, straight from the bytes to the pieces.
//!
//! In English text nearly every word takes this way. It is open where `BertNormalizer` maps each character to itself or
//! its lower-case form, `BertPreTokenizer` cuts at white space and around punctuation, and what stands beside the word is
//! ASCII too, or the end: then no step sees anything but the word. All else goes through cells.

use super::{Model, Sink, Tokenizer};
use crate::subword::Cell;
use crate::subword::normalize::Normalizer;
use crate::subword::offsets::Spaces;
use crate::subword::split::Step;
use crate::subword::wordpiece::WordPiece;

/// Another byte: a control character, or part of a character beyond ASCII.
const OTHER: u8 = 0;
const WHITE: u8 = 1;
const PUNCTUATION: u8 = 2;
const WORD: u8 = 3;

static CLASSES: [u8; 256] = classes();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn classes() -> [u8; 256] {
    let mut classes = [OTHER; 256];
    let mut byte = 0u8;
    while byte < 0x80 {
        classes[byte as usize] = match byte {
            b' ' | b'\t' | b'\n' | b'\r' => WHITE,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => WORD,
            b'!'..=b'~' => PUNCTUATION,
            _ => OTHER,
        };
        byte = byte.wrapping_add(1);
    }
    classes
}

fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(OTHER)
}

/// The way of a word of ASCII characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct BertWords<'t> {
    model: WordPiece<'t>,
    lowercase: bool,
    /// A longer word is cut.
    most: usize,
}

impl<'t> BertWords<'t> {
    /// That of a tokenizer, if it is one like BERT's.
    pub(super) fn of(tokenizer: &Tokenizer<'t>) -> Option<Self> {
        let (Model::WordPiece(model), None) = (tokenizer.model, tokenizer.added_normalized) else {
            return None;
        };
        let [Normalizer::Bert(bert)] = tokenizer.normalizers.steps() else { return None };
        let mut steps = tokenizer.splitters.steps();
        let is_bert = steps.next() == Some(Step::Bert) && steps.next().is_none() && bert.clean_text;
        is_bert.then_some(Self { model, lowercase: bert.lowercase, most: tokenizer.cells })
    }

    /// The first words of `rest`, which begins at a byte of the text; how many bytes they took, white space included.
    /// Only words that end within `decided` bytes, whatever follows.
    #[inline]
    pub(super) fn words(
        &self,
        rest: &[u8],
        decided: usize,
        start: u32,
        scratch: &mut [Cell],
        sink: &mut Sink<'_, '_>,
    ) -> usize {
        if self.lowercase {
            self.words_as(rest, decided, start, scratch, sink, |byte| byte.to_ascii_lowercase())
        } else {
            self.words_as(rest, decided, start, scratch, sink, |byte| byte)
        }
    }

    #[inline(always)]
    fn words_as(
        &self,
        rest: &[u8],
        decided: usize,
        start: u32,
        scratch: &mut [Cell],
        sink: &mut Sink<'_, '_>,
        letter: impl Fn(u8) -> u8 + Copy,
    ) -> usize {
        let unknown = self.model.unknown();
        let mut at = 0usize;
        while let Some(first) = rest.get(at).filter(|_| !sink.is_over) {
            let kind = class(*first);
            let word = rest.get(at..).unwrap_or_default();
            let len = match kind {
                // One more than there may be is enough: a longer word is left to the cells, and looked at once.
                WORD => word
                    .iter()
                    .take(self.most.saturating_add(1))
                    .take_while(|byte| class(**byte) == WORD)
                    .count(),
                OTHER => 0,
                _ => 1,
            };
            let end = at.saturating_add(len);
            let is_bounded = rest.get(end).is_none_or(|next| class(*next) != OTHER);
            if len == 0 || len > self.most || end > decided || !is_bounded {
                break;
            }
            if kind != WHITE {
                let word = word.get(..len).unwrap_or_default();
                let from = start.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
                // The scratch is long enough for any word of `most` characters.
                let _ = self.model.tokenize_ascii(word, letter, scratch, &mut |token| {
                    sink.token(token.id, token.id == unknown, || {
                        let place = |at: u16| from.saturating_add(at.into());
                        ((place(token.start), place(token.end)), Spaces::default())
                    });
                });
                sink.words = sink.words.saturating_add(1);
            }
            at = end;
        }
        at
    }
}
