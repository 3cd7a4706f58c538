//! Programs and their tables, written on the host.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Bert, MAX_PATTERN, MAX_STEPS, Normalizers};

/// Letters that stand before spaces in most texts outside ASCII: only these are asked for the table of solid ones.
const CANDIDATES: core::ops::RangeInclusive<char> = '\u{A1}'..='\u{D7A3}';

/// Ranges of solid characters shorter than this are left out.
const SHORTEST: u16 = 4;

/// How many ranges are kept: the longest.
const KEPT: usize = 64;

/// What a step replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternSpec {
    /// A text.
    Text(String),
    /// The same character at least so many times.
    Run(char, u8),
    /// White space, at least so many characters.
    White(u8),
}

impl PatternSpec {
    /// The pattern that a regular expression means, if it is one of `c+`, `c{n,}` and `\s+`, `\s{n,}` or a plain text.
    #[must_use]
    pub fn from_regex(expression: &str) -> Option<Self> {
        const SPECIAL: &str = "\\.+*?()|[]{}^$#&-~";
        let (rest, min) = if let Some(rest) = expression.strip_suffix('+') {
            (rest, 1)
        } else if let Some((rest, min)) = expression.strip_suffix(",}").and_then(|rest| rest.rsplit_once('{'))
        {
            let min = min.bytes().all(|byte| byte.is_ascii_digit()).then(|| min.parse().ok()).flatten();
            (rest, min.filter(|min| *min > 0)?)
        } else {
            let plain = !expression.is_empty() && !expression.contains(|c| SPECIAL.contains(c));
            return plain.then(|| Self::Text(expression.into()));
        };
        if rest == "\\s" {
            return Some(Self::White(min));
        }
        let mut characters = rest.chars();
        let of = characters.next().filter(|c| !SPECIAL.contains(*c) && characters.next().is_none())?;
        Some(Self::Run(of, min))
    }
}

/// A step to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NormalizerSpec {
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
        pattern: PatternSpec,
        /// What stands there then.
        content: String,
    },
    /// `Prepend`.
    Prepend(String),
    /// `Nmt`.
    Nmt,
    /// `Precompiled`, with the bytes of its charsmap.
    Precompiled(Vec<u8>),
    /// `Sequence`.
    Sequence(Vec<NormalizerSpec>),
}

/// The bytes of a program. What cannot be run is refused by [`Normalizers::parse`]: an empty pattern or text, a pattern of
/// over 64 characters, more than 16 steps, two charsmaps.
#[must_use]
pub fn write(steps: &[NormalizerSpec]) -> Vec<u8> {
    let mut bodies = Vec::new();
    let count = write_steps(steps, &mut bodies);
    let mut bytes = Vec::from([u8::try_from(count).unwrap_or(u8::MAX), 0, 0, 0]);
    bytes.append(&mut bodies);
    bytes
}

fn write_steps(steps: &[NormalizerSpec], bytes: &mut Vec<u8>) -> usize {
    let mut count = 0usize;
    for step in steps {
        if let NormalizerSpec::Sequence(steps) = step {
            count = count.saturating_add(write_steps(steps, bytes));
        } else {
            write_step(step, bytes);
            count = count.saturating_add(1);
        }
    }
    count
}

fn write_step(step: &NormalizerSpec, bytes: &mut Vec<u8>) {
    let bits = |bits: &[bool]| bits.iter().rev().fold(0u8, |all, bit| all << 1 | u8::from(*bit));
    let mut run = String::new();
    let (kind, flags, pattern, body): (u8, u8, &[u8], &[u8]) = match step {
        NormalizerSpec::Bert(bert) => {
            let flags =
                bits(&[bert.clean_text, bert.handle_chinese_chars, bert.strip_accents, bert.lowercase]);
            (1, flags, &[], &[])
        }
        NormalizerSpec::Nfc => (2, 0, &[], &[]),
        NormalizerSpec::Nfd => (3, 0, &[], &[]),
        NormalizerSpec::Nfkc => (4, 0, &[], &[]),
        NormalizerSpec::Nfkd => (5, 0, &[], &[]),
        NormalizerSpec::Lowercase => (6, 0, &[], &[]),
        NormalizerSpec::Strip { left, right } => (7, bits(&[*left, *right]), &[], &[]),
        NormalizerSpec::StripAccents => (8, 0, &[], &[]),
        NormalizerSpec::Replace { pattern, content } => match pattern {
            PatternSpec::Text(text) => (9, 0, text.as_bytes(), content.as_bytes()),
            PatternSpec::Run(of, min) => {
                run.push(*of);
                (10, *min, run.as_bytes(), content.as_bytes())
            }
            PatternSpec::White(min) => (11, *min, &[], content.as_bytes()),
        },
        NormalizerSpec::Prepend(text) => (12, 0, &[], text.as_bytes()),
        NormalizerSpec::Nmt => (13, 0, &[], &[]),
        NormalizerSpec::Precompiled(charsmap) => (14, 0, &[], charsmap),
        NormalizerSpec::Sequence(_) => return,
    };
    let len = u32::try_from(pattern.len().saturating_add(body.len())).unwrap_or(u32::MAX);
    let pattern_len = u16::try_from(pattern.len()).unwrap_or(u16::MAX);
    bytes.extend([kind, flags]);
    bytes.extend(pattern_len.to_le_bytes());
    bytes.extend(len.to_le_bytes());
    bytes.extend(pattern);
    bytes.extend(body);
    while !bytes.len().is_multiple_of(4) {
        bytes.push(0);
    }
}

/// The table of the characters that are solid in a program: see [`super::Solid`].
#[must_use]
pub fn write_solid(normalizers: &Normalizers<'_>) -> Vec<u8> {
    let ascii = (0..0x80u8)
        .filter(|byte| normalizers.solid(char::from(*byte)))
        .fold(0u128, |all, byte| all | 1 << byte);
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for code in CANDIDATES.filter(|c| normalizers.solid(*c)).filter_map(|c| u16::try_from(u32::from(c)).ok())
    {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(code) => *last = code,
            _ => ranges.push((code, code)),
        }
    }
    let len = |range: &(u16, u16)| range.1.abs_diff(range.0).saturating_add(1);
    ranges.retain(|range| len(range) >= SHORTEST);
    ranges.sort_by_key(|range| core::cmp::Reverse(len(range)));
    ranges.truncate(KEPT);
    ranges.sort_unstable();
    let mut bytes = Vec::from(ascii.to_le_bytes());
    bytes.extend(u32::try_from(ranges.len()).unwrap_or_default().to_le_bytes());
    for (first, last) in ranges {
        bytes.extend(first.to_le_bytes());
        bytes.extend(last.to_le_bytes());
    }
    bytes
}

const _: () = assert!(MAX_STEPS <= u8::MAX as usize && MAX_PATTERN <= u16::MAX as usize);
