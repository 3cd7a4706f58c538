//! The ids of sub-word tokenizers for lines that come over a serial port, as a checksum: to compare devices with hosts.
//!
//! ```text
//! at start   tokenizer <TAB> bytes of the table
//! at the end end <TAB> texts <TAB> ids <TAB> checksum <TAB> lines cut <TAB> ticks of all texts <TAB> ticks of the longest
//!            <TAB> bytes of stack used at most
//! refused    error <TAB> code <TAB> found <TAB> needed      (the numbers for memory that is too small, else 0)
//! ```
//! The checksum is FNV-1a of 64 bits over the count of each text's ids and the ids, each as four bytes, little-endian, in
//! hexadecimal: what `ids` of `typecase-tests` prints for the same lines. Code 0 is memory that is too small, the others
//! are those of [`TokenizerError::code`].

use embedded_hal::digital::OutputPin;
use embedded_io::{Read, Write};
pub use typecase_text::subword::Cell;
use typecase_text::subword::{MemoryError, Scratch, Tokenizer, TokenizerError};

use crate::{Device, Meter, Stop, hex};

/// The memory that the tokenizer works in.
#[derive(Debug)]
pub struct TokenBuffers<'m> {
    /// At least [`Tokenizer::scratch_cells`].
    pub cells: &'m mut [Cell],
    /// For the ids of a text; those that have no room are left out.
    pub ids: &'m mut [u32],
    /// For one line; a longer one is cut.
    pub line: &'m mut [u8],
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenSummary {
    /// Texts.
    pub texts: u32,
    /// Their ids.
    pub ids: u32,
    /// Their checksum.
    pub checksum: u64,
    /// Lines that were longer than the buffer.
    pub cut: u32,
    /// Ticks of all texts, the port not counted.
    pub ticks: u32,
    /// Ticks of the text that took longest.
    pub most_ticks: u32,
}

impl TokenSummary {
    const fn new() -> Self {
        // What FNV-1a begins with.
        Self { texts: 0, ids: 0, checksum: 0xCBF2_9CE4_8422_2325, cut: 0, ticks: 0, most_ticks: 0 }
    }

    fn add(&mut self, ids: &[u32], ticks: u32) {
        let len = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        for byte in [len].iter().chain(ids).flat_map(|number| number.to_le_bytes()) {
            self.checksum = (self.checksum ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        }
        self.texts = self.texts.wrapping_add(1);
        self.ids = self.ids.wrapping_add(len);
        self.ticks = self.ticks.wrapping_add(ticks);
        self.most_ticks = self.most_ticks.max(ticks);
    }
}

impl<P: Read + Write, L: OutputPin, M: Meter> Device<P, L, M> {
    /// Checks the table, then tokenizes line after line until the input ends.
    ///
    /// # Errors
    /// [`Stop`]; a refused table is also told over the port.
    pub fn tokenize(&mut self, table: &[u8], buffers: TokenBuffers<'_>) -> Result<TokenSummary, Stop> {
        let done = self.sum(table, buffers);
        let (code, found, needed) = match done {
            Err(Stop::Tokenizer(error)) => (error.code(), 0, 0),
            Err(Stop::Memory(MemoryError { found, needed, .. })) => (0, found, needed),
            _ => return done,
        };
        self.put(b"error")?;
        self.numbers([code, found.try_into().unwrap_or(u32::MAX), needed.try_into().unwrap_or(u32::MAX)])?;
        done
    }

    fn sum(&mut self, table: &[u8], buffers: TokenBuffers<'_>) -> Result<TokenSummary, Stop> {
        let TokenBuffers { cells, ids, line } = buffers;
        let tokenizer = Tokenizer::parse(table)?;
        self.put(b"tokenizer")?;
        self.numbers([table.len().try_into().unwrap_or(u32::MAX)])?;
        let mut scratch = Scratch::new(cells);
        let mut summary = TokenSummary::new();
        loop {
            let read = self.line(line)?;
            if !(read.is_last && read.len == 0) {
                let text = line.get(..read.len).unwrap_or_default();
                self.meter.start();
                let encoded = tokenizer.encode_into(text, ids, &mut scratch)?;
                let ticks = self.meter.ticks();
                summary.add(ids.get(..encoded.len).unwrap_or_default(), ticks);
                summary.cut = summary.cut.wrapping_add(read.is_cut.into());
            }
            if read.is_last {
                self.end_tokens(&summary)?;
                return Ok(summary);
            }
        }
    }

    fn end_tokens(&mut self, summary: &TokenSummary) -> Result<(), Stop> {
        let TokenSummary { texts, ids, checksum, cut, ticks, most_ticks } = *summary;
        let stack_bytes = self.meter.stack_bytes();
        self.put(b"end\t")?;
        self.number(texts, false)?;
        self.put(b"\t")?;
        self.number(ids, false)?;
        self.put(b"\t")?;
        for byte in checksum.to_be_bytes() {
            self.put(&[hex(byte >> 4), hex(byte & 15)])?;
        }
        self.numbers([cut, ticks, most_ticks, stack_bytes])
    }
}

impl From<TokenizerError> for Stop {
    fn from(error: TokenizerError) -> Self {
        Self::Tokenizer(error)
    }
}

impl From<MemoryError> for Stop {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}
