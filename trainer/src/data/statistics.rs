//! What a file of labelled text holds, and what is wrong with it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::DataError;
use super::labels::MAX_CLASSES;
use super::{Format, ReadOptions, RowLabel, RowReader, open};

/// Counts over the good rows of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statistics {
    /// Good rows.
    pub rows: u64,
    /// Bad rows that were passed over.
    pub skipped: u64,
    /// The classes, in the order of the label set: also those without a row, where the set is known.
    pub classes: Vec<ClassStatistics>,
    /// The lengths of the texts.
    pub bytes: TextBytes,
    /// Rows whose text, byte for byte, an earlier row has.
    pub duplicates: u64,
    /// Those of them whose class differs from that of the first row with the text.
    pub conflicts: u64,
    /// The share of rows without a title apart from the text.
    pub empty_title_share: f64,
    /// The share of rows with a character outside ASCII.
    pub non_ascii_share: f64,
}

/// Counts of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassStatistics {
    /// Its name, or its number as the file spells it.
    pub label: String,
    /// Its rows.
    pub items: u64,
    /// Its share of all good rows.
    pub share: f64,
}

/// The lengths of texts, in bytes. A percentile is the smallest length that at least that share of the texts
/// does not exceed. All are 0 where there is no text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TextBytes {
    /// The shortest.
    pub min: u64,
    /// The 50th percentile.
    pub median: u64,
    /// The 90th percentile.
    pub p90: u64,
    /// The longest.
    pub max: u64,
    /// The mean.
    pub mean: f64,
}

/// What [`check`] found.
#[derive(Debug)]
pub struct Check {
    /// The format, as given or detected.
    pub format: Format,
    /// Good rows.
    pub rows: u64,
    /// Bad rows.
    pub bad_rows: u64,
    /// What is wrong, in the order of the file: the first bad rows, and last what ended the reading before
    /// the end of the file, if something did.
    pub errors: Vec<DataError>,
}

/// Reads the rest of `reader` and counts. Keeps 28 bytes a row in memory.
///
/// # Errors
///
/// Fails where the reader does, and if there are more than [`MAX_CLASSES`] classes.
pub fn statistics(mut reader: RowReader) -> Result<Statistics, DataError> {
    let mut classes: BTreeMap<RowLabel, u64> = BTreeMap::new();
    let known = reader.labels().unwrap_or_default();
    for index in 0..known.len() as u32 {
        classes.insert(RowLabel::Index(index), 0);
    }
    // The first half of the hash: as good as the text itself, and small. The value is the class of the first
    // row, as a number of our own.
    let mut seen: HashMap<[u8; 16], u32> = HashMap::new();
    let mut numbers: HashMap<RowLabel, u32> = HashMap::new();
    let mut lengths: Vec<u64> = Vec::new();
    let (mut duplicates, mut conflicts, mut untitled, mut non_ascii) = (0u64, 0u64, 0u64, 0u64);
    for row in reader.by_ref() {
        let row = row?;
        let fresh = numbers.len() as u32;
        let number = *numbers.entry(row.label.clone()).or_insert(fresh);
        let mut key = [0; 16];
        key.copy_from_slice(&Sha256::digest(row.text.as_bytes())[..16]);
        match seen.get(&key) {
            Some(&first) => {
                duplicates += 1;
                conflicts += u64::from(first != number);
            }
            None => {
                seen.insert(key, number);
            }
        }
        *classes.entry(row.label).or_default() += 1;
        if classes.len() > MAX_CLASSES {
            let (found, limit) = (classes.len(), MAX_CLASSES);
            return Err(DataError::TooManyClasses { file: reader.name().into(), found, limit });
        }
        lengths.push(row.text.len() as u64);
        untitled += u64::from(row.lead_bytes == 0);
        non_ascii += u64::from(!row.text.is_ascii());
    }
    let rows = lengths.len() as u64;
    let classes = classes.into_iter().map(|(label, items)| {
        let label = match (label, reader.labels()) {
            (RowLabel::Name(name), _) => name,
            (RowLabel::Index(index), Some(names)) => names[index as usize].clone(),
            (RowLabel::Index(index), None) => {
                (index + u32::from(reader.format() == Format::AgNews)).to_string()
            }
        };
        ClassStatistics { label, items, share: ratio(items, rows) }
    });
    Ok(Statistics {
        rows,
        skipped: reader.skipped(),
        classes: classes.collect(),
        bytes: TextBytes::of(lengths),
        duplicates,
        conflicts,
        empty_title_share: ratio(untitled, rows),
        non_ascii_share: ratio(non_ascii, rows),
    })
}

/// Reads a whole file and collects what is wrong with it: the first `most` bad rows, whatever the options say
/// about skipping, and an error that ends the reading.
///
/// # Errors
///
/// Fails as [`open`] does.
pub fn check(path: &Path, options: &ReadOptions, most: usize) -> Result<Check, DataError> {
    let options = ReadOptions { skip_bad_rows: true, ..options.clone() };
    let mut reader = open(path, &options)?;
    reader.keep_reasons(most);
    let mut rows = 0;
    let mut last = None;
    for row in reader.by_ref() {
        match row {
            Ok(_) => rows += 1,
            Err(error) => last = Some(error),
        }
    }
    let mut errors = reader.take_reasons();
    errors.extend(last);
    Ok(Check { format: reader.format(), rows, bad_rows: reader.skipped(), errors })
}

impl TextBytes {
    fn of(mut lengths: Vec<u64>) -> Self {
        lengths.sort_unstable();
        let (Some(&min), Some(&max)) = (lengths.first(), lengths.last()) else {
            return Self::default();
        };
        let percentile = |percent: usize| lengths[(lengths.len() * percent).div_ceil(100) - 1];
        let mean = lengths.iter().sum::<u64>() as f64 / lengths.len() as f64;
        Self { min, median: percentile(50), p90: percentile(90), max, mean }
    }
}

/// `part` of `whole`, 0 where there is no whole.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_count_what_is_there() {
        let content = "1,ab,c\n2,,é\n1,ab,c\n3,ab,c\n1\n";
        let options = ReadOptions {
            labels: Some(["w", "x", "y", "z"].map(String::from).to_vec()),
            skip_bad_rows: true,
            ..ReadOptions::default()
        };
        let reader = RowReader::from_reader(content.as_bytes(), "x.csv", &options).unwrap();
        let found = statistics(reader).unwrap();
        let class = |label: &str, items, share| ClassStatistics { label: label.into(), items, share };
        assert_eq!(
            found,
            Statistics {
                rows: 4,
                skipped: 1,
                classes: vec![
                    class("w", 2, 0.5),
                    class("x", 1, 0.25),
                    class("y", 1, 0.25),
                    class("z", 0, 0.0)
                ],
                bytes: TextBytes { min: 2, median: 4, p90: 4, max: 4, mean: 3.5 },
                duplicates: 2,
                conflicts: 1,
                empty_title_share: 0.25,
                non_ascii_share: 0.25,
            }
        );
    }

    #[test]
    fn percentiles_are_lengths_that_occur() {
        let bytes = TextBytes::of((1..=10).rev().collect());
        assert_eq!(bytes, TextBytes { min: 1, median: 5, p90: 9, max: 10, mean: 5.5 });
        assert_eq!(TextBytes::of(Vec::new()), TextBytes::default());
    }

    #[test]
    fn check_collects_the_first_bad_rows_and_what_ended_the_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "1,a\n0,b\n1,\n1,c,d\n1,\"e\n").unwrap();
        let found = check(&path, &ReadOptions::default(), 2).unwrap();
        assert_eq!((found.format, found.rows, found.bad_rows), (Format::AgNews, 1, 3));
        assert!(matches!(
            found.errors[..],
            [
                DataError::UnknownClass { .. },
                DataError::EmptyText { .. },
                DataError::UnterminatedQuote { .. }
            ]
        ));
    }
}
