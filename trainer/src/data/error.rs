//! What can be wrong with a file of labelled text.

use std::io;

use thiserror::Error;

/// Why a file or a row of labelled text was refused. Lines and columns count from 1; the line is the one on
/// which the row starts, the column is the field's number in CSV and TSV and the byte's number in JSON.
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are what the message of each variant says they are")]
pub enum DataError {
    /// The path leads nowhere.
    #[error("{file}: no such file")]
    NotFound { file: String },
    /// The path leads to a folder.
    #[error("{file}: a folder found, a file expected")]
    Folder { file: String },
    /// The operating system reported an error.
    #[error("{file}: cannot be read: {source}")]
    Io { file: String, source: io::Error },
    /// There is nothing but blank lines.
    #[error("{file}: the file is empty")]
    Empty { file: String },
    /// There is no good row.
    #[error("{file}: 0 rows found ({skipped} skipped), at least 1 expected")]
    NoRows { file: String, skipped: u64 },
    /// The file starts with a UTF-16 byte order mark.
    #[error("{file}: UTF-16 found, UTF-8 expected")]
    Utf16 { file: String },
    /// Neither the name nor the first line tells the format.
    #[error(
        "{file}: format not recognised, allowed are ag-news (the first column an integer), csv and tsv (a header \
         line with {columns}) and jsonl"
    )]
    UnknownFormat { file: String, columns: String },
    /// The format's name is not one of ours.
    #[error("format {name}: unknown, allowed are ag-news, csv, tsv and jsonl")]
    FormatName { name: String },
    /// The options name no text column.
    #[error("text columns: 0 found, at least 1 expected")]
    NoTextColumns,
    /// The header lacks a column that the options name.
    #[error("{file}, line {line}: column {name} is missing, found are {found}")]
    MissingColumn { file: String, line: u64, name: String, found: String },
    /// The header has a column that the options name more than once.
    #[error("{file}, line {line}: column {name} found {times} times, 1 expected")]
    RepeatedColumn { file: String, line: u64, name: String, times: usize },
    /// The label set has no label.
    #[error("{place}: 0 labels found, at least 1 expected")]
    NoLabels { place: String },
    /// The label set has a label without a name.
    #[error("{place}: a blank label found, a name expected")]
    BlankLabel { place: String },
    /// The label set has a label twice.
    #[error("{place}: label {label} found again, allowed once")]
    RepeatedLabel { place: String, label: String },
    /// There are more classes than a case can hold.
    #[error("{file}: {found} classes found, at most {limit} allowed")]
    TooManyClasses { file: String, found: usize, limit: usize },
    /// The row has fewer columns than the first one.
    #[error("{file}, line {line}: {} found, at least {expected} expected", columns(*found))]
    TooFewColumns { file: String, line: u64, found: usize, expected: usize },
    /// The row has more columns than the first one.
    #[error("{file}, line {line}: {} found, at most {expected} expected", columns(*found))]
    TooManyColumns { file: String, line: u64, found: usize, expected: usize },
    /// The class is not one of the label set.
    #[error("{file}, line {line}, column {column}: class {found} is unknown, allowed are {allowed}")]
    UnknownClass { file: String, line: u64, column: u64, found: String, allowed: String },
    /// The class is not one of the label set, in JSON.
    #[error("{file}, line {line}: class {found} is unknown, allowed are {allowed}")]
    UnknownJsonClass { file: String, line: u64, found: String, allowed: String },
    /// The label is empty or blank.
    #[error("{file}, line {line}: a blank label found, a name expected")]
    EmptyLabel { file: String, line: u64 },
    /// Names and indices are mixed, and there is no label set to tell which index is which name.
    #[error("{file}, line {line}: label {found} is {kind}, {expected} expected as in the rows before")]
    MixedLabels { file: String, line: u64, found: String, kind: &'static str, expected: &'static str },
    /// The field is not UTF-8; bytes count from 0.
    #[error("{file}, line {line}, column {column}: invalid UTF-8 at byte {byte} of the field")]
    InvalidUtf8 { file: String, line: u64, column: u64, byte: usize },
    /// The line of JSONL or of `classes.txt` is not UTF-8; bytes count from 0.
    #[error("{file}, line {line}: invalid UTF-8 at byte {byte} of the line")]
    InvalidUtf8Line { file: String, line: u64, byte: usize },
    /// A quote is open at the end of the file. Not a bad row: how many rows it swallowed is unknown.
    #[error(
        "{file}, line {line}, column {column}: end of file found inside quotes, a closing quote expected"
    )]
    UnterminatedQuote { file: String, line: u64, column: u64 },
    /// A quoted field goes on after its closing quote, as where a quote inside was not doubled.
    #[error(
        "{file}, line {line}, column {column}: text found after the closing quote, a separator or the end of the \
         row expected"
    )]
    AfterQuote { file: String, line: u64, column: u64 },
    /// The row is over [`max_row_bytes`](super::ReadOptions::max_row_bytes).
    #[error("{file}, line {line}: a row of {found} bytes found, at most {limit} allowed")]
    RowTooLong { file: String, line: u64, found: u64, limit: usize },
    /// The row has no text.
    #[error("{file}, line {line}: an empty or blank text found, at least 1 visible character expected")]
    EmptyText { file: String, line: u64 },
    /// The line is not a JSON object, or a value has the wrong type.
    #[error("{file}, line {line}, column {column}: {reason}")]
    Json { file: String, line: u64, column: u64, reason: String },
    /// The object lacks a key that the options name.
    #[error("{file}, line {line}: key {name} is missing, found are {found}")]
    MissingKey { file: String, line: u64, name: String, found: String },
}

impl DataError {
    /// Whether one row is at fault, so that [`skip_bad_rows`](super::ReadOptions::skip_bad_rows) may pass
    /// over it.
    #[must_use]
    pub fn is_bad_row(&self) -> bool {
        matches!(
            self,
            Self::TooFewColumns { .. }
                | Self::TooManyColumns { .. }
                | Self::UnknownClass { .. }
                | Self::UnknownJsonClass { .. }
                | Self::EmptyLabel { .. }
                | Self::MixedLabels { .. }
                | Self::InvalidUtf8 { .. }
                | Self::InvalidUtf8Line { .. }
                | Self::AfterQuote { .. }
                | Self::RowTooLong { .. }
                | Self::EmptyText { .. }
                | Self::Json { .. }
                | Self::MissingKey { .. }
        )
    }

    /// The error for what the operating system said about `file`.
    pub(super) fn io(file: &str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { file: file.into() },
            io::ErrorKind::IsADirectory => Self::Folder { file: file.into() },
            _ => Self::Io { file: file.into(), source },
        }
    }
}

/// A value from a file, short enough for a message and on one line.
pub(super) fn excerpt(value: &str) -> String {
    const LONGEST: usize = 40;
    let mut short: String = value
        .chars()
        .take(LONGEST)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    if value.chars().nth(LONGEST).is_some() {
        short.push_str("...");
    }
    short
}

/// Values from a file, the first few of them.
pub(super) fn excerpts<'a>(values: impl ExactSizeIterator<Item = &'a str>) -> String {
    const MOST: usize = 10;
    let count = values.len();
    let mut list = values.take(MOST).map(excerpt).collect::<Vec<_>>().join(", ");
    if count > MOST {
        list.push_str(&format!(", ... ({count} in all)"));
    }
    list
}

fn columns(count: usize) -> String {
    if count == 1 { "1 column".into() } else { format!("{count} columns") }
}
