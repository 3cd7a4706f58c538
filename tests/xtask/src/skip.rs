//! Loud skips: a test that cannot do its work says so here, and returns.
//!
//! libtest hides what a passing test prints, so a line on standard error alone is lost. `cargo xtask test` therefore
//! names a file in the environment variable [`SKIP_LOG`]; each skip appends one line to it, and the run lists and
//! counts them at its end. A crate that does not depend on this one can do the same in five lines: print
//! `SKIPPED: test: reason` to standard error and, when the variable is set, append that line to the file.

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;

/// The environment variable that names the file to which skips are appended.
pub const SKIP_LOG: &str = "TYPECASE_SKIP_LOG";

/// How each line begins.
pub const PREFIX: &str = "SKIPPED:";

/// Records that a test did not do its work: `what` it would have shown, and `why` it could not, with the cure.
///
/// Call it once in a test, then return: the run counts one skipped test for each line. A log that cannot be written
/// is reported on standard error and otherwise ignored, so that a skip never fails a test.
///
/// # Examples
///
/// ```no_run
/// xtask::skip::skipped("accuracy on AG News", "no labelled data; set TYPECASE_DATA");
/// ```
pub fn skipped(what: &str, why: &str) {
    let line = format!("{PREFIX} {what}: {why}").replace(['\r', '\n'], " ");
    eprintln!("{line}");
    let Some(path) = env::var_os(SKIP_LOG) else { return };
    // One write in append mode: lines of tests that run at the same time do not mix.
    let appended = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    if let Err(error) = appended {
        eprintln!("{SKIP_LOG}: cannot append: {error}");
    }
}
