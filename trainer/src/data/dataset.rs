//! A data set in memory.

use std::collections::HashMap;
use std::path::Path;

use super::error::DataError;
use super::labels::MAX_CLASSES;
use super::{ReadOptions, RowLabel, RowReader, open};

/// Labelled texts, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The names of the classes; an item's label is an index into it.
    pub labels: Vec<String>,
    /// The texts.
    pub items: Vec<Item>,
}

/// One labelled text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// As [`Row::text`](super::Row::text).
    pub text: String,
    /// As [`Row::lead_bytes`](super::Row::lead_bytes).
    pub lead_bytes: usize,
    /// The index of the class.
    pub label: u32,
}

/// A data set and what is to be known about its reading.
#[derive(Debug)]
pub struct Loaded {
    /// The rows.
    pub dataset: Dataset,
    /// How many bad rows were passed over.
    pub skipped: u64,
    /// Why the first few of them were bad.
    pub reasons: Vec<DataError>,
    /// The SHA-256 of the file's bytes, all of them even if [`ReadOptions::max_rows`] stopped earlier.
    pub sha256: [u8; 32],
}

impl Dataset {
    /// The class of each item, in their order.
    #[must_use]
    pub fn classes(&self) -> Vec<u32> {
        self.items.iter().map(|item| item.label).collect()
    }
}

impl Item {
    /// The text without its title, where it has one and more.
    #[must_use]
    pub fn without_lead(&self) -> &str {
        if self.lead_bytes == 0 { &self.text } else { &self.text[self.lead_bytes + 1..] }
    }
}

/// Reads a whole file; `-` is standard input.
///
/// The label set is that of the options; else, for AG News form, that of `classes.txt` beside the file; else
/// it is discovered: the names that occur, sorted by their bytes; where classes are numbers, every number
/// that the file could have used up to the highest, spelled as the file does ("1" to "K" in AG News form, "0"
/// to "K-1" in JSONL).
///
/// # Errors
///
/// Fails as [`open`] does, at the first bad row unless they are skipped, and if there is no good row or there
/// are more than [`MAX_CLASSES`] classes.
pub fn load(path: &Path, options: &ReadOptions) -> Result<Loaded, DataError> {
    collect(open(path, options)?)
}

/// [`load`] from a reader.
fn collect(mut reader: RowReader) -> Result<Loaded, DataError> {
    let mut items = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut indices: HashMap<String, u32> = HashMap::new();
    for row in reader.by_ref() {
        let row = row?;
        let label = match row.label {
            RowLabel::Index(index) => index,
            RowLabel::Name(name) => match indices.get(&name) {
                Some(&index) => index,
                None => {
                    let index = names.len() as u32;
                    if names.len() == MAX_CLASSES {
                        let (found, limit) = (MAX_CLASSES + 1, MAX_CLASSES);
                        return Err(DataError::TooManyClasses { file: reader.name().into(), found, limit });
                    }
                    names.push(name.clone());
                    indices.insert(name, index);
                    index
                }
            },
        };
        items.push(Item { text: row.text, lead_bytes: row.lead_bytes, label });
    }
    let skipped = reader.skipped();
    let Some(highest) = items.iter().map(|item| item.label).max() else {
        return Err(DataError::NoRows { file: reader.name().into(), skipped });
    };
    let labels = if let Some(known) = reader.labels() {
        known.to_vec()
    } else if names.is_empty() {
        let first = reader.first_number();
        (0..=highest).map(|index| (index + first).to_string()).collect()
    } else {
        sort_labels(&names, &mut items)
    };
    let reasons = reader.take_reasons();
    let sha256 = reader.finish()?;
    Ok(Loaded { dataset: Dataset { labels, items }, skipped, reasons, sha256 })
}

/// The names sorted, the labels of the items changed to match.
fn sort_labels(names: &[String], items: &mut [Item]) -> Vec<String> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|&at| &names[at]);
    let mut place = vec![0; names.len()];
    for (to, &from) in (0u32..).zip(&order) {
        place[from] = to;
    }
    for item in items {
        item.label = place[item.label as usize];
    }
    order.into_iter().map(|at| names[at].clone()).collect()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn from_text(name: &str, content: &'static str, options: &ReadOptions) -> Result<Loaded, DataError> {
        collect(RowReader::from_reader(content.as_bytes(), name, options)?)
    }

    #[test]
    fn the_label_set_comes_from_the_options_then_classes_txt_then_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.csv");
        let content = "1,a,b\n3,c,d\n";
        std::fs::write(&path, content).unwrap();
        let labels = |options: &ReadOptions| load(&path, options).unwrap().dataset.labels;
        let default = ReadOptions::default();
        assert_eq!(labels(&default), ["1", "2", "3"]);
        std::fs::write(folder.path().join("classes.txt"), "x\ny\nz\nw\n").unwrap();
        assert_eq!(labels(&default), ["x", "y", "z", "w"]);
        let given = ReadOptions { labels: Some(vec!["p".into(), "q".into(), "r".into()]), ..default.clone() };
        assert_eq!(labels(&given), ["p", "q", "r"]);
        let loaded = load(&path, &ReadOptions { max_rows: Some(1), ..default }).unwrap();
        assert_eq!(loaded.dataset.items.len(), 1);
        assert_eq!(loaded.sha256, <[u8; 32]>::from(Sha256::digest(content)));
    }

    #[test]
    fn discovered_names_are_sorted_and_the_items_follow() {
        let loaded =
            from_text("x.tsv", "label\ttext\nc\tC\na\tA\nb\tB\nc\tC2\n", &ReadOptions::default()).unwrap();
        assert_eq!(loaded.dataset.labels, ["a", "b", "c"]);
        assert_eq!(loaded.dataset.classes(), [2, 0, 1, 2]);
    }

    #[test]
    fn numbers_in_jsonl_count_from_zero() {
        let content = "{\"text\": \"a\", \"label\": 2}\n{\"text\": \"b\", \"label\": 0}\n";
        let loaded = from_text("x.jsonl", content, &ReadOptions::default()).unwrap();
        assert_eq!(loaded.dataset.labels, ["0", "1", "2"]);
        assert_eq!(loaded.dataset.classes(), [2, 0]);
    }

    #[test]
    fn the_title_can_be_left_out() {
        let loaded = from_text("x.csv", "1,Title,Body\n1,,Only\n", &ReadOptions::default()).unwrap();
        let texts: Vec<&str> = loaded.dataset.items.iter().map(Item::without_lead).collect();
        assert_eq!(texts, ["Body", "Only"]);
    }

    #[test]
    fn a_file_without_a_good_row_is_an_error() {
        let options = ReadOptions { skip_bad_rows: true, ..ReadOptions::default() };
        let error = from_text("x.csv", "1, ,\n", &options).unwrap_err();
        assert_eq!(error.to_string(), "x.csv: 0 rows found (1 skipped), at least 1 expected");
    }

    #[test]
    fn too_many_classes_are_an_error() {
        let mut content = String::from("label,text\n");
        for class in 0..=MAX_CLASSES {
            content.push_str(&format!("c{class},x\n"));
        }
        let reader =
            RowReader::from_reader(std::io::Cursor::new(content), "x.csv", &ReadOptions::default()).unwrap();
        let error = collect(reader).unwrap_err();
        assert_eq!(error.to_string(), "x.csv: 65537 classes found, at most 65536 allowed");
    }
}
