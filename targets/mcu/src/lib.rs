//! Classifies lines that come over a serial port: what the firmware does, without the board it does it on.
//!
//! ```text
//! at start   case <TAB> name <TAB> sha256:digest <TAB> golden vectors that came out exactly
//! per line   label <TAB> probability per mille <TAB> scores, comma separated <TAB> flags, comma separated, or -
//! at the end end <TAB> texts <TAB> ticks of all texts <TAB> ticks of the longest <TAB> bytes of stack used at most
//! refused    error <TAB> code <TAB> found <TAB> needed      (the numbers for memory that is too small, else 0)
//! ```
//!
//! A line ends with LF or CR LF; any bytes are a text. [`END`] or the end of the input ends the program. The flags:
//! `cut` (longer than the line buffer), `truncated` (longer than the case looks at), `abstain` (below the case's
//! threshold), `invalid` (not UTF-8).
//!
//! Nothing here allocates, and nothing is known of a board: the port is [`embedded_io`], the lamp that is lit by an
//! abstaining verdict is [`embedded_hal`], and what is measured comes through [`Meter`].
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used)]
#![cfg_attr(test, allow(clippy::std_instead_of_core, reason = "tests run on a host"))]

#[cfg(test)]
extern crate std;

use embedded_hal::digital::OutputPin;
use embedded_io::{Error as _, ErrorKind, Read, Write};
use typecase_engine::{Case, Error, Integrity, Session, Verdict};
pub use typecase_engine::{Cell, Memory};

#[cfg(feature = "encoder")]
pub mod encoder;
#[cfg(test)]
mod tests;
#[cfg(feature = "tokens")]
pub mod tokens;

/// The byte that ends the program: EOT.
pub const END: u8 = 4;

/// How much of the case's redundancy is checked at start: its CRC-32, or with the feature `digest` SHA-256 as well.
pub const INTEGRITY: Integrity = if cfg!(feature = "digest") { Integrity::Digest } else { Integrity::Crc32 };

/// Measures what the board can measure.
pub trait Meter {
    /// Starts to count.
    fn start(&mut self);
    /// Ticks since the start.
    fn ticks(&mut self) -> u32;
    /// The most stack that was ever in use.
    ///
    /// # Units
    /// Bytes.
    fn stack_bytes(&self) -> u32;
}

/// What the firmware talks to.
#[derive(Debug)]
pub struct Device<P, L, M> {
    /// Texts in, verdicts out.
    pub port: P,
    /// Lit while the last verdict abstained.
    pub lamp: L,
    /// What measures.
    pub meter: M,
}

/// The memory that the firmware works in.
#[derive(Debug)]
pub struct Buffers<'m> {
    /// For the engine: at least what the case's cost says.
    pub memory: Memory<'m>,
    /// For one line; a longer one is cut.
    pub line: &'m mut [u8],
}

/// Why the firmware stopped before the end of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The case is refused, needs more memory, or does not give its golden scores.
    Case(Error),
    /// The port failed.
    Port(ErrorKind),
    /// The table of a sub-word tokenizer is refused.
    #[cfg(feature = "tokens")]
    Tokenizer(typecase_text::subword::TokenizerError),
    /// A sub-word tokenizer needs more memory.
    #[cfg(feature = "tokens")]
    Memory(typecase_text::subword::MemoryError),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Case(error)
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Texts classified.
    pub texts: u32,
    /// Ticks of all texts, the port not counted.
    pub ticks: u32,
    /// Ticks of the text that took longest.
    pub most_ticks: u32,
}

impl<P: Read + Write, L: OutputPin, M: Meter> Device<P, L, M> {
    /// Checks the case, then classifies line after line until the input ends.
    ///
    /// # Errors
    /// [`Stop`]; a refused case is also told over the port.
    pub fn serve(&mut self, case: &[u8], buffers: Buffers<'_>) -> Result<Summary, Stop> {
        let done = self.run(case, buffers);
        if let Err(Stop::Case(error)) = done {
            self.refuse(error)?;
        }
        done
    }

    fn run(&mut self, case: &[u8], buffers: Buffers<'_>) -> Result<Summary, Stop> {
        let Buffers { mut memory, line } = buffers;
        let case = Case::parse_with(case, INTEGRITY)?;
        let vectors = case.verify(&mut memory)?;
        let mut session = Session::new(&case, memory)?;
        self.greet(&case, vectors)?;
        let mut summary = Summary::default();
        loop {
            let read = self.line(line)?;
            if !(read.is_last && read.len == 0) {
                let text = line.get(..read.len).unwrap_or_default();
                self.meter.start();
                let verdict = session.classify(text);
                let ticks = self.meter.ticks();
                summary.texts = summary.texts.wrapping_add(1);
                summary.ticks = summary.ticks.wrapping_add(ticks);
                summary.most_ticks = summary.most_ticks.max(ticks);
                self.answer(&verdict, read.is_cut)?;
            }
            if read.is_last {
                self.end(summary)?;
                return Ok(summary);
            }
        }
    }

    fn line(&mut self, line: &mut [u8]) -> Result<Line, Stop> {
        let (mut len, mut is_cut) = (0usize, false);
        let is_last = loop {
            let mut byte = [0];
            let count = self.port.read(&mut byte).map_err(|e| Stop::Port(e.kind()))?;
            match byte {
                _ if count == 0 => break true,
                [END] => break true,
                [b'\n'] => break false,
                [byte] => match line.get_mut(len) {
                    Some(slot) => {
                        *slot = byte;
                        len = len.wrapping_add(1);
                    }
                    None => is_cut = true,
                },
            }
        };
        if !is_last && !is_cut && line.get(..len).is_some_and(|line| line.ends_with(b"\r")) {
            len = len.saturating_sub(1);
        }
        Ok(Line { len, is_cut, is_last })
    }

    fn greet(&mut self, case: &Case<&[u8]>, vectors: u32) -> Result<(), Stop> {
        self.put(b"case\t")?;
        self.put(case.name().as_bytes())?;
        self.put(b"\tsha256:")?;
        for byte in case.digest() {
            self.put(&[hex(byte >> 4), hex(byte & 15)])?;
        }
        self.numbers([vectors])
    }

    fn answer(&mut self, verdict: &Verdict<'_>, is_cut: bool) -> Result<(), Stop> {
        // A lamp that cannot be switched is no reason to keep a verdict back.
        let _ = self.lamp.set_state(verdict.abstain.into());
        self.put(verdict.label.as_bytes())?;
        self.put(b"\t")?;
        self.number(per_mille(verdict.probability), false)?;
        for (index, &score) in verdict.scores.iter().enumerate() {
            self.put(if index == 0 { b"\t" } else { b"," })?;
            self.number(score.unsigned_abs(), score < 0)?;
        }
        let flags: [(bool, &[u8]); 4] = [
            (is_cut, b"cut"),
            (verdict.truncated, b"truncated"),
            (verdict.abstain, b"abstain"),
            (verdict.invalid_utf8 != 0, b"invalid"),
        ];
        let mut before: &[u8] = b"\t";
        for (_, flag) in flags.into_iter().filter(|(is_set, _)| *is_set) {
            self.put(before)?;
            self.put(flag)?;
            before = b",";
        }
        self.put(if before == b"\t" { b"\t-\n" } else { b"\n" })?;
        self.flush()
    }

    fn end(&mut self, summary: Summary) -> Result<(), Stop> {
        let stack_bytes = self.meter.stack_bytes();
        self.put(b"end")?;
        self.numbers([summary.texts, summary.ticks, summary.most_ticks, stack_bytes])
    }

    fn refuse(&mut self, error: Error) -> Result<(), Stop> {
        let (found, needed) = match error {
            Error::Memory { found, needed, .. } => (found, needed),
            _ => (0, 0),
        };
        self.put(b"error")?;
        self.numbers([
            error.code(),
            found.try_into().unwrap_or(u32::MAX),
            needed.try_into().unwrap_or(u32::MAX),
        ])
    }

    /// Each number after a tab, then the end of the line.
    fn numbers<const N: usize>(&mut self, numbers: [u32; N]) -> Result<(), Stop> {
        for number in numbers {
            self.put(b"\t")?;
            self.number(number, false)?;
        }
        self.put(b"\n")?;
        self.flush()
    }

    fn number(&mut self, mut number: u32, is_negative: bool) -> Result<(), Stop> {
        let mut digits = [0u8; 10];
        let mut len = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0'.wrapping_add((number % 10) as u8);
            number /= 10;
            len += 1;
            if number == 0 {
                break;
            }
        }
        if is_negative {
            self.put(b"-")?;
        }
        let (_, digits) = digits.split_at_checked(digits.len() - len).unwrap_or_default();
        self.put(digits)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.port.write_all(bytes).map_err(|e| Stop::Port(e.kind()))
    }

    fn flush(&mut self) -> Result<(), Stop> {
        self.port.flush().map_err(|e| Stop::Port(e.kind()))
    }
}

/// A line that was read.
struct Line {
    len: usize,
    /// It is longer than the buffer.
    is_cut: bool,
    /// No other comes after it.
    is_last: bool,
}

/// A probability in thousandths, to the nearest.
#[must_use]
pub fn per_mille(probability: f32) -> u32 {
    (probability * 1000.0 + 0.5) as u32
}

const fn hex(half: u8) -> u8 {
    if half < 10 { b'0' + half } else { b'a' - 10 + half }
}
