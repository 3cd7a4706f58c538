//! Runs test programs with their output passed on line by line, and counts what libtest says in it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// What libtest counted over all test programs, documentation tests included.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) ignored: usize,
    /// Programs that began their tests and ended without a result.
    pub(super) crashed: usize,
}

/// Runs `cargo test`; returns the counts, and whether it ended with success.
pub(super) fn run(command: &mut Command) -> Result<(Counts, bool)> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cargo test: cannot start")?;
    let mut reader = BufReader::new(child.stdout.take().context("cargo test: no standard output")?);
    let mut counter = Counter::default();
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).context("cargo test: cannot read")? > 0 {
        let mut out = std::io::stdout().lock();
        out.write_all(&line)?;
        out.flush()?;
        counter.line(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    let status = child.wait().context("cargo test")?;
    Ok((counter.finish(), status.success()))
}

/// Follows the lines `running N tests` and `test result: ...`, which come in pairs.
#[derive(Default)]
struct Counter {
    counts: Counts,
    is_running: bool,
}

impl Counter {
    fn line(&mut self, line: &str) {
        if is_start(line) {
            self.counts.crashed += usize::from(self.is_running);
            self.is_running = true;
        } else if let Some(result) = line.strip_prefix("test result: ") {
            self.is_running = false;
            self.counts.passed += number_before(result, "passed");
            self.counts.failed += number_before(result, "failed");
            self.counts.ignored += number_before(result, "ignored");
        }
    }

    fn finish(mut self) -> Counts {
        self.counts.crashed += usize::from(self.is_running);
        self.counts
    }
}

/// `running 3 tests`, and nothing else on the line.
fn is_start(line: &str) -> bool {
    let count = line
        .strip_prefix("running ")
        .and_then(|rest| rest.strip_suffix(" tests").or(rest.strip_suffix(" test")));
    count.is_some_and(|count| count.parse::<usize>().is_ok())
}

/// The number in front of a word, as in `ok. 3 passed; 0 failed; ...`; 0 when it is not there.
fn number_before(result: &str, word: &str) -> usize {
    let part = result.split([';', '.']).find_map(|part| part.trim().strip_suffix(word));
    part.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(output: &str) -> Counts {
        let mut counter = Counter::default();
        output.lines().for_each(|line| counter.line(line));
        counter.finish()
    }

    #[test]
    fn the_results_of_all_programs_add_up() {
        let output = "\nrunning 3 tests\ntest a ... ok\ntest b ... FAILED\n\
            test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 7 filtered out; finished in 0.01s\n\
            running 1 test\n\
            test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s; merged\n";
        assert_eq!(counts(output), Counts { passed: 3, failed: 1, ignored: 4, crashed: 0 });
    }

    #[test]
    fn a_program_without_a_result_has_crashed() {
        let between = "running 2 tests\nrunning 1 test\ntest result: ok. 1 passed; 0 failed; 0 ignored\n";
        assert_eq!(counts(between), Counts { passed: 1, crashed: 1, ..Counts::default() });
        assert_eq!(counts("running 2 tests\ntest a ... ok\n").crashed, 1);
    }

    #[test]
    fn other_lines_count_for_nothing() {
        assert_eq!(counts("running late\nrunning 5 tests of mine\nresult: 3 passed\n"), Counts::default());
    }
}
