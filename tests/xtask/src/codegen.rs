//! Sources that a program writes: `cargo xtask codegen`.
//!
//! A generator returns the text of one file. Rust is passed through rustfmt, so that a generated file looks like any
//! other; `--check` and the tidy test compare it with what is committed.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::tidy::Violation;

mod header;
pub mod subword;
pub mod subword_split;
pub mod unicode;

/// One generated file.
struct Generator {
    /// Where it is written, relative to the top folder.
    path: &'static str,
    /// Its text, Rust before rustfmt, made for the workspace at this path.
    source: fn(&Path) -> Result<String>,
}

const GENERATORS: &[Generator] = &[
    Generator { path: "runtime/text/src/tables.rs", source: |_| unicode::source() },
    Generator { path: "runtime/text/src/subword/tables.rs", source: |_| subword::classes() },
    Generator {
        path: "runtime/text/src/subword/tables_decompositions.rs",
        source: |_| subword::decompositions(),
    },
    Generator { path: "runtime/text/src/subword/tables_pool.rs", source: |_| subword::pool() },
    Generator { path: "runtime/text/src/subword/split_tables.rs", source: |_| subword_split::source() },
    Generator { path: "targets/ffi/include/typecase.h", source: header::source },
];

/// Writes every generated file whose text has changed, and returns the paths of those.
///
/// # Errors
///
/// When a generator or rustfmt fails, or a file cannot be written.
pub fn write(root: &Path) -> Result<Vec<&'static str>> {
    let mut written = Vec::new();
    for generator in GENERATORS {
        let fresh = generate(generator, root)?;
        let target = root.join(generator.path);
        if fs::read_to_string(&target).ok().as_deref() != Some(&fresh) {
            fs::write(&target, fresh).with_context(|| format!("{}: cannot write", generator.path))?;
            written.push(generator.path);
        }
    }
    Ok(written)
}

/// One violation, at the first line that differs, for each generated file that is not what its generator writes.
///
/// # Errors
///
/// When a generator or rustfmt fails.
pub fn differences(root: &Path) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for generator in GENERATORS {
        let fresh = generate(generator, root)?;
        let committed = fs::read_to_string(root.join(generator.path)).unwrap_or_default();
        violations.extend(difference(generator.path, &committed, &fresh));
    }
    Ok(violations)
}

fn difference(path: &str, committed: &str, fresh: &str) -> Option<Violation> {
    if committed == fresh {
        return None;
    }
    let same = committed.lines().zip(fresh.lines()).take_while(|(old, new)| old == new).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("the end of the file").trim().to_owned();
    let message = format!(
        "found `{}`, its generator writes `{}`; run `cargo xtask codegen`",
        line(committed),
        line(fresh)
    );
    Some(Violation::new(path, same + 1, message))
}

fn generate(generator: &Generator, root: &Path) -> Result<String> {
    let source = (generator.source)(root).with_context(|| format!("{}: generator", generator.path))?;
    if !generator.path.ends_with(".rs") {
        return Ok(source);
    }
    formatted(&source, root).with_context(|| format!("{}: rustfmt", generator.path))
}

/// The source as rustfmt leaves it with the settings of the workspace.
fn formatted(source: &str, root: &Path) -> Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .current_dir(root)
        .args(["--edition", "2024", "--emit", "stdout", "--config-path"])
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start; `rustup component add rustfmt` installs it")?;
    // rustfmt reads all of its input before it writes, so the two pipes cannot block each other.
    let mut input = rustfmt.stdin.take().context("no standard input")?;
    input.write_all(source.as_bytes())?;
    drop(input);
    let output = rustfmt.wait_with_output()?;
    if !output.status.success() {
        bail!("{}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_reported_at_its_first_line_with_both_texts() {
        assert_eq!(difference("t.rs", "a\nb\n", "a\nb\n"), None);
        let found = difference("t.rs", "a\nb\n", "a\nc\n").unwrap();
        assert_eq!(
            found.to_string(),
            "t.rs:2: found `b`, its generator writes `c`; run `cargo xtask codegen`"
        );
        assert_eq!(difference("t.rs", "", "a\n").unwrap().line, 1);
        assert_eq!(difference("t.rs", "a\nb\n", "a\n").unwrap().line, 2);
    }
}
