//! Normalisers of sub-word tokenizers: programs of steps from one row of cells to another.
//!
//! # Bytes of a program
//! ```text
//! offset  size   what
//! 0       1      number of steps, 0 to 16
//! 1       3      zero
//! then for each step
//! 0       1      kind
//! 1       1      flags, or the least length of a run
//! 2       2      bytes of the pattern
//! 4       4      bytes of what follows
//! 8       ...    pattern, then content; or text; or charsmap; then zero bytes up to a multiple of four
//!
//! kind  step            flags
//! 1     Bert            1 clean_text, 2 handle_chinese_chars, 4 strip_accents, 8 lowercase
//! 2     Nfc
//! 3     Nfd
//! 4     Nfkc
//! 5     Nfkd
//! 6     Lowercase
//! 7     Strip           1 left, 2 right
//! 8     StripAccents
//! 9     Replace a text
//! 10    Replace a run of one character, at least so long
//! 11    Replace a run of white space, at least so long
//! 12    Prepend
//! 13    Nmt
//! 14    Precompiled
//! ```
//! All little-endian. A `Sequence` is the list of its steps.
//!
//! # Source
//! `tokenizers` 0.23: `normalizers/*.rs` and `tokenizer/normalizer.rs`.

use core::fmt;
use core::str;

use super::cell::{Cell, Full, Row};
use super::unicode::{self, Class};

mod clusters;
mod forms;
mod precompiled;
mod replace;
mod solid;
#[cfg(feature = "alloc")]
mod write;

pub use precompiled::{Carry, Charsmap};
pub use replace::Pattern;
pub use solid::Solid;
#[cfg(feature = "alloc")]
pub use write::{NormalizerSpec, PatternSpec, write, write_solid};

use forms::Form;

/// The most steps of a program.
pub const MAX_STEPS: usize = 16;

/// The most characters of a pattern that is replaced.
pub const MAX_PATTERN: usize = 64;

/// Whether a segment begins and ends its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Nothing of the text is before it.
    pub first: bool,
    /// Nothing of the text is after it.
    pub last: bool,
}

impl Place {
    /// The only segment of a text.
    pub const WHOLE: Self = Self { first: true, last: true };
    /// A segment amid others.
    pub const INNER: Self = Self { first: false, last: false };
}

/// Why bytes are no program of normalisers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// The bytes end within a step.
    TooShort,
    /// More steps than 16, bytes that have to be zero, or bytes after the last step.
    Header,
    /// A step of an unknown kind or with unknown flags.
    Step {
        /// Its number, from 0.
        number: u8,
        /// Its kind.
        kind: u8,
    },
    /// A text that is empty, too long or not UTF-8.
    Text {
        /// The number of its step, from 0.
        number: u8,
    },
    /// A charsmap whose parts do not fit, or a second one.
    Charsmap,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(f, "the normalisers end within a step"),
            Self::Header => write!(f, "the normalisers have no valid header, or bytes after the last step"),
            Self::Step { number, kind } => {
                write!(f, "normaliser {number} is of kind {kind} with flags that are not known")
            }
            Self::Text { number } => {
                write!(f, "normaliser {number} has a text that is empty, too long or not UTF-8")
            }
            Self::Charsmap => write!(f, "the charsmap is cut off or not UTF-8, or there are two"),
        }
    }
}

impl core::error::Error for TableError {}

/// What `BertNormalizer` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bert {
    /// Drops controls, and makes white space spaces.
    pub clean_text: bool,
    /// Puts spaces around ideographs.
    pub handle_chinese_chars: bool,
    /// Decomposes and drops marks; where the reference has none, it is that of `lowercase`.
    pub strip_accents: bool,
    /// Lower case.
    pub lowercase: bool,
}

/// One step.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Normalizer<'t> {
    /// `BertNormalizer`.
    Bert(Bert),
    /// `NFC`.
    Nfc,
    /// `NFD`.
    Nfd,
    /// `NFKC`.
    Nfkc,
    /// `NFKD`.
    Nfkd,
    /// `Lowercase`.
    Lowercase,
    /// `Strip`.
    Strip {
        /// At the beginning of the text.
        left: bool,
        /// At its end.
        right: bool,
    },
    /// `StripAccents`.
    StripAccents,
    /// `Replace`.
    Replace {
        /// What is replaced.
        pattern: Pattern<'t>,
        /// What stands there then.
        content: &'t str,
    },
    /// `Prepend`.
    Prepend(&'t str),
    /// `Nmt`.
    Nmt,
    /// `Precompiled`.
    Precompiled(Charsmap<'t>),
}

impl Normalizer<'_> {
    /// Adds to an empty row what the step makes of a segment.
    ///
    /// # Errors
    /// [`Full`].
    pub fn apply(
        &self,
        input: &[Cell],
        out: &mut Row<'_>,
        place: Place,
        carry: &mut Carry,
    ) -> Result<(), Full> {
        if let Some(form) = self.form() {
            return form.apply(input.iter().copied(), out);
        }
        match self {
            Self::Bert(bert) => bert.apply(input, out),
            Self::Strip { left, right } => stripped(input, *left && place.first, *right && place.last)
                .iter()
                .try_for_each(|cell| out.push(*cell)),
            Self::Replace { pattern, content } => pattern.replace(content, input, out),
            Self::Prepend(text) => {
                if let Some(first) = input.first().filter(|_| place.first) {
                    text.chars().try_for_each(|c| out.push(first.becomes(c)))?;
                }
                input.iter().try_for_each(|cell| out.push(*cell))
            }
            Self::Precompiled(rules) => rules.apply(input, out, place, carry),
            Self::Lowercase => input.iter().try_for_each(|cell| {
                let (lower, more) = unicode::lower(cell.character());
                out.push(cell.becomes(lower))?;
                more.map_or(Ok(()), |c| out.push(cell.becomes(c)))
            }),
            _ => input.iter().try_for_each(|cell| {
                self.single(cell.character()).map_or(Ok(()), |c| out.push(cell.becomes(c)))
            }),
        }
    }

    /// Does the step in the row itself, if it can: where it does nothing, or each character becomes one or none.
    fn apply_in_place(&self, row: &mut Row<'_>, place: Place, carry: &mut Carry) -> bool {
        let is_ascii = row.cells().iter().fold(0, |all, cell| all | cell.0) & 0x1F_FF80 == 0;
        if let Some(form) = self.form() {
            return is_ascii || form.keeps(row.cells());
        }
        match self {
            Self::Bert(bert) => {
                if is_ascii {
                    bert.apply_ascii(row);
                }
                is_ascii
            }
            Self::Lowercase if is_ascii => {
                for cell in row.cells_mut() {
                    *cell = cell.becomes(cell.character().to_ascii_lowercase());
                }
                true
            }
            Self::Lowercase => {
                if row.cells().iter().any(|cell| cell.character() == '\u{130}') {
                    return false;
                }
                retain(row, |c| Some(unicode::lower(c).0));
                true
            }
            Self::StripAccents if is_ascii => true,
            Self::StripAccents | Self::Nmt => {
                retain(row, |c| self.single(c));
                true
            }
            Self::Strip { left, right } => {
                let (left, right) = (*left && place.first, *right && place.last);
                stripped(row.cells(), left, right).len() == row.cells().len()
            }
            Self::Replace { pattern, content } => pattern.replace_in_place(content, row),
            Self::Prepend(_) => !place.first || row.cells().is_empty(),
            Self::Precompiled(rules) => rules.keeps(row.cells(), place, carry),
            _ => false,
        }
    }

    const fn form(&self) -> Option<Form> {
        Some(match self {
            Self::Nfc => Form { compatible: false, composed: true },
            Self::Nfd => Form { compatible: false, composed: false },
            Self::Nfkc => Form { compatible: true, composed: true },
            Self::Nfkd => Form { compatible: true, composed: false },
            _ => return None,
        })
    }

    /// What one character becomes, for the steps of which that is all.
    fn single(&self, c: char) -> Option<char> {
        match self {
            Self::StripAccents => (c < '\u{300}' || !Class::of(c).is_combining_mark()).then_some(c),
            Self::Nmt => match u32::from(c) {
                0x01..=0x08 | 0x0B | 0x0E..=0x1F | 0x7F | 0x8F | 0x9F => None,
                0x09
                | 0x0A
                | 0x0C
                | 0x0D
                | 0x1680
                | 0x200B..=0x200F
                | 0x2028
                | 0x2029
                | 0x2581
                | 0xFEFF
                | 0xFFFD => Some(' '),
                _ => Some(c),
            },
            _ => Some(c),
        }
    }
}

impl Bert {
    fn apply(self, input: &[Cell], out: &mut Row<'_>) -> Result<(), Full> {
        let source = input.iter().flat_map(move |cell| self.cleaned(*cell));
        if self.strip_accents {
            Form { compatible: false, composed: false }.apply(source, out)?;
            retain(out, |c| {
                let is_mark = c >= '\u{300}' && Class::of(c).is_mark_nonspacing();
                let c = if self.lowercase { unicode::lower(c).0 } else { c };
                (!is_mark).then_some(c)
            });
            return Ok(());
        }
        for cell in source {
            let c = cell.character();
            let (lower, more) = if self.lowercase { unicode::lower(c) } else { (c, None) };
            out.push(cell.becomes(lower))?;
            if let Some(c) = more {
                out.push(cell.becomes(c))?;
            }
        }
        Ok(())
    }

    /// A character after `clean_text` and `handle_chinese_chars`: none, one, or one with a space on either side.
    fn cleaned(self, cell: Cell) -> impl Iterator<Item = Cell> + Clone + use<> {
        let c = cell.character();
        let (mut cells, mut len) = ([cell; 3], 1usize);
        if self.clean_text {
            match c {
                '!'..='~' | ' ' => {}
                '\t' | '\n' | '\r' => cells = [cell.becomes(' '); 3],
                '\u{FFFD}' => len = 0,
                _ => {
                    let class = Class::of(c);
                    if class.is_other() {
                        len = 0;
                    } else if class.has(unicode::flag::WHITE_SPACE) {
                        cells = [cell.becomes(' '); 3];
                    }
                }
            }
        }
        if self.handle_chinese_chars && is_chinese(c) {
            cells = [cell.becomes(' '), cell, cell.becomes(' ')];
            len = 3;
        }
        cells.into_iter().take(len)
    }

    fn apply_ascii(self, row: &mut Row<'_>) {
        retain(row, |c| {
            let c = match c {
                '\t' | '\n' | '\r' if self.clean_text => ' ',
                '\0'..='\u{1F}' | '\u{7F}' if self.clean_text => return None,
                _ => c,
            };
            Some(if self.lowercase { c.to_ascii_lowercase() } else { c })
        });
    }
}

/// What `BertNormalizer` takes for an ideograph: one block is not that of the standard, as in the reference.
const fn is_chinese(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{2A6DF}' | '\u{2A700}'..='\u{2B73F}' | '\u{2B740}'..='\u{2B81F}'
        | '\u{2B920}'..='\u{2CEAF}' | '\u{2F800}'..='\u{2FA1F}')
}

/// Replaces every character of a row, or drops it. Those that stay keep their places, as in the reference.
fn retain(row: &mut Row<'_>, mut keep: impl FnMut(char) -> Option<char>) {
    let cells = row.cells_mut();
    let mut written = 0usize;
    for read in 0..cells.len() {
        let Some(&cell) = cells.get(read) else { break };
        if let Some(c) = keep(cell.character())
            && let Some(place) = cells.get_mut(written)
        {
            *place = cell.becomes(c);
            written = written.saturating_add(1);
        }
    }
    row.truncate(written);
}

/// The cells without white space at the sides that are asked for.
fn stripped(mut cells: &[Cell], left: bool, right: bool) -> &[Cell] {
    while let Some((first, rest)) = cells.split_first()
        && left
        && unicode::is_white_space(first.character())
    {
        cells = rest;
    }
    while let Some((last, rest)) = cells.split_last()
        && right
        && unicode::is_white_space(last.character())
    {
        cells = rest;
    }
    cells
}

/// Which of two rows holds a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The first.
    First,
    /// The second.
    Second,
}

/// A program of normalisers.
#[derive(Clone, Copy, Debug)]
pub struct Normalizers<'t> {
    steps: [Normalizer<'t>; MAX_STEPS],
    len: usize,
}

impl<'t> Normalizers<'t> {
    /// Reads and checks a program.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn parse(bytes: &'t [u8]) -> Result<Self, TableError> {
        Self::read(bytes, Charsmap::parse)
    }

    /// The same of bytes that were checked before.
    pub(super) fn view(bytes: &'t [u8]) -> Result<Self, TableError> {
        Self::read(bytes, Charsmap::view)
    }

    fn read(
        bytes: &'t [u8],
        charsmap: fn(&'t [u8]) -> Result<Charsmap<'t>, TableError>,
    ) -> Result<Self, TableError> {
        let (&[count, 0, 0, 0], mut rest) = bytes.split_first_chunk::<4>().ok_or(TableError::TooShort)?
        else {
            return Err(TableError::Header);
        };
        let mut made = Self { steps: [Normalizer::Nmt; MAX_STEPS], len: usize::from(count) };
        let steps = made.steps.get_mut(..usize::from(count)).ok_or(TableError::Header)?;
        let mut has_rules = false;
        for (number, slot) in (0u8..).zip(steps) {
            let (header, after) = rest.split_first_chunk::<8>().ok_or(TableError::TooShort)?;
            let [kind, flags, pattern_low, pattern_high, len @ ..] = *header;
            let len = usize::try_from(u32::from_le_bytes(len)).map_err(|_| TableError::TooShort)?;
            let (body, after) = after.split_at_checked(len).ok_or(TableError::TooShort)?;
            let padding = len.wrapping_neg() & 3;
            rest = after.split_at_checked(padding).ok_or(TableError::TooShort)?.1;
            let pattern = u16::from_le_bytes([pattern_low, pattern_high]);
            *slot = Self::step(number, kind, flags, pattern, body, charsmap)?;
            if matches!(slot, Normalizer::Precompiled(_)) {
                if has_rules {
                    return Err(TableError::Charsmap);
                }
                has_rules = true;
            }
        }
        if rest.is_empty() { Ok(made) } else { Err(TableError::Header) }
    }

    fn step(
        number: u8,
        kind: u8,
        flags: u8,
        pattern: u16,
        body: &'t [u8],
        charsmap: fn(&'t [u8]) -> Result<Charsmap<'t>, TableError>,
    ) -> Result<Normalizer<'t>, TableError> {
        let wrong = Err(TableError::Step { number, kind });
        let text = |bytes: &'t [u8]| str::from_utf8(bytes).map_err(|_| TableError::Text { number });
        let bit = |bit: u8| flags & bit != 0;
        if (2..=6).contains(&kind) || matches!(kind, 1 | 7 | 8 | 13) {
            let allowed = match kind {
                1 => 15,
                7 => 3,
                _ => 0,
            };
            if flags & !allowed != 0 || pattern != 0 || !body.is_empty() {
                return wrong;
            }
        }
        Ok(match kind {
            1 => Normalizer::Bert(Bert {
                clean_text: bit(1),
                handle_chinese_chars: bit(2),
                strip_accents: bit(4),
                lowercase: bit(8),
            }),
            2 => Normalizer::Nfc,
            3 => Normalizer::Nfd,
            4 => Normalizer::Nfkc,
            5 => Normalizer::Nfkd,
            6 => Normalizer::Lowercase,
            7 => Normalizer::Strip { left: bit(1), right: bit(2) },
            8 => Normalizer::StripAccents,
            9..=11 => {
                let parts = body.split_at_checked(usize::from(pattern)).ok_or(TableError::Text { number })?;
                let pattern =
                    Pattern::parse(kind, flags, text(parts.0)?).ok_or(TableError::Text { number })?;
                Normalizer::Replace { pattern, content: text(parts.1)? }
            }
            12 if flags == 0 && pattern == 0 => {
                if body.is_empty() {
                    return Err(TableError::Text { number });
                }
                Normalizer::Prepend(text(body)?)
            }
            13 => Normalizer::Nmt,
            14 if flags == 0 && pattern == 0 => Normalizer::Precompiled(charsmap(body)?),
            _ => return wrong,
        })
    }

    /// The steps.
    #[must_use]
    pub fn steps(&self) -> &[Normalizer<'t>] {
        self.steps.get(..self.len).unwrap_or_default()
    }

    /// Runs the steps on the segment in the first row; the second one is for work. Says which row holds the result.
    ///
    /// `carry` is what the segment before left: [`Carry::new`] at the beginning of a text, with [`Carry::advance`]
    /// between segments.
    ///
    /// # Errors
    /// [`Full`]: a row has no room for what a step makes.
    pub fn run<'m>(
        &self,
        first: &mut Row<'m>,
        second: &mut Row<'m>,
        place: Place,
        carry: &mut Carry,
    ) -> Result<Held, Full> {
        let (mut from, mut to, mut held) = (first, second, Held::First);
        for step in self.steps() {
            if step.apply_in_place(from, place, carry) {
                continue;
            }
            to.clear();
            step.apply(from.cells(), to, place, carry)?;
            (from, to) = (to, from);
            held = if held == Held::First { Held::Second } else { Held::First };
        }
        Ok(held)
    }
}
