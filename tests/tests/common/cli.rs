//! The built command, run in a temporary folder of its own: what the suites of the command line share.
#![allow(dead_code, reason = "each suite uses a part")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::{env, fs};

use tempfile::TempDir;
use xtask::test_run::TYPECASE_BIN;

/// Labelled text that was written for this project.
pub(crate) const SAMPLE_CSV: &str = include_str!("../../../models/sample/news.csv");

/// The program: the one that the environment names, else one that is built here, once.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| env::var_os(TYPECASE_BIN).map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--release", "--package", "typecase-cli", "--message-format", "json"];
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(xtask::workspace_root().unwrap())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "the command does not build");
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut paths = messages.lines().rev().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    paths.next().expect("cargo names the program that it built")
}

/// How a run ended, and what it said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command writes UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Answer {
    /// The standard output of a run that must have done its work.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// The line of error and the line of help of a run that must have ended with `code`: one line and at most one
    /// line, the last of standard error.
    #[track_caller]
    pub(crate) fn failure(&self, code: i32) -> (&str, Option<&str>) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let lines: Vec<&str> = self.err.lines().collect();
        let (errors, helps) = (starting(&lines, "error: "), starting(&lines, "help: "));
        let from = lines.len().saturating_sub(1 + helps.len());
        let order = errors == [from] && (helps.is_empty() || helps == [from + 1]);
        assert!(order, "not one line of error, then at most one of help:\n{}", self.err);
        (lines[from], helps.first().map(|&at| lines[at]))
    }
}

fn starting(lines: &[&str], with: &str) -> Vec<usize> {
    lines.iter().enumerate().filter(|(_, line)| line.starts_with(with)).map(|(at, _)| at).collect()
}

/// A temporary folder in which the command runs, so that every path in a message is short and always the same.
pub(crate) struct Sandbox(TempDir);

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Names in a folder, sorted.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The command, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(program(), arguments)
    }

    /// Another program, as if it were the command.
    pub(crate) fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("TYPECASE_DATA")
            // Without one Mesa's Vulkan writes to standard error.
            .env("XDG_RUNTIME_DIR", self.0.path())
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the command; its arguments are parted by single spaces.
    pub(crate) fn run(&self, line: &str) -> Answer {
        self.command(&words(line)).output().unwrap().into()
    }

    /// Runs the command with something on its standard input, small enough for a pipe.
    pub(crate) fn feed(&self, line: &str, input: &[u8]) -> Answer {
        let mut child = self.command(&words(line)).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap().into()
    }
}

pub(crate) fn words(line: &str) -> Vec<&str> {
    line.split(' ').filter(|word| !word.is_empty()).collect()
}

/// Lines of JSON.
pub(crate) fn json(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}
