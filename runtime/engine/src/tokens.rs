//! The sub-word tokenizer of a case: its table is checked once, and looked at again for each text.

use typecase_case::sections::text::{TextSpec, Units};
use typecase_case::{Container, Error as FormatError, Kind};

use crate::error::Error;

/// The tokenizer that the text section asks for, checked whole; `None` if n-grams are of words.
///
/// # Errors
/// [`FormatError`] if the section is there and not asked for, or asked for and not there.
pub(crate) fn learn(container: &Container<'_>, text: &TextSpec) -> Result<Option<TokenFacts>, Error> {
    let table = container.section(Kind::TOKENIZER);
    match (text.units, table) {
        (Units::Words, Err(_)) => Ok(None),
        (Units::Words, Ok(_)) => {
            let what = "tokenizer sections and those that the text section asks for";
            Err(FormatError::Mismatch { what, left: 1, right: 0 }.into())
        }
        (Units::Tokens { max }, table) => TokenFacts::learn(container, table?, text, max).map(Some),
    }
}

#[cfg(feature = "subword")]
mod with {
    use typecase_text::subword::Tokenizer;
    use typecase_text::{Encoded, TokenMemory, TokenNgrams, TokenSpec, Vocabulary};

    use super::{Container, Error, Kind, TextSpec};
    use crate::case::Span;
    use crate::session::Memory;

    /// What parsing learnt of the tokenizer.
    #[derive(Clone, Debug)]
    pub(crate) struct TokenFacts {
        /// The section.
        pub(crate) table: Span,
        spec: TokenSpec,
        cells: usize,
    }

    impl TokenFacts {
        pub(super) fn learn(
            container: &Container<'_>,
            table: &[u8],
            text: &TextSpec,
            max_tokens: u32,
        ) -> Result<Self, Error> {
            let tokenizer = Tokenizer::parse(table)?;
            let TextSpec { word_max: ngram_max, skips, max_bytes, .. } = *text;
            let spec = TokenSpec { ngram_max, skips, max_bytes, max_tokens };
            TokenNgrams::new(tokenizer, spec)?;
            Ok(Self { table: container.place(Kind::TOKENIZER)?, spec, cells: tokenizer.scratch_cells() })
        }

        /// Tokens and cells of memory.
        pub(crate) const fn memory(&self) -> (usize, usize) {
            (self.spec.max_tokens as usize, self.cells)
        }

        /// Cuts a text into at most `limit` ids.
        pub(crate) fn encode_into(
            &self,
            text: &[u8],
            table: &[u8],
            vocabulary: &Vocabulary<'_>,
            limit: usize,
            memory: &mut Memory<'_>,
        ) -> Encoded {
            let Memory { ids, tokens, cells, .. } = memory;
            let ids = ids.get_mut(..limit).unwrap_or_default();
            // Both were accepted when the case was parsed.
            let tokenizer = Tokenizer::view(table).ok();
            match tokenizer.and_then(|tokenizer| TokenNgrams::new(tokenizer, self.spec).ok()) {
                Some(ngrams) => ngrams.encode_into(text, vocabulary, TokenMemory { tokens, cells }, ids),
                None => Encoded { truncated: true, ..Encoded::default() },
            }
        }
    }
}
#[cfg(feature = "subword")]
pub(crate) use with::TokenFacts;

#[cfg(not(feature = "subword"))]
mod without {
    use core::convert::Infallible;

    use typecase_text::{Encoded, Vocabulary};

    use super::{Container, Error, TextSpec};
    use crate::case::Span;
    use crate::session::Memory;

    /// There is none: a case that needs a tokenizer was refused.
    #[derive(Clone, Debug)]
    pub(crate) struct TokenFacts {
        pub(crate) table: Span,
        never: Infallible,
    }

    impl TokenFacts {
        pub(super) fn learn(_: &Container<'_>, _: &[u8], _: &TextSpec, _: u32) -> Result<Self, Error> {
            Err(Error::NoSubword)
        }

        pub(crate) const fn memory(&self) -> (usize, usize) {
            match self.never {}
        }

        pub(crate) fn encode_into(
            &self,
            _: &[u8],
            _: &[u8],
            _: &Vocabulary<'_>,
            _: usize,
            _: &mut Memory<'_>,
        ) -> Encoded {
            match self.never {}
        }
    }
}
#[cfg(not(feature = "subword"))]
pub(crate) use without::TokenFacts;
