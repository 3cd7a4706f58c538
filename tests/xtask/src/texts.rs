//! Texts that every target is asked: the official test items where they are at hand, else the sample.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::setup;

/// The sample texts, below the top folder; every line is one.
pub const SAMPLE: [&str; 3] =
    ["models/sample/golden.txt", "models/sample/news-heldout.txt", "models/sample/news.csv"];

/// Texts with the place that they come from.
pub struct Texts {
    /// For people: `official test items`, `sample texts`.
    pub source: &'static str,
    /// One line each: no line feed, carriage return or EOT.
    pub lines: Vec<Vec<u8>>,
}

/// The official test items, each of one line; without labelled data the sample texts.
///
/// # Errors
///
/// When a file that is there cannot be read.
pub fn read(root: &Path) -> Result<Texts> {
    let Some(data) = setup::labelled_data(root) else {
        return Ok(Texts { source: "sample texts", lines: sample(root)? });
    };
    let path = data.join("agnews/test.csv");
    let file = fs::read(&path).with_context(|| format!("{}: cannot read", path.display()))?;
    let lines = items(&file).with_context(|| path.display().to_string())?;
    Ok(Texts { source: "official test items", lines })
}

/// The sample texts.
///
/// # Errors
///
/// When they cannot be read.
pub fn sample(root: &Path) -> Result<Vec<Vec<u8>>> {
    let mut lines = Vec::new();
    for path in SAMPLE {
        let file = fs::read(root.join(path)).with_context(|| format!("{path}: cannot read"))?;
        let file = file.strip_suffix(b"\n").unwrap_or(&file);
        lines.extend(file.split(|&byte| byte == b'\n').map(one_line));
    }
    Ok(lines)
}

/// A text as one line: line feeds, carriage returns and EOT, which ends the firmware's input, become spaces.
#[must_use]
pub fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&byte| if matches!(byte, b'\n' | b'\r' | 4) { b' ' } else { byte }).collect()
}

/// Title and description of each row of AG News, joined by a space; what is blank is left out.
fn items(file: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut items = Vec::new();
    for (index, fields) in rows(file)?.iter().enumerate() {
        let [_, texts @ ..] = fields.as_slice() else { bail!("row {}: no field", index + 1) };
        ensure!(!texts.is_empty(), "row {}: no text", index + 1);
        let texts = texts.iter().filter(|text| !text.trim_ascii().is_empty());
        let texts: Vec<&[u8]> = texts.map(Vec::as_slice).collect();
        items.push(one_line(&texts.join(&b' ')));
    }
    Ok(items)
}

/// The rows of a CSV file: fields in quotes, in which a quote is doubled, or bare.
fn rows(file: &[u8]) -> Result<Vec<Vec<Vec<u8>>>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), Vec::new());
    let (mut quoted, mut bytes) = (false, file.iter().copied().peekable());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if quoted && bytes.peek() == Some(&b'"') => field.extend(bytes.next()),
            b'"' => quoted = !quoted,
            b',' if !quoted => row.push(std::mem::take(&mut field)),
            b'\r' if !quoted && bytes.peek() == Some(&b'\n') => {}
            b'\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            byte => field.push(byte),
        }
    }
    ensure!(!quoted, "a quote is not closed");
    if !row.is_empty() || !field.is_empty() {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_with_their_quotes_and_line_ends() {
        let file = b"\"1\",\"a \"\"b\"\"\",\"c, d\"\r\n\"3\",\" \",\"g\r\nh\x04\"";
        assert_eq!(items(file).unwrap(), [b"a \"b\" c, d".as_slice(), b"g  h "]);
        assert!(rows(b"\"1\",\"open\n").is_err());
        assert!(items(b"\"1\"\n").is_err());
    }

    #[test]
    fn the_sample_is_there() {
        let lines = sample(&crate::workspace_root().unwrap()).unwrap();
        assert!(lines.len() > 100, "{} lines", lines.len());
    }
}
