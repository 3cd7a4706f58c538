//! Labelled texts in the form of AG News: CSV without a header, the class counted from 1, then the parts of the text.

use std::path::Path;

use anyhow::{Context, ensure};

/// A labelled text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Index of the class, from 0.
    pub class: u32,
    /// The parts that are not blank, joined by a space as the trainer joins them.
    pub text: String,
}

/// Reads a file whole.
///
/// # Errors
/// The file cannot be read, a row is no class with a text, or there is no row.
pub fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    let shown = path.display();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_path(path)
        .with_context(|| format!("{shown}: cannot be read"))?;
    let mut rows = Vec::new();
    for (number, record) in (1..).zip(reader.records()) {
        let record = record.with_context(|| format!("{shown}, row {number}"))?;
        let class = record.get(0).and_then(|field| field.parse::<u32>().ok()?.checked_sub(1));
        let class = class.with_context(|| format!("{shown}, row {number}: no class, integers from 1 are"))?;
        let parts: Vec<&str> = record.iter().skip(1).filter(|part| !part.trim().is_empty()).collect();
        ensure!(!parts.is_empty(), "{shown}, row {number}: no text");
        rows.push(Row { class, text: parts.join(" ") });
    }
    ensure!(!rows.is_empty(), "{shown}: no rows, at least 1 is needed");
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(name: &str, content: &str) -> anyhow::Result<Vec<Row>> {
        let path = std::env::temp_dir().join(format!("typecase-benches-{}-{name}.csv", std::process::id()));
        std::fs::write(&path, content)?;
        let rows = read(&path);
        std::fs::remove_file(&path)?;
        rows
    }

    #[test]
    fn parts_that_are_not_blank_are_joined() {
        let rows = read_text("joined", "\"2\",\"A\",\"b \"\"c\"\"\"\n\"1\",\" \",\"d\\\"\n").unwrap();
        let expected =
            [(1, "A b \"c\""), (0, "d\\")].map(|(class, text)| Row { class, text: text.to_owned() });
        assert_eq!(rows, expected);
    }

    #[test]
    fn rows_without_class_or_text_are_refused() {
        for (name, content) in [("zero", "0,a\n"), ("word", "x,a\n"), ("blank", "1, \n"), ("none", "")] {
            assert!(read_text(name, content).is_err(), "{name}");
        }
    }
}
