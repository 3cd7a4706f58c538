//! Which format a file has, by its name's extension and its first line.

use std::path::Path;

use super::delimited::first_fields;
use super::{Format, ReadOptions};

/// The format of the file called `name` that starts with `prefix` (at least its first line or 64 KiB, without
/// a byte order mark); `None` if neither tells.
pub(super) fn detect(name: &str, prefix: &[u8], options: &ReadOptions) -> Option<Format> {
    let extension =
        Path::new(name).extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let extension = extension.as_deref().unwrap_or_default();
    match extension {
        "jsonl" | "ndjson" => return Some(Format::Jsonl),
        "tsv" | "tab" => return Some(Format::Tsv),
        _ => {}
    }
    let has_names = |fields: &[String]| {
        fields.iter().any(|field| *field == options.label_column || options.text_columns.contains(field))
    };
    let fields = first_fields(prefix, b',');
    if has_names(&fields) {
        return Some(Format::Csv);
    }
    if fields.len() >= 2 && fields[0].trim().parse::<i64>().is_ok() {
        return Some(Format::AgNews);
    }
    if extension == "csv" {
        return Some(Format::Csv);
    }
    if has_names(&first_fields(prefix, b'\t')) {
        return Some(Format::Tsv);
    }
    let first = prefix.iter().find(|byte| !byte.is_ascii_whitespace());
    (first == Some(&b'{')).then_some(Format::Jsonl)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_and_the_first_line_tell_the_format() {
        let options = ReadOptions::default();
        for (name, prefix, expected) in [
            ("x.jsonl", "", Some(Format::Jsonl)),
            ("x.NDJSON", "1,a", Some(Format::Jsonl)),
            ("x.tsv", "1\ta", Some(Format::Tsv)),
            ("x.csv", "\"1\",\"a\",\"b\"\n", Some(Format::AgNews)),
            ("x.csv", "1,text\n", Some(Format::Csv)),
            ("x.csv", "label,a\n", Some(Format::Csv)),
            ("x.csv", "topic,title\n", Some(Format::Csv)),
            ("x.csv", "12\n", Some(Format::Csv)),
            ("x.csv", "{,b\n", Some(Format::Csv)),
            ("-", "\n\n3,\"cut off in a quo", Some(Format::AgNews)),
            ("-", "0,a\n", Some(Format::AgNews)),
            ("-", "label\ttext\n", Some(Format::Tsv)),
            ("-", " {\"text\": \"a\", \"label\": 1}\n", Some(Format::Jsonl)),
            ("x.json", "{\"label\":1,\"text\":\"a\"}", Some(Format::Jsonl)),
            ("-", "topic,title\n", None),
            ("-", "", None),
        ] {
            assert_eq!(detect(name, prefix.as_bytes(), &options), expected, "{name} {prefix:?}");
        }
    }
}
