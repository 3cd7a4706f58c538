//! `cargo xtask dist jetson`: the `typecase` command for 64-bit Arm Linux, in `dist/jetson`, tried in an emulator.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cross::{self, AARCH64};

const TARGET: &str = "aarch64-unknown-linux-gnu";
const CASES: [&str; 2] = ["models/news-64k.case", "models/news-1m.case"];
/// Texts that both machines classify.
const TEXTS: [&str; 3] =
    ["models/sample/golden.txt", "models/sample/news-heldout.txt", "models/sample/news.csv"];

/// Builds the command and compares it with the native one.
///
/// # Errors
///
/// When the toolchain is absent, the build fails, or the two do not agree.
pub fn main(root: &Path) -> Result<()> {
    let command = build(root)?;
    let bytes = fs::metadata(&command).with_context(|| command.display().to_string())?.len();
    println!("{}: {bytes} bytes", command.display());
    let texts: Vec<PathBuf> = TEXTS.iter().map(|path| root.join(path)).collect();
    for case in CASES {
        print!("{}", verify(root, &command, case)?);
        println!("{case}: {} texts equal to the native command", compare(root, &command, case, &texts)?);
    }
    Ok(())
}

/// Builds the command into `dist/jetson`.
///
/// # Errors
///
/// When the toolchain is absent or the build fails.
pub fn build(root: &Path) -> Result<PathBuf> {
    let built = build_program(root, &["--package", "typecase-cli"], "typecase")?;
    let dist = root.join("dist/jetson");
    fs::create_dir_all(&dist).with_context(|| format!("{}: cannot create", dist.display()))?;
    let command = dist.join("typecase");
    fs::copy(&built, &command).with_context(|| format!("{}: cannot copy", built.display()))?;
    Ok(command)
}

/// Builds the program that gives a checksum of ids, for the tests.
pub(crate) fn build_ids(root: &Path) -> Result<PathBuf> {
    build_program(root, &["--package", "typecase-tests", "--bin", "ids"], "ids")
}

/// Builds a program of the workspace where cargo puts it.
fn build_program(root: &Path, what: &[&str], name: &str) -> Result<PathBuf> {
    AARCH64.require()?;
    let target = cross::target_folder(root, "aarch64")?;
    let mut cargo = cross::cargo(root);
    cargo
        .args(["build", "--release", "--locked", "--target", TARGET])
        .args(what)
        .arg("--target-dir")
        .arg(&target)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
        .env("CARGO_PROFILE_RELEASE_STRIP", "true");
    cross::run(&mut cargo)?;
    Ok(target.join(TARGET).join("release").join(name))
}

/// What `typecase verify` says of a case in the emulator.
///
/// # Errors
///
/// When it fails: an answer differs from the golden vectors.
pub fn verify(root: &Path, command: &Path, case: &str) -> Result<String> {
    cross::output(emulated(command).arg("verify").arg(root.join(case)))
}

/// Classifies each line of each file on both machines; how many verdicts were equal, which must be all.
///
/// # Errors
///
/// When a command fails or a verdict differs.
pub fn compare(root: &Path, command: &Path, case: &str, files: &[PathBuf]) -> Result<usize> {
    let native = cross::native_command(root)?;
    let mut count = 0;
    for file in files {
        let ours = verdicts(&mut Command::new(&native), &root.join(case), file)?;
        let theirs = verdicts(&mut emulated(command), &root.join(case), file)?;
        if ours.len() != theirs.len() {
            bail!("{}: {} verdicts here, {} there", file.display(), ours.len(), theirs.len());
        }
        for (line, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            if ours != theirs {
                bail!("{}:{}: {ours} here, {theirs} there", file.display(), line + 1);
            }
        }
        count += ours.len();
    }
    Ok(count)
}

/// The objects of `classify --json`, without what may differ: the time.
fn verdicts(command: &mut Command, case: &Path, file: &Path) -> Result<Vec<Value>> {
    let text =
        cross::output(command.args(["classify", "--json", "--case"]).arg(case).arg("--file").arg(file))?;
    let mut verdicts = Vec::new();
    for line in text.lines() {
        let mut verdict: Value = serde_json::from_str(line).context("classify --json: not JSON")?;
        if let Some(fields) = verdict.as_object_mut() {
            fields.remove("microseconds");
        }
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

/// The command for 64-bit Arm, in its emulator.
pub(crate) fn emulated(command: &Path) -> Command {
    let mut emulator = Command::new("qemu-aarch64-static");
    emulator.args(["-cpu", "max", "-L", "/usr/aarch64-linux-gnu"]).arg(command);
    emulator
}
