//! A scanner that knows just enough Rust to tell code from comments and literals.
//!
//! It is no parser: it follows the lexical rules for comments (nested), strings (escaped, raw, byte, C), characters
//! and lifetimes, and leaves everything else alone. Text that is not Rust gives a wrong but harmless answer.

/// The source with every comment, string and character literal blanked out: each of their characters except the line
/// feeds becomes a space, so lines keep their numbers.
pub fn code_only(source: &str) -> String {
    let mut scanner = Scanner { rest: source, out: String::with_capacity(source.len()) };
    scanner.run();
    scanner.out
}

/// The lines, from 1, on which a word stands in code (as [`code_only`] leaves it), once for each occurrence.
pub fn lines_with_word(code: &str, word: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let found = line.split(|c: char| !is_word(c)).filter(|token| *token == word).count();
        lines.extend(std::iter::repeat_n(index + 1, found));
    }
    lines
}

/// Whether code (as [`code_only`] leaves it) has an attribute, written without white space: `#![no_std]`.
pub fn has_attribute(code: &str, attribute: &str) -> bool {
    let dense: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    dense.contains(attribute)
}

struct Scanner<'a> {
    rest: &'a str,
    out: String,
}

impl Scanner<'_> {
    fn run(&mut self) {
        while let Some(first) = self.rest.chars().next() {
            if self.rest.starts_with("//") {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.blank(end);
            } else if self.rest.starts_with("/*") {
                self.blank(block_comment_len(self.rest));
            } else if first == '"' {
                self.blank(string_len(self.rest));
            } else if first == '\'' {
                match char_literal_len(self.rest) {
                    Some(len) => self.blank(len),
                    None => self.keep(1),
                }
            } else if is_word(first) {
                self.word();
            } else {
                self.keep(first.len_utf8());
            }
        }
    }

    /// A word, and the raw string that it may open.
    fn word(&mut self) {
        let len = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let word = self.rest.get(..len).unwrap_or_default();
        let opens_raw = matches!(word, "r" | "br" | "cr");
        self.keep(len);
        if !opens_raw {
            return;
        }
        let hashes = self.rest.chars().take_while(|c| *c == '#').count();
        if self.rest.get(hashes..).is_some_and(|after| after.starts_with('"')) {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = self.rest.get(hashes + 1..).unwrap_or_default();
            let end = body.find(&close).map_or(self.rest.len(), |at| hashes + 1 + at + close.len());
            self.blank(end);
        }
    }

    fn keep(&mut self, len: usize) {
        let (kept, rest) = self.rest.split_at(len);
        self.out.push_str(kept);
        self.rest = rest;
    }

    fn blank(&mut self, len: usize) {
        let (gone, rest) = self.rest.split_at(len);
        self.out.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

/// Bytes of the nested comment at the start, or of all that is left when it is not closed.
fn block_comment_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (at, depth) = (at + 2, depth + 1),
            Some(b"*/") => (at, depth) = (at + 2, depth.saturating_sub(1)),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Bytes of the escaped string at the start, quotes included.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Bytes of the character literal at the start, or `None` when the quote opens a lifetime or a label.
fn char_literal_len(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    match chars.next()?.1 {
        '\\' => {
            chars.next()?;
            chars.find(|(_, c)| *c == '\'').map(|(at, _)| at + 1)
        }
        _ => chars.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 1),
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source, and the lines on which `unsafe` is code.
    const ROWS: &[(&str, &[usize])] = &[
        ("unsafe { f() }", &[1]),
        ("fn a() {}\nunsafe fn b() { unsafe {} }", &[2, 2]),
        ("// unsafe\n/// unsafe\n//! unsafe\nfn f() {}", &[]),
        ("/* unsafe /* unsafe */ unsafe */ unsafe", &[1]),
        ("/* open unsafe", &[]),
        ("\"unsafe \\\" unsafe\" ; unsafe", &[1]),
        ("\"one\nunsafe\nthree\"\nunsafe", &[4]),
        ("r\"unsafe \\\" ; unsafe", &[1]),
        ("r#\"unsafe \" unsafe\"# + br##\"unsafe \"# \"## + cr\"unsafe\"", &[]),
        ("b\"unsafe\" c\"unsafe\" b'u'", &[]),
        ("'\"' unsafe '\"'", &[1]),
        ("'\\'' unsafe '\\\\' unsafe '\\u{1F600}' unsafe", &[1, 1, 1]),
        ("fn f<'a, 'unsafe_>(x: &'a str) -> &'a str { unsafe { x } }", &[1]),
        ("'label: loop { break 'label; } unsafe", &[1]),
        ("'é' \"é\" // é unsafe\nunsafe", &[2]),
        ("#![forbid(unsafe_code)] not_unsafe unsafety", &[]),
        ("#[unsafe(no_mangle)] fn f() {}", &[1]),
        ("let r#type = r#fn; unsafe", &[1]),
        ("for r in 0..1 {} \"unsafe\" a/b unsafe", &[1]),
    ];

    #[test]
    fn a_word_counts_only_in_code() {
        let wrong: Vec<_> = ROWS
            .iter()
            .map(|(source, lines)| (source, lines_with_word(&code_only(source), "unsafe"), *lines))
            .filter(|(_, found, expected)| found != expected)
            .collect();
        assert!(wrong.is_empty(), "source, found, expected: {wrong:#?}");
    }

    #[test]
    fn blanking_keeps_every_line_in_its_place() {
        for (source, _) in ROWS {
            assert_eq!(source.lines().count(), code_only(source).lines().count(), "{source}");
        }
    }

    #[test]
    fn an_attribute_is_found_whatever_its_spacing_but_not_in_a_comment() {
        assert!(has_attribute(&code_only("#![ forbid( unsafe_code ) ]"), "#![forbid(unsafe_code)]"));
        assert!(!has_attribute(&code_only("// #![no_std]"), "#![no_std]"));
    }

    #[test]
    fn broken_source_is_scanned_to_its_end() {
        for source in ["\"", "'", "'\\", "r#\"", "r#", "/*", "/", "b'", "'é", "\"\\"] {
            assert_eq!(code_only(source).chars().count(), source.chars().count(), "{source}");
        }
    }
}
