//! N-grams of sub-word tokens as hashed features: the tokenizer of a bag whose case holds a sub-word tokenizer.
//!
//! The ids of a text without special tokens and padding are what the words are to [`Ngrams`]. Training and device both
//! come here, so they cut a text in the same places and give the same features.

use core::ops::ControlFlow;

use crate::ngrams::{self, Encoded, NgramSpec, Ngrams, SpecError};
use crate::subword::{Cell, Output, Scratch, Tokenizer};
use crate::vocabulary::Vocabulary;

/// Which n-grams of tokens a text is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenSpec {
    /// N-grams of 1 to this many tokens; 1 to [`ngrams::MAX_ORDER`].
    pub ngram_max: u8,
    /// Pairs of tokens with one between them (1-skip-bigrams).
    pub skips: bool,
    /// Bytes of a text that are looked at; at most as many as the tokenizer looks at.
    pub max_bytes: u32,
    /// Tokens of a text that are looked at; what is beyond is left out and reported as truncated.
    pub max_tokens: u32,
}

/// Cuts texts into hashed n-grams of sub-word tokens.
#[derive(Clone, Copy, Debug)]
pub struct TokenNgrams<'t> {
    tokenizer: Tokenizer<'t>,
    ngrams: Ngrams,
    max_bytes: usize,
    max_tokens: usize,
}

/// The memory that work on a text takes.
#[derive(Debug)]
pub struct TokenMemory<'m> {
    /// At least [`TokenSpec::max_tokens`].
    pub tokens: &'m mut [u32],
    /// At least [`Tokenizer::scratch_cells`].
    pub cells: &'m mut [Cell],
}

impl TokenMemory<'_> {
    /// The same memory, lent for a while.
    pub const fn reborrow(&mut self) -> TokenMemory<'_> {
        TokenMemory { tokens: self.tokens, cells: self.cells }
    }
}

impl<'t> TokenNgrams<'t> {
    /// Joins a tokenizer with a specification.
    ///
    /// # Errors
    /// [`SpecError`] if the order is out of range, no byte would be read, more bytes are asked for than the tokenizer
    /// looks at, or so many tokens cannot hold what it truncates and pads to.
    pub fn new(tokenizer: Tokenizer<'t>, spec: TokenSpec) -> Result<Self, SpecError> {
        let TokenSpec { ngram_max, skips, max_bytes, max_tokens } = spec;
        let ngrams = Ngrams::new(NgramSpec { skips, max_bytes, ..NgramSpec::words(ngram_max) })?;
        let allowed = u32::try_from(tokenizer.max_bytes()).unwrap_or(u32::MAX);
        if max_bytes > allowed {
            return Err(SpecError::TooManyBytes { found: max_bytes, allowed });
        }
        let [bytes, tokens] =
            [max_bytes, max_tokens].map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let needed = tokenizer.template().needed(tokens, false).max(1);
        if tokens < needed {
            let needed = u32::try_from(needed).unwrap_or(u32::MAX);
            return Err(SpecError::TooFewTokens { found: max_tokens, needed });
        }
        Ok(Self { tokenizer, ngrams, max_bytes: bytes, max_tokens: tokens })
    }

    /// The tokenizer.
    #[must_use]
    pub const fn tokenizer(&self) -> &Tokenizer<'t> {
        &self.tokenizer
    }

    /// Tokens of a text that are looked at.
    #[must_use]
    pub const fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// What is made of the tokens.
    #[must_use]
    pub const fn ngrams(&self) -> Ngrams {
        self.ngrams
    }

    /// Writes the ids that `vocabulary` holds of the text's features, in the order of the text, repeats included.
    ///
    /// In the answer `words` are the tokens that were looked at, and `unknown` those of them that the tokenizer does not
    /// know or that have no id of their own. With too little memory the answer means nothing.
    pub fn encode_into(
        &self,
        text: &[u8],
        vocabulary: &Vocabulary<'_>,
        memory: TokenMemory<'_>,
        ids: &mut [u32],
    ) -> Encoded {
        let cut = self.cut(text, memory);
        let found = self.ngrams.encode_tokens_into(cut.tokens, self.tokenizer.unknown_id(), vocabulary, ids);
        cut.report(found)
    }

    /// Hands every feature to `sink`, and whether it is a single known token, until the text ends or `sink` breaks. In
    /// the answer `len` is 0: only `sink` knows it.
    #[inline]
    pub fn scan(
        &self,
        text: &[u8],
        memory: TokenMemory<'_>,
        sink: impl FnMut(u32, bool) -> ControlFlow<()>,
    ) -> Encoded {
        let cut = self.cut(text, memory);
        let found = self.ngrams.scan_tokens(cut.tokens, self.tokenizer.unknown_id(), sink);
        cut.report(found)
    }

    fn cut<'m>(&self, text: &[u8], memory: TokenMemory<'m>) -> Cut<'m> {
        let (text, over_limit) = ngrams::cut(text, self.max_bytes);
        let tokens = memory.tokens.get_mut(..self.max_tokens).unwrap_or_default();
        let output = Output { ids: &mut *tokens, spans: &mut [], special: false };
        match self.tokenizer.encode(text, output, &mut Scratch::new(memory.cells)) {
            Ok(found) => Cut {
                tokens: tokens.get(found.placed.text).unwrap_or_default(),
                truncated: over_limit || found.truncated,
                invalid_utf8: found.invalid_utf8,
            },
            Err(_) => Cut { tokens: &[], truncated: true, invalid_utf8: 0 },
        }
    }
}

/// A text that was cut.
struct Cut<'m> {
    tokens: &'m [u32],
    truncated: bool,
    invalid_utf8: u32,
}

impl Cut<'_> {
    fn report(&self, found: Encoded) -> Encoded {
        Encoded { truncated: self.truncated || found.truncated, invalid_utf8: self.invalid_utf8, ..found }
    }
}
