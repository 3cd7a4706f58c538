//! 64-bit Arm Linux: the command gives the answers of the native one, to the last digit of its JSON; every kernel of the
//! encoder equals the specification, and each CPU takes its own.
//!
//! A million inputs for each of them, which takes hours in the emulator:
//! ```text
//! TYPECASE_KERNEL_INPUTS=1000000 cargo test --release -p typecase-tests --test aarch64 kernels
//! ```
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use typecase_tests::encoder;
use xtask::cross::AARCH64;
use xtask::{jetson, skip, texts, workspace_root};

/// CPUs of the emulator, and the kernel that each takes.
const CPUS: [(&str, &str); 3] = [("cortex-a53", "neon"), ("neoverse-n1", "dotprod"), ("max", "i8mm")];

#[test]
fn the_command_for_jetson_gives_the_native_answers() {
    if let Some(missing) = AARCH64.missing() {
        return skip::skipped("the answers of the command for 64-bit Arm Linux", &missing);
    }
    let root = workspace_root().unwrap();
    let command = jetson::build(&root).unwrap();
    let hostile = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&hostile, [b"\n\xFF\xFE bad \xC3\n\0\x01\n".as_slice(), &b"oil ".repeat(50_000)].concat())
        .unwrap();
    let sample =
        ["golden.txt", "news-heldout.txt", "news.csv"].map(|name| root.join("models/sample").join(name));
    let files: Vec<PathBuf> = sample.into_iter().chain([hostile.path().to_owned()]).collect();
    for case in ["models/news-64k.case", "models/news-1m.case"] {
        assert!(jetson::verify(&root, &command, case).unwrap().contains("golden vectors exact"), "{case}");
        assert!(jetson::compare(&root, &command, case, &files).unwrap() > 100, "{case}");
    }
}

#[test]
fn kernels_equal_the_specification_on_the_cpus_that_take_them() {
    if let Some(missing) = AARCH64.missing() {
        return skip::skipped("kernels of 64-bit Arm", &missing);
    }
    let test = jetson::build_kernel_test(&workspace_root().unwrap()).unwrap();
    for (cpu, kernel) in CPUS {
        let said = jetson::test_kernel(&test, cpu, kernel).unwrap();
        // The fastest comes last.
        let is_fastest =
            |line: &str| line.contains("kernels: scalar, ") && line.ends_with(&format!("-{kernel}"));
        assert!(said.lines().any(is_fastest), "{cpu}: {said}");
    }
}

#[test]
fn scores_of_an_encoder_are_those_of_this_machine() {
    if let Some(missing) = AARCH64.missing() {
        return skip::skipped("scores of an encoder on 64-bit Arm", &missing);
    }
    let root = workspace_root().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [case, input] = ["encoder.case", "texts"].map(|name| folder.path().join(name));
    std::fs::write(&case, encoder::minimal_case()).unwrap();
    let mut lines = texts::sample(&root).unwrap();
    lines.extend([b"".to_vec(), b"\xFF\xFE bad \xC3".to_vec(), b"oil ".repeat(2000)]);
    std::fs::write(&input, lines.join(&b'\n')).unwrap();
    let (_, here) = scores(Command::new(env!("CARGO_BIN_EXE_scores")), &case, &input);
    assert!(here.lines().count() >= lines.len());
    let program = jetson::build_scores(&root).unwrap();
    for (cpu, kernel) in CPUS {
        let (what, found) = scores(jetson::emulated_as(cpu, &program), &case, &input);
        assert!(what.contains(&format!("aarch64-{kernel} kernels")), "{cpu}: {what}");
        assert_eq!(found, here, "{cpu}");
    }
}

/// What answers, and its answers.
fn scores(mut program: Command, case: &Path, input: &Path) -> (String, String) {
    let input = std::fs::File::open(input).unwrap();
    let output = program.arg("native").arg(case).stdin(input).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    let (what, answers) = text.split_once('\n').unwrap();
    (what.to_owned(), answers.to_owned())
}
