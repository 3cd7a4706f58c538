//! `cargo xtask dist jetson`: the `typecase` command for 64-bit Arm Linux, in `dist/jetson`, tried in an emulator.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cross::{self, AARCH64};

const TARGET: &str = "aarch64-unknown-linux-gnu";
const CASES: [&str; 2] = ["models/news-64k.case", "models/news-1m.case"];
/// Says how many inputs each operator of a kernel is tried with.
const KERNEL_INPUTS: &str = "TYPECASE_KERNEL_INPUTS";
const FEW_INPUTS: &str = "400";
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

/// Builds the program that gives exact scores.
///
/// # Errors
///
/// When the toolchain is absent or the build fails.
pub fn build_scores(root: &Path) -> Result<PathBuf> {
    build_program(root, &["--package", "typecase-tests", "--bin", "scores"], "scores")
}

/// Builds a program of the workspace where cargo puts it.
fn build_program(root: &Path, what: &[&str], name: &str) -> Result<PathBuf> {
    let target = cross::target_folder(root, "aarch64")?;
    cross::run(cargo(root, "build")?.args(what))?;
    Ok(target.join(TARGET).join("release").join(name))
}

/// Builds the test of the kernels.
///
/// # Errors
///
/// When the toolchain is absent or the build fails.
pub fn build_kernel_test(root: &Path) -> Result<PathBuf> {
    let mut cargo = cargo(root, "test")?;
    cargo.args([
        "--no-run",
        "--message-format",
        "json",
        "--package",
        "typecase-kernels",
        "--test",
        "encoder",
    ]);
    for line in cross::output(&mut cargo)?.lines() {
        let message: Value = serde_json::from_str(line).context("cargo: not JSON")?;
        if let Some(path) = message["executable"].as_str() {
            return Ok(PathBuf::from(path));
        }
    }
    bail!("cargo names no test program")
}

fn cargo(root: &Path, command: &str) -> Result<Command> {
    AARCH64.require()?;
    let mut cargo = cross::cargo(root);
    cargo
        .args([command, "--release", "--locked", "--target", TARGET, "--target-dir"])
        .arg(cross::target_folder(root, "aarch64")?)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
        .env("CARGO_PROFILE_RELEASE_STRIP", "true");
    Ok(cargo)
}

/// What the test of the kernels says of one of them, on a CPU that the emulator knows; with as many inputs as
/// `TYPECASE_KERNEL_INPUTS` says, else with a few.
///
/// # Errors
///
/// When a kernel is not there or gives another answer than the specification.
pub fn test_kernel(test: &Path, cpu: &str, kernel: &str) -> Result<String> {
    let mut command = emulated_as(cpu, test);
    if env::var_os(KERNEL_INPUTS).is_none() {
        command.env(KERNEL_INPUTS, FEW_INPUTS);
    }
    cross::output(command.arg("--nocapture").env("TYPECASE_KERNEL", kernel))
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
    emulated_as("max", command)
}

/// A program for 64-bit Arm, on a CPU that the emulator knows.
#[must_use]
pub fn emulated_as(cpu: &str, program: &Path) -> Command {
    let [emulator, words @ ..] = cross::aarch64_emulator(cpu);
    let mut command = Command::new(emulator);
    command.args(words).arg(program);
    command
}
