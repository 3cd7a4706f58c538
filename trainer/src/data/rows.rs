//! Where one row ends and the next begins.
//!
//! The `csv` crate reads fields but neither bounds a row's length nor says that a quote was never closed, so
//! the rows are cut here, by the same four states, and handed to it one at a time.

use std::io;

use super::source::Source;

/// Cuts a source into rows.
pub(super) struct Rows {
    source: Source,
    /// The separator of quoted fields; `None` where a row is simply a line.
    separator: Option<u8>,
    limit: usize,
    line: u64,
}

/// A row that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The line on which it starts, from 1.
    pub(super) line: u64,
    /// What is wrong with it, if anything.
    pub(super) fault: Option<Fault>,
}

/// What can be wrong with a row before its fields are read. Columns count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is longer than the limit, and incomplete.
    TooLong { found: u64 },
    /// A field goes on after its closing quote.
    AfterQuote { column: u64 },
    /// The input ended inside quotes.
    Unterminated { column: u64 },
}

/// Where in a row the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote inside quotes: closing if a separator or a line end follows, half of a doubled one
    /// otherwise.
    QuoteSeen,
    /// After a closing quote and a carriage return, which must belong to the line end.
    ReturnSeen,
}

/// A row as far as it was scanned.
struct Scan {
    state: State,
    column: u64,
    after_quote: Option<u64>,
    lines: u64,
}

impl Rows {
    pub(super) fn new(source: Source, limit: usize) -> Self {
        Self { source, separator: None, limit, line: 1 }
    }

    /// Fields are separated by `separator` and may be quoted, from the next row on.
    pub(super) fn set_separator(&mut self, separator: u8) {
        self.separator = Some(separator);
    }

    pub(super) fn into_source(self) -> Source {
        self.source
    }

    /// Puts the next row that is not empty into `row`, without its line end; `None` at the end of the input.
    pub(super) fn next_into(&mut self, row: &mut Vec<u8>) -> io::Result<Option<Cut>> {
        loop {
            row.clear();
            let line = self.line;
            let mut scan = Scan { state: State::FieldStart, column: 1, after_quote: None, lines: 0 };
            let (mut length, mut last) = (0u64, None);
            let mut complete = false;
            // One byte over the limit, as the last may be the carriage return of the line end.
            let room = self.limit.saturating_add(1);
            while !complete {
                let chunk = self.source.chunk()?;
                if chunk.is_empty() {
                    break;
                }
                let end = match self.separator {
                    Some(separator) => scan.row_end(chunk, separator),
                    None => chunk.iter().position(|&byte| byte == b'\n'),
                };
                complete = end.is_some();
                let content = &chunk[..end.unwrap_or(chunk.len())];
                row.extend_from_slice(&content[..content.len().min(room - row.len())]);
                length += content.len() as u64;
                last = content.last().copied().or(last);
                let used = content.len() + usize::from(complete);
                self.source.consume(used);
            }
            if length == 0 && !complete {
                return Ok(None);
            }
            self.line += scan.lines + u64::from(complete);
            if last == Some(b'\r') {
                length -= 1;
                row.truncate(usize::try_from(length).unwrap_or(usize::MAX));
            }
            if length == 0 {
                continue;
            }
            let fault = if !complete && scan.state == State::Quoted {
                Some(Fault::Unterminated { column: scan.column })
            } else if length > self.limit as u64 {
                Some(Fault::TooLong { found: length })
            } else {
                scan.after_quote.map(|column| Fault::AfterQuote { column })
            };
            return Ok(Some(Cut { line, fault }));
        }
    }
}

impl Scan {
    /// Where in `chunk` the line end of the row stands; otherwise the state after all of it.
    fn row_end(&mut self, chunk: &[u8], separator: u8) -> Option<usize> {
        for (at, &byte) in chunk.iter().enumerate() {
            self.state = match (self.state, byte) {
                (State::Quoted, b'"') => State::QuoteSeen,
                (State::Quoted, _) => {
                    self.lines += u64::from(byte == b'\n');
                    State::Quoted
                }
                (_, b'\n') => return Some(at),
                (State::FieldStart, b'"') | (State::QuoteSeen, b'"') => State::Quoted,
                (State::FieldStart | State::Plain | State::QuoteSeen, _) if byte == separator => {
                    self.column += 1;
                    State::FieldStart
                }
                (State::FieldStart | State::Plain, _) => State::Plain,
                (State::QuoteSeen, b'\r') => State::ReturnSeen,
                (State::QuoteSeen | State::ReturnSeen, _) => {
                    self.after_quote.get_or_insert(self.column);
                    if byte == separator {
                        self.column += 1;
                        State::FieldStart
                    } else {
                        State::Plain
                    }
                }
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(bytes: &'static [u8], separator: Option<u8>, limit: usize) -> Vec<(String, Cut)> {
        let mut rows = Rows::new(Source::new(Box::new(bytes)), limit);
        rows.separator = separator;
        let mut all = Vec::new();
        let mut row = Vec::new();
        while let Some(cut) = rows.next_into(&mut row).unwrap() {
            all.push((String::from_utf8(row.clone()).unwrap(), cut));
        }
        all
    }

    #[test]
    fn rows_are_cut_at_line_ends_outside_quotes() {
        let good = |row: &str, line| (row.to_owned(), Cut { line, fault: None });
        for (bytes, separator, expected) in [
            (&b""[..], None, vec![]),
            (b"\n\r\n\n", Some(b','), vec![]),
            (b"a\nb", None, vec![good("a", 1), good("b", 2)]),
            (b"a\r\n\r\nb\r\n", Some(b','), vec![good("a", 1), good("b", 3)]),
            (b"\"a\nb\",\"c\"\r\nd", Some(b','), vec![good("\"a\nb\",\"c\"", 1), good("d", 3)]),
            (b"\"a\"\"\nb\"\nc", Some(b','), vec![good("\"a\"\"\nb\"", 1), good("c", 3)]),
            (b"a\"b\nc\t\"d\te\nf\"", Some(b'\t'), vec![good("a\"b", 1), good("c\t\"d\te\nf\"", 2)]),
            (b"\"a\nb", None, vec![good("\"a", 1), good("b", 2)]),
            (b"\"a\"\r", Some(b','), vec![good("\"a\"", 1)]),
        ] {
            assert_eq!(cut(bytes, separator, 100), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn faults_are_named_with_their_column() {
        for (bytes, limit, expected) in [
            (&b"1,\"abc"[..], 100, vec![Fault::Unterminated { column: 2 }]),
            (b"1,\"a\" b,\"c\"", 100, vec![Fault::AfterQuote { column: 2 }]),
            (b"1,\"a\"\rb", 100, vec![Fault::AfterQuote { column: 2 }]),
            (b"1,\"a\"\r,b", 100, vec![Fault::AfterQuote { column: 2 }]),
            (
                b"abcd\r\nabcde\r\nabcdefg\nab",
                4,
                vec![Fault::TooLong { found: 5 }, Fault::TooLong { found: 7 }],
            ),
            (b"\"ab\ncdefg", 4, vec![Fault::Unterminated { column: 1 }]),
        ] {
            let found: Vec<Fault> =
                cut(bytes, Some(b','), limit).into_iter().filter_map(|(_, cut)| cut.fault).collect();
            assert_eq!(found, expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn an_over_long_row_is_never_held_whole() {
        let mut rows = Rows::new(Source::new(Box::new(io::Read::take(io::repeat(b'x'), 1 << 20))), 10);
        let mut row = Vec::new();
        let cut = rows.next_into(&mut row).unwrap().unwrap();
        assert_eq!(cut.fault, Some(Fault::TooLong { found: 1 << 20 }));
        assert_eq!(row.len(), 11);
    }
}
