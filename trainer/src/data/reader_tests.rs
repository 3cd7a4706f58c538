//! What the reader reads, and the exact message of every error.

use std::io::{self, Read};

use super::{DataError, Format, ReadOptions, Row, RowLabel, RowReader, load, open};

fn read(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Vec<Row>, DataError> {
    RowReader::from_reader(io::Cursor::new(bytes.to_vec()), name, options)?.collect()
}

fn formatted(format: Format) -> ReadOptions {
    ReadOptions { format: Some(format), ..ReadOptions::default() }
}

fn titled(text_columns: &[&str]) -> ReadOptions {
    ReadOptions {
        text_columns: text_columns.iter().map(|&name| name.into()).collect(),
        ..ReadOptions::default()
    }
}

fn labelled(labels: &[&str]) -> ReadOptions {
    ReadOptions { labels: Some(labels.iter().map(|&name| name.into()).collect()), ..ReadOptions::default() }
}

fn row(text: &str, lead_bytes: usize, label: RowLabel, line: u64) -> Row {
    Row { text: text.into(), lead_bytes, label, line }
}

#[test]
fn good_files_are_read_in_every_format() {
    let name = |name: &str| RowLabel::Name(name.into());
    let index = RowLabel::Index;
    let default = ReadOptions::default();
    let titles = titled(&["title", "text"]);
    for (file, content, options, expected) in [
        ("ag.csv", "\"3\",\"A\",\"b \"\"c\"\"\"\n", &default, vec![row("A b \"c\"", 1, index(2), 1)]),
        (
            "crlf.csv",
            "\u{feff}\"1\",\"A\",\"b\"\r\n\r\n\"2\",\"\",\"c\nd\"\r\n4,e,f",
            &default,
            vec![row("A b", 1, index(0), 1), row("c\nd", 0, index(1), 3), row("e f", 1, index(3), 5)],
        ),
        ("two.csv", "1,only one\n", &default, vec![row("only one", 0, index(0), 1)]),
        ("many.csv", "1,a,b,,c\n", &default, vec![row("a b c", 1, index(0), 1)]),
        (
            "head.csv",
            "id,text,label\n7,a,1\n8,b,x\n",
            &default,
            vec![row("a", 0, name("1"), 2), row("b", 0, name("x"), 3)],
        ),
        ("head.csv", "text,label,title\nb,x,A\n", &titles, vec![row("A b", 1, name("x"), 2)]),
        ("set.csv", "text,label\nb,y\n", &labelled(&["x", "y"]), vec![row("b", 0, index(1), 2)]),
        ("x.tsv", "label\ttext\r\nx\ta, \"b\"\r\n", &default, vec![row("a, \"b\"", 0, name("x"), 2)]),
        ("-", "label\ttext\nx\ta\n", &default, vec![row("a", 0, name("x"), 2)]),
        (
            "x.jsonl",
            "{\"text\": \"a\\n\", \"label\": \"x\", \"more\": [{}]}\n \r\n{\"label\": \"y\", \"text\": \"é\"}",
            &default,
            vec![row("a\n", 0, name("x"), 1), row("é", 0, name("y"), 3)],
        ),
        (
            "x.jsonl",
            "{\"label\":0,\"text\":\"b\",\"title\":\"A\"}\n",
            &titles,
            vec![row("A b", 1, index(0), 1)],
        ),
    ] {
        assert_eq!(read(file, content.as_bytes(), options).unwrap(), expected, "{file} {content:?}");
    }
}

#[test]
fn every_error_says_what_was_found_and_what_is_allowed() {
    let default = ReadOptions::default();
    let four = labelled(&["World", "Sports", "Business", "Sci/Tech"]);
    let short = ReadOptions { max_row_bytes: 5, ..formatted(Format::AgNews) };
    let twelve: Vec<String> = (0..12).map(|index| format!("l{index}")).collect();
    let twelve = ReadOptions { labels: Some(twelve), ..default.clone() };
    let cases: &[(&str, &[u8], &ReadOptions, &str)] = &[
        ("x.csv", b"", &default, "x.csv: the file is empty"),
        ("x.csv", b"\xef\xbb\xbf \r\n\n", &default, "x.csv: the file is empty"),
        ("x.csv", b"\xff\xfe1\0", &default, "x.csv: UTF-16 found, UTF-8 expected"),
        (
            "x.txt",
            b"a b\n",
            &default,
            "x.txt: format not recognised, allowed are ag-news (the first column an integer), csv and tsv (a header \
             line with text, label) and jsonl",
        ),
        ("x.csv", b"1,a", &titled(&[]), "text columns: 0 found, at least 1 expected"),
        (
            "x.csv",
            b"\nclass,text\n",
            &default,
            "x.csv, line 2: column label is missing, found are class, text",
        ),
        ("x.csv", b"label,text,text\n", &default, "x.csv, line 1: column text found 2 times, 1 expected"),
        ("x.csv", b"1,a", &labelled(&[]), "label set: 0 labels found, at least 1 expected"),
        ("x.csv", b"1,a", &labelled(&["a", " "]), "label set, entry 2: a blank label found, a name expected"),
        (
            "x.csv",
            b"1,a",
            &labelled(&["a", "b", "a"]),
            "label set, entry 3: label a found again, allowed once",
        ),
        ("x.csv", b"1,a,b\n1,a\n", &default, "x.csv, line 2: 2 columns found, at least 3 expected"),
        ("x.csv", b"1,a,b\n1\n", &default, "x.csv, line 2: 1 column found, at least 3 expected"),
        ("x.csv", b"1\n", &formatted(Format::AgNews), "x.csv, line 1: 1 column found, at least 2 expected"),
        ("x.csv", b"text,label\na,b,c\n", &default, "x.csv, line 2: 3 columns found, at most 2 expected"),
        ("x.csv", b"1,a\n7,a\n", &four, "x.csv, line 2, column 1: class 7 is unknown, allowed are 1 to 4"),
        ("x.csv", b"0,a\n", &default, "x.csv, line 1, column 1: class 0 is unknown, allowed are 1 to 65536"),
        (
            "x.csv",
            b"text,label\na,Sprots\n",
            &four,
            "x.csv, line 2, column 2: class Sprots is unknown, allowed are World, Sports, Business, Sci/Tech",
        ),
        (
            "x.jsonl",
            br#"{"text":"a","label":"l\n0123456789012345678901234567890123456789"}"#,
            &twelve,
            "x.jsonl, line 1: class l\\n01234567890123456789012345678901234567... is unknown, allowed are l0, l1, l2, \
             l3, l4, l5, l6, l7, l8, l9, ... (12 in all)",
        ),
        (
            "x.jsonl",
            br#"{"text":"a","label":4}"#,
            &four,
            "x.jsonl, line 1: class 4 is unknown, allowed are 0 to 3",
        ),
        ("x.csv", b"text,label\na,\n", &default, "x.csv, line 2: a blank label found, a name expected"),
        (
            "x.jsonl",
            b"{\"text\":\"a\",\"label\":\"x\"}\n{\"text\":\"a\",\"label\":1}",
            &default,
            "x.jsonl, line 2: label 1 is an integer, a string expected as in the rows before",
        ),
        (
            "x.csv",
            b"1,a\n1,ab\n1,abc\xff\n",
            &default,
            "x.csv, line 3, column 2: invalid UTF-8 at byte 3 of the field",
        ),
        ("x.jsonl", b"{\"\xff", &default, "x.jsonl, line 1: invalid UTF-8 at byte 2 of the line"),
        (
            "x.csv",
            b"1,a\n1,\"b\n1,c\n",
            &default,
            "x.csv, line 2, column 2: end of file found inside quotes, a closing quote expected",
        ),
        (
            "x.csv",
            b"1,\"a \"b\" c\"\n",
            &default,
            "x.csv, line 1, column 2: text found after the closing quote, a separator or the end of the row expected",
        ),
        ("x.csv", b"1,abc\n1,abcd\n", &short, "x.csv, line 2: a row of 6 bytes found, at most 5 allowed"),
        (
            "x.csv",
            b"1,a\n\n1,\" \"\n",
            &default,
            "x.csv, line 3: an empty or blank text found, at least 1 visible character expected",
        ),
        ("x.jsonl", b"{\"text\": a}", &default, "x.jsonl, line 1, column 10: expected value"),
        (
            "x.jsonl",
            b"{\"text\": 5, \"label\": \"x\"}",
            &default,
            "x.jsonl, line 1, column 10: invalid type: integer `5`, expected a string",
        ),
        (
            "x.jsonl",
            b"{\"text\": \"a\", \"label\": -1}",
            &default,
            "x.jsonl, line 1, column 25: invalid type: integer `-1`, expected a string or an integer from 0",
        ),
        ("x.jsonl", b"[]", &default, "x.jsonl, line 1, column 0: invalid type: sequence, expected an object"),
        (
            "x.jsonl",
            b"{\"label\": 1, \"label\": 1}",
            &default,
            "x.jsonl, line 1, column 20: key label found again, allowed once",
        ),
        (
            "x.jsonl",
            b"\n{\"text\": \"a\", \"class\": 1}",
            &default,
            "x.jsonl, line 2: key label is missing, found are text, class",
        ),
    ];
    let mut wrong = String::new();
    for (name, content, options, expected) in cases {
        let found = match read(name, content, options) {
            Ok(rows) => format!("{rows:?}"),
            Err(error) => error.to_string(),
        };
        if found != *expected {
            wrong.push_str(&format!("{}\n   found {found}\nexpected {expected}\n", content.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn errors_of_the_file_system_name_the_file() {
    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("cable pulled"))
        }
    }

    let default = ReadOptions::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    let missing = open(&path, &default).unwrap_err();
    assert_eq!(missing.to_string(), format!("{}: no such file", path.display()));
    let error = RowReader::from_reader(Broken, "x.csv", &default).unwrap_err();
    assert_eq!(error.to_string(), "x.csv: cannot be read: cable pulled");
    let error = DataError::io("data", io::ErrorKind::IsADirectory.into());
    assert_eq!(error.to_string(), "data: a folder found, a file expected");
    let error = "xml".parse::<Format>().unwrap_err();
    assert_eq!(error.to_string(), "format xml: unknown, allowed are ag-news, csv, tsv and jsonl");
}

#[test]
#[cfg(unix)]
fn a_folder_is_not_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(folder.path(), &ReadOptions::default()).unwrap_err();
    assert!(matches!(error, DataError::Folder { .. }), "{error}");
}

#[test]
fn a_bad_classes_txt_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    std::fs::write(&path, "1,a\n").unwrap();
    let classes = folder.path().join("classes.txt");
    let place = classes.display();
    for (content, expected) in [
        (&b"a\n\nb\n"[..], ", line 2: a blank label found, a name expected"),
        (b"a\nb\na", ", line 3: label a found again, allowed once"),
        (b"\n", ": 0 labels found, at least 1 expected"),
        (b"a\nb\xff", ", line 2: invalid UTF-8 at byte 1 of the line"),
    ] {
        std::fs::write(&classes, content).unwrap();
        let error = load(&path, &ReadOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), format!("{place}{expected}"));
    }
}

#[test]
fn bad_rows_can_be_skipped_and_are_counted() {
    let options = ReadOptions { skip_bad_rows: true, ..labelled(&["a", "b"]) };
    let content = b"1,x\n3,x\n2\n2,\xff\n1,\"y\"z\n2,w\n";
    let mut reader = RowReader::from_reader(&content[..], "x.csv", &options).unwrap();
    let lines: Vec<u64> = reader.by_ref().map(|row| row.unwrap().line).collect();
    assert_eq!(lines, [1, 6]);
    assert_eq!(reader.skipped(), 4);
    assert!(matches!(
        reader.skip_reasons(),
        [
            DataError::UnknownClass { line: 2, .. },
            DataError::TooFewColumns { line: 3, .. },
            DataError::InvalidUtf8 { line: 4, .. },
            DataError::AfterQuote { line: 5, .. }
        ]
    ));
}

#[test]
fn an_open_quote_ends_the_reading_even_where_bad_rows_are_skipped() {
    let options = ReadOptions { skip_bad_rows: true, max_row_bytes: 4, ..ReadOptions::default() };
    let reader = RowReader::from_reader(&b"1,x\n2,\"y\n3,z\n4,z\n"[..], "x.csv", &options).unwrap();
    let rows: Vec<_> = reader.collect();
    assert!(matches!(rows[..], [Ok(_), Err(DataError::UnterminatedQuote { line: 2, column: 2, .. })]));
}

#[test]
fn a_reader_is_at_its_end_after_an_error_and_after_max_rows() {
    let mut reader = RowReader::from_reader(&b"0,x\n1,y\n"[..], "x.csv", &ReadOptions::default()).unwrap();
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
    let options = ReadOptions { max_rows: Some(1), ..ReadOptions::default() };
    assert_eq!(read("x.csv", b"1,x\n0,y\n", &options).unwrap().len(), 1);
}

#[test]
fn numbered_labels_count_from_where_they_are_said_to() {
    let read = |from, content: &'static str| {
        let options = ReadOptions { numbers_from: Some(from), ..labelled(&["a", "b"]) };
        let rows = RowReader::from_reader(content.as_bytes(), "x.csv", &options).unwrap();
        rows.map(|row| row.map(|row| row.label).map_err(|e| e.to_string())).collect::<Vec<_>>()
    };
    let (first, second) = (Ok(RowLabel::Index(0)), Ok(RowLabel::Index(1)));
    assert_eq!(read(1, "label,text\n1,x\n 2,y\n"), [first.clone(), second.clone()]);
    assert_eq!(read(0, "label,text\n0,x\n1,y\n"), [first, second]);
    for (from, class, allowed) in [(1, "0", "1 to 2"), (0, "2", "0 to 1"), (1, "a", "1 to 2")] {
        let content: &'static str = format!("label,text\n{class},x\n").leak();
        let expected = format!("x.csv, line 2, column 1: class {class} is unknown, allowed are {allowed}");
        assert_eq!(read(from, content), [Err(expected)]);
    }
}
