//! N-grams of tokens that another tokenizer has made, instead of words.

use core::ops::ControlFlow;

use super::{Batch, Encoded, Found, Ngrams, Tokens};
use crate::hash;
use crate::vocabulary::Vocabulary;

/// The hash of a token, as that of a word is of its letters. A bijection, so that no two tokens are the same feature.
#[inline(always)]
#[must_use]
pub const fn token_hash(id: u32) -> u32 {
    // Not of the bare id: the hash of id 0 would be 0, and joined to 0 a token is as if it stood alone.
    hash::finish(hash::EMPTY ^ id)
}

impl Ngrams {
    /// As [`Self::scan`] for a text that was cut into these tokens: each is as a word. `unknown` is the token that
    /// stands for whatever the other tokenizer does not know; to `sink` it is no single word.
    ///
    /// In the answer `words` are the tokens and `unknown` those of them that are `unknown`. Limits of bytes, characters,
    /// marks and cased words do not matter: there is no text.
    #[inline]
    pub fn scan_tokens(
        &self,
        tokens: &[u32],
        unknown: Option<u32>,
        mut sink: impl FnMut(u32, bool) -> ControlFlow<()>,
    ) -> Encoded {
        let mut made = Tokens::new(self.spec);
        let mut report = Encoded::default();
        for &id in tokens {
            let is_known = Some(id) != unknown;
            report.words = report.words.saturating_add(1);
            report.unknown = report.unknown.saturating_add(u32::from(!is_known));
            if made.token(token_hash(id), is_known, &mut sink).is_break() {
                report.truncated = true;
                break;
            }
        }
        report
    }

    /// As [`Self::encode_into`] for a text that was cut into these tokens. In the answer `unknown` are the tokens that
    /// the other tokenizer does not know, and those that have no id in `vocabulary`.
    pub fn encode_tokens_into(
        &self,
        tokens: &[u32],
        unknown: Option<u32>,
        vocabulary: &Vocabulary<'_>,
        ids: &mut [u32],
    ) -> Encoded {
        let mut batch = Batch::EMPTY;
        let mut found = Found { ids, len: 0, unknown: 0 };
        let mut report = self.scan_tokens(tokens, unknown, |feature, is_word| {
            if batch.push(feature, is_word) {
                found.look_up(&mut batch, vocabulary)
            } else {
                ControlFlow::Continue(())
            }
        });
        report.truncated |= found.look_up(&mut batch, vocabulary).is_break();
        Encoded { len: found.len, unknown: report.unknown.saturating_add(found.unknown), ..report }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ngrams::NgramSpec;
    use crate::vocabulary;
    use std::vec::Vec;

    fn features(spec: NgramSpec, tokens: &[u32]) -> Vec<(u32, bool)> {
        let mut out = Vec::new();
        let report = Ngrams::new(spec).unwrap().scan_tokens(tokens, Some(7), |feature, is_word| {
            out.push((feature, is_word));
            ControlFlow::Continue(())
        });
        assert!(!report.truncated);
        assert_eq!(report.words as usize, tokens.len());
        assert_eq!(report.unknown as usize, tokens.iter().filter(|&&id| id == 7).count());
        out
    }

    #[test]
    fn tokens_make_the_ngrams_that_words_make() {
        let [a, b, c] = [0, 7, 0x3F_FFFF].map(token_hash);
        let f = hash::finish;
        let [ab, bc] = [hash::join(a, b), hash::join(b, c)];
        let abc = hash::join(ab, c);
        let all =
            [(f(a), true), (f(b), false), (f(ab), false), (f(c), true), (f(bc), false), (f(abc), false)];
        assert_eq!(features(NgramSpec::words(3), &[0, 7, 0x3F_FFFF]), all);
        let skips = NgramSpec { skips: true, ..NgramSpec::words(1) };
        let skip = f(hash::join(hash::join(a, Tokens::SKIP), c));
        assert_eq!(features(skips, &[0, 7, 0x3F_FFFF]).last(), Some(&(skip, false)));
        assert!(features(skips, &[]).is_empty());
    }

    #[test]
    fn no_two_tokens_or_pairs_of_few_tokens_are_the_same_feature() {
        let mut single: Vec<u32> = (0..1 << 16).map(|id| hash::finish(token_hash(id))).collect();
        single.sort_unstable();
        single.dedup();
        assert_eq!(single.len(), 1 << 16);
        let pair = |left, right| hash::finish(hash::join(token_hash(left), token_hash(right)));
        let mut pairs: Vec<u32> =
            (0..40).flat_map(|left| (0..40).map(move |right| pair(left, right))).collect();
        pairs.extend((0..40).map(|id| hash::finish(token_hash(id))));
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), 1640);
    }

    #[test]
    fn tokens_without_an_id_and_the_unknown_one_are_counted() {
        let hashes = [3, 7].map(|id| hash::finish(token_hash(id)));
        let bytes = vocabulary::Builder::new(&hashes, 16).unwrap().to_bytes();
        let vocabulary = Vocabulary::parse(&bytes).unwrap();
        let ngrams = Ngrams::new(NgramSpec::words(2)).unwrap();
        let mut ids = [0; 3];
        let report = ngrams.encode_tokens_into(&[3, 4, 7, 3], Some(7), &vocabulary, &mut ids);
        assert_eq!((report.len, report.words, report.unknown, report.truncated), (3, 4, 2, false));
        assert_eq!(ids[0], ids[2]);
        let report = ngrams.encode_tokens_into(&[3, 4, 7, 3], None, &vocabulary, &mut ids[..2]);
        assert_eq!((report.len, report.unknown, report.truncated), (2, 1, true));
    }
}
