//! Bad input, each with its exact message and exit code 2: nothing on standard output, one line of error, at most one
//! line of help.
//!
//! Rows are command lines; what they say stands in `golden/bad_input.txt`, which `UPDATE_GOLDEN=1` writes anew. Every
//! row runs in a folder of its own, with the same files in it.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

#[path = "common/checkpoints.rs"]
mod checkpoints;
#[path = "common/cli.rs"]
mod cli;
#[path = "cli_bad_input/files.rs"]
mod files;
#[path = "cli_bad_input/rows.rs"]
mod rows;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use cli::Sandbox;
use rows::ROWS;

/// What a row said, as it stands in the golden file.
fn answer((name, line): (&str, &str)) -> String {
    let sandbox = Sandbox::new();
    files::furnish(&sandbox);
    let answer = if line.ends_with(" -") || line.contains(" - ") {
        sandbox.feed(line, files::STANDARD_INPUT)
    } else {
        sandbox.run(line)
    };
    answer.failure(2);
    assert_eq!(answer.out, "", "{name}: errors belong on standard error");
    assert!(!answer.err.contains("panicked"), "{name}: {}", answer.err);
    for line in answer.err.lines() {
        assert!(line.len() < 600, "{name}: a line of {} bytes", line.len());
        assert!(!line.contains(char::is_control), "{name}: {line:?}");
    }
    format!("# {name}\n$ typecase {}\n{}", line.escape_debug(), answer.err)
}

#[test]
fn bad_input_ends_with_code_2_and_its_exact_message() {
    let names: BTreeSet<_> = ROWS.iter().map(|row| row.0).collect();
    assert_eq!(names.len(), ROWS.len(), "two rows have the same name");

    // A program takes milliseconds: as many at a time as there are cores.
    let answers = Mutex::new(vec![Err("did not run".to_owned()); ROWS.len()]);
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let row = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(&(name, line)) = ROWS.get(row) else { break };
                    let found = std::panic::catch_unwind(|| answer((name, line)));
                    let found = found.map_err(|_| format!("{name}: $ typecase {line}"));
                    answers.lock().unwrap()[row] = found;
                }
            });
        }
    });

    let mut text = String::new();
    let mut failed = Vec::new();
    for answer in answers.into_inner().unwrap() {
        match answer {
            Ok(answer) => writeln!(text, "{answer}").unwrap(),
            Err(what) => failed.push(what),
        }
    }
    assert!(failed.is_empty(), "{} rows failed, see above: {failed:#?}", failed.len());

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/bad_input.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let changed: Vec<String> = differences(&golden, &text);
    assert!(
        changed.is_empty(),
        "messages changed; UPDATE_GOLDEN=1 writes them anew:\n{}",
        changed.join("\n")
    );
}

/// The entries that differ, both ways.
fn differences(golden: &str, found: &str) -> Vec<String> {
    let entries =
        |text: &str| -> BTreeSet<String> { text.split("\n\n").map(|e| e.trim().to_owned()).collect() };
    let (golden, found) = (entries(golden), entries(found));
    let gone = golden.difference(&found).map(|entry| format!("expected: {entry}"));
    gone.chain(found.difference(&golden).map(|entry| format!("found: {entry}"))).collect()
}

#[test]
fn no_bad_input_leaves_a_file_behind() {
    let table = [
        "convert checkpoint -o folder",
        "convert checkpoint -o nowhere/new.case",
        "convert checkpoint-cut -o new.case",
        "convert checkpoint -o new.case --calibration class.csv",
        "convert checkpoint -o new.case --max-drop 101",
        "eval --case ok.case --data class.csv --report new.html",
        "eval --case ok.case --data good.csv --report nowhere/new.html",
    ];
    for line in table {
        let sandbox = Sandbox::new();
        files::furnish(&sandbox);
        let before = sandbox.list(".");
        sandbox.run(line).failure(2);
        assert_eq!(sandbox.list("."), before, "{line}");
    }
}
