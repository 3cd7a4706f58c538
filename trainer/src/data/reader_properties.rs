//! What must hold of the reader for any input.

use std::io;

use proptest::prelude::*;

use super::{Format, ReadOptions, Row, RowLabel, RowReader};

/// Bytes that are likely to mean something to one of the formats.
fn telling_bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"\"",
        b"\"\"",
        b",",
        b"\t",
        b"\n",
        b"\r",
        b"\r\n",
        b"1",
        b"2",
        b"text",
        b"label",
        b"text,label\n",
        b" ",
        b"{",
        b"}",
        b"{\"text\":\"",
        b"\",\"label\":",
        b"\"}\n",
        b"\xef\xbb\xbf",
        b"\xff",
        "é".as_bytes(),
        b"\\u",
        b"[[[[",
        b"-",
        b"1,a\n",
        b"label\ttext\n",
    ];
    let piece = prop_oneof![4 => prop::sample::select(pieces.to_vec()).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4)];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Texts of any characters; `csv` and JSON must quote and escape them.
fn any_text() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![any::<char>(), prop::sample::select(vec!['"', ',', '\t', '\n', '\r', '\\', ' '])],
        0..12,
    )
    .prop_map(|chars| chars.into_iter().collect())
}

/// What a row of two text columns must be read as.
fn expected(title: &str, body: &str, label: RowLabel) -> (String, usize, RowLabel) {
    match (title.trim().is_empty(), body.trim().is_empty()) {
        (false, false) => (format!("{title} {body}"), title.len(), label),
        (false, true) => (title.into(), 0, label),
        (true, _) => (body.into(), 0, label),
    }
}

fn written(separator: u8, always: bool, crlf: bool, records: Vec<[&str; 3]>) -> Vec<u8> {
    let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
    let end = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
    let mut writer = csv::WriterBuilder::new()
        .delimiter(separator)
        .quote_style(style)
        .terminator(end)
        .from_writer(Vec::new());
    for record in records {
        writer.write_record(record).unwrap();
    }
    writer.into_inner().unwrap()
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic_or_hang(bytes in telling_bytes(), skip: bool, short: bool, known: bool) {
        for format in [None, Some(Format::AgNews), Some(Format::Csv), Some(Format::Tsv), Some(Format::Jsonl)] {
            let options = ReadOptions {
                format,
                skip_bad_rows: skip,
                max_row_bytes: if short { 8 } else { 1 << 20 },
                labels: known.then(|| vec!["1".into(), "text".into()]),
                ..ReadOptions::default()
            };
            let Ok(mut reader) = RowReader::from_reader(io::Cursor::new(bytes.clone()), "-", &options) else { continue };
            for (at, row) in reader.by_ref().enumerate() {
                prop_assert!(at <= bytes.len());
                let Ok(row) = row else { continue };
                prop_assert!(!row.text.trim().is_empty());
                prop_assert!(row.lead_bytes == 0 || row.text[row.lead_bytes..].starts_with(' '));
            }
            prop_assert!(reader.next().is_none());
        }
    }

    #[test]
    fn written_rows_are_read_back(
        rows in prop::collection::vec((1u32..5, any_text(), any_text()), 1..8),
        always: bool,
        crlf: bool,
    ) {
        let rows: Vec<_> =
            rows.into_iter().filter(|(_, title, body)| !(title.trim().is_empty() && body.trim().is_empty())).collect();
        prop_assume!(!rows.is_empty());
        let classes: Vec<String> = rows.iter().map(|row| row.0.to_string()).collect();
        let records = |header: Option<[&'static str; 3]>| -> Vec<[&str; 3]> {
            let rows = rows.iter().zip(&classes).map(|((_, title, body), class)| [class.as_str(), title, body]);
            header.into_iter().chain(rows).collect()
        };
        let header = Some(["label", "title", "text"]);
        let json: String = rows
            .iter()
            .map(|(class, title, body)| {
                format!("{}\n", serde_json::json!({"text": body, "label": class.to_string(), "title": title}))
            })
            .collect();
        for (format, content) in [
            (Format::AgNews, written(b',', always, crlf, records(None))),
            (Format::Csv, written(b',', always, crlf, records(header))),
            (Format::Tsv, written(b'\t', always, crlf, records(header))),
            (Format::Jsonl, json.into_bytes()),
        ] {
            let text_columns = vec!["title".into(), "text".into()];
            let options = ReadOptions { format: Some(format), text_columns, ..ReadOptions::default() };
            let rows_read: Result<Vec<Row>, _> =
                RowReader::from_reader(io::Cursor::new(content), "x", &options).and_then(Iterator::collect);
            let found: Vec<_> = rows_read
                .map_err(|error| TestCaseError::fail(format!("{format}: {error}")))?
                .into_iter()
                .map(|row| (row.text, row.lead_bytes, row.label))
                .collect();
            let label = |class: u32| match format {
                Format::AgNews => RowLabel::Index(class - 1),
                _ => RowLabel::Name(class.to_string()),
            };
            let wanted: Vec<_> = rows.iter().map(|(class, title, body)| expected(title, body, label(*class))).collect();
            prop_assert_eq!(found, wanted, "{}", format);
        }
    }
}
