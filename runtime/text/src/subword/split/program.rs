//! The steps as bytes.

use super::classes;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

/// What becomes of a delimiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behavior {
    /// It is in no word.
    Removed,
    /// It is a word.
    Isolated,
    /// It ends the word before it; after another delimiter it is a word.
    MergedWithPrevious,
    /// It begins the word after it; before another delimiter it is a word.
    MergedWithNext,
    /// A run of delimiters is a word.
    Contiguous,
}

/// When the replacement is put before a word that does not begin with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepend {
    /// Never.
    Never,
    /// If the word comes from the first byte of the text.
    First,
    /// Always.
    Always,
}

/// One splitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Without white space; each punctuation is a word.
    Bert,
    /// `\w+|[^\w\s]+`
    Whitespace,
    /// Without white space.
    WhitespaceSplit,
    /// Each punctuation is a delimiter.
    Punctuation(Behavior),
    /// GPT-2's. The model makes the bytes: cells stay characters.
    ByteLevel {
        /// A space is put before each word that has none.
        add_prefix_space: bool,
        /// Words are divided by GPT-2's pattern.
        use_regex: bool,
    },
    /// A visible character instead of the space.
    Metaspace {
        /// Usually U+2581.
        replacement: char,
        /// When it is put before a word.
        prepend: Prepend,
        /// Each replacement begins a word.
        split: bool,
    },
    /// Numerals are words, of one character or of as many as stand together.
    Digits {
        /// Of one character.
        individual: bool,
    },
    /// One character is the delimiter.
    Character {
        /// The delimiter.
        delimiter: char,
        /// What becomes of it.
        behavior: Behavior,
    },
}

/// Why bytes are no program of splitters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProgramError {
    /// The bytes do not hold as many steps as they say.
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes that the steps take.
        expected: usize,
    },
    /// A step that is not known, with options or a character that it cannot have, or `ByteLevel` before another: that
    /// would see characters for bytes.
    Step {
        /// Which.
        index: usize,
    },
    /// More steps than a program can hold.
    Steps {
        /// How many.
        found: usize,
    },
}

impl core::fmt::Display for ProgramError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length { found, expected } => {
                write!(f, "splitters have {found} bytes, their steps take {expected}")
            }
            Self::Step { index } => {
                write!(f, "splitter {index} is not known, has unknown options or is ByteLevel before another")
            }
            Self::Steps { found } => write!(f, "{found} splitters, limit is 255"),
        }
    }
}

impl core::error::Error for ProgramError {}

/// Bytes of a step.
const STEP: usize = 5;

/// The splitters of a tokenizer, in order.
#[derive(Clone, Copy, Debug)]
pub struct Splitters<'t> {
    steps: &'t [u8],
}

impl<'t> Splitters<'t> {
    /// Reads a program.
    ///
    /// # Errors
    /// [`ProgramError`].
    pub fn new(bytes: &'t [u8]) -> Result<Self, ProgramError> {
        let found = bytes.len();
        let Some((count, steps)) = bytes.split_first() else {
            return Err(ProgramError::Length { found, expected: 1 });
        };
        let expected = usize::from(*count).saturating_mul(STEP);
        if steps.len() != expected {
            return Err(ProgramError::Length { found, expected: expected.saturating_add(1) });
        }
        let last = usize::from(*count).saturating_sub(1);
        let wrong = |(index, bytes)| match step(bytes) {
            Some(Step::ByteLevel { .. }) => index != last,
            read => read.is_none(),
        };
        match steps.chunks_exact(STEP).enumerate().position(wrong) {
            Some(index) => Err(ProgramError::Step { index }),
            None => Ok(Self { steps }),
        }
    }

    /// The steps.
    pub fn steps(&self) -> impl Iterator<Item = Step> + use<'t> {
        self.steps.chunks_exact(STEP).filter_map(step)
    }

    /// Whether a word ends before every space that follows a solid character: then a text may be cut there.
    #[must_use]
    pub fn divides(&self) -> bool {
        let mut space = ' ';
        for step in self.steps() {
            let divides = match step {
                Step::Bert => classes::of(space) & (classes::SPACE | classes::PUNCTUATION) != 0,
                Step::Whitespace | Step::WhitespaceSplit => classes::of(space) & classes::SPACE != 0,
                Step::Punctuation(behavior) => {
                    classes::of(space) & classes::PUNCTUATION != 0 && behavior.divides()
                }
                Step::Digits { individual } => individual && classes::of(space) & classes::NUMERAL != 0,
                Step::Character { delimiter, behavior } => {
                    delimiter == space
                        && (behavior.divides() || behavior == Behavior::Contiguous && space == ' ')
                }
                Step::ByteLevel { use_regex: false, .. } => false,
                Step::ByteLevel { use_regex: true, .. } if space == ' ' => true,
                // The pattern would see across the cut.
                Step::ByteLevel { use_regex: true, .. } => return false,
                Step::Metaspace { replacement, split, .. } => {
                    space = if space == ' ' { replacement } else { space };
                    split && space == replacement
                }
            };
            if divides {
                return true;
            }
        }
        false
    }
}

impl Behavior {
    /// Whether a word ends before every delimiter.
    const fn divides(self) -> bool {
        matches!(self, Self::Removed | Self::Isolated | Self::MergedWithNext)
    }

    const fn read(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Removed,
            1 => Self::Isolated,
            2 => Self::MergedWithPrevious,
            3 => Self::MergedWithNext,
            4 => Self::Contiguous,
            _ => return None,
        })
    }
}

fn step(bytes: &[u8]) -> Option<Step> {
    let &[tag, options, c0, c1, c2] = bytes else {
        return None;
    };
    let character = char::from_u32(u32::from_le_bytes([c0, c1, c2, 0]))?;
    let has_character = tag == 6 || tag == 8;
    if !has_character && character != '\0' {
        return None;
    }
    Some(match (tag, options) {
        (1, 0) => Step::Bert,
        (2, 0) => Step::Whitespace,
        (3, 0) => Step::WhitespaceSplit,
        (4, _) => Step::Punctuation(Behavior::read(options)?),
        (5, 0..=3) => Step::ByteLevel { add_prefix_space: options & 1 != 0, use_regex: options & 2 != 0 },
        (6, 0..=7) => {
            let prepend = match options & 3 {
                0 => Prepend::Never,
                1 => Prepend::First,
                2 => Prepend::Always,
                _ => return None,
            };
            Step::Metaspace { replacement: character, prepend, split: options & 4 != 0 }
        }
        (7, 0..=1) => Step::Digits { individual: options != 0 },
        (8, _) => Step::Character { delimiter: character, behavior: Behavior::read(options)? },
        _ => return None,
    })
}

/// The program of these steps.
///
/// # Errors
/// [`ProgramError::Steps`] if there are more than 255.
#[cfg(feature = "alloc")]
pub fn write(steps: &[Step]) -> Result<Vec<u8>, ProgramError> {
    let count = u8::try_from(steps.len()).map_err(|_| ProgramError::Steps { found: steps.len() })?;
    let mut bytes = Vec::from([count]);
    for step in steps {
        let (tag, options, character) = match *step {
            Step::Bert => (1, 0, '\0'),
            Step::Whitespace => (2, 0, '\0'),
            Step::WhitespaceSplit => (3, 0, '\0'),
            Step::Punctuation(behavior) => (4, behavior as u8, '\0'),
            Step::ByteLevel { add_prefix_space, use_regex } => {
                (5, u8::from(add_prefix_space) | u8::from(use_regex) << 1, '\0')
            }
            Step::Metaspace { replacement, prepend, split } => {
                (6, prepend as u8 | u8::from(split) << 2, replacement)
            }
            Step::Digits { individual } => (7, u8::from(individual), '\0'),
            Step::Character { delimiter, behavior } => (8, behavior as u8, delimiter),
        };
        let [c0, c1, c2, _] = u32::from(character).to_le_bytes();
        bytes.extend([tag, options, c0, c1, c2]);
    }
    Ok(bytes)
}
