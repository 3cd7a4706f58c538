//! The streaming reader.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::delimited::Delimited;
use super::detect::detect;
use super::error::{DataError, excerpts};
use super::jsonl::Keys;
use super::labels::Labels;
use super::rows::{Fault, Rows};
use super::source::Source;
use super::{Format, ReadOptions, Row};

/// How many reasons for skipped rows a reader keeps.
const REASONS_KEPT: usize = 8;

/// The name under which standard input appears in errors.
const STANDARD_INPUT: &str = "standard input";

/// Reads the rows of one file, one at a time. After an error it is at its end.
pub struct RowReader {
    name: String,
    format: Format,
    first_number: u32,
    rows: Rows,
    parser: Parser,
    labels: Labels,
    row: Vec<u8>,
    skip_bad_rows: bool,
    max_rows: u64,
    max_row_bytes: usize,
    read: u64,
    skipped: u64,
    reasons: Vec<DataError>,
    reasons_kept: usize,
    any_row: bool,
    done: bool,
}

enum Parser {
    Delimited(Box<Delimited>),
    Jsonl(Keys),
}

/// Opens a file; `-` is standard input.
///
/// # Errors
///
/// Fails if the file cannot be read, its format is not recognised, its header lacks a column, or the label
/// set (from the options or `classes.txt`) is not valid.
pub fn open(path: &Path, options: &ReadOptions) -> Result<RowReader, DataError> {
    if path == Path::new("-") {
        return RowReader::from_reader(std::io::stdin(), STANDARD_INPUT, options);
    }
    let name = path.display().to_string();
    let file = File::open(path).map_err(|source| DataError::io(&name, source))?;
    RowReader::new(Box::new(file), name, Some(path), options)
}

impl RowReader {
    /// Reads from `reader`; `name` is used in errors, and its extension as that of a file's name.
    ///
    /// # Errors
    ///
    /// As [`open`]; no `classes.txt` is looked for.
    pub fn from_reader(
        reader: impl Read + Send + 'static,
        name: impl Into<String>,
        options: &ReadOptions,
    ) -> Result<Self, DataError> {
        Self::new(Box::new(reader), name.into(), None, options)
    }

    fn new(
        reader: Box<dyn Read + Send>,
        name: String,
        path: Option<&Path>,
        options: &ReadOptions,
    ) -> Result<Self, DataError> {
        if options.text_columns.is_empty() {
            return Err(DataError::NoTextColumns);
        }
        let io = |source| DataError::io(&name, source);
        let mut source = Source::new(reader);
        let prefix = source.peek().map_err(io)?;
        if prefix.starts_with(b"\xff\xfe") || prefix.starts_with(b"\xfe\xff") {
            return Err(DataError::Utf16 { file: name });
        }
        if prefix.starts_with(b"\xef\xbb\xbf") {
            source.consume(3);
        }
        let prefix = source.peek().map_err(io)?;
        if prefix.trim_ascii().is_empty() {
            return Err(DataError::Empty { file: name });
        }
        let Some(format) = options.format.or_else(|| detect(&name, prefix, options)) else {
            let names = options.text_columns.iter().chain([&options.label_column]);
            let names: Vec<&str> = names.map(String::as_str).collect();
            return Err(DataError::UnknownFormat { file: name, columns: excerpts(names.into_iter()) });
        };
        let labels = match (&options.labels, path) {
            _ if options.unlabelled => Labels::unknown(),
            (Some(names), _) => Labels::given(names)?,
            (None, Some(path)) if format == Format::AgNews => {
                Labels::beside(path)?.unwrap_or_else(Labels::unknown)
            }
            _ => Labels::unknown(),
        };
        let mut reader = Self {
            name,
            format,
            first_number: options.numbers_from.unwrap_or(u32::from(format == Format::AgNews)),
            rows: Rows::new(source, options.max_row_bytes),
            parser: Parser::Jsonl(Keys::new(options)),
            labels,
            row: Vec::new(),
            skip_bad_rows: options.skip_bad_rows,
            max_rows: options.max_rows.unwrap_or(u64::MAX),
            max_row_bytes: options.max_row_bytes,
            read: 0,
            skipped: 0,
            reasons: Vec::new(),
            reasons_kept: REASONS_KEPT,
            any_row: false,
            done: false,
        };
        reader.start(options)?;
        Ok(reader)
    }

    /// Makes ready for the first row, after the header where there is one.
    fn start(&mut self, options: &ReadOptions) -> Result<(), DataError> {
        let separator = match self.format {
            Format::Jsonl => return Ok(()),
            Format::Tsv => b'\t',
            Format::Csv | Format::AgNews => b',',
        };
        self.rows.set_separator(separator);
        self.parser = Parser::Delimited(Box::new(if self.format == Format::AgNews {
            Delimited::ag_news(options.unlabelled)
        } else {
            let line = self.cut()?.ok_or_else(|| DataError::Empty { file: self.name.clone() })?;
            Delimited::with_header(separator, &mut self.row, options, &self.name, line)?
        }));
        Ok(())
    }

    /// The format, as given or detected.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// What the first class is called where classes are numbers.
    pub(super) const fn first_number(&self) -> u32 {
        self.first_number
    }

    /// The label set, where it is known: from the options or from `classes.txt`.
    #[must_use]
    pub fn labels(&self) -> Option<&[String]> {
        self.labels.names()
    }

    /// How many bad rows were passed over so far.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Why the first few of the skipped rows were bad.
    #[must_use]
    pub fn skip_reasons(&self) -> &[DataError] {
        &self.reasons
    }

    /// The file's name in errors.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads what is left without looking at it, and returns the SHA-256 of the whole input.
    ///
    /// # Errors
    ///
    /// Fails if the rest cannot be read.
    pub fn finish(self) -> Result<[u8; 32], DataError> {
        self.rows.into_source().finish().map_err(|source| DataError::io(&self.name, source))
    }

    /// Keeps the reasons of the first `count` skipped rows.
    pub(super) fn keep_reasons(&mut self, count: usize) {
        self.reasons_kept = count;
    }

    pub(super) fn take_reasons(&mut self) -> Vec<DataError> {
        core::mem::take(&mut self.reasons)
    }

    /// Cuts the next row that is not blank; its line, or `None` at the end.
    fn cut(&mut self) -> Result<Option<u64>, DataError> {
        let file = &self.name;
        loop {
            let cut = self.rows.next_into(&mut self.row).map_err(|source| DataError::io(file, source))?;
            let Some(cut) = cut else { return Ok(None) };
            let (file, line) = (file.clone(), cut.line);
            self.any_row = true;
            match cut.fault {
                Some(Fault::TooLong { found }) => {
                    return Err(DataError::RowTooLong { file, line, found, limit: self.max_row_bytes });
                }
                Some(Fault::AfterQuote { column }) => {
                    return Err(DataError::AfterQuote { file, line, column });
                }
                Some(Fault::Unterminated { column }) => {
                    return Err(DataError::UnterminatedQuote { file, line, column });
                }
                None if self.format == Format::Jsonl && self.row.trim_ascii().is_empty() => {}
                None => return Ok(Some(line)),
            }
        }
    }

    fn next_row(&mut self) -> Result<Option<Row>, DataError> {
        let Some(line) = self.cut()? else {
            let empty = !self.any_row;
            return if empty { Err(DataError::Empty { file: self.name.clone() }) } else { Ok(None) };
        };
        match &mut self.parser {
            Parser::Delimited(parser) => parser.row(&mut self.row, &mut self.labels, &self.name, line),
            Parser::Jsonl(keys) => keys.row(&self.row, &mut self.labels, &self.name, line),
        }
        .map(Some)
    }
}

impl Iterator for RowReader {
    type Item = Result<Row, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done && self.read < self.max_rows {
            match self.next_row() {
                Ok(Some(row)) => {
                    self.read += 1;
                    return Some(Ok(row));
                }
                Ok(None) => self.done = true,
                Err(error) if self.skip_bad_rows && error.is_bad_row() => {
                    self.skipped += 1;
                    if self.reasons.len() < self.reasons_kept {
                        self.reasons.push(error);
                    }
                }
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl core::fmt::Debug for RowReader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RowReader")
            .field("name", &self.name)
            .field("format", &self.format)
            .field("read", &self.read)
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}
