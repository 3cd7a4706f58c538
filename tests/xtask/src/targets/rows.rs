//! Programs that print a line on what answers, then for each text: label, scores, flags, parted by tabs.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use super::{Answer, Ran, Refusal};

/// A program with its first arguments; the case follows, the texts come through standard input.
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
}

impl Program {
    pub(crate) fn new<A: AsRef<OsStr>>(path: &Path, arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        Self { path: path.to_owned(), arguments, environment: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    pub(crate) fn classify(&self, case: &Path, texts: &[Vec<u8>]) -> Result<Ran> {
        let input: Vec<u8> = texts.iter().flat_map(|text| [text.as_slice(), b"\n"].concat()).collect();
        let printed = succeeded(feed(&mut self.command(case), input)?)?;
        let mut lines = printed.lines();
        let report = lines.next().context("no line on what answers")?.to_owned();
        Ok(Ran { report, answers: lines.map(|line| answer(line, 1)).collect::<Result<_>>()? })
    }

    pub(super) fn refuse(&self, case: &Path) -> Result<Refusal> {
        refused(&feed(&mut self.command(case), Vec::new())?)
    }

    fn command(&self, case: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).arg(case).envs(self.environment.iter().cloned());
        command
    }
}

/// A line of an answer: its label, its scores in column `scores`, its flags in the last.
pub(super) fn answer(line: &str, scores: usize) -> Result<Answer> {
    let fields: Vec<&str> = line.split('\t').collect();
    let (label, flags) = (fields[0].to_owned(), fields[fields.len() - 1]);
    let wrong = || format!("no answer: {line}");
    ensure!(fields.len() == scores + 2, wrong());
    let scores = fields[scores].split(',').map(str::parse).collect::<Result<_, _>>().with_context(wrong)?;
    let mut answer = Answer { label, scores, truncated: false, abstain: false, invalid: false };
    for flag in flags.split(',') {
        match flag {
            "truncated" => answer.truncated = true,
            "abstain" => answer.abstain = true,
            "invalid" => answer.invalid = true,
            // Said by the firmware of its line buffer, which is no limit of the case.
            "-" | "cut" => {}
            _ => bail!(wrong()),
        }
    }
    Ok(answer)
}

/// Runs a program on some input, which it may leave unread.
pub(super) fn feed(command: &mut Command, input: Vec<u8>) -> Result<Output> {
    let name = command.get_program().to_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("{}: cannot start", name.display()))?;
    let mut stdin = child.stdin.take().with_context(|| format!("{}: no input", name.display()))?;
    let writer = thread::spawn(move || std::io::Write::write_all(&mut stdin, &input).is_ok());
    let output = child.wait_with_output().with_context(|| format!("{}: cannot wait", name.display()))?;
    drop(writer.join());
    Ok(output)
}

/// What a program printed that must have succeeded.
pub(super) fn succeeded(output: Output) -> Result<String> {
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("its output is not UTF-8")
}

/// How a program failed that must have failed.
pub(super) fn refused(output: &Output) -> Result<Refusal> {
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "the case is accepted");
    let line = errors.lines().find(|line| line.starts_with("error: ")).or(errors.lines().last());
    Ok(Refusal { code: output.status.code(), message: line.unwrap_or_default().to_owned() })
}

/// A folder for what programs are given, below the products.
pub(super) fn scratch(root: &Path, name: &str) -> Result<PathBuf> {
    let folder = crate::cross::target_folder(root, name)?;
    fs::create_dir_all(&folder).with_context(|| format!("{}: cannot create", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let found = answer("Sci/Tech\t-1,2\ttruncated,invalid", 1).unwrap();
        assert_eq!((found.label.as_str(), found.scores.as_slice()), ("Sci/Tech", [-1, 2].as_slice()));
        assert_eq!((found.truncated, found.abstain, found.invalid), (true, false, true));
        let firmware = answer("World\t900\t1,2\tcut", 2).unwrap();
        assert_eq!((firmware.scores.as_slice(), firmware.truncated), ([1, 2].as_slice(), false));
        for broken in ["", "World", "World\t1,x\t-", "World\t1\tnew", "World\t9\t1\t-"] {
            assert!(answer(broken, 1).is_err(), "{broken}");
        }
    }
}
