//! Rules for every file, whatever it holds.

use super::{SourceFile, Tree, Violation};

/// Longest source file in lines.
const MAX_LINES: usize = 800;

/// Source files that may be longer than [`MAX_LINES`], each with the reason. An entry that is no longer needed is
/// itself a violation.
const LONG_FILES: &[(&str, &str)] = &[];

/// Largest file in bytes, outside `models/`.
const MAX_BYTES: u64 = 2 << 20;

/// Absolute paths into somebody's home; written in two parts so that this file does not contain them.
const HOMES: [&str; 2] = [concat!("/root", "/"), concat!("/home", "/")];

/// Data rather than source: white space and line ends are part of it.
const DATA: &[&str] = &[".csv", ".tsv", ".jsonl", ".txt", ".patch"];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = stale_exceptions(tree, LONG_FILES);
    for file in tree.files() {
        whole_file(file, &mut violations);
        let Some(text) = &file.text else { continue };
        home_paths(file, text, &mut violations);
        if !is_data(&file.path) {
            white_space(file, text, &mut violations);
        }
    }
    violations
}

fn whole_file(file: &SourceFile, violations: &mut Vec<Violation>) {
    let path = &file.path;
    if file.bytes > MAX_BYTES && !path.starts_with("models/") {
        let message = format!("file of {} bytes, {MAX_BYTES} allowed outside models/", file.bytes);
        violations.push(Violation::new(path, 1, message));
    }
    if path.rsplit('/').next() == Some("mod.rs") {
        violations.push(Violation::new(
            path,
            1,
            "module named mod.rs, name it after its folder: foo.rs beside foo/",
        ));
    }
    let lines = line_count(file);
    if lines > MAX_LINES && !LONG_FILES.iter().any(|(allowed, _)| allowed == path) {
        let message = format!("{lines} lines, {MAX_LINES} allowed; split it, or give a reason in LONG_FILES");
        violations.push(Violation::new(path, MAX_LINES + 1, message));
    }
}

/// Lines of a Rust file; 0 for any other.
fn line_count(file: &SourceFile) -> usize {
    if file.path.ends_with(".rs") { file.text.as_deref().unwrap_or_default().lines().count() } else { 0 }
}

fn stale_exceptions(tree: &Tree, exceptions: &[(&str, &str)]) -> Vec<Violation> {
    let is_long =
        |path: &str| tree.files().iter().any(|file| file.path == path && line_count(file) > MAX_LINES);
    let stale = exceptions.iter().filter(|(path, _)| !is_long(path));
    let message = "in LONG_FILES of tidy, but not longer than allowed: remove the entry";
    stale.map(|(path, _)| Violation::new(path, 1, message)).collect()
}

fn home_paths(file: &SourceFile, text: &str, violations: &mut Vec<Violation>) {
    for (index, line) in text.lines().enumerate() {
        if HOMES.iter().any(|home| starts_a_path(line, home)) {
            let message = "absolute path into a home folder, only relative paths are allowed";
            violations.push(Violation::new(&file.path, index + 1, message));
        }
    }
}

/// Whether `prefix` stands in the line as the start of a path, not in the middle of one (as in a web address).
fn starts_a_path(line: &str, prefix: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "._-~}".contains(c);
    line.match_indices(prefix).any(|(at, _)| !line[..at].ends_with(inside))
}

fn white_space(file: &SourceFile, text: &str, violations: &mut Vec<Violation>) {
    let path = &file.path;
    for (index, line) in text.split('\n').enumerate() {
        let mut wrong = |message: &str| violations.push(Violation::new(path, index + 1, message));
        if line.ends_with('\r') {
            wrong("line ends in CR LF, LF allowed");
        } else if line.ends_with([' ', '\t']) {
            wrong("white space at the end of the line, none allowed");
        }
        if path.ends_with(".rs") && line.contains('\t') {
            wrong("tab in Rust source, spaces allowed");
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        let last = text.lines().count();
        violations.push(Violation::new(path, last, "no line feed at the end of the file, one needed"));
    }
}

fn is_data(path: &str) -> bool {
    path.starts_with("tests/golden/") || DATA.iter().any(|ending| path.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_reports_its_line_and_nothing_else() {
        let long = "//\n".repeat(MAX_LINES + 1);
        let rows: &[(&str, &str, &[usize])] = &[
            ("a.rs", "fn f() {}\n", &[]),
            ("a.rs", "", &[]),
            ("a.rs", "one\ntwo \n", &[2]),
            ("a.md", "one\ntwo  \n", &[2]),
            ("a.csv", "one \r\ntwo", &[]),
            ("tests/golden/a.json", "one \r\n\n", &[]),
            ("a.rs", "one\r\n", &[1]),
            ("a.rs", "\tone\n", &[1]),
            ("Makefile", "\tone\n", &[]),
            ("a.rs", "one\ntwo", &[2]),
            ("src/mod.rs", "one\n", &[1]),
            ("a.rs", &long, &[MAX_LINES + 1]),
            ("a.md", &long, &[]),
            ("a.md", concat!("see /home", "/me/x\n"), &[1]),
            ("a.md", concat!("`/root", "/x`\n"), &[1]),
            ("a.md", concat!("https://example.org/home", "/x\n"), &[]),
            ("a.sh", concat!("\"${STAGE}/root", "/x\"\n"), &[]),
        ];
        let mut wrong = Vec::new();
        for (path, text, lines) in rows {
            let found: Vec<_> = check(&Tree::of(&[(path, text)])).iter().map(|v| v.line).collect();
            if found != *lines {
                wrong.push((path, text, found));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn size_counts_everywhere_but_in_models() {
        let file = |path: &str| SourceFile { path: path.to_owned(), bytes: MAX_BYTES + 1, text: None };
        let tree = Tree { files: vec![file("models/a.case"), file("tests/a.bin")] };
        let found: Vec<_> = check(&tree).into_iter().map(|v| v.path).collect();
        assert_eq!(found, ["tests/a.bin"]);
    }

    #[test]
    fn an_exception_that_is_not_needed_is_reported() {
        let tree = Tree::of(&[("a.rs", "one\n"), ("b.rs", &"//\n".repeat(MAX_LINES + 1))]);
        let found = stale_exceptions(&tree, &[("a.rs", "r"), ("b.rs", "r"), ("gone.rs", "r")]);
        assert_eq!(found.iter().map(|v| v.path.as_str()).collect::<Vec<_>>(), ["a.rs", "gone.rs"]);
    }
}
