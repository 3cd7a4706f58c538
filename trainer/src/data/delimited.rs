//! The fields of one row of CSV or TSV.

use std::io::{self, Read};

use csv::{ByteRecord, ReaderBuilder, Terminator};

use super::error::{DataError, excerpt, excerpts};
use super::labels::Labels;
use super::{ReadOptions, Row, RowLabel};

/// Which column of a row is what; they count from 0.
enum Columns {
    /// The first is the class, the others are text; their number is that of the first row.
    AgNews { count: Option<usize> },
    /// As the header says.
    Named { text: Vec<usize>, label: Option<usize>, numbers_from: Option<u32>, count: usize },
}

/// Reads rows of CSV or TSV that were cut before.
pub(super) struct Delimited {
    fields: FieldReader,
    columns: Columns,
    unlabelled: bool,
}

impl Delimited {
    /// For rows in AG News form.
    pub(super) fn ag_news(unlabelled: bool) -> Self {
        Self { fields: FieldReader::new(b','), columns: Columns::AgNews { count: None }, unlabelled }
    }

    /// For rows under the header line `header`.
    pub(super) fn with_header(
        separator: u8,
        header: &mut Vec<u8>,
        options: &ReadOptions,
        file: &str,
        line: u64,
    ) -> Result<Self, DataError> {
        let mut fields = FieldReader::new(separator);
        let record = fields.read(header).map_err(|source| DataError::io(file, source))?;
        let names =
            (0..record.len()).map(|at| text_of(record, at, file, line)).collect::<Result<Vec<_>, _>>()?;
        let find = |name: &str| {
            let mut places = (0..names.len()).filter(|&at| names[at] == name);
            let first = places.next().ok_or_else(|| DataError::MissingColumn {
                file: file.into(),
                line,
                name: excerpt(name),
                found: excerpts(names.iter().copied()),
            })?;
            match places.count() {
                0 => Ok(first),
                more => Err(DataError::RepeatedColumn {
                    file: file.into(),
                    line,
                    name: excerpt(name),
                    times: more + 1,
                }),
            }
        };
        let count = names.len();
        let unlabelled = options.unlabelled;
        let has = |name: &String| names.contains(&name.as_str());
        let text = if unlabelled && count > 1 && !options.text_columns.iter().all(has) {
            (1..count).collect()
        } else {
            options.text_columns.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?
        };
        let label = if unlabelled { None } else { Some(find(&options.label_column)?) };
        let columns = Columns::Named { text, label, numbers_from: options.numbers_from, count };
        Ok(Self { fields, columns, unlabelled })
    }

    /// The row that `bytes` holds; they are its content without the line end, and are used up.
    pub(super) fn row(
        &mut self,
        bytes: &mut Vec<u8>,
        labels: &mut Labels,
        file: &str,
        line: u64,
    ) -> Result<Row, DataError> {
        let record = self.fields.read(bytes).map_err(|source| DataError::io(file, source))?;
        let found = record.len();
        let expected = match &mut self.columns {
            Columns::Named { count, .. } => *count,
            Columns::AgNews { count: Some(count) } => *count,
            Columns::AgNews { count: first @ None } => {
                if found >= 2 {
                    *first = Some(found);
                }
                found.max(2)
            }
        };
        if found < expected {
            return Err(DataError::TooFewColumns { file: file.into(), line, found, expected });
        }
        if found > expected {
            return Err(DataError::TooManyColumns { file: file.into(), line, found, expected });
        }
        let field = |at| text_of(record, at, file, line);
        let (label, text, lead_bytes) = match &self.columns {
            Columns::AgNews { .. } => {
                let label = match self.unlabelled {
                    true => RowLabel::Index(0),
                    false => labels.number_from_one(field(0)?, file, line)?,
                };
                let (text, lead_bytes) = join((1..found).map(field))?;
                (label, text, lead_bytes)
            }
            Columns::Named { text, label, numbers_from, .. } => {
                let label = match (label, numbers_from) {
                    (None, _) => RowLabel::Index(0),
                    (&Some(at), None) => labels.name(field(at)?, Some(at), file, line)?,
                    (&Some(at), &Some(first)) => labels.number_from(first, field(at)?, at, file, line)?,
                };
                let (text, lead_bytes) = join(text.iter().map(|&at| field(at)))?;
                (label, text, lead_bytes)
            }
        };
        if text.is_empty() {
            return Err(DataError::EmptyText { file: file.into(), line });
        }
        Ok(Row { text, lead_bytes, label, line })
    }
}

/// Joins the texts that are not blank by a space; with the byte length of the first text where another
/// follows it.
pub(super) fn join<'a, E>(texts: impl Iterator<Item = Result<&'a str, E>>) -> Result<(String, usize), E> {
    let mut joined = String::new();
    let mut lead_bytes = 0;
    for (at, text) in texts.enumerate() {
        let text = text?;
        if text.trim().is_empty() {
            continue;
        }
        if joined.is_empty() {
            joined.push_str(text);
            lead_bytes = if at == 0 { text.len() } else { 0 };
        } else {
            joined.push(' ');
            joined.push_str(text);
        }
    }
    if lead_bytes == joined.len() {
        lead_bytes = 0;
    }
    Ok((joined, lead_bytes))
}

/// The fields of the first row of `bytes`, which may be cut off anywhere; those that are not UTF-8 read as
/// empty.
pub(super) fn first_fields(bytes: &[u8], separator: u8) -> Vec<String> {
    let mut reader = builder(separator).from_reader(bytes);
    let mut record = ByteRecord::new();
    // Reading from memory does not fail; should it, there are no fields.
    let read = reader.read_byte_record(&mut record).unwrap_or(false);
    if !read {
        return Vec::new();
    }
    record.iter().map(|field| core::str::from_utf8(field).unwrap_or_default().to_owned()).collect()
}

/// Field `at`, which must be there, as text.
fn text_of<'a>(record: &'a ByteRecord, at: usize, file: &str, line: u64) -> Result<&'a str, DataError> {
    core::str::from_utf8(&record[at]).map_err(|error| DataError::InvalidUtf8 {
        file: file.into(),
        line,
        column: at as u64 + 1,
        byte: error.valid_up_to(),
    })
}

fn builder(separator: u8) -> ReaderBuilder {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(separator).terminator(Terminator::Any(b'\n')).has_headers(false).flexible(true);
    builder
}

/// A `csv` reader that is given its rows one by one.
struct FieldReader {
    separator: u8,
    reader: csv::Reader<OneRow>,
    record: ByteRecord,
}

impl FieldReader {
    fn new(separator: u8) -> Self {
        let mut fields = Self { separator, reader: fresh(separator), record: ByteRecord::new() };
        // The first read of a `csv` reader drops a byte order mark; later ones keep it, and here each row is
        // alike.
        if fields.read(&mut b"x".to_vec()).is_err() {
            fields.record.clear();
        }
        fields
    }

    /// The fields of `row`, which is used up.
    fn read(&mut self, row: &mut Vec<u8>) -> io::Result<&ByteRecord> {
        row.push(b'\n');
        let source = self.reader.get_mut();
        core::mem::swap(&mut source.row, row);
        source.read = 0;
        let found = self.reader.read_byte_record(&mut self.record)?;
        // Give the buffer back, so that the two are allocated once.
        core::mem::swap(&mut self.reader.get_mut().row, row);
        if !found {
            // Only after a row whose end the two parsers place differently, which the cutting of rows rules
            // out.
            self.reader = fresh(self.separator);
            return Err(io::Error::other("a row without fields"));
        }
        Ok(&self.record)
    }
}

fn fresh(separator: u8) -> csv::Reader<OneRow> {
    builder(separator).from_reader(OneRow { row: Vec::new(), read: 0 })
}

/// One row, as an input that ends after it.
struct OneRow {
    row: Vec<u8>,
    read: usize,
}

impl Read for OneRow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.row.len() - self.read);
        buffer[..count].copy_from_slice(&self.row[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_columns_add_nothing_and_the_lead_is_never_the_whole_text() {
        for (texts, expected) in [
            (&["a"][..], ("a", 0)),
            (&["ab", "c"], ("ab c", 2)),
            (&["é", "", "c", "d"], ("é c d", 2)),
            (&["", "c"], ("c", 0)),
            (&[" \t", "c", "d"], ("c d", 0)),
            (&["a", " ", ""], ("a", 0)),
            (&["", " "], ("", 0)),
            (&[], ("", 0)),
        ] {
            let (text, lead_bytes) = join(texts.iter().map(|text| Ok::<_, ()>(*text))).unwrap();
            assert_eq!((text.as_str(), lead_bytes), expected, "{texts:?}");
        }
    }

    #[test]
    fn each_row_is_read_alone_and_keeps_its_bytes() {
        let mut fields = FieldReader::new(b',');
        let long = "y".repeat(100_000);
        for (row, expected) in [
            ("\u{feff}a", vec!["\u{feff}a"]),
            ("a,b", vec!["a", "b"]),
            ("\"a\nb\"\"c\",", vec!["a\nb\"c", ""]),
            ("a\rb", vec!["a\rb"]),
            (" \"a\"", vec![" \"a\""]),
            (&long, vec![&long]),
            ("z", vec!["z"]),
        ] {
            let record = fields.read(&mut row.as_bytes().to_vec()).unwrap();
            assert_eq!(
                record.iter().collect::<Vec<_>>(),
                expected.iter().map(|f| f.as_bytes()).collect::<Vec<_>>()
            );
        }
    }
}
