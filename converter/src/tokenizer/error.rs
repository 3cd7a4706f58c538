//! Why a `tokenizer.json` is refused.

use std::fmt::Display;

use typecase_text::subword::TokenizerError;

/// Characters of a text from the file that a message shows.
const SHOWN: usize = 48;

/// Why there is no tokenizer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The file is no JSON.
    #[error("line {line}, column {column}: {reason}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1; 0 at the end of the line before.
        column: usize,
        /// What the reader says.
        reason: String,
    },
    /// A field is missing, of the wrong type, or makes no sense.
    #[error("{place}: {reason}")]
    Field {
        /// Where, as `model.vocab` or `added_tokens[3].id`.
        place: String,
        /// What was found, and what is allowed.
        reason: String,
    },
    /// The file is sound, but asks for what the tables cannot say: it would give other ids.
    #[error("{0}")]
    Unsupported(String),
    /// The parts are sound and do not fit together.
    #[error(transparent)]
    Table(#[from] TokenizerError),
}

impl CompileError {
    pub(super) fn field(place: impl Into<String>, reason: impl Display) -> Self {
        Self::Field { place: place.into(), reason: reason.to_string() }
    }

    pub(super) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }
}

impl From<serde_json::Error> for CompileError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
        Self::Syntax { line, column, reason }
    }
}

/// A text of the file in quotes, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{:?}...", text.get(..at).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
