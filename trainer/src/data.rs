//! Labelled text: streaming readers of CSV, TSV and JSONL, data sets in memory, splits and statistics.
//!
//! # Formats
//!
//! - [`Format::AgNews`]: CSV without a header; the first column is the class, an integer from 1; every other
//!   column is text. `"3","Wall St. rises","Stocks rose on Monday."`
//! - [`Format::Csv`], [`Format::Tsv`]: the first row names the columns; the label column holds class *names*
//!   (`1` there is the name "1", not an index).
//! - [`Format::Jsonl`]: one object a line. The label is a string (preferred) or an integer, the index of the
//!   class **from 0**; without a known label set the two cannot be mixed.
//!
//! Fields of CSV and TSV may stand in double quotes, a quote inside doubled; a quoted field may span lines.
//! Text columns are joined by one space; an empty or blank one adds nothing. A byte order mark at the start,
//! CRLF, a missing last line end and blank lines are accepted. The text is UTF-8.
//!
//! The reader holds one row at a time, at most [`ReadOptions::max_row_bytes`] long, however large the file.
//!
//! # Examples
//!
//! ```
//! use typecase_train::data::{ReadOptions, RowLabel, RowReader};
//!
//! let csv = "\"3\",\"Wall St. rises\",\"Stocks rose on Monday.\"\n";
//! let mut reader = RowReader::from_reader(csv.as_bytes(), "news.csv", &ReadOptions::default())?;
//! let row = reader.next().expect("one row")?;
//! assert_eq!(row.text, "Wall St. rises Stocks rose on Monday.");
//! assert_eq!(&row.text[..row.lead_bytes], "Wall St. rises");
//! assert_eq!(row.label, RowLabel::Index(2));
//! # Ok::<(), typecase_train::data::DataError>(())
//! ```

mod dataset;
mod delimited;
mod detect;
mod error;
mod jsonl;
mod labels;
mod reader;
#[cfg(test)]
mod reader_properties;
#[cfg(test)]
mod reader_tests;
mod rows;
mod source;
mod split;
mod statistics;
mod texts;

use core::fmt;
use core::str::FromStr;

pub use self::dataset::{Dataset, Item, Loaded, load};
pub use self::error::DataError;
pub use self::labels::MAX_CLASSES;
pub use self::reader::{RowReader, open};
pub use self::split::{Split, stratified_split};
pub use self::statistics::{Check, ClassStatistics, Statistics, TextBytes, check, statistics};
pub use self::texts::{Texts, texts};

/// How a file of labelled text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// CSV without a header: class (an integer from 1), then one or more text columns.
    AgNews,
    /// CSV with a header line.
    Csv,
    /// Tab-separated with a header line; double quotes mean what they mean in CSV.
    Tsv,
    /// One JSON object a line.
    Jsonl,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AgNews => "ag-news",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Jsonl => "jsonl",
        })
    }
}

impl FromStr for Format {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, DataError> {
        [Self::AgNews, Self::Csv, Self::Tsv, Self::Jsonl]
            .into_iter()
            .find(|format| format.to_string() == name)
            .ok_or_else(|| DataError::FormatName { name: error::excerpt(name) })
    }
}

/// What a reader is told about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// The format; `None` decides by the name's extension and the first line.
    pub format: Option<Format>,
    /// The header names or JSON keys whose texts are joined, in this order. Not used by [`Format::AgNews`].
    pub text_columns: Vec<String>,
    /// The header name or JSON key of the label. Not used by [`Format::AgNews`].
    pub label_column: String,
    /// The label column of [`Format::Csv`] and [`Format::Tsv`] holds the numbers of the classes of [`Self::labels`], the
    /// first of which is this: 0 or 1. `None` for names.
    pub numbers_from: Option<u32>,
    /// The labels are not looked at and need not be there: every row is of class 0. Where a header lacks a text column,
    /// all columns but the first are text.
    pub unlabelled: bool,
    /// The label set, in index order; a class outside it is then an error. `None` looks for `classes.txt`
    /// beside a file in AG News form and otherwise discovers the classes.
    pub labels: Option<Vec<String>>,
    /// Count bad rows and go on, instead of ending at the first.
    pub skip_bad_rows: bool,
    /// The longest row accepted, in bytes, without its line end.
    pub max_row_bytes: usize,
    /// Stop after this many good rows.
    pub max_rows: Option<u64>,
}

impl Default for ReadOptions {
    /// Columns `text` and `label`, everything else detected, bad rows are errors, rows of at most 1 MiB.
    fn default() -> Self {
        Self {
            format: None,
            text_columns: vec!["text".into()],
            label_column: "label".into(),
            numbers_from: None,
            unlabelled: false,
            labels: None,
            skip_bad_rows: false,
            max_row_bytes: 1 << 20,
            max_rows: None,
        }
    }
}

/// One labelled text, as the file gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The text columns, joined by one space. Never blank.
    pub text: String,
    /// The byte length of the first text column (the title) where another one follows it in `text`; otherwise
    /// 0. When it is not 0, `text[lead_bytes + 1..]` is the text without the title, and not blank.
    pub lead_bytes: usize,
    /// The class.
    pub label: RowLabel,
    /// The line on which the row starts, from 1.
    pub line: u64,
}

/// The class of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowLabel {
    /// The index of the class, from 0. Always this variant where the label set is known
    /// ([`RowReader::labels`]).
    Index(u32),
    /// The name of the class, not empty, where the label set is not known.
    Name(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_named_by_its_own_display() {
        for format in [Format::AgNews, Format::Csv, Format::Tsv, Format::Jsonl] {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
        }
        assert!("xml".parse::<Format>().is_err());
    }
}
