//! Texts without labels.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::error::DataError;
use super::{ReadOptions, load};

/// The texts of a file.
#[derive(Debug)]
pub struct Texts {
    /// In the order of the file.
    pub texts: Vec<String>,
    /// How many bad rows were passed over.
    pub skipped: u64,
}

/// Reads the texts of a file of any format, whatever labels it has, if any; a file whose name ends with `.txt` has one
/// text a line, blank lines left out. Where a header lacks a text column of the options, all columns but the first are
/// text.
///
/// # Errors
///
/// As [`load`], but for labels.
pub fn texts(path: &Path, options: &ReadOptions) -> Result<Texts, DataError> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("txt")) {
        return lines(path, options.skip_bad_rows);
    }
    let loaded = load(path, &ReadOptions { unlabelled: true, ..options.clone() })?;
    let texts = loaded.dataset.items.into_iter().map(|item| item.text).collect();
    Ok(Texts { texts, skipped: loaded.skipped })
}

fn lines(path: &Path, skip_bad_rows: bool) -> Result<Texts, DataError> {
    let file = path.display().to_string();
    let opened = File::open(path).map_err(|source| DataError::io(&file, source))?;
    let (mut texts, mut skipped) = (Vec::new(), 0);
    for (line, bytes) in (1..).zip(BufReader::new(opened).split(b'\n')) {
        let bytes = bytes.map_err(|source| DataError::io(&file, source))?;
        match String::from_utf8(bytes) {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => texts.push(text.trim_end_matches('\r').to_owned()),
            Err(_) if skip_bad_rows => skipped += 1,
            Err(error) => {
                let byte = error.utf8_error().valid_up_to();
                return Err(DataError::InvalidUtf8Line { file, line, byte });
            }
        }
    }
    if texts.is_empty() { Err(DataError::Empty { file }) } else { Ok(Texts { texts, skipped }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, content: &str, columns: &[&str]) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let text_columns = columns.iter().map(|&name| name.into()).collect();
        let options = ReadOptions { text_columns, ..ReadOptions::default() };
        let found = texts(&path, &options).map(|found| found.texts);
        found.map_err(|e| e.to_string().replace(&*path.to_string_lossy(), name))
    }

    #[test]
    fn every_format_gives_its_texts_whatever_the_labels() {
        let table: [(&str, &str, &[&str]); 8] = [
            ("x.csv", "\"9\",\"a\",\"b\"\n\"word\",\"c\",\"d\"\n", &["text"]),
            ("x.csv", "class,title,body\nx,a,b\n,c,d\n", &["text"]),
            ("x.csv", "label,text\nx,a b\n,c d\n", &["text"]),
            ("x.csv", "body,class,title\nb,x,a\nd,y,c\n", &["title", "body"]),
            ("x.tsv", "text\na b\nc d\n", &["text"]),
            ("x.jsonl", "{\"text\":\"a b\"}\n{\"text\":\"c d\",\"label\":7}\n", &["text"]),
            ("x.txt", "a b\r\n\nc d", &["text"]),
            ("x.TXT", "a b\nc d\n", &["body"]),
        ];
        for (name, content, columns) in table {
            assert_eq!(of(name, content, columns).unwrap(), ["a b", "c d"], "{name} {content:?}");
        }
    }

    #[test]
    fn lines_that_are_no_text_are_counted_where_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.txt");
        std::fs::write(&path, b"a\nb \xFF\nc\n").unwrap();
        let options = ReadOptions { skip_bad_rows: true, ..ReadOptions::default() };
        let found = texts(&path, &options).unwrap();
        assert_eq!((found.texts, found.skipped), (vec!["a".to_owned(), "c".to_owned()], 1));
        let error = texts(&path, &ReadOptions::default()).unwrap_err().to_string();
        assert!(error.ends_with("x.txt, line 2: invalid UTF-8 at byte 2 of the line"), "{error}");
    }

    #[test]
    fn files_without_texts_are_refused() {
        let table = [
            ("x.txt", "\n \n", "x.txt: the file is empty"),
            ("x.csv", "a\nb\n", "x.csv, line 1: column text is missing, found are a"),
            ("x.jsonl", "{\"body\":\"a\"}\n", "x.jsonl, line 1: key text is missing, found are body"),
        ];
        for (name, content, expected) in table {
            assert_eq!(of(name, content, &["text"]).unwrap_err(), expected);
        }
    }
}
